"""Training one network for each group of people, and making what picks among them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mien.datasets import Dataset
from mien.errors import DataError, InputError, RecipeError
from mien.labels import make_space
from mien.modalities.face.experts import DeepFaceRouter, genders
from mien.modalities.face.preprocess import FaceSettings
from mien.modality import Sampler, get_modality
from mien.model import CHOOSER, NETWORK
from mien.runtime import Session
from mien.training.log import LOGGER, log_nothing, log_prefix
from mien.training.recipe import settings_of
from mien.training.sampler import open_sampler
from mien.training.settings import NetworkSettings, Recipe


def split_groups(
    recipe: Recipe, sets: Sequence[Dataset], valid: Dataset | None
) -> dict[str, tuple[list[Dataset], Dataset | None]]:
    """The data of each group, by the values of ``experts.by``; of everybody under "" for a recipe without experts.

    A further data set without that column serves all experts.

    Raises:
        RecipeError: experts are not for this modality or network.
        DataError: the data have no such column, or a group has nothing to validate on.
    """
    by = recipe.experts.by
    if not by:
        return {"": (list(sets), valid)}
    if get_modality(recipe.modality).boxes != "face" or valid is None or recipe.network.kind == "temporal":
        raise RecipeError(f"experts.by: experts are networks that read faces, not {recipe.network.kind}")
    for part in (sets[0], valid):
        if by not in part.columns:
            raise DataError(
                f"experts.by: {part.name} has no column {by!r}; it has: {', '.join(part.columns) or 'none'}"
            )
    names = sorted({str(value) for value in sets[0].columns[by]} - {""})
    if len(names) < 2:
        raise DataError(f"experts.by: all of {sets[0].name} has the same {by}: {', '.join(names) or 'none'}")
    if recipe.experts.chooser == "deepface":
        _genders(names)
    found: dict[str, tuple[list[Dataset], Dataset | None]] = {}
    for name in names:
        held = _of_group(valid, by, name)
        if not len(held):
            raise DataError(f"experts.by: no validation samples of {valid.name} have the {by} {name}")
        found[name] = [_of_group(part, by, name) for part in sets], held
    taken = sum(len(part) for some, held in found.values() for part in (some[0], held) if part is not None)
    lost = len(sets[0]) + len(valid) - taken
    if lost:
        LOGGER.info(f"{lost:,} samples have no {by}, or one that is not in the training data; left out")
    return found


def _of_group(part: Dataset, by: str, name: str) -> Dataset:
    if by not in part.columns:
        return part
    return part.take(np.array([str(value) == name for value in part.columns[by]], bool))


def _genders(groups: Sequence[str]) -> list[int]:
    try:
        return genders(groups)
    except InputError as error:
        raise RecipeError(f"experts.chooser: {error}") from None


def expert_names(groups: Iterable[str]) -> dict[str, str]:
    """What the folder of each group's run is called, and but for the first one its network: fit for any disk."""
    names: dict[str, str] = {}
    for place, group in enumerate(groups):
        name = f"expert-{re.sub(r'[^A-Za-z0-9._-]+', '-', group).strip('-.')}"
        names[group] = name if name != "expert-" and name not in names.values() else f"expert-{place}"
    return names


def expert_files(groups: Iterable[str]) -> dict[str, str]:
    """Group → its network in the model folder; the first is the model's own."""
    names = expert_names(groups)
    return {group: f"{name}.onnx" if place else NETWORK for place, (group, name) in enumerate(names.items())}


def make_chooser(
    recipe: Recipe, sets: Sequence[Dataset], valid: Dataset, folder: Path, resume: bool
) -> tuple[dict[str, Path | bytes], dict[str, float]]:
    """What picks the expert: files for the model folder, and how often it is right on the validation data.

    Args:
        sets, valid: the data, whole: not expanded and not split.
        folder: of the run.
    """
    kind, by, face = recipe.experts.chooser, recipe.experts.by, face_settings(recipe)
    if kind == "known":
        return {}, {}
    names = sorted({str(value) for value in sets[0].columns[by]} - {""})
    told = [_by_group(part, by, names) for part in (*sets, valid) if by in part.columns]
    with log_nothing():  # what expanding has to say was logged before
        *learned, held = open_sampler(recipe).expand(told)
    files: dict[str, Path | bytes] = {}
    choose: Callable[[np.ndarray], np.ndarray]
    if kind == "deepface":
        choose = DeepFaceRouter(names)
        sampler = open_sampler(recipe).fit([held])
    else:
        files[CHOOSER], sampler = _learn(recipe, learned, held, face, folder / "chooser", resume)
        choose = Session(files[CHOOSER]).run
    right = _right(choose, sampler, held)
    LOGGER.info(f"the {kind} chooser picks the right {by} for {right:.4f} of the validation data")
    return files, {"accuracy": round(right, 6)}


def face_settings(recipe: Recipe) -> FaceSettings:
    """How a recipe for faces or clips prepares faces."""
    settings = settings_of(recipe, "preprocess")
    face: FaceSettings = getattr(settings, "face", settings)
    return face


def _by_group(part: Dataset, by: str, names: Sequence[str]) -> Dataset:
    """The samples labeled with their group instead of what they show."""
    values = np.array([str(value) for value in part.columns[by]])
    known = part.take(np.isin(values, names))
    targets = np.searchsorted(names, values[np.isin(values, names)]).astype(np.int64)
    return replace(known, space=make_space(by, names), targets=targets, votes={})


def _learn(
    recipe: Recipe, learned: list[Dataset], held: Dataset, face: FaceSettings, folder: Path, resume: bool
) -> tuple[Path, Sampler]:
    """Train a small network to tell the groups, on the experts' own crops."""
    from mien.training.network import train_network
    from mien.training.proof import prove

    blocks = max(1, min(5, int(np.log2(face.size / 4))))
    options: dict[str, Any] = {"widths": [8, 16, 32, 64, 64][:blocks], "dense": 64}
    small = recipe.model_copy(deep=True)
    small.network = NetworkSettings(kind="cnn", **options)
    small.train = type(recipe.train)(
        epochs=recipe.experts.chooser_epochs, patience=recipe.experts.chooser_epochs, learning_rate=2e-3,
        class_weights=True, batch_size=recipe.train.batch_size, seed=recipe.train.seed,
        precision=recipe.train.precision, accelerator=recipe.train.accelerator,
    )  # fmt: skip
    small.distill = type(recipe.distill)()
    with log_prefix("chooser"):
        trained, sampler = train_network(small, learned, held, folder, resume)
    batch = sampler.collate(list(held.inputs[:8]))
    path = folder / CHOOSER
    trained.write(path, 1.0, batch)
    prove(trained.reference(1.0), path, [batch], recipe.export.tolerance)
    return path, sampler


def _right(choose: Callable[[np.ndarray], np.ndarray], sampler: Sampler, held: Dataset, size: int = 64) -> float:
    """The share of things, such as clips, whose crops' mean probability is highest for their own group."""
    parts = [choose(sampler.collate(held.inputs[at : at + size])) for at in range(0, len(held), size)]
    probabilities = np.concatenate(parts)
    things = held.columns.get("clip", np.arange(len(held)))
    _, which = np.unique(things, return_inverse=True)
    sums = np.zeros((which.max() + 1, probabilities.shape[1]))
    np.add.at(sums, which, probabilities)
    targets = np.zeros(len(sums), np.int64)
    targets[which] = held.targets
    return float((sums.argmax(1) == targets).mean())
