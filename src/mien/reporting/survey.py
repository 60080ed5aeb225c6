"""A survey of the rows before they are read: how many there are, in which groups, and from when to when."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from mien.datasets.times import Time, TimeColumn, is_empty
from mien.errors import InputError, cut
from mien.output.rows import plain_cell
from mien.reporting.periods import STEPS, Periods

GROUPS = 10_000  # different values that a column of groups may have
KEPT = 1_000  # groups of which there are figures, the largest
TIMED = 12  # groups of which there are figures over time, at most
_CELLS = 6_000  # groups times periods
NONE = "(none)"  # the group of rows whose cell is empty

Columns = Mapping[str, Any]


def split_over(over: str) -> tuple[str, str | None]:
    """COLUMN or COLUMN:STEP as a column and a step.

    Raises:
        InputError: there is no such step.
    """
    column, colon, step = over.rpartition(":")
    if not colon or (step not in STEPS and not column.strip()):
        return over, None
    if step not in STEPS:
        raise InputError(f"--over {over}: the step {step!r} is none of {', '.join(STEPS)}")
    return column, step


def group_of(cell: Any) -> str:
    """What the group of a row is called by its cell."""
    if type(cell) is str and 0 < len(cell) < 100:  # as most are; the rest is for what spreadsheets and pandas have
        return cell.strip() or NONE
    return NONE if is_empty(cell) else cut(str(plain_cell(cell)).strip())


class Survey:
    """Counts the rows of a report by the columns that it groups them by, and finds the periods of its times.

    Args:
        by, over: see below.
        step: of the periods; None for one that fits.
        order: of day, month and year: "dmy", "mdy", "ymd"; "" to find it out.
        guessed: columns that the caller does not ask for; they are left alone where they tell nothing.

    Attributes:
        by: the columns of groups.
        over: the column of times; "" where there is none.
        rows: how many rows there are.
        groups: of each column of *by*, its groups and how many rows each has, the largest first, `KEPT` at most.
        rest: of each column of *by*, how many groups and rows there are besides these.
        times: reads the column of times.
        periods: that rows are counted in; None without a time.
        notes: a line for each thing that was assumed.
    """

    def __init__(
        self, by: Sequence[str] = (), over: str = "", step: str | None = None, order: str = "",
        guessed: Collection[str] = (),
    ) -> None:  # fmt: skip
        self.by, self.over, self._step, self._guessed = tuple(dict.fromkeys(by)), over, step, guessed
        self.rows = 0
        self._counts = {column: Counter[str]() for column in self.by}
        self.groups: dict[str, dict[str, int]] = {}
        self.rest: dict[str, tuple[int, int]] = {}
        self.times = TimeColumn(over, order) if over else None
        self.periods: Periods | None = None
        self._period_names: dict[Time, str] = {}
        self.notes = list[str]()

    def run(self, rows: Iterable[Columns]) -> Survey:
        """Go through all rows.

        Raises:
            InputError: a column has too many values to be one of groups, or no times; or too many periods.
        """
        for columns in rows:
            self.rows += 1
            for column, counts in self._counts.items():
                if len(counts) <= GROUPS:
                    counts[group_of(columns.get(column))] += 1
                if len(counts) > GROUPS and column not in self._guessed:
                    many = f"{column} has more than {GROUPS:,} different values in {self.rows:,} rows"
                    raise InputError(f"--by {column}: {many}; groups need a column with few")
            if self.times:
                self.times.add(columns.get(self.over))
        for column, counts in self._counts.items():
            if column in self._guessed and not 1 < len(counts) <= GROUPS:
                continue
            self.groups[column] = dict(counts.most_common(KEPT))
            others = len(counts) - len(self.groups[column])
            self.rest[column] = others, counts.total() - sum(self.groups[column].values())
        if self.times and self.rows:
            self._settle(self.times)
        return self

    def _settle(self, times: TimeColumn) -> None:
        times.settle()
        if self.over in self._guessed and times.dated < max(2, times.filled / 2):
            self.over, self.times = "", None
            return
        if times.first is None or times.last is None or times.dated < times.filled / 2:
            found = f"{times.dated:,} of its {times.filled:,} filled cells are dates" if times.filled else "it is empty"
            raise InputError(f"--over {self.over}: {found}" + (f", and {times.odd!r} is none" if times.odd else ""))
        self.periods = Periods.between(times.first, times.last, self._step, self.over)
        missing = self.rows - times.dated
        if times.note:
            self.notes.append(times.note)
        if missing:
            odd = f", {times.filled - times.dated:,} of them with a cell that is no date, such as {times.odd!r}"
            more = odd if times.filled > times.dated else ""
            self.notes.append(f"{missing:,} of {self.rows:,} rows have no date in {self.over}{more}")

    def period_of(self, columns: Columns) -> str | None:
        """The period of a row; None where it has no time."""
        if self.times is None or self.periods is None or (time := self.times.read(columns.get(self.over))) is None:
            return None
        start = self.periods.start(time)
        if (name := self._period_names.get(start)) is None:
            name = self._period_names[start] = self.periods.name(start)
        return name

    def shown(self, column: str, cell: Any) -> str:
        """A cell as a page shows it: a date as it was read, in the form that sorts."""
        time = self.times.read(cell) if self.times and column == self.over else None
        if not isinstance(time, datetime):
            return cut(str(cell), 80)
        return time.isoformat(" ", "minutes").removesuffix(" 00:00")

    @property
    def period_names(self) -> list[str]:
        """All periods, in order, those without rows too."""
        return [self.periods.name(start) for start in self.periods] if self.periods else []

    def timed(self, column: str) -> frozenset[str]:
        """The groups of a column that are counted over time too."""
        most = min(TIMED, _CELLS // len(self.periods)) if self.periods else 0
        return frozenset(list(self.groups.get(column, ()))[:most])
