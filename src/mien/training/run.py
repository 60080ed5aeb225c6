"""A training run from recipe and data to a model folder and a report.

::

    runs/text-gru-1/
      config.yaml       recipe with all settings, data and its fingerprints: all it takes to repeat the run
      history.json      loss and accuracy of each epoch
      checkpoints/      last.ckpt to resume from, best.ckpt
      report/           the report on the validation data
      model/            the model folder
"""

from __future__ import annotations

import importlib.metadata
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import yaml

from mien import model as folders
from mien.data import Dataset, open_dataset
from mien.data.splits import split_rows
from mien.emotions import MAPS, SPACES, LabelSpace, get_space
from mien.errors import DataError, ExportError, MienError, RecipeError, require
from mien.evaluation import evaluate
from mien.evaluation.evaluate import rollup_probabilities
from mien.evaluation.metrics import best_thresholds, tuned_metrics
from mien.model import LabelsEntry, Manifest
from mien.networks import open_network
from mien.training.card import card
from mien.training.publish import headline
from mien.training.recipe import Recipe, load_recipe
from mien.training.task import Task

CONFIG = "config.yaml"
_CALIBRATION = 512  # pictures on which the ranges of an 8-bit network are measured
Say = Callable[[str], None]


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        folder: the run folder.
        model: the model folder in it.
        metrics: figures on the validation data, as measured with the model folder.
    """

    folder: Path
    model: Path
    metrics: dict[str, Any]


class Trained(Protocol):
    """What a run asks of a trained model, whatever it was trained with."""

    history: list[dict[str, float]]
    heads: list[tuple[int, float]]

    def logits(self, inputs: Sequence[Any]) -> np.ndarray: ...
    def reference(self, temperature: float) -> Callable[[np.ndarray], np.ndarray]: ...
    def write(self, path: Path, temperature: float, example: np.ndarray) -> None: ...
    def layout(self, example: np.ndarray) -> list[dict[str, Any]]: ...
    def weights(self) -> bytes: ...


def train(
    recipe: str | Path,
    data: str | Dataset | Sequence[str | Dataset],
    out: str | Path | None = None,
    *,
    resume: bool = False,
    say: Say | None = None,
    settings: Sequence[str] = (),
    report: bool = True,
    **overrides: Any,
) -> Run:
    """Train a model.

    Args:
        recipe: name of a shipped recipe, or a YAML file.
        data: ``reader:path`` or a data set in memory, or several: the first gives labels and validation data, the
            others are learned from besides (see the recipe's ``train.mix_space`` and ``train.mix_weight``). A set in
            memory is noted in the run folder by its name and fingerprint.
        out: the run folder; by default ``runs/<recipe>-<number>``.
        resume: go on with the run in *out* where it was stopped.
        say: called with lines for a person.
        report: whether to write the page with the figures on the validation data.
        settings: ``["train.epochs=3"]``; *overrides* are the same as keywords: ``epochs=3``.

    Raises:
        RecipeError: the recipe or a setting is wrong, or *out* holds another run.
        DataError: the data is unusable.
        ExportError: the exported model does not give the network's numbers.
        MissingExtra: a package of ``mien[train]`` is not installed.
    """
    require("sklearn", "train")
    started, begun, say = time.monotonic(), datetime.now(UTC), say or _nothing
    checked = load_recipe(recipe, [*settings, *(f"{key}={value}" for key, value in overrides.items())])
    open_network(checked.network.kind, checked.network.options)  # a wrong setting is said before a folder is made
    given = [data] if isinstance(data, str | Dataset) else list(data)
    specs = [entry if isinstance(entry, str) else entry.name for entry in given]
    sets = [open_dataset(entry) if isinstance(entry, str) else entry for entry in given]
    sets[0] = with_splits(sets[0], checked.train.seed)
    folder = Path(out) if out else _next_folder(checked.name)
    config = {
        "recipe": checked.model_dump(mode="json"),
        "data": [{"spec": spec, "fingerprint": part.fingerprint} for spec, part in zip(specs, sets, strict=True)],
    }
    try:
        _claim(folder, config, resume)
    except OSError as error:
        raise MienError(f"cannot write the run folder {folder}: {error.strerror or error}") from error
    finished = folder / "model"
    if resume and (finished / folders.MANIFEST).exists() and (metrics := folders.verify(finished).metrics):
        say(f"{folder} is already finished")
        return Run(folder, finished, metrics[f"{sets[0].name}/val"])
    train_sets = [sets[0].part("train"), *(extra.part("train") for extra in sets[1:])]
    valid = sets[0].part("val")
    for part, spec in zip(sets, specs, strict=True):
        say(f"{spec}: {len(part):,} samples, {len(part.space)} labels, {len(part.problems)} left out")
    say(f"training {checked.name} on {sum(map(len, train_sets)):,} samples, validating on {len(valid):,}, in {folder}")
    trained, task = _fit(checked, train_sets, valid, folder, resume, say)
    manifest = Manifest(
        name=checked.name,
        modality=checked.modality,
        summary=checked.summary,
        labels=LabelsEntry(space=valid.space.name, names=list(valid.space.names), multilabel=valid.space.multilabel),
        preprocess=task.settings.model_dump(),
        heads=[LabelsEntry(space=name, names=list(SPACES[name].names)) for name in checked.train.also],
        data=list({part.fingerprint: _described(spec, part) for spec, part in zip(specs, sets, strict=True)}.values()),
        training={
            "recipe": checked.name,
            "settings": _shareable(checked),
            "seed": checked.train.seed,
            "started": begun.isoformat(timespec="seconds"),
            "machine": machine(),
            "history": trained.history,
        },
        versions=versions(),
    )
    if checked.train.start:
        remember_start(manifest, folders.read_manifest(folders.find_model(checked.train.start)))
    _write_model(checked, trained, task, train_sets[0], valid, manifest, finished, say)
    measured = evaluate(folders.load(finished), sets[0], split="val")
    if report:
        measured.write(folder / "report")
    manifest.metrics[f"{valid.name}/val"] = headline(measured.to_dict())
    trained_for = sum(row.get("seconds", 0.0) for row in trained.history)  # of a resumed run, before it stopped too
    manifest.training["seconds"] = round(max(time.monotonic() - started, trained_for), 1)
    content = {name: finished / name for name in folders.verify(finished).files if name != folders.CARD}
    folders.write_model(finished, manifest, content, card(manifest))
    say(f"model folder: {finished}")
    return Run(folder, finished, manifest.metrics[f"{valid.name}/val"])


def _shareable(recipe: Recipe) -> dict[str, Any]:
    """The settings for a manifest: without the folders of this machine that pretrained weights lie in."""
    settings: dict[str, Any] = recipe.model_dump(mode="json")
    weights = settings["network"].get("weights", "")
    if weights and not weights.startswith("package:"):
        settings["network"]["weights"] = Path(weights).name
    return settings


def remember_start(manifest: Manifest, earlier: Manifest) -> None:
    """Note in a manifest the model that training went on from, with the data that it had learned from."""
    manifest.training["start"] = earlier.training
    manifest.data = list({entry["fingerprint"]: entry for entry in [*manifest.data, *earlier.data]}.values())


def _nothing(_: str) -> None:
    """For a run that tells nobody; a function of the module, because several devices need it pickled."""


def with_splits(dataset: Dataset, seed: int) -> Dataset:
    """The set with a train and a val split: its own, or seeded and stratified ones where it has none.

    Raises:
        DataError: it has splits, but none to train on.
    """
    if not dataset.splits:
        return replace(dataset, split=split_rows(dataset.targets, seed=seed))
    if "train" not in dataset.splits:
        raise DataError(f"{dataset.name} has nothing to train on: its splits are {', '.join(dataset.splits)}")
    if "val" in dataset.splits:
        return dataset
    split, rows = dataset.split.copy(), np.flatnonzero(dataset.split == "train")
    parts = split_rows(dataset.targets[rows], shares=(0.9, 0.1, 0.0), seed=seed)
    split[rows[parts == "val"]] = "val"
    return replace(dataset, split=split)


def _next_folder(name: str) -> Path:
    number = 1
    while (folder := Path("runs") / f"{name}-{number}").exists():
        number += 1
    return folder


def _claim(folder: Path, config: dict[str, Any], resume: bool) -> None:
    path = folder / CONFIG
    begun = (folder / "checkpoints").exists() or (folder / "model").exists()
    if path.exists() and (begun or resume):
        if not resume:
            raise RecipeError(f"{folder} holds a run already; go on with it (--resume) or name another folder (--out)")
        before = yaml.safe_load(path.read_text("utf-8"))
        if before != config:
            parts = [key for key in config if before.get(key) != config[key]]
            raise RecipeError(f"{folder} holds a run with another {' and '.join(parts)}; resume it with its own")
        return
    if resume and not folder.exists():
        raise RecipeError(f"{folder} holds no run to resume")
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(config, sort_keys=False, allow_unicode=True), "utf-8")


def _fit(
    recipe: Recipe, sets: list[Dataset], valid: Dataset, folder: Path, resume: bool, say: Say
) -> tuple[Trained, Task]:
    if recipe.network.kind == "linear":
        from mien.training.linear import train_linear

        return train_linear(recipe, sets, valid, say)
    from mien.training.network import train_network

    return train_network(recipe, sets, valid, folder, resume, say)


def _write_model(
    recipe: Recipe,
    trained: Trained,
    task: Task,
    learned: Dataset,
    valid: Dataset,
    manifest: Manifest,
    target: Path,
    say: Say,
) -> None:
    """Calibrate, export, prove, quantise if asked, choose thresholds on validation data, write the folder."""
    from mien.training.export import fit_temperature, prove, quantize, run_network

    temperature, labels = 1.0, len(valid.space)
    if recipe.export.calibrate:
        logits = trained.logits(valid.inputs)
        temperature = fit_temperature(logits[:, :labels], valid.targets)
        for place, head in enumerate(manifest.heads):
            votes, columns = valid.also[head.space], manifest.columns(head.space)
            known = votes.any(1)
            heat = fit_temperature(logits[known, columns], votes[known].argmax(1))
            trained.heads[place] = len(head.names), heat
    shown = list(valid.inputs[:256])
    batches = [task.collate(shown[at : at + size]) for at, size in ((0, 1), (1, 7), (8, 64), (72, 184)) if shown[at:]]
    network = target.parent / "model.onnx"
    trained.write(network, temperature, batches[-1])
    difference = prove(trained.reference(temperature), network, batches, recipe.export.tolerance)
    say(f"model.onnx gives the trained model's probabilities within {difference:.1e}")
    probabilities = run_network(network, task, valid.inputs)[:, :labels]
    manifest.training |= {
        "layout": trained.layout(batches[-1][:1]),
        "temperature": round(temperature, 4),
        **({"head_temperatures": [round(heat, 4) for _, heat in trained.heads]} if trained.heads else {}),
        "export_difference": float(f"{difference:.2e}"),
    }
    if recipe.export.quantize == "int8":
        small = target.parent / "model.int8.onnx"
        taken = learned.inputs[:: -(-len(learned) // _CALIBRATION)] if learned.modality != "text" else []
        quantize(network, small, [task.collate(taken[at : at + 64]) for at in range(0, len(taken), 64)])
        names = valid.space.names
        before = tuned_metrics(valid.targets, probabilities, names)["macro_f1"]
        probabilities = run_network(small, task, valid.inputs)[:, :labels]
        after = tuned_metrics(valid.targets, probabilities, names)["macro_f1"]
        say(f"in 8 bits: validation macro-F1 {after:.4f}, before {before:.4f}")
        if before - after > recipe.export.quantize_tolerance:
            allowed = recipe.export.quantize_tolerance
            raise ExportError(f"8 bits cost {before - after:.4f} of macro-F1, {allowed} is allowed")
        manifest.training["quantized"] = {"macro_f1_before": before, "macro_f1_after": after}
        small.replace(network)
    if valid.space.multilabel:
        manifest.thresholds, manifest.rollups = choose_thresholds(valid, probabilities)
    content: dict[str, Path | bytes] = {folders.NETWORK: network, **task.files}
    if recipe.export.weights:
        content[folders.WEIGHTS] = trained.weights()
    folders.write_model(target, manifest, content, card(manifest))
    network.unlink()


def choose_thresholds(
    valid: Dataset, probabilities: np.ndarray
) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """Thresholds per label of the set's own space, and of each coarser space there is a map to."""

    def chosen(space: LabelSpace, targets: np.ndarray, scores: np.ndarray) -> dict[str, float]:
        values = best_thresholds(targets, scores)
        return {label: round(float(value), 6) for label, value in zip(space.names, values, strict=True)}

    rollups = {}
    for source, target in MAPS:
        if source == valid.space.name:
            coarse = get_space(target)
            held = rollup_probabilities(valid.targets, valid.space, coarse)
            fits = held.any(1)  # a report in that space leaves out the others
            scores = rollup_probabilities(probabilities, valid.space, coarse)
            rollups[target] = chosen(coarse, held[fits], scores[fits])
    return chosen(valid.space, valid.targets, probabilities), rollups


def _described(spec: str, dataset: Dataset) -> dict[str, Any]:
    return {
        "spec": dataset.name if ":" not in spec else f"{spec.partition(':')[0]}:{Path(spec.partition(':')[2]).name}",
        "fingerprint": dataset.fingerprint,
        "samples_fingerprint": dataset.samples_fingerprint,
        "licence": dataset.licence,
        "rows": {split: int((dataset.split == split).sum()) for split in dataset.splits},
        "labels": dataset.space.name,
    }


def machine() -> str:
    """The machine in words: processor kind, cores, GPU if there is one."""
    from mien.runtime import usable_threads

    words = f"{platform.system()} {platform.machine()}, {usable_threads()} cores"
    try:
        import torch

        if torch.cuda.is_available():
            words += f", {torch.cuda.device_count()} × {torch.cuda.get_device_name()}"
    except ImportError:
        pass
    return words


def versions() -> dict[str, str]:
    """Versions of mien, Python and the libraries that numbers depend on."""
    found = {"python": platform.python_version()}
    for package in ("mien", "numpy", "onnxruntime", "tokenizers", "torch", "lightning", "scikit-learn", "onnx"):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
