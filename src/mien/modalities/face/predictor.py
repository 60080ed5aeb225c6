"""The predictor of faces."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mien.errors import InputError, ModelError
from mien.inputs import name_of
from mien.media.images import read_picture
from mien.modalities.face.channels import warn_of_bgr
from mien.modalities.face.classifier import FaceClassifier
from mien.modalities.face.preprocess import FaceSettings, align, prepare
from mien.modality import Progress, Seen, gathered, in_chunks, prepared_batches
from mien.model import Manifest, preprocess_settings
from mien.results import Box, Result
from mien.runtime import parallel_map, readers

_FEATURES = "features"


class FacePredictor(FaceClassifier):
    """Reads emotion in the faces of photographs, or in pictures that are each one ready crop of a face.

    The items of a result are the faces, the largest first.

    Attributes:
        settings: how a face is prepared for the network.
    """

    def __init__(
        self, folder: Path, manifest: Manifest, files: Mapping[str, bytes], threads: int | None = None
    ) -> None:
        super().__init__(folder, manifest, files, threads)
        self.settings = preprocess_settings(manifest, FaceSettings, folder)

    def predict(self, item: Any, crops: bool = False) -> Result:
        """Read the emotion in every face of one picture; a picture without a face gives a result without items.

        Args:
            item: a path, bytes or pixels; see :class:`mien.modality.Predictor`.
            crops: the picture is a ready crop of one face.

        Raises:
            InputError: the picture cannot be read; one line that says why.
        """
        result = next(self.predict_many([item], crops=crops))
        if result.error:
            raise InputError(result.error)
        return result

    def predict_many(self, inputs: Iterable[Any], batch_size: int = 64, crops: bool = False) -> Iterator[Result]:
        """Results in the order of the pictures; the faces of several pictures are classified in one batch.

        A picture without a face gives a result without items, an unusable one a result whose ``error`` says why.

        Args:
            inputs: paths, bytes or pixels; see :class:`mien.modality.Predictor`. Read as they are wanted.
            batch_size: faces classified at once.
            crops: each picture is a ready crop of one face; none is looked for.
        """

        def look(item: Any) -> Seen:
            try:
                return Seen(name_of(item), *(self._crop(item) if crops else self._find(item)))
            except InputError as error:
                return Seen(name_of(item), error=str(error))

        def read(some: Iterable[Any]) -> Iterator[Result]:
            for pictures in gathered(parallel_map(look, some, readers(self._threads)), batch_size):
                yield from self._results(pictures, batch_size)

        if not crops:
            _ = self.detector  # loaded before several threads want it
        yield from self._guarded(inputs, read)

    def predict_proba(
        self,
        inputs: Sequence[Any],
        batch_size: int = 64,
        progress: Progress | None = None,
        groups: Sequence[str] | None = None,
    ) -> np.ndarray:
        """Scores of ready crops, none looked for; see :meth:`mien.modality.Predictor.predict_proba`.

        Args:
            groups: of each face, for a model with experts for groups: which one answers, instead of what it chooses.
        """
        parts, done = [], 0
        for batch in self._batches(inputs, batch_size, progress):
            known = None if groups is None else groups[done : done + len(batch)]
            parts.append(self.select_experts(self.classify(batch), np.arange(len(batch)), known=known))
            done += len(batch)
        return np.concatenate(parts) if parts else np.zeros((0, len(self.space)), np.float32)

    def features(self, inputs: Sequence[Any], batch_size: int = 64, progress: Progress | None = None) -> np.ndarray:
        """What the network makes of ready crops before it decides: float32 (n, d), to learn other labels from.

        Raises:
            InputError: an input is unusable; the message says which.
            ModelError: the network does not give its features, or there are several.
        """
        if _FEATURES not in self._session.outputs or self.experts is not None:
            raise ModelError(f"the network of {self.name} gives no features")
        parts = [self._session.run(batch, _FEATURES) for batch in self._batches(inputs, batch_size, progress)]
        return np.concatenate(parts) if parts else np.zeros((0, 0), np.float32)

    def _batches(self, inputs: Sequence[Any], batch_size: int, progress: Progress | None) -> Iterator[np.ndarray]:
        return prepared_batches(
            inputs, batch_size, lambda item: prepare(read_picture(item), self.settings), progress, self._threads
        )

    def _find(self, item: Any) -> tuple[list[Box], list[np.ndarray], list[str]]:
        picture = read_picture(item, notes=(notes := list[str]()))
        faces = self.detector.find(picture)
        if isinstance(item, np.ndarray) and item.ndim == 3 and item.shape[2] > 1:
            warn_of_bgr(picture, faces, self.detector)
        return [face.box for face in faces], [align(picture, face, self.settings) for face in faces], notes

    def _crop(self, item: Any) -> tuple[list[Box], list[np.ndarray], list[str]]:
        picture = read_picture(item, notes=(notes := list[str]()))
        height, width = picture.shape[:2]
        return [(0.0, 0.0, float(width), float(height))], [prepare(picture, self.settings)], notes

    def _results(self, pictures: Sequence[Seen], batch_size: int) -> Iterator[Result]:
        faces = (face for seen in pictures for face in seen.samples)
        rows = (
            row
            for chunk in in_chunks(faces, batch_size)
            for row in self.select_experts(self.classify(np.stack(chunk)), np.arange(len(chunk)))
        )
        for seen in pictures:
            yield self.result(seen.name, [next(rows) for _ in seen.boxes], seen.error, seen.boxes, notes=seen.notes)
