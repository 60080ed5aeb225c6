"""Tables of any usual format, a chunk at a time: the memory does not grow with the file.

======================== ============================================ ===================
suffix                   format                                       needs
======================== ============================================ ===================
.csv                     comma, semicolon, tab or |, quotes, header   nothing
.tsv                     tabs, quotes (or none), header               nothing
.jsonl .ndjson           one JSON object a line                       nothing
.json                    an array of objects, or what holds one       nothing
.txt                     one text a line, or a header and columns     nothing
.xlsx .xlsm              a sheet of an Excel workbook                 nothing
.parquet .pq             Parquet                                      extra "table"
.arrow                   Arrow, as Hugging Face's datasets saves it   extra "table"
.pkl .pickle             a pickled DataFrame, read safely             extra "table"
======================== ============================================ ===================

each of them also with .gz, .xz, .bz2 or .zip behind. Encodings, and what a row may hold: :mod:`mien.datasets.lines`.
"""

from __future__ import annotations

import csv
import itertools
import logging
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from mien.datasets.delimiters import HEAD_LINES, find_delimiter, named_separator, take_head
from mien.datasets.hub import label_names
from mien.datasets.json_tables import JsonDocument, JsonLines
from mien.datasets.lines import PACKED, ROW_LIMIT, allowed_size, check_encoding, note_once, open_binary, spans, weight
from mien.datasets.names import LABEL_NAMES, TEXT_NAMES, usual_columns
from mien.datasets.parquet import open_parquet, read_arrow, read_rows, read_schema
from mien.datasets.pickled_tables import read_pickled_table
from mien.datasets.table_file import Chunk, Record, RecordTable, Table, TableForm, TextTable, numbered
from mien.datasets.workbooks import Workbook, header_of
from mien.errors import DataError, quoted, require
from mien.inputs import table_suffix
from mien.media.pickles import LIMIT

__all__ = ["Table", "TableForm", "cell_text", "open_table", "table_suffix"]

_SPELLED = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " "}
_NAMELESS = 1000  # columns that the header of a sheet may leave without a name
_OTHERS = {".xls": "Excel", ".xlsb": "Excel", ".ods": "LibreOffice", ".numbers": "Numbers"}
_FEW_LINES = 4  # fewer may have as many semicolons by chance
_MAGIC = {
    b"PK\x03\x04": "a zip or an Excel workbook",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"PAR1": "Parquet",
    b"\x1f\x8b": "packed by gzip",
    b"ARROW1": "Arrow",
    b"\x89PNG\r\n": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"GIF8": "a picture",
    b"%PDF-": "a PDF",
}
_NO_QUOTES = "; --no-quotes, for data sets quotes=no, takes a quote as a character"
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
    separator: str = "",
    header: bool = True,
    sheet: str = "",
) -> Table:
    """Open a table for reading in chunks.

    Args:
        path: the file; its suffix says the format.
        columns: names for the columns of a file without a header.
        quotes: whether quotes enclose fields, or are characters like any other.
        limit: bytes that a pickle may unpack to.
        encoding: of its text; None where :mod:`mien.datasets.lines` finds it out.
        separator: between the columns of .csv, .tsv or .txt, or "tab", "comma", …; "" to find it out. A .txt
            without one is a file of lines, unless its first line names a column of texts beside others.
        header: whether the first row names the columns; without one they are called "1", "2", …
        sheet: of a workbook, by its name or its number; "" for the first that holds anything.

    Raises:
        DataError: no such file, no file, no permission, empty, of an unknown format, too large in one row, or damaged;
            or an option that is for others.
        MissingExtra: the format needs a package that is not installed.
    """
    path = Path(path)
    kind = table_suffix(path)
    if kind is None:
        if not path.exists():
            raise DataError(f"there is no file or folder {path}")
        other = _OTHERS.get(path.suffix.lower())
        known = f"those end in {' '.join(_FORMATS)}, perhaps with {packed_endings()}"
        raise DataError(f"{path} is no table; {f'save it as .xlsx in {other}' if other else known}")
    check_encoding(encoding)
    separator = plain_separator(separator) or separator
    reader = _Csv if kind == ".txt" and separator else _FORMATS[kind]
    _check_options(path, reader, separator, header, sheet)
    with open_binary(path) as file:
        first = file.read(8)
    if not first:
        raise DataError(f"{path} is empty")
    what = next((known for head, known in _MAGIC.items() if first.startswith(head)), "")
    if what and issubclass(reader, TextTable):
        raise DataError(f"{path} is {what} by its first bytes, and no {kind}: name it as what it is")
    form = TableForm(encoding, separator, header, sheet, quotes, None if columns is None else tuple(columns), limit)
    found = reader(path, form)
    if isinstance(found, _Text) and columns is None:
        head = found.head()
        if header and _has_columns(head):
            note_once("note: %s is read as a table: its first line names columns", str(path))
            return _Csv(path, form)
        if called := _may_have_columns(head):
            line = f"note: %s is read line by line, and may be a table: separator={called} (--separator for predict)"
            note_once(line, str(path))
    return found


