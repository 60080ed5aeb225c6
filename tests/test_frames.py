"""The store of face crops: what is in it, and that it survives whatever stops or damages it."""

from __future__ import annotations

import errno
import json
import os
import pickle
import shutil
import sys

import cv2
import numpy as np
import pytest

import drawn_clips
from face_model import face_model
from filmed import write_clip
from mien.errors import DataError, MienError, ModelError
from mien.media.clips import ClipReader
from mien.modalities.face.detect import FaceDetector
from mien.modalities.face.preprocess import FaceSettings, align
from mien.modalities.video.frames import CROPS, INDEX, Crops, FrameStore, Rows, Sequences, cache_folder
from mien.modalities.video.preprocess import VideoSettings
from mien.runtime import Session

SETTINGS = VideoSettings(face=FaceSettings(size=32, channels=3), fps=5)


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Four clips: three of faces, and the third without one."""
    folder = tmp_path_factory.mktemp("clips")
    paths = [
        write_clip(folder / f"{code}.mp4", drawn_clips.frames(drawn_clips.LOOKS[code], 2, 5, int(code)), fps=5)
        for code in ("03", "04", "05")
    ]
    empty = write_clip(folder / "empty.mp4", [np.full((160, 160, 3), 90, np.uint8)] * 5, fps=5)
    return [str(path) for path in (*paths[:2], empty, paths[2])]


@pytest.fixture(scope="module")
def detector():
    return FaceDetector(threads=1)


@pytest.fixture(scope="module")
def whole(clips, detector, tmp_path_factory):
    """What a store holds of the clips that nothing ever stopped."""
    store = FrameStore(SETTINGS, detector, tmp_path_factory.mktemp("whole"))
    return store, store.add(clips)


def contents(store, entries):
    return [(entry.times, entry.people, store.rows.read(entry.start, len(entry.times))) for entry in entries]


def same(one, two):
    for (times, people, crops), (other_times, other_people, other_crops) in zip(one, two, strict=True):
        assert (times, people) == (other_times, other_people)
        np.testing.assert_array_equal(crops, other_crops)


def test_it_holds_the_faces_of_the_frames_as_prediction_cuts_them(clips, detector, whole):
    store, entries = whole
    assert [len(entry.times) for entry in entries] == [5, 5, 0, 5]
    np.testing.assert_allclose(entries[0].times, np.arange(5) / 5, atol=1e-3)
    assert entries[2].problem == f"{clips[2]}: no face was found"
    assert store.rows.path.stat().st_size == 15 * 32 * 32 * 3
    with ClipReader(clips[3]) as clip:
        picture = next(iter(clip)).picture
    wanted = align(picture, detector.find(picture)[0], SETTINGS.face)
    np.testing.assert_array_equal(store.rows.read(entries[3].start)[0], wanted)


def test_what_it_holds_is_not_cut_again(clips, whole, tmp_path, detector, monkeypatch):
    store, entries = whole
    shutil.copytree(store.folder, tmp_path / store.folder.name)
    monkeypatch.setattr("mien.modalities.video.frames.Faces", None)  # cutting would fail
    other = FrameStore(SETTINGS, detector, tmp_path)
    same(contents(other, other.add(clips[::-1])), contents(store, entries[::-1]))


def test_other_settings_have_a_store_of_their_own(detector, tmp_path):
    names = {
        FrameStore(settings, detector, tmp_path).folder
        for settings in (
            SETTINGS,
            SETTINGS.model_copy(update={"fps": 4}),
            SETTINGS.model_copy(update={"frames": 3}),
            SETTINGS.model_copy(update={"face": FaceSettings(size=32)}),
        )
    }
    assert len(names) == 4
    smoothed = SETTINGS.model_copy(update={"smooth": 3.0, "aggregate": "vote"})  # these cut nothing otherwise
    assert FrameStore(smoothed, detector, tmp_path).folder in names


def test_a_run_that_was_killed_is_gone_on_with(clips, detector, whole, tmp_path, monkeypatch):
    store = FrameStore(SETTINGS, detector, tmp_path)
    synced = []

    def die(file):
        synced.append(file)
        if len(synced) == 2:
            raise KeyboardInterrupt  # the crops of the second clip are on the disk, and nothing tells of them

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", die)
        with pytest.raises(KeyboardInterrupt):
            store.add(clips)
    assert len((store.folder / INDEX).read_text().splitlines()) == 1
    assert store.rows.path.stat().st_size > 5 * store.rows.bytes
    again = FrameStore(SETTINGS, detector, tmp_path)
    same(contents(again, again.add(clips)), contents(*whole))
    assert again.dropped == 0


@pytest.mark.parametrize("damage", ["crops", "line", "gone"])
def test_what_was_lost_is_noticed_and_cut_again(clips, detector, whole, tmp_path, damage):
    source, entries = whole
    shutil.copytree(source.folder, tmp_path / source.folder.name)
    store = FrameStore(SETTINGS, detector, tmp_path)
    if damage == "crops":
        os.truncate(store.folder / CROPS, 7 * store.rows.bytes)
    elif damage == "gone":
        (store.folder / CROPS).unlink()
    else:
        lines = (store.folder / INDEX).read_text().splitlines()
        (store.folder / INDEX).write_text("\n".join([*lines[:2], lines[2][:20]]))
    same(contents(store, store.add(clips)), contents(source, entries))
    assert store.dropped == {"crops": 3, "line": 1, "gone": 4}[damage]
    assert [json.loads(line)["start"] for line in (store.folder / INDEX).read_text().splitlines()] == [0, 5, 10, 10]


def test_a_file_cut_off_while_it_is_read_is_one_line(whole, tmp_path):
    shutil.copyfile(whole[0].rows.path, tmp_path / "crops.bin")
    os.truncate(tmp_path / "crops.bin", 1000)
    rows = Rows(tmp_path / "crops.bin", (32, 32, 3), "uint8")
    with pytest.raises(DataError, match=r"crops\.bin is cut off"):
        rows.read(0)
    with pytest.raises(DataError, match=r"gone\.bin cannot be read: No such file"):
        Rows(tmp_path / "gone.bin", (2,), "uint8").read(0)


def test_a_full_disk_is_one_line_and_loses_nothing(clips, detector, whole, tmp_path, monkeypatch):
    store, synced = FrameStore(SETTINGS, detector, tmp_path), []

    def full(file):
        synced.append(file)
        if len(synced) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(MienError) as caught:
            store.add(clips)
    message = str(caught.value)
    assert "No space left on device; 1 of 4 clips are cut and kept" in message
    assert "\n" not in message
    same(contents(store, store.add(clips)), contents(*whole))


def test_one_run_writes_at_a_time(clips, detector, tmp_path):
    one, two = (FrameStore(SETTINGS, detector, tmp_path) for _ in range(2))
    with one._alone(), pytest.raises(MienError, match="another run is cutting faces"):
        two.add(clips)
    assert [len(entry.times) for entry in two.add(clips[:1])] == [5]


def test_a_clip_that_changed_is_another(clips, detector, tmp_path):
    path = tmp_path / "clip.mp4"
    shutil.copyfile(clips[0], path)
    store = FrameStore(SETTINGS, detector, tmp_path / "store")
    assert store.add([str(path)])[0].start == 0
    shutil.copyfile(clips[2], path)
    assert store.add([str(path)])[0].problem == f"{path}: no face was found"
    assert len(store.clips) == 2


def test_a_clip_that_cannot_be_read_is_named_and_tried_again(clips, detector, tmp_path):
    missing, text = str(tmp_path / "gone.mp4"), tmp_path / "text.mp4"
    text.write_text("no clip")
    store = FrameStore(SETTINGS, detector, tmp_path / "store")
    found = store.add([missing, str(text), clips[0]])
    assert found[0].problem == f"there is no file {missing}"
    assert str(text) in found[1].problem
    assert [len(entry.times) for entry in found] == [0, 0, 5]
    assert len((store.folder / INDEX).read_text().splitlines()) == 1


def test_where_crops_are_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("MIEN_CACHE", raising=False)
    assert cache_folder() == tmp_path / "mien"
    monkeypatch.setenv("MIEN_CACHE", str(tmp_path / "elsewhere"))
    assert cache_folder() == tmp_path / "elsewhere"
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(MienError, match="MIEN_CACHE names another folder"):
        FrameStore(SETTINGS, FaceDetector(threads=1), blocked)


# ---------------------------------------------------------------------------------------------- sequences of rows


def test_crops_are_a_sequence_read_from_disk(tmp_path):
    values = np.random.default_rng(0).integers(0, 256, (6, 4, 4, 1), dtype=np.uint8)
    values.tofile(tmp_path / "crops.bin")
    crops = Crops(Rows(tmp_path / "crops.bin", (4, 4, 1), "uint8"), np.array([5, 0, 2]))
    assert len(crops) == 3
    np.testing.assert_array_equal(crops[0], values[5, :, :, 0])  # gray, as pictures of one channel are given
    np.testing.assert_array_equal(np.stack(list(crops[1:])), values[[0, 2], :, :, 0])
    twin = pickle.loads(pickle.dumps(crops))  # for another process
    np.testing.assert_array_equal(twin[2], values[2, :, :, 0])


def test_sequences_take_the_rows_of_one_person(tmp_path):
    values = np.random.default_rng(0).random((9, 3)).astype(np.float32)
    values.tofile(tmp_path / "features.bin")
    rows = Rows(tmp_path / "features.bin", (3,), "float32")
    found = Sequences(rows, [np.array([1, 2, 3]), np.array([4, 6, 8])])
    np.testing.assert_array_equal(found.lengths, [3, 3])
    np.testing.assert_array_equal(found[1], values[[4, 6, 8]])
    np.testing.assert_array_equal(found[1:][0], values[[4, 6, 8]])
    assert len(rows) == 9


# ------------------------------------------------------------------------------------------------------ features


def test_features_are_read_once_and_again_where_crops_changed(clips, detector, tmp_path):
    network = face_model(tmp_path / "model", size=32, channels=3) / "model.onnx"
    store = FrameStore(SETTINGS, detector, tmp_path / "store")
    store.add(clips[:1])
    first = store.features(network)
    before = first.path.stat().st_mtime_ns
    assert len(first) == 5
    store.add(clips)
    with first.path.open("ab") as file:
        file.write(b"cut")  # a run that was killed while it wrote
    both = store.features(network)
    assert both.path == first.path
    assert both.path.stat().st_mtime_ns > before
    crops = store.rows.read(0, 15)
    wanted = Session(network).run(crops, "features")
    np.testing.assert_allclose(both.read(0, 15), wanted, rtol=1e-6)
    means = crops.reshape(15, -1).mean(1) / 255
    np.testing.assert_allclose(wanted[:, 0], means, rtol=1e-4)
    os.truncate(store.rows.path, 3 * store.rows.bytes)
    store.add(clips[3:])  # other crops now stand where those of the first clip were
    np.testing.assert_allclose(store.features(network).read(0, 5)[:, 0], means[10:15], rtol=1e-4)
    with pytest.raises(ModelError, match="gives no features"):
        store.features(face_model(tmp_path / "plain", size=32, channels=3, features=False) / "model.onnx")


def test_the_crops_show_the_face(whole):
    """The eyes of the drawn face lie where FER2013 has them: dark spots on a light ground."""
    store, entries = whole
    gray = cv2.cvtColor(store.rows.read(entries[0].start)[0], cv2.COLOR_RGB2GRAY).astype(int)
    for x, y in SETTINGS.face.landmarks[:2]:
        column, row = round(x * 32), round(y * 32)
        around = gray[row - 3 : row + 4, column - 4 : column + 5]
        assert around.min() < 110
        assert around.max() > 180


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="file names are text there")
def test_clips_of_odd_names_are_kept_too(clips, tmp_path, detector):
    """A name with a line's end that JSON leaves as it is, and one that is no UTF-8."""
    paths = [os.fsdecode(os.fsencode(tmp_path) + name) for name in ("/a\u2028b.mp4".encode(), b"/caf\xe9.mp4")]
    for path, clip in zip(paths, clips, strict=False):
        shutil.copy(clip, path)
    store = FrameStore(SETTINGS, detector, tmp_path / "store")
    found = contents(store, store.add(paths))
    again = FrameStore(SETTINGS, detector, tmp_path / "store")
    same(contents(again, again.add(paths)), found)
    assert again.dropped == 0
    assert len(again.clips) == 2
