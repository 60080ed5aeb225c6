"""What an input is taken for: a path that is not there, an address or a folder is never rated as a text."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image

import mien
from conftest import RunCli
from face_model import drawn_face, face_model, video_model
from filmed import write_clip
from mien.cli.app import main
from mien.errors import InputError, MienError
from mien.sklearn import EmotionClassifier

Cli = Callable[..., tuple[int, str, str]]

#: Taken for a path or an address, and nothing of that name is there.
PATHS = [
    *("holliday/", "IMG_1.HEIC", "IMG_1.MOV", "nofile.xlsx", "none.csv", "x.csv.gz", "song.mp3", "a.pdf", "a/b.txt"),
    *(
        "C:\\pics\\a.jpg",
        "C:/pics",
        "pics\\a.jpg",
        "\\\\server\\share",
        "pics/cats",
        "src/mien",
        "in/out",
        "./x",
        "~/pics",
    ),
    *("https://youtu.be/abc", "https:/youtu.be/abc", "http://localhost:8000/a.jpg", "rtsp://cam/1", "s3://bucket/key"),
    *("www.example.com", "data:image/png;base64,AAAA", "/9j/4AAQSkZJRgABAQ", "file:///etc/nothing", "photos/2024"),
    *("2024/05", "*.heic", "pics/*", "'a.heic'", " IMG_1.HEIC ", "README.markdown/", "talk.srt", "book.json"),
    *("a.heic b.heic", "https://t.co/a https://t.co/b", "a.heic\nb.heic", "./my photos/", "C:\\Users\\Max M\\a.heic"),
]
#: What people write; the second sign of a text is a space, a sentence, or a form that is no path.
TEXTS = [
    *("and/or", "he/she", "S/he", "she/her/hers", "yes/no", "w/o", "n/a", "N/A", "b/c", "I/O", "AC/DC", "km/h"),
    *("10/10", "10/10.", "10/10!", "9/11", "24/7", "4.5/5", "8,5/10", "12/24/2024", "10/10❤️", "good/bad!", "mom/dad?"),
    *(":/", ":-/", ">:/", ":\\", "ugh:/", "o/", "\\o/", "¯\\_(ツ)_/¯", "/s", "[b]sad[/b]", "<b>sad</b>", "<br/>"),
    *(
        "e.g.",
        "v2.0",
        "Mr.Smith",
        "node.js",
        "booking.com",
        "3.14",
        "ok...great",
        "great.",
        "@user",
        "#tag",
        "😭",
        "joy",
    ),
    *("what a day...", "I love it.", "visit https://x.y, it is great!", "https://x.y is great", "he/she is great"),
    *("I give it 10/10", "w/o a doubt", "see a/b.txt and c/d.txt please", "my photos/ are gone", "/s but really"),
    *("C:\\ is full", "line one\nline two", "wow (see a/b)", "look at photo.jpg"),
]


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """The command line in this process: exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)

    def run(*args: object) -> tuple[int, str, str]:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["mien", *map(str, args)])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return run


