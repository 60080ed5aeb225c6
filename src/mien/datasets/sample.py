"""The small data sets that come with mien: two to evaluate on, two to train on. All were written for it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from mien.datasets.open import Info, Items, Row, dataset
from mien.datasets.tables import open_table
from mien.errors import DataError

#: name → (file, label space, several labels at a time, columns of the file, one row in how many is val; 0: all test)
_SETS = {
    "text": ("sample.tsv", "ekman7", False, ("text", "label", "kind"), 0),
    "everyday": ("everyday.tsv", "goemotions28", True, ("text", "label"), 10),
    "situations": ("situations.tsv", "goemotions28", True, ("text", "label", "domain"), 10),
    "domains": ("domains.tsv", "ekman7", True, ("text", "label", "domain", "seen"), 0),
}


@dataset("sample", licence="MIT, written for mien")
def sample(path: Path, *, seen: Literal["", "yes", "no"] = "") -> Items:
    """The set "text" (all test; its column "kind" says what is hard), "everyday", "situations" or "domains".

    "everyday" and "situations" are to train on; the latter, in many domains such as complaints and sarcasm, has the
    column "domain". "domains" (all test) has texts of ten, with the columns "domain" and "seen". Where a row of it has
    several labels, each is a right answer.

    Args:
        path: the name of the set.
        seen: of "domains" the half that may be looked at while a model is made ("yes"), or the one that is not ("no").
    """
    name = str(path)
    if name not in _SETS:
        raise DataError(f"there is no sample {name!r}; there are: {', '.join(_SETS)}")
    file, space, several, columns, every = _SETS[name]
    if seen and "seen" not in columns:
        raise DataError(f"the sample {name!r} has no column 'seen'")
    yield Info(name=f"sample-{name}", labels=space, multilabel=several)
    table = open_table(Path(__file__).with_name(file), columns=columns, quotes=False)
    for line, row in table.records():
        if seen and row["seen"] != seen:
            continue
        split = "test" if not every else "train" if line % every else "val"
        labels = [label.strip() for label in row["label"].split(",") if label.strip()]
        yield Row(row["text"], labels, f"{file}:{line}", split, {column: row[column] for column in columns[2:]})
