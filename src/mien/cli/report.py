"""The verb ``report``: from comments, a chat, photographs or clips to one page, and the figures behind it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.cli.inputs import Columns, Inputs, Source, counted, resolve
from mien.cli.predict import ALL_FACES, answer_in_labels, misused
from mien.cli.usage import (
    AllFaces,
    AsJson,
    AsModality,
    BatchSize,
    Column,
    Crops,
    Encoding,
    Fps,
    Frames,
    Header,
    Labels,
    Language,
    Quotes,
    Separator,
    Sheet,
    SomeModel,
    console,
    log,
    print_document,
    table_form,
    target,
)
from mien.errors import InputError, MienError, quoted
from mien.inputs import exists

if TYPE_CHECKING:
    from mien.cli.reading import Reader
    from mien.reporting import Report, Survey

_PLACE = ("folder", "file")  # columns of pictures and clips


def report(
    inputs: Annotated[
        list[str],
        typer.Argument(
            help="Tables, files of lines (.txt), chats, subtitles, mail; or pictures, clips, folders of them."
        ),
    ],
    by: Annotated[
        list[str] | None,
        typer.Option(
            help="A column whose groups are compared; may be given several times. Pictures and clips have "
            '"folder". [default: speaker, of chats]'
        ),
    ] = None,
    over: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN[:STEP]",
            help="A column of dates to count over; STEP is hour, day, week, month or year. [default: time, of chats]",
        ),
    ] = None,
    labels: Labels = None,
    language: Language = None,
    model: SomeModel = None,
    modality: AsModality = None,
    column: Column = None,
    encoding: Encoding = None,
    separator: Separator = None,
    header: Header = True,
    sheet: Sheet = None,
    quotes: Quotes = True,
    dates: Annotated[
        str | None, typer.Option(help="The order of dates: dmy, mdy or ymd; found out if not given.")
    ] = None,
    min_score: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Count a label from this score on. [default: its threshold, or 0.5]"),
    ] = None,
    count_unsure: Annotated[
        bool, typer.Option("--count-unsure", help="Count the strongest label of unsure rows, too; as --min-score 0.")
    ] = False,
    crops: Crops = False,
    all_faces: AllFaces = False,
    fps: Fps = None,
    frames: Frames = None,
    out: Annotated[
        Path | None, target("The page to write, FILE.html; .json, .csv and .xlsx beside it. [default: report.html]")
    ] = None,
    as_json: AsJson = False,
    batch_size: BatchSize = 64,
) -> None:
    """Count what many texts, faces or clips express: shares, groups, change over time, examples; on one page."""
    if problem := misused(False, None, modality, dates, fps, frames):
        raise typer.BadParameter(problem)
    if count_unsure and min_score is not None:
        raise typer.BadParameter("--count-unsure counts every label, and --min-score those from a score on; name one")
    page = out or (None if as_json else Path("report.html"))
    from mien.reporting import check_target

    if page is not None:
        check_target(page, inputs)
    how = table_form(encoding, separator, header, sheet, quotes)
    found = resolve(inputs, model, modality, column, dates, **how)
    told = {"crops": crops or None, "all_faces": all_faces or None, "fps": fps, "frames": frames}
    made = make(
        found, inputs, by=by, over=over, labels=labels, model=model, dates=dates,
        min_score=min_score, count_unsure=count_unsure, batch_size=batch_size, language=language,
        options={name: value for name, value in told.items() if value is not None},
    )  # fmt: skip
    if as_json:
        print_document(made.to_dict())
    else:
        from mien.output.reports import show_report

        show_report(console(), made.document)
    for note in made.notes:
        log(f"note: {note}")
    for line in _left_out(made.document):
        log(line)
    if page is not None:
        written = made.write(page)
        log(f"wrote {', '.join(map(str, written))}")


def make(
    inputs: Inputs,
    names: Sequence[str],
    *,
    by: Sequence[str] | None = None,
    over: str | None = None,
    labels: str | None = None,
    model: str | None = None,
    dates: str | None = None,
    min_score: float | None = None,
    count_unsure: bool = False,
    batch_size: int = 64,
    language: str | None = None,
    options: dict[str, Any] | None = None,
) -> Report:
    """The report of inputs, which the caller calls by *names*; see :func:`mien.report`.

    Raises:
        InputError: nothing could be read, or a column is not there or of no use.
    """
    from mien.cli.reading import Reader
    from mien.labels import get_space
    from mien.modality import load
    from mien.output.terminal import progress
    from mien.reporting import make_report

    options = dict(options or {})
    if "all_faces" in options and "all_faces" not in inputs.modality.options:
        raise InputError(ALL_FACES)
    if count_unsure:
        min_score = 0.0
        options |= {"all_faces": True} if "all_faces" in inputs.modality.options else {}
    if "crops" in options and "crops" not in inputs.modality.options:
        raise InputError("--crops is for pictures")
    if inputs.kind != "clip" and ("fps" in options or "frames" in options):
        raise InputError("--fps and --frames are for clips")
    inputs = _with_places(inputs)
    survey = _survey(inputs, by, over, dates)
    predictor = load(model or inputs.modality.name)
    if predictor.manifest.modality != inputs.modality.name:
        reads = predictor.manifest.modality
        raise InputError(f"the model {predictor.name} reads {reads}, not {inputs.modality.name}")
    predictor, roll = answer_in_labels(predictor, labels, language=language)
    space = predictor.space
    if labels is not None and labels != space.name:  # rolled up
        space = get_space(labels).as_multilabel(space.multilabel)
    known = predictor.manifest.certainty_of(predictor.space)
    certainty = predictor.manifest.certainty[space.name] if space.name in known else None
    judged = bool(predictor.manifest.reliability) and predictor.space == predictor.manifest.space
    if judged and "all_faces" in options and min_score is None:
        min_score = 0.0  # by their reliability they are unsure, and by nothing else
    reader = Reader(predictor, roll, inputs, options, batch_size)
    unit = "message" if _is_chat(inputs) else "person" if inputs.kind == "clip" else inputs.modality.unit
    total = inputs.total if inputs.total is not None else survey.rows or None
    with progress("reading", total) as step, _stopping():
        made = make_report(
            _told(reader, inputs, step),
            survey,
            space=space,
            source=predictor.space,
            kind=inputs.kind,
            about={"model": predictor.name, "unit": unit, "sources": list(names)},
            left_out=lambda: inputs.left_out or {},
            nothing=f"no {inputs.modality.boxes} was found",
            min_score=min_score,
            certainty=certainty,
            by_reliability=judged,
        )
    if reader.stopped:
        raise InputError(f"{reader.stopped}; there is no report")
    _refuse_nothing(made, inputs)
    return made


def from_python(
    inputs: Any, *, model: str | None, column: str | None, dates: str | None, out: Any, **how: Any
) -> Report:
    """See :func:`mien.report`."""
    from mien.reporting import check_target

    paths = [inputs] if isinstance(inputs, str | os.PathLike) else inputs
    named = isinstance(paths, list | tuple) and all(isinstance(item, str | os.PathLike) for item in paths)
    files = named and any(isinstance(item, os.PathLike) or _is_file(item) for item in paths)
    if dates not in (None, "dmy", "mdy", "ymd"):
        raise InputError(f"dates are dmy, mdy or ymd, not {quoted(dates)!r}")
    names = [os.fspath(item) for item in paths] if files or isinstance(inputs, str | os.PathLike) else []
    page = None if out is None else check_target(Path(out), names)
    found = resolve(names, model, None, column, dates) if names else _rows_of(inputs, column)
    made = make(found, names or [source.name for source in found.sources], model=model, dates=dates, **how)
    if page is not None:
        made.write(page)
    return made


def _is_file(item: str) -> bool:
    from mien.inputs import named_kind, table_suffix

    return exists(item) or named_kind(item) is not None or table_suffix(Path(item)) is not None


def _rows_of(rows: Any, column: str | None) -> Inputs:
    """A DataFrame, dicts, or texts, as inputs."""
    from mien.datasets.cells import text_column
    from mien.datasets.tables import cell_text
    from mien.modality import default_modality

    if hasattr(rows, "columns") and hasattr(rows, "itertuples"):
        columns = tuple(map(str, rows.columns))
        name, cells = text_column(columns, column, Path("the table")), rows

        def of_frame() -> Iterator[tuple[Any, Columns]]:
            for row in cells.itertuples(index=False, name=None):
                found = dict(zip(columns, row, strict=True))
                yield cell_text(found[name]) or "", found

        return Inputs(default_modality("text"), "text", (Source("a table", of_frame, columns, len(rows)),), True)
    if not isinstance(rows, list | tuple) or not rows:
        raise InputError(f"a path, a DataFrame or a list is needed, with something in it, not {type(rows).__name__}")
    if all(isinstance(row, str) for row in rows):
        return Inputs(
            default_modality("text"), "text", (Source("a list", lambda: ((t, {}) for t in rows), (), len(rows)),), True
        )
    if not all(isinstance(row, dict) for row in rows):
        raise InputError("a list of paths, of texts or of dicts is needed")
    keys = tuple(dict.fromkeys(str(key) for row in rows for key in row))
    key = text_column(keys, column, Path("the list"))
    source = Source("a list", lambda: ((cell_text(row.get(key)) or "", row) for row in rows), keys, len(rows))
    return Inputs(default_modality("text"), "text", (source,), True)


def _told(reader: Reader, inputs: Inputs, step: Any) -> Iterator[tuple[Any, Columns]]:
    for result, columns in reader.read(inputs.rows()):
        yield result, columns
        step(1)


@contextmanager
def _stopping() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        raise MienError("stopped; a report is made when all is read, and there is none") from None


def _with_places(inputs: Inputs) -> Inputs:
    """Pictures and clips with their folder and name as columns."""
    if inputs.kind not in ("picture", "clip"):
        return inputs

    def placed(source: Any) -> Any:
        def rows() -> Iterator[tuple[Any, Columns]]:
            for path, _ in source.rows():
                yield path, {"folder": Path(path).parent.name or ".", "file": Path(path).name}

        return replace(source, rows=rows, columns=_PLACE)

    return replace(inputs, sources=tuple(map(placed, inputs.sources)))


def _is_chat(inputs: Inputs) -> bool:
    return inputs.kind == "text" and inputs.left_out is not None


def _survey(inputs: Inputs, by: Sequence[str] | None, over: str | None, dates: str | None) -> Survey:
    """One look at the rows, where they have columns that are asked for."""
    from mien.reporting import Survey, split_over

    columns = inputs.columns
    groups = [_column(columns, name, "--by", inputs) for text in by or () for name in _listed(text, columns)]
    time, step = split_over(over) if over is not None and over not in columns else (over or "", None)
    time = _column(columns, time, "--over", inputs) if time else ""
    survey = Survey(groups, time, step, dates or "")
    if dates and not time and not _is_chat(inputs):
        raise InputError(f"--dates {dates} is for --over COLUMN, and for chats; there is neither")
    if _is_chat(inputs):
        guessed = [name for name, given in (("speaker", groups), ("time", time)) if not given]
        survey = Survey(groups or ["speaker"], time or "time", step, dates or "", guessed)
    if not survey.by and not survey.over:
        return survey
    from mien.output.terminal import progress

    with progress("looking through the rows", inputs.total) as tell:

        def rows() -> Iterator[Columns]:
            for _, row in inputs.rows():
                tell(1)
                yield row

        return survey.run(rows())


def _listed(text: str, columns: Sequence[str]) -> list[str]:
    """``product,region`` as two columns, unless one is called so."""
    return [text] if text in columns else [part.strip() for part in text.split(",") if part.strip()]


def _column(columns: Sequence[str], wanted: str, option: str, inputs: Inputs) -> str:
    from mien.datasets.cells import find_column

    if not columns:
        raise InputError(f"{option} {quoted(wanted)}: the {inputs.kind}s have no columns; tables and chats have some")
    return find_column(list(dict.fromkeys(columns)), wanted, (), option, Path(inputs.sources[0].name))


def _left_out(document: Mapping[str, Any]) -> list[str]:
    """A line for each kind of what is not in the report."""
    from mien.output.rows import languages_line
    from mien.results import language_of_error

    languages, rest = Counter[str](), Counter[str]()
    for reason, count in document["left_out"].items():
        language = language_of_error(reason)
        (rest if language is None else languages)[language or reason] += count
    return list(filter(None, (f"left out: {counted(rest)}" if rest else "", languages_line(languages))))


def _refuse_nothing(made: Report, inputs: Inputs) -> None:
    document = made.document
    if document["rows"]:
        return
    names = ", ".join("standard input" if source.name == "-" else source.name for source in inputs.sources)
    if not document["inputs"]:
        raise InputError(f"nothing was read: there are no {inputs.kind}s in {names}")
    reasons = "; ".join(line.removeprefix("left out: ") for line in _left_out(document))
    raise InputError(f"there is nothing to report of {document['inputs']:,} {inputs.kind}s: {reasons}")
