"""Rules that make one answer of many frames.

Probabilities are float arrays (n frames, k labels), rows of which sum to 1, with n at least 1. A rule gives float64
(k,) that sums to 1 too; its largest entry is the rule's answer.

Sum and vote are the two rules of a well-known student system for RAVDESS; all three are among those compared by
Kittler, Hatef, Duin and Matas, "On combining classifiers" (IEEE TPAMI 20(3), 1998): sum, majority vote and product.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mien.segments import checked_rows

_LEAST = 1e-6  # smaller probabilities count as this one, so that a single frame cannot rule a label out


def total(probabilities: np.ndarray) -> np.ndarray:
    """The rule "sum": the label with the highest sum over all frames.

    Returns:
        The mean of the rows.
    """
    summed = checked_rows(probabilities).sum(axis=0)
    return np.asarray(summed / summed.sum())


def vote(probabilities: np.ndarray) -> np.ndarray:
    """The rule "vote": the label that is the best of the most frames; of several, the one with the highest sum.

    A frame in which several labels are best votes for that of them with the highest sum over all frames.

    Returns:
        (votes + mean of the rows) / (n + 1). The mean, which is smaller than one vote, breaks ties.
    """
    rows, mean = checked_rows(probabilities), total(probabilities)
    best = np.where(rows == rows.max(axis=1, keepdims=True), mean, -1.0).argmax(axis=1)
    votes = np.bincount(best, minlength=rows.shape[1])
    return np.asarray((votes + mean) / (len(rows) + 1))


def geometric(probabilities: np.ndarray) -> np.ndarray:
    """The rule "mean": the label with the highest mean of log-probabilities, which is the highest product.

    Probabilities below 0.000001 count as that much.

    Returns:
        The exponentials of those means, divided by their sum.
    """
    mean = np.log(np.maximum(checked_rows(probabilities), _LEAST)).mean(axis=0)
    shares = np.exp(mean - mean.max())
    return np.asarray(shares / shares.sum())


#: Name of a rule → float (n, k) to float64 (k,).
RULES: dict[str, Callable[[np.ndarray], np.ndarray]] = {"sum": total, "vote": vote, "mean": geometric}
