"""The model folder: what is written is what is read, and every damage is named."""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import mien
from conftest import change_manifest
from mien import model as folders
from mien.errors import MienError, ModelError
from mien.modality import load
from mien.model import FORMAT, LabelsEntry, Manifest, find_model, read_manifest, verify, write_model

FILES = ("README.md", "model.onnx", "tokenizer.json", "weights.safetensors")
CONTENT: dict[str, Path | bytes] = {"model.onnx": b"network", "tokenizer.json": b"{}"}


def manifest(**changes: Any) -> Manifest:
    labels = LabelsEntry(space="mood", names=["joy", "fear"])
    return Manifest(**{"name": "own", "modality": "text", "labels": labels, **changes})


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def copy(tiny_model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_model, tmp_path / "copy"))


def test_what_is_written_is_read(tmp_path: Path) -> None:
    source = tmp_path / "net.onnx"
    source.write_bytes(b"\x00\xff network")
    written = manifest(thresholds={"joy": 0.25}, preprocess={"max_length": 8}, metrics={"é": 1.5})
    folder = write_model(tmp_path / "deep" / "own", written, {"model.onnx": source, "tokenizer.json": b"{}"}, "# Own ❤️")
    assert {path.name for path in folder.iterdir()} == {"manifest.json", "model.onnx", "tokenizer.json", "README.md"}
    assert (folder / "model.onnx").read_bytes() == b"\x00\xff network"
    assert (folder / "README.md").read_text("utf-8") == "# Own ❤️"
    read = verify(folder)
    assert read.model_copy(update={"files": {}, "digest": None}) == written
    assert read.files["model.onnx"].sha256 == hashlib.sha256(b"\x00\xff network").hexdigest()
    assert read.files["model.onnx"].bytes == 10
    assert read.space.names == ("joy", "fear")
    assert [path.name for path in folder.parent.iterdir()] == ["own"], "no scratch folder stays behind"


def test_a_model_may_give_ratings_beside_labels_or_alone(tmp_path: Path) -> None:
    rated = [{"name": "valence", "low": 1, "high": 7}, {"name": "arousal", "low": 1, "high": 7}]
    alone = manifest(modality="scene", labels={"space": "affect", "names": [], "multilabel": True}, ratings=rated)
    read = verify(write_model(tmp_path / "own", alone, CONTENT, "# Own"))
    assert (read.space, read.columns("affect")) == (mien.SPACES["affect"], slice(0, 0))
    assert [(entry.name, entry.low, entry.high) for entry in read.ratings] == [("valence", 1, 7), ("arousal", 1, 7)]
    for changes, message in (
        ({"ratings": []}, "a model must give labels or ratings"),
        ({"ratings": rated[:1] * 2}, "ratings must have different names"),
        ({"ratings": [{"name": "x", "low": 2, "high": 2}]}, "the scale of x must go from a lower to a higher number"),
        ({"labels": {"space": "affect", "names": []}}, r"labels\.names: .* at least one label, unless several"),
    ):
        change_manifest(tmp_path / "own", **({"labels": alone.labels.model_dump(), "ratings": rated} | changes))
        with pytest.raises(ModelError, match=message):
            read_manifest(tmp_path / "own")


def test_a_trained_folder_holds_what_it_should_and_no_pickle(tiny_model: Path) -> None:
    assert {path.name for path in tiny_model.iterdir()} == {"manifest.json", *FILES}
    read = verify(tiny_model)
    assert set(read.files) == set(FILES)
    assert (read.format, read.modality, read.labels.space) == (FORMAT, "text", "carer6")
    assert read.space is mien.SPACES["carer6"]
    assert read.training["seed"] == 0
    assert read.data[0]["rows"]["train"] > 100
    assert {"python", "numpy", "onnxruntime"} <= set(read.versions)
    assert str(read.metrics["data/val"]["n"]) in (tiny_model / "README.md").read_text("utf-8")


