"""The other verbs, wrong usage, and what happens to a long table when it is stopped."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import mien
import warm
from conftest import WORDS, RunCli, cli_env, one_line, single_rows, write_csv
from mien.model import verify


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["predict", "glad", "--json", "--out", "o.csv"], "take one of them"),
        (["predict"], "Missing argument"),
        (["predict", "glad", "--as", "smell"], "smell"),
        (["predict", "glad", "--batch-size", "0"], "--batch-size"),
        (["predict", "glad", "--loud"], "No such option"),
        (["foretell"], "No such command 'foretell'"),
        (["evaluate", "text"], "Missing option"),
        (["models", "show"], "name the model"),
        (["models", "eat"], "there are: list, show, verify"),
        (["export", "run"], "Missing option"),
    ],
)
def test_wrong_usage_is_exit_2(run_cli: RunCli, args: list[str], message: str) -> None:
    done = run_cli(*args)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("args", "message", "code"),
    [
        (["glad", "--sheet", "2"], "--sheet is for tables in files, and there is none", 1),
        (["-", "--column", "comment"], "--column is for tables in files, and there is none", 1),
        (["chat.txt", "--no-header"], "--no-header is for tables in files, and there is none", 1),
        (["chat.txt", "--column", "text"], "--column is for tables, and chat.txt is a file of lines", 1),
        (["glad", "--dates", "dmy"], "--dates is for chats", 2),
        (["glad", "--scores"], "--scores is for --out FILE", 2),
    ],
)
def test_options_for_other_inputs_are_not_passed_over(
    run_cli: RunCli, tiny_model: Path, tmp_path: Path, args: list[str], message: str, code: int
) -> None:
    (tmp_path / "chat.txt").write_text("".join(f"12/03/2024, 21:0{i} - Ana: so glad\n" for i in range(5)), "utf-8")
    done = run_cli("predict", *args, "--model", tiny_model)
    assert (done.returncode, done.stdout) == (code, "")
    assert message in done.stderr


def test_version(run_cli: RunCli) -> None:
    assert run_cli("--version").stdout == f"mien {mien.__version__}\n"


# ------------------------------------------------------------------------------------- long tables, stopped

LONG = 20_000


def long_table(path: Path, rows: int) -> Path:
    texts = single_rows()
    return write_csv(path, [(f"{texts[i % len(texts)][0]} {i}", str(i)) for i in range(rows)])


def command(first: str, *args: object) -> list[str]:
    """A command line that runs *first* before mien."""
    return [sys.executable, "-c", f"{first}; from mien.cli.app import main; main()", *map(str, args)]


def start(folder: Path, *args: object) -> subprocess.Popen[str]:
    # A test run in the background ignores Ctrl-C, and so would its children.
    heed = command("import signal; signal.signal(signal.SIGINT, signal.default_int_handler)", "predict", *args)
    return warm.Popen(heed, cwd=folder, env=cli_env(), text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def rows_in(part: Path) -> int:
    """Rows of the shards in it."""
    return sum(path.read_bytes().count(b"\n") for path in part.glob("part-*.jsonl"))


def stop(process: subprocess.Popen[str], part: Path, how: signal.Signals, rows: int) -> str:
    """Stop it once *part* has that many rows; gives what it left on standard error."""
    deadline = time.monotonic() + 300
    while rows_in(part) < rows:
        assert process.poll() is None, f"done too early: {process.communicate()}"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(how)
    out, err = process.communicate(timeout=300)
    assert out == ""
    return err


def test_a_stopped_table_is_gone_on_with_to_the_same_end(tiny_model: Path, tmp_path: Path) -> None:
    long_table(tmp_path / "in.csv", LONG)
    args = ("in.csv", "--model", tiny_model, "--out", "out.jsonl")
    part, out = tmp_path / "out.jsonl.part", tmp_path / "out.jsonl"

    process = start(tmp_path, *args)
    told = stop(process, part, signal.SIGINT, 2048).strip()
    assert process.returncode == 1
    assert len(told.splitlines()) == 1
    kept = rows_in(part)
    assert f"the {kept:,} rows done are kept in out.jsonl.part; go on with: mien predict in.csv --model " in told
    assert not out.exists()

    process = start(tmp_path, *args)
    told = stop(process, part, signal.SIGKILL, kept + 1024)
    assert process.returncode == -signal.SIGKILL
    assert f"going on after the {kept:,} rows" in told
    kept = rows_in(part)
    (part / "part-00099.jsonl.tmp").write_text(
        '{"input": "i feel so gl'
    )  # as a kill in the middle of writing leaves it
    assert 1024 < kept < LONG

    process = start(tmp_path, *args)
    _, told = process.communicate(timeout=300)
    assert process.returncode == 0, told
    assert f"going on after the {kept:,} rows" in told
    assert {path.name for path in tmp_path.iterdir()} == {"in.csv", "out.jsonl"}

    lines = out.read_text("utf-8").splitlines()
    texts = [f"{single_rows()[i % 144][0]} {i}" for i in range(LONG)]
    results = mien.load(tiny_model).predict_many(texts)  # never stopped
    for i, (line, result) in enumerate(zip(lines, results, strict=True)):
        row = json.loads(line)
        assert (row["input"], row["columns"]["label"]) == (texts[i], str(i))
        assert (row["label"], row["score"]) == (result.label, pytest.approx(result.score, abs=2e-6))


PEAK = """import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"""


def test_memory_does_not_grow_with_the_table(tiny_model: Path, tmp_path: Path) -> None:
    peaks = []
    for rows in (6_000, 60_000):
        long_table(tmp_path / f"{rows}.csv", rows)
        measured = command("pass", "predict", f"{rows}.csv", "--model", tiny_model, "--out", f"{rows}.out.csv")
        done = subprocess.run(
            [sys.executable, "-c", PEAK, *measured],
            cwd=tmp_path, env=cli_env(), capture_output=True, text=True, check=True,
        )  # fmt: skip
        peaks.append(int(done.stdout) / (1024 if sys.platform == "linux" else 1024**2))
    assert peaks[1] - peaks[0] < 40, f"{peaks} MB"


def test_a_full_disk_is_one_line(tiny_model: Path, tmp_path: Path) -> None:
    long_table(tmp_path / "in.csv", 3000)
    small = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))"
    full = command(small, "predict", "in.csv", "--model", tiny_model, "--out", "out.csv")
    done = subprocess.run(full, cwd=tmp_path, env=cli_env(), capture_output=True, text=True, check=False)
    assert "cannot write out.csv: File too large" in one_line(done)
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_standard_output_is_one_line(tiny_model: Path, tmp_path: Path) -> None:
    args = command("pass", "predict", "glad", "--model", tiny_model, "--json")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            args, cwd=tmp_path, env=cli_env(), stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert "No space left on device" in one_line(done)


# ------------------------------------------------------------------------------------------ the other verbs


def split_table(path: Path, extra: list[str] | None = None) -> Path:
    """16 rows of every label to train on, 4 each to validate and test; nothing wrong but *extra* lines."""
    lines = ["text,label,split,who"]
    for number, (text, label) in enumerate(single_rows()):
        part = ("train", "train", "train", "train", "val", "test")[number % 6]
        lines.append(f'"{text} {number}",{label},{part},{"me" if number % 2 else "you"}')
    path.write_text("\n".join([*lines, *(extra or [])]) + "\n", "utf-8")
    return path


def test_data_stats_and_check_of_a_clean_set(run_cli: RunCli, tmp_path: Path) -> None:
    split_table(tmp_path / "clean.csv")
    figures = json.loads(run_cli("data", "stats", "table:clean.csv", "--json").stdout)
    assert (figures["n"], figures["labels"]) == (144, list(WORDS))
    assert {name: part["n"] for name, part in figures["splits"].items()} == {
        "all": 144,
        "train": 96,
        "val": 24,
        "test": 24,
    }
    assert figures["splits"]["test"]["counts"] == dict.fromkeys(WORDS, 4)
    told = run_cli("data", "stats", "clean.csv")
    assert told.returncode == 0
    assert all(part in told.stdout for part in ("144", "sadness", "carer6", "😢"))
    check = run_cli("data", "check", "table:clean.csv")
    assert (check.returncode, check.stdout, check.stderr) == (0, "nothing wrong found\n", "")


def test_data_check_names_what_is_wrong(run_cli: RunCli, tmp_path: Path) -> None:
    first = f'"{single_rows()[0][0]} 0"'
    wrong = [f"{first},sadness,train,me", f"{first},joy,test,me", ",joy,train,me", "bytes \ufffd,joy,train,me"]
    split_table(tmp_path / "wrong.csv", wrong)
    done = run_cli("data", "check", "table:wrong.csv", "--json")
    document = json.loads(done.stdout)
    assert document["counts"] == {"empty": 1, "unreadable": 1, "duplicate": 1, "leak": 1, "contradiction": 1}
    assert {problem["where"] for problem in document["problems"] if problem["kind"] == "empty"} == {"wrong.csv:148"}
    line = one_line(done)
    assert all(f"1 {kind}" in line for kind in document["counts"])
    assert "no data set 'nothing'" in one_line(run_cli("data", "stats", "nothing:here"))


def test_models(run_cli: RunCli, tiny_model: Path, tmp_path: Path) -> None:
    listed = run_cli("models", "list", "--json")
    assert listed.returncode == 0
    assert isinstance(json.loads(listed.stdout)["models"], list)
    shown = run_cli("models", "show", tiny_model, "--json")
    assert json.loads(shown.stdout) == json.loads((tiny_model / "manifest.json").read_text("utf-8"))
    assert "tiny" in run_cli("models", "show", tiny_model).stdout
    digest = json.loads(shown.stdout)["digest"]
    verified = f"tiny: 4 files are as they were written\n  {digest}\n"
    assert run_cli("models", "verify", tiny_model).stdout == verified
    assert run_cli("models", "verify", tiny_model, "--digest", digest).stdout == verified
    copy = Path(shutil.copytree(tiny_model, tmp_path / "copy"))
    (copy / "tokenizer.json").unlink()
    damaged = run_cli("models", "verify", "copy", "--json")
    assert "tokenizer.json is missing" in one_line(damaged)
    assert damaged.stdout == ""


def test_export_and_evaluate_by_hand(run_cli: RunCli, tiny_run: Path, tmp_path: Path) -> None:
    done = run_cli("export", tiny_run, "--to", "mine", "--name", "mine", "--no-weights")
    assert (done.returncode, done.stdout) == (0, "mine\n")
    assert set(verify(tmp_path / "mine").files) == {"README.md", "model.onnx", "tokenizer.json"}
    texts = [(f"{words.split()[0]} and {words.split()[1]}", label) for label, words in WORDS.items()]
    write_csv(tmp_path / "hand.csv", [*texts, ("so lonely", "joy"), ("gloomy", "sadness")])  # the seventh is wrong
    done = run_cli(
        "evaluate", "mine", "--data", "table:hand.csv", "--split", "all", "--by", "text", "--json", "--out", "report"
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert (document["model"], document["data"], document["split"], document["n"]) == ("mine", "hand", "all", 8)
    assert document["accuracy"] == pytest.approx(7 / 8)
    assert document["per_label"]["sadness"]["f1"] == pytest.approx(0.8)  # 2 right, 1 of joy taken for it
    assert document["per_label"]["joy"]["f1"] == pytest.approx(2 / 3)
    assert document["macro_f1"] == pytest.approx((0.8 + 2 / 3 + 4) / 6)
    assert len(document["by"]["groups"]) == 8
    assert json.loads((tmp_path / "report" / "report.json").read_text("utf-8"))["accuracy"] == document["accuracy"]
    told = run_cli("evaluate", "mine", "--data", "table:hand.csv", "--split", "all")
    assert "0.8750" in told.stdout
    for args, message in (
        (["--data", "table:hand.csv", "--split", "test2"], "no 'test2' split"),
        (["--data", "table:none.csv"], "none.csv"),
        (["--data", "table:hand.csv", "--by", "age"], "no column 'age'"),
    ):
        assert message in one_line(run_cli("evaluate", "mine", *args, "--json"))
    (tmp_path / "photos").mkdir()
    assert "is no model folder" in one_line(run_cli("export", tiny_run, "--to", "photos"))


def test_evaluate_several_labels(run_cli: RunCli, tiny_multi: Path, tmp_path: Path) -> None:
    write_csv(tmp_path / "t.csv", [("so joy and fear", "joy|fear"), ("grief", "grief"), ("anger", "anger")])
    done = run_cli("evaluate", tiny_multi, "--data", "table:t.csv?space=goemotions28", "--split", "all", "--json")
    document = json.loads(done.stdout, parse_constant=pytest.fail)
    assert {"n", "map", "macro_f1", "per_label", "model", "data", "split"} <= set(document)
    assert (document["n"], document["multilabel"], len(document["per_label"])) == (3, True, 28)


def test_bench(run_cli: RunCli, tiny_model: Path) -> None:
    document = json.loads(run_cli("bench", tiny_model, "--texts", 64, "--json", env={"MIEN_THREADS": "1"}).stdout)
    assert (document["model"], document["threads"], document["texts"]) == ("tiny", 1, 64)
    assert 0 < document["latency_ms"]["p50"] <= document["latency_ms"]["p95"]
    assert document["texts_per_s"] > 0
    wrong = run_cli("bench", tiny_model, env={"MIEN_THREADS": "many"})
    assert "MIEN_THREADS must be a positive number, got 'many'" in one_line(wrong)
