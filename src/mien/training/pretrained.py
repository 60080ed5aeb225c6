"""A sentence encoder as it was pretrained, made a model of texts in 8 bits whose features others learn from."""

from __future__ import annotations

import tempfile
from functools import cache
from hashlib import sha256
from pathlib import Path

from mien import model as folders
from mien.datasets import open_dataset
from mien.model import FileEntry, LabelsEntry, Manifest
from mien.networks import open_network
from mien.training.log import LOGGER
from mien.training.sampler import open_sampler
from mien.training.settings import Recipe

PACKAGE = "package:"
_LONGEST = 128  # tokens in a window
_RANGES = 384  # sentences that the ranges of 8 bits are measured on


@cache
def pretrained_model(source: str) -> tuple[Path, Manifest, dict[str, bytes]]:
    """What :func:`mien.model.read_model` gives of a model folder, of pretrained weights; its answers mean nothing.

    Args:
        source: ``package:NAME``, as ``network.weights`` of a transformer takes it.

    Raises:
        RecipeError: there is no such package of weights.
        MissingExtra: it, or torch, is not installed.
    """
    module, settings = open_network("transformer", {"weights": source, "dropout": 0})
    from mien.training.export import Answers, export_network
    from mien.training.proof import quantize

    LOGGER.info(f"{source}: written in 8 bits")
    given = {"network": {"kind": "transformer", "weights": source}, "preprocess": {"max_length": _LONGEST}}
    recipe = Recipe.model_validate({"name": "pretrained", "tokenizer": {"kind": "pretrained"}, **given})
    data = open_dataset("sample:everyday")
    sampler = open_sampler(recipe, settings.tokenizer()).fit([data])
    network = module.Network(settings, labels=1, **sampler.input_spec).eval()
    examples = [sampler.collate([text]) for text in data.inputs[:: len(data) // _RANGES]]
    with tempfile.TemporaryDirectory() as folder:
        whole, small = Path(folder, "whole.onnx"), Path(folder, "small.onnx")
        export_network(Answers(network, True), examples[0], whole)
        quantize(whole, small, examples)
        content = small.read_bytes()
    manifest = Manifest(
        name=source.removeprefix(PACKAGE),
        modality="text",
        labels=LabelsEntry(space="none", names=["none"], multilabel=True),
        preprocess=sampler.settings.model_dump(),
        files={folders.NETWORK: FileEntry(sha256=sha256(content).hexdigest(), bytes=len(content))},
    )
    return Path(source), manifest, {folders.NETWORK: content, **sampler.files}
