"""Golden answers: what the command line and the server answer to fixed inputs of every kind.

``python tests/golden.py record [NAME...]`` writes them into ``tests/golden/``; ``test_golden.py`` compares. Record anew
only what is meant to change, and read the difference before you commit it.
"""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import json
import os
import re
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import cv2
import numpy as np

from acted import draw_scene
from drawn import fer_csv, folders
from drawn_clips import ravdess
from face_model import drawn_face
from filmed import write_clip
from rows_data import write_table

FOLDER = Path(__file__).parent / "golden"
TEXTS = (
    "i feel so loved today",
    "I am not happy at all with how this was handled.",
    "WE WON!!! I can't believe it 🎉🎉",
    "The meeting starts at nine in room 204.",
    "ugh, the milk was off and I'd already taken a big gulp 🤢",
    "Non, je ne regrette rien.",
    "😂😂😂",
    "lol",
)
LONG = "The first week was dull and nobody spoke. " * 40 + "Then I laughed until I cried, what a wonderful day! " * 20


def two_faces() -> np.ndarray:
    """Two drawn faces side by side, uint8 (240, 480, 3) RGB."""
    picture = np.full((240, 480, 3), (120, 140, 160), np.uint8)
    picture[20:220, 20:220], picture[40:200, 280:440] = drawn_face(200), drawn_face(160)
    return picture


def write_picture(path: Path, picture: np.ndarray, *options: int) -> Path:
    """A picture file of RGB, RGBA or grey pixels."""
    if picture.ndim == 3:
        code = cv2.COLOR_RGBA2BGRA if picture.shape[2] == 4 else cv2.COLOR_RGB2BGR
        picture = cv2.cvtColor(picture, code)
    assert cv2.imwrite(str(path), picture, list(options))
    return path


def films(count: int = 40) -> list[np.ndarray]:
    """A face that moves through a scene: uint8 (180, 320, 3) RGB each."""
    ground, head, found = draw_scene(5), drawn_face(120), []
    for number in range(count):
        frame = ground.copy()
        left = 20 + 4 * number
        frame[30:150, left : left + 120] = head
        found.append(frame)
    return found


def write_inputs(root: Path) -> None:
    """All files that the cases below name."""
    import pandas as pd

    frame = pd.DataFrame({"id": range(len(TEXTS)), "text": TEXTS})
    frame.to_csv(root / "comments.csv", index=False)
    frame.to_csv(root / "semicolons.csv", index=False, sep=";")
    frame.to_csv(root / "comments.tsv", index=False, sep="\t")
    frame.to_parquet(root / "comments.parquet")
    frame.to_pickle(root / "comments.pkl")
    frame.rename(columns={"text": "remark"}).to_csv(root / "remarks.csv", index=False)
    lines = "".join(f"{text}\n" for text in TEXTS)
    (root / "lines.txt").write_text(lines, "utf-8")
    (root / "blank.txt").write_text("i am glad\n\nso sad\n", "utf-8")
    (root / "lines.txt.gz").write_bytes(gzip.compress(lines.encode(), mtime=0))
    objects = "".join(json.dumps({"text": text, "n": n}) + "\n" for n, text in enumerate(TEXTS))
    (root / "comments.jsonl").write_text(objects, "utf-8")
    (root / "comments.jsonl.bz2").write_bytes(bz2.compress(objects.encode()))
    labelled = [("text", "label"), *((f"i feel {word}", label) for label, word in _WORDS)]
    (root / "labelled.csv").write_text("".join(f"{text},{label}\n" for text, label in labelled), "utf-8")
    picture = two_faces()
    for name in ("faces.png", "faces.bmp", "faces.webp", "faces.tif", "faces.ppm"):
        write_picture(root / name, picture, *((cv2.IMWRITE_WEBP_QUALITY, 101) if name.endswith("webp") else ()))
    write_picture(root / "faces.jpg", picture, cv2.IMWRITE_JPEG_QUALITY, 95)
    write_picture(root / "grey.png", picture.mean(2).astype(np.uint8))
    write_picture(root / "clear.png", np.dstack([picture, np.full(picture.shape[:2], 200, np.uint8)]))
    write_picture(root / "empty.png", draw_scene(3))
    folders(root / "crops", 2)
    (root / "party").mkdir()
    write_picture(root / "party" / "a.png", picture)
    write_picture(root / "party" / "b.png", draw_scene(4))
    (root / "party" / "broken.png").write_bytes((root / "faces.png").read_bytes()[:200])
    fer_csv(root / "fer", 20)
    write_clip(root / "talk.mp4", films())
    write_clip(root / "talk.avi", films(), codec="mpeg4", container="avi")
    write_clip(root / "turned.mp4", [np.rot90(each, 1).copy() for each in films()], rotation=90)
    (root / "clips").mkdir()
    write_clip(root / "clips" / "one.mp4", films(20))
    (root / "clips" / "broken.mp4").write_bytes((root / "talk.mp4").read_bytes()[:300])
    ravdess(root / "ravdess", actors=(1, 2), count=8)
    write_table(root / "rows.csv")


