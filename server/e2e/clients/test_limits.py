"""Limits and the end of a server, as clients meet them on the wire."""

import base64
import hashlib
import http.client
import json
import os
import re
import resource
import signal
import socket
import time

import pytest
from botocore.exceptions import ClientError

from conftest import ACCESS_KEY, SECRET_KEY, Server

BASIC = "Basic " + base64.b64encode(f"{ACCESS_KEY}:{SECRET_KEY}".encode()).decode()


def begin_upload(server, repository, path, length):
    """The head of an upload; its body is up to the caller."""
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=30)
    connection.sendall(
        f"POST /api/v1/repositories/{repository}/branches/main/objects?path={path} HTTP/1.1\r\n"
        f"Host: x\r\nAuthorization: {BASIC}\r\nContent-Type: application/octet-stream\r\nContent-Length: {length}\r\n\r\n".encode()
    )
    return connection


def answer_of(connection):
    """Status and JSON of an answer; None if the connection was reset before one."""
    response = http.client.HTTPResponse(connection)
    try:
        response.begin()
        return response.status, json.loads(response.read() or b"null")
    except (ConnectionResetError, http.client.RemoteDisconnected):
        return None


def get(server, path, headers=None):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request("GET", path, headers={"Authorization": BASIC, **(headers or {})})
    response = connection.getresponse()
    return response.status, response.headers, response.read()


def wait_for_requests_in_flight(server, wanted):
    """Until the server has counted so many: asking for metrics takes no place itself."""
    deadline = time.monotonic() + 10
    while True:
        text = get(server, "/metrics")[2].decode()
        counted = re.findall(r'^anabranch_requests_in_flight\{door="(?:rest|s3)"\} (\d+)$', text, re.MULTILINE)
        if sum(map(int, counted)) == wanted:
            return
        assert time.monotonic() < deadline, f"{counted} requests under way, not {wanted}"


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A server with little room."""
    server = Server(
        tmp_path_factory.mktemp("small") / "data", "--limits-requests", "3", "--limits-body-idle", "3s",
        "--limits-header-time", "2s", "--limits-body-bytes", "1 MiB", "--limits-header-bytes", "16 KiB",
    ).start()
    yield server
    server.stop()


def test_too_much_is_refused_in_the_words_of_each_door(small):
    repository = small.repository()
    status, _, body = get(small, "/api/v1/repositories", {"x-long": "y" * 20_000})
    assert status == 431 and "16384 bytes" in json.loads(body)["message"]
    with begin_upload(small, repository.id, "large", 2 << 20) as connection:
        status, body = answer_of(connection)
        assert status == 413 and "multipart" in body["message"]
    with pytest.raises(ClientError) as refused:
        small.s3().put_object(Bucket=repository.id, Key="main/large", Body=os.urandom(2 << 20))
    assert refused.value.response["Error"]["Code"] == "EntityTooLarge"


def test_a_byte_a_second_holds_no_place(small):
    repository = small.repository()
    # Whoever comes too early would take the place of one of the three.
    wait_for_requests_in_flight(small, 0)
    connections = [begin_upload(small, repository.id, f"slow{number}", 1000) for number in range(3)]
    for connection in connections:
        connection.sendall(b"x")
    wait_for_requests_in_flight(small, 3)
    status, headers, body = get(small, "/api/v1/repositories")
    assert status == 503 and headers["Retry-After"] == "1" and "try again" in json.loads(body)["message"]
    with pytest.raises(ClientError) as refused:
        small.s3().list_buckets()
    assert refused.value.response["Error"]["Code"] == "SlowDown"
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    assert get(small, "/livez")[0] == 200, "health is answered whatever goes on"
    for connection in connections:
        with connection:
            status, body = answer_of(connection)
            assert status == 408 and "too slowly" in body["message"]
    assert get(small, "/api/v1/repositories")[0] == 200
    assert not repository.branch("main").object("slow0").exists()


def test_a_head_that_does_not_end_is_hung_up_on(small):
    with socket.create_connection(("127.0.0.1", small.port), timeout=20) as connection:
        connection.sendall(b"GET /livez HTTP/1.1\r\nX-Slow: ")
        begun = time.monotonic()
        while connection.recv(1000):
            pass
        assert 1 < time.monotonic() - begun < 15


def test_thousands_of_idle_connections_do_not_stop_service(server, repository):
    wanted = 2000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted + 200:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, wanted + 1000), hard))
    idle = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(wanted)]
    try:
        begun = time.monotonic()
        repository.branch("main").object("busy").upload(data=b"busy", mode="wb")
        assert server.s3().get_object(Bucket=repository.id, Key="main/busy")["Body"].read() == b"busy"
        assert time.monotonic() - begun < 5
    finally:
        for connection in idle:
            connection.close()


def test_connections_beyond_the_limit_are_told(tmp_path):
    server = Server(tmp_path / "data", "--limits-connections", "5").start()
    held = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(5)]
    status, headers, body = get(server, "/livez")
    assert status == 503 and headers["Retry-After"] == "1" and "connections" in json.loads(body)["message"]
    for connection in held:
        connection.close()
    for _ in range(100):
        if get(server, "/livez")[0] == 200:
            break
    assert get(server, "/livez")[0] == 200
    server.stop()


def refuses_connections(server):
    for _ in range(500):
        try:
            socket.create_connection(("127.0.0.1", server.port), timeout=5).close()
        except ConnectionRefusedError:
            return True
        except ConnectionResetError:
            continue  # It stood in the queue of the listener that was closed: the next one is refused.
    return False


def test_a_request_that_has_begun_is_finished_when_the_server_ends(tmp_path):
    server = Server(tmp_path / "data").start()
    repository = server.repository()
    content = os.urandom(2 << 20)
    with begin_upload(server, repository.id, "slow", len(content)) as connection:
        connection.sendall(content[:1 << 20])
        server.process.send_signal(signal.SIGTERM)
        assert refuses_connections(server), "the listener is closed at once"
        connection.sendall(content[1 << 20:])
        status, body = answer_of(connection)
        assert status == 201 and body["checksum"] == hashlib.md5(content).hexdigest()
    assert server.process.wait(10) == 0
    server.start()
    assert repository.branch("main").object("slow").reader(mode="rb").read() == content
    server.stop()


def test_a_request_that_does_not_end_is_refused_whole(tmp_path):
    server = Server(tmp_path / "data", "--limits-shutdown-time", "1s").start()
    repository = server.repository()
    with begin_upload(server, repository.id, "endless", 100 << 20) as connection:
        connection.sendall(os.urandom(1 << 20))
        begun = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        answered = answer_of(connection)
        assert answered is None or (answered[0] == 503 and "the server ends" in answered[1]["message"]), answered
        assert server.process.wait(10) == 0
        assert time.monotonic() - begun < 8
    server.start()
    assert not repository.branch("main").object("endless").exists()
    checked = server.run("fsck", repository.id)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    server.stop()
