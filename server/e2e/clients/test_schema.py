"""`schemathesis` makes requests from the OpenAPI document: no server error, and every answer as documented."""

import base64
import os
import subprocess
import sys

from conftest import ACCESS_KEY, HERE, SECRET_KEY, Server

# What an answer must be. Not asked for: that whatever the document does not describe is refused, because clients of this
# interface send more than it describes, and empty parameters where they mean none.
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


def test_made_up_requests(tmp_path):
    server = Server(tmp_path / "data").start()
    repository = server.repository("lake")
    repository.branch("main").object("a").upload("alpha")
    repository.branch("main").commit("first")
    token = base64.b64encode(f"{ACCESS_KEY}:{SECRET_KEY}".encode()).decode()
    done = subprocess.run(
        [
            os.path.join(os.path.dirname(sys.executable), "schemathesis"),
            "--config-file", str(HERE / "schemathesis.toml"), "run",
            str(HERE.parents[1] / "api/openapi.json"), "--url", f"{server.url}/api/v1",
            "--header", f"Authorization: Basic {token}", "--checks", CHECKS, "--phases", "examples,coverage,fuzzing",
            "--max-examples", "20", "--seed", "1", "--generation-database", "none", "--no-color",
            # Python 3.11 counts how deep it parses for all threads together, and fails when two parse at once.
            "--workers", "1",
        ],
        capture_output=True, text=True, timeout=600, cwd=tmp_path,
    )
    alive = server.process.poll() is None
    server.stop()
    assert alive and done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]
