"""Networks written as ONNX node by node, where torch's exporter does not fit or torch has no part in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import onnx
from onnx import NodeProto, TensorProto, helper

OPSET = 20


def save_graph(nodes: Sequence[NodeProto], initializers: Sequence[TensorProto], labels: int, path: Path) -> None:
    """Write a graph from ``inputs``, int64 (batch, length), to ``probabilities``, float32 (batch, labels)."""
    graph = helper.make_graph(
        list(nodes),
        "mien",
        [helper.make_tensor_value_info("inputs", TensorProto.INT64, ["batch", "length"])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", labels])],
        list(initializers),
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    onnx.checker.check_model(model)
    onnx.save(model, path)
