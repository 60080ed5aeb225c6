"""A run's model folder as it is handed on: with the figures of the reports that lie in the run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mien import model as folders
from mien.errors import ModelError
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
    for path in sorted(Path(run).glob("*/report.json")):
        document = json.loads(path.read_text("utf-8"))
        if document["about_model"].get("sha256") == manifest.files[folders.NETWORK].sha256:
            key = f"{document['data']}/{document['split']}"
            if document["space"] != document["about_data"]["space"]:
                key += f" as {document['space']}"
            manifest.metrics[key] = headline(document)
    manifest.name = name or manifest.name
    kept = [file for file in manifest.files if file != folders.CARD and (weights or file != folders.WEIGHTS)]
    return folders.write_model(to, manifest, {file: source / file for file in kept}, card(manifest))


def headline(document: dict[str, Any]) -> dict[str, Any]:
    """The figures of a report that a manifest keeps."""
    keep = ("n", "accuracy", "macro_f1", "weighted_f1", "map", "micro_f1", "space")
    figures = {key: document[key] for key in keep if document.get(key) is not None}
    if document.get("calibration"):
        figures["ece"] = document["calibration"]["ece"]
    figures["f1"] = {label: row["f1"] for label, row in document["per_label"].items()}
    return figures
