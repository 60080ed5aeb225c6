"""Excel workbooks, .xlsx and .xlsm: a sheet's rows as openpyxl reads them, one at a time, and looked through before.

openpyxl builds trees of what it reads; so a part that would unfold in memory, or names entities, is refused first. The
strings that cells share lie in a temporary file.
"""

from __future__ import annotations

import io
import itertools
import logging
import mmap
import re
import tempfile
import warnings
import zipfile
from array import array
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, time
from pathlib import Path
from typing import IO, Any, NamedTuple
from xml.parsers import expat

from mien.datasets.lines import PACKED, ROW_LIMIT, allowed_size, blocks, open_binary, shown
from mien.errors import DataError, MienError, quoted

_BLOCK = 2**16
_ROWS, _COLUMNS = 2**20, 2**14  # of a sheet, as Excel has them
_STRINGS = 2**24  # that cells may share
_PART, _ELEMENTS = 2**24, 300_000  # bytes of a part that is read as a whole, and elements of one, or beside rows
_DEPTH, _MERGED = 64, 100_000
_TITLES = 20  # rows that may stand above a header
_ERRORS = {"#N/A", "#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "#NULL!", "#NUM!", "#SPILL!", "#CALC!"}
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
_OLD = b"\xd0\xcf\x11\xe0"  # how .xls begins, and any workbook with a password


class Merged(NamedTuple):
    """Cells that are merged: first and last row, first and last column, from 1."""

    top: int
    bottom: int
    left: int
    right: int


class Workbook:
    """A workbook, with the sheet of it that is read.

    Attributes:
        path: the file.
        sheet: the name of that sheet.
    """

    def __init__(self, path: Path, wanted: str) -> None:
        self.path, self._strings = path, _Strings()
        with _damage(path), _opened(path) as archive:
            self._reader = _read(archive, self._strings, path)
            names = archive.namelist()
            found = [(sheet, rel.target) for sheet, rel in self._reader.parser.find_sheets()
                     if rel.target in names and "worksheet" in rel.Type]  # fmt: skip
            if not found:
                raise DataError(f"{path} has no sheets with cells")
            archive.streamed.update(part for _, part in found)
            self.sheet, self._part, scan = self._choose(archive, found, wanted)
        self._merged = sorted(scan.merged)
        if scan.unknown:
            line = "warning: %s, sheet %r: %s cells have formulas without results, and are empty here; save it in Excel"
            logging.getLogger("mien").warning(line, quoted(path), quoted(self.sheet), f"{scan.unknown:,}")

    def __reduce__(self) -> tuple[Any, ...]:  # for other processes
        return Workbook, (self.path, self.sheet)

    def rows(self) -> Iterator[tuple[int, list[Any]]]:
        """The rows that hold anything, each with its number, from 1; as long as its last cell that does.

        A cell of several rows holds its value in each of them.
        """
        merged, waiting, active = self._merged, 0, dict[int, tuple[int, Any]]()
        for number, cells in self._cells():
            for column, (bottom, value) in list(active.items()):
                if number > bottom:
                    del active[column]
                elif cells.get(column) is None:
                    cells[column] = value
            while waiting < len(merged) and merged[waiting].top <= number:
                range_ = merged[waiting]
                if range_.top == number and range_.bottom > number:
                    active[range_.left] = range_.bottom, cells.get(range_.left)
                waiting += 1
            width = max((column for column, cell in cells.items() if cell is not None), default=0)
            if width:
                yield number, [cells.get(column) for column in range(1, width + 1)]

    def _cells(self) -> Iterator[tuple[int, dict[int, Any]]]:
        """The cells of each row by column, from 1."""
        from openpyxl.worksheet._reader import WorkSheetParser

        book = self._reader.wb
        with _damage(self.path), _opened(self.path) as archive, archive.open(self._part, streamed=True) as source:
            parser = WorkSheetParser(
                source, self._strings, data_only=True, epoch=book.epoch, date_formats=book._date_formats,
                timedelta_formats=book._timedelta_formats,
            )  # fmt: skip
            rows = parser.parse()
            while True:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # about parts of a sheet that nobody reads here
                    some = list(itertools.islice(rows, 64))
                for number, cells in some:
                    yield number, {cell["column"]: _plain(cell["value"]) for cell in cells}
                if not some:
                    return

    def _choose(self, archive: _Archive, found: Sequence[tuple[Any, str]], wanted: str) -> tuple[str, str, _Scan]:
        """The sheet asked for, by name or number; else the first that is shown and holds anything."""
        names = [sheet.name for sheet, _ in found]
        if wanted:
            fits = [place for place, name in enumerate(names) if name.casefold() == wanted.casefold()]
            if not fits and wanted.isdecimal() and 1 <= int(wanted) <= len(names):
                fits = [int(wanted) - 1]
            if not fits:
                raise DataError(f"{self.path} has no sheet {quoted(wanted)!r}; it has: {shown(names)}")
            found = [found[fits[0]]]
        scans = []
        for sheet, part in found:
            with archive.open(part) as source:
                scan = _Scan(self.path).run(source)
            if scan.filled:
                scans.append((sheet.state != "visible", sheet.name, part, scan))
        if not scans:
            what = f"its sheet {quoted(found[0][0].name)!r}" if len(found) == 1 else f"its sheets ({shown(names)})"
            raise DataError(f"{self.path} is empty: there is nothing in {what}")
        _, name, part, scan = min(scans, key=lambda entry: entry[0])
        if len(scans) > 1:
            others = shown([other for _, other, _, _ in scans if other != name])
            line = "note: %s: the sheet %r is read, and not %s (sheet=NAME, or --sheet NAME for predict)"
            logging.getLogger("mien").warning(line, quoted(self.path), quoted(name), quoted(others))
        return name, part, scan


def header_of(book: Workbook, known: Container[str]) -> tuple[int, list[Any]]:
    """The first row that names columns, with its number.

    A row with one cell above wider ones is a title, unless the cell is a *known* name of a column.
    """
    first = list(itertools.islice(book.rows(), _TITLES))
    for place, (number, cells) in enumerate(first):
        names = [str(cell) for cell in cells if cell is not None]
        if len(names) > 1 or names[0].strip().casefold() in known or not any(len(later) > 1 for _, later in first):
            if place:
                line = "note: %s: row %s is taken for the header, and what is above it for a title"
                logging.getLogger("mien").warning(line, quoted(book.path), number)
            return number, cells
    return first[0] if first else (1, [])


class _Archive(zipfile.ZipFile):
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
        _Watch(self._name).run(io.BytesIO(content))
        return io.BytesIO(content)


class _Watch:
    """Reads XML and refuses what has entities, is nested deep, or has more elements than a workbook's parts have."""

    def __init__(self, path: Path) -> None:
        self.path, self.depth, self.loose = path, 0, 0
        self.parser = expat.ParserCreate(namespace_separator="}")
        self.parser.buffer_text = True
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end

    def run(self, source: IO[bytes]) -> Any:
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


class _Scan(_Watch):
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
        self._inside = False
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
        elif name in ("v", "t"):
            self._value = self.filled = True
        elif name == "mergeCell":
            self._merge(attributes.get("ref", ""))
        if not self._inside:
            super().start(name, attributes)
        self._add(8 + sum(map(len, attributes.values())))

    def end(self, name: str) -> None:
        if name == "row":
            self._inside = False
        elif name == "c":
            self.unknown += self._formula and not self._value

    def _text(self, text: str) -> None:
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


class _Strings(_Watch):
    """The strings that cells share, on disk: string number → text."""

    def __init__(self) -> None:
        self._ends, self._content = array("Q", [0]), b""

    def __getitem__(self, number: int) -> str:
        if not 0 <= number < len(self._ends) - 1:
            raise DataError(f"a cell has the string {number:,}, and there are {len(self._ends) - 1:,}")
        return self._content[self._ends[number] : self._ends[number + 1]].decode("utf-8")

    def read(self, path: Path, source: IO[bytes]) -> None:
        """Take those of a part."""
        super().__init__(path)
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


def _read(archive: _Archive, strings: _Strings, path: Path) -> Any:
    """openpyxl's reader of a workbook, with everything read but its sheets."""
    from openpyxl.reader.excel import ExcelReader, apply_stylesheet
    from openpyxl.xml.constants import SHARED_STRINGS

    class Reader(ExcelReader):
        def __init__(self) -> None:  # the archive is there
            self.archive, self.valid_files = archive, archive.namelist()
            self.read_only, self.data_only, self.keep_vba, self.keep_links = True, True, False, False

    reader = Reader()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reader.read_manifest()
        reader.read_workbook()
        apply_stylesheet(archive, reader.wb)
    reader.wb._archive = None
    part = reader.package.find(SHARED_STRINGS)
    if part is not None and (name := part.PartName[1:]) in reader.valid_files:
        with archive.open(name, streamed=True) as source:
            strings.read(path, source)
    return reader


@contextmanager
def _opened(path: Path) -> Iterator[_Archive]:
    """The zip that a workbook is; unpacked to disk where it is packed once more."""
    with open_binary(path) as file, tempfile.TemporaryFile() as unpacked:
        packed = path.suffix.lower() in PACKED
        if packed:
            for block in blocks(file, path):
                unpacked.write(block)
        whole = unpacked if packed else file
        whole.seek(0)
        if whole.read(len(_OLD)) == _OLD:
            raise DataError(f"{path} is an old .xls, or has a password: save it as .xlsx without one")
        with _Archive(path, whole) as archive:
            yield archive


def _plain(value: Any) -> Any:
    """A cell as tables have it: None for an error of a formula, dates as ISO 8601 writes them."""
    if isinstance(value, str):
        if value in _ERRORS:
            return None
        if "_x" in value:
            value = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), value)
            value = value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return value
    if isinstance(value, datetime) and value.time() == time():
        return value.date().isoformat()
    return value.isoformat() if hasattr(value, "isoformat") else value if isinstance(value, int | float) else (
        None if value is None else str(value)
    )  # fmt: skip


@contextmanager
def _damage(path: Path) -> Iterator[None]:
    """Whatever goes wrong with a damaged file, as one line."""
    try:
        yield
    except MienError:
        raise
    except zipfile.BadZipFile as error:
        raise DataError(f"{path} is no Excel workbook, or is damaged: {error}") from error
    except Exception as error:  # hostile bytes can fail in any way
        if isinstance(error, OSError) and error.errno:
            raise
        why = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(f"{path} is not readable as an Excel workbook: {why}") from error
