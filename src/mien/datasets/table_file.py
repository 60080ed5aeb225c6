"""A table on disk, read in chunks of bounded size, and only while its file stays as it is."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from mien.datasets.lines import CHUNK_LIMIT, blocks, decoded_lines, open_binary, shown
from mien.datasets.unpickle import LIMIT
from mien.errors import DataError

COLUMN_LIMIT = 50_000

Chunk = dict[str, list[Any]]
Record = tuple[int, Sequence[Any], int]  # line, cells, and about how many bytes they take


class Options(NamedTuple):
    columns: Sequence[str] | None = None
    raw: bool = False
    limit: int = LIMIT
    encoding: str | None = None


class Table:
    """A table on disk. It can be run through any number of times, as long as the file stays as it is.

    Attributes:
        path: the file.
        columns: the names of its columns, in order.
        rows: how many rows, where the format tells without reading them all; else None.
    """

    columns: tuple[str, ...] = ()
    rows: int | None = None

    def __init__(self, path: Path, options: Options) -> None:
        self.path, self.options = path, options
        self._state, self._count = file_state(path), -1
        with self._steady():
            self.columns = checked_names(path, self._names() if options.columns is None else options.columns)

    def chunks(self, size: int = 4096) -> Iterator[Chunk]:
        """The rows, up to *size* and 8 MiB at a time, as column → values.

        Raises:
            DataError: a row does not fit the header, or the file is damaged; names file and line. Or the file changed
                since it was opened.
        """
        return (chunk for _, chunk in self.numbered(size))

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

    def _names(self) -> Iterable[str]:
        """The columns as the file names them."""
        raise NotImplementedError

    def _numbered(self, size: int) -> Iterator[tuple[list[int], Chunk]]:
        records, batch, total = self._records(), list[Record](), 0
        for record in records:
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

    def _records(self) -> Iterator[Record]:
        raise NotImplementedError

    def _lines(self) -> Iterator[str]:
        """The lines with their ends, decoded."""
        with open_binary(self.path) as file:
            yield from decoded_lines(blocks(file, self.path), str(self.path), self.options.encoding)

    @contextmanager
    def _steady(self) -> Iterator[None]:
        """See that the file is at the end of a block what it was when it was opened.

        Raises:
            DataError: it is not, which may be why something else is wrong with it.
        """
        changed = DataError(f"{self.path} was changed while it was read; give it again when it is complete")
        try:
            if file_state(self.path) != self._state:
                raise changed
            yield
        except DataError:
            if file_state(self.path) != self._state:
                raise changed from None
            raise
        if file_state(self.path) != self._state:
            raise changed


def file_state(path: Path) -> tuple[int, ...]:
    """What changes when a file does; nothing where there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return ()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def checked_names(path: Path, columns: Iterable[str]) -> tuple[str, ...]:
    names = tuple(name.strip() or f"column {place}" for place, name in enumerate(columns, 1))
    if len(names) > COLUMN_LIMIT:
        raise DataError(f"{path} has more than {COLUMN_LIMIT:,} columns")
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice or not names:
        raise DataError(f"{path} has several columns named {shown(twice[:1])!r}" if twice else f"{path} has no columns")
    return names
