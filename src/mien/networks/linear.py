"""The baseline to beat: TF-IDF over words and word pairs, and logistic regression (scikit-learn's).

Its rows are padded token ids, int64 (n, length); the rest is as in :mod:`mien.networks.rows`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import BeforeValidator, Field
from skl2onnx import update_registered_converter
from skl2onnx.algebra import onnx_ops as ops
from skl2onnx.common.data_types import FloatTensorType
from skl2onnx.common.shape_calculator import calculate_linear_classifier_output_shapes
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import Pipeline

from mien.networks import NEVER, OPSET
from mien.networks.settings import NetworkSettings

_NORM = 1e-12  # least length of a text's features: some have none


def _listed(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else [value]


class Settings(NetworkSettings):
    """What is counted, and what is tried.

    Attributes:
        ngrams: longest run of tokens that counts as a feature; one number or several to try.
        min_texts: in how many training texts a feature must stand.
        features: the most frequent so many are kept.
        c: scikit-learn's inverse of the regularization.
        balanced: whether labels are weighed by the inverse of their frequency; one answer or both to try.
    """

    embed: ClassVar[str] = ""  # token ids are what is learned from
    ngrams: Annotated[list[Annotated[int, Field(ge=1, le=3)]], BeforeValidator(_listed)] = Field([2], min_length=1)
    min_texts: int = Field(2, ge=1)
    features: int = Field(50_000, ge=10)
    c: list[Annotated[float, Field(gt=0)]] = Field([1.0, 3.0, 10.0, 30.0], min_length=1)
    balanced: Annotated[list[bool], BeforeValidator(_listed)] = Field([False], min_length=1)


class TokenTfidf(TfidfVectorizer):
    """scikit-learn's, over token ids: (1 + log tf) · idf, scaled to length 1."""

    def __init__(
        self, pad_id: int = 0, ngram_range: tuple[int, int] = (1, 1), min_df: int = 1, max_features: int | None = None
    ) -> None:
        self.pad_id = pad_id
        super().__init__(
            ngram_range=ngram_range, min_df=min_df, max_features=max_features, sublinear_tf=True, dtype=np.float32
        )

    def build_analyzer(self) -> Callable[[np.ndarray], list[tuple[int, ...]]]:
        """Token ids of a text → its runs of tokens, those without padding."""
        longest, pad = self.ngram_range[1], self.pad_id

        def runs_of(row: np.ndarray) -> list[tuple[int, ...]]:
            there = np.flatnonzero(row != pad)
            ids = row[: there[-1] + 1].tolist() if len(there) else []
            runs = (tuple(ids[at : at + n]) for n in range(1, longest + 1) for at in range(len(ids) + 1 - n))
            return [run for run in runs if pad not in run]

        return runs_of


class Logistic(LogisticRegression):
    """scikit-learn's; of several labels at a time one against the rest for each.

    Attributes:
        several_: whether it learned several labels at a time.
    """

    def fit(self, X: Any, y: np.ndarray, sample_weight: np.ndarray | None = None) -> Logistic:  # noqa: N803
        """Learn from (n, d) and int (n,), or 0/1 (n, labels).

        Raises:
            ValueError: no label tells two rows apart.
        """
        self.several_ = y.ndim == 2
        if not self.several_:
            super().fit(X, y, sample_weight)
            return self
        varied = np.flatnonzero(y.min(0) < y.max(0))
        if not len(varied):
            raise ValueError("each label is on all samples or on none")
        one = LogisticRegression(**self.get_params())
        parts = OneVsRestClassifier(one).fit(X, y[:, varied].astype(int)).estimators_
        self.classes_ = np.arange(y.shape[1])
        self.coef_ = np.zeros((y.shape[1], X.shape[1]), parts[0].coef_.dtype)
        self.intercept_ = np.where(y.max(0) > 0, -NEVER, NEVER).astype(self.coef_.dtype)
        self.coef_[varied] = np.concatenate([part.coef_ for part in parts])
        self.intercept_[varied] = np.concatenate([part.intercept_ for part in parts])
        return self

    def decision_function(self, X: Any) -> np.ndarray:  # noqa: N803
        """Logits (n, labels); (n,) of two that exclude each other."""
        logits = np.asarray(super().decision_function(X))
        return logits.reshape(-1, len(self.classes_)) if self.several_ else logits


