"""What a job with Spark 3.5 and S3A does: tables of files written with each committer, overwritten, and read back from
a branch, a commit and a tag.

Usage: spark_job.py write|read ENDPOINT BUCKET REF JARS COMMITTER
"""

import sys

from pyspark.sql import SparkSession

what, endpoint, bucket, reference, jars, committer = sys.argv[1:]
builder = (
    SparkSession.builder.master("local[2]").appName("anabranch")
    .config("spark.jars", jars)
    .config("spark.ui.enabled", "false")
    .config("spark.sql.shuffle.partitions", "2")
    .config("spark.driver.memory", "1g")
    .config("spark.hadoop.fs.s3a.endpoint", endpoint)
    .config("spark.hadoop.fs.s3a.endpoint.region", "us-east-1")
    .config("spark.hadoop.fs.s3a.path.style.access", "true")
    .config("spark.hadoop.fs.s3a.connection.ssl.enabled", "false")
    .config("spark.hadoop.fs.s3a.multipart.size", "5M")
    .config("spark.hadoop.fs.s3a.aws.credentials.provider", "com.amazonaws.auth.EnvironmentVariableCredentialsProvider")
)
if committer != "file":
    builder = (
        builder.config("spark.hadoop.fs.s3a.committer.name", committer)
        .config("spark.sql.sources.commitProtocolClass", "org.apache.spark.internal.io.cloud.PathOutputCommitProtocol")
        .config("spark.sql.parquet.output.committer.class", "org.apache.spark.internal.io.cloud.BindingParquetOutputCommitter")
    )
spark = builder.getOrCreate()
base = f"s3a://{bucket}/{reference}"


def frame(start, end):
    return spark.range(start, end).selectExpr("id", "id % 3 AS part", "CAST(id AS STRING) AS name")


def total(path):
    row = spark.read.parquet(path).selectExpr("count(*)", "sum(id)").first()
    return (row[0], row[1])


if what == "write":
    at = f"{base}/{committer}"
    frame(0, 100).write.mode("overwrite").parquet(f"{at}/plain")
    frame(0, 1000).write.mode("overwrite").parquet(f"{at}/plain")
    assert total(f"{at}/plain") == (1000, 499500)
    frame(1000, 1010).write.mode("append").parquet(f"{at}/plain")
    assert total(f"{at}/plain") == (1010, 499500 + sum(range(1000, 1010)))
    frame(0, 30).write.partitionBy("part").mode("overwrite").parquet(f"{at}/parts")
    assert total(f"{at}/parts") == (30, 435)
    assert spark.read.parquet(f"{at}/parts").where("part = 1").count() == 10
elif what == "read":
    assert total(f"{base}/{committer}/plain") == (1010, 499500 + sum(range(1000, 1010)))
    assert total(f"{base}/{committer}/parts") == (30, 435)
else:
    raise SystemExit(f"{what} is neither write nor read")
spark.stop()
