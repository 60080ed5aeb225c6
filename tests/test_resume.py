"""A run that was stopped, torn, damaged or shut out ends with the bytes of one that was left alone, or says why not."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result as Done
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

import warm
from conftest import RunCli, change_manifest, cli_env, one_line, single_rows, write_csv
from mien.cli.app import app
from mien.errors import MienError
from mien.output.shards import RECORD

ROWS = 70  # in chunks of 16, the last of which is not full


def predict(*args: object, stdin: str | None = None) -> Done:
    return CliRunner().invoke(app, ["predict", *map(str, args)], input=stdin)


def refusal(done: Done) -> str:
    assert isinstance(done.exception, MienError), done.output
    assert "\n" not in str(done.exception)
    return str(done.exception)


@pytest.fixture(scope="module")
def place(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table; what comes of it, uninterrupted; and the rows of a run that could not write its file at the end."""
    folder = tmp_path_factory.mktemp("resume")
    write_csv(folder / "in.csv", [(f"{text} {n}", str(n)) for n, (text, _) in enumerate(single_rows()[:ROWS])])
    assert predict(*asked(folder, tiny_model)).exit_code == 0
    (folder / "out.csv").rename(folder / "expected.csv")
    (folder / "out.csv.tmp").mkdir()
    assert "cannot write" in refusal(predict(*asked(folder, tiny_model)))
    (folder / "out.csv.tmp").rmdir()
    (folder / "out.csv.part").rename(folder / "rows")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def asked(folder: Path, model: Path) -> list[object]:
    return [folder / "in.csv", "--model", model, "--out", folder / "out.csv", "--batch-size", 1]


