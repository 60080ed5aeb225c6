"""Excel workbooks, .xlsx and .xlsm: a sheet's rows as openpyxl reads them, one at a time, and looked through before.

openpyxl builds trees of what it reads; so a part that would unfold in memory, or names entities, is refused first. The
strings that cells share lie in a temporary file.
"""

from __future__ import annotations

import itertools
import logging
import re
import tempfile
import warnings
import zipfile
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, time
from pathlib import Path
from typing import Any

from mien.datasets.lines import PACKED, blocks, open_binary, shown
from mien.datasets.workbook_parts import Archive, Scan, Strings
from mien.errors import DataError, MienError, quoted

_TITLES = 20  # rows that may stand above a header
_ERRORS = {"#N/A", "#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "#NULL!", "#NUM!", "#SPILL!", "#CALC!"}
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
_OLD = b"\xd0\xcf\x11\xe0"  # how .xls begins, and any workbook with a password


class Workbook:
    """A workbook, with the sheet of it that is read.

    Attributes:
        path: the file.
        sheet: the name of that sheet.
    """

    def __init__(self, path: Path, wanted: str) -> None:
        self.path, self._strings = path, Strings(path)
        with _damage(path), _opened(path) as archive:
            self._reader, sheets = _read(archive, self._strings)
            names = archive.namelist()
            found = [(sheet, rel.target) for sheet, rel in sheets if rel.target in names and "worksheet" in rel.Type]
            if not found:
                raise DataError(f"{path} has no sheets with cells; is it Strict Open XML? Save it as plain .xlsx")
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

    def _choose(self, archive: Archive, found: Sequence[tuple[Any, str]], wanted: str) -> tuple[str, str, Scan]:
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
                scan = Scan(self.path).run(source)
            if scan.filled:
                scans.append((sheet.state != "visible", sheet.name, part, scan))
        if not scans:
            what = f"its sheet {quoted(found[0][0].name)!r}" if len(found) == 1 else f"its sheets ({shown(names)})"
            raise DataError(f"{self.path} is empty: there is nothing in {what}")
        _, name, part, scan = min(scans, key=lambda entry: entry[0])
        if len(scans) > 1:
            others = shown([other for _, other, _, _ in scans if other != name])
            line = "note: %s: the sheet %r is read, and not %s (sheet=NAME; --sheet NAME for predict)"
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


def _read(archive: Archive, strings: Strings) -> tuple[Any, list[tuple[Any, Any]]]:
    """openpyxl's reader of a workbook, with everything read but its sheets; and these, with where they are."""
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
        sheets = list(reader.parser.find_sheets())
    reader.wb._archive = None
    part = reader.package.find(SHARED_STRINGS)
    if part is not None and (name := part.PartName[1:]) in reader.valid_files:
        with archive.open(name, streamed=True) as source:
            strings.read(source)
    return reader, sheets


@contextmanager
def _opened(path: Path) -> Iterator[Archive]:
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
        with Archive(path, whole) as archive:
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
