"""The verb ``evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mien.cli.data import log_account
from mien.cli.usage import SHOWN, AsJson, ModelArgument, console, log, print_document, target
from mien.errors import require


def evaluate(
    model: ModelArgument,
    data: Annotated[str, typer.Option("--data", help="DATASET:PATH, such as carer:emotion/ or table:mine.csv")],
    split: Annotated[
        str | None, typer.Option(help="train, val, test, or all. [default: test, or all of data without splits]")
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            help="Also give the figures for each value of this column; of faces also size, sharpness or pose."
        ),
    ] = None,
    labels: Annotated[str | None, typer.Option(help="Roll up to a coarser label space, such as ekman7.")] = None,
    mirror: Annotated[
        bool, typer.Option("--mirror", help="Read each picture together with its mirror image, and average.")
    ] = False,
    known_groups: Annotated[
        bool, typer.Option("--known-groups", help="Of a model with experts: the data tell which one reads each sample.")
    ] = False,
    frames: Annotated[int | None, typer.Option(min=1, help="Of clips: so many frames of each, spread evenly.")] = None,
    rule: Annotated[
        str | None, typer.Option(help="Of faces in clips: sum, vote or mean, which makes one answer of many moments.")
    ] = None,
    out: Annotated[Path | None, target("Write the report (HTML, JSON, PNG) into this folder.")] = None,
    as_json: AsJson = False,
    batch_size: Annotated[int, typer.Option(min=1)] = 64,
) -> None:
    """Measure a model on labeled data."""
    from mien.datasets import open_dataset
    from mien.evaluation import evaluate as measure
    from mien.evaluation.notes import trained_notes
    from mien.modality import get_modality, load
    from mien.output.reports import show_metrics
    from mien.output.terminal import progress

    for package in ("matplotlib", "jinja2") if out else ():
        require(package, "report")
    predictor = load(model)
    measured = by is not None and by in get_modality(predictor.manifest.modality).measures
    dataset = open_dataset(data, column=None if measured else by, progress=progress)
    with progress("evaluating", None) as step:
        report = measure(
            predictor, dataset, split, by, labels,
            mirror=mirror, known_groups=known_groups, frames=frames, rule=rule, batch_size=batch_size, progress=step,
        )  # fmt: skip
    document, left_out = report.to_dict(), report.left_out
    log_account(data, report.rows - sum(left_out.values()), len(dataset.space), left_out, as_json)
    for entry in report.unread[:SHOWN]:
        log(f"mien: {entry['what']}")
    if unread := len(report.unread):
        log(f"{unread:,} of {unread + document['n']:,} samples could not be read and are left out")
    for note in trained_notes(predictor, dataset, report.split):
        log(f"note: {note}")
    if out:
        log(f"wrote {report.write(out)}")
    if as_json:
        print_document(document)
    else:
        show_metrics(console(), document, report.space)
