"""A clip while it is being read: what the models of videos and of scenes share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mien.errors import InputError
from mien.inputs import local
from mien.media.clips import ClipInfo, Frame
from mien.media.folders import open_clip
from mien.modalities.face.choice import FaceChoice
from mien.modalities.face.detect import Face, FaceDetector
from mien.modalities.track import Tracker
from mien.modality import Item, Predictor, check_batch_size
from mien.results import Box, ClipSummary, FaceAction, Quality, Result

_EVERY = 1.0  # seconds from one whole look to the next
_SEEN = 32  # pixels a side at which a known face is found again
_WELL = 64  # and at which its landmarks are as good as they get
_LEAST = 320  # pixels a side

#: What is cut out of a frame for a face: the box, the prepared sample, how well the face is seen; None for nothing.
Cut = Callable[[np.ndarray, Face], tuple[Box, np.ndarray, Quality | None] | None]
#: What a face of a frame does.
Act = Callable[[np.ndarray, Face], FaceAction]


@dataclass(slots=True, eq=False)
class Sighting:
    """A person in a frame, or the frame as a scene: its sample until the network has read it, and then what that gave.

    Attributes:
        person: as the tracker numbers them; 0 for the scene as a whole.
        quality: of a face, how well it can be seen.
        action: of a face, what it does, where that is asked for.
        outputs: the network's, of this sample.
    """

    time: float
    person: int
    box: Box | None
    sample: np.ndarray | None
    quality: Quality | None = None
    action: FaceAction | None = None
    outputs: Any = None


class Watch:
    """Finds the faces in the frames of one clip.

    A photograph is looked at closely, and twice where no large, sure face is in it. Once a second a frame is looked at
    in the same way; in between once, and just as closely as the smallest face then known asks for. So a known face
    does not come and go, however small, a newcomer is found within a second, and a large face costs little: with 64
    pixels in the picture looked at, its probabilities move no more than with twice as many.

    Args:
        detector: what looks at a single frame.
        choice: which faces are asked for.
    """

    def __init__(self, detector: FaceDetector, choice: FaceChoice | None = None) -> None:
        self._choice = choice or FaceChoice()
        detector = self._choice.detector(detector)
        # Tiles and windows are for photographs: what a frame costs stays what two looks cost.
        self._detector = detector.looking(far=0) if isinstance(detector, FaceDetector) else detector
        self._next = float("-inf")
        self._size = detector.size

    def find(self, time: float, picture: np.ndarray) -> list[Face]:
        """The faces of a frame, the largest first.

        Args:
            time: seconds; frames come in the order of time.
            picture: uint8 (height, width, 3) red, green, blue.
        """
        if time < self._next:
            return self._detector.find(picture, size=self._size, closer=0)
        self._next = time + _EVERY
        faces = self._detector.find(picture)
        self._size = self._size_for(self._choice.split(faces)[0], max(picture.shape[:2]))
        return faces

    def _size_for(self, faces: list[Face], longest: int) -> int:
        """How large frames of so many pixels are to be looked at."""
        usual, closer = self._detector.size, self._detector.closer
        if not faces:
            return usual
        share = min(max(1.0, min(_sides(face))) for face in faces) / longest
        found, well = round(_SEEN / share), round(_WELL / share)
        return max(min(_LEAST, usual), min(well, usual), min(found, closer))


class Sightings:
    """What a model reads of the frames of a clip, one frame after the other. An iterable to go through once.

    Gives the time of each frame in seconds, never falling, and what is seen in it.

    Args:
        clip: its frames are taken as they come; of a live source none, and :meth:`look` gets them one by one.
    """

    known_as: Mapping[int, int] = {}  # numbers of people who by now turned out to be others; see `Tracker`

    def __init__(self, clip: Iterable[Frame]) -> None:
        self._clip, self._time = clip, 0.0

    def __iter__(self) -> Iterator[tuple[float, list[Sighting]]]:
        for frame in self._clip:
            self._time = max(self._time, frame.time)  # clocks of damaged clips go back
            yield self._time, self.look(self._time, frame.picture)

    @property
    def notes(self) -> Sequence[str]:
        """A line for each reason for which something was left out so far."""
        return ()

    def look(self, time: float, picture: np.ndarray) -> list[Sighting]:
        """What is seen in a frame."""
        raise NotImplementedError


class Faces(Sightings):
    """The faces in the frames of a clip, cut out, with the numbers of their people: what training and prediction see.

    Args:
        detector: what finds the faces.
        cut: how each is cut.
        choice: which of them are read; all if not given.
        act: what tells what each does, if that is asked for.
    """

    def __init__(
        self, clip: Iterable[Frame], detector: FaceDetector, cut: Cut, choice: FaceChoice | None = None,
        act: Act | None = None,
    ) -> None:  # fmt: skip
        super().__init__(clip)
        self._choice, self._small, self._more = choice or FaceChoice(), 0, 0
        self._watch, self._tracker, self._cut, self._act = Watch(detector, choice), Tracker(), cut, act
        self.known_as = self._tracker.known_as

    def look(self, time: float, picture: np.ndarray) -> list[Sighting]:
        """The faces of a frame, those of which something is cut."""
        faces, small, more = self._choice.split(self._watch.find(time, picture))
        self._small, self._more = self._small + small, self._more + more
        people = self._tracker.update(time, faces, picture)  # which looks at empty frames, too
        found = []
        for person, face in zip(people, faces, strict=True):
            if (cut := self._cut(picture, face)) is not None:
                found.append(Sighting(time, person, *cut, self._act(picture, face) if self._act else None))
        return found

    @property
    def notes(self) -> Sequence[str]:
        """How many faces were left out so far, and why."""
        return self._choice.notes(self._small, self._more, ", over all frames")


def numbered(people: Iterable[int], known_as: Mapping[int, int]) -> np.ndarray:
    """The numbers that people have in the end: 1, 2, … in the order in which they came.

    Args:
        people: numbers as the tracker gave them.
        known_as: numbers of people who turned out to be others; see :class:`mien.modalities.track.Tracker`.
    """
    numbers = {0: 0}  # the scene as a whole
    found = []
    for number in people:
        person = number
        while person in known_as:
            person = known_as[person]
        found.append(numbers.setdefault(person, len(numbers)))
    return np.array(found)


class ClipReading:
    """A clip being read: iterate to read on, and have the result of what was read by then whenever you want.

    ::

        reading = model.read("talk.mp4")
        for seconds in reading:
            print(f"{seconds:.1f} of {reading.info.duration} s")
        result = reading.result()

    One frame is held at a time, besides the small samples cut from frames that wait to be read together. Ctrl-C and
    other exceptions leave what was read by then; after ``break`` another loop goes on where the first was left.

    Attributes:
        info: size and length of the clip.
        time: seconds from the clip's first frame to the last one read.

    Raises:
        InputError: it is no clip that can be read; one line that says why.
    """

    def __init__(
        self, model: ClipPredictor, path: str | Path, fps: float | None, frames: int | None, batch_size: int,
        rate: float | None = None,
    ) -> None:  # fmt: skip
        self._model, self._path, self._batch_size = model, path, batch_size
        self._clip = open_clip(path, fps=fps, frames=frames, rate=rate)
        self._sightings = model.look_through(self._clip)
        self._seen: list[Sighting] = []  # what frames showed
        self._unread: list[Sighting] = []  # those of them that wait for the network
        self._frames, self._finished = 0, False
        self._steps = self._read_on()
        self.time = 0.0

    @property
    def info(self) -> ClipInfo:
        """Size and length of the clip."""
        return self._clip.info

    def __iter__(self) -> Iterator[float]:
        """Read on; gives the time of each frame once it was looked at, in seconds."""
        return self._steps

    def result(self, problem: str | None = None, group: str | None = None) -> Result:
        """What was read so far; `clip.duration` is then how far that is.

        Args:
            problem: why it is not the whole clip, such as "stopped after 12.4 s"; by default what the file itself had
                wrong with it.
            group: of its people, for a model with experts for groups: which one answers, instead of what it chooses.
        """
        # Anew, as Ctrl-C may have fallen between the two lines that add to these lists.
        self._unread = [one for one in self._seen if one.outputs is None]
        self._read_waiting()
        info = self.info
        clip = ClipSummary(
            info.duration if self._finished else self.time, info.width, info.height, self._frames,
            self._clip.skipped, problem or self._clip.problem,
        )  # fmt: skip
        who = numbered([one.person for one in self._seen], self._sightings.known_as)
        found = self._model.clip_result(str(self._path), self._seen, who, clip, group)
        return replace(found, notes=(*found.notes, *self._sightings.notes))

    def _read_on(self) -> Iterator[float]:
        with self._clip:
            for time, found in self._sightings:
                self._seen += found
                self._unread += found
                self.time, self._frames = time, self._frames + 1
                if len(self._unread) >= self._batch_size:
                    self._read_waiting()
                yield time
        self._finished = True

    def _read_waiting(self) -> None:
        """Where it is interrupted, what waits is read the next time."""
        while self._unread:
            batch = self._unread[: self._batch_size]
            rows = self._model.read_samples(np.stack([one.sample for one in batch if one.sample is not None]))
            for one, outputs in zip(batch, rows, strict=True):
                one.outputs = outputs
            for one in batch:  # once all of them have answers
                one.sample = None
            del self._unread[: len(batch)]


class ClipPredictor(Predictor):
    """A predictor that reads clips; a mixin, before that of what is seen in single frames.

    The options of :meth:`predict` and :meth:`predict_many`: ``fps``, frames a second to look at, instead of the
    model's; ``frames``, so many frames, spread evenly over the clip, instead. A clip that is cut off gives what there
    is, and ``result.clip.problem`` says so.
    """

    @property
    def sampling(self) -> tuple[float | None, int | None]:
        """Frames a second, or frames of a clip, to look at where nothing else is asked for."""
        raise NotImplementedError

    def look_through(self, clip: Iterable[Frame]) -> Sightings:
        """What is to be read of the frames of a clip."""
        raise NotImplementedError

    def read_samples(self, batch: np.ndarray) -> Iterable[Any]:
        """The network's outputs for each of some samples."""
        raise NotImplementedError

    def clip_result(
        self, name: str, seen: Sequence[Sighting], who: np.ndarray, clip: ClipSummary, group: str | None
    ) -> Result:
        """The result of a clip of that name.

        Args:
            seen: in the order of time, each with the network's outputs.
            who: the number of the person whom each is of, (n,); see :func:`numbered`.
            group: see :meth:`ClipReading.result`.
        """
        raise NotImplementedError

    def read(
        self, path: str | Path, fps: float | None = None, frames: int | None = None, batch_size: int = 64
    ) -> ClipReading:
        """Begin to read a clip; see :class:`ClipReading`. For long clips.

        Args:
            path: of the clip, or of a folder of numbered pictures, each of which is looked at.
            fps: frames a second to look at, instead of the model's; of a folder how many of them are a second (25).
            frames: so many frames, spread evenly over the clip, instead.
            batch_size: faces, persons or frames read at once.

        Raises:
            InputError: it is no clip that can be read, or both *fps* and *frames* are given.
        """
        if not isinstance(path, str | Path):
            raise InputError(f"a clip is the path of a file, not {type(path).__name__}")
        check_batch_size(batch_size)
        if fps is not None and frames is not None:
            raise InputError("give frames a second or a number of frames, not both")
        if local(path).is_dir():
            return ClipReading(self, path, None, frames, batch_size, fps)
        if fps is None and frames is None:
            fps, frames = self.sampling
        return ClipReading(self, path, fps, frames, batch_size)

    def read_whole(
        self, path: Any, batch_size: int, fps: float | None = None, frames: int | None = None, group: str | None = None
    ) -> Result:
        """The result of a clip, read from end to end."""
        reading = self.read(path, fps, frames, batch_size)
        for _ in reading:
            pass
        return reading.result(group=group)

    def prepare_clip(self, item: Any, fps: float | None, frames: int | None) -> Item:
        """A clip as an input that is read when its turn comes."""
        return Item(self.name_of(item), read=partial(self.read_whole, item, fps=fps, frames=frames))


def _sides(face: Face) -> tuple[float, float]:
    left, top, right, bottom = face.box
    return right - left, bottom - top
