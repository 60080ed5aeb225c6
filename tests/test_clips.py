"""Clips are read frame by frame, with right times, however they are stored; PyAV is the second opinion."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import tracemalloc
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from conftest import cli_env
from filmed import corner, number_in, numbered, read, times_in, write_clip
from mien.errors import InputError
from mien.media.clips import CLIP_SUFFIXES, ClipReader, is_clip

#: Irregular, with a long stillness, two frames close together and a gap at the end.
SWITCHES = [0, 0.04, 0.08, 0.5, 0.52, 1.0, 1.9, 2.0, 2.01, 3.5]


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("a.mp4", {}),
        ("b.mp4", {"b_frames": 2, "options": {"preset": "medium"}}),
        ("sound.mp4", {"audio": True}),
        ("hevc.mp4", {"codec": "libx265"}),
        ("late.mp4", {"times": [5 + number / 25 for number in range(30)]}),
        ("a.mov", {}),
        ("a.mkv", {}),
        ("a.webm", {"codec": "libvpx-vp9"}),
        ("mjpeg.avi", {"codec": "mjpeg"}),
        ("xvid.avi", {"codec": "mpeg4", "b_frames": 2}),  # knows no times, only an order
        ("a.wmv", {"codec": "wmv2"}),
        ("a.flv", {"codec": "flv"}),
        ("a.mpg", {"codec": "mpeg2video", "b_frames": 2}),
        ("a.ts", {"container": "mpegts"}),
    ],
)
def test_every_container_gives_all_frames_at_their_times(tmp_path: Path, name: str, how: dict[str, object]) -> None:
    path = write_clip(tmp_path / name, numbered(30), **how)  # type: ignore[arg-type]
    shown, times, clip = read(path)
    assert shown == list(range(30))
    assert times == pytest.approx([number / 25 for number in range(30)], abs=0.0015)
    assert times == pytest.approx(times_in(path), abs=0.0015)
    assert (clip.info.width, clip.info.height, clip.info.frames) == (64, 48, 30)
    assert clip.info.rate == pytest.approx(25, rel=0.05)
    assert clip.info.duration == pytest.approx(1.2, abs=0.05)
    assert (clip.decoded, clip.skipped, clip.problem) == (30, 0, None)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
@pytest.mark.parametrize("b_frames", [0, 2])
def test_a_variable_rate_keeps_its_own_clock(tmp_path: Path, name: str, b_frames: int) -> None:
    how = {"b_frames": b_frames, "options": {"preset": "medium"}} if b_frames else {}
    path = write_clip(tmp_path / name, numbered(10), times=SWITCHES, **how)  # type: ignore[arg-type]
    shown, times, clip = read(path)
    assert shown == list(range(10))
    assert times == pytest.approx(SWITCHES, abs=0.0015)
    assert times == pytest.approx(times_in(path), abs=0.0015)
    assert (clip.skipped, clip.problem) == (0, None)


def test_times_of_a_sampled_clip_are_those_of_its_switches(tmp_path: Path) -> None:
    # The first frames at or after 0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5 seconds, none twice.
    path = write_clip(tmp_path / "a.mp4", numbered(10), times=SWITCHES)
    shown, times, _ = read(path, fps=2)
    assert shown == [0, 3, 5, 6, 7, 9]
    assert times == pytest.approx([0, 0.5, 1.0, 1.9, 2.0, 3.5], abs=0.0015)


@pytest.mark.parametrize(
    ("rate", "fps", "expected"),
    [
        (25, 5, list(range(0, 30, 5))),
        (25, 10, [0, 3, 5, 8, 10, 13, 15, 18, 20, 23, 25, 28]),
        (25, 25, list(range(30))),
        (25, 100, list(range(30))),
        (25, 0.1, [0]),
        (30, 15, list(range(0, 30, 2))),  # in Matroska 1/15 s is 67 ms, 2/15 s 133: early by a third of one
        (30000 / 1001, 10, [0, 3, 6, 9, 12, 15, 18, 21, 24, 27]),
    ],
)
def test_so_many_frames_a_second(tmp_path: Path, rate: float, fps: float, expected: list[int]) -> None:
    for name in ("a.mp4", "a.mkv"):
        path = write_clip(tmp_path / name, numbered(30), fps=rate, codec="mpeg4" if name == "a.mp4" else "libx264")
        shown, times, clip = read(path, fps=fps)
        assert shown == expected
        assert times == pytest.approx([number / rate for number in expected], abs=0.0015)
        assert clip.decoded == 30


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        (1, [15]),
        (2, [7, 22]),
        (3, [5, 15, 25]),
        (10, list(range(1, 30, 3))),
        (29, [*range(14), *range(15, 30)]),
        (30, list(range(30))),
        (99, list(range(30))),
    ],
)
def test_so_many_frames_spread_evenly(tmp_path: Path, frames: int, expected: list[int]) -> None:
    shown, _, _ = read(write_clip(tmp_path / "a.mp4", numbered(30)), frames=frames)
    assert shown == expected
    gaps = {later - number for number, later in pairwise(shown)}
    assert max(gaps, default=1) - min(gaps, default=1) <= 1


def with_stated_length(path: Path, frames: int) -> Path:
    """An AVI whose headers say that it has so many frames."""
    data = bytearray(path.read_bytes())
    for tag, behind in ((b"avih", 24), (b"strh", 40)):
        place = data.find(tag) + behind
        data[place : place + 4] = struct.pack("<I", frames)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("stated", [0, 7, 500])
def test_frames_where_the_stated_count_is_wrong(tmp_path: Path, stated: int) -> None:
    path = with_stated_length(write_clip(tmp_path / "a.avi", numbered(30), codec="mpeg4"), stated)
    assert cv2.VideoCapture(str(path)).get(cv2.CAP_PROP_FRAME_COUNT) == stated
    assert read(path, frames=3)[0] == [5, 15, 25]
    assert read(path)[2].info.frames == 30


def test_frames_where_no_count_is_stated(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "live.mkv", numbered(30), muxer={"live": "1"})
    assert cv2.VideoCapture(str(path)).get(cv2.CAP_PROP_FRAME_COUNT) < 0
    shown, _, clip = read(path, frames=3)
    assert shown == [5, 15, 25]
    assert clip.problem is None
    fragments = write_clip(tmp_path / "a.mp4", numbered(30), muxer={"movflags": "frag_keyframe+empty_moov"})
    assert read(fragments, frames=3)[0] == [5, 15, 25]


def test_what_was_trimmed_away_without_a_new_encoding_is_not_shown(tmp_path: Path) -> None:
    # Frames before time 0 are in the file, and an edit list says that they are not to be shown.
    for b_frames in (0, 2):
        how = {"b_frames": b_frames, "options": {"preset": "medium"}} if b_frames else {}
        times = [(number - 10) / 25 for number in range(30)]
        path = write_clip(tmp_path / f"{b_frames}.mp4", numbered(30), times=times, **how)  # type: ignore[arg-type]
        with ClipReader(path) as clip:
            frames = list(clip)
        assert [number_in(frame.picture) for frame in frames] == list(range(10, 30))
        assert [frame.number for frame in frames] == list(range(20))
        assert [frame.time for frame in frames] == pytest.approx(times_in(path), abs=0.0015)
        assert clip.info.duration == pytest.approx(0.8, abs=0.01)
        assert (clip.decoded, clip.skipped, clip.problem) == (20, 0, None)
        with ClipReader(path, frames=4) as clip:
            assert [frame.number for frame in clip] == [2, 7, 12, 17]


@pytest.mark.parametrize(
    ("rotation", "place", "shape"),
    [
        (0, "top left", (48, 64)),
        (90, "top right", (64, 48)),
        (180, "bottom right", (48, 64)),
        (270, "bottom left", (64, 48)),
    ],
)
def test_frames_are_turned_as_the_clip_says(tmp_path: Path, rotation: int, place: str, shape: tuple[int, int]) -> None:
    path = write_clip(tmp_path / "a.mp4", numbered(3), rotation=rotation)
    with ClipReader(path) as clip:
        assert (clip.info.height, clip.info.width) == shape
        for frame in clip:
            assert frame.picture.shape == (*shape, 3)
            assert corner(frame.picture) == place


def test_colors_are_red_green_blue(tmp_path: Path) -> None:
    colors = [(250, 20, 20), (20, 250, 20), (20, 20, 250)]
    path = write_clip(tmp_path / "a.mp4", [np.full((48, 64, 3), color, np.uint8) for color in colors])
    with ClipReader(path) as clip:
        for frame, color in zip(clip, colors, strict=True):
            assert np.abs(frame.picture.mean(axis=(0, 1)) - color).max() < 12


def test_a_single_frame(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", numbered(1))
    for sampling in ({}, {"fps": 5}, {"frames": 4}):
        shown, times, clip = read(path, **sampling)
        assert (shown, times, clip.problem) == ([0], [0.0], None)
        assert clip.info.rate == 0
        assert 0 < clip.info.duration < 0.1


def test_the_name_does_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_clip(tmp_path / "a.avi", numbered(5), container="mp4")
    assert path.read_bytes()[4:8] == b"ftyp"
    assert read(path)[0] == list(range(5))
    monkeypatch.chdir(tmp_path)
    for name in ("concat:a|b.mp4", "http:clip.mp4", "%03d.mp4", "a b ü.mp4"):  # FFmpeg would open addresses and series
        path.rename(name)
        path = Path(name)
        assert read(path)[0] == list(range(5))


def test_an_animated_gif_is_a_clip_if_it_is_asked_for_as_one(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.gif", numbered(12), fps=10, codec="gif", pixels="rgb8")
    shown, times, clip = read(path)
    assert shown == list(range(12))
    assert times == pytest.approx([number / 10 for number in range(12)], abs=0.0015)
    assert (clip.info.frames, clip.skipped, clip.problem) == (12, 0, None)
    assert read(path, fps=5)[0] == [0, 2, 4, 6, 8, 10]
    assert not is_clip(path)


def test_a_reader_that_was_read_or_closed_gives_no_more(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", numbered(5))
    clip = ClipReader(str(path))
    assert next(clip).number == 0
    assert [frame.number for frame in clip] == [1, 2, 3, 4]
    assert list(clip) == []
    with ClipReader(path) as clip:
        next(clip)
    assert list(clip) == []
    assert clip.problem is None


def test_names_of_clips() -> None:
    assert is_clip("a.MP4")
    assert is_clip(Path("x/y.webm"))
    assert not any(is_clip(name) for name in ("a.gif", "mp4", "a.mp4.txt", "a.jpg", "a.m4a"))
    from mien.media.images import PICTURE_SUFFIXES

    assert not set(CLIP_SUFFIXES) & set(PICTURE_SUFFIXES)


# --- animated WebP ---


def webp(path: Path, shades: tuple[int, ...], durations: list[int]) -> Path:
    """Frames of one shade each, shown for so many milliseconds."""
    first, *rest = [Image.new("RGB", (32, 24), (shade,) * 3) for shade in shades]
    first.save(path, save_all=True, append_images=rest, duration=durations, lossless=True, minimize_size=False)
    return path


def test_an_animated_webp_has_the_times_of_its_frames(tmp_path: Path) -> None:
    path = webp(tmp_path / "a.webp", (10, 90, 170, 250), [100, 400, 250, 100])
    with ClipReader(path) as clip:
        seen = [(frame.time, int(frame.picture[0, 0, 0])) for frame in clip]
    assert [time for time, _ in seen] == pytest.approx([0, 0.1, 0.5, 0.75])
    np.testing.assert_allclose([shade for _, shade in seen], (10, 90, 170, 250), atol=1)
    assert (clip.info.width, clip.info.height, clip.info.frames, clip.problem) == (32, 24, 4, None)
    assert [frame.number for frame in ClipReader(path, frames=2)] == [1, 3]
    assert [frame.number for frame in ClipReader(path, fps=2)] == [0, 2]


def test_a_webp_that_is_cut_off_or_stands_still(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = webp(tmp_path / "a.webp", (10, 90, 170, 250), [100] * 4)
    (tmp_path / "cut.webp").write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match="no frames that can be read"):
        ClipReader(tmp_path / "cut.webp")
    Image.new("RGB", (32, 24)).save(tmp_path / "still.webp")
    with pytest.raises(InputError, match="is a picture, not a clip"):
        ClipReader(tmp_path / "still.webp")
    monkeypatch.setenv("MIEN_MAX_PIXELS", "767")
    with pytest.raises(InputError, match="32 x 24 pixels"):
        ClipReader(path)


# --- size ---


def test_a_large_clip_takes_little_memory(tmp_path: Path) -> None:
    """16 frames of 3840 x 2160 are 400 MB; what the reader holds is a few of them."""

    def frames() -> object:
        picture = np.zeros((2160, 3840, 3), np.uint8)
        for number in range(16):
            picture[:, 96 * number : 96 * (number + 1)] = 255
            yield picture

    path = write_clip(tmp_path / "a.mp4", frames())  # type: ignore[arg-type]
    program = """
