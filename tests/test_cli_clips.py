"""``mien predict`` on clips and folders of them, from end to end; its answers are held against the API's."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow.parquet
import pytest
from rich.console import Console
from typer.testing import CliRunner

import mien
from conftest import RunCli, cli_env, one_line
from face_model import face_model, scene, video_model
from filmed import write_clip, write_sound
from mien.cli.app import app
from mien.cli.demo import run as run_demo
from mien.media.clips import ClipReader
from result_pages import read_page
from test_cli_more import command

MOMENT = [
    "file", "time", "person", "label", "emoji", "score", "labels", "left", "top", "right", "bottom", "error",
    "reliability", "detector", "size", "sharpness", "yaw", "pitch", "roll", "inside", "human", "mouth", "eyes",
]  # fmt: skip
CLIP = [
    "file", "label", "emoji", "score", "labels", "people", "moments", "duration", "width", "height", "frames",
    "skipped", "problem", "error",
]  # fmt: skip


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that command line and API compute alike to the last digit, and calls do not wait for each other's cores."""
    monkeypatch.setenv("MIEN_THREADS", "1")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return video_model(tmp_path_factory.mktemp("video") / "model")


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clips of all kinds. Not to be changed."""
    folder = tmp_path_factory.mktemp("films")
    (folder / "b").mkdir()
    rng = np.random.default_rng(0)
    away = [scene(1, 2 if not 10 <= number < 20 else None) for number in range(30)]
    write_clip(folder / "b" / "two.mp4", away, fps=10, audio=True)
    write_clip(folder / "a empty.avi", [scene()] * 10, fps=10, codec="mpeg4")
    rough = [scene(1) for _ in range(40)]
    for picture in rough:
        picture[180:] = rng.integers(0, 256, (20, 360, 3))
    whole = write_clip(folder / "cut.mkv", rough, fps=10).read_bytes()
    (folder / "cut.mkv").write_bytes(whole[: len(whole) // 2])
    (folder / "text.mp4").write_text("this is no clip")
    write_sound(folder / "voice.mp4")
    (folder / "notes.txt").write_text("no clip")
    (folder / ".hidden.mp4").write_bytes(b"x")
    return folder


@pytest.fixture
def here(films: Path, tmp_path: Path) -> Path:
    """A folder of one's own with the clips in ``films``."""
    shutil.copytree(films, tmp_path / "films")
    return tmp_path


ORDER = ["a empty.avi", "b/two.mp4", "cut.mkv", "text.mp4", "voice.mp4"]


def api(model: Path, clip: Path, name: str) -> dict[str, Any]:
    return mien.load(model, threads=1).predict(clip).to_dict() | {"input": name}


def test_json_of_a_folder_is_what_the_api_gives(run_cli: RunCli, model: Path, here: Path) -> None:
    done = run_cli("predict", "films", "--model", model, "--json")
    assert "3 of 5 clips were not read whole: films/cut.mkv: cut off after" in one_line(done)
    results = json.loads(done.stdout, parse_constant=pytest.fail)["results"]
    assert [row["input"] for row in results] == [f"films/{name}" for name in ORDER]
    assert [len(row["people"]) for row in results] == [0, 2, 1, 0, 0]
    assert [bool(row["error"]) for row in results] == [False, False, False, True, True]
    assert [row["clip"] is None for row in results] == [False, False, False, True, True]
    assert "cut off after" in results[2]["clip"]["problem"]
    assert results[1] == api(model, here / "films/b/two.mp4", "films/b/two.mp4")
    gone = [person for person in results[1]["people"] if person["moments"] == 10]
    assert len(gone) == 1, "one of two leaves and is the same when back"
    assert len(results[1]["timeline"]) == 25


