"""The appearance of a face in a few hundred numbers: enough to tell people of one clip apart, not to know anyone."""

from __future__ import annotations

import numpy as np

from mien.media.pixels import resize, to_gray, to_lab
from mien.results import Box

_BANDS = 3  # of the head: hair, eyes, mouth
_SIDE = 24  # pixels to which head and clothes are brought
_LIGHT, _TINT = 5, 7  # bins of a histogram: lightness, and red against green and yellow against blue
_PATTERN = 12
_ROW, _COLUMN = np.mgrid[:_SIDE, :_SIDE]
_OVAL = ((_COLUMN - 12) / 10.3) ** 2 + ((_ROW - 13) / 12.3) ** 2 <= 1  # the head


class Appearance:
    """How a face, its hair and the clothes below it look in one frame.

    Attributes:
        head: float32 (bands, bins), square roots of the shares of colors in each band of the head.
        clothes: float32 (bins,), the same below the chin; None where too little of that is in the picture.
        pattern: float32 (n,), light and dark over the face, with mean 0 and length 1.
    """

    __slots__ = ("clothes", "head", "pattern")

    def __init__(self, picture: np.ndarray, box: Box) -> None:
        left, top, right, bottom = box
        width, height = right - left, bottom - top
        head = _cut(picture, (left - 0.2 * width, top - 0.35 * height, right + 0.2 * width, bottom))
        below = (left - 0.25 * width, bottom + 0.15 * height, right + 0.25 * width, bottom + 0.9 * height)
        clothes = _cut(picture, below, least=0.3)
        whole = np.zeros((_SIDE, _SIDE, 3), np.uint8) if head is None else head
        self.head = np.stack(
            [_colors(*parts) for parts in zip(np.split(whole, _BANDS), np.split(_OVAL, _BANDS), strict=True)]
        )
        self.clothes = None if clothes is None else _colors(clothes)
        face = _cut(picture, (left - 0.1 * width, top - 0.1 * height, right + 0.1 * width, bottom + 0.05 * height))
        self.pattern = _light_and_dark(whole if face is None else face)

    def similarity(self, other: Appearance) -> float:
        """From 0 to 1; see the thresholds of :class:`mien.modalities.track.Tracker`."""
        head = float((self.head * other.head).sum()) / _BANDS
        pattern = max(0.0, float(self.pattern @ other.pattern))
        if self.clothes is None or other.clothes is None:
            return 0.6 * head + 0.4 * pattern
        return 0.35 * head + 0.35 * float(self.clothes @ other.clothes) + 0.3 * pattern


def scene(picture: np.ndarray) -> np.ndarray:
    """A frame brought down to a few gray dots, to see whether the next one shows another scene; float32 (18, 32)."""
    return resize(to_gray(picture), 32, 18).astype(np.float32)  # gray first: a third of the work


def is_cut(before: np.ndarray, after: np.ndarray) -> bool:
    """Whether two of those are of different scenes: much lighter or darker in many places, and in another pattern."""
    if float(np.abs(after - before).mean()) < 25:
        return False
    one, other = (part - part.mean() for part in (before, after))
    return float((one * other).sum()) < 0.55 * float(np.linalg.norm(one) * np.linalg.norm(other)) + 1e-6


def _cut(picture: np.ndarray, box: Box, least: float = 0.0) -> np.ndarray | None:
    """Part of a picture, small and square; None if not more than the least share of it is in the picture."""
    height, width = picture.shape[:2]
    left, top, right, bottom = (round(value) for value in box)
    inside = max(0, left), max(0, top), min(width, right), min(height, bottom)
    seen = max(0, inside[2] - inside[0]) * max(0, inside[3] - inside[1])
    if not seen or seen <= least * (right - left) * (bottom - top):
        return None
    part = picture[inside[1] : inside[3], inside[0] : inside[2]]
    return resize(part, _SIDE, _SIDE)


def _colors(part: np.ndarray, inside: np.ndarray | None = None) -> np.ndarray:
    """Square roots of the shares of colors: lightness by red-green by yellow-blue, each pixel shared between bins."""
    lab = to_lab(part.reshape(-1, 3) if inside is None else part[inside])
    light = np.clip(lab[:, 0], 0, 100) / 100 * (_LIGHT - 1)  # white is a little above 100
    tint = lab[:, 1:] / 40
    tint = (np.clip(np.sign(tint) * np.sqrt(np.abs(tint)), -1, 1) + 1) / 2 * (_TINT - 1)  # fine where colors are pale
    histogram = np.zeros(_LIGHT * _TINT * _TINT, np.float32)
    places = [(light, _LIGHT), (tint[:, 0], _TINT), (tint[:, 1], _TINT)]
    low = [np.minimum(value.astype(np.int64), bins - 2) for value, bins in places]
    upper = [value - below for (value, _), below in zip(places, low, strict=True)]
    shares = [(1 - above, above) for above in upper]  # of a bin and the next one
    index = (low[0] * _TINT + low[1]) * _TINT + low[2]
    for corner in range(8):
        bits = [corner >> axis & 1 for axis in range(3)]
        weight = np.ones(len(lab), np.float32)
        for axis in range(3):
            weight *= shares[axis][bits[axis]]
        further = (bits[0] * _TINT + bits[1]) * _TINT + bits[2]
        histogram += np.bincount(index + further, weight, len(histogram)).astype(np.float32)
    return np.sqrt(histogram / len(lab))


def _light_and_dark(part: np.ndarray) -> np.ndarray:
    small = resize(to_gray(part), _PATTERN, _PATTERN).astype(np.float32).ravel()
    small -= small.mean()
    return np.asarray(small / max(1.0, float(np.linalg.norm(small))))