def test_an_error_before_anything_is_done_leaves_nothing_behind(place: Path, tiny_model: Path, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("text,label\nso glad,a,b\n")
    assert "in.csv" in refusal(predict(*asked(tmp_path, tiny_model)))
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


def test_ctrl_c_before_anything_is_done_leaves_nothing_behind(
    place: Path, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    shutil.copy(place / "in.csv", tmp_path)
    monkeypatch.setattr("mien.output.writer.ShardWriter.write", stop)
    assert "stopped: nothing was done by then" in refusal(predict(*asked(tmp_path, tiny_model)))
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


def test_ctrl_c_while_the_file_is_made_keeps_its_rows(place: Path, tiny_model: Path, monkeypatch) -> None:
    def stop(_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("mien.output.writer.ShardWriter.close", stop)
        assert f"stopped: the {ROWS} rows done are kept in " in refusal(predict(*asked(place, tiny_model)))
    assert predict(*asked(place, tiny_model)).exit_code == 0
    assert (place / "out.csv").read_bytes() == (place / "expected.csv").read_bytes()
    (place / "out.csv").unlink()


damage = st.one_of(
    st.tuples(st.just("torn"), st.integers(0, 2**20), st.just(0)),
    st.tuples(st.just("flipped"), st.integers(0, 2**20), st.integers(1, 255)),
    st.tuples(st.just("blank"), st.integers(0, 2**20), st.integers(1, 5000)),
    st.tuples(st.just("lost"), st.integers(0, 2**20), st.integers(1, 5000)),
    st.tuples(st.just("more"), st.integers(0, 2**20), st.integers(1, 300)),
    st.tuples(st.just("gone"), st.just(0), st.just(0)),
)


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(damage, st.integers(0, 2**10))
def test_whatever_happens_to_the_shards_the_end_is_the_same(
    place: Path, tiny_model: Path, how: tuple[str, int, int], which: int
) -> None:
    what, at, extent = how
    part, out = place / "out.csv.part", place / "out.csv"
    shutil.copytree(place / "rows", part)
    files = sorted(part.iterdir())
    file = files[which % len(files)]
    rows = file.read_bytes()
    at %= len(rows)
    torn = {
        "torn": rows[:at],
        "flipped": rows[:at] + bytes([rows[at] ^ (extent & 255)]) + rows[at + 1 :],
        "blank": (rows[:at] + b"\0" * extent)[: len(rows)] + rows[at + extent :],  # pages that never got there
        "lost": rows[:at] + rows[at + extent :],
        "more": rows + rows[at : at + extent],
        "gone": b"",
    }[what]
    file.unlink() if what == "gone" else file.write_bytes(torn)
    done = predict(*asked(place, tiny_model))
    if done.exit_code:  # the record of what the rows are of is not to be trusted any more
        assert file.name == RECORD, how
        assert "delete" in refusal(done)
        assert not out.exists()
        assert len(list(part.iterdir())) >= len(files) - 1, "nothing is thrown away"
        shutil.rmtree(part)
        assert predict(*asked(place, tiny_model)).exit_code == 0
    assert out.read_bytes() == (place / "expected.csv").read_bytes(), how
    assert not part.exists()
    out.unlink()


def test_a_damaged_shard_is_told_and_it_alone_is_made_again(place: Path, tiny_model: Path) -> None:
    part = Path(shutil.copytree(place / "rows", place / "out.csv.part"))
    rows = bytearray((part / "part-00002.jsonl").read_bytes())
    rows[len(rows) // 2] ^= 1
    (part / "part-00002.jsonl").write_bytes(rows)
    done = predict(*asked(place, tiny_model))
    assert done.exit_code == 0
    assert "part-00002.jsonl is not as it was written: it is made again" in done.output
    assert f"going on after the {ROWS - 16} rows" in done.output
    assert (place / "out.csv").read_bytes() == (place / "expected.csv").read_bytes()
    (place / "out.csv").unlink()


def test_rows_that_an_earlier_version_kept_are_refused(place: Path, tiny_model: Path) -> None:
    (place / "out.csv.part").write_text("{}\n")
    assert "is of another version of mien: delete" in refusal(predict(*asked(place, tiny_model)))
    (place / "out.csv.part").unlink()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (["--labels", "ekman7"], "--labels"),
        (["--scores"], "--scores"),
        (["--column", "label"], "--column"),
        (["--labels", "ekman7", "--scores"], "--labels, --scores"),
        ("input", "inputs"),
        ("threshold", "model"),
        ("names", "model"),
    ],
)
def test_rows_of_another_call_are_neither_mixed_nor_thrown_away(
    place: Path, tiny_model: Path, tmp_path: Path, change: list[str] | str, named: str
) -> None:
    model = Path(shutil.copytree(tiny_model, tmp_path / "model"))
    shutil.copy2(place / "in.csv", tmp_path / "in.csv")
    (tmp_path / "out.csv.tmp").mkdir()
    refusal(predict(*asked(tmp_path, model)))
    (tmp_path / "out.csv.tmp").rmdir()
    before = contents(tmp_path / "out.csv.part")
    if change == "input":  # another text of the same length, at the same time
        stat = (tmp_path / "in.csv").stat()
        (tmp_path / "in.csv").write_bytes((tmp_path / "in.csv").read_bytes().replace(b"lonely", b"joyful"))
        os.utime(tmp_path / "in.csv", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    elif change == "threshold":
        change_manifest(model, summary="another")
    elif change == "names":
        entry = json.loads((model / "manifest.json").read_text("utf-8"))["labels"]
        change_manifest(model, labels=entry | {"space": "own", "names": [name.upper() for name in entry["names"]]})
    told = refusal(predict(*asked(tmp_path, model), *(change if isinstance(change, list) else ())))
    assert f"out.csv.part holds {ROWS} rows of another call (not the same: {named}): delete" in told
    assert "or name another file" in told
    assert contents(tmp_path / "out.csv.part") == before
    assert not (tmp_path / "out.csv").exists()


def test_another_batch_size_is_no_other_call(place: Path, tiny_model: Path) -> None:
    shutil.copytree(place / "rows", place / "out.csv.part")
    done = predict(*asked(place, tiny_model)[:-1], 64)
    assert f"going on after the {ROWS} rows" in done.output
    (place / "out.csv").unlink()


def test_rows_of_standard_input_are_begun_anew_and_that_is_told(tiny_model: Path, tmp_path: Path) -> None:
    args = "-", "--model", tiny_model, "--out", tmp_path / "out.jsonl"
    (tmp_path / "out.jsonl.tmp").mkdir()
    refusal(predict(*args, stdin="glad\n"))
    (tmp_path / "out.jsonl.tmp").rmdir()
    done = predict(*args, stdin="furious\n")
    assert "the 1 rows in" in done.output
    assert "are of another standard input: begun anew" in done.output
    (row,) = map(json.loads, (tmp_path / "out.jsonl").read_text("utf-8").splitlines())
    assert row["label"] == "anger"


# -------------------------------------------------------------------------------------------- processes that die


LONG = 6_000


def start(folder: Path, *args: object, first: str = "pass") -> subprocess.Popen[str]:
    code = f"{first}; from mien.cli.app import main; main()"
    line = [sys.executable, "-c", code, "predict", *map(str, args)]
    return warm.Popen(line, cwd=folder, env=cli_env(), text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


@pytest.fixture(scope="module")
def long(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A long table, and what comes of it."""
    folder = tmp_path_factory.mktemp("long")
    texts = single_rows()
    write_csv(folder / "in.csv", [(f"{texts[i % len(texts)][0]} {i}", str(i)) for i in range(LONG)])
    assert predict(folder / "in.csv", "--model", tiny_model, "--out", folder / "expected.jsonl").exit_code == 0
    return folder


def test_kill_at_any_moment_and_the_end_is_the_same(tiny_model: Path, long: Path) -> None:
    moments = random.Random(7)
    args = long / "in.csv", "--model", tiny_model, "--out", "killed.jsonl"
    part = long / "killed.jsonl.part"
    for _ in range(2):
        process = start(long, *args)
        before = len(list(part.glob("part-*.jsonl")))
        while process.poll() is None and len(list(part.glob("part-*.jsonl"))) <= before:
            time.sleep(0.005)
        time.sleep(moments.random() * 0.2)
        process.kill()
        process.communicate()
    assert predict(*args[:-1], long / "killed.jsonl").exit_code == 0
    assert (long / "killed.jsonl").read_bytes() == (long / "expected.jsonl").read_bytes()


@pytest.mark.parametrize("size", [100, 700_000, 2_000_000])
def test_a_full_disk_leaves_what_was_done_and_no_file(tiny_model: Path, long: Path, size: int) -> None:
    (long / "full.jsonl").unlink(missing_ok=True)
    args = long / "in.csv", "--model", tiny_model, "--out", long / "full.jsonl"
    full = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, resource.RLIM_INFINITY))"
    process = start(long, *args, first=full)
    _, told = process.communicate(timeout=300)
    assert process.returncode == 1
    assert "cannot write" in told.splitlines()[-1]
    assert "Traceback" not in told
    assert not (long / "full.jsonl").exists()
    done = predict(*args)
    assert done.exit_code == 0, done.output
    assert ("going on after the" in done.output) is (size > 100)
    assert (long / "full.jsonl").read_bytes() == (long / "expected.jsonl").read_bytes()


# ------------------------------------------------------------------------------------- two at the same time


@contextlib.contextmanager
def held(path: Path) -> Iterator[None]:
    """The lock of a file or folder, as another process would have it."""
    file = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)


def test_of_two_processes_with_one_file_the_second_is_told(tiny_model: Path, long: Path, run_cli: RunCli) -> None:
    args = long / "in.csv", "--model", tiny_model, "--out", "both.jsonl"
    process = start(long, *args)
    part = long / "both.jsonl.part"
    while not (part / RECORD).exists():  # it has the lock before it writes
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(signal.SIGSTOP)  # so that it is not done before
    try:
        told = one_line(run_cli("predict", *args, cwd=long))
    finally:
        process.send_signal(signal.SIGCONT)
    assert told == "mien: another process is writing both.jsonl: wait for it, or name another file"
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert (long / "both.jsonl").read_bytes() == (long / "expected.jsonl").read_bytes()
    assert not (long / "both.jsonl.part").exists()


def test_of_two_trainings_in_one_folder_the_second_is_told(run_cli: RunCli, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    write_csv(tmp_path / "in.csv", single_rows())
    args = "train", "text-linear", "--data", "table:in.csv", "--out", "run"
    with held(tmp_path / "run"):
        told = one_line(run_cli(*args))
    assert told == "mien: another process is training in run: wait for it, or name another folder (--out)"
    assert not list((tmp_path / "run").iterdir())


@pytest.mark.parametrize("name", ["seen.png", "one.jsonl"])
def test_a_file_that_another_process_is_writing_is_left_to_it(tmp_path: Path, name: str) -> None:
    from mien.files import atomic_write

    scratch = tmp_path / f"{name}.tmp"
    scratch.write_bytes(b"half")
    told = pytest.raises(MienError, match=f"another process is writing .*{name}")
    with held(scratch), told, atomic_write(tmp_path / name):
        raise AssertionError("got in")
    assert scratch.read_bytes() == b"half"
    with atomic_write(tmp_path / name) as made:  # the lock is gone with its process, what it left is no obstacle
        made.write_bytes(b"whole")
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_bytes() == b"whole"
