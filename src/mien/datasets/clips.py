"""Clips in folders: one folder for each label, and in it, if you like, one for each person."""

from __future__ import annotations

from pathlib import Path

from mien.datasets.dataset import Problem
from mien.datasets.folders import files_below, label_folders, place, without_split
from mien.datasets.open import Info, Items, Row, dataset
from mien.datasets.rows import known_space, plain_name, space_of
from mien.errors import DataError
from mien.labels import LabelSpace
from mien.media.names import is_clip


@dataset("clips", modality="video")
def clips(root: Path, *, space: LabelSpace | None = None, labels: str = "") -> Items:
    """The clips ``LABEL/*`` or ``LABEL/PERSON/*``, or the same within ``train``, ``val`` and ``test``.

    Everything below the folder of a label whose name ends like a clip's is taken, in the order of names. Where clips
    lie in folders within it, the first such folder is the person: the column "person", whose clips stay in one split.
    Clips are not opened: what cannot be read is found, and reported, when their faces are cut.

    Args:
        root: the folder.
        space: the labels there are; without it a known space of exactly these folders, or one made of them.
        labels: what the names of folders stand for, such as "01:neutral,02:calm".
    """
    found, named = label_folders(root, space, "clips", labels)
    files = {folder: [file for file in files_below(folder) if is_clip(file)] for _, folder in found}
    filled = {named[folder.name] for folder, clips in files.items() if clips}
    known = space or known_space(set(named.values())) or space_of(root, filled)
    if not any(name in known for name in filled):
        raise DataError(f"{root} has no clips in a folder of {known.name}: {', '.join(known.names)}")
    people = any(file.parent != folder for folder, clips in files.items() for file in clips)
    yield Info(name=plain_name(root), labels=known, group="person" if people else "")
    yield from without_split(root, is_clip)
    for split, folder in found:
        here = place(folder, root)
        label = named[folder.name]
        if label not in known:
            what = f"{label!r} is no label of {known.name}; its {len(files[folder])} clips are left out"
            yield Problem("unknown-label", here, what, len(files[folder]))
            continue
        if not files[folder]:
            yield Problem("empty", here, "no clips in this folder", 0)
        for file in files[folder]:
            if people and file.parent == folder:
                raise DataError(f"{root}: {place(file, root)} is in no folder of a person, as others are")
            columns = {"person": file.relative_to(folder).parts[0]} if people else {}
            yield Row(str(file), [label], place(file, root), split, columns)
