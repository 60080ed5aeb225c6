"""The thresholds of sure answers and of sets of labels, against cases worked by hand and samples drawn anew."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from mien.model import CertaintyEntry
from mien.training.certainty import choose_certainty


def two(top: list[float]) -> np.ndarray:
    """Probabilities of two labels, of which the first is the top one."""
    return np.array([[score, 1 - score] for score in top])


def test_thresholds_of_twenty_samples_worked_by_hand() -> None:
    """Of the 20, the 10 surest are right but for one, the others but for five."""
    top = [0.99 - 0.02 * place for place in range(20)]  # 0.99 to 0.61
    targets = np.array([0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 1, 0, 0, 1, 0, 1, 0, 1, 0])
    found = choose_certainty(two(top), targets, rate=0.8, coverage=0.9, corpora=["mine"])
    assert found is not None
    # right among the first 10: 9; 11: 9/11; 12: 9/12; 14: 11/14; 15: 11/15; 16: 12/16; 20: 14/20
    assert (found.threshold, found.answered, found.rate, found.bounded) == (0.78, 0.55, 0.8, False)
    assert (found.n, found.corpora, found.coverage) == (20, ["mine"], 0.9)
    # a right label is in the set of 18 samples at 0.37 and of 19 at 0.29: (20 + 1) · 0.9 = 18.9 are needed
    wrong = sorted((1 - score for score, target in zip(top, targets, strict=True) if target), reverse=True)
    assert found.set_threshold == pytest.approx(wrong[4], abs=1e-6), "14 right ones and the 5 best of the others"


def test_the_same_samples_counted_twice_or_weighed_say_the_same() -> None:
    rng = np.random.default_rng(1)
    scores = rng.dirichlet([1, 1, 1], 400)
    targets = np.array([rng.choice(3, p=row) for row in scores])
    weights = rng.integers(1, 4, 400)
    repeated = choose_certainty(np.repeat(scores, weights, 0), np.repeat(targets, weights), rate=0.6)
    weighed = choose_certainty(scores, targets, weights.astype(float), rate=0.6)
    assert repeated
    assert weighed
    assert weighed.answered <= repeated.answered, "fewer samples, a wider interval"
    scaled = choose_certainty(scores, targets, 7.5 * weights, rate=0.6)
    assert scaled == weighed, "only the ratios count"


def test_of_many_samples_the_lower_end_is_stated() -> None:
    """All of the same score, 850 of 1,000 right: Wilson's one-sided lower end is 0.8304, of the best of six 0.8208."""
    targets = np.array([0] * 850 + [1] * 150)
    found = choose_certainty(two([0.9] * 1000), targets, rate=0.83)
    assert found
    assert (found.rate, found.threshold, found.answered, found.bounded) == (0.83, 0.0, 1.0, True)
    best = choose_certainty(two([0.9] * 1000), targets, rate=0.84)
    assert best
    assert (best.rate, best.threshold) == (0.82, 0.0), "what cannot be reached is not stated"
    share, n = 0.85, 1000
    for z, low in ((1.6448536, 830), (2.3939798, 820)):
        reach = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
        assert math.floor(1000 * (share + z * z / (2 * n) - reach) / (1 + z * z / n)) == low


def test_an_answer_of_several_labels_is_right_by_any_of_them() -> None:
    scores = np.tile([0.7, 0.6, 0.1], (40, 1))
    both = np.tile([1.0, 1.0, 0.0], (40, 1))
    found = choose_certainty(scores, both)
    assert found
    assert (found.rate, found.answered, found.set_threshold) == (0.8, 1.0, 1.0)
    second = np.tile([0.0, 1.0, np.nan], (40, 1))
    second[:30] = [1.0, 0.0, np.nan]
    found = choose_certainty(scores, second, coverage=0.9)
    assert found
    assert found.rate == 0.75
    assert found.set_threshold == pytest.approx(0.6, abs=1e-6), "the second label completes the sets"


def test_samples_without_a_known_label_are_left_out() -> None:
    scores = np.tile([0.7, 0.3], (60, 1))
    targets = np.array([0] * 30 + [-1] * 30)
    found = choose_certainty(scores, targets)
    assert found
    assert found.n == 30
    several = np.where(targets[:, None] == 0, [1.0, 0.0], [np.nan, 0.0])
    assert choose_certainty(scores, several) == found


def test_too_little_to_say_anything() -> None:
    scores = two([0.9] * 19)
    assert choose_certainty(scores, np.zeros(19, int)) is None, "19 samples"
    assert choose_certainty(np.ones((50, 1)), np.zeros(50, int)) is None, "one label"
    assert choose_certainty(two([0.9] * 50), np.ones(50, int)) is None, "no answer is right"


