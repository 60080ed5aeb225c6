"""What training needs to know of rows of numbers. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mien.errors import DataError
from mien.modalities.features.preprocess import FeatureSettings, check_columns, prepare
from mien.training.recipe import Recipe, settings_of


class FeatureSampler:
    """Rows of numbers as a network is trained on them; prepared exactly as for prediction.

    Attributes:
        settings: the ``preprocess`` part of the manifest: the columns, those left out that never change in training.
        network_arguments: what the network is made for: ``width``, the numbers in a row.
        free_axes: axes of a batch that differ from batch to batch.
        files: what goes into the model folder besides the network.

    Args:
        recipe: its ``preprocess`` part; columns that it names are taken, all others left out.
        inputs: the training rows, float32 (d,) each.
        features: what the d numbers are called.

    Raises:
        DataError: a column that the recipe names is not there, or no number ever changes.
    """

    free_axes = ("batch",)

    def __init__(
        self, recipe: Recipe, inputs: Sequence[Any], pretrained: Path | None = None, *, features: Sequence[str]
    ) -> None:
        given: FeatureSettings = settings_of(recipe, "preprocess")
        check_columns(given.columns, features)
        rows = np.stack(inputs)
        changing = set(np.flatnonzero((rows != rows[:1]).any(0)).tolist())
        places = {name: place for place, name in enumerate(features)}
        kept = given.columns or [name for name, place in places.items() if place in changing]
        if not kept:
            raise DataError("no feature changes from row to row: there is nothing to learn from")
        self.settings = FeatureSettings(columns=kept)
        self.network_arguments = {"width": len(kept)}
        self.files: dict[str, bytes] = {}
        self._places = np.array([places[name] for name in kept])

    def lengths(self, inputs: Sequence[Any]) -> np.ndarray:
        """All the same: there is nothing to sort rows by. int64 (n,)."""
        return np.zeros(len(inputs), np.int64)

    def collate(self, inputs: Sequence[Any], seeds: Sequence[int] | None = None) -> np.ndarray:
        """A batch of rows, float32 (n, columns). Nothing is augmented."""
        columns = self.settings.columns
        return np.stack([prepare(np.asarray(row)[self._places], columns) for row in inputs])
