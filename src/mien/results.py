"""The one result type that every modality returns."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from mien.errors import cut, cut_message
from mien.labels import Emotion, LabelSpace, get_space, rollup_scores
from mien.segments import segments

EMPTY = "text is empty"  #: the error of a text without anything to read
_SHOWN = 3  # predictions in a result's repr
Box = tuple[float, float, float, float]
Scales = Mapping[str, tuple[float, float]]  # rating → its lowest and highest value


@dataclass(frozen=True)
class Prediction:
    """What was read in one place: the text, one face, one person.

    Attributes:
        scores: label → probability in 0..1, one for every label of the space, in its order. They sum to 1
            where the space holds one label at a time, and are independent where it holds several.
        space: the label space the scores belong to.
        labels: the labels that hold, strongest first: one for a single-label space; for a
            multi-label space those at or above their threshold, or the strongest if none is.
        box: where in the picture, as left, top, right, bottom in pixels; None for text and whole scenes.
        thresholds: label → smallest score at which the label holds; empty for a single-label space.
        ratings: what was rated, such as "valence" → value, in the units that the model's manifest states; mostly empty.
    """

    scores: Mapping[str, float]
    space: LabelSpace
    thresholds: Mapping[str, float] = field(default_factory=dict)
    box: Box | None = None
    ratings: Mapping[str, float] = field(default_factory=dict)

    def __repr__(self) -> str:
        score, box = self.score, self.box
        rated = (f"{name}={value:.2f}" for name, value in self.ratings.items())
        parts = [*([f"{self.label!r} {score:.2f}"] if score is not None else []), *rated]
        parts += [f"box={tuple(round(side) for side in box)}"] if box else []
        return f"Prediction({', '.join(parts)})"

    def __post_init__(self) -> None:
        if tuple(self.scores) != self.space.names:
            raise ValueError(f"scores must have the labels of {self.space.name} in order, got {list(self.scores)}")
        for label, score in self.scores.items():
            if not (math.isfinite(score) and -1e-6 <= score <= 1 + 1e-6):
                raise ValueError(f"score of {label} must lie in 0..1, got {score}")
        if not self.space.multilabel and abs(sum(self.scores.values()) - 1) > 1e-3:
            raise ValueError(f"scores of one label at a time must sum to 1, got {sum(self.scores.values()):.4f}")
        if self.box is not None and not (self.box[0] <= self.box[2] and self.box[1] <= self.box[3]):
            raise ValueError(f"box must be left, top, right, bottom, got {self.box}")
        for name, rating in self.ratings.items():
            if not math.isfinite(rating):
                raise ValueError(f"the rating of {name} must be a number, got {rating}")

    @cached_property
    def label(self) -> str | None:
        """The strongest label; None only where the space has none, as that of a model that gives ratings alone."""
        return max(self.scores, key=self.scores.__getitem__, default=None)

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that hold, strongest first; at least one, unless the space has none."""
        ranked = sorted(self.scores, key=self.scores.__getitem__, reverse=True)
        if not self.space.multilabel:
            return tuple(ranked[:1])
        return tuple(n for n in ranked if self.scores[n] >= self.thresholds.get(n, 0.5)) or tuple(ranked[:1])

    @property
    def score(self) -> float | None:
        """The probability of the strongest label, 0..1; None where there is none."""
        return max(self.scores.values(), default=None)

    @property
    def emoji(self) -> str:
        """The emoji of the strongest label; "" where there is none."""
        return self.space[self.label].emoji if self.label is not None else ""

    @property
    def color(self) -> str:
        """The color of the strongest label, #rrggbb; gray where there is none."""
        return self.space[self.label].color if self.label is not None else Emotion("").color

    def rollup(self, space: str | LabelSpace, thresholds: Mapping[str, float] | None = None) -> Prediction:
        """The same prediction in a coarser space.

        Raises:
            ValueError: no map leads from this space to that one.
        """
        target = get_space(space)
        if target == self.space:
            return self
        scores = rollup_scores(self.scores, self.space, target)
        return replace(
            self, scores=scores, space=target.as_multilabel(self.space.multilabel), thresholds=thresholds or {}
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {
            "label": self.label,
            "emoji": self.emoji,
            "score": None if self.score is None else round(self.score, 6),
            "labels": list(self.labels),
            "scores": {label: round(score, 6) for label, score in self.scores.items()},
            "box": None if self.box is None else [round(float(v), 1) for v in self.box],
        } | ({"ratings": {name: round(float(r), 6) for name, r in self.ratings.items()}} if self.ratings else {})


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


@dataclass(frozen=True)
class Result:
    """What a model read in one input.

    Attributes:
        input: the text, or the path of the picture or clip, as given.
        modality: what the model reads, such as "text".
        model: name of the model.
        items: the predictions, 0..n (a text has one, a picture one per face, a clip one unless no face was ever seen).
        error: why there is no prediction, where one input of many was unusable; else None.
        rollup_thresholds: space → label → threshold, as the model was tuned for coarser spaces.
        timeline: of a clip: every face in every frame that was looked at, or every frame read as a scene, in the order
            of time.
        people: of a clip: those seen in it, by number.
        segments: of a clip: who showed what from when to when, in the order of time.
        clip: of a clip: its size and length, and what was wrong with it.
        notes: a line for each thing that was guessed in reading the input; mostly none, and then not in the JSON.
        of_clip: whether the JSON has the keys of clips even where the clip could not be read.
    """

    input: str
    modality: str
    model: str
    items: tuple[Prediction, ...] = ()
    error: str | None = None
    rollup_thresholds: Mapping[str, Mapping[str, float]] = field(default_factory=dict, repr=False)
    timeline: tuple[Moment, ...] = field(default=(), repr=False)
    people: tuple[Person, ...] = ()
    segments: tuple[Segment, ...] = field(default=(), repr=False)
    clip: ClipSummary | None = None
    notes: tuple[str, ...] = ()
    of_clip: bool = field(default=False, repr=False, compare=False)

    def __repr__(self) -> str:
        """One line, however long the text or the clip."""
        parts = [repr(cut(self.input, 60)), f"modality={self.modality!r}", f"model={self.model!r}"]
        if self.error:
            return f"Result({', '.join(parts)}, error={cut(self.error)!r})"
        if self.clip:
            parts += [f"people={len(self.people)}", f"moments={len(self.timeline)}"]
        shown = [repr(item) for item in self.items[:_SHOWN]] + ["…"] * (len(self.items) > _SHOWN)
        return f"Result({', '.join(parts)}, items={len(self.items)}: {', '.join(shown) or 'none'})"

    def __post_init__(self) -> None:
        if self.error is not None:
            object.__setattr__(self, "error", cut_message(self.error))
        if (self.timeline or self.people or self.segments) and self.clip is None:
            raise ValueError("a timeline, people and segments are those of a clip")
        if any(later.time < moment.time for moment, later in pairwise(self.timeline)):
            raise ValueError("the moments of a timeline must be in the order of time")
        numbers = [person.number for person in self.people]
        if numbers != sorted(set(numbers)):
            raise ValueError(f"people must be in the order of their numbers, got {numbers}")
        seen = {moment.person for moment in self.timeline} | {segment.person for segment in self.segments}
        if strangers := seen.difference(numbers, {0}):
            raise ValueError(f"moments or segments of people that are not listed: {sorted(strangers)}")

    @cached_property
    def strongest(self) -> Prediction | None:
        """The prediction with the highest score; None where there is none."""
        return max(self.items, key=lambda item: item.score or 0.0, default=None)

    @property
    def label(self) -> str | None:
        """The label of the strongest prediction; None where there is none."""
        return self.strongest.label if self.strongest else None

    @property
    def score(self) -> float | None:
        """The score of the strongest prediction, 0..1; None where there is none."""
        return self.strongest.score if self.strongest else None

    @property
    def emoji(self) -> str | None:
        """The emoji of the strongest prediction; None where there is none."""
        return self.strongest.emoji if self.strongest else None

    def rollup(self, space: str | LabelSpace) -> Result:
        """The same result in a coarser space, such as "ekman7".

        Raises:
            ValueError: no map leads from the model's space to that one.
        """
        thresholds = self.rollup_thresholds.get(get_space(space).name)

        def roll(prediction: Prediction) -> Prediction:
            return prediction.rollup(space, thresholds)

        items = tuple(map(roll, self.items))
        if self.clip is None:
            return replace(self, items=items)
        timeline = tuple(replace(moment, prediction=roll(moment.prediction)) for moment in self.timeline)
        people = tuple(replace(person, prediction=roll(person.prediction)) for person in self.people)
        segments = segments_of(timeline, self.clip) if self.segments else ()
        return replace(self, items=items, timeline=timeline, people=people, segments=segments)

    def to_dict(self, timeline: bool = True) -> dict[str, Any]:
        """Plain values, ready for JSON; the same from the API, the command line and the server.

        A clip's has "clip", "people", "segments" and "timeline" besides.

        Args:
            timeline: whether the moments of a clip go along; of a long one they are many.
        """
        of_clip = {
            "clip": self.clip and self.clip.to_dict(),
            "people": [person.to_dict() for person in self.people],
            "segments": [segment.to_dict() for segment in self.segments],
            "timeline": [moment.to_dict() for moment in self.timeline] if timeline else [],
        }
        return {
            "input": self.input,
            "modality": self.modality,
            "model": self.model,
            "label": self.label,
            "emoji": self.emoji,
            "score": None if self.score is None else round(self.score, 6),
            "items": [item.to_dict() for item in self.items],
            "error": self.error,
            **(of_clip if self.of_clip or self.clip else {}),
            **({"notes": list(self.notes)} if self.notes else {}),
        }
