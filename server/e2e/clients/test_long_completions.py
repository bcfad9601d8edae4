"""Completing an upload, or a copy that moves bytes, takes longer than clients wait for an answer: white space keeps them waiting, and the end counts.

The store takes its time for the first look at each object, so that the completions of two parts take fourteen seconds,
and the clients wait eight seconds for the next byte.
"""

import concurrent.futures
import contextlib
import os
import threading
import time
import urllib.parse
import uuid

import boto3
import obstore
import pytest
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError
from obstore.store import S3Store

from conftest import ACCESS_KEY, SECRET_KEY, Server
from faults import FaultyStore
from tools import from_debian, from_environment, keys, run

MIB = 1 << 20
PATIENCE = 8


class Slowness:
    """Waits before the first look at each object."""

    def __init__(self):
        self.seen, self.lock = set(), threading.Lock()
        self.delay, self.meanwhile = 0, None

    @contextlib.contextmanager
    def of(self, seconds, meanwhile=None):
        """The wait from here on; `meanwhile` is done in the first."""
        self.delay, self.meanwhile = seconds, meanwhile
        try:
            yield
        finally:
            self.delay, self.meanwhile = 0, None

    def __call__(self, method, path):
        place = urllib.parse.urlsplit(path).path
        if method == "GET" and "/data/" in place:
            with self.lock:
                first = place not in self.seen
                self.seen.add(place)
                deed = self.meanwhile if first else None
                self.meanwhile = None if first else self.meanwhile
            if deed:
                deed()
            if first:
                time.sleep(self.delay)


@pytest.fixture(scope="module")
def slow(tmp_path_factory):
    endpoint = os.environ.get("ANABRANCH_TEST_S3_ENDPOINT")
    assert endpoint, "tools/test starts an S3 server for this test"
    bucket = f"lake-{uuid.uuid4().hex[:8]}"
    any_keys = {"aws_access_key_id": "any", "aws_secret_access_key": "any", "region_name": "us-east-1"}
    boto3.client("s3", endpoint_url=endpoint, **any_keys).create_bucket(Bucket=bucket)
    store = FaultyStore(endpoint)
    server = Server(
        tmp_path_factory.mktemp("slow") / "data", "--s3-endpoint", store.endpoint, "--s3-access-key-id", "any",
        "--s3-secret-access-key", "any", "--objects-allow", f"s3://{bucket}",
    ).start()
    server.lake, server.other = (server.repository(namespace=f"s3://{bucket}/{name}").id for name in ("lake", "other"))
    server.slowness = store.fault = Slowness()
    yield server
    server.stop()
    store.stop()


def client(server):
    config = Config(s3={"addressing_style": "path"}, read_timeout=PATIENCE, retries={"total_max_attempts": 1})
    return boto3.client("s3", endpoint_url=server.url, aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY,
                        region_name="us-east-1", config=config)


def with_boto3(server, file, key, _):
    config = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=6 * MIB)
    client(server).upload_file(str(file), server.lake, key, Config=config)


def with_aws(program):
    def upload(server, file, key, folder):
        (folder / "config").write_text("[default]\ns3 =\n  addressing_style = path\n  multipart_chunksize = 6MB\n"
                                       "  multipart_threshold = 6MB\n")
        env = keys(AWS_CONFIG_FILE=str(folder / "config"), HOME=str(folder), AWS_MAX_ATTEMPTS="1")
        run([program(), "--endpoint-url", server.url, "--cli-read-timeout", PATIENCE, "s3", "cp", file,
             f"s3://{server.lake}/{key}"], env)
    return upload


def with_rclone(program):
    def upload(server, file, key, folder):
        (folder / "rclone.conf").write_text(
            f"[lake]\ntype = s3\nprovider = Other\nendpoint = {server.url}\nregion = us-east-1\n"
            f"access_key_id = {ACCESS_KEY}\nsecret_access_key = {SECRET_KEY}\n")
        env = keys(RCLONE_CONFIG=str(folder / "rclone.conf"), HOME=str(folder), RCLONE_RETRIES="1",
                   RCLONE_LOW_LEVEL_RETRIES="1", RCLONE_TIMEOUT=f"{PATIENCE}s")
        run([program(), "copyto", "--s3-upload-cutoff", "6M", "--s3-chunk-size", "6M", file,
             f"lake:{server.lake}/{key}"], env)
    return upload


def with_s3cmd(server, file, key, folder):
    host = server.url.removeprefix("http://")
    (folder / "s3cfg").write_text(
        f"[default]\naccess_key = {ACCESS_KEY}\nsecret_key = {SECRET_KEY}\nhost_base = {host}\nhost_bucket = {host}\n"
        f"use_https = False\nbucket_location = us-east-1\nsocket_timeout = {PATIENCE}\n")
    program = from_environment("awscli", "s3cmd")
    run([program, "-c", folder / "s3cfg", "put", "--multipart-chunk-size-mb=6", file, f"s3://{server.lake}/{key}"],
        keys(HOME=str(folder)))


