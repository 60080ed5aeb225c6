"""Evaluation of made-up models on made-up data, and the report of it."""

from __future__ import annotations

import io
import json
import os
import sys
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

from mien.datasets.dataset import Dataset
from mien.errors import DataError, MienError, ModelError
from mien.evaluation import Report, evaluate
from mien.evaluation.evaluate import rollup_probabilities
from mien.labels import SPACES, LabelSpace, make_space, rollup_scores

HOSTILE = 'i am <script>alert("x")</script> & fine'
CARER, EKMAN, GO = SPACES["carer6"], SPACES["ekman7"], SPACES["goemotions28"]


class FakeModel:
    """Gives the rows it was made with, in the order in which they are asked for."""

    def __init__(self, space: LabelSpace, rows: dict[str, list[float] | np.ndarray], **manifest: Any) -> None:
        self.name, self.space, self.rows = "fake", space, rows
        empty: dict[str, Any] = {"thresholds": {}, "rollups": {}, "metrics": {}, "data": [], "training": {}}
        self.manifest = SimpleNamespace(files={}, name="fake", modality="text", **(empty | manifest))

    def predict_proba(self, inputs, batch_size=64, progress=None):
        assert batch_size == 64
        if progress:
            progress(len(inputs))
        return np.array([self.rows[text] for text in inputs], np.float32)


def dataset(space: LabelSpace, texts: list[str], targets: Any, **fields: Any) -> Dataset:
    dtype = np.float32 if space.multilabel else np.int64
    values: dict[str, Any] = {
        "split": np.array(["test"] * len(texts)),
        "where": [f"test.txt:{line}" for line in range(1, len(texts) + 1)],
        "licence": "CC0",
    }
    return Dataset("made-up", "text", space, texts, np.array(targets, dtype), **(values | fields))


def row(space: LabelSpace, **scores: float) -> list[float]:
    return [scores.get(name, 0.0) for name in space.names]


HISTORY = [
    {"epoch": 1, "train_loss": 1.5, "val_loss": 1.4, "train_accuracy": 0.4, "val_accuracy": 0.5},
    {"epoch": 2, "train_loss": 0.9, "val_loss": 1.0, "train_accuracy": 0.7, "val_accuracy": None},
]
LAYOUT = [
    {"name": "embedding", "type": "Embedding", "output": ["batch", "tokens", 8], "parameters": 8000},
    {"name": "head", "type": "Linear", "output": "batch × 6", "parameters": 54},
]
TRAINING = {
    "recipe": "tiny",
    "seed": 1,
    "settings": {"lr": 1e-3, "kernels": [3, 4]},
    "history": HISTORY,
    "layout": LAYOUT,
}


@pytest.fixture
def single() -> tuple[FakeModel, Dataset]:
    texts = ["so happy", HOSTILE, "boo", "grr"]
    rows = {
        "so happy": row(CARER, joy=0.9, love=0.1),
        HOSTILE: row(CARER, anger=0.8, sadness=0.2),
        "boo": row(CARER, fear=0.6, joy=0.4),
        "grr": row(CARER, joy=0.7, anger=0.3),
    }
    targets = [CARER.index(name) for name in ("joy", "sadness", "fear", "anger")]
    platform = np.array(["forum", "chat", "forum", "chat"])
    data = dataset(CARER, texts, targets, columns={"platform": platform})
    return FakeModel(CARER, rows, training=TRAINING, data=[{"spec": "carer:x", "fingerprint": "0" * 64}]), data


@pytest.fixture
def multi() -> tuple[FakeModel, Dataset]:
    rng = np.random.default_rng(3)
    texts = [f"text {i} {HOSTILE}" for i in range(60)]
    targets = (rng.random((60, 28)) < 0.15).astype(np.float32)
    scores = np.clip(0.5 * targets + rng.random((60, 28)) * 0.6, 0, 1)
    return FakeModel(GO, dict(zip(texts, scores, strict=True)), thresholds={"joy": 0.9}), dataset(GO, texts, targets)


