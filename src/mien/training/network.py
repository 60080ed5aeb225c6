"""Setting up a torch network, its batches and its objective for a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import lightning
import numpy as np
from pydantic import ValidationError

from mien import model as folders
from mien.data import Dataset
from mien.emotions import LabelSpace
from mien.errors import DataError, RecipeError
from mien.evaluation.evaluate import rollup_probabilities
from mien.networks import network_module
from mien.text.task import TextTask
from mien.training.batches import Batches
from mien.training.fit import Module, TrainedNetwork, fit
from mien.training.objective import Objective, source
from mien.training.recipe import DistillSettings, Recipe


def train_network(
    recipe: Recipe, sets: list[Dataset], valid: Dataset, folder: Path, resume: bool, say: Callable[[str], None]
) -> tuple[TrainedNetwork, TextTask]:
    """Train the recipe's network; see :func:`mien.training.run.train`."""
    module = network_module(recipe.network.kind)
    try:
        options = module.Settings.model_validate(recipe.network.options)
    except ValidationError as error:
        first = error.errors()[0]
        raise RecipeError(f"network.{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    pretrained = module.weights_folder(options.weights) if getattr(options, "weights", "") else None
    lightning.seed_everything(recipe.train.seed, verbose=False)
    own = valid.space
    sets = [sets[0], *(_common(part, own, recipe.train.mix_space) for part in sets[1:])]
    texts = [text for part in sets for text in part.inputs]
    task = TextTask(recipe, texts, pretrained)
    network = module.Network(
        options, labels=len(own), vocabulary=task.vocabulary, pad_id=task.settings.pad_id, unknown_id=task.unknown_id
    )
    try:
        sources = [source(part.space, own, 1.0 if i == 0 else recipe.train.mix_weight) for i, part in enumerate(sets)]
    except ValueError as error:
        raise DataError(f"{error}; set train.mix_space to a space that both lead to") from error
    shares = np.array(list(sets[0].counts().values()), float) / len(sets[0])
    objective = Objective(own, sources, recipe.train, recipe.distill, shares)
    teachers = [teacher_probabilities(recipe.distill, part.inputs, own, say) for part in sets]
    batches = Batches(task, sets, teachers, recipe.train.batch_size, recipe.train.seed)
    lightning_module = Module(network, task, objective, batches, valid, recipe.train)
    return fit(lightning_module, folder, resume=resume, say=say), task


def _common(part: Dataset, own: LabelSpace, mix_space: str) -> Dataset:
    """The set in the network's own space if that is what it has, else in the space that both lead to."""
    return part if part.space.names == own.names or not mix_space else part.rollup(mix_space)


def teacher_probabilities(
    settings: DistillSettings, inputs: Sequence[str], space: LabelSpace, say: Callable[[str], None]
) -> np.ndarray | None:
    """Mean probabilities of the teachers, float32 (n, labels of *space*); None without a teacher."""
    if not settings.teacher:
        return None
    parts = []
    for name in settings.teacher.split(","):
        teacher = folders.load(name.strip())
        say(f"asking the teacher {teacher.name} about {len(inputs):,} samples")
        probabilities = teacher.probabilities(inputs)
        parts.append(rollup_probabilities(probabilities, teacher.space, space))
    mean: np.ndarray = np.mean(parts, axis=0, dtype=np.float32)
    return mean
