"""Data sets in tables: any file of `mien.datasets.tables` with a text and a label column, or a folder of such files.

Of pictures, the table has their paths in place of texts; there may be ratings besides labels, or in their place.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mien.datasets.collect import Collector, deal, given_flag, given_seed, given_space, plain_name, space_of, whole
from mien.datasets.dataset import SPLITS, Dataset
from mien.datasets.lines import shown
from mien.datasets.splits import SPLIT_NAMES
from mien.datasets.tables import Table, cell_text, open_table, table_suffix
from mien.errors import DataError, InputError, quoted
from mien.labels import SPACES, LabelSpace, _key
from mien.media.images import Region, picture_size
from mien.modality import get_modality

TEXT_NAMES = ("text", "texts", "comment", "sentence", "content", "review", "message", "tweet", "utterance", "post")
LABEL_NAMES = ("label", "labels", "emotion", "emotions", "sentiment", "mood", "feeling", "category", "class", "target")
PICTURE_NAMES = ("path", "picture", "image", "file", "filename", "photo")
BOX_NAMES = ("left", "top", "right", "bottom")
_SEPARATORS = "|;,"
_SEPARATES = re.compile(r"\w(?:[^\w '\"’.()?!&-]+ ?|  +)\w")  # of a header: what may stand between two columns
_LIST = re.compile(r"\[\s*\]|[\[({]\s*(?:['\"].*['\"]|\d[\d\s,]*),?\s*[\])}]", re.DOTALL)
_ITEM = re.compile(r"""'([^']*)'|"([^"]*)"|([^\s,'"]+)""")
_DATA = re.compile(r"(?:^| )[\d.]+(?: |$)|@|https?:|\d{4}-\d\d")  # what is no name of a column


@dataclass(frozen=True)
class _Row:
    content: Any
    label: Any
    split: str
    where: str
    columns: dict[str, str]
    ratings: dict[str, Any]
    box: tuple[Any, ...]


@dataclass(frozen=True)
class _Wanted:
    """The columns asked for; None where the usual name will do."""

    content: str | None
    label: str | None
    split: str | None
    keep: list[str]
    ratings: list[str]
    pictures: bool


