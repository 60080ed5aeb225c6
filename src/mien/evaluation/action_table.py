"""A table of what faces do in the samples of a data set, with labels, for recipes that learn from rows of numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mien.datasets import Dataset
from mien.errors import DataError
from mien.evaluation.notes import place_of
from mien.files import atomic_write
from mien.modality import Predictor, get_modality
from mien.output.actions import action_cells, clip_action_cells
from mien.output.tables import TABLES
from mien.results import Result

NO_FACE = "no face was made out"


def check_actions(dataset: Dataset) -> None:
    """See that there are faces in a data set.

    Raises:
        DataError: its samples are no pictures or clips of faces.
    """
    if "landmarks" not in get_modality(dataset.modality).options:
        raise DataError(f"{dataset.name} holds {dataset.modality}: faces do something in pictures and clips of faces")


def write_action_table(
    dataset: Dataset,
    predictor: Predictor,
    target: Path,
    step: Callable[[int], object] = lambda count: None,
    **options: Any,
) -> list[str]:
    """Write a row for each sample: where it is from, its label, what its face does, and the data set's columns.

    Of a clip that is mean and standard deviation over time of the person who is seen most; of a picture, which is taken
    as a ready crop, what is seen in it. A sample without a face has a row that says so, and no numbers.

    Args:
        predictor: a loaded model of that modality.
        target: ends in .csv, .tsv, .xlsx or .parquet.
        step: called with the number of samples done since the last call.
        options: of reading, such as ``fps``.

    Returns:
        What is wrong with the samples that have no numbers, a line for each.

    Raises:
        DataError: see :func:`check_actions`; or no sample has a face.
        MienError: the file cannot be written.
    """
    check_actions(dataset)
    if "crops" in get_modality(dataset.modality).options:
        options["crops"] = True
    rows = []
    for at, result in enumerate(predictor.predict_many(dataset.inputs, landmarks=True, **options)):
        rows.append(_row(dataset, at, result))
        step(1)
    problems = [f"{row['sample']}: {row['error']}" for row in rows if row["error"]]
    if len(problems) == len(rows):
        raise DataError(f"{dataset.name}: none of {len(rows):,} samples has a face: {(problems or ['it is empty'])[0]}")

    def all_rows() -> Iterator[dict[str, Any]]:
        return iter(rows)

    with atomic_write(target) as scratch:
        TABLES[target.suffix.lower()](scratch, all_rows)
    return problems


def _row(dataset: Dataset, at: int, result: Result) -> dict[str, Any]:
    cells = clip_action_cells(result) if result.clip else action_cells(result.items[0]) if result.items else {}
    told = len(cells) > 1  # more than that there is no face
    kept = {name: _plain(values[at]) for name, values in dataset.columns.items()}
    split = {"split": str(dataset.split[at])} if not dataset.auto_split and all(dataset.split) else {}
    error = result.error or (None if told else NO_FACE)
    return {"sample": place_of(dataset, at), "label": _label(dataset, at), **split, **kept, "error": error} | cells


def _label(dataset: Dataset, at: int) -> str:
    names, target = dataset.space.names, dataset.targets[at]
    if not dataset.space.multilabel:
        return names[int(target)]
    return "|".join(name for name, holds in zip(names, target, strict=True) if holds)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
