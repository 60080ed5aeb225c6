"""Pictures from files, bytes or arrays, all to one form. What is damaged, too large or no picture is refused."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mien.errors import InputError
from mien.headers import Header, NotAPicture, read_header
from mien.inputs import local, opened

#: Larger pictures are refused before they are decoded; MIEN_MAX_PIXELS in the environment sets another limit.
MAX_PIXELS = 100_000_000
#: File names of pictures end in one of these, whatever the case.
PICTURE_SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".bmp", ".dib", ".webp", ".tif", ".tiff"),
    *(".pbm", ".pgm", ".ppm", ".pnm"),
)

_HEAD = 2**16
_LARGE = 2**24  # pixels; larger pictures are decoded one at a time
_one_large = threading.Lock()
_SCANS = 100  # of a JPEG; a progressive one has ten or so, and libtiff reads as many at most


@dataclass(frozen=True)
class Region:
    """One part of a picture file, such as a person in it: an input beside paths and pixels.

    Attributes:
        path: the picture.
        box: left, top, right, bottom in pixels of the picture as it is shown, turned by its EXIF.

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
        """The region of a picture of that width and height, cut off at its edge.

        Raises:
            InputError: no part of the box lies in the picture, or it is something else than four finite numbers.
        """
        if len(box) != 4 or not all(map(math.isfinite, box)):
            raise InputError(f"{path}: a box is left, top, right, bottom in pixels, not {list(box)}")
        left, right = (min(max(0.0, float(side)), float(size[0])) for side in box[::2])
        top, bottom = (min(max(0.0, float(side)), float(size[1])) for side in box[1::2])
        if right <= left or bottom <= top:
            raise InputError(f"{path}: the box {list(box)} has no area in a picture of {size[0]} x {size[1]}")
        return cls(path, (left, top, right, bottom))

    def cut(self, picture: np.ndarray) -> np.ndarray:
        """The region of that picture, (height, width, …), as a view: every pixel that the box touches.

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


def is_picture(path: str | Path) -> bool:
    """Whether a file is a picture by the end of its name; it is not opened."""
    return Path(path).suffix.lower() in PICTURE_SUFFIXES


def names_file(item: str, ends_so: Callable[[str], bool]) -> bool:
    """Whether a string means a file and is no text: its end says so, and it exists or has no space in it."""
    if "\0" in item or "\n" in item or not ends_so(item):
        return False
    if not any(character.isspace() for character in item):
        return True
    try:
        return Path(item).exists()
    except OSError:  # too long for a file name
        return False


def read_picture(source: Any, *, max_pixels: int | None = None, notes: list[str] | None = None) -> np.ndarray:
    """A picture as it is meant to be seen.

    Turned as its EXIF says, laid over white where it is transparent, 16 bits, grey, palettes and CMYK converted; of an
    animation the first frame.

    Args:
        source: a file or its bytes (JPEG, PNG, GIF, BMP, WebP, TIFF or PNM, whatever the name says), or pixels: uint8
            of shape (height, width), grey, (height, width, 3), RGB, or (height, width, 4), RGB and alpha. Of a region
            what lies in its box. A binary file object or a Pillow image as well.
        max_pixels: a file with more is refused by its header, undecoded; without it MIEN_MAX_PIXELS, or `MAX_PIXELS`.
        notes: gets a line for each thing that was guessed: how many bits the 16 bits of a picture hold.

    Returns:
        uint8 of shape (height, width, 3), RGB. May share memory with an array passed in.

    Raises:
        InputError: no such file, no picture, too large, cut off or damaged, or an array of another kind; one line.
    """
    source = opened(source)
    if isinstance(source, np.ndarray):
        return _rgb(_checked(source))
    if isinstance(source, Region):
        return np.ascontiguousarray(source.cut(read_picture(source.path, max_pixels=max_pixels, notes=notes)))
    if not isinstance(source, str | Path | bytes):
        raise InputError(f"a picture is a path, bytes or an array, not {type(source).__name__}")
    limit = pixel_limit(max_pixels)
    data, name = (source, "the file") if isinstance(source, bytes) else (_read(local(source), limit), str(source))
    header = _header(data, name)
    _check(header, limit, name)
    # Each scan, be it of no bytes, goes over the whole picture: a small file could keep the decoder busy for hours.
    if data.startswith(b"\xff\xd8") and data.count(b"\xff\xda") > _SCANS:
        raise InputError(f"{name} is a JPEG of more than {_SCANS} scans")
    picture, note = _decode(header, name)
    if note and notes is not None:
        notes.append(note)
    return _turned(_rgb(picture), header.orientation)


def picture_size(path: str | Path, *, shown: bool = False) -> tuple[int, int]:
    """Width and height as the header of a file says; the pixels are not decoded.

    Args:
        path: the file.
        shown: as the picture is shown, turned by its EXIF; else as it is stored.

    Raises:
        InputError: no such file, no picture or one that `read_picture` refuses by its size; small files also where
            their end is missing.
    """
    path = Path(path)
    limit = pixel_limit(None)
    head = _read(path, limit, _HEAD)
    try:
        header = read_header(head)
    except NotAPicture:  # the size may stand far behind, as after a long EXIF block
        head = head if len(head) < _HEAD else _read(path, limit)
        header = _header(head, str(path))
    _check(header if len(head) < _HEAD else replace(header, complete=True), limit, str(path))
    on_its_side = shown and header.orientation > 4
    return (header.height, header.width) if on_its_side else (header.width, header.height)


def _check(header: Header, limit: int, name: str) -> None:
    if header.width * header.height > limit:
        size = f"{header.width} x {header.height}"
        raise InputError(f"{name} has {size} pixels; at most {limit} are read (MIEN_MAX_PIXELS sets how many)")
    if not header.complete:
        raise InputError(f"{name} is cut off")


def pixel_limit(max_pixels: int | None = None) -> int:
    """The most pixels of a picture or frame: what is given, else MIEN_MAX_PIXELS, else `MAX_PIXELS`."""
    if max_pixels is not None:
        return max_pixels
    stated = os.environ.get("MIEN_MAX_PIXELS", "")
    if not stated:
        return MAX_PIXELS
    if not stated.isdecimal() or not int(stated):
        raise InputError(f"MIEN_MAX_PIXELS must be a whole number above 0, not {stated!r}")
    return int(stated)


def require_file(path: Path, what: str) -> None:
    """Refuse what is no file where *what* is needed, such as "a picture".

    Raises:
        InputError: one line that says what is there instead.
    """
    if path.is_dir():
        raise InputError(f"{path} is a folder; {what} is needed")
    if not path.exists():
        raise InputError(f"there is no file {path}")
    if not path.is_file():
        raise InputError(f"{path} is no file")


def _read(path: Path, limit: int, size: int = -1) -> bytes:
    try:
        require_file(path, "a picture")
        if path.stat().st_size > 8 * limit + 2**26:  # eight bytes a pixel is the most there is
            raise InputError(f"{path} is too large for a picture of at most {limit} pixels")
        with path.open("rb") as file:
            return file.read(size)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error


def _header(data: bytes, name: str) -> Header:
    if not data:
        raise InputError(f"{name} is empty")
    try:
        return read_header(data)
    except NotAPicture as error:
        raise InputError(f"{name} {error}") from None


def _decode(header: Header, name: str) -> tuple[np.ndarray, str | None]:
    """RGB, with alpha where the file has it, and what was guessed; OpenCV's own messages are held back."""
    import cv2

    large = header.width * header.height > _LARGE
    with silent, _one_large if large else nullcontext():
        try:
            picture = cv2.imdecode(np.frombuffer(header.data, np.uint8), cv2.IMREAD_UNCHANGED)
        except cv2.error as error:
            if error.code == cv2.Error.StsNoMem:
                raise InputError(f"{name} needs more memory than there is") from None
            picture = None
        if picture is None:
            raise InputError(f"{name} cannot be decoded; it is damaged or cut off")
        stated, came = (header.width, header.height), picture.shape[1::-1]
        if came not in (stated, stated[::-1] if header.data[:2] in (b"II", b"MM") else stated):
            raise InputError(
                f"{name} is damaged: its header says {stated[0]} x {stated[1]} pixels, and {came[0]} x {came[1]} came"
            )
        note = None
        if picture.dtype == np.uint16 or (picture.dtype == np.uint8 and header.most not in (0, 255)):
            picture, note = _eight_bits(picture, header.most)
        if picture.dtype != np.uint8:
            raise InputError(f"{name} holds {picture.dtype} numbers; 8 or 16 bits a channel are needed")
        channels = 1 if picture.ndim == 2 else picture.shape[2]
        code = {1: cv2.COLOR_GRAY2RGB, 3: cv2.COLOR_BGR2RGB, 4: cv2.COLOR_BGRA2RGBA}[channels]
        return np.asarray(cv2.cvtColor(picture, code)), note


