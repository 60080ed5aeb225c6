"""Which of the faces that are found are read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from mien.errors import InputError
from mien.modalities.face.detect import Face, FaceDetector
from mien.modalities.face.preprocess import FaceSettings, outline

_MANY = 500  # faces of a picture or frame: what a detector takes for more is noise
_SMALLEST, _LOOSE = 0.2, 0.8  # shares of a ready crop's side, from and up to which it is cut again to


@dataclass(frozen=True)
class FaceChoice:
    """Which of the faces that are found are read; all of them, if nothing is said.

    Attributes:
        min_face: pixels; faces whose box has a shorter side are left out.
        max_faces: so many of them are read, the largest.
        confidence: the smallest score of the detector that counts as a face, instead of its own.

    Raises:
        InputError: one of them is out of its range.
    """

    min_face: float | None = None
    max_faces: int | None = None
    confidence: float | None = None

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if isinstance(value, bool) or not isinstance(value, int | float | np.number | None):
                raise InputError(f"{name} must be a number, not {value!r}")
        least, most, sure = self.min_face, self.max_faces, self.confidence
        if least is not None and not 1 <= least < math.inf:
            raise InputError(f"min_face must be a number of pixels from 1 on, not {least}")
        if most is not None and not (1 <= most < math.inf and most == int(most)):
            raise InputError(f"max_faces must be a whole number from 1 on, not {most}")
        if sure is not None and not 0 <= sure <= 1:
            raise InputError(f"confidence must be a number from 0 to 1, not {sure:g}")

    def __bool__(self) -> bool:
        return self != FaceChoice()

    def updated(self, min_face: float | None, max_faces: int | None, confidence: float | None) -> Self:
        """The same choice, but for what is given."""
        given: dict[str, Any] = {"min_face": min_face, "max_faces": max_faces, "confidence": confidence}
        return replace(self, **{name: value for name, value in given.items() if value is not None})

    def detector(self, detector: FaceDetector) -> FaceDetector:
        """A detector to which the confidence applies."""
        return detector if self.confidence is None else detector.looking(confidence=self.confidence)

    @property
    def most(self) -> int:
        """How many are read at most: however low the confidence, time stays bounded."""
        return min(int(self.max_faces or _MANY), _MANY)

    def split(self, faces: Sequence[Face]) -> tuple[list[Face], int, int]:
        """The faces to be read; how many are too small, and how many more than there may be.

        Args:
            faces: the largest first.
        """
        least = self.min_face or 0
        kept = [face for face in faces if min(face.box[2] - face.box[0], face.box[3] - face.box[1]) >= least]
        few = kept[: self.most]
        return few, len(faces) - len(kept), len(kept) - len(few)

    def notes(self, small: int, more: int, where: str = "") -> list[str]:
        """A line for each reason for which faces were left out."""
        lines = []
        if small:
            lines.append(f"{small:,} smaller than {self.min_face:g} pixels {_left_out(small)}{where}")
        if more:
            lines.append(f"{more:,} besides the {_largest(self.most)} {_left_out(more)}{where}")
        return [f"faces: {line}" for line in lines]


def loose_face(crop: np.ndarray, detector: FaceDetector, settings: FaceSettings) -> Face | None:
    """The face of a ready crop that is cut more loosely than the pictures that the network learned from.

    None where it is cut as they are: there it is read a little worse if it is cut again (FER2013, enlarged: 67.9 %
    right for 70.1). None, too, where not exactly one face is found, or a small one.
    """
    faces = detector.find(crop, closer=0)
    if len(faces) != 1:
        return None
    height, width = crop.shape[:2]
    top_left, top_right, *_ = outline(faces[0], settings)
    share = math.dist(top_left, top_right) / math.sqrt(height * width)
    return faces[0] if _SMALLEST <= share < _LOOSE else None


def _left_out(count: int) -> str:
    return f"{'was' if count == 1 else 'were'} left out"


def _largest(count: float | None) -> str:
    return "largest" if count == 1 else f"{int(count or 0):,} largest"
