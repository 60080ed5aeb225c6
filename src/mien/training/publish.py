"""A model folder as it is handed on: with the figures of the reports that lie in its run, or made one of clips."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mien import model as folders
from mien.datasets import Dataset, open_dataset
from mien.errors import DataError, ModelError, require
from mien.modalities.text.preprocess import TextPreprocessor, TextSettings
from mien.modality import get_modality, load, preprocess_settings
from mien.plugins import import_object
from mien.training.card import card


def publish(run: str | Path, to: str | Path, *, name: str | None = None, weights: bool = True) -> Path:
    """Copy the model folder of a run, or a model folder, checked byte for byte.

    Each ``report.json`` below the run folder (``mien evaluate RUN … --out RUN/report-test``) that was measured with
    this very network adds its figures to the manifest and the card.

    Args:
        name: the model's name, if another than in the run.
        weights: whether ``weights.safetensors`` goes along.

    Raises:
        ModelError: no such model, or its folder is damaged.
        MienError: *to* cannot be written.
    """
    source = folders.find_model(run)
    manifest = folders.verify(source)
    if Path(to).resolve() == source.resolve():
        raise ModelError(f"{to} is the model folder itself; name another")
    measured: dict[str, str] = {}
    for path in sorted(Path(run).glob("*/report.json")):
        document = json.loads(path.read_text("utf-8"))
        if document["about_model"].get("sha256") == manifest.files[folders.NETWORK].sha256:
            key, fingerprint = figures_key(document), document["about_data"]["fingerprint"]
            if measured.setdefault(key, fingerprint) != fingerprint:  # other data of the same name
                key += f" ({fingerprint[:8]})"
            manifest.metrics[key] = headline(document)
    manifest.name = name or manifest.name
    left = (folders.CARD,) if weights else (folders.CARD, folders.WEIGHTS)
    found = {file: folders.find_file(source, file, entry) for file, entry in manifest.files.items()}
    kept = {file: path for file, path in found.items() if path and file not in left}
    return folders.write_model(to, manifest, kept, card(manifest))


def with_fixed_ranges(model: str | Path, data: str | Dataset, to: str | Path, *, name: str | None = None) -> Path:
    """Write an 8-bit model of text anew, with ranges measured on training texts instead of those of each batch.

    Earlier versions of mien wrote such models; they are read one text at a time, which is slower. The weights stay.
    Thresholds are chosen anew on validation data, and the figures of the old network left out.

    Args:
        model: a model or run folder, or a shipped model by name.
        data: what it learned from, with training and validation data in the model's labels.

    Raises:
        ModelError: no such model, its folder is damaged, or it is none of text.
        DataError: the data set has other labels, or no training or validation data.
        MienError: *to* cannot be written.
    """
    onnx = require("onnx", "train")
    from mien.training.package import CALIBRATION
    from mien.training.ranges import fix_ranges, products_in_8_bits
    from mien.training.thresholds import choose_thresholds

    source = folders.find_model(model)
    manifest = folders.verify(source)
    if get_modality(manifest.modality).kind != "text":
        raise ModelError(f"{manifest.name} reads {manifest.modality}; only models of text had ranges of each batch")
    dataset = open_dataset(data) if isinstance(data, str) else data
    if dataset.space.names != manifest.space.names:
        raise DataError(f"{dataset.name} has other labels than {manifest.name}")
    learned, valid = dataset.part("train"), dataset.part("val")
    texts = learned.inputs[:: -(-len(learned) // CALIBRATION)]
    settings = preprocess_settings(manifest, TextSettings, source)
    preprocessor = TextPreprocessor.from_file(source / folders.TOKENIZER, settings)
    network = onnx.load(source / folders.NETWORK)
    eight = products_in_8_bits(network)
    fix_ranges(network, [preprocessor.pad(windows[:1], even=True) for windows in preprocessor.encode(texts)])
    manifest.name, manifest.metrics = name or manifest.name, {}
    note = f"The ranges of its 8 bits were measured anew, on {len(texts)} training texts of {dataset.name}."
    if not eight:
        note = "Its products of matrices, in 8 bits before, were written as floats, from the same weights."
    manifest.training["notes"] = [*manifest.training.get("notes", []), note]
    kept = [file for file in manifest.files if file not in (folders.CARD, folders.NETWORK)]
    files: dict[str, Path | bytes] = {file: source / file for file in kept}
    files[folders.NETWORK] = network.SerializeToString()
    made = folders.write_model(to, manifest, files, card(manifest))
    if manifest.space.multilabel:
        probabilities = load(made).predict_proba(valid.inputs)
        manifest.thresholds, manifest.rollups = choose_thresholds(manifest.space, valid.targets, probabilities)
        folders.write_model(to, manifest, files, card(manifest))
    return made


def convert_model(model: str | Path, to: str | Path, modality: str = "video", *, name: str | None = None) -> Path:
    """Make a model of clips of a model of faces: the same network, which reads the faces of single frames.

    The figures of the face model were measured on pictures. They go along as such, in ``training["face"]``; the model
    of clips has none of its own until it is measured on clips.

    Args:
        model: a face model: a shipped one by name, or a model or run folder.
        modality: of the model that is made; see ``made_from`` of :class:`mien.modality.Modality`.
        name: of the model of clips; that of the modality if not given.

    Raises:
        ModelError: no such model, its folder is damaged, or it is none of faces.
        MienError: *to* cannot be written.
    """
    source = folders.find_model(model)
    manifest = folders.verify(source)
    made_from, before = get_modality(modality).made_from, get_modality(manifest.modality)
    if before.name != made_from:
        raise ModelError(f"{manifest.name} reads {before.name}; a model of clips is made of one of faces")
    read = preprocess_settings(manifest, import_object(before.preprocess), source)
    settings = import_object(get_modality(modality).preprocess)(**{before.name: read})
    network = manifest.files[folders.NETWORK]
    how = f"Reads each face as the model {manifest.name} does."
    face = {"name": manifest.name, "sha256": network.sha256, "metrics": manifest.metrics}
    made = manifest.model_copy(
        update={
            "name": name or modality,
            "modality": modality,
            "summary": f"Faces in clips, moment by moment, for each person and for the clip. {how}",
            "preprocess": settings.model_dump(mode="json"),
            "metrics": {},
            "training": {**manifest.training, before.name: face},
        }
    )
    networks = {file: source / file for file in manifest.files if file.endswith(".onnx")}
    return folders.write_model(to, made, networks, card(made))


def figures_key(document: dict[str, Any]) -> str:
    """Under which name the figures of a report stand: data, split, labels where they are not the data's, views."""
    key = f"{document['data']}/{document['split']}"
    if document["space"] != document["about_data"]["space"]:
        key += f" as {document['space']}"
    key += f" with known {document['known_groups']}" if document.get("known_groups") else ""
    return key + (" with mirror image" if document.get("mirror") else "")


