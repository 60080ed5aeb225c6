"""Tables of JSON: an object a line; an array of objects, read one at a time; or either somewhere in a document."""

from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Iterable, Iterator
from typing import Any

from mien.datasets.lines import ROW_LIMIT, blocks, decoded_text, open_binary, shown, weight
from mien.datasets.names import LABEL_NAMES, TEXT_NAMES, usual_columns
from mien.datasets.table_file import COLUMN_LIMIT, Record, RecordTable, TextTable, numbered
from mien.errors import DataError, quoted

VALUE_LIMIT = 250_000  # of a line of JSON
_DOCUMENT, _VALUES = 2**26, 4_000_000  # characters and values of a document that is read as a whole
_LOOKAHEAD = 1000
_DEPTH = 8  # of objects in a document among which the rows are looked for
_BLANK = " \t\r\n"

Item = tuple[int, dict[str, Any], int]


class ObjectTable(RecordTable):
    """Columns are the keys of the first thousand objects; a key that an object lacks is None."""

    _unit = "line"

    def _objects(self) -> Iterator[Item]:
        """The objects with their places, from 1, and about how many bytes each takes."""
        raise NotImplementedError

    def _names(self) -> Iterable[str]:
        names: dict[str, None] = {}
        for _, row, _ in itertools.islice(self._objects(), _LOOKAHEAD):
            names |= dict.fromkeys(row)
            if len(names) > COLUMN_LIMIT:
                break
        return names

    def _parse(self) -> Iterator[Record]:
        known, late = set(self.columns), False
        for number, row, size in self._objects():
            if not late and (late := not known.issuperset(row)):
                line = "warning: %s:%s has the key %r, which the first %s %ss lack: such keys are left out"
                key = quoted(next(name for name in row if name not in known))
                logger = logging.getLogger("mien")
                logger.warning(line, quoted(self.path), number, key, f"{_LOOKAHEAD:,}", self._unit)
            yield number, [row.get(name) for name in self.columns], size + 8 * len(self.columns)


class JsonLines(ObjectTable, TextTable):
    """One object a line."""

    def _objects(self) -> Iterator[Item]:
        for number, line in enumerate(self._lines(), 1):
            if not line.strip():
                continue
            try:
                if sum(map(line.count, "[{,")) > VALUE_LIMIT:
                    raise DataError(f"has more than {VALUE_LIMIT:,} values, too many for a row")
                row = json.loads(line)
                size = weight([row])
                if not isinstance(row, dict):
                    raise DataError(f"is a JSON {type(row).__name__}; every line must be an object")
            except RecursionError:
                raise DataError(f"{self.path}:{number} is nested too deep") from None
            except json.JSONDecodeError as error:
                raise DataError(f"{self.path}:{number} is not JSON: {error.msg} at character {error.pos + 1}") from None
            except DataError as error:
                raise DataError(f"{self.path}:{number} {error}") from None
            except ValueError as error:
                raise DataError(f"{self.path}:{number} is not JSON: {str(error)[:80]}") from None
            yield number, row, size


class JsonDocument(ObjectTable):
    """An array of objects, of texts or of rows of cells; several objects; or a document that holds such an array.

    In a document it is the longest list of objects in it, of those with texts; or columns, as pandas writes them.
    """

    _unit = "object"
    _held: list[Any] | None = None

    def _names(self) -> Iterable[str]:
        names = list(super()._names())
        if not names:
            raise DataError(f"{self.path} holds no objects")
        return names

    def _objects(self) -> Iterator[Item]:
        header: list[str] | None = None
        for number, value in enumerate(self._values(), 1):
            try:
                size = weight([value])
            except DataError as error:
                raise DataError(f"{self.path}:{number} {error}") from None
            if isinstance(value, str):
                value = {"text": value}  # noqa: PLW2901
            elif isinstance(value, list):
                if header is None:
                    header = [str(cell) for cell in value] if self._form.header else list(numbered(value))
                    if self._form.header:
                        continue
                if len(value) != len(header):
                    raise DataError(f"{self.path}:{number} has {len(value)} cells where there should be {len(header)}")
                value = dict(zip(header, value, strict=True))  # noqa: PLW2901
            if not isinstance(value, dict):
                raise DataError(f"{self.path}:{number} is a JSON {type(value).__name__}; every item must be an object")
            yield number, value, size

    def _values(self) -> Iterator[Any]:
        if self._held is not None:
            yield from self._held
            return
        with open_binary(self.path) as file:
            stream = _Stream(decoded_text(blocks(file, self.path), str(self.path), self._form.encoding), str(self.path))
            first = stream.peek()
            if first == "[":
                stream.skip("[")
                yield from stream.items("]")
                return
            if first != "{":
                raise DataError(f"{self.path} is not JSON: it begins with {stream.buffer[:20]!r}")
            value = stream.value(_DOCUMENT)
            if stream.peek():  # more objects
                yield value
                yield from stream.items("")
                return
        self._held = self._rows_in(value)
        yield from self._held

    def _rows_in(self, document: dict[str, Any]) -> list[Any]:
        """The rows of a document."""
        usual = usual_columns(list(document), (*TEXT_NAMES, *LABEL_NAMES))
        if usual and (columns := _columns(document)):
            return columns
        if any(isinstance(document[name], str) for name in usual):
            return [document]
        names: Any = document.get("columns")
        cells: Any = document.get("data")
        named = isinstance(names, list) and isinstance(cells, list) and len(cells) > 0
        if named and all(isinstance(row, list) and len(row) == len(names) for row in cells):
            return [dict(zip(map(str, names), row, strict=True)) for row in cells]
        lists: list[tuple[str, list[Any]]] = []
        level: list[tuple[str, Any]] = [("", document)]
        for _ in range(_DEPTH):
            level = [(f"{place}.{name}" if place else name, part)
                     for place, value in level if isinstance(value, dict) for name, part in value.items()]  # fmt: skip
            lists += [(place, part) for place, part in level if isinstance(part, list) and _is_rows(part)]
        if lists:
            place, rows = max(lists, key=lambda entry: (_has_texts(entry[1]), len(entry[1])))
            if len(lists) > 1:
                line = "note: %s: the %s objects under %r are read, and not those under %s"
                others = shown([name for name, _ in lists if name != place])
                logger = logging.getLogger("mien")
                logger.warning(line, quoted(self.path), f"{len(rows):,}", quoted(place), quoted(others))
            return rows
        values = list(document.values())
        if values and all(isinstance(value, dict) for value in values):  # pandas, by index
            return values
        return [document]


