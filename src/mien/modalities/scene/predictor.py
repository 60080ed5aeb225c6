"""The predictor of whole scenes, and of the persons in them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from mien.errors import InputError
from mien.inputs import name_of
from mien.media.clips import Frame
from mien.media.images import Region
from mien.media.names import is_clip
from mien.modalities.clip import ClipPredictor, Faces, Sighting, Sightings
from mien.modalities.face.detect import Face, FaceDetector
from mien.modalities.scene.preprocess import SceneSettings, body, prepare, read
from mien.modality import Item, Outputs
from mien.model import Manifest
from mien.results import Box, ClipSummary, Moment, Person, Prediction, Result
from mien.runtime import in_chunks

SCENE = 0  # in place of a person's number: the scene as a whole


class ScenePredictor(ClipPredictor):
    """Reads what a photograph as a whole conveys, or each person in it within what is around them; or a clip's frames.

    Which of the two its settings say. A model of whole pictures gives one item without a box. A model of persons gives
    one for each box it is told; where it is told none, bodies are estimated from the faces that are found (there is no
    detector of persons), the largest face first, so people who turn away are missed.

    Of a clip, a model of whole pictures reads each frame; its moments are of person 0, the scene. A model of persons
    reads those whose faces are found, and follows them. Nothing is smoothed; what is said of a person, or of the clip,
    is the mean over the moments.

    The options of :meth:`predict` and :meth:`predict_many`: ``boxes``, of the persons to read in a picture, left, top,
    right, bottom in pixels, for a model of persons; ``whole``, to read a picture as if all of it were one person's, in
    one item without a box, and look for nobody; ``fps`` and ``frames``, see ``ClipPredictor``.

    Attributes:
        settings: how a photograph is prepared for the network.
        mirror: whether each sample is read together with its mirror image, and the two answers averaged; doubles the
            time. From the settings at first.
    """

    rows = 4
    settings: SceneSettings

    def __init__(
        self, folder: Path, manifest: Manifest, files: Mapping[str, bytes], threads: int | None = None
    ) -> None:
        super().__init__(folder, manifest, files, threads)
        self.mirror = self.settings.mirror

    @property
    def of_persons(self) -> bool:
        """Whether it reads persons, and not the picture as such."""
        return "person" in self.settings.views

    @cached_property
    def detector(self) -> FaceDetector:
        """What finds the faces of those whose boxes are not told; loaded when it is first needed."""
        return FaceDetector(threads=self._threads)

    def warm_up(self, boxes: Sequence[Box] | None = None, whole: bool = False, **options: Any) -> None:
        """Load the detector, before several threads want it.

        Raises:
            InputError: boxes are given, and the model reads whole pictures, or is to.
        """
        if boxes is not None and whole:
            raise InputError("give boxes or whole, not both")
        if boxes is not None and not self.of_persons:
            raise InputError(f"the model {self.name} reads whole pictures: it takes no boxes")
        if self.of_persons and not whole:
            _ = self.detector

    def prepare(
        self, item: Any, boxes: Sequence[Box] | None = None, fps: float | None = None, frames: int | None = None,
        whole: bool = False,
    ) -> Item:  # fmt: skip
        """The persons in a photograph, or the whole of it; or a clip, to be read when its turn comes."""
        if isinstance(item, str | Path) and is_clip(item):
            if whole:
                raise InputError(f"{name_of(item)}: whole is for pictures, and this is a clip")
            return self.prepare_clip(item, fps, frames)
        picture, box = read(item, notes := list[str]())
        if whole or not self.of_persons:
            return Item(name_of(item), [prepare(picture, None, self.settings)], None, notes)
        if boxes is None:
            boxes = [box] if box is not None else self._bodies(picture)
        edges = [Region(name_of(item), (box[0], box[1], box[2], box[3])).box for box in boxes]  # checks them
        return Item(name_of(item), [prepare(picture, box, self.settings) for box in edges], edges, notes)

    def _bodies(self, picture: np.ndarray) -> list[Box]:
        height, width = picture.shape[:2]
        found = (body(face.box, width, height) for face in self.detector.find(picture))
        return [box for box in found if box[0] < box[2] and box[1] < box[3]]

    def sample(self, item: Any) -> np.ndarray:
        """A whole picture or a region as the network takes it."""
        return prepare(*read(item), self.settings)

    def forward(self, samples: Sequence[np.ndarray], batch_size: int, groups: Sequence[str] | None = None) -> Outputs:
        """Probabilities and ratings of prepared samples."""
        parts = (self.classify(np.stack(chunk)) for chunk in in_chunks(samples, batch_size))
        return Outputs(*map(np.concatenate, zip(*parts, strict=True)))

    def classify(self, batch: np.ndarray) -> Outputs:
        """Probabilities and ratings of samples that ``preprocess.prepare`` made, stacked."""
        if not self.mirror:
            scores, ratings = self._run(batch)
        else:  # in one go: threads share even a single picture
            both = self._run(np.concatenate([batch, batch[..., ::-1, :]]))
            scores, ratings = (np.mean(np.split(part, 2), axis=0) for part in both)
        return Outputs.of(scores[:, self._columns], ratings)

    def _run(self, batch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        given = dict(zip(self._session.outputs, self._session.run_all(batch), strict=True))
        nothing = np.zeros((len(batch), 0), np.float32)
        return given.get("probabilities", nothing), given.get("ratings", nothing)

    @property
    def gives_features(self) -> bool:
        """Whether it has :meth:`features`."""
        return "features" in self._session.outputs

    @property
    def sampling(self) -> tuple[float | None, int | None]:
        """Frames a second of a clip to look at where nothing else is asked for."""
        return self.settings.fps, None

    def look_through(self, clip: Iterable[Frame]) -> Sightings:
        """The persons in a clip, or its frames."""
        return Faces(clip, self.detector, self._cut_person) if self.of_persons else _Scenes(clip, self.settings)

    def _cut_person(self, picture: np.ndarray, face: Face) -> tuple[Box, np.ndarray, None] | None:
        height, width = picture.shape[:2]
        box = body(face.box, width, height)
        return (box, prepare(picture, box, self.settings), None) if box[0] < box[2] and box[1] < box[3] else None

    def read_samples(self, batch: np.ndarray) -> Iterable[tuple[np.ndarray, np.ndarray]]:
        """Probabilities and ratings of each of some samples."""
        found = self.classify(batch)
        return zip(found.probabilities, found.ratings, strict=True)

    def clip_result(
        self, name: str, seen: Sequence[Sighting], who: np.ndarray, clip: ClipSummary, group: str | None
    ) -> Result:
        """The means of what the network gave for each person, and for the clip."""
        timeline = tuple(
            Moment(one.time, person, self._mean([one], one.box)) for one, person in zip(seen, who.tolist(), strict=True)
        )
        people = []
        for number in sorted(set(who.tolist()) - {SCENE}):
            own = [one for one, person in zip(seen, who, strict=True) if person == number]
            people.append(Person(number, self._mean(own), own[0].time, own[-1].time, len(own)))
        items = (self._mean(seen),) if seen else ()
        return replace(self.result(name), items=items, timeline=timeline, people=tuple(people), clip=clip)

    def _mean(self, seen: Sequence[Sighting], box: Box | None = None) -> Prediction:
        scores, ratings = (
            np.stack(part).mean(0, np.float64) for part in zip(*(one.outputs for one in seen), strict=True)
        )
        return self.prediction(scores, box, ratings)


class _Scenes(Sightings):
    """The frames of a clip, each as a scene."""

    def __init__(self, clip: Iterable[Frame], settings: SceneSettings) -> None:
        super().__init__(clip)
        self._settings = settings

    def look(self, time: float, picture: np.ndarray) -> list[Sighting]:
        """The frame itself."""
        return [Sighting(time, SCENE, None, prepare(picture, None, self._settings))]
