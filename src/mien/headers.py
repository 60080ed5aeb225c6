"""What the header of a picture says, read without decoding it: a few bytes can claim to be gigabytes of pixels."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_KINDS = "JPEG, PNG, GIF, BMP, WebP, TIFF, PNM"


class NotAPicture(Exception):
    """Says what is wrong, to follow the name of the file."""


@dataclass(frozen=True)
class Header:
    """What is known of a picture before it is decoded.

    Attributes:
        width, height: in pixels, before any turning; both above 0.
        data: what to decode. A PNG comes without the chunks that only give a decoder something to warn of.
        orientation: 1 to 8 as EXIF counts; 1 where it says nothing or the decoder does the turning (TIFF).
        complete: False where the end of the file is plainly missing.
    """

    width: int
    height: int
    data: bytes
    orientation: int = 1
    complete: bool = True


def read_header(data: bytes) -> Header:
    """The header of a picture, known by its first bytes and not by a name.

    Args:
        data: the file, or enough of its beginning to hold the size.

    Raises:
        NotAPicture: of no known kind, or its header is damaged.
    """
    for signature, read in _READERS.items():
        if re.match(signature, data, re.DOTALL):
            try:
                header = read(data)
            except (struct.error, IndexError):
                raise NotAPicture("is cut off before its size is told") from None
            if header.width < 1 or header.height < 1:
                raise NotAPicture(f"is damaged: its header says {header.width} x {header.height} pixels")
            return header
    if data[4:8] == b"ftyp":
        raise NotAPicture("is AVIF, HEIC or a film, not one of the kinds that are read: " + _KINDS)
    raise NotAPicture(f"is no picture of the kinds that are read: {_KINDS}")


def _jpeg(data: bytes) -> Header:
    place, orientation = 2, 1
    while True:
        place = data.find(b"\xff", place)
        if place < 0:
            raise IndexError
        marker = data[place + 1]
        if marker in (0x00, 0x01, 0xFF) or 0xD0 <= marker <= 0xD8:  # stands alone
            place += 1 if marker == 0xFF else 2
            continue
        if marker in (0xD9, 0xDA):
            raise NotAPicture("is damaged: no size before its pixels")
        (length,) = struct.unpack_from(">H", data, place + 2)
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # start of frame
            height, width = struct.unpack_from(">HH", data, place + 5)
            return Header(width, height, data, orientation, complete=data.find(b"\xff\xd9", place) > 0)
        block = data[place + 4 : place + 2 + length]
        if marker == 0xE1 and block.startswith(b"Exif\0\0"):
            orientation = _orientation(block[6:])
        place += 2 + length


def _png(data: bytes) -> Header:
    width, height = struct.unpack_from(">II", data, 16)
    kept, orientation, kind = [data[:8]], 1, b""
    for kind, start, end in _png_chunks(data):
        if kind in (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"):
            if zlib.crc32(data[start + 4 : end - 4]) != struct.unpack_from(">I", data, end - 4)[0]:
                raise NotAPicture(f"is damaged: the check sum of its {kind.decode()} is wrong")
            kept.append(data[start:end])
        elif kind == b"eXIf":
            orientation = _orientation(data[start + 8 : end - 4])
    return Header(width, height, b"".join(kept), orientation, complete=kind == b"IEND")


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and end of every chunk that is there as a whole."""
    start = 8
    while start + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, start)
        end = start + 12 + length
        if end > len(data):
            return
        yield data[start + 4 : start + 8], start, end
        start = end


def _gif(data: bytes) -> Header:
    width, height = struct.unpack_from("<HH", data, 6)
    return Header(width, height, data)


def _bmp(data: bytes) -> Header:
    if struct.unpack_from("<I", data, 14)[0] == 12:  # the header of OS/2
        width, height = struct.unpack_from("<HH", data, 18)
    else:
        width, height = struct.unpack_from("<ii", data, 18)
    return Header(width, abs(height), data)  # a negative height: the top row comes first


def _webp(data: bytes) -> Header:
    kind = data[12:16]
    if kind == b"VP8X":
        low, middle, high, low2, middle2, high2 = struct.unpack_from("6B", data, 24)
        width, height = 1 + (low | middle << 8 | high << 16), 1 + (low2 | middle2 << 8 | high2 << 16)
    elif kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    else:
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", data, 26))
    start, orientation = 12, 1
    while start + 8 <= len(data):
        (length,) = struct.unpack_from("<I", data, start + 4)
        if data[start : start + 4] == b"EXIF":
            orientation = _orientation(data[start + 8 : start + 8 + length].removeprefix(b"Exif\0\0"))
        start += 8 + length + length % 2
    return Header(width, height, data, orientation, complete=struct.unpack_from("<I", data, 4)[0] + 8 <= len(data))


def _tiff(data: bytes) -> Header:
    tags = _tags(data)
    return Header(tags.get(256, 0), tags.get(257, 0), data)


def _tags(data: bytes) -> dict[int, int]:
    """Tag → value of the whole numbers in the first directory of a TIFF file or an EXIF block."""
    order = "<" if data[:2] == b"II" else ">"
    if struct.unpack_from(order + "H", data, 2)[0] == 43:  # BigTIFF
        offset, counted, entry, value_at = struct.unpack_from(order + "Q", data, 8)[0], "Q", 20, 12
    else:
        offset, counted, entry, value_at = struct.unpack_from(order + "I", data, 4)[0], "H", 12, 8
    (count,) = struct.unpack_from(order + counted, data, offset)
    tags = {}
    for place in range(min(count, 4096)):
        start = offset + struct.calcsize("=" + counted) + place * entry
        tag, kind = struct.unpack_from(order + "HH", data, start)
        if kind in (3, 4, 16):
            tags[tag] = struct.unpack_from(order + {3: "H", 4: "I", 16: "Q"}[kind], data, start + value_at)[0]
    return tags


def _orientation(exif: bytes) -> int:
    try:
        value = _tags(exif).get(274, 1)
    except struct.error:
        return 1
    return value if 1 <= value <= 8 else 1


def _pnm(data: bytes) -> Header:
    found = re.match(rb"P[1-6]\s(?:\s|#[^\n]*\n)*(\d{1,9})\s(?:\s|#[^\n]*\n)*(\d{1,9})\s", data)
    if found is None:
        raise IndexError
    return Header(int(found[1]), int(found[2]), data)


_READERS: dict[bytes, Callable[[bytes], Header]] = {
    rb"\xff\xd8\xff": _jpeg,
    rb"\x89PNG\r\n\x1a\n": _png,
    rb"GIF8[79]a": _gif,
    rb"BM.{4}\0\0": _bmp,
    rb"RIFF....WEBP": _webp,
    rb"II[*+]\0|MM\0[*+]": _tiff,
    rb"P[1-6]\s": _pnm,
}
