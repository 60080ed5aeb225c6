"""The two small data sets that come with mien: one to evaluate on, one to train on. Both were written for it."""

from __future__ import annotations

from pathlib import Path

from mien.datasets.open import Info, Items, Row, dataset
from mien.datasets.tables import open_table
from mien.errors import DataError

#: name → (label space, columns of the file)
_SETS = {"text": ("ekman7", ("text", "label", "kind")), "everyday": ("goemotions28", ("text", "label"))}


@dataset("sample", licence="MIT, written for mien")
def sample(path: Path) -> Items:
    """The set "text" (all test; the column "kind" says what is hard about a row) or "everyday"."""
    name = str(path)
    if name not in _SETS:
        raise DataError(f"there is no sample {name!r}; there are: {', '.join(_SETS)}")
    (space, columns), everyday = _SETS[name], name == "everyday"
    yield Info(name=f"sample-{name}", labels=space)
    file = Path(__file__).with_name("everyday.tsv" if everyday else "sample.tsv")
    for line, row in open_table(file, columns=columns, quotes=False).records():
        split = "test" if not everyday else "train" if line % 10 else "val"
        labels = [label.strip() for label in row["label"].split(",") if label.strip()]
        yield Row(row["text"], labels, f"{file.name}:{line}", split, {column: row[column] for column in columns[2:]})
