"""What a server stands on breaks: requests wait or fail clearly, nothing acknowledged is lost, and it heals by itself."""

import itertools
import os
import threading
import time
import urllib.error
import urllib.request
import uuid

import boto3
import lakefs
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from lakefs.exceptions import ServerException

from conftest import ACCESS_KEY, SECRET_KEY, Server
from faults import FaultyStore, Postgres


def becomes(server, wanted):
    """Whether /readyz answers `wanted` soon: a verdict is repeated for half a second."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{server.url}/readyz", timeout=10) as answer:
                status = answer.status
        except urllib.error.HTTPError as error:
            status = error.code
        if status == wanted:
            return True
    return False


def s3_without_retries(server):
    return boto3.client(
        "s3", endpoint_url=server.url, aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY,
        region_name="us-east-1", config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
    )


@pytest.fixture
def postgres():
    postgres = Postgres()
    yield postgres
    postgres.remove()


def test_the_ref_store_goes_and_comes_back(postgres, tmp_path):
    server = Server(tmp_path / "data", "--refs-url", postgres.url, "--refs-wait", "2s").start()
    repository = server.repository()
    main = repository.branch("main")
    main.object("before").upload(data=b"before", mode="wb", pre_sign=False)
    main.commit("before")

    postgres.halt()
    assert becomes(server, 503)
    begun = time.monotonic()
    with pytest.raises(ServerException) as refused:
        main.object("meanwhile").upload(data=b"x", mode="wb", pre_sign=False)
    assert refused.value.status_code == 503, refused.value
    assert "try again" in refused.value.body["message"] and "request" in refused.value.body["message"]
    with pytest.raises(ServerException) as refused:
        main.commit("meanwhile")
    assert refused.value.status_code == 503, refused.value
    with pytest.raises(ClientError) as refused:
        s3_without_retries(server).get_object(Bucket=repository.id, Key="main/before")
    assert refused.value.response["Error"]["Code"] == "ServiceUnavailable"
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    assert time.monotonic() - begun < 30, "requests fail after refs.wait"

    # One that comes while it is away, and waits long enough, is served.
    waited = {}

    def patient():
        for _ in range(100):
            try:
                main.object("patient").upload(data=b"patient", mode="wb", pre_sign=False)
            except ServerException as error:
                assert error.status_code == 503, error
            else:
                waited["done"] = True
                return

    thread = threading.Thread(target=patient)
    thread.start()
    postgres.resume()
    thread.join(60)
    assert waited.get("done"), "no recovery without a restart"
    assert becomes(server, 200)
    main.commit("after")
    assert main.object("before").reader(mode="rb", pre_sign=False).read() == b"before"
    assert main.object("patient").reader(mode="rb", pre_sign=False).read() == b"patient"
    server.stop()


@pytest.fixture
def lake(tmp_path):
    """A server whose objects lie behind a store that breaks."""
    endpoint = os.environ.get("ANABRANCH_TEST_S3_ENDPOINT")
    assert endpoint, "tools/test starts an S3 server for this test"
    bucket = f"faulty-{uuid.uuid4().hex[:8]}"
    keys = {"aws_access_key_id": "any", "aws_secret_access_key": "any", "region_name": "us-east-1"}
    boto3.client("s3", endpoint_url=endpoint, **keys).create_bucket(Bucket=bucket)
    store = FaultyStore(endpoint)
    server = Server(
        tmp_path / "data", "--s3-endpoint", store.endpoint, "--s3-access-key-id", "any",
        "--s3-secret-access-key", "any", "--objects-default-namespace", f"s3://{bucket}/lake",
    ).start()
    server.bucket = bucket
    yield server, store
    server.stop()
    store.stop()


def load(repository, count):
    """Uploads, commits and merges; what was acknowledged."""
    repository.branch("dev").create("main")
    objects, heads = {}, []
    for number in range(count):
        path, content = f"p/{number}", os.urandom(50 if number % 2 else 300_000)
        branch = repository.branch("dev")
        branch.object(path).upload(data=content, mode="wb", pre_sign=False)
        objects[path] = content
        if number % 3 == 2:
            branch.commit(f"{number}")
            heads.append(branch.merge_into(repository.branch("main")))
    return objects, heads


def check(server, repository, objects, heads):
    main = repository.branch("main")
    log = [commit.id for commit in main.log()]
    assert set(heads) <= set(log), "an acknowledged merge is gone"
    assert len(log) == len(set(log))
    for path, content in objects.items():
        assert repository.branch("dev").object(path).reader(mode="rb", pre_sign=False).read() == content, path
    checked = server.run("fsck", repository.id)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("kind", ["503", "lost request", "lost reply"])
def test_every_fifth_request_to_the_object_store_fails(lake, kind):
    server, store = lake
    repository = server.repository(namespace=f"s3://{server.bucket}/lake/r")
    turn = itertools.count()
    store.fault = lambda method, path: kind if next(turn) % 5 == 4 else None
    objects, heads = load(repository, 12)
    store.fault = lambda method, path: None
    assert any(fault for _, _, fault in store.seen), "nothing failed: the test tests nothing"
    check(server, repository, objects, heads)


def test_the_object_store_is_away_and_comes_back(lake):
    server, store = lake
    repository = server.repository(namespace=f"s3://{server.bucket}/lake/r")
    objects, heads = load(repository, 3)
    # Gone for as long as one upload takes to give up, then back.
    store.fault = lambda method, path: "503"
    assert becomes(server, 503)
    with pytest.raises(ServerException) as refused:
        repository.branch("main").object("meanwhile").upload(data=os.urandom(300_000), mode="wb", pre_sign=False)
    assert refused.value.status_code == 503, refused.value
    assert "try again" in refused.value.body["message"]
    store.fault = lambda method, path: None
    assert becomes(server, 200)
    with pytest.raises(lakefs.exceptions.NotFoundException):
        repository.branch("main").object("meanwhile").reader(mode="rb", pre_sign=False).read()
    repository.branch("main").object("after").upload(data=b"after", mode="wb", pre_sign=False)
    assert repository.branch("main").object("after").reader(mode="rb", pre_sign=False).read() == b"after"
    check(server, repository, objects, heads)
