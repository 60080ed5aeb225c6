"""The command line: verbs with arguments of all kinds; in the file, a JSON list of them. No verb serves or trains."""

from __future__ import annotations

import json
import unicodedata
from contextlib import chdir
from pathlib import Path
from random import Random

from fuzz import Case, Finding, child
from fuzz.command import run
from fuzz.kinds import clips, pictures, tables
from fuzz.words import text

SECONDS, SECONDS_PER_MB, MEGABYTES, MEGABYTES_PER_MB = 10.0, 10.0, 300.0, 60.0
_VERBS = (("predict",),) * 6 + (
    ("evaluate", "text-carer"),
    ("data", "stats"),
    ("data", "check"),
    ("models",),
    ("models", "show"),
    ("models", "verify"),
    ("train",),
    ("export",),
    ("bench",),
    ("demo",),
    ("nothing",),
    (),
)
_OPTIONS = {
    "predict": (
        "--model",
        "--as",
        "--column",
        "--labels",
        "--json",
        "--out",
        "--scores",
        "--fps",
        "--frames",
        "--engine",
        "--batch-size",
        "--box",
        "--crops",
        "--workers",
    ),
    "evaluate": ("--data", "--split", "--by", "--labels", "--mirror", "--json", "--batch-size", "--out"),
    "data": ("--json",),
    "models": ("--json",),
    "train": ("--data", "--set", "--folds", "--from"),
    "export": ("--to", "--name", "--format", "--as"),
}
_READERS = (
    "table",
    "carer",
    "goemotions",
    "images",
    "clips",
    "fer2013",
    "ravdess",
    "features",
    "emotic",
    "oasis",
    "sample",
    "nothing",
)


def prepare() -> None:
    pictures.prepare()
    tables.prepare()
    clips.seed("mp4")
    run("predict", "i am glad", "--model", "text-carer")


def check(path: Path) -> bool:
    folder = path.parent
    arguments = [argument.replace("@HERE@", str(folder)) for argument in json.loads(path.read_bytes())]
    path.unlink()
    (folder / "a.png").write_bytes(pictures.seed("png", "RGB", 40, 30, 0))
    (folder / "b.mp4").write_bytes(clips.seed("mp4"))
    (folder / "c.csv").write_text("text,label\ni am glad,joy\nso sad,sadness\n")
    (folder / "\x1b]0;x\x07.txt").write_text("fine\n")
    (folder / "d").mkdir()
    (folder / "d" / "bad.jpg").write_bytes(b"\xff\xd8\xff")
    with chdir(folder):
        done = run(*arguments, input=b"i am glad\n\xff\n")
    if done.code not in (0, 1, 2) or "Traceback" in done.error:
        raise Finding(f"exit code {done.code}: {done.error[-300:]!r}")
    if done.code == 1:
        last = done.error.rstrip("\n").split("\n")[-1]
        if not last.startswith("mien: "):
            raise Finding(f"the last line is no error: {last!r:.300}")
        child.check_line(last, folder)
    for name, stream in (("output", done.output), ("errors", done.error)):
        if odd := [c for c in stream if unicodedata.category(c) == "Cc" and c not in "\n"]:
            raise Finding(f"{name} holds control characters {odd[:5]!r}: {stream!r:.200}")
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    if "--json" in options and not done.code and "--out" not in arguments:
        json.loads(done.output)
    return not done.code


def _value(rng: Random) -> str:
    here = (
        "a.png",
        "b.mp4",
        "c.csv",
        "d",
        "none.csv",
        "",
        "out.csv",
        "out.jsonl",
        "out.html",
        "out.parquet",
        "\x1b]0;x\x07.txt",
        "x\x1b[31m.csv",
    )
    what = rng.random()
    if what < 0.45:
        return "@HERE@/" + rng.choice(here)
    if what < 0.55:
        return f"{rng.choice(_READERS)}:@HERE@/{rng.choice(here)}" + rng.choice(
            ("", "?text=text", "?x=y", "?label=\x1b[0m", "?%")
        )
    if what < 0.85:
        return rng.choice(
            (
                "text-carer",
                "face",
                "text",
                "video",
                "ekman7",
                "carer6",
                "0",
                "-1",
                "1e9",
                "nan",
                "3",
                "-",
                "--",
                "x" * 3000,
                "ray",
                "all",
                "test",
                "joy",
                "scene",
                "features",
                "https://example.org/a",
                "rtsp://cam/1",
                "~",
                "*",
                ".",
            )
        )
    return text(rng, plain=False).replace("\0", "").encode("utf-8", "replace").decode()


def make(rng: Random) -> Case:
    verb = rng.choice(_VERBS)
    made = list(verb)
    for _ in range(rng.choice((0, 1, 1, 1, 2, 3))):
        made.append(_value(rng))
    for _ in range(rng.choice((0, 0, 1, 1, 2, 3))):
        option = rng.choice(_OPTIONS.get(verb[0] if verb else "", ("--help", "--version", "--nothing", "-h")))
        made += [option] if option in ("--json", "--scores", "--mirror", "--crops") else [option, _value(rng)]
    if verb[:1] == ("demo",):
        made = ["demo", "--help"]
    if verb[:1] == ("bench",):
        made += ["--count", "2"]
    if verb[:1] == ("train",):
        made = [argument for argument in made if not argument.startswith(("table:", "sample:"))]
    return Case("arguments.json", json.dumps(made).encode())
