"""Support vector machines with a kernel, one for each label against the rest (scikit-learn's libsvm)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field
from skl2onnx import update_registered_converter
from skl2onnx.algebra.onnx_ops import (
    OnnxAbs,
    OnnxAdd,
    OnnxArgMax,
    OnnxExp,
    OnnxMatMul,
    OnnxMul,
    OnnxReduceSum,
    OnnxSlice,
    OnnxSub,
    OnnxSum,
    OnnxUnsqueeze,
)
from skl2onnx.common.shape_calculator import calculate_linear_classifier_output_shapes
from skl2onnx.operator_converters.support_vector_machines import convert_sklearn_svm_classifier
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.metrics.pairwise import laplacian_kernel
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import Pipeline
from sklearn.svm import SVC

from mien.networks.rows import RowSettings, ShapeName, scaled, scaled_layout, shapes

MOST = 12_000  # rows: time grows with their square
_TAKES = {
    "rbf": ("gamma",), "linear": (), "poly": ("gamma", "degree", "coef0"), "sigmoid": ("gamma", "coef0"),
}  # fmt: skip
_COLUMNS = 4  # of which distances are added up at a time


class Settings(RowSettings):
    """What is tried.

    Attributes:
        shape: how large values are drawn in before scaling: "sqrt", "log", or "yeo-johnson" (Yeo & Johnson 2000).
        kernel: "rbf" exp(-γ Σ(x - v)²), "laplacian" exp(-γ Σ|x - v|), "linear" Σ x·v, "poly"
            (γ Σ x·v + coef0)^degree, or "sigmoid" tanh(γ Σ x·v + coef0).
        c: scikit-learn's inverse of the regularization.
        gamma: γ in units of 1 / the number of columns, so that the same values suit few columns and many.
        degree: of "poly".
        coef0: of "poly" and "sigmoid".
        balanced: whether labels are weighed by the inverse of their frequency.
    """

    shape: list[ShapeName] = Field(["none"], min_length=1)
    kernel: list[Literal["rbf", "laplacian", "linear", "poly", "sigmoid"]] = Field(["rbf"], min_length=1)
    c: list[float] = Field([1.0], min_length=1)
    gamma: list[float] = Field([1.0], min_length=1)
    degree: list[Annotated[int, Field(ge=1, le=9)]] = Field([3], min_length=1)
    coef0: list[float] = Field([0.0], min_length=1)
    balanced: list[bool] = Field([False], min_length=1)


class KernelSVC(SVC):
    """scikit-learn's, with ``gamma`` in units of 1 / the number of columns."""

    def fit(self, X: np.ndarray, y: np.ndarray, sample_weight: np.ndarray | None = None) -> KernelSVC:  # noqa: N803
        """Learn from float (n, d) and int (n,).

        Raises:
            ValueError: more than `MOST` rows.
        """
        _check_size(X)
        given: float = self.get_params()["gamma"]
        self.gamma = given / X.shape[1]
        try:
            super().fit(X, y, sample_weight)
        finally:
            self.gamma = given
        return self


class LaplacianKernel(TransformerMixin, BaseEstimator):
    """Rows → their kernel with all rows learned from, exp(-γ Σ|x - v|): what libsvm and ONNX lack.

    Args:
        gamma: γ in units of 1 / the number of columns.
    """

    def __init__(self, gamma: float = 1.0) -> None:
        self.gamma = gamma

    def fit(self, X: np.ndarray, y: Any = None) -> LaplacianKernel:  # noqa: N803
        """Keep the rows, float (n, d).

        Raises:
            ValueError: more than `MOST` of them.
        """
        _check_size(X)
        self.rows_, self.n_features_in_ = np.asarray(X), X.shape[1]
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:  # noqa: N803
        """float64 (m, n) of float (m, d)."""
        return np.asarray(laplacian_kernel(X, self.rows_, self.gamma / self.n_features_in_))


class PrecomputedSVC(ClassifierMixin, BaseEstimator):
    """A machine of two classes on rows of a kernel, with scikit-learn's ``C`` and ``class_weight``."""

    kernel = "laplacian"

    def __init__(self, C: float = 1.0, class_weight: Any = None) -> None:  # noqa: N803
        self.C = C
        self.class_weight = class_weight

    def fit(self, X: np.ndarray, y: np.ndarray) -> PrecomputedSVC:  # noqa: N803
        """Learn from the kernel of the rows with themselves, float (n, n), and two classes (n,)."""
        machine = SVC(C=self.C, kernel="precomputed", class_weight=self.class_weight).fit(X, y)
        self.classes_, self.support_, self.intercept_ = machine.classes_, machine.support_, machine.intercept_
        self.coef_ = np.zeros(len(X))
        self.coef_[self.support_] = machine.dual_coef_[0]
        return self

    def decision_function(self, X: np.ndarray) -> np.ndarray:  # noqa: N803
        """The margin of the second class, float64 (m,)."""
        return np.asarray(X @ self.coef_ + self.intercept_)

    def predict(self, X: np.ndarray) -> np.ndarray:  # noqa: N803
        """Classes (m,)."""
        return np.asarray(self.classes_[(self.decision_function(X) > 0).astype(int)])


