"""mien on a Ray cluster of three nodes, of which one is killed half way, and what drives it too.

The nodes are processes of this machine. Run by ``make ray-test``, in an environment of its own.
"""

from __future__ import annotations

import csv
import json
import os
import random
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ray.cluster_utils import Cluster

from conftest import RunCli, cli_env
from mien.cli.demo import ASSETS
from mien.media.encode import encode_image
from mien.media.images import read_picture
from mien.media.pixels import resize

Start = Callable[..., "subprocess.Popen[str]"]
TEXTS, PICTURES = 100_000, 320
WORDS = ("i", "feel", "so", "happy", "sad", "angry", "amazed", "scared", "adored", "hopeless", "about", "it", "then")
STORE = 80 * 2**20  # bytes of each node's object store


class Nodes:
    """Three nodes with a core each, the first of which keeps the books; ``kill`` takes one of the others away."""

    def __init__(self) -> None:
        self.cluster = Cluster(initialize_head=True, head_node_args=self._settings())
        self.others = [self.cluster.add_node(**self._settings()) for _ in range(2)]
        self.cluster.wait_for_nodes()

    def _settings(self) -> dict[str, object]:
        return {"num_cpus": 1, "object_store_memory": STORE, "include_dashboard": False}

    def kill(self) -> None:
        """End a node with all that runs on it, as when a machine loses its power."""
        self.cluster.remove_node(self.others.pop(), allow_graceful=False)

    def mend(self) -> None:
        """Three nodes again."""
        while len(self.others) < 2:
            self.others.append(self.cluster.add_node(**self._settings()))
        self.cluster.wait_for_nodes()


@pytest.fixture(scope="session")
def three_nodes() -> Iterator[Nodes]:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    nodes = Nodes()
    yield nodes
    nodes.cluster.shutdown()


@pytest.fixture
def nodes(three_nodes: Nodes) -> Iterator[Nodes]:
    """The cluster, whole again after each test."""
    yield three_nodes
    three_nodes.mend()


@pytest.fixture
def start(nodes: Nodes, tmp_path: Path) -> Start:
    """Start ``mien`` as a driver of the cluster."""

    def run(*args: object) -> subprocess.Popen[str]:
        env = cli_env() | {"RAY_ADDRESS": nodes.cluster.address, "MIEN_THREADS": "1"}
        line = [sys.executable, "-m", "mien.cli", *map(str, args)]
        return subprocess.Popen(line, cwd=tmp_path, env=env, text=True, stderr=subprocess.PIPE)

    return run


def wait_for_shards(folder: Path, count: int, process: subprocess.Popen[str], seconds: float = 240) -> None:
    """Wait until so many shards are written, and no longer than the process runs."""
    until = time.monotonic() + seconds
    while len(list(folder.glob("part-*.parquet"))) < count:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until, f"fewer than {count} shards after {seconds} s"
        time.sleep(0.05)


def write_texts(path: Path, count: int) -> None:
    """A table of different texts, every 12th of which is empty."""
    made = random.Random(7)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerow(["id", "text"])
        csv.writer(file).writerows([number, " ".join(made.choices(WORDS, k=number % 12))] for number in range(count))


def read(folder: Path) -> pa.Table:
    """All shards, one behind the other."""
    return pa.concat_tables([pq.read_table(path) for path in sorted(folder.glob("part-*.parquet"))])


def finish(process: subprocess.Popen[str]) -> str:
    """What it said on standard error, once it is done, well."""
    _, said = process.communicate(timeout=400)
    assert process.returncode == 0, said
    return said


def same(found: list[dict[str, Any]], wanted: list[dict[str, Any]]) -> None:
    """Rows are equal, numbers to the last digits that a batch of another size may change."""
    assert len(found) == len(wanted)
    for row, other in zip(found, wanted, strict=True):
        assert row.keys() == other.keys()
        for name, value in row.items():
            if isinstance(value, float):
                assert abs(value - other[name]) < 1e-4, (name, row, other)
            else:
                assert value == other[name], (name, row, other)


def test_texts_are_those_of_one_process_though_a_node_and_the_driver_die(
    nodes: Nodes, start: Start, run_cli: RunCli, tmp_path: Path
) -> None:
    write_texts(tmp_path / "t.csv", TEXTS)
    asked = "predict", "t.csv", "--model", "text-carer", "--scores", "--out"
    process = start(*asked, "shards", "--engine", "ray")
    wait_for_shards(tmp_path / "shards", 3, process)
    nodes.kill()
    wait_for_shards(tmp_path / "shards", 7, process)
    process.kill()
    process.communicate()
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "shards").glob("part-*.parquet")}
    assert 7 <= len(kept) < 13
    said = finish(start(*asked, "shards", "--engine", "ray"))
    assert "going on after the " in said
    assert "wrote 100,000 rows in 13 parts into shards" in said
    assert {path: path.stat().st_mtime_ns for path in kept} == kept, "what was done is not done again"
    assert run_cli(*asked, "plain.parquet").returncode == 0
    plain = pq.read_table(tmp_path / "plain.parquet")
    found = read(tmp_path / "shards")
    assert found.schema.names == plain.schema.names
    same(found.to_pylist(), plain.to_pylist())


