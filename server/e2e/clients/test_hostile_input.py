"""What no honest client sends: a clear answer that names the thing, and nothing broken behind it."""

import json
import subprocess

import lakefs
import pyarrow as pa
import pytest
from botocore.exceptions import ClientError
from deltalake import write_deltalake
from lakefs.exceptions import BadRequestException, ConflictException, NotFoundException

from conftest import ACCESS_KEY, SECRET_KEY, Server, binary, free_port


def two_sides(server, repository):
    """A Delta table that both sides changed."""
    options = server.delta_options()

    def append(branch, value):
        rows = pa.table({"id": pa.array([value], pa.int64())})
        write_deltalake(f"s3://{repository.id}/{branch}/t", rows, mode="append", storage_options=options)

    append("main", 1)
    main = repository.branch("main")
    main.commit("a table")
    dev = repository.branch("dev").create("main")
    append("main", 2)
    main.commit("2")
    append("dev", 3)
    dev.commit("3")
    return main, dev


LOG = "t/_delta_log/00000000000000000001.json"


def damage(name):
    if name == "truncated":
        return b'{"add":{"path":"x.parquet","partitionValues":{},"si'
    if name == "binary":
        return bytes(range(256))
    if name == "foreign":
        return b'{"hello": "world"}\n[1, 2, 3]\n'
    if name == "unknown-feature":
        action = {"protocol": {"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": ["fromTheFuture"], "writerFeatures": ["fromTheFuture"]}}
        return json.dumps(action).encode()
    raise AssertionError(name)


@pytest.mark.parametrize("name", ["truncated", "binary", "foreign", "unknown-feature"])
def test_a_broken_log_on_one_side(server, repository, name):
    main, dev = two_sides(server, repository)
    dev.object(LOG).upload(data=damage(name), mode="wb")
    dev.commit("broken")
    head = main.get_commit().id
    with pytest.raises(ConflictException) as refused:
        dev.merge_into(main)
    conflicts = refused.value.body["conflicts"]
    assert [conflict["table"] for conflict in conflicts] == ["t"], conflicts
    assert main.get_commit().id == head


def test_a_gap_in_the_log(server, repository):
    main, dev = two_sides(server, repository)
    content = dev.object(LOG).reader(mode="rb").read()
    dev.object("t/_delta_log/00000000000000000005.json").upload(data=content, mode="wb")
    dev.commit("a gap")
    with pytest.raises(ConflictException) as refused:
        dev.merge_into(main)
    assert [conflict["table"] for conflict in refused.value.body["conflicts"]] == ["t"]


@pytest.mark.parametrize("path", ["a/../b", "..", "a\0b", "x" * 1025, "@tables/x"])
def test_paths_that_are_refused(repository, path):
    with pytest.raises(BadRequestException) as refused:
        repository.branch("main").object(path).upload(data=b"x", mode="wb")
    assert "refused" in refused.value.body["message"]


@pytest.mark.parametrize("path", ["x" * 1024, "x" * 1019, "é", "e\u0301", "日本/語", "a b+c%25", "a//b", " lead", "tail ", "'\"<&>?#"])
def test_paths_that_are_kept(server, repository, path):
    repository.branch("main").object(path).upload(data=path.encode(), mode="wb")
    assert repository.branch("main").object(path).reader(mode="rb").read() == path.encode()
    key = f"main/{path}"
    if len(key.encode()) <= 1024:
        assert server.s3().get_object(Bucket=repository.id, Key=key)["Body"].read() == path.encode()
    else:  # the ref counts towards S3's own limit
        with pytest.raises(ClientError) as refused:
            server.s3().get_object(Bucket=repository.id, Key=key)
        assert refused.value.response["Error"]["Code"] == "KeyTooLongError"
    assert path in [item.path for item in repository.branch("main").objects()]


def test_writes_to_what_is_no_branch(server, repository):
    head = repository.branch("main").get_commit().id
    s3 = server.s3()
    for reference in [head, "nowhere"]:
        with pytest.raises(ClientError) as refused:
            s3.put_object(Bucket=repository.id, Key=f"{reference}/x", Body=b"x")
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] in (400, 403, 404, 405)
    with pytest.raises(ClientError) as refused:
        s3.get_object(Bucket="no-such-bucket", Key="main/x")
    assert refused.value.response["Error"]["Code"] == "NoSuchBucket"


def test_wrong_keys(server, repository):
    from lakefs.client import Client

    client = Client(host=server.url, username=ACCESS_KEY, password="wrong")
    with pytest.raises(lakefs.exceptions.NotAuthorizedException):
        list(lakefs.Repository(repository.id, client=client).branches())
    s3 = server.s3()
    s3._request_signer._credentials.secret_key = "wrong"
    with pytest.raises(ClientError) as refused:
        s3.list_objects_v2(Bucket=repository.id)
    assert refused.value.response["Error"]["Code"] == "SignatureDoesNotMatch"


def test_a_second_server_on_the_folder(server):
    second = subprocess.run(
        [binary(), "serve", "--listen", f"127.0.0.1:{free_port()}", "--data", str(server.folder)],
        capture_output=True, text=True, timeout=60,
    )
    assert second.returncode == 2
    assert "another server" in second.stderr and str(server.folder) in second.stderr


def test_a_folder_of_a_newer_version(tmp_path):
    server = Server(tmp_path / "data").start()
    server.stop()
    (tmp_path / "data" / "anabranch.json").write_text('{"format": 99}')
    refused = subprocess.run(
        [binary(), "serve", "--listen", f"127.0.0.1:{free_port()}", "--data", str(tmp_path / "data")],
        capture_output=True, text=True, timeout=60,
    )
    assert refused.returncode == 2 and "newer server" in refused.stderr


def test_a_memory_repository_after_a_restart(tmp_path):
    server = Server(tmp_path / "data").start()
    repository = server.repository(namespace="mem://fleeting")
    repository.branch("main").object("x").upload(data=b"x", mode="wb")
    server.stop()
    server.start()
    repository = lakefs.Repository(repository.id, client=server.lakefs_client())
    with pytest.raises(lakefs.exceptions.ServerException) as refused:
        repository.branch("main").object("x").reader(mode="rb").read()
    assert refused.value.status_code == 410 and "memory" in str(refused.value.body)
    server.stop()


def test_a_deleted_branch_and_a_missing_one(repository):
    branch = repository.branch("short").create("main")
    branch.delete()
    with pytest.raises(NotFoundException):
        branch.object("x").upload(data=b"x", mode="wb")
    with pytest.raises(NotFoundException):
        repository.branch("never").get_commit()


def test_a_full_disk(tmp_path):
    """On a small file system of its own, where we may make one."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip(f"no tmpfs can be mounted here: {mounted.stderr.decode().strip()}")
    server = Server(folder / "data")
    try:
        server.start()
        repository = server.repository()
        branch = repository.branch("main")
        kept = {}
        with pytest.raises(lakefs.exceptions.ServerException):
            for number in range(100):
                content = bytes([number]) * 1_000_000
                branch.object(f"big/{number}").upload(data=content, mode="wb")
                kept[f"big/{number}"] = content
        assert kept
        for path, content in kept.items():
            assert branch.object(path).reader(mode="rb").read() == content
        server.stop()
        server.start()
        branch = lakefs.Repository(repository.id, client=server.lakefs_client()).branch("main")
        for path, content in kept.items():
            assert branch.object(path).reader(mode="rb").read() == content
        server.stop()
    finally:
        if server.process and server.process.poll() is None:
            server.kill()
        subprocess.run(["umount", str(folder)], check=True)
