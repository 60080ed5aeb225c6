"""Clips: MP4 boxes, RIFF chunks, Matroska elements, FLV tags, TS packets, ASF objects, Ogg pages, and playlists."""

from __future__ import annotations

import os
import struct
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from itertools import pairwise
from pathlib import Path
from random import Random

import av
import numpy as np

from filmed import noisy, write_clip
from fuzz import Case, Finding
from fuzz.bend import SIDES, bend, number, packed, rearranged
from mien.media.clips import ClipReader

SECONDS, SECONDS_PER_MB, MEGABYTES, MEGABYTES_PER_MB = 6.0, 5.0, 150.0, 40.0
_LIMIT = 1_000_000  # pixels of a frame
_MOST = 400  # frames that are looked at
_FRAMES = 10
_SEEDS: dict[str, dict[str, object]] = {
    "mp4": {"codec": "libx264", "key_every": 4},
    "frag.mp4": {"codec": "libx264", "muxer": {"movflags": "frag_keyframe+empty_moov"}},
    "mov": {"codec": "mjpeg", "rotation": 90},
    "avi": {"codec": "mpeg4"},
    "mkv": {"codec": "libx264", "b_frames": 2},
    "webm": {"codec": "libvpx", "options": {"deadline": "realtime", "cpu-used": "8"}},
    "flv": {"codec": "flv"},
    "ts": {"codec": "mpeg2video", "container": "mpegts"},
    "mpg": {"codec": "mpeg1video", "container": "mpeg"},
    "wmv": {"codec": "wmv2", "container": "asf"},
    "sound.mp4": {"codec": "libx264", "audio": True},
}


def prepare() -> None:
    os.environ["MIEN_MAX_PIXELS"] = str(_LIMIT)
    for name in _SEEDS:
        seed(name)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.mp4")
        path.write_bytes(seed("mp4"))
        with ClipReader(path) as clip:
            list(clip)