@pytest.fixture(scope="module")
def face(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return face_model(tmp_path_factory.mktemp("face") / "model")


@pytest.mark.parametrize("path", PATHS)
def test_what_looks_like_a_path_is_no_text(cli: Cli, tiny_model: Path, path: str) -> None:
    code, out, err = cli("predict", path, "--model", tiny_model, "--json")
    assert (code, out) == (1, "")
    assert len(err.splitlines()) == 1
    assert "add --as text" in err
    assert "no such file" in err or "is taken for an address" in err
    assert path.strip(" '").split("\n")[0].split()[0] in err, "as it was given, with all slashes"
    with pytest.raises(InputError, match=r"mien\.load\(\"text\"\)\.predict"):
        mien.predict(path, model=str(tiny_model))
    (result,) = mien.predict_many([path], model=str(tiny_model))
    assert (result.label, result.input) == (None, path)
    assert result.error
    assert mien.load(tiny_model).predict(path).label, "a loaded model of texts takes any string as a text"


def test_as_text_makes_a_text_of_a_path(cli: Cli, tiny_model: Path) -> None:
    code, out, _ = cli("predict", *PATHS, "--model", tiny_model, "--as", "text", "--json")
    results = json.loads(out)["results"]
    assert (code, [row["input"] for row in results]) == (0, PATHS)
    assert all(row["label"] for row in results)


def test_what_people_write_is_a_text(cli: Cli, tiny_model: Path) -> None:
    code, out, _ = cli("predict", "--model", tiny_model, "--json", "--", *TEXTS)
    results = json.loads(out)["results"]
    assert (code, [row["input"] for row in results]) == (0, TEXTS)
    many = list(mien.predict_many(TEXTS, model=str(tiny_model)))
    assert [(result.label, result.error) for result in many] == [(row["label"], None) for row in results]


def test_a_name_with_spaces_that_is_no_file_is_noted(cli: Cli, tiny_model: Path) -> None:
    code, out, err = cli("predict", "look at photo.jpg", "--model", tiny_model, "--json")
    assert (code, json.loads(out)["results"][0]["input"]) == (0, "look at photo.jpg")
    assert err == "note: 'look at photo.jpg' is read as a text: there is no file of that name\n"


def test_the_name_of_a_file_is_never_rated_itself(cli: Cli, tiny_model: Path, tmp_path: Path) -> None:
    (tmp_path / "lines.txt").write_text("i am glad\nso sad\n", "utf-8")
    (tmp_path / "talk.srt").write_text("1\n", "utf-8")
    (tmp_path / "joy").mkdir()
    code, out, err = cli("predict", "lines.txt", "--as", "text", "--model", tiny_model, "--json")
    assert (code, [row["input"] for row in json.loads(out)["results"]]) == (0, ["i am glad", "so sad"])
    assert err == "note: 'lines.txt' is a file: its texts are read, not its name\n"
    for name, what in (("talk.srt", "talk.srt is a file"), ("joy", "joy is a folder")):
        code, out, err = cli("predict", name, "--as", "text", "--model", tiny_model)
        assert (code, out) == (1, "")
        assert err.startswith(f"mien: {what}")
        assert "| mien predict -" in err
    for name in ("lines.txt", Path("lines.txt"), "talk.srt", "joy", Path("joy"), "."):
        with pytest.raises(InputError, match="is a f"):
            mien.predict(name)
        with pytest.raises(InputError):
            mien.predict(name, model=str(tiny_model))
    with pytest.raises(InputError, match="there is no file"):
        mien.predict(Path("gone.txt"))


def test_an_address_keeps_its_slashes_whatever_reads_it(cli: Cli, face: Path, tmp_path: Path) -> None:
    for kind, end in (("face", "jpg"), ("video", "mp4"), ("scene", "png")):
        code, _, err = cli("predict", f"https://x.org/a.{end}", "--as", kind)
        assert (code, f"https://x.org/a.{end} is taken for an address" in err) == (1, True)
    model = mien.load(face)
    with pytest.raises(InputError, match=r"^https://x\.org/a\.jpg is taken for an address"):
        model.predict("https://x.org/a.jpg")
    with pytest.raises(InputError, match=r"^rtsp://cam/1 is taken for an address"):
        mien.load(video_model(tmp_path / "video")).predict("rtsp://cam/1")


# ------------------------------------------------------------------------------------------------- from Python


def test_a_picture_is_the_same_in_every_form(face: Path, tmp_path: Path) -> None:
    pixels = drawn_face(200)
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), pixels[:, :, ::-1])
    data = path.read_bytes()
    with path.open("rb") as file, Image.open(path) as image:
        forms = [str(path), path, data, bytearray(data), io.BytesIO(data), file, image, Image.fromarray(pixels), pixels]
        results = [mien.predict(form, model=str(face)) for form in forms]
    (entry,) = os.scandir(tmp_path)
    results.append(mien.predict(entry, model=str(face)))
    assert len({json.dumps(result.to_dict()["items"]) for result in results}) == 1
    assert results[0].items
    names = [result.input for result in results]
    assert names == [*[str(path)] * 2, *["<bytes>"] * 2, "<file>", *[str(path)] * 2, "<image>", "<array>", str(path)]


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "CMYK", "1", "I;16", "12 bits"])
def test_pillow_images_of_all_modes_are_read_as_their_files(face: Path, tmp_path: Path, mode: str) -> None:
    gray = Image.fromarray(drawn_face(200)).convert("L")
    if scale := {"I;16": 257, "12 bits": 16}.get(mode):
        image = Image.fromarray(np.asarray(gray).astype(np.uint16) * scale)
    else:
        image = gray.convert(mode)
    path = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    image.save(path)
    model = mien.load(face)
    seen = [model.predict(given, crops=True).items[0].scores for given in (path, image)]
    assert list(seen[0].values()) == pytest.approx(list(seen[1].values()), abs=0.02)


