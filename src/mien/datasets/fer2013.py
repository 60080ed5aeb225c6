"""FER2013: 35,887 gray faces of 48 x 48 pixels, one of seven emotions each; with the votes of FER+ where they are.

The csv has a row for each face: the number of its emotion, its pixels, and Training, PublicTest (here "val") or
PrivateTest ("test"). A blank face, one gray throughout, cannot be learned from: it is left out of train and kept in
val and test, as published figures count every row there.

FER+ holds ten people's votes for each row. A single vote for a label is dropped as noise. If "unknown" or "NF" (no
face) then leads, or nothing is left, the votes of that row are not used; else the shares are those of its eight
emotions, and the label is the one that leads, the first in their order on a tie.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from mien.datasets import images
from mien.datasets.collect import Collector, deal
from mien.datasets.dataset import Dataset
from mien.datasets.tables import Table, open_table
from mien.errors import DataError
from mien.labels import SPACES

SIDE = 48
_SPLITS = {"training": "train", "publictest": "val", "privatetest": "test"}
_NAMES = ("fer2013.csv", "icml_face_data.csv")
_VOTES = "fer2013new.csv"
_PACKED = ("", ".gz", ".xz", ".bz2")
_LICENCE = "none stated; research use"


def read(path: str | Path, *, labels: str = "fer7") -> Dataset:
    """Read the csv, or the tree of pictures ``train|test/EMOTION/*`` that was made of it.

    Where the csv has no column "Usage", as train.csv of the challenge, its rows are dealt out 80/10/10.

    Args:
        path: the csv, perhaps with .gz, .xz or .bz2 behind, the folder that holds it, or the tree.
        labels: "fer7": its own labels; where fer2013new.csv lies beside the csv, ``votes["ferplus8"]`` holds the
            shares of votes, zeros where they are not used. Or "ferplus": the label that most votes gave; rows
            without one are left out and counted.

    Raises:
        DataError: no such file, a column is missing, votes of another length or order than the csv, or no votes
            where the labels are to come from them.
    """
    if labels not in ("fer7", "ferplus"):
        raise DataError(f"{path}: labels must be fer7 or ferplus, not {labels!r}")
    path = Path(path)
    file = _first(path, _NAMES) if path.is_dir() else path
    if file is None:
        if labels == "ferplus":
            raise DataError(f"{path} has no {_NAMES[0]}; the votes of FER+ belong to its rows, not to pictures")
        return replace(images.read(path, space="fer7"), name="fer2013", licence=_LICENCE)
    beside = _first(file.parent, (_VOTES,))
    if beside is None and labels == "ferplus":
        raise DataError(f"there is no {_VOTES} beside {file}, which holds the votes of FER+")
    return _read(file, beside, labels)


def _read(file: Path, beside: Path | None, labels: str) -> Dataset:
    votes, usages = _votes(beside) if beside else (np.zeros((0, 8), np.float32), [])
    own, ferplus = SPACES["fer7"], SPACES["ferplus8"]
    licence = _LICENCE + ("; FER+ votes: MIT" if beside else "")
    rows = Collector(
        "fer2013" if labels == "fer7" else "ferplus", own if labels == "fer7" else ferplus, licence, "face"
    )
    taken: list[int] = []
    row, unused = -1, 0
    for row, (where, usage, number, pixels) in enumerate(_rows(file)):
        if usages and (row >= len(usages) or usage != usages[row]):
            against = (
                f"ends before {where}" if row >= len(usages) else f"has {usages[row]!r} where {where} has {usage!r}"
            )
            raise DataError(f"{beside} does not belong to {file}: it {against}")
        picture = _picture(pixels)
        split = _SPLITS.get(usage.casefold(), None if usage else "")
        if isinstance(picture, str) or split is None:
            what = (
                picture if isinstance(picture, str) else f"usage {usage!r} is none of Training, PublicTest, PrivateTest"
            )
            rows.problem("unreadable", where, what)
            continue
        if picture.min() == picture.max():
            kept = "left out" if split in ("train", "") else f"kept, as every row of {split} is"
            rows.problem("empty", where, f"one gray throughout; {kept}", int(split in ("train", "")))
            if split in ("train", ""):
                continue
        if labels == "fer7":
            known = number.isascii() and number.isdigit() and int(number) < len(own)
            label = own.names[int(number)] if known else number
        elif votes[row].any():
            label = ferplus.names[int(votes[row].argmax())]
        else:
            unused += 1
            continue
        if rows.add(picture, [label] if label else [], split, where):
            taken.append(row)
    if usages and row + 1 != len(usages):
        raise DataError(f"{beside} does not belong to {file}: it has {len(usages)} rows, not {row + 1}")
    if unused:
        what = f"{unused} rows on whose emotion the votes do not settle; left out"
        rows.problem("unknown-label", file.name, what, unused)
    own_votes = {ferplus.name: votes[taken]} if beside and labels == "fer7" else {}
    return deal(replace(rows.dataset(), votes=own_votes), 0)


def _first(folder: Path, names: tuple[str, ...]) -> Path | None:
    """The first of these files that the folder has, packed or not."""
    candidates = (folder / (name + packed) for name in names for packed in _PACKED)
    return next((file for file in candidates if file.is_file()), None)


def _rows(file: Path) -> Iterator[tuple[str, str, str, str]]:
    """Place, usage, emotion and pixels of each row."""
    table = open_table(file)
    named = ("Usage",) if "usage" in map(str.casefold, table.columns) else ()  # train.csv of the challenge has none
    emotion, pixels, *usage = _columns(table, ("emotion", "pixels", *named))
    for lines, chunk in table.numbered(256):
        usages = chunk[usage[0]] if usage else [""] * len(lines)
        for line, *cells in zip(lines, usages, chunk[emotion], chunk[pixels], strict=True):
            first, second, third = (str(cell).strip() for cell in cells)
            yield f"{file.name}:{line}", first, second, third


def _picture(pixels: str) -> np.ndarray | str:
    """uint8 (48, 48), or what is wrong."""
    if pixels.isascii() and pixels.replace(" ", "").isdigit():  # so that numpy, which is fast, cannot fail
        values = np.fromstring(pixels, dtype=np.int64, sep=" ")
        if len(values) == SIDE * SIDE and values.max() < 256:
            return values.astype(np.uint8).reshape(SIDE, SIDE)
    cells = pixels.split()
    if len(cells) != SIDE * SIDE:
        return f"{len(cells)} pixels, not {SIDE * SIDE}"
    for cell in cells:
        if not (cell.isascii() and cell.isdigit() and int(cell) < 256):
            return f"a pixel is {cell[:20]!r}, not a whole number from 0 to 255"
    return np.array(cells).astype(np.uint8).reshape(SIDE, SIDE)  # other blanks between them


def _votes(file: Path) -> tuple[np.ndarray, list[str]]:
    """Shares of the eight emotions, float32 (n, 8), zeros where the votes are not used; and n usages."""
    names = (*SPACES["ferplus8"].names, "unknown", "NF")
    table = open_table(file)
    columns = _columns(table, ("Usage", *names))
    usages: list[str] = []
    counts: list[list[float]] = []
    for lines, chunk in table.numbered():
        usages += [str(cell).strip() for cell in chunk[columns[0]]]
        for line, *cells in zip(lines, *(chunk[name] for name in columns[1:]), strict=True):
            try:
                counts.append([float(cell or 0) for cell in cells])
            except ValueError as error:
                raise DataError(f"{file}:{line} has votes that are no numbers") from error
    votes = np.array(counts, dtype=np.float32).reshape(-1, len(names))
    votes[~(votes > 1)] = 0
    votes[votes.argmax(1) >= len(names) - 2] = 0
    votes = votes[:, :-2]
    return votes / np.maximum(votes.sum(1, keepdims=True), 1), usages


def _columns(table: Table, names: tuple[str, ...]) -> list[str]:
    """The columns of these names, whatever their case."""
    lower = {name.casefold(): name for name in table.columns}
    missing = [name for name in names if name.casefold() not in lower]
    if missing:
        raise DataError(f"{table.path} has no column {missing[0]!r}; it has: {', '.join(table.columns)}")
    return [lower[name.casefold()] for name in names]
