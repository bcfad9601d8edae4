"""Writes the Parquet files of this folder, which only Spark writes so.

    python generate_spark.py

Needs pyspark 3.5. `base`, `ours` and `theirs` are one file in three states; `int96` is one as Spark writes timestamps by default.
"""

import glob
import os
import shutil

from pyspark.sql import SparkSession

WORK = "/tmp/parquet-fixtures"
HERE = os.path.dirname(os.path.abspath(__file__))

spark = (
    SparkSession.builder.master("local[1]").appName("fixtures")
    .config("spark.ui.enabled", "false")
    .config("spark.sql.shuffle.partitions", "1")
    .config("spark.sql.session.timeZone", "UTC")
    .getOrCreate()
)

NAMES = "id, note, price, moment, day, tags, place, counts"


def row(key, note):
    return (
        f"({key}L, '{note}', CAST({key}.5 AS DECIMAL(20, 2)), TIMESTAMP '2026-01-01 00:00:0{key}', DATE '2026-01-0{key}', "
        f"array('a', '{note}'), named_struct('city', 'Ulm', 'zip', {key}), map('n', {key}L))"
    )


def write(name, rows, timestamps="TIMESTAMP_MICROS"):
    spark.conf.set("spark.sql.parquet.outputTimestampType", timestamps)
    frame = spark.sql(f"SELECT * FROM VALUES {', '.join(rows)} AS t({NAMES})")
    shutil.rmtree(f"{WORK}/{name}", ignore_errors=True)
    frame.coalesce(1).write.parquet(f"{WORK}/{name}")
    [file] = glob.glob(f"{WORK}/{name}/part-*.parquet")
    shutil.copy(file, os.path.join(HERE, f"{name}.parquet"))


write("base", [row(1, "a"), row(2, "b"), row(3, "c")])
write("ours", [row(1, "ours"), row(3, "c"), row(4, "d")])
write("theirs", [row(1, "a"), row(2, "b"), row(3, "theirs"), row(5, "e")])
write("int96", [row(1, "a")], "INT96")