def plain_separator(separator: str) -> str:
    """The character that separates columns, given as that or as "tab", "comma", …; "" where it can be none."""
    separator = _SPELLED.get(separator.casefold(), separator)
    return separator if len(separator) == 1 and separator not in '"\r\n' else ""


def packed_endings() -> str:
    """The endings of packed files: ".gz, .xz, .bz2 or .zip"."""
    *first, last = PACKED
    return f"{', '.join(first)} or {last}"


def _check_options(path: Path, reader: type[Table], separator: str, header: bool, sheet: str) -> None:
    """Refuse options that do nothing for a format."""
    if separator and not issubclass(reader, _Csv):
        raise DataError(f"{path}: separator is for tables of lines (.csv, .tsv, .txt)")
    if separator and not plain_separator(separator):
        raise DataError(f"{path}: separator must be one character, or tab, comma, semicolon, pipe or space")
    if sheet and reader is not _Sheet:
        raise DataError(f"{path}: sheet is for workbooks (.xlsx, .xlsm)")
    if not header and not issubclass(reader, _Csv | _Sheet | JsonDocument | _Text):
        raise DataError(f"{path}: its format names its columns; header=no is for .csv, .tsv, .xlsx and .json")


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

    def head(self) -> list[str]:
        """Its first lines."""
        return take_head(self._lines())


def _has_columns(head: list[str]) -> bool:
    """Whether lines begin as a table does: "sep=;", or columns one of which has the usual name of texts' columns."""
    if head and named_separator(head[0]):
        return True
    delimiter = find_delimiter(head)
    if delimiter not in "".join(head[:1]):
        return False
    try:
        rows = [row for row in csv.reader(head, delimiter=delimiter) if row]
    except csv.Error:  # a field of more than csv's limit
        return False
    cut = rows[:-1] if len(head) == HEAD_LINES else rows  # the last row may go on
    return len({len(row) for row in cut}) == 1 < len(cut) and bool(usual_columns(cut[0], TEXT_NAMES))


def _may_have_columns(head: list[str]) -> str:
    """What seems to separate columns, as many in each of these lines; "" where nothing does."""
    head = [line for line in head if line.strip()]
    for separator, called, least in (("\t", "tab", 2), ("|", "'|'", _FEW_LINES), (";", "';'", _FEW_LINES)):
        counts = {line.count(separator) for line in head}
        if len(head) >= least and len(counts) == 1 and counts != {0}:
            return called
    return ""


class _Csv(TextTable):
    """A header, unless there is none, and rows of as many fields; blank lines are skipped."""

    _usual = ""  # what separates columns where nothing else is said

    def _names(self) -> Iterable[str]:
        first = next(self._split(), (1, (), 0))[1]
        return first if self._header else numbered(first)

    def _parse(self) -> Iterator[Record]:
        width = len(self.columns)
        for number, fields, size in itertools.islice(self._split(), int(self._header), None):
            if len(fields) != width:
                against = "its header has" if self._header else "there should be"
                raise DataError(f"{self.path}:{number} has {len(fields)} fields where {against} {width}")
            yield number, fields, size

    def _split(self) -> Iterator[Record]:
        lines, number = self._lines(), 1
        delimiter = self._form.separator or self._usual
        if not self._usual:
            number, first = next(((place, line) for place, line in enumerate(lines, 1) if line.strip()), (1, ""))
            if named := named_separator(first):
                number, delimiter = number + 1, delimiter or named
            else:
                lines = itertools.chain([first], lines)
            if not delimiter:
                head = take_head(lines)
                delimiter, lines = find_delimiter(head), itertools.chain(head, lines)
        if self._form.quotes:
            return self._quoted(lines, number, delimiter)
        stripped = ((place, line.rstrip("\r\n")) for place, line in enumerate(lines, number))
        rows = ((place, line.split(delimiter), len(line)) for place, line in stripped if line)
        return ((place, fields, size + 64 * len(fields)) for place, fields, size in rows)

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
                if self._usual and len(widths) > 1 and set(widths) == {len(fields)}:
                    raise csv.Error("rows within quotes")
                if fields:
                    yield start, fields, size + 64 * len(fields)
                start, size = number + rows.line_num, 0
                widths.clear()
        except csv.Error as error:
            what = _QUOTE_FAULTS.get(str(error), "broken quotes: text beside a quoted field")
            raise DataError(f"{self.path}:{start} has {what}{_NO_QUOTES}") from None


