"""Examples of each label out of any number of rows: the surest, the most typical, and a random sample of all."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import numpy as np

T = TypeVar("T")

_BEST, _TYPICAL, _POOL = 5, 3, 200


class Sample(Generic[T]):
    """A random sample of at most so many of a stream, each as likely as any other (Vitter 1985, algorithm R).

    Attributes:
        seen: how many there were.
    """

    def __init__(self, most: int, seed: int = 0) -> None:
        self.seen, self._most, self._kept = 0, most, list[tuple[int, T]]()
        self._draw = random.Random(seed).random

    def add(self, make: Callable[[], T]) -> None:
        """One more; it is made only where it is kept."""
        if (place := self.take()) is not None:
            self.put(place, make())

    def take(self) -> int | None:
        """Count one more; where it is to be put, and None where it is not kept."""
        self.seen += 1
        place = self.seen - 1 if self.seen <= self._most else int(self._draw() * self.seen)
        return place if place < self._most else None

    def put(self, place: int, value: T) -> None:
        """Keep the one that was counted last."""
        entry = self.seen, value
        if place < len(self._kept):
            self._kept[place] = entry
        else:
            self._kept.append(entry)

    def items(self) -> list[T]:
        """The sample, in the order of the stream."""
        return [value for _, value in sorted(self._kept, key=lambda pair: pair[0])]


@dataclass(frozen=True)
class Example:
    """A row to show.

    Attributes:
        text: a quote, or the path of a picture or a clip.
        score: of its label.
        scores: of all labels.
        more: what else is known of it: who, when, its box.
    """

    text: str
    score: float
    scores: tuple[float, ...]
    more: dict[str, Any] = field(default_factory=dict)


class Examples:
    """The surest and the most typical rows of one label."""

    def __init__(self, seed: int = 0) -> None:
        self._best = list[tuple[float, int, Example]]()
        self._pool, self._number = Sample[Example](_POOL, seed), 0

    def add(self, score: float, make: Callable[[], Example]) -> None:
        """One more row with that score of the label."""
        self._number += 1
        place, best = self._pool.take(), len(self._best) < _BEST or score > self._best[0][0]
        if place is None and not best:
            return
        example = make()
        if place is not None:
            self._pool.put(place, example)
        if best:
            if any(_same(example, other) for *_, other in self._best):
                return  # the same again, perhaps of somebody else
            put = heapq.heappush if len(self._best) < _BEST else heapq.heappushpop
            put(self._best, (score, -self._number, example))

    @property
    def surest(self) -> list[Example]:
        """Those with the highest score of the label, the surest first."""
        return [example for *_, example in sorted(self._best, key=lambda entry: entry[:2], reverse=True)]

    @property
    def typical(self) -> list[Example]:
        """Those whose scores are closest to the mean of all rows of the label, out of a random 200; no quote twice."""
        pool = list({example.text: example for example in self._pool.items()}.values())
        if not pool:
            return []
        rows = np.array([example.scores for example in pool])
        order = np.linalg.norm(rows - rows.mean(0), axis=1).argsort(kind="stable")
        return [pool[place] for place in order[:_TYPICAL]]


def _same(one: Example, other: Example) -> bool:
    return one.text == other.text and all(one.more.get(key) == other.more.get(key) for key in ("box", "start"))
