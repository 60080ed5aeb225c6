"""Cameras and streams: the newest picture wins, and one that breaks is opened again."""

from __future__ import annotations

import re
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np

from mien.errors import InputError, cut, quoted
from mien.media.clips import as_rgb, shown_size
from mien.media.images import check_size, pixel_limit
from mien.media.sampling import EachSecond

if TYPE_CHECKING:
    import av

#: Schemes → protocols that FFmpeg may use for them; it may open nothing else.
_PROTOCOLS = {
    "rtsp": "rtsp,rtp,udp,tcp", "rtsps": "rtsps,rtsp,rtp,udp,tcp,tls", "rtmp": "rtmp,tcp",
    "rtmps": "rtmps,rtmp,tls,tcp", "http": "http,tcp", "https": "https,tls,tcp", "udp": "udp", "tcp": "tcp",
}  # fmt: skip
#: Demuxers of what is sent; playlists are none of them, as they name further addresses and files.
_FORMATS = "mpegts,mpjpeg,mjpeg,matroska,webm,flv,live_flv,mov,mp4,h264,hevc,ogg,asf,mpeg,avi,nut"
_TIMEOUT = (10.0, 10.0)  # seconds to open it, and without a packet
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 30.0  # seconds before it is opened again
_DAMAGED = 1000  # packets in a row
_VIDEO = "video"  # devices of that kind
_WAKE = 0.2  # seconds in which Ctrl-C is noticed


@dataclass(frozen=True, eq=False)
class Shot:
    """A picture of a camera, a stream or a clip; or that there is none from here on.

    Attributes:
        time: seconds since the first picture; of a clip by its own clock.
        picture: uint8 (height, width, 3) RGB; None at the beginning of a gap.
        at: date and time of a live one; None of a clip.
        gap: why there is no picture; "" where there is one.
    """

    time: float
    picture: np.ndarray | None
    at: datetime | None = None
    gap: str = ""


def is_live(source: str | int | Path) -> bool:
    """Whether it names a camera by its number, or a stream by its address."""
    return isinstance(source, int) or (isinstance(source, str) and (source.isdecimal() or "://" in source[:12]))


def shown_name(source: str | int) -> str:
    """What messages call it: an address without the password in it."""
    if isinstance(source, int) or source.isdecimal():
        return f"camera {source}"
    return quoted(cut(re.sub(r"^([a-z]+://)[^/@]*@", r"\1", source, flags=re.IGNORECASE), 200))


class LiveReader:
    """Reads a camera or a stream in a thread of its own; an iterator and a context manager.

    Only the newest picture that is due waits for who reads it: one that comes while another waits takes its place.

    Args:
        source: a camera's number, or an address.
        fps: pictures a second that are due.
        give_up: seconds without a picture after which it ends; None for never.
        opener: opens it; for tests.

    Attributes:
        name: what messages call it.
        dropped: pictures that were due and passed over for newer ones, so far.
        problem: why it ended, where that was not wished.

    Raises:
        InputError: it cannot be opened, or has no pictures; one line.
    """

    def __init__(
        self, source: str | int, fps: float, give_up: float | None = None, opener: Callable[[], Any] | None = None
    ) -> None:
        self.name, self._due, self._give_up = shown_name(source), EachSecond(fps), give_up
        camera = isinstance(source, int) or source.isdecimal()
        self._open = opener or ((lambda: _open_camera(int(source))) if camera else lambda: _open_stream(str(source)))
        self.dropped = 0
        self.problem: str | None = None
        self._changed = threading.Condition()
        self._newest: tuple[float, datetime, av.VideoFrame, Any] | None = None
        self._gaps = deque[tuple[float, str]]()  # that have not been told
        self._broken: float | None = None  # since when there is no picture
        self._start: float | None = None
        self._last = 0.0
        self._ended, self._stop = False, threading.Event()
        self._limit = pixel_limit()
        self._container = self._open()
        self._thread = threading.Thread(target=self._read, daemon=True, name="mien-live")

    def __enter__(self) -> LiveReader:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def stop(self) -> None:
        """End it; from another thread or a signal's handler, too."""
        self._stop.set()

    def close(self) -> None:
        """Let go of the camera or the connection."""
        self._stop.set()
        if self._thread.ident is None:
            self._container.close()
        else:
            self._thread.join(timeout=2)

    def __iter__(self) -> Iterator[Shot]:
        if self._thread.ident is None:
            self._thread.start()
        while True:
            with self._changed:
                while not self._stop.is_set() and self._newest is None and not self._gaps:
                    if self._ended or self._is_given_up():
                        return
                    self._changed.wait(_WAKE)
                if self._stop.is_set():
                    return
                newest, gap = self._newest, self._gaps[0] if self._gaps else None
                if newest is not None and (gap is None or newest[0] <= gap[0]):
                    self._newest = gap = None  # the picture came before the gap
                elif gap is not None:
                    newest = None
                    self._gaps.popleft()
            if gap is not None:
                yield Shot(gap[0], None, datetime.now(UTC), gap[1])
            elif newest is not None:
                time, at, frame, stream = newest
                yield Shot(time, self._picture(frame, stream), at)

    def _is_given_up(self) -> bool:
        if self._give_up is None or self._broken is None or monotonic() - self._broken < self._give_up:
            return False
        self.problem = f"no picture for {self._give_up:g} s, given up"
        return True

    def _picture(self, frame: av.VideoFrame, stream: Any) -> np.ndarray:
        width, height = shown_size(frame, stream)
        return as_rgb(frame, width, height, round(frame.rotation / 90) * 90 % 360, self.name)

    def _read(self) -> None:
        wait = _FIRST_WAIT
        while not self._stop.is_set():
            try:
                seen, reason = self._read_until_it_breaks(self._container)
            except Exception as error:  # of whatever class; it must show to who waits
                seen, reason = False, str(error)
            if self._stop.is_set() or not reason:
                break
            self._tell_gap(reason)
            wait = _FIRST_WAIT if seen else wait
            while not self._stop.is_set():
                if self._stop.wait(wait):
                    return
                wait = min(2 * wait, _LONGEST_WAIT)
                try:
                    self._container = self._open()
                    break
                except InputError as error:
                    self._tell_gap(str(error))
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _read_until_it_breaks(self, container: Any) -> tuple[bool, str]:
        """Whether there was a picture, and why there are no more; "" where a recording came to its end."""
        import av

        stream, damaged, seen, time = container.streams.video[0], 0, False, 0.0
        stream.thread_type = "SLICE"  # threads that decode whole frames would hold them back
        stream.codec_context.options = {"max_pixels": str(self._limit)}
        with container:
            packets = container.demux(stream)
            while not self._stop.is_set():
                try:
                    packet = next(packets, None)
                except (av.FFmpegError, OSError) as error:
                    return seen, _reason(error)
                if packet is None or (packet.size == 0 and packet.pts is None and packet.dts is None):
                    length = (container.duration or 0) / av.time_base
                    recorded = length > 0 and time >= length - 1
                    return seen, "" if recorded else "the stream ended"
                try:
                    frames = packet.decode()
                    damaged = 0
                except (av.FFmpegError, ArithmeticError, OSError, ValueError):
                    damaged += 1
                    if damaged > _DAMAGED:
                        return seen, "its pictures cannot be decoded"
                    continue
                for frame in frames:
                    seen, time = True, frame.time or time
                    self._put(frame, stream)
        return seen, ""

    def _put(self, frame: av.VideoFrame, stream: Any) -> None:
        check_size(frame.width, frame.height, self._limit, self.name)
        now = monotonic()
        with self._changed:
            self._start = now if self._start is None else self._start
            self._broken, self._last = None, now - self._start
            if not self._due(0, self._last):
                return
            self.dropped += self._newest is not None
            self._newest = self._last, datetime.now(UTC), frame, stream
            self._changed.notify_all()

    def _tell_gap(self, reason: str) -> None:
        with self._changed:
            if self._broken is None:
                self._broken = monotonic()
                self._gaps.append((self._last, reason))
            self._changed.notify_all()


