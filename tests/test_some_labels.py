"""Evaluation on data that have some of a model's labels, or samples with none; figures against scikit-learn."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from sklearn.metrics import accuracy_score, f1_score

from mien.datasets import Dataset, open_dataset
from mien.evaluation import Report, evaluate
from mien.evaluation.metrics import multi_label_metrics
from mien.labels import SPACES, LabelSpace, make_space
from mien.model import LabelsEntry
from mien.output.reports import show_metrics
from mien.training.card import _figures

EKMAN, GO, CARER = SPACES["ekman7"], SPACES["goemotions28"], SPACES["carer6"]
FIVE = ("anger", "fear", "joy", "sadness", "surprise")
PLACES = [EKMAN.index(name) for name in FIVE]


class Fake:
    """A model that gives the rows it was made with."""

    def __init__(self, space: LabelSpace, rows: dict[str, np.ndarray], **manifest: Any) -> None:
        self.name, self.space, self.rows = "fake", space, rows
        empty: dict[str, Any] = {"thresholds": {}, "rollups": {}, "metrics": {}, "data": [], "training": {}}
        self.manifest = SimpleNamespace(files={}, name="fake", modality="text", **(empty | manifest))

    def predict_proba(self, inputs: Sequence[str], batch_size: int = 64, progress: Any = None) -> np.ndarray:
        return np.array([self.rows[text] for text in inputs], np.float32)


def drawn(space: LabelSpace, n: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Rows of probabilities; those of one label at a time add up to 1."""
    rng = np.random.default_rng(seed)
    rows = rng.random((n, len(space)))
    rows = rows if space.multilabel else rows / rows.sum(1, keepdims=True)
    return {f"text {i}": row.astype(np.float32) for i, row in enumerate(rows)}


def several(n: int, seed: int = 1) -> Dataset:
    """n texts with some of FIVE, a third of them with none."""
    targets = (np.random.default_rng(seed).random((n, 5)) < 0.2).astype(np.float32)
    split = np.array(["test"] * n, object)
    return Dataset("made", "text", make_space("own5", FIVE, True), [f"text {i}" for i in range(n)], targets, split)


def single(n: int, names: Sequence[str], seed: int = 2) -> Dataset:
    targets, split = np.random.default_rng(seed).integers(0, len(names), n), np.array(["test"] * n, object)
    return Dataset("made", "text", make_space("own", names), [f"text {i}" for i in range(n)], targets, split)


def measured(model: Any, data: Dataset, **options: Any) -> dict[str, Any]:
    return evaluate(model, data, **options).to_dict()


def test_macro_f1_of_several_labels_is_over_the_labels_of_the_data() -> None:
    """As SemEval-2025 task 11 has it: the mean of F1 over the columns, where rows may have none; no neutral."""
    data, thresholds = several(80), {"anger": 0.7, "joy": 0.8, "neutral": 0.1}
    rows = drawn(EKMAN.as_multilabel(True), 80)
    model = Fake(EKMAN.as_multilabel(True), rows, thresholds=thresholds)
    assert (data.targets.sum(1) == 0).sum() > 20
    found = measured(model, data)
    scores = np.stack(list(rows.values()))[:, PLACES]
    said = scores >= np.array([thresholds.get(name, 0.5) for name in FIVE])
    assert found["n"] == 80
    assert found["labels"] == list(FIVE)
    assert found["macro_f1"] == pytest.approx(f1_score(data.targets, said, average="macro"), abs=1e-6)
    assert found["accuracy"] == pytest.approx(accuracy_score(data.targets, said), abs=1e-6)
    labeled = data.targets.any(1)
    hits = data.targets[labeled, scores[labeled].argmax(1)]
    assert found["top1"] == pytest.approx(hits.mean(), abs=1e-6)
    few = found["restricted"]
    assert (few["space"], few["labels"], few["left_out"]) == ("ekman7", list(FIVE), ["disgust", "neutral"])
    assert (few["n"], few["macro_f1"], few["top1"]) == (80, found["macro_f1"], found["top1"])
    assert "Restricted to the labels that the data have: disgust, neutral left out." in found["notes"]
    assert found["per_label"]["anger"]["threshold"] == 0.7
    asked = measured(model, data, labels="ekman7")
    assert (asked["macro_f1"], asked["labels"]) == (found["macro_f1"], found["labels"])


