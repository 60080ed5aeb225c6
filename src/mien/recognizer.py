"""What the recognisers of all modalities share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np

from mien.errors import InputError
from mien.model import Manifest
from mien.results import Prediction, Result

T = TypeVar("T")
Progress = Callable[[int], None]  # called with the number of inputs done since the last call


class Recognizer(ABC):
    """A loaded model. Made by :func:`mien.load`.

    Attributes:
        folder: where it was loaded from.
        manifest: what it is and how it came about.
        space: its labels.
    """

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder, self.manifest, self.space = folder, manifest, manifest.space

    @property
    def name(self) -> str:
        """The model's name."""
        return self.manifest.name

    def predict(self, item: str) -> Result:
        """Read the emotion in one input.

        Raises:
            InputError: nothing can be read in it; one line that says why.
        """
        result = next(iter(self.predict_many([item])))
        if result.error:
            raise InputError(result.error)
        return result

    @abstractmethod
    def predict_many(self, inputs: Iterable[str], batch_size: int = 64) -> Iterator[Result]:
        """Results in the order of the inputs, computed in batches; memory stays bounded however many there are.

        An unusable input gives a result without items whose ``error`` says why; it does not stop the others.
        """

    @abstractmethod
    def probabilities(
        self, inputs: Sequence[str], batch_size: int = 64, progress: Progress | None = None
    ) -> np.ndarray:
        """The scores alone: float32 of shape (n, labels), rows in the order of the inputs.

        Raises:
            InputError: an input is unusable; the message says which.
        """

    def result(self, item: str, rows: Iterable[np.ndarray] = (), error: str | None = None) -> Result:
        """Wrap one row of probabilities, shape (labels,), per prediction."""
        names, thresholds = self.space.names, self.manifest.thresholds
        items = tuple(
            Prediction(dict(zip(names, row.tolist(), strict=True)), self.space, thresholds=thresholds) for row in rows
        )
        return Result(item, self.manifest.modality, self.name, items, error, self.manifest.rollups)


def in_chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of up to *size* items, in order, read as they are wanted."""
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk
