"""Fine-tuning in stages: what learns when, how fast, and with what schedule."""

from __future__ import annotations

import json

import pytest
import torch
from torch import nn

import drawn
from mien.datasets import open_dataset
from mien.errors import RecipeError
from mien.networks import cnn, mobilenet
from mien.networks.base import Network
from mien.training.log import log_to
from mien.training.network import train_network
from mien.training.recipe import load_recipe
from mien.training.settings import TrainSettings
from mien.training.stages import Stages

SMALL = [
    "network.widths=[8,12,16]", "network.dense=16", "network.block_dropout=0", "network.dropout=0.1",
    "train.precision=32-true", "train.batch_size=16", "train.accelerator=cpu", "preprocess.size=32",
]  # fmt: skip


def network() -> nn.Module:
    return cnn.Network(cnn.Settings(widths=[4, 6, 8], dense=5), labels=3, size=16, channels=1)


def names(module: nn.Module) -> set[str]:
    return {name.split(".")[0] for name, value in module.named_parameters() if value.requires_grad}


def test_first_the_head_then_the_top_blocks():
    net = network()
    stages = Stages(net, TrainSettings(head_epochs=2, top_blocks=2))
    for epoch in (0, 1):
        stages.enter(epoch)
        assert names(net) == {"head"}
        assert not net.blocks[1].training  # a batch norm that would forget what it knows
        assert net.head.training
    stages.enter(2)
    assert names(net) == {"head", "dense", "blocks"}
    learning = [value.requires_grad for value in net.blocks.parameters()]
    assert learning == [False] * 12 + [True] * 6  # the top two of four: the dense layer and the last convolutions
    assert [layer.training for layer in net.blocks if isinstance(layer, nn.BatchNorm2d)] == [False] * 4 + [True] * 2


def test_each_block_learns_at_its_rate():
    net = network()
    groups = Stages(net, TrainSettings(learning_rate=0.1, head_rate=10, block_rate=0.5, weight_decay=0.3)).groups()
    rates = {id(value): (group["lr"], group["weight_decay"]) for group in groups for value in group["params"]}
    assert len(rates) == len(list(net.parameters()))
    found = {name: rates[id(value)] for name, value in net.named_parameters()}
    assert found["head.1.weight"] == (1.0, 0.3)
    assert found["head.1.bias"] == (1.0, 0.0)
    assert found["dense.2.weight"] == (0.1, 0.3)
    assert found["blocks.16.weight"] == (0.05, 0.3)  # the third block of three
    assert found["blocks.0.weight"] == (0.0125, 0.3)
    assert found["blocks.1.weight"] == (0.0125, 0.0)  # a norm


def test_the_schedule_is_gone_through_twice():
    stages = Stages(network(), TrainSettings(epochs=10, head_epochs=4))
    assert [stages.done(step, 5) for step in (0, 10, 19, 20, 35, 50)] == [0, 0.5, 0.95, 0, 0.5, 1]
    assert Stages(network(), TrainSettings(epochs=10)).done(25, 5) == 0.5
    assert Stages(network(), TrainSettings(epochs=2, head_epochs=4)).done(10, 5) == 0  # as the scheduler asks at last


def test_every_network_of_pictures_tells_its_blocks():
    net = mobilenet.Network(mobilenet.Settings(), labels=3, size=32, channels=1)
    assert len(net.trunk) == 14
    own = {id(value) for name, value in net.named_parameters() if not name.startswith("head")}
    assert {id(value) for block in net.trunk for value in block.parameters()} == own


@pytest.mark.parametrize(
    ("settings", "said"),
    [({"top_blocks": 5}, "the network has 4 blocks"), ({"block_rate": 0.5}, "does not tell"), ({"head_epochs": 1}, "")],
)
def test_what_a_network_cannot_do_is_refused(settings, said):
    if not said:  # a head is enough for that
        Stages(network(), TrainSettings(**settings))
        return
    with pytest.raises(RecipeError, match=said):
        Stages(network() if "top_blocks" in settings else Network(), TrainSettings(**settings))


def weights(folder, epoch: str) -> dict[str, torch.Tensor]:
    return torch.load(folder / "checkpoints" / f"{epoch}.ckpt", weights_only=True)["network"]


@pytest.mark.slow
def test_a_stopped_run_in_stages_goes_on_as_if_it_had_not(tmp_path):
    data = open_dataset(f"images:{drawn.folders(tmp_path / 'faces', 14, side=32)}")
    options = [*SMALL, "train.epochs=4", "train.head_epochs=2", "train.top_blocks=2", "train.patience=1"]
    recipe = load_recipe("face-folders", options)

    def train(folder, resume=False):
        train_network(recipe, [data.part("train")], data.part("val"), tmp_path / folder, resume)
        return json.loads((tmp_path / folder / "history.json").read_text())

    def stop(line: str) -> None:
        if line.startswith("epoch 2/"):
            before.update(weights(tmp_path / "parts", "last"))
        if line.startswith("epoch 3/"):
            raise KeyboardInterrupt

    before: dict[str, torch.Tensor] = {}
    whole = train("whole")
    with pytest.raises(KeyboardInterrupt), log_to(stop):
        train("parts")
    parts = train("parts", resume=True)
    assert len(whole) >= 3  # patience 1 does not count in the epochs of the head
    for one, two in zip(whole, parts, strict=True):
        assert {**one, "seconds": 0} == pytest.approx({**two, "seconds": 0}, abs=1e-5)
    after = weights(tmp_path / "whole", "last")
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert {name.split(".")[0] for name in moved} == {"head", "dense", "blocks"}
    assert all(int(name.split(".")[1]) >= 16 for name in moved if name.startswith("blocks"))


def test_the_settings_are_a_recipes():
    recipe = load_recipe("face-folders", ["head_epochs=3", "top_blocks=2", "block_rate=0.5"])
    assert (recipe.train.head_epochs, recipe.train.top_blocks, recipe.train.block_rate) == (3, 2, 0.5)
    assert load_recipe("face-folders").train.top_blocks is None
