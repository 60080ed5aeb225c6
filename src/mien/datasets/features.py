"""Tables of numbers: a row for each sample, a column for each feature, and one with the labels."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mien.datasets.cells import (
    find_column,
    is_failed,
    number,
    read_labels,
    separators,
    split_column,
    split_name,
)
from mien.datasets.dataset import Problem
from mien.datasets.lines import shown
from mien.datasets.names import LABEL_NAMES
from mien.datasets.open import Info, Items, Row, dataset
from mien.datasets.rows import plain_name
from mien.datasets.split_tables import split_files
from mien.datasets.tables import Table, cell_text, open_table
from mien.errors import DataError
from mien.labels import LabelSpace

_UNIT = re.compile(r"AU\d\d_[rc]|action_[a-z]\w*")  # of OpenFace; of mien
_PREDICTED = {"label", "emoji", "score", "labels", "error"}  # together, mien's own answers
_BOOKKEEPING = {"frame", "face_id", "timestamp", "confidence", "success", "id", "index", "unnamed: 0", "column 1"}


@dataset("features", modality="features")
def features(
    path: Path,
    *,
    label: str = "",
    columns: str = "",
    split: str = "",
    space: LabelSpace | None = None,
    by: tuple[str, ...] = (),
    group: str = "",
    label_separator: str = "",
    labels: str = "",
    encoding: str = "",
    separator: str = "",
    header: bool = True,
    sheet: str = "",
    quotes: bool = True,
) -> Items:
    """A table of numbers, or a folder with one for each of train, val (dev, validation) and test.

    A row with an empty cell, a text or a number that is not finite where a feature should stand is left out and noted.
    A column with the same number in every row is noted; training does without it.

    Args:
        path: the file or folder.
        label: the column with the labels; without it one of the usual names ("label", "emotion", …).
        columns: the features, names or patterns joined by commas ("AU*,pose_?"); without it the action units where
            there are such ("AU01_r", "action_jawOpen_mean"), else all other columns that hold numbers, but for those
            that only number or rate the rows ("frame", "timestamp", …). Rows with 0 in a column "success", as OpenFace
            writes it where it found no face, are left out.
        split: the column with the splits; without it "split".
        space: the labels there are.
        by: further columns to keep.
        group: a further column to keep; rows that share its value stay in one split, and in one fold of a search.
        label_separator: what joins several labels in a cell.
        labels: what numbers or other codes for labels stand for, such as "0:sadness,1:joy".
        encoding, separator, header, sheet, quotes: how the table is written; see :mod:`mien.datasets.table`.
    """
    keep = dict.fromkeys((*by, group) if group else by)
    parts: list[tuple[Numbers, str]] = []
    files = split_files(path)
    how: dict[str, Any] = {"encoding": encoding or None, "header": header, "sheet": sheet, "quotes": quotes}
    separator, label_separator = separators(next(iter(files)), separator, label_separator, **how)
    for file, part in files.items():
        table = open_table(file, separator=separator, **how)
        others = {"label": find_column(table.columns, label, LABEL_NAMES, "label", file)}
        if not label and set(table.columns) >= _PREDICTED:
            raise DataError(f"{file} holds what mien answered: to learn from that, say so with label={others['label']}")
        if not part and (found := split_column(table.columns, split, file)):
            others["split"] = found
        others |= {f"column {name}": find_column(table.columns, name, (), "", file) for name in keep}
        if others["label"] in (name.strip() for name in columns.split(",")):
            raise DataError(f"{file}: the column {others['label']!r} holds the labels; it can be no feature")
        parts.append((read_numbers(table, ",".join(parts[0][0].names) if parts else columns, others), part))
    cells = [cell for numbers, _ in parts for cell in numbers.others["label"]]
    where = [place for numbers, _ in parts for place in numbers.where]
    names, several = read_labels(path, cells, where, space, label_separator, labels)
    yield Info(name=plain_name(path), labels=space, multilabel=several, features=parts[0][0].names, group=group)
    remaining = iter(names)
    for numbers, part in parts:
        yield from numbers.problems
        splits = numbers.others.get("split", [part] * len(numbers.where))
        for place, (row, line, cell) in enumerate(zip(numbers.rows, numbers.where, splits, strict=True)):
            kept = {name: numbers.others[f"column {name}"][place] for name in keep}
            yield Row(row, next(remaining), line, split_name(cell, line) if cell else "", kept)


class Numbers(NamedTuple):
    """The rows of a table that hold a number in every feature: float32 (n, features), with file and line of each.

    And what was asked for besides, by the caller's names: n texts; and what was left out.
    """

    names: tuple[str, ...]
    rows: np.ndarray
    where: list[str]
    others: dict[str, list[str]]
    problems: list[Problem]


def read_numbers(table: Table, wanted: str, others: Mapping[str, str]) -> Numbers:
    """Read the features of a table, and further columns (name → column) as texts.

    *wanted* are names or patterns, joined by commas; "" stands for all columns that hold numbers.

    Raises:
        DataError: no such column, one that holds no numbers, or none left.
    """
    names = _choose(table, wanted, set(others.values()))
    success = next((name for name in table.columns if name.casefold() == "success" and name not in names), None)
    lines: list[int] = []
    failed: list[bool] = []
    values: list[np.ndarray] = []
    texts: dict[str, list[str]] = {name: [] for name in others}
    wrong: dict[str, dict[int, str]] = {name: {} for name in names}  # feature → row → what is wrong with it
    for line, row in table.records():
        values.append(np.array([_value(row[name], wrong[name], len(lines)) for name in names]))
        failed.append(success is not None and is_failed(row[success]))
        for name, column in others.items():
            texts[name].append(cell_text(row[column]) or "")
        lines.append(line)
    file, problems = table.path.name, []
    for name in [name for name in names if lines and len(wrong[name]) == len(lines)]:
        what = f"the column {name!r} holds no numbers ({file}:{lines[0]}: {wrong[name][0]})"
        if wanted:
            raise DataError(f"{table.path}: {what}")
        problems.append(Problem("no-numbers", file, f"{what}; left out", 0))
    kept = [at for at, name in enumerate(names) if not lines or len(wrong[name]) < len(lines)]
    if not kept:
        raise DataError(f"{table.path} has no column of numbers besides {shown(list(others.values())) or 'these'}")
    rows = np.array(values, np.float64).reshape(len(lines), len(names))[:, kept].astype(np.float32)
    names = [names[at] for at in kept]
    passed = ~np.array(failed, bool)
    fits = np.isfinite(rows).all(1) & passed
    for at in np.flatnonzero(~passed).tolist():
        problems.append(Problem("failed", f"{file}:{lines[at]}", "success is 0: no face was found there"))
    for at in np.flatnonzero(~fits & passed).tolist():
        name = next(name for name in names if at in wrong[name])
        kind = "empty" if wrong[name][at] == "is empty" else "unreadable"
        problems.append(Problem(kind, f"{file}:{lines[at]}", f"{name} {wrong[name][at]}"))
    rows = rows[fits]
    for at in np.flatnonzero((rows == rows[:1]).all(0)).tolist() if len(rows) > 1 else ():
        what = f"{names[at]} is {rows[0, at]:g} in every row: nothing can be learned from it"
        problems.append(Problem("constant", file, what, 0))
    places = np.flatnonzero(fits).tolist()
    where = [f"{file}:{lines[at]}" for at in places]
    return Numbers(tuple(names), rows, where, {k: [v[at] for at in places] for k, v in texts.items()}, problems)


def _value(cell: Any, wrong: dict[int, str], row: int) -> float:
    try:
        return number(cell)
    except ValueError as error:
        wrong[row] = str(error)
        return np.nan


def _choose(table: Table, wanted: str, others: set[str]) -> list[str]:
    """The columns of the features."""
    if not wanted:
        units = [name for name in table.columns if _UNIT.fullmatch(name) and name not in others]
        return units or [name for name in table.columns if name not in others and name.casefold() not in _BOOKKEEPING]
    found: dict[str, None] = {}
    for pattern in filter(None, (part.strip() for part in wanted.split(","))):
        named = [name for name in table.columns if fnmatchcase(name, pattern) and name not in others]
        fits = [pattern] if pattern in table.columns else named
        if not fits:
            raise DataError(f"{table.path} has no column {pattern!r}; it has: {shown(table.columns)}")
        found |= dict.fromkeys(fits)
    return list(found)
