"""When a model is sure: the threshold of an answer and that of the set of labels, chosen on validation data."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from mien.evaluation.certainty import given_labels
from mien.model import CertaintyEntry

LEAST = 0.05  # share of the samples that must be answered
FEW = 20  # samples; of fewer nothing can be said
BOUNDED = 200  # samples, counted by their weight, from which on the lower end of the interval is stated
_Z = 1.6448536269514722  # of 95 %, one-sided
_Z_BEST = 2.3939797998185104  # the same for the best of six (Bonferroni), about what thresholds between the ends are


def choose_certainty(
    probabilities: np.ndarray,
    targets: np.ndarray,
    weights: np.ndarray | None = None,
    rate: float = 0.8,
    coverage: float = 0.9,
    corpora: Sequence[str] = (),
) -> CertaintyEntry | None:
    """The smallest thresholds with which the answers are right so often, and the sets of labels so often complete.

    A sample is right when its top label is one of those given. The threshold is the smallest that leaves answers of
    which at least *rate* are right: by the lower end of a one-sided 95 % interval (Wilson 1927), or by their plain
    share where there are fewer than `BOUNDED` samples; the entry's ``bounded`` says which. Where no threshold that
    answers `LEAST` of the samples gets there, the entry states the best rate that one does get, by a wider interval:
    the best of many looks better than it is.

    The sets come from split conformal prediction (Angelopoulos & Bates 2021, arXiv:2107.07511) with its correction for
    finite samples; a new sample counts as the heaviest of these.

    Args:
        probabilities: (n, labels) floats in 0..1, of samples that the model had not learned from.
        targets: int (n,), negative where unknown; or (n, labels) of 0, 1, and NaN where unknown. Samples without any
            label given are left out.
        weights: (n,) floats above 0, such as those with which each corpus counts equally; 1 each if not given.
        rate: share of the answers that shall be right, in 0..1.
        coverage: share of the samples whose set of labels shall hold a right one, in 0..1.
        corpora: names of the data, for the entry.

    Returns:
        None where there are fewer than `FEW` samples or two labels, or none of the answers is right.

    Raises:
        ValueError: the shapes do not fit, a probability or a target is none, or a weight is not above 0.
    """
    scores, given = np.asarray(probabilities, np.float64), given_labels(targets, np.shape(probabilities))
    heft = np.ones(len(scores)) if weights is None else np.asarray(weights, np.float64)
    if scores.ndim != 2 or not (np.isfinite(scores).all() and (scores >= -1e-6).all() and (scores <= 1 + 1e-5).all()):
        raise ValueError(f"probabilities must lie in 0..1, in shape (n, labels), got shape {scores.shape}")
    if heft.shape != (len(scores),) or not (np.isfinite(heft) & (heft > 0)).all():
        raise ValueError(f"weights must be {len(scores)} numbers above 0, got shape {heft.shape}")
    known = given.any(1)
    scores, given, heft = scores[known].clip(0, 1), given[known], heft[known]
    if len(scores) < FEW or scores.shape[1] < 2:
        return None
    right, top = given[np.arange(len(scores)), scores.argmax(1)], scores.max(1)
    threshold, stated, bounded = _threshold(top, right, heft, rate)
    if not stated:
        return None
    return CertaintyEntry(
        rate=stated,
        threshold=threshold,
        answered=round(float(heft[top >= threshold].sum() / heft.sum()), 4),
        bounded=bounded,
        coverage=coverage,
        set_threshold=_set_threshold(np.where(right, 1.0, np.where(given, scores, 0.0).max(1)), heft, coverage),
        n=len(scores),
        corpora=list(corpora),
    )


def _threshold(top: np.ndarray, right: np.ndarray, heft: np.ndarray, rate: float) -> tuple[float, float, bool]:
    """The smallest threshold of the rate, or of the best rate there is; that rate; whether it is a lower end."""
    order = np.argsort(-top, kind="stable")
    ranked, heft = top[order], heft[order]
    last = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)  # samples of equal score are answered together
    total, squares = np.cumsum(heft), np.cumsum(heft**2)
    shares = np.cumsum(heft * right[order]) / total
    bounded = bool(total[-1] ** 2 / squares[-1] >= BOUNDED)
    last = last[total[last] >= LEAST * total[-1] - 1e-9]
    n = total**2 / squares
    reached = _lower_end(shares, n, _Z) if bounded else shares
    found = np.flatnonzero(reached[last] >= rate - 1e-9)
    if bounded and not len(found):
        reached = _lower_end(shares, n, _Z_BEST)
    place = int(last[found[-1] if len(found) else reached[last].argmax()])
    stated = rate if len(found) else math.floor(1000 * float(reached[place])) / 1000  # down: it must hold
    if place + 1 == len(ranked):
        return 0.0, stated, bounded
    middle = round(float(ranked[place] + ranked[place + 1]) / 2, 6)  # where rounding elsewhere decides nothing
    return (middle if ranked[place + 1] < middle <= ranked[place] else float(ranked[place])), stated, bounded


def _lower_end(shares: np.ndarray, n: np.ndarray, z: float) -> np.ndarray:
    """Of the one-sided interval of a share, so many deviations wide (Wilson 1927)."""
    reach = z * np.sqrt(shares * (1 - shares) / n + z**2 / (4 * n**2))
    ends: np.ndarray = (shares + z**2 / (2 * n) - reach) / (1 + z**2 / n)
    return ends


def _set_threshold(scores: np.ndarray, heft: np.ndarray, coverage: float) -> float:
    """The largest threshold that enough samples reach with a right label; 0 where they are too few to say so.

    Args:
        scores: of the best right label of each sample; 1 where that is the top one, which every set holds.
    """
    order = np.argsort(-scores, kind="stable")
    reached = np.cumsum(heft[order]) / (heft.sum() + heft.max())
    enough = np.flatnonzero(reached >= coverage - 1e-12)
    return math.floor(1e6 * float(scores[order][enough[0]])) / 1e6 if len(enough) else 0.0
