"""Clips, one frame at a time: decoded as they are needed, with the time at which each is shown.

OpenCV's FFmpeg does the decoding. Its messages are kept back, unless OPENCV_FFMPEG_LOGLEVEL is set.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mien.containers import Container, NotAClip, read_container
from mien.decoder import Decoder, is_converted, stored_times
from mien.errors import InputError
from mien.inputs import local
from mien.media import pixel_limit, require_file
from mien.threads import readers

#: File names of clips end in one of these, whatever the case. Animated GIFs are pictures.
CLIP_SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".qt", ".3gp", ".3g2", ".avi", ".divx", ".mkv", ".webm", ".wmv", ".asf", ".flv", ".ogv"),
    *(".mpg", ".mpeg", ".vob", ".ts", ".mts", ".m2ts"),
)

_HELD = 3600.0  # seconds for which a clip may say that its last frame stands; what says more is damaged


def is_clip(path: str | Path) -> bool:
    """Whether a file is a clip by the end of its name; it is not opened."""
    return Path(path).suffix.lower() in CLIP_SUFFIXES


@dataclass(frozen=True)
class ClipInfo:
    """What is known of a clip.

    Attributes:
        width, height: of its frames in pixels, as they are to be seen: turned as the clip says.
        duration: seconds from the start of its first frame to the end of the last, so far as the file goes.
        rate: frames a second on average; 0 of a single frame.
        frames: how many are in the file; one trimmed without being encoded anew shows fewer.
    """

    width: int
    height: int
    duration: float
    rate: float
    frames: int


@dataclass(frozen=True, eq=False)
class Frame:
    """A picture of a clip.

    Attributes:
        number: its place in the clip, from 0; frames that could not be decoded have their numbers too.
        time: seconds from the clip's first frame, by the clip's own clock.
        picture: uint8 (height, width, 3) RGB, turned as the clip says.
    """

    number: int
    time: float
    picture: np.ndarray


class ClipReader:
    """Reads the frames of a clip in order; an iterator and a context manager.

    ::

        with ClipReader("talk.mp4", fps=5) as clip:
            for frame in clip:
                print(frame.time, frame.picture.shape)
        print(clip.decoded, clip.skipped, clip.problem)

    Only the frame at hand is held, and those that the decoder needs for the next ones. Every frame is decoded, because
    it is needed for the next, but only frames that are given are converted to RGB. `frames` decodes twice: how many
    frames a clip shows is not known before.

    Args:
        path: a file, of whatever name.
        fps: of each 1/fps seconds the first frame: the first at or after 0, 1/fps, 2/fps, …; no frame twice. A
            millisecond early counts as at.
        frames: so many, spread evenly: the middle ones of so many equal parts of the clip; all of a shorter clip.
            Without either: every frame.
        threads: threads to decode with; by default those the process may use, at most 4.

    Attributes:
        problem: None, or after the last frame one line that says where the clip ends before its time, as "cut off after
            12.3 s".

    Raises:
        InputError: no such file, a folder, no clip, one without pictures or of which no frame can be decoded, frames of
            more than MIEN_MAX_PIXELS pixels, or fps or frames that are not above 0.
    """

    def __init__(
        self, path: str | Path, *, fps: float | None = None, frames: int | None = None, threads: int | None = None
    ) -> None:
        _check_sampling(fps, frames)
        self.path = local(path)
        self._container = _container(self.path)
        self._stored = stored_times(self.path, self._container)
        self._threads = threads or readers()
        self._decoder = self._open()
        self._wanted: Callable[[int, float], bool] | None = None
        if frames is not None:
            self._wanted = _Spread(frames, self._count())
        elif fps is not None:
            self._wanted = _EachSecond(fps)
        self.problem: str | None = None
        self._first: np.ndarray | None = None  # a part of the first frame given, for as long as all others are like it
        self._given = 0
        self._ready = self._decoder.advance()  # the first frame is at hand, and not yet given
        if not self._ready:
            self.close()
            raise InputError(f"no frame of {self.path} can be decoded")

    @property
    def info(self) -> ClipInfo:
        """What is known of the clip."""
        stored, decoder = self._stored, self._decoder
        seconds, end = self._container.seconds, stored[-1] - stored[0] + decoder.step
        if seconds is None or seconds > end + _HELD or not self._container.complete:
            seconds = end
        rate = (len(stored) - 1) / (stored[-1] - stored[0]) if stored[-1] > stored[0] else 0.0
        return ClipInfo(decoder.width, decoder.height, seconds, rate, len(stored))

    @property
    def decoded(self) -> int:
        """Frames decoded so far, given or not."""
        return self._decoder.decoded

    @property
    def skipped(self) -> int:
        """Frames so far that were damaged and left out; those that a decoder mends unasked do not count."""
        return self._decoder.skipped

    def __iter__(self) -> Iterator[Frame]:
        return self

    def __next__(self) -> Frame:
        decoder = self._decoder
        while self._ready or decoder.advance():
            self._ready = False
            if self._wanted is None or self._wanted(decoder.number, decoder.time):
                picture = decoder.picture()
                if picture is not None:
                    self._compare(picture[::8, ::8])
                    return Frame(decoder.number, decoder.time, picture)
        self._finish()
        raise StopIteration

    def close(self) -> None:
        """Lets go of the file."""
        self._ready = False
        self._decoder.close()

    def __enter__(self) -> ClipReader:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _open(self) -> Decoder:
        decoder, limit = Decoder(self.path, self._stored, self._container, self._threads), pixel_limit()
        if decoder.width < 1 or decoder.height < 1:
            decoder.close()
            raise InputError(f"{self.path} is damaged: it has frames of {decoder.width} x {decoder.height} pixels")
        if decoder.width * decoder.height > limit:
            decoder.close()
            size = f"{decoder.width} x {decoder.height}"
            raise InputError(f"{self.path} has {size} pixels; at most {limit} are read (MIEN_MAX_PIXELS sets how many)")
        return decoder

    def _count(self) -> int:
        """How many frames there are up to the last that can be decoded."""
        decoder = self._open()
        while decoder.advance():
            pass
        decoder.close()
        return decoder.number + 1

    def _compare(self, part: np.ndarray) -> None:
        if not self._given:
            self._first = part.copy()
        elif self._first is not None and not np.array_equal(self._first, part):
            self._first = None
        self._given += 1

    def _finish(self) -> None:
        if self._decoder.closed:
            return
        if self._first is not None and not is_converted(self.path, self._container):
            self.close()
            why = "all its frames come out alike, perhaps because its colors are not supported"
            raise InputError(f"{self.path} cannot be decoded: {why}")
        if not self._given:
            self.close()
            raise InputError(f"no frame of {self.path} can be decoded")
        end = self._decoder.time + self._decoder.step
        lost = self._decoder.lost_at_end()
        self._decoder.skipped += lost
        if not self._container.complete:
            self.problem = f"cut off after {end:.1f} s"
        elif lost:
            self.problem = f"cannot be decoded after {end:.1f} s"
        self.close()


class _EachSecond:
    """Wants the first frame at or after each k/fps."""

    def __init__(self, fps: float) -> None:
        self.fps, self.next = fps, 0

    def __call__(self, number: int, time: float) -> bool:
        due = (time + 0.001) * self.fps
        if due < self.next:
            return False
        self.next = int(due) + 1
        return True


class _Spread:
    """Wants the middle frame of each of so many equal parts of `count` frames, or the next one that there is."""

    def __init__(self, frames: int, count: int) -> None:
        self.frames, self.count, self.given = min(frames, count), count, 0

    def __call__(self, number: int, time: float) -> bool:
        wanted = False
        while self.given < self.frames and number >= (2 * self.given + 1) * self.count // (2 * self.frames):
            self.given += 1
            wanted = True
        return wanted


def _check_sampling(fps: float | None, frames: int | None) -> None:
    if fps is not None and frames is not None:
        raise InputError("fps and frames say the same thing in two ways; give one of them")
    if fps is not None and not (fps > 0 and math.isfinite(fps)):
        raise InputError(f"fps must be above 0, not {fps}")
    if frames is not None and frames < 1:
        raise InputError(f"frames must be above 0, not {frames}")


def _container(path: Path) -> Container:
    try:
        require_file(path, "a clip")
        with path.open("rb") as file:
            return read_container(file)
    except NotAClip as error:
        raise InputError(f"{path} {error}") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
