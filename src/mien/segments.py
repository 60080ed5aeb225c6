"""Arrays over time: smoothing, and the segments in which one label leads.

Probabilities are float arrays (n frames, k labels), rows of which sum to 1, with n at least 1.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from itertools import pairwise
from typing import NamedTuple

import numpy as np


def smooth(times: np.ndarray, probabilities: np.ndarray, seconds: float) -> np.ndarray:
    """The weighted mean, at each frame, of those less than so many seconds before and after it.

    A frame's weight falls in a straight line from 1 at no distance to 0 at `seconds`, times the time it stands for:
    half of the way to its neighbors on either side, at most `seconds` each, so that many frames close together count
    no more than few over the same time.

    Args:
        times: (n,) seconds, not falling; the distances may differ.
        seconds: 0 for no smoothing.

    Returns:
        float64 (n, k), rows sum to 1.
    """
    rows, times = checked_rows(probabilities), np.asarray(times, np.float64)
    if seconds <= 0 or len(rows) == 1:
        return rows
    gaps = np.minimum(np.diff(times), seconds)
    shares = np.concatenate((gaps[:1], gaps)) + np.concatenate((gaps, gaps[-1:])) + 1e-9
    first, last = np.searchsorted(times, times - seconds), np.searchsorted(times, times + seconds, side="right")
    smoothed = np.empty_like(rows)
    for place, (start, end) in enumerate(zip(first.tolist(), last.tolist(), strict=True)):
        weights = (1 - np.abs(times[start:end] - times[place]) / seconds).clip(0) * shares[start:end]
        smoothed[place] = weights @ rows[start:end] / weights.sum()
    return np.asarray(smoothed / smoothed.sum(axis=1, keepdims=True))


def smooth_each(times: np.ndarray, who: np.ndarray, rows: np.ndarray, seconds: float) -> np.ndarray:
    """Each person's probabilities smoothed over so many seconds, float64 (n, k)."""
    smoothed = np.array(rows, np.float64)
    for person in np.unique(who):
        of = who == person
        smoothed[of] = smooth(times[of], smoothed[of], seconds)
    return smoothed


class Steady(NamedTuple):
    """A segment of time in which one label leads.

    Attributes:
        start, end: seconds; the end is the start of the next segment, or the time of the last frame.
        label: column of the probabilities.
        score: mean probability of the label over the frames of the segment.
    """

    start: float
    end: float
    label: int
    score: float


def segments(
    times: np.ndarray,
    probabilities: np.ndarray,
    least: float = 0.5,
    *,
    margin: float = 0.1,
    gap: float | None = None,
) -> list[Steady]:
    """Segments of time in which one label leads; every frame belongs to one, and what flickers makes none of its own.

    A label goes on leading until another is ahead of it by `margin`. Then the shortest segment below `least` seconds
    goes to that neighbor whose label is more probable in it (the earlier one if both are alike), and what they are
    together has the label with the highest sum over it; and so on, until there is none so short, or only one in all.

    Args:
        times: (n,) seconds, not falling.
        least: seconds of the shortest segment.
        margin: probability, 0..1.
        gap: seconds; frames further apart than that belong to different segments whatever their labels. By default
            three times the usual distance of two frames, and at least one second.

    Returns:
        In the order of time. Neighbors differ in label, unless there is a gap between them.
    """
    rows, times = checked_rows(probabilities), np.asarray(times, np.float64)
    apart = np.diff(times)
    if gap is None:
        gap = max(1.0, 3 * float(np.median(apart))) if len(apart) else 1.0
    cuts = [0, *(np.flatnonzero(apart > gap) + 1).tolist(), len(times)]
    found = []
    for start, end in pairwise(cuts):
        found += _without_gaps(times[start:end], rows[start:end], least, margin)
    return found


def _without_gaps(times: np.ndarray, rows: np.ndarray, least: float, margin: float) -> list[Steady]:
    """Segments of frames without a gap between them."""
    labels: dict[int, int] = {}  # first frame of each segment → its label
    leading = -1
    for place, best in enumerate(rows.argmax(axis=1).tolist()):
        if leading < 0 or (best != leading and rows[place, best] - rows[place, leading] >= margin):
            labels[place] = leading = best
    _join_short(times, rows, least, labels)
    bounds = [*sorted(labels), len(rows)]
    return [
        Steady(float(times[start]), float(times[min(end, len(times) - 1)]), label, float(rows[start:end, label].mean()))
        for (start, end), label in zip(pairwise(bounds), (labels[start] for start in bounds[:-1]), strict=True)
    ]


def _join_short(times: np.ndarray, rows: np.ndarray, least: float, labels: dict[int, int]) -> None:
    """Join segments below `least` seconds with a neighbor, the shortest first; `labels` is changed."""
    sums = np.concatenate((np.zeros((1, rows.shape[1])), rows.cumsum(axis=0)))
    bounds = [*sorted(labels), len(rows)]
    after, before = dict(pairwise(bounds)), dict(pairwise(reversed(bounds)))

    def entry(start: int) -> tuple[float, int, int]:
        return float(times[min(after[start], len(times) - 1)] - times[start]), start, after[start]

    queue = [entry(start) for start in labels]
    heapify(queue)
    while len(labels) > 1:
        length, start, end = heappop(queue)
        if after.get(start) != end:
            continue  # it was joined since
        if length >= least - 1e-9:
            return
        inside = (sums[end] - sums[start]).round(9)
        sides = [side for side in (before.get(start), end) if side in labels]
        side = max(sides, key=lambda side: (inside[labels[side]], -side))
        first, last = min(start, side), after[max(start, side)]
        label = int((sums[last] - sums[first]).round(9).argmax())
        while labels.get(before.get(first, -1)) == label:
            first = before[first]
        while labels.get(last) == label:
            last = after[last]
        place = after[first]
        while place != last:
            del labels[place]
            place = after.pop(place)
        labels[first], after[first], before[last] = label, last, first
        heappush(queue, entry(first))


def checked_rows(probabilities: np.ndarray) -> np.ndarray:
    """Probabilities as float64. Raises ValueError: they are not (frames, labels), or none."""
    rows = np.asarray(probabilities, np.float64)
    if rows.ndim != 2 or not rows.size:
        raise ValueError(f"probabilities must be (frames, labels) with at least one of each, not {rows.shape}")
    return rows
