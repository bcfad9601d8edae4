"""boto3, as people use it: what it does by default works, and what it asks for explicitly is kept."""

import os
import socket
import threading
import urllib.error
import urllib.request

import boto3
import pytest
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

from conftest import ACCESS_KEY, SECRET_KEY, Server

MIB = 1 << 20


def code(refused):
    return refused.value.response["Error"]["Code"]


def keys_of(s3, bucket, **arguments):
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, **arguments)
    return [item["Key"] for page in pages for item in page.get("Contents", [])]


@pytest.fixture
def bucket(repository):
    return repository.id


@pytest.fixture
def s3(server):
    return server.s3()


def test_an_object_and_what_it_carries(s3, bucket):
    put = s3.put_object(
        Bucket=bucket, Key="main/a b+c/ü.csv", Body=b"x,y\n", ContentType="text/csv", CacheControl="no-cache",
        Metadata={"origin": "north"}, Tagging="team=blue&stage=raw",
    )
    assert put["ChecksumCRC32"], "boto3 sends a checksum by default, and it is verified"
    got = s3.get_object(Bucket=bucket, Key="main/a b+c/ü.csv")
    assert got["Body"].read() == b"x,y\n"
    assert (got["ContentType"], got["CacheControl"], got["Metadata"]) == ("text/csv", "no-cache", {"origin": "north"})
    assert (got["ETag"], got["TagCount"]) == (put["ETag"], 2)
    head = s3.head_object(Bucket=bucket, Key="main/a b+c/ü.csv", ChecksumMode="ENABLED")
    assert head["ChecksumCRC32"] == put["ChecksumCRC32"] and head["ContentLength"] == 4
    attributes = s3.get_object_attributes(
        Bucket=bucket, Key="main/a b+c/ü.csv", ObjectAttributes=["ETag", "Checksum", "ObjectSize"])
    assert attributes["ObjectSize"] == 4 and attributes["Checksum"]["ChecksumCRC32"] == put["ChecksumCRC32"]


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"])
def test_every_checksum_that_boto3_can_compute(s3, bucket, algorithm):
    put = s3.put_object(Bucket=bucket, Key="main/a", Body=b"hello", ChecksumAlgorithm=algorithm)
    head = s3.head_object(Bucket=bucket, Key="main/a", ChecksumMode="ENABLED")
    assert head[f"Checksum{algorithm}"] == put[f"Checksum{algorithm}"]


def test_tags(s3, bucket):
    def tags():
        return {tag["Key"]: tag["Value"] for tag in s3.get_object_tagging(Bucket=bucket, Key="main/a")["TagSet"]}

    s3.put_object(Bucket=bucket, Key="main/a", Body=b"x")
    assert tags() == {}
    s3.put_object_tagging(
        Bucket=bucket, Key="main/a", Tagging={"TagSet": [{"Key": "cost center", "Value": "4/2"}, {"Key": "k", "Value": ""}]})
    assert tags() == {"cost center": "4/2", "k": ""}
    s3.delete_object_tagging(Bucket=bucket, Key="main/a")
    assert tags() == {}


def test_tags_are_part_of_history(s3, repository):
    main = repository.branch("main")
    s3.put_object(Bucket=repository.id, Key="main/a", Body=b"x", Tagging="team=blue")
    before = main.commit("blue").get_commit().id
    s3.put_object_tagging(Bucket=repository.id, Key="main/a", Tagging={"TagSet": [{"Key": "team", "Value": "red"}]})
    assert [change.path for change in main.uncommitted()] == ["a"], "a change of tags is a staged change"
    main.commit("red")
    team = [
        s3.get_object_tagging(Bucket=repository.id, Key=f"{reference}/a")["TagSet"][0]["Value"]
        for reference in ("main", before)
    ]
    assert team == ["red", "blue"]


