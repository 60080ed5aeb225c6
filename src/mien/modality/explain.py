"""Explanations: the network run again with each part of a sample hidden; see :class:`mien.results.Explanation`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from mien.labels import LabelSpace
from mien.modality.batches import Item
from mien.results import Explanation, Prediction, Result

if TYPE_CHECKING:
    from mien.modality.predictor import Predictor

_MOST = 32  # samples of one input that are explained, such as faces of a photograph


class Occlusion(NamedTuple):
    """A sample with its parts hidden.

    Attributes:
        samples: the sample without each of its parts; None where nothing is left to read.
        fields: of the :class:`Explanation`, from the shares of the parts.
    """

    samples: Sequence[Any]
    fields: Callable[[Sequence[float]], dict[str, Any]]


def explain_items(predictor: Predictor, item: Item, result: Result, space: LabelSpace, batch_size: int) -> Result:
    """The result with what brought the strongest label of each of its first 32 items about, in that label space."""

    def seen(prediction: Prediction) -> Prediction:
        return prediction.rollup(space)

    def explain(place: int, prediction: Prediction) -> Prediction:
        whole = seen(prediction)
        if whole.label is None or whole.score is None:
            return prediction
        occlusion = predictor.occlude(item, place)
        left = [sample for sample in occlusion.samples if sample is not None]
        rows = iter(predictor.forward(left, batch_size).probabilities if left else ())
        scores = [
            0.0 if sample is None else seen(predictor.prediction(next(rows))).scores[whole.label]
            for sample in occlusion.samples
        ]
        shares = [whole.score - score for score in scores]
        return replace(
            prediction, explanation=Explanation(whole.label, space.name, whole.score, **occlusion.fields(shares))
        )

    items = [explain(place, one) if place < _MOST else one for place, one in enumerate(result.items)]
    rest = len(items) - _MOST
    notes = [f"only the first {_MOST} of {len(items)} are explained"] if rest > 0 else []
    return replace(result, items=tuple(items), notes=(*result.notes, *notes))
