"""Fine-tuning in stages: first the new head, then the blocks below it, each more slowly than the one above.

(Yosinski et al. 2014 for what the layers of a network learn; Howard & Ruder 2018 for the rates.)
"""

from __future__ import annotations

from typing import Any

from torch import nn

from mien.errors import RecipeError
from mien.networks.base import Network
from mien.training.settings import TrainSettings


class Stages:
    """Which parameters of a network learn in an epoch, and how fast.

    What is called ``head`` is above the blocks of ``network.trunk``.

    Raises:
        RecipeError: the settings ask for blocks of a network that tells none, or for more than there are.
    """

    def __init__(self, network: Network, settings: TrainSettings) -> None:
        self._network, self._settings = network, settings
        self.trunk = network.trunk
        if not self.trunk and (settings.top_blocks is not None or settings.block_rate != 1):
            raise RecipeError("train.top_blocks, train.block_rate: this network does not tell its blocks")
        if settings.top_blocks is not None and settings.top_blocks > len(self.trunk):
            raise RecipeError(f"train.top_blocks: {settings.top_blocks}; the network has {len(self.trunk)} blocks")
        if settings.head_epochs and not any(_of_head(name) for name, _ in network.named_parameters()):
            raise RecipeError("train.head_epochs: this network has no head of its own")
        self._learning = [name for name, parameter in network.named_parameters() if parameter.requires_grad]
        names = {parameter: name for name, parameter in network.named_parameters()}
        self._depth = {  # of each parameter within the trunk: 0 in the top block
            names[parameter]: depth
            for depth, block in enumerate(reversed(self.trunk))
            for parameter in block.parameters()
        }

    def enter(self, epoch: int) -> None:
        """Make ready for an epoch: what stays as it is takes no gradient, and its batch norms do not move."""
        self._network.train()
        alone, most = epoch < self._settings.head_epochs, self._settings.top_blocks
        for name, parameter in self._network.named_parameters():
            depth = self._depth.get(name)
            fixed = not _of_head(name) if alone else depth is not None and most is not None and depth >= most
            parameter.requires_grad_(name in self._learning and not fixed)
        resting = [module for name, module in self._network.named_children() if alone and not _of_head(name)]
        if most is not None:
            resting += self.trunk[: len(self.trunk) - most]
        if self._settings.keep_norms:
            resting += [module for module in self._network.modules() if isinstance(module, nn.BatchNorm2d)]
        for module in resting:
            module.eval()

    def groups(self) -> list[dict[str, Any]]:
        """The optimiser's groups of all parameters that learn at any time, each with its peak rate and decay."""
        settings = self._settings
        groups: dict[tuple[bool, bool, float], list[nn.Parameter]] = {}
        for name, parameter in self._network.named_parameters():
            if name in self._learning:
                head, plain = _of_head(name), parameter.ndim < 2
                rate = settings.head_rate if head else settings.block_rate ** self._depth.get(name, 0)
                groups.setdefault((head, plain, rate), []).append(parameter)
        return [
            {
                "params": parameters,
                "lr": settings.learning_rate * rate,
                "weight_decay": 0.0 if plain else settings.weight_decay,
            }
            for (_, plain, rate), parameters in sorted(groups.items(), key=lambda item: item[0])
        ]

    def done(self, step: int, epoch_steps: int) -> float:
        """Share of the stage's steps that are behind, 0..1."""
        first = min(self._settings.head_epochs, self._settings.epochs) * epoch_steps
        last = self._settings.epochs * epoch_steps - first
        return step / first if step < first else (step - first) / max(last, 1)


def _of_head(name: str) -> bool:
    return name.startswith("head")
