"""Measure a model on a data set."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from mien.datasets.dataset import TRAIN, Dataset
from mien.errors import DataError, ModelError
from mien.evaluation.asked import (
    as_asked,
    check_by,
    coarser_space,
    common_space,
    groups_by,
    known_groups_of,
    known_labels,
)
from mien.evaluation.certainty import certainty_of
from mien.evaluation.held_out import Wrapped
from mien.evaluation.metrics import multi_label_metrics, normalized, single_label_metrics
from mien.evaluation.notes import (
    about_data,
    about_model,
    called,
    clip_notes,
    expert_notes,
    heads,
    learned_from,
    made,
    notes,
    place_of,
    unread,
)
from mien.evaluation.ratings import all_rating_metrics, rescaled, scatter
from mien.evaluation.report import Report
from mien.evaluation.samples import Answers, further_unreadable, unreadable
from mien.labels import LabelSpace, groups
from mien.modality import Predictor, load, thresholds_of, why_unread

MISTAKES = 20
DETAILED = 8  # groups of which all figures are given, not the main ones alone
_SEEN = "seen in training"
#: The figures given for each group, and of few groups also those below.
MAIN = (
    "n", "accuracy", "accuracy_interval", "macro_f1", "macro_f1_present", "weighted_f1",
    "micro_f1", "map", "map_present", "top1", "certainty", "ratings",
)  # fmt: skip
DETAILS = ("per_label", "averages", "confusion", "cooccurrence")


class Model(Protocol):
    """What is needed of a predictor; those of :func:`mien.load` have it.

    One whose manifest lists ratings also has ``ratings(inputs, batch_size, progress)``, which gives floats of shape
    (n, ratings). One that has no labels is not asked for probabilities.
    """

    @property
    def name(self) -> str:
        """The model's name."""

    space: LabelSpace
    manifest: Any

    def predict_proba(
        self, inputs: Sequence[Any], batch_size: int = 64, progress: Callable[[int], None] | None = None
    ) -> np.ndarray:
        """float32 of shape (n, labels), in 0..1."""


