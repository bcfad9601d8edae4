"""Sail, a Spark without a JVM, writes through S3."""

import os
import pathlib
import sys

from conftest import ACCESS_KEY, SECRET_KEY
from readers import delta_rs
from tools import keys, run

JOB = pathlib.Path(__file__).parent / "jobs" / "sail_job.py"


def test_a_job(server, repository):
    env = keys(
        AWS_ENDPOINT=server.url, AWS_ENDPOINT_URL=server.url, AWS_ALLOW_HTTP="true", AWS_REGION="us-east-1",
        AWS_VIRTUAL_HOSTED_STYLE_REQUEST="false", HOME=os.environ.get("HOME", "/"),
    )
    assert (env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"]) == (ACCESS_KEY, SECRET_KEY)
    run([sys.executable, JOB, repository.id], env)
    assert delta_rs(server, repository, "main", "delta", ["id", "name"]) == [(1, "a"), (2, "b"), (3, "c")]
