"""Rows of files: a result as a JSON document or as flat rows of a table; and the tally of many results."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from mien.inputs import Message
from mien.modality import Kind, get_modality
from mien.output.actions import action_cells, clip_action_cells
from mien.results import EMPTY, Prediction, Quality, Result, language_of_error

Row = dict[str, Any]
OWN = ("label", "emoji", "score", "labels", "error")  # columns that mien adds to those of a table of texts
PROBLEMS = 20  # that a tally keeps word for word
BOX = ("left", "top", "right", "bottom")
UNRELIABLE = "the face could not be seen well enough"  # why it does not count
QUALITY = ("reliability", *(one.name for one in fields(Quality) if one.name != "reliability"))
_CLIP = ("duration", "width", "height", "frames", "skipped", "problem")


@dataclass(frozen=True)
class RowFormat:
    """The flat rows of a result.

    A text or a row of numbers gives one row, behind the columns of its table. A picture gives a row for each face or
    person, counted from 1, the largest first; one without where there is none, or where it was read as a whole. A clip
    gives one row with its size and length, or one for each moment.

    Attributes:
        kind: of the inputs.
        scores: whether there is a column for the probability of every label.
        timeline: of clips: a row for each moment. Person 0 is the scene as a whole.
        taken: the names of the columns of all tables that go into the file.
    """

    kind: Kind
    scores: bool = False
    timeline: bool = False
    taken: tuple[str, ...] = ()

    def rows(self, result: Result, columns: Mapping[str, Any]) -> Iterator[Row]:
        """The rows of one result; *columns* are the cells of its table's row."""
        if self.kind == "clip":
            yield from self._moments(result) if self.timeline else (self._clip(result),)
        elif self.kind == "picture":
            yield from self._places(result)
        else:
            best = result.strongest
            told = {"language": result.language} if result.language else {}
            own = {**head_cells(best), **_ratings(best), "error": result.error, **told, **self._scores(best)}
            columns = columns or (result.input.row if isinstance(result.input, Message) else {"text": result.input})
            plain = plain_cells(columns)
            yield {**plain, **{own_name(name, self.taken or plain): value for name, value in own.items()}}

    def counted(self, results: Iterable[tuple[Result, Mapping[str, Any]]], tally: Tally) -> Iterator[Row]:
        """The rows of results with their columns, which the tally counts with them."""
        for result, columns in results:
            tally.add(result, self.kind)
            for row in self.rows(result, columns):
                tally.rows += 1
                yield row

    def _scores(self, item: Prediction | None) -> Row:
        shown = item.scores if self.scores and item else {}
        return {f"score_{label}": round(score, 6) for label, score in shown.items()}

    def _places(self, result: Result) -> Iterator[Row]:
        number_of = get_modality(result.modality).boxes
        for number, item in enumerate(result.items or (None,), 1):
            boxed = item is not None and item.box is not None
            yield {
                "file": result.input,
                number_of: number if boxed else None,
                **head_cells(item),
                **box_cells(item),
                **_ratings(item),
                "error": result.error,
                **quality_cells(item, result.modality),
                **self._scores(item),
                **action_cells(item),
            }

    def _clip(self, result: Result) -> Row:
        seen, moments = result.clip, result.timeline
        best = result.items[0] if result.items else None
        row = {
            "file": result.input,
            **head_cells(best),
            "people": len(result.people) if seen else None,
            "moments": len(moments) if seen else None,
            **_ratings(best),
            **(seen.to_dict() if seen else dict.fromkeys(_CLIP)),
            "error": result.error,
        }
        counts = Counter(moment.prediction.label for moment in moments if result.counts(moment.prediction))
        for name, score in self._scores(best).items():
            share = round(counts[name.removeprefix("score_")] / counts.total(), 6) if counts else None
            row |= {name: score, f"share_{name.removeprefix('score_')}": share}
        quality = {"uncounted": result.uncounted, **quality_cells(best)} if best and best.quality else {}
        return row | quality | clip_action_cells(result)

    def _moments(self, result: Result) -> Iterator[Row]:
        for moment in result.timeline or (None,):
            item = moment.prediction if moment else None
            yield {
                "file": result.input,
                "time": round(moment.time, 3) if moment else None,
                "person": moment.person if moment else None,
                **head_cells(item),
                **box_cells(item),
                **_ratings(item),
                "error": result.error,
                **quality_cells(item, result.modality),
                **self._scores(item),
                **action_cells(item),
            }


def head_cells(item: Prediction | None) -> Row:
    if item is None:
        return dict.fromkeys(("label", "emoji", "score", "labels"))
    score = None if item.score is None else round(item.score, 6)
    certain = {"unsure": item.unsure, "label_set": "|".join(item.label_set)} if item.certainty else {}
    return {
        "label": item.label, "emoji": item.emoji, "score": score, "labels": "|".join(item.labels) or None, **certain,
    }  # fmt: skip


def box_cells(item: Prediction | None) -> Row:
    box = item.box if item else None
    return dict(zip(BOX, [round(float(side), 1) for side in box] if box else [None] * 4, strict=True))


def quality_cells(item: Prediction | None, modality: str = "") -> Row:
    """Of a face: how well it could be seen, the reliability first; empty where no face was seen and one might be."""
    told = item.quality.to_dict() if item and item.quality else {}
    if not told and not (item is None and modality and "all_faces" in get_modality(modality).options):
        return {}
    return {name: told.get(name) for name in QUALITY}


def _ratings(item: Prediction | None) -> Row:
    return {name: round(float(value), 6) for name, value in item.ratings.items()} if item else {}


