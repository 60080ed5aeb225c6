"""Clips that tests write, and PyAV as a second opinion on what is in them."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from mien.media.clips import ClipReader

_CLOCK = 90_000  # ticks a second: fine enough for any rate


def write_clip(
    path: Path,
    frames: Iterable[np.ndarray],
    *,
    fps: float = 25,
    times: Sequence[float] | None = None,
    codec: str = "libx264",
    rotation: int = 0,
    b_frames: int = 0,
    key_every: int = 12,
    audio: bool = False,
    container: str | None = None,
    pixels: str | None = None,
    options: dict[str, str] | None = None,
    muxer: dict[str, str] | None = None,
) -> Path:
    """A clip of given frames.

    Args:
        path: where to; its end chooses the container, unless `container` does.
        frames: uint8 (height, width, 3) RGB, all of one even size.
        fps: frames a second, where there are no `times`.
        times: of each frame in seconds, rising: a clip of variable rate.
        codec: "libx264", "libx265", "mpeg4", "mjpeg", "libvpx-vp9", "ffv1", …
        rotation: degrees clockwise by which a player turns the frames before it shows them: 0, 90, 180 or 270.
        b_frames: up to so many frames in a row may be stored out of the order in which they are shown.
        key_every: frames from one that is stored whole to the next.
        audio: with a tone beside the pictures.
        container: "mp4", "avi", "matroska", "webm", "mpegts", …, whatever the path's end.
        pixels: how colors are stored; by default "yuv420p", or "yuvj420p" for mjpeg.
        options: of the encoder.
        muxer: options of the container, such as {"live": "1"} for a Matroska that does not state its length.
    """
    rate = Fraction(fps).limit_denominator(1001)
    x26 = codec in ("libx264", "libx265")
    quick = {"preset": "ultrafast", "crf": "12"} if x26 else {}
    quiet = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    with av.open(str(path), "w", format=container, options=muxer or {}) as out:
        stream = out.add_stream(codec, rate=rate)
        stream.codec_context.thread_count = 2 if x26 else 3  # else as many as there are cores, and other bytes
        stream.pix_fmt = pixels or ("yuvj420p" if codec == "mjpeg" else "yuv420p")
        stream.gop_size, stream.max_b_frames = key_every, b_frames
        stream.options = {**quick, **quiet, **(options or {})}
        base = Fraction(1, _CLOCK) if x26 or codec.startswith("libvpx") or codec == "ffv1" else 1 / rate
        stream.codec_context.time_base = base
        if rotation:
            stream.set_display_rotation(-rotation)  # FFmpeg counts the other way round
        sound = out.add_stream("aac", rate=16000) if audio else None
        stream.width = stream.height = 32
        last = 0.0
        for number, picture in enumerate(frames):
            if not number:
                stream.height, stream.width = picture.shape[:2]
            last = number / fps if times is None else times[number]
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.time_base, frame.pts = base, round(Fraction(last).limit_denominator(10**6) / base)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
        if sound is not None:
            _write_tone(out, sound, last + 1 / fps)
    return path


def write_sound(path: Path, seconds: float = 1.0) -> Path:
    """A file with a tone and no pictures."""
    with av.open(str(path), "w") as out:
        _write_tone(out, out.add_stream("aac", rate=16000), seconds)
    return path


def _write_tone(out: av.container.OutputContainer, stream: av.AudioStream, seconds: float) -> None:
    wave = np.sin(np.arange(int(16000 * seconds)) * 2 * np.pi * 440 / 16000).astype(np.float32) / 4
    for start in range(0, len(wave), 1024):
        frame = av.AudioFrame.from_ndarray(wave[None, start : start + 1024], format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 16000, start
        out.mux(stream.encode(frame))
    out.mux(stream.encode(None))


def numbered(count: int, width: int = 64, height: int = 48) -> list[np.ndarray]:
    """Frames whose number `number_in` reads back (ten white or black bars), with a red corner at the top left."""
    frames = []
    for number in range(count):
        picture = np.zeros((height, width, 3), np.uint8)
        for bit in range(10):
            if number >> bit & 1:
                picture[height // 2 :, bit * width // 10 : (bit + 1) * width // 10] = 255
        picture[: height // 4, : width // 4] = (255, 0, 0)
        frames.append(picture)
    return frames


def number_in(picture: np.ndarray) -> int:
    """Which of the `numbered` frames a decoded picture shows."""
    height, width = picture.shape[:2]
    centres = [int((bit + 0.5) * width / 10) for bit in range(10)]
    return sum(1 << bit for bit, x in enumerate(centres) if picture[height * 3 // 4, x].mean() > 128)


def times_in(path: Path) -> list[float]:
    """Seconds from the first frame to each, in the order shown, by PyAV."""
    with av.open(str(path)) as clip:
        times = sorted(frame.time for frame in clip.decode(video=0))
    return [time - times[0] for time in times]


def corner(picture: np.ndarray) -> str:
    """In which corner the red of a `numbered` frame is: "top left", …"""
    red = cv2.GaussianBlur(picture[..., 0].astype(np.float32) - picture[..., 1], (5, 5), 0)
    y, x = np.unravel_index(np.argmax(red), red.shape)
    return f"{'top' if y < picture.shape[0] / 2 else 'bottom'} {'left' if x < picture.shape[1] / 2 else 'right'}"


def read(path: Path, **sampling: float) -> tuple[list[int], list[float], ClipReader]:
    """What the frames show, their times, and the reader when it is through."""
    shown, times = [], []
    with ClipReader(path, **sampling) as clip:  # type: ignore[arg-type]
        for frame in clip:
            assert frame.picture.dtype == np.uint8
            assert frame.picture.shape == (clip.info.height, clip.info.width, 3)
            assert frame.number == number_in(frame.picture)
            shown.append(frame.number)
            times.append(frame.time)
    return shown, times, clip


def noisy(count: int, width: int = 64, height: int = 48) -> list[np.ndarray]:
    """`numbered` frames with a band of noise, so that each takes its place in the file."""
    rng, frames = np.random.default_rng(0), numbered(count, width, height)
    for picture in frames:
        picture[height // 4 : height // 2] = rng.integers(0, 256, (height // 2 - height // 4, width, 3))
    return frames


def fast_start(path: Path, **kwargs: object) -> Path:
    """With the table of frames before the frames, as for the web: what remains of it after a cut can be read."""
    data = write_clip(path, **kwargs).read_bytes()  # type: ignore[arg-type]
    boxes, place = {}, 0
    while place < len(data):
        length, kind = struct.unpack(">I4s", data[place : place + 8])
        boxes[kind] = data[place : place + length]
        place += length
    moov = bytearray(boxes[b"moov"])
    place = moov.find(b"stco")
    count = struct.unpack(">I", moov[place + 8 : place + 12])[0]
    for entry in range(place + 12, place + 12 + 4 * count, 4):
        moov[entry : entry + 4] = struct.pack(">I", struct.unpack(">I", moov[entry : entry + 4])[0] + len(moov))
    path.write_bytes(boxes[b"ftyp"] + moov + boxes[b"free"] + boxes[b"mdat"])
    return path


def damaged(path: Path, first: int, last: int, count: int) -> Path:
    """A constant-rate MP4 with rubbish in place of frames `first` to `last` of `count` of about one size."""
    data = bytearray(path.read_bytes())
    start, end = data.find(b"mdat") + 4, data.find(b"moov") - 4
    assert 0 < start < end
    size = (end - start) / count
    for place in range(int(start + first * size), min(end, int(start + (last + 1) * size))):
        data[place] = (place * 7919) % 251
    path.write_bytes(data)
    return path
