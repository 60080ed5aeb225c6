"""Lists and arrays in memory, as scikit-learn's estimators are given them: inputs, labels and their space."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from mien.datasets.rows import known_space
from mien.errors import DataError, InputError, require
from mien.inputs import Kind
from mien.labels import LabelSpace, make_space


def as_list(X: Any, kind: Kind) -> list[Any]:  # noqa: N803
    """The texts or pictures as a list; raises InputError: it is none, or empty."""
    needed = f"a list of {kind}s is needed"
    if isinstance(X, str | bytes | os.PathLike):
        raise InputError(f"{needed}, got a single {type(X).__name__}: put it into a list")
    values = X.to_numpy() if hasattr(X, "to_numpy") else X  # a column of a table, or a table of one
    if isinstance(values, np.ndarray):
        if values.dtype.kind in "OUT" and values.ndim == 2 and values.shape[1] == 1:
            values = values[:, 0]
        plain = values.ndim == 1 and values.dtype.kind in "OUT"
        if not plain and (kind == "text" or values.dtype != np.uint8 or values.ndim not in (3, 4)):
            wanted = "" if kind == "text" else ", or a uint8 array (n, height, width) or (n, height, width, 3)"
            raise InputError(f"{needed}{wanted}; got {values.dtype} of shape {values.shape}")
    try:
        samples = list(values)
    except TypeError:
        raise InputError(f"{needed}, got {type(X).__name__}") from None
    if not samples:
        raise InputError(f"{needed}, got an empty one (0 samples)")
    return [str(item) if isinstance(item, str) else item for item in samples]  # NumPy has strings of its own


def _is_missing(label: Any) -> bool:
    number = isinstance(label, float | np.floating)
    return label is None or type(label).__name__ == "NAType" or (number and not np.isfinite(label))


def targets_of(y: Any, inputs: Sequence[Any]) -> tuple[np.ndarray, LabelSpace, np.ndarray]:
    """The classes, the label space made of them, and the targets of a data set."""
    multiclass: Any = require("sklearn.utils.multiclass", "train")
    validation: Any = require("sklearn.utils.validation", "train")
    if y is None:
        raise DataError("this classifier requires y to be passed, but the target y is None")
    validation.check_consistent_length(inputs, y)
    rows = np.asarray(y.to_numpy() if hasattr(y, "to_numpy") else y, dtype=object).reshape(len(inputs), -1)
    for place, row in enumerate(rows, 1):  # NumPy would make a label "nan" of a missing one
        if missing := [label for label in row if _is_missing(label)]:
            raise DataError(f"y: label {place} is missing: {missing[0]}")
    multiclass.check_classification_targets(y)
    several = multiclass.type_of_target(y) == "multilabel-indicator"
    if several:
        classes = np.array(getattr(y, "columns", [str(place) for place in range(np.shape(y)[1])]), dtype=object)
    else:
        classes, held = np.unique(validation.column_or_1d(y, warn=True), return_inverse=True)
    if len(classes) < 2:
        raise DataError(f"y holds one class, {str(classes[0])!r}; two or more are needed to learn from")
    names = [str(name) for name in classes]
    try:
        space = known_space(set(names), several) or make_space("own", names, several)
    except ValueError as error:
        raise DataError(f"y: {error} (case, - and _ do not tell labels apart)") from None
    places = np.array([space.index(name) for name in names])
    if not several:
        return classes, space, places[held].astype(np.int64)
    targets = np.zeros((len(inputs), len(classes)), np.float32)
    targets[:, places] = np.asarray(y, np.float32)
    return classes, space, targets
