"""Encodings of tables, files of lines and standard input: read rightly, or refused with a line; never replaced."""

from __future__ import annotations

import io
import json
import random
from pathlib import Path

import pandas as pd
import pytest

from conftest import RunCli, one_line
from mien.datasets import open_dataset
from mien.datasets.tables import open_table
from mien.errors import DataError

WESTERN = ["I’m so happy – it works", "café was awful, cost £5", "naïve me, I miss her", "schööööön „so“ 20° €"]
LABELS = ["joy", "anger", "sadness", "joy"]
CSV = "text,label\n" + "".join(f'"{text}",{label}\n' for text, label in zip(WESTERN, LABELS, strict=True))


def texts(path: Path, encoding: str | None = None) -> list[str]:
    return [text for chunk in open_table(path, encoding=encoding).chunks(2) for text in chunk["text"]]


@pytest.mark.parametrize("packed", ["", ".gz"])
@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"]
)
def test_what_windows_writes_is_read(
    tmp_path: Path, encoding: str, packed: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / f"t.csv{packed}"
    pd.read_csv(io.StringIO(CSV)).to_csv(path, index=False, encoding=encoding)
    assert texts(path) == WESTERN
    assert list(open_dataset(str(path)).inputs) == WESTERN
    told = [record.getMessage() for record in caplog.records]
    assert told == ([f"{path} is not UTF-8: read as cp1252 (encoding= overrides)"] if encoding == "cp1252" else [])


@pytest.mark.parametrize("line", ["Привет, как дела", "今天很高兴", "Γειά σου", "było źle, że się boję", "it’s a café"])
@pytest.mark.parametrize("encoding", ["cp1251", "gbk", "cp1253", "cp1250", "mac-roman"])
def test_other_encodings_are_read_where_named_and_else_refused(tmp_path: Path, line: str, encoding: str) -> None:
    try:
        raw = line.encode(encoding)
    except UnicodeEncodeError:
        pytest.skip("not of that language")
    (tmp_path / "t.txt").write_bytes(b"so glad\n" + raw + b"\nso sad\n")
    assert texts(tmp_path / "t.txt", encoding) == ["so glad", line, "so sad"]
    if "’" in line and encoding != "mac-roman":
        return  # it lies where cp1252 has it
    with pytest.raises(DataError, match=r"t\.txt:2 has bytes that are not UTF-8 .*name its encoding"):
        texts(tmp_path / "t.txt")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("smile 😀\n".encode() + b"ok\n" * 50_000 + b"caf\xe9\n", r"t\.txt:50002 .* though the text before is"),
        (b"ok\n" * 50_000 + b"caf\xe9 \n" + "smile 😀\n".encode(), r"t\.txt:50002 is UTF-8, though lines before are"),
        (b"ok\nna\x81ve\n", r"t\.txt:2 .*\(0x81 as byte 3\) nor Western text"),
        (b"ok\nsmile \xf0\x9f\x98", r"t\.txt:2 .*the file is cut off there"),
        (b"\xef\xbb\xbfcaf\xe9 ok\n", r"t\.txt:1 .* though the text before is"),
        (b"ok\n\x00\xff\x81\x90\n", r"t\.txt:2 "),
        ("Привет, как дела? Привет".encode("utf-16-be"), "^$"),
        (
            "so glad\nso sad\n".encode("utf-32")[:-2],
            r"t\.txt:2 .* utf-32: it begins as that, and is damaged or cut off",
        ),
        (("so glad\n" * 50).encode("utf-32-be") + b"\xff" * 4, r"t\.txt:51 .* utf-32-be: it begins as that"),
    ],
)
def test_what_is_in_two_encodings_or_none_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "t.txt"
    path.write_bytes(content)
    if message == "^$":
        assert texts(path) == ["Привет, как дела? Привет"]
        return
    with pytest.raises(DataError, match=message) as caught:
        texts(path)
    assert "\n" not in str(caught.value)


def test_random_bytes_are_read_as_they_are_or_refused(tmp_path: Path) -> None:
    """What is read, written in the encoding that was found, are the bytes that were there."""
    source, path, read = random.Random(0), tmp_path / "t.txt", 0
    pieces = [b"so ", b"glad", b"\n", b"\r\n", b"\xe9 ", b"\x92s", b"\x81", "é".encode(), "😀".encode(), b"\xc3"]
    for _ in range(3000):
        raw = b"a" + b"".join(source.choices(pieces, k=source.randint(1, 6)))
        path.write_bytes(raw)
        try:
            found = texts(path)
        except DataError:
            continue
        read += 1
        lines = [line.rstrip(b"\r\n") for line in raw.removesuffix(b"\n").split(b"\n")]
        assert lines in ([line.encode("utf-8") for line in found], [line.encode("cp1252", "ignore") for line in found])
    assert read > 1000


@pytest.mark.parametrize("encoding", ["rot13", "utf-7", "idna", "no such", "\x00", "hex"])
def test_what_is_no_encoding_of_text_is_refused(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "t.txt").write_bytes(b"ok\n")
    with pytest.raises(DataError, match="there is no encoding"):
        open_table(tmp_path / "t.txt", encoding=encoding)


