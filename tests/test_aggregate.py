"""From frames to clips: examples worked out by hand, and the definitions spelt out in plain Python."""

from __future__ import annotations

import math
from collections import Counter
from fractions import Fraction
from itertools import groupby, pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mien.modalities.video.aggregate import RULES, geometric, total, vote
from mien.segments import Steady, segments, smooth

# Four frames of three labels. Sums: 1.5, 1.3, 1.2. Votes: 1, 2, 1.
FRAMES = np.array([[0.9, 0.05, 0.05], [0.3, 0.4, 0.3], [0.25, 0.4, 0.35], [0.05, 0.45, 0.5]])


def probabilities(least: int = 1, most: int = 12) -> st.SearchStrategy[np.ndarray]:
    """Rows of 64ths, whose sums are exact: ties are ties."""
    row = st.lists(st.integers(1, 20), min_size=4, max_size=4).map(lambda counts: [*counts, 80 - sum(counts)])
    return st.lists(row, min_size=least, max_size=most).map(lambda rows: np.array(rows) / 80)


def test_sum_by_hand() -> None:
    assert total(FRAMES) == pytest.approx([1.5 / 4, 1.3 / 4, 1.2 / 4])
    assert total(FRAMES).argmax() == 0


def test_vote_by_hand() -> None:
    assert vote(FRAMES) == pytest.approx([(1 + 0.375) / 5, (2 + 0.325) / 5, (1 + 0.3) / 5])
    assert vote(FRAMES).argmax() == 1


def test_ties_of_votes_go_to_the_highest_sum() -> None:
    # Two votes for either of the first two labels; sums 1.7 and 1.9.
    frames = np.array([[0.5, 0.4, 0.1], [0.6, 0.3, 0.1], [0.3, 0.6, 0.1], [0.3, 0.6, 0.1]])
    assert vote(frames).argmax() == 1
    assert total(frames).argmax() == 1
    # The third label has the highest sum of all, 1.35, and the least votes: it does not count in the tie.
    frames = np.array([[0.5, 0.05, 0.45], [0.05, 0.5, 0.45], [0.05, 0.5, 0.45], [0.54, 0.01, 0.45]])
    assert total(frames).argmax() == 2
    assert vote(frames).argmax() == 0  # 1.14 against 1.06


def test_a_frame_without_a_single_best_label_votes_for_the_one_with_the_highest_sum() -> None:
    frames = np.array([[0.45, 0.45, 0.1], [0.1, 0.2, 0.7], [0.2, 0.3, 0.5]])
    assert vote(frames) == pytest.approx([0.25 / 4, (1 + 0.95 / 3) / 4, (2 + 1.3 / 3) / 4])


def test_mean_of_logarithms_by_hand() -> None:
    # 0.9 · 0.3 · 0.25 · 0.05 = 0.003375, 0.05 · 0.4 · 0.4 · 0.45 = 0.0036, 0.05 · 0.3 · 0.35 · 0.5 = 0.002625
    roots = np.array([0.003375, 0.0036, 0.002625]) ** 0.25
    assert geometric(FRAMES) == pytest.approx(roots / roots.sum())
    assert geometric(FRAMES).argmax() == 1


def test_one_frame_cannot_rule_a_label_out() -> None:
    frames = np.array([[0.0, 1.0]] + [[0.99, 0.01]] * 9)
    assert geometric(frames).argmax() == 0
    assert geometric(np.array([[0.0, 1.0], [1.0, 0.0]])) == pytest.approx([0.5, 0.5])


@settings(max_examples=60, deadline=None)
@given(probabilities())
def test_the_rules_do_as_their_definitions_say(rows: np.ndarray) -> None:
    exact = [[Fraction(value).limit_denominator(80) for value in row] for row in rows.tolist()]
    labels = range(len(exact[0]))
    sums = [sum(row[label] for row in exact) for label in labels]
    found = {name: rule(rows) for name, rule in RULES.items()}
    for row in found.values():
        assert row.shape == (5,)
        assert row.dtype == np.float64
        assert row.sum() == pytest.approx(1)
        assert (row > 0).all()
    assert found["sum"] == pytest.approx([float(value / len(exact)) for value in sums])

    ballots = Counter(max(labels, key=lambda label: (row[label], sums[label], -label)) for row in exact)
    most = max(ballots.values())
    tied = [label for label in labels if ballots[label] == most]
    winner = max(tied, key=lambda label: sums[label])
    if [sums[label] for label in tied].count(sums[winner]) == 1:
        assert found["vote"].argmax() == winner

    products = [math.prod(row[label] for row in exact) for label in labels]
    best = max(products)
    if all(product == best or product < best * Fraction(999999, 1000000) for product in products):
        assert products[int(found["mean"].argmax())] == best


