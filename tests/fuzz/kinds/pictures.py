"""Pictures: PNG chunks, JPEG segments, GIF blocks, BMP headers, RIFF chunks of WebP, TIFF directories, PNM headers."""

from __future__ import annotations

import io
import os
import re
import struct
import zlib
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from random import Random

import av
import numpy as np
from PIL import Image

from fuzz import Case, Finding
from fuzz.bend import SIDES, bend, number, packed, rearranged
from mien.errors import MienError
from mien.media.images import picture_size, read_picture

SECONDS, SECONDS_PER_MB, MEGABYTES, MEGABYTES_PER_MB = 3.0, 5.0, 70.0, 40.0
_LIMIT = 1_000_000  # pixels; what is decoded beyond it is seen as memory
_FORMATS = {"png": "PNG", "jpg": "JPEG", "gif": "GIF", "bmp": "BMP", "webp": "WEBP", "tif": "TIFF", "ppm": "PPM"}
_MODES = {
    "png": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
    "jpg": ("L", "RGB", "CMYK"),
    "gif": ("L", "P", "RGB"),
    "bmp": ("1", "L", "P", "RGB", "RGBA"),
    "webp": ("RGB", "RGBA"),
    "tif": ("1", "L", "P", "RGB", "RGBA", "CMYK", "I;16", "F"),
    "ppm": ("1", "L", "RGB", "I;16"),
}


def prepare() -> None:
    os.environ["MIEN_MAX_PIXELS"] = str(_LIMIT)
    read_picture(seed("png", "RGB", 40, 30, 0))
    Image.init()


def check(path: Path) -> bool:
    try:
        stated, shown = picture_size(path), picture_size(path, shown=True)
    except MienError:
        _check_refused(path)
        raise
    picture = read_picture(path)
    height, width = picture.shape[:2]
    if picture.dtype != np.uint8 or picture.shape[2:] != (3,) or height * width > _LIMIT:
        raise Finding(f"read as {picture.dtype} {picture.shape}")
    if shown != (width, height) or sorted(stated) != sorted(shown):
        raise Finding(f"the header says {stated}, shown as {shown}, and {width} x {height} came")
    if not np.array_equal(picture, read_picture(path.read_bytes())):
        raise Finding("the file and its bytes are read differently")
    other = _second_opinion(path)
    if other is not None and sorted(other) != sorted((width, height)):
        raise Finding(f"{width} x {height} came, and FFmpeg decodes {other[0]} x {other[1]}")
    return True


def _check_refused(path: Path) -> None:
    with suppress(MienError):
        read_picture(path)
        raise Finding("picture_size refuses what read_picture reads")


def _second_opinion(path: Path) -> tuple[int, int] | None:
    """The size that FFmpeg decodes, which is none of the decoders of mien; None where it does not.

    Of GIFs whose frames are larger than their screen, decoders take one or the other; FFmpeg reads comments in PNM
    headers otherwise than netpbm.
    """
    if re.match(rb"GIF8|P\d(?![ \n]\d+[ \n]\d+[ \n]\d)", path.read_bytes()):
        return None
    with suppress(Exception), av.open(str(path), options={"max_pixels": str(4 * _LIMIT)}) as file:
        frame = next(file.decode(video=0))
        return frame.width, frame.height
    return None


# ----------------------------------------------------------------------------------------------------------- making


