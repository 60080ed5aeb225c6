"""From a network's logits to probabilities, learned on what it said of samples that it had not seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mien.networks import NEVER
from mien.networks.rows import places
from mien.runtime import probabilities_of

Kind = Literal["temperature", "matrix"]
_C = 0.1  # of the matrix: towards no difference between the labels


@dataclass(frozen=True)
class Calibration:
    """softmax(logits · weights + bias).

    Attributes:
        weights: float64 (labels, labels).
        bias: float64 (labels,).
    """

    weights: np.ndarray
    bias: np.ndarray

    def __call__(self, logits: np.ndarray) -> np.ndarray:
        """Probabilities float32 (n, labels) of logits (n, labels)."""
        return probabilities_of(logits @ self.weights + self.bias, False)


def fit_temperature(logits: np.ndarray, targets: np.ndarray) -> float:
    """The temperature that makes the targets most likely (Guo et al. 2017), within 0.2 .. 5.

    Labels that training never showed, or on every sample, tell nothing of it.

    Args:
        logits: float (n, labels).
        targets: int (n,), or 0/1 (n, labels) for several labels at once.
    """
    logits = logits.astype(np.float64)
    single = targets.ndim == 1
    known = logits[np.arange(len(targets)), targets] != NEVER if single else np.abs(logits) != -NEVER
    logits, targets = logits[known], targets[known]
    if not len(targets):
        return 1.0

    def loss(temperature: float) -> float:
        scaled = logits / temperature
        if single:
            scaled = scaled - scaled.max(1, keepdims=True)
            chosen = scaled[np.arange(len(targets)), targets]
            return float(np.mean(np.log(np.exp(scaled).sum(1)) - chosen))
        return float(np.mean(np.logaddexp(0, scaled) - targets * scaled))

    grid = np.geomspace(0.2, 5, 400)
    return float(grid[np.argmin([loss(t) for t in grid])])


def fit_platt(logits: np.ndarray, holds: np.ndarray) -> tuple[float, float]:
    """Slope and bias of the logistic curve that tells how often a label holds (Platt 1999).

    Args:
        logits: float (n,).
        holds: bool (n,).

    Returns:
        (1, 0) where the label holds always or never, or less often the higher the logit: answers must not turn round.
    """
    (slope,), bias = fit_platts(logits[:, None], holds)
    return slope, bias


def fit_platts(logits: np.ndarray, holds: np.ndarray) -> tuple[list[float], float]:
    """The same for what several models say of a label, float (n, models): a slope for each, and the bias.

    A model whose slope would turn answers round has none; where all would, the first model's logits stand alone.
    """
    kept = list(range(logits.shape[1])) if holds.any() and not holds.all() else []
    slopes = [0.0] * logits.shape[1]
    while kept:
        fitted = LogisticRegression(C=100.0).fit(logits[:, kept].astype(np.float64), holds)
        least = int(fitted.coef_[0].argmin())
        if fitted.coef_[0, least] > 0:
            for place, slope in zip(kept, fitted.coef_[0], strict=True):
                slopes[place] = float(slope)
            return slopes, float(fitted.intercept_[0])
        del kept[least]
    slopes[0] = 1.0
    return slopes, 0.0


def calibrate(kind: Kind, logits: np.ndarray, targets: np.ndarray) -> Calibration:
    """Learn how much logits are worth (Guo et al. 2017, arXiv:1706.04599).

    Args:
        kind: "temperature" divides all by one number; "matrix" is a logistic regression on them, which also sets right
            what a network says too often, or in place of another.
        logits: float (n, labels), of samples that whoever gave them had not learned from.
        targets: int (n,).
    """
    labels = logits.shape[1]
    if kind == "temperature":
        return Calibration(np.eye(labels) / fit_temperature(logits, targets), np.zeros(labels))
    fitted = make_pipeline(StandardScaler(), LogisticRegression(C=_C, max_iter=2000)).fit(logits, targets)
    scaler, model = fitted
    coefficients = model.coef_ / scaler.scale_
    intercepts = model.intercept_ - coefficients @ scaler.mean_
    weights, bias = places(fitted, labels)
    own = weights[-len(coefficients) :]  # scikit-learn keeps the second class's alone of two
    return Calibration(coefficients.T @ own, intercepts @ own + bias)
