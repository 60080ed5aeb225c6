"""Results into files: JSONL, CSV, TSV, Parquet, HTML. A file appears whole, when all its rows are done."""

from __future__ import annotations

import csv
import html
import json
import math
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mien.errors import MienError, require
from mien.labels import emotion
from mien.results import Result

Row = dict[str, Any]
Rows = Callable[[], Iterator[Row]]
_OWN = ("label", "emoji", "score", "labels", "error")
_PAGE_ROWS = 2_000


def check_target(target: Path, endings: Sequence[str] = ()) -> None:
    """Refuse a file that cannot be made, before anything is computed; *endings* are allowed besides those of tables.

    Raises:
        MienError: an unknown ending, a missing folder, or a folder of that name.
        MissingExtra: Parquet without pyarrow.
    """
    if target.suffix not in (*FORMATS, *endings):
        known = ", ".join(dict.fromkeys((*FORMATS, *endings)))
        raise MienError(f"{target}: the ending says the format; there are: {known}")
    if target.is_dir():
        raise MienError(f"{target} is a folder; a file is meant")
    if not target.parent.is_dir():
        raise MienError(f"{target}: the folder {target.parent} does not exist")
    if target.suffix == ".parquet":
        require("pyarrow", "table")


def row_of(
    result: Result, columns: Mapping[str, Any], suffix: str, scores: bool = False, taken: Collection[str] = ()
) -> Row:
    """A result as it stands in a file: nested as in the API for JSONL, else flat behind the table's own columns.

    Args:
        columns: of the table's row.
        taken: the names of the columns of all tables that go into the file; see :func:`own_name`.
    """
    columns = {name: plain_cell(cell) for name, cell in columns.items()}
    if suffix == ".jsonl":
        return result.to_dict() | ({"columns": columns} if columns else {})
    best = result.strongest
    own: Row = {
        "label": result.label,
        "emoji": result.emoji,
        "score": None if result.score is None else round(result.score, 6),
        "labels": "|".join(best.labels) if best else None,
        "error": result.error,
    }
    if scores and best:
        own |= {f"score_{label}": round(score, 6) for label, score in best.scores.items()}
    plain = columns or {"text": result.input}
    return {**plain, **{own_name(name, taken or plain): value for name, value in own.items()}}


def face_rows(row: Row, scores: bool = False) -> Iterator[Row]:
    """A picture's result, as JSONL has it, as one flat row per face or person; one row without where there is none.

    They are counted from 1, the largest first; left, top, right and bottom are the box in pixels. A picture that was
    read as a whole has one row, without a number; each rating is a column.
    """
    counted = "face" if row["modality"] == "face" else "person"
    faces = row["items"] or [{"label": None, "emoji": None, "score": None, "labels": [], "scores": {}, "box": None}]
    for number, face in enumerate(faces, 1):
        left, top, right, bottom = face["box"] or (None,) * 4
        flat = {
            "file": row["input"],
            counted: number if face["box"] else None,
            **{name: face[name] for name in ("label", "emoji", "score")},
            "labels": "|".join(face["labels"]) or None,
            "left": left,
            "top": top,
            "right": right,
            "bottom": bottom,
            **face.get("ratings", {}),
            "error": row["error"],
        }
        yield flat | ({f"score_{name}": score for name, score in face["scores"].items()} if scores else {})


def picture_writer(
    suffix: str, scores: bool, scales: Mapping[str, tuple[float, float]] | None = None
) -> Callable[[Path, Rows], None]:
    """What makes a file of the results of pictures, each row as JSONL has it.

    Args:
        scales: of scenes: the lowest and highest value of each rating; None for faces.
    """
    if suffix == ".jsonl":
        return _jsonl
    if suffix == ".html":

        def page(target: Path, rows: Rows) -> None:
            from mien.output.face_draw import write_page as write_faces
            from mien.output.scene_draw import write_page as write_scenes

            if scales is None:
                write_faces(target, rows())
            else:
                write_scenes(target, rows(), scales)

        return page
    write = FORMATS[suffix]
    return lambda target, rows: write(target, lambda: (flat for row in rows() for flat in face_rows(row, scores)))


def own_name(name: str, taken: Collection[str]) -> str:
    """What mien's own column *name* ("label", "error") is called beside the tables' columns, in every row of a file."""
    while name in taken or f"predicted_{name}" in taken:
        name = f"predicted_{name}"
    return name


def plain_cell(cell: Any) -> Any:
    """A cell of a table as JSON can hold it."""
    if hasattr(cell, "tolist"):  # numpy's scalars and arrays
        cell = cell.tolist()
    if cell is None or isinstance(cell, str | int) or (isinstance(cell, float) and math.isfinite(cell)):
        return cell
    if isinstance(cell, bytes):
        return cell.decode("utf-8", "backslashreplace")
    if isinstance(cell, list | tuple):
        return [plain_cell(part) for part in cell]
    if isinstance(cell, dict):
        return {str(key): plain_cell(part) for key, part in cell.items()}
    if str(cell) in ("nan", "NaN", "NaT", "<NA>"):
        return None
    return cell.isoformat() if hasattr(cell, "isoformat") else str(cell)


