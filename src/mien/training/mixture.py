"""The validation data of all data sets together, each counting alike: what further heads are calibrated and tuned on.

The shares of labels on one data set, such as how often a comment is neutral, are those of where it was collected.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mien.datasets import Dataset
from mien.evaluation.metrics import best_thresholds
from mien.labels import LabelSpace
from mien.training.heads import told

if TYPE_CHECKING:
    from mien.model import Manifest
    from mien.training.export import HeadScale
    from mien.training.package import Fitted

EACH = 1000  # samples of each data set


def mixture(parts: Sequence[Dataset], space: LabelSpace, seed: int = 0) -> tuple[list[np.ndarray], np.ndarray]:
    """Which samples tell something in a label space: all of a single data set, up to `EACH` of each of several.

    Returns:
        The rows of each part, int64, and what they tell one after the other, float32 (n, labels); see
        :func:`mien.training.heads.told`.
    """
    rows, found = [], [np.zeros((0, len(space)), np.float32)]
    for part in parts:
        said = told(part, space)
        known = np.zeros(0, np.int64) if said is None else np.flatnonzero(_known(said, space))
        if len(parts) > 1:
            known = np.sort(np.random.default_rng(seed).permutation(known)[:EACH])
        rows.append(known)
        if said is not None:
            found.append(said[known])
    return rows, np.concatenate(found)


def _known(said: np.ndarray, space: LabelSpace) -> np.ndarray:
    return np.asarray(~np.isnan(said).all(1) if space.multilabel else said.any(1))


def scale_head(logits: np.ndarray, said: np.ndarray, multilabel: bool) -> HeadScale:
    """How the logits of a head become probabilities that hold.

    Of one label at a time by a temperature (Guo et al. 2017), of several by a scale and a bias for each (Platt 1999).

    Args:
        logits: float (n, labels).
        said: see :func:`mien.training.heads.told`.
    """
    from mien.training.calibrate import fit_temperature
    from mien.training.export import HeadScale

    labels = logits.shape[1]
    scale, bias = np.ones(labels, np.float32), np.zeros(labels, np.float32)
    if multilabel:
        for place in range(labels):
            scale[place], bias[place] = _platt(logits[:, place], said[:, place])
    else:
        scale /= np.float32(fit_temperature(logits, said.argmax(1)))
    return HeadScale(multilabel, scale, bias)


def _platt(logits: np.ndarray, said: np.ndarray) -> tuple[float, float]:
    from sklearn.linear_model import LogisticRegression

    known = ~np.isnan(said)
    values, wanted = logits[known].astype(np.float64), said[known] > 0
    if wanted.all() or not wanted.any():
        return 1.0, 0.0
    fitted = LogisticRegression(C=100.0).fit(values[:, None], wanted)
    slope = float(fitted.coef_[0, 0])
    return (slope, float(fitted.intercept_[0])) if slope > 0 else (1.0, 0.0)  # it must not turn answers round


def head_thresholds(fitted: Fitted, manifest: Manifest, network: Path) -> dict[str, dict[str, float]]:
    """For each head in which several labels can hold, the thresholds of highest F1 on the mixture."""
    from mien.training.proof import run_network

    found = {}
    for entry in manifest.heads:
        if not entry.multilabel:
            continue
        parts = fitted.mixture
        rows, said = mixture(parts, entry.as_space())
        inputs = [part.inputs[row] for part, some in zip(parts, rows, strict=True) for row in some.tolist()]
        answers = run_network(network, fitted.sampler, inputs)[:, manifest.columns(entry.space)]
        found[entry.space] = _tuned(entry.names, said, answers)
    return found


def _tuned(names: Sequence[str], said: np.ndarray, answers: np.ndarray) -> dict[str, float]:
    tuned = {}
    for place, name in enumerate(names):
        known = ~np.isnan(said[:, place])
        (value,) = best_thresholds(said[known, place, None], answers[known, place, None])
        tuned[name] = round(float(value), 6)
    return tuned
