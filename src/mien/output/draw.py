"""Drawings on pictures: boxes, labels and bars for what was read in them.

The font has no emoji: each emotion has its color.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mien.files import atomic_write
from mien.media.encode import encode_image
from mien.media.pixels import resize
from mien.output.actions import draw_points
from mien.output.explained import draw_heat
from mien.results import Prediction, Result, Scales

if TYPE_CHECKING:
    from PIL import ImageDraw, ImageFont

_INK, _PANEL, _TRACK = (255, 255, 255), (24, 26, 30), (70, 74, 82)
_PALE = (176, 180, 186)  # of what is unsure
_TEXT = 17  # pixels of the letters where the picture has 1000
_FINER = 3  # drawn so many times as large, for soft edges
_BARS, _MORE_BARS = 3, 5  # labels shown for each face; for each scene
_READABLE = 640  # pixels of the longer side
_RATED = (56, 163, 200)  # ratings have no color of their own

PanelRow = tuple[str, float, tuple[int, int, int]]  # words, share for a bar, color


def annotate(picture: np.ndarray, result: Result, scales: Scales | None = None) -> np.ndarray:
    """The picture with a box around every face or person, labels, ratings, and bars for them where there is room.

    What was explained lies over a face as heat; where its landmarks were asked for, they are dots.

    Args:
        picture: uint8 (height, width, 3) red, green, blue.
        result: of that picture.
        scales: lowest and highest value of each rating.

    Returns:
        uint8 of the same shape; a picture with a side under 640 pixels is enlarged, so that words can be read.
    """
    canvas, grow = enlarged(picture)
    height, width = canvas.shape[:2]
    unit = max(height, width) / 1000  # what is drawn grows with the picture
    boxes = [[value * grow for value in item.box or (0.0, 0.0, width / grow, height / grow)] for item in result.items]
    boxed = [(item, box) for item, box in zip(result.items, boxes, strict=True) if item.box]
    for item in result.items:
        if item.explanation and item.explanation.grid:
            draw_heat(canvas, item.explanation, grow)
        if item.action:
            draw_points(canvas, item.action, grow, 1.5 * unit)
    for item, box in reversed(boxed):  # the largest come last and lie on top
        thick = max(3, round(3 * unit))
        frame(canvas, box, _ink(item), max(2, thick // 2) if item.unsure else thick, dashed=item.unsure)
    taken: list[Sequence[float]] = [box for _, box in boxed]
    for item, box in zip(result.items, boxes, strict=True):
        roomy = box[2] - box[0] >= 75 * unit
        full = roomy and not (
            item.unsure and item.box and not item.ratings
        )  # of what is unsure the label alone is written
        rows = _rows(item, scales or {}, _MORE_BARS if item.ratings or not item.box else _BARS)
        taken.append(panel(canvas, box, rows if full else rows[:1], unit * (1.0 if roomy else 0.75), bars=full,
                           taken=taken))  # fmt: skip
    return canvas


def _rows(item: Prediction, scales: Scales, most: int) -> list[PanelRow]:
    ranked = sorted(item.scores, key=item.scores.__getitem__, reverse=True)[:most]
    shown = {name: plain(name) + "?" * (item.unsure and name == item.label) for name in ranked}
    rows = [(f"{told} {item.scores[name]:.0%}", item.scores[name], _ink(item, item.space[name].color))
            for name, told in shown.items()]  # fmt: skip
    for name, value in item.ratings.items():
        low, high = scales[name]
        rows.append((f"{plain(name)} {value:.1f}", (value - low) / (high - low), _RATED))
    return rows


def _ink(item: Prediction, color: str | None = None) -> tuple[int, int, int]:
    """A color, of the label if no other is named; half gray where the model is not sure."""
    found = rgb(color or item.color)
    return tuple((part + gray) // 2 for part, gray in zip(found, _PALE, strict=True)) if item.unsure else found  # type: ignore[return-value]


def enlarged(picture: np.ndarray) -> tuple[np.ndarray, float]:
    """A copy of a picture, large enough for words, and by how much it was enlarged."""
    grow = max(1.0, _READABLE / max(picture.shape[:2]))
    height, width = picture.shape[:2]
    canvas = resize(picture, round(width * grow), round(height * grow)) if grow > 1 else picture
    return np.array(canvas), grow


def write_picture(path: Path, picture: np.ndarray) -> None:
    """Write an RGB picture; the ending of its name says the format."""
    with atomic_write(path) as scratch:
        scratch.write_bytes(encode_image(picture, "png" if path.suffix.lower() == ".png" else "jpeg"))


def rgb(color: str) -> tuple[int, int, int]:
    """A color of a label, "#rrggbb", as three numbers."""
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


@cache
def _font(pixels: int) -> ImageFont.FreeTypeFont:
    """Pillow's own letters at a size."""
    from PIL import ImageFont

    font = ImageFont.load_default(pixels)
    assert isinstance(font, ImageFont.FreeTypeFont)
    return font