def test_single_model_on_single_data(single):
    report = evaluate(*single)
    found = report.to_dict()
    assert isinstance(report, Report)
    assert (found["n"], found["accuracy"], report.accuracy) == (4, 0.5, 0.5)
    assert found["labels"] == list(CARER.names)
    assert found["confusion"]["counts"][CARER.index("anger")][CARER.index("joy")] == 1
    assert found["mistakes"][0] == {
        "input": HOSTILE,
        "true": "sadness",
        "predicted": "anger",
        "label": "anger",
        "score": 0.8,
        "where": "test.txt:2",
    }
    assert [mistake["score"] for mistake in found["mistakes"]] == [0.8, 0.7]
    assert found["about_data"]["counts"]["joy"] == 1
    assert found["about_data"]["licence"] == "CC0"
    assert found["split"] == "test"
    assert found["by"] is None
    assert set(found["made"]) >= {"mien", "time", "python", "machine"}
    assert any("love" in note for note in found["notes"])


def test_by_groups(single):
    by = evaluate(*single, by="platform").to_dict()["by"]
    assert by["column"] == "platform"
    assert [(group["group"], group["n"], group["accuracy"]) for group in by["groups"]] == [
        ("chat", 2, 0),
        ("forum", 2, 1),
    ]
    assert by["groups"][1]["macro_f1_present"] == 1
    with pytest.raises(DataError, match="no column 'country'; it has: platform"):
        evaluate(*single, by="country")


def test_progress_is_passed_on(single):
    seen: list[int] = []
    evaluate(*single, progress=seen.append)
    assert sum(seen) == 4


def test_multi_model_on_multi_data(multi):
    model, data = multi
    report = evaluate(model, data)
    found = report.to_dict()
    assert 0 < found["map"] < 1
    assert found["per_label"]["joy"]["threshold"] == 0.9
    assert found["per_label"]["anger"]["threshold"] == 0.5
    joy = GO.index("joy")
    said = np.array([model.rows[text][joy] for text in data.inputs], np.float32) >= 0.9
    assert found["confusion"]["per_label"]["joy"]["tp"] == int((said & (data.targets[:, joy] > 0)).sum())
    assert np.diagonal(found["cooccurrence"]["true"]).tolist() == [
        1.0 if count else 0.0 for count in data.targets.sum(0)
    ]
    assert all(isinstance(mistake["true"], list) for mistake in found["mistakes"])
    assert all(mistake["label"] not in mistake["true"] for mistake in found["mistakes"])
    assert all(mistake["predicted"][:1] in ([], [mistake["label"]]) for mistake in found["mistakes"])


def test_multi_model_on_single_data_is_rolled_up():
    texts = ["a", "b", "c"]
    rows = {
        "a": row(GO, sadness=0.3, grief=0.3, joy=0.4),  # sadness 1 - .7² = .51 beats joy
        "b": row(GO, neutral=0.9, love=0.2, joy=0.1),  # carer6 has no neutral
        "c": row(GO, fear=0.9, anger=0.5),
    }
    data = dataset(CARER, texts, [CARER.index(name) for name in ("sadness", "love", "anger")])
    found = evaluate(FakeModel(GO, rows), data).to_dict()
    assert found["space"] == "carer6"
    assert found["accuracy"] == pytest.approx(2 / 3)
    assert found["mistakes"][0]["score"] == pytest.approx(0.9)
    assert found["log_loss"] == pytest.approx(-np.log([0.51 / 0.91, 0.2 / 0.3, 0.5 / 1.4]).mean(), rel=1e-4)
    assert any("rolled up to carer6" in note for note in found["notes"])


def test_both_are_rolled_up_to_the_space_asked_for():
    rows = {"a": row(CARER, love=0.6, anger=0.4), "b": row(CARER, surprise=1.0)}
    targets = np.zeros((2, 28), np.float32)
    targets[0, [GO.index("gratitude"), GO.index("curiosity")]] = 1
    targets[1, GO.index("curiosity")] = 1
    found = evaluate(FakeModel(CARER, rows), dataset(GO, ["a", "b"], targets), labels="ekman7").to_dict()
    assert found["labels"] == list(EKMAN.names)
    assert found["multilabel"] is True
    assert found["accuracy"] == 0.5  # joy and surprise are true of a, and one label is all that the model says
    assert found["per_label"]["joy"]["f1"] == 1
    assert found["per_label"]["surprise"]["recall"] == 0.5
    assert any("cannot say disgust, neutral" in note for note in found["notes"])


def test_multi_rollup_takes_the_thresholds_tuned_for_it(multi):
    model, data = multi
    model.manifest.rollups = {"ekman7": {"joy": 0.85}}
    found = evaluate(model, data, labels="ekman7").to_dict()
    assert found["per_label"]["joy"]["threshold"] == 0.85
    assert found["per_label"]["fear"]["threshold"] == 0.5


