"""What training needs to know of text: tokenizer, batches, augmentation. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from mien.errors import RecipeError
from mien.modalities.text.augment import AugmentSettings, augment
from mien.modalities.text.preprocess import TextPreprocessor, TextSettings, clean
from mien.model import TOKENIZER, find_model
from mien.training.recipe import Recipe, TokenizerSettings, settings_of

_PAD, _UNKNOWN = "[PAD]", "[UNK]"


class TextSampler:
    """Texts as a network is trained on them; prepared exactly as for prediction.

    Attributes:
        settings: the ``preprocess`` part of the manifest.
        network_arguments: what the network is made for: ``vocabulary``, ``pad_id``, ``unknown_id``.
        free_axes: axes of a batch that differ from batch to batch.

    Args:
        recipe: its ``preprocess``, ``tokenizer`` and ``augment`` parts.
        texts: the training texts, from which a tokenizer may be learned.
        pretrained: the folder of the pretrained weights, for their tokenizer.
    """

    free_axes = ("batch", "length")

    def __init__(self, recipe: Recipe, texts: Sequence[str], pretrained: Path | None = None) -> None:
        settings: TextSettings = settings_of(recipe, "preprocess")
        if recipe.train.start:  # its weights mean nothing without the tokens that they were learned with
            kept = find_model(recipe.train.start) / TOKENIZER
            if not kept.is_file():
                raise RecipeError(f"train.start: {kept.parent} is no model of text: it has no {TOKENIZER}")
            tokenizer = Tokenizer.from_file(str(kept))
        elif recipe.tokenizer.kind == "pretrained":
            if pretrained is None:
                raise RecipeError("tokenizer.kind: 'pretrained' needs a network with pretrained weights")
            tokenizer = Tokenizer.from_file(str(pretrained / TOKENIZER))
        else:
            tokenizer = learn_tokenizer(recipe.tokenizer, texts, settings)
        pads = [tokenizer.token_to_id(token) for token in ("<pad>", _PAD)]
        pad_id = next((pad for pad in pads if pad is not None), 0)
        unknowns = [tokenizer.token_to_id(token) for token in ("<unk>", _UNKNOWN)]
        unknown_id = next((unknown for unknown in unknowns if unknown is not None), 1)
        self.settings = settings.model_copy(update={"pad_id": pad_id})
        self.shares: AugmentSettings = settings_of(recipe, "augment")
        self.tokenizer_json = tokenizer.to_str().encode()
        self.network_arguments = {
            "vocabulary": tokenizer.get_vocab_size(), "pad_id": pad_id, "unknown_id": unknown_id,
        }  # fmt: skip
        self._preprocessor = TextPreprocessor(tokenizer, self.settings)

    def lengths(self, texts: Sequence[str]) -> np.ndarray:
        """Rough lengths by which batches are put together, int64 (n,)."""
        return np.array([len(text) for text in texts])

    def collate(self, texts: Sequence[str], seeds: Sequence[int] | None = None) -> np.ndarray:
        """A batch of token ids, int64 (n, length); of a long text its first window.

        Args:
            seeds: one per text to augment it by, or None to leave the texts alone.
        """
        if seeds is not None:
            texts = [
                augment(text, self.shares, np.random.default_rng(seed)) for text, seed in zip(texts, seeds, strict=True)
            ]
        return self._preprocessor.pad([windows[0] for windows in self._preprocessor.encode(texts)])

    @property
    def files(self) -> dict[str, bytes]:
        """What goes into the model folder besides the network."""
        return {TOKENIZER: self.tokenizer_json}


def learn_tokenizer(settings: TokenizerSettings, texts: Sequence[str], preprocess: TextSettings) -> Tokenizer:
    """A tokenizer of the training texts; ids 0 and 1 are padding and the unknown word."""
    normalizer = normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents(), normalizers.Lowercase()])
    special = [_PAD, _UNKNOWN]
    if settings.kind == "word":
        tokenizer = Tokenizer(models.WordLevel(unk_token=_UNKNOWN))
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
        trainer: trainers.Trainer = trainers.WordLevelTrainer(
            vocab_size=settings.size, min_frequency=settings.min_count, special_tokens=special, show_progress=False
        )
    else:
        tokenizer = Tokenizer(models.BPE(unk_token=_UNKNOWN))
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
        trainer = trainers.BpeTrainer(
            vocab_size=settings.size,
            min_frequency=max(2, settings.min_count),
            special_tokens=special,
            show_progress=False,
        )
    tokenizer.normalizer = normalizer
    prepared = (clean(text).replace("'", "") if preprocess.drop_apostrophes else clean(text) for text in texts)
    tokenizer.train_from_iterator(prepared, trainer)
    return tokenizer
