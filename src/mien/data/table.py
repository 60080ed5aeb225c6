"""Data sets in tables: any file of `mien.data.tables` with a text and a label column, or a folder of such files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mien.data.collect import Collector, deal, given_seed, given_space, plain_name, space_of
from mien.data.dataset import SPLITS, Dataset
from mien.data.splits import SPLIT_NAMES
from mien.data.tables import cell_text, open_table, table_suffix
from mien.emotions import SPACES, LabelSpace, _key
from mien.errors import DataError

TEXT_NAMES = ("text", "texts", "comment", "sentence", "content", "review", "message", "tweet", "utterance", "post")
LABEL_NAMES = ("label", "labels", "emotion", "emotions", "sentiment", "mood", "feeling", "category", "class", "target")
_SEPARATORS = "|;,"


@dataclass(frozen=True)
class _Row:
    text: Any
    label: Any
    split: str
    where: str
    columns: dict[str, str]


def read(
    path: str | Path,
    *,
    text: str | None = None,
    label: str | None = None,
    split: str | None = None,
    space: str | LabelSpace | None = None,
    split_seed: str | int = "0",
    modality: str = "text",
    by: str | Sequence[str] | None = None,
    group: str | None = None,
) -> Dataset:
    """Read a table, or a folder with a table for each of train, val (or dev, validation) and test.

    Args:
        path: the file or folder.
        text: the column with the texts; without it one of `TEXT_NAMES`.
        label: the column with the labels; without it one of `LABEL_NAMES`. Cells are names, whole numbers (places
            in *space*), lists of either, or names joined by "|", ";" or ",".
        split: the column with the splits; without it "split". Where there is none, rows are dealt out 80/10/10,
            stratified by label.
        space: the labels there are; without it a known space of exactly these labels, or one made of them.
        split_seed: of that deal.
        modality: of the inputs.
        by: further columns to keep, in a list or joined by commas.
        group: a further column to keep; rows that share it stay in one split.

    Raises:
        DataError: no such file or column, no label of the space, or a split of no known name.
    """
    path = Path(path)
    known, seed = given_space(path, space), given_seed(path, split_seed)
    names = [part.strip() for part in by.split(",")] if isinstance(by, str) else list(by or ())
    keep = list(dict.fromkeys([*names, *([group] if group else [])]))
    rows = [row for file, part in split_files(path).items() for row in _rows(file, part, (text, label, split), keep)]
    labels, several = label_cells([row.label for row in rows], known)
    if known is None:
        known = space_of(path, {name for cell in labels for name in cell}, several)
    if several:
        known = known.as_multilabel(True)
    collector = Collector(plain_name(path), known, modality=modality)
    for row, cell in zip(rows, labels, strict=True):
        collector.add(row.text, cell, row.split, row.where, row.columns)
    dataset = collector.dataset()
    if not len(dataset) and any(problem.kind == "unknown-label" for problem in dataset.problems):
        seen = sorted({name for cell in labels for name in cell})
        raise DataError(f"{path}: none of its labels ({_some(seen)}) is in {known.name}: {', '.join(known.names)}")
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


def _rows(file: Path, part: str, wanted: tuple[str | None, str | None, str | None], keep: list[str]) -> Iterator[_Row]:
    table = open_table(file)
    text = find_column(table.columns, wanted[0], TEXT_NAMES, "text", file)
    label = find_column(table.columns, wanted[1], LABEL_NAMES, "label", file)
    named = wanted[2] is not None or any(name.casefold() == "split" for name in table.columns)
    split = find_column(table.columns, wanted[2], ("split",), "split", file) if named and not part else None
    others = {name: find_column(table.columns, name, (), "", file) for name in keep}
    for lines, chunk in table.numbered():
        for place, line in enumerate(lines):
            where = f"{file.name}:{line}"
            here = part
            if split is not None:
                cell = cell_text(chunk[split][place]) or ""
                here = SPLIT_NAMES.get(cell.strip().casefold(), "")
                if not here:
                    raise DataError(f"{file}:{line} has the split {cell!r}; it must be one of {', '.join(SPLITS)}")
            columns = {name: cell_text(chunk[column][place]) or "" for name, column in others.items()}
            yield _Row(chunk[text][place], chunk[label][place], here, where, columns)


def text_column(columns: Sequence[str], wanted: str | None, file: Path) -> str:
    """The name of the column with the text: the one asked for, or the first of the usual names, or the only one.

    Raises:
        DataError: there is none; the message names the columns there are.
    """
    if wanted is None and len(columns) == 1:
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
    raise DataError(f"{file} has {missing}; it has: {', '.join(columns)}")


def label_cells(cells: list[Any], space: LabelSpace | None) -> tuple[list[list[str]], bool]:
    """The label names of each row (none for an empty cell), and whether rows can have several."""
    several = any(isinstance(cell, list | tuple) for cell in cells)
    labels = [[name for part in _parts(cell) if (name := _name(part))] for cell in cells]
    if not several:
        split = _separator({cell[0] for cell in labels if cell}, space)
        if split:
            several, labels = True, [[name for part in cell for name in split(part)] for cell in labels]
    whole = all(name.isascii() and name.isdigit() for cell in labels for name in cell)
    if space is not None and whole:  # places, unless the space has numbers for names
        names = {str(place): name for place, name in enumerate(space.names)}
        labels = [[name if name in space else names.get(name, name) for name in cell] for cell in labels]
    return labels, several


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


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
