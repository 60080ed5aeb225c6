"""Which frames of a clip are wanted."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any

from mien.errors import InputError


class EachSecond:
    """Wants the first frame at or after each k/fps."""

    def __init__(self, fps: float) -> None:
        self.fps, self.next = fps, 0

    def __call__(self, number: int, time: float) -> bool:
        due = (time + 0.001) * self.fps
        if due < self.next:
            return False
        self.next = int(due) + 1
        return True


class Spread:
    """Wants the middle frame of each of so many equal parts of `count` frames, or the next one that there is."""

    def __init__(self, frames: int, count: int) -> None:
        self.frames, self.count, self.given = min(frames, count), count, 0

    def __call__(self, number: int, time: float) -> bool:
        wanted = False
        while self.given < self.frames and number >= (2 * self.given + 1) * self.count // (2 * self.frames):
            self.given += 1
            wanted = True
        return wanted


def check_sampling(fps: Any, frames: Any) -> None:
    """Raises InputError: both are given, or one that is no number above 0."""
    if fps is not None and frames is not None:
        raise InputError("fps and frames say the same thing in two ways; give one of them")
    if fps is not None and not (isinstance(fps, Real) and 0 < float(fps) < math.inf):
        raise InputError(f"fps must be above 0, not {fps!r}")
    if frames is not None and not (isinstance(frames, Integral) and int(frames) > 0):
        raise InputError(f"frames must be above 0, not {frames!r}, and a whole number")
