"""Pictures of single samples, and of a network's layers; see :mod:`mien.evaluation.figures`."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from mien.errors import require
from mien.evaluation.figures import BLUE, INK, MUTED, new_figure, styled
from mien.labels import LabelSpace

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RIGHT, WRONG = "#1a8f4a", "#d0342c"
FEW, MOST = 16, 40  # blocks that a picture of layers shows without further ado, and at all
_PART = re.compile(r"(.+?\.\d+)\.")  # "encoder.layer.3.output.dense" is of the part "encoder.layer.3"
_COLUMNS = 8
_CELL = 1.2  # of a picture with the gap beside it
_LINE, _TEXT = 0.24, 1.5  # between the lines of texts, and from their labels to them
_RATINGS = 3  # told below a picture
_KINDS = (  # the first that a block has a layer of gives its color
    ("Attention", "#8d62c9"), ("Conv", BLUE), ("GRU", "#2f9e77"), ("LSTM", "#2f9e77"), ("Embedding", "#c2578b"),
    ("Tfidf", "#c2578b"), ("Linear", "#e08a1e"), ("Logistic", "#e08a1e"), ("Pool", "#3aa0a8"),
)  # fmt: skip


@styled
def samples(shown: tuple[list[dict[str, Any]], dict[int, np.ndarray]], space: LabelSpace) -> Figure:
    """The sheet of sample pictures: right ones with a green edge, below them wrong ones with a red edge.

    Where there are no labels, those whose ratings are near and those that are furthest off.
    """
    entries, thumbnails = shown
    right, wrong = ([entry for entry in entries if entry["right"] is side] for side in (True, False))
    near, off = ("Right", "Wrong") if len(space) else ("Near", "Furthest off")
    parts = [(title, color, part) for title, color, part in ((near, RIGHT, right), (off, WRONG, wrong)) if part]
    heights = [0.62 + math.ceil(len(part) / _COLUMNS) * (_CELL + _lines(part[0])) for _, _, part in parts]
    figure = new_figure(_COLUMNS * _CELL + 0.2, sum(heights))
    axes = figure.subplots()
    top = 0.0
    for (title, color, part), height in zip(parts, heights, strict=True):
        axes.text(0, top + 0.42, title, fontsize=12, fontweight="bold", color=color, va="bottom")
        for place, entry in enumerate(part):
            line, column = divmod(place, _COLUMNS)
            y = top + 0.62 + line * (_CELL + _lines(entry))
            _cell(axes, entry, thumbnails.get(entry["row"]), column * _CELL, y, space)
        top += height
    _bare(axes, _COLUMNS * _CELL, top)
    return figure


@styled
def labeled(entries: list[dict[str, Any]], space: LabelSpace, title: str) -> Figure:
    """Samples with their labels, pictures in a grid or texts one below the other; see `mien.evaluation.data_sheet`."""
    texts = bool(entries) and entries[0]["text"] is not None
    across, below = (1, _LINE) if texts else (_COLUMNS, _CELL + 0.28)
    width, height = _COLUMNS * _CELL, 0.62 + math.ceil(len(entries) / across) * below
    figure = new_figure(width + 0.2, height)
    axes = figure.subplots()
    axes.text(0, 0.42, title, fontsize=12, fontweight="bold", va="bottom")
    for place, entry in enumerate(entries):
        line, column = divmod(place, across)
        x, y = column * _CELL, 0.62 + line * below
        name = entry["labels"][0] if entry["labels"] else None
        after = f" +{len(entry['labels']) - 1}" if len(entry["labels"]) > 1 else ""
        if texts:
            _label(axes, x, y, name, after, space)
            axes.text(x + _TEXT, y, _shortened(entry["text"], 104), va="center", fontsize=7.5)
            continue
        color = space[name].color if name else MUTED
        _framed(axes, entry["picture"], x, y, color)
        if len(space):
            _label(axes, x, y + _CELL, name, after, space)
        rated = [f"{name[:12]} {value:.2g}" for name, value in entry["ratings"].items()]
        if rated:
            axes.text(x, y + _CELL + (0.15 if len(space) else 0), "  ".join(rated[:2]), va="center", fontsize=6.6)
    _bare(axes, width, height)
    return figure


def _lines(entry: dict[str, Any]) -> float:
    """Height of the text below a picture."""
    if "label" not in entry:
        return 0.11 + 0.17 * min(len(entry["ratings"]), _RATINGS)
    return 0.28 if entry["right"] else 0.42


def _cell(axes: Axes, entry: dict[str, Any], picture: np.ndarray | None, x: float, y: float, space: LabelSpace) -> None:
    """One picture with what was said below, and what is true if that is another."""
    side = _CELL - 0.12
    _framed(axes, picture, x, y, RIGHT if entry["right"] else WRONG)
    if "label" not in entry:
        for place, (name, rating) in enumerate(list(entry["ratings"].items())[:_RATINGS]):
            actual = "?" if rating["true"] is None else f"{rating['true']:.1f}"
            text = f"{name[:12]} {rating['predicted']:.1f}, is {actual}"
            axes.text(x, y + side + 0.12 + 0.17 * place, text, va="center", fontsize=6.6)
        return
    said = entry["label"]
    _label(axes, x, y + side + 0.12, said, f" {100 * entry['score']:.0f} %", space)
    if not entry["right"]:
        true = [entry["true"]] if isinstance(entry["true"], str) else entry["true"]
        _label(axes, x, y + side + 0.29, true[0] if true else None, f" +{len(true) - 1}" if len(true) > 1 else "",
               space, before="is ")  # fmt: skip


def _framed(axes: Axes, picture: np.ndarray | None, x: float, y: float, color: str) -> None:
    """A picture within its cell, and an edge around it."""
    patches = require("matplotlib.patches", "report")
    side = _CELL - 0.12
    if picture is None:
        axes.text(x + side / 2, y + side / 2, "not readable", ha="center", va="center", fontsize=7, color=MUTED)
    else:
        height, width = picture.shape[:2]
        tall, wide = side * height / max(height, width), side * width / max(height, width)
        left, upper = x + (side - wide) / 2, y + (side - tall) / 2
        axes.imshow(picture, extent=(left, left + wide, upper + tall, upper), interpolation="bilinear", zorder=1)
    axes.add_patch(patches.Rectangle((x, y), side, side, fill=False, ec=color, lw=2.5, zorder=2))


def _label(axes: Axes, x: float, y: float, name: str | None, after: str, space: LabelSpace, before: str = "") -> None:
    text = before + (name if name and len(name) <= 13 else f"{name[:12]}…" if name else "none of these") + after
    if name:
        axes.scatter([x + 0.05], [y], s=26, color=space[name].color, zorder=3)
    axes.text(x + 0.13, y, text, va="center", fontsize=7.5, color=MUTED if before else INK)


@dataclass(frozen=True)
class Block:
    """Layers that follow each other.

    Attributes:
        title: their common name, or the first and the last.
        types: what kinds they are, as "2 Conv2d, 2 ReLU"; of equal parts those of one.
        times: how many equal parts these are.
        output: shape of what comes out for one sample.
        parameters: of all.
    """

    title: str
    types: str
    times: int
    output: str
    parameters: int


def blocks(layout: Sequence[dict[str, Any]]) -> list[Block]:
    """Group layers by the part of the network they belong to, else by equal output; equal parts become one block.

    Where all of a small network is a part, or several that stand side by side, a layer is a block.
    """
    parts = [list(rows) for _, rows in groupby(layout, _part)]
    found = [[list(rows) for rows in same] for same in _runs(parts, lambda rows: (_types(rows), _shape(rows[-1])))]
    if len(found) == 1 and (match := _PART.match(parts[0][0]["name"])) and len(parts[0]) <= FEW:
        before = len(match[0])
        layers = [[{**row, "name": row["name"][before:]}] for row in parts[0]]
        single = [_block_of(same) for same in _runs(layers, lambda rows: (_types(rows), _shape(rows[-1])))]
        return [
            Block(one.types, one.title, one.times * len(parts), one.output, one.parameters * len(parts))
            for one in single
        ]
    if len(found) > FEW:
        found = [list(chain.from_iterable(same)) for same in _runs(found, lambda group: _shape(group[-1][-1]))]
    if len(found) > MOST:
        half = MOST // 2
        found = [*found[:half], list(chain.from_iterable(found[half : 1 - half])), *found[1 - half :]]
    return [_block_of(group) for group in found]


def _part(row: dict[str, Any]) -> Any:
    match = _PART.match(row["name"])
    return match[1] if match else (row["name"].split(".")[0], _shape(row))


def _runs(items: Sequence[Any], key: Any) -> list[list[Any]]:
    return [list(run) for _, run in groupby(items, key)]


def _block_of(group: list[list[dict[str, Any]]]) -> Block:
    rows = list(chain.from_iterable(group))
    first, last = (_title(part) for part in (group[0], group[-1]))
    equal = len({_types(part) for part in group}) == 1
    return Block(
        title=first if len(group) == 1 else _range(first, last),
        types=_types(group[0] if equal else rows),
        times=len(group) if equal else 1,
        output=_shape(rows[-1]),
        parameters=sum(row["parameters"] for row in rows),
    )


def _title(rows: list[dict[str, Any]]) -> str:
    match = _PART.match(rows[0]["name"])
    if len(rows) > 1 and match:
        return match[1]
    return rows[0]["name"] if len(rows) == 1 else _range(rows[0]["name"], rows[-1]["name"])


def _range(first: str, last: str) -> str:
    """ "blocks.3" and "blocks.7" as "blocks.3 – 7"."""
    first, last = first.partition(" – ")[0], last.rpartition(" – ")[2]
    before, _, end = last.rpartition(".")
    return f"{first} – {end if before and first.startswith(before + '.') else last}"


def _types(rows: list[dict[str, Any]]) -> str:
    counts = Counter(row["type"] for row in rows)
    return ", ".join(kind if count == 1 else f"{count} {kind}" for kind, count in counts.items())


def _shape(row: dict[str, Any]) -> str:
    """Without the first axis, which counts samples."""
    output = row["output"]
    if isinstance(output, str):
        return output
    return " × ".join(str(length) for length in (output[1:] if len(output) > 1 else output))


@styled
def layout(rows: list[dict[str, Any]], space: LabelSpace) -> Figure:
    """A network's layers from top to bottom, alike ones put together, with the shape of what comes out of each."""
    flow = blocks(rows)
    if len(space) and flow:
        last = "sigmoid" if space.multilabel else "softmax"
        flow.append(Block(last.title(), "labels", 1, str(len(space)), 0))
    step, high = 0.74, 0.54  # from block to block, and of one
    figure = new_figure(9.6, step * len(flow) + 0.85)
    axes = figure.subplots()
    total = sum(block.parameters for block in flow)
    most = max((block.parameters for block in flow), default=0)
    for x, title in ((0.0, "Layers"), (5.35, "Output"), (7.35, f"Parameters: {total:,}")):
        axes.text(x, 0.2, title, fontsize=9, color=MUTED, va="center")
    for place, block in enumerate(flow):
        y = 0.42 + place * step
        _block(axes, block, y, high)
        if place + 1 < len(flow):
            axes.annotate(
                "", (2.5, y + step + 0.02), (2.5, y + high - 0.02),
                arrowprops={"arrowstyle": "-|>", "color": MUTED, "lw": 1.1, "shrinkA": 0, "shrinkB": 0},
            )  # fmt: skip
        axes.text(5.35, y + high / 2, block.output, fontsize=9.5, va="center")
        if block.parameters:
            long = max(0.015, 1.35 * block.parameters / most)
            axes.barh(y + high / 2, long, height=0.2, left=7.35, color=_color(block))
            axes.text(7.35 + long + 0.07, y + high / 2, _short(block.parameters), fontsize=8.5, va="center")
    _bare(axes, 9.4, 0.42 + step * len(flow))
    return figure