class _Tsv(_Csv):
    """Tabs, and quotes as in CSV, or none."""

    _usual = "\t"


class _Sheet(RecordTable):
    """A sheet of a workbook: a header, and rows of at most as many cells; rows without any are skipped."""

    def _names(self) -> Iterable[str]:
        self._book = Workbook(self.path, self._form.sheet)
        if not self._header:
            self._first = 0
            width = max((len(cells) for _, cells in itertools.islice(self._book.rows(), HEAD_LINES)), default=0)
            return numbered([None] * width)
        known = {*TEXT_NAMES, *LABEL_NAMES}
        self._first, cells = header_of(self._book, known)
        if (blank := sum(cell is None for cell in cells)) > _NAMELESS:
            raise DataError(f"{self.path}:{self._first} has {blank:,} columns without a name")
        return ["" if cell is None else str(cell) for cell in cells]

    def _parse(self) -> Iterator[Record]:
        width, told = len(self.columns), False
        for number, cells in self._book.rows():
            if number <= self._first:
                continue
            if len(cells) > width and (width == 1 or not self._header):
                raise DataError(f"{self.path}:{number} has {len(cells)} cells where there should be {width}")
            if len(cells) > width and not told:
                told, line = True, "warning: %s:%s has cells beyond the last named column: such cells are left out"
                logging.getLogger("mien").warning(line, quoted(self.path), number)
            row = [*cells[:width], *[None] * (width - len(cells))]
            yield number, row, 64 * width + sum(len(cell) for cell in row if isinstance(cell, str))


class _Parquet(Table):
    def _names(self) -> Iterable[str]:
        with open_parquet(self.path) as file:
            self.rows = file.metadata.num_rows
            self.label_names = label_names(file.schema_arrow.metadata)
            names: list[str] = file.schema_arrow.names
            return names

    def _numbered(self, size: int) -> Iterator[tuple[list[int], Chunk]]:
        start = 1
        for cells in read_rows(self.path, size, self._form.encoding):
            count = len(cells[0])
            yield list(range(start, start + count)), dict(zip(self.columns, cells, strict=True))
            start += count


class _Arrow(Table):
    def _names(self) -> Iterable[str]:
        schema = read_schema(self.path)
        self.label_names = label_names(schema.metadata)
        names: list[str] = schema.names
        return names

    def _numbered(self, size: int) -> Iterator[tuple[list[int], Chunk]]:
        start = 1
        for cells in read_arrow(self.path, size):
            count = len(cells[0])
            yield list(range(start, start + count)), dict(zip(self.columns, cells, strict=True))
            start += count


class _Pickle(Table):
    def _names(self) -> Iterable[str]:
        packed = self.path.suffix.lower() in PACKED
        limit = min(self._form.limit, allowed_size(self.path)) if packed else self._form.limit
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
    ".jsonl": JsonLines,
    ".ndjson": JsonLines,
    ".json": JsonDocument,
    ".txt": _Text,
    ".xlsx": _Sheet,
    ".xlsm": _Sheet,
    ".parquet": _Parquet,
    ".pq": _Parquet,
    ".arrow": _Arrow,
    ".pkl": _Pickle,
    ".pickle": _Pickle,
}


def _pickled_size(cell: Any) -> int:
    return 64 + (len(cell) if isinstance(cell, str | bytes) else weight(cell) if isinstance(cell, list) else 0)
