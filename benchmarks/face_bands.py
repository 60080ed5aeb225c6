"""How a model of faces holds on faces that are small, blurred or hidden: accuracy, calibration, share answered.

    python benchmarks/face_bands.py face --data fer2013:$MIEN_DATA/fer2013 [--split test]

Each ready crop of the split is spoiled in one way and read. ECE: the expected calibration error of the top score and
of the reliability (15 bins of equal width). Answered: share of the faces whose reliability is high enough to count.
"""

from __future__ import annotations

import argparse

import numpy as np

import mien
from mien.datasets.open import open_dataset
from mien.evaluation.metrics import calibration
from mien.media import pixels
from mien.media.images import read_picture
from mien.modalities.face.degrade import blur, compress, cover, shrink

BANDS = {
    "as it is": lambda face: face,
    **{f"{side} pixels": lambda face, side=side: shrink(face, side) for side in (32, 24, 16, 12)},
    "blurred": lambda face: blur(face, 0.04),
    "JPEG of quality 15": lambda face: compress(face, 15),
    "mouth covered": lambda face: cover(face, "mouth", 128),
    "eyes covered": lambda face: cover(face, "eyes", 30),
}


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--data", required=True)
    parser.add_argument("--split", default="test")
    asked = parser.parse_args()
    model, part = mien.load(asked.model), open_dataset(asked.data).part(asked.split)
    faces = [pixels.to_gray(read_picture(item)) for item in part.inputs]
    truth = np.asarray(part.targets)
    print("| faces | accuracy | ECE of the score | ECE of the reliability | answered | right of these |")
    print("|---|---|---|---|---|---|")
    for band, spoil in BANDS.items():
        read = [result.items[0] for result in model.predict_many(map(spoil, faces), crops=True)]
        right = np.array([part.space.names.index(one.label) for one in read]) == truth
        score = np.array([one.score for one in read])
        told = np.array([one.quality.reliability if one.quality else np.nan for one in read], float)
        sure = np.array([not one.unsure for one in read])
        figures = [right.mean(), ece(score, right), ece(told, right), sure.mean(), right[sure].mean()]
        print(f"| {band} | " + " | ".join(f"{figure:.3f}" for figure in figures) + " |", flush=True)


def ece(told: np.ndarray, right: np.ndarray) -> float:
    """The expected calibration error of probabilities that something is right; NaN where there are none."""
    return float("nan") if np.isnan(told).any() else float(calibration(told, right)["ece"])


if __name__ == "__main__":
    main()
