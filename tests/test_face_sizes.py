"""Faces of any size in pictures of any size, and which of those that are found are read."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

import mien
from conftest import RunCli
from face_model import FER, Squares, drawn_face, expected, face_model, video_model
from filmed import write_clip
from mien.errors import InputError
from mien.modalities.clip import Watch
from mien.modalities.face.choice import FaceChoice, loose_face
from mien.modalities.face.detect import Face, FaceDetector
from mien.modalities.face.predictor import FacePredictor
from mien.modalities.face.preprocess import FaceSettings, align
from mien.modalities.face.tiles import OVERLAP, TILE, WINDOW, is_whole, tiles, windows

if TYPE_CHECKING:
    from serving import Server

GROUND = (120, 140, 160)  # of drawn faces


@pytest.fixture
def detector() -> FaceDetector:
    return FaceDetector(threads=1)


def crowd(
    width: int, height: int, side: int, across: int = 6, down: int = 5
) -> tuple[np.ndarray, list[tuple[float, float]]]:
    """Drawn faces of that size in rows on a ground with a little noise, and the middle of each."""
    across, down, rng = 6, 5, np.random.default_rng(0)
    picture = np.full((height, width, 3), GROUND, np.uint8)
    places = [
        (round(width * (n + 0.37) / across), round(height * (m + 0.31) / down))
        for m in range(down)
        for n in range(across)
    ]
    for x, y in places:
        picture[y : y + side, x : x + side] = drawn_face(side)
    noisy = np.clip(picture + rng.integers(-4, 5, picture.shape, np.int16), 0, 255).astype(np.uint8)
    return noisy, [(x + side / 2, y + 0.55 * side) for x, y in places]


def matched(faces: list[Face], middles: list[tuple[float, float]], within: float) -> int:
    """How many of the places have exactly one face; every face must be at one of them."""
    counts = [0] * len(middles)
    for face in faces:
        x, y = (face.box[0] + face.box[2]) / 2, (face.box[1] + face.box[3]) / 2
        near = [number for number, (a, b) in enumerate(middles) if abs(a - x) < within and abs(b - y) < within]
        assert len(near) == 1, f"a face where none was drawn: {face.box}"
        counts[near[0]] += 1
    assert max(counts) <= 1, "one face was found twice"
    return sum(counts)


def looked(detector: FaceDetector, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Width and height of all that the network is given from now on."""
    sizes: list[tuple[int, int]] = []
    run = detector._session.run_all
    monkeypatch.setattr(detector._session, "run_all", lambda array: (sizes.append(array.shape[:1:-1]), run(array))[1])
    return sizes


# ------------------------------------------------------------------------------------------------- any size


def test_small_faces_in_a_large_picture(detector: FaceDetector, monkeypatch: pytest.MonkeyPatch) -> None:
    picture, middles = crowd(4800, 3200, 76)
    sizes = looked(detector, monkeypatch)
    faces = detector.find(picture)
    assert matched(faces, middles, 20) >= 28
    assert [face.area for face in faces] == sorted((face.area for face in faces), reverse=True)
    assert max(max(size) for size in sizes) <= 1280, "no look needs more memory than the second one"
    assert sum(width * height for width, height in sizes) < 16e6, "and all of them cost a bounded amount"
    assert FaceDetector(threads=1, far=0).find(picture) == [], "without tiles there is none"


