"""RAVDESS: names, zips, folders, tables of features; no actor in two splits."""

from __future__ import annotations

import itertools
import zipfile
from pathlib import Path

import numpy as np
import pytest

import mien
from mien.datasets import ravdess
from mien.datasets.archives import members, unpack
from mien.datasets.checks import check
from mien.errors import DataError


def clip(code: str, ending: str = "mp4") -> str:
    return f"{code}.{ending}"


def write(folder: Path, *names: str, content: str = "") -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes((content or name).encode())


def pack(path: Path, *names: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, f"content of {name}")
    return path


def one_each(channel: str = "01", vocal: str = "01") -> list[str]:
    """One clip of each actor."""
    return [f"Actor_{a:02d}/{channel}-{vocal}-03-01-01-01-{a:02d}.mp4" for a in range(1, 25)]


def test_a_name_says_it_all() -> None:
    code = ravdess.parse("02-01-06-02-01-02-12")
    assert code == ("video", "speech", "fearful", "strong", "kids", "2", "12")
    assert code.columns == {
        "channel": "video", "vocal": "speech", "intensity": "strong", "statement": "kids", "repetition": "2",
        "actor": "12", "gender": "female", "fold": "3",
    }  # fmt: skip
    odd = ravdess.parse("03-02-01-01-02-01-07")
    assert odd is not None
    assert (odd.channel, odd.vocal, odd.emotion, odd.columns["gender"]) == ("audio", "song", "neutral", "male")


@pytest.mark.parametrize(
    "name",
    ["", "hello", "01-01-01-01-01-01", "04-01-01-01-01-01-01", "01-03-01-01-01-01-01", "01-01-09-01-01-01-01",
     "01-01-01-03-01-01-01", "01-01-01-01-03-01-01", "01-01-01-01-01-03-01", "01-01-01-01-01-01-25",
     "01-01-01-01-01-01-00", "01-01-01-01-01-01-01-01", "01_01_01_01_01_01_01"],
)  # fmt: skip
def test_other_names_are_none(name: str) -> None:
    assert ravdess.parse(name) is None


def test_the_folds_hold_each_actor_once() -> None:
    assert sorted(itertools.chain(*ravdess.FOLDS.values())) == list(range(1, 25))


def test_folders_of_actors_however_deep(tmp_path: Path) -> None:
    write(tmp_path, "Actor_03/01-01-03-01-01-01-03.mp4", "Video_Speech_Actor_01/Actor_01/01-01-05-02-02-01-01.mp4")
    data = mien.open_dataset(f"ravdess:{tmp_path}")
    assert data.modality == "video"
    assert data.space.name == "ravdess8"
    assert data.licence.startswith("CC BY-NC-SA")
    found = {Path(path).name: data.space.names[target] for path, target in zip(data.inputs, data.targets, strict=True)}
    assert found == {"01-01-03-01-01-01-03.mp4": "happy", "01-01-05-02-02-01-01.mp4": "angry"}
    assert all(Path(path).exists() for path in data.inputs)


def test_splits_are_by_actor_and_the_folds_can_be_chosen(tmp_path: Path) -> None:
    write(tmp_path, *one_each())
    default = mien.open_dataset(f"ravdess:{tmp_path}")
    other = mien.open_dataset(f"ravdess:{tmp_path}?fold=5&val=3")
    bare = mien.open_dataset(f"ravdess:{tmp_path}?fold=none&val=none")
    for data, test, val in ((default, "1", "2"), (other, "5", "3")):
        for part, fold in (("test", test), ("val", val)):
            assert {int(actor) for actor in data.part(part).columns["actor"]} == set(ravdess.FOLDS[fold])
    assert mien.open_dataset(f"ravdess:{tmp_path}?fold=5").part("val").columns["fold"][0] == "1"
    assert bare.splits == ("train",)
    assert default.group == "actor"


