"""Hostile and unlucky tables: bounded memory and time, and a file that changes while it is read is refused."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow
import pyarrow.parquet
import pytest

from conftest import RunCli, one_line
from mien.datasets.tables import open_table
from mien.errors import DataError

MEMORY = 600  # MB that a process may take at its peak
READ = """
import re, resource, sys
from mien.datasets.tables import open_table
from mien.errors import DataError
from mien.output.rows import plain_cell
resource.setrlimit(resource.RLIMIT_AS, (4 * 2**30, 4 * 2**30))
try:
    rows = 0
    for chunk in open_table(sys.argv[1]).chunks():
        rows += len(next(iter(chunk.values())))
        for cells in chunk.values():
            list(map(plain_cell, cells))
    print(rows)
except DataError as error:
    print("refused:", error)
print(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
"""


def read(path: Path) -> tuple[str, int]:
    """What comes of reading a table in a process of its own, and its peak in MB."""
    done = subprocess.run(
        [sys.executable, "-c", READ, str(path)], check=False, capture_output=True, text=True, timeout=60,
        env={**os.environ, "ARROW_DEFAULT_MEMORY_POOL": "system", "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said, peak = done.stdout.splitlines()
    return said, int(peak) // 1024


def parquet(table: pyarrow.Table, **how: Any) -> bytes:
    pyarrow.parquet.write_table(table, buffer := io.BytesIO(), **how)
    return buffer.getvalue()


def repeated(cell: Any, rows: int) -> pyarrow.Table:
    return pyarrow.table(
        {"text": pyarrow.DictionaryArray.from_arrays([0] * rows, pyarrow.array([cell])).cast("string")}
    )


def long_lists(rows: int) -> pyarrow.Table:
    words = pyarrow.DictionaryArray.from_arrays([0] * rows * 100, ["x" * 20_000])
    return pyarrow.table({"text": pyarrow.ListArray.from_arrays(list(range(0, rows * 100 + 1, 100)), words)})


def many_keys() -> str:
    return "".join(json.dumps({f"{n} {k}": 0 for k in range(900)}) + "\n" for n in range(99))


ZEROS: dict[str, Any] = {"use_dictionary": False, "compression": "zstd"}
BOMBS: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "a dictionary of a text": ("t.parquet", lambda: parquet(repeated("x" * 400_000, 800)), "decodes to more than"),
    "a very long text": ("t.parquet", lambda: parquet(repeated("x" * 6_000_000, 2)), "row 1 has more than 4,194,304"),
    "lists of one long text": ("t.parquet", lambda: parquet(long_lists(500)), "decodes to more than"),
    "zeros in Parquet": ("t.parquet", lambda: parquet(repeated("\0" * 9_000_000, 16), **ZEROS), "unpacks to"),
    "a packed Parquet": ("t.parquet.gz", lambda: gzip.compress(parquet(repeated("x" * 400_000, 800))), "decodes to"),
    "an endless line": ("t.csv", lambda: b"text,label\n" + b"x" * 30_000_000, "t.csv:2 is longer than 4,194,304 bytes"),
    "an endless row": ("t.csv", lambda: b'text,label\n"' + b"x\n" * 15_000_000, "t.csv:2 has more than 4,194,304 char"),
    "long lines": ("t.txt", lambda: (b"\xf0\x9f\x98\x80" + b"x" * 4_000_000 + b"\n") * 6, "6"),
    "an open list": ("t.jsonl", lambda: b'{"text":[' + b"[]," * 40_000_000, "t.jsonl:1 is longer than"),
    "lists of nothing": ("t.jsonl", lambda: b'{"text":[' + b"[]," * 1_300_000 + b"[]]}\n", "more than 250,000 values"),
    "deep lists": ("t.jsonl", lambda: b'{"text":' + b"[" * 600 + b"]" * 600 + b"}\n", "is nested more than 100 deep"),
    "deeper lists": ("t.jsonl", lambda: b'{"text":' + b"[" * 100_000, "t.jsonl:1 is nested too deep"),
    "packed zeros": ("t.txt.gz", lambda: gzip.compress(bytes(30_000_000), 1), "t.txt.gz:1 is longer than"),
    "a packed pickle": ("t.pkl.gz", lambda: gzip.compress(bytes(300_000_000), 1), "more than|not a readable"),
    "many columns": ("t.csv", lambda: ",".join(map(str, range(60_000))).encode() + b"\n", "more than 50,000 columns"),
    "many keys": ("t.jsonl", lambda: many_keys().encode(), "more than 50,000 columns"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BOMBS)
def test_memory_is_bounded_whatever_a_file_unfolds_to(tmp_path: Path, kind: str) -> None:
    name, content, message = BOMBS[kind]
    (tmp_path / name).write_bytes(content())
    said, peak = read(tmp_path / name)
    assert any(part in said for part in message.split("|")), said
    assert peak < MEMORY
    assert len(said) < 400


def test_a_command_reads_them_as_well(run_cli: RunCli, tiny_model: Path, tmp_path: Path) -> None:
    (tmp_path / "t.parquet").write_bytes(parquet(repeated("x" * 400_000, 800)))
    line = one_line(run_cli("predict", "t.parquet", "--model", tiny_model, "--out", "o.jsonl"))
    assert "t.parquet decodes to more than" in line
    (tmp_path / "t.csv").write_bytes(b"text,label\n" + b"x" * 5_000_000 + b",joy\n")
    for command in (("evaluate", tiny_model, "--data", "table:t.csv"), ("data", "stats", "t.csv")):
        assert "t.csv:2 is longer than 4,194,304 bytes" in one_line(run_cli(*command))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.tsv", 'text\tb\n' + 'a"\t"b\n' * 40_000),
        ("t.csv", ",".join(f"c{n}" for n in range(40_000)) + "\n" + ",".join("1" * 40_000) + "\n"),
        ("t.txt", "\x92" * 10 + "\n" + "a\x92" * 1_000_000),
        ("t.csv", "text,label\n" + '"a\n' * 200_000),
    ],
)  # fmt: skip
def test_time_is_linear(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_bytes(content.encode("latin-1"))
    start = time.process_time()
    with contextlib.suppress(DataError):
        assert sum(len(next(iter(chunk.values()))) for chunk in open_table(tmp_path / name).chunks())
    assert time.process_time() - start < 5  # each took below 0.5 s, and minutes where time is quadratic


@pytest.mark.parametrize("kind", ["shrinks", "grows", "is written again", "goes", "changes"])
@pytest.mark.parametrize("name", ["t.csv", "t.txt", "t.jsonl", "t.csv.gz", "t.parquet"])
def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path: Path, name: str, kind: str) -> None:
    path = tmp_path / name
    frame = pd.DataFrame({"text": [f"row {n} {n * n}" for n in range(20_000)]})
    if name.endswith(".parquet"):
        frame.to_parquet(path)
    elif name.endswith(".jsonl"):
        frame.to_json(path, orient="records", lines=True)
    else:
        frame.to_csv(path, index=False)
    whole = path.read_bytes()

    def change() -> None:
        if kind == "goes":
            path.unlink()
        elif kind == "is written again":
            (tmp_path / "new").write_bytes(whole)
            (tmp_path / "new").replace(path)
        elif kind == "changes":
            path.write_bytes(whole)
            os.utime(path, ns=(1, 1))
        else:
            path.write_bytes(whole[: len(whole) // 2] if kind == "shrinks" else whole + whole[-20:])

    table = open_table(path)
    chunks = table.chunks(1000)
    next(chunks)
    change()
    with pytest.raises(DataError, match="was changed while it was read"):
        list(chunks)
    path.write_bytes(whole)
    table = open_table(path)
    assert sum(len(chunk["text"]) for chunk in table.chunks()) >= 20_000
    change()
    with pytest.raises(DataError, match="was changed while it was read"):
        list(table.chunks())


@pytest.mark.parametrize("damage", range(24))
def test_damaged_parquet_and_pickles_are_one_line(tmp_path: Path, damage: int) -> None:
    frame = pd.DataFrame({"text": ["so glad", "so sad"] * 50, "n": range(100)})
    for name, write in (("t.parquet", frame.to_parquet), ("t.pkl", frame.to_pickle)):
        write(tmp_path / name)
        raw = bytearray((tmp_path / name).read_bytes())
        raw[damage * len(raw) // 24 : damage * len(raw) // 24 + 3] = bytes([damage, 255, 128])
        (tmp_path / name).write_bytes(raw)
        lines = []
        try:
            list(open_table(tmp_path / name).chunks())
        except DataError as error:
            lines = str(error).splitlines()
        assert len(lines) < 2
        assert sum(map(len, lines)) < 400 + len(str(tmp_path))


@pytest.mark.parametrize(
    "cell",
    [
        pd.DataFrame({"a": [1]}),
        pd.Series([1, 2]),
        pd.Timestamp("2020-01-01"),
        pd.Interval(0, 1),
        {"a": {"b": [1]}},
        {1, 2},
    ],
)
def test_pandas_objects_in_cells_of_pickles(run_cli: RunCli, tiny_model: Path, tmp_path: Path, cell: Any) -> None:
    frame = pd.DataFrame({"text": ["so glad", "so sad"], "more": pd.Series([cell, None], dtype=object)})
    frame.to_pickle(tmp_path / "t.pkl")
    done = run_cli("predict", "t.pkl", "--model", tiny_model, "--out", "o.jsonl")
    assert done.returncode == 0 or "t.pkl " in one_line(done)


def test_laughter_in_pickles(tmp_path: Path) -> None:
    """Lists and dicts that hold the same one twice, thirty deep."""
    for wrap in (lambda inner: [inner, inner], lambda inner: {"a": inner, "b": inner}):
        cell: Any = "ha"
        for _ in range(30):
            cell = wrap(cell)
        frame = pd.DataFrame({"text": pd.Series([cell], dtype=object)})
        (tmp_path / "t.pkl").write_bytes(pickle.dumps(frame))
        said, peak = read(tmp_path / "t.pkl")
        assert said.startswith("refused: ")
        assert peak < MEMORY


def test_a_key_that_comes_late_is_reported(run_cli: RunCli, tiny_model: Path, tmp_path: Path) -> None:
    lines = [json.dumps({"text": "so glad", "id": n} | ({"user": "a"} if n > 1200 else {})) for n in range(1300)]
    (tmp_path / "t.jsonl").write_text("\n".join(lines))
    done = run_cli("predict", "t.jsonl", "--model", tiny_model, "--out", "o.csv")
    assert done.returncode == 0
    told = "warning: t.jsonl:1202 has the key 'user', which the first 1,000 lines lack: such keys are left out"
    assert done.stderr.splitlines().count(told) == 1
