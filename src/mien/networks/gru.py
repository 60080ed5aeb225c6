"""A GRU that reads a text in both directions, with a ReLU head.

Token embeddings → one GRU forwards, one backwards → maximum over the tokens → linear, ReLU, linear.
(Cho et al. 2014 for the GRU; pooling over all steps instead of taking the last follows Howard & Ruder 2018.)
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn


class Settings(BaseModel):
    """Sizes and dropout.

    Attributes:
        embedding: numbers per token.
        hidden: numbers per direction.
        head: width of the ReLU layer.
        embedding_dropout: share of embedding channels left out, the same ones along a text.
        dropout: share of pooled and head features left out.
        pool: what the head sees of the states: their maximum over the tokens, or maximum and mean.
        token_dropout: share of tokens replaced by the unknown token while training, so that the network
            learns to read around a word it has never seen.
    """

    model_config = ConfigDict(extra="forbid")
    embedding: int = Field(128, ge=1)
    hidden: int = Field(128, ge=1)
    head: int = Field(128, ge=1)
    embedding_dropout: float = Field(0.3, ge=0, lt=1)
    dropout: float = Field(0.5, ge=0, lt=1)
    token_dropout: float = Field(0.1, ge=0, lt=1)
    pool: Literal["max", "max-mean"] = "max"


class Network(nn.Module):
    """See the module. Input int64 (batch, length), output float32 logits (batch, labels)."""

    def __init__(self, settings: Settings, *, labels: int, vocabulary: int, pad_id: int, unknown_id: int = 1) -> None:
        super().__init__()
        self.pad_id, self.unknown_id = pad_id, unknown_id
        self.token_dropout, self.pool = settings.token_dropout, settings.pool
        self.embedding = nn.Embedding(vocabulary, settings.embedding, padding_idx=pad_id)
        nn.init.normal_(self.embedding.weight, std=0.1)
        with torch.no_grad():
            self.embedding.weight[pad_id] = 0
        self.embedding_dropout = nn.Dropout1d(settings.embedding_dropout)
        self.forwards = nn.GRU(settings.embedding, settings.hidden, batch_first=True)
        self.backwards = nn.GRU(settings.embedding, settings.hidden, batch_first=True)
        self.head = nn.Sequential(
            nn.Dropout(settings.dropout),
            nn.Linear((2 if settings.pool == "max" else 4) * settings.hidden, settings.head),
            nn.ReLU(),
            nn.Dropout(settings.dropout),
            nn.Linear(settings.head, labels),
        )

    def forward(self, ids: Tensor) -> Tensor:
        """Logits; how a text is padded makes no difference to them."""
        mask = ids != self.pad_id
        if self.training and self.token_dropout:
            ids = ids.masked_fill(
                mask & (torch.rand(ids.shape, device=ids.device) < self.token_dropout), self.unknown_id
            )
        vectors = self.embedding_dropout(self.embedding(ids).transpose(1, 2)).transpose(1, 2)
        # Each text is turned round within its own length, so that the backward GRU starts at its last word, not at
        # the padding.
        steps = torch.arange(ids.shape[1], device=ids.device)[None]
        lengths = mask.sum(1, keepdim=True)
        turned = torch.where(steps < lengths, lengths - 1 - steps, steps)[..., None]
        onward, _ = self.forwards(vectors)
        backward, _ = self.backwards(vectors.gather(1, turned.expand(-1, -1, vectors.shape[2])))
        states = torch.cat([onward, backward.gather(1, turned.expand(-1, -1, backward.shape[2]))], 2)
        pooled = states.masked_fill(~mask[..., None], -1.0).amax(1)  # a GRU's state never falls below -1
        if self.pool == "max-mean":
            mean = (states * mask[..., None]).sum(1) / lengths.clamp(min=1)
            pooled = torch.cat([pooled, mean], 1)
        logits: Tensor = self.head(pooled)
        return logits
