"""Columns of 0 and 1, one for each label: named by an option, or found by their names and cells."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mien.datasets.lines import shown
from mien.datasets.names import is_emotion
from mien.errors import DataError, quoted
from mien.labels import emotion

#: What stands for no and for yes; a table writes it in one way.
_STYLES = (("0", "1"), ("false", "true"), ("no", "yes"), ("n", "y"), ("", "x"))
_YES = {yes for _, yes in _STYLES}


def named_columns(labels: str) -> tuple[str, ...]:
    """The columns that the option names, as "anger,joy"; none where it gives names to codes, as "0:anger,1:joy"."""
    return () if ":" in labels else tuple(filter(None, map(str.strip, labels.split(","))))


def possible_columns(columns: Sequence[str], taken: Sequence[str | None]) -> tuple[str, ...]:
    """The columns that may each stand for a label: two or more called as emotions are, and words next to these."""
    known = [column not in taken and is_emotion(column) for column in columns]
    if sum(known) < 2:
        return ()
    words = [c not in taken and c.replace(" ", "").replace("-", "").isalpha() for c in columns]
    return tuple(columns[place] for place in _beside(known, words))


class LabelColumns:
    """What columns of 0 and 1 say of each row.

    Attributes:
        labels: the names of the columns that are labels.
        rows: the labels of each row.
        complete: whether a row without any is known to have none; else, as there is a column for that, it has no label.
    """

    def __init__(
        self, path: Path, columns: Sequence[str], cells: Sequence[Sequence[Any]], where: Sequence[str], *, named: bool
    ) -> None:
        known = {column for column in columns if named or is_emotion(column)}
        texts = {_text(cell) for row in cells for column, cell in zip(columns, row, strict=True) if column in known}
        values: tuple[str, ...] = next((style for style in _STYLES if texts <= {*style, ""}), _STYLES[0])
        if named and not texts <= {*values, ""}:
            values = tuple(itertools.chain(*_STYLES))
        wrong: dict[str, tuple[str, str]] = {}
        for row, place in zip(cells, where, strict=True):
            for column, cell in zip(columns, row, strict=True):
                blank = column in known and _text(cell) == ""
                if not blank and _text(cell) not in values and column not in wrong:
                    wrong[column] = place, str(cell)[:40]
        for column, (place, cell) in wrong.items():
            if column in known:
                hint = "" if named else " (it has no column of labels; label=NAME says which one that is)"
                raise DataError(f"{place}: the column of the label {column!r} has {cell!r}, not 0 or 1{hint}")
        kept = _beside([column in known for column in columns], [column not in wrong for column in columns])
        self.labels = tuple(columns[place] for place in kept)
        self.rows = [[columns[place] for place in kept if _text(row[place]) in _YES] for row in cells]
        self.complete = not any(emotion(label).name == "none" or emotion(label).emoji == "😐" for label in self.labels)
        if not named:
            line = "note: %s: the columns %s, of 0 and 1, are taken for labels; labels=NAME,NAME,… names others"
            logging.getLogger("mien").warning(line, quoted(path), quoted(shown(self.labels, 40)))


def _beside(known: Sequence[bool], fit: Sequence[bool]) -> list[int]:
    """The places of those known, and of those between or next to them that fit, with none on the way that does not."""
    kept = set()
    for places in (range(len(known)), range(len(known) - 1, -1, -1)):
        beside = False
        for place in places:
            beside = known[place] or (beside and fit[place])
            if beside:
                kept.add(place)
    return sorted(kept)


def _text(cell: Any) -> str:
    return "" if cell is None else str(cell).strip().casefold().removesuffix(".0")
