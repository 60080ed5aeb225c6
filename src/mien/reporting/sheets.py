"""The figures of a report as an Excel workbook: a sheet for each kind of table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mien.output.workbook import ROWS, append_row
from mien.reporting.figures import COLUMNS, Document

_SHEETS = {
    "all": "labels", "over": "over time", "change": "change", "by": "groups", "by over": "groups over time",
    "unsure_because": "unsure", "left_out": "left out",
}  # fmt: skip
_SHARES = ("share", "low", "high", "other_share", "difference", "difference_low", "difference_high")


def write_sheets(path: Path, rows: Sequence[Document]) -> None:
    """Write the rows that :func:`mien.reporting.figures.flat` gives."""
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    for table, title in _SHEETS.items():
        if some := [row for row in rows if row["table"] == table]:
            _write_sheet(book.create_sheet(title), some)
    book.save(path)


def _write_sheet(sheet: Any, rows: Sequence[Document]) -> None:
    names = [name for name in COLUMNS if name != "table" and any(name in row for row in rows)]
    formats = {place: "0.0%" for place, name in enumerate(names) if name in _SHARES}
    sheet.freeze_panes = "A2"
    append_row(sheet, names)
    for row in rows[: ROWS - 1]:
        append_row(sheet, [row.get(name) for name in names], formats)
