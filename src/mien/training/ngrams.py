"""What runs of tokens say by themselves: a linear model, which a network's heads are combined with.

A network knows little of a language that its pretrained weights hardly saw, and learns little from a thousand texts.
There the words alone say more, and everywhere the two together say more than either ("wide and deep", Cheng et al.
2016, arXiv:1606.07792). The runs are hashed (Weinberger et al. 2009, arXiv:0902.2206), so that the graph can do it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn
from torch.nn import functional

from mien.datasets import Dataset
from mien.labels import LabelSpace
from mien.modality import Sampler
from mien.training.heads import head_targets

LONGEST = 3  # tokens of a run
_FACTOR = 1_000_003  # a token id times this twice, and more, stays below 2^63
_PENALTY = 8.0  # the inverse strength of the logistic regression's penalty
_BATCH = 256


def runs_of(ids: Tensor, pad_id: int, buckets: int) -> Tensor:
    """The bucket of each run of one to three tokens, int64 (batch, 3 · length); *buckets* where there is none.

    Args:
        ids: int64 (batch, length), filled up at their ends.
    """
    length = ids.shape[1]
    padded = functional.pad(ids, (0, LONGEST - 1), value=pad_id)
    hashed, parts = ids, list[Tensor]()
    for more in range(LONGEST):
        last = padded[:, more : more + length]
        hashed = hashed * _FACTOR + last if more else ids
        parts.append(torch.where(last == pad_id, buckets, hashed % buckets))
    return torch.cat(parts, 1)


class NGrams(nn.Module):
    """Logits of labels: the sum of what each run says, by how rare it is, over the length of the vector of rarities.

    Args:
        weights: float32 (buckets, labels), each row times the rarity of its runs.
        rarity: float32 (buckets,).
        pad_id: the token that fills up a batch.
    """

    weights: Tensor
    squares: Tensor

    def __init__(self, weights: np.ndarray, rarity: np.ndarray, pad_id: int) -> None:
        super().__init__()
        self.pad_id, self.buckets = pad_id, len(weights)
        self.register_buffer("weights", torch.from_numpy(np.vstack([weights, np.zeros_like(weights[:1])])))
        self.register_buffer("squares", torch.from_numpy(np.append(rarity**2, np.float32(0))[:, None]))

    def forward(self, ids: Tensor) -> Tensor:
        """float32 (batch, labels)."""
        runs = runs_of(ids, self.pad_id, self.buckets)
        sums = functional.embedding(runs, self.weights).sum(1)
        squares = functional.embedding(runs, self.squares).sum(1)
        return sums / squares.clamp(min=1).sqrt()


def fit_ngrams(sampler: Sampler, parts: Sequence[Dataset], space: LabelSpace, buckets: int) -> NGrams:
    """Logistic regressions, one for each label, on all that data sets say of a space in which several can hold.

    Each label counts alike, there or not there, in each data set and language: shares are those of where texts were
    collected.
    """
    pad_id = int(sampler.input_spec["pad_id"])
    rows, told, groups = [], [], []
    for place, part in enumerate(parts):
        said = head_targets(part, space)
        if said is None:
            continue
        rows.append(_counted(sampler, part.inputs, pad_id, buckets))
        told.append(said)
        kinds = part.columns.get("language", np.full(len(part), ""))
        groups += [f"{place} {kind}" for kind in kinds]
    counts, said = sparse.vstack(rows).tocsr(), np.concatenate(told)
    _, group = np.unique(groups, return_inverse=True)
    found = np.asarray((counts > 0).sum(0)).ravel()
    rarity = (np.log((1 + len(said)) / (1 + found)) + 1).astype(np.float32)
    lengths = np.sqrt(counts @ rarity**2)
    rows_of = sparse.diags(1 / np.maximum(lengths, 1)) @ counts @ sparse.diags(rarity)
    weights = np.zeros((buckets, len(space)), np.float32)
    for label in range(len(space)):
        known = np.flatnonzero(~np.isnan(said[:, label]))
        holds, of = said[known, label] > 0, group[known]
        if holds.any() and not holds.all():
            shares = (np.bincount(of, holds) / np.maximum(np.bincount(of), 1))[of].clip(1e-3, 1 - 1e-3)
            each = np.where(holds, 0.5 / shares, 0.5 / (1 - shares))
            fitted = LogisticRegression(C=_PENALTY, solver="liblinear").fit(rows_of[known], holds, each)
            weights[:, label] = fitted.coef_[0] * rarity
    return NGrams(weights, rarity, pad_id)


def _counted(sampler: Sampler, inputs: Sequence[str], pad_id: int, buckets: int) -> sparse.csr_matrix:
    """How often each bucket's runs stand in each text, float32 (n, buckets)."""
    order = np.argsort(sampler.lengths(inputs), kind="stable")
    parts = []
    for start in range(0, len(order), _BATCH):
        ids = torch.from_numpy(sampler.collate([inputs[place] for place in order[start : start + _BATCH]]))
        runs = runs_of(ids, pad_id, buckets).numpy()
        kept = runs < buckets
        ends = np.append(0, kept.sum(1).cumsum())
        ones = np.ones(ends[-1], np.float32)
        parts.append(sparse.csr_matrix((ones, runs[kept], ends), shape=(len(runs), buckets)))
    made = sparse.vstack(parts).tocsr()[np.argsort(order)]
    made.sum_duplicates()
    return made


@torch.inference_mode()
def logits_of_runs(model: NGrams, sampler: Sampler, inputs: Sequence[str]) -> np.ndarray:
    """float32 (n, labels)."""
    starts = range(0, len(inputs), _BATCH)
    return np.concatenate([model(torch.from_numpy(sampler.collate(inputs[at : at + _BATCH]))).numpy() for at in starts])
