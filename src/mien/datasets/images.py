"""Pictures in folders: one folder for each label, within folders for train, val and test or without."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from mien.datasets.collect import (
    Collector,
    deal,
    given_seed,
    given_space,
    known_space,
    picture_fault,
    plain_name,
    space_of,
)
from mien.datasets.dataset import SPLITS, Dataset, Problem
from mien.datasets.lines import shown
from mien.datasets.splits import SPLIT_NAMES
from mien.errors import DataError, InputError
from mien.labels import LabelSpace
from mien.media.images import is_picture, read_picture

_CROP = 96  # pixels a side of a face cut out of a photograph
_PARTS = {"images", "labels", "pictures", "photos", "imgs", "videos", "clips", "data"}
_LITTER = ("thumbs.db", "desktop.ini", "__macosx", "@eadir")  # what computers leave behind, with all that begins "."


def read(
    path: str | Path,
    *,
    space: str | LabelSpace | None = None,
    split_seed: str | int = "0",
    modality: str = "face",
    faces: str = "",
) -> Dataset:
    """Read ``LABEL/*`` or ``train|val|test/LABEL/*`` ("validation", "valid", … and any case will do).

    Everything below the folder of a label is taken, however deep, in the order of names. A file must have the header
    of a picture, whatever its name; others are noted and left out. The pixels are not decoded. A folder that holds
    nothing but one other folder, as archives often do, stands for that folder.

    Args:
        path: the folder.
        space: the labels there are; without it a known space of exactly these folders, or one made of those of them
            that hold a picture.
        split_seed: of the 80/10/10 deal, stratified by label, where there are no folders for splits. The only
            picture of a label goes to train.
        modality: of the pictures, "face" or "scene".
        faces: "find" for photographs: the largest face of each is found, turned upright and cut out, as prediction
            does; a photograph without one is left out. "" where the pictures are faces already.

    Raises:
        DataError: no such folder, no folders in it, two for one split, or none of a label of *space*.
    """
    root = Path(path)
    known, seed = given_space(root, space), given_seed(root, split_seed)
    found = [(split, folder) for split, top in _tops(root) for folder in _folders(top)]
    if not found:
        raise DataError(f"{root} has no folders of pictures, one for each label")
    files = {folder: [(file, picture_fault(file)) for file in _files(folder)] for _, folder in found}
    labels = known or known_space({folder.name for folder in files})
    if labels is None:
        filled = {folder.name for folder, entries in files.items() if not all(fault for _, fault in entries)}
        labels = space_of(root, filled or {folder.name for folder in files})
    check_folders(root, files, known, "pictures")
    if not any(folder.name in labels for folder in files):
        names = ", ".join(sorted({folder.name for folder in files})[:5])
        raise DataError(f"{root}: none of its folders ({names}) is a label of {labels.name}: {', '.join(labels.names)}")
    rows = Collector(plain_name(root), labels, modality=modality)
    note_others(rows, root, is_picture)
    for _, top in _tops(root):
        for file in filter(is_picture, _visible(top)):
            if file.is_file():
                rows.problem("unknown-label", _where(file, root), "in no folder of a label; left out")
    for split, folder in found:
        _take(rows, files[folder], split, folder, root)
    dataset = deal(rows.dataset(), seed)
    if faces not in ("", "find"):
        raise DataError(f"{root}: faces must be 'find' or nothing, not {faces!r}")
    return _found(dataset) if faces else dataset


def _found(dataset: Dataset) -> Dataset:
    """The largest face of each photograph instead of the photograph."""
    from mien.modalities.face.detect import FaceDetector
    from mien.modalities.face.preprocess import FaceSettings, align
    from mien.output.terminal import progress

    detector, settings = FaceDetector(), FaceSettings(size=_CROP, channels=3)
    crops: list[np.ndarray] = []
    kept: list[int] = []
    problems: list[Problem] = []
    with progress("finding faces", len(dataset)) as step:
        for row, path in enumerate(dataset.inputs):
            step(1)
            try:
                picture = read_picture(path)
            except InputError as error:
                problems.append(Problem("unreadable", dataset.where[row], str(error).removeprefix(f"{path} ")))
                continue
            if found := detector.find(picture):
                crops.append(align(picture, max(found, key=lambda face: face.area), settings))
                kept.append(row)
            else:
                problems.append(Problem("no-face", dataset.where[row], "no face was found; left out"))
    rows = dataset.take(np.array(kept, np.int64))
    return replace(rows, inputs=crops, problems=(*dataset.problems, *problems))


def _take(rows: Collector, files: list[tuple[Path, str]], split: str, folder: Path, root: Path) -> None:
    """The pictures of one label of one split."""
    here, taken = _where(folder, root), 0
    pictures = sum(not fault for _, fault in files)
    if folder.name not in rows.space and pictures:
        what = f"{folder.name!r} is no label of {rows.space.name}; its {pictures} pictures are left out"
        rows.problem("unknown-label", here, what, pictures)
        return
    for file, fault in files:
        if fault:
            rows.problem("empty" if fault == "is empty" else "unreadable", _where(file, root), fault)
        else:
            taken += rows.add(str(file), [folder.name], split, _where(file, root))
    if taken < 2:
        what = "one picture only" if taken else "no pictures in this folder"
        rows.problem("few" if taken else "empty", here, what, 0)


def _tops(root: Path) -> list[tuple[str, Path]]:
    """The folders that hold those of the labels, each with its split; the only one with "" where there are none."""
    if not root.is_dir():
        raise DataError(f"{root} is no folder" if root.exists() else f"there is no folder {root}")
    tops: dict[str, Path] = {}
    for folder in _folders(root):
        split = SPLIT_NAMES.get(folder.name.casefold())
        if split in tops:
            raise DataError(f"{root} has two folders for {split}: {tops[split].name} and {folder.name}")
        if split:
            tops[split] = folder
    if tops:
        return [(split, tops[split]) for split in SPLITS if split in tops]
    entries = _visible(root)
    if len(entries) == 1 and entries[0].is_dir() and _folders(entries[0]):
        return _tops(entries[0])
    return [("", root)]


def check_folders(root: Path, folders: Iterable[Path], known: LabelSpace | None, what: str) -> None:
    """Refuse folders whose names are those of the parts of a data set, not of labels.

    Raises:
        DataError: they are.
    """
    names = {folder.name.casefold() for folder in folders}
    if known is None and names & _PARTS and names <= _PARTS | {"masks", "annotations"}:
        raise DataError(
            f"{root} has its {what} in {shown(sorted(names))}, as YOLO and others do, and no folder for each label: "
            "not read; name them in a table (table:FILE?modality=…)"
        )


def note_others(rows: Collector, root: Path, wanted: Callable[[Path], bool]) -> None:
    """Note the folders that lie beside those of the splits: what is in them is in no split."""
    tops = {top for _, top in _tops(root)}
    beside = next(iter(tops)).parent
    for folder in _folders(beside) if tops != {root} else ():
        if folder not in tops and (count := sum(map(wanted, _files(folder)))):
            what = f"{folder.name!r} is no split that is known; its {count} files are left out"
            rows.problem("no-split", _where(folder, root), what, count)


def _visible(folder: Path) -> list[Path]:
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror or error}") from error
    return [folder / name for name in names if not name.startswith(".") and name.casefold() not in _LITTER]


def _folders(folder: Path) -> list[Path]:
    return [entry for entry in _visible(folder) if entry.is_dir()]


def _files(folder: Path) -> Iterator[Path]:
    for entry in _visible(folder):
        if entry.is_dir() and not entry.is_symlink():  # a link could lead back up
            yield from _files(entry)
        elif not entry.is_dir():
            yield entry


def _where(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()