def read(
    path: str | Path,
    *,
    text: str | None = None,
    picture: str | None = None,
    label: str | None = None,
    split: str | None = None,
    space: str | LabelSpace | None = None,
    split_seed: str | int = "0",
    modality: str = "text",
    by: str | Sequence[str] | None = None,
    group: str | None = None,
    separator: str | None = None,
    ratings: str | None = None,
    strict: str | bool = False,
    labels: str | None = None,
    encoding: str | None = None,
    quotes: str | bool = True,
) -> Dataset:
    """Read a table, or a folder with a table for each of train, val (or dev, validation) and test.

    Args:
        path: the file or folder.
        text: the column with the texts; without it one of `TEXT_NAMES`.
        picture: the column with the paths of pictures, counted from the table's folder; without it one of
            `PICTURE_NAMES`. Where the table has the columns "left", "top", "right" and "bottom", in pixels, each row is
            what lies in that box, such as one person; it is cut off at the edge of the picture.
        label: the column with the labels; without it one of `LABEL_NAMES`. Cells are names, whole numbers (places
            in *space*), lists of either, or names joined by "|", ";" or ",". With *ratings* there may be none.
        split: the column with the splits; without it "split". Where there is none, rows are dealt out 80/10/10,
            stratified by label.
        space: the labels there are; without it a known space of exactly these labels, or one made of them.
        split_seed: of that deal.
        modality: of the inputs: "text"; "face" or "scene" for pictures.
        by: further columns to keep, in a list or joined by commas.
        group: a further column to keep; rows that share it stay in one split.
        separator: what joins several labels in a cell. Without it that is found out, which takes rows that have one
            label alone, or labels that are known; a row may then have any number of them.
        ratings: columns of numbers, joined by commas, each with the ends of its scale behind: "valence:1:9". Without
            those the scale goes from the smallest to the largest number there is.
        strict: whether to refuse the set where anything has to be left out, such as a picture that is not there.
        labels: what numbers or other codes for labels stand for, such as "0:sadness,1:joy".
        encoding: of the text; without it UTF-8, UTF-16 or cp1252, whichever it is (:mod:`mien.datasets.lines`).
        quotes: "no" takes the fields of a .tsv as they stand, quotes and all.

    Raises:
        DataError: no such file or column, no label of the space, or a split of no known name.
    """
    path = Path(path)
    rated, careful = _scales(path, ratings), given_flag(path, "strict", strict)
    known, seed = given_space(path, space), given_seed(path, split_seed)
    names = [part.strip() for part in by.split(",")] if isinstance(by, str) else list(by or ())
    keep = list(dict.fromkeys([*names, *([group] if group else [])]))
    pictures = get_modality(modality).kind == "picture"
    wanted = _Wanted(picture if pictures else text, label, split, keep, list(rated), pictures)
    how: dict[str, Any] = {"encoding": encoding, "raw": not given_flag(path, "quotes", quotes)}
    rows = [row for file, part in split_files(path).items() for row in _rows(open_table(file, **how), part, wanted)]
    cells, several = label_cells([row.label for row in rows], known, separator)
    cells = decoded_labels(path, cells, labels)
    if known is None:
        named = {name for cell in cells for name in cell}
        known = SPACES["affect"] if rated and not named else space_of(path, named, several)
    if several:
        known = known.as_multilabel(True)
    numbers, faults = _numbers(rows, list(rated))
    scales = {name: scale or _span(numbers[name]) for name, scale in rated.items()}
    collector = Collector(plain_name(path), known, modality=modality, scales=scales)
    for where, what in faults:
        collector.problem("unreadable", where, what, 0)
    for place, (row, cell) in enumerate(zip(rows, cells, strict=True)):
        content = row.content
        if pictures and (content := cell_text(row.content)) is not None:
            try:
                content = _picture(content, row.box)
            except InputError as error:
                missing = str(error).startswith("there is no file")
                collector.problem("missing" if missing else "unreadable", row.where, str(error))
                continue
        own = {name: values[place] for name, values in numbers.items()}
        collector.add(content, cell, row.split, row.where, row.columns, own)
    dataset = whole(collector.dataset(), careful)
    if not len(dataset) and any(problem.kind == "unknown-label" for problem in dataset.problems):
        seen = sorted({name for cell in cells for name in cell})
        raise DataError(f"{path}: none of its labels ({shown(seen, 5)}) is in {known.name}: {shown(known.names, 99)}")
    if group and len(dataset):
        dataset = replace(dataset, group=group)
    return deal(dataset, seed, dataset.groups)


def split_files(path: Path) -> dict[Path, str]:
    """The tables to read, each with its split ("" where the rows say, or nobody)."""
    if not path.is_dir():
        return {path: ""}
    found: dict[str, Path] = {}
    for file in sorted(path.iterdir()):
        part = SPLIT_NAMES.get(file.name.split(".")[0].casefold()) if table_suffix(file) else None
        if part in found:
            raise DataError(f"{path} has two tables for {part}: {found[part].name} and {file.name}")
        if part:
            found[part] = file
    if not found:
        raise DataError(f"{path} has no tables named train, val or test")
    return {found[part]: part for part in SPLITS if part in found}


