"""What separates the columns of a table of lines: by a line that names it, or by how it cuts the first rows."""

from __future__ import annotations

import csv
from collections.abc import Iterator

HEAD_LINES = 50  # by which the separator of columns is found
_HEAD_SIZE = 2**20
_DELIMITERS = "\t|;,"  # the rarest in texts first


def named_separator(line: str) -> str:
    """What separates columns by a line "sep=;", as Excel writes it; "" where it is none."""
    line = line.rstrip("\r\n").strip('"')
    return line[4:] if len(line) == 5 and line.casefold().startswith("sep=") else ""


def take_head(lines: Iterator[str]) -> list[str]:
    """The first lines, taken off."""
    head, size = list[str](), 0
    while len(head) < HEAD_LINES and size < _HEAD_SIZE and (line := next(lines, "")):
        head.append(line)
        size += len(line)
    return head


def find_delimiter(head: list[str]) -> str:
    """What separates the columns of these first lines: the rarest in texts that cuts all rows into as many fields.

    Where none does, what the first line has most of, outside of quotes.
    """
    widths: dict[str, list[int]] = {}
    for delimiter in _DELIMITERS:
        try:
            widths[delimiter] = [len(row) for row in csv.reader(head, delimiter=delimiter) if row]
        except csv.Error:  # a field of more than csv's limit
            continue
    cut = len(head) == HEAD_LINES  # the last row may go on
    for delimiter, counts in widths.items():
        rows = counts[:-1] if cut else counts
        if len(rows) > 1 and set(rows) == {max(rows)} and rows[0] > 1:
            return delimiter
    return max(reversed(_DELIMITERS), key=lambda delimiter: (widths.get(delimiter) or [0])[0])
