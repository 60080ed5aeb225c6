"""Faces that could not be seen well: marked everywhere, counted nowhere, unless all are to be.

The judged model finds light faces reliable and dark ones not: what is counted can be told from the pictures.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import mien
from face_model import FER, scene
from judged import ANGRY, HAPPY, LIMIT, SPACE, clip, face, picture
from mien.modalities.smoother import Smoother
from mien.output.draw import annotate
from mien.output.rows import QUALITY, RowFormat, Tally
from mien.output.seconds import by_second
from mien.output.tracks import tracks
from mien.output.writer import open_writer
from mien.results import Certainty, Glance, Moment, Prediction, Quality, Result
from mien.results.notebook import result_html

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


@pytest.mark.parametrize("ending", ["jsonl", "csv"])
def test_a_run_that_was_stopped_goes_on_with_its_counts(tmp_path: Path, ending: str) -> None:
    results = [picture(face(ANGRY, 0.2), face(HAPPY, 0.8)) for _ in range(4)]
    manifest, target = mien.load("face", threads=1).manifest, tmp_path / f"o.{ending}"

    def write(most: int) -> Tally:
        with open_writer(target, "picture", manifest, key={"a": 1}, size=2) as writer:
            for some in writer.pending(results):
                for result in some:
                    if not most:
                        raise KeyboardInterrupt
                    writer.write(result)
                    most -= 1
        return writer.tally

    with pytest.raises(KeyboardInterrupt):
        write(3)
    tally = write(2)  # the two that were not kept
    assert (tally.inputs, tally.labels, tally.uncounted) == (4, {HAPPY: 4}, 4)
    if ending == "jsonl":
        read = [Result.from_dict(json.loads(line)) for line in target.read_text("utf-8").splitlines()]
        assert [one.to_dict() for one in read] == [one.to_dict() for one in results]


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
