"""Faces of photographs are cut as the pictures are that the network learned from, worked out by hand."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from face_model import drawn_face
from mien.modalities.face.detect import Face, FaceDetector
from mien.modalities.face.preprocess import FER2013_CENTRE, FER2013_LANDMARKS, FaceSettings, align, prepare, similarity

SETTINGS = FaceSettings(size=48)


def face_at(left: float, top: float, side: float, turn: float = 0.0) -> Face:
    """A face whose training crop would be the square at (left, top) of so many pixels, turned about its middle."""
    points = np.array([*FER2013_LANDMARKS, FER2013_CENTRE]) - 0.5
    cos, sin = np.cos(turn), np.sin(turn)
    points = points @ np.array([[cos, sin], [-sin, cos]]) * side + (left + side / 2, top + side / 2) - 0.5
    x, y = points[5]
    return Face((x - 1, y - 1, x + 1, y + 1), 1.0, points[:5].astype(np.float32))


def test_a_picture_that_lies_as_the_training_pictures_do_is_cut_unchanged() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (100, 120, 3), np.uint8)
    crop = align(picture, face_at(30, 20, 48), FaceSettings(size=48, channels=3))
    assert np.abs(crop.astype(int) - picture[20:68, 30:78]).max() <= 1


@pytest.mark.parametrize("factor", [2, 3, 7, 30])
def test_a_large_face_is_averaged_down_pixel_for_pixel(factor: int) -> None:
    picture = np.random.default_rng(1).integers(0, 256, (50 * factor, 50 * factor), np.uint8)
    crop = align(picture, face_at(factor, factor, 48 * factor), SETTINGS)[:, :, 0]
    blocks = picture[factor : 49 * factor, factor : 49 * factor].reshape(48, factor, 48, factor).mean((1, 3))
    assert np.abs(crop - blocks).max() <= 1.5, "no pixel is skipped"


def test_a_turned_face_is_set_upright() -> None:
    noise = cv2.GaussianBlur(np.random.default_rng(2).integers(0, 256, (200, 200), np.uint8), (0, 0), 6)
    upright = cv2.normalize(noise, None, 0, 255, cv2.NORM_MINMAX)
    angle = np.deg2rad(25)
    matrix = cv2.getRotationMatrix2D((99.5, 99.5), -25, 1)  # OpenCV counts the other way round
    turned = cv2.warpAffine(upright, matrix, (200, 200))
    plain = align(upright, face_at(52, 52, 96), SETTINGS).astype(int)
    assert np.abs(align(turned, face_at(52, 52, 96, angle), SETTINGS) - plain).mean() < 4
    assert np.abs(align(turned, face_at(52, 52, 96), SETTINGS) - plain).mean() > 20


def test_what_lies_outside_is_filled_with_the_border() -> None:
    picture = np.full((60, 60), 50, np.uint8)
    picture[:, 0] = 200
    crop = align(picture, face_at(-24, 0, 48), SETTINGS)[:, :, 0]
    assert (crop[:, :24] == 200).all()
    assert (crop[:, 26:] == 50).all()


def test_without_landmarks_the_box_is_the_crop() -> None:
    picture = np.zeros((100, 100), np.uint8)
    picture[30:78, 20:68] = 255
    assert (align(picture, Face((20.0, 30.0, 68.0, 78.0), 1.0), SETTINGS) == 255).all()
    tall = align(
        picture, Face((32.0, 30.0, 56.0, 78.0), 1.0), SETTINGS
    )  # a square of its mean side, 36, about (44, 54)
    assert (tall == 255).all()
    wide = align(picture, Face((20.0, 30.0, 116.0, 78.0), 1.0), SETTINGS)[:, :, 0]  # 72 about (68, 54): 32 to 104
    assert (wide[10:30, :23] == 255).all()
    assert (wide[:, 26:] == 0).all()


def test_a_crop_is_never_sharper_than_the_pictures_learned_from() -> None:
    fine = np.random.default_rng(3).integers(0, 256, (96, 96), np.uint8)
    settings = FaceSettings(size=96, source=48)
    crop = align(fine, face_at(0, 0, 96), settings)
    by_hand = prepare(fine.reshape(48, 2, 48, 2).mean((1, 3)).round().astype(np.uint8), settings)
    assert crop.shape == (96, 96, 1)
    assert np.abs(crop.astype(int) - by_hand).max() <= 2


def test_a_picture_wider_than_opencv_warps() -> None:
    picture = np.zeros((60, 40_000), np.uint8)
    picture[6:54, 35_000:35_048] = 255
    far = face_at(35_000, 6, 48)
    whole = Face((35_000.0, 6.0, 35_048.0, 54.0), 1.0, far.landmarks)
    assert align(picture, whole, SETTINGS).mean() > 240


def test_similarity_by_hand() -> None:
    square = np.array([[0, 0], [1, 0], [1, 1], [0, 1.0]])
    doubled_turned = np.array([[5, 3], [5, 5], [3, 5], [3, 3.0]])  # twice as large, a quarter turn, moved by (5, 3)
    matrix = similarity(square, doubled_turned, np.ones(4))
    assert matrix == pytest.approx(np.array([[0, -2, 5], [2, 0, 3]]), abs=1e-9)
    pulled = similarity(np.array([[0.0, 0], [1, 0]]), np.array([[0.0, 0], [4, 0]]), np.array([3.0, 1.0]))
    assert pulled == pytest.approx(np.array([[4, 0, 0], [0, 4, 0]]), abs=1e-9)
    assert np.isfinite(similarity(np.zeros((3, 2)), np.ones((3, 2)), np.ones(3))).all(), "all points in one"


def test_a_found_face_has_its_eyes_where_the_training_pictures_have_them() -> None:
    picture = drawn_face(400)
    (face,) = FaceDetector(threads=1).find(picture)
    crop = align(picture, face, FaceSettings(size=192))
    (again,) = FaceDetector(threads=1).find(crop)
    assert again.landmarks is not None
    eyes = (again.landmarks[:2] + 0.5) / 192
    assert eyes == pytest.approx(np.array(FER2013_LANDMARKS[:2]), abs=0.05)
