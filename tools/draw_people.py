"""Drawn people, as no photograph of anybody is in this package: ``src/mien/assets/`` is made by this script.

python tools/draw_people.py
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple, dataclass
from pathlib import Path

import av
import cv2
import numpy as np

Color = tuple[int, int, int]
Point = tuple[float, float]  # right and down from the middle, in sides of the picture


@dataclass(frozen=True)
class Look:
    """What a drawn face does, in sides of the picture.

    Attributes:
        bend: of the mouth; up at its corners is positive.
        opening: of the mouth.
        half: of the mouth's width.
        inner: how far the brows are raised beside the nose.
        outer: how far at their other ends.
        eye: half the height of an open eye.
        teeth: 0..1, how much of the upper ones shows in an open mouth.
    """

    bend: float = 0.012
    opening: float = 0.0
    half: float = 0.095
    inner: float = -0.02
    outer: float = -0.006
    eye: float = 0.018
    teeth: float = 0.0


LOOKS = {
    "neutral": Look(),
    "happy": Look(bend=0.08, opening=0.1, half=0.15, outer=0.01, inner=0.0, eye=0.016, teeth=1.0),
    "sad": Look(bend=-0.075, inner=0.045, outer=-0.035, eye=0.015),
    "surprise": Look(bend=0.0, opening=0.15, half=0.065, inner=0.07, outer=0.07, eye=0.039),
    "angry": Look(bend=-0.05, inner=-0.065, outer=0.045, eye=0.02),
}

#: Skin, hair and clothes of a few people.
PEOPLE: tuple[tuple[Color, Color, Color], ...] = (
    ((205, 165, 140), (60, 45, 35), (90, 100, 130)),
    ((150, 105, 80), (30, 25, 25), (180, 90, 70)),
    ((228, 190, 165), (170, 120, 60), (80, 130, 100)),
    ((185, 140, 110), (110, 105, 105), (120, 80, 120)),
)
_WALL, _INK, _LIPS, _MOUTH, _WHITE = (150, 170, 185), (50, 38, 32), (150, 85, 80), (70, 25, 25), (240, 237, 232)
_FINER = 3  # drawn so many times as large, for soft edges
_EYE, _CHIN = 0.105, 0.355  # where the eyes and the chin are


def blend(first: Look, second: Look, share: float) -> Look:
    """The look on the way from one to another; *share* 0 is the first, 1 the second."""
    return Look(*((1 - share) * a + share * b for a, b in zip(astuple(first), astuple(second), strict=True)))


def portrait(look: Look, side: int = 256, person: int = 0) -> np.ndarray:
    """One of the PEOPLE from the front, uint8 (side, side, 3) RGB; RetinaFace takes the face for one."""
    skin, hair, clothes = PEOPLE[person % len(PEOPLE)]
    sheet = _Sheet(side * _FINER)
    sheet.ellipse((0, 0.62), (0.42, 0.25), clothes)
    sheet.polygon([(-0.1, 0.25), (0.1, 0.25), (0.1, 0.41), (-0.1, 0.41)], _darker(skin, 0.8))
    sheet.ellipse((0, -0.1), (0.3, 0.36), hair)
    for hand in (-1, 1):
        sheet.ellipse((hand * 0.255, 0.02), (0.04, 0.08), _darker(skin, 0.9))
    sheet.ellipse((0, 0.02), (0.25, 0.335), skin)
    _light(sheet, look)
    for hand in (-1, 1):
        _eye(sheet, hand, look)
        _brow(sheet, hand, look, hair)
    _mouth(sheet, look)
    smooth = cv2.GaussianBlur(sheet.picture, (0, 0), 0.6 * _FINER * side / 256)
    return np.asarray(cv2.resize(smooth, (side, side), interpolation=cv2.INTER_AREA))


def group(side: int = 256) -> np.ndarray:
    """Four people beside each other, uint8 (1.4 × side, 4 × side, 3) RGB: happy, sad, surprised and angry."""
    looks = ("happy", "sad", "surprise", "angry")
    row = np.hstack([portrait(LOOKS[name], side, person) for person, name in enumerate(looks)])
    return np.asarray(cv2.copyMakeBorder(row, 0, round(0.4 * side), 0, 0, cv2.BORDER_REPLICATE))


def changing(names: tuple[str, ...], each: int, side: int = 256, person: int = 0) -> Iterator[np.ndarray]:
    """Frames of one person whose look goes from one of LOOKS to the next, *each* frames long; as :func:`portrait`."""
    looks = [LOOKS[name] for name in names]
    for first, second in zip(looks, [*looks[1:], looks[-1]], strict=True):
        still = portrait(first, side, person)
        for number in range(each):
            share = max(0.0, 3 * number / each - 2)  # mostly it stays
            yield portrait(blend(first, second, share), side, person) if share else still


def write_moods(path: Path, names: tuple[str, ...], each: int, side: int = 256, rate: int = 10) -> Path:
    """The frames of :func:`changing` as a VP9 clip in an MP4, which browsers play."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libvpx-vp9", rate=rate, options={"crf": "30", "b": "0"})
        stream.width = stream.height = side
        stream.pix_fmt = "yuv420p"
        for picture in changing(names, each, side):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(stream.encode(None))
    return path