def evaluate(
    model: Model | str | Path,
    data: Dataset | str,
    split: str | None = None,
    by: str | None = None,
    labels: str | LabelSpace | None = None,
    *,
    mirror: bool = False,
    known_groups: bool = False,
    frames: int | None = None,
    rule: str | None = None,
    batch_size: int = 64,
    progress: Callable[[int], None] | None = None,
) -> Report:
    """Predict a labeled data set and report how right the model is.

    Where model and data have different labels, the finer are rolled up to the coarser: probabilities of labels that
    exclude each other add up, those of labels that can hold together become 1 - Π(1 - p). The data decide what is
    measured: one label at a time (the model's strongest counts) or several (those at or above their threshold).
    Ratings that both have, such as valence, are measured besides, on the scale of the data; where their labels have
    nothing in common, alone.

    Where the data lack some of the labels that are compared, as BRIGHTER lacks neutral, ``Report.restricted`` has the
    figures over those that they have: of one label at a time beside the others; of several they are all there are.

    A model that also answers in the space of the data, or the one asked for, is asked in that. Where samples of the
    split also stand in the training split of the data, the main figures are given without them too. Pictures are
    taken as ready crops. Pictures and clips that cannot be read are left out; the report names them (``unread``).

    Args:
        model: a loaded model, the name of a shipped one, or a model or run folder.
        data: a data set, or its spec such as ``carer:emotion/``.
        split: "train", "val", "test" or "all". By default "test"; but all of a set that comes without splits, unless
            the model was trained on a part of it.
        by: a column of the data set, or what can be measured of its inputs, such as "size" of faces; the main figures
            are also given for each of its values, and where they are few, those of each label and what goes together.
        labels: roll both up to this space, such as "ekman7"; or a space in which several annotators labeled the
            data (``Dataset.votes``): then the label that most of them gave counts.
        mirror: read each picture together with its mirror image, and average.
        known_groups: each sample is read by the expert for the group that the data say it is of, instead of the one
            that the model chooses; to tell mistakes of the experts from those of the chooser.
        frames: of each clip look at so many, spread evenly over it.
        rule: of faces in clips: "sum", "vote" or "mean", which makes one answer of many moments.
        batch_size: inputs computed at once.
        progress: called with the number of inputs done since the last call.

    Raises:
        DataError: the data cannot be read, none of their pictures or clips can be, they have no such split or column,
            or no map joins their labels to the model's; or the model cannot mirror; or it has no experts, or none for a
            group of the data.
        ModelError: no such model, its folder is damaged, or it gives numbers that are no probabilities.
    """
    model = load(model) if isinstance(model, str | Path) else model if isinstance(model, Predictor) else Wrapped(model)
    if isinstance(data, str):
        from mien.datasets import open_dataset

        data = open_dataset(data)
    check_by(by, data)
    if data.modality != model.manifest.modality:
        raise DataError(f"{model.name} reads {model.manifest.modality}, but {data.name} holds {data.modality}")
    split = split or ("all" if data.auto_split and not learned_from(model, data) else "test")
    labels = coarser_space(model, data) if labels is None else labels
    asked: Predictor = as_asked(model, data, labels, mirror, frames, rule)
    by_group = known_groups_of(model, data) if known_groups else ""
    rated = _rated(asked, data)
    _check_comparable(asked, data, bool(rated))
    space = common_space(asked.space, data, labels, bool(rated))
    labeled = _labeled(_marked(data, split), space, list(rated))
    if not len(labeled):
        what = f"a label of {space.name}" if len(space) else "a rating that the model gives"
        raise DataError(f"{data.name} has no samples with {what} in {split!r}")
    start = time.perf_counter()
    lost, raw, numbers, sure = _predicted(asked, labeled, len(space) > 0, rated, batch_size, progress, by_group)
    seconds = time.perf_counter() - start
    part = _without(labeled, lost)
    _check_answers(asked, part, raw if len(space) else None, numbers, len(rated))
    probabilities = rollup_probabilities(raw, asked.space, space) if len(space) else raw
    thresholds, limits = _thresholds(asked, space, part.inputs)
    holds, whole, kept = _holds(probabilities, asked.space, limits), space, known_labels(data, space)
    certainty = certainty_of(asked, space, part.targets, probabilities, sure)  # by all labels that it can answer
    if len(kept) < len(space) and part.space.multilabel:
        space = replace(space, labels=tuple(space.labels[place] for place in kept))
        part = replace(part, space=space.as_multilabel(True), targets=part.targets[:, kept])
        probabilities, thresholds, holds = probabilities[:, kept], thresholds[kept], holds[:, kept]

    def figures(rows: np.ndarray | slice) -> dict[str, Any]:
        targets, scores = part.targets[rows], probabilities[rows]
        found: dict[str, Any] = {"n": len(scores)}
        if not part.space.multilabel:
            found = single_label_metrics(targets, scores, space.names)
        elif len(space):
            found = multi_label_metrics(targets, scores, space.names, thresholds, holds[rows])
        found |= certainty(rows)
        if rated:
            true = {name: part.ratings[name][rows] for name in rated}
            found["ratings"] = all_rating_metrics(true, numbers[rows], part.scales)
        return found

    measured = figures(slice(None))
    restricted = _restricted(part, probabilities, whole, kept, measured)
    seen = part.columns[_SEEN]
    told = {name: numbers[:, place] for place, name in enumerate(rated)}
    answers = Answers(part, probabilities, holds, space, seen, told)
    mistakes, samples = answers.mistakes(MISTAKES), answers.samples()
    return Report(
        space=space.as_multilabel(part.space.multilabel),
        figures=measured,
        model=about_model(asked),
        data=about_data(data, part),
        split=split,
        mirror=bool(asked.mirror),
        known_groups=by_group,
        without_seen=_without_seen(seen, figures),
        restricted=restricted,
        by=None if by is None else _by_group(by, groups_by(by, part), figures),
        points={name: scatter(part.ratings[name], values) for name, values in told.items()},
        mistakes=mistakes,
        samples=samples,
        thumbnails=answers.thumbnails(*mistakes, *samples),
        left_out=dict(Counter(labeled.left_out) + Counter(unreadable=len(lost))),
        rows=len(data) + sum(data.left_out.values()),
        unread=[{"where": place_of(labeled, row), "what": why} for row, why in lost.items()],
        notes=[
            *unread(labeled, lost),
            *notes(asked, data, labeled, split, whole, rated, restricted),
            *expert_notes(model, by_group),
            *clip_notes(frames, rule),
        ],
        made=made(seconds),
    )


