"""What the networks that are learned all at once share: settings, scaling, and logits of all labels.

Such a network is learned by scikit-learn or XGBoost from rows, of numbers or of token ids. Its module holds

- ``Settings``: a value given as a list is searched over (``search`` in a recipe says on what);
- ``search(settings, seed, **spec) -> (estimator, grid)``: an estimator of scikit-learn with ``decision_function`` that
  skl2onnx can write, and what :class:`sklearn.model_selection.GridSearchCV` tries on it; *spec* is what the sampler
  says of its inputs (``input_spec``);
- ``layout(estimator) -> list``: one row per step: name, type, output shape, parameters;
- ``weights(estimator) -> dict``, where it has plain arrays to keep beside the network: name → array.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field
from skl2onnx import update_registered_converter
from skl2onnx.algebra.onnx_ops import OnnxAbs, OnnxAdd, OnnxDiv, OnnxLog, OnnxMul, OnnxSign, OnnxSqrt, OnnxSub
from sklearn.base import BaseEstimator
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import PowerTransformer, StandardScaler

from mien.networks import NEVER
from mien.networks.settings import NetworkSettings

TINY = 1e-9  # keeps the logarithm of a probability finite
ShapeName = Literal["none", "sqrt", "log", "yeo-johnson"]


class RowSettings(NetworkSettings):
    """What all of them take.

    Attributes:
        embed: a model of faces or texts (name of a shipped one, model or run folder) whose network turns pictures or
            texts into the rows that are learned from, or for texts ``package:NAME``, a sentence encoder as it was
            pretrained, which needs torch; "" where the data are rows already.
        depth: of a transformer the share of its layers that rows are made by; a layer of those tried is chosen. The
            upper ones know most of what the model was made for, the lower ones more of everything else.
    """

    embed: str = ""
    depth: list[Annotated[float, Field(gt=0, le=1)]] = Field([1.0], min_length=1)

    def models(self) -> tuple[str, ...]:
        """See the base class."""
        return () if self.embed.startswith("package:") else (self.embed,)


class DrawnScaler(StandardScaler):
    """Draws large values in, then scales to mean 0 and variance 1.

    Args:
        method: "sqrt" for sign(x) · √|x|, "log" for sign(x) · ln(1 + |x|).
    """

    def __init__(self, method: str = "sqrt") -> None:
        super().__init__()
        self.method = method

    def fit(self, X: np.ndarray, y: Any = None, sample_weight: Any = None) -> DrawnScaler:  # noqa: N803
        """Learn mean and variance of the drawn values, float (n, d)."""
        super().fit(self._drawn(X), y, sample_weight)
        return self

    def transform(self, X: np.ndarray, copy: Any = None) -> np.ndarray:  # noqa: N803
        """float64 (n, d)."""
        return np.asarray(super().transform(self._drawn(X), copy))

    def _drawn(self, rows: np.ndarray) -> np.ndarray:
        size = np.abs(rows)
        return np.asarray(np.sign(rows) * (np.sqrt(size) if self.method == "sqrt" else np.log1p(size)))


def _convert_drawn(scope: Any, operator: Any, container: Any) -> None:
    scaler, rows, version = operator.raw_operator, operator.inputs[0], {"op_version": container.target_opset}
    size = OnnxAbs(rows, **version)
    if scaler.method == "sqrt":
        drawn = OnnxSqrt(size, **version)
    else:
        drawn = OnnxLog(OnnxAdd(size, np.ones(1, np.float32), **version), **version)
    signed = OnnxMul(OnnxSign(rows, **version), drawn, **version)
    shifted = OnnxSub(signed, scaler.mean_.astype(np.float32), **version)
    outputs = operator.outputs[:1]
    OnnxDiv(shifted, scaler.scale_.astype(np.float32), output_names=outputs, **version).add_to(scope, container)


def _same_shape(operator: Any) -> None:
    """Tell skl2onnx that a step gives float32 (n, d) of float32 (n, d)."""
    operator.outputs[0].type = operator.inputs[0].type.__class__([None, operator.raw_operator.n_features_in_])


update_registered_converter(DrawnScaler, "MienDrawnScaler", _same_shape, _convert_drawn)


def scaled(last: BaseEstimator) -> Pipeline:
    """Columns of mean 0 and variance 1 → *last*, as the steps "shape" and "classify"."""
    return Pipeline([("shape", StandardScaler()), ("classify", last)])


def shapes(names: Sequence[str]) -> list[BaseEstimator]:
    """What is tried as the step "shape"."""
    made = {"none": StandardScaler(), "yeo-johnson": PowerTransformer()}
    return [made.get(name) or DrawnScaler(name) for name in names]


def scaled_layout(pipeline: Pipeline) -> dict[str, Any]:
    """Its row of the layout."""
    step = pipeline.named_steps["shape"]
    width = step.n_features_in_
    count = (2 if isinstance(step, StandardScaler) else 3) * width
    return {"name": "scale", "type": type(step).__name__, "output": [1, width], "parameters": count}


def learnable(rows: np.ndarray) -> np.ndarray:
    """Rows as estimators take them: numbers as float64, token ids as they are."""
    return rows.astype(np.float64, copy=False) if rows.dtype.kind == "f" else rows


def logits_of(model: Any, rows: np.ndarray, labels: int) -> np.ndarray:
    """A fitted estimator's logits of all labels, float64 (n, labels)."""
    margins = np.asarray(model.decision_function(learnable(rows)), np.float64)
    if margins.ndim == 1:
        margins = np.stack([-margins, margins], 1)
    weights, bias = places(model, labels)
    return np.asarray(margins @ weights + bias)


def places(model: Any, labels: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights (classes, labels) and bias (labels,) that make logits of all labels of an estimator's margins.

    Of two classes that exclude each other the second one's margin tells both: of ONNX Runtime's trees the first one's
    is not to be relied on.
    """
    classes, last = model.classes_, model[-1] if isinstance(model, Pipeline) else model
    weights, bias = np.zeros((len(classes), labels)), np.full(labels, NEVER)
    weights[np.arange(len(classes)), classes] = 1
    if len(classes) == 2 and not getattr(last, "several_", False):
        half = 1.0 if isinstance(last, OneVsRestClassifier) else 0.5  # sigmoid(m) is softmax(-m/2, m/2)
        weights[:, classes] = np.array([[0, 0], [-half, half]])
    bias[classes] = 0
    return weights, bias
