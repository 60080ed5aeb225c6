"""Finding the faces of a clip: what one frame showed says how closely the next is looked at."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mien.media.clips import ClipReader
from mien.modalities.face.detect import Face, FaceDetector
from mien.modalities.face.preprocess import FaceSettings, align
from mien.modalities.video.timeline import Sighting
from mien.modalities.video.track import Tracker

_EVERY = 1.0  # seconds from one whole look to the next
_SEEN = 32  # pixels a side at which a known face is found again
_WELL = 64  # and at which its landmarks are as good as they get
_LEAST = 320  # pixels a side


class Watch:
    """Finds the faces in the frames of one clip.

    A photograph is looked at closely, and twice where no large, sure face is in it. Once a second a frame is looked at
    in the same way; in between once, and just as closely as the smallest face then known asks for. So a known face
    does not come and go, however small, a newcomer is found within a second, and a large face costs little: with 64
    pixels in the picture looked at, its probabilities move no more than with twice as many.

    Args:
        detector: what looks at a single frame.
    """

    def __init__(self, detector: FaceDetector) -> None:
        self._detector = detector
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
        self._size = self._size_for(faces, max(picture.shape[:2]))
        return faces

    def _size_for(self, faces: list[Face], longest: int) -> int:
        """How large frames of so many pixels are to be looked at."""
        usual, closer = self._detector.size, self._detector.closer
        if not faces:
            return usual
        share = min(max(1.0, min(_sides(face))) for face in faces) / longest
        found, well = round(_SEEN / share), round(_WELL / share)
        return max(min(_LEAST, usual), min(well, usual), min(found, closer))


class Faces:
    """The faces of a clip, cut out, frame by frame: what training and prediction see. An iterable to go through once.

    Gives the time of each frame in seconds, never falling, and the faces in it with the numbers of their people.

    Args:
        clip: its frames are taken as they come.
        detector: what finds the faces.
        settings: how each is cut.
    """

    def __init__(self, clip: ClipReader, detector: FaceDetector, settings: FaceSettings) -> None:
        self._clip, self._watch, self._tracker, self._settings = clip, Watch(detector), Tracker(), settings
        self._time = 0.0

    @property
    def known_as(self) -> dict[int, int]:
        """Numbers of people who by now turned out to be others; see :class:`mien.modalities.video.track.Tracker`."""
        return self._tracker.known_as

    def __iter__(self) -> Iterator[tuple[float, list[Sighting]]]:
        for frame in self._clip:
            self._time = time = max(self._time, frame.time)  # clocks of damaged clips go back
            faces = self._watch.find(time, frame.picture)
            people = self._tracker.update(time, faces, frame.picture)  # which looks at empty frames, too
            yield (
                time,
                [
                    Sighting(time, person, face.box, align(frame.picture, face, self._settings))
                    for face, person in zip(faces, people, strict=True)
                ],
            )


def _sides(face: Face) -> tuple[float, float]:
    left, top, right, bottom = face.box
    return right - left, bottom - top
