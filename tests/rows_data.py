"""Rows of numbers that can be learned from, by people who differ: what the tests of features share."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from mien.datasets import Dataset
from mien.labels import make_space

LABELS = ("calm", "happy", "sad")


def rows(people: int = 8, each: int = 4, labels: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """float32 (n, 5), int (n,) and n people's names.

    The label moves the first two numbers, the person shifts all; the last two are noise, one of them skewed.
    """
    random = np.random.default_rng(seed)
    targets = np.tile(np.repeat(np.arange(labels), each), people)
    person = np.repeat(np.arange(people), labels * each)
    centres = np.array([[0, 2.5], [2.5, 0], [-2.5, -1], [1, -3]])[:labels]
    numbers = random.normal(0, 1, (len(targets), 5)) + random.normal(0, 0.7, (people, 5))[person]
    numbers[:, :2] += centres[targets]
    numbers[:, 4] = np.exp(numbers[:, 4])
    return numbers.astype(np.float32), targets.astype(np.int64), np.array([f"p{i}" for i in person], dtype=object)


def dataset(people: int = 8, each: int = 4, labels: int = 3, seed: int = 0) -> Dataset:
    """The same as a data set without splits, grouped by person."""
    numbers, targets, person = rows(people, each, labels, seed)
    space = make_space("moods", [*LABELS, "angry"][:labels])
    return Dataset(
        "moods", "features", space, list(numbers), targets, np.full(len(targets), "", dtype=object),
        columns={"person": person}, group="person", features=("a", "b", "c", "d", "e"),
    )  # fmt: skip


def write_table(path: Path, people: int = 8, each: int = 4, seed: int = 0) -> Path:
    """The same as a CSV with the columns mood, a to e, and person."""
    numbers, targets, person = rows(people, each, seed=seed)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["mood", *"abcde", "person"])
        for row, target, who in zip(numbers.tolist(), targets.tolist(), person, strict=True):
            writer.writerow([LABELS[target], *(repr(value) for value in row), who])
    return path
