"""ONNX graphs of networks that learn all at once, written by skl2onnx."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import skl2onnx
from onnx import ModelProto, TensorProto, compose, helper
from onnx.utils import Extractor
from skl2onnx.algebra.onnx_ops import OnnxAdd, OnnxDiv, OnnxLog, OnnxMatMul, OnnxMean, OnnxSigmoid, OnnxSoftmax
from skl2onnx.common.data_types import FloatTensorType, Int64TensorType
from sklearn.pipeline import Pipeline

from mien.networks import OPSET
from mien.networks.rows import TINY

FEATURES = "features"

#: A fitted estimator, and weights (classes, labels) and bias (labels,) that make a voice's logits of its margins.
Voice = tuple[Any, np.ndarray, np.ndarray]


def rows_network(width: int) -> ModelProto:
    """A network whose features are its ``inputs``, float32 (batch, width)."""
    return _as_they_are(TensorProto.FLOAT, width)


def tokens_network() -> ModelProto:
    """A network whose features are its ``inputs``, token ids int64 (batch, length)."""
    return _as_they_are(TensorProto.INT64, "length")


def _as_they_are(kind: int, width: int | str) -> ModelProto:
    shapes = [helper.make_tensor_value_info(name, kind, ["batch", width]) for name in ("inputs", FEATURES)]
    graph = helper.make_graph([helper.make_node("Identity", ["inputs"], [FEATURES])], "mien", shapes[:1], shapes[1:])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)


def with_classifiers(
    network: ModelProto, voices: Sequence[Voice], temperature: float, keep_features: bool, several: bool = False
) -> ModelProto:
    """A network whose ``probabilities`` are what classifiers say of its ``features``; of several the mean.

    Args:
        keep_features: whether they stay an output.
        several: whether several labels can hold at once; then there is one voice.
    """
    used = {node.domain for node in network.graph.node}
    declared = {opset.domain: opset.version for opset in network.opset_import if opset.domain in used}
    versions = dict.fromkeys(used, 1) | {"": OPSET, "ai.onnx.ml": 3} | declared
    whole = ModelProto()
    whole.CopyFrom(network)
    _declare(whole, network, versions)
    names: dict[int, str] = {}
    tokens = network.graph.output[0].type.tensor_type.elem_type == TensorProto.INT64  # which are the features
    for model, _, _ in voices:
        if id(model) not in names:
            part = _margins(model, versions, tokens)
            _declare(part, network, versions)
            part = compose.add_prefix(part, f"classifier{len(names)}.")
            outputs = [FEATURES, *names.values(), name := part.graph.output[0].name]
            whole = compose.merge_models(whole, part, [(FEATURES, part.graph.input[0].name)], outputs=outputs)
            names[id(model)] = name
    last = _decision([(names[id(model)], weights, bias) for model, weights, bias in voices], temperature, several)
    _declare(last, network, versions)
    last = compose.add_prefix(last, "decision.", rename_inputs=False, rename_outputs=False)
    mapped = [(name.name, name.name) for name in last.graph.input]
    kept = ["probabilities", *([FEATURES] if keep_features else [])]
    whole = compose.merge_models(whole, last, mapped, outputs=kept)
    _declare(whole, network, versions)  # merging states them once for each part
    outputs = sorted(whole.graph.output, key=lambda output: kept.index(output.name))
    del whole.graph.output[:]
    whole.graph.output.extend(outputs)
    return whole


def _margins(model: Any, versions: dict[str, int], tokens: bool) -> ModelProto:
    """An estimator from rows to what its ``decision_function`` gives, always one column for each class."""
    given = Int64TensorType([None, None]) if tokens else FloatTensorType([None, model.n_features_in_])
    last = model[-1] if isinstance(model, Pipeline) else model
    if isinstance(model, Pipeline):  # skl2onnx does not know of steps that do nothing
        model = Pipeline([step for step in model.steps if step[1] != "passthrough"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # skl2onnx asks scikit-learn for what is deprecated
        written = skl2onnx.convert_sklearn(
            model, "classifier", [("inputs", given)], target_opset=versions,
            options={id(last): {"raw_scores": True, "zipmap": False}},
        )  # fmt: skip
    return Extractor(written).extract_model(["inputs"], [written.graph.output[1].name])


def _decision(voices: Sequence[tuple[str, np.ndarray, np.ndarray]], temperature: float, several: bool) -> ModelProto:
    """softmax(margins · weights + bias), or the sigmoid of each; of several voices their mean."""
    said = [
        OnnxAdd(OnnxMatMul(name, weights.astype(np.float32), op_version=OPSET), bias.astype(np.float32),
                op_version=OPSET)
        for name, weights, bias in voices
    ]  # fmt: skip
    logits = said[0]
    if len(said) > 1:
        mean = OnnxMean(*(OnnxSoftmax(one, axis=1, op_version=OPSET) for one in said), op_version=OPSET)
        logits = OnnxLog(OnnxAdd(mean, np.array(TINY, np.float32), op_version=OPSET), op_version=OPSET)
    heated = OnnxDiv(logits, np.array(temperature, np.float32), op_version=OPSET)
    own = {"op_version": OPSET, "output_names": ["probabilities"]}
    answer = OnnxSigmoid(heated, **own) if several else OnnxSoftmax(heated, axis=1, **own)
    inputs = {name: FloatTensorType([None, len(weights)]) for name, weights, _ in voices}
    return answer.to_onnx(inputs, outputs=[("probabilities", FloatTensorType([None, len(voices[0][2])]))])


def _declare(model: ModelProto, like: ModelProto, versions: dict[str, int]) -> None:
    """State the versions of another network: skl2onnx states the oldest that would do."""
    del model.opset_import[:]
    model.opset_import.extend(helper.make_opsetid(domain, version) for domain, version in versions.items())
    model.ir_version = max(like.ir_version, 10)
