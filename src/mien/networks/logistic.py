"""Logistic regression of all labels at once on rows of numbers: one linear layer (scikit-learn's)."""

from __future__ import annotations

from typing import Any

from pydantic import Field
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from mien.networks.rows import RowSettings, ShapeName, scaled, scaled_layout, shapes


class Settings(RowSettings):
    """What is tried.

    Attributes:
        shape: "yeo-johnson" draws large values in before scaling (Yeo & Johnson 2000).
        c: scikit-learn's inverse of the regularization.
        balanced: whether labels are weighed by the inverse of their frequency.
    """

    shape: list[ShapeName] = Field(["none"], min_length=1)
    c: list[float] = Field([0.1], min_length=1)
    balanced: list[bool] = Field([False], min_length=1)


def search(settings: Settings, seed: int, **_: int) -> tuple[Pipeline, dict[str, Any]]:
    """See :mod:`mien.networks.rows`."""
    weights = ["balanced" if balanced else None for balanced in settings.balanced]
    grid = {"shape": shapes(settings.shape), "classify__C": settings.c, "classify__class_weight": weights}
    return scaled(LogisticRegression(max_iter=2000, random_state=seed)), grid


def layout(pipeline: Pipeline) -> list[dict[str, Any]]:
    """See :mod:`mien.networks.rows`."""
    model = pipeline.named_steps["classify"]
    labels, count = len(model.classes_), model.coef_.size + model.intercept_.size
    last = {"name": "linear", "type": "LogisticRegression", "output": [1, labels], "parameters": count}
    return [scaled_layout(pipeline), last]
