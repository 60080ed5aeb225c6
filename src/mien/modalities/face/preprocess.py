"""From a picture of a face to what the network is given: the one function that training and prediction go through."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from mien.media import pixels
from mien.results import Corners

if TYPE_CHECKING:
    from mien.modalities.face.detect import Face

#: Where the eyes, the nose and the corners of the mouth lie in FER2013's pictures, x and y in units of their side:
#: medians over 1,485 training pictures, enlarged to 192 pixels, in which RetinaFace found a face, both halves averaged.
FER2013_LANDMARKS = ((0.317, 0.388), (0.683, 0.388), (0.500, 0.603), (0.354, 0.766), (0.646, 0.766))
#: And the middle of the box around the face, measured with them.
FER2013_CENTRE = (0.5, 0.513)
_CENTRE_WEIGHT = 2.0  # of the box's middle against 1 for a landmark: see `align`
_FINEST = 1536  # pixels a side of the largest crop that is averaged down


class FaceSettings(BaseModel):
    """The ``preprocess`` part of a face model's manifest.

    Attributes:
        size: pixels a side of the network's input.
        channels: 1 for gray, 3 for red, green, blue.
        source: pixels a side of the pictures it learned from. A larger picture is brought down to that first, so
            that the network never sees sharper faces than it knows; 0 for no such step.
        landmarks: where the eyes, the nose and the corners of the mouth lie in those pictures, x and y in units of
            their side; faces in photographs are brought there.
        centre: where the middle of the detector's box lies in those pictures.
    """

    model_config = ConfigDict(extra="forbid")
    size: int = Field(48, ge=16, le=512)
    channels: int = Field(1, ge=1, le=3)
    source: int = Field(0, ge=0, le=1024)
    landmarks: tuple[tuple[float, float], ...] = Field(FER2013_LANDMARKS, min_length=5, max_length=5)
    centre: tuple[float, float] = FER2013_CENTRE


def prepare(picture: np.ndarray, settings: FaceSettings) -> np.ndarray:
    """A crop of one face as the network is given it.

    Args:
        picture: uint8, (height, width) gray or (height, width, 3) red, green, blue.

    Returns:
        uint8 of shape (size, size, channels).
    """
    picture = resize(reduce(picture, settings), settings.size)
    return picture.reshape(settings.size, settings.size, settings.channels)


def reduce(picture: np.ndarray, settings: FaceSettings) -> np.ndarray:
    """The first half of :func:`prepare`: no larger than what the network learned from, and in its channels.

    Returns:
        uint8, (height, width) for one channel or (height, width, 3); a square where it was brought down.
    """
    most = settings.source or settings.size
    if max(picture.shape[:2]) > most:
        picture = resize(picture, most)
    return recolor(picture, settings.channels)


def face_cutter() -> Callable[[np.ndarray], np.ndarray | None]:
    """What cuts the largest face out of a photograph, turned upright, 96 pixels a side; None where there is none."""
    from mien.modalities.face.detect import FaceDetector

    detector, settings = FaceDetector(), FaceSettings(size=96, channels=3)

    def cut(photograph: np.ndarray) -> np.ndarray | None:
        found = detector.find(photograph)
        return align(photograph, max(found, key=lambda face: face.area), settings) if found else None

    return cut


def align(picture: np.ndarray, face: Face, settings: FaceSettings) -> np.ndarray:
    """A face of a photograph, turned, scaled and cut as the pictures are that the network learned from.

    The five landmarks and, counted twice, the middle of the box are brought as near as can be to where they lie in
    those pictures. In a face turned aside all landmarks lie on one side of the head: with the middle of the box the
    crop is off by 0.117 of its side there instead of 0.142, and by 0.060 instead of 0.069 over all faces (FER2013).
    What lies outside the picture is filled with its border. Without landmarks the box is taken as it is.

    Args:
        picture: uint8 (height, width, 3) red, green, blue, or (height, width) gray.
        face: in pixels of that picture.

    Returns:
        uint8 of shape (size, size, channels).
    """
    side, matrix = settings.source or settings.size, _placement(face, settings)
    # Where the face shrinks, a larger crop is averaged down: linear sampling alone would skip pixels.
    shrink = 1 / max(float(np.hypot(matrix[0, 0], matrix[1, 0])), 1e-9)
    finer = int(np.clip(np.ceil(shrink - 1e-6), 1, max(1, _FINEST // side)))
    matrix *= finer
    matrix[:, 2] += matrix[:, :2] @ (0.5, 0.5) - 0.5  # from the corners of pixels to their centres
    return prepare(pixels.warp(picture, matrix, side, finer), settings)


def outline(face: Face, settings: FaceSettings) -> Corners:
    """Where the corners of what :func:`align` cuts out are in the picture: top left, top right, then those below."""
    side, matrix = settings.source or settings.size, _placement(face, settings)
    corners = np.array([(0, 0), (side, 0), (side, side), (0, side)], np.float64) - matrix[:, 2]
    return tuple((float(x), float(y)) for x, y in np.linalg.solve(matrix[:, :2], corners.T).T)


def _placement(face: Face, settings: FaceSettings) -> np.ndarray:
    """From the corners of the picture's pixels to those of the crop's, float64 (2, 3)."""
    side = settings.source or settings.size
    if face.landmarks is None:
        left, top, right, bottom = face.box
        scale = side / max((right - left + bottom - top) / 2, 1.0)
        shift = np.array([side - (left + right) * scale, side - (top + bottom) * scale]) / 2
        return np.array([[scale, 0.0, shift[0]], [0.0, scale, shift[1]]])
    left, top, right, bottom = face.box
    points = np.array([*face.landmarks, ((left + right) / 2, (top + bottom) / 2)], np.float64) + 0.5
    targets = np.array([*settings.landmarks, settings.centre]) * side
    return similarity(points, targets, np.array([1, 1, 1, 1, 1, _CENTRE_WEIGHT]))


def similarity(points: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The turn, scale and shift (no mirroring) that brings points nearest to targets, in least squares.

    Args:
        points: (n, 2) x and y.
        targets: (n, 2), where they should be.
        weights: (n,), how much each counts.

    Returns:
        float64 (2, 3), to be multiplied with (x, y, 1).
    """
    start, end = points @ (1, 1j), targets @ (1, 1j)  # as complex numbers a turn and scale is one factor
    middle, aim = np.average(start, weights=weights), np.average(end, weights=weights)
    spread = max(float((weights * np.abs(start - middle) ** 2).sum()), 1e-9)
    factor = complex((weights * np.conj(start - middle) * (end - aim)).sum() / spread)
    shift = complex(aim - factor * middle)
    return np.array([[factor.real, -factor.imag, shift.real], [factor.imag, factor.real, shift.imag]])


def recolor(picture: np.ndarray, channels: int) -> np.ndarray:
    """The picture in so many channels: (height, width) for 1, (height, width, 3) for 3."""
    if channels == 1:
        return pixels.to_gray(picture)
    return picture if picture.ndim == 3 else np.repeat(picture[:, :, None], 3, axis=2)


def resize(picture: np.ndarray, size: int) -> np.ndarray:
    """The picture as a square: averaged where it shrinks, linear where it grows."""
    return pixels.resize(picture, size, size)
