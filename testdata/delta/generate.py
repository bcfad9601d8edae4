"""Writes the Delta fixtures of this folder with real engines (deltalake, pysail).

    python generate.py [case ...]

Each case is a folder with one table per side: base, ours, theirs, and where the case has a second round, later.
rows.json holds the rows (column id) that each side has, as the engine that wrote it reads them.
The files are written anew with new names on every run; nothing else depends on the names. Engines note down where
a table lies, so the tables are written below /tmp/delta-fixtures and then moved here.
"""

import glob
import json
import os
import shutil
import sys
import time

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable, write_deltalake

WORK = "/tmp/delta-fixtures"
HERE = os.path.dirname(os.path.abspath(__file__))


def rows(start, count, **extra):
    ids = list(range(start, start + count))
    columns = {"id": pa.array(ids, pa.int64()), "name": pa.array([f"row {i}" for i in ids])}
    for name, value in extra.items():
        columns[name] = pa.array([value] * count)
    return pa.table(columns)


def fork(case, source, *targets):
    for target in targets:
        shutil.copytree(f"{case}/{source}", f"{case}/{target}")


def append(path, data, **options):
    write_deltalake(path, data, mode="append", **options)


def base_table(case, files=3, **options):
    path = f"{case}/base"
    for at in range(files):
        append(path, rows(at * 10, 10), **options)
    return path


def append_append(case):
    base_table(case)
    fork(case, "base", "ours", "theirs")
    append(f"{case}/ours", rows(100, 5))
    append(f"{case}/theirs", rows(200, 5))
    append(f"{case}/theirs", rows(210, 5))
    fork(case, "theirs", "later")
    append(f"{case}/later", rows(300, 5))
    DeltaTable(f"{case}/later").delete("id >= 200 and id < 205")


def classic_checkpoint(case):
    path = base_table(case, files=4)
    DeltaTable(path).create_checkpoint()
    for version in range(0, 3):
        os.remove(f"{path}/_delta_log/{version:020}.json")
    append(path, rows(40, 10))
    fork(case, "base", "ours", "theirs")
    append(f"{case}/ours", rows(100, 5))
    append(f"{case}/theirs", rows(200, 5))


def multi_part_checkpoint(case):
    """No engine at hand writes parts: a classic checkpoint of delta-rs is split by hand."""
    classic_checkpoint(case)
    for side in ("base", "ours", "theirs"):
        (whole,) = glob.glob(f"{case}/{side}/_delta_log/*.checkpoint.parquet")
        table = pq.read_table(whole)
        half = table.num_rows // 2
        for at, part in enumerate((table.slice(0, half), table.slice(half)), 1):
            pq.write_table(part, whole.replace(".parquet", f".{at:010}.{2:010}.parquet"))
        os.remove(whole)
        hint = f"{case}/{side}/_delta_log/_last_checkpoint"
        with open(hint) as file:
            content = json.load(file)
        with open(hint, "w") as file:
            json.dump({"version": content["version"], "size": table.num_rows, "parts": 2}, file)


def cleaned_log(case):
    """Theirs' commits since the base are gone: only a checkpoint tells what it holds."""
    base_table(case)
    fork(case, "base", "ours", "theirs")
    append(f"{case}/ours", rows(100, 5))
    theirs = f"{case}/theirs"
    append(theirs, rows(200, 5))
    append(theirs, rows(210, 5))
    table = DeltaTable(theirs)
    table.alter.set_table_properties(
        {"delta.logRetentionDuration": "interval 0 seconds", "delta.enableExpiredLogCleanup": "true"}
    )
    table.create_checkpoint()
    time.sleep(1.1)
    table.cleanup_metadata()
    append(theirs, rows(220, 5))
    left = glob.glob(f"{theirs}/_delta_log/*.json")
    assert len(left) <= 2, left


def partitioned(case):
    path = f"{case}/base"
    for at, name in enumerate(("a b", "c%d", "é")):
        append(path, rows(10 * at, 5, part=name), partition_by=["part"])
    fork(case, "base", "ours", "theirs")
    append(f"{case}/ours", rows(100, 5, part="a b"), partition_by=["part"])
    DeltaTable(f"{case}/theirs").delete("part = 'c%d' and id > 11")
    append(f"{case}/theirs", rows(200, 5, part="x/y"), partition_by=["part"])


def optimize_theirs(case):
    base_table(case)
    fork(case, "base", "ours", "theirs")
    append(f"{case}/ours", rows(100, 5))
    DeltaTable(f"{case}/theirs").optimize.compact()
    append(f"{case}/theirs", rows(200, 5))


def optimize_ours(case):
    base_table(case)
    fork(case, "base", "ours", "theirs")
    DeltaTable(f"{case}/ours").optimize.compact()
    append(f"{case}/theirs", rows(200, 5))


