"""What training needs to know of faces: pictures read once, augmentation, batches. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mien.media.images import read_picture
from mien.modalities.face.augment import AugmentSettings, augment
from mien.modalities.face.preprocess import FaceSettings, prepare, reduce, resize
from mien.modality import Sampler, SamplerSettings

_KEPT_BYTES = 1 << 30  # of pictures read from files; beyond that they are read again in each epoch


class FaceSampler(Sampler):
    """Ready crops of faces as a network is trained on them; its ``input_spec`` is ``size`` and ``channels``.

    Inputs are paths, or arrays as :func:`mien.media.images.read_picture` takes them.
    """

    def __init__(self, given: SamplerSettings) -> None:
        self.settings = given.preprocess
        self._augment: AugmentSettings = given.augment
        self.input_spec = {"size": self.face.size, "channels": self.face.channels}
        self._read: dict[str, np.ndarray] = {}
        self._room = _KEPT_BYTES

    @property
    def face(self) -> FaceSettings:
        """How each face is prepared."""
        settings: FaceSettings = self.settings
        return settings

    def collate(self, inputs: Sequence[Any], seeds: Sequence[int] | None = None) -> np.ndarray:
        """A batch of pictures, uint8 (n, size, size, channels)."""
        pictures = [self._picture(item) for item in inputs]
        if seeds is None:
            return np.stack([prepare(picture, self.face) for picture in pictures])
        size, channels = self.face.size, self.face.channels
        changed = [
            augment(resize(picture, max(picture.shape[:2])), size, self._augment, np.random.default_rng(seed))
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