def _jsonl(target: Path, rows: Rows) -> None:
    with target.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows())


def _names(rows: Rows) -> list[str]:
    names: dict[str, None] = {}
    for row in rows():
        names.update(dict.fromkeys(row))
    return list(names) or ["text", *_OWN]


def _separated(target: Path, rows: Rows, delimiter: str) -> None:
    with target.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, _names(rows), delimiter=delimiter, restval="")
        writer.writeheader()
        writer.writerows(rows())


def _kind(value: Any) -> type:
    return str if isinstance(value, int) and not -(2**63) <= value < 2**63 else type(value)


def parquet_types(rows: Rows) -> dict[str, str]:
    """The columns that hold all rows, in the order in which they come up, and Arrow's name of each one's type."""
    kinds: dict[str, set[type]] = {}
    for row in rows():
        for name, value in row.items():
            kinds.setdefault(name, set()).add(_kind(value))
    known = {frozenset({bool}): "bool", frozenset({int}): "int64", frozenset({float}): "double",
             frozenset({int, float}): "double"}  # fmt: skip
    types = {name: known.get(frozenset(seen - {type(None)}), "string") for name, seen in kinds.items()}
    return types or dict.fromkeys(("text", *_OWN), "string")


def write_parquet(target: Path, rows: Rows, types: Mapping[str, str]) -> None:
    """Rows into a Parquet file of the columns that :func:`parquet_types` found."""
    arrow, parquet = require("pyarrow", "table"), require("pyarrow.parquet", "table")
    schema = arrow.schema([(name, arrow.type_for_alias(kind)) for name, kind in types.items()])

    def fitting(name: str, value: Any) -> Any:
        return str(value) if value is not None and types[name] == "string" else value

    from mien.modality import in_chunks

    with parquet.ParquetWriter(target, schema) as writer:
        for chunk in in_chunks(rows(), 16_384):
            columns = {name: [fitting(name, row.get(name)) for row in chunk] for name in schema.names}
            writer.write_table(arrow.table(columns, schema=schema))


def _html(target: Path, rows: Rows) -> None:
    names, label = _names(rows), "label"
    while f"predicted_{label}" in names:  # mien's own
        label = f"predicted_{label}"
    counts: Counter[str] = Counter(row[label] or "—" for row in rows())
    total = sum(counts.values())
    names = [name for name in names if not name.startswith("score_")]
    bars = "".join(
        f"<tr><td>{emotion(label).emoji if label != '—' else ''}</td><td>{html.escape(label)}</td><td class=bar>"
        f'<i style="width:{count / max(counts.values()) * 100:.1f}%;background:{emotion(label).color}"></i></td>'
        f"<td>{count:,}</td><td>{count / total:.1%}</td></tr>"
        for label, count in counts.most_common()
    )
    with target.open("w", encoding="utf-8") as file:
        what = "texts" if names[0] == "text" else "rows"
        file.write(_PAGE_HEAD + f"<h1>{total:,} {what}</h1><table class=counts>{bars}</table><table><thead><tr>")
        file.write("".join(f"<th>{html.escape(name)}</th>" for name in names) + "</tr></thead><tbody>")
        for number, row in enumerate(rows()):
            if number == _PAGE_ROWS:
                break
            cells = ("" if row.get(name) is None else html.escape(str(row[name])) for name in names)
            file.write("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>\n")
        rest = total - _PAGE_ROWS
        file.write(
            "</tbody></table>" + (f"<p>… and {rest:,} more; CSV or Parquet hold them all.</p>" if rest > 0 else "")
        )


_PAGE_HEAD = """<!doctype html><html lang="en"><meta charset="utf-8"><title>mien</title>
<meta name="viewport" content="width=device-width"><style>
:root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;margin:1rem 0;width:100%}td,th{padding:.3rem .6rem;text-align:left;vertical-align:top;
border-bottom:1px solid #8884;overflow-wrap:anywhere}.counts{max-width:40rem}.counts td{border:0;padding:.1rem .5rem}
.bar{width:60%}.bar i{display:block;height:.9rem;border-radius:.3rem}</style>
"""

FORMATS: dict[str, Callable[[Path, Rows], None]] = {
    ".jsonl": _jsonl,
    ".csv": lambda target, rows: _separated(target, rows, ","),
    ".tsv": lambda target, rows: _separated(target, rows, "\t"),
    ".parquet": lambda target, rows: write_parquet(target, rows, parquet_types(rows)),
    ".html": _html,
}
