"""Setting up a torch network, its batches and its objective for a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.fabric import seed_everything
from safetensors.torch import save
from torch import Tensor, nn

from mien import model as folders
from mien.datasets import Dataset
from mien.errors import DataError, RecipeError, did_you_mean
from mien.evaluation.evaluate import rollup_probabilities
from mien.labels import SPACES, LabelSpace
from mien.modality import Sampler, get_modality, load
from mien.networks import open_network
from mien.networks.base import Network
from mien.training.batches import Batches
from mien.training.export import Answers, HeadScale, export_network
from mien.training.folder import computed_once
from mien.training.heads import Head, head_targets, make_heads
from mien.training.log import LOGGER
from mien.training.loop import Loop
from mien.training.objective import Objective, Source, source
from mien.training.proof import ANSWERS, Reference
from mien.training.ratings import Ratings
from mien.training.sampler import open_sampler
from mien.training.settings import DistillSettings, Recipe, TrainSettings
from mien.training.start import start_from, start_head
from mien.training.validation import logits_of

_CALIBRATION = 1024  # samples by which a network adjusts what its pretrained weights do not tell


@dataclass
class TrainedNetwork:
    """A trained torch network, with what the rest of a run asks of a trained model."""

    network: Network
    sampler: Sampler
    multilabel: bool
    history: list[dict[str, float]]
    heads: list[HeadScale] = field(default_factory=list)
    ratings: Ratings = field(default_factory=Ratings)
    labels: bool = True  # whether it has any
    search: list[dict[str, Any]] = field(default_factory=list)  # no settings are tried
    held_out: None = None

    def logits(self, inputs: Sequence[Any]) -> np.ndarray:
        """float32 (n, labels, then those of the heads, then ratings)."""
        logits: np.ndarray = logits_of(self.network, self.sampler, inputs).numpy()
        return logits

    def reference(self, temperature: float) -> Reference:
        """Prepared batch → probabilities, then ratings, side by side, as the network gives them."""
        module = self._answers(temperature).eval()

        def run(batch: np.ndarray) -> np.ndarray:
            with torch.inference_mode():
                outputs = module(torch.from_numpy(batch))
            parts = [outputs] if isinstance(outputs, Tensor) else outputs
            answers = [part for name, part in zip(module.outputs, parts, strict=True) if name in ANSWERS]
            joined: np.ndarray = torch.cat(answers, 1).numpy()
            return joined

        return run

    def _answers(self, temperature: float) -> Answers:
        return Answers(self.network, self.multilabel, temperature, self.heads, self.ratings, self.labels)

    def write(self, path: Path, temperature: float, example: np.ndarray) -> None:
        """Write ``model.onnx``."""
        export_network(self._answers(temperature), example, path, self.sampler.free_axes)

    def layout(self, example: np.ndarray) -> list[dict[str, Any]]:
        """One row per layer: name, type, output shape, parameters of its own."""
        rows: list[dict[str, Any]] = []

        def note(name: str, layer: nn.Module) -> Callable[..., None]:
            def hook(_: nn.Module, __: Any, output: Any) -> None:
                shape = list((output[0] if isinstance(output, tuple) else output).shape)
                count = sum(parameter.numel() for parameter in layer.parameters(recurse=False))
                rows.append({"name": name, "type": type(layer).__name__, "output": shape, "parameters": count})

            return hook

        leaves = [(name, layer) for name, layer in self.network.named_modules() if not any(layer.children())]
        hooks = [layer.register_forward_hook(note(name, layer)) for name, layer in leaves]
        self.network.eval()
        with torch.no_grad():
            self.network(torch.from_numpy(example))
        for hook in hooks:
            hook.remove()
        return rows

    def weights(self) -> bytes:
        """The content of ``weights.safetensors``."""
        content: bytes = save({name: value.contiguous() for name, value in self.network.state_dict().items()})
        return content


def train_network(
    recipe: Recipe, sets: list[Dataset], valid: Dataset, folder: Path, resume: bool
) -> tuple[TrainedNetwork, Sampler]:
    """Train the recipe's network; see :func:`mien.training.run.train`."""
    settings, own, first = recipe.train, valid.space, sets[0]
    _check_monitor(settings.monitor, first)
    seed_everything(settings.seed, verbose=False)
    module, options = open_network(recipe.network.kind, recipe.network.options)
    if not settings.also:
        sets = [first, *(_common(part, own, settings.mix_space) for part in sets[1:])]
    heads = _heads(settings, sets, len(own))
    if heads and module.Network.labels_alone:
        raise RecipeError(f"train.also: the network {recipe.network.kind} answers in one label space")
    sampler = open_sampler(recipe, options.tokenizer()).fit(sets)
    if (seen := sampler.views) != (wanted := module.Network.views):
        raise RecipeError(f"preprocess.views: the network {recipe.network.kind} looks at {wanted}, not at {seen}")
    ratings = _ratings(recipe, sets, module)
    network = _make_network(recipe, module.Network, options, sampler, first, heads, ratings)
    shares = np.array(list(first.counts().values()), float) / len(first)
    objective = Objective(own, _sources(settings, sets), settings, recipe.distill, shares, heads, ratings)
    asked = len(sets) if recipe.distill.about == "all" else 1
    teachers = [
        teacher_probabilities(recipe.distill, part, own, folder / "teacher", heads) if place < asked else None
        for place, part in enumerate(sets)
    ]
    batches = Batches(sampler, sets, teachers, settings.batch_size, settings.seed, heads, ratings)
    history = Loop(network, sampler, objective, batches, valid, settings, folder, resume).run()
    scales = [HeadScale.plain(head.space) for head in heads]
    network.float().eval()
    return TrainedNetwork(network, sampler, own.multilabel, history, scales, ratings, len(own) > 0), sampler


