"""Tables of any usual format, a chunk at a time: the memory does not grow with the file.

======================== ============================================ ===================
suffix                   format                                       needs
======================== ============================================ ===================
.csv                     comma, semicolon or tab, quotes, header      nothing
.tsv                     tabs, header, quotes around line breaks      nothing
.jsonl .ndjson           one JSON object a line                       nothing
.txt                     one text a line, in the column "text"        nothing
.parquet .pq             Parquet                                      ``mien[table]``
.pkl .pickle             a pickled DataFrame, read safely             ``mien[table]``
======================== ============================================ ===================

each of them also with .gz, .xz or .bz2 behind.
"""

from __future__ import annotations

import bz2
import csv
import gzip
import itertools
import json
import lzma
import math
import shutil
import tempfile
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from mien.data.unpickle import LIMIT, read_pickled_table
from mien.errors import DataError, require

_LINE_LIMIT = 2**27  # bytes; a longer line is no text, but a file of another kind
_QUOTED_LIMIT = 2**20  # characters; where a quote does not end by then, it opens nothing
_DELIMITERS = ",;\t"
_JSON_LOOKAHEAD = 1000

Chunk = dict[str, list[Any]]
Record = tuple[int, Sequence[Any]]


class Table:
    """A table on disk. It can be run through any number of times.

    Attributes:
        path: the file.
        columns: the names of its columns, in order.
        rows: how many rows, where the format tells without reading them all; else None.
        replaced: lines with bytes that are not UTF-8, in the last run (those bytes become U+FFFD).
    """

    def __init__(self, path: Path, columns: Sequence[str], rows: int | None = None) -> None:
        self.path = path
        self.columns = _checked(path, columns)
        self.rows = rows
        self.replaced = 0

    def chunks(self, size: int = 4096) -> Iterator[Chunk]:
        """The rows, *size* at a time, as column → values.

        Raises:
            DataError: a row does not fit the header, or the file is damaged; names file and line.
        """
        return (chunk for _, chunk in self.numbered(size))

    def numbered(self, size: int = 4096) -> Iterator[tuple[list[int], Chunk]]:
        """As `chunks`, each with the line of every row as a person counts them (rows from 1 in binary formats)."""
        self.replaced = 0
        with _damage(self.path):
            yield from self._numbered(size)

    def _numbered(self, size: int) -> Iterator[tuple[list[int], Chunk]]:
        records = self._records()
        while batch := list(itertools.islice(records, size)):
            lines, rows = zip(*batch, strict=True)
            values = zip(*rows, strict=True)
            yield list(lines), {name: list(cells) for name, cells in zip(self.columns, values, strict=True)}

    def _records(self) -> Iterator[Record]:
        raise NotImplementedError

    def _lines(self) -> Iterator[str]:
        """The lines with their ends, decoded."""
        with _open(self.path) as file:
            first = True
            while raw := file.readline(_LINE_LIMIT):
                if len(raw) == _LINE_LIMIT:
                    raise DataError(f"{self.path} has a line of more than {_LINE_LIMIT} bytes")
                if first and raw.startswith((b"\xff\xfe", b"\xfe\xff")):
                    raise DataError(f"{self.path} is UTF-16; save it as UTF-8")
                raw, first = raw.removeprefix(b"\xef\xbb\xbf") if first else raw, False
                try:
                    yield raw.decode("utf-8")
                except UnicodeDecodeError:
                    self.replaced += 1
                    yield raw.decode("utf-8", errors="replace")


class _Text(Table):
    """One text a line; an empty line is an empty text, so that results line up with the file."""

    def __init__(self, path: Path, columns: Sequence[str] | None, raw: bool) -> None:
        super().__init__(path, columns or ("text",))

    def _records(self) -> Iterator[Record]:
        return ((number, (line.rstrip("\r\n"),)) for number, line in enumerate(self._lines(), 1))


class _Separated(Table):
    """Common to CSV and TSV: a header, unless *columns* are given, and rows of as many fields; blank lines skipped."""

    def __init__(self, path: Path, columns: Sequence[str] | None, raw: bool) -> None:
        self.path, self.raw, self.replaced = path, raw, 0
        self.header, self.columns = columns is None, tuple(columns or ())
        csv.field_size_limit(max(csv.field_size_limit(), _LINE_LIMIT))
        with _damage(path):
            _, first = next(self._split(), (1, ()))
        super().__init__(path, first if columns is None else columns)

    def _split(self) -> Iterator[Record]:
        raise NotImplementedError

    def _records(self) -> Iterator[Record]:
        width = len(self.columns)
        for number, fields in itertools.islice(self._split(), int(self.header), None):
            if len(fields) != width:
                against = "its header has" if self.header else "there should be"
                raise DataError(f"{self.path}:{number} has {len(fields)} fields where {against} {width}")
            yield number, fields


