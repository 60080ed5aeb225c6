"""Tables of every format: what goes in comes out, and damage is named with file and line."""

from __future__ import annotations

import csv
import gzip
import io
import json
import lzma
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mien.datasets.tables import cell_text, open_table, table_suffix
from mien.errors import DataError, MissingExtra
from mien.output.tables import TABLES

ROWS = {"text": ["one, two", 'say "hi"', "drei\nZeilen", "ünï ❤️"], "label": ["joy", "fear", "joy", "anger"]}


def write(path: Path, rows: dict[str, list[str]] = ROWS) -> Path:
    """A table of the format that the suffix says, written without the code under test."""
    frame, kind = pd.DataFrame(rows), next(part for part in path.suffixes if part not in (".gz", ".xz"))
    buffer = io.BytesIO()
    if kind == ".csv":
        buffer.write(frame.to_csv(index=False).encode())
    elif kind in (".parquet", ".pq"):
        frame.to_parquet(buffer)
    elif kind in (".pkl", ".pickle"):
        frame.to_pickle(buffer)
    else:
        records = zip(*rows.values(), strict=True)
        buffer.write("".join(json.dumps(dict(zip(rows, row, strict=True))) + "\n" for row in records).encode())
    packed = {".gz": gzip.compress, ".xz": lzma.compress}.get(path.suffix, bytes)(buffer.getvalue())
    path.write_bytes(packed)
    return path


def whole(path: Path, size: int = 4096) -> dict[str, list[object]]:
    table = open_table(path)
    result: dict[str, list[object]] = {name: [] for name in table.columns}
    for chunk in table.chunks(size):
        for name, values in chunk.items():
            result[name] += values
    return result


@pytest.mark.parametrize("packed", ["", ".gz", ".xz"])
@pytest.mark.parametrize("kind", [".csv", ".jsonl", ".ndjson", ".parquet", ".pq", ".pkl", ".pickle"])
def test_every_format_gives_back_what_was_written(tmp_path: Path, kind: str, packed: str) -> None:
    path = write(tmp_path / f"t{kind}{packed}")
    table = open_table(path)
    assert table.columns == ("text", "label")
    assert whole(path, size=3) == ROWS
    assert [len(chunk["text"]) for chunk in table.chunks(3)] == [3, 1]
    assert [len(chunk["text"]) for chunk in table.chunks(3)] == [3, 1]  # again, from the start
    assert table.rows in (None, 4)
    assert (table.rows == 4) == (kind in (".parquet", ".pq", ".pkl", ".pickle"))


