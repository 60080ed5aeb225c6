"""A table on disk, read in chunks of bounded size, and only while its file stays as it is."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from mien.datasets.lines import CHUNK_LIMIT, blocks, decoded_lines, open_binary, shown
from mien.datasets.names import looks_like_data
from mien.errors import DataError
from mien.media.pickles import LIMIT

COLUMN_LIMIT = 50_000
NO_HEADER = "; is its first row no header? Then header=no (--no-header) reads it, and columns are named by number"

Chunk = dict[str, list[Any]]
Record = tuple[int, Sequence[Any], int]  # line, cells, and about how many bytes they take


@dataclass(frozen=True)
class TableForm:
    """How a table is written, where the file itself does not tell.

    Attributes:
        encoding: of its text; None where that is found out.
        separator: between columns; "" where that is found out.
        header: whether the first row names the columns; else they are called "1", "2", …
        sheet: of a workbook, by name or number; "" for the first that holds anything.
        quotes: whether quotes enclose fields, or are characters like any other.
        columns: names for the columns of a file without a header.
        limit: bytes that a pickle may unpack to.
    """

    encoding: str | None = None
    separator: str = ""
    header: bool = True
    sheet: str = ""
    quotes: bool = True
    columns: tuple[str, ...] | None = None
    limit: int = LIMIT


class Table(ABC):
    """A table on disk. It can be run through any number of times, as long as the file stays as it is.

    Attributes:
        path: the file.
        columns: the names of its columns, in order.
        rows: how many rows, where the format tells without reading them all; else None.
        label_names: of columns of numbers that stand for labels, their names in order, where the file has them.
    """

    columns: tuple[str, ...] = ()
    rows: int | None = None
    label_names: Mapping[str, Sequence[str]] = MappingProxyType({})

    def __init__(self, path: Path, form: TableForm) -> None:
        self.path, self._form = path, form
        self._state, self._count = _file_state(path), -1
        with self._steady():
            self.columns = _checked_names(path, self._names() if form.columns is None else form.columns)

    @property
    def _header(self) -> bool:
        """Whether the first row names the columns."""
        return self._form.header and self._form.columns is None

    def chunks(self, size: int = 4096) -> Iterator[Chunk]:
        """The rows, up to *size* and 8 MiB at a time, as column → values.

        Raises:
            DataError: a row does not fit the header, or the file is damaged; names file and line. Or the file changed
                since it was opened.
        """
        return (chunk for _, chunk in self.numbered(size))

    def records(self, size: int = 4096) -> Iterator[tuple[int, dict[str, Any]]]:
        """As `chunks`, a row at a time: its line as a person counts them, and its cells by column."""
        for lines, chunk in self.numbered(size):
            for line, cells in zip(lines, zip(*chunk.values(), strict=True), strict=True):
                yield line, dict(zip(self.columns, cells, strict=True))

    def numbered(self, size: int = 4096) -> Iterator[tuple[list[int], Chunk]]:
        """As `chunks`, each with the line of every row as a person counts them (rows from 1 in binary formats)."""
        with self._steady():
            count = 0
            for lines, chunk in self._numbered(size):
                count += len(lines)
                yield lines, chunk
            if self._count not in (-1, count):
                raise DataError(f"{self.path} has {count:,} rows, and had {self._count:,} before; give it again")
            self._count = count

    @abstractmethod
    def _names(self) -> Iterable[str]:
        """The columns as the file names them."""

    @abstractmethod
    def _numbered(self, size: int) -> Iterator[tuple[list[int], Chunk]]:
        """What `numbered` gives."""

    @contextmanager
    def _steady(self) -> Iterator[None]:
        """Raise a DataError where the file is not what it was when it was opened, whatever else is wrong with it."""
        changed = DataError(f"{self.path} was changed while it was read; give it again when it is complete")
        try:
            if _file_state(self.path) != self._state:
                raise changed
            yield
        except DataError:
            if _file_state(self.path) != self._state:
                raise changed from None
            raise
        if _file_state(self.path) != self._state:
            raise changed


class RecordTable(Table):
    """A table that is read row by row."""

    @abstractmethod
    def _parse(self) -> Iterator[Record]:
        """The rows."""

    def _numbered(self, size: int) -> Iterator[tuple[list[int], Chunk]]:
        batch, total = list[Record](), 0
        for record in self._parse():
            if batch and (len(batch) == size or total + record[2] > CHUNK_LIMIT):
                yield self._chunk(batch)
                batch, total = [], 0
            batch.append(record)
            total += record[2]
        if batch:
            yield self._chunk(batch)

    def _chunk(self, batch: list[Record]) -> tuple[list[int], Chunk]:
        lines, rows, _ = zip(*batch, strict=True)
        values = zip(*rows, strict=True)
        return list(lines), {name: list(cells) for name, cells in zip(self.columns, values, strict=True)}


class TextTable(RecordTable):
    """A table of lines."""

    def _lines(self) -> Iterator[str]:
        """The lines with their ends, decoded."""
        with open_binary(self.path) as file:
            yield from decoded_lines(blocks(file, self.path), str(self.path), self._form.encoding)


def numbered(cells: Sequence[Any]) -> Iterator[str]:
    """Names for columns without any: "1", "2", …"""
    return map(str, range(1, len(cells) + 1))


def _file_state(path: Path) -> tuple[int, ...]:
    """What changes when a file does; nothing where there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return ()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _checked_names(path: Path, columns: Iterable[str]) -> tuple[str, ...]:
    names = tuple(name.strip() or f"column {place}" for place, name in enumerate(columns, 1))
    if len(names) > COLUMN_LIMIT:
        raise DataError(f"{path} has more than {COLUMN_LIMIT:,} columns")
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice or not names:
        hint = NO_HEADER if looks_like_data(names) else ""
        raise DataError(
            f"{path} has several columns named {shown(twice[:1])!r}{hint}" if twice else f"{path} has no columns"
        )
    return names