def with_obstore(server, file, key, _):
    store = S3Store(server.lake, endpoint=server.url, access_key_id=ACCESS_KEY, secret_access_key=SECRET_KEY,
                    region="us-east-1", virtual_hosted_style_request=False, client_options={"allow_http": True})
    obstore.put(store, key, file.read_bytes(), use_multipart=True, chunk_size=6 * MIB)


CLIENTS = {
    "boto3": with_boto3,
    "aws": with_aws(lambda: from_environment("awscli", "aws")),
    "aws-debian": with_aws(lambda: from_debian("aws")),
    "rclone": with_rclone(lambda: from_environment("awscli", "rclone")),
    "rclone-debian": with_rclone(lambda: from_debian("rclone")),
    "s3cmd": with_s3cmd,
    "obstore": with_obstore,
}


def test_clients_wait_for_a_long_completion(slow, tmp_path):
    def upload(name):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "big").write_bytes(os.urandom(11 * MIB))
        begun = time.monotonic()
        CLIENTS[name](slow, folder / "big", f"main/{name}", folder)
        return time.monotonic() - begun

    with slow.slowness.of(seconds=7), concurrent.futures.ThreadPoolExecutor(len(CLIENTS)) as pool:
        took = dict(zip(CLIENTS, pool.map(upload, CLIENTS)))
    assert all(seconds > 14 for seconds in took.values()), took
    for name in CLIENTS:
        answer = client(slow).get_object(Bucket=slow.lake, Key=f"main/{name}")
        assert answer["ETag"].endswith('-2"'), name
        assert answer["Body"].read() == (tmp_path / name / "big").read_bytes(), name


def test_an_error_at_the_end_of_a_long_completion(slow):
    s3 = client(slow)
    at = {"Bucket": slow.lake, "Key": "main/raced"}
    upload = s3.create_multipart_upload(**at)["UploadId"]
    parts = [
        {"PartNumber": number, "ETag": s3.upload_part(**at, UploadId=upload, PartNumber=number, Body=os.urandom(6 * MIB))["ETag"]}
        for number in (1, 2)
    ]
    statuses = []
    s3.meta.events.register("before-parse.s3.CompleteMultipartUpload",
                            lambda response_dict, **_: statuses.append(response_dict["status_code"]))
    with slow.slowness.of(seconds=4, meanwhile=lambda: client(slow).put_object(**at, Body=b"first")):
        with pytest.raises(ClientError) as refused:
            s3.complete_multipart_upload(**at, UploadId=upload, MultipartUpload={"Parts": parts}, IfNoneMatch="*")
    assert refused.value.response["Error"]["Code"] == "PreconditionFailed", refused.value.response
    assert statuses == [500], "what boto3 makes of an error that comes with status 200; it would show 412 as it is"
    assert s3.get_object(**at)["Body"].read() == b"first"
    s3.abort_multipart_upload(**at, UploadId=upload)


def test_a_part_that_is_copied_for_long(slow):
    s3 = client(slow)
    content = os.urandom(6 * MIB)
    s3.put_object(Bucket=slow.lake, Key="main/source", Body=content)
    at = {"Bucket": slow.lake, "Key": "main/target"}
    source = {"Bucket": slow.lake, "Key": "main/source"}
    upload = s3.create_multipart_upload(**at)["UploadId"]
    with slow.slowness.of(seconds=9):
        copied = s3.upload_part_copy(**at, UploadId=upload, PartNumber=1, CopySource=source)["CopyPartResult"]
    s3.complete_multipart_upload(
        **at, UploadId=upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": copied["ETag"]}]})
    assert s3.get_object(**at)["Body"].read() == content
    # What went wrong on the way is in the body as well.
    upload = s3.create_multipart_upload(**at)["UploadId"]
    s3.put_object(Bucket=slow.lake, Key="main/source", Body=os.urandom(6 * MIB))
    with slow.slowness.of(seconds=6, meanwhile=lambda: client(slow).abort_multipart_upload(**at, UploadId=upload)):
        with pytest.raises(ClientError) as refused:
            s3.upload_part_copy(**at, UploadId=upload, PartNumber=1, CopySource=source)
    assert refused.value.response["Error"]["Code"] == "NoSuchUpload", refused.value.response


def test_a_long_copy_into_another_bucket(slow):
    s3 = client(slow)
    content = os.urandom(6 * MIB)
    s3.put_object(Bucket=slow.lake, Key="main/far", Body=content)
    with slow.slowness.of(seconds=9):
        s3.copy_object(Bucket=slow.other, Key="main/far", CopySource={"Bucket": slow.lake, "Key": "main/far"})
    assert s3.get_object(Bucket=slow.other, Key="main/far")["Body"].read() == content
