"""From a row of a table to what the network is given: the one way that training and prediction go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict

from mien.datasets.cells import LARGEST, is_failed, number
from mien.errors import InputError


class FeatureSettings(BaseModel):
    """The ``preprocess`` part of a feature model's manifest.

    Attributes:
        columns: what the numbers of a row are called, in the order in which the network takes them. A recipe leaves it
            empty: training takes the columns of the data that are not the same in every training row.
    """

    model_config = ConfigDict(extra="forbid")
    columns: list[str] = []


class AugmentSettings(BaseModel):
    """The ``augment`` part of a recipe: there is nothing to set, rows of numbers are learned from as they are."""

    model_config = ConfigDict(extra="forbid")


class Row(NamedTuple):
    """A row of a table by its columns' names.

    Attributes:
        name: what a result calls it, such as "units.csv:17".
        values: column → number, or text that reads as one; further columns do not matter.
    """

    name: str
    values: Mapping[str, Any]


def prepare(item: Any, columns: Sequence[str]) -> np.ndarray:
    """One input as the network is given it.

    Args:
        item: a :class:`Row`, a mapping of column names to numbers, or the numbers alone in the order of *columns*.

    Returns:
        float32 of shape (len(columns),).

    Raises:
        InputError: a column is missing, a number is none, or there are too many or too few.
    """
    if isinstance(item, Row):
        item = item.values
        if "success" not in columns and is_failed(next((v for k, v in item.items() if k.casefold() == "success"), 1)):
            raise InputError("success is 0: no face was found there")
    if isinstance(item, Mapping):
        check_columns(columns, list(item))
        values = np.empty(len(columns), np.float32)
        for place, name in enumerate(columns):
            try:
                values[place] = number(item[name])
            except ValueError as error:
                raise InputError(f"{name} {error}") from None
        return values
    try:
        values = np.asarray(item, np.float32)
    except (TypeError, ValueError):
        raise InputError(f"a row of {len(columns)} numbers is needed, got {type(item).__name__}") from None
    if values.shape != (len(columns),):
        raise InputError(f"a row of {len(columns)} numbers is needed, got shape {values.shape}")
    if not np.isfinite(values).all():
        raise InputError(f"{columns[int(np.flatnonzero(~np.isfinite(values))[0])]} is no finite number")
    if (large := np.abs(values) > LARGEST).any():
        raise InputError(f"{columns[int(np.flatnonzero(large)[0])]} is too large a number")
    return values


def check_columns(wanted: Sequence[str], given: Sequence[str]) -> None:
    """See that all columns are there, in whatever order.

    Raises:
        InputError: some are missing; the message names them and those there are.
    """
    there = set(given)
    missing = [name for name in wanted if name not in there]
    if missing:
        raise InputError(f"the model needs the columns {_some(missing)}; there are: {_some(list(given)) or 'none'}")


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
