"""The parts of an Excel workbook, looked through before they are read: no entities, and rows that fit in memory."""

from __future__ import annotations

import io
import mmap
import tempfile
import zipfile
from array import array
from pathlib import Path
from typing import IO, Any, NamedTuple, Self
from xml.parsers import expat

from mien.datasets.lines import ROW_LIMIT, allowed_size
from mien.errors import DataError, quoted

_BLOCK = 2**16
_ROWS, _COLUMNS = 2**20, 2**14  # of a sheet, as Excel has them
_STRINGS = 2**24  # that cells may share
_PART, _ELEMENTS = 2**24, 300_000  # bytes of a part that is read as a whole, and elements of one, or beside rows
_DEPTH, _MERGED = 64, 100_000


class Merged(NamedTuple):
    """Cells that are merged: first and last row, first and last column, from 1."""

    top: int
    bottom: int
    left: int
    right: int


class Archive(zipfile.ZipFile):
    """A zip whose small parts are looked through before anyone reads them."""

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        super().__init__(file)
        self._name, self._limit, self.streamed = path, allowed_size(path), set[str]()

    def open(
        self, name: Any, mode: Any = "r", pwd: Any = None, *, force_zip64: bool = False, streamed: bool = False
    ) -> Any:
        """A part, as a stream; one that openpyxl reads as a whole, in memory."""
        info = self.getinfo(name) if isinstance(name, str) else name
        if info.file_size > self._limit:
            size = f"{info.file_size:,} bytes, far more than {self._limit:,}"
            raise DataError(f"{self._name}: {quoted(info.filename)} unpacks to {size}")
        stream = super().open(info, mode, pwd, force_zip64=force_zip64)
        if streamed or info.filename in self.streamed:
            return stream
        if info.file_size > _PART:
            raise DataError(f"{self._name}: {quoted(info.filename)} has {info.file_size:,} bytes, more than {_PART:,}")
        with stream:
            content = stream.read()
        Watch(self._name).run(io.BytesIO(content))
        return io.BytesIO(content)


class Watch:
    """Reads XML and refuses what has entities, is nested deep, or has more elements than a workbook's parts have."""

    def __init__(self, path: Path) -> None:
        self.path, self.depth, self.loose = path, 0, 0
        self.parser = expat.ParserCreate(namespace_separator="}")
        self.parser.buffer_text = True
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end

    def run(self, source: IO[bytes]) -> Self:
        """Read all of it."""
        while block := source.read(_BLOCK):
            self.parser.Parse(block, False)
        self.parser.Parse(b"", True)
        return self

    def refuse(self, why: str) -> None:
        """Raise the DataError that says so."""
        raise DataError(f"{self.path} is no workbook to read: {why}")

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Take an element; those of no further use are counted."""
        self.loose += 1
        if self.loose > _ELEMENTS:
            self.refuse(f"one of its parts has more than {_ELEMENTS:,} elements beside its rows")

    def end(self, name: str) -> None:
        """Take the end of an element."""

    def _doctype(self, *_: Any) -> None:
        self.refuse("it defines entities of XML, which Excel never does")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        if self.depth > _DEPTH:
            self.refuse(f"its elements are nested more than {_DEPTH} deep")
        self.start(name.rpartition("}")[2], attributes)

    def _end(self, name: str) -> None:
        self.depth -= 1
        self.end(name.rpartition("}")[2])


class Scan(Watch):
    """What is in a sheet, and whether each row of it fits in memory.

    Attributes:
        filled: whether any cell holds a value.
        merged: cells of several rows or columns.
        unknown: formulas whose results are not stored.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.filled, self.unknown, self.merged = False, 0, list[Merged]()
        self._row, self._size, self._cells, self._formula, self._value = 0, 0, 0, False, False
        self._inside = self._content = False
        self.parser.CharacterDataHandler = self._text

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "row":
            given = attributes.get("r", "")
            self._row = int(given) if given.isdecimal() and len(given) < 10 else self._row + 1 if not given else 0
            if not 1 <= self._row <= _ROWS:
                self.refuse(f"it has a row {given[:20]!r}; Excel's end with {_ROWS:,}")
            self._size, self._cells, self._inside = 0, 0, True
        elif name == "c":
            self._cells += 1
            self._formula = self._value = False
            if self._cells > _COLUMNS:
                self.refuse(f"row {self._row} has more than {_COLUMNS:,} cells")
        elif name == "f":
            self._formula = True
        elif name == "mergeCell":
            self._merge(attributes.get("ref", ""))
        self._content = name in ("v", "t")
        if not self._inside:
            super().start(name, attributes)
        self._add(8 + sum(map(len, attributes.values())))

    def end(self, name: str) -> None:
        self._content = False
        if name == "row":
            self._inside = False
        elif name == "c":
            self.unknown += self._formula and not self._value

    def _text(self, text: str) -> None:
        if self._content and text.strip():
            self._value = self.filled = True
        self._add(len(text))

    def _add(self, size: int) -> None:
        self._size += size
        if self._size > ROW_LIMIT:
            if self._inside:
                self.refuse(f"row {self._row} has more than {ROW_LIMIT:,} bytes, the most that a row may have")
            self._size = 0

    def _merge(self, ref: str) -> None:
        from openpyxl.utils.cell import range_boundaries

        left, top, right, bottom = range_boundaries(ref)
        self.merged.append(Merged(top, bottom, left, right))
        if len(self.merged) > _MERGED:
            self.refuse(f"it has more than {_MERGED:,} merged cells")


class Strings(Watch):
    """The strings that cells share, on disk: string number → text."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._ends, self._content = array("Q", [0]), b""

    def __getitem__(self, number: int) -> str:
        if not 0 <= number < len(self._ends) - 1:
            raise DataError(f"{self.path}: a cell has the string {number:,}, and there are {len(self._ends) - 1:,}")
        return self._content[self._ends[number] : self._ends[number + 1]].decode("utf-8")

    def read(self, source: IO[bytes]) -> None:
        """Take those of a part."""
        self._parts, self._size, self._taken, self._phonetic = list[str](), 0, False, False
        self.parser.CharacterDataHandler = self._text
        with tempfile.TemporaryFile() as self._file:
            self.run(source)
            self._file.flush()
            if self._ends[-1]:
                self._content = mmap.mmap(self._file.fileno(), self._ends[-1], access=mmap.ACCESS_READ)  # type: ignore[assignment]

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "si":
            self._parts, self._size, self.loose = [], 0, 0
        self._phonetic = self._phonetic or name == "rPh"
        self._taken = name == "t" and not self._phonetic
        super().start(name, attributes)

    def end(self, name: str) -> None:
        self._taken = False
        self._phonetic = self._phonetic and name != "rPh"
        if name == "si":
            if len(self._ends) > _STRINGS:
                self.refuse(f"its cells share more than {_STRINGS:,} strings")
            self._ends.append(self._ends[-1] + self._file.write("".join(self._parts).encode("utf-8", "replace")))

    def _text(self, text: str) -> None:
        self._size += len(text)
        if self._size > ROW_LIMIT:
            self.refuse(f"a cell has more than {ROW_LIMIT:,} characters, the most that a row may have")
        if self._taken:
            self._parts.append(text)
