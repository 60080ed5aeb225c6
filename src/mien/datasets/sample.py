"""The two small data sets that come with mien: one to evaluate on, one to train on. Both were written for it."""

from __future__ import annotations

from pathlib import Path

from mien.datasets.open import Info, Items, Row, dataset
from mien.datasets.tables import open_table
from mien.errors import DataError

#: name → (file, label space, columns of the file, one row in how many is val; 0 where all are test)
_SETS = {
    "text": ("sample.tsv", "ekman7", ("text", "label", "kind"), 0),
    "everyday": ("everyday.tsv", "goemotions28", ("text", "label"), 10),
}


@dataset("sample", licence="MIT, written for mien")
def sample(path: Path) -> Items:
    """The set "text" (all test; the column "kind" says what is hard about a row) or "everyday"."""
    name = str(path)
    if name not in _SETS:
        raise DataError(f"there is no sample {name!r}; there are: {', '.join(_SETS)}")
    file, space, columns, every = _SETS[name]
    yield Info(name=f"sample-{name}", labels=space)
    for line, row in open_table(Path(__file__).with_name(file), columns=columns, quotes=False).records():
        split = "test" if not every else "train" if line % every else "val"
        labels = [label.strip() for label in row["label"].split(",") if label.strip()]
        yield Row(row["text"], labels, f"{file}:{line}", split, {column: row[column] for column in columns[2:]})
