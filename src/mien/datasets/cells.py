"""Columns and cells of tables: which column is meant, and the labels, numbers and splits in its cells."""

from __future__ import annotations

import logging
import math
import re
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mien.datasets.dataset import SPLITS
from mien.datasets.lines import shown
from mien.datasets.names import TEXT_NAMES, looks_like_data, usual_columns
from mien.datasets.splits import SPLIT_NAMES
from mien.datasets.table_file import NO_HEADER, numbered
from mien.datasets.tables import LINES, cell_text, open_table, plain_separator, table_suffix
from mien.errors import DataError, quoted
from mien.labels import SPACES, LabelSpace, _key

_OPTIONS = {"text": "text={0} (--column {0} for predict)", "label": "label={0}"}  # by what a column is called in them
_SEPARATORS = "|;,"
_SEPARATES = re.compile(r"\w(?:[^\w '\"’.()?!&-]+ ?|  +)\w")  # of a header: what may stand between two columns
_MAPPING = re.compile(r"\{\s*['\"].*['\"]\s*:.*\}", re.DOTALL)  # scores of labels, as Python and JSON write them
_WHOLE = re.compile(r"-?\d{1,18}(\.0)?")
_BARE = re.compile(r"\[[^\[\]'\"\d]*\]")  # a list without quotes: [joy, love]
_LIST = re.compile(r"\[\s*\]|[\[({]\s*(?:['\"].*['\"]|\d[\d\s,]*),?\s*[\])}]", re.DOTALL)
_ITEM = re.compile(r"""'([^']*)'|"([^"]*)"|([^\s,'"]+)""")
LARGEST = 1e30  # sums of larger numbers are no numbers any more


def find_column(columns: Sequence[str], wanted: str, usual: Sequence[str], what: str, file: Path) -> str:
    """The name of a column: the one asked for, by name or number, or the likeliest of the usual ones.

    A line says so where others have usual names, too.

    Raises:
        DataError: there is none; the message names the columns there are.
    """
    if wanted in columns:
        return wanted
    if wanted:
        lower = {name.casefold(): name for name in reversed(columns)}
        if wanted.casefold() in lower:
            return lower[wanted.casefold()]
        if wanted.isdecimal() and 1 <= int(wanted) <= len(columns):
            return columns[int(wanted) - 1]
    elif found := usual_columns(columns, usual):
        if len(found) > 1 and what in _OPTIONS:
            line = "note: %s: the column %r is taken for the %s; %s could be it, too: %s says which"
            others = " and ".join(map(repr, found[1:3]))
            logging.getLogger("mien").warning(
                line, quoted(file), quoted(found[0]), what, quoted(others), _OPTIONS[what].format(quoted(found[1]))
            )
        return found[0]
    _refuse_unparted(columns, file)
    missing = f"no column {wanted!r}" if wanted else f"no {what} column (such as {', '.join(usual[:3])})"
    if list(columns) == list(numbered(columns)):
        which = f"{columns[0]} to {columns[-1]}" if len(columns) > 1 else columns[0]
        hint = f"; name it by its number: {_OPTIONS[what].format(columns[-1])}" if what in _OPTIONS else ""
        raise DataError(f"{file} has {missing}; without a header its columns are {which}{hint}")
    hint = NO_HEADER if looks_like_data(columns) else ""
    if usual == TEXT_NAMES and "pixels" in map(str.casefold, columns):
        hint = "; fer2013:FILE reads pixels"
    elif usual == TEXT_NAMES and any(name.startswith("AU01") for name in columns):
        hint = "; features:FILE reads rows of numbers"
    elif table_suffix(file) == ".txt" and tuple(columns) == LINES:
        hint = "; a .txt is a file of lines, and with separator=tab (or another) a table"
    elif what == "label" and not wanted and len(columns) > 1 and not hint:
        hint = "; ?label=COLUMN says which it is"
    raise DataError(f"{file} has {missing}; it has: {shown(columns)}{hint}")


