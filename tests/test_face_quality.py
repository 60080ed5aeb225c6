"""How well a face can be seen, what spoils it, and how far its label is to be trusted."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mien
from face_model import FER, Squares, drawn_face, face_model
from mien.datasets import Dataset
from mien.errors import DataError, ModelError
from mien.labels import SPACES, make_space
from mien.media.pixels import to_gray
from mien.modalities.face import degrade as spoil
from mien.modalities.face.detect import Face
from mien.modalities.face.quality import head_pose, inside, measure, sharpness
from mien.modalities.face.reliability import BIAS, NAMES, PARTS, SEEN, Judge, evidence
from mien.model import CertaintyEntry, LabelsEntry, read_manifest, verify, write_model
from mien.results import Prediction, Quality
from mien.training.reliability import set_into, with_reliability

HEAD = np.array([(-0.5, 0, 0), (0.5, 0, 0), (0, 0.587, 0.53), (-0.4, 1.033, 0.08), (0.4, 1.033, 0.08)])


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


# ------------------------------------------------------------------------------------------------ pose and sharpness


def turned(yaw: float, pitch: float, roll: float, scale: float = 70.0) -> np.ndarray:
    """The five points of the mean head after turns about its axes, seen from far away."""
    y, p, r = np.radians([yaw, pitch, roll])
    about_y = np.array([[math.cos(y), 0, math.sin(y)], [0, 1, 0], [-math.sin(y), 0, math.cos(y)]])
    # y points down and z to the viewer: who looks up lowers y of what is in front.
    about_x = np.array([[1, 0, 0], [0, math.cos(p), -math.sin(p)], [0, math.sin(p), math.cos(p)]])
    about_z = np.array([[math.cos(r), -math.sin(r), 0], [math.sin(r), math.cos(r), 0], [0, 0, 1]])
    return ((about_z @ about_x @ about_y @ HEAD.T).T[:, :2] * scale + (200, 150)).astype(np.float32)


@pytest.mark.parametrize("yaw", [-50, -20, 0, 35])
@pytest.mark.parametrize("roll", [-40, 0, 25])
def test_a_turned_head_is_told(yaw: float, roll: float) -> None:
    np.testing.assert_allclose(head_pose(turned(yaw, 0, roll)), (yaw, 0, roll), atol=0.5)


@pytest.mark.parametrize("pitch", [-30, -10, 20, 40])
def test_a_head_that_looks_up_or_down_is_told(pitch: float) -> None:
    np.testing.assert_allclose(head_pose(turned(0, pitch, 0)), (0, pitch, 0), atol=0.5)


def test_signs_of_the_pose() -> None:
    front = turned(0, 0, 0)
    right, raised = front.copy(), front.copy()
    right[2, 0] += 12  # the nose moves to the picture's right
    raised[2, 1] -= 8  # and up
    assert head_pose(right)[0] > 5
    assert head_pose(raised)[1] > 5
    leaning = front.copy()
    leaning[1, 1] += 20  # the eye on the right is lower: clockwise
    leaning[4, 1] += 16
    assert head_pose(leaning)[2] > 5


def test_points_in_one_place_have_no_pose() -> None:
    assert head_pose(np.full((5, 2), 7, np.float32)) == (0, 0, 0)


def test_blur_takes_the_sharpness() -> None:
    face = to_gray(drawn_face(96))
    told = [sharpness(spoil.blur(face, radius)[:, :, None]) for radius in (0.001, 0.02, 0.05, 0.1)]
    assert told == sorted(told, reverse=True)
    assert told[0] > 2 * told[-1]
    assert sharpness(np.full((48, 48, 1), 90, np.uint8)) == 0


def test_share_inside_the_picture() -> None:
    assert inside((10, 10, 30, 50), 100, 100) == 1
    assert inside((-10, 0, 10, 20), 100, 100) == 0.5
    assert inside((90, 90, 110, 110), 100, 100) == 0.25
    assert inside((120, 0, 140, 20), 100, 100) == 0


def test_quality_of_a_face_found() -> None:
    face = Face((20.0, 10.0, 60.0, 70.0), 0.93, turned(20, 0, 0))
    quality = measure(np.zeros((100, 50, 3), np.uint8), face, to_gray(drawn_face(48))[:, :, None])
    assert (quality.detector, quality.size, quality.inside) == (0.93, 40, 0.75)
    assert quality.yaw == pytest.approx(20, abs=0.5)
    assert quality.reliability is None


# ------------------------------------------------------------------------------------------------ what spoils faces


def test_what_spoils_a_face() -> None:
    face = to_gray(drawn_face(48))
    np.testing.assert_array_equal(spoil.shrink(face, 48), face)
    board = np.kron(np.eye(2, dtype=np.uint8), np.full((24, 24), 99, np.uint8))
    np.testing.assert_array_equal(spoil.shrink(board, 2)[::47, ::47], [[99, 0], [0, 99]])
    masked = spoil.cover(face, "mouth", 128)
    assert (masked[:27] == face[:27]).all()
    assert (masked[28:, 6:42] == 128).all()
    below = spoil.cut(face, 1, 0.25)
    assert (below[36:] == face[35]).all()
    assert (below[:36] == face[:36]).all()
    right = spoil.cut(face, 3, 0.25)
    assert (right[:, 36:] == face[:, 35:36]).all()
    assert spoil.relight(face, 2.0, 0, 0).mean() < face.mean()
    np.testing.assert_array_equal(spoil.relight(face, 1.0, 0, 0), face)


@given(st.integers(0, 2**32 - 1), st.integers(16, 80), st.booleans())
def test_a_spoiled_face_is_a_picture_and_the_same_again(seed: int, size: int, colored: bool) -> None:
    face = drawn_face(size) if colored else to_gray(drawn_face(size))
    first, again = (spoil.degrade(face, rng(seed)) for _ in range(2))
    assert first.shape == face.shape
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(first, again)


def test_a_face_set_into_a_picture() -> None:
    face = to_gray(drawn_face(48))
    sizes = {set_into(face, 40, rng(seed)).shape for seed in range(40)}
    assert all(shape[2] == 3 and max(shape[:2]) >= 60 for shape in sizes)
    assert any(shape[0] != shape[1] for shape in sizes), "some are cut off"


# ------------------------------------------------------------------------------------------------ reliability


def known(folder: Path, weights: dict[str, dict[str, float]], threshold: float = 0.5) -> Path:
    """The model of brightness with a head ``seen`` (here three more columns) and a reliability."""
    model = face_model(folder)
    manifest = verify(model)
    manifest.heads = [LabelsEntry(space=SEEN, multilabel=True, names=list(NAMES)), LabelsEntry(
        space="rest", multilabel=True, names=["a", "b", "c", "d", "e"])]  # fmt: skip
    manifest.reliability = weights
    manifest.certainty = {"fer7": CertaintyEntry(
        rate=0.8, threshold=threshold, answered=0.7, coverage=0.9, set_threshold=0.2, n=100)}  # fmt: skip
    return write_model(model, manifest, {"model.onnx": (model / "model.onnx").read_bytes()}, "# bright")


def test_reliability_is_a_logistic_regression(tmp_path: Path) -> None:
    manifest = read_manifest(known(tmp_path / "m", {"photo": {"margin": 2.0, "said happy": -1.0, BIAS: 0.5}}))
    quality = Quality(0.9, 40, 0.1, 0, 0, 0)
    row = np.array([0.1, 0, 0.1, 0.7, 0, 0, 0.1, 0.9, 0.8, 0.7, 0, 0, 0, 0, 0])
    told = Judge(manifest).judge(quality, row)
    assert told.reliability == pytest.approx(1 / (1 + math.exp(-(2 * 0.6 - 1 + 0.5))))
    assert (told.human, told.mouth, told.eyes) == (0.9, 0.8, 0.7)
    assert Judge(manifest).judge(replace(quality, detector=None), row).reliability is None, "no weights for crops"


def test_unknown_evidence_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="'luck', unknown to this mien"):
        mien.load(known(tmp_path / "m", {"photo": {"luck": 1.0}}))


def test_reliability_needs_its_head(tmp_path: Path) -> None:
    model = known(tmp_path / "m", {"photo": {"top": 1.0}})
    manifest = verify(model)
    manifest.heads = [LabelsEntry(space="ferplus8", names=list(SPACES["ferplus8"].names))]
    write_model(model, manifest, {"model.onnx": (model / "model.onnx").read_bytes()}, "# bright")
    with pytest.raises(ModelError, match="needs the head 'seen'"):
        mien.load(model)


@given(st.floats(0, 1), st.floats(1, 5000), st.floats(0, 1), st.floats(-180, 180), st.floats(0, 1))
def test_evidence_is_finite_and_bounded(detector: float, size: float, fine: float, yaw: float, seen: float) -> None:
    scores = dict(zip(FER, (1.0, *[0.0] * 6), strict=True))
    told = evidence(Quality(detector, size, fine, yaw, yaw / 2, yaw, seen), scores, dict.fromkeys(PARTS, seen))
    assert all(math.isfinite(value) and abs(value) <= 10 for value in told.values())


def test_unsure_faces_by_their_reliability(tmp_path: Path) -> None:
    # Reliable above 100 pixels only: log2(size) - 5 is 0 from 32 on, so the size must be what decides.
    model = mien.load(known(tmp_path / "m", {"photo": {"below 32 pixels": -40.0, BIAS: 10.0}}))
    model.detector = Squares()
    picture = np.zeros((200, 300, 3), np.uint8)
    picture[10:90, 10:90] = 200
    picture[150:162, 200:212] = 250
    large, small = model.predict(picture).items
    assert not large.unsure
    assert small.unsure
    assert small.unreliable
    assert small.quality is not None
    assert (small.quality.reliability or 0) < 1e-9
    result = model.predict(picture)
    assert result.strongest is large or result.strongest == large
    again = type(result).from_dict(json.loads(json.dumps(result.to_dict())), model.space)
    assert [item.unsure for item in again.items] == [False, True]
    assert [item.quality for item in again.items] == [
        Quality.from_dict(item.quality.to_dict()) for item in result.items if item.quality
    ]


def test_a_quality_survives_json() -> None:
    quality = Quality(0.987654321, 40.04, 0.123456, -3.21, None, 7.0, 0.5, 0.9, None, 0.1, 0.1234567)
    again = Quality.from_dict(json.loads(json.dumps(quality.to_dict())))
    assert again == Quality(0.9877, 40.0, 0.1235, -3.2, None, 7.0, 0.5, 0.9, None, 0.1, 0.123457)


def test_without_reliability_the_score_decides() -> None:
    even = dict.fromkeys(FER, 0.1) | {"happy": 0.4}
    made = Prediction(even, SPACES["fer7"], certainty=mien.results.Certainty(0.5, 0.2), quality=Quality(0.9, 40, 0.1))
    assert made.unsure
    assert not made.unreliable


# ------------------------------------------------------------------------------------------------ fitting it


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model of brightness, fitted on faces of which the light ones are always right and the dark ones by chance."""
    folder = tmp_path_factory.mktemp("fitted")
    pictures, targets = [], []
    draw = rng(5)
    for number in range(120):
        place = number % 7
        level = (place + 0.5) / 7
        face = to_gray(drawn_face(48)).astype(float)
        pictures.append(np.clip(face - face.mean() + 255 * level, 0, 255).astype(np.uint8))
        targets.append(place if place > 3 else int(draw.integers(7)))
    faces = Dataset("mine", "face", SPACES["fer7"], pictures, np.array(targets), np.full(120, "val"))
    grounds = [np.full((120, 120, 3), 70, np.uint8) for _ in range(16)]
    for ground in grounds[8:]:
        ground[20:90, 20:90] = drawn_face(70)[:, :, ::-1]
    for ground in grounds[:8]:
        ground[10:110, 10:110] = drawn_face(100)
    kinds = make_space("pictures", ("people", "none"), False)
    photographs = Dataset("photographs", "scene", kinds, grounds, np.repeat([0, 1], 8), np.full(16, "val"))
    return with_reliability(face_model(folder / "model"), faces, photographs, folder / "fitted", name="known")


