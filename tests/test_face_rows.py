"""Classifiers on what a face model makes of pictures: one graph, which reads faces as any face model does."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

import mien
from drawn import folders
from face_model import drawn_face, face_model
from mien.errors import RecipeError
from mien.training.run import with_splits


@pytest.fixture(scope="module")
def bright(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A face model whose features are the brightness of a crop and of its left half."""
    return face_model(tmp_path_factory.mktemp("models") / "bright")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Crops of two labels that differ in brightness."""
    root, random = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for label, level in (("sad", 70), ("happy", 170)):
        (root / label).mkdir()
        for number in range(24):
            noise = random.integers(-40, 40, (20, 20)) + random.integers(-30, 30)
            assert cv2.imwrite(str(root / label / f"{number}.png"), (level + noise).astype(np.uint8))
    return root


@pytest.fixture(scope="module")
def run(bright: Path, pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> mien.training.run.Run:
    settings = [f"network.embed={bright}", "network.c=[1]", "network.gamma=[1]", "network.balanced=[false]"]
    return mien.train("face-svm", f"images:{pictures}", tmp_path_factory.mktemp("run") / "run", settings=settings)


def test_one_graph_gives_scikit_learns_answer(run: mien.training.run.Run, bright: Path, pictures: Path) -> None:
    data = with_splits(mien.open_dataset(f"images:{pictures}"), 0)
    learned, other = data.part("train"), data.part("test")
    embed = mien.Embedder(bright)
    reference = make_pipeline(StandardScaler(), OneVsRestClassifier(SVC(C=1, gamma=1 / 2)))
    reference.fit(embed.transform(learned.inputs).astype(float), learned.targets)
    model = mien.load(run.model)
    assert model.space.names == data.space.names
    margin = reference.decision_function(embed.transform(other.inputs).astype(float))
    heat = model.manifest.training["temperature"]
    wanted = 1 / (1 + np.exp(-2 * margin / heat))  # two labels: the margins are each other's opposite
    np.testing.assert_allclose(model.predict_proba(other.inputs)[:, 1], wanted, atol=1e-4)
    assert model.manifest.training["export_difference"] < 1e-5
    assert run.metrics["accuracy"] == 1.0


def test_it_is_a_face_model_as_any_other(run: mien.training.run.Run, bright: Path, pictures: Path) -> None:
    model = mien.load(run.model)
    assert model.manifest.modality == "face"
    assert model.settings == mien.load(bright).settings
    paths = sorted(map(str, pictures.glob("*/*.png")))
    np.testing.assert_array_equal(model.features(paths), mien.load(bright).features(paths))
    photo = np.full((300, 400, 3), 120, np.uint8)
    photo[50:250, 100:300] = drawn_face(200)
    result = model.predict(photo)
    assert {item.label for item in result.items} <= {"happy", "sad"}
    crop = model.predict(np.full((40, 40), 175, np.uint8), crops=True)
    assert (crop.label, len(crop.items)) == ("happy", 1)
    assert model.manifest.training["layout"][0]["name"] == "embed"
    assert str(bright.parent) not in (run.model / "manifest.json").read_text()


def test_trees_on_pictures_in_folds(bright: Path, pictures: Path, tmp_path: Path) -> None:
    settings = [f"network.embed={bright}", "network.n_estimators=[10]", "network.max_depth=[2]", "search.folds=2"]
    spec = f"images:{pictures}"
    done = mien.train("face-xgboost", spec, tmp_path / "run", settings=settings, folds=2, report=False)
    assert done.metrics["accuracy"] > 0.9
    assert done.metrics["n"] == 48


def test_models_that_cannot_embed(tmp_path: Path, pictures: Path, tiny_model: Path) -> None:
    mute = face_model(tmp_path / "mute", features=False)
    for model, says in ((mute, "gives no features"), (tiny_model, "reads text, not faces")):
        with pytest.raises(RecipeError, match=says):
            mien.train("face-svm", f"images:{pictures}", tmp_path / "run", settings=[f"network.embed={model}"])


def test_the_shipped_face_model_in_one_graph(tmp_path: Path) -> None:
    """Its network is in 8 bits: the graph up to its features must come out the same."""
    if "face" not in mien.model.shipped():
        pytest.skip("the model face is not here")
    data = folders(tmp_path / "drawn", 5)
    settings = ["network.c=[1]", "network.gamma=[1]", "network.balanced=[false]", "search.folds=2"]
    done = mien.train("face-svm", f"images:{data}", tmp_path / "run", settings=settings, report=False)
    model, paths = mien.load(done.model), sorted(map(str, data.glob("*/*.png")))
    np.testing.assert_allclose(model.features(paths), mien.load("face").features(paths), atol=1e-5)
    assert model.manifest.files["model.onnx"].bytes < 5e6
