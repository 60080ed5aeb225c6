"""Figures that say how good ratings are, such as valence and arousal: numbers on a scale. numpy only.

What is undefined is None: a correlation where either side has one value only, and everything without samples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

POINTS = 2000  # of a scatter plot, at most


def rating_metrics(true: np.ndarray, predicted: np.ndarray) -> dict[str, Any]:
    """All figures of one rating, over the samples whose true value is known.

    Args:
        true: floats (n,), NaN where not known.
        predicted: floats (n,), on the same scale.

    Returns:
        Plain values, ready for JSON: "n" known; "pearson" with "pearson_interval", where it lies with 95 % confidence;
        "spearman", the correlation of the ranks; "ccc", the concordance correlation (Lin 1989), which is 1 only where
        the values themselves agree; "mae" and "rmse", mean absolute and root mean square error, in units of the scale;
        and "baseline", those two errors of always saying the mean of these samples.

    Raises:
        ValueError: the shapes do not fit, or a prediction is no finite number.
    """
    true, predicted = np.asarray(true, np.float64), np.asarray(predicted, np.float64)
    if true.ndim != 1 or predicted.shape != true.shape or not np.isfinite(predicted).all():
        raise ValueError(f"there must be {true.shape} finite predictions, got shape {predicted.shape}")
    known = ~np.isnan(true)
    t, p = true[known], predicted[known]
    if not len(t):
        empty = dict.fromkeys(("pearson", "pearson_interval", "spearman", "ccc", "mae", "rmse"))
        return {"n": 0, **empty, "baseline": {"mae": None, "rmse": None}}
    r, error, spread = pearson(t, p), p - t, t - t.mean()
    return {
        "n": len(t),
        "pearson": r,
        "pearson_interval": fisher_interval(r, len(t)),
        "spearman": pearson(_ranks(t), _ranks(p)),
        "ccc": concordance(t, p),
        "mae": float(np.abs(error).mean()),
        "rmse": float(np.sqrt(np.square(error).mean())),
        "baseline": {"mae": float(np.abs(spread).mean()), "rmse": float(np.sqrt(np.square(spread).mean()))},
    }


def all_rating_metrics(
    ratings: Mapping[str, np.ndarray], predicted: np.ndarray, scales: Mapping[str, tuple[float, float]]
) -> dict[str, dict[str, Any]]:
    """:func:`rating_metrics` of each rating, with its "scale".

    Args:
        ratings: name → true values (n,).
        predicted: (n, ratings), in their order.
        scales: name → lowest and highest value.
    """
    return {
        name: {"scale": list(scales[name]), **rating_metrics(values, predicted[:, place])}
        for place, (name, values) in enumerate(ratings.items())
    }


def pearson(a: np.ndarray, b: np.ndarray) -> float | None:
    """The correlation of two (n,), -1..1; None where either has one value only."""
    if len(a) < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return None
    x, y = a - a.mean(), b - b.mean()
    x, y = x / np.abs(x).max(), y / np.abs(y).max()  # squares of tiny numbers would be 0
    return float(np.clip((x @ y) / np.sqrt((x @ x) * (y @ y)), -1, 1))


def concordance(true: np.ndarray, predicted: np.ndarray) -> float | None:
    """Lin's concordance correlation, 2 cov / (var + var + (difference of means)²); None where all are one value."""
    between = np.mean((true - true.mean()) * (predicted - predicted.mean()))
    below = true.var() + predicted.var() + np.square(true.mean() - predicted.mean())
    return float(2 * between / below) if below > 0 else None


def fisher_interval(r: float | None, n: int) -> list[float] | None:
    """Where a correlation lies with 95 % confidence (Fisher 1921): [low, high]; None for fewer than 4 samples."""
    if r is None or n < 4:
        return None
    if abs(r) == 1:
        return [r, r]
    middle, reach = np.arctanh(r), 1.959963984540054 / np.sqrt(n - 3)
    return [float(np.tanh(middle - reach)), float(np.tanh(middle + reach))]


def scatter(true: np.ndarray, predicted: np.ndarray, most: int = POINTS, seed: int = 0) -> list[list[float]]:
    """Pairs of true and predicted value for a plot; of more than *most* that many, drawn at random."""
    rows = np.flatnonzero(~np.isnan(true))
    if len(rows) > most:
        rows = np.sort(np.random.default_rng(seed).permutation(rows)[:most])
    return [[round(float(true[row]), 4), round(float(predicted[row]), 4)] for row in rows]


def rescaled(predicted: np.ndarray, source: Sequence[float], target: Sequence[float]) -> np.ndarray:
    """Ratings (n,) of one scale on another, the ends on the ends."""
    share = (predicted - source[0]) / (source[1] - source[0])
    return np.asarray(target[0] + share * (target[1] - target[0]))


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 1; equal values share the mean of theirs."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: np.ndarray = (np.cumsum(counts) - (counts - 1) / 2)[place]
    return ranks