_WORDS = [("joy", "happy"), ("sadness", "lonely"), ("anger", "furious"), ("fear", "afraid"), ("love", "adored")]

#: name → the words of a command, without ``mien`` and ``--json``; a word after "<" is what stands on standard input.
CASES: dict[str, Sequence[str]] = {
    "text": ("predict", *TEXTS),
    "text-one": ("predict", TEXTS[0]),
    "text-ekman7": ("predict", *TEXTS, "--labels", "ekman7"),
    "text-carer": ("predict", *TEXTS, "--model", "text-carer"),
    "text-long": ("predict", LONG),
    "text-stdin": ("predict", "-", "<" + "\n".join(TEXTS) + "\n"),
    "text-lines": ("predict", "lines.txt"),
    "text-blank": ("predict", "blank.txt"),
    "text-csv": ("predict", "comments.csv"),
    "text-semicolons": ("predict", "semicolons.csv"),
    "text-tsv": ("predict", "comments.tsv"),
    "text-gz": ("predict", "lines.txt.gz"),
    "text-jsonl": ("predict", "comments.jsonl"),
    "text-bz2": ("predict", "comments.jsonl.bz2"),
    "text-parquet": ("predict", "comments.parquet"),
    "text-pickle": ("predict", "comments.pkl"),
    "text-column": ("predict", "remarks.csv", "--column", "remark"),
    "text-several": ("predict", "comments.csv", "comments.jsonl", "and one more thing"),
    "face-png": ("predict", "faces.png"),
    "face-bmp": ("predict", "faces.bmp"),
    "face-webp": ("predict", "faces.webp"),
    "face-tif": ("predict", "faces.tif"),
    "face-ppm": ("predict", "faces.ppm"),
    "face-jpg": ("predict", "faces.jpg"),
    "face-grey": ("predict", "grey.png"),
    "face-clear": ("predict", "clear.png"),
    "face-none": ("predict", "empty.png"),
    "face-folder": ("predict", "party"),
    "face-crops": ("predict", "crops", "--crops"),
    "face-ferplus": ("predict", "faces.png", "--labels", "ferplus8"),
    "scene": ("predict", "faces.png", "--as", "scene"),
    "scene-box": ("predict", "faces.png", "--as", "scene", "--box", "20,20,220,220"),
    "scene-clip": ("predict", "talk.mp4", "--as", "scene", "--frames", "4"),
    "video": ("predict", "talk.mp4"),
    "video-fps": ("predict", "talk.mp4", "--fps", "2"),
    "video-frames": ("predict", "talk.mp4", "--frames", "5"),
    "video-avi": ("predict", "talk.avi"),
    "video-turned": ("predict", "turned.mp4"),
    "video-folder": ("predict", "clips"),
    "evaluate-text": ("evaluate", "text-carer", "--data", "table:labelled.csv", "--split", "all"),
    "evaluate-face": ("evaluate", "face", "--data", "images:crops", "--split", "all", "--labels", "ekman7"),
    "evaluate-fer": ("evaluate", "face", "--data", "fer2013:fer", "--mirror"),
    "stats-table": ("data", "stats", "table:labelled.csv"),
    "stats-images": ("data", "stats", "images:crops"),
    "stats-fer": ("data", "stats", "fer2013:fer"),
    "stats-ravdess": ("data", "stats", "ravdess:ravdess"),
    "stats-features": ("data", "stats", "features:rows.csv?label=mood&group=person"),
    "stats-sample": ("data", "stats", "sample:text"),
    "check-table": ("data", "check", "table:labelled.csv"),
    "models": ("models", "list"),
}

