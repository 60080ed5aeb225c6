"""What goes into the wheel: small, nothing twice, nothing that only training reads."""

from __future__ import annotations

import hashlib
import tomllib
from collections import Counter
from fnmatch import fnmatch
from pathlib import Path

import mien
from mien.modalities.face.landmarks import FOLDER
from mien.model import WEIGHTS, find_file, read_manifest, shipped

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PACKED = [
    path
    for path in (ROOT / "src/mien").rglob("*")
    if path.is_file()
    and path.suffix != ".pyc"
    and not any(
        fnmatch(path.relative_to(ROOT).as_posix(), pattern)
        for pattern in PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["exclude"]
    )
]


def test_the_wheel_stays_small() -> None:
    """`make dist` measures the environment; at most 420 MB, of which 44 MB are mien's own."""
    assert sum(path.stat().st_size for path in PACKED) < 44e6
    assert not [path for path in PACKED if path.stat().st_size > 25e6]


def test_the_multilingual_model_has_a_wheel_of_its_own() -> None:
    assert not [path for path in PACKED if "text-multilingual" in path.parts]
    other = tomllib.loads((ROOT / "multilingual/pyproject.toml").read_text("utf-8"))
    (pair,) = other["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"].items()
    assert (ROOT / "multilingual" / pair[0]).resolve() == shipped()["text-multilingual"] == ROOT / "src" / pair[1]
    assert sum(path.stat().st_size for path in shipped()["text-multilingual"].iterdir()) < 60e6


def test_the_networks_of_landmarks_have_a_wheel_of_their_own() -> None:
    """None of them is in git, nor in mien's own wheel; theirs carries Google's license."""
    assert not [path for path in PACKED if path.parent == FOLDER]
    other = tomllib.loads((ROOT / "landmarks/pyproject.toml").read_text("utf-8"))
    assert (other["project"]["license"], other["project"]["license-files"]) == ("Apache-2.0", ["LICENSE", "NOTICE"])
    assert "Apache License" in (ROOT / "landmarks/LICENSE").read_text("utf-8")
    assert "Changed" in (ROOT / "landmarks/NOTICE").read_text("utf-8")
    hook = (ROOT / "landmarks/hatch_build.py").read_text("utf-8")
    assert f'FOLDER = "{FOLDER.relative_to(ROOT / "src").as_posix()}"' in hook
    ignored = (ROOT / ".gitignore").read_text("utf-8").splitlines()
    assert f"/{FOLDER.relative_to(ROOT).as_posix()}/" in ignored


def test_nothing_large_is_in_it_twice() -> None:
    large = [path for path in PACKED if path.stat().st_size > 100_000]
    digests = Counter(hashlib.sha256(path.read_bytes()).hexdigest() for path in large)
    assert len(large) >= 6
    assert max(digests.values()) == 1


def test_training_weights_have_a_wheel_of_their_own() -> None:
    assert WEIGHTS not in {path.name for path in PACKED}
    other = tomllib.loads((ROOT / "weights/pyproject.toml").read_text("utf-8"))
    packed = other["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    kept = {f"mien/models/{name}/{WEIGHTS}" for name, folder in shipped().items() if (folder / WEIGHTS).exists()}
    assert kept == set(packed.values())
    assert [(ROOT / "weights" / path).resolve() for path in packed] == [ROOT / "src" / path for path in packed.values()]


def test_all_versions_are_one() -> None:
    others = [
        tomllib.loads((ROOT / name / "pyproject.toml").read_text("utf-8"))
        for name in ("weights", "multilingual", "landmarks")
    ]
    assert {mien.__version__} == {one["project"]["version"] for one in (PROJECT, *others)}
    assert f"## [{mien.__version__}]" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_a_shipped_model_may_leave_a_file_to_another(tmp_path: Path) -> None:
    """Any other model folder stands alone."""
    manifest = read_manifest(shipped()["video"])
    entry = manifest.files["model.onnx"]
    assert find_file(shipped()["video"], "model.onnx", entry) == shipped()["face"] / "model.onnx"
    assert find_file(tmp_path, "model.onnx", entry) == tmp_path / "model.onnx"
    other = entry.model_copy(update={"bytes": 7})
    assert find_file(shipped()["video"], "model.onnx", other) == shipped()["video"] / "model.onnx"
