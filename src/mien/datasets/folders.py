"""Folders for labels, within folders for splits or not, as data sets of pictures and of clips have them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from mien.datasets.cells import label_codes
from mien.datasets.dataset import SPLITS, Problem
from mien.datasets.lines import shown
from mien.datasets.splits import SPLIT_NAMES
from mien.errors import DataError, InputError
from mien.labels import LabelSpace
from mien.media.images import picture_size

_PARTS = {"images", "labels", "pictures", "photos", "imgs", "videos", "clips", "data"}
_LITTER = ("thumbs.db", "desktop.ini", "__macosx", "@eadir")  # what computers leave behind, with all that begins "."


def label_folders(
    root: Path, known: LabelSpace | None, what: str, codes: str = ""
) -> tuple[list[tuple[str, Path]], dict[str, str]]:
    """The folder of each label with its split, "" where there are none: ``LABEL/`` or ``train|val|test/LABEL/``.

    And the label by the name of its folder: that name, what *codes* ("1:surprise,2:fear") calls it, or where all are
    whole numbers the label at that place of those known.

    Raises:
        DataError: no such folder, none in it, two for one split, or their names are those of the parts of a data set.
    """
    found = [(split, folder) for split, top in split_folders(root) for folder in folders(top)]
    if not found:
        raise DataError(f"{root} has no folders of {what}, one for each label")
    names = {folder.name.casefold() for _, folder in found}
    if known is None and names & _PARTS and names <= _PARTS | {"masks", "annotations"}:
        raise DataError(
            f"{root} has its {what} in {shown(sorted(names))}, as YOLO and others do, and no folder for each label: "
            "not read; name them in a table (table:FILE?modality=…)"
        )
    labels = {name: name for name in sorted({folder.name for _, folder in found})}
    if known is not None and not any(name in known for name in labels) and all(map(str.isdecimal, labels)):
        labels |= {str(place): name for place, name in enumerate(known.names) if str(place) in labels}
    return found, labels | {code: name for code, name in label_codes(root, codes).items() if code in labels}


def split_folders(root: Path) -> list[tuple[str, Path]]:
    """The folders that hold those of the labels, each with its split; the only one with "" where there are none."""
    if not root.is_dir():
        raise DataError(f"{root} is no folder" if root.exists() else f"there is no folder {root}")
    tops: dict[str, Path] = {}
    for folder in folders(root):
        split = SPLIT_NAMES.get(folder.name.casefold())
        if split in tops:
            raise DataError(f"{root} has two folders for {split}: {tops[split].name} and {folder.name}")
        if split:
            tops[split] = folder
    if tops:
        return [(split, tops[split]) for split in SPLITS if split in tops]
    entries = visible(root)
    if len(entries) == 1 and entries[0].is_dir() and folders(entries[0]):  # as archives often have it
        return split_folders(entries[0])
    return [("", root)]


def without_split(root: Path, wanted: Callable[[Path], bool]) -> Iterator[Problem]:
    """The folders that lie beside those of the splits: what is in them is in no split."""
    tops = {top for _, top in split_folders(root)}
    for folder in folders(next(iter(tops)).parent) if tops != {root} else ():
        if folder not in tops and (count := sum(map(wanted, files_below(folder)))):
            what = f"{folder.name!r} is no split that is known; its {count} files are left out"
            yield Problem("no-split", place(folder, root), what, count)


def visible(folder: Path) -> list[Path]:
    """What is in a folder, in the order of names, but for what computers leave behind."""
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror or error}") from error
    return [folder / name for name in names if not name.startswith(".") and name.casefold() not in _LITTER]


def folders(folder: Path) -> list[Path]:
    """The folders in a folder."""
    return [entry for entry in visible(folder) if entry.is_dir()]


def files_below(folder: Path) -> Iterator[Path]:
    """The files in a folder, however deep."""
    for entry in visible(folder):
        if entry.is_dir() and not entry.is_symlink():  # a link could lead back up
            yield from files_below(entry)
        elif not entry.is_dir():
            yield entry


def place(path: Path, root: Path) -> str:
    """Where a file is, for a person."""
    return path.relative_to(root).as_posix()


def picture_fault(file: Path) -> str:
    """What is wrong with the file of a picture by its header, "" for nothing."""
    try:
        picture_size(file)
    except InputError as error:
        return str(error).removeprefix(f"{file} ")
    return ""
