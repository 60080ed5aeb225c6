"""Which frames of a clip are wanted."""

from __future__ import annotations

import math

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


def check_sampling(fps: float | None, frames: int | None) -> None:
    """Raises InputError: both are given, or one that is not above 0."""
    if fps is not None and frames is not None:
        raise InputError("fps and frames say the same thing in two ways; give one of them")
    if fps is not None and not (fps > 0 and math.isfinite(fps)):
        raise InputError(f"fps must be above 0, not {fps}")
    if frames is not None and frames < 1:
        raise InputError(f"frames must be above 0, not {frames}")
