"""What training needs to know of text: tokenizer, batches, augmentation. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING, Self

import numpy as np
from tokenizers import Tokenizer

from mien.errors import RecipeError
from mien.modalities.text.augment import AugmentSettings, augment
from mien.modalities.text.language import probable_language
from mien.modalities.text.preprocess import TextPreprocessor, TextSettings
from mien.modalities.text.pruning import prune, rows_kept
from mien.modalities.text.tokenizer import PAD, UNKNOWN, learn_tokenizer
from mien.modality import Sampler, SamplerSettings
from mien.model import TOKENIZER, find_model

if TYPE_CHECKING:
    from mien.datasets import Dataset


LANGUAGE = "language"  # the column that says in which one a text is


class TextSampler(Sampler):
    """Texts as a network is trained on them; its ``input_spec`` is ``vocabulary``, ``pad_id``, ``unknown_id``.

    Where a pretrained tokenizer was cut it is ``rows`` too: the old ids of the tokens that were kept, in order.
    """

    free_axes = ("batch", "length")
    settings: TextSettings

    def __init__(self, given: SamplerSettings) -> None:
        self.settings = given.preprocess
        self._given = given
        self._augment: AugmentSettings = given.augment

    def fit(self, sets: Sequence[Dataset]) -> Self:
        """Take the tokenizer of the earlier model or of the pretrained weights, or learn one from all texts."""
        tokenizer = self._tokenizer(sets)
        ids = [[tokenizer.token_to_id(token) for token in tokens] for tokens in (("<pad>", PAD), ("<unk>", UNKNOWN))]
        pad, unknown = (next((i for i in found if i is not None), default) for default, found in enumerate(ids))
        self.settings = self.settings.model_copy(update={"pad_id": pad})
        self.files = {TOKENIZER: tokenizer.to_str().encode()}
        self.input_spec = {"vocabulary": tokenizer.get_vocab_size(), "pad_id": pad, "unknown_id": unknown}
        if self._given.pretrained and self._given.tokenizer.kind == "pretrained":
            rows = rows_kept(tokenizer, Tokenizer.from_buffer(self._given.pretrained))
            self.input_spec |= {"rows": rows} if rows else {}
        self._preprocessor = TextPreprocessor(tokenizer, self.settings)
        return self

    def _tokenizer(self, sets: Sequence[Dataset]) -> Tokenizer:
        given = self._given
        if given.start:  # its weights mean nothing without the tokens that they were learned with
            kept = find_model(given.start) / TOKENIZER
            if not kept.is_file():
                raise RecipeError(f"train.start: {kept.parent} is no model of text: it has no {TOKENIZER}")
            return Tokenizer.from_file(str(kept))
        if given.tokenizer.kind != "pretrained":
            return learn_tokenizer(given.tokenizer, chain.from_iterable(part.inputs for part in sets), self.settings)
        if given.pretrained is None:
            raise RecipeError("tokenizer.kind: 'pretrained' needs a network with pretrained weights")
        tokenizer = Tokenizer.from_buffer(given.pretrained)
        if given.tokenizer.size is None:
            return tokenizer
        prepare = TextPreprocessor(tokenizer, self.settings).prepare
        return prune(tokenizer, given.tokenizer.size, [[*map(prepare, texts)] for texts in _by_language(sets)])

    def lengths(self, inputs: Sequence[str]) -> np.ndarray:
        """Characters of each text, int64 (n,)."""
        return np.array([len(text) for text in inputs])

    def languages(self, inputs: Sequence[str]) -> Sequence[str | None]:
        """See the base class; of a model that reads several."""
        known = self.settings.languages
        return [probable_language(text, known) for text in inputs] if len(known) > 1 else [None] * len(inputs)

    def collate(self, inputs: Sequence[str], seeds: Sequence[int] | None = None) -> np.ndarray:
        """A batch of token ids, int64 (n, length); of a long text its first window."""
        if seeds is not None:
            pairs = zip(inputs, seeds, strict=True)
            inputs = [augment(text, self._augment, np.random.default_rng(seed)) for text, seed in pairs]
        return self._preprocessor.pad([windows[0] for windows in self._preprocessor.encode(inputs)])


def _by_language(sets: Sequence[Dataset]) -> list[list[str]]:
    """The texts of each language, or of each data set that does not say."""
    groups: dict[tuple[int, str], list[str]] = {}
    for place, part in enumerate(sets):
        languages = part.columns.get(LANGUAGE)
        for row, text in enumerate(part.inputs):
            key = (place, "") if languages is None else (-1, str(languages[row]))
            groups.setdefault(key, []).append(text)
    return list(groups.values())
