"""Results in the terminal: few in full, many as a row each; a clip as strips of time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

import numpy as np
from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from mien.inputs import Message
from mien.labels import emotion
from mien.modality import Kind, get_modality
from mien.model import CertaintyEntry, Manifest
from mien.output.actions import show_actions, show_clip_actions
from mien.output.explained import colored_text, in_words, show_regions, show_words
from mien.output.rows import problem_of, uncounted_line
from mien.output.terminal import bar, clock, moment, plain_table, shorten, shorten_path, show_counts
from mien.output.tracks import Track, length, marks, tracks_of
from mien.results import Moment, Prediction, Result, Scales

FEW = 5  # so few results are shown in full
_WIDEST = 120  # characters; a longer strip is no easier to read
_PEOPLE, _LABELS = 8, 3  # of a clip
_RATED = "cyan"  # ratings have no color of their own
_LEVELS = "▁▂▃▄▅▆▇█"

Cells = list[tuple[str, float] | None]  # label and its probability; None where the person is not there


def show_results(
    console: Console,
    results: Sequence[Result],
    counts: Mapping[str, int],
    total: int,
    kind: Kind,
    manifest: Manifest,
    unsure: int = 0,
    uncounted: int = 0,
) -> None:
    """Few results in full, more as rows, and how often each label came.

    Args:
        counts: of all labels, also those of results that are not shown.
        total: inputs were read, of which *results* are shown.
        kind: of the inputs.
        manifest: of the model.
        unsure: how many of the counted labels the model is not sure of.
        uncounted: how many faces or clips were left out of the counts.
    """
    _show_results(console, results, counts, total, kind, manifest)
    space = next((result.strongest.space.name for result in results if result.strongest), "")
    entry = manifest.certainty.get(space)
    by = "a reliability of " if any(map(_is_judged, results)) else ""
    if uncounted and (kind != "clip" or total > 1):  # of one clip its moments say it
        units = f"{'clip' if kind == 'clip' else get_modality(manifest.modality).unit}s"
        because = f" ({why_unsure(entry, manifest.name, by)})" if entry else ""
        console.print(Text(uncounted_line(uncounted, sum(counts.values()) + uncounted, units, because), "dim"))
    elif unsure and entry:
        console.print(Text(unsure_line(unsure, sum(counts.values()), entry, manifest.name, by), "dim"))


def _is_judged(result: Result) -> bool:
    return any(item.reliability is not None for item in result.items)


def unsure_line(unsure: int, total: int, entry: CertaintyEntry, name: str, by: str = "") -> str:
    """How many answers are unsure, and what that means, in a line."""
    many = f"{unsure:,} of {total:,} {'is' if unsure == 1 else 'are'} unsure" if total > 1 else "unsure"
    return f"{many}: {why_unsure(entry, name, by)}"


def why_unsure(entry: CertaintyEntry, name: str, by: str = "") -> str:
    """By what answers are unsure, and how often the others are right; *by* says what the threshold is of."""
    often = f"{'at least' if entry.bounded else 'about'} {entry.rate:.0%} of its answers"
    return f"below {by}{entry.threshold:.2f}; from there on {name} is right in {often} ({entry.n:,} samples)"


def _show_results(
    console: Console, results: Sequence[Result], counts: Mapping[str, int], total: int, kind: Kind, manifest: Manifest
) -> None:
    modality, scales = get_modality(manifest.modality), manifest.scales
    faces = kind == "picture" and not scales and modality.boxes == modality.unit  # a row for each says it all
    if total <= FEW and not faces:
        for place, result in enumerate(results):
            if kind == "clip" and place:
                console.print()
            show_result(console, result, kind, scales, modality.boxes)
        return
    if kind in ("text", "row"):
        _show_texts(console, results)
    else:
        _show_rows(console, results, kind, scales, modality.boxes)
        for result in results[:FEW]:
            show_regions(console, result.items, modality.boxes)
            show_actions(console, result, modality.boxes, named=total > 1)
    if total > len(results):
        what = "" if kind in ("text", "row") else f" {kind}s"
        console.print(f"[dim]… and {total - len(results):,} more{what}; --out FILE keeps them all[/dim]")
    if sum(counts.values()) > 1 and (kind != "picture" or faces):
        show_counts(console, counts, "clip" if kind == "clip" else modality.unit)


def show_result(console: Console, result: Result, kind: Kind, scales: Scales, boxes: str) -> None:
    """One result in full."""
    if kind == "clip":
        show_clip(console, result, scales, boxes)
        return
    if kind == "picture":
        console.print(Text(shorten_path(result.input, max(20, console.width)), "bold"))
    else:
        if origin := ", ".join(filter(None, (result.speaker, moment(result.time)))):
            console.print(Text(shorten(origin, 200), "dim"))
        explained = result.explanation if kind == "text" else None
        color = result.strongest.color if result.strongest else ""
        plain = Text(shorten(result.input, 200), "bold")
        console.print(colored_text(explained, result.input, color) if explained else plain)
    for number, item in enumerate(result.items, 1):
        if item.box:
            console.print(Text(f"  {boxes} {number}  {_place(item)}", "dim"))
        show_prediction(console, item, scales)
        if item.explanation and item.explanation.words:
            show_words(console, item.explanation)
    show_regions(console, result.items, boxes)
    if result.error:
        console.print(f"  [red]{escape(result.error)}[/red]")
    elif not result.items:
        console.print(Text(f"  no {boxes} was found", "dim"))


def show_prediction(console: Console, item: Prediction, scales: Scales | None = None, most: int = _LABELS) -> None:
    """The strongest labels with emoji, bar and probability, and all ratings."""
    table = plain_table("emoji", "label", "bar", "figure")
    for label in _strongest(item, most):
        score, sign = item.scores[label], item.space[label]
        style = "bold" if label in item.labels and not item.unsure else "dim"
        name, strength = item.shown if label == item.label else label, Text(bar(score, hollow=item.unsure), sign.color)
        table.add_row(f"  {sign.emoji}", Text(name, style), strength, Text(f"{score:.0%}".rjust(4), style))
    if item.scores:
        console.print(table)
    table = plain_table("name", "bar", "figure", "scale")
    for name, value in item.ratings.items():
        low, high = (scales or {})[name]
        share = Text(bar((value - low) / (high - low)), _RATED)
        table.add_row(f"  {name}", share, f"{value:.2f}", Text(f"of {low:g} to {high:g}", "dim"))
    if item.ratings:
        console.print(table)


def _style(item: Prediction) -> str:
    return f"dim {item.color}" if item.unsure else item.color


def _faint(item: Prediction) -> str:
    return "dim" if item.unsure else ""


def _strongest(item: Prediction, most: int) -> list[str]:
    ranked = sorted(item.scores, key=item.scores.__getitem__, reverse=True)
    return ranked[: max(most, len(item.labels))]


def _place(item: Prediction) -> str:
    left, top, right, bottom = (round(value) for value in item.box or (0, 0, 0, 0))
    return f"{left},{top} – {right},{bottom}"


# ------------------------------------------------------------------------------------------------------- tables


def _show_texts(console: Console, results: Iterable[Result]) -> None:
    results = list(results)
    chat = any(isinstance(result.input, Message) for result in results)
    explained = any(result.explanation for result in results)
    table = plain_table(
        "emoji", "label", "figure", *(("when", "who") if chat else ()), "input", *(["because"] if explained else [])
    )
    room = max(20, console.width - (70 if chat else 30) - 45 * explained)
    for result in results:
        origin = [Text(moment(result.time), "dim"), Text(shorten(result.speaker or "", 20), "bold")] if chat else []
        if (best := result.strongest) is None:
            table.add_row("", Text("—", "dim"), "", *origin, Text(result.error or "", "dim"))
        else:
            label, score = Text(best.shown or "—", _style(best)), "" if best.score is None else f"{best.score:.0%}"
            text, because = Text(shorten(result.input, room)), []
            if best.explanation:
                text = colored_text(best.explanation, result.input, best.color, room)
                because = [Text(shorten(in_words(best.explanation, 3), 45), "dim")]
            table.add_row(best.emoji, label, score, *origin, text, *because)
    console.print(table)


def _show_rows(console: Console, results: Sequence[Result], kind: Kind, scales: Scales, boxes: str) -> None:
    """A row for each face or person of pictures, or for each clip; why one was not read stands below."""
    labels = not scales or any(item.label for result in results for item in result.items)
    about = ["length", "people"] if kind == "clip" else [] if scales else ["box"]
    about += ["reliable"] if any(map(_is_judged, results)) else []
    heads = (kind, *(() if kind == "clip" else (boxes,)), *(("", "label", "", "") if labels else ()), *scales, *about)
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="dim")
    for head in heads:
        right = (boxes, "length", "reliable", *scales)
        table.add_column(head, justify="right" if head in right else "left", no_wrap=True)
    taken = (
        9 + (29 if labels else 0) + sum(len(name) + 1 for name in scales) + 20 * bool(about) + 9 * ("reliable" in about)
    )
    for result in results:
        name = Text(shorten_path(result.input, max(12, console.width - taken)), "bold")
        for number, item in enumerate(result.items, 1):
            cells = [Text() if number > 1 else name]
            cells += [] if kind == "clip" else [Text(str(number) if item.box else "")]
            if labels:
                score = item.score or 0.0
                cells += [Text(item.emoji), Text(item.shown or "—", _style(item))]
                cells += [Text(bar(score, 8, item.unsure), _style(item)), Text(f"{score:.0%}", _faint(item))]
            cells += [Text(f"{item.ratings[rating]:.2f}") for rating in scales]
            table.add_row(*cells, *(Text(fact, "dim") for fact in _facts(result, item, about)))
        if not result.items:
            empty = [] if kind == "clip" else [Text()]
            none = Text("unreadable", "red") if result.error else Text(f"no {boxes}", "dim")
            table.add_row(name, *empty, *([Text(), none] if labels else [none]))
    console.print(table)
    for result in results:
        if problem := problem_of(result):
            console.print(Text(problem, "red" if result.error else "yellow"))


def _facts(result: Result, item: Prediction, about: Sequence[str]) -> list[str]:
    people = len(result.people)
    facts = {
        "box": _place(item) if item.box else "",
        "length": clock(result.clip.duration or 0) if result.clip else "",
        "people": f"{people} {'person' if people == 1 else 'people'}" if people else "",
        "reliable": "" if item.reliability is None else f"{item.reliability:.0%}",
    }
    return [facts[name] for name in about]


# -------------------------------------------------------------------------------------------------------- clips


def show_clip(console: Console, result: Result, scales: Scales, boxes: str = "face") -> None:
    """A clip over its time: of each person one strip, whose color says what was shown and whose height how surely.

    Where several labels can hold at once, or ratings were read, each has a strip of its own.
    """
    console.print(_head(console, result))
    if result.clip and result.clip.problem:
        console.print(Text(f"  {result.clip.problem}", "yellow"))
    if not result.timeline:
        console.print(Text(f"  {result.error}", "red") if result.error else Text(f"  no {boxes} was seen", "dim"))
        return
    item = result.timeline[0].prediction
    if item.ratings or item.space.multilabel or not item.box:
        _show_lines(console, result, scales)
    else:
        _show_strips(console, result)
        _show_sums(console, result)
    if result.uncounted:
        console.print(Text(uncounted_line(result.uncounted, len(result.timeline), "moments"), "dim"))
    show_clip_actions(console, result)


def _head(console: Console, result: Result) -> Text:
    head = Text(shorten_path(result.input, max(16, console.width - 48)), "bold")
    if clip := result.clip:
        long = "" if clip.duration is None else f"{clock(clip.duration)} long, "
        frames = f"{clip.frames:,} {'frame' if clip.frames == 1 else 'frames'}"
        head.append(f"  {long}{clip.width} × {clip.height}, looked at {frames}", "not bold dim")
    return head


def _show_lines(console: Console, result: Result, scales: Scales) -> None:
    people = [(person.number, person.prediction) for person in result.people]
    cells = max(10, min(console.width, _WIDEST) - 34)
    for number, item in (people or [(0, item) for item in result.items])[:_PEOPLE]:
        if number:
            console.print(Text(f"person {number}", "bold"))
        console.print(_lines([moment for moment in result.timeline if moment.person == number], item, scales, cells))
    if len(people) > _PEOPLE:
        console.print(Text(f"… and {len(people) - _PEOPLE} more people", "dim"))


def _lines(moments: Sequence[Moment], item: Prediction, scales: Scales, cells: int) -> Table:
    table = plain_table("emoji", "name", "strip", "figure")
    for label in _strongest(item, _LABELS):
        sign, score = item.space[label], item.scores[label]
        strip = _levels([moment.prediction.scores[label] for moment in moments], cells)
        style = "bold" if label in item.labels else ""
        table.add_row(f"  {sign.emoji}", Text(label, style), Text(strip, sign.color), f"{score:.0%}")
    for name, value in item.ratings.items():
        low, high = scales[name]
        shares = [(moment.prediction.ratings[name] - low) / (high - low) for moment in moments]
        table.add_row("", name, Text(_levels(shares, cells), _RATED), f"{value:.2f}")
    return table


def _levels(shares: Sequence[float], cells: int) -> str:
    """Shares (0..1) as heights, in at most so many characters; of several moments in one the mean."""
    parts = np.array_split(np.asarray(shares, np.float64), min(cells, len(shares)))
    return "".join(_level(part.mean()) for part in parts)


def _level(share: float) -> str:
    return _LEVELS[min(7, int(max(0.0, share) * 8))]


def _show_strips(console: Console, result: Result) -> None:
    people, end = tracks_of(result), length(result.to_dict(timeline=False))
    shown = sorted(sorted(people, key=lambda track: -len(track.times))[:_PEOPLE], key=lambda track: track.person)
    margin = len(f"person {shown[-1].person}  ")
    edges = np.linspace(0, end or 1.0, max(10, min(console.width, _WIDEST) - margin) + 1)
    for track in shown:
        found = _cells(track, edges)
        console.print(Text(f"person {track.person}".ljust(margin), "bold") + strip(found))
        if emoji := _emoji(found):
            console.print(Text(" " * margin) + emoji)
    console.print(Text(" " * margin) + _axis(end, len(edges) - 1))
    if len(people) > len(shown):
        console.print(Text(f"… and {len(people) - len(shown)} more people, who were seen less", "dim"))


def _cells(track: Track, edges: np.ndarray) -> Cells:
    rows = track.over(edges)
    return [None if np.isnan(row[0]) else (track.names[int(row.argmax())], float(row.max())) for row in rows]


def strip(found: Cells) -> Text:
    strip = Text()
    for cell in found:
        strip.append(_level(cell[1]) if cell else "·", emotion(cell[0]).color if cell else "dim")
    return strip


def _emoji(found: Cells) -> Text:
    """The emoji of each segment in its middle, where there is room."""
    line = Text()
    for label, segment in groupby(found, key=lambda cell: cell[0] if cell else ""):
        room, sign = len(list(segment)), emotion(label).emoji if label else ""
        wide = cell_len(sign)
        if room < wide + 1:
            sign, wide = "", 0
        left = (room - wide) // 2
        line.append(" " * left + sign + " " * (room - wide - left))
    line.rstrip()
    return line


def _axis(end: float, cells: int) -> Text:
    line = [" "] * cells
    for mark in marks(end, max(2, cells // 10)):
        place, words = int(mark / end * cells) if end else 0, clock(mark)
        if place + len(words) <= cells:
            line[place : place + len(words)] = words
    return Text("".join(line).rstrip(), "dim")


def _show_sums(console: Console, result: Result) -> None:
    """What the clip comes to and how much of the time each label was shown; then the same in short for each person."""
    counts = Counter(moment.prediction.label for moment in result.timeline if result.counts(moment.prediction))
    (whole,) = result.items
    rows = plain_table("emoji", "label", "bar", "figure", "time")
    for place, label in enumerate(sorted(whole.scores, key=whole.scores.__getitem__, reverse=True)):
        share, known, score = counts[label] / max(1, counts.total()), whole.space[label], whole.scores[label]
        if place < _LABELS or share >= 0.05:
            of = "of what counts" if result.uncounted else "of the time"
            time = Text(f"{share:.0%} {of}", "dim") if counts[label] else Text()
            style = "" if place else "bold"
            name = Text(label if place else whole.shown, style)
            strength = Text(bar(score, hollow=whole.unsure), known.color)
            rows.add_row(known.emoji, name, strength, Text(f"{score:.0%}", style), time)
    console.print()
    console.print(rows)
    if len(result.people) < 2:
        return
    rows = plain_table("person", "emoji", "label", "bar", "figure", "span")
    for person in sorted(result.people, key=lambda person: -person.moments)[:_PEOPLE]:
        item, name = person.prediction, Text(f"person {person.number}", "bold")
        strength = Text(bar(item.score or 0.0, 12, item.unsure), _style(item))
        span = Text(f"{clock(person.start)} – {clock(person.end)}", "dim")
        told = [Text(words, _faint(item)) for words in (item.shown or "—", f"{item.score or 0:.0%}")]
        rows.add_row(name, item.emoji, told[0], strength, told[1], span)
    console.print()
    console.print(rows)
