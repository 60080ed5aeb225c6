"""A tiny transformer of texts with random weights, as a model folder: what the tests of features share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import nn

from mien.labels import SPACES
from mien.modalities.text.preprocess import TextPreprocessor, TextSettings
from mien.modalities.text.tokenizer import PAD, TokenizerSettings, learn_tokenizer
from mien.model import NETWORK, TOKENIZER, LabelsEntry, Manifest, write_model
from mien.networks import open_network
from mien.training import export, proof

WORDS = [
    *("house", "river", "paper", "garden", "window", "station", "letter", "monday", "table", "number", "picture"),
    *("corner", "bottle", "winter", "market", "engine", "delay", "ticket", "parcel", "refund", "invoice", "courier"),
    *("screen", "battery", "charger", "button", "password", "login"),
]
LONGEST = 16


def text_model(folder: Path, *, eight: bool = False, features: bool = True, seed: int = 0) -> tuple[Path, Any]:
    """A model folder for the labels of carer6, and its network of torch.

    Args:
        eight: whether its file is in 8 bits.
        features: whether the file gives them.
    """
    folder.mkdir(parents=True)
    settings = TextSettings(max_length=LONGEST)
    tokenizer: Tokenizer = learn_tokenizer(TokenizerSettings(kind="bpe", size=300), [" ".join(WORDS)] * 4, settings)
    settings = settings.model_copy(update={"pad_id": tokenizer.token_to_id(PAD)})
    torch.manual_seed(seed)
    sizes = {"weights": "", "layers": 2, "hidden": 32, "heads": 4, "inner": 64, "positions": LONGEST}
    module, options = open_network("transformer", sizes)
    labels = SPACES["carer6"].names
    network = module.Network(options, labels=len(labels), vocabulary=tokenizer.get_vocab_size(), pad_id=settings.pad_id)
    for name, parameter in network.named_parameters():
        nn.init.normal_(parameter, mean=float("Norm.weight" in name), std=0.3)
    network.eval()
    network.gives_features = features
    preprocessor = TextPreprocessor(tokenizer, settings)
    batch = preprocessor.pad([windows[0] for windows in preprocessor.encode([" ".join(WORDS[:6]), "house"])])
    path = folder / "made.onnx"
    export.export_network(export.Answers(network, False), batch, path)
    if eight:
        small = folder / "small.onnx"
        proof.quantize(path, small, [preprocessor.pad(preprocessor.encode([word])[0][:1]) for word in WORDS])
        path = small
    manifest = Manifest(
        name="tiny-encoder",
        modality="text",
        labels=LabelsEntry(space="carer6", names=list(labels)),
        preprocess=settings.model_dump(),
    )
    files: dict[str, Path | bytes] = {NETWORK: path, TOKENIZER: tokenizer.to_str().encode()}
    return write_model(folder / "model", manifest, files, "# tiny"), network
