"""The predictor of whole scenes, and of the persons in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from mien.errors import InputError, ModelError
from mien.inputs import name_of
from mien.media.clips import is_clip
from mien.media.images import Region
from mien.modalities.face.detect import FaceDetector
from mien.modalities.scene.clip import SceneReading
from mien.modalities.scene.preprocess import SceneSettings, body, prepare, read
from mien.modality import Predictor, Progress, Seen, gathered, in_chunks, prepared_batches
from mien.model import NETWORK, Manifest, preprocess_settings
from mien.results import Box, ClipSummary, Moment, Person, Prediction, Result
from mien.runtime import Session, parallel_map, readers

_FEATURES = "features"


class ScenePredictor(Predictor):
    """Reads what a photograph as a whole conveys, or each person in it within what is around them; or a clip's frames.

    Which of the two its settings say. A model of whole pictures gives one item without a box. A model of persons gives
    one for each box it is told; where it is told none, bodies are estimated from the faces that are found (there is no
    detector of persons), the largest face first, so people who turn away are missed.

    Attributes:
        settings: how a photograph is prepared for the network.
        mirror: whether each sample is read together with its mirror image, and the two answers averaged; doubles the
            time. From the settings at first.
    """

    def __init__(
        self, folder: Path, manifest: Manifest, files: Mapping[str, bytes], threads: int | None = None
    ) -> None:
        super().__init__(folder, manifest)
        self.settings = preprocess_settings(manifest, SceneSettings, folder)
        self.mirror = self.settings.mirror
        self._threads = threads
        self._session = Session(files[NETWORK], threads, name=folder / NETWORK, widths=manifest.widths, rows=4)

    @property
    def of_persons(self) -> bool:
        """Whether it reads persons, and not the picture as such."""
        return "person" in self.settings.views

    @cached_property
    def detector(self) -> FaceDetector:
        """What finds the faces of those whose boxes are not told; loaded when it is first needed."""
        return FaceDetector(threads=self._threads)

    def predict(self, item: Any, boxes: Sequence[Box] | None = None) -> Result:
        """Read one photograph, or one clip: its result has a timeline.

        Args:
            item: a path, bytes, pixels or a region; see :class:`mien.modality.Predictor`; or the path of a clip.
            boxes: of the persons to read, left, top, right, bottom in pixels, for a model of persons.

        Raises:
            InputError: the picture cannot be read, or a box lies outside; one line that says why.
        """
        if boxes is not None and not self.of_persons:
            raise InputError(f"the model {self.name} reads whole pictures: it takes no boxes")
        result = next(self._predict([(item, boxes)], 64))
        if result.error:
            raise InputError(result.error)
        return result

    def read(
        self, path: str | Path, fps: float | None = None, frames: int | None = None, batch_size: int = 64
    ) -> SceneReading:
        """Begin to read a clip; see :class:`mien.modalities.scene.clip.SceneReading`. For long clips.

        Args:
            path: of the clip.
            fps: frames a second to read, instead of the model's.
            frames: so many frames, spread evenly over the clip, instead.
            batch_size: frames or persons read at once.

        Raises:
            InputError: it is no clip that can be read, or both *fps* and *frames* are given.
        """
        if fps is not None and frames is not None:
            raise InputError("give frames a second or a number of frames, not both")
        if fps is None and frames is None:
            fps = self.settings.fps
        return SceneReading(self, path, fps, frames, batch_size)

    def clip_result(
        self,
        name: str,
        items: tuple[Prediction, ...],
        timeline: tuple[Moment, ...],
        people: tuple[Person, ...],
        clip: ClipSummary,
    ) -> Result:
        """The result of a clip of that name."""
        return replace(self.result(name), items=items, timeline=timeline, people=people, clip=clip)

    def predict_many(self, inputs: Iterable[Any], batch_size: int = 64) -> Iterator[Result]:
        """Results in the order of the photographs; the persons of several are computed in one batch.

        An unusable photograph gives a result whose ``error`` says why, one without people a result without items.
        """
        return self._predict(((item, None) for item in inputs), batch_size)

    def predict_proba(
        self, inputs: Sequence[Any], batch_size: int = 64, progress: Progress | None = None
    ) -> np.ndarray:
        """Scores of samples, each a whole picture or a region; see :meth:`mien.modality.Predictor.predict_proba`."""
        return self.answers(inputs, batch_size, progress)[0]

    def ratings(self, inputs: Sequence[Any], batch_size: int = 64, progress: Progress | None = None) -> np.ndarray:
        """Ratings of samples, float32 (n, ratings), in the order and units of the manifest.

        Raises:
            InputError: an input is unusable; the message says which.
        """
        return self.answers(inputs, batch_size, progress)[1]

    def answers(
        self, inputs: Sequence[Any], batch_size: int = 64, progress: Progress | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Both at once: probabilities, float32 (n, labels), and ratings, float32 (n, ratings)."""
        parts = [self.classify(batch) for batch in self._batches(inputs, batch_size, progress)]
        if not parts:
            return np.zeros((0, len(self.space)), np.float32), np.zeros((0, len(self.manifest.ratings)), np.float32)
        scores, ratings = zip(*parts, strict=True)
        return np.concatenate(scores), np.concatenate(ratings)

    def features(self, inputs: Sequence[Any], batch_size: int = 64, progress: Progress | None = None) -> np.ndarray:
        """What the network makes of samples before it decides: float32 (n, d), to learn other labels from.

        Raises:
            InputError: an input is unusable; the message says which.
            ModelError: the network does not give its features.
        """
        if _FEATURES not in self._session.outputs:
            raise ModelError(f"the network of {self.name} gives no features")
        parts = [self._session.run(batch, _FEATURES) for batch in self._batches(inputs, batch_size, progress)]
        return np.concatenate(parts) if parts else np.zeros((0, 0), np.float32)

    def _batches(self, inputs: Sequence[Any], batch_size: int, progress: Progress | None) -> Iterator[np.ndarray]:
        return prepared_batches(
            inputs, batch_size, lambda item: prepare(*read(item), self.settings), progress, self._threads
        )

    def _predict(self, inputs: Iterable[tuple[Any, Sequence[Box] | None]], batch_size: int) -> Iterator[Result]:
        def look(given: tuple[Any, Sequence[Box] | None]) -> Any:  # Seen, or the path of a clip
            item, boxes = given
            if isinstance(item, str | Path) and is_clip(item):
                return item
            try:
                return Seen(name_of(item), *self._samples(item, boxes))
            except InputError as error:
                return Seen(name_of(item), error=str(error))

        def answers(some: Iterable[tuple[Any, Sequence[Box] | None]]) -> Iterator[Result]:
            looks = parallel_map(look, some, readers(self._threads))
            for are_pictures, of_a_kind in groupby(looks, lambda one: isinstance(one, Seen)):
                if are_pictures:
                    for pictures in gathered(of_a_kind, batch_size):
                        yield from self._results(pictures, batch_size)
                else:
                    yield from (self._clip(path, batch_size) for path in of_a_kind)

        if self.of_persons:
            _ = self.detector  # loaded before several threads want it
        return self._guarded(inputs, answers)

    def name_of(self, item: Any) -> str:
        """What an input is called in its result."""
        return name_of(item[0] if isinstance(item, tuple) else item)

    def _clip(self, path: str | Path, batch_size: int) -> Result:
        try:
            reading = self.read(path, batch_size=batch_size)
            for _ in reading:
                pass
            return reading.result()
        except Exception as error:
            return self.failed(path, error)

    def _samples(self, item: Any, boxes: Sequence[Box] | None) -> tuple[list[Box | None], list[np.ndarray], list[str]]:
        """What is to be read in a photograph: the boxes, and for each the prepared sample."""
        picture, box = read(item, notes := list[str]())
        if not self.of_persons:
            return [None], [prepare(picture, None, self.settings)], notes
        if boxes is None:
            boxes = [box] if box is not None else self._bodies(picture)
        edges = [Region(name_of(item), (box[0], box[1], box[2], box[3])).box for box in boxes]  # checks them
        return list(edges), [prepare(picture, box, self.settings) for box in edges], notes

    def _bodies(self, picture: np.ndarray) -> list[Box]:
        height, width = picture.shape[:2]
        found = (body(face.box, width, height) for face in self.detector.find(picture))
        return [box for box in found if box[0] < box[2] and box[1] < box[3]]

    def _results(self, pictures: Sequence[Seen], batch_size: int) -> Iterator[Result]:
        samples = (sample for seen in pictures for sample in seen.samples)
        answers = (self.classify(np.stack(chunk)) for chunk in in_chunks(samples, batch_size))
        rows = (row for scores, ratings in answers for row in zip(scores, ratings, strict=True))
        for seen in pictures:
            here = [next(rows) for _ in seen.boxes]
            scores, rated = [row for row, _ in here], [ratings for _, ratings in here]
            yield self.result(seen.name, scores, seen.error, seen.boxes, rated, seen.notes)

    def classify(self, batch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities (n, labels) and ratings (n, ratings) of samples that ``preprocess.prepare`` made."""
        if not self.mirror:
            scores, ratings = self._run(batch)
        else:  # in one go: threads share even a single picture
            both = self._run(np.concatenate([batch, batch[..., ::-1, :]]))
            scores, ratings = (np.mean(np.split(part, 2), axis=0) for part in both)
        return scores[:, self._columns], ratings

    def _run(self, batch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        given = dict(zip(self._session.outputs, self._session.run_all(batch), strict=True))
        nothing = np.zeros((len(batch), 0), np.float32)
        return given.get("probabilities", nothing), given.get("ratings", nothing)
