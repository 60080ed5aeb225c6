"""Clients that mean no good, or have bad luck: the server answers the next good request."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import os
import random
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from starlette.types import Message, Receive, Scope, Send

from conftest import RunCli, one_line
from mien.errors import how_to_install
from mien.serve.logs import JsonLines, log
from mien.serve.metrics import Metrics
from mien.serve.middleware import RequestMiddleware
from mien.serve.settings import ServeSettings
from serving import BOUNDARY, Server, form, serving, until

HEAD = b"POST /v1/text HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


def read_all(connection: socket.socket) -> bytes:
    parts = []
    try:
        while part := connection.recv(65536):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def test_a_body_that_does_not_come(server: Server) -> None:
    with server.raw() as slow, server.raw() as stuck:
        for connection in (slow, stuck):
            connection.sendall(HEAD + b"Content-Length: 1000\r\n\r\n{")
        start = time.monotonic()
        for _ in range(4):
            slow.sendall(b" ")
            time.sleep(0.2)
        assert server.is_well()
        for connection in (slow, stuck):
            answer = read_all(connection)
            assert b" 408 " in answer.splitlines()[0]
            assert b"did not arrive within 2 s" in answer
            assert b"connection: close" in answer
    assert time.monotonic() - start < 15


def test_garbage(server: Server) -> None:
    rng = random.Random(0)
    for _ in range(30):
        with server.raw() as connection:
            connection.sendall(rng.randbytes(rng.randrange(1, 3000)) + b"\r\n\r\n")
            connection.shutdown(socket.SHUT_WR)
            answer = read_all(connection)
            assert answer == b"" or b" 400 " in answer.splitlines()[0]
    assert server.is_well()


def test_a_body_that_is_too_large(server: Server) -> None:
    stated = server.request("POST", "/v1/text", b"[" * 9_000_000, {"Content-Type": "application/json"})
    assert "larger than 8,000,000 bytes" in stated.problem(413)
    with server.raw() as connection:  # of unknown length
        connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        try:
            for _ in range(200):
                connection.sendall(b"10000\r\n" + b" " * 65536 + b"\r\n")
            connection.sendall(b"0\r\n\r\n")
        except OSError:
            pass
        assert b" 413 " in read_all(connection).splitlines()[0]
    with server.raw() as connection:  # a client that asks first is told at once
        connection.sendall(HEAD + b"Expect: 100-continue\r\nContent-Length: 9999999999\r\n\r\n")
        assert b" 413 " in read_all(connection).splitlines()[0]
    assert server.is_well()


def test_a_client_that_says_too_much_is_answered_before_it_sends_it(server: Server) -> None:
    with server.raw() as connection:
        start = time.monotonic()
        connection.sendall(HEAD + b"Content-Length: 99999999999\r\n\r\n")
        received = b""
        while not received.endswith(b"}"):
            received += connection.recv(65536)
        assert time.monotonic() - start < 2  # the server reads off what is sent for longer
        assert b" 413 " in received.splitlines()[0]
        connection.sendall(b" " * 1_000_000)
        assert read_all(connection) == b""
    assert server.is_well()


def test_clients_that_are_killed(server: Server) -> None:
    before = server.metric("process_open_fds")
    body = json.dumps({"inputs": [f"text number {n}" for n in range(200)]}).encode()
    whole = HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body
    for number in range(40):
        connection = server.raw()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # leave with a reset
        connection.sendall(whole[: len(whole) if number % 2 else len(whole) // 2])
        connection.close()
    assert server.is_well()
    until(lambda: server.metric("mien_requests_in_progress") == 1)  # the one that asks
    assert server.metric("mien_queue_units", model="text-carer") == 0
    assert server.metric("process_open_fds") <= before + 5
    assert server.metric("mien_requests_total", route="/v1/text", status="499") > 0


def test_many_tiny_requests(server: Server) -> None:
    statuses: Counter[bytes] = Counter()
    body = b'{"inputs": ["a"]}'
    request = HEAD + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body

    async def some(count: int) -> None:
        for _ in range(count):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(request)
            statuses[(await reader.read())[9:12]] += 1
            writer.close()
            await writer.wait_closed()

    async def main() -> None:
        await asyncio.gather(*(some(25) for _ in range(40)))

    asyncio.run(main())
    assert statuses == {b"200": 1000}
    assert server.is_well()


def test_requests_one_behind_the_other_on_one_connection(server: Server) -> None:
    with server.raw() as connection:
        for number in range(5):
            body = json.dumps({"inputs": [f"i am so happy {number}"]}).encode()
            connection.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        answers = b""
        while answers.count(b'"error": null') < 5:
            answers += connection.recv(65536)
    assert [answers.find(f"happy {number}".encode()) for number in range(5)] == sorted(
        answers.find(f"happy {number}".encode()) for number in range(5)
    )


def test_many_requests_on_one_connection_of_which_a_part_is_answered(server: Server) -> None:
    bodies = [json.dumps({"inputs": ["so happy " * count]}).encode() for count in (2000, *[1] * 1999)]
    with server.raw() as connection:
        connection.sendall(b"".join(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body for body in bodies))
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 OK")
    assert server.is_well()
    until(lambda: server.metric("mien_requests_in_progress") == 1)  # the one that asks
    assert not [line for line in server.log() if line["event"] == "failed"]


def test_uploads_leave_nothing_behind(server: Server) -> None:
    folder = server.log_file.parent
    big = os.urandom(3_000_000)  # larger than what is kept in memory
    server.upload("/v1/face", [("a.png", big)]).problem(422)
    with server.raw() as connection:  # killed in the middle of it
        body = form([("a.png", big)])
        head = b"POST /v1/face HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary="
        connection.sendall(head + BOUNDARY.encode() + b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body[:2_000_000])
    until(lambda: server.metric("mien_requests_in_progress") == 1)
    assert [path.name for path in folder.iterdir()] == ["log"]


# ------------------------------------------------------------------------------------------ servers with other settings


def test_a_full_queue_answers_503_and_loses_nothing() -> None:
    with serving("--model", "text", "--queue", 40, "--batch", 8, "--threads", 1, "--no-access-log") as server:
        found: list[tuple[int, str | None]] = []

        def ask() -> None:
            answer = server.post("/v1/text", {"inputs": [f"a somewhat longer text to be read {n}" for n in range(16)]})
            found.append((answer.status, answer.headers.get("retry-after")))
            if answer.status != 200:
                assert "too many inputs wait" in answer.problem(503)

        threads = [threading.Thread(target=ask) for _ in range(24)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        counts = Counter(status for status, _ in found)
        assert set(counts) == {200, 503}
        assert sum(counts.values()) == 24
        assert all(after is not None and int(after) >= 1 for status, after in found if status == 503)
        assert [line["event"] for line in server.log()] == ["listening"]


def test_an_answer_that_takes_too_long_and_too_many_requests() -> None:
    with serving("--model", "text", "--timeout-s", 0.05, "--max-connections", 3) as server:
        answer = server.post("/v1/text", {"inputs": ["a text with some more words in it"] * 256})
        assert "no answer within 0.05 s" in answer.problem(503)
        assert int(answer.headers["retry-after"]) >= 1
        waiting = [server.raw() for _ in range(3)]
        for connection in waiting:
            connection.sendall(HEAD + b"Content-Length: 1000\r\n\r\n{")
        until(lambda: server.post("/v1/text", {"inputs": ["glad"]}).status == 503)
        assert "too many requests at once" in server.get("/v1/models").problem(503)
        assert server.get("/healthz").status == 200
        for connection in waiting:
            connection.close()
        until(lambda: server.get("/v1/models").status == 200)


def test_a_key_and_pages_of_other_hosts() -> None:
    options = ["--model", "text-carer", "--origin", "https://Example.org:443/"]  # as one may write it
    with serving(*options, env={"MIEN_API_KEY": "open sesame"}) as server:
        assert "a key is needed" in server.post("/v1/text", {"inputs": ["glad"]}).problem(401)
        assert server.post("/v1/text", {"inputs": ["glad"]}).headers["www-authenticate"] == "Bearer"
        server.get("/metrics").problem(401)
        assert "a key is needed" in server.get("/v1/models", {"Authorization": "Bearer "}).problem(401)
        for wrong in ({"Authorization": "Bearer wrong"}, {"Authorization": "Bearer \xe4"}, {"X-API-Key": "wrong"}):
            assert server.get("/v1/models", wrong).problem(401) == "this is not the key"
        for headers in ({"Authorization": "Bearer open sesame"}, {"X-API-Key": "open sesame"}):
            assert server.get("/v1/models", headers).status == 200
        assert server.get("/healthz").status == server.get("/").status == server.get("/openapi.json").status == 200
        assert server.get("/openapi.json").json()["paths"]["/v1/text"]["post"]["security"] == [{"key": []}]
        asked = {"Origin": "https://example.org", "Access-Control-Request-Method": "POST"}
        allowed = server.request("OPTIONS", "/v1/text", headers=asked)
        assert allowed.headers["access-control-allow-origin"] == "https://example.org"
        other = server.request("OPTIONS", "/v1/text", headers={**asked, "Origin": "https://elsewhere.org"})
        assert "access-control-allow-origin" not in other.headers
        assert "https://example.org" in server.get("/").headers["content-security-policy"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopping_answers_what_was_accepted(number: signal.Signals) -> None:
    with serving("--model", "text", "--threads", 1) as server:
        answers: list[int] = []

        def ask() -> None:
            answer = server.post("/v1/text", {"inputs": [f"a text with some words in it {n}" for n in range(200)]})
            answers.append(len(answer.json()["results"]))

        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        until(lambda: server.metric("mien_requests_in_progress") == 4)
        server.process.send_signal(number)
        for thread in threads:
            thread.join()
        assert answers == [200] * 3
        assert server.process.wait(20) == 0
        assert server.log()[-1]["event"] == "stopped"
        with pytest.raises(OSError, match=r"refused"):
            server.raw()


def test_a_fault_of_ours_is_a_problem_and_a_line_that_quotes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        raise ValueError("the text was: my secret")

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request"}

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    log.addHandler(handler)
    try:
        middleware = RequestMiddleware(broken, ServeSettings(), Metrics())
        scope = {"type": "http", "http_version": "1.0", "method": "GET", "path": "/v1/models", "headers": []}
        asyncio.run(middleware(scope, receive, send))
    finally:
        log.removeHandler(handler)
    assert sent[0]["status"] == 500
    document = json.loads(sent[1]["body"])
    assert document["status"] == 500
    line = json.loads(capsys.readouterr().err.splitlines()[0])
    assert (line["event"], line["error"]) == ("failed", "ValueError")
    assert line["id"] in document["detail"]
    assert Path(__file__).name in line["at"]
    assert "secret" not in str(line) + str(document)


@pytest.mark.parametrize(
    "settings",
    [
        {"host": ""}, {"timeout_s": math.inf}, {"max_body_mb": 1e308}, {"origins": ["https://example.org/page"]},
        {"origins": ["https://example.org; script-src *"]}, {"origins": ["https://example.org:port"]},
    ],
)  # fmt: skip
def test_settings_that_mean_nothing(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="1 validation error"):
        ServeSettings(**settings)


def test_origins_are_as_browsers_write_them() -> None:
    given = ("https://Example.org:443/", "http://127.0.0.1:8080", "http://[::1]:80", "chrome-extension://abc", "*")
    found = ("https://example.org", "http://127.0.0.1:8080", "http://[::1]", "chrome-extension://abc", "*")
    assert ServeSettings(origins=given).origins == found


def test_what_cannot_be_served(run_cli: RunCli, tmp_path: Path) -> None:
    assert "no model 'nonsense'" in one_line(run_cli("serve", "--model", "nonsense", "--port", 0))
    assert "two models are named text" in one_line(run_cli("serve", "--model", "text", "--model", "text", "--port", 0))
    assert "--timeout-s: must be more than 0.0, not 0.0" in one_line(run_cli("serve", "--timeout-s", 0))
    assert "--origin: 'example.org' is no origin" in one_line(run_cli("serve", "--origin", "example.org"))
    assert "the API key is empty" in one_line(run_cli("serve", "--port", 0, env={"MIEN_API_KEY": ""}))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        told = one_line(run_cli("serve", "--model", "text-carer", "--port", port))
        assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in told
    assert "cannot listen on nonsense.invalid:8000" in one_line(
        run_cli("serve", "--model", "text-carer", "--host", "nonsense.invalid")
    )


def test_without_the_extra_it_says_what_to_install(tmp_path: Path) -> None:
    code = "import sys; sys.modules['fastapi'] = None; sys.argv = ['mien', 'serve']; import mien.cli.__main__"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == f"mien: this needs fastapi: {how_to_install('serve')}\n"
