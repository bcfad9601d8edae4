"""Two servers on one Postgres and one bucket: no state in either, nothing lost between them."""

import concurrent.futures
import os
import threading
import uuid

import boto3
import lakefs
import pytest

from conftest import Server


@pytest.fixture
def pair(tmp_path):
    database, endpoint = os.environ.get("ANABRANCH_TEST_POSTGRES_URL"), os.environ.get("ANABRANCH_TEST_S3_ENDPOINT")
    assert database and endpoint, "tools/test starts a Postgres and an S3 server for this test"
    bucket = f"pair-{uuid.uuid4().hex[:8]}"
    keys = {"aws_access_key_id": "any", "aws_secret_access_key": "any", "region_name": "us-east-1"}
    boto3.client("s3", endpoint_url=endpoint, **keys).create_bucket(Bucket=bucket)
    arguments = [
        "--refs-url", database, "--refs-schema", f"pair_{uuid.uuid4().hex[:8]}",
        "--s3-endpoint", endpoint, "--s3-access-key-id", "any", "--s3-secret-access-key", "any",
        "--objects-default-namespace", f"s3://{bucket}/default",
    ]
    servers = [Server(tmp_path / name, *arguments).start() for name in ("left", "right")]
    servers[0].bucket = bucket
    yield servers
    for server in servers:
        server.stop()


def both(pair, repository):
    return [lakefs.Repository(repository, client=server.lakefs_client()) for server in pair]


def create(pair):
    name = f"r-{uuid.uuid4().hex[:12]}"
    lakefs.Repository(name, client=pair[0].lakefs_client()).create(
        storage_namespace=f"s3://{pair[0].bucket}/{name}", default_branch="main"
    )
    return name


def test_what_one_writes_the_other_reads_at_once(pair):
    name = create(pair)
    left, right = both(pair, name)
    for number in range(20):
        left.branch("main").object(f"a/{number}").upload(data=f"{number}", mode="wb")
        assert right.branch("main").object(f"a/{number}").reader(mode="r").read() == f"{number}"
        commit = right.branch("main").commit(f"{number}").id
        assert left.branch("main").get_commit().id == commit
    right.branch("dev").create("main")
    assert [branch.id for branch in left.branches()] == ["dev", "main"]


def test_concurrent_commits_and_merges_lose_nothing(pair):
    name = create(pair)
    repositories = both(pair, name)
    repositories[0].branch("main").object("base").upload(data=b"base", mode="wb")
    repositories[0].branch("main").commit("base")

    def work(number):
        repository = repositories[number % 2]
        branch = repository.branch(f"b{number}").create("main")
        branch.object(f"merged/{number}").upload(data=f"{number}", mode="wb")
        branch.commit(f"work {number}")
        merged = branch.merge_into(repository.branch("main"))
        repository.branch("main").object(f"direct/{number}").upload(data=f"{number}", mode="wb")
        try:
            repository.branch("main").commit(f"direct {number}")
        except lakefs.exceptions.BadRequestException as error:
            # Another worker's commit took this object along.
            assert "no changes" in str(error.body), error
        return merged

    with concurrent.futures.ThreadPoolExecutor(12) as workers:
        merges = list(workers.map(work, range(24)))
    for repository in repositories:
        main = repository.branch("main")
        assert set(merges) <= {commit.id for commit in main.log()}
        for number in range(24):
            for folder in ("merged", "direct"):
                # Committed, not only staged.
                assert main.get_commit() and repository.ref(main.get_commit().id).object(f"{folder}/{number}").exists()


def test_an_upload_begun_on_one_is_completed_on_the_other(pair):
    name = create(pair)
    left, right = (server.s3() for server in pair)
    upload = left.create_multipart_upload(Bucket=name, Key="main/big")["UploadId"]
    pieces = [os.urandom(5 << 20), os.urandom(5 << 20), os.urandom(1000)]
    parts = []
    for number, (client, piece) in enumerate(zip([left, right, left], pieces), start=1):
        answer = client.upload_part(Bucket=name, Key="main/big", UploadId=upload, PartNumber=number, Body=piece)
        parts.append({"PartNumber": number, "ETag": answer["ETag"]})
    assert len(right.list_parts(Bucket=name, Key="main/big", UploadId=upload)["Parts"]) == 3
    right.complete_multipart_upload(Bucket=name, Key="main/big", UploadId=upload, MultipartUpload={"Parts": parts})
    for client in (left, right):
        assert client.get_object(Bucket=name, Key="main/big")["Body"].read() == b"".join(pieces)


def test_one_is_killed_under_load_and_the_other_goes_on(pair):
    name = create(pair)
    left, right = both(pair, name)
    acknowledged, enough = {}, threading.Event()

    def write(server, repository, who):
        number = 0
        while not (enough.is_set() and server is pair[1]):
            path, content = f"{who}/{number}", os.urandom(100)
            try:
                repository.branch("main").object(path).upload(data=content, mode="wb")
            except Exception:  # noqa: BLE001 -- whichever way the connection broke
                assert server is pair[0], "the server that lives refused a write"
                return
            acknowledged[path] = content
            number += 1

    work = [(pair[0], left, "left"), (pair[1], right, "right")]
    threads = [threading.Thread(target=write, args=arguments) for arguments in work]
    for thread in threads:
        thread.start()
    while len(acknowledged) < 60:
        assert any(thread.is_alive() for thread in threads)
        threads[0].join(0.01)
    pair[0].kill()
    before = len(acknowledged)
    while len(acknowledged) < before + 60:
        assert threads[1].is_alive(), "the other server must go on"
        threads[1].join(0.01)
    enough.set()
    for thread in threads:
        thread.join(60)
    right.branch("main").commit("all of it")
    head = right.ref(right.branch("main").get_commit().id)
    for path, content in acknowledged.items():
        assert head.object(path).reader(mode="rb").read() == content, path
    pair[0].start()
    assert left.branch("main").get_commit().id == head.id
    checked = pair[0].run("fsck", name)
    assert checked.returncode == 0, checked.stdout + checked.stderr
