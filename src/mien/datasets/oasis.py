"""OASIS (Kurdi, Lozano and Banaji 2017): 900 photographs, their valence and arousal each rated by a hundred people."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from mien.datasets.collect import Collector, deal, given_flag, given_seed, picture_fault, whole
from mien.datasets.dataset import Dataset
from mien.datasets.splits import folds, strata
from mien.datasets.tables import Table, cell_text, open_table
from mien.errors import DataError
from mien.labels import SPACES

SCALE = (1.0, 7.0)
FOLDS = 5
_COLUMNS = {"valence": "valence_mean", "arousal": "arousal_mean"}


def read(path: str | Path, *, group: str = "theme", split_seed: str | int = "0", strict: str | bool = False) -> Dataset:
    """Read the folder with ``oasis.csv`` and the photographs, named after their themes, in ``images``.

    A theme has up to 31 photographs ("Dog 1" to "Dog 31"), which are different pictures, but of one thing and rated
    alike: the mean rating of a photograph's theme mates tells its own at r = 0.86. Whoever tests on a theme that was
    trained on measures in part whether the theme is known again. So themes stay whole, in the splits and the folds.

    Args:
        path: the folder, or the table.
        group: what stays together in the splits and folds: "theme"; or "picture", to compare with published figures
            that were measured on photographs dealt out one by one.
        split_seed: of the 80/10/10 deal and of the folds, both with low, middle and high ratings alike in all parts.
        strict: whether to refuse the set where a photograph or a rating is missing.

    Returns:
        Modality "scene", space "affect"; ratings "valence" and "arousal" from 1 to 7; columns "theme", "category"
        (animal, object, person or scenery) and "fold" ("1" to "5", to be left out in turn).

    Raises:
        DataError: no such folder, file or column, an option of another kind, or *strict* and something left out.
    """
    path = Path(path)
    seed = given_seed(path, split_seed)
    if group not in ("theme", "picture"):
        raise DataError(f"{path}: group must be 'theme' or 'picture', not {group!r}")
    table = open_table(_found(path, "oasis.csv") if path.is_dir() else path)
    names = _named(table)
    pictures = _pictures(table.path.parent)
    rows = Collector(
        "oasis", SPACES["affect"], "its authors' public set, no licence stated", "scene", dict.fromkeys(_COLUMNS, SCALE)
    )
    for lines, chunk in table.numbered():
        for place, line in enumerate(lines):
            where, theme = f"{table.path.name}:{line}", (cell_text(chunk[names["theme"]][place]) or "").strip()
            file = pictures.get(theme.casefold())
            if not theme or file is None:
                rows.problem("missing", where, f"there is no picture of {theme!r}" if theme else "no theme")
            elif fault := picture_fault(file):
                rows.problem("unreadable", where, f"{file} {fault}")
            else:
                category = cell_text(chunk[names["category"]][place]) if "category" in names else None
                columns = {"theme": re.sub(r"\s*\d+$", "", theme).casefold(), "category": (category or "").casefold()}
                ratings = {name: _number(chunk[names[column]][place]) for name, column in _COLUMNS.items()}
                rows.add(str(file), [], "", where, columns, ratings)
    dataset = whole(rows.dataset(), given_flag(path, "strict", strict))
    if not len(dataset):
        return dataset
    groups = dataset.columns["theme"] if group == "theme" else None
    number = folds(strata(dataset), FOLDS, seed, groups)
    fold = np.array([str(1 + place) for place in number.tolist()], dtype=object)
    return deal(replace(dataset, columns={**dataset.columns, "fold": fold}), seed, groups)


def _named(table: Table) -> dict[str, str]:
    """Column in lower case → as it is spelled."""
    names = {name.casefold(): name for name in table.columns}
    for wanted in ("theme", *_COLUMNS.values()):
        if wanted not in names:
            raise DataError(f"{table.path} has no column {wanted!r}; it has: {', '.join(table.columns)}")
    return names


def _pictures(folder: Path) -> dict[str, Path]:
    """Theme in lower case → its photograph."""
    images = _found(folder, "images")
    try:
        files = sorted(images.iterdir())
    except OSError as error:
        raise DataError(f"{images} cannot be read: {error.strerror or error}") from error
    return {file.stem.strip().casefold(): file for file in files if not file.name.startswith(".")}


def _found(folder: Path, name: str) -> Path:
    """The file or folder of that name, whatever its case; that very name where there is none."""
    entries = sorted(folder.iterdir()) if folder.is_dir() else []
    return next((entry for entry in entries if entry.name.casefold() == name), folder / name)


def _number(cell: object) -> float:
    try:
        return float(cell_text(cell) or "nan")
    except ValueError:
        return math.nan
