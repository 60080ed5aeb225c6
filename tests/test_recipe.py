"""Recipes: what is read, what is refused, and ``--set`` on top."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
import yaml

import mien
from conftest import one_line
from mien.cli.train import train
from mien.datasets import open_dataset
from mien.errors import MienError, RecipeError
from mien.labels import get_space
from mien.modality import get_modality
from mien.model import find_model
from mien.networks import NETWORKS
from mien.training import recipe as module
from mien.training.needs import check_needs
from mien.training.recipe import load_recipe, recipe_names, shipped
from mien.training.settings import Recipe

MINE = "name: mine\nnetwork: {kind: gru, hidden: 8}\ntrain: {epochs: 2}\n"


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(text, "utf-8")
    return path


def refusal(recipe: Any, settings: Any = ()) -> str:
    with pytest.raises(RecipeError) as caught:
        load_recipe(recipe, settings)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_there_are_the_recipes_of_the_design():
    assert set(shipped()) >= {"text-gru", "text-linear", "text-minilm"}


@pytest.mark.parametrize("name", sorted(shipped()))
def test_every_shipped_recipe_loads_down_to_its_network(name):
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.summary.endswith(".")
    settings = importlib.import_module(NETWORKS[recipe.network.kind]).Settings
    kept = settings.model_validate(recipe.network.options).model_dump()
    assert recipe.network.options.items() <= kept.items()


@pytest.mark.parametrize("name", sorted(shipped()))
def test_round_trip_through_yaml(name, tmp_path):
    recipe = load_recipe(name, ["learning_rate=3e-5"])
    again = load_recipe(write(tmp_path, yaml.safe_dump(recipe.model_dump(mode="json"))))
    assert again == recipe
    assert again.train.learning_rate == 3e-5


def test_what_the_file_says_is_kept_and_the_rest_is_default(tmp_path):
    recipe = load_recipe(write(tmp_path, MINE))
    assert (recipe.name, recipe.network.kind, recipe.network.options) == ("mine", "gru", {"hidden": 8})
    assert recipe.train.epochs == 2
    assert recipe.train.batch_size == Recipe.model_fields["train"].default.batch_size


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (MINE + "trian: {epochs: 1}\n", "trian"),
        ("name: mine\nnetwork: {kind: gru}\ntrain: {epoch: 3}\n", "train.epoch"),
        ("name: mine\nnetwork: {kind: gru}\ntrain: {epochs: many}\n", "train.epochs"),
        ("name: mine\nnetwork: {kind: gru}\ntrain: {epochs: 0}\n", "train.epochs"),
        ("name: mine\nnetwork: {kind: gru}\ntrain: {schedule: cosinus}\n", "train.schedule"),
        ("name: mine\nnetwork: {kind: gru}\naugment: {typo: 1.5}\n", "augment.typo"),
        ("name: mine\nnetwork: {kind: gru}\ntrain: 3\n", "train"),
        ("name: mine\nnetwork: {hidden: 3}\n", "network.kind"),
        ("name: mine\n", "network"),
        ("name: a model with spaces\nnetwork: {kind: gru}\n", "name"),  # no name for a model folder's manifest
        ("network: {kind: gru}\n", "name"),
    ],
)
def test_a_wrong_key_or_value_is_named(text, key, tmp_path):
    assert refusal(write(tmp_path, text)).startswith(f"mine.yaml: {key}: ")


@pytest.mark.parametrize("text", ["", "just words", "- a\n- list\n", "42"])
def test_what_is_no_mapping_is_refused(text, tmp_path):
    path = write(tmp_path, text)
    assert refusal(path) == f"{path} is not a recipe: a mapping is expected"


@pytest.mark.parametrize("content", [b"name: [never\nclosed: {", b"a: b: c\n", b"\xff\xfe\x00name", b"\x00"])
def test_what_is_no_yaml_is_refused(content, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_bytes(content)
    assert refusal(path).startswith(f"{path} cannot be read: ")


def test_no_such_recipe(tmp_path):
    message = refusal("text-grue")
    assert "'text-grue'" in message
    assert all(name in message for name in shipped())
    assert refusal(tmp_path).startswith(f"{tmp_path} cannot be read")


@pytest.mark.parametrize(
    ("setting", "path", "value"),
    [
        ("train.epochs=3", "train.epochs", 3),
        ("epochs=3", "train.epochs", 3),
        ("learning_rate=1e-4", "train.learning_rate", 1e-4),
        ("learning_rate=0.5", "train.learning_rate", 0.5),
        ("class_weights=true", "train.class_weights", True),
        ("class_weights=False", "train.class_weights", False),
        ("size=99", "tokenizer.size", 99),
        ("typo=0.25", "augment.typo", 0.25),
        ("quantize=int8", "export.quantize", "int8"),
        ("distill.teacher=", "distill.teacher", ""),
        ("teacher=runs/a,runs/b", "distill.teacher", "runs/a,runs/b"),
        ("preprocess.max_length=12", "preprocess.max_length", 12),
        ("summary=", "summary", ""),
        ("name=other", "name", "other"),
        ("network.hidden=32", "network.hidden", 32),
        ("hidden=32", "network.hidden", 32),
        ("network.brand_new=x", "network.brand_new", "x"),  # the network's own Settings judge it
    ],
)
def test_settings(setting, path, value):
    document: Any = load_recipe("text-gru", [setting]).model_dump()
    for step in path.split("."):
        document = document[step]
    assert document == value
    assert type(document) is type(value)


def test_settings_touch_nothing_else_and_the_last_one_counts():
    before, after = load_recipe("text-gru"), load_recipe("text-gru", ["epochs=3", "train.epochs=5"])
    assert after.train.epochs == 5
    assert after.model_copy(update={"train": before.train}) == before
    assert load_recipe("text-gru", {"train.epochs": 5}) == after


@pytest.mark.parametrize(
    ("setting", "named"),
    [
        ("epochs", "key=value"),
        ("=3", "key=value"),
        ("epohcs=3", "'epohcs'"),
        ("train.epohcs=3", "train.epohcs"),
        ("epochs=three", "train.epochs"),
        ("train.epochs.first=3", "train.epochs.first"),
        ("name.first=3", "name"),
        ("network.hidden=[1", "network.hidden"),  # not YAML
        ("teacher={", "teacher"),
    ],
)
def test_a_wrong_setting_is_named(setting, named):
    assert named in refusal("text-gru", [setting])


@pytest.mark.parametrize(
    ("recipe", "key", "homes"),
    [
        ("text-gru", "kind", ("tokenizer.kind", "network.kind")),
        ("text-minilm", "weights", ("export.weights", "network.weights")),
    ],
)
def test_a_bare_key_of_two_parts_is_refused_with_both(recipe, key, homes):
    message = refusal(recipe, [f"{key}=x"])
    assert all(home in message for home in homes)
    assert "no setting" not in message


@pytest.mark.parametrize("network", ["{kind: linear}", "{kind: linear, ngrams: [1, 2]}"])
def test_runs_of_tokens_are_the_network_s_where_it_is_learned_all_at_once(network, tmp_path):
    recipe = load_recipe(write(tmp_path, f"name: mine\nnetwork: {network}\n"), ["ngrams=3"])
    assert (recipe.network.options["ngrams"], recipe.export.hashed_ngrams) == (3, 0)


@pytest.mark.parametrize("recipe", ["text-linear", "face"])
def test_networks_without_tokens_or_epochs_take_no_model_of_runs_besides(recipe):
    assert "export.hashed_ngrams: is of networks of texts" in refusal(recipe, ["export.hashed_ngrams=4096"])


def test_a_bare_key_on_a_recipe_whose_network_is_no_mapping(tmp_path):
    assert refusal(write(tmp_path, "name: mine\nnetwork:\n"), ["epochs=3"]).startswith("mine.yaml: network")
    assert refusal(write(tmp_path, "name: mine\nnetwork: gru\n"), ["gr=3"]).startswith("no setting 'gr'")


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        (["network.hiden=3"], "network.hiden"),
        (["network.kind=lstm"], "network.kind"),
        (["preprocess.max_length=2"], "preprocess.max_length"),
        (["tokenizer.kind=pretrained"], "tokenizer.kind"),
        (["monitor=val_map"], "train.monitor"),  # there is none with one label at a time
        (["network={kind: transformer, weights: '', positions: 8}"], "preprocess.max_length"),
    ],
)
def test_settings_that_cannot_be_are_refused_before_training(settings, named, tmp_path):
    rows = [f"so {label} {number},{label}" for label in ("glad", "sad") for number in range(20)]
    (tmp_path / "made.csv").write_text("\n".join(["text,label", *rows]))
    with pytest.raises(RecipeError, match=named) as caught:
        mien.train("text-gru", f"table:{tmp_path / 'made.csv'}", tmp_path / "run", settings=settings, epochs=1)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["text", "face"])
def test_a_recipe_of_an_earlier_name_is_still_found(kind):
    with pytest.warns(DeprecationWarning, match=f"the recipe {kind}-polish is now called {kind}-finetune"):
        assert load_recipe(f"{kind}-polish") == load_recipe(f"{kind}-finetune")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("epohcs=3", "no setting 'epohcs'; did you mean 'epochs'?"),
        ("hiden=3", "no setting 'hiden'; did you mean 'hidden'?"),
        ("train.epohcs=3", "text-gru.yaml: train.epohcs: is no setting; did you mean 'epochs'?"),
        ("trian.epochs=3", "text-gru.yaml: trian.epochs: is no setting; did you mean 'train'?"),
        ("network.hiden=3", "network.hiden: is no setting; did you mean 'hidden'?"),
        ("train.optimizer.lr=3", "text-gru.yaml: train.optimizer.lr: is no setting"),
        ("train.epochs.first=3", "train.epochs.first: train.epochs holds a value, not settings"),
    ],
)
def test_a_wrong_setting_is_named_in_full_with_the_nearest_right_one(setting, message):
    with pytest.raises(RecipeError) as caught:
        check_needs(load_recipe("text-gru", [setting]))
    assert str(caught.value) == message


@pytest.mark.parametrize("setting", ["epochs=3", "train.batch_size=8", "learning_rate=0.1", "class_weights=true"])
def test_settings_of_the_loop_are_refused_where_there_is_none(setting):
    name = setting.partition("=")[0].removeprefix("train.")
    recipe = load_recipe("text-linear", [setting])
    with pytest.raises(RecipeError) as caught:
        check_needs(recipe, settings=[setting])
    assert str(caught.value) == (
        f"train.{name}: the network linear is learned all at once and has no such setting; of train it has: seed"
    )
    check_needs(recipe, settings=["seed=3", "network.c=[1]"])


def test_an_option_of_train_is_a_setting(tmp_path, monkeypatch):
    given: list[str] = []
    monkeypatch.setattr("mien.training.run.train", lambda *_, settings, **__: given.extend(settings) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        train("text-gru", ["x"], tmp_path, 3, 7, 8, 0.5, ["epochs=9", "patience=2"])
    recipe = load_recipe("text-gru", given).train
    assert (recipe.epochs, recipe.seed, recipe.batch_size, recipe.learning_rate, recipe.patience) == (3, 7, 8, 0.5, 2)


def test_the_command_takes_them_and_hides_internal_recipes(run_cli):
    assert "train.batch_size" in one_line(run_cli("train", "text-linear", "--data", "x", "--batch-size", 8))
    hidden = {name for name in shipped() if load_recipe(name).internal}
    shown, everything = (
        {line.split()[0] for line in run_cli("train", "list", *more).stdout.splitlines()} for more in ([], ["--all"])
    )
    assert hidden
    assert (shown, everything) == (set(shipped()) - hidden, set(shipped()))


@pytest.mark.parametrize(
    ("function", "word", "near"),
    [
        (load_recipe, "text-grue", "text-gru"),
        (find_model, "fcae", "face"),
        (open_dataset, "ravdes:clips/", "ravdess"),
        (open_dataset, "table:x.csv?labl=y", "label"),
        (get_space, "ekmn7", "ekman7"),
        (get_modality, "sceen", "scene"),
    ],
)
def test_a_wrong_name_is_answered_with_the_nearest(function, word, near):
    with pytest.raises((MienError, KeyError), match=f"; did you mean '{near}'"):
        function(word)
    with pytest.raises((MienError, KeyError)) as caught:
        function(word.replace(word.partition(":")[0].partition("-")[0], "qqqqqqq"))
    assert "did you mean" not in str(caught.value)


def test_a_recipe_of_another_package(tmp_path, monkeypatch):
    path = write(tmp_path, MINE)
    monkeypatch.setattr(module, "load_plugin", lambda _, name: path if name == "theirs" else None)
    monkeypatch.setattr(module, "plugin_names", lambda group: ("theirs",))
    assert load_recipe("theirs", ["epochs=3"]).train.epochs == 3
    assert recipe_names()[-1] == "theirs"
    assert refusal("other").endswith(", theirs")
    assert refusal(path, ["modality=smell"]).startswith("mine.yaml: modality: this mien has no modality 'smell'; there")
