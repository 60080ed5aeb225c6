"""Every figure against scikit-learn, and the two that it lacks against examples worked by hand."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn import metrics as sk

from mien.evaluation.metrics import (
    average_precision,
    best_thresholds,
    calibration,
    multi_label_metrics,
    normalized,
    roc_auc,
    single_label_metrics,
    wilson_interval,
)


@st.composite
def single_cases(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Targets (n,) and probabilities (n, k), with ties, labels without samples and single samples among them."""
    n, k = draw(st.integers(1, 40)), draw(st.integers(2, 8))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    targets = rng.integers(0, draw(st.integers(1, k)), n)
    steps = draw(st.sampled_from([3, 5, 1000]))  # few steps: many ties
    weights = rng.integers(1, steps + 1, (n, k)).astype(np.float64)
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    return targets, (weights / weights.sum(1, keepdims=True)).astype(dtype)


@st.composite
def multi_cases(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Targets and probabilities (n, k) and thresholds (k,), with ties and labels without or with only positives."""
    n, k = draw(st.integers(1, 40)), draw(st.integers(2, 7))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    targets = (rng.random((n, k)) < rng.choice([0.0, 0.1, 0.5, 1.0], k)).astype(np.float32)
    steps = draw(st.sampled_from([2, 10, 10_000]))
    probabilities = (rng.integers(0, steps + 1, (n, k)) / steps).astype(draw(st.sampled_from([np.float32, np.float64])))
    return targets, probabilities, rng.choice([0.0, 0.3, 0.5, 1.0], k)


def names(k: int) -> list[str]:
    return [f"label {j}" for j in range(k)]


def column(found: dict, kind: str) -> list:
    return [row[kind] for row in found["per_label"].values()]


@settings(deadline=None, max_examples=60)
@given(single_cases())
def test_single_label_agrees_with_sklearn(case):
    targets, probabilities = case
    k = probabilities.shape[1]
    labels = range(k)
    found = single_label_metrics(targets, probabilities, names(k))
    predicted = probabilities.argmax(1)

    assert found["n"] == len(targets)
    assert found["accuracy"] == pytest.approx(sk.accuracy_score(targets, predicted))
    parts = sk.precision_recall_fscore_support(targets, predicted, labels=labels, zero_division=0)
    for kind, expected in zip(("precision", "recall", "f1", "support"), parts, strict=True):
        assert column(found, kind) == pytest.approx(expected.tolist())
    for average in ("macro", "weighted"):
        mean = sk.precision_recall_fscore_support(targets, predicted, labels=labels, average=average, zero_division=0)
        assert [found["averages"][average][kind] for kind in ("precision", "recall", "f1")] == pytest.approx(mean[:3])
        assert found[f"{average}_f1"] == pytest.approx(mean[2])
    present = sk.f1_score(targets, predicted, labels=np.unique(targets), average="macro", zero_division=0)
    assert found["macro_f1_present"] == pytest.approx(present)
    assert found["confusion"]["counts"] == sk.confusion_matrix(targets, predicted, labels=labels).tolist()
    shares = sk.confusion_matrix(targets, predicted, labels=labels, normalize="true")
    assert np.array(found["confusion"]["shares"]) == pytest.approx(shares)
    if k > 2:  # scikit-learn lets the later label go first on a tie: turn the labels round
        top = sk.top_k_accuracy_score(k - 1 - targets, probabilities[:, ::-1], k=2, labels=labels)
        assert found["top2_accuracy"] == pytest.approx(top)
    loss = sk.log_loss(np.eye(k, dtype=int)[targets], probabilities)
    assert found["log_loss"] == pytest.approx(loss, rel=1e-5)
    json.dumps(found, allow_nan=False)


@settings(deadline=None, max_examples=60)
@given(multi_cases())
def test_multi_label_agrees_with_sklearn(case):
    targets, probabilities, thresholds = case
    k = targets.shape[1]
    found = multi_label_metrics(targets, probabilities, names(k), thresholds)
    predicted = (probabilities >= thresholds).astype(int)

    assert found["accuracy"] == pytest.approx(sk.accuracy_score(targets, predicted))
    parts = sk.precision_recall_fscore_support(targets, predicted, zero_division=0)
    for kind, expected in zip(("precision", "recall", "f1", "support"), parts, strict=True):
        assert column(found, kind) == pytest.approx(expected.tolist())
    for average in ("macro", "micro", "weighted"):
        expected = sk.f1_score(targets, predicted, average=average, zero_division=0)
        assert found[f"{average}_f1"] == pytest.approx(expected)
    reference = sk.classification_report(targets, predicted, output_dict=True, zero_division=0)
    assert set(found["averages"]) == {"macro", "weighted", "micro", "samples"}
    for average, row in found["averages"].items():
        kinds = {"precision": "precision", "recall": "recall", "f1": "f1-score"}
        assert row == pytest.approx({kind: reference[f"{average} avg"][name] for kind, name in kinds.items()})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of labels without positives
        expected = [sk.average_precision_score(targets[:, j], probabilities[:, j]) for j in range(k)]
    assert column(found, "average_precision") == pytest.approx(expected)
    assert found["map"] == pytest.approx(np.mean(expected))
    for name, row, cell in zip(
        names(k),
        sk.multilabel_confusion_matrix(targets, predicted),
        found["confusion"]["per_label"].values(),
        strict=True,
    ):
        assert [[cell["tn"], cell["fp"]], [cell["fn"], cell["tp"]]] == row.tolist(), name
    for j, area in enumerate(column(found, "roc_auc")):
        if 0 < targets[:, j].sum() < len(targets):
            assert area == pytest.approx(sk.roc_auc_score(targets[:, j], probabilities[:, j]))
        else:
            assert area is None
    for i, j in np.ndindex(k, k):
        carriers = targets[:, i] > 0
        for kind, there in (("predicted", predicted), ("true", targets)):
            expected = there[carriers, j].mean() if carriers.any() else 0
            assert found["cooccurrence"][kind][i][j] == pytest.approx(expected)
    json.dumps(found, allow_nan=False)


def test_cooccurrence_by_hand():
    """Four samples, worked out on paper.

    ====== ======= =========
    sample true    predicted
    ====== ======= =========
    1      a b     a
    2      a       a b
    3      b c     b c
    4      a c     c
    ====== ======= =========

    a is true in 1, 2 and 4: there a was predicted in 1 and 2 (2/3), b in 2 (1/3), c in 4 (1/3). b is true in 1 and 3:
    there a in 1, b and c in 3 (1/2 each). c is true in 3 and 4: there a never, b in 3 (1/2), c in both (1).
    """
    true = np.array([[1, 1, 0], [1, 0, 0], [0, 1, 1], [1, 0, 1]])
    said = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 1], [0, 0, 1]])
    found = multi_label_metrics(true, said * 0.8, ["a", "b", "c"], np.full(3, 0.5))["cooccurrence"]
    assert found["labels"] == ["a", "b", "c"]
    assert found["predicted"] == [[2 / 3, 1 / 3, 1 / 3], [1 / 2, 1 / 2, 1 / 2], [0, 1 / 2, 1]]
    assert found["true"] == [[1, 1 / 3, 1 / 3], [1 / 2, 1, 1 / 2], [1 / 2, 1 / 2, 1]]


@settings(deadline=None, max_examples=60)
@given(multi_cases())
def test_best_thresholds_are_the_best_there_are(case):
    targets, probabilities, _ = case
    chosen = best_thresholds(targets, probabilities)
    assert chosen.dtype == np.float64
    for j, threshold in enumerate(chosen):
        truth, scores = targets[:, j].astype(int), probabilities[:, j].astype(np.float64)
        if not truth.any():
            assert threshold == 0.5
            continue

        def f1(cut: float, truth: np.ndarray = truth, scores: np.ndarray = scores) -> float:
            return float(sk.f1_score(truth, scores >= cut, zero_division=0))

        every_cut = {cut: f1(cut) for cut in np.unique(scores)}
        best = max(every_cut.values())
        assert f1(threshold) == pytest.approx(best)
        highest = max(cut for cut, value in every_cut.items() if value > best - 1e-12)
        assert (scores >= threshold).sum() == (scores >= highest).sum()


def test_best_thresholds_by_hand():
    probabilities = np.array([[0.9, 0.2, 0.3], [0.7, 0.4, 0.3], [0.4, 0.6, 0.1], [0.1, 0.8, 0.1]])
    targets = np.array([[1, 0, 1], [1, 1, 1], [0, 0, 1], [0, 0, 1]])
    # 1: cut between .7 and .4 is perfect. 2: F1 of the cuts is 0, 0, 1/2, 2/5: between .4 and .2.
    # 3: all are positive, so the cut is below the lowest: half of .1.
    assert best_thresholds(targets, probabilities).tolist() == pytest.approx([0.55, 0.3, 0.05])


def test_of_thresholds_of_equal_f1_the_higher_is_chosen():
    # Down the ranking: right, wrong, wrong, right: F1 after 1 is 2/3, after 4 it is 2·2/(4+2) = 2/3.
    scores, truth = np.array([[0.8], [0.6], [0.4], [0.2]]), np.array([[1], [0], [0], [1]])
    assert best_thresholds(truth, scores)[0] == pytest.approx(0.7)


def test_threshold_between_neighboring_numbers_keeps_them_apart():
    low = 0.5
    high = np.nextafter(low, 1)
    found = best_thresholds(np.array([[1], [0]]), np.array([[high], [low]]))[0]
    assert low < found <= high


def test_ece_by_hand():
    # Bins of 1/15: .62 and .66 in (.600, .667], means .64 and 1/2; .95 and .97 in the last, means .96 and 1; .30 alone.
    confidences = np.array([0.62, 0.66, 0.95, 0.97, 0.30])
    correct = np.array([True, False, True, True, False])
    found = calibration(confidences, correct)
    assert found["ece"] == pytest.approx((2 * 0.14 + 2 * 0.04 + 1 * 0.30) / 5)
    assert len(found["bins"]) == 15
    filled = {place: b for place, b in enumerate(found["bins"]) if b["count"]}
    assert list(filled) == [4, 9, 14]
    assert filled[9] == {
        "low": 0.6,
        "high": pytest.approx(10 / 15),
        "count": 2,
        "confidence": pytest.approx(0.64),
        "accuracy": 0.5,
    }
    assert found["bins"][0]["confidence"] is None


def test_ece_puts_edges_in_the_lower_bin_and_zero_in_the_first():
    found = calibration(np.array([0.0, 1 / 15, 0.2, 1.0]), np.array([0, 0, 0, 1]))
    assert [place for place, b in enumerate(found["bins"]) for _ in range(b["count"])] == [0, 0, 2, 14]


def test_multi_label_calibration_pools_all_labels():
    targets, probabilities = np.array([[1, 0], [0, 0]]), np.array([[0.9, 0.1], [0.1, 0.1]])
    found = multi_label_metrics(targets, probabilities, ["a", "b"], np.array([0.5, 0.5]))["calibration"]
    assert sum(b["count"] for b in found["bins"]) == 4
    assert found["ece"] == pytest.approx(0.1)


def test_rows_that_do_not_sum_to_one_are_divided_by_their_sum():
    rows = np.array([[0.8, 0.8], [0.0, 0.0], [0.3, 0.1]])
    assert normalized(rows).tolist() == [[0.5, 0.5], [0.5, 0.5], pytest.approx([0.75, 0.25])]
    found = single_label_metrics(np.array([0, 0, 0]), rows, ["a", "b"])
    assert found["accuracy"] == 1
    assert found["log_loss"] == pytest.approx(-np.log([0.5, 0.5, 0.75]).mean())


@pytest.mark.parametrize(("hits", "n"), [(0, 5), (5, 5), (3, 10), (1842, 2000)])
def test_wilson_interval(hits, n):
    expected = binomtest(hits, n).proportion_ci(method="wilson")
    assert wilson_interval(hits, n) == pytest.approx([expected.low, expected.high], abs=1e-12)


def test_labels_without_samples_or_predictions_count_as_zero():
    found = single_label_metrics(np.array([0, 0]), np.array([[0.6, 0.4, 0.0], [0.9, 0.1, 0.0]]), ["a", "b", "c"])
    assert found["per_label"]["c"] == {"precision": 0, "recall": 0, "f1": 0, "support": 0}
    assert found["macro_f1"] == pytest.approx(1 / 3)
    assert found["macro_f1_present"] == 1
    assert found["baseline"] == {"label": "a", "accuracy": 1.0}


def test_average_precision_and_area_of_one_class_only():
    assert average_precision(np.array([False, False]), np.array([0.1, 0.2])) == 0
    assert average_precision(np.array([True, True]), np.array([0.1, 0.2])) == 1
    assert roc_auc(np.array([True, True]), np.array([0.1, 0.2])) is None


@pytest.mark.parametrize(
    ("targets", "probabilities"),
    [
        ([0, 2], [[0.5, 0.5], [0.5, 0.5]]),
        ([0, -1], [[0.5, 0.5], [0.5, 0.5]]),
        ([0], [[0.5, 0.5], [0.5, 0.5]]),
        ([0], [[0.5, 0.3, 0.2]]),
        ([0], [[float("nan"), 1.0]]),
        ([0], [[1.5, 0.1]]),
        ([], np.zeros((0, 2))),
    ],
)
def test_wrong_shapes_and_values_are_refused(targets, probabilities):
    with pytest.raises(ValueError, match="must"):
        single_label_metrics(np.array(targets, np.int64), np.array(probabilities), ["a", "b"])


def test_wrong_multi_label_arguments_are_refused():
    scores = np.array([[0.5, 0.5]])
    with pytest.raises(ValueError, match="0 or 1"):
        multi_label_metrics(np.array([[2, 0]]), scores, ["a", "b"], np.array([0.5, 0.5]))
    with pytest.raises(ValueError, match="2 thresholds"):
        multi_label_metrics(np.array([[1, 0]]), scores, ["a", "b"], np.array([0.5]))
