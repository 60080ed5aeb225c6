"""The predictor of clips."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mien.errors import InputError, ModelError
from mien.modalities.face.classifier import FaceClassifier
from mien.modalities.video.aggregate import RULES
from mien.modalities.video.preprocess import VideoSettings
from mien.modalities.video.reading import Reading
from mien.modalities.video.sequences import padded, windows
from mien.modalities.video.timeline import Timeline
from mien.modality import Progress
from mien.model import FRAMES, Manifest, preprocess_settings
from mien.results import ClipSummary, Result
from mien.runtime import Session

_WINDOWS = 64  # stretches of a clip read at once by a network that reads them whole


class VideoPredictor(FaceClassifier):
    """Reads emotion in the faces of clips: over time, for each person, and for the clip.

    Frames are taken from the clip, the faces in them found and followed, and read in batches across frames. Memory
    does not grow with the clip, but for its timeline.

    Attributes:
        settings: how clips are gone through.
        rule: what makes one answer of many moments: probabilities (n, labels) to (labels,), n at least 1. Set one of
            your own, or one of :data:`mien.modalities.video.aggregate.RULES`.
    """

    def __init__(
        self, folder: Path, manifest: Manifest, files: Mapping[str, bytes], threads: int | None = None
    ) -> None:
        super().__init__(folder, manifest, files, threads)
        self.settings = preprocess_settings(manifest, VideoSettings, folder)
        if manifest.space.multilabel:
            raise ModelError(f"{folder}: a model of clips must answer with one label at a time")
        # What a network learned to read together needs no rule besides: its answers about each stretch are averaged.
        learned = self.settings.aggregate == "learned"
        self.rule = RULES["sum" if learned else self.settings.aggregate]
        self._frames = Session(files[FRAMES], threads, name=folder / FRAMES) if learned else None

    def read(
        self, path: str | Path, fps: float | None = None, frames: int | None = None, batch_size: int = 64
    ) -> Reading:
        """Begin to read a clip; see :class:`mien.modalities.video.reading.Reading`. For long clips.

        Args:
            path: of the clip.
            fps: frames a second to look at, instead of the model's.
            frames: so many frames, spread evenly over the clip, instead.
            batch_size: faces read at once.

        Raises:
            InputError: it is no clip that can be read, or both *fps* and *frames* are given.
        """
        if not isinstance(path, str | Path):
            raise InputError(f"a clip is the path of a file, not {type(path).__name__}")
        if fps is not None and frames is not None:
            raise InputError("give frames a second or a number of frames, not both")
        if fps is None and frames is None:
            fps, frames = self.settings.fps, self.settings.frames
            fps = fps if frames is None else None
        return Reading(self, path, fps, frames, batch_size)

    def predict(self, item: Any, fps: float | None = None, frames: int | None = None) -> Result:
        """Read one clip; one in which no face is ever seen gives a result without items.

        Args:
            item: the path of the clip.
            fps: frames a second to look at, instead of the model's.
            frames: so many frames, spread evenly over the clip, instead.

        Raises:
            InputError: the clip cannot be read; one line that says why.
        """
        result = next(self.predict_many([item], fps=fps, frames=frames))
        if result.error:
            raise InputError(result.error)
        return result

    def predict_many(
        self, inputs: Iterable[Any], batch_size: int = 64, fps: float | None = None, frames: int | None = None
    ) -> Iterator[Result]:
        """Results in the order of the clips, one after the other.

        A clip that cannot be read gives a result whose ``error`` says why; one that is cut off gives what there is,
        and ``result.clip.problem`` says so.

        Args:
            inputs: paths, taken as they are wanted.
            batch_size: faces read at once.
            fps: frames a second to look at, instead of the model's.
            frames: so many frames, spread evenly over each clip, instead.
        """
        for item in inputs:
            try:
                yield self._whole(item, fps, frames, batch_size)
            except Exception as error:
                yield self.failed(item, error)

    def predict_proba(
        self,
        inputs: Sequence[Any],
        batch_size: int = 64,
        progress: Progress | None = None,
        groups: Sequence[str] | None = None,
    ) -> np.ndarray:
        """The scores of whole clips: float32 (n, labels). A clip without a face has the same for every label.

        Args:
            groups: of the people of each clip, for a model with experts for groups: which one answers, instead of what
                it chooses.

        Raises:
            InputError: a clip cannot be read; the message says which.
        """
        scores = np.full((len(inputs), len(self.space)), 1 / len(self.space), np.float32)
        for place, item in enumerate(inputs):
            try:
                result = self._whole(item, None, None, batch_size, groups[place] if groups is not None else None)
            except InputError as error:
                raise InputError(f"input {place + 1}: {error}") from None
            for whole in result.items:
                scores[place] = list(whole.scores.values())
            if progress:
                progress(1)
        return scores

    def clip_result(self, name: str, timeline: Timeline, clip: ClipSummary) -> Result:
        """The result of a clip of that name."""
        return replace(self.result(name), **timeline._asdict(), clip=clip)

    def select_experts(
        self, rows: np.ndarray, who: np.ndarray, times: np.ndarray | None = None, known: Sequence[str] | None = None
    ) -> np.ndarray:
        """See ``FaceClassifier.select_experts``. A network that reads a person's moments together
        answers about each moment by what is seen of the person around it.
        """
        if self._frames is None or times is None:
            return super().select_experts(rows, who, times, known)
        answers = np.empty((len(rows), len(self.manifest.space)), np.float32)
        for person in np.unique(who):
            of = np.flatnonzero(who == person)
            spans = windows(times[of], times[of], self.settings.window)
            unique, which = np.unique(spans, axis=0, return_inverse=True)
            for start in range(0, len(unique), _WINDOWS):
                batch = padded([rows[of[first:last]] for first, last in unique[start : start + _WINDOWS]])
                chosen = (which >= start) & (which < start + _WINDOWS)
                answers[of[chosen]] = self._session.run(batch)[which[chosen] - start]
        return answers[:, self._columns]

    def _read(self, crops: np.ndarray) -> np.ndarray:
        return super()._read(crops) if self._frames is None else self._frames.run(crops, "features")

    def _whole(
        self, item: Any, fps: float | None, frames: int | None, batch_size: int, group: str | None = None
    ) -> Result:
        reading = self.read(item, fps, frames, batch_size)
        for _ in reading:
            pass
        return reading.result(group=group)
