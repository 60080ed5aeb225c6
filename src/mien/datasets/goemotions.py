"""GoEmotions: English Reddit comments, any of 27 emotions or neutral. Lines of text, label places and comment id."""

from __future__ import annotations

from pathlib import Path

from mien.datasets.collect import Collector
from mien.datasets.dataset import Dataset
from mien.datasets.tables import open_table
from mien.errors import DataError
from mien.labels import SPACES, get_space

_FILES = {"train": "train.tsv", "val": "dev.tsv", "test": "test.tsv"}


def read(path: str | Path, space: str = "goemotions28") -> Dataset:
    """Read the folder with train.tsv, dev.tsv, test.tsv and emotions.txt.

    Args:
        path: the folder.
        space: a coarser space to roll the labels up to, such as "ekman7".

    Raises:
        DataError: a file is missing or unreadable, or there is no map to *space*.
    """
    folder = Path(path)
    listed = (name.strip() for chunk in open_table(folder / "emotions.txt").chunks() for name in chunk["text"])
    names = [name for name in listed if name]
    names += ["neutral"] * ("neutral" not in names)
    strange = [name for name in names if name not in SPACES["goemotions28"]]
    if strange:
        raise DataError(f"{folder / 'emotions.txt'} lists {strange[0]!r}, which is no label of goemotions28")
    rows = Collector("goemotions", SPACES["goemotions28"], "CC BY 4.0")
    for split, file in _FILES.items():
        for lines, chunk in open_table(folder / file, columns=("text", "labels", "id"), raw=True).numbered():
            for line, text, places in zip(lines, chunk["text"], chunk["labels"], strict=True):
                labels = [_name(place.strip(), names) for place in places.split(",") if place.strip()]
                rows.add(text, labels, split, f"{file}:{line}")
    dataset = rows.dataset()
    try:
        same = get_space(space).names == dataset.space.names
    except KeyError as error:
        raise DataError(f"goemotions: {error.args[0]}") from None
    return dataset if same else dataset.rollup(space)


def _name(place: str, names: list[str]) -> str:
    """The label at that place; a place that is none stays as it is and is reported as an unknown label."""
    return names[int(place)] if place.isascii() and place.isdigit() and int(place) < len(names) else place
