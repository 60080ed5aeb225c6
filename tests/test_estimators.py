"""The scikit-learn citizens: in pipelines, searches and files, and under scikit-learn's own checks."""

# ruff: noqa: N803, N806
from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError, SkipTestWarning
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.utils import InputTags
from sklearn.utils.estimator_checks import check_estimator, parametrize_with_checks
from sklearn.utils.validation import check_is_fitted, validate_data

import mien
from conftest import RunCli, cli_env, one_line, single_rows
from face_model import face_model
from mien.errors import DataError, InputError, ModelError, RecipeError, how_to_install
from mien.evaluation.report import Report
from mien.sklearn import Embedder, EmotionClassifier
from mien.training.log import log_to

#: Quick, and learns from texts that stand there once.
SMALL = {"network.c": [10], "network.min_texts": 1, "calibrate": False}
TEXTS, LABELS = (list(part) for part in zip(*single_rows()[::2], strict=True))


@pytest.fixture(autouse=True)
def _no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """A report takes ten times as long as the small runs here; it has tests of its own."""
    monkeypatch.setattr(Report, "write", lambda self, folder: Path(folder))


@pytest.fixture(scope="module")
def face(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A face model whose features are the mean of a crop and of its left half, 0 to 1."""
    return face_model(tmp_path_factory.mktemp("face") / "model")


@pytest.fixture(scope="module")
def classifier() -> EmotionClassifier:
    """A fitted classifier of texts. Not to be changed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Report, "write", lambda self, folder: Path(folder))
        return EmotionClassifier(settings=SMALL).fit(TEXTS, LABELS)


def grays(n: int = 24) -> tuple[list[np.ndarray], list[str]]:
    """Pictures of even gray, dark ones "sad" and bright ones "happy", in turn."""
    values = [(i % 2) * 120 + 20 + 2 * i for i in range(n)]
    return [np.full((20, 20), value, np.uint8) for value in values], ["happy" if i % 2 else "sad" for i in range(n)]


# ------------------------------------------------------------------------------------ scikit-learn's own checks


def _of_tables(tags: Any) -> Any:
    tags.input_tags = InputTags(two_d_array=True)
    return tags


class TableEmbedder(Embedder):
    """For the checks, which hand over tables of numbers: each row is drawn as a picture one pixel high."""

    def fit(self, X: Any, y: Any = None) -> TableEmbedder:
        return super().fit(self._drawn(X, reset=True))

    def transform(self, X: Any) -> np.ndarray:
        return super().transform(self._drawn(X, reset=False))

    def _drawn(self, X: Any, reset: bool) -> list[np.ndarray]:
        return list(np.clip(validate_data(self, X, reset=reset) * 20 + 128, 0, 255).astype(np.uint8)[:, None])

    def __sklearn_tags__(self) -> Any:
        return _of_tables(super().__sklearn_tags__())


