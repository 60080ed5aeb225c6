"""Tables of rows: CSV, TSV, Excel and Parquet."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from mien.errors import require
from mien.output.rows import OWN, Row
from mien.output.workbook import write_workbook
from mien.runtime import in_chunks

Rows = Callable[[], Iterator[Row]]  # gives all rows, each time it is called


def column_names(rows: Iterable[Row]) -> list[str]:
    """The columns that hold all rows, in the order in which they come up; of no rows those of texts."""
    names: dict[str, None] = {}
    for row in rows:
        names.update(dict.fromkeys(row))
    return list(names) or ["text", *OWN]


def _write_separated(target: Path, rows: Rows, delimiter: str) -> None:
    with target.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, column_names(rows()), delimiter=delimiter, restval="")
        writer.writeheader()
        writer.writerows(rows())


def _type(value: Any) -> type:
    return str if isinstance(value, int) and not -(2**63) <= value < 2**63 else type(value)


def parquet_types(rows: Rows) -> dict[str, str]:
    """The columns that hold all rows, in the order in which they come up, and Arrow's name of each one's type."""
    kinds: dict[str, set[type]] = {}
    for row in rows():
        for name, value in row.items():
            kinds.setdefault(name, set()).add(_type(value))
    known = {frozenset({bool}): "bool", frozenset({int}): "int64", frozenset({float}): "double",
             frozenset({int, float}): "double"}  # fmt: skip
    types = {name: known.get(frozenset(seen - {type(None)}), "string") for name, seen in kinds.items()}
    return types or dict.fromkeys(("text", *OWN), "string")


def write_parquet(target: Path, rows: Iterable[Row], types: Mapping[str, str]) -> None:
    """Rows into a Parquet file of the columns that :func:`parquet_types` found."""
    arrow, parquet = require("pyarrow", "table"), require("pyarrow.parquet", "table")
    schema = arrow.schema([(name, arrow.type_for_alias(kind)) for name, kind in types.items()])

    def fitting(name: str, value: Any) -> Any:
        if value is None or types[name] != "string":
            return value
        return str(value).encode("utf-8", "replace").decode()  # half of a surrogate pair is no text

    with parquet.ParquetWriter(target, schema) as writer:
        for chunk in in_chunks(rows, 16_384):
            columns = {name: [fitting(name, row.get(name)) for row in chunk] for name in schema.names}
            writer.write_table(arrow.table(columns, schema=schema))


TABLES: dict[str, Callable[[Path, Rows], None]] = {
    ".csv": lambda target, rows: _write_separated(target, rows, ","),
    ".tsv": lambda target, rows: _write_separated(target, rows, "\t"),
    ".xlsx": lambda target, rows: write_workbook(target, column_names(rows()), rows()),
    ".parquet": lambda target, rows: write_parquet(target, rows(), parquet_types(rows)),
}
