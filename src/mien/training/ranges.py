"""Fixed ranges for the numbers between the layers of an 8-bit network, so that no answer depends on its neighbors.

ONNX Runtime's dynamic quantization measures them anew over all of a batch.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
from onnx import ModelProto, NodeProto, helper, numpy_helper

from mien.errors import ExportError
from mien.training.outliers import values_of

MEASURED = "DynamicQuantizeLinear"
_RECURRENT = ("GRU", "LSTM", "RNN")


def products_in_8_bits(model: ModelProto) -> bool:
    """Whether products of matrices may be computed in 8 bits: not behind a recurrent operator.

    It computes the rows of a batch together, and rounding to 8 bits would multiply what that changes in the last digit.
    """
    return not any(node.op_type in _RECURRENT for node in model.graph.node)


def fix_ranges(
    model: ModelProto, examples: Sequence[np.ndarray], outliers: Mapping[str, np.ndarray] = MappingProxyType({})
) -> None:
    """Give an 8-bit network the ranges that it has on *examples*, in place of those of each batch.

    Args:
        model: as ``onnxruntime.quantization.quantize_dynamic`` makes it; changed in place. Where its products may not
            be computed in 8 bits they are computed in floats from then on.
        examples: network inputs, each of which is measured by itself.
        outliers: channels that no range need hold, see :func:`mien.training.outliers.split_outliers`.

    Raises:
        ExportError: there are no examples to measure on.
    """
    eight = products_in_8_bits(model)
    graph = model.graph
    ranges = _measured(model, examples, outliers) if eight else {}
    arrays = {array.name: array for array in graph.initializer}
    users = defaultdict[str, list[NodeProto]](list)
    for node in graph.node:
        for name in node.input:
            users[name].append(node)
    made = {name: node for node in graph.node for name in node.output}
    before = {node.output[0]: node.input[0] for node in graph.node if node.op_type == MEASURED}
    dropped, nodes = set[str](), list[NodeProto]()  # dropped: by the name of their output
    for node in graph.node:
        if node.op_type == MEASURED:
            if eight:
                (whole, scale, zero), (low, high) = node.output, ranges[node.input[0]]
                step = max(high - low, 1e-6) / 255
                graph.initializer.append(numpy_helper.from_array(np.float32(step), scale))
                graph.initializer.append(numpy_helper.from_array(np.uint8(round(-low / step)), zero))
                nodes.append(helper.make_node("QuantizeLinear", [node.input[0], scale, zero], [whole]))
        elif node.op_type == "MatMulInteger":
            (cast,) = users[node.output[0]]
            (scaled,) = users[cast.output[0]]
            scales = made[next(name for name in scaled.input if name != cast.output[0])]
            dropped |= {cast.output[0], scaled.output[0], scales.output[0]}
            output = scaled.output[0]
            if eight:
                first, second, *zeros = node.input
                inputs, output = [first, second, *scales.input, *zeros], scaled.output[0]
                (after, *more) = users[output] or [None]
                if after is not None and after.op_type == "Add" and not more:
                    bias = next(name for name in after.input if name != output)
                    if bias in arrays and len(arrays[bias].dims) == 1:
                        inputs, output = [*inputs, bias], after.output[0]
                        dropped.add(output)
                nodes.append(helper.make_node("MatMulIntegerToFloat", inputs, [output], domain="com.microsoft"))
            else:
                matrix, step = (numpy_helper.to_array(arrays[name]) for name in (node.input[1], scales.input[1]))
                graph.initializer.append(numpy_helper.from_array(matrix.astype(np.float32) * step, f"{output}.weight"))
                nodes.append(helper.make_node("MatMul", [before[node.input[0]], f"{output}.weight"], [output]))
        else:
            nodes.append(node)
    del graph.node[:]
    graph.node.extend(node for node in nodes if node.op_type.startswith("MatMul") or node.output[0] not in dropped)
    read = {name for node in graph.node for name in node.input}
    kept = [array for array in graph.initializer if array.name in read]
    del graph.initializer[:]
    graph.initializer.extend(kept)


def _measured(
    model: ModelProto, examples: Sequence[np.ndarray], outliers: Mapping[str, np.ndarray]
) -> dict[str, tuple[float, float]]:
    """Smallest and largest of what is brought to 8 bits; 0 is always among it."""
    names = list(dict.fromkeys(node.input[0] for node in model.graph.node if node.op_type == MEASURED))
    if not names:
        return {}
    if not len(examples):
        raise ExportError("8 bits need examples to measure ranges on")
    lows, highs = np.zeros(len(names)), np.zeros(len(names))
    for found in values_of(model, names, examples):
        arrays = [np.delete(array, outliers.get(name, []), -1) for name, array in zip(names, found, strict=True)]
        lows = np.minimum(lows, [array.min() for array in arrays])
        highs = np.maximum(highs, [array.max() for array in arrays])
    return {name: (float(low), float(high)) for name, low, high in zip(names, lows, highs, strict=True)}
