"""A face model's network as what makes rows of numbers of pictures, alone and in one graph with a classifier."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import ModelProto
from onnx.utils import Extractor

from mien import model as folders
from mien.errors import RecipeError
from mien.modality import get_modality
from mien.networks.graph import FEATURES
from mien.runtime import Session


class Embedding:
    """The part of a face model's network that comes before its decision.

    Attributes:
        preprocess: how a picture is prepared for it: the ``preprocess`` part of its manifest.

    Args:
        model: name of a shipped face model, or a model or run folder.

    Raises:
        ModelError: no such model, or its folder is damaged.
        RecipeError: it reads no faces, or its network does not give its features.
    """

    def __init__(self, model: str) -> None:
        folder = folders.find_model(model)
        self._manifest = folders.verify(folder)
        if get_modality(self._manifest.modality).unit != "face":
            raise RecipeError(f"network.embed: the model {model} reads {self._manifest.modality}, not faces")
        self._network = folder / folders.NETWORK
        self._session = Session(self._network)
        if FEATURES not in self._session.outputs:
            raise RecipeError(f"network.embed: the network of {model} gives no features")
        self.preprocess: dict[str, Any] = self._manifest.preprocess

    def rows(self, batch: np.ndarray) -> np.ndarray:
        """Prepared pictures, uint8 (n, size, size, channels) → float32 (n, d)."""
        return self._session.run(batch, FEATURES)

    def network(self) -> ModelProto:
        """The network up to its features."""
        network = Extractor(onnx.load(self._network)).extract_model([self._session.input], [FEATURES])
        del network.graph.value_info[:]
        return network

    def layout(self) -> list[dict[str, Any]]:
        """One row for the whole of it."""
        shape = self.rows(np.zeros((1, *self._shape()), np.uint8)).shape
        count = sum(int(np.prod(array.dims)) for array in onnx.load(self._network).graph.initializer)
        return [{"name": "embed", "type": self._manifest.name, "output": list(shape), "parameters": count}]

    def _shape(self) -> tuple[int, int, int]:
        size = self.preprocess["size"]
        return size, size, self.preprocess["channels"]
