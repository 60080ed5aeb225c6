"""Pickled arrays of numpy, such as weights, read without running anything that is in the pickle."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from mien.datasets.unpickle import LIMIT, Inert, _Reader, _Unpickler, as_data_errors
from mien.errors import DataError


def read_pickled_arrays(path: str | Path) -> dict[str, Any]:
    """Read a pickled dictionary of numpy arrays, or of such dictionaries; nothing that the pickle names is run.

    Returns:
        The same tree of plain dictionaries, with arrays of booleans or numbers.

    Raises:
        DataError: it holds anything else, is damaged or too large.
    """
    with as_data_errors(str(path), "pickle of arrays"):
        with open(path, "rb") as file:
            content = file.read(LIMIT + 1)
        if len(content) > LIMIT:
            raise DataError(f"{path} has more than {LIMIT} bytes; refused")
        tree = _Unpickler(io.BytesIO(content), str(path)).load()
        return _arrays(tree, _Reader(None, len(content)))


def _arrays(tree: Any, reader: _Reader) -> dict[str, Any]:
    if type(tree) is not dict or not all(type(name) is str for name in tree):
        raise ValueError("it holds something else than arrays by name")
    found: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, Inert):
            found[name] = reader.array(value)
            if found[name].dtype.kind not in "biuf":
                raise ValueError("it holds an array that is not of numbers")
        else:
            found[name] = _arrays(value, reader)
    return found