def optimize_dropped(case):
    base_table(case)
    fork(case, "base", "ours", "theirs")
    DeltaTable(f"{case}/ours").delete("id < 5")
    DeltaTable(f"{case}/theirs").optimize.compact()
    append(f"{case}/theirs", rows(200, 5))


def same_file(case):
    base_table(case, files=1)
    fork(case, "base", "ours", "theirs")
    DeltaTable(f"{case}/ours").delete("id = 1")
    DeltaTable(f"{case}/theirs").delete("id = 2")


def overwrite(case):
    base_table(case, files=2)
    fork(case, "base", "ours", "theirs")
    append(f"{case}/ours", rows(100, 5))
    write_deltalake(f"{case}/theirs", rows(200, 5), mode="overwrite")


def add_columns(case):
    base_table(case, files=1)
    fork(case, "base", "ours", "theirs")
    append(f"{case}/ours", rows(100, 5, ours="o"), schema_mode="merge")
    append(f"{case}/theirs", rows(200, 5, theirs="t"), schema_mode="merge")


def vacuum(case):
    """Ours cleaned up physically what the merged log still lists as removed; theirs restored it."""
    base_table(case)
    fork(case, "base", "ours", "theirs")
    append(f"{case}/ours", rows(100, 5))
    theirs = f"{case}/theirs"
    DeltaTable(theirs).delete("id < 10")
    append(theirs, rows(200, 5))
    time.sleep(0.01)
    DeltaTable(theirs).vacuum(retention_hours=0, dry_run=False, enforce_retention_duration=False)


def deletion_vectors(case):
    from pyspark.sql import SparkSession
    from pysail.spark import SparkConnectServer

    server = SparkConnectServer("127.0.0.1", 0)
    server.start(background=True)
    _, port = server.listening_address
    spark = SparkSession.builder.remote(f"sc://localhost:{port}").getOrCreate()

    def sql(side, statement):
        name = f"t_{side}"
        spark.sql(f"CREATE TABLE IF NOT EXISTS {name} USING delta LOCATION '{case}/{side}'")
        spark.sql(statement.format(name)).toPandas()

    os.makedirs(f"{case}/base")
    spark.sql(
        f"CREATE TABLE t_base (id BIGINT, name STRING) USING delta LOCATION '{case}/base' "
        "TBLPROPERTIES ('delta.enableDeletionVectors' = 'true')"
    )
    for start in (0, 10):
        values = ", ".join(f"({i}, 'row {i}')" for i in range(start, start + 10))
        spark.sql(f"INSERT INTO t_base VALUES {values}").toPandas()
    fork(case, "base", "ours", "theirs")
    sql("ours", "DELETE FROM {} WHERE id = 3")
    sql("theirs", "DELETE FROM {} WHERE id = 14")
    sql("theirs", "INSERT INTO {} VALUES (200, 'row 200')")
    for side in ("base", "ours", "theirs"):
        ids = [row[0] for row in spark.sql(f"SELECT id FROM delta.`{case}/{side}`").collect()]
        sides_rows.setdefault(case, {})[side] = sorted(ids)
    assert glob.glob(f"{case}/theirs/**/deletion_vector_*.bin", recursive=True), "Sail wrote no deletion vector"
    spark.stop()
    server.stop()


sides_rows = {}

CASES = {
    "append-append": append_append,
    "classic-checkpoint": classic_checkpoint,
    "multi-part-checkpoint": multi_part_checkpoint,
    "cleaned-log": cleaned_log,
    "partitioned": partitioned,
    "optimize-theirs": optimize_theirs,
    "optimize-ours": optimize_ours,
    "optimize-dropped": optimize_dropped,
    "same-file": same_file,
    "overwrite": overwrite,
    "add-columns": add_columns,
    "vacuum": vacuum,
    "deletion-vectors": deletion_vectors,
}


def main():
    for name in sys.argv[1:] or CASES:
        case = f"{WORK}/{name}"
        shutil.rmtree(case, ignore_errors=True)
        os.makedirs(case)
        CASES[name](case)
        for side in ("base", "ours", "theirs", "later"):
            if os.path.isdir(f"{case}/{side}") and side not in sides_rows.get(case, {}):
                ids = DeltaTable(f"{case}/{side}").to_pyarrow_table()["id"].to_pylist()
                sides_rows.setdefault(case, {})[side] = sorted(ids)
        for junk in glob.glob(f"{case}/**/*.tmp", recursive=True):
            os.remove(junk)
        with open(f"{case}/rows.json", "w") as file:
            json.dump(sides_rows[case], file)
            file.write("\n")
        shutil.rmtree(f"{HERE}/{name}", ignore_errors=True)
        shutil.move(case, f"{HERE}/{name}")
        print(name, {side: len(ids) for side, ids in sides_rows[case].items()})


if __name__ == "__main__":
    main()