def test_another_rule_for_once(model: Path, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(here)
    args = ["predict", "films/b/two.mp4", "--model", str(model), "--json", "--rule"]
    given = json.loads(CliRunner().invoke(app, [*args, "vote"]).stdout)["results"]
    wanted = mien.load(model, threads=1).predict("films/b/two.mp4", rule="vote").to_dict()
    assert given == [wanted]
    assert wanted["items"] != api(model, here / "films/b/two.mp4", "")["items"]
    assert str(CliRunner().invoke(app, [*args, "most"]).exception) == "no rule 'most'; there are: sum, vote, mean"
    refused = CliRunner().invoke(app, ["predict", "so glad", "--rule", "vote"])
    assert (refused.exit_code, "--rule is for faces in clips" in refused.output) == (2, True)


def test_people_see_a_strip_of_time(run_cli: RunCli, model: Path, here: Path) -> None:
    done = run_cli("predict", "films/b/two.mp4", "films/a empty.avi", "--model", model, env={"COLUMNS": "80"})
    assert (done.returncode, done.stderr) == (0, "")
    strips = [line for line in done.stdout.splitlines() if line.startswith("person ") and "%" not in line]
    assert len(strips) == 2
    assert sum("·" in strip for strip in strips) == 1, "one was away"
    assert "0:00" in done.stdout
    assert "no face was seen" in done.stdout
    assert "0:03 long, 360 × 200, looked at 15 frames" in done.stdout
    one = run_cli("predict", "films/text.mp4", "--model", model)
    assert "the clip was not read whole: films/text.mp4" in one_line(one)


def rows_of(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".parquet":
        table = pyarrow.parquet.read_table(path).to_pylist()
        return [{name: "" if cell is None else str(cell) for name, cell in row.items()} for row in table]
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_table_of_one_clip_has_its_moments(run_cli: RunCli, model: Path, here: Path, suffix: str) -> None:
    done = run_cli("predict", "films/b/two.mp4", "--model", model, "--out", f"o.{suffix}", "--scores")
    assert done.returncode == 0, done.stderr
    rows, document = rows_of(here / f"o.{suffix}"), api(model, here / "films/b/two.mp4", "")
    assert list(rows[0])[: len(MOMENT)] == MOMENT
    assert len(rows) == len(document["timeline"]) == 25
    for row, moment in zip(rows, document["timeline"], strict=True):
        assert (float(row["time"]), int(row["person"]), row["label"]) == (
            moment["time"], moment["person"], moment["label"],
        )  # fmt: skip
        assert [float(row[side]) for side in ("left", "top", "right", "bottom")] == moment["box"]
        assert {name: float(row[name]) if row[name] else None for name in moment["quality"]} == moment["quality"]
        assert float(row[f"score_{row['label']}"]) == float(row["score"]) == moment["score"]
    assert {path.name for path in here.iterdir()} == {"films", f"o.{suffix}"}
    short = run_cli("predict", "films/b/two.mp4", "--model", model, "--out", f"s.{suffix}", "--no-timeline", "--fps", 1)
    assert short.returncode == 0, short.stderr
    assert [(row["people"], row["moments"]) for row in rows_of(here / f"s.{suffix}")] == [("2", "5")]


def test_a_table_of_a_folder_has_a_row_for_each_clip(run_cli: RunCli, model: Path, here: Path) -> None:
    done = run_cli("predict", "films", "--model", model, "--out", "o.csv", "--scores")
    assert done.returncode == 0, done.stderr
    assert "2 of 5 clips could not be read" in done.stderr
    assert "1 of 5 clips were not read to their end" in done.stderr
    for named in ("mien: films/text.mp4", "mien: films/voice.mp4", "mien: films/cut.mkv: cut off after"):
        assert named in done.stderr
    rows = rows_of(here / "o.csv")
    assert list(rows[0])[: len(CLIP)] == CLIP
    assert [row["file"] for row in rows] == [f"films/{name}" for name in ORDER]
    assert [row["people"] for row in rows] == ["0", "2", "1", "", ""]
    assert [bool(row["error"]) for row in rows] == [False, False, False, True, True]
    assert "cut off" in rows[2]["problem"]
    document = api(model, here / "films/b/two.mp4", "")
    (whole,) = document["items"]
    assert (rows[1]["label"], float(rows[1]["score"])) == (whole["label"], whole["score"])
    labels = [moment["label"] for moment in document["timeline"]]
    for label, score in whole["scores"].items():
        assert float(rows[1][f"score_{label}"]) == score
        assert float(rows[1][f"share_{label}"]) == pytest.approx(labels.count(label) / 25, abs=1e-6)
    many = run_cli("predict", "films/b", "films/a empty.avi", "--model", model, "--out", "m.csv", "--timeline")
    assert many.returncode == 0, many.stderr
    moments = rows_of(here / "m.csv")
    assert [row["file"] for row in moments] == ["films/b/two.mp4"] * 25 + ["films/a empty.avi"]
    assert (moments[-1]["time"], moments[-1]["label"], moments[-1]["error"]) == ("", "", "")


def test_one_clip_whole_as_json_and_marked(run_cli: RunCli, model: Path, here: Path) -> None:
    done = run_cli("predict", "films/b/two.mp4", "--model", model, "--out", "o.json", "--fps", "2")
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    document = json.loads((here / "o.json").read_text("utf-8"))
    expected = mien.load(model, threads=1).predict(here / "films/b/two.mp4", fps=2)  # type: ignore[call-arg]
    assert document == expected.to_dict() | {"input": "films/b/two.mp4"}
    marked = run_cli("predict", "films/b/two.mp4", "--model", model, "--out", "o.mp4", "--frames", "4")
    assert marked.returncode == 0, marked.stderr
    with ClipReader(here / "o.mp4") as clip:
        frames = [frame.picture for frame in clip]
        assert (clip.info.width, clip.info.height) == (640, 356)
        assert clip.info.duration == pytest.approx(3, abs=0.01)
    before = cv2.resize(scene(1, 2), (640, 356), interpolation=cv2.INTER_CUBIC).astype(int)
    assert (np.abs(frames[5].astype(int) - before).max(axis=2) > 60).sum() > 1500
    for out, told in (("o.json", "o.json holds one clip, and 5 are given"), ("o.mp4", "o.mp4 holds one clip")):
        assert told in one_line(run_cli("predict", "films", "--model", model, "--out", out))
    for out in ("t.json", "t.csv"):
        assert "text.mp4" in one_line(run_cli("predict", "films/text.mp4", "--model", model, "--out", out))
        assert not (here / out).exists()


def test_a_page_and_lines_and_other_labels(run_cli: RunCli, model: Path, here: Path) -> None:
    page = run_cli("predict", "films", "--model", model, "--out", "o.html")
    assert page.returncode == 0, page.stderr
    about, clips = read_page(here / "o.html")
    assert about["title"] == "5 clips, 2 could not be read"
    assert [bool(clip.get("frames")) for clip in clips].count(True) == 3
    lines = run_cli("predict", "films/b/two.mp4", "--model", model, "--out", "o.jsonl", "--labels", "ekman7")
    assert lines.returncode == 0, lines.stderr
    (row,) = [json.loads(line) for line in (here / "o.jsonl").read_text("utf-8").splitlines()]
    expected = mien.load(model, threads=1).predict(here / "films/b/two.mp4").rollup("ekman7").to_dict()
    assert row == expected | {"input": "films/b/two.mp4"}
    other = run_cli("predict", "films/b/two.mp4", "--model", model, "--json", "--labels", "ferplus8", "--frames", "1")
    (result,) = json.loads(other.stdout)["results"]
    assert set(result["timeline"][0]["scores"]) == set(mien.SPACES["ferplus8"].names)


# ------------------------------------------------------------------------------------------------- stopped

#: From the 13th frame on, each takes a twentieth of a second, and a file says that it has come to that.
SLOW = """import signal, time, pathlib
signal.signal(signal.SIGINT, signal.default_int_handler)
from mien.media.clips import ClipReader
from mien.cli.demo import run as run_demo
following = ClipReader.__next__
def slowly(clip):
    given = following(clip)
    if given.number >= 24 and NAME in str(clip.path):
        pathlib.Path("going").touch()
        time.sleep(0.05)
    return given
ClipReader.__next__ = slowly"""


def stopped(folder: Path, name: str, *args: object) -> subprocess.CompletedProcess[str]:
    """``mien predict`` with a Ctrl-C in the middle of the clip of that name."""
    first = SLOW.replace("NAME", repr(name))
    process = subprocess.Popen(
        command(first, "predict", *args), cwd=folder, env=cli_env(), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not (folder / "going").exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    (folder / "going").unlink()
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("long") / "long.mp4", [scene(1)] * 600, fps=10)


def test_what_was_read_before_ctrl_c_is_printed(model: Path, long: Path, tmp_path: Path) -> None:
    done = stopped(tmp_path, "long", long, "--model", model, "--json")
    assert re.search(r"long\.mp4: stopped after \d+\.\d s; what was read by then is printed", one_line(done))
    (result,) = json.loads(done.stdout, parse_constant=pytest.fail)["results"]
    assert re.fullmatch(r"stopped after \d+\.\d s", result["clip"]["problem"])
    assert 10 <= len(result["timeline"]) < 250
    assert result["clip"]["duration"] == result["timeline"][-1]["time"]
    assert [person["moments"] for person in result["people"]] == [len(result["timeline"])]


def test_what_was_read_before_ctrl_c_is_in_the_file(model: Path, long: Path, tmp_path: Path) -> None:
    told = stopped(tmp_path, "long", long, "--model", model, "--out", "o.csv")
    assert told.returncode == 1
    assert "Traceback" not in told.stderr
    assert re.search(r"mien: .*long\.mp4: stopped after .* s; what was read by then is in o\.csv\n$", told.stderr)
    rows = rows_of(tmp_path / "o.csv")
    assert 10 <= len(rows) < 250
    assert [float(row["time"]) for row in rows] == pytest.approx(np.arange(len(rows)) / 5, abs=0.01)
    assert {path.name for path in tmp_path.iterdir()} == {"o.csv"}


def test_a_stopped_folder_is_gone_on_with(
    run_cli: RunCli, model: Path, films: Path, long: Path, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    shutil.copy(films / "a empty.avi", tmp_path / "in/1.avi")
    shutil.copy(films / "b/two.mp4", tmp_path / "in/2.mp4")
    shutil.copy(long, tmp_path / "in/3.mp4")
    args = ("in", "--model", model, "--out", "o.csv", "--fps", "1")
    done = stopped(tmp_path, "3.mp4", *args)
    assert "stopped: the 2 clips done are kept in o.csv.part; go on with: mien predict in --model " in one_line(done)
    again = run_cli("predict", *args)
    assert again.returncode == 0, again.stderr
    assert "going on after the 2 clips in o.csv.part" in again.stderr
    rows = rows_of(tmp_path / "o.csv")
    assert [(row["file"], row["moments"]) for row in rows] == [
        ("in/1.avi", "0"), ("in/2.mp4", "5"), ("in/3.mp4", "60"),
    ]  # fmt: skip
    assert {path.name for path in tmp_path.iterdir()} == {"in", "o.csv"}


# --------------------------------------------------------------------------------------- what can be wrong


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["clip.mp4", "photo.png"], 1, "clip.mp4 is a clip and photo.png a picture"),
        (["clip.mp4", "i am glad"], 1, "clip.mp4 is a clip or a folder of them and 'i am glad' is not"),
        (["mixed"], 1, "mixed holds 1 picture and 1 clip: say which with --as face or --as video"),
        (["clip.mp4", "--model", "FACE"], 1, "clip.mp4 is a clip; the model"),
        (["photo.png", "--model", "VIDEO"], 1, "photo.png is a picture; the model"),
        (["mixed", "--as", "video", "--model", "FACE"], 1, "the model bright reads face, not video"),
        (["none.mp4", "--model", "VIDEO"], 1, "none.mp4"),
        (["photo.png", "--as", "video", "--model", "VIDEO"], 1, "photo.png"),
        (
            ["clip.mp4", "--model", "VIDEO", "--out", "o.png"],
            1,
            "the ending says the format; there are: .jsonl, .csv, .tsv, .xlsx, .parquet, .html, .json, .mp4",
        ),
        (["clip.mp4", "--model", "VIDEO", "--labels", "emotic26"], 1, "--labels emotic26: there is no map"),
        (["clip.mp4", "--fps", "2", "--frames", "3"], 2, "--fps or --frames; take one of them"),
        (["clip.mp4", "--fps", "0"], 2, "--fps must be above 0"),
        (["photo.png", "--fps", "2"], 2, "--fps, --frames and --timeline are for clips"),
        (["clip.mp4", "--crops"], 2, "--crops is for pictures"),
    ],
)
def test_what_can_be_wrong(
    run_cli: RunCli, model: Path, films: Path, tmp_path: Path, args: list[str], code: int, message: str
) -> None:
    shutil.copy(films / "b/two.mp4", tmp_path / "clip.mp4")
    cv2.imwrite(str(tmp_path / "photo.png"), scene(1))
    (tmp_path / "mixed").mkdir()
    for name in ("clip.mp4", "photo.png"):
        shutil.copy(tmp_path / name, tmp_path / "mixed" / name)
    models = {"VIDEO": model, "FACE": face_model(tmp_path / "face") if "FACE" in args else model}
    done = run_cli("predict", *[models.get(part, part) for part in args])
    assert done.returncode == code, done.stderr
    assert message in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert done.stdout == "" or args[0] in ("none.mp4", "photo.png"), "unreadable ones are shown as such"


