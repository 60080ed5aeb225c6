"""Label spaces and their maps, against tables written out by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.labels import MAPS, SPACES, LabelSpace, emotion, get_space, groups, make_space, rollup_scores

#: As published by the authors of each set, in their order.
PUBLISHED = {
    "carer6": "sadness joy love anger fear surprise",
    "ekman7": "anger disgust fear joy sadness surprise neutral",
    "fer7": "angry disgust fear happy sad surprise neutral",
    "ferplus8": "neutral happiness surprise sadness anger disgust fear contempt",
    "ravdess8": "neutral calm happy sad angry fearful disgust surprised",
}
#: Finer labels that a map leaves out on purpose: they have no place in the coarser space.
LEFT_OUT = {
    ("goemotions28", "carer6"): {"disgust", "neutral"},
    ("plutchik9", "ekman7"): {"anticipation", "trust"},
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_spaces_have_the_published_order(name: str) -> None:
    assert SPACES[name].names == tuple(PUBLISHED[name].split())
    assert not SPACES[name].multilabel


def test_the_large_spaces_have_the_published_size_and_hold_several_labels() -> None:
    assert (len(SPACES["goemotions28"]), len(SPACES["emotic26"])) == (28, 26)
    assert SPACES["goemotions28"].multilabel
    assert SPACES["emotic26"].multilabel
    assert SPACES["goemotions28"].names[-1] == "neutral"
    assert [*SPACES["goemotions28"].names[:-1]] == sorted(SPACES["goemotions28"].names[:-1])
    assert [*SPACES["emotic26"].names] == sorted(SPACES["emotic26"].names)


def test_plutchiks_emotions_are_in_the_order_of_their_numbers_and_hold_together() -> None:
    wheel = "anger anticipation disgust fear joy sadness surprise trust neutral"
    assert (SPACES["plutchik9"].names, SPACES["plutchik9"].multilabel) == (tuple(wheel.split()), True)
    scores = dict(zip(wheel.split(), [0.1, 0.9, 0.2, 0.3, 0.4, 0.5, 0.6, 0.95, 0.7], strict=True))
    rolled = rollup_scores(scores, SPACES["plutchik9"], SPACES["ekman7"])
    assert rolled == pytest.approx({name: scores[name] for name in SPACES["ekman7"].names})


def test_every_label_has_an_emoji_of_its_own_kind_and_a_color() -> None:
    for space in SPACES.values():
        for label in space:
            assert label.emoji != "🏷️", label
            assert not label.emoji.isascii()
            assert len(label.color) == 7
            assert int(label.color[1:], 16) >= 0


@pytest.mark.parametrize(
    ("space", "said", "meant"),
    [
        ("carer6", "happy", "joy"),
        ("carer6", "HAPPINESS", "joy"),
        ("carer6", " Sad ", "sadness"),
        ("fer7", "joy", "happy"),
        ("fer7", "normal", "neutral"),
        ("fer7", "shock", "surprise"),
        ("ravdess8", "fear", "fearful"),
        ("ekman7", "mad", "anger"),
        ("emotic26", "Doubt/Confusion", "doubt/confusion"),
        ("emotic26", "confusion", "doubt/confusion"),
        ("goemotions28", "fun", "amusement"),
        ("emotic26", "esteem", "esteem"),  # a name goes before an alias: admiration is also called esteem
    ],
)
def test_labels_are_found_by_name_and_alias(space: str, said: str, meant: str) -> None:
    assert said in SPACES[space]
    assert SPACES[space][said].name == meant
    assert SPACES[space].names[SPACES[space].index(said)] == meant


def test_a_label_that_is_none_is_named_with_those_there_are() -> None:
    assert "bored" not in SPACES["carer6"]
    assert 3 not in SPACES["carer6"]
    with pytest.raises(KeyError, match=r"bored.*carer6.*sadness, joy, love, anger, fear, surprise"):
        SPACES["carer6"].index("bored")
    with pytest.raises(KeyError, match=r"nope.*carer6, ekman7"):
        get_space("nope")


def test_a_space_of_ones_own() -> None:
    own = make_space("own", ["Happy", "so-so", "meh"])
    assert own["joy"].name == "Happy"
    assert own["SO SO"].name == "so-so"
    assert own["meh"].emoji == emotion("meh").emoji == "🏷️"
    assert own.as_multilabel(True).multilabel
    assert own.as_multilabel(False) is own
    for labels in ([], ["joy", "JOY "]):
        with pytest.raises(ValueError, match="own"):
            LabelSpace("own", tuple(emotion(label) for label in labels))


@pytest.mark.parametrize("pair", MAPS, ids=" to ".join)
def test_every_map_gathers_every_label_once(pair: tuple[str, str]) -> None:
    source, target = (SPACES[name] for name in pair)
    gathered = [member for members in MAPS[pair].values() for member in members]
    assert list(MAPS[pair]) == sorted(MAPS[pair], key=target.names.index), "labels of the target, in its order"
    assert len(MAPS[pair]) == len(target)
    assert len(gathered) == len(set(gathered))
    assert set(source.names) - set(gathered) == LEFT_OUT.get(pair, set())
    assert set(gathered) <= set(source.names)
    assert groups(*pair) == [[source.names.index(name) for name in MAPS[pair][label]] for label in target.names]


def test_a_space_without_a_map_is_refused_and_a_space_maps_to_itself() -> None:
    with pytest.raises(ValueError, match="no map from emotic26 to carer6"):
        groups("emotic26", "carer6")
    assert groups("fer7", "fer7") == [[place] for place in range(7)]


def test_single_labels_add_up_by_hand() -> None:
    scores = dict(zip(SPACES["carer6"].names, [0.1, 0.2, 0.3, 0.15, 0.05, 0.2], strict=True))
    rolled = rollup_scores(scores, SPACES["carer6"], SPACES["ekman7"])
    expected = {"anger": 0.15, "disgust": 0, "fear": 0.05, "joy": 0.5, "sadness": 0.1, "surprise": 0.2, "neutral": 0}
    assert rolled == pytest.approx(expected)
    assert list(rolled) == list(expected)


def test_several_labels_are_joined_as_if_independent_by_hand() -> None:
    space = SPACES["goemotions28"]
    scores = dict.fromkeys(space.names, 0.0) | {
        "fear": 0.5,
        "nervousness": 0.4,
        "anger": 0.5,
        "annoyance": 0.5,
        "disapproval": 0.2,
    }
    rolled = rollup_scores(scores, space, SPACES["ekman7"])
    assert rolled["fear"] == pytest.approx(0.7)  # 1 - 0.5 · 0.6
    assert rolled["anger"] == pytest.approx(0.8)  # 1 - 0.5 · 0.5 · 0.8
    assert rolled["joy"] == 0


def test_a_label_left_out_takes_its_share_with_it() -> None:
    space = SPACES["goemotions28"].as_multilabel(False)
    scores = dict.fromkeys(space.names, 0.0) | {"neutral": 0.6, "joy": 0.3, "grief": 0.1}
    rolled = rollup_scores(scores, space, SPACES["carer6"])
    assert rolled["joy"] == pytest.approx(0.75)
    assert rolled["sadness"] == pytest.approx(0.25)


SINGLE = [pair for pair in MAPS if not SPACES[pair[0]].multilabel]


@given(st.sampled_from(SINGLE), st.data())
def test_rolled_up_scores_are_probabilities(pair: tuple[str, str], data: st.DataObject) -> None:
    source, target = (SPACES[name] for name in pair)
    parts = data.draw(
        st.lists(st.floats(0, 1), min_size=len(source), max_size=len(source)).filter(lambda p: sum(p) > 1e-3)
    )
    scores = {name: part / sum(parts) for name, part in zip(source.names, parts, strict=True)}
    rolled = rollup_scores(scores, source, target)
    assert sum(rolled.values()) == pytest.approx(1)
    assert all(-1e-9 <= score <= 1 + 1e-9 for score in rolled.values())


@given(st.lists(st.floats(0, 1), min_size=28, max_size=28))
def test_a_rolled_up_label_is_at_least_as_likely_as_each_it_gathers(parts: list[float]) -> None:
    space = SPACES["goemotions28"]
    scores = dict(zip(space.names, parts, strict=True))
    rolled = rollup_scores(scores, space, SPACES["ekman7"])
    for label, members in MAPS["goemotions28", "ekman7"].items():
        assert max(scores[name] for name in members) - 1e-9 <= rolled[label] <= 1
        assert rolled[label] <= sum(scores[name] for name in members) + 1e-9


def test_only_a_space_where_several_can_hold_may_have_no_labels() -> None:
    assert (len(SPACES["affect"]), SPACES["affect"].multilabel, "joy" in SPACES["affect"]) == (0, True, False)
    assert make_space("own", [], multilabel=True).names == ()
    with pytest.raises(ValueError, match="label space own has no labels"):
        make_space("own", [])
    with pytest.raises(ValueError, match="no map from affect to ekman7"):
        groups("affect", "ekman7")
