"""From faces seen in single frames to what a result of a clip holds: moments, people, segments."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mien.modalities.video.aggregate import segments, smooth
from mien.results import Box, ClipSummary, Moment, Person, Prediction, Segment

Rule = Callable[[np.ndarray], np.ndarray]


@dataclass(slots=True, eq=False)
class Sighting:
    """A face in a frame: who, when, where; its crop until the network has read it, and then what that said."""

    time: float
    person: int
    box: Box
    crop: np.ndarray | None
    row: np.ndarray | None = None


class Timeline(NamedTuple):
    """What a clip's result holds of its faces; see :class:`mien.results.Result`."""

    items: tuple[Prediction, ...]
    timeline: tuple[Moment, ...]
    people: tuple[Person, ...]
    segments: tuple[Segment, ...]


def assemble(
    sightings: Sequence[Sighting],
    who: np.ndarray,
    rows: np.ndarray,
    clip: ClipSummary,
    predicted: Callable[[np.ndarray, Box | None], Prediction],
    rule: Rule,
    seconds: float,
) -> Timeline:
    """Smooth each person's probabilities over so many seconds, and take them together by the rule.

    The rule sees what the timeline shows: whoever applies it to the timeline gets the same answer.

    Args:
        sightings: in the order of time.
        who: the number of the person whom each is of, (n,); see :func:`numbered`.
        rows: probabilities of each, float (n, labels).
        clip: that they are of.
        predicted: makes a prediction of a row of probabilities.
        rule: float (n, labels) to (labels,), such as those of :data:`mien.modalities.video.aggregate.RULES`.
    """
    if not sightings:
        return Timeline((), (), (), ())
    times = np.array([sighting.time for sighting in sightings])
    rows = smoothed(times, who, rows, seconds)
    people = []
    for number in np.unique(who).tolist():
        of = who == number
        span = times[of]
        people.append(Person(number, predicted(rule(rows[of]), None), float(span[0]), float(span[-1]), len(span)))
    moments = tuple(
        Moment(sighting.time, number, predicted(row, sighting.box))
        for sighting, number, row in zip(sightings, who.tolist(), rows, strict=True)
    )
    return Timeline((predicted(rule(rows), None),), moments, tuple(people), segments_of(moments, clip))


def smoothed(times: np.ndarray, who: np.ndarray, rows: np.ndarray, seconds: float) -> np.ndarray:
    """Each person's probabilities averaged over so many seconds, float64 (n, labels)."""
    even = np.array(rows, np.float64)
    for person in np.unique(who):
        of = who == person
        even[of] = smooth(times[of], even[of], seconds)
    return even


def numbered(people: Iterable[int], known_as: Mapping[int, int]) -> np.ndarray:
    """The numbers that people have in the end: 1, 2, … in the order in which they came.

    Args:
        people: numbers as the tracker gave them.
        known_as: numbers of people who turned out to be others; see :class:`mien.modalities.video.track.Tracker`.
    """
    numbers: dict[int, int] = {}
    found = []
    for number in people:
        person = number
        while person in known_as:
            person = known_as[person]
        found.append(numbers.setdefault(person, len(numbers) + 1))
    return np.array(found)


def segments_of(timeline: Iterable[Moment], clip: ClipSummary) -> tuple[Segment, ...]:
    """The stretches of time in which one person shows the same, in the order of time; see `aggregate.segments`.

    A moment stands until the next frame that was looked at, also the last one before a person is gone.
    """
    end = float("inf") if clip.duration is None else clip.duration
    step = end / clip.frames if clip.duration and clip.frames else 0.0
    people: dict[int, list[Moment]] = {}
    for moment in timeline:
        people.setdefault(moment.person, []).append(moment)
    found = []
    for number, moments in people.items():
        names = moments[0].prediction.space.names
        times = np.array([moment.time for moment in moments])
        rows = np.array([list(moment.prediction.scores.values()) for moment in moments])
        held = np.flatnonzero(np.diff(times, append=np.inf) > 1.5 * step)
        times = np.insert(times, held + 1, np.minimum(times[held] + step, np.maximum(times[held], end)))
        rows = np.insert(rows, held + 1, rows[held], axis=0)
        for part in segments(times, rows, gap=max(1.0, 3 * step) - step):
            found.append(Segment(part.start, part.end, number, names[part.label], part.score))
    return tuple(sorted(found, key=lambda segment: (segment.start, segment.person)))
