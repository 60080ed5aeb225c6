"""Where the faces are: drawn ones, many, none, small ones, and real ones where there are photographs."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from face_model import drawn_face
from mien.errors import ModelError
from mien.media.images import read_picture
from mien.modalities.face import detect
from mien.modalities.face.detect import Face, FaceDetector, suppress


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    return FaceDetector(threads=1)


def test_a_drawn_face_is_found_where_it_is(detector: FaceDetector) -> None:
    picture = np.full((300, 500, 3), 90, np.uint8)
    picture[60:260, 250:450] = drawn_face(200)
    (face,) = detector.find(picture)
    assert face.box == pytest.approx((295, 97, 405, 242), abs=12)
    assert face.landmarks is not None
    assert face.landmarks.dtype == np.float32
    assert face.landmarks[:2] == pytest.approx(np.array([[326, 152], [374, 152]]), abs=8)  # its eyes, as drawn
    assert face.score > 0.9
    (gray,) = detector.find(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY))
    assert gray.box == pytest.approx(face.box, abs=12)


def test_two_hundred_faces_and_the_largest_comes_first(detector: FaceDetector) -> None:
    picture = np.tile(drawn_face(80), (10, 20, 1))
    faces = detector.find(picture)
    assert len(faces) == 200
    places = {(int(face.box[0] // 80), int(face.box[1] // 80)) for face in faces}
    assert len(places) == 200, "one in each field"
    assert [face.area for face in faces] == sorted((face.area for face in faces), reverse=True)


@pytest.mark.parametrize("shape", [(1, 1), (2, 700), (700, 2), (31, 33), (480, 640)])
def test_no_face(detector: FaceDetector, shape: tuple[int, int]) -> None:
    assert detector.find(np.full((*shape, 3), 127, np.uint8)) == []
    assert detector.find(np.zeros(shape, np.uint8)) == []


def test_far_faces_in_a_large_picture_need_the_second_look() -> None:
    room = np.full((1500, 2000, 3), (120, 140, 160), np.uint8)
    room[700:780, 1000:1080] = drawn_face(80)  # its face: about 50 pixels wide, 16 in the first look
    assert FaceDetector(closer=0, threads=1).find(room) == []
    (face,) = FaceDetector(threads=1).find(room)
    assert face.box == pytest.approx((1015, 718, 1066, 775), abs=6)


def test_boxes_that_overlap_are_one_face() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [0, 6, 10, 16], [20, 20, 30, 30], [20, 20, 30, 30]], np.float32)
    assert suppress(boxes) == [0, 2, 3]  # shares 90/110, 40/160 and 1
    assert suppress(boxes, overlap=0.2) == [0, 3]
    assert suppress(np.zeros((0, 4), np.float32)) == []


def test_boxes_are_those_of_the_package_itself(detector: FaceDetector) -> None:
    package = pytest.importorskip("retinaface")
    picture = np.full((320, 320, 3), (120, 140, 160), np.uint8)
    picture[60:260, 60:260] = drawn_face(200)
    (theirs,) = package.detect_faces(picture)
    (ours,) = FaceDetector(size=320, threads=1).find(picture)
    assert ours.score == pytest.approx(theirs.score, abs=1e-4)
    left, top, right, bottom = ours.box
    assert (left, top, right - left, bottom - top) == pytest.approx(
        (theirs.x, theirs.y, theirs.width, theirs.height), abs=1.01
    )
    assert ours.landmarks == pytest.approx(np.array([(p.x, p.y) for p in theirs.landmarks]), abs=1.01)


@pytest.mark.parametrize("harm", ["missing", "raises", "text", "garbage", "other package"])
def test_without_the_network_one_line_states_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, harm: str
) -> None:
    folder = tmp_path / "retinaface"
    folder.mkdir()
    (folder / "__init__.py").write_text("raise RuntimeError('not to be run')")
    lines = {"raises": "1 / 0", "text": "WEIGHTS = 'abc'", "garbage": "WEIGHTS = b'abc'"}
    if harm in lines:
        (folder / "weights.py").write_text(lines[harm])
    monkeypatch.setattr(detect, "NETWORK", tmp_path / "retinaface.onnx")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.delitem(sys.modules, "retinaface", raising=False)
    if harm == "missing":
        monkeypatch.setitem(sys.modules, "retinaface", None)
    detect.retinaface.cache_clear()
    try:
        with pytest.raises(ModelError, match=r"the face detector's network is missing|the network cannot be run"):
            FaceDetector(threads=1)
    finally:
        detect.retinaface.cache_clear()


@pytest.mark.skipif("MIEN_DATA" not in os.environ, reason="MIEN_DATA is not set: no photographs")
@pytest.mark.parametrize(
    ("name", "count"),
    [("skimage_astronaut.png", 1), ("max_group.jpeg", 5), ("max_non_face.jpg", 0), ("max_happy-baby.jpeg", 1),
     ("mpl_grace_hopper.jpg", 1), ("pyfeat_Image_with_alpha.png", 1), ("max_neutral.jpeg", 1),
     ("max_angry.jpg", 1)],
)  # fmt: skip
def test_photographs(detector: FaceDetector, name: str, count: int) -> None:
    assert len(detector.find(read_picture(Path(os.environ["MIEN_DATA"], "photos", name)))) == count


@pytest.mark.skipif("MIEN_DATA" not in os.environ, reason="MIEN_DATA is not set: no photographs")
def test_a_real_face_of_25_pixels(detector: FaceDetector) -> None:
    picture = read_picture(Path(os.environ["MIEN_DATA"], "photos", "skimage_astronaut.png"))
    far = cv2.resize(picture, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    room = np.full((480, 640, 3), 128, np.uint8)
    room[200 : 200 + far.shape[0], 300 : 300 + far.shape[1]] = far
    (face,) = detector.find(room)
    assert face.box == pytest.approx((344, 214, 368, 244), abs=5)


def test_a_face_says_how_large_it_is() -> None:
    assert Face((1.0, 2.0, 4.0, 10.0), 0.9).area == 24
