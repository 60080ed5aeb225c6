"""Scenes read by a model made by hand: whole pictures, persons in boxes or found by their faces, and bad input."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

import mien
import scene_model
from conftest import change_manifest
from mien.errors import InputError, ModelError
from mien.media.images import Region
from mien.modalities.face.detect import Face
from mien.modalities.face.preprocess import resize
from mien.modalities.scene.preprocess import SceneSettings, body, prepare

GRAY = np.full((40, 60, 3), 128, np.uint8)


def halves(left: int = 0, right: int = 255) -> np.ndarray:
    picture = np.full((40, 60, 3), right, np.uint8)
    picture[:, :30] = left
    return picture


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return mien.load(scene_model.scene_model(tmp_path_factory.mktemp("m") / "whole"))


@pytest.fixture(scope="module")
def persons(tmp_path_factory):
    return mien.load(scene_model.scene_model(tmp_path_factory.mktemp("m") / "persons", ("picture", "person")))


# ----------------------------------------------------------------------------------------------- preprocessing


def test_views_are_the_picture_and_the_person():
    picture = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    box = (10.2, 5.0, 29.5, 44.1)  # every pixel it touches
    both = prepare(picture, box, SceneSettings(size=32, views=("picture", "person")))
    assert both.shape == (2, 32, 32, 3)
    exact = cv2.resize(picture, (32, 32), interpolation=cv2.INTER_AREA)
    assert np.abs(both[0].astype(int) - exact).max() <= 1
    np.testing.assert_array_equal(both[1], resize(np.ascontiguousarray(picture[5:45, 10:30]), 32))
    np.testing.assert_array_equal(prepare(picture, box, SceneSettings(size=32)), both[0])
    np.testing.assert_array_equal(prepare(picture, box, SceneSettings(size=32, views=("person",))), both[1])
    np.testing.assert_array_equal(prepare(picture, None, SceneSettings(size=32, views=("person",))), both[0])


def test_every_picture_goes_through_the_size_learned_from():
    picture = np.random.default_rng(0).integers(0, 256, (90, 70, 3), dtype=np.uint8)
    found = prepare(picture, None, SceneSettings(size=32, source=40))
    np.testing.assert_array_equal(found, resize(resize(picture, 40), 32))
    assert prepare(picture[:20, :20], None, SceneSettings(size=32, source=40)).shape == (32, 32, 3)


@pytest.mark.parametrize("views", [[], ["person", "picture"], ["picture", "picture"], ["face"]])
def test_views_are_checked(views):
    with pytest.raises(ValueError, match="views"):
        SceneSettings(views=views)


def test_a_body_is_below_and_around_its_face():
    """About three heads wide and seven high, as far as the picture goes."""
    assert body((100, 50, 140, 100), 1000, 1000) == (50, 30, 190, 405)
    left, top, right, bottom = body((0, 0, 40, 50), 60, 70)
    assert (left, top, right, bottom) == (0, 0, 60, 70)


# --------------------------------------------------------------------------------------------- whole pictures


def test_a_picture_gives_one_item_with_labels_and_ratings(whole):
    result = whole.predict(GRAY)
    (item,) = result.items
    assert item.box is None
    np.testing.assert_allclose(list(item.scores.values()), scene_model.expected(128 / 255), atol=1e-4)
    assert item.labels == ("dark", "dim")  # at 0.4, the model's threshold
    assert item.ratings == pytest.approx({"light": 1 + 6 * 128 / 255, "left": 1 + 6 * 128 / 255}, abs=1e-4)
    document = json.loads(json.dumps(result.to_dict()))
    assert document["modality"] == "scene"
    assert set(document["items"][0]["ratings"]) == {"light", "left"}


def test_files_bytes_and_arrays_are_one(whole, tmp_path):
    picture = halves(20, 200)
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), picture)
    given = [picture, str(path), path, path.read_bytes()]
    found = list(whole.predict_many(given, batch_size=3))
    assert [result.input for result in found] == ["<array>", str(path), str(path), "<bytes>"]
    for result in found[1:]:
        assert result.items[0].ratings == found[0].items[0].ratings
    np.testing.assert_allclose(
        whole.predict_proba(given, batch_size=2), [list(r.items[0].scores.values()) for r in found], atol=1e-6
    )
    np.testing.assert_allclose(
        whole.ratings(given, batch_size=3), [list(r.items[0].ratings.values()) for r in found], atol=1e-5
    )
    counted: list[int] = []
    scores, ratings, *_ = whole.outputs(given, 3, counted.append)
    assert (scores.shape, ratings.shape, counted) == ((4, 3), (4, 2), [3, 1])
    assert [part.shape for part in whole.outputs([])] == [(0, 3), (0, 2), (0, 0), (0,)]


def test_a_mirror_image_averages_both(whole, tmp_path):
    model = mien.load(scene_model.scene_model(tmp_path / "mirror", mirror=True))
    plain, mirrored = (m.predict(halves()).items[0].ratings for m in (whole, model))
    assert plain == pytest.approx({"light": 4, "left": 1}, abs=1e-4)
    assert mirrored == pytest.approx({"light": 4, "left": 4}, abs=1e-4)
    model.mirror = False
    assert model.predict(halves()).items[0].ratings == pytest.approx(plain)


def test_ratings_alone(tmp_path):
    model = mien.load(scene_model.scene_model(tmp_path / "m", labels=False))
    result = model.predict(GRAY)
    assert (result.label, result.score, result.items[0].scores) == (None, None, {})
    assert result.items[0].ratings["light"] == pytest.approx(1 + 6 * 128 / 255, abs=1e-4)
    assert model.predict_proba([GRAY]).shape == (1, 0)


def test_a_model_of_pictures_takes_no_boxes(whole):
    with pytest.raises(InputError, match="reads whole pictures: it takes no boxes"):
        whole.predict(GRAY, boxes=[(0, 0, 10, 10)])
    with pytest.raises(ModelError, match="gives no features"):
        whole.features([GRAY])


# ---------------------------------------------------------------------------------------------------- persons


def test_each_box_is_read_within_the_whole_picture(persons):
    result = persons.predict(halves(0, 255), boxes=[(0, 0, 30, 40), (30, 0, 60, 40)])
    dark, light = result.items
    assert (dark.box, light.box) == ((0, 0, 30, 40), (30, 0, 60, 40))
    np.testing.assert_allclose(list(dark.scores.values()), scene_model.expected(0.0), atol=1e-5)
    np.testing.assert_allclose(list(light.scores.values()), scene_model.expected(1.0), atol=1e-5)
    assert dark.ratings == light.ratings == pytest.approx({"light": 4, "left": 1}, abs=1e-3)


def test_a_region_is_one_person(persons, tmp_path):
    path = str(tmp_path / "a.png")
    cv2.imwrite(path, halves(0, 255))
    region = Region(path, (30, 0, 60, 40))
    result = persons.predict(region)
    assert result.input == f"{path}#30,0,60,40"
    assert [item.box for item in result.items] == [(30, 0, 60, 40)]
    np.testing.assert_allclose(persons.predict_proba([region])[0], scene_model.expected(1.0), atol=1e-5)


class Faces:
    """Stands for the detector: so many faces, wherever."""

    def __init__(self, *boxes):
        self.boxes = boxes

    def find(self, picture):
        return [Face(box, 0.9) for box in self.boxes]


def test_bodies_are_estimated_from_faces(persons):
    persons.detector = Faces((10, 4, 14, 8), (40, 4, 43, 8))
    first, second = persons.predict(halves(0, 255)).items
    assert first.box == body((10, 4, 14, 8), 60, 40)
    assert second.box == body((40, 4, 43, 8), 60, 40)
    assert first.label == "dark"
    assert second.scores["bright"] > 0.99
    persons.detector = Faces()
    assert persons.predict(GRAY).items == ()
    results = list(persons.predict_many([GRAY, GRAY]))
    assert [result.items for result in results] == [(), ()]


@pytest.mark.parametrize(
    ("box", "said"),
    [
        ((70, 0, 90, 40), "outside"),
        ((5, 5, 5, 20), "must have an area"),
        ((0, 0, float("nan"), 4), "must have an area"),
    ],
)
def test_a_box_that_cannot_be_is_said(persons, box, said):
    with pytest.raises(InputError, match=said):
        persons.predict(GRAY, boxes=[box])


def test_an_unusable_picture_does_not_stop_the_others(whole, tmp_path):
    (tmp_path / "bad.jpg").write_bytes(b"no picture")
    found = list(whole.predict_many([GRAY, str(tmp_path / "bad.jpg"), str(tmp_path / "no.jpg"), GRAY]))
    assert [bool(result.error) for result in found] == [False, True, True, False]
    assert "no.jpg" in str(found[2].error)
    with pytest.raises(InputError, match="input 2"):
        whole.predict_proba([GRAY, str(tmp_path / "no.jpg")])
    with pytest.raises(InputError, match=r"no\.jpg"):
        whole.predict(str(tmp_path / "no.jpg"))


def test_settings_that_are_none_are_said(tmp_path):
    folder = scene_model.scene_model(tmp_path / "m")
    settings = json.loads((folder / "manifest.json").read_text())["preprocess"]
    change_manifest(folder, preprocess=settings | {"views": ["face"]})
    with pytest.raises(ModelError, match="preprocess settings: views"):
        mien.load(folder)
