"""EMOTIC, OASIS and tables of pictures: sets as their authors hand them out, written here, with their traps."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from scipy.io import savemat

from conftest import RunCli, one_line
from emotic import cell, entry, person, struct, structs, write_emotic, write_mat
from mien.datasets import Dataset, open_dataset
from mien.datasets.checks import check, stats
from mien.datasets.splits import strata
from mien.errors import DataError, InputError
from mien.labels import SPACES
from mien.media.images import Region, picture_size, read_picture

#: The categories as the paper lists them (Kosti et al. 2019, table 1).
PAPER = (
    "Affection Anger Annoyance Anticipation Aversion Confidence Disapproval Disconnection Disquietment Doubt/Confusion "
    "Embarrassment Engagement Esteem Excitement Fatigue Fear Happiness Pain Peace Pleasure Sadness Sensitivity "
    "Suffering Surprise Sympathy Yearning"
)


def picture(path: Path, width: int = 60, height: int = 40, shade: int = 90) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.full((height, width, 3), shade, np.uint8))
    return path


def kinds(dataset: Dataset) -> list[tuple[str, str]]:
    return [(problem.kind, problem.where) for problem in dataset.problems]


def labels(dataset: Dataset) -> list[set[str]]:
    return [{dataset.space.names[place] for place in np.flatnonzero(row)} for row in dataset.targets]


def small(root: Path, *people: dict[str, Any], size: tuple[int, int] = (60, 40), **splits: Any) -> Path:
    """One picture of 60 x 40 in train, with these people, and what else is given."""
    picture(root / "emotic" / "mscoco" / "images" / "a.png")
    return write_mat(root, {"train": [entry("a.png", "mscoco/images", size, people)], "val": [], "test": []} | splits)


def one(
    box: Any = (10, 5, 30, 35), said: Any = ("Fear", "Anger"), vad: Any = (1, 5, 10), **more: Any
) -> dict[str, Any]:
    return person(box, said, vad, train=True, **more)


# ------------------------------------------------------------------------------------------------------- EMOTIC


def test_the_categories_are_those_of_the_paper() -> None:
    assert SPACES["emotic26"].names == tuple(PAPER.casefold().split())


def test_a_whole_set(tmp_path: Path) -> None:
    root = write_emotic(tmp_path / "emotic set", {"train": 6, "val": 3, "test": 3})
    data = open_dataset(f"emotic:{root}")
    assert (len(data), data.splits, data.modality, data.space) == (
        16,
        ("train", "val", "test"),
        "scene",
        SPACES["emotic26"],
    )
    assert Counter(data.split.tolist()) == {"train": 8, "val": 4, "test": 4}  # every third picture has two people
    assert (data.problems, data.auto_split) == ((), False)
    assert all(isinstance(region, Region) for region in data.inputs)
    assert (data.targets.sum(1) == 4).all()
    assert data.scales == dict.fromkeys(("valence", "arousal", "dominance"), (1, 10))
    assert set(data.columns["gender"]) == {"male", "female"}
    assert set(data.columns["age"]) <= {"kid", "teenager", "adult"}
    assert set(data.columns["source"]) == {"mscoco", "framesdb", "emodb_small", "ade20k"}
    assert check(data.part("train"))[0].kind != "unreadable"
    assert open_dataset(f"emotic:{root / 'Annotations' / 'Annotations.mat'}").fingerprint == data.fingerprint
    assert open_dataset(f"emotic:{root}?strict=true").fingerprint == data.fingerprint


def test_one_person_and_one_category_collapse_to_scalars(tmp_path: Path) -> None:
    """MATLAB's arrays of one element come back from the file as the element itself."""
    held = one(said=["Doubt/Confusion"], vad=(3, 4, 5), gender="Female", age="Kid")
    combined = person((0, 0, 60, 40), ["Peace"], (2, 3, 4), train=False)
    picture(tmp_path / "emotic" / "ade20k" / "images" / "b.png")
    data = open_dataset(f"emotic:{small(tmp_path, held, val=[entry('b.png', 'ade20k/images', (60, 40), [combined])])}")
    assert labels(data) == [{"doubt/confusion"}, {"peace"}]
    assert data.split.tolist() == ["train", "val"]
    assert [str(region) for region in data.inputs] == [
        f"{tmp_path}/emotic/mscoco/images/a.png#10,5,30,35",
        f"{tmp_path}/emotic/ade20k/images/b.png#0,0,60,40",
    ]
    assert {name: values.tolist() for name, values in data.ratings.items()} == {
        "valence": [3, 2], "arousal": [4, 3], "dominance": [5, 4],
    }  # fmt: skip
    assert {name: values.tolist() for name, values in data.columns.items()} == {
        "gender": ["female", "male"], "age": ["kid", "adult"], "source": ["mscoco", "ade20k"],
    }  # fmt: skip
    assert kinds(data) == [("empty", "Annotations.mat test")]