def headline(document: dict[str, Any]) -> dict[str, Any]:
    """The figures of a report that a manifest keeps.

    Where samples also stand in the training data: "n_seen", how many, and "accuracy_without_seen", … of the others.
    """
    keep = ("n", "accuracy", "macro_f1", "weighted_f1", "map", "micro_f1", "top1", "space")
    figures = {key: document[key] for key in keep if document.get(key) is not None}
    if (sure := document.get("certainty")) and sure["n"]:
        figures |= {f"sure_{key}": sure[key] for key in ("answered", "accuracy") if sure[key] is not None}
        figures |= {key: sure[key] for key in ("set_size", "set_coverage")}
    if document.get("calibration"):
        figures["ece"] = document["calibration"]["ece"]
    if rest := document.get("without_seen"):
        figures["n_seen"] = rest["seen"]
        figures |= {f"{key}_without_seen": rest[key] for key in ("accuracy", "macro_f1", "map") if key in rest}
    if rated := document.get("ratings"):
        kinds = ("n", "pearson", "spearman", "ccc", "mae", "rmse")
        figures["ratings"] = {name: {key: row[key] for key in kinds} for name, row in rated.items()}
    for key in ("f1", "recall") if document.get("per_label") else ():
        figures[key] = {label: row[key] for label, row in document["per_label"].items()}
    return figures
