"""Tables in the forms that people have: separators, no header, JSON, zips, a column for each label, Hugging Face."""

from __future__ import annotations

import bz2
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.ipc
import pyarrow.parquet
import pytest

from conftest import RunCli, one_line
from mien.datasets import open_dataset
from mien.datasets.tables import open_table
from mien.errors import DataError

FRAME = pd.DataFrame({"text": ["so glad; yes", "it’s bad, very"], "label": ["joy", "anger"]})
PAIRS = [("so glad; yes", "joy"), ("it’s bad, very", "anger")]


def labeled(spec: str) -> list[tuple[str, str]]:
    data = open_dataset(f"table:{spec}")
    names = np.array(data.space.names)
    rows = [names[row > 0] for row in data.targets] if data.space.multilabel else [[names[n]] for n in data.targets]
    return [(text, "+".join(row)) for text, row in zip(data.inputs, rows, strict=True)]


# ----------------------------------------------------------------------------------------- separators and headers


@pytest.mark.parametrize("separator", [",", ";", "\t", "|", "^", " "])
@pytest.mark.parametrize("suffix", [".csv", ".txt", ".tsv"])
def test_columns_are_told_apart_or_named(tmp_path: Path, separator: str, suffix: str) -> None:
    FRAME.to_csv(path := tmp_path / f"t{suffix}", index=False, sep=separator)
    named = {"\t": "tab", "|": "pipe", ";": "semicolon"}.get(separator, separator)
    assert labeled(f"{path}?separator={named.replace(' ', 'space')}") == PAIRS
    if separator == "\t" or (suffix != ".tsv" and separator not in "^ "):
        assert labeled(str(path)) == PAIRS
    elif separator != " ":
        with pytest.raises(DataError, match="separator="):
            labeled(str(path))


def test_what_cuts_all_rows_alike_separates_columns(tmp_path: Path) -> None:
    """As in ISEAR: no header, and prose with commas."""
    path = tmp_path / "t.csv"
    path.write_text("joy|When I feel close, happy, free\nfear|At night, alone\nanger|Once, at work, again, and so on\n")
    with pytest.raises(DataError, match=r"has no text column .*header=no \(--no-header\)"):
        labeled(str(path))
    with pytest.raises(DataError, match="its columns are 1 to 2; name it by its number: text=2"):
        labeled(f"{path}?header=no")
    assert labeled(f"{path}?header=no&text=2&label=1")[1] == ("At night, alone", "fear")
    path.write_text("label,text\njoy,3\nfear,4\n")
    assert labeled(f"{path}?text=2&label=1") == [("3", "joy"), ("4", "fear")]


