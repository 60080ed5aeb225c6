"""What was read in one place."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

from mien.labels import Emotion, LabelSpace, get_space, groups, rollup_scores
from mien.results.action import FaceAction
from mien.results.explanation import Explanation
from mien.results.quality import Quality

Box = tuple[float, float, float, float]
Scales = Mapping[str, tuple[float, float]]  # rating → its lowest and highest value
ROUNDED = 4e-7  # what rounding to six digits may have taken of a score


class Certainty(NamedTuple):
    """What a model goes by in one label space to say that it is not sure.

    Attributes:
        threshold: smallest score of the top label with which an answer is sure; of a face whose reliability the model
            tells, the smallest reliability.
        set_threshold: labels with at least this score form the set of labels, and the top one always.
    """

    threshold: float
    set_threshold: float


def tuned_for(
    language: str | None,
    tuned: Mapping[str, Mapping[str, float]],
    by_language: Mapping[str, Mapping[str, Mapping[str, float]]],
) -> Mapping[str, Mapping[str, float]]:
    """Label space → label → threshold, for a text in that language: its own where one is given, else the usual one.

    Args:
        language: None where it is not known.
        tuned: label space → label → the usual threshold.
        by_language: label space → language → label → threshold.
    """
    own = {space: some[language] for space, some in by_language.items() if language and language in some}
    return {**tuned, **{space: {**tuned.get(space, {}), **some} for space, some in own.items()}}


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
        certainty: what ``unsure`` and ``label_set`` go by; None where the model states nothing of the kind.
        quality: of a face, how well it could be seen; else None.
        action: of a face, what it does; None unless ``landmarks`` was asked for.
    """

    scores: Mapping[str, float]
    space: LabelSpace
    thresholds: Mapping[str, float] = field(default_factory=dict)
    box: Box | None = None
    ratings: Mapping[str, float] = field(default_factory=dict)
    explanation: Explanation | None = None
    certainty: Certainty | None = field(default=None, repr=False)
    quality: Quality | None = field(default=None, repr=False)
    action: FaceAction | None = field(default=None, repr=False)

    def __repr__(self) -> str:
        score, box = self.score, self.box
        rated = (f"{name}={value:.2f}" for name, value in self.ratings.items())
        parts = [*([f"{self.label!r}{'?' * self.unsure} {score:.2f}"] if score is not None else []), *rated]
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
    def unsure(self) -> bool:
        """Whether the strongest label is less probable than what the model takes for sure; its manifest says how sure.

        Of a face with a reliability that is what must be high enough. False where the model states no certainty for
        this space.
        """
        told = self.score or 0.0 if self.reliability is None else self.reliability
        return self.certainty is not None and told < self.certainty.threshold

    @property
    def reliability(self) -> float | None:
        """Of a face, how probable it is that its label is right, 0..1; None where the model does not tell."""
        return self.quality.reliability if self.quality else None

    @property
    def unreliable(self) -> bool:
        """Whether this is a face that could not be seen well enough for its label to count."""
        return self.unsure and self.reliability is not None

    def counts(self, all_faces: bool = False) -> bool:
        """Whether it is to be counted: all but unreliable faces; with *all_faces* these, too."""
        return all_faces or not self.unreliable

    @property
    def shown(self) -> str:
        """The strongest label as people are shown it: with a question mark where the model is not sure."""
        return f"{self.label or ''}{'?' * self.unsure}"

    @property
    def label_set(self) -> tuple[str, ...]:
        """The labels that may be right, strongest first; one of them is, as often as the model's manifest states.

        Empty where the model states no certainty for this space.
        """
        if self.certainty is None:
            return ()
        ranked = sorted(self.scores, key=self.scores.__getitem__, reverse=True)
        least = self.certainty.set_threshold
        return tuple(name for place, name in enumerate(ranked) if not place or self.scores[name] >= least)

    @property
    def emoji(self) -> str:
        """The emoji of the strongest label; "" where there is none."""
        return self.space[self.label].emoji if self.label is not None else ""

    @property
    def color(self) -> str:
        """The color of the strongest label, #rrggbb; gray where there is none."""
        return self.space[self.label].color if self.label is not None else Emotion("").color

    def rollup(
        self,
        space: str | LabelSpace,
        thresholds: Mapping[str, float] | None = None,
        certainty: Certainty | None = None,
    ) -> Prediction:
        """The same prediction in a coarser space; an explanation in another space than that is left out.

        Args:
            thresholds, certainty: of the model in that space. Where it states no certainty there, an unreliable face
                stays one.

        Raises:
            ValueError: no map leads from this space to that one.
        """
        target = get_space(space)
        if target == self.space:
            return self
        scores = rollup_scores(self.scores, self.space, target)
        explained = self.explanation if self.explanation and self.explanation.space == target.name else None
        several = target.as_multilabel(self.space.multilabel)
        if certainty is None and self.certainty and self.reliability is not None:
            own = [self.space.names.index(name) for name in self.label_set]
            kept = (
                n for n, members in zip(target.names, groups(self.space, target), strict=True) if {*own} & {*members}
            )
            certainty = Certainty(self.certainty.threshold, min(map(scores.__getitem__, kept), default=0.0))
        return replace(
            self, scores=scores, space=several, thresholds=thresholds or {}, explanation=explained, certainty=certainty
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        rated = {"ratings": {name: round(float(r), 6) for name, r in self.ratings.items()}} if self.ratings else {}
        explained = {"explanation": self.explanation.to_dict()} if self.explanation else {}
        seen = {"quality": self.quality.to_dict()} if self.quality else {}
        done = self.action.to_dict() if self.action else {}
        certain = {"unsure": self.unsure, "label_set": list(self.label_set)} if self.certainty else {}
        return {
            "label": self.label,
            "emoji": self.emoji,
            "score": None if self.score is None else round(self.score, 6),
            "labels": list(self.labels),
            "scores": {label: round(score, 6) for label, score in self.scores.items()},
            "box": None if self.box is None else [round(float(v), 1) for v in self.box],
            **rated,
            **explained,
            **seen,
            **done,
            **certain,
        }

    @classmethod
    def from_dict(
        cls,
        document: Mapping[str, Any],
        space: LabelSpace,
        thresholds: Mapping[str, float] | None = None,
        certainty: Certainty | None = None,
    ) -> Prediction:
        """The prediction that :meth:`to_dict` gave these values of; with its labels in the same order.

        Args:
            document: with the scores of all labels of *space*, whatever their order.
            thresholds: of the model; where they are not known, or rounding has brought a score to the other side of
                one, what holds is what the document says.
            certainty: of the model in that space; the same goes for it.

        Raises:
            ValueError, KeyError, TypeError: it is no such document.
        """
        scores = {name: float(document["scores"][name]) for name in space.names}
        if unknown := set(document["scores"]).difference(scores):
            raise ValueError(f"the label {min(unknown)!r} is not in {space.name}")
        labels, sides = tuple(document["labels"]), document.get("box")
        box = tuple(map(float, sides)) if sides else None
        explained = Explanation.from_dict(document["explanation"]) if document.get("explanation") else None
        quality = Quality.from_dict(document["quality"]) if document.get("quality") else None
        rated = dict(document.get("ratings", {}))
        action = FaceAction.from_dict(document) if "presence" in document else None
        made = cls(scores, space, dict(thresholds or {}), box, rated, explained, None, quality, action)  # type: ignore[arg-type]
        if made.labels != labels:
            for place, label in enumerate(reversed(labels), 1):  # of scores that were rounded to the same
                scores[label] += place / len(labels) * ROUNDED
            made = replace(made, scores=scores)
        strongest, top = document.get("label"), made.score or 0.0
        if strongest in scores and made.label != strongest and scores[strongest] >= top - 2 * ROUNDED:
            scores[strongest] = top + 1e-9
            made = replace(made, scores=scores)
        if made.labels != labels:
            held = {name: scores[name] if name in labels else 2.0 for name in scores}  # 2: never
            made = replace(made, thresholds=held)
        if "unsure" not in document:
            return made
        return _with_certainty(made, bool(document["unsure"]), tuple(document["label_set"]), certainty)


def _with_certainty(
    made: Prediction, unsure: bool, label_set: tuple[str, ...], certainty: Certainty | None
) -> Prediction:
    """The prediction by the model's certainty, or where that is not known, or rounding has crossed it, by its words."""
    known = replace(made, certainty=certainty)
    if certainty is not None and (known.unsure, set(known.label_set)) == (unsure, set(label_set)):
        return known
    scores = dict(made.scores)
    rest = max((score for name, score in scores.items() if name not in label_set), default=0.0)
    for place, name in enumerate(reversed(label_set), 1):
        if scores[name] <= rest:  # rounded to the same as one that is not in it
            scores[name] = rest + place / len(label_set) * ROUNDED / 4
    least = min((scores[name] for name in label_set if name != made.label), default=2.0)
    return replace(made, scores=scores, certainty=Certainty(2.0 if unsure else 0.0, least))
