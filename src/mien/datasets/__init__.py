"""Data sets behind ``name:path``: each is a generator of rows in a file of its own, everything else is done in open."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mien.datasets.dataset import SPLITS, Dataset, Problem
    from mien.datasets.open import open_dataset

__all__ = ["SPLITS", "Dataset", "Problem", "open_dataset"]

_HOMES = {
    "Dataset": "mien.datasets.dataset",
    "Problem": "mien.datasets.dataset",
    "READERS": "mien.datasets.open",
    "SPLITS": "mien.datasets.dataset",
    "open_dataset": "mien.datasets.open",
}


def __getattr__(name: str) -> Any:
    """What is named, loaded when it is first used: prediction reads tables, and opens no data set."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = importlib.import_module(_HOMES[name])
    if name == "READERS":
        import warnings

        line = "READERS goes with mien 0.3: use the decorator mien.datasets.open.dataset"
        warnings.warn(line, DeprecationWarning, stacklevel=2)
        return home.OLD_READERS
    return getattr(home, name)