def test_data_coarser_than_no_map_are_brought_to_the_model():
    rows = {"a": row(EKMAN, joy=1.0), "b": row(EKMAN, fear=1.0)}
    found = evaluate(FakeModel(EKMAN, rows), dataset(CARER, ["a", "b"], [CARER.index("love"), 0])).to_dict()
    assert found["space"] == "ekman7"
    assert found["accuracy"] == 0.5


def test_labels_of_ones_own_are_matched_by_name():
    own = make_space("mood", ["happy", "Sad"])
    rows = {"a": row(CARER, joy=1.0), "b": row(CARER, fear=1.0)}
    found = evaluate(FakeModel(CARER, rows), dataset(own, ["a", "b"], [0, 1])).to_dict()
    assert found["labels"] == list(CARER.names)
    assert found["mistakes"][0]["true"] == "sadness"
    several = own.as_multilabel(True)
    both = evaluate(FakeModel(CARER, rows), dataset(several, ["a", "b"], [[1, 0], [0, 1]]))
    assert both.figures["per_label"]["joy"]["f1"] == 1


def test_rollup_of_many_equals_rollup_of_one():
    rng = np.random.default_rng(0)
    for source, target in ((GO, EKMAN), (GO, CARER), (CARER, EKMAN), (SPACES["ferplus8"], EKMAN)):
        rows = rng.random((5, len(source)))
        rows = rows if source.multilabel else rows / rows.sum(1, keepdims=True)
        rolled = rollup_probabilities(rows, source, target)
        for one, many in zip(rows, rolled, strict=True):
            scores = rollup_scores(dict(zip(source.names, one.tolist(), strict=True)), source, target)
            assert many.tolist() == pytest.approx(list(scores.values()))


def test_what_cannot_be_measured_is_refused(single):
    model, data = single
    with pytest.raises(ModelError, match="no model 'no-such-model'"):
        evaluate("no-such-model", data)
    with pytest.raises(DataError, match="no data set 'nothing'"):
        evaluate(model, "nothing:here")
    with pytest.raises(DataError, match="both roll up to ekman7"):
        evaluate(FakeModel(SPACES["ravdess8"], {}), data)
    with pytest.raises(DataError, match="no label space 'mood'"):
        evaluate(model, data, labels="mood")
    with pytest.raises(DataError, match="no map from carer6 to fer7"):
        evaluate(model, data, labels="fer7")
    with pytest.raises(DataError, match="no 'val' split"):
        evaluate(model, data, split="val")
    with pytest.raises(ModelError, match="no probabilities"):
        evaluate(FakeModel(CARER, {text: [0.5, 0.5] for text in data.inputs}), data)
    with pytest.raises(ModelError, match="no probabilities"):
        evaluate(FakeModel(CARER, {text: [float("nan")] * 6 for text in data.inputs}), data)
    model.manifest.modality = "face"
    with pytest.raises(DataError, match="reads face"):
        evaluate(model, data)


def test_figures_on_training_data_say_so(single):
    model, data = single
    model.manifest.data = [{"fingerprint": data.fingerprint}]
    assert any("will look worse" in note for note in evaluate(model, data, split="all").notes)
    assert not any("will look worse" in note for note in evaluate(model, data).notes)