class _Csv(_Separated):
    def _split(self) -> Iterator[Record]:
        lines = self._lines()
        blank, first = next(((place, line) for place, line in enumerate(lines) if line.strip()), (0, ""))
        delimiter = max(_DELIMITERS, key=first.count)  # the first of them where none is there
        rows = csv.reader(itertools.chain([first], lines), delimiter=delimiter, strict=True)
        start = blank + 1
        try:
            for fields in rows:
                if fields:
                    yield start, fields
                start = blank + rows.line_num + 1
        except csv.Error as error:
            raise DataError(f"{self.path}:{start} has broken quotes: {error}") from error


class _Tsv(_Separated):
    """Fields with tabs or line breaks are quoted as in CSV. Else a quote may be any character of a text.

    Where every line has as many fields as there are columns, each is a row: an open quote must not swallow rows.
    """

    def _split(self) -> Iterator[Record]:
        lines, ahead = self._lines(), deque[str]()
        number, width = 1, 0 if self.header else len(self.columns)
        while line := ahead.popleft() if ahead else next(lines, ""):
            fields, used = self._row(line, lines, ahead, width)
            if used > 1 or line.rstrip("\r\n"):
                yield number, fields
                width = len(self.columns)
            number += used
            for _ in range(used - 1):
                ahead.popleft()

    def _row(self, line: str, lines: Iterator[str], ahead: deque[str], width: int) -> tuple[list[str], int]:
        """The fields of the row that begins with a line, and how many lines it has.

        Args:
            ahead: lines that were read beforehand, before the rest of *lines*; more are added as they are needed.
            width: fields that a row has to have; 0 where that is not known.
        """
        plain = _cells(line)
        if self.raw or '"' not in line:
            return plain, 1

        def following() -> Iterator[str]:
            yield line
            size = 0
            for place in itertools.count():
                if place == len(ahead):
                    ahead.extend(itertools.islice(lines, 1))
                if place == len(ahead) or size > _QUOTED_LIMIT:
                    return
                size += len(ahead[place])
                yield ahead[place]

        rows = csv.reader(following(), delimiter="\t", strict=True)
        try:
            quoted = next(rows)
        except csv.Error:  # another kind of quote
            quoted = None
        used = rows.line_num
        if quoted and len(quoted) == (width or len(quoted)):
            spanned = (line, *itertools.islice(ahead, used - 1))
            if used == 1 or not all(len(_cells(each)) == width for each in spanned):
                return quoted, used
        return [_unquote(field) for field in plain], 1


def _cells(line: str) -> list[str]:
    return line.rstrip("\r\n").split("\t")