def test_predict_takes_the_same_options(run_cli: RunCli, tiny_model: Path, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("0^146^so glad\n4^147^so sad\n")
    one = one_line(run_cli("predict", "t.csv", "--model", tiny_model, "--separator", "^", "--no-header"))
    assert "columns are 1 to 3; name it by its number: text=3 (--column 3 for predict)" in one
    args = ("predict", "t.csv", "--model", tiny_model, "--separator", "^", "--no-header", "--column", "3", "--json")
    assert [row["input"] for row in json.loads(run_cli(*args).stdout)["results"]] == ["so glad", "so sad"]
    (tmp_path / "t.jsonl").write_text('{"text": "a"}\n')
    assert "separator is for" in one_line(run_cli("predict", "t.jsonl", "--model", tiny_model, "--separator", "^"))


def test_separator_of_labels_as_it_was_once(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("text,label\na,joy/love\nb,joy\n")
    assert labeled(f"{tmp_path}/t.csv?label_separator=/") == [("a", "joy+love"), ("b", "joy")]
    with pytest.warns(DeprecationWarning, match="write label_separator=/"):
        assert labeled(f"{tmp_path}/t.csv?separator=/") == [("a", "joy+love"), ("b", "joy")]


@pytest.mark.parametrize(
    ("columns", "taken", "others"),
    [
        ("title,comment,label", "comment", "'title'"),
        ("Text,clean_text,label", "Text", "'clean_text'"),
        ("id,Review Text,label", "Review Text", ""),
        ("context,tweets,label", "tweets", ""),
    ],
)
def test_the_text_that_was_taken_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, columns: str, taken: str, others: str
) -> None:
    (tmp_path / "t.csv").write_text(f"{columns}\n{columns.replace('label', 'joy')}\n")
    assert labeled(f"{tmp_path}/t.csv") == [(taken, "joy")]
    told = f"the column '{taken}' is taken for the text; {others} could be it, too: text={others.strip(chr(39))}"
    assert (told in caplog.text) == bool(others)


def test_a_data_frame_is_a_table(tmp_path: Path) -> None:
    frame = FRAME.set_axis(["a", "b"], axis=1)
    data = open_dataset(frame, text="a", label="b")
    assert [(text, data.space.names[target]) for text, target in zip(data.inputs, data.targets, strict=True)] == PAIRS
    with pytest.raises(DataError, match=r"^DataFrame has no text column .*; it has: a, b"):
        open_dataset(frame)
    with pytest.raises(DataError, match="a data set is NAME:PATH or a DataFrame, not list"):
        open_dataset([])  # type: ignore[arg-type]
    FRAME.to_csv(tmp_path / "t.csv", index=False)
    assert list(open_dataset(tmp_path / "t.csv").inputs) == [text for text, _ in PAIRS]


# ------------------------------------------------------------------------------------------------- JSON and zips

OBJECTS = [{"body": text, "label": label} for text, label in PAIRS]
JSON: dict[str, Any] = {
    "array": OBJECTS,
    "indented": json.dumps(OBJECTS, indent=2),
    "lines": "\n".join(map(json.dumps, OBJECTS)),
    "data": {"data": OBJECTS},
    "nested": {"meta": {"n": 2}, "result": {"items": OBJECTS}, "errors": [{"code": 1}]},
    "rows": [["body", "label"], *map(list, PAIRS)],
    "pandas": FRAME.to_json(),
    "split": FRAME.to_json(orient="split"),
    "index": FRAME.to_json(orient="index"),
    "table": FRAME.to_json(orient="table"),
    "lists": FRAME.to_dict(orient="list"),
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("form", JSON)
def test_json_documents(tmp_path: Path, form: str, encoding: str) -> None:
    text = JSON[form] if isinstance(JSON[form], str) else json.dumps(JSON[form], ensure_ascii=False)
    (tmp_path / "t.json").write_text(text, encoding=encoding)
    assert labeled(f"{tmp_path}/t.json") == PAIRS


def test_a_large_array_is_read_object_by_object(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mien.datasets.json_tables.ROW_LIMIT", 1000)
    (tmp_path / "t.json").write_text(json.dumps([{"text": "x" * 500, "n": n} for n in range(400)]))
    assert [row["n"] for _, row in open_table(tmp_path / "t.json").records()] == [*range(400)]
    (tmp_path / "t.json").write_text(json.dumps([{"text": "x" * 200_000}]))
    with pytest.raises(DataError, match=r"t\.json:1 is longer than 1,000 characters"):
        open_table(tmp_path / "t.json")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[{"text": "a"}, {"text": "b" "n": 1}]', "t.json:2 is not JSON, or cut off: Expecting ',' delimiter"),
        ('[{"text": "a"}, {"text": "b', "t.json:2 is not JSON, or cut off: Unterminated string"),
        ('[{"text": "a"}', "item 1 is followed by no ','"),
        ('[{"text": "a"}] x', "goes on behind its JSON"),
        ('[{"text": "a"}, 3]', "t.json:2 is a JSON int; every item must be an object"),
        ("[" * 100_000, "t.json:1 is nested too deep"),
        ("[]", "holds no objects"),
        ("hello", "is not JSON: it begins with 'hello'"),
        ("\xff", "has bytes that are not"),
    ],
)
def test_json_that_is_none(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "t.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError) as caught:
        [*open_table(tmp_path / "t.json").chunks()]
    assert message in str(caught.value)


def test_tables_in_zips(tmp_path: Path) -> None:
    raw = FRAME.to_csv(index=False).encode()
    (tmp_path / "t.csv.bz2").write_bytes(bz2.compress(raw))
    assert labeled(f"{tmp_path}/t.csv.bz2") == PAIRS
    with zipfile.ZipFile(tmp_path / "archive.zip", "w") as archive:
        archive.writestr("README.md", "x")
        archive.writestr("__MACOSX/._t.csv", "x")
        archive.writestr("data/t.csv", raw)
    assert labeled(f"{tmp_path}/archive.zip") == PAIRS
    with zipfile.ZipFile(tmp_path / "archive.zip", "a") as archive:
        archive.writestr("u.csv", raw)
    with pytest.raises(DataError, match=r"holds 2 files \(data/t\.csv, u\.csv\)"):
        labeled(f"{tmp_path}/archive.zip")


# ------------------------------------------------------------------------------------------- a column for a label


def test_columns_of_0_and_1_are_labels(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """As in the raw GoEmotions: a flag beside, and rows that nobody could label."""
    path = tmp_path / "t.csv"
    path.write_text(
        "text,id,author,very_unclear,love,anger,neutral\na,i,u,False,1,1,0\nb,i,u,True,0,0,0\nc,i,u,0,0,0,1\n"
    )
    assert labeled(str(path)) == [("a", "anger+love"), ("c", "neutral")]
    assert open_dataset(str(path)).left_out == {"empty": 1}
    assert "the columns love, anger, neutral, of 0 and 1, are taken for labels" in caplog.text


def test_columns_of_labels_beside_known_ones(tmp_path: Path) -> None:
    """As in SemEval-2018 and BRIGHTER: pessimism and trust are labels, and a row without any has none of them."""
    (tmp_path / "t.txt").write_text("ID\tTweet\tanger\tpessimism\tjoy\ttrust\nx\ta\t1\t1\t0\t0\ny\tb\t0\t0\t0\t0\n")
    data = open_dataset(f"table:{tmp_path}/t.txt?separator=tab")
    assert data.space.names == ("anger", "joy", "pessimism", "trust")
    assert data.targets.tolist() == [[1, 0, 1, 0], [0, 0, 0, 0]]


@pytest.mark.parametrize(
    ("lines", "encoding"),
    [
        ("text\tlabel\r\nI’m glad\tjoy\r\nso sad\tsadness\r\n", "utf-16"),  # Excel's "Unicode text"
        ("id\tTweet\tlabel\n1\tI’m glad\tjoy\n2\tso sad\tsadness\n", "cp1252"),
        ("label;text\njoy;I’m glad\nsadness;so sad\n", "utf-8"),
        ("sep=|\ntext|label\nI’m glad|joy\nso sad|sadness\n", "utf-8"),
        ('text,label\n"I’m glad",joy\n"so sad",sadness\n', "utf-8-sig"),
    ],
)
def test_a_txt_with_a_header_is_a_table(tmp_path: Path, caplog: Any, lines: str, encoding: str) -> None:
    path = tmp_path / "t.txt"
    path.write_bytes(lines.encode(encoding))
    assert labeled(str(path)) == [("I’m glad", "joy"), ("so sad", "sadness")]
    assert caplog.text.count("is read as a table: its first line names columns") == 1


@pytest.mark.parametrize(
    "lines",
    [
        "text\nI am glad, and you\n",
        "a comment, and text\nno more\n",  # not as many fields in each
        "i am glad;joy\nso sad;sadness\n",  # no column of texts is named
        "text, label\n",
        "text\t" + "x" * 200_000 + "\n\n",
    ],
)
def test_another_txt_is_a_file_of_lines(tmp_path: Path, lines: str) -> None:
    (tmp_path / "t.txt").write_text(lines)
    table = open_table(tmp_path / "t.txt")
    assert table.columns == ("text",)
    assert [row["text"] for _, row in table.records()] == lines.splitlines()


@pytest.mark.parametrize(("no", "yes"), [("0", "1"), ("False", "True"), ("", "x"), ("no", "yes"), ("0.0", "1.0")])
def test_columns_of_labels_that_are_named(tmp_path: Path, no: str, yes: str) -> None:
    (tmp_path / "t.csv").write_text(f"text,label,toxic,very rude\na,joy,{yes},{no}\nb,joy,{yes},{yes}\n")
    assert labeled(f"{tmp_path}/t.csv?labels=toxic,very rude") == [("a", "toxic"), ("b", "toxic+very rude")]


@pytest.mark.parametrize(
    ("cells", "options", "wanted"),
    [
        (["0.0", "1.0", ""], "labels=0:joy,1:fear", ["joy", "fear"]),
        (["0", "1", "2"], "labels=0:joy,1:fear,2:", ["joy", "fear"]),
        (["0", "1", "2"], "labels=0:joy,1:fear", r"t\.csv:4: the label 2 has no name"),
        (["[joy, love]", "[joy]", "[]"], "", ["joy+love", "joy"]),
        (["{'joy': 1}", "joy", "joy"], "", r"t\.csv:2: .* stands where a label should be"),
    ],
)
def test_cells_of_labels(tmp_path: Path, cells: list[str], options: str, wanted: list[str] | str) -> None:
    (tmp_path / "t.csv").write_text("text;label\n" + "".join(f"x{n};{cell}\n" for n, cell in enumerate(cells)))
    if isinstance(wanted, list):
        assert [label for _, label in labeled(f"{tmp_path}/t.csv?{options}")] == wanted
    else:
        with pytest.raises(DataError, match=wanted):
            labeled(f"{tmp_path}/t.csv?{options}")


@pytest.mark.parametrize(
    ("cell", "options", "message"),
    [
        ("0.4", "", "t.csv:2: the column of the label 'joy' has '0.4', not 0 or 1"),
        ("2", "?labels=joy,fear", "t.csv:2: the column of the label 'joy' has '2', not 0 or 1"),
        ("1", "?labels=joy,love", "has no column 'love'; it has: text, joy, fear; labels are given as 0:sadness,1:joy"),
        ("1", "?labels=joy&label=fear", "the labels are in the column 'fear' or in those of labels=joy; name one"),
    ],
)
def test_columns_that_are_no_labels(tmp_path: Path, cell: str, options: str, message: str) -> None:
    (tmp_path / "t.csv").write_text(f"text,joy,fear\na,{cell},0\n")
    with pytest.raises(DataError) as caught:
        labeled(f"{tmp_path}/t.csv{options}")
    assert message in str(caught.value)


# ---------------------------------------------------------------------------------------------------- Hugging Face

NAMES = ["sadness", "joy", "love"]
FEATURES = {"label": {"names": NAMES, "_type": "ClassLabel"}, "text": {"dtype": "string", "_type": "Value"}}


def shard(*labels: Any, names: Any = FEATURES) -> pyarrow.Table:
    table = pyarrow.table({"text": [f"text {label}" for label in labels], "label": list(labels)})
    return table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": names}})})


def save(path: Path, table: pyarrow.Table) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        pyarrow.parquet.write_table(table, path)
        return
    with pyarrow.ipc.new_stream(str(path), table.schema) as writer:
        writer.write_table(table, max_chunksize=2)


def test_folders_of_shards(tmp_path: Path) -> None:
    for number in range(2):
        save(tmp_path / f"data/train-0000{number}-of-00002.parquet", shard(number, 2))
    save(tmp_path / "data/test-00000-of-00001.parquet", shard(1, -1))
    data = open_dataset(f"table:{tmp_path}")
    assert labeled(str(tmp_path)) == [
        ("text 0", "sadness"), ("text 2", "love"), ("text 1", "joy"), ("text 2", "love"), ("text 1", "joy")
    ]  # fmt: skip
    assert (data.split.tolist(), data.left_out) == (["train"] * 4 + ["test"], {"empty": 1})
    assert data.where[-1] == "data/test-00000-of-00001.parquet:1"
    assert labeled(f"{tmp_path}?labels=0:a,1:b,2:c")[0] == ("text 0", "a")
    (tmp_path / "data/train-00000-of-00002.parquet").unlink()
    with pytest.raises(DataError, match="has 1 of the 2 files of train; 00000 is not there"):
        labeled(str(tmp_path))


def test_folders_of_splits_lists_of_labels_and_several_data_sets(tmp_path: Path) -> None:
    names = FEATURES | {"label": {"feature": FEATURES["label"], "_type": "Sequence"}}
    save(tmp_path / "plain/train/0000.parquet", shard([0, 1], [2], names=names))
    save(tmp_path / "plain/test/0000.parquet", shard([1], names=names))
    assert labeled(str(tmp_path))[:2] == [("text [0, 1]", "joy+sadness"), ("text [2]", "love")]
    save(tmp_path / "other/train/0000.parquet", shard(0))
    with pytest.raises(DataError, match="has several data sets, in the folders other, plain: name one of them"):
        labeled(str(tmp_path))


def test_what_save_to_disk_writes(tmp_path: Path) -> None:
    (tmp_path / "dataset_dict.json").write_text('{"splits": ["train"]}')
    save(tmp_path / "train/data-00000-of-00001.arrow", shard(0, 1, 2, 1, 0))
    save(tmp_path / "train/cache-0.arrow", shard(0))
    (tmp_path / "train/state.json").write_text('{"_data_files": [{"filename": "data-00000-of-00001.arrow"}]}')
    (tmp_path / "train/dataset_info.json").write_text("{}")
    assert [label for _, label in labeled(str(tmp_path))] == ["sadness", "joy", "love", "joy", "sadness"]
    raw = (tmp_path / "train/data-00000-of-00001.arrow").read_bytes()
    for at in range(8, len(raw), 97):
        (tmp_path / "t.arrow").write_bytes(raw[:at] + bytes([raw[at] ^ 0x55]) + raw[at + 1 :])
        try:
            assert len(open_dataset(f"{tmp_path}/t.arrow")) <= 5
        except DataError as error:
            assert len(str(error).splitlines()) == 1  # noqa: PT017
    packed = pyarrow.ipc.IpcWriteOptions(compression="zstd")
    with pyarrow.ipc.new_stream(str(tmp_path / "t.arrow"), shard(0).schema, options=packed) as writer:
        writer.write_table(shard(0, 1))
    with pytest.raises(DataError, match="is compressed Arrow: save it as Parquet"):
        labeled(f"{tmp_path}/t.arrow")


def test_names_of_a_data_card(tmp_path: Path) -> None:
    for name in ("tweets_train", "tweets_test"):
        (tmp_path / f"{name}.csv").write_text("text,label\na,0\nb,2\n")
    lines = "".join(f"          '{place}': {name}\n" for place, name in enumerate(NAMES))
    card = f"dataset_info:\n  features:\n  - name: label\n    dtype:\n      class_label:\n        names:\n{lines}"
    (tmp_path / "README.md").write_text(f"---\n{card}---\n# Tweets\n")
    assert labeled(str(tmp_path)) == [("a", "sadness"), ("b", "love")] * 2
    (tmp_path / "README.md").write_text("---\n- [\n---\n")
    with pytest.raises(DataError, match="has numbers for labels"):
        labeled(str(tmp_path))


def test_numbered_folders_have_names_too(tmp_path: Path) -> None:
    import cv2

    for folder in ("0", "1"):
        (tmp_path / folder).mkdir()
        for number in range(2):
            cv2.imwrite(str(tmp_path / folder / f"{number}.png"), np.full((8, 8), number, np.uint8))
    assert open_dataset(f"images:{tmp_path}?labels=0:joy,1:fear").space.names == ("fear", "joy")
    data = open_dataset(f"images:{tmp_path}?space=fer7")
    assert [data.space.names[target] for target in data.targets] == ["angry"] * 2 + ["disgust"] * 2


def test_lines_that_may_be_a_table_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "t.txt").write_text("one\ttwo\nthree\tfour\n")
    assert [row["text"] for _, row in open_table(tmp_path / "t.txt").records()] == ["one\ttwo", "three\tfour"]
    assert "is read line by line, and may be a table: separator=tab" in caplog.text


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".txt", ".jsonl"])
@pytest.mark.parametrize(
    ("head", "what"),
    [(b"PK\x03\x04", "an Excel workbook"), (b"\x1f\x8b", "packed by gzip"), (b"\x89PNG\r\n\x1a\n", "a picture"),
     (b"\xff\xd8\xff\xe0", "a picture"), (b"GIF89a", "a picture"), (b"%PDF-1.7\n", "a PDF")],
)  # fmt: skip
def test_a_wrong_ending_is_told(tmp_path: Path, head: bytes, what: str, ending: str) -> None:
    (tmp_path / f"t{ending}").write_bytes(head + b"\0" * 60)
    with pytest.raises(DataError, match=f"is .*{what} by its first bytes, and no {ending}"):
        open_table(tmp_path / f"t{ending}")
