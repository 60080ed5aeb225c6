"""The one shape of a data set: samples with labels and splits."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from mien.compat.names import renamed_fields
from mien.errors import DataError, InputError, ModelError
from mien.labels import REST, SPACES, LabelSpace, get_space, groups
from mien.media.images import Region, read_picture
from mien.modality import Kind, get_modality

TRAIN, VAL, TEST = "train", "val", "test"
SPLITS = (TRAIN, VAL, TEST)
LOSS = 0.05  # share of rows left out above which `account` warns


@dataclass(frozen=True)
class Problem:
    """Something wrong in a data set.

    Attributes:
        kind: "unreadable", "empty", "duplicate", "contradiction", "unknown-label", "imbalance", …
        where: file and line or row, such as "train.txt:17".
        what: one line for a person.
        rows: samples that are left out for it; 0 where it is only a remark.
    """

    kind: str
    where: str
    what: str
    rows: int = 1


@renamed_fields(also="votes", dealt="auto_split")
@dataclass(frozen=True)
class Dataset:
    """Samples with labels and splits.

    Attributes:
        name: such as "carer".
        modality: such as "text", "face", "video", "scene" or "features".
        space: the labels.
        inputs: n texts (str), or n pictures or clips: each a path (str), or for pictures the pixels themselves as
            uint8 of shape (height, width), gray, or (height, width, 3), RGB. A person in a picture is a
            :class:`mien.media.images.Region`. For features n rows of numbers, float32 of shape (d,).
        targets: for one label at a time int64 of shape (n,); for several float32 of shape (n, labels), 0 or 1.
            A set that has ratings alone is in a space without labels ("affect"): shape (n, 0).
        split: n times "train", "val" or "test"; all "" where the set has no splits.
        where: n places of origin, such as "train.txt:17", for messages.
        columns: further columns by name, each of length n, for ``--by`` and grouped splits.
        licence: as its authors state it.
        problems: what was left out while it was read (unreadable or empty rows, unknown labels).
        auto_split: whether mien made the splits, because the set comes without.
        votes: the votes of further annotators, by the name of a known label space: float32 of shape (n, its labels),
            the share of them that gave each label; a row of zeros where that is not known.
        group: the column whose values must stay in one split: who is seen, who wrote. "" where there is none.
        features: for features what each of the d numbers is called.
        ratings: how strongly, by what was rated, such as "valence": float32 of shape (n,), NaN where not known.
        scales: the lowest and highest value that each rating can have, such as (1, 9).
    """

    name: str
    modality: str
    space: LabelSpace
    inputs: Sequence[Any]
    targets: np.ndarray
    split: np.ndarray
    where: Sequence[str] = ()
    columns: dict[str, np.ndarray] = field(default_factory=dict)
    licence: str = "not stated"
    problems: tuple[Problem, ...] = ()
    auto_split: bool = False
    votes: dict[str, np.ndarray] = field(default_factory=dict)
    group: str = ""
    features: tuple[str, ...] = ()
    ratings: dict[str, np.ndarray] = field(default_factory=dict)
    scales: dict[str, tuple[float, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n = len(self.inputs)
        shape = (n, len(self.space)) if self.space.multilabel else (n,)
        if self.targets.shape != shape:
            raise DataError(f"{self.name}: targets must have shape {shape}, got {self.targets.shape}")
        for what, values in {"split": self.split, **self.columns, **self.ratings}.items():
            if len(values) != n:
                raise DataError(f"{self.name}: {what} has {len(values)} entries for {n} inputs")
        if self.group and self.group not in self.columns:
            raise DataError(f"{self.name} has no column {self.group!r} to keep together")
        for name, shares in self.votes.items():
            if name not in SPACES:
                raise DataError(f"{self.name}: there is no label space {name!r}; there are: {', '.join(SPACES)}")
            if shares.shape != (n, len(SPACES[name])):
                wanted = (n, len(SPACES[name]))
                raise DataError(f"{self.name}: the shares of {name} must have shape {wanted}, got {shares.shape}")
        if self.ratings.keys() != self.scales.keys():
            raise DataError(f"{self.name}: ratings {list(self.ratings)} but scales {list(self.scales)}")
        for name, (low, high) in self.scales.items():
            known = self.ratings[name][~np.isnan(self.ratings[name])]
            if not low < high or (len(known) and not low <= known.min() <= known.max() <= high):
                raise DataError(f"{self.name}: {name} has values outside its scale of {low:g} to {high:g}")

    def __repr__(self) -> str:
        return f"Dataset({self.name!r}, modality={self.modality!r}, n={len(self)}, space={self.space.name!r})"

    def __len__(self) -> int:
        return len(self.inputs)

    @cached_property
    def kind(self) -> Kind:
        """What an input is: "text", "picture", "clip" or "row"."""
        return kind_of(self.modality)

    @property
    def left_out(self) -> dict[str, int]:
        """Kind of problem → how many samples are left out for it, the most first."""
        counts: Counter[str] = Counter()
        for problem in self.problems:
            counts[problem.kind] += problem.rows
        return {kind: rows for kind, rows in counts.most_common() if rows}

    @property
    def groups(self) -> np.ndarray | None:
        """What must not be split over training and measuring, (n,): the values of the column `group`.

        Without such a column persons of one picture belong together; None where there are none either.
        """
        if self.group:
            return self.columns[self.group]
        if not any(isinstance(entry, Region) for entry in self.inputs):
            return None
        keys = (entry.path if isinstance(entry, Region) else row for row, entry in enumerate(self.inputs))
        return np.array(list(keys), dtype=object)

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
            votes={name: shares[places] for name, shares in self.votes.items()},
            ratings={name: values[places] for name, values in self.ratings.items()},
        )

    def resplit(self, split: np.ndarray) -> Dataset:
        """The same samples under other splits, n times "train", "val" or "test"; their files are not read again."""
        again = replace(self, split=split, auto_split=False)
        if "samples_fingerprint" in self.__dict__:
            again.__dict__["samples_fingerprint"] = self.samples_fingerprint
        return again

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
        """The same samples with the labels of a coarser space, by the maps of `mien.labels`.

        With several labels at a time, a coarser label holds where any of its members does. Samples that
        fall in no coarser label are left out and counted in `problems`; those known to have none stay.

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
            none = ~self.targets.any(1) & (REST not in self.space)  # where a label stands for it, nobody gave one
            fits = np.asarray(targets.any(1) | none)
        else:
            place = np.full(len(self.space), -1, dtype=np.int64)
            for index, part in enumerate(members):
                place[part] = index
            targets = place[self.targets]
            fits = targets >= 0
        kept = replace(self.take(fits), space=target, targets=targets[fits])
        if fits.all():
            return kept
        lost = int((~fits).sum())
        what = f"{lost} samples have no label in {target.name}; left out"
        return replace(kept, problems=(*self.problems, Problem("unknown-label", self.name, what, lost)))

    @cached_property
    def samples_fingerprint(self) -> str:
        """sha256 over inputs, targets and ratings in order, whatever the splits. Files enter by their bytes."""
        digest = hashlib.sha256(repr(self.space.names).encode())
        for entry in self.inputs:
            content = _bytes(entry, self.kind)
            digest.update(len(content).to_bytes(8, "little") + content)
        digest.update(np.ascontiguousarray(self.targets).tobytes())
        for name, values in sorted(self.ratings.items()):
            digest.update(f"{name} {self.scales[name]}".encode() + np.ascontiguousarray(values, np.float32).tobytes())
        return digest.hexdigest()

    @cached_property
    def fingerprint(self) -> str:
        """sha256 over inputs, targets, ratings, splits and votes in order: the same data gives the same value."""
        digest = hashlib.sha256((self.samples_fingerprint + "\n".join(map(str, self.split))).encode())
        for name, shares in sorted(self.votes.items()):
            digest.update(name.encode() + np.ascontiguousarray(shares).tobytes())
        return digest.hexdigest()

    @cached_property
    def contents(self) -> list[Hashable]:
        """A key for each input; equal for inputs with the same content.

        Texts are the same but for case and blanks, pictures where their decoded pixels are equal, persons in pictures
        where their boxes are too, clips where their bytes are. A file that cannot be read, which is like no other, has
        the number of its row (int). Reads and decodes every file.
        """
        last: tuple[str, Hashable] = "", None  # several persons of one picture follow each other
        keys: list[Hashable] = []
        for row, entry in enumerate(self.inputs):
            if not isinstance(entry, Region):
                keys.append(self._content(entry, row))
                continue
            if entry.path != last[0]:
                last = entry.path, self._content(entry.path, -1)
            keys.append(row if last[1] == -1 else (last[1], entry.box))
        return keys

    @cached_property
    def seen_in_training(self) -> np.ndarray:
        """Bool (n,): whether the train split has the content of a row outside it, too.

        Ask the full set, as a part of it knows nothing of the rest:
        ``data.seen_in_training[data.split == "test"]``. Where the set has no train split, or nothing else, all are
        False and no file is read.
        """
        train = self.split == TRAIN
        if not train.any() or train.all():
            return np.zeros(len(self), dtype=bool)
        known = {content for content, here in zip(self.contents, train, strict=True) if here}
        seen = (content in known and not here for content, here in zip(self.contents, train, strict=True))
        return np.fromiter(seen, dtype=bool, count=len(self))

    def _content(self, entry: Any, unreadable: int) -> Hashable:
        if self.kind == "text":
            return " ".join(entry.casefold().split())
        try:
            if isinstance(entry, str) and self.kind == "picture":
                entry = read_picture(entry)
            return hashlib.sha256(_bytes(entry, self.kind)).digest()
        except (InputError, DataError):
            return unreadable