def test_any_file_is_a_clip_where_told_so(run_cli: RunCli, model: Path, films: Path, tmp_path: Path) -> None:
    shutil.copy(films / "b/two.mp4", tmp_path / "clip.bin")
    shutil.copy(films / "b/two.mp4", tmp_path / "wrong.avi")
    done = run_cli("predict", "clip.bin", "wrong.avi", "--as", "video", "--model", model, "--json", "--frames", "2")
    assert [len(row["timeline"]) for row in json.loads(done.stdout)["results"]] == [4, 4]


# ------------------------------------------------------------------------------------------ the other verbs


def test_a_model_of_clips_with_one_command(run_cli: RunCli, films: Path, tmp_path: Path) -> None:
    face_model(tmp_path / "face")
    assert run_cli("export", "face", "--as", "video", "--to", "clips").stdout == "clips\n"
    shown = run_cli("models", "show", "clips")
    assert "nothing was measured" in " ".join(shown.stdout.split())
    two = films / "b/two.mp4"
    assert run_cli("predict", two, "--model", "clips", "--frames", "1").returncode == 0
    assert run_cli("export", "face", "face", "--as", "video", "--to", "more").returncode == 2
    timed = json.loads(run_cli("bench", "clips", "--clip", two, "--json").stdout)
    assert (timed["model"], timed["clip"], timed["frames"], timed["moments"]) == ("clips", "two.mp4", 15, 25)
    assert timed["times_real_time"] == pytest.approx(timed["seconds"] / timed["read_s"], rel=0.01)
    assert "--clip" in run_cli("bench", "face", "--clip", two).stderr


