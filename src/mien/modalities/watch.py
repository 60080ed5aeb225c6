"""Cameras, streams and clips, looked at as they come: people are followed, and memory does not grow."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from threading import Event
from time import monotonic
from typing import Any

import numpy as np

from mien.errors import InputError, quoted
from mien.media.folders import open_clip
from mien.media.sampling import check_sampling
from mien.media.streams import LiveReader, Shot, is_live, shown_name
from mien.modalities.clip import ClipPredictor
from mien.modalities.face.predictor import FaceClassifier
from mien.modalities.smoother import SMOOTH, Smoother
from mien.modality import answer_in, load
from mien.results import ClipSummary, Glance

_FPS = 5.0  # pictures a second to look at, where neither caller nor model says how many


class Watching:
    """A source that is being watched; an iterator of glances, to go through once, and a context manager.

    Args: as those of :func:`watch`.

    Attributes:
        predictor: the model.
        name: of the source, without a password.
        live: whether the source is a camera or a stream.
        looks: pictures looked at so far.
        people: how many were seen so far; who came back is counted once.
        dropped: pictures so far that were passed over for newer ones.
        skipped: pictures of a clip so far that were damaged and left out.
        problem: why the source was not read to its end, once it has ended.

    Raises:
        InputError, ModelError: see :func:`watch`.
    """

    def __init__(
        self, source: str | int | Path, model: str = "video", *, fps: float | None = None, labels: str | None = None,
        smooth: float = SMOOTH, give_up: float | None = None, real_time: bool = False, all_faces: bool = False,
    ) -> None:  # fmt: skip
        check_sampling(fps, None)
        found, self._roll = answer_in(load(model), labels)
        if not isinstance(found, ClipPredictor):
            raise InputError(f"the model {found.name} reads {found.manifest.modality}: one that reads clips can watch")
        if all_faces:
            if not isinstance(found, FaceClassifier):
                raise InputError(f"the model {found.name} reads {found.manifest.modality}: it has no faces to count")
            found = found.counting_all()
        self.predictor, self.live = found, is_live(source)
        self.name = shown_name(str(source)) if self.live else quoted(source)
        self._real_time = real_time and not self.live
        if isinstance(source, int) or self.live:
            self._reader: Any = LiveReader(str(source), fps or found.sampling[0] or _FPS, give_up)
        elif Path(source).is_dir():
            self._reader = open_clip(source, rate=fps)
        else:
            self._reader = open_clip(source, fps=fps or found.sampling[0] or _FPS)
        self._sightings, self._smoother = found.look_through(()), Smoother(smooth, all_faces)
        self.looks, self._highest, self._same, self._stopped = 0, 0, 0, Event()

    def __iter__(self) -> Iterator[Glance]:
        with closing(self):
            for shot in self._shots():
                yield self._glance(shot)

    def __enter__(self) -> Watching:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def stop(self) -> None:
        """End it before the next picture; from another thread or a signal's handler, too."""
        self._stopped.set()
        if self.live:
            self._reader.stop()

    def close(self) -> None:
        """Let go of the source."""
        self._reader.close()

    @property
    def people(self) -> int:
        """How many were seen so far."""
        return self._highest - self._same

    @property
    def dropped(self) -> int:
        """Pictures that were passed over for newer ones."""
        return self._reader.dropped if self.live else 0

    @property
    def skipped(self) -> int:
        """Pictures of a clip that were damaged or missing."""
        return 0 if self.live else self._reader.skipped

    @property
    def problem(self) -> str | None:
        """Why it ended before its time."""
        found: str | None = self._reader.problem
        return found

    def _shots(self) -> Iterator[Shot]:
        if self.live:
            yield from self._reader
            return
        start, last = monotonic(), 0.0
        for frame in self._reader:
            last = max(last, frame.time)  # clocks of damaged clips go back
            if self._stopped.is_set() or (self._real_time and self._stopped.wait(max(0.0, start + last - monotonic()))):
                return
            yield Shot(last, frame.picture)

    def _glance(self, shot: Shot) -> Glance:
        if shot.picture is None:
            return Glance(shot.time, at=shot.at, dropped=self.dropped, gap=shot.gap)
        self.looks += 1
        seen = self._sightings.look(shot.time, shot.picture)
        if isinstance(known := self._sightings.known_as, MutableMapping):
            self._same += len(known)
            known.clear()  # the tracker gives the right number from now on
        if not seen:
            return Glance(shot.time, at=shot.at, dropped=self.dropped)
        rows = self.predictor.read_samples(np.stack([one.sample for one in seen if one.sample is not None]))
        for one, outputs in zip(seen, rows, strict=True):
            one.outputs = outputs
        who = np.array([one.person for one in seen])
        self._highest = max(self._highest, int(who.max()))
        height, width = shot.picture.shape[:2]
        found = self.predictor.clip_result("live", seen, who, ClipSummary(None, width, height, 1), None)
        moments = self._roll(found).timeline
        items = self._smoother.follow(shot.time, who.tolist(), [moment.prediction for moment in moments])
        people = tuple(replace(moment, prediction=item) for moment, item in zip(moments, items, strict=True))
        return Glance(shot.time, people, shot.at, self.dropped)


def watch(
    source: str | int | Path, model: str = "video", *, fps: float | None = None, labels: str | None = None,
    smooth: float = SMOOTH, give_up: float | None = None, real_time: bool = False, all_faces: bool = False,
) -> Iterator[Glance]:  # fmt: skip
    """Look at a camera, a stream or a clip while it goes on; gives what each picture shows, as it comes.

    ::

        for moment in mien.watch("rtsp://camera/1"):
            for person in moment.people:
                print(moment.time, person.person, person.prediction.label)

    Of a live source the newest picture wins: what cannot be looked at in time is dropped. One that breaks is opened
    again, after longer and longer waits; a moment with ``gap`` says that there is no picture for now. Of a clip every
    picture that is due is looked at, as fast as it goes.

    Args:
        source: a camera's number, the address of a stream (rtsp, rtmp, http, udp, …), a clip, or a folder of numbered
            pictures.
        model: a shipped model that reads clips, or a model folder.
        fps: pictures a second to look at, instead of the model's; of a folder how many of them are a second.
        labels: answer in another label space.
        smooth: seconds over which scores are averaged; 0 for none.
        give_up: seconds without a picture after which a stream ends; without it never.
        real_time: look at a clip in its own time.
        all_faces: average faces, too, that could not be seen well enough to be sure.

    Raises:
        InputError: it cannot be opened; one line.
        ModelError: no such model.
    """
    how: dict[str, Any] = {"smooth": smooth, "give_up": give_up, "real_time": real_time, "all_faces": all_faces}
    return iter(Watching(source, model, fps=fps, labels=labels, **how))
