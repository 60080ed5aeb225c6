"""From which probability on a label holds, chosen on validation data so that it is right on other data too."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mien.evaluation.evaluate import rollup_probabilities
from mien.labels import MAPS, LabelSpace, get_space

_TINY = 1e-6


def f1_thresholds(targets: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Per label the threshold of highest expected F1, for a label that holds where probability ≥ threshold.

    The highest F1 on validation data itself is that of a few lucky samples where a label is rare. So a logistic curve
    (Platt 1999) first tells how often the label is right at each probability, and the threshold is the cut at which
    the F1 that the curve expects is highest (Lewis 1995; Lipton et al. 2014, arXiv:1402.1892).

    Args:
        targets: (n, k), 0 or 1.
        probabilities: (n, k) floats in 0..1.

    Returns:
        float64 of shape (k,); 0.5 for a label without positives or negatives.
    """
    from mien.training.calibrate import fit_platt

    truth, scores = np.asarray(targets) > 0, np.asarray(probabilities, np.float64).clip(_TINY, 1 - _TINY)
    logits = np.log(scores / (1 - scores))
    thresholds = np.full(truth.shape[1], 0.5)
    for j in range(truth.shape[1]):
        if truth[:, j].all() or not truth[:, j].any():
            continue
        slope, bias = fit_platt(logits[:, j], truth[:, j])
        order = np.argsort(-scores[:, j], kind="stable")
        ranked, right = scores[order, j], 1 / (1 + np.exp(-(slope * logits[order, j] + bias)))
        last = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)  # equal scores are cut together
        expected = 2 * np.cumsum(right)[last] / (last + 1 + right.sum())
        best = int(expected.argmax())
        least, below = ranked[last[best]], ranked[last[best] + 1] if best + 1 < len(last) else 0.0
        middle = (least + below) / 2
        thresholds[j] = middle if middle > below else least  # neighbors so near that nothing lies between
    return thresholds


def named_thresholds(names: Sequence[str], targets: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """Label → its threshold, by the samples of which it is known: *targets* may be NaN."""
    found = {}
    for place, name in enumerate(names):
        known = ~np.isnan(targets[:, place])
        (value,) = f1_thresholds(targets[known, place, None], probabilities[known, place, None])
        found[name] = round(float(value), 6)
    return found


def choose_thresholds(
    own: LabelSpace, targets: np.ndarray, probabilities: np.ndarray
) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """Thresholds per label of the set's own space, and of each coarser space there is a map to."""
    rollups = {}
    for source, target in MAPS:
        if source == own.name:
            coarse = get_space(target)
            held = rollup_probabilities(targets, own, coarse)
            fits = held.any(1)  # a report in that space leaves out the others
            scores = rollup_probabilities(probabilities, own, coarse)
            rollups[target] = named_thresholds(coarse.names, held[fits], scores[fits])
    return named_thresholds(own.names, targets, probabilities), rollups
