"""One clip while it is being read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mien.clips import ClipInfo, ClipReader
from mien.results import ClipSummary, Result
from mien.video.timeline import Sighting, assemble, numbered
from mien.video.watch import Faces

if TYPE_CHECKING:
    from mien.video.recognizer import VideoRecognizer


class Reading:
    """A clip being read: iterate to read on, and have the result of what was read by then whenever you want.

    ::

        reading = model.read("talk.mp4")
        for seconds in reading:
            print(f"{seconds:.1f} of {reading.info.duration} s")
        result = reading.result()

    One frame is held at a time, besides the small crops of faces that wait to be read together. Ctrl-C and other
    exceptions leave what was read by then; after ``break`` another loop goes on where the first was left.

    Attributes:
        info: size and length of the clip.
        time: seconds from the clip's first frame to the last one read.

    Raises:
        InputError: it is no clip that can be read; one line that says why.
    """

    def __init__(
        self, model: VideoRecognizer, path: str | Path, fps: float | None, frames: int | None, batch_size: int
    ) -> None:
        self._model, self._path, self._batch_size = model, path, batch_size
        self._clip = ClipReader(path, fps=fps, frames=frames)
        self._faces = Faces(self._clip, model.detector, model.settings.face)
        self._sightings: list[Sighting] = []
        self._unread: list[Sighting] = []  # those of them that wait for the network
        self._frames, self._whole = 0, False
        self._steps = self._read_on()
        self.time = 0.0

    @property
    def info(self) -> ClipInfo:
        """Size and length of the clip."""
        return self._clip.info

    def __iter__(self) -> Iterator[float]:
        """Read on; gives the time of each frame once its faces were found, in seconds."""
        return self._steps

    def _read_on(self) -> Iterator[float]:
        with self._clip:
            for time, found in self._faces:
                self._sightings += found
                self._unread += found
                self.time, self._frames = time, self._frames + 1
                if len(self._unread) >= self._batch_size:
                    self._classify()
                yield time
        self._whole = True

    def result(self, problem: str | None = None, group: str | None = None) -> Result:
        """What was read so far; `clip.duration` is then how far that is.

        Args:
            problem: why it is not the whole clip, such as "stopped after 12.4 s"; by default what the file itself had
                wrong with it.
            group: of its people, for a model with experts for groups: which one answers, instead of what it chooses.
        """
        # Anew, as Ctrl-C may have fallen between the two lines that add to these lists.
        self._unread = [sighting for sighting in self._sightings if sighting.row is None]
        self._classify()
        info, model = self.info, self._model
        clip = ClipSummary(
            info.duration if self._whole else self.time, info.width, info.height, self._frames,
            self._clip.skipped, problem or self._clip.problem,
        )  # fmt: skip
        found, smooth = self._sightings, model.settings.smooth
        rows, who = np.zeros((0, len(model.space))), numbered([one.person for one in found], self._faces.known_as)
        if found:
            said = np.stack([one.row for one in found if one.row is not None])
            times = np.array([one.time for one in found])
            rows = model.settled(said, who, times, None if group is None else [group] * len(found))
        timeline = assemble(found, who, rows, clip, model.prediction, model.rule, smooth)
        return model.clip_result(str(self._path), timeline, clip)

    def _classify(self) -> None:
        """Let the network read the crops that wait. Where it is interrupted, they are read the next time."""
        while self._unread:
            batch = self._unread[: self._batch_size]
            rows = self._model.classify(np.stack([sighting.crop for sighting in batch if sighting.crop is not None]))
            for sighting, row in zip(batch, rows, strict=True):
                sighting.row = row
            del self._unread[: len(batch)]
            for sighting in batch:
                sighting.crop = None
