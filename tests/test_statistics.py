"""Statistics of reports, against examples worked by hand, published tables, and SciPy."""

from __future__ import annotations

import numpy as np
import pytest

from mien.reporting.examples import Example, Examples, Sample
from mien.reporting.statistics import adjust, bootstrap_shares, difference, two_sided_p, wilson

stats = pytest.importorskip("scipy.stats")


def test_wilson_by_hand_and_by_scipy() -> None:
    assert wilson(0, 10) == pytest.approx((0, 0.2775), abs=5e-5)  # z² / (n + z²)
    for count, n in ((1, 3), (7, 40), (20, 20), (312, 1000)):
        reference = stats.binomtest(count, n).proportion_ci(method="wilson")
        assert wilson(count, n) == pytest.approx((reference.low, reference.high), abs=1e-9)
    assert wilson(0, 0) == (0, 1)


def test_wilson_is_the_bootstrap_over_rows_where_rows_are_many() -> None:
    drawn = np.random.default_rng(1).binomial(2000, 0.3, 20_000) / 2000
    assert wilson(600, 2000) == pytest.approx(np.percentile(drawn, [2.5, 97.5]), abs=2e-3)


def test_a_difference_and_its_interval_as_newcombe_published_it() -> None:
    assert difference(56, 70, 48, 80) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)  # 1998, table II, (a)
    assert difference(9, 10, 3, 10) == pytest.approx((0.6, 0.1705, 0.8090), abs=5e-5)  # (b)


@pytest.mark.parametrize("table", [(56, 70, 48, 80), (9, 10, 3, 10), (0, 12, 5, 40), (2, 400, 9, 500), (1, 1, 0, 9)])
def test_p_values_are_those_of_scipy(table: tuple[int, int, int, int]) -> None:
    count, n, others, rest = table
    cells = np.array([[count, n - count], [others, rest - others]])
    few = stats.contingency.expected_freq(cells).min() < 5
    expected = stats.fisher_exact(cells).pvalue if few else stats.chi2_contingency(cells, correction=False).pvalue
    assert two_sided_p(*table) == pytest.approx(expected, rel=1e-6)


def test_no_difference_can_be_seen_where_nothing_was_counted() -> None:
    assert two_sided_p(0, 20, 0, 30) == two_sided_p(20, 20, 30, 30) == 1


def test_adjusted_p_values_by_hand_and_by_scipy() -> None:
    values = [0.01, 0.04, 0.03, 0.005, 0.5]
    assert adjust(values) == pytest.approx([0.025, 0.05, 0.05, 0.025, 0.5])
    assert adjust(values) == pytest.approx(stats.false_discovery_control(values).tolist())
    assert adjust([]) == []


def test_the_bootstrap_draws_people_and_not_moments() -> None:
    same = bootstrap_shares(np.array([[6.0, 4.0]] * 30))
    assert same == [pytest.approx((0.6, 0.6)), pytest.approx((0.4, 0.4))], "people who are alike leave no doubt"
    apart = bootstrap_shares(np.array([[10.0, 0.0]] * 15 + [[0.0, 10.0]] * 15))
    assert apart[0] == pytest.approx(wilson(15, 30), abs=0.03), "30 people are 30, however many moments they have"


def test_a_sample_is_even_bounded_and_in_order() -> None:
    counts = np.zeros(100)
    for seed in range(400):
        sample = Sample[int](10, seed)
        for number in range(100):
            sample.add(lambda number=number: number)  # type: ignore[misc]
        found = sample.items()
        assert (len(found), sample.seen, found) == (10, 100, sorted(set(found)))
        counts[found] += 1
    assert stats.chisquare(counts).pvalue > 1e-3


def test_the_surest_are_the_highest_and_the_typical_the_middle() -> None:
    examples = Examples()
    scores = [0.5, 0.6, 0.95, 0.7, 0.71, 0.9, 0.69, 0.95, 0.8, 0.55]
    for place, score in enumerate(scores):
        quote = Example(f"quote {place if place != 7 else 2}", score, (score, 1 - score))
        examples.add(score, lambda quote=quote: quote)  # type: ignore[misc]
    assert [round(example.score, 2) for example in examples.surest] == [0.95, 0.9, 0.8, 0.71, 0.7], "none twice"
    mean = np.mean([score for place, score in enumerate(scores) if place != 2])
    nearest = sorted({score for place, score in enumerate(scores) if place != 2}, key=lambda score: abs(score - mean))
    assert [example.score for example in examples.typical] == nearest[:3]
