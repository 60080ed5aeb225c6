"""The predictor of clips."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np

from mien.errors import InputError, ModelError, did_you_mean, quoted
from mien.media.clips import Frame
from mien.modalities.clip import ClipPredictor, ClipReading, Faces, Sighting
from mien.modalities.face.detect import Face
from mien.modalities.face.landmarks import FaceLandmarker
from mien.modalities.face.predictor import FaceClassifier
from mien.modalities.video.aggregate import RULES
from mien.modalities.video.preprocess import VideoSettings, cut_face
from mien.modalities.video.sequences import padded, windows
from mien.modality import Item, Outputs, Progress
from mien.model import FRAMES, Manifest
from mien.results import (
    Box,
    ClipSummary,
    FaceAction,
    Moment,
    Person,
    Prediction,
    Quality,
    Result,
    segments_of,
    together,
)
from mien.runtime import Session
from mien.segments import smooth_each

_WINDOWS = 64  # segments of a clip read at once by a network that reads them whole


class VideoPredictor(ClipPredictor, FaceClassifier):
    """Reads emotion in the faces of clips: over time, for each person, and for the clip.

    Frames are taken from the clip, the faces in them found and followed, and read in batches across frames. Memory
    does not grow with the clip, but for its timeline. A clip in which no face is ever seen gives a result without
    items.

    Besides the options of ``ClipPredictor`` there are ``rule``: "sum", "vote" or "mean", instead of the model's own;
    ``min_face``, ``max_faces`` and ``confidence``, see `FaceChoice`; ``all_faces=True``: moments count in which a face
    could not be seen well, too; and ``landmarks=True``: the predictions of the timeline have an ``action`` besides,
    what the face does.

    Attributes:
        settings: how clips are gone through.
        rule: what makes one answer of many moments: probabilities (n, labels) to (labels,), n at least 1. Set one of
            your own, or one of :data:`mien.modalities.video.aggregate.RULES`.
    """

    settings: VideoSettings
    _landmarks = False  # whether it tells what faces do

    def __init__(
        self, folder: Path, manifest: Manifest, files: Mapping[str, bytes], threads: int | None = None
    ) -> None:
        super().__init__(folder, manifest, files, threads)
        if manifest.space.multilabel:
            raise ModelError(f"{folder}: a model of clips must answer with one label at a time")
        # What a network learned to read together needs no rule besides: its answers about each segment are averaged.
        learned = self.settings.aggregate == "learned"
        self.rule = RULES["sum" if learned else self.settings.aggregate]
        self._frames = Session(files[FRAMES], threads, name=folder / FRAMES) if learned else None

    @property
    def sampling(self) -> tuple[float | None, int | None]:
        """Frames a second, or frames of a clip, to look at where nothing else is asked for."""
        return self.settings.sampling

    def looking_at(self, frames: int | None = None, rule: str | None = None, all_faces: bool = False) -> Self:
        """See :meth:`mien.modality.Predictor.looking_at` and :meth:`counting_all`."""
        twin = copy.copy(self.counting_all(all_faces))
        if frames is not None:
            twin.settings = self.settings.model_copy(update={"frames": frames})
        if rule is not None:
            if rule not in RULES:
                names = ", ".join(RULES)
                raise InputError(f"no rule {quoted(rule)!r}; there are: {names}{did_you_mean(rule, RULES)}")
            twin.rule = RULES[rule]
        return twin

    def warm_up(
        self, *args: Any, rule: str | None = None, min_face: float | None = None, max_faces: int | None = None,
        confidence: float | None = None, landmarks: bool = False, **options: Any,
    ) -> None:  # fmt: skip
        """Load what finds faces, and see that there is such a rule and that options are in their ranges."""
        super().warm_up(*args, **options)
        self._told(rule, False, landmarks).counting_faces(min_face, max_faces, confidence)

    def _told(self, rule: str | None, all_faces: bool, landmarks: bool) -> Self:
        twin = self.looking_at(rule=rule, all_faces=all_faces)
        if landmarks:
            twin.landmarker, twin._landmarks = self.landmarker, True  # loaded once for all clips
        return twin

    def read(
        self, path: str | Path, fps: float | None = None, frames: int | None = None, batch_size: int = 64,
        rule: str | None = None, min_face: float | None = None, max_faces: int | None = None,
        confidence: float | None = None, all_faces: bool = False, landmarks: bool = False,
    ) -> ClipReading:  # fmt: skip
        """See :meth:`ClipPredictor.read`; the options are those of the class."""
        twin = self._told(rule, all_faces, landmarks).counting_faces(min_face, max_faces, confidence)
        return super(VideoPredictor, twin).read(path, fps, frames, batch_size)

    def prepare(
        self, item: Any, fps: float | None = None, frames: int | None = None, rule: str | None = None,
        min_face: float | None = None, max_faces: int | None = None, confidence: float | None = None,
        all_faces: bool = False, landmarks: bool = False,
    ) -> Item:  # fmt: skip
        """A clip, to be read when its turn comes."""
        twin = self._told(rule, all_faces, landmarks).counting_faces(min_face, max_faces, confidence)
        return twin.prepare_clip(item, fps, frames)

    def outputs(
        self,
        inputs: Sequence[Any],
        batch_size: int = 64,
        progress: Progress | None = None,
        groups: Sequence[str] | None = None,
    ) -> Outputs:
        """Probabilities of whole clips; one without a face has the same for every label."""
        scores = np.full((len(inputs), len(self.space)), 1 / len(self.space), np.float32)
        sure = np.zeros(len(inputs), np.float32)
        for place, item in enumerate(inputs):
            try:
                result = self.read_whole(item, batch_size, group=None if groups is None else groups[place])
            except InputError as error:
                raise InputError(f"input {place + 1}: {error}") from None
            for whole in result.items:
                scores[place] = list(whole.scores.values())
                sure[place] = whole.score if whole.reliability is None else whole.reliability
            if progress:
                progress(1)
        return Outputs.of(scores, sure=sure)

    def look_through(self, clip: Iterable[Frame]) -> Faces:
        """The faces of a clip."""
        act = partial(self._act, self.landmarker) if self._landmarks else None
        return Faces(clip, self.detector, cut_face(self.settings.face), self.choice, act)

    @staticmethod
    def _act(landmarker: FaceLandmarker, picture: np.ndarray, face: Face) -> FaceAction:
        return landmarker.read(picture, [face])[0]

    def read_samples(self, batch: np.ndarray) -> np.ndarray:
        """What the network gives for crops of faces; experts are selected later."""
        return self.classify(batch)

    def clip_result(
        self, name: str, seen: Sequence[Sighting], who: np.ndarray, clip: ClipSummary, group: str | None
    ) -> Result:
        """Each person's probabilities, smoothed over time, and what the rule makes of them.

        The rule sees what the timeline shows: whoever applies it to the moments that count gets the same answer. Those
        with too low a reliability do not, unless ``all_faces`` says so.
        """
        empty = replace(self.result(name), clip=clip, all_faces=self.all_faces)
        if not seen:
            return empty
        times = np.array([one.time for one in seen])
        known = None if group is None else [group] * len(seen)
        given = np.stack([one.outputs for one in seen])
        rows = self.select_experts(given, who, times, known)
        qualities = [one.quality and self.judged(one.quality, row) for one, row in zip(seen, given, strict=True)]
        read = [self._seen(row, one.box, quality) for row, one, quality in zip(rows, seen, qualities, strict=True)]
        # What could not be read well neither counts nor moves what was read beside it.
        counts = np.array([empty.counts(one) for one in read])
        rows[counts] = smooth_each(times[counts], who[counts], rows[counts], self.settings.smooth)
        timeline = tuple(
            Moment(one.time, number, replace(self._seen(row, one.box, quality), action=one.action))
            for one, number, row, quality in zip(seen, who.tolist(), rows, qualities, strict=True)
        )
        people = []
        for number in np.unique(who).tolist():
            of = np.flatnonzero(who == number)
            first, last = float(times[of[0]]), float(times[of[-1]])
            people.append(Person(number, self._together(rows, qualities, counts, of), first, last, len(of)))
        counted = tuple(moment for moment, counting in zip(timeline, counts, strict=True) if counting)
        whole = self._together(rows, qualities, counts, np.arange(len(rows)))
        return replace(
            empty, items=(whole,), timeline=timeline, people=tuple(people), segments=segments_of(counted, clip)
        )

    def _seen(self, row: np.ndarray, box: Box | None, quality: Quality | None) -> Prediction:
        return replace(self.prediction(row, box), quality=quality)

    def _together(
        self, rows: np.ndarray, qualities: Sequence[Quality | None], counts: np.ndarray, of: np.ndarray
    ) -> Prediction:
        """What the rule makes of some moments: of those that count, or where none does of all.

        Its quality is that of the moment seen best, its reliability the mean over these moments.
        """
        of = of[counts[of]] if counts[of].any() else of
        return replace(self.prediction(self.rule(rows[of])), quality=together(qualities[place] for place in of))

    def select_experts(
        self, rows: np.ndarray, who: np.ndarray, times: np.ndarray | None = None, known: Sequence[str] | None = None
    ) -> np.ndarray:
        """See ``FaceClassifier.select_experts``.

        A network that reads a person's moments together answers about each moment by what is seen of the person around
        it.
        """
        if self._frames is None or times is None:
            return super().select_experts(rows, who, times, known)
        answers = np.empty((len(rows), len(self.manifest.space)), np.float32)
        for person in np.unique(who):
            of = np.flatnonzero(who == person)
            spans = windows(times[of], times[of], self.settings.window)
            unique, which = np.unique(spans, axis=0, return_inverse=True)
            for start in range(0, len(unique), _WINDOWS):
                batch = padded([rows[of[first:last]] for first, last in unique[start : start + _WINDOWS]])
                chosen = (which >= start) & (which < start + _WINDOWS)
                answers[of[chosen]] = self._session.run(batch)[which[chosen] - start]
        return answers[:, self._columns]

    def _read(self, crops: np.ndarray) -> np.ndarray:
        return super()._read(crops) if self._frames is None else self._frames.run(crops, "features")
