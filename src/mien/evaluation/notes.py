"""What a report says of model, data and machine, and what must be known to take its figures rightly."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from typing import Any

from mien.datasets.dataset import Dataset
from mien.evaluation.metrics import wilson_interval
from mien.labels import LabelSpace, groups

FEW = 200  # samples, of which figures are told with how wide they are


def heads(model: Any) -> list[str]:
    """The further label spaces that a model can answer in."""
    return [head.space for head in getattr(model.manifest, "heads", [])]


def unread(labeled: Dataset, lost: Mapping[int, str]) -> list[str]:
    """A note of the samples that could not be read, naming the first of them; *lost* are their places."""
    if not lost:
        return []
    names = ", ".join(place_of(labeled, row) for row in list(lost)[:3])
    more = f" and {len(lost) - 3} more" if len(lost) > 3 else ""
    what = called(labeled).capitalize()
    return [f"{what} that cannot be read were left out, {len(lost)} of {len(labeled)}: {names}{more}."]


def place_of(part: Dataset, row: int) -> str:
    """Where a sample comes from, for messages."""
    return str((part.where or part.inputs)[row])


def called(part: Dataset) -> str:
    """What the files of a data set are."""
    return f"{part.kind}s"


def expert_notes(model: Any, known: str) -> list[str]:
    """Who picked the expert that read each sample; *known* is the column of the data that told it, or ""."""
    experts = getattr(model.manifest, "experts", None)
    if experts is None:
        return []
    if known:
        return [f"Each sample was read by the expert for its {known}, which the data tell."]
    if experts.chooser == "known":
        return [f"Nothing tells the {experts.by}: the answers of all experts were averaged."]
    return [f"Each sample was read by the expert for the {experts.by} that the model chose ({experts.chooser})."]


def clip_notes(frames: int | None, rule: str | None) -> list[str]:
    """How clips were read, where that is not as the model's settings say."""
    looked = [] if frames is None else [f"Of each clip {frames} frames were looked at, spread evenly over it."]
    return looked + ([] if rule is None else [f"The moments of each clip were summed up by the rule {rule!r}."])


def few_notes(figures: Mapping[str, Any]) -> list[str]:
    """How wide the accuracy is, where the samples are few.

    Args:
        figures: "n" and, where there are labels, "accuracy".
    """
    n, accuracy = figures["n"], figures.get("accuracy")
    if accuracy is None or not 0 < n < FEW:
        return []
    low, high = wilson_interval(round(accuracy * n), n)
    return [f"{n} samples are few: on others like them the accuracy may be {low:.2f} to {high:.2f} (95 % interval)."]


def trained_notes(model: Any, data: Dataset, split: str) -> list[str]:
    """That the model has seen what it is measured on, where it has."""
    learned = learned_from(model, data)
    if learned == "otherwise split":
        return ["The model was trained on these samples under other splits: what it learned from is among these."]
    if learned and split != "test":
        return [f"The model was trained or tuned on these data ({split}): new data will look worse than this."]
    return []


def about_model(model: Any) -> dict[str, Any]:
    """What a report says of the model."""
    manifest = model.manifest
    ratings = [{"name": e.name, "low": e.low, "high": e.high} for e in getattr(manifest, "ratings", [])]
    return {
        "name": model.name,
        "sha256": manifest.files["model.onnx"].sha256 if "model.onnx" in manifest.files else None,
        "modality": manifest.modality,
        "space": model.space.name,
        "multilabel": model.space.multilabel,
        **({"ratings": ratings} if ratings else {}),
        "data": manifest.data,
        "training": manifest.training,
    }


def about_data(data: Dataset, part: Dataset) -> dict[str, Any]:
    """What a report says of the data; *part* is what was measured."""
    ratings = {name: f"{low:g} to {high:g}" for name, (low, high) in data.scales.items()}
    return {
        "name": data.name,
        "modality": data.modality,
        "space": data.space.name,
        "multilabel": data.space.multilabel,
        "licence": data.licence,
        "fingerprint": data.fingerprint,
        "n": len(part),
        "counts": part.counts(),
        **({"ratings": ratings} if ratings else {}),
        "splits": {name: int((data.split == name).sum()) for name in data.splits},
        "left_out": sum(data.left_out.values()),
    }


