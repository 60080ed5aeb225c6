"""Training the linear baseline for a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mien.datasets import Dataset
from mien.errors import DataError, RecipeError
from mien.evaluation.metrics import tuned_metrics
from mien.modality import Sampler
from mien.networks import open_network
from mien.networks.linear import LinearModel
from mien.runtime import probabilities_of
from mien.training.export import Reference
from mien.training.log import LOGGER
from mien.training.ratings import Ratings
from mien.training.recipe import Recipe
from mien.training.sampler import open_sampler


@dataclass
class TrainedLinear:
    """A trained linear model, with what a run asks of a trained model."""

    model: LinearModel
    sampler: Sampler
    multilabel: bool
    history: list[dict[str, float]] = field(default_factory=list)
    heads: list[tuple[int, float]] = field(default_factory=list)  # it has none
    ratings: Ratings = field(default_factory=Ratings)  # nor these
    search: list[dict[str, Any]] = field(default_factory=list)  # no settings are tried
    held_out: None = None

    def logits(self, inputs: Sequence[str]) -> np.ndarray:
        """float32 (n, labels)."""
        return self.model.logits(_ids(self.sampler, inputs))

    def reference(self, temperature: float) -> Reference:
        """Prepared batch → probabilities, by scikit-learn."""
        return self.model.reference(temperature, self.multilabel)

    def write(self, path: Path, temperature: float, example: np.ndarray) -> None:
        """Write ``model.onnx``."""
        self.model.write(path, temperature, self.multilabel)

    def layout(self, example: np.ndarray) -> list[dict[str, Any]]:
        """One row per step: name, type, output shape, parameters."""
        features, labels = self.model.weights.shape
        return [
            {"name": "tfidf", "type": "TfidfVectorizer", "output": [1, features], "parameters": features},
            {
                "name": "linear",
                "type": "LogisticRegression",
                "output": [1, labels],
                "parameters": (features + 1) * labels,
            },
        ]

    def weights(self) -> bytes:
        """The content of ``weights.safetensors``."""
        from safetensors.numpy import save

        idf = self.model.vectorizer.idf_.astype(np.float32)
        content: bytes = save({"weights": self.model.weights, "bias": self.model.bias, "idf": idf})
        return content


def train_linear(recipe: Recipe, sets: list[Dataset], valid: Dataset) -> tuple[TrainedLinear, Sampler]:
    """Train with each regularization of the recipe and keep the best on validation data.

    Raises:
        DataError: several data sets were given; this baseline learns from one.
        RecipeError: the recipe is for another modality than text.
    """
    if recipe.modality != "text":
        raise RecipeError("network.kind: 'linear' reads text")
    if not len(valid.space):
        raise DataError(f"{valid.name} has no labels, and the linear baseline gives no ratings")
    if len(sets) > 1:
        raise DataError("the linear baseline learns from one data set")
    _, settings = open_network(recipe.network.kind, recipe.network.options)
    sampler = open_sampler(recipe).fit(sets)
    ids, valid_ids = _ids(sampler, sets[0].inputs), _ids(sampler, valid.inputs)
    model = LinearModel(settings, sampler.input_spec["pad_id"], recipe.train.seed)
    trained, history, best, best_c = TrainedLinear(model, sampler, valid.space.multilabel), [], -1.0, settings.c[0]
    for number, c in enumerate(settings.c, 1):
        try:
            model.fit(ids, sets[0].targets, len(valid.space), c)
        except ValueError as error:  # one label only, or no word that recurs
            raise DataError(f"a linear model cannot learn from {sets[0].name}: {error}") from error
        probabilities = probabilities_of(model.logits(valid_ids), trained.multilabel)
        figure = tuned_metrics(valid.targets, probabilities, valid.space.names)["macro_f1"]
        history.append({"epoch": number, "c": c, "val_macro_f1": round(figure, 6)})
        LOGGER.info(f"C = {c:g}: validation macro-F1 {figure:.4f}")
        if figure > best:
            best, best_c = figure, c
    model.fit(ids, sets[0].targets, len(valid.space), best_c)
    trained.history = history
    return trained, sampler


def _ids(sampler: Sampler, inputs: Sequence[str]) -> list[list[int]]:
    """Token ids of each text as the network would be given them: of a long one its first window."""
    return [sampler.collate([text])[0].tolist() for text in inputs]
