"""Things between a server and what it stands on that break on demand."""

import http.client
import http.server
import pathlib
import shutil
import subprocess
import threading
import urllib.parse

TOOLS = pathlib.Path(__file__).resolve().parents[3] / "tools"


class Postgres:
    """A Postgres server of one test, which can be stopped and started again at the same place."""

    def __init__(self):
        printed = subprocess.run([TOOLS / "postgres-for-tests.sh", "start"], check=True, capture_output=True, text=True)
        self.environment = dict(
            line.removeprefix("export ").split("=", 1) for line in printed.stdout.splitlines() if "=" in line
        )
        self.url = self.environment["ANABRANCH_TEST_POSTGRES_URL"]

    def _tell(self, what):
        environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", **self.environment}
        subprocess.run([TOOLS / "postgres-for-tests.sh", what], check=True, env=environment, capture_output=True)

    def halt(self):
        self._tell("halt")

    def resume(self):
        self._tell("resume")

    def take_tls_alone(self, certificate, key):
        """Restarts it with a certificate; from then on it talks to nobody without TLS."""
        self.halt()
        data = pathlib.Path(self.environment["ANABRANCH_TEST_POSTGRES_DIR"]) / "data"
        for name, source in [("server.crt", certificate), ("server.key", key)]:
            shutil.copyfile(source, data / name)
            (data / name).chmod(0o600)
            shutil.chown(data / name, data.owner(), data.group())
        (data / "pg_hba.conf").write_text("hostssl all all all trust\n")
        with open(data / "postgresql.conf", "a") as settings:
            settings.write("\nssl = on\n")
        self.resume()

    def remove(self):
        self._tell("stop")


class FaultyStore:
    """A proxy in front of an S3 server. `fault` decides about each request: None, "503", "lost request" or "lost reply"."""

    def __init__(self, endpoint):
        self.upstream = urllib.parse.urlsplit(endpoint).netloc
        self.fault = lambda method, path: None
        self.seen = []
        store = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                fault = store.fault(self.command, self.path)
                store.seen.append((self.command, self.path, fault))
                if fault == "503":
                    self.send_response(503)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                if fault == "lost request":
                    self.close_connection = True
                    return
                upstream = http.client.HTTPConnection(store.upstream, timeout=60)
                upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                for name, value in self.headers.items():
                    upstream.putheader(name, value)
                upstream.endheaders(body)
                reply = upstream.getresponse()
                content = reply.read()
                upstream.close()
                if fault == "lost reply":
                    self.close_connection = True
                    return
                self.send_response(reply.status)
                for name, value in reply.getheaders():
                    if name.lower() not in ("transfer-encoding", "connection", "date", "server", "content-length"):
                        self.send_header(name, value)
                length = reply.getheader("Content-Length") if self.command == "HEAD" else str(len(content))
                self.send_header("Content-Length", length or "0")
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = answer

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
