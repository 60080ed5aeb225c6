"""Cross-validation over folds: one model for each, measured on what it never saw, and a final one of everything.

::

    runs/features-svm-1/
      config.yaml       recipe, data and folds: all it takes to repeat or resume it
      fold-1/ …         a run folder for each fold (see mien.training.run), and its answers to the fold held out
      all/              the run on all samples
      model/            its model folder, with the figures of the folds
      report/           the pooled answers: the same report as elsewhere, mean and spread, predictions.csv
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mien import model as folders
from mien.datasets import Dataset, Problem, open_dataset
from mien.datasets.splits import folds as split_folds
from mien.datasets.splits import strata
from mien.errors import DataError
from mien.evaluation import evaluate
from mien.evaluation.held_out import HeldOut
from mien.evaluation.notes import few_notes
from mien.evaluation.report import Report
from mien.evaluation.samples import unreadable
from mien.files import translate_os_errors
from mien.inputs import to_write
from mien.modality import get_modality, load
from mien.output.terminal import progress
from mien.training.folder import CONFIG, computed_once, next_folder, prepare_run_dir
from mien.training.log import LOGGER
from mien.training.needs import check_needs
from mien.training.package import rewrite_manifest
from mien.training.publish import headline
from mien.training.recipe import load_recipe
from mien.training.run import Run, train_once

ANSWERS = "held-out.npy"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._ -]{0,60}")
_FIGURES = ("accuracy", "macro_f1", "map")


def cross_validate(
    recipe: str | Path,
    data: str | Dataset | Sequence[str | Dataset],
    folds: str | int,
    out: str | Path | None = None,
    *,
    resume: bool = False,
    settings: Sequence[str] = (),
    report: bool = True,
) -> Run:
    """Train a model for each fold on the others, and one on all samples; report on the pooled held-out answers.

    The data's own splits are not used. Nothing of a fold is seen when the model for it is trained: a network that needs
    validation data gets a tenth of the other folds, whole groups where the data set has a group, and one that searches
    for its settings does so inside the other folds. The final model learns in the same way from everything.

    Args:
        recipe, data, out, resume, settings: as for :func:`mien.train`; of several data sets the first is cut into
            folds. With *resume* finished folds are not trained again.
        folds: a column of the first data set whose values are the folds; or how many to make, stratified by label and
            with whole groups in each.
        report: whether to write the pages; the figures and predictions are written in any case.

    Returns:
        The run; its metrics are those over all folds.

    Raises:
        DataError: no such column, less than two folds, or a group that stands in two of them.
        RecipeError: the recipe or a setting is wrong, or *out* holds another run.
    """
    checked = load_recipe(recipe, list(settings))
    check_needs(checked, report, settings)
    first, *others = [data] if isinstance(data, str | Dataset) else list(data)
    column = folds if isinstance(folds, str) and not folds.isdecimal() else None
    dataset = open_dataset(first, column=column, progress=progress) if isinstance(first, str) else first
    dataset = _usable(dataset)
    fold = _folds(dataset, folds if column else int(folds), checked.train.seed)
    dataset = replace(dataset, columns={**dataset.columns, "fold": fold})
    folder = to_write(out) if out else next_folder(checked.name)
    specs = [entry if isinstance(entry, str) else entry.name for entry in (first, *others)]
    noted = [{"spec": specs[0], "fingerprint": dataset.samples_fingerprint}, *({"spec": spec} for spec in specs[1:])]
    config = {"recipe": checked.model_dump(mode="json"), "data": noted, "folds": folds}
    _lock = prepare_run_dir(folder, config, resume, begun=any(folder.glob("fold-*")))
    names = sorted(set(fold.tolist()), key=_natural)
    LOGGER.info(f"{specs[0]}: {len(dataset):,} samples in {len(names)} folds: " + ", ".join(map(str, names)))

    def run_on(dataset: Dataset, target: Path) -> Run:
        begun = (target / CONFIG).exists()
        return train_once(recipe, [dataset, *others], target, resume=begun, settings=settings, report=report)

    answers: list[np.ndarray] = [np.empty(0)] * len(dataset)
    parts: list[dict[str, Any]] = []
    thresholds: list[dict[str, float]] = []
    for name in names:
        held, target = fold == name, folder / f"fold-{name}"
        LOGGER.info(f"fold {name}: {int(held.sum()):,} samples held out")
        run = run_on(dataset.resplit(np.where(held, "test", "train").astype(object)), target)
        manifest = folders.read_manifest(run.model)
        given = _answers(run.model, dataset.take(held), target / ANSWERS)
        for row, values in zip(np.flatnonzero(held).tolist(), given, strict=True):
            answers[row] = values
        measured = _figures(evaluate(_held_out(manifest, given), dataset.take(held), "all").to_dict())
        parts.append({"fold": name, **measured, **_chosen(manifest)})
        thresholds.append(manifest.thresholds)
        LOGGER.info(f"fold {name}: " + "  ".join(f"{key} {measured[key]:.4f}" for key in _named(measured)))
    LOGGER.info("all folds together: training on everything")
    final = run_on(dataset.resplit(np.full(len(dataset), "train", dtype=object)), folder / "all")
    manifest = folders.read_manifest(final.model)
    spread = _spread(parts)
    pooled = _report(manifest, dataset, np.stack(answers), spread, thresholds)
    _write_predictions(folder / "report" / "predictions.csv", dataset, np.stack(answers))
    if report:
        pooled.write(folder / "report")
    else:
        pooled.write_json(folder / "report")
    kept = re.search(r"[?&](group=[^&]+)", specs[0])  # what stays together in a fold, where the specification says so
    key = f"{dataset.name}{f'?{kept[1]}' if kept else ''}/{len(names)} folds{f' by {column}' if column else ''}"
    manifest.metrics[key] = headline(pooled.to_dict()) | {"folds": {"mean": spread["mean"], "std": spread["std"]}}
    model = rewrite_manifest(final.model, manifest, folder / "model")
    LOGGER.info(f"model folder: {model}")
    return Run(folder, model, manifest.metrics[key])


def _usable(dataset: Dataset) -> Dataset:
    """Without the pictures or clips that cannot be read, so that no fold stops the others half-way."""
    lost = unreadable(dataset)
    if not lost:
        return dataset
    what = f"{get_modality(dataset.modality).kind}s"
    LOGGER.info(f"{dataset.name}: {len(lost)} {what} that cannot be read are left out")
    kept = dataset.take(np.array([row not in lost for row in range(len(dataset))]))
    problems = (Problem("unreadable", _where(dataset, row), why) for row, why in lost.items())
    return replace(kept, problems=(*dataset.problems, *problems))


def _folds(dataset: Dataset, folds: str | int, seed: int) -> np.ndarray:
    """The fold of each sample, n strings."""
    if isinstance(folds, int):
        if folds < 2:
            raise DataError(f"there must be at least 2 folds, not {folds}")
        together = dataset.groups
        groups = len(dataset) if together is None else len(set(map(str, together)))
        if groups < folds:
            raise DataError(f"{dataset.name} has {groups} groups of samples, too few for {folds} folds")
        return np.array([str(1 + place) for place in split_folds(strata(dataset), folds, seed, dataset.groups)], object)
    if folds not in dataset.columns:
        raise DataError(f"{dataset.name} has no column {folds!r}; it has: {', '.join(dataset.columns) or 'none'}")
    values = np.array([str(value).strip() for value in dataset.columns[folds]], dtype=object)
    if (values == "").any():
        raise DataError(f"{dataset.name}: {_where(dataset, int((values == '').argmax()))} names no fold in {folds!r}")
    if len(set(values)) < 2:
        raise DataError(f"{dataset.name}: the column {folds!r} holds one fold, {values[0]!r}; two are needed at least")
    if bad := [value for value in values if not _NAME.fullmatch(value)]:
        raise DataError(f"{dataset.name}: the fold {bad[0]!r} cannot name a folder; use letters and digits")
    seen: dict[str, str] = {}
    together = dataset.groups
    for group, value in () if together is None else zip(together, values, strict=True):
        if seen.setdefault(str(group), value) != value:
            what, both = dataset.group or "picture", f"{seen[str(group)]!r} and {value!r}"
            raise DataError(f"{dataset.name}: {what} {group} stands in the folds {both}; keep it in one")
    return values


def _where(dataset: Dataset, row: int) -> str:
    return str(dataset.where[row]) if dataset.where else f"row {row + 1}"


def _natural(name: str) -> tuple[int, str]:
    return (int(name), "") if name.isdecimal() else (1 << 62, name)


def _answers(model: Path, held: Dataset, path: Path) -> np.ndarray:
    """Probabilities and ratings of the held-out samples side by side, float32 (n, labels and ratings).

    Kept next to the model, whose hash names them.
    """
    manifest = folders.read_manifest(model)
    kept = path.with_name(f"{path.stem}-{manifest.files[folders.NETWORK].sha256[:16]}{path.suffix}")

    def ask() -> np.ndarray:
        predictor = load(model)
        if held.features:
            predictor = predictor.reading(held.features)
        found = predictor.outputs(held.inputs)
        return np.hstack([found.probabilities, found.ratings])

    return computed_once(kept, (len(held), len(manifest.space) + len(manifest.ratings)), ask)


def _held_out(manifest: folders.Manifest, answers: np.ndarray) -> HeldOut:
    labels = len(manifest.space)
    return HeldOut(manifest, answers[:, :labels], answers[:, labels:])


def _figures(document: dict[str, Any]) -> dict[str, Any]:
    """The figures of a fold: n, the main ones, and of each rating its correlation, such as "valence_pearson"."""
    figures = headline(document)
    rated = {f"{name}_pearson": row["pearson"] for name, row in figures.get("ratings", {}).items()}
    return {key: value for key, value in (figures | rated).items() if key == "n" or key in _named(figures | rated)}


def _named(figures: dict[str, Any]) -> list[str]:
    """Those that are told of each fold, in the order in which they are; one that is not defined is not."""
    names = [*_FIGURES, *(key for key in figures if key.endswith("_pearson"))]
    return [key for key in names if figures.get(key) is not None]


def _chosen(manifest: folders.Manifest) -> dict[str, Any]:
    """The settings that the inner search of a fold chose, by the kind of network."""
    search = manifest.training.get("search")
    return {"settings": {member["kind"]: member["best"] for member in search}} if search else {}


def _spread(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean and standard deviation of the main figures over the folds, with the folds themselves."""
    names = [key for key in _named(parts[0]) if all(part.get(key) is not None for part in parts)]
    return {
        "mean": {key: round(float(np.mean([part[key] for part in parts])), 6) for key in names},
        "std": {key: round(float(np.std([part[key] for part in parts], ddof=1)), 6) for key in names},
        "parts": parts,
    }


