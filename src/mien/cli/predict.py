"""The verb ``predict``: texts, pictures, clips, scenes and rows, to the screen, as JSON, into a file, or on Ray."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.cli.inputs import CHAT, Inputs, resolve
from mien.cli.usage import (
    AllFaces,
    AsJson,
    AsModality,
    BatchSize,
    Column,
    Confidence,
    Crops,
    Encoding,
    Fps,
    Frames,
    Header,
    Labels,
    Landmarks,
    Language,
    MaxFaces,
    MinFace,
    Quotes,
    Separator,
    Sheet,
    SomeModel,
    table_form,
    target,
)
from mien.errors import InputError, cut, did_you_mean, quoted
from mien.inputs import exists

if TYPE_CHECKING:
    from collections.abc import Callable

    from mien.cli.reading import Reader
    from mien.modality import Predictor
    from mien.results import Result


ALL_FACES = "--all-faces is for faces in pictures and clips"


def predict(
    inputs: Annotated[
        list[str],
        typer.Argument(
            help="Texts, files of lines (.txt), tables, chats, subtitles, mail, - for standard input; "
            "or pictures, clips, and folders of them."
        ),
    ],
    model: SomeModel = None,
    modality: AsModality = None,
    labels: Labels = None,
    language: Language = None,
    column: Column = None,
    encoding: Encoding = None,
    separator: Separator = None,
    header: Header = True,
    sheet: Sheet = None,
    quotes: Quotes = True,
    dates: Annotated[
        str | None, typer.Option(help="Of chats: the order of dates, dmy, mdy or ymd; found out if not given.")
    ] = None,
    crops: Crops = False,
    all_faces: AllFaces = False,
    min_face: MinFace = None,
    max_faces: MaxFaces = None,
    confidence: Confidence = None,
    box: Annotated[
        list[str] | None,
        typer.Option(
            "--box", help="Of one scene: a person's left,top,right,bottom in pixels; may be given several times."
        ),
    ] = None,
    whole: Annotated[
        bool, typer.Option("--whole", help="Of scenes: read each picture as a whole, and look for nobody in it.")
    ] = False,
    landmarks: Landmarks = False,
    fps: Fps = None,
    frames: Frames = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Say which words of a text, or which region of a face, it was.")
    ] = False,
    rule: Annotated[
        str | None, typer.Option(help="Of faces in clips: sum, vote or mean, which makes one answer of many moments.")
    ] = None,
    as_json: AsJson = False,
    out: Annotated[
        Path | None,
        target(
            "Write FILE.{jsonl,csv,tsv,xlsx,parquet,html}; of a picture also .jpg or .png, of a clip .json or .mp4."
        ),
    ] = None,
    scores: Annotated[bool, typer.Option(help="With --out: a column for the probability of every label.")] = False,
    timeline: Annotated[
        bool | None,
        typer.Option(
            help="Tables of clips: a row for each moment, or one for each clip. "
            "[default: moments of a single clip, one row for each of several or of a folder]"
        ),
    ] = None,
    batch_size: BatchSize = 64,
    engine: Annotated[
        str, typer.Option(help="local, or ray: in several processes, into a folder --out of Parquet parts.")
    ] = "local",
    workers: Annotated[
        int | None, typer.Option(min=1, help="Of --engine ray: how many processes. [default: one for each core]")
    ] = None,
) -> None:
    """Read emotion in texts, files of lines and tables, in the faces of pictures and clips, or in tables of numbers."""
    given = dict(locals())
    if problem := misused(as_json, out, modality, dates, fps, frames, engine, workers, scores, confidence):
        raise typer.BadParameter(problem)
    if explain and (engine == "ray" or (out and out.suffix in (".csv", ".tsv", ".xlsx", ".parquet"))):
        raise typer.BadParameter("--explain is for the screen, --json, .jsonl, .html and pictures: a table has no room")
    how = table_form(encoding, separator, header, sheet, quotes)
    found = resolve(inputs, model, modality, column, dates, **how)
    faces = {"min_face": min_face, "max_faces": max_faces, "confidence": confidence}
    if problem := _unfit(found, crops, landmarks, (fps, frames, timeline), rule, whole, dates, all_faces, faces):
        raise typer.BadParameter(problem)
    if box and whole:
        raise typer.BadParameter("--box or --whole; take one of them")
    boxes = _boxes(box, found) if box else None
    if out and any(os.path.samefile(item, out) for item in inputs if exists(item) and out.exists()):
        raise InputError(f"{out} is an input, which would be lost: name another file")
    if engine == "ray" and (found.kind == "row" or boxes or not found.again):
        raise InputError("--engine ray is for texts, pictures and clips: not for numbers, --box or standard input")
    from mien.cli.reading import Reader, to_file, to_json, to_screen, to_shards
    from mien.modality import load
    from mien.output.rows import RowFormat

    predictor = load(model or found.modality.name)
    if predictor.manifest.modality != found.modality.name:
        reads = predictor.manifest.modality
        raise InputError(f"the model {predictor.name} reads {reads}, not {found.modality.name}")
    if rule is not None:
        predictor.looking_at(rule=rule)  # which refuses one that there is not, before any clip is read
    predictor, roll = answer_in_labels(predictor, labels, explain, language)
    told = {
        "crops": crops or None, "boxes": boxes, "whole": whole or None, "fps": fps, "frames": frames, "rule": rule,
        "all_faces": all_faces or None, "landmarks": landmarks or None,
    } | faces  # fmt: skip
    options = {name: value for name, value in told.items() if value is not None}
    if landmarks:
        predictor.warm_up(**options)  # which says what to install, likewise
    reader = Reader(predictor, roll, found, options, batch_size)
    timeline = found.single if timeline is None else timeline
    rows = RowFormat(found.kind, scores, timeline and found.kind == "clip", found.columns)
    if out is None:
        (to_json if as_json else to_screen)(reader)
    elif engine == "ray":
        to_shards(reader, rows, out, _resume_key(reader, given), labels, workers)
    else:
        to_file(reader, rows, out, _resume_key(reader, given))


def misused(
    as_json: bool, out: Path | None, modality: str | None, dates: str | None, fps: float | None, frames: int | None,
    engine: str = "local", workers: int | None = None, scores: bool = False,
    confidence: float | None = None,
) -> str | None:  # fmt: skip
    """What is wrong with the options themselves, whatever the inputs; None if nothing is."""
    from mien.modality import modality_names

    names = (*modality_names(), CHAT) if modality else ()
    wrong = {
        "--json prints and --out writes; take one of them": as_json and out,
        f"--as {modality!r}; there are: {', '.join(names)}{did_you_mean(modality, names)}": modality
        and modality not in names,
        f"--dates {dates!r}; there are: dmy, mdy, ymd": dates and dates not in ("dmy", "mdy", "ymd"),
        "--fps or --frames; take one of them": fps is not None and frames is not None,
        f"--fps must be above 0 and at most 1000, not {fps or 0:g}": fps is not None and not 0 < fps <= 1000,
        f"--engine {engine!r}; there are: local, ray": engine not in ("local", "ray"),
        "--engine ray needs --out FOLDER": engine == "ray" and out is None,
        "--scores is for --out FILE; --json has them always": scores and not (out or as_json),
        f"--confidence must be from 0 to 1, not {confidence or 0:g}": confidence is not None
        and not 0 <= confidence <= 1,
        "--workers is for --engine ray": workers and engine == "local",
    }
    return next((problem for problem, found in wrong.items() if found), None)


def _unfit(
    inputs: Inputs, crops: bool, landmarks: bool, of_clips: tuple[Any, ...], rule: str | None, whole: bool,
    dates: str | None, all_faces: bool, faces: dict[str, Any],
) -> str | None:  # fmt: skip
    """Which options are for inputs of another kind; None if none is."""
    kind, options = inputs.kind, inputs.modality.options
    of_faces = [f"--{name.replace('_', '-')}" for name, value in faces.items() if value is not None]
    first = of_faces[0] if of_faces else ""
    wrong = {
        "--crops is for pictures": crops and "crops" not in options,
        "--landmarks is for faces in pictures and clips": landmarks and "landmarks" not in options,
        ALL_FACES: all_faces and "all_faces" not in options,
        f"{first} is for faces in pictures and clips": of_faces and "min_face" not in options,
        f"{first} is for photographs and clips: with --crops each picture is one face": of_faces and crops,
        "--fps, --frames and --timeline are for clips": kind != "clip" and any(one is not None for one in of_clips),
        "--rule is for faces in clips": rule is not None and not (kind == "clip" and "rule" in options),
        "--whole is for pictures, read as scenes": whole and not (kind == "picture" and "whole" in options),
        "--dates is for chats, and there is none among the inputs": dates is not None
        and (kind != "text" or inputs.left_out is None),
    }
    return next((problem for problem, found in wrong.items() if found), None)


def _boxes(box: list[str], inputs: Inputs) -> list[tuple[float, ...]]:
    """The boxes of ``--box``, as numbers."""
    if "boxes" not in inputs.modality.options or inputs.kind != "picture" or not inputs.single:
        raise typer.BadParameter("--box is for one picture, read as a scene", param_hint="--box")
    try:
        boxes = [tuple(float(side) for side in text.split(",")) for text in box]
    except ValueError:
        boxes = [()]
    if any(len(sides) != 4 for sides in boxes):
        raise typer.BadParameter("a box is left,top,right,bottom", param_hint="--box")
    return boxes


def answer_in_labels(
    predictor: Predictor, labels: str | None, explain: bool = False, language: str | None = None
) -> tuple[Predictor, Callable[[Result], Result]]:
    """See :func:`mien.modality.answer_in`; an error names the option."""
    from mien.modality import answer_in

    predictor = predictor.written_in(language)
    try:
        return answer_in(predictor, labels, explain)
    except InputError as error:
        if labels is None:
            raise
        raise InputError(f"--labels {quoted(cut(labels or '', 40))}: {error}") from error


def _resume_key(reader: Reader, given: dict[str, Any]) -> dict[str, Any]:
    """What the results depend on, by names that a person knows."""
    from mien.output.writer import resume_key

    free = ("inputs", "model", "as_json", "out", "batch_size", "engine", "workers")
    options = {"as" if name == "modality" else name: value for name, value in given.items() if name not in free}
    return resume_key(reader.predictor.manifest.digest, reader.inputs.identities(), options)
