"""Inputs of any kind, each read by the model for its kind."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from mien.errors import InputError, quoted
from mien.inputs import AS_TEXT, is_address, kind_of, name_of, opened, refuse_path
from mien.modality.predictor import Predictor
from mien.modality.registry import default_modality, get_modality
from mien.results import Result


def model_for(item: Any) -> str:
    """The shipped model that reads an input where none is named; see :func:`mien.inputs.kind_of`."""
    return default_modality(kind_of(item)).name


def checked(item: Any, modality: str) -> Any:
    """One input as a model of that modality reads it.

    Raises:
        InputError: a text that is taken for a path, several inputs, or something of another kind.
    """
    reads = get_modality(modality).reads
    if "row" in reads:
        return item
    if "text" not in reads and isinstance(item, str | os.PathLike):
        if isinstance(item, str) and is_address(item):
            refuse_path(item, AS_TEXT)
        return Path(os.fsdecode(item)) if isinstance(item, os.PathLike) else item
    kind = kind_of(item)
    if kind != "text" and "text" in reads:
        shown = f"{quoted(item)} is taken for a file" if isinstance(item, str) else f"this is a {type(item).__name__}"
        raise InputError(f"a text is needed, and {shown}; {AS_TEXT}")
    if kind == "text" and "text" not in reads:
        raise InputError("a picture is needed, and this is a file opened as text: open it in binary mode")
    return opened(item) if kind == "text" else item


def read_many(
    inputs: Iterator[Any], model: str | None, load: Callable[[str], Predictor], batch_size: int
) -> Iterator[Result]:
    """Results in order; inputs of one kind that stand together are read in batches."""

    def sorted_out(item: Any) -> tuple[str, Any]:
        try:
            name = model or model_for(item)
            return name, checked(item, load(name).manifest.modality)
        except InputError as error:
            return "", Result(name_of(item), "text", model or "", error=str(error))

    for name, group in groupby(map(sorted_out, inputs), key=lambda pair: pair[0]):
        items = (item for _, item in group)
        yield from load(name).predict_many(items, batch_size) if name else items
