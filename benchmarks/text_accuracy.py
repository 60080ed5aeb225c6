"""Train a recipe with several seeds and report the test figures: mean, each seed, minutes.

    python benchmarks/text_accuracy.py --data carer:emotion/ [--recipe text-gru] [--seeds 0 1 2] [--out runs/seeds]

Settings were chosen on validation data; the test split is looked at once per seed, at the end.
"""

from __future__ import annotations

import argparse
import json
import logging
import statistics
import time
from pathlib import Path

import mien


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True)
    parser.add_argument("--recipe", default="text-gru")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=Path("runs/seeds"))
    options = parser.parse_args()
    logging.basicConfig(format="%(message)s")
    logging.getLogger("mien").setLevel(logging.INFO)
    rows = []
    for seed in options.seeds:
        start = time.monotonic()
        run = mien.train(options.recipe, options.data, options.out / f"{options.recipe}-{seed}", seed=seed)
        minutes = (time.monotonic() - start) / 60
        report = mien.evaluate(run.model, options.data, split="test")
        report.write(run.folder / "report-test")
        rows.append(
            {"seed": seed, "accuracy": report.accuracy, "macro_f1": report.macro_f1, "minutes": round(minutes, 2)}
        )
    mean = {key: statistics.mean(row[key] for row in rows) for key in ("accuracy", "macro_f1", "minutes")}
    print(json.dumps({"recipe": options.recipe, "mean": mean, "seeds": rows}, indent=1))


if __name__ == "__main__":
    main()
