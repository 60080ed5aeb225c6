"""What the networks that learn from rows of numbers share: settings, scaling, and logits of all labels.

Such a network is learned by scikit-learn or XGBoost all at once. Its module holds

- ``Settings``: a value given as a list is searched over, by cross-validation inside the training data;
- ``search(settings, seed) -> (estimator, grid)``: an estimator of scikit-learn with ``decision_function`` that skl2onnx
  can write, and what :class:`sklearn.model_selection.GridSearchCV` tries on it;
- ``layout(estimator) -> list``: one row per step: name, type, output shape, parameters.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BeforeValidator
from sklearn.base import BaseEstimator
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import PowerTransformer, StandardScaler

from mien.networks.settings import NetworkSettings

NEVER = -100.0  # logit of a label that training never showed


def _no_longer(value: Any) -> Any:
    if value in ("sqrt", "log"):
        raise ValueError(f"{value!r} is gone; yeo-johnson learns how far to draw in each column")
    return value


ShapeName = Annotated[Literal["none", "yeo-johnson"], BeforeValidator(_no_longer)]


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


def scaled(last: BaseEstimator) -> Pipeline:
    """Columns of mean 0 and variance 1 → *last*, as the steps "shape" and "classify"."""
    return Pipeline([("shape", StandardScaler()), ("classify", last)])


def shapes(names: Sequence[str]) -> list[BaseEstimator]:
    """What is tried as the step "shape"."""
    return [StandardScaler() if name == "none" else PowerTransformer(method=name) for name in names]


def scaled_layout(pipeline: Pipeline) -> dict[str, Any]:
    """Its row of the layout."""
    step = pipeline.named_steps["shape"]
    width = step.n_features_in_
    count = (2 if isinstance(step, StandardScaler) else 3) * width
    return {"name": "scale", "type": type(step).__name__, "output": [1, width], "parameters": count}


def logits_of(model: Any, rows: np.ndarray, labels: int) -> np.ndarray:
    """A fitted estimator's logits of all labels, float64 (n, labels)."""
    margins = np.asarray(model.decision_function(np.asarray(rows, np.float64)), np.float64)
    if margins.ndim == 1:
        margins = np.stack([-margins, margins], 1)
    weights, bias = places(model, labels)
    return np.asarray(margins @ weights + bias)


def places(model: Any, labels: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights (classes, labels) and bias (labels,) that make logits of all labels of an estimator's margins.

    Of two classes the second one's margin tells both: of ONNX Runtime's trees the first one's is not to be relied on.
    """
    classes, last = model.classes_, model[-1] if isinstance(model, Pipeline) else model
    weights, bias = np.zeros((len(classes), labels)), np.full(labels, NEVER)
    weights[np.arange(len(classes)), classes] = 1
    if len(classes) == 2:
        half = 1.0 if isinstance(last, OneVsRestClassifier) else 0.5  # sigmoid(m) is softmax(-m/2, m/2)
        weights[:, classes] = np.array([[0, 0], [-half, half]])
    bias[classes] = 0
    return weights, bias
