"""Measure a model on a data set."""

from __future__ import annotations

import copy
import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from mien.data.dataset import TRAIN, Dataset
from mien.emotions import SPACES, LabelSpace, get_space, groups
from mien.errors import DataError, InputError, ModelError
from mien.evaluation.metrics import multi_label_metrics, single_label_metrics
from mien.evaluation.report import Report
from mien.evaluation.samples import Answers, readable

MISTAKES = 20
_SEEN = "seen in training"
#: The figures given for each group.
MAIN = (
    "n", "accuracy", "accuracy_interval", "macro_f1", "macro_f1_present", "weighted_f1",
    "micro_f1", "map", "map_present",
)  # fmt: skip


class Model(Protocol):
    """What is needed of a recogniser; those of :func:`mien.load` have it."""

    @property
    def name(self) -> str:
        """The model's name."""

    space: LabelSpace
    manifest: Any

    def probabilities(
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
    batch_size: int = 64,
    progress: Callable[[int], None] | None = None,
) -> Report:
    """Predict a labelled data set and report how right the model is.

    Where model and data have different labels, the finer are rolled up to the coarser: probabilities of labels that
    exclude each other add up, those of labels that can hold together become 1 - Π(1 - p). The data decide what is
    measured: one label at a time (the model's strongest counts) or several (those at or above their threshold).

    A model that also answers in the space of the data, or the one asked for, is asked in that. Where samples of the
    split also stand in the training split of the data, the main figures are given without them too. Pictures are
    taken as ready crops; those that cannot be read are left out, and a note counts and names them.

    Args:
        model: a loaded model, the name of a shipped one, or a model or run folder.
        data: a data set, or its spec such as ``carer:emotion/``.
        split: "train", "val", "test" or "all". By default "test"; but all of a set that comes without splits, unless
            the model was trained on a part of it.
        by: a column of the data set; the main figures are also given for each of its values.
        labels: roll both up to this space, such as "ekman7"; or a space in which several annotators labelled the
            data (``Dataset.also``): then the label that most of them gave counts.
        mirror: read each picture together with its mirror image, and average.
        known_groups: each sample is read by the expert for the group that the data say it is of, instead of the one
            that the model chooses; to tell mistakes of the experts from those of the chooser.
        batch_size: inputs computed at once.
        progress: called with the number of inputs done since the last call.

    Raises:
        DataError: the data cannot be read, have no such split or column, or no map joins their labels to the model's;
            or the model cannot mirror; or it has no experts, or none for a group of the data.
        ModelError: no such model, its folder is damaged, or it gives numbers that are no probabilities.
    """
    if isinstance(model, str | Path):
        from mien.model import load

        model = load(model)
    if isinstance(data, str):
        from mien.data import open_dataset

        data = open_dataset(data)
    if by is not None and by not in data.columns:
        raise DataError(f"{data.name} has no column {by!r}; it has: {', '.join(data.columns) or 'none'}")
    if data.modality != model.manifest.modality:
        raise DataError(f"{model.name} reads {model.manifest.modality}, but {data.name} holds {data.modality}")
    split = split or ("all" if data.dealt and not _learned_from(model, data) else "test")
    asked: Model = _asked(model, data, labels, mirror)
    by_group = _known_groups(model, data) if known_groups else ""
    space = _common_space(asked.space, data, labels)
    labelled = _labelled(_marked(data, split), space)
    if not len(labelled):
        raise DataError(f"{data.name} has no samples with a label of {space.name} in {split!r}")
    start = time.perf_counter()
    kept, raw = _predicted(asked, labelled, batch_size, progress, by_group)
    seconds = time.perf_counter() - start
    part = labelled if kept.all() else labelled.take(kept)
    if raw.shape != (len(part), len(asked.space)) or not np.isfinite(raw).all():
        raise ModelError(f"{asked.name} gave no probabilities of shape {(len(part), len(asked.space))} for {data.name}")
    probabilities = rollup_probabilities(raw, asked.space, space)
    thresholds = _thresholds(asked, space)

    def figures(rows: np.ndarray | slice) -> dict[str, Any]:
        targets, scores = part.targets[rows], probabilities[rows]
        if not part.space.multilabel:
            return single_label_metrics(targets, scores, space.names)
        return multi_label_metrics(targets, scores, space.names, thresholds, _holds(scores, asked.space, thresholds))

    seen, holds = part.columns[_SEEN], _holds(probabilities, asked.space, thresholds)
    answers = Answers(part, probabilities, holds, space, seen)
    mistakes, samples = answers.mistakes(MISTAKES), answers.samples()
    return Report(
        space=space.as_multilabel(part.space.multilabel),
        figures=figures(slice(None)),
        model=_about_model(asked),
        data=_about_data(data, part),
        split=split,
        mirror=bool(getattr(asked, "mirror", False)),
        known_groups=by_group,
        without_seen=_without_seen(seen, figures),
        by=None if by is None else _by_group(by, part.columns[by], figures),
        mistakes=mistakes,
        samples=samples,
        thumbnails=answers.thumbnails(*mistakes, *samples),
        notes=[*_unread(labelled, kept), *_notes(asked, data, labelled, split, space), *_expert_notes(model, by_group)],
        made=_made(seconds),
    )


