"""Writes the Delta fixtures of this folder that only Spark can write.

    python generate_spark.py FOLDER_OF_JARS

Needs pyspark 3.5 and, in the folder, the jars io.delta:delta-spark_2.12:3.3.2, io.delta:delta-storage:3.3.2 and
org.antlr:antlr4-runtime:4.9.3. Each case is a folder as `generate.py` makes them.
"""

import glob
import json
import os
import shutil
import sys

from pyspark.sql import SparkSession

WORK = "/tmp/delta-fixtures"
HERE = os.path.dirname(os.path.abspath(__file__))
SIDES = ("base", "ours", "theirs", "later")

jars = sorted(glob.glob(os.path.join(sys.argv[1], "*.jar")))
spark = (
    SparkSession.builder.master("local[1]").appName("fixtures")
    .config("spark.jars", ",".join(jars))
    .config("spark.ui.enabled", "false")
    .config("spark.sql.shuffle.partitions", "1")
    .config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension")
    .config("spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog")
    .config("spark.databricks.delta.checksum.enabled", "false")
    .config("spark.databricks.delta.writeChecksumFile.enabled", "false")
    .getOrCreate()
)


def insert(path, values):
    spark.sql(f"INSERT INTO delta.`{path}` VALUES {values}")


def mapped(case, mode):
    """Columns are called otherwise in the files, and one was renamed since the first of them."""
    at = {side: f"{case}/{side}" for side in SIDES}
    spark.sql(f"""
        CREATE TABLE delta.`{at["base"]}`
        (id BIGINT, amount BIGINT, place STRUCT<city: STRING, zip: BIGINT>, year INT) USING delta PARTITIONED BY (year)
        TBLPROPERTIES ('delta.columnMapping.mode' = '{mode}', 'delta.minReaderVersion' = '2', 'delta.minWriterVersion' = '5')
    """)
    insert(at["base"], "(1, 10, struct('Ulm', 89073), 2024), (2, 20, struct('Bonn', 53111), 2025)")
    spark.sql(f"ALTER TABLE delta.`{at['base']}` RENAME COLUMN amount TO total")
    shutil.copytree(at["base"], at["ours"])
    shutil.copytree(at["base"], at["theirs"])
    spark.sql(f"ALTER TABLE delta.`{at['ours']}` ADD CONSTRAINT fits CHECK (total > 0 AND place.zip < 90000)")
    insert(at["ours"], "(10, 30, struct('Trier', 54290), 2025), (12, 30, struct('Mainz', 55116), 2025)")
    insert(at["theirs"], "(11, 40, struct('Jena', 7743), 2025), (20, -1, struct('Gera', 7545), 2024)")
    shutil.copytree(at["theirs"], at["later"])
    spark.sql(f"DELETE FROM delta.`{at['later']}` WHERE id = 20")


for case, mode in (("mapped-names", "name"), ("mapped-ids", "id")):
    work, target = f"{WORK}/{case}", os.path.join(HERE, case)
    shutil.rmtree(work, ignore_errors=True)
    mapped(work, mode)
    ids = {}
    for side in SIDES:
        ids[side] = sorted(row[0] for row in spark.sql(f"SELECT id FROM delta.`{work}/{side}`").collect())
        for extra in glob.glob(f"{work}/{side}/**/.*.crc", recursive=True):
            os.remove(extra)
        for extra in glob.glob(f"{work}/{side}/_delta_log/.*.crc") + glob.glob(f"{work}/{side}/_delta_log/*.crc"):
            os.remove(extra)
    with open(f"{work}/rows.json", "w") as out:
        json.dump(ids, out)
        out.write("\n")
    shutil.rmtree(target, ignore_errors=True)
    shutil.move(work, target)
spark.stop()