def _rows(table: Table, part: str, wanted: _Wanted) -> Iterator[_Row]:
    file = table.path
    lower = {name.casefold() for name in table.columns}
    usual, what = (PICTURE_NAMES, "picture") if wanted.pictures else (TEXT_NAMES, "text")
    content = find_column(table.columns, wanted.content, usual, what, file)
    label = None
    if wanted.label is not None or not wanted.ratings or lower.intersection(LABEL_NAMES):
        label = find_column(table.columns, wanted.label, LABEL_NAMES, "label", file)
    named = wanted.split is not None or "split" in lower
    split = find_column(table.columns, wanted.split, ("split",), "split", file) if named and not part else None
    others = {name: find_column(table.columns, name, (), "", file) for name in wanted.keep}
    rated = {name: find_column(table.columns, name, (), "", file) for name in wanted.ratings}
    boxed = wanted.pictures and lower.issuperset(BOX_NAMES)
    sides = [find_column(table.columns, name, (), "", file) for name in BOX_NAMES] if boxed else []
    for lines, chunk in table.numbered():
        for place, line in enumerate(lines):
            where = f"{file.name}:{line}"
            here = part
            if split is not None:
                cell = cell_text(chunk[split][place]) or ""
                here = SPLIT_NAMES.get(cell.strip().casefold(), "")
                if not here:
                    raise DataError(f"{file}:{line} has the split {cell[:40]!r}; it must be one of {', '.join(SPLITS)}")
            columns = {name: cell_text(chunk[column][place]) or "" for name, column in others.items()}
            ratings = {name: chunk[column][place] for name, column in rated.items()}
            box = tuple(chunk[side][place] for side in sides)
            entry = chunk[content][place]
            if wanted.pictures and (name := cell_text(entry)):
                entry = str(file.parent / name)
            yield _Row(entry, chunk[label][place] if label else None, here, where, columns, ratings, box)


def _picture(path: str, box: tuple[Any, ...]) -> str | Region:
    """A picture that can be read by its header, or the region of it.

    Raises:
        InputError: it cannot, or the box is none or lies outside.
    """
    size = picture_size(path, shown=True)
    if not box:
        return path
    try:
        sides = [float(side) for side in box]
    except (TypeError, ValueError):
        raise InputError(f"{path}: a box is left, top, right, bottom in pixels, not {list(box)}") from None
    return Region.within(path, sides, size)


def _scales(path: Path, ratings: str | None) -> dict[str, tuple[float, float] | None]:
    """The ratings that an option names, each with its scale where that is told.

    Raises:
        DataError: a scale is no two numbers, the lower first.
    """
    found: dict[str, tuple[float, float] | None] = {}
    for part in filter(None, (part.strip() for part in (ratings or "").split(","))):
        name, *ends = part.split(":")
        try:
            low, high = map(float, ends or (0, 1))
        except ValueError:
            low = high = math.nan
        if not low < high or math.isinf(high - low):
            raise DataError(f"{path}: the scale of a rating is given as name:lowest:highest, not {part!r}")
        found[name] = (low, high) if ends else None
    return found


def _numbers(rows: list[_Row], names: list[str]) -> tuple[dict[str, list[float]], list[tuple[str, str]]]:
    """The ratings of all rows, NaN where there is none, and where and what was no number."""
    numbers: dict[str, list[float]] = {name: [] for name in names}
    faults = []
    for row in rows:
        for name in names:
            try:
                number = float(cell_text(row.ratings[name]) or "nan")
            except ValueError:
                number = math.inf
            if math.isinf(number):
                cell = str(row.ratings[name])[:40]
                faults.append((row.where, f"{name} is {cell!r}, which is no number; taken as not known"))
                number = math.nan
            numbers[name].append(number)
    return numbers, faults


def _span(numbers: list[float]) -> tuple[float, float]:
    """From the smallest to the largest."""
    known = [number for number in numbers if not math.isnan(number)] or [0.0]
    return (min(known), max(known)) if min(known) < max(known) else (min(known), min(known) + 1)


def text_column(columns: Sequence[str], wanted: str | None, file: Path) -> str:
    """The name of the column with the text: the one asked for, or the first of the usual names, or the only one.

    Raises:
        DataError: there is none; the message names the columns there are.
    """
    if wanted is None and len(columns) == 1:
        words = set(re.findall(r"[a-z]+", columns[0].casefold()))
        if len(words) > 1 and _SEPARATES.search(columns[0]):
            what = f"{file} has one column, {quoted(columns[0])!r}: what separates its columns is not known"
            raise DataError(f"{what}; comma, semicolon, tab and | are (or name it with --column)")
        if not words.intersection(TEXT_NAMES) and table_suffix(file) in (".csv", ".tsv"):
            line = "note: %s has one column; its first line, %r, is taken for the header"
            logging.getLogger("mien").warning(line, quoted(file), quoted(columns[0]))
        return columns[0]
    return find_column(columns, wanted, TEXT_NAMES, "text", file)


