"""The verb ``predict`` on clips: onto the screen, as JSON, and into files."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mien.cli_inputs import Source
from mien.errors import InputError, MienError

if TYPE_CHECKING:
    from mien.results import Result
    from mien.video.recognizer import VideoRecognizer

SHOWN = 20  # results kept to be shown; more are only counted
_EACH = 5  # of so many clips each has its own strip
_ONE = (".json", ".mp4")  # files that hold one clip


@dataclass
class Clips:
    """The clips of a call, and how they are to be read.

    Attributes:
        model: reads them.
        source: their paths.
        roll: what is done to each result, such as rolling it up to other labels.
        settings: fps, frames and batch_size, as :meth:`mien.video.recognizer.VideoRecognizer.read` takes them.
        stopped: once Ctrl-C has ended the reading: where, in one line.
    """

    model: VideoRecognizer
    source: Source
    roll: Callable[[Result], Result]
    settings: dict[str, Any]
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
        from mien.display import progress, shorten_path

        try:
            reading = self.model.read(path, **self.settings)
        except InputError as error:
            return self.model.result(path, error=str(error))
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
        return reading.result()


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
    from mien.sinks import check_target

    check_target(out, _ONE)
    if out.suffix in _ONE:
        _one(clips, out)
    else:
        _to_file(clips, out, settings)


def _to_screen(clips: Clips, as_json: bool) -> None:
    failed: list[str] = []
    if as_json:
        print(json.dumps({"model": clips.model.name}, ensure_ascii=False)[:-1] + ', "results": [', end="")
        for number, result in enumerate(clips):
            line = json.dumps(result.to_dict(), ensure_ascii=False)
            print(f"{',' if number else ''}\n {line}", end="", flush=True)
            failed += _trouble(result)
        print("\n]}")
    else:
        failed = _show(clips)
    if clips.stopped:
        raise MienError(f"{clips.stopped}; what was read by then is {'printed' if as_json else 'shown'}")
    if failed:
        what = f"{len(failed)} of {clips.source.total} clips were" if clips.source.total != 1 else "the clip was"
        raise InputError(f"{what} not read whole: {failed[0]}")


def _show(clips: Clips) -> list[str]:
    from mien.cli_predict import console, say
    from mien.video.strip import show_clip, show_clips

    shown: list[Result] = []
    counts, failed = Counter[str](), list[str]()
    total = clips.source.total or 0
    each = total <= _EACH
    for result in clips:
        failed += _trouble(result)
        counts[result.label or "—"] += 1
        if each:
            if counts.total() > 1:
                console().print()
            show_clip(console(), result)
        elif len(shown) < SHOWN:
            shown.append(replace(result, timeline=(), segments=()))
        else:
            for line in _trouble(result):
                say(f"mien: {line}")
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


def _to_file(clips: Clips, out: Path, settings: dict[str, Any]) -> None:
    """A table, JSONL or a page: rows that are done stand in a journal."""
    from mien.cli_predict import console, say
    from mien.display import show_counts
    from mien.model import NETWORK
    from mien.sinks import Journal
    from mien.video.strip import show_clip
    from mien.video.tables import clip_row

    scores, flat = settings["scores"], out.suffix in (".csv", ".tsv", ".parquet") and not settings["timeline"]
    keep = partial(clip_row, scores=scores) if flat else dict
    sha = clips.model.manifest.files[NETWORK].sha256
    asked = {name: clips.settings[name] for name in ("fps", "frames")}
    signature = {"model": sha, "inputs": clips.source.identity(), **asked, **settings}
    counts, errors, parts, single = Counter[str](), 0, 0, clips.source.total == 1
    with Journal(out, signature, _writer(out.suffix, scores, flat)) as journal:
        if journal.done:
            say(f"going on after the {journal.done:,} clips in {journal.path}")
        done = journal.done
        for result in clips.after(done):
            if clips.stopped and not (single and result.clip):
                raise MienError(
                    f"stopped: the {done:,} clips done are kept in {journal.path}; give the same command to go on"
                )
            journal.append([keep(result.to_dict())])
            done += 1
            if single:
                show_clip(console(stderr=True), result)
        for row in journal.rows():
            counts[row["label"] or "—"] += 1
            problem = row["problem"] if flat else (row["clip"] or {}).get("problem")
            errors, parts = errors + bool(row["error"]), parts + bool(problem)
            if errors + parts <= SHOWN and (row["error"] or problem) and not clips.stopped:
                name = row["file"] if flat else row["input"]
                say(f"mien: {row['error'] or f'{name}: {problem}'}")
        journal.finish()
    if not single:
        show_counts(console(stderr=True), counts, "clips")
    if errors:
        say(f"{errors:,} of {done:,} clips could not be read: their rows have no label and say why")
    if parts > bool(clips.stopped):
        say(f"{parts:,} of {done:,} clips were not read to their end")
    say(f"wrote {out}")
    _end(clips, out)


def _one(clips: Clips, out: Path) -> None:
    """A file that holds one clip."""
    from mien.cli_predict import console, say
    from mien.sinks import written
    from mien.video.strip import show_clip

    if clips.source.total != 1:
        raise InputError(f"{out} holds one clip, and {clips.source.total} are given; .jsonl and .html hold several")
    (result,) = clips
    if result.error:
        raise InputError(result.error)
    if out.suffix == ".mp4":
        from mien.display import progress
        from mien.video.draw import write_marked

        long = result.clip.duration if result.clip else None
        try:
            with progress(f"drawing {out.name}", long, timed=True) as step:
                write_marked(out, result, step)
        except KeyboardInterrupt:
            raise MienError(f"stopped while {out} was drawn; it is not there") from None
    else:
        with written(out):
            out.write_text(json.dumps(result.to_dict(), ensure_ascii=False, indent=1) + "\n", "utf-8")
    show_clip(console(stderr=True), result)
    for line in _trouble(result) if not clips.stopped else ():
        say(f"mien: {line}")
    say(f"wrote {out}")
    _end(clips, out)


def _end(clips: Clips, out: Path) -> None:
    if clips.stopped:
        raise MienError(f"{clips.stopped}; what was read by then is in {out}")


def _writer(suffix: str, scores: bool, flat: bool) -> Callable[[Path, Any], None]:
    """What makes a file of rows: as :func:`mien.video.tables.clip_row` has them where *flat*, else as JSONL does."""
    from mien.sinks import FORMATS
    from mien.video.tables import moment_rows

    if suffix == ".html":
        from mien.video.page import write_page

        return lambda target, rows: write_page(target, rows())
    write = FORMATS[suffix]
    if flat or suffix == ".jsonl":
        return write
    return lambda target, rows: write(target, lambda: (line for row in rows() for line in moment_rows(row, scores)))
