"""The verb ``predict`` on clips: onto the screen, as JSON, and into files."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
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
_EACH = 5  # of so many clips each has its own strip
_ONE = (".json", ".mp4")  # files that hold one clip
_TABLES = (".csv", ".tsv", ".parquet")


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
    from mien.output.writer import check_target

    check_target(out, _ONE)
    if clips.model.manifest.modality == "scene" and out.suffix == ".mp4":
        raise InputError(f"{out}: marked clips are made of faces; of scenes take a page (.html), .json or a table")
    if clips.single or out.suffix in _ONE:
        _one(clips, out, settings)
    else:
        _several(clips, out, settings)


def _to_screen(clips: Clips, as_json: bool) -> None:
    failed: list[str] = []
    left_out = left_out_of([clips.source])
    if as_json:
        print_json(head(clips.model.name), end="")
        for number, result in enumerate(clips):
            print_json("," if number else "", end="\n ")
            for part in _json(result):
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
    from mien.output.scene_show import show_clip as show_scenes
    from mien.output.strip import show_clip as show_faces

    if result.modality == "scene":
        show_scenes(console, result, clips.model.manifest.scales)
    else:
        show_faces(console, result)


def _show(clips: Clips) -> list[str]:
    from mien.cli.usage import console, log
    from mien.output.strip import show_clips

    shown: list[Result] = []
    counts, failed = Counter[str](), list[str]()
    total = clips.source.total or 0
    each = total <= _EACH or clips.model.manifest.modality == "scene"
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
        show_clips(console(), shown, counts, total)
    return failed


def _trouble(result: Result) -> list[str]:
    """Why a clip was not read, or not to its end: no line or one."""
    if result.error:
        return [result.error]
    problem = result.clip and result.clip.problem
    return [f"{result.input}: {problem}"] if problem else []


# ---------------------------------------------------------------------------------------------------- into files


def _several(clips: Clips, out: Path, settings: dict[str, Any]) -> None:
    """A table, JSONL or a page: rows that are done stand in a journal."""
    from mien.cli.usage import console, log
    from mien.output.clip_tables import clip_row
    from mien.output.journal import Journal
    from mien.output.terminal import show_counts

    scores, flat = settings["scores"], out.suffix in _TABLES and not settings["timeline"]
    keep = partial(clip_row, scores=scores) if flat else dict
    counts, errors, parts = Counter[str](), 0, 0
    with Journal(out, settings["asked"], _writer(clips, out.suffix, scores, flat), log, "clips") as journal:
        done = journal.done
        for result in clips.after(done):
            if clips.stopped:
                raise stopped(f"the {done:,} clips done are kept in {journal.path}")
            journal.append([keep(result.to_dict())])
            done += 1
        for row in journal.rows():
            counts[row["label"] or "—"] += 1
            problem = row["problem"] if flat else (row.get("clip") or {}).get("problem")
            errors, parts = errors + bool(row["error"]), parts + bool(problem)
            if errors + parts <= SHOWN and (row["error"] or problem):
                name = row["file"] if flat else row["input"]
                log(f"mien: {row['error'] or f'{name}: {problem}'}")
        journal.finish()
    show_counts(console(stderr=True), counts, "clips")
    say_left_out(left_out_of([clips.source]))
    if errors:
        log(f"{errors:,} of {done:,} clips could not be read: their rows have no label and say why")
    if parts:
        log(f"{parts:,} of {done:,} clips were not read to their end")
    log(f"wrote {out}")


def _one(clips: Clips, out: Path, settings: dict[str, Any]) -> None:
    """A file of one clip; after Ctrl-C of what was read of it by then."""
    from mien.cli.usage import console, log

    if clips.source.total != 1:
        raise InputError(f"{out} holds one clip, and {clips.source.total} are given; .jsonl and .html hold several")
    (result,) = clips
    if result.error:
        raise InputError(result.error)
    if out.suffix == ".mp4":
        _draw(result, out)
    else:
        _write(clips, result, out, settings)
    _show_clip(clips, console(stderr=True), result)
    for line in _trouble(result) if not clips.stopped else ():
        log(f"mien: {line}")
    log(f"wrote {out}")
    if clips.stopped:
        raise MienError(f"{clips.stopped}; what was read by then is in {out}")


def _draw(result: Result, out: Path) -> None:
    from mien.output.clip_draw import write_marked
    from mien.output.terminal import progress

    long = result.clip.duration if result.clip else None
    try:
        with progress(f"drawing {out.name}", long, timed=True) as step:
            write_marked(out, result, step)
    except KeyboardInterrupt:
        raise MienError(f"stopped while {out} was drawn; it is not there") from None


def _write(clips: Clips, result: Result, out: Path, settings: dict[str, Any]) -> None:
    """Moment by moment, where the file allows it: those of a long clip are not all in memory as text."""
    from mien.files import atomic_write
    from mien.output.clip_tables import clip_row, moment_rows
    from mien.output.writer import FORMATS

    scores = settings["scores"]
    result = replace(result, input=result.input.encode("utf-8", "replace").decode())  # a name need not be text

    def rows() -> Iterator[dict[str, Any]]:
        if out.suffix == ".html" or not settings["timeline"]:
            row = result.to_dict()
            return iter([row if out.suffix == ".html" else clip_row(row, scores)])
        timeline = (moment.to_dict() for moment in result.timeline)
        return moment_rows(result.to_dict(timeline=False), scores, timeline if result.timeline else ())

    with atomic_write(out) as scratch:
        if out.suffix in (".json", ".jsonl"):
            with scratch.open("w", encoding="utf-8") as file:
                file.writelines(_json(result, lines=out.suffix == ".json"))
                file.write("\n")
        elif out.suffix == ".html":
            _writer(clips, out.suffix, scores, flat=False)(scratch, rows)
        else:
            FORMATS[out.suffix](scratch, rows)


def _json(result: Result, *, lines: bool = False) -> Iterator[str]:
    """A result as JSON, one moment after the other; where wanted, each on a line of its own."""
    head = json.dumps(result.to_dict(timeline=False), ensure_ascii=False)
    if not result.timeline:
        yield head
        return
    yield head.removesuffix("]}")
    for place, moment in enumerate(result.timeline):
        yield (", " if place else "") + ("\n " if lines else "") + json.dumps(moment.to_dict(), ensure_ascii=False)
    yield "]}"


def _writer(clips: Clips, suffix: str, scores: bool, flat: bool) -> Callable[[Path, Any], None]:
    """What makes a file of rows: as :func:`mien.output.clip_tables.clip_row` has them if *flat*, else as in JSONL."""
    from mien.output.clip_tables import moment_rows
    from mien.output.writer import FORMATS

    if suffix == ".html" and clips.model.manifest.modality == "scene":
        from mien.output import scene_clip_page as clip_page

        scales = clips.model.manifest.scales
        return lambda target, rows: clip_page.write_page(target, rows(), scales)
    if suffix == ".html":
        from mien.output.clip_page import write_page

        return lambda target, rows: write_page(target, rows())
    write = FORMATS[suffix]
    if flat or suffix == ".jsonl":
        return write
    return lambda target, rows: write(target, lambda: (line for row in rows() for line in moment_rows(row, scores)))
