"""The model card: README.md of a model folder, filled from the manifest (after Mitchell et al. 2019)."""

from __future__ import annotations

from typing import Any

from mien.model import Manifest


def card(manifest: Manifest) -> str:
    """The card as Markdown. It says nothing that the manifest does not hold."""
    training = manifest.training
    labels = " · ".join(f"{emotion.emoji} {emotion.name}" for emotion in manifest.space)
    several = "several can hold at once" if manifest.space.multilabel else "one holds at a time"
    lines = [
        f"# {manifest.name}",
        "",
        manifest.summary or f"A {manifest.modality} model of mien.",
        "",
        f"**Labels** ({len(manifest.space)}, {several}): {labels}",
        "",
        "```python",
        "import mien",
        f'mien.load("{manifest.name}").predict("…")  # a shipped model by name, any other by its folder',
        "```",
        "",
        "## Figures",
        "",
        "Measured with this folder's `model.onnx`; training never saw the test data, and every setting and threshold",
        "was chosen on validation data.",
        "",
        *_figures(manifest.metrics),
        "",
        "## Learned from",
        "",
        "| data | rows | labels | licence as stated |",
        "|---|---|---|---|",
        *(
            f"| {data['spec']} | {', '.join(f'{rows:,} {split}' for split, rows in data['rows'].items())} "
            f"| {data['labels']} | {data['licence']} |"
            for data in manifest.data
        ),
        "",
        "## How it was made",
        "",
        f"Recipe `{training.get('recipe')}`, seed {training.get('seed')}, {training.get('seconds', 0) / 60:.1f} "
        f"minutes on {training.get('machine')}, begun {training.get('started')}. {_epochs(training)}"
        f"ONNX differs from the network by {training.get('export_difference', 0):.1e} at most in a probability.",
        *_earlier(training),
        "",
        "The manifest holds all settings, the figures of every epoch, the network's layout, and each file's sha256.",
        "",
        "## What to know before using it",
        "",
        "- It reads what an English text expresses, not what its writer felt; irony often escapes it.",
        "- Its training texts carry the biases of where they were written and of the people who labelled them.",
        "  Do not use it to judge a person.",
        "- Scores are calibrated on validation data of the same kind; on other writing trust them less.",
    ]
    return "\n".join(lines) + "\n"


def _figures(metrics: dict[str, Any]) -> list[str]:
    if not metrics:
        return ["None yet."]
    rows = [
        "| data | labels | n | accuracy | macro-F1 | mAP | ECE |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, figures in metrics.items():
        cells = [
            name,
            figures.get("space", ""),
            f"{figures['n']:,}",
            *(f"{figures[key]:.4f}" if key in figures else "" for key in ("accuracy", "macro_f1", "map", "ece")),
        ]
        rows.append("| " + " | ".join(map(str, cells)) + " |")
    return rows


def _epochs(training: dict[str, Any]) -> str:
    history = training.get("history") or []
    kept = next((row["epoch"] for row in history if row.get("kept")), None)
    return f"Epoch {kept} of {len(history)} was kept. " if kept else ""


def _earlier(training: dict[str, Any]) -> list[str]:
    """The runs before this one: what it went on from, and who taught it."""
    lines = []
    if start := training.get("start"):
        settings = start["settings"]["train"]
        lines += [
            "",
            f"It went on from a run of recipe `{start['recipe']}`: {len(start['history'])} epochs, "
            f"seed {start['seed']}, {start['seconds'] / 60:.0f} minutes, learning rate {settings['learning_rate']:g}.",
            *_earlier(start),
        ]
    if teacher := training.get("settings", {}).get("distill", {}).get("teacher"):
        lines += ["", f"It followed the probabilities of a teacher besides the labels: {teacher}."]
    return lines + (["", *training["notes"]] if training.get("notes") else [])
