"""The verb ``predict``: texts, lines and tables with a text model, pictures and folders of them with a face model."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.errors import InputError, MienError
from mien.face import names_picture

if TYPE_CHECKING:
    from rich.console import Console

    from mien.recognizer import Recognizer
    from mien.results import Result

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output, nothing else.")]

_MODALITIES = ("text", "face")
_SHOWN = 20  # results kept to be shown; more are only counted


def console(*, stderr: bool = False) -> Console:
    """The terminal, or the file that stands for it."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, soft_wrap=not sys.stdout.isatty())


def say(line: str) -> None:
    """Tell a person something, on standard error."""
    print(line, file=sys.stderr, flush=True)


def predict(
    inputs: Annotated[
        list[str],
        typer.Argument(
            help="Texts, files of lines (.txt), tables, - for standard input; or pictures and folders of them."
        ),
    ],
    model: Annotated[
        str | None,
        typer.Option(help="A shipped model's name, or a model or run folder. [default: face for pictures, else text]"),
    ] = None,
    modality: Annotated[str | None, typer.Option("--as", help="Take every input as this: text or face.")] = None,
    labels: Annotated[str | None, typer.Option(help="Answer in another label space, such as ekman7.")] = None,
    column: Annotated[
        str | None, typer.Option(help="The table's column with the text, if its name does not tell.")
    ] = None,
    crops: Annotated[bool, typer.Option("--crops", help="Each picture is a ready crop of one face.")] = False,
    as_json: AsJson = False,
    out: Annotated[
        Path | None, typer.Option(help="Write FILE.{jsonl,csv,tsv,parquet,html}; of one picture also .jpg or .png.")
    ] = None,
    scores: Annotated[bool, typer.Option(help="With --out: a column for the probability of every label.")] = False,
    batch_size: Annotated[int, typer.Option(min=1, help="Texts or faces computed at once.")] = 64,
) -> None:
    """Read emotion in texts, files of lines and tables, or in the faces of pictures."""
    if as_json and out:
        raise typer.BadParameter("--json prints and --out writes; take one of them")
    if modality not in (None, *_MODALITIES):
        raise typer.BadParameter(f"{modality!r}; there are: {', '.join(_MODALITIES)}", param_hint="--as")
    from mien.model import load

    kind = _kind(inputs, model, modality)
    if crops and kind != "face":
        raise typer.BadParameter("--crops is for pictures", param_hint="--crops")
    literal = modality == "text"
    sources = [_pictures(inputs)] if kind == "face" else list(_sources(inputs, column, literal=literal))
    recognizer = load(model or kind)
    if recognizer.manifest.modality != kind:
        raise InputError(f"the model {recognizer.name} reads {recognizer.manifest.modality}, not {kind}")
    recognizer, roll = _answer_in(recognizer, labels)
    options: dict[str, Any] = {"crops": True} if crops else {}

    def read(items: Iterable[str]) -> Iterator[Result]:
        return map(roll, recognizer.predict_many(items, batch_size, **options))

    if out and kind == "face" and out.suffix.lower() in (".jpg", ".jpeg", ".png"):
        _draw(sources[0], read, out)
    elif out:
        settings = {"scores": scores, "labels": labels, "column": column, **options}
        _predict_to_file(recognizer, read, sources, out, settings)
    else:
        _predict_to_screen(recognizer, read, sources, as_json)


def _kind(inputs: list[str], model: str | None, modality: str | None) -> str:
    """What the inputs are: as told, as the model named reads them, or by what they look like.

    Raises:
        InputError: pictures and others together, or a picture for a model that reads text.
    """
    if modality is not None:
        return modality
    if model is None:
        return "face" if _all_pictures(inputs) else "text"
    from mien.model import find_model, read_manifest

    reads = read_manifest(find_model(model)).modality
    picture = next((item for item in inputs if names_picture(item) and _exists(Path(item))), None)
    if reads == "text" and picture:
        raise InputError(f"{picture} is a picture; the model {model} reads text (for a text, add --as text)")
    return reads


