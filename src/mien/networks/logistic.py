"""Logistic regression of all labels at once on rows of numbers: one linear layer (scikit-learn's)."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import Field
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from mien.networks.rows import Graph, RowSettings, ShapeName, scaled, scaled_layout, write_scaled


class Settings(RowSettings):
    """What is tried.

    Attributes:
        shape: how large values are drawn in before scaling.
        c: scikit-learn's inverse of the regularization.
        balanced: whether labels are weighed by the inverse of their frequency.
    """

    shape: list[ShapeName] = Field(["none"], min_length=1)
    c: list[float] = Field([0.1], min_length=1)
    balanced: list[bool] = Field([False], min_length=1)


class Logistic(LogisticRegression):
    """scikit-learn's, whose ``decision_function`` gives logits (n, classes) for two classes too."""

    def weights(self) -> tuple[np.ndarray, np.ndarray]:
        """Coefficients (classes, d) and intercepts (classes,)."""
        if len(self.classes_) > 2:
            return self.coef_, self.intercept_
        half, bias = self.coef_ / 2, self.intercept_ / 2  # scikit-learn keeps the second class's alone
        return np.concatenate([-half, half]), np.concatenate([-bias, bias])

    def decision_function(self, X: np.ndarray) -> np.ndarray:  # noqa: N803
        """Logits float64 (n, classes)."""
        coefficients, intercepts = self.weights()
        return np.asarray(X @ coefficients.T + intercepts)

    def predict(self, X: np.ndarray) -> np.ndarray:  # noqa: N803
        """The class of the largest logit, (n,)."""
        return np.asarray(self.classes_[self.decision_function(X).argmax(1)])


def search(settings: Settings, seed: int) -> tuple[Pipeline, dict[str, Any]]:
    """See :mod:`mien.networks.rows`."""
    weights = ["balanced" if balanced else None for balanced in settings.balanced]
    grid = {"rows__shape": settings.shape, "classify__C": settings.c, "classify__class_weight": weights}
    return scaled(Logistic(max_iter=2000, random_state=seed)), grid


def write(pipeline: Pipeline, graph: Graph, rows: str) -> str:
    """See :mod:`mien.networks.rows`."""
    coefficients, intercepts = pipeline.named_steps["classify"].weights()
    product = graph.add("MatMul", write_scaled(pipeline, graph, rows), coefficients.T.astype(np.float32))
    return graph.add("Add", product, intercepts.astype(np.float32))


def layout(pipeline: Pipeline) -> list[dict[str, Any]]:
    """See :mod:`mien.networks.rows`."""
    labels, width = pipeline.named_steps["classify"].weights()[0].shape
    last = {"name": "linear", "type": "LogisticRegression", "output": [1, labels], "parameters": (width + 1) * labels}
    return [*scaled_layout(pipeline), last]