def test_lines_are_counted_as_a_person_counts_them(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('\ntext,label\na,x\n"b\nb",y\n\nc,z\n')
    assert [lines for lines, _ in open_table(path).numbered()] == [[3, 4, 7]]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_delimiters_and_bom(tmp_path: Path, delimiter: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"\xef\xbb\xbf" + delimiter.join(["text", "label"]).encode() + b"\r\n")
    with path.open("ab") as file:
        file.write(delimiter.join(['"a,b;c\td"', "joy"]).encode() + b"\r\n")
    assert whole(path) == {"text": ["a,b;c\td"], "label": ["joy"]}


def test_tsv_quotes_are_as_in_csv_or_characters(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_text('text\tlabel\n"say ""hi"""\tjoy\nso "so"\tfear\n')
    assert whole(path)["text"] == ['say "hi"', 'so "so"']
    assert [c["text"] for c in open_table(path, quotes=False).chunks()] == [['"say ""hi"""', 'so "so"']]
    path.write_text("a\tjoy\n")
    assert list(open_table(path, columns=("text", "label")).chunks()) == [{"text": ["a"], "label": ["joy"]}]


@given(st.lists(st.text('ab"\t\n\r ,', min_size=1, max_size=8), min_size=1, max_size=6))
@settings(max_examples=150, deadline=None)
def test_tsv_gives_back_what_was_written(texts: list[str]) -> None:
    rows = [{"text": text, **{f"c{place}": text[:place] for place in range(9)}} for text in texts]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.tsv"
        TABLES[".tsv"](path, lambda: iter(rows))
        with path.open(newline="", encoding="utf-8") as file:  # as everybody reads such files
            assert list(csv.DictReader(file, delimiter="\t")) == rows
        assert whole(path, size=2) == {name: [row[name] for row in rows] for name in rows[0]}


def test_tsv_line_breaks_and_tabs_in_quotes(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_bytes(
        b'id\t"what did\nyou like?"\r\n1\t"two\r\nlines"\n\n2\t"a\ttab"\n'
        b'3\topen"\n4\t"and ""closed"""\n5\t"three\n\nlines"'
    )
    table = open_table(path)
    assert table.columns == ("id", "what did\nyou like?")
    assert [(lines, list(chunk.values())) for lines, chunk in table.numbered()] == [
        ([3, 6, 7, 8, 9], [["1", "2", "3", "4", "5"],
                           ["two\r\nlines", "a\ttab", 'open"', 'and "closed"', "three\n\nlines"]])
    ]  # fmt: skip


@pytest.mark.parametrize("said", [['"I said', "nothing", 'to her"'], ['"and', 'he"', "end"], ['"no" he said'], ['"o']])
def test_tsv_a_quote_that_encloses_no_field_swallows_no_rows(tmp_path: Path, said: list[str]) -> None:
    path, message = tmp_path / "t.tsv", r"t\.tsv:2 has .*; --no-quotes, for data sets quotes=no, takes a quote as"
    for content in ("".join(f"{text}\tjoy\n" for text in said), "".join(f"joy\t{text}\n" for text in said)):
        path.write_text("text\tlabel\n" + content)
        with pytest.raises(DataError, match=message):
            whole(path)
        (found,) = open_table(path, quotes=False).chunks()
        assert sorted([*found["text"], *found["label"]]) == sorted([*said, *["joy"] * len(said)])


def test_txt_keeps_empty_lines(tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    path.write_text("one\n\ntwo, three\r\nfour")
    assert whole(path) == {"text": ["one", "", "two, three", "four"]}


def test_jsonl_missing_keys_are_none(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text('{"text": "a", "label": ["x", "y"]}\n\n{"text": "b", "more": 1}\n')
    assert whole(path) == {"text": ["a", "b"], "label": [["x", "y"], None], "more": [None, 1]}


def test_long_fields(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(f"text,label\n{'x' * 300_000},joy\n")
    assert whole(path)["text"] == ["x" * 300_000]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", b"text,label\na,joy\nb,joy,more\n", r"t\.csv:3 has 3 fields where its header has 2"),
        ("t.csv", b"text,label\na\n", r"t\.csv:2 has 1 fields"),
        ("t.csv", b'text,label\na,joy\n"open,joy\n', r"t\.csv:3 has a quote that is not closed"),
        ("t.csv", b'text,label\na,joy\n"a" b,joy\n', r"t\.csv:3 has broken quotes: text beside a quoted field"),
        ("t.tsv", b'text\tlabel\na\tjoy\n"a" b\nc\tjoy\n', r"t\.tsv:3 has broken quotes"),
        ("t.csv", b"text,text\na,b\n", "several columns named 'text'"),
        ("t.csv", b"", "is empty"),
        ("t.csv", b"\xff\xfet\x00\x00\xd8t\x00", r"t\.csv:1 has bytes that are not utf-16: it begins as that"),
        ("t.tsv", b"text\tlabel\na\n", r"t\.tsv:2 has 1 fields"),
        ("t.jsonl", b'{"text": "a"}\n{"text": \n', r"t\.jsonl:2 is not JSON"),
        ("t.jsonl", b'["a"]\n', r"t\.jsonl:1 is a JSON list"),
        ("t.csv.gz", gzip.compress(b"text,label\n" + b"a,b\n" * 9999, mtime=0)[:-30], "damaged or cut off"),
        ("t.csv.xz", lzma.compress(b"text,label\n" + b"a,b\n" * 9999)[:-30], "damaged or cut off"),
        ("t.csv.gz", b"text,label\n", "damaged or cut off"),
        ("t.csv.gz", gzip.compress(b"", mtime=0), "is empty"),
        ("t.parquet", b"PAR1 nothing of the kind", "not readable Parquet"),
        ("t.pkl", b"\x80\x04 nothing of the kind", "not a readable pickled table"),
        ("t.docx", b"x", "is no table"),
    ],
)
def test_damage_is_named(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        list(open_table(path).chunks())
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_file_and_no_file_but_a_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no file"):
        open_table(tmp_path / "none.csv")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(DataError, match="is a folder"):
        open_table(tmp_path / "folder.csv")


def test_a_large_table_is_read_a_chunk_at_a_time(tmp_path: Path) -> None:
    """The first chunk comes before the damage behind it is met."""
    path = tmp_path / "t.csv"
    path.write_text("text,label\n" + "a,joy\n" * 10_000 + "broken\n")
    chunks = open_table(path).chunks(1000)
    assert next(chunks)["text"] == ["a"] * 1000
    with pytest.raises(DataError, match=r"t\.csv:10002"):
        list(chunks)


@pytest.mark.parametrize(("kind", "module"), [(".parquet", "pyarrow.parquet"), (".pkl", "pandas")])
def test_a_package_that_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, module: str
) -> None:
    path = write(tmp_path / f"t{kind}")
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtra, match='install mien with the extra "table"'):
        open_table(path)


def test_text_formats_need_no_pandas(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv")
    code = f"""
import sys
import tempfile
from mien.datasets import open_dataset
assert len(open_dataset({str(path)!r})) == 4
assert not {{"pandas", "pyarrow"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_cell_text() -> None:
    cells = [None, float("nan"), "", " \n", "a ", 5, 2.5, b"b"]
    assert [cell_text(cell) for cell in cells] == [None, None, None, None, "a ", "5", "2.5", "b"]


def test_table_suffix() -> None:
    names = ["a.csv", "A.TSV.GZ", "a.b.jsonl.xz", "a.gz", "a.csv.zip", "csv"]
    assert [table_suffix(Path(name)) for name in names] == [".csv", ".tsv", ".jsonl", None, ".csv", None]


CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), max_size=20)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(CELLS, CELLS), max_size=8), delimiter=st.sampled_from(",;\t"))
def test_csv_round_trip(tmp_path: Path, rows: list[tuple[str, str]], delimiter: str) -> None:
    path = tmp_path / "t.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter=delimiter).writerows([("text", "label"), *rows])
    assert whole(path) == {"text": [row[0] for row in rows], "label": [row[1] for row in rows]}
