"""How a recipe of text holds outside its home: each data set is left out of training once, and measured.

    python benchmarks/left_out.py text --data goemotions:goemotions/ carer:emotion/ "brighter:brighter/?language=eng"
        "xed:xed/?language=en" sample:everyday sample:situations --weights 1 0.6 1.5 0.7 1 2 [--measure 4]
        [--set train.epochs=1] [--beside text] --out runs/left-out

The data sets and weights are the recipe's own, the first 28 labels first; the first --measure of them are left out in
turn. Figures are of the test split in Ekman's labels, over those that the data have: macro-F1, the share whose
strongest label is right, and the calibration error. A run that is there is not trained again.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import mien

SPACE = "ekman7"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe")
    parser.add_argument("--data", nargs="+", required=True)
    parser.add_argument("--weights", nargs="+", type=float, required=True)
    parser.add_argument("--measure", type=int, default=4)
    parser.add_argument("--set", nargs="+", default=[], dest="settings")
    parser.add_argument("--beside", nargs="*", default=[])
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    print(f"{'left out':34} {'model':10} {'macro-F1':>8} {'strongest':>9} {'ECE':>6}")
    found: dict[str, list[float]] = {}
    for place, name in enumerate(options.data[: options.measure]):
        models = {"new": trained(options, place), **{one: one for one in options.beside}}
        for model, folder in models.items():
            figures = measured(folder, name)
            found.setdefault(model, []).append(figures["macro_f1"])
            row = f"{figures['macro_f1']:8.3f} {figures['top1']:9.3f} {figures['ece']:6.3f}"
            print(f"{name[:34]:34} {model:10} {row}", flush=True)
    for model, values in found.items():
        print(f"{'mean':34} {model:10} {sum(values) / len(values):8.3f}")


def trained(options: argparse.Namespace, left: int) -> Path:
    """The run that learned from all but one data set; the first of the others in the recipe's labels leads."""
    folder: Path = options.out / f"without-{left}"
    if not (folder / "model/manifest.json").exists():
        pairs = [pair for place, pair in enumerate(zip(options.data, options.weights, strict=True)) if place != left]
        spaces = [mien.open_dataset(data).space.name for data, _ in pairs]
        pairs.insert(0, pairs.pop(spaces.index(mien.open_dataset(options.data[0]).space.name)))
        weights = [weight / pairs[0][1] for _, weight in pairs[1:]]
        settings = [f"train.mix_weight={json.dumps(weights)}", *options.settings]
        mien.train(options.recipe, [data for data, _ in pairs], folder, settings=settings, report=False)
    return folder


def measured(model: Path | str, data: str) -> dict[str, Any]:
    """Macro-F1, share of strongest labels that are right, calibration error."""
    report = mien.evaluate(mien.load(model), data, labels=SPACE)
    figures = report.restricted or report.figures
    top = figures["top1"] if "top1" in figures else figures["accuracy"]
    return {"macro_f1": figures["macro_f1"], "top1": top, "ece": report.figures["calibration"]["ece"]}


if __name__ == "__main__":
    main()