def test_the_same_utterance_with_and_without_sound_is_never_split_or_counted_twice(tmp_path: Path) -> None:
    write(tmp_path, *one_each("01"), *one_each("02"), *[name.replace("mp4", "wav") for name in one_each("03")])
    once = mien.open_dataset(f"ravdess:{tmp_path}")
    assert len(once) == 24
    assert set(once.columns["channel"]) == {"av"}
    both = mien.open_dataset(f"ravdess:{tmp_path}?channel=all")
    assert len(both) == 48
    for part in both.splits:
        actors = set(both.part(part).columns["actor"])
        assert not actors & {a for other in both.splits if other != part for a in both.part(other).columns["actor"]}
    silent = mien.open_dataset(f"ravdess:{tmp_path}?channel=video")
    assert set(silent.columns["channel"]) == {"video"}
    sound = mien.open_dataset(f"ravdess:{tmp_path}?channel=audio")
    assert (sound.modality, len(sound)) == ("voice", 24)


def test_an_utterance_without_its_sounding_clip_is_taken_silent(tmp_path: Path) -> None:
    write(tmp_path, "01-01-03-01-01-01-01.mp4", "02-01-03-01-01-01-01.mp4", "02-01-04-01-01-01-01.mp4")
    assert [Path(path).stem for path in mien.open_dataset(f"ravdess:{tmp_path}").inputs] == [
        "01-01-03-01-01-01-01", "02-01-04-01-01-01-01",
    ]  # fmt: skip


def test_speech_and_song(tmp_path: Path) -> None:
    write(tmp_path, *one_each("01", "01"), *one_each("01", "02"))
    assert set(mien.open_dataset(f"ravdess:{tmp_path}").columns["vocal"]) == {"speech"}
    assert set(mien.open_dataset(f"ravdess:{tmp_path}?vocal=song").columns["vocal"]) == {"song"}
    assert len(mien.open_dataset(f"ravdess:{tmp_path}?vocal=all")) == 48


def test_what_is_wrong_is_named_and_left_out(tmp_path: Path) -> None:
    write(tmp_path, "Actor_01/01-01-03-01-01-01-01.mp4", "Actor_01/holiday.mp4", "Actor_02/01-01-03-01-01-01-04.mp4")
    write(tmp_path, "copy/01-01-03-01-01-01-01.mp4", "notes.txt", ".hidden/01-01-04-01-01-01-01.mp4")
    (tmp_path / "Actor_01" / "01-01-04-01-01-01-01.mp4").write_bytes(b"")
    (tmp_path / "Video_Speech_Actor_09.zip").write_bytes(b"this is no zip")
    data = mien.open_dataset(f"ravdess:{tmp_path}")
    assert len(data) == 1
    assert {(p.kind, p.where) for p in data.problems} == {
        ("misnamed", "Actor_01/holiday.mp4"), ("misnamed", "Actor_02/01-01-03-01-01-01-04.mp4"),
        ("empty", "Actor_01/01-01-04-01-01-01-01.mp4"), ("duplicate", "copy/01-01-03-01-01-01-01.mp4"),
        ("unreadable", "Video_Speech_Actor_09.zip"),
    }  # fmt: skip
    assert check(data)[:5] == list(data.problems)


def test_zips_are_unpacked_into_the_cache_and_found_there_again(tmp_path: Path) -> None:
    zips, cache = tmp_path / "zips", tmp_path / "cache"
    zips.mkdir()
    pack(zips / "Video_Speech_Actor_01.zip", "Actor_01/01-01-03-01-01-01-01.mp4", "Actor_01/02-01-03-01-01-01-01.mp4")
    pack(zips / "Video_Speech_Actor_02.zip", "Actor_02/01-01-05-01-01-01-02.mp4", "Actor_02/readme.mp4")
    data = mien.open_dataset(f"ravdess:{zips}?cache={cache}")
    assert len(data) == 2
    assert [Path(path).read_text() for path in data.inputs] == [
        "content of Actor_01/01-01-03-01-01-01-01.mp4", "content of Actor_02/01-01-05-01-01-01-02.mp4",
    ]  # fmt: skip
    assert [p.where for p in data.problems] == ["Video_Speech_Actor_02.zip:Actor_02/readme.mp4"]
    assert not list(cache.rglob("02-01-*")), "only what is asked for is unpacked"
    before = {path: path.stat().st_mtime_ns for path in cache.rglob("*.mp4")}
    (first,) = [path for path in before if path.name.startswith("01-01-03")]
    first.write_bytes(b"cut off")
    again = mien.open_dataset(f"ravdess:{zips}?cache={cache}")
    assert Path(again.inputs[0]).read_text() == "content of Actor_01/01-01-03-01-01-01-01.mp4"
    assert first.stat().st_mtime_ns != before[first]
    assert {p: p.stat().st_mtime_ns for p in before if p != first} == {p: t for p, t in before.items() if p != first}


