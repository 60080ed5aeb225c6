"""The pipeline of ``predict``: a reader of the inputs, and where its results go, the same for inputs of all kinds."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from mien.cli.inputs import Columns, Inputs, counted
from mien.cli.usage import SHOWN, console, log, stopped
from mien.errors import InputError, MienError, print_json, require
from mien.modality import Predictor
from mien.model import Manifest, read_manifest, shipped
from mien.output.rows import RowFormat, Tally, document_parts, languages_line, problem_of, uncounted_line
from mien.output.show import FEW, show_result, show_results
from mien.output.terminal import progress, shorten_path, show_counts, with_notes
from mien.results import EMPTY, Result, language_error

if TYPE_CHECKING:
    from rich.console import Console


@dataclass
class Reader:
    """Reads the inputs of a call with a model, in their order.

    Attributes:
        predictor: the model.
        roll: what is done to each result, such as rolling it up to other labels.
        inputs: what is read.
        options: of reading: crops, boxes, fps, frames, rule, all_faces.
        batch_size: texts, faces or frames computed at once.
        stopped: once Ctrl-C has ended the reading of a clip: where, in one line.
    """

    predictor: Predictor
    roll: Callable[[Result], Result]
    inputs: Inputs
    options: dict[str, Any]
    batch_size: int
    stopped: str | None = None

    def read(self, rows: Iterable[tuple[Any, Columns]], done: int = 0) -> Iterator[tuple[Result, Columns]]:
        """Each result with the columns of its input. After Ctrl-C in a clip that of the part that was read is the last.

        Args:
            rows: inputs with their columns, taken as they are wanted.
            done: how many inputs there are before these.
        """
        waiting = deque[Columns]()

        def items() -> Iterator[Any]:
            for item, columns in rows:
                waiting.append(columns)
                yield item

        if self.inputs.kind == "clip":
            results = with_notes(self._clips(items(), done), log)
        elif "boxes" in self.options:  # what is wrong with them ends the call
            results = (self.predictor.predict(item, **self.options) for item in items())
        else:
            results = with_notes(self.predictor.predict_many(items(), self.batch_size, **self.options), log)
        for result in results:
            yield self.roll(result), waiting.popleft()

    def _clips(self, paths: Iterable[str], done: int) -> Iterator[Result]:
        for number, path in enumerate(paths, done + 1):
            try:
                yield self._clip(path, number)
            except Exception as error:
                yield self.predictor.failed(path, error)
            if self.stopped:
                return

    def _clip(self, path: str, number: int) -> Result:
        """One clip, frame by frame, so that there is progress, and a result of what was read when it is stopped."""
        predictor: Any = self.predictor  # one of clips
        try:
            reading = predictor.read(path, batch_size=self.batch_size, **self.options)
        except KeyboardInterrupt:  # to spread frames over a clip, it is gone through before
            self.stopped = f"{path}: stopped before it was read"
            return self.predictor.result(path, error=self.stopped)
        which = f"{number} of {self.inputs.total}: " if self.inputs.total != 1 else ""
        with progress(which + shorten_path(path, 40), reading.info.duration, timed=True) as step:
            before = 0.0
            try:
                for time in reading:
                    step(time - before)
                    before = time
            except KeyboardInterrupt:
                problem = f"stopped after {reading.time:.1f} s"
                self.stopped = f"{path}: {problem}"
                return cast(Result, reading.result(problem))
        return cast(Result, reading.result())


# ------------------------------------------------------------------------------------------------- on the screen


def to_screen(reader: Reader) -> None:
    """Show the results to a person.

    Raises:
        InputError: inputs could not be read, or clips not to their end; all others were shown.
        MienError: it was stopped by Ctrl-C within a clip; what was read by then was shown.
    """
    inputs, tally, shown = reader.inputs, Tally(), list[Result]()
    clips = inputs.kind == "clip"
    each = clips and (inputs.total or 0) <= FEW  # shown as soon as it is read
    with (_no_progress if clips else progress)("reading", inputs.total) as step:
        for result, _ in reader.read(inputs.rows()):
            tally.add(result, inputs.kind)
            if each:
                if tally.inputs > 1:
                    console().print()
                show_result(console(), result, inputs.kind, reader.predictor.manifest.scales, inputs.modality.boxes)
            elif len(shown) < SHOWN:
                shown.append(replace(result, timeline=(), segments=()))
            elif inputs.kind != "text" and (problem := problem_of(result)):
                log(f"mien: {problem}")
            step(1)
    if not each:
        _show(reader, console(), shown, tally)
    _finish(reader, tally, "shown")


def to_json(reader: Reader) -> None:
    """Print the results as one JSON document. Raises what :func:`to_screen` does."""
    inputs, tally = reader.inputs, Tally()
    print_json(json.dumps({"model": reader.predictor.name}, ensure_ascii=False)[:-1] + ', "results": [', end="")
    try:
        for result, _ in reader.read(inputs.rows()):
            print_json("," if tally.inputs else "", end="\n ")
            for part in document_parts(result):
                print_json(part, end="")
            tally.add(result, inputs.kind)
    except MienError as error:  # a table damaged further down: the document stays one
        print_json('\n], "error": ' + json.dumps(str(error), ensure_ascii=False) + "}")
        raise
    unread = {EMPTY: tally.empty - inputs.slips} if tally.empty > inputs.slips else {}
    if not _refused(inputs, tally):
        unread |= {language_error(name, reader.predictor.name): n for name, n in tally.languages.most_common()}
    left_out = None if inputs.left_out is None and not unread else {**(inputs.left_out or {}), **unread}
    more = "" if left_out is None else ', "left_out": ' + json.dumps(left_out, ensure_ascii=False)
    print_json(f"\n]{more}}}")
    _finish(reader, tally, "printed")


def _show(reader: Reader, terminal: Console, results: list[Result], tally: Tally) -> None:
    manifest, total = reader.predictor.manifest, reader.inputs.total or tally.inputs
    kind = reader.inputs.kind
    show_results(terminal, results, tally.labels, total, kind, manifest, tally.unsure, tally.uncounted)


def _no_progress(*_: object) -> AbstractContextManager[Callable[[float], None]]:
    return nullcontext(lambda _: None)


def _finish(reader: Reader, tally: Tally, kept: str) -> None:
    """Say in the last line what was not read, and what was left out of folders.

    An empty line or cell of a file, or one in a language that is not read, is no failure where others are read: it has
    a result, without a label, so that all line up with it. One that stands on the command line itself is a slip.
    """
    inputs = reader.inputs
    if reader.stopped:
        raise MienError(f"{reader.stopped}; what was read by then is {kept}")
    foreign, empty = [languages_line(tally.languages)], tally.empty - inputs.slips
    other = _who_reads(tally.languages, reader.predictor.manifest)
    failed = tally.unread - empty + tally.partial
    if _refused(inputs, tally):
        foreign = [*(foreign if tally.inputs > 1 else ()), other, "--language any reads texts as they are"]
    else:
        failed -= tally.languages.total()
        foreign.append(other)
    without = f"{empty:,} of {tally.inputs:,} texts without a label, because empty" if empty else ""
    if failed:
        noun, what = ("clip", "not read whole") if inputs.kind == "clip" else ("input", "could not be read")
        many = f"{failed:,} of {tally.inputs:,} {noun}s" if tally.inputs > 1 else f"the {noun}"
        verb = "" if noun == "input" else "were " if tally.inputs > 1 else "was "
        line = f"{many} {verb}{what}: {_reason(reader, tally)}"
        raise InputError("; ".join(filter(None, (line, *foreign, without, _left_out(inputs)))))
    for line in filter(None, (*foreign, without, _left_out(inputs), _nothing(inputs, tally))):
        log(line)


def _who_reads(languages: Collection[str], manifest: Manifest) -> str:
    """Which shipped model of the same kind reads languages that this one does not: "--model text-… reads de"; or ""."""
    for folder in shipped().values() if languages else ():
        other = read_manifest(folder)
        some = [name for name in languages if name in other.preprocess.get("languages", [])]
        if some and other.modality == manifest.modality:
            return f"--model {other.name} reads {', '.join(some)}"
    return ""


def _refused(inputs: Inputs, tally: Tally) -> bool:
    """Whether it is a failure that texts are in a language which is not read: all are, or they are typed."""
    typed = all(source.total == 1 and not source.columns for source in inputs.sources)
    return bool(tally.languages) and (typed or tally.unread == tally.inputs)


def _reason(reader: Reader, tally: Tally) -> str:
    """Why the first input that was not read was not."""
    foreign = (language_error(name, reader.predictor.name) for name in tally.languages)
    return next(chain(tally.problems, foreign), EMPTY)


def _left_out(inputs: Inputs) -> str:
    what = "chat" if inputs.kind == "text" else "folders"
    return f"left out of the {what}: {counted(inputs.left_out)}" if inputs.left_out else ""


def _nothing(inputs: Inputs, tally: Tally) -> str:
    """Where there was nothing to read, which is no error: a table without rows, no line of standard input."""
    if tally.inputs:
        return ""
    names = ", ".join("standard input" if source.name == "-" else source.name for source in inputs.sources)
    return f"nothing was read: there are no {inputs.kind}s in {names}"


# ---------------------------------------------------------------------------------------------------- into files


def to_file(reader: Reader, rows: RowFormat, out: Path, key: Mapping[str, Any]) -> None:
    """Write the results into a file; one that was stopped is gone on with.

    Raises:
        InputError: nothing could be read; the file says why, but for one that holds one clip or picture.
        MienError: the file cannot be written; or it was stopped by Ctrl-C, and what was read by then is kept.
    """
    from mien.output.writer import open_writer

    inputs, kind, manifest = reader.inputs, reader.inputs.kind, reader.predictor.manifest
    alone = kind == "clip" and inputs.single
    size = 1 if kind == "clip" or "boxes" in reader.options else 64 if kind == "picture" else 16 * reader.batch_size
    writer = open_writer(
        out, kind, manifest, scores=rows.scores, timeline=rows.timeline, taken=rows.taken, key=key, size=size,
        restart=not inputs.again, log=log,
    )  # fmt: skip
    if writer.part is None and inputs.total != 1:
        raise InputError(f"{out} holds one {kind}, and {inputs.total} are given; .jsonl and .html hold several")
    result: Result | None = None
    bar = _no_progress if kind == "clip" else progress  # each clip has one of its own
    try:
        with writer, bar(f"reading into {out}", inputs.total, writer.done) as step:
            for some in writer.pending(inputs.rows()):
                for result, columns in reader.read(some, writer.done):
                    if alone and result.error:
                        raise InputError(result.error)
                    if reader.stopped and not alone:
                        raise KeyboardInterrupt
                    writer.write(result, columns)
                    if kind in ("picture", "clip") and not reader.stopped and (problem := problem_of(result)):
                        log(f"mien: {problem}")
                    step(1)
    except KeyboardInterrupt:
        if writer.part is None:
            raise MienError(f"stopped; {out} is not there") from None
        if not writer.done:
            raise stopped(f"nothing was done by then; {out} is not there") from None
        kept = f"the {writer.done:,} {'clips' if kind == 'clip' else 'rows'} done are kept in {writer.part}"
        raise stopped(kept if inputs.again else f"{kept}; standard input is read from its start again") from None
    _report(reader, writer.tally, result if alone or writer.part is None else None)
    log(f"wrote {out}")
    if reader.stopped:
        raise MienError(f"{reader.stopped}; what was read by then is in {out}")
    _refuse_nothing(reader, writer.tally, out)


def to_shards(
    reader: Reader, rows: RowFormat, out: Path, key: Mapping[str, Any], labels: str | None, workers: int | None
) -> None:
    """Write the results into a folder of Parquet shards, on Ray. Raises what :func:`to_file` does, and MissingExtra."""
    from mien.distributed import Job, plan_shards, run_on_ray
    from mien.output.shards import open_shards, opened
    from mien.output.writer import check_target

    require("ray.data", "scale")
    check_target(out, folder=True)
    inputs, options = reader.inputs, reader.options | {"batch_size": reader.batch_size}
    job = Job(reader.predictor.folder.resolve(), labels, rows, inputs.rows, options, language=reader.predictor.language)
    with opened(out.absolute()):
        with progress("looking through the inputs", None):
            plan = partial(plan_shards, job, reader.predictor, reader.roll, workers)
            shards = open_shards(out.absolute(), key, plan, log)
        if already := shards.tally().inputs:
            log(f"going on after the {already:,} inputs whose results are in {out}")
        try:
            if shards.missing():
                run = run_on_ray(job, shards, workers)
                with progress(f"reading into {out}", shards.plan.inputs, already) as step, closing(run):
                    for count in run:
                        step(count)
        except KeyboardInterrupt:
            shards.clean()
            done = f"{len(shards.existing()):,} of {shards.plan.shards:,} parts are done and kept in {out}"
            raise stopped(done) from None
        tally = shards.tally()
    if tally.inputs != shards.plan.inputs:
        raise MienError(f"only {tally.inputs:,} of {shards.plan.inputs:,} inputs were read; the same command goes on")
    for problem in tally.problems if inputs.kind in ("picture", "clip") else ():
        log(f"mien: {problem}")
    _report(reader, tally)
    log(f"wrote {tally.rows:,} rows in {shards.plan.shards:,} parts into {out}")
    _refuse_nothing(reader, tally, out)


def _report(reader: Reader, tally: Tally, shown: Result | None = None) -> None:
    """Say on standard error what came out; of one input with all of its result."""
    inputs, kind = reader.inputs, reader.inputs.kind
    if shown is not None:
        _show(reader, console(stderr=True), [shown], tally)
    elif tally.labels or reader.predictor.space.names:
        show_counts(console(stderr=True), tally.labels, "clip" if kind == "clip" else inputs.modality.unit)
    if tally.unsure and shown is None:
        are = "is" if tally.unsure == 1 else "are"
        log(f"{tally.unsure:,} of {tally.labels.total():,} {are} unsure, and marked so")
    if tally.uncounted and shown is None:
        units = f"{'clip' if kind == 'clip' else inputs.modality.unit}s"
        log(uncounted_line(tally.uncounted, tally.labels.total() + tally.uncounted, units))
    if tally.unread:
        log(f"{tally.unread:,} of {tally.inputs:,} {kind}s could not be read: their rows have no label and say why")
    if tally.partial and shown is None:
        log(f"{tally.partial:,} of {tally.inputs:,} {kind}s were not read to their end")
    foreign = (languages_line(tally.languages), _who_reads(tally.languages, reader.predictor.manifest))
    for line in filter(None, (*foreign, _left_out(inputs), _nothing(inputs, tally))):
        log(line)


def _refuse_nothing(reader: Reader, tally: Tally, out: Path) -> None:
    if tally.inputs == tally.unread > tally.empty:
        kind = reader.inputs.kind
        which = f"the {kind}" if tally.inputs == 1 else f"none of the {tally.inputs:,} {kind}s"
        could = "could not" if tally.inputs == 1 else "could"
        raise InputError(f"{which} {could} be read: {_reason(reader, tally)}; {out} says why")