def _make_network(
    recipe: Recipe, kind: Any, options: Any, sampler: Sampler, first: Dataset, heads: list[Head], ratings: Ratings
) -> Network:
    """The network as it is before the first epoch: new, from pretrained weights, or from an earlier run."""
    settings, own = recipe.train, first.space
    if not settings.epochs and len(own):
        raise RecipeError("train.epochs: 0, and train.head_start learns ratings alone; these data have labels")
    options = options.without_weights() if settings.start else options
    network: Network = kind(options, labels=len(own) + sum(map(len, heads)) + len(ratings), **sampler.input_spec)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # as pictures come: convolutions are far faster
    if settings.start:
        start_from(network, settings.start, own, [head.name for head in heads], ratings)
    elif not settings.head_start:  # which sees to that
        network.calibrate(torch.from_numpy(sampler.collate(first.inputs[:_CALIBRATION])))
    if settings.head_start:
        start_head(network, sampler, first, ratings, sampler.evaluation_batch, settings.seed)
    longest, wanted = network.longest, getattr(sampler.settings, "max_length", 0)
    if longest is not None and wanted > longest:
        raise RecipeError(f"preprocess.max_length: {wanted} tokens; the network: {longest}")
    return network


def _sources(settings: TrainSettings, sets: list[Dataset]) -> list[Source]:
    """How each data set teaches the network, whose labels are those of the first."""
    weight = settings.mix_weight
    weights = [1.0, *(weight if isinstance(weight, list) else [weight] * (len(sets) - 1))]
    if len(weights) != len(sets):
        raise RecipeError(f"train.mix_weight has {len(weights) - 1} numbers for {len(sets) - 1} further data sets")
    first = sets[0].space
    try:
        return [
            source(part.space, first, weight, not settings.also or part.space.names == first.names)
            for part, weight in zip(sets, weights, strict=True)
        ]
    except ValueError as error:
        raise DataError(f"{error}; set train.mix_space to a space that both lead to") from error


def _check_monitor(monitor: str, part: Dataset) -> None:
    """See that validation gives the figure that is monitored; Raises RecipeError."""
    if monitor == "val_map" and not part.space.multilabel:
        raise RecipeError("train.monitor: val_map is for several labels at a time; here there is one")
    labels = ["val_accuracy", "val_macro_f1", *(["val_map"] if part.space.multilabel else [])]
    known = ["val_loss", *(labels if len(part.space) else []), *(["val_pearson"] if part.ratings else [])]
    if monitor not in known:
        raise RecipeError(f"train.monitor: {part.name} gives no {monitor}; it gives: {', '.join(known)}")


