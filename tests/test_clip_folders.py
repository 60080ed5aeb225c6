"""Clips in folders: labels, people, splits."""

from __future__ import annotations

from pathlib import Path

import pytest

from mien.datasets import open_dataset
from mien.errors import DataError


def tree(root: Path, *names: str) -> str:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\0")
    return f"clips:{root}"


def test_a_folder_for_each_label(tmp_path):
    data = open_dataset(
        tree(tmp_path / "mine", "happy/b.mp4", "happy/A.MOV", "sad/c.webm", "sad/notes.txt", "odd/x.txt")
    )
    assert data.modality == "video"
    assert [Path(path).name for path in data.inputs] == ["A.MOV", "b.mp4", "c.webm"]
    assert data.space.names == ("happy", "sad")
    assert data.targets.tolist() == [0, 0, 1]
    assert [(problem.kind, problem.where) for problem in data.problems] == [("unknown-label", "odd")]
    assert not data.columns


def test_people_stay_in_one_split(tmp_path):
    names = [f"{label}/p{person}/{take}.mp4" for label in ("happy", "sad") for person in range(10) for take in range(3)]
    data = open_dataset(tree(tmp_path, *names))
    splits = {}
    for person, split in zip(data.columns["person"], data.split, strict=True):
        splits.setdefault(person, set()).add(split)
    assert set(splits) == {f"p{person}" for person in range(10)}
    assert all(len(found) == 1 for found in splits.values())
    assert data.splits == ("train", "val", "test")


def test_folders_for_splits(tmp_path):
    data = open_dataset(tree(tmp_path, "train/happy/a.mp4", "validation/happy/b.mp4", "test/sad/c.mp4"))
    assert data.split.tolist() == ["train", "val", "test"]
    assert not data.auto_split


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["a.mp4"], "has no folders of clips"),
        (["happy/a.txt"], "has no labels"),
        (["happy/p1/a.mp4", "happy/b.mp4", "sad/p1/c.mp4"], "happy/b.mp4 is in no folder of a person, as others are"),
    ],
)
def test_what_is_no_such_tree_is_refused(tmp_path, names, said):
    with pytest.raises(DataError, match=said):
        open_dataset(tree(tmp_path / "t", *names))


def test_labels_of_a_known_space(tmp_path):
    data = open_dataset(tree(tmp_path, "joyful/a.mp4", "sad/b.mp4", "other/c.mp4"), space="ekman7")
    assert data.space.name == "ekman7"
    assert len(data) == 1 + ("joyful" in data.space)
    with pytest.raises(DataError, match="no clips in a folder of fer7"):
        open_dataset(tree(tmp_path / "none", "xyz/a.mp4"), space="fer7")
