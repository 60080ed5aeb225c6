"""The joined self-attention gives what its parts gave."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import ModelProto, numpy_helper
from torch import nn

from mien.graphs import check_graph
from mien.networks import transformer
from mien.runtime import Session
from mien.training import proof
from mien.training.attention import join_attention
from mien.training.export import Answers, export_network
from mien.training.proof import quantize

VOCABULARY, LAYERS = 60, 3


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A small transformer in 8 bits, its attention as torch writes it."""
    torch.manual_seed(1)
    settings = transformer.Settings(weights="", layers=LAYERS, hidden=32, heads=4, inner=48, positions=64, dropout=0)
    network = transformer.Network(settings, labels=4, vocabulary=VOCABULARY, pad_id=0).eval()
    for name, parameter in network.named_parameters():
        nn.init.normal_(parameter, mean=float("Norm.weight" in name), std=0.3)
    folder = tmp_path_factory.mktemp("attention")
    export_network(Answers(network, True), np.ones((2, 3), np.int64), folder / "floats.onnx")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(proof, "join_attention", lambda model: 0)
        quantize(folder / "floats.onnx", folder / "parts.onnx", texts((1, 30)))
    return (folder / "parts.onnx").read_bytes()


def texts(*shapes: tuple[int, int]) -> list[np.ndarray]:
    """Batches of tokens, each text padded from some place on."""
    rng, batches = np.random.default_rng(3), []
    for count, length in shapes * 20:
        batch = rng.integers(1, VOCABULARY, (count, length))
        for row in batch:
            row[rng.integers(2, length + 1) :] = 0
        batches.append(batch)
    return batches


def opened(parts: bytes) -> ModelProto:
    return onnx.load_from_string(parts)


def kinds(model: ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


def test_joined_it_answers_as_before(parts: bytes) -> None:
    model = opened(parts)
    assert kinds(model).count("Softmax") == LAYERS
    assert join_attention(model) == LAYERS
    assert kinds(model).count("QAttention") == LAYERS
    assert "Softmax" not in kinds(model)
    assert len(model.graph.node) < len(opened(parts).graph.node) - 12 * LAYERS
    before, after = Session(parts), Session(model.SerializeToString())
    for batch in texts((1, 3), (5, 17), (2, 60)):
        for name in before.outputs:
            np.testing.assert_allclose(after.run(batch, name), before.run(batch, name), atol=1e-5)


def test_what_is_written_may_be_opened(parts: bytes) -> None:
    model = opened(parts)
    join_attention(model)
    check_graph(model.SerializeToString(), "model.onnx")
    names = [array.name for array in model.graph.initializer]
    read = {name for node in model.graph.node for name in node.input}
    assert len(set(names)) == len(names)
    assert set(names) <= read, "no array is left that nothing reads"


def test_the_exporter_joins_them(parts: bytes, tmp_path: Path) -> None:
    # `parts` itself was made with the step left out; with it the file holds none of the parts.
    torch.manual_seed(2)
    settings = transformer.Settings(weights="", layers=1, hidden=16, heads=2, inner=16, positions=64, dropout=0)
    network = transformer.Network(settings, labels=2, vocabulary=VOCABULARY, pad_id=0).eval()
    export_network(Answers(network, True), np.ones((2, 3), np.int64), tmp_path / "floats.onnx")
    quantize(tmp_path / "floats.onnx", tmp_path / "small.onnx", texts((1, 30)))
    assert kinds(onnx.load(tmp_path / "small.onnx")).count("QAttention") == 1


def first(model: ModelProto, kind: str) -> onnx.NodeProto:
    return next(node for node in model.graph.node if node.op_type == kind)


def scale(model: ModelProto) -> None:
    """Another factor of the scores than one over the root of a head's width."""
    name = next(
        node.input[1] for node in model.graph.node if node.op_type == "Mul" and any(
            user.op_type == "Add" and any(last.op_type == "Softmax" and user.output[0] in last.input
                                          for last in model.graph.node)
            for user in model.graph.node if node.output[0] in user.input))  # fmt: skip
    array = next(array for array in model.graph.initializer if array.name == name)
    array.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(array) * 2, name))


def mask(model: ModelProto) -> None:
    """Another number for tokens that are not seen."""
    name = first(model, "Where").input[1]
    array = next(array for array in model.graph.initializer if array.name == name)
    array.CopyFrom(numpy_helper.from_array(np.float32(-5), name))


def order(model: ModelProto) -> None:
    """Keys whose heads lie elsewhere."""
    for node in model.graph.node:
        if node.op_type == "Transpose" and list(node.attribute[0].ints) == [0, 2, 3, 1]:
            node.attribute[0].ints[:] = [0, 2, 1, 3]


@pytest.mark.parametrize("change", [scale, mask, order])
def test_what_computes_something_else_stays(parts: bytes, change) -> None:
    model = opened(parts)
    change(model)
    before = model.SerializeToString()
    assert join_attention(model) == 0
    assert kinds(model) == kinds(onnx.load_from_string(before))
