"""The data sets of texts with several emotions or none, and of rated texts, on small files in their forms."""

from __future__ import annotations

import math
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mien.datasets import Dataset, open_dataset
from mien.datasets.checks import check
from mien.errors import DataError
from mien.evaluation import evaluate
from mien.labels import SPACES

SIX = ("anger", "disgust", "fear", "joy", "sadness", "surprise")


def write(path: Path, *lines: str, end: str = "\n", encoding: str = "utf-8") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("".join(line + end for line in lines).encode(encoding))
    return path


def labels(data: Dataset) -> list[list[str]]:
    return [[data.space.names[place] for place in np.flatnonzero(row)] for row in data.targets]


def problems(data: Dataset) -> list[tuple[str, str, int]]:
    return [(problem.kind, problem.where, problem.rows) for problem in data.problems]


@pytest.fixture
def brighter(tmp_path: Path) -> Path:
    """Two languages with six columns, and English with five."""
    folder = tmp_path / "brighter"
    header, five = "id,text,anger,disgust,fear,joy,sadness,surprise", "id,text,anger,fear,joy,sadness,surprise"
    write(folder / "train/deu.csv", header, 'd1,"Na, so was",0,0,0,1,0,1', "d2,Aha,0,0,0,0,0,0", "d3,,1,0,0,0,0,0")
    write(folder / "dev/deu.csv", header, "d4,Pfui,1,1,0,0,0,0", "d5,Hm,0,2,0,0,0,0", encoding="utf-8-sig")
    write(folder / "train/ukr.csv", header, "u1,Ой,0,0,1.0,0.0,0,0", "d1,Ой,0,0,0,0,0,0", end="\r\n")
    write(folder / "train/eng.csv", five, "e1,Oh no,0,1,0,1,0", "e2,It is,0,0,0,0,0")
    write(folder / "dev/eng.csv", five, "e3,Yes!,0,0,1,0,0")
    return folder


def test_brighter_keeps_rows_without_an_emotion(brighter: Path) -> None:
    data = open_dataset(f"brighter:{brighter}?language=deu,ukr")
    assert list(data.inputs) == ["Na, so was", "Aha", "Pfui", "Ой", "Ой"]
    assert labels(data) == [["joy", "surprise"], [], ["anger", "disgust"], ["fear"], []]
    assert data.split.tolist() == ["train", "train", "test", "train", "train"]
    assert data.columns["language"].tolist() == ["deu", "deu", "deu", "ukr", "ukr"]
    assert data.columns["id"].tolist() == ["d1", "d2", "d4", "u1", "d1"]
    assert (data.space.names, data.space.multilabel, data.licence) == (SIX, True, "CC BY 4.0")
    assert problems(data) == [("empty", "train/deu.csv:4", 1), ("unreadable", "dev/deu.csv:3", 1)]
    assert data.problems[1].what == "disgust is '2', not 0 or 1"
    assert [problem.kind for problem in check(data) if problem.where.startswith("train/ukr")] == [
        "duplicate",
        "contradiction",
    ]


def test_brighter_without_a_column_is_left_out_or_alone(brighter: Path) -> None:
    data = open_dataset(f"brighter:{brighter}")
    assert set(data.columns["language"]) == {"deu", "ukr"}
    assert problems(data)[-1] == ("missing-label", "eng.csv", 3)
    assert data.problems[-1].what == "3 rows of eng have no column disgust: give ?language=eng"
    english = open_dataset(f"brighter:{brighter}?language=eng")
    assert english.space.names == tuple(name for name in SIX if name != "disgust")
    assert (labels(english), english.problems) == ([["fear", "sadness"], [], ["joy"]], ())
    write(brighter / "dev/afr.csv", "id,text,anger,disgust,fear,joy,sadness", "a1,Ja,0,0,0,1,0")
    with pytest.raises(DataError, match=r"no usable samples .*3 rows of eng have no column disgust"):
        open_dataset(f"brighter:{brighter}?language=eng,afr")


def test_brighter_names_what_is_not_there(brighter: Path) -> None:
    with pytest.raises(DataError, match=r"no language 'ger'; it has: deu, eng, ukr$"):
        open_dataset(f"brighter:{brighter}?language=ger")
    with pytest.raises(DataError, match=r"no language 'engl'; .*; did you mean 'eng'\?"):
        open_dataset(f"brighter:{brighter}?language=deu,engl")
    with pytest.raises(DataError, match=r"there is no folder .*train"):
        open_dataset(f"brighter:{brighter / 'train'}")
    write(brighter / "train/xxx.csv", "id,text,mood", "1,a,0")
    with pytest.raises(DataError, match="no column of an emotion: anger"):
        open_dataset(f"brighter:{brighter}?language=xxx")


