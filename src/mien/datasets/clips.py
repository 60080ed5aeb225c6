"""Clips in folders: one folder for each label, and in it, if you like, one for each person."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mien.datasets.collect import Collector, deal, given_seed, given_space, known_space, plain_name, space_of
from mien.datasets.dataset import Dataset
from mien.datasets.images import _files, _folders, _tops, _where, check_folders, note_others
from mien.errors import DataError
from mien.labels import LabelSpace
from mien.media.clips import is_clip

_PERSON = "person"


def read(path: str | Path, *, space: str | LabelSpace | None = None, split_seed: str | int = "0") -> Dataset:
    """Read ``LABEL/*`` or ``LABEL/PERSON/*``, or the same within ``train``, ``val`` and ``test``.

    Everything below the folder of a label whose name ends like a clip's is taken, in the order of names. Where clips
    lie in folders within it, the first such folder is the person: the column "person", whose clips stay in one split.
    Clips are not opened: what cannot be read is found, and told, when their faces are cut.

    Args:
        path: the folder.
        space: the labels there are; without it a known space of exactly these folders, or one made of them.
        split_seed: of the 80/10/10 deal, where there are no folders for splits.

    Raises:
        DataError: no such folder, no folders in it, or none of a label of *space*; or some clips of a label lie in
            folders of people and others do not.
    """
    root = Path(path)
    known, seed = given_space(root, space), given_seed(root, split_seed)
    found = [(split, folder) for split, top in _tops(root) for folder in _folders(top)]
    if not found:
        raise DataError(f"{root} has no folders of clips, one for each label")
    files = {folder: [file for file in _files(folder) if is_clip(file)] for _, folder in found}
    filled = {folder.name for folder, clips in files.items() if clips}
    labels = known or known_space({folder.name for folder in files}) or space_of(root, filled)
    if not any(name in labels for name in filled):
        raise DataError(f"{root} has no clips in a folder of {labels.name}: {', '.join(labels.names)}")
    check_folders(root, files, known, "clips")
    rows = Collector(plain_name(root), labels, modality="video")
    note_others(rows, root, is_clip)
    people = any(file.parent != folder for folder, clips in files.items() for file in clips)
    for split, folder in found:
        here = _where(folder, root)
        if folder.name not in labels:
            what = f"{folder.name!r} is no label of {labels.name}; its {len(files[folder])} clips are left out"
            rows.problem("unknown-label", here, what, len(files[folder]))
            continue
        if not files[folder]:
            rows.problem("empty", here, "no clips in this folder", 0)
        for file in files[folder]:
            if people and file.parent == folder:
                raise DataError(f"{root}: {_where(file, root)} is in no folder of a person, as others are")
            columns = {_PERSON: file.relative_to(folder).parts[0]} if people else {}
            rows.add(str(file), [folder.name], split, _where(file, root), columns)
    dataset = rows.dataset()
    if people and len(dataset):
        dataset = replace(dataset, group=_PERSON)
    return deal(dataset, seed, dataset.groups)
