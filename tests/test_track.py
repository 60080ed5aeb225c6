"""The people of a clip keep their numbers: drawn people who walk, leave, return, cross, and lists of boxes."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from acted import act, draw_person, draw_scene
from filmed import write_clip
from mien.media.clips import ClipReader
from mien.modalities.appearance import Appearance, is_cut, scene
from mien.modalities.face.detect import Face
from mien.modalities.track import Tracker, assign

Place = tuple[float, float] | None
Frames = list[tuple[float, np.ndarray, list[Face], list[int]]]

RATES = (2, 5, 30)
BLANK = np.full((180, 320, 3), 128, np.uint8)


def still(x: float, y: float = 70) -> Callable[[float], Place]:
    return lambda time: (x, y)


def walk(start: float, speed: float, y: float = 70) -> Callable[[float], Place]:
    """Pixels a second along the picture; faces are 30 wide."""
    return lambda time: (start + speed * time, y)


def between(where: Callable[[float], Place], *spans: tuple[float, float]) -> Callable[[float], Place]:
    """There only in some spans of time."""
    return lambda time: where(time) if any(start <= time < end for start, end in spans) else None


def follow(frames: Frames, tracker: Tracker | None = None) -> list[tuple[float, dict[int, int]]]:
    """Who has which number, in each frame."""
    tracker, found = tracker or Tracker(), []
    for time, picture, faces, who in frames:
        numbers = tracker.update(time, faces, picture)
        assert len(numbers) == len(faces)
        assert len(set(numbers)) == len(numbers)
        found.append((time, dict(zip(who, numbers, strict=True))))
    return found


def numbers_of(found: list[tuple[float, dict[int, int]]]) -> dict[int, set[int]]:
    numbers: dict[int, set[int]] = {}
    for _, frame in found:
        for who, number in frame.items():
            numbers.setdefault(who, set()).add(number)
    return numbers


def each_has_one(found: list[tuple[float, dict[int, int]]], people: int) -> None:
    numbers = numbers_of(found)
    assert len(numbers) == people
    assert all(len(own) == 1 for own in numbers.values()), numbers
    assert set().union(*numbers.values()) == set(range(1, people + 1))


@pytest.mark.parametrize("fps", RATES)
def test_people_who_stay(fps: int) -> None:
    each_has_one(follow(act(2, fps, {0: still(60), 1: still(160), 2: still(260)})), 3)


@pytest.mark.parametrize("fps", RATES)
def test_a_face_that_leaves_and_returns(fps: int) -> None:
    people = {0: between(still(60), (0, 1), (5, 6)), 1: still(200)}
    found = follow(act(6, fps, people))
    each_has_one(found, 2)
    # elsewhere too, with another expression
    people = {0: lambda time: (60, 70) if time < 1 else (260, 90) if time > 3 else None, 1: still(160)}
    each_has_one(follow(act(4, fps, people)), 2)


@pytest.mark.parametrize("fps", RATES)
def test_another_in_the_place_of_one_who_left_is_someone_else(fps: int) -> None:
    for wait in (0.0, 1.0, 3.0):
        people = {0: between(still(160), (0, 1)), 1: between(still(160), (1 + wait, 4 + wait))}
        each_has_one(follow(act(4 + wait, fps, people)), 2)


@pytest.mark.parametrize("fps", [2, 5, 15])
@pytest.mark.parametrize(("one", "other"), [(0, 1), (3, 2), (4, 5)])
def test_two_people_who_cross(fps: int, one: int, other: int) -> None:
    """The one behind is hidden for a while; at 120 pixels a second both go eight times the width of a face."""
    for speed in (40.0, 120.0):
        people = {one: walk(40, speed), other: walk(280, -speed, y=74)}
        each_has_one(follow(act(240 / speed, fps, people)), 2)


@pytest.mark.parametrize("fps", RATES)
def test_two_who_meet_and_go_back(fps: int) -> None:
    def towards(time: float) -> Place:
        return (40 + 50 * min(time, 4 - time), 70)

    def from_there(time: float) -> Place:
        return (240 - 50 * min(time, 4 - time), 74)

    each_has_one(follow(act(4, fps, {0: towards, 1: from_there})), 2)


def boxes(*centres: tuple[float, float], side: float = 30) -> list[Face]:
    return [Face((x - side / 2, y - side / 2, x + side / 2, y + side / 2), 0.9) for x, y in centres]


@pytest.mark.parametrize("fps", [5, 10, 30])
def test_boxes_alone_cross_by_the_way_they_go(fps: int) -> None:
    """Nothing to be seen in the picture: only places and speeds tell who is who."""
    tracker, speed = Tracker(), 60
    for number in range(4 * fps + 1):
        time = number / fps
        one, other = (40 + speed * time, 60.0), (280 - speed * time, 80.0)
        assert tracker.update(time, boxes(one, other), BLANK) == [1, 2], time


def test_the_order_of_faces_does_not_matter() -> None:
    tracker = Tracker()
    places = [(50.0, 60.0), (150.0, 60.0), (250.0, 60.0)]
    assert tracker.update(0, boxes(*places), BLANK) == [1, 2, 3]
    for number, order in enumerate(itertools.permutations(range(3))):
        found = tracker.update((number + 1) / 10, boxes(*(places[place] for place in order)), BLANK)
        assert found == [place + 1 for place in order]


def test_a_face_missed_for_a_moment_keeps_its_number() -> None:
    tracker = Tracker()
    for number in range(40):
        time = number / 10
        moving = (40 + 50 * time, 60.0)
        seen = number % 8 < 4  # four frames there, four not
        assert tracker.update(time, boxes(moving) if seen else [], BLANK) == ([1] if seen else [])


@pytest.mark.parametrize("fps", RATES)
def test_a_cut_to_others_and_back(fps: int) -> None:
    """Other people in the very same places are others; back in the first scene they are who they were."""
    first, second = ((0, 1), (2, 3)), ((1, 2),)
    people = {
        0: between(still(100), *first),
        1: between(still(220), *first),
        2: between(still(100), *second),
        3: between(still(220), *second),
    }
    each_has_one(follow(act(3, fps, people, scene=lambda time: int(1 <= time < 2))), 4)


@pytest.mark.parametrize("fps", RATES)
def test_the_same_face_after_a_cut(fps: int) -> None:
    people = {0: lambda time: (80, 60) if time < 1 else (240, 90)}
    each_has_one(follow(act(2, fps, people, scene=lambda time: int(time >= 1))), 1)


@pytest.mark.parametrize("fps", RATES)
def test_faces_that_are_none_do_not_change_the_others(fps: int) -> None:
    """Once a second something is taken for a face, also beside and upon a real one."""
    rng = np.random.default_rng(3)
    frames = act(4, fps, {0: walk(40, 20), 1: still(250)})
    spurious = 0
    for place, (time, picture, faces, who) in enumerate(frames):
        if place % fps == fps // 2:
            x, y = rng.uniform(20, 300), rng.uniform(20, 160)
            if place % (3 * fps) == fps // 2 and faces:
                x, y = faces[0].box[0] + 22, faces[0].box[1] + 5
            frames[place] = (time, picture, [*boxes((x, y), side=24), *faces], [100 + spurious, *who])
            spurious += 1
    assert spurious == 4
    numbers = numbers_of(follow(frames))
    assert numbers[0] == {frames[0][3].index(0) + 1}
    assert numbers[1] == {frames[0][3].index(1) + 1}


@pytest.mark.parametrize("fps", [5, 30])
def test_one_who_comes_in_half_hidden_is_known_again(fps: int) -> None:
    """Cut by the border of the picture a face may look like a stranger's; seen whole it is put right."""

    def coming(time: float) -> Place:
        return (60, 70) if time < 2 else (340 - 40 * (time - 6), 70) if time > 6 else None

    tracker = Tracker()
    found = follow(act(9, fps, {1: coming}), tracker)
    select_experts = [{who: tracker.known_as.get(n, n) for who, n in frame.items()} for _, frame in found]
    assert {number for frame in select_experts for number in frame.values()} == {1}
    assert found[-1][1] == {1: 1}