def test_several_people_and_annotators(tmp_path: Path) -> None:
    """In val and test the combined labels count, whatever the single annotators said."""
    two = person((0, 0, 20, 20), ["Fear"], (5, 5, 5), train=False)
    two["combined_categories"] = cell(["Fear", "Pain"])
    two["combined_continuous"] = struct(valence=5.5, arousal=5.0, dominance=np.nan)
    three = person((20, 0, 40, 20), ["Anger", "Pain"], (1, 1, 1), train=False)
    data = open_dataset(
        f"emotic:{small(tmp_path, one(), test=[entry('a.png', 'mscoco/images', (60, 40), [two, three])])}"
    )
    assert labels(data.part("test")) == [{"fear", "pain"}, {"anger", "pain"}]
    assert data.part("test").ratings["valence"].tolist() == [5.5, 1]
    assert np.isnan(data.part("test").ratings["dominance"]).tolist() == [True, False]
    assert data.where[1:] == ["test:1 mscoco/images/a.png person 1", "test:1 mscoco/images/a.png person 2"]


@pytest.mark.parametrize(
    ("box", "kept"),
    [
        ((-5, -3, 70, 99), (0, 0, 60, 40)),
        ((50.5, 10, 61, 39), (50.5, 10, 60, 39)),
        ((10, 10, 10, 30), "the box [10.0, 10.0, 10.0, 30.0] has no area in a picture of 60 x 40"),
        ((30, 30, 10, 10), "the box [30.0, 30.0, 10.0, 10.0] has no area in a picture of 60 x 40"),
        ((61, 0, 90, 20), "the box [61.0, 0.0, 90.0, 20.0] has no area in a picture of 60 x 40"),
        ((np.nan, 0, 90, 20), "a box is left, top, right, bottom in pixels, not [nan, 0.0, 90.0, 20.0]"),
        ((1, 2, 3), "a box is left, top, right, bottom in pixels, not [1.0, 2.0, 3.0]"),
    ],
)
def test_boxes_outside_the_picture_and_without_area(box: Any, kept: Any, tmp_path: Path) -> None:
    data = open_dataset(f"emotic:{small(tmp_path, one(), one(box))}")
    if isinstance(kept, tuple):
        assert data.inputs[1].box == kept
    else:
        assert len(data) == 1
        assert (data.problems[0].kind, data.problems[0].where) == ("box", "train:1 mscoco/images/a.png person 2")
        assert data.problems[0].what == kept


@pytest.mark.parametrize(
    ("size", "box"),
    [
        ((120, 80), (5, 2.5, 15, 17.5)),  # the pictures were made smaller
        ((40, 60), "the picture is 60 x 40, the annotations are of one of 40 x 60"),
    ],
)
def test_pictures_of_another_size_than_annotated(size: tuple[int, int], box: Any, tmp_path: Path) -> None:
    root = small(tmp_path, one(), size=size, val=[entry("a.png", "mscoco/images", (60, 40), [one()])])
    data = open_dataset(f"emotic:{root}")
    if isinstance(box, tuple):
        assert data.inputs[0].box == box
    else:
        assert (data.split.tolist(), data.problems[0].what) == (["val"], box)