def test_lines_that_end_as_on_old_macintoshes(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b'text|emotion\r"I am\r happy"|joy\rI am sad|sadness\r')
    data = open_dataset(f"table:{tmp_path}/t.csv")
    assert list(data.inputs) == ["I am\n happy", "I am sad"]
    assert [data.space.names[target] for target in data.targets] == ["joy", "sadness"]
    (tmp_path / "t.txt").write_bytes(b"I am happy\rI am sad")
    assert texts(tmp_path / "t.txt") == ["I am happy", "I am sad"]
    (tmp_path / "t.txt").write_bytes(b"one\rtext\nI am sad\n")
    assert texts(tmp_path / "t.txt") == ["one\rtext", "I am sad"]


def test_separators_of_columns(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    for content in ("text|label\na, b|joy\n", "sep=;\r\ntext;label\r\na, b;joy\r\n", 'text,label\n"a, b",joy\n'):
        path.write_bytes(content.encode())
        assert [dict(chunk) for chunk in open_table(path).chunks()] == [{"text": ["a, b"], "label": ["joy"]}]
    path.write_text("text,label\na|b|c|d,joy|fear\n")
    assert texts(path) == ["a|b|c|d"]


@pytest.mark.parametrize("way", ["file", "stdin", "ray"])
def test_predict_reads_files_and_standard_input_alike(
    run_cli: RunCli, tiny_model: Path, tmp_path: Path, way: str
) -> None:
    raw = "".join(f"{text}\n" for text in WESTERN).encode("cp1252")
    (tmp_path / "t.txt").write_bytes(raw)
    if way == "ray":
        pytest.importorskip("ray")
        done = run_cli("predict", "t.txt", "--model", tiny_model, "--engine", "ray", "--workers", "1", "--out", "parts")
        assert done.returncode == 0, done.stderr
        read = pd.concat(pd.read_parquet(part) for part in sorted((tmp_path / "parts").glob("*.parquet")))["text"]
        assert list(read) == WESTERN
        assert done.stderr.count("t.txt is not UTF-8: read as cp1252") == 1
        return
    name, how = ("-", {"input": raw}) if way == "stdin" else ("t.txt", {})
    done = run_cli("predict", name, "--model", tiny_model, "--json", **how)
    assert [row["input"] for row in json.loads(done.stdout)["results"]] == WESTERN
    told = {"-": "standard input"}.get(name, name)
    assert done.stderr == f"{told} is not UTF-8: read as cp1252 (encoding= overrides)\n"
    done = run_cli("predict", name, "--model", tiny_model, "--json", "--encoding", "latin-1", **how)
    assert json.loads(done.stdout)["results"][1]["input"] == WESTERN[1]
    assert json.loads(done.stdout)["results"][0]["input"] == WESTERN[0], "no control characters, as in browsers"
    assert done.stderr == f"note: {told}: latin-1 is read as cp1252, as browsers do\n"
    bad = how and {"input": b"na\x81ve\n"}
    (tmp_path / "t.txt").write_bytes(b"na\x81ve\n")
    line = one_line(run_cli("predict", name, "--model", tiny_model, "--out", "o.jsonl", **bad))
    assert "name its encoding (encoding=cp1251, or --encoding cp1251 for predict)" in line
    assert not (tmp_path / "o.jsonl").exists()


@pytest.mark.parametrize("suffix", [".parquet", ".parquet.gz"])
def test_parquet_whose_text_is_no_utf8(run_cli: RunCli, tiny_model: Path, tmp_path: Path, suffix: str) -> None:
    """pyarrow takes bytes for text without a look at them, as older writers did."""
    import gzip

    import pyarrow
    import pyarrow.parquet

    cells = pyarrow.array([b"so glad", "café".encode("latin-1"), None]).cast(pyarrow.binary())
    buffers = cells.buffers()
    column = pyarrow.Array.from_buffers(pyarrow.string(), len(cells), buffers)
    table, raw = pyarrow.table({"text": column, "label": ["joy", "fear", "joy"]}), io.BytesIO()
    pyarrow.parquet.write_table(table, raw)
    path = tmp_path / f"t{suffix}"
    path.write_bytes(gzip.compress(raw.getvalue()) if suffix.endswith("gz") else raw.getvalue())
    line = one_line(run_cli("predict", path.name, "--model", tiny_model, "--json"))
    assert f"{path.name}: row 2, column 'text' is not UTF-8" in line
    assert texts(path, "latin-1") == ["so glad", "café", None]
    assert list(open_dataset(f"table:{path}?encoding=latin-1").inputs) == ["so glad", "café"]
    named = pyarrow.table({"na?ve": ["x"]})
    pyarrow.parquet.write_table(named, raw := io.BytesIO())
    path.write_bytes(raw.getvalue().replace(b"na?ve", b"na\xefve"))
    if suffix == ".parquet":
        with pytest.raises(DataError, match="columns are not UTF-8"):
            open_table(path)
