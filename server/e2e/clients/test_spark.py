"""Spark 3.5 with Hadoop's S3A, its committers among it."""

import os
import pathlib

import pytest

from tools import keys, missing, run_job


def jars():
    folder = os.environ.get("ANABRANCH_TEST_SPARK_JARS")
    if not folder or not pathlib.Path(folder).is_dir():
        missing("the folder of Spark's S3A jars")
    return ",".join(str(jar) for jar in sorted(pathlib.Path(folder).glob("*.jar")))


def spark(server, repository, what, reference, committer, tmp_path):
    env = keys(HOME=str(tmp_path), SPARK_LOCAL_IP="127.0.0.1")
    run_job("spark", "spark_job.py", env, what, server.url, repository.id, reference, jars(), committer)


@pytest.mark.parametrize("committer", ["file", "magic", "directory"])
def test_a_job_and_its_history(server, repository, tmp_path, committer):
    spark(server, repository, "write", "main", committer, tmp_path)
    main = repository.branch("main")
    commit = main.commit("written by Spark").get_commit().id
    left = [item.path for item in main.objects() if "_temporary" in item.path or "__magic" in item.path]
    assert left == [], "committers clean up behind them"
    assert "Uploads" not in server.s3().list_multipart_uploads(Bucket=repository.id)
    if committer != "file":
        return
    repository.tag("v1").create("main")
    main.object(f"{committer}/plain/_SUCCESS").delete()
    for reference in (commit, "v1"):
        spark(server, repository, "read", reference, committer, tmp_path)