import resource, sys
import cv2, onnxruntime
from mien.media.clips import ClipReader
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with ClipReader(sys.argv[1], threads=2) as clip:
    assert (clip.info.width, clip.info.height) == (3840, 2160)
    assert sum(frame.picture[0, 0, 0] > 128 for frame in clip) == 16
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    command = [sys.executable, "-c", program, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, env=cli_env(), timeout=120, check=True)
    assert int(done.stdout) < 250_000  # kB


def test_frames_that_are_not_wanted_are_not_converted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    converted: list[int] = []
    picture = ClipReader._picture
    monkeypatch.setattr(
        ClipReader, "_picture", lambda self, frame: (converted.append(self._number), picture(self, frame))[1]
    )
    path = write_clip(tmp_path / "a.mp4", numbered(30))
    assert read(path, fps=5)[0] == converted == list(range(0, 30, 5))
    converted.clear()
    assert read(path, frames=3)[0] == converted == [5, 15, 25]


def test_a_long_clip_is_not_kept(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", numbered(400, 256, 192))  # 59 MB of pixels
    tracemalloc.start()
    with ClipReader(path) as clip:
        assert sum(1 for _ in clip) == 400
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000


def test_pyav_is_loaded_only_to_read() -> None:
    code = "import sys, mien.media.clips, mien.modalities.video.aggregate; sys.exit('av' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], env=cli_env(), check=False).returncode == 0


@pytest.mark.skipif("MIEN_DATA" not in os.environ, reason="MIEN_DATA is not set")
def test_real_clips() -> None:
    """Films of cameras and editors, two of them trimmed by an edit list; PyAV is the reference."""
    root = Path(os.environ["MIEN_DATA"])
    files = sorted([*(root / "clips").iterdir(), *(root / "ravdess").glob("*.mp4")])
    assert files
    for file in files:
        with ClipReader(file) as clip:
            times = [frame.time for frame in clip]
        assert times == pytest.approx(times_in(file), abs=0.0015)
        assert (clip.decoded, clip.skipped, clip.problem) == (len(times), 0, None)
        assert clip.info.duration == pytest.approx(times[-1], abs=0.1)
        with ClipReader(file, frames=7) as clip:
            assert [frame.number for frame in clip] == [(2 * part + 1) * len(times) // 14 for part in range(7)]


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="file names are text there")
def test_a_name_that_is_not_utf_8_does_not_crash_the_decoder(tmp_path: Path) -> None:
    named = os.fsencode(tmp_path) + b"/caf\xe9.mp4"
    os.rename(write_clip(tmp_path / "a.mp4", numbered(5)), named)
    program = "import sys; from mien.media.clips import ClipReader; print(len(list(ClipReader(sys.argv[1]))))"
    command = [sys.executable, "-c", program, named]
    done = subprocess.run(command, capture_output=True, text=True, env=cli_env(), timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "5\n"), done.stderr