def _check_comparable(model: Any, data: Dataset, rated: bool) -> None:
    """Raise a DataError where there are neither labels nor ratings to compare."""
    if rated or (len(model.space) and len(data.space)):
        return
    given = [entry.name for entry in getattr(model.manifest, "ratings", [])] or model.space.names
    if not (had := list(data.ratings) or data.space.names):
        raise DataError(f"{data.name} has no labels to measure {model.name} by (mien predict reads it)")
    raise DataError(f"{model.name} gives {', '.join(given)}, {data.name} has {', '.join(had)}: nothing in common")


def _check_answers(
    model: Any, part: Dataset, probabilities: np.ndarray | None, ratings: np.ndarray, rated: int
) -> None:
    """Raise a ModelError where a model gave something else than a number for each label and rating of each sample."""
    shape = (len(part), len(model.space))
    if probabilities is not None and (probabilities.shape != shape or not np.isfinite(probabilities).all()):
        raise ModelError(f"{model.name} gave no probabilities of shape {shape} for {part.name}")
    if ratings.shape != (len(part), rated) or not np.isfinite(ratings).all():
        raise ModelError(f"{model.name} gave no ratings of shape {(len(part), rated)} for {part.name}")


def _marked(data: Dataset, split: str) -> Dataset:
    """A split, with a column that says which of its samples stand in the training split too.

    To be asked of val and test: "train" and "all" hold the training data itself.
    """
    part = data.part(split)
    known = split not in (TRAIN, "all")
    seen = data.seen_in_training[data.split == split] if known else np.zeros(len(part), bool)
    return replace(part, columns={**part.columns, _SEEN: seen})


def _rated(model: Model, data: Dataset) -> dict[str, tuple[int, tuple[float, float]]]:
    """The ratings that model and data both have, by the name of the data: where the model gives it, on which scale."""
    entries = getattr(model.manifest, "ratings", [])
    given = {entry.name.casefold(): (place, (entry.low, entry.high)) for place, entry in enumerate(entries)}
    return {name: given[name.casefold()] for name in data.ratings if name.casefold() in given}


def _labeled(part: Dataset, space: LabelSpace, rated: list[str]) -> Dataset:
    """The samples that have a label of *space*, with that label; where it has none, those that have a rating."""
    if not len(space):
        known = np.asarray((~np.isnan([part.ratings[name] for name in rated])).any(0))
        return replace(part, space=space, targets=np.zeros((len(part), 0), np.float32)).take(known)
    if part.space.names == space.names:
        return part
    if space.name not in part.votes:
        return part.rollup(space)
    voted = part.take(np.flatnonzero(part.votes[space.name].any(1)))
    return replace(voted, space=space, targets=voted.votes[space.name].argmax(1).astype(np.int64))


