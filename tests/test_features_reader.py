"""Tables of numbers as data sets: which columns, and what is wrong with a cell, a column, a row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import mien
from mien.datasets.checks import check
from mien.errors import DataError
from rows_data import rows, write_table


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def test_all_columns_of_numbers_but_those_with_a_part_of_their_own(tmp_path: Path) -> None:
    data = mien.open_dataset(f"features:{write_table(tmp_path / 'mine.csv')}?label=mood&group=person")
    numbers, targets, person = rows()
    assert (data.modality, data.features, data.group) == ("features", tuple("abcde"), "person")
    np.testing.assert_array_equal(np.stack(data.inputs), numbers)
    np.testing.assert_array_equal(data.targets, targets)
    assert list(data.columns["person"]) == list(person)
    for who in set(person):
        assert len(set(data.split[data.columns["person"] == who])) == 1


def test_columns_by_name_and_pattern(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "AU01_r,AU02_r,AU01_c,pose,label", "1,2,3,4,joy", "5,6,7,8,anger")
    assert mien.open_dataset(f"features:{path}?columns=*_r,pose").features == ("AU01_r", "AU02_r", "pose")
    assert mien.open_dataset(f"features:{path}?columns=*").features == ("AU01_r", "AU02_r", "AU01_c", "pose")
    with pytest.raises(DataError, match=r"no column 'AU9\*'; it has: AU01_r, AU02_r, AU01_c, pose, label"):
        mien.open_dataset(f"features:{path}?columns=AU9*")
    with pytest.raises(DataError, match="'label' holds the labels; it can be no feature"):
        mien.open_dataset(f"features:{path}?columns=pose,label")


def test_rows_that_lack_a_number_are_named_and_left_out(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.csv", "a;b;label", "1;2;joy", ";2;joy", "nan;2;joy", "1;n/a;joy", "1;0,5;joy", "inf;1;joy",
        "1e300;1;joy", "3;4;anger", "5;6;", "7;8;rage",
    )  # fmt: skip
    data = mien.open_dataset(f"features:{path}?space=ekman7")
    np.testing.assert_array_equal(np.stack(data.inputs), [[1, 2], [3, 4], [7, 8]])
    assert [(p.kind, p.where, p.what) for p in data.problems] == [
        ("empty", "a.csv:3", "a is empty"),
        ("empty", "a.csv:4", "a is empty"),
        ("unreadable", "a.csv:5", "b is 'n/a', no number"),
        ("unreadable", "a.csv:6", "b is '0,5', no number; write it with a point"),
        ("unreadable", "a.csv:7", "a is inf, too large a number"),
        ("unreadable", "a.csv:8", "a is 1e300, too large a number"),
        ("empty", "a.csv:10", "no label"),
    ]
    assert check(data)[: len(data.problems)] == list(data.problems)


def test_constant_columns_and_columns_of_text_are_told(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "file,a,b,label", "x.mp4,1,7,joy", "y.mp4,2,7,anger")
    data = mien.open_dataset(f"features:{path}")
    assert data.features == ("a", "b")
    assert [(p.kind, p.what) for p in data.problems] == [
        ("no-numbers", "the column 'file' holds no numbers (a.csv:2: is 'x.mp4', no number); left out"),
        ("constant", "b is 7 in every row: nothing can be learned from it"),
    ]
    with pytest.raises(DataError, match="the column 'file' holds no numbers"):
        mien.open_dataset(f"features:{path}?columns=file,a")
    only = write(tmp_path / "b.csv", "file,label", "x.mp4,joy")
    with pytest.raises(DataError, match="no column of numbers besides label"):
        mien.open_dataset(f"features:{only}")


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("features:none.csv", "there is no file"),
        ("features:a.csv?label=mood", "no column 'mood'; it has: a, label"),
        ("features:a.csv?group=who", "no column 'who'"),
        ("features:a.csv?split=part", "no column 'part'"),
        ("features:a.csv?space=moods9", "moods9"),
        ("features:a.csv?split_seed=x", "split_seed must be a whole number"),
        ("features:a.csv?text=a", "no option 'text'"),
    ],
)
def test_wrong_options_are_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: str, says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "a.csv", "a,label", "1,joy")
    with pytest.raises(DataError, match=says) as error:
        mien.open_dataset(spec)
    assert "\n" not in str(error.value)


def test_a_table_for_each_split_and_a_split_column(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    write(folder / "train.csv", "a,b,label", "1,2,joy", "3,4,anger")
    write(folder / "test.csv", "label,b,a,extra", "joy,6,5,9")
    data = mien.open_dataset(f"features:{folder}")
    assert data.features == ("a", "b")
    np.testing.assert_array_equal(data.part("test").inputs[0], [5, 6])
    path = write(tmp_path / "a.csv", "a,label,split", "1,joy,train", "2,anger,dev", "3,joy,TEST")
    assert list(mien.open_dataset(f"features:{path}").split) == ["train", "val", "test"]
    write(path, "a,label,split", "1,joy,train", "2,anger,later")
    with pytest.raises(DataError, match=r"a\.csv:3 has the split 'later'"):
        mien.open_dataset(f"features:{path}")


def test_a_column_to_keep_besides(tmp_path: Path) -> None:
    path = write_table(tmp_path / "mine.csv")
    data = mien.open_dataset(f"features:{path}?label=mood&by=a", column="person")
    assert set(data.columns) == {"a", "person"}
    assert data.features == tuple("bcde")


def test_the_fingerprint_is_of_the_numbers(tmp_path: Path) -> None:
    one = mien.open_dataset(f"features:{write_table(tmp_path / 'one.csv')}?label=mood")
    two = mien.open_dataset(f"features:{write_table(tmp_path / 'two.csv')}?label=mood")
    other = mien.open_dataset(f"features:{write_table(tmp_path / 'other.csv', seed=1)}?label=mood")
    assert one.fingerprint == two.fingerprint != other.fingerprint
