"""A model's network as what makes rows of numbers of its inputs, alone and in one graph with a classifier."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto
from onnx.utils import Extractor

from mien import model as folders
from mien.errors import DataError, InputError, RecipeError
from mien.modality import Modality, Predictor, get_modality
from mien.model import LabelsEntry, Manifest
from mien.networks.graph import FEATURES
from mien.plugins import import_object
from mien.runtime import Session
from mien.training.pretrained import PACKAGE, pretrained_model


class Embedding:
    """The part of a model's network that comes before its decision, or of a transformer its lower layers alone.

    Attributes:
        manifest: of the model.
        tokenizer: of a model of texts, the content of its ``tokenizer.json``; empty for others.
        layer, layers: the layer whose vectors it gives the mean of, counted from 1, and how many the network has; 0 and
            0 for a network that is no transformer.

    Args:
        folder, manifest, files: of the model, as :func:`mien.model.read_model` gives them.
        layer: see above; the last one for 0.

    Raises:
        RecipeError: the network does not give its features.
    """

    def __init__(self, folder: Path, manifest: Manifest, files: dict[str, bytes], layer: int = 0) -> None:
        self.manifest, self.tokenizer = manifest, files.get(folders.TOKENIZER, b"")
        whole = onnx.load_from_string(files[folders.NETWORK])
        if FEATURES not in {output.name for output in whole.graph.output} or manifest.experts:
            raise RecipeError(f"network.embed: the network of {manifest.name} gives no features")
        self.layers = len(done := _layers(whole))
        self.layer = layer or self.layers
        if self.layer < self.layers:
            for node in whole.graph.node:  # what took the last layer's vectors takes this one's
                node.input[:] = [done[self.layer - 1] if name == done[-1] else name for name in node.input]
        self._network = Extractor(whole).extract_model([whole.graph.input[0].name], [FEATURES])
        del self._network.graph.value_info[:]
        content = self._network.SerializeToString()
        self._session = Session(content, name=folder / folders.NETWORK)
        silent = manifest.model_copy(update={
            "labels": LabelsEntry(space="", names=[], multilabel=True), "heads": [], "ratings": [], "certainty": {},
            "reliability": {},
        })  # fmt: skip
        made = import_object(get_modality(manifest.modality).predictor)
        self._predictor: Predictor = made(folder, silent, {**files, folders.NETWORK: content})

    @property
    def name(self) -> str:
        """What it is called in a log."""
        part = f", layer {self.layer} of {self.layers}" if self.layer < self.layers else ""
        return f"{self.manifest.name}{part}"

    @property
    def preprocess(self) -> dict[str, Any]:
        """How an input is prepared for it: the ``preprocess`` part of its manifest."""
        return self.manifest.preprocess

    def embed(self, inputs: Sequence[Any], where: Sequence[str] = ()) -> np.ndarray:
        """Inputs → float32 (n, d). A long text has the mean of its windows, by their length.

        Args:
            where: where each stands, for messages.

        Raises:
            DataError: one cannot be read; the message says which.
        """
        try:
            return self._predictor.features(inputs)
        except InputError as error:
            number, _, why = str(error).removeprefix("input ").partition(": ")
            raise DataError(
                f"{where[int(number) - 1]}: {why}" if where and number.isdecimal() else str(error)
            ) from None

    def rows(self, batch: np.ndarray) -> np.ndarray:
        """Prepared inputs, as the network takes them → float32 (n, d)."""
        return self._session.run(batch, FEATURES)

    def network(self) -> ModelProto:
        """The network up to its features."""
        return self._network

    def layout(self, example: np.ndarray) -> list[dict[str, Any]]:
        """One row for the whole of it; *example* is a prepared input."""
        count = sum(int(np.prod(array.dims)) for array in self._network.graph.initializer)
        return [{"name": "embed", "type": self.name, "output": list(self.rows(example).shape), "parameters": count}]


def open_embeddings(model: str, reads: Modality, depths: Sequence[float] = (1.0,)) -> list[Embedding]:
    """A model's network up to its features; of a transformer one for each of several depths, the lowest first.

    Args:
        model: name of a shipped model, a model or run folder, or ``package:NAME`` for the weights of a sentence encoder
            as they were pretrained.
        reads: the modality whose inputs it must read.
        depths: shares of the layers, over 0 to 1.

    Raises:
        ModelError: no such model, or its folder is damaged.
        MissingExtra: no such package, or torch, which packages need, is not installed.
        RecipeError: it reads something else, its network does not give its features, or has no layers to choose from.
    """
    folder, manifest, files = pretrained_model(model) if model.startswith(PACKAGE) else folders.read_model(model)
    if get_modality(manifest.modality).unit != reads.unit:
        raise RecipeError(f"network.embed: the model {model} reads {manifest.modality}, not {reads.unit}s")
    whole = Embedding(folder, manifest, dict(files))
    layers = {max(1, round(depth * whole.layers)) for depth in depths if depth < 1}
    if layers and not whole.layers:
        raise RecipeError(f"network.depth: the network of {model} is no transformer, which has layers to choose from")
    lower = [Embedding(folder, manifest, dict(files), layer) for layer in sorted(layers - {whole.layers})]
    return [*lower, *([whole] if max(depths) == 1 or not lower else [])]


def _layers(network: ModelProto) -> list[str]:
    """What the layers of a transformer give, from the input up: each ends in the second of its two norms.

    The first norm is that of the embeddings. Nothing for another network.
    """
    norms = [node.output[0] for node in network.graph.node if node.op_type == "LayerNormalization"]
    return norms[2::2] if len(norms) % 2 else []
