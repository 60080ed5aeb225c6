"""Clips that are cut off, damaged or none: what can be read is given, the rest said in one line."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import cli_env
from filmed import damaged, fast_start, noisy, number_in, numbered, read, times_in, write_clip, write_sound
from mien.errors import InputError
from mien.media.clips import ClipReader


def stating(path: Path, *boxes: bytes) -> Path:
    """The clip with 2,147,483,647 ticks as the length that those boxes of its header state."""
    data = bytearray(path.read_bytes())
    for box in boxes:
        place = {b"mvhd": 16, b"mdhd": 16, b"tkhd": 20, b"elst": 8}[box] + 4 + data.index(box)
        data[place : place + 4] = (2**31 - 1).to_bytes(4, "big")
    path.write_bytes(data)
    return path


def test_a_header_that_states_weeks_is_not_believed(tmp_path: Path) -> None:
    path = stating(write_clip(tmp_path / "a.mp4", numbered(20), fps=10), b"mvhd", b"tkhd", b"elst")
    with ClipReader(path) as clip:
        assert clip.info.duration == pytest.approx(2.0)
        assert len(list(clip)) == 20
        assert (clip.skipped, clip.problem) == (0, None)
    still = stating(write_clip(tmp_path / "b.mp4", numbered(2), times=[0, 1800], fps=10), b"mvhd", b"tkhd", b"elst")
    with ClipReader(still) as clip:
        assert 1800 < clip.info.duration < 3700, "as far as its frames go"


def test_a_header_cannot_state_more_lost_frames_than_the_file_has_room_for(tmp_path: Path) -> None:
    fragments = {"movflags": "frag_keyframe+empty_moov"}  # which have no count of their own
    path = stating(write_clip(tmp_path / "a.mp4", numbered(20), fps=10, muxer=fragments), b"mvhd", b"mdhd", b"tkhd")
    with ClipReader(path) as clip:
        assert len(list(clip)) == 20
        assert clip.info.frames < path.stat().st_size / 8 + 20, "and not hundreds of thousands"


def test_bytes_behind_the_last_box_are_passed_over(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", numbered(5))
    path.write_bytes(path.read_bytes() + b"\0\0\0\1\0\0\0\0\0")  # as a box of 64 bits would begin
    shown, _, clip = read(path)
    assert shown == list(range(5))
    assert clip.problem is None


def test_cut_off(tmp_path: Path) -> None:
    path = fast_start(tmp_path / "a.mp4", frames=noisy(100))
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    shown, times, clip = read(path)
    assert shown == list(range(len(shown)))
    assert 50 < len(shown) < 70
    assert times == pytest.approx([number / 25 for number in shown])
    assert clip.problem == f"cut off after {len(shown) / 25:.1f} s"
    assert clip.info.duration == pytest.approx(len(shown) / 25, abs=0.05)
    few, _, clip = read(path, frames=5)
    assert few == [(2 * part + 1) * len(shown) // 10 for part in range(5)]
    assert clip.problem is not None


@pytest.mark.parametrize(
    ("name", "how"), [("a.avi", {"codec": "mjpeg"}), ("a.mkv", {}), ("a.webm", {"codec": "libvpx-vp9"})]
)
def test_cut_off_in_other_containers(tmp_path: Path, name: str, how: dict[str, str]) -> None:
    path = write_clip(tmp_path / name, noisy(50), **how)  # type: ignore[arg-type]
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    with ClipReader(path) as clip:
        times = [frame.time for frame in clip]
    assert 20 < len(times) < 40
    assert clip.problem == f"cut off after {times[-1] + 0.04:.1f} s"


def test_cut_off_while_it_was_written(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", noisy(20))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    refused(path, "was not written to its end")


@pytest.mark.parametrize("b_frames", [0, 2])
@pytest.mark.parametrize("times", [None, [number / 25 + 0.3 * (number // 7) for number in range(60)]])
def test_damaged_frames_are_left_out_and_later_ones_keep_their_times(
    tmp_path: Path, times: list[float] | None, b_frames: int
) -> None:
    how = {"b_frames": b_frames, "options": {"preset": "medium"}} if b_frames else {}
    path = write_clip(tmp_path / "a.mp4", noisy(60), times=times, key_every=6, **how)  # type: ignore[arg-type]
    due = times_in(path)
    damaged(path, 20, 29, 60)
    with ClipReader(path) as clip:
        frames = list(clip)
    good = [frame for frame in frames if not 17 <= frame.number <= 37]  # around it the decoder mends what it can
    assert [number_in(frame.picture) for frame in good] == [frame.number for frame in good]
    assert [frame.number for frame in good] == [*range(17), *range(38, 60)]
    assert [frame.time for frame in good] == pytest.approx([due[frame.number] for frame in good], abs=0.0015)
    assert clip.decoded == len(frames)
    assert clip.skipped == 60 - len(frames)
    assert clip.skipped > 3
    assert clip.problem is None


def test_damage_at_the_end(tmp_path: Path) -> None:
    path = damaged(write_clip(tmp_path / "a.mp4", noisy(60), key_every=6), 45, 59, 60)
    with ClipReader(path) as clip:
        last = list(clip)[-1]
    assert 40 < last.number < 50
    assert clip.problem == f"cannot be decoded after {last.time + 0.04:.1f} s"
    assert clip.decoded + clip.skipped == 60


def test_frames_of_a_damaged_clip(tmp_path: Path) -> None:
    path = damaged(write_clip(tmp_path / "a.mp4", noisy(60), key_every=6), 20, 29, 60)
    with ClipReader(path, frames=6) as clip:
        numbers = [frame.number for frame in clip]
    assert {5, 15, 45, 55} <= set(numbers)  # those at 25 and 35 may be later ones
    assert numbers == sorted(set(numbers))


# --- what is no clip ---


def refused(path: Path, words: str, **sampling: object) -> None:
    with pytest.raises(InputError) as caught:
        ClipReader(path, **sampling)  # type: ignore[arg-type]
    message = str(caught.value)
    assert words in message
    assert str(path) in message or sampling
    assert "\n" not in message


def test_what_is_no_clip(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    refused(path, "there is no file")
    refused(tmp_path, "is a folder")
    path.write_bytes(b"")
    refused(path, "is empty")
    path.write_text("no clip at all\n" * 100)
    refused(path, "is no clip of the kinds that are read: MP4")
    path.write_text("#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n")  # FFmpeg would read the files a playlist names
    refused(path, "is no clip")
    assert cv2.imwrite(str(tmp_path / "a.png"), np.zeros((4, 4, 3), np.uint8))
    refused(tmp_path / "a.png", "is a picture, not a clip")
    gif = write_clip(tmp_path / "a.gif", numbered(1), codec="gif", pixels="rgb8")
    refused(gif, "is a picture, not a clip")


@pytest.mark.parametrize(
    "head", [b"\0\0\0\x14ftypmp42\0\0\0\0mp42", b"RIFF\0\0\1\0AVI LIST", b"\x1a\x45\xdf\xa3", b"FLV\1"]
)
def test_a_beginning_alone(tmp_path: Path, head: bytes) -> None:
    path = tmp_path / "a.mp4"
    for end in (len(head), len(head) - 1, 5):
        path.write_bytes(head[:end])
        refused(path, "a.mp4")
        path.write_bytes(head[:end] + bytes(1000))
        refused(path, "a.mp4")


_BEGINNINGS = [
    *(b"\0\0\0\x14ftypmp42\0\0\0\0mp42", b"\0\0\0\x40moov\0\0\0\x38trak\0\0\0\x10tkhd", b"\0\0\0\1mdat"),
    *(b"RIFF\0\0\1\0AVI LIST", b"\x1a\x45\xdf\xa3\x81\0\x18\x53\x80\x67", b"G" + bytes(187) + b"G", b""),
]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(_BEGINNINGS), st.binary(max_size=200), st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, head: bytes, first: bytes, then: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "bytes.mp4"
    for data in (head + first + then, first + head + then):
        path.write_bytes(data)
        with suppress(InputError), ClipReader(path) as clip:
            assert clip.info.duration > 0


def test_sound_alone(tmp_path: Path) -> None:
    refused(write_sound(tmp_path / "a.mp4"), "holds no pictures, only sound")
    refused(write_sound(tmp_path / "a.mkv"), "holds no pictures, only sound")


def test_no_frames(tmp_path: Path) -> None:
    empty = write_clip(tmp_path / "a.avi", [], codec="mjpeg")
    refused(empty, "")
    path = write_clip(tmp_path / "a.mp4", noisy(30))
    refused(damaged(path, 0, 29, 30), "has no frames that can be read")


def test_more_pixels_than_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_clip(tmp_path / "a.mp4", numbered(3))
    monkeypatch.setenv("MIEN_MAX_PIXELS", str(64 * 48))
    assert read(path)[0] == [0, 1, 2]
    monkeypatch.setenv("MIEN_MAX_PIXELS", str(64 * 48 - 1))
    refused(path, "64 x 48 pixels; at most 3071 are read (MIEN_MAX_PIXELS")


@pytest.mark.parametrize(
    ("sampling", "words"),
    [
        ({"fps": 0}, "fps must be above 0, not 0"),
        ({"fps": -1.0}, "fps must be above 0"),
        ({"fps": float("nan")}, "fps must be above 0"),
        ({"fps": float("inf")}, "fps must be above 0"),
        ({"fps": "5"}, "fps must be above 0, not '5'"),
        ({"frames": 0}, "frames must be above 0, not 0"),
        ({"frames": 2.5}, "frames must be above 0, not 2.5, and a whole number"),
        ({"fps": 5, "frames": 5}, "give one of them"),
    ],
)
def test_sampling_that_means_nothing(tmp_path: Path, sampling: dict[str, Any], words: str) -> None:
    refused(write_clip(tmp_path / "a.mp4", numbered(3)), words, **sampling)


def test_nothing_is_printed(tmp_path: Path) -> None:
    """Not by FFmpeg, nor by OpenCV, whatever is wrong; and what the environment said stays as it was."""
    paths = {
        "good": write_clip(tmp_path / "good.mp4", numbered(5)),
        "hurt": damaged(write_clip(tmp_path / "hurt.mp4", noisy(60)), 20, 29, 60),
        "cut": fast_start(tmp_path / "cut.mp4", frames=noisy(60)),
        "sound": write_sound(tmp_path / "sound.mkv"),
        "mjpeg": write_clip(tmp_path / "mjpeg.avi", noisy(30), codec="mjpeg"),
    }
    paths["cut"].write_bytes(paths["cut"].read_bytes()[:5000])
    data = paths["mjpeg"].read_bytes()
    paths["mjpeg"].write_bytes(data[: len(data) // 3] + bytes(3000) + data[len(data) // 3 + 3000 :])
    program = """
import json, os, sys
from mien.media.clips import ClipReader
from mien.errors import InputError
found = {}
for path in sys.argv[1:]:
    try:
        with ClipReader(path) as clip:
            found[path] = len(list(clip))
    except InputError as error:
        found[path] = str(error)
print(json.dumps([found, os.environ.get("OPENCV_FFMPEG_LOGLEVEL")]))
"""
    command = [sys.executable, "-c", program, *map(str, paths.values())]
    done = subprocess.run(command, capture_output=True, text=True, env=cli_env(), timeout=60, check=False)
    assert done.stderr == ""
    found, level = json.loads(done.stdout)
    assert level is None
    assert found[str(paths["good"])] == 5
    assert 40 < found[str(paths["hurt"])] < 60
    assert found[str(paths["cut"])] > 0
    assert 20 < found[str(paths["mjpeg"])] < 30
    assert "only sound" in found[str(paths["sound"])]