def test_what_is_fitted_answers_as_before(fitted: Path) -> None:
    manifest = verify(fitted)
    assert [entry.space for entry in manifest.heads] == ["ferplus8", SEEN]
    before, after = mien.load(fitted.parent / "model"), mien.load(fitted)
    crops = [to_gray(drawn_face(side)) for side in (20, 48, 90)]
    np.testing.assert_array_equal(after.predict_proba(crops), before.predict_proba(crops))
    assert after.with_labels(SEEN).predict_proba(crops).shape == (3, len(PARTS))


def test_crops_whose_labels_hold_are_reliable(fitted: Path) -> None:
    model = mien.load(fitted)
    light, dark = (model.predict(np.full((48, 48), level, np.uint8), crops=True).items[0] for level in (230, 60))
    assert light.quality is not None
    assert dark.quality is not None
    assert light.quality.reliability > 0.6 > dark.quality.reliability  # type: ignore[operator]
    assert not light.unsure
    assert dark.unsure


def test_it_can_be_fitted_again(fitted: Path, tmp_path: Path) -> None:
    faces = Dataset(
        "mine", "face", SPACES["fer7"], [to_gray(drawn_face(48))] * 60, np.arange(60) % 7, np.full(60, "val")
    )
    kinds = make_space("pictures", ("people", "none"), False)
    ground = np.full((120, 120, 3), 70, np.uint8)
    ground[10:110, 10:110] = drawn_face(100)
    photographs = Dataset("p", "scene", kinds, [ground] * 8, np.repeat([0, 1], 4), np.full(8, "val"))
    again = with_reliability(fitted, faces, photographs, tmp_path / "again")
    assert [entry.space for entry in verify(again).heads] == ["ferplus8", SEEN]
    assert mien.load(again).predict(drawn_face(120)).items[0].quality is not None