def notes(
    model: Any,
    data: Dataset,
    part: Dataset,
    split: str,
    space: LabelSpace,
    rated: Mapping[str, tuple[int, tuple[float, float]]],
    restricted: Mapping[str, Any] | None,
) -> list[str]:
    """What a reader must know to take the figures rightly.

    Args:
        part: the samples that were asked for, labeled in *space*.
        rated: each rating that was measured → its place among the model's, and the model's scale.
        restricted: the figures over the labels that the data have, where they lack some of *space*.
    """
    notes = _of_ratings(model, data, rated)
    if model.mirror:
        notes.append("Each picture was read together with its mirror image, and the two answers averaged.")
    if model.space.name in heads(model):
        notes.append(f"The model answered in {model.space.name}, one of the further label spaces it has outputs for.")
    lost = len(data.part(split)) - len(part)
    if lost:
        lacking = f"carry no label of {space.name}" if len(space) else "have no rating"
        notes.append(f"{lost} samples {lacking} and were left out.")
    notes += trained_notes(model, data, split)
    if len(space):
        return notes + _of_labels(model, data, part, space, restricted)
    if len(model.space) and len(data.space):
        notes.append(f"No map joins the model's labels ({model.space.name}) to the data's ({data.space.name}).")
    return notes


def _of_labels(
    model: Any, data: Dataset, part: Dataset, space: LabelSpace, restricted: Mapping[str, Any] | None
) -> list[str]:
    notes = []
    if space.names != model.space.names:
        notes.append(f"The model's labels ({model.space.name}) were rolled up to {space.name}.")
        empty = [label for label, members in zip(space.names, groups(model.space, space), strict=True) if not members]
        if empty:
            notes.append(f"The model cannot say {', '.join(empty)}.")
    if space.names != data.space.names:
        voted = space.name in data.votes
        how = f"are those that most annotators gave ({space.name})" if voted else f"were rolled up to {space.name}"
        notes.append(f"The data's labels {'' if voted else f'({data.space.name}) '}{how}.")
    if model.space.multilabel and not part.space.multilabel:
        notes.append("The model can give several labels at once; the data have one, so its strongest label counts.")
    if part.space.multilabel and not model.space.multilabel:
        notes.append("The data have several labels at once; the model gives one.")
    counts = part.counts()
    if restricted and part.space.multilabel:
        counts = {label: counts[label] for label in restricted["labels"]}
        notes.append(f"Restricted to the labels that the data have: {', '.join(restricted['left_out'])} left out.")
    elif restricted:
        scores = f"accuracy {restricted['accuracy']:.4f}, macro-F1 {restricted['macro_f1']:.4f}"
        without = f"without {', '.join(restricted['left_out'])}, the rest made to add up to 1"
        notes.append(f"Restricted to the labels that the data have ({without}): {scores}.")
    absent = [label for label, count in counts.items() if not count]
    if absent:
        notes.append(f"No sample carries {', '.join(absent)}: they count as 0 in macro averages.")
    return notes


def _of_ratings(model: Any, data: Dataset, rated: Mapping[str, tuple[int, tuple[float, float]]]) -> list[str]:
    found = []
    for name, (_, (low, high)) in rated.items():
        if (low, high) != tuple(data.scales[name]):
            own = "{:g} to {:g}".format(*data.scales[name])
            found.append(f"The model rates {name} from {low:g} to {high:g}; that was laid over the data's {own}.")
    lacking = [name for name in data.ratings if name not in rated]
    if lacking and getattr(model.manifest, "ratings", []):
        found.append(f"The data have {', '.join(lacking)} too, which the model does not give.")
    return found


def learned_from(model: Any, data: Dataset) -> str:
    """Whether the model was made with these data: "" (no), "so split" or "otherwise split"."""
    learned = model.manifest.data if isinstance(model.manifest.data, list) else [model.manifest.data]
    if any(entry.get("fingerprint") == data.fingerprint for entry in learned):
        return "so split"
    same = any(entry.get("samples_fingerprint") == data.samples_fingerprint for entry in learned)
    return "otherwise split" if same else ""


def made(seconds: float) -> dict[str, Any]:
    """When, and with which versions and machine; *seconds* are those of prediction."""
    try:
        version = metadata.version("mien")
    except metadata.PackageNotFoundError:  # run from a source tree
        version = "source"
    return {
        "mien": version,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs",
        "seconds": round(seconds, 3),
    }