def test_a_long_clip_is_not_remembered_for_ever() -> None:
    rng, tracker = np.random.default_rng(0), Tracker()
    for number in range(150):  # a new scene each time, with other faces in it
        picture = np.roll(rng.integers(0, 256, (12, 20, 3)).astype(np.uint8), number, axis=1)
        picture = np.kron(picture, np.ones((15, 16, 1), np.uint8))
        found = tracker.update(number * 2.0, boxes((60, 60), (160, 60), (260, 60)), picture)
        assert len(set(found)) == 3
    assert len(tracker._people) <= 100
    assert max(len(person.appearances) for person in tracker._people) <= 5
    assert found[0] > 350


def test_through_a_real_clip(tmp_path: Path) -> None:
    """The same through a film, its compression and its times."""
    frames = act(6, 12, {0: walk(40, 40), 1: walk(280, -40, y=76), 2: between(still(160, 120), (0, 1), (4, 6))})
    path = write_clip(tmp_path / "a.mp4", [picture for _, picture, _, _ in frames], fps=12)
    with ClipReader(path, fps=6) as clip:
        seen = [(frame.time, frame.picture, *frames[frame.number][2:]) for frame in clip]
    assert len(seen) == 36
    numbers = numbers_of(follow(seen))
    assert all(len(own) == 1 for own in numbers.values()), numbers
    assert len(set().union(*numbers.values())) == 3


