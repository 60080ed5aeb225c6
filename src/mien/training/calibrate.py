"""From a network's logits to probabilities, learned on what it said of samples that it had not seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mien.networks.rows import places
from mien.runtime import probabilities_of
from mien.training.export import fit_temperature

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
