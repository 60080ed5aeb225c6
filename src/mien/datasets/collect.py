"""The rows of one data set: each is checked and what is wrong with it noted; at the end they are a `Dataset`."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mien.datasets.dataset import Dataset, Problem, kind_of
from mien.datasets.lines import shown
from mien.datasets.tables import cell_text
from mien.errors import DataError, InputError
from mien.labels import SPACES, LabelSpace, _key, make_space
from mien.media.images import Region, picture_size

_NUMBER = re.compile(r"[+-]?\d{1,15}(?:\.\d+)?", re.ASCII)
_NOUNS = {"text": "text", "clip": "clip", "row": "numbers", "picture": "picture"}


class Collector:
    """Gathers the rows of one data set.

    Args:
        name, space, licence, modality: of the data set.
        scales: the lowest and highest value of each rating that its rows have.
    """

    def __init__(
        self,
        name: str,
        space: LabelSpace,
        licence: str = "not stated",
        modality: str = "text",
        scales: Mapping[str, tuple[float, float]] | None = None,
    ) -> None:
        self.name, self.space, self.licence, self.modality = name, space, licence, modality
        self.scales = dict(scales or {})
        self._noun = _NOUNS[kind_of(modality)]
        self.problems: list[Problem] = []
        self._inputs: list[Any] = []
        self._labels: list[list[int]] = []
        self._split: list[str] = []
        self._where: list[str] = []
        self._columns: dict[str, list[str]] = {}
        self._ratings: dict[str, list[float]] = {name: [] for name in self.scales}
        self._votes: dict[str, list[np.ndarray]] = {}

    def __len__(self) -> int:
        return len(self._inputs)

    def add(
        self,
        content: Any,
        labels: Sequence[str | int],
        split: str,
        where: str,
        columns: Mapping[str, str] | None = None,
        ratings: Mapping[str, float] | None = None,
        votes: Mapping[str, np.ndarray] | None = None,
    ) -> bool:
        """Take a row; or note why not: no input, no label (where the space has any), or a label that the space lacks.

        A rating that is outside its scale is noted and becomes NaN, as one that is missing.

        Returns:
            Whether it was taken.
        """
        try:
            entry = content if isinstance(content, np.ndarray | Region) else cell_text(content)
        except DataError as error:
            raise DataError(f"{where}: {error}") from None
        if entry is None or (not labels and len(self.space)):
            self.problem("empty", where, f"no {self._noun}" if entry is None else "no label")
            return False
        unknown = [label for label in labels if isinstance(label, str) and label not in self.space]
        if unknown:
            self.problem("unknown-label", where, f"label {unknown[0][:40]!r} is not in {self.space.name}")
            return False
        numbers = {name: self._rating(name, (ratings or {}).get(name, math.nan), where) for name in self.scales}
        if not len(self.space) and all(map(math.isnan, numbers.values())):
            self.problem("empty", where, "no rating")
            return False
        for name, number in numbers.items():
            self._ratings[name].append(number)
        self._inputs.append(entry)
        self._labels.append([self.space.index(label) if isinstance(label, str) else label for label in labels])
        self._split.append(split)
        self._where.append(where)
        for name, value in (columns or {}).items():
            self._columns.setdefault(name, []).append(value)
        for name, shares in (votes or {}).items():
            self._votes.setdefault(name, []).append(shares)
        return True

    def _rating(self, name: str, number: float, where: str) -> float:
        low, high = self.scales[name]
        if math.isnan(number) or low <= number <= high:
            return number
        self.problem("outside-scale", where, f"{name} {number:g} is outside {low:g} to {high:g}; taken as not known", 0)
        return math.nan

    def problem(self, kind: str, where: str, what: str, rows: int = 1) -> None:
        """Note so many rows that are left out; or with 0 a remark."""
        self.problems.append(Problem(kind, where, what, rows))

    def dataset(self, group: str = "", features: tuple[str, ...] = ()) -> Dataset:
        """The rows taken so far."""
        if self.space.multilabel:
            targets = np.zeros((len(self._labels), len(self.space)), dtype=np.float32)
            for row, labels in enumerate(self._labels):
                targets[row, labels] = 1
        else:
            targets = np.array([labels[0] for labels in self._labels], dtype=np.int64)
        return Dataset(
            name=self.name,
            modality=self.modality,
            space=self.space,
            inputs=self._inputs,
            targets=targets,
            split=np.array(self._split, dtype=object),
            where=self._where,
            columns={name: np.array(values, dtype=object) for name, values in self._columns.items()},
            licence=self.licence,
            problems=tuple(self.problems),
            votes={name: np.stack(shares) for name, shares in self._votes.items()},
            ratings={name: np.array(numbers, dtype=np.float32) for name, numbers in self._ratings.items()},
            scales=self.scales,
            group=group,
            features=features,
        )


def plain_name(path: Path) -> str:
    """The name of a data set: that of its file or folder up to the first dot."""
    name = path.name or path.resolve().name
    return name.split(".")[0] or name


def picture_fault(file: Path) -> str:
    """What is wrong with the file of a picture by its header, "" for nothing."""
    try:
        picture_size(file)
    except InputError as error:
        return str(error).removeprefix(f"{file} ")
    return ""


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
        what = "labels=0:NAME,1:NAME,… or space=NAME of a table, names of folders"
        raise DataError(f"{path} has numbers for labels ({some}); say what they stand for: {what}")
    unique = {_key(label): label for label in sorted(labels, reverse=True)}
    return make_space(plain_name(path), list(reversed(unique.values())), several)
