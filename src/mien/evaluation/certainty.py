"""How well a model knows when it is right: its sure answers and its sets of labels on labeled data."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from mien.evaluation.figures import BLUE, ORANGE, new_figure, styled
from mien.evaluation.metrics import calibration, wilson_interval
from mien.labels import LabelSpace
from mien.model import CertaintyEntry

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHARES = tuple(place / 10 for place in range(10, 0, -1))  # of the surest answers, in the line of the report


def certainty_of(
    model: Any, space: LabelSpace, targets: np.ndarray, probabilities: np.ndarray, sure: np.ndarray
) -> Callable[[np.ndarray | slice], dict[str, Any]]:
    """A function that gives :func:`certainty_metrics` of some rows as "certainty"; nothing where the model has none.

    Args:
        space: that the model's answers are in or are rolled up to; *targets* and *probabilities* are in it.
        sure: (n,), how sure the model is of its own strongest label; counts only in its own space.
    """
    manifest = model.manifest
    stated = getattr(manifest, "certainty", None) or {}
    entry = stated.get(space.name)
    if entry is None or space.name not in manifest.certainty_of(model.space):
        return lambda rows: {}
    told = sure if space.name == model.space.name else probabilities.max(1)
    return lambda rows: {"certainty": certainty_metrics(targets[rows], probabilities[rows], entry, told[rows])}


def given_labels(targets: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Which labels are known to be right: bool (n, labels).

    Args:
        targets: int (n,), negative where unknown; or (n, labels) of 0, 1, and NaN where unknown.
        shape: (n, labels).

    Raises:
        ValueError: they are of neither form.
    """
    values = np.asarray(targets)
    if values.shape == shape:
        if not (np.isnan(values) | (values == 0) | (values == 1)).all():
            raise ValueError("targets of several labels must be 0, 1, or NaN where they are unknown")
        return np.asarray(values == 1)
    if values.shape != shape[:1] or not np.issubdtype(values.dtype, np.integer) or (values >= shape[1]).any():
        raise ValueError(f"targets must be integers below the number of labels, or 0 and 1 in shape {shape}")
    given: np.ndarray = values[:, None] == np.arange(shape[1])
    return given


def certainty_metrics(
    targets: np.ndarray, probabilities: np.ndarray, entry: CertaintyEntry, sure: np.ndarray | None = None
) -> dict[str, Any]:
    """What an entry states, and what these data say of it.

    A sample is right when its top label is one of those given; samples without any are left out.

    Args:
        targets: as :func:`given_labels` takes them.
        probabilities: (n, labels) floats in 0..1.
        sure: (n,), how sure each top label is, 0..1; its probability if not given.

    Returns:
        Plain values, ready for JSON: ``ece``, the calibration error of how sure the answers are (Guo et al. 2017, 15
        bins); ``answered``, the share of sure answers, ``accuracy``, how many of these are
        right, with its interval; ``set_size``, the mean number of labels of a set, and ``set_coverage``, the share of
        sets that hold a right one; ``surest``, the accuracy of the surest 100, 90, … 10 %; ``stated``, the entry.
    """
    given = given_labels(targets, probabilities.shape)
    known = given.any(1)
    given, scores = given[known], probabilities[known]
    found: dict[str, Any] = {"stated": entry.model_dump(exclude={"corpora"}), "n": len(scores)}
    if not len(scores):
        return found
    places = scores.argmax(1)
    top = scores.max(1) if sure is None else sure[known]
    right = given[np.arange(len(scores)), places]
    sure = top >= entry.threshold
    sets = scores >= entry.set_threshold
    sets[np.arange(len(scores)), places] = True
    hits, answers = int(right[sure].sum()), int(sure.sum())
    counts = [max(1, round(share * len(scores))) for share in SHARES]
    summed = np.cumsum(right[np.argsort(-top, kind="stable")])
    return {
        **found,
        "ece": calibration(top, right)["ece"],
        "answered": answers / len(scores),
        "accuracy": hits / answers if answers else None,
        "accuracy_interval": wilson_interval(hits, answers) if answers else None,
        "set_size": float(sets.sum(1).mean()),
        "set_coverage": float((sets & given).any(1).mean()),
        "surest": [
            {"share": share, "accuracy": float(summed[count - 1] / count)}
            for share, count in zip(SHARES, counts, strict=True)
        ],
    }


@styled
def risk_coverage(found: dict[str, Any], space: LabelSpace) -> Figure:
    """How many of the surest answers are right, by their share; and where the model's own threshold lies."""
    shares, right = ([row[key] for row in found["surest"]] for key in ("share", "accuracy"))
    figure = new_figure(6.2, 4.2)
    axes = figure.subplots()
    axes.plot(shares, right, color=BLUE, lw=2, marker="o", ms=5, label="share right")
    if found["accuracy"] is not None:
        axes.plot([found["answered"]], [found["accuracy"]], color=ORANGE, marker="D", ms=9, ls="", label="sure answers")
    axes.set_xlim(1.03, 0)
    axes.set_ylim(min(0.5, *right, found["accuracy"] or 1.0) - 0.02, 1.02)
    axes.set_xlabel("share of the answers, the surest ones")
    axes.set_ylabel("share right")
    axes.set_title("How right the surest answers are")
    axes.legend(loc="lower right", fontsize=9)
    axes.grid(axis="y")
    return figure
