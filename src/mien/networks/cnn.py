"""A sequential convolutional network for small pictures, from nothing.

Blocks of two 3×3 convolutions with batch norm and ReLU, each block followed by max pooling; then one dense layer
and the output (after Simonyan & Zisserman 2015, with Ioffe & Szegedy 2015).
"""

from __future__ import annotations

from pydantic import Field
from torch import Tensor, nn

from mien.networks import base
from mien.networks.base import pixels_of
from mien.networks.settings import NetworkSettings


class Settings(NetworkSettings):
    """Sizes and dropout.

    Attributes:
        widths: filters of each block.
        dense: width of the dense layer.
        block_dropout: share of whole channels left out after each block.
        dropout: share of features left out before and after the dense layer.
    """

    widths: list[int] = Field([32, 64, 128, 256], min_length=1)
    dense: int = Field(256, ge=1)
    block_dropout: float = Field(0.1, ge=0, lt=1)
    dropout: float = Field(0.4, ge=0, lt=1)


class Network(base.Network):
    """See the module."""

    def __init__(self, settings: Settings, *, labels: int, size: int, channels: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        self.widths = settings.widths
        before, side = channels, size
        for width in settings.widths:
            for inputs in (before, width):
                layers += [nn.Conv2d(inputs, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
            layers += [nn.MaxPool2d(2), nn.Dropout2d(settings.block_dropout)]
            before, side = width, side // 2
        self.blocks = nn.Sequential(*layers)
        self.dense = nn.Sequential(
            nn.Flatten(),
            nn.Dropout(settings.dropout),
            nn.Linear(before * side * side, settings.dense, bias=False),
            nn.BatchNorm1d(settings.dense),
            nn.ReLU(),
        )
        self.head = nn.Sequential(nn.Dropout(settings.dropout), nn.Linear(settings.dense, labels))

    @property
    def trunk(self) -> list[nn.Module]:
        """The blocks from the input up, and the dense layer."""
        layers = len(self.blocks) // len(self.widths)
        return [*(self.blocks[at : at + layers] for at in range(0, len(self.blocks), layers)), self.dense]

    def features(self, pictures: Tensor) -> Tensor:
        """What the output is computed from, float32 (batch, dense)."""
        pixels = pixels_of(pictures) / 127.5 - 1
        features: Tensor = self.dense(self.blocks(pixels))
        return features
