"""What was read in scenes, in the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mien.output.terminal import bar, clock, plain_table, shorten_path, show_prediction
from mien.results import Moment, Prediction, Result

Scales = Mapping[str, tuple[float, float]]  # rating → its lowest and highest value
_FEW = 5  # pictures that are shown in full
_COLOR = "cyan"  # of ratings, which have none of their own
_PEOPLE, _LABELS = 8, 3  # of a clip
_LEVELS = "▁▂▃▄▅▆▇█"
_WIDEST = 120  # characters; a longer strip is no easier to read


def show_scenes(console: Console, results: Sequence[Result], total: int, scales: Scales) -> None:
    """Few pictures with bars for labels and ratings, more as one row for each picture or person.

    Args:
        total: pictures were read, of which *results* are shown.
    """
    if total <= _FEW:
        for result in results:
            _show_whole(console, result, scales)
        return
    _show_rows(console, results, scales)
    for result in results:
        if result.error:
            console.print(Text(result.error, "red"))
    if total > len(results):
        console.print(f"[dim]… and {total - len(results):,} more pictures; --out FILE keeps them all[/dim]")


def _show_whole(console: Console, result: Result, scales: Scales) -> None:
    console.print(Text(shorten_path(result.input, max(20, console.width)), "bold"))
    for number, item in enumerate(result.items, 1):
        if item.box:
            console.print(Text(f"  person {number}  {place(item)}", "dim"))
        show_item(console, item, scales)
    if not result.items:
        console.print(Text(f"  {result.error}", "red") if result.error else Text("  no person was found", "dim"))


def _show_rows(console: Console, results: Sequence[Result], scales: Scales) -> None:
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="dim")
    labels = any(item.label for result in results for item in result.items)
    for head in ("picture", "person", *(("", "label", "", "") if labels else ()), *scales):
        table.add_column(head, justify="right" if head in ("person", *scales) else "left", no_wrap=True)
    for result in results:
        room = console.width - 9 - (38 if labels else 0) - sum(len(rating) + 1 for rating in scales)
        name = Text(shorten_path(result.input, max(12, room)), "bold")
        for number, item in enumerate(result.items, 1):
            cells: list[Text | str] = [Text() if number > 1 else name, str(number) if item.box else ""]
            if labels:
                score, told = item.score or 0.0, Text(item.label or "—", item.color)
                cells += [item.emoji, told, Text(bar(score, 8), item.color), f"{score:.0%}"]
            table.add_row(*cells, *(f"{item.ratings[rating]:.2f}" for rating in scales))
        if not result.items:
            table.add_row(name, Text("unreadable", "red") if result.error else Text("nobody", "dim"))
    console.print(table)


def show_item(console: Console, item: Prediction, scales: Scales) -> None:
    """The strongest labels and all ratings of one picture or person, with bars."""
    if item.scores:
        show_prediction(console, item)
    if not item.ratings:
        return
    table = plain_table("name", "bar", "figure", "scale")
    for name, value in item.ratings.items():
        low, high = scales[name]
        share = (value - low) / (high - low)
        table.add_row(f"  {name}", Text(bar(share), _COLOR), f"{value:.2f}", Text(f"of {low:g} to {high:g}", "dim"))
    console.print(table)


def place(item: Prediction) -> str:
    """Where a person is, in words."""
    left, top, right, bottom = (round(value) for value in item.box or (0, 0, 0, 0))
    return f"{left},{top} – {right},{bottom}"


def show_clip(console: Console, result: Result, scales: Scales) -> None:
    """Over the time of a clip, for the scene or for each person: a line for each strong label and each rating."""
    head = Text(shorten_path(result.input, max(16, console.width - 48)), "bold")
    if result.clip is not None:
        long = "" if result.clip.duration is None else f"{clock(result.clip.duration)} long, "
        size = f"{result.clip.width} × {result.clip.height}"
        head.append(f"  {long}{size}, looked at {result.clip.frames:,} frames", "not bold dim")
    console.print(head)
    if result.clip is not None and result.clip.problem:
        console.print(Text(f"  {result.clip.problem}", "yellow"))
    if not result.timeline:
        console.print(Text(f"  {result.error}", "red") if result.error else Text("  no person was found", "dim"))
        return
    whole = [(0, item) for item in result.items] if not result.people else []
    people = [(person.number, person.prediction) for person in result.people]
    for number, item in (whole or people)[:_PEOPLE]:
        if number:
            console.print(Text(f"person {number}", "bold"))
        moments = [moment for moment in result.timeline if moment.person == number]
        console.print(_lines(moments, item, scales, max(10, min(console.width, _WIDEST) - 34)))
    if len(people) > _PEOPLE:
        console.print(Text(f"… and {len(people) - _PEOPLE} more people", "dim"))


def _lines(moments: Sequence[Moment], item: Prediction, scales: Scales, cells: int) -> Table:
    table = plain_table("emoji", "name", "strip", "figure")
    ranked = sorted(item.scores, key=item.scores.__getitem__, reverse=True)[: max(_LABELS, len(item.labels))]
    for label in ranked:
        sign, score = item.space[label], item.scores[label]
        strip = _strip([moment.prediction.scores[label] for moment in moments], cells)
        style = "bold" if label in item.labels else ""
        table.add_row(f"  {sign.emoji}", Text(label, style), Text(strip, sign.color), f"{score:.0%}")
    for name, value in item.ratings.items():
        low, high = scales[name]
        shares = [(moment.prediction.ratings[name] - low) / (high - low) for moment in moments]
        table.add_row("", name, Text(_strip(shares, cells), _COLOR), f"{value:.2f}")
    return table


def _strip(shares: Sequence[float], cells: int) -> str:
    """Shares (0..1) as heights, in at most so many characters; of several moments in one the mean."""
    parts = np.array_split(np.asarray(shares, np.float64), min(cells, len(shares)))
    return "".join(_LEVELS[min(7, int(max(0.0, part.mean()) * 8))] for part in parts)
