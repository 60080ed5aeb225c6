"""A clip decoded by OpenCV's FFmpeg, frame by frame: which frame it is, when it is shown, and how many were lost.

OpenCV keeps time well but counts badly: the number of frames that it states may be wrong, seeking is not exact, and a
damaged frame is passed over without a word. So the times of all frames are read first, which needs no decoding.
"""

from __future__ import annotations

import os
import tempfile
import threading
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from mien.containers import Container
from mien.errors import InputError
from mien.media import silent

_SAME = 0.0015  # seconds; containers round times to a millisecond
_ATTEMPTS = 1000  # so many damaged frames in a row are passed over
_LONGEST = 1e7  # seconds; no clip lasts months
_AWAY = 32  # frames; further apart than in any usual clip are order in the file and order shown
_SMALLEST = 8  # bytes of a frame: a header may state any number of them
_QUIET, _OPTIONS = "OPENCV_FFMPEG_LOGLEVEL", "OPENCV_FFMPEG_CAPTURE_OPTIONS"
_FORMATS = {"mp4": "mov", "flv": "flv,live_flv"}  # container → what FFmpeg calls it, where that is something else
_COMPARED = 5  # frames


class Decoder:
    """The decoder: goes from frame to frame and knows the number and time of each.

    Args:
        stored: times of all frames in the file. Where two decoded frames are further apart than in there, those
            between them were lost.
    """

    def __init__(self, path: Path, stored: Sequence[float], container: Container, threads: int) -> None:
        import cv2

        self._capture = _open(path, container, [cv2.CAP_PROP_N_THREADS, threads])
        self._stored, self._container = stored, container
        self.width = int(self._capture.get(cv2.CAP_PROP_FRAME_WIDTH))
        self.height = int(self._capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
        self.step = _step(stored)
        self.number, self.time = -1, -1.0
        self.decoded = self.skipped = 0
        self.closed = False
        self._late = 0.0  # how much the decoder's clock is late

    def advance(self) -> bool:
        """To the next frame that can be decoded; False at the end."""
        if self.closed or not _grab(self._capture):
            return False
        time = self._capture.get(0) / 1000 - self._late  # 0 is cv2.CAP_PROP_POS_MSEC
        # AVI says when a frame is decoded, not when it is shown: with frames out of order, one or two later.
        if not self.decoded and (time < 0 or (self._container.kind == "avi" and time <= 2.5 * self.step)):
            self._late, time = time, 0.0
        lost = 0
        if time <= self.time:  # the last ones of such files come without a time
            time = self.time + self.step
        elif self._is_stored(time) and (self.number < 0 or self._is_stored(self.time)):
            lost = bisect_left(self._stored, time - _SAME) - bisect_right(self._stored, self.time + _SAME)
            lost = max(0, lost)  # frames so close that they are the same
        self.decoded += 1
        self.skipped += lost
        self.number, self.time = self.number + 1 + lost, time
        return True

    def picture(self) -> np.ndarray | None:
        """The frame at hand; None if it cannot be converted."""
        import cv2

        with silent:
            there, picture = self._capture.retrieve()
        if there and picture is not None:
            return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))
        self.decoded -= 1
        self.skipped += 1
        return None

    def lost_at_end(self) -> int:
        """Stored frames after the last decoded one that were to be shown."""
        end = len(self._stored)
        if self._container.seconds is not None:  # what comes later was trimmed away
            end = bisect_left(self._stored, self._container.seconds - self.step / 2)
        lost = max(0, end - bisect_right(self._stored, self.time + _SAME))
        # An MP4 may say that its last frame is not to be shown in a way that only the decoder understands.
        return 0 if lost == 1 and self._container.kind == "mp4" else lost

    def close(self) -> None:
        self.closed = True
        self._capture.release()

    def _is_stored(self, time: float) -> bool:
        place = bisect_left(self._stored, time - _SAME)
        return place < len(self._stored) and self._stored[place] <= time + _SAME


