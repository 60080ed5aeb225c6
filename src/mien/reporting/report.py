"""A report: what many results come to, as a document, as a page that stands alone, and as tables."""

from __future__ import annotations

import csv
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mien import __version__
from mien.errors import InputError, MienError
from mien.files import atomic_write
from mien.labels import LabelSpace
from mien.modality import Kind
from mien.model import CertaintyEntry
from mien.reporting.examples import Example
from mien.reporting.figures import COLUMNS, Document, Figures, flat
from mien.reporting.reporter import Reporter
from mien.reporting.survey import Columns, Survey
from mien.results import Result

ENDINGS = (".html", ".json", ".csv", ".xlsx")  # of the files of a report, beside each other


@dataclass(frozen=True)
class Report:
    """What many results come to.

    Attributes:
        document: all figures, as the JSON beside the page has them.
        rows: a sample of the rows that count, for the page's table: number, text, place of the label, score, cells and
            what else is known.
        notes: a line for each thing that was assumed.
    """

    document: Document
    rows: Sequence[tuple[Any, ...]]
    notes: Sequence[str]

    def to_dict(self) -> Document:
        """Plain values, ready for JSON."""
        return self.document

    @property
    def figures(self) -> list[Document]:
        """The figures as rows of one table, as the CSV file beside the page has them."""
        return flat(self.document)

    def write(self, target: str | Path) -> list[Path]:
        """Write a page, and the same figures as .json, .csv and .xlsx beside it; each file appears whole.

        Args:
            target: the page, ``.html``; the other files have its name.

        Returns:
            The files, the page first.

        Raises:
            MienError: a file cannot be written.
        """
        from mien.reporting.page import write_page
        from mien.reporting.sheets import write_sheets

        page = check_target(Path(target))
        writers: dict[str, Callable[[Path], object]] = {
            ".html": lambda path: write_page(path, self, page.stem),
            ".json": lambda path: path.write_text(_json(self.document), "utf-8", "replace"),
            ".csv": lambda path: _write_csv(path, self.figures),
            ".xlsx": lambda path: write_sheets(path, self.figures),
        }
        written = [page.with_suffix(ending) for ending in ENDINGS]
        for path in (*written[1:], page):  # the page last: by the document it is known as one of a report
            with atomic_write(path) as scratch:
                writers[path.suffix](scratch)
        return written

    def __repr__(self) -> str:
        read = {name: self.document[name] for name in ("inputs", "rows", "model")}
        return f"Report({', '.join(f'{name}={value!r}' for name, value in read.items())})"


def check_target(target: Path, inputs: Iterable[str] = ()) -> Path:
    """Refuse a page that cannot be made, before anything is computed, and files that are inputs.

    Raises:
        MienError: not .html, no such folder, or a folder of that name.
        InputError: one of the files is an input, or is there and is of no report; it would be lost.
    """
    from mien.inputs import exists

    if target.suffix != ".html":
        raise MienError(f"{target}: a report is a page, FILE.html; .json, .csv and .xlsx are written beside it")
    if not target.parent.is_dir():
        raise MienError(f"{target}: the folder {target.parent} does not exist")
    if not os.access(target.parent, os.W_OK):
        raise MienError(f"{target}: the folder {target.parent} cannot be written to")
    for path in (target.with_suffix(ending) for ending in ENDINGS):
        if path.is_dir():
            raise MienError(f"{path} is a folder; a file is meant")
        if any(exists(item) and path.exists() and path.samefile(item) for item in inputs):
            raise InputError(f"{path} is an input, which would be lost: name another page with --out")
        if path.is_file() and not _is_of_report(path):
            raise InputError(f"{path} is there and is of no report; it would be lost: name another page with --out")
    return target


def _is_of_report(path: Path) -> bool:
    """Whether a file is one that reports write; the page and the workbook are known by the document beside them."""
    if path.suffix in (".html", ".xlsx"):
        path = path.with_suffix(".json")
    if not path.is_file():
        return False
    with path.open(encoding="utf-8", errors="replace") as file:
        return file.read(1000).startswith(",".join(COLUMNS) if path.suffix == ".csv" else '{\n "mien": "')


def make_report(
    results: Iterable[tuple[Result, Columns]],
    survey: Survey,
    *,
    space: LabelSpace,
    source: LabelSpace,
    kind: Kind,
    about: Mapping[str, Any],
    left_out: Callable[[], Mapping[str, int]] = dict,
    nothing: str = "nothing was found",
    min_score: float | None = None,
    certainty: CertaintyEntry | None = None,
    by_reliability: bool = False,
) -> Report:
    """The report of results, taken as they come; memory does not grow with them.

    Args:
        results: each with the cells of its row.
        survey: of the same rows.
        space: the labels of the results.
        source: the labels of the model, from which they may be rolled up.
        kind: of the inputs.
        about: what the document says first: "title", "model", "unit", "names".
        left_out: gives what was left out of folders and chats, once the results are through.
        nothing: the reason why a picture or a clip in which nothing was found has no label.
        min_score: the least score of a label that counts; by default its threshold, or 0.5.
        certainty: of the model in *space*: rows of which it is not sure are in no share of a label, unless *min_score*
            says what counts.
        by_reliability: whether the threshold of *certainty* is of the reliability of faces, not of the label's score.

    Raises:
        InputError: the model gives no labels.
    """
    reporter = Reporter(space, kind, survey, min_score, nothing, certainty, by_reliability)
    for result, columns in results:
        reporter.add(result, columns)
    figures = Figures(reporter, source.name)
    shares = figures.shares()
    examples = {name: _examples(reporter, name) for name in reporter.places}
    skipped = +(reporter.left_out + Counter(left_out()))
    if reporter.partial:
        few = f"{reporter.partial:,} of {reporter.inputs:,} clips were not read to their end"
        survey.notes.append(f"{few}, such as {reporter.problem}")
    document = {
        "mien": __version__,
        **about,
        "kind": reporter.kind,
        "measure": reporter.measure,
        "space": reporter.space.name,
        "multilabel": reporter.space.multilabel,
        "inputs": reporter.inputs,
        **({"certainty": reporter.certainty.model_dump() | reporter.threshold_of} if reporter.certainty else {}),
        **shares,
        "unsure_because": dict(reporter.unsure.most_common()),
        "left_out": dict(skipped.most_common()),
        "over": figures.over(),
        "by": figures.by(),
        "examples": {name: found for name, found in examples.items() if found},
        "notes": list(survey.notes),
    }
    return Report(document, reporter.table.items(), tuple(survey.notes))


def _examples(reporter: Reporter, label: str) -> Document:
    found = reporter.examples[label]
    surest = found.surest
    quotes = {example.text for example in surest}
    typical = [example for example in found.typical if example.text not in quotes]
    return (
        {"surest": [_shown(example) for example in surest], "typical": [_shown(e) for e in typical]} if surest else {}
    )


def _shown(example: Example) -> Document:
    return {"text": example.text, "score": round(example.score, 4), **({"more": example.more} if example.more else {})}


def _json(document: Document) -> str:
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


def _write_csv(path: Path, rows: Iterable[Document]) -> None:
    with path.open("w", encoding="utf-8", errors="replace", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="")
        writer.writeheader()
        writer.writerows(rows)
