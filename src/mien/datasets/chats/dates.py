"""Dates whose order of day, month and year is not stated: it is found out over all of a chat."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

ORDERS = {"dmy": (2, 1, 0), "mdy": (2, 0, 1), "ymd": (0, 1, 2)}  # the places of year, month and day
NAMES = {"dmy": "day/month/year", "mdy": "month/day/year", "ymd": "year/month/day"}
_PIVOT = 69  # years of two digits are 1969 to 2068, as POSIX has it


def make_date(parts: Sequence[str], order: str) -> date | None:
    """The date of three numbers in an order; None where there is none."""
    written = [parts[place] for place in ORDERS[order]]
    if len(written[1]) > 2 or len(written[2]) > 2 or len(written[0]) not in (2, 4):
        return None
    try:
        return date(whole_year(written[0]), int(written[1]), int(written[2]))
    except ValueError:
        return None


def whole_year(written: str) -> int:
    """A year of four digits, or of two."""
    year = int(written)
    return year if len(written) > 2 else year + (1900 if year >= _PIVOT else 2000)


def iso(text: object) -> str | None:
    """A date as text in the one form of ISO 8601 that all messages have; None where it is none."""
    try:
        return datetime.fromisoformat(str(text)).isoformat(timespec="seconds")
    except (ValueError, OverflowError):
        return None


class DateOrder:
    """Finds the order of the dates of a chat, given one by one.

    The order that makes dates of most of them is taken; then the one in which time goes back least often; then, and
    this is a guess, the one in which the chat takes the least time. That the year stands first is guessed of no others
    than chats of the Far East.
    """

    def __init__(self) -> None:
        self._wrong = dict.fromkeys(ORDERS, 0)
        self._back = dict.fromkeys(ORDERS, 0)
        self._days = dict.fromkeys(ORDERS, 0)
        self._last: dict[str, date] = {}
        self._previous: tuple[str, ...] = ()
        self._differ: set[tuple[str, str]] = set()
        self.example = ""

    def add(self, parts: Sequence[str]) -> None:
        """One more date, as three numbers."""
        if (parts := tuple(parts)) == self._previous:
            return
        self._previous = parts
        found = {order: make_date(parts, order) for order in ORDERS}
        for order, day in found.items():
            if day is None:
                self._wrong[order] += 1
                continue
            last = self._last.get(order, day)
            self._back[order] += day < last
            self._days[order] += abs((day - last).days)
            self._last[order] = day
        given = [(order, day) for order, day in found.items() if day]
        new = {(a, b) for a, first in given for b, second in given if first != second} - self._differ
        if new:
            self._differ |= new
            self.example = "/".join(parts)

    def best(self, usual: str = "dmy") -> tuple[str, str]:
        """The order, and the other one that would do as well; "" where that is none.

        Args:
            usual: the order where times are written as in this chat.
        """

        def rank(order: str) -> tuple[int, int, bool, int]:
            return self._wrong[order], self._back[order], "ymd" in (order, usual) and order != usual, self._days[order]

        found, *others = sorted([usual, *(order for order in ORDERS if order != usual)], key=rank)
        as_good = (other for other in others if rank(other)[:3] == rank(found)[:3])
        return found, next((other for other in as_good if (found, other) in self._differ), "")
