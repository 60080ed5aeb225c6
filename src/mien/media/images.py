"""Images from files, bytes or arrays, all as RGB pixels, decoded by Pillow.

A file that is damaged, too large or of a format that is not listed here is refused.
"""

from __future__ import annotations

import io
import math
import os
import re
import struct
import threading
import warnings
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from mien.errors import InputError, cut
from mien.inputs import is_pillow, local, opened
from mien.media.ffmpeg import jpeg2000, sixteen_bits
from mien.media.names import PICTURE_SUFFIXES, is_picture  # noqa: F401  # for those who look for them here
from mien.media.pixels import checked, eight_bits, to_rgb
from mien.media.png import is_short
from mien.media.webp import webp_size

if TYPE_CHECKING:
    from PIL import Image, ImageFile

#: Larger images are refused before they are decoded; MIEN_MAX_PIXELS in the environment sets another limit.
MAX_PIXELS = 100_000_000
_NAMES = "JPEG, PNG, GIF, BMP, WebP, TIFF, HEIC, AVIF, JPEG 2000, PNM"
#: Pillow's names of the formats that are decoded. No other decoder ever sees a file.
_FORMATS = ("JPEG", "PNG", "GIF", "BMP", "DIB", "WEBP", "TIFF", "PPM", "AVIF", "HEIF", "JPEG2000")
_PIXELS = {"I;16", "I;16L", "I;16B", "I;16N"}  # Pillow's modes of 16 bits a pixel
_SCANS = 100  # of a JPEG; a progressive one has ten or so, and libtiff reads as many at most
_ORIENTATION, _TILE_WIDTH, _TILE_LENGTH = 0x0112, 322, 323  # tags of a TIFF and of EXIF
_ENDS = ((b"\xff\xd8", b"\xff\xd9"), (b"\x89PNG", b"IEND"))  # how files begin and end
_READS = 2**17  # parts that a file is read in at most, and one more for each 64 bytes
_REPEATS = 100  # of the parts that stand in `_ONCE`
#: First bytes of a format → a part of which an image needs one at most: EXIF, a color profile, a comment.
_ONCE = {rb"\xff\xd8": b"Exif\0\0", rb"\x89PNG": b"iCCP", rb"P[1-3]\s": b"#"}
_TILED = re.compile(rb"\xff\x4f\xff\x51.{4}(?P<sizes>.{32})", re.DOTALL)  # the start of a JPEG 2000
_LARGE = 2**24  # pixels; larger images are decoded one at a time
_one_large = threading.Lock()


@dataclass(frozen=True)
class Region:
    """One part of an image file, such as a person in it: an input beside paths and pixels.

    Attributes:
        path: the image.
        box: left, top, right, bottom in pixels of the image as it is shown, turned by its EXIF.

    Raises:
        InputError: the box has no area, or something else than finite numbers.
    """

    path: str
    box: tuple[float, float, float, float]

    def __post_init__(self) -> None:
        left, top, right, bottom = self.box
        if not all(map(math.isfinite, self.box)) or right <= left or bottom <= top:
            raise InputError(f"{self.path}: a box of left, top, right, bottom must have an area, not {self.box}")

    def __str__(self) -> str:
        return f"{self.path}#{','.join(f'{side:g}' for side in self.box)}"

    @classmethod
    def within(cls, path: str, box: Sequence[float], size: tuple[int, int]) -> Region:
        """The region of an image of that width and height, cut off at its edge.

        Raises:
            InputError: no part of the box lies in the image, or it is something else than four finite numbers.
        """
        if len(box) != 4 or not all(map(math.isfinite, box)):
            raise InputError(f"{path}: a box is left, top, right, bottom in pixels, not {list(box)}")
        left, right = (min(max(0.0, float(side)), float(size[0])) for side in box[::2])
        top, bottom = (min(max(0.0, float(side)), float(size[1])) for side in box[1::2])
        if right <= left or bottom <= top:
            raise InputError(f"{path}: the box {list(box)} has no area in a picture of {size[0]} x {size[1]}")
        return cls(path, (left, top, right, bottom))

    def cut(self, picture: np.ndarray) -> np.ndarray:
        """The region of that image, (height, width, …), as a view: every pixel that the box touches.

        Raises:
            InputError: the box lies outside.
        """
        left, top, right, bottom = self.box
        part = picture[max(0, math.floor(top)) : max(0, math.ceil(bottom)), :]
        part = part[:, max(0, math.floor(left)) : max(0, math.ceil(right))]
        if not part.size:
            height, width = picture.shape[:2]
            raise InputError(f"{self} lies outside its picture of {width} x {height} pixels")
        return part


