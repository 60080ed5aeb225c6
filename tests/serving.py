"""A server in a process of its own, and a client: what the tests of serving share."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import warm
from conftest import cli_env

BOUNDARY = "boundary-of-the-tests"


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    def problem(self, status: int) -> str:
        """The detail of a problem, which must be one by RFC 9457."""
        document = self.json()
        assert self.status == status == document["status"], (self.status, document)
        assert self.headers["content-type"] == "application/problem+json"
        assert set(document) <= {"type", "title", "status", "detail", "errors"}
        assert "Traceback" not in document["detail"]
        assert "\n" not in document["detail"]
        return str(document["detail"])


@dataclass
class Server:
    """A running server."""

    port: int
    process: subprocess.Popen[bytes]
    log_file: Path
    headers: dict[str, str] = field(default_factory=dict)

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, {**self.headers, **(headers or {})})
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        return self.request("GET", path, headers=headers)

    def post(self, path: str, document: Any, headers: Mapping[str, str] | None = None) -> Answer:
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        return self.request("POST", path, body, {"Content-Type": "application/json", **(headers or {})})

    def upload(
        self, path: str, files: Sequence[tuple[str, bytes]] = (), fields: Sequence[tuple[str, str]] = ()
    ) -> Answer:
        body = form(files, fields)
        return self.request("POST", path, body, {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"})

    def raw(self) -> socket.socket:
        """A connection to write whatever to."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)

    def is_well(self) -> bool:
        """Whether it answers a good request."""
        answer = self.post("/v1/text", {"inputs": ["i am so happy today"]})
        return answer.status == 200 and answer.json()["results"][0]["label"] == "joy"

    def log(self) -> list[dict[str, Any]]:
        """Its lines, without those that libjpeg writes about damaged pictures."""
        return [json.loads(line) for line in self.log_file.read_text().splitlines() if line.startswith("{")]

    def metric(self, name: str, **labels: str) -> float:
        """A value of /metrics; 0 where there is none yet."""
        for line in self.get("/metrics").body.decode().splitlines():
            if line.startswith((f"{name} ", f"{name}{{")) and all(f'{k}="{v}"' in line for k, v in labels.items()):
                return float(line.rpartition(" ")[2])
        return 0.0


def form(files: Sequence[tuple[str, bytes]] = (), fields: Sequence[tuple[str, str]] = ()) -> bytes:
    """The body of a form, written by hand from RFC 7578."""
    parts = b""
    for name, value in fields:
        parts += f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
    for name, content in files:
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
        parts += head.encode() + content + b"\r\n"
    return parts + f"--{BOUNDARY}--\r\n".encode()


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Wait for something to become so."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@contextmanager
def serving(*options: object, env: Mapping[str, str] | None = None, before: str = "") -> Iterator[Server]:
    """``mien serve`` on a free port, after a line of Python in its process; stopped by SIGTERM."""
    with TemporaryDirectory() as folder:
        log = Path(folder, "log")
        code = f"{before}\nimport mien.cli.app\nmien.cli.app.main()"
        command = [sys.executable, "-c", code, "serve", "--port", "0", *map(str, options)]
        with log.open("wb") as file:
            start = subprocess.Popen if before else warm.Popen
            process = start(
                command, stdin=subprocess.DEVNULL, stderr=file, env={**cli_env(), "TMPDIR": folder, **(env or {})}
            )
        try:
            end = time.monotonic() + 60
            while not (found := [line for line in log.read_text().splitlines() if '"listening"' in line]):
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < end, log.read_text()
                time.sleep(0.05)
            yield Server(int(json.loads(found[0])["url"].rpartition(":")[2]), process, log)
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            finally:
                process.kill()
