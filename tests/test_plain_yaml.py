"""Recipes and settings that surprise or attack: one clear line, in little time and memory."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import mien
from conftest import cli_env
from mien.datasets.plain_yaml import read_yaml
from mien.errors import RecipeError
from mien.training.recipe import load_recipe

BRACKETS = 3_000


def refusal(recipe: str | Path, *settings: str) -> str:
    with pytest.raises(RecipeError) as caught:
        load_recipe(recipe, list(settings))
    told = str(caught.value)
    assert "\n" not in told
    assert len(told) < 300
    for other in ("pydantic", "Input should", "Extra inputs", "unicode string", "while scanning"):
        assert other not in told
    return told


def laugh() -> str:
    """A billion laughs: each line holds ten of the line before."""
    rows = [f"a{n}: &a{n} [{','.join([f'*a{n - 1}' if n else 'x'] * 10)}]" for n in range(9)]
    return "\n".join([*rows, "name: *a8", "network: {kind: gru}"])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (laugh(), "line 1, column 5: anchors and aliases"),
        ("&a\nname: x\nnetwork: {kind: gru, x: *a}\n", "line 1, column 1: anchors and aliases"),
        ("[" * 10_000, "more than 16 levels"),
        ("{a: " * BRACKETS, "more than 16 levels"),
        ("- " * BRACKETS, "more than 16 levels"),
        ("? " * BRACKETS, "a key must be a word"),
        ('name: !!python/object/apply:os.system ["true"]\n', "line 1, column 7: the tag tag:yaml.org,2002:python"),
        ("name: !own x\n", "the tag !own is not read"),
        ("name: x\n---\nname: y\n", "a second document"),
        ("name: x\nname: y\n", "line 2, column 1: name is given twice"),
        ("name: x\nnetwork:\n  kind: gru\n kind: x\n", "line 4, column 2: not YAML"),
        ("name: x # " + "x" * 70_000, "characters are too many"),
        ("name: \x00", "not YAML"),
        ("name: x\nnetwork: {[a]: 1}\n", "a key must be a word"),
    ],
)
def test_what_is_more_than_plain_yaml_is_refused(text: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text, "utf-8")
    line = refusal(path)
    assert line.startswith(f"{path} cannot be read: ")
    assert told in line


def test_hostile_recipes_and_settings_take_little_memory_and_time(tmp_path: Path) -> None:
    """The whole command, in a process that may not have much: unfolded aliases take gigabytes."""
    resource = pytest.importorskip("resource")
    (tmp_path / "laugh.yaml").write_text(laugh(), "utf-8")
    (tmp_path / "deep.yaml").write_text("[" * 60_000, "utf-8")
    for args in (["laugh.yaml"], ["deep.yaml"], ["text-gru", "--set", f"train.epochs={'[' * BRACKETS}"]):
        done = subprocess.run(
            [sys.executable, "-m", "mien.cli", "train", *args, "--data", "table:not-there.csv"],
            capture_output=True, text=True, cwd=tmp_path, env=cli_env(), check=False, timeout=60,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30)),
        )  # fmt: skip
        assert done.returncode == 1
        (line,) = done.stderr.splitlines()
        assert line.startswith("mien: ")


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("train.epochs=2001-99-99", "train.epochs: must be a whole number, not '2001-99-99'"),
        ("train.epochs=2001-01-01", "train.epochs: must be a whole number, not '2001-01-01'"),
        ("train.epochs=no", "train.epochs: must be a whole number, not 'no'"),
        ("train.epochs=1.5", "train.epochs: must be a whole number, not 1.5"),
        ("train.epochs=", "train.epochs: must be a whole number, not ''"),
        ("train.epochs=-1", "train.epochs: must be at least 0, not -1"),
        ("train.learning_rate=fast", "train.learning_rate: must be a number, not 'fast'"),
        ("train.learning_rate=inf", "train.learning_rate: must be a finite number, not 'inf'"),
        ("train.learning_rate=0", "train.learning_rate: must be more than 0"),
        ("train.class_weights=3", "train.class_weights: must be true or false, not 3"),
        (
            "train.monitor=f1",
            "train.monitor: must be 'val_loss', 'val_accuracy', 'val_macro_f1', 'val_map' or 'val_pearson', not 'f1'",
        ),
        ("train.also=x", "train.also: must be a list, not 'x'"),
        ("train.mix_weight=x", "train.mix_weight: must be a number or a list, not 'x'"),
        ("export.weights=3", "export.weights: must be true or false or 'half', not 3"),
        ("name=1e3", "name: must be text, not 1000.0"),
        ("name=a b", "name: must match "),
        ("train=3", "train: must hold settings, not 3"),
        ("train.epoch=3", "train.epoch: is no setting"),
        ("preprocess.max_length=long", "preprocess.max_length: must be a whole number, not 'long'"),
        ("augment.typo=x", "augment.typo: must be a number, not 'x'"),
    ],
)
def test_a_wrong_setting_is_told_in_plain_words_with_its_full_path(setting: str, told: str) -> None:
    assert refusal("text-gru", setting).startswith(f"text-gru.yaml: {told}")


@pytest.mark.parametrize(
    "setting",
    ["train.epochs=" + "[" * BRACKETS, "train.epochs=" + "{a: " * BRACKETS, "train.epochs=&a [*a]",
     "a." * BRACKETS + "=1",
     "train.epochs=!!python/name:os.system", "train.epochs=" + "9" * 30_000, "x" * 100_000, "x" * 100_000 + "=1",
     "train.epochs=" + "y" * 100_000, "train.epochs=\n- 1\n-2", "train.epochs=%", "train.epochs=1\n---\n2"],
)  # fmt: skip
def test_a_setting_that_attacks_is_one_short_line(setting: str) -> None:
    assert re.search("setting|train.epochs", refusal("text-gru", setting))


@pytest.mark.parametrize("value", ["no", "off", "False", "false"])
def test_no_and_off_are_what_they_mean_where_true_or_false_is_wanted(value: str, tmp_path: Path) -> None:
    assert load_recipe("text-gru", [f"train.class_weights={value}"]).train.class_weights is False
    path = tmp_path / "mine.yaml"
    path.write_text(f"name: no\nsummary: 2001-01-01\nnetwork: {{kind: gru}}\ntrain: {{class_weights: {value}}}\n")
    recipe = load_recipe(path)
    assert (recipe.name, recipe.summary, recipe.train.class_weights) == ("no", "2001-01-01", False)


@pytest.mark.parametrize("value", ["1e-4", "1E-4", ".0001", "0.0001", "+1e-4", "1.e-4"])
def test_numbers_as_people_write_them(value: str) -> None:
    assert load_recipe("text-gru", [f"train.learning_rate={value}"]).train.learning_rate == 1e-4


def test_values_agree_with_a_yaml_library() -> None:
    text = """
a: [1, -2, 3.5, 'x y', "z\\n", plain words, null, ~, true]
b: {c: {d: []}, e: {}}
f: >
  folded
  text
g: ''
"""
    assert read_yaml(text, "it") == yaml.safe_load(text)


def test_a_networks_settings_have_their_full_path() -> None:
    from mien.networks import open_network

    with pytest.raises(RecipeError, match=r"^network\.c: must be a number, not 'x'$|^network\.c: "):
        open_network("linear", {"c": "x"})


def test_keywords_of_train_keep_their_types(tmp_path: Path) -> None:
    for wrong, told in (({"epochs": "many"}, "train.epochs"), ({"learning_rate": float("nan")}, "train.learning_rate")):
        with pytest.raises(RecipeError, match=told):
            mien.train("text-linear", "table:not-there.csv", tmp_path / "run", **wrong)
    with pytest.raises(mien.MienError, match="not-there"):
        mien.train("text-linear", "table:not-there.csv", tmp_path / "run", name="no", top_blocks=None, also=[])
