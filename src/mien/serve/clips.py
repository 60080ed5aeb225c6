"""Uploaded clips, read within their limits."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from mien.errors import InputError
from mien.media.clips import work_ends
from mien.modalities.clip import ClipPredictor
from mien.modality import Predictor
from mien.results import Result
from mien.serve.settings import ServeSettings

_OPENING = 5.0  # seconds in which a clip must open, be the work on it ever so short


@dataclass(eq=False)
class Clip:
    """An uploaded clip."""

    path: str  # for as long as it is read
    abandoned: threading.Event = field(default_factory=threading.Event)  # set when nobody waits for it any more


def read_clips(predictor: Predictor, clips: Sequence[Clip], limits: ServeSettings) -> list[Result]:
    """Results of clips; one that is too long has none, and one that takes too long that of its beginning."""
    if not isinstance(predictor, ClipPredictor):  # of a plug-in
        return list(predictor.predict_many([clip.path for clip in clips]))
    return [_read(predictor, clip, limits) for clip in clips]


def _read(predictor: ClipPredictor, clip: Clip, limits: ServeSettings) -> Result:
    before = work_ends.set(time.monotonic() + max(limits.max_clip_work_s, _OPENING))
    try:
        reading = predictor.read(clip.path)
        length = reading.info.duration
        if length > limits.max_clip_s:
            raise InputError(f"{clip.path} is {length:.1f} s long; up to {limits.max_clip_s:g} s are read")
        end = time.monotonic() + limits.max_clip_work_s
        for at in reading:
            if clip.abandoned.is_set():
                raise InputError("nobody waits for it")
            if time.monotonic() > end:
                return reading.result(f"stopped after {at:.1f} s: the server spends no more time on one clip")
        return reading.result()
    except Exception as error:
        return predictor.failed(clip.path, error)
    finally:
        work_ends.reset(before)
