"""Marked clips: faces with labels and bars beside them, a strip of time below."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from mien.files import atomic_write
from mien.labels import emotion
from mien.media.clips import ClipReader, Frame
from mien.media.encode import write_clip
from mien.media.folders import FolderReader, open_clip
from mien.output.draw import annotate, rgb
from mien.output.tracks import Track, length, rate_of, tracks_of
from mien.results import Prediction, Result

_RATES = (1.0, 120.0)  # frames a second that are written; a clip that states others gets 25
_STRIP = 0.02  # of the height


def write_marked(target: Path, result: Result, step: Callable[[float], object] = lambda seconds: None) -> None:
    """Write the clip of a result again with its faces marked; in its own speed, without sound.

    Between two frames that were looked at, boxes and bars move evenly from one to the other. A file has one rate of
    frames: frames of a clip of variable rate are repeated or left out, so that each is shown when it was.

    Args:
        target: ends in ``.mp4``; it appears whole or not at all.
        result: its ``input`` is the path of the clip, which is read once more.
        step: called with the seconds done since the last call.

    Raises:
        InputError: the clip cannot be read.
        MienError: the file cannot be written.
    """
    own = rate_of(result.to_dict(timeline=False))
    with atomic_write(target) as scratch, open_clip(result.input, rate=own) as clip:
        least, most = _RATES
        rate = clip.info.rate if least <= (clip.info.rate or 0) <= most else 25.0
        write_clip(scratch, _at_rate(clip, rate, result, step), rate, target)


def _at_rate(
    clip: ClipReader | FolderReader, rate: float, result: Result, step: Callable[[float], object]
) -> Iterator[np.ndarray]:
    """At each 1/rate seconds the marked frame that the clip shows then."""
    marker, count = _Marker(result), 0
    end = length(result.to_dict(timeline=False)) if result.clip and result.clip.problem else float("inf")
    shown: Frame | None = None
    for frame in clip:
        if frame.time > end:  # the rest was not read
            break
        while shown is not None and count / rate < frame.time - 0.5 / rate:
            yield marker.drawn(shown)
            count += 1
        step(frame.time - (shown.time if shown else 0.0))
        shown = frame
    last = min(end, clip.info.duration or 0.0)
    while shown is not None and (count == 0 or count / rate < last - 0.5 / rate):
        yield marker.drawn(shown)
        count += 1


class _Marker:
    """Draws on frames what was read of their time."""

    def __init__(self, result: Result) -> None:
        self._result, self._tracks, self._end = result, tracks_of(result), length(result.to_dict(timeline=False))
        self._strip: np.ndarray | None = None
        self._last: tuple[int, np.ndarray] | None = None  # a frame that is repeated is drawn once

    def drawn(self, frame: Frame) -> np.ndarray:
        """The marked frame, uint8 (height, width, 3) RGB, of even height and width."""
        if self._last is not None and self._last[0] == frame.number:
            return self._last[1]
        found = ((track, track.at(frame.time)) for track in self._tracks)
        drawn = [self._prediction(track, *seen) for track, seen in found if seen is not None]
        faces = tuple(sorted(drawn, key=_area, reverse=True))
        picture = annotate(frame.picture, Result(self._result.input, "face", self._result.model, faces))
        picture = np.ascontiguousarray(picture[: picture.shape[0] // 2 * 2, : picture.shape[1] // 2 * 2])
        self._draw_strip(picture, frame.time)
        self._last = (frame.number, picture)
        return picture

    def _prediction(self, track: Track, scores: np.ndarray, box: np.ndarray, near: int) -> Prediction:
        (whole,) = self._result.items
        certainty = whole.certainty and whole.certainty._replace(threshold=2.0 if track.unsure[near] else 0.0)
        left, top, right, bottom = box.tolist()
        named = dict(zip(whole.space.names, scores.tolist(), strict=True))
        return Prediction(named, whole.space, box=(left, top, right, bottom), certainty=certainty)

    def _draw_strip(self, picture: np.ndarray, time: float) -> None:
        """Along the bottom what the person shows who is seen most; the part still to come is darker."""
        if not self._tracks:
            return
        height, width = picture.shape[:2]
        tall = min(height, max(6, round(height * _STRIP)))
        if self._strip is None:
            self._strip = _colors(max(self._tracks, key=lambda track: int(track.counts.sum())), self._end, width)
        place = round(width * min(1.0, time / (self._end or 1.0)))
        strip = np.repeat(self._strip[None], tall, axis=0)
        strip[:, place:] = strip[:, place:] // 3
        picture[-tall:] = strip
        half = max(1, tall // 10)
        picture[max(0, height - tall - 3) :, max(0, place - half) : place + half] = 255


def _colors(track: Track, end: float, width: int) -> np.ndarray:
    """The color of each column of a strip of time, uint8 (width, 3)."""
    colors = np.full((width, 3), (24, 26, 30), np.uint8)
    for column, row in enumerate(track.over(np.linspace(0, end or 1.0, width + 1))):
        if not np.isnan(row[0]):
            colors[column] = rgb(emotion(track.names[int(row.argmax())]).color)
    return colors


def _area(face: Prediction) -> float:
    left, top, right, bottom = face.box or (0, 0, 0, 0)
    return (right - left) * (bottom - top)
