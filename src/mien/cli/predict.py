"""The verb ``predict``: texts with a text model, pictures with one of faces or scenes; clips: cli_clips.py.

Tables of numbers are read with a model of features, which has to be named.
"""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.cli.counts import Unread, print_results, say_left_out
from mien.cli.inputs import Source, are_clips, files, kind_of, left_out_of, numbers, stopped, texts
from mien.cli.usage import SHOWN, AsJson, console, log, target
from mien.errors import InputError, cut, quoted
from mien.inputs import exists

if TYPE_CHECKING:
    from mien.modality import Predictor
    from mien.results import Result

_MODALITIES = ("text", "face", "video", "scene", "features")
_PICTURES = ("face", "scene")
_UNITS = {"face": "faces", "scene": "readings", "features": "rows"}  # what is counted; texts of the rest


def predict(
    inputs: Annotated[
        list[str],
        typer.Argument(
            help="Texts, files of lines (.txt), tables, - for standard input; or pictures, clips, and folders of them."
        ),
    ],
    model: Annotated[
        str | None,
        typer.Option(
            help="A shipped model's name, or a model or run folder. "
            "[default: face for pictures, video for clips, else text]"
        ),
    ] = None,
    modality: Annotated[
        str | None, typer.Option("--as", help="Take every input as this: text, face, video, scene or features.")
    ] = None,
    labels: Annotated[str | None, typer.Option(help="Answer in another label space, such as ekman7.")] = None,
    column: Annotated[
        str | None, typer.Option(help="The table's column with the text, if its name does not tell.")
    ] = None,
    encoding: Annotated[str | None, typer.Option(help="Of text files; found out if not given.")] = None,
    quotes: Annotated[
        bool, typer.Option("--quotes/--no-quotes", help="Whether quotes enclose fields in a .tsv.")
    ] = True,
    crops: Annotated[bool, typer.Option("--crops", help="Each picture is a ready crop of one face.")] = False,
    box: Annotated[
        list[str] | None,
        typer.Option(
            "--box", help="Of one scene: a person's left,top,right,bottom in pixels; may be given several times."
        ),
    ] = None,
    fps: Annotated[float | None, typer.Option(help="Of clips: frames a second to look at.")] = None,
    frames: Annotated[int | None, typer.Option(min=1, help="Of clips: so many frames of each, spread evenly.")] = None,
    as_json: AsJson = False,
    out: Annotated[
        Path | None,
        target("Write FILE.{jsonl,csv,tsv,parquet,html}; of one picture also .jpg or .png, of one clip .json or .mp4."),
    ] = None,
    scores: Annotated[bool, typer.Option(help="With --out: a column for the probability of every label.")] = False,
    timeline: Annotated[
        bool | None,
        typer.Option(
            help="Tables of clips: a row for each moment, or one for each clip. "
            "[default: moments of a single clip, one row for each of several or of a folder]"
        ),
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Texts or faces computed at once.")] = 64,
    engine: Annotated[
        str, typer.Option(help="local, or ray: in several processes, into a folder --out of Parquet parts.")
    ] = "local",
    workers: Annotated[
        int | None, typer.Option(min=1, help="Of --engine ray: how many processes. [default: one for each core]")
    ] = None,
) -> None:
    """Read emotion in texts, files of lines and tables, in the faces of pictures and clips, or in tables of numbers."""
    given = dict(locals())
    if problem := _misused(as_json, out, modality, fps, frames) or _no_engine(engine, workers, out):
        raise typer.BadParameter(problem)
    from mien.modality import load

    kind = kind_of(inputs, model, modality)
    clips_given = are_clips(inputs, kind)
    if problem := _unfit(kind, crops, None if clips_given else (fps, frames, timeline)):
        raise typer.BadParameter(problem)
    literal = modality == "text"
    if out and any(os.path.samefile(item, out) for item in inputs if exists(item) and out.exists()):
        raise InputError(f"{out} is an input, which would be lost: name another file")
    sources = _sources(
        inputs, "video" if clips_given else kind, model or kind, column,
        {"encoding": encoding, "quotes": quotes}, literal=literal,
    )  # fmt: skip
    predictor = load(model or kind)
    if predictor.manifest.modality != kind:
        raise InputError(f"the model {predictor.name} reads {predictor.manifest.modality}, not {kind}")
    predictor, roll = _answer_in(predictor, labels)
    settings: dict[str, Any] = {"scores": scores, "labels": labels}
    if out:
        from mien.output.shards import resume_key

        free = ("inputs", "model", "as_json", "out", "batch_size", "engine", "workers")
        options = {"as" if name == "modality" else name: value for name, value in given.items() if name not in free}
        settings["asked"] = resume_key(predictor.manifest.digest, [source.identity() for source in sources], options)
    if clips_given:
        single = len(inputs) == 1 and not Path(inputs[0]).is_dir()
        settings["timeline"] = single if timeline is None else timeline
    if engine == "ray" and out:
        from mien.cli.ray import predict_on_ray

        if kind == "features" or box or "-" in inputs:
            raise InputError("--engine ray is for texts, pictures and clips: not for numbers, --box or standard input")
        how: dict[str, Any] = {"fps": fps, "frames": frames} if clips_given else {"crops": True} if crops else {}
        predict_on_ray(predictor, roll, sources, out, workers, {**how, "batch_size": batch_size}, settings)
        return
    if clips_given:
        from mien.cli.clips import Clips, predict_clips
        from mien.modalities.scene.predictor import ScenePredictor
        from mien.modalities.video.predictor import VideoPredictor

        assert isinstance(predictor, VideoPredictor | ScenePredictor)
        clips = Clips(predictor, sources[0], roll, {"fps": fps, "frames": frames, "batch_size": batch_size}, single)
        predict_clips(clips, as_json, out, settings)
        return
    reading: dict[str, Any] = {"crops": True} if crops else {}
    boxes = _boxes(box, inputs, kind) if box else None

    def read(items: Iterable[Any]) -> Iterator[Result]:
        if boxes:
            told: Any = predictor  # one of scenes
            return (roll(told.predict(item, boxes=boxes)) for item in items)
        from mien.output.terminal import with_notes

        return map(roll, with_notes(predictor.predict_many(items, batch_size, **reading), log))

    if out:
        size = 1 if boxes else 64 if kind in _PICTURES else 16 * batch_size
        _predict_to_file(predictor, read, sources, out, settings, size)
    else:
        _predict_to_screen(predictor, read, sources, as_json)


def _misused(
    as_json: bool, out: Path | None, modality: str | None, fps: float | None, frames: int | None
) -> str | None:
    """What is wrong with the options themselves, whatever the inputs; None if nothing is."""
    if as_json and out:
        return "--json prints and --out writes; take one of them"
    if modality not in (None, *_MODALITIES):
        return f"--as {modality!r}; there are: {', '.join(_MODALITIES)}"
    if fps is not None and frames is not None:
        return "--fps or --frames; take one of them"
    if fps is not None and not 0 < fps <= 1000:
        return f"--fps must be above 0 and at most 1000, not {fps:g}"
    return None


def _sources(
    inputs: list[str], kind: str, model: str, column: str | None, how: dict[str, Any], *, literal: bool
) -> list[Source]:
    """The inputs as what they are; *literal*: every one is a text."""
    if kind == "text":
        return list(texts(inputs, column, literal=literal, **how))
    if kind == "features":
        return [numbers(Path(item), model, how["encoding"]) for item in inputs]
    return [files(inputs, kind)]


def _unfit(kind: str, crops: bool, of_clips: tuple[Any, ...] | None) -> str | None:
    """Which options are for inputs of another kind; *of_clips* are those for clips, where none are given."""
    if crops and kind != "face":
        return "--crops is for pictures"
    if of_clips and any(value is not None for value in of_clips):
        return "--fps, --frames and --timeline are for clips"
    return None


def _no_engine(engine: str, workers: int | None, out: Path | None) -> str | None:
    """What is wrong with the options that say where to compute; None if nothing is."""
    if engine not in ("local", "ray"):
        return f"--engine {engine!r}; there are: local, ray"
    if engine == "ray" and out is None:
        return "--engine ray needs --out FOLDER"
    return "--workers is for --engine ray" if workers and engine == "local" else None


def _boxes(box: list[str], inputs: list[str], kind: str) -> list[tuple[float, ...]]:
    """The boxes of ``--box``, as numbers."""
    if kind != "scene" or len(inputs) != 1:
        raise typer.BadParameter("--box is for one picture, read as a scene", param_hint="--box")
    try:
        found = [tuple(float(side) for side in text.split(",")) for text in box]
    except ValueError:
        found = [()]
    if any(len(sides) != 4 for sides in found):
        raise typer.BadParameter("a box is left,top,right,bottom", param_hint="--box")
    return found


def _predict_to_screen(
    predictor: Predictor, read: Callable[[Iterable[Any]], Iterator[Result]], sources: list[Source], as_json: bool
) -> None:
    counts: Counter[str] = Counter()
    shown: list[Result] = []
    unread = Unread()
    results = unread.watch(read(_texts(sources)))
    left_out, given = left_out_of(sources), sum(not source.name.strip() for source in sources)
    if as_json:
        print_results(predictor.name, results, lambda: unread.left_out(given, left_out))
    else:
        from mien.modality import get_modality
        from mien.output.show import show_results
        from mien.output.terminal import progress

        pictures = predictor.manifest.modality in _PICTURES
        total = sources[0].total if len(sources) == 1 else None
        with progress("reading", total) as step:
            for result in results:
                if pictures:
                    counts.update(item.label or "—" for item in result.items)
                else:
                    counts[result.label or "—"] += 1
                if len(shown) < SHOWN:
                    shown.append(result)
                elif result.error and pictures:
                    log(f"mien: {result.error}")
                step(1)
        everything = sources[0].total or len(shown) if pictures else counts.total()
        kind = get_modality(predictor.manifest.modality).kind
        show_results(console(), shown, counts, everything, kind, predictor.manifest)
    unread.tell(given, left_out)


def _texts(sources: Iterable[Source]) -> Iterator[Any]:
    return (text for source in sources for text, _ in source.rows())


def _answer_in(predictor: Predictor, labels: str | None) -> tuple[Predictor, Callable[[Result], Result]]:
    from mien.modality import answer_in

    try:
        return answer_in(predictor, labels)
    except InputError as error:
        raise InputError(f"--labels {quoted(cut(labels or '', 40))}: {error}") from error


# ---------------------------------------------------------------------------------------------------- into files


def _predict_to_file(
    predictor: Predictor,
    read: Callable[[Iterable[Any]], Iterator[Result]],
    sources: list[Source],
    out: Path,
    settings: dict[str, Any],
    size: int,
) -> None:
    """A file of any number of inputs, in shards of *size*: a run that is resumed reads the same ones together."""
    from mien.modality import get_modality
    from mien.output.show import show_results
    from mien.output.terminal import progress, show_counts
    from mien.output.writer import open_writer

    modality = get_modality(predictor.manifest.modality)
    again = all(source.name != "-" for source in sources)
    totals = [source.total for source in sources if source.total is not None]
    total = sum(totals) if len(totals) == len(sources) else None
    writer = open_writer(
        out, modality.kind, predictor.manifest, scores=settings["scores"], key=settings["asked"], size=size,
        taken=(name for source in sources for name in source.columns), restart=not again, say=log,
    )  # fmt: skip
    if writer.part is None and total != 1:
        raise InputError(f"{out} holds one picture, and {total} are given; .html holds several")
    shown: list[Result] = []
    try:
        with writer, progress(f"reading into {out}", total, writer.done) as step:
            for inputs in writer.pending(row for source in sources for row in source.rows()):
                for result, columns in _paired(read, inputs):
                    writer.write(result, columns)
                    step(1)
                    shown = [result]
    except KeyboardInterrupt:
        kept = f"the {writer.done:,} rows done are kept in {writer.part}"
        raise stopped(kept if again else f"{kept}; standard input is read from its start again") from None
    tally = writer.tally
    if writer.part is None and shown:
        show_results(console(stderr=True), shown, tally.labels, 1, modality.kind, predictor.manifest)
    else:
        for problem in tally.problems if modality.kind == "picture" else ():
            log(f"mien: {problem}")
        if tally.labels or predictor.manifest.labels.names:
            show_counts(console(stderr=True), tally.labels, f"{modality.unit}s")
    say_left_out(left_out_of(sources))
    if tally.unread:
        what = f"{tally.unread:,} of {tally.inputs:,} {modality.kind}s"
        log(f"{what} could not be read: their rows have no label and say why")
    log(f"wrote {out}")


def _paired(
    read: Callable[[Iterable[Any]], Iterator[Result]], inputs: Iterable[tuple[Any, dict[str, Any]]]
) -> Iterator[tuple[Result, dict[str, Any]]]:
    """The results of inputs, each with the cells of its row."""
    waiting = deque[dict[str, Any]]()

    def items() -> Iterator[Any]:
        for item, columns in inputs:
            waiting.append(columns)
            yield item

    for result in read(items()):
        yield result, waiting.popleft()