def test_missing_and_damaged_pictures_are_named_counted_and_skipped_or_refused(tmp_path: Path, run_cli: RunCli) -> None:
    (tmp_path / "emotic" / "framesdb" / "images").mkdir(parents=True)
    (tmp_path / "emotic" / "framesdb" / "images" / "torn.jpg").write_bytes(b"\xff\xd8\xff")
    missing = entry("gone.jpg", "framesdb/images", (9, 9), [one(), one(), one()])
    torn = entry("torn.jpg", "framesdb/images", (9, 9), [one()])
    root = small(tmp_path, one(), val=[missing, torn])
    data = open_dataset(f"emotic:{root}")
    assert len(data) == 1
    assert kinds(data)[:2] == [
        ("missing", "val:1 framesdb/images/gone.jpg"),
        ("unreadable", "val:2 framesdb/images/torn.jpg"),
    ]
    assert data.problems[0].what == f"there is no file {root}/emotic/framesdb/images/gone.jpg; 3 people left out"
    assert "torn.jpg is damaged or cut off" in data.problems[1].what
    assert data.problems[1].what.endswith("; 1 person left out")
    with pytest.raises(DataError, match=r"emotic has 3 problems: val:1 framesdb/images/gone.jpg: there is no file"):
        open_dataset(f"emotic:{root}?strict=true")
    with pytest.raises(DataError, match="strict must be true or false, not 'perhaps'"):
        open_dataset(f"emotic:{root}?strict=perhaps")
    said = one_line(run_cli("data", "check", f"emotic:{root}"))
    assert "1 missing" in said
    assert "1 unreadable" in said


def test_labels_outside_the_26_none_at_all_and_nobody_there(tmp_path: Path) -> None:
    nobody = entry("a.png", "mscoco/images", (60, 40), [one()]) | {"person": np.zeros((0, 0))}
    unlabelled = one() | {"annotations_categories": struct(categories=np.zeros((0, 0)))}
    root = small(tmp_path, one(), one(said=["Fear", "Boredom"]), unlabelled, val=[nobody])
    data = open_dataset(f"emotic:{root}")
    assert [(problem.kind, problem.what) for problem in data.problems] == [
        ("unknown-label", "label 'Boredom' is not in emotic26"),
        ("empty", "no label"),
        ("empty", "no person in this picture"),
        ("empty", "the test split is empty"),
    ]
    assert len(data) == 1


def test_ratings_that_are_missing_or_outside_the_scale(tmp_path: Path) -> None:
    lacking = one() | {"annotations_continuous": struct(valence=np.nan, arousal=np.zeros((0, 0)), dominance=11.0)}
    data = open_dataset(f"emotic:{small(tmp_path, one(), lacking)}")
    assert np.array_equal(data.ratings["valence"], [1, np.nan], equal_nan=True)
    assert np.array_equal(data.ratings["arousal"], [5, np.nan], equal_nan=True)
    assert np.array_equal(data.ratings["dominance"], [10, np.nan], equal_nan=True)
    assert data.problems[0].what == "dominance 11 is outside 1 to 10; taken as not known"


def test_another_kind_or_layout_of_mat_is_named(tmp_path: Path) -> None:
    def refused(what: str) -> None:
        with pytest.raises(DataError, match=what) as caught:
            open_dataset(f"emotic:{tmp_path}")
        assert str(tmp_path) in str(caught.value)
        assert "\n" not in str(caught.value)

    refused("has no Annotations/Annotations.mat")
    mat = tmp_path / "Annotations" / "Annotations.mat"
    mat.parent.mkdir()
    header = b"MATLAB 7.3 MAT-file, Platform: GLNXA64, Created on: Mon Jan 1 00:00:00 2024 HDF5 schema 1.00 .".ljust(
        124
    )
    mat.write_bytes(header + b"\x00\x02IM" + bytes(384) + b"\x89HDF\r\n\x1a\n" + bytes(2000))
    refused(r"is a MATLAB 7\.3 file \(HDF5\), which is not read; in MATLAB save it again with '-v7'")
    savemat(mat, {"Annotations": np.arange(3), "y": "text"})
    refused(r"has another layout: it must hold train, val and test; it holds: Annotations \(int64\), y \(char\)")
    savemat(mat, {"train": structs([{"name": "a", "people": 1.0}])})
    refused("has another layout: train:1 lacks filename, folder, person; it has: name, people")
    savemat(mat, {"train": np.arange(4.0)})
    refused("has another layout: train:1 lacks .*; it has: no struct but float")
    mat.write_bytes(b"filename,box\n" * 100)
    refused("cannot be read as a .mat file of MATLAB 5 to 7.2")
    write_mat(tmp_path, {"train": [entry("a.png", "mscoco/images", (6, 4), [one()])] * 9})
    mat.write_bytes(mat.read_bytes()[:-200])
    refused("cannot be read as a .mat file of MATLAB 5 to 7.2")
    write_mat(tmp_path, {"train": [], "val": [], "test": []})
    with pytest.raises(
        DataError, match=r"holds no usable samples \(first problem: Annotations.mat train: the train split"
    ):
        open_dataset(f"emotic:{tmp_path}")
    with pytest.raises(DataError, match="there is no file or folder"):
        open_dataset(f"emotic:{tmp_path / 'nowhere'}")


