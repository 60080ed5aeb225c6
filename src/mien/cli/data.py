"""The verbs ``data stats``, ``data check`` and ``data actions``."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from mien.cli.usage import AsJson, Fps, Frames, console, log, print_document, target
from mien.errors import DataError, print_line, require

data_app = typer.Typer(help="Look at a data set before training on it.", no_args_is_help=True)
Spec = Annotated[str, typer.Argument(metavar="DATASET:PATH")]


def log_account(spec: str, samples: int, labels: int, left_out: dict[str, int], as_json: bool) -> None:
    """Begin the output with what was read of the data and what was not; with *as_json* that is in the document."""
    from mien.datasets.dataset import account

    line, *warnings = account(spec, samples, labels, left_out)
    if not as_json:
        print_line(line)
    for warning in warnings:
        log(warning)


@data_app.command("stats")
def stats(
    spec: Spec,
    sheet: Annotated[
        Path | None, target("Write some samples of every label, pictures or texts, into FILE.html or FILE.png.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """How many samples, of which labels, in which splits."""
    if sheet is not None:
        from mien.evaluation.data_sheet import SUFFIXES

        if sheet.suffix not in SUFFIXES:
            raise typer.BadParameter(f"{sheet.name}: a sheet is {' or '.join(SUFFIXES)}", param_hint="--sheet")
        require("jinja2" if sheet.suffix == ".html" else "matplotlib", "report")
    from mien.datasets import open_dataset
    from mien.datasets.checks import stats as count
    from mien.output.reports import show_stats
    from mien.output.terminal import progress

    dataset = open_dataset(spec, progress=progress)
    log_account(spec, len(dataset), len(dataset.space), dataset.left_out, as_json)
    document = count(dataset)
    if as_json:
        print_document(document)
    else:
        show_stats(console(), document)
    if sheet is not None:
        from mien.evaluation.data_sheet import write_data_sheet

        shown, unread = write_data_sheet(dataset, sheet)
        log(f"wrote {sheet}: {shown:,} of {len(dataset):,} samples{f', {unread:,} cannot be read' if unread else ''}")


@data_app.command("check")
def check(spec: Spec, as_json: AsJson = False) -> None:
    """Look for unusable samples, duplicates across splits, unknown labels, imbalance. Exit 1 if there are any."""
    from mien.datasets import open_dataset
    from mien.datasets.checks import check as find
    from mien.output.terminal import progress

    dataset = open_dataset(spec, progress=progress)
    problems = find(dataset)
    counts = Counter(problem.kind for problem in problems)
    if as_json:
        rows = [{"kind": p.kind, "where": p.where, "what": p.what} for p in problems]
        print_document({"data": spec, "counts": dict(counts), "left_out": dataset.left_out, "problems": rows})
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
        kinds = ", ".join(f"{n:,} {kind}" for kind, n in counts.items())
        raise DataError(f"{spec}: {len(problems):,} problems: {kinds}")


@data_app.command("actions")
def actions(
    spec: Spec,
    out: Annotated[Path, target("Write FILE.{csv,tsv,xlsx,parquet}.")],
    fps: Fps = None,
    frames: Frames = None,
) -> None:
    """Measure what the face of each picture or clip does, into a table with the labels, to train features-svm on."""
    from mien.datasets import open_dataset
    from mien.evaluation.action_table import check_actions, write_action_table
    from mien.modality import load
    from mien.output.tables import TABLES
    from mien.output.terminal import progress
    from mien.output.writer import check_target

    if out.suffix not in TABLES:
        raise typer.BadParameter(f"{out.name}: a table is {', '.join(TABLES)}", param_hint="--out")
    if fps is not None and frames is not None:
        raise typer.BadParameter("--fps or --frames; take one of them")
    check_target(out)
    dataset = open_dataset(spec, progress=progress)
    check_actions(dataset)
    given = {name: value for name, value in (("fps", fps), ("frames", frames)) if value is not None}
    if given and dataset.kind != "clip":
        raise typer.BadParameter("--fps and --frames are for clips")
    log_account(spec, len(dataset), len(dataset.space), dataset.left_out, False)
    predictor = load(dataset.modality)
    with progress(f"measuring into {out}", len(dataset)) as step:
        problems = write_action_table(dataset, predictor, out, step, **given)
    for problem in problems[:5]:
        log(problem)
    if len(problems) > 5:
        log(f"… and {len(problems) - 5:,} more")
    without = f", {len(problems):,} without numbers" if problems else ""
    log(f"wrote {out}: {len(dataset):,} samples{without}")