def read_picture(source: Any, *, max_pixels: int | None = None, notes: list[str] | None = None) -> np.ndarray:
    """An image as it is meant to be seen.

    Turned as its EXIF says, laid over white where it is transparent, 16 bits, gray, palettes and CMYK converted; of an
    animation the first frame.

    Args:
        source: a file or its bytes, whatever the name says, or pixels: uint8 of shape (height, width), gray,
            (height, width, 3), RGB, or (height, width, 4), RGB and alpha. Of a region what lies in its box. A binary
            file object or a Pillow image as well.
        max_pixels: a file with more is refused by its header, undecoded; without it MIEN_MAX_PIXELS, or `MAX_PIXELS`.
        notes: gets a line for each thing that was guessed: how many bits the 16 bits of an image hold.

    Returns:
        uint8 of shape (height, width, 3), RGB. May share memory with an array passed in.

    Raises:
        InputError: no such file, no image, too large, cut off or damaged, or an array of another kind; one line.
    """
    limit = pixel_limit(max_pixels)
    source = opened(source, 8 * limit + 2**26)  # eight bytes a pixel is the most there is
    if is_pillow(source):
        return _read_image(source, limit, notes)
    if isinstance(source, np.ndarray):
        return to_rgb(checked(source))
    if isinstance(source, Region):
        return np.ascontiguousarray(source.cut(read_picture(source.path, max_pixels=max_pixels, notes=notes)))
    if not isinstance(source, str | Path | bytes):
        raise InputError(f"a picture is a path, bytes or an array, not {type(source).__name__}")
    data, name = (source, "the file") if isinstance(source, bytes) else (_read(local(source), limit), cut(str(source)))
    image = _open(data, name, limit)
    # What decodes AVIF finds the size of its frame behind the header, and scales it to the one stated.
    with _one_large if image.width * image.height > _LARGE or image.format == "AVIF" else nullcontext():
        picture, note = _decode(image, data, name, limit)
        if note and notes is not None:
            notes.append(note)
        return _turned(picture, _orientation(image))


def _read_image(image: Image.Image, limit: int, notes: list[str] | None) -> np.ndarray:
    """The pixels of a Pillow image as it is meant to be seen."""
    check_size(*image.size, limit, "the image")
    try:
        image.load()
        picture, note = _rgb(image, "the image")
    except (OSError, SyntaxError, ValueError) as error:
        raise error if isinstance(error, InputError) else InputError(f"the image cannot be read: {error}") from error
    if note and notes is not None:
        notes.append(note)
    return _turned(picture, _orientation(image))


def picture_size(path: str | Path, *, shown: bool = False) -> tuple[int, int]:
    """Width and height as the header of a file says; the pixels are not decoded.

    Args:
        path: the file.
        shown: as the image is shown, turned by its EXIF; else as it is stored.

    Raises:
        InputError: no such file, no image, one that `read_picture` refuses by its size, or one plainly cut off.
    """
    path, limit = Path(path), pixel_limit()
    data = _read(path, limit)
    image = _open(data, str(path), limit)
    if any(data.startswith(start) and end not in data for start, end in _ENDS):
        read_picture(path, max_pixels=limit)  # which refuses it if pixels are missing, too
    width, height = image.size
    turns = shown != (image.format == "TIFF")  # of which Pillow states the size as it is shown
    return (height, width) if turns and _orientation(image) > 4 else (width, height)


def pixel_limit(max_pixels: int | None = None) -> int:
    """The most pixels of an image or frame: what is given, else MIEN_MAX_PIXELS, else `MAX_PIXELS`."""
    if max_pixels is not None:
        return max_pixels
    stated = os.environ.get("MIEN_MAX_PIXELS", "")
    if not stated:
        return MAX_PIXELS
    if not stated.isdecimal() or not int(stated):
        raise InputError(f"MIEN_MAX_PIXELS must be a whole number above 0, not {stated!r}")
    return int(stated)


