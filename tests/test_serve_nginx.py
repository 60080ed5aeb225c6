"""The server behind nginx, with the configuration of the docs: what slow and rude clients cost, nginx pays."""

from __future__ import annotations

import functools
import json
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest
from websockets.sync.client import connect

from attacks import ATTACKS
from face_model import drawn_face
from serving import Server, serving, until

NGINX, OPENSSL = shutil.which("nginx") or shutil.which("/usr/sbin/nginx"), shutil.which("openssl")
CONFIGURATION = (Path(__file__).parents[1] / "docs/nginx.conf").read_text("utf-8")
NAME = "mien.example.org"

pytestmark = pytest.mark.skipif(not (NGINX and OPENSSL), reason="nginx or openssl is not here")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving("--model", "text-carer", "--model", "face", "--allow-host", NAME) as running:
        yield running


@pytest.fixture(scope="module")
def port(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Of nginx, with a certificate of its own."""
    folder = tmp_path_factory.mktemp("nginx")
    command = [OPENSSL, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={NAME}"]
    command += ["-addext", f"subjectAltName=DNS:{NAME}", "-keyout", folder / "mien.key", "-out", folder / "mien.pem"]
    subprocess.run(command, check=True, capture_output=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    paths = "".join(f"{kind}_temp_path {folder / kind};" for kind in kinds)  # where a user without rights may write
    text = CONFIGURATION.replace("127.0.0.1:8000", f"127.0.0.1:{server.port}").replace("/etc/ssl", str(folder))
    text = text.replace("listen 443 ssl", f"listen 127.0.0.1:{port} ssl").replace("http {", "http {" + paths)
    (folder / "nginx.conf").write_text(f"daemon off; pid {folder / 'pid'}; error_log {folder / 'log'};\n{text}")
    folder.chmod(0o755)
    with subprocess.Popen([str(NGINX), "-p", folder, "-c", folder / "nginx.conf"]) as process:
        try:
            until(lambda: (folder / "pid").exists() or process.poll() is not None)
            assert process.poll() is None, (folder / "log").read_text()
            yield port
        finally:
            process.terminate()


@functools.cache
def context() -> ssl.SSLContext:
    """For a certificate that nobody vouches for."""
    found = ssl.create_default_context()
    found.check_hostname, found.verify_mode = False, ssl.CERT_NONE
    return found


def open_tls(port: int) -> ssl.SSLSocket:
    """A connection to write whatever to."""
    plain = socket.create_connection(("127.0.0.1", port), timeout=30)
    return context().wrap_socket(plain, server_hostname=NAME)


def exchange(port: int, data: bytes) -> bytes:
    """What comes back until the connection is closed."""
    parts = []
    with open_tls(port) as connection:
        try:
            connection.sendall(data)
            while part := connection.recv(65536):
                parts.append(part)
        except OSError:
            pass  # cut
    return b"".join(parts)


def post(body: bytes, *head: str) -> bytes:
    lines = ("POST /v1/text HTTP/1.1", f"Host: {NAME}", "Content-Type: application/json", "Connection: close", *head)
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def test_requests_and_live_frames_come_through(port: int) -> None:
    body = b'{"inputs": ["i am so happy today"]}'
    head, _, document = exchange(port, post(body, f"Content-Length: {len(body)}")).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert json.loads(document)["results"][0]["label"] == "joy"
    other = exchange(port, post(body, f"Content-Length: {len(body)}").replace(NAME.encode(), b"evil.example"))
    assert b" 421 " in other.splitlines()[0]
    picture = cv2.imencode(".jpg", drawn_face(240)[:, :, ::-1])[1].tobytes()
    plain = socket.create_connection(("127.0.0.1", port), timeout=30)
    with connect(f"wss://{NAME}/v1/live", sock=plain, ssl=context(), open_timeout=30) as client:
        client.send(picture)
        assert json.loads(client.recv(30))["people"] == [1]


def test_a_head_that_does_not_come_is_given_up(port: int) -> None:
    start = time.monotonic()
    connections = [open_tls(port) for _ in range(20)]
    for connection in connections:
        connection.sendall(b"GET / HTTP/1.1\r\nX-")
    for connection in connections:
        connection.settimeout(20)
        assert connection.recv(1000) == b""
        connection.close()
    assert 5 < time.monotonic() - start < 20


@pytest.mark.parametrize(
    "data", [b"GET / HTTP/1.1\r\nX-A: " + b"a" * 1_000_000, ATTACKS["garbage"]()], ids=["head", "garbage"]
)
def test_a_head_without_end_and_what_is_no_request_are_refused(server: Server, port: int, data: bytes) -> None:
    answer = exchange(port, data)
    assert answer == b"" or b" 400 " in answer.splitlines()[0]
    assert server.is_well()


def test_a_body_in_tiny_chunks_does_not_reach_the_server_before_it_is_whole(server: Server, port: int) -> None:
    with open_tls(port) as connection:
        connection.sendall(ATTACKS["chunks"]())
        assert server.metric("mien_requests_in_progress") == 1  # the one that asks
    assert server.is_well()


def test_trailers_without_end_do_not_reach_the_server(server: Server, port: int) -> None:
    before = server.metric("process_resident_memory_bytes")
    data = post(b"2\r\n{}\r\n0\r\nX-A: " + b"a" * 20_000_000, "Transfer-Encoding: chunked")
    answer = exchange(port, data)
    assert answer == b"" or b" 200 " not in answer.splitlines()[0]
    assert server.metric("process_resident_memory_bytes") < before + 10_000_000
    assert server.is_well()


def test_one_address_cannot_have_all_connections(server: Server, port: int) -> None:
    waiting = []
    for _ in range(40):
        connection = open_tls(port)
        connection.sendall(post(b"{", "Content-Length: 1000"))
        waiting.append(connection)
    assert b" 503 " in exchange(port, post(b"", "Content-Length: 0")).splitlines()[0]
    assert server.is_well()
    assert server.metric("mien_requests_in_progress") == 1  # bodies are sent on once they are here
    for connection in waiting:
        connection.close()