def _report(
    manifest: folders.Manifest,
    dataset: Dataset,
    answers: np.ndarray,
    spread: dict[str, Any],
    thresholds: list[dict[str, float]],
) -> Report:
    notes = ["Each sample was answered by the model of the folds that it is not in. The final model is not measured."]
    asked = manifest.model_copy()
    if dataset.space.multilabel and len(dataset.space):
        asked.thresholds = {name: float(np.mean([own[name] for own in thresholds])) for name in dataset.space.names}
        notes.append("The thresholds are means of those that the folds' models chose; each fold's figures use its own.")
    report = evaluate(_held_out(asked, answers), dataset, "all", by="fold")
    return replace(report, folds=spread, notes=[*notes, *few_notes(report.figures), *report.notes])


def _write_predictions(path: Path, dataset: Dataset, answers: np.ndarray) -> None:
    names, several = dataset.space.names, dataset.space.multilabel
    ratings = list(dataset.ratings) if answers.shape[1] > len(names) else []
    heads = ["true", "predicted", *(f"score_{name}" for name in names)] if names else []
    heads += [f"{what}{name}" for name in ratings for what in ("true_", "")]
    with translate_os_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["where", "fold", *heads])
            for row, (scores, values) in enumerate(zip(*np.split(answers, [len(names)], 1), strict=True)):
                cells = [_where(dataset, row), dataset.columns["fold"][row]]
                if names:
                    true = dataset.targets[row]
                    label = "|".join(n for n, t in zip(names, true, strict=True) if t) if several else names[int(true)]
                    cells += [label, names[int(scores.argmax())], *(f"{score:.6f}" for score in scores)]
                for name, value in zip(ratings, values, strict=True):
                    known = dataset.ratings[name][row]
                    cells += ["" if np.isnan(known) else f"{known:.6g}", f"{value:.6g}"]
                writer.writerow(cells)