def check_size(width: int, height: int, limit: int, name: str) -> None:
    """Raises InputError: there are more pixels than the limit."""
    if width * height > limit:
        size = f"{width} x {height}"
        raise InputError(f"{name} has {size} pixels; at most {limit} are read (MIEN_MAX_PIXELS sets how many)")


def require_file(path: Path, what: str) -> None:
    """Refuse what is no file where *what* is needed, such as "a picture".

    Raises:
        InputError: one line that says what is there instead.
    """
    name = cut(str(path))
    if path.is_dir():
        raise InputError(f"{name} is a folder; {what} is needed")
    if not path.exists():
        raise InputError(f"there is no file {name}")
    if not path.is_file():
        raise InputError(f"{name} is no file")


def _read(path: Path, limit: int) -> bytes:
    try:
        require_file(path, "a picture")
        if path.stat().st_size > 8 * limit + 2**26:  # eight bytes a pixel is the most there is
            raise InputError(f"{path} is too large for a picture of at most {limit} pixels")
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{cut(str(path))} cannot be read: {error.strerror or error}") from error


@cache
def _decoders() -> list[tuple[str, Callable[..., ImageFile.ImageFile], Callable[[bytes], Any] | None]]:
    """Pillow's decoders of `_FORMATS`: what makes an image of a file, and what knows its first bytes."""
    import pi_heif
    from PIL import Image

    warnings.filterwarnings("ignore", category=UserWarning, module="PIL")  # of damaged metadata, which is not read
    warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)  # sizes are checked here
    pi_heif.register_heif_opener()
    Image.init()
    return [(name, *Image.OPEN[name]) for name in _FORMATS if name in Image.OPEN]


def _open(data: bytes, name: str, limit: int) -> Image.Image:
    """An image whose header was read, and its size checked against the limit."""
    if not data:
        raise InputError(f"{name} is empty")
    for start, part in _ONCE.items():  # Pillow joins or unpacks all of them
        if re.match(start, data) and data.count(part) > _REPEATS:
            raise InputError(f"{name} is damaged: it has {data.count(part)} parts of which one is needed")
    _check_jpeg2000(data, name, limit)
    # Each scan, be it of no bytes, goes over the whole image: a small file could keep the decoder busy for hours.
    if data.startswith(b"\xff\xd8") and data.count(b"\xff\xda") > _SCANS:
        raise InputError(f"{name} is a JPEG of more than {_SCANS} scans")
    if data.startswith(b"RIFF"):  # its decoder takes memory for the whole canvas before it states the size
        check_size(*webp_size(data), limit, name)
    if data[:2] in (b"II", b"MM") and _repeats_tags(data):
        raise InputError(f"{name} is damaged: it states the same thing twice")
    image = _header(data, name)
    if image is None:
        raise InputError(f"{name} is no picture of the kinds that are read: {_NAMES}")
    check_size(*image.size, limit, name)
    tags = getattr(image, "tag_v2", {})
    tile = [tags.get(side, 0) for side in (_TILE_WIDTH, _TILE_LENGTH)]
    most = 4 * image.width * image.height + 2**20  # the decoder makes whole tiles
    if image.format == "TIFF" and not (all(isinstance(side, int) for side in tile) and math.prod(tile) <= most):
        raise InputError(f"{name} is damaged: its tiles are much larger than the image")
    return image


def _repeats_tags(data: bytes) -> bool:
    """Whether a tag stands twice in the first directory of a TIFF: readers differ in which of them counts."""
    order: Literal["little", "big"] = "little" if data[:2] == b"II" else "big"
    wide = data[2:4] in (b"+\0", b"\0+")  # BigTIFF
    start = int.from_bytes(data[8:16] if wide else data[4:8], order)
    head, entry = (8, 20) if wide else (2, 12)
    count = min(int.from_bytes(data[start : start + head], order), 4096)
    places = range(start + head, min(start + head + count * entry, len(data) - 1), entry)
    return len({data[place : place + 2] for place in places}) < len(places)


def _orientation(image: Image.Image) -> int:
    """By EXIF, 1 to 8. To be asked once the image is decoded: of a PNG it is decoded here, and errors are lost."""
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # a damaged EXIF block turns nothing
        return 1
    return value if value in range(1, 9) else 1


