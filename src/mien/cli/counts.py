"""The counts and the JSON document of ``predict``: what was read, what was not, and what was left out."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mien.cli.inputs import counted
from mien.errors import InputError, MienError, print_json, print_line
from mien.modalities.text import EMPTY

if TYPE_CHECKING:
    from mien.results import Result

_LEFT_OUT = "left out of the folders: "


@dataclass
class Unread:
    """Counts the results that go by, and those of inputs that could not be read.

    An empty line or cell of a file is no failure: it has a result, without a label, so that all line up with it.
    """

    total: int = 0
    failed: int = 0
    empty: int = 0
    problem: str | None = None

    def watch(self, results: Iterable[Result]) -> Iterator[Result]:
        for result in results:
            self.total += 1
            self.empty += result.error == EMPTY
            self.failed += result.error not in (None, EMPTY)
            self.problem = self.problem or (None if result.error == EMPTY else result.error)
            yield result

    def tell(self, given: int, left_out: Mapping[str, int] | None) -> None:
        """Say what was not read, in the last line.

        Args:
            given: how many of the empty texts stand on the command line itself; they are a slip.
            left_out: what was left out of folders.

        Raises:
            InputError: inputs could not be read.
        """
        empty = self.empty - given
        told = f"{empty:,} of {self.total:,} texts without a label, because empty" if empty else ""
        if failed := self.failed + given:
            many = f"{failed:,} of {self.total:,} inputs" if self.total > 1 else "the input"
            line = f"{many} could not be read: {self.problem or EMPTY}"
            raise InputError(with_left_out("; ".join(filter(None, (line, told))), left_out))
        if told:
            print_line(told, sys.stderr)
        say_left_out(left_out)

    def left_out(self, given: int, of_folders: Counter[str] | None) -> dict[str, int] | None:
        """What the document counts: what was left out of folders, and empty lines, cells and rows."""
        counts = Counter(of_folders or {}) + Counter({EMPTY: self.empty - given})
        return dict(counts) if counts or of_folders is not None else None


def print_results(
    model: str, results: Iterable[Result], left_out: Callable[[], Mapping[str, int] | None] = lambda: None
) -> None:
    """One JSON document."""
    print_json(head(model), end="")
    try:
        for number, result in enumerate(results):
            print_json(("," if number else "") + "\n " + json.dumps(result.to_dict(), ensure_ascii=False), end="")
    except MienError as error:  # a table damaged further down: the document stays one
        print_json('\n], "error": ' + json.dumps(str(error), ensure_ascii=False) + "}")
        raise
    print_json(tail(left_out()))


def head(model: str) -> str:
    """How a document of results begins."""
    return json.dumps({"model": model}, ensure_ascii=False)[:-1] + ', "results": ['


def tail(left_out: Mapping[str, int] | None) -> str:
    """How it ends: with what was left out, by ending or reason, where there was something to leave out."""
    more = "" if left_out is None else ', "left_out": ' + json.dumps(left_out, ensure_ascii=False)
    return f"\n]{more}}}"


def with_left_out(line: str, left_out: Mapping[str, int] | None) -> str:
    """A line, and behind it what was left out of folders."""
    return "; ".join(part for part in (line, f"{_LEFT_OUT}{counted(left_out)}" if left_out else "") if part)


def say_left_out(left_out: Mapping[str, int] | None) -> None:
    """Report what was left out of folders."""
    if left_out:
        print_line(with_left_out("", left_out), sys.stderr)
