"""What a person sees in the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console, ConsoleOptions
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)  # fmt: skip
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from mien.errors import printable
from mien.labels import LabelSpace, emotion
from mien.results import Prediction, Result

Step = Callable[[float], None]  # called with how much was done since the last call

_WIDTH = 24
_GROUPS = 20  # shown of those of --by
_EIGHTHS = " ▏▎▍▌▋▊▉"


class Terminal(Console):
    """A console on which nothing that is shown can act: control characters are shown as escapes."""

    def render(self, renderable: Any, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """See :meth:`rich.console.Console.render`, through which all goes, cells of tables and progress too."""
        for segment in super().render(renderable, options):
            text = segment.text if segment.control else printable(segment.text, layout=True)
            yield segment if text == segment.text else Segment(text, segment.style)


def bar(share: float, width: int = _WIDTH) -> str:
    """A bar of *share* (0..1) of *width* characters, exact to an eighth of one."""
    eighths = round(max(0.0, min(share, 1.0)) * width * 8)
    return ("█" * (eighths // 8) + _EIGHTHS[eighths % 8]).rstrip()


def plain_table(*columns: str) -> Table:
    """A table without lines or heads; a column called "figure" stands to the right."""
    table = Table(box=None, show_header=False, padding=(0, 1, 0, 0))
    for name in columns:
        table.add_column(name, justify="right" if name == "figure" else "left", no_wrap=True)
    return table


def show_prediction(console: Console, prediction: Prediction, most: int = 3) -> None:
    """The strongest labels with emoji, bar and probability."""
    table = plain_table("emoji", "label", "bar", "figure")
    holding = set(prediction.labels)
    ranked = sorted(prediction.scores, key=prediction.scores.__getitem__, reverse=True)
    for label in ranked[: max(most, len(holding))]:
        score, sign = prediction.scores[label], prediction.space[label]
        style = "bold" if label in holding else "dim"
        table.add_row(
            f"  {sign.emoji}", Text(label, style), Text(bar(score), sign.color), Text(f"{score:.0%}".rjust(4), style)
        )
    console.print(table)


def show_results(console: Console, results: Sequence[Result], counts: Mapping[str, int], what: str = "texts") -> None:
    """Few results in full, more as one line each, and how often each label came; *what* they are."""
    total = sum(counts.values())
    if len(results) <= 5 and total <= 5:
        for result in results:
            console.print(f"[bold]{escape(shorten(result.input, 200))}[/bold]")
            for item in result.items:
                show_prediction(console, item)
            if result.error:
                console.print(f"  [red]{escape(result.error)}[/red]")
        return
    table = plain_table("emoji", "label", "figure", "input")
    for result in results:
        if (best := result.strongest) is None:
            table.add_row("", Text("—", "dim"), "", Text(result.error or "", "dim"))
        else:
            label, score = Text(best.label or "—", best.color), "" if best.score is None else f"{best.score:.0%}"
            table.add_row(best.emoji, label, score, Text(shorten(result.input, max(20, console.width - 30))))
    console.print(table)
    if total > len(results):
        console.print(f"[dim]… and {total - len(results):,} more; --out FILE keeps them all[/dim]")
    show_counts(console, counts, what)


def show_pictures(console: Console, results: Sequence[Result], counts: Mapping[str, int], total: int) -> None:
    """One row per face; *total* pictures were read, of which *results* are shown, and *counts* says of all faces."""
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="dim")
    for head in ("picture", "face", "", "label", "", "", "box"):
        table.add_column(head, justify="right" if head == "face" else "left", no_wrap=True)
    width = max(12, console.width - 58)
    for result in results:
        name = Text(shorten_path(result.input, width), "bold")
        for number, item in enumerate(result.items, 1):
            score = item.score or 0.0
            left, top, right, bottom = (round(value) for value in item.box or (0, 0, 0, 0))
            table.add_row(
                name if number == 1 else Text(), str(number), item.emoji, Text(item.label or "—", item.color),
                Text(bar(score, 8), item.color), f"{score:.0%}",
                Text(f"{left},{top} – {right},{bottom}", "dim"),
            )  # fmt: skip
        if not result.items:
            table.add_row(name, "", "", Text("unreadable", "red") if result.error else Text("no face", "dim"))
    console.print(table)
    for result in results:
        if result.error:
            console.print(Text(result.error, "red"))
    if total > len(results):
        console.print(f"[dim]… and {total - len(results):,} more pictures; --out FILE keeps them all[/dim]")
    if sum(counts.values()) > 1:
        show_counts(console, counts, "faces")


def shorten_path(path: str, width: int) -> str:
    """The end of a path of at most *width* characters."""
    path = printable(path)
    return path if len(path) <= width else "…" + path[-width + 1 :]


def show_counts(console: Console, counts: Mapping[str, int], what: str = "texts") -> None:
    """How often each label came, most frequent first."""
    total = sum(counts.values()) or 1
    table = plain_table("emoji", "label", "bar", "figure", "share")
    for label, count in Counter(counts).most_common():
        known = emotion(label)
        share = count / total
        table.add_row(known.emoji, label, Text(bar(share), known.color), f"{count:,}", f"{share:.1%}")
    console.print(f"\n[bold]{sum(counts.values()):,} {what}[/bold]")
    console.print(table)


def show_metrics(console: Console, document: Mapping[str, Any], space: LabelSpace) -> None:
    """The figures of a report: headline, one row per rating, one per label, one per group."""
    names = {"accuracy": "accuracy", "macro_f1": "macro-F1", "map": "mAP", "weighted_f1": "weighted F1"}
    told = [f"{name} [bold]{document[key]:.4f}[/bold]" for key, name in names.items() if document.get(key) is not None]
    mirrored = "   [dim]with mirror images[/dim]" if document.get("mirror") else ""
    known = f"   [dim]with known {document['known_groups']}[/dim]" if document.get("known_groups") else ""
    console.print(f"{document['n']:,} samples   {'   '.join(told)}".rstrip() + mirrored + known)
    if rest := document.get("without_seen"):
        some = [f"{name} [bold]{rest[key]:.4f}[/bold]" for key, name in names.items() if rest.get(key) is not None]
        some += [f"r of {name} [bold]{_number(row['pearson'])}[/bold]" for name, row in rest.get("ratings", {}).items()]
        left = "   ".join(some) or "none is left"
        console.print(f"[dim]without the {rest['seen']:,} that also stand in training:[/dim]   {left}")
    if document.get("ratings"):
        _show_ratings(console, document["ratings"])
    if document.get("per_label"):
        _show_labels(console, document["per_label"], space)
    if document.get("by"):
        _show_groups(console, document["by"])


def _show_ratings(console: Console, ratings: Mapping[str, Any]) -> None:
    """One row per rating: correlation, concordance and errors."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for head in ("rating", "scale", "r", "ρ", "CCC", "MAE", "RMSE", "samples", ""):
        table.add_column(head, justify="left" if head in ("rating", "") else "right", no_wrap=True)
    for name, row in ratings.items():
        low, high = row["scale"]
        figures = [_number(row[key]) for key in ("pearson", "spearman", "ccc", "mae", "rmse")]
        strength = Text(bar(max(0.0, row["pearson"] or 0.0), 12), "cyan")
        table.add_row(Text(name), f"{low:g} to {high:g}", *figures, f"{row['n']:,}", strength)
    console.print(table)


