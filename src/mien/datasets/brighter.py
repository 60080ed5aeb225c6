"""BRIGHTER (SemEval-2025 task 11, track A): texts of 28 languages, any of six emotions or none."""

from __future__ import annotations

from pathlib import Path

from mien.datasets.cells import find_column
from mien.datasets.dataset import Problem
from mien.datasets.open import Info, Items, Row, dataset
from mien.datasets.table_file import Table
from mien.datasets.tables import cell_text, open_table
from mien.errors import DataError, did_you_mean
from mien.labels import make_space

EMOTIONS = ("anger", "disgust", "fear", "joy", "sadness", "surprise")
_FOLDERS = {"train": "train", "dev": "test"}
_MARKS = {"0": False, "0.0": False, "1": True, "1.0": True}


@dataset("brighter", licence="CC BY 4.0")
def brighter(folder: Path, *, language: tuple[str, ...] = ()) -> Items:
    """The rows of train/LANGUAGE.csv and dev/LANGUAGE.csv, with a column of 0 and 1 for each emotion.

    dev is the split "test": the official tests are not read. A row with 0 in all columns has no emotion, and stays.
    The columns are "id" and "language". English has no column of disgust, Afrikaans none of surprise: beside languages
    that have it they are left out and counted; alone they have five labels.

    Args:
        folder: the folder that holds train and dev.
        language: by the names of the files, such as "eng" or "eng,deu"; without it all there are.
    """
    files = {part: _tables(folder / part) for part in _FOLDERS}
    names = sorted({name for found in files.values() for name in found})
    for name in language:
        if name not in names:
            near = did_you_mean(name, names)
            raise DataError(f"{folder} has no language {name!r}; it has: {', '.join(names)}{near}")
    chosen = list(dict.fromkeys(language or names))
    tables = {
        name: {part: open_table(found[name]) for part, found in files.items() if name in found} for name in chosen
    }
    marks = {name: set.intersection(*map(_emotions, parts.values())) for name, parts in tables.items()}
    labels = [emotion for emotion in EMOTIONS if any(emotion in had for had in marks.values())]
    if not labels:
        raise DataError(f"{folder} has no column of an emotion: {', '.join(EMOTIONS)}")
    yield Info(labels=make_space(f"brighter{len(labels)}", labels, multilabel=True))
    for name, parts in tables.items():
        if lacking := [emotion for emotion in labels if emotion not in marks[name]]:
            count = sum(1 for table in parts.values() for _ in table.records())
            what = f"{count:,} rows of {name} have no column {', '.join(lacking)}: give ?language={name}"
            yield Problem("missing-label", f"{name}.csv", what, count)
            continue
        for part, table in parts.items():
            yield from _rows(table, part, name, labels)


def _tables(folder: Path) -> dict[str, Path]:
    """Language → its file."""
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}")
    return {file.stem: file for file in sorted(folder.glob("*.csv")) if not file.name.startswith(".")}


def _emotions(table: Table) -> set[str]:
    return {column.casefold() for column in table.columns} & set(EMOTIONS)


def _rows(table: Table, part: str, language: str, labels: list[str]) -> Items:
    """The rows of one file; what is neither 0 nor 1 is a problem."""
    number, text, *marked = (find_column(table.columns, name, (), "", table.path) for name in ("id", "text", *labels))
    for line, row in table.records():
        where = f"{part}/{table.path.name}:{line}"
        cells = {label: (cell_text(row[column]) or "").strip() for label, column in zip(labels, marked, strict=True)}
        if wrong := [label for label, cell in cells.items() if cell not in _MARKS]:
            yield Problem("unreadable", where, f"{wrong[0]} is {cells[wrong[0]][:40]!r}, not 0 or 1")
            continue
        found = [label for label, cell in cells.items() if _MARKS[cell]]
        columns = {"id": cell_text(row[number]) or "", "language": language}
        yield Row(row[text], found, where, _FOLDERS[part], columns, complete=True)
