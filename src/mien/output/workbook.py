"""Excel workbooks of rows, written one row at a time; a text is a text there, whatever it begins with."""

from __future__ import annotations

import itertools
import json
import logging
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mien.errors import MienError
from mien.output.rows import Row

ROWS, COLUMNS = 2**20, 2**14  # of a sheet
CHARACTERS = 32_767  # of a cell, as UTF-16 counts them
_EXACT = 10**15  # whole numbers from here on lose digits in Excel
_FORMULA = ("=", "+", "-", "@", "#", "\t", "\r")  # what would be a formula, or an error, else
#: What XML cannot hold, and what reads like Excel's way of writing it.
_ESCAPED = re.compile("[\x00-\x08\x0b-\x1f\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}_)")


def write_workbook(target: Path, names: Sequence[str], rows: Iterable[Row]) -> None:
    """Write rows below a row of the names of their columns; into further sheets where one cannot hold them.

    Raises:
        MienError: more columns than a sheet has.
    """
    from openpyxl import Workbook

    if len(names) > COLUMNS:
        raise MienError(f"{len(names):,} columns are too many for a sheet of Excel, which has {COLUMNS:,}: use .csv")
    book, cut, room = Workbook(write_only=True), 0, 0
    sheet = None
    for row in itertools.chain(rows, [None]):
        if sheet is None or (row is not None and not room):
            sheet = book.create_sheet(f"results {len(book.worksheets) + 1}" if book.worksheets else "results")
            sheet.freeze_panes = "A2"
            sheet.append([_cell(sheet, _text(name)[0]) for name in names])
            room = ROWS - 1
        if row is not None:
            cut, room = cut + append_row(sheet, [row.get(name) for name in names]), room - 1
    book.save(target)
    logger = logging.getLogger("mien")
    if cut:
        line = "warning: %s texts are cut: a cell of Excel has at most %s characters; a .csv holds them whole"
        logger.warning(line, f"{cut:,}", f"{CHARACTERS:,}")
    if len(book.worksheets) > 1:
        logger.warning("note: a sheet has at most %s rows: there are %s sheets", f"{ROWS:,}", len(book.worksheets))


def append_row(sheet: Any, values: Iterable[Any], formats: Mapping[int, str] | None = None) -> int:
    """Append a row to a sheet; *formats*: place → number format. Returns how many texts are cut."""
    cells = [_plain(value) for value in values]
    sheet.append([_cell(sheet, value, (formats or {}).get(place, "")) for place, (value, _) in enumerate(cells)])
    return sum(is_cut for _, is_cut in cells)


def _cell(sheet: Any, value: Any, number_format: str = "") -> Any:
    """A value for openpyxl, which takes a text for a formula or an error by how it begins."""
    from openpyxl.cell import WriteOnlyCell

    if isinstance(value, float | int) and number_format:
        cell = WriteOnlyCell(sheet, value)
        cell.number_format = number_format
        return cell
    if not isinstance(value, str) or not value.startswith(_FORMULA):
        return value
    cell = WriteOnlyCell(sheet, value)
    cell.data_type, cell.quotePrefix = "s", True
    return cell


def _plain(value: Any) -> tuple[Any, bool]:
    """A value that a cell can hold, and whether it is cut."""
    if value is None or isinstance(value, bool):
        return value, False
    if isinstance(value, int):
        return (value if abs(value) < _EXACT else str(value)), False
    if isinstance(value, float):
        return (value if math.isfinite(value) else None if math.isnan(value) else str(value)), False
    return _text(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _text(text: str) -> tuple[str, bool]:
    """A text as a workbook writes it, and whether it is cut."""
    escaped, cut = _escape(text), False
    while len(escaped) > CHARACTERS // 2 and len(escaped.encode("utf-16-le")) > 2 * CHARACTERS:
        text, cut = text[: min(CHARACTERS, len(text) * 9 // 10)], True
        escaped = _escape(text)
    return escaped, cut


def _escape(text: str) -> str:
    text = text.encode("utf-8", "replace").decode()  # half of a surrogate pair is no text
    return _ESCAPED.sub(lambda found: f"_x{ord(found[0]):04X}_", text)
