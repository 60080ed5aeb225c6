"""Images that FFmpeg decodes better than Pillow does, by PyAV."""

from __future__ import annotations

import io

import numpy as np

from mien.media.pixels import eight_bits, to_rgb


def jpeg2000(data: bytes, size: tuple[int, int]) -> tuple[np.ndarray, str | None]:
    """The pixels, uint8 (height, width, 3) RGB, and a line on what was guessed.

    Pillow lets no other thread run while it decodes one, for a minute if need be.
    """
    import av

    try:
        with av.open(io.BytesIO(data), "r", format="j2k_pipe") as file:
            frame = next(file.decode(video=0))
    except (av.FFmpegError, StopIteration) as error:
        raise ValueError("its data cannot be decoded") from error
    if (frame.width, frame.height) != size:
        raise ValueError(f"its header states {size[0]} x {size[1]} pixels, and its data {frame.width} x {frame.height}")
    frame.color_range = 2  # of Y, Cb and Cr: 0 to 255, as in JPEG
    if max(part.bits for part in frame.format.components) > 8:
        wide, note = eight_bits(frame.to_ndarray(format="rgba64le"), 0)
        return to_rgb(wide), note
    return to_rgb(frame.to_ndarray(format="rgba" if "a" in frame.format.name else "rgb24")), None


def sixteen_bits(data: bytes) -> np.ndarray | None:
    """RGB or RGBA of 16 bits a channel, uint16 (height, width, channels), of which Pillow keeps 8.

    None where that cannot read it.
    """
    import av

    try:
        kind = "png_pipe" if data.startswith(b"\x89PNG") else "tiff_pipe"
        with av.open(io.BytesIO(data), "r", format=kind) as file:
            frame = next(file.decode(video=0))
            kind = "rgba64le" if "a" in frame.format.name else "rgb48le"
            return np.asarray(frame.to_ndarray(format=kind))
    except (av.FFmpegError, ValueError, StopIteration):
        return None
