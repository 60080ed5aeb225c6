"""A BERT encoder written as ONNX with ONNX Runtime's fused operators (domain ``com.microsoft``).

torch's exporter gives the same numbers from four times as many nodes. Here query, key and value are one product, and
attention and GELU are one step each. Not all that is fused is fast: SkipLayerNormalization, sum and norm in one, takes
five times as long as the two on a CPU (ONNX Runtime 1.31), and BiasGelu keeps the bias out of the product before it,
which in 8 bits adds it for nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from onnx import NodeProto, TensorProto, helper, numpy_helper

from mien.networks.graph import save_graph

if TYPE_CHECKING:
    from mien.networks.transformer import Network


def write_encoder(network: Network, path: Path, temperature: float, multilabel: bool) -> None:
    """Write token ids → probabilities, logits divided by *temperature*, as sigmoids or one softmax."""
    graph = _Graph()
    graph.node("Equal", ["inputs", graph.array("pad", np.array(network.pad_id))], "padding")
    graph.node("Not", ["padding"], "there")
    graph.node("Cast", ["there"], "mask", to=TensorProto.INT32)
    x = graph.embeddings(network.embeddings)
    layers: Any = network.encoder.layer
    for number, layer in enumerate(layers):
        x = graph.layer(layer, x, f"layer{number}")
    graph.mean(x)
    graph.node("MatMul", ["mean", graph.array("head", network.head.weight.T / temperature)], "product")
    graph.node("Add", ["product", graph.array("head_bias", network.head.bias / temperature)], "logits")
    if multilabel:
        graph.node("Sigmoid", ["logits"], "probabilities")
    else:
        graph.node("Softmax", ["logits"], "probabilities", axis=1)
    initializers = [numpy_helper.from_array(value, name) for name, value in graph.arrays.items()]
    save_graph(graph.nodes, initializers, len(network.head.bias), path)


class _Graph:
    """Nodes and arrays as they come together. Methods give the name of what they add."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.arrays: dict[str, np.ndarray] = {}

    def array(self, name: str, value: Any) -> str:
        plain = value.detach().numpy() if isinstance(value, torch.Tensor) else value
        self.arrays[name] = np.ascontiguousarray(plain)
        return name

    def node(self, kind: str, inputs: list[str], output: str, *, fused: bool = False, **settings: Any) -> str:
        domain = "com.microsoft" if fused else ""
        self.nodes.append(helper.make_node(kind, inputs, [output], domain=domain, **settings))
        return output

    def norm(self, norm: Any, name: str) -> list[str]:
        return [self.array(f"{name}.gamma", norm.weight), self.array(f"{name}.beta", norm.bias)]

    def embeddings(self, start: Any) -> str:
        positions = start.position_embeddings.weight
        if hasattr(start, "token_type_embeddings"):
            positions = positions + start.token_type_embeddings.weight[0]
        self.node("Shape", ["inputs"], "length", start=1, end=2)
        self.node("Gather", [self.array("words", start.word_embeddings.weight), "inputs"], "word_vectors")
        zero = self.array("zero", np.array([0]))
        self.node("Slice", [self.array("positions", positions), zero, "length", zero], "position_vectors")
        self.node("Add", ["word_vectors", "position_vectors"], "vectors")
        norm = start.LayerNorm
        inputs = ["vectors", *self.norm(norm, "embedded")]
        return self.node("LayerNormalization", inputs, "embedded", axis=-1, epsilon=norm.eps)

    def layer(self, layer: Any, x: str, name: str) -> str:
        mix, out = layer.attention["self"], layer.attention["output"]
        three = [mix[part] for part in ("query", "key", "value")]
        weights = self.array(f"{name}.mix", torch.cat([linear.weight.T for linear in three], 1))
        bias = self.array(f"{name}.mix_bias", torch.cat([linear.bias for linear in three]))
        seen = self.node("Attention", [x, weights, bias, "mask"], f"{name}.seen", fused=True, num_heads=layer.heads)
        seen = self.dense(seen, out["dense"], f"{name}.out")
        x = self._add_and_norm(seen, x, out["LayerNorm"], f"{name}.attended")
        wide, narrow = layer.intermediate["dense"], layer.output["dense"]
        inner = self.node("Gelu", [self.dense(x, wide, f"{name}.wide")], f"{name}.gelu", fused=True)
        inner = self.dense(inner, narrow, f"{name}.narrow")
        return self._add_and_norm(inner, x, layer.output["LayerNorm"], f"{name}.done")

    def dense(self, x: str, linear: Any, name: str) -> str:
        product = self.node("MatMul", [x, self.array(name, linear.weight.T)], f"{name}_product")
        return self.node("Add", [product, self.array(f"{name}_bias", linear.bias)], f"{name}_sum")

    def _add_and_norm(self, of: str, beside: str, norm: Any, name: str) -> str:
        # Sum, as ONNX Runtime would make SkipLayerNormalization of an Add.
        both = self.node("Sum", [of, beside], f"{name}_sum")
        return self.node("LayerNormalization", [both, *self.norm(norm, name)], name, axis=-1, epsilon=norm.eps)

    def mean(self, x: str) -> str:
        """Over the tokens that are there."""
        one = self.array("one", np.array([1]))
        self.node("Cast", ["there"], "ones", to=TensorProto.FLOAT)
        self.node("Unsqueeze", ["ones", one], "row")
        self.node("MatMul", ["row", x], "sum_row")
        self.node("Squeeze", ["sum_row", one], "sum")
        self.node("ReduceSum", ["ones", one], "count", keepdims=1)
        return self.node("Div", ["sum", "count"], "mean")
