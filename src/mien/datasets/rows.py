"""Rows as a data set yields them, and the `Dataset` they make: each is checked, and what is wrong with it noted."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from mien.datasets.dataset import Dataset, Problem, kind_of
from mien.datasets.lines import shown
from mien.datasets.tables import cell_text
from mien.errors import DataError
from mien.labels import SPACES, LabelSpace, _key, make_space
from mien.media.images import Region

_NUMBER = re.compile(r"[+-]?\d{1,15}(?:\.\d+)?", re.ASCII)
_NOUNS = {"row": "numbers"}  # kind of input → what lacks where it is empty, where that has another name


@dataclass(frozen=True, kw_only=True)
class Info:
    """What holds for all of a data set: given to `dataset`, and yielded where the path or an option decides it.

    Attributes:
        name: of the set.
        labels: its label space or the name of one; without it a known space of exactly its labels, or one of them.
        multilabel: whether a row can have several labels, where that is not the label space's.
        modality: of its inputs, such as "text" or "face".
        licence: as its authors state it.
        scales: the lowest and highest value of each rating.
        group: the column whose values stay in one split.
        folds: how many folds to number in the column "fold".
        features: the names of the numbers of a row.
        finish: what is done with the set once it has its splits.
    """

    name: str | None = None
    labels: str | LabelSpace | None = None
    multilabel: bool | None = None
    modality: str | None = None
    licence: str | None = None
    scales: Mapping[str, tuple[float, float]] | None = None
    group: str | None = None
    folds: int | None = None
    features: Sequence[str] | None = None
    finish: Callable[[Dataset], Dataset] | None = None

    def __or__(self, other: Info) -> Info:
        return replace(self, **{name: value for name, value in vars(other).items() if value is not None})


@dataclass(frozen=True)
class Row:
    """One sample.

    Attributes:
        input: a text, the path of a picture or clip, pixels as uint8, a :class:`mien.media.images.Region`, or numbers.
        labels: their names, or their places in the set's labels.
        where: the place that a person looks for, such as "train.tsv:17".
        split: "train", "val" or "test"; "" in all rows of a set without splits.
        columns: further values.
        ratings: NaN, or left out, where a rating is not known.
        votes: see :class:`mien.datasets.Dataset`.
        complete: whether a row of a set with several labels at a time that has none is known to have none; without
            that it is left out.
    """

    input: Any
    labels: Sequence[str | int]
    where: str
    split: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    ratings: Mapping[str, float] = field(default_factory=dict)
    votes: Mapping[str, np.ndarray] = field(default_factory=dict)
    complete: bool = False


Items = Iterator[Row | Problem | Info]


def assemble(items: Iterable[Row | Problem], space: LabelSpace, info: Info) -> Dataset:
    """The data set of these rows. Left out and noted are rows without input or label, or with an unknown label."""
    scales, modality = dict(info.scales or {}), info.modality or "text"
    rows: list[Row] = []
    problems: list[Problem] = []
    for item in items:
        if isinstance(item, Problem):
            problems.append(item)
            continue
        row, found = _checked(item, space, scales, kind_of(modality))
        problems += found
        if row is not None:
            rows.append(row)
    if space.multilabel:
        targets = np.zeros((len(rows), len(space)), dtype=np.float32)
        for place, row in enumerate(rows):
            for label in row.labels:
                targets[place, int(label)] = 1
    else:
        targets = np.array([row.labels[0] for row in rows], dtype=np.int64)

    def column(values: Iterable[Any]) -> np.ndarray:
        return np.array(list(values), dtype=object)

    names = dict.fromkeys(name for row in rows for name in row.columns)
    voted = dict.fromkeys(name for row in rows for name in row.votes)
    return Dataset(
        name=info.name or "data",
        modality=modality,
        space=space,
        inputs=[row.input for row in rows],
        targets=targets,
        split=column(row.split for row in rows),
        where=[row.where for row in rows],
        columns={name: column(row.columns.get(name, "") for row in rows) for name in names},
        licence=info.licence or "not stated",
        problems=tuple(problems),
        votes={name: np.stack([row.votes[name] for row in rows]) for name in voted},
        group=info.group or "" if rows else "",
        features=tuple(info.features or ()),
        ratings={name: np.array([row.ratings[name] for row in rows], dtype=np.float32) for name in scales},
        scales=scales,
    )


def _checked(
    row: Row, space: LabelSpace, scales: Mapping[str, tuple[float, float]], kind: str
) -> tuple[Row | None, list[Problem]]:
    """The row with its labels as places, None where it is left out; and what is wrong with it."""
    try:
        entry = row.input if isinstance(row.input, np.ndarray | Region) else cell_text(row.input)
    except DataError as error:
        raise DataError(f"{row.where}: {error}") from None
    unlabeled = not row.labels and len(space) > 0 and not (row.complete and space.multilabel)
    if entry is None or unlabeled:
        what = f"no {_NOUNS.get(kind, kind)}" if entry is None else "no label"
        return None, [Problem("empty", row.where, what)]
    known = range(len(space))
    if unknown := [label for label in row.labels if not (label in space if isinstance(label, str) else label in known)]:
        return None, [Problem("unknown-label", row.where, f"label {str(unknown[0])[:40]!r} is not in {space.name}")]
    problems: list[Problem] = []
    ratings = {name: row.ratings.get(name, math.nan) for name in scales}
    for name, (low, high) in scales.items():
        if ratings[name] < low or ratings[name] > high:
            what = f"{name} {ratings[name]:g} is outside {low:g} to {high:g}; taken as not known"
            problems.append(Problem("outside-scale", row.where, what, 0))
            ratings[name] = math.nan
    if scales and not len(space) and all(map(math.isnan, ratings.values())):
        return None, [*problems, Problem("empty", row.where, "no rating")]
    labels = [space.index(label) if isinstance(label, str) else label for label in row.labels]
    return replace(row, input=entry, labels=labels, ratings=ratings), problems


def plain_name(path: Path) -> str:
    """The name of a data set: that of its file or folder up to the first dot."""
    name = path.name or path.resolve().name
    return name.split(".")[0] or name


def known_space(labels: set[str], several: bool = False) -> LabelSpace | None:
    """The known space with exactly these labels, by name rather than alias; None where there is none."""
    fitting = [
        (sum(_key(label) not in map(_key, space.names) for label in labels), space.multilabel != several, space)
        for space in SPACES.values()
        if all(label in space for label in labels)
        and len({space.index(label) for label in labels}) == len(space) == len({_key(label) for label in labels})
    ]
    return min(fitting, key=lambda entry: entry[:2])[2].as_multilabel(several) if fitting else None


def space_of(path: Path, labels: set[str], several: bool = False) -> LabelSpace:
    """The known space with exactly these labels, or one made of them and called as the file or folder.

    Raises:
        DataError: there are no labels, or they are numbers.
    """
    if not labels:
        raise DataError(f"{path} has no labels")
    if known := known_space(labels, several):
        return known
    if all(map(_NUMBER.fullmatch, labels)):
        some = shown(sorted(labels, key=float), 5)
        what = "labels=0:NAME,1:NAME,… or space=NAME"
        raise DataError(f"{path} has numbers for labels ({some}); say what they stand for: {what}")
    unique = {_key(label): label for label in sorted(labels, reverse=True)}
    return make_space(plain_name(path), list(reversed(unique.values())), several)
