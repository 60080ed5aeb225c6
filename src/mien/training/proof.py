"""Proof that ``model.onnx`` gives the trained model's numbers, and its form in 8 bits. Imports no torch."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from mien.errors import ExportError
from mien.modality import Sampler
from mien.runtime import Session
from mien.training.attention import join_attention
from mien.training.outliers import IN_FLOATS, split_outliers
from mien.training.ranges import fix_ranges, products_in_8_bits

Reference = Callable[[np.ndarray], np.ndarray]
ANSWERS = ("probabilities", "ratings")  # outputs that are answers, in the order in which a reference gives them


def prove(reference: Reference, path: Path, batches: Iterable[np.ndarray], tolerance: float) -> float:
    """The largest difference between the answers of the trained model and of the exported file.

    Args:
        reference: prepared batch → probabilities, then ratings, side by side, as the trained model gives them.

    Raises:
        ExportError: it is over *tolerance*.
    """
    session, worst = Session(path), 0.0
    for batch in batches:
        answers = [session.run(batch, name) for name in session.outputs if name in ANSWERS]
        worst = float(np.maximum(worst, np.abs(np.hstack(answers) - reference(batch)).max()))  # keeps a NaN
    if not worst <= tolerance:
        raise ExportError(f"{path.name} and the trained model differ by {worst:.2e}, {tolerance:.0e} is allowed")
    return worst


def quantize(path: Path, target: Path, examples: Sequence[np.ndarray] = ()) -> None:
    """Write the network in 8 bits: embeddings, and what is computed with weights, in ranges measured on examples once.

    Of networks with convolutions only these are computed in 8 bits; the first few stay as they are. Of others products
    of matrices, but see :func:`mien.training.ranges.products_in_8_bits`.

    Args:
        examples: prepared training inputs: batches of pictures, or texts one by one. Without them products of matrices
            are computed in floats.
    """
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_dynamic, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    root.handlers[:] = before  # it sets up logging for everyone when it is imported

    class Examples(CalibrationDataReader):
        def __init__(self) -> None:
            self._batches = iter([{"inputs": batch} for batch in examples])

        def get_next(self) -> dict[str, np.ndarray] | None:
            return next(self._batches, None)

    root.setLevel(logging.ERROR)  # onnxruntime logs its advice to the root
    try:
        model = onnx.load(path)
        if any(node.op_type == "Conv" for node in model.graph.node):
            prepared = target.with_suffix(".prepared.onnx")
            quant_pre_process(str(path), str(prepared))  # folds batch norms into convolutions
            quantize_static(
                prepared, target, Examples(), per_channel=True, weight_type=QuantType.QInt8,
                op_types_to_quantize=["Conv", "Relu", "Clip", "MaxPool"],  # a probability needs more than 256 steps
                nodes_to_exclude=_first_convolutions(prepared),
            )  # fmt: skip
            prepared.unlink()
        else:
            products = ["MatMul"] if examples and products_in_8_bits(model) else []
            outliers = split_outliers(model, examples) if products else {}
            quantize_dynamic(
                model, target, ["Gather", *products], per_channel=True, reduce_range=False, weight_type=QuantType.QInt8,
                nodes_to_exclude=[node.name for node in model.graph.node if node.name.endswith(IN_FLOATS)],
            )  # fmt: skip
            fix_ranges(small := onnx.load(target), examples, outliers)
            join_attention(small)
            onnx.save(small, target)
    finally:
        root.setLevel(level)
        root.handlers[:] = before  # what it said may have set up one


def _first_convolutions(path: Path) -> list[str]:
    """Names of those that see the pixels almost raw: few products, and the ones that 8 bits harm most."""
    convolutions = [node.name for node in onnx.load(path).graph.node if node.op_type == "Conv"]
    return convolutions[: min(3, len(convolutions) // 4)]


def run_network(
    path: Path, sampler: Sampler, inputs: Sequence[Any], output: str | None = None, size: int = 64
) -> np.ndarray:
    """What an exported network gives, float32 (n, labels or ratings), in the order of the inputs.

    Args:
        output: name of one of its outputs; by default its first.
    """
    session = Session(path)
    order = np.argsort(sampler.lengths(inputs), kind="stable")
    rows: list[Any] = [None] * len(order)
    for start in range(0, len(order), size):
        alike = defaultdict[tuple[int, ...], list[tuple[int, np.ndarray]]](list)  # as where the model is used
        for place in order[start : start + size]:
            sample = sampler.collate([inputs[place]])
            alike[sample.shape].append((place, sample))
        for samples in alike.values():
            found = session.run(np.concatenate([sample for _, sample in samples]), output)
            for (place, _), row in zip(samples, found, strict=True):
                rows[place] = row
    return np.stack(rows)