@settings(max_examples=20, deadline=None)
@given(st.lists(st.lists(st.tuples(st.floats(-50, 400), st.floats(-50, 250)), max_size=4), min_size=1, max_size=8))
def test_numbers_are_whole_from_one_and_never_twice(frames: list[list[tuple[float, float]]]) -> None:
    tracker, known = Tracker(), 0
    for number, places in enumerate(frames):
        found = tracker.update(number / 5, boxes(*places), BLANK)
        assert len(set(found)) == len(found) == len(places)
        new = sorted(one for one in found if one > known)
        assert new == list(range(known + 1, known + 1 + len(new)))
        assert all(one >= 1 for one in found)
        known += len(new)


# --- looks ---


def look(who: int, where: int, place: tuple[int, int], side: float, bend: float) -> Appearance:
    picture = draw_scene(where)
    draw_person(picture, who, place, side, bend)
    x, y = place
    return Appearance(picture, (x - side / 2, y - side / 2, x + side / 2, y + 0.63 * side))


def test_a_person_looks_more_like_themselves_than_like_anyone_else() -> None:
    """In another place, scene, size and mood, for all pairs of drawn people; by the thresholds in use."""
    before = [look(who, 0, (100, 60), 30, 5) for who in range(6)]
    after = [look(who, 1, (200, 80), 36, -5) for who in range(6)]
    alike = np.array([[one.similarity(other) for other in after] for one in before])
    assert (alike >= 0).all()
    assert (alike <= 1 + 1e-6).all()
    assert np.diag(alike).min() > 0.78
    assert (alike - np.eye(6)).max() < 0.78
    assert before[0].similarity(before[0]) == pytest.approx(1)
    assert before[0].similarity(after[3]) == pytest.approx(after[3].similarity(before[0]))


def test_looks_at_and_beyond_the_border() -> None:
    picture = draw_scene(0)
    for box in ((-40, -40, 10, 10), (300, 150, 360, 230), (-100, -100, -50, -50), (5, 5, 5.2, 5.2), (0, 0, 320, 180)):
        found = Appearance(picture, tuple(map(float, box)))  # type: ignore[arg-type]
        assert np.isfinite(found.head).all()
        assert np.isfinite(found.pattern).all()
    assert Appearance(picture, (100.0, 120.0, 150.0, 178.0)).clothes is None


