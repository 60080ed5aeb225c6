"""The sampler of a recipe: the training side of its modality. Imports no torch."""

from __future__ import annotations

from mien.modality import Sampler, SamplerSettings, get_modality
from mien.plugins import import_object
from mien.training.recipe import settings_of
from mien.training.settings import Recipe


def open_sampler(recipe: Recipe, pretrained: bytes | None = None) -> Sampler:
    """The sampler of the recipe's modality, to be fitted to the training sets.

    Args:
        pretrained: the tokenizer of the network's pretrained weights.
    """
    settings = SamplerSettings(
        preprocess=settings_of(recipe, "preprocess"),
        augment=settings_of(recipe, "augment"),
        network={"kind": recipe.network.kind, **recipe.network.options},
        tokenizer=recipe.tokenizer,
        start=recipe.train.start,
        pretrained=pretrained,
    )
    sampler: Sampler = import_object(get_modality(recipe.modality).sampler)(settings)
    return sampler
