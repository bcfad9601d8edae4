"""Prints, as one JSON object, the ids that independent engines read from a Delta table.

    python read_table.py FOLDER
"""

import json
import sys


def with_deltalake(path):
    from deltalake import DeltaTable, QueryBuilder

    query = QueryBuilder().register("t", DeltaTable(path))
    return [row for batch in query.execute("SELECT id FROM t") for row in batch["id"].to_pylist()]


def with_duckdb(path):
    import duckdb
    from duckdb_extensions import import_extension

    import_extension("delta")
    connection = duckdb.connect()
    connection.execute("LOAD delta")
    return [row[0] for row in connection.execute(f"SELECT id FROM delta_scan('{path}')").fetchall()]


def with_sail(path):
    from pysail.spark import SparkConnectServer
    from pyspark.sql import SparkSession

    server = SparkConnectServer("127.0.0.1", 0)
    server.start(background=True)
    _, port = server.listening_address
    spark = SparkSession.builder.remote(f"sc://localhost:{port}").getOrCreate()
    ids = [row[0] for row in spark.sql(f"SELECT id FROM delta.`{path}`").collect()]
    spark.stop()
    server.stop()
    return ids


def main():
    path = sys.argv[1]
    engines = {"deltalake": with_deltalake, "duckdb": with_duckdb, "sail": with_sail}
    print(json.dumps({name: sorted(read(path)) for name, read in engines.items()}))


if __name__ == "__main__":
    main()
