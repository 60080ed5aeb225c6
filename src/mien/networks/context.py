"""Emotion of a person in context (Kosti et al. 2017 and 2020, the EMOTIC papers): one branch sees the whole picture,
one the person; what both found is joined, and gives labels and ratings together.

As in the authors' code both inputs have 224 pixels a side, the joined features go through a dense layer of 256 with
batch norm, ReLU and dropout of a half, and the outputs are linear. It differs in the branches: they are ResNet-18, for
which ImageNet's weights (person) and those of Places365 (picture) can be had, where the papers' are 16 layers of
one-dimensional filters whose weights were published for Torch7 alone; and pictures are normalized as those weights
want them.
"""

from __future__ import annotations

from itertools import zip_longest

import torch
from pydantic import Field
from torch import Tensor, nn

from mien.errors import RecipeError
from mien.networks import base
from mien.networks.resnet import ResNet18
from mien.networks.settings import NetworkSettings
from mien.networks.weights import fill, normalized, read_weights


class Settings(NetworkSettings):
    """What to start from, and how large.

    Attributes:
        picture_weights: of the branch that sees the whole picture: a file of torchvision's ResNet-18 or of
            Places365's (``resnet18_places365.pth.tar``); "" starts from nothing.
        person_weights: of the branch that sees the person, such as torchvision's ``resnet18-f37072fd.pth``.
        width: share of the original's channels; below 1 for a smaller network, which those files do not fit.
        joined: width of the layer in which both come together.
        dropout: share of its features left out before the head.
    """

    weight_fields = ("picture_weights", "person_weights")
    picture_weights: str = ""
    person_weights: str = ""
    width: float = Field(1.0, gt=0, le=1)
    joined: int = Field(256, ge=1)
    dropout: float = Field(0.5, ge=0, lt=1)


class Network(base.Network):
    """See the module. Input uint8 (batch, 2, size, size, channels): the whole picture, then the person."""

    views = 2

    def __init__(self, settings: Settings, *, labels: int, size: int, channels: int) -> None:
        super().__init__()
        if size < 32:
            raise RecipeError(f"preprocess.size: {size}; this network halves its pictures five times: 32 at least")
        self.picture, self.person = ResNet18(settings.width), ResNet18(settings.width)
        for branch, weights in ((self.picture, settings.picture_weights), (self.person, settings.person_weights)):
            if weights:
                fill(branch, read_weights(weights), weights)
        self.join = nn.Sequential(
            nn.Linear(self.picture.outputs + self.person.outputs, settings.joined),
            nn.BatchNorm1d(settings.joined, eps=1e-3),
            nn.ReLU(),
        )
        self.dropout = nn.Dropout(settings.dropout)
        self.head = nn.Linear(settings.joined, labels)

    @property
    def trunk(self) -> list[nn.Module]:
        """The steps of both branches side by side, from the input up, and the layer that joins them."""
        pairs = zip_longest(self.picture.trunk, self.person.trunk)
        return [*(nn.ModuleList(pair) for pair in pairs), self.join]

    def features(self, pictures: Tensor) -> Tensor:
        """What the head sees, float32 (batch, joined)."""
        seen = [self.picture(normalized(pictures[:, 0])), self.person(normalized(pictures[:, 1]))]
        features: Tensor = self.join(torch.cat(seen, 1))
        return features.float()

    def forward(self, pictures: Tensor) -> Tensor:
        """Logits."""
        logits: Tensor = self.head(self.dropout(self.features(pictures)))
        return logits
