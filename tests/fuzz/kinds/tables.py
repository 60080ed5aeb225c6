"""Tables: quotes, separators, encodings; JSONL, Parquet, packed ones; what mien writes comes back as it was."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from itertools import chain
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fuzz import Case, Finding
from fuzz.bend import bend, number
from fuzz.command import run
from fuzz.words import text
from mien.datasets.tables import open_table
from mien.errors import MienError

SECONDS, SECONDS_PER_MB, MEGABYTES, MEGABYTES_PER_MB = 3.0, 8.0, 150.0, 60.0
_PACK: dict[str, Callable[[bytes], bytes]] = {".gz": gzip.compress, ".xz": lzma.compress, ".bz2": bz2.compress}


def prepare() -> None:
    pa.set_cpu_count(1)
    pa.jemalloc_set_decay_ms(0) if "jemalloc" in pa.supported_memory_backends() else None
    run("predict", "i am glad", "--model", "text-carer", "--json")


def check(path: Path) -> bool:
    if path.name.startswith("rows"):
        return _check_round_trip(path)
    table = open_table(path)
    seen = 0
    for chunk in table.chunks():
        if tuple(chunk) != table.columns or len({len(cells) for cells in chunk.values()}) != 1:
            raise Finding(f"a chunk has {list(chunk)} of {list(table.columns)}, or columns of several lengths")
        seen += len(chunk[table.columns[0]])
    if table.rows is not None and table.rows != seen:
        raise Finding(f"{seen} rows where {table.rows} are stated")
    if seen <= 100 and _rows(open_table(path), 1) != _rows(open_table(path), 4096):
        raise Finding("rows depend on how many are read at once")
    if path.suffix == ".csv":
        _check_csv(path)
    return True


def _rows(table: Any, size: int) -> list[str]:
    return [repr(row) for chunk in table.chunks(size) for row in zip(*chunk.values(), strict=True)]


def _check_csv(path: Path) -> None:
    """Where Python's csv module accepts a file of UTF-8 by some separator, mien reads the same by one of them."""
    try:
        content = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        return
    if "\0" in content:  # UTF-16
        return
    table = open_table(path)
    ours = [list(row) for chunk in table.chunks() for row in zip(*chunk.values(), strict=True)]
    for separator in ",;\t|":
        try:
            theirs = [
                row for row in csv.reader(io.StringIO(content, newline=""), delimiter=separator, strict=True) if row
            ]
        except csv.Error:
            return
        if ours in (theirs[1:], theirs[2:], theirs):
            return
    raise Finding(f"Python's csv module reads it otherwise, such as {ours[:2]!r:.200}")


def _check_round_trip(path: Path) -> bool:
    """A table goes through ``mien predict TABLE --out FILE`` and comes back with its own columns as they were."""
    case = json.loads(path.read_bytes())
    columns, rows = case["columns"], case["rows"]
    source = path.with_name("source.jsonl")
    source.write_text("".join(json.dumps(dict(zip(columns, row, strict=True))) + "\n" for row in rows))
    out = path.with_name("out" + case["suffix"])
    done = run("predict", source, "--column", "text", "--model", "text-carer", "--out", out)
    if done.code:
        raise MienError(done.error)
    written = open_table(out)
    if case["suffix"] == ".jsonl":
        back = [
            [row["columns"][name] for name in columns]
            for row in map(json.loads, out.read_text("utf-8").split("\n")[:-1])
        ]
    else:
        kept = [name for name in written.columns if name in columns]
        if kept != columns:
            raise Finding(f"the columns {columns} came back as {kept} of {written.columns}")
        back = [list(row) for chunk in written.chunks() for row in zip(*(chunk[name] for name in columns), strict=True)]
    if [[cell or "" for cell in row] for row in back] != [[cell or "" for cell in row] for row in rows]:
        off = next(((a, b) for a, b in zip(rows, back, strict=False) if a != b), (len(rows), len(back)))
        raise Finding(f"{case['suffix']} came back otherwise: {off[0]!r:.150} as {off[1]!r:.150}")
    return True


# ----------------------------------------------------------------------------------------------------------- making


