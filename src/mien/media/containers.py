"""Containers of clips: which one a file is, whether it was written to its end, and what its header may state."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from mien.errors import InputError

#: FFmpeg's name of a container → what its first bytes match. Others are refused, among them playlists, which name
#: further files and addresses to read.
_CONTAINERS = {
    "mp4": rb"....(ftyp|moov|mdat|moof|wide|free|skip|pnot|styp|sidx)",
    "avi": rb"RIFF....AVI ",
    "matroska": rb"\x1a\x45\xdf\xa3",
    "asf": rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11",
    "flv": rb"FLV\x01",
    "ogg": rb"OggS",
    "mpeg": rb"\x00\x00\x01\xba",
    "mpegts": rb"G.{187}G|....G.{191}G",  # of cameras: a time before each packet
    "gif": rb"GIF8[79]a",
    "webp": rb"RIFF....WEBP",  # decoded by Pillow
}
_NAMES = "MP4, MOV, AVI, Matroska, WebM, WMV, FLV, Ogg, MPEG, animated GIF and WebP"
_IMAGES = rb"\x89PNG|\xff\xd8\xff|BM|II[*+]\0|MM\0[*+]|....ftyp(avif|avis|heic|heix|mif1|msf1|hevc)"
_BOXES = 1_000_000  # packets or tags that are looked at; no honest file has so many
_MOST = 2**16  # bytes of a header that are read
_FRAMES = 2**22  # of an MP4, 19 hours at 60 a second; a table of them all takes 150 MB
_EDITS = 1000  # of an MP4; the decoder makes a table of frames for each
_ONE = b"\0\0\0\1"
_COUNTS = re.compile(
    rb"st(sz|z2).{8}(?P<frames>.{4})|trun.{4}(?P<run>.{4})|elst.{4}(?P<edits>.{4})|(?P<packed>cmov.{4}dcom)", re.DOTALL
)


def container_of(file: BinaryIO, path: Path) -> str:
    """FFmpeg's name of the container, known by its first bytes and not by a name."""
    head = file.read(512)
    if not head:
        raise InputError(f"{path} is empty")
    if re.match(_IMAGES, head, re.DOTALL):
        raise InputError(f"{path} is a picture, not a clip")
    for name, signature in _CONTAINERS.items():
        if re.match(signature, head, re.DOTALL):
            return name
    raise InputError(f"{path} is no clip of the kinds that are read: {_NAMES}")


def is_complete(kind: str, file: BinaryIO) -> bool:
    """Whether nothing is missing at the end of a file; True where its container does not tell.

    Args:
        kind: FFmpeg's name of the container.
        file: the open clip; it is left at another place.
    """
    size = file.seek(0, 2)
    if kind == "avi":
        file.seek(4)
        return 8 + int.from_bytes(file.read(4), "little") <= size + 1
    if kind == "mpegts":
        file.seek(0)
        return size % (188 if file.read(1) == b"G" else 192) == 0
    checks = {
        "asf": _asf_complete,
        "flv": _flv_complete,
        "matroska": _matroska_complete,
        "mp4": _mp4_complete,
        "mpeg": _ps_complete,
        "ogg": _ogg_complete,
    }
    check = checks.get(kind)
    return check is None or check(file, size)


def check_counts(file: BinaryIO, path: Path) -> None:
    """Refuse more frames than the file has room for: the decoder would make a table of them all.

    It takes the boxes that state them wherever they stand; only what holds the frames themselves is passed over.
    """
    size = file.seek(0, 2)
    most = min(2 * size + 2**16, _FRAMES)  # of a clip that was cut off, the table may be whole
    sound, total, edits = _tables_of_sound(file, size), 0, 1
    for kind, start, end in _boxes(file, 0, size):
        if kind in (b"mdat", b"free", b"skip", b"wide"):
            continue
        for place in range(start, min(end, size), _MOST):
            file.seek(place)
            for found in _COUNTS.finditer(file.read(min(_MOST + 16, end - place))):
                if found.start() >= _MOST or place + found.start() + 4 in sound:
                    continue
                if found["packed"]:
                    raise InputError(f"{path} has a packed header, which is not read")
                edits = max(edits, int.from_bytes(found["edits"] or b"\1", "big"))
                total += int.from_bytes(found["frames"] or found["run"] or b"", "big")
                if total > most or edits > _EDITS:
                    stated = f"{total:,} frames" if total > most else f"{edits:,} edits"
                    raise InputError(
                        f"{path} is damaged: its header states {stated}, more than the file has room for or are read"
                    )


def _tables_of_sound(file: BinaryIO, size: int) -> set[int]:
    """Where an MP4 states how many samples its uncompressed sound has: millions, of which no table is made."""
    found: set[int] = set()
    for start, end in _inside(file, 0, size, (b"moov", b"trak", b"mdia")):
        file.seek(start)
        head = file.read(min(end - start, _MOST))
        times = re.findall(rb"stts.{4}(.{4}).{4}(.{4})", head, re.DOTALL)
        if end - start <= _MOST and b"soun" in head and b"vide" not in head and times == [(_ONE, _ONE)]:
            found.update(place for place, _ in _inside(file, start, end, (b"minf", b"stbl", b"stsz")))
    return found


