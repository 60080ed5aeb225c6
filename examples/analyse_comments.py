"""From a table of comments to a table of emotions, and how often each came, with the Python API.

    python examples/analyse_comments.py examples/comments.csv comments.parquet --column comment --by product

The result has the columns of the input and behind them ``emotion`` (one of seven), ``score`` (its probability),
``labels`` (all that the model says hold, in its own finer labels) and ``error`` (why a row has none).
For more rows than fit in memory, let the command line do it: ``mien predict big.csv --out big.parquet``.
Needs the extra "table" (docs/install.md).
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

import mien

Row = dict[str, Any]


def rows_with_emotions(model: mien.Predictor, table: pd.DataFrame, column: str, space: str) -> Iterator[Row]:
    """Each row of the table with what was read in it, in order."""
    results = model.predict_many(table[column])
    for row, result in zip(table.to_dict("records"), results, strict=True):
        if result.error:  # an empty comment, say: the others go on
            yield row | {"emotion": None, "score": None, "labels": None, "error": result.error}
            continue
        coarse = result.rollup(space)
        labels = "|".join(result.items[0].labels)
        yield row | {"emotion": coarse.label, "score": coarse.score, "labels": labels, "error": None}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path, help="a CSV file with a header")
    parser.add_argument("out", type=Path, help="the Parquet file to write")
    parser.add_argument("--column", default="comment", help="the column with the text")
    parser.add_argument("--by", help="a column to count by, such as product")
    parser.add_argument("--model", default="text", help="a shipped model's name, or a model or run folder")
    parser.add_argument("--labels", default="ekman7", help="the label space to count in")
    options = parser.parse_args()

    table = pd.read_csv(options.table, keep_default_na=False)  # an empty cell stays an empty text
    if options.column not in table:
        parser.error(f"{options.table} has no column {options.column!r}; it has: {', '.join(table)}")
    if options.by and options.by not in table:
        parser.error(f"{options.table} has no column {options.by!r}; it has: {', '.join(table)}")
    model = mien.load(options.model)
    rows = list(rows_with_emotions(model, table, options.column, options.labels))
    pd.DataFrame(rows).to_parquet(options.out, index=False)

    groups: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        groups[str(row[options.by]) if options.by else "all"][row["emotion"] or "(not read)"] += 1
    for group, counts in groups.items():
        print(f"{group}: {counts.total()} comments")
        for emotion, count in counts.most_common():
            print(f"  {emotion:12} {count:4}  {count / counts.total():6.1%}")
    print(f"wrote {options.out}")


if __name__ == "__main__":
    main()
