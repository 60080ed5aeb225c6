"""What training needs to know of rows of numbers. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from mien.errors import DataError
from mien.modalities.features.preprocess import FeatureSettings, check_columns, prepare
from mien.modality import Sampler, SamplerSettings

if TYPE_CHECKING:
    from mien.datasets import Dataset


class FeatureSampler(Sampler):
    """Rows of numbers as a network is trained on them; its ``input_spec`` is ``width``, the numbers in a row."""

    settings: FeatureSettings

    def __init__(self, given: SamplerSettings) -> None:
        self.settings = given.preprocess

    def fit(self, sets: Sequence[Dataset]) -> Self:
        """Take the columns that the recipe names, or those that change from row to row in training.

        Raises:
            DataError: a column that the recipe names is not there, or no number ever changes.
        """
        names = sets[0].features
        check_columns(self.settings.columns, names)
        rows = np.stack(sets[0].inputs)
        changing = (rows != rows[:1]).any(0)
        columns = self.settings.columns or [name for name, changes in zip(names, changing, strict=True) if changes]
        if not columns:
            raise DataError("no feature changes from row to row: there is nothing to learn from")
        self.settings = FeatureSettings(columns=columns)
        self.input_spec = {"width": len(columns)}
        self._places = np.array([list(names).index(name) for name in columns])
        return self

    def collate(self, inputs: Sequence[Any], seeds: Sequence[int] | None = None) -> np.ndarray:
        """A batch of rows, float32 (n, columns). Nothing is augmented."""
        columns = self.settings.columns
        return np.stack([prepare(np.asarray(row)[self._places], columns) for row in inputs])