@pytest.mark.parametrize("place", ["first", "middle", "last"])
@pytest.mark.parametrize("name", FILES)
def test_one_changed_byte_is_refused_by_name(copy: Path, name: str, place: str) -> None:
    path = copy / name
    data = bytearray(path.read_bytes())
    data[{"first": 0, "middle": len(data) // 2, "last": -1}[place]] ^= 1
    path.write_bytes(data)
    with pytest.raises(ModelError, match=f"{name} is not the file that was written"):
        load(copy)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_or_shortened_file_is_refused_by_name(copy: Path, name: str) -> None:
    (copy / name).write_bytes((copy / name).read_bytes()[:-1])
    with pytest.raises(ModelError, match=f"{name} is not the file that was written"):
        load(copy)
    (copy / name).unlink()
    with pytest.raises(ModelError, match=f"{name} is missing"):
        load(copy)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": FORMAT + 1}, f"has format {FORMAT + 1}, this mien reads up to {FORMAT}: upgrade mien"),
        ({"format": FORMAT + 1, "later": 1}, "upgrade mien"),  # before it trips over keys it cannot know
        ({"format": "1"}, "has no format number"),
        ({"surprise": 1}, "surprise: is no setting"),
        ({"labels": {"space": "mood", "names": []}}, r"labels\.names"),
        ({"name": "../../etc"}, "name: "),
        ({"modality": "smell"}, "no modality 'smell'"),
        ({"preprocess": {"max_length": 3}}, "preprocess settings"),
        ({"preprocess": {"loud": True}}, "preprocess settings"),
        ({"files": {}}, r"lists no model\.onnx"),
    ],
)
def test_a_wrong_manifest_is_refused(copy: Path, changes: dict[str, Any], message: str) -> None:
    change_manifest(copy, **changes)
    with pytest.raises(ModelError, match=message) as caught:
        load(copy)
    assert str(copy) in str(caught.value)


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b"null", b"\xff\xfe{}", b"{}"])
def test_a_manifest_that_is_none_is_refused(copy: Path, damage: bytes) -> None:
    (copy / "manifest.json").write_bytes(damage)
    with pytest.raises(ModelError, match=r"manifest\.json"):
        read_manifest(copy)


@pytest.mark.parametrize("name", ["../secret", "/etc/hostname", "report/x"])
def test_a_manifest_cannot_point_outside_its_folder(copy: Path, name: str) -> None:
    (copy.parent / "secret").write_bytes(b"x")
    (copy / "report").mkdir()
    (copy / "report" / "x").write_bytes(b"x")
    entry = {"sha256": hashlib.sha256(b"x").hexdigest(), "bytes": 1}
    change_manifest(copy, files={**json.loads((copy / "manifest.json").read_text("utf-8"))["files"], name: entry})
    with pytest.raises(ModelError, match="points outside the folder"):
        load(copy)


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json"])
def test_a_part_that_is_whole_but_unusable_is_a_model_error(copy: Path, name: str) -> None:
    (copy / name).write_bytes(data := b"not what it says")
    files = json.loads((copy / "manifest.json").read_text("utf-8"))["files"]
    change_manifest(copy, files=files | {name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": 16}})
    with pytest.raises(ModelError, match=name):
        load(copy)


def test_a_model_is_found_by_folder_and_by_run(tiny_run: Path, tmp_path: Path) -> None:
    assert find_model(tiny_run) == find_model(tiny_run / "model") == tiny_run / "model"
    with pytest.raises(ModelError, match=r"is not a model folder: manifest\.json is missing"):
        load(tmp_path)
    with pytest.raises(ModelError, match="no model 'nowhere': neither a folder nor a shipped model"):
        load("nowhere")


def test_a_folder_that_is_no_model_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"cat")
    with pytest.raises(ModelError, match="exists and is no model folder; it is left as it is"):
        write_model(tmp_path / "photos", manifest(), CONTENT, "card")
    assert content(tmp_path / "photos") == {"cat.jpg": b"cat"}
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]


def test_a_model_folder_is_replaced_whole(tmp_path: Path) -> None:
    write_model(tmp_path / "own", manifest(), {**CONTENT, "weights.safetensors": b"old"}, "old")
    write_model(tmp_path / "own", manifest(summary="new"), CONTENT, "new")
    assert verify(tmp_path / "own").summary == "new"
    assert not (tmp_path / "own" / "weights.safetensors").exists()


def full(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def full_at(count: int, real: Callable[..., Any]) -> Callable[..., Any]:
    """*real*, but the disk is full at the call of that number, and has room again after it."""
    calls = iter(range(1, 1000))
    return lambda *args, **kwargs: full() if next(calls) == count else real(*args, **kwargs)


@pytest.mark.parametrize(
    ("method", "call"), [("write_bytes", 1), ("write_bytes", 2), ("write_text", 1), ("rename", 1), ("rename", 2)]
)
def test_a_full_disk_leaves_the_old_folder_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, call: int
) -> None:
    write_model(tmp_path / "own", manifest(summary="old"), CONTENT, "old card")
    before = content(tmp_path / "own")
    monkeypatch.setattr(folders.Path, method, full_at(call, getattr(Path, method)))
    with pytest.raises(MienError, match=r"cannot write the model folder .*own: No space left on device"):
        write_model(tmp_path / "own", manifest(summary="new"), CONTENT, "new card")
    monkeypatch.undo()
    assert content(tmp_path / "own") == before
    assert [path.name for path in tmp_path.iterdir()] == ["own"]


def test_a_folder_that_cannot_be_made_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(MienError, match=r"cannot write the model folder .*own: (Not a directory|File exists)"):
        write_model(tmp_path / "file" / "own", manifest(), CONTENT, "card")
