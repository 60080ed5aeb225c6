"""What the header of a picture says, read without decoding it: a few bytes can claim to be gigabytes of pixels."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_KINDS = "JPEG, PNG, GIF, BMP, WebP, TIFF, PNM"
_CHUNKS = 100_000  # of a picture; no honest one has so many
_TOO_MANY = f"is damaged: it has more than {_CHUNKS} parts"
_COMMENTS = 2**16  # bytes before a number in the header of a PNM
_TAGS = 4096  # of a TIFF; its decoder reads no more either
_TILE = 4096  # pixels by which a tile may reach beyond its picture
_PNM_NUMBER = re.compile(rb"(?:\s|#[^\r\n]*[\r\n])+(\d{1,9})(?=[\s#])")


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
        most: of a PNM the value that stands for white.
    """

    width: int
    height: int
    data: bytes
    orientation: int = 1
    complete: bool = True
    most: int = 0


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
            except (struct.error, IndexError, OverflowError):
                raise NotAPicture("is cut off before its size is told") from None
            if header.width < 1 or header.height < 1:
                raise NotAPicture(f"is damaged: its header says {header.width} x {header.height} pixels")
            return header
    if data[4:8] == b"ftyp":
        raise NotAPicture("is AVIF, HEIC or a film, not one of the kinds that are read: " + _KINDS)
    raise NotAPicture(f"is no picture of the kinds that are read: {_KINDS}")


def _jpeg(data: bytes) -> Header:
    place, orientation = 2, 1
    for _ in range(_CHUNKS):
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
            height, width, components = struct.unpack_from(">HHB", data, place + 5)
            if components not in (1, 3, 4):
                raise NotAPicture(f"is damaged: a JPEG of {components} components")
            return Header(width, height, data, orientation, complete=data.find(b"\xff\xd9", place) > 0)
        block = data[place + 4 : place + 2 + length]
        if marker == 0xE1 and block.startswith(b"Exif\0\0"):
            orientation = _orientation(block[6:])
        place += 2 + length
    raise NotAPicture(_TOO_MANY)


