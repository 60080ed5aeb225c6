"""CARER (dair-ai/emotion): English tweets, one of six emotions each. Lines of ``text;label`` in three files."""

from __future__ import annotations

from pathlib import Path

from mien.datasets.collect import Collector
from mien.datasets.dataset import SPLITS, Dataset
from mien.datasets.tables import open_table
from mien.labels import SPACES


def read(path: str | Path) -> Dataset:
    """Read the folder with train.txt, val.txt and test.txt.

    Raises:
        DataError: a file is missing or unreadable.
    """
    rows = Collector("carer", SPACES["carer6"], "education and research")
    for split in SPLITS:
        for lines, chunk in open_table(Path(path) / f"{split}.txt").numbered():
            for line, record in zip(lines, chunk["text"], strict=True):
                where = f"{split}.txt:{line}"
                text, semicolon, label = record.rpartition(";")
                if semicolon:
                    rows.add(text, [label], split, where)
                else:
                    kind, what = ("unreadable", "no ';label' at its end") if record.strip() else ("empty", "no text")
                    rows.problem(kind, where, what)
    return rows.dataset()
