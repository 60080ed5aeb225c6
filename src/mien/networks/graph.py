"""Networks of rows written as ONNX node by node; torch has no part in them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import onnx
from onnx import ModelProto, TensorProto, ValueInfoProto, helper

if TYPE_CHECKING:
    from mien.networks.rows import Graph

OPSET = 20
_TREES = 3  # of ai.onnx.ml
_IR = 10


def row_model(graph: Graph, width: int, labels: int) -> ModelProto:
    """A graph from ``inputs``, float32 (batch, width), to ``probabilities``, float32 (batch, labels)."""
    return model_of(graph, labels, [helper.make_tensor_value_info("inputs", TensorProto.FLOAT, ["batch", width])])


def model_of(
    graph: Graph,
    labels: int,
    inputs: Sequence[ValueInfoProto],
    *,
    before: ModelProto | None = None,
    outputs: Sequence[ValueInfoProto] = (),
) -> ModelProto:
    """A model whose ``probabilities``, float32 (batch, labels), are what the last node of *graph* gives.

    Args:
        before: a network whose outputs the graph reads.
        outputs: further outputs.
    """
    graph.nodes[-1].output[0] = "probabilities"
    first = before.graph if before is not None else onnx.GraphProto()
    whole = helper.make_graph(
        [*first.node, *graph.nodes],
        "mien",
        list(inputs),
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", labels]), *outputs],
        [*first.initializer, *graph.constants()],
    )
    versions = {"": OPSET}
    versions |= {opset.domain: opset.version for opset in (before.opset_import if before else ())}
    versions["ai.onnx.ml"] = _TREES  # which the network before may name, but has no operator of
    opsets = [helper.make_opsetid(domain, version) for domain, version in versions.items()]
    return helper.make_model(whole, opset_imports=opsets, ir_version=max(_IR, before.ir_version if before else 0))


def save_model(model: ModelProto, path: Path) -> None:
    """Check a model and write it."""
    onnx.checker.check_model(model)
    onnx.save(model, path)