def test_one_zip_and_a_temporary_folder(tmp_path: Path) -> None:
    archive = pack(tmp_path / "Audio_Speech_Actors_01-24.zip", "Actor_01/03-01-03-01-01-01-01.wav")
    data = mien.open_dataset(f"ravdess:{archive}")
    assert data.modality == "voice"
    assert Path(data.inputs[0]).read_text() == "content of Actor_01/03-01-03-01-01-01-01.wav"


def test_a_clip_both_packed_and_unpacked_is_taken_once_without_a_word(tmp_path: Path) -> None:
    write(tmp_path, "Actor_01/01-01-03-01-01-01-01.mp4")
    pack(tmp_path / "Video_Speech_Actor_01.zip", "Actor_01/01-01-03-01-01-01-01.mp4")
    data = mien.open_dataset(f"ravdess:{tmp_path}")
    assert (len(data), data.problems) == (1, ())
    assert Path(data.inputs[0]) == tmp_path / "Actor_01/01-01-03-01-01-01-01.mp4"


def test_a_damaged_member_is_left_out_and_nothing_torn_stays(tmp_path: Path) -> None:
    archive = pack(tmp_path / "a.zip", "01-01-03-01-01-01-01.mp4", "01-01-04-01-01-01-01.mp4")
    content = bytearray(archive.read_bytes())
    at = content.index(b"content of 01-01-04")
    content[at : at + 7] = b"CONTENT"
    archive.write_bytes(content)
    data = mien.open_dataset(f"ravdess:{archive}?cache={tmp_path / 'cache'}")
    assert len(data) == 1
    assert [(p.kind, p.where) for p in data.problems] == [("unreadable", "a.zip:01-01-04-01-01-01-01.mp4")]
    assert [path.name for path in (tmp_path / "cache").rglob("*.*")] == ["01-01-03-01-01-01-01.mp4"]


def test_names_in_a_zip_cannot_leave_the_cache(tmp_path: Path) -> None:
    archive = pack(tmp_path / "a.zip", "../../01-01-03-01-01-01-01.mp4")
    found = unpack(members(archive), tmp_path / "deep" / "cache")
    assert list(found.values()) == [tmp_path / "deep/cache/a/01-01-03-01-01-01-01.mp4"]
    assert not (tmp_path / "01-01-03-01-01-01-01.mp4").exists()


def test_no_room_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = pack(tmp_path / "a.zip", "01-01-03-01-01-01-01.mp4")
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 3})())
    with pytest.raises(DataError, match=r"takes 0\.0 GB.*name another folder with cache="):
        mien.open_dataset(f"ravdess:{archive}?cache={tmp_path / 'cache'}")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("?fold=6", "fold must be one of 1, 2, 3, 4, 5, none"),
        ("?fold=2&val=2", "fold 2 cannot be test and val"),
        ("?vocal=hum", "vocal must be one of"),
        ("?channel=01", "channel must be one of av, video, audio, all"),
        ("?centre=actor", "for a table"),
        ("?vocal=song", r"no such clips of RAVDESS; it has: speech \(av\)"),
        ("?actors=3", "no option 'actors'"),
    ],
)
def test_wrong_options_are_one_clear_line(tmp_path: Path, options: str, says: str) -> None:
    write(tmp_path, *one_each())
    with pytest.raises(DataError, match=says):
        mien.open_dataset(f"ravdess:{tmp_path}{options}")


