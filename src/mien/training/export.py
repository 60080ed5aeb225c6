"""From a network of torch to ``model.onnx``."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from mien.errors import ExportError
from mien.labels import LabelSpace
from mien.networks import OPSET
from mien.networks.base import Network
from mien.training.ngrams import NGrams
from mien.training.ratings import Ratings


@dataclass(frozen=True)
class HeadScale:
    """How the logits of a further head become probabilities: times ``scale``, plus ``bias``, then the last step.

    Attributes:
        multilabel: whether that is the sigmoid of each, and not the softmax of all.
        scale, bias: float32 (labels,).
        runs: of the logits of ``ngrams``, which are added, float32 (labels,).
        ngrams: prepared batch → further logits (batch, labels); None for none.
    """

    multilabel: bool
    scale: np.ndarray
    bias: np.ndarray
    runs: np.ndarray | None = None
    ngrams: NGrams | None = None

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
        given["probabilities"] = self._last(inputs, logits[:, :width])
        given["ratings"] = logits[:, width:].clamp(-1, 1) * self.halves + self.middles
        wanted = tuple(given[name] for name in self.outputs)
        return wanted if len(wanted) > 1 else wanted[0]

    def _last(self, inputs: Tensor, logits: Tensor) -> Tensor:
        sizes = [len(head.scale) for head in self.heads]
        own, *others = torch.split(logits, [logits.shape[1] - sum(sizes), *sizes], 1)
        parts = [self._shares(own / self.temperature, self.multilabel)]
        for other, head in zip(others, self.heads, strict=True):
            scaled = other * torch.from_numpy(head.scale) + torch.from_numpy(head.bias)
            if head.ngrams is not None and head.runs is not None:
                scaled = scaled + head.ngrams(inputs) * torch.from_numpy(head.runs)
            parts.append(self._shares(scaled, head.multilabel))
        return torch.cat(parts, 1) if others else parts[0]

    @staticmethod
    def _shares(logits: Tensor, multilabel: bool) -> Tensor:
        return logits.sigmoid() if multilabel else logits.softmax(1)


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
