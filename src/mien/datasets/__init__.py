"""Data sets behind ``name:path``: each is a generator of rows in a file of its own, everything else is done in open."""

from __future__ import annotations

import warnings
from typing import Any

from mien.datasets.dataset import SPLITS, Dataset, Problem
from mien.datasets.open import OLD_READERS, open_dataset

__all__ = ["SPLITS", "Dataset", "Problem", "open_dataset"]


def __getattr__(name: str) -> Any:
    if name != "READERS":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    warnings.warn("READERS goes with mien 0.3: use the decorator mien.datasets.open.dataset", DeprecationWarning, 2)
    return OLD_READERS