@pytest.mark.parametrize(
    ("width", "height", "side"), [(4000, 2600, 70), (2400, 1600, 70), (1200, 900, 70), (700, 600, 70)]
)
def test_faces_are_found_again_in_an_eighth_of_the_area(
    detector: FaceDetector, width: int, height: int, side: int
) -> None:
    picture, middles = crowd(width, height, side)
    assert matched(detector.find(picture), middles, side / 3) == 30
    share = 8**-0.5
    smaller = cv2.resize(picture, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
    again = detector.find(smaller)
    places = [(x * share, y * share) for x, y in middles]
    n = matched(again, places, side * share / 2)
    print("N", n)
    assert n >= 28


def test_small_faces_beside_a_large_one(detector: FaceDetector) -> None:
    picture, middles = crowd(3000, 2000, 70)
    picture[400:1600, 1000:2200] = drawn_face(1200)
    covered = [x for x in middles if 950 < x[0] < 2250 and 350 < x[1] < 1650]
    faces = detector.find(picture)
    assert faces[0].box == pytest.approx((1270, 620, 1930, 1480), abs=90)
    small = [face for face in faces if face.area < 200**2]
    assert len(small) >= 0.8 * (30 - len(covered))


def test_a_portrait_costs_one_look_whatever_its_size(detector: FaceDetector, monkeypatch: pytest.MonkeyPatch) -> None:
    for side in (300, 512, 3000):
        picture = np.full((side, side, 3), GROUND, np.uint8)
        picture[side // 4 : side // 4 + side // 2, side // 4 : side // 4 + side // 2] = drawn_face(side // 2)
        sizes = looked(detector, monkeypatch)
        assert len(detector.find(picture)) == 1
        assert len(sizes) == 1
        monkeypatch.undo()


def test_the_eye_of_a_face_is_none(detector: FaceDetector) -> None:
    """What is found within a large face when its parts are looked at does not count."""
    picture, _ = crowd(3000, 2000, 70)
    picture[200:1900, 600:2300] = drawn_face(1700)
    head = (900, 500, 2000, 1750)
    inside = [
        face for face in detector.find(picture)
        if head[0] < face.box[0] and head[1] < face.box[1] and face.box[2] < head[2] and face.box[3] < head[3]
    ]  # fmt: skip
    assert len(inside) <= 1


def test_a_face_across_the_edges_of_tiles_is_found_once(detector: FaceDetector) -> None:
    width, height, side = 3200, 1800, 60
    scale = 1.0
    edges = sorted({part[2] for part in tiles(width, height, scale)} - {width})
    picture = np.full((height, width, 3), GROUND, np.uint8)
    middles = []
    for row, edge in enumerate(edges):
        for step in range(5):
            x, y = edge - OVERLAP + 30 * step - side // 2, 150 + 300 * step + 100 * (row % 3)
            picture[y : y + side, x : x + side] = drawn_face(side)
            middles.append((x + side / 2, y + 0.55 * side))
    assert matched(detector.find(picture), middles, side / 3) >= len(middles) - 1


def test_a_confidence_of_ones_own_holds_in_parts_too() -> None:
    picture, _ = crowd(1200, 800, 24)
    strict, usual, lax = (len(FaceDetector(threads=1, confidence=c).find(picture)) for c in (0.99, None, 0.5))
    assert strict < usual <= lax
    for confidence in (0.5, 0.99):
        assert all(face.score >= confidence for face in FaceDetector(threads=1, confidence=confidence).find(picture))
    assert len(FaceDetector(threads=1, confidence=0.0).find(drawn_face(100))) < 200, "not all places of the network"


# ------------------------------------------------------------------------------------------------- parts


@pytest.mark.parametrize("size", [(6000, 4000), (3201, 100), (900, 900), (1, 1), (10_000, 10_000)])
@pytest.mark.parametrize("scale", [1.0, 0.3, 2.0])
def test_tiles_cover_a_picture_and_overlap(size: tuple[int, int], scale: float) -> None:
    width, height = size
    parts = list(tiles(width, height, scale))
    assert all(0 <= left < right <= width and 0 <= top < bottom <= height for left, top, right, bottom in parts)
    assert all(max(part[2] - part[0], part[3] - part[1]) * scale <= TILE + 2 * scale + 1 for part in parts)
    for axis, length in ((0, width), (1, height)):
        spans = sorted({(part[axis], part[axis + 2]) for part in parts})
        assert spans[0][0] == 0
        assert spans[-1][1] == length
        for (_, end), (start, _) in itertools.pairwise(spans):
            assert (end - start) * scale >= OVERLAP - 2 * scale


def test_every_small_face_is_whole_in_a_tile() -> None:
    width, height, scale, side = 5000, 3000, 0.6, 150  # 90 pixels, as it is looked at
    parts = list(tiles(width, height, scale))
    rng = np.random.default_rng(1)
    for x, y in zip(rng.uniform(0, width - side, 300), rng.uniform(0, height - side, 300), strict=True):
        assert any(is_whole((x, y, x + side, y + side), part, scale, width, height) and part[0] <= x < part[2]
                   and part[1] <= y < part[3] for part in parts)  # fmt: skip


def test_what_an_edge_cuts_off_or_is_too_large_is_not_whole() -> None:
    part = (100, 100, 500, 500)
    assert is_whole((200, 200, 300, 300), part, 1.0, 1000, 1000)
    assert not is_whole((102, 200, 180, 300), part, 1.0, 1000, 1000)
    assert not is_whole((440, 200, 497, 300), part, 1.0, 1000, 1000)
    assert not is_whole((200, 200, 330, 330), part, 1.0, 1000, 1000)
    assert is_whole((-5, -5, 60, 60), (0, 0, 500, 500), 1.0, 1000, 1000), "the picture's own edge cuts nothing off"


def test_windows_are_few_and_around_what_is_faint() -> None:
    boxes = [(x, y, x + 10.0, y + 12.0) for y in range(0, 2000, 100) for x in range(0, 2000, 100)]
    found = list(windows(boxes, 2000, 2000, 1.0, 2.0))
    assert len(found) == 64
    for (left, top, right, bottom), scale in found:
        assert scale == 2.0
        assert max(right - left, bottom - top) * scale <= WINDOW
    near = [(500.0, 500.0, 510.0, 510.0), (520.0, 505.0, 530.0, 515.0)]
    assert len(list(windows(near, 2000, 2000, 1.0, 2.0))) == 1, "the second is in the window of the first"


# ------------------------------------------------------------------------------------------------- which are read


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return face_model(tmp_path_factory.mktemp("face") / "model")


@pytest.fixture
def model(folder: Path) -> FacePredictor:
    loaded = mien.load(folder, threads=1)
    assert isinstance(loaded, FacePredictor)
    vars(loaded)["detector"] = Squares()
    return loaded


def squares() -> np.ndarray:
    """Of 60, 40 and 20 pixels, from light to dark."""
    picture = np.full((100, 300), 5, np.uint8)
    for x, side, level in ((10, 60, 255), (110, 40, 128), (210, 20, 40)):
        picture[10 : 10 + side, x : x + side] = level
    return picture


@pytest.mark.parametrize(
    ("options", "labels", "notes"),
    [
        ({}, [6, 3, 1], []),
        ({"min_face": 40}, [6, 3], ["faces: 1 smaller than 40 pixels was left out"]),
        ({"min_face": 40.5}, [6], ["faces: 2 smaller than 40.5 pixels were left out"]),
        ({"max_faces": 2}, [6, 3], ["faces: 1 besides the 2 largest was left out"]),
        ({"max_faces": 1}, [6], ["faces: 2 besides the largest were left out"]),
        (
            {"min_face": 30, "max_faces": 1}, [6],
            ["faces: 1 smaller than 30 pixels was left out", "faces: 1 besides the largest was left out"],
        ),
        ({"min_face": 1, "max_faces": 3}, [6, 3, 1], []),
    ],
)  # fmt: skip
def test_which_faces_are_read(
    model: FacePredictor, options: dict[str, Any], labels: list[int], notes: list[str]
) -> None:
    for result in (model.predict(squares(), **options), model.counting_faces(**options).predict(squares())):
        assert [item.label for item in result.items] == [FER[label] for label in labels]
        assert list(result.notes) == notes
        assert result.to_dict().get("notes", []) == notes


def test_the_confidence_is_the_detectors(folder: Path) -> None:
    model, picture = mien.load(folder, threads=1), np.full((300, 300, 3), 90, np.uint8)
    picture[60:260, 60:260] = drawn_face(200)
    (face,) = model.predict(picture).items
    score = FaceDetector(threads=1).find(picture)[0].score
    assert face.box is not None
    assert model.predict(picture, confidence=score - 1e-4).items == (face,)
    assert model.predict(picture, confidence=min(1.0, score + 1e-4)).items == ()
    assert model.predict(picture).items == (face,), "only where it is asked for"


@pytest.mark.parametrize(
    "options",
    [
        {"min_face": 0}, {"min_face": float("nan")}, {"min_face": float("inf")}, {"max_faces": 0}, {"max_faces": 1.5},
        {"confidence": -0.1}, {"confidence": 1.1}, {"confidence": float("nan")},
    ],
)  # fmt: skip
def test_what_is_out_of_range_is_refused_before_anything_is_read(model: FacePredictor, options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=f"^{next(iter(options))} must be "):
        next(iter(model.predict_many(iter(()), **options)), None)
    with pytest.raises(InputError, match="must be"):
        model.counting_faces(**options)


def test_ready_crops_are_not_chosen_from(model: FacePredictor) -> None:
    with pytest.raises(InputError, match="a ready crop is one face"):
        model.predict(squares(), crops=True, min_face=3)


# ------------------------------------------------------------------------------------------------- ready crops


def test_a_loose_crop_is_read_as_the_face_in_it(folder: Path) -> None:
    model: Any = mien.load(folder, threads=1)
    picture = np.full((300, 300, 3), 250, np.uint8)
    picture[80:220, 90:230] = drawn_face(140)
    (face,) = model.detector.find(picture)
    crop = align(picture, face, model.settings)
    read = model.predict(picture, crops=True)
    assert read.items[0].box == (0, 0, 300, 300)
    assert list(read.items[0].scores.values()) == pytest.approx(expected(crop.mean() / 255), abs=0.01)
    assert model.predict_proba([picture])[0] == pytest.approx(expected(picture.mean() / 255), abs=0.02)


@pytest.mark.parametrize("side", [20, 48])
def test_crops_as_small_as_those_of_fer2013_are_taken_as_they_are(model: FacePredictor, side: int) -> None:
    crop = cv2.resize(drawn_face(100), (side, side), interpolation=cv2.INTER_AREA)
    read = model.predict(crop, crops=True).items[0]
    assert np.array_equal(np.array(list(read.scores.values()), np.float32), model.predict_proba([crop])[0])
    assert not vars(model)["detector"].looks


def test_crops_with_no_face_two_or_a_small_one_are_taken_as_they_are(detector: FaceDetector) -> None:
    settings = FaceSettings()
    loose = np.full((300, 300, 3), GROUND, np.uint8)
    loose[80:220, 80:220] = drawn_face(140)
    assert loose_face(loose, detector, settings) is not None
    assert loose_face(np.full((300, 300, 3), 90, np.uint8), detector, settings) is None
    assert loose_face(np.hstack([loose, loose]), detector, settings) is None
    small = np.full((600, 600, 3), GROUND, np.uint8)
    small[100:160, 100:160] = drawn_face(60)
    assert loose_face(small, detector, settings) is None
    (face,) = detector.find(loose)
    tight = align(loose, face, FaceSettings(size=192, channels=3))
    assert len(detector.find(tight)) == 1
    assert loose_face(tight, detector, settings) is None


# ------------------------------------------------------------------------------------------------- clips


def test_a_clip_counts_what_it_leaves_out(tmp_path: Path) -> None:
    def frame() -> np.ndarray:
        picture = np.zeros((96, 192, 3), np.uint8)
        picture[16:80, 16:80], picture[16:48, 112:144] = 240, 60
        return picture

    model: Any = mien.load(video_model(tmp_path / "model", smooth=0), threads=1)
    vars(model)["detector"] = Squares(above=30)
    clip = write_clip(tmp_path / "clip.mp4", [frame() for _ in range(10)], fps=5)
    both = model.predict(clip)
    assert (len(both.people), len(both.timeline), both.notes) == (2, 20, ())
    for options, note in (
        ({"min_face": 50}, "faces: 10 smaller than 50 pixels were left out, over all frames"),
        ({"max_faces": 1}, "faces: 10 besides the largest were left out, over all frames"),
    ):
        for found in (model.predict(clip, **options), model.counting_faces(**options).predict(clip)):
            assert len(found.people) == 1
            assert {moment.prediction.label for moment in found.timeline} == {FER[6]}
            assert found.notes == (note,)
    with pytest.raises(InputError, match="max_faces must be"):
        model.predict(clip, max_faces=0)


def test_frames_cost_no_more_than_two_looks(monkeypatch: pytest.MonkeyPatch, detector: FaceDetector) -> None:
    picture, _ = crowd(2400, 1600, 50)
    sizes, watch = looked(detector, monkeypatch), Watch(detector, FaceChoice(confidence=0.5))
    watch.find(0.0, picture)
    assert len(sizes) <= 2
    watch.find(0.2, picture)
    assert len(sizes) <= 3
    assert max(max(size) for size in sizes) <= 1280


# ------------------------------------------------------------------------------------------------- from outside


def test_the_command_line(run_cli: RunCli, folder: Path, tmp_path: Path) -> None:
    picture = np.full((300, 500, 3), GROUND, np.uint8)
    picture[40:240, 20:220], picture[80:200, 300:420] = drawn_face(200), drawn_face(120)
    path = tmp_path / "two.png"
    cv2.imwrite(str(path), picture[:, :, ::-1])
    both = json.loads(run_cli("predict", path, "--model", folder, "--json").stdout)["results"][0]
    one = run_cli("predict", path, "--model", folder, "--json", "--max-faces", 1)
    result = json.loads(one.stdout)["results"][0]
    assert result["items"] == both["items"][:1]
    assert result["notes"] == ["faces: 1 besides the largest was left out"]
    assert "mien: two.png: faces: 1 besides the largest was left out" in one.stderr.replace(f"{tmp_path}/", "")
    small = json.loads(run_cli("predict", path, "--model", folder, "--json", "--min-face", 90).stdout)["results"][0]
    assert small["items"] == both["items"][:1]
    sure = run_cli("predict", path, "--model", folder, "--json", "--confidence", 1)
    assert json.loads(sure.stdout)["results"][0]["items"] == []
    table = run_cli("predict", path, "--model", folder, "--out", "faces.csv", "--min-face", 90, cwd=tmp_path)
    assert table.returncode == 0
    assert len((tmp_path / "faces.csv").read_text().splitlines()) == 2


@pytest.mark.parametrize(
    "options",
    [
        ("--min-face", "0"), ("--min-face", "x"), ("--max-faces", "0"), ("--confidence", "1.5"),
        ("--confidence", "nan"), ("--max-faces", "1", "--crops"),
    ],
)  # fmt: skip
def test_wrong_options_are_errors_of_usage(run_cli: RunCli, tmp_path: Path, options: tuple[str, ...]) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), drawn_face())
    done = run_cli("predict", "a.png", *options, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert options[0] in done.stderr


def test_texts_have_no_faces(run_cli: RunCli) -> None:
    done = run_cli("predict", "i am glad", "--min-face", 20)
    assert done.returncode == 2
    assert "--min-face is for faces in pictures and clips" in done.stderr


def test_the_server(server: Server) -> None:
    picture = np.full((300, 500, 3), GROUND, np.uint8)
    picture[40:240, 20:220], picture[80:200, 300:420] = drawn_face(200), drawn_face(120)
    photo = cv2.imencode(".png", picture[:, :, ::-1])[1].tobytes()

    def post(*fields: tuple[str, str]) -> Any:
        return server.upload("/v1/face", [("a.png", photo)], fields)

    both = post().json()["results"][0]["items"]
    assert len(both) == 2
    one = post(("max_faces", "1")).json()["results"][0]
    assert (one["items"], one["notes"]) == (both[:1], ["faces: 1 besides the largest was left out"])
    assert post(("min_face", "90")).json()["results"][0]["items"] == both[:1]
    assert post(("confidence", "1")).json()["results"][0]["items"] == []
    assert post(("confidence", "2")).problem(422) == "confidence must be a number from 0 to 1, not 2"
    assert post(("max_faces", "many")).problem(422) == "max_faces must be a number, not 'many'"
    assert "max_faces must be a whole number" in post(("max_faces", "nan")).problem(422)
    assert "finds no faces" in server.post("/v1/text", {"inputs": ["i am glad"], "min_face": 3}).problem(422)
    assert "min_face must be a number, not a string" in server.post(
        "/v1/face", {"inputs": ["eA=="], "min_face": "3"}
    ).problem(422)
    assert post().json()["results"][0]["items"] == both
