"""``mien predict``, ``evaluate`` and ``bench`` on scenes, from end to end; answers are those of the API."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

import mien
import scene_model
from browser import needs_chromium
from conftest import RunCli, one_line
from face_model import drawn_face
from filmed import write_clip
from mien.cli.app import main
from mien.cli.bench import measure
from mien.media.images import read_picture
from result_pages import opened, read_page


@pytest.fixture
def run_cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> RunCli:
    """As the fixture of that name elsewhere, but in this process."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")

    def run(*args: object) -> subprocess.CompletedProcess[str]:
        monkeypatch.setattr(sys, "argv", ["mien", *map(str, args)])
        capsys.readouterr()
        code: object = 0
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
        told = capsys.readouterr()
        return subprocess.CompletedProcess(args, int(str(code)), told.out, told.err)

    return run


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return scene_model.scene_model(tmp_path_factory.mktemp("m") / "whole")


@pytest.fixture(scope="module")
def persons(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return scene_model.scene_model(tmp_path_factory.mktemp("m") / "persons", ("picture", "person"))


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Left half dark, right half light."""
    folder = tmp_path_factory.mktemp("pictures")
    picture = np.full((120, 200, 3), 220, np.uint8)
    picture[:, :100] = 40
    cv2.imwrite(str(folder / "street.png"), picture)
    return folder / "street.png"


def test_a_picture_on_the_screen(run_cli: RunCli, whole: Path, street: Path):
    done = run_cli("predict", str(street), "--model", str(whole))
    assert done.returncode == 0, done.stderr
    assert "street.png" in done.stdout
    light = 1 + 6 * 130 / 255
    rows = {words[0]: words for line in done.stdout.splitlines()[1:] if (words := line.split())}
    assert rows["light"][-4:] == ["of", "1", "to", "7"]
    assert float(rows["light"][-5]) == pytest.approx(light, abs=0.01)
    assert "█" in done.stdout
    assert "dark" in done.stdout


def test_json_is_that_of_the_api(run_cli: RunCli, whole: Path, street: Path):
    done = run_cli("predict", str(street), "--model", str(whole), "--as", "scene", "--json")
    (result,) = json.loads(done.stdout)["results"]
    assert result == mien.load(whole).predict(str(street)).to_dict()
    assert result["items"][0]["ratings"]["left"] == pytest.approx(1 + 6 * 40 / 255, abs=1e-3)


def test_persons_are_told_by_their_boxes(run_cli: RunCli, persons: Path, street: Path, tmp_path: Path):
    boxes = ["--box", "0,0,100,120", "--box", "100,0,200,120"]
    done = run_cli("predict", str(street), "--model", str(persons), *boxes, "--json")
    (result,) = json.loads(done.stdout)["results"]
    assert [item["box"] for item in result["items"]] == [[0, 0, 100, 120], [100, 0, 200, 120]]
    dark, light = (item["scores"]["bright"] for item in result["items"])
    assert dark < 0.01
    assert light > 0.7
    shown = run_cli("predict", str(street), "--model", str(persons), *boxes).stdout
    assert "person 2  100,0 – 200,120" in shown
    marked = tmp_path / "marked.png"
    assert run_cli("predict", str(street), "--model", str(persons), *boxes, "--out", str(marked)).returncode == 0
    picture = read_picture(marked)
    assert picture.shape == (384, 640, 3)  # enlarged, so that words can be read
    assert (picture != cv2.resize(read_picture(street), (640, 384), interpolation=cv2.INTER_CUBIC)).any(2).mean() > 0.02


def test_a_whole_picture_without_a_box_is_read_by_a_model_of_persons(
    run_cli: RunCli, whole: Path, persons: Path, street: Path
):
    asked = ["predict", str(street), "--model", str(persons)]
    assert "no person was found" in run_cli(*asked).stdout
    ((item,), (wanted,)) = (
        json.loads(run_cli(*asked, *how, "--json").stdout)["results"][0]["items"]
        for how in (["--whole"], ["--box", "0,0,200,120"])
    )
    assert item == wanted | {"box": None}
    assert mien.load(whole).predict(str(street), whole=True) == mien.load(whole).predict(str(street))
    boxed = [*asked, "--whole", "--box", "1,2,3,4"]
    for refused in (["predict", "so glad", "--whole"], ["predict", str(street), "--whole"], boxed):
        assert run_cli(*refused).returncode == 2, refused


def test_tables_have_a_column_for_each_rating(run_cli: RunCli, whole: Path, street: Path, tmp_path: Path):
    (tmp_path / "bad.png").write_bytes(b"no picture")
    out = tmp_path / "found.csv"
    done = run_cli(
        "predict", str(street), str(tmp_path / "bad.png"), "--model", str(whole), "--out", str(out), "--scores"
    )
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(io.StringIO(out.read_text("utf-8"))))
    first = mien.load(whole).predict(str(street)).items[0]
    assert float(rows[0]["light"]) == pytest.approx(first.ratings["light"], abs=1e-5)
    assert float(rows[0]["score_dim"]) == pytest.approx(first.scores["dim"], abs=1e-5)
    assert rows[0]["person"] == ""
    assert "bad.png" in rows[1]["error"]
    assert "1 of 2 pictures could not be read" in done.stderr


@pytest.mark.parametrize("labels", [True, False])
def test_a_page_shows_the_picture_with_bars(run_cli: RunCli, street: Path, tmp_path: Path, labels: bool):
    model = scene_model.scene_model(tmp_path / "model", labels=labels)
    out = tmp_path / "page.html"
    done = run_cli("predict", str(street), "--model", str(model), "--out", str(out))
    assert done.returncode == 0, done.stderr
    about, (result,) = read_page(out)
    assert result["picture"]["src"].startswith("data:image/jpeg;base64,")
    assert [scale["name"] for scale in about["scales"]] == ["light", "left"]
    assert [label["name"] for label in about["palette"]] == (["dark", "dim", "bright"] if labels else [])
    jpeg = tmp_path / "picture.jpg"
    assert run_cli("predict", str(street), "--model", str(model), "--out", str(jpeg)).returncode == 0
    assert read_picture(jpeg).shape == (384, 640, 3)


def test_many_pictures_are_a_row_each(run_cli: RunCli, whole: Path, street: Path):
    done = run_cli("predict", *[str(street)] * 7, "--model", str(whole))
    assert done.stdout.count("street.png") == 7
    assert done.stdout.splitlines()[0].split() == ["picture", "person", "label", "light", "left"]


def test_bodies_are_found_by_their_faces(run_cli: RunCli, persons: Path, tmp_path: Path):
    picture = np.full((500, 360, 3), (120, 140, 160), np.uint8)
    picture[30:170, 100:240] = drawn_face(140)
    cv2.imwrite(str(tmp_path / "one.png"), picture)
    cv2.imwrite(str(tmp_path / "none.png"), np.full((100, 100, 3), 90, np.uint8))
    done = run_cli("predict", str(tmp_path / "one.png"), str(tmp_path / "none.png"), "--model", str(persons), "--json")
    one, none = json.loads(done.stdout)["results"]
    assert none["items"] == []
    (item,) = one["items"]
    left, top, right, bottom = item["box"]
    assert left < 100
    assert right > 240
    assert top < 60
    assert bottom > 300
    shown = run_cli("predict", str(tmp_path / "none.png"), "--model", str(persons)).stdout
    assert "no person was found" in shown


# ---------------------------------------------------------------------------------------------------------- clips


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds in which the light goes on: dark, then light."""
    frames = [np.full((96, 128, 3), 30 if number < 12 else 225, np.uint8) for number in range(24)]
    return write_clip(tmp_path_factory.mktemp("film") / "light.mp4", frames, fps=12)


def test_a_clip_has_a_timeline_of_the_scene(run_cli: RunCli, whole: Path, film: Path, tmp_path: Path):
    done = run_cli("predict", str(film), "--model", str(whole), "--fps", "4", "--json")
    assert done.returncode == 0, done.stderr
    (result,) = json.loads(done.stdout)["results"]
    assert [moment["time"] for moment in result["timeline"]] == pytest.approx([k / 4 for k in range(8)], abs=0.01)
    assert {moment["person"] for moment in result["timeline"]} == {0}
    assert all(moment["box"] is None for moment in result["timeline"])
    bright = [moment["scores"]["bright"] for moment in result["timeline"]]
    assert max(bright[:4]) < 0.05
    assert min(bright[4:]) > 0.7
    assert result["items"][0]["scores"]["bright"] == pytest.approx(np.mean(bright), abs=1e-5)
    rated = [moment["ratings"]["light"] for moment in result["timeline"]]
    assert result["items"][0]["ratings"]["light"] == pytest.approx(np.mean(rated), abs=1e-4)
    assert (result["people"], result["segments"], result["clip"]["frames"]) == ([], [], 8)
    reading = mien.load(whole).read(str(film), fps=4)
    assert len(list(reading)) == 8
    assert result == reading.result().to_dict()
    out = tmp_path / "light.csv"
    assert run_cli("predict", str(film), "--model", str(whole), "--fps", "4", "--out", str(out)).returncode == 0
    rows = list(csv.DictReader(io.StringIO(out.read_text("utf-8"))))
    assert [float(row["light"]) for row in rows] == pytest.approx(rated, abs=1e-4)


def test_a_clip_in_the_terminal(run_cli: RunCli, whole: Path, film: Path):
    done = run_cli("predict", str(film), "--model", str(whole), "--as", "scene", "--fps", "4")
    assert "looked at 8 frames" in done.stdout
    (line,) = (line for line in done.stdout.splitlines() if "bright" in line)
    strip = next(word for word in line.split() if set(word) <= set("▁▂▃▄▅▆▇█"))
    assert strip == "▁" * 4 + strip[4:]
    assert strip[4:] in ("▇▇▇▇", "████")


def test_a_page_has_a_line_for_each_label_and_rating(run_cli: RunCli, whole: Path, film: Path, tmp_path: Path):
    page = tmp_path / "light.html"
    done = run_cli("predict", str(film), "--model", str(whole), "--fps", "4", "--out", str(page))
    assert done.returncode == 0, done.stderr
    _, (result,) = read_page(page)
    assert len(result["frames"]) == 24, "all there are, of at most 48"
    heights = [moment["scores"]["bright"] for moment in result["timeline"]]
    assert len(heights) == 8
    assert max(heights[:4]) < 0.05, "low while it is dark"
    assert min(heights[4:]) > 0.7
    again = run_cli("predict", str(film), str(film), "--model", str(whole), "--out", str(page))
    assert again.returncode == 0, again.stderr
    assert len(read_page(page)[1]) == 2


@needs_chromium
def test_a_browser_draws_a_lane_for_each_label_and_rating(run_cli: RunCli, whole: Path, film: Path, tmp_path: Path):
    page = tmp_path / "light.html"
    done = run_cli("predict", str(film), "--model", str(whole), "--fps", "4", "--out", str(page))
    assert done.returncode == 0, done.stderr
    with opened(page) as seen:
        lanes = seen.locator(".lane .soft").all_inner_texts()
        assert sorted(lane.split(",")[0].split()[-1] for lane in lanes) == ["bright", "dark", "dim", "left", "light"]
        assert seen.locator(".person strong").inner_text() != ""


def test_a_folder_of_clips(run_cli: RunCli, whole: Path, film: Path, street: Path, tmp_path: Path):
    clips, mixed = tmp_path / "clips", tmp_path / "mixed"
    for place in (clips / "b.mp4", clips / "below" / "a.mp4", mixed / "b.mp4"):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(film.read_bytes())
    (mixed / "street.png").write_bytes(street.read_bytes())
    for told in (["--as", "scene", "--model", whole], ["--model", whole]):
        done = run_cli("predict", clips, *told, "--fps", "1", "--json")
        assert done.returncode == 0, done.stderr
        results = json.loads(done.stdout)["results"]
        assert [Path(result["input"]) for result in results] == [clips / "b.mp4", clips / "below" / "a.mp4"]
        assert [len(result["timeline"]) for result in results] == [2, 2]
    done = run_cli("predict", clips, film, "--model", whole, "--fps", "1", "--out", tmp_path / "all.csv")
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(io.StringIO((tmp_path / "all.csv").read_text("utf-8"))))
    assert [row["frames"] for row in rows] == ["2"] * 3  # a row for each clip
    told = one_line(run_cli("predict", mixed, "--model", whole), 1)
    assert f"{mixed} holds 1 picture and 1 clip: give them in two calls" in told
    assert "two calls" in one_line(run_cli("predict", clips, street, "--model", whole), 1)
    (tmp_path / "empty").mkdir()
    assert "without pictures or clips" in one_line(run_cli("predict", tmp_path / "empty", "--model", whole), 1)


