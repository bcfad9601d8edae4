"""The main job where nothing lies on the server's own disk: refs in Postgres, objects in S3 or Azure."""

import base64
import hmac
import os
import urllib.request
import uuid
from email.utils import formatdate

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