def make(rng: Random) -> Case:
    suffix, data = rng.choice(_MAKERS)(rng)
    if suffix == ".json":
        return Case("rows.json", data)
    if rng.random() < 0.2:
        data = bend(rng, data)
    if rng.random() < 0.15:
        packing = rng.choice(list(_PACK))
        suffix, data = suffix + packing, _PACK[packing](data)
        if rng.random() < 0.3:
            data = bend(rng, data, 2)
    return Case("table" + suffix, data)


def _csv(rng: Random) -> tuple[str, bytes]:
    separator, width = rng.choice(",;\t|,"), rng.choice((1, 2, 3, 3, 3, 40))
    names = [rng.choice(("text", "label", "split", "", " x ", "text", text(rng))) for _ in range(width)]
    dialect = rng.choice((csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONE))
    made = io.StringIO()
    writer = csv.writer(
        made,
        delimiter=separator,
        quoting=dialect,
        escapechar="\\" if dialect == csv.QUOTE_NONE else None,
        lineterminator=rng.choice(("\n", "\r\n", "\r")),
    )
    for row in chain([names], ([text(rng) for _ in range(width)] for _ in range(rng.choice((0, 1, 5, 30))))):
        with suppress(csv.Error):  # a row of one empty field, which has to be quoted
            writer.writerow(row if rng.random() < 0.97 else row[:-1])
    content = made.getvalue()
    for _ in range(rng.choice((0, 0, 1, 3))):
        place = rng.randrange(len(content) + 1)
        content = content[:place] + rng.choice(('"', '"\n', separator, "\n", "sep=;\n", "\t")) + content[place:]
    encoding = rng.choice(("utf-8",) * 6 + ("utf-8-sig", "utf-16", "utf-16-le", "utf-32", "cp1252", "latin-1", "utf-7"))
    return rng.choice((".csv", ".csv", ".tsv", ".txt")), content.encode(encoding, "replace")


def _large_text(rng: Random) -> tuple[str, bytes]:
    """What makes a reader slow or fat: open quotes, many columns, long lines, all packed or of moderate size."""
    what = rng.randrange(7)
    suffix = rng.choice((".csv", ".tsv"))
    if what == 0:  # each line opens a quote
        return suffix, b"text\tlabel\n" + b'"x\ty\n' * rng.choice((100, 8000))
    if what == 1:
        count = rng.choice((1000, 30_000))
        return suffix, b",".join(b"c%d" % i for i in range(count)) + b"\n" + b"," * (count - 1) + b"\n"
    if what == 2:
        return suffix + ".gz", _packed_lines(rng.choice((1, 4)), 40_000_000, b"a")
    if what == 3:
        return suffix + ".gz", _packed_lines(2, 40_000_000, b",")
    if what == 4:
        return ".jsonl.gz", _packed_lines(1, 20_000_000, b"[],", b'{"text": [', b"0]}")
    if what == 5:
        return ".jsonl", b'{"text": ' + b"[" * rng.choice((100, 3000, 200_000)) + b"}"
    return suffix, b'text,label\n"' + b"a\n" * rng.choice((1000, 200_000))