@settings(max_examples=60, deadline=None)
@given(probabilities(), st.randoms())
def test_the_order_of_frames_does_not_matter(rows: np.ndarray, random: object) -> None:
    order = list(range(len(rows)))
    random.shuffle(order)  # type: ignore[attr-defined]
    for rule in RULES.values():
        assert rule(rows[order]) == pytest.approx(rule(rows), abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(probabilities(1, 1))
def test_a_clip_of_one_frame_is_that_frame(rows: np.ndarray) -> None:
    assert total(rows) == pytest.approx(rows[0])
    assert geometric(rows) == pytest.approx(rows[0], abs=2e-6)
    assert rows[0, vote(rows).argmax()] == rows.max()
    assert smooth(np.array([3.0]), rows, 1.0) == pytest.approx(rows)
    assert segments(np.array([3.0]), rows) == [(3.0, 3.0, int(rows.argmax()), pytest.approx(rows.max()))]


@settings(max_examples=60, deadline=None)
@given(probabilities(), st.integers(1, 4))
def test_a_clip_shown_several_times_is_answered_as_once(rows: np.ndarray, times: int) -> None:
    for rule in RULES.values():
        once = rule(rows)
        best, second = np.sort(once)[::-1][:2]
        assume(best - second > 1e-9)
        assert rule(np.tile(rows, (times, 1))).argmax() == once.argmax()


def test_what_is_no_clip() -> None:
    for rule in RULES.values():
        with pytest.raises(ValueError, match="at least one of each"):
            rule(np.zeros((0, 3)))
        with pytest.raises(ValueError, match=r"not \(3,\)"):
            rule(np.zeros(3))


# --- smoothing ---


def test_smoothing_by_hand() -> None:
    # Ten frames a second, over 0.2 s: neighbors count half. The only other label flickers once.
    rows = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 0.0]])
    smoothed = smooth(np.arange(5) / 10, rows, 0.2)
    assert smoothed[:, 1] == pytest.approx([0, 0.25, 0.5, 0.25, 0])
    assert smoothed[:, 0] == pytest.approx([1, 0.75, 0.5, 0.75, 1])
    assert smooth(np.arange(5) / 10, rows, 0.0) == pytest.approx(rows)
    assert smooth(np.arange(5) / 10, rows, 0.05) == pytest.approx(rows)  # less than from one frame to the next


def test_many_frames_at_once_count_as_the_time_they_stand_for() -> None:
    # From 1.0 on 20 frames come within a tenth of a second, all of the second label.
    times = np.concatenate((np.arange(0, 1, 0.1), 1 + np.arange(20) / 200, 1.1 + np.arange(0, 1, 0.1)))
    rows = np.zeros((40, 2))
    rows[:, 0], rows[10:30] = 1, (0, 1)
    even = np.arange(0, 2.1, 0.1)
    same = np.zeros((21, 2))
    same[:, 0], same[10] = 1, (0, 1)
    at = int(np.argmin(np.abs(times - 0.8)))
    assert smooth(times, rows, 0.5)[at, 1] == pytest.approx(smooth(even, same, 0.5)[8, 1], abs=0.05)
    assert rows[(times > 0.3) & (times < 1.3)].mean(axis=0)[1] > 0.5  # what a plain mean would say


@settings(max_examples=60, deadline=None)
@given(probabilities(2, 20), st.lists(st.floats(0, 3), min_size=20, max_size=20), st.floats(0.01, 5))
def test_smoothing_is_a_weighted_mean_of_what_is_near(rows: np.ndarray, steps: list[float], seconds: float) -> None:
    times = np.cumsum(steps)[: len(rows)]
    smoothed = smooth(times, rows, seconds)
    assert smoothed.sum(axis=1) == pytest.approx(np.ones(len(rows)))
    for place, time in enumerate(times):
        near = rows[np.abs(times - time) <= seconds]
        assert (smoothed[place] >= near.min(axis=0) - 1e-9).all()
        assert (smoothed[place] <= near.max(axis=0) + 1e-9).all()
    assert smooth(times + 7, rows, seconds) == pytest.approx(smoothed, abs=1e-6)
    back = smooth(-times[::-1], rows[::-1], seconds)[::-1]
    assert back == pytest.approx(smoothed, abs=1e-6)


# --- stretches ---


