"""CARER (dair-ai/emotion): English tweets, one of six emotions each."""

from __future__ import annotations

from pathlib import Path

from mien.datasets.dataset import SPLITS, Problem
from mien.datasets.open import Items, Row, dataset
from mien.datasets.tables import open_table


@dataset("carer", labels="carer6", licence="education and research")
def carer(folder: Path) -> Items:
    """The lines ``text;label`` of train.txt, val.txt and test.txt."""
    for split in SPLITS:
        for line, record in open_table(folder / f"{split}.txt", columns=("text",)).records():
            text, semicolon, label = record["text"].rpartition(";")
            where = f"{split}.txt:{line}"
            if semicolon:
                yield Row(text, [label], where, split)
            elif label.strip():
                yield Problem("unreadable", where, "no ';label' at its end")
            else:
                yield Problem("empty", where, "no text")
