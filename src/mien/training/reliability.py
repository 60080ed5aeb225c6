"""Teach a model of faces what it can see in a crop, and how far its labels can be trusted.

Both are fitted after the network, on validation faces: as they are, spoiled, and set into pictures at sizes from 10 to
120 pixels, where they are found as in any photograph. Photographs without people show what else the detector takes for
faces.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from mien import model as folders
from mien.datasets import Dataset
from mien.datasets.open import open_dataset
from mien.errors import DataError, ModelError
from mien.media import pixels
from mien.media.images import read_picture
from mien.modalities.face.degrade import BANDS, blur, cover, degrade
from mien.modalities.face.detect import Face
from mien.modalities.face.predictor import FacePredictor
from mien.modalities.face.preprocess import align, prepare
from mien.modalities.face.quality import measure, measure_crop
from mien.modalities.face.reliability import BIAS, NAMES, PARTS, SEEN, Judge, evidence
from mien.modality import load
from mien.model import CertaintyEntry, LabelsEntry
from mien.results import Quality
from mien.training.card import card
from mien.training.certainty import choose_certainty
from mien.training.log import LOGGER

SURE = 0.5  # reliability from which on a face counts: its label is right more often than not
_SIZES = (10, 120)  # pixels of a face in a picture
_TIMES = 3  # photographs of each face
_FAINT = 0.12  # detector's score of what may serve as an example of no face
_CLEAR = (0.95, 32, 35)  # detector's score, pixels and degrees of yaw of a person's clear face
_FOLDS = 2
_FEATURES = "features"  # the output that a network tells them under
_NONE = 0.05  # what is no face counts as so many of the faces, however few the examples: it must not be answered


@dataclass
class Examples:
    """Crops and what is known of each; lists of equal length.

    Attributes:
        crops: as the network is given them.
        qualities: before the network was asked.
        targets: the label's place; -1 where there is none to be right, -2 where it is not known.
        groups: what they were made from: examples of one are in the same fold.
        human, mouth, eyes: 1 or 0; -1 where that is not known.
    """

    crops: list[np.ndarray] = field(default_factory=list)
    qualities: list[Quality] = field(default_factory=list)
    targets: list[int] = field(default_factory=list)
    groups: list[int] = field(default_factory=list)
    human: list[int] = field(default_factory=list)
    mouth: list[int] = field(default_factory=list)
    eyes: list[int] = field(default_factory=list)

    def add(
        self, crop: np.ndarray, quality: Quality, target: int, group: int,
        human: int = 1, mouth: int = -1, eyes: int = -1,
    ) -> None:  # fmt: skip
        """One more."""
        values = (crop, quality, target, group, human, mouth, eyes)
        for name, value in zip(self.__dataclass_fields__, values, strict=True):
            getattr(self, name).append(value)


def with_reliability(
    model: str | Path, data: str | Dataset, pictures: str | Dataset, to: str | Path, *, name: str | None = None,
    seed: int = 0,
) -> Path:  # fmt: skip
    """The model with the head ``seen`` and the weights by which its manifest tells the reliability of faces.

    Args:
        model: a model or run folder of faces, or a shipped model by name.
        data: ready crops in the model's labels, with validation data.
        pictures: photographs with the labels "people" and "none": with people in them, and without any.

    Raises:
        ModelError: no such model, its folder is damaged, or its network does not give its features.
        DataError: the data set has other labels, no validation data, or the pictures other labels.
        MienError: *to* cannot be written.
    """
    source = folders.find_model(model)
    manifest = folders.verify(source)
    predictor = load(source)
    if not (isinstance(predictor, FacePredictor) and predictor.gives_features):
        raise ModelError(f"{manifest.name} is no model of single faces whose network gives its features")
    valid = (open_dataset(data) if isinstance(data, str) else data).part("val")
    photographs = open_dataset(pictures) if isinstance(pictures, str) else pictures
    if valid.space.names != manifest.space.names or valid.space.multilabel:
        raise DataError(f"{valid.name} has other labels than {manifest.name}")
    if set(photographs.space.names) != {"people", "none"}:
        raise DataError(f"{photographs.name} must have the labels people and none")
    rng = np.random.default_rng(seed)
    examples = gather(predictor, valid, photographs, rng)
    crops = np.stack(examples.crops)
    labels = sum(len(entry.names) for entry in (manifest.labels, *manifest.heads) if entry.space != SEEN)
    answers = predictor.classify(crops)[:, :labels]
    features = predictor.embed(examples.crops, 64)
    folds = np.array(examples.groups) % _FOLDS
    parts, told = list[tuple[np.ndarray, float]](), np.zeros((len(crops), len(PARTS)))
    for place, part in enumerate(PARTS):
        truth = np.array(getattr(examples, part))
        for fold in range(_FOLDS):  # what it tells of faces that it did not learn from
            slopes, bias = _probe(features, truth, folds != fold)
            told[folds == fold, place] = _share(features[folds == fold] @ slopes + bias)
        parts.append(_probe(features, truth, np.ones(len(truth), bool)))
    weights = _weigh(examples, answers[:, : len(manifest.space)], told, manifest.space.names)
    network = _with_seen(onnx.load(source / folders.NETWORK), parts, labels)
    manifest.heads = [entry for entry in manifest.heads if entry.space != SEEN]
    manifest.heads.append(LabelsEntry(space=SEEN, multilabel=True, names=list(NAMES)))
    manifest.reliability, manifest.name = weights, name or manifest.name
    rows = np.hstack([answers, told])
    judge = Judge(manifest)
    judged = [judge.judge(quality, row) for quality, row in zip(examples.qualities, rows, strict=True)]
    heads = {entry.space for entry in manifest.heads}  # the others went by scores
    manifest.certainty = {space: entry for space, entry in manifest.certainty.items() if space in heads}
    manifest.certainty[manifest.space.name] = _certainty(
        np.array([one.reliability or 0.0 for one in judged]), rows[:, : len(manifest.space)],
        np.array(examples.targets), f"{valid.name}, spoiled",
    )  # fmt: skip
    note = (
        f"What it sees in a crop and how far its labels can be trusted was fitted on {len(valid):,} validation faces "
        f"of {valid.name}, as they are and spoiled, and on {len(photographs):,} pictures of {photographs.name}."
    )
    notes = manifest.training.get("notes", [])
    manifest.training["notes"] = [*(one for one in notes if not one.startswith("What it sees in a crop")), note]
    files: dict[str, Path | bytes] = {file: source / file for file in manifest.files if file != folders.CARD}
    files[folders.NETWORK] = network.SerializeToString()
    return folders.write_model(to, manifest, files, card(manifest))


def gather(predictor: FacePredictor, valid: Dataset, photographs: Dataset, rng: np.random.Generator) -> Examples:
    """Faces as the model may meet them, and what is none."""
    examples, detector, settings = Examples(), predictor.detector, predictor.settings
    LOGGER.info(f"{len(valid):,} faces as they are, spoiled, and {_TIMES} times in a picture")
    for group, (item, target) in enumerate(zip(valid.inputs, np.asarray(valid.targets).tolist(), strict=True)):
        picture = read_picture(item)
        square = pixels.resize(pixels.to_gray(picture), *[max(picture.shape[:2])] * 2)
        spoiled = degrade(square, rng)
        for face in (square, spoiled):
            crop = prepare(face, settings)
            examples.add(crop, measure_crop(face, crop), int(target), group)
        part = str(rng.choice(list(BANDS)))
        crop = prepare(cover(square, part, int(rng.integers(256)), rng.uniform(-40, 40)), settings)
        free = {band: int(band != part) for band in BANDS}
        examples.add(crop, measure_crop(square, crop), -2, group, **free)
        crop = prepare(square, settings)  # once more, with all parts free
        examples.add(crop, measure_crop(square, crop), -2, group, **dict.fromkeys(BANDS, 1))
        for time in range(_TIMES):
            low, high = _SIZES
            shown = set_into(square if not time else degrade(square, rng), int(low * (high / low) ** rng.random()), rng)
            for found in detector.find(shown)[:1]:
                crop = align(shown, found, settings)
                examples.add(crop, measure(shown, found, crop), int(target), group)
    LOGGER.info(f"{len(photographs):,} photographs with and without people")
    faint = detector.looking(confidence=_FAINT)
    none = photographs.space.names.index("none")
    for group, (item, kind) in enumerate(zip(photographs.inputs, photographs.targets, strict=True), len(valid)):
        picture = read_picture(item)
        for found in faint.find(picture):
            crop = align(picture, found, settings)
            quality = measure(picture, found, crop)
            sure = found.score >= detector.confidence
            if kind == none:
                for moved in _jittered(picture, found, rng):
                    crop = align(picture, moved, settings)
                    examples.add(crop, quality, -1 if sure else -2, group, human=0)
            elif _clear(found, quality):
                examples.add(crop, quality, -2, group)
    return examples


def set_into(face: np.ndarray, side: int, rng: np.random.Generator) -> np.ndarray:
    """A picture in which a face is so many pixels large; a quarter of them are cut off by the picture's edge.

    Args:
        face: uint8 gray square.

    Returns:
        uint8 (height, width, 3).
    """
    pad = int(side * rng.uniform(0.25, 1.2))
    shown = pixels.resize(face, side, side)
    picture = blur(np.pad(shown, pad, mode="edge"), 0.03)
    picture = picture.copy()
    picture[pad : pad + side, pad : pad + side] = shown
    if rng.random() < 0.25:
        edge, lost = int(rng.integers(4)), pad + int(side * rng.uniform(0, 0.35))
        picture = np.rot90(np.rot90(picture, edge)[lost:], -edge)
    return np.repeat(picture[:, :, None], 3, axis=2)


def _clear(face: Face, quality: Quality) -> bool:
    score, size, yaw = _CLEAR
    return face.score >= score and quality.size >= size and abs(quality.yaw or 0.0) < yaw


def _jittered(picture: np.ndarray, face: Face, rng: np.random.Generator) -> Iterator[Face]:
    """The face, and as it might have been found otherwise."""
    yield face
    left, top, right, bottom = face.box
    for _ in range(3):
        x, y = rng.normal(0, 0.06, 2) * (right - left, bottom - top)
        moved = None if face.landmarks is None else face.landmarks + np.array([x, y], np.float32)
        yield Face((left + x, top + y, right + x, bottom + y), face.score, moved)


def _probe(features: np.ndarray, truth: np.ndarray, of: np.ndarray) -> tuple[np.ndarray, float]:
    """Weights and bias of a logistic regression for features as they are; both classes count equally."""
    of = of & (truth >= 0)
    if len(set(truth[of].tolist())) < 2:  # no photograph in which anything passed for a face: there is nothing to learn
        return np.zeros(features.shape[1]), 30.0 * (2 * float(truth[of].mean()) - 1)
    scaler = StandardScaler().fit(features[of])
    fitted = LogisticRegression(C=0.01, max_iter=1000, class_weight="balanced")
    fitted.fit(scaler.transform(features[of]), truth[of])
    weights = fitted.coef_[0] / scaler.scale_
    return weights, float(fitted.intercept_[0] - weights @ scaler.mean_)


def _share(odds: np.ndarray) -> np.ndarray:
    shares: np.ndarray = 1 / (1 + np.exp(-odds.clip(-30, 30)))
    return shares


def _weigh(
    examples: Examples, answers: np.ndarray, told: np.ndarray, names: Sequence[str]
) -> dict[str, dict[str, float]]:
    """What is known of a face → its weight, for faces in pictures and for ready crops."""
    targets = np.array(examples.targets)
    found = np.array([quality.detector is not None for quality in examples.qualities])
    right = answers.argmax(1) == targets
    rows = [
        evidence(quality, dict(zip(names, row.tolist(), strict=True)), dict(zip(PARTS, seen.tolist(), strict=True)))
        for quality, row, seen in zip(examples.qualities, answers, told, strict=True)
    ]
    columns = list(rows[0])
    table = np.array([[row[name] for name in columns] for row in rows])
    weights = {}
    for kind, chosen in (("photo", found), ("crop", ~found)):
        of = chosen & (targets > -2)
        if len(set(right[of].tolist())) < 2:
            raise DataError(f"too few faces to tell right from wrong labels by ({kind}: {of.sum():,})")
        none = targets[of] < 0
        heft = np.where(none, _NONE * len(none) / max(1, none.sum()), 1.0)
        scaler = StandardScaler().fit(table[of])
        fitted = LogisticRegression(C=1.0, max_iter=2000)
        fitted.fit(scaler.transform(table[of]), right[of], sample_weight=heft)
        each = fitted.coef_[0] / scaler.scale_
        bias = float(fitted.intercept_[0] - each @ scaler.mean_)
        named = zip((*columns, BIAS), (*each.tolist(), bias), strict=True)
        weights[kind] = {name: round(value, 6) for name, value in named if value}
    return weights


def _certainty(reliability: np.ndarray, answers: np.ndarray, targets: np.ndarray, corpus: str) -> CertaintyEntry:
    """Which labels are sure, and the sets of labels, over all faces with a label that was known."""
    known = targets >= 0
    reliability, answers, targets = reliability[known], answers[known], targets[known]
    entry = choose_certainty(answers / answers.sum(1, keepdims=True), targets, corpora=[corpus])
    if entry is None:
        raise DataError(f"{corpus}: too few faces to say when a label is sure")
    sure = reliability >= SURE
    if not sure.any():
        raise DataError(f"{corpus}: no label is reliable enough to count")
    right = (answers.argmax(1) == targets)[sure].mean()
    return entry.model_copy(
        update={"threshold": SURE, "rate": round(float(right), 4), "answered": round(float(sure.mean()), 4),
                "bounded": False}
    )  # fmt: skip


def _with_seen(network: onnx.ModelProto, parts: Sequence[tuple[np.ndarray, float]], labels: int) -> onnx.ModelProto:
    """The network whose probabilities have those of the head ``seen`` behind the first *labels*."""
    graph = network.graph
    if _FEATURES not in [output.name for output in graph.output]:
        raise ModelError("the network does not give its features")
    name = f"{SEEN}.labels"
    before = next((node for node in graph.node if node.output[0] == name), None)
    if before is None:
        before = next(node for node in graph.node if "probabilities" in node.output)
        before.output[list(before.output).index("probabilities")] = name
    else:  # fitted before: both the sizes and the nodes are there
        kept = [node for node in graph.node if not node.name.startswith(f"{SEEN}.")]
        del graph.node[:]
        graph.node.extend(kept)
        arrays = [array for array in graph.initializer if not array.name.startswith(f"{SEEN}.")]
        del graph.initializer[:]
        graph.initializer.extend(arrays)
    weights = np.stack([weights for weights, _ in parts], 1).astype(np.float32)
    graph.initializer.append(numpy_helper.from_array(weights, f"{SEEN}.weights"))
    biases = np.array([bias for _, bias in parts], np.float32)
    graph.initializer.append(numpy_helper.from_array(biases, f"{SEEN}.biases"))
    inputs = [_FEATURES, f"{SEEN}.weights", f"{SEEN}.biases"]
    graph.node.extend((
        helper.make_node("Gemm", inputs, [f"{SEEN}.odds"], f"{SEEN}.product"),
        helper.make_node("Sigmoid", [f"{SEEN}.odds"], [f"{SEEN}.shares"], f"{SEEN}.sigmoid"),
        helper.make_node("Concat", [name, f"{SEEN}.shares"], ["probabilities"], f"{SEEN}.all", axis=1),
    ))  # fmt: skip
    for output in graph.output:
        if output.name == "probabilities":
            output.type.tensor_type.shape.dim[1].dim_value = labels + len(PARTS)
    return network
