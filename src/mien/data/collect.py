"""What all readers do with a row: check it, note what is wrong with it, and at the end make a `Dataset`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mien.data.dataset import Dataset, Problem
from mien.data.tables import cell_text
from mien.emotions import LabelSpace


class Collector:
    """Gathers the rows of one data set.

    Args:
        name, space, licence, modality: of the data set.
    """

    def __init__(self, name: str, space: LabelSpace, licence: str = "not stated", modality: str = "text") -> None:
        self.name, self.space, self.licence, self.modality = name, space, licence, modality
        self.problems: list[Problem] = []
        self._inputs: list[str] = []
        self._labels: list[list[int]] = []
        self._split: list[str] = []
        self._where: list[str] = []
        self._columns: dict[str, list[str]] = {}

    def add(
        self, text: Any, labels: Sequence[str], split: str, where: str, columns: Mapping[str, str] | None = None
    ) -> None:
        """Take a row, or note why not: no text, no label, or a label that the space lacks."""
        words = cell_text(text)
        if words is None or not labels:
            self.problem("empty", where, "no text" if words is None else "no label")
            return
        unknown = [label for label in labels if label not in self.space]
        if unknown:
            self.problem("unknown-label", where, f"label {unknown[0]!r} is not in {self.space.name}")
            return
        self._inputs.append(words)
        self._labels.append([self.space.index(label) for label in labels])
        self._split.append(split)
        self._where.append(where)
        for name, value in (columns or {}).items():
            self._columns.setdefault(name, []).append(value)

    def problem(self, kind: str, where: str, what: str) -> None:
        """Note a row that is left out."""
        self.problems.append(Problem(kind, where, what))

    def dataset(self) -> Dataset:
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
        )