@cache
def seed(kind: str, mode: str, width: int, height: int, variant: int) -> bytes:
    """A good picture, encoded by Pillow."""
    noise = np.random.default_rng(width * height + variant).integers(0, 256, (height, width, 3), np.uint8)
    noise[: height // 2] = noise[0, 0]
    picture = Image.fromarray(noise)
    if mode == "I;16":
        picture = Image.fromarray(noise[..., 0].astype(np.uint16) * 257)
    elif mode == "F":
        picture = Image.fromarray(noise[..., 0].astype(np.float32))
    else:
        picture = picture.convert(mode)
    options: dict[str, object] = {}
    if kind == "jpg":
        options = {"progressive": variant % 2 == 1, "restart_marker_blocks": variant % 3}
        options["subsampling"] = variant % 3
        if variant == 2:
            exif = Image.Exif()
            exif[274] = 6
            options["exif"] = exif
    elif kind == "tif":
        options = {"compression": (None, "tiff_lzw", "tiff_adobe_deflate", "packbits")[variant]}
        options["big_tiff"] = variant == 3
    elif kind == "webp":
        options = {"lossless": variant % 2 == 1, "exif": b"Exif\0\0" + exif_block(6) if variant == 2 else b""}
    elif kind == "gif" and variant:
        options = {"save_all": True, "append_images": [picture.rotate(90)], "loop": 0}
    elif kind == "png" and variant == 3:
        options = {"save_all": True, "append_images": [picture.rotate(180)]}
    made = io.BytesIO()
    picture.save(made, _FORMATS[kind], **options)
    return made.getvalue()


@cache
def large(kind: str) -> bytes:
    """A small file of many times the pixels that are let through, for a header that hides it."""
    options: dict[str, object] = {"tif": {"compression": "tiff_adobe_deflate"}, "webp": {"lossless": True}}.get(
        kind, {}
    )
    made = io.BytesIO()
    Image.new("L" if kind != "webp" else "RGB", (6000, 6000)).save(made, _FORMATS[kind], **options)
    return made.getvalue()


def exif_block(orientation: int) -> bytes:
    """A TIFF header with one tag."""
    return struct.pack("<2sHIHHHIHHI", b"II", 42, 8, 1, 274, 3, 1, orientation, 0, 0)


def make(rng: Random) -> Case:
    kind = rng.choice(list(_FORMATS))
    side = rng.choice(((3, 2), (17, 9), (40, 30), (64, 48)))
    data = seed(kind, rng.choice(_MODES[kind]), *side, rng.randrange(4))
    if kind not in ("ppm", "bmp") and rng.random() < 0.15:
        data = large(kind)
    what = rng.random()
    if what < 0.04:
        data = rng.randbytes(rng.randint(0, 400))
    elif what < 0.1:
        data = data[: rng.randint(4, 40)] + rng.randbytes(rng.randint(0, 4000))
    elif what < 0.3:
        data = bend(rng, data)
    elif what > 0.97:
        pass  # a good one
    else:
        data = _STRUCTURED[kind](rng, data)
        if rng.random() < 0.1:
            data = bend(rng, data, 2)
    return Case("picture." + (kind if rng.random() < 0.9 else rng.choice(list(_FORMATS))), data)


def _side(rng: Random) -> int:
    return rng.choice(SIDES)


def png_chunk(kind: bytes, data: bytes, *, valid: bool = True) -> bytes:
    """A chunk with its check sum, or a wrong one."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data) ^ (not valid))


def png_chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    """Kind and data of each chunk of a good PNG."""
    found, place = [], 8
    while place < len(data):
        (length,) = struct.unpack_from(">I", data, place)
        found.append((data[place + 4 : place + 8], data[place + 8 : place + 8 + length]))
        place += 12 + length
    return found


def _png(rng: Random, data: bytes) -> bytes:
    chunks = [kind + content for kind, content in png_chunks(data)]

    def spare() -> bytes:
        kind = rng.choice(
            (
                b"IHDR",
                b"prIv",
                b"eXIf",
                b"iCCP",
                b"zTXt",
                b"tEXt",
                b"acTL",
                b"fcTL",
                b"fdAT",
                b"PLTE",
                b"tRNS",
                b"IDAT",
                b"IEND",
                b"CgBI",
                b"\0\0\0\0",
            )
        )
        if kind == b"IHDR":
            depth, color = rng.choice((1, 2, 4, 8, 16, 3)), rng.choice((0, 2, 3, 4, 6, 1))
            return kind + struct.pack(">IIBBBBB", _side(rng), _side(rng), depth, color, 0, 0, rng.randrange(2))
        if kind in (b"iCCP", b"zTXt"):
            return kind + b"x\0\0" + zlib.compress(bytes(rng.choice((10, 10**5, 10**7))))
        if kind == b"eXIf":
            return kind + exif_block(rng.randrange(10))
        if kind == b"acTL":
            return kind + struct.pack(">II", number(rng) % 2**32, number(rng) % 2**32)
        if kind == b"fcTL":
            sides = (_side(rng), _side(rng), rng.choice((0, 1, 9)), rng.choice((0, 1, 9)))
            return kind + struct.pack(">IIIIIHHBB", rng.randrange(3), *sides, 1, 10, rng.randrange(4), rng.randrange(3))
        if kind == b"IDAT":
            return kind + zlib.compress(bytes(rng.choice((0, 100, 10**6, 10**7))))
        if kind == b"prIv" and rng.random() < 0.5:
            return kind + struct.pack(">II", _side(rng), _side(rng))
        return kind + rng.randbytes(rng.choice((0, 1, 3, 256, 768)))

    made = list(chunks)
    what = rng.randrange(3)
    if what == 0:
        made = rearranged(rng, chunks, spare)
    elif what == 1:
        made.insert(0, spare())
    else:  # another size, or something before it
        made[0] = made[0][:4] + struct.pack(">II", _side(rng), _side(rng)) + made[0][12:]
        if rng.random() < 0.4:
            made.insert(0, spare())
        if rng.random() < 0.4:
            made.insert(rng.randrange(1, len(made)), chunks[0])
    honest = rng.random() < 0.9
    return data[:8] + b"".join(png_chunk(c[:4], c[4:], valid=honest or rng.random() < 0.7) for c in made)


def jpeg_segments(data: bytes) -> list[bytes]:
    """The markers of a good JPEG with what belongs to each; pixels go with their start of scan."""
    found, place = [data[:2]], 2
    while place < len(data):
        end = place + 2 + (struct.unpack_from(">H", data, place + 2)[0] if data[place + 1] != 0xD9 else 0)
        if data[place + 1] == 0xDA:
            while end + 1 < len(data) and (data[end] != 0xFF or data[end + 1] in (0, *range(0xD0, 0xD8))):
                end += 1
        found.append(data[place:end])
        place = end
    return found


def _jpeg(rng: Random, data: bytes) -> bytes:
    def spare() -> bytes:
        marker = rng.choice((0xC0, 0xC1, 0xC2, 0xC3, 0xC9, 0xDC, 0xDD, 0xE1, 0xE2, 0xED, 0xEE, 0xFE, 0xC4, 0xDB, 0x01))
        body = rng.randbytes(rng.choice((0, 1, 6, 40)))
        if 0xC0 <= marker <= 0xC9 and marker != 0xC4:
            body = struct.pack(">BHHB", rng.choice((8, 8, 12)), _side(rng), _side(rng), 1) + b"\1\x11\0"
        elif marker == 0xDC:
            body = struct.pack(">H", _side(rng))
        elif marker == 0xE1:
            body = b"Exif\0\0" + bend(rng, exif_block(rng.randrange(10)), 1)
        elif marker == 0xEE:
            body = b"Adobe\0d\0\0\0\0" + bytes([rng.randrange(4)])
        return bytes((0xFF, marker)) + struct.pack(">H", len(body) + 2) + body

    segments = jpeg_segments(data)
    what = rng.randrange(4)
    if what == 0:
        place = next(i for i, s in enumerate(segments) if 0xC0 <= s[1] <= 0xC2)
        size = struct.pack(">HH", _side(rng), _side(rng))
        segments[place] = segments[place][:5] + size + segments[place][9:]
    elif what == 1:
        for _ in range(rng.randint(1, 3)):
            filler = rng.choice((b"", b"\xff", b"\xff\xff\xff", b"\0", b"xx"))
            segments.insert(rng.randrange(1, len(segments)), spare() + filler)
    elif what == 2:
        scan = next(s for s in segments if s[1] == 0xDA)
        segments[-1:-1] = [scan] * rng.choice((1, 5, 99, 120))
    else:
        segments = rearranged(rng, segments, spare)
    return b"".join(segments)


def _gif(rng: Random, data: bytes) -> bytes:
    made = bytearray(data)
    table = 3 * 2 ** ((data[10] & 7) + 1) if data[10] & 0x80 else 0
    what = rng.randrange(4)
    if what == 0:
        made[6:10] = struct.pack("<HH", _side(rng), _side(rng))
    elif what == 1:
        frame = made.find(b",", 13 + table)
        made[frame + 1 : frame + 9] = struct.pack("<4H", *(rng.choice((0, 0, 1, 9, _side(rng))) for _ in range(4)))
    elif what == 2:
        place = 13 + table
        name, count = rng.choice((0xF9, 0xFE, 0xFF, 0x01, 0)), rng.choice((0, 1, 4, 11, 255))
        made[place:place] = bytes((0x21, name, count)) + rng.randbytes(count) + rng.choice((b"\0", b"", b"\xff"))
    else:
        made[10] = rng.randrange(256)
    return bytes(made)


def _bmp(rng: Random, data: bytes) -> bytes:
    made = bytearray(data)
    for _ in range(rng.randint(1, 3)):
        what = rng.randrange(6)
        if what == 0:
            sign = rng.choice((1, 1, -1))
            made[18:26] = struct.pack("<ii", rng.choice((1, -1)) * _side(rng), sign * _side(rng))
        elif what == 1:
            made[14:18] = struct.pack("<I", rng.choice((12, 16, 40, 52, 56, 64, 108, 124, 0, 2**31)))
        elif what == 2:
            made[28:30] = struct.pack("<H", rng.choice((0, 1, 2, 4, 8, 16, 24, 32, 64)))
        elif what == 3:
            made[30:34] = struct.pack("<I", rng.choice((0, 1, 2, 3, 4, 5, 6, 11)))
        elif what == 4:
            made[46:50] = packed(number(rng), 4, "<")
        else:
            made[10:14] = packed(number(rng), 4, "<")
    return bytes(made)


def riff_chunks(data: bytes) -> list[bytes]:
    """Name and data of each chunk behind the twelve bytes of a RIFF."""
    found, place = [], 12
    while place + 8 <= len(data):
        (length,) = struct.unpack_from("<I", data, place + 4)
        found.append(data[place : place + 4] + data[place + 8 : place + 8 + length])
        place += 8 + length + length % 2
    return found


def riff(kind: bytes, chunks: list[bytes]) -> bytes:
    """A RIFF of chunks, each its name and data."""
    body = b"".join(c[:4] + struct.pack("<I", len(c) - 4) + c[4:] + b"\0" * (len(c) % 2) for c in chunks if len(c) > 3)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + kind + body


def _webp(rng: Random, data: bytes) -> bytes:
    def three(value: int) -> bytes:
        return packed(max(0, value - 1), 3, "<")

    chunks = riff_chunks(data)

    def spare() -> bytes:
        kind = rng.choice((b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF", b"EXIF", b"ICCP", b"XMP "))
        if kind == b"VP8X":
            return kind + bytes([rng.randrange(64), 0, 0, 0]) + three(_side(rng)) + three(_side(rng))
        if kind == b"VP8 ":
            sides = struct.pack("<HH", _side(rng) & 0x3FFF, _side(rng) & 0x3FFF)
            return kind + b"\x50\x01\x00\x9d\x01\x2a" + sides + rng.randbytes(60)
        if kind == b"VP8L":
            bits = (_side(rng) - 1) % 16384 | ((_side(rng) - 1) % 16384) << 14
            return kind + b"\x2f" + struct.pack("<I", bits) + rng.randbytes(60)
        if kind == b"ANMF":
            frame = b"".join(three(_side(rng)) for _ in range(4)) + bytes(4)
            return kind + frame + riff(b"WEBP", chunks)[12:]
        if kind == b"EXIF":
            return kind + exif_block(rng.randrange(10))
        return kind + rng.randbytes(rng.choice((0, 6, 40)))

    if rng.random() < 0.5:
        chunks = [spare(), *chunks] if rng.random() < 0.7 else [*chunks, spare()]
    else:
        chunks = rearranged(rng, chunks, spare)
    made = riff(b"WEBP", chunks)
    return made if rng.random() < 0.8 else made[:4] + packed(number(rng), 4, "<") + made[8:]


_TIFF_TAGS = (
    254,
    256,
    257,
    258,
    259,
    262,
    266,
    273,
    274,
    277,
    278,
    279,
    282,
    284,
    317,
    318,
    320,
    322,
    323,
    324,
    325,
    330,
    332,
    338,
    339,
    347,
    530,
    34_665,
    50_706,
)
_TIFF_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}


def _tiff(rng: Random, data: bytes) -> bytes:
    order, big = "<" if data[:2] == b"II" else ">", data[2] == 43
    offset = struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)[0]
    head, entry = (8, 20) if big else (2, 12)
    count = int.from_bytes(data[offset : offset + head], "little" if order == "<" else "big")
    entries = [data[offset + head + i * entry : offset + head + (i + 1) * entry] for i in range(count)]
    wide = 8 if big else 4

    def tag() -> bytes:
        name = rng.choice(_TIFF_TAGS)
        kind = rng.choice((3, 3, 4, 4, 1, 2, 5, 7, 12, 16, 0, 99))
        size = _TIFF_SIZES.get(kind, 1)
        value = _side(rng) if name in (256, 257, 278, 322, 323) else number(rng)
        times = rng.choice((1, 1, 1, 0, 2, number(rng)))
        field = packed(value, min(size, wide), order).ljust(wide, b"\0")
        return packed(name, 2, order) + packed(kind, 2, order) + packed(times, wide, order) + field

    for _ in range(rng.randint(1, 4)):
        what, place = rng.randrange(5), rng.randrange(len(entries)) if entries else 0
        if what <= 1 or not entries:
            entries.insert(place, tag())
        elif what == 2:
            entries[place] = tag()
        elif what == 3:
            size = rng.choice((wide, 2))
            entries[place] = entries[place][: 4 + wide] + packed(_side(rng), size, order).ljust(wide, b"\0")
        else:
            del entries[place]
    if rng.random() < 0.7:
        entries.sort(key=lambda e: int.from_bytes(e[:2], "little" if order == "<" else "big"))
    after = rng.choice((0, 0, 0, len(data), 8, number(rng)))
    directory = packed(len(entries), head, order) + b"".join(entries) + packed(after, wide, order)
    start = (8 if big else 4) if rng.random() < 0.98 else 0
    return data[:start] + packed(len(data), wide, order) + data[start + wide :] + directory


def _pnm(rng: Random, data: bytes) -> bytes:
    def gap() -> bytes:
        if rng.random() < 0.6:
            return rng.choice((b" ", b"\n"))
        return rng.choice((b"\t", b"\r", b"\v", b" # 9000 9000\n", b"#x\r", b"\r#\n", b"\n#7 7\r9000\n", b""))

    kind, depth = rng.choice((b"P1", b"P2", b"P3", b"P4", b"P5", b"P6", b"P7", b"Pf")), rng.choice((1, 255, 65535, 0))
    sides = [b"%d" % _side(rng) if rng.random() < 0.9 else rng.choice((b"+7", b"-3", b"07", b"7.0")) for _ in "wh"]
    head = kind + gap() + sides[0] + gap() + sides[1] + gap()
    head += b"" if kind in (b"P1", b"P4") else str(depth).encode() + gap()
    if kind == b"P7":
        head = b"P7\nWIDTH %b\nHEIGHT %b\nDEPTH 3\nMAXVAL 255\nTUPLTYPE RGB\nENDHDR\n" % tuple(sides)
    body = b" ".join(b"%d" % rng.randrange(300) for _ in range(400)) if kind in (b"P1", b"P2", b"P3") else data
    return head + body * rng.choice((1, 1, 20))


_STRUCTURED: dict[str, Callable[[Random, bytes], bytes]] = {
    "png": _png,
    "jpg": _jpeg,
    "gif": _gif,
    "bmp": _bmp,
    "webp": _webp,
    "tif": _tiff,
    "ppm": _pnm,
}