def _check_jpeg2000(data: bytes, name: str, limit: int) -> None:
    """Refuse more pixels than the limit, and more tiles than an honest image has: a table of 11 kB is made for each."""
    for found in re.finditer(_TILED, data):
        width, height, left, top, *tile = struct.unpack(">8I", found["sizes"])
        check_size(width - left, height - top, limit, name)
        tiles = (1 + max(0, width - tile[2]) / max(1, tile[0])) * (1 + max(0, height - tile[3]) / max(1, tile[1]))
        if tiles > 1024 + (width - left) * (height - top) / 2**12:
            raise InputError(f"{name} is damaged: it states far more tiles than an image of its size has")


class _Counted(io.BytesIO):
    """A file in memory that lets Pillow's own parsers, which are written in Python, read so many parts and no more."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._left = _READS + len(data) // 64

    def read(self, size: int | None = -1, /) -> bytes:
        self._left -= 1
        if self._left < 0:
            raise ValueError("it has too many parts")
        return super().read(size)


def _header(data: bytes, name: str) -> Image.Image | None:
    for _, decoder, accepts in _decoders():
        if accepts is None or accepts(data[:16].ljust(16, b"\0")) is True:
            try:
                image = decoder(_Counted(data), "")
            except Exception as error:  # of whatever class the decoder meets in a damaged header
                raise InputError(f"{name} is damaged or cut off: {_reason(error)}") from error
            if min(image.size) < 1:
                raise InputError(f"{name} is damaged: its header states {image.width} x {image.height} pixels")
            return image
    return None


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:100] or type(error).__name__


def _decode(image: Image.Image, data: bytes, name: str, limit: int) -> tuple[np.ndarray, str | None]:
    """The pixels, uint8 (height, width, 3) RGB, as they are stored, and a line on what was guessed."""
    try:
        if image.format == "JPEG2000" and image.mode != "CMYK":  # which FFmpeg takes for RGBA
            return jpeg2000(data, image.size)
        if image.format == "PNG":
            _header(data, name).verify()  # type: ignore[union-attr]  # load() skips the check sums
        size, deep = image.size, ";16" in str(getattr(image, "tile", "")) and image.format in ("PNG", "TIFF")
        stored = _orientation(image) if image.format == "TIFF" else 1  # which Pillow turns, and FFmpeg does not
        image.load()
        if image.format == "PNG" and not np.asarray(image)[-1].any() and is_short(data):
            raise InputError(f"{name} is damaged or cut off: rows are missing at its end")
        if image.size != size:  # a GIF whose frame is larger than its screen
            check_size(*image.size, limit, name)
        if deep and image.mode in ("RGB", "RGBA") and (wide := sixteen_bits(data)) is not None:
            pixels, note = eight_bits(wide, 0)
            return _turned(to_rgb(pixels), stored), note
        return _rgb(image, name)
    except InputError:
        raise
    except MemoryError:
        raise InputError(f"{name} needs more memory than there is") from None
    except Exception as error:  # of whatever class the decoder meets in damaged data
        raise InputError(f"{name} is damaged or cut off: {_reason(error)}") from error


def _rgb(image: Image.Image, name: str) -> tuple[np.ndarray, str | None]:
    """The pixels of a decoded image, uint8 (height, width, 3) RGB, and a line on what was guessed."""
    if image.mode in _PIXELS or (image.mode == "I" and image.format in ("PPM", "PNG")):
        pixels, note = eight_bits(np.asarray(image).astype(np.uint16), 65535 if image.format == "PPM" else 0)
        return to_rgb(pixels), note
    if image.mode in ("I", "F"):
        kind = "int32" if image.mode == "I" else "float32"
        raise InputError(f"{name} holds {kind} numbers; 8 or 16 bits a channel are needed")
    if image.has_transparency_data:
        image = image.convert("RGBA")
    elif image.mode not in ("RGB", "L"):
        image = image.convert("RGB")
    return to_rgb(np.asarray(image)), None


def _turned(picture: np.ndarray, orientation: int) -> np.ndarray:
    """By the EXIF orientation: 1 upright, 2 to 4 mirrored or upside down, 5 to 8 on its side."""
    if orientation in (5, 6, 7, 8):
        picture = picture.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        picture = picture[::-1]
    if orientation in (2, 3, 6, 7):
        picture = picture[:, ::-1]
    return np.ascontiguousarray(picture)
