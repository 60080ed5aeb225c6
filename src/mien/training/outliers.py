"""Channels far larger than the others, taken out of the products in 8 bits.

Transformers have a few of them (Dettmers et al. 2022). A range wide enough for these leaves the others few of its 256
steps: fine-tuned, multilingual-e5-small answered 0.41 away from the truth, and 0.07 without them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from mien.runtime import Session

IN_FLOATS = ".outliers"  # end of the names of the nodes that stay in floats
_LARGE = 8.0  # times the median channel: with one so large 8 bits suffer
_SPLIT = 3.0  # times the median channel: then these are taken out
_MOST = 8  # channels of one input


def values_of(model: ModelProto, names: Sequence[str], examples: Sequence[np.ndarray]) -> Iterator[list[np.ndarray]]:
    """What stands under some names within a network, for each example."""
    probe = ModelProto()
    probe.CopyFrom(model)
    del probe.graph.output[:]
    probe.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names)
    session = Session(probe.SerializeToString())
    return (session.run_all(example) for example in examples)


def split_outliers(model: ModelProto, examples: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """Compute the outlying channels of products with weights apart, in floats; the answers stay the same.

    From x @ W becomes x @ W with some rows of 0, plus those channels of x times those rows of W.

    Args:
        model: in floats; changed in place.
        examples: network inputs, by which the channels are measured.

    Returns:
        Name of x → its channels that are taken out, int64: the range of x need not hold them.
    """
    graph = model.graph
    arrays = {array.name: array for array in graph.initializer}
    uses = Counter(name for node in graph.node for name in node.input)
    weighed = defaultdict[str, list[str]](list)
    for node in graph.node:
        if node.op_type == "MatMul" and node.input[1] in arrays and uses[node.input[1]] == 1:
            weighed[node.input[0]].append(node.input[1])
    outliers = _outliers(model, list(weighed), examples)
    apart = {weights: name for name in outliers for weights in weighed[name]}
    rows = {name for name, array in arrays.items() if len(array.dims) == 1}
    biases = [node for node in graph.node if node.op_type == "Add" and rows.intersection(node.input)]
    biased = {name: node for node in biases for name in node.input if uses[name] == 1}
    nodes, sums = list[NodeProto](), dict[str, list[NodeProto]]()
    for node in graph.node:
        nodes.append(node)
        if node.op_type == "MatMul" and node.input[1] in apart:
            weights, last = arrays[node.input[1]], biased.get(node.output[0], node)
            added = _split(node, last, weights, outliers[node.input[0]], graph.initializer)
            sums[last.output[0]] = added
        nodes += sums.pop(node.output[0], [])
    for name, channels in outliers.items():
        graph.initializer.append(numpy_helper.from_array(channels, f"{name}.channels"))
        taken = helper.make_node("Gather", [name, f"{name}.channels"], [f"{name}.few"], f"{name}{IN_FLOATS}", axis=-1)
        nodes.insert(next(at for at, node in enumerate(nodes) if name in node.input), taken)
    del graph.node[:]
    graph.node.extend(nodes)
    return outliers


def _outliers(model: ModelProto, names: Sequence[str], examples: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    largest: dict[str, np.ndarray] = {}
    for values in values_of(model, names, examples) if names else ():
        for name, array in zip(names, values, strict=True):
            found = np.abs(array).max(axis=tuple(range(array.ndim - 1)))
            largest[name] = np.maximum(largest.get(name, found), found)
    outliers = {}
    for name, sizes in largest.items():
        middle = np.median(sizes)
        if sizes.max() > _LARGE * middle:
            first = np.argsort(-sizes, kind="stable")[:_MOST]
            outliers[name] = np.sort(first[sizes[first] > _SPLIT * middle])
    return outliers


def _split(
    node: NodeProto, last: NodeProto, weights: TensorProto, channels: np.ndarray, arrays: list[TensorProto]
) -> list[NodeProto]:
    """The nodes that follow a product whose weights lose the rows of some channels.

    Args:
        last: adds the bias, which ONNX Runtime does in one go with the product; or is that product.
    """
    matrix = numpy_helper.to_array(weights).copy()
    few, output = f"{node.input[0]}.few", last.output[0]
    arrays.append(numpy_helper.from_array(matrix[channels], f"{weights.name}.few"))
    matrix[channels] = 0
    weights.CopyFrom(numpy_helper.from_array(matrix, weights.name))
    if last is not node:
        product, node.output[0] = node.output[0], f"{node.output[0]}.rest"
        last.input[list(last.input).index(product)] = node.output[0]
    last.output[0] = f"{output}.rest"
    return [
        helper.make_node("MatMul", [few, f"{weights.name}.few"], [f"{output}.few"], f"{output}{IN_FLOATS}"),
        helper.make_node("Sum", [f"{output}.rest", f"{output}.few"], [output]),
    ]