def test_few_samples_for_the_coverage_put_every_label_into_the_set() -> None:
    found = choose_certainty(two([0.9] * 30), np.array([0] * 10 + [1] * 20), coverage=0.99)
    assert found
    assert found.set_threshold == 0.0


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10_000), rates=st.lists(st.floats(0.3, 0.95), min_size=2, max_size=5))
def test_the_threshold_grows_with_the_rate(seed: int, rates: list[float]) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.dirichlet(np.full(4, 0.7), 300)
    targets = np.array([rng.choice(4, p=row) for row in scores])
    found = [choose_certainty(scores, targets, rate=rate) for rate in sorted(rates)]
    reached = [entry for entry, rate in zip(found, sorted(rates), strict=True) if entry and entry.rate == rate]
    thresholds = [entry.threshold for entry in reached]
    assert thresholds == sorted(thresholds)
    assert all(entry is None or entry.answered >= 0.05 for entry in found)
    for entry in reached:
        answered = scores.max(1) >= entry.threshold
        assert (scores.argmax(1) == targets)[answered].mean() >= entry.rate
        assert entry.answered == pytest.approx(answered.mean(), abs=1e-4)


@pytest.mark.parametrize(("several", "rate"), [(False, 0.8), (True, 0.8), (False, 0.97)])
def test_what_is_stated_holds_for_samples_drawn_anew(several: bool, rate: float) -> None:
    """Over 60 draws of 500 samples: coverage on average, the rate in 95 % of them, within binomial error."""
    rng = np.random.default_rng(5)

    def draw(n: int) -> tuple[np.ndarray, np.ndarray]:
        if several:
            scores = rng.beta(0.6, 1.2, (n, 5))
            return scores, (rng.random((n, 5)) < scores**1.2).astype(float)  # surer than it should be
        scores = rng.dirichlet(np.full(5, 0.4), n)
        chances = (0.95 * scores + 0.01).cumsum(1)
        return scores, (chances > rng.random((n, 1))).argmax(1)

    covered, right = [], []
    fresh, truth = draw(20_000)
    held = truth == 1 if several else truth[:, None] == np.arange(5)
    known = held.any(1)
    fresh, held = fresh[known], held[known]
    top = fresh.max(1)
    correct = held[np.arange(len(fresh)), fresh.argmax(1)]
    for _ in range(60):
        entry = choose_certainty(*draw(500), rate=rate, coverage=0.9)
        assert entry
        assert entry.rate <= rate
        sets = (fresh >= entry.set_threshold) | (fresh == top[:, None])
        covered.append((sets & held).any(1).mean())
        right.append(correct[top >= entry.threshold].mean() >= entry.rate)
    # one draw's coverage is Beta(0.9 n, 0.1 n): its deviation is sqrt(.09 / n); n is about 500
    assert np.mean(covered) >= 0.9 - 3 * math.sqrt(0.09 / 500 / 60)
    assert np.mean(covered) <= 0.9 + 1 / 400 + 3 * math.sqrt(0.09 / 500 / 60) or correct.mean() > 0.9
    assert 1 - np.mean(right) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 60)


@pytest.mark.parametrize(
    ("scores", "targets", "weights"),
    [
        (two([0.9] * 20), np.zeros(19, int), None),
        (two([0.9] * 20), np.full(20, 2), None),
        (two([0.9] * 20), np.full((20, 2), 0.5), None),
        (two([1.2] * 20), np.zeros(20, int), None),
        (two([math.nan] * 20), np.zeros(20, int), None),
        (two([0.9] * 20), np.zeros(20, int), np.zeros(20)),
        (two([0.9] * 20), np.zeros(20, int), np.ones(19)),
    ],
)
def test_what_does_not_fit_is_refused(scores: np.ndarray, targets: np.ndarray, weights: np.ndarray | None) -> None:
    with pytest.raises(ValueError, match="must"):
        choose_certainty(scores, targets, weights)


def test_entries_have_bounds() -> None:
    good = {"rate": 0.8, "threshold": 0.4, "answered": 0.7, "coverage": 0.9, "set_threshold": 0.1, "n": 20}
    assert CertaintyEntry(**good).corpora == []
    for wrong in ({"threshold": math.nan}, {"set_threshold": -0.1}, {"n": 0}, {"rate": 1.1}, {"more": 1}):
        with pytest.raises(ValidationError):
            CertaintyEntry(**(good | wrong))
