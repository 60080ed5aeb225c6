"""Training on clips from start to end by the command line, and how frames become clips."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import drawn_clips
import mien
from conftest import cli_env, one_line
from filmed import write_clip
from mien.datasets import Dataset, open_dataset
from mien.errors import DataError, RecipeError
from mien.labels import SPACES
from mien.model import verify
from mien.training.log import log_to
from mien.training.recipe import load_recipe
from mien.training.sampler import open_sampler

#: VGG16 with an eighth of its filters, from nothing, on small crops: seconds instead of hours.
SMALL = [
    "network.weights=", "network.width=0.125", "network.dense=[]", "network.dropout=0.1", "preprocess.face.size=48",
    "train.batch_size=8", "train.epochs=14", "train.head_epochs=1", "train.top_blocks=5", "train.block_rate=1",
    "train.learning_rate=0.001", "train.head_rate=1", "train.label_smoothing=0", "train.patience=14",
    "train.precision=32-true", "train.accelerator=cpu", "augment.cutout=0", "experts.chooser_epochs=4",
]  # fmt: skip
ORIGINAL = "ravdess/01-01-01-01-01-01-01.mp4"


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = drawn_clips.ravdess(tmp_path_factory.mktemp("ravdess"))
    empty = folder / "Actor_01" / "01-01-03-02-01-01-01.mp4"
    write_clip(empty, [np.full((160, 160, 3), 90, np.uint8)] * 3, fps=5)
    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


# ---------------------------------------------------------------------------------------------- frames and clips


def test_all_frames_of_a_clip_and_of_an_actor_are_in_one_split(clips, cache, monkeypatch):
    monkeypatch.setenv("MIEN_CACHE", str(cache))
    data, told = open_dataset(f"ravdess:{clips}"), []
    recipe = load_recipe("video-vgg16", SMALL)
    parts = [data.part(split) for split in ("train", "val", "test")]
    with log_to(told.append):
        frames = open_sampler(recipe).expand(parts)
    places = [set(part.inputs.places.tolist()) for part in frames]
    assert sum(map(len, places)) == len(places[0] | places[1] | places[2])
    for part, whole in zip(frames, parts, strict=True):
        assert len(part) > 2 * len(whole)
        assert part.inputs[0].shape == (48, 48, 3)
        np.testing.assert_array_equal(part.targets, whole.targets[part.columns["clip"]])
    assert "1 of 65 clips are left out: " in told[-1]
    assert "01-01-03-02-01-01-01.mp4: no face was found" in told[-1]
    empty = data.take(np.array(["03-02-01-01-01" in str(path) for path in data.inputs]))
    with pytest.raises(DataError, match="no face was found in any of 1 clips"):
        open_sampler(recipe).expand([empty])


def test_frames_are_pooled_as_prediction_does():
    """Two clips of two and three frames; by sum the second is sad, by vote angry."""
    recipe = load_recipe("video-vgg16", [*SMALL, "preprocess.smooth=0"])
    space = SPACES["fer7"]
    rows = np.full((5, 7), 0.02)
    rows[[0, 1], space.index("happy")] = 0.88
    rows[[2, 3], space.index("angry")], rows[[2, 3], space.index("sad")] = 0.5, 0.4
    rows[4, space.index("sad")] = 0.9
    rows /= rows.sum(1, keepdims=True)
    happy, sad, angry = map(space.index, ("happy", "sad", "angry"))
    frames = Dataset(
        "f", "video", space, [0] * 5, np.array([happy] * 2 + [sad] * 3), np.array(["val"] * 5, object),
        columns={"clip": np.array([0, 0, 3, 3, 3]), "time": np.arange(5.0), "person": np.ones(5, int)},
    )  # fmt: skip
    logits, whole = open_sampler(recipe).pool(np.log(rows), frames)
    assert whole.targets.tolist() == [happy, sad]
    assert logits.argmax(1).tolist() == [happy, sad]
    np.testing.assert_allclose(np.exp(logits), [rows[:2].mean(0), rows[2:].mean(0)], rtol=1e-5)
    by_vote = open_sampler(load_recipe("video-vgg16", [*SMALL, "aggregate=vote", "smooth=0"])).pool(
        np.log(rows), frames
    )
    assert by_vote[0].argmax(1).tolist() == [happy, angry]


def test_what_clips_cannot_have_is_refused(clips, cache, monkeypatch):
    monkeypatch.setenv("MIEN_CACHE", str(cache))
    with pytest.raises(RecipeError, match="learned is what the network temporal does"):
        open_sampler(load_recipe("video-vgg16", [*SMALL, "aggregate=learned"]))
    data = open_dataset(f"ravdess:{clips}")
    both = data.space.as_multilabel(True)
    several = Dataset("s", "video", both, ["a.mp4"], np.ones((1, 8), np.float32), np.array([""]))
    with pytest.raises(RecipeError, match="one label at a time"):
        open_sampler(load_recipe("video-vgg16", SMALL)).expand([several])


# --------------------------------------------------------------------------------------------- the command line


@pytest.fixture(scope="module")
def trained(clips, cache, tmp_path_factory):
    """The run folder, and what was said on the way."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    settings = [part for setting in SMALL for part in ("--set", setting)]
    asked = ["train", "video-vgg16", "--data", f"ravdess:{clips}", "--out", str(folder), *settings]
    done = subprocess.run(
        [sys.executable, "-m", "mien.cli", *asked],
        capture_output=True, text=True, env=cli_env() | {"MIEN_CACHE": str(cache)}, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{folder}\n"
    return folder, done.stderr


@pytest.mark.slow
def test_two_experts_and_a_chooser_are_trained_in_stages(trained):
    folder, said = trained
    manifest = verify(folder / "model")
    assert manifest.experts.networks == {"female": "model.onnx", "male": "expert-male.onnx"}
    assert manifest.experts.figures["accuracy"] >= 0.9
    assert manifest.preprocess["face"]["size"] == 48
    assert {"chooser.onnx", "expert-male.onnx", "model.onnx"} <= set(manifest.files)
    notes = manifest.training["experts"]
    assert [len(notes[group]["history"]) for group in ("female", "male")] == [14, 14]
    for group in ("female", "male"):
        assert f"{group}: epoch 14/14" in said
    assert "1 of 49 clips are left out" in said
    assert "the learned chooser picks the right gender for" in said
    assert (folder / "report" / "report.html").exists()


@pytest.mark.slow
def test_it_reads_actors_that_it_never_saw(trained, clips, run_cli):
    folder, _ = trained
    report = run_cli("evaluate", folder, "--data", f"ravdess:{clips}", "--by", "gender", "--json")
    assert report.returncode == 0, report.stderr
    document = json.loads(report.stdout)
    assert document["split"] == "test"
    assert document["n"] == 16  # clips of two actors, not frames
    assert document["accuracy"] >= 0.6  # four looks: 0.25 by chance, and 0.125 of the eight labels
    assert [group["group"] for group in document["by"]["groups"]] == ["female", "male"]
    known = run_cli("evaluate", folder, "--data", f"ravdess:{clips}", "--known-groups", "--json")
    told = json.loads(known.stdout)
    assert told["known_groups"] == "gender"
    assert told["accuracy"] >= 0.6
    without = run_cli("evaluate", "video", "--data", f"ravdess:{clips}", "--known-groups")
    assert "has no experts" in one_line(without)


@pytest.mark.slow
def test_it_goes_through_the_original_clip(trained):
    data = os.environ.get("MIEN_DATA", "")
    if not data or not (Path(data) / ORIGINAL).exists():
        pytest.skip("MIEN_DATA does not name a folder with RAVDESS's first clip")
    result = mien.load(trained[0]).predict(str(Path(data) / ORIGINAL))
    assert result.label in SPACES["ravdess8"].names
    assert len(result.people) == 1
    assert len(result.timeline) >= 15
    assert abs(sum(result.items[0].scores.values()) - 1) < 1e-5