def test_a_model_of_finer_labels_answers_in_those_it_was_tuned_for() -> None:
    rows, data = drawn(GO, 60), several(60)
    found = measured(Fake(GO, rows, rollups={"carer6": {}, "ekman7": {"fear": 0.9}}), data)
    annoyance, anger, disapproval = (GO.index(name) for name in ("annoyance", "anger", "disapproval"))
    rolled = 1 - np.prod(1 - np.stack(list(rows.values()))[:, [annoyance, anger, disapproval]], axis=1)
    wanted = f1_score(data.targets[:, 0], rolled >= 0.5)
    assert found["labels"] == list(FIVE)
    assert found["per_label"]["anger"]["f1"] == pytest.approx(wanted, abs=1e-6)
    assert found["per_label"]["fear"]["threshold"] == 0.9
    assert any("rolled up to ekman7" in note for note in found["notes"])
    love = measured(Fake(GO, rows, rollups={"ekman7": {}}), single(60, ("joy", "gratitude")))
    assert love["space"] == "goemotions28", "Ekman's labels have no gratitude"
    assert measured(Fake(GO, rows), data)["space"] == "goemotions28", "it was tuned for no other"


def test_a_head_is_asked_for_data_that_have_some_of_its_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = LabelsEntry(space="ekman7", names=list(EKMAN.names), multilabel=True)
    rows, data = drawn(GO, 40), single(40, ("anger", "joy", "sadness"))
    twin = Fake(EKMAN.as_multilabel(True), drawn(EKMAN.as_multilabel(True), 40, 5), heads=[entry])
    asked: list[str] = []

    def with_labels(self: Any, space: str) -> Any:
        asked.append(space)
        return Wrapped(twin)

    from mien.evaluation.held_out import Wrapped

    monkeypatch.setattr(Wrapped, "with_labels", with_labels)
    found = measured(Fake(GO, rows, heads=[entry]), data)
    assert asked == ["ekman7"]
    assert found["space"] == "ekman7"
    assert found["restricted"]["labels"] == ["anger", "joy", "sadness"]


def test_of_one_label_at_a_time_both_are_given() -> None:
    names = ("joy", "fear", "anger", "sadness")
    rows, data = drawn(EKMAN, 50), single(50, names)
    found = measured(Fake(EKMAN, rows), data)
    scores = np.stack(list(rows.values()))
    true = np.array([names[place] for place in data.targets])
    said = np.array(EKMAN.names)[scores.argmax(1)]
    assert found["labels"] == list(EKMAN.names)
    assert found["accuracy"] == pytest.approx((said == true).mean(), abs=1e-6)
    kept = [EKMAN.index(name) for name in names]
    among = np.array(names)[scores[:, kept].argmax(1)]
    few = found["restricted"]
    assert (few["labels"], few["left_out"]) == (["anger", "fear", "joy", "sadness"], ["disgust", "surprise", "neutral"])
    assert few["accuracy"] == pytest.approx((among == true).mean(), abs=1e-6)
    assert few["macro_f1"] == pytest.approx(f1_score(true, among, average="macro"), abs=1e-6)
    assert few["accuracy"] > found["accuracy"]
    note = next(note for note in found["notes"] if note.startswith("Restricted"))
    assert f"accuracy {few['accuracy']:.4f}" in note
    assert "without disgust, surprise, neutral" in note
    assert "restricted" not in measured(Fake(EKMAN, rows), single(50, EKMAN.names))


def test_a_model_of_one_label_says_none_where_its_label_is_not_among_those_of_the_data() -> None:
    rows = {"text 0": np.eye(7)[EKMAN.index("neutral")], "text 1": np.eye(7)[EKMAN.index("joy")]}
    data = several(2)
    data.targets[:] = 0
    data.targets[1, FIVE.index("joy")] = 1
    found = measured(Fake(EKMAN, rows), data)
    assert (found["accuracy"], found["top1"], found["mistakes"]) == (1, 1, [])
    data.targets[:] = 0
    nothing = measured(Fake(EKMAN, rows), data)
    assert (nothing["accuracy"], nothing["top1"]) == (0.5, None)
    assert [(entry["true"], entry["predicted"]) for entry in nothing["mistakes"]] == [([], ["joy"])]