def test_cuts_and_what_is_none() -> None:
    scenes = [scene(draw_scene(seed)) for seed in range(8)]
    cuts = [is_cut(one, other) for one, other in itertools.combinations(scenes, 2)]
    assert sum(cuts) > 0.8 * len(cuts)  # some are alike by chance: blurs of eight by five colors
    assert is_cut(scenes[0], scenes[1])
    moving = draw_scene(0, 400)
    assert not is_cut(scene(moving[:, :320]), scene(moving[:, 40:360]))  # the camera turns
    assert not is_cut(scenes[0], np.clip(scenes[0] * 1.3, 0, 255))  # the light changes
    assert not is_cut(scene(BLANK), scene(BLANK))
    assert is_cut(scene(np.zeros_like(BLANK)), scenes[0])  # out of the dark


# --- assignment ---


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 6), st.integers(0, 6), st.integers(0, 2**32 - 1), st.sampled_from([0.2, 0.5, 1.0, 2.0]))
def test_assignment_costs_the_least(rows: int, columns: int, seed: int, alone: float) -> None:
    rng = np.random.default_rng(seed)
    costs = rng.integers(0, 12, (rows, columns)) / 8
    costs[rng.random((rows, columns)) < 0.3] = np.inf
    found = assign(costs, alone)
    taken = [column for column in found if column is not None]
    assert len(set(taken)) == len(taken)
    padded = np.full((rows, columns + rows), alone)
    padded[:, :columns] = np.where(np.isfinite(costs), costs, 100)
    reference = padded[linear_sum_assignment(padded)].sum()
    assert sum(alone if column is None else costs[row, column] for row, column in enumerate(found)) == pytest.approx(
        reference
    )


def test_assignment_by_hand() -> None:
    # The cheapest pair, 0.1, would leave the other row with 1.0: together more than 0.2 and 0.3.
    assert assign(np.array([[0.1, 0.2], [0.3, 1.0]]), 2.0) == [1, 0]
    assert assign(np.array([[0.1, 0.2], [0.3, np.inf]]), 0.25) == [0, None]
    assert assign(np.empty((2, 0)), 1.0) == [None, None]
    assert assign(np.empty((0, 2)), 1.0) == []


@pytest.mark.skipif("MIEN_DATA" not in os.environ, reason="MIEN_DATA is not set")
def test_real_people() -> None:
    """A woman and a man who show much feeling, cut against each other: two people, whatever face they make."""
    from mien.modalities.face.detect import FaceDetector

    root, detector = Path(os.environ["MIEN_DATA"]), FaceDetector()
    shots = []
    for file in (root / "clips" / "WolfgangLanger_Pexels.mp4", root / "ravdess" / "01-01-01-01-01-01-01.mp4"):
        with ClipReader(file, fps=2) as clip:
            shots.append([(frame.picture, detector.find(frame.picture)) for frame in clip])
    woman, man = shots
    assert all(len(faces) == 1 for _, faces in woman + man)
    tracker = Tracker()
    for number, (who, shot) in enumerate(
        [(1, one) for one in woman[:13]]
        + [(2, one) for one in man]
        + [(1, one) for one in woman[13:26]]
        + [(2, one) for one in man]
        + [(1, one) for one in woman[26:]]
    ):
        assert tracker.update(number / 2, shot[1], shot[0]) == [who], number


def test_white_and_black_faces_have_looks() -> None:
    for shade in (0, 255):
        seen = Appearance(np.full((60, 60, 3), shade, np.uint8), (20.0, 20.0, 40.0, 40.0))
        assert np.isfinite(seen.head).all()
        assert seen.similarity(seen) > 0.5
