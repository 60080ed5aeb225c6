"""What is seen now, in the terminal: a strip of the last minutes for each person."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from mien.output.seconds import Gap, Second
from mien.output.show import Cells, strip
from mien.output.terminal import clock, shorten
from mien.results import Glance, Moment, Scales

_PEOPLE = 8  # shown at a time
_WIDEST = 120
_RECENT = 10.0  # seconds for which a person who is gone is still shown


class LiveScreen:
    """Shows seconds as they come: strips that move on a terminal, a line for each second elsewhere."""

    def __init__(self, console: Console, name: str, scales: Scales) -> None:
        self._console, self._name, self._scales = console, name, scales
        self._width = max(10, min(console.width, _WIDEST) - 34)
        self._cells: dict[int, deque[tuple[float, str, float]]] = {}
        self._now: dict[int, tuple[float, Moment]] = {}
        self._live = Live(console=console, auto_refresh=False, transient=False) if console.is_terminal else None

    def __enter__(self) -> LiveScreen:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._live:
            self._live.stop()

    def show(self, part: Second | Gap) -> None:
        """The next second, or a gap that is over."""
        if isinstance(part, Gap):
            if part.end is not None:
                self.tell(f"{clock(part.end)}  pictures again, after {part.end - part.start:.1f} s")
            return
        for moment in part.people:
            item = moment.prediction
            cells = self._cells.setdefault(moment.person, deque(maxlen=self._width))
            if part.counts(item):
                cells.append((part.time, item.label or "", item.score or self._share(moment)))
            self._now[moment.person] = part.time, moment
        for number in [number for number, (time, _) in self._now.items() if part.time - time > _RECENT]:
            del self._now[number], self._cells[number]
        if self._live:
            self._live.update(self._strips(part), refresh=True)
        else:
            people = " · ".join(f"{_who(one)} {self._facts(one)}" for one in part.people) or "nobody"
            self._console.print(Text(f"{clock(part.time).rjust(7)}  {people}"))

    def noticed(self, glances: Iterable[Glance]) -> Iterator[Glance]:
        """The same; a gap is told where it begins."""
        for glance in glances:
            if glance.gap:
                self.tell(f"{clock(glance.time)}  no picture: {glance.gap}; trying again")
            yield glance

    def tell(self, line: str) -> None:
        """A line that stays."""
        self._console.print(Text(shorten(line, 300), "yellow"))

    def _strips(self, part: Second) -> Group:
        rows = [Text(f"{shorten(self._name, 60)}  {clock(part.time)}", "bold")]
        shown = sorted(self._now)[-_PEOPLE:]
        for number in shown:
            time, moment = self._now[number]
            by_time = {second: (label, share) for second, label, share in self._cells[number]}
            cells: Cells = [by_time.get(part.time - back) for back in reversed(range(self._width))]
            here = time == part.time
            who = _who(moment).ljust(11), "bold" if here else "dim"
            rows.append(Text.assemble(who, strip(cells), (f"  {self._facts(moment)}", "" if here else "dim")))
        if not shown:
            rows.append(Text("nobody is seen", "dim"))
        return Group(*rows)

    def _facts(self, moment: Moment) -> str:
        item = moment.prediction
        label = f"{item.emoji} {item.shown} {item.score:.0%}" if item.label and item.score is not None else ""
        rated = ", ".join(f"{name} {value:.2f}" for name, value in item.ratings.items())
        return ", ".join(filter(None, (label, rated)))

    def _share(self, moment: Moment) -> float:
        """How high the strip of a model is that gives ratings alone: by the first of them."""
        name, value = next(iter(moment.prediction.ratings.items()), ("", 0.0))
        low, high = self._scales.get(name, (0.0, 1.0))
        return min(max((value - low) / (high - low), 0.0), 1.0)


def _who(moment: Moment) -> str:
    return f"person {moment.person}" if moment.person else "scene"
