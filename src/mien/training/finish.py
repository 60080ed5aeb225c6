"""From trained networks to a model folder: calibrated, exported with proof, in 8 bits if asked, with thresholds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from mien import model as folders
from mien.data import Dataset
from mien.emotions import MAPS, LabelSpace, get_space
from mien.errors import ExportError
from mien.evaluation.evaluate import rollup_probabilities
from mien.evaluation.metrics import best_thresholds, tuned_metrics
from mien.model import Manifest
from mien.training.card import card
from mien.training.experts import expert_file
from mien.training.recipe import Recipe
from mien.training.task import EVALUATION_BATCH, Task

_CALIBRATION = 512  # pictures on which the ranges of an 8-bit network are measured
Say = Callable[[str], None]


class Trained(Protocol):
    """What a run asks of a trained model, whatever it was trained with."""

    history: list[dict[str, float]]
    heads: list[tuple[int, float]]

    def logits(self, inputs: Sequence[Any]) -> np.ndarray: ...
    def reference(self, temperature: float) -> Callable[[np.ndarray], np.ndarray]: ...
    def write(self, path: Path, temperature: float, example: np.ndarray) -> None: ...
    def layout(self, example: np.ndarray) -> list[dict[str, Any]]: ...
    def weights(self) -> bytes: ...


@dataclass
class Fitted:
    """A trained network, and the samples that it was trained and validated on."""

    trained: Trained
    task: Task
    learned: Dataset
    valid: Dataset


def about(group: str, say: Say, line: str) -> None:
    say(f"{group}: {line}")


def write(
    recipe: Recipe,
    fitted: dict[str, Fitted],
    valid: Dataset,
    manifest: Manifest,
    target: Path,
    files: dict[str, Path | bytes],
    say: Say,
) -> None:
    """Make the network of each group ready, choose thresholds on validation data, write the folder."""
    content: dict[str, Path | bytes] = dict(files)
    probabilities, targets, notes = [], [], {}
    for place, (group, one) in enumerate(fitted.items()):
        name = expert_file(group, place)
        path, notebook = target.parent / f"made-{name}", manifest.model_copy(update={"training": {}})
        probabilities.append(_made(recipe, one, notebook, path, partial(about, group, say) if group else say))
        targets.append(one.valid.targets)
        content |= {name: path, **one.task.files}
        notes[group] = notebook.training | {"history": one.trained.history}
    manifest.training |= next(iter(notes.values()))
    if manifest.experts:
        manifest.training["experts"] = notes
    if valid.space.multilabel:
        labelled = np.concatenate(targets)
        held = replace(valid, inputs=range(len(labelled)), targets=labelled, split=np.full(len(labelled), "val"),
                       where=(), columns={}, also={})  # fmt: skip
        manifest.thresholds, manifest.rollups = choose_thresholds(held, np.concatenate(probabilities))
    if recipe.export.weights and not manifest.experts:
        content[folders.WEIGHTS] = next(iter(fitted.values())).trained.weights()
    folders.write_model(target, manifest, content, card(manifest))
    for path in target.parent.glob("made-*.onnx"):
        path.unlink()


def _made(recipe: Recipe, fitted: Fitted, manifest: Manifest, network: Path, say: Say) -> np.ndarray:
    """Calibrate, export, prove and quantise if asked; notes about it go into the manifest.

    Returns:
        The network's probabilities on the validation samples, float32 (n, labels).
    """
    from mien.training.export import fit_temperature, prove, quantize, run_network

    trained, task, learned, valid = fitted.trained, fitted.task, fitted.learned, fitted.valid
    temperature, labels = 1.0, len(valid.space)
    if recipe.export.calibrate:
        logits = trained.logits(valid.inputs)
        temperature = fit_temperature(logits[:, :labels], valid.targets)
        for place, head in enumerate(manifest.heads):
            votes, columns = valid.also[head.space], manifest.columns(head.space)
            known = votes.any(1)
            heat = fit_temperature(logits[known, columns], votes[known].argmax(1))
            trained.heads[place] = len(head.names), heat
    shown, most = list(valid.inputs[:256]), getattr(task, "evaluation_batch", EVALUATION_BATCH)
    sizes = ((0, 1), (1, 7), (8, min(64, most)), (72, min(184, most)))
    batches = [task.collate(shown[at : at + size]) for at, size in sizes if shown[at:]]
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
        small = network.with_suffix(".int8.onnx")
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
    return probabilities


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
