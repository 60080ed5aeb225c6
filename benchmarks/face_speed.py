"""How fast faces are found and read, beside the package `fer` in the same run.

    python benchmarks/face_speed.py [--photo astronaut.png] [--fer-python OTHER/bin/python] [--model face]

The photograph is scikit-image's astronaut (512 x 512) where scikit-image is installed. `fer` needs TensorFlow: give the
interpreter of an environment that has it; without, it is left out, and said.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

FER = """
import json, sys, time
import cv2
from fer.fer import FER
picture, runs = cv2.imread(sys.argv[1]), int(sys.argv[2])
start = time.perf_counter(); detector = FER(mtcnn=False); load = time.perf_counter() - start
found, seconds = detector.detect_emotions(picture), []
for _ in range(runs):
    start = time.perf_counter(); detector.detect_emotions(picture); seconds.append(time.perf_counter() - start)
print("RESULT" + json.dumps({"load_s": load, "seconds": seconds, "faces": len(found)}))
"""


def photograph(path: str | None) -> Any:
    """The picture as uint8 (height, width, 3) RGB."""
    from mien.media.images import read_picture

    if path:
        return read_picture(path)
    try:
        from skimage import data
    except ImportError:
        sys.exit("scikit-image is not installed: give a photograph with --photo")
    return data.astronaut()


def timed(call: Any, runs: int) -> list[float]:
    """Seconds of each of so many calls, after three that do not count."""
    for _ in range(3):
        call()
    seconds = []
    for _ in range(runs):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return seconds


def told(name: str, seconds: list[float], what: str = "") -> None:
    """One line of figures."""
    best, middle = min(seconds) * 1e3, statistics.median(seconds) * 1e3
    print(f"{name:34} {middle:8.1f} ms   (fastest {best:.1f})  {what}")


def crowd(face: Any, across: int = 6, down: int = 5, side: int = 90) -> Any:
    """A picture of 24 megapixels with copies of a small picture of a face, uint8 (4000, 6000, 3) RGB."""
    import numpy as np

    from mien.media.pixels import resize

    picture, small = np.full((4000, 6000, 3), 140, np.uint8), resize(face, side, side)
    for row in range(down):
        for column in range(across):
            top, left = 4000 * row // down + 300, 6000 * column // across + 400
            picture[top : top + side, left : left + side] = small
    return picture


def compare_sizes(detector: Any, picture: Any, runs: int) -> None:
    """What looking at parts costs, and finds, beside looking at the whole alone: the photograph, and a crowd of it."""
    left, top, right, bottom = (round(edge) for edge in max(detector.find(picture), key=lambda face: face.area).box)
    face = picture[max(0, top - 20) : bottom + 20, max(0, left - 20) : right + 20]
    whole = detector.looking(far=0)
    for name, shown, times in (("the photograph", picture, runs), ("24 megapixels, 30 small faces", crowd(face), 3)):
        with_parts = statistics.median(timed(partial(detector.find, shown), times))
        alone = statistics.median(timed(partial(whole.find, shown), times))
        found = f"{len(detector.find(shown))} faces for {len(whole.find(shown))}"
        print(f"{name:34} {with_parts * 1e3:8.1f} ms   {with_parts / alone:.2f} of the time without parts, {found}")


def run_fer(python: str | None, path: Path, runs: int) -> dict[str, Any] | None:
    """What `fer` takes, in its own interpreter; None where it does not run."""
    done = subprocess.run(
        [python or sys.executable, "-c", FER, str(path), str(runs)], capture_output=True, text=True, check=False
    )
    line = next((line for line in done.stdout.splitlines() if line.startswith("RESULT")), None)
    if line is None:
        reason = (done.stderr.strip().splitlines() or ["no output"])[-1]
        print(f"fer left out ({reason}); --fer-python names an interpreter that has it")
        return None
    figures: dict[str, Any] = json.loads(line.removeprefix("RESULT"))
    return figures


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photo")
    parser.add_argument("--model", default="face")
    parser.add_argument("--fer-python")
    parser.add_argument("--runs", type=int, default=30)
    options = parser.parse_args()

    import cv2
    import numpy as np

    import mien
    from mien.modalities.face.predictor import FacePredictor

    picture = photograph(options.photo)
    model = mien.load(options.model)
    if not isinstance(model, FacePredictor):
        sys.exit(f"{options.model} reads {model.manifest.modality}, not faces")
    faces = len(model.predict(picture).items)
    print(f"{picture.shape[1]} x {picture.shape[0]} pixels, {faces} faces, detector {model.detector.kind}")
    both = timed(lambda: model.predict(picture), options.runs)
    told("mien: find + classify", both)
    told("mien: find alone", timed(lambda: model.detector.find(picture), options.runs))

    if faces:
        compare_sizes(model.detector, picture, options.runs)

    rng = np.random.default_rng(0)
    crops = list(rng.integers(0, 256, (64, 48, 48), np.uint8))
    batch = timed(lambda: model.predict_proba(crops), options.runs)
    told("mien: 64 ready crops", batch, f"{64 / statistics.median(batch):,.0f} crops/s")

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "photo.png")
        cv2.imwrite(str(path), picture[:, :, ::-1])
        command = [sys.executable, "-m", "mien.cli", "predict", str(path), "--model", options.model]
        cold = timed(lambda: subprocess.run(command, capture_output=True, check=True), 5)
        told("mien predict photo.png, cold", cold)
        figures = run_fer(options.fer_python, path, options.runs)
    if figures:
        told("fer: find + classify", figures["seconds"], f"{figures['faces']} faces, load {figures['load_s']:.1f} s")
        share = statistics.median(both) / statistics.median(figures["seconds"])
        print(f"mien takes {share:.2f} of fer's time")


if __name__ == "__main__":
    main()
