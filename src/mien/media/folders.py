"""Folders of numbered pictures, which are frames of a clip."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from mien.errors import InputError, quoted
from mien.inputs import local
from mien.media.clips import ClipInfo, ClipReader, Frame
from mien.media.images import picture_size, read_picture
from mien.media.names import is_clip, is_picture
from mien.media.sampling import EachSecond, check_sampling

_LONGEST = 1e7  # seconds
RATE = 25.0  # frames a second, where nobody says how many
_NUMBERED = re.compile(r"(.*?)(\d{1,18})")


def frames_of(folder: str | Path) -> list[Path]:
    """The pictures in a folder in the order of their numbers; none where it holds a clip, or a picture without."""
    found = list[tuple[str, int, Path]]()
    with os.scandir(folder) as entries:
        listed = list(entries)
    for entry in listed:
        if entry.name.startswith(".") or entry.is_dir():
            continue
        if is_clip(entry.name):
            return []
        if is_picture(entry.name):
            if (match := _NUMBERED.fullmatch(Path(entry.name).stem)) is None:
                return []
            found.append((match[1], int(match[2]), Path(entry.path)))
    return [path for _, _, path in sorted(found)]


class FolderReader:
    """Reads the pictures of a folder as the frames of a clip; what :class:`ClipReader` is for a file.

    The time of a picture is that of its number. Pictures that are missing between two, or cannot be read, are counted.

    Args:
        path: of the folder.
        fps: of each 1/fps seconds the first one is given; without it every one.
        rate: how many of them are a second.

    Attributes:
        decoded: pictures read so far.
        skipped: pictures so far that are missing or damaged.
        problem: None, or after the last one a line where some could not be read.

    Raises:
        InputError: it holds no numbered pictures, or those of several clips.
    """

    def __init__(self, path: str | Path, *, fps: float | None = None, rate: float | None = None) -> None:
        check_sampling(fps, None)
        check_sampling(rate, None)
        self.path = local(path)
        if not (pictures := frames_of(self.path)):
            raise InputError(f"{self.path} is a folder, and holds no numbered pictures such as frame_0001.png")
        named = [_NUMBERED.fullmatch(picture.stem) for picture in pictures]
        series = sorted({match[1] for match in named if match})
        if len(series) > 1:
            shown = " and ".join(f"{quoted(name)}…" for name in series[:2])
            raise InputError(f"{self.path} holds pictures of several clips ({shown}): give each a folder of its own")
        numbers = [int(match[2]) for match in named if match]
        if len(set(numbers)) < len(numbers):
            raise InputError(f"{self.path} holds several pictures of one number")
        steps = Counter(b - a for a, b in pairwise(numbers))
        step = min(steps, key=lambda size: (-steps[size], size), default=1)
        self._places = [(number - numbers[0]) / step for number in numbers]
        self._pictures, self._rate = pictures, rate or RATE
        if self._places[-1] / self._rate > _LONGEST:
            raise InputError(f"{self.path}: the numbers of its pictures, {numbers[0]} to {numbers[-1]}, are no frames'")
        self.decoded = self.skipped = 0
        self.problem: str | None = None
        self._wanted = EachSecond(fps) if fps else None
        self._size = picture_size(pictures[0], shown=True)
        self._frames = self._read()

    @property
    def info(self) -> ClipInfo:
        """What is known of the clip."""
        span = self._places[-1] / self._rate
        return ClipInfo(*self._size, span + 1 / self._rate, self._rate, len(self._pictures))

    def __iter__(self) -> Iterator[Frame]:
        return self._frames

    def close(self) -> None:
        """Nothing is open."""

    def __enter__(self) -> FolderReader:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _read(self) -> Iterator[Frame]:
        damaged, before = 0, -1.0
        for number, (place, path) in enumerate(zip(self._places, self._pictures, strict=True)):
            self.skipped += max(0, round(place - before) - 1)
            before = place
            if self._wanted is not None and not self._wanted(number, place / self._rate):
                continue
            try:
                picture = read_picture(path)
            except InputError:
                self.skipped, damaged = self.skipped + 1, damaged + 1
                continue
            self.decoded += 1
            yield Frame(number, place / self._rate, picture)
        if damaged:
            self.problem = f"{damaged:,} of {len(self._pictures):,} pictures could not be read"


def open_clip(
    path: str | Path, *, fps: float | None = None, frames: int | None = None, rate: float | None = None
) -> ClipReader | FolderReader:
    """The frames of a clip: of a file, or of a folder of numbered pictures, *rate* a second; see :class:`ClipReader`.

    Raises:
        InputError: it cannot be read; or so many frames of a folder are asked for.
    """
    if local(path).is_dir():
        if frames is not None:
            raise InputError(f"{path} is a folder of frames: give how many are a second (fps), not how many to look at")
        return FolderReader(path, fps=fps, rate=rate)
    return ClipReader(path, fps=fps, frames=frames)