def _tfidf_width(operator: Any) -> None:
    operator.outputs[0].type = FloatTensorType([None, len(operator.raw_operator.vocabulary_)])


def _write_tfidf(scope: Any, operator: Any, container: Any) -> None:
    model, own = operator.raw_operator, {"op_version": OPSET}
    runs = sorted(model.vocabulary_, key=lambda run: (len(run), run))
    longest = model.ngram_range[1]
    one, zero, least = (np.array(value, np.float32) for value in (1, 0, _NORM))
    counts = ops.OnnxTfIdfVectorizer(
        operator.inputs[0], mode="TF", min_gram_length=1, max_gram_length=longest, max_skip_count=0,
        pool_int64s=[token for run in runs for token in run],
        ngram_counts=[sum(len(run) for run in runs if len(run) < n) for n in range(1, longest + 1)],
        ngram_indexes=[int(model.vocabulary_[run]) for run in runs], **own,
    )  # fmt: skip
    damped = ops.OnnxAdd(ops.OnnxLog(ops.OnnxMax(counts, one, **own), **own), one, **own)
    damped = ops.OnnxWhere(ops.OnnxGreater(counts, zero, **own), damped, zero, **own)
    weighed = ops.OnnxMul(damped, model.idf_.astype(np.float32), **own)
    length = ops.OnnxMax(ops.OnnxReduceL2(weighed, np.array([1], np.int64), keepdims=1, **own), least, **own)
    ops.OnnxDiv(weighed, length, output_names=operator.outputs[:1], **own).add_to(scope, container)


def _write_logistic(scope: Any, operator: Any, container: Any) -> None:
    model, own = operator.raw_operator, {"op_version": OPSET}
    weights, bias = model.coef_.T.astype(np.float32), model.intercept_.astype(np.float32)
    if len(bias) < len(model.classes_):  # of two that exclude each other scikit-learn keeps the second's
        weights, bias = np.hstack([-weights, weights]), np.hstack([-bias, bias])
    label, margins = operator.outputs
    logits = ops.OnnxAdd(ops.OnnxMatMul(operator.inputs[0], weights, **own), bias, output_names=[margins], **own)
    logits.add_to(scope, container)
    ops.OnnxArgMax(logits, axis=1, keepdims=0, output_names=[label], **own).add_to(scope, container)


update_registered_converter(TokenTfidf, "MienTokenTfidf", _tfidf_width, _write_tfidf)
update_registered_converter(
    Logistic, "MienLogistic", calculate_linear_classifier_output_shapes, _write_logistic,
    options={"zipmap": [True, False], "nocl": [True, False], "raw_scores": [True]},
)  # fmt: skip


def search(settings: Settings, seed: int, pad_id: int = 0, **_: int) -> tuple[Pipeline, dict[str, Any]]:
    """See :mod:`mien.networks.rows`."""
    count = TokenTfidf(pad_id, min_df=settings.min_texts, max_features=settings.features)
    learn = Logistic(max_iter=1000, solver="newton-cg", random_state=seed)  # of many features the fastest exact solver
    grid = {
        "tfidf__ngram_range": [(1, longest) for longest in settings.ngrams],
        "classify__C": settings.c,
        "classify__class_weight": ["balanced" if balanced else None for balanced in settings.balanced],
    }
    return Pipeline([("tfidf", count), ("classify", learn)]), grid


def layout(pipeline: Pipeline) -> list[dict[str, Any]]:
    """See :mod:`mien.networks.rows`."""
    model, features = pipeline.named_steps["classify"], len(pipeline.named_steps["tfidf"].vocabulary_)
    labels, count = len(model.classes_), model.coef_.size + model.intercept_.size
    return [
        {"name": "tfidf", "type": "TfidfVectorizer", "output": [1, features], "parameters": features},
        {"name": "linear", "type": "LogisticRegression", "output": [1, labels], "parameters": count},
    ]


def weights(pipeline: Pipeline) -> dict[str, np.ndarray]:
    """What it learned, float32: weights (classes, features), bias (classes,), idf (features,)."""
    model = pipeline.named_steps["classify"]
    arrays = {"weights": model.coef_, "bias": model.intercept_, "idf": pipeline.named_steps["tfidf"].idf_}
    return {name: np.ascontiguousarray(array, np.float32) for name, array in arrays.items()}
