"""The model as an evaluation asks it, and the labels to compare: of how many views or frames, by which experts."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mien.datasets import Dataset
from mien.errors import DataError, InputError, ModelError
from mien.evaluation.notes import heads
from mien.labels import MAPS, SPACES, LabelSpace, get_space, groups
from mien.modality import get_modality
from mien.plugins import import_object


def as_asked(
    model: Any, data: Dataset, labels: str | LabelSpace | None, mirror: bool, frames: int | None, rule: str | None
) -> Any:
    """The model as it is to be asked: in which labels, and of which views and frames.

    Raises:
        DataError: it cannot be asked so.
    """
    wanted = data.space.name if labels is None else getattr(labels, "name", labels)
    if wanted != model.space.name and wanted in heads(model):
        model = model.with_labels(wanted)
    if data.features:
        model = model.reading(data.features)
    if mirror:
        if model.mirror is None:
            raise DataError(f"{model.name} reads {model.manifest.modality}: there is nothing to mirror")
        model = copy.copy(model)  # the caller's goes on as it was
        model.mirror = True
    if frames is not None or rule is not None:
        try:
            model = model.looking_at(frames, rule)
        except (InputError, ModelError) as error:
            raise DataError(str(error)) from None
    return model


def known_groups_of(model: Any, data: Dataset) -> str:
    """The column of the data that tells the groups which the model has experts for.

    Raises:
        DataError: it has none, or none for a group of the data.
    """
    experts = model.manifest.experts
    if experts is None:
        raise DataError(f"{model.name} has no experts: there are no groups to know")
    if experts.by not in data.columns:
        raise DataError(f"{data.name} has no column {experts.by!r}; it has: {', '.join(data.columns) or 'none'}")
    strange = sorted({str(group) for group in data.columns[experts.by]} - set(experts.networks))
    if strange:
        raise DataError(f"{model.name} has no expert for the {experts.by} {strange[0]!r} of {data.name}")
    return str(experts.by)


def coarser_space(model: Any, data: Dataset) -> LabelSpace | None:
    """For data with labels of their own: the coarser space that the model was made to answer in and that has them all.

    By name "anger" is also one of the 28 labels of GoEmotions, where it is not "annoyance"; beside fear and joy alone
    it is Ekman's.
    """
    if data.space.name in SPACES or data.space.names == model.space.names or not len(data.space):
        return None
    spaces = [head.as_space() for head in getattr(model.manifest, "heads", [])]
    targets = dict.fromkeys(target for source, target in MAPS if source == model.space.name)
    spaces += [SPACES[name] for name in targets if name in model.manifest.rollups]
    fit = (s for s in spaces if len(s) < len(model.space) and all(name in s for name in data.space.names))
    return next(fit, None)


def known_labels(data: Dataset, space: LabelSpace) -> list[int]:
    """The places of those labels of *space* that the data's labels lead to; all where the data are in it."""
    if space.names == data.space.names or space.name in data.votes or not _joined(data.space, space):
        return list(range(len(space)))
    return [place for place, members in enumerate(groups(data.space, space)) if members]


def _joined(source: LabelSpace, target: LabelSpace) -> bool:
    try:
        groups(source, target)
    except ValueError:
        return False
    return True


def common_space(model: LabelSpace, dataset: Dataset, labels: str | LabelSpace | None, rated: bool) -> LabelSpace:
    """The labels to measure; the space without any where there are ratings alone to measure."""
    data = dataset.space
    if labels is not None:
        try:
            target = get_space(labels)
        except KeyError as error:
            raise DataError(str(error.args[0])) from None
        if _joined(model, target) and (_joined(data, target) or target.name in dataset.votes):
            return target
        lacking = data if _joined(model, target) else model
        raise DataError(f"there is no map from {lacking.name} to {target.name}")
    if _joined(model, data):
        return data
    if _joined(data, model):
        return model
    if rated:
        return SPACES["affect"]
    both = [s.name for s in SPACES.values() if _joined(model, s) and _joined(data, s)]
    advice = f"; both roll up to {' or '.join(both)}: ask for that with labels" if both else ""
    raise DataError(f"there is no map from the model's {model.name} to the data's {data.name}{advice}")


def check_by(by: str | None, data: Dataset) -> None:
    """Raise a DataError where there is nothing of that name to tell the figures by."""
    measured = get_modality(data.modality).measures
    if by is not None and by not in data.columns and by not in measured:
        known = ", ".join(dict.fromkeys((*data.columns, *measured)))
        raise DataError(f"{data.name} has no column {by!r}; it has: {known or 'none'}")


def groups_by(by: str, part: Dataset) -> np.ndarray:
    """The group of each sample: by a column, or else by what is measured of the inputs."""
    if by in part.columns:
        return part.columns[by]
    measure: Callable[[Sequence[Any], str], np.ndarray] = import_object(get_modality(part.modality).measure)
    return measure(part.inputs, by)