def find_column(columns: Sequence[str], wanted: str | None, usual: tuple[str, ...], what: str, file: Path) -> str:
    """The name of a column: the one asked for, or the first of the usual ones, whatever its case."""
    if wanted in columns:
        return wanted  # type: ignore[return-value]
    lower = {name.casefold(): name for name in reversed(columns)}
    for name in (wanted,) if wanted is not None else usual:
        if name.casefold() in lower:
            return lower[name.casefold()]
    missing = f"no column {wanted!r}" if wanted is not None else f"no {what} column (such as {', '.join(usual[:3])})"
    hint = "; is its first row no header? Add one that names the columns" if _DATA.search(" ".join(columns)) else ""
    raise DataError(f"{file} has {missing}; it has: {shown(columns)}{hint}")


def label_cells(
    cells: list[Any], space: LabelSpace | None, separator: str | None = None
) -> tuple[list[list[str]], bool]:
    """The label names of each row (none for an empty cell), and whether rows can have several."""
    cells = [_listed(cell) for cell in cells]
    several = any(isinstance(cell, list | tuple) for cell in cells) or bool(separator)
    labels = [[name for part in _parts(cell) if (name := _name(part))] for cell in cells]
    if separator:
        labels = [[name.strip() for part in cell for name in part.split(separator) if name.strip()] for cell in labels]
    elif not several:
        split = _separator({cell[0] for cell in labels if cell}, space)
        if split:
            several, labels = True, [[name for part in cell for name in split(part)] for cell in labels]
    whole = all(name.isascii() and name.isdigit() for cell in labels for name in cell)
    if space is not None and whole:  # places, unless the space has numbers for names
        names = {str(place): name for place, name in enumerate(space.names)}
        labels = [[name if name in space else names.get(name, name) for name in cell] for cell in labels]
    return labels, several


def decoded_labels(path: Path, cells: list[list[str]], labels: str | None) -> list[list[str]]:
    """The labels with the names that an option such as "0:sadness,1:joy" gives them.

    Raises:
        DataError: the option is of another form.
    """
    if labels is None:
        return cells
    pairs = [part.rpartition(":") for part in labels.split(",")]
    if not all(code.strip() and name.strip() for code, _, name in pairs):
        raise DataError(f"{path}: labels are given as 0:sadness,1:joy, not {labels[:40]!r}")
    names = {code.strip(): name.strip() for code, _, name in pairs}
    return [[names.get(name, name) for name in cell] for cell in cells]


def _listed(cell: Any) -> Any:
    """A list that stands in a cell as text, such as "['joy', 'love']", as Python, numpy and JSON write them."""
    if not isinstance(cell, str) or not _LIST.fullmatch(cell.strip()):
        return cell
    return ["".join(parts) for parts in _ITEM.findall(cell.strip()[1:-1])]


def _parts(cell: Any) -> Iterable[Any]:
    return cell if isinstance(cell, list | tuple) else (cell,)


def _name(cell: Any) -> str:
    """A label cell as a name, "" where it is empty; 3.0 is 3, as whole numbers come from columns with gaps."""
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    return (cell_text(cell) or "").strip()


def _separator(cells: set[str], space: LabelSpace | None) -> Callable[[str], list[str]] | None:
    """How to take joined labels apart, where that is what they are.

    With a space: a cell is no label of it, but its parts are. Without: every part stands alone in some other cell,
    or is a label of a known space. Else a "|", ";" or "," is part of a name.
    """
    for separator in _SEPARATORS:

        def split(cell: str, separator: str = separator) -> list[str]:
            if space is not None and cell in space:
                return [cell]
            return [part.strip() for part in cell.split(separator) if part.strip()]

        joined = [cell for cell in cells if len(split(cell)) > 1]
        parts = {part for cell in joined for part in split(cell)}
        if space is not None:
            fits = any(part in space or part.isdigit() for part in parts)
        else:
            single = {_key(cell) for cell in cells if separator not in cell}
            fits = all(_key(part) in single or any(part in known for known in SPACES.values()) for part in parts)
        if joined and fits:
            return split
    return None
