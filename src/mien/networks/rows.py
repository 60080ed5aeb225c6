"""What the networks that learn from rows of numbers share: settings, scaling, and how they are written as ONNX.

Such a network is learned by scikit-learn or XGBoost all at once. Its module holds

- ``Settings``: a value given as a list is searched over, by cross-validation inside the training data;
- ``search(settings, seed) -> (estimator, grid)``: an estimator of scikit-learn with ``decision_function``, logits of
  shape (n, classes), and what :class:`sklearn.model_selection.GridSearchCV` tries on it;
- ``write(estimator, graph, rows) -> str``: the same computed by ONNX nodes, from float32 (n, d) to the logits;
- ``layout(estimator) -> list``: one row per step: name, type, output shape, parameters.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from onnx import NodeProto, helper, numpy_helper
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from mien.networks.settings import NetworkSettings

NEVER = -100.0  # logit of a label that training never showed

ShapeName = Literal["none", "sqrt", "log"]


class RowSettings(NetworkSettings):
    """What all of them take.

    Attributes:
        embed: a face model (name of a shipped one, model or run folder) whose network turns pictures into the rows that
            are learned from; "" where the data are rows already.
    """

    embed: str = ""

    def models(self) -> tuple[str, ...]:
        """See the base class."""
        return (self.embed,)


class Shape(TransformerMixin, BaseEstimator):
    """Draws large values in: "sqrt" is sign(x) · √|x|, "log" is sign(x) · ln(1 + |x|), "none" leaves them."""

    def __init__(self, shape: str = "none") -> None:
        self.shape = shape

    def fit(self, X: np.ndarray, y: Any = None) -> Shape:  # noqa: N803
        """Learns nothing but the number of columns."""
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:  # noqa: N803
        """float64 (n, d)."""
        rows = np.asarray(X, np.float64)
        if self.shape == "none":
            return rows
        size = np.abs(rows)
        return np.asarray(np.sign(rows) * (np.sqrt(size) if self.shape == "sqrt" else np.log1p(size)))


def scaled(last: BaseEstimator) -> Pipeline:
    """Shape → StandardScaler → *last*, as the steps "rows", "scale" and "classify"."""
    return Pipeline([("rows", Shape()), ("scale", StandardScaler()), ("classify", last)])


class Graph:
    """Nodes and constants of an ONNX graph, gathered one by one."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.arrays: dict[str, np.ndarray] = {}

    def add(self, kind: str, *inputs: str | np.ndarray, domain: str = "", **attributes: Any) -> str:
        """Add a node; its inputs are names of earlier outputs, or arrays. Returns the name of its output."""
        name = f"rows.{kind.lower()}_{len(self.nodes)}"  # no network has such names
        names = []
        for place, given in enumerate(inputs):
            if isinstance(given, np.ndarray):
                self.arrays[f"{name}_{place}"] = given
            names.append(given if isinstance(given, str) else f"{name}_{place}")
        self.nodes.append(helper.make_node(kind, names, [name], domain=domain, **attributes))
        return name

    def constants(self) -> list[Any]:
        """The constants as initializers."""
        return [numpy_helper.from_array(np.ascontiguousarray(array), name) for name, array in self.arrays.items()]


def write_scaled(pipeline: Pipeline, graph: Graph, rows: str) -> str:
    """The first two steps of a pipeline that :func:`scaled` made."""
    shape, scaler = pipeline.named_steps["rows"].shape, pipeline.named_steps["scale"]
    if shape != "none":
        size = graph.add("Abs", rows)
        drawn = graph.add("Sqrt", size) if shape == "sqrt" else graph.add("Log", graph.add("Add", size, _one()))
        rows = graph.add("Mul", graph.add("Sign", rows), drawn)
    shifted = graph.add("Sub", rows, scaler.mean_.astype(np.float32))
    return graph.add("Div", shifted, scaler.scale_.astype(np.float32))


def scaled_layout(pipeline: Pipeline) -> list[dict[str, Any]]:
    """Their rows of the layout."""
    width = pipeline.named_steps["scale"].mean_.shape[0]
    shape = pipeline.named_steps["rows"].shape
    drawn = [{"name": "shape", "type": shape, "output": [1, width], "parameters": 0}] if shape != "none" else []
    return [*drawn, {"name": "scale", "type": "StandardScaler", "output": [1, width], "parameters": 2 * width}]


def spread(logits: np.ndarray, classes: np.ndarray, labels: int) -> np.ndarray:
    """Logits of the classes that training showed, (n, classes), as logits of all labels, float64 (n, labels)."""
    whole = np.full((len(logits), labels), NEVER)
    whole[:, classes] = logits
    return whole


def write_spread(graph: Graph, logits: str, classes: np.ndarray, labels: int) -> str:
    """The same as ONNX."""
    if len(classes) == labels:
        return logits
    places = np.zeros((len(classes), labels), np.float32)
    places[np.arange(len(classes)), classes] = 1
    lacking = np.full(labels, NEVER, np.float32)
    lacking[classes] = 0
    return graph.add("Add", graph.add("MatMul", logits, places), lacking)


def _one() -> np.ndarray:
    return np.array(1, np.float32)
