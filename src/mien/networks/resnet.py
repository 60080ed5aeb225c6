"""ResNet-18 (He et al. 2016) up to the averages of its last maps, with torchvision's parameter names."""

from __future__ import annotations

import torch
from torch import Tensor, nn

WIDTHS, REPEATS = (64, 128, 256, 512), 2


class Block(nn.Module):
    """Two 3×3 convolutions, and a way around them."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = (
            nn.Identity()
            if stride == 1 and inputs == outputs
            else nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
        )

    def forward(self, x: Tensor) -> Tensor:
        inner = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(inner + self.downsample(x))


class ResNet18(nn.Module):
    """Normalized pictures, float (batch, 3, side, side), to features, float (batch, ``outputs``).

    Args:
        width: channels in units of the original's, 16 at least.
    """

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        # With fewer than 16, oneDNN 3.12 (torch 2.13) writes beyond its memory in the gradients of the shortcuts of odd
        # batches, on processors with AVX-512: the process ends.
        widths = [max(16, round(wide * width)) for wide in WIDTHS]
        self.conv1 = nn.Conv2d(3, widths[0], 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.maxpool = nn.MaxPool2d(3, 2, padding=1)
        before = widths[0]
        for number, wide in enumerate(widths, 1):
            blocks = [
                Block(wide if repeat else before, wide, 2 if number > 1 and not repeat else 1)
                for repeat in range(REPEATS)
            ]
            setattr(self, f"layer{number}", nn.Sequential(*blocks))
            before = wide
        self.outputs = before
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")

    @property
    def trunk(self) -> list[nn.Module]:
        """The first convolution and the eight blocks, from the input up."""
        first = nn.ModuleList([self.conv1, self.bn1])
        return [first, *(block for number in range(1, 5) for block in self.get_submodule(f"layer{number}").children())]

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(torch.relu(self.bn1(self.conv1(x))))
        for number in range(1, 5):
            x = self.get_submodule(f"layer{number}")(x)
        return x.mean((2, 3))
