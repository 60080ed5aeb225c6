"""The server under load from another process, in one go: what it answers, how fast, and what that costs.

Measured are the library itself in one process, then `mien serve` with its defaults, then with batching off. Clients are
closed loops: each of the connections sends a text, waits for its answer, checks that it is that text's, and sends the
next. The client's process shares the cores with the server. Then many tiny requests on connections of their own, and
live frames from one client.

    python benchmarks/serve_load.py [--model text] [--seconds 60] [--connections 64] [--tiny 10000] [--json]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import mien
from mien.runtime import usable_threads

# ------------------------------------------------------------------------------------------------------- the client


class Connection(asyncio.Protocol):
    """One closed loop over one connection."""

    def __init__(self, load: Load) -> None:
        self.load, self.waiting = load, bytearray()
        self.sent, self.text = 0.0, ""
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.next()

    def next(self) -> None:
        if time.perf_counter() >= self.load.end:
            self.transport.close()
            return
        self.text, request = self.load.request()
        self.load.asked += 1
        self.sent = time.perf_counter()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.waiting += data
        head = self.waiting.find(b"\r\n\r\n")
        if head < 0:
            return
        start = self.waiting.find(b"content-length: ") + 16
        size = head + 4 + int(self.waiting[start : self.waiting.find(b"\r\n", start)])
        if len(self.waiting) < size:
            return
        self.load.answered(int(self.waiting[9:12]), bytes(self.waiting[head + 4 : size]), self.text, self.sent)
        del self.waiting[:size]
        self.next()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)


class Load:
    """What the connections send, and what came back."""

    def __init__(self, texts: list[str], model: str, seconds: float) -> None:
        self.texts, self.model = texts, model
        self.end = time.perf_counter() + seconds
        self.asked = 0
        self.statuses: Counter[int] = Counter()
        self.wrong = 0
        self.latencies: list[float] = []
        self._random = random.Random(0)
        self._count = 0

    def request(self) -> tuple[str, bytes]:
        self._count += 1
        text = f"{self._random.choice(self.texts)} {self._count}"  # no two are alike: an answer cannot be another's
        return text, post({"inputs": [text], "model": self.model})

    def answered(self, status: int, body: bytes, text: str, sent: float) -> None:
        self.latencies.append(time.perf_counter() - sent)
        self.statuses[status] += 1
        if status == 200 and json.dumps(text, ensure_ascii=False).encode() not in body:
            self.wrong += 1

    def figures(self, seconds: float) -> dict[str, Any]:
        good = self.statuses[200]
        parts = statistics.quantiles(self.latencies, n=1000) if len(self.latencies) > 1 else [0.0] * 999
        return {
            "texts_per_s": round(good / seconds, 1),
            "asked": self.asked,
            "statuses": {str(status): count for status, count in sorted(self.statuses.items())},
            "lost": self.asked - sum(self.statuses.values()),
            "wrong": self.wrong,
            "latency_ms": {f"p{p / 10:g}": round(parts[p - 1] * 1e3, 1) for p in (500, 900, 990, 999)},
        }


def post(document: dict[str, Any], extra: str = "") -> bytes:
    body = json.dumps(document, ensure_ascii=False).encode()
    head = f"POST /v1/text HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{extra}"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def closed_loops(port: int, texts: list[str], model: str, connections: int, seconds: float) -> dict[str, Any]:
    load, loop = Load(texts, model, seconds), asyncio.get_running_loop()
    start = time.perf_counter()
    made = [await loop.create_connection(lambda: Connection(load), "127.0.0.1", port) for _ in range(connections)]
    await asyncio.wait_for(asyncio.gather(*(protocol.done for _, protocol in made)), seconds + 30)
    return load.figures(time.perf_counter() - start)


def live_frames(port: int, seconds: float) -> dict[str, Any]:
    """One client that sends a frame of 640 x 480 pixels with one face, waits for the answer, and sends the next."""
    import cv2
    from websockets.sync.client import connect

    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from face_model import drawn_face

    frame = cv2.resize(drawn_face(480), (640, 480))[:, :, ::-1]
    pictures = [cv2.imencode(".jpg", frame[:, shift:])[1].tobytes() for shift in range(1, 16)]
    latencies = []
    with connect(f"ws://127.0.0.1:{port}/v1/live") as client:
        end = time.perf_counter() + seconds
        while (start := time.perf_counter()) < end:
            client.send(pictures[len(latencies) % len(pictures)])
            assert json.loads(client.recv())["people"] == [1]
            latencies.append(time.perf_counter() - start)
    parts = statistics.quantiles(latencies, n=100)
    return {
        "frames_per_s": round(len(latencies) / seconds, 1),
        "latency_ms": {f"p{p}": round(parts[p - 1] * 1e3, 1) for p in (50, 90, 99)},
    }


async def tiny_requests(port: int, count: int) -> dict[str, Any]:
    """Each on a connection of its own, 64 at a time."""
    statuses: Counter[str] = Counter()
    request = post({"inputs": ["a"]}, "Connection: close\r\n")
    places = iter(range(count))

    async def some() -> None:
        for _ in places:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(request)
                answer = await asyncio.wait_for(reader.read(), 30)
                statuses[answer[9:12].decode() or "none"] += 1
                writer.close()
            except (OSError, TimeoutError) as error:
                statuses[type(error).__name__] += 1

    start = time.perf_counter()
    await asyncio.gather(*(some() for _ in range(64)))
    return {"requests": count, "per_s": round(count / (time.perf_counter() - start), 1), "statuses": dict(statuses)}


# ------------------------------------------------------------------------------------------------------- the server


@contextmanager
def server(*options: str) -> Iterator[tuple[int, int]]:
    """`mien serve` in a process of its own: port and process id."""
    with TemporaryDirectory() as folder:
        log = Path(folder, "log")
        with log.open("wb") as file:
            command = [sys.executable, "-m", "mien.cli", "serve", "--port", "0", *options]
            process = subprocess.Popen(command, stderr=file)
        try:
            while not (found := [line for line in log.read_text().splitlines() if '"listening"' in line]):
                if process.poll() is not None:
                    raise SystemExit(log.read_text())
                time.sleep(0.1)
            yield int(json.loads(found[0])["url"].rpartition(":")[2]), process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def memory(pid: int) -> float:
    """Megabytes that a process holds."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def cpu(pid: int) -> float:
    """Seconds of computing that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def under_load(options: argparse.Namespace, seconds: float, *how: str) -> dict[str, Any]:
    with server("--model", options.model, *how) as (port, pid):
        run_client(options, port, min(5.0, seconds))  # warm
        sizes, used = [memory(pid)], cpu(pid)
        client = start_client(options, port, seconds)
        while client.poll() is None:
            time.sleep(1)
            sizes.append(memory(pid))
        figures = finish(client)
        figures["server_cpu_ms_per_text"] = round(
            (cpu(pid) - used) / max(1, figures["statuses"].get("200", 1)) * 1e3, 3
        )
        quarter = max(1, len(sizes) // 4)
        figures["memory_mb"] = {
            "first_quarter": round(statistics.mean(sizes[:quarter]), 1),
            "last_quarter": round(statistics.mean(sizes[-quarter:]), 1),
            "most": round(max(sizes), 1),
        }
        if not how and options.tiny:
            figures["tiny"] = asyncio.run(tiny_requests(port, options.tiny))
            figures["tiny"]["then"] = run_client(options, port, 1.0)["statuses"]
        return figures


def start_client(options: argparse.Namespace, port: int, seconds: float) -> subprocess.Popen[str]:
    command = [sys.executable, __file__, "--client", str(port), "--seconds", str(seconds), "--model", options.model]
    command += ["--connections", str(options.connections), "--data", options.data]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def run_client(options: argparse.Namespace, port: int, seconds: float) -> dict[str, Any]:
    return finish(start_client(options, port, seconds))


def finish(client: subprocess.Popen[str]) -> dict[str, Any]:
    output, _ = client.communicate()
    document: dict[str, Any] = json.loads(output)
    return document


def library(model: str, texts: list[str]) -> float:
    """Texts per second through ``predict_many``, results made and all: the best of three, of texts as the load has."""
    predictor = mien.load(model)
    load = Load(texts, model, 0)
    best = 0.0
    for _ in range(3):
        many = [load.request()[0] for _ in range(2048)]
        start = time.perf_counter()
        for _ in predictor.predict_many(many):
            pass
        best = max(best, len(many) / (time.perf_counter() - start))
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="text")
    parser.add_argument("--data", default="sample:everyday", help="where the texts come from")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--tiny", type=int, default=10_000)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--client", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    texts = [str(text) for text in mien.open_dataset(options.data).inputs]
    if options.client:
        loops = closed_loops(options.client, texts, options.model, options.connections, options.seconds)
        figures = asyncio.run(loops)
        print(json.dumps({**figures, "client_cpu_ms_per_text": round(time.process_time() / figures["asked"] * 1e3, 3)}))
        return
    document: dict[str, Any] = {
        "model": options.model, "threads": usable_threads(), "connections": options.connections,
        "seconds": options.seconds, "library_texts_per_s": round(library(options.model, texts), 1),
    }  # fmt: skip
    document["server"] = under_load(options, options.seconds)
    document["batching_off"] = under_load(options, options.seconds / 2, "--batch", "1", "--window-ms", "0")
    rate = document["server"]["texts_per_s"]
    with server("--model", "face") as (port, _):
        document["live"] = live_frames(port, max(2.0, options.seconds / 4))
    document["share_of_library"] = round(rate / document["library_texts_per_s"], 3)
    document["times_batching_off"] = round(rate / max(0.1, document["batching_off"]["texts_per_s"]), 2)
    if options.json:
        print(json.dumps(document, indent=1))
        return
    print(f"{options.model}, {options.connections} connections, {document['threads']} threads")
    print(f"  library alone     {document['library_texts_per_s']:8,.0f} texts/s")
    for name in ("server", "batching_off"):
        figures = document[name]
        print(f"  {name.replace('_', ' '):17} {figures['texts_per_s']:8,.0f} texts/s   {figures}")
    print(f"  live: {document['live']}")
    print(f"  {document['share_of_library']:.0%} of the library, {document['times_batching_off']} × batching off")


if __name__ == "__main__":
    main()
