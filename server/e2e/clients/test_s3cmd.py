"""s3cmd, which asks for settings of buckets that it does not need."""

import pytest

from conftest import ACCESS_KEY, SECRET_KEY
from tools import from_environment, keys, run


@pytest.fixture
def s3cmd(server, tmp_path):
    config = tmp_path / "s3cfg"
    host = server.url.removeprefix("http://")
    config.write_text(
        f"[default]\naccess_key = {ACCESS_KEY}\nsecret_key = {SECRET_KEY}\nhost_base = {host}\nhost_bucket = {host}\n"
        "use_https = False\nbucket_location = us-east-1\n"
    )
    program = from_environment("awscli", "s3cmd")
    return lambda *words: run([program, "-c", config, *words], keys(HOME=str(tmp_path)))


def test_files(s3cmd, repository, tmp_path):
    (tmp_path / "a").write_text("hello")
    (tmp_path / "big").write_bytes(bytes(12 << 20))
    base = f"s3://{repository.id}/main"
    s3cmd("put", tmp_path / "a", f"{base}/a")
    s3cmd("put", "--multipart-chunk-size-mb=5", tmp_path / "big", f"{base}/big")
    assert f"{base}/a" in s3cmd("ls", f"{base}/").stdout
    info = s3cmd("info", f"{base}/a").stdout
    assert "5d41402abc4b2a76b9719d911017c592" in info and "FULL_CONTROL" in info
    assert "Location" in s3cmd("info", f"s3://{repository.id}").stdout
    s3cmd("cp", f"{base}/a", f"{base}/b")
    s3cmd("get", f"{base}/b", tmp_path / "b")
    assert (tmp_path / "b").read_text() == "hello"
    s3cmd("del", "--recursive", "--force", f"{base}/")
    assert s3cmd("ls", f"{base}/").stdout == ""