def test_the_drawn_clip_that_is_timed_shows_a_face(model: Path, tmp_path: Path) -> None:
    from mien.cli.bench import swaying
    from mien.media.encode import write_clip as write

    assert write(tmp_path / "a.mp4", swaying(25, 25, 1280, 720), 25) == 25
    result = mien.load(model, threads=1).predict(tmp_path / "a.mp4")
    assert result.clip is not None
    assert (result.clip.width, result.clip.height, result.clip.frames) == (1280, 720, 5)
    assert len(result.timeline) == 5
    assert len(result.people) == 1


def test_predict_chooses_by_the_name(model: Path, films: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mien, "_loaded", {"video": mien.load(model, threads=1)})
    two = films / "b/two.mp4"
    assert mien.predict(two).to_dict() == mien.predict(str(two)).to_dict()
    assert mien.predict(two).modality == "video"
    with pytest.raises(mien.MienError, match=r"none\.mp4"):
        mien.predict("none.mp4")


def test_the_demo_shows_clips(tiny_model: Path, films: Path, tmp_path: Path) -> None:
    said = Console(file=io.StringIO(), width=80)
    two = str(films / "b/two.mp4")
    page = run_demo(tmp_path / "demo", said, model=str(tiny_model), clips=[two])
    assert two in (page.parent / "clips.html").read_text("utf-8")
    assert not (page.parent / "moods.mp4").exists()
    assert isinstance(said.file, io.StringIO)
    assert "person 2" in said.file.getvalue()


