"""Thresholds of highest expected F1, and when answers are sure: what a training run writes into the manifest."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from mien.evaluation.metrics import best_thresholds
from mien.training.thresholds import f1_thresholds


def drawn(n: int, seed: int, share: float = 0.05) -> tuple[np.ndarray, np.ndarray]:
    """A rare label, and calibrated probabilities of it."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(np.log(share), 2.0, n)
    scores = 1 / (1 + np.exp(-logits))
    return (generator.random(n) < scores).astype(int), scores


def f1(truth: np.ndarray, said: np.ndarray) -> float:
    return float(2 * (truth * said).sum() / max(1, truth.sum() + said.sum()))


def test_the_threshold_is_half_of_the_highest_f1_that_can_be_expected():
    # Lipton et al. 2014, theorem 1: for calibrated probabilities the best threshold is half of the best F1.
    truth, scores = drawn(200_000, 0)
    (threshold,) = f1_thresholds(truth[:, None], scores[:, None])
    assert threshold == pytest.approx(f1(truth, scores >= threshold) / 2, abs=0.01)


def test_it_is_better_on_other_data_than_the_threshold_that_is_best_on_these():
    other, of_other = drawn(200_000, 1)
    expected, best = [], []
    for seed in range(2, 42):
        truth, scores = drawn(400, seed)
        expected.append(f1(other, of_other >= f1_thresholds(truth[:, None], scores[:, None])[0]))
        best.append(f1(other, of_other >= best_thresholds(truth[:, None], scores[:, None])[0]))
    assert np.mean(expected) > np.mean(best) + 0.005


@settings(deadline=None, max_examples=50)
@given(st.data())
def test_no_cut_has_a_higher_expected_f1(data: st.DataObject):
    n = data.draw(st.integers(2, 40))
    scores = np.array(data.draw(st.lists(st.sampled_from(np.linspace(0.01, 0.99, 21)), min_size=n, max_size=n)))
    truth = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    (threshold,) = f1_thresholds(truth[:, None], scores[:, None])
    if truth.all() or not truth.any():
        assert threshold == 0.5
        return
    logits = np.log(scores / (1 - scores))
    curve = LogisticRegression(C=100.0).fit(logits[:, None], truth)
    right = curve.predict_proba(logits[:, None])[:, 1] if curve.coef_[0, 0] > 0 else scores

    def expected(cut: float) -> float:
        return float(2 * right[scores >= cut].sum() / ((scores >= cut).sum() + right.sum()))

    assert expected(threshold) == pytest.approx(max(expected(cut) for cut in np.unique(scores)), abs=1e-6)
    assert (scores >= threshold).any()


def test_scores_of_zero_and_one_and_a_label_never_given_are_no_trouble():
    truth = np.array([[1, 0], [1, 0], [0, 0], [0, 0]])
    scores = np.array([[1.0, 0.3], [1.0, 0.0], [0.0, 1.0], [0.0, 0.2]])
    found = f1_thresholds(truth, scores)
    assert 0 < found[0] < 1
    assert found[1] == 0.5
    assert ((scores[:, 0] >= found[0]) == truth[:, 0]).all()
