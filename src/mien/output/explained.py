"""What brought a label about, in the terminal and on pictures: words in color and in figures, a face as a map."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from rich.columns import Columns
from rich.console import Console
from rich.text import Text

from mien.results import Explanation, Prediction

_LEAST = 0.02  # a share below this is not shown in color
_SHADES = " ░▒▓█"
_HOT = np.array((255, 84, 0), np.float32)  # of a region, red, green, blue


def colored_text(explanation: Explanation, text: str, color: str, most: int = 200) -> Text:
    """The text in one line, with the words that speak for the label in its color, and those against it struck out."""
    line = Text(re.sub(r"\s", " ", text), "bold" if len(text) <= most else "")
    for word in explanation.words:
        if word.share >= _LEAST:
            deciding = word.share >= 0.5 * max(one.share for one in explanation.words)
            line.stylize(f"{color} {'bold reverse' if deciding else 'bold underline'}", word.start, word.end)
        elif word.share <= -_LEAST:
            line.stylize("dim strike", word.start, word.end)
    line.truncate(most, overflow="ellipsis")
    return line


def in_words(explanation: Explanation, most: int = 5) -> str:
    """The words that count, with the points of the probability that each adds: "loved +96, today −3"."""
    said = [f"{_short(word.text)} {100 * word.share:+.0f}" for word in explanation.strongest(most)]
    return ", ".join(said).replace(" -", " −") or "no single word decides"


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 30 else f"{text[:14]} … {text[-12:]}"


def show_words(console: Console, explanation: Explanation) -> None:
    """The words that count, below the labels."""
    score = f"points of {explanation.label}'s {explanation.score:.0%}"
    note = f"; {explanation.note}" if explanation.note else ""
    console.print(Text.assemble(("  because of  ", "dim"), in_words(explanation), (f"  ({score}{note})", "dim")))


def show_regions(console: Console, items: Sequence[Prediction], unit: str, most: int = 8) -> None:
    """A map for each face: the darker a cell is filled, the more the label depends on it."""
    explained = [(number, item) for number, item in enumerate(items, 1) if item.explanation and item.explanation.grid]
    if not explained:
        return
    maps = []
    for number, item in explained[:most]:
        heat = np.array(item.explanation.grid)  # type: ignore[union-attr]
        top = max(float(heat.max()), _LEAST)
        steps = (heat / top * (len(_SHADES) - 1)).round().astype(int).clip(0, len(_SHADES) - 1)
        rows = ["".join(2 * _SHADES[step] for step in row) for row in steps]
        head, foot = f"{unit} {number} {item.explanation.label}", f"up to {100 * heat.max():.0f} points"  # type: ignore[union-attr]
        maps.append(
            Text.assemble(f"{head}\n", ("\n".join(f"▏{row}▕" for row in rows), item.color), (f"\n{foot}\n", "dim"))
        )
    console.print(Text("which regions the label depends on", "dim"))
    console.print(Columns(maps, padding=(0, 3)))


def draw_heat(canvas: np.ndarray, explanation: Explanation, grow: float) -> None:
    """Lay the map of a face over it: nothing where hiding changes nothing, orange where most depends on it.

    Args:
        canvas: uint8 (height, width, 3), changed in place.
        explanation: with a grid.
        grow: by how much the canvas is larger than the picture.
    """
    grid = np.array(explanation.grid, np.float32).clip(0)
    corners = np.array(explanation.corners, np.float64) * grow
    left, top = np.floor(corners.min(0)).astype(int).clip(0)
    right, bottom = np.ceil(corners.max(0)).astype(int)
    part = canvas[top : max(bottom, 0), left : max(right, 0)]
    if not part.size or grid.max() < _LEAST:
        return
    y, x = np.mgrid[top : top + part.shape[0], left : left + part.shape[1]] + 0.5
    sides = np.stack((corners[1] - corners[0], corners[3] - corners[0]), 1)
    across, down = np.einsum("ij,jhw->ihw", np.linalg.inv(sides), np.stack((x - corners[0, 0], y - corners[0, 1])))
    inside = (across >= 0) & (across < 1) & (down >= 0) & (down < 1)
    alpha = (0.7 / grid.max() * _sampled(grid, across, down) * inside)[..., None]
    part[:] = (part * (1 - alpha) + _HOT * alpha + 0.5).astype(np.uint8)


def _sampled(grid: np.ndarray, across: np.ndarray, down: np.ndarray) -> np.ndarray:
    """The grid between the middles of its cells, in straight lines; *across* and *down* in 0..1."""
    rows, columns = grid.shape
    y, x = (down * rows - 0.5).clip(0, rows - 1), (across * columns - 0.5).clip(0, columns - 1)
    y0, x0 = y.astype(int).clip(0, rows - 2), x.astype(int).clip(0, columns - 2)
    y, x = y - y0, x - x0
    upper = grid[y0, x0] * (1 - x) + grid[y0, x0 + 1] * x
    lower = grid[y0 + 1, x0] * (1 - x) + grid[y0 + 1, x0 + 1] * x
    found: np.ndarray = upper * (1 - y) + lower * y
    return found