class Page(HTMLParser):
    """What a browser would load or run, which sections there are, and the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.sections: list[str] = []
        self.tags: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        found = dict(attrs)
        self.loads += [found[name] or "" for name in ("src", "href", "srcset", "action") if name in found]
        if tag == "section":
            self.sections.append(found.get("id") or "")

    def handle_data(self, data: str) -> None:
        self.text += data


def check_folder(folder: Path, pictures: set[str]) -> Page:
    assert {path.name for path in folder.iterdir()} == pictures | {"report.json", "report.html"}
    json.loads((folder / "report.json").read_text("utf-8"), parse_constant=pytest.fail)
    for name in pictures:
        picture = np.asarray(Image.open(folder / name).convert("RGB"))
        assert min(picture.shape[:2]) > 300
        assert picture.std() > 5
    page = Page((folder / "report.html").read_text("utf-8"))
    assert all(load.startswith("data:image/png;base64,") for load in page.loads)
    assert len(page.loads) == len(pictures)
    assert "script" not in page.tags
    assert "http" not in (folder / "report.html").read_text("utf-8").replace("http-equiv", "")
    assert HOSTILE in page.text
    return page


def test_single_label_report(single, tmp_path):
    written = evaluate(*single, by="platform").write(tmp_path / "a" / "b")
    assert written == tmp_path / "a" / "b" / "report.html"
    pictures = {"confusion_counts.png", "confusion_shares.png", "calibration.png", "history.png", "layout.png"}
    pictures |= {"by_1_confusion_shares.png", "by_2_confusion_shares.png", "by_group.png"}
    page = check_folder(written.parent, pictures)
    assert page.sections == ["labels", "confusion", "calibration", "history", "layout", "by", "mistakes", "made"]
    for text in ("50.0 %", "8 054", "batch × tokens × 8", "CC0", "forum", "😄", "lr", "0.001", "Guo et al. 2017"):
        assert text in page.text


def test_multi_label_report(multi, tmp_path):
    folder = evaluate(*multi).write(tmp_path).parent
    pictures = {"average_precision.png", "confusion_per_label.png", "cooccurrence.png", "calibration.png"}
    pictures |= {"cooccurrence_difference.png"}
    page = check_folder(folder, pictures)
    assert page.sections == [
        "labels",
        "average-precision",
        "confusion",
        "cooccurrence",
        "calibration",
        "mistakes",
        "made",
    ]
    assert "mAP" in page.text


def test_six_to_twenty_eight_labels_can_be_drawn():
    rng = np.random.default_rng(1)
    for space in (CARER, SPACES["emotic26"].as_multilabel(False), GO.as_multilabel(False)):
        texts = [f"text {i}" for i in range(50)]
        rows = dict(zip(texts, rng.dirichlet(np.ones(len(space)), 50), strict=True))
        charts = evaluate(FakeModel(space, rows), dataset(space, texts, rng.integers(0, len(space), 50))).charts()
        sizes = [Image.open(io.BytesIO(charts[name])).size for name in ("confusion_counts.png", "confusion_shares.png")]
        assert sizes[0] == sizes[1]
        assert sizes[0][0] > 35 * len(space)


def test_the_same_report_gives_the_same_pictures(single):
    report = evaluate(*single)
    assert report.charts() == report.charts()


def test_a_report_of_two_labels_of_ones_own_and_no_mistakes(tmp_path):
    own = make_space("prices", ["$up$ & <b>", "下"])
    model = FakeModel(own, {"a": [0.9, 0.1], "b": [0.2, 0.8]})
    page = Page(evaluate(model, dataset(own, ["a", "b"], [0, 1])).write(tmp_path).read_text("utf-8"))
    assert "$up$ & <b>" in page.text
    assert "None: the strongest emotion is right" in page.text


def test_texts_that_are_no_unicode_and_long_ones_are_written(single, tmp_path):
    model, _ = single
    odd, long = "half \ud83d", "x" * 5000
    model.rows |= {odd: row(CARER, fear=1.0), long: row(CARER, fear=1.0)}
    html = evaluate(model, dataset(CARER, [odd, long], [0, 0])).write(tmp_path).read_text("utf-8")
    assert "half ?" in html
    assert "x" * 1000 not in html
    assert json.loads((tmp_path / "report.json").read_text("utf-8"))["mistakes"][1]["input"] == long


def test_a_folder_that_cannot_be_written_is_named(single, tmp_path):
    report = evaluate(*single)
    (tmp_path / "file").write_text("")
    with pytest.raises(MienError, match=r"cannot write .*file"):
        report.write(tmp_path / "file")
    (tmp_path / "report.json").mkdir()
    with pytest.raises(MienError, match=r"cannot write .*report\.json") as caught:
        report.write(tmp_path)
    assert "\n" not in str(caught.value)


def test_missing_matplotlib_names_the_extra(single, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MienError, match='install mien with the extra "report"'):
        evaluate(*single).write(tmp_path)
    assert not os.listdir(tmp_path)


def test_figures_do_not_touch_the_settings_of_others(single):
    mpl.rcParams["font.size"] = 7
    picture = Image.open(io.BytesIO(evaluate(*single).charts()["calibration.png"]))
    assert picture.format == "PNG"
    assert mpl.rcParams["font.size"] == 7
    mpl.rcdefaults()
