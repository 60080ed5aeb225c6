"""What a face does: where its points are, how the head is turned, and which parts of the face move how far."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np

#: What the network tells, in its order, by the names of ARKit; "Left" is the person's own left.
BLENDSHAPES = (
    "_neutral", "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight", "cheekPuff",
    "cheekSquintLeft", "cheekSquintRight", "eyeBlinkLeft", "eyeBlinkRight", "eyeLookDownLeft", "eyeLookDownRight",
    "eyeLookInLeft", "eyeLookInRight", "eyeLookOutLeft", "eyeLookOutRight", "eyeLookUpLeft", "eyeLookUpRight",
    "eyeSquintLeft", "eyeSquintRight", "eyeWideLeft", "eyeWideRight", "jawForward", "jawLeft", "jawOpen", "jawRight",
    "mouthClose", "mouthDimpleLeft", "mouthDimpleRight", "mouthFrownLeft", "mouthFrownRight", "mouthFunnel",
    "mouthLeft", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthPressLeft", "mouthPressRight", "mouthPucker",
    "mouthRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper", "mouthSmileLeft",
    "mouthSmileRight", "mouthStretchLeft", "mouthStretchRight", "mouthUpperUpLeft", "mouthUpperUpRight",
    "noseSneerLeft", "noseSneerRight",
)  # fmt: skip
POINTS = 478
# Corner, two of the upper lid, corner, the two of the lower lid below them.
_EYES = {"left": (362, 385, 387, 263, 380, 373), "right": (33, 160, 158, 133, 144, 153)}
_MOUTH = (78, 13, 308, 14)  # the inner edge of the lips: corner, middle above, corner, middle below


@dataclass(frozen=True, eq=False)
class FaceAction:
    """What a face does. Left and right are the person's own.

    Where `presence` is below 0.5 there is no face where one was looked for, and all else is None.

    Attributes:
        presence: how sure it is that a face is there, 0..1.
        landmarks: float32 (478, 2), x and y in pixels of the picture, as MediaPipe numbers the points.
        coefficients: float32 (52,), how far each of `BLENDSHAPES` goes, 0..1.
        pose: how the head is turned, in degrees, against the line from the camera to it. "yaw": to its left; "pitch":
            upwards; "roll": tilted to its left shoulder. Each is below 0 the other way.
    """

    presence: float
    landmarks: np.ndarray | None = None
    coefficients: np.ndarray | None = None
    pose: Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.presence) and 0 <= self.presence <= 1):
            raise ValueError(f"presence must lie in 0..1, got {self.presence}")
        told = [part is not None for part in (self.landmarks, self.coefficients, self.pose)]
        if len(set(told)) > 1:
            raise ValueError("landmarks, coefficients and pose go together")
        if self.landmarks is not None and self.landmarks.shape != (POINTS, 2):
            raise ValueError(f"landmarks are {POINTS} points, got {self.landmarks.shape}")
        if self.coefficients is not None and self.coefficients.shape != (len(BLENDSHAPES),):
            raise ValueError(f"there are {len(BLENDSHAPES)} coefficients, got {self.coefficients.shape}")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FaceAction) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash(round(self.presence, 6))

    @property
    def blendshapes(self) -> dict[str, float] | None:
        """How far each part of the face moves, by name, 0..1."""
        if self.coefficients is None:
            return None
        return dict(zip(BLENDSHAPES, self.coefficients.tolist(), strict=True))

    @cached_property
    def gaze(self) -> dict[str, float] | None:
        """Where the eyes look within the head, -1..1: "x" to the person's left, "y" upwards."""
        if (shapes := self.blendshapes) is None:
            return None
        left = shapes["eyeLookOutLeft"] + shapes["eyeLookInRight"]
        right = shapes["eyeLookInLeft"] + shapes["eyeLookOutRight"]
        up = shapes["eyeLookUpLeft"] + shapes["eyeLookUpRight"]
        down = shapes["eyeLookDownLeft"] + shapes["eyeLookDownRight"]
        return {"x": (left - right) / 2, "y": (up - down) / 2}

    @cached_property
    def openness(self) -> dict[str, float] | None:
        """How high eyes and mouth stand open, as a share of their width: "left_eye", "right_eye" and "mouth"."""
        if self.landmarks is None:
            return None
        at = self.landmarks.astype(np.float64)

        def apart(one: int, other: int) -> float:
            return float(np.hypot(*(at[one] - at[other])))

        found = {}
        for side, (start, upper, upper_2, end, lower, lower_2) in _EYES.items():
            wide = max(apart(start, end), 1e-9)
            found[f"{side}_eye"] = (apart(upper, lower) + apart(upper_2, lower_2)) / (2 * wide)
        start, above, end, below = _MOUTH
        found["mouth"] = apart(above, below) / max(apart(start, end), 1e-9)
        return found

    def numbers(self) -> dict[str, float]:
        """All but the points in one row of numbers, as tables have them: "action_jawOpen", "pose_yaw", "gaze_x", …"""
        rows = {"action": self.blendshapes, "pose": self.pose, "gaze": self.gaze, "open": self.openness}
        return {
            f"{kind}_{name}": value for kind, row in rows.items() for name, value in (row or {}).items()
            if not name.startswith("_")
        }  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        points = None if self.landmarks is None else self.landmarks.astype(np.float64).round(1).tolist()
        return {
            "presence": round(self.presence, 6),
            "pose": _rounded(self.pose, 2),
            "gaze": _rounded(self.gaze, 4),
            "openness": _rounded(self.openness, 4),
            "blendshapes": _rounded(self.blendshapes, 6),
            "landmarks": points,
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Self:
        """The action that :meth:`to_dict` gave these values of."""
        if document["landmarks"] is None:
            return cls(float(document["presence"]))
        shapes = document["blendshapes"]
        made = cls(
            float(document["presence"]), np.array(document["landmarks"], np.float32),
            np.array([shapes[name] for name in BLENDSHAPES], np.float32), dict(document["pose"]),
        )  # fmt: skip
        vars(made).update({name: dict(document[name]) for name in ("gaze", "openness")})  # points are rounded by now
        return made


def _rounded(values: Mapping[str, float] | None, digits: int) -> dict[str, float] | None:
    return None if values is None else {name: round(float(value), digits) for name, value in values.items()}