class _Stream:
    """Values of JSON one after the other, with no more text in memory than the longest of them."""

    def __init__(self, pieces: Iterator[str], name: str) -> None:
        self.buffer, self._at, self._pieces, self._name, self._count = "", 0, pieces, name, 0
        self._decode = json.JSONDecoder().raw_decode

    def peek(self) -> str:
        """The next character that is no blank; "" at the end."""
        while True:
            while self._at < len(self.buffer) and self.buffer[self._at] in _BLANK:
                self._at += 1
            if self._at < len(self.buffer):
                return self.buffer[self._at]
            if not self._more(1):
                return ""

    def skip(self, character: str) -> None:
        """Pass over a character that must be there."""
        if self.peek() != character:
            raise DataError(f"{self._name}: item {self._count} is followed by no {character!r}: it is no JSON, or cut")
        self._at += 1

    def items(self, end: str) -> Iterator[Any]:
        """The values up to *end*, with commas between them; with *end* "" those up to the end, without."""
        if self.peek() == end:
            return
        while True:
            yield self.value()
            if end and self.peek() != end:
                self.skip(",")
            elif self.peek() == end:
                break
        if end:
            self.skip(end)
            if self.peek():
                raise DataError(f"{self._name} goes on behind its JSON")

    def value(self, most: int = 0) -> Any:
        """The next value, of at most so many characters, or as many as a row may have."""
        most = most or ROW_LIMIT
        self._count += 1
        self.peek()
        while True:
            fault, value, end = "", None, 0
            try:
                value, end = self._decode(self.buffer, self._at)
            except RecursionError:
                raise DataError(f"{self._name}:{self._count} is nested too deep") from None
            except ValueError as error:
                fault, end = getattr(error, "msg", str(error)[:80]), len(self.buffer)
            length = end - self._at
            values = sum(map(self.buffer.count, "[{,")) if length > ROW_LIMIT else 0
            if length > most or values > _VALUES:
                what = f"is longer than {most:,} characters or {_VALUES:,} values{', or no JSON' if fault else ''}"
                hint = "; write its objects as one array, or one a line (.jsonl)" if most > ROW_LIMIT else ""
                raise DataError(f"{self._name}:{self._count} {what}{hint}")
            more = end == len(self.buffer) and self._more(max(1, length if fault else 1))  # it may go on there
            if not more and fault:
                raise DataError(f"{self._name}:{self._count} is not JSON, or cut off: {fault}")
            if not more:
                self._at = end
                return value

    def _more(self, size: int) -> bool:
        """Take so many characters more, or what there is; whether there was anything."""
        parts, got = [self.buffer[self._at :]], 0
        while got < size and (piece := next(self._pieces, None)) is not None:
            parts.append(piece)
            got += len(piece)
        if got:
            self.buffer, self._at = "".join(parts), 0
        return got > 0


def _has_texts(rows: list[Any]) -> bool:
    return bool(usual_columns(list(rows[0]), TEXT_NAMES))


def _is_rows(values: list[Any]) -> bool:
    return bool(values) and all(isinstance(value, dict) for value in values)


def _columns(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of columns, where each value is a list, or an object of cells by index; none where that is not so."""
    values = list(document.values())
    if all(isinstance(value, list) for value in values) and len({len(value) for value in values}) == 1:
        return [dict(zip(document, cells, strict=True)) for cells in zip(*values, strict=True)]
    if all(isinstance(value, dict) for value in values) and all(value.keys() == values[0].keys() for value in values):
        return [{name: cells[key] for name, cells in document.items()} for key in values[0]]
    return []
