"""mien on a Ray cluster of three nodes, of which one is killed half way, and what drives it too.

The nodes are processes of this machine. Run by ``make ray-test``, in an environment of its own.
"""

from __future__ import annotations

import csv
import os
import random
import subprocess
import sys
import time
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
    random.seed(7)
    with (tmp_path / "t.csv").open("w", newline="", encoding="utf-8") as file:
        write = csv.writer(file).writerow
        write(["id", "text"])
        for number in range(TEXTS):
            write([number, " ".join(random.choices(WORDS, k=number % 12))])
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