def _show_labels(console: Console, labels: Mapping[str, Any], space: LabelSpace) -> None:
    """One row per label; of labels that can hold together with their average precision, which is the bar then."""
    several = space.multilabel
    keys = {"precision": "precision", "recall": "recall", "F1": "f1"} | ({"AP": "average_precision"} if several else {})
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("", "label", *keys, "support", ""):
        table.add_column(name, justify="left" if name in ("", "label") else "right", no_wrap=True)
    for label, row in labels.items():
        sign, long = space[label], row["average_precision" if several else "f1"]
        figures = [f"{row[key]:.3f}" for key in keys.values()]
        table.add_row(sign.emoji, Text(label), *figures, f"{row['support']:,}", Text(bar(long, 12), sign.color))
    console.print(table)


def _show_groups(console: Console, by: Mapping[str, Any]) -> None:
    """One row per group, the largest first."""
    groups = sorted(by["groups"], key=lambda group: -group["n"])
    several = {"mAP": "map_present", "macro-F1": "macro_f1_present"}
    kinds = several if "map_present" in groups[0] else {"accuracy": "accuracy", "macro-F1": "macro_f1_present"}
    kinds = {name: key for name, key in kinds.items() if key in groups[0]}  # none where there are ratings alone
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column(Text(by["column"]))
    for head in ("samples", *kinds, *(f"{name} r" for name in groups[0].get("ratings", {}))):
        table.add_column(Text(head), justify="right")
    for group in groups[:_GROUPS]:
        rated = [_number(row["pearson"]) for row in group.get("ratings", {}).values()]
        table.add_row(
            Text(shorten(group["group"], 30)),
            f"{group['n']:,}",
            *(_number(group[key]) for key in kinds.values()),
            *rated,
        )
    console.print(table)
    if len(groups) > _GROUPS:
        console.print(f"[dim]… and {len(groups) - _GROUPS:,} smaller groups; --json and --out have all[/dim]")


