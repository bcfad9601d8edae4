"""rclone: a new one from PyPI, and the old one that Debian ships."""

import os

import pytest

from conftest import ACCESS_KEY, SECRET_KEY
from tools import from_debian, from_environment, keys, run


@pytest.fixture(params=["new", "debian"])
def rclone(request, server, tmp_path):
    program = from_environment("awscli", "rclone") if request.param == "new" else from_debian("rclone")
    config = tmp_path / "rclone.conf"
    config.write_text(
        f"[lake]\ntype = s3\nprovider = Other\nendpoint = {server.url}\nregion = us-east-1\n"
        f"access_key_id = {ACCESS_KEY}\nsecret_access_key = {SECRET_KEY}\n"
    )
    env = keys(RCLONE_CONFIG=str(config), HOME=str(tmp_path), RCLONE_RETRIES="1", RCLONE_LOW_LEVEL_RETRIES="1")
    return lambda *words, ok=True: run([program, *words], env, ok)


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "folder"
    (folder / "deep er").mkdir(parents=True)
    (folder / "a.txt").write_text("a")
    (folder / "empty").write_text("")
    (folder / "deep er" / "ü+b.bin").write_bytes(os.urandom(3 << 20))
    return folder


def test_a_folder_there_and_back(rclone, repository, folder, tmp_path):
    remote = f"lake:{repository.id}/main/folder"
    rclone("sync", folder, remote)
    rclone("check", folder, remote)
    rclone("sync", remote, tmp_path / "back")
    assert (tmp_path / "back" / "deep er" / "ü+b.bin").read_bytes() == (folder / "deep er" / "ü+b.bin").read_bytes()
    (folder / "a.txt").unlink()
    rclone("sync", folder, remote)
    names = sorted(rclone("lsf", "-R", "--files-only", remote).stdout.splitlines())
    assert names == ["deep er/ü+b.bin", "empty"]
    assert "main/" in rclone("lsf", f"lake:{repository.id}").stdout


def test_a_large_file_in_parts(rclone, repository, tmp_path):
    (tmp_path / "big").write_bytes(os.urandom((12 << 20) + 7))
    remote = f"lake:{repository.id}/main/big"
    rclone("copyto", "--s3-upload-cutoff", "5M", "--s3-chunk-size", "5M", tmp_path / "big", remote)
    rclone("check", "--download", tmp_path / "big", f"lake:{repository.id}/main")
    rclone("copyto", remote, f"lake:{repository.id}/main/copy")
    rclone("moveto", f"lake:{repository.id}/main/copy", f"lake:{repository.id}/main/moved")
    rclone("copyto", f"lake:{repository.id}/main/moved", tmp_path / "down")
    assert (tmp_path / "down").read_bytes() == (tmp_path / "big").read_bytes()


def test_a_commit_is_read_like_a_branch(rclone, repository, folder):
    rclone("copy", folder, f"lake:{repository.id}/main")
    commit = repository.branch("main").commit("a folder").get_commit().id
    rclone("purge", f"lake:{repository.id}/main/deep er")
    rclone("deletefile", f"lake:{repository.id}/main/a.txt")
    rclone("check", folder, f"lake:{repository.id}/{commit}")
    assert rclone("cat", f"lake:{repository.id}/{commit}/a.txt").stdout == "a"
    assert rclone("lsf", f"lake:{repository.id}/main").stdout.split() == ["empty"]
