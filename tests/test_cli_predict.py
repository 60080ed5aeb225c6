"""``mien predict`` from end to end, as a user runs it; its answers are held against the API's."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import pandas as pd
import pyarrow.parquet
import pytest

import mien
from browser import needs_chromium
from conftest import RunCli, one_line, single_rows
from result_pages import opened, read_page


def strict(text: str) -> Any:
    """JSON as every reader takes it: NaN and Infinity are none."""

    def refuse(constant: str) -> NoReturn:
        raise AssertionError(constant)

    return json.loads(text, parse_constant=refuse)


def api(model: Path, texts: Sequence[str]) -> list[mien.Result]:
    return list(mien.load(model).predict_many(texts))


# ------------------------------------------------------------------------------------------- texts and lines


def test_json_is_what_the_api_gives(run_cli: RunCli, tiny_model: Path) -> None:
    texts = ["i feel so glad today", "😡", "she was scared \u201cagain\u201d", "-i am not an option", "[b]sad[/b]"]
    done = run_cli("predict", "--model", tiny_model, "--json", "--", *texts)
    assert (done.returncode, done.stderr) == (0, "")
    assert strict(done.stdout) == {"model": "tiny", "results": [result.to_dict() for result in api(tiny_model, texts)]}


def test_json_of_several_labels_in_a_coarser_space(run_cli: RunCli, tiny_multi: Path) -> None:
    done = run_cli("predict", "she was so fear", "--model", tiny_multi, "--json", "--labels", "ekman7")
    (expected,) = api(tiny_multi, ["she was so fear"])
    assert strict(done.stdout)["results"] == [expected.rollup("ekman7").to_dict()]
    assert strict(done.stdout)["results"][0]["label"] == "fear"


def test_a_text_that_looks_like_a_file_is_a_text_where_told_so(run_cli: RunCli, tiny_model: Path) -> None:
    done = run_cli("predict", "i am happy.txt", "sad.csv", "--as", "text", "--model", tiny_model, "--json")
    assert [result["input"] for result in strict(done.stdout)["results"]] == ["i am happy.txt", "sad.csv"]


@pytest.mark.parametrize("encoding", ["utf-8:strict", "ascii:strict"])
def test_lines_of_standard_input_whatever_their_bytes(run_cli: RunCli, tiny_model: Path, encoding: str) -> None:
    raw = "i am happy 😀\r\ni am s\x00ad\nso angry ÿþ\nscared".encode()
    done = run_cli("predict", "-", "--model", tiny_model, "--json", input=raw, env={"PYTHONIOENCODING": encoding})
    assert (done.returncode, done.stderr) == (0, "")
    results = strict(done.stdout)["results"]
    assert [result["label"] for result in results][0::2] == ["joy", "anger"]
    assert [result["input"] for result in results] == [
        "i am happy 😀",
        "i am s\x00ad",
        "so angry ÿþ",
        "scared",
    ]


@pytest.mark.parametrize("how", [[], ["--json"], ["--out", "o.csv"]])
def test_where_there_is_nothing_to_read_it_is_told(
    run_cli: RunCli, tiny_model: Path, tmp_path: Path, how: list[str]
) -> None:
    (tmp_path / "t.csv").write_text("id,text\n")
    for name, told in (("-", "standard input"), ("t.csv", "t.csv")):
        done = run_cli("predict", name, "--model", tiny_model, *how, input="")
        assert done.returncode == 0
        assert f"nothing was read: there are no texts in {told}\n" in done.stderr
        if how == ["--json"]:
            assert strict(done.stdout) == {"model": "tiny", "results": []}


@pytest.mark.parametrize("how", [[], ["--json"], ["--out", "o.csv"], ["--out", "o.html"]])
def test_where_nothing_can_be_read_the_exit_code_says_so(
    run_cli: RunCli, tiny_model: Path, tmp_path: Path, how: list[str]
) -> None:
    (tmp_path / "t.txt").write_text("\n" + "x" * 100_001 + "\n")
    pictures, texts = ("a.png", "b.png"), ("t.txt", "--model", tiny_model)
    for inputs, why in ((pictures, "there is no file a.png"), (texts, "text has 100,001 characters")):
        done = run_cli("predict", *inputs, *how)
        assert done.returncode == 1
        assert why in done.stderr.splitlines()[-1]
        assert (tmp_path / how[1]).exists() if how[1:] else True
    good = run_cli("predict", "t.txt", "so glad", "--model", tiny_model, "--out", "o.csv")
    assert good.returncode == 0, "some could be read: the rows say which"


def test_blank_lines_of_a_file_keep_their_place(run_cli: RunCli, tiny_model: Path, tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_bytes(b"\xef\xbb\xbfi am happy\r\n\r\nso s\xc3\xa9ad\nfurious\n")
    done = run_cli("predict", "t.txt", "--model", tiny_model, "--json")
    assert done.returncode == 0, done.stderr
    results = strict(done.stdout)["results"]
    assert [result["input"] for result in results] == ["i am happy", "", "so séad", "furious"]
    assert [result["error"] for result in results] == [None, "text is empty", None, None]


@pytest.mark.parametrize("name", ["t.txt", "t.csv", "-"])
def test_an_empty_line_at_the_end_is_no_failure(run_cli: RunCli, tiny_model: Path, tmp_path: Path, name: str) -> None:
    lines = ["so glad", "", "so sad", "  "]
    content = "".join(f"{line}\n" for line in lines)
    (tmp_path / "t.txt").write_text(content, "utf-8")
    (tmp_path / "t.csv").write_text("text,id\n" + "".join(f"{line},{row}\n" for row, line in enumerate(lines)), "utf-8")
    how = {"input": content} if name == "-" else {}
    shown = run_cli("predict", name, "--model", tiny_model, **how)
    document = run_cli("predict", name, "--model", tiny_model, "--json", **how)
    written = run_cli("predict", name, "--model", tiny_model, "--out", "o.jsonl", **how)
    assert [done.returncode for done in (shown, document, written)] == [0, 0, 0], shown.stderr
    assert shown.stdout.count("text is empty") == 2
    assert shown.stderr.splitlines() == document.stderr.splitlines() == ["2 of 4 texts without a label, because empty"]
    results = strict(document.stdout)["results"]
    assert [result["error"] for result in results] == [None, "text is empty", None, "text is empty"]
    rows = [strict(line) for line in (tmp_path / "o.jsonl").read_text("utf-8").splitlines()]
    assert [(row["label"], row["error"]) for row in rows] == [(row["label"], row["error"]) for row in results]


def test_an_empty_line_hides_no_failure(run_cli: RunCli, tiny_model: Path, tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("\nso glad\n" + "x" * 100_001 + "\n", "utf-8")
    done = run_cli("predict", "t.txt", "", "--model", tiny_model, "--json")
    assert one_line(done).startswith("mien: 2 of 4 inputs could not be read: text has 100,001 characters")
    assert len(strict(done.stdout)["results"]) == 4


def test_people_see_label_emoji_and_probability(run_cli: RunCli, tiny_model: Path) -> None:
    one = run_cli("predict", "i am [/b] glad", "--model", tiny_model)
    assert one.returncode == 0
    assert all(part in one.stdout for part in ("i am [/b] glad", "joy", "😄", "%"))
    many = run_cli("predict", *["i am [/b] glad"] * 7, "[link=x]i am angry", "--model", tiny_model)
    assert many.returncode == 0
    assert many.stdout.count("i am [/b] glad") == 7
    assert "[link=x]i am angry" in many.stdout
    assert "8 texts" in many.stdout
    assert "87.5%" in many.stdout


# ------------------------------------------------------------------------------------------------------ tables

#: Texts that a careless format would break, with ids and the labels of whoever made the table.
ROWS = [
    {"id": number, "comment": text, "label": label}
    for number, (text, label) in enumerate(
        [*single_rows()[::3], ('he said "glad", twice', "joy"), ("naïve but angry 😡", "anger"), ("=1+1 happy", "joy")]
    )
]


def put_csv(path: Path) -> None:
    pd.DataFrame(ROWS).to_csv(path, index=False)


def put_tsv(path: Path) -> None:
    lines = ["\t".join(map(str, row.values())) for row in ROWS]
    path.write_text("\n".join(["id\tcomment\tlabel", *lines]) + "\n", "utf-8")


def put_jsonl(path: Path) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS), "utf-8")


PUT: dict[str, Callable[[Path], None]] = {
    "csv": put_csv,
    "tsv": put_tsv,
    "jsonl": put_jsonl,
    "parquet": lambda path: pd.DataFrame(ROWS).to_parquet(path),
    "pkl": lambda path: pd.DataFrame(ROWS).to_pickle(path),
}


def get_separated(path: Path, **options: Any) -> list[dict[str, Any]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, **options))


def get_jsonl(path: Path) -> list[dict[str, Any]]:
    rows = [strict(line) for line in path.read_text("utf-8").splitlines()]
    return [{**row["columns"], "predicted_label": row["label"], "score": row["score"], "full": row} for row in rows]


GET: dict[str, Callable[[Path], list[dict[str, Any]]]] = {
    "csv": get_separated,
    "tsv": lambda path: get_separated(path, delimiter="\t"),
    "jsonl": get_jsonl,
    "parquet": lambda path: pyarrow.parquet.read_table(path).to_pylist(),
}


@pytest.mark.parametrize(
    ("source", "target"),
    [("csv", "csv"), ("csv", "tsv"), ("csv", "jsonl"), ("csv", "parquet"),
     ("tsv", "jsonl"), ("jsonl", "parquet"), ("parquet", "tsv"), ("pkl", "csv")],
)  # fmt: skip
def test_a_table_goes_through_whole(
    run_cli: RunCli, tiny_model: Path, tmp_path: Path, source: str, target: str
) -> None:
    PUT[source](tmp_path / f"in.{source}")
    done = run_cli("predict", f"in.{source}", "--model", tiny_model, "--out", f"out.{target}", "--batch-size", 5)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert f"wrote out.{target}" in done.stderr
    rows = GET[target](tmp_path / f"out.{target}")
    assert [(str(row["id"]), row["comment"], row["label"]) for row in rows] == [
        (str(row["id"]), row["comment"], row["label"]) for row in ROWS
    ]
    expected = api(tiny_model, [str(row["comment"]) for row in ROWS])
    assert [row["predicted_label"] for row in rows] == [result.label for result in expected]
    assert [float(row["score"]) for row in rows] == pytest.approx([result.score for result in expected], abs=2e-6)
    assert {path.name for path in tmp_path.iterdir()} == {f"in.{source}", f"out.{target}"}


def test_jsonl_rows_are_the_api_s_with_the_columns_beside(run_cli: RunCli, tiny_model: Path, tmp_path: Path) -> None:
    put_csv(tmp_path / "in.csv")
    run_cli("predict", "in.csv", "so glad", "--model", tiny_model, "--out", "out.jsonl")
    rows = [strict(line) for line in (tmp_path / "out.jsonl").read_text("utf-8").splitlines()]
    assert [row.pop("columns", None) for row in rows] == [*[{k: str(v) for k, v in row.items()} for row in ROWS], None]
    expected = [result.to_dict() for result in api(tiny_model, [*(str(row["comment"]) for row in ROWS), "so glad"])]
    assert [(row["input"], row["label"], row["error"]) for row in rows] == [
        (row["input"], row["label"], row["error"]) for row in expected
    ]
    assert list(rows[0]) == list(expected[0])


def test_a_page_of_results_shows_every_text_as_text(run_cli: RunCli, tiny_model: Path, tmp_path: Path) -> None:
    texts = ["<script>alert(1)</script> glad", "so angry & sad"]
    done = run_cli("predict", *texts, "--model", tiny_model, "--out", "out.html", "--as", "text")
    assert done.returncode == 0
    about, results = read_page(tmp_path / "out.html")
    assert [result["input"] for result in results] == texts
    assert about["title"] == "2 texts"


@needs_chromium
def test_a_browser_shows_texts_and_runs_nothing_in_them(run_cli: RunCli, tiny_model: Path, tmp_path: Path) -> None:
    texts = ["</script><script>document.title = 'changed'</script> glad", "<img src=x onerror=alert(1)>", "so sad"]
    for inputs in (texts, texts * 8):  # a card each, or a table
        assert run_cli("predict", *inputs, "--model", tiny_model, "--out", "o.html", "--as", "text").returncode == 0
        with opened(tmp_path / "o.html") as page:
            shown = page.locator("h2" if inputs is texts else "tbody td:first-child")
            assert [text.strip() for text in shown.all_inner_texts()] == inputs
            assert page.title() == "mien"
            assert page.locator(".counts .chip").count() > 1


@needs_chromium
@pytest.mark.parametrize("width", [1280, 390])
def test_a_table_on_a_page_breaks_no_short_word(width: int, run_cli: RunCli, tiny_model: Path, tmp_path: Path) -> None:
    row = {"comment": "so glad of it all " * 30, "product": "lawnmower", "stars": 10, "when": "2024-01-31", "note": ""}
    rows = [row, row | {"note": "x" * 300}]
    (tmp_path / "in.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    done = run_cli("predict", "in.jsonl", "--column", "comment", "--model", tiny_model, "--out", "o.html")
    assert done.returncode == 0, done.stderr
    with opened(tmp_path / "o.html", width) as page:
        lines = """cells => cells.map((cell) => {
            const range = document.createRange();
            range.selectNodeContents(cell);
            return [cell.textContent, range.getClientRects().length];
        })"""
        for text, count in page.locator(":is(td, th):not(:first-child):not(.long)").evaluate_all(lines):
            assert count <= 1, f"{text!r} stands in {count} lines"
        long = page.locator("td.long").bounding_box()
        assert long is not None
        assert long["width"] < 500, "a word too long for a column is broken"


def test_scores_of_every_label_and_columns_called_like_ours(run_cli: RunCli, tiny_model: Path, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("text,predicted_label,score,error\nso glad,x,y,z\n", "utf-8")
    done = run_cli("predict", "in.csv", "--model", tiny_model, "--out", "out.csv", "--scores", "--labels", "ekman7")
    (row,) = get_separated(tmp_path / "out.csv")
    assert {name: row[name] for name in ("predicted_label", "score", "error")} == {
        "predicted_label": "x", "score": "y", "error": "z",
    }  # fmt: skip
    assert row["predicted_predicted_label"] == "joy"
    assert float(row["predicted_score"]) == float(row["score_joy"])
    assert sum(float(row[f"score_{label}"]) for label in mien.SPACES["ekman7"].names) == pytest.approx(1, abs=1e-5)
    assert "joy" in done.stderr, "our label is counted, not the table's"
    assert "could not be read" not in done.stderr


def test_empty_cells_and_strange_ones(run_cli: RunCli, tiny_model: Path, tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"text": ["so glad", None, float("nan"), "  ", "sad"], "when": pd.to_datetime(["2020-01-02", *[None] * 4]),
         "x": [1.5, float("nan"), float("inf"), 2.0, 0.0], "raw": [b"\xff", b"b", None, b"", b"e"],
         "deep": [{"a": [1]}, None, None, None, None], "big": pd.Series([2**64 - 1, 1, 2, 3, 4], dtype="uint64")}
    )  # fmt: skip
    frame.to_parquet(tmp_path / "in.parquet")
    for target in ("jsonl", "parquet"):
        done = run_cli("predict", "in.parquet", "--model", tiny_model, "--out", f"out.{target}")
        assert done.returncode == 0, done.stderr
        assert "4 of 5" not in done.stderr
        assert "3 of 5 texts could not be read" in done.stderr
    rows = [strict(line) for line in (tmp_path / "out.jsonl").read_text("utf-8").splitlines()]
    assert [row["label"] for row in rows] == ["joy", None, None, None, "sadness"]
    assert [row["error"] for row in rows] == [None, *["text is empty"] * 3, None]
    first = {"text": "so glad", "when": "2020-01-02T00:00:00", "x": 1.5, "raw": "\\xff", "deep": {"a": [1]}}
    assert rows[0]["columns"] == first | {"big": 2**64 - 1}
    assert rows[1]["columns"]["x"] is None
    table = pyarrow.parquet.read_table(tmp_path / "out.parquet").to_pylist()
    assert [row["label"] for row in table] == ["joy", None, None, None, "sadness"]
    assert table[0]["big"] == str(2**64 - 1)


def test_what_is_written_is_read_again(run_cli: RunCli, tiny_model: Path, tmp_path: Path) -> None:
    said = ["so glad\n\tyes", 'she said "so sad\r\nand\tfurious"', '"so glad', "", "so sad\n\n"]
    (tmp_path / "in.jsonl").write_text(
        "".join(json.dumps({"text": text, "id": "a\tb"}) + "\n" for text in said), "utf-8"
    )
    for source, target in (("in.jsonl", "o.tsv"), ("o.tsv", "again.tsv"), ("again.tsv", "end.jsonl")):
        done = run_cli("predict", source, "--model", tiny_model, "--out", target)
        assert done.returncode == 0, done.stderr
        assert "1 of 5 texts could not be read" in done.stderr
    rows = [strict(line) for line in (tmp_path / "end.jsonl").read_text("utf-8").splitlines()]
    assert [row["columns"]["text"] for row in rows] == said
    assert [row["columns"]["id"] for row in rows] == ["a\tb"] * 5
    labels = [row["label"] for row in rows]
    assert labels[0] == labels[2] == "joy"
    assert [row["columns"]["label"] or None for row in rows] == labels
    assert [row["columns"]["predicted_label"] or None for row in rows] == labels


def test_a_table_damaged_further_down_leaves_one_document(run_cli: RunCli, tiny_model: Path, tmp_path: Path) -> None:
    rows = ["so glad,1"] * 5000
    (tmp_path / "in.csv").write_text("\n".join(["text,id", *rows, "sad,1,2", "sad,2"]), "utf-8")
    done = run_cli("predict", "in.csv", "--model", tiny_model, "--json")
    assert "in.csv:5002 has 3 fields where its header has 2" in one_line(done)
    document = strict(done.stdout)
    assert len(document["results"]) >= 1000
    assert "in.csv:5002" in document["error"]


# ------------------------------------------------------------------------------------------- what can be wrong


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["in.csv", "--column", "words"], "in.csv has no column 'words'; it has: id, comment, label"),
        (["none.csv"], "none.csv: no such file"),
        (["empty.txt"], "empty.txt is empty"),
        (["."], ". is a folder"),
        ([""], "the input could not be read: text is empty"),
        (["glad", "--model", "nowhere"], "no model 'nowhere'"),
        (["glad", "--labels", "fer7"], "--labels fer7: there is no map from carer6 to fer7"),
        (["glad", "--labels", "moods"], "no label space 'moods'; there are: carer6"),
        (["glad", "--out", "o.ods"], "o.ods: the ending says the format; there are: .jsonl, .csv"),
        (["glad", "--out", "no/o.csv"], "the folder no does not exist"),
        (["glad", "--out", "in.csv/o.csv"], "in.csv"),
        (["glad", "--out", "folder.csv"], "folder.csv is a folder"),
        (["picture.parquet"], "picture.parquet is not readable Parquet"),
        (["evil.pkl"], "evil.pkl"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line_and_exit_1(
    run_cli: RunCli, tiny_model: Path, tmp_path: Path, args: list[str], message: str
) -> None:
    put_csv(tmp_path / "in.csv")
    (tmp_path / "empty.txt").touch()
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "picture.parquet").write_bytes(b"\x89PNG\r\n\x1a\n" * 9)
    (tmp_path / "evil.pkl").write_bytes(b"cos\nsystem\n(S'touch owned'\ntR.")
    done = run_cli("predict", *(args if "--model" in args else [*args, "--model", tiny_model]))
    assert message in one_line(done)
    assert {path.name for path in tmp_path.iterdir()} == {
        "in.csv",
        "empty.txt",
        "folder.csv",
        "picture.parquet",
        "evil.pkl",
    }


def test_a_damaged_or_newer_model_is_one_line_and_exit_1(run_cli: RunCli, tiny_model: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(tiny_model, tmp_path / "copy"))
    (copy / "model.onnx").write_bytes((copy / "model.onnx").read_bytes()[:-1] + b"\x00\x01")
    done = run_cli("predict", "glad", "--model", "copy", "--json")
    assert "model.onnx is not the file that was written" in one_line(done)
    assert done.stdout == ""
    manifest = json.loads((copy / "manifest.json").read_text("utf-8")) | {"format": 99}
    (copy / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    assert "has format 99, this mien reads up to 2: upgrade mien" in one_line(
        run_cli("predict", "glad", "--model", "copy")
    )