def _number(figure: float | None) -> str:
    return "–" if figure is None else f"{figure:.3f}"


def shorten(text: str, width: int) -> str:
    """One line of at most *width* characters."""
    line = printable(" ".join(text.split()))
    return line if len(line) <= width else line[: width - 1] + "…"


def clock(seconds: float) -> str:
    """Hours, minutes and seconds: 0:07, 12:30, 1:02:03."""
    whole = int(seconds)
    minutes, hours = whole // 60 % 60, whole // 3600
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"


class _Clock(ProgressColumn):
    """How far a clip was read, in its own time."""

    def render(self, task: Task) -> Text:
        return Text(clock(task.completed) + ("" if task.total is None else f" of {clock(task.total)}"), "green")


@contextmanager
def progress(what: str, total: float | None, already: int = 0, *, timed: bool = False) -> Iterator[Step]:
    """A progress bar on standard error, where that is a terminal; gives the function that moves it on.

    Args:
        timed: what is counted are seconds of a clip.
    """
    console = Terminal(stderr=True, emoji=False)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        _Clock() if timed else MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        task = bars.add_task(escape(what), total=total, completed=already)
        yield lambda count: bars.advance(task, count)


def show_stats(console: Console, document: Mapping[str, Any]) -> None:
    """What :func:`mien.datasets.checks.stats` found: one row per label, one column per split."""
    splits = document["splits"]
    console.print(
        f"[bold]{escape(document['name'])}[/bold]  {document['n']:,} samples, {len(document['labels']) or 'no'} labels "
        f"({escape(document['space'])}), licence: {escape(document['licence'])}"
    )
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("", "label" if document["labels"] else "", *splits, "", ""):
        table.add_column(name, justify="left" if name in ("", "label") else "right")
    for label in document["labels"]:
        known, share = emotion(label), splits["all"]["shares"][label]
        counts = [f"{part['counts'][label]:,}" for part in splits.values()]
        table.add_row(known.emoji, Text(label), *counts, Text(bar(share), known.color), f"{share:.1%}")
    table.add_row("", "[dim]all[/dim]", *(f"{part['n']:,}" for part in splits.values()))
    console.print(table)
    if rated := splits["all"].get("ratings"):
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
        table.add_column("rating: mean ± sd")
        table.add_column("scale", justify="right")
        for split in splits:
            table.add_column(split, justify="right")
        for name, whole in rated.items():
            low, high = whole["scale"]
            found = [part["ratings"][name] for part in splits.values()]
            means = [f"{one['mean']:.2f} ± {one['sd']:.2f}" if one["n"] else "none" for one in found]
            table.add_row(Text(name), f"{low:g} to {high:g}", *means)
        console.print(table)
    if "length" in document:
        length = document["length"]
        console.print(f"[dim]characters: median {length['median']:.0f}, 95 % under {length['q95']:.0f}[/dim]")
    if "features" in document:
        names = document["features"]
        console.print(f"[dim]{len(names)} numbers a row: {escape(shorten(', '.join(names), 90))}[/dim]")
    if "width" in document:
        told = {
            key: f"{document['width'][key]:.0f} × {document['height'][key]:.0f}" for key in ("min", "median", "max")
        }
        same = told["min"] == told["max"]
        spread = f"all {told['max']}" if same else f"median {told['median']}, up to {told['max']}"
        console.print(f"[dim]pixels: {spread}[/dim]")


def with_notes(results: Iterable[Result], tell: Callable[[str], None], most: int = 20) -> Iterator[Result]:
    """The results as they come; what was guessed in reading them is told, of the first ones line by line."""
    notes = 0
    for result in results:
        for note in result.notes:
            notes += 1
            if notes <= most:
                tell(f"mien: {result.input}: {note}")
        yield result
    if notes > most:
        tell(f"mien: and {notes - most:,} more such lines")