def text_column(columns: Sequence[str], wanted: str | None, file: Path) -> str:
    """The name of the column with the text: the one asked for, or the likeliest by its name, or the only one.

    Raises:
        DataError: there is none; the message names the columns there are.
    """
    if wanted is None and len(columns) == 1:
        words = _refuse_unparted(columns, file)
        if not words.intersection(TEXT_NAMES) and columns[0] != "1" and table_suffix(file) in (".csv", ".tsv", ".xlsx"):
            line = "note: %s has one column; its first line, %r, is taken for the header"
            logging.getLogger("mien").warning(line, quoted(file), quoted(columns[0]))
        return columns[0]
    return find_column(columns, wanted or "", TEXT_NAMES, "text", file)


def _refuse_unparted(columns: Sequence[str], file: Path) -> set[str]:
    """Refuse a table whose only column seems to be several; the words of its name otherwise."""
    words = set(re.findall(r"[a-z]+", columns[0].casefold()))
    if len(columns) == 1 and len(words) > 1 and _SEPARATES.search(columns[0]):
        what = f"{file} has one column, {quoted(columns[0])!r}: what separates its columns is not known"
        raise DataError(f"{what}; comma, semicolon, tab and | are (else separator=, --separator, or --column)")
    return words


def separators(file: Path, separator: str, label_separator: str, **how: Any) -> tuple[str, str]:
    """What separates columns, and what labels in a cell, where "separator" may be meant as the latter, as it was once.

    It is that where the table has no columns that it separates.
    """
    if not separator or label_separator:
        return separator, label_separator
    fits = table_suffix(file) in (".csv", ".tsv", ".txt") and plain_separator(separator)
    if fits and len(open_table(file, separator=separator, **how).columns) > 1:
        return separator, ""
    line = f"separator={separator} is for columns now: write label_separator={separator} for labels in a cell"
    warnings.warn(f"{line}; the old meaning goes with mien 0.3", DeprecationWarning, stacklevel=2)
    logging.getLogger("mien").warning("note: %s: %r joins labels, and no columns", quoted(file), quoted(separator))
    return "", separator


def split_column(columns: Sequence[str], wanted: str, file: Path) -> str | None:
    """The name of the column with the splits: the one asked for, or "split"; None where there is none."""
    named = wanted or any(name.casefold() == "split" for name in columns)
    return find_column(columns, wanted, ("split",), "split", file) if named else None


def split_name(cell: Any, where: str) -> str:
    """What a cell calls a split, by its name here."""
    text = cell_text(cell) or ""
    if text.strip().casefold() not in SPLIT_NAMES:
        raise DataError(f"{where} has the split {text[:40]!r}; it must be one of {', '.join(SPLITS)}")
    return SPLIT_NAMES[text.strip().casefold()]


def number(cell: Any) -> float:
    """A cell as a finite float.

    Raises:
        ValueError: it is none; the message says what it is, as in "is empty".
    """
    if cell is None or (isinstance(cell, str) and not cell.strip()):
        raise ValueError("is empty")
    try:
        value = float(cell)
    except (TypeError, ValueError):
        text = str(cell)
        hint = "; write it with a point" if text.count(",") == 1 and text.replace(",", "").isdigit() else ""
        raise ValueError(f"is {text[:40]!r}, no number{hint}") from None
    if math.isnan(value):  # how tables of numbers mark it
        raise ValueError("is empty")
    if abs(value) > LARGEST:
        raise ValueError(f"is {cell}, too large a number")
    return value


def is_failed(cell: Any) -> bool:
    """Whether a cell of OpenFace's column "success" says that no face was found."""
    return str(cell).strip().casefold() in ("0", "0.0", "false")