def document_parts(result: Result, columns: Mapping[str, Any] | None = None, *, lines: bool = False) -> Iterator[str]:
    """A result as JSON, moment by moment, so that those of a long clip are not all in memory as text.

    Args:
        columns: the cells of its table's row; they stand under "columns".
        lines: whether each moment has a line of its own.
    """
    document = result.to_dict(timeline=False) | ({"columns": plain_cells(columns)} if columns else {})
    head = json.dumps(document, ensure_ascii=False)
    if not result.timeline or not head.endswith('"timeline": []}'):
        whole = {"timeline": [moment.to_dict() for moment in result.timeline]} if result.timeline else {}
        yield json.dumps(document | whole, ensure_ascii=False)
        return
    yield head.removesuffix("]}")
    for place, moment in enumerate(result.timeline):
        yield (", " if place else "") + ("\n " if lines else "") + json.dumps(moment.to_dict(), ensure_ascii=False)
    yield "]}"


def own_name(name: str, taken: Collection[str]) -> str:
    """What mien's own column *name* ("label", "error") is called beside the tables' columns, in every row of a file."""
    while name in taken or f"predicted_{name}" in taken:
        name = f"predicted_{name}"
    return name


def plain_cells(columns: Mapping[str, Any]) -> Row:
    """The cells of a table's row as JSON can hold them."""
    return {name: plain_cell(cell) for name, cell in columns.items()}


def plain_cell(cell: Any) -> Any:
    """A cell of a table as JSON can hold it."""
    if hasattr(cell, "tolist"):  # numpy's scalars and arrays
        cell = cell.tolist()
    if cell is None or isinstance(cell, str | int) or (isinstance(cell, float) and math.isfinite(cell)):
        return cell
    if isinstance(cell, bytes):
        return cell.decode("utf-8", "backslashreplace")
    if isinstance(cell, list | tuple):
        return [plain_cell(part) for part in cell]
    if isinstance(cell, dict):
        return {str(key): plain_cell(part) for key, part in cell.items()}
    if str(cell) in ("nan", "NaN", "NaT", "<NA>"):
        return None
    return cell.isoformat() if hasattr(cell, "isoformat") else str(cell)


@dataclass
class Tally:
    """Counts of results.

    Attributes:
        inputs: results.
        rows: rows of the file.
        labels: how often each label came: of pictures over all faces or persons, else one for each input, "—" for none.
        unsure: how many of these the model is not sure of.
        uncounted: faces, or clips, that are not among these because they are unreliable.
        unread: inputs that could not be read.
        empty: texts without anything to read, which are among these.
        languages: languages that were not read → how many texts in them, which are among these, too.
        partial: clips that were not read to their end.
        problems: why, in one line each; the first 20, without the empty texts and those in other languages.
    """

    inputs: int = 0
    rows: int = 0
    labels: Counter[str] = field(default_factory=Counter)
    unsure: int = 0
    uncounted: int = 0
    unread: int = 0
    empty: int = 0
    languages: Counter[str] = field(default_factory=Counter)
    partial: int = 0
    problems: list[str] = field(default_factory=list)

    def add(self, result: Result, kind: Kind) -> None:
        """Count one result."""
        self.inputs += 1
        left = [item for item in result.items if not result.counts(item)]
        self.uncounted += len(left)
        if kind == "picture":
            counted = [item for item in result.items if result.counts(item)]
            self.labels.update(item.label for item in counted if item.label is not None)
            self.unsure += sum(item.unsure for item in counted)
        elif not left:
            self.labels[result.label or "—"] += 1
            self.unsure += result.unsure
        problem = problem_of(result)
        self.unread += result.error is not None
        self.empty += result.error == EMPTY
        self.partial += problem is not None and result.error is None
        if language := language_of_error(result.error):
            self.languages[language] += 1
        elif problem and problem != EMPTY and len(self.problems) < PROBLEMS:
            self.problems.append(problem)

    def __iadd__(self, other: Tally) -> Tally:
        """Add the counts of further results."""
        self.inputs, self.rows = self.inputs + other.inputs, self.rows + other.rows
        self.unread, self.partial = self.unread + other.unread, self.partial + other.partial
        self.empty, self.unsure = self.empty + other.empty, self.unsure + other.unsure
        self.uncounted += other.uncounted
        self.labels.update(other.labels)
        self.languages.update(other.languages)
        self.problems = (self.problems + other.problems)[:PROBLEMS]
        return self

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {**vars(self), "labels": dict(self.labels), "languages": dict(self.languages)}

    @classmethod
    def of_dict(cls, values: Mapping[str, Any]) -> Tally:
        """The tally that :meth:`to_dict` gave these values of."""
        counts = {name: Counter(values.get(name, {})) for name in ("labels", "languages")}
        return cls(**{**values, **counts})


def languages_line(counts: Mapping[str, int]) -> str:
    """How many texts are not read because of their language: "12 texts are not read: language de 8, fr 4"."""
    total = sum(counts.values())
    each = ", ".join(f"{language} {count:,}" for language, count in Counter(counts).most_common())
    return f"{total:,} {'text is' if total == 1 else 'texts are'} not read: language {each}" if total else ""


def uncounted_line(uncounted: int, total: int, units: str, because: str = "") -> str:
    """How many faces are left out of the counts: "3 of 12 faces unsure, not counted; --all-faces counts them"."""
    many = f"{uncounted:,} of {total:,} {units}" if total > 1 else f"the {units.removesuffix('s')} is"
    counts = "counts it" if total == 1 else "counts them"
    return f"{many} unsure, not counted{because}; --all-faces {counts}"


def problem_of(result: Result) -> str | None:
    """Why an input was not read, or a clip not to its end; None where all is well."""
    problem = result.clip.problem if result.clip else None
    return result.error or (f"{result.input}: {problem}" if problem else None)
