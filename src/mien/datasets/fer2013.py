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
from pathlib import Path
from typing import Literal

import numpy as np

from mien.datasets.cells import find_column
from mien.datasets.dataset import Problem
from mien.datasets.images import images
from mien.datasets.open import Info, Items, Row, dataset
from mien.datasets.tables import open_table
from mien.errors import DataError
from mien.labels import SPACES

SIDE = 48
_SPLITS = {"training": "train", "publictest": "val", "privatetest": "test", "": ""}
_NAMES = ("fer2013.csv", "icml_face_data.csv")
_VOTES = "fer2013new.csv"


@dataset("fer2013", labels="fer7", modality="face", licence="none stated; research use")
def fer2013(path: Path, *, labels: Literal["fer7", "ferplus"] = "fer7") -> Items:
    """The csv, perhaps with .gz, .xz or .bz2 behind, the folder that holds it, or the tree ``train|test/EMOTION/*``.

    Args:
        path: one of these.
        labels: "fer7": its own labels; where fer2013new.csv lies beside the csv, ``votes["ferplus8"]`` holds the
            shares of votes, zeros where they are not used. Or "ferplus": the label that most votes gave; rows
            without one are left out and counted.
    """
    file = _first(path, _NAMES) if path.is_dir() else path
    if file is None and labels == "ferplus":
        raise DataError(f"{path} has no {_NAMES[0]}; the votes of FER+ belong to its rows, not to pictures")
    if file is None:
        yield from images(path, space=SPACES["fer7"])
        yield Info(name="fer2013")
        return
    beside = _first(file.parent, (_VOTES,))
    if beside is None and labels == "ferplus":
        raise DataError(f"there is no {_VOTES} beside {file}, which holds the votes of FER+")
    votes, usages = _votes(beside) if beside else (np.zeros((0, 8)), [])
    yield Info(licence="none stated; research use; FER+ votes: MIT" if beside else None)
    yield Info(name="ferplus", labels="ferplus8") if labels == "ferplus" else Info()
    row, unused = -1, 0
    for row, (where, usage, label, pixels) in enumerate(_rows(file)):
        if usages and usages[row : row + 1] != [usage]:
            other = f"has {usages[row]!r} where {where} has {usage!r}" if row < len(usages) else f"ends before {where}"
            raise DataError(f"{beside} does not belong to {file}: it {other}")
        picture, split, problems = _face(where, usage, pixels)
        yield from problems
        if picture is None:
            continue
        if labels == "fer7":
            yield Row(picture, _named(label), where, split, votes={"ferplus8": votes[row]} if beside else {})
        elif votes[row].any():
            yield Row(picture, [int(votes[row].argmax())], where, split)
        else:
            unused += 1
    if usages and row + 1 != len(usages):
        raise DataError(f"{beside} does not belong to {file}: it has {len(usages)} rows, not {row + 1}")
    if unused:
        what = "rows on whose emotion the votes do not settle; left out"
        yield Problem("unknown-label", file.name, f"{unused} {what}", unused)


def _face(where: str, usage: str, pixels: str) -> tuple[np.ndarray | None, str, list[Problem]]:
    """The picture of a row, None where it is left out, its split, and what is wrong with it."""
    picture, split = _picture(pixels), _SPLITS.get(usage.casefold())
    if isinstance(picture, str) or split is None:
        what = picture if isinstance(picture, str) else f"usage {usage!r} is none of Training, PublicTest, PrivateTest"
        return None, "", [Problem("unreadable", where, what)]
    if picture.min() < picture.max():
        return picture, split, []
    if split in ("val", "test"):
        return picture, split, [Problem("empty", where, f"one gray throughout; kept, as every row of {split} is", 0)]
    return None, "", [Problem("empty", where, "one gray throughout; left out")]


def _named(label: str) -> list[str | int]:
    """The label of a number; one that is unknown stays as it is."""
    known = label.isascii() and label.isdigit() and int(label) < len(SPACES["fer7"])
    return [int(label) if known else label] if label else []


def _first(folder: Path, names: tuple[str, ...]) -> Path | None:
    """The first of these files that the folder has, packed or not."""
    candidates = (folder / (name + packed) for name in names for packed in ("", ".gz", ".xz", ".bz2"))
    return next((file for file in candidates if file.is_file()), None)


def _rows(file: Path) -> Iterator[tuple[str, str, str, str]]:
    """Place, usage, emotion and pixels of each row."""
    table = open_table(file)
    named = ("usage",) if "usage" in map(str.casefold, table.columns) else ()  # train.csv of the challenge has none
    emotion, pixels, *usage = (find_column(table.columns, name, (), "", file) for name in ("emotion", "pixels", *named))
    for line, row in table.records(256):
        cells = [str(row[name]).strip() for name in (emotion, pixels, *usage)]
        yield f"{file.name}:{line}", cells[2] if usage else "", cells[0], cells[1]


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
    table = open_table(file)
    names = ("Usage", *SPACES["ferplus8"].names, "unknown", "NF")
    usage, *columns = (find_column(table.columns, name, (), "", file) for name in names)
    usages: list[str] = []
    counts: list[list[float]] = []
    for line, row in table.records():
        usages.append(str(row[usage]).strip())
        try:
            counts.append([float(row[column] or 0) for column in columns])
        except ValueError as error:
            raise DataError(f"{file}:{line} has votes that are no numbers") from error
    votes = np.array(counts, dtype=np.float32).reshape(-1, len(columns))
    votes[~(votes > 1)] = 0
    votes[votes.argmax(1) >= len(columns) - 2] = 0
    votes = votes[:, :-2]
    return votes / np.maximum(votes.sum(1, keepdims=True), 1), usages
