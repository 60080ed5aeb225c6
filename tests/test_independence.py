"""Answers that do not depend on what is beside them: in any batch and order, on any threads, served, resumed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest

import mien
from conftest import RunCli, cli_env, multi_rows, one_line, write_csv
from drawn import LOOKS, face
from face_model import drawn_face
from filmed import write_clip
from mien.distributed import Job, make_shard
from mien.model import NETWORK, verify, write_model
from mien.output.rows import RowFormat
from mien.output.shards import Plan, open_shards
from serving import serving

CLOSE = 1e-4
LONG = "and then we walked on through the rain, past the station, the bakery and the old bridge, and talked " * 2
RNG = np.random.default_rng(0)


def texts(count: int) -> list[str]:
    """Sentences of mien's own sample, cut and joined to all lengths, one of them longer than a window."""
    own = mien.open_dataset("sample:text").inputs
    made = []
    for number in range(count):
        words = " ".join(RNG.choice(own, 3)).split()
        made.append(" ".join(words[: 1 + number % 41]))
    return [*made[:-2], LONG * 9, "ok"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small transformer in 8 bits."""
    folder = tmp_path_factory.mktemp("trained")
    settings = [
        "network.weights=''", "network.hidden=64", "network.inner=128", "tokenizer.kind=bpe", "tokenizer.size=300",
        "train.epochs=1", "export.quantize=int8", "train.precision=32-true", "export.quantize_tolerance=1",
    ]  # fmt: skip
    data = write_csv(folder / "data.csv", multi_rows())
    return mien.train("text-minilm", f"table:{data}", folder / "run", settings=settings, report=False).model


@pytest.fixture(scope="module")
def older(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder as earlier versions wrote it, with the ranges of 8 bits measured over all of a batch."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    from mien.networks import open_network
    from mien.training.export import Answers, export_network

    folder = tmp_path_factory.mktemp("older")
    manifest = verify(trained)
    module, settings = open_network(
        "transformer", {"weights": "", "layers": 2, "hidden": 64, "heads": 4, "inner": 128, "positions": 512}
    )
    network: Any = module.Network(settings, labels=len(manifest.space), vocabulary=300, pad_id=0)
    for parameter in network.parameters():
        if parameter.ndim > 1:
            parameter.data.mul_(8)  # as large as after training
    export_network(Answers(network.eval(), True), np.ones((2, 2), np.int64), folder / "floats.onnx")
    quantize_dynamic(folder / "floats.onnx", folder / NETWORK, per_channel=True, weight_type=QuantType.QInt8,
                     extra_options={"DefaultTensorType": 1})  # fmt: skip
    assert b"DynamicQuantizeLinear" in (folder / NETWORK).read_bytes()
    files: dict[str, Path | bytes] = {NETWORK: folder / NETWORK, "tokenizer.json": trained / "tokenizer.json"}
    return write_model(folder / "model", manifest, files, "# older")


@pytest.fixture
def model(request: pytest.FixtureRequest) -> str | Path:
    name: str = request.param
    return request.getfixturevalue(name) if name in ("trained", "older") else name  # type: ignore[no-any-return]


def numbers(result: mien.Result) -> list[list[float]]:
    """Of each item its scores, ratings and box."""
    return [[*one.scores.values(), *one.ratings.values(), *(one.box or ())] for one in result.items]


def scores_of(result: mien.Result) -> list[float]:
    """Of the first item."""
    return list(result.items[0].scores.values())


def same(found: list[mien.Result], wanted: list[mien.Result]) -> None:
    for one, other in zip(found, wanted, strict=True):
        assert [item.labels for item in one.items] == [item.labels for item in other.items], one.input
        np.testing.assert_allclose(numbers(one), numbers(other), atol=CLOSE, rtol=0)


TEXT = pytest.mark.parametrize("model", ["text", "text-carer", "trained", "older"], indirect=True)


@TEXT
def test_a_text_has_the_same_answer_beside_any_others(model: str | Path) -> None:
    one, two = (mien.load(model, threads=threads) for threads in (1, 2))
    few = texts(60)
    alone = [one.predict(text) for text in few]
    assert len({result.label for result in alone}) > 2
    assert np.ptp([numbers(result)[0] for result in alone], axis=0).max() > 0.1, "answers differ from text to text"
    for reads, batch_size in ((one, 1), (two, 7), (one, 64), (two, 64)):
        same(list(reads.predict_many(few, batch_size=batch_size)), alone)
    order = RNG.permutation(len(few))
    same(list(two.predict_many([few[place] for place in order])), [alone[place] for place in order])
    same(list(one.predict_many([part for text in few[::3] for part in (LONG, text)]))[1::2], alone[::3])
    crowd = [*few, *texts(1000 - len(few))]
    same(list(two.predict_many(crowd, batch_size=1000))[: len(few)], alone)
    scores = [scores_of(result) for result in alone]
    np.testing.assert_allclose(two.predict_proba(few), scores, atol=CLOSE, rtol=0)


def test_an_older_model_is_written_anew_with_fixed_ranges(older: Path, tmp_path: Path, run_cli: RunCli) -> None:
    rows = [(text, label, "val" if place % 5 == 0 else "train") for place, (text, label) in enumerate(multi_rows())]
    lines = ["text,label,split", *(f"{text.replace(',', '')},{label},{split}" for text, label, split in rows)]
    (tmp_path / "data.csv").write_text("\n".join(lines) + "\n")
    done = run_cli("export", older, "--ranges", "table:data.csv?space=goemotions28", "--to", "new", "--name", "new")
    assert (done.returncode, done.stdout) == (0, "new\n"), done.stderr
    new, old = mien.load(tmp_path / "new"), mien.load(older)
    assert b"Dynamic" not in (tmp_path / "new" / NETWORK).read_bytes()
    assert (new.name, new.manifest.metrics) == ("new", {})
    assert set(new.manifest.thresholds) == set(new.space.names)
    some = [text for text, _, _ in rows[::4]]
    assert np.abs(new.predict_proba(some) - old.predict_proba(some)).mean() < 0.04, "it is the same network"
    same(list(new.predict_many(some)), [new.predict(text) for text in some])
    faces = run_cli("export", "face", "--ranges", "data.csv", "--to", "never")
    assert "only models of text" in one_line(faces)
    wrong = run_cli("export", "text-carer", "--ranges", "table:data.csv?space=goemotions28", "--to", "never")
    assert "other labels than text-carer" in one_line(wrong)
    assert not (tmp_path / "never").exists()


def scenery(seed: int) -> np.ndarray:
    """Coarse patches of color, uint8 RGB."""
    rng = np.random.default_rng(seed)
    patches = rng.integers(0, 256, (5, 7, 3)).astype(np.uint8)
    return np.asarray(cv2.resize(patches, tuple(int(side) for side in rng.integers(90, 400, 2))))


def people(seed: int) -> np.ndarray:
    """Drawn people side by side, each of another size."""
    rng = np.random.default_rng(seed)
    picture = np.full((220, 220 * (1 + seed % 3), 3), (120, 140, 160), np.uint8)
    for place in range(1 + seed % 3):
        size = int(rng.integers(110, 210))
        picture[5 : 5 + size, 220 * place : 220 * place + size] = drawn_face(size)
    return picture


@pytest.mark.parametrize("kind", ["crops", "mirrored crops", "photographs", "scenes"])
def test_a_picture_has_the_same_answer_beside_any_others(kind: str) -> None:
    name, options = ("scene", {}) if kind == "scenes" else ("face", {"crops": True} if "crops" in kind else {})
    one: Any = mien.load(name, threads=1)
    two: Any = mien.load(name, threads=2)
    if kind == "mirrored crops":
        one.mirror = two.mirror = True
    few = {
        "scenes": [scenery(seed) for seed in range(8)],
        "photographs": [people(seed) for seed in range(6)],
    }.get(kind, [face(list(LOOKS)[seed % 4], seed) for seed in range(24)])
    alone = [one.predict(picture, **options) for picture in few]
    assert all(result.items for result in alone)
    for reads, batch_size in ((one, 7), (two, 1), (two, 1000)):
        same(list(reads.predict_many(few, batch_size=batch_size, **options)), alone)
    order = RNG.permutation(len(few))
    same(list(two.predict_many([few[place] for place in order], **options)), [alone[place] for place in order])


def test_a_clip_has_the_same_answer_on_one_thread_and_on_two(tmp_path: Path) -> None:
    frames = [np.roll(people(1), 4 * step, axis=1) for step in range(16)]
    clip = write_clip(tmp_path / "clip.mp4", frames, fps=8)
    one, two = (mien.load("video", threads=threads).predict(clip) for threads in (1, 2))
    again = list(mien.load("video", threads=2).predict_many([clip, clip]))[1]
    assert len(one.timeline) > 4
    for other in (two, again):
        same([other], [one])
        for found, wanted in zip(other.timeline, one.timeline, strict=True):
            np.testing.assert_allclose(
                list(found.prediction.scores.values()), list(wanted.prediction.scores.values()), atol=CLOSE, rtol=0
            )


def test_a_text_has_the_same_answer_beside_other_clients() -> None:
    asked = {name: mien.load(name, threads=1) for name in ("text", "text-carer")}
    mine = "not bad at all, i would order it again"
    wanted = {name: scores_of(model.predict(mine)) for name, model in asked.items()}
    others = texts(60)
    with serving("--model", "text", "--model", "text-carer") as server:

        def ask(name: str, number: int) -> list[float]:
            beside = [others[(number * 7 + step) % 60] for step in range(number % 5)]
            answer = server.post("/v1/text", {"inputs": [*beside, mine], "model": name})
            assert answer.status == 200, answer.body
            return list(answer.json()["results"][-1]["items"][0]["scores"].values())

        for name, alone in wanted.items():
            with ThreadPoolExecutor(16) as pool:
                for scores in pool.map(partial(ask, name), range(48)):
                    np.testing.assert_allclose(scores, alone, atol=CLOSE, rtol=0)


def test_a_text_has_the_same_answer_after_a_resume(tmp_path: Path) -> None:
    some = texts(300)[:-2]
    write_csv(tmp_path / "in.csv", [(text, str(number)) for number, text in enumerate(some)])
    args = ["predict", "in.csv", "--model", "text", "--batch-size", "2", "--out", "out.jsonl"]
    command = [sys.executable, "-m", "mien.cli", *args]
    run = partial(subprocess.Popen, command, cwd=tmp_path, env=cli_env(), stderr=subprocess.PIPE, text=True)
    part, end = tmp_path / "out.jsonl.part", time.monotonic() + 60
    process = run()
    while sum(path.read_bytes().count(b"\n") for path in part.glob("part-*.jsonl")) < 40:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    process = run()
    told = process.communicate(timeout=60)[1]
    assert process.returncode == 0, told
    assert "going on after" in told
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text("utf-8").splitlines()]
    one = mien.load("text", threads=1)
    for number in range(0, len(some), 17):
        alone = one.predict(some[number])
        assert (rows[number]["input"], rows[number]["label"]) == (some[number], alone.label)
        np.testing.assert_allclose(
            list(rows[number]["items"][0]["scores"].values()), scores_of(alone), atol=CLOSE, rtol=0
        )


@pytest.mark.parametrize("model", ["text", "text-carer", "trained"], indirect=True)
def test_a_text_has_the_same_answer_in_parts_of_any_size(model: str | Path, tmp_path: Path) -> None:
    """What Ray's workers run, in this process; tests/test_parts.py runs Ray itself where it is installed."""
    from mien.model import find_model

    few = texts(24)
    one = mien.load(model, threads=1)
    names = one.space.names
    alone = [scores_of(one.predict(text)) for text in few]
    columns = {"text": "string", "label": "string", "error": "string", **{f"score_{name}": "double" for name in names}}
    job = Job(find_model(model), None, RowFormat("text", scores=True), lambda: iter([]), {"batch_size": 64}, 2)
    for size in (7, 24):
        (tmp_path / str(size)).mkdir()
        parts = open_shards(tmp_path / str(size), {}, lambda size=size: Plan(size, len(few), columns))
        found = []
        for number, start in enumerate(range(0, len(few), size)):
            pairs = [(text, {}) for text in few[start : start + size]]
            make_shard(job, parts, {"shard": [number], "inputs": [json.dumps(pairs).encode()]})
        for path in sorted((tmp_path / str(size)).glob("*.parquet")):
            found += pq.read_table(path).to_pylist()
        scores = [[row[f"score_{name}"] for name in names] for row in found]
        np.testing.assert_allclose(scores, alone, atol=CLOSE, rtol=0)
