"""The training side of a modality: batches of a data set, prepared as prediction prepares its inputs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from mien.model import Manifest

if TYPE_CHECKING:
    from mien.datasets import Dataset

_MOST, _FEWEST, _PIXELS = 256, 16, 1 << 21  # samples at once, and pixels of pictures


@dataclass(frozen=True)
class SamplerSettings:
    """What a sampler takes of a recipe.

    Attributes:
        preprocess, augment: the checked settings of the modality.
        network: the network's kind and options.
        tokenizer: how texts are cut into tokens.
        start: the run or model folder to go on from; "" for none.
        pretrained: the tokenizer that the pretrained weights were learned with, as ``tokenizer.json``.
    """

    preprocess: Any
    augment: Any
    network: Mapping[str, Any] = field(default_factory=dict)
    tokenizer: Any = None
    start: str = ""
    pretrained: bytes | None = None


class Sampler(ABC):
    """The training side of a modality: makes batches of a data set, as prediction prepares its inputs. No torch.

    Attributes:
        settings: the ``preprocess`` part of the manifest.
        input_spec: what the network is made for, as keywords of its class, such as ``size``; known after :meth:`fit`.
        free_axes: axes of a batch that differ from batch to batch.
        views: pictures of each sample.
        files: what goes into the model folder besides the network.
        built_on: manifests of the models whose networks prepare the samples.
    """

    settings: Any
    input_spec: Mapping[str, Any]
    free_axes: tuple[str, ...] = ("batch",)
    views: int = 1
    files: Mapping[str, bytes] = MappingProxyType({})
    built_on: Sequence[Manifest] = ()

    @property
    def evaluation_batch(self) -> int:
        """How many samples a network is given at once where nothing is learned, by their size."""
        side = self.input_spec.get("size", 0)
        return min(_MOST, max(_FEWEST, _PIXELS // side**2)) if side else _MOST

    def expand(self, sets: Sequence[Dataset]) -> list[Dataset]:
        """The sets that batches are made of, where it is not these: the faces in the frames of clips."""
        return list(sets)

    def fit(self, sets: Sequence[Dataset]) -> Self:
        """Learn what the training sets tell of the inputs, such as a vocabulary. Returns the sampler."""
        return self

    def lengths(self, inputs: Sequence[Any]) -> np.ndarray:
        """Rough lengths by which batches are put together, int64 (n,)."""
        return np.zeros(len(inputs), np.int64)

    def languages(self, inputs: Sequence[Any]) -> Sequence[str | None]:
        """The language of each input, by which thresholds differ; None where there is none, or it cannot be told."""
        return [None] * len(inputs)

    @abstractmethod
    def collate(self, inputs: Sequence[Any], seeds: Sequence[int] | None = None) -> np.ndarray:
        """A batch of samples; *seeds*, one for each, say how they are augmented, None that they are not."""

    def pool(self, logits: np.ndarray, samples: Dataset) -> tuple[np.ndarray, Dataset]:
        """From samples to the things that count, where they are not the same: from frames to clips."""
        return logits, samples
