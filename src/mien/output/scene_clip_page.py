"""A page that shows what was read in clips as scenes: frames, and a line over time for each label and each rating."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from mien.errors import InputError
from mien.labels import emotion
from mien.media.clips import ClipReader
from mien.output.clip_page import summary, title
from mien.output.pages import data_uri, head, unread, write_cards
from mien.output.scene_draw import RATED, Scales, share
from mien.output.terminal import clock
from mien.output.tracks import length, marks

_CLIPS = 50  # on one page
_FRAMES, _LONGEST = 10, 320  # pictures of a clip, and their longer side in pixels
_LABELS, _PEOPLE = 5, 8  # lines for each person, and people
_POINTS = 240  # of a line

Row = Mapping[str, Any]


def write_page(target: Path, rows: Iterable[Row], scales: Scales) -> None:
    """A page of clips with their lines over time; it stands alone, the pictures are in it.

    Args:
        rows: results as :meth:`mien.results.Result.to_dict` gives them. Clips are read again from ``input``; the first
            50 are shown and all are counted.
        scales: lowest and highest value of each rating.
    """
    start, made = head("mien: clips", _STYLE), partial(card, scales=scales)
    write_cards(target, rows, made, head=start, summary=summary, most=_CLIPS, what="clips")


def card(row: Row, scales: Scales) -> str:
    """One clip of a page, as HTML; *row* as :meth:`mien.results.Result.to_dict` gives it."""
    if row["error"]:
        return unread(row, row["error"])
    end, parts = length(row), [title(row)]
    people = [(person["person"], person) for person in row["people"]]
    seen = people or [(0, item) for item in row["items"]]
    parts += [_lines(row, number, item, end, scales) for number, item in seen[:_PEOPLE]] or [
        "<p>No person was seen.</p>"
    ]
    if len(seen) > _PEOPLE:
        parts.append(f"<p>… and {len(seen) - _PEOPLE} more people.</p>")
    axis = "".join(f'<span style="left:{mark / (end or 1):.3%}">{clock(mark)}</span>' for mark in marks(end, 13))
    parts.append(
        f'<div class="foot"><div class="film">{_film(row["input"], end)}</div><div class="axis">{axis}</div></div>'
    )
    return f"<article>{''.join(parts)}</article>\n"


def _film(path: str, end: float) -> str:
    """Frames spread over the time that was read; none where the clip is gone."""
    try:
        with ClipReader(path, fps=_FRAMES / max(end, 0.04)) as clip:
            shown = [data_uri(frame.picture, _LONGEST, 75) for frame in islice(clip, _FRAMES) if frame.time <= end]
    except InputError:
        return ""
    return "".join(f'<img src="{uri}" alt="">' for uri in shown)


def _lines(row: Row, number: int, item: Row, end: float, scales: Scales) -> str:
    """The strongest labels and all ratings of the scene (0) or a person, each over time."""
    moments = [moment for moment in row["timeline"] if moment["person"] == number]
    times = [moment["time"] for moment in moments]
    lines = []
    for label in sorted(item["scores"], key=item["scores"].__getitem__, reverse=True)[:_LABELS]:
        known, mean = emotion(label), item["scores"][label]
        heights = [moment["scores"][label] for moment in moments]
        lines.append(_line(f"{known.emoji} {label}", f"{mean:.0%}", times, heights, known.color, end))
    for name, mean in item.get("ratings", {}).items():
        low, high = scales[name]
        heights = [share(moment["ratings"][name], (low, high)) for moment in moments]
        lines.append(_line(name, f"{mean:.1f}", times, heights, RATED, end, f"from {low:g} to {high:g}"))
    return (f"<h3>person {number}</h3>" if number else "") + "".join(lines)


def _line(
    name: str, mean: str, times: Sequence[float], heights: Sequence[float], color: str, end: float, hint: str = ""
) -> str:
    """One quantity over time: its name, its line from 0 to 1, and its mean in words."""
    at = np.linspace(times[0], times[-1], min(_POINTS, len(times)))
    values = np.clip(np.interp(at, times, heights), 0, 1)
    points = [f"{100 * time / (end or 1):.2f} {100 - 100 * value:.1f}" for time, value in zip(at, values, strict=True)]
    if len(points) == 1:
        points.append(f"100 {100 - 100 * values[0]:.1f}")
    area = f"M{points[0].split()[0]} 100L{'L'.join(points)}L{points[-1].split()[0]} 100Z"
    return (
        f'<div class="line" style="--c:{color}"><span>{html.escape(name)}</span>'
        f'<svg viewBox="0 0 100 100" preserveAspectRatio="none" role="img" aria-label="{html.escape(name)} over time">'
        f'<path class="area" d="{area}"/><path d="M{"L".join(points)}"/></svg><span title="{hint}">{mean}</span></div>'
    )


_STYLE = """
main{display:grid;gap:1.5rem}article{padding:1.4rem}
h2{font-size:1rem;font-weight:600;margin:0 0 1rem;overflow-wrap:anywhere}
h2 small{font-weight:400;opacity:.6;margin-left:.5rem}
h3{margin:.8rem 0 .2rem;font-size:.8rem;font-weight:500;opacity:.7}
.problem{margin:0 0 .8rem;padding:.5rem .8rem;border-left:4px solid #e0a030;background:#e0a03018;border-radius:.3rem}
.line{display:grid;grid-template-columns:8rem minmax(0,1fr) 3rem;gap:.8rem;align-items:center;font-size:.85rem;
margin:.35rem 0}
.line span:last-child{text-align:right;font-variant-numeric:tabular-nums}
.line svg{display:block;width:100%;height:2.6rem;border-radius:.4rem;background:var(--soft)}
.line path{fill:none;stroke:var(--c);stroke-width:2.5;vector-effect:non-scaling-stroke;stroke-linejoin:round}
.line .area{fill:var(--c);fill-opacity:.18;stroke:none}
.foot{margin:.8rem 3.8rem 0 8.8rem}
.film{display:flex;height:4rem;border-radius:.5rem;overflow:hidden;background:var(--soft)}
.film img{flex:1 1 0;min-width:0;height:100%;object-fit:cover}
.axis{position:relative;height:1.4rem;font-size:.75rem;opacity:.7;margin-top:.2rem;
font-variant-numeric:tabular-nums}
.axis span{position:absolute;transform:translateX(-50%);white-space:nowrap}.axis span:first-child{transform:none}
@media(max-width:40rem){.line{grid-template-columns:6rem minmax(0,1fr) 2.5rem;gap:.4rem}
.foot{margin:.8rem 2.9rem 0 6.4rem}}
"""
