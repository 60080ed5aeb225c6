"""From a trained network to ``model.onnx``, with proof that both give the same numbers."""

from __future__ import annotations

import logging
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from mien.errors import ExportError
from mien.labels import LabelSpace
from mien.modality import Sampler
from mien.networks import NEVER, OPSET
from mien.networks.base import Network
from mien.runtime import Session
from mien.training.outliers import IN_FLOATS, split_outliers
from mien.training.ranges import fix_ranges, products_in_8_bits
from mien.training.ratings import Ratings

Reference = Callable[[np.ndarray], np.ndarray]
ANSWERS = ("probabilities", "ratings")  # outputs that are answers, in the order in which a reference gives them


@dataclass(frozen=True)
class HeadScale:
    """How the logits of a further head become probabilities: times ``scale``, plus ``bias``, then the last step.

    Attributes:
        multilabel: whether that is the sigmoid of each, and not the softmax of all.
        scale, bias: float32 (labels,).
    """

    multilabel: bool
    scale: np.ndarray
    bias: np.ndarray

    @classmethod
    def plain(cls, space: LabelSpace) -> HeadScale:
        """Logits as they are."""
        return cls(space.multilabel, np.ones(len(space), np.float32), np.zeros(len(space), np.float32))


class Answers(nn.Module):
    """A network with its last step: logits / temperature → softmax, or the sigmoid of each; ratings to their scales.

    Args:
        labels: how many labels of its own it has; 0 where it gives ratings alone.
        heads: of each further head, whose logits follow the network's own.
        ratings: what it rates besides; these come last.

    Attributes:
        outputs: names of what it gives: "probabilities" where there are labels, "ratings" where there are such, and
            "features", what these are made from, where the network can tell.
    """

    def __init__(
        self,
        network: Network,
        multilabel: bool,
        temperature: float = 1.0,
        heads: Sequence[HeadScale] = (),
        ratings: Ratings | None = None,
        labels: bool = True,
    ) -> None:
        super().__init__()
        self.network, self.multilabel, self.temperature, self.heads = network, multilabel, temperature, heads
        self.ratings = ratings or Ratings()
        self.register_buffer("halves", torch.from_numpy(self.ratings.halves), persistent=False)
        self.register_buffer("middles", torch.from_numpy(self.ratings.middles), persistent=False)
        there = {"probabilities": labels, "ratings": len(self.ratings) > 0, "features": network.gives_features}
        self.outputs = [name for name, is_there in there.items() if is_there]

    def forward(self, inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Each of ``outputs``, float32: (batch, labels), (batch, ratings), (batch, width of the features)."""
        given: dict[str, Tensor] = {}
        if self.network.gives_features:
            given["features"] = self.network.features(inputs)
            logits = self.network.head(given["features"])
        else:
            logits = self.network(inputs)
        width = logits.shape[1] - len(self.ratings)
        given["probabilities"] = self._last(logits[:, :width])
        given["ratings"] = logits[:, width:].clamp(-1, 1) * self.halves + self.middles
        wanted = tuple(given[name] for name in self.outputs)
        return wanted if len(wanted) > 1 else wanted[0]

    def _last(self, logits: Tensor) -> Tensor:
        sizes = [len(head.scale) for head in self.heads]
        own, *others = torch.split(logits, [logits.shape[1] - sum(sizes), *sizes], 1)
        parts = [self._shares(own / self.temperature, self.multilabel)]
        for other, head in zip(others, self.heads, strict=True):
            scaled = other * torch.from_numpy(head.scale) + torch.from_numpy(head.bias)
            parts.append(self._shares(scaled, head.multilabel))
        return torch.cat(parts, 1) if others else parts[0]

    @staticmethod
    def _shares(logits: Tensor, multilabel: bool) -> Tensor:
        return logits.sigmoid() if multilabel else logits.softmax(1)


def fit_temperature(logits: np.ndarray, targets: np.ndarray) -> float:
    """The temperature that makes the targets most likely (Guo et al. 2017), within 0.2 .. 5.

    Labels that training never showed, or on every sample, tell nothing of it.

    Args:
        logits: float (n, labels).
        targets: int (n,), or 0/1 (n, labels) for several labels at once.
    """
    logits = logits.astype(np.float64)
    single = targets.ndim == 1
    known = logits[np.arange(len(targets)), targets] != NEVER if single else np.abs(logits) != -NEVER
    logits, targets = logits[known], targets[known]
    if not len(targets):
        return 1.0

    def loss(temperature: float) -> float:
        scaled = logits / temperature
        if single:
            scaled = scaled - scaled.max(1, keepdims=True)
            chosen = scaled[np.arange(len(targets)), targets]
            return float(np.mean(np.log(np.exp(scaled).sum(1)) - chosen))
        return float(np.mean(np.logaddexp(0, scaled) - targets * scaled))

    grid = np.geomspace(0.2, 5, 400)
    return float(grid[np.argmin([loss(t) for t in grid])])


def export_network(
    network: Answers, example: np.ndarray, path: Path, free_axes: Sequence[str] = ("batch", "length")
) -> None:
    """Write a torch module as ONNX.

    Args:
        free_axes: names of the first axes of its input, whose lengths stay free.

    Raises:
        ExportError: torch cannot express the network in ONNX.
    """
    network.eval()
    # torch makes an axis of length 1 a constant, so those of the example that stay free are 2 long at least.
    example = example[:2]
    lacking = [max(0, 2 - n) if axis < len(free_axes) else 0 for axis, n in enumerate(example.shape)]
    example = np.pad(example, [(0, more) for more in lacking], mode="edge")
    axes = ({axis: torch.export.Dim(name) for axis, name in enumerate(free_axes)},)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    # What an earlier export of this process left would fix the axes at its example's lengths.
    torch.compiler.reset()
    torch.ops.aten.gru.input._dispatch_cache.clear()
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # torch's exporter warns about its own code
            torch.onnx.export(
                network, (torch.from_numpy(example),), path, input_names=["inputs"],
                output_names=network.outputs,
                dynamo=True, external_data=False, dynamic_shapes=axes, opset_version=OPSET, verbose=False,
            )  # fmt: skip
    except Exception as error:
        raise ExportError(f"the network cannot be written as ONNX: {str(error).splitlines()[0]}") from error
    model = onnx.load(path)
    shape = model.graph.input[0].type.tensor_type.shape.dim[: len(free_axes)]
    fixed = [axis.dim_value for axis in shape if not axis.dim_param]
    if fixed:  # torch does so without a word where it cannot keep an axis free
        raise ExportError(f"the network cannot be written as ONNX: it takes only batches with an axis of {fixed[0]}")
    del model.graph.value_info[:]  # shapes that the exporter noted, which the quantizer would trip over
    for node in model.graph.node:  # traces of the source files it came from
        del node.metadata_props[:]
        node.doc_string = ""
    onnx.save(model, path)


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
            onnx.save(small, target)
    finally:
        root.setLevel(level)


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
