"""One clip while it is being read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np

from mien.media.clips import ClipInfo, ClipReader
from mien.modalities.video.timeline import Sighting, assemble, numbered
from mien.modalities.video.watch import Faces
from mien.results import ClipSummary, Result

if TYPE_CHECKING:
    from mien.modalities.video.predictor import VideoPredictor

S = TypeVar("S")  # what is seen in a frame: its sample until the network has read it, and then what that said


class ClipReading(ABC, Generic[S]):
    """A clip being read: iterate to read on, and have the result of what was read by then whenever you want.

    ::

        reading = model.read("talk.mp4")
        for seconds in reading:
            print(f"{seconds:.1f} of {reading.info.duration} s")
        result = reading.result()

    One frame is held at a time, besides the small samples cut from frames that wait to be read together. Ctrl-C and
    other exceptions leave what was read by then; after ``break`` another loop goes on where the first was left.

    Attributes:
        info: size and length of the clip.
        time: seconds from the clip's first frame to the last one read.

    Raises:
        InputError: it is no clip that can be read; one line that says why.
    """

    def __init__(self, path: str | Path, fps: float | None, frames: int | None, batch_size: int) -> None:
        self._path, self._batch_size = path, batch_size
        self._clip = ClipReader(path, fps=fps, frames=frames)
        self._seen: list[S] = []  # what frames showed
        self._unread: list[S] = []  # those of them that wait for the network
        self._frames, self._whole = 0, False
        self._steps = self._read_on()
        self.time = 0.0

    @property
    def info(self) -> ClipInfo:
        """Size and length of the clip."""
        return self._clip.info

    def __iter__(self) -> Iterator[float]:
        """Read on; gives the time of each frame once it was looked at, in seconds."""
        return self._steps

    @abstractmethod
    def result(self, problem: str | None = None) -> Result:
        """What was read so far; `clip.duration` is then how far that is.

        Args:
            problem: why it is not the whole clip, such as "stopped after 12.4 s"; by default what the file itself had
                wrong with it.
        """

    @abstractmethod
    def _look(self) -> Iterable[tuple[float, list[S]]]:
        """Frame by frame the time, never falling, and what the frame shows."""

    @abstractmethod
    def _is_read(self, one: S) -> bool:
        """Whether the network has read it."""

    @abstractmethod
    def _read(self, batch: list[S]) -> None:
        """Let the network read some; their samples are let go of once all of them have answers."""

    def _read_on(self) -> Iterator[float]:
        with self._clip:
            for time, found in self._look():
                self._seen += found
                self._unread += found
                self.time, self._frames = time, self._frames + 1
                if len(self._unread) >= self._batch_size:
                    self._read_waiting()
                yield time
        self._whole = True

    def _summary(self, problem: str | None) -> ClipSummary:
        """Of what was looked at; the network has then read all of it."""
        # Anew, as Ctrl-C may have fallen between the two lines that add to these lists.
        self._unread = [one for one in self._seen if not self._is_read(one)]
        self._read_waiting()
        info = self.info
        return ClipSummary(
            info.duration if self._whole else self.time, info.width, info.height, self._frames,
            self._clip.skipped, problem or self._clip.problem,
        )  # fmt: skip

    def _read_waiting(self) -> None:
        """Where it is interrupted, what waits is read the next time."""
        while self._unread:
            batch = self._unread[: self._batch_size]
            self._read(batch)
            del self._unread[: len(batch)]


class Reading(ClipReading[Sighting]):
    """A clip whose faces are being read; see :class:`ClipReading`."""

    def __init__(
        self, model: VideoPredictor, path: str | Path, fps: float | None, frames: int | None, batch_size: int
    ) -> None:
        super().__init__(path, fps, frames, batch_size)
        self._model = model
        self._faces = Faces(self._clip, model.detector, model.settings.face)

    def result(self, problem: str | None = None, group: str | None = None) -> Result:
        """What was read so far; `clip.duration` is then how far that is.

        Args:
            problem: why it is not the whole clip, such as "stopped after 12.4 s"; by default what the file itself had
                wrong with it.
            group: of its people, for a model with experts for groups: which one answers, instead of what it chooses.
        """
        clip, model = self._summary(problem), self._model
        found, smooth = self._seen, model.settings.smooth
        rows, who = np.zeros((0, len(model.space))), numbered([one.person for one in found], self._faces.known_as)
        if found:
            said = np.stack([one.row for one in found if one.row is not None])
            times = np.array([one.time for one in found])
            rows = model.select_experts(said, who, times, None if group is None else [group] * len(found))
        timeline = assemble(found, who, rows, clip, model.prediction, model.rule, smooth)
        return model.clip_result(str(self._path), timeline, clip)

    def _look(self) -> Iterable[tuple[float, list[Sighting]]]:
        return self._faces

    def _is_read(self, one: Sighting) -> bool:
        return one.row is not None

    def _read(self, batch: list[Sighting]) -> None:
        rows = self._model.classify(np.stack([sighting.crop for sighting in batch if sighting.crop is not None]))
        for sighting, row in zip(batch, rows, strict=True):
            sighting.row = row
        for sighting in batch:
            sighting.crop = None
