"""Splits of rows: stratified by label, kept together by group, the same for a seed on any machine."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mien.datasets.dataset import SPLITS, Dataset

#: What files, folders and cells call a split, in lower case → its name here.
SPLIT_NAMES = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev", "development", "publictest"), "val"),
    **dict.fromkeys(("test", "testing", "eval", "evaluation", "privatetest"), "test"),
}


def split_rows(
    targets: np.ndarray,
    shares: Sequence[float] = (0.8, 0.1, 0.1),
    seed: int = 0,
    groups: Sequence[object] | np.ndarray | None = None,
) -> np.ndarray:
    """Split rows into "train", "val" and "test".

    Without groups every label has in every split its share to within one row, and train has at least one of
    each. With several labels at a time, a row counts for the rarest of its labels. With groups, each group goes
    as a whole to where it brings the labels nearest to their shares.

    Args:
        targets: int64 of shape (n,), or float32 of shape (n, labels), 0 or 1.
        shares: of train, val and test; they are scaled to add up to 1.
        seed: of the shuffle.
        groups: n keys; rows of one key stay together.

    Returns:
        An object array of n strings.

    Raises:
        ValueError: shares that are negative or all 0, or not as many groups as rows.
    """
    names: np.ndarray = np.array(SPLITS, dtype=object)[_parts(targets, shares, seed, groups)]
    return names


def strata(dataset: Dataset) -> np.ndarray:
    """What to give to `split_rows` and `folds` as targets: those of the set; of ratings alone, bands of alike rows.

    A band is a third of each rating's values, low, middle or high, or those not known; int64 of shape (n,).
    """
    if len(dataset.space) or not dataset.ratings:
        return dataset.targets
    bands = np.zeros(len(dataset), dtype=np.int64)
    for values in dataset.ratings.values():
        known = values[~np.isnan(values)]
        thirds = np.quantile(known, [1 / 3, 2 / 3]) if len(known) else np.zeros(2)
        bands = 4 * bands + np.where(np.isnan(values), 3, np.searchsorted(thirds, values))
    return bands


def folds(
    targets: np.ndarray, k: int, seed: int = 0, groups: Sequence[object] | np.ndarray | None = None
) -> np.ndarray:
    """The fold, 0 to k - 1, of each row, as an int64 array of shape (n,); stratified and grouped as `split_rows`.

    Raises:
        ValueError: k is less than 2, or not as many groups as rows.
    """
    if k < 2:
        raise ValueError(f"there must be at least 2 folds, not {k}")
    return _parts(targets, [1 / k] * k, seed, groups)


def _parts(
    targets: np.ndarray, shares: Sequence[float], seed: int, groups: Sequence[object] | np.ndarray | None
) -> np.ndarray:
    """The part, 0 and up, of each row."""
    share = np.asarray(shares, dtype=np.float64)
    if (share < 0).any() or not share.sum() > 0:
        raise ValueError(f"shares must be 0 or more and not all 0, not {list(shares)}")
    random = np.random.Generator(np.random.PCG64(seed))
    strata = _strata(targets)
    if groups is None:
        return _by_label(strata, share / share.sum(), random)
    if len(groups) != len(targets):
        raise ValueError(f"there are {len(groups)} groups for {len(targets)} rows")
    keys = np.array([str(group) for group in groups])
    return _by_group(strata, np.unique(keys, return_inverse=True)[1], share / share.sum(), random)


def _strata(targets: np.ndarray) -> np.ndarray:
    """One label for each row: its only one, or the rarest of several (-1 for none), counted over all rows."""
    if targets.ndim == 1:
        return targets.astype(np.int64)
    held = targets > 0
    rarity = np.where(held, held.sum(0)[None, :], np.iinfo(np.int64).max)
    return np.where(held.any(1), rarity.argmin(1), -1).astype(np.int64) if held.shape[1] else np.full(len(held), -1)


def _by_label(strata: np.ndarray, share: np.ndarray, random: np.random.Generator) -> np.ndarray:
    parts = np.empty(len(strata), dtype=np.int64)
    owed = np.zeros(len(share))  # what rounding took from each part so far, in rows
    for label in np.unique(strata):
        rows = random.permutation(np.flatnonzero(strata == label))
        exact = share * len(rows)
        counts = np.floor(exact + 1e-9).astype(np.int64)
        spare = len(rows) - int(counts.sum())
        wish = np.where(exact - counts > 1e-9, exact - counts + owed, -np.inf)
        if counts[0] == 0 and share[0] == share.max() and len(set(share)) > 1:
            wish[0] = np.inf  # what is there but once must be there to learn from
        counts[np.argsort(-wish, kind="stable")[:spare]] += 1
        owed += exact - counts
        parts[rows] = np.repeat(np.arange(len(share)), counts)
    return parts


def _by_group(strata: np.ndarray, group: np.ndarray, share: np.ndarray, random: np.random.Generator) -> np.ndarray:
    labels, label = np.unique(strata, return_inverse=True)
    content = np.zeros((int(group.max(initial=-1)) + 1, len(labels) + 1))  # rows of each label, and of any
    np.add.at(content, (group, label), 1)
    content[:, -1] = content[:, :-1].sum(1)
    total = content.sum(0)
    lacking = share[:, None] * total  # rows that each part still lacks
    part = np.empty(len(content), dtype=np.int64)
    shuffled = random.permutation(len(content))
    for place in shuffled[np.argsort(-content[shuffled, -1], kind="stable")]:  # the large ones first
        here = content[place]
        cost = (here * (here - 2 * lacking) / total).sum(1)  # by how much the squared lacks grow
        part[place] = np.where(share > 0, cost, np.inf).argmin()
        lacking[part[place]] -= here
    rows: np.ndarray = part[group]
    return rows
