"""EmoBank (Buechel and Hahn 2017): English sentences, their valence, arousal and dominance rated by several readers."""

from __future__ import annotations

import math
from pathlib import Path

from mien.datasets.cells import find_column, split_name
from mien.datasets.dataset import Problem
from mien.datasets.open import Items, Row, dataset
from mien.datasets.tables import cell_text, open_table

SCALE = (1.0, 5.0)
_RATINGS = {"valence": "V", "arousal": "A", "dominance": "D"}


@dataset("emobank", labels="affect", licence="CC BY-SA 4.0", scales=dict.fromkeys(_RATINGS, SCALE))
def emobank(path: Path) -> Items:
    """The rows of emobank.csv with its authors' splits, of which dev is "val"; the column is "id".

    Args:
        path: the table, or the folder that holds it.
    """
    table = open_table(path / "emobank.csv" if path.is_dir() else path)
    wanted = ("id", "split", "text", *_RATINGS.values())
    number, split, text, *rated = (find_column(table.columns, name, (), "", table.path) for name in wanted)
    for line, row in table.records():
        where = f"{table.path.name}:{line}"
        ratings = {name: _number(row[column]) for name, column in zip(_RATINGS, rated, strict=True)}
        for name in [name for name, value in ratings.items() if math.isinf(value)]:
            yield Problem("unreadable", where, f"{name} is no number; taken as not known", 0)
            ratings[name] = math.nan
        columns = {"id": cell_text(row[number]) or ""}
        yield Row(row[text], [], where, split_name(row[split], f"{table.path}:{line}"), columns, ratings)


def _number(cell: object) -> float:
    """NaN where there is nothing, infinity where there is no number."""
    try:
        return float(cell_text(cell) or "nan")
    except ValueError:
        return math.inf
