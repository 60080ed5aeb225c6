"""The predictor of rows of numbers."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from mien.modalities.features.preprocess import FeatureSettings, Row, check_columns, prepare
from mien.modality import Predictor


class FeaturePredictor(Predictor):
    """Reads emotion in rows of numbers that were measured by another program.

    An input is a :class:`~mien.modalities.features.preprocess.Row`, column names with numbers, in any order, perhaps
    with further columns; or the numbers alone in the order of ``columns``.
    """

    rows = None
    reader_threads = 1
    settings: FeatureSettings
    _places: np.ndarray | None = None  # of the columns in the rows that are given

    @property
    def columns(self) -> tuple[str, ...]:
        """What the numbers are called."""
        return tuple(self.settings.columns)

    def reading(self, columns: Sequence[str]) -> Self:
        """The same loaded model for rows whose numbers are those of other columns, or in another order.

        Raises:
            InputError: some of the model's columns are not among them; the message names them.
        """
        check_columns(self.columns, columns)
        twin = copy.copy(self)
        at = {name: place for place, name in enumerate(columns)}
        twin._places = np.array([at[name] for name in self.columns])
        return twin

    def name_of(self, item: Any) -> str:
        """What an input is called in its result."""
        return item.name if isinstance(item, Row) else "<row>"

    def sample(self, item: Any) -> np.ndarray:
        """The numbers as the network takes them."""
        if self._places is not None and isinstance(item, np.ndarray):
            item = item[self._places]
        return prepare(item, self.settings.columns)