def _asked(model: Any, data: Dataset, labels: str | LabelSpace | None, mirror: bool) -> Any:
    """The model as it is to be asked: in the label space wanted, where it has a head for it, and by how many views."""
    wanted = data.space.name if labels is None else getattr(labels, "name", labels)
    if wanted != model.space.name and wanted in _heads(model):
        model = model.answering(wanted)
    if data.features and hasattr(model, "reading"):
        model = model.reading(data.features)
    if mirror:
        if not hasattr(model, "mirror"):
            raise DataError(f"{model.name} reads {model.manifest.modality}: there is nothing to mirror")
        model = copy.copy(model)  # the caller's goes on as it was
        model.mirror = True
    return model


def _heads(model: Any) -> list[str]:
    return [head.space for head in getattr(model.manifest, "heads", [])]


def _marked(data: Dataset, split: str) -> Dataset:
    """A split, with a column that says which of its samples stand in the training split too.

    To be asked of val and test: "train" and "all" hold the training data itself.
    """
    part = data.part(split)
    known = split not in (TRAIN, "all")
    seen = data.seen_in_training[data.split == split] if known else np.zeros(len(part), bool)
    return replace(part, columns={**part.columns, _SEEN: seen})


def _labelled(part: Dataset, space: LabelSpace) -> Dataset:
    """The samples that have a label of *space*, with that label."""
    if part.space.names == space.names:
        return part
    if space.name not in part.also:
        return part.rollup(space)
    voted = part.take(np.flatnonzero(part.also[space.name].any(1)))
    return replace(voted, space=space, targets=voted.also[space.name].argmax(1).astype(np.int64))


def _known_groups(model: Any, data: Dataset) -> str:
    """The column of the data that tells the groups which the model has experts for."""
    experts = model.manifest.experts
    if experts is None:
        raise DataError(f"{model.name} has no experts: there are no groups to know")
    if experts.by not in data.columns:
        raise DataError(f"{data.name} has no column {experts.by!r}; it has: {', '.join(data.columns) or 'none'}")
    strange = sorted({str(group) for group in data.columns[experts.by]} - set(experts.networks))
    if strange:
        raise DataError(f"{model.name} has no expert for the {experts.by} {strange[0]!r} of {data.name}")
    return str(experts.by)


def _expert_notes(model: Any, known: str) -> list[str]:
    experts = getattr(model.manifest, "experts", None)
    if experts is None:
        return []
    if known:
        return [f"Each sample was read by the expert for its {known}, which the data tell."]
    if experts.chooser == "known":
        return [f"Nothing tells the {experts.by}: the answers of all experts were averaged."]
    return [f"Each sample was read by the expert for the {experts.by} that the model chose ({experts.chooser})."]


def _predicted(
    model: Model, part: Dataset, batch_size: int, progress: Callable[[int], None] | None, by_group: str
) -> tuple[np.ndarray, np.ndarray]:
    """Which samples can be read, bool (n,), and the probabilities of those."""

    def asked(rows: Dataset) -> dict[str, Any]:
        return {"groups": [str(group) for group in rows.columns[by_group]]} if by_group else {}

    try:
        found = model.probabilities(part.inputs, batch_size=batch_size, progress=progress, **asked(part))
        return np.ones(len(part), bool), found
    except InputError:
        kept = readable(part.inputs, part.modality)
        if kept.all():  # it was something else
            raise
        if not kept.any():
            raise DataError(f"{part.name}: none of the {len(part)} {_called(part)} can be read") from None
    rest = part.take(kept)
    return kept, model.probabilities(rest.inputs, batch_size=batch_size, **asked(rest))  # progress was told already


def _called(part: Dataset) -> str:
    return "clips" if part.modality == "video" else "pictures"


def _unread(labelled: Dataset, kept: np.ndarray) -> list[str]:
    """A note of the samples that could not be read, naming the first of them."""
    rows = np.flatnonzero(~kept).tolist()
    if not rows:
        return []
    names = ", ".join(str((labelled.where or labelled.inputs)[row]) for row in rows[:3])
    more = f" and {len(rows) - 3} more" if len(rows) > 3 else ""
    what = _called(labelled).capitalize()
    return [f"{what} that cannot be read were left out, {len(rows)} of {len(labelled)}: {names}{more}."]


def _without_seen(seen: np.ndarray, figures: Callable[[np.ndarray], dict[str, Any]]) -> dict[str, Any] | None:
    """The main figures over the samples that do not stand in the training data; None where none does."""
    if not seen.any():
        return None
    count = int(seen.sum())
    if seen.all():
        return {"seen": count, "n": 0}
    found = figures(np.flatnonzero(~seen))
    return {"seen": count, **{key: found[key] for key in MAIN if key in found}}