def _predicted(
    model: Any,
    part: Dataset,
    labels: bool,
    rated: dict[str, tuple[int, tuple[float, float]]],
    batch_size: int,
    progress: Callable[[int], None] | None,
    by_group: str,
) -> tuple[dict[int, str], np.ndarray, np.ndarray, np.ndarray]:
    """Which samples cannot be read, and why; of the others the answers, ratings on the scales of the data."""

    def answers(rows: Dataset, step: Callable[[int], None] | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        groups = [str(group) for group in rows.columns[by_group]] if by_group else None
        found = model.outputs(rows.inputs, batch_size, step, groups)
        scores = found.probabilities if labels else np.zeros((len(rows), 0), np.float32)
        given = [(found.ratings[:, at], scale, part.scales[name]) for name, (at, scale) in rated.items()]
        numbers = np.zeros((len(rows), len(given)), np.float32)
        if given:
            numbers = np.stack([rescaled(*values) for values in given], axis=1)
        return scores, numbers, found.sure

    if part.kind == "clip" and model.opens_inputs:  # they take too long to be read twice: looked at before
        lost = unreadable(part)
        if progress:
            progress(len(lost))
    else:
        lost = {}
    while True:
        readable = _without(part, lost)
        try:
            return lost, *answers(readable, progress)
        except Exception as error:
            why_unread("", part.modality, error)  # raises what is no input's fault
            if not (more := further_unreadable(part, lost, lambda rows: answers(rows, None))):
                raise
        lost, progress = lost | more, None  # which was told of them already


def _without(part: Dataset, lost: Mapping[int, str]) -> Dataset:
    """The samples that can be read.

    Raises:
        DataError: there are none.
    """
    if lost and len(lost) == len(part):
        first = next(iter(lost.values()))
        raise DataError(f"{part.name}: none of the {len(part)} {called(part)} can be read: {first}")
    return part.take(np.array([row not in lost for row in range(len(part))])) if lost else part


def _without_seen(seen: np.ndarray, figures: Callable[[np.ndarray], dict[str, Any]]) -> dict[str, Any] | None:
    """The main figures over the samples that do not stand in the training data; None where none does."""
    if not seen.any():
        return None
    count = int(seen.sum())
    if seen.all():
        return {"seen": count, "n": 0}
    found = figures(np.flatnonzero(~seen))
    return {"seen": count, **{key: found[key] for key in MAIN if key in found}}


def _restricted(
    part: Dataset, probabilities: np.ndarray, space: LabelSpace, kept: list[int], measured: dict[str, Any]
) -> dict[str, Any] | None:
    """The main figures over the labels that the data have, of *space* those at *kept*; None where those are all.

    Of one label at a time they are measured anew; of several all that was *measured* is over these labels.
    """
    if len(kept) == len(space):
        return None
    names = [space.names[place] for place in kept]
    if not part.space.multilabel:
        measured = single_label_metrics(np.searchsorted(kept, part.targets), normalized(probabilities[:, kept]), names)
    left_out = [name for name in space.names if name not in names]
    figures = {key: measured[key] for key in MAIN if key in measured and key != "ratings"}
    return {"space": space.name, "labels": names, "left_out": left_out, **figures}


def rollup_probabilities(probabilities: np.ndarray, source: LabelSpace, target: LabelSpace) -> np.ndarray:
    """:func:`mien.labels.rollup_scores` for many samples at once.

    Args:
        probabilities: (n, labels of *source*) floats in 0..1.

    Returns:
        (n, labels of *target*), of the same dtype, in 0..1. A label that gathers none is 0.

    Raises:
        ValueError: there is no map between the two.
    """
    if source.names == target.names:
        return probabilities
    parts = [probabilities[:, members] for members in groups(source, target)]
    if source.multilabel:
        return np.stack([1 - np.prod(1 - part, axis=1) for part in parts], axis=1)
    sums = np.stack([part.sum(1) for part in parts], axis=1)
    totals = sums.sum(1, keepdims=True)  # a label that the coarser space leaves out takes its share with it
    shares: np.ndarray = sums / np.where(totals > 0, totals, 1)
    return shares


def _thresholds(model: Predictor, space: LabelSpace, inputs: Sequence[Any]) -> tuple[np.ndarray, np.ndarray]:
    """The usual thresholds, shape (k,), and those by which labels hold: (n, k) where they differ by language."""
    manifest = model.manifest
    own = space.names == model.space.names and model.space.name not in heads(model)  # those were tuned for its own
    tuned = manifest.thresholds if own else manifest.rollups.get(space.name, {})
    usual = np.array([tuned.get(name, 0.5) for name in space.names], np.float64)
    if not model.space.multilabel:  # the strongest holds
        return usual, usual
    return usual, thresholds_of(model, inputs, model.space.name if own else space.name, space.names, tuned)


def _holds(probabilities: np.ndarray, source: LabelSpace, thresholds: np.ndarray) -> np.ndarray:
    """Which labels a model says hold: bool of shape (n, k). A model of one label at a time says its strongest."""
    if source.multilabel:
        return probabilities >= thresholds
    holds = np.zeros(probabilities.shape, bool)
    holds[np.arange(len(holds)), probabilities.argmax(1)] = True
    return holds


def _by_group(
    column: str, values: np.ndarray, figures: Callable[[np.ndarray], dict[str, Any]]
) -> dict[str, str | list[dict[str, Any]]]:
    groups_: list[dict[str, Any]] = []
    keys = np.array([str(value) for value in values])
    names = np.unique(keys).tolist()
    wanted = (*MAIN, *(DETAILS if len(names) <= DETAILED else ()))
    for group in names:
        found = figures(np.flatnonzero(keys == group))
        ece = {"ece": found["calibration"]["ece"]} if "calibration" in found else {}
        groups_.append({"group": group, **{key: found[key] for key in wanted if key in found}, **ece})
    return {"column": column, "groups": groups_}
