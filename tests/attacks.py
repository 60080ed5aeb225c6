"""What clients that mean no good send; each from many connections, for some seconds, from a process of its own.

python tests/attacks.py PORT NAME SECONDS [CONNECTIONS]
"""

from __future__ import annotations

import asyncio
import base64
import io
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from PIL import Image

BOUNDARY = "bound"


def post(path: str, body: bytes, kind: str = "application/json", length: int | None = None) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: {kind}\r\n"
    return f"{head}Content-Length: {len(body) if length is None else length}\r\n\r\n".encode() + body


def text(content: str, count: int = 1) -> bytes:
    return post("/v1/text", b'{"inputs": [' + b", ".join([b'"' + content.encode() + b'"'] * count) + b"]}")


def json_of(unit: bytes, size: int = 7_900_000) -> bytes:
    return post("/v1/text", b'{"inputs": [' + unit * (size // len(unit)) + b"1]}")


def form(content: bytes, path: str = "/v1/face") -> bytes:
    return post(path, content, f"multipart/form-data; boundary={BOUNDARY}")


def part(head: str, content: bytes = b"x") -> bytes:
    return f"--{BOUNDARY}\r\nContent-Disposition: form-data; {head}\r\n\r\n".encode() + content + b"\r\n"


def jpeg2000() -> bytes:
    """An image of noise, which takes a second to decode."""
    file = io.BytesIO()
    Image.frombytes("RGB", (900, 900), random.Random(0).randbytes(900 * 900 * 3)).save(file, "JPEG2000")
    return file.getvalue()


def chunks(trailer: bytes = b"") -> bytes:
    head = b"POST /v1/text HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    body = trailer or b"1\r\n \r\n" * 200_000
    return head + b"Transfer-Encoding: chunked\r\n\r\n" + (b"2\r\n{}\r\n0\r\n" if trailer else b"") + body


def frames(frame: bytes, first: bytes = b"") -> bytes:
    upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    return f"GET /v1/live HTTP/1.1\r\nHost: localhost\r\n{upgrade}{key}\r\n".encode() + first + frame * 200_000


ATTACKS: dict[str, Callable[[], bytes]] = {
    "combining marks": lambda: text("a" + "\u0300\u0327" * 49_500),
    "emoji that unfold": lambda: text("😭" * 99_000),
    "texts that unfold": lambda: text("😭" * 1000, 250),
    "numbers": lambda: json_of(b"1,"),
    "lists": lambda: json_of(b"[],"),
    "keys": lambda: post("/v1/text", b"{" + b", ".join(b'"%d": 0' % n for n in range(600_000)) + b"}"),
    "strings": lambda: json_of(b'"",'),
    "escapes": lambda: json_of(b'"' + b"\\u00e9" * 1_000_000 + b'",'),
    "quotes without end": lambda: post("/v1/text", b'{"inputs": ["' + b'\\"' * 3_900_000),
    "base64": lambda: post("/v1/face", b'{"inputs": ["' + base64.b64encode(bytes(5_900_000)) + b'"]}'),
    "JPEG 2000": lambda: form(part('name="file"; filename="a"', jpeg2000())),
    "parts": lambda: form(part('name="inputs"') * 100_000),
    "parts that nearly end": lambda: form(part('name="file"; filename="a"', b"\r\n--boun" * 800_000)),
    "heads of parts": lambda: form(part('name="' + "x" * 8_000_000 + '"')),
    "chunks": chunks,
    "trailers": lambda: chunks(b"X-A: b\r\n" * 200_000),
    "headers": lambda: b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"a:\r\n" * 15_000 + b"\r\n",
    "garbage": lambda: random.Random(0).randbytes(100_000),
    "pipelining": lambda: b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" * 20_000,
    "fragments": lambda: frames(b"\x00\x81\0\0\0\0x", b"\x02\x81\0\0\0\0x"),
    "pongs": lambda: frames(b"\x8a\x80\0\0\0\0"),
    "bodies that do not come": lambda: post("/v1/text", b"{", length=1_000_000),
}  # fmt: skip


async def attack(port: int, name: str, seconds: float, connections: int) -> int:
    """How often it was sent."""
    data, end, count = ATTACKS[name](), time.monotonic() + seconds, 0

    async def client() -> None:
        nonlocal count
        while (left := end - time.monotonic()) > 0:
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(left):
                    reader, writer = await asyncio.open_connection("127.0.0.1", port)
                    try:
                        writer.write(data)
                        await writer.drain()
                        count += 1
                        while await reader.read(65536):
                            pass
                    finally:
                        writer.transport.abort()

    await asyncio.gather(*(client() for _ in range(connections)))
    return count


@contextmanager
def attacking(port: int, name: str, seconds: float, connections: int = 16) -> Iterator[subprocess.Popen[bytes]]:
    """An attack that runs meanwhile, in a process of its own."""
    command = [sys.executable, str(Path(__file__)), str(port), name, str(seconds), str(connections)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


if __name__ == "__main__":
    port, name, seconds, *rest = sys.argv[1:]
    print(asyncio.run(attack(int(port), name, float(seconds), int(rest[0]) if rest else 16)))
