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
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from mien import model as folders
from mien.data import Dataset, open_dataset
from mien.data.splits import split_rows
from mien.emotions import SPACES
from mien.errors import DataError, MienError, RecipeError, require
from mien.evaluation import evaluate
from mien.model import ExpertsEntry, LabelsEntry, Manifest
from mien.networks import open_network
from mien.training.card import card
from mien.training.experts import expert_file, make_chooser, split_groups
from mien.training.finish import Fitted, Say, Trained, about, write
from mien.training.publish import headline
from mien.training.recipe import Recipe, load_recipe
from mien.training.task import Task, unfold

CONFIG = "config.yaml"


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
    fitted = _fit_all(checked, train_sets, valid, folder, resume, say)
    trained, task = next((one.trained, one.task) for one in fitted.values())
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
    choosers: dict[str, Path | bytes] = {}
    if checked.experts.by:
        choosers, figures = make_chooser(checked, train_sets, valid, folder, resume, say)
        networks = {group: expert_file(group, place) for place, group in enumerate(fitted)}
        manifest.experts = ExpertsEntry(
            by=checked.experts.by, networks=networks, chooser=checked.experts.chooser, figures=figures
        )
    write(checked, fitted, valid, manifest, finished, choosers, say)
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
    begun = (folder / "model").exists() or any(folder.glob("checkpoints")) or any(folder.glob("*/checkpoints"))
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


def _fit_all(
    recipe: Recipe, sets: list[Dataset], valid: Dataset, folder: Path, resume: bool, say: Say
) -> dict[str, Fitted]:
    """The network for everybody under "", or one for each group of people."""
    groups = split_groups(recipe, sets, valid, say)
    samples = iter(unfold(recipe, [part for some, held in groups.values() for part in (*some, held)], say))
    fitted = {}
    for group, (some, _) in groups.items():
        learned, held = [next(samples) for _ in some], next(samples)
        home, tell = folder, say
        if group:
            home, tell = folder / Path(expert_file(group, 1)).stem, partial(about, group, say)
        trained, task = _fit(recipe, learned, held, home, resume, tell)
        fitted[group] = Fitted(trained, task, learned[0], held)
    return fitted


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
