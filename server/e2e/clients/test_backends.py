"""The main job where nothing lies on the server's own disk: refs in Postgres, objects in S3."""

import os
import uuid

import boto3
import pyarrow as pa
from deltalake import write_deltalake

from conftest import Server
from readers import agreed


def test_postgres_and_s3(tmp_path):
    database, endpoint = os.environ.get("ANABRANCH_TEST_POSTGRES_URL"), os.environ.get("ANABRANCH_TEST_S3_ENDPOINT")
    assert database and endpoint, "tools/test starts a Postgres and an S3 server for this test"
    bucket = f"lake-{uuid.uuid4().hex[:8]}"
    keys = {"aws_access_key_id": "any", "aws_secret_access_key": "any", "region_name": "us-east-1"}
    store = boto3.client("s3", endpoint_url=endpoint, **keys)
    store.create_bucket(Bucket=bucket)
    server = Server(
        tmp_path / "data", "--postgres", database, "--s3-endpoint", endpoint,
        "--s3-access-key-id", "any", "--s3-secret-access-key", "any",
    ).start()
    repository = server.repository(namespace=f"s3://{bucket}/lake")

    def append(branch, *values):
        rows = pa.table({"id": pa.array(values, pa.int64())})
        write_deltalake(f"s3://{repository.id}/{branch}/t", rows, mode="append", storage_options=server.delta_options())

    append("main", 1)
    main = repository.branch("main")
    main.commit("a table")
    dev = repository.branch("dev").create("main")
    append("main", 2)
    main.commit("2")
    append("dev", 3)
    dev.commit("3")
    big = os.urandom(9_000_000)
    main.object("big.bin").upload(data=big, mode="wb")
    dev.merge_into(main)
    assert agreed(server, repository, "main", "t", ["id"], tmp_path / "copy") == [(1,), (2,), (3,)]
    server.stop()
    assert not (tmp_path / "data" / "objects").exists(), "no object lies on the server's disk"
    assert store.list_objects_v2(Bucket=bucket, Prefix="lake/")["KeyCount"] > 0
    server.start()
    assert repository.branch("main").object("big.bin").reader(mode="rb").read() == big
    checked = server.run("fsck", repository.id)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    server.stop()