def test_clips_and_pictures_through_the_api(whole: Path, film: Path, street: Path, tmp_path: Path):
    model = mien.load(whole)
    first, clip, broken, last = model.predict_many([str(street), film, tmp_path / "no.mp4", str(street)])
    assert first.to_dict() == last.to_dict()
    assert (clip.clip is not None, len(clip.timeline)) == (True, 4)  # two a second
    assert "no.mp4" in str(broken.error)
    assert clip.to_dict() == model.predict(film).to_dict()


def test_persons_are_followed_through_a_clip(persons: Path, tmp_path: Path):
    frames = []
    for number in range(12):
        frame = np.full((240, 320, 3), (120, 140, 160), np.uint8)
        x = 40 + 8 * number
        frame[20:110, x : x + 90] = cv2.resize(drawn_face(140), (90, 90))
        frames.append(frame)
    result = mien.load(persons).predict(write_clip(tmp_path / "walk.mp4", frames, fps=6))
    (person,) = result.people
    assert person.moments == len(result.timeline) == 4
    lefts = [moment.prediction.box[0] for moment in result.timeline]
    assert lefts == sorted(lefts)
    assert person.prediction.ratings["light"] == pytest.approx(
        np.mean([moment.prediction.ratings["light"] for moment in result.timeline])
    )


