"""The baseline to beat: TF-IDF over words and word pairs, and one linear layer (scikit-learn's logistic regression)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from onnx import helper, numpy_helper
from pydantic import Field
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier

from mien.networks.graph import save_graph
from mien.networks.settings import NetworkSettings
from mien.runtime import probabilities_of
from mien.training.export import Reference


class Settings(NetworkSettings):
    """Sizes.

    Attributes:
        ngrams: longest run of tokens that counts as a feature.
        min_texts: in how many training texts a feature must stand.
        features: the most frequent so many are kept.
        c: scikit-learn's inverse of the regularization; the best of these on validation data is taken.
        balanced: weigh labels by the inverse of their frequency.
    """

    ngrams: int = Field(2, ge=1, le=3)
    min_texts: int = Field(2, ge=1)
    features: int = Field(50_000, ge=10)
    c: list[float] = Field([1.0, 3.0, 10.0, 30.0])
    balanced: bool = False


class Analyzer:
    """Token ids of a text → its n-grams as tuples, shorter ones first."""

    def __init__(self, longest: int, pad_id: int) -> None:
        self.longest, self.pad_id = longest, pad_id

    def __call__(self, ids: Sequence[int]) -> list[tuple[int, ...]]:
        ids = [int(i) for i in ids if i != self.pad_id]
        return [tuple(ids[i : i + n]) for n in range(1, self.longest + 1) for i in range(len(ids) - n + 1)]


class LinearModel:
    """TF-IDF and a linear layer: x = (1 + log tf) · idf, scaled to length 1; logits = x · weights + bias."""

    def __init__(self, settings: Settings, pad_id: int, seed: int) -> None:
        self.settings, self.seed = settings, seed
        self.vectorizer = TfidfVectorizer(
            analyzer=Analyzer(settings.ngrams, pad_id), min_df=settings.min_texts, max_features=settings.features,
            sublinear_tf=True, dtype=np.float32,
        )  # fmt: skip
        self.weights = np.zeros((0, 0), np.float32)
        self.bias = np.zeros(0, np.float32)
        self.c = 0.0

    def fit(self, ids: Sequence[Sequence[int]], targets: np.ndarray, labels: int, c: float) -> LinearModel:
        """Learn from token ids and targets, int (n,) or 0/1 (n, labels)."""
        features = self.vectorizer.fit_transform(ids) if not self.weights.size else self.vectorizer.transform(ids)
        weight = "balanced" if self.settings.balanced else None
        model = LogisticRegression(C=c, max_iter=1000, class_weight=weight, random_state=self.seed)
        if targets.ndim == 2:
            seen = np.flatnonzero(targets.min(0) < targets.max(0))
            model = OneVsRestClassifier(model).fit(features, targets[:, seen].astype(int))
            weights = np.concatenate([part.coef_ for part in model.estimators_])
            bias = np.concatenate([part.intercept_ for part in model.estimators_])
        else:
            model.fit(features, targets)
            seen, weights, bias = model.classes_, model.coef_, model.intercept_
            if len(seen) == 2:  # scikit-learn keeps one row for two labels: the second's
                weights, bias = np.concatenate([-weights, weights]) / 2, np.concatenate([-bias, bias]) / 2
        # A label that training never showed gets a bias that keeps its probability next to nothing.
        self.weights = np.zeros((features.shape[1], labels), np.float32)
        self.bias = np.full(labels, -20.0, np.float32)
        self.weights[:, seen], self.bias[seen], self.c = weights.T, bias, c
        return self

    def logits(self, ids: Sequence[Sequence[int]]) -> np.ndarray:
        """float32 (n, labels)."""
        product: Any = self.vectorizer.transform(ids) @ self.weights
        return np.asarray(product, np.float32) + self.bias

    def reference(self, temperature: float, multilabel: bool) -> Reference:
        """Prepared batch → probabilities, by scikit-learn's own vectoriser."""

        def run(batch: np.ndarray) -> np.ndarray:
            return probabilities_of(self.logits(list(batch)), multilabel, temperature)

        return run

    def write(self, path: Path, temperature: float, multilabel: bool) -> None:
        """Write the whole of it, from token ids to probabilities, as ONNX."""
        places = self.vectorizer.vocabulary_
        grams = sorted(places, key=lambda gram: (len(gram), gram))
        starts = [sum(len(g) for g in grams if len(g) < n) for n in range(1, self.settings.ngrams + 1)]
        node, arrays = helper.make_node, {
            "one": np.array(1, np.float32), "zero": np.array(0, np.float32), "tiny": np.array(1e-12, np.float32),
            "idf": self.vectorizer.idf_.astype(np.float32), "axis": np.array([1], np.int64),
            "weights": (self.weights / temperature).astype(np.float32),
            "bias": (self.bias / temperature).astype(np.float32),
        }  # fmt: skip
        nodes = [
            node(
                "TfIdfVectorizer", ["inputs"], ["tf"], mode="TF", min_gram_length=1,
                max_gram_length=self.settings.ngrams,
                max_skip_count=0, pool_int64s=[token for gram in grams for token in gram], ngram_counts=starts,
                ngram_indexes=[int(places[gram]) for gram in grams],
            ),
            node("Max", ["tf", "one"], ["some"]),
            node("Log", ["some"], ["log"]),
            node("Add", ["log", "one"], ["sublinear"]),
            node("Greater", ["tf", "zero"], ["there"]),
            node("Where", ["there", "sublinear", "zero"], ["damped"]),
            node("Mul", ["damped", "idf"], ["weighed"]),
            node("ReduceL2", ["weighed", "axis"], ["norm"], keepdims=1),
            node("Max", ["norm", "tiny"], ["length"]),
            node("Div", ["weighed", "length"], ["unit"]),
            node("MatMul", ["unit", "weights"], ["product"]),
            node("Add", ["product", "bias"], ["logits"]),
            node("Sigmoid", ["logits"], ["probabilities"]) if multilabel
            else node("Softmax", ["logits"], ["probabilities"], axis=1),
        ]  # fmt: skip
        initializers = [numpy_helper.from_array(array, name) for name, array in arrays.items()]
        save_graph(nodes, initializers, len(self.bias), path)
