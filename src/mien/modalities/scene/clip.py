"""One clip while its frames are being read as scenes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mien.media.clips import Frame
from mien.modalities.scene.preprocess import body, prepare
from mien.modalities.video.reading import ClipReading
from mien.modalities.video.timeline import numbered
from mien.modalities.video.track import Tracker
from mien.modalities.video.watch import Watch
from mien.results import Box, Moment, Person, Prediction, Result

if TYPE_CHECKING:
    from mien.modalities.scene.predictor import ScenePredictor

SCENE = 0  # in place of a person's number: the scene as a whole


@dataclass(slots=True, eq=False)
class _Seen:
    """A frame, or a person in it: its sample until the network has read it, and then what that said."""

    time: float
    person: int
    box: Box | None
    sample: np.ndarray | None
    scores: np.ndarray | None = None
    ratings: np.ndarray | None = None


class SceneReading(ClipReading[_Seen]):
    """A clip whose frames are being read as scenes; see :class:`mien.modalities.video.reading.ClipReading`.

    A model of whole pictures reads each frame; its moments are of person 0, the scene. A model of persons reads those
    whose faces are found, and follows them. Nothing is smoothed; what is said of a person, or of the clip, is the mean
    over the moments.
    """

    def __init__(
        self, model: ScenePredictor, path: str | Path, fps: float | None, frames: int | None, batch_size: int
    ) -> None:
        super().__init__(path, fps, frames, batch_size)
        self._model = model
        self._watch = Watch(model.detector) if model.of_persons else None
        self._tracker = Tracker()

    def _look(self) -> Iterator[tuple[float, list[_Seen]]]:
        for frame in self._clip:
            time = max(self.time, frame.time)  # clocks of damaged clips go back
            yield time, self._find(time, frame)

    def _find(self, time: float, frame: Frame) -> list[_Seen]:
        picture, settings = frame.picture, self._model.settings
        if self._watch is None:
            return [_Seen(time, SCENE, None, prepare(picture, None, settings))]
        height, width = picture.shape[:2]
        faces = self._watch.find(time, picture)
        people = self._tracker.update(time, faces, picture)
        found = []
        for face, person in zip(faces, people, strict=True):
            box = body(face.box, width, height)
            if box[0] < box[2] and box[1] < box[3]:
                found.append(_Seen(time, person, box, prepare(picture, box, settings)))
        return found

    def result(self, problem: str | None = None) -> Result:
        """See :meth:`mien.modalities.video.reading.ClipReading.result`."""
        clip, seen = self._summary(problem), self._seen
        who = [one.person for one in seen]
        if self._watch is not None:
            who = numbered(who, self._tracker.known_as).tolist()
        timeline = tuple(
            Moment(one.time, person, self._prediction([one], one.box)) for one, person in zip(seen, who, strict=True)
        )
        people = []
        for number in sorted(set(who) - {SCENE}):
            of = [one for one, person in zip(seen, who, strict=True) if person == number]
            people.append(Person(number, self._prediction(of), of[0].time, of[-1].time, len(of)))
        whole = (self._prediction(seen),) if seen else ()
        return self._model.clip_result(str(self._path), whole, timeline, tuple(people), clip)

    def _prediction(self, seen: list[_Seen], box: Box | None = None) -> Prediction:
        """The mean of what was said."""
        scores = np.stack([one.scores for one in seen if one.scores is not None])
        ratings = np.stack([one.ratings for one in seen if one.ratings is not None])
        return self._model.prediction(scores.mean(0, np.float64), box, ratings.mean(0, np.float64))

    def _is_read(self, one: _Seen) -> bool:
        return one.scores is not None

    def _read(self, batch: list[_Seen]) -> None:
        rows = self._model.classify(np.stack([one.sample for one in batch if one.sample is not None]))
        for one, scores, ratings in zip(batch, *rows, strict=True):
            one.scores, one.ratings = scores, ratings
        for one in batch:
            one.sample = None