#: data set below MIEN_DATA → its spec; recorded are its fingerprint and counts.
DATA = {
    "carer": "carer:emotion", "goemotions": "goemotions:goemotions", "fer2013": "fer2013:fer2013",
    "fer2013-plus": "fer2013:fer2013?labels=ferplus", "oasis": "oasis:oasis?group=picture",
    "ravdess": "ravdess:ravdess/action_units.csv",
}  # fmt: skip


def answer(words: Sequence[str]) -> dict[str, Any]:
    """Exit code, JSON document and last line of standard error of a command, in this process and folder."""
    from mien.cli.app import main

    given = "".join(word[1:] for word in words if word.startswith("<"))
    argv = ["mien", *(word for word in words if not word.startswith("<")), "--json"]
    out, err = io.StringIO(), io.StringIO()
    code: object = 0
    with (
        mock.patch.object(sys, "argv", argv),
        mock.patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(given.encode()), "utf-8")),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as stop:
            code = stop.code or 0
    document = json.loads(out.getvalue()) if out.getvalue() else None
    lines = err.getvalue().strip().splitlines()
    return {"code": code, "json": document, "last": lines[-1] if lines and code else ""}


def openapi() -> dict[str, Any]:
    """The server's OpenAPI document with one model of each kind."""
    from mien.serve.app import create_app
    from mien.serve.settings import ServeSettings

    with mock.patch.dict(os.environ):  # an app sets limits there for its process
        app = create_app(ServeSettings(models=("text-carer", "face", "scene", "video")))
    document: dict[str, Any] = json.loads(json.dumps(app.openapi()))
    return document


def fingerprint(spec: str) -> dict[str, Any]:
    """What must not change of a public data set."""
    import mien

    name, _, path = spec.partition(":")
    data = mien.open_dataset(f"{name}:{Path(os.environ['MIEN_DATA'], path)}")
    counts = {split: int((data.split == split).sum()) for split in data.splits}
    return {"fingerprint": data.fingerprint, "samples": data.samples_fingerprint, "rows": counts, "n": len(data)}


def compare(found: Any, wanted: Any, where: str = "", digits: float = 2e-4) -> list[str]:
    """The differences, a line each: numbers may differ by *digits*, keys may be added to what was recorded."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        gone = [f"{where}/{key} is missing" for key in wanted if key not in found]
        both = (key for key in wanted if key in found)
        return gone + [line for key in both for line in compare(found[key], wanted[key], f"{where}/{key}", digits)]
    if isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        pairs = enumerate(zip(found, wanted, strict=True))
        return [line for place, (a, b) in pairs for line in compare(a, b, f"{where}/{place}", digits)]
    if isinstance(wanted, float) and isinstance(found, int | float):
        return [] if abs(found - wanted) <= digits * max(1.0, abs(wanted)) else [f"{where}: {found} for {wanted}"]
    return [] if found == wanted else [f"{where}: {found!r} for {wanted!r}"]


def _plain(value: Any) -> Any:
    """Without what differs from machine to machine: versions and times."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items() if key not in ("versions", "machine", "seconds")}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, str):
        return re.sub(r"\d{4}-\d\d-\d\dT[\d:.+Z]+", "TIME", value)
    return value


def jobs() -> dict[str, Callable[[], dict[str, Any]]]:
    """name → what computes the answer, to be called in a folder that :func:`write_inputs` filled."""
    found: dict[str, Callable[[], dict[str, Any]]] = {
        name: (lambda words=words: answer(words)) for name, words in CASES.items()
    }
    found["openapi"] = openapi
    if os.environ.get("MIEN_DATA"):
        found |= {f"data-{name}": (lambda spec=spec: fingerprint(spec)) for name, spec in DATA.items()}
    return {name: (lambda job=job: _plain(job())) for name, job in found.items()}


def record(names: Sequence[str]) -> None:
    """Write the golden files of those names, or all."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, contextlib.chdir(scratch):
        write_inputs(Path(scratch))
        for name, job in jobs().items():
            if not names or name in names:
                text = json.dumps(job(), ensure_ascii=False, indent=None, separators=(",", ":"))
                (FOLDER / f"{name}.json").write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    if sys.argv[1:2] != ["record"]:
        sys.exit(__doc__)
    record(sys.argv[2:])