def kind_of(modality: str) -> Kind:
    """What the inputs of a modality are; those of one that this mien lacks, such as voice, are files as clips are."""
    try:
        return get_modality(modality).kind
    except ModelError:
        return "clip"


def account(name: str, samples: int, labels: int, left_out: Mapping[str, int]) -> list[str]:
    """A line on how much of a data set there is and what was left out of it; a warning where that is much."""
    lost, rows = sum(left_out.values()), samples + sum(left_out.values())
    why = ", ".join(f"{count:,} {kind}" for kind, count in left_out.items())
    line = f"{name}: {samples:,} samples, {labels} labels, {lost:,} left out" + (f" ({why})" if lost else "")
    if lost <= LOSS * rows:
        return [line]
    share = f"{lost / rows:.0%} of the rows"
    return [line, f"warning: {share} of {name} are left out, {lost:,} of {rows:,}; 'mien data check' names them"]


def _bytes(entry: Any, kind: Kind) -> bytes:
    """What an input consists of: a text in UTF-8, pixels with their shape, a file as it is, behind a person's box."""
    if isinstance(entry, np.ndarray):
        return repr(entry.shape).encode() + entry.tobytes()
    if isinstance(entry, Region):
        return repr(entry.box).encode() + _bytes(entry.path, kind)
    try:
        return entry.encode("utf-8", "surrogatepass") if kind == "text" else Path(entry).read_bytes()
    except OSError as error:
        raise DataError(f"{entry} cannot be read: {error.strerror or error}") from error