def rollup_probabilities(probabilities: np.ndarray, source: LabelSpace, target: LabelSpace) -> np.ndarray:
    """:func:`mien.emotions.rollup_scores` for many samples at once.

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


def _joined(source: LabelSpace, target: LabelSpace) -> bool:
    try:
        return bool(groups(source, target))
    except ValueError:
        return False


def _common_space(model: LabelSpace, dataset: Dataset, labels: str | LabelSpace | None) -> LabelSpace:
    data = dataset.space
    if labels is not None:
        try:
            target = get_space(labels)
        except KeyError as error:
            raise DataError(str(error.args[0])) from None
        if _joined(model, target) and (_joined(data, target) or target.name in dataset.also):
            return target
        lacking = data if _joined(model, target) else model
        raise DataError(f"there is no map from {lacking.name} to {target.name}")
    if _joined(model, data):
        return data
    if _joined(data, model):
        return model
    both = [s.name for s in SPACES.values() if _joined(model, s) and _joined(data, s)]
    advice = f"; both roll up to {' or '.join(both)}: ask for that with labels" if both else ""
    raise DataError(f"there is no map from the model's {model.name} to the data's {data.name}{advice}")


def _thresholds(model: Model, space: LabelSpace) -> np.ndarray:
    manifest = model.manifest
    own = space.names == model.space.names and model.space.name not in _heads(model)  # those were tuned for its own
    tuned = manifest.thresholds if own else manifest.rollups.get(space.name, {})
    return np.array([tuned.get(name, 0.5) for name in space.names], np.float64)


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
    for group in np.unique(keys).tolist():
        found = figures(np.flatnonzero(keys == group))
        kept = {key: found[key] for key in MAIN if key in found}
        groups_.append({"group": group, **kept, "ece": found["calibration"]["ece"]})
    return {"column": column, "groups": groups_}


def _about_model(model: Model) -> dict[str, Any]:
    manifest = model.manifest
    return {
        "name": model.name,
        "sha256": manifest.files["model.onnx"].sha256 if "model.onnx" in manifest.files else None,
        "modality": manifest.modality,
        "space": model.space.name,
        "multilabel": model.space.multilabel,
        "data": manifest.data,
        "training": manifest.training,
    }


def _about_data(data: Dataset, part: Dataset) -> dict[str, Any]:
    return {
        "name": data.name,
        "modality": data.modality,
        "space": data.space.name,
        "multilabel": data.space.multilabel,
        "licence": data.licence,
        "fingerprint": data.fingerprint,
        "n": len(part),
        "counts": part.counts(),
        "splits": {name: int((data.split == name).sum()) for name in data.splits},
        "left_out": len(data.problems),
    }


def _notes(model: Model, data: Dataset, part: Dataset, split: str, space: LabelSpace) -> list[str]:
    """What a reader must know to take the figures rightly."""
    notes = []
    if getattr(model, "mirror", False):
        notes.append("Each picture was read together with its mirror image, and the two answers averaged.")
    if model.space.name in _heads(model):
        notes.append(f"The model answered in {model.space.name}, one of the further label spaces it has outputs for.")
    lost = len(data.part(split)) - len(part)
    if lost:
        notes.append(f"{lost} samples carry no label of {space.name} and were left out.")
    learned = _learned_from(model, data)
    if learned == "otherwise split":
        notes.append("The model was trained on these samples under other splits: what it learned from is among these.")
    elif learned and split != "test":
        notes.append(f"The model was trained or tuned on these data ({split}): new data will look worse than this.")
    if space.names != model.space.names:
        notes.append(f"The model's labels ({model.space.name}) were rolled up to {space.name}.")
        empty = [label for label, members in zip(space.names, groups(model.space, space), strict=True) if not members]
        if empty:
            notes.append(f"The model cannot say {', '.join(empty)}.")
    if space.names != data.space.names:
        voted = space.name in data.also
        how = f"are those that most annotators gave ({space.name})" if voted else f"were rolled up to {space.name}"
        notes.append(f"The data's labels {'' if voted else f'({data.space.name}) '}{how}.")
    if model.space.multilabel and not part.space.multilabel:
        notes.append("The model can give several labels at once; the data have one, so its strongest label counts.")
    if part.space.multilabel and not model.space.multilabel:
        notes.append("The data have several labels at once; the model gives one.")
    absent = [label for label, count in part.counts().items() if not count]
    if absent:
        notes.append(f"No sample carries {', '.join(absent)}: they count as 0 in macro averages.")
    return notes


def _learned_from(model: Model, data: Dataset) -> str:
    """Whether the model was made with these data: "" (no), "so split" or "otherwise split"."""
    learned = model.manifest.data if isinstance(model.manifest.data, list) else [model.manifest.data]
    if any(entry.get("fingerprint") == data.fingerprint for entry in learned):
        return "so split"
    same = any(entry.get("samples_fingerprint") == data.samples_fingerprint for entry in learned)
    return "otherwise split" if same else ""


def _made(seconds: float) -> dict[str, Any]:
    try:
        version = metadata.version("mien")
    except metadata.PackageNotFoundError:  # run from a source tree
        version = "source"
    return {
        "mien": version,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs",
        "seconds": round(seconds, 3),
    }
