"""What training needs to know of faces: pictures read once, augmentation, batches. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mien.media.images import read_picture
from mien.modalities.face.augment import AugmentSettings, augment
from mien.modalities.face.preprocess import FaceSettings, prepare, reduce, resize
from mien.training.recipe import Recipe, settings_of

_KEPT_BYTES = 1 << 30  # of pictures read from files; beyond that they are read again in each epoch


class FaceSampler:
    """Ready crops of faces as a network is trained on them; prepared exactly as for prediction.

    Attributes:
        settings: the ``preprocess`` part of the manifest.
        network_arguments: what the network is made for: ``size`` and ``channels`` of its input.
        free_axes: axes of a batch that differ from batch to batch.
        files: what goes into the model folder besides the network.

    Args:
        recipe: its ``preprocess`` and ``augment`` parts.
    """

    free_axes = ("batch",)

    def __init__(self, recipe: Recipe, inputs: Sequence[Any] = (), pretrained: Path | None = None) -> None:
        self.settings: Any = settings_of(recipe, "preprocess")
        self.face = self._face()
        self.changes: AugmentSettings = settings_of(recipe, "augment")
        self.network_arguments = {"size": self.face.size, "channels": self.face.channels}
        self.files: dict[str, bytes] = {}
        self._read: dict[str, np.ndarray] = {}
        self._room = _KEPT_BYTES

    def _face(self) -> FaceSettings:
        settings: FaceSettings = self.settings
        return settings

    def lengths(self, inputs: Sequence[Any]) -> np.ndarray:
        """All the same: there is nothing to sort pictures by. int64 (n,)."""
        return np.zeros(len(inputs), np.int64)

    def collate(self, inputs: Sequence[Any], seeds: Sequence[int] | None = None) -> np.ndarray:
        """A batch of pictures, uint8 (n, size, size, channels).

        Args:
            inputs: paths, or arrays as :func:`mien.media.images.read_picture` takes them.
            seeds: one per picture to augment it by, or None to leave the pictures alone.
        """
        pictures = [self._picture(item) for item in inputs]
        if seeds is None:
            return np.stack([prepare(picture, self.face) for picture in pictures])
        size, channels = self.face.size, self.face.channels
        changed = [
            augment(resize(picture, max(picture.shape[:2])), size, self.changes, np.random.default_rng(seed))
            for picture, seed in zip(pictures, seeds, strict=True)
        ]
        return np.stack(changed).reshape(len(changed), size, size, channels)

    def _picture(self, item: Any) -> np.ndarray:
        """The picture at the resolution and in the channels that the network learns from; kept if it was a file."""
        if isinstance(item, np.ndarray):
            return reduce(item, self.face)
        kept = self._read.get(str(item))
        if kept is None:
            kept = reduce(read_picture(item), self.face)
            if kept.nbytes <= self._room:
                self._room -= kept.nbytes
                self._read[str(item)] = kept
        return kept