def _open_stream(address: str) -> Any:
    scheme = urlsplit(address).scheme.lower()
    if scheme not in _PROTOCOLS:
        known = ", ".join(f"{name}://" for name in _PROTOCOLS)
        raise InputError(f"{shown_name(address)} is an address of a kind that is not read; those are {known}")
    options = {"protocol_whitelist": _PROTOCOLS[scheme], "fflags": "nobuffer"}
    if scheme.startswith("rtsp"):
        options |= {"rtsp_transport": "tcp"}
    else:
        options |= {"format_whitelist": _FORMATS}
    return _opened(address, shown_name(address), options=options)


def _open_camera(number: int) -> Any:
    import av

    name = f"camera {number}"
    if sys.platform == "darwin":
        return _opened(str(number), name, format="avfoundation", options={"framerate": "30"})
    if sys.platform == "win32":
        devices = [found.name for found in av.enumerate_input_devices("dshow") if _VIDEO in found.media_types]
        if number >= len(devices):
            raise InputError(f"there is no camera {number}: {_cameras(len(devices))}")
        return _opened(f"video={devices[number]}", name, format="dshow")
    path = Path(f"/dev/video{number}")
    if not path.exists():
        found = sum(1 for _ in Path("/dev").glob("video[0-9]*"))
        raise InputError(f"there is no camera {number} ({path}): {_cameras(found)}")
    return _opened(str(path), name, format="v4l2")


def _cameras(count: int) -> str:
    return (
        f"this machine has {count} camera{'s' * (count > 1)}" if count else "this machine has none that is free to use"
    )


def _opened(file: str, name: str, **how: Any) -> Any:
    import av

    try:
        container = av.open(file, timeout=_TIMEOUT, metadata_errors="replace", **how)
    except (av.FFmpegError, OSError, ValueError) as error:
        raise InputError(f"{name} cannot be opened: {_reason(error)}") from error
    try:
        if not container.streams.video or container.streams.video[0].codec_context is None:
            raise InputError(f"{name} sends no pictures that can be decoded")
        stream = container.streams.video[0]
        check_size(stream.width, stream.height, pixel_limit(), name)
    except BaseException:
        container.close()
        raise
    return container


def _reason(error: Exception) -> str:
    """Why, without the address, in which a password may stand."""
    text = getattr(error, "strerror", None) or " ".join(str(error).split())
    known = {
        "Invalid data found when processing input": "it sends nothing that is read",
        "Invalid argument": "it sends nothing that is read (a playlist is not)",
        "Immediate exit requested": f"nothing came for {_TIMEOUT[1]:g} s",
        "Input/output error": "the connection broke",
    }
    return known.get(text, cut(text[:1].lower() + text[1:], 100))
