"""Tables of any usual format, a chunk at a time: the memory does not grow with the file.

======================== ============================================ ===================
suffix                   format                                       needs
======================== ============================================ ===================
.csv                     comma, semicolon, tab or |, quotes, header   nothing
.tsv                     tabs, quotes (or none), header               nothing
.jsonl .ndjson           one JSON object a line                       nothing
.txt                     one text a line, in the column "text"        nothing
.parquet .pq             Parquet                                      extra "table"
.pkl .pickle             a pickled DataFrame, read safely             extra "table"
======================== ============================================ ===================

each of them also with .gz, .xz or .bz2 behind. Encodings, and what a row may hold: :mod:`mien.datasets.lines`.
"""

from __future__ import annotations

import csv
import itertools
import json
import logging
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from mien.datasets.lines import PACKED, ROW_LIMIT, allowed_size, check_encoding, open_binary, spans, weight
from mien.datasets.parquet import open_parquet, read_rows
from mien.datasets.pickled_tables import read_pickled_table
from mien.datasets.table_file import COLUMN_LIMIT, Chunk, Record, Table, TextTable
from mien.errors import DataError, quoted, require
from mien.inputs import table_suffix
from mien.media.pickles import LIMIT

__all__ = ["Table", "cell_text", "open_table", "table_suffix"]

VALUE_LIMIT = 250_000  # of a line of JSON
_DELIMITERS = ",;\t|"
_JSON_LOOKAHEAD = 1000
_QUOTE_FAULTS = {
    "unexpected end of data": "a quote that is not closed",
    "rows within quotes": "a quote that is closed lines later, and every line between could be a row",
}

LINES = ("text",)  # the columns of a file of lines


def open_table(
    path: str | Path,
    *,
    columns: Sequence[str] | None = None,
    quotes: bool = True,
    limit: int = LIMIT,
    encoding: str | None = None,
) -> Table:
    """Open a table for reading in chunks.

    Args:
        path: the file; its suffix says the format.
        columns: names for the columns of a file without a header.
        quotes: whether quotes enclose fields in a .tsv, or are characters like any other.
        limit: bytes that a pickle may unpack to.
        encoding: of its text; None where :mod:`mien.datasets.lines` finds it out.

    Raises:
        DataError: no such file, no file, no permission, empty, of an unknown format, too large in one row, or damaged.
        MissingExtra: the format needs a package that is not installed.
    """
    path = Path(path)
    kind = table_suffix(path)
    if kind is None:
        raise DataError(f"{path} is no table; those end in {' '.join(_FORMATS)}, perhaps with .gz, .xz or .bz2")
    check_encoding(encoding)
    with open_binary(path) as file:
        if not file.read(1):
            raise DataError(f"{path} is empty")
    return _FORMATS[kind](path, columns, quotes, limit, encoding)


def cell_text(cell: Any) -> str | None:
    """A cell as text; None where it holds nothing (None, NaN, blanks).

    Raises:
        DataError: it holds a list, or bytes that are no text.
    """
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return None
    if isinstance(cell, list | tuple | dict):
        raise DataError(f"a cell holds a {type(cell).__name__} where a text should be: {str(cell)[:40]}")
    try:
        text = cell.decode("utf-8") if isinstance(cell, bytes) else str(cell)
    except UnicodeDecodeError:
        raise DataError("a cell holds bytes that are not UTF-8 where a text should be") from None
    return text if text.strip() else None


class _Text(TextTable):
    """One text a line; an empty line is an empty text, so that results line up with the file."""

    def _names(self) -> Iterable[str]:
        next(self._lines(), "")
        return LINES

    def _parse(self) -> Iterator[Record]:
        return ((number, (line.rstrip("\r\n"),), len(line)) for number, line in enumerate(self._lines(), 1))


