"""Two checkouts of mien side by side, in turn on the same machine: how long the new one takes, divided by the old one.

    python benchmarks/compare.py OLD NEW [--rounds 7] [--only texts,photo] [--cpu]

Each round runs every job once with each checkout, in a process of its own, in alternating order; the ratio is that of
the medians, and the range that of the rounds. Both need the detector in ``modalities/face/``, where
``pip install -e`` puts it. Peak memory is that of the process. With ``--cpu`` the time is the processor's, of all
threads: it stays much the same while the machine has other work.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

ASSETS = Path(__file__).parents[1] / "src" / "mien" / "assets"

#: job → what a process of its own does; ``work`` is timed after one warm-up run, and *repeat* times.
JOBS = {
    "texts": ('m = mien.load("text"); t = open("lines.txt").read().splitlines()', "list(m.predict_many(t))", 2),
    "texts-carer": (
        'm = mien.load("text-carer"); t = open("lines.txt").read().splitlines() * 2', "list(m.predict_many(t))", 2,
    ),
    "crops": (
        'm = mien.load("face"); x = list(np.random.default_rng(0).integers(0, 256, (512, 48, 48), dtype=np.uint8))',
        "list(m.predict_many(x, crops=True))", 2,
    ),
    "photo": ('m = mien.load("face")', 'm.predict("photo.jpg")', 30),
    "12-megapixels": ('m = mien.load("face")', 'm.predict("large.jpg")', 5),
    "clip": ('m = mien.load("video")', 'm.predict("clip.mp4")', 1),
    "scene": ('m = mien.load("scene")', 'm.predict("photo.jpg")', 20),
}  # fmt: skip
_TIMED = """
import sys, time
import numpy as np, mien
{setup}
{work}
start = time.{clock}()
for _ in range({repeat}):
    {work}
seconds = (time.{clock}() - start) / {repeat}
print(seconds, int(open("/proc/self/status").read().partition("VmHWM:")[2].split()[0]) / 1024)
"""
#: job → a whole process, timed by a small one that starts it.
COLD = {"import": ["-c", "import mien"], "cold": ["-m", "mien.cli", "predict", "i feel so loved today"]}
_COLD = """
import resource, subprocess, sys, time
start = time.perf_counter()
subprocess.run([sys.executable, *{command}], check=True, stdout=subprocess.DEVNULL)
seconds, used = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime if {cpu} else seconds, used.ru_maxrss / 1024)
"""


def write_inputs(folder: Path) -> None:
    """The inputs of the jobs: lines of several lengths, a drawn group at two sizes, and a clip of it that sways."""
    import av

    words = ["i", "feel", "so", "happy", "today", "because", "you", "came", "and", "we", "had", "a", "good", "time"]
    rng = np.random.default_rng(0)
    lines = (" ".join(rng.choice(words, rng.integers(4, 40))) for _ in range(1500))
    (folder / "lines.txt").write_text("\n".join(lines) + "\n")
    people = Image.open(ASSETS / "people.png").convert("RGB")
    people.crop((0, 0, 358, 358)).resize((512, 512)).save(folder / "photo.jpg", quality=92)
    people.resize((4000, 3000)).save(folder / "large.jpg", quality=92)
    wide = np.asarray(people.resize((1400, 720)))
    with av.open(str(folder / "clip.mp4"), "w") as out:
        stream = out.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv420p"
        for number in range(100):
            left = round(60 + 55 * np.sin(number / 12))
            picture = np.ascontiguousarray(wide[:, left : left + 1280])
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(stream.encode(None))


def run(checkout: Path, job: str, folder: Path, cpu: bool = False) -> tuple[float, float]:
    """Seconds, and peak memory in MB."""
    environment = os.environ | {"PYTHONPATH": str(checkout / "src")}
    if job in COLD:
        program = _COLD.format(command=COLD[job], cpu=cpu)
    else:
        setup, work, repeat = JOBS[job]
        clock = "process_time" if cpu else "perf_counter"
        program = _TIMED.format(setup=setup, work=work, repeat=repeat, clock=clock)
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, cwd=folder, check=True, capture_output=True, text=True,
    )  # fmt: skip
    seconds, peak = done.stdout.split()
    return float(seconds), float(peak)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=Path, help="a checkout")
    parser.add_argument("new", type=Path, help="another")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", default="", help="jobs, separated by commas")
    parser.add_argument("--cpu", action="store_true", help="time of the processor instead of the clock's")
    parser.add_argument("--json", type=Path, help="write all rounds to this file")
    options = parser.parse_args()
    jobs = [job for job in (*JOBS, *COLD) if not options.only or job in options.only.split(",")]
    found: dict[str, dict[str, list[tuple[float, float]]]] = {job: {"old": [], "new": []} for job in jobs}
    with tempfile.TemporaryDirectory() as folder:
        write_inputs(Path(folder))
        for number in range(options.rounds):
            for job in jobs:
                order = ("old", "new") if number % 2 else ("new", "old")
                for which in order:
                    checkout = (options.old if which == "old" else options.new).resolve()
                    found[job][which].append(run(checkout, job, Path(folder), options.cpu))
            print(f"round {number + 1} of {options.rounds}", file=sys.stderr, flush=True)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")
    heads = ("old ms", "new ms", "new/old")
    print(f"{'job':14} {heads[0]:>9} {heads[1]:>9} {heads[2]:>8} {'of rounds':>13} {'best':>6} {'MB':>7} {'':>7}")
    for job, both in found.items():
        old, new = ([seconds for seconds, _ in both[which]] for which in ("old", "new"))
        each = [b / a for a, b in zip(old, new, strict=True)]
        peaks = (max(peak for _, peak in both[which]) for which in ("old", "new"))
        a, b = statistics.median(old), statistics.median(new)
        print(
            f"{job:14} {a * 1e3:9.2f} {b * 1e3:9.2f} {b / a:8.2f} {min(each):6.2f}-{max(each):<6.2f}"
            f" {min(new) / min(old):6.2f} {next(peaks):7.0f} {next(peaks):7.0f}"
        )


if __name__ == "__main__":
    main()