class _Sheet:
    """A square picture that is drawn on in shares of its side."""

    def __init__(self, side: int) -> None:
        self.side = side
        self.picture = np.full((side, side, 3), _WALL, np.uint8)

    def at(self, point: Point) -> tuple[int, int]:
        return round((0.5 + point[0]) * self.side), round((0.5 + point[1]) * self.side)

    def length(self, share: float) -> int:
        return max(1, round(share * self.side))

    def ellipse(self, middle: Point, radii: Point, color: Color) -> None:
        size = self.length(radii[0]), self.length(radii[1])
        cv2.ellipse(self.picture, self.at(middle), size, 0, 0, 360, color, -1, cv2.LINE_AA)

    def polygon(self, points: list[Point], color: Color) -> None:
        cv2.fillPoly(self.picture, [self._corners(points)], color, cv2.LINE_AA)

    def line(self, points: list[Point], color: Color, width: float) -> None:
        cv2.polylines(self.picture, [self._corners(points)], False, color, self.length(width), cv2.LINE_AA)

    def _corners(self, points: list[Point]) -> np.ndarray:
        return np.array([self.at(point) for point in points], np.int32)


def _darker(color: Color, share: float) -> Color:
    red, green, blue = (round(value * share) for value in color)
    return red, green, blue


def _light(sheet: _Sheet, look: Look) -> None:
    """Light from the upper left, shadow in the hollows: without them a detector sees no face, and nobody a head."""
    down, right = (np.linspace(-0.5, 0.5, sheet.side, dtype=np.float32).reshape(shape) for shape in ((-1, 1), (1, -1)))
    head = np.zeros((sheet.side, sheet.side), np.uint8)
    cv2.ellipse(head, sheet.at((0, 0.02)), (sheet.length(0.25), sheet.length(0.335)), 0, 0, 360, 1, -1)
    across, along = right / 0.25, (down - 0.02) / 0.335
    light = 1 - 0.22 * across**2 - 0.16 * along**2 - 0.12 * across
    hollows = [(0.0, 0.1, 0.03, 0.03, 0.8), (0.0, 0.215, 0.1, 0.02, 0.85)]  # below the nose, below the lips
    hollows += [(-0.03, 0.03, 0.02, 0.1, 1.08), (0.045, 0.04, 0.02, 0.08, 0.88)]  # the nose's two sides
    for hand in (-1, 1):
        hollows += [(hand * _EYE, -0.055, 0.075, 0.05, 0.8), (hand * 0.035, 0.09, 0.016, 0.012, 0.65)]
        smiles = 1 - 2 * max(0.0, look.bend)
        hollows += [(hand * 0.14, 0.11, 0.06, 0.05, 1.06), (hand * 0.13, 0.14, 0.012, 0.06, smiles)]
    for x, y, width, height, strength in hollows:
        light = light * (1 + (strength - 1) * np.exp(-(((right - x) / width) ** 2) - ((down - y) / height) ** 2))
    lit = np.clip(sheet.picture * np.where(head, light, 1)[..., None], 0, 255)
    sheet.picture = lit.astype(np.uint8)


def _eye(sheet: _Sheet, hand: int, look: Look) -> None:
    x, y = hand * _EYE, -0.045
    sheet.ellipse((x, y), (0.052, look.eye + 0.003), _INK)
    bare = sheet.picture.copy()
    sheet.ellipse((x, y), (0.049, look.eye), _WHITE)
    inside = (sheet.picture != bare).any(2)
    sheet.ellipse((x, y), (0.025, 0.025), (75, 62, 50))
    sheet.ellipse((x, y), (0.012, 0.012), (15, 12, 10))
    sheet.ellipse((x - 0.008, y - 0.008), (0.005, 0.005), (255, 255, 255))
    sheet.picture = np.where(inside[..., None], sheet.picture, bare)
    lid = np.linspace(np.pi, 2 * np.pi, 15)
    sheet.line([(x + 0.053 * float(np.cos(t)), y + (look.eye + 0.004) * float(np.sin(t))) for t in lid], _INK, 0.008)


def _brow(sheet: _Sheet, hand: int, look: Look, hair: Color) -> None:
    inner, outer = (0.05, -0.115 - look.inner), (0.17, -0.115 - look.outer)
    middle = (0.11, -0.143 - (look.inner + look.outer) / 2)
    curve = [
        tuple((1 - t) ** 2 * a + 2 * t * (1 - t) * b + t * t * c for a, b, c in zip(inner, middle, outer, strict=True))
        for t in np.linspace(0, 1, 15).tolist()
    ]
    sheet.line([(hand * x, y) for x, y in curve], hair, 0.019)


def _mouth(sheet: _Sheet, look: Look) -> None:
    across = np.linspace(-1, 1, 31)
    middle = 0.195 - look.bend * (across**2 - 0.4)
    upper = middle - 0.35 * look.opening * (1 - across**2) - 0.004
    lower = middle + 0.75 * look.opening * (1 - across**2) + 0.004

    def outline(top: np.ndarray, bottom: np.ndarray, half: float) -> list[Point]:
        there = list(zip((half * across).tolist(), top.tolist(), strict=True))
        return there + list(zip((half * across).tolist(), bottom.tolist(), strict=True))[::-1]

    lips = outline(upper, lower, look.half)
    sheet.line([*lips, lips[0]], _LIPS, 0.02)
    sheet.polygon(lips, _MOUTH if look.opening > 0.01 else _darker(_LIPS, 0.8))
    if look.teeth > 0:
        sheet.polygon(outline(upper, upper + (lower - upper) * 0.45 * look.teeth, look.half * 0.93), _WHITE)


if __name__ == "__main__":
    assets = Path(__file__).parents[1] / "src" / "mien" / "assets"
    assert cv2.imwrite(str(assets / "people.png"), group()[:, :, ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 9])
    write_moods(assets / "moods.mp4", ("neutral", "happy", "surprise", "sad", "angry"), 15)
