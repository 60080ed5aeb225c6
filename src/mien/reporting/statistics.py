"""Statistics of shares: intervals, differences between groups, and what of them is more than chance.

All are made of counts, so memory does not grow with the rows, and none needs SciPy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

Z = 1.959963984540054  # of 95 %
LEVEL = 0.05
_DRAWS = 2000


def wilson(count: float, n: int) -> tuple[float, float]:
    """The 95 % interval of a share of *count* in *n* rows, by Wilson's score (JASA 22, 1927).

    A bootstrap over rows draws a share from a binomial distribution of the share that was found; at 0 of 5 rows that
    interval is empty. Wilson's has the same width where rows are many, holds its 95 % where they are few, and
    stays in 0..1; Brown, Cai and DasGupta (Statistical Science 16, 2001) recommend it.
    """
    if not n:
        return 0.0, 1.0
    share = count / n
    middle = share + Z * Z / (2 * n)
    half = Z * math.sqrt(share * (1 - share) / n + Z * Z / (4 * n * n))
    low, high = (middle - half) / (1 + Z * Z / n), (middle + half) / (1 + Z * Z / n)
    return (0.0 if count == 0 else max(0.0, low)), (1.0 if count == n else min(1.0, high))


def bootstrap_shares(parts: np.ndarray, seed: int = 0) -> list[tuple[float, float]]:
    """The 95 % intervals of each label's share of time, by the percentile bootstrap over people.

    The people are drawn with replacement (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13),
    because the moments of one person are no independent rows.

    Args:
        parts: seconds of each person (rows) with each label (columns).
    """
    people = len(parts)
    drawn = np.random.default_rng(seed).multinomial(people, np.full(people, 1 / people), _DRAWS) @ parts
    shares = drawn / np.maximum(drawn.sum(1, keepdims=True), 1e-12)
    low, high = np.percentile(shares, [2.5, 97.5], axis=0)
    return [(float(a), float(b)) for a, b in zip(low, high, strict=True)]


def difference(count: int, n: int, others: int, rest: int) -> tuple[float, float, float]:
    """How much larger the share in *n* rows is than that in *rest* rows, and its 95 % interval.

    By Newcombe's hybrid of Wilson's intervals (Statistics in Medicine 17, 1998, method 10).
    """
    one, other = count / n, others / rest
    (low, high), (low2, high2) = wilson(count, n), wilson(others, rest)
    down = math.hypot(one - low, high2 - other)
    return one - other, one - other - down, one - other + math.hypot(high - one, other - low2)


def two_sided_p(count: int, n: int, others: int, rest: int) -> float:
    """The probability of such a difference between two shares, or a larger one, were there none.

    Pearson's chi-squared test, or Fisher's exact test where fewer than 5 rows are expected in a cell (Cochran 1954).
    """
    hits, total = count + others, n + rest
    misses = total - hits
    if not (hits and misses and n and rest):
        return 1.0
    if min(hits, misses) * min(n, rest) / total < 5:
        return _fisher(count, n, hits, total)
    square = total * (count * (rest - others) - others * (n - count)) ** 2 / (hits * misses * n * rest)
    return math.erfc(math.sqrt(square / 2))


def _fisher(count: int, n: int, hits: int, total: int) -> float:
    """Sums up the hypergeometric probabilities of all tables that are as rare as this one."""
    low, high = max(0, n + hits - total), min(n, hits)

    def logarithm(k: int) -> float:
        return _choose(hits, k) + _choose(total - hits, n - k) - _choose(total, n)

    here = logarithm(count) + 1e-7  # of tables that are equally rare
    found = (logarithm(k) for k in range(low, high + 1))
    return min(1.0, math.fsum(math.exp(value) for value in found if value <= here))


def _choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def adjust(values: Sequence[float]) -> list[float]:
    """The p-values of many comparisons, adjusted by Benjamini and Hochberg (JRSS B 57, 1995).

    Of the differences whose adjusted value is below 0.05, about one in twenty is chance.
    """
    order = sorted(range(len(values)), key=lambda place: values[place], reverse=True)
    adjusted, least = [0.0] * len(values), 1.0
    for rank, place in zip(range(len(values), 0, -1), order, strict=True):
        least = min(least, values[place] * len(values) / rank)
        adjusted[place] = least
    return adjusted
