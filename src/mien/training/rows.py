"""Training the networks that learn all at once: on rows of numbers, on those that another model makes, or on texts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import numpy as np
import onnx

from mien import model as folders
from mien.datasets import Dataset
from mien.errors import DataError, RecipeError
from mien.evaluation.notes import place_of
from mien.modalities.text.tokenizer import TokenizerSettings
from mien.modality import Sampler, get_modality
from mien.networks import OF_ROWS, open_network
from mien.networks.graph import rows_network, tokens_network, with_classifiers
from mien.networks.rows import TINY, places
from mien.runtime import probabilities_of
from mien.training.calibrate import Calibration, Kind, calibrate
from mien.training.embed import Embedding, open_embeddings
from mien.training.log import LOGGER, log_prefix
from mien.training.proof import Reference
from mien.training.ratings import Ratings
from mien.training.sampler import open_sampler
from mien.training.search import Chosen, choose
from mien.training.settings import Recipe

_BATCH = 64


@dataclass
class TrainedRows:
    """One network of rows or several that vote, with what a run asks of a trained model.

    Attributes:
        members: the networks, each with what makes probabilities of its logits where several vote.
        embedding: what makes rows of pictures or texts; None where the inputs are rows, or texts are counted.
        several: whether several labels can hold at once.
        in_folds: whether settings were chosen in folds of the training data, not on validation data.
        tried: each layer of the embedding that was tried, and its figure.
        held_out: logits float (n, labels) of the training rows by models of the inner folds that had not seen them;
            None without such.
        search: what was tried, for each member.
    """

    members: list[tuple[Chosen, Calibration]]
    sampler: Sampler
    embedding: Embedding | None = None
    several: bool = False
    in_folds: bool = True
    tried: list[dict[str, float]] = field(default_factory=list)
    history: list[dict[str, float]] = field(default_factory=list)  # there are no epochs
    heads: list[Any] = field(default_factory=list)  # it has none
    ratings: Ratings = field(default_factory=Ratings)  # it gives none

    @property
    def held_out(self) -> np.ndarray | None:
        """See the class."""
        return self._together([member.held_out for member, _ in self.members]) if self.in_folds else None

    @property
    def search(self) -> list[dict[str, Any]]:
        """See the class."""
        facts = [{**member.facts, **self.made_from} for member, _ in self.members]
        return [one for at, one in enumerate(facts) if one not in facts[:at]]  # one may vote twice

    @property
    def made_from(self) -> dict[str, Any]:
        """The model that makes the rows, and what was tried of its layers, ready for JSON; nothing without one."""
        if self.embedding is None:
            return {}
        manifest = self.embedding.manifest
        made: dict[str, Any] = {"name": manifest.name, "sha256": manifest.files[folders.NETWORK].sha256}
        if self.tried:
            made |= {"layer": self.embedding.layer, "layers": self.embedding.layers, "tried": self.tried}
        return {"embed": made}

    @property
    def figure(self) -> float:
        """What settings were chosen by, of the best ones: the mean over the networks."""
        return float(np.mean([member.facts["tried"][0]["mean"] for member, _ in self.members]))

    def logits(self, inputs: Sequence[Any]) -> np.ndarray:
        """float64 (n, labels)."""
        return self._logits(rows_of(inputs, self.sampler, self.embedding))

    def reference(self, temperature: float) -> Reference:
        """Prepared batch → probabilities, by scikit-learn and XGBoost."""

        def run(batch: np.ndarray) -> np.ndarray:
            rows = batch if self.embedding is None else self.embedding.rows(batch)
            return probabilities_of(self._logits(rows), self.several, temperature)

        return run

    def write(self, path: Path, temperature: float, example: np.ndarray) -> None:
        """Write ``model.onnx``: the embedding, where there is one, and the classifier in one graph."""
        labels = self.members[0][0].held_out.shape[1]
        voices = []
        for member, calibration in self.members:
            weights, bias = places(member.model, labels)
            if len(self.members) > 1:
                weights, bias = weights @ calibration.weights, bias @ calibration.weights + calibration.bias
            voices.append((member.model, weights, bias))
        if self.embedding is not None:
            network = self.embedding.network()
        else:
            network = tokens_network() if example.dtype == np.int64 else rows_network(example.shape[1])
        whole = with_classifiers(network, voices, temperature, self.embedding is not None, self.several)
        onnx.checker.check_model(whole)
        onnx.save(whole, path)

    def layout(self, example: np.ndarray) -> list[dict[str, Any]]:
        """One row per step: name, type, output shape, parameters."""
        distinct = {id(member): member for member, _ in self.members}.values()
        own = [member.module.layout(member.model) for member in distinct]
        if len(self.members) > 1:
            for member, rows in zip(distinct, own, strict=True):
                for row in rows:
                    row["name"] = f"{member.facts['kind']}.{row['name']}"
            own.append([{"name": "vote", "type": "Mean", "output": own[-1][-1]["output"], "parameters": 0}])
        first = [] if self.embedding is None else self.embedding.layout(example)
        return [*first, *(row for rows in own for row in rows)]

    def weights(self) -> bytes | None:
        """The content of ``weights.safetensors``, where the network has plain arrays to keep."""
        module, model = self.members[0][0].module, self.members[0][0].model
        if not hasattr(module, "weights"):
            return None
        from safetensors.numpy import save

        content: bytes = save(module.weights(model))
        return content

    def _logits(self, rows: np.ndarray) -> np.ndarray:
        return self._together([member.logits(rows) for member, _ in self.members])

    def _together(self, logits: list[np.ndarray]) -> np.ndarray:
        if len(logits) == 1:
            return logits[0]
        said = [calibration(own) for (_, calibration), own in zip(self.members, logits, strict=True)]
        return np.asarray(np.log(np.mean(said, axis=0) + TINY))


def train_rows(recipe: Recipe, sets: list[Dataset], valid: Dataset | None) -> tuple[TrainedRows, Sampler]:
    """Choose the settings inside the training data, or on validation data, and learn from all of the former.

    Raises:
        DataError: several data sets, several labels at a time for one that gives one, or too little to search with.
    """
    data = sets[0]
    if len(sets) > 1:
        raise DataError(f"the network {recipe.network.kind} learns from one data set")
    if not len(data.space):
        raise DataError(f"{data.name} has no labels, and the network {recipe.network.kind} gives no ratings")
    if data.space.multilabel and recipe.network.kind in OF_ROWS:
        raise DataError(f"{data.name} has several labels at a time; the network {recipe.network.kind} gives one")
    _, settings = open_network(recipe.network.kind, recipe.network.options)
    held = None if recipe.search.folds else valid
    if not settings.embed:
        sampler = open_sampler(recipe).fit([data])
        return _learned(recipe, data, held, sampler, None), sampler
    if held is None:
        _check_examples(data)
    found = []
    embeddings = open_embeddings(settings.embed, get_modality(recipe.modality), settings.depth)
    for embedding in embeddings:
        given = {"preprocess": embedding.preprocess, "tokenizer": TokenizerSettings(kind="pretrained")}
        sampler = open_sampler(recipe.model_copy(update=given), embedding.tokenizer).fit([data])
        sampler.built_on = [embedding.manifest]
        with log_prefix(embedding.name if len(embeddings) > 1 else ""):
            found.append((_learned(recipe, data, held, sampler, embedding), sampler))
    best, sampler = max(found, key=lambda one: one[0].figure)  # of equals the lowest layer, which is fastest
    if len(found) > 1:
        best.tried = [
            {"layer": embedding.layer, recipe.search.by: round(one.figure, 6)}
            for embedding, (one, _) in zip(embeddings, found, strict=True)
        ]
        LOGGER.info(f"chosen: layer {best.made_from['embed']['layer']} of {embeddings[0].layers}")
    return best, sampler


def _check_examples(data: Dataset) -> None:
    """Raises DataError: a label has a single sample, which cannot be held out and learned from at once."""
    for label, count in data.counts().items():
        if count == 1:
            raise DataError(f"{data.name} has one sample of {label!r}; two of each label are needed, better eight")


def _learned(
    recipe: Recipe, data: Dataset, held: Dataset | None, sampler: Sampler, embedding: Embedding | None
) -> TrainedRows:
    """What is learned from rows of one making."""
    where = [place_of(part, row) for part in (data, held) if part for row in range(len(part))]
    rows = rows_of([*data.inputs, *(held.inputs if held else [])], sampler, embedding, where)
    targets = np.concatenate([data.targets, held.targets]) if held else data.targets
    given = rows, targets, data.groups, len(data.space), recipe.search, recipe.train.seed
    count, spec = len(data) if held else None, sampler.input_spec
    chosen: dict[str, Chosen] = {}
    voices = []
    for kind, options, how in members(recipe):
        key = json.dumps([kind, options], sort_keys=True)
        if key not in chosen:
            chosen[key] = choose(kind, options, *given, count=count, spec=spec)
        voices.append((chosen[key], calibrate(how, chosen[key].held_out, (held or data).targets)))
    return TrainedRows(voices, sampler, embedding, data.space.multilabel, held is None)


def members(recipe: Recipe) -> list[tuple[str, dict[str, Any], Kind]]:
    """The networks of a recipe, checked: kind, settings and calibration of its own one, or of those that vote.

    Raises:
        RecipeError: the recipe is for another modality, names pictures' rows wrongly, or a member is none.
        MissingExtra: XGBoost is not installed.
    """
    kind, options = recipe.network.kind, recipe.network.options
    _, settings = open_network(kind, options)
    modality = get_modality(recipe.modality)
    if kind not in OF_ROWS:
        if modality.kind != "text":
            raise RecipeError(f"network.kind: {kind!r} learns from texts")
    elif modality.unit not in ("row", "face", "text") or (modality.kind == "text" and not settings.embed):
        where = "from faces or texts through network.embed, such as text"
        raise RecipeError(f"network.kind: {kind!r} learns from rows of numbers, or {where}")
    elif bool(settings.embed) != (modality.kind != "row"):
        lacking = "for pictures, name the face model that makes rows of them, such as face"
        raise RecipeError(f"network.embed: {'rows need none' if settings.embed else lacking}")
    if settings.embed and recipe.preprocess:
        raise RecipeError(f"preprocess.{next(iter(recipe.preprocess))}: is that of the model in network.embed")
    if recipe.export.quantize != "none":
        raise RecipeError(f"export.quantize: the network {kind} is not kept in 8 bits")
    if kind != "vote":
        return [(kind, options, "temperature")]
    found = []
    for place, member in enumerate(settings.members):
        own = {key: value for key, value in member.items() if key not in ("kind", "calibrate")}
        how = member.get("calibrate", "temperature")
        if member.get("kind") not in OF_ROWS[:-1]:
            raise RecipeError(f"network.members.{place}: kind must be one of {', '.join(OF_ROWS[:-1])}")
        if how not in get_args(Kind):
            raise RecipeError(f"network.members.{place}: calibrate must be one of {', '.join(get_args(Kind))}")
        if own.get("embed"):
            raise RecipeError(f"network.members.{place}.embed: all members share network.embed")
        open_network(member["kind"], own)
        found.append((member["kind"], own, how))
    return found


def rows_of(
    inputs: Sequence[Any], sampler: Sampler, embedding: Embedding | None, where: Sequence[str] = ()
) -> np.ndarray:
    """What is learned from: float32 (n, d), or token ids int64 (n, length); *where* each input stands, for messages."""
    if embedding is not None:
        return embedding.embed(inputs, where)
    parts = [sampler.collate(inputs[at : at + _BATCH]) for at in range(0, len(inputs), _BATCH)]
    longest, pad = max(part.shape[1] for part in parts), sampler.input_spec.get("pad_id", 0)
    return np.concatenate([
        np.pad(part, ((0, 0), (0, longest - part.shape[1])), constant_values=pad) for part in parts
    ])  # fmt: skip
