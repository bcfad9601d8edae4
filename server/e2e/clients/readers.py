"""Three readers of a Delta table that share no code of ours: what they agree on is what the table holds."""

import pathlib
import sys

import duckdb
import duckdb_extensions
from deltalake import DeltaTable


def rows_of(arrow, columns):
    """Rows as a sorted list of tuples, for comparison as a multiset."""
    table = arrow.select(columns).to_pydict()
    rows = zip(*(table[name] for name in columns))
    return sorted(rows, key=lambda row: tuple((value is None, str(type(value)), value if value is not None else 0) for value in row))


def delta_rs(server, repository, reference, path, columns):
    table = DeltaTable(f"s3://{repository.id}/{reference}/{path}", storage_options=server.delta_options())
    return rows_of(table.to_pyarrow_table(), columns)


def download(server, repository, reference, path, folder):
    """A copy of a table as a plain folder, object by object over S3."""
    s3 = server.s3()
    folder = pathlib.Path(folder)
    prefix = f"{reference}/{path}/"
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=repository.id, Prefix=prefix):
        for item in page.get("Contents", []):
            target = folder / item["Key"][len(prefix):]
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(s3.get_object(Bucket=repository.id, Key=item["Key"])["Body"].read())
    return folder


def duck(folder, columns):
    connection = duckdb.connect()
    duckdb_extensions.import_extension("delta", con=connection)
    connection.execute("LOAD delta")
    result = connection.execute(f"SELECT {', '.join(columns)} FROM delta_scan('{folder}')").to_arrow_table()
    connection.close()
    return rows_of(result, columns)


_sail = None


def sail_session():
    """One Sail server for all tests: a Spark without a JVM."""
    global _sail
    if _sail is None:
        # pyspark takes a main program without a file, as workers of pytest have it, for its own doctests.
        main = sys.modules["__main__"]
        main.__file__ = getattr(main, "__file__", __file__)
        from pysail.spark import SparkConnectServer
        from pyspark.sql import SparkSession

        server = SparkConnectServer("127.0.0.1", 0)
        server.start(background=True)
        _, port = server.listening_address
        _sail = (server, SparkSession.builder.remote(f"sc://127.0.0.1:{port}").getOrCreate())
    return _sail[1]


def sail(folder, columns):
    frame = sail_session().read.format("delta").load(str(folder)).select(*columns)
    return rows_of(frame.toArrow(), columns)


def agreed(server, repository, reference, path, columns, folder):
    """The rows that delta-rs, DuckDB and Sail all read; fails when they differ."""
    local = download(server, repository, reference, path, folder)
    seen = {
        "delta-rs": delta_rs(server, repository, reference, path, columns),
        "DuckDB": duck(local, columns),
        "Sail": sail(local, columns),
    }
    first = seen["delta-rs"]
    for name, rows in seen.items():
        assert rows == first, f"{name} reads {len(rows)} rows, delta-rs {len(first)}, or other ones"
    return first
