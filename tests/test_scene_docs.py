"""What docs/scenes.md tells people to type to retrain on their own pictures does what it says."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import mien
from mien.cli.app import app

ROOT = Path(__file__).parents[1]
DOCS = (ROOT / "docs/scenes.md").read_text("utf-8")
SECTION = DOCS.partition("## Retrain on your own domain")[2].partition("\n## ")[0]
#: Fewer and smaller pictures and fewer epochs, so that it takes seconds.
QUICK = ["--set", "preprocess.size=64", "--set", "preprocess.source=64"]
ROOMS, EPOCHS = 80, {"epochs=3": "epochs=2", "epochs=8": "epochs=2"}


@pytest.mark.slow
def test_the_commands_of_retraining(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lines = "\n".join(re.findall(r"```sh\n(.*?)```", SECTION, re.DOTALL)).replace("\\\n", " ").splitlines()
    data, out = "", {}
    for line in lines:
        words = [EPOCHS.get(word, word) for word in shlex.split(line.replace("$DATA", data), comments=True)]
        if not words:
            continue
        if words[0] == "python":
            command = [sys.executable, str(ROOT / words[1]), *words[2:], "--count", str(ROOMS)]
            subprocess.run(command, check=True, capture_output=True)
        elif words[0].startswith("DATA="):
            data = words[0].removeprefix("DATA=")
        else:
            assert words[0] == "mien"
            result = CliRunner().invoke(app, [*words[1:], *(QUICK if words[1] == "train" else [])])
            assert result.exit_code == 0, (line, result.output)
            out[line] = result.output
    assert len(out) == 6
    found = {name: mien.load(tmp_path / "runs" / name).manifest for name in ("frozen", "full", "labels")}
    assert found["frozen"].metrics["rooms/val"]["ratings"]["pleasant"]["pearson"] > 0.6
    assert [row["epoch"] for row in found["full"].training["history"]] == [1, 2]
    assert found["full"].metrics["rooms/val"]["ratings"]["pleasant"]["pearson"] > 0.6
    assert found["labels"].space.names == ("bleak", "cosy")
    assert found["full"].training["start"]["recipe"] == "scene-affect"
    assert "oasis" in {entry["spec"].partition(":")[0] for entry in found["frozen"].data}
    assert len((tmp_path / "rooms.csv").read_text("utf-8").splitlines()) == ROOMS + 1
