"""An error that nobody foresaw is that of the one input that brings it about, whichever way the inputs came."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import mien
from conftest import RunCli, cli_env, write_csv
from face_model import FER, drawn_face, face_model, video_model
from filmed import write_clip
from mien.errors import InputError, ModelError
from poison import WORD, poisoned
from rows_data import write_table
from scene_model import scene_model
from serving import Server, serving

WHY = "cannot be read: internal error (ZeroDivisionError)"


def _film(path: Path, seed: int = 0) -> Path:
    frames = [np.full((48, 64, 3), 90 + 20 * seed + number, np.uint8) for number in range(8)]
    return write_clip(path, frames, fps=5)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two good inputs of each kind, and a poisoned one between them; and models."""
    root = tmp_path_factory.mktemp("poison")
    face_model(root / "face")
    scene_model(root / "scene")
    video_model(root / "video")
    (root / "site").mkdir()
    for kind in ("pictures", "clips"):
        (root / kind).mkdir()
    for number, name in enumerate(("a", "b", "c")):
        cv2.imwrite(str(root / "pictures" / f"{name}.png"), drawn_face(100 + number))
        _film(root / "clips" / f"{name}.mp4", number)
    for path in (root / "pictures" / "b.png", root / "clips" / "b.mp4"):
        path.write_bytes(path.read_bytes() + WORD.encode())
    (root / "lines.txt").write_text(f"i am glad\n{WORD}\ni am so sad\n")
    return root


@pytest.fixture(scope="module")
def hurt(place: Path) -> dict[str, str]:
    return poisoned(place / "site")


def _inputs(place: Path, kind: str, tiny_model: Path) -> tuple[list[str], list[object]]:
    """The arguments of ``mien predict`` before its options, and these."""
    if kind == "text":
        return ["lines.txt"], ["--model", tiny_model]
    return ["clips" if kind in ("video", "scene-clips") else "pictures"], [
        "--model", place / kind.partition("-")[0], *(["--as", "scene"] if kind == "scene-clips" else []),
    ]  # fmt: skip


def _good(place: Path, kind: str, tiny_model: Path) -> list[dict[str, Any]]:
    """The results of the same inputs where nothing fails."""
    inputs, options = _inputs(place, kind, tiny_model)
    model = mien.load(options[1])  # type: ignore[arg-type]
    if kind == "text":
        return [result.to_dict() for result in model.predict_many((place / inputs[0]).read_text().splitlines())]
    files = sorted(place.joinpath(inputs[0]).iterdir())
    return [result.to_dict() for result in model.predict_many([f"{inputs[0]}/{file.name}" for file in files])]


_KINDS = ["text", "face", "scene", "video", "scene-clips"]


def _check(rows: list[dict[str, Any]], good: list[dict[str, Any]], why: str = WHY) -> None:
    """Three rows, of which the middle one alone says that it could not be read; the others are as ever."""
    assert len(rows) == 3
    assert rows[1]["error"].endswith(why), rows[1]["error"]
    assert "\n" not in rows[1]["error"]
    assert len(rows[1]["error"]) <= 200
    assert [rows[0], rows[2]] == [good[0], good[2]]
    assert all(row["error"] is None for row in (rows[0], rows[2]))


