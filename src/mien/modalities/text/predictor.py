"""The predictor of text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from mien.errors import InputError
from mien.modalities.text.preprocess import TextPreprocessor, TextSettings
from mien.modality import Predictor, Progress, in_chunks
from mien.model import NETWORK, TOKENIZER, Manifest, preprocess_settings
from mien.results import Result
from mien.runtime import Session

_TOGETHER = 12  # windows that a thread computes together
BATCHES_AHEAD = 16  # batches are cut from this many batches' worth of texts, sorted by length


class TextPredictor(Predictor):
    """Reads emotion in texts. A text longer than the model's window is read in several, weighted by length."""

    def __init__(
        self, folder: Path, manifest: Manifest, files: Mapping[str, bytes], threads: int | None = None
    ) -> None:
        super().__init__(folder, manifest)
        settings = preprocess_settings(manifest, TextSettings, folder)
        self.preprocessor = TextPreprocessor.from_bytes(files.get(TOKENIZER, b""), settings, folder / TOKENIZER)
        self._session = Session(files[NETWORK], threads, name=folder / NETWORK, widths=manifest.widths, rows=_TOGETHER)

    def predict_many(self, inputs: Iterable[str], batch_size: int = 64) -> Iterator[Result]:
        """See :meth:`mien.modality.Predictor.predict_many`."""
        return self._guarded(inputs, lambda some: self._results(some, batch_size))

    def name_of(self, item: object) -> str:
        """What an input is called in its result: the text itself."""
        return item if isinstance(item, str) else ""

    def _results(self, inputs: Iterable[str], batch_size: int) -> Iterator[Result]:
        for chunk in in_chunks(inputs, batch_size * BATCHES_AHEAD):
            prepared: list[str] = []
            problems: list[str | None] = []
            for text in chunk:
                try:
                    prepared.append(self.preprocessor.read(text))
                    problems.append(None)
                except InputError as error:
                    problems.append(str(error))
            rows = iter(self._run(prepared, batch_size))
            for text, problem in zip(chunk, problems, strict=True):
                if problem is None:
                    yield self.result(text, [next(rows)])
                else:
                    yield self.result(text if isinstance(text, str) else "", error=problem)

    def predict_proba(
        self, inputs: Sequence[str], batch_size: int = 64, progress: Progress | None = None
    ) -> np.ndarray:
        """See :meth:`mien.modality.Predictor.predict_proba`."""
        parts, done = [], 0
        for chunk in in_chunks(inputs, batch_size * BATCHES_AHEAD):
            prepared = []
            for text in chunk:
                try:
                    prepared.append(self.preprocessor.read(text))
                except InputError as error:
                    raise InputError(f"input {done + len(prepared) + 1}: {error}") from None
            parts.append(self._run(prepared, batch_size))
            done += len(chunk)
            if progress:
                progress(len(chunk))
        return np.concatenate(parts) if parts else np.zeros((0, len(self.space)), np.float32)

    def _run(self, texts: Sequence[str], batch_size: int) -> np.ndarray:
        """Probabilities of prepared texts."""
        groups = self.preprocessor.encode_prepared(texts) if texts else []
        windows = [window for group in groups for window in group]
        scores = np.empty((len(windows), len(self.space)), np.float32)
        batches = list(self.preprocessor.batches(windows, min(batch_size, self._session.rows or 1)))
        arrays = [self.preprocessor.pad([windows[i] for i in places], even=True) for places in batches]
        for places, found in zip(batches, self._session.run_each(arrays), strict=True):
            scores[places] = found
        if len(windows) == len(texts):
            return scores
        owner = np.repeat(np.arange(len(texts)), [len(group) for group in groups])
        weights = np.array([len(window) for window in windows], np.float32)[:, None]
        sums = np.zeros((len(texts), len(self.space)), np.float32)
        totals = np.zeros((len(texts), 1), np.float32)
        np.add.at(sums, owner, scores * weights)
        np.add.at(totals, owner, weights)
        return sums / totals
