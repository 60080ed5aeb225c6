"""How fast a clip is read, and how much memory a long one takes.

    python benchmarks/video_speed.py [--clip talk.mp4] [--minutes 30] [--model video]

Without --clip, a minute of a drawn face is encoded: H.264, 1280 x 720, 25 frames a second. The long clip is the short
one over and over, copied without being encoded anew. PyAV writes both: the extra "dev".
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

#: In a process of its own: what its child, the command given, took at its peak, in kilobytes.
PEAK = """import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"""


def drawn(path: Path, seconds: int, rate: int = 25) -> Path:
    """A drawn face that sways before a rough wall."""
    import av

    from mien.cli.bench import swaying

    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=Fraction(rate))
        stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv420p"
        for picture in swaying(seconds * rate, rate, 1280, 720):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(stream.encode(None))
    return path


def repeated(clip: Path, path: Path, seconds: float) -> Path:
    """The pictures of a clip over and over, for so many seconds."""
    import av

    with av.open(str(path), "w") as out:
        written: Any = None
        start = Fraction(0)
        while start < seconds:
            with av.open(str(clip)) as source:
                stream = source.streams.video[0]
                if written is None:
                    written = out.add_stream_from_template(stream)
                base, end = stream.time_base, Fraction(0)
                for packet in source.demux(stream):
                    if packet.dts is None:
                        continue
                    end = max(end, (packet.pts + (packet.duration or 0)) * base)
                    packet.pts, packet.dts = packet.pts + round(start / base), packet.dts + round(start / base)
                    packet.stream = written
                    out.mux(packet)
            start += end
    return path


def peak(clip: Path, model: str) -> float:
    """Megabytes that `mien predict` takes on a clip, at most."""
    command = [sys.executable, "-m", "mien.cli", "predict", str(clip), "--model", model, "--json"]
    done = subprocess.run([sys.executable, "-c", PEAK, *command], capture_output=True, text=True, check=True)
    return int(done.stdout) / (1024 if sys.platform == "linux" else 1024**2)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clip", type=Path)
    parser.add_argument("--model", default="video")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args()

    import mien
    from mien.modalities.video.predictor import VideoPredictor
    from mien.runtime import usable_threads

    model = mien.load(options.model)
    if not isinstance(model, VideoPredictor):
        sys.exit(f"{options.model} reads {model.manifest.modality}, not clips")
    with tempfile.TemporaryDirectory() as folder:
        first = options.clip or drawn(Path(folder, "drawn.mp4"), 60)
        minute = repeated(first, Path(folder, "minute.mp4"), 60)
        seconds = []
        for _ in range(options.runs):
            start = time.perf_counter()
            result = model.predict(minute)
            seconds.append(time.perf_counter() - start)
        assert result.clip is not None
        length = result.clip.duration or 0.0
        times = length / statistics.median(seconds)
        print(f"{length:.0f} s, {result.clip.width} x {result.clip.height}, {len(result.timeline):,} faces in "
              f"{result.clip.frames:,} frames, {usable_threads()} threads")  # fmt: skip
        print(f"read in {statistics.median(seconds):.2f} s (fastest {min(seconds):.2f}): {times:.1f} x real time")
        long = repeated(minute, Path(folder, "long.mp4"), 60 * options.minutes)
        short_mb, long_mb = peak(minute, options.model), peak(long, options.model)
    print(f"peak memory: {short_mb:.0f} MB for {length / 60:.0f} min, {long_mb:.0f} MB for {options.minutes:.0f} min "
          f"({long_mb / short_mb - 1:+.1%})")  # fmt: skip
    if options.json:
        figures = {"times_real_time": times, "seconds": seconds, "peak_mb": [short_mb, long_mb]}
        options.json.write_text(json.dumps(figures, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
