"""What training needs to know of scenes: reading as it goes, augmentation, batches. Imports no torch."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mien.errors import RecipeError
from mien.media.images import Region
from mien.modalities.face.augment import AugmentSettings, augment
from mien.modalities.face.preprocess import resize
from mien.modalities.scene.preprocess import CHANNELS, SceneSettings, finish, look, read, stack
from mien.runtime import parallel_map, readers
from mien.training.recipe import Recipe, settings_of

_KEPT_BYTES = 1 << 28  # of pictures read from files; beyond that they are read again in each epoch


class SceneSampler:
    """Photographs as a network is trained on them; prepared exactly as for prediction.

    A set of any size is streamed: only the batch at hand and 256 MiB of reduced pictures are in memory.

    Attributes:
        settings: the ``preprocess`` part of the manifest.
        network_arguments: what the network is made for: ``size`` and ``channels`` of its input.
        views: pictures of each sample, 1 or 2.
        free_axes: axes of a batch that differ from batch to batch.
        files: what goes into the model folder besides the network.
        kept_bytes: how many bytes of pictures may be kept.

    Args:
        recipe: its ``preprocess`` and ``augment`` parts.
        inputs: the training inputs: where none is a person in a picture, "person" means the whole picture.

    Raises:
        RecipeError: both views are wanted of inputs that mark no person.
    """

    free_axes = ("batch",)
    kept_bytes = _KEPT_BYTES

    def __init__(self, recipe: Recipe, inputs: Sequence[Any] = (), pretrained: Path | None = None) -> None:
        self.settings = _fitting(settings_of(recipe, "preprocess"), inputs)
        self.changes: AugmentSettings = settings_of(recipe, "augment")
        self.network_arguments = {"size": self.settings.size, "channels": CHANNELS}
        self.views = len(self.settings.views)
        self.files: dict[str, bytes] = {}
        self._kept: dict[Hashable, list[np.ndarray]] = {}
        self._used = 0

    def lengths(self, inputs: Sequence[Any]) -> np.ndarray:
        """All the same: there is nothing to sort pictures by. int64 (n,)."""
        return np.zeros(len(inputs), np.int64)

    def collate(self, inputs: Sequence[Any], seeds: Sequence[int] | None = None) -> np.ndarray:
        """A batch, uint8 (n, size, size, 3), or (n, 2, size, size, 3) of both views.

        Args:
            inputs: paths, regions, or arrays as :func:`mien.media.images.read_picture` takes them.
            seeds: one per sample to augment it by, or None to leave the pictures alone. Both views of a sample are
                changed alike.
        """
        given = seeds if seeds is not None else [None] * len(inputs)
        return np.stack(list(parallel_map(self._sample, zip(inputs, given, strict=True), readers())))

    def _sample(self, given: tuple[Any, int | None]) -> np.ndarray:
        item, seed = given
        views = self._look(item)
        if seed is None:
            return finish(views, self.settings)
        squares = [resize(view, max(view.shape[:2])) for view in views]
        return stack([augment(view, self.settings.size, self.changes, np.random.default_rng(seed)) for view in squares])

    def _look(self, item: Any) -> list[np.ndarray]:
        """The views at the resolution that the network learns from; kept, while there is room, if they were read."""
        if isinstance(item, np.ndarray):
            return look(*read(item), self.settings)
        kept = self._kept.get(item)
        if kept is None:
            kept = [np.ascontiguousarray(view) for view in look(*read(item), self.settings)]
            size = sum(view.nbytes for view in kept)
            if self._used + size <= self.kept_bytes:
                self._used += size
                self._kept[item] = kept
        return kept


def _fitting(settings: SceneSettings, inputs: Sequence[Any]) -> SceneSettings:
    if not len(inputs) or settings.views == ("picture",) or any(isinstance(item, Region) for item in inputs):
        return settings
    if len(settings.views) > 1:
        raise RecipeError("preprocess.views: the data mark no persons, so there is the picture alone to look at")
    return settings.model_copy(update={"views": ("picture",)})