@cache
def seed(name: str) -> bytes:
    """A good clip of ten frames."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "clip." + name)
        options = {"fps": 25, **_SEEDS[name]}
        return write_clip(path, noisy(_FRAMES), **options).read_bytes()  # type: ignore[arg-type]


def check(path: Path) -> bool:
    with ClipReader(path, threads=1) as clip:
        info = clip.info
        if not (0 < info.width * info.height <= _LIMIT and 0 <= info.duration < 1e9 and 0 <= info.rate < 1e10):
            raise Finding(f"what is known of it is impossible: {info}")
        times, numbers = [], []
        for frame in clip:
            if frame.picture.shape != (info.height, info.width, 3) or frame.picture.dtype != np.uint8:
                raise Finding(f"a frame of {frame.picture.shape} where {info} is said")
            times.append(frame.time)
            numbers.append(frame.number)
            if len(times) == _MOST:
                break
    if times and (times[0] < 0 or any(b <= a for a, b in (*pairwise(times), *pairwise(numbers)))):
        raise Finding(f"times or numbers do not rise: {times[:9]} {numbers[:9]}")
    if clip.skipped < 0 or clip.decoded < len(times) or info.frames < 0:
        raise Finding(f"{clip.skipped} frames skipped, {clip.decoded} decoded, {info.frames} in the file")
    if path.name.startswith("cut") and len(times) < _FRAMES and not clip.problem and not clip.skipped:
        raise Finding(f"{len(times)} of {_FRAMES} frames were read of a clip that was cut off, and nothing said")
    sides = _second_opinion(path)
    if sides and not sides & {info.width, info.height}:  # a side may have been stretched where pixels are not square
        raise Finding(f"frames of {info.width} x {info.height}, and PyAV decodes sides of {sorted(sides)[:6]}")
    return bool(times)


def _second_opinion(path: Path) -> set[int]:
    """The widths and heights of the first frames as PyAV decodes them alone; none where it does not."""
    sides = set[int]()
    with suppress(Exception), av.open(str(path)) as clip:  # PyAV raises many kinds
        for count, frame in enumerate(clip.decode(video=0)):
            sides |= {frame.width, frame.height}
            if count == _FRAMES:
                break
    return sides


# ----------------------------------------------------------------------------------------------------------- making


def make(rng: Random) -> Case:
    name = rng.choice(list(_SEEDS))
    data, suffix = seed(name), name.rpartition(".")[2]
    what = rng.random()
    if what < 0.05:
        return Case("cut." + suffix, data[: rng.randint(len(data) // 10, len(data) * 9 // 10)])
    if what < 0.12:
        return Case("list" + rng.choice((".m3u8", ".mp4", ".flv", ".ts", ".avi", ".mkv")), _playlist(rng))
    if what < 0.15:
        data = data[: rng.randint(4, 200)] + rng.randbytes(rng.randint(0, 3000))
    elif what < 0.35:
        data = bend(rng, data)
    elif what < 0.97:
        data = _STRUCTURED[suffix](rng, data)
        if rng.random() < 0.15:
            data = bend(rng, data, 2)
    return Case("clip." + (suffix if rng.random() < 0.9 else rng.choice(("mp4", "avi", "mkv", "ts", "ogv"))), data)


_PARENTS = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"mvex", b"moof", b"traf", b"dinf")
_OPEN = "http://127.0.0.1:@PORT@/canary.ts"


def _playlist(rng: Random) -> bytes:
    """Files that name other files, perhaps behind the first bytes of a clip."""
    first = rng.choice(
        (
            b"",
            b"",
            b"FLV\x01",
            b"FLV\x01\n",
            b"\0\0\0\x08ftyp",
            b"RIFF\0\0\0\0AVI ",
            b"OggS",
            b"\x1a\x45\xdf\xa3",
            b"G" + bytes(187) + b"G" + bytes(187),
            b"\0\0\x01\xba",
        )
    )
    target = rng.choice(
        ("@SECRET@", "file://@SECRET@", _OPEN, "concat:@SECRET@|@SECRET@", "subfile,,start,0,end,9,,:@SECRET@")
    )
    body = rng.choice(
        (
            "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{}\n#EXT-X-ENDLIST\n",
            "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{}\n",
            "ffconcat version 1.0\nfile '{}'\n",
            "v=0\nm=video 9 RTP/AVP 96\nc=IN IP4 127.0.0.1\na=control:{}\n",
            '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period><AdaptationSet><Representation '
            "id='1' bandwidth='1'><BaseURL>{}</BaseURL><SegmentBase/></Representation></AdaptationSet></Period></MPD>",
            "[playlist]\nFile1={}\n",
            "RTSPtext {}\n",
        )
    )
    return first + body.format(target).encode()


def boxes(data: bytes) -> list[tuple[bytes, bytes | list]]:  # type: ignore[type-arg]
    """The tree of an MP4's boxes."""
    found: list[tuple[bytes, bytes | list]] = []  # type: ignore[type-arg]
    place = 0
    while place + 8 <= len(data):
        length = max(8, struct.unpack_from(">I", data, place)[0])
        kind, body = data[place + 4 : place + 8], data[place + 8 : place + length]
        found.append((kind, boxes(body) if kind in _PARENTS else body))
        place += length
    return found


def boxed(tree: list[tuple[bytes, bytes | list]]) -> bytes:  # type: ignore[type-arg]
    """Boxes from their tree, with lengths that fit."""
    made = b""
    for kind, body in tree:
        content = boxed(body) if isinstance(body, list) else body
        made += struct.pack(">I", len(content) + 8) + kind + content
    return made


def _mp4(rng: Random, data: bytes) -> bytes:
    tree = boxes(data)
    for _ in range(rng.randint(1, 3)):
        level = tree
        while level and rng.random() < 0.85:
            inner = [body for _, body in level if isinstance(body, list) and body]
            if not inner:
                break
            level = rng.choice(inner)
        if not level:
            continue
        place, what = rng.randrange(len(level)), rng.randrange(12)
        kind, body = level[place]
        if what == 0:
            del level[place]
        elif what == 1:
            level.insert(rng.randrange(len(level) + 1), level[place])
        elif what == 2:
            other = rng.randrange(len(level))
            level[place], level[other] = level[other], level[place]
        elif what == 3:
            level[place] = rng.choice((b"free", b"uuid", b"moov", b"trak", b"stsd", b"cmov", b"\0\0\0\0")), body
        elif isinstance(body, bytes) and body:
            level[place] = kind, _numbers(rng, body, ">")
    made = boxed(tree)
    if rng.random() < 0.15:  # a length that lies
        places = [
            i for i in range(4, len(made) - 4) if made[i : i + 4] in (*_PARENTS, b"mdat", b"stsd", b"stts", b"ftyp")
        ]
        place = rng.choice(places or [4])
        made = made[: place - 4] + packed(number(rng), 4, ">") + made[place:]
    return made


