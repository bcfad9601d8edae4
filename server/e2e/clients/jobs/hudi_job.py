"""What a job with Spark 3.5 and Hudi does to a merged table over S3A: it reads it, with the metadata table and without, updates every
row, and reads it again. On the branch that was merged it inserts a row.

Usage: hudi_job.py ENDPOINT MERGED_TABLE BRANCH_TABLE BUNDLE JARS WRITER
"""

import json
import sys

endpoint, table, branch, bundle, jars, writer = sys.argv[1:]
sys.path.insert(0, writer)

from writer import read, session, write  # noqa: E402

spark = session(bundle, *jars.split(","), **{
    "spark.hadoop.fs.s3a.endpoint": endpoint,
    "spark.hadoop.fs.s3a.endpoint.region": "us-east-1",
    "spark.hadoop.fs.s3a.path.style.access": "true",
    "spark.hadoop.fs.s3a.connection.ssl.enabled": "false",
    "spark.hadoop.fs.s3a.aws.credentials.provider": "com.amazonaws.auth.EnvironmentVariableCredentialsProvider",
})
INDEXED = {"hoodie__metadata__enable": "true"}


def seen():
    """The rows, which must not depend on whether files are listed or looked up in the metadata table."""
    rows, indexed = read(spark, table), read(spark, table, **INDEXED)
    assert rows == indexed, f"{rows} without the metadata table, {indexed} with it"
    return rows


merged = seen()
columns = ["id", "item", "amount", "ts", "city"]
rows = [row.asDict() for row in spark.read.format("hudi").load(table).select(*columns).collect()]
changed = [(row["id"], row["item"], row["amount"] + 100, row["ts"] + 10, row["city"]) for row in rows]
write(spark, table, changed, "upsert", **INDEXED)
updated = seen()
write(spark, branch, [("8", "lid", 80, 5, "ulm")], **INDEXED)
print("RESULT", json.dumps({"merged": merged, "updated": updated}))
spark.stop()
