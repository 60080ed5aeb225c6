"""From a trained network to ``model.onnx``, with proof that both give the same numbers."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from mien.errors import ExportError
from mien.networks.graph import OPSET
from mien.runtime import Session
from mien.training.batches import Task

Reference = Callable[[np.ndarray], np.ndarray]


class Probabilities(nn.Module):
    """A network with its last step: logits / temperature → softmax, or the sigmoid of each."""

    def __init__(self, network: nn.Module, multilabel: bool, temperature: float = 1.0) -> None:
        super().__init__()
        self.network, self.multilabel, self.temperature = network, multilabel, temperature

    def forward(self, inputs: Tensor) -> Tensor:
        """Probabilities float32 (batch, labels)."""
        logits: Tensor = self.network(inputs) / self.temperature
        return logits.sigmoid() if self.multilabel else logits.softmax(1)


def probabilities_of(logits: np.ndarray, multilabel: bool, temperature: float = 1.0) -> np.ndarray:
    """The same in numpy: logits (n, labels) → probabilities float32 (n, labels)."""
    logits = logits / temperature
    if multilabel:
        return np.asarray(1 / (1 + np.exp(-np.clip(logits, -60, 60))), np.float32)
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(powers / powers.sum(1, keepdims=True), np.float32)


def fit_temperature(logits: np.ndarray, targets: np.ndarray) -> float:
    """The temperature that makes the targets most likely (Guo et al. 2017), within 0.2 .. 5.

    Args:
        logits: float (n, labels).
        targets: int (n,), or 0/1 (n, labels) for several labels at once.
    """
    logits = logits.astype(np.float64)

    def loss(temperature: float) -> float:
        scaled = logits / temperature
        if targets.ndim == 1:
            scaled = scaled - scaled.max(1, keepdims=True)
            chosen = scaled[np.arange(len(targets)), targets]
            return float(np.mean(np.log(np.exp(scaled).sum(1)) - chosen))
        return float(np.mean(np.logaddexp(0, scaled) - targets * scaled))

    grid = np.geomspace(0.2, 5, 400)
    return float(grid[np.argmin([loss(t) for t in grid])])


def export_network(network: nn.Module, example: np.ndarray, path: Path) -> None:
    """Write a torch module as ONNX; the first two axes of its input stay free.

    Raises:
        ExportError: torch cannot express the network in ONNX.
    """
    network.eval()
    # torch makes an axis of length 1 a constant, so the example has two rows and two columns at least.
    example = np.pad(example[:2], ((0, 2 - len(example[:2])), (0, max(0, 2 - example.shape[1]))), mode="edge")
    axes = ({0: torch.export.Dim("batch"), 1: torch.export.Dim("length")},)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    torch.compiler.reset()  # what an earlier export of this process left would fix the axes at its example's lengths
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # torch's exporter warns about its own code
            torch.onnx.export(
                network, (torch.from_numpy(example),), path, input_names=["inputs"], output_names=["probabilities"],
                dynamo=True, external_data=False, dynamic_shapes=axes, opset_version=OPSET, verbose=False,
            )  # fmt: skip
    except Exception as error:
        raise ExportError(f"the network cannot be written as ONNX: {str(error).splitlines()[0]}") from error
    model = onnx.load(path)
    fixed = [axis.dim_value for axis in model.graph.input[0].type.tensor_type.shape.dim if not axis.dim_param]
    if fixed:  # torch does so without a word where it cannot keep an axis free
        raise ExportError(f"the network cannot be written as ONNX: it takes only batches with an axis of {fixed[0]}")
    del model.graph.value_info[:]  # shapes that the exporter noted, which the quantiser would trip over
    for node in model.graph.node:  # traces of the source files it came from
        del node.metadata_props[:]
        node.doc_string = ""
    onnx.save(model, path)


def prove(reference: Reference, path: Path, batches: Iterable[np.ndarray], tolerance: float) -> float:
    """The largest difference between the probabilities of the trained model and of the exported file.

    Args:
        reference: prepared batch → probabilities, as the trained model gives them.

    Raises:
        ExportError: it is over *tolerance*.
    """
    session, worst = Session(path), 0.0
    for batch in batches:
        worst = float(np.maximum(worst, np.abs(session.run(batch) - reference(batch)).max()))  # keeps a NaN
    if not worst <= tolerance:
        raise ExportError(f"{path.name} and the trained model differ by {worst:.2e}, {tolerance:.0e} is allowed")
    return worst


def quantize(path: Path, target: Path) -> None:
    """Write the network with its large weights in 8 bits (onnxruntime's dynamic quantisation, per channel)."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    root, level = logging.getLogger(), logging.getLogger().level
    root.setLevel(logging.ERROR)  # onnxruntime logs its advice to the root
    try:
        quantize_dynamic(path, target, per_channel=True, reduce_range=False, weight_type=QuantType.QInt8)
    finally:
        root.setLevel(level)


def run_network(path: Path, task: Task, inputs: Sequence[str], size: int = 64) -> np.ndarray:
    """Probabilities of an exported network, float32 (n, labels), in the order of the inputs."""
    session = Session(path)
    order = np.argsort(task.lengths(inputs), kind="stable")
    places = [order[start : start + size] for start in range(0, len(order), size)]
    rows = np.concatenate([session.run(task.collate([inputs[i] for i in batch])) for batch in places])
    return rows[np.argsort(order)]
