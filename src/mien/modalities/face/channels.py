"""Arrays whose channels seem to be in the order of OpenCV, blue first: noticed in the first few, and warned of once."""

from __future__ import annotations

import threading
import warnings

import numpy as np

from mien.modalities.face.detect import Face, FaceDetector

_LOOKED_AT = 8  # arrays of a process that are looked at both ways
_BLUER = 12  # by so much is the blue of a face above its red, on average, in no usual light

_lock = threading.Lock()
_left = [_LOOKED_AT]
_TOLD = (
    "{}: the array seems to be BGR, as OpenCV gives it, and is taken for RGB; "
    "pass mien.bgr(frame) instead (this is said once)"
)


def warn_of_bgr(picture: np.ndarray, faces: list[Face], detector: FaceDetector) -> None:
    """Warn, once in a process, where more faces are found with red and blue swapped, or those found are blue."""
    with _lock:
        if _left[0] <= 0:
            return
        _left[0] -= 1
    # In parts, something like a small face may show by chance in either order.
    whole = detector.looking(far=0) if isinstance(detector, FaceDetector) else detector
    swapped = whole.find(np.ascontiguousarray(picture[..., ::-1]))
    if len(swapped) > len(faces):
        reason = f"{len(faces)} faces were found, and {len(swapped)} with red and blue swapped"
    elif faces and _blueness(picture, faces) > _BLUER:
        reason = "the faces found are blue"
    else:
        return
    with _lock:
        if _left[0] < 0:
            return
        _left[0] = -1
    warnings.warn(_TOLD.format(reason), UserWarning, stacklevel=2)


def _blueness(picture: np.ndarray, faces: list[Face]) -> float:
    """How much bluer than red the middles of the faces are, on average; below 0 for skin in usual light."""
    found = []
    for left, top, right, bottom in (face.box for face in faces):
        x, y = (right - left) / 4, (bottom - top) / 4
        part = picture[max(0, round(top + y)) : round(bottom - y), max(0, round(left + x)) : round(right - x)]
        if part.size:
            found.append(float(part[..., 2].mean()) - float(part[..., 0].mean()))
    return float(np.mean(found)) if found else 0.0
