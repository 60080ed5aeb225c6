"""Gradient-boosted trees on rows of numbers (XGBoost, Chen & Guestrin 2016)."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from onnxmltools.convert.xgboost.operator_converters.XGBoost import convert_xgboost
from pydantic import Field
from skl2onnx import update_registered_converter
from skl2onnx.common.shape_calculator import calculate_linear_classifier_output_shapes
from xgboost import XGBClassifier

from mien.networks.rows import RowSettings


class Settings(RowSettings):
    """What is tried, under XGBoost's own names.

    Attributes:
        n_estimators: trees for each label.
        max_depth: of a tree.
        eta: by which each tree's answer is shrunk.
        min_child_weight: weight that a leaf must hold.
        subsample: share of the rows that each tree learns from.
        colsample_bytree: share of the columns that each tree learns from.
        reg_lambda: L2 penalty on the leaves.
    """

    old_names: ClassVar = {
        "trees": "n_estimators", "depth": "max_depth", "rate": "eta", "least": "min_child_weight", "rows": "subsample",
        "columns": "colsample_bytree", "smoothing": "reg_lambda",
    }  # fmt: skip

    n_estimators: list[int] = Field([200], min_length=1)
    max_depth: list[int] = Field([3], min_length=1)
    eta: list[float] = Field([0.1], min_length=1)
    min_child_weight: list[float] = Field([1.0], min_length=1)
    subsample: list[float] = Field([0.7], min_length=1)
    colsample_bytree: list[float] = Field([0.5], min_length=1)
    reg_lambda: list[float] = Field([1.0], min_length=1)


class Boosted(XGBClassifier):
    """XGBoost's, of labels that need not count up from 0, with the sums of its trees."""

    def fit(self, X: np.ndarray, y: np.ndarray) -> Boosted:  # noqa: N803
        """Learn from float (n, d) and int (n,)."""
        classes, labels = np.unique(y, return_inverse=True)
        self._labels = np.arange(len(classes))
        super().fit(X, labels)
        self._labels = classes
        return self

    @property
    def classes_(self) -> np.ndarray:
        """The labels that it learned."""
        return self._labels

    def decision_function(self, X: np.ndarray) -> np.ndarray:  # noqa: N803
        """Sums of the trees, float32 (n, classes), or (n,) of two."""
        return np.asarray(super().predict(X, output_margin=True))

    def predict(self, X: np.ndarray) -> np.ndarray:  # noqa: N803
        """The likeliest class, (n,)."""
        return np.asarray(self.classes_[super().predict(X)])


def _convert(scope: Any, operator: Any, container: Any) -> None:
    """As onnxmltools does, but sums of the trees instead of probabilities."""
    convert_xgboost(scope, operator, container)
    for attribute in container.nodes[-1].attribute:
        if attribute.name == "post_transform":
            attribute.s = b"NONE"


update_registered_converter(
    Boosted, "MienBoosted", calculate_linear_classifier_output_shapes, _convert,
    options={"zipmap": [True, False], "nocl": [True, False], "raw_scores": [True]},
)  # fmt: skip


def search(settings: Settings, seed: int, **_: int) -> tuple[Boosted, dict[str, Any]]:
    """See :mod:`mien.networks.rows`. On one thread, since a search may run several at once."""
    model = Boosted(base_score=0.5, tree_method="hist", random_state=seed, n_jobs=1, verbosity=0)
    return model, settings.model_dump(exclude={"embed"})


def layout(model: Boosted) -> list[dict[str, Any]]:
    """See :mod:`mien.networks.rows`."""
    dump = model.get_booster().get_dump()
    leaves = sum(tree.count("leaf=") for tree in dump)
    count = leaves + 2 * (leaves - len(dump))
    return [{"name": "trees", "type": f"{len(dump)} trees", "output": [1, len(model.classes_)], "parameters": count}]
