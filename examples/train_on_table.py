"""Train on a table of your own, measure on its test part, and use the model: the whole way in one file.

    python examples/train_on_table.py mine.csv --text comment --label mood [--recipe text-gru] [--out runs/mine]

The table may be CSV, TSV, JSONL, Parquet or a pickled DataFrame. Without a column "split" the rows are dealt out
80/10/10, the same way each time. Without a table, a set that comes with mien is used.
Needs the extra "train" (docs/install.md).
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

import mien
from mien.datasets.checks import check


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", nargs="?", help="the table; without one, sample:everyday")
    parser.add_argument("--text", help="the column with the texts, if its name does not tell")
    parser.add_argument("--label", help="the column with the labels, if its name does not tell")
    parser.add_argument("--recipe", default="text-linear", help="text-linear (seconds), text-gru or text-minilm")
    parser.add_argument("--out", type=Path, help="the run folder")
    options = parser.parse_args()
    logging.basicConfig(format="%(message)s")
    logging.getLogger("mien").setLevel(logging.INFO)  # progress, on standard error

    spec = "sample:everyday"
    if options.table:
        columns = {"text": options.text, "label": options.label}
        chosen = "&".join(f"{name}={value}" for name, value in columns.items() if value)
        spec = f"table:{options.table}" + (f"?{chosen}" if chosen else "")

    problems = check(mien.open_dataset(spec))
    print(f"{len(problems)} problems in the data")
    for problem in problems[:5]:
        print(f"  {problem.kind}: {problem.where}: {problem.what}")

    run = mien.train(options.recipe, spec, options.out)
    if options.table:
        report = mien.evaluate(run.model, spec, split="test")
        print(f"test: accuracy {report.accuracy:.4f}, macro-F1 {report.macro_f1:.4f}")
    else:  # the sample has no test part; the other sample was never trained on
        report = mien.evaluate(run.model, "sample:text")
        print(f"sample:text: accuracy {report.accuracy:.4f}, macro-F1 {report.macro_f1:.4f}")
    print(f"report: {report.write(run.folder / 'report-test')}")

    model = mien.load(run.model)
    result = model.predict("i feel so loved today")
    print(f"{result.input}: {result.emoji} {result.label} {result.score:.2f}")


if __name__ == "__main__":
    main()
