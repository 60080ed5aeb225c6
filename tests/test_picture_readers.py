"""FER2013 in all its forms and pictures in folders, written here in small, with every fault that real ones have."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.datasets import Dataset, open_dataset
from mien.datasets.checks import check, stats
from mien.datasets.fer2013 import _picture
from mien.errors import DataError
from mien.labels import SPACES, make_space

FER7, FERPLUS8 = SPACES["fer7"].names, SPACES["ferplus8"].names
USAGES = ("Training", "PublicTest", "PrivateTest")
TITLES = ("Usage", "Image name", *FERPLUS8, "unknown", "NF")


def face(seed: int, side: int = 48) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (side, side), dtype=np.uint8)


def line(emotion: object, pixels: np.ndarray | str, usage: str = "Training") -> str:
    return f"{emotion},{pixels if isinstance(pixels, str) else ' '.join(map(str, pixels.ravel()))},{usage}"


def fer(folder: Path, lines: list[str], votes: list[str] | None = None) -> Path:
    path = folder / "fer2013.csv"
    path.write_text("\n".join(["emotion,pixels,Usage", *lines]) + "\n", "utf-8")
    if votes is not None:
        (folder / "fer2013new.csv").write_text("\n".join([",".join(TITLES), *votes]) + "\n", "utf-8")
    return path


def vote(counts: str, usage: str = "Training", name: str = "") -> str:
    """Counts in the order of `TITLES`, the missing ones 0."""
    numbers = counts.split()
    return ",".join([usage, name, *numbers, *["0"] * (10 - len(numbers))])


def picture(path: Path, seed: int = 0, side: int = 16) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), face(seed, side))
    return path


def fer2013(path: Path, **options: str) -> Dataset:
    return open_dataset(f"fer2013:{path}", **options)


def images(path: Path, **options: object) -> Dataset:
    return open_dataset(f"images:{path}", **options)


def kinds(dataset: Dataset) -> list[tuple[str, str]]:
    return [(problem.kind, problem.where) for problem in dataset.problems]


def labels(dataset: Dataset) -> list[str]:
    return [dataset.space.names[place] for place in dataset.targets]


def test_rows_pixels_splits_and_labels(tmp_path: Path) -> None:
    path = fer(tmp_path, [line(i, face(i), USAGES[i % 3]) for i in range(7)])
    for spec in (f"fer2013:{path}", f"fer2013:{tmp_path}"):
        data = open_dataset(spec)
        assert (data.name, data.modality, data.space) == ("fer2013", "face", SPACES["fer7"])
        assert labels(data) == list(FER7)
        assert data.split.tolist() == ["train", "val", "test", "train", "val", "test", "train"]
        assert data.where == [f"fer2013.csv:{row}" for row in range(2, 9)]
        assert all(entry.dtype == np.uint8 for entry in data.inputs)
        np.testing.assert_array_equal(np.stack(list(data.inputs)), [face(i) for i in range(7)])
        assert (data.votes, data.problems, data.licence) == ({}, (), "none stated; research use")


@pytest.mark.parametrize(("suffix", "pack"), [(".gz", gzip.compress), (".xz", lzma.compress), (".bz2", bz2.compress)])
def test_packed(suffix: str, pack: type, tmp_path: Path) -> None:
    path = fer(tmp_path, [line(3, face(1))])
    content = path.read_bytes()
    path.unlink()
    packed = tmp_path / f"fer2013.csv{suffix}"
    packed.write_bytes(pack(content))
    for place in (packed, tmp_path):
        assert labels(fer2013(place)) == ["happy"]
    packed.write_bytes(pack(content)[:-20])
    with pytest.raises(DataError, match=rf"fer2013.csv{suffix}"):
        fer2013(packed)


def test_columns_by_name(tmp_path: Path) -> None:
    path = tmp_path / "icml_face_data.csv"
    path.write_text("emotion, Usage, pixels\n" + f"4,PublicTest,{' '.join(['7', '8'] * 1152)}\n")
    data = fer2013(tmp_path)
    assert (labels(data), data.split.tolist(), data.inputs[0][0, :3].tolist()) == (["sad"], ["val"], [7, 8, 7])
    path.write_text("emotion,pixels\n" + f"4,{' '.join(['7', '8'] * 1152)}\n" * 20)  # as the challenge's train.csv
    data = fer2013(tmp_path)
    assert (labels(data), set(data.split.tolist()), data.auto_split) == (["sad"] * 20, {"test", "train", "val"}, True)
    path.write_text("emotion,usage\n1,2\n")
    with pytest.raises(DataError, match=r"icml_face_data.csv has no column 'pixels'; it has: emotion, usage"):
        fer2013(tmp_path)


def test_bad_rows_are_told_and_left_out(tmp_path: Path) -> None:
    good = " ".join(["7", "8"] * 1152)
    bad = [
        line(0, "1 2 3"),
        line(0, ""),
        line(0, good + " 9"),
        line(0, good[:-1] + "x"),
        line(0, good[:-1] + "256"),
        line(0, good[:-1] + "-1"),
        line(0, good[:-1] + "1.5"),
        line(0, good[:-1] + "9" * 30),
        line(0, good[:-1] + "²"),
        line(7, good),
        line(-1, good),
        line("", good),
        line("²", good),
        line(0, good, "Testing"),
    ]
    data = fer2013(fer(tmp_path, [line(0, face(1)), *bad, line(6, face(2))]))
    assert labels(data) == ["angry", "neutral"]
    assert data.where == ["fer2013.csv:2", f"fer2013.csv:{len(bad) + 3}"]
    wanted = ["unreadable"] * 9 + ["unknown-label"] * 2 + ["empty", "unknown-label", "unreadable"]
    assert kinds(data) == [(kind, f"fer2013.csv:{row}") for row, kind in enumerate(wanted, 3)]
    said = [problem.what for problem in data.problems]
    assert said[0] == "3 pixels, not 2304"
    assert said[2] == "2305 pixels, not 2304"
    assert said[4] == "a pixel is '256', not a whole number from 0 to 255"
    assert "'Testing'" in said[-1]


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="0123456789 .-x\t²", max_size=12), st.integers(0, 2303))
def test_a_cell_of_pixels_is_what_its_numbers_say_or_a_fault(cell: str, place: int) -> None:
    cells = ["5"] * (48 * 48)
    cells[place] = cell
    found = _picture(" ".join(cells))
    whole = cell.strip().isascii() and cell.strip().isdigit() and int(cell) < 256
    assert isinstance(found, np.ndarray) == whole
    if isinstance(found, np.ndarray):
        assert found.ravel()[place] == int(cell)
        assert (np.delete(found.ravel(), place) == 5).all()


def test_blank_faces_stay_only_where_figures_count_them(tmp_path: Path) -> None:
    blank = np.full((48, 48), 9, np.uint8)
    rows = [line(0, blank), line(1, face(1)), line(0, blank, "PublicTest"), line(2, blank, "PrivateTest")]
    data = fer2013(fer(tmp_path, rows))
    assert data.split.tolist() == ["train", "val", "test"]
    assert kinds(data) == [("empty", f"fer2013.csv:{row}") for row in (2, 4, 5)]
    assert ["left out" in problem.what for problem in data.problems] == [True, False, False]


VOTES = [
    vote("4 0 0 1 3 2"),  # 4, 3, 2 stay: 9
    vote("1 1 1 1 1 1 1 1 1 1"),  # nothing stays
    vote("4 0 0 0 0 0 0 0 6 0"),  # unknown leads
    vote("3 0 0 0 0 0 0 0 2 4"),  # no face leads
    vote("0 5 0 0 0 0 0 0 5 0"),  # a tie: the emotion comes first
    vote("2 0 0 0 2 0 0 6", "PrivateTest"),
]


def test_votes_join_by_row_and_follow_the_rows_that_stay(tmp_path: Path) -> None:
    rows = [line(i, face(i), USAGES[0]) for i in range(5)] + [line(6, face(6), USAGES[2])]
    rows[1] = line(1, "1 2 3")  # a row that is left out takes its votes along
    data = fer2013(fer(tmp_path, rows, VOTES))
    shares = data.votes["ferplus8"]
    assert shares.dtype == np.float32
    expected = np.zeros((5, 8))
    expected[0, [0, 4, 5]] = np.array([4, 3, 2]) / 9
    expected[3, 1] = 1
    expected[4, [0, 4, 7]] = 0.2, 0.2, 0.6
    np.testing.assert_allclose(shares, expected, atol=1e-6)
    assert labels(data) == ["angry", "fear", "happy", "sad", "neutral"]
    assert data.licence.endswith("FER+ votes: MIT")
    np.testing.assert_array_equal(data.part("test").votes["ferplus8"], shares[4:])
    np.testing.assert_array_equal(data.take(np.array([3, 0])).votes["ferplus8"], shares[[3, 0]])
    np.testing.assert_array_equal(data.rollup("ekman7").votes["ferplus8"], shares)


def test_labels_from_the_votes(tmp_path: Path) -> None:
    rows = [line(0, face(i), USAGES[0] if i < 5 else USAGES[2]) for i in range(6)]
    path = fer(tmp_path, rows, VOTES)
    data = open_dataset(f"fer2013:{path}?labels=ferplus")
    assert (data.name, data.space, data.votes) == ("ferplus", SPACES["ferplus8"], {})
    assert labels(data) == ["neutral", "happiness", "contempt"]
    assert data.split.tolist() == ["train", "train", "test"]
    assert [(problem.kind, problem.what.split()[0]) for problem in data.problems] == [("unknown-label", "3")]


@pytest.mark.parametrize(
    ("votes", "said"),
    [
        (VOTES[:5], "ends before fer2013.csv:7"),
        ([*VOTES, VOTES[0]], "has 7 rows, not 6"),
        (VOTES[::-1], "has 'PrivateTest' where fer2013.csv:2 has 'Training'"),
        ([*VOTES[:5], VOTES[5].replace("6", "six")], "fer2013new.csv:7 has votes that are no numbers"),
    ],
)
def test_votes_of_another_csv(votes: list[str], said: str, tmp_path: Path) -> None:
    rows = [line(0, face(i), USAGES[0] if i < 5 else USAGES[2]) for i in range(6)]
    with pytest.raises(DataError, match=said):
        fer2013(fer(tmp_path, rows, votes))


def test_fer2013_that_is_not_there(tmp_path: Path) -> None:
    for path, option, said in [
        (tmp_path / "none.csv", "fer7", "there is no file"),
        (tmp_path, "fer7", "no folders of pictures"),
        (tmp_path, "fer", "labels must be 'fer7' or 'ferplus', not 'fer'"),
        (tmp_path, "ferplus", r"belong to its rows"),
    ]:
        with pytest.raises(DataError, match=said):
            fer2013(path, labels=option)
    with pytest.raises(DataError, match=r"there is no fer2013new.csv beside"):
        fer2013(fer(tmp_path, [line(0, face(0))]), labels="ferplus")
    with pytest.raises(DataError, match=r"holds no usable samples \(first problem: fer2013.csv:2: 2 pixels"):
        open_dataset(f"fer2013:{fer(tmp_path, [line(0, '1 2')])}")


def test_the_tree_of_pictures(tmp_path: Path) -> None:
    for i, label in enumerate(FER7):
        picture(tmp_path / "train" / label / f"Training_{i}.jpg", i, 48)
        picture(tmp_path / "test" / label / f"PrivateTest_{i}.jpg", 10 + i, 48)
    data = fer2013(tmp_path)
    assert (data.name, data.space, data.licence) == ("fer2013", SPACES["fer7"], "none stated; research use")
    assert Counter(data.split) == {"train": 7, "test": 7}
    assert labels(data.part("train")) == sorted(FER7)
    assert stats(data)["width"] == dict.fromkeys(("min", "q25", "median", "q75", "q95", "max"), 48.0)
    archive = tmp_path / "archive"
    archive.mkdir()
    for split in ("train", "test"):
        (tmp_path / split).rename(archive / split)
    assert len(fer2013(tmp_path)) == 14


@pytest.mark.skipif("MIEN_DATA" not in os.environ, reason="MIEN_DATA is not set")
@pytest.mark.slow
def test_the_real_file() -> None:
    data = open_dataset(f"fer2013:{os.environ['MIEN_DATA']}/fer2013")
    assert Counter(data.split) == {"train": 28709 - 11, "val": 3589, "test": 3589}  # 11 blank faces
    seen = data.seen_in_training
    # One more of val is blank, as are the 11 that are left out of train.
    assert {split: int(seen[data.split == split].sum()) for split in data.splits} == {
        "train": 0,
        "val": 279,
        "test": 288,
    }
    assert data.part("test").counts() == dict(zip(FER7, (491, 55, 528, 879, 594, 416, 626), strict=True))
    assert Counter(problem.kind for problem in data.problems) == {"empty": 12}
    shares = data.votes["ferplus8"]
    np.testing.assert_allclose(shares[shares.any(1)].sum(1), 1, atol=1e-6)
    assert shares.any(1).mean() > 0.98


def tree(root: Path, counts: dict[str, int]) -> Path:
    seed = 0
    for name, n in counts.items():
        (root / name).mkdir(parents=True)
        for i in range(n):
            picture(root / name / f"{i:03}.png", seed := seed + 1)
    return root


def test_folders_of_any_names_are_dealt(tmp_path: Path) -> None:
    names = ("anger", "happy", "sad", "surprise", "disgust", "shock", "normal")
    root = tree(tmp_path / "mine", dict.fromkeys(names, 10))
    data = open_dataset(f"images:{root}")
    assert (data.name, data.modality, data.auto_split) == ("mine", "face", True)
    assert data.space.names == tuple(sorted(names))
    assert Counter(data.split) == {"train": 56, "val": 7, "test": 7}
    assert data.part("val").counts() == dict.fromkeys(sorted(names), 1)
    assert data.where == sorted(data.where)
    assert data.inputs[0] == str(root / "anger" / "000.png")
    again, other = images(root), images(root, split_seed="1")
    assert again.fingerprint == data.fingerprint
    assert (other.split != data.split).any()
    assert images(root, modality="scene").modality == "scene"


def test_known_folders_are_a_known_space(tmp_path: Path) -> None:
    root = tree(tmp_path / "known", {name.title(): 1 for name in FER7})
    assert images(root).space == SPACES["fer7"]
    assert sorted(labels(images(root, space="ekman7"))) == sorted(SPACES["ekman7"].names)
    with pytest.raises(DataError, match="no label space 'fer8'"):
        images(root, space="fer8")
    with pytest.raises(DataError, match=r"none of its folders \(Angry, .*\) is a label of dogs: poodle"):
        images(root, space=make_space("dogs", ["poodle"]))
    with pytest.raises(DataError, match="split_seed must be a whole number"):
        images(root, split_seed="x")


def test_folders_for_splits_of_any_case(tmp_path: Path) -> None:
    root = tree(tmp_path, {"Train/a": 3, "Train/b": 2, "VALIDATION/a": 1, "Test/b": 1})
    data = images(root)
    assert data.split.tolist() == ["train"] * 5 + ["val", "test"]
    assert data.where[0] == "Train/a/000.png"
    assert not data.auto_split
    assert data.space.names == ("a", "b")
    tree(tmp_path, {"valid/a": 1})
    with pytest.raises(DataError, match="two folders for val: VALIDATION and valid"):
        images(root)


def test_empty_folders_and_single_pictures(tmp_path: Path) -> None:
    data = images(tree(tmp_path, {"calm": 12, "glad": 1, "none": 0}))
    assert data.space.names == ("calm", "glad")
    assert data.split[labels(data).index("glad")] == "train"
    assert kinds(data) == [("few", "glad"), ("empty", "none")]
    known = images(tree(tmp_path / "fer", {name: 0 if name == "fear" else 2 for name in FER7}))
    assert known.space == SPACES["fer7"]
    assert known.counts()["fear"] == 0
    with pytest.raises(DataError, match=r"holds no usable samples \(first problem: one: no pictures"):
        open_dataset(f"images:{tree(tmp_path / 'nothing', {'one': 0, 'two': 0})}")


def test_bad_files_among_many_are_named_skipped_and_counted(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tree(tmp_path, {"a": 30, "b": 30})
    (root / "a" / "000b.jpg").write_text("not a picture")
    (root / "a" / "000c.jpg").write_bytes(b"")
    (root / "a" / "000d.png").write_bytes((root / "a" / "000.png").read_bytes()[:-30])
    (root / "a" / "notes.txt").write_text("x")
    (root / "c").mkdir()
    (root / "c" / "notes.txt").write_text("no picture here makes no label")
    (root / "b" / "gone.png").symlink_to(root / "nowhere.png")
    picture(root / "b" / "large.png", side=200)
    picture(root / "b" / "deeper" / "person 1" / "x.png", 99)
    picture(root / "lost.png", 98)
    (root / "README.md").write_text("x")
    for litter in (
        "a/Thumbs.db",
        "a/.DS_Store",
        "b/desktop.ini",
        "a/._000.png",
        "__MACOSX/a/._000.png",
        ".git/x/y.png",
    ):
        (root / litter).parent.mkdir(parents=True, exist_ok=True)
        (root / litter).write_bytes(b"x")
    monkeypatch.setenv("MIEN_MAX_PIXELS", "30000")
    data = images(root)
    assert len(data) == 61
    assert "b/deeper/person 1/x.png" in data.where
    assert kinds(data) == [
        ("unknown-label", "lost.png"),
        ("unreadable", "a/000b.jpg"),
        ("empty", "a/000c.jpg"),
        ("unreadable", "a/000d.png"),
        ("unreadable", "a/notes.txt"),
        ("unreadable", "b/gone.png"),
        ("unreadable", "b/large.png"),
        ("unreadable", "c/notes.txt"),
        ("empty", "c"),
    ]
    assert data.space.names == ("a", "b")
    assert data.problems[1].what.startswith("is no picture of the kinds that are read")
    assert capfd.readouterr().err == ""


def test_a_folder_of_no_label_is_one_problem(tmp_path: Path) -> None:
    root = tree(tmp_path, {"joy": 2, "fear": 2, "hungry": 3})
    data = images(root, space="ekman7")
    assert sorted(labels(data)) == ["fear", "fear", "joy", "joy"]
    assert [(problem.where, "3 pictures" in problem.what) for problem in data.problems] == [("hungry", True)]


def test_no_tree(tmp_path: Path) -> None:
    file = picture(tmp_path / "a.png")
    for path, said in [(file, "is no folder"), (tmp_path / "none", "there is no folder"), (tmp_path, "has no folders")]:
        with pytest.raises(DataError, match=said):
            images(path)


def pictures(entries: list[tuple[object, str]], modality: str = "face", **options: object) -> Dataset:
    inputs, split = zip(*entries, strict=True)
    targets = np.zeros(len(inputs), np.int64)
    space = make_space("one", ["x"])
    return Dataset("d", modality, space, inputs, targets, np.array(split, dtype=object), **options)  # type: ignore[arg-type]


def test_rows_that_also_stand_in_training(tmp_path: Path) -> None:
    a, b = picture(tmp_path / "a.png", 1), picture(tmp_path / "b.bmp", 1)  # the same pixels in other bytes
    c, bad = picture(tmp_path / "c.png", 2), tmp_path / "bad.png"
    bad.write_bytes(b"bad")
    other = tmp_path / "bad2.png"
    other.write_bytes(b"bad")
    splits = ("train", "test", "test", "train", "test")
    files = [(str(path), split) for path, split in zip((a, b, c, bad, other), splits, strict=True)]
    data = pictures(files)
    assert data.seen_in_training.tolist() == [False, True, False, False, False]
    found = [(problem.kind, problem.where) for problem in check(data)]
    assert found[:3] == [("unreadable", "row 4"), ("unreadable", "row 5"), ("leak", "row 1")]

    arrays = pictures([(face(1), "train"), (face(1), "train"), (face(1), "val"), (face(2), "test")])
    assert arrays.seen_in_training.tolist() == [False, False, True, False]
    flat = pictures([(np.zeros((4, 9), np.uint8), "train"), (np.zeros((6, 6), np.uint8), "test")])
    assert not flat.seen_in_training.any()
    texts = pictures([("I am  glad", "train"), ("i AM glad\n", "test"), ("no", "test")], "text")
    assert texts.seen_in_training.tolist() == [False, True, False]


def test_nothing_is_read_where_there_is_no_training_split(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mien.datasets.dataset.read_picture", lambda path: pytest.fail("decoded"))
    for split in ("test", "train", ""):
        data = pictures([("a.png", split), ("b.png", split)])
        assert data.seen_in_training.tolist() == [False, False]


def test_fingerprints_of_pixels_in_memory() -> None:
    first = pictures([(face(1), "train"), (face(2), "test")])
    assert first.fingerprint == pictures([(face(1), "train"), (face(2), "test")]).fingerprint
    others = [
        pictures([(face(1), "train"), (face(3), "test")]),
        pictures([(face(2), "train"), (face(1), "test")]),
        pictures([(face(1).reshape(24, 96), "train"), (face(2), "test")]),
        pictures([(face(1), "train"), (face(2), "val")]),
        pictures([(face(1), "train"), (face(2), "test")], votes={"fer7": np.zeros((2, 7), np.float32)}),
    ]
    assert len({data.fingerprint for data in [first, *others]}) == 6
    assert first.samples_fingerprint == others[3].samples_fingerprint == others[4].samples_fingerprint


def test_shares_must_fit() -> None:
    rows = [(face(1), "train"), (face(2), "test")]
    for votes, said in [
        ({"fer7": np.zeros((2, 8), np.float32)}, r"shares of fer7 must have shape \(2, 7\), got \(2, 8\)"),
        ({"fer7": np.zeros((1, 7), np.float32)}, r"got \(1, 7\)"),
        ({"mine": np.zeros((2, 7), np.float32)}, "no label space 'mine'"),
    ]:
        with pytest.raises(DataError, match=said):
            pictures(rows, votes=votes)


def test_sizes_in_the_statistics(tmp_path: Path) -> None:
    wide = np.zeros((10, 30, 3), np.uint8)
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"bad")
    entries = [(wide, "train"), (str(picture(tmp_path / "a.png", side=20)), "train"), (str(bad), "train")]
    figures = stats(pictures(entries))
    assert (figures["width"]["min"], figures["width"]["max"], figures["height"]["min"]) == (20, 30, 10)
    assert "length" not in figures
    with pytest.raises(DataError, match=r"gone.png cannot be read: No such file"):
        stats(pictures([("gone.png", "train")]))


# ------------------------------------------------------------------------------------------ faces in photographs


def test_faces_of_photographs_are_cut_out(tmp_path, monkeypatch):
    """With a detector that finds a small and a large face in bright pictures and none in dark ones."""
    from mien.modalities.face.detect import Face, FaceDetector

    def find(self, photograph):
        if photograph.mean() < 50:
            return []
        return [Face((0, 0, 8, 8), 0.9), Face((40, 20, 80, 60), 0.9)]

    monkeypatch.setattr(FaceDetector, "find", find)
    for label in ("calm", "cross"):
        for number in range(4):
            photograph = np.full((100, 120), 90, np.uint8)
            photograph[20:60, 40:80] = 200
            path = tmp_path / label / f"{number}.png"
            path.parent.mkdir(exist_ok=True)
            cv2.imwrite(str(path), photograph if number else photograph // 10)
    data = open_dataset(f"images:{tmp_path}?faces=find")
    assert len(data) == 6
    assert data.counts() == {"calm": 3, "cross": 3}
    assert {problem.kind for problem in data.problems} == {"no-face"}
    assert {problem.where for problem in data.problems} == {"calm/0.png", "cross/0.png"}
    for crop in data.inputs:
        assert crop.shape == (96, 96, 3)
        assert crop[24:72, 24:72].mean() > 195  # the large face, the bright square
    with pytest.raises(DataError, match="faces must be 'find'"):
        open_dataset(f"images:{tmp_path}?faces=all")
