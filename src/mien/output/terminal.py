"""The terminal: a console on which nothing can act, and the parts of what is shown there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
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
from mien.labels import emotion
from mien.results import Result

Step = Callable[[float], None]  # called with how much was done since the last call

_WIDTH = 24
_EIGHTHS = " ▏▎▍▌▋▊▉"


class Terminal(Console):
    """A console on which nothing that is shown can act: control characters are shown as escapes."""

    def render(self, renderable: Any, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """See :meth:`rich.console.Console.render`, through which all goes, cells of tables and progress too."""
        for segment in super().render(renderable, options):
            text = segment.text if segment.control else printable(segment.text, layout=True)
            yield segment if text == segment.text else Segment(text, segment.style)


def bar(share: float, width: int = _WIDTH, hollow: bool = False) -> str:
    """A bar of *share* (0..1) of *width* characters, exact to an eighth of one; a hollow one to a character."""
    eighths = round(max(0.0, min(share, 1.0)) * width * 8)
    return "░" * -(-eighths // 8) if hollow else ("█" * (eighths // 8) + _EIGHTHS[eighths % 8]).rstrip()


def plain_table(*columns: str) -> Table:
    """A table without lines or heads; a column called "figure" stands to the right."""
    table = Table(box=None, show_header=False, padding=(0, 1, 0, 0))
    for name in columns:
        table.add_column(name, justify="right" if name == "figure" else "left", no_wrap=True)
    return table


def shorten_path(path: str, width: int) -> str:
    """The end of a path of at most *width* characters."""
    path = printable(path)
    return path if len(path) <= width else "…" + path[-width + 1 :]


def show_counts(console: Console, counts: Mapping[str, int], unit: str = "text") -> None:
    """How often each label came, most frequent first."""
    count = sum(counts.values())
    total = count or 1
    table = plain_table("emoji", "label", "bar", "figure", "share")
    for label, times in Counter(counts).most_common():
        known, share = emotion(label), times / total
        table.add_row(known.emoji, label, Text(bar(share), known.color), f"{times:,}", f"{share:.1%}")
    console.print(f"\n[bold]{count:,} {unit}{'' if count == 1 else 's'}[/bold]")
    console.print(table)


def shorten(text: str, width: int) -> str:
    """One line of at most *width* characters."""
    line = printable(" ".join(text.split()))
    return line if len(line) <= width else line[: width - 1] + "…"


def clock(seconds: float) -> str:
    """Hours, minutes and seconds: 0:07, 12:30, 1:02:03."""
    whole = int(seconds)
    minutes, hours = whole // 60 % 60, whole // 3600
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"


def moment(time: str | float | None) -> str:
    """When a message is from: 2024-03-12 21:05, or 0:07 into a recording."""
    if time is None:
        return ""
    return time.replace("T", " ")[:16] if isinstance(time, str) else clock(time)


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
