"""The command line: thin verbs over the library, which is imported only when a verb needs it."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien import __version__
from mien.errors import DataError, InputError, MienError

if TYPE_CHECKING:
    from rich.console import Console

    from mien.data import Dataset
    from mien.recognizer import Recognizer
    from mien.results import Result

app = typer.Typer(
    help="Reads emotion from text: predict, train, evaluate. Offline.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
data_app = typer.Typer(help="Look at a data set before training on it.", no_args_is_help=True)
app.add_typer(data_app, name="data")

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output, nothing else.")]
Spec = Annotated[str, typer.Option("--data", help="READER:PATH, such as carer:emotion/ or table:mine.csv")]


def main() -> None:
    """Run the command line; every error that is foreseen is one line and exit code 1."""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # emoji must not stop a terminal or pipe of another encoding
            stream.reconfigure(encoding="utf-8", errors="replace")
    try:
        app()
    except MienError as error:
        _fail(error)
    except MemoryError:
        _fail("out of memory")
    except OSError as error:
        _fail(f"{error.filename or 'input or output'}: {error.strerror or error}")


def _fail(error: object) -> None:
    print(f"mien: {' '.join(str(error).split())}", file=sys.stderr)
    sys.exit(1)


def _console(*, stderr: bool = False) -> Console:
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, soft_wrap=not sys.stdout.isatty())


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _print_json(document: Any) -> None:
    print(json.dumps(document, ensure_ascii=False, indent=1))


def _version(value: bool) -> None:
    if value:
        print(f"mien {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


# ---------------------------------------------------------------------------------------------------- predict


@app.command()
def predict(
    inputs: Annotated[list[str], typer.Argument(help="Texts, files of lines (.txt), tables; - for standard input.")],
    model: Annotated[str, typer.Option(help="A shipped model's name, or a model or run folder.")] = "text",
    modality: Annotated[str | None, typer.Option("--as", help="Take every input as this: text.")] = None,
    labels: Annotated[str | None, typer.Option(help="Roll up to a coarser label space, such as ekman7.")] = None,
    column: Annotated[
        str | None, typer.Option(help="The table's column with the text, if its name does not tell.")
    ] = None,
    as_json: AsJson = False,
    out: Annotated[Path | None, typer.Option(help="Write FILE.{jsonl,csv,tsv,parquet,html}.")] = None,
    scores: Annotated[bool, typer.Option(help="With --out: a column for the probability of every label.")] = False,
    batch_size: Annotated[int, typer.Option(min=1, help="Texts computed at once.")] = 64,
) -> None:
    """Read emotion in texts, files of lines and tables."""
    from mien.model import load

    if as_json and out:
        raise typer.BadParameter("--json prints and --out writes; take one of them")
    if modality not in (None, "text"):
        raise typer.BadParameter(f"{modality!r}; there is: text", param_hint="--as")
    sources = list(_sources(inputs, column, literal=modality == "text"))
    recognizer = load(model)
    roll = _roller(recognizer, labels)
    if out:
        _predict_to_file(
            recognizer, roll, sources, out, {"scores": scores, "labels": labels, "column": column}, batch_size
        )
        return
    from collections import Counter

    counts: Counter[str] = Counter()
    shown: list[Result] = []
    failed = 0
    results = (roll(result) for result in recognizer.predict_many(_texts(sources), batch_size))
    if as_json:
        head = json.dumps({"model": recognizer.name}, ensure_ascii=False)[:-1]
        print(head + ', "results": [', end="")
        try:
            for number, result in enumerate(results):
                print(("," if number else "") + "\n " + json.dumps(result.to_dict(), ensure_ascii=False), end="")
                failed += result.error is not None
                shown = shown or ([result] if result.error else [])
        except MienError as error:  # a table damaged further down: the document stays one
            print('\n], "error": ' + json.dumps(str(error), ensure_ascii=False) + "}")
            raise
        print("\n]}")
    else:
        from mien.display import progress, show_results

        with progress("reading", None) as step:
            for result in results:
                counts[result.label or "—"] += 1
                failed += result.error is not None
                if len(shown) < 20:
                    shown.append(result)
                step(1)
        show_results(_console(), shown, counts)
    if failed:
        first = next((result.error for result in shown if result.error), "see the list")
        raise InputError(f"{failed} of the inputs could not be read: {first}")


class _Source:
    """Where texts come from: strings of the command line, or a table on disk."""

    def __init__(
        self,
        name: str,
        columns: tuple[str, ...],
        rows: Callable[[], Iterator[tuple[str, dict[str, Any]]]],
        total: int | None,
    ) -> None:
        self.name, self.columns, self.rows, self.total = name, columns, rows, total


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


def _roller(recognizer: Recognizer, labels: str | None) -> Callable[[Result], Result]:
    if labels is None:
        return lambda result: result
    from mien.emotions import get_space, groups

    try:
        space = get_space(labels)
        groups(recognizer.space, space)
    except (KeyError, ValueError) as error:
        raise InputError(f"--labels {labels}: {error.args[0]}") from error
    return lambda result: result.rollup(space)


def _predict_to_file(
    recognizer: Recognizer,
    roll: Callable[[Result], Result],
    sources: list[_Source],
    out: Path,
    options: dict[str, Any],
    batch_size: int,
) -> None:
    from collections import Counter
    from itertools import islice, tee

    from mien.display import progress, show_counts
    from mien.model import NETWORK
    from mien.recognizer import in_chunks
    from mien.sinks import Journal, check_target, own_value, row_of

    check_target(out)
    signature = {
        "model": recognizer.manifest.files[NETWORK].sha256,
        "inputs": [_identity(source.name) for source in sources],
        **options,
    }
    totals = [source.total for source in sources if source.total is not None]
    total = sum(totals) if len(totals) == len(sources) else None
    suffix = out.suffix
    with Journal(out, signature) as journal:
        if journal.done:
            _say(f"going on after the {journal.done:,} rows in {journal.path}")
        done = journal.done
        try:
            with progress(f"reading into {out}", total, journal.done) as step:
                rows = islice((row for source in sources for row in source.rows()), journal.done, None)
                texts, extras = tee(rows)  # at most one chunk of the recogniser apart
                results = map(roll, recognizer.predict_many((text for text, _ in texts), batch_size))
                pairs = zip(results, extras, strict=True)
                for chunk in in_chunks(pairs, 1024):
                    journal.append(row_of(result, columns, suffix, options["scores"]) for result, (_, columns) in chunk)
                    done += len(chunk)
                    step(len(chunk))
        except KeyboardInterrupt:
            again = any(source.name == "-" for source in sources)
            advice = "standard input is read from its start again" if again else "give the same command to go on"
            raise MienError(f"stopped: the {done:,} rows done are kept in {journal.path}; {advice}") from None
        counts, errors = Counter[str](), 0
        for row in journal.rows():
            counts[own_value(row, "label") or "—"] += 1
            errors += own_value(row, "error") is not None
        journal.finish()
    show_counts(_console(stderr=True), counts)
    if errors:
        _say(f"{errors:,} of {sum(counts.values()):,} texts could not be read: their rows have no label and say why")
    _say(f"wrote {out}")


def _identity(name: str) -> list[Any]:
    if name == "-":
        return [name, time.time_ns()]  # what comes next on standard input may be another text
    path = Path(name)
    if not _exists(path):
        return [name]
    status = path.stat()
    return [str(path.resolve()), status.st_size, status.st_mtime_ns]


# ------------------------------------------------------------------------------------------- train and evaluate


@app.command()
def train(
    recipe: Annotated[str, typer.Argument(help="A shipped recipe or a YAML file; 'list' lists the shipped.")],
    data: Annotated[
        list[str] | None, typer.Option("--data", help="READER:PATH; further ones are learned from besides the first.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The run folder; runs/RECIPE-N if not given.")] = None,
    settings: Annotated[list[str] | None, typer.Option("--set", help="key=value, such as train.epochs=3")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out.")] = False,
) -> None:
    """Train a model: run folder with config, history, checkpoints, report and model."""
    from mien.training.recipe import load_recipe, shipped

    if recipe == "list":
        for name in shipped():
            print(f"{name:14} {load_recipe(name).summary}")
        return
    if not data:
        raise typer.BadParameter("name the data to train on, such as --data carer:emotion/", param_hint="--data")
    if resume and not out:
        raise typer.BadParameter("name the run to go on with", param_hint="--out")
    from mien.training import run

    try:
        done = run.train(recipe, data, out, resume=resume, say=_say, settings=settings or [])
    except KeyboardInterrupt:
        raise MienError(
            "stopped: the epochs done are kept; go on with the same command and --out FOLDER --resume"
        ) from None
    figures = "  ".join(
        f"{name} {done.metrics[name]:.4f}" for name in ("accuracy", "macro_f1", "map") if name in done.metrics
    )
    _say(f"validation: {figures}")
    print(done.folder)


@app.command()
def evaluate(
    model: Annotated[str, typer.Argument(help="A shipped model's name, or a model or run folder.")],
    data: Spec,
    split: Annotated[
        str | None, typer.Option(help="train, val, test, or all. [default: test, or all of data without splits]")
    ] = None,
    by: Annotated[str | None, typer.Option(help="Also give the figures for each value of this column.")] = None,
    labels: Annotated[str | None, typer.Option(help="Roll up to a coarser label space, such as ekman7.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write the report (HTML, JSON, PNG) into this folder.")] = None,
    as_json: AsJson = False,
    batch_size: Annotated[int, typer.Option(min=1)] = 64,
) -> None:
    """Measure a model on labelled data."""
    from mien.display import progress, show_metrics
    from mien.evaluation import evaluate as measure
    from mien.model import load

    recognizer = load(model)
    dataset = _open(data, by)
    with progress("evaluating", None) as step:
        report = measure(recognizer, dataset, split=split, by=by, labels=labels, batch_size=batch_size, progress=step)
    document = report.to_dict()
    if out:
        _say(f"wrote {report.write(out)}")
    if as_json:
        _print_json(document)
    else:
        show_metrics(_console(), document, report.space)


def _open(spec: str, by: str | None = None) -> Dataset:
    from mien.data import open_dataset

    return open_dataset(spec, **({"by": by} if by and (":" not in spec or spec.startswith("table:")) else {}))


# -------------------------------------------------------------------------------------------------------- data


@data_app.command("stats")
def data_stats(spec: Annotated[str, typer.Argument(metavar="READER:PATH")], as_json: AsJson = False) -> None:
    """How many samples, of which labels, in which splits."""
    from mien.data.checks import stats

    document = stats(_open(spec))
    if as_json:
        _print_json(document)
        return
    from mien.display import show_stats

    show_stats(_console(), document)


@data_app.command("check")
def data_check(spec: Annotated[str, typer.Argument(metavar="READER:PATH")], as_json: AsJson = False) -> None:
    """Look for unusable samples, duplicates across splits, unknown labels, imbalance. Exit 1 if there are any."""
    from collections import Counter

    from mien.data.checks import check

    problems = check(_open(spec))
    counts = Counter(problem.kind for problem in problems)
    if as_json:
        rows = [{"kind": p.kind, "where": p.where, "what": p.what} for p in problems]
        _print_json({"data": spec, "counts": dict(counts), "problems": rows})
    else:
        for kind, count in counts.most_common():
            print(f"{count:6,} {kind}")
            for problem in [p for p in problems if p.kind == kind][:5]:
                print(f"         {problem.where}: {problem.what}")
            if count > 5:
                print(f"         … and {count - 5:,} more (--json lists all)")
        if not problems:
            print("nothing wrong found")
    if problems:
        raise DataError(
            f"{spec}: {len(problems):,} problems: " + ", ".join(f"{n:,} {kind}" for kind, n in counts.items())
        )


# ------------------------------------------------------------------------------------------------------ models


@app.command()
def models(
    verb: Annotated[str, typer.Argument(help="list, show or verify")] = "list",
    model: Annotated[str | None, typer.Argument(help="A shipped model's name, or a model or run folder.")] = None,
    as_json: AsJson = False,
) -> None:
    """The shipped models; what one is and how it came about; whether its files are whole."""
    from mien.model import CARD, find_model, read_manifest, shipped, verify

    if verb == "list":
        found = {name: read_manifest(folder) for name, folder in shipped().items()}
        if as_json:
            _print_json({"models": [m.model_dump(mode="json", exclude={"training", "files"}) for m in found.values()]})
            return
        for name, manifest in found.items():
            size = sum(entry.bytes for entry in manifest.files.values()) / 1e6
            print(f"{name:12} {manifest.modality:6} {len(manifest.space):3} labels {size:6.1f} MB  {manifest.summary}")
        return
    if verb not in ("show", "verify"):
        raise typer.BadParameter(f"{verb!r}; there are: list, show, verify")
    if model is None and verb == "show":
        raise typer.BadParameter(f"name the model: {', '.join(shipped())}")
    folders = [find_model(model)] if model else list(shipped().values())
    if verb == "show":
        manifest = verify(folders[0])
        if as_json:
            _print_json(manifest.model_dump(mode="json"))
        else:
            from rich.markdown import Markdown

            _console().print(Markdown((folders[0] / CARD).read_text("utf-8")))
        return
    good = [verify(folder) for folder in folders]
    if as_json:
        _print_json({"models": [{"name": m.name, "files": len(m.files), "whole": True} for m in good]})
    else:
        for manifest in good:
            print(f"{manifest.name}: {len(manifest.files)} files are as they were written")


@app.command()
def export(
    run: Annotated[str, typer.Argument(help="A run or model folder.")],
    to: Annotated[Path, typer.Option("--to", help="The model folder to write.")],
    name: Annotated[str | None, typer.Option(help="The model's name; as in the run if not given.")] = None,
    weights: Annotated[bool, typer.Option(help="Whether weights.safetensors goes along.")] = True,
) -> None:
    """Copy a run's model folder, checked, with the figures of the reports that lie in the run."""
    from mien.training.publish import publish

    print(publish(Path(run), to, name=name, weights=weights))


@app.command()
def bench(
    model: Annotated[str, typer.Argument(help="A shipped model's name, or a model or run folder.")] = "text",
    texts: Annotated[int, typer.Option(min=1, help="How many texts to run through.")] = 4096,
    batch_size: Annotated[int, typer.Option(min=1)] = 64,
    as_json: AsJson = False,
) -> None:
    """How fast a model is on this machine: cold start, one text at a time, texts per second."""
    from mien.bench import measure

    document = measure(model, texts, batch_size)
    if as_json:
        _print_json(document)
        return
    print(f"{document['model']} on {document['threads']} threads")
    print(f"  load            {document['load_s'] * 1e3:8.0f} ms")
    print(f"  one text        {document['latency_ms']['p50']:8.2f} ms   (95 %: {document['latency_ms']['p95']:.2f} ms)")
    print(f"  {document['texts']:,} texts  {document['texts_per_s']:10,.0f} texts/s")


@app.command()
def demo(out: Annotated[Path, typer.Option(help="The folder for the page.")] = Path("demo")) -> None:
    """Predict on a few dozen sentences with the shipped models, and write a page to look at."""
    from mien.demo import run

    page = run(out, _console())
    _say(f"wrote {page}")


if __name__ == "__main__":
    main()