def test_a_wrong_path_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no folder"):
        mien.open_dataset(f"ravdess:{tmp_path / 'none'}")
    with pytest.raises(DataError, match="there is no file"):
        mien.open_dataset(f"ravdess:{tmp_path / 'none.csv'}")
    with pytest.raises(DataError, match="it has: none"):
        mien.open_dataset(f"ravdess:{tmp_path}")
    (tmp_path / "broken.zip").write_bytes(b"no zip")
    with pytest.raises(DataError, match="is no readable zip"):
        mien.open_dataset(f"ravdess:{tmp_path / 'broken.zip'}")


def table(path: Path) -> Path:
    lines = ["AU01_r;AU12_c;speech;path"]
    for place, actor in enumerate((1, 1, 2, 2, 5)):
        lines.append(f"{actor + place};{place / 4};0.5;01-01-0{place + 1}-01-01-01-{actor:02d}.mp4")
    path.write_text("\n".join([*lines, "1;1;1;holiday", "x;1;1;01-01-02-01-01-02-01"]) + "\n")
    return path


def test_a_table_of_action_units(tmp_path: Path) -> None:
    data = mien.open_dataset(f"ravdess:{table(tmp_path / 'units.csv')}")
    assert (data.modality, data.features) == ("features", ("AU01_r", "AU12_c"))
    np.testing.assert_allclose(np.stack(data.inputs)[:, 0], [1, 2, 4, 5, 9])
    assert [data.space.names[t] for t in data.targets] == ["neutral", "calm", "happy", "sad", "angry"]
    assert list(data.split) == ["train", "train", "test", "test", "test"]
    assert [(p.kind, p.where) for p in data.problems] == [("unreadable", "units.csv:8"), ("misnamed", "units.csv:7")]
    assert data.problems[0].what == "AU01_r is 'x', no number"
    more = mien.open_dataset(f"ravdess:{tmp_path / 'units.csv'}?columns=AU*,speech")
    assert more.features == ("AU01_r", "AU12_c", "speech")


def test_centered_by_actor_and_named_so(tmp_path: Path) -> None:
    data = mien.open_dataset(f"ravdess:{table(tmp_path / 'units.csv')}?centre=actor")
    np.testing.assert_allclose(np.stack(data.inputs)[:, 0], [-0.5, 0.5, -0.5, 0.5, 0])
    assert data.name == "ravdess-less-actor-means"
    assert data.features == ("AU01_r less the actor's mean", "AU12_c less the actor's mean")


def test_tables_that_are_no_ravdess(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("AU01_r,clip\n1,holiday\n")
    with pytest.raises(DataError, match="no rows of RAVDESS speech clips"):
        mien.open_dataset(f"ravdess:{tmp_path / 'a.csv'}")
    (tmp_path / "b.csv").write_text("AU01_r,who\n1,x\n")
    with pytest.raises(DataError, match="no clip name column"):
        mien.open_dataset(f"ravdess:{tmp_path / 'b.csv'}")
    with pytest.raises(DataError, match=r"no column 'AUX\*'"):
        mien.open_dataset(f"ravdess:{table(tmp_path / 'units.csv')}?columns=AUX*")


def test_the_real_table() -> None:
    import os

    root = os.environ.get("MIEN_DATA")
    path = Path(root or ".") / "ravdess" / "action_units.csv"
    if not root or not path.exists():
        pytest.skip("MIEN_DATA is not set, or holds no ravdess/action_units.csv")
    data = mien.open_dataset(f"ravdess:{path}")
    assert (len(data), len(data.features), len(set(data.columns["actor"]))) == (1440, 35, 24)
    assert data.counts() == dict.fromkeys(data.space.names, 192) | {"neutral": 96}
    assert [int((data.columns["fold"] == fold).sum()) for fold in "12345"] == [300, 300, 300, 300, 240]
