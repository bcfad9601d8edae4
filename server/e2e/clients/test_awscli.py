"""The aws command line: a new one from PyPI, and the old one that Debian ships."""

import json
import os

import pytest

from tools import from_debian, from_environment, keys, run


@pytest.fixture(params=["new", "debian"])
def aws(request, server, tmp_path):
    program = from_environment("awscli", "aws") if request.param == "new" else from_debian("aws")
    # Virtual-host addresses need a name for each bucket; an endpoint that is an address has none.
    (tmp_path / "config").write_text("[default]\ns3 =\n  addressing_style = path\n  multipart_chunksize = 6MB\n")
    env = keys(AWS_CONFIG_FILE=str(tmp_path / "config"), HOME=str(tmp_path))
    return lambda *words, ok=True: run([program, "--endpoint-url", server.url, *words], env, ok)


def test_files_and_folders(aws, repository, tmp_path):
    folder = tmp_path / "folder"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.txt").write_text("a")
    (folder / "deep" / "ü b.bin").write_bytes(os.urandom(15 << 20))
    base = f"s3://{repository.id}/main/folder"
    aws("s3", "sync", folder, base)
    assert aws("s3", "sync", folder, base).stdout == "", "nothing is sent twice"
    listed = aws("s3", "ls", "--recursive", f"s3://{repository.id}/main/").stdout
    assert "main/folder/a.txt" in listed and "main/folder/deep/ü b.bin" in listed
    assert "PRE main/" in aws("s3", "ls", f"s3://{repository.id}").stdout
    aws("s3", "cp", f"{base}/deep/ü b.bin", tmp_path / "down")
    assert (tmp_path / "down").read_bytes() == (folder / "deep" / "ü b.bin").read_bytes()
    aws("s3", "mv", f"{base}/a.txt", f"{base}/moved.txt")
    assert aws("s3", "cp", f"{base}/moved.txt", "-").stdout == "a"
    aws("s3", "rm", "--recursive", base)
    assert aws("s3", "ls", "--recursive", f"s3://{repository.id}/main/", ok=False).stdout == ""


def test_a_commit_is_read_like_a_branch(aws, repository, tmp_path):
    (tmp_path / "a").write_text("1")
    aws("s3", "cp", tmp_path / "a", f"s3://{repository.id}/main/a")
    commit = repository.branch("main").commit("one").get_commit().id
    (tmp_path / "a").write_text("2")
    aws("s3", "cp", tmp_path / "a", f"s3://{repository.id}/main/a")
    assert aws("s3", "cp", f"s3://{repository.id}/{commit}/a", "-").stdout == "1"
    refused = aws("s3", "cp", tmp_path / "a", f"s3://{repository.id}/{commit}/a", ok=False)
    assert refused.returncode != 0 and "MethodNotAllowed" in refused.stderr


def test_single_operations(aws, repository, tmp_path):
    (tmp_path / "a").write_text("hello")
    at = ("--bucket", repository.id, "--key", "main/a")
    aws("s3api", "put-object", *at, "--body", tmp_path / "a", "--metadata", "origin=north", "--tagging", "team=blue")
    head = json.loads(aws("s3api", "head-object", *at).stdout)
    assert head["Metadata"] == {"origin": "north"} and head["ContentLength"] == 5
    tags = json.loads(aws("s3api", "get-object-tagging", *at).stdout)
    assert tags["TagSet"] == [{"Key": "team", "Value": "blue"}]
    assert json.loads(aws("s3api", "get-object-acl", *at).stdout)["Grants"]
    location = aws("s3api", "get-bucket-location", "--bucket", repository.id).stdout
    assert "LocationConstraint" in location


def test_a_bucket_is_made_and_removed(aws, request):
    bucket = f"s3://made-by-aws-{os.getpid()}-{request.node.callspec.id}"
    aws("s3", "mb", bucket)
    assert bucket[5:] in aws("s3", "ls").stdout
    aws("s3", "rb", bucket)
    assert bucket[5:] not in aws("s3", "ls").stdout
