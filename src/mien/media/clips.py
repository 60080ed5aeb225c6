"""Clips, one frame at a time: decoded by PyAV as they are needed, each with the time at which it is shown."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from mien.errors import InputError
from mien.inputs import local
from mien.media.containers import check_counts, container_of, is_complete
from mien.media.images import check_size, pixel_limit, require_file
from mien.media.names import CLIP_SUFFIXES, is_clip  # noqa: F401  # for those who look for them here
from mien.media.sampling import EachSecond, Spread, check_sampling
from mien.media.webp import WebpFrame, frame_times, frames, webp_size
from mien.runtime import readers

if TYPE_CHECKING:
    import av

#: By time.monotonic() when work on a clip must end; the server sets it, as small files can hold millions of frames.
work_ends: ContextVar[float] = ContextVar("work_ends", default=math.inf)
_SAME = 0.0015  # seconds; containers round times to a millisecond
_LONGEST = 1e7  # seconds; no clip lasts months
_DAMAGED = 1000  # packets of a clip that may be damaged
_NO_FRAMES = "has no frames that can be read"
_MISSING = 0.1  # seconds that a clip may end before its header states without being cut off
_STRETCH = 16  # the most that a pixel may be wider than it is high, or the reverse


@dataclass(frozen=True)
class ClipInfo:
    """What is known of a clip.

    Attributes:
        width, height: of its frames in pixels, as they are to be seen: turned as the clip states, with square pixels.
        duration: seconds from the start of its first frame to the end of the last, so far as the file goes.
        rate: frames a second on average; 0 of a single frame.
        frames: how many are to be shown.
    """

    width: int
    height: int
    duration: float
    rate: float
    frames: int


@dataclass(frozen=True, eq=False)
class Frame:
    """An image of a clip.

    Attributes:
        number: its place in the clip, from 0; frames that could not be decoded have their numbers too.
        time: seconds from the clip's first frame, by the clip's own clock.
        picture: uint8 (height, width, 3) RGB, turned as the clip states.
    """

    number: int
    time: float
    picture: np.ndarray


@dataclass(frozen=True)
class _Scan:
    """What the packets of a clip tell, none of which was decoded: of the frames to be shown the times, in order."""

    times: list[float]
    cut: bool
    even: bool = False  # the container states a rate, and no times of frames
    last: float = 0.0  # seconds for which the last frame is shown; 0 where that is not stated


class ClipReader:
    """Reads the frames of a clip in order; an iterator and a context manager.

    ::

        with ClipReader("talk.mp4", fps=5) as clip:
            for frame in clip:
                print(frame.time, frame.picture.shape)
        print(clip.decoded, clip.skipped, clip.problem)

    Only the frame at hand is held, and those that the decoder needs for the next ones. Every frame is decoded, because
    it is needed for the next, but only frames that are given are converted to RGB.

    Args:
        path: a file, of whatever name.
        fps: of each 1/fps seconds the first frame: the first at or after 0, 1/fps, 2/fps, …; no frame twice. A
            millisecond early counts as at.
        frames: so many, spread evenly: the middle ones of so many equal parts of the clip; all of a shorter clip.
            Without either: every frame.
        threads: threads to decode with; by default those the process may use, at most 4.

    Attributes:
        decoded: frames decoded so far, given or not.
        skipped: frames so far that were damaged and left out.
        problem: None, or after the last frame one line that states where the clip ends before its time, as "cut off
            after 12.3 s".

    Raises:
        InputError: no such file, a folder, no clip, one without pictures or of which no frame can be decoded, frames of
            more than MIEN_MAX_PIXELS pixels, or fps or frames that are not above 0.
    """

    def __init__(
        self, path: str | Path, *, fps: float | None = None, frames: int | None = None, threads: int | None = None
    ) -> None:
        check_sampling(fps, frames)
        self.path, self._limit, self._threads = local(path), pixel_limit(), threads or readers()
        self.decoded = self.skipped = 0
        self._ends = work_ends.get()
        self.problem: str | None = None
        self._container: Any = None
        self._file = _open_file(self.path)
        try:
            kind = container_of(self._file, self.path)
            self._frames = self._open_webp() if kind == "webp" else self._open_container(kind)
            self._wanted: Callable[[int, float], bool] | None = None
            if frames is not None:
                self._wanted = Spread(frames, len(self._scan.times))
            elif fps is not None:
                self._wanted = EachSecond(fps)
            self._number, self._time = -1, -math.inf
            self._start: float | None = None  # when the first frame is shown, by the clip's own clock
            first: av.VideoFrame | WebpFrame | None = next(self._frames, None)
            if first is None:
                raise InputError(f"{self.path} {'takes too long to decode' if self.problem else _NO_FRAMES}")
            self._ready: av.VideoFrame | WebpFrame | None = first
            if isinstance(first, WebpFrame):
                self._turn, (self._height, self._width) = 0, first.picture.shape[:2]
            else:
                self._turn = round(first.rotation / 90) * 90 % 360
                self._width, self._height = shown_size(first, self._stream)
            check_size(self._width, self._height, self._limit, str(self.path))
        except BaseException:
            self._file.close()
            raise

    @cached_property
    def _stream(self) -> Any:
        return self._container.streams.best("video")

    @property
    def info(self) -> ClipInfo:
        """What is known of the clip."""
        times = self._scan.times
        span = times[-1] - times[0]
        width, height = (self._height, self._width) if self._turn in (90, 270) else (self._width, self._height)
        length = span + (self._scan.last or self._step)
        return ClipInfo(width, height, length, (len(times) - 1) / span if span else 0.0, len(times))

    @cached_property
    def _step(self) -> float:
        """Seconds between two frames, the middle of all; a 25th where none is later than another."""
        gaps = np.diff(self._scan.times)
        return float(np.median(gaps[gaps > 0])) if (gaps > 0).any() else 0.04

    def __iter__(self) -> Iterator[Frame]:
        return self

    def __next__(self) -> Frame:
        while (frame := self._next()) is not None:
            if self._wanted is None or self._wanted(self._number, self._time):
                return Frame(self._number, self._time, self._picture(frame))
        self._finish()
        raise StopIteration

    def close(self) -> None:
        """Lets go of the file."""
        self._ready, self._frames = None, iter(())
        if not self._file.closed:
            if self._container is not None:
                self._container.close()
            self._file.close()

    def __enter__(self) -> ClipReader:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _open_container(self, kind: str) -> Iterator[Any]:
        self._scan = _scan(self._file, kind, self.path)
        self._container = _open(self._file, kind, self.path)
        stated = self._stream
        if stated.codec_context is None:
            raise InputError(f"{self.path} holds pictures of a kind that cannot be decoded")
        check_size(stated.width, stated.height, self._limit, str(self.path))
        return self._decode()

    def _open_webp(self) -> Iterator[Any]:
        most = 8 * self._limit + 2**26
        self._file.seek(0)
        data = self._file.read(most + 1)
        if len(data) > most:
            raise InputError(f"{self.path} is too large for frames of at most {self._limit} pixels")
        check_size(*webp_size(data), self._limit, str(self.path))
        (*times, end), cut = frame_times(data)
        if len(times) < 2:
            raise InputError(f"{self.path} is a picture, not a clip")
        self._scan = _Scan(times, cut, last=end - times[-1])
        return self._decode_webp(data)

    def _decode_webp(self, data: bytes) -> Iterator[WebpFrame]:
        try:
            for frame in frames(data, self._scan.times):
                if self._is_late():
                    return
                self._advance(frame.time)
                yield frame
        except Exception:  # of whatever class Pillow meets in damaged data; what is missing is told at the end
            return

    def _is_late(self) -> bool:
        """Whether the time that work on a clip may take is over; the problem then says so."""
        if monotonic() <= self._ends:
            return False
        self.problem = f"stopped after {max(0.0, self._time):.1f} s: it takes too long to decode"
        return True

    def _next(self) -> av.VideoFrame | WebpFrame | None:
        if (frame := self._ready) is not None:
            self._ready = None
            return frame
        return next(self._frames, None)

    def _decode(self) -> Iterator[av.VideoFrame]:
        """The frames that can be decoded, in the order shown; sets the time of each."""
        import av

        stream = self._stream
        stream.thread_type, stream.codec_context.thread_count = "AUTO", self._threads
        stream.codec_context.options = {"max_pixels": str(self._limit)}  # checked before a frame is made
        packets = self._container.demux(stream)
        while True:
            if self._is_late():
                return
            try:
                packet = next(packets, None)
                if packet is None:
                    return
                frames = packet.decode()
            except (av.FFmpegError, ArithmeticError, OSError, ValueError):
                continue
            for frame in frames:
                check_size(frame.width, frame.height, self._limit, str(self.path))
                self._advance(None if frame.time is None else float(frame.time))
                yield frame

    def _advance(self, time: float | None) -> None:
        """To the next frame, which is shown at that time by the clip's own clock, if it has one."""
        if self._start is None:
            self._start = time or 0.0
        number, shown = self._number + 1, 0.0 if time is None else time - self._start
        least = self._time + self._step / 2 if self._scan.even else self._time
        if shown <= least and self._number >= 0:  # some containers state an order and no times
            shown = self._time + self._step
        elif time is not None:
            number = max(number, bisect_left(self._scan.times, time - _SAME))
        self.skipped += number - self._number - 1
        self.decoded, self._number, self._time = self.decoded + 1, number, shown

    def _picture(self, frame: av.VideoFrame | WebpFrame) -> np.ndarray:
        if isinstance(frame, WebpFrame):
            return frame.picture
        return as_rgb(frame, self._width, self._height, self._turn, str(self.path))

    def _finish(self) -> None:
        if self._file.closed:
            return
        end, lost = self._time + self._step, len(self._scan.times) - 1 - self._number
        self.skipped += max(0, lost)
        if self._scan.cut:
            self.problem = f"cut off after {end:.1f} s"
        elif lost > 0 and not self.problem:
            self.problem = f"cannot be decoded after {end:.1f} s"
        self.close()


