"""Outlying channels in networks that are written in 8 bits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from mien.networks import transformer
from mien.runtime import Session
from mien.training import outliers
from mien.training.export import Answers, export_network
from mien.training.proof import quantize

torch.set_num_threads(1)
VOCABULARY, LARGE = 60, (5, 17)


@pytest.fixture(scope="module", params=[True, False], ids=["with", "without"])
def network(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bool]:
    """A small transformer; in front of its two-layer networks two channels are 40 times as large as the others."""
    torch.manual_seed(1)
    settings = transformer.Settings(weights="", layers=3, hidden=32, heads=4, inner=48, positions=64, dropout=0)
    made = transformer.Network(settings, labels=4, vocabulary=VOCABULARY, pad_id=0).eval()
    for name, parameter in made.named_parameters():
        nn.init.normal_(parameter, mean=float("Norm.weight" in name), std=0.3)
    for layer in made.encoder.layer if request.param else ():
        with torch.no_grad():
            layer.attention["output"]["LayerNorm"].weight[list(LARGE)] *= 40
            layer.intermediate["dense"].weight[:, list(LARGE)] /= 40
    path = tmp_path_factory.mktemp("outliers") / "floats.onnx"
    export_network(Answers(made, True), np.ones((2, 3), np.int64), path)
    return path, request.param


def texts(count: int, seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.integers(1, VOCABULARY, (1, rng.integers(3, 30))) for _ in range(count)]


def answers(path: Path | bytes) -> np.ndarray:
    session = Session(path)
    return np.concatenate([session.run(text, "probabilities") for text in texts(60, 2)])


def test_apart_they_are_the_same_network(network: tuple[Path, bool]) -> None:
    path, there = network
    model = onnx.load(path)
    before = len(model.graph.node)
    found = outliers.split_outliers(model, texts(20, 1))
    assert (len(model.graph.node) > before) == there
    assert [channels.tolist() for channels in found.values()] == ([list(LARGE)] * 3 if there else [])
    onnx.checker.check_model(model)
    np.testing.assert_allclose(answers(model.SerializeToString()), answers(path), atol=1e-5)


def test_in_8_bits_the_others_keep_their_steps(
    network: tuple[Path, bool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, there = network
    quantize(path, tmp_path / "split.onnx", texts(40, 1))
    monkeypatch.setattr(outliers, "_LARGE", np.inf)
    quantize(path, tmp_path / "whole.onnx", texts(40, 1))
    split, whole = (np.abs(answers(tmp_path / f"{name}.onnx") - answers(path)).mean() for name in ("split", "whole"))
    assert split < whole / 2 if there else split == whole
    kinds = [node.op_type for node in onnx.load(tmp_path / "split.onnx").graph.node]
    assert kinds.count("QAttention") == 3, "the products for queries, keys and values"
    assert kinds.count("MatMulIntegerToFloat") == 3 * 3 + 1, "all others with weights, and the head"
