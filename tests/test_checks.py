"""Statistics and checks, on data sets small enough to count by hand."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mien.datasets import Dataset, Problem
from mien.datasets.checks import check, stats
from mien.labels import make_space

TWO = make_space("two", ["joy", "fear"])


def make(rows: list[tuple[str, int, str]], **options: object) -> Dataset:
    texts, targets, splits = zip(*rows, strict=True)
    settings = {"name": "d", "modality": "text", "space": TWO, "licence": "CC0", **options}
    return Dataset(
        inputs=texts,
        targets=np.array(targets),
        split=np.array(splits, dtype=object),
        where=[f"d.csv:{row}" for row in range(2, len(rows) + 2)],
        **settings,  # type: ignore[arg-type]
    )


def clean(n: int = 20) -> list[tuple[str, int, str]]:
    """No fault in it: as many of each label in each split, all texts different."""
    return [(f"{split} {i}", i % 2, split) for split in ("train", "val", "test") for i in range(n)]


def found(data: Dataset) -> list[tuple[str, str]]:
    return [(problem.kind, problem.where) for problem in check(data)]


def test_stats_by_hand() -> None:
    data = make([("a", 0, "train"), ("bbb", 0, "train"), ("ccccc", 1, "train"), ("ddddddd", 1, "test")])
    figures = stats(data)
    assert figures["n"] == 4
    assert figures["labels"] == ["joy", "fear"]
    assert figures["splits"] == {
        "all": {"n": 4, "counts": {"joy": 2, "fear": 2}, "shares": {"joy": 0.5, "fear": 0.5}},
        "train": {"n": 3, "counts": {"joy": 2, "fear": 1}, "shares": {"joy": 2 / 3, "fear": 1 / 3}},
        "test": {"n": 1, "counts": {"joy": 0, "fear": 1}, "shares": {"joy": 0.0, "fear": 1.0}},
    }
    assert figures["length"] == {"min": 1, "q25": 2.5, "median": 4, "q75": 5.5, "q95": pytest.approx(6.7), "max": 7}
    assert (figures["licence"], figures["fingerprint"]) == ("CC0", data.fingerprint)
    assert json.loads(json.dumps(figures)) == figures


def test_nothing_is_wrong_with_a_clean_set() -> None:
    assert check(make(clean())) == []


@pytest.mark.parametrize(
    ("rows", "problems"),
    [
        ([("x y", 0, "val"), (" X\n y ", 0, "val")], [("duplicate", "d.csv:62")]),
        ([("x", 0, "val"), ("X", 0, "test")], [("leak", "d.csv:62")]),
        ([("x", 0, "val"), ("x", 1, "val")], [("duplicate", "d.csv:62"), ("contradiction", "d.csv:62")]),
        (
            [("x", 0, "val"), ("x", 1, "test"), ("x", 0, "test")],
            [("duplicate", "d.csv:62"), ("leak", "d.csv:62"), ("contradiction", "d.csv:62")],
        ),
        ([(" \n", 0, "val"), ("", 0, "val")], [("empty", "d.csv:62"), ("empty", "d.csv:63")]),
        ([("caf\ufffd", 0, "val")], [("unreadable", "d.csv:62")]),
        ([("straße", 0, "val"), ("STRASSE", 0, "val")], [("duplicate", "d.csv:62")]),
        ([("x", 0, "val"), ("x.", 1, "val")], []),
    ],
)
def test_each_fault_alone(rows: list[tuple[str, int, str]], problems: list[tuple[str, str]]) -> None:
    assert found(make(clean() + rows)) == problems


def test_what_the_reader_left_out_comes_first() -> None:
    problem = Problem("unknown-label", "d.csv:9", "label 'x' is not in two")
    assert check(make([*clean(), ("", 0, "val")], problems=(problem,)))[0] == problem


def test_labels_that_a_split_lacks() -> None:
    rows = [row for row in clean() if not (row[1] == 1 and row[2] == "val")]
    problems = check(make(rows))
    assert [(problem.kind, problem.where) for problem in problems] == [("missing-label", "val")]
    assert "fear" in problems[0].what
    assert "joy" not in problems[0].what


@pytest.mark.parametrize(
    ("joy", "fear", "kinds"),
    [(100, 10, []), (101, 10, ["imbalance"]), (90, 9, ["few"]), (91, 9, ["imbalance", "few"])],
)
def test_balance_of_training_samples(joy: int, fear: int, kinds: list[str]) -> None:
    rows = [(f"t{i}", int(i >= joy), "train") for i in range(joy + fear)]
    assert [problem.kind for problem in check(make(rows))] == kinds


def test_several_labels_contradict_only_where_they_differ() -> None:
    targets = [[1, 1], [1, 1], [1, 0]] * 10
    rows = [(f"{['a', 'a', 'b'][i % 3]} {i // 3}", target, "train") for i, target in enumerate(targets)]
    data = make(rows, space=TWO.as_multilabel(True))  # type: ignore[arg-type]
    assert {problem.kind for problem in check(data)} == {"duplicate"}
    rows.append(("b 0", [0, 1], "train"))
    problems = check(make(rows, space=TWO.as_multilabel(True)))  # type: ignore[arg-type]
    against = [problem for problem in problems if problem.kind == "contradiction"]
    assert [(problem.where, "joy but fear" in problem.what) for problem in against] == [("d.csv:4", True)]


def test_files_that_are_not_there(tmp_path: Path) -> None:
    for name, content in {"a.mp4": b"1", "b.mp4": b"1", "c.mp4": b""}.items():
        (tmp_path / name).write_bytes(content)
    rows = [(str(tmp_path / f"{name}.mp4"), 0, "test") for name in "abcd"]
    kinds = [problem[0] for problem in found(make(rows, modality="video"))]
    assert kinds == ["empty", "unreadable", "duplicate", "missing-label"]


def test_fifty_thousand_rows_take_moments() -> None:
    data = make([(f"this is the text of row {i // 2}", i % 2, "train") for i in range(50_000)])
    start = time.process_time()
    problems = check(data)
    stats(data)
    assert time.process_time() - start < 5
    assert len(problems) == 50_000  # every text is there twice, with both labels


def test_the_old_names_of_votes_and_of_splits_by_mien() -> None:
    data, shares = make(clean(), auto_split=True), np.zeros((60, 7), np.float32)
    for old, new in (("also", {}), ("dealt", True)):
        with pytest.warns(DeprecationWarning, match=rf"Dataset\.{old} is now Dataset"):
            assert getattr(data, old) == new
    with pytest.warns(DeprecationWarning, match=r"now Dataset\.votes"):
        assert replace(data, also={"fer7": shares}).votes["fer7"] is shares