def _eight_bits(picture: np.ndarray, most: int) -> tuple[np.ndarray, str | None]:
    """A picture of 16 bits, or of less than 8, in 8, and a line that says so where its values fill only the lower ones.

    Cameras and scanners store 10, 12 or 14 bits in 16. Taken as 16, such a picture is nearly black.

    Args:
        most: the value that stands for white, where the file says which.
    """
    picture, note = picture.reshape(*picture.shape[:2], -1), None
    whites = [most or 65535] * picture.shape[2]
    if not most and (top := int(picture[..., :3].max())):
        bits = next(bits for bits in (8, 10, 12, 14, 16) if top < 2**bits)
        if bits < 16:
            whites[:3] = [2**bits - 1] * len(whites[:3])
            note = f"its 16 bits a channel hold values up to {top}: taken as {bits} bits, and brightened by that"
        if len(whites) == 4 and picture[..., 3].max() < 2**bits:
            whites[3] = whites[0]
    values = np.arange(65536)
    shades = [((np.minimum(values, white) * 255 + white // 2) // white).astype(np.uint8) for white in whites]
    found = np.empty(picture.shape, np.uint8)
    for row, target in zip(picture, found, strict=True):  # one by one: a large picture does not fit twice
        for channel, shade in enumerate(shades):
            target[:, channel] = shade[row[:, channel]]
    return found, note


class _Silent:
    """OpenCV says nothing while any thread is in here; then its level of messages is again as it was."""

    def __init__(self) -> None:
        self._lock, self._inside, self._level = threading.Lock(), 0, 0

    def __enter__(self) -> None:
        logging = _opencv_logging()
        with self._lock:
            if not self._inside:
                self._level = logging.getLogLevel()
                logging.setLogLevel(0)
            self._inside += 1

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                _opencv_logging().setLogLevel(self._level)


def _opencv_logging() -> Any:
    import cv2

    return getattr(cv2.utils, "logging", cv2)  # directly in cv2 before 4.13


silent = _Silent()


def _checked(array: np.ndarray) -> np.ndarray:
    if array.dtype != np.uint8:
        raise InputError(f"a picture in memory must be uint8 (0 to 255), not {array.dtype}")
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        raise InputError(f"a picture in memory must be (height, width) or (height, width, 3), not {array.shape}")
    if not array.size:
        raise InputError(f"a picture in memory has no pixels: {array.shape}")
    return array


def bgr(frame: np.ndarray) -> np.ndarray:
    """The RGB array of a frame as OpenCV gives it, blue first; :func:`mien.predict` and the rest take arrays as RGB.

    ::

        there, frame = cv2.VideoCapture(0).read()
        result = mien.predict(mien.bgr(frame))

    Args:
        frame: uint8 of shape (height, width, 3), blue, green, red; (height, width, 4), those and alpha; or grey,
            (height, width) or (height, width, 1), which stays as it is.

    Raises:
        InputError: it is no such array; or None, which OpenCV gives where it could not read.
    """
    if frame is None:
        raise InputError("there is no frame: OpenCV gives None where it cannot read")
    if not isinstance(frame, np.ndarray):
        raise InputError(f"a frame of OpenCV's is an array, not {type(frame).__name__}")
    frame = _checked(frame)
    if frame.ndim == 2 or frame.shape[2] == 1:
        return frame
    return np.ascontiguousarray(frame[..., [2, 1, 0, 3][: frame.shape[2]]])


def _rgb(picture: np.ndarray) -> np.ndarray:
    """Three channels, whatever it came with."""
    if picture.ndim == 2 or picture.shape[2] == 1:
        return np.repeat(picture.reshape(*picture.shape[:2], 1), 3, axis=2)
    color, alpha = picture[..., :3], picture[..., 3:]
    if alpha.size and alpha.min() < 255:
        color = color.copy()
        for row, opacity in zip(color, alpha, strict=True):
            over = opacity.astype(np.uint16)
            over = row * over + 255 * (255 - over) + 128
            row[:] = (over + (over >> 8)) >> 8  # by 255, rounded
    return np.ascontiguousarray(color)


def _turned(picture: np.ndarray, orientation: int) -> np.ndarray:
    """By the EXIF orientation: 1 upright, 2 to 4 mirrored or upside down, 5 to 8 on its side."""
    if orientation in (5, 6, 7, 8):
        picture = picture.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        picture = picture[::-1]
    if orientation in (2, 3, 6, 7):
        picture = picture[:, ::-1]
    return np.ascontiguousarray(picture)