def test_other_labels_are_refused(tmp_path: Path) -> None:
    model = face_model(tmp_path / "m")
    faces = Dataset("mine", "face", SPACES["ferplus8"], [drawn_face(48)], np.array([0]), np.array(["val"]))
    with pytest.raises(DataError, match="mine has other labels than bright"):
        with_reliability(model, faces, faces, tmp_path / "to")
    right = replace(faces, space=SPACES["fer7"])
    with pytest.raises(DataError, match="mine must have the labels people and none"):
        with_reliability(model, right, right, tmp_path / "to")
    with pytest.raises(ModelError, match="gives its features"):
        with_reliability(face_model(tmp_path / "n", features=False), right, right, tmp_path / "to")


# ------------------------------------------------------------------------------------------------ figures by bands


def test_figures_by_the_size_and_the_pose_of_faces(tmp_path: Path, run_cli) -> None:
    import cv2

    for label, sides in (("happy", (12, 30, 60)), ("neutral", (30, 100))):
        (tmp_path / "faces" / label).mkdir(parents=True)
        for side in sides:
            cv2.imwrite(str(tmp_path / "faces" / label / f"{side}.png"), cv2.resize(drawn_face(200), (side, side)))
    model = face_model(tmp_path / "model")
    asked = ["evaluate", str(model), "--data", f"images:{tmp_path / 'faces'}", "--split", "all", "--json", "--by"]
    by_size = json.loads(run_cli(*asked, "size").stdout)["by"]
    assert {group["group"]: group["n"] for group in by_size["groups"]} == {
        "0 to 16 px": 1, "24 to 32 px": 2, "48 to 96 px": 1, "96 px or more": 1,
    }  # fmt: skip
    by_pose = json.loads(run_cli(*asked, "pose").stdout)["by"]
    assert sum(group["n"] for group in by_pose["groups"]) == 5
    assert {group["group"] for group in by_pose["groups"]} <= {"0 to 20°", "20 to 45°", "45° or more", "no face found"}
    assert "0 to 20°" in {group["group"] for group in by_pose["groups"]}
    wrong = run_cli(*asked, "mood")
    assert wrong.returncode == 1
    assert "has no column 'mood'; it has: size, sharpness, pose" in wrong.stderr
