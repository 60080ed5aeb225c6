"""One operator for the self-attention of an 8-bit network, which torch writes as some twenty.

ONNX Runtime's own optimizer knows it only as other exporters write it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

_UNSEEN = -10_000.0  # what both add to the score of a token that is not seen, before the softmax
_BY_HEAD, _KEYS_BY_HEAD = [0, 2, 1, 3], [0, 2, 3, 1]  # orders of axes
_JOINED = {1: "weights", 3: "scales", 5: "zeros", 6: "biases"}  # inputs of a product, along its columns


class _OtherGraph(Exception):
    """What was looked for is not there."""


@dataclass(frozen=True)
class _Attention:
    """A self-attention: products that give queries, keys and values, heads, which tokens are seen, what it gives."""

    products: list[NodeProto]
    heads: int
    seen: str  # bool (batch, length)
    output: str


def join_attention(model: ModelProto) -> int:
    """Put ONNX Runtime's ``QAttention`` for each self-attention whose queries, keys and values are products in 8 bits.

    Weights, scales and ranges stay as they are.

    Args:
        model: as :func:`mien.training.ranges.fix_ranges` makes it; changed in place.

    Returns:
        How many there were.
    """
    graph = _Graph(model)
    found = {attention.output: attention for node in model.graph.node if (attention := graph.attention(node))}
    nodes, masks = list[NodeProto](), dict[str, str]()
    for node in model.graph.node:
        attention = found.get(node.output[0])
        if attention is None:
            nodes.append(node)
            continue
        if attention.seen not in masks:
            masks[attention.seen] = f"{attention.seen}.mask"
            nodes.append(helper.make_node("Cast", [attention.seen], [masks[attention.seen]], to=TensorProto.INT32))
        given, _, step, _, zero, *_ = attention.products[0].input
        for place, name in _JOINED.items():
            parts = [graph.arrays[product.input[place]] for product in attention.products]
            array = numpy_helper.from_array(np.concatenate(parts, -1), f"{attention.output}.{name}")
            model.graph.initializer.append(array)
        weights, scales, zeros, biases = (f"{attention.output}.{name}" for name in _JOINED.values())
        inputs = [given, weights, biases, step, scales, masks[attention.seen], zero, zeros]
        joined = helper.make_node("QAttention", inputs, [attention.output], domain="com.microsoft")
        joined.attribute.append(helper.make_attribute("num_heads", attention.heads))
        nodes.append(joined)
    _keep_read(model, nodes)
    return len(found)


class _Graph:
    """Nodes by what they give and by what they take, and arrays by name."""

    def __init__(self, model: ModelProto) -> None:
        self.arrays = {array.name: numpy_helper.to_array(array) for array in model.graph.initializer}
        self._made = {name: node for node in model.graph.node for name in node.output}
        self._users: dict[str, list[NodeProto]] = {}
        for node in model.graph.node:
            for name in node.input:
                self._users.setdefault(name, []).append(node)

    def attention(self, softmax: NodeProto) -> _Attention | None:
        """The self-attention around a softmax; None around any other node, or where something else is computed."""
        try:
            scaled, mask = self._above(self._expect(softmax, "Softmax").input[0], "Add").input
            scores, factor = self._above(scaled, "Mul").input
            queries, keys = self._above(scores, "MatMul").input
            mixed = self._below(softmax, "MatMul")
            turned = self._below(mixed, "Transpose", _BY_HEAD)
            orders = {queries: _BY_HEAD, keys: _KEYS_BY_HEAD, mixed.input[1]: _BY_HEAD}
            sides = [self._product(name, order) for name, order in orders.items()]
            (heads, width) = sides[0][1]
            alike = all(shape == (heads, width) for _, shape in sides)
            if not (len(sides) == 3 and alike and np.isclose(self.arrays[factor], width**-0.5)):
                return None
            products = [product for product, _ in sides]
            inputs = {tuple(product.input[place] for place in (0, 2, 4)) for product in products}
            known = all(product.input[place] in self.arrays for product in products for place in _JOINED)
            if len(inputs) > 1 or not known:
                return None
            return _Attention(products, heads, self._seen(mask), self._below(turned, "Reshape").output[0])
        except (_OtherGraph, KeyError, ValueError, IndexError):
            return None

    def _product(self, name: str, order: list[int]) -> tuple[NodeProto, tuple[int, int]]:
        """The product that a side of the attention comes from; its heads and the width of each."""
        cut, shape = self._above(name, "Transpose", order).input[0], list[int]()
        given, sizes = self._above(cut, "Reshape").input
        for part in self._above(sizes, "Concat").input[-2:]:
            shape += self.arrays[part].tolist()
        heads, width = shape
        return self._above(given, "MatMulIntegerToFloat"), (heads, width)

    def _seen(self, mask: str) -> str:
        """Which tokens are seen, from what is added to the scores."""
        unseen, low, zero = self._above(self._above(mask, "Unsqueeze").input[0], "Where").input
        zeros = self.arrays[self._above(zero, "Expand").input[0]]
        if self.arrays[low] != _UNSEEN or zeros != 0:
            raise _OtherGraph
        return str(self._above(unseen, "Not").input[0])

    def _above(self, name: str, kind: str, order: list[int] | None = None) -> NodeProto:
        return self._expect(self._made[name], kind, order)

    def _below(self, node: NodeProto, kind: str, order: list[int] | None = None) -> NodeProto:
        (user,) = self._users[node.output[0]]
        return self._expect(user, kind, order)

    @staticmethod
    def _expect(node: NodeProto, kind: str, order: list[int] | None = None) -> NodeProto:
        if node.op_type != kind or (order and list(node.attribute[0].ints) != order):
            raise _OtherGraph
        return node


def _keep_read(model: ModelProto, nodes: list[NodeProto]) -> None:
    """Those of the nodes and arrays from which the outputs come."""
    read = {output.name for output in model.graph.output}
    kept = list[NodeProto]()
    for node in reversed(nodes):
        if read.intersection(node.output):
            kept.append(node)
            read.update(node.input)
    arrays = [array for array in model.graph.initializer if array.name in read]
    del model.graph.node[:], model.graph.initializer[:]
    model.graph.node.extend(reversed(kept))
    model.graph.initializer.extend(arrays)
