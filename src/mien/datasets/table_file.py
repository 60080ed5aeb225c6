"""A table on disk, read in chunks of bounded size, and only while its file stays as it is."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mien.datasets.lines import CHUNK_LIMIT, blocks, decoded_lines, open_binary, shown
from mien.errors import DataError

COLUMN_LIMIT = 50_000

Chunk = dict[str, list[Any]]
Record = tuple[int, Sequence[Any], int]  # line, cells, and about how many bytes they take


class Table(ABC):
    """A table on disk. It can be run through any number of times, as long as the file stays as it is.

    Attributes:
        path: the file.
        columns: the names of its columns, in order.
        rows: how many rows, where the format tells without reading them all; else None.
    """

    columns: tuple[str, ...] = ()
    rows: int | None = None

    def __init__(
        self, path: Path, columns: Sequence[str] | None, quotes: bool, limit: int, encoding: str | None
    ) -> None:
        self.path, self._quotes, self._limit, self._encoding = path, quotes, limit, encoding
        self._header = columns is None
        self._state, self._count = _file_state(path), -1
        with self._steady():
            self.columns = _checked_names(path, self._names() if columns is None else columns)

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


class TextTable(Table):
    """A table of lines."""

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

    def _lines(self) -> Iterator[str]:
        """The lines with their ends, decoded."""
        with open_binary(self.path) as file:
            yield from decoded_lines(blocks(file, self.path), str(self.path), self._encoding)


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
        raise DataError(f"{path} has several columns named {shown(twice[:1])!r}" if twice else f"{path} has no columns")
    return names
