"""Pretrained weights from files or from packages that carry them. Nothing that a file holds is run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from mien.errors import RecipeError
from mien.networks.base import pixels_of
from mien.networks.settings import PackageFile, weight_path

#: Mean and spread of red, green and blue over ImageNet, 0..255: how torchvision's weights want their pictures.
MEANS, SPREADS = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


def normalized(pictures: Tensor, means: Sequence[float] = MEANS, spreads: Sequence[float] = SPREADS) -> Tensor:
    """uint8 pictures (batch, side, side, channels) as weights want them, by default torchvision's.

    float32 (batch, 3, side, side); a gray channel stands for all three.
    """
    x = pixels_of(pictures).expand(-1, 3, -1, -1)
    mean, spread = (torch.tensor(values, device=x.device).view(3, 1, 1) for values in (means, spreads))
    return (x - mean) / spread


def read_weights(
    source: str,
    packages: Mapping[str, PackageFile] = {},
    read_package: Callable[[Path], dict[str, Tensor]] | None = None,
) -> dict[str, Tensor]:
    """Weights by name, from a ``.safetensors`` file or one that torch saved.

    Of a training checkpoint the part named ``state_dict`` is taken (as in the files of Places365), and names lose the
    ``module.`` that training on several GPUs puts in front.

    Args:
        source: a file, or ``package:NAME`` for one of *packages*.
        packages: those that carry weights for it.
        read_package: reads the file of a package that torch cannot read.

    Raises:
        MissingExtra: the package is not installed.
        RecipeError: no such package is known, or the file cannot be read or holds something else.
    """
    path = weight_path(source, packages)
    if read_package and source.startswith("package:"):
        return read_package(path)
    try:
        if path.suffix == ".safetensors":
            found = dict(load_file(path))
        else:
            found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch and safetensors raise classes of their own for every kind of damage
        raise RecipeError(f"network.weights: {path} cannot be read: {str(error).splitlines()[0]}") from error
    if isinstance(found, dict) and isinstance(found.get("state_dict"), dict):
        found = found["state_dict"]
    if not isinstance(found, dict) or not all(isinstance(value, Tensor) for value in found.values()):
        raise RecipeError(f"network.weights: {path} holds no weights by name")
    return {name.removeprefix("module."): value for name, value in found.items()}


def fill(network: nn.Module, weights: Mapping[str, Tensor], source: str, leave: Sequence[str] = ()) -> None:
    """Give a network weights under its own names; what it has no place for (such as an old head) is passed over.

    Args:
        leave: beginnings of names that keep what they have.

    Raises:
        RecipeError: a weight is missing, or has another shape.
    """
    own = network.state_dict()
    wanted = [name for name in own if not name.startswith(tuple(leave)) and not name.endswith("num_batches_tracked")]
    for name in wanted:
        if name not in weights or weights[name].shape != own[name].shape:
            has = tuple(weights[name].shape) if name in weights else "missing"
            raise RecipeError(
                f"network.weights: {source} fits another network: {name} is {has}, not {tuple(own[name].shape)}"
            )
    network.load_state_dict({name: weights[name].float() for name in wanted}, strict=False)
