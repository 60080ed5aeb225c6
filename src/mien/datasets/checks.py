"""Statistics and checks of a data set: what it holds, and what is wrong with it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mien.datasets.dataset import Dataset, Problem
from mien.errors import InputError
from mien.media.images import Region

_RATIO = 10
_FEW = 10


def stats(dataset: Dataset) -> dict[str, Any]:
    """Figures of a data set, fit for JSON.

    Returns:
        "name", "n"; "left_out": kind → rows that are left out, "rows": all there are, with those; "space",
        "labels", "multilabel", "licence", "fingerprint"; "splits": split ("all" besides) →
        "n", "counts" and "shares" by label, and where there are ratings "ratings": by name how many are known ("n"),
        their "mean", "sd" and quantiles, and the "scale"; for texts "length": characters at the quantiles; for
        pictures "width" and "height": pixels at the quantiles, of people those of their boxes, else by the headers of
        those that can be read; for rows of numbers "features": their names.
    """
    parts = {split: dataset.part(split) for split in ("all", *dataset.splits)}
    figures: dict[str, Any] = {
        "name": dataset.name,
        "n": len(dataset),
        "rows": len(dataset) + sum(dataset.left_out.values()),
        "left_out": dataset.left_out,
        "space": dataset.space.name,
        "labels": list(dataset.space.names),
        "multilabel": dataset.space.multilabel,
        "licence": dataset.licence,
        "fingerprint": dataset.fingerprint,
        "splits": {split: _counts(part) for split, part in parts.items()},
    }
    if dataset.kind == "text" and len(dataset):
        figures["length"] = _quantiles([len(text) for text in dataset.inputs])
    elif dataset.features:
        figures["features"] = list(dataset.features)
    elif dataset.kind == "picture" and (sizes := _sizes(dataset.inputs)):
        figures["width"], figures["height"] = map(_quantiles, zip(*sizes, strict=True))
    return figures


def check(dataset: Dataset) -> list[Problem]:
    """All that is wrong with a data set, one line each; what was left out comes first.

    Kinds besides those of the data set: "unreadable" (bytes that are no UTF-8, a file that is not there), "empty",
    "duplicate" (twice in one split), "leak" (in several splits), "contradiction" (the same with other labels),
    "missing-label" (a split lacks a label), "missing-rating" (a split has samples without), "imbalance" and "few" (too
    few samples to learn a label).
    """
    problems = list(dataset.problems)
    same: dict[Hashable, list[int]] = defaultdict(list)
    for row, entry in enumerate(dataset.inputs):
        wrong = _unusable_text(entry) if dataset.kind == "text" else _unusable_file(dataset, row)
        if wrong:
            problems.append(Problem(wrong[0], _where(dataset, row), wrong[1]))
        if wrong is None or wrong[1].startswith("bytes"):
            same[dataset.contents[row]].append(row)
    for rows in same.values():
        if len(rows) > 1:
            problems += _repeated(dataset, rows)
    return problems + _balance(dataset) + _unrated(dataset)


def _counts(part: Dataset) -> dict[str, Any]:
    counts = part.counts()
    figures = {"n": len(part), "counts": counts, "shares": {name: n / max(len(part), 1) for name, n in counts.items()}}
    if part.ratings:
        figures["ratings"] = {name: _rated(values, part.scales[name]) for name, values in part.ratings.items()}
    return figures


def _rated(values: np.ndarray, scale: tuple[float, float]) -> dict[str, Any]:
    known = values[~np.isnan(values)].astype(np.float64)
    figures: dict[str, Any] = {"n": len(known), "scale": list(scale)}
    if len(known):
        figures |= {"mean": float(known.mean()), "sd": float(known.std()), **_quantiles(known)}
    return figures


def _quantiles(numbers: Sequence[float] | np.ndarray) -> dict[str, float]:
    marks = {"min": 0.0, "q25": 0.25, "median": 0.5, "q75": 0.75, "q95": 0.95, "max": 1.0}
    return {name: float(np.quantile(numbers, mark)) for name, mark in marks.items()}


def _sizes(inputs: Sequence[Any]) -> list[tuple[float, float]]:
    from mien.media.images import picture_size

    sizes: list[tuple[float, float]] = []
    for entry in inputs:
        if isinstance(entry, Region):
            left, top, right, bottom = entry.box
            sizes.append((right - left, bottom - top))
            continue
        try:
            sizes.append((entry.shape[1], entry.shape[0]) if isinstance(entry, np.ndarray) else picture_size(entry))
        except InputError:
            continue  # for `check` to tell
    return sizes


def _unusable_text(text: str) -> tuple[str, str] | None:
    if not text.strip():
        return "empty", "no text"
    return ("unreadable", "bytes that are not UTF-8 (U+FFFD)") if "\ufffd" in text else None


def _unusable_file(dataset: Dataset, row: int) -> tuple[str, str] | None:
    entry = dataset.inputs[row]
    entry = entry.path if isinstance(entry, Region) else entry
    if isinstance(entry, np.ndarray):
        return None
    if not isinstance(dataset.contents[row], int):  # it can be read
        return None if Path(entry).stat().st_size else ("empty", f"{entry} is empty")
    try:
        from mien.media.images import read_picture

        read_picture(entry)
    except InputError as error:
        return "empty" if str(error).endswith("is empty") else "unreadable", str(error)
    return "unreadable", f"{entry} cannot be read"


def _where(dataset: Dataset, row: int) -> str:
    return dataset.where[row] if dataset.where else f"row {row + 1}"


def _repeated(dataset: Dataset, rows: list[int]) -> list[Problem]:
    """At most one problem of each kind for a group of equal inputs, at the first of them."""
    places = [_where(dataset, row) for row in rows]
    splits = [str(dataset.split[row]) for row in rows]
    others = ", ".join(places[1:4]) + (f" and {len(rows) - 4} more" if len(rows) > 4 else "")
    problems = []
    if len(set(splits)) < len(rows):
        problems.append(Problem("duplicate", places[0], f"the same again in one split: {others}"))
    if len(set(splits)) > 1:
        names = " and ".join(sorted(set(splits)))
        problems.append(Problem("leak", places[0], f"the same in {names}: {others}"))
    labels = list(dict.fromkeys(_labels(dataset, row) for row in rows))
    if len(labels) > 1:
        what = " but ".join(label or "none" for label in labels[:3])
        problems.append(Problem("contradiction", places[0], f"the same is labeled {what}: {others}"))
    return problems


def _labels(dataset: Dataset, row: int) -> str:
    target = dataset.targets[row]
    places = np.flatnonzero(target) if dataset.space.multilabel else [int(target)]
    rated = [f"{name} {values[row]:g}" for name, values in dataset.ratings.items() if not np.isnan(values[row])]
    return " ".join(filter(None, ["+".join(dataset.space.names[place] for place in places), *rated]))


def _unrated(dataset: Dataset) -> list[Problem]:
    problems = []
    for split in dataset.splits or ("all",):
        part = dataset.part(split)
        for name, values in part.ratings.items():
            if lacking := int(np.isnan(values).sum()):
                problems.append(Problem("missing-rating", split, f"{lacking} of {len(part)} have no {name}"))
    return problems


def _balance(dataset: Dataset) -> list[Problem]:
    problems = []
    for split in dataset.splits:
        lacking = [name for name, n in dataset.part(split).counts().items() if n == 0]
        if lacking:
            problems.append(Problem("missing-label", split, f"{split} has no {', '.join(lacking)}"))
    where = "train" if "train" in dataset.splits else "all"
    if where == "all" and dataset.splits:  # nothing in it is trained on
        return problems
    counts = {name: n for name, n in dataset.part(where).counts().items() if n}
    if counts:
        most, least = max(counts, key=counts.__getitem__), min(counts, key=counts.__getitem__)
        if counts[most] > _RATIO * counts[least]:
            what = f"{counts[most]} of {most} but {counts[least]} of {least}: a ratio of more than {_RATIO}"
            problems.append(Problem("imbalance", where, what))
    few = [f"{n} of {name}" for name, n in counts.items() if n < _FEW]
    if few:
        problems.append(Problem("few", where, f"too few to learn from: {', '.join(few)}"))
    return problems