class TableClassifier(EmotionClassifier):
    """For the checks, which hand over tables of numbers: each number is told as a word of its column and size."""

    def fit(self, X: Any, y: Any) -> TableClassifier:
        if y is None:
            return super().fit(["no", "labels"], y)
        X, y = validate_data(self, X, y, multi_output=True, y_numeric=False)
        return super().fit(self._told(X), y)

    def predict_proba(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        return super().predict_proba(self._told(validate_data(self, X, reset=False)))

    def _told(self, X: np.ndarray) -> list[str]:
        sizes = np.clip(np.floor(X * 2) + 13, 0, 25).astype(int)
        return [" ".join(f"{chr(97 + j % 26)}{chr(97 + size)}" for j, size in enumerate(row)) for row in sizes]

    def __sklearn_tags__(self) -> Any:
        return _of_tables(super().__sklearn_tags__())


@pytest.fixture
def _face_for_checks(face: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The checks are collected before there is a model: "tiny" is found when they run."""
    from mien import model

    monkeypatch.setattr(model, "shipped", lambda: {"tiny": face})


@pytest.mark.usefixtures("_face_for_checks")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks([TableEmbedder("tiny"), TableClassifier(settings=SMALL, validation_fraction=0.2)])
def test_scikit_learns_checks(estimator: Any, check: Any) -> None:
    check(estimator)  # none is expected to fail


@pytest.mark.parametrize("estimator", [Embedder(), EmotionClassifier()])
def test_scikit_learn_knows_that_they_take_no_tables(estimator: Any) -> None:
    """Its checks have none but tables of numbers to offer, and say so; hence the classes above."""
    with pytest.warns(SkipTestWarning, match="requires input"):
        results = check_estimator(estimator)
    assert [result["status"] for result in results] == ["passed"]


# ------------------------------------------------------------------------------------------------- Embedder


def test_a_search_over_a_pipeline_with_an_embedder(face: Path) -> None:
    pictures, labels = grays()
    pipeline = make_pipeline(Embedder(face), StandardScaler(), SVC(kernel="linear"))
    grid = {"svc__C": [0.1, 10], "embedder__batch_size": [5, 64]}
    search = GridSearchCV(pipeline, grid, cv=3, error_score="raise").fit(pictures, labels)
    assert search.best_score_ == 1
    assert search.predict([pictures[3], pictures[2]]).tolist() == ["happy", "sad"]
    assert search.score(np.stack(pictures), labels) == 1


def test_features_are_the_same_however_pictures_come(face: Path, tmp_path: Path) -> None:
    pictures = grays(5)[0]
    paths = [tmp_path / f"{i}.png" for i in range(5)]
    for path, picture in zip(paths, pictures, strict=True):
        cv2.imwrite(str(path), picture)
    colored = np.repeat(np.stack(pictures)[..., None], 3, axis=3)
    names = [str(path) for path in paths]
    embedder = Embedder(face, batch_size=2)
    expected = np.array([[p.mean() / 255] * 2 for p in pictures], np.float32)
    ways: list[Any] = [
        pictures, np.stack(pictures), colored, list(colored), paths, names, np.array(names), tuple(paths),
        np.array(names, dtype=object)[:, None], pd.Series(names), pd.DataFrame({"file": names}),
        [path.read_bytes() for path in paths], pd.Series(pictures, index=list("abcde")),
    ]  # fmt: skip
    for way in ways:
        features = embedder.transform(way)
        assert features.dtype == np.float32
        np.testing.assert_allclose(features, expected, atol=1e-5)
        np.testing.assert_array_equal(embedder.fit_transform(way), features)


def test_columns_are_named_and_frames_come_out_if_wanted(face: Path) -> None:
    pictures = grays(3)[0]
    embedder = Embedder(face).set_output(transform="pandas")
    assert embedder.get_feature_names_out().tolist() == ["embedder0", "embedder1"]
    frame = embedder.fit_transform(pictures)
    assert list(frame.columns) == ["embedder0", "embedder1"]
    assert list(embedder.transform(pd.Series(pictures, index=[7, 8, 9])).index) == [7, 8, 9]


@pytest.mark.parametrize(
    ("pictures", "message"),
    [
        ([], "0 samples"),
        ("one.png", "put it into a list"),
        (b"one", "put it into a list"),
        (np.zeros((4, 4), np.uint8), r"got uint8 of shape \(4, 4\)"),
        (np.zeros((2, 4, 4)), r"got float64 of shape \(2, 4, 4\)"),
        (7, "got int"),
        ([np.zeros((4, 4), np.uint8), np.full((4, 4), np.nan)], "input 2: .* uint8"),
        ([np.zeros((4, 4), np.uint8), float("nan")], "input 2: .* not float"),
        (["none.png"], "input 1: there is no file none.png"),
        (pd.DataFrame({"a": ["x"], "b": ["y"]}), r"of shape \(1, 2\)"),
    ],
)
def test_what_are_no_pictures(face: Path, pictures: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Embedder(face).transform(pictures)


def test_models_that_give_no_features_or_have_changed(face: Path, tiny_model: Path, tmp_path: Path) -> None:
    pictures = grays(2)[0]
    with pytest.raises(ModelError, match="no model 'nothing'"):
        Embedder("nothing").fit(pictures)
    with pytest.raises(ModelError, match="the model tiny reads text and gives no features"):
        Embedder(tiny_model).fit(pictures)
    with pytest.raises(ModelError, match="gives no features"):
        Embedder(face_model(tmp_path / "without", features=False)).transform(pictures)
    embedder = Embedder(face_model(tmp_path / "model")).fit(pictures)
    embedder.transform(pictures)
    face_model(tmp_path / "model", size=24)
    with pytest.raises(ModelError, match="another than it was in fit"):
        embedder.transform(pictures)
    embedder.fit(pictures).transform(pictures)


# ---------------------------------------------------------------------------------------- EmotionClassifier


def test_labels_are_learned_in_the_order_of_the_classes(classifier: EmotionClassifier) -> None:
    assert classifier.classes_.tolist() == sorted(set(LABELS)) != list(classifier.predictor.space.names)
    assert classifier.predictor.space.name == "carer6"
    probabilities = classifier.predict_proba(TEXTS)
    assert probabilities.shape == (len(TEXTS), 6)
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-5)
    assert classifier.score(TEXTS, LABELS) == 1
    assert classifier.predict(TEXTS).tolist() == LABELS
    assert 0 < classifier.metrics_["n"] < 10
    order = np.random.default_rng(0).permutation(len(TEXTS))
    shuffled = classifier.predict_proba([TEXTS[i] for i in order])
    np.testing.assert_allclose(shuffled, probabilities[order], atol=1e-6)


@pytest.mark.parametrize("kind", [int, bool, "string", "category", "object"])
def test_kinds_of_labels_and_of_lists(kind: Any) -> None:
    few = [i for i, label in enumerate(LABELS) if label in ("joy", "fear")]
    texts, labels = [TEXTS[i] for i in few], np.array([LABELS[i] for i in few])
    y: Any = (labels == "joy").astype(kind) if kind in (int, bool) else pd.Series(labels, dtype=kind)
    fitted = EmotionClassifier(settings=["c=[10]", "min_texts=1"]).fit(pd.Series(texts), y)
    found = fitted.predict(np.array(texts, dtype=object))
    assert found.tolist() == list(y)
    if kind in (int, bool):
        assert found.dtype == kind
        assert fitted.classes_.tolist() == [0, 1]


def test_several_labels_at_a_time(tiny_multi: Path) -> None:
    y = pd.DataFrame({"warm": [x in ("joy", "love") for x in LABELS], "joy": [x == "joy" for x in LABELS]}, dtype=int)
    fitted = EmotionClassifier(settings=SMALL).fit(TEXTS, y)
    assert fitted.classes_.tolist() == ["warm", "joy"]
    found = fitted.predict(TEXTS)
    assert (found == y.to_numpy()).mean() > 0.9
    assert fitted.predict_proba(TEXTS).sum(1).max() > 1.2
    shipped = EmotionClassifier.from_model(tiny_multi)
    text = "so joy and fear"
    holds = set(shipped.classes_[shipped.predict([text])[0] == 1])
    assert holds == set(mien.load(tiny_multi).predict(text).items[0].labels) == {"joy", "fear"}


def test_labels_that_stand_together_are_both_found(tiny_multi: Path) -> None:
    assert set(mien.load(tiny_multi).predict("so joy and fear").items[0].labels) == {"joy", "fear"}


@pytest.mark.parametrize(
    ("texts", "labels", "message"),
    [
        ([], [], "0 samples"),
        ("glad", ["joy"], "put it into a list"),
        (["glad", " "], ["joy", "fear"], "input 2: text is empty"),
        (["glad", float("nan")], ["joy", "fear"], "input 2: text expected, got float"),
        (["glad", None], ["joy", "fear"], "input 2: text expected, got NoneType"),
        (np.zeros((3, 2)), [0, 1, 1], r"a list of texts is needed; got float64 of shape \(3, 2\)"),
        (["glad", "sad"], ["joy"], "inconsistent numbers of samples"),
        (["glad", "sad"], None, "requires y"),
        (["glad", "sad"], ["joy", "joy"], "one class, 'joy'"),
        (["glad", "sad"], [0.5, 0.7], "Unknown label type"),
        (["glad", "sad"], [1.0, float("nan")], "label 2 is missing: nan"),
        (["glad", "sad"], ["joy", float("nan")], "label 2 is missing: nan"),
        (["glad", "sad"], pd.Series(["joy", None]), "label 2 is missing"),
        (["glad", "sad"], pd.Series([1, None], dtype="Int64"), "label 2 is missing"),
        (["glad", "sad"], np.array([[0.0, 1.0], [1.0, np.nan]]), "label 2 is missing"),
        (["glad", "sad"], ["Joy", "joy"], "twice"),
        (["glad", "sad"], ["joy", "fear"], "2 samples leave none to validate on"),
    ],
)
def test_what_cannot_be_learned_from(texts: Any, labels: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EmotionClassifier(settings=SMALL).fit(texts, labels)


def test_wrong_settings_and_inputs(classifier: EmotionClassifier, tmp_path: Path) -> None:
    with pytest.raises(NotFittedError):
        EmotionClassifier().predict(["glad"])
    with pytest.raises(RecipeError, match="no recipe 'nothing'"):
        EmotionClassifier("nothing").fit(TEXTS, LABELS)
    with pytest.raises(RecipeError, match="no setting 'nothing'"):
        EmotionClassifier(settings={"nothing": 1}).fit(TEXTS, LABELS)
    with pytest.raises(DataError, match="a list or a mapping"):
        EmotionClassifier(settings="epochs=3").fit(TEXTS, LABELS)
    with pytest.raises(DataError, match="between 0 and 1"):
        EmotionClassifier(validation_fraction=1).fit(TEXTS, LABELS)
    with pytest.raises(InputError, match="input 2: text expected, got float"):
        classifier.predict(["glad", float("nan")])
    with pytest.raises(InputError, match="0 samples"):
        classifier.predict([])
    (tmp_path / "no.png").write_text("no picture")
    for wrong in (tmp_path / "no.png", "none.png", np.zeros((2, 2))):
        with pytest.raises(InputError, match="input 2: "):
            EmotionClassifier("face-cnn").fit([np.zeros((8, 8), np.uint8), wrong], [0, 1])


def test_a_search_over_settings_and_a_folder_for_the_runs(tmp_path: Path) -> None:
    search = GridSearchCV(
        EmotionClassifier(settings=SMALL, random_state=1, folder=tmp_path / "runs"),
        {"settings": [SMALL, {**SMALL, "network.features": 10}]},
        cv=2, error_score="raise",
    ).fit(TEXTS, LABELS)  # fmt: skip
    assert search.best_params_ == {"settings": SMALL}
    runs = sorted(path.name for path in (tmp_path / "runs").iterdir())
    assert runs == [f"text-linear-{number}" for number in range(1, 6)]
    config = (tmp_path / "runs" / "text-linear-5" / "config.yaml").read_text()
    assert "seed: 1\n" in config
    kept = mien.load(tmp_path / "runs" / "text-linear-5")
    np.testing.assert_array_equal(
        kept.predict_proba(TEXTS[:3])[:, [kept.space.index(name) for name in search.classes_]],
        search.predict_proba(TEXTS[:3]),
    )


def test_the_same_seed_gives_the_same_model_and_a_clone_knows_nothing(classifier: EmotionClassifier) -> None:
    twin = clone(classifier)
    assert not hasattr(twin, "classes_")
    assert twin.get_params() == classifier.get_params()
    twin.set_params(random_state=0, threads=1).fit(TEXTS, LABELS)
    assert twin.model_files_["model.onnx"] == classifier.model_files_["model.onnx"]
    twin.set_params(random_state=np.random.RandomState(5)).fit(TEXTS, LABELS)
    assert twin.model_files_["model.onnx"] != classifier.model_files_["model.onnx"]
    assert len(cross_val_predict(twin, TEXTS, LABELS, cv=2)) == len(TEXTS)


@pytest.mark.slow
def test_a_recipe_for_faces_learns_from_pictures(tmp_path: Path) -> None:
    pictures, labels = grays(40)
    small = {
        "preprocess.size": 16, "preprocess.source": 16, "widths": [4], "dense": 8, "network.dropout": 0,
        "block_dropout": 0, "epochs": 12, "batch_size": 8, "precision": "32-true", "ema": 0, "accelerator": "cpu",
        "augment": {}, "learning_rate": 0.01,
    }  # fmt: skip
    for i, picture in enumerate(pictures):
        cv2.imwrite(str(tmp_path / f"{i}.png"), picture)
    paths = [tmp_path / f"{i}.png" for i in range(len(pictures))]
    fitted = EmotionClassifier("face-cnn", settings=small, random_state=0).fit([*pictures[:20], *paths[20:]], labels)
    assert fitted.classes_.tolist() == ["happy", "sad"]
    assert fitted.score(pictures, labels) > 0.9
    np.testing.assert_allclose(fitted.predict_proba(paths), fitted.predict_proba(np.stack(pictures)), atol=1e-5)
    assert fitted.predictor.manifest.modality == "face"


# --------------------------------------------------------------------------------------------------- joblib

READ = """
import json, sys, joblib
model = joblib.load(sys.argv[1])
found = model.predict(json.loads(sys.argv[2])).tolist()
assert "torch" not in sys.modules, "predicting needs no torch"
print(json.dumps(found))
"""


def elsewhere(path: Path, inputs: list[str]) -> list[str]:
    """What a dumped estimator predicts in another process."""
    args = [sys.executable, "-W", "error", "-c", READ, str(path), json.dumps(inputs)]
    done = subprocess.run(args, capture_output=True, text=True, env=cli_env(), check=False)
    assert done.returncode == 0, done.stderr
    found: list[str] = json.loads(done.stdout)
    return found


def test_a_dumped_classifier_carries_its_model(classifier: EmotionClassifier, tmp_path: Path) -> None:
    joblib.dump(classifier, tmp_path / "model.joblib")
    assert classifier._predictor is not None
    again = joblib.load(tmp_path / "model.joblib")
    assert again._predictor is None
    np.testing.assert_array_equal(again.predict_proba(TEXTS), classifier.predict_proba(TEXTS))
    assert elsewhere(tmp_path / "model.joblib", TEXTS[:20]) == LABELS[:20]


def test_a_dumped_pipeline_finds_its_model(face: Path, tmp_path: Path) -> None:
    pictures, labels = grays()
    for i, picture in enumerate(pictures):
        cv2.imwrite(str(tmp_path / f"{i}.png"), picture)
    pipeline = make_pipeline(Embedder(str(face)), SVC(kernel="linear")).fit(pictures, labels)
    joblib.dump(pipeline, tmp_path / "faces.joblib")
    assert (tmp_path / "faces.joblib").stat().st_size < 10_000
    assert elsewhere(tmp_path / "faces.joblib", [str(tmp_path / f"{i}.png") for i in range(4)]) == labels[:4]


def test_export_as_a_joblib_file(run_cli: RunCli, tiny_run: Path, tmp_path: Path) -> None:
    done = run_cli("export", tiny_run, "--format", "joblib", "--to", "out/model.joblib", "--name", "mine")
    assert (done.returncode, done.stdout) == (0, "out/model.joblib\n")
    assert "runs the code that stands in it" in done.stderr
    assert "strangers" in done.stderr
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["model.joblib"]
    text = "i am glad"
    assert elsewhere(tmp_path / "out" / "model.joblib", [text]) == [mien.load(tiny_run).predict(text).label] == ["joy"]
    made = joblib.load(tmp_path / "out" / "model.joblib")
    assert (made.predictor.name, made.recipe) == ("mine", "tiny")
    assert made.classes_.tolist() == sorted(mien.load(tiny_run).space.names)
    assert made.predict_proba([text])[0, 2] == mien.load(tiny_run).predict(text).score  # anger fear joy
    assert "weights.safetensors" not in made.model_files_
    (tmp_path / "folder").mkdir()
    assert "cannot write folder" in one_line(run_cli("export", tiny_run, "--format", "joblib", "--to", "folder"))
    assert "no model 'nothing'" in one_line(run_cli("export", "nothing", "--format", "joblib", "--to", "x"))
    wrong = run_cli("export", tiny_run, "--format", "zip", "--to", "x")
    assert wrong.returncode == 2
    assert "there are: folder, joblib" in wrong.stderr


# ------------------------------------------------------------------------------------ what they stand on


def test_training_takes_a_data_set_in_memory(tmp_path: Path) -> None:
    from mien.datasets import Dataset
    from mien.labels import SPACES

    space = SPACES["carer6"]
    targets = np.array([space.index(label) for label in LABELS])
    data = Dataset("mine", "text", space, TEXTS, targets, np.full(len(TEXTS), "", dtype=object))
    told: list[str] = []
    with log_to(told.append):
        run = mien.train("text-linear", data, tmp_path / "run", settings=["c=[10]"])
    assert any(line.startswith(f"mine: {len(TEXTS)} samples") for line in told)
    (entry,) = mien.load(run.folder).manifest.data
    assert entry["spec"] == "mine"
    assert set(entry["rows"]) == {"train", "val", "test"}


def test_without_scikit_learn_the_names_say_what_is_missing() -> None:
    program = """
import sys, warnings
sys.modules["sklearn"] = None
from mien import *
for kind in (Embedder, EmotionClassifier):
    try:
        kind()
    except MienError as error:
        print(type(error).__name__, error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=cli_env(), check=True)
    assert done.stdout == f"MissingExtra this needs sklearn: {how_to_install('train')}\n" * 2


def test_clones_share_one_loaded_model(face: Path) -> None:
    first = Embedder(face)
    assert first._loaded() is clone(first)._loaded()


def test_the_example_on_drawn_faces_and_on_a_folder(face: Path, tmp_path: Path) -> None:
    script = Path(__file__).parent.parent / "examples" / "faces_svm.py"
    for label, shade in (("calm", 40), ("merry", 200)):
        (tmp_path / "own" / label).mkdir(parents=True)
        for i in range(10):
            cv2.imwrite(str(tmp_path / "own" / label / f"{i}.png"), np.full((20, 20), shade + i, np.uint8))
    for args in (["--each", "12"], ["own", "--out", "own.joblib"]):
        done = subprocess.run(
            [sys.executable, script, *args, "--model", face],
            cwd=tmp_path, env=cli_env(), capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    assert "right on 5 pictures held back: 100.0%" in done.stdout
    assert elsewhere(tmp_path / "own.joblib", [str(tmp_path / "own" / "calm" / "1.png")]) == ["calm"]
