"""AlexNet (Krizhevsky et al. 2012) as torchvision has it, after Krizhevsky 2014: 57 million parameters below the head.

Parameters below ``alexnet`` have torchvision's names, so that its official file of ImageNet weights
(``alexnet-owt-7be5be79.pth``) loads as it is.
"""

from __future__ import annotations

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from mien.errors import RecipeError
from mien.networks import base
from mien.networks.settings import NetworkSettings
from mien.networks.weights import fill, normalized, read_weights

_MAP = 6  # side of the map of features that the dense layers see


class Settings(NetworkSettings):
    """What to start from, and how large.

    Attributes:
        weights: a file of torchvision's AlexNet (``.pth``, or the like as safetensors); "" starts from nothing.
        width: share of the original's filters; below 1 for a smaller network, which the official file does not fit.
        dense: width of the two dense layers, 4,096 in the original.
        dropout: share of features left out before each dense layer.
    """

    weights: str = ""
    width: float = Field(1.0, gt=0, le=1)
    dense: int = Field(4096, ge=1)
    dropout: float = Field(0.5, ge=0, lt=1)


class AlexNet(nn.Module):
    """Normalized pictures, float (batch, 3, size, size), to features, float (batch, dense); torchvision's names."""

    def __init__(self, settings: Settings, size: int) -> None:
        super().__init__()
        first, second, third, fourth = (max(4, round(wide * settings.width)) for wide in (64, 192, 384, 256))
        self.features = nn.Sequential(
            nn.Conv2d(3, first, 11, stride=4, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
            nn.Conv2d(first, second, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
            nn.Conv2d(second, third, 3, padding=1), nn.ReLU(),
            nn.Conv2d(third, fourth, 3, padding=1), nn.ReLU(),
            nn.Conv2d(fourth, fourth, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2),
        )  # fmt: skip
        self.avgpool = Averages(map_side(size), _MAP)
        drop, dense = settings.dropout, settings.dense
        self.classifier = nn.Sequential(
            nn.Dropout(drop), nn.Linear(fourth * _MAP * _MAP, dense), nn.ReLU(),
            nn.Dropout(drop), nn.Linear(dense, dense), nn.ReLU(),
        )  # fmt: skip

    def begin_from_nothing(self) -> None:
        """Weights at random, of a size that keeps the signal's (He et al. 2015)."""
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]  # these have one

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = self.classifier(self.avgpool(self.features(x)).flatten(1))
        return features


class Averages(nn.Module):
    """Averages over a grid of cells, as ``nn.AdaptiveAvgPool2d``, but as products, which ONNX has for any side."""

    matrix: Tensor

    def __init__(self, side: int, cells: int) -> None:
        super().__init__()
        matrix = np.zeros((cells, side), np.float32)
        for cell in range(cells):
            low, high = cell * side // cells, -(-(cell + 1) * side // cells)
            matrix[cell, low:high] = 1 / (high - low)
        self.same = side == cells
        self.register_buffer("matrix", torch.from_numpy(matrix), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return x if self.same else self.matrix @ x @ self.matrix.T


def map_side(size: int) -> int:
    """Side of the last map of features for pictures of *size* pixels; 6 for 224.

    Raises:
        RecipeError: the pictures are too small for this network.
    """
    side = (size - 7) // 4 + 1
    for _ in range(3):
        side = (side - 3) // 2 + 1
    if side < 1:
        raise RecipeError(f"preprocess.size: {size}; this network needs pictures of 63 pixels a side at least")
    return side


class Network(base.Network):
    """See the module."""

    def __init__(self, settings: Settings, *, labels: int, size: int, channels: int) -> None:
        super().__init__()
        self.alexnet = AlexNet(settings, size)
        self.head = nn.Linear(settings.dense, labels)
        if settings.weights:
            fill(self.alexnet, read_weights(settings.weights), settings.weights)
        else:
            self.alexnet.begin_from_nothing()

    @property
    def trunk(self) -> list[nn.Module]:
        """The five convolutions and the two dense layers, from the input up."""
        kinds = (nn.Conv2d, nn.Linear)
        return [layer for layer in self.alexnet.modules() if isinstance(layer, kinds)]

    def features(self, pictures: Tensor) -> Tensor:
        """What the head sees, float32 (batch, dense)."""
        features: Tensor = self.alexnet(normalized(pictures))
        return features.float()
