"""Batches: in the same order for the same seed and epoch, on one process or several, resumed or not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from mien.datasets import Dataset
from mien.errors import DataError
from mien.modality import Sampler
from mien.training.heads import Head, head_targets
from mien.training.ratings import Ratings

_POOL = 50  # batches that are sorted by length together: little padding, and still a fresh mixture in each epoch


@dataclass
class Batches:
    """An iterable over the batches of one epoch, this process's share of each.

    Attributes:
        sets: the data sets; a batch holds samples of one.
        teachers: for each set the teacher's probabilities, float32 (n, labels), or None.
        batch_size: over all processes together. A last batch of a single sample joins the one before it: batch norm
            has nothing to go by in one sample.
        heads: the further label spaces that are learned, see the recipe's ``train.also``.
        ratings: what is rated besides.
        rank, world: which process of how many.
    """

    sampler: Sampler
    sets: Sequence[Dataset]
    teachers: Sequence[np.ndarray | None]
    batch_size: int
    seed: int = 0
    heads: Sequence[Head] = ()
    ratings: Ratings = field(default_factory=Ratings)
    rank: int = 0
    world: int = 1
    epoch: int = 0

    def __post_init__(self) -> None:
        self._lengths = [self.sampler.lengths(part.inputs) for part in self.sets]
        self._rated = [self.ratings.of(part) for part in self.sets]
        self._of_heads = [
            {head.name: said for head in self.heads if (said := head_targets(part, head.space)) is not None}
            for part in self.sets
        ]

    def __len__(self) -> int:
        return len(self.plan())

    def plan(self) -> list[tuple[int, np.ndarray]]:
        """The epoch's batches as (place of the set, rows of it), the same on all processes."""
        rng = np.random.default_rng([self.seed, self.epoch])
        batches: list[tuple[int, np.ndarray]] = []
        for place, lengths in enumerate(self._lengths):
            order, first = rng.permutation(len(lengths)), len(batches)
            for start in range(0, len(order), self.batch_size * _POOL):
                pool = order[start : start + self.batch_size * _POOL]
                pool = pool[np.argsort(lengths[pool], kind="stable")]
                batches += [(place, pool[at : at + self.batch_size]) for at in range(0, len(pool), self.batch_size)]
            if self.batch_size > 1 == len(batches[-1][1]) and len(batches) > first + 1:
                _, last = batches.pop()
                batches[-1] = place, np.append(batches[-1][1], last)
        return [batches[i] for i in rng.permutation(len(batches))]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for place, rows in self.plan():
            mine = rows[self.rank :: self.world]
            # Processes average their gradients: each counts its samples as so many parts of the whole batch. A
            # process without one takes part with a sample of no weight.
            factor = len(mine) * self.world / len(rows)
            taken = mine if len(mine) else rows[:1]
            part, teacher = self.sets[place], self.teachers[place]
            seeds = [hash((self.seed, self.epoch, place, int(row))) & 0xFFFFFFFF for row in taken]
            yield {
                "inputs": torch.from_numpy(self.sampler.collate([part.inputs[row] for row in taken], seeds)),
                "targets": torch.from_numpy(part.targets[taken]),
                "also": {name: torch.from_numpy(said[taken]) for name, said in self._of_heads[place].items()},
                "rated": torch.from_numpy(self._rated[place][taken]),
                "teacher": None if teacher is None else torch.from_numpy(teacher[taken]),
                "source": place,
                "factor": factor,
                "size": len(rows),
            }

    @contextmanager
    def learned_from(self, batch: dict[str, Any]) -> Iterator[None]:
        """While a network reads a batch: says which data set is too small for it.

        Raises:
            DataError: the batch is of a single sample, and the network has a batch norm that needs two.
        """
        try:
            yield
        except ValueError as error:
            if len(batch["inputs"]) > 1 or "more than 1 value per channel" not in str(error):
                raise
            told = f"{self.sets[batch['source']].name}: a batch of a single sample, and this network learns from two or"
            raise DataError(f"{told} more at a time; give more samples, or train.batch_size above 1") from error
