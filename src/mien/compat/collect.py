"""The class that gathered the rows of a data set in mien 0.1; now a data set yields `mien.datasets.open.Row`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mien.datasets.dataset import Dataset, Problem
from mien.datasets.rows import Info, Row, assemble
from mien.labels import LabelSpace


class Collector:
    """Gathers the rows of one data set."""

    def __init__(
        self,
        name: str,
        space: LabelSpace,
        licence: str = "not stated",
        modality: str = "text",
        scales: Mapping[str, tuple[float, float]] | None = None,
    ) -> None:
        self.space, self._info = space, Info(name=name, licence=licence, modality=modality, scales=scales)
        self._items: list[Row | Problem] = []

    def add(
        self,
        content: Any,
        labels: Sequence[str],
        split: str,
        where: str,
        columns: Mapping[str, str] | None = None,
        ratings: Mapping[str, float] | None = None,
    ) -> bool:
        """Take a row, or note why not; whether it was taken."""
        row = Row(content, labels, where, split, columns or {}, ratings or {})
        self._items.append(row)
        return bool(len(assemble([row], self.space, self._info)))

    def problem(self, kind: str, where: str, what: str, rows: int = 1) -> None:
        """Note a row that is left out, or so many; or with 0 a remark."""
        self._items.append(Problem(kind, where, what, rows))

    def dataset(self) -> Dataset:
        """The rows taken so far."""
        return assemble(self._items, self.space, self._info)