def _inside(file: BinaryIO, start: int, end: int, path: tuple[bytes, ...]) -> Iterator[tuple[int, int]]:
    """Start and end of what is in the boxes at a path of names."""
    for kind, first, last in _boxes(file, start, end):
        if kind == path[0]:
            yield from [(first, last)] if len(path) == 1 else _inside(file, first, min(last, end), path[1:])


def _boxes(file: BinaryIO, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Name, start and end of what is in each box between two places; the last may end behind `end`."""
    for _ in range(_BOXES):
        if start + 8 > end:
            return
        file.seek(start)
        length, kind = struct.unpack(">I4s", file.read(8))
        header = 8
        if length == 1:
            length, header = int.from_bytes(file.read(8), "big"), 16
        elif length == 0:
            length = end - start
        if length < header or not kind.isascii():  # some recorders put bytes of their own behind the last box
            return
        yield kind, start + header, start + length
        start += length


def _mp4_complete(file: BinaryIO, size: int) -> bool:
    return all(end <= size for kind, _, end in _boxes(file, 0, size) if kind in (b"mdat", b"moov", b"moof"))


def _asf_complete(file: BinaryIO, size: int) -> bool:
    """The header states how long the file is, and the object of its data how long that is; live ones state neither."""
    file.seek(0)
    head = file.read(_MOST)
    place = head.find(b"\xa1\xdc\xab\x8c\x47\xa9\xcf\x11\x8e\xe4\x00\xc0\x0c\x20\x53\x65")  # file properties
    if place < 0 or place + 92 > len(head) or head[place + 88] & 1:
        return True
    start = int.from_bytes(head[16:24], "little")
    file.seek(min(start + 16, size))
    end = start + int.from_bytes(file.read(8), "little")
    return size >= max(end, int.from_bytes(head[place + 40 : place + 48], "little"))


def _matroska_complete(file: BinaryIO, size: int) -> bool:
    """The segment behind the header states how long it is, unless that was not known when it was begun."""
    end = 0
    for name in (b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"):
        file.seek(end)
        head = file.read(12)
        if head[:4] != name or not any(head[4:5]):
            return True
        width = 9 - head[4].bit_length()
        unknown = (1 << 7 * width) - 1
        length = int.from_bytes(head[4 : 4 + width], "big") & unknown
        if length == unknown:
            return True
        end += 4 + width + length
    return end <= size


def _flv_complete(file: BinaryIO, size: int) -> bool:
    """Tag after tag, each followed by its length; the first may state how long the file is, and lasts."""
    file.seek(5)
    place, time, metadata = int.from_bytes(file.read(4), "big"), 0, b""
    for _ in range(_BOXES):
        if size - place in (0, 4):
            break
        file.seek(place + 4)
        tag = file.read(11)
        if len(tag) < 11:
            return False
        if tag[0] not in (8, 9, 18):  # something else behind the clip
            break
        length, time = int.from_bytes(tag[1:4], "big"), int.from_bytes(tag[7:8] + tag[4:7], "big")
        if tag[0] == 18 and not metadata:
            metadata = file.read(min(length, _MOST))
        place += 15 + length
        if place > size:
            return False
    return size >= _flv_number(metadata, b"filesize") and time / 1000 + 1 >= _flv_number(metadata, b"duration")


def _flv_number(metadata: bytes, name: bytes) -> float:
    """A number of an FLV's metadata; 0 where it is not there."""
    place = metadata.find(len(name).to_bytes(2, "big") + name + b"\0")
    number = metadata[place + 3 + len(name) :][:8]
    return float(struct.unpack(">d", number)[0]) if place >= 0 and len(number) == 8 else 0.0


def _ogg_complete(file: BinaryIO, size: int) -> bool:
    """The last page says that it is the last."""
    start = max(0, size - 2**17)  # twice as long as a page can be
    file.seek(start)
    tail = file.read()
    place = tail.rfind(b"OggS\0")
    page = tail[place:]
    if place < 0 or len(page) < 27:
        return False
    return len(page) >= 27 + page[26] + sum(page[27 : 27 + page[26]]) and bool(page[5] & 4)


def _ps_complete(file: BinaryIO, size: int) -> bool:
    """Packet after packet, each with its length; no packet says that it is the last."""
    place = 0
    for _ in range(_BOXES):
        if place >= size:
            return place == size
        file.seek(place)
        head = file.read(14)
        if head[:3] != b"\0\0\1"[: len(head)]:  # padding, or something else behind the clip
            return True
        if head[3:4] == b"\xba":
            second = head[4:5] >= b"\x40"  # MPEG-2
            place += 14 + (head[13] & 7 if len(head) > 13 else 0) if second else 12
        elif head[3:4] == b"\xb9":
            place += 4
        else:
            place += 6 + int.from_bytes(head[4:6], "big")
    return True