def test_top_1_by_hand() -> None:
    targets = np.array([[1, 0, 1], [0, 1, 0], [0, 0, 0], [0, 0, 1]])
    scores = np.array([[0.2, 0.1, 0.9], [0.6, 0.5, 0.1], [0.9, 0.9, 0.9], [0.1, 0.1, 0.3]])
    found = multi_label_metrics(targets, scores, ["a", "b", "c"], np.full(3, 0.5))
    assert found["top1"] == pytest.approx(2 / 3)  # right, wrong, without a label, right below its threshold


@pytest.fixture
def report() -> Report:
    data = several(60)
    data.columns["domain"] = np.array(["a", "b"] * 30, object)
    return evaluate(Fake(EKMAN.as_multilabel(True), drawn(EKMAN.as_multilabel(True), 60)), data, by="domain")  # type: ignore[arg-type]


def test_it_is_printed_and_on_the_page(report: Report) -> None:
    console = Console(file=io.StringIO(), width=160, color_system=None)
    show_metrics(console, report.to_dict(), report.space)
    told = console.file.getvalue()  # type: ignore[attr-defined]
    assert f"top-1 {report.figures['top1']:.4f}" in told
    assert "restricted to the labels of the data, without disgust, neutral\n" in told
    assert all(0 <= group["top1"] <= 1 for group in report.to_dict()["by"]["groups"])
    assert ["domain", "samples", "top-1", "mAP", "macro-F1"] in [line.split() for line in told.splitlines()]
    page = report.to_html()
    assert "<th>Top-1</th>" in page
    assert "Restricted to the labels that the data have" in page
    one = evaluate(Fake(EKMAN, drawn(EKMAN, 50)), single(50, ("joy", "fear")))  # type: ignore[arg-type]
    show_metrics(console, one.to_dict(), one.space)
    assert "neutral:   accuracy" in console.file.getvalue()  # type: ignore[attr-defined]


def test_a_card_has_the_column_where_a_figure_is() -> None:
    assert _figures({"d/test": {"accuracy": 0.5, "top1": 0.7}})["several"] is True
    assert _figures({"d/test": {"accuracy": 0.5}})["several"] is False


def test_the_sample_of_domains() -> None:
    data = open_dataset("sample:domains")
    assert (data.space.name, data.space.multilabel, data.splits, data.problems) == ("ekman7", True, ("test",), ())
    assert data.targets.sum(1).min() >= 1
    assert set(data.columns["seen"]) == {"yes", "no"}
    assert all(data.columns["domain"])
    halves = [open_dataset(f"sample:domains?seen={half}") for half in ("yes", "no")]
    assert sum(map(len, halves)) == len(data) >= 600
    assert min(map(len, halves)) >= 300
    assert len(set(data.columns["domain"])) == 10
    assert set(halves[1].columns["seen"]) == {"no"}
    from mien.errors import DataError

    with pytest.raises(DataError, match="sample 'text' has no column 'seen'"):
        open_dataset("sample:text?seen=no")
    with pytest.raises(DataError, match="seen must be 'yes' or 'no', not 'maybe'"):
        open_dataset("sample:domains?seen=maybe")


def test_the_samples_to_train_on_share_no_text_with_those_to_measure_on() -> None:
    learned = [open_dataset(f"sample:{name}") for name in ("everyday", "situations")]
    measured = [open_dataset(f"sample:{name}") for name in ("text", "domains")]
    known = {content for data in learned for content in data.contents}
    assert not [
        text for data in measured for text, content in zip(data.inputs, data.contents, strict=True) if content in known
    ]
    situations = learned[1]
    assert situations.splits == ("train", "val")
    assert situations.problems == ()
    assert len(set(situations.columns["domain"])) == 21
    assert len(set(situations.contents)) == len(situations)


@pytest.mark.parametrize("labels", ["0,1,0,1", "0,0,0,0"])
def test_a_table_in_the_form_of_semeval(tmp_path: Path, labels: str) -> None:
    (tmp_path / "t.csv").write_text(f"id,text,anger,fear,joy,sadness\n1,text 0,{labels}\n2,text 1,1,0,0,0\n")
    data = open_dataset(str(tmp_path / "t.csv"))
    found = measured(Fake(EKMAN.as_multilabel(True), drawn(EKMAN.as_multilabel(True), 2)), data, split="all")
    assert (found["n"], found["labels"]) == (2, ["anger", "fear", "joy", "sadness"])