def test_a_pillow_image_is_turned_and_bounded_as_a_file(face: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = Image.fromarray(np.zeros((40, 60, 3), np.uint8))
    image.getexif()[0x0112] = 6
    (item,) = mien.load(face).predict(image, crops=True).items
    assert item.box == (0, 0, 40, 60)
    monkeypatch.setenv("MIEN_MAX_PIXELS", "2399")
    with pytest.raises(InputError, match="60 x 40 pixels"):
        mien.predict(image, model=str(face))


def test_a_file_opened_as_text_is_one_text(tiny_model: Path, tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("i am\nso glad\n", "utf-8")
    with (tmp_path / "t.txt").open(encoding="utf-8") as file:
        assert mien.predict(file, model=str(tiny_model)).input == "i am\nso glad\n"
    with pytest.raises(InputError, match="cannot be read"):
        mien.predict(file, model=str(tiny_model))
    with pytest.raises(InputError, match="too large"):
        mien.predict(io.StringIO("x" * 100_001), model=str(tiny_model))


@pytest.mark.parametrize(
    "several",
    [
        ["a", "b"], ("a",), {"a"}, pd.Series(["a"]), pd.DataFrame({"text": ["a"]}), (text for text in "ab"),
        {"text": "a"}, np.array(["a", "b"]), np.zeros((2, 8, 8, 3), np.uint8), iter(["a"]), range(3),
    ],
    ids=lambda several: type(several).__name__,
)  # fmt: skip
def test_several_inputs_are_for_predict_many(several: Any) -> None:
    with pytest.raises(InputError, match=r"^mien\.predict reads one input, .*: use mien\.predict_many$"):
        mien.predict(several)


@pytest.mark.parametrize("nothing", [None, 3, 2.5, object(), mien])
def test_what_is_no_input_is_refused(nothing: Any) -> None:
    with pytest.raises(InputError, match="a text, a picture or a clip is needed"):
        mien.predict(nothing)


def test_inputs_of_another_kind_than_the_model_reads(tiny_model: Path, face: Path) -> None:
    for given in (b"x", Path("a.jpg"), "a.jpg", np.zeros((8, 8), np.uint8), io.BytesIO(b"x")):
        with pytest.raises(InputError, match="a text is needed"):
            mien.predict(given, model=str(tiny_model))
    with pytest.raises(InputError, match="open it in binary mode"):
        mien.predict(io.StringIO("a.jpg"), model=str(face))
    with pytest.raises(InputError, match="there is no file i am glad"):
        mien.predict("i am glad", model=str(face))


@pytest.mark.parametrize("model", ["text-carer", "face", "scene", "video"])
def test_an_option_that_a_model_has_not_is_refused(model: str) -> None:
    for read in (mien.load(model).predict, mien.load(model).predict_many):
        with pytest.raises(TypeError, match="unexpected keyword argument 'nonsense'"):
            read("i am glad", nonsense=1)


def test_many_inputs_come_in_order_with_errors_in_their_place(tiny_model: Path) -> None:
    texts = pd.Series(["i am glad", None, "", "holliday/", "so sad", 3.5], dtype=object)
    results = list(mien.predict_many(texts, model=str(tiny_model)))
    assert [result.label for result in results] == ["joy", None, None, None, "sadness", None]
    assert [bool(result.error) for result in results] == [False, True, True, True, False, True]
    assert [result.input for result in results] == ["i am glad", "<NoneType>", "", "holliday/", "so sad", "<float>"]
    lines = io.StringIO("i am glad\r\nso sad\n")
    assert [result.input for result in mien.predict_many(lines, model=str(tiny_model))] == ["i am glad", "so sad"]


def test_many_inputs_of_several_kinds_are_each_read_by_their_model(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), drawn_face(160)[:, :, ::-1])
    write_clip(tmp_path / "c.avi", [np.full((48, 64, 3), 90, np.uint8)] * 4)
    given = ["i am glad", tmp_path / "a.png", drawn_face(160), tmp_path / "c.avi", "so sad"]
    given += [tmp_path, ["x"], "gone.png"]
    results = list(mien.predict_many(iter(given)))
    assert [result.modality for result in results[:5]] == ["text", "face", "face", "video", "text"]
    assert [bool(result.error) for result in results] == [False] * 5 + [True] * 3
    assert results[0] == mien.predict("i am glad")
    assert results[1] == mien.predict(tmp_path / "a.png")
    assert "use mien.predict_many" in str(results[6].error)


def test_many_inputs_are_taken_as_they_are_wanted(tiny_model: Path) -> None:
    taken = 0

    def endless() -> Iterator[str]:
        nonlocal taken
        while True:
            taken += 1
            yield "i am glad"

    results = mien.predict_many(endless(), model=str(tiny_model), batch_size=4)
    assert taken == 0
    assert [next(results).label for _ in range(5)] == ["joy"] * 5
    assert taken <= 4 * 16 + 1


@pytest.mark.parametrize(
    "single",
    ["a text", b"x", Path("a.txt"), {"text": ["a"]}, pd.DataFrame({"text": ["a"]}), np.zeros((8, 8, 3), np.uint8),
     Image.new("L", (8, 8)), io.BytesIO(b"x"), 3, None],
    ids=lambda single: type(single).__name__,
)  # fmt: skip
def test_a_single_input_is_not_for_predict_many(single: Any) -> None:
    with pytest.raises(InputError, match=r"several inputs are needed|binary mode"):
        mien.predict_many(single)


def test_an_estimator_does_not_learn_from_names_of_files() -> None:
    with pytest.raises(InputError, match=r"the texts are names of files, such as pics/0\.heic"):
        EmotionClassifier("text-linear").fit([f"pics/{n}.heic" for n in range(4)], ["joy", "fear"] * 2)


# ----------------------------------------------------------------------------------------------------- folders


@pytest.fixture
def album(tmp_path: Path) -> Path:
    folder = tmp_path / "album"
    (folder / "below" / ".git").mkdir(parents=True)
    for name in ("a.png", "below/b.png"):
        cv2.imwrite(str(folder / name), np.full((40, 40, 3), 99, np.uint8))
    for name in ("c.CR2", "d.cr2", "s.wav", "Thumbs.db", "noend", ".DS_Store", "below/.git/x.png", "cut.avi"):
        (folder / name).touch()
    (folder / "link").symlink_to(tmp_path, target_is_directory=True)
    return folder


LEFT_OUT = {".cr2": 2, ".wav": 1, ".db": 1, "no ending": 1, "hidden": 2, "link to a folder": 1, ".avi": 1}


def counts_in(line: str) -> dict[str, int]:
    told = line.partition("left out of the folders: ")[2].split(", ")
    return {what: int(count) for count, _, what in (part.partition(" ") for part in told)}


def test_what_a_folder_leaves_out_is_counted(cli: Cli, face: Path, album: Path, tmp_path: Path) -> None:
    how = ("predict", "album", "--as", "face", "--model", face)
    code, out, err = cli(*how, "--json")
    assert (code, json.loads(out)["left_out"]) == (0, LEFT_OUT)
    assert counts_in(err.splitlines()[-1]) == LEFT_OUT
    assert counts_in(cli(*how)[2].splitlines()[-1]) == LEFT_OUT
    assert LEFT_OUT in map(counts_in, cli(*how, "--out", "o.csv")[2].splitlines()[-2:-1])
    (album / "e.png").write_bytes(b"no picture")
    code, _, err = cli(*how, "--json")
    assert (code, "1 of 3 inputs could not be read: " in err) == (1, True)
    assert counts_in(err.splitlines()[-1]) == LEFT_OUT
    assert "left_out" not in json.loads(cli("predict", "album/a.png", "--model", face, "--json")[1])
    (tmp_path / "sound").mkdir()
    (tmp_path / "sound" / "s.mp3").touch()
    assert "folder without pictures or clips (in it: 1 .mp3)" in cli("predict", "sound")[2]


def test_what_a_folder_of_clips_leaves_out_is_counted(cli: Cli, face: Path, tmp_path: Path) -> None:
    model = video_model(tmp_path / "video")
    (tmp_path / "films").mkdir()
    write_clip(tmp_path / "films" / "c.avi", [np.full((48, 64, 3), 90, np.uint8)] * 4)
    (tmp_path / "films" / "s.flac").touch()
    how = ("predict", "films", "--model", model)
    code, out, err = cli(*how, "--json")
    assert (code, json.loads(out)["left_out"]) == (0, {".flac": 1})
    assert counts_in(err.splitlines()[-1]) == {".flac": 1}
    assert counts_in(cli(*how)[2].splitlines()[-1]) == {".flac": 1}
    assert {".flac": 1} in map(counts_in, cli(*how, "--out", "o.csv")[2].splitlines()[-2:-1])


def test_empty_texts_are_counted_in_the_document(cli: Cli, tiny_model: Path, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("text,n\ni am glad,1\n,2\n  ,3\n", "utf-8")
    code, out, err = cli("predict", "t.csv", "--model", tiny_model, "--json")
    assert (code, json.loads(out)["left_out"]) == (0, {"text is empty": 2})
    assert err == "2 of 3 texts without a label, because empty\n"


@pytest.mark.parametrize(
    "args",
    [
        ("predict", "i am glad", "--out", "s3://bucket/o.csv"),
        ("evaluate", "MODEL", "--data", "sample:", "--out", "https://a.b/report"),
        ("export", "MODEL", "--to", "gs://bucket/model"),
        ("train", "text-linear", "--data", "sample:", "--out", "s3://bucket/run"),
        ("demo", "--out", "https://a.b/demo"),
    ],
)
def test_nothing_is_written_to_an_address(run_cli: RunCli, tiny_model: Path, tmp_path: Path, args: tuple[str]) -> None:
    done = run_cli(*(tiny_model if arg == "MODEL" else arg for arg in args))
    assert done.returncode == 1
    assert done.stderr == f"mien: {args[-1]} is an address, and mien writes only files on this machine\n"
    assert not list(tmp_path.glob("*:"))


def test_no_input_is_overwritten(run_cli: RunCli, tiny_model: Path, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("text\nso glad\n")
    (tmp_path / "link.csv").symlink_to("t.csv")
    for name in ("t.csv", "link.csv"):
        done = run_cli("predict", "t.csv", "--model", tiny_model, "--out", name)
        assert done.returncode == 1
        assert done.stderr == f"mien: {name} is an input, which would be lost: name another file\n"
    assert (tmp_path / "t.csv").read_text() == "text\nso glad\n"


def test_python_writes_to_no_address_either(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    report = mien.evaluate(tiny_model, data="sample:text")
    for write in (report.write, report.write_json, lambda out: mien.train("text-linear", "sample:everyday", out)):
        with pytest.raises(MienError, match="s3://bucket/x is an address"):
            write("s3://bucket/x")
    assert not list(tmp_path.iterdir())
