"""The command line: thin verbs over the library, which is imported only when a verb needs it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien import __version__
from mien.cli.predict import AsJson, console, predict, say
from mien.cli.serve import serve
from mien.cli.train import train
from mien.cli.usage import Verbs, target
from mien.errors import DataError, MienError, cut_message, print_json, print_line, printable, quoted, require

if TYPE_CHECKING:
    from mien.datasets import Dataset


app = typer.Typer(
    cls=Verbs,
    help="Reads emotion from text, faces and clips: predict, train, evaluate. Offline.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
data_app = typer.Typer(help="Look at a data set before training on it.", no_args_is_help=True)
app.add_typer(data_app, name="data")
app.command()(predict)
app.command()(serve)
app.command()(train)

_SHOWN = 20  # problems told one by one
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
    except ModuleNotFoundError as error:
        if (error.name or "mien").startswith("mien"):
            raise
        _fail(f"this needs the package {error.name}, which is not installed; docs/install.md names the extras")
    except MemoryError:
        _fail("out of memory")
    except OSError as error:
        _fail(f"{quoted(error.filename or 'input or output')}: {error.strerror or error}")


def _fail(error: object) -> None:
    again = f"; go on with: {command}" if (command := getattr(error, "command", "")) else ""
    print_line(f"mien: {' '.join(cut_message(str(error)).split())}{again}", sys.stderr)
    sys.exit(1)


def _print_json(document: Any) -> None:
    print_json(json.dumps(document, ensure_ascii=False, indent=1))


def _version(value: bool) -> None:
    if value:
        print_line(f"mien {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    _: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    pass


# ------------------------------------------------------------------------------------------- evaluate


@app.command()
def evaluate(
    model: Annotated[str, typer.Argument(help="A shipped model's name, or a model or run folder.")],
    data: Spec,
    split: Annotated[
        str | None, typer.Option(help="train, val, test, or all. [default: test, or all of data without splits]")
    ] = None,
    by: Annotated[str | None, typer.Option(help="Also give the figures for each value of this column.")] = None,
    labels: Annotated[str | None, typer.Option(help="Roll up to a coarser label space, such as ekman7.")] = None,
    mirror: Annotated[
        bool, typer.Option("--mirror", help="Read each picture together with its mirror image, and average.")
    ] = False,
    known_groups: Annotated[
        bool, typer.Option("--known-groups", help="Of a model with experts: the data tell which one reads each sample.")
    ] = False,
    out: Annotated[Path | None, target("Write the report (HTML, JSON, PNG) into this folder.")] = None,
    as_json: AsJson = False,
    batch_size: Annotated[int, typer.Option(min=1)] = 64,
) -> None:
    """Measure a model on labeled data."""
    from mien.evaluation import evaluate as measure
    from mien.modality import load
    from mien.output.terminal import progress, show_metrics

    for package in ("matplotlib", "jinja2") if out else ():
        require(package, "report")
    predictor = load(model)
    dataset = _open(data, by)
    with progress("evaluating", None) as step:
        report = measure(
            predictor, dataset, split, by, labels,
            mirror=mirror, known_groups=known_groups, batch_size=batch_size, progress=step,
        )  # fmt: skip
    document = report.to_dict()
    lost = report.left_out
    _account(data, report.rows - sum(lost.values()), len(dataset.space), lost, as_json)
    for entry in report.unread[:_SHOWN]:
        say(f"mien: {entry['what']}")
    if unread := len(report.unread):
        say(f"{unread:,} of {unread + document['n']:,} samples could not be read and are left out")
    if out:
        say(f"wrote {report.write(out)}")
    if as_json:
        _print_json(document)
    else:
        show_metrics(console(), document, report.space)


def _account(spec: str, samples: int, labels: int, left_out: dict[str, int], as_json: bool) -> None:
    """Begin the output with what was read of the data and what was not; with *as_json* that is in the document."""
    from mien.datasets.dataset import account

    line, *warnings = account(spec, samples, labels, left_out)
    if not as_json:
        print_line(line)
    for warning in warnings:
        say(warning)


def _open(spec: str, by: str | None = None) -> Dataset:
    from mien.datasets import open_dataset

    return open_dataset(spec, column=by)


# -------------------------------------------------------------------------------------------------------- data


@data_app.command("stats")
def data_stats(spec: Annotated[str, typer.Argument(metavar="READER:PATH")], as_json: AsJson = False) -> None:
    """How many samples, of which labels, in which splits."""
    from mien.datasets.checks import stats

    dataset = _open(spec)
    _account(spec, len(dataset), len(dataset.space), dataset.left_out, as_json)
    document = stats(dataset)
    if as_json:
        _print_json(document)
        return
    from mien.output.terminal import show_stats

    show_stats(console(), document)


@data_app.command("check")
def data_check(spec: Annotated[str, typer.Argument(metavar="READER:PATH")], as_json: AsJson = False) -> None:
    """Look for unusable samples, duplicates across splits, unknown labels, imbalance. Exit 1 if there are any."""
    from collections import Counter

    from mien.datasets.checks import check

    data = _open(spec)
    problems = check(data)
    counts = Counter(problem.kind for problem in problems)
    if as_json:
        rows = [{"kind": p.kind, "where": p.where, "what": p.what} for p in problems]
        _print_json({"data": spec, "counts": dict(counts), "left_out": data.left_out, "problems": rows})
    else:
        for kind, count in counts.most_common():
            print_line(f"{count:6,} {kind}")
            for problem in [p for p in problems if p.kind == kind][:5]:
                print_line(f"         {problem.where}: {problem.what}")
            if count > 5:
                print_line(f"         … and {count - 5:,} more (--json lists all)")
        if not problems:
            print_line("nothing wrong found")
    if problems:
        raise DataError(
            f"{spec}: {len(problems):,} problems: " + ", ".join(f"{n:,} {kind}" for kind, n in counts.items())
        )


# ------------------------------------------------------------------------------------------------------ models


@app.command()
def models(
    verb: Annotated[str, typer.Argument(help="list, show or verify")] = "list",
    model: Annotated[str | None, typer.Argument(help="A shipped model's name, or a model or run folder.")] = None,
    digest: Annotated[
        str | None, typer.Option(metavar="sha256:…", help="Of verify: the digest that the model must have.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """The shipped models; what one is and how it came about; whether its files are whole, and its digest."""
    from mien.model import find_model, read_card, read_manifest, shipped, verify

    if verb == "list":
        found = {name: read_manifest(folder) for name, folder in shipped().items()}
        if as_json:
            _print_json({"models": [m.model_dump(mode="json", exclude={"training", "files"}) for m in found.values()]})
            return
        for name, manifest in found.items():
            size = sum(entry.bytes for entry in manifest.files.values()) / 1e6
            labels = f"{len(manifest.space):3} labels"
            print_line(f"{name:12} {manifest.modality:6} {labels} {size:6.1f} MB  {manifest.summary}")
        return
    if verb not in ("show", "verify"):
        raise typer.BadParameter(f"{verb!r}; there are: list, show, verify")
    if model is None and verb == "show":
        raise typer.BadParameter(f"name the model: {', '.join(shipped())}")
    if digest and (model is None or verb != "verify"):
        raise typer.BadParameter(
            "name the model to verify: models verify MODEL --digest sha256:…", param_hint="--digest"
        )
    folders = [find_model(model)] if model else list(shipped().values())
    if verb == "show":
        manifest = verify(folders[0])
        if as_json:
            _print_json(manifest.model_dump(mode="json"))
        else:
            from rich.markdown import Markdown

            console().print(Markdown(printable(read_card(folders[0], manifest), layout=True), hyperlinks=False))
        return
    good = [verify(folder, digest) for folder in folders]
    if as_json:
        _print_json(
            {"models": [{"name": m.name, "files": len(m.files), "whole": True, "digest": m.digest} for m in good]}
        )
    else:
        for manifest in good:
            unsaid = "" if manifest.format > 1 else "  (no digest in the manifest: a change to it alone goes unseen)"
            print_line(f"{manifest.name}: {len(manifest.files)} files are as they were written{unsaid}")
            print_line(f"  {manifest.digest}")


@app.command()
def export(
    runs: Annotated[list[str], typer.Argument(metavar="RUN...", help="A run or model folder; of several the mean.")],
    to: Annotated[Path, target("The model folder, or joblib file, to write.", "--to")],
    name: Annotated[str | None, typer.Option(help="The model's name; as in the run if not given.")] = None,
    weights: Annotated[bool, typer.Option(help="Whether weights.safetensors goes along (into a folder).")] = True,
    form: Annotated[
        str, typer.Option("--format", help="folder; or joblib, a scikit-learn classifier in one file.")
    ] = "folder",
    int8: Annotated[bool, typer.Option("--int8", help="Of several runs: keep the embeddings in 8 bits.")] = False,
    ranges: Annotated[
        str | None, typer.Option(help="DATASET:PATH to measure the ranges of an 8-bit model of text on, anew.")
    ] = None,
    modality: Annotated[
        str | None, typer.Option("--as", help="video: make a model of clips of a model of faces.")
    ] = None,
) -> None:
    """Copy a run's model folder, checked, with the figures of the reports that lie in the run.

    Several runs become one model whose probabilities are the mean of theirs.
    """
    if modality is not None:
        if modality != "video" or len(runs) > 1 or int8 or form != "folder":
            raise typer.BadParameter("--as video makes a model folder of one model of faces", param_hint="--as")
        from mien.training.publish import as_video

        print_line(as_video(runs[0], to, name=name or to.name))
        return
    if ranges is not None:
        if len(runs) > 1 or int8 or form != "folder":
            raise typer.BadParameter("--ranges is for one model folder", param_hint="--ranges")
        from mien.training.publish import with_fixed_ranges

        print_line(with_fixed_ranges(runs[0], ranges, to, name=name))
        return
    if len(runs) > 1 and form == "folder":
        require("onnx", "train")
        from mien.training.ensemble import combine

        print_line(combine(runs, to, name or to.name, int8=int8))
        return
    run = runs[0]
    if len(runs) > 1 or int8:
        raise typer.BadParameter("several runs, and --int8 for them, are for --format folder")
    if form not in ("folder", "joblib"):
        raise typer.BadParameter(f"{form!r}; there are: folder, joblib", param_hint="--format")
    if form == "joblib":
        from mien.sklearn import EmotionClassifier

        EmotionClassifier.from_model(run, name=name).dump(to)
        say(
            "note: loading a joblib file runs the code that stands in it. Load none that comes from strangers; "
            "hand on the model folder instead (--format folder), which runs nothing."
        )
        print_line(to)
        return
    from mien.training.publish import publish

    print_line(publish(Path(run), to, name=name, weights=weights))


@app.command()
def bench(
    model: Annotated[str, typer.Argument(help="A shipped model's name, or a model or run folder.")] = "text",
    count: Annotated[int, typer.Option("--count", "--texts", min=1, help="How many texts or crops to run.")] = 4096,
    clip: Annotated[
        Path | None, typer.Option(help="For a model of clips: the clip to read, instead of a drawn one.")
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1)] = 64,
    as_json: AsJson = False,
) -> None:
    """How fast a model is on this machine: loading, one text or crop at a time, many in batches; or a clip."""
    from mien.cli.bench import UNITS, measure, measure_clip
    from mien.model import find_model, read_manifest

    of_clips = read_manifest(find_model(model)).modality == "video"
    if clip and not of_clips:
        raise typer.BadParameter("only models of clips read one", param_hint="--clip")
    document = measure_clip(model, clip, batch_size) if of_clips else measure(model, count, batch_size)
    if as_json:
        _print_json(document)
        return
    print_line(f"{document['model']} on {document['threads']} threads")
    print_line(f"  load            {document['load_s'] * 1e3:8.0f} ms")
    if of_clips:
        size = f"{document['width']} × {document['height']}"
        print_line(f"  {document['clip']:15} {document['seconds']:8.1f} s of {size}")
        print_line(f"  looked at       {document['frames']:8,} frames, {document['moments']:,} faces in them")
        speed = f"{document['times_real_time']:.1f} × as fast as it plays"
        print_line(f"  read in         {document['read_s']:8.2f} s    {speed}")
        return
    unit = next(unit for unit in UNITS.values() if unit in document)
    latency = document["latency_ms"]
    print_line(f"  one alone       {latency['p50']:8.2f} ms   (95 %: {latency['p95']:.2f} ms)")
    print_line(f"  {document[unit]:,} {unit}  {document[f'{unit}_per_s']:10,.0f} {unit}/s")


@app.command()
def demo(
    out: Annotated[Path, target("The folder for the page.")] = Path("demo"),
    photo: Annotated[
        list[str] | None, typer.Option("--photo", help="A photograph of yours instead of a drawing; several are fine.")
    ] = None,
    clip: Annotated[list[str] | None, typer.Option("--clip", help="A clip of yours instead; several are fine.")] = None,
) -> None:
    """Predict on a dozen sentences, drawn people and a drawn clip with the shipped models; write pages of it."""
    from mien.cli.demo import run

    page = run(out, console(), photos=photo or (), clips=clip or ())
    say(f"wrote {page}")


if __name__ == "__main__":
    main()