def _png(data: bytes) -> Header:
    if data[8:16] != b"\0\0\0\x0dIHDR":
        raise NotAPicture("is damaged: its first chunk is not IHDR")
    width, height = struct.unpack_from(">II", data, 16)
    kept, orientation, kind = [data[:8]], 1, b""
    for kind, start, end in _png_chunks(data):
        if kind in (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"):
            if zlib.crc32(data[start + 4 : end - 4]) != struct.unpack_from(">I", data, end - 4)[0]:
                raise NotAPicture(f"is damaged: the check sum of its {kind.decode()} is wrong")
            if kind == b"IHDR" and start > 8:
                raise NotAPicture("is damaged: it has two IHDR chunks")
            kept.append(data[start:end])
        elif kind == b"eXIf":
            orientation = _orientation(data[start + 8 : end - 4])
        if kind == b"IEND":
            break
    return Header(width, height, b"".join(kept), orientation, complete=kind == b"IEND")


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and end of every chunk that is there as a whole."""
    start = 8
    for _ in range(_CHUNKS):
        if start + 12 > len(data):
            return
        (length,) = struct.unpack_from(">I", data, start)
        end = start + 12 + length
        if end > len(data):
            return
        yield data[start + 4 : start + 8], start, end
        start = end
    raise NotAPicture(_TOO_MANY)


def _gif(data: bytes) -> Header:
    width, height = struct.unpack_from("<HH", data, 6)
    return Header(width, height, data)


def _bmp(data: bytes) -> Header:
    offset, size = struct.unpack_from("<II", data, 10)
    if size == 12:  # the header of OS/2
        width, height, _, bits = struct.unpack_from("<HHHH", data, 18)
        packed = 0
    elif size >= 36:
        width, height, _, bits, packed = struct.unpack_from("<iiHHI", data, 18)
    else:
        raise NotAPicture(f"is a BMP with a header of {size} bytes, which is not read")
    height = abs(height)  # a negative one: the top row comes first
    needed = 0 if packed in (1, 2) else (width * bits + 31) // 32 * 4 * height  # 1 and 2 are run lengths
    return Header(width, height, data, complete=len(data) >= offset + needed)


def _webp(data: bytes) -> Header:
    kind = data[12:16]
    if kind == b"VP8X" and data[16:20] == b"\x0a\0\0\0":
        width, height = (1 + int.from_bytes(data[place : place + 3], "little") for place in (24, 27))
    elif kind == b"VP8L" and data[20:21] == b"\x2f":
        (bits,) = struct.unpack_from("<I", data, 21)
        width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    elif kind == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", data, 26))
    elif len(data) < 30:
        raise IndexError
    else:
        raise NotAPicture("is damaged: its first chunk is none of a WebP picture")
    start, orientation = 12, 1
    for _ in range(_CHUNKS):
        if start + 8 > len(data):
            break
        (length,) = struct.unpack_from("<I", data, start + 4)
        if data[start : start + 4] == b"EXIF":
            orientation = _orientation(data[start + 8 : start + 8 + length].removeprefix(b"Exif\0\0"))
        start += 8 + length + length % 2
    else:
        raise NotAPicture(_TOO_MANY)
    return Header(width, height, data, orientation, complete=struct.unpack_from("<I", data, 4)[0] + 8 <= len(data))


def _tiff(data: bytes) -> Header:
    """The first directory. A decoder may take either of two equal tags, and allocates whole tiles and all samples."""
    tags: dict[int, tuple[int, ...]] = {}
    for tag, values in _entries(data):
        if tag in tags:
            raise NotAPicture(f"is damaged: its tag {tag} is there twice")
        tags[tag] = values

    def number(tag: int, default: int) -> int:
        values = tags.get(tag, (default,))
        if len(values) != 1:
            raise NotAPicture(f"is damaged: its tag {tag} holds {len(values)} numbers")
        return values[0]

    width, height, samples = number(256, 0), number(257, 0), number(277, 1)
    bits, form = tags.get(258, (1,)), tags.get(339, (1,))
    if not 1 <= samples <= 4:
        raise NotAPicture(f"holds {samples} numbers a pixel; 1 to 4 are needed")
    if not bits or max(bits) > 16:
        kind = {2: "int", 3: "float"}.get(max(form, default=1), "uint")
        raise NotAPicture(f"holds {kind}{max(bits, default=0)} numbers; 8 or 16 bits a channel are needed")
    if number(322, 0) > width + _TILE or number(323, 0) > height + _TILE:
        raise NotAPicture("is damaged: its tiles are larger than the picture")
    return Header(width, height, data)


def _entries(data: bytes) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Tags in the first directory of a TIFF file or an EXIF block, with up to four whole numbers that each holds.

    Raises:
        NotAPicture: there are more than the decoder reads.
    """
    order = "<" if data[:2] == b"II" else ">"
    if struct.unpack_from(order + "H", data, 2)[0] == 43:  # BigTIFF
        kinds = {3: "H", 4: "I", 16: "Q"}
        (offset,), counted, entry, value_at = struct.unpack_from(order + "Q", data, 8), "Q", 20, 12
    else:
        kinds = {3: "H", 4: "I"}
        (offset,), counted, entry, value_at = struct.unpack_from(order + "I", data, 4), "H", 12, 8
    (entries,) = struct.unpack_from(order + counted, data, offset)
    if entries > _TAGS:
        raise NotAPicture(f"is damaged: more than {_TAGS} tags")
    for place in range(entries):
        start = offset + struct.calcsize("=" + counted) + place * entry
        tag, kind = struct.unpack_from(order + "HH", data, start)
        (count,) = struct.unpack_from(order + ("I" if entry == 12 else "Q"), data, start + 4)
        values: tuple[int, ...] = ()
        if kind in kinds and count <= 4:
            form = f"{order}{count}{kinds[kind]}"
            at = start + value_at
            if struct.calcsize(form) > entry - value_at:  # they stand elsewhere
                (at,) = struct.unpack_from(order + ("I" if entry == 12 else "Q"), data, at)
            values = struct.unpack_from(form, data, at)
        yield tag, values


def _orientation(exif: bytes) -> int:
    try:
        value = next((values[0] for tag, values in _entries(exif) if tag == 274 and values), 1)
    except (struct.error, OverflowError, NotAPicture):
        return 1
    return value if 1 <= value <= 8 else 1


def _pnm(data: bytes) -> Header:
    """Handed on with a header without comments, as where those end is read in several ways, and a usual white."""
    kind, place, numbers = data[1:2], 2, list[int]()
    while len(numbers) < (2 if kind in b"14" else 3):
        found = _PNM_NUMBER.match(data, place, place + _COMMENTS)
        if found is None:
            raise IndexError
        numbers.append(int(found[1]))
        place = found.end()
    width, height, most = [*numbers, 255][:3]
    if not data[place : place + 1].isspace():
        raise IndexError
    if not 1 <= most <= 65535:
        raise NotAPicture(f"is damaged: its greatest value is {most}")
    numbers[2:] = [255 if most < 256 else 65535][: len(numbers) - 2]
    values = width * height * (3 if kind in b"36" else 1)
    needed = (width + 7) // 8 * height if kind == b"4" else values * (2 if most > 255 and kind in b"56" else 1)
    head = b"P%s\n%s\n" % (kind, b" ".join(b"%d" % number for number in numbers))
    return Header(width, height, head + data[place + 1 :], complete=len(data) > place + needed, most=most)


_READERS: dict[bytes, Callable[[bytes], Header]] = {
    rb"\xff\xd8\xff": _jpeg,
    rb"\x89PNG\r\n\x1a\n": _png,
    rb"GIF8[79]a": _gif,
    rb"BM.{4}\0\0": _bmp,
    rb"RIFF....WEBP": _webp,
    rb"II[*+]\0|MM\0[*+]": _tiff,
    rb"P[1-6]\s": _pnm,
}
