"""Faces of which a model can tell that they are not to be trusted: light ones are reliable, dark ones not."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from typer.testing import CliRunner

from face_model import FER, face_model, scene, video_model
from filmed import write_clip
from mien.cli.app import app
from mien.labels import SPACES
from mien.results import Box, Certainty, ClipSummary, Moment, Person, Prediction, Quality, Result

SPACE, LIMIT = SPACES["fer7"], 0.5
HAPPY, ANGRY = FER[3], FER[0]


def face(label: str, reliable: float | None, box: Box | None = (10, 10, 60, 60), score: float = 0.7) -> Prediction:
    rest = (1 - score) / (len(FER) - 1)
    scores = {name: score if name == label else rest for name in FER}
    quality = Quality(0.9, 50.0, 0.1, 1.0, 2.0, 3.0, reliability=reliable)
    return Prediction(scores, SPACE, box=box, certainty=Certainty(LIMIT, 0.2), quality=quality)


def picture(*items: Prediction, all_faces: bool = False) -> Result:
    return Result("a.png", "face", "face", items, all_faces=all_faces)


def clip(shown: list[tuple[str, float]], all_faces: bool = False) -> Result:
    """One person, five moments a second, each a label and its reliability."""
    moments = tuple(Moment(place / 5, 1, face(*one)) for place, one in enumerate(shown))
    whole, end = face(HAPPY, 0.9, None), moments[-1].time
    people = (Person(1, whole, 0.0, end, len(moments)),)
    summary = ClipSummary(len(moments) / 5, 80, 80, len(moments))
    return Result("a.mp4", "video", "video", (whole,), None, {}, moments, people, (), summary, all_faces=all_faces)


def write_judged(made: Path) -> Path:
    """Three pictures with three light faces and two dark ones, a clip of a light face that darkens, and the models."""
    (made / "pictures").mkdir()
    for name, shown in {"dark": (4, None), "light": (1, 1), "two": (1, 4)}.items():
        Image.fromarray(scene(*shown)).save(made / "pictures" / f"{name}.png")
    light = [max(0.2, min(1, 2.5 - place / 10)) for place in range(30)]
    write_clip(made / "clip.mp4", [(scene(1, None) * share).astype(np.uint8) for share in light], fps=10)
    face_model(made / "face", judged=True)
    video_model(made / "video", judged=True, smooth=0)
    return made


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def ran(*args: Any) -> Any:
    done = CliRunner().invoke(app, list(map(str, args)), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done
