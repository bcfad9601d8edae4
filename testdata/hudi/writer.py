"""A small copy-on-write table of orders, written by Spark with a Hudi bundle: what `generate.py` and the tests do with it."""

import glob
import os

from pyspark.sql import SparkSession

SCHEMA = "id STRING, item STRING, amount BIGINT, ts BIGINT, city STRING"


def session(jar, *more_jars, **settings):
    builder = (
        SparkSession.builder.master("local[1]").appName("hudi-fixtures")
        .config("spark.jars", ",".join([jar, *more_jars]))
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "1")
        .config("spark.default.parallelism", "1")
        .config("spark.driver.memory", "1g")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.serializer", "org.apache.spark.serializer.KryoSerializer")
        .config("spark.kryo.registrator", "org.apache.spark.HoodieSparkKryoRegistrar")
        .config("spark.sql.extensions", "org.apache.spark.sql.hudi.HoodieSparkSessionExtension")
        .config("spark.sql.catalog.spark_catalog", "org.apache.spark.sql.hudi.catalog.HoodieCatalog")
    )
    for name, value in settings.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


# What keeps a fixture small and a branch apart from the other: a bloom filter for ten keys, and inserts that open new file
# groups instead of filling up small ones.
OPTIONS = {
    "hoodie.table.name": "orders",
    "hoodie.datasource.write.recordkey.field": "id",
    "hoodie.datasource.write.precombine.field": "ts",
    "hoodie.datasource.write.partitionpath.field": "city",
    "hoodie.datasource.write.hive_style_partitioning": "true",
    "hoodie.datasource.write.reconcile.schema": "false",
    "hoodie.metadata.enable": "false",
    "hoodie.parquet.small.file.limit": "0",
    "hoodie.index.bloom.num_entries": "10",
    "hoodie.bloom.index.filter.type": "SIMPLE",
    "hoodie.clean.automatic": "false",
    "hoodie.archive.automatic": "false",
    "hoodie.embed.timeline.server": "false",
    "hoodie.write.markers.type": "DIRECT",
    "hoodie.bulkinsert.shuffle.parallelism": "1",
    "hoodie.insert.shuffle.parallelism": "1",
    "hoodie.upsert.shuffle.parallelism": "1",
    "hoodie.delete.shuffle.parallelism": "1",
}


def write(spark, path, rows, operation="bulk_insert", schema=SCHEMA, **options):
    """Writes rows, with more Hudi options whose names have `__` for a dot."""
    named = {name.replace("__", "."): str(value) for name, value in options.items()}
    frame = spark.createDataFrame(rows, schema).coalesce(1)
    settings = OPTIONS | {"hoodie.datasource.write.operation": operation} | named
    frame.write.format("hudi").options(**settings).mode("append").save(path)


def call(spark, procedure, path, **arguments):
    """Calls a procedure such as `create_savepoint` for the table."""
    spark.sql(f"CREATE TABLE orders USING hudi LOCATION '{path}'")
    said = ", ".join(f"{name} => {value!r}" for name, value in arguments.items())
    spark.sql(f"CALL {procedure}(table => 'orders', {said})").collect()
    spark.sql("DROP TABLE orders")


def read(spark, path, **options):
    """The ids and amounts that a reader sees, in order."""
    named = {name.replace("__", "."): str(value) for name, value in options.items()}
    rows = spark.read.format("hudi").options(**named).load(path).select("id", "amount").collect()
    return sorted((row[0], row[1]) for row in rows)


def tidy(path):
    """Removes checksum files of the local file system, which no object store has."""
    for extra in glob.glob(f"{path}/**/.*.crc", recursive=True, include_hidden=True):
        os.remove(extra)
