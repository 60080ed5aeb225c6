"""What training needs to know of scenes: reading as it goes, augmentation, batches. Imports no torch."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from mien.errors import RecipeError
from mien.media.images import Region
from mien.modalities.face.augment import AugmentSettings, augment
from mien.modalities.face.preprocess import resize
from mien.modalities.scene.preprocess import CHANNELS, SceneSettings, cut_views, finish, read, stack
from mien.modality import Sampler, SamplerSettings
from mien.runtime import parallel_map, readers

if TYPE_CHECKING:
    from mien.datasets import Dataset

_KEPT_BYTES = 1 << 28  # of pictures read from files; beyond that they are read again in each epoch


class SceneSampler(Sampler):
    """Photographs as a network is trained on them; its ``input_spec`` is ``size`` and ``channels``.

    Inputs are paths, regions, or arrays as :func:`mien.media.images.read_picture` takes them. A set of any size is
    streamed: only the batch at hand and ``kept_bytes`` of reduced pictures are in memory.
    """

    kept_bytes = _KEPT_BYTES
    settings: SceneSettings

    def __init__(self, given: SamplerSettings) -> None:
        self.settings = given.preprocess
        self._augment: AugmentSettings = given.augment
        self.input_spec = {"size": self.settings.size, "channels": CHANNELS}
        self._kept: dict[Hashable, list[np.ndarray]] = {}
        self._used = 0

    @property
    def views(self) -> int:  # type: ignore[override]
        """Pictures of each sample, 1 or 2."""
        return len(self.settings.views)

    def fit(self, sets: Sequence[Dataset]) -> Self:
        """See whether the first set marks persons: where it does not, "person" means the whole picture.

        Raises:
            RecipeError: both views are wanted of inputs that mark no person.
        """
        inputs, views = sets[0].inputs, self.settings.views
        if len(inputs) and views != ("picture",) and not any(isinstance(item, Region) for item in inputs):
            if len(views) > 1:
                raise RecipeError(
                    "preprocess.views: the data mark no persons, so there is the picture alone to look at"
                )
            self.settings = self.settings.model_copy(update={"views": ("picture",)})
        return self

    def collate(self, inputs: Sequence[Any], seeds: Sequence[int] | None = None) -> np.ndarray:
        """A batch, uint8 (n, size, size, 3), or (n, 2, size, size, 3) of both views, augmented alike."""
        given = seeds if seeds is not None else [None] * len(inputs)
        return np.stack(list(parallel_map(self._sample, zip(inputs, given, strict=True), readers())))

    def _sample(self, given: tuple[Any, int | None]) -> np.ndarray:
        item, seed = given
        views = self._views(item)
        if seed is None:
            return finish(views, self.settings)
        squares = [resize(view, max(view.shape[:2])) for view in views]
        return stack(
            [augment(view, self.settings.size, self._augment, np.random.default_rng(seed)) for view in squares]
        )

    def _views(self, item: Any) -> list[np.ndarray]:
        """The views at the resolution that the network learns from; kept, while there is room, if they were read."""
        if isinstance(item, np.ndarray):
            return cut_views(*read(item), self.settings)
        kept = self._kept.get(item)
        if kept is None:
            kept = [np.ascontiguousarray(view) for view in cut_views(*read(item), self.settings)]
            size = sum(view.nbytes for view in kept)
            if self._used + size <= self.kept_bytes:
                self._used += size
                self._kept[item] = kept
        return kept
