"""How well a face can be read: what the detector, the picture and the five landmarks tell of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mien.media import pixels
from mien.media.images import read_picture
from mien.results import Box, Quality

if TYPE_CHECKING:
    from mien.modalities.face.detect import Face

# Eyes, nose, corners of the mouth of a mean face seen from the front, in eye distances: x to the right, y down, z out
# of the picture. x and y are FER2013_LANDMARKS; the depths those of MediaPipe's canonical face (Apache-2.0), rounded.
_HEAD = np.array([(-0.5, 0.0, 0.0), (0.5, 0.0, 0.0), (0.0, 0.587, 0.53), (-0.4, 1.033, 0.08), (0.4, 1.033, 0.08)])
_SIDE = 48  # pixels a side at which sharpness is measured


def measure(picture: np.ndarray, face: Face, crop: np.ndarray) -> Quality:
    """The quality of a face that was found in a picture.

    Args:
        picture: uint8 (height, width, …).
        face: in pixels of that picture.
        crop: the face as the network is given it, uint8 (size, size, channels).
    """
    left, top, right, bottom = face.box
    yaw = pitch = roll = None
    if face.landmarks is not None:
        yaw, pitch, roll = head_pose(face.landmarks)
    return Quality(
        detector=face.score,
        size=min(right - left, bottom - top),
        sharpness=sharpness(crop),
        yaw=yaw,
        pitch=pitch,
        roll=roll,
        inside=inside(face.box, picture.shape[1], picture.shape[0]),
    )


def measure_crop(picture: np.ndarray, crop: np.ndarray) -> Quality:
    """The quality of a ready crop, in which no face is looked for."""
    return Quality(detector=None, size=float(min(picture.shape[:2])), sharpness=sharpness(crop))


def head_pose(landmarks: np.ndarray) -> tuple[float, float, float]:
    """Yaw, pitch and roll in degrees, by a mean head in scaled orthographic projection (DeMenthon & Davis 1995).

    Yaw is positive where the face looks to the picture's right, pitch where it looks up, roll where the head leans
    clockwise. A mean face has a pitch of 0: people differ in it by some degrees.

    Args:
        landmarks: float (5, 2), x and y in pixels of eyes, nose and corners of the mouth, those on the left first.
    """
    points = landmarks.astype(np.float64) - landmarks.mean(0)
    axes = np.linalg.lstsq(_HEAD - _HEAD.mean(0), points, rcond=None)[0].T  # (2, 3): where the head's axes point
    across, down = axes
    lengths = np.linalg.norm(axes, axis=1)
    if not lengths.all():
        return 0.0, 0.0, 0.0
    # The nearest rotation to the two rows, which in a true projection are at right angles and of one length.
    u, _, v = np.linalg.svd(np.stack((across, down)) / lengths.mean(), full_matrices=False)
    first, second = u @ v
    third = np.cross(first, second)
    yaw = np.arctan2(-third[0], third[2])
    pitch = np.arcsin(np.clip(third[1], -1, 1))
    roll = np.arctan2(-first[1], second[1])
    return float(np.degrees(yaw)), float(np.degrees(pitch)), float(np.degrees(roll))


def sharpness(crop: np.ndarray) -> float:
    """How much of what is to be seen in a crop is fine detail, 0..1: the mean absolute Laplacian by the contrast."""
    gray = pixels.resize(pixels.to_gray(crop[:, :, 0] if crop.shape[2] == 1 else crop), _SIDE, _SIDE).astype(np.float32)
    around = (gray[:-2, 1:-1] + gray[2:, 1:-1] + gray[1:-1, :-2] + gray[1:-1, 2:]) / 4
    return float(min(1.0, np.abs(gray[1:-1, 1:-1] - around).mean() / (gray.std() + 4)))


def groups(crops: Sequence[Any], by: str) -> np.ndarray:
    """The group of each ready crop by its pixels, its sharpness, or how far the head in it is turned: array of str.

    Args:
        crops: paths of pictures, or arrays.
        by: "size", "sharpness" or "pose".

    Raises:
        InputError: one of them cannot be read.
    """
    if by == "pose":
        from mien.modalities.face.detect import FaceDetector

        detector = FaceDetector()
        found = (max(detector.find(read_picture(crop)), key=lambda face: face.area, default=None) for crop in crops)
        turns = [None if one is None or one.landmarks is None else abs(head_pose(one.landmarks)[0]) for one in found]
        return np.array(["no face found" if turn is None else _band(turn, (0, 20, 45), "°") for turn in turns])
    if by == "size":
        return np.array([_band(min(read_picture(crop).shape[:2]), (0, 16, 24, 32, 48, 96), " px") for crop in crops])
    told = (sharpness(np.atleast_3d(read_picture(crop))) for crop in crops)
    return np.array([_band(one, (0, 0.05, 0.1, 0.15, 0.2), "") for one in told])


def _band(value: float, edges: Sequence[float], unit: str) -> str:
    """Between which edges a value lies, in words."""
    place = int(np.searchsorted(edges, value, "right")) - 1
    if place + 1 == len(edges):
        return f"{edges[-1]:g}{unit} or more"
    return f"{edges[place]:g} to {edges[place + 1]:g}{unit}"


def inside(box: Box, width: int, height: int) -> float:
    """The share of a box that lies in the picture, 0..1."""
    left, top, right, bottom = box
    shown = max(0.0, min(right, width) - max(left, 0)) * max(0.0, min(bottom, height) - max(top, 0))
    return float(shown / max((right - left) * (bottom - top), 1e-9))
