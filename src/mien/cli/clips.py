"""The verb ``predict`` on clips: onto the screen, as JSON, and into files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mien.cli.counts import head, say_left_out, tail, with_left_out
from mien.cli.inputs import Source, left_out_of, stopped
from mien.errors import InputError, MienError, print_json

if TYPE_CHECKING:
    from rich.console import Console

    from mien.modalities.scene.predictor import ScenePredictor
    from mien.modalities.video.predictor import VideoPredictor
    from mien.results import Result

SHOWN = 20  # results kept to be shown; more are only counted


@dataclass
class Clips:
    """The clips of a call, and how they are to be read.

    Attributes:
        model: reads them.
        source: their paths.
        roll: what is done to each result, such as rolling it up to other labels.
        settings: fps, frames and batch_size, as :meth:`mien.modalities.video.predictor.VideoPredictor.read` takes them.
        single: whether it is one clip, and no folder.
        stopped: once Ctrl-C has ended the reading: where, in one line.
    """

    model: VideoPredictor | ScenePredictor
    source: Source
    roll: Callable[[Result], Result]
    settings: dict[str, Any]
    single: bool
    stopped: str | None = None

    def __iter__(self) -> Iterator[Result]:
        """The results, in order. After Ctrl-C that of the clip at hand, as far as it was read, is the last."""
        return self.after(0)

    def after(self, done: int) -> Iterator[Result]:
        """The results of the clips but the first so many."""
        for number, (path, _) in enumerate(self.source.rows(), 1):
            if number > done:
                yield self.roll(self._read(path, number))
            if self.stopped:
                return

    def _read(self, path: str, number: int) -> Result:
        from mien.output.terminal import progress, shorten_path

        try:
            reading = self.model.read(path, **self.settings)
        except Exception as error:
            return self.model.failed(path, error)
        except KeyboardInterrupt:  # to spread frames over a clip, it is gone through before
            self.stopped = f"{path}: stopped before it was read"
            return self.model.result(path, error=self.stopped)
        of = f"{number} of {self.source.total}: " if self.source.total != 1 else ""
        with progress(of + shorten_path(path, 40), reading.info.duration, timed=True) as step:
            before = 0.0
            try:
                for time in reading:
                    step(time - before)
                    before = time
            except KeyboardInterrupt:
                told = f"stopped after {reading.time:.1f} s"
                self.stopped = f"{path}: {told}"
                return reading.result(told)
            except Exception as error:
                return self.model.failed(path, error)
        try:
            return reading.result()
        except Exception as error:
            return self.model.failed(path, error)


def predict_clips(clips: Clips, as_json: bool, out: Path | None, settings: dict[str, Any]) -> None:
    """What ``mien predict`` does with clips; files of several go on where a stopped call left them.

    Args:
        settings: of files: "scores", for a column of every label's probability; "timeline", for tables with one row for
            each moment instead of each clip; others that the rows depend on.

    Raises:
        InputError: clips could not be read, or not to their end; all others were shown.
        MienError: a file cannot be written; or it was stopped, and what was read by then is kept.
    """
    if out is None:
        _to_screen(clips, as_json)
        return
    _to_file(clips, out, settings)


def _to_screen(clips: Clips, as_json: bool) -> None:
    from mien.output.rows import document_parts

    failed: list[str] = []
    left_out = left_out_of([clips.source])
    if as_json:
        print_json(head(clips.model.name), end="")
        for number, result in enumerate(clips):
            print_json("," if number else "", end="\n ")
            for part in document_parts(result):
                print_json(part, end="")
            failed += _trouble(result)
        print_json(tail(left_out))
    else:
        failed = _show(clips)
    if clips.stopped:
        raise MienError(f"{clips.stopped}; what was read by then is {'printed' if as_json else 'shown'}")
    if failed:
        what = f"{len(failed):,} of {clips.source.total:,} clips were" if clips.source.total != 1 else "the clip was"
        raise InputError(with_left_out(f"{what} not read whole: {failed[0]}", left_out))
    say_left_out(left_out)


def _show_clip(clips: Clips, console: Console, result: Result) -> None:
    from mien.modality import get_modality
    from mien.output.show import show_clip

    manifest = clips.model.manifest
    show_clip(console, result, manifest.scales, get_modality(manifest.modality).boxes)


def _show(clips: Clips) -> list[str]:
    from mien.cli.usage import console, log
    from mien.output.show import FEW, show_results

    shown: list[Result] = []
    counts, failed = Counter[str](), list[str]()
    total = clips.source.total or 0
    each = total <= FEW
    for result in clips:
        failed += _trouble(result)
        counts[result.label or "—"] += 1
        if each:
            if counts.total() > 1:
                console().print()
            _show_clip(clips, console(), result)
        elif len(shown) < SHOWN:
            shown.append(replace(result, timeline=(), segments=()))
        else:
            for line in _trouble(result):
                log(f"mien: {line}")
    if not each:
        show_results(console(), shown, counts, total, "clip", clips.model.manifest)
    return failed


def _trouble(result: Result) -> list[str]:
    """Why a clip was not read, or not to its end: no line or one."""
    if result.error:
        return [result.error]
    problem = result.clip and result.clip.problem
    return [f"{result.input}: {problem}"] if problem else []


# ---------------------------------------------------------------------------------------------------- into files


def _to_file(clips: Clips, out: Path, settings: dict[str, Any]) -> None:
    """A file of clips; after Ctrl-C, where there is one clip alone, of what was read of it by then."""
    from mien.cli.usage import console, log
    from mien.output.terminal import show_counts
    from mien.output.writer import open_writer

    writer = open_writer(
        out, "clip", clips.model.manifest, scores=settings["scores"], timeline=settings["timeline"],
        key=settings["asked"], size=1, say=log,
    )  # fmt: skip
    if writer.part is None and clips.source.total != 1:
        raise InputError(f"{out} holds one clip, and {clips.source.total} are given; .jsonl and .html hold several")
    shown: Result | None = None
    with writer:
        for inputs in writer.pending(enumerate(clips.source.rows(), 1)):
            for number, (path, _) in inputs:
                shown = clips.roll(clips._read(path, number))
                if clips.single and shown.error:
                    raise InputError(shown.error)
                if clips.stopped and not clips.single:
                    raise stopped(f"the {writer.done:,} clips done are kept in {writer.part}")
                writer.write(shown)
    tally = writer.tally
    if clips.single and shown:
        _show_clip(clips, console(stderr=True), shown)
    else:
        show_counts(console(stderr=True), tally.labels, "clips")
    for problem in tally.problems if not clips.stopped else ():
        log(f"mien: {problem}")
    say_left_out(left_out_of([clips.source]))
    if tally.unread:
        log(f"{tally.unread:,} of {tally.inputs:,} clips could not be read: their rows have no label and say why")
    if tally.partial and not clips.single:
        log(f"{tally.partial:,} of {tally.inputs:,} clips were not read to their end")
    log(f"wrote {out}")
    if clips.stopped:
        raise MienError(f"{clips.stopped}; what was read by then is in {out}")
