"""A GRU that reads a text in both directions, with a ReLU head.

Token embeddings → one GRU forwards, one backwards → maximum over the tokens → linear, ReLU, linear.
(Cho et al. 2014 for the GRU; pooling over all steps instead of taking the last follows Howard & Ruder 2018.)
Several such networks can stand side by side and be averaged (Lakshminarayanan et al. 2017).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from onnx import NodeProto, TensorProto, helper, numpy_helper
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from mien.networks.graph import save_graph

_SHARED = ("steps", "lengths", "mask", "lowest", "time", "tail")  # by all members of a written network


class Settings(BaseModel):
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

    model_config = ConfigDict(extra="forbid")
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
        logits: Tensor = self.head(pooled)
        return logits

    def as_onnx(self, prefix: str, temperature: float) -> tuple[list[NodeProto], dict[str, Tensor]]:
        """Nodes from ``steps`` (length, batch), ``there`` and ``lengths`` to ``{prefix}logits``, and their arrays."""
        directions = (self.forwards, self.backwards)
        first: Any = self.head[1]
        last: Any = self.head[4]
        arrays = {
            "embedding": self.embedding.weight,
            "W": torch.stack([_gates(gru.weight_ih_l0) for gru in directions]),
            "R": torch.stack([_gates(gru.weight_hh_l0) for gru in directions]),
            "B": torch.stack([torch.cat([_gates(gru.bias_ih_l0), _gates(gru.bias_hh_l0)]) for gru in directions]),
            "W1": first.weight.T, "b1": first.bias, "W2": last.weight.T / temperature, "b2": last.bias / temperature,
        }  # fmt: skip

        def node(kind: str, inputs: str, output: str, **settings: Any) -> NodeProto:
            named = [name if name in _SHARED else prefix + name for name in inputs.split()]
            return helper.make_node(kind, named, [prefix + output], **settings)

        nodes = [
            node("Gather", "embedding steps", "vectors"),
            node("GRU", "vectors W R B lengths", "states", direction="bidirectional",
                 hidden_size=self.forwards.hidden_size, linear_before_reset=1),
            node("Where", "mask states lowest", "seen"),
            node("ReduceMax", "seen time", "largest", keepdims=0),
            node("Transpose", "largest", "rows", perm=[1, 0, 2]),
            node("Reshape", "rows tail", "pooled"),
            node("MatMul", "pooled W1", "product1"),
            node("Add", "product1 b1", "sum1"),
            node("Relu", "sum1", "hidden"),
            node("MatMul", "hidden W2", "product2"),
            node("Add", "product2 b2", "logits"),
        ]  # fmt: skip
        return nodes, {prefix + name: value for name, value in arrays.items()}


class Network(nn.Module):
    """See the module. Input int64 (batch, length), output float32 logits (batch, labels).

    In training each member answers for itself, (members × batch, labels), so that each learns as if alone.
    """

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

    def write_onnx(self, path: Path, temperature: float, multilabel: bool) -> None:
        """Write token ids → probabilities as ONNX, around its own GRU operator.

        torch's exporter unrolls a GRU for one length. The operator takes the lengths of the texts instead, and runs
        both directions at once.
        """
        node = helper.make_node
        arrays = {
            "lowest": torch.tensor(-1.0), "pad": torch.tensor(self.pad_id), "time": torch.tensor([0]),
            "along": torch.tensor([1]), "tail": torch.tensor([0, -1]), "middle": torch.tensor([1, 3]),
        }  # fmt: skip
        nodes = [
            node("Equal", ["inputs", "pad"], ["padding"]),
            node("Not", ["padding"], ["there"]),
            node("Cast", ["there"], ["ones"], to=TensorProto.INT32),
            node("ReduceSum", ["ones", "along"], ["lengths"], keepdims=0),
            node("Transpose", ["inputs"], ["steps"], perm=[1, 0]),
            node("Transpose", ["there"], ["by_step"], perm=[1, 0]),
            node("Unsqueeze", ["by_step", "middle"], ["mask"]),
        ]
        towers: Any = self.members
        for number, tower in enumerate(towers):
            own, weights = tower.as_onnx(f"{number}.", temperature)
            nodes += own
            arrays |= weights
        nodes += [
            node("Mean", [f"{number}.logits" for number in range(len(towers))], ["logits"]),
            node("Sigmoid", ["logits"], ["probabilities"]) if multilabel
            else node("Softmax", ["logits"], ["probabilities"], axis=1),
        ]  # fmt: skip
        initializers = [
            numpy_helper.from_array(value.detach().contiguous().numpy(), name) for name, value in arrays.items()
        ]
        save_graph(nodes, initializers, len(towers[0].head[4].bias), path)


def _gates(weights: Any) -> Tensor:
    """torch keeps the gates as reset, update, new; ONNX as update, reset, new."""
    reset, update, new = weights.chunk(3)
    return torch.cat([update, reset, new])
