"""Data sets of numbers in tables: a row for each sample, a column for each feature, and one with the labels."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np

from mien.datasets.collect import Collector, deal, given_seed, given_space, plain_name, space_of
from mien.datasets.dataset import Dataset, Problem
from mien.datasets.lines import shown
from mien.datasets.splits import SPLIT_NAMES
from mien.datasets.table import LABEL_NAMES, decoded_labels, find_column, label_cells, split_files
from mien.datasets.tables import Table, cell_text, open_table
from mien.errors import DataError
from mien.labels import LabelSpace
from mien.modalities.features.preprocess import is_failed, number


def read(
    path: str | Path,
    *,
    label: str | None = None,
    columns: str = "",
    split: str | None = None,
    space: str | LabelSpace | None = None,
    split_seed: str | int = "0",
    by: str | Sequence[str] | None = None,
    group: str | None = None,
    labels: str | None = None,
    encoding: str | None = None,
) -> Dataset:
    """Read a table of numbers, or a folder with a table for each of train, val (or dev, validation) and test.

    A row with an empty cell, a text or a number that is not finite where a feature should stand is left out and told.
    A column with the same number in every row is told; training does without it.

    Args:
        path: the file or folder.
        label: the column with the labels; without it one of the usual names ("label", "emotion", …).
        columns: the features, names or patterns joined by commas ("AU*,pose_?"); without it the action units where
            there are such ("AU01_r"), else all other columns that hold numbers, but for those that only number or
            rate the rows ("frame", "timestamp", "confidence", "id", …). Rows with 0 in a column "success", which
            OpenFace writes where it found no face, are left out and counted.
        split: the column with the splits; without it "split". Where there is none, rows are dealt out 80/10/10.
        space: the labels there are; without it a known space of exactly these labels, or one made of them.
        split_seed: of that deal.
        by: further columns to keep, in a list or joined by commas.
        group: a further column to keep; rows that share it stay in one split, and in one fold of an inner search.
        labels: what numbers or other codes for labels stand for, such as "0:sadness,1:joy".
        encoding: of the text; without it that is found out (:mod:`mien.datasets.lines`).

    Raises:
        DataError: no such file or column, a feature that holds no numbers, no label of the space, or a split of no
            known name.
    """
    path = Path(path)
    known, seed = given_space(path, space), given_seed(path, split_seed)
    names = [part.strip() for part in by.split(",")] if isinstance(by, str) else list(by or ())
    keep = list(dict.fromkeys([*names, *([group] if group else [])]))
    parts: list[tuple[Numbers, str]] = []
    for file, part in split_files(path).items():
        table = open_table(file, encoding=encoding)
        own = {"label": find_column(table.columns, label, LABEL_NAMES, "label", file)}
        if not part and (split is not None or any(name.casefold() == "split" for name in table.columns)):
            own["split"] = find_column(table.columns, split, ("split",), "split", file)
        kept = {f"column {name}": find_column(table.columns, name, (), "", file) for name in keep}
        if own["label"] in (name.strip() for name in columns.split(",")):
            raise DataError(f"{file}: the column {own['label']!r} holds the labels; it can be no feature")
        wanted = ",".join(parts[0][0].names) if parts else columns
        parts.append((read_numbers(table, wanted, own | kept), part))
    return _dataset(path, parts, keep, known, seed, group, labels)


_UNIT = re.compile(r"AU\d\d_[rc]")
_BOOKKEEPING = {"frame", "face_id", "timestamp", "confidence", "success", "id", "index", "unnamed: 0", "column 1"}


@dataclass(frozen=True)
class Numbers:
    """The rows of a table that hold a number in every feature.

    Attributes:
        names: of the features.
        rows: float32 (n, features).
        where: file and line of each row.
        others: what was asked for besides, by the caller's names: n texts, "" for an empty cell.
        problems: the rows and columns that were left out, and features that never change.
    """

    names: tuple[str, ...]
    rows: np.ndarray
    where: list[str]
    others: dict[str, list[str]]
    problems: list[Problem]


def read_numbers(table: Table, wanted: str, others: Mapping[str, str]) -> Numbers:
    """Read the features of a table, and further columns as texts.

    Args:
        wanted: names or patterns of the features, joined by commas; "" for all columns that hold numbers.
        others: name → column to read as text; a feature only where *wanted* has its very name.

    Raises:
        DataError: no such column, one that holds no numbers, or none left.
    """
    names = _chosen(table, wanted, set(others.values()))
    success = next((name for name in table.columns if name.casefold() == "success" and name not in names), None)
    failed: list[bool] = []
    lines: list[int] = []
    chunks: list[np.ndarray] = []
    texts: dict[str, list[str]] = {name: [] for name in others}
    wrong: dict[str, dict[int, str]] = {name: {} for name in names}  # feature → row → what is wrong with it
    for numbers, chunk in table.numbered():
        values = np.full((len(numbers), len(names)), np.nan)
        for at, name in enumerate(names):
            _convert(chunk[name], values[:, at], wrong[name], len(lines))
        failed += [success is not None and is_failed(cell) for cell in (chunk[success] if success else numbers)]
        for name, column in others.items():
            texts[name] += [cell_text(cell) or "" for cell in chunk[column]]
        chunks.append(values)
        lines += numbers
    file, problems = table.path.name, []
    for name in [name for name in names if lines and len(wrong[name]) == len(lines)]:
        what = f"the column {name!r} holds no numbers ({file}:{lines[0]}: {wrong[name][0]})"
        if wanted:
            raise DataError(f"{table.path}: {what}")
        problems.append(Problem("no-numbers", file, f"{what}; left out", 0))
    kept = [at for at, name in enumerate(names) if not lines or len(wrong[name]) < len(lines)]
    if not kept:
        raise DataError(f"{table.path} has no column of numbers besides {shown(list(others.values())) or 'these'}")
    rows = (np.concatenate(chunks) if chunks else np.zeros((0, len(names))))[:, kept].astype(np.float32)
    names = [names[at] for at in kept]
    passed = ~np.array(failed, bool)
    fits = np.isfinite(rows).all(1) & passed
    for row in np.flatnonzero(~passed).tolist():
        problems.append(Problem("failed", f"{file}:{lines[row]}", "success is 0: no face was found there"))
    for row in np.flatnonzero(~fits & passed).tolist():
        name = next(name for name in names if row in wrong[name])
        kind = "empty" if wrong[name][row] == "is empty" else "unreadable"
        problems.append(Problem(kind, f"{file}:{lines[row]}", f"{name} {wrong[name][row]}"))
    rows = rows[fits]
    for at in np.flatnonzero((rows == rows[:1]).all(0)).tolist() if len(rows) > 1 else ():
        what = f"{names[at]} is {rows[0, at]:g} in every row: nothing can be learned from it"
        problems.append(Problem("constant", file, what, 0))
    places = np.flatnonzero(fits).tolist()
    where = [f"{file}:{lines[row]}" for row in places]
    return Numbers(tuple(names), rows, where, {k: [v[row] for row in places] for k, v in texts.items()}, problems)


def _chosen(table: Table, wanted: str, taken: set[str]) -> list[str]:
    if not wanted:
        units = [name for name in table.columns if _UNIT.fullmatch(name) and name not in taken]
        return units or [name for name in table.columns if name not in taken and name.casefold() not in _BOOKKEEPING]
    found: dict[str, None] = {}
    for pattern in filter(None, (part.strip() for part in wanted.split(","))):
        named = [name for name in table.columns if fnmatchcase(name, pattern) and name not in taken]
        fits = [pattern] if pattern in table.columns else named
        if not fits:
            raise DataError(f"{table.path} has no column {pattern!r}; it has: {shown(table.columns)}")
        found |= dict.fromkeys(fits)
    return list(found)


def _convert(cells: Sequence[Any], values: np.ndarray, wrong: dict[int, str], first: int) -> None:
    for place, cell in enumerate(cells):
        try:
            values[place] = number(cell)
        except ValueError as error:
            wrong[first + place] = str(error)


def _dataset(
    path: Path,
    parts: list[tuple[Numbers, str]],
    keep: list[str],
    known: LabelSpace | None,
    seed: int,
    group: str | None,
    names_of_labels: str | None,
) -> Dataset:
    names = parts[0][0].names
    cells = [cell for numbers, _ in parts for cell in numbers.others["label"]]
    labels, several = label_cells(cells, known)
    labels = decoded_labels(path, labels, names_of_labels)
    if known is None:
        known = space_of(path, {name for cell in labels for name in cell}, several)
    rows = Collector(plain_name(path), known.as_multilabel(True) if several else known, modality="features")
    told = iter(labels)
    for numbers, part in parts:
        rows.problems += numbers.problems
        for place, where in enumerate(numbers.where):
            split = part or _split(path, numbers.others["split"][place] if "split" in numbers.others else "", where)
            columns = {name: numbers.others[f"column {name}"][place] for name in keep}
            rows.add(numbers.rows[place], next(told), split, where, columns)
    dataset = replace(rows.dataset(), features=names)
    if group and len(dataset):
        dataset = replace(dataset, group=group)
    return deal(dataset, seed, dataset.groups)


def _split(path: Path, cell: str, where: str) -> str:
    if not cell:
        return ""
    if cell.strip().casefold() not in SPLIT_NAMES:
        raise DataError(f"{path}: {where} has the split {cell[:40]!r}; it must be one of train, val, test")
    return SPLIT_NAMES[cell.strip().casefold()]
