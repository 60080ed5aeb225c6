"""The points of faces, against places known beforehand; and Google's own networks, where they are installed."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import pytest

from face_model import drawn_face
from face_points import RADIUS, turned, write_networks
from mien.errors import ModelError
from mien.graphs import check_graph
from mien.modalities.face.detect import Face, FaceDetector
from mien.modalities.face.landmarks import FOLDER, FaceLandmarker
from mien.results import BLENDSHAPES, FaceAction

installed = pytest.mark.skipif(not (FOLDER / "mesh.onnx").exists(), reason="mien-landmarks is not installed")


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> FaceLandmarker:
    """Of a head that is turned 20° to its left, looks 10° up and is tilted 5° to its left."""
    folder = write_networks(tmp_path_factory.mktemp("points"), turned(yaw=20, pitch=10, roll=5))
    return FaceLandmarker(threads=1, folder=folder)


def disc(x: float, y: float, radius: float, level: int = 255, size: tuple[int, int] = (400, 300)) -> np.ndarray:
    """A light disc on black, uint8 (height, width, 3)."""
    across, down = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    shown = np.clip(radius + 0.5 - np.hypot(across - x, down - y), 0, 1) * level
    return np.repeat(np.round(shown).astype(np.uint8)[:, :, None], 3, 2)


def face_at(x: float, y: float, side: float, degrees: float = 0.0) -> Face:
    """A face whose eyes slope by so many degrees; the right one is on the picture's left."""
    a, at = math.radians(degrees), np.array([x, y])
    across, down = np.array([math.cos(a), math.sin(a)]), np.array([-math.sin(a), math.cos(a)])
    marks = [(-0.2, -0.1), (0.2, -0.1), (0, 0.05), (-0.15, 0.25), (0.15, 0.25)]
    points = np.array([at + side * (right * across + below * down) for right, below in marks], np.float32)
    return Face((x - side / 2, y - side / 2, x + side / 2, y + side / 2), 1.0, points)


@pytest.mark.parametrize(
    ("x", "y", "side", "degrees"),
    [(200, 150, 100, 0), (180, 140, 60, 25), (230, 160, 30, -40), (150.25, 170.5, 250, 10), (200, 150, 90, 170)],
)
def test_points_are_where_the_face_is(
    x: float, y: float, side: float, degrees: float, stand_in: FaceLandmarker
) -> None:
    """However the box lies, and however far its picture is brought down or enlarged."""
    picture = disc(x, y, side / 5)
    (action,) = stand_in.read(picture, [face_at(x + side / 12, y - side / 15, side, degrees)])
    assert action.presence > 0.9
    assert action.landmarks is not None
    ring = np.delete(action.landmarks, [13, 14, 33, 78, 263, 308, 362, 380, 373, 385, 387, *range(100, 140)], 0)
    apart = np.hypot(*(ring - (x, y)).T)
    assert np.ptp(apart) < 0.02 * side + 0.5  # all as far from the middle of what is bright
    eyes = action.landmarks[263] - action.landmarks[33]
    assert math.degrees(math.atan2(eyes[1], eyes[0])) == pytest.approx(degrees, abs=0.1)
    assert np.hypot(*eyes) / apart.mean() == pytest.approx(60 / RADIUS, rel=0.02)


def test_the_second_look_is_around_the_points_of_the_first(stand_in: FaceLandmarker) -> None:
    """A ring of 60 pixels in a square of 256 becomes, looked at again, one in a square one and a half times as wide."""
    (action,) = stand_in.read(disc(200, 150, 20), [face_at(200, 150, 100)])
    assert action.landmarks is not None
    first = 1.5 * 0.9 * 100 / 256 * RADIUS  # its radius in the picture
    second = 1.5 * 2 * first / 256 * RADIUS
    # In the stand-in a mouth that is open, the lowest point, is within the ring.
    assert np.ptp(action.landmarks[:, 0]) / 2 == pytest.approx(second, rel=0.02)


@pytest.mark.parametrize("degrees", [0, 30, -20])
def test_the_pose_is_that_of_the_head(degrees: float, stand_in: FaceLandmarker) -> None:
    """The stand-in's head is turned within its square; what turns the square is added to its tilt."""
    (action,) = stand_in.read(disc(200, 150, 30), [face_at(200, 150, 100, degrees)])
    flat = turned(roll=degrees) @ turned(yaw=20, pitch=10, roll=5)  # the picture turned clockwise after that
    assert action.pose is not None
    got = turned(**{name: action.pose[name] for name in ("yaw", "pitch", "roll")})
    assert np.allclose(got, flat, atol=1e-3)
    if not degrees:
        assert {name: round(value, 2) for name, value in action.pose.items()} == {"yaw": 20, "pitch": 10, "roll": 5}


