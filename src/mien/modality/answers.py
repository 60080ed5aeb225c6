"""Answers as they are asked for: in another label space, explained, of texts in a language; and what then holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from mien.errors import InputError
from mien.labels import get_space, groups
from mien.modality.predictor import Predictor
from mien.results import Result


def answer_in(
    predictor: Predictor, labels: str | None, explain: bool = False, language: str | None = None
) -> tuple[Predictor, Callable[[Result], Result]]:
    """The predictor that answers in a label space where it has outputs for it, and else what rolls its results up.

    Args:
        predictor: a loaded model.
        labels: name of a label space; None for the model's own.
        explain: whether predictions say what brought the label about.
        language: that texts are written in, see :meth:`Predictor.written_in`; told by each text if not given.

    Raises:
        InputError: there is no such space, or no way from the model's labels to it; or it does not explain, or does not
            read that language.
    """
    predictor = predictor.written_in(language)
    if labels is None or predictor.manifest.columns(labels) is not None:
        found = predictor if labels is None else predictor.with_labels(labels)
        return (found.explaining() if explain else found), lambda result: result
    try:
        space = get_space(labels)
        groups(predictor.space, space)
    except (KeyError, ValueError) as error:
        raise InputError(error.args[0]) from error
    return (predictor.explaining(space) if explain else predictor), lambda result: result.rollup(space)


def thresholds_of(
    model: Predictor, inputs: Sequence[Any], space: str, names: Sequence[str], usual: Mapping[str, float]
) -> np.ndarray:
    """From which score on labels of a space hold, float64: (k,), or (n, k) where it differs by the input's language.

    Args:
        names: the labels, in the order of the columns.
        usual: label → threshold, whatever the language; 0.5 for a label that is not in it.
    """

    def row(tuned: Mapping[str, float]) -> list[float]:
        return [tuned.get(name, 0.5) for name in names]

    own = getattr(model.manifest, "language_thresholds", {}).get(space)
    if not own:
        return np.array(row(usual), np.float64)
    rows: dict[str | None, list[float]] = {language: row({**usual, **some}) for language, some in own.items()}
    found = [rows.get(model.language_of(item), row(usual)) for item in inputs]
    return np.array(found, np.float64).reshape(len(found), len(names))