def test_a_large_file_in_parts(s3, bucket, tmp_path):
    config = TransferConfig(multipart_threshold=6 * MIB, multipart_chunksize=6 * MIB, max_concurrency=4)
    content = os.urandom(20 * MIB + 1)
    (tmp_path / "up").write_bytes(content)
    s3.upload_file(
        str(tmp_path / "up"), bucket, "main/big", Config=config, ExtraArgs={"Metadata": {"a": "b"}, "Tagging": "t=1"})
    s3.download_file(bucket, "main/big", str(tmp_path / "down"), Config=config)
    assert (tmp_path / "down").read_bytes() == content
    head = s3.head_object(Bucket=bucket, Key="main/big", ChecksumMode="ENABLED")
    assert head["ETag"].endswith('-4"') and head["Metadata"] == {"a": "b"}
    assert any(name.startswith("Checksum") for name in head), head
    s3.copy({"Bucket": bucket, "Key": "main/big"}, bucket, "main/copy", Config=config)
    assert s3.get_object(Bucket=bucket, Key="main/copy")["Body"].read() == content
    part = s3.get_object(Bucket=bucket, Key="main/big", Range="bytes=6291450-6291460")["Body"].read()
    assert part == content[6291450:6291461]
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


def test_an_upload_with_the_checksum_of_the_whole(s3, bucket):
    upload = s3.create_multipart_upload(
        Bucket=bucket, Key="main/a", ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT")["UploadId"]
    parts = []
    for number, body in enumerate([b"a" * 5 * MIB, b"tail"], start=1):
        part = s3.upload_part(Bucket=bucket, Key="main/a", UploadId=upload, PartNumber=number, Body=body, ChecksumAlgorithm="CRC32")
        parts.append({"PartNumber": number, "ETag": part["ETag"], "ChecksumCRC32": part["ChecksumCRC32"]})
    listed = s3.list_parts(Bucket=bucket, Key="main/a", UploadId=upload, MaxParts=1)
    assert listed["IsTruncated"] and listed["Parts"][0]["ChecksumCRC32"] == parts[0]["ChecksumCRC32"]
    done = s3.complete_multipart_upload(
        Bucket=bucket, Key="main/a", UploadId=upload, MultipartUpload={"Parts": parts}, ChecksumType="FULL_OBJECT")
    whole = s3.put_object(Bucket=bucket, Key="main/b", Body=b"a" * 5 * MIB + b"tail", ChecksumAlgorithm="CRC32")
    assert done["ChecksumCRC32"] == whole["ChecksumCRC32"] and done["ChecksumType"] == "FULL_OBJECT"


def test_a_part_is_read_by_its_number(s3, bucket, tmp_path):
    content = os.urandom(13 * MIB)
    (tmp_path / "up").write_bytes(content)
    config = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=6 * MIB)
    s3.upload_file(str(tmp_path / "up"), bucket, "main/big", Config=config)
    heads = [s3.head_object(Bucket=bucket, Key="main/big", PartNumber=number) for number in (1, 2, 3)]
    assert [(head["PartsCount"], head["ContentLength"]) for head in heads] == [(3, 6 * MIB), (3, 6 * MIB), (3, MIB)]
    parts = [s3.get_object(Bucket=bucket, Key="main/big", PartNumber=number) for number in (1, 2, 3)]
    assert b"".join(part["Body"].read() for part in parts) == content
    assert parts[1]["ContentRange"] == f"bytes {6 * MIB}-{12 * MIB - 1}/{13 * MIB}" and parts[1]["ETag"] == heads[0]["ETag"]
    with pytest.raises(ClientError) as missing:
        s3.get_object(Bucket=bucket, Key="main/big", PartNumber=4)
    assert code(missing) == "InvalidPartNumber"
    s3.put_object(Bucket=bucket, Key="main/small", Body=b"x")
    small = s3.get_object(Bucket=bucket, Key="main/small", PartNumber=1)
    assert small["Body"].read() == b"x" and "PartsCount" not in small


def test_an_upload_that_is_given_up(s3, bucket):
    upload = s3.create_multipart_upload(Bucket=bucket, Key="main/a")["UploadId"]
    s3.upload_part(Bucket=bucket, Key="main/a", UploadId=upload, PartNumber=1, Body=b"x" * MIB)
    assert [item["Key"] for item in s3.list_multipart_uploads(Bucket=bucket)["Uploads"]] == ["main/a"]
    s3.abort_multipart_upload(Bucket=bucket, Key="main/a", UploadId=upload)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)
    assert keys_of(s3, bucket) == []
    with pytest.raises(ClientError) as refused:
        s3.upload_part(Bucket=bucket, Key="main/a", UploadId=upload, PartNumber=2, Body=b"x")
    assert code(refused) == "NoSuchUpload"


