"""What an operator sees: metrics, log lines, request ids, traces, the configuration."""

import base64
import http.server
import json
import re
import subprocess
import threading
import urllib.error
import urllib.request
import uuid

import pytest
from botocore.exceptions import ClientError
from lakefs.exceptions import NotFoundException

from conftest import ACCESS_KEY, SECRET_KEY, Server, binary, free_port

BASIC = "Basic " + base64.b64encode(f"{ACCESS_KEY}:{SECRET_KEY}".encode()).decode()


def fetch(url, headers=None):
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers or {}), timeout=10) as answer:
        return answer.read().decode()


def sample(text, name, **labels):
    """The value of one time series."""
    for line in text.splitlines():
        found = re.fullmatch(rf"{name}(?:{{(.*)}})? (\S+)", line)
        if found and dict(re.findall(r'(\w+)="([^"]*)"', found[1] or "")) == labels:
            return float(found[2])
    return 0.0


def test_metrics_count_operations_of_both_doors_backends_and_merges(server, repository):
    main = repository.branch("main")
    main.object("a").upload(data=b"12345", mode="wb")
    server.s3().put_object(Bucket=repository.id, Key="main/b", Body=b"123")
    with pytest.raises(ClientError):
        server.s3().get_object(Bucket=repository.id, Key="main/none")
    with pytest.raises(NotFoundException):
        main.object("none").stat()
    main.commit("a and b")
    text = fetch(f"{server.url}/metrics", {"Authorization": BASIC})
    for door, operation, status in [
        ("rest", "uploadObject", "201"), ("rest", "statObject", "404"), ("rest", "commit", "201"),
        ("s3", "put_object", "200"), ("s3", "get_object", "404"),
    ]:
        assert sample(text, "anabranch_requests_total", door=door, operation=operation, status=status) >= 1, text
    assert sample(text, "anabranch_request_seconds_count", door="s3", operation="put_object") >= 1
    assert sample(text, "anabranch_received_bytes_total", door="rest") >= 5
    for backend, operation in [("refs:sqlite", "apply"), ("staging:sqlite", "put"), ("objects:local", "append")]:
        assert sample(text, "anabranch_backend_operations_total", backend=backend, operation=operation, outcome="done") >= 1, text
    assert sample(text, "anabranch_connections") >= 1
    assert sample(text, "process_resident_memory_bytes") > 1e6
    for line in text.splitlines():
        assert line.startswith("#") or re.fullmatch(r"[a-z_]+(\{[^{}]*\})? [-+.eE\d]+(NaN|Inf)?", line), line


def test_metrics_need_a_key_or_an_address_of_their_own(server, tmp_path):
    with pytest.raises(urllib.error.HTTPError) as refused:
        fetch(f"{server.url}/metrics")
    assert refused.value.code == 401
    port = free_port()
    own = Server(tmp_path / "data", "--metrics-listen", f"127.0.0.1:{port}").start()
    assert "anabranch_build_info" in fetch(f"http://127.0.0.1:{port}/metrics")
    with pytest.raises(urllib.error.HTTPError) as refused:
        fetch(f"{own.url}/metrics", {"Authorization": BASIC})
    assert refused.value.code == 404
    own.stop()


def test_a_line_for_each_request_with_the_id_that_the_client_sees(tmp_path):
    server = Server(tmp_path / "data", "--log-format", "json", "--log-level", "info,anabranch::request=debug,s3s=off").start()
    repository = server.repository()
    request = urllib.request.Request(
        f"{server.url}/api/v1/repositories/{repository.id}/branches/none", headers={"Authorization": BASIC, "X-Request-Id": "mine-1"}
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=10)
    assert refused.value.headers["X-Request-Id"] == "mine-1"
    with pytest.raises(ClientError) as missing:
        server.s3().get_object(Bucket=repository.id, Key="main/none")
    of_s3 = missing.value.response["ResponseMetadata"]["RequestId"]
    presigned = server.s3().generate_presigned_url("get_object", Params={"Bucket": repository.id, "Key": "main/none"})
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(presigned, timeout=10)
    server.stop()
    said = server.folder.with_suffix(".log").read_text()
    lines = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    requests = {line["request_id"]: line for line in lines if line["target"] == "anabranch::request"}
    assert requests["mine-1"]["status"] == 404 and requests["mine-1"]["operation"] == "getBranch"
    assert requests[of_s3]["operation"] == "get_object" and requests[of_s3]["door"] == "s3"
    assert any(line["operation"] == "createRepository" and line["status"] == 201 for line in requests.values())
    for secret in [SECRET_KEY, BASIC.split()[1], "Signature=", "X-Amz-Signature"]:
        assert secret not in said, "a secret is in the log"


def test_traces_reach_a_collector(tmp_path):
    received, arrived = [], threading.Semaphore(0)

    class Collector(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append((self.path, self.headers["Content-Type"], body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()
            arrived.release()

        def log_message(self, *_):
            pass

    collector = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=collector.serve_forever, daemon=True).start()
    endpoint = f"http://127.0.0.1:{collector.server_address[1]}"
    server = Server(tmp_path / "data", "--trace-endpoint", endpoint).start()
    repository = server.repository()
    trace = uuid.uuid4().hex
    fetch(
        f"{server.url}/api/v1/repositories/{repository.id}/branches/main",
        {"Authorization": BASIC, "traceparent": f"00-{trace}-00f067aa0ba902b7-01"},
    )
    server.stop()
    assert arrived.acquire(timeout=10)
    collector.shutdown()
    assert {(path, kind) for path, kind, _ in received} == {("/v1/traces", "application/x-protobuf")}
    everything = b"".join(body for _, _, body in received)
    assert bytes.fromhex(trace) in everything, "the client's trace goes on"
    for word in [b"getBranch", b"refs:sqlite", b"createRepository", b"anabranch"]:
        assert word in everything, word


def test_a_collector_that_is_away_costs_no_request(tmp_path):
    server = Server(tmp_path / "data", "--trace-endpoint", f"http://127.0.0.1:{free_port()}").start()
    repository = server.repository()
    repository.branch("main").object("a").upload(data=b"a", mode="wb")
    assert repository.branch("main").object("a").reader(mode="rb").read() == b"a"
    server.stop()
    assert server.process.returncode == 0


def test_the_configuration_is_checked_and_shown(tmp_path):
    file = tmp_path / "a.toml"
    run = lambda *arguments, **variables: subprocess.run(  # noqa: E731
        [binary(), *arguments], capture_output=True, text=True, timeout=60, env={"PATH": "/usr/bin", **variables}
    )
    file.write_text("lisen = \"0.0.0.0:1\"\n")
    checked = run("config", "check", str(file))
    assert checked.returncode == 2 and "did you mean listen?" in checked.stderr
    secret = tmp_path / "secret"
    file.write_text(f"listen = \"0.0.0.0:1\"\naccess_key_id = \"AKID\"\nsecret_access_key_file = \"{secret}\"\n")
    checked = run("config", "check", str(file))
    assert checked.returncode == 0, checked.stderr
    shown = run("config", "show", "--config", str(file), "--limits-requests", "9", ANABRANCH_DATA="/srv/lake")
    words = " ".join(shown.stdout.split())
    assert shown.returncode == 0, shown.stderr
    assert f"listen 0.0.0.0:1 [file {file}]" in words
    assert "limits.requests 9 [flag --limits-requests]" in words
    assert "data /srv/lake [environment ANABRANCH_DATA]" in words
    refused = run("serve", "--config", str(file))
    assert refused.returncode == 2 and str(secret) in refused.stderr
    assert not (tmp_path / "anabranch-data").exists()
