"""The one result type that every modality returns."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

from mien.errors import InputError, cut, cut_message
from mien.inputs import Message
from mien.labels import SPACES, LabelSpace, get_space, make_space
from mien.plugins import import_object
from mien.results.clip import ClipSummary, Moment, Person, Segment, segments_of
from mien.results.explanation import Explanation
from mien.results.prediction import Certainty, Prediction

EMPTY = "text is empty"  #: the error of a text without anything to read
_UNREAD_LANGUAGE = re.compile(r"language (\S+) is not read by ")
_SHOWN = 3  # predictions in a result's repr


def language_error(language: str, model: str) -> str:
    """The error of a text in a language that the model of that name does not read."""
    return f"language {language} is not read by {model}"


def language_of_error(error: str | None) -> str | None:
    """The language that a text was not read for; None where it was read, or not read for another reason."""
    found = _UNREAD_LANGUAGE.match(error or "")
    return found[1] if found else None


@dataclass(frozen=True)
class Result:
    """What a model read in one input.

    Attributes:
        input: the text, or the path of the picture or clip, as given; a message of a chat knows who and when.
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
        rollup_certainty: coarser space → what the model goes by there to say that it is not sure.
        language: of a text: by the thresholds of which language its labels hold; None where that is not known, or the
            model has none by language; mostly None, and then not in the JSON.
        of_clip: whether the JSON has the keys of clips even where the clip could not be read.
        all_faces: whether unreliable faces count as others do; mostly False, and then not in the JSON.
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
    rollup_certainty: Mapping[str, Certainty] = field(default_factory=dict, repr=False)
    language: str | None = None
    all_faces: bool = False

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

    @property
    def speaker(self) -> str | None:
        """Who wrote or said the text; None where that is not known."""
        return self.input.speaker if isinstance(self.input, Message) else None

    @property
    def time(self) -> str | float | None:
        """When: a date in ISO 8601, or seconds from the start of a recording; None where that is not known."""
        return self.input.time if isinstance(self.input, Message) else None

    @cached_property
    def strongest(self) -> Prediction | None:
        """The prediction with the highest score, a sure one if there is any; None where there is none."""
        return max(self.items, key=lambda item: (self._goes_first(item), item.score or 0.0), default=None)

    def _goes_first(self, item: Prediction) -> bool:
        return self.all_faces or not item.unsure

    def counts(self, item: Prediction) -> bool:
        """Whether a prediction of this result is to be counted; see :meth:`Prediction.counts`."""
        return item.counts(self.all_faces)

    @property
    def uncounted(self) -> int:
        """How many faces, or moments of a clip, are left out of every count because they are unreliable."""
        seen = [moment.prediction for moment in self.timeline] if self.clip else self.items
        return sum(not self.counts(item) for item in seen)

    @property
    def label(self) -> str | None:
        """The label of the strongest prediction; None where there is none."""
        return self.strongest.label if self.strongest else None

    @property
    def score(self) -> float | None:
        """The score of the strongest prediction, 0..1; None where there is none."""
        return self.strongest.score if self.strongest else None

    @property
    def unsure(self) -> bool:
        """Whether the model is not sure of that label; see :attr:`Prediction.unsure`."""
        return self.strongest is not None and self.strongest.unsure

    @property
    def label_set(self) -> tuple[str, ...]:
        """The labels of the strongest prediction that may be right; see :attr:`Prediction.label_set`."""
        return self.strongest.label_set if self.strongest else ()

    @property
    def explanation(self) -> Explanation | None:
        """What brought that label about; None unless it was asked for, as :func:`mien.explain` does."""
        return self.strongest.explanation if self.strongest else None

    def explain(self) -> Result:
        """The same input read again by the shipped model of this result, with explanations.

        Raises:
            InputError: the input was no text and no path, can be read no more, or is of a kind that is not explained.
            ModelError: the model is none of the shipped: :func:`mien.explain` takes its folder.
        """
        explain: Callable[..., Result] = import_object("mien:explain")
        if self.explanation:
            return self
        kind = import_object("mien.modality:get_modality")(self.modality).kind
        again = self.language or "any"  # a text that was read is read again
        language = again if kind == "text" and self.items else None
        return explain(self.input, self.model, language=language)

    @property
    def emoji(self) -> str | None:
        """The emoji of the strongest prediction; None where there is none."""
        return self.strongest.emoji if self.strongest else None

    def rollup(self, space: str | LabelSpace) -> Result:
        """The same result in a coarser space, such as "ekman7".

        Raises:
            ValueError: no map leads from the model's space to that one.
        """
        name = get_space(space).name
        thresholds, certainty = self.rollup_thresholds.get(name), self.rollup_certainty.get(name)

        def roll(prediction: Prediction) -> Prediction:
            return prediction.rollup(space, thresholds, certainty)

        items = tuple(map(roll, self.items))
        if self.clip is None:
            return replace(self, items=items)
        timeline = tuple(replace(moment, prediction=roll(moment.prediction)) for moment in self.timeline)
        people = tuple(replace(person, prediction=roll(person.prediction)) for person in self.people)
        pairs = zip(timeline, self.timeline, strict=True)
        counted = [rolled for rolled, moment in pairs if self.counts(moment.prediction)]
        segments = segments_of(counted, self.clip) if self.segments else ()
        return replace(self, items=items, timeline=timeline, people=people, segments=segments)

    def to_dict(self, timeline: bool = True) -> dict[str, Any]:
        """Plain values, ready for JSON; the same from the API, the command line and the server.

        A clip's has "clip", "people", "segments" and "timeline" besides, a message's "speaker" and "time".

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
            **(self.input.columns if isinstance(self.input, Message) else {}),
            **(of_clip if self.of_clip or self.clip else {}),
            **({"notes": list(self.notes)} if self.notes else {}),
            **({"language": self.language} if self.language else {}),
            **({"all_faces": True} if self.all_faces else {}),
            **({"unsure": self.unsure, "label_set": list(self.label_set)} if self.label_set else {}),
        }

    @classmethod
    def from_dict(
        cls,
        document: Mapping[str, Any],
        space: LabelSpace | None = None,
        thresholds: Mapping[str, float] | None = None,
        rollup_thresholds: Mapping[str, Mapping[str, float]] | None = None,
        certainty: Certainty | None = None,
        rollup_certainty: Mapping[str, Certainty] | None = None,
    ) -> Result:
        """The result that :meth:`to_dict` gave these values of: one of ``--json``, of a line of .jsonl, of the server.

        Scores have six digits then, and boxes one; all else is as it was.

        Args:
            document: the values.
            space: that the scores belong to; found by its labels if not given, and where none of mien's has them, made.
            thresholds: of the model in that space, if it holds several labels at a time.
            rollup_thresholds: of the model in coarser spaces; without them :meth:`rollup` takes 0.5.
            certainty: of the model in that space.
            rollup_certainty: of the model in coarser spaces; without it nothing is unsure there.

        Raises:
            InputError: these are not the values of a result, or not in that space; one line.
        """
        try:
            made = _from_dict(document, space, thresholds or {}, certainty)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            wrong = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)
            raise InputError(f"this is not the JSON of a result: {wrong}") from error
        coarser = dict(rollup_certainty or {})
        return replace(made, rollup_thresholds=dict(rollup_thresholds or {}), rollup_certainty=coarser)

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from mien.results.notebook import result_html

        return result_html(self)


def _from_dict(
    document: Mapping[str, Any],
    space: LabelSpace | None,
    thresholds: Mapping[str, float],
    certainty: Certainty | None,
) -> Result:
    rows = [*document["items"], *document.get("people", ()), *document.get("timeline", ())]
    space = space or _space_of(rows)
    clip = document.get("clip")
    origin = {name: document[name] for name in Message.KEYS if name in document}
    made = Result(
        Message(document["input"], **origin) if origin else document["input"], document["modality"], document["model"],
        tuple(Prediction.from_dict(row, space, thresholds, certainty) for row in document["items"]),
        document["error"], {},
        tuple(Moment.from_dict(row, space, thresholds, certainty) for row in document.get("timeline", ())),
        tuple(Person.from_dict(row, space, thresholds, certainty) for row in document.get("people", ())),
        tuple(map(Segment.from_dict, document.get("segments", ()))),
        ClipSummary.from_dict(clip) if clip else None, tuple(document.get("notes", ())), "clip" in document,
        language=document.get("language"), all_faces=document.get("all_faces", False),
    )  # fmt: skip
    return _with_strongest(made, document["label"])


def _with_strongest(result: Result, label: str | None) -> Result:
    """The result whose strongest prediction is of that label, should rounding have made several the strongest."""
    if result.label == label:
        return result
    top = result.score or 0.0
    first = result.strongest is not None and result._goes_first(result.strongest)
    for place, item in enumerate(result.items):
        near = (item.score or 0.0) > top - 1e-6 and result._goes_first(item) == first
        if label is not None and item.label == label and near:
            best = replace(item, scores={**item.scores, label: top + 1e-9})
            return replace(result, items=(*result.items[:place], best, *result.items[place + 1 :]))
    raise ValueError(f"its label {label!r} is not that of its strongest item")


def _space_of(rows: Sequence[Mapping[str, Any]]) -> LabelSpace:
    """The label space of predictions: one of mien's by its labels, or one made of them."""
    names = tuple(rows[0]["scores"]) if rows else ()
    several = not names or any(len(row["labels"]) > 1 or abs(sum(row["scores"].values()) - 1) > 1e-3 for row in rows)
    known = next((space for space in SPACES.values() if space.names == names), None)
    return known.as_multilabel(known.multilabel or several) if known else make_space("own", names, several)
