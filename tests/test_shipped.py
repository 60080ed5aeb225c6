"""The models that come with mien: whole, small, and as good as their cards say."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import mien
from mien.model import CARD, NETWORK, shipped, verify

LIMITS = {"text": 25e6, "text-carer": 6e6, "face": 10e6, "video": 10e6}  # bytes
MAIN = {"text": "goemotions/test", "text-carer": "carer/test", "face": "fer2013/test", "video": "fer2013/test"}
SHIPPED = sorted(shipped())


def data(spec: str) -> str:
    """The spec below MIEN_DATA, or a skip that says why."""
    root = os.environ.get("MIEN_DATA")
    if not root:
        pytest.skip("MIEN_DATA is not set: no data to check the shipped figures on")
    reader, _, folder = spec.partition(":")
    return f"{reader}:{Path(root) / folder}"


def test_the_promised_models_are_there() -> None:
    assert set(SHIPPED) >= set(LIMITS)


@pytest.mark.parametrize("name", SHIPPED)
def test_whole_small_and_with_a_card(name: str) -> None:
    folder = shipped()[name]
    manifest = verify(folder)
    assert manifest.name == name
    assert sum(path.stat().st_size for path in folder.iterdir()) <= LIMITS[name]
    assert not [path for path in folder.iterdir() if path.suffix in (".pkl", ".pickle", ".pt", ".ckpt", ".joblib")]
    card = (folder / CARD).read_text("utf-8")
    assert all(emotion.name in card for emotion in manifest.space)
    figures = manifest.metrics or manifest.training["face"]["metrics"]
    assert f"{figures[MAIN[name]]['macro_f1']:.4f}" in card
    assert manifest.training["history"]
    assert NETWORK in manifest.files


def test_clips_are_read_by_the_shipped_face_model() -> None:
    """After training `face` anew: mien export face --as video --to src/mien/models/video."""
    face, video = (verify(shipped()[name]) for name in ("face", "video"))
    assert video.files[NETWORK] == face.files[NETWORK]
    assert video.preprocess["face"] == face.preprocess
    assert (video.labels, video.heads) == (face.labels, face.heads)
    assert video.training["face"]["metrics"] == face.metrics


def test_everyday_sentences_with_the_default_model() -> None:
    model = mien.load("text")
    said = {
        "i feel so loved today": "joy",
        "I am not happy at all with how this was handled.": {"anger", "sadness"},
        "The train to Leeds leaves from platform four.": "neutral",
        "WE WON!!! I CANT BELIEVE IT 🎉🎉": {"joy", "surprise"},
        "the milk was off and i nearly threw up 🤢": "disgust",
        "I'm terrified of what the scan will show.": "fear",
        "my grandmother died last night and i cant stop crying": "sadness",
        "He lied to my face again and I am furious.": "anger",
    }
    for text, expected in said.items():
        label = model.predict(text).rollup("ekman7").label
        assert label in ({expected} if isinstance(expected, str) else expected), (text, label)


def test_the_default_model_on_our_own_sentences() -> None:
    report = mien.evaluate("text", "sample:text")
    assert report.accuracy >= 0.7
    assert report.macro_f1 >= 0.7


@pytest.mark.parametrize(
    ("model", "spec", "labels", "figure", "least"),
    [
        ("text-carer", "carer:emotion", None, "accuracy", 0.933),
        ("text-carer", "carer:emotion", None, "macro_f1", 0.89),
        ("text", "goemotions:goemotions", None, "macro_f1", 0.50),
        ("text", "goemotions:goemotions", "ekman7", "macro_f1", 0.64),
        ("face", "fer2013:fer2013", None, "accuracy", 0.712),
        ("face", "fer2013:fer2013", "ferplus8", "accuracy", 0.84),
    ],
)
def test_figures_on_the_test_splits(model: str, spec: str, labels: str | None, figure: str, least: float) -> None:
    report = mien.evaluate(model, data(spec), split="test", labels=labels)
    assert getattr(report, figure) >= least


def test_the_card_says_what_evaluation_says() -> None:
    report = mien.evaluate("text-carer", data("carer:emotion"), split="test")
    told = mien.load("text-carer").manifest.metrics["carer/test"]
    assert report.accuracy == pytest.approx(told["accuracy"], abs=5e-4)
    assert report.macro_f1 == pytest.approx(told["macro_f1"], abs=5e-4)


@pytest.mark.parametrize(
    ("photograph", "label"),
    [("max_happy-baby.jpeg", "happy"), ("max_angry.jpg", "angry"), ("max_neutral.jpeg", "neutral"),
     ("skimage_astronaut.png", "happy")],
)  # fmt: skip
def test_photographs(photograph: str, label: str) -> None:
    root = os.environ.get("MIEN_DATA")
    if not root:
        pytest.skip("MIEN_DATA is not set: no photographs to read")
    assert mien.load("face").predict(Path(root, "photos", photograph)).label == label


def test_the_face_model_reads_as_well_as_it_did_in_training() -> None:
    manifest = mien.load("face").manifest
    (kept,) = [row for row in manifest.training["history"] if row.get("kept")]
    assert manifest.metrics["fer2013/val"]["accuracy"] == pytest.approx(kept["val_accuracy"], abs=0.005)
    report = mien.evaluate("face", data("fer2013:fer2013"), split="val")
    assert report.accuracy == pytest.approx(manifest.metrics["fer2013/val"]["accuracy"], abs=5e-4)


def test_clips() -> None:
    root = os.environ.get("MIEN_DATA")
    if not root:
        pytest.skip("MIEN_DATA is not set: no clips to read")
    woman = mien.predict(Path(root, "clips", "WolfgangLanger_Pexels.mp4"))  # sad at first, a smile in the end
    assert len(woman.people) == 1
    assert woman.clip is not None
    assert len(woman.timeline) == woman.clip.frames
    assert (woman.segments[0].label, woman.segments[-1].label) == ("sad", "happy")
    street = mien.predict(Path(root, "clips", "no_face.mp4"))
    assert (street.items, street.people, street.error) == ((), (), None)
