"""Figures of ratings against SciPy and worked out by hand; evaluation of models that give ratings."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from scipy import stats as reference

from mien.datasets.dataset import Dataset
from mien.errors import DataError, InputError, ModelError
from mien.evaluation import Report, evaluate
from mien.evaluation.ratings import all_rating_metrics, rating_metrics, rescaled, scatter
from mien.labels import SPACES, LabelSpace, make_space
from mien.media.images import Region
from mien.model import LabelsEntry, Manifest, RatingEntry
from mien.output.reports import show_metrics
from mien.training.card import card
from mien.training.publish import headline
from test_report import Page

values = st.integers(1, 70).map(lambda tenths: tenths / 10)


@given(st.lists(st.tuples(values, values), min_size=4, max_size=60))
def test_correlations_and_errors_agree_with_scipy(pairs: list[tuple[float, float]]) -> None:
    true, predicted = map(np.array, zip(*pairs, strict=True))
    found = rating_metrics(true, predicted)
    assert found["n"] == len(pairs)
    assert found["mae"] == pytest.approx(np.mean([abs(a - b) for a, b in pairs]))
    assert found["rmse"] ** 2 == pytest.approx(np.mean([(a - b) ** 2 for a, b in pairs]))
    assert found["baseline"]["rmse"] == pytest.approx(np.std(true))
    if len(set(true)) < 2 or len(set(predicted)) < 2:
        assert found["pearson"] is found["spearman"] is found["pearson_interval"] is None
        return
    expected = reference.pearsonr(true, predicted)
    assert found["pearson"] == pytest.approx(expected.statistic, abs=1e-9)
    assert found["spearman"] == pytest.approx(reference.spearmanr(true, predicted).statistic, abs=1e-9)
    if abs(expected.statistic) < 0.999:
        interval = expected.confidence_interval(0.95)
        assert found["pearson_interval"] == pytest.approx([interval.low, interval.high], abs=1e-9)


def test_concordance_by_hand() -> None:
    """Of 1 2 3 and 2 4 6: covariance 4/3, variances 2/3 and 8/3, means 2 and 4: 2 · 4/3 / (10/3 + 4) = 4/11."""
    found = rating_metrics(np.array([1, 2, 3]), np.array([2, 4, 6]))
    assert (found["pearson"], found["spearman"]) == (pytest.approx(1), pytest.approx(1))
    assert found["ccc"] == pytest.approx(4 / 11)
    assert (found["mae"], found["rmse"]) == (2, pytest.approx(np.sqrt(14 / 3)))
    assert found["baseline"] == {"mae": pytest.approx(2 / 3), "rmse": pytest.approx(np.sqrt(2 / 3))}
    assert rating_metrics(np.array([1.0, 5]), np.array([1.0, 5]))["ccc"] == pytest.approx(1)


def test_what_is_not_known_is_left_out_and_what_is_undefined_is_none() -> None:
    whole = rating_metrics(np.array([1, 2, 3, 7]), np.array([2, 4, 6, 5]))
    assert rating_metrics(np.array([1, np.nan, 2, 3, 7]), np.array([2, 9, 4, 6, 5])) == whole
    none = rating_metrics(np.array([np.nan]), np.array([3.0]))
    assert (none["n"], none["pearson"], none["mae"], none["baseline"]["rmse"]) == (0, None, None, None)
    same = rating_metrics(np.array([4.0, 4]), np.array([4.0, 4]))
    assert (same["pearson"], same["ccc"], same["mae"]) == (None, None, 0)
    perfect = rating_metrics(np.arange(6.0), np.arange(6.0))
    assert perfect["pearson_interval"] == pytest.approx([1, 1])
    tiny = np.arange(5) * 1e-200
    assert rating_metrics(tiny, -tiny)["pearson"] == pytest.approx(-1)
    for predicted in (np.array([1.0]), np.array([np.nan, 1]), np.ones((2, 1))):
        with pytest.raises(ValueError, match="finite predictions"):
            rating_metrics(np.array([1.0, 2]), predicted)


def test_points_of_a_plot_are_few_and_always_the_same() -> None:
    true, predicted = np.arange(5000.0), np.arange(5000.0) + 0.5
    true[:10] = np.nan
    points = scatter(true, predicted)
    assert len(points) == 2000
    assert points == scatter(true, predicted)
    assert all(b == a + 0.5 >= 10 for a, b in points)
    assert scatter(np.array([1.0, np.nan]), np.array([2.0, 3])) == [[1, 2]]


def test_scales_are_laid_over_each_other() -> None:
    assert rescaled(np.array([1, 4, 7.0]), (1, 7), (0, 10)).tolist() == [0, 5, 10]
    found = all_rating_metrics(
        {"a": np.array([1.0, 2]), "b": np.array([3.0, 4])}, np.array([[1.0, 4], [2, 4]]), {"a": (0, 2), "b": (1, 5)}
    )
    assert (found["a"]["scale"], found["a"]["mae"], found["b"]["mae"]) == ([0, 2], 0, 0.5)


# -------------------------------------------------------------------------------------------------- evaluation

AFFECT, EMOTIC = SPACES["affect"], SPACES["emotic26"]
NO_CHARTS: dict[str, bytes] = {}


class Rater:
    """Gives what it was made with to pictures that are known by their first pixel; notes what it was asked for."""

    def __init__(
        self,
        ratings: np.ndarray,
        scales: dict[str, tuple[float, float]],
        space: LabelSpace = AFFECT,
        scores: Any = None,
    ) -> None:
        self.name, self.space, self.given, self.scores, self.asked = "rater", space, ratings, scores, []
        rated = [RatingEntry(name=name, low=low, high=high) for name, (low, high) in scales.items()]
        labels = LabelsEntry(space=space.name, names=list(space.names), multilabel=True)
        self.manifest = Manifest(name="rater", modality="scene", labels=labels, ratings=rated)

    def predict_proba(self, inputs: Any, batch_size: int = 64, progress: Any = None) -> np.ndarray:
        return self._rows("probabilities", self.scores, inputs, progress)

    def ratings(self, inputs: Any, batch_size: int = 64, progress: Any = None) -> np.ndarray:
        return self._rows("ratings", self.given, inputs, progress)

    def _rows(self, what: str, values: np.ndarray, inputs: Any, progress: Any) -> np.ndarray:
        from mien.media.images import read_picture

        self.asked.append(what)
        if progress:
            progress(len(inputs))
        return np.asarray(values, np.float32)[[int(read_picture(entry)[0, 0, 0]) for entry in inputs]]


def data(ratings: dict[str, Any], scales: dict[str, tuple[float, float]], **fields: Any) -> Dataset:
    count = len(next(iter(ratings.values())))
    pictures = [np.full((8, 12), row % 256, np.uint8) for row in range(count)]
    whole: dict[str, Any] = {
        "name": "photos", "modality": "scene", "space": AFFECT, "targets": np.zeros((count, 0), np.float32),
        "inputs": pictures, "split": np.full(count, "test", object),
        "ratings": {name: np.array(values, np.float32) for name, values in ratings.items()}, "scales": scales,
    }  # fmt: skip
    return Dataset(**(whole | fields))


TRUE = {"valence": [1, 3, 5, 7, 2, 6], "arousal": [7, np.nan, 1, 4, 4, 2]}
SCALES = {"valence": (1.0, 7.0), "arousal": (1.0, 7.0)}
GIVEN = np.array([[2, 6], [3, 3], [4, 2], [6, 4], [4, 3], [5, 5]])


@pytest.fixture
def rated() -> tuple[Rater, Dataset]:
    return Rater(GIVEN, SCALES), data(TRUE, SCALES, columns={"age": np.array(["kid", "adult"] * 3, object)})


def test_ratings_alone_are_measured(rated: tuple[Rater, Dataset]) -> None:
    steps: list[int] = []
    report = evaluate(*rated, by="age", progress=steps.append)
    found = report.to_dict()
    assert (rated[0].asked, sum(steps)) == (["ratings"], 6)  # a model without labels has no probabilities
    assert (found["n"], found["space"], found["labels"], found["multilabel"]) == (6, "affect", [], True)
    expected = reference.pearsonr(TRUE["valence"], GIVEN[:, 0]).statistic
    assert found["ratings"]["valence"]["pearson"] == pytest.approx(expected, abs=1e-6)
    assert found["ratings"]["valence"]["mae"] == pytest.approx((1 + 0 + 1 + 1 + 2 + 1) / 6, abs=1e-6)
    assert (found["ratings"]["arousal"]["n"], found["ratings"]["valence"]["scale"]) == (5, [1, 7])
    assert found["points"]["arousal"] == [[7, 6], [1, 2], [4, 4], [4, 3], [2, 5]]
    kid = next(group for group in found["by"]["groups"] if group["group"] == "kid")
    assert (kid["n"], kid["ratings"]["valence"]["mae"]) == (3, pytest.approx(4 / 3, abs=1e-6))
    assert "accuracy" not in found
    assert np.isnan([report.accuracy, report.macro_f1]).all()
    assert found["about_model"]["ratings"][0] == {"name": "valence", "low": 1, "high": 7}
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_mistakes_and_samples_are_by_how_far_the_ratings_are_off(rated: tuple[Rater, Dataset]) -> None:
    """Off by, in steps of either scale: 1+1, 0, 1+1, 1+0, 2+1, 1+3; of the second arousal is not known."""
    report = evaluate(*rated)
    assert [mistake["row"] for mistake in report.mistakes] == [5, 4]  # 2 and 1.5 on the mean; the others to the median
    assert report.mistakes[0]["ratings"] == {
        "valence": {"true": 6, "predicted": 5}, "arousal": {"true": 2, "predicted": 5},
    }  # fmt: skip
    assert {sample["row"]: sample["right"] for sample in report.samples} == {
        0: True, 1: True, 2: True, 3: True, 4: False, 5: False,
    }  # fmt: skip
    assert report.to_dict()["samples"][1]["ratings"]["arousal"]["true"] is None or report.samples[0]["row"] != 1


def test_scales_of_model_and_data_may_differ() -> None:
    model = Rater((GIVEN - 1) / 6, {"Valence": (0, 1), "arousal": (0, 1)})
    report = evaluate(model, data({"valence": TRUE["valence"]}, {"valence": (1.0, 7.0)}))
    assert report.figures["ratings"]["valence"]["mae"] == pytest.approx(1, abs=1e-6)
    assert any("rates valence from 0 to 1; that was laid over the data's 1 to 7" in note for note in report.notes)
    more = evaluate(Rater(GIVEN[:, :1], {"valence": (1, 7)}), data(TRUE, SCALES))
    assert list(more.figures["ratings"]) == ["valence"]
    assert any("have arousal too, which the model does not give" in note for note in more.notes)


def test_labels_and_ratings_together_and_what_they_have_in_common() -> None:
    own = make_space("rooms", ["cosy", "dark"], multilabel=True)
    scores = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.7], [0.3, 0.2], [0.8, 0.6], [0.1, 0.9]])
    targets = np.array([[1, 0], [0, 1], [1, 1], [0, 0], [1, 0], [0, 1]], np.float32)
    model, both = Rater(GIVEN, SCALES, own, scores), data(TRUE, SCALES, space=own, targets=targets)
    found = evaluate(model, both).to_dict()
    assert model.asked == ["probabilities", "ratings"]
    assert found["map"] == 1
    assert found["ratings"]["valence"]["n"] == 6
    assert all("ratings" in sample and "label" in sample for sample in found["samples"])

    alone = evaluate(Rater(GIVEN, SCALES), both).to_dict()  # the model has no labels, the data do
    assert (alone["space"], "map" in alone, alone["ratings"]) == ("affect", False, found["ratings"])
    other = data(TRUE, SCALES, space=SPACES["emotic26"], targets=np.ones((6, 26), np.float32))
    unlike = evaluate(model, other)
    assert any("No map joins the model's labels (rooms) to the data's (emotic26)" in note for note in unlike.notes)
    unrated = replace(both, ratings={}, scales={})
    only = evaluate(model, unrated).to_dict()
    assert (only["map"], "ratings" in only, "points" in only) == (1, False, False)
    with pytest.raises(DataError, match="rater gives valence, arousal, photos has cosy, dark: nothing in common"):
        evaluate(Rater(GIVEN, SCALES), unrated)
    with pytest.raises(DataError, match="rater gives valence, arousal, photos has warmth: nothing in common"):
        evaluate(Rater(GIVEN, SCALES), data({"warmth": [1, 2]}, {"warmth": (1.0, 7.0)}))
    with pytest.raises(DataError, match="no samples with a rating that the model gives in 'test'"):
        evaluate(Rater(GIVEN, SCALES), data({"valence": [np.nan] * 2}, {"valence": (1.0, 7.0)}))


def test_ratings_that_are_no_numbers_are_refused(rated: tuple[Rater, Dataset]) -> None:
    rated[0].given = GIVEN * np.nan
    with pytest.raises(ModelError, match=r"rater gave no ratings of shape \(6, 2\) for photos"):
        evaluate(*rated)


def test_pictures_that_cannot_be_read_take_their_ratings_along(tmp_path: Path) -> None:
    inputs: list[Any] = []
    for row in range(6):
        path = tmp_path / f"{row}.png"
        assert cv2.imwrite(str(path), np.full((20, 30, 3), row, np.uint8))
        inputs.append(Region(str(path), (0, 0, 10 + row, 20)))
    (tmp_path / "1.png").write_bytes(b"nothing")
    report = evaluate(Rater(GIVEN, SCALES), data(TRUE, SCALES, inputs=inputs))
    assert report.figures["ratings"]["valence"]["n"] == 5
    assert report.figures["ratings"]["valence"]["mae"] == pytest.approx((1 + 1 + 1 + 2 + 1) / 5)
    assert report.mistakes[0]["input"] == f"{tmp_path}/5.png#0,0,15,20"
    assert report.thumbnails[report.mistakes[0]["row"]].shape == (20, 15, 3)  # the person, not the picture
    assert any("left out, 1 of 6" in note for note in report.notes)
    with pytest.raises(InputError):
        Region("x", (0, 0, 0, 0))


def test_repeated_samples_are_told_of_for_ratings_too(rated: tuple[Rater, Dataset]) -> None:
    model, whole = rated
    inputs = [*whole.inputs[:5], whole.inputs[0]]
    split = np.array(["train", "test", "test", "test", "test", "test"], object)
    report = evaluate(model, data(TRUE, SCALES, inputs=inputs, split=split))
    assert report.without_seen is not None
    assert (report.without_seen["seen"], report.without_seen["n"]) == (1, 4)
    r = reference.pearsonr([3, 5, 7, 2], [3, 4, 6, 4]).statistic
    assert report.without_seen["ratings"]["valence"]["pearson"] == pytest.approx(r)
    assert f"without the 1 that also stand in training:   r of valence {r:.3f}" in terminal(report)
    assert f"{r:.2f}" in Page(report.to_html(NO_CHARTS)).text


def terminal(report: Report, width: int = 80) -> str:
    console = Console(width=width, file=io.StringIO())
    show_metrics(console, report.to_dict(), report.space)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def test_the_terminal_shows_ratings_alone(rated: tuple[Rater, Dataset]) -> None:
    said = terminal(evaluate(*rated, by="age")).splitlines()
    assert said[0] == "6 samples"
    assert said[1].split() == ["rating", "scale", "r", "ρ", "CCC", "MAE", "RMSE", "samples"]
    assert said[2].split()[:4] == ["valence", "1", "to", "7"]
    assert said[4].split() == ["age", "samples", "valence", "r", "arousal", "r"]
    assert len(said) == 7


def emotic(groups: int = 2, n: int = 400, space: LabelSpace = EMOTIC) -> tuple[Rater, Dataset]:
    """Many labels and three ratings, with people of so many ages."""
    rng = np.random.default_rng(0)
    targets = (rng.random((n, len(space))) < 0.15).astype(np.float32)
    targets[:, 0] = 1
    scores = np.clip(0.4 * targets + 0.6 * rng.random((n, len(space))), 0, 1)
    true = rng.integers(1, 11, (3, n)).astype(float)
    scales = dict.fromkeys(("valence", "arousal", "dominance"), (1.0, 10.0))
    given = np.clip(true.T + rng.normal(0, 2, (n, 3)), 1, 10)
    columns = {"age": np.array([f"age {row % groups}" for row in range(n)], object)}
    inputs = [np.full((2, 2), row % 256, np.uint8) for row in range(n)]
    whole = data(
        dict(zip(scales, true, strict=True)), scales, space=space, targets=targets, columns=columns, inputs=inputs
    )
    model = Rater(given, scales, space, scores)
    rows = np.arange(n)
    model._rows = lambda what, values, inputs, progress: np.asarray(values, np.float32)[rows[: len(inputs)]]  # type: ignore[method-assign]
    return model, whole


def test_twenty_six_labels_and_three_ratings_fit_in_eighty_columns() -> None:
    said = terminal(evaluate(*emotic(), by="age"))
    assert max(map(len, said.splitlines())) <= 80
    assert "…" not in said
    for name in (*EMOTIC.names, "valence", "precision", "recall", "F1", "AP", "support", "mAP", "dominance r", "age 1"):
        assert name in said
    assert said.count("\n") <= 40


def test_few_groups_have_all_figures_and_many_the_main_ones() -> None:
    model, whole = emotic(groups=2)
    found = evaluate(model, whole, by="age").to_dict()["by"]["groups"]
    rows = np.arange(len(whole)) % 2 == 1
    again = evaluate(*part(model, whole, rows)).to_dict()
    for key in ("per_label", "confusion", "cooccurrence", "averages", "map", "ratings"):
        assert found[1][key] == again[key], key
    many = evaluate(*emotic(groups=9), by="age").to_dict()["by"]["groups"]
    assert {"map", "ratings"} < set(many[0])
    assert "per_label" not in many[0]


def part(model: Rater, whole: Dataset, rows: np.ndarray) -> tuple[Rater, Dataset]:
    scales = {entry.name: (entry.low, entry.high) for entry in model.manifest.ratings}
    fewer = Rater(model.given[rows], scales, model.space, model.scores[rows])
    fewer._rows = lambda what, values, inputs, progress: np.asarray(values, np.float32)[: len(inputs)]  # type: ignore[method-assign]
    return fewer, whole.take(rows)


def test_the_page_of_labels_ratings_and_groups(tmp_path: Path) -> None:
    few = make_space("few", ["fear", "joy", "calm"], multilabel=True)
    page = Page(evaluate(*emotic(space=few), by="age").write(tmp_path).read_text("utf-8"))
    written = {path.name for path in tmp_path.glob("*.png")}
    assert written == {
        "ratings.png", "average_precision.png", "confusion_per_label.png", "cooccurrence.png", "samples.png",
        "cooccurrence_difference.png", "calibration.png", "by_group.png", "by_1_confusion_per_label.png",
        "by_1_cooccurrence.png", "by_2_confusion_per_label.png", "by_2_cooccurrence.png",
    }  # fmt: skip
    assert page.sections == [
        "ratings", "labels", "average-precision", "confusion", "cooccurrence", "calibration", "by", "samples",
        "mistakes", "made",
    ]  # fmt: skip
    assert sum(load.startswith("data:image/png") for load in page.loads) >= len(written) - 1  # samples are single ones
    for text in ("Valence", "dominance: r", "age 0: every emotion", "mean over samples", "always saying the mean"):
        assert text in page.text
    shade = cv2.imread(str(tmp_path / "ratings.png")).std()
    assert shade > 10


def test_the_page_of_ratings_alone(rated: tuple[Rater, Dataset], tmp_path: Path) -> None:
    page = Page(evaluate(*rated, by="age").write(tmp_path).read_text("utf-8"))
    assert {path.name for path in tmp_path.glob("*.png")} == {"ratings.png", "samples.png"}
    assert page.sections == ["ratings", "by", "samples", "mistakes", "made"]
    for text in ("How well the model reads valence, arousal in 6 pictures", "Furthest off", "r 0.9"):
        assert text in page.text
    perfect = evaluate(Rater(np.array([[4.0]]), {"valence": (1, 7)}), data({"valence": [4]}, {"valence": (1.0, 7.0)}))
    assert "None: all are off alike" in Page(perfect.to_html(perfect.charts())).text


def test_manifest_and_card_keep_the_figures(rated: tuple[Rater, Dataset]) -> None:
    kept = headline(evaluate(*rated).to_dict())
    assert set(kept) == {"n", "space", "ratings"}
    assert kept["ratings"]["valence"]["mae"] == 1
    manifest = rated[0].manifest.model_copy(update={"metrics": {"photos/test": kept}})
    told = card(manifest)
    assert "**Ratings**: valence (1 to 7), arousal (1 to 7)" in told
    assert "**Labels**" not in told
    r = reference.pearsonr(TRUE["valence"], GIVEN[:, 0]).statistic
    assert f"| photos/test | valence | 6 | {r:.3f} |" in told
    assert "macro-F1" not in told
    assert "None yet." in card(rated[0].manifest)
