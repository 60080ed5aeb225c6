"""A head that answers by resemblance: a Gaussian kernel on the principal components of the features.

Where a few hundred samples are all there is, this is a regression that bends, and one that is solved at once instead
of learned in epochs (kernel ridge regression, Saunders et al. 1998; with landmarks, Williams & Seeger 2001).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

COMPONENTS, VECTORS = 128, 1024


class KernelHead(nn.Module):
    """Features (batch, width) → (batch, outputs): Σ over the landmarks v of weight · exp(-γ |component(x) - v|²).

    Made with zeros; :func:`mien.training.start.start_head` solves it. Fewer samples than landmarks leave the rest of
    them at 0, where their weights are 0 as well. It is a layer like another: gradients go through it.

    Attributes:
        directions: of the principal components, float32 (COMPONENTS, width).
        vectors: the landmarks, float32 (VECTORS, COMPONENTS).
        gamma: γ, float32 ().
        weight, bias: what is learned, float32 (outputs, VECTORS) and (outputs,).
    """

    directions: Tensor
    vectors: Tensor
    gamma: Tensor

    def __init__(self, width: int, outputs: int) -> None:
        super().__init__()
        self.register_buffer("directions", torch.zeros(COMPONENTS, width))
        self.register_buffer("vectors", torch.zeros(VECTORS, COMPONENTS))
        self.register_buffer("gamma", torch.ones(()))
        self.weight = nn.Parameter(torch.zeros(outputs, VECTORS))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, features: Tensor) -> Tensor:
        """Logits."""
        if not self.training:
            return self._answer(features)
        with torch.autocast(features.device.type, enabled=False):  # distances need all of their digits
            return self._answer(features.float())

    def _answer(self, features: Tensor) -> Tensor:
        parts = features @ self.directions.T
        far = (parts**2).sum(1, keepdim=True) - 2 * parts @ self.vectors.T + (self.vectors**2).sum(1)
        return torch.exp(-self.gamma * far.clamp(min=0)) @ self.weight.T + self.bias