def test_rows_known_to_have_no_emotion_stay_in_a_coarser_space(brighter: Path) -> None:
    data = open_dataset(f"brighter:{brighter}?language=deu&space=ekman7")
    assert (data.space.name, labels(data)) == ("ekman7", [["joy", "surprise"], [], ["anger", "disgust"]])
    narrow = open_dataset(f"xed:{xed_files(brighter.parent / 'x')}?space=ekman7")  # here such rows had another label
    assert [problem.rows for problem in narrow.problems if "no label in ekman7" in problem.what] == [1]


def xed_files(folder: Path) -> Path:
    """English with its neutral lines, and German and Turkish projections with what is wrong in the real ones."""
    write(
        folder / "en-annotated.tsv", "Look out !\t4", "I knew it\t2,8", "Wow\t5, 7", "wow \t7", "No\t9", "x", end="\r\n"
    )
    write(folder / "neu_en.txt", "9\tIt is three.", "17\tHere.\t2\t428\tfi/1965/1.xml.gz", "\t\t\t\t", "alone")
    write(folder / "en-projections.tsv", "Seen elsewhere\t6")
    lines = ['"Er sagte ""nein"""\t1', '"Offen', 'a/1.xml.gz\tb\t2\t3\tText.\tText."""\t4', "Gut\t"]
    write(folder / "de-projections.tsv", *lines, end="\r\n")
    write(folder / "tr-projections2.tsv", "phrase\temotion", "Evet\t5", "Uzun en/1.xml.gz tr/2.xml.gz 28 26 That\t3")
    return folder


def test_xed(tmp_path: Path) -> None:
    data = open_dataset(f"xed:{xed_files(tmp_path)}")
    assert list(data.inputs) == ["Look out !", "I knew it", "Wow", "wow ", "It is three.", "Here."]
    assert labels(data) == [
        ["fear"], ["anticipation", "trust"], ["joy", "surprise"], ["surprise"], ["neutral"], ["neutral"],
    ]  # fmt: skip
    assert (data.space, data.licence, data.auto_split) == (SPACES["plutchik9"], "CC BY 4.0", True)
    assert problems(data) == [
        ("unknown-label", "en-annotated.tsv:5", 1), ("unreadable", "en-annotated.tsv:6", 1),
        ("empty", "neu_en.txt:3", 1), ("unreadable", "neu_en.txt:4", 1),
    ]  # fmt: skip
    assert set(data.columns["language"]) == {"en"}


def test_xed_languages_and_kinds(tmp_path: Path) -> None:
    folder = xed_files(tmp_path)
    data = open_dataset(f"xed:{folder}?language=de,tr")
    assert list(zip(data.inputs, data.columns["language"], strict=True)) == [('Er sagte "nein"', "de"), ("Evet", "tr")]
    assert problems(data) == [
        ("unreadable", "de-projections.tsv:2", 1), ("unreadable", "de-projections.tsv:3", 1),
        ("empty", "de-projections.tsv:4", 1), ("unreadable", "tr-projections2.tsv:3", 1),
    ]  # fmt: skip
    assert list(open_dataset(f"xed:{folder}?kind=projections").inputs) == ["Seen elsewhere"]
    every = open_dataset(f"xed:{folder}?language=all")
    assert (len(every), sorted(set(every.columns["language"]))) == (8, ["de", "en", "tr"])
    with pytest.raises(DataError, match=r"no annotated lines of 'de'; it has: en$"):
        open_dataset(f"xed:{folder}?language=de&kind=annotated")
    with pytest.raises(DataError, match=r"no lines of 'eng'; it has: de, en, tr; did you mean 'en'\?"):
        open_dataset(f"xed:{folder}?language=eng")
    with pytest.raises(DataError, match="no files of lines, such as en-annotated"):
        open_dataset(f"xed:{tmp_path / 'nowhere'}")


def test_equal_lines_of_xed_stay_in_one_split(tmp_path: Path) -> None:
    lines = [f"Line {place} !\t{1 + place % 8}" for place in range(40)]
    again = [line.upper() for line in lines] + [line.replace(" ", "  ", 1) for line in lines]
    write(tmp_path / "en-annotated.tsv", *lines, *again)
    write(tmp_path / "neu_en.txt", *(f"1\t{line.split(chr(9))[0]}" for line in lines))
    data = open_dataset(f"xed:{tmp_path}", split_seed=3)
    assert len(data) == 160
    assert set(data.splits) == {"train", "val", "test"}
    splits: dict[str, set[str]] = {}
    for text, split in zip(data.inputs, data.split, strict=True):
        splits.setdefault(" ".join(text.lower().split()), set()).add(split)
    assert len(splits) == 40
    assert all(len(found) == 1 for found in splits.values())
    assert not data.seen_in_training.any()