def _block(axes: Axes, block: Block, y: float, high: float) -> None:
    patches = require("matplotlib.patches", "report")
    color = _color(block)
    shape = "round,pad=0,rounding_size=0.09"
    if block.times > 1:  # as a pile of cards
        for behind in (0.1, 0.05):
            axes.add_patch(
                patches.FancyBboxPatch((behind, y - behind), 5, high, boxstyle=shape, fc="white", ec=color, lw=0.9)
            )
    axes.add_patch(patches.FancyBboxPatch((0, y), 5, high, boxstyle=shape, fc="white", ec="none"))
    axes.add_patch(patches.FancyBboxPatch((0, y), 5, high, boxstyle=shape, fc=color + "22", ec=color, lw=1.2))
    types = _shortened(block.types, 66)
    types = f"{block.times} × ({types})" if block.times > 1 else types
    axes.text(0.16, y + 0.18, _shortened(block.title, 54), fontsize=9.5, fontweight="bold", va="center")
    axes.text(0.16, y + 0.38, types, fontsize=8, color=MUTED, va="center")


def _color(block: Block) -> str:
    return next((color for kind, color in _KINDS if kind in f"{block.title} {block.types}"), "#8a93a3")


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _short(count: int) -> str:
    for unit, size in (("M", 1_000_000), ("k", 1_000)):
        if count >= 10 * size or (unit == "M" and count >= size):
            return f"{count / size:.1f} {unit}" if count < 100 * size else f"{count / size:.0f} {unit}"
    return f"{count:,}"


def _bare(axes: Axes, width: float, height: float) -> None:
    """Data units are inches; y grows downwards."""
    axes.set_xlim(-0.05, width)
    axes.set_ylim(height, -0.05)
    axes.set_aspect("equal")
    axes.set_axis_off()
