"""What was read in scenes, to look at: the picture with its labels and ratings, and a page of such pictures."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mien.errors import InputError
from mien.media.images import read_picture
from mien.output.face_draw import enlarged, frame, panel, plain, rgb
from mien.output.pages import PICTURES, bars, data_uri, head, unread, write_cards
from mien.results import Prediction, Result

Scales = Mapping[str, tuple[float, float]]  # rating → its lowest and highest value
_BARS = 5  # labels shown of each person or picture
_PAGE_PICTURES = 200  # more would make a page that no browser likes
_PAGE_PIXELS = 1000  # longest side of a picture on the page
RATED = "#38a3c8"  # color of ratings, which have none of their own


def annotate(picture: np.ndarray, result: Result, scales: Scales) -> np.ndarray:
    """The picture with its strongest labels and its ratings as bars; of persons each in a box.

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
    for item in result.items:
        if item.box:
            frame(canvas, [value * grow for value in item.box], rgb(item.color), max(3, round(3 * unit)))
    for item in result.items:
        box = [value * grow for value in item.box] if item.box else [0.0, 0.0, float(width), float(height)]
        panel(canvas, box, _rows(item, scales), unit, bars=True)
    return canvas


def _rows(item: Prediction, scales: Scales) -> list[tuple[str, float, tuple[int, int, int]]]:
    ranked = sorted(item.scores, key=item.scores.__getitem__, reverse=True)[:_BARS]
    rows = [
        (f"{plain(name)} {item.scores[name]:.0%}", item.scores[name], rgb(item.space[name].color)) for name in ranked
    ]
    for name, value in item.ratings.items():
        rows.append((f"{plain(name)} {value:.1f}", share(value, scales[name]), rgb(RATED)))
    return rows


def share(value: float, scale: tuple[float, float]) -> float:
    """Where a rating lies on its scale, 0..1."""
    low, high = scale
    return (value - low) / (high - low)


def write_page(target: Path, rows: Iterable[Mapping[str, Any]], scales: Scales) -> None:
    """A page that shows pictures with what was read in them; it stands alone, the pictures are in it.

    Args:
        rows: results as :meth:`mien.results.Result.to_dict` gives them. Pictures are read again from ``input``; the
            first 200 are shown and all are counted.
        scales: lowest and highest value of each rating.
    """
    start, made = head("mien: scenes", PICTURES + _STYLE), partial(card, scales=scales)
    write_cards(target, rows, made, head=start, summary=_summary, most=_PAGE_PICTURES, what="pictures")


def _summary(total: int, _: Counter[str]) -> str:
    return f"{total:,} {'picture' if total == 1 else 'pictures'}"


def card(row: Mapping[str, Any], scales: Scales) -> str:
    """One picture of a page, as HTML; *row* as :meth:`mien.results.Result.to_dict` gives it."""
    name = html.escape(str(row["input"]))
    try:
        if row["error"]:
            raise InputError(row["error"])
        picture = read_picture(str(row["input"]))
    except InputError as error:  # or it was there a moment ago
        return unread(row, str(error))
    height, width = picture.shape[:2]
    boxes, sections = [], []
    for number, item in enumerate(row["items"], 1):
        if item["box"]:
            left, top, right, bottom = item["box"]
            place = (
                f"left:{left / width:.3%};top:{top / height:.3%};width:{(right - left) / width:.3%};"
                f"height:{(bottom - top) / height:.3%};--c:{RATED}"
            )
            boxes.append(f'<div class="box low" style="{place}"><span><u>{number}</u> {item["emoji"]}</span></div>')
        title = f"<h3>person {number}</h3>" if item["box"] else ""
        sections.append(
            f"<section>{title}{bars(item['scores'], _BARS)}{_rated(item.get('ratings', {}), scales)}</section>"
        )
    none = "" if sections else '<p class="none">no person was found</p>'
    return (
        f'<article><h2>{name}</h2><div class="shot" style="max-width:{max(width, 420)}px">'
        f'<img src="{data_uri(picture, _PAGE_PIXELS)}" width="{width}" height="{height}" alt="{name}">'
        f'{"".join(boxes)}</div>{none}<div class="items">{"".join(sections)}</div></article>\n'
    )


def _rated(ratings: Mapping[str, float], scales: Scales) -> str:
    return "".join(
        f'<div class="row"><span></span><span>{html.escape(name)}</span><span class="bar">'
        f'<i style="width:{share(value, scales[name]) * 100:.1f}%;background:{RATED}"></i></span>'
        f'<span title="from {scales[name][0]:g} to {scales[name][1]:g}">{value:.1f}</span></div>'
        for name, value in ratings.items()
    )


_STYLE = """
.items{display:grid;gap:.8rem;grid-template-columns:repeat(auto-fill,minmax(15rem,1fr));margin-top:.8rem}
.row{grid-template-columns:1.5rem 7.5rem 1fr 2.6rem}
"""