def _predict_to_screen(
    recognizer: Recognizer, read: Callable[[Iterable[str]], Iterator[Result]], sources: list[_Source], as_json: bool
) -> None:
    counts: Counter[str] = Counter()
    shown: list[Result] = []
    failed = 0
    results = read(_texts(sources))
    problem: str | None = None
    if as_json:
        head = json.dumps({"model": recognizer.name}, ensure_ascii=False)[:-1]
        print(head + ', "results": [', end="")
        try:
            for number, result in enumerate(results):
                print(("," if number else "") + "\n " + json.dumps(result.to_dict(), ensure_ascii=False), end="")
                failed += result.error is not None
                problem = problem or result.error
        except MienError as error:  # a table damaged further down: the document stays one
            print('\n], "error": ' + json.dumps(str(error), ensure_ascii=False) + "}")
            raise
        print("\n]}")
    else:
        from mien.display import progress, show_pictures, show_results

        total = sources[0].total if len(sources) == 1 else None
        with progress("reading", total) as step:
            for result in results:
                if result.modality == "face":
                    counts.update(item.label for item in result.items)
                else:
                    counts[result.label or "—"] += 1
                failed += result.error is not None
                problem = problem or result.error
                if len(shown) < _SHOWN:
                    shown.append(result)
                elif result.error and result.modality == "face":
                    say(f"mien: {result.error}")
                step(1)
        if recognizer.manifest.modality == "face":
            show_pictures(console(), shown, counts, sources[0].total or len(shown))
        else:
            show_results(console(), shown, counts)
    if failed:
        raise InputError(f"{failed} of the inputs could not be read: {problem}")


# ------------------------------------------------------------------------------------------- where inputs come from


class _Source:
    """Where texts come from: strings of the command line, or a table on disk; or pictures by their names."""

    def __init__(
        self,
        name: str,
        columns: tuple[str, ...],
        rows: Callable[[], Iterator[tuple[str, dict[str, Any]]]],
        total: int | None,
        identity: Callable[[], Any] | None = None,
    ) -> None:
        self.name, self.columns, self.rows, self.total = name, columns, rows, total
        self.identity = identity or (lambda: _identity(name))


def _all_pictures(inputs: list[str]) -> bool:
    """Whether pictures are meant. Raises InputError where some are and some are not."""
    pictures = [names_picture(item) or (item.strip() != "" and _is_folder(Path(item))) for item in inputs]
    if any(pictures) and not all(pictures):
        picture, other = inputs[pictures.index(True)], inputs[pictures.index(False)]
        raise InputError(
            f"{picture} is a picture or a folder of them and {other!r} is not: give them in two calls, or add --as"
        )
    return all(pictures)


def _is_folder(path: Path) -> bool:
    return _exists(path) and path.is_dir()


def _pictures(inputs: list[str]) -> _Source:
    """The pictures named, and those in the folders named, whatever their depth, in the order of their names."""
    from mien.media import is_picture

    paths: list[str] = []
    for item in inputs:
        if not _is_folder(Path(item)):
            paths.append(item)
            continue
        found = []
        for folder, below, names in os.walk(item):
            below[:] = sorted(name for name in below if not name.startswith("."))
            found += [os.path.join(folder, name) for name in names if is_picture(name) and not name.startswith(".")]
        if not found:
            raise InputError(f"{item} is a folder without pictures")
        paths += sorted(found)

    def identity() -> str:
        return hashlib.sha256(json.dumps([_identity(path) for path in paths]).encode("utf-8", "replace")).hexdigest()

    return _Source("pictures", (), lambda: ((path, {}) for path in paths), len(paths), identity)


def _sources(inputs: list[str], column: str | None, *, literal: bool) -> Iterator[_Source]:
    from mien.data.tables import table_suffix

    for item in inputs:
        path = Path(item)
        if literal or not item.strip():
            yield _literal(item)
        elif item == "-":
            yield _Source("-", (), lambda: ((line.rstrip("\r\n"), {}) for line in sys.stdin), None)
        elif _exists(path):
            if path.is_dir():
                raise InputError(f"{item} is a folder; a text, a file of lines or a table is meant")
            yield _table(path, column)
        elif table_suffix(path) and not any(c.isspace() for c in item):
            raise InputError(f"{item}: no such file (for a text that ends like a file, add --as text)")
        else:
            yield _literal(item)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a long text, or one with a NUL, is no file name
        return False


def _literal(text: str) -> _Source:
    return _Source(text, (), lambda: iter([(text, {})]), 1)


def _table(path: Path, column: str | None) -> _Source:
    from mien.data.table import text_column
    from mien.data.tables import cell_text, open_table

    table = open_table(path)
    name = text_column(table.columns, column, path)
    plain = table.columns == ("text",)

    def rows() -> Iterator[tuple[str, dict[str, Any]]]:
        for chunk in table.chunks():
            cells = zip(*chunk.values(), strict=True)
            for text, row in zip(chunk[name], cells, strict=True):
                yield cell_text(text) or "", {} if plain else dict(zip(table.columns, row, strict=True))

    return _Source(str(path), table.columns, rows, table.rows)