def read_labels(
    path: Path,
    cells: Iterable[Any],
    where: Iterable[str],
    space: LabelSpace | None,
    separator: str = "",
    codes: str | Mapping[str, str] = "",
) -> tuple[list[list[str]], bool]:
    """The label names of each row (none for an empty cell), and whether rows can have several.

    Args:
        path: of the table, for messages.
        cells: of each row: names, whole numbers (places in *space*), lists of either, or names joined by a separator.
        where: file and line of each.
        space: the labels there are, where that is known.
        separator: what joins the names in a cell; "" to find it out.
        codes: the names of codes for labels, such as "0:sadness,1:joy"; "" stands for no label.
    """
    where = list(where)
    cells = [_listed(cell, place) for cell, place in zip(cells, where, strict=True)]
    several = any(isinstance(cell, list | tuple) for cell in cells) or bool(separator)
    labels = []
    for cell, place in zip(cells, where, strict=True):
        try:
            labels.append([name for part in _parts(cell) if (name := _name(part))])
        except DataError as error:
            raise DataError(f"{place}: {error}") from None
    if separator:
        parted = ([part.strip() for name in cell for part in name.split(separator)] for cell in labels)
        labels = [list(filter(None, cell)) for cell in parted]
    elif not several and (split := _separator({cell[0] for cell in labels if cell}, space)):
        several, labels = True, [[name for part in cell for name in split(part)] for cell in labels]
    names: Mapping[str, str] = {}
    if space is not None and all(name.isascii() and name.isdigit() for cell in labels for name in cell):
        names = {str(place): name for place, name in enumerate(space.names) if str(place) not in space}
    if codes:
        names = {**names, **(label_codes(path, codes) if isinstance(codes, str) else codes)}
    found = []
    for cell, place in zip(labels, where, strict=True):
        cell = [name.removesuffix(".0") if name.removesuffix(".0") in names else name for name in cell]  # noqa: PLW2901
        strange = [name for name in cell if codes and name not in names and _WHOLE.fullmatch(name)]
        if strange:
            raise DataError(f"{place}: the label {strange[0]} has no name; labels=…,{strange[0]}: leaves such rows out")
        found.append([known for name in cell if (known := names.get(name, name))])
    return found, several


def label_codes(path: Path, codes: str) -> dict[str, str]:
    """The names of codes, given as "0:sadness,1:joy"; a code without a name, as "2:", stands for no label."""
    if not codes:
        return {}
    pairs = [part.rpartition(":") for part in codes.split(",")]
    if not all(code.strip() for code, _, _ in pairs):
        raise DataError(f"{path}: labels are given as 0:sadness,1:joy, not {codes[:40]!r}")
    return {code.strip(): name.strip() for code, _, name in pairs}


def _listed(cell: Any, place: str) -> Any:
    """A list that stands in a cell as text, such as "['joy', 'love']" or "[joy, love]"."""
    if not isinstance(cell, str):
        return cell
    if _MAPPING.fullmatch(cell.strip()):
        raise DataError(f"{place}: {cell.strip()[:40]!r} stands where a label should be")
    if _BARE.fullmatch(cell.strip()):
        return [part for name in cell.strip()[1:-1].split(",") if (part := name.strip())]
    if not _LIST.fullmatch(cell.strip()):
        return cell
    return ["".join(parts) for parts in _ITEM.findall(cell.strip()[1:-1])]


def _parts(cell: Any) -> Iterable[Any]:
    return cell if isinstance(cell, list | tuple) else (cell,)


def _name(cell: Any) -> str:
    """A label cell as a name, "" where it is empty; 3.0 is 3, as whole numbers come from columns with gaps."""
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    return (cell_text(cell) or "").strip()


def _separator(cells: set[str], space: LabelSpace | None) -> Callable[[str], list[str]] | None:
    """What takes joined labels apart, where that is what they are.

    With a space: a cell is no label of it, but its parts are. Without: every part stands alone in some other cell,
    or is a label of a known space. Else a "|", ";" or "," is part of a name.
    """
    for separator in _SEPARATORS:

        def split(cell: str, separator: str = separator) -> list[str]:
            if space is not None and cell in space:
                return [cell]
            return [part.strip() for part in cell.split(separator) if part.strip()]

        joined = [cell for cell in cells if len(split(cell)) > 1]
        parts = {part for cell in joined for part in split(cell)}
        if space is not None:
            fits = any(part in space or part.isdigit() for part in parts)
        else:
            single = {_key(cell) for cell in cells if separator not in cell}
            fits = all(_key(part) in single or any(part in known for known in SPACES.values()) for part in parts)
        if joined and fits:
            return split
    return None
