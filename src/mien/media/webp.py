"""Animated WebP: its frames, decoded by Pillow, as FFmpeg decodes none."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mien.media.pixels import to_rgb

_HEAD = 12  # bytes of "RIFF", a length and "WEBP"
_INSTANT, _USUAL = 10, 100  # milliseconds: browsers show a frame of so few, or of none, for so long


@dataclass(frozen=True, eq=False)
class WebpFrame:
    """A decoded frame, uint8 (height, width, 3) RGB; its time is in seconds from the first."""

    time: float
    picture: np.ndarray


def webp_size(data: bytes) -> tuple[int, int]:
    """Width and height of the canvas; (0, 0) of a damaged header, which the decoder refuses."""
    kind, data = data[12:16], data[:30].ljust(30, b"\0")
    if kind == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    return int.from_bytes(data[26:28], "little") & 0x3FFF, int.from_bytes(data[28:30], "little") & 0x3FFF


def frame_times(data: bytes) -> tuple[list[float], bool]:
    """When each frame is shown, in seconds, and when the last one ends; and whether the file is cut off.

    No frame is decoded.
    """
    times, shown, place = list[float](), 0, _HEAD
    end = 8 + int.from_bytes(data[4:8], "little")
    while place + 8 <= min(end, len(data)):
        length = int.from_bytes(data[place + 4 : place + 8], "little")
        if data[place : place + 4] == b"ANMF" and place + 24 <= len(data):
            times.append(shown / 1000)
            stated = int.from_bytes(data[place + 20 : place + 23], "little")
            shown += stated if stated > _INSTANT else _USUAL
        place += 8 + length + length % 2
    return [*times, shown / 1000], len(data) < end


def frames(data: bytes, times: list[float]) -> Iterator[WebpFrame]:
    """The frames that can be decoded, over white where they are transparent.

    Raises:
        ValueError, OSError: one cannot be.
    """
    from PIL import Image

    with Image.open(io.BytesIO(data), formats=("WEBP",)) as image:
        for number, time in enumerate(times):
            image.seek(number)
            image.load()
            pixels = image.convert("RGBA" if image.has_transparency_data else "RGB")
            yield WebpFrame(time, to_rgb(np.asarray(pixels)))
