"""What was read in one place."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from mien.labels import Emotion, LabelSpace, get_space, rollup_scores
from mien.results.explanation import Explanation

Box = tuple[float, float, float, float]
Scales = Mapping[str, tuple[float, float]]  # rating → its lowest and highest value
ROUNDED = 4e-7  # what rounding to six digits may have taken of a score


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
        explanation: what brought the strongest label about; None unless it was asked for.
    """

    scores: Mapping[str, float]
    space: LabelSpace
    thresholds: Mapping[str, float] = field(default_factory=dict)
    box: Box | None = None
    ratings: Mapping[str, float] = field(default_factory=dict)
    explanation: Explanation | None = None

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
        """The same prediction in a coarser space; an explanation in another space than that is left out.

        Raises:
            ValueError: no map leads from this space to that one.
        """
        target = get_space(space)
        if target == self.space:
            return self
        scores = rollup_scores(self.scores, self.space, target)
        explained = self.explanation if self.explanation and self.explanation.space == target.name else None
        several = target.as_multilabel(self.space.multilabel)
        return replace(self, scores=scores, space=several, thresholds=thresholds or {}, explanation=explained)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        rated = {"ratings": {name: round(float(r), 6) for name, r in self.ratings.items()}} if self.ratings else {}
        explained = {"explanation": self.explanation.to_dict()} if self.explanation else {}
        return {
            "label": self.label,
            "emoji": self.emoji,
            "score": None if self.score is None else round(self.score, 6),
            "labels": list(self.labels),
            "scores": {label: round(score, 6) for label, score in self.scores.items()},
            "box": None if self.box is None else [round(float(v), 1) for v in self.box],
            **rated,
            **explained,
        }

    @classmethod
    def from_dict(
        cls, document: Mapping[str, Any], space: LabelSpace, thresholds: Mapping[str, float] | None = None
    ) -> Prediction:
        """The prediction that :meth:`to_dict` gave these values of; with its labels in the same order.

        Args:
            document: with the scores of all labels of *space*, whatever their order.
            thresholds: of the model; where they are not known, or rounding has brought a score to the other side of
                one, what holds is what the document says.

        Raises:
            ValueError, KeyError, TypeError: it is no such document.
        """
        scores = {name: float(document["scores"][name]) for name in space.names}
        if unknown := set(document["scores"]).difference(scores):
            raise ValueError(f"the label {min(unknown)!r} is not in {space.name}")
        labels, sides = tuple(document["labels"]), document.get("box")
        box = tuple(map(float, sides)) if sides else None
        explained = Explanation.from_dict(document["explanation"]) if document.get("explanation") else None
        made = cls(scores, space, dict(thresholds or {}), box, dict(document.get("ratings", {})), explained)  # type: ignore[arg-type]
        if made.labels == labels:
            return made
        for place, label in enumerate(reversed(labels), 1):  # of scores that were rounded to the same
            scores[label] += place / len(labels) * ROUNDED
        made = replace(made, scores=scores)
        held = {name: scores[name] if name in labels else 2.0 for name in scores}  # 2: never
        return made if made.labels == labels else replace(made, thresholds=held)