def test_parts_are_copied_from_what_exists(s3, bucket):
    s3.put_object(Bucket=bucket, Key="main/source", Body=bytes(range(256)))
    upload = s3.create_multipart_upload(Bucket=bucket, Key="main/a")["UploadId"]
    copied = s3.upload_part_copy(
        Bucket=bucket, Key="main/a", UploadId=upload, PartNumber=1, CopySource=f"{bucket}/main/source",
        CopySourceRange="bytes=10-19")["CopyPartResult"]
    s3.complete_multipart_upload(
        Bucket=bucket, Key="main/a", UploadId=upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": copied["ETag"]}]})
    assert s3.get_object(Bucket=bucket, Key="main/a")["Body"].read() == bytes(range(10, 20))


def test_conditional_writes(s3, bucket):
    first = s3.put_object(Bucket=bucket, Key="main/log/0", Body=b"1", IfNoneMatch="*")
    with pytest.raises(ClientError) as refused:
        s3.put_object(Bucket=bucket, Key="main/log/0", Body=b"2", IfNoneMatch="*")
    assert code(refused) == "PreconditionFailed"
    s3.put_object(Bucket=bucket, Key="main/log/0", Body=b"3", IfMatch=first["ETag"])
    with pytest.raises(ClientError) as refused:
        s3.put_object(Bucket=bucket, Key="main/log/0", Body=b"4", IfMatch=first["ETag"])
    assert code(refused) == "PreconditionFailed"
    with pytest.raises(ClientError) as refused:
        s3.delete_object(Bucket=bucket, Key="main/log/0", IfMatch=first["ETag"])
    assert code(refused) == "PreconditionFailed"
    assert s3.get_object(Bucket=bucket, Key="main/log/0")["Body"].read() == b"3"


def test_one_of_many_creators_wins(server, bucket):
    outcomes = []

    def create(number):
        try:
            server.s3().put_object(Bucket=bucket, Key="main/lock", Body=str(number).encode(), IfNoneMatch="*")
            outcomes.append("won")
        except ClientError as error:
            outcomes.append(error.response["Error"]["Code"])

    threads = [threading.Thread(target=create, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["PreconditionFailed"] * 7 + ["won"]


def test_links_that_carry_their_signature(server, bucket):
    # Without the version, boto3 signs links for endpoints like this one the old way, which is refused.
    s3 = boto3.client(
        "s3", endpoint_url=server.url, aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY,
        region_name="us-east-1", config=Config(signature_version="s3v4", s3={"addressing_style": "path"}))
    put = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "main/a b"}, ExpiresIn=60)
    with urllib.request.urlopen(urllib.request.Request(put, data=b"hello", method="PUT")) as answer:
        assert answer.status == 200
    get = s3.generate_presigned_url(
        "get_object", Params={"Bucket": bucket, "Key": "main/a b", "ResponseContentType": "text/plain"}, ExpiresIn=60)
    with urllib.request.urlopen(get) as answer:
        assert answer.read() == b"hello" and answer.headers["content-type"] == "text/plain"
        assert answer.headers["content-disposition"] == "attachment"
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(get.replace("main/a", "main/b"))
    assert refused.value.code == 403


def test_branches_are_folders(s3, repository):
    bucket = repository.id
    for key in ("main/a/1", "main/a/2", "main/b"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    repository.branch("main").commit("three")
    repository.branch("dev-1").create("main")
    s3.delete_object(Bucket=bucket, Key="dev-1/b")
    top = s3.list_objects_v2(Bucket=bucket, Delimiter="/")
    assert [item["Prefix"] for item in top["CommonPrefixes"]] == ["dev-1/", "main/"]
    inside = s3.list_objects_v2(Bucket=bucket, Prefix="main/", Delimiter="/", FetchOwner=True)
    assert [item["Prefix"] for item in inside["CommonPrefixes"]] == ["main/a/"]
    assert [(item["Key"], "Owner" in item) for item in inside["Contents"]] == [("main/b", True)]
    everything = ["dev-1/a/1", "dev-1/a/2", "main/a/1", "main/a/2", "main/b"]
    assert keys_of(s3, bucket, PaginationConfig={"PageSize": 2}) == everything
    assert keys_of(s3, bucket, StartAfter="main/a/1") == everything[3:]
    old = s3.list_objects(Bucket=bucket, Prefix="main/", MaxKeys=2)
    assert old["IsTruncated"] and [item["Key"] for item in old["Contents"]] == everything[2:4]


def test_commits_and_tags_are_read_and_not_written(s3, repository):
    bucket, main = repository.id, repository.branch("main")
    s3.put_object(Bucket=bucket, Key="main/a", Body=b"1")
    first = main.commit("one").get_commit().id
    repository.tag("v1").create("main")
    s3.put_object(Bucket=bucket, Key="main/a", Body=b"2")
    main.commit("two")
    for reference, body in ((first, b"1"), ("v1", b"1"), ("main~1", b"1"), ("main", b"2")):
        assert s3.get_object(Bucket=bucket, Key=f"{reference}/a")["Body"].read() == body
    for reference, expected in ((first, "MethodNotAllowed"), ("v1", "MethodNotAllowed"), ("nowhere", "NoSuchKey")):
        with pytest.raises(ClientError) as refused:
            s3.put_object(Bucket=bucket, Key=f"{reference}/a", Body=b"x")
        assert code(refused) == expected


def test_many_keys_are_deleted_at_once(s3, bucket):
    keys = [f"main/{number}" for number in range(1000)]
    for key in keys[:20]:
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in keys]})
    assert len(answer["Deleted"]) == 1000 and "Errors" not in answer
    assert keys_of(s3, bucket) == []


