"""Drawn people: a detector finds each, their looks differ, and the shipped model reads them as they are meant."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import mien
from draw_people import LOOKS, PEOPLE, blend, changing, group, portrait, write_moods
from mien.cli.bench import swaying
from mien.cli.demo import ASSETS
from mien.media.clips import ClipReader
from mien.media.images import read_picture
from mien.modalities.face.detect import FaceDetector


def test_a_look_halfway_is_the_mean_of_two() -> None:
    half = blend(LOOKS["neutral"], LOOKS["surprise"], 0.5)
    assert half.eye == pytest.approx((LOOKS["neutral"].eye + LOOKS["surprise"].eye) / 2)
    assert blend(LOOKS["sad"], LOOKS["happy"], 0) == LOOKS["sad"]
    assert blend(LOOKS["sad"], LOOKS["happy"], 1) == LOOKS["happy"]


@pytest.mark.parametrize("side", [96, 256])
def test_each_person_is_found_once_with_the_eyes_where_they_were_drawn(side: int) -> None:
    detector = FaceDetector(threads=1)
    for person in range(len(PEOPLE)):
        picture = portrait(LOOKS["neutral"], side, person)
        assert picture.shape == (side, side, 3)
        assert picture.dtype == np.uint8
        (face,) = detector.find(picture)
        assert face.landmarks is not None
        drawn = np.array([[0.5 - 0.105, 0.455], [0.5 + 0.105, 0.455]]) * side
        assert face.landmarks[:2] == pytest.approx(drawn, abs=0.04 * side)


def test_the_shipped_model_reads_the_looks() -> None:
    model = mien.load("face")
    meant = [(name, person) for name in LOOKS for person in range(len(PEOPLE))]
    read = [model.predict(portrait(LOOKS[name], 256, person)).label for name, person in meant]
    assert sum(label == name for label, (name, _) in zip(read, meant, strict=True)) >= 16  # of 20
    assert len(model.predict(group()).items) == 4


def test_a_face_that_changes_does_so_little_by_little(tmp_path: Path) -> None:
    frames = list(changing(("neutral", "happy"), 6, 64))
    assert len(frames) == 12
    steps = [int(np.abs(a.astype(int) - b).sum()) for a, b in pairwise(frames)]
    assert steps[:4] == [0, 0, 0, 0], "it stays for two thirds"
    assert all(steps[4:6])
    assert not any(steps[6:])
    path = write_moods(tmp_path / "a.mp4", ("neutral", "happy"), 6, 64, 6)
    with ClipReader(path) as clip:
        assert (clip.info.width, clip.info.height, clip.info.duration) == (64, 64, pytest.approx(2))
        shown = [frame.picture for frame in clip]
    assert np.abs(shown[0].astype(int) - frames[0]).mean() < 6
    assert np.abs(shown[-1].astype(int) - frames[-1]).mean() < 6


def test_what_ships_is_what_is_drawn(tmp_path: Path) -> None:
    assert np.abs(read_picture(ASSETS / "people.png").astype(int) - group()).max() <= 2
    assert [frame.shape for frame in swaying(3, 25, 160, 90)] == [(90, 160, 3)] * 3