def test_people_are_told_apart_by_picture_and_box(tmp_path: Path) -> None:
    data = open_dataset(f"emotic:{small(tmp_path, one(), one((1, 2, 30, 35)), one())}")
    shutil.copy(tmp_path / "emotic/mscoco/images/a.png", tmp_path / "emotic/mscoco/images/b.png")
    again = entry("b.png", "mscoco/images", (60, 40), [one(), one((0, 0, 9, 9))])
    gone = entry("gone.png", "mscoco/images", (60, 40), [one()])
    data = open_dataset(f"emotic:{small(tmp_path, one(), one((1, 2, 30, 35)), test=[again, gone])}")
    assert len(set(data.contents)) == 3
    assert data.seen_in_training.tolist() == [False, False, True, False]
    before = data.fingerprint
    assert data.take(np.arange(3)).fingerprint != before
    (tmp_path / "emotic/mscoco/images/b.png").unlink()
    assert data.__class__(**vars_of(data)).contents[2:] == [2, 3]  # rows that are like no other


def vars_of(dataset: Dataset) -> dict[str, Any]:
    return {name: getattr(dataset, name) for name in dataset.__dataclass_fields__}


# -------------------------------------------------------------------------------------------------------- OASIS


def oasis(root: Path, count: int = 60, **changes: str) -> Path:
    """Themes of three pictures, rated alike within a theme."""
    rows = ["Theme,Category,Valence_mean,Valence_SD,Arousal_mean,Arousal_SD"]
    for number in range(count):
        name = f"Theme{number // 3:02}x {number % 3 + 1}"
        picture(root / "images" / f"{name}.jpg", 20, 20, 10 + number)
        value = 1 + 6 * (number // 3) / (count / 3)
        rows.append(changes.get(name, f"{name},{('Animal', 'Object')[number % 2]},{value:.3f},1,{8 - value:.3f},1"))
    (root / "oasis.csv").write_text("\ufeff" + "\n".join(rows) + "\n", "utf-8")
    return root


def test_photographs_and_their_ratings(tmp_path: Path) -> None:
    data = open_dataset(f"oasis:{oasis(tmp_path)}")
    assert (len(data), data.modality, data.space, data.auto_split) == (60, "scene", SPACES["affect"], True)
    assert data.targets.shape == (60, 0)
    assert data.inputs[3] == str(tmp_path / "images" / "Theme01x 1.jpg")
    assert data.ratings["valence"][3] == pytest.approx(1.3)
    assert data.ratings["arousal"][3] == pytest.approx(6.7)
    assert data.columns["theme"][3] == "theme01x"
    assert data.columns["category"][3] == "object"
    assert (data.counts(), data.problems) == ({}, ())


@pytest.mark.parametrize("column", ["split", "fold"])
def test_themes_stay_whole_and_ratings_alike(column: str, tmp_path: Path) -> None:
    data = open_dataset(f"oasis:{oasis(tmp_path, 240)}")
    part = data.split if column == "split" else data.columns["fold"]
    parts = Counter(part.tolist())
    assert set(parts) == ({"train", "val", "test"} if column == "split" else set("12345"))
    if column == "fold":
        assert max(parts.values()) - min(parts.values()) <= 6  # two themes
    for theme in set(data.columns["theme"]):
        assert len(set(part[data.columns["theme"] == theme])) == 1
    for name in parts:
        assert data.ratings["valence"][part == name].mean() == pytest.approx(4, abs=0.6 if column == "split" else 0.35)
    apart = open_dataset(f"oasis:{tmp_path}?group=picture")
    assert any(len(set(apart.split[data.columns["theme"] == theme])) > 1 for theme in set(data.columns["theme"]))
    assert (open_dataset(f"oasis:{tmp_path}?split_seed=1").split != data.split).any()


def test_bad_rows_of_oasis(tmp_path: Path) -> None:
    broken = {
        "Theme00x 1": ",Animal,2,1,2,1",
        "Theme00x 2": "Theme00x 2,Animal,n/a,1,,1",
        "Theme00x 3": "Theme00x 3,Animal,9,1,2,1",
    }
    root = oasis(tmp_path, **broken)
    (root / "images" / "Theme01x 1.jpg").unlink()
    (root / "images" / "Theme01x 2.jpg").write_bytes(b"")
    data = open_dataset(f"oasis:{root}")
    assert kinds(data) == [
        ("missing", "oasis.csv:2"),
        ("empty", "oasis.csv:3"),
        ("outside-scale", "oasis.csv:4"),
        ("missing", "oasis.csv:5"),
        ("unreadable", "oasis.csv:6"),
    ]
    assert data.problems[3].what == "there is no picture of 'Theme01x 1'"
    assert np.isnan(data.ratings["valence"][0])
    assert data.ratings["arousal"][0] == 2
    with pytest.raises(DataError, match=r"oasis has 5 problems: oasis\.csv:2: no theme"):
        open_dataset(f"oasis:{root}?strict=true")
    for spec, said in (
        (f"{root}?group=colour", "group must be 'theme' or 'picture', not 'colour'"),
        (f"{root}?split_seed=x", "split_seed must be a whole number"),
        (f"{root / 'nowhere'}", "there is no file or folder"),
        (f"{root / 'images'}", "there is no file .*oasis.csv"),
    ):
        with pytest.raises(DataError, match=said):
            open_dataset(f"oasis:{spec}")
    (root / "oasis.csv").write_text("Theme,Valence\nA 1,2\n")
    with pytest.raises(DataError, match="has no column 'valence_mean'; it has: Theme, Valence"):
        open_dataset(f"oasis:{root}")


def test_the_real_photographs() -> None:
    import os

    home = os.environ.get("MIEN_DATA")
    if not home:
        pytest.skip("MIEN_DATA is not set")
    data = open_dataset(f"oasis:{home}/oasis?strict=true")
    assert len(data) == 900
    assert {name: round(float(values.mean()), 3) for name, values in data.ratings.items()} == {
        "valence": 4.331, "arousal": 3.668,
    }  # fmt: skip
    assert Counter(data.columns["category"].tolist()) == {"person": 346, "scenery": 220, "object": 200, "animal": 134}
    assert len(set(data.columns["theme"].tolist())) == 248


# ------------------------------------------------------------------------------------------------------- tables


def table(folder: Path, text: str, name: str = "rooms.csv") -> str:
    (folder / name).write_text(text)
    return f"table:{folder / name}"


def test_a_table_of_pictures_with_several_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b", "c"):
        picture(tmp_path / "pictures" / f"{name}.png")
    spec = table(
        tmp_path,
        "path,labels,split\npictures/a.png,cosy|dark,train\npictures/b.png,cosy,train\npictures/c.png,dark,val\n",
    )
    monkeypatch.chdir("/")  # paths are counted from the table
    data = open_dataset(f"{spec}?modality=scene")
    assert data.inputs == [str(tmp_path / "pictures" / f"{name}.png") for name in ("a", "b", "c")]
    assert (data.modality, data.space.names, data.space.multilabel) == ("scene", ("cosy", "dark"), True)
    assert labels(data) == [{"cosy", "dark"}, {"cosy"}, {"dark"}]
    assert data.ratings == {}
    assert open_dataset(f"{spec}?modality=face").modality == "face"


def test_a_separator_that_cannot_be_found_out(tmp_path: Path) -> None:
    for name in ("a", "b"):
        picture(tmp_path / f"{name}.png")
    spec = table(tmp_path, "image,mood\na.png,cosy+dark\nb.png,cosy+light\n") + "?modality=scene"
    assert not open_dataset(spec).space.multilabel
    data = open_dataset(spec, label_separator="+")
    assert (data.space.names, labels(data)) == (("cosy", "dark", "light"), [{"cosy", "dark"}, {"cosy", "light"}])


def test_ratings_beside_labels_and_alone(tmp_path: Path) -> None:
    for number in range(4):
        picture(tmp_path / f"{number}.png")
    rows = "0.png,cosy,1,-0.5\n1.png,dark,9,0.5\n2.png,dark,,0.25\n3.png,cosy,lots,0\n"
    spec = table(tmp_path, "picture,label,valence,calm\n" + rows) + "?modality=scene"
    data = open_dataset(f"{spec}&ratings=valence:1:9,calm")
    assert data.scales == {"valence": (1, 9), "calm": (-0.5, 0.5)}  # what is not told is as wide as the numbers
    assert np.array_equal(data.ratings["valence"], [1, 9, np.nan, np.nan], equal_nan=True)
    assert data.ratings["calm"].tolist() == [-0.5, 0.5, 0.25, 0]
    assert [(p.where, p.what) for p in data.problems] == [
        ("rooms.csv:5", "valence is 'lots', which is no number; taken as not known")
    ]
    with pytest.raises(DataError, match=r"rooms has 1 problem: rooms\.csv:5: valence is 'lots'"):
        open_dataset(f"{spec}&ratings=valence:1:9&strict=true")
    for ratings in ("valence:9:1", "valence:1", "valence:a:b", "valence:1:2:3", "valence:nan:2", "valence:0:inf"):
        with pytest.raises(DataError, match=f"given as name:lowest:highest, not '{ratings}'"):
            open_dataset(f"{spec}&ratings={ratings}")
    with pytest.raises(DataError, match="no column 'warmth'; it has: picture, label, valence, calm"):
        open_dataset(f"{spec}&ratings=warmth")

    alone = open_dataset(table(tmp_path, "picture,valence\n0.png,1\n1.png,3\n2.png,\n3.png,2\n", "alone.csv"),
                         modality="scene", ratings="valence:1:9")  # fmt: skip
    assert (alone.space, len(alone), kinds(alone)) == (SPACES["affect"], 3, [("empty", "alone.csv:4")])
    with pytest.raises(DataError, match="no label column"):
        open_dataset(table(tmp_path, "picture,valence\n0.png,1\n", "alone.csv"), modality="scene")


def test_people_in_a_table(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    rows = "a.png,dark,-3,0,20,20\na.png,cosy,70,0,80,9\na.png,cosy,one,0,80,9\ngone.png,cosy,0,0,5,5\n"
    data = open_dataset(table(tmp_path, "file,label,left,top,right,bottom\n" + rows), modality="scene")
    assert data.inputs == [Region(str(tmp_path / "a.png"), (0, 0, 20, 20))]
    assert [problem.kind for problem in data.problems] == ["unreadable", "unreadable", "missing"]
    assert "has no area in a picture of 60 x 40" in data.problems[0].what
    assert "not ['one', '0', '80', '9']" in data.problems[1].what


# ------------------------------------------------------------------------------------------- regions and ratings


def test_a_region_is_every_pixel_that_its_box_touches(tmp_path: Path) -> None:
    pixels = np.arange(40 * 60 * 3, dtype=np.uint32).reshape(40, 60, 3).astype(np.uint8)
    path = tmp_path / "a.png"
    assert cv2.imwrite(str(path), pixels[..., ::-1])
    region = Region(str(path), (10.5, 3, 20, 7.25))
    assert np.array_equal(read_picture(region), pixels[3:8, 10:20])
    assert str(region) == f"{path}#10.5,3,20,7.25"
    assert len({region, Region(str(path), (10.5, 3, 20, 7.25))}) == 1
    with pytest.raises(InputError, match=r"a.png#60,0,70,5 lies outside its picture of 60 x 40 pixels"):
        read_picture(Region(str(path), (60, 0, 70, 5)))
    for box in ((0, 0, 0, 5), (5, 5, 1, 9), (0, 0, np.inf, 5), (0, np.nan, 1, 5)):
        with pytest.raises(InputError, match="must have an area"):
            Region(str(path), box)


def test_the_size_of_a_picture_as_shown(tmp_path: Path) -> None:
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 6  # lies on its side
    Image.fromarray(np.zeros((40, 60, 3), np.uint8)).save(tmp_path / "turned.jpg", exif=exif)
    assert picture_size(tmp_path / "turned.jpg") == (60, 40)
    assert picture_size(tmp_path / "turned.jpg", shown=True) == (40, 60)
    assert read_picture(tmp_path / "turned.jpg").shape == (60, 40, 3)


def rated(values: list[float], **fields: Any) -> Dataset:
    count = len(values)
    whole: dict[str, Any] = {
        "name": "d", "modality": "scene", "space": SPACES["affect"],
        "inputs": [np.full((2, 2), shade, np.uint8) for shade in range(count)],
        "targets": np.zeros((count, 0), np.float32), "split": np.full(count, "train", object),
        "ratings": {"valence": np.array(values, np.float32)}, "scales": {"valence": (1.0, 9.0)},
    }  # fmt: skip
    return Dataset(**(whole | fields))


def test_ratings_go_along_with_their_rows_and_into_the_fingerprint() -> None:
    data = rated([1, 5, np.nan, 9])
    assert data.take(np.array([3, 0])).ratings["valence"].tolist() == [9, 1]
    assert data.part("train").scales == data.scales
    assert data.fingerprint == rated([1, 5, np.nan, 9]).fingerprint
    others = [
        rated([1, 5, 4, 9]),
        rated([1, 5, np.nan, 9], scales={"valence": (1.0, 10.0)}),
        rated([1, 5, 2, 9], ratings={}, scales={}),
    ]
    assert len({d.samples_fingerprint for d in (data, *others)}) == 4
    for fields, said in (
        ({"ratings": {"valence": np.ones(3, np.float32)}}, "valence has 3 entries for 4 inputs"),
        ({"scales": {}}, r"ratings \['valence'\] but scales \[\]"),
        ({"scales": {"valence": (1.0, 8.0)}}, "valence has values outside its scale of 1 to 8"),
    ):
        with pytest.raises(DataError, match=said):
            rated([1, 5, np.nan, 9], **fields)


def test_labels_rolled_up_keep_their_ratings(tmp_path: Path) -> None:
    from mien.labels import SPACES as KNOWN

    go = KNOWN["goemotions28"]
    targets = np.zeros((3, 28), np.float32)
    targets[0, go.index("joy")] = targets[2, go.index("fear")] = 1  # the second has no label that the coarser space has
    data = rated([1, 2, 3], space=go, targets=targets)
    assert data.rollup("ekman7").ratings["valence"].tolist() == [1, 3]


def test_strata_are_bands_of_ratings_or_the_targets() -> None:
    bands = strata(rated([1, 9, 5, 1.5, 8.5, 5.5, np.nan]))
    assert bands[0] == bands[3]
    assert bands[1] == bands[4]
    assert bands[2] == bands[5]
    assert len(set(bands.tolist())) == 4
    go = rated([1.0], space=SPACES["goemotions28"], targets=np.ones((1, 28), np.float32))
    assert strata(go) is go.targets


def test_what_is_wrong_with_ratings_and_people_is_told(tmp_path: Path) -> None:
    same = [np.zeros((2, 2), np.uint8)] * 2
    assert [(p.kind, p.what) for p in check(rated([1, 5], inputs=same))] == [
        ("duplicate", "the same again in one split: row 2"),
        ("contradiction", "the same is labeled valence 1 but valence 5: row 2"),
    ]
    assert [p.kind for p in check(rated([1, 1], inputs=same))] == ["duplicate"]
    assert [(p.kind, p.where, p.what) for p in check(rated([1, np.nan]))] == [
        ("missing-rating", "train", "1 of 2 have no valence")
    ]
    data = open_dataset(f"emotic:{small(tmp_path, one(), one())}")
    (tmp_path / "emotic/mscoco/images/a.png").write_bytes(b"no picture")
    assert [p.kind for p in check(data)].count("unreadable") == 2


def test_stats_tell_of_ratings_and_the_size_of_people(tmp_path: Path, run_cli: RunCli) -> None:
    root = small(tmp_path, one(vad=(1, 5, 10)), one((0, 0, 50, 40), vad=(4, 5, np.nan)))
    document = stats(open_dataset(f"emotic:{root}"))
    valence = document["splits"]["train"]["ratings"]["valence"]
    assert (valence["n"], valence["scale"], valence["mean"], valence["sd"], valence["max"]) == (2, [1, 10], 2.5, 1.5, 4)
    assert document["splits"]["all"]["ratings"]["dominance"]["n"] == 1
    assert (document["width"]["min"], document["width"]["max"], document["height"]["max"]) == (20, 50, 40)
    said = run_cli("data", "stats", f"emotic:{root}").stdout
    assert "2 samples, 26 labels (emotic26)" in said
    assert re.search(r"valence +1 to 10 +2\.50 ± 1\.50", said)
    alone = run_cli("data", "stats", f"oasis:{oasis(tmp_path / 'photos')}").stdout
    assert "60 samples, no labels (affect)" in alone
    assert re.search(r"arousal +1 to 7 +4\.", alone)
