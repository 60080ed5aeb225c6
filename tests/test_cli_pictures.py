"""``mien predict`` on pictures and folders of them, from end to end; its answers are held against the API's."""

from __future__ import annotations

import base64
import csv
import json
import re
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow.parquet
import pytest

import mien
from browser import needs_chromium
from conftest import RunCli, one_line
from face_model import drawn_face, face_model
from mien.cli import predict as cli_predict
from mien.errors import MienError
from mien.modalities.face import predictor
from result_pages import opened, read_page

COLUMNS = ["file", "face", "label", "emoji", "score", "labels", "left", "top", "right", "bottom", "error"]


@pytest.fixture(scope="module")
def face(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return face_model(tmp_path_factory.mktemp("face") / "model")


def put(path: Path, picture: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), picture[:, :, ::-1])
    return path


def two() -> np.ndarray:
    picture = np.full((300, 500, 3), (120, 140, 160), np.uint8)
    picture[40:240, 20:220] = drawn_face(200)
    picture[80:230, 300:450] = drawn_face(150) // 2
    return picture


@pytest.fixture
def album(tmp_path: Path) -> Path:
    """Two faces, none, a damaged file and one that is no picture; in an order that sorting has to make."""
    folder = tmp_path / "album"
    put(folder / "b" / "two.png", two())
    put(folder / "a empty.png", np.full((80, 90, 3), 127, np.uint8))
    whole = put(folder / "z.jpg", two()).read_bytes()
    (folder / "c.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "notes.txt").write_text("no picture")
    (folder / ".hidden.png").write_bytes(b"x")
    return folder


ORDER = ["a empty.png", "b/two.png", "c.jpg", "z.jpg"]


def test_a_folder_as_json_is_what_the_api_gives(run_cli: RunCli, face: Path, album: Path) -> None:
    done = run_cli("predict", "album", "--model", face, "--json", env={"MIEN_THREADS": "1"})
    assert "1 of 4 inputs could not be read" in one_line(done)
    assert "c.jpg" in done.stderr
    document = json.loads(done.stdout, parse_constant=pytest.fail)
    assert [row["input"] for row in document["results"]] == [f"album/{name}" for name in ORDER]
    assert [len(row["items"]) for row in document["results"]] == [0, 2, 0, 2]
    expected = mien.load(face, threads=1).predict(album / "b/two.png").to_dict()
    assert document["results"][1] == expected | {"input": "album/b/two.png"}
    assert document["results"][1]["items"][0]["box"][0] < 200 < document["results"][1]["items"][1]["box"][0]


def test_people_see_one_row_per_face(run_cli: RunCli, face: Path, album: Path) -> None:
    done = run_cli("predict", "album/b/two.png", "album/a empty.png", "--model", face)
    assert done.returncode == 0, done.stderr
    rows = done.stdout.splitlines()
    faces = [row for row in rows if re.search(r"\d+,\d+ – \d+,\d+", row)]
    assert len(faces) == 2
    assert "two.png" in faces[0]
    assert "two.png" not in faces[1]
    assert all("%" in row for row in faces)
    assert any("no face" in row for row in rows)
    assert "2 faces" in done.stdout
    none = run_cli("predict", "album/a empty.png", "--model", face).stdout.splitlines()
    assert none[0].split() == ["picture", "face", "label", "box"], "as where faces are found"
    assert none[0].index("label") == none[1].index("no face")
    unread = run_cli("predict", "album", "--model", face)
    assert unread.returncode == 1
    assert "unreadable" in unread.stdout
    assert "Traceback" not in unread.stderr


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_table_has_one_row_per_face(run_cli: RunCli, face: Path, album: Path, tmp_path: Path, suffix: str) -> None:
    done = run_cli("predict", "album", "--model", face, "--out", f"o.{suffix}", "--scores")
    assert done.returncode == 0, done.stderr
    assert "mien: album/c.jpg" in done.stderr, "what could not be read is named"
    assert "1 of 4 pictures could not be read" in done.stderr
    if suffix == "csv":
        with (tmp_path / "o.csv").open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    else:
        table = pyarrow.parquet.read_table(tmp_path / "o.parquet").to_pylist()
        rows = [{name: "" if cell is None else str(cell) for name, cell in row.items()} for row in table]
    assert list(rows[1])[: len(COLUMNS)] == COLUMNS
    assert [row["file"] for row in rows] == [f"album/{ORDER[i]}" for i in (0, 1, 1, 2, 3, 3)]
    assert [row["face"].removesuffix(".0") for row in rows] == ["", "1", "2", "", "1", "2"]
    assert [bool(row["error"]) for row in rows] == [False, False, False, True, False, False]
    first = mien.load(face, threads=1).predict(album / "b/two.png").items[0]
    assert first.box is not None
    assert [float(rows[1][name]) for name in ("left", "top", "right", "bottom")] == pytest.approx(first.box, abs=0.06)
    assert (rows[1]["label"], rows[1]["emoji"]) == (first.label, first.emoji)
    assert float(rows[1]["score"]) == pytest.approx(first.score, abs=2e-6)
    assert float(rows[1][f"score_{first.label}"]) == float(rows[1]["score"])
    assert {path.name for path in tmp_path.iterdir()} == {"album", f"o.{suffix}"}


def test_each_picture_that_cannot_be_read_is_named_once_and_at_once(
    run_cli: RunCli, face: Path, album: Path, tmp_path: Path
) -> None:
    for number in range(30):
        (tmp_path / f"{number:02}.png").write_bytes(b"no picture")
    names = [f"{number:02}.png" for number in range(30)]
    done = run_cli("predict", *names, "album/a empty.png", "--model", face, "--out", "o.csv")
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    assert [line.split()[1] for line in lines if line.startswith("mien: ")] == names
    assert lines[0].startswith("mien: 00.png"), "before all that is said at the end"


def test_jsonl_is_what_the_api_gives(run_cli: RunCli, face: Path, album: Path, tmp_path: Path) -> None:
    args = ("predict", "album", "--model", face, "--out", "o.jsonl")
    assert run_cli(*args).returncode == 0
    whole = (tmp_path / "o.jsonl").read_text("utf-8")
    rows = [json.loads(line) for line in whole.splitlines()]
    assert [len(row["items"]) for row in rows] == [0, 2, 0, 2]
    expected = mien.load(face, threads=1).predict(album / "b/two.png").to_dict()
    assert rows[1] == expected | {"input": "album/b/two.png"}


def test_a_stopped_folder_is_gone_on_with(face: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [str(put(tmp_path / "many" / f"{number:03}.png", np.zeros((2, 2, 3), np.uint8))) for number in range(70)]
    out, read = tmp_path / "o.csv", predictor.read_picture
    seen: list[str] = []

    def until_stopped(source: str, *more: Any, **options: Any) -> np.ndarray:
        seen.append(source)
        if len(seen) == 68:
            raise KeyboardInterrupt
        return read(source, *more, **options)

    monkeypatch.setattr(predictor, "read_picture", until_stopped)
    with pytest.raises(MienError, match=r"the 64 rows done are kept in .*o\.csv\.part$"):
        cli_predict.predict([str(tmp_path / "many")], model=str(face), out=out, crops=True)
    assert not out.exists()
    seen[:] = ["again"] * 100
    cli_predict.predict([str(tmp_path / "many")], model=str(face), out=out, crops=True)
    assert seen[100:] == names[64:], "what was done is not done again"
    with out.open(newline="", encoding="utf-8") as file:
        assert [row["file"] for row in csv.DictReader(file)] == names


def test_a_page_stands_alone(run_cli: RunCli, face: Path, album: Path, tmp_path: Path) -> None:
    put(album / "<b>&.png", two())
    done = run_cli("predict", "album", "--model", face, "--out", "o.html")
    assert done.returncode == 0, done.stderr
    about, results = read_page(tmp_path / "o.html")
    assert "album/<b>&.png" in [result["input"] for result in results]
    assert "<b>&.png" not in (tmp_path / "o.html").read_text("utf-8")
    assert sum(len(result["items"]) for result in results) == 6
    assert about["title"] == "6 faces in 5 pictures, 1 could not be read"
    (error,) = filter(None, (result["error"] for result in results))
    assert "c.jpg is damaged or cut off" in error
    pictures = [result["picture"] for result in results if not result["error"]]
    assert len(pictures) == 4
    jpeg = base64.b64decode(pictures[0]["src"].removeprefix("data:image/jpeg;base64,"))
    shown = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert shown.shape == (300, 500, 3)
    assert pictures[0]["size"] == [500, 300]


@needs_chromium
def test_a_browser_shows_the_faces(run_cli: RunCli, face: Path, album: Path, tmp_path: Path) -> None:
    assert run_cli("predict", "album", "--model", face, "--out", "o.html").returncode == 0
    with opened(tmp_path / "o.html", width=390) as page:
        assert page.locator("article").count() == 4
        page.locator("article .box").nth(3).wait_for()
        assert page.locator(".box").count() == page.locator(".person").count()
        frame, box = (page.locator(part).first.bounding_box() for part in (".frame:has(.box)", ".box"))
        assert frame
        assert box
        assert 0.04 < (box["x"] - frame["x"]) / frame["width"] < 0.44
        assert "could not be read" in page.locator("h1").inner_text()


@pytest.mark.parametrize("suffix", ["jpg", "png", "JPEG"])
def test_a_picture_with_its_faces_marked(run_cli: RunCli, face: Path, album: Path, tmp_path: Path, suffix: str) -> None:
    done = run_cli("predict", "album/b/two.png", "--model", face, "--out", f"o.{suffix}")
    assert done.returncode == 0, done.stderr
    drawn = cv2.imread(str(tmp_path / f"o.{suffix}"))[:, :, ::-1].astype(int)
    before = cv2.resize(two(), (640, 384), interpolation=cv2.INTER_CUBIC).astype(int)
    assert drawn.shape == before.shape, "enlarged so that words can be read"
    changed = np.abs(drawn - before).max(axis=2) > 60
    assert changed.sum() > 1500
    item = mien.load(face, threads=1).predict(album / "b/two.png").items[0]
    assert item.box is not None
    color = item.space[item.label].color
    left, middle = round(item.box[0] * 1.28), round((item.box[1] + item.box[3]) / 2 * 1.28)
    near = drawn[middle, left - 2 : left + 3]
    assert np.abs(near - [int(color[i : i + 2], 16) for i in (1, 3, 5)]).max(axis=1).min() < 25


def test_crops_and_another_head(run_cli: RunCli, face: Path, tmp_path: Path) -> None:
    put(tmp_path / "white.png", np.full((20, 30, 3), 255, np.uint8))
    args = ("predict", "white.png", "--model", face, "--crops", "--json")
    (row,) = json.loads(run_cli(*args).stdout)["results"]
    assert (row["label"], row["items"][0]["box"]) == ("neutral", [0, 0, 30, 20])
    (row,) = json.loads(run_cli(*args, "--labels", "ferplus8").stdout)["results"]
    assert row["label"] == "contempt", "the network's own answer"
    (row,) = json.loads(run_cli(*args, "--labels", "ekman7").stdout)["results"]
    assert set(row["items"][0]["scores"]) == set(mien.SPACES["ekman7"].names)


def test_any_file_is_a_picture_where_told_so(run_cli: RunCli, face: Path, album: Path, tmp_path: Path) -> None:
    shutil.copy(album / "b/two.png", tmp_path / "photo.bin")
    done = run_cli("predict", "photo.bin", "--as", "face", "--model", face, "--json")
    assert len(json.loads(done.stdout)["results"][0]["items"]) == 2


def test_pictures_that_are_not_read(run_cli: RunCli, face: Path, tmp_path: Path) -> None:
    put(tmp_path / "large.png", np.zeros((50, 60, 3), np.uint8))
    put(tmp_path / "dot.png", np.zeros((1, 1, 3), np.uint8))
    (tmp_path / "text.jpg").write_text("hello")
    (tmp_path / "empty.png").touch()
    done = run_cli(
        *("predict", "large.png", "dot.png", "text.jpg", "empty.png", "none.jpg", "--model", face, "--json"),
        env={"MIEN_MAX_PIXELS": "2999"},
    )
    assert "4 of 5 inputs could not be read: large.png has 60 x 50 pixels" in one_line(done)
    errors = [row["error"] for row in json.loads(done.stdout)["results"]]
    assert [error is None for error in errors] == [False, True, False, False, False]
    assert all(name in error for name, error in zip(("text.jpg", "empty.png", "none.jpg"), errors[2:], strict=True))


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["photo.png", "i am glad"], 1, "photo.png is a picture or a folder of them and 'i am glad' is not"),
        (["photo.png", "--model", "TEXT"], 1, "photo.png is a picture; the model"),
        (["i am glad", "--as", "text", "--model", "FACE"], 1, "the model bright reads face, not text"),
        (["bare", "--model", "FACE"], 1, "bare is a folder without pictures"),
        (["bare"], 1, "bare is a folder without pictures"),
        (["photo.png", "photo.png", "--model", "FACE", "--out", "o.png"], 1, "o.png holds one picture, and 2 are"),
        (["i am glad", "--model", "TEXT", "--out", "o.png"], 1, "o.png: the ending says the format"),
        (["photo.png", "--model", "FACE", "--labels", "emotic26"], 1, "--labels emotic26: there is no map"),
        (["photo.png", "--model", "FACE", "--out", "no/o.jpg"], 1, "the folder no does not exist"),
        (["i am glad", "--crops"], 2, "--crops is for pictures"),
        (["photo.png", "--as", "smell"], 2, "there are: text, face"),
    ],
)
def test_what_can_be_wrong(
    run_cli: RunCli, face: Path, tiny_model: Path, tmp_path: Path, args: list[str], code: int, message: str
) -> None:
    put(tmp_path / "photo.png", drawn_face())
    (tmp_path / "bare").mkdir()
    models = {"FACE": face, "TEXT": tiny_model}
    done = run_cli("predict", *[models.get(part, part) for part in args])
    assert done.returncode == code
    assert message in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
