"""TLS by flag, and TLS to Postgres, with certificates made for the test."""

import datetime
import ipaddress
import signal
import ssl
import time

import boto3
import pytest
from botocore.config import Config
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from conftest import ACCESS_KEY, SECRET_KEY, Server
from faults import Postgres


def signed(name, issuer=None):
    """A certificate for 127.0.0.1 and its key: signed by the issuer, which is such a pair, or by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    issued_by, issuer_key = (issuer[0].subject, issuer[1]) if issuer else (subject, key)
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(issued_by).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), True)
        .sign(issuer_key, hashes.SHA256())
    )
    return certificate, key


def write_pem(pair, certificate, key=None):
    certificate.write_bytes(pair[0].public_bytes(serialization.Encoding.PEM))
    if key:
        key.write_bytes(pair[1].private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ))
    return certificate


def make_certificate(folder, name):
    return write_pem(signed(name), folder / "cert.pem", folder / "key.pem")


def presented(server):
    return ssl.get_server_certificate(("127.0.0.1", server.port), timeout=10)


def test_clients_speak_tls_and_a_new_certificate_is_taken_without_a_restart(tmp_path):
    certificate = make_certificate(tmp_path, "first")
    server = Server(
        tmp_path / "data", "--tls-cert", str(certificate), "--tls-key", str(tmp_path / "key.pem"), certificate=certificate
    ).start()
    client = boto3.client(
        "s3", endpoint_url=server.url, aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY,
        region_name="us-east-1", verify=str(certificate), config=Config(s3={"addressing_style": "path"}),
    )
    assert client.list_buckets()["Buckets"] == []
    first = presented(server)
    make_certificate(tmp_path, "second")
    server.process.send_signal(signal.SIGHUP)
    deadline = time.monotonic() + 20
    while presented(server) == first:
        assert time.monotonic() < deadline, "the new certificate is not taken"
    # What cannot be used is not taken, and the server goes on.
    second = presented(server)
    certificate.write_text("no certificate")
    server.process.send_signal(signal.SIGHUP)
    assert presented(server) == second
    server.stop()
    assert server.process.returncode == 0


def test_plain_http_on_a_tls_port_is_no_answer(tmp_path):
    certificate = make_certificate(tmp_path, "first")
    server = Server(
        tmp_path / "data", "--tls-cert", str(certificate), "--tls-key", str(tmp_path / "key.pem"), certificate=certificate
    ).start()
    client = boto3.client(
        "s3", endpoint_url=server.url.replace("https", "http"), aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY, region_name="us-east-1", config=Config(retries={"total_max_attempts": 1}),
    )
    with pytest.raises(Exception, match="onnection"):
        client.list_buckets()
    server.stop()


def test_a_key_that_does_not_fit_is_refused_at_the_start(tmp_path):
    (tmp_path / "other").mkdir()
    certificate = make_certificate(tmp_path, "first")
    make_certificate(tmp_path / "other", "other")
    server = Server(
        tmp_path / "data", "--tls-cert", str(certificate), "--tls-key", str(tmp_path / "other" / "key.pem"), certificate=certificate
    )
    with pytest.raises(RuntimeError, match="do not belong together"):
        server.start()


@pytest.fixture
def postgres():
    postgres = Postgres()
    yield postgres
    postgres.remove()


def test_postgres_is_reached_by_tls_and_must_be_who_it_says(postgres, tmp_path):
    root = signed("root")
    authority, other = write_pem(root, tmp_path / "root.pem"), write_pem(signed("other"), tmp_path / "other.pem")
    write_pem(signed("database", issuer=root), tmp_path / "db.pem", tmp_path / "db.key")
    postgres.take_tls_alone(tmp_path / "db.pem", tmp_path / "db.key")

    def server(query, host="127.0.0.1"):
        url = postgres.url.replace("@127.0.0.1:", f"@{host}:")
        return Server(tmp_path / "data", "--refs-url", f"{url}?{query}", "--refs-wait", "2s")

    trusted = server(f"sslmode=verify-full&sslrootcert={authority}").start()
    main = trusted.repository("lake").branch("main")
    main.object("a").upload(data=b"a", mode="wb")
    main.commit("over TLS")
    trusted.stop()
    # The name in the certificate is 127.0.0.1.
    issuer_alone = server(f"sslmode=verify-ca&sslrootcert={authority}", "localhost").start()
    assert issuer_alone.s3().get_object(Bucket="lake", Key="main/a")["Body"].read() == b"a"
    issuer_alone.stop()
    for query, host, why in [
        (f"sslmode=verify-full&sslrootcert={authority}", "localhost", "certificate"),
        (f"sslmode=verify-full&sslrootcert={other}", "127.0.0.1", "certificate"),
        (f"sslmode=verify-full&sslrootcert={tmp_path}/none.pem", "127.0.0.1", "none.pem"),
        ("sslmode=disable", "127.0.0.1", "no encryption"),
    ]:
        with pytest.raises(RuntimeError, match=why):
            server(query, host).start()
