"""Readers: tables with all their ways to write labels and splits, and the data sets with a layout of their own."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mien.datasets import Dataset, open_dataset
from mien.errors import DataError
from mien.labels import SPACES, make_space

EKMAN = SPACES["ekman7"].names


def csv(folder: Path, text: str, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def table(path: Path, **options: Any) -> Dataset:
    return open_dataset(f"table:{path}", **options)


def labels(dataset: Dataset) -> list[Any]:
    names = dataset.space.names
    if dataset.space.multilabel:
        return [[names[i] for i in np.flatnonzero(row)] for row in dataset.targets]
    return [names[i] for i in dataset.targets]


def kinds(dataset: Dataset) -> list[tuple[str, str]]:
    return [(problem.kind, problem.where) for problem in dataset.problems]


def test_usual_columns_and_places(tmp_path: Path) -> None:
    path = csv(tmp_path, 'id,Comment,mood\n1,fine,good\n2,"two\nlines",bad\n3,so so,good\n')
    data = open_dataset(str(path))
    assert (list(data.inputs), labels(data)) == (["fine", "two\nlines", "so so"], ["good", "bad", "good"])
    assert data.where == ["t.csv:2", "t.csv:3", "t.csv:5"]
    assert (data.name, data.space.name, data.space.names) == ("t", "t", ("bad", "good"))
    assert data.targets.dtype == np.int64


def test_named_columns(tmp_path: Path) -> None:
    path = csv(tmp_path, "text,label,b,c\nno,no,yes,joy\n")
    data = table(path, text="b", label="c", by="text, label")
    assert (list(data.inputs), labels(data)) == (["yes"], ["joy"])
    assert {name: values.tolist() for name, values in data.columns.items()} == {"text": ["no"], "label": ["no"]}
    with pytest.raises(DataError, match=r"no column 'words'; it has: text, label, b, c"):
        table(path, text="words")
    with pytest.raises(DataError, match=r"no label column \(such as label, .*\); it has: text, x"):
        table(csv(tmp_path, "text,x\na,b\n"))


def test_empty_cells_are_left_out_and_noted(tmp_path: Path) -> None:
    frame = pd.DataFrame({"text": ["a", None, "  ", "d", "e"], "label": ["joy", "joy", "joy", None, "fear"]})
    frame.to_parquet(tmp_path / "t.parquet")
    frame.to_pickle(tmp_path / "t.pkl")
    frame.to_csv(tmp_path / "t.csv", index=False)
    for name, first in (("t.parquet", 1), ("t.pkl", 1), ("t.csv", 2)):
        data = table(tmp_path / name)
        assert list(data.inputs) == ["a", "e"]
        assert kinds(data) == [("empty", f"{name}:{first + row}") for row in (1, 2, 3)]


def test_a_known_space_only_for_exactly_its_labels(tmp_path: Path) -> None:
    def space(names: list[str]) -> str:
        return table(csv(tmp_path, "text,label\n" + "".join(f"t{n},{n}\n" for n in names))).space.name

    assert space(list(EKMAN)) == "ekman7"
    assert space([name.upper() for name in EKMAN]) == "ekman7"
    assert space(list(SPACES["fer7"].names)) == "fer7"  # by name, though ekman7 has all as aliases
    assert space(list(SPACES["carer6"].names)) == "carer6"
    assert space(["mad", "disgust", "scared", "joyful", "sorrow", "shock", "neutral"]) == "ekman7"  # by alias
    assert space(list(EKMAN[:-1])) == "t"
    assert space([*EKMAN, "boredom"]) == "t"
    assert space([*EKMAN, "happy"]) == "t"  # joy twice


def test_spellings_of_one_label_are_one(tmp_path: Path) -> None:
    data = table(csv(tmp_path, "text,label\na,Joy\nb,joy\nc,Bad Mood\nd,bad_mood\n"))
    assert len(data.space) == 2
    assert data.targets[0] == data.targets[1] != data.targets[2] == data.targets[3]


def test_a_given_space(tmp_path: Path) -> None:
    path = csv(tmp_path, "text,label\na,joy\nb,boredom\nc,Happy\n")
    data = table(path, space="ekman7")
    assert (labels(data), kinds(data)) == (["joy", "joy"], [("unknown-label", "t.csv:3")])
    with pytest.raises(DataError, match=r"none of its labels \(Happy, boredom, joy\) is in two: x, y"):
        table(path, space=make_space("two", ["x", "y"]))
    with pytest.raises(DataError, match="no label space 'ekman'"):
        table(path, space="ekman")


def test_whole_numbers_are_places_in_a_given_space(tmp_path: Path) -> None:
    path = csv(tmp_path, "text,label\na,0\nb,5\nc,6\nd,\n")
    data = table(path, space="carer6")
    assert labels(data) == ["sadness", "surprise"]
    assert kinds(data) == [("unknown-label", "t.csv:4"), ("empty", "t.csv:5")]
    pd.DataFrame({"text": list("abc"), "label": [10, None, 9]}).to_parquet(tmp_path / "t.parquet")  # floats: 10.0
    with pytest.raises(DataError, match=r"has numbers for labels \(9, 10\); say what they stand for: labels=0:NAME"):
        table(tmp_path / "t.parquet")
    assert labels(table(tmp_path / "t.parquet", labels="9:joy,10:fear")) == ["fear", "joy"]
    with pytest.raises(DataError, match="labels are given as 0:sadness,1:joy"):
        table(tmp_path / "t.parquet", labels="joy,fear")


def test_lists_are_several_labels(tmp_path: Path) -> None:
    rows = [("a", ["joy", "love"]), ("b", ["joy"]), ("c", [])]
    pd.DataFrame(rows, columns=["text", "labels"]).to_parquet(tmp_path / "t.parquet")
    pd.DataFrame(rows, columns=["text", "labels"]).to_pickle(tmp_path / "t.pkl")
    csv(tmp_path, "".join(json.dumps({"text": t, "labels": ls}) + "\n" for t, ls in rows), "t.jsonl")
    for name in ("t.parquet", "t.pkl", "t.jsonl"):
        data = table(tmp_path / name)
        assert data.space.multilabel
        assert labels(data) == [["joy", "love"], ["joy"]]
        assert data.targets.dtype == np.float32
    csv(tmp_path, '{"text": "a", "labels": [0, 27]}\n', "n.jsonl")
    assert labels(table(tmp_path / "n.jsonl", space="goemotions28")) == [["admiration", "neutral"]]


@pytest.mark.parametrize("separator", ["|", ";", ","])
def test_joined_labels(tmp_path: Path, separator: str) -> None:
    data = table(csv(tmp_path, f"text\tlabel\na\tx{separator} y\nb\tx\nc\ty\n", "t.tsv"))
    assert labels(data) == [["x", "y"], ["x"], ["y"]]
    data = table(csv(tmp_path, f"text\tlabel\na\tjoy{separator}fear{separator}\n", "t.tsv"))  # known labels
    assert labels(data) == [["fear", "joy"]]
    data = table(csv(tmp_path, f"text\tlabel\na\tjoy{separator}zest\nb\tjoy\n", "t.tsv"), space="ekman7")
    assert (labels(data), kinds(data)) == ([["joy"]], [("unknown-label", "t.tsv:2")])


def test_a_name_with_a_separator_stays_one_name(tmp_path: Path) -> None:
    data = table(csv(tmp_path, 'text,label\na,"calm, at ease"\nb,wild|free\n'))
    assert not data.space.multilabel
    assert sorted(labels(data)) == ["calm, at ease", "wild|free"]


def test_a_split_column(tmp_path: Path) -> None:
    path = csv(tmp_path, "text,label,split,set\na,x,train,test\nb,y,Dev,train\nc,x,test,val\n")
    assert table(path).split.tolist() == ["train", "val", "test"]
    assert table(path, split="set").split.tolist() == ["test", "train", "val"]
    with pytest.raises(DataError, match=r"t\.csv:3 has the split 'later'"):
        table(csv(tmp_path, "text,label,split\na,x,train\nb,x,later\n"))


def test_a_folder_of_three_tables(tmp_path: Path) -> None:
    csv(tmp_path, "text,label\na,x\n", "train.csv")
    csv(tmp_path, "text\tlabel\nb\ty\n", "validation.tsv")
    csv(tmp_path, '{"text": "c", "label": "x"}\n', "test.jsonl")
    csv(tmp_path, "notes", "readme.txt")
    data = open_dataset(f"table:{tmp_path}")
    assert (data.split.tolist(), list(data.inputs)) == (["train", "val", "test"], ["a", "b", "c"])
    assert data.where == ["train.csv:2", "validation.tsv:2", "test.jsonl:1"]
    csv(tmp_path, "text,label\na,x\n", "dev.csv")
    with pytest.raises(DataError, match=r"two tables for val: dev\.csv and validation\.tsv"):
        table(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no tables named train, val or test"):
        table(tmp_path / "empty")


def test_a_deal_where_nothing_says_the_split(tmp_path: Path) -> None:
    rows = "".join(f"t{i},{'xy'[i % 2]},g{i // 10}\n" for i in range(200))
    path = csv(tmp_path, "text,label,who\n" + rows)
    data = table(path)
    assert Counter(data.split.tolist()) == {"train": 160, "val": 20, "test": 20}
    assert data.part("val").counts() == {"x": 10, "y": 10}
    assert data.fingerprint == table(path).fingerprint != table(path, split_seed="1").fingerprint
    data = table(path, group="who")
    assert len({*zip(data.columns["who"], data.split, strict=True)}) == 20
    with pytest.raises(DataError, match="split_seed must be a whole number"):
        table(path, split_seed="x")


def test_nothing_usable(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no usable samples"):
        open_dataset(str(csv(tmp_path, "text,label\n,joy\n")))
    with pytest.raises(DataError, match="has no labels"):
        open_dataset(str(csv(tmp_path, "text,label\n")))


def test_carer(tmp_path: Path) -> None:
    csv(tmp_path, "i feel; well;joy\nno label here\n\nx;boredom\n;joy\n", "train.txt")
    csv(tmp_path, "v;sadness\n", "val.txt")
    csv(tmp_path, "t;anger", "test.txt")
    data = open_dataset(f"carer:{tmp_path}")
    assert list(data.inputs) == ["i feel; well", "v", "t"]
    assert (labels(data), data.split.tolist()) == (["joy", "sadness", "anger"], ["train", "val", "test"])
    lines = [("unreadable", 2), ("empty", 3), ("unknown-label", 4), ("empty", 5)]
    assert kinds(data) == [(kind, f"train.txt:{line}") for kind, line in lines]
    assert (data.space.name, data.licence) == ("carer6", "education and research")
    (tmp_path / "val.txt").unlink()
    with pytest.raises(DataError, match=r"there is no file .*val\.txt"):
        open_dataset(f"carer:{tmp_path}")


@pytest.fixture
def goemotions(tmp_path: Path) -> Path:
    csv(tmp_path, "\n".join(SPACES["goemotions28"].names[:27]), "emotions.txt")
    csv(tmp_path, '"He said" it\t27\tid1\ngreat, thanks\t15,17\tid2\nodd\t28\tid3\n', "train.tsv")
    csv(tmp_path, "fury\t2,3\tid4\n", "dev.tsv")
    csv(tmp_path, "huh\t22\tid5\n", "test.tsv")
    return tmp_path


def test_goemotions(goemotions: Path) -> None:
    data = open_dataset(f"goemotions:{goemotions}")
    assert list(data.inputs) == ['"He said" it', "great, thanks", "fury", "huh"]
    assert labels(data) == [["neutral"], ["gratitude", "joy"], ["anger", "annoyance"], ["realization"]]
    assert data.split.tolist() == ["train", "train", "val", "test"]
    assert kinds(data) == [("unknown-label", "train.tsv:3")]
    assert data.licence == "CC BY 4.0"


def test_goemotions_rolled_up(goemotions: Path) -> None:
    data = open_dataset(f"goemotions:{goemotions}", space="ekman7")
    assert labels(data) == [["neutral"], ["joy"], ["anger"], ["surprise"]]
    assert (data.space.name, data.space.multilabel, data.licence) == ("ekman7", True, "CC BY 4.0")
    carer = open_dataset(f"goemotions:{goemotions}", space="carer6")  # knows no neutral
    assert labels(carer) == [["joy"], ["anger"], ["surprise"]]
    assert list(carer.inputs) == ["great, thanks", "fury", "huh"]
    assert "1 samples have no label in carer6" in carer.problems[-1].what
    for space, message in (("fer7", "no map from goemotions28 to fer7"), ("x", "no label space 'x'")):
        with pytest.raises(DataError, match=message):
            open_dataset(f"goemotions:{goemotions}", space=space)


def test_rollup_of_one_label_at_a_time(tmp_path: Path) -> None:
    csv(tmp_path, "a;love\nb;joy\nc;fear\n", "train.txt")
    csv(tmp_path, "d;sadness\n", "val.txt")
    csv(tmp_path, "e;anger\n", "test.txt")
    data = open_dataset(f"carer:{tmp_path}").rollup("ekman7")
    assert labels(data) == ["joy", "joy", "fear", "sadness", "anger"]
    assert data.targets.dtype == np.int64
    assert data.licence == "education and research"


def test_samples() -> None:
    text, everyday = open_dataset("sample:text"), open_dataset("sample:everyday")
    assert (text.space.name, text.splits, text.problems) == ("ekman7", ("test",), ())
    assert len(text.columns["kind"]) == len(text) > 100
    assert (everyday.space.name, everyday.splits, everyday.problems) == ("goemotions28", ("train", "val"), ())
    assert everyday.targets.sum(1).min() >= 1
    assert text.licence == everyday.licence == "MIT, written for mien"
    with pytest.raises(DataError, match="no sample 'x'; there are: text, everyday"):
        open_dataset("sample:x")


real = pytest.mark.skipif("MIEN_DATA" not in os.environ, reason="MIEN_DATA does not name a folder with the real data")


@real
def test_real_carer() -> None:
    data = open_dataset(f"carer:{os.environ['MIEN_DATA']}/emotion")
    assert [len(data.part(split)) for split in data.splits] == [16000, 2000, 2000]
    assert data.part("train").counts()["joy"] == 5362  # as the data set's card has it
    assert data.problems == ()


@real
def test_real_goemotions() -> None:
    data = open_dataset(f"goemotions:{os.environ['MIEN_DATA']}/goemotions")
    assert [len(data.part(split)) for split in data.splits] == [43410, 5426, 5427]
    assert data.part("train").counts()["grief"] == 77  # as the paper's table has it
    assert data.problems == ()
