"""What all readers do with a row: check it, note what is wrong with it, and at the end make a `Dataset`."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mien.datasets.dataset import Dataset, Problem
from mien.datasets.lines import shown
from mien.datasets.splits import split_rows, strata
from mien.datasets.tables import cell_text
from mien.errors import DataError, InputError
from mien.labels import SPACES, LabelSpace, _key, get_space, make_space
from mien.media.images import Region, picture_size

_NUMBER = re.compile(r"[+-]?\d{1,15}(?:\.\d+)?", re.ASCII)


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
        self._what = {"text": "text", "video": "clip", "features": "numbers"}.get(modality, "picture")
        self.problems: list[Problem] = []
        self._inputs: list[Any] = []
        self._labels: list[list[int]] = []
        self._split: list[str] = []
        self._where: list[str] = []
        self._columns: dict[str, list[str]] = {}
        self._ratings: dict[str, list[float]] = {name: [] for name in self.scales}

    def add(
        self,
        content: Any,
        labels: Sequence[str],
        split: str,
        where: str,
        columns: Mapping[str, str] | None = None,
        ratings: Mapping[str, float] | None = None,
    ) -> bool:
        """Take a row, or note why not: no text, no label (where the space has any), or a label that the space lacks.

        Args:
            content: a text, a path, the pixels of a picture as uint8, or a region of one.
            ratings: by their names; one that is outside its scale is noted and becomes NaN, as one that is missing.

        Returns:
            Whether it was taken.
        """
        entry = content if isinstance(content, np.ndarray | Region) else cell_text(content)
        if entry is None or (not labels and len(self.space)):
            self.problem("empty", where, f"no {self._what}" if entry is None else "no label")
            return False
        unknown = [label for label in labels if label not in self.space]
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
        self._labels.append([self.space.index(label) for label in labels])
        self._split.append(split)
        self._where.append(where)
        for name, value in (columns or {}).items():
            self._columns.setdefault(name, []).append(value)
        return True

    def _rating(self, name: str, number: float, where: str) -> float:
        low, high = self.scales[name]
        if math.isnan(number) or low <= number <= high:
            return number
        self.problem("outside-scale", where, f"{name} {number:g} is outside {low:g} to {high:g}; taken as not known", 0)
        return math.nan

    def problem(self, kind: str, where: str, what: str, rows: int = 1) -> None:
        """Note a row that is left out, or so many; or with 0 what is only to be known."""
        self.problems.append(Problem(kind, where, what, rows))

    def dataset(self) -> Dataset:
        """The rows taken so far."""
        if self.space.multilabel:
            targets = np.zeros((len(self._labels), len(self.space)), dtype=np.float32)
            for row, labels in enumerate(self._labels):
                targets[row, labels] = 1
        else:
            targets = np.array([labels[0] for labels in self._labels], dtype=np.int64)
        return Dataset(
            ratings={name: np.array(numbers, dtype=np.float32) for name, numbers in self._ratings.items()},
            scales=self.scales,
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
        )


def plain_name(path: Path) -> str:
    """The name of a data set: that of its file or folder without what follows the first dot."""
    name = path.name or path.resolve().name
    return name.split(".")[0] or name


def given_space(path: Path, space: str | LabelSpace | None) -> LabelSpace | None:
    """The space that an option names, None where it was not given.

    Raises:
        DataError: there is no such space.
    """
    try:
        return None if space is None else get_space(space)
    except KeyError as error:
        raise DataError(f"{path}: {error.args[0]}") from None


def given_seed(path: Path, split_seed: str | int) -> int:
    """The seed that an option gives.

    Raises:
        DataError: it is no whole number.
    """
    try:
        return int(split_seed)
    except ValueError:
        raise DataError(f"{path}: split_seed must be a whole number, not {split_seed!r}") from None


def given_flag(path: Path, name: str, value: str | bool) -> bool:
    """The yes or no that an option gives.

    Raises:
        DataError: it is neither.
    """
    known = {"true": True, "yes": True, "1": True, "": True, "false": False, "no": False, "0": False}
    if str(value).casefold() not in known:
        raise DataError(f"{path}: {name} must be true or false, not {value!r}")
    return known[str(value).casefold()]


def picture_fault(file: Path) -> str:
    """What is wrong with the file of a picture by its header, "" for nothing."""
    try:
        picture_size(file)
    except InputError as error:
        return str(error).removeprefix(f"{file} ")
    return ""


def whole(dataset: Dataset, strict: bool) -> Dataset:
    """The set as it is.

    Raises:
        DataError: *strict*, and its reader had to leave something out; the message says how much, and names the first.
    """
    if strict and dataset.problems:
        first, count = dataset.problems[0], len(dataset.problems)
        raise DataError(f"{dataset.name} has {count} problem{'s' * (count > 1)}: {first.where}: {first.what}")
    return dataset


def deal(dataset: Dataset, seed: int, groups: Sequence[object] | np.ndarray | None = None) -> Dataset:
    """The set with its rows dealt out 80/10/10, where it comes without splits; else as it is."""
    if not len(dataset) or (dataset.split != "").any():
        return dataset
    return replace(dataset, split=split_rows(strata(dataset), seed=seed, groups=groups), auto_split=True)


def known_space(labels: set[str], several: bool = False) -> LabelSpace | None:
    """The known space with exactly these labels, by name rather than alias; None where there is none."""
    fitting = [
        (sum(_key(label) not in map(_key, space.names) for label in labels), space.multilabel != several, space)
        for space in SPACES.values()
        if all(label in space for label in labels)
        and len({space.index(label) for label in labels}) == len(space) == len({_key(label) for label in labels})
    ]
    if fitting:
        return min(fitting, key=lambda entry: entry[:2])[2].as_multilabel(several)
    return None


def space_of(path: Path, labels: set[str], several: bool = False) -> LabelSpace:
    """The known space with exactly these labels, or one made of them and called as the file or folder.

    Raises:
        DataError: there are no labels.
    """
    if not labels:
        raise DataError(f"{path} has no labels")
    if known := known_space(labels, several):
        return known
    if all(map(_NUMBER.fullmatch, labels)):
        some = shown(sorted(labels, key=float), 5)
        what = "labels=0:NAME,1:NAME,… or space=NAME of a table, names of folders"
        raise DataError(f"{path} has numbers for labels ({some}); say what they stand for: {what}")
    ordered = sorted(labels)
    unique = {_key(label): label for label in reversed(ordered)}
    return make_space(plain_name(path), list(reversed(unique.values())), several)
