"""Clips whose few bytes state millions of frames or edits: refused, or read no longer than there is time."""

from __future__ import annotations

import math
import struct
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from filmed import noisy, write_clip
from mien.errors import InputError
from mien.media.clips import ClipReader, work_ends


def _box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", len(body) + 8, kind) + body


def _full(kind: bytes, *numbers: int) -> bytes:
    """A box of 32-bit numbers behind its version."""
    return _box(kind, bytes(4), struct.pack(f">{len(numbers)}I", *numbers))


def _mp4(tmp_path: Path, frames: int, data: int, *, edits: int = 0, handler: bytes = b"vide") -> Path:
    """Frames of one byte each, which is nothing that decodes."""
    good = write_clip(tmp_path / "good.mp4", noisy(1)).read_bytes()
    place = good.index(b"stsd") - 4
    described = good[place : place + int.from_bytes(good[place : place + 4], "big")]
    table = _box(
        b"stbl", described, _full(b"stts", 1, frames, 1), _full(b"stsc", 1, 1, frames, 1), _full(b"stsz", 1, frames),
        _full(b"stco", 1, 24),
    )  # fmt: skip
    source = _box(b"dinf", _box(b"dref", bytes(4), struct.pack(">I", 1), _box(b"url ", b"\0\0\0\1")))
    media = _box(
        b"mdia", _full(b"mdhd", 0, 0, 25, frames, 0), _box(b"hdlr", bytes(8), handler, bytes(13)),
        _box(b"minf", _full(b"vmhd", 0, 0), source, table),
    )  # fmt: skip
    edit = _box(b"edts", _full(b"elst", edits, *(frames, 0, 1 << 16) * edits)) if edits else b""
    track = _box(b"trak", _full(b"tkhd", 0, 0, 1, 0, frames, *[0] * 13, 64 << 16, 48 << 16), edit, media)
    movie = _full(b"mvhd", 0, 0, 25, frames, 1 << 16, 1 << 24, *[0] * 17, 2)
    path = tmp_path / "a.mp4"
    path.write_bytes(_box(b"ftyp", b"isom\0\0\0\0") + _box(b"mdat", bytes(data)) + _box(b"moov", movie, track))
    return path


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"frames": 2 * 10**7, "data": 10**7}, "20,000,000 frames"),
        ({"frames": 2 * 10**7, "data": 10**7, "handler": b"soun"}, "20,000,000 frames"),
        ({"frames": 100, "data": 100, "edits": 10**5}, "100,000 edits"),
    ],
)
def test_a_table_larger_than_any_honest_one_is_not_made(tmp_path: Path, how: dict[str, int], words: str) -> None:
    path = _mp4(tmp_path, **how)  # type: ignore[arg-type]
    if how.get("handler"):  # sound, but of samples that last two ticks each: a table of these is made
        data = path.read_bytes()
        path.write_bytes(data.replace(_full(b"stts", 1, 2 * 10**7, 1), _full(b"stts", 1, 2 * 10**7, 2)))
    with pytest.raises(InputError, match=words):
        ClipReader(path)


def test_sound_of_millions_of_samples_is_no_such_table(tmp_path: Path) -> None:
    path, rate = tmp_path / "a.mov", 192_000
    with av.open(str(path), "w") as out:
        stream, sound = out.add_stream("mpeg4", rate=1), out.add_stream("pcm_u8", rate=rate)
        stream.width = stream.height = 16
        for second in range(25):
            frame = av.VideoFrame.from_ndarray(np.full((16, 16, 3), 9 * second, np.uint8), format="rgb24")
            frame.pts, frame.time_base = second, Fraction(1)
            out.mux(stream.encode(frame))
            noise = av.AudioFrame.from_ndarray(np.zeros((1, rate), np.uint8), format="u8", layout="mono")
            noise.sample_rate, noise.pts, noise.time_base = rate, second * rate, Fraction(1, rate)
            out.mux(sound.encode(noise))
        out.mux(stream.encode(None))
        out.mux(sound.encode(None))
    assert struct.pack(">I", 25 * rate) in path.read_bytes()
    with ClipReader(path) as clip:
        assert len(list(clip)) == 25


def test_work_on_a_clip_ends_in_time(tmp_path: Path) -> None:
    path = _mp4(tmp_path, 300_000, 300_000)
    start = time.monotonic()
    token = work_ends.set(start + 1)
    try:
        with pytest.raises(InputError, match=r"than can be counted in the time there is|takes too long to decode"):
            ClipReader(path)
        assert time.monotonic() - start < 5
        work_ends.set(math.inf)
        good = write_clip(tmp_path / "b.mp4", noisy(30))
        with ClipReader(good) as clip:
            next(clip)
    finally:
        work_ends.reset(token)


def test_frames_behind_the_time_there_is_are_counted_as_left_out(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mkv", noisy(2000, 16, 16))
    token = work_ends.set(time.monotonic() + 3600)
    try:
        with ClipReader(path, threads=1) as clip:
            shown = [next(clip)]
            clip._ends = 0.0
            shown += clip
    finally:
        work_ends.reset(token)
    assert len(shown) + clip.skipped == 2000
    assert clip.skipped > 1000
    assert clip.problem == f"stopped after {shown[-1].time:.1f} s: it takes too long to decode"
