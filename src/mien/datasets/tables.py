"""Tables of any usual format, a chunk at a time: the memory does not grow with the file.

======================== ============================================ ===================
suffix                   format                                       needs
======================== ============================================ ===================
.csv                     comma, semicolon, tab or |, quotes, header   nothing
.tsv                     tabs, header, quotes around line breaks      nothing
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
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from mien.datasets.lines import CHUNK_LIMIT, PACKED, ROW_LIMIT, allowed_size, check_encoding, open_binary, weight
from mien.datasets.parquet import open_parquet, read_rows
from mien.datasets.table_file import COLUMN_LIMIT, Chunk, Options, Record, Table
from mien.datasets.unpickle import LIMIT, read_pickled_table
from mien.errors import DataError, quoted, require

__all__ = ["Table", "cell_text", "open_table", "table_suffix"]

_DELIMITERS = ",;\t|"
_JSON_LOOKAHEAD = 1000
VALUE_LIMIT = 250_000  # of a line of JSON


class _Text(Table):
    """One text a line; an empty line is an empty text, so that results line up with the file."""

    def _names(self) -> Iterable[str]:
        next(self._lines(), "")
        return ("text",)

    def _records(self) -> Iterator[Record]:
        return ((number, (line.rstrip("\r\n"),), len(line)) for number, line in enumerate(self._lines(), 1))


class _Separated(Table):
    """Common to CSV and TSV: a header, unless columns are given, and rows of as many fields; blank lines skipped."""

    def _names(self) -> Iterable[str]:
        return next(self._split(), (1, (), 0))[1]

    def _split(self) -> Iterator[Record]:
        raise NotImplementedError

    def _records(self) -> Iterator[Record]:
        width, header = len(self.columns), self.options.columns is None
        for number, fields, size in itertools.islice(self._split(), int(header), None):
            if len(fields) != width:
                against = "its header has" if header else "there should be"
                raise DataError(f"{self.path}:{number} has {len(fields)} fields where {against} {width}")
            yield number, fields, size

    def _quoted(self, lines: Iterable[str], number: int, delimiter: str) -> Iterator[Record]:
        """The rows of *lines*, the first of which is *number*, with quotes as RFC 4180 has them."""
        start, size = number, 0

        def counted() -> Iterator[str]:
            nonlocal size
            for line in lines:
                size += len(line)
                if size > ROW_LIMIT:
                    why = f"has more than {ROW_LIMIT:,} characters, the most that a row may have; is a quote left open?"
                    raise DataError(f"{self.path}:{start} {why}")
                yield line

        csv.field_size_limit(max(csv.field_size_limit(), 2 * ROW_LIMIT))
        rows = csv.reader(counted(), delimiter=delimiter, strict=True)
        try:
            for fields in rows:
                if fields:
                    yield start, fields, size + 64 * len(fields)
                start, size = number + rows.line_num, 0
        except csv.Error as error:
            left_open = "unexpected end" in str(error)
            what = "a quote that is not closed" if left_open else "broken quotes: text beside a quoted field"
            raise DataError(f"{self.path}:{start} has {what}") from None


class _Csv(_Separated):
    def _split(self) -> Iterator[Record]:
        lines = self._lines()
        number, first = next(((place, line) for place, line in enumerate(lines, 1) if line.strip()), (1, ""))
        delimiter = max(_DELIMITERS, key=first.count)  # the first of them where none is there
        if first.rstrip("\r\n")[:-1].casefold() == "sep=":  # as Excel writes it
            return self._quoted(lines, number + 1, first[4])
        return self._quoted(itertools.chain([first], lines), number, delimiter)


class _Tsv(_Separated):
    """Where every line has as many tabs as the first, each is a row, and a quote opens nothing.

    Else some fields have tabs or line breaks: quotes are as in CSV, throughout.
    """

    _plain: bool | None = None

    def _split(self) -> Iterator[Record]:
        if self._plain is None:
            tabs = {line.count("\t") for line in self._lines() if line.strip("\r\n")} if not self.options.raw else ()
            self._plain = len(tabs) < 2
        if not self._plain:
            yield from self._quoted(self._lines(), 1, "\t")
            return
        for number, line in enumerate(self._lines(), 1):
            if text := line.rstrip("\r\n"):
                fields = text.split("\t")
                if '"' in text and not self.options.raw:
                    fields = list(map(_unquote, fields))
                yield number, fields, len(line) + 64 * len(fields)


class _Jsonl(Table):
    """Columns are the keys of the first thousand objects; a key that an object lacks is None."""

    def _names(self) -> Iterable[str]:
        names: dict[str, None] = {}
        for _, row, _ in itertools.islice(self._objects(), _JSON_LOOKAHEAD):
            names |= dict.fromkeys(row)
            if len(names) > COLUMN_LIMIT:
                break
        return names

    def _records(self) -> Iterator[Record]:
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
            if sum(map(line.count, "[{,")) > VALUE_LIMIT:
                raise DataError(f"{self.path}:{number} has more than {VALUE_LIMIT:,} values, too many for a row")
            try:
                row = json.loads(line)
            except RecursionError:
                raise DataError(f"{self.path}:{number} is nested too deep") from None
            except json.JSONDecodeError as error:
                raise DataError(f"{self.path}:{number} is not JSON: {error.msg} at character {error.pos + 1}") from None
            except ValueError as error:
                raise DataError(f"{self.path}:{number} is not JSON: {str(error)[:80]}") from None
            try:
                size = weight([row])
            except ValueError as error:
                raise DataError(f"{self.path}:{number} {error}") from None
            if not isinstance(row, dict):
                raise DataError(f"{self.path}:{number} is a JSON {type(row).__name__}; every line must be an object")
            yield number, row, size


class _Parquet(Table):
    def _names(self) -> Iterable[str]:
        with open_parquet(self.path) as file:
            self.rows = file.metadata.num_rows
            names: list[str] = file.schema_arrow.names
            return names

    def _numbered(self, size: int) -> Iterator[tuple[list[int], Chunk]]:
        start = 1
        for cells in read_rows(self.path, size, self.options.encoding):
            count = len(cells[0])
            yield list(range(start, start + count)), dict(zip(self.columns, cells, strict=True))
            start += count


class _Pickle(Table):
    def _names(self) -> Iterable[str]:
        packed = self.path.suffix.lower() in PACKED
        limit = min(self.options.limit, allowed_size(self.path)) if packed else self.options.limit
        with open_binary(self.path) as file:
            self._frame = read_pickled_table(file, limit=limit, name=str(self.path))
        self.rows = len(self._frame)
        return [str(name) for name in self._frame.columns]

    def _numbered(self, size: int) -> Iterator[tuple[list[int], Chunk]]:
        missing = require("pandas", "table").NA
        columns = [self._frame.iloc[:, place] for place in range(self._frame.shape[1])]
        sizes = (sum(map(_pickled_size, cells)) for cells in zip(*columns, strict=True))
        for start, stop in _spans(sizes, size):
            cells = ([None if cell is missing else cell for cell in column.iloc[start:stop]] for column in columns)
            yield list(range(start + 1, stop + 1)), dict(zip(self.columns, cells, strict=True))


def _pickled_size(cell: Any) -> int:
    return 64 + (len(cell) if isinstance(cell, str | bytes) else weight(cell) if isinstance(cell, list) else 0)


def _spans(sizes: Iterable[int], most: int) -> Iterator[tuple[int, int]]:
    """Cut rows of these sizes into pieces of up to *most* rows and `CHUNK_LIMIT` bytes: first row, and that behind."""
    start = stop = total = 0
    for stop, size in enumerate(sizes):
        if stop > start and (stop - start == most or total + size > CHUNK_LIMIT):
            yield start, stop
            start, total = stop, 0
        total += size
    if total:
        yield start, stop + 1


_FORMATS: dict[str, Callable[[Path, Options], Table]] = {
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


def open_table(
    path: str | Path,
    *,
    columns: Sequence[str] | None = None,
    raw: bool = False,
    limit: int = LIMIT,
    encoding: str | None = None,
) -> Table:
    """Open a table for reading in chunks.

    Args:
        path: the file; its suffix says the format.
        columns: names for the columns of a file without a header.
        raw: take the fields of a .tsv as they stand, quotes and all.
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
    return _FORMATS[kind](path, Options(columns, raw, limit, encoding))


def table_suffix(path: Path) -> str | None:
    """The suffix that says the format (".csv" for a.csv.gz), or None where it is no table."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in PACKED:
        suffixes.pop()
    return suffixes[-1] if suffixes and suffixes[-1] in _FORMATS else None


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


def _unquote(field: str) -> str:
    """A field without its quotes, where it is quoted as a whole; a quote that is part of the text stays."""
    if len(field) < 2 or not field[0] == field[-1] == '"' or '"' in field[1:-1].replace('""', ""):
        return field
    return field[1:-1].replace('""', '"')
