"""OASIS (Kurdi, Lozano and Banaji 2017): 900 photographs, their valence and arousal each rated by a hundred people."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Literal

from mien.datasets.cells import find_column
from mien.datasets.dataset import Problem
from mien.datasets.folders import picture_fault
from mien.datasets.open import Info, Items, Row, dataset
from mien.datasets.tables import cell_text, open_table
from mien.errors import DataError

SCALE = (1.0, 7.0)
FOLDS = 5
_COLUMNS = {"valence": "valence_mean", "arousal": "arousal_mean"}


@dataset(
    "oasis",
    labels="affect",
    modality="scene",
    licence="its authors' public set, no licence stated",
    scales=dict.fromkeys(_COLUMNS, SCALE),
)
def oasis(path: Path, *, group: Literal["theme", "picture"] = "theme") -> Items:
    """The folder with ``oasis.csv`` and the photographs, named after their themes, in ``images``.

    A theme has up to 31 photographs ("Dog 1" to "Dog 31"), which are different pictures, but of one thing and rated
    alike: the mean rating of a photograph's theme mates tells its own at r = 0.86. Whoever tests on a theme that was
    trained on measures in part whether the theme is known again. So themes stay together, in the splits and the folds,
    which both have low, middle and high ratings alike in all parts.

    Args:
        path: the folder, or the table.
        group: what stays together in the splits and folds: "theme"; or "picture", to compare with published figures
            that were measured on photographs split one by one.
    """
    # Validation rows of a fold are not kept together by theme: so its published figures were measured.
    yield Info(group="theme" if group == "theme" else "", folds=FOLDS, finish=lambda data: replace(data, group=""))
    table = open_table(_find(path, "oasis.csv") if path.is_dir() else path)
    theme, *rated = (find_column(table.columns, name, (), "", table.path) for name in ("theme", *_COLUMNS.values()))
    category = next((name for name in table.columns if name.casefold() == "category"), None)
    pictures = _pictures(table.path.parent)
    for line, row in table.records():
        where, name = f"{table.path.name}:{line}", (cell_text(row[theme]) or "").strip()
        file = pictures.get(name.casefold())
        if not name or file is None:
            yield Problem("missing", where, f"there is no picture of {name!r}" if name else "no theme")
        elif fault := picture_fault(file):
            yield Problem("unreadable", where, f"{file} {fault}")
        else:
            kind = cell_text(row[category]) if category else None
            columns = {"theme": re.sub(r"\s*\d+$", "", name).casefold(), "category": (kind or "").casefold()}
            ratings = {rating: _number(row[column]) for rating, column in zip(_COLUMNS, rated, strict=True)}
            yield Row(str(file), [], where, "", columns, ratings)


def _pictures(folder: Path) -> dict[str, Path]:
    """Theme in lower case → its photograph."""
    images = _find(folder, "images")
    try:
        files = sorted(images.iterdir())
    except OSError as error:
        raise DataError(f"{images} cannot be read: {error.strerror or error}") from error
    return {file.stem.strip().casefold(): file for file in files if not file.name.startswith(".")}


def _find(folder: Path, name: str) -> Path:
    """The file or folder of that name, whatever its case; that very name where there is none."""
    entries = sorted(folder.iterdir()) if folder.is_dir() else []
    return next((entry for entry in entries if entry.name.casefold() == name), folder / name)


def _number(cell: object) -> float:
    try:
        return float(cell_text(cell) or "nan")
    except ValueError:
        return math.nan
