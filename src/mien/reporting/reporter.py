"""The counts behind a report, added up result by result in memory that does not grow with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from mien.errors import InputError, cut
from mien.labels import LabelSpace, sentiment_groups
from mien.modality import Kind
from mien.model import CertaintyEntry
from mien.output.rows import UNRELIABLE
from mien.reporting.examples import Example, Examples, Sample
from mien.reporting.survey import NONE, Columns, Survey, group_of
from mien.results import Prediction, Result

SHOWN = 20_000  # rows that the page's table holds
UNSURE = "unsure"
PERSON = "person"  # the group that clips have of themselves
_TEXT, _QUOTE = 300, 600  # characters of a row in the table, and of an example
_REASONS, _PEOPLE = 50, 2000
_SURE = 0.5  # score from which a single label is more likely right than wrong

Key = tuple[Any, ...]


@dataclass(slots=True)  # there is one for each row: frozen ones take three times as long to make
class Row:
    """One row that counts: a text, a face, or a person of a clip.

    Attributes:
        item: the prediction.
        amounts: label, or `UNSURE` → how much it counts: 1, or seconds of a clip.
        cells: the group of each column.
        period: that it is counted in.
        more: what is shown of it besides: its box, its place.
        unreliable: whether it is unsure because the face could not be seen well.
    """

    item: Prediction
    amounts: Mapping[str, float]
    cells: Mapping[str, str]
    period: str | None
    more: dict[str, Any] = field(default_factory=dict)
    unreliable: bool = False

    @property
    def label(self) -> str:
        """The label that it counts for most, or `UNSURE`."""
        if len(self.amounts) == 1:
            return next(iter(self.amounts))
        return max(self.amounts, key=self.amounts.__getitem__, default=UNSURE)


class Reporter:
    """Counts results.

    Attributes:
        space: the labels.
        survey: of the same rows.
        cells: (), (column, group), (period,) or (column, group, period) → the amount of each label, and of none.
        rows: key, as of *cells* → how many rows there are.
        unsure: why rows have no label → how many.
        left_out: why inputs were not read → how many.
        inputs, read: how many inputs there were, and how many of them were read.
        partial, problem: how many clips were not read to their end, and why the first of them was not.
        examples: label → its examples.
        table: a sample of all rows.
        people: of clips, the seconds of each person with each label.
        seconds: second of the first clip → how long each label was shown in it.
        certainty: by what rows are unsure, which then count in no share; None where thresholds of labels decide.
        threshold_of: in the document, what the threshold of *certainty* is of, where not of the label's score.
    """

    def __init__(
        self,
        space: LabelSpace,
        kind: Kind,
        survey: Survey,
        min_score: float | None = None,
        nothing: str = "",
        certainty: CertaintyEntry | None = None,
        by_reliability: bool = False,
    ) -> None:
        if not space.names:
            raise InputError("the model gives ratings alone, such as valence, and a report counts labels")
        self.space, self.kind, self.survey, self._least = space, kind, survey, min_score
        self._nothing, self.certainty = nothing, certainty if min_score is None else None
        self.threshold_of = {"of": "reliability"} if by_reliability else {}
        self.places = {name: place for place, name in enumerate((*space.names, UNSURE))}
        self.cells: dict[Key, list[float]] = {}
        self.rows, self.unsure, self.left_out = Counter[Key](), Counter[str](), Counter[str]()
        self.inputs = self.read = self.partial = 0
        self.problem = ""
        self.examples = {name: Examples(place) for name, place in self.places.items()}
        self.table = Sample[tuple[Any, ...]](SHOWN)
        self.people = Sample[list[float]](_PEOPLE)
        self.seconds: dict[int, list[float]] = {}
        self._timed = {column: survey.timed(column) for column in survey.by}

    @property
    def measure(self) -> str:
        """What is added up: "count" of rows, or "seconds" of clips."""
        return "seconds" if self.kind == "clip" else "count"

    @cached_property
    def sentiment(self) -> dict[str, list[str]]:
        """The coarse label that each label rolls into; none where that is not known."""
        return sentiment_groups(self.space)

    def add(self, result: Result, columns: Columns) -> None:
        """Count one result; *columns* are the cells of its row."""
        self.inputs += 1
        if result.error is not None:
            self._leave_out(result.error, result.input)
            return
        self.read += 1
        if result.clip and result.clip.problem:
            self.partial, self.problem = self.partial + 1, self.problem or f"{result.input}: {result.clip.problem}"
        if not result.items and not result.timeline:
            self._leave_out(self._nothing)
            return
        survey = self.survey
        cells = {column: group_of(columns.get(column)) for column in survey.by if column in columns}
        period = survey.period_of(columns)
        for row in self._rows_of(result, cells, period):
            self._count(row)
            self._keep(row, result, columns)

    def _leave_out(self, reason: str, name: str = "") -> None:
        if self.kind in ("picture", "clip") and len(name) > 3:
            reason = reason.replace(name, "…")
        known = reason in self.left_out or len(self.left_out) < _REASONS
        self.left_out[reason if known else "other reasons"] += 1

    # ----------------------------------------------------------------------------------------------- what counts

    def label_of(self, item: Prediction, all_faces: bool = False) -> str:
        """The label that a prediction counts for: the strongest that holds; `UNSURE` where there is none that does.

        Args:
            all_faces: whether unreliable faces count as others do.
        """
        if not item.counts(all_faces):
            return UNSURE
        judged = item.reliability is not None
        if item.label is not None and (self.certainty is not None or (judged and self._least is None)):
            return UNSURE if item.unsure and not judged else item.label
        label = item.labels[0]
        least = item.thresholds.get(label, _SURE) if self._least is None else self._least
        return label if item.scores[label] >= least else UNSURE

    def _rows_of(self, result: Result, cells: Mapping[str, str], period: str | None) -> Iterator[Row]:
        if result.clip is None:
            for number, item in enumerate(result.items, 1):
                more = {"box": [round(side) for side in item.box], "number": number} if item.box else {}
                label, left = self.label_of(item, result.all_faces), not result.counts(item)
                yield Row(item, {label: 1}, cells, period, more, left)
            return
        step, people = _step(result), {person.number: person for person in result.people}
        amounts: dict[int, dict[str, float]] = {number: {} for number in people}
        unreliable = Counter[int]()
        for moment in result.timeline:
            label, own = self.label_of(moment.prediction, result.all_faces), amounts.setdefault(moment.person, {})
            unreliable[moment.person] += not result.counts(moment.prediction)
            own[label] = own.get(label, 0.0) + step
            if self.read == 1:
                at = self.seconds.setdefault(int(moment.time), [0.0] * len(self.places))
                at[self.places[label]] += step
        for number, own in sorted(amounts.items()):
            person = people.get(number)
            who = f"{result.input}: person {number}" if person else result.input
            more = {"start": person.start, "end": person.end} if person else {}
            item = person.prediction if person else result.items[0]
            left = unreliable[number] * step * 2 > own.get(UNSURE, 0.0)
            yield Row(item, own, {**cells, PERSON: who}, period, more, left)

    def _count(self, row: Row) -> None:
        label = row.label
        for key in self._keys(row):
            cell = self.cells.get(key)
            if cell is None:
                cell = self.cells[key] = [0] * len(self.places)
            for name, amount in row.amounts.items():
                cell[self.places[name]] += amount
            self.rows[key] += 1
        if label == UNSURE:
            self.unsure[UNRELIABLE if row.unreliable else self._why()] += 1
        if self.kind == "clip":
            self.people.add(lambda: [row.amounts.get(name, 0.0) for name in self.places])

    def _why(self) -> str:
        if self._least is not None:
            return f"no label has a score of {self._least:g}"
        if self.certainty is not None:
            return f"no label has a score of {self.certainty.threshold:.2f}"
        if self.space.multilabel:
            return "no label reaches its threshold"
        return f"no label has a score of {_SURE:g}"

    def _keys(self, row: Row) -> Iterator[Key]:
        yield ()
        if row.period is not None:
            yield (row.period,)
        for column, kept in self.survey.groups.items():
            group = row.cells.get(column, NONE)
            if group in kept:
                yield (column, group)
                if row.period is not None and group in self._timed[column]:
                    yield (column, group, row.period)
        if self.kind == "clip" and len(self.rows) < _PEOPLE:
            yield (PERSON, row.cells[PERSON])

    # ------------------------------------------------------------------------------------------- what is shown

    def _keep(self, row: Row, result: Result, columns: Columns) -> None:
        label, item = row.label, row.item
        score = item.scores[item.labels[0]] if label == UNSURE else item.scores[label]

        def cells() -> dict[str, Any]:
            shown = (name for name in (*self.survey.by, self.survey.over) if name and name in columns)
            return {name: self.survey.shown(name, columns[name]) for name in shown if columns[name] is not None}

        def example() -> Example:
            scores = tuple(item.scores.values())
            return Example(cut(str(result.input), _QUOTE), score, scores, {**cells(), **row.more})

        self.examples[label].add(-score if label == UNSURE else score, example)
        number = self.inputs
        text = str(result.input)
        self.table.add(lambda: (number, cut(text, _TEXT), self.places[label], round(score, 3), cells(), row.more))


def _step(result: Result) -> float:
    """Seconds that a moment of a clip stands for."""
    clip = result.clip
    if clip is not None and clip.duration and clip.frames:
        return float(clip.duration / clip.frames)
    times = sorted({moment.time for moment in result.timeline})
    return float(np.median(np.diff(times))) if len(times) > 1 else 1.0
