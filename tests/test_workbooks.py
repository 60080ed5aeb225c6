"""Excel workbooks: read as people have them, refused where they are hostile, and written without formulas."""

from __future__ import annotations

import datetime
import logging
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest

from conftest import RunCli, one_line
from mien.datasets import open_dataset
from mien.datasets.tables import open_table
from mien.errors import DataError
from mien.output import workbook
from mien.output.tables import TABLES

SHEET = "xl/worksheets/sheet1.xml"
SPACE = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'


def book(path: Path, *sheets: Iterable[Iterable[Any]], merged: str = "") -> Path:
    made = openpyxl.Workbook()
    for number, rows in enumerate(sheets):
        sheet = made.create_sheet(f"part {number}") if number else made.active
        assert sheet is not None
        for row in rows:
            sheet.append(list(row))
        for cells in merged.split() if not number else ():
            sheet.merge_cells(cells)
    made.save(path)
    return path


def changed(path: Path, **parts: bytes) -> Path:
    """A workbook with some of its parts replaced; "sheet" is that of its only sheet."""
    with zipfile.ZipFile(book(path, [["text"], ["so glad"]])) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    names = {name: f"xl/{name}.xml" for name in ("workbook", "styles", "sharedStrings")} | {"sheet": SHEET}
    content |= {names[name]: part for name, part in parts.items()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in content.items():
            archive.writestr(name, part)
    return path


def rows(path: Path, **how: Any) -> list[dict[str, Any]]:
    return [row for _, row in open_table(path, **how).records()]


def cell(text: str) -> str:
    return f'<c t="inlineStr"><is><t>{text}</t></is></c>'


def test_cells_are_what_a_person_sees(tmp_path: Path) -> None:
    day, now = datetime.date(2024, 5, 1), datetime.datetime(2024, 5, 1, 12, 30)
    wanted = {"text": "naïve\n“x” ❤️", "n": 3, "x": 1.5, "b": True, "day": day, "now": now, "none": None}
    path = book(tmp_path / "t.xlsx", [wanted, wanted.values(), [None] * 7, ["#N/A", 4]])
    assert rows(path) == [
        wanted | {"day": "2024-05-01", "now": "2024-05-01T12:30:00"},
        dict.fromkeys(wanted) | {"n": 4},
    ]
    assert [line for line, _ in open_table(path).records()] == [2, 4]


def test_shared_strings_are_read_with_their_parts(tmp_path: Path) -> None:
    """As Excel writes them: runs of other fonts, Japanese readings, control characters."""
    strings = f"""<sst {SPACE}><si><t>text</t></si><si><r><t>so </t></r><r><rPr><b/></rPr><t>glad</t></r></si>
    <si><t>東京</t><rPh sb="0" eb="2"><t>トウキョウ</t></rPh></si><si><t>a_x000D_b_x005F_x000D_</t></si></sst>"""
    cells = "".join(f'<row><c t="s"><v>{n}</v></c></row>' for n in range(4))
    types = b"application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
    path = changed(
        tmp_path / "t.xlsx",
        sharedStrings=strings.encode(),
        sheet=f"<worksheet {SPACE}><sheetData>{cells}</sheetData></worksheet>".encode(),
    )
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    kinds = content["[Content_Types].xml"]
    if types not in kinds:
        part = b'<Override PartName="/xl/sharedStrings.xml" ContentType="' + types + b'"/></Types>'
        content["[Content_Types].xml"] = kinds.replace(b"</Types>", part)
    with zipfile.ZipFile(path, "w") as archive:
        for name, part in content.items():
            archive.writestr(name, part)
    assert [row["text"] for row in rows(path)] == ["so glad", "東京", "a\rb_x000D_"]


def test_merged_cells_a_title_and_cells_beside(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    content = [["Survey"], [], ["Comment", "Emotion"], ["a", "joy"], ["b", None], ["c", "fear"], ["d", None, None, "!"]]
    path = book(tmp_path / "t.xlsx", content, merged="A1:B1 B4:B5 B6:B7")
    data = open_dataset(f"table:{path}")
    assert [data.space.names[target] for target in data.targets] == ["joy", "joy", "fear", "fear"]
    told = " ".join(record.getMessage() for record in caplog.records)
    assert "row 3 is taken for the header" in told
    assert "t.xlsx:7 has cells beyond the last named column" in told
    with pytest.raises(DataError, match=r"t\.xlsx:2 has 2 cells where there should be 1"):
        rows(book(tmp_path / "t.xlsx", [["text"], ["a", "joy"]]))


def test_the_sheet_that_is_read_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    table = [["text", "label"], ["so glad", "joy"]]
    path = book(tmp_path / "t.xlsx", [], table, [["text"], ["other"]])
    assert rows(path) == [{"text": "so glad", "label": "joy"}]
    told = [record.getMessage() for record in caplog.records]
    assert told == [f"note: {path}: the sheet 'part 1' is read, and not part 2 (sheet=NAME; --sheet NAME for predict)"]
    for sheet in ("part 2", "PART 2", "3"):
        assert rows(path, sheet=sheet) == [{"text": "other"}]
    with pytest.raises(DataError, match="has no sheet 'x'; it has: Sheet, part 1, part 2"):
        rows(path, sheet="x")
    with pytest.raises(DataError, match="is empty: there is nothing in its sheet"):
        rows(book(tmp_path / "t.xlsx", []))
    (tmp_path / "t.csv").write_text("text\na\n")
    with pytest.raises(DataError, match=r"sheet is for workbooks"):
        rows(tmp_path / "t.csv", sheet="x")


def test_without_a_header(tmp_path: Path) -> None:
    path = book(tmp_path / "t.xlsx", [["joy", "so glad"], ["fear", "so scared"]])
    with pytest.raises(DataError, match="header=no"):
        open_dataset(f"table:{path}")
    assert list(open_dataset(f"table:{path}?header=no&text=2&label=1").inputs) == ["so glad", "so scared"]


def test_formulas_without_results_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = open_dataset(f"table:{book(tmp_path / 't.xlsx', [['text', 'label'], ['=A1', 'joy'], ['b', 'joy']])}")
    assert (list(data.inputs), data.left_out) == (["b"], {"empty": 1})
    assert "1 cells have formulas without results" in caplog.text


ENTITY = '<!DOCTYPE w [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>'
HOSTILE: dict[str, tuple[Callable[[Path], object], str]] = {
    "entities": (lambda p: changed(p, sheet=f"{ENTITY}<worksheet {SPACE}/>".encode()), "it defines entities of XML"),
    "entities outside": (lambda p: changed(p, workbook=f"{ENTITY}<workbook {SPACE}/>".encode()), "it defines entities"),
    "a large part": (lambda p: changed(p, styles=b"<a>" + b" " * 2**24), "more than 16,777,216"),
    "many elements": (lambda p: changed(p, styles=b"<a>" + b"<b/>" * 300_001), "more than 300,000 elements"),
    "many beside rows": (
        lambda p: changed(p, sheet=f"<worksheet {SPACE}>".encode() + b"<b/>" * 300_001), "more than 300,000 elements"
    ),
    "a far row": (lambda p: changed(p, sheet=b"<w><row r='999999999999'/></w>"), "it has a row '999999999999'"),
    "a long row": (lambda p: changed(p, sheet=b"<w><row>" + b"<c/>" * 16_385), "row 1 has more than 16,384 cells"),
    "a long cell": (lambda p: changed(p, sheet=b"<w><row><c><v>" + b"1" * 2**22 + b"</v>"), "more than 4,194,304"),
    "deep": (lambda p: changed(p, sheet=b"<w>" + b"<a>" * 100), "nested more than 64 deep"),
    "no such string": (
        lambda p: changed(p, sheet=f"<worksheet {SPACE}><sheetData><row><c t='s'><v>9</v></c></row></sheetData>"
                          "</worksheet>".encode()), "a cell has the string 9, and there are 0",
    ),
    "a far column": (
        lambda p: changed(p, sheet=f"<worksheet {SPACE}><sheetData><row><c r='XFD1' t='inlineStr'><is><t>text</t></is>"
                          "</c></row></sheetData></worksheet>".encode()), "has 16,383 columns without a name",
    ),
    "no XML": (lambda p: changed(p, sheet=b"\x00 nope"), "is not readable as an Excel workbook"),
    "no zip": (lambda p: p.write_text("text,label\n"), "is damaged or cut off: File is not a zip file"),
    "cut off": (lambda p: p.write_bytes(changed(p).read_bytes()[:2000]), "is damaged or cut off"),
    "old": (lambda p: p.write_bytes(b"\xd0\xcf\x11\xe0" + bytes(600)), "is an old .xls, or has a password"),
}  # fmt: skip


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_workbooks_are_one_line(tmp_path: Path, kind: str) -> None:
    make, message = HOSTILE[kind]
    make(tmp_path / "t.xlsx")
    with pytest.raises(DataError) as caught:
        rows(tmp_path / "t.xlsx")
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_bomb_is_refused_before_it_unpacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mien.datasets.workbook_parts.allowed_size", lambda path: 100_000)
    changed(tmp_path / "t.xlsx", sheet=b"<w>" + b" " * 100_000)
    with pytest.raises(DataError, match="unpacks to 100,003 bytes, far more"):
        rows(tmp_path / "t.xlsx")


def test_predict_reads_and_writes_workbooks(run_cli: RunCli, tiny_model: Path, tmp_path: Path) -> None:
    texts = ["+1", "-1 for that", "@SUM(1)", "so glad", "😀"]
    book(tmp_path / "in.xlsx", [["name", "what is it like"], *(["x", text] for text in texts)])
    done = run_cli("predict", "in.xlsx", "--column", "2", "--model", tiny_model, "--out", "out.xlsx", "--scores")
    assert done.returncode == 0, done.stderr
    run_cli("predict", "in.xlsx", "--column", "2", "--model", tiny_model, "--out", "out.csv", "--scores")
    csv, sheet = pd.read_csv(tmp_path / "out.csv"), pd.read_excel(tmp_path / "out.xlsx")
    assert list(csv.columns) == list(sheet.columns)
    assert csv["score"].tolist() == pytest.approx(sheet["score"].tolist())
    assert "no sheet 'x'" in one_line(run_cli("predict", "in.xlsx", "--sheet", "x", "--model", tiny_model))


def test_no_text_becomes_a_formula(tmp_path: Path) -> None:
    texts = ["=1+1", "+1", "-1", "@SUM(1)", "#N/A", "\tx", "a\x0bb\r", "_x000D_", "<&>", " 😀 ", "\ud83d", "plain"]
    wanted = [{"text": text, "n": 10**number, "x": float(number), "b": None} for number, text in enumerate(texts, 7)]
    TABLES[".xlsx"](tmp_path / "t.xlsx", lambda: iter(wanted))
    with zipfile.ZipFile(tmp_path / "t.xlsx") as archive:
        assert b"<f>" not in archive.read(SHEET)
    read = rows(tmp_path / "t.xlsx")
    shown = [None if text == "#N/A" else text.replace("\ud83d", "?") for text in texts]
    assert [row["text"] for row in read] == shown
    assert [int(row["n"]) for row in read] == [10**number for number in range(7, 19)]
    sheet: Any = openpyxl.load_workbook(tmp_path / "t.xlsx").active
    assert {row[0].data_type for row in sheet.iter_rows(min_row=2)} == {"s"}


def test_what_a_sheet_cannot_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(workbook, "ROWS", 4)
    caplog.set_level(logging.WARNING)
    TABLES[".xlsx"](tmp_path / "t.xlsx", lambda: iter([{"text": text} for text in ("😀" * 20_000, *"abcdef")]))
    made = openpyxl.load_workbook(tmp_path / "t.xlsx")
    assert made.sheetnames == ["results", "results 2", "results 3"]
    found = [row[0] for sheet in made for row in sheet.iter_rows(min_row=2, values_only=True)]
    assert [str(text)[-1:] for text in found] == ["😀", *"abcdef"]
    assert 16_000 < len(str(found[0])) < 16_384
    assert "1 texts are cut" in caplog.text
    assert "there are 3 sheets" in caplog.text