def _paint(canvas: np.ndarray, box: Sequence[int], draw: Callable[[ImageDraw.ImageDraw, int], object]) -> None:
    """Draw on a part of the canvas with soft edges."""
    from PIL import Image, ImageDraw

    height, width = canvas.shape[:2]
    left, top, right, bottom = max(0, box[0]), max(0, box[1]), min(width, box[2]), min(height, box[3])
    if left >= right or top >= bottom:
        return
    size = (box[2] - box[0], box[3] - box[1])
    sheet = Image.new("RGBA", (size[0] * _FINER, size[1] * _FINER), (*_PANEL, 0))
    draw(ImageDraw.Draw(sheet), _FINER)
    # Reduced with the color weighted by how opaque it is: no dark rim where it meets nothing.
    ink = np.asarray(sheet.convert("RGBa").reduce(_FINER), np.float32)
    ink = ink[top - box[1] : bottom - box[1], left - box[0] : right - box[0]]
    part = canvas[top:bottom, left:right]
    part[:] = (part * (1 - ink[..., 3:] / 255) + ink[..., :3] + 0.5).clip(0, 255).astype(np.uint8)


def frame(
    canvas: np.ndarray, box: Sequence[float], color: tuple[int, int, int], thick: int, *, dashed: bool = False
) -> None:
    """A rectangle with round corners and a dark edge, to be seen on light and dark pictures; perhaps in dashes."""
    left, top, right, bottom = (round(value) for value in box)
    edge = thick // 2 + 2
    radius = max(1, min(right - left, bottom - top) // 8)

    def draw(sheet: ImageDraw.ImageDraw, finer: int) -> None:
        for wide, ink in ((thick + 2, _PANEL), (thick, color)):
            gap = (edge - wide / 2) * finer
            inner = (gap, gap, (right - left + 2 * edge) * finer - gap, (bottom - top + 2 * edge) * finer - gap)
            sheet.rounded_rectangle(inner, radius * finer, outline=ink, width=round(wide * finer))
        if dashed:
            _cut(sheet, (right - left + 2 * edge) * finer, (bottom - top + 2 * edge) * finer, 4 * thick * finer)

    _paint(canvas, (left - edge, top - edge, right + edge, bottom + edge), draw)


def _cut(sheet: ImageDraw.ImageDraw, wide: int, tall: int, dash: int) -> None:
    """Gaps into the frame that fills a sheet, as long as the dashes between them."""
    rim = 2 * dash  # deeper than the frame is thick
    for length, place in ((wide, lambda a, b: ((a, 0, b, rim), (a, tall - rim, b, tall))),
                          (tall, lambda a, b: ((0, a, rim, b), (wide - rim, a, wide, b)))):  # fmt: skip
        pairs = max(1, round((length - dash) / (2 * dash)))  # a dash at either end
        step = length / (2 * pairs + 1)
        for number in range(pairs):
            for part in place((2 * number + 1) * step, (2 * number + 2) * step):
                sheet.rectangle(part, fill=(*_PANEL, 0))


def panel(
    canvas: np.ndarray,
    box: Sequence[float],
    rows: list[PanelRow],
    unit: float,
    *,
    bars: bool,
    taken: Sequence[Sequence[float]] = (),
) -> tuple[int, int, int, int]:
    """Rows of text, share for a bar and color: below a box, above it or at its sides, or else inside it.

    Args:
        taken: left, top, right and bottom of what should stay in sight, such as faces; where there is no room beside
            the box, the first row alone is written, if need be over it.

    Returns:
        Left, top, right and bottom of the panel.
    """
    height, width = canvas.shape[:2]
    pad, gap, edge = round(7 * unit), round(22 * unit), round(5 * unit)
    wide, tall = _measure(rows, unit, bars)
    place = _place(canvas, box, (wide, tall), edge, taken)
    if place is None and taken:
        rows, bars = rows[:1], False
        wide, tall = _measure(rows, unit, bars)
        place = _place(canvas, box, (wide, tall), edge, taken)
    if place is None:
        place = (box[0] + box[2] - wide) / 2, min(box[3], height) - tall - edge
    left, top = (round(min(max(0.0, at), most)) for at, most in zip(place, (width - wide, height - tall), strict=True))
    left, top = max(0, left), max(0, top)
    right, bottom = min(width, left + wide), min(height, top + tall)

    def draw(sheet: ImageDraw.ImageDraw, finer: int) -> None:
        font, size = _font(round(_TEXT * unit * finer)), (wide * finer, tall * finer)
        sheet.rounded_rectangle((0, 0, *size), round(5 * unit * finer), fill=(*_PANEL, 200))
        line, dot, thick = pad * finer, 4.5 * unit * finer, max(3, round(6 * unit)) * finer
        for text, score, color in rows:
            middle = line + 10 * unit * finer
            x = pad * finer + dot
            sheet.ellipse((x - dot, middle - dot, x + dot, middle + dot), fill=color)
            sheet.text((pad * finer + 14 * unit * finer, middle), text, _INK, font, anchor="lm")
            line += gap * finer
            if bars:
                start, end = pad * finer, size[0] - pad * finer
                for share, ink in ((1.0, _TRACK), (score, color)):
                    if share >= 0.01:
                        bar = (start, line, start + (end - start) * share, line + thick)
                        sheet.rounded_rectangle(bar, thick / 2, fill=ink)
                line += round(0.55 * gap) * finer

    _paint(canvas, (left, top, left + wide, top + tall), draw)
    return left, top, right, bottom


def _measure(rows: list[PanelRow], unit: float, bars: bool) -> tuple[int, int]:
    """Width and height of a panel of these rows."""
    font = _font(max(1, round(_TEXT * unit)))
    wide = max(round(font.getlength(text)) for text, _, _ in rows) + round(30 * unit)
    tall = round(22 * unit) * len(rows) * (1.55 if bars else 1.0) + 7 * unit
    return max(wide, round(150 * unit) if bars else 0), round(tall)


def _place(
    canvas: np.ndarray, box: Sequence[float], size: tuple[int, int], edge: int, taken: Sequence[Sequence[float]]
) -> tuple[float, float] | None:
    """Where beside a box something of that size hides the least of what is taken; None where there is no room."""
    (left, top, right, bottom), (wide, tall) = box, size
    most = canvas.shape[1] - wide, canvas.shape[0] - tall
    across, along = ((a + b - c) / 2 for a, b, c in ((left, right, wide), (top, bottom, tall)))
    across, along = min(max(0.0, across), most[0]), min(max(0.0, along), most[1])
    beside = [
        (across, bottom + edge), (across, top - edge - tall), (right + edge, along), (left - edge - wide, along),
    ]  # fmt: skip
    inside = [(x, y) for x, y in beside if 0 <= x <= most[0] and 0 <= y <= most[1]]
    hidden = [sum(_shared((x, y, x + wide, y + tall), other) for other in taken) for x, y in inside]
    if not inside or min(hidden) > 0.1 * wide * tall:
        return None
    return inside[hidden.index(min(hidden))]


def _shared(one: Sequence[float], other: Sequence[float]) -> float:
    """How many pixels lie in both of two boxes."""
    wide = min(one[2], other[2]) - max(one[0], other[0])
    tall = min(one[3], other[3]) - max(one[1], other[1])
    return max(0.0, wide) * max(0.0, tall)


def plain(label: str) -> str:
    """The label in letters that the font of marked pictures has."""
    letters = unicodedata.normalize("NFKD", label).encode("ascii", "ignore").decode()
    return letters if letters.strip() else "?"
