"""Models that are measured and were not loaded: answers given before, and objects of others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from mien.errors import ModelError
from mien.modality import Outputs, Predictor, Progress
from mien.model import Manifest


class _Unloaded(Predictor):
    opens_inputs = False

    def reading(self, columns: Sequence[str]) -> Self:
        """The same: it takes rows as they are."""
        return self


class HeldOut(_Unloaded):
    """Stands for the models that each answered the samples which they had not learned from, in cross-validation.

    Attributes:
        name, space: of those models.
        manifest: of one of them, without what it learned from: no sample here was learned from by who answered it.

    Args:
        manifest: of one of the models.
        answers: probabilities float (n, labels), in the order of the samples that will be asked about.
        rated: ratings float (n, ratings) likewise, where the models give such.
    """

    def __init__(self, manifest: Manifest, answers: np.ndarray, rated: np.ndarray | None = None) -> None:
        self.space, self.manifest = manifest.space, manifest.model_copy(update={"data": [], "files": {}})
        self._answers = Outputs.of(answers, rated)

    def outputs(self, inputs: Sequence[Any], *_: Any, **__: Any) -> Outputs:
        """The answers.

        Raises:
            ModelError: there are not as many inputs as answers.
        """
        if len(inputs) != len(self._answers.probabilities):
            raise ModelError(f"there are {len(self._answers.probabilities)} answers, but {len(inputs)} samples")
        return self._answers


class Wrapped(_Unloaded):
    """An object with the methods of :class:`mien.evaluation.evaluate.Model`, as a predictor."""

    def __init__(self, model: Any) -> None:
        self.space, self.manifest, self._model = model.space, model.manifest, model

    @property
    def name(self) -> str:
        """The object's."""
        return str(self._model.name)

    def language_of(self, item: Any) -> str | None:
        """What it says of that, where it is a predictor."""
        told: str | None = self._model.language_of(item) if hasattr(self._model, "language_of") else None
        return told

    def outputs(
        self,
        inputs: Sequence[Any],
        batch_size: int = 64,
        progress: Progress | None = None,
        groups: Sequence[str] | None = None,
    ) -> Outputs:
        """What it answers; one that has no labels is not asked for probabilities."""
        known = {} if groups is None else {"groups": groups}
        scores = ratings = np.zeros((len(inputs), 0), np.float32)
        if len(self.space):
            scores = self._model.predict_proba(inputs, batch_size=batch_size, progress=progress, **known)
            progress = None  # which was told of them already
        if getattr(self.manifest, "ratings", []):
            ratings = np.asarray(self._model.ratings(inputs, batch_size=batch_size, progress=progress))
        return Outputs.of(scores, ratings)