def _open_file(path: Path) -> BinaryIO:
    try:
        require_file(path, "a clip")
        return path.open("rb")
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error


def _open(file: BinaryIO, kind: str, path: Path) -> Any:
    import av

    file.seek(0)
    try:
        # By its file object and one demuxer, with no protocol allowed: nothing else is ever opened.
        return av.open(file, format=kind, options={"protocol_whitelist": "none"}, metadata_errors="replace")
    except (av.FFmpegError, ArithmeticError, OSError, ValueError) as error:
        raise InputError(f"{path} is damaged, or was not written to its end") from error


def _packets(container: Any, path: Path) -> Iterator[Any]:
    """The packets of all streams that can be read."""
    import av

    packets, damaged, ends = container.demux(), 0, work_ends.get()
    while damaged < _DAMAGED:
        if monotonic() > ends:
            raise InputError(f"{path} holds more frames than can be counted in the time there is")
        try:
            packet = next(packets, None)
        except (av.FFmpegError, ArithmeticError, OSError, ValueError):
            damaged += 1
            continue
        if packet is None:
            return
        if packet.size:
            yield packet


def _scan(file: BinaryIO, kind: str, path: Path) -> _Scan:
    """Goes through the packets of a clip."""
    import av

    if kind == "mp4":
        check_counts(file, path)
    with _open(file, kind, path) as container:
        stream, packet = container.streams.best("video"), None
        if stream is None or stream.disposition & av.stream.Disposition.attached_pic:  # the cover of a song
            raise InputError(f"{path} holds no pictures, only {'sound' if container.streams.audio else 'other data'}")
        times: list[float] = []
        stored, untimed, end = 0, 0, -math.inf
        for packet in _packets(container, path):
            time = packet.pts if packet.pts is not None else packet.dts
            if time is not None:
                end = max(end, float((time + (packet.duration or 0)) * packet.time_base))
            if packet.stream is stream:
                stored += 1
                if packet.is_discard or packet.is_corrupt:
                    continue
                if time is None:
                    untimed += 1
                else:
                    times.append(float(time * packet.time_base))
        stated, start, rate = container.duration, container.start_time or 0, stream.average_rate or Fraction(25)
        missing = 0.0 if stated is None else (start + stated) / av.time_base - end
        few = stored < stream.frames
    times.sort()
    step = float(np.median(np.diff(times))) if len(times) > 1 else float(1 / rate)
    times += [(times[-1] if times else -step) + step * (place + 1) for place in range(untimed)]
    if not times:
        raise InputError(f"{path} {_NO_FRAMES}")
    if kind == "gif" and len(times) == 1:
        raise InputError(f"{path} is a picture, not a clip")
    if times[-1] - times[0] > _LONGEST:
        raise InputError(f"{path} is damaged: its frames are shown over {(times[-1] - times[0]) / 86400:.3g} days")
    if kind == "avi":  # which states a rate, and no times
        times = [times[0] + step * place for place in range(len(times))]
    short = missing > _MISSING and (kind == "matroska" or (kind == "mp4" and few))
    cut = short or bool(packet and packet.is_corrupt) or not is_complete(kind, file)
    return _Scan(times, cut, kind == "avi", end - times[-1] if kind == "gif" else 0.0)


def as_rgb(frame: av.VideoFrame, width: int, height: int, turn: int, name: str) -> np.ndarray:
    """A frame as uint8 RGB of that size, then turned by so many degrees.

    Raises:
        InputError: it cannot be converted.
    """
    try:
        shown = frame.reformat(width=width, height=height, format="rgb24")
    except (ValueError, OSError) as error:
        raise InputError(f"{name}: a frame cannot be converted to RGB: {error}") from error
    return np.ascontiguousarray(np.rot90(shown.to_ndarray(), turn // 90))


def shown_size(frame: av.VideoFrame, stream: av.VideoStream) -> tuple[int, int]:
    """Width and height with square pixels, before any turning."""
    ratio = stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio or Fraction(1)
    if not 1 / _STRETCH <= ratio <= _STRETCH:
        ratio = Fraction(1)
    return max(1, round(frame.width * ratio)), frame.height
