"""A training run from recipe and data to a model folder and a report.

::

    runs/text-gru-1/
      config.yaml       recipe with all settings, data and its fingerprints: all it takes to repeat the run
      history.json      loss and accuracy of each epoch; or search.json, the settings that were tried
      checkpoints/      last.ckpt to resume from, best.ckpt
      report/           the report on the validation data
      model/            the model folder
"""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from mien import model as folders
from mien.datasets import Dataset, open_dataset
from mien.datasets.dataset import account
from mien.datasets.splits import split_rows, strata
from mien.errors import DataError
from mien.evaluation import evaluate
from mien.evaluation.held_out import HeldOut
from mien.evaluation.notes import few_notes
from mien.evaluation.report import Report
from mien.inputs import to_write
from mien.labels import SPACES
from mien.modality import Sampler, load
from mien.model import ExpertsEntry, LabelsEntry, Manifest
from mien.networks import AT_ONCE, OF_ROWS
from mien.output.terminal import progress
from mien.runtime import probabilities_of
from mien.training.card import INNER
from mien.training.experts import expert_files, expert_names, make_chooser, split_groups
from mien.training.folder import machine, next_folder, prepare_run_dir, versions
from mien.training.log import LOGGER, log_prefix, log_to
from mien.training.needs import check_needs
from mien.training.package import Fitted, Trained, package_model, rewrite_manifest
from mien.training.publish import headline
from mien.training.recipe import as_setting, load_recipe
from mien.training.sampler import open_sampler
from mien.training.settings import Recipe


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        folder: the run folder.
        model: the model folder in it.
        metrics: figures on the validation data, as measured with the model folder; see ``measured_on``.
        measured_on: "validation", or "inner folds" of the training data where there were no validation data.
    """

    folder: Path
    model: Path
    metrics: dict[str, Any]
    measured_on: str = "validation"


def train(
    recipe: str | Path,
    data: str | Dataset | Sequence[str | Dataset],
    out: str | Path | None = None,
    *,
    resume: bool = False,
    say: Callable[[str], object] | None = None,
    settings: Sequence[str] = (),
    report: bool = True,
    folds: str | int | None = None,
    **overrides: Any,
) -> Run:
    """Train a model.

    Args:
        recipe: name of a shipped recipe, or a YAML file.
        data: ``reader:path`` or a data set in memory, or several: the first gives labels and validation data, the
            others are learned from besides (see the recipe's ``train.mix_space`` and ``train.mix_weight``). A set in
            memory is noted in the run folder by its name and fingerprint.
        out: the run folder; by default ``runs/<recipe>-<number>``.
        resume: resume the run in *out* where it was stopped.
        say: deprecated; the lines for a person go to the logger "mien.training".
        report: whether to write the page with the figures on the validation data.
        folds: cross-validate first: a column of the first data set whose values are the folds, or how many to make; see
            :func:`mien.training.crossval.cross_validate`.
        settings: ``["train.epochs=3"]``; *overrides* are the same as keywords: ``epochs=3``.

    Raises:
        RecipeError: the recipe or a setting is wrong, or *out* holds another run.
        DataError: the data is unusable.
        ExportError: the exported model does not give the network's numbers.
        MissingExtra: a package of the extra "train", or one that the recipe names, is not installed.
    """
    lines = [*settings, *(as_setting(key, value) for key, value in overrides.items())]
    if say is not None:
        warnings.warn('say= is deprecated: set up the logger "mien.training" instead', DeprecationWarning, stacklevel=2)
    with log_to(say) if say else nullcontext():
        if folds is None:
            return train_once(recipe, data, out, resume=resume, settings=lines, report=report)
        from mien.training.crossval import cross_validate

        return cross_validate(recipe, data, folds, out, resume=resume, settings=lines, report=report)


def train_once(
    recipe: str | Path,
    data: str | Dataset | Sequence[str | Dataset],
    out: str | Path | None,
    *,
    resume: bool,
    settings: Sequence[str],
    report: bool,
) -> Run:
    """Train one model, without cross-validation; see :func:`train`."""
    started, begun = time.monotonic(), datetime.now(UTC)
    checked = load_recipe(recipe, settings)
    check_needs(checked, report, settings)
    sets = _open_sets(checked, data)
    first = sets[0][1]
    folder = to_write(out) if out else next_folder(checked.name)
    finished = folder / "model"
    has_begun = any(folder.glob("checkpoints")) or any(folder.glob("*/checkpoints")) or finished.exists()
    _lock = prepare_run_dir(folder, _config(checked, sets), resume, has_begun)
    measured_on = "validation" if "val" in first.splits else INNER
    figures_of = f"{first.name}/{'val' if 'val' in first.splits else INNER}"
    if resume and (finished / folders.MANIFEST).exists() and (metrics := folders.verify(finished).metrics):
        LOGGER.info(f"{folder} is already finished")
        return Run(folder, finished, metrics[figures_of], measured_on)
    train_sets = [part.part("train") for _, part in sets]
    valid = first.part("val") if "val" in first.splits else None
    _log_sets(sets)
    held = "" if valid is None else f", validating on {len(valid):,}"
    LOGGER.info(f"training {checked.name} on {sum(map(len, train_sets)):,} samples{held}, in {folder}")
    fitted = _fit_all(checked, train_sets, valid, folder, resume)
    if checked.train.also:
        others = [part.part("val") for _, part in sets[1:]]
        fitted = {group: replace(one, others=train_sets[1:], others_valid=others) for group, one in fitted.items()}
    trained, sampler = next((one.trained, one.sampler) for one in fitted.values())
    if trained.search:
        (folder / "search.json").write_text(json.dumps(trained.search, indent=1) + "\n", "utf-8")
    manifest = _manifest(checked, sets, trained, sampler, begun)
    choosers: dict[str, Path | bytes] = {}
    if checked.experts.by and valid is not None:
        choosers, figures = make_chooser(checked, train_sets, valid, folder, resume)
        manifest.experts = ExpertsEntry(
            by=checked.experts.by, networks=expert_files(fitted), chooser=checked.experts.chooser, figures=figures
        )
    package_model(checked, fitted, manifest, finished, choosers)
    measured = _measure(trained, manifest, finished, first, min(64, sampler.evaluation_batch))
    if report:
        measured.write(folder / "report")
    manifest.metrics[figures_of] = headline(measured.to_dict())
    trained_for = sum(row.get("seconds", 0.0) for row in trained.history)  # of a resumed run, before it stopped too
    manifest.training["seconds"] = round(max(time.monotonic() - started, trained_for), 1)
    rewrite_manifest(finished, manifest)
    if measured_on == INNER:
        LOGGER.info(f"learned from all {len(train_sets[0]):,} samples in {manifest.training['seconds']:.1f} s")
    LOGGER.info(f"model folder: {finished}")
    return Run(folder, finished, manifest.metrics[figures_of], measured_on)


def _open_sets(recipe: Recipe, data: str | Dataset | Sequence[str | Dataset]) -> list[tuple[str, Dataset]]:
    """What each data set was called, and the set; the first has a train and, where it is needed, a val split."""
    sets: list[tuple[str, Dataset]] = []
    for entry in [data] if isinstance(data, str | Dataset) else data:
        spec = entry if isinstance(entry, str) else entry.name
        part = open_dataset(entry, progress=progress) if isinstance(entry, str) else entry
        if part.modality != recipe.modality:
            raise DataError(f"{spec} holds {part.modality}; the recipe {recipe.name} learns from {recipe.modality}")
        if not sets:
            in_folds = recipe.network.kind in OF_ROWS and recipe.search.folds > 0
            if in_folds and not recipe.search.hold_out and (part.auto_split or not part.splits):
                part = part.resplit(np.full(len(part), "train", dtype=object))
            part = with_splits(part, recipe.train.seed, validate=not in_folds)
        elif recipe.train.also or not part.splits:
            part = with_splits(part, recipe.train.seed, validate=bool(recipe.train.also))
        sets.append((spec, part))
    return sets


def _config(recipe: Recipe, sets: list[tuple[str, Dataset]]) -> dict[str, Any]:
    data = [{"spec": spec, "fingerprint": part.fingerprint} for spec, part in sets]
    return {"recipe": recipe.model_dump(mode="json"), "data": data}


def _log_sets(sets: list[tuple[str, Dataset]]) -> None:
    for spec, part in sets:
        for line in account(spec, len(part), len(part.space), part.left_out):
            LOGGER.info(line)


def _manifest(
    recipe: Recipe, sets: list[tuple[str, Dataset]], trained: Trained, sampler: Sampler, begun: datetime
) -> Manifest:
    """The manifest of a model, but for what is known once its networks are written."""
    space = sets[0][1].space
    manifest = Manifest(
        name=recipe.name,
        modality=recipe.modality,
        summary=recipe.summary,
        labels=LabelsEntry(space=space.name, names=list(space.names), multilabel=space.multilabel),
        preprocess=sampler.settings.model_dump(),
        heads=[
            LabelsEntry(space=name, names=list(SPACES[name].names), multilabel=name in recipe.train.also_multilabel)
            for name in recipe.train.also
        ],
        ratings=trained.ratings.entries,
        data=[_described(spec, part) for spec, part in sets],
        training={
            "recipe": recipe.name,
            "settings": _shareable(recipe),
            "seed": recipe.train.seed,
            "started": begun.isoformat(timespec="seconds"),
            "machine": machine(),
            "history": trained.history,
            **({"search": trained.search} if trained.search else {}),
        },
        versions=versions(),
    )
    earlier = list(sampler.built_on)  # the models whose networks read the single frames, or make rows
    for model in () if any("embed" in facts for facts in trained.search) else earlier:
        manifest.training["frames"] = {"name": model.name, "sha256": model.files[folders.NETWORK].sha256}
    if recipe.train.start:
        start = folders.read_manifest(folders.find_model(recipe.train.start))
        manifest.training["start"] = start.training
        earlier.insert(0, start)
    learned_from = [*manifest.data, *(entry for model in earlier for entry in model.data)]
    manifest.data = list({entry["fingerprint"]: entry for entry in learned_from}.values())
    return manifest


def _measure(trained: Trained, manifest: Manifest, finished: Path, data: Dataset, size: int) -> Report:
    """The figures on the validation data; without any, those of the inner folds, each by a model of the others."""
    if "val" in data.splits:
        return evaluate(load(finished), data, split="val", batch_size=size)
    assert trained.held_out is not None  # see with_splits
    answers = probabilities_of(trained.held_out, False, manifest.training["temperature"])
    report = evaluate(HeldOut(manifest, answers), data, split="train")
    note = (
        "Each sample was answered by a model of the inner folds that had not learned from it. The settings were chosen "
        "for doing well on these very folds, so new data will look a little worse."
    )
    return replace(report, notes=[note, *few_notes(report.figures), *report.notes])


def _shareable(recipe: Recipe) -> dict[str, Any]:
    """The settings for a manifest: without the folders of this machine that pretrained weights lie in."""
    settings: dict[str, Any] = recipe.model_dump(mode="json")
    for name in ("weights", "embed", "faces"):
        given = settings["network"].get(name, "")
        if given and not given.startswith("package:"):
            settings["network"][name] = Path(given).name
    return settings


def with_splits(dataset: Dataset, seed: int, validate: bool = True) -> Dataset:
    """The set with a train and a val split: its own, or seeded and stratified ones where it has none.

    Rows of one group, and persons in one picture, stay together (``Dataset.groups``).

    Args:
        validate: whether a val split is needed; else a set with a train split stays as it is.

    Raises:
        DataError: it has splits, but none to train on; or too few rows to keep some for validation.
    """
    if not dataset.splits:
        return _validated(dataset.resplit(split_rows(strata(dataset), seed=seed, groups=dataset.groups)), validate)
    if "train" not in dataset.splits:
        raise DataError(f"{dataset.name} has nothing to train on: its splits are {', '.join(dataset.splits)}")
    if "val" in dataset.splits or not validate:
        return dataset
    split, rows = dataset.split.copy(), np.flatnonzero(dataset.split == "train")
    groups = None if dataset.groups is None else dataset.groups[rows]
    parts = split_rows(strata(dataset.take(rows)), shares=(0.9, 0.1, 0.0), seed=seed, groups=groups)
    split[rows[parts == "val"]] = "val"
    return _validated(dataset.resplit(split), validate)


def _validated(dataset: Dataset, validate: bool) -> Dataset:
    if validate and "val" not in dataset.splits:
        raise DataError(f"{dataset.name}: {len(dataset)} samples are too few to keep some of them for validation")
    return dataset


def _fit(
    recipe: Recipe, sets: list[Dataset], valid: Dataset | None, folder: Path, resume: bool
) -> tuple[Trained, Sampler]:
    if recipe.network.kind in AT_ONCE:
        from mien.training.rows import train_rows

        return train_rows(recipe, sets, valid)
    assert valid is not None  # see with_splits
    from mien.training.network import train_network

    return train_network(recipe, sets, valid, folder, resume)


def _fit_all(
    recipe: Recipe, sets: list[Dataset], valid: Dataset | None, folder: Path, resume: bool
) -> dict[str, Fitted]:
    """The network for everybody under "", or one for each group of people."""
    groups = split_groups(recipe, sets, valid)
    parts = [part for some, held in groups.values() for part in (*some, held) if part is not None]
    samples = iter(open_sampler(recipe).expand(parts))
    fitted, names = {}, expert_names(groups)
    for group, (some, of_valid) in groups.items():
        learned, held = [next(samples) for _ in some], None if of_valid is None else next(samples)
        home = folder / names[group] if group else folder
        with log_prefix(group):
            trained, sampler = _fit(recipe, learned, held, home, resume)
        fitted[group] = Fitted(trained, sampler, learned[0], held)
    return fitted


def _described(spec: str, dataset: Dataset) -> dict[str, Any]:
    return {
        "spec": dataset.name if ":" not in spec else f"{spec.partition(':')[0]}:{Path(spec.partition(':')[2]).name}",
        "fingerprint": dataset.fingerprint,
        "samples_fingerprint": dataset.samples_fingerprint,
        "licence": dataset.licence,
        "rows": {split: int((dataset.split == split).sum()) for split in dataset.splits},
        "left_out": dataset.left_out,
        "labels": dataset.space.name,
    }