def test_what_is_not_there(s3, bucket):
    for call, expected in (
        (lambda: s3.get_object(Bucket=bucket, Key="main/nothing"), "NoSuchKey"),
        (lambda: s3.get_object(Bucket="no-such-bucket", Key="main/a"), "NoSuchBucket"),
        (lambda: s3.head_object(Bucket=bucket, Key="main/nothing"), "404"),
        (lambda: s3.put_object(Bucket=bucket, Key="@tables/a", Body=b"x"), "InvalidArgument"),
        (lambda: s3.get_bucket_policy(Bucket=bucket), "NoSuchBucketPolicy"),
        (lambda: s3.get_bucket_tagging(Bucket=bucket), "NoSuchTagSet"),
        (lambda: s3.list_object_versions(Bucket=bucket), "NotImplemented"),
    ):
        with pytest.raises(ClientError) as refused:
            call()
        assert code(refused) == expected


def test_buckets_are_repositories(s3):
    name = f"made-by-boto3-{os.getpid()}"
    s3.create_bucket(Bucket=name)
    assert name in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    s3.put_object(Bucket=name, Key="main/a", Body=b"x")
    with pytest.raises(ClientError) as refused:
        s3.delete_bucket(Bucket=name)
    assert code(refused) == "BucketNotEmpty"
    s3.delete_object(Bucket=name, Key="main/a")
    s3.delete_bucket(Bucket=name)
    with pytest.raises(ClientError):
        s3.head_bucket(Bucket=name)


def test_a_bucket_as_a_host(tmp_path, monkeypatch):
    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *rest, **named: real(
        "127.0.0.1" if str(host).endswith("lake.test") else host, *rest, **named))
    server = Server(tmp_path / "data", "--gateway-domains", "lake.test").start()
    try:
        name = server.repository().id
        s3 = boto3.client("s3", endpoint_url=f"http://lake.test:{server.port}", aws_access_key_id=ACCESS_KEY,
                          aws_secret_access_key=SECRET_KEY, region_name="us-east-1",
                          config=Config(signature_version="s3v4", s3={"addressing_style": "virtual"}))
        hosts = []
        s3.meta.events.register("before-send.s3", lambda request, **_: hosts.append(request.url))
        s3.put_object(Bucket=name, Key="main/a b/c.csv", Body=b"x")
        assert s3.get_object(Bucket=name, Key="main/a b/c.csv")["Body"].read() == b"x"
        assert keys_of(s3, name, Prefix="main/") == ["main/a b/c.csv"]
        url = s3.generate_presigned_url("get_object", {"Bucket": name, "Key": "main/a b/c.csv"})
        assert urllib.request.urlopen(url).read() == b"x"
        assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == [name]
        assert all(f"//{name}.lake.test:" in url for url in hosts[:3]), hosts
    finally:
        server.stop()
