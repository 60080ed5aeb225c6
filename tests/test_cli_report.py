"""``mien report`` and ``mien.report``, with a shipped model, as people call them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import mien
from conftest import RunCli, one_line
from mien.errors import InputError

MODEL = ("--model", "text-carer")
ROWS = [
    ("i am so happy and glad today", "kettle", "03/04/2024"),
    ("i feel sad and hopeless", "kettle", "13/04/2024"),
    ("i am furious and angry with them", "lamp", "14/04/2024"),
    ("", "lamp", ""),
]
CHAT = """12/03/2024, 21:04 - Messages and calls are end-to-end encrypted. Tap to learn more.
12/03/2024, 21:05 - Ana: i am so happy and glad
13/03/2024, 21:06 - Ben: i feel so sad
13/03/2024, 21:07 - Ana: <Media omitted>
"""


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "c.csv"
    path.write_text("".join(f"{a},{b},{c}\n" for a, b, c in [("comment", "product", "date"), *ROWS]), "utf-8")
    return path


def counts(document: dict[str, Any]) -> dict[str, int]:
    return {row["label"]: row["count"] for row in document["labels"] if row["count"]}


def test_a_table_by_product_over_time(run_cli: RunCli, table: Path) -> None:
    done = run_cli("report", "c.csv", "--by", "product", "--over", "date:month", *MODEL)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines() == [
        "note: dates in date are read as day/month/year",
        "note: 1 of 4 rows have no date in date",
        "left out: 1 text is empty",
        "wrote report.html, report.json, report.csv, report.xlsx",
    ]
    assert "3 texts" in done.stdout
    document = json.loads((table.parent / "report.json").read_text("utf-8"))
    assert counts(document) == {"sadness": 1, "joy": 1, "anger": 1}
    assert {g["group"]: g["rows"] for g in document["by"][0]["groups"]} == {"kettle": 2, "lamp": 1}
    assert [(p["period"], p["rows"]) for p in document["over"]["periods"]] == [("2024-04", 3)]
    printed = run_cli("report", "c.csv", "--by", "product", "--over", "date:month", "--json", *MODEL)
    assert json.loads(printed.stdout) == document, "the same, on standard output"


def test_a_chat_is_reported_by_speaker_and_time(run_cli: RunCli, tmp_path: Path) -> None:
    (tmp_path / "chat.txt").write_text(CHAT, "utf-8")
    done = run_cli("report", "chat.txt", "--json", *MODEL)
    document = json.loads(done.stdout)
    assert (document["unit"], document["rows"], document["left_out"]) == ("message", 2, {"system": 1, "media": 1})
    assert [by["column"] for by in document["by"]] == ["speaker"]
    assert (document["over"]["column"], sum(p["rows"] for p in document["over"]["periods"])) == ("time", 2)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--over", "product"), "--over product: 0 of its 4 filled cells are dates, and 'kettle' is none"),
        (("--over", "date:fortnight"), "the step 'fortnight' is none of"),
        (("--by", "shop"), "no column 'shop'; it has: comment, product, date"),
        (("--dates", "dmy"), "--dates dmy is for --over COLUMN, and for chats"),
        (("--out", "c.html"), "c.csv is an input, which would be lost"),
    ],
)
def test_what_cannot_be_done_is_one_line(run_cli: RunCli, table: Path, options: tuple[str, ...], words: str) -> None:
    before = table.read_bytes()
    assert words in one_line(run_cli("report", "c.csv", *options, *MODEL))
    assert (table.read_bytes(), sorted(path.name for path in table.parent.iterdir())) == (before, ["c.csv"])


def test_from_python_a_path_a_frame_and_lists_are_the_same(table: Path, tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    how: dict[str, Any] = {"by": "product", "over": "date", "model": "text-carer"}
    report = mien.report(table, **how, out=tmp_path / "r.html")
    assert sorted(path.name for path in tmp_path.glob("r.*")) == ["r.csv", "r.html", "r.json", "r.xlsx"]
    rows = [dict(zip(("comment", "product", "date"), row, strict=True)) for row in ROWS]
    for others in (pandas.read_csv(table), rows):
        found = mien.report(others, **how)
        assert found.document | {"sources": []} == report.document | {"sources": []}
    texts = mien.report([text for text, *_ in ROWS], model="text-carer")
    assert counts(texts.document) == counts(report.document)
    with pytest.raises(InputError, match="there is nothing to report of 1 texts: 1 text is empty"):
        mien.report([" "], model="text-carer")
    with pytest.raises(InputError, match="have no columns"):
        mien.report(["hi"], by="a", model="text-carer")
