"""From trained networks to a model folder: calibrated, exported with proof, in 8 bits if asked, with thresholds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from mien import model as folders
from mien.datasets import Dataset
from mien.errors import ExportError
from mien.evaluation.metrics import tuned_metrics
from mien.labels import LabelSpace
from mien.modality import Sampler, get_modality
from mien.model import Manifest
from mien.training.card import card
from mien.training.experts import expert_files
from mien.training.log import LOGGER, log_prefix
from mien.training.mixture import (
    certainties,
    head_thresholds,
    language_thresholds,
    mixture,
    mixture_answers,
    scale_head,
)
from mien.training.ratings import Ratings, mean_correlation
from mien.training.settings import ExportSettings, Recipe
from mien.training.thresholds import choose_thresholds

if TYPE_CHECKING:
    from mien.training.ngrams import NGrams

CALIBRATION = 512  # samples on which the ranges of an 8-bit network are measured


class Trained(Protocol):
    """What a run asks of a trained model, whatever it was trained with.

    What chose its settings inside the training data has in ``search`` what was tried, and in ``held_out`` logits
    (n, labels) of the training samples by models of the inner folds that had not seen them. ``weights`` is None where
    there are none to go on from.
    """

    history: list[dict[str, float]]
    heads: list[Any]
    ratings: Ratings

    @property
    def search(self) -> list[dict[str, Any]]: ...
    @property
    def held_out(self) -> np.ndarray | None: ...

    def logits(self, inputs: Sequence[Any]) -> np.ndarray: ...
    def reference(self, temperature: float) -> Callable[[np.ndarray], np.ndarray]: ...
    def write(self, path: Path, temperature: float, example: np.ndarray) -> None: ...
    def layout(self, example: np.ndarray) -> list[dict[str, Any]]: ...
    def weights(self) -> bytes | None: ...


@dataclass
class Fitted:
    """A trained network, and what it was trained and validated on: samples of the first data set, and of others."""

    trained: Trained
    sampler: Sampler
    learned: Dataset
    valid: Dataset | None
    others: Sequence[Dataset] = ()
    others_valid: Sequence[Dataset] = ()

    @property
    def validated(self) -> Dataset:
        """The samples that it is judged by; without validation data only to prove the export on."""
        return self.learned if self.valid is None else self.valid

    @property
    def mixture(self) -> list[Dataset]:
        """The validation samples of all data sets, the first one's first; of one that is given twice, once."""
        if not self.others_valid:
            return [self.validated]
        return list({part.fingerprint: part for part in (self.validated, *self.others_valid)}.values())


def package_model(
    recipe: Recipe,
    fitted: dict[str, Fitted],
    manifest: Manifest,
    target: Path,
    files: dict[str, Path | bytes],
) -> None:
    """Make the network of each group ready, choose thresholds on validation data, write the folder."""
    content: dict[str, Path | bytes] = dict(files)
    probabilities, targets, notes = [], [], {}
    for (group, one), name in zip(fitted.items(), expert_files(fitted).values(), strict=True):
        path, notebook = target.parent / f"made-{name}", manifest.model_copy(update={"training": {}})
        with log_prefix(group):
            probabilities.append(_export(recipe, one, notebook, path))
        targets.append(one.validated.targets)
        content |= {name: path, **one.sampler.files}
        notes[group] = notebook.training | {"history": one.trained.history}
    manifest.training |= next(iter(notes.values()))
    if manifest.experts:
        manifest.training["experts"] = notes
    first = next(iter(fitted.values()))
    space = first.learned.space
    if space.multilabel and len(space):
        manifest.thresholds, manifest.rollups = choose_thresholds(
            space, np.concatenate(targets), np.concatenate(probabilities)
        )
    if not manifest.experts and (manifest.heads or recipe.export.sure_rate):
        answers = mixture_answers(first, manifest, target.parent / f"made-{folders.NETWORK}")
        rolled = {name: tuned for name, tuned in manifest.rollups.items() if manifest.columns(name) is None}
        manifest.rollups = rolled | head_thresholds(answers)
        manifest.language_thresholds = language_thresholds(answers, first.sampler)
        if recipe.export.sure_rate and first.valid is not None:
            manifest.certainty = certainties(answers, recipe.export)
    if recipe.export.sure_rate and not manifest.certainty:
        LOGGER.warning("export.sure_rate: no certainty is stated; that takes one network and enough validation data")
    weights = first.trained.weights() if recipe.export.weights else None
    if weights is not None and not manifest.experts:  # of several networks none is the one to go on from
        content[folders.WEIGHTS] = halved(weights) if recipe.export.weights == "half" else weights
    folders.write_model(target, manifest, content, card(manifest))
    for path in target.parent.glob("made-*.onnx"):
        path.unlink()


def _export(recipe: Recipe, fitted: Fitted, manifest: Manifest, network: Path) -> np.ndarray:
    """Calibrate, export, prove and quantize if asked; notes about it go into the manifest.

    Returns:
        The network's probabilities on the validation samples, float32 (n, labels).
    """
    from mien.training.proof import prove

    trained, sampler = fitted.trained, fitted.sampler
    temperature = _calibrate(fitted, manifest, recipe.export.hashed_ngrams) if recipe.export.calibrate else 1.0
    if recipe.export.hashed_ngrams and all(scale.ngrams is None for scale in trained.heads):
        takes = "that takes export.calibrate and train.also_multilabel"
        LOGGER.warning(f"export.hashed_ngrams: nothing learns from runs of tokens; {takes}")
    shown, most = list(fitted.validated.inputs[:256]), sampler.evaluation_batch
    sizes = [(at, min(size, most)) for at, size in ((0, 1), (1, 7), (8, 64), (72, 184)) if shown[at:]]
    batches = (sampler.collate(shown[at : at + size]) for at, size in sizes)
    example = sampler.collate(shown[:2])
    trained.write(network, temperature, example)
    difference = prove(trained.reference(temperature), network, batches, recipe.export.tolerance)
    what = "answers" if len(trained.ratings) else "probabilities"
    LOGGER.info(f"model.onnx gives the trained model's {what} within {difference:.1e}")
    manifest.training |= {
        "layout": trained.layout(example[:1]),
        "temperature": round(temperature, 4),
        **({"heads": _head_scales(manifest, trained.heads)} if trained.heads else {}),
        "export_difference": float(f"{difference:.2e}"),
    }
    if recipe.export.quantize == "int8":
        return _quantize(recipe.export, fitted, manifest, network)
    return _quality(network, fitted)[2]