# ------------------------------------------------------------------------------------------- measuring, bad input


def test_evaluate_measures_labels_and_ratings(run_cli: RunCli, whole: Path, tmp_path: Path):
    lines = ["path,labels,light"]
    for number in range(12):
        gray = 20 * number + 10
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((40, 40, 3), gray, np.uint8))
        held = [name for name, cut in zip(scene_model.LABELS, scene_model.CUTS, strict=True) if gray / 255 > cut]
        lines.append(f"{number}.png,{'|'.join(held)},{1 + 6 * gray / 255:.3f}")
    (tmp_path / "gray.csv").write_text("\n".join(lines) + "\n", "utf-8")
    spec = f"table:{tmp_path / 'gray.csv'}?modality=scene&ratings=light:1:7&label_separator=|"
    done = run_cli("evaluate", str(whole), "--data", spec, "--split", "all", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["map"] == pytest.approx(1)
    assert document["ratings"]["light"]["pearson"] == pytest.approx(1, abs=1e-4)
    assert document["ratings"]["light"]["mae"] < 0.01


@pytest.mark.parametrize("views", [("picture",), ("picture", "person")])
def test_bench_reads_files(tmp_path: Path, views: tuple[str, ...]):
    figures = measure(str(scene_model.scene_model(tmp_path / "m", views)), count=8, batch_size=4)
    assert figures["pictures"] == 8
    assert figures["pictures_per_s"] > 0
    assert figures["latency_ms"]["p50"] <= figures["latency_ms"]["p95"]


def test_what_cannot_be_is_one_line(
    run_cli: RunCli, whole: Path, persons: Path, street: Path, film: Path, tmp_path: Path
):
    (tmp_path / "bad.jpg").write_bytes(b"no picture")
    cases = [
        (["predict", str(tmp_path / "bad.jpg"), "--model", str(whole)], 1, "bad.jpg"),
        (["predict", str(street), str(film), "--model", str(whole)], 1, "give pictures and clips in two calls"),
        (["predict", str(street), "--model", str(whole), "--box", "0,0,10,10"], 1, "takes no boxes"),
        (["predict", str(street), "--model", str(persons), "--box", "900,0,990,10"], 1, "lies outside"),
        (["predict", str(film), "--model", str(whole), "--out", str(tmp_path / "a.mp4")], 1, "made of faces"),
    ]
    for arguments, code, said in cases:
        done = run_cli(*arguments)
        assert said in one_line(done, code)
    for arguments in (["--box", "1,2,3"], ["--box", "a,b,c,d"]):
        assert run_cli("predict", str(street), "--model", str(persons), *arguments).returncode == 2
    assert run_cli("predict", "a text", "--box", "0,0,1,1").returncode == 2