def _ratings(recipe: Recipe, sets: list[Dataset], module: Any) -> Ratings:
    """What the network learns to rate.

    Raises:
        DataError: the first set has no labels, and its ratings cannot be learned.
        RecipeError: no data set has a rating that the recipe names.
    """
    first, wanted = sets[0], recipe.train.ratings
    rated = get_modality(recipe.modality).rated
    if not rated or module.Network.labels_alone:  # which know of labels alone
        if not len(first.space):
            what = f"{first.name} has no labels, and the network {recipe.network.kind} gives no ratings"
            raise DataError(what if rated else f"{what} of {recipe.modality}")
        if wanted:
            raise RecipeError(f"train.ratings: the network {recipe.network.kind} gives no ratings of {recipe.modality}")
        return Ratings()
    return Ratings.named(wanted, sets) if wanted else Ratings.rated_in(first)


def _heads(settings: TrainSettings, sets: list[Dataset], start: int) -> list[Head]:
    """The further heads, which stand in the network's output from column *start* on.

    Raises:
        RecipeError: there is no such label space, or one that can hold together is not among them.
        DataError: no data set says anything of its labels, or the first one has none of its own.
    """
    for name in settings.also:
        if name not in SPACES:
            near = did_you_mean(name, SPACES)
            raise RecipeError(f"train.also: there is no label space {name!r}; there are: {', '.join(SPACES)}{near}")
    if settings.also and not len(sets[0].space):
        raise DataError(f"train.also: {sets[0].name} has no labels; name a data set first that has some")
    if lacking := [name for name in settings.also_multilabel if name not in settings.also]:
        raise RecipeError(f"train.also_multilabel: {lacking[0]!r} is not among train.also")
    heads = make_heads(settings.also, settings.also_multilabel, start)
    for head in heads:
        if all(head_targets(part, head.space) is None for part in sets):
            have = ", ".join(name for part in sets for name in part.votes) or "no further label space"
            names = " and ".join(part.name for part in sets)
            raise DataError(f"train.also: {names} is not labeled in {head.name!r}; it has: {have}")
    return heads


def _common(part: Dataset, own: LabelSpace, mix_space: str) -> Dataset:
    """The set in the network's own space if that is what it has, else in the space that both lead to."""
    return part if part.space.names == own.names or not mix_space else part.rollup(mix_space)


def teacher_probabilities(
    settings: DistillSettings, part: Dataset, space: LabelSpace, cache: Path, heads: Sequence[Head] = ()
) -> np.ndarray | None:
    """Mean probabilities of the teachers; None without a teacher.

    A teacher is asked once: what it said is kept in the folder *cache*, for a run that is resumed.

    Returns:
        float32 (n, labels of *space*); where all teachers answer in the *heads* too, with theirs behind these.
    """
    if not settings.teacher:
        return None
    parts = []
    for name in settings.teacher.split(","):
        folder = folders.find_model(name.strip())
        manifest = folders.read_manifest(folder)
        kept = cache / f"{manifest.files[folders.NETWORK].sha256[:16]}-{part.fingerprint[:16]}.npy"

        def ask(folder: Path = folder, manifest: folders.Manifest = manifest) -> np.ndarray:
            LOGGER.info(f"asking the teacher {manifest.name} about {len(part):,} samples")
            return load(folder).with_all_labels().predict_proba(part.inputs)

        answers = computed_once(kept, (len(part), manifest.widths["probabilities"]), ask)
        own = rollup_probabilities(answers[:, : len(manifest.space)], manifest.space, space)
        columns = [manifest.columns(head.name) for head in heads]
        further = [answers[:, place] for place in columns if place is not None]
        parts.append(np.hstack([own, *further]) if len(further) == len(heads) else own)
    width = min(found.shape[1] for found in parts)
    return np.asarray(np.mean([found[:, :width] for found in parts], axis=0), np.float32)