class _Csv(TextTable):
    """A header, unless columns are given, and rows of as many fields; blank lines are skipped."""

    _hint = ""  # what to do about a quote that encloses no field

    def _names(self) -> Iterable[str]:
        return next(self._split(), (1, (), 0))[1]

    def _parse(self) -> Iterator[Record]:
        width = len(self.columns)
        for number, fields, size in itertools.islice(self._split(), int(self._header), None):
            if len(fields) != width:
                against = "its header has" if self._header else "there should be"
                raise DataError(f"{self.path}:{number} has {len(fields)} fields where {against} {width}")
            yield number, fields, size

    def _split(self) -> Iterator[Record]:
        lines = self._lines()
        number, first = next(((place, line) for place, line in enumerate(lines, 1) if line.strip()), (1, ""))
        delimiter = max(_DELIMITERS, key=first.count)  # the first of them where none is there
        if first.rstrip("\r\n")[:-1].casefold() == "sep=":  # as Excel writes it
            return self._quoted(lines, number + 1, first[4])
        return self._quoted(itertools.chain([first], lines), number, delimiter)

    def _quoted(self, lines: Iterable[str], number: int, delimiter: str) -> Iterator[Record]:
        """The rows of *lines*, the first of which is *number*, with quotes as RFC 4180 has them."""
        start, size, widths = number, 0, list[int]()

        def counted() -> Iterator[str]:
            nonlocal size
            for line in lines:
                size += len(line)
                if size > ROW_LIMIT:
                    why = f"has more than {ROW_LIMIT:,} characters, the most that a row may have; is a quote left open?"
                    raise DataError(f"{self.path}:{start} {why}")
                widths.append(line.count(delimiter) + 1)
                yield line

        csv.field_size_limit(max(csv.field_size_limit(), 2 * ROW_LIMIT))
        rows = csv.reader(counted(), delimiter=delimiter, strict=True)
        try:
            for fields in rows:
                if self._hint and len(widths) > 1 and set(widths) == {len(fields)}:
                    raise csv.Error("rows within quotes")
                if fields:
                    yield start, fields, size + 64 * len(fields)
                start, size = number + rows.line_num, 0
                widths.clear()
        except csv.Error as error:
            what = _QUOTE_FAULTS.get(str(error), "broken quotes: text beside a quoted field")
            raise DataError(f"{self.path}:{start} has {what}{self._hint}") from None


class _Tsv(_Csv):
    """Tabs, and quotes as in CSV, or none."""

    _hint = "; --no-quotes, for data sets quotes=no, takes a quote as a character"

    def _split(self) -> Iterator[Record]:
        if self._quotes:
            return self._quoted(self._lines(), 1, "\t")
        lines = ((number, line.rstrip("\r\n")) for number, line in enumerate(self._lines(), 1))
        rows = ((number, line.split("\t"), len(line)) for number, line in lines if line)
        return ((number, fields, size + 64 * len(fields)) for number, fields, size in rows)


class _Jsonl(TextTable):
    """Columns are the keys of the first thousand objects; a key that an object lacks is None."""

    def _names(self) -> Iterable[str]:
        names: dict[str, None] = {}
        for _, row, _ in itertools.islice(self._objects(), _JSON_LOOKAHEAD):
            names |= dict.fromkeys(row)
            if len(names) > COLUMN_LIMIT:
                break
        return names

    def _parse(self) -> Iterator[Record]:
        known, late = set(self.columns), False
        for number, row, size in self._objects():
            if not late and (late := not known.issuperset(row)):
                line = "warning: %s:%s has the key %r, which the first %s lines lack: such keys are left out"
                key = quoted(next(name for name in row if name not in known))
                logging.getLogger("mien").warning(line, quoted(self.path), number, key, f"{_JSON_LOOKAHEAD:,}")
            yield number, [row.get(name) for name in self.columns], size + 8 * len(self.columns)

    def _objects(self) -> Iterator[tuple[int, dict[str, Any], int]]:
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


class _Parquet(Table):
    def _names(self) -> Iterable[str]:
        with open_parquet(self.path) as file:
            self.rows = file.metadata.num_rows
            names: list[str] = file.schema_arrow.names
            return names

    def _numbered(self, size: int) -> Iterator[tuple[list[int], Chunk]]:
        start = 1
        for cells in read_rows(self.path, size, self._encoding):
            count = len(cells[0])
            yield list(range(start, start + count)), dict(zip(self.columns, cells, strict=True))
            start += count


class _Pickle(Table):
    def _names(self) -> Iterable[str]:
        packed = self.path.suffix.lower() in PACKED
        limit = min(self._limit, allowed_size(self.path)) if packed else self._limit
        with open_binary(self.path) as file:
            self._frame = read_pickled_table(file, limit=limit, name=str(self.path))
        self.rows = len(self._frame)
        return [str(name) for name in self._frame.columns]

    def _numbered(self, size: int) -> Iterator[tuple[list[int], Chunk]]:
        missing = require("pandas", "table").NA
        columns = [self._frame.iloc[:, place] for place in range(self._frame.shape[1])]
        sizes = (sum(map(_pickled_size, cells)) for cells in zip(*columns, strict=True))
        for start, stop in spans(sizes, size):
            cells = ([None if cell is missing else cell for cell in column.iloc[start:stop]] for column in columns)
            yield list(range(start + 1, stop + 1)), dict(zip(self.columns, cells, strict=True))


_FORMATS: dict[str, type[Table]] = {
    ".csv": _Csv,
    ".tsv": _Tsv,
    ".jsonl": _Jsonl,
    ".ndjson": _Jsonl,
    ".txt": _Text,
    ".parquet": _Parquet,
    ".pq": _Parquet,
    ".pkl": _Pickle,
    ".pickle": _Pickle,
}


def _pickled_size(cell: Any) -> int:
    return 64 + (len(cell) if isinstance(cell, str | bytes) else weight(cell) if isinstance(cell, list) else 0)
