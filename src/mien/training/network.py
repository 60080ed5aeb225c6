"""Setting up a torch network, its batches and its objective for a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import lightning
import numpy as np
from safetensors.torch import load_file
from torch import nn

from mien import model as folders
from mien.data import Dataset
from mien.emotions import LabelSpace
from mien.errors import DataError, RecipeError
from mien.evaluation.evaluate import rollup_probabilities
from mien.networks import open_network
from mien.text.task import TextTask
from mien.training.batches import Batches
from mien.training.fit import Module, TrainedNetwork, fit
from mien.training.objective import Objective, source
from mien.training.recipe import DistillSettings, Recipe


def train_network(
    recipe: Recipe, sets: list[Dataset], valid: Dataset, folder: Path, resume: bool, say: Callable[[str], None]
) -> tuple[TrainedNetwork, TextTask]:
    """Train the recipe's network; see :func:`mien.training.run.train`."""
    module, options = open_network(recipe.network.kind, recipe.network.options)
    pretrained = module.weights_folder(options.weights) if getattr(options, "weights", "") else None
    own = valid.space
    if recipe.train.monitor == "val_map" and not own.multilabel:
        raise RecipeError("train.monitor: val_map is for several labels at a time; here there is one")
    lightning.seed_everything(recipe.train.seed, verbose=False)
    sets = [sets[0], *(_common(part, own, recipe.train.mix_space) for part in sets[1:])]
    texts = [text for part in sets for text in part.inputs]
    task = TextTask(recipe, texts, pretrained)
    network = module.Network(
        options, labels=len(own), vocabulary=task.vocabulary, pad_id=task.settings.pad_id, unknown_id=task.unknown_id
    )
    if recipe.train.start:
        start_from(network, recipe.train.start)
    given = recipe.train.mix_weight
    weights = [1.0, *(given if isinstance(given, list) else [given] * (len(sets) - 1))]
    if len(weights) != len(sets):
        raise RecipeError(f"train.mix_weight has {len(weights) - 1} numbers for {len(sets) - 1} further data sets")
    if task.settings.max_length > getattr(network, "longest", task.settings.max_length):
        raise RecipeError(f"preprocess.max_length: {task.settings.max_length} tokens; the network: {network.longest}")
    try:
        sources = [source(part.space, own, weight) for part, weight in zip(sets, weights, strict=True)]
    except ValueError as error:
        raise DataError(f"{error}; set train.mix_space to a space that both lead to") from error
    shares = np.array(list(sets[0].counts().values()), float) / len(sets[0])
    objective = Objective(own, sources, recipe.train, recipe.distill, shares)
    taught = teacher_probabilities(recipe.distill, sets[0], own, folder / "teacher", say)
    teachers = [taught, *(None for _ in sets[1:])]
    batches = Batches(task, sets, teachers, recipe.train.batch_size, recipe.train.seed)
    lightning_module = Module(network, task, objective, batches, valid, recipe.train)
    return fit(lightning_module, folder, resume=resume, say=say), task


def start_from(network: nn.Module, folder: str) -> None:
    """Give a network the weights of an earlier run of the same network.

    Raises:
        ModelError: there is no such model, or its folder is damaged.
        RecipeError: it keeps no weights, or those of another network.
    """
    model = folders.find_model(folder)
    if folders.WEIGHTS not in folders.verify(model).files:
        raise RecipeError(f"train.start: {model} keeps no {folders.WEIGHTS} (export.weights was false)")
    try:
        network.load_state_dict(load_file(model / folders.WEIGHTS))
    except RuntimeError as error:
        raise RecipeError(
            f"train.start: {model} holds another network: {str(error).splitlines()[1].strip()}"
        ) from error


def _common(part: Dataset, own: LabelSpace, mix_space: str) -> Dataset:
    """The set in the network's own space if that is what it has, else in the space that both lead to."""
    return part if part.space.names == own.names or not mix_space else part.rollup(mix_space)


def teacher_probabilities(
    settings: DistillSettings, part: Dataset, space: LabelSpace, cache: Path, say: Callable[[str], None]
) -> np.ndarray | None:
    """Mean probabilities of the teachers, float32 (n, labels of *space*); None without a teacher.

    A teacher is asked once: what it said is kept in the folder *cache*, for a run that is resumed.
    """
    if not settings.teacher:
        return None
    parts = []
    for name in settings.teacher.split(","):
        folder = folders.find_model(name.strip())
        manifest = folders.read_manifest(folder)
        kept = cache / f"{manifest.files[folders.NETWORK].sha256[:16]}-{part.fingerprint[:16]}.npy"
        if not kept.exists():
            say(f"asking the teacher {manifest.name} about {len(part):,} samples")
            cache.mkdir(parents=True, exist_ok=True)
            np.save(kept, folders.load(folder).probabilities(part.inputs))
        parts.append(rollup_probabilities(np.load(kept), manifest.space, space))
    return np.asarray(np.mean(parts, axis=0), np.float32)
