"""A sheet of samples of a data set with their labels, to look at before training: a page or a picture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mien.datasets import Dataset
from mien.errors import DataError, require
from mien.evaluation import figures, sheets
from mien.evaluation.notes import place_of
from mien.evaluation.samples import data_uri, evenly, thumbnail
from mien.files import atomic_write

SHOWN: Mapping[str, int] = {"picture": 64, "text": 60}  # kind of the inputs → samples on a sheet
SUFFIXES = (".html", ".png")
_TEMPLATE = Path(__file__).with_name("data_sheet.html.j2")
_PIXELS = 160  # of a picture in a page, at most
_CHARACTERS = 300  # of a text


def write_data_sheet(dataset: Dataset, path: Path, seed: int = 0) -> tuple[int, int]:
    """Write some samples of every label, drawn at random, into a page (.html) or a picture (.png).

    Returns:
        How many are on the sheet, and how many of these cannot be read.

    Raises:
        DataError: the samples are neither pictures nor texts.
        MissingExtra: the package that makes it is not installed.
        MienError: the file cannot be written.
    """
    if dataset.kind not in SHOWN:
        raise DataError(f"{dataset.name} holds {dataset.modality}: a sheet shows pictures or texts")
    order = np.random.default_rng(seed).permutation(len(dataset))
    entries = [_entry(dataset, row) for row in evenly(order, _groups(dataset), SHOWN[dataset.kind])]
    title = f"{dataset.name}: {len(entries):,} of {len(dataset):,} samples"
    with atomic_write(path) as made:
        if path.suffix == ".png":
            made.write_bytes(figures.png(sheets.labeled(entries, dataset.space, title)))
        else:
            made.write_text(_page(entries, dataset, title), "utf-8", errors="replace")
    return len(entries), sum(entry["text"] is None and entry["picture"] is None for entry in entries)


def _groups(dataset: Dataset) -> np.ndarray:
    """The label that a sample is shown for, int (n,): of several that hold the rarest; -1 where none does."""
    if not len(dataset.space):
        return np.zeros(len(dataset), int)
    if not dataset.space.multilabel:
        return dataset.targets
    holding = dataset.targets > 0
    rarest = np.where(holding, holding.sum(0), len(dataset) + 1).argmin(1)
    return np.where(holding.any(1), rarest, -1)


def _entry(dataset: Dataset, row: int) -> dict[str, Any]:
    """A sample: its labels and ratings, a text or a picture, and where it is from."""
    target, names = dataset.targets[row], dataset.space.names
    labels = [names[at] for at in np.flatnonzero(target > 0)] if dataset.space.multilabel else [names[target]]
    is_text = dataset.kind == "text"
    return {
        "labels": labels,
        "ratings": {name: float(of[row]) for name, of in dataset.ratings.items() if not np.isnan(of[row])},
        "text": " ".join(dataset.inputs[row].split())[:_CHARACTERS] if is_text else None,
        "picture": None if is_text else thumbnail(dataset.inputs[row], _PIXELS),
        "where": _name(dataset, row),
    }


def _name(dataset: Dataset, row: int) -> str:
    is_path = dataset.kind == "picture" and not isinstance(dataset.inputs[row], np.ndarray)
    return place_of(dataset, row) if dataset.where or is_path else f"row {row + 1}"


def _page(entries: list[dict[str, Any]], dataset: Dataset, title: str) -> str:
    jinja2 = require("jinja2", "report")
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    style = _TEMPLATE.with_name("report.css").read_text("utf-8")
    page: str = environment.from_string(_TEMPLATE.read_text("utf-8")).render(
        style=style, title=title, space=dataset.space, licence=dataset.licence,
        left_out=", ".join(f"{rows:,} {kind}" for kind, rows in dataset.left_out.items()),
        entries=[entry | {"uri": None if (seen := entry["picture"]) is None else data_uri(seen)} for entry in entries],
    )  # fmt: skip
    return page
