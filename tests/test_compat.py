"""Old names that the documentation of mien 0.1 showed: each still gives what it named, with a warning."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

import mien
from conftest import cli_env

#: what docs/ and README.md of 0.1 imported or named → where it is now
SHOWN = {
    "mien.data.collect:Collector": "mien.compat.collect:Collector",
    "mien.data:open_dataset": "mien.datasets:open_dataset",
    "mien.data.checks:check": "mien.datasets.checks:check",
    "mien.data.dataset:Dataset": "mien.datasets.dataset:Dataset",
    "mien.data.tables:open_table": "mien.datasets.tables:open_table",
    "mien.emotions:get_space": "mien.labels:get_space",
    "mien.emotions:make_space": "mien.labels:make_space",
    "mien.face.detect:FaceDetector": "mien.modalities.face.detect:FaceDetector",
    "mien.face.preprocess:align": "mien.modalities.face.preprocess:align",
    "mien.face.recognizer:FaceRecognizer": "mien.modalities.face.predictor:FacePredictor",
    "mien.recognizer:Recognizer": "mien.modality:Predictor",
    "mien.text.preprocess:clean": "mien.modalities.text.preprocess:clean",
    "mien.threads:usable_threads": "mien.runtime:usable_threads",
    "mien.video.aggregate:RULES": "mien.modalities.video.aggregate:RULES",
    "mien.video.track:Tracker": "mien.modalities.track:Tracker",
    "mien.video.recognizer:VideoRecognizer": "mien.modalities.video.predictor:VideoPredictor",
}
#: what they named that is where it was
KEPT = (
    "mien.errors:DataError", "mien.graphs:OPERATORS", "mien.media.images:Region", "mien.media.images:is_picture",
    "mien.media.images:read_picture", "mien.serve.settings:ServeSettings",
)  # fmt: skip


def named(path: str) -> object:
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)


@pytest.mark.parametrize(("old", "new"), SHOWN.items())
def test_an_old_name_is_the_new_one_and_warns(old: str, new: str) -> None:
    package = old.partition(":")[0]
    for module in [name for name in sys.modules if name == "mien.data" or f"{name}.".startswith(f"{package}.")]:
        del sys.modules[module]
    with pytest.warns(DeprecationWarning, match=r"the old name goes with mien 0\.3") as warned:
        assert named(old) is named(new)
    assert {warning.filename for warning in warned} <= {importlib.__file__}, "it shows the line that imports"


@pytest.mark.parametrize("path", KEPT)
def test_others_are_where_they_were(path: str) -> None:
    assert named(path)


def test_the_old_public_name_warns() -> None:
    with pytest.warns(DeprecationWarning, match=r"mien\.Recognizer is now mien\.Predictor"):
        assert mien.Recognizer is mien.Predictor


def test_old_methods_of_a_model_warn() -> None:
    model = mien.load("text-carer")
    with pytest.warns(DeprecationWarning, match="answering is now with_labels"):
        assert model.answering("carer6").space == model.space
    with pytest.warns(DeprecationWarning, match="probabilities is now predict_proba"):
        assert model.probabilities(["i am glad"]).shape == (1, 6)


def test_the_old_attribute_of_a_classifier_warns() -> None:
    classifier = mien.EmotionClassifier.from_model("text-carer")
    with pytest.warns(DeprecationWarning, match="recognizer is now predictor"):
        assert classifier.recognizer is classifier.predictor


def test_what_never_was_is_still_missing() -> None:
    for name in ("mien.nonsense", "mien.nonsense.deeper"):
        with pytest.raises(ModuleNotFoundError):
            importlib.import_module(name)
    with pytest.warns(DeprecationWarning, match="mien.datasets"), pytest.raises(ModuleNotFoundError):
        importlib.import_module("mien.data.nonsense")


def test_nothing_of_it_costs_an_import() -> None:
    code = "import sys, mien; assert 'mien.modality' not in sys.modules; import mien.data.checks as c; print(c.check)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=cli_env(), check=True)
    assert "function check" in done.stdout
