"""What a job with Sail does over S3: a table written, appended to, overwritten in part, and read back.

Usage: sail_job.py BUCKET
"""

import sys

from pysail.spark import SparkConnectServer
from pyspark.sql import SparkSession

bucket = sys.argv[1]
server = SparkConnectServer("127.0.0.1", 0)
server.start(background=True)
_, port = server.listening_address
spark = SparkSession.builder.remote(f"sc://127.0.0.1:{port}").getOrCreate()

delta = f"s3://{bucket}/main/delta"
parquet = f"s3://{bucket}/main/parquet"
frame = spark.createDataFrame([(1, "a"), (2, "b")], "id INT, name STRING")
frame.write.format("delta").mode("append").save(delta)
spark.createDataFrame([(3, "c")], "id INT, name STRING").write.format("delta").mode("append").save(delta)
assert sorted(row.id for row in spark.read.format("delta").load(delta).collect()) == [1, 2, 3]
frame.write.mode("overwrite").parquet(parquet)
frame.write.mode("overwrite").parquet(parquet)
assert sorted(row.name for row in spark.read.parquet(parquet).collect()) == ["a", "b"]
spark.stop()
server.stop()
