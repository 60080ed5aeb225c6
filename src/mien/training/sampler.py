"""What a modality brings to training. Imports no torch."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from pydantic import BaseModel

from mien.datasets import Dataset
from mien.training.recipe import Recipe


class Sampler(Protocol):
    """What a modality brings to training; see :class:`mien.modalities.text.sampler.TextSampler`.

    A sampler may have besides ``evaluation_batch``, samples computed at once without gradients; ``views``, how many
    pictures a sample is (1); ``pool(logits, samples)``, which makes of the logits of samples those of the things that
    count, such as clips; and ``built_on``, the manifests of models whose networks prepare its samples.
    """

    free_axes: tuple[str, ...]
    network_arguments: Mapping[str, int]

    @property
    def settings(self) -> BaseModel: ...
    @property
    def files(self) -> Mapping[str, bytes]: ...
    def lengths(self, inputs: Sequence[Any]) -> np.ndarray: ...
    def collate(self, inputs: Sequence[Any], seeds: Sequence[int] | None = None) -> np.ndarray: ...


_MOST, _FEWEST, _PIXELS = 256, 16, 1 << 21  # samples at once, and pixels of pictures

#: modality → its sampler. That of features is made by `mien.training.rows`, since it needs the columns' names.
SAMPLERS: dict[str, str] = {
    "text": "mien.modalities.text.sampler:TextSampler",
    "face": "mien.modalities.face.sampler:FaceSampler",
    "video": "mien.modalities.video.sampler:video_sampler",
    "scene": "mien.modalities.scene.sampler:SceneSampler",
}


def evaluation_batch(sampler: Sampler) -> int:
    """How many samples a network is given at once where nothing is learned: what the sampler says, or by their size."""
    side = sampler.network_arguments.get("size", 0)
    fitting = min(_MOST, max(_FEWEST, _PIXELS // side**2)) if side else _MOST
    return int(getattr(sampler, "evaluation_batch", fitting))


def unfold(recipe: Recipe, sets: Sequence[Dataset]) -> list[Dataset]:
    """What batches are made of, where it is not the sets' own samples: the faces in the frames of clips."""
    module = SAMPLERS.get(recipe.modality, "").partition(":")[0]
    own = getattr(importlib.import_module(module), "unfold", None) if module else None
    return own(recipe, sets) if own else list(sets)


def open_sampler(recipe: Recipe, inputs: Sequence[Any], pretrained: Path | None = None) -> Sampler:
    """The sampler of the recipe's modality.

    Args:
        inputs: the training inputs, from which a tokenizer may be learned.
        pretrained: the folder of the pretrained weights, for their tokenizer.
    """
    module, _, name = SAMPLERS[recipe.modality].partition(":")
    sampler: Sampler = getattr(importlib.import_module(module), name)(recipe, inputs, pretrained)
    return sampler
