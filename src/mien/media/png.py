"""Whether a PNG holds all rows that its header states: Pillow leaves those black that a stream does not reach."""

from __future__ import annotations

import zlib
from itertools import pairwise

_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by color type
#: Left, top, step across and step down of each pass of an interlaced image (Adam7).
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
_PIECE = 1 << 20


def is_short(data: bytes) -> bool:
    """Whether the pixels of a PNG, the file of which Pillow has read, unpack to fewer bytes than its size needs."""
    width, height = int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    bits = data[24] * _CHANNELS.get(data[25], 1)
    passes = _PASSES if data[28] else ((0, 0, 1, 1),)
    needed = 0
    for left, top, across, down in passes:
        columns, rows = -(-max(0, width - left) // across), -(-max(0, height - top) // down)
        needed += rows * (1 + -(-columns * bits // 8)) if columns else 0
    stream, found, place = zlib.decompressobj(), 0, 8
    while place + 12 <= len(data) and found < needed:
        end = place + 8 + int.from_bytes(data[place : place + 4], "big")
        if data[place + 4 : place + 8] == b"IDAT":
            for start, stop in pairwise([*range(place + 8, end, _PIECE), end]):
                packed = data[start:stop]
                while packed and found < needed:
                    found += len(stream.decompress(packed, _PIECE))
                    packed = stream.unconsumed_tail
        place = end + 4
    return found < needed
