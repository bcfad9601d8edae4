"""A real daemon for real clients: each test file says what a user would do and see."""

import os
import pathlib
import signal
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
import uuid

import boto3
import lakefs
import pytest
from botocore.config import Config
from lakefs.client import Client

ACCESS_KEY = "AKIAENDTOENDTESTS000"
SECRET_KEY = "end-to-end-tests-secret-0123456789abcdef"
# The same for all, because those on Postgres share one database.
SERVER_KEY = "5e" * 32
HERE = pathlib.Path(__file__).parent
TESTDATA = HERE.parents[2] / "testdata"


def binary():
    path = os.environ.get("ANABRANCH_TEST_BINARY")
    if not path:
        raise RuntimeError("ANABRANCH_TEST_BINARY is not set: run tools/test clients")
    return path


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Server:
    """One daemon over one data folder. It can be killed and started again on the same port."""

    def __init__(self, folder, *arguments, server_key=SERVER_KEY, certificate=None):
        self.folder = pathlib.Path(folder)
        self.port = free_port()
        self.url = f"{'https' if certificate else 'http'}://127.0.0.1:{self.port}"
        self.certificate = certificate
        self.arguments = arguments
        self.server_key = server_key
        self.process = None

    def start(self):
        environment = dict(os.environ, ANABRANCH_ACCESS_KEY_ID=ACCESS_KEY, ANABRANCH_SECRET_ACCESS_KEY=SECRET_KEY)
        if self.server_key:
            environment["ANABRANCH_SERVER_KEY"] = self.server_key
        self.log = open(self.folder.with_suffix(".log"), "ab")
        self.process = subprocess.Popen(
            [binary(), "serve", "--listen", f"127.0.0.1:{self.port}", "--data", str(self.folder), *self.arguments],
            env=environment, stdout=self.log, stderr=self.log,
        )
        trust = ssl.create_default_context(cafile=self.certificate) if self.certificate else None
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"the server ended with {self.process.returncode}:\n{self.said()}")
            try:
                with urllib.request.urlopen(f"{self.url}/readyz", timeout=1, context=trust) as answer:
                    if answer.status == 200:
                        return self
            except (urllib.error.URLError, OSError):
                time.sleep(0.02)
        raise RuntimeError(f"the server is not ready after a minute:\n{self.said()}")

    def said(self):
        return self.folder.with_suffix(".log").read_text(errors="replace")[-4000:]

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(30)
        self.log.close()

    # What people would configure in their clients.

    def lakefs_client(self):
        return Client(host=self.url, username=ACCESS_KEY, password=SECRET_KEY)

    def repository(self, name=None, namespace=None):
        name = name or f"r-{uuid.uuid4().hex[:12]}"
        repository = lakefs.Repository(name, client=self.lakefs_client())
        return repository.create(storage_namespace=namespace or f"local://{name}", default_branch="main")

    def s3(self):
        return boto3.client(
            "s3", endpoint_url=self.url, aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY,
            region_name="us-east-1", config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}),
        )

    def delta_options(self):
        return {
            "aws_endpoint": self.url, "aws_allow_http": "true", "aws_region": "us-east-1",
            "aws_access_key_id": ACCESS_KEY, "aws_secret_access_key": SECRET_KEY,
            "aws_conditional_put": "etag", "aws_virtual_hosted_style_request": "false",
        }

    def lakefs_options(self):
        return {"endpoint": self.url, "access_key_id": ACCESS_KEY, "secret_access_key": SECRET_KEY, "allow_http": "true"}

    def run(self, *arguments):
        """Runs a verb of the command line against this server."""
        return subprocess.run(
            [binary(), *arguments, "--endpoint", self.url, "--access-key-id", ACCESS_KEY, "--secret-access-key", SECRET_KEY],
            capture_output=True, text=True, timeout=120,
        )


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("server") / "data").start()
    yield server
    server.stop()


@pytest.fixture
def repository(server):
    return server.repository()
