"""The base class of the torch networks: what training and export ask of a network, with defaults."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor, nn


class Network(nn.Module):
    """A batch → float32 logits (batch, labels).

    Those of texts take int64 token ids (batch, length), those of pictures uint8 (batch, size, size, channels).

    Attributes:
        views: pictures that it sees of each sample; with more than one a batch is (batch, views, size, size, channels).
        longest: tokens that it can take; None for any number.
        gives_features: whether ``features(batch)`` is what the head sees, float32 (batch, width), and the network
            nothing but ``head(features(batch))``, save for dropout. They become a further output of ``model.onnx``.
        labels_alone: whether it answers in one label space, without further heads and ratings.
    """

    views: ClassVar[int] = 1
    gives_features: ClassVar[bool] = True
    labels_alone: ClassVar[bool] = False
    longest: int | None = None
    features: Callable[[Tensor], Tensor]
    head: Any

    @property
    def trunk(self) -> list[nn.Module]:
        """Its blocks from the input up, without the head, for ``train.top_blocks`` and ``train.block_rate``."""
        return []

    def calibrate(self, inputs: Tensor) -> None:
        """Adjust what pretrained weights do not tell, once before training, to up to 1,024 training samples."""

    def standardize(self, features: Tensor) -> Tensor:
        """Bring the features of the training data to mean 0 and spread 1, here and from now on, if it can."""
        return features

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits."""
        logits: Tensor = self.head(self.features(inputs))
        return logits


def pixels_of(pictures: Tensor) -> Tensor:
    """uint8 pictures (batch, height, width, channels) → float32 (batch, channels, height, width), 0..255."""
    return pictures.permute(0, 3, 1, 2).float()


def read_both_ways(forwards: nn.GRU, backwards: nn.GRU, vectors: Tensor, mask: Tensor) -> Tensor:
    """States of two GRUs side by side, float (batch, length, 2 × hidden).

    Each sequence is turned round within its own length, so that the backward GRU starts at its last step, not at the
    padding.

    Args:
        vectors: (batch, length, width).
        mask: bool (batch, length), true where there is a step; padding comes last.
    """
    steps = torch.arange(mask.shape[1], device=mask.device)[None]
    lengths = mask.sum(1, keepdim=True)
    turned = torch.where(steps < lengths, lengths - 1 - steps, steps)[..., None]
    onward, _ = forwards(vectors)
    backward, _ = backwards(vectors.gather(1, turned.expand(-1, -1, vectors.shape[2])))
    return torch.cat([onward, backward.gather(1, turned.expand(-1, -1, backward.shape[2]))], 2)
