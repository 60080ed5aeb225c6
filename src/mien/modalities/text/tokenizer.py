"""Tokenizers learned from the training texts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from mien.modalities.text.preprocess import TextSettings, clean

PAD, UNKNOWN = "[PAD]", "[UNK]"
_SIZE = 20_000  # of a learned vocabulary, where nothing is said of it


class TokenizerSettings(BaseModel):
    """How text is cut into tokens.

    Attributes:
        kind: "word" (lower-cased words of the training texts), "bpe" (their frequent words whole, rare ones in
            pieces; Sennrich et al. 2016) or "pretrained" (the tokenizer beside the network's pretrained weights).
        size: largest vocabulary; without it 20,000, and of a pretrained tokenizer all. Of one that is larger the tokens
            stay that the training texts need most, see :mod:`mien.modalities.text.pruning`.
        min_count: a word seen less often in training is unknown.
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    kind: Literal["word", "bpe", "pretrained"] = "word"
    size: int | None = Field(None, ge=10)
    min_count: int = Field(1, ge=1)


def learn_tokenizer(settings: TokenizerSettings, texts: Iterable[str], preprocess: TextSettings) -> Tokenizer:
    """A tokenizer of the training texts; ids 0 and 1 are padding and the unknown word."""
    size = settings.size or _SIZE
    normalizer = normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents(), normalizers.Lowercase()])
    special = [PAD, UNKNOWN]
    if settings.kind == "word":
        tokenizer = Tokenizer(models.WordLevel(unk_token=UNKNOWN))
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
        trainer: trainers.Trainer = trainers.WordLevelTrainer(
            vocab_size=size, min_frequency=settings.min_count, special_tokens=special, show_progress=False
        )
    else:
        tokenizer = Tokenizer(models.BPE(unk_token=UNKNOWN))
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
        trainer = trainers.BpeTrainer(
            vocab_size=size,
            min_frequency=max(2, settings.min_count),
            special_tokens=special,
            show_progress=False,
        )
    tokenizer.normalizer = normalizer
    prepared = (clean(text).replace("'", "") if preprocess.drop_apostrophes else clean(text) for text in texts)
    tokenizer.train_from_iterator(prepared, trainer)
    return tokenizer
