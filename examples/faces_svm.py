"""A support vector machine on the features of the face model, tuned with scikit-learn's own grid search.

    python examples/faces_svm.py                       # on small faces that it draws itself
    python examples/faces_svm.py pictures/ --out my.joblib

The folder has a folder for each label, of ready crops: each picture one face, cut as in FER2013 (the head fills it).
Needs the extra "train" (docs/install.md).
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from PIL import Image, ImageDraw
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

import mien

MOUTHS = {"happy": (0, 180), "sad": (180, 360), "surprise": (0, 360)}  # the part of an ellipse that is drawn


def drawn_face(label: str, random: np.random.Generator) -> np.ndarray:
    """A face of a few strokes, uint8 (48, 48) gray, each a little different."""
    picture = Image.new("L", (192, 192), int(random.integers(90, 160)))
    draw = ImageDraw.Draw(picture)
    x, y = (2 * random.integers(-5, 6, 2)).tolist()
    draw.ellipse((24 + x, 8 + y, 168 + x, 184 + y), fill=int(random.integers(180, 230)))
    for eye in (66, 126):
        draw.circle((eye + x, 76 + y), 10, fill=40)
    start, end = MOUTHS[label]
    down = (152 if label == "sad" else 132) + y
    wide, high = (16, 20) if label == "surprise" else (int(random.integers(24, 38)), int(random.integers(10, 20)))
    draw.arc((96 + x - wide, down - high, 96 + x + wide, down + high), start, end, fill=60, width=6)
    noisy = np.asarray(picture.reduce(4)) + random.normal(0, 4, (48, 48))
    return np.clip(noisy, 0, 255).astype(np.uint8)


def faces(folder: str | None, each: int) -> tuple[list[Any], list[str]]:
    """Pictures, as paths or pixels, and their labels."""
    if folder:
        data = mien.open_dataset(f"images:{folder}")
        return list(data.inputs), [data.space.names[target] for target in data.targets]
    random = np.random.default_rng(0)
    labels = [label for label in MOUTHS for _ in range(each)]
    return [drawn_face(label, random) for label in labels], labels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", help="a folder with a folder of pictures for each label")
    parser.add_argument("--model", default="face", help="a shipped face model's name, or a model or run folder")
    parser.add_argument("--each", type=int, default=60, help="how many faces of each label to draw, without a folder")
    parser.add_argument("--out", type=Path, help="the joblib file to write")
    options = parser.parse_args()

    pictures, labels = faces(options.folder, options.each)
    learn, held, learn_labels, held_labels = train_test_split(
        pictures, labels, test_size=0.25, stratify=labels, random_state=0
    )
    with tempfile.TemporaryDirectory() as cache:
        # With a memory the features are computed once for each fold, not again for each setting that is tried.
        steps = (mien.Embedder(options.model), StandardScaler(), SVC(class_weight="balanced"))
        grid = {"svc__C": [0.3, 1, 3, 10], "svc__gamma": ["scale", 0.001]}
        search = GridSearchCV(make_pipeline(*steps, memory=cache), grid, cv=4)
        search.fit(learn, learn_labels)
    best = search.best_estimator_.set_params(memory=None)
    print(f"{len(learn)} pictures to learn from; best settings: {search.best_params_}")
    print(f"right in cross-validation: {search.best_score_:.1%}")
    print(f"right on {len(held)} pictures held back: {best.score(held, held_labels):.1%}")
    if options.out:
        joblib.dump(best, options.out)
        print(f"wrote {options.out}: a joblib file runs code when it is loaded, so load none from strangers")


if __name__ == "__main__":
    main()