def _texts(sources: Iterable[_Source]) -> Iterator[str]:
    return (text for source in sources for text, _ in source.rows())


def _answer_in(recognizer: Recognizer, labels: str | None) -> tuple[Recognizer, Callable[[Result], Result]]:
    """The recogniser that answers in the space where it has outputs for it, and else what rolls its results up."""
    if labels is None or recognizer.manifest.columns(labels) is not None:
        return (recognizer if labels is None else recognizer.answering(labels)), lambda result: result
    from mien.emotions import get_space, groups

    try:
        space = get_space(labels)
        groups(recognizer.space, space)
    except (KeyError, ValueError) as error:
        raise InputError(f"--labels {labels}: {error.args[0]}") from error
    return recognizer, lambda result: result.rollup(space)


# ---------------------------------------------------------------------------------------------------- into files


def _draw(source: _Source, read: Callable[[Iterable[str]], Iterator[Result]], out: Path) -> None:
    """One picture with its faces marked."""
    from mien.display import show_pictures
    from mien.face.draw import annotate, write_picture
    from mien.media import read_picture
    from mien.sinks import check_target

    check_target(out, (out.suffix,))
    if source.total != 1:
        raise InputError(f"{out} holds one picture, and {source.total} are given; .html holds several")
    path = next(source.rows())[0]
    (result,) = read([path])
    if result.error:
        raise InputError(result.error)
    write_picture(out, annotate(read_picture(path), result))
    show_pictures(console(stderr=True), [result], Counter(item.label for item in result.items), 1)
    say(f"wrote {out}")


def _predict_to_file(
    recognizer: Recognizer,
    read: Callable[[Iterable[str]], Iterator[Result]],
    sources: list[_Source],
    out: Path,
    options: dict[str, Any],
) -> None:
    from itertools import islice, tee

    from mien.display import progress, show_counts
    from mien.model import NETWORK
    from mien.recognizer import in_chunks
    from mien.sinks import FORMATS, Journal, check_target, own_value, picture_writer, row_of

    check_target(out)
    pictures = recognizer.manifest.modality == "face"
    signature = {
        "model": recognizer.manifest.files[NETWORK].sha256,
        "inputs": [source.identity() for source in sources],
        **options,
    }
    totals = [source.total for source in sources if source.total is not None]
    total = sum(totals) if len(totals) == len(sources) else None
    suffix = ".jsonl" if pictures else out.suffix  # a picture has many faces: whole until the file is made
    write = picture_writer(out.suffix, options["scores"]) if pictures else FORMATS[out.suffix]
    counts, errors, done = Counter[str](), 0, 0
    with Journal(out, signature, write) as journal:
        if journal.done:
            say(f"going on after the {journal.done:,} rows in {journal.path}")
        done = journal.done
        try:
            with progress(f"reading into {out}", total, journal.done) as step:
                rows = islice((row for source in sources for row in source.rows()), journal.done, None)
                texts, extras = tee(rows)  # at most one chunk of the recogniser apart
                pairs = zip(read(text for text, _ in texts), extras, strict=True)
                for chunk in in_chunks(pairs, 64 if pictures else 1024):
                    journal.append(row_of(result, columns, suffix, options["scores"]) for result, (_, columns) in chunk)
                    done += len(chunk)
                    step(len(chunk))
        except KeyboardInterrupt:
            again = any(source.name == "-" for source in sources)
            advice = "standard input is read from its start again" if again else "give the same command to go on"
            raise MienError(f"stopped: the {done:,} rows done are kept in {journal.path}; {advice}") from None
        for row in journal.rows():
            error = row["error"] if pictures else own_value(row, "error")
            if pictures:
                counts.update(item["label"] for item in row["items"])
                if error and errors < _SHOWN:
                    say(f"mien: {error}")
            else:
                counts[own_value(row, "label") or "—"] += 1
            errors += error is not None
        journal.finish()
    show_counts(console(stderr=True), counts, "faces" if pictures else "texts")
    if errors:
        what = f"{errors:,} of {done:,} {'pictures' if pictures else 'texts'}"
        say(f"{what} could not be read: their rows have no label and say why")
    say(f"wrote {out}")


def _identity(name: str) -> list[Any]:
    if name == "-":
        return [name, time.time_ns()]  # what comes next on standard input may be another text
    path = Path(name)
    if not _exists(path):
        return [name]
    status = path.stat()
    return [str(path.resolve()), status.st_size, status.st_mtime_ns]
