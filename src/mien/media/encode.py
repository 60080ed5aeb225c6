"""Images and clips written to files or bytes."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from mien.errors import MienError

_CODECS = ("libx264", "mpeg4")  # the first that this FFmpeg has
_OPTIONS = {"libx264": {"preset": "veryfast", "crf": "20"}, "mpeg4": {"qscale": "3"}}


def encode_image(picture: np.ndarray, kind: str, quality: int = 92) -> bytes:
    """The file of an image, uint8 (height, width) gray or (height, width, 3) RGB.

    Args:
        kind: "jpeg", "png" or another of Pillow's formats.
        quality: of a JPEG, 1 to 95.
    """
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, kind, **({"quality": quality} if kind == "jpeg" else {}))
    return buffer.getvalue()


def data_uri(picture: np.ndarray, kind: str = "jpeg", quality: int = 85) -> str:
    """An image as an address that holds it, for a page that stands alone."""
    return f"data:image/{kind};base64,{base64.b64encode(encode_image(picture, kind, quality)).decode()}"


def write_clip(path: Path, pictures: Iterable[np.ndarray], rate: float, target: Path | None = None) -> int:
    """Write RGB pictures of one size, even in height and width, as an MP4 of so many a second.

    Args:
        target: the name for an error, where *path* is a scratch file.

    Returns:
        How many there were.

    Raises:
        MienError: the file cannot be written.
    """
    import av

    codec = next(name for name in _CODECS if name in av.codecs_available)
    count = 0
    try:
        with av.open(str(path), "w", format="mp4") as out:
            step = 1 / Fraction(rate).limit_denominator(1001)
            stream: Any = out.add_stream(codec, rate=1 / step, options=_OPTIONS[codec])
            stream.pix_fmt = "yuv420p"
            for picture in pictures:
                if not count:
                    stream.height, stream.width = picture.shape[:2]
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
                frame.pts, frame.time_base, count = count, step, count + 1
                out.mux(stream.encode(frame))
            if count:
                out.mux(stream.encode(None))
    except (av.FFmpegError, OSError) as error:
        raise MienError(f"cannot write {target or path}: {error.strerror or error}") from error
    return count
