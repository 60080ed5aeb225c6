"""The one result type that every modality returns."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from mien.emotions import LabelSpace, get_space, rollup_scores

Box = tuple[float, float, float, float]


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
    """

    scores: Mapping[str, float]
    space: LabelSpace
    thresholds: Mapping[str, float] = field(default_factory=dict)
    box: Box | None = None

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

    @property
    def label(self) -> str:
        """The strongest label."""
        return max(self.scores, key=self.scores.__getitem__)

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that hold, strongest first; at least one."""
        if not self.space.multilabel:
            return (self.label,)
        over = [name for name, score in self.scores.items() if score >= self.thresholds.get(name, 0.5)]
        return tuple(sorted(over, key=self.scores.__getitem__, reverse=True)) or (self.label,)

    @property
    def score(self) -> float:
        """The probability of the strongest label, 0..1."""
        return self.scores[self.label]

    @property
    def emoji(self) -> str:
        """The emoji of the strongest label."""
        return self.space[self.label].emoji

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
            "score": round(self.score, 6),
            "labels": list(self.labels),
            "scores": {label: round(score, 6) for label, score in self.scores.items()},
            "box": None if self.box is None else [round(float(v), 1) for v in self.box],
        }


@dataclass(frozen=True)
class Result:
    """What a model read in one input.

    Attributes:
        input: the text, or the path of the picture or clip, as given.
        modality: "text", "face", "video" or "scene".
        model: name of the model.
        items: the predictions, 0..n (a text has one, a picture one per face).
        error: why there is no prediction, where one input of many was unusable; else None.
        rollup_thresholds: space → label → threshold, as the model was tuned for coarser spaces.
    """

    input: str
    modality: str
    model: str
    items: tuple[Prediction, ...] = ()
    error: str | None = None
    rollup_thresholds: Mapping[str, Mapping[str, float]] = field(default_factory=dict, repr=False)

    @property
    def strongest(self) -> Prediction | None:
        """The prediction with the highest score; None where there is none."""
        return max(self.items, key=lambda item: item.score, default=None)

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
        return replace(self, items=tuple(item.rollup(space, thresholds) for item in self.items))

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON; the same from the API, the command line and the server."""
        return {
            "input": self.input,
            "modality": self.modality,
            "model": self.model,
            "label": self.label,
            "emoji": self.emoji,
            "score": None if self.score is None else round(self.score, 6),
            "items": [item.to_dict() for item in self.items],
            "error": self.error,
        }
