"""Answers that were given before, as a model that can be asked: how cross-validation is measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mien.errors import ModelError
from mien.model import Manifest


class HeldOut:
    """Stands for the models that each answered the samples which they had not learned from.

    Attributes:
        name, space: of those models.
        manifest: of one of them, without what it learned from: no sample here was learned from by who answered it.

    Args:
        manifest: of one of the models.
        answers: probabilities float (n, labels), in the order of the samples that will be asked about.
        rated: ratings float (n, ratings) likewise, where the models give such.
    """

    def __init__(self, manifest: Manifest, answers: np.ndarray, rated: np.ndarray | None = None) -> None:
        self.name, self.space = manifest.name, manifest.space
        self.manifest = manifest.model_copy(update={"data": [], "files": {}})
        self._answers, self._rated = answers, answers[:, :0] if rated is None else rated

    def predict_proba(
        self, inputs: Sequence[Any], batch_size: int = 64, progress: Callable[[int], None] | None = None
    ) -> np.ndarray:
        """The answers, float (n, labels).

        Raises:
            ModelError: there are not as many inputs as answers.
        """
        return self._asked(inputs, self._answers)

    def ratings(
        self, inputs: Sequence[Any], batch_size: int = 64, progress: Callable[[int], None] | None = None
    ) -> np.ndarray:
        """The ratings, float (n, ratings).

        Raises:
            ModelError: there are not as many inputs as answers.
        """
        return self._asked(inputs, self._rated)

    @staticmethod
    def _asked(inputs: Sequence[Any], answers: np.ndarray) -> np.ndarray:
        if len(inputs) != len(answers):
            raise ModelError(f"there are {len(answers)} answers, but {len(inputs)} samples")
        return answers
