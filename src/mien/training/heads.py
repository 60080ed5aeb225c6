"""Further label spaces that a network answers in besides its own, and what data sets say of them. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mien.datasets import Dataset
from mien.labels import REST, SPACES, LabelSpace, groups, sentiment_places

_SENTIMENT = "sentiment"


@dataclass(frozen=True)
class Head:
    """A further label space, and the columns of the network's output in which it stands."""

    space: LabelSpace
    columns: slice

    @property
    def name(self) -> str:
        """The name of its space."""
        return self.space.name

    def __len__(self) -> int:
        return len(self.space)


def make_heads(names: Sequence[str], multilabel: Sequence[str], start: int) -> list[Head]:
    """Heads for known label spaces, side by side from column *start* on; of those in *multilabel* several can hold."""
    heads = []
    for name in names:
        space = SPACES[name].as_multilabel(name in multilabel)
        heads.append(Head(space, slice(start, start := start + len(space))))
    return heads


def head_targets(part: Dataset, space: LabelSpace) -> np.ndarray | None:
    """What a data set says of the labels of another space; None where it says nothing.

    By its further annotators' votes where it has some, or by its labels where they are the same. Else, of sentiment and
    where several labels can hold, by the maps of :mod:`mien.labels`.

    Returns:
        float32 (n, labels). Of one label at a time the share of votes for each, or a row of zeros where nobody voted;
        of several 0, 1 or NaN where it is not known.
    """
    if space.name in part.votes:
        shares = part.votes[space.name]
        known = shares.any(1, keepdims=True)
        return np.asarray(np.where(known, shares > 0, np.nan), np.float32) if space.multilabel else shares
    own = part.space.names == space.names
    if not len(part.space) or not (own or space.multilabel or space.name == _SENTIMENT):
        return None
    holds = part.targets if part.space.multilabel else np.eye(len(part.space), dtype=np.float32)[part.targets]
    if own:
        return np.asarray(holds, np.float32)
    found = _sentiment(part.space, holds) if space.name == _SENTIMENT else _mapped(part.space, holds, space)
    if found is None or space.multilabel:
        return found
    counts = np.nan_to_num(found)
    return np.asarray(counts / np.maximum(counts.sum(1, keepdims=True), 1), np.float32)


def _mapped(source: LabelSpace, holds: np.ndarray, target: LabelSpace) -> np.ndarray | None:
    """0, 1 or NaN (n, labels of *target*): a label that gathers none of the source's is not known."""
    try:
        members = groups(source, target)
    except ValueError:
        return None
    found = np.full((len(holds), len(target)), np.nan, np.float32)
    for place, some in enumerate(members):
        if some:
            found[:, place] = holds[:, some].max(1)
    if source.multilabel and REST in target and REST not in source:
        found[:, target.index(REST)] = ~holds.any(1)
    return found


def _sentiment(source: LabelSpace, holds: np.ndarray) -> np.ndarray:
    """0 or 1 (n, labels): good and bad together are mixed; what is neither, such as surprise, tells nothing."""
    places = sentiment_places(source)
    good, bad, plain = (holds[:, places[name]].any(1) for name in ("positive", "negative", REST))
    if source.multilabel:
        plain |= ~holds.any(1)
    space = SPACES[_SENTIMENT]
    found = np.zeros((len(holds), len(space)), np.float32)
    parts = {"positive": good & ~bad, "negative": bad & ~good, REST: plain & ~good & ~bad, "mixed": good & bad}
    for name, rows in parts.items():
        found[:, space.index(name)] = rows
    return found
