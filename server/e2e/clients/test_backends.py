"""The main job where nothing lies on the server's own disk: refs in Postgres, objects in S3 or Azure."""

import base64
import hashlib
import hmac
import os
import urllib.request
import uuid
from email.utils import formatdate

import boto3
import lakefs
import pyarrow as pa
import pytest
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
        "--s3-access-key-id", "any", "--s3-secret-access-key", "any", "--objects-allow", f"s3://{bucket}/lake",
        "--objects-allow-import", f"s3://{bucket}/raw",
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
    signed_by_the_bucket(main)
    imported_from_the_bucket(main, store, bucket)
    server.stop()
    assert not (tmp_path / "data" / "objects").exists(), "no object lies on the server's disk"
    assert store.list_objects_v2(Bucket=bucket, Prefix="lake/")["KeyCount"] > 0
    server.start()
    assert repository.branch("main").object("big.bin").reader(mode="rb").read() == big
    checked = server.run("fsck", repository.id)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    server.stop()


def signed_by_the_bucket(main):
    """Large objects, and those that clients wrote themselves, are read and written past the server."""
    endpoint = os.environ["ANABRANCH_TEST_S3_ENDPOINT"]
    assert main.object("big.bin").stat(pre_sign=True).physical_address.startswith(endpoint)
    small = main.object("small.txt").upload("small", pre_sign=True)
    assert small.stat(pre_sign=True).physical_address.startswith(endpoint)
    assert small.reader(mode="r", pre_sign=True).read() == "small"
    shared = main.object("shared.txt").upload("shared", pre_sign=False)
    assert "/api/v1/links/" in shared.stat(pre_sign=True).physical_address
    assert shared.reader(mode="r", pre_sign=True).read() == "shared"
    main.commit("signed")


def imported_from_the_bucket(main, store, bucket):
    for name in ("a.csv", "deep/b.csv"):
        store.put_object(Bucket=bucket, Key=f"raw/{name}", Body=name.encode())
    store.put_object(Bucket=bucket, Key="rawest/c.csv", Body=b"not this one")
    status = main.import_data("imported").prefix(f"s3://{bucket}/raw/", "in/").run()
    assert status.ingested_objects == 2, status
    assert main.object("in/deep/b.csv").reader(mode="r").read() == "deep/b.csv"
    stat = main.object("in/a.csv").stat()
    assert stat.checksum == hashlib.md5(b"a.csv").hexdigest() and stat.physical_address == f"s3://{bucket}/raw/a.csv"
    for refused in (f"s3://{bucket}/lake/", f"s3://{bucket}/", f"s3://{bucket}/rawest/"):
        with pytest.raises(lakefs.exceptions.BadRequestException):
            main.import_data("no").prefix(refused, "x/").run()


def test_azure(tmp_path):
    endpoint = os.environ.get("ANABRANCH_TEST_AZURE_ENDPOINT")
    assert endpoint, "tools/test starts an Azure server for this test"
    # The account that every server for tests knows, and its published key.
    account, key = "devstoreaccount1", "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
    container = f"lake-{uuid.uuid4().hex[:8]}"
    create_container(endpoint, account, key, container)
    secret = tmp_path / "azure-key"
    secret.write_text(f"{key}\n")
    server = Server(
        tmp_path / "data", "--azure-account", account, "--azure-access-key-file", str(secret),
        "--azure-endpoint", f"{endpoint}/{account}", "--objects-default-namespace", f"az://{container}/default",
    ).start()
    # The SDK knows Azure's namespaces as addresses of the web.
    repository = server.repository(namespace=f"{endpoint}/{account}/{container}/lake")
    main = repository.branch("main")
    big = os.urandom(20_000_000)
    main.object("big.bin").upload(data=big, mode="wb")
    main.object("small").upload(data=b"small", mode="wb")
    main.commit("both")
    dev = repository.branch("dev").create("main")
    dev.object("more").upload(data=b"more", mode="wb")
    dev.commit("more")
    dev.merge_into(main)
    server.stop()
    server.start()
    for path, content in [("big.bin", big), ("small", b"small"), ("more", b"more")]:
        assert main.object(path).reader(mode="rb").read() == content
    assert server.s3().get_object(Bucket=repository.id, Key="main/big.bin", Range="bytes=9999999-10000010")["Body"].read() == big[9999999:10000011]
    checked = server.run("fsck", repository.id)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    server.stop()
    assert not (tmp_path / "data" / "objects").exists(), "no object lies on the server's disk"


def create_container(endpoint, account, key, container):
    date, version = formatdate(usegmt=True), "2021-08-06"
    signed = f"PUT{chr(10) * 12}x-ms-date:{date}\nx-ms-version:{version}\n/{account}/{account}/{container}\nrestype:container"
    signature = base64.b64encode(hmac.digest(base64.b64decode(key), signed.encode(), "sha256")).decode()
    headers = {"x-ms-date": date, "x-ms-version": version, "Authorization": f"SharedKey {account}:{signature}"}
    request = urllib.request.Request(f"{endpoint}/{account}/{container}?restype=container", method="PUT", headers=headers, data=None)
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 201
