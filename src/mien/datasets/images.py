"""Pictures in folders: one folder for each label, within folders for train, val and test or without."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from mien.datasets.dataset import Dataset, Problem
from mien.datasets.folders import (
    files_below,
    label_folders,
    picture_fault,
    place,
    split_folders,
    visible,
    without_split,
)
from mien.datasets.open import Info, Items, Progress, Row, dataset, no_progress
from mien.datasets.rows import known_space, plain_name, space_of
from mien.errors import DataError, InputError
from mien.labels import LabelSpace
from mien.media.images import read_picture
from mien.media.names import is_picture
from mien.modality import get_modality
from mien.plugins import import_object


@dataset("images", modality="face")
def images(
    root: Path,
    *,
    space: LabelSpace | None = None,
    labels: str = "",
    modality: str = "face",
    faces: Literal["find", ""] = "",
    progress: Progress = no_progress,
) -> Items:
    """The pictures ``LABEL/*`` or ``train|val|test/LABEL/*`` ("validation", "valid", … and any case will do).

    Everything below the folder of a label is taken, however deep, in the order of names. A file must have the header
    of a picture, whatever its name; others are noted and left out. The pixels are not decoded. A folder that holds
    nothing but one other folder, as archives often do, stands for that folder. The only picture of a
    label goes to train.

    Args:
        root: the folder.
        space: the labels there are; without it a known space of exactly these folders, or one made of those of them
            that hold a picture.
        labels: what the names of folders stand for, such as "1:surprise,2:fear".
        modality: of the pictures, "face" or "scene".
        faces: "find" for photographs: the largest face of each is found, turned upright and cut out, as prediction
            does; a photograph without one is left out. "" where the pictures are faces already.
        progress: shows how far the search for faces is.
    """
    found, named = label_folders(root, space, "pictures", labels)
    files = {folder: [(file, picture_fault(file)) for file in files_below(folder)] for _, folder in found}
    names = set(named.values())
    filled = {named[folder.name] for folder, entries in files.items() if not all(fault for _, fault in entries)}
    known = space or known_space(names) or space_of(root, filled or names)
    if not any(name in known for name in names):
        some = ", ".join(sorted(names)[:5])
        raise DataError(f"{root}: none of its folders ({some}) is a label of {known.name}: {', '.join(known.names)}")
    finish = (lambda data: _cut_samples(data, progress)) if faces else None
    yield Info(name=plain_name(root), labels=known, modality=modality, finish=finish)
    yield from without_split(root, is_picture)
    for _, top in split_folders(root):
        for file in filter(is_picture, visible(top)):
            if file.is_file():
                yield Problem("unknown-label", place(file, root), "in no folder of a label; left out")
    for split, folder in found:
        yield from _pictures(files[folder], named[folder.name], known, split, folder, root)


def _pictures(
    files: list[tuple[Path, str]], label: str, known: LabelSpace, split: str, folder: Path, root: Path
) -> Iterator[Row | Problem]:
    """The pictures of one label of one split."""
    here, count = place(folder, root), sum(not fault for _, fault in files)
    if label not in known and count:
        what = f"{label!r} is no label of {known.name}; its {count} pictures are left out"
        yield Problem("unknown-label", here, what, count)
        return
    for file, fault in files:
        if fault:
            yield Problem("empty" if fault == "is empty" else "unreadable", place(file, root), fault)
        else:
            yield Row(str(file), [label], place(file, root), split)
    if count < 2:
        what = "one picture only" if count else "no pictures in this folder"
        yield Problem("few" if count else "empty", here, what, 0)


def _cut_samples(data: Dataset, progress: Progress) -> Dataset:
    """The set with the largest face of each photograph instead of the photograph, by the modality's own way."""
    modality = get_modality(data.modality)
    if not modality.cutter:
        raise DataError(f"{data.name}: there are no faces to find for the modality {modality.name}")
    cut = import_object(modality.cutter)()
    samples: list[np.ndarray] = []
    kept: list[int] = []
    problems: list[Problem] = []
    with progress(f"finding {modality.unit}s", len(data)) as step:
        for row, path in enumerate(data.inputs):
            step(1)
            try:
                sample = cut(read_picture(path))
            except InputError as error:
                problems.append(Problem("unreadable", data.where[row], str(error).removeprefix(f"{path} ")))
                continue
            if sample is None:
                unit = modality.unit
                problems.append(Problem(f"no-{unit}", data.where[row], f"no {unit} was found; left out"))
            else:
                samples.append(sample)
                kept.append(row)
    return replace(data.take(np.array(kept, np.int64)), inputs=samples, problems=(*data.problems, *problems))
