"""Where the words go on a marked picture: beside the faces, and over them only where nothing else is left."""

from __future__ import annotations

import numpy as np
import pytest

from mien.labels import SPACES
from mien.output.draw import annotate, panel
from mien.results import Prediction, Result

ROWS = [("happy 84%", 0.84, (250, 180, 30)), ("neutral 9%", 0.09, (150, 150, 150)), ("sad 2%", 0.02, (60, 100, 200))]


def put(box: tuple[float, ...], *others: tuple[float, ...], shape: tuple[int, int] = (600, 800)) -> tuple[int, ...]:
    return panel(np.zeros((*shape, 3), np.uint8), box, ROWS, 1.0, bars=True, taken=[box, *others])


def test_below_if_there_is_room_else_above_else_at_a_side() -> None:
    left, top, right, bottom = put((300, 100, 400, 250))
    assert top == 255
    assert (left + right) / 2 == pytest.approx(350, abs=1)
    tall = bottom - top
    assert put((300, 460, 400, 590))[3] == 455
    left, top, _, bottom = put((300, 20, 400, 580))
    assert left == 405
    assert (top + bottom) / 2 == pytest.approx(300, abs=1)
    assert put((600, 20, 790, 580))[2] == 595
    assert put((0, 100, 40, 250))[0] == 0, "no part is outside"
    assert put((300, 200, 400, 350), (310, 360, 390, 460))[3] == 195, "another face is below"
    assert tall == 109


def test_where_there_is_no_room_the_first_row_alone_is_written() -> None:
    _, top, _, bottom = put((60, 20, 740, 580))
    assert bottom - top == 29
    assert top > 500
    assert put((0, 0, 790, 560))[1] == 565, "it fits below"
    assert put((0, 0, 20, 18), shape=(20, 20))[2:] == (20, 20), "a stamp"


def test_a_row_of_faces_stays_in_sight() -> None:
    space, picture = SPACES["fer7"], np.full((270, 1024, 3), 128, np.uint8)
    scores = {name: 0.7 if name == "happy" else 0.05 for name in space.names}
    boxes = [(256.0 * k + 70, 50.0, 256.0 * k + 190, 220.0) for k in range(4)]
    items = tuple(Prediction(scores, space, box=box) for box in boxes)
    marked = annotate(picture, Result("a.png", "face", "m", items))
    assert marked.shape == picture.shape
    for left, top, right, bottom in np.array(boxes, int):
        np.testing.assert_array_equal(marked[top + 8 : bottom - 8, left + 8 : right - 8], 128)
    assert (marked[224:] != 128).any()
