"""Data sets as people have them: read rightly or refused with a line, and what is left out is counted and shown."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from conftest import RunCli, one_line
from mien.datasets import open_dataset
from mien.errors import DataError


def pictures(root: Path, *folders: str, count: int = 2) -> Path:
    for place, folder in enumerate(folders):
        (root / folder).mkdir(parents=True)
        for number in range(count):
            cv2.imwrite(str(root / folder / f"{number}.png"), np.full((8, 8), 20 * place + number, np.uint8))
    return root


def names(spec: str) -> list[str]:
    data = open_dataset(spec)
    if data.space.multilabel:
        return ["+".join(np.array(data.space.names)[row > 0]) for row in data.targets]
    return [data.space.names[target] for target in data.targets]


@pytest.mark.parametrize(
    "form", ["['joy', 'love']", '["joy", "love"]', "['joy' 'love']", "('joy', 'love',)", "{'joy', 'love'}"]
)
def test_lists_in_cells_are_several_labels(tmp_path: Path, form: str) -> None:
    cell = form.replace('"', '""')
    (tmp_path / "t.csv").write_text(f'text,emotions\na,"{cell}"\nb,"[\'joy\']"\nc,[]\n')
    assert names(str(tmp_path / "t.csv")) == ["joy+love", "joy"]
    assert open_dataset(str(tmp_path / "t.csv")).left_out == {"empty": 1}


@pytest.mark.parametrize("cells", ["01", ["0.0", "1.0"], ["-1", "4"]])
def test_numbers_for_labels_are_refused_until_they_have_names(tmp_path: Path, cells: str) -> None:
    (tmp_path / "t.csv").write_text(f"text,x,label\na,1,{cells[0]}\nb,2,{cells[1]}\n")
    for reader in ("table", "features"):
        with pytest.raises(DataError, match=r"t\.csv has numbers for labels \(.*\); say what they stand for: labels="):
            open_dataset(f"{reader}:{tmp_path}/t.csv")
        assert names(f"{reader}:{tmp_path}/t.csv?labels={cells[0]}:fear,{cells[1]}:joy") == ["fear", "joy"]
    with pytest.raises(DataError, match="has numbers for labels"):
        open_dataset(f"images:{pictures(tmp_path / 'p', 'train/0', 'train/1')}")


def test_the_three_parts_of_fer2013_as_folders(tmp_path: Path) -> None:
    root = pictures(
        tmp_path, *(f"{top}/{name}" for top in ("Training", "PublicTest", "PrivateTest") for name in ("Happy", "Sad"))
    )
    data = open_dataset(f"images:{root}")
    assert sorted(data.split.tolist()) == ["test"] * 4 + ["train"] * 4 + ["val"] * 4


def test_pictures_beside_the_splits_are_counted(tmp_path: Path) -> None:
    data = open_dataset(
        f"images:{pictures(tmp_path, 'train/joy', 'train/fear', 'holdout/joy', 'train/notes')}?space=ekman7"
    )
    assert data.left_out == {"no-split": 2, "unknown-label": 2}


def test_a_list_in_a_cell_of_text_is_named_with_its_line(run_cli: RunCli, tiny_model: Path, tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text('{"text": "a", "label": "joy"}\n{"text": ["b"], "label": "joy"}\n')
    with pytest.raises(DataError, match=r"t\.jsonl:2: a cell holds a list where a text should be: \['b'\]"):
        open_dataset(f"table:{tmp_path}/t.jsonl")
    line = one_line(run_cli("predict", "t.jsonl", "--model", tiny_model, "--json"))
    assert "t.jsonl:2: a cell holds a list where a text should be" in line
    (tmp_path / "t.jsonl").write_text('{"text": "a", "label": [["joy"]]}\n')
    with pytest.raises(DataError, match=r"t\.jsonl:1: a cell holds a list"):
        open_dataset(f"table:{tmp_path}/t.jsonl")


@pytest.mark.parametrize("reader", ["images", "clips"])
def test_folders_of_pictures_and_of_boxes_are_no_labels(tmp_path: Path, reader: str) -> None:
    root = pictures(tmp_path, "train/images", "valid/images")
    (root / "train" / "images" / "a.mp4").write_bytes(b"x")
    for part in ("train", "valid"):
        (root / part / "labels").mkdir()
        (root / part / "labels" / "0.txt").write_text("0 0.5 0.5 1 1\n")
    with pytest.raises(DataError, match="as YOLO and others do, and no folder for each label"):
        open_dataset(f"{reader}:{root}")


def test_tables_of_openface(tmp_path: Path) -> None:
    rows = ["frame, face_id, timestamp, confidence, success, AU01_r, AU02_c, pose_Tx, emotion"]
    rows += [
        f"{n}, 0, {n / 30:.3f}, 0.9, {int(n % 4 > 0)}, 0.{n}, {n % 2}, {n}, {('joy', 'fear')[n % 2]}"
        for n in range(1, 9)
    ]
    (tmp_path / "t.csv").write_text("\n".join(rows) + "\n")
    data = open_dataset(f"features:{tmp_path}/t.csv")
    assert data.features == ("AU01_r", "AU02_c")
    assert (len(data), data.left_out) == (6, {"failed": 2})
    assert open_dataset(f"features:{tmp_path}/t.csv?columns=pose*,frame").features == ("pose_Tx", "frame")
    (tmp_path / "t.csv").write_text("id,timestamp,width,label\n1,5,3,joy\n2,6,4,fear\n")
    assert open_dataset(f"features:{tmp_path}/t.csv").features == ("width",)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", "text~emotion\nso glad~joy\n", "one column, 'text~emotion': what separates its columns is"),
        ("t.tsv", "text,emotion\nso glad,joy\n", "has one column, 'text,emotion'"),
        ("t.csv", "text#emotion\nso glad#joy\n", "has one column, 'text#emotion'"),
        ("t.csv", "text  emotion\nso glad  joy\n", "has one column, 'text emotion'"),
        ("t.csv", "text\x01emotion\nso glad\x01joy\n", "what separates its columns is not known"),
        ("t.csv", '"0","146","so glad"\n"4","147","so sad"\n', "is its first row no header?"),
        ("t.csv", "a" * 3000 + ",b\n1,2\n", "has no text column"),
        ("t.csv", ",".join(f"column{n}" for n in range(30_000)) + "\n", "and 29,992 more"),
    ],
)  # fmt: skip
def test_columns_that_are_not_understood_are_refused(
    run_cli: RunCli, tiny_model: Path, tmp_path: Path, name: str, content: str, message: str
) -> None:
    (tmp_path / name).write_text(content)
    line = one_line(run_cli("predict", name, "--model", tiny_model))
    assert message in line
    assert len(line) < 500


def test_a_first_line_that_may_be_no_header_is_told(run_cli: RunCli, tiny_model: Path, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("i am so glad\ni am so sad\n")
    done = run_cli("predict", "t.csv", "--model", tiny_model, "--json")
    assert done.stderr == "note: t.csv has one column; its first line, 'i am so glad', is taken for the header\n"


def test_what_is_left_out_is_in_the_first_line_and_in_the_json(
    run_cli: RunCli, tiny_model: Path, tmp_path: Path
) -> None:
    good = "".join(f"i am so {('glad', 'sad')[n % 2]} {n},{('joy', 'sadness')[n % 2]},test\n" for n in range(30))
    (tmp_path / "t.csv").write_text("text,label,split\n" + good + "x,qqq,test\n,joy,test\ny,qqq,train\n")
    spec = "table:t.csv?space=ekman7"
    line = f"{spec}: 30 samples, 7 labels, 3 left out (2 unknown-label, 1 empty)"
    warning = f"warning: 9% of the rows of {spec} are left out, 3 of 33; 'mien data check' names them"
    for command in (("evaluate", tiny_model, "--data"), ("data", "stats")):
        done = run_cli(*command, spec)
        assert done.stdout.splitlines()[0] == line
        assert warning in done.stderr.splitlines()
        done = run_cli(*command, spec, "--json")
        document = json.loads(done.stdout)
        assert (document["rows"], document["left_out"]) == (33, {"unknown-label": 2, "empty": 1})
        assert warning in done.stderr.splitlines()
    (tmp_path / "t.csv").write_text("text,label,split\n" + good)
    done = run_cli("data", "stats", spec)
    assert (done.stdout.splitlines()[0], done.stderr) == (f"{spec}: 30 samples, 7 labels, 0 left out", "")


def test_labels_without_a_place_in_the_models_count_as_left_out(
    run_cli: RunCli, tiny_model: Path, tmp_path: Path
) -> None:
    (tmp_path / "t.csv").write_text("text,label\n" + "so glad,joy\nso sad,sadness\n" * 4 + "so so,love\n")
    done = run_cli("evaluate", tiny_model, "--data", "table:t.csv?space=carer6", "--json", "--labels", "ekman7")
    document = json.loads(done.stdout)
    assert document["n"] + sum(document["left_out"].values()) == document["rows"] == 9


def test_predict_takes_quotes_of_a_tsv_as_characters(run_cli: RunCli, tiny_model: Path, tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_text('text\tid\n"so glad" she said\t1\n')
    line = one_line(run_cli("predict", "t.tsv", "--model", tiny_model, "--json"))
    assert "t.tsv:2 has broken quotes: text beside a quoted field; --no-quotes" in line
    done = run_cli("predict", "t.tsv", "--model", tiny_model, "--json", "--no-quotes")
    assert [row["input"] for row in json.loads(done.stdout)["results"]] == ['"so glad" she said']
