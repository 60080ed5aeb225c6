"""A JSON document a part at a time, so that an export of any size takes the memory of one message."""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from mien.datasets.lines import ROW_LIMIT, check_encoding, weight
from mien.errors import DataError

Path = tuple[str | int, ...]  # keys and places from the outside in
Inside = Callable[[Path], bool]  # whether a list or an object is gone into, instead of given as a whole
_BLANKS = " \t\r\n"
_VALUES = 250_000  # of one part


def walk(parts: Iterable[bytes], name: str, inside: Inside, encoding: str | None = None) -> Iterator[tuple[Path, Any]]:
    """The values of a document, each with the keys and places that lead to it.

    Args:
        parts: the bytes, in pieces of any length.
        name: of the file, for messages.
        inside: which lists and objects are gone into; all others are given whole, and are at most `ROW_LIMIT` long.
        encoding: where it is not that of JSON (UTF-8, UTF-16 or UTF-32).

    Raises:
        DataError: it is no JSON, cut off, too deep, or has too large a part.
    """
    return _Text(_decoded(iter(parts), name, encoding), name).walk(inside, ())


def _decoded(parts: Iterator[bytes], name: str, encoding: str | None) -> Iterator[str]:
    first = next(parts, b"")
    found = check_encoding(encoding) or json.detect_encoding(first)
    decoder = codecs.getincrementaldecoder(found)("strict")
    try:
        yield decoder.decode(first).removeprefix("\ufeff")
        for part in parts:
            yield decoder.decode(part)
        yield decoder.decode(b"", final=True)
    except UnicodeError:
        raise DataError(f"{name} has bytes that are not {found}: name its encoding (encoding=, --encoding)") from None


class _Text:
    """The text of a document, of which a part is in memory."""

    def __init__(self, parts: Iterator[str], name: str) -> None:
        self._parts, self._name, self._text, self._at, self._gone = parts, name, "", 0, 0
        self._decoder = json.JSONDecoder()

    def walk(self, inside: Inside, path: Path) -> Iterator[tuple[Path, Any]]:
        opening = self._peek()
        if opening not in ("{", "[") or not inside(path):
            yield path, self._value()
            return
        self._at += 1
        closing = "}" if opening == "{" else "]"
        place = 0
        while self._peek() != closing:
            if place and not self._passed(","):
                raise self._fault("a comma is missing")
            if opening == "[":
                step: str | int = place
            elif not isinstance(step := self._value(), str) or not self._passed(":"):
                raise self._fault("a key is missing")
            yield from self.walk(inside, (*path, step))
            place += 1
        self._at += 1

    def _passed(self, sign: str) -> bool:
        found = self._peek() == sign
        self._at += found
        return found

    def _peek(self) -> str:
        """The next character that is not blank; it stays."""
        while True:
            while self._at < len(self._text) and self._text[self._at] in _BLANKS:
                self._at += 1
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                raise self._fault("it ends in the middle")

    def _more(self, size: int = 1) -> bool:
        """Add at least so many characters; False at the end of the file."""
        found, length = list[str](), 0
        for part in self._parts:
            found.append(part)
            length += len(part)
            if length >= size:
                break
        self._gone += self._at
        self._text, self._at = "".join([self._text[self._at :], *found]), 0
        return length > 0

    def _value(self) -> Any:
        self._peek()
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
                if end < len(self._text) or not self._more():  # a number at the end may go on
                    break
                continue
            except RecursionError:
                raise self._fault("it is nested too deep") from None
            except json.JSONDecodeError as error:
                problem = error.msg
            except ValueError as error:  # a number of thousands of digits
                raise self._fault(str(error)[:80]) from None
            there = len(self._text) - self._at
            if there > ROW_LIMIT:
                raise self._fault(f"{problem}, or a part of more than {ROW_LIMIT:,} characters")
            if not self._more(there):
                raise self._fault(problem)
        try:
            if isinstance(value, dict | list):
                if sum(self._text.count(sign, self._at, end) for sign in "[{,") > _VALUES:
                    raise DataError(f"has more than {_VALUES:,} values")
                weight([value])
        except DataError as error:
            raise self._fault(f"a part {error}") from None
        self._at = end
        return value

    def _fault(self, what: str) -> DataError:
        return DataError(
            f"{self._name} is no JSON that can be read: {what}, at character {self._gone + self._at + 1:,}"
        )
