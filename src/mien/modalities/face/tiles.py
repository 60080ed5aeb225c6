"""Parts of a large picture that are looked at one by one: tiles that overlap, and windows around what may be a face."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from mien.results import Box

#: left, top, right, bottom in whole pixels of the picture
Part = tuple[int, int, int, int]

TILE = 960  # pixels a side of the largest tile, as it is looked at
OVERLAP = 128  # of neighbors, as they are looked at: a face up to nearly that is whole in one of them
WINDOW = 256  # pixels a side of a window, as it is looked at
_SHOWN = 48  # pixels a side at which a window shows its face: where nearly all are found
_MOST = 64  # windows in a picture
_EDGE = 4  # pixels; a box that comes so near to the edge of a part may be cut off by it


def tiles(width: int, height: int, scale: float) -> Iterator[Part]:
    """Tiles of a picture of that size that is looked at in that scale."""
    across, down = _spans(width, scale), _spans(height, scale)
    return ((left, top, right, bottom) for top, bottom in down for left, right in across)


def _spans(length: int, scale: float) -> list[tuple[int, int]]:
    """A side in as few equal spans as there can be."""
    shown = length * scale
    count = max(1, int(np.ceil((shown - OVERLAP) / (TILE - OVERLAP))))
    side = (shown + (count - 1) * OVERLAP) / count
    starts = (n * (side - OVERLAP) for n in range(count))
    return [(int(start / scale), min(length, int(np.ceil((start + side) / scale)))) for start in starts]


def windows(
    boxes: Iterable[Box], width: int, height: int, before: float, largest: float
) -> Iterator[tuple[Part, float]]:
    """A window around each box, and its scale; none for a box that stands well inside one before, and a bounded number.

    Args:
        boxes: the most promising first.
        width, height: of the picture.
        before: the scale in which the boxes were seen.
        largest: scale of a window.
    """
    taken: list[Part] = []
    for box in boxes:
        if len(taken) == _MOST:
            return
        left, top, right, bottom = box
        side = max(1.0, min(right - left, bottom - top))
        if any(a + side < left and b + side < top and right + side < c and bottom + side < d for a, b, c, d in taken):
            continue
        scale = min(max(_SHOWN / side, 2 * before), largest)
        half, x, y = WINDOW / scale / 2, (left + right) / 2, (top + bottom) / 2
        part = (max(0, int(x - half)), max(0, int(y - half)), min(width, int(x + half)), min(height, int(y + half)))
        if part[0] < part[2] and part[1] < part[3]:
            taken.append(part)
            yield part, scale


def is_whole(box: Box, part: Part, scale: float, width: int, height: int) -> bool:
    """Whether a face seen in a part is small enough for it, and no edge inside the picture cuts it off."""
    left, top, right, bottom = box
    edge = _EDGE / scale
    return (
        max(right - left, bottom - top) * scale <= OVERLAP - 2 * _EDGE
        and (part[0] == 0 or left > part[0] + edge)
        and (part[1] == 0 or top > part[1] + edge)
        and (part[2] == width or right < part[2] - edge)
        and (part[3] == height or bottom < part[3] - edge)
    )