def _check_size(rows: np.ndarray) -> None:
    if len(rows) > MOST:
        raise ValueError(f"{len(rows):,} rows are too many for a kernel, which takes {MOST:,} at most")


def _laplacian_shape(operator: Any) -> None:
    operator.outputs[0].type = operator.inputs[0].type.__class__([None, len(operator.raw_operator.rows_)])


def _convert_laplacian(scope: Any, operator: Any, container: Any) -> None:
    """Write the distances a few columns at a time, so that no array of (m, n, d) is ever made."""
    kernel, version = operator.raw_operator, {"op_version": container.target_opset}
    others, axis, parts = kernel.rows_.astype(np.float32), np.array([1]), []
    for start in range(0, others.shape[1], _COLUMNS):
        end = min(start + _COLUMNS, others.shape[1])
        some = OnnxSlice(operator.inputs[0], np.array([start]), np.array([end]), axis, **version)
        apart = OnnxAbs(OnnxSub(OnnxUnsqueeze(some, axis, **version), others[:, start:end], **version), **version)
        parts.append(OnnxReduceSum(apart, np.array([2]), keepdims=0, **version))
    total = OnnxSum(*parts, **version)
    gamma = np.array([-kernel.gamma / others.shape[1]], np.float32)
    scaled_total = OnnxMul(total, gamma, **version)
    OnnxExp(scaled_total, output_names=operator.outputs[:1], **version).add_to(scope, container)


def _convert_precomputed(scope: Any, operator: Any, container: Any) -> None:
    """Write the margins of both classes; their labels, which nothing asks for, as places."""
    machine, version = operator.raw_operator, {"op_version": container.target_opset}
    both = np.array([-1, 1], np.float32)
    weights, bias = np.outer(machine.coef_, both).astype(np.float32), (machine.intercept_ * both).astype(np.float32)
    product = OnnxMatMul(operator.inputs[0], weights, **version)
    margins = OnnxAdd(product, bias, output_names=operator.outputs[1:2], **version)
    OnnxArgMax(margins, axis=1, keepdims=0, output_names=operator.outputs[:1], **version).add_to(scope, container)


_SHAPES = calculate_linear_classifier_output_shapes
_OPTIONS = {"zipmap": [True, False], "nocl": [True, False], "raw_scores": [True, False]}
update_registered_converter(KernelSVC, "MienKernelSVC", _SHAPES, convert_sklearn_svm_classifier, options=_OPTIONS)
update_registered_converter(PrecomputedSVC, "MienPrecomputedSVC", _SHAPES, _convert_precomputed, options=_OPTIONS)
update_registered_converter(LaplacianKernel, "MienLaplacianKernel", _laplacian_shape, _convert_laplacian)


def search(settings: Settings, seed: int, **_: int) -> tuple[Pipeline, list[dict[str, Any]]]:
    """See :mod:`mien.networks.rows`."""
    machine = "classify__estimator"
    weights = ["balanced" if balanced else None for balanced in settings.balanced]
    common = {"shape": shapes(settings.shape), f"{machine}__C": settings.c, f"{machine}__class_weight": weights}
    grid: list[dict[str, Any]] = []
    for kernel in dict.fromkeys(settings.kernel):
        if kernel == "laplacian":
            kernels = [LaplacianKernel(gamma) for gamma in settings.gamma]
            grid.append({**common, machine: [PrecomputedSVC()], "kernel": kernels})
        else:
            own = {f"{machine}__{name}": getattr(settings, name) for name in _TAKES[kernel]}
            grid.append({**common, f"{machine}__kernel": [kernel], **own})
    pipeline = scaled(OneVsRestClassifier(KernelSVC(gamma=1.0)))
    pipeline.steps.insert(1, ("kernel", "passthrough"))
    return pipeline, grid


def layout(pipeline: Pipeline) -> list[dict[str, Any]]:
    """See :mod:`mien.networks.rows`."""
    model = pipeline.named_steps["classify"]
    machines, labels = model.estimators_, len(model.classes_)
    vectors = sum(len(machine.support_) for machine in machines)
    kernel = f"{machines[0].kernel} kernel"
    count = vectors * pipeline.n_features_in_
    return [
        scaled_layout(pipeline),
        {"name": "kernel", "type": kernel, "output": [1, vectors], "parameters": count},
        {"name": "svm", "type": "SVC", "output": [1, labels], "parameters": vectors + len(machines)},
    ]
