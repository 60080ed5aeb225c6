"""The predictor of text."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from mien.errors import InputError, cut, quoted
from mien.modalities.text.language import ANY, probable_language, told_by
from mien.modalities.text.preprocess import TextPreprocessor, TextSettings
from mien.modalities.text.words import parts
from mien.modality import Item, Occlusion, Outputs, Predictor
from mien.model import TOKENIZER, Manifest
from mien.results import Word, language_error

BATCHES_AHEAD = 16  # batches are cut from this many batches' worth of texts, sorted by length


class TextPredictor(Predictor):
    """Reads emotion in texts. A text longer than the model's window is read in several, weighted by length."""

    lookahead = BATCHES_AHEAD
    rows = 12
    reader_threads = 1  # cleaning a text holds Python's lock
    settings: TextSettings

    def __init__(
        self, folder: Path, manifest: Manifest, files: Mapping[str, bytes], threads: int | None = None
    ) -> None:
        super().__init__(folder, manifest, files, threads)
        data = files.get(TOKENIZER, b"")
        self.preprocessor = TextPreprocessor.from_bytes(data, self.settings, folder / TOKENIZER)

    def name_of(self, item: object) -> str:
        """What an input is called in its result: the text itself."""
        return item if isinstance(item, str) else ""

    def sample(self, item: Any) -> str:
        """The text as the tokenizer is given it."""
        return self.preprocessor.read(item)

    def prepare(self, item: Any) -> Item:
        """See :meth:`Predictor.prepare`; a text in a language that the model does not read has an error that says so.

        Raises:
            InputError: it cannot be used.
        """
        prepared = super().prepare(item)
        languages = self.settings.languages
        if languages and self.language is None:
            unread, language = told_by(item, languages)
            if unread:
                raise InputError(language_error(unread, self.name))
            return prepared._replace(language=language) if self.manifest.language_thresholds else prepared
        return prepared._replace(language=self.language_of(item))

    def language_of(self, item: Any) -> str | None:
        """See :meth:`Predictor.language_of`; the language that was said, else the most probable of those it reads."""
        if not self.manifest.language_thresholds:
            return None
        if self.language in (None, ANY):
            return probable_language(item, self.settings.languages)
        return self.language

    def written_in(self, language: str | None) -> Self:
        """See :meth:`Predictor.written_in`."""
        languages = self.settings.languages
        if language is None:
            return self
        given = str(language)
        language = given.strip().lower().replace("_", "-").partition("-")[0]  # "EN", "en-US"
        if language not in (ANY, *languages) and languages:
            read, wrong = ", ".join(languages), quoted(cut(given, 40)) if given.strip() else repr(given[:40])
            raise InputError(f"{language_error(wrong, self.name)}, which reads: {read}; any reads texts as they are")
        twin = copy.copy(self)
        twin.language = language
        return twin

    def occlude(self, item: Item, place: int) -> Occlusion:
        """The text without each of its words; of a long one without each of up to 100 groups of words."""
        text = item.name
        spans, note = parts(text)
        left = [self.preprocessor.prepare(text[:start] + text[end:]) or None for start, end in spans]

        def fields(shares: Sequence[float]) -> dict[str, Any]:
            pairs = zip(spans, shares, strict=True)
            return {"words": tuple(Word(text[a:b], a, b, share) for (a, b), share in pairs), "note": note}

        return Occlusion(left, fields)

    def forward(self, samples: Sequence[str], batch_size: int, groups: Sequence[str] | None = None) -> Outputs:
        """Probabilities and ratings of prepared texts."""
        answers = self._run(samples, batch_size, tuple(self.manifest.widths))
        return Outputs.of(answers[:, self._columns], answers[:, self.manifest.widths.get("probabilities", 0) :])

    def embed(self, samples: Sequence[str], batch_size: int) -> np.ndarray:
        """The mean vector of each prepared text, float32 (n, hidden)."""
        return self._run(samples, batch_size, ["features"])

    @property
    def gives_features(self) -> bool:
        """Whether it has :meth:`features`: not those that earlier versions wrote."""
        return "features" in self._session.outputs

    def _run(self, samples: Sequence[str], batch_size: int, outputs: Sequence[str]) -> np.ndarray:
        """What the network gives of each text, float32 (n, …): those outputs side by side."""
        encoded = self.preprocessor.encode_prepared(samples)
        windows = [window for text in encoded for window in text]
        batches = list(self.preprocessor.batches(windows, min(batch_size, self._session.rows or 1)))
        arrays = [self.preprocessor.pad([windows[i] for i in places], even=True) for places in batches]
        found = np.concatenate([np.hstack(parts) for parts in self._session.run_each_of(arrays, outputs)])
        answers = np.empty_like(found)
        answers[np.concatenate(batches)] = found
        if len(windows) > len(samples):
            owner = np.repeat(np.arange(len(samples)), [len(text) for text in encoded])
            weights = np.array([len(window) for window in windows], np.float32)[:, None]
            sums, totals = (np.zeros((len(samples), width), np.float32) for width in (answers.shape[1], 1))
            np.add.at(sums, owner, answers * weights)
            np.add.at(totals, owner, weights)
            answers = sums / totals
        return answers
