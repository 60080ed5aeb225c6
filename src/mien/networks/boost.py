"""Gradient-boosted trees on rows of numbers (XGBoost, Chen & Guestrin 2016)."""

from __future__ import annotations

import json
import warnings
from typing import Any

import numpy as np
import xgboost
from pydantic import Field, model_validator
from sklearn.base import BaseEstimator, ClassifierMixin

from mien.networks.rows import Graph, RowSettings

_RENAMED = {"rate": "eta", "least": "min_child_weight"}


class Settings(RowSettings):
    """What is tried; in brackets XGBoost's own name.

    Attributes:
        trees: trees for each label (num_boost_round).
        depth: of a tree, at most (max_depth).
        eta: by which each tree's answer is shrunk.
        min_child_weight: weight that a leaf must hold.
        rows: share of the rows that each tree learns from (subsample).
        columns: share of the columns that each tree learns from (colsample_bytree).
        smoothing: L2 penalty on the leaves (lambda).
    """

    trees: list[int] = Field([200], min_length=1)
    depth: list[int] = Field([3], min_length=1)
    eta: list[float] = Field([0.1], min_length=1)
    min_child_weight: list[float] = Field([1.0], min_length=1)
    rows: list[float] = Field([0.7], min_length=1)
    columns: list[float] = Field([0.5], min_length=1)
    smoothing: list[float] = Field([1.0], min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _with_xgboosts_names(cls, given: Any) -> Any:
        """Keys of earlier recipes, for one more release."""
        for name in _RENAMED.keys() & dict(given).keys():
            warnings.warn(f"network.{name} is network.{_RENAMED[name]} now", DeprecationWarning, stacklevel=2)
        return {_RENAMED.get(name, name): value for name, value in dict(given).items()}


class Boosted(ClassifierMixin, BaseEstimator):
    """``xgboost.train`` as an estimator; on one thread, since a search may run several at once."""

    def __init__(
        self,
        trees: int = 200,
        depth: int = 3,
        eta: float = 0.1,
        min_child_weight: float = 1.0,
        rows: float = 0.7,
        columns: float = 0.5,
        smoothing: float = 1.0,
        seed: int = 0,
    ) -> None:
        self.trees = trees
        self.depth = depth
        self.eta = eta
        self.min_child_weight = min_child_weight
        self.rows = rows
        self.columns = columns
        self.smoothing = smoothing
        self.seed = seed

    def fit(self, X: np.ndarray, y: np.ndarray) -> Boosted:  # noqa: N803
        """Learn from float (n, d) and int (n,).

        Raises:
            ValueError: fewer than two classes.
        """
        self.classes_, labels = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError("one label only")
        settings = {
            "objective": "multi:softprob", "num_class": len(self.classes_), "base_score": 0.0, "tree_method": "hist",
            "max_depth": self.depth, "eta": self.eta, "min_child_weight": self.min_child_weight, "subsample": self.rows,
            "colsample_bytree": self.columns, "lambda": self.smoothing, "seed": self.seed, "nthread": 1, "verbosity": 0,
        }  # fmt: skip
        self.booster_ = xgboost.train(settings, self._matrix(X, labels), num_boost_round=self.trees)
        return self

    def decision_function(self, X: np.ndarray) -> np.ndarray:  # noqa: N803
        """Sums of the trees, float32 (n, classes)."""
        return np.asarray(self.booster_.predict(self._matrix(X), output_margin=True))

    def predict(self, X: np.ndarray) -> np.ndarray:  # noqa: N803
        """The class of the largest sum, (n,)."""
        return np.asarray(self.classes_[self.decision_function(X).argmax(1)])

    def _matrix(self, rows: np.ndarray, labels: np.ndarray | None = None) -> xgboost.DMatrix:
        return xgboost.DMatrix(np.asarray(rows, np.float32), label=labels, nthread=1)


def search(settings: Settings, seed: int) -> tuple[Boosted, dict[str, Any]]:
    """See :mod:`mien.networks.rows`."""
    return Boosted(seed=seed), settings.model_dump(exclude={"embed"})


def write(model: Boosted, graph: Graph, rows: str) -> str:
    """See :mod:`mien.networks.rows`. All trees in one node: a row goes left where its value is under the split's."""
    nodes: dict[str, list[Any]] = {
        f"nodes_{name}": []
        for name in ("treeids", "nodeids", "modes", "featureids", "values", "truenodeids", "falsenodeids")
    }
    leaves: dict[str, list[Any]] = {f"target_{name}": [] for name in ("treeids", "nodeids", "ids", "weights")}
    learned = json.loads(model.booster_.save_raw("json"))["learner"]["gradient_booster"]["model"]
    for number, (tree, label) in enumerate(zip(learned["trees"], learned["tree_info"], strict=True)):
        for node, left in enumerate(tree["left_children"]):
            leaf = left < 0
            row = {
                "treeids": number, "nodeids": node, "modes": "LEAF" if leaf else "BRANCH_LT",
                "featureids": 0 if leaf else tree["split_indices"][node],
                "values": 0.0 if leaf else tree["split_conditions"][node],
                "truenodeids": 0 if leaf else left, "falsenodeids": 0 if leaf else tree["right_children"][node],
            }  # fmt: skip
            for name, value in row.items():
                nodes[f"nodes_{name}"].append(value)
            if leaf:
                values = {"treeids": number, "nodeids": node, "ids": label, "weights": tree["split_conditions"][node]}
                for name, value in values.items():
                    leaves[f"target_{name}"].append(value)
    return graph.add(
        "TreeEnsembleRegressor", rows, domain="ai.onnx.ml", n_targets=len(model.classes_), **nodes, **leaves
    )


def layout(model: Boosted) -> list[dict[str, Any]]:
    """See :mod:`mien.networks.rows`."""
    labels, dump = len(model.classes_), model.booster_.get_dump()
    leaves = sum(tree.count("leaf=") for tree in dump)
    kind = f"{len(dump)} trees"
    return [{"name": "trees", "type": kind, "output": [1, labels], "parameters": leaves + 2 * (leaves - len(dump))}]