def scored(labels: str, sure: float = 0.8) -> np.ndarray:
    """A frame for each letter, "a" the first label of three."""
    rows = np.full((len(labels), 3), (1 - sure) / 2)
    for place, letter in enumerate(labels):
        rows[place, "abc".index(letter)] = sure
    return rows


def stretches(labels: str, fps: float = 10, **how: float) -> list[tuple[float, float, str]]:
    found = segments(np.arange(len(labels)) / fps, scored(labels), **how)
    return [(round(start, 6), round(end, 6), "abc"[label]) for start, end, label, _ in found]


def test_stretches_by_hand() -> None:
    assert stretches("aaaaaaaaaabbbbbbbbbb") == [(0, 1.0, "a"), (1.0, 1.9, "b")]
    assert stretches("aaaaaaabaaaaaaa") == [(0, 1.4, "a")]  # a flicker
    assert stretches("aaaaaaabaaaaaaa", least=0) == [(0, 0.7, "a"), (0.7, 0.8, "b"), (0.8, 1.4, "a")]
    assert stretches("abababababab") == [(0, 1.1, "a")]
    assert stretches("aaaaaabbbbcccccc") == [(0, 1.0, "a"), (1.0, 1.5, "c")]
    assert stretches("b") == [(0, 0, "b")]
    assert stretches("ab") == [(0, 0.1, "a")]
    assert stretches("aaaaaaaaaab") == [(0, 1.0, "a")]  # the last frame alone is no stretch


def test_the_score_is_the_mean_of_the_label_in_it() -> None:
    found = segments(np.arange(15) / 10, scored("aaaaaaabaaaaaaa"))
    assert found == [Steady(0.0, 1.4, 0, pytest.approx((14 * 0.8 + 0.1) / 15))]


def test_a_short_stretch_goes_to_the_neighbor_that_is_more_probable_in_it() -> None:
    rows = scored("aaaaaabbcccccc")
    rows[6:8] = (0.05, 0.55, 0.4)
    assert [label for _, _, label, _ in segments(np.arange(14) / 10, rows)] == [0, 2]
    assert segments(np.arange(14) / 10, rows)[0].end == pytest.approx(0.6)
    rows[6:8] = (0.4, 0.55, 0.05)
    assert segments(np.arange(14) / 10, rows)[0].end == pytest.approx(0.8)


def test_a_label_leads_until_another_is_clearly_ahead() -> None:
    rows = np.array([[0.55, 0.45], [0.47, 0.53], [0.53, 0.47], [0.46, 0.54]] * 5)
    times = np.arange(20) / 2
    assert len(segments(times, rows)) == 1
    assert len(segments(times, rows, margin=0)) == 18  # the last two are one, and go with the one before
    assert len(segments(times, rows, margin=0.05)) > 1


def test_no_stretch_over_a_gap() -> None:
    times = np.concatenate((np.arange(10) / 10, 5 + np.arange(10) / 10))
    rows = scored("a" * 20)
    assert [(start, round(end, 6)) for start, end, _, _ in segments(times, rows)] == [(0, 0.9), (5, 5.9)]
    assert len(segments(times, rows, gap=10)) == 1
    assert len(segments(np.arange(20) * 2.0, rows)) == 1  # a frame each two seconds is no gap


@settings(max_examples=60, deadline=None)
@given(
    probabilities(1, 40),
    st.lists(st.sampled_from([0.0, 0.03, 0.1, 0.2, 0.5, 4.0]), min_size=40, max_size=40),
    st.sampled_from([0.0, 0.3, 0.5, 1.0]),
    st.sampled_from([0.0, 0.1, 0.3]),
)
def test_every_frame_is_in_one_stretch(rows: np.ndarray, steps: list[float], least: float, margin: float) -> None:
    times = np.cumsum(steps)[: len(rows)]
    found = segments(times, rows, least, margin=margin, gap=1.0)
    assert found[0].start == times[0]
    assert found[-1].end == times[-1]
    parts = [list(part) for _, part in groupby(range(len(times)), key=lambda i: int((np.diff(times)[:i] > 1.0).sum()))]
    for part in parts:
        inside = [one for one in found if times[part[0]] <= one.start <= times[part[-1]]]
        assert inside[0].start == times[part[0]]
        assert inside[-1].end == times[part[-1]]
        for one, other in pairwise(inside):
            assert one.end == other.start
            assert one.label != other.label
        assert len(inside) == 1 or all(one.end - one.start >= least - 1e-6 for one in inside)
    for one in found:
        assert 0 < one.score < 1
