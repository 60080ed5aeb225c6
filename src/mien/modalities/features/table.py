"""A table on disk as rows that a model of features reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mien.datasets.tables import Table, open_table
from mien.errors import InputError
from mien.modalities.features.preprocess import FeatureSettings, Row, check_columns
from mien.model import find_model, read_manifest


def rows_of(path: Path, model: str, **how: Any) -> tuple[Table, Callable[[], Iterator[tuple[Row, dict[str, Any]]]]]:
    """Open a table for a model; the function gives its rows, from the first, each also as column → cell.

    *how* it is written is what :func:`mien.datasets.tables.open_table` takes.

    Raises:
        DataError: it is no table, or cannot be read.
        InputError: it lacks columns that the model reads; the message names them.
        ModelError: no such model.
    """
    table, manifest = open_table(path, **how), read_manifest(find_model(model))
    if manifest.modality == "features":
        try:
            check_columns(FeatureSettings.model_validate(manifest.preprocess).columns, table.columns)
        except InputError as error:
            raise InputError(f"{path}: {error}") from None

    def rows() -> Iterator[tuple[Row, dict[str, Any]]]:
        for lines, chunk in table.numbered():
            for line, cells in zip(lines, zip(*chunk.values(), strict=True), strict=True):
                row = dict(zip(table.columns, cells, strict=True))
                yield Row(f"{path.name}:{line}", row), row

    return table, rows
