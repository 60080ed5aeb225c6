"""Faces that could not be seen well: marked everywhere, counted nowhere, unless all are to be.

The judged model finds light faces reliable and dark ones not: what is counted can be told from the pictures.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from typer.testing import CliRunner

import mien
from face_model import FER, Squares, expected, face_model, reliability, scene, video_model
from filmed import write_clip
from mien.cli.app import app
from mien.errors import InputError
from mien.inputs import Kind
from mien.labels import SPACES
from mien.modalities.face.predictor import FacePredictor
from mien.modalities.smoother import Smoother
from mien.modalities.video.predictor import VideoPredictor
from mien.output.draw import annotate
from mien.output.html import write_page as write_html
from mien.output.rows import QUALITY, RowFormat, Tally
from mien.output.seconds import by_second
from mien.output.tracks import tracks
from mien.results import Box, Certainty, ClipSummary, Glance, Moment, Person, Prediction, Quality, Result
from mien.results.notebook import result_html
from result_pages import read_page
from serving import serving

SPACE, LIMIT = SPACES["fer7"], 0.5
HAPPY, ANGRY = FER[3], FER[0]


def face(label: str, reliable: float | None, box: Box | None = (10, 10, 60, 60), score: float = 0.7) -> Prediction:
    rest = (1 - score) / (len(FER) - 1)
    scores = {name: score if name == label else rest for name in FER}
    quality = Quality(0.9, 50.0, 0.1, 1.0, 2.0, 3.0, reliability=reliable)
    return Prediction(scores, SPACE, box=box, certainty=Certainty(LIMIT, 0.2), quality=quality)


def picture(*items: Prediction, all_faces: bool = False) -> Result:
    return Result("a.png", "face", "face", items, all_faces=all_faces)


def clip(shown: list[tuple[str, float]], all_faces: bool = False) -> Result:
    """One person, five moments a second, each a label and its reliability."""
    moments = tuple(Moment(place / 5, 1, face(*one)) for place, one in enumerate(shown))
    whole, end = face(HAPPY, 0.9, None), moments[-1].time
    people = (Person(1, whole, 0.0, end, len(moments)),)
    summary = ClipSummary(len(moments) / 5, 80, 80, len(moments))
    return Result("a.mp4", "video", "video", (whole,), None, {}, moments, people, (), summary, all_faces=all_faces)


# ------------------------------------------------------------------------------------------------------ results


def test_an_unreliable_face_does_not_stand_for_its_picture_unless_all_count() -> None:
    good, bad = face(HAPPY, 0.8, score=0.6), face(ANGRY, 0.2, score=0.9)
    result = picture(bad, good)
    assert (result.label, result.unsure, result.uncounted) == (HAPPY, False, 1)
    assert [result.counts(item) for item in result.items] == [False, True]
    every = picture(bad, good, all_faces=True)
    assert (every.label, every.unsure, every.uncounted) == (ANGRY, True, 0)
    assert "all_faces" not in result.to_dict()
    assert every.to_dict()["all_faces"] is True


def test_a_face_without_a_reliability_counts_however_unsure_its_score() -> None:
    low = face(HAPPY, None, score=0.3)
    assert (low.unsure, low.unreliable, picture(low).uncounted) == (True, False, 0)


def test_an_unreliable_face_stays_one_in_a_coarser_space() -> None:
    rolled = picture(face(ANGRY, 0.2), face(HAPPY, 0.8)).rollup("ekman7")
    assert [(item.label, item.unsure) for item in rolled.items] == [("anger", True), ("joy", False)]
    assert rolled.uncounted == 1


def test_a_clip_that_is_rolled_up_has_no_segments_of_what_does_not_count() -> None:
    shown = [(HAPPY, 0.9)] * 10 + [(ANGRY, 0.1)] * 10
    plain, every = clip(shown), clip(shown, all_faces=True)
    some = {one.label: one for one in mien.results.segments_of(plain.timeline, plain.clip)}  # type: ignore[arg-type]
    rolled = replace(plain, segments=tuple(some.values())).rollup("ekman7")
    assert {part.label for part in rolled.segments} == {"joy"}
    rolled = replace(every, segments=tuple(some.values())).rollup("ekman7")
    assert {part.label for part in rolled.segments} == {"joy", "anger"}


_SHARES = st.floats(0, 1, allow_nan=False)
_NONE_OR = st.none() | _SHARES


@st.composite
def _faces(draw: st.DrawFn) -> Prediction:
    raw = draw(st.lists(st.integers(0, 30), min_size=7, max_size=7).filter(any))
    scores = dict(zip(FER, (value / sum(raw) for value in raw), strict=True))
    angles = st.none() | st.floats(-90, 90)
    told = _NONE_OR | st.just(LIMIT) | st.floats(LIMIT - 1e-6, LIMIT + 1e-6)
    quality = Quality(
        draw(_NONE_OR), draw(st.floats(1, 4000)), draw(_SHARES),
        draw(angles), draw(angles), draw(angles), draw(_SHARES),
        draw(_NONE_OR), draw(_NONE_OR), draw(_NONE_OR), draw(told),
    )  # fmt: skip
    return Prediction(scores, SPACE, box=(1, 2, 30, 40), certainty=Certainty(LIMIT, 0.2), quality=draw(
        st.just(quality) | st.none()))  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(_faces(), max_size=5), st.booleans(), st.booleans())
def test_a_result_comes_back_from_its_json(items: list[Prediction], all_faces: bool, known: bool) -> None:
    result = picture(*items, all_faces=all_faces)
    told = json.loads(json.dumps(result.to_dict()))
    again = Result.from_dict(told, SPACE, certainty=Certainty(LIMIT, 0.2) if known else None)
    assert (again.label, again.unsure, again.uncounted) == (result.label, result.unsure, result.uncounted)
    assert [item.unreliable for item in again.items] == [item.unreliable for item in result.items]
    assert [item.label_set for item in again.items] == [item.label_set for item in result.items]
    for one, other in zip(again.items, items, strict=True):
        assert (one.quality and one.quality.to_dict()) == (other.quality and other.quality.to_dict())
    assert json.loads(json.dumps(again.to_dict())) == told


def test_a_clip_comes_back_from_its_json() -> None:
    result = clip([(HAPPY, 0.9), (ANGRY, 0.1)])
    again = Result.from_dict(json.loads(json.dumps(result.to_dict())))
    assert [again.counts(moment.prediction) for moment in again.timeline] == [True, False]
    assert again.to_dict() == result.to_dict()


# ------------------------------------------------------------------------------------------------------- counts


@pytest.mark.parametrize("all_faces", [False, True])
def test_a_tally_counts_what_counts(all_faces: bool) -> None:
    tally = Tally()
    tally.add(picture(face(HAPPY, 0.8), face(ANGRY, 0.2), face(ANGRY, 0.1), all_faces=all_faces), "picture")
    tally.add(picture(), "picture")
    assert tally.labels == (Counter({HAPPY: 1, ANGRY: 2}) if all_faces else Counter({HAPPY: 1}))
    assert (tally.unsure, tally.uncounted) == ((2, 0) if all_faces else (0, 2))
    again = Tally.of_dict(json.loads(json.dumps(tally.to_dict())))
    again += tally
    assert (again.uncounted, again.inputs) == (2 * tally.uncounted, 4)
    del (values := tally.to_dict())["uncounted"]
    assert Tally.of_dict(values).uncounted == 0, "of an earlier version"


@pytest.mark.parametrize("all_faces", [False, True])
def test_rows_of_faces_and_clips_say_how_well_each_was_seen(all_faces: bool) -> None:
    faces = picture(face(HAPPY, 0.8), face(ANGRY, 0.2), all_faces=all_faces)
    rows = list(RowFormat("picture").rows(faces, {}))
    assert [(row["reliability"], row["unsure"], row["yaw"], row["size"]) for row in rows] == [
        (0.8, False, 1.0, 50.0), (0.2, True, 1.0, 50.0),
    ]  # fmt: skip
    assert {*QUALITY} <= set(rows[0])
    film = clip([(HAPPY, 0.9)] * 3 + [(ANGRY, 0.1)] * 1, all_faces)
    (row,) = RowFormat("clip", scores=True).rows(film, {})
    assert (row["moments"], row["uncounted"]) == (4, 0 if all_faces else 1)
    assert (row[f"share_{HAPPY}"], row[f"share_{ANGRY}"]) == ((0.75, 0.25) if all_faces else (1.0, 0.0))
    moments = list(RowFormat("clip", timeline=True).rows(film, {}))
    assert [row["unsure"] for row in moments] == [False] * 3 + [True]
    (row,) = RowFormat("clip", scores=True).rows(clip([(ANGRY, 0.1)]), {})
    assert row[f"share_{ANGRY}"] is None, "nothing is known of the share"


def test_tracks_leave_out_what_does_not_count() -> None:
    shown = [(HAPPY, 0.9)] * 5 + [(ANGRY, 0.1)] * 5 + [(HAPPY, 0.9)] * 5
    (track,) = tracks(clip(shown).to_dict())
    edges = np.linspace(0, 3, 31)
    there = ~np.isnan(track.over(edges)[:, 0])
    assert there[:9].all()
    assert there[20:].all()
    assert not there[11:19].any()
    assert np.nanargmax(track.over(edges)[:9], axis=1).tolist() == [FER.index(HAPPY)] * 9
    (every,) = tracks(clip(shown, all_faces=True).to_dict())
    assert not np.isnan(every.over(edges)).any()
    found = track.at(1.5)
    assert found is not None
    assert track.unsure[found[2]], "it is drawn still, and hollow"


# -------------------------------------------------------------------------------------------------- over time, live


def test_a_second_is_the_mean_of_what_counts() -> None:
    glances = [
        Glance(0.0, (Moment(0.0, 1, face(HAPPY, 0.9)), Moment(0.0, 2, face(ANGRY, 0.1)))),
        Glance(0.5, (Moment(0.5, 1, face(ANGRY, 0.2)),)),
    ]
    (second,) = by_second(glances)
    first, other = second.people  # type: ignore[union-attr]
    assert (first.prediction.label, first.prediction.score, first.prediction.unsure) == (HAPPY, 0.7, False)
    assert (other.prediction.label, other.prediction.unsure) == (ANGRY, True)
    (second,) = by_second(glances, all_faces=True)
    first, other = second.people  # type: ignore[union-attr]
    assert first.prediction.scores[ANGRY] == pytest.approx((0.7 + 0.05) / 2)
    assert first.prediction.quality is not None
    assert first.prediction.quality.reliability == pytest.approx((0.9 + 0.2) / 2)


def test_an_unreliable_face_does_not_move_smoothed_scores() -> None:
    good, bad = face(HAPPY, 0.9), face(ANGRY, 0.1)
    smoother, every = Smoother(0.4), Smoother(0.4, all_faces=True)
    for each in (smoother, every):
        each.update(0.0, picture(bad))
        each.update(0.1, picture(good))
    (seen,), people = smoother.update(0.2, picture(bad))[0].items, [1]
    assert (seen, people) == (bad, [1]), "shown as it is"
    assert smoother.update(0.3, picture(good))[0].items[0].scores == good.scores
    assert every.update(0.3, picture(good))[0].items[0].scores[ANGRY] > good.scores[ANGRY]


# ------------------------------------------------------------------------------------------------------- drawn


def test_an_unsure_face_is_drawn_in_thin_gaps_and_paler() -> None:
    ground = np.full((1000, 1000, 3), 255, np.uint8)
    box = (300.0, 300.0, 700.0, 700.0)
    sure, unsure = (annotate(ground, picture(face(HAPPY, told, box))) for told in (0.9, 0.1))
    rim = slice(290, 302), slice(340, 660)  # the upper edge of the frame

    def share(drawn: np.ndarray) -> float:
        return float((drawn[rim] != 255).any(axis=(0, 2)).mean())

    assert share(sure) == 1
    assert 0.35 < share(unsure) < 0.75, "dashes"
    strength = [np.ptp(drawn[rim].reshape(-1, 3).astype(int), axis=1).max() for drawn in (sure, unsure)]
    assert strength[1] < 0.75 * strength[0], "half gray"
    assert (sure != 255).any(axis=2).sum() > 1.5 * (unsure != 255).any(axis=2).sum(), "without bars"


def test_a_notebook_shows_it(tmp_path: Path) -> None:
    Image.fromarray(scene(1, 1)).save(tmp_path / "a.png")
    result = replace(picture(face(HAPPY, 0.9), face(ANGRY, 0.1)), input=str(tmp_path / "a.png"))
    page = result_html(result)
    assert page.count("stroke-dasharray") == 1
    assert "angry?" in page
    assert "1 of 2 faces unsure, not counted" in page
    assert "reliable 10 %" in page
    assert "not counted" not in result_html(replace(result, all_faces=True))


# ------------------------------------------------------------------------------------------------ with a model


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three pictures with three light faces and two dark ones, a clip of a light face that darkens, and the models."""
    made = tmp_path_factory.mktemp("judged")
    (made / "pictures").mkdir()
    for name, shown in {"dark": (4, None), "light": (1, 1), "two": (1, 4)}.items():
        Image.fromarray(scene(*shown)).save(made / "pictures" / f"{name}.png")
    light = [max(0.2, min(1, 2.5 - place / 10)) for place in range(30)]
    write_clip(made / "clip.mp4", [(scene(1, None) * share).astype(np.uint8) for share in light], fps=10)
    face_model(made / "face", judged=True)
    video_model(made / "video", judged=True, smooth=0)
    return made


@pytest.fixture
def here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MIEN_THREADS", "1")
    monkeypatch.setenv("COLUMNS", "200")
    return folder


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def ran(*args: Any) -> Any:
    done = CliRunner().invoke(app, list(map(str, args)), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done


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
    for shown, counts in zip((plain, every), shares, strict=True):
        assert f"{counts[HAPPY] / counts.total():.0%} of the time" in shown
    assert shares[0] != shares[1]


@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl"])
def test_files_say_it_and_a_run_that_was_stopped_goes_on(here: Path, tmp_path: Path, ending: str) -> None:
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
    ran("watch", "clip.mp4", "--model", "video", "--smooth", 0, "--out", tmp_path / "w.csv")
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
