"""A tiny scene model made by hand: what the tests of scenes share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from mien.model import NETWORK, LabelsEntry, Manifest, RatingEntry, write_model

LABELS = ("dark", "dim", "bright")
CUTS = np.array([0.25, 0.5, 0.75], np.float32)


def scene_model(
    folder: Path, views: tuple[str, ...] = ("picture",), labels: bool = True, mirror: bool = False,
    ratings: tuple[str, str] = ("light", "left"),
) -> Path:  # fmt: skip
    """A model folder whose network goes by brightness alone, 0..1, and by which side of the picture is lighter.

    Label i holds with sigmoid(20 (m - CUTS[i])), m the mean of the last view; the first rating is 1 + 6 times the mean
    of the first view, and the second 1 + 6 times that of its left half.
    """
    two, size = len(views) == 2, 32
    axes = [2, 3, 4] if two else [1, 2, 3]
    shape = ["batch", *([2] if two else []), size, size, 3]
    nodes = [
        helper.make_node("Cast", ["inputs"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["f", "per"], ["g"]),
        helper.make_node("Slice", ["g", "zero", "half", "across"], ["h"]),
        helper.make_node("ReduceMean", ["g"], ["m0"], axes=axes, keepdims=0),
        helper.make_node("ReduceMean", ["h"], ["l0"], axes=axes, keepdims=0),
    ]
    for name in "ml":  # (batch,) or (batch, 2) → (batch, views)
        nodes.append(helper.make_node("Reshape", [f"{name}0", "columns"], [f"{name}v"]))
        nodes.append(helper.make_node("Gather", [f"{name}v", "first"], [f"{name}1"], axis=1))
    nodes += [
        helper.make_node("Gather", ["mv", "last"], ["p1"], axis=1),
        helper.make_node("Concat", ["m1", "l1"], ["both"], axis=1),
        helper.make_node("Mul", ["both", "six"], ["six_both"]),
        helper.make_node("Add", ["six_both", "one"], ["ratings"]),
        helper.make_node("Sub", ["p1", "cuts"], ["over"]),
        helper.make_node("Mul", ["over", "twenty"], ["logits"]),
        helper.make_node("Sigmoid", ["logits"], ["probabilities"]),
    ]
    outputs = [
        *([helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", 3])] if labels else []),
        helper.make_tensor_value_info("ratings", TensorProto.FLOAT, ["batch", 2]),
    ]
    numbers = {"per": [1 / 255], "six": [6.0], "one": [1.0], "twenty": [20.0]}
    places = {
        "zero": [0], "half": [size // 2], "across": [axes[1]], "columns": [-1, len(views)], "first": [0],
        "last": [len(views) - 1],
    }  # fmt: skip
    arrays = [helper.make_tensor(name, TensorProto.FLOAT, [1], values) for name, values in numbers.items()]
    arrays += [helper.make_tensor(name, TensorProto.INT64, [len(values)], values) for name, values in places.items()]
    arrays.append(helper.make_tensor("cuts", TensorProto.FLOAT, [1, 3], CUTS.tolist()))
    given = [helper.make_tensor_value_info("inputs", TensorProto.UINT8, shape)]
    network = helper.make_model(
        helper.make_graph(nodes, "brightness", given, outputs, arrays),
        opset_imports=[helper.make_opsetid("", 17)], ir_version=8,
    )  # fmt: skip
    onnx.checker.check_model(network)
    manifest = Manifest(
        name="light",
        modality="scene",
        labels=LabelsEntry(
            space="light3" if labels else "affect", names=list(LABELS if labels else ()), multilabel=True
        ),
        ratings=[RatingEntry(name=name, low=1, high=7) for name in ratings],
        preprocess={"size": size, "views": list(views), "mirror": mirror},
        thresholds=dict.fromkeys(LABELS, 0.4) if labels else {},
    )
    return write_model(folder, manifest, {NETWORK: network.SerializeToString()}, "# light")


def expected(mean: float) -> np.ndarray:
    """The probabilities for pictures of that brightness, float64 (3,)."""
    return 1 / (1 + np.exp(-20 * (mean - CUTS.astype(float))))