def _numbers(rng: Random, data: bytes, order: str) -> bytes:
    """A few numbers put at even places."""
    made = bytearray(data)
    for _ in range(rng.randint(1, 2)):
        size = rng.choice((1, 2, 4, 4, 4, 8))
        place = rng.randrange(max(1, min(len(made), 200) - size + 1)) // min(size, 2) * min(size, 2)
        value = rng.choice(SIDES) if rng.random() < 0.3 else -number(rng) if rng.random() < 0.2 else number(rng)
        made[place : place + size] = packed(value, size, order)
    return bytes(made)


def _bent(cut: Callable[[bytes], list[bytes]], order: str) -> Callable[[Random, bytes], bytes]:
    """Bends the units that a format's *cut* finds: their order, or numbers in their first bytes."""

    def bent(rng: Random, data: bytes) -> bytes:
        units = cut(data)
        if rng.random() < 0.5:
            return b"".join(rearranged(rng, units))
        for _ in range(rng.randint(1, 3)):
            place = min(rng.randrange(len(units)), rng.randrange(len(units)))
            units[place] = _numbers(rng, units[place], order) if units[place] else b""
        return b"".join(units)

    return bent


def _at(data: bytes, places: list[int]) -> list[bytes]:
    edges = sorted({0, *places, len(data)})
    return [data[a:b] for a, b in pairwise(edges)]


def _found(data: bytes, *marks: bytes) -> list[bytes]:
    """Cut before every mark."""
    return _at(data, [i for i in range(len(data)) if data.startswith(marks, i)])


def _riff(data: bytes) -> list[bytes]:
    return _found(data, b"RIFF", b"LIST", b"avih", b"strh", b"strf", b"00dc", b"00db", b"idx1", b"JUNK", b"vprp")


def _matroska(data: bytes) -> list[bytes]:
    """Elements by the ids of four bytes, and some of the others that matter: blocks, tracks, sizes, codecs."""
    ids = (0x1A45DFA3, 0x18538067, 0x114D9B74, 0x1549A966, 0x1654AE6B, 0x1F43B675, 0x1C53BB6B, 0x2AD7B1)
    long = tuple(i.to_bytes(4, "big") for i in ids[:-1])
    return _found(data, *long, b"\xa3", b"\xae", b"\xe0", b"\xb0", b"\xba", b"\x63\xa2", b"\x86", b"\xe7")


def _flv(data: bytes) -> list[bytes]:
    places, place = [9], 13
    while place + 11 <= len(data):
        places.append(place)
        place += 15 + int.from_bytes(data[place + 1 : place + 4], "big")
    return _at(data, places)


def _ts(data: bytes) -> list[bytes]:
    return [data[i : i + 188] for i in range(0, len(data), 188)]


def _ps(data: bytes) -> list[bytes]:
    return _found(data, *(b"\0\0\1" + bytes([kind]) for kind in (0xBA, 0xBB, 0xE0, 0xB3, 0x00, 0xB8)))


def _asf(data: bytes) -> list[bytes]:
    guids = ("3026b2758e66cf11", "a1dcab8c47a9cf11", "9107dcb7b7a9cf11", "b503bf5f2ea9cf11", "3626b2758e66cf11")
    return _found(data, *map(bytes.fromhex, guids), b"\x82\0\0")


_STRUCTURED: dict[str, Callable[[Random, bytes], bytes]] = {
    "mp4": _mp4,
    "mov": _mp4,
    "avi": _bent(_riff, "<"),
    "mkv": _bent(_matroska, ">"),
    "webm": _bent(_matroska, ">"),
    "flv": _bent(_flv, ">"),
    "ts": _bent(_ts, ">"),
    "mpg": _bent(_ps, ">"),
    "wmv": _bent(_asf, "<"),
}
