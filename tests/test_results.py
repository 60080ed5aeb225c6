"""Predictions and results: what they refuse, which labels hold, and their JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from mien.labels import SPACES
from mien.results import ClipSummary, Moment, Person, Prediction, Result, Segment

CARER, GO = SPACES["carer6"], SPACES["goemotions28"]


def single(*scores: float) -> Prediction:
    return Prediction(dict(zip(CARER.names, scores, strict=True)), CARER)


def several(**scores: float) -> Prediction:
    return Prediction(dict.fromkeys(GO.names, 0.01) | scores, GO, thresholds={"joy": 0.2, "grief": 0.9})


def test_the_strongest_label_counts() -> None:
    prediction = single(0.1, 0.2, 0.4, 0.1, 0.1, 0.1)
    assert (prediction.label, prediction.score, prediction.emoji) == ("love", 0.4, "❤️")
    assert prediction.labels == ("love",)


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ({"joy": 1.0}, "labels of carer6 in order"),
        (dict(zip(reversed(CARER.names), [0, 0, 0, 0, 0, 1], strict=True)), "in order"),
        (dict(zip(CARER.names, [0.5, 0.4, 0, 0, 0, 0], strict=True)), "sum to 1, got 0.9000"),
        (dict(zip(CARER.names, [1.5, -0.5, 0, 0, 0, 0], strict=True)), "sadness must lie in 0..1, got 1.5"),
        (dict(zip(CARER.names, [float("nan"), 1, 0, 0, 0, 0], strict=True)), "sadness must lie in 0..1, got nan"),
        (dict(zip(CARER.names, [0, float("inf"), 0, 0, 0, 0], strict=True)), "joy must lie in 0..1, got inf"),
    ],
)
def test_scores_that_are_no_probabilities_are_refused(scores: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Prediction(scores, CARER)


def test_independent_scores_need_not_sum_to_one() -> None:
    assert several(joy=0.9, love=0.8).labels == ("joy", "love")


def test_rounding_of_the_network_is_borne() -> None:
    assert single(1.0000005, 0, 0, 0, 0, 0).label == "sadness"


@pytest.mark.parametrize(("box", "good"), [((1, 2, 3, 4), True), ((3, 2, 1, 4), False), ((1, 4, 3, 2), False)])
def test_a_box_is_left_top_right_bottom(box: tuple[float, float, float, float], good: bool) -> None:
    scores = dict.fromkeys(CARER.names, 0.0) | {"joy": 1.0}
    if good:
        assert Prediction(scores, CARER, box=box).to_dict()["box"] == [1.0, 2.0, 3.0, 4.0]
    else:
        with pytest.raises(ValueError, match="left, top, right, bottom"):
            Prediction(scores, CARER, box=box)


@pytest.mark.parametrize(
    ("scores", "labels"),
    [
        ({"joy": 0.2, "love": 0.7}, ("love", "joy")),  # joy's own threshold is 0.2
        ({"joy": 0.19, "love": 0.5}, ("love",)),  # without one of its own 0.5, and that suffices
        ({"grief": 0.89, "fear": 0.6}, ("fear",)),
        ({"grief": 0.4}, ("grief",)),  # none holds: the strongest
    ],
)
def test_labels_hold_from_their_threshold_on(scores: dict[str, float], labels: tuple[str, ...]) -> None:
    assert several(**scores).labels == labels


def test_a_result_speaks_for_its_strongest_prediction() -> None:
    faces = (single(0.5, 0.5, 0, 0, 0, 0), single(0, 0, 0, 0.9, 0.1, 0))
    result = Result("party.jpg", "face", "tiny", faces)
    assert (result.label, result.score, result.emoji) == ("anger", 0.9, "😠")
    assert result.strongest is faces[1]


def test_a_result_without_predictions() -> None:
    result = Result("", "text", "tiny", error="text is empty")
    assert (result.label, result.score, result.emoji, result.strongest) == (None, None, None, None)
    assert result.to_dict() == {
        "input": "",
        "modality": "text",
        "model": "tiny",
        "label": None,
        "emoji": None,
        "score": None,
        "items": [],
        "error": "text is empty",
    }
    assert result.rollup("ekman7").error == "text is empty"


def test_to_dict_by_hand_and_through_json() -> None:
    document = Result("wow ❤️", "text", "tiny", (single(0.1, 0.2, 0.4, 0.1, 0.1, 0.1),)).to_dict()
    expected: dict[str, Any] = {
        "label": "love",
        "emoji": "❤️",
        "score": 0.4,
        "labels": ["love"],
        "scores": {"sadness": 0.1, "joy": 0.2, "love": 0.4, "anger": 0.1, "fear": 0.1, "surprise": 0.1},
        "box": None,
    }
    assert document["items"] == [expected]
    assert (document["label"], document["emoji"], document["score"]) == ("love", "❤️", 0.4)
    assert json.loads(json.dumps(document, allow_nan=False)) == document


def test_rollup_of_one_label_at_a_time() -> None:
    rolled = Result("x", "text", "tiny", (single(0.1, 0.2, 0.4, 0.1, 0.1, 0.1),)).rollup("ekman7")
    assert (rolled.label, rolled.score) == ("joy", pytest.approx(0.6))
    assert rolled.items[0].space == SPACES["ekman7"]
    assert (rolled.input, rolled.modality, rolled.model) == ("x", "text", "tiny")


def test_rollup_of_several_labels_takes_the_thresholds_of_the_coarser_space() -> None:
    tuned = {"ekman7": {"fear": 0.3, "joy": 0.95}}
    result = Result("x", "text", "tiny", (several(joy=0.9, fear=0.2, nervousness=0.2),), rollup_thresholds=tuned)
    rolled = result.rollup("ekman7").items[0]
    assert rolled.space.multilabel
    assert rolled.scores["fear"] == pytest.approx(1 - 0.8 * 0.8)
    assert rolled.scores["joy"] == pytest.approx(1 - 0.1 * 0.99**11)
    assert rolled.labels == ("fear",)  # 0.36 ≥ 0.3, but joy's 0.91 < 0.95
    assert result.rollup("carer6").items[0].thresholds == {}  # nothing tuned there


def test_a_rollup_to_the_same_space_changes_nothing_and_an_unmapped_one_is_refused() -> None:
    prediction = single(0.1, 0.2, 0.4, 0.1, 0.1, 0.1)
    assert prediction.rollup("carer6") is prediction
    with pytest.raises(ValueError, match="no map from carer6 to fer7"):
        prediction.rollup("fer7")


def test_ratings_stand_beside_labels_or_alone() -> None:
    scores = dict.fromkeys(CARER.names, 0.0) | {"joy": 1.0}
    both = Prediction(scores, CARER, ratings={"valence": 6.25, "arousal": 3})
    assert both.to_dict()["ratings"] == {"valence": 6.25, "arousal": 3}
    assert "ratings" not in Prediction(scores, CARER).to_dict()  # of text and faces the JSON stays as it was
    assert both.rollup("ekman7").ratings == both.ratings
    for rating in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="the rating of valence must be a number, got"):
            Prediction(scores, CARER, ratings={"valence": rating})


def test_a_prediction_without_labels() -> None:
    alone = Prediction({}, SPACES["affect"], ratings={"valence": 2.0})
    assert (alone.label, alone.labels, alone.score, alone.emoji) == (None, (), None, "")
    assert alone.color.startswith("#")
    result = Result("street.jpg", "scene", "scene", (alone,))
    assert (result.label, result.score, result.emoji, result.strongest) == (None, None, "", alone)
    document = result.to_dict()
    assert document["items"] == [
        {
            "label": None,
            "emoji": "",
            "score": None,
            "labels": [],
            "scores": {},
            "box": None,
            "ratings": {"valence": 2.0},
        }
    ]
    assert json.loads(json.dumps(document, allow_nan=False)) == document


# -------------------------------------------------------------------------------------------------- of a clip

CLIP = ClipSummary(2.0, 64, 48, 10)


def moment(time: float, person: int, *scores: float) -> Moment:
    return Moment(time, person, Prediction(dict(zip(CARER.names, scores, strict=True)), CARER, box=(1, 2, 3.04, 4)))


def of_clip(**changes: Any) -> Result:
    parts: dict[str, Any] = {
        "items": (single(0.5, 0.3, 0.2, 0, 0, 0),),
        "timeline": (moment(0, 1, 0.1, 0.4, 0.5, 0, 0, 0), moment(1.23456, 1, 0.9, 0, 0.1, 0, 0, 0)),
        "people": (Person(1, single(0.5, 0.3, 0.2, 0, 0, 0), 0, 1.23456, 2),),
        "segments": (Segment(0, 1.23456, 1, "love", 0.5),),
        "clip": CLIP,
    }
    return Result("a.mp4", "video", "tiny", **(parts | changes))


def test_a_clip_as_json_by_hand() -> None:
    document = of_clip(clip=ClipSummary(2.00004, 64, 48, 10, 3, "cut off after 2.0 s")).to_dict()
    assert list(document)[:8] == list(Result("", "text", "tiny").to_dict())
    assert list(document)[8:] == ["clip", "people", "segments", "timeline"]
    assert document["clip"] == {
        "duration": 2.0, "width": 64, "height": 48, "frames": 10, "skipped": 3, "problem": "cut off after 2.0 s"
    }  # fmt: skip
    assert document["segments"] == [{"start": 0, "end": 1.235, "person": 1, "label": "love", "score": 0.5}]
    (person,) = document["people"]
    assert {key: person[key] for key in ("person", "start", "end", "moments", "label", "score")} == {
        "person": 1, "start": 0, "end": 1.235, "moments": 2, "label": "sadness", "score": 0.5
    }  # fmt: skip
    assert "box" not in person
    second = document["timeline"][1]
    assert (second["time"], second["person"], second["label"], second["box"]) == (1.235, 1, "sadness", [1, 2, 3.0, 4])
    assert document["label"] == "sadness"
    assert json.loads(json.dumps(document, allow_nan=False)) == document


def test_a_clip_that_cannot_be_read_has_the_same_keys() -> None:
    document = Result("a.mp4", "video", "tiny", error="there is no file a.mp4", of_clip=True).to_dict()
    assert (document["clip"], document["people"], document["segments"], document["timeline"]) == (None, [], [], [])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: moment(-0.1, 1, 1, 0, 0, 0, 0, 0), "seconds from 0 on"),
        (lambda: moment(float("nan"), 1, 1, 0, 0, 0, 0, 0), "seconds from 0 on"),
        (lambda: moment(0, 0, 1, 0, 0, 0, 0, 0), "numbered from 1"),
        (lambda: Moment(0, 1, single(1, 0, 0, 0, 0, 0)), "must have the face's box"),
        (lambda: Person(1, single(1, 0, 0, 0, 0, 0), 2, 1, 5), "in order, got 2 to 1"),
        (lambda: Person(1, single(1, 0, 0, 0, 0, 0), 0, 1, 0), "at least one moment"),
        (lambda: Segment(0, 1, 1, "joy", 1.5), "score of joy must lie in 0..1"),
        (lambda: ClipSummary(float("inf"), 4, 4, 1), "duration must be seconds"),
        (lambda: ClipSummary(1, 0, 4, 1), "a frame has pixels, got 0 x 4"),
        (lambda: ClipSummary(1, 4, 4, 1, -1), "counted from 0"),
        (lambda: of_clip(clip=None), "are those of a clip"),
        (lambda: of_clip(timeline=of_clip().timeline[::-1]), "in the order of time"),
        (lambda: of_clip(people=()), r"not listed: \[1\]"),
        (lambda: of_clip(segments=(Segment(0, 1, 2, "joy", 0.5),)), r"not listed: \[2\]"),
        (lambda: of_clip(people=of_clip().people * 2), "in the order of their numbers"),
    ],
)
def test_parts_of_a_clip_that_cannot_be_are_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_a_clip_rolls_up_as_a_whole() -> None:
    torn = (moment(0, 1, 0.4, 0.3, 0.3, 0, 0, 0), moment(0.6, 1, 0.4, 0.2, 0.4, 0, 0, 0))
    rolled = of_clip(timeline=torn).rollup("ekman7")
    ekman = SPACES["ekman7"]
    parts = [*rolled.items, *(part.prediction for part in (*rolled.timeline, *rolled.people))]
    assert [part.space for part in parts] == [ekman] * 4
    assert [moment.prediction.label for moment in rolled.timeline] == ["joy", "joy"], "joy and love are one, 0.6 > 0.4"
    assert rolled.timeline[0].prediction.box == (1, 2, 3.04, 4)
    assert [(part.start, part.end, part.label, part.score) for part in rolled.segments] == [
        (0, pytest.approx(0.8), "joy", pytest.approx(0.6))
    ], "what is shown steadily in the coarser space"
    assert (rolled.people[0].end, rolled.clip) == (1.23456, CLIP)
