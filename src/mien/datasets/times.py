"""Times in the cells of a column: ISO 8601, dates as people write them, seconds since 1970, seconds of a recording.

A column is gone through once before it is read, because "03/04/2024" alone does not say which number is the month.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import combinations
from typing import Any

from mien.datasets.chats.dates import NAMES, ORDERS, make_date, whole_year
from mien.errors import cut, quoted

Time = datetime | float  # a time of the clock, or seconds from the start of a recording

_HALF = r"(?:\s*([ap])\.?(?:m\.?)?(?![a-z]))?"  # of the day
_OFFSET = r"(?: ?(?:UTC|GMT)?[+-]\d\d?(?::?\d\d)?|\s*(?-i:[A-Z]{3,5}))?(?: \([^)]*\))?"  # of a zone, which is left out
_CLOCK = rf"(?:(?:[ T,]| at )+(\d{{1,2}}):(\d\d)(?::(\d\d)(?:[.,]\d+)?)?{_HALF}{_OFFSET})?"
_NUMBERS = re.compile(rf"(\d{{1,4}})([./-])(\d{{1,2}})\2(\d{{1,4}})\.?{_CLOCK}", re.IGNORECASE)
_DAY_FIRST = re.compile(
    rf"(?:[a-z]+,? +)?(\d{{1,2}})\.?(?:st|nd|rd|th)?[ -]+([a-z]{{3,9}})\.?,?[ -]+(\d{{4}}|\d\d){_CLOCK}", re.I
)
_MONTH_FIRST = re.compile(rf"(?:[a-z]+,? +)?([a-z]{{3,9}})\.? +(\d{{1,2}})(?:st|nd|rd|th)?,? +(\d{{4}}){_CLOCK}", re.I)
_YEAR_LAST = re.compile(r"[a-z]{3} ([a-z]{3}) +(\d{1,2}) (\d\d):(\d\d):(\d\d) (?:[+-]\d{4} |[A-Z]{3,4} )?(\d{4})", re.I)
_MONTH, _EPOCH = re.compile(r"(\d{4})[-/](\d{1,2})"), re.compile(r"(\d{10}|\d{13})(?:\.\d+)?")
_YEAR, _ZONE = re.compile(r"(?:19|20)\d\d"), re.compile(r" ?(?:UTC|GMT)$")
_MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip
_FEW = 4  # dates of which one cannot tell whether they are in the order of time
_RECORDINGS = ("time", "start", "end", "seconds", "offset", "timestamp")  # columns whose numbers are seconds of one


class TimeColumn:
    """Reads the times of a column once all of its cells were shown to it.

    Attributes:
        filled: cells that were not empty.
        dated: of these, those that are times in the order that was found.
        order: of day, month and year in dates of three numbers; "" where there are none.
        rival: another order that would do as well; "" where there is none.
        odd: a cell that is no time; "" where there is none.
        first, last: the earliest and the latest time; None where there is none.
    """

    def __init__(self, name: str, order: str = "") -> None:
        self.name, self.order, self._told = name, order, order
        self.filled = self.dated = 0
        self.rival = self.odd = ""
        self._differ: dict[tuple[str, str], str] = {}  # two orders → a date that they read as two days
        self._orders = {key: _Order() for key in ORDERS}
        self._plain, self._numbers, self._half_days, self._dots = _Span(), 0, 0, 0
        self.first: Time | None = None
        self.last: Time | None = None
        self._recording = name.casefold() in _RECORDINGS

    def add(self, cell: Any) -> None:
        """One more cell."""
        if is_empty(cell):
            return
        self.filled += 1
        found = _parse(cell if isinstance(cell, str | int | float) else str(cell), self._recording)
        if isinstance(found, tuple):
            self._numbers += 1
            self._half_days += found[2]
            self._dots += found[1] == "."
            days = {key: _in_order(found, key) for key in ORDERS}
            for key, day in days.items():
                self._orders[key].add(day, str(cell))
            if found[1] == "-" or ("dmy", "mdy") not in self._differ:
                self._compare(days, str(cell).strip())
        elif found is not None:
            self._plain.add(found)
        elif not self.odd:
            self.odd = quoted(cut(str(cell), 40))

    def _compare(self, days: dict[str, datetime | None], text: str) -> None:
        for pair in combinations(ORDERS, 2):
            one, other = (days[key] for key in pair)
            if one and other and one != other:
                self._differ.setdefault(pair, text)

    def settle(self) -> None:
        """Decide the order of day, month and year, by what makes dates of most cells, and by what is sorted then."""
        spans = [self._plain]
        if self._numbers:
            fewest = min(found.wrong for found in self._orders.values())
            fitting = [key for key, found in self._orders.items() if found.wrong == fewest]
            even = [key for key in fitting if self._orders[key].is_even]
            usual = "mdy" if self._half_days and not self._dots else "dmy"
            best = next((key for key in (usual, *ORDERS) if key in fitting), usual)
            decided = fitting if len(fitting) == 1 else even if len(even) == 1 else []
            self.order = self._told or (decided or [best])[0]
            rivals = [key for key in fitting if self._example(key)]
            self.rival = "" if self._told or decided or not rivals else rivals[0]
            spans.append(self._orders[self.order])
            self.odd = self.odd or self._orders[self.order].odd
        self.dated = sum(span.count for span in spans)
        ends = [(span.first, span.last) for span in spans if span.first is not None]
        seconds = [isinstance(first, float) for first, _ in ends]
        if any(seconds) and not all(seconds):  # dates win over plain numbers
            ends = [pair for pair, plain in zip(ends, seconds, strict=True) if not plain]
        self.first = min((first for first, _ in ends if first is not None), default=None)
        self.last = max((last for _, last in ends if last is not None), default=None)

    @property
    def note(self) -> str:
        """How dates of three numbers were read, in one line; "" where there is nothing to say."""
        if not self.order or not self._numbers:
            return ""
        if not self.rival:
            return f"dates in {self.name} are read as {NAMES[self.order]}"
        example, other = quoted(self._example(self.rival)), NAMES[self.rival]
        taken = f"dates in {self.name}, such as {example}, are taken for {NAMES[self.order]}"
        return f"{taken}: nothing in the data decides; --dates {self.rival} reads them as {other}"

    def _example(self, other: str) -> str:
        """A date that another order reads as another day; "" where there is none."""
        return self._differ.get((self.order, other)) or self._differ.get((other, self.order)) or ""

    def read(self, cell: Any) -> Time | None:
        """The time in a cell, as written there, whatever its zone; None where there is none."""
        if not isinstance(cell, str) and is_empty(cell):
            return None
        found = _parse(cell if isinstance(cell, str | int | float) else str(cell), self._recording)
        found = _in_order(found, self.order) if isinstance(found, tuple) else found
        return found if self.first is None or isinstance(found, type(self.first)) else None


class _Span:
    """The times seen so far."""

    def __init__(self) -> None:
        self.count, self.wrong, self.odd = 0, 0, ""
        self.first: Time | None = None
        self.last: Time | None = None

    def add(self, time: Time | None, text: str = "") -> None:
        if time is None:
            self.wrong, self.odd = self.wrong + 1, self.odd or quoted(cut(text, 40))
            return
        if isinstance(self.first, float) and isinstance(time, datetime):
            self.first = self.last = None  # dates win over plain numbers
        if self.first is None or self.last is None:
            self.first = self.last = time
        elif type(time) is type(self.first):
            self.first, self.last = min(self.first, time), max(self.last, time)
        self.count += 1


class _Order(_Span):
    """Dates of three numbers, read in one order."""

    def __init__(self) -> None:
        super().__init__()
        self._changes, self._before = [0, 0], datetime.min

    def add(self, time: Time | None, text: str = "") -> None:
        super().add(time, text)
        if isinstance(time, datetime):
            if self._before not in (datetime.min, time):
                self._changes[time < self._before] += 1
            self._before = time

    @property
    def is_even(self) -> bool:
        """Whether time goes in one direction alone, as in a table that is sorted by it."""
        return max(self._changes) >= _FEW and not min(self._changes)


def is_empty(cell: Any) -> bool:
    """Whether a cell holds nothing."""
    return cell is None or str(cell).strip() in ("", "nan", "NaN", "NaT", "<NA>")


_Parts = tuple[tuple[str, str, str], str, bool, timedelta]  # three numbers, separator, a.m. or p.m., time of day


@lru_cache(4096)
def _parse(cell: str | float, recording: bool) -> Time | _Parts | None:
    """A time; or the parts of a date whose order is not known yet."""
    if not isinstance(cell, str):
        if (number := _of_number(float(cell), recording)) is not None or not float(cell).is_integer():
            return number
        cell = str(int(cell))  # 2024 and 20240312 are the same in a workbook as in a CSV file
    text = _ZONE.sub("", cell.strip())
    try:
        return datetime.fromisoformat(text).replace(tzinfo=None)
    except ValueError:
        pass
    if found := _NUMBERS.fullmatch(text):
        first, separator, second, third, *clock = found.groups()
        time, day = _time_of_day(*clock), _date(int(first), int(second), int(third))
        if time is None or len(first) > 2:
            return None if time is None or day is None or len(first) == 3 else day + time
        return (first, second, third), separator, clock[3] is not None, time
    return _in_words(text) or _of_digits(text, recording)


def _of_digits(text: str, recording: bool) -> Time | None:
    if found := _MONTH.fullmatch(text):
        return _date(int(found[1]), int(found[2]), 1)
    if _YEAR.fullmatch(text):
        return datetime(int(text), 1, 1)
    try:
        return _of_number(float(text), recording) if recording or _EPOCH.fullmatch(text) else None
    except ValueError:
        return None


def _of_number(number: float, recording: bool) -> Time | None:
    """Seconds or milliseconds since 1970, from 2001 on; or smaller numbers, seconds of a recording."""
    for unit in (1.0, 1e3):
        if 1e9 <= number / unit < 4.2e9:
            return datetime(1970, 1, 1) + timedelta(seconds=number / unit)
    return number if recording and 0 <= number < 1e6 else None


def _in_words(text: str) -> datetime | None:
    """A date whose month is a word."""
    if found := _DAY_FIRST.fullmatch(text):
        day, month, year, *clock = found.groups()
    elif found := _MONTH_FIRST.fullmatch(text):
        month, day, year, *clock = found.groups()
    elif found := _YEAR_LAST.fullmatch(text):
        month, day, *clock, year = found.groups()
        clock.append(None)
    else:
        return None
    word = month.casefold().replace("sept", "sep", len(month) == 4)
    place = next((number for number, name in enumerate(_MONTHS, 1) if name.startswith(word)), 0)
    time, when = _time_of_day(*clock), _date(whole_year(year), place, int(day))
    return None if when is None or time is None else when + time


def _date(year: int, month: int, day: int) -> datetime | None:
    try:
        return datetime(year, month, day)
    except ValueError:
        return None


def _time_of_day(hour: str | None, minute: str | None, second: str | None, half: str | None) -> timedelta | None:
    if hour is None:
        return timedelta()
    hours = int(hour) % 12 + 12 * (half.casefold() == "p") if half else int(hour)
    whole = hours < 24 and int(minute or 0) < 60 and int(second or 0) < 61
    return timedelta(hours=hours, minutes=int(minute or 0), seconds=int(second or 0)) if whole else None


def _in_order(parts: _Parts, order: str) -> datetime | None:
    if order == "ymd" and parts[1] != "-":  # 24/03/12 is a year first in no place where one writes so
        return None
    day = make_date(parts[0], order)
    return datetime(day.year, day.month, day.day) + parts[3] if day else None
