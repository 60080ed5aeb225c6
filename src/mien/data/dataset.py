"""The one shape in which every reader hands over a data set."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from mien.emotions import LabelSpace, get_space, groups
from mien.errors import DataError

TRAIN, VAL, TEST = "train", "val", "test"
SPLITS = (TRAIN, VAL, TEST)


@dataclass(frozen=True)
class Problem:
    """Something wrong in a data set.

    Attributes:
        kind: "unreadable", "empty", "duplicate", "contradiction", "unknown-label", "imbalance", …
        where: file and line or row, such as "train.txt:17".
        what: one line for a person.
    """

    kind: str
    where: str
    what: str


@dataclass(frozen=True)
class Dataset:
    """Samples with labels and splits.

    Attributes:
        name: such as "carer".
        modality: "text", "face", "video" or "scene".
        space: the labels.
        inputs: n texts, or n paths of pictures or clips.
        targets: for one label at a time int64 of shape (n,); for several float32 of shape (n, labels), 0 or 1.
        split: n times "train", "val" or "test"; all "" where the set comes without a split.
        dealt: whether mien dealt the splits, because the set comes without.
        where: n places of origin, such as "train.txt:17", for messages.
        columns: further columns by name, each of length n, for ``--by`` and grouped splits.
        licence: as its authors state it.
        problems: what the reader met and left out (unreadable or empty rows, unknown labels).
    """

    name: str
    modality: str
    space: LabelSpace
    inputs: Sequence[str]
    targets: np.ndarray
    split: np.ndarray
    where: Sequence[str] = ()
    columns: dict[str, np.ndarray] = field(default_factory=dict)
    licence: str = "not stated"
    problems: tuple[Problem, ...] = ()
    dealt: bool = False

    def __post_init__(self) -> None:
        n = len(self.inputs)
        shape = (n, len(self.space)) if self.space.multilabel else (n,)
        if self.targets.shape != shape:
            raise DataError(f"{self.name}: targets must have shape {shape}, got {self.targets.shape}")
        for what, values in {"split": self.split, **self.columns}.items():
            if len(values) != n:
                raise DataError(f"{self.name}: {what} has {len(values)} entries for {n} inputs")

    def __len__(self) -> int:
        return len(self.inputs)

    @cached_property
    def splits(self) -> tuple[str, ...]:
        """The splits that hold samples, in the order train, val, test."""
        present = set(np.unique(self.split).tolist())
        return tuple(split for split in SPLITS if split in present)

    def take(self, rows: np.ndarray) -> Dataset:
        """The samples at *rows* (places or a mask)."""
        places = np.flatnonzero(rows) if rows.dtype == bool else rows
        return replace(
            self,
            inputs=[self.inputs[i] for i in places.tolist()],
            targets=self.targets[places],
            split=self.split[places],
            where=[self.where[i] for i in places.tolist()] if self.where else (),
            columns={name: values[places] for name, values in self.columns.items()},
        )

    def part(self, split: str) -> Dataset:
        """The samples of one split; "all" gives every sample.

        Raises:
            DataError: that split holds nothing; the message names those that do.
        """
        if split == "all":
            return self
        rows = self.split == split
        if not rows.any():
            have = ", ".join(self.splits) or "none (the set comes without splits; take 'all')"
            raise DataError(f"{self.name} has no {split!r} split; it has: {have}")
        return self.take(rows)

    def counts(self) -> dict[str, int]:
        """Label → number of samples that carry it."""
        totals = self.targets.sum(0) if self.space.multilabel else np.bincount(self.targets, minlength=len(self.space))
        return {label: int(total) for label, total in zip(self.space.names, totals, strict=True)}

    def rollup(self, space: str | LabelSpace) -> Dataset:
        """The same samples with the labels of a coarser space, by the maps of `mien.emotions`.

        With several labels at a time, a coarser label holds where any of its members does. Samples that
        fall in no coarser label are left out and counted in `problems`.

        Raises:
            DataError: there is no such space, or no map to it.
        """
        try:
            target = get_space(space).as_multilabel(self.space.multilabel)
            members = groups(self.space, target)
        except (KeyError, ValueError) as error:
            raise DataError(f"{self.name}: {error.args[0]}") from None
        if self.space.multilabel:
            columns = [self.targets[:, part].max(1, initial=0) for part in members]
            targets = np.stack(columns, axis=1).astype(np.float32)
            fits = np.asarray(targets.any(1))
        else:
            place = np.full(len(self.space), -1, dtype=np.int64)
            for index, part in enumerate(members):
                place[part] = index
            targets = place[self.targets]
            fits = targets >= 0
        kept = replace(self.take(fits), space=target, targets=targets[fits])
        if fits.all():
            return kept
        what = f"{int((~fits).sum())} samples have no label in {target.name}; left out"
        return replace(kept, problems=(*self.problems, Problem("unknown-label", self.name, what)))

    @cached_property
    def samples_fingerprint(self) -> str:
        """sha256 over inputs and targets in order, whatever the splits. Pictures and clips enter by their bytes."""
        digest = hashlib.sha256(repr(self.space.names).encode())
        for text in self.inputs:
            content = text.encode("utf-8", "surrogatepass") if self.modality == "text" else Path(text).read_bytes()
            digest.update(len(content).to_bytes(8, "little") + content)
        digest.update(np.ascontiguousarray(self.targets).tobytes())
        return digest.hexdigest()

    @cached_property
    def fingerprint(self) -> str:
        """sha256 over inputs, targets and splits in order: the same data gives the same value."""
        return hashlib.sha256((self.samples_fingerprint + "\n".join(map(str, self.split))).encode()).hexdigest()
