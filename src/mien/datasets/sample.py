"""The two small data sets that come with mien: one to evaluate on, one to train on. Both were written for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mien.datasets.collect import Collector
from mien.datasets.dataset import Dataset
from mien.datasets.tables import open_table
from mien.errors import DataError
from mien.labels import SPACES

#: name → (file, label space, columns of the file, split of a row by its number)
_SETS: dict[str, tuple[str, str, tuple[str, ...], Callable[[int], str]]] = {
    "text": ("sample.tsv", "ekman7", ("text", "label", "kind"), lambda line: "test"),
    "everyday": ("everyday.tsv", "goemotions28", ("text", "label"), lambda line: "train" if line % 10 else "val"),
}


def read(path: str) -> Dataset:
    """Read "text" (ekman7, all test; the column "kind" says what is hard about a row) or "everyday" (goemotions28).

    Raises:
        DataError: there is no sample of that name.
    """
    if path not in _SETS:
        raise DataError(f"there is no sample {path!r}; there are: {', '.join(_SETS)}")
    file, space, columns, split = _SETS[path]
    rows = Collector(f"sample-{path}", SPACES[space], "MIT, written for mien")
    for lines, chunk in open_table(Path(__file__).with_name(file), columns=columns, raw=True).numbered():
        others = [name for name in columns if name not in ("text", "label")]
        for place, (line, text, labels) in enumerate(zip(lines, chunk["text"], chunk["label"], strict=True)):
            names = [label.strip() for label in labels.split(",") if label.strip()]
            rows.add(text, names, split(line), f"{file}:{line}", {name: chunk[name][place] for name in others})
    return rows.dataset()
