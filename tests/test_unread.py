"""``mien evaluate`` on pictures and clips of which some cannot be read: they are named, counted and left out."""

from __future__ import annotations

import json
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from conftest import RunCli, one_line
from face_model import FER, face_model, video_model
from filmed import write_clip
from mien.datasets import open_dataset
from mien.evaluation import evaluate
from mien.evaluation import samples as looked_at
from mien.media import folders
from scene_model import scene_model

LABELS = (FER[0], FER[6])


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """Two clips of two labels each, none with a face, and two that are none."""
    for label in LABELS:
        (tmp_path / "clips" / label).mkdir(parents=True)
        for number in range(2):
            picture = np.full((48, 64, 3), 60 * number, np.uint8)
            write_clip(tmp_path / "clips" / label / f"{number}.mp4", [picture] * 5, fps=5)
    whole = (tmp_path / "clips" / LABELS[0] / "0.mp4").read_bytes()
    (tmp_path / "clips" / LABELS[0] / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "clips" / LABELS[1] / "0.avi").write_bytes(b"rubbish" * 100)
    return tmp_path / "clips"


def test_clips_that_cannot_be_read_are_named_and_left_out(clips: Path, tmp_path: Path, run_cli: RunCli):
    model = video_model(tmp_path / "model")
    done = run_cli("evaluate", model, "--data", f"clips:{clips}", "--split", "all", "--json", "--out", "report")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["n"] == 4
    assert (
        document["confusion"]["counts"]
        == json.loads((tmp_path / "report" / "report.json").read_text())["confusion"]["counts"]
    )
    assert [row["support"] for row in document["per_label"].values()] == [2, 0, 0, 0, 0, 0, 2]
    names = [f"{LABELS[0]}/cut.mp4", f"{LABELS[1]}/0.avi"]
    assert sorted(entry["where"] for entry in document["unread"]) == names
    for entry, name in zip(sorted(document["unread"], key=lambda entry: entry["where"]), names, strict=True):
        assert str(clips / name) in entry["what"]
        assert entry["what"] in done.stderr
    assert "2 of 6 samples could not be read and are left out" in done.stderr
    assert "left out, 2 of 6" in (tmp_path / "report" / "report.html").read_text()


def test_no_clip_is_read_twice_for_the_sake_of_another(clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    opened: Counter[str] = Counter()

    class Counting(folders.ClipReader):
        def __init__(self, path: Any, **kwargs: Any) -> None:
            opened[Path(path).name] += 1
            super().__init__(path, **kwargs)

    monkeypatch.setattr(folders, "ClipReader", Counting)
    steps: list[int] = []
    report = evaluate(video_model(tmp_path / "model"), f"clips:{clips}", "all", progress=steps.append)
    assert report.figures["n"] == 4
    assert opened == {"0.mp4": 2, "1.mp4": 2}
    assert sum(steps) == 6


def test_where_no_clip_can_be_read_it_is_one_line(clips: Path, tmp_path: Path, run_cli: RunCli):
    for path in clips.rglob("*.mp4"):
        path.write_bytes(b"")
    model = video_model(tmp_path / "model")
    told = one_line(run_cli("evaluate", model, "--data", f"clips:{clips}", "--split", "all", "--json"))
    assert "none of the 6 clips can be read: " in told


@pytest.mark.parametrize("kind", ["face", "scene"])
def test_pictures_that_cannot_be_read_are_named_and_left_out(kind: str, tmp_path: Path, run_cli: RunCli):
    names = LABELS if kind == "face" else ("dark", "bright")
    model = face_model(tmp_path / "model") if kind == "face" else scene_model(tmp_path / "model")
    rows = [f"{name}.png,{name}\n" for name in names]
    for place, name in enumerate(names):
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.full((16, 16, 3), 10 + 230 * place, np.uint8))
    whole = (tmp_path / f"{names[1]}.png").read_bytes()
    at, end = whole.index(b"IDAT"), whole.index(b"IEND") - 8
    chunk = b"IDAT" + bytes(end - at - 4)  # with its check sum, so that only who decodes it sees that it is damaged
    (tmp_path / "bad.png").write_bytes(whole[:at] + chunk + zlib.crc32(chunk).to_bytes(4, "big") + whole[end + 4 :])
    (tmp_path / "t.csv").write_text("file,label\n" + "".join(rows) + f"bad.png,{names[1]}\n")
    spec = f"table:t.csv?modality={kind}"
    data = open_dataset(f"table:{tmp_path}/{spec[6:]}")
    assert len(data) == 3
    assert data.problems == ()
    done = run_cli("evaluate", model, "--data", spec, "--split", "all", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["n"] == 2
    assert [entry["where"] for entry in document["unread"]] == ["t.csv:4"]
    assert "bad.png" in document["unread"][0]["what"]
    assert "1 of 3 samples could not be read and are left out" in done.stderr
    assert not looked_at.unreadable(open_dataset("sample:text"))
