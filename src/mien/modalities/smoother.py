"""Scores that are averaged over time while they come, so that labels do not flicker."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from mien.results import Box, Prediction, Result

SMOOTH = 0.4  # seconds, where nobody says how many
_OVERLAP = 0.25  # share of intersection in union from which two boxes are one face's
_FORGET = 1.0  # seconds after which a face that is gone is forgotten


@dataclass
class _Track:
    number: int
    box: Box | None
    scores: dict[str, float]
    ratings: dict[str, float]
    seen: float
    known: bool  # whether there are scores that count


class Smoother:
    """Follows faces from frame to frame and averages their scores over time, so that labels do not flicker.

    A face is the one of an earlier frame whose box overlaps it most. Its scores move towards the new ones by
    1 - exp(-t / seconds) in t seconds; so do the ratings of a scene or of a person in it. 0 seconds: no smoothing.
    An unreliable face is given as it is, and moves nothing, unless all faces count.
    """

    def __init__(self, seconds: float, all_faces: bool = False) -> None:
        self._seconds, self._all_faces = seconds, all_faces
        self._tracks: list[_Track] = []
        self._count = 0

    def update(self, at: float, result: Result) -> tuple[Result, list[int]]:
        """The result of one picture with smoothed scores, and a number for each of its items."""
        self._tracks = [track for track in self._tracks if at - track.seen <= _FORGET]
        free, items, people = list(self._tracks), [], []
        for item in result.items:
            track = max(free, key=lambda track: overlap(track.box, item.box), default=None)
            if track is None or overlap(track.box, item.box) < _OVERLAP:
                self._count += 1
                track = None
            else:
                free.remove(track)
            number = track.number if track else self._count
            items.append(self._moved(track, number, item, at))
            people.append(number)
        return replace(result, items=tuple(items)), people

    def follow(self, at: float, people: Sequence[int], items: Sequence[Prediction]) -> list[Prediction]:
        """The predictions of one picture with smoothed scores, where it is known already whose they are."""
        self._tracks = [track for track in self._tracks if at - track.seen <= _FORGET]
        known = {track.number: track for track in self._tracks}
        return [self._moved(known.get(who), who, item, at) for who, item in zip(people, items, strict=True)]

    def _moved(self, track: _Track | None, number: int, item: Prediction, at: float) -> Prediction:
        counts = item.counts(self._all_faces)
        if track is None:
            track = _Track(number, item.box, dict(item.scores), dict(item.ratings), at, counts)
            self._tracks.append(track)
        elif counts and track.known:
            self._move(track, item, at)
        else:
            track.box, track.seen = item.box, at
            if counts:
                track.scores, track.ratings, track.known = dict(item.scores), dict(item.ratings), True
        if not counts:
            return item
        return replace(item, scores=dict(track.scores), ratings=dict(track.ratings))

    def _move(self, track: _Track, item: Prediction, at: float) -> None:
        share = 1 - math.exp((track.seen - at) / self._seconds) if self._seconds else 1.0
        for kept, new in ((track.scores, item.scores), (track.ratings, item.ratings)):
            for name, value in new.items():
                kept[name] += share * (value - kept[name])
        track.box, track.seen = item.box, at


def overlap(one: Box | None, other: Box | None) -> float:
    """Share of the intersection of two boxes in their union; 1 for two whole pictures, which have none."""
    if one is None or other is None:
        return float(one is other)
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    shared = max(0.0, width) * max(0.0, height)
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return shared / (areas - shared) if areas > shared else 0.0