def stored_times(path: Path, container: Container) -> array[float]:
    """When each frame in the file is to be shown, in seconds from the earliest one, in order; nothing is decoded.

    Damaged frames may have lost their times; they are put where one is missing.
    """
    import cv2

    capture = _open(path, container, [cv2.CAP_PROP_FORMAT, -1])  # packets as they are
    times, runs, damaged = array("d"), [], [0]
    while _grab(capture, damaged):
        if damaged[0]:
            runs.append((len(times), damaged[0]))
            damaged[0] = 0
        times.append(capture.get(cv2.CAP_PROP_POS_MSEC) / 1000)
    stated = int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) if container.seconds else 0
    capture.release()
    if not times:
        raise InputError(f"{path} has no frames that can be read")
    known = array("d", sorted(times))
    if known[-1] - known[0] > _LONGEST:
        raise InputError(f"{path} is damaged: its frames are shown over {(known[-1] - known[0]) / 86400:.3g} days")
    step, last = _step(known), known[-1]
    missing = [
        time
        for place, count in runs
        for time in _missing(known, step, max(times[max(0, place - _AWAY) : place], default=0.0), count)
    ]
    if container.seconds and container.complete:  # damaged ones at the very end, so far as they were to be shown
        room = min(os.path.getsize(path) // _SMALLEST, round((container.seconds - last) / step) - 1)
        count = min(stated - len(times) - len(missing), room)
        missing += [last + step * (place + 1) for place in range(count)]
    return array("d", sorted([*known, *missing])) if missing else known


def _missing(known: Sequence[float], step: float, before: float, count: int) -> Iterator[float]:
    """Likely times of damaged frames that come in the file after the one of a given time: in the nearest gaps.

    Frames may be stored some places away from where they are shown.
    """
    around = bisect_left(known, before)
    pairs = [(known[i], known[i + 1]) for i in range(max(0, around - _AWAY), min(len(known) - 1, around + _AWAY))]
    for start, end in sorted(pairs, key=lambda pair: abs(pair[0] - before)):
        room = min(count, round((end - start) / step) - 1)
        for place in range(1, room + 1):
            yield start + (end - start) * place / (room + 1)
        count -= max(0, room)


def _step(times: Sequence[float]) -> float:
    """The usual seconds from one frame to the next."""
    gaps = sorted(later - time for time, later in pairwise(times) if later > time)
    return gaps[len(gaps) // 2] if gaps else 0.04


def _grab(capture: Any, failed: list[int] | None = None) -> bool:
    """The next frame or packet of a capture; `failed` counts the damaged ones before it."""
    with silent:
        for attempt in range(_ATTEMPTS):  # at the end of a file they cost nothing
            if capture.grab():
                if failed is not None:
                    failed[0] += attempt
                return True
    return False


def is_converted(path: Path, container: Container) -> bool:
    """Whether the first frames of a clip come out as different as they are stored.

    Of colors that it does not know, FFmpeg converts nothing, and OpenCV gives the memory that it had reserved: black
    frames, or what was there before, all alike. Where those of a still picture are alike, so is what is stored of
    them, or next to nothing is stored.
    """
    import cv2

    frames, packets = list[bytes](), list[bytes]()
    for found, settings in ((frames, []), (packets, [cv2.CAP_PROP_FORMAT, -1])):
        capture = _open(path, container, settings)
        if int(capture.get(cv2.CAP_PROP_FOURCC)) == cv2.VideoWriter.fourcc(*"ffv1"):
            return True  # learns from frame to frame, and stores equal ones differently
        while len(found) < _COMPARED and _grab(capture):
            with silent:
                there, picture = capture.retrieve()
            if there and picture is not None:
                found.append(np.asarray(picture).tobytes())
        capture.release()
    if len(set(frames)) > 1 or len(packets) < 2:
        return True
    different = len({packet[len(packet) // 2 :] for packet in packets}) == len(packets)
    return not different or min(map(len, packets[1:])) < 200 + len(frames[0]) // 750 if frames else True


def _open(path: Path, container: Container, settings: list[int]) -> Any:
    """An OpenCV capture. FFmpeg may take the file for nothing but that container: playlists name further files.

    Raises:
        InputError: the file holds no pictures, or none that can be decoded.
    """
    import cv2

    with _named(path) as name, silent, _environment(_FORMATS.get(container.kind, container.kind)):
        capture = cv2.VideoCapture(name, cv2.CAP_FFMPEG, settings)
    if not capture.isOpened():
        raise InputError(f"{path} has no pictures that can be decoded; it is damaged, or holds sound alone")
    return capture


@contextmanager
def _named(path: Path) -> Iterator[str]:
    """A name of the file to open it by: absolute, as "a:b" would be an address; and in UTF-8, or OpenCV crashes."""
    name = os.path.abspath(path)
    try:
        name.encode()
    except UnicodeEncodeError:
        with tempfile.TemporaryDirectory() as folder:
            link = os.path.join(folder, "clip")
            try:
                os.symlink(name, link)
            except OSError as error:
                raise InputError(f"{path} has a name that is not UTF-8, which cannot be opened") from error
            yield link
    else:
        yield name


_opening = threading.Lock()


@contextmanager
def _environment(formats: str) -> Iterator[None]:
    """FFmpeg knows but those formats, and keeps its messages to itself: the latter is set by the first clip."""
    with _opening:
        before = {name: os.environ.get(name) for name in (_QUIET, _OPTIONS)}
        os.environ.setdefault(_QUIET, "-8")
        os.environ[_OPTIONS] = "|".join(filter(None, [before[_OPTIONS], f"format_whitelist;{formats}"]))
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value
