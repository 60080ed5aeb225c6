"""GoEmotions: English Reddit comments, any of 27 emotions or neutral."""

from __future__ import annotations

from pathlib import Path

from mien.datasets.open import Items, Row, dataset
from mien.datasets.tables import open_table
from mien.errors import DataError
from mien.labels import SPACES


@dataset("goemotions", labels="goemotions28", licence="CC BY 4.0")
def goemotions(folder: Path) -> Items:
    """The lines of text, label places and comment id in train.tsv, dev.tsv and test.tsv, with emotions.txt."""
    lines = open_table(folder / "emotions.txt", columns=("text",)).records()
    names = [row["text"].strip() for _, row in lines if row["text"].strip()]
    names += ["neutral"] * ("neutral" not in names)
    if strange := [name for name in names if name not in SPACES["goemotions28"]]:
        raise DataError(f"{folder / 'emotions.txt'} lists {strange[0]!r}, which is no label of goemotions28")
    by_place = {str(place): name for place, name in enumerate(names)}
    for split, file in {"train": "train.tsv", "val": "dev.tsv", "test": "test.tsv"}.items():
        table = open_table(folder / file, columns=("text", "labels", "id"), quotes=False)
        for line, row in table.records():
            places = [place.strip() for place in row["labels"].split(",") if place.strip()]
            yield Row(row["text"], [by_place.get(place, place) for place in places], f"{file}:{line}", split)
