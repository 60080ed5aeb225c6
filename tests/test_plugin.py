"""A package that brings a modality, a data set, a network and a recipe: installed, trained, evaluated, predicted with.

It is the one that docs/add-a-*.md show.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import RunCli, one_line

SOURCE = Path(__file__).parent / "plugin"
WORDS = {"joy": "happy glad merry jolly", "sadness": "sad lonely gloomy bleak", "anger": "angry furious cross mad"}

FRAMES = (
    "today i was {}", "she is so {}", "{} all day", "at home {}", "i feel {}", "so {} again", "he is {}", "we are {}",
)  # fmt: skip


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a process that has the package, as pip installs it; nothing is fetched."""
    folder = tmp_path_factory.mktemp("plugin")
    shutil.copytree(SOURCE, folder / "source")
    install = ["pip", "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--no-cache-dir"]
    command = [sys.executable, "-m", *install, "--target", str(folder / "site"), str(folder / "source")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return {"PYTHONPATH": os.pathsep.join([str(folder / "site"), *sys.path])}


@pytest.fixture
def diary(tmp_path: Path) -> Path:
    folder = tmp_path / "diary"
    folder.mkdir()
    entries = [
        {"text": frame.format(word), "mood": label}
        for frame in FRAMES
        for label, words in WORDS.items()
        for word in words.split()
    ]
    (folder / "2024-05-01.json").write_text(json.dumps([*entries, {"text": "", "mood": "joy"}]), "utf-8")
    return folder


@pytest.mark.slow
def test_everything_works_with_it(installed: dict[str, str], diary: Path, tmp_path: Path, run_cli: RunCli) -> None:
    def mien(*words: str) -> dict:
        done = run_cli(*words, "--json", env=installed, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    stats = mien("data", "stats", "diary:diary")
    assert (stats["n"], stats["left_out"]) == (96, {"empty": 1})
    trained = run_cli("train", "letters", "--data", "diary:diary", "--out", "run", env=installed, cwd=tmp_path)
    assert trained.returncode == 0, trained.stderr
    figures = mien("evaluate", "run", "--data", "diary:diary", "--split", "all")
    assert figures["accuracy"] > 0.6
    found = mien("predict", "so gloomy today", "merry", "--model", "run")
    assert [result["modality"] for result in found["results"]] == ["letters", "letters"]
    assert found["results"][0]["label"] in WORDS
    assert mien("predict", "merry", "--model", "run")["results"][0] == found["results"][1]
    text = run_cli("predict", "so gloomy today", "--model", "run", "--labels", "ekman7", env=installed, cwd=tmp_path)
    assert (text.returncode, text.stdout.splitlines()[0]) == (0, "so gloomy today")
    listed = run_cli("train", "list", env=installed, cwd=tmp_path).stdout
    assert "The letters of a text, counted." in listed


def test_without_it_one_line_says_what_is_missing(diary: Path, tmp_path: Path, run_cli: RunCli) -> None:
    assert "no data set 'diary'" in one_line(run_cli("data", "stats", "diary:diary", cwd=tmp_path))
    assert "letters" in one_line(run_cli("train", "letters", "--data", "sample:text", cwd=tmp_path))


def test_it_is_small() -> None:
    lines = {path: [line for line in path.read_text("utf-8").splitlines() if line] for path in SOURCE.rglob("*.*")
             if path.suffix in (".py", ".toml", ".yaml")}  # fmt: skip
    assert sum(map(len, lines.values())) <= 60
    assert len(lines[SOURCE / "mien_letters" / "dataset.py"]) <= 15
