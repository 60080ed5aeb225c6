"""The baseline to beat: a bag of words and hashed word pairs, and one linear layer (Joulin et al. 2017, fastText).

Each word or pair learns how much it counts beside the others, as the inverse document frequency says of TF-IDF.
"""

from __future__ import annotations

import warnings
from typing import Any

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from mien.networks import base
from mien.networks.settings import NetworkSettings

_REPLACED = {  # keys of recipes for the TF-IDF that came before → what does their work now
    "c": "train.weight_decay",
    "min_texts": "tokenizer.min_count",
    "balanced": "train.class_weights",
}
_PRIME = 1_000_003  # of the hash
_SPEED = 10  # how much faster the weights learn, which have far to go


class Settings(NetworkSettings):
    """Sizes and dropout.

    Attributes:
        ngrams: longest run of tokens that counts as a feature.
        features: places for the runs of two tokens and more; runs that fall on the same place share it.
        embedding: numbers per feature, besides its weight.
        dropout: share of the features of a text left out while training.
    """

    ngrams: int = Field(2, ge=1, le=3)
    features: int = Field(50_000, ge=10)
    embedding: int = Field(16, ge=1)
    dropout: float = Field(0.2, ge=0, lt=1)

    @model_validator(mode="before")
    @classmethod
    def _without_replaced(cls, given: Any) -> Any:
        """Keys of earlier recipes, for one more release."""
        for name in _REPLACED.keys() & dict(given).keys():
            warnings.warn(f"network.{name} does nothing now; use {_REPLACED[name]}", DeprecationWarning, stacklevel=2)
        return {name: value for name, value in dict(given).items() if name not in _REPLACED}


class Network(base.Network):
    """See the module."""

    gives_features, labels_alone = False, True

    def __init__(self, settings: Settings, *, labels: int, vocabulary: int, pad_id: int, unknown_id: int = 1) -> None:
        super().__init__()
        self.ngrams, self.places, self.vocabulary = settings.ngrams, settings.features, vocabulary
        self.pad_id, self.rate = pad_id, settings.dropout
        self.embedding = nn.Embedding(vocabulary + settings.features, settings.embedding)
        self.weight = nn.Embedding(vocabulary + settings.features, 1)
        nn.init.normal_(self.embedding.weight, std=0.1)
        nn.init.zeros_(self.weight.weight)
        self.head = nn.Linear(settings.embedding, labels)

    def features(self, ids: Tensor) -> Tensor:
        """The mean of a text's features by their weights, float32 (batch, embedding); padding makes no difference."""
        there, run = ids != self.pad_id, ids
        bags, masks = [ids], [there]
        for length in range(1, self.ngrams):
            run, there = run[:, :-1] * _PRIME + ids[:, length:], there[:, :-1] & (ids[:, length:] != self.pad_id)
            bags.append(self.vocabulary + run % self.places)
            masks.append(there)
        bag, mask = torch.cat(bags, 1), torch.cat(masks, 1)
        if self.training and self.rate:
            mask = mask & (torch.rand(mask.shape, device=mask.device) >= self.rate)
        weights = (_SPEED * self.weight(bag)[..., 0]).masked_fill(~mask, -1e4).softmax(1) * mask
        total: Tensor = (self.embedding(bag) * weights[..., None]).sum(1)
        return total
