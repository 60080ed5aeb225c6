"""Support vector machines with a kernel, one for each label against the rest (scikit-learn's libsvm)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BeforeValidator, Field
from skl2onnx import update_registered_converter
from skl2onnx.common.shape_calculator import calculate_linear_classifier_output_shapes
from skl2onnx.operator_converters.support_vector_machines import convert_sklearn_svm_classifier
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import Pipeline
from sklearn.svm import SVC

from mien.networks.rows import RowSettings, ShapeName, scaled, scaled_layout, shapes

MOST = 12_000  # rows: time grows with their square


def _no_longer(value: Any) -> Any:
    if value == "laplacian":
        raise ValueError("'laplacian' is gone; rbf is the nearest")
    return value


class Settings(RowSettings):
    """What is tried.

    Attributes:
        shape: "yeo-johnson" draws large values in before scaling (Yeo & Johnson 2000).
        kernel: "rbf" exp(-γ Σ(x - v)²), or "linear" Σ x·v.
        c: scikit-learn's inverse of the regularization.
        gamma: γ in units of 1 / the number of columns, so that the same values suit few columns and many.
        balanced: whether labels are weighed by the inverse of their frequency.
    """

    shape: list[ShapeName] = Field(["none"], min_length=1)
    kernel: list[Annotated[Literal["rbf", "linear"], BeforeValidator(_no_longer)]] = Field(["rbf"], min_length=1)
    c: list[float] = Field([1.0], min_length=1)
    gamma: list[float] = Field([1.0], min_length=1)
    balanced: list[bool] = Field([False], min_length=1)


class KernelSVC(SVC):
    """scikit-learn's, with ``gamma`` in units of 1 / the number of columns."""

    def fit(self, X: np.ndarray, y: np.ndarray, sample_weight: np.ndarray | None = None) -> KernelSVC:  # noqa: N803
        """Learn from float (n, d) and int (n,).

        Raises:
            ValueError: more than `MOST` rows.
        """
        if len(X) > MOST:
            raise ValueError(f"{len(X):,} rows are too many for a kernel, which takes {MOST:,} at most")
        given: float = self.get_params()["gamma"]
        self.gamma = given / X.shape[1]
        try:
            super().fit(X, y, sample_weight)
        finally:
            self.gamma = given
        return self


update_registered_converter(
    KernelSVC, "MienKernelSVC", calculate_linear_classifier_output_shapes, convert_sklearn_svm_classifier,
    options={"zipmap": [True, False], "nocl": [True, False], "raw_scores": [True, False]},
)  # fmt: skip


def search(settings: Settings, seed: int) -> tuple[Pipeline, list[dict[str, Any]]]:
    """See :mod:`mien.networks.rows`."""
    own = "classify__estimator__"
    weights = ["balanced" if balanced else None for balanced in settings.balanced]
    common = {"shape": shapes(settings.shape), f"{own}C": settings.c, f"{own}class_weight": weights}
    grid: list[dict[str, Any]] = []
    for kernel in dict.fromkeys(settings.kernel):
        gamma = {} if kernel == "linear" else {f"{own}gamma": settings.gamma}
        grid.append({**common, f"{own}kernel": [kernel], **gamma})
    return scaled(OneVsRestClassifier(KernelSVC(gamma=1.0))), grid


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
