"""What the predictors of faces share, be they in photographs or in clips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from mien.modalities.face.detect import FaceDetector
from mien.modalities.face.experts import Experts
from mien.modality import Predictor
from mien.model import NETWORK, Manifest
from mien.runtime import Session


class FaceClassifier(Predictor):
    """A predictor whose network is given crops of single faces.

    Attributes:
        experts: the networks for groups of people and what picks among them; None for one network for all.
        mirror: whether each crop's probabilities are averaged with those of its mirror image; doubles the time.
    """

    def __init__(
        self, folder: Path, manifest: Manifest, files: Mapping[str, bytes], threads: int | None = None
    ) -> None:
        super().__init__(folder, manifest)
        self.mirror = False
        self._threads = threads
        self.experts = Experts(files, manifest.experts, threads, manifest.widths) if manifest.experts else None
        first = self.experts.sessions[0] if self.experts else None
        self._session = first or Session(files[NETWORK], threads, name=folder / NETWORK, widths=manifest.widths)

    @cached_property
    def detector(self) -> FaceDetector:
        """What finds the faces; loaded when it is first needed. Set another to look more or less closely."""
        return FaceDetector(threads=self._threads)

    def classify(self, crops: np.ndarray) -> np.ndarray:
        """What the network, or all experts and their chooser, say of prepared crops; see :meth:`select_experts`.

        Args:
            crops: uint8 (n, size, size, channels), as :func:`mien.modalities.face.preprocess.align` makes them.

        Returns:
            float32 (n, …).
        """
        if not self.mirror:
            return self._read(crops)
        said = self._read(np.concatenate([crops, crops[:, :, ::-1]]))  # in one go: threads share even a single face
        averaged: np.ndarray = np.mean(np.split(said, 2), axis=0)
        return averaged

    def select_experts(
        self, rows: np.ndarray, who: np.ndarray, times: np.ndarray | None = None, known: Sequence[str] | None = None
    ) -> np.ndarray:
        """Probabilities float (n, labels): those of the network, or of the expert for each person.

        Args:
            rows: as :meth:`classify` gives them.
            who: whose crop each is, (n,).
            times: when each was seen, in seconds.
            known: the group of each, where it needs no choosing; only a model with experts takes them.
        """
        if self.experts is not None:
            rows = self.experts.settle(rows, who, known)
        return rows[:, self._columns]

    def _read(self, crops: np.ndarray) -> np.ndarray:
        return self._session.run(crops) if self.experts is None else self.experts.read(crops)