def test_the_demo_draws_its_own_people(run_cli: RunCli, tmp_path: Path) -> None:
    shown = run_cli("demo", "--out", "seen")
    assert shown.returncode == 0, shown.stderr
    assert "4 faces" in shown.stdout
    folder = tmp_path / "seen"
    about, results = read_page(folder / "index.html")
    assert list(about["links"]) == ["faces.html", "clips.html"]
    assert [result.get("layout") for result in results] == ["picture", "clip", *[None] * 12]
    assert [item["label"] for item in results[0]["items"]] == ["angry", "surprise", "sad", "happy"]
    right = "love sadness excitement neutral fear disgust surprise gratitude annoyance approval remorse sadness"
    assert [result["label"] for result in results[2:]] == right.split()
    assert all(result["items"][0]["explanation"]["words"] for result in results[2:])
    about, (people,) = read_page(folder / "faces.html")
    (picture,) = json.loads(run_cli("predict", "seen/people.png", "--json").stdout)["results"]
    assert people["items"] == picture["items"]
    assert "moods.mp4" in (folder / "clips.html").read_text("utf-8")
    assert b"vp09" in (folder / "moods.mp4").read_bytes()  # which browsers play


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="file names are text there")
@pytest.mark.parametrize("ending", ["json", "jsonl", "csv", "parquet", "html"])
def test_a_clip_whose_name_is_no_text_goes_into_files(
    ending: str, model: Path, films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = os.fsencode(tmp_path) + b"/caf\xe9.avi"
    shutil.copy(films / "a empty.avi", named)
    out = tmp_path / f"o.{ending}"
    done = CliRunner().invoke(app, ["predict", os.fsdecode(named), "--model", str(model), "--out", str(out)])
    assert done.exit_code == 0, done.exception
    if ending in ("json", "jsonl"):
        assert json.loads(out.read_text())["input"].endswith("/caf?.avi")