def test_photographs_are_those_of_one_process_though_a_node_dies(
    nodes: Nodes, start: Start, run_cli: RunCli, tmp_path: Path
) -> None:
    (tmp_path / "album").mkdir()
    people = read_picture(ASSETS / "people.png")
    for number in range(PICTURES):
        height, width = (round(side * (0.3 + 0.1 * (number % 5))) for side in people.shape[:2])
        picture = resize(people, width, height) * np.float32(0.5 + 0.5 * number / PICTURES)
        (tmp_path / "album" / f"{number:03}.jpg").write_bytes(encode_image(picture.astype(np.uint8), "jpeg", 90))
    (tmp_path / "album" / "100.jpg").write_bytes(b"no picture")
    asked = "predict", "album", "--out"
    process = start(*asked, "shards", "--engine", "ray")
    wait_for_shards(tmp_path / "shards", 1, process)
    nodes.kill()
    said = finish(process)
    assert "1 of 320 pictures could not be read" in said
    assert run_cli(*asked, "plain.parquet").returncode == 0
    found = read(tmp_path / "shards").to_pylist()
    assert len({row["file"] for row in found}) == PICTURES
    same(found, pq.read_table(tmp_path / "plain.parquet").to_pylist())


def test_ctrl_c_keeps_the_shards_and_says_how_to_go_on(tmp_path: Path) -> None:
    """On a Ray that is started for the call."""
    write_texts(tmp_path / "t.csv", 24_000)
    asked = ["t.csv", "--model", "text-carer", "--out", "shards", "--engine", "ray", "--workers", "2"]
    first = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    command = [sys.executable, "-c", f"{first}; from mien.cli.app import main; main()", "predict", *asked]
    process = subprocess.Popen(
        command, cwd=tmp_path, env=cli_env(), stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    wait_for_shards(tmp_path / "shards", 1, process)
    process.send_signal(signal.SIGINT)
    output = process.communicate(timeout=100)
    kept = len(list(tmp_path.glob("shards/part-*.parquet")))
    assert process.returncode == 1
    again = shlex.join(["mien", "predict", *asked])
    assert output == ("", f"mien: stopped: {kept} of 8 parts are done and kept in shards; go on with: {again}\n")
    assert 0 < kept < 8
    done = subprocess.run(
        command, cwd=tmp_path, env=cli_env(), capture_output=True, text=True, check=False, timeout=280
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    lines = done.stderr.splitlines()
    assert lines[0].startswith("going on after the ")
    assert lines[-1] == "wrote 24,000 rows in 8 parts into shards"
    assert "ray" not in done.stderr.lower()


SERVE = """
import json, sys
import ray
from ray import serve
from mien.serve.scale import application

ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=STORE)
serve.start(http_options={"port": PORT, "host": "127.0.0.1"}, logging_config={"log_level": "ERROR"})
serve.run(application({"models": "text-carer", "replicas": "2", "cpus": "0.5", "max_inputs": "3"}), route_prefix="/")
actors = ray._private.state.actors().values()
print("replicas", json.dumps([one["Pid"] for one in actors if "ServeReplica" in one["ActorClassName"]]), flush=True)
sys.stdin.read()
serve.shutdown()
ray.shutdown()
"""


class Client(threading.Thread):
    """A client that asks one question after the other, and once more where it gets 500, as docs/scale.md has it."""

    def __init__(self, port: int, number: int) -> None:
        super().__init__()
        self.port, self.number, self.stop = port, number, False
        self.answered, self.again, self.lost = 0, 0, list[str]()

    def ask(self, *texts: str) -> tuple[int, Any]:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/v1/text",
            json.dumps({"inputs": texts}).encode(),
            {"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error) if error.code < 500 else None

    def run(self) -> None:
        while not self.stop:
            text = f"i am so happy {self.number} {self.answered}"
            try:
                status, answer = self.ask(text)
                if status == 500:
                    self.again += 1
                    status, answer = self.ask(text)
                (row,) = answer["results"]
                assert (status, row["input"], row["label"]) == (200, text, "joy")
                self.answered += 1
            except Exception as error:
                self.lost.append(f"{text}: {error!r}")


def test_of_two_replicas_one_dies_under_load_and_no_answer_is_lost(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    program = SERVE.replace("PORT", str(port)).replace("STORE", str(STORE))
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=tmp_path, env=cli_env(), text=True, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    ) as driver:  # fmt: skip
        assert driver.stdin
        assert driver.stdout
        replicas = next(json.loads(line[9:]) for line in driver.stdout if line.startswith("replicas "))
        assert len(replicas) == 2
        clients = [Client(port, number) for number in range(8)]
        status, problem = clients[0].ask(*["too many"] * 4)
        assert (status, "up to 3 are taken" in problem["detail"]) == (413, True)
        for client in clients:
            client.start()
        time.sleep(3)
        before = sum(client.answered for client in clients)
        os.kill(replicas[0], signal.SIGKILL)
        time.sleep(8)
        for client in clients:
            client.stop = True
        for client in clients:
            client.join()
        driver.stdin.close()
        assert driver.wait(60) == 0
    assert [lost for client in clients for lost in client.lost] == []
    assert sum(client.again for client in clients) <= len(clients), "at most what the replica had at hand"
    assert sum(client.answered for client in clients) > before + 8
