"""Data sets that other packages bring, by an entry point, by the decorator alone, or as mien 0.1 had them."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import mien
from mien.datasets import Dataset, open_dataset
from mien.errors import DataError
from mien.labels import SPACES

DIARY = '''
import json
from pathlib import Path
from typing import Literal

from mien.datasets.open import Items, Row, dataset


@dataset("diary", labels="ekman7", licence="CC0")
def diary(folder: Path, *, kind: Literal["day", "week", "year"] = "day", most: int = 9, upper: bool = False) -> Items:
    """Every ``*.json`` of the folder: a list of entries."""
    for file in sorted(folder.glob("*.json")):
        for number, entry in enumerate(json.loads(file.read_text("utf-8"))[:most], 1):
            text = entry.get("text", "").upper() if upper else entry.get("text")
            yield Row(text, entry.get("moods", []), f"{file.name}:{number}", columns={kind: file.stem})
'''


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package with an entry point, as pip installs it, and data of its form."""
    info = tmp_path / "site" / "diaries-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: diaries\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[mien.datasets]\ndiary = my_diary:diary\nbroken = not_there:broken\n")
    (tmp_path / "site" / "my_diary.py").write_text(DIARY)
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.delitem(sys.modules, "my_diary", raising=False)
    folder = tmp_path / "data"
    folder.mkdir()
    entries = '[{"text": "Sun!", "moods": ["Joy"]}, {"text": "Rain.", "moods": [6]}, {"text": "?"}]'
    (folder / "1.json").write_text(entries)
    (folder / "2.json").write_text('[{"text": "No.", "moods": ["furious at all"]}, {"moods": ["joy"]}]')
    return folder


def test_a_plug_in_is_found_by_its_entry_point(plugin: Path) -> None:
    data = mien.open_dataset(f"diary:{plugin}?kind=week&group=week")
    assert (data.name, data.licence, data.space, data.group) == ("diary", "CC0", SPACES["ekman7"], "week")
    assert list(data.inputs) == ["Sun!", "Rain."]
    assert [data.space.names[target] for target in data.targets] == ["joy", "neutral"]
    assert data.columns["week"].tolist() == ["1", "1"]
    assert data.auto_split
    assert [(problem.kind, problem.where) for problem in data.problems] == [
        ("empty", "1.json:3"), ("unknown-label", "2.json:1"), ("empty", "2.json:2"),
    ]  # fmt: skip
    assert list(open_dataset(f"diary:{plugin}", most=1, upper=True).inputs) == ["SUN!"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("tone=x", "diary has no option 'tone'; it has: kind, most, upper, space, split_seed, group, strict"),
        ("kind=month", "kind must be one of day, week, year, not 'month'"),
        ("most=few", "most must be a whole number, not 'few'"),
        ("upper=perhaps", "upper must be true or false, not 'perhaps'"),
        ("group=writer", "diary has no column 'writer' to keep together"),
        ("space=moods", "no label space 'moods'"),
        ("space=carer6", "there is no map from ekman7 to carer6"),
        ("strict=yes", "diary has 3 problems: 1.json:3: no label"),
    ],
)
def test_options_are_checked_by_name_and_type(plugin: Path, options: str, says: str) -> None:
    with pytest.raises(DataError, match=says):
        open_dataset(f"diary:{plugin}?{options}")


def test_a_plug_in_that_cannot_be_loaded_and_one_that_is_not_there(plugin: Path) -> None:
    with pytest.raises(mien.MienError, match="'broken' of the package diaries cannot be loaded"):
        open_dataset("broken:x")
    with pytest.raises(DataError, match=r"no data set 'none' in 'none:x'; there are: table, carer, .*, diary"):
        open_dataset("none:x")


def test_a_reader_of_mien_0_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = ModuleType("old_reader")

    def read(path: str | Path, space: str = "ekman7") -> Dataset:
        from mien.compat.collect import Collector

        rows = Collector("old", SPACES[space], licence="CC0")
        rows.add("glad", ["joy"], split="test", where="1", columns={"day": "1"})
        return rows.dataset()

    old.read = read  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "old_reader", old)
    with pytest.warns(DeprecationWarning, match="READERS goes with mien 0.3"):
        from mien.datasets import READERS  # type: ignore[attr-defined]
    monkeypatch.setitem(READERS, "old", ("old_reader", "one text"))
    data = open_dataset("old:here?space=carer6")
    assert (data.name, data.space.name, data.split.tolist()) == ("old", "carer6", ["test"])
    np.testing.assert_array_equal(data.targets, [SPACES["carer6"].index("joy")])
    with pytest.raises(DataError, match="old has no option 'x'"):
        open_dataset("old:here?x=1")


@pytest.mark.parametrize("spec", ["", " ", "images:", "table:?text=a", "chat:"])
def test_a_data_set_without_a_path_is_refused(spec: str) -> None:
    """The current folder would be meant by it, which nobody means."""
    with pytest.raises(DataError, match="names no path"):
        open_dataset(spec)
