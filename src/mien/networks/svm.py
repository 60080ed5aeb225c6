"""Support vector machines with a kernel, one for each label against the rest (scikit-learn's libsvm)."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from pydantic import Field
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics.pairwise import pairwise_kernels
from sklearn.pipeline import Pipeline
from sklearn.svm import SVC

from mien.networks.rows import Graph, RowSettings, ShapeName, scaled, scaled_layout, write_scaled

_COLUMNS = 4  # of which distances are added up at a time
MOST = 12_000  # rows: the kernel of as many takes 1.2 GB


class Settings(RowSettings):
    """What is tried.

    Attributes:
        shape: how large values are drawn in before scaling.
        kernel: "rbf" exp(-γ Σ(x - v)²), "laplacian" exp(-γ Σ|x - v|), or "linear" Σ x·v.
        c: scikit-learn's inverse of the regularization.
        gamma: γ in units of 1 / the number of columns, so that the same values suit few columns and many.
        balanced: whether labels are weighed by the inverse of their frequency.
    """

    shape: list[ShapeName] = Field(["none"], min_length=1)
    kernel: list[Literal["rbf", "laplacian", "linear"]] = Field(["rbf"], min_length=1)
    c: list[float] = Field([1.0], min_length=1)
    gamma: list[float] = Field([1.0], min_length=1)
    balanced: list[bool] = Field([False], min_length=1)


class KernelSVC(ClassifierMixin, BaseEstimator):
    """``OneVsRestClassifier(SVC(kernel))`` with the kernel computed once for all labels.

    ``decision_function`` gives the margin of each class, float64 (n, classes), for two classes too.
    """

    def __init__(self, kernel: str = "rbf", c: float = 1.0, gamma: float = 1.0, balanced: bool = False) -> None:
        self.kernel = kernel
        self.c = c
        self.gamma = gamma
        self.balanced = balanced

    def fit(self, X: np.ndarray, y: np.ndarray) -> KernelSVC:  # noqa: N803
        """Learn from float (n, d) and int (n,).

        Raises:
            ValueError: fewer than two classes, or more than `MOST` rows.
        """
        self.classes_ = np.unique(y)
        if len(self.classes_) < 2:
            raise ValueError("one label only")
        if len(X) > MOST:
            raise ValueError(f"{len(X):,} rows are too many for a kernel, which takes {MOST:,} at most")
        kernel = self._kernel(X, X)
        weight = "balanced" if self.balanced else None
        coefficients = np.zeros((len(X), len(self.classes_)))
        self.intercept_ = np.zeros(len(self.classes_))
        for place, label in enumerate(self.classes_):
            machine = SVC(C=self.c, kernel="precomputed", class_weight=weight).fit(kernel, y == label)
            coefficients[machine.support_, place] = machine.dual_coef_[0]
            self.intercept_[place] = machine.intercept_[0]
        support = coefficients.any(1)
        self.vectors_, self.coefficients_ = np.asarray(X)[support], coefficients[support]
        return self

    def decision_function(self, X: np.ndarray) -> np.ndarray:  # noqa: N803
        """Margins float64 (n, classes)."""
        return np.asarray(self._kernel(X, self.vectors_) @ self.coefficients_ + self.intercept_)

    def predict(self, X: np.ndarray) -> np.ndarray:  # noqa: N803
        """The class of the widest margin, (n,)."""
        return np.asarray(self.classes_[self.decision_function(X).argmax(1)])

    def _kernel(self, rows: np.ndarray, others: np.ndarray) -> np.ndarray:
        gamma = {} if self.kernel == "linear" else {"gamma": self.gamma / rows.shape[1]}
        return np.asarray(pairwise_kernels(rows, others, metric=self.kernel, **gamma))


def search(settings: Settings, seed: int) -> tuple[Pipeline, list[dict[str, Any]]]:
    """See :mod:`mien.networks.rows`."""
    common = {"rows__shape": settings.shape, "classify__c": settings.c, "classify__balanced": settings.balanced}
    curved = [kernel for kernel in settings.kernel if kernel != "linear"]
    grid: list[dict[str, Any]] = []
    if curved:
        grid.append({**common, "classify__kernel": curved, "classify__gamma": settings.gamma})
    if "linear" in settings.kernel:
        grid.append({**common, "classify__kernel": ["linear"]})
    return scaled(KernelSVC()), grid


def write(pipeline: Pipeline, graph: Graph, rows: str) -> str:
    """See :mod:`mien.networks.rows`."""
    model: KernelSVC = pipeline.named_steps["classify"]
    rows, vectors = write_scaled(pipeline, graph, rows), model.vectors_.astype(np.float32)
    if model.kernel == "linear":
        weights = (model.vectors_.T @ model.coefficients_).astype(np.float32)
        return graph.add("Add", graph.add("MatMul", rows, weights), model.intercept_.astype(np.float32))
    gamma = np.array(-model.gamma / vectors.shape[1], np.float32)
    if model.kernel == "rbf":  # Σ(x - v)² = Σx² - 2 Σxv + Σv²
        squares = graph.add("MatMul", graph.add("Mul", rows, rows), np.ones((vectors.shape[1], 1), np.float32))
        products = graph.add("MatMul", rows, (-2 * vectors).T)
        both = graph.add("Add", graph.add("Add", squares, products), (vectors**2).sum(1))
        kernel = graph.add("Exp", graph.add("Mul", graph.add("Relu", both), gamma))
    else:
        kernel = graph.add("Exp", graph.add("Mul", _distances(graph, rows, vectors), gamma))
    product = graph.add("MatMul", kernel, model.coefficients_.astype(np.float32))
    return graph.add("Add", product, model.intercept_.astype(np.float32))


def _distances(graph: Graph, rows: str, vectors: np.ndarray) -> str:
    """Σ|x - v|, float32 (n, vectors): a few columns at a time, so that no array of (n, vectors, d) is ever made."""
    total = ""
    for start in range(0, vectors.shape[1], _COLUMNS):
        end = min(start + _COLUMNS, vectors.shape[1])
        some = graph.add("Slice", rows, np.array([start]), np.array([end]), np.array([1]))
        apart = graph.add("Abs", graph.add("Sub", graph.add("Unsqueeze", some, np.array([1])), vectors[:, start:end]))
        part = graph.add("ReduceSum", apart, np.array([2]), keepdims=0)
        total = graph.add("Add", total, part) if total else part
    return total


def layout(pipeline: Pipeline) -> list[dict[str, Any]]:
    """See :mod:`mien.networks.rows`."""
    model: KernelSVC = pipeline.named_steps["classify"]
    (vectors, width), labels = model.vectors_.shape, len(model.classes_)
    return [
        *scaled_layout(pipeline),
        {"name": "kernel", "type": f"{model.kernel} kernel", "output": [1, vectors], "parameters": vectors * width},
        {"name": "svm", "type": "SVC", "output": [1, labels], "parameters": (vectors + 1) * labels},
    ]
