"""Batches: every row once, the same for everyone, and fair between processes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mien.datasets import Dataset
from mien.labels import make_space
from mien.training.batches import Batches

SPACE = make_space("three", ["a", "b", "c"])
RNG = np.random.default_rng(7)


class Numbers:
    """Texts that are numbers with a tail; a batch holds the number and the seed of each."""

    def lengths(self, inputs):
        return np.array([len(text) for text in inputs])

    def collate(self, inputs, seeds=None):
        return np.array([[int(text.split()[0]), seed] for text, seed in zip(inputs, seeds, strict=True)], np.int64)


def dataset(n: int) -> Dataset:
    texts = [f"{i} {'x' * int(length)}" for i, length in enumerate(RNG.integers(1, 200, n))]
    return Dataset("made-up", "text", SPACE, texts, RNG.integers(0, 3, n), np.full(n, "train"))


SETS = [dataset(1003), dataset(58)]


def batches(size=8, sets=SETS, **settings) -> Batches:
    return Batches(Numbers(), sets, settings.pop("teachers", [None] * len(sets)), size, **settings)


def rows(batch) -> list[int]:
    return batch["inputs"][:, 0].tolist()


@pytest.mark.parametrize("epoch", [0, 5])
def test_each_row_exactly_once_an_epoch(epoch):
    one = batches(seed=3, epoch=epoch)
    seen: dict[int, list[int]] = {0: [], 1: []}
    for batch in one:
        assert len(batch["inputs"]) <= 8
        assert batch["factor"] == 1
        seen[batch["source"]] += rows(batch)
        targets = SETS[batch["source"]].targets[rows(batch)]
        assert batch["targets"].tolist() == targets.tolist()
    assert sorted(seen[0]) == list(range(1003))
    assert sorted(seen[1]) == list(range(58))
    assert len(list(one)) == len(one) == 126 + 8


@pytest.mark.parametrize(
    ("samples", "size", "sizes"),
    [(9, 8, [9]), (10, 8, [2, 8]), (401, 8, [8] * 49 + [9]), (3, 2, [3]), (1, 8, [1]), (3, 1, [1, 1, 1])],
)
def test_no_sample_is_left_alone_in_the_last_batch(samples, size, sizes):
    one = batches(size, sets=[dataset(samples), dataset(samples)])
    for source in (0, 1):
        seen = [rows(batch) for batch in one if batch["source"] == source]
        assert sorted(map(len, seen)) == sizes
        assert sorted(row for batch in seen for row in batch) == list(range(samples))
    assert len(one) == 2 * len(sizes)


def test_the_same_for_the_same_seed_and_epoch_and_another_for_another():
    def told(**settings):
        return [(b["source"], b["inputs"].tolist()) for b in batches(**settings)]

    def places(plan):
        return [[row for row, _ in inputs] for _, inputs in plan]

    first = told(seed=3, epoch=1)
    assert told(seed=3, epoch=1) == first
    for other in (told(seed=3, epoch=2), told(seed=4, epoch=1)):
        assert other != first
        assert places(other) != places(first)
    moved = batches(seed=3)
    moved.epoch = 1
    assert [b["inputs"].tolist() for b in moved] == [inputs for _, inputs in first]


def test_rows_are_augmented_by_seeds_of_their_own():
    def seeds(**settings):
        return {(b["source"], row): seed for b in batches(**settings) for row, seed in b["inputs"].tolist()}

    first, second = seeds(epoch=0), seeds(epoch=1)
    assert len(set(first.values())) > 0.99 * len(first)
    assert sum(first[key] == second[key] for key in first) < 0.01 * len(first)
    shared = seeds(epoch=0, rank=0, world=2) | seeds(epoch=0, rank=1, world=2)
    assert shared == first
    assert all(0 <= seed < 2**32 for seed in first.values())


@pytest.mark.parametrize("world", [2, 3, 5])
def test_processes_share_out_every_batch(world):
    ranks = [list(batches(seed=1, epoch=2, rank=rank, world=world)) for rank in range(world)]
    whole = list(batches(seed=1, epoch=2))
    idle = 0
    for shares, batch in zip(zip(*ranks, strict=True), whole, strict=True):
        assert {share["source"] for share in shares} == {batch["source"]}
        working = [share for share in shares if share["factor"]]
        idle += len(shares) - len(working)
        assert sorted(row for share in working for row in rows(share)) == sorted(rows(batch))
        assert all(len(share["inputs"]) for share in shares)  # DDP waits for every process at every step
    assert (idle > 0) == (world > 2)  # 58 = 7 · 8 + 2


@pytest.mark.parametrize("world", [1, 2, 3, 5])
@pytest.mark.parametrize("size", [3, 8])
def test_the_average_over_processes_is_the_mean_of_the_batch(world, size):
    loss = torch.from_numpy(RNG.normal(size=(2, 1003)))

    def mean(batch):
        return loss[batch["source"], batch["inputs"][:, 0]].mean() * batch["factor"]

    alone = [mean(batch).item() for batch in batches(size)]
    shared = zip(*(batches(size, rank=rank, world=world) for rank in range(world)), strict=True)
    together = [sum(mean(share).item() for share in shares) / world for shares in shared]
    np.testing.assert_allclose(together, alone, atol=1e-12)


def test_texts_of_like_length_come_together():
    lengths = np.array([len(text) for text in SETS[0].inputs])

    def filled(groups):
        areas = [(lengths[group].sum(), lengths[group].max() * len(group)) for group in groups]
        return np.divide(*np.sum(areas, 0))

    found = [np.array(rows(batch)) for batch in batches(sets=SETS[:1])]
    assert filled(found) > 0.95
    assert filled(np.array_split(np.random.default_rng(0).permutation(1003), 126)) < 0.7
    places = [lengths[group].mean() for group in found]
    assert abs(np.corrcoef(places, np.arange(len(places)))[0, 1]) < 0.3  # yet not from short to long


def test_the_teacher_goes_along_row_by_row():
    teacher = RNG.random((58, 3)).astype(np.float32)
    for batch in batches(sets=SETS, teachers=[None, teacher]):
        if batch["source"] == 0:
            assert batch["teacher"] is None
        else:
            np.testing.assert_array_equal(batch["teacher"].numpy(), teacher[rows(batch)])
