"""A clip's timeline person by person, as arrays: what strips, pages and marked clips are drawn from."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from mien.results import Result, is_unreliable

Row = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Track:
    """One person of a clip.

    Attributes:
        person: the number.
        names: the labels.
        times: float (n,), seconds, rising.
        scores: float (n, labels).
        boxes: float (n, 4), left, top, right, bottom in pixels.
        unsure: bool (n,), whether the model is not sure.
        counts: bool (n,), whether it counts: not where the face is unreliable, see ``Result.counts``.
        step: seconds from one frame that was looked at to the next.
    """

    person: int
    names: tuple[str, ...]
    times: np.ndarray
    scores: np.ndarray
    boxes: np.ndarray
    unsure: np.ndarray
    counts: np.ndarray
    step: float

    def at(self, time: float, before: float = 0.5, after: float = 0.5) -> tuple[np.ndarray, np.ndarray, int] | None:
        """Probabilities (labels,), box (4,) and the nearest moment's place at a time; None if the person is not there.

        Between two frames that follow on each other they go evenly from one to the other; probabilities only where
        either both moments count or neither does.
        """
        place = int(np.searchsorted(self.times, time, side="right"))
        last, following = max(0, place - 1), min(place, len(self.times) - 1)
        start, end = float(self.times[last]), float(self.times[following])
        if start <= time < end <= start + 1.5 * self.step:
            share = (time - start) / (end - start)
        elif start <= time <= start + after * self.step + 1e-6:
            share = 0.0
        elif end - before * self.step - 1e-6 <= time <= end:
            share = 1.0
        else:
            return None
        scores, boxes, near = self.scores, self.boxes, following if share > 0.5 else last
        box = boxes[last] * (1 - share) + boxes[following] * share
        if self.counts[last] != self.counts[following]:
            return scores[near], box, near
        return scores[last] * (1 - share) + scores[following] * share, box, near

    def over(self, edges: np.ndarray) -> np.ndarray:
        """Mean probabilities between each edge of time and the next, float (edges - 1, labels).

        A moment stands until the next frame that was looked at. NaN where the person is not there, or no moment counts.
        """
        parts = np.full((len(edges) - 1, len(self.names)), np.nan)
        places = np.searchsorted(self.times, edges)
        for part, (first, last) in enumerate(pairwise(places)):
            if last > first:
                if (counting := self.counts[first:last]).any():
                    parts[part] = self.scores[first:last][counting].mean(axis=0)
                continue
            found = self.at(float(edges[part] + edges[part + 1]) / 2, after=1.0)
            if found is not None and self.counts[found[2]]:
                parts[part] = found[0]
        return parts


def counts_in(row: Row, item: Row) -> bool:
    """Whether a prediction of a result is to be counted, both as ``to_dict`` gives them; see ``Result.counts``."""
    return row.get("all_faces", False) or not is_unreliable(item)


def tracks(row: Row, timeline: Iterable[Row] = ()) -> list[Track]:
    """The people of a clip's result, as :meth:`mien.results.Result.to_dict` gives it, in the order of their numbers."""
    clip, names = row["clip"] or {}, tuple(row["items"][0]["scores"]) if row["items"] else ()
    step = clip["duration"] / max(1, clip["frames"]) if clip.get("duration") else 0.0
    people: dict[int, array[float]] = {}  # of each moment: time, unsure, counting, probabilities, box
    for moment in row["timeline"] or timeline:
        values = people.setdefault(moment["person"], array("d"))
        values.extend((moment["time"], moment.get("unsure", False), counts_in(row, moment)))
        values.extend(moment["scores"].values())
        values.extend(moment["box"])
    found = []
    for person, values in sorted(people.items()):
        table = np.array(values).reshape(-1, 3 + len(names) + 4)
        marks = table[:, 1:3].astype(bool)
        found.append(Track(person, names, table[:, 0], table[:, 3:-4], table[:, -4:], marks[:, 0], marks[:, 1], step))
    return found


def tracks_of(result: Result) -> list[Track]:
    """The same of a result, without all of its moments as dictionaries at a time."""
    return tracks(result.to_dict(timeline=False), (moment.to_dict() for moment in result.timeline))


def rate_of(row: Row) -> float | None:
    """How many pictures of a folder were taken for a second, each of which was looked at; None where none was read."""
    clip = row["clip"] or {}
    return (clip["frames"] + clip["skipped"]) / clip["duration"] if clip.get("duration") else None


def length(row: Row) -> float:
    """Seconds that a clip's timeline covers."""
    return float(max((row["clip"] or {}).get("duration") or 0, *(person["end"] for person in row["people"]), 0))


def marks(end: float, most: int) -> list[int]:
    """Seconds at which an axis from 0 to *end* has its marks: round ones, at most so many."""
    steps = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
    step = next((step for step in steps if end / step < most), 3600 * max(1, round(end / 3600 / most)))
    return list(range(0, int(end) + 1, step))
