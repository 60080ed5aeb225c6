"""Several trained models in one: their probabilities are averaged (Lakshminarayanan et al. 2017)."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import compose, helper
from tokenizers import Tokenizer

from mien import model as folders
from mien.errors import ModelError
from mien.modality import get_modality
from mien.model import Manifest
from mien.runtime import Session
from mien.training.card import card
from mien.training.proof import prove, quantize

_SAME = ("modality", "labels", "preprocess", "heads")
_TOLERANCE = 1e-5


def combine(models: Sequence[str | Path], to: str | Path, name: str, *, int8: bool = False) -> Path:
    """Write a model whose probabilities are the mean of several models' probabilities.

    They must read and answer alike: the same labels, preprocessing and tokenizer, one label at a time.

    Args:
        models: model or run folders, two at least.
        to: the folder to write.
        name: of the new model.
        int8: keep the large weights in 8 bits.

    Raises:
        ModelError: a model is missing or damaged, or they differ in what must be the same.
        ExportError: the new network does not give the mean of the others.
    """
    sources = [folders.find_model(model) for model in models]
    manifests = [folders.verify(source) for source in sources]
    _agree(sources, manifests)
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / folders.NETWORK
        onnx.save(_mean(sources), path)
        sessions = [Session(source / folders.NETWORK) for source in sources]
        vocabulary = Tokenizer.from_file(str(sources[0] / folders.TOKENIZER)).get_vocab_size()
        ids = np.random.default_rng(0).integers(0, vocabulary, (8, 20))  # any tokens will do to compare networks
        difference = prove(
            lambda batch: np.mean([session.run(batch) for session in sessions], axis=0), path, [ids], _TOLERANCE
        )
        if int8:
            quantize(path, small := Path(scratch) / "small.onnx")
            path = small
        first = manifests[0]
        manifest = Manifest(
            name=name,
            modality=first.modality,
            summary=f"{first.summary} The mean of {len(models)} of its kind.",
            labels=first.labels,
            preprocess=first.preprocess,
            data=list({entry["fingerprint"]: entry for one in manifests for entry in one.data}.values()),
            training={**first.training, "members": [_member(one) for one in manifests],
                      "seconds": round(sum(one.training.get("seconds", 0) for one in manifests), 1),
                      "export_difference": difference},
            versions=first.versions,
        )  # fmt: skip
        files = {file: sources[0] / file for file in first.files if file == folders.TOKENIZER}
        return folders.write_model(to, manifest, {folders.NETWORK: path, **files}, card(manifest))


def _agree(sources: Sequence[Path], manifests: Sequence[Manifest]) -> None:
    first = manifests[0]
    if len(sources) < 2:
        raise ModelError("one model alone has no mean; name two at least")
    if get_modality(first.modality).kind != "text" or first.heads or first.labels.multilabel:
        raise ModelError(f"{sources[0]}: only models of text that give one label at a time can be combined so far")
    for source, manifest in zip(sources[1:], manifests[1:], strict=True):
        for part in _SAME:
            if getattr(manifest, part) != getattr(first, part):
                raise ModelError(f"{source} and {sources[0]} differ in {part}: they cannot be combined")
        if (source / folders.TOKENIZER).read_bytes() != (sources[0] / folders.TOKENIZER).read_bytes():
            raise ModelError(f"{source} and {sources[0]} differ in {folders.TOKENIZER}: they cannot be combined")


def _member(manifest: Manifest) -> dict[str, Any]:
    return {
        "recipe": manifest.training.get("recipe"),
        "seed": manifest.training.get("seed"),
        "settings": manifest.training.get("settings"),
        "network": manifest.files[folders.NETWORK].sha256,
        "metrics": manifest.metrics,
    }


def _mean(sources: Sequence[Path]) -> onnx.ModelProto:
    """One graph: the networks side by side on the same input, and the mean of what they give."""
    networks = [onnx.load(source / folders.NETWORK) for source in sources]
    nodes, arrays, outputs = [], [], []
    for place, network in enumerate(networks):
        graph = compose.add_prefix(network, f"member{place}.").graph
        for node in graph.node:
            node.input[:] = ["inputs" if name == graph.input[0].name else name for name in node.input]
        nodes += graph.node
        arrays += graph.initializer
        outputs.append(graph.output[0].name)
    nodes.append(helper.make_node("Mean", outputs, ["probabilities"]))
    first = networks[0]
    graph = helper.make_graph(nodes, "mien", first.graph.input, first.graph.output, arrays)
    return helper.make_model(graph, opset_imports=first.opset_import, ir_version=first.ir_version)
