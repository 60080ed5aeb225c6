"""Pictures and clips with faces that could not be seen well: what commands, pages, reports and the server count."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest
from typer.testing import CliRunner

import mien
from browser import needs_chromium
from face_model import FER, Squares, expected, reliability
from judged import ANGRY, HAPPY, LIMIT, clip, ran, rows_of, write_judged
from mien.cli.app import app
from mien.errors import InputError
from mien.inputs import Kind
from mien.modalities.face.predictor import FacePredictor
from mien.modalities.video.predictor import VideoPredictor
from mien.output.html import write_page as write_html
from mien.results import Result
from result_pages import opened, read_page
from serving import serving


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_judged(tmp_path_factory.mktemp("judged"))


@pytest.fixture
def here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MIEN_THREADS", "1")
    monkeypatch.setenv("COLUMNS", "200")
    return folder


def test_predictors_tell_reliabilities_and_take_the_option(folder: Path) -> None:
    model = mien.load(folder / "face", threads=1)
    assert isinstance(model, FacePredictor)
    vars(model)["detector"] = Squares()
    shot = np.full((100, 200, 3), 0, np.uint8)
    shot[20:70, 10:60], shot[20:60, 100:140] = 40, 200
    plain, every = model.predict(shot), model.predict(shot, all_faces=True)
    told = [item.quality.reliability for item in plain.items if item.quality]
    assert told == pytest.approx([reliability(40 / 255), reliability(200 / 255)], abs=0.02)
    assert [item.unsure for item in plain.items] == [item.unsure for item in every.items] == [True, False]
    assert (plain.label, plain.uncounted) == (FER[int(expected(200 / 255).argmax())], 1)
    assert (every.all_faces, every.uncounted) == (True, 0)
    assert list(model.predict_many([shot, shot], all_faces=True)) == [every, every]
    assert model.counting_all().predict(shot) == every
    assert not model.predict(shot).all_faces, "a twin does not change the model"


def test_clips_count_all_moments_if_asked_for(folder: Path) -> None:
    model = mien.load(folder / "video", threads=1)
    assert isinstance(model, VideoPredictor)
    clips = [str(folder / "clip.mp4")]
    (plain,), (every,) = model.predict_many(clips), model.predict_many(clips, all_faces=True)
    assert len(plain.timeline) == len(every.timeline)
    dark = [float(moment.to_dict()["quality"]["reliability"]) < LIMIT for moment in plain.timeline]
    assert [not plain.counts(moment.prediction) for moment in plain.timeline] == dark
    assert 3 <= plain.uncounted == sum(dark) < len(dark)
    assert every.uncounted == 0
    assert plain.items[0].scores[HAPPY] > every.items[0].scores[HAPPY]
    assert ANGRY not in {one.label for one in plain.segments}
    assert {one.label for one in every.segments} >= {HAPPY, ANGRY}
    reading = model.read(clips[0], all_faces=True)
    for _ in reading:
        pass
    assert reading.result() == every


def test_the_terminal_leaves_out_unsure_faces_and_says_so(here: Path) -> None:
    plain = ran("predict", "pictures", "--model", "face").stdout
    assert "angry?" in plain
    assert "3 faces" in plain
    assert "2 of 5 faces unsure, not counted (below a reliability of 0.50; " in plain
    assert "--all-faces counts them" in plain
    every = ran("predict", "pictures", "--model", "face", "--all-faces").stdout
    assert "5 faces" in every
    assert "angry?" in every
    assert "not counted" not in every
    one = ran("predict", "pictures/dark.png", "--model", "face").stdout
    assert "the face is unsure, not counted" in one


def test_the_terminal_leaves_moments_of_a_clip_out(here: Path) -> None:
    plain = ran("predict", "clip.mp4", "--model", "video").stdout
    total = mien.load("video", threads=1).predict("clip.mp4")
    assert f"{total.uncounted} of {len(total.timeline)} moments unsure, not counted" in plain
    every = ran("predict", "clip.mp4", "--model", "video", "--all-faces").stdout
    assert "not counted" not in every
    shares = [Counter(moment.prediction.label for moment in total.timeline if told or total.counts(moment.prediction))
              for told in (False, True)]  # fmt: skip
    for shown, counts, of in zip((plain, every), shares, ("what counts", "the time"), strict=True):
        assert f"{counts[HAPPY] / counts.total():.0%} of {of}" in shown
    assert shares[0] != shares[1]


@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl"])
def test_files_say_it(here: Path, tmp_path: Path, ending: str) -> None:
    out = tmp_path / f"o.{ending}"
    done = ran("predict", "pictures", "--model", "face", "--out", out)
    assert "2 of 5 faces unsure, not counted; --all-faces counts them" in done.stderr
    if ending == "jsonl":
        results = [Result.from_dict(json.loads(line)) for line in out.read_text("utf-8").splitlines()]
        model = mien.load(here / "face", threads=1)
        fresh = list(model.predict_many(["pictures/dark.png", "pictures/light.png", "pictures/two.png"]))
        assert [one.to_dict() for one in results] == [one.to_dict() for one in fresh]
        assert [one.uncounted for one in results] == [1, 0, 1]
        return
    rows = pyarrow.parquet.read_table(out).to_pylist() if ending == "parquet" else rows_of(out)
    assert [str(row["unsure"]) for row in rows] == ["True", "False", "False", "False", "True"]
    assert [float(row["reliability"]) < LIMIT for row in rows] == [True, False, False, False, True]
    again = ran("predict", "pictures", "--model", "face", "--all-faces", "--out", out)
    assert "not counted" not in again.stderr
    assert "2 of 5 are unsure, and marked so" in again.stderr


def test_pages_say_it(here: Path, tmp_path: Path) -> None:
    ran("predict", "pictures", "--model", "face", "--out", tmp_path / "p.html")
    about, results = read_page(tmp_path / "p.html")
    assert (about["title"], about["counts"]) == ("5 faces in 3 pictures", {HAPPY: 3})
    assert about["uncounted"] == "2 of 5 faces unsure, not counted; --all-faces counts them"
    assert [len(result["items"]) for result in results] == [1, 2, 2], "listed still"
    ran("predict", "pictures", "--model", "face", "--all-faces", "--out", tmp_path / "a.html")
    about, results = read_page(tmp_path / "a.html")
    assert (about["counts"], about["uncounted"]) == ({HAPPY: 3, ANGRY: 2}, "")
    assert all(result["all_faces"] for result in results)
    ran("predict", "clip.mp4", "--model", "video", "--out", tmp_path / "c.html")
    _, (film,) = read_page(tmp_path / "c.html")
    assert "moments unsure, not counted" in film["uncounted"]


@needs_chromium
def test_a_page_of_results_does_the_same(here: Path, tmp_path: Path) -> None:
    ran("predict", "pictures", "--model", "face", "--out", tmp_path / "p.html")
    expect = pytest.importorskip("playwright.sync_api").expect
    with opened(tmp_path / "p.html") as shown:
        expect(shown.locator(".box.unsure")).to_have_count(2)
        expect(shown.locator(".box:not(.unsure)")).to_have_count(3)
        expect(shown.locator(".page-head")).to_contain_text("2 of 5 faces unsure, not counted")
        assert shown.locator(".counts .chip").all_inner_texts() == ["😄 happy 3 100.0%"]


def test_means_on_a_page_are_of_what_counts(tmp_path: Path) -> None:
    """More moments than a page shows: in each mean there are both kinds."""
    film = clip([(HAPPY, 0.9), (ANGRY, 0.1)] * 600)
    made = replace(film, input=str(tmp_path / "gone.mp4"))
    kind: Kind = "clip"
    write_html(tmp_path / "c.html", [made.to_dict()], kind, mien.load("video", threads=1).manifest)
    _, (shown,) = read_page(tmp_path / "c.html")
    assert len(shown["timeline"]) <= 240
    assert {(moment["label"], moment["unsure"]) for moment in shown["timeline"]} == {(HAPPY, False)}


@pytest.mark.parametrize(("options", "counts", "unsure"), [
    ({}, {HAPPY: 3}, 2),
    ({"all_faces": True}, {HAPPY: 3, ANGRY: 2}, 0),
    ({"count_unsure": True}, {HAPPY: 3, ANGRY: 2}, 0),
    ({"min_score": 0.3}, {HAPPY: 3}, 2),
    ({"min_score": 0.3, "all_faces": True}, {HAPPY: 3, ANGRY: 2}, 0),
    ({"min_score": 0.9, "all_faces": True}, {}, 5),
    ({"labels": "ekman7", "min_score": 0.3}, {"joy": 3}, 2),
])  # fmt: skip
def test_reports_count_what_counts(here: Path, options: dict[str, Any], counts: dict[str, int], unsure: int) -> None:
    document = mien.report("pictures", model="face", **options).document
    assert {row["label"]: row["count"] for row in document["labels"] if row["count"]} == counts
    assert (document["rows"], document["unsure"]["count"]) == (5, unsure)
    if unsure == 2:
        assert document["unsure_because"] == {"the face could not be seen well enough": 2}


def test_a_report_of_a_clip_is_of_its_reliable_seconds(here: Path) -> None:
    plain, every = (mien.report("clip.mp4", model="video", all_faces=told).document for told in (False, True))
    by_label = [{row["label"]: row["seconds"] for row in one["labels"]} for one in (plain, every)]
    assert by_label[0][ANGRY] == 0
    more = {label: by_label[1][label] - seconds for label, seconds in by_label[0].items()}
    assert sum(more.values()) == pytest.approx(plain["unsure"]["seconds"], abs=0.01)
    assert more[ANGRY] > 0.5
    assert plain["unsure"]["seconds"] > 0.5
    assert every["unsure"]["seconds"] == 0
    assert plain["certainty"]["of"] == "reliability"
    assert sum(row["seconds"] for row in every["labels"]) == pytest.approx(3, abs=0.25)


def test_the_report_verb_takes_the_option(here: Path, tmp_path: Path) -> None:
    plain = ran("report", "pictures", "--model", "face", "--out", tmp_path / "r.html").stdout
    assert "2 of 5 are unsure and not counted (below a reliability of 0.50; " in plain
    assert "--all-faces counts them" in plain
    assert "not counted" not in ran("report", "pictures", "--model", "face", "--all-faces", "--json").stdout


def test_a_watched_clip_counts_as_it_is_told(here: Path, tmp_path: Path) -> None:
    done = ran("watch", "clip.mp4", "--model", "video", "--smooth", 0, "--out", tmp_path / "w.csv")
    plain = mien.load("video", threads=1).predict("clip.mp4")
    assert f"{plain.uncounted} of 15 moments unsure, not counted; --all-faces counts them" in done.stderr
    rows = rows_of(tmp_path / "w.csv")
    assert [row["unsure"] for row in rows] == ["False"] * 3, "there is something reliable in each second"
    assert all(float(row["reliability"]) > LIMIT for row in rows)
    ran("watch", "clip.mp4", "--model", "video", "--smooth", 0, "--all-faces", "--out", tmp_path / "a.csv")
    every = rows_of(tmp_path / "a.csv")
    assert [one == other for one, other in zip(every, rows, strict=True)] == [True, True, False]
    assert float(every[2]["score"]) < float(rows[2]["score"])


def test_it_is_for_faces(here: Path) -> None:
    for args in (("so glad",), ("--as", "scene", "pictures/two.png")):
        refused = CliRunner().invoke(app, ["predict", *args, "--all-faces"])
        assert (refused.exit_code, "--all-faces is for faces in pictures and clips" in refused.output) == (2, True)
    with pytest.raises(InputError, match="--all-faces is for faces"):
        mien.report(["so glad", "so sad"], all_faces=True)
    with pytest.raises(InputError, match="no faces to count"):
        mien.watch("clip.mp4", "scene", all_faces=True)


def test_the_server_and_its_client(folder: Path) -> None:
    from mien.client import Client

    shot = (folder / "pictures" / "two.png").read_bytes()
    with serving("--model", folder / "face", "--model", folder / "video") as server:
        plain = server.upload("/v1/face", [("two.png", shot)]).json()["results"][0]
        every = server.upload("/v1/face", [("two.png", shot)], [("all_faces", "true")]).json()["results"][0]
        assert [item["unsure"] for item in plain["items"]] == [False, True]
        assert ("all_faces" in plain, every["all_faces"]) == (False, True)
        problem = server.upload("/v1/face", [("two.png", shot)], [("all_faces", "yes")]).problem(422)
        assert "all_faces must be true or false" in problem
        film = (folder / "clip.mp4").read_bytes()
        some, all_of_it = (
            server.upload("/v1/video", [("clip.mp4", film)], [("all_faces", told)]).json()["results"][0]
            for told in ("false", "true")
        )
        assert some["items"][0]["scores"][HAPPY] > all_of_it["items"][0]["scores"][HAPPY]
        document = server.get("/openapi.json").json()
        told = document["components"]["schemas"]["Quality"]["properties"]
        assert {*told} == {*plain["items"][0]["quality"]}
        body = document["paths"]["/v1/face"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
        assert body["properties"]["all_faces"]["type"] == "boolean"
        with Client(f"http://127.0.0.1:{server.port}") as client:
            local = mien.load(folder / "face").predict(folder / "pictures" / "two.png")
            far = client.predict(folder / "pictures" / "two.png")
            assert [item.unreliable for item in far.items] == [item.unreliable for item in local.items]
            assert (far.label, far.uncounted) == (local.label, 1)
            assert client.predict(folder / "pictures" / "two.png", all_faces=True).all_faces
