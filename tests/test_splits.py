"""Splits: shares, strata, groups and the same deal for the same seed."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.datasets.splits import folds, split_rows


def test_a_hundred_rows_by_hand() -> None:
    targets = np.array([0] * 50 + [1] * 30 + [2] * 20)
    split = split_rows(targets)
    assert Counter(split.tolist()) == {"train": 80, "val": 10, "test": 10}
    assert [Counter(split[targets == label].tolist()) for label in range(3)] == [
        {"train": 40, "val": 5, "test": 5},
        {"train": 24, "val": 3, "test": 3},
        {"train": 16, "val": 2, "test": 2},
    ]


def test_what_rounding_owes_is_paid_back() -> None:
    """Twenty labels of five rows: half a row each for val and test, so ten rows each over all."""
    split = split_rows(np.repeat(np.arange(20), 5))
    assert Counter(split.tolist()) == {"train": 80, "val": 10, "test": 10}


def test_the_same_on_every_machine() -> None:
    """Fixed values: PCG64 gives them on every platform and in every numpy since 1.17."""
    split = split_rows(np.array([0, 1] * 5), shares=(0.6, 0.2, 0.2), seed=7)
    assert "".join(part[1] for part in split) == "rrarreearr"
    assert "".join(map(str, folds(np.array([0, 1] * 5), 5, seed=7))) == "1031044322"
    assert (split_rows(np.zeros(100, int), seed=1) != split_rows(np.zeros(100, int), seed=2)).any()


def test_one_of_a_kind_goes_to_train() -> None:
    split = split_rows(np.arange(30))
    assert set(split.tolist()) == {"train"}


def test_several_labels_count_for_the_rarest() -> None:
    targets = np.zeros((100, 3), dtype=np.float32)
    targets[:, 0] = 1
    targets[:20, 1] = 1  # the rarest label of twenty rows
    split = split_rows(targets)
    assert Counter(split[:20].tolist()) == {"train": 16, "val": 2, "test": 2}
    assert Counter(split[20:].tolist()) == {"train": 64, "val": 8, "test": 8}


def test_groups_stay_together_and_keep_the_shares() -> None:
    random = np.random.default_rng(0)
    targets, groups = random.integers(0, 4, 2000), random.integers(0, 200, 2000)
    split = split_rows(targets, groups=groups)
    for group in range(200):
        assert len(set(split[groups == group])) == 1
    for label in range(4):
        counts = Counter(split[targets == label].tolist())
        n = sum(counts.values())
        for part, share in {"train": 0.8, "val": 0.1, "test": 0.1}.items():
            assert abs(counts[part] / n - share) < 0.03


def test_grouped_folds_stratify() -> None:
    """Eight groups, four of each label: every one of four folds gets a group of each."""
    groups, targets = np.repeat(np.arange(8), 5), np.repeat([0, 1] * 4, 5)
    fold = folds(targets, 4, groups=groups)
    assert all(len(set(fold[groups == group])) == 1 for group in range(8))
    assert [Counter(targets[fold == part].tolist()) for part in range(4)] == [{0: 5, 1: 5}] * 4


def test_no_rows_and_wrong_settings() -> None:
    assert len(split_rows(np.array([], dtype=np.int64))) == 0
    assert len(split_rows(np.array([], dtype=np.int64), groups=[])) == 0
    with pytest.raises(ValueError, match="2 groups for 3 rows"):
        split_rows(np.zeros(3, int), groups=["a", "b"])
    with pytest.raises(ValueError, match="shares"):
        split_rows(np.zeros(3, int), shares=(1, -1, 1))
    with pytest.raises(ValueError, match="at least 2 folds"):
        folds(np.zeros(3, int), 1)


LABELS = st.lists(st.integers(0, 4), max_size=60).map(lambda labels: np.array(labels, dtype=np.int64))


@settings(max_examples=100, deadline=None)
@given(LABELS, st.integers(0, 2**32))
def test_each_label_has_its_share_to_within_a_row(targets: np.ndarray, seed: int) -> None:
    split = split_rows(targets, seed=seed)
    assert split.tolist() == split_rows(targets, seed=seed).tolist()
    for label in np.unique(targets):
        counts = Counter(split[targets == label].tolist())
        n = int((targets == label).sum())
        assert counts["train"] >= 1
        for part, share in {"train": 0.8, "val": 0.1, "test": 0.1}.items():
            assert abs(counts[part] - share * n) <= 1 + 1e-6


@settings(max_examples=100, deadline=None)
@given(LABELS, st.integers(2, 6), st.integers(0, 2**32))
def test_folds_are_even_in_each_label(targets: np.ndarray, k: int, seed: int) -> None:
    fold = folds(targets, k, seed=seed)
    for label in np.unique(targets):
        counts = np.bincount(fold[targets == label], minlength=k)
        assert len(counts) == k
        assert counts.max() - counts.min() <= 1


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from("abcdefgh")), max_size=40), st.integers(0, 99))
def test_no_group_falls_in_two_splits(rows: list[tuple[int, str]], seed: int) -> None:
    targets, groups = np.array([row[0] for row in rows], dtype=np.int64), [row[1] for row in rows]
    for parts in (split_rows(targets, seed=seed, groups=groups).tolist(), folds(targets, 3, seed, groups).tolist()):
        assert len(parts) == len(rows)
        assert len(set(zip(groups, parts, strict=True))) == len(set(groups))