@cache
def _packed_lines(count: int, length: int, filler: bytes, before: bytes = b"", after: bytes = b"") -> bytes:
    line = before + filler * (length // len(filler)) + after + b"\n"
    return gzip.compress(b"text\n" * (not before) + line * count, 1)


def _jsonl(rng: Random) -> tuple[str, bytes]:
    def value(depth: int = 0) -> Any:
        what = rng.randrange(9 if depth < 3 else 6)
        if what < 3:
            return text(rng, plain=False)
        if what < 6:
            return rng.choice((None, True, 0, -1, 1e308, float("nan"), float("inf"), 2**70, number(rng)))
        if what < 8:
            return [value(depth + 1) for _ in range(rng.randrange(4))]
        return {text(rng): value(depth + 1) for _ in range(rng.randrange(4))}

    lines = [
        json.dumps(
            {rng.choice(("text", "label", "", "b")): value() for _ in range(rng.randrange(4))},
            ensure_ascii=rng.random() < 0.5,
        )
        for _ in range(rng.choice((1, 3, 20)))
    ]
    if rng.random() < 0.2:
        lines.insert(
            rng.randrange(len(lines)), rng.choice(("[1]", "1" * 5000, '"x"', "{", "{}", "nul", '{"a":1}{"a":2}'))
        )
    return ".jsonl", "\n".join(lines).encode("utf-8", "surrogatepass")


def _parquet(rng: Random) -> tuple[str, bytes]:
    rows = rng.choice((0, 1, 5, 50, 3000))

    def column() -> pa.Array:
        what = rng.randrange(12)
        if what == 0:
            return _bad_strings(rng, rows)
        if what == 1:
            return pa.array([text(rng) for _ in range(rows)]).dictionary_encode()
        if what == 2:
            return pa.array([rng.randbytes(rng.randrange(9)) for _ in range(rows)], pa.binary())
        if what == 3:
            return pa.array([number(rng) % 2**50 for _ in range(rows)], rng.choice(_TIMES))
        if what == 4:
            return pa.array([[1, 2][: rng.randrange(3)] for _ in range(rows)])
        if what == 5:
            return pa.array([{"a": 1, "text": text(rng)} for _ in range(rows)])
        if what == 6:
            return pa.array([rng.choice((1.5, float("nan"), None)) for _ in range(rows)], pa.float64())
        if what == 7:
            return pa.nulls(rows)
        if what == 8:
            return pa.array([[("k", 1)]] * rows, pa.map_(pa.string(), pa.int64()))
        if what == 9:
            return pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), _bad_strings(rng, 1))
        return pa.array(
            [text(rng) for _ in range(rows)], rng.choice((pa.string(), pa.large_string(), pa.string_view()))
        )

    made = io.BytesIO()
    if rng.random() < 0.07:  # a dictionary of one long entry, in a small file
        rows, length = rng.choice(((1000, 10_000), (100_000, 2000), (100_000, 50_000)))
        table = pa.table({"text": pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), ["a" * length])})
        pq.write_table(table, made, compression=rng.choice(("none", "zstd")))
        return ".parquet", made.getvalue()
    width = rng.choice((1, 2, 3, 60))
    names = [rng.choice(("text", "label", "", "x", text(rng))) for _ in range(width)]
    pq.write_table(
        pa.Table.from_arrays([column() for _ in names], names),
        made,
        compression=rng.choice(("none", "snappy", "gzip", "zstd")),
        row_group_size=rng.choice((1, 7, 10**6)) if rows < 100 else 10**6,
        use_dictionary=rng.random() < 0.7,
        data_page_version=rng.choice(("1.0", "2.0")),
    )
    return ".parquet", made.getvalue()


_TIMES = (
    pa.timestamp("us"),
    pa.timestamp("ns", "UTC"),
    pa.timestamp("s"),
    pa.time64("us"),
    pa.duration("us"),
    pa.date64(),
    pa.int64(),
    pa.uint64(),
)


def _bad_strings(rng: Random, rows: int) -> pa.Array:
    """Strings that are not UTF-8, as Arrow lets them be written."""
    values = [rng.choice((b"good", b"caf\xe9", b"\xff\xfe", b"\xed\xa0\x80", b"")) for _ in range(rows)]
    return pa.array(values, pa.binary()).view(pa.string())


def _rows_json(rng: Random) -> tuple[str, bytes]:
    """A table to be written and read back; see `_check_round_trip`."""
    names = list(
        dict.fromkeys(["text", *(rng.choice(("label", "b", "ü", "error", 'a"b', "a,b", "x y")) for _ in range(2))])
    )
    rows = [[text(rng) for _ in names] for _ in range(rng.choice((1, 3, 20)))]
    case = {"columns": names, "rows": rows, "suffix": rng.choice((".csv", ".tsv", ".jsonl", ".parquet"))}
    return ".json", json.dumps(case).encode()


_MAKERS = (*(_csv,) * 5, *(_jsonl,) * 2, *(_parquet,) * 4, *(_rows_json,) * 2, _large_text)
