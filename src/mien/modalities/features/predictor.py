"""The predictor of rows of numbers."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from mien.errors import InputError
from mien.modalities.features.preprocess import FeatureSettings, Row, check_columns, prepare
from mien.modality import Predictor, Progress, in_chunks
from mien.model import NETWORK, Manifest, preprocess_settings
from mien.results import Result
from mien.runtime import Session


class FeaturePredictor(Predictor):
    """Reads emotion in rows of numbers that were measured by another program.

    An input is a :class:`~mien.modalities.features.preprocess.Row`, column names with numbers, in any order, perhaps
    with further columns; or the numbers alone in the order of ``columns``.

    Attributes:
        columns: what the numbers are called.
    """

    def __init__(
        self, folder: Path, manifest: Manifest, files: Mapping[str, bytes], threads: int | None = None
    ) -> None:
        super().__init__(folder, manifest)
        self.columns = tuple(preprocess_settings(manifest, FeatureSettings, folder).columns)
        self._places: np.ndarray | None = None  # of the columns in the rows that are given
        self._session = Session(files[NETWORK], threads, name=folder / NETWORK, widths=manifest.widths, rows=None)

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

    def predict_many(self, inputs: Iterable[Any], batch_size: int = 64) -> Iterator[Result]:
        """See :meth:`mien.modality.Predictor.predict_many`."""
        return self._guarded(inputs, lambda some: self._results(some, batch_size))

    def name_of(self, item: Any) -> str:
        """What an input is called in its result."""
        return item.name if isinstance(item, Row) else "<row>"

    def _results(self, inputs: Iterable[Any], batch_size: int) -> Iterator[Result]:
        for chunk in in_chunks(inputs, batch_size):
            rows: list[np.ndarray] = []
            problems: list[str | None] = []
            for item in chunk:
                try:
                    rows.append(self._prepared(item))
                    problems.append(None)
                except InputError as error:
                    problems.append(str(error))
            scores = iter(self._session.run(np.stack(rows)) if rows else ())
            for item, problem in zip(chunk, problems, strict=True):
                yield self.result(self.name_of(item), [] if problem else [next(scores)], problem)

    def predict_proba(
        self, inputs: Sequence[Any], batch_size: int = 64, progress: Progress | None = None
    ) -> np.ndarray:
        """See :meth:`mien.modality.Predictor.predict_proba`."""
        parts, done = [], 0
        for chunk in in_chunks(inputs, batch_size):
            rows = []
            for item in chunk:
                try:
                    rows.append(self._prepared(item))
                except InputError as error:
                    raise InputError(f"input {done + len(rows) + 1}: {error}") from None
            parts.append(self._session.run(np.stack(rows)))
            done += len(chunk)
            if progress:
                progress(len(chunk))
        return np.concatenate(parts) if parts else np.zeros((0, len(self.space)), np.float32)

    def _prepared(self, item: Any) -> np.ndarray:
        if self._places is not None and isinstance(item, np.ndarray):
            item = item[self._places]
        return prepare(item, self.columns)
