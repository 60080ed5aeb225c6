"""What was read in a clip over time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from mien.labels import LabelSpace
from mien.results.prediction import Certainty, Prediction
from mien.segments import segments


@dataclass(frozen=True)
class Moment:
    """One person in one frame of a clip, or the frame itself, read as a scene.

    Attributes:
        time: seconds from the clip's first frame.
        person: who, as numbered in ``Result.people``; 0 for the scene as a whole.
        prediction: what is shown, with the box of the face or the person in pixels of the frame; of a scene without.
    """

    time: float
    person: int
    prediction: Prediction

    def __post_init__(self) -> None:
        of_scene = self.person == 0 and self.prediction.box is None
        _check_span(self.time, self.time, 1 if of_scene else self.person)
        if self.person and self.prediction.box is None:
            raise ValueError("a moment's prediction must have the face's box")

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON: time and person before those of the prediction."""
        return {"time": round(self.time, 3), "person": self.person, **self.prediction.to_dict()}

    @classmethod
    def from_dict(
        cls,
        document: Mapping[str, Any],
        space: LabelSpace,
        thresholds: Mapping[str, float],
        certainty: Certainty | None = None,
    ) -> Moment:
        """The moment that :meth:`to_dict` gave these values of."""
        return cls(document["time"], document["person"], Prediction.from_dict(document, space, thresholds, certainty))


@dataclass(frozen=True)
class Person:
    """One person of a clip, from all moments in which the face was seen.

    Attributes:
        number: 1, 2, … as they came into the clip.
        prediction: the person's moments taken together, by the model's rule; without a box.
        start, end: seconds at which the face was first and last seen.
        moments: how many of ``Result.timeline`` are this person's, at least one.
    """

    number: int
    prediction: Prediction
    start: float
    end: float
    moments: int

    def __post_init__(self) -> None:
        _check_span(self.start, self.end, self.number)
        if self.moments < 1:
            raise ValueError(f"a person has at least one moment, got {self.moments}")

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        told = self.prediction.to_dict()
        del told["box"]
        span = {"start": round(self.start, 3), "end": round(self.end, 3)}
        return {"person": self.number, **span, "moments": self.moments, **told}

    @classmethod
    def from_dict(
        cls,
        document: Mapping[str, Any],
        space: LabelSpace,
        thresholds: Mapping[str, float],
        certainty: Certainty | None = None,
    ) -> Person:
        """The person that :meth:`to_dict` gave these values of."""
        prediction = Prediction.from_dict(document, space, thresholds, certainty)
        return cls(document["person"], prediction, document["start"], document["end"], document["moments"])


@dataclass(frozen=True)
class Segment:
    """A segment of time in which one person shows the same emotion.

    Attributes:
        start, end: seconds from the clip's first frame.
        person: whose, as numbered in ``Result.people``.
        label: the emotion.
        score: its mean probability over the segment, 0..1.
    """

    start: float
    end: float
    person: int
    label: str
    score: float

    def __post_init__(self) -> None:
        _check_span(self.start, self.end, self.person)
        if not (math.isfinite(self.score) and -1e-6 <= self.score <= 1 + 1e-6):
            raise ValueError(f"score of {self.label} must lie in 0..1, got {self.score}")

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        span = {"start": round(self.start, 3), "end": round(self.end, 3)}
        return {**span, "person": self.person, "label": self.label, "score": round(self.score, 6)}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Segment:
        """The segment that :meth:`to_dict` gave these values of."""
        return cls(*(document[name] for name in ("start", "end", "person", "label", "score")))


@dataclass(frozen=True)
class ClipSummary:
    """The clip that a result is of.

    Attributes:
        duration: seconds, as the file states or as far as it was read; None where neither is known.
        width, height: pixels of a frame as it is shown.
        frames: how many frames faces were looked for in.
        skipped: how many frames were damaged and left out.
        problem: what stands against trusting the result as that of the whole clip, in one line ("cut off after
            12.3 s"); None where the clip was read from end to end.
    """

    duration: float | None
    width: int
    height: int
    frames: int
    skipped: int = 0
    problem: str | None = None

    def __post_init__(self) -> None:
        if self.duration is not None and not (math.isfinite(self.duration) and self.duration >= 0):
            raise ValueError(f"duration must be seconds from 0 on, got {self.duration}")
        if self.width < 1 or self.height < 1:
            raise ValueError(f"a frame has pixels, got {self.width} x {self.height}")
        if self.frames < 0 or self.skipped < 0:
            raise ValueError(f"frames are counted from 0, got {self.frames} and {self.skipped} skipped")

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {**vars(self), "duration": None if self.duration is None else round(self.duration, 3)}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> ClipSummary:
        """The clip that :meth:`to_dict` gave these values of."""
        return cls(*(document[part.name] for part in fields(cls)))


def segments_of(timeline: Iterable[Moment], clip: ClipSummary) -> tuple[Segment, ...]:
    """The segments in which one person shows the same, in the order of time; see :func:`mien.segments.segments`.

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
        last = np.flatnonzero(np.diff(times, append=np.inf) > 1.5 * step)
        times = np.insert(times, last + 1, np.minimum(times[last] + step, np.maximum(times[last], end)))
        rows = np.insert(rows, last + 1, rows[last], axis=0)
        for part in segments(times, rows, gap=max(1.0, 3 * step) - step):
            found.append(Segment(part.start, part.end, number, names[part.label], part.score))
    return tuple(sorted(found, key=lambda segment: (segment.start, segment.person)))


def _check_span(start: float, end: float, person: int) -> None:
    if not (math.isfinite(start) and math.isfinite(end) and 0 <= start <= end):
        raise ValueError(f"times must be seconds from 0 on, in order, got {start} to {end}")
    if person < 1:
        raise ValueError(f"people are numbered from 1, got {person}")