def _calibrate(fitted: Fitted, manifest: Manifest, buckets: int) -> float:
    """The temperature of the network's own labels; the scales of further heads are set in the trained model."""
    from mien.training.calibrate import fit_temperature

    trained, valid, labels = fitted.trained, fitted.validated, len(fitted.learned.space)
    if trained.held_out is not None:  # all of the data tells more than a share of it
        return fit_temperature(trained.held_out, fitted.learned.targets)
    if not labels:
        return 1.0
    parts = fitted.mixture if manifest.heads else [valid]
    logits = [trained.logits(part.inputs) for part in parts]
    for place, entry in enumerate(manifest.heads):
        rows, said = mixture(parts, entry.as_space())
        if len(said):
            found = np.concatenate([part[some] for part, some in zip(logits, rows, strict=True)])
            further = _ngrams(fitted, entry.as_space(), parts, rows, buckets) if entry.multilabel and buckets else ()
            trained.heads[place] = scale_head(found[:, manifest.columns(entry.space)], said, entry.multilabel, *further)
    return fit_temperature(logits[0][:, :labels], valid.targets)


def _ngrams(
    fitted: Fitted, space: LabelSpace, parts: Sequence[Dataset], rows: Sequence[np.ndarray], buckets: int
) -> tuple[NGrams, np.ndarray]:
    """A model of runs of tokens that learned from all training data, and its logits of those rows of *parts*."""
    from mien.training.ngrams import fit_ngrams, logits_of_runs

    LOGGER.info(f"learning {space.name} from runs of tokens")
    learned = list({part.fingerprint: part for part in (fitted.learned, *fitted.others)}.values())
    model = fit_ngrams(fitted.sampler, learned, space, buckets)
    texts = [part.inputs[row] for part, some in zip(parts, rows, strict=True) for row in some]
    return model, logits_of_runs(model, fitted.sampler, texts)


def _head_scales(manifest: Manifest, scales: Sequence[Any]) -> dict[str, Any]:
    """How the logits of each further head are scaled, for the manifest."""
    return {
        entry.space: {
            name: np.round(value.astype(float), 4).tolist()
            for name in ("scale", "bias", "runs")
            if (value := getattr(scale, name)) is not None
        }
        for entry, scale in zip(manifest.heads, scales, strict=True)
    }


def _quantize(settings: ExportSettings, fitted: Fitted, manifest: Manifest, network: Path) -> np.ndarray:
    """Put the network in 8 bits in its place; gives its probabilities on the validation samples."""
    from mien.training.proof import quantize

    learned, small = fitted.learned, network.with_suffix(".int8.onnx")
    parts = [learned, *fitted.others]
    each = CALIBRATION // len(parts)
    taken = [entry for part in parts for entry in part.inputs[:: -(-len(part) // each)]]
    most = 1 if get_modality(learned.modality).kind == "text" else 64  # padding would be measured too
    batches = [fitted.sampler.collate(taken[at : at + most]) for at in range(0, len(taken), most)]
    quantize(network, small, batches)
    (figure, before, _), (_, after, probabilities) = _quality(network, fitted), _quality(small, fitted)
    LOGGER.info(f"in 8 bits: validation {figure} {after:.4f}, before {before:.4f}")
    if before - after > settings.quantize_tolerance:
        raise ExportError(f"8 bits cost {before - after:.4f} of {figure}, {settings.quantize_tolerance} is allowed")
    key = figure.replace("-", "_").lower()
    manifest.training["quantized"] = {f"{key}_before": before, f"{key}_after": after}
    small.replace(network)
    return probabilities


def _quality(network: Path, fitted: Fitted) -> tuple[str, float, np.ndarray]:
    """What an exported network is judged by on validation data, its value, and the probabilities of its own labels.

    Macro-F1 of the labels; where there are none, the mean correlation of the ratings.
    """
    from mien.training.proof import run_network

    valid = fitted.validated
    answers = run_network(network, fitted.sampler, valid.inputs)  # ratings, where these are all
    if not len(valid.space):
        return "correlation", mean_correlation(fitted.trained.ratings.of(valid), answers), answers[:, :0]
    probabilities = answers[:, : len(valid.space)]
    return "macro-F1", tuned_metrics(valid.targets, probabilities, valid.space.names)["macro_f1"], probabilities


def rewrite_manifest(folder: Path, manifest: Manifest, to: Path | None = None) -> Path:
    """Write a model folder anew with another manifest and its card, in its place or as another folder."""
    content = {name: folder / name for name in folders.verify(folder).files if name != folders.CARD}
    return folders.write_model(to or folder, manifest, content, card(manifest))


def halved(weights: bytes) -> bytes:
    """The content of a ``weights.safetensors`` with matrices and filters in 16-bit floats; vectors stay as they are."""
    from safetensors.numpy import load, save

    smaller: bytes = save(
        {
            name: value.astype(np.float16) if value.ndim > 1 and value.dtype == np.float32 else value
            for name, value in load(weights).items()
        }
    )
    return smaller