def test_each_face_is_read_as_if_it_were_alone(stand_in: FaceLandmarker) -> None:
    picture = np.maximum(disc(100, 100, 20, 180), disc(300, 200, 30))
    faces = [face_at(100, 100, 80, 10), face_at(300, 200, 120), face_at(200, 150, 30)]
    together = stand_in.read(picture, faces)
    assert together == [stand_in.read(picture, [face])[0] for face in faces]
    one, other, nothing = together
    assert nothing == FaceAction(nothing.presence)
    assert nothing.presence < 0.5
    assert nothing.to_dict() == {
        "presence": 0.0, "pose": None, "gaze": None, "openness": None, "blendshapes": None, "landmarks": None,
    }  # fmt: skip
    assert one.blendshapes
    assert other.blendshapes
    assert list(one.blendshapes) == list(BLENDSHAPES)
    # How bright a disc is opens the mouth: by 40 pixels of the square of 256 if it is white.
    assert other.blendshapes["jawOpen"] == pytest.approx(40 / 64, abs=0.02)
    assert other.blendshapes["browDownLeft"] == pytest.approx(20 / 64, abs=0.01)
    assert one.blendshapes["jawOpen"] == pytest.approx(40 / 64 * 80 / 155, abs=0.02)
    assert other.openness is not None
    assert other.openness["mouth"] == pytest.approx(40 / 40, rel=0.03)  # as high as it is wide
    assert other.openness["left_eye"] == pytest.approx(8 / 20, rel=0.02)


def test_pictures_in_gray_are_read(stand_in: FaceLandmarker) -> None:
    colored, face = disc(200, 150, 20), face_at(200, 150, 100)
    (expected,) = stand_in.read(colored, [face])
    assert stand_in.read(np.ascontiguousarray(colored[:, :, 0]), [face]) == [expected]
    assert stand_in.read(colored[:, :, :1], [face]) == [expected]
    assert stand_in.read(colored, []) == []


def test_a_box_alone_is_enough(stand_in: FaceLandmarker) -> None:
    (action,) = stand_in.read(disc(200, 150, 20), [Face((150, 100, 250, 200), 1.0)])
    assert action.landmarks is not None
    assert action.landmarks[263][1] == pytest.approx(action.landmarks[33][1], abs=0.1)


def test_gaze_is_the_persons_own() -> None:
    """The left eye that looks outwards and the right one that looks inwards look to the left."""
    shapes = np.zeros(52, np.float32)
    for name, value in {"eyeLookOutLeft": 0.8, "eyeLookInRight": 0.6, "eyeLookDownLeft": 0.2}.items():
        shapes[BLENDSHAPES.index(name)] = value
    action = FaceAction(0.9, np.zeros((478, 2), np.float32), shapes, {"yaw": 0.0, "pitch": 0.0, "roll": 0.0})
    assert action.gaze == pytest.approx({"x": 0.7, "y": -0.1})
    assert FaceAction.from_dict(action.to_dict()) == action
    names = action.numbers()
    assert len(names) == 51 + 3 + 2 + 3
    assert {"action_jawOpen", "pose_yaw", "gaze_x", "open_mouth"} < set(names)


def test_networks_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"networks for landmarks are not installed.*mien_landmarks"):
        FaceLandmarker(folder=tmp_path)
    folder = write_networks(tmp_path / "broken")
    (folder / "mesh.onnx").write_bytes(b"no network")
    with pytest.raises(ModelError, match=r"mesh\.onnx"):
        FaceLandmarker(folder=folder)
    np.save(folder / "head.npy", np.zeros(4))
    with pytest.raises(ModelError, match=r"head\.npy has the shape"):
        FaceLandmarker(folder=folder)


@installed
def test_googles_networks_hold_only_what_is_known() -> None:
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 4e6
    for name in ("mesh.onnx", "blendshapes.onnx"):
        check_graph((FOLDER / name).read_bytes(), name)


@installed
def test_a_drawn_face_is_read_and_its_mirror_image_the_other_way_round() -> None:
    """What is seen in a mirror is the same with left and right exchanged."""
    head = cv2.copyMakeBorder(drawn_face(300), 150, 150, 100, 200, cv2.BORDER_REPLICATE)
    matrix = cv2.getRotationMatrix2D((250, 300), 12, 1)
    picture = cv2.warpAffine(head, matrix, head.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)
    landmarker, detector, found = FaceLandmarker(threads=1), FaceDetector(threads=1), []
    for shown in (picture, np.ascontiguousarray(picture[:, ::-1])):
        faces = detector.find(shown)
        found += landmarker.read(shown, faces[:1])
    one, other = found
    assert one.pose
    assert other.pose
    assert one.pose["roll"] == pytest.approx(-12, abs=4)  # getRotationMatrix2D turns against the clock
    assert other.pose["roll"] == pytest.approx(12, abs=4)
    assert one.landmarks is not None
    assert other.landmarks is not None
    mirrored = other.landmarks * (-1, 1) + (picture.shape[1] - 1, 0)
    eyes = np.hypot(*(one.landmarks[33] - one.landmarks[263]))
    assert np.hypot(*(one.landmarks[33] - mirrored[263])) < 0.1 * eyes
    assert np.hypot(*(one.landmarks[1] - mirrored[1])) < 0.1 * eyes
