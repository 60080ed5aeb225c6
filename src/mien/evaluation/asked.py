"""The model as an evaluation asks it: in which labels, of how many views or frames, and by which experts."""

from __future__ import annotations

import copy
from typing import Any

from mien.datasets import Dataset
from mien.errors import DataError, InputError, ModelError
from mien.evaluation.notes import heads
from mien.labels import LabelSpace


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
