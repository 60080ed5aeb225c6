"""A clip's timeline in the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from mien.labels import emotion
from mien.output.terminal import bar, clock, plain_table, shorten_path, show_counts
from mien.output.tracks import Track, length, marks, tracks_of
from mien.results import Result

_WIDEST = 120  # characters; a longer strip is no easier to read
_MOST = 8  # people with a strip of their own
_LABELS = 3  # shown however seldom they came
_LEVELS = "▁▂▃▄▅▆▇█"

Cells = list[tuple[str, float] | None]  # label and its probability; None where the person is not there


def show_clip(console: Console, result: Result) -> None:
    """A strip of time for each person: color says what was shown, height how surely. Then what it comes to.

    Where there are no colors, a letter says what was shown.
    """
    row = result.to_dict(timeline=False)
    console.print(_head(console, row))
    if result.clip and result.clip.problem:
        console.print(Text(f"  {result.clip.problem}", "yellow"))
    if result.error or not result.timeline:
        console.print(Text(f"  {result.error}", "red") if result.error else Text("  no face was seen", "dim"))
        return
    people, end = tracks_of(result), length(row)
    shown = sorted(sorted(people, key=lambda track: -len(track.times))[:_MOST], key=lambda track: track.person)
    margin = len(f"person {shown[-1].person}  ")
    edges = np.linspace(0, end or 1.0, max(10, min(console.width, _WIDEST) - margin) + 1)
    signs = {} if console.color_system else _letters(shown[0].names)
    for track in shown:
        found = _cells(track, edges)
        console.print(Text(f"person {track.person}".ljust(margin), "bold") + _strip(found, signs))
        if not signs and (emoji := _emoji(found)):
            console.print(Text(" " * margin) + emoji)
    console.print(Text(" " * margin) + _axis(end, len(edges) - 1))
    if len(people) > len(shown):
        console.print(Text(f"… and {len(people) - len(shown)} more people, who were seen less", "dim"))
    _show_sums(console, result, signs)


def show_clips(console: Console, results: Sequence[Result], counts: Mapping[str, int], total: int) -> None:
    """One row for each clip; *total* were read, of which *results* are shown, and *counts* says of all."""
    rows = plain_table("emoji", "label", "bar", "figure", "figure", "people", "clip")
    for result in results:
        name = Text(shorten_path(result.input, max(20, console.width - 50)))
        if (best := result.strongest) is None:
            none = Text("unreadable", "red") if result.error else Text("no face", "dim")
            rows.add_row("", none, "", "", "", "", name)
            continue
        color, many, score = best.color, len(result.people), best.score or 0.0
        long = clock(result.clip.duration or 0) if result.clip else ""
        rows.add_row(
            best.emoji, Text(best.label or "—", color), Text(bar(score, 8), color), f"{score:.0%}",
            Text(long, "dim"), Text(f"{many} {'person' if many == 1 else 'people'}", "dim"), name,
        )  # fmt: skip
    console.print(rows)
    for result in results:
        if result.error:
            console.print(Text(result.error, "red"))
        elif result.clip and result.clip.problem:
            console.print(Text(f"{result.input}: {result.clip.problem}", "yellow"))
    if total > len(results):
        console.print(f"[dim]… and {total - len(results):,} more clips; --out FILE keeps them all[/dim]")
    show_counts(console, counts, "clips")


def _head(console: Console, row: Mapping[str, Any]) -> Text:
    head = Text(shorten_path(row["input"], max(16, console.width - 48)), "bold")
    if (clip := row["clip"]) is not None:
        long = "" if clip["duration"] is None else f"{clock(clip['duration'])} long, "
        frames = f"{clip['frames']:,} {'frame' if clip['frames'] == 1 else 'frames'}"
        head.append(f"  {long}{clip['width']} × {clip['height']}, looked at {frames}", "not bold dim")
    return head


def _axis(end: float, cells: int) -> Text:
    line = [" "] * cells
    for mark in marks(end, max(2, cells // 10)):
        place, told = int(mark / end * cells) if end else 0, clock(mark)
        if place + len(told) <= cells:
            line[place : place + len(told)] = told
    return Text("".join(line).rstrip(), "dim")


def _cells(track: Track, edges: np.ndarray) -> Cells:
    rows = track.over(edges)
    return [None if np.isnan(row[0]) else (track.names[int(row.argmax())], float(row.max())) for row in rows]


def _strip(found: Cells, signs: Mapping[str, str]) -> Text:
    strip = Text()
    for cell in found:
        if cell is None:
            strip.append("·", "dim")
        else:
            label, score = cell
            strip.append(signs.get(label) or _LEVELS[min(7, int(score * 8))], emotion(label).color)
    return strip


def _emoji(found: Cells) -> Text:
    """The emoji of each stretch in its middle, where there is room."""
    line = Text()
    for label, stretch in groupby(found, key=lambda cell: cell[0] if cell else ""):
        room, sign = len(list(stretch)), emotion(label).emoji if label else ""
        wide = cell_len(sign)
        if room < wide + 1:
            sign, wide = "", 0
        left = (room - wide) // 2
        line.append(" " * left + sign + " " * (room - wide - left))
    line.rstrip()
    return line


def _letters(names: Sequence[str]) -> dict[str, str]:
    """A letter for each label: the first of its own that is free."""
    signs: dict[str, str] = {}
    for label in names:
        free = (sign for sign in f"{label}{label.upper()}0123456789" if sign not in signs.values() and sign.isalnum())
        signs[label] = next(free, "?")
    return signs


def _show_sums(console: Console, result: Result, signs: Mapping[str, str]) -> None:
    """What the clip comes to and how much of the time each label was shown; then the same in short for each person."""
    counts = Counter(moment.prediction.label for moment in result.timeline)
    (whole,) = result.items
    rows = plain_table("emoji", "label", "bar", "figure", "time")
    for place, label in enumerate(sorted(whole.scores, key=whole.scores.__getitem__, reverse=True)):
        share, known = counts[label] / counts.total(), whole.space[label]
        if place < _LABELS or share >= 0.05:
            sign = f"{signs[label]} = " if signs else ""
            told = Text(f"{share:.0%} of the time", "dim") if counts[label] else Text()
            style = "" if place else "bold"
            rows.add_row(
                sign + known.emoji, Text(label, style), Text(bar(whole.scores[label]), known.color),
                Text(f"{whole.scores[label]:.0%}", style), told,
            )  # fmt: skip
    console.print()
    console.print(rows)
    if len(result.people) < 2:
        return
    rows = plain_table("person", "emoji", "label", "bar", "figure", "span")
    for person in sorted(result.people, key=lambda person: -person.moments)[:_MOST]:
        item = person.prediction
        score = item.score or 0.0
        rows.add_row(
            Text(f"person {person.number}", "bold"), item.emoji, item.label or "—", Text(bar(score, 12), item.color),
            f"{score:.0%}", Text(f"{clock(person.start)} – {clock(person.end)}", "dim"),
        )  # fmt: skip
    console.print()
    console.print(rows)
