"""The page of a report: one file with the figures as JSON, drawn by the modules of the server's page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mien.errors import InputError
from mien.labels import emotion
from mien.media.encode import data_uri
from mien.media.images import read_picture
from mien.media.pixels import reduced
from mien.output.html import page_data, page_end, page_start
from mien.reporting.figures import Document
from mien.reporting.reporter import UNSURE

if TYPE_CHECKING:
    from mien.reporting.report import Report

_ENTRY, _STYLES = "analysis.js", ("style.css", "views.css", "static.css", "analysis.css")
_GROUPS = 100  # of a column
_SOURCES = 5  # names of inputs
_SIDE = 112  # pixels of a face
_MARGIN = 0.25  # of a face's side, around it
_KEPT = (
    "model", "kind", "unit", "measure", "space", "multilabel", "sources", "inputs", "rows", "sentiment", "labels",
    "unsure", "unsure_because", "left_out", "notes", "seconds", "certainty",
)  # fmt: skip


def write_page(target: Path, report: Report, name: str) -> None:
    """A report as a page; its table holds the sample of rows that the report has.

    Args:
        name: of the page and of the files beside it, without an ending.
    """
    document = report.document
    names = [row["label"] for row in [*document.get("sentiment", ()), *document["labels"]]]
    order = [("sentiment", row["label"]) for row in document.get("sentiment", ())]
    rest = () if "certainty" in document else (UNSURE,)  # what is in no share is in no chart of shares
    order += [("labels", name) for name in (*(row["label"] for row in document["labels"]), *rest)]
    about = {name: document[name] for name in _KEPT if name in document}
    about["sources"] = about["sources"][:_SOURCES]
    about |= {
        "sourceCount": len(document["sources"]),
        "palette": {name: [emotion(name).emoji, emotion(name).color] for name in names},
        "over": _periods(document["over"], document["over"]["periods"], order) if document["over"] else None,
        "by": [_groups(by, order) for by in document["by"]],
        "examples": {name: _examples(found) for name, found in document["examples"].items()},
        "name": name,
    }
    with target.open("w", encoding="utf-8", errors="replace") as file:
        file.write(page_start(_ENTRY, _STYLES))
        file.write(page_data(about, 'id="about"'))
        file.write(page_data(_columns(report.rows, document), 'id="rows"'))
        file.write(page_end(_ENTRY))


def _periods(over: Mapping[str, Any], periods: Sequence[Document], order: Iterable[tuple[str, str]]) -> Document:
    """Figures over time with a list for each label, as long as there are periods; *order* is that of the labels."""
    series: dict[str, dict[str, list[Any]]] = {}
    kinds = {f"{level}:{name}": None for level, name in order}
    for place, period in enumerate(periods):
        for level, entries in (
            ("sentiment", period.get("sentiment", ())),
            ("labels", [*period["labels"], period["unsure"]]),
        ):
            for entry in entries:
                key = f"{level}:{entry['label']}"
                lists = series.setdefault(key, {name: [0] * len(periods) for name in ("amount", "low", "high")})
                lists["amount"][place] = entry["count"] if "count" in entry else entry["seconds"]
                for name in ("low", "high"):
                    lists[name][place] = round(entry.get(name, 0), 3)
    lists = {"names": [period["period"] for period in periods], "rows": [period["rows"] for period in periods]}
    kept = {name: over[name] for name in ("column", "step", "order", "undated", "change") if name in over}
    return {**kept, **lists, "series": {key: series[key] for key in kinds if key in series}}


def _groups(by: Mapping[str, Any], order: Sequence[tuple[str, str]]) -> Document:
    shown = [
        {**group, "periods": _periods({}, group["periods"], order)} if group.get("periods") else group
        for group in by["groups"][:_GROUPS]
    ]
    clear = [entry for entry in by["differences"] if entry["clear"]]
    counts = {"compared": len(by["differences"]), "more": len(by["groups"]) - len(shown)}
    return {"column": by["column"], "groups": shown, "others": by["others"], "clear": clear, **counts}


def _examples(found: Mapping[str, Sequence[Document]]) -> Document:
    return {kind: list(_with_faces(some)) for kind, some in found.items()}


def _with_faces(examples: Iterable[Document]) -> Iterator[Document]:
    """Examples with their faces, cut out of the pictures, which are read again; none where one is gone."""
    for example in examples:
        box = example.get("more", {}).get("box")
        if not box:
            yield example
            continue
        try:
            picture = read_picture(example["text"])
        except InputError:
            yield example
            continue
        left, top, right, bottom = box
        margin = _MARGIN * max(right - left, bottom - top)
        height, width = picture.shape[:2]
        x0, x1 = max(0, round(left - margin)), min(width, round(right + margin))
        y0, y1 = max(0, round(top - margin)), min(height, round(bottom + margin))
        if x1 <= x0 or y1 <= y0:
            yield example
            continue
        yield {**example, "src": data_uri(reduced(picture[y0:y1, x0:x1], _SIDE), quality=80)}


def _columns(rows: Sequence[tuple[Any, ...]], document: Document) -> Document:
    """The rows as columns; values that come again and again stand once."""
    names = list(dict.fromkeys(name for row in rows for name in row[4]))
    labels = [*(entry["label"] for entry in document["labels"]), UNSURE]
    return {
        "of": document["rows"],
        "labels": labels,
        "number": [row[0] for row in rows],
        "text": [row[1] for row in rows],
        "label": [row[2] for row in rows],
        "score": [round(1000 * row[3]) for row in rows],
        "cells": {name: _coded([row[4].get(name, "") for row in rows]) for name in names},
    }


def _coded(values: Sequence[str]) -> Document:
    known = {value: place for place, value in enumerate(dict.fromkeys(values))}
    return {"values": list(known), "at": [known[value] for value in values]}
