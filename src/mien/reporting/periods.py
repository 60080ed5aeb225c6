"""Periods of time that rows are counted in: hours, days, weeks, months, or parts of a recording."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from mien.datasets.times import Time
from mien.errors import InputError

STEPS = ("hour", "day", "week", "month", "year")
MOST = 2000  # periods of a report
_AUTO = {"hour": 3, "day": 92, "week": 3 * 366, "month": 15 * 366}  # step → the days up to which it is taken
_SECONDS = (1, 2, 5, 10, 30, 60, 300, 900, 3600)  # steps of a recording
_PARTS = 60  # about so many of a recording


@dataclass(frozen=True)
class Periods:
    """The periods between two times.

    Attributes:
        step: "hour", "day", "week", "month" or "year"; of a recording "N s".
        first: the start of the first period.
        last: the start of the last one.
    """

    step: str
    first: Time
    last: Time

    @classmethod
    def between(cls, first: Time, last: Time, step: str | None, column: str) -> Periods:
        """Those from the period of *first* to that of *last*.

        Args:
            step: one of `STEPS`; None for one that gives neither few periods nor many.

        Raises:
            InputError: there would be too many.
        """
        if isinstance(first, float) or isinstance(last, float):
            if step not in (None, "hour"):
                seconds = f"times in {column} are seconds of a recording"
                raise InputError(f"--over {column}:{step}: {seconds}; take {column}, or {column}:hour")
            wanted = {"hour": 3600}.get(step or "")
            length = next((part for part in _SECONDS if float(last) / part <= _PARTS), _SECONDS[-1])  # type: ignore[arg-type]
            made = cls(f"{wanted or length} s", 0.0, 0.0)
            return cls(made.step, 0.0, made.start(last))
        days = (last - first) / timedelta(days=1)
        step = step or next((name for name, most in _AUTO.items() if days <= most), "year")
        made = cls(step, first, last)
        found = cls(step, made.start(first), made.start(last))
        if len(found) > MOST:
            longer = STEPS[min(STEPS.index(step) + 1, len(STEPS) - 1)]
            span = f"from {first:%Y-%m-%d} to {last:%Y-%m-%d}"
            more = f"--over {column}:{step} would make {len(found):,} periods {span}"
            raise InputError(f"{more}, {MOST:,} at most: take {column}:{longer}, or see whether these dates are right")
        return found

    def __len__(self) -> int:
        if isinstance(self.first, float) or isinstance(self.last, float):
            return round(float(self.last) / self._seconds) + 1  # type: ignore[arg-type]
        if self.step == "month":
            return 12 * (self.last.year - self.first.year) + self.last.month - self.first.month + 1
        if self.step == "year":
            return self.last.year - self.first.year + 1
        return (self.last - self.first) // self._length + 1

    @property
    def _seconds(self) -> int:
        return int(self.step.removesuffix(" s"))

    @property
    def _length(self) -> timedelta:
        return {"hour": timedelta(hours=1), "day": timedelta(days=1)}.get(self.step, timedelta(weeks=1))

    def start(self, time: Time) -> Time:
        """When the period that holds a time begins; weeks begin on Monday."""
        if isinstance(time, float):
            return time // self._seconds * self._seconds
        if self.step == "hour":
            return time.replace(minute=0, second=0, microsecond=0)
        day = datetime(time.year, time.month, time.day)
        if self.step == "week":
            return day - timedelta(days=min(day.weekday(), (day - datetime.min).days))
        return day.replace(day=1, month=1 if self.step == "year" else day.month) if self.step in STEPS[3:] else day

    def name(self, start: Time) -> str:
        """What a period is called: 2024-03-12T21, 2024-03-12 (a day, or a week's Monday), 2024-03, 2024, or 0:35."""
        if isinstance(start, float):
            minutes, seconds = divmod(int(start), 60)
            return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}" if minutes >= 60 else f"{minutes}:{seconds:02}"
        return start.isoformat()[: {"hour": 13, "month": 7, "year": 4}.get(self.step, 10)]

    def __iter__(self) -> Iterator[Time]:
        """The starts of all periods, in order."""
        start = self.first
        while True:
            yield start
            if start == self.last:
                return
            if isinstance(start, float):
                start += self._seconds
            elif self.step == "month":
                start = start.replace(year=start.year + start.month // 12, month=start.month % 12 + 1)
            elif self.step == "year":
                start = start.replace(year=start.year + 1)
            else:
                start += self._length