class _Jsonl(Table):
    """Columns are the keys of the first thousand objects; a key that an object lacks is None."""

    def __init__(self, path: Path, columns: Sequence[str] | None, raw: bool) -> None:
        self.path, self.replaced = path, 0
        with _damage(path):
            keys = [key for _, row in itertools.islice(self._objects(), _JSON_LOOKAHEAD) for key in row]
        super().__init__(path, columns or tuple(dict.fromkeys(keys)))

    def _records(self) -> Iterator[Record]:
        return ((number, [row.get(name) for name in self.columns]) for number, row in self._objects())

    def _objects(self) -> Iterator[tuple[int, dict[str, Any]]]:
        for number, line in enumerate(self._lines(), 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise DataError(f"{self.path}:{number} is not JSON: {error}") from error
            if not isinstance(row, dict):
                raise DataError(f"{self.path}:{number} is a JSON {type(row).__name__}; every line must be an object")
            yield number, row


class _Parquet(Table):
    def __init__(self, path: Path, columns: Sequence[str] | None, raw: bool) -> None:
        with _damage(path), _parquet(path) as file:
            super().__init__(path, file.schema_arrow.names, file.metadata.num_rows)

    def _numbered(self, size: int) -> Iterator[tuple[list[int], Chunk]]:
        with _parquet(self.path) as file:
            start = 1
            for batch in file.iter_batches(batch_size=size):
                yield list(range(start, start + batch.num_rows)), batch.to_pydict()
                start += batch.num_rows


class _Pickle(Table):
    def __init__(self, path: Path, columns: Sequence[str] | None, raw: bool, limit: int = LIMIT) -> None:
        with _damage(path), _open(path) as file:
            self._frame = read_pickled_table(file, limit=limit, name=str(path))
        super().__init__(path, [str(name) for name in self._frame.columns], len(self._frame))

    def _numbered(self, size: int) -> Iterator[tuple[list[int], Chunk]]:
        missing = require("pandas", "table").NA
        for start in range(0, len(self._frame), size):
            part = self._frame.iloc[start : start + size]
            cells = ([None if cell is missing else cell for cell in part.iloc[:, i]] for i in range(part.shape[1]))
            yield list(range(start + 1, start + len(part) + 1)), dict(zip(self.columns, cells, strict=True))


_FORMATS: dict[str, Callable[[Path, Sequence[str] | None, bool], Table]] = {
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
_PACKED: dict[str, Callable[[Path], Any]] = {".gz": gzip.open, ".xz": lzma.open, ".bz2": bz2.open}


def open_table(
    path: str | Path, *, columns: Sequence[str] | None = None, raw: bool = False, limit: int = LIMIT
) -> Table:
    """Open a table for reading in chunks.

    Args:
        path: the file; its suffix says the format.
        columns: names for the columns of a file without a header.
        raw: take the fields of a .tsv as they stand, quotes and all.
        limit: bytes that a pickle may unpack to.

    Raises:
        DataError: no such file, no file, no permission, empty, of an unknown format or damaged.
        MissingExtra: the format needs a package that is not installed.
    """
    path = Path(path)
    kind = table_suffix(path)
    if kind is None:
        raise DataError(f"{path} is no table; those end in {' '.join(_FORMATS)}, perhaps with .gz, .xz or .bz2")
    with _damage(path), _open(path) as file:
        if not file.read(1):
            raise DataError(f"{path} is empty")
    return _Pickle(path, columns, raw, limit) if _FORMATS[kind] is _Pickle else _FORMATS[kind](path, columns, raw)


def table_suffix(path: Path) -> str | None:
    """The suffix that says the format (".csv" for a.csv.gz), or None where it is no table."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in _PACKED:
        suffixes.pop()
    return suffixes[-1] if suffixes and suffixes[-1] in _FORMATS else None


def cell_text(cell: Any) -> str | None:
    """A cell as text; None where it holds nothing (None, NaN, blanks)."""
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return None
    text = cell.decode("utf-8", "replace") if isinstance(cell, bytes) else str(cell)
    return text if text.strip() else None


@contextmanager
def _damage(path: Path) -> Iterator[None]:
    """Turn what a missing or damaged file raises into a DataError with its path."""
    try:
        yield
    except DataError:
        raise
    except (EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError) as error:
        raise DataError(f"{path} is damaged or cut off: {error}") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error


def _open(path: Path) -> BinaryIO:
    """The file as it is after unpacking."""
    if path.is_dir():
        raise DataError(f"{path} is a folder; a file is needed")
    if not path.exists():
        raise DataError(f"there is no file {path}")
    packed = _PACKED.get(path.suffix.lower())
    return cast(BinaryIO, packed(path) if packed else path.open("rb"))


@contextmanager
def _parquet(path: Path) -> Iterator[Any]:
    """The file as a pyarrow ParquetFile; packed ones are unpacked to a temporary file first."""
    parquet, arrow = require("pyarrow.parquet", "table"), require("pyarrow", "table")
    try:
        with _open(path) as source, tempfile.TemporaryFile() as unpacked:
            if path.suffix.lower() in _PACKED:
                shutil.copyfileobj(source, unpacked)
                unpacked.seek(0)
                source = cast(BinaryIO, unpacked)  # noqa: PLW2901
            with parquet.ParquetFile(source) as file:
                yield file
    except arrow.ArrowException as error:
        raise DataError(f"{path} is not readable Parquet: {' '.join(str(error).split())}") from error


def _checked(path: Path, columns: Iterable[str]) -> tuple[str, ...]:
    names = tuple(name.strip() or f"column {place}" for place, name in enumerate(columns, 1))
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice or not names:
        raise DataError(f"{path} has several columns named {twice[0]!r}" if twice else f"{path} has no columns")
    return names


def _unquote(field: str) -> str:
    """A field without its quotes, where it is quoted as a whole; a quote that is part of the text stays."""
    if len(field) < 2 or not field[0] == field[-1] == '"' or '"' in field[1:-1].replace('""', ""):
        return field
    return field[1:-1].replace('""', '"')
