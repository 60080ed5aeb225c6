"""What kind of clip a file is, by its bytes: only what is known goes to the decoder, and a missing end is noticed."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

_KINDS = "MP4, MOV, AVI, Matroska, WebM, WMV, FLV, Ogg, MPEG-PS, MPEG-TS"
_MP4_FIRST = b"ftyp|moov|mdat|free|skip|wide|pnot|styp|moof|sidx|uuid"
_STILLS = (b"heic", b"heix", b"mif1", b"avif")  # pictures in the same container
_MOST = 2**16  # bytes of a box that are looked at
_BOXES = 1_000_000  # boxes beside each other; no honest file has so many
_COUNTS = re.compile(rb"stsz.{8}(?P<frames>.{4})|trun.{4}(?P<run>.{4})|(?P<packed>cmov.{4}dcom)", re.DOTALL)
_PICTURES = rb"\xff\xd8\xff|\x89PNG|GIF8|BM|RIFF....WEBP|II\*\x00|MM\x00\*|P[1-6]\s"


class NotAClip(Exception):
    """Says what is wrong, to follow the name of the file."""


@dataclass(frozen=True)
class Container:
    """What the outer structure of a clip says.

    Attributes:
        kind: "mp4" (also MOV), "avi", "matroska" (also WebM), "asf", "flv", "ogg", "mpeg" (program stream) or
            "mpegts".
        complete: False where the structure says that the file was longer.
        seconds: how long the pictures are shown, where the container is an MP4 that says so; what was trimmed away
            without being taken out of the file does not count.
    """

    kind: str
    complete: bool = True
    seconds: float | None = None


def read_container(file: BinaryIO) -> Container:
    """The container of an open file, from its first bytes and not from a name.

    Other formats that FFmpeg knows are refused, among them playlists, which name further files and addresses to read.

    Raises:
        NotAClip: it is of no known kind, holds sound alone, or was not written to its end and cannot be read.
    """
    size = file.seek(0, 2)
    file.seek(0)
    head = file.read(512)
    if not head:
        raise NotAClip("is empty")
    try:
        if re.match(_MP4_FIRST, head[4:8]):
            return _mp4(file, size)
        if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
            return Container("avi", _riff_complete(file, size))
        if head[:4] == b"\x1a\x45\xdf\xa3":
            return Container("matroska", _matroska_complete(head, size))
    except struct.error:
        raise NotAClip("is cut off at its beginning") from None
    for kind, signature, is_complete in (
        ("asf", b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", _asf_complete),
        ("flv", b"FLV\x01", _flv_complete),
        ("ogg", b"OggS", _ogg_complete),
        ("mpeg", b"\x00\x00\x01\xba", _ps_complete),
    ):
        if head.startswith(signature):
            return Container(kind, is_complete(file, size))
    for first in (0, 4):  # 4: the packets of a camera carry a time before each
        step = 188 + first
        if head[first::step][:2] == b"GG" and len(head) > first + step:
            return Container("mpegts", size % step == 0)
    if re.match(_PICTURES, head, re.DOTALL):
        raise NotAClip("is a picture, not a clip")
    raise NotAClip(f"is no clip of the kinds that are read: {_KINDS}")


def _mp4(file: BinaryIO, size: int) -> Container:
    kinds, complete, seconds = set(), True, None
    for kind, start, end in _boxes(file, 0, size):
        complete = end <= size or kind not in (b"mdat", b"moov", b"moof")
        if not complete and kind == b"moov":
            break  # half a table of frames is as good as none
        kinds.add(kind)
        if kind == b"moov":
            seconds = _seconds_shown(file, start, end)
    if not kinds & {b"moov", b"moof"}:
        file.seek(8)
        if file.read(4) in _STILLS:
            raise NotAClip("is a picture, not a clip")
        raise NotAClip("was not written to its end: its table of frames (moov) is missing")
    _check_counts(file, size)
    return Container("mp4", complete, seconds)


def _check_counts(file: BinaryIO, size: int) -> None:
    """Refuse more frames than the file has room for: the decoder would make a table of them all.

    It takes the boxes that state them wherever they stand; only what holds the frames themselves is passed over.
    """
    most = 2 * size + 2**16  # of a clip that was cut off, the table may be whole
    for kind, start, end in _boxes(file, 0, size):
        if kind in (b"mdat", b"free", b"skip", b"wide"):
            continue
        for place in range(start, min(end, size), _MOST):
            file.seek(place)
            for found in _COUNTS.finditer(file.read(min(_MOST + 16, end - place))):
                if found["packed"]:
                    raise NotAClip("has a packed header, which is not read")
                count = int.from_bytes(found["frames"] or found["run"], "big")
                if count > most:
                    raise NotAClip(f"is damaged: its header says {count:,} frames, more than the file has room for")


def _seconds_shown(file: BinaryIO, start: int, end: int) -> float | None:
    """How long the first track with pictures is shown; None if the header does not say."""
    header = _find(file, (b"mvhd",), start, end)
    scale = int.from_bytes(header[20:24] if header[:1] == b"\1" else header[12:16], "big")
    handlers: set[bytes] = set()
    for kind, first, behind in _boxes(file, start, end):
        if kind != b"trak":
            continue
        last = min(behind, end)
        handler = _find(file, (b"mdia", b"hdlr"), first, last)[8:12]
        handlers |= {handler} - {b""}
        if handler == b"vide":
            edits, track = _find(file, (b"edts", b"elst"), first, last), _find(file, (b"tkhd",), first, last)
            ticks = _edited(edits) or int.from_bytes(track[28:36] if track[:1] == b"\1" else track[20:24], "big")
            return ticks / scale if scale and 0 < ticks < 2**32 - 1 else None
    if handlers:
        raise NotAClip("holds no pictures, only " + ("sound" if b"soun" in handlers else "other data"))
    return None


def _edited(edits: bytes) -> int:
    """How long all parts of an edit list are together, without waiting."""
    long = edits[:1] == b"\1"
    entry = struct.Struct(">QqI" if long else ">IiI")
    entries = edits[8 : 8 + len(edits[8:]) // entry.size * entry.size]
    return sum(length for length, start, _ in entry.iter_unpack(entries) if start >= 0)


def _find(file: BinaryIO, names: tuple[bytes, ...], start: int, end: int) -> bytes:
    """What is in the first box of that name, in the first of the one before it …; nothing where there is none."""
    for kind, first, last in _boxes(file, start, end):
        if kind == names[0]:
            if names[1:]:
                return _find(file, names[1:], first, min(last, end))
            file.seek(first)
            return file.read(min(last - first, _MOST))
    return b""


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


def _riff_complete(file: BinaryIO, size: int) -> bool:
    """A long AVI is several RIFFs one after the other."""
    start = 0
    while start + 12 <= size:
        file.seek(start)
        kind, length = struct.unpack("<4sI", file.read(8))
        if kind != b"RIFF" or not length:
            return True
        start += 8 + length + length % 2
        if start > size + 1:
            return False
    return True


def _matroska_complete(head: bytes, size: int) -> bool:
    header, place = _vint(head, 4)
    place += header
    if head[place : place + 4] != b"\x18\x53\x80\x67":
        return True
    length, place = _vint(head, place + 4)
    return length < 0 or place + length <= size


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


def _vint(data: bytes, place: int) -> tuple[int, int]:
    """A number of Matroska's and the place behind it; -1 means that it is not known."""
    if place >= len(data) or not data[place]:
        raise NotAClip("is damaged at its beginning")
    width = 9 - data[place].bit_length()
    if place + width > len(data):
        raise NotAClip("is cut off at its beginning")
    value = int.from_bytes(data[place : place + width], "big") & (2 ** (7 * width) - 1)
    return (-1 if value == 2 ** (7 * width) - 1 else value), place + width
