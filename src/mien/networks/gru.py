"""A GRU that reads a text in both directions, with a ReLU head.

Token embeddings → one GRU forwards, one backwards → maximum over the tokens → linear, ReLU, linear.
(Cho et al. 2014 for the GRU; pooling over all steps instead of taking the last follows Howard & Ruder 2018.)
Several such networks can stand side by side and be averaged (Lakshminarayanan et al. 2017).
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor, nn

from mien.networks import base
from mien.networks.base import read_both_ways
from mien.networks.settings import NetworkSettings


class Settings(NetworkSettings):
    """Sizes and dropout.

    Attributes:
        embedding: numbers per token.
        hidden: numbers per direction.
        head: width of the ReLU layer.
        members: networks of this kind that are trained side by side and answer by the mean of their logits.
        embedding_dropout: share of embedding channels left out, the same ones along a text.
        dropout: share of pooled and head features left out.
        token_dropout: share of tokens replaced by the unknown token while training, so that the network
            learns to read around a word it has never seen.
    """

    embedding: int = Field(128, ge=1)
    hidden: int = Field(128, ge=1)
    head: int = Field(128, ge=1)
    members: int = Field(1, ge=1)
    embedding_dropout: float = Field(0.3, ge=0, lt=1)
    dropout: float = Field(0.5, ge=0, lt=1)
    token_dropout: float = Field(0.1, ge=0, lt=1)


class Tower(nn.Module):
    """One network of its own: int64 ids (batch, length) → logits (batch, labels)."""

    def __init__(self, settings: Settings, labels: int, vocabulary: int, pad_id: int, unknown_id: int) -> None:
        super().__init__()
        self.pad_id, self.unknown_id = pad_id, unknown_id
        self.token_dropout = settings.token_dropout
        self.embedding = nn.Embedding(vocabulary, settings.embedding, padding_idx=pad_id)
        nn.init.normal_(self.embedding.weight, std=0.1)
        with torch.no_grad():
            self.embedding.weight[pad_id] = 0
        self.embedding_dropout = nn.Dropout1d(settings.embedding_dropout)
        self.forwards = nn.GRU(settings.embedding, settings.hidden, batch_first=True)
        self.backwards = nn.GRU(settings.embedding, settings.hidden, batch_first=True)
        self.head = nn.Sequential(
            nn.Dropout(settings.dropout),
            nn.Linear(2 * settings.hidden, settings.head),
            nn.ReLU(),
            nn.Dropout(settings.dropout),
            nn.Linear(settings.head, labels),
        )

    def forward(self, ids: Tensor) -> Tensor:
        mask = ids != self.pad_id
        if self.training and self.token_dropout:
            dropped = mask & (torch.rand(ids.shape, device=ids.device) < self.token_dropout)
            ids = ids.masked_fill(dropped, self.unknown_id)
        vectors = self.embedding_dropout(self.embedding(ids).transpose(1, 2)).transpose(1, 2)
        states = read_both_ways(self.forwards, self.backwards, vectors, mask)
        pooled = states.masked_fill(~mask[..., None], -1.0).amax(1)  # a GRU's state never falls below -1
        logits: Tensor = self.head(pooled)
        return logits


class Network(base.Network):
    """See the module. In training each member answers for itself, (members × batch, labels), so as to learn alone."""

    gives_features, labels_alone = False, True

    def __init__(self, settings: Settings, *, labels: int, vocabulary: int, pad_id: int, unknown_id: int = 1) -> None:
        super().__init__()
        self.pad_id = pad_id
        self.members = nn.ModuleList(
            Tower(settings, labels, vocabulary, pad_id, unknown_id) for _ in range(settings.members)
        )

    def forward(self, ids: Tensor) -> Tensor:
        """Logits; how a text is padded makes no difference to them."""
        answers = [member(ids) for member in self.members]
        return torch.cat(answers) if self.training else torch.stack(answers).mean(0)
