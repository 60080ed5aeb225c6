"""The predictor of faces, with a network that decides by brightness: what it says can be worked out by hand."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import mien
from face_model import FER, PLUS, Squares, drawn_face, expected, face_model
from mien.errors import InputError, ModelError
from mien.modalities.face.predictor import FacePredictor


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> FacePredictor:
    loaded = mien.load(face_model(tmp_path_factory.mktemp("face") / "model"), threads=1)
    assert isinstance(loaded, FacePredictor)
    return loaded


@pytest.fixture
def squares(model: FacePredictor, monkeypatch: pytest.MonkeyPatch) -> Squares:
    found = Squares()
    monkeypatch.setitem(vars(model), "detector", found)
    return found


def picture_of(*levels: int, shape: tuple[int, int] = (100, 400)) -> np.ndarray:
    """Squares of those gray levels from left to right, each a little smaller."""
    picture = np.full((*shape, 3), 10, np.uint8)
    for number, level in enumerate(levels):
        side = 60 - 2 * number
        picture[20 : 20 + side, 10 + 80 * number : 10 + 80 * number + side] = level
    return picture


def test_every_face_has_its_box_and_what_its_crop_says(model: FacePredictor, squares: Squares) -> None:
    result = model.predict(picture_of(255, 128, 40))
    assert (result.input, result.modality, result.model, result.error) == ("<array>", "face", "bright", None)
    assert [item.box for item in result.items] == [(10, 20, 70, 80), (90, 20, 148, 78), (170, 20, 226, 76)]
    for item, level in zip(result.items, (255, 128, 40), strict=True):
        assert np.array(list(item.scores.values())) == pytest.approx(expected(level / 255), abs=0.01)
    assert [item.label for item in result.items] == [FER[6], FER[3], FER[1]]
    assert result.strongest is max(result.items, key=lambda item: item.score)
    assert result.rollup("ekman7").items[0].box == (10, 20, 70, 80)


def test_pictures_in_batches_are_as_one_by_one_and_in_order(model: FacePredictor, squares: Squares) -> None:
    rng = np.random.default_rng(0)
    pictures = [picture_of(*rng.integers(30, 256, rng.integers(0, 5)).tolist()) for _ in range(30)]
    alone = [model.predict(picture) for picture in pictures]
    for batch_size in (1, 7, 64):
        assert list(model.predict_many(pictures, batch_size)) == alone
    assert {len(result.items) for result in alone} == {0, 1, 2, 3, 4}


def test_pictures_are_read_as_they_are_wanted(model: FacePredictor, squares: Squares) -> None:
    def endless() -> Iterator[np.ndarray]:
        while True:
            yield picture_of(100)

    results = model.predict_many(endless(), batch_size=4)
    assert next(results).label == FER[2]
    assert len(squares.looks) == 4
    blank = model.predict_many((np.zeros((9, 9), np.uint8) for _ in count()), batch_size=4)  # a batch never fills
    assert next(blank).items == ()


def test_two_hundred_faces_at_once(model: FacePredictor) -> None:
    result = model.predict(np.tile(drawn_face(80), (10, 20, 1)))
    assert len(result.items) == 200
    assert {round(item.box[0] // 80) for item in result.items if item.box} == set(range(20))
    assert np.ptp([item.score for item in result.items]) < 0.3, "the same face everywhere"


def test_no_face_is_an_empty_result(model: FacePredictor) -> None:
    for shape in ((1, 1, 3), (300, 200, 3), (50, 50)):
        result = model.predict(np.zeros(shape, np.uint8))
        assert (result.items, result.label, result.error) == ((), None, None)


def test_unreadable_pictures_do_not_stop_the_others(model: FacePredictor, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "good.png"), drawn_face(200)[:, :, ::-1])
    (tmp_path / "text.jpg").write_text("no picture")
    good = tmp_path / "good.png"
    items: list[Any] = [good, tmp_path / "text.jpg", tmp_path / "none.png", str(good), np.zeros((4, 4), np.float32)]
    results = list(model.predict_many(items))
    assert [result.error is None for result in results] == [True, False, False, True, False]
    assert [len(result.items) for result in results] == [1, 0, 0, 1, 0]
    assert results[0].items == results[3].items
    assert "text.jpg" in str(results[1].error)
    assert "none.png" in str(results[2].error)
    assert [result.input for result in results[:2]] == [str(good), str(tmp_path / "text.jpg")]
    with pytest.raises(InputError, match=r"none\.png"):
        model.predict(tmp_path / "none.png")


def with_orientation(jpeg: bytes, orientation: int) -> bytes:
    """A JPEG with an EXIF block that says how it is to be turned."""
    tiff = b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)
    block = b"Exif\0\0" + tiff
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + jpeg[2:]


def test_boxes_are_those_of_the_picture_as_it_is_seen(model: FacePredictor, tmp_path: Path) -> None:
    upright = np.full((300, 500, 3), (120, 140, 160), np.uint8)
    upright[60:260, 250:450] = drawn_face(200)
    stored = cv2.rotate(upright, cv2.ROTATE_90_COUNTERCLOCKWISE)  # to be turned clockwise: orientation 6
    data = cv2.imencode(".jpg", stored[:, :, ::-1])[1].tobytes()
    (tmp_path / "turned.jpg").write_bytes(with_orientation(data, 6))
    (face,) = model.predict(tmp_path / "turned.jpg").items
    (plain,) = model.predict(upright).items
    assert face.box == pytest.approx(plain.box, abs=3)


def test_ready_crops_are_not_searched(model: FacePredictor, squares: Squares) -> None:
    crops = [np.full((20, 30, 3), 255, np.uint8), np.zeros((48, 48), np.uint8)]
    results = list(model.predict_many(crops, crops=True))
    assert [result.label for result in results] == [FER[6], FER[0]]
    assert [result.items[0].box for result in results] == [(0, 0, 30, 20), (0, 0, 48, 48)]
    assert model.predict(crops[0], crops=True) == results[0]
    assert not squares.looks


def test_probabilities_of_ready_crops(model: FacePredictor, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "white.png"), np.full((9, 9), 255, np.uint8))
    inputs: Sequence[Any] = [
        np.full((48, 48), 30, np.uint8), np.full((5, 7, 3), 100, np.uint8), tmp_path / "white.png",
        str(tmp_path / "white.png"),
    ]  # fmt: skip
    steps: list[int] = []
    scores = model.predict_proba(inputs, batch_size=3, progress=steps.append)
    assert (scores.dtype, scores.shape) == (np.float32, (4, 7))
    for row, level in zip(scores, (30, 100, 255, 255), strict=True):
        assert row == pytest.approx(expected(level / 255), abs=1e-5)
    assert steps == [3, 1]
    assert model.predict_proba([]).shape == (0, 7)
    with pytest.raises(InputError, match=r"input 5: .*none\.png"):
        model.predict_proba([*inputs, tmp_path / "none.png"], batch_size=3)


def test_features_and_a_network_without_them(model: FacePredictor, tmp_path: Path) -> None:
    half = np.zeros((16, 16), np.uint8)
    half[:, :8] = 255
    features = model.features([half, np.full((16, 16), 51, np.uint8)], batch_size=1)
    assert features.dtype == np.float32
    assert features == pytest.approx(np.array([[0.5, 1.0], [0.2, 0.2]]), abs=1e-5)
    plain = mien.load(face_model(tmp_path / "plain", features=False), threads=1)
    assert isinstance(plain, FacePredictor)
    with pytest.raises(ModelError, match="bright gives no features"):
        plain.features([half])


def test_a_mirrored_look_is_the_mean_of_both(model: FacePredictor, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[np.ndarray] = []
    run = model._session.run

    def spy(array: np.ndarray, output: str | None = None) -> np.ndarray:
        seen.extend(array)
        return run(array, output) * np.arange(1, len(array) + 1, dtype=np.float32)[:, None]  # the second counts twice

    monkeypatch.setattr(model._session, "run", spy)
    monkeypatch.setattr(model, "mirror", True)
    crop = np.random.default_rng(0).integers(0, 256, (16, 16), np.uint8)
    (row,) = model.predict_proba([crop])
    assert [look[:, :, 0].tolist() for look in seen] == [crop.tolist(), crop[:, ::-1].tolist()]
    assert row == pytest.approx(1.5 * expected(crop.mean() / 255), abs=1e-4)


def test_another_head_of_the_same_network(model: FacePredictor) -> None:
    twin = model.with_labels("ferplus8")
    assert (twin.space, model.space) == (mien.SPACES["ferplus8"], mien.SPACES["fer7"])
    assert twin._session is model._session
    crop = np.full((8, 8), 200, np.uint8)
    assert twin.predict_proba([crop])[0] == pytest.approx(expected(200 / 255, 8), abs=1e-5)
    assert twin.predict(crop, crops=True).label == PLUS[6]
    assert model.predict(crop, crops=True).label == FER[5]
    assert twin.with_labels(mien.SPACES["fer7"]).predict_proba([crop]).shape == (1, 7)
    with pytest.raises(ModelError, match="bright does not answer in carer6; it does in: fer7, ferplus8"):
        model.with_labels("carer6")


def test_a_text_model_has_no_further_heads(tiny_model: Path) -> None:
    text = mien.load(tiny_model, threads=1)
    with pytest.raises(ModelError, match="tiny does not answer in fer7; it does in: carer6"):
        text.with_labels("fer7")
    assert text.with_labels("carer6").predict("i am glad").label == "joy"


def test_settings_that_no_network_has_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"preprocess settings: source: "):
        mien.load(face_model(tmp_path / "m", source=-1))


def test_predict_chooses_by_what_it_is_given(
    model: FacePredictor, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mien, "_loaded", {"face": model, "text": mien.load(tiny_model, threads=1)})
    cv2.imwrite(str(tmp_path / "my photo.PNG"), drawn_face(200)[:, :, ::-1])
    path = tmp_path / "my photo.PNG"
    found = [mien.predict(item) for item in (str(path), path, path.read_bytes(), drawn_face(200))]
    assert [result.modality for result in found] == ["face"] * 4
    assert [len(result.items) for result in found] == [1] * 4
    assert mien.predict("i am glad about photo.jpg").modality == "text"
    with pytest.raises(InputError, match=r"there is no file photo\.jpg"):
        mien.predict("photo.jpg")
    assert mien.predict(drawn_face(), model=str(model.folder)).items == found[3].items