EMOBANK = (
    "id,split,V,A,D,text",
    'a_1,train,3.0,2.5,3.2,"Said ""so"""',
    "a_2,dev,4.5,4.0,3.0,Great!",
    "a_3,test,1.5,3,2,No.",
)


def test_emobank(tmp_path: Path) -> None:
    path = write(tmp_path / "emobank.csv", *EMOBANK, "a_4,test,2,,x,Hm", "a_5,test,9,3,3,Ho", "a_6,test,3,3,3,")
    for spec in (path, tmp_path):
        data = open_dataset(f"emobank:{spec}")
        assert list(data.inputs) == ['Said "so"', "Great!", "No.", "Hm", "Ho"]
        assert data.split.tolist() == ["train", "val", "test", "test", "test"]
        assert (data.space.name, data.modality, data.licence) == ("affect", "text", "CC BY-SA 4.0")
        assert data.scales == dict.fromkeys(("valence", "arousal", "dominance"), (1.0, 5.0))
        assert data.ratings["arousal"][:3].tolist() == [2.5, 4.0, 3.0]
        assert problems(data) == [
            ("unreadable", "emobank.csv:5", 0), ("outside-scale", "emobank.csv:6", 0), ("empty", "emobank.csv:7", 1),
        ]  # fmt: skip
    write(path, EMOBANK[0], "a_1,later,3,3,3,x")
    with pytest.raises(DataError, match=r"emobank.csv:2 has the split 'later'"):
        open_dataset(f"emobank:{path}")


class Rater:
    """A model of texts that gives valence and arousal on the scale 0..1, by the text."""

    name, space = "rater", SPACES["affect"]

    def __init__(self, rows: dict[str, tuple[float, float]]) -> None:
        entries = [SimpleNamespace(name=name, low=0.0, high=1.0) for name in ("valence", "arousal")]
        about: Any = {"files": {}, "thresholds": {}, "rollups": {}, "metrics": {}, "data": [], "training": {}}
        self.manifest, self.rows = SimpleNamespace(name="rater", modality="text", ratings=entries, **about), rows

    def ratings(self, inputs: list[str], batch_size: int = 64, progress: Any = None) -> np.ndarray:
        return np.array([self.rows[text] for text in inputs], np.float32)


def test_a_model_of_texts_is_measured_on_emobank(tmp_path: Path) -> None:
    path = write(tmp_path / "emobank.csv", *EMOBANK, "a_4,test,2.5,4,2,So", "a_5,test,4,2,2,Yes")
    model: Any = Rater({"No.": (0.0, 0.5), "So": (0.5, 0.5), "Yes": (1.0, 0.5)})  # valence 1, 3, 5; arousal 3
    found = evaluate(model, f"emobank:{path}").to_dict()
    assert found["n"] == 3
    valence = found["ratings"]["valence"]
    assert valence["mae"] == pytest.approx((0.5 + 0.5 + 1) / 3)
    assert valence["pearson"] == pytest.approx(np.corrcoef([1.5, 2.5, 4], [1, 3, 5])[0, 1], abs=1e-6)
    assert (found["ratings"]["arousal"]["pearson"], found["ratings"]["arousal"]["rmse"]) == (
        None,
        pytest.approx(math.sqrt(2 / 3)),
    )
    assert any("dominance" in note for note in found["notes"])


real = pytest.mark.skipif("MIEN_DATA" not in os.environ, reason="MIEN_DATA does not name a folder with the real data")


@real
def test_the_real_sets() -> None:
    root = os.environ["MIEN_DATA"]
    english = open_dataset(f"brighter:{root}/brighter?language=eng")
    assert [len(english.part(split)) for split in english.splits] == [2764, 115]
    every = open_dataset(f"brighter:{root}/brighter")
    assert len(every) + sum(every.left_out.values()) == 65094 + 8505
    assert every.left_out == {"missing-label": 2879 + 1320}
    assert (every.targets.sum(1) == 0).sum() > 10_000
    xed = open_dataset(f"xed:{root}/xed")
    assert (len(xed), xed.left_out) == (17528 + 9674, {"empty": 1})
    emobank = open_dataset(f"emobank:{root}/emobank")
    assert [len(emobank.part(split)) for split in emobank.splits] == [8062, 1000, 1000]
    assert emobank.problems == ()
