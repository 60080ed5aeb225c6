"""Tables with a column of texts, or of paths of pictures, and one of labels; or ratings besides, or in their place."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mien.datasets.cells import (
    find_column,
    label_codes,
    read_labels,
    separators,
    split_column,
    split_name,
)
from mien.datasets.dataset import Problem
from mien.datasets.hub import label_names_of_folder
from mien.datasets.label_columns import LabelColumns, named_columns, possible_columns
from mien.datasets.names import LABEL_NAMES, PICTURE_NAMES, TEXT_NAMES, usual_columns
from mien.datasets.open import Info, Items, Row, dataset
from mien.datasets.rows import plain_name, space_of
from mien.datasets.split_tables import split_files
from mien.datasets.tables import Table, cell_text, open_table
from mien.errors import DataError, InputError
from mien.labels import SPACES, LabelSpace
from mien.media.images import Region, picture_size
from mien.modality import get_modality

_BOX = ("left", "top", "right", "bottom")


@dataset("table")
def table(
    path: Path,
    *,
    text: str = "",
    picture: str = "",
    label: str = "",
    split: str = "",
    space: LabelSpace | None = None,
    modality: str = "text",
    by: tuple[str, ...] = (),
    group: str = "",
    label_separator: str = "",
    ratings: str = "",
    labels: str = "",
    encoding: str = "",
    separator: str = "",
    header: bool = True,
    sheet: str = "",
    quotes: bool = True,
) -> Items:
    """A table, or a folder with one for each of train, val (dev, validation) and test.

    Columns are found by name or, from 1, by number.

    Args:
        path: the file or folder; see `split_files`.
        text: the column with the texts; without it one of `TEXT_NAMES`.
        picture: the column with the paths of pictures, counted from the table's folder; without it one of
            `PICTURE_NAMES`. With columns "left", "top", "right", "bottom", in pixels, each row is what is in that box.
        label: the column with the labels; without it one of `LABEL_NAMES`, see `read_labels`, or columns of 0 and 1
            that are called as emotions are. With *ratings* there may be none.
        split: the column with the splits; without it "split".
        space: the labels there are.
        modality: of the inputs, such as "text", or "face" for pictures.
        by: further columns to keep.
        group: a further column to keep; rows that share its value stay in one split.
        label_separator: what joins several labels in a cell; without it that is found out.
        ratings: columns of numbers, joined by commas, each with the ends of its scale behind: "valence:1:9". Without
            those the scale goes from the smallest to the largest number there is.
        labels: what numbers or other codes for labels stand for, such as "0:sadness,1:joy"; or the columns of 0 and 1
            that each stand for a label, such as "anger,joy".
        encoding: of the text; without it that is found out.
        separator: between columns, one character, or tab, comma, semicolon, pipe; without it that is found out.
        header: whether the first row names the columns; else they are called by their numbers.
        sheet: of a workbook, its name or number; without it the first that holds anything.
        quotes: whether quotes enclose fields, or are characters like any other.
    """
    scales = _scales(path, ratings)
    pictures = get_modality(modality).kind == "picture"
    keep = tuple(dict.fromkeys((*by, group) if group else by))
    wanted = _Wanted(picture if pictures else text, label, split, keep, tuple(scales), pictures, named_columns(labels))
    if label and wanted.marks:
        raise DataError(f"{path}: the labels are in the column {label!r} or in those of labels={labels}; name one")
    files = split_files(path)
    how: dict[str, Any] = {"encoding": encoding or None, "header": header, "sheet": sheet, "quotes": quotes}
    separator, label_separator = separators(next(iter(files)), separator, label_separator, **how)
    lines: list[_Line] = []
    codes: dict[str, str] = {}
    for file, part in files.items():
        opened = open_table(file, separator=separator, **how)
        plan = _Plan.of(opened, part, wanted)
        wanted = wanted._replace(marks=plan.marks, found=(not wanted.marks and bool(plan.marks)) or wanted.found)
        known = opened.label_names or (label_names_of_folder(path) if path.is_dir() else {})
        codes = codes or {str(code): name for code, name in enumerate(known.get(plan.label or "", ()))}
        name = file.relative_to(path).as_posix() if path.is_dir() else file.name
        lines += _lines(opened, name, part, plan)
    where = [line.where for line in lines]
    if wanted.marks:
        marked = LabelColumns(path, wanted.marks, [line.marks for line in lines], where, named=not wanted.found)
        cells, several, named, complete = marked.rows, True, set(marked.labels), marked.complete
    else:
        given = {**(label_codes(path, labels) or codes), **({"-1": ""} if codes else {})}  # as it has them without
        cells, several = read_labels(path, [line.label for line in lines], where, space, label_separator, given)
        named, complete = {name for cell in cells for name in cell} | (set() if labels else {*codes.values()}), False
    numbers, faults = _numbers(lines, tuple(scales))
    if space is None:
        space = SPACES["affect"] if scales and not named else space_of(path, named, several)
    spans = {name: scale or _span(numbers[name]) for name, scale in scales.items()}
    yield Info(name=plain_name(path), labels=space, multilabel=several, modality=modality, scales=spans, group=group)
    yield from faults
    for place, (line, cell) in enumerate(zip(lines, cells, strict=True)):
        content = line.content
        if pictures and content is not None:
            try:
                content = _picture(content, line.box)
            except InputError as error:
                missing = str(error).startswith("there is no file")
                yield Problem("missing" if missing else "unreadable", line.where, str(error))
                continue
        rated = {name: values[place] for name, values in numbers.items()}
        yield Row(content, cell, line.where, line.split, line.columns, rated, complete=complete)


class _Wanted(NamedTuple):
    """The columns asked for; "" where one of the usual names will do."""

    content: str
    label: str
    split: str
    keep: tuple[str, ...]
    ratings: tuple[str, ...]
    pictures: bool
    marks: tuple[str, ...]
    found: bool = False  # whether these marks were found, and not named


class _Plan(NamedTuple):
    """The columns that a table has of those."""

    content: str
    label: str | None
    marks: tuple[str, ...]
    split: str | None
    kept: dict[str, str]
    rated: dict[str, str]
    sides: list[str]
    pictures: bool

    @classmethod
    def of(cls, table: Table, part: str, wanted: _Wanted) -> _Plan:
        """Find them."""

        def find(name: str, usual: Sequence[str] = (), what: str = "") -> str:
            return find_column(table.columns, name, usual, what, table.path)

        there = {name.casefold() for name in table.columns}
        usual, what = (PICTURE_NAMES, "picture") if wanted.pictures else (TEXT_NAMES, "text")
        content = find(wanted.content, usual, what)
        split = None if part else split_column(table.columns, wanted.split, table.path)
        kept = {name: find(name) for name in wanted.keep}
        rated = {name: find(name) for name in wanted.ratings}
        sides = [find(name) for name in _BOX] if wanted.pictures and there.issuperset(_BOX) else []
        try:
            marks, label = tuple(find(name) for name in wanted.marks), None
        except DataError as error:
            what = "labels are given as 0:sadness,1:joy, or as the columns that stand for them"
            raise DataError(f"{error}; {what}") from None
        if not marks and not wanted.label and not usual_columns(table.columns, LABEL_NAMES):
            marks = possible_columns(table.columns, (content, split, *kept.values(), *rated.values(), *sides))
        if not marks and (wanted.label or not wanted.ratings or usual_columns(table.columns, LABEL_NAMES)):
            label = find(wanted.label, LABEL_NAMES, "label")
        return cls(content, label, marks, split, kept, rated, sides, wanted.pictures)


class _Line(NamedTuple):
    where: str
    split: str
    content: Any
    label: Any
    marks: tuple[Any, ...]
    columns: dict[str, str]
    ratings: dict[str, Any]
    box: tuple[Any, ...]


def _lines(table: Table, name: str, part: str, plan: _Plan) -> Iterator[_Line]:
    for line, row in table.records():
        where = f"{name}:{line}"
        own = split_name(row[plan.split], f"{table.path}:{line}") if plan.split else part
        try:
            columns = {name: cell_text(row[column]) or "" for name, column in plan.kept.items()}
            entry = row[plan.content]
            if plan.pictures and (entry := cell_text(entry)):
                entry = str(table.path.parent / entry)
        except DataError as error:
            raise DataError(f"{where}: {error}") from None
        label = row[plan.label] if plan.label else None
        marks = tuple(row[name] for name in plan.marks)
        ratings = {name: row[column] for name, column in plan.rated.items()}
        yield _Line(where, own, entry, label, marks, columns, ratings, tuple(row[side] for side in plan.sides))


def _picture(path: str, box: tuple[Any, ...]) -> str | Region:
    """A picture that can be read by its header, or the region of it; InputError where it cannot, or has no such box."""
    size = picture_size(path, shown=True)
    if not box:
        return path
    try:
        sides = [float(side) for side in box]
    except (TypeError, ValueError):
        raise InputError(f"{path}: a box is left, top, right, bottom in pixels, not {list(box)}") from None
    return Region.within(path, sides, size)


def _scales(path: Path, ratings: str) -> dict[str, tuple[float, float] | None]:
    """The ratings that an option names, each with its scale where that is given."""
    found: dict[str, tuple[float, float] | None] = {}
    for part in filter(None, (part.strip() for part in ratings.split(","))):
        name, *ends = part.split(":")
        try:
            low, high = map(float, ends or (0, 1))
        except ValueError:
            low = high = math.nan
        if not low < high or math.isinf(high - low):
            raise DataError(f"{path}: the scale of a rating is given as name:lowest:highest, not {part!r}")
        found[name] = (low, high) if ends else None
    return found


def _numbers(lines: list[_Line], names: tuple[str, ...]) -> tuple[dict[str, list[float]], list[Problem]]:
    """The ratings of all rows, NaN where there is none, and what was no number."""
    numbers: dict[str, list[float]] = {name: [] for name in names}
    faults = []
    for line in lines:
        for name in names:
            try:
                number = float(cell_text(line.ratings[name]) or "nan")
            except ValueError:  # a DataError is one, too
                number = math.inf
            if math.isinf(number):
                what = f"{name} is {str(line.ratings[name])[:40]!r}, which is no number; taken as not known"
                faults.append(Problem("unreadable", line.where, what, 0))
                number = math.nan
            numbers[name].append(number)
    return numbers, faults


def _span(numbers: list[float]) -> tuple[float, float]:
    """From the smallest to the largest."""
    known = [number for number in numbers if not math.isnan(number)] or [0.0]
    return (min(known), max(known)) if min(known) < max(known) else (min(known), min(known) + 1)
