"""EMOTIC (Kosti et al. 2019): photographs with the people in them marked, 26 categories, valence, arousal, dominance.

As its authors hand it out, on request: ``Annotations/Annotations.mat`` beside the pictures in
``emotic/{mscoco,framesdb,emodb_small,ade20k}/images``. Each person of train was labeled by one annotator, each of val
and test by several; there the combined labels count (categories that any of them gave, means of the three ratings).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from mien.datasets.dataset import SPLITS, Problem
from mien.datasets.open import Items, Row, dataset
from mien.errors import DataError, InputError, require
from mien.media.images import Region, picture_size

RATINGS = ("valence", "arousal", "dominance")
SCALE = (1.0, 10.0)
_MAT = "Annotations.mat"
_FIELDS = ("filename", "folder", "person")


@dataset(
    "emotic",
    labels="emotic26",
    modality="scene",
    licence="given on request, for research",
    scales=dict.fromkeys(RATINGS, SCALE),
)
def emotic(path: Path) -> Items:
    """The people of EMOTIC, each a region of its picture, with the authors' splits.

    Boxes are cut off at the edge of the picture; where a picture has another size than the annotations say, but the
    same shape, they are scaled along. Left out and noted: pictures that are missing or unreadable (once for all its
    people), boxes without an area in their picture, people without a category or with one that is none of the 26.
    The columns are "gender", "age" (kid, teenager or adult) and "source" (which of the four sets the picture is from).

    Args:
        path: the folder that holds ``Annotations``, or the .mat file.
    """
    mat = _mat(path)
    beside = (mat.parent.parent / "emotic", mat.parent / "emotic")
    pictures = next((folder for folder in beside if folder.is_dir()), mat.parent)
    content = _loaded(mat)
    for split in SPLITS:
        entries = _several(content[split])
        if not entries:
            yield Problem("empty", f"{mat.name} {split}", f"the {split} split is empty", 0)
        for number, entry in enumerate(entries, 1):
            yield from _people(entry, split, f"{split}:{number}", pictures, mat)


def _people(entry: Any, split: str, number: str, pictures: Path, mat: Path) -> Iterator[Row | Problem]:
    """The people of one picture."""
    if not isinstance(entry, Mapping) or any(name not in entry for name in _FIELDS):
        have = ", ".join(entry) if isinstance(entry, Mapping) else f"no struct but {type(entry).__name__}"
        raise DataError(f"{mat} has another layout: {number} lacks {', '.join(_FIELDS)}; it has: {have}")
    folder = str(entry["folder"]).replace("\\", "/").strip("/")
    name = f"{folder}/{entry['filename']}"
    file, people = pictures / name, _several(entry["person"])
    where = f"{number} {name}"
    if not people:
        yield Problem("empty", where, "no person in this picture", 0)
        return
    try:
        size = picture_size(file, shown=True)
    except InputError as error:
        count = f"{len(people)} {'person' if len(people) == 1 else 'people'} left out"
        kind = "unreadable" if file.exists() else "missing"
        yield Problem(kind, where, f"{error}; {count}", len(people))
        return
    for place, person in enumerate(people, 1):
        here = f"{where} person {place}"
        try:
            region = _region(str(file), person, _size(entry), size)
        except InputError as error:
            yield Problem("box", here, str(error).removeprefix(f"{file}: "))
            continue
        columns = {name: _word(person.get(name)) for name in ("gender", "age")} | {"source": folder.split("/")[0]}
        yield Row(region, _categories(person), here, split, columns, _ratings(person))


def _region(file: str, person: Any, stated: tuple[float, float] | None, size: tuple[int, int]) -> Region:
    """Where a person is in the picture, which has that width and height.

    Raises:
        InputError: there is no box, or no part of the box lies in the picture.
    """
    box = person.get("body_bbox") if isinstance(person, Mapping) else None
    try:
        sides = [float(side) for side in np.ravel(box)]  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise InputError(f"{file}: a person has no box (body_bbox)") from None
    if stated is not None and stated != size:
        across, down = size[0] / stated[0], size[1] / stated[1]
        if abs(math.log(across / down)) > 0.03:  # turned or cut, not just made larger or smaller
            other = f"{stated[0]:g} x {stated[1]:g}"
            raise InputError(f"{file}: the picture is {size[0]} x {size[1]}, the annotations are of one of {other}")
        sides = [side * (down if place % 2 else across) for place, side in enumerate(sides)]
    return Region.within(file, sides, size)


def _size(entry: Mapping[str, Any]) -> tuple[float, float] | None:
    """Width and height of the picture that was annotated; None where the entry lacks it."""
    size = entry.get("image_size")
    with suppress(TypeError, KeyError, ValueError):
        width, height = float(size["n_col"]), float(size["n_row"])  # type: ignore[index]
        return (width, height) if width > 0 and height > 0 else None
    return None


def _categories(person: Mapping[str, Any]) -> list[str]:
    """The combined categories where there are such, else those of the annotator."""
    marked = person.get("combined_categories")
    if marked is None:
        one = _several(person.get("annotations_categories"))
        marked = one[0].get("categories") if len(one) == 1 and isinstance(one[0], Mapping) else None
    return list(dict.fromkeys(str(name) for name in _several(marked) if str(name).strip()))


def _ratings(person: Mapping[str, Any]) -> dict[str, float]:
    marked = _several(person.get("combined_continuous", person.get("annotations_continuous")))
    if len(marked) != 1 or not isinstance(marked[0], Mapping):
        return {}
    found = {}
    for name in RATINGS:
        with suppress(TypeError, ValueError):
            found[name] = float(marked[0].get(name, math.nan))
    return found


def _word(value: Any) -> str:
    return value.strip().casefold() if isinstance(value, str) else ""


def _several(value: Any) -> list[Any]:
    """The elements of a struct or cell array. MATLAB keeps no difference between one element and an array of one."""
    if value is None or isinstance(value, Mapping | str):
        return [] if value is None or value == "" else [value]
    return list(np.asarray(value, object).ravel()) if isinstance(value, list | np.ndarray) else [value]


def _mat(path: Path) -> Path:
    for candidate in (path, path / "Annotations" / _MAT, path / _MAT):
        if candidate.is_file():
            return candidate
    if not path.exists():
        raise DataError(f"there is no file or folder {path}")
    raise DataError(f"{path} has no Annotations/{_MAT}")


def _loaded(mat: Path) -> dict[str, Any]:
    """The three splits as lists and dicts.

    Raises:
        DataError: the file is of another kind, damaged, or holds other variables.
    """
    with mat.open("rb") as file:
        head = file.read(520)
    if head.startswith(b"MATLAB 7.3") or b"\x89HDF\r\n\x1a\n" in head:
        raise DataError(f"{mat} is a MATLAB 7.3 file (HDF5), which is not read; in MATLAB save it again with '-v7'")
    scipy = require("scipy.io", "train")
    try:
        content: dict[str, Any] = scipy.loadmat(str(mat), simplify_cells=True, variable_names=list(SPLITS))
        if not any(split in content for split in SPLITS):
            found = ", ".join(f"{name} ({kind})" for name, _, kind in scipy.whosmat(str(mat)))
            raise DataError(
                f"{mat} has another layout: it must hold train, val and test; it holds: {found or 'nothing'}"
            )
    except DataError:
        raise
    except Exception as error:  # scipy raises a dozen classes, down to those of zlib, for every kind of damage
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{mat} cannot be read as a .mat file of MATLAB 5 to 7.2: {reason}") from error
    return {split: content.get(split) for split in SPLITS}
