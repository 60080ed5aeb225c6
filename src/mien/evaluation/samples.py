"""What a model answered to single samples: its mistakes, and pictures to look at."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from mien.datasets.dataset import Dataset
from mien.errors import InputError
from mien.evaluation.notes import place_of
from mien.labels import LabelSpace
from mien.media.images import Region
from mien.modality import why_unread

SAMPLES = 24  # right ones on the sheet, and as many wrong ones
SIDE = 96  # pixels of a thumbnail, at most
_LOSSLESS = 64  # up to this side a PNG is small enough


@dataclass(frozen=True)
class Answers:
    """The answers to the n samples of *part*.

    Attributes:
        part: the samples, in the space of the answers.
        probabilities: float (n, labels).
        holds: bool (n, labels), what the model says holds.
        space: the labels.
        seen: bool (n,), which samples also stand in the training data.
        ratings: what the model rated, by name: float (n,). Where there are no labels, these are what is right or wrong.
    """

    part: Dataset
    probabilities: np.ndarray
    holds: np.ndarray
    space: LabelSpace
    seen: np.ndarray
    ratings: dict[str, np.ndarray] = field(default_factory=dict)

    @cached_property
    def top(self) -> np.ndarray:
        """Place of the strongest label, int (n,)."""
        return np.asarray(self.probabilities.argmax(1))

    @cached_property
    def score(self) -> np.ndarray:
        """Its probability, float (n,)."""
        return np.asarray(self.probabilities[np.arange(len(self.top)), self.top])

    @cached_property
    def error(self) -> np.ndarray:
        """How far the ratings are off, as the mean share of their scales, float (n,); 0 where none is known."""
        off = [
            np.abs(values - self.part.ratings[name]) / (self.part.scales[name][1] - self.part.scales[name][0])
            for name, values in self.ratings.items()
        ]
        known = ~np.isnan(off)
        return np.asarray(np.where(known, off, 0).sum(0) / np.maximum(known.sum(0), 1))

    @cached_property
    def right(self) -> np.ndarray:
        """Whether the strongest label is true, bool (n,); several at a time: one of them, or none holds where none is.

        Without labels: whether the ratings are off by no more than those of half of the samples.
        """
        if not len(self.space):
            return np.asarray(self.error <= np.median(self.error))
        if self.part.space.multilabel:
            top = self.part.targets[np.arange(len(self.top)), self.top] > 0
            return np.asarray(np.where(self.part.targets.any(1), top, ~self.holds.any(1)))
        return np.asarray(self.part.targets == self.top)

    @property
    def pictures(self) -> bool:
        """Whether the samples can be looked at."""
        return self.part.kind == "picture"

    def mistakes(self, most: int) -> list[dict[str, Any]]:
        """The samples whose strongest label is not true, most confident first, with what was said and what is true.

        Without labels those whose ratings are furthest off.
        """
        return [self.entry(row) for row in self._wrong()[:most].tolist()]

    def samples(self, seed: int = 0) -> list[dict[str, Any]]:
        """Pictures to look at, evenly from all labels: right ones drawn at random, then the surest mistakes of each.

        Up to `SAMPLES` of either, each sorted by label; nothing for other modalities. Without labels some whose ratings
        are near and those that are furthest off, each sorted by the first rating that the model gave.
        """
        if not self.pictures:
            return []
        if not len(self.space):
            return self._rated_samples(seed)
        label = self.top if self.part.space.multilabel else self.part.targets
        right = np.random.default_rng(seed).permutation(np.flatnonzero(self.right))
        rows = [*evenly(right, label, SAMPLES), *evenly(self._wrong(), label, SAMPLES)]
        return [{**self.entry(row), "right": bool(self.right[row])} for row in rows]

    def entry(self, row: int) -> dict[str, Any]:
        """One sample in plain values; a picture that has no file of its own goes by its place."""
        part, several = self.part, self.part.space.multilabel
        where = part.where[row] if part.where else ""
        whole: dict[str, Any] = {"input": part.inputs[row]}
        if len(self.space):
            whole |= {
                "true": self._names(part.targets[row], row) if several else self.space.names[part.targets[row]],
                "predicted": self._names(self.holds[row], row) if several else self.space.names[self.top[row]],
                "label": self.space.names[self.top[row]],
                "score": float(self.score[row]),
            }
        whole["where"] = where
        if isinstance(part.inputs[row], np.ndarray):
            whole["input"] = where or f"row {row + 1}"
        elif isinstance(part.inputs[row], Path | Region):
            whole["input"] = str(part.inputs[row])
        if self.ratings:
            whole["ratings"] = {
                name: {"true": float(part.ratings[name][row]), "predicted": float(values[row])}
                for name, values in self.ratings.items()
            }
        if self.pictures:
            whole |= {"row": row, "seen_in_training": bool(self.seen[row])}
        return whole

    def thumbnails(self, *entries: dict[str, Any]) -> dict[int, np.ndarray]:
        """Row → small picture, uint8 (height, width, 3), of those entries that can be read."""
        found = {}
        for row in {entry["row"] for entry in entries if "row" in entry}:
            picture = thumbnail(self.part.inputs[row])
            if picture is not None:
                found[row] = picture
        return found

    def _rated_samples(self, seed: int) -> list[dict[str, Any]]:
        first = next(iter(self.ratings.values()))
        near = np.random.default_rng(seed).permutation(np.flatnonzero(self.right))[:SAMPLES]
        far = self._wrong()[:SAMPLES]
        rows = [*near[np.argsort(first[near], kind="stable")], *far[np.argsort(first[far], kind="stable")]]
        return [{**self.entry(int(row)), "right": bool(self.right[row])} for row in rows]

    def _wrong(self) -> np.ndarray:
        if not len(self.space):
            wrong = np.flatnonzero(~self.right)
            return np.asarray(wrong[np.argsort(-self.error[wrong], kind="stable")])
        wrong = np.flatnonzero(~self.right)
        return np.asarray(wrong[np.argsort(-self.score[wrong], kind="stable")])

    def _names(self, holds: np.ndarray, row: int) -> list[str]:
        """The labels that hold, that of the highest score first."""
        return [self.space.names[at] for at in np.argsort(-self.probabilities[row], kind="stable") if holds[at]]


def evenly(rows: np.ndarray, label: np.ndarray, most: int) -> list[int]:
    """Up to *most* of the rows, of each label as many as there are or as its share allows, sorted by label."""
    nth: dict[int, int] = {}
    order = []
    for at, row in enumerate(rows.tolist()):
        group = int(label[row])
        nth[group] = nth.get(group, 0) + 1
        order.append((nth[group], at, row))  # all the first of their label, then all the second, …
    chosen = [(int(label[row]), at, row) for _, at, row in sorted(order)[:most]]
    return [row for _, _, row in sorted(chosen)]


def thumbnail(source: Any, side: int = SIDE) -> np.ndarray | None:
    """A picture at *side* pixels at most, uint8 (height, width, 3); None where it cannot be read."""
    from mien.media.images import read_picture
    from mien.media.pixels import reduced

    try:
        return reduced(read_picture(source), side)
    except InputError:
        return None


def data_uri(picture: np.ndarray) -> str:
    """A picture, uint8 (height, width, 3), as the address of an image in a page: PNG if it is small, else JPEG."""
    from mien.media import encode

    gray = bool((picture == picture[..., :1]).all())
    kind = "png" if max(picture.shape[:2]) <= _LOSSLESS else "jpeg"
    return encode.data_uri(picture[..., 0] if gray else picture, kind, quality=88)


def unreadable(data: Dataset) -> dict[int, str]:
    """Which pictures, or clips, cannot be read: place → why, in one line.

    Decodes every picture, and of clips the beginning.
    """
    found: dict[int, str] = {}
    if data.kind not in ("picture", "clip"):
        return found
    from mien.media.clips import ClipReader
    from mien.media.images import read_picture

    for row, entry in enumerate(data.inputs):
        try:
            if data.kind == "clip":
                ClipReader(entry).close()
            else:
                read_picture(entry)
        except Exception as error:
            found[row] = why_unread(str(entry), data.modality, error)
    return found


def further_unreadable(part: Dataset, lost: Mapping[int, str], answers: Callable[[Dataset], object]) -> dict[int, str]:
    """Which further samples cannot be read, and why: at first pictures are only decoded, then all are read by one."""
    if not lost and (found := unreadable(part)):
        return found
    found = {}
    for row in range(len(part)):
        if row not in lost:
            try:
                answers(part.take(np.array([row])))
            except Exception as error:
                found[row] = why_unread(place_of(part, row), part.modality, error)
    return found