@pytest.mark.parametrize("kind", _KINDS)
def test_on_the_command_line(
    place: Path, hurt: dict[str, str], tiny_model: Path, run_cli: RunCli, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    inputs, options = _inputs(place, kind, tiny_model)
    good = _good(place, kind, tiny_model)
    done = run_cli("predict", *inputs, *options, "--json", cwd=place, env=hurt)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert WHY in done.stderr.splitlines()[-1]
    _check(json.loads(done.stdout)["results"], good)
    if kind not in ("text", "video"):
        return
    out = place / f"{kind}.jsonl"
    run_cli("predict", *inputs, *options, "--out", out, cwd=place, env=hurt)
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    _check([row | {"columns": None} for row in rows], [row | {"columns": None} for row in good])


@pytest.mark.parametrize("kind", ["text", "scene", "video"])
def test_memory_that_one_input_needs(
    place: Path, hurt: dict[str, str], tiny_model: Path, run_cli: RunCli, kind: str
) -> None:
    inputs, options = _inputs(place, kind, tiny_model)
    done = run_cli("predict", *inputs, *options, "--json", cwd=place, env=hurt | {"MIEN_TEST_ERROR": "MemoryError"})
    errors = [row["error"] for row in json.loads(done.stdout)["results"]]
    assert (errors[0], errors[2]) == (None, None)
    assert errors[1].endswith("needs more memory than there is")


_IN_PYTHON = """
import json, logging, sys
import mien
from mien.distributed import Job, make_shard
kind, folder, items = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
model = mien.load(folder)
results = [result.to_dict() for result in model.predict_many(iter(items), 1 if len(sys.argv) > 4 else 64)]
try:
    alone = model.predict(items[1]).label
except mien.MienError as error:
    alone = str(error)
heard = []
class Handler(logging.Handler):
    def emit(self, record):
        heard.append(logging.Formatter().format(record))
logging.getLogger("mien").addHandler(Handler())
logging.getLogger("mien").setLevel(logging.DEBUG)
list(model.predict_many(items[1:2]))
from pathlib import Path
import pyarrow.parquet
from mien.modality import get_modality
from mien.output.rows import RowFormat
from mien.output.shards import Plan, open_shards
rows = RowFormat("clip" if "clip" in kind or kind == "video" else get_modality(model.manifest.modality).kind)
Path("shards").mkdir()
shards = open_shards(Path("shards"), {}, lambda: Plan(3, 3, {"error": "string"}))
batch = {"shard": [0], "inputs": [json.dumps([[item, {}] for item in items]).encode()]}
make_shard(Job(model.folder, None, rows, None, {}), shards, batch)
of_worker = pyarrow.parquet.read_table(shards.path(0))["error"].to_pylist()
print(json.dumps([results, alone, heard, of_worker]))
"""


@pytest.mark.parametrize("kind", _KINDS)
def test_in_python_and_in_a_worker_of_ray(
    place: Path, hurt: dict[str, str], tiny_model: Path, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    inputs, options = _inputs(place, kind, tiny_model)
    items = sorted(map(str, (place / inputs[0]).iterdir())) if kind != "text" else ["i am glad", WORD, "i am so sad"]
    good = [row | {"input": item} for row, item in zip(_good(place, kind, tiny_model), items, strict=True)]
    done = subprocess.run(
        [sys.executable, "-c", _IN_PYTHON, kind, str(options[1]), json.dumps(items)], capture_output=True, text=True,
        cwd=tmp_path, env=cli_env() | hurt, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    results, alone, heard, of_worker = json.loads(done.stdout)
    _check(results, good)
    assert alone == results[1]["error"] == of_worker[1]
    assert (of_worker[0], of_worker[2]) == (None, None)
    assert "in _fail" in heard[0], "the traceback is there for who wants it"


def test_rows_of_numbers(hurt: dict[str, str], tmp_path: Path, run_cli: RunCli) -> None:
    table = write_table(tmp_path / "mine.csv")
    settings = ["network.kernel=[rbf]", "network.shape=[none]", "network.c=[1]", "network.gamma=[1]", "search.folds=2"]
    mien.train(
        "features-svm", f"features:{table}?label=mood&group=person", tmp_path / "run", report=False,
        settings=[*settings, "search.repeats=1"],
    )  # fmt: skip
    head, *lines = table.read_text().splitlines()[:4]
    parts = lines[1].split(",")
    numbers = [place for place, part in enumerate(parts) if "." in part]
    parts[numbers[0]] = "666"
    (tmp_path / "three.csv").write_text("\n".join([head, lines[0], ",".join(parts), lines[2]]) + "\n")
    command = ["predict", "three.csv", "--model", tmp_path / "run", "--json"]
    good = json.loads(run_cli(*command).stdout)["results"]
    done = run_cli(*command, env=hurt)
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    _check(json.loads(done.stdout)["results"], good)


@pytest.mark.parametrize("kind", ["face", "video"])
def test_a_data_set_is_measured_without_it(place: Path, hurt: dict[str, str], run_cli: RunCli, kind: str) -> None:
    data = place / f"labelled-{kind}"
    name, end = ("pictures", "png") if kind == "face" else ("clips", "mp4")
    for label in (FER[0], FER[6]):
        (data / label).mkdir(parents=True)
    for number, letter in enumerate("abc"):
        os.link(place / name / f"{letter}.{end}", data / (FER[0], FER[6], FER[6])[number] / f"{letter}.{end}")
    (data / FER[0] / f"torn.{end}").write_bytes((place / name / f"a.{end}").read_bytes()[:300])
    spec = f"{'images' if kind == 'face' else 'clips'}:{data}"
    done = run_cli("evaluate", place / kind, "--data", spec, "--split", "all", "--json", env=hurt)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["n"] == 2
    unread = {Path(entry["where"]).name: entry["what"] for entry in document["unread"]}
    assert unread[f"b.{end}"].endswith(WHY)
    assert kind == "face" or set(unread) == {"b.mp4", "torn.mp4"}


def test_a_table_of_texts_is_measured_without_it(
    hurt: dict[str, str], tiny_model: Path, tmp_path: Path, run_cli: RunCli
) -> None:
    table = write_csv(tmp_path / "t.csv", [("i am glad", "joy"), (WORD, "joy"), ("i am sad", "sadness")])
    done = run_cli("evaluate", tiny_model, "--data", f"table:{table}", "--split", "all", "--json", env=hurt)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["n"] == 2
    assert [entry["what"] for entry in document["unread"]] == [f"the text {WHY}"]


@pytest.fixture(scope="module")
def server(place: Path, tiny_model: Path, hurt: dict[str, str]) -> Iterator[Server]:
    models = (tiny_model, place / "face", place / "video", place / "scene")
    options = [part for model in models for part in ("--model", model)]
    with serving(*options, env={"PYTHONPATH": hurt["PYTHONPATH"], "MIEN_TEST_ERROR": "ZeroDivisionError"}) as running:
        yield running


@pytest.mark.parametrize("kind", ["face", "scene", "video"])
def test_in_one_request_to_the_server(server: Server, place: Path, kind: str) -> None:
    folder = place / ("clips" if kind == "video" else "pictures")
    files = [(path.name, path.read_bytes()) for path in sorted(folder.iterdir())]
    answer = server.upload(f"/v1/{kind}", files)
    assert answer.status == 200, answer.body
    rows = answer.json()["results"]
    assert [row["error"] is None for row in rows] == [True, False, True]
    assert rows[1]["error"].endswith(WHY)
    assert b"/tmp" not in answer.body
    alone = server.upload(f"/v1/{kind}", files[1:2])
    assert WHY in alone.problem(422)
    assert server.get("/healthz").status == 200


def test_a_text_in_one_request_to_the_server(server: Server) -> None:
    rows = server.post("/v1/text", {"inputs": ["i am glad", WORD, "i am so sad"]}).json()["results"]
    assert [row["error"] for row in rows] == [None, f"the text {WHY}", None]
    assert WHY in server.post("/v1/text", {"inputs": [WORD]}).problem(422)


def test_an_error_of_the_caller_is_the_callers(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes wrong where the inputs come from, or with the model, is no input's error."""

    def inputs() -> Iterator[str]:
        yield "i am glad"
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        list(mien.load(tiny_model).predict_many(inputs()))
    with pytest.raises(KeyboardInterrupt):
        list(mien.load(tiny_model).predict_many(_interrupted()))
    with pytest.raises(InputError):
        mien.load(tiny_model).predict("")
    monkeypatch.setattr("mien.modality.predictor.parallel_map", lambda *_: inputs_of_none())
    with pytest.raises(RuntimeError, match="no thread"):  # before an input was taken: not again and again
        list(mien.load(tiny_model).predict_many(["i am glad"]))


def inputs_of_none() -> Iterator[str]:
    raise RuntimeError("no thread can be started")
    yield ""


def test_numbers_that_mean_nothing(tiny_model: Path) -> None:
    model = mien.load(tiny_model)
    for read in (model.predict_many, model.outputs):
        with pytest.raises(InputError, match="batch_size must be above 0, not 0"):
            list(read(["i am glad"], batch_size=0))
        with pytest.raises(InputError, match="several inputs are needed, and this is a single str"):
            list(read("i am glad"))
    with pytest.raises(InputError, match="batch_size must be above 0"):
        mien.load("video").read("a.mp4", batch_size=0)  # type: ignore[attr-defined]
    with pytest.raises(ModelError, match="threads must be above 0, not -1"):
        mien.load(tiny_model, threads=-1)


def _interrupted() -> Iterator[str]:
    yield "i am glad"
    raise KeyboardInterrupt


def test_a_network_that_fails_on_one_of_a_batch(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = mien.load(place / "face")
    classify = model.classify  # type: ignore[attr-defined]

    def fails(crops: np.ndarray) -> np.ndarray:
        if (crops.reshape(len(crops), -1).max(1) == 0).any():
            raise RuntimeError("of the network")
        return np.asarray(classify(crops))

    monkeypatch.setattr(model, "classify", fails)
    pictures = [np.full((20, 20, 3), shade, np.uint8) for shade in (200, 0, 100, 0, 50)]
    results = list(model.predict_many(pictures, crops=True))  # type: ignore[call-arg]
    assert [result.error is None for result in results] == [True, False, True, False, True]
    assert results[1].error == "the picture cannot be read: internal error (RuntimeError)"
