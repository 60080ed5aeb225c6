"""Frames of OpenCV, blue first: turned by ``mien.bgr``, and warned of where they were not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

import mien
from conftest import cli_env
from face_model import drawn_face, face_model
from mien.errors import InputError


def test_a_frame_is_what_the_file_is(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    path = str(tmp_path / "a.png")
    cv2.imwrite(path, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    frame = cv2.imread(path)
    np.testing.assert_array_equal(mien.bgr(frame), picture)
    assert mien.bgr(frame).flags.c_contiguous
    before = frame.copy()
    mien.bgr(frame)[:] = 0
    np.testing.assert_array_equal(frame, before)
    alpha = np.dstack([frame, np.full((20, 30), 7, np.uint8)])
    np.testing.assert_array_equal(mien.bgr(alpha), np.dstack([picture, alpha[..., 3]]))
    for gray in (frame[..., 0], frame[..., :1]):
        np.testing.assert_array_equal(mien.bgr(gray), gray)


@pytest.mark.parametrize(
    ("frame", "why"),
    [
        (None, "OpenCV gives None"),
        ("a.png", "not str"),
        (np.zeros((4, 4, 3)), "uint8"),
        (np.zeros((4, 4, 2), np.uint8), r"\(4, 4, 2\)"),
        (np.zeros((0, 4, 3), np.uint8), "no pixels"),
    ],
    ids=str,
)
def test_what_is_no_frame(frame: object, why: str) -> None:
    with pytest.raises(InputError, match=why):
        mien.bgr(frame)  # type: ignore[arg-type]


_CHILD = """
import sys, warnings
import numpy as np
import mien
pictures = np.load(sys.argv[2])
if "bgr" in sys.argv:
    pictures = [mien.bgr(picture) for picture in pictures]
model = mien.load(sys.argv[1])
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    for _ in range(3):
        counts = [len(result.items) for result in model.predict_many(pictures)]
print(counts, [(str(one.message), one.category.__name__) for one in caught])
if "error" in sys.argv:
    from mien.modalities.face import channels
    channels._left[0] = 8
    warnings.simplefilter("error")
    try:
        list(model.predict_many(pictures))
    except UserWarning:
        print("raised")
"""


def _said(tmp_path: Path, pictures: list[np.ndarray], *how: str) -> str:
    face_model(tmp_path / "model")
    np.save(tmp_path / "pictures.npy", np.stack(pictures))
    command = [sys.executable, "-c", _CHILD, str(tmp_path / "model"), str(tmp_path / "pictures.npy"), *how]
    done = subprocess.run(command, capture_output=True, text=True, env=cli_env(), check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_arrays_with_red_and_blue_swapped_are_warned_of_once(tmp_path: Path) -> None:
    swapped = [np.ascontiguousarray(drawn_face(160)[..., ::-1])] * 3
    said = _said(tmp_path, swapped)
    assert said.count("mien.bgr(frame)") == 1
    assert said.count("'UserWarning'") == 1
    assert "raised" in _said(tmp_path, swapped, "error")
    assert "[1, 1, 1] []" in _said(tmp_path, swapped, "bgr")


def test_other_arrays_are_not_warned_of(tmp_path: Path) -> None:
    blank, gray = np.full((160, 160, 3), 90, np.uint8), np.repeat(drawn_face(160)[..., :1], 3, axis=2)
    assert "] []" in _said(tmp_path, [drawn_face(160), blank, gray])


def test_a_face_that_is_found_only_after_swapping(monkeypatch: pytest.MonkeyPatch) -> None:
    from mien.modalities.face import channels
    from mien.modalities.face.detect import Face

    class RedAlone:
        """Finds a face wherever it is red at the left end."""

        def find(self, picture: np.ndarray) -> list[Face]:
            return [Face((0, 0, 4, 4), 1.0)] if picture[0, 0, 0] > 200 else []

    picture = np.zeros((8, 8, 3), np.uint8)
    picture[..., 2] = 255
    monkeypatch.setattr(channels, "_left", [2])
    with pytest.warns(UserWarning, match="0 faces were found, and 1 with red and blue swapped"):
        channels.warn_of_bgr(picture, [], RedAlone())  # type: ignore[arg-type]
    channels.warn_of_bgr(picture, [], RedAlone())  # type: ignore[arg-type]
