"""The figures of a report as an Excel workbook: a sheet for each kind of table."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from mien.errors import require
from mien.reporting.figures import COLUMNS, Document

_MOST = 1_048_575  # rows that a sheet holds besides its head
_SHEETS = {
    "all": "labels", "over": "over time", "change": "change", "by": "groups", "by over": "groups over time",
    "unsure_because": "unsure", "left_out": "left out",
}  # fmt: skip
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\ufffe\uffff]")
_SHARES = ("share", "low", "high", "other_share", "difference", "difference_low", "difference_high")


def write_sheets(path: Path, rows: Sequence[Document]) -> None:
    """Write the rows that :func:`mien.reporting.figures.flat` gives.

    Raises:
        MissingExtra: openpyxl is not installed.
    """
    openpyxl = require("openpyxl", "table")
    book = openpyxl.Workbook(write_only=True)
    for table, title in _SHEETS.items():
        some = [row for row in rows if row["table"] == table]
        if some:
            _write_sheet(book.create_sheet(title), some)
    if not book.worksheets:
        book.create_sheet("labels")
    book.save(path)


def _write_sheet(sheet: Any, rows: Iterable[Document]) -> None:
    from openpyxl.cell import WriteOnlyCell

    rows = list(rows)
    names = [name for name in COLUMNS if name != "table" and any(name in row for row in rows)]
    sheet.freeze_panes = "A2"
    sheet.append(names)
    for row in islice(rows, _MOST):
        cells = []
        for name in names:
            value = row.get(name)
            if isinstance(value, str):
                cell = WriteOnlyCell(sheet)
                cell.value = _plain(value)
                cell.data_type = "s"  # "=1+1" is a name here, and no formula
            else:
                cell = WriteOnlyCell(sheet, value)
                if name in _SHARES:
                    cell.number_format = "0.0%"
            cells.append(cell)
        sheet.append(cells)


def _plain(text: str) -> str:
    """What XML can hold of a text."""
    return _CONTROL.sub("", text).encode("utf-8", "replace").decode()
