"""Files that the commands in the documentation name: small tables, drawn faces, and public data where there are any."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))  # whose drawings these are

THINGS = """shoe clock lamp kettle chair phone bag coat radio shelf cable plate towel mirror
ladder blanket heater fan tent stove pan drill saw brush hose scale desk"""
SAYINGS = {
    "angry": """the {} broke again|what a {} this is|never again a {} from here|the {} is late and nobody answers
        |i want my money back for the {}""",
    "happy": "the {} is great|i love this {}|what a lovely {}|thank you for the {}|the {} works so well",
    "neutral": "the {} came today|i ordered a {}|the {} is blue|is the {} in the box|the {} has two parts",
}


def write_files(folder: Path, plugin: bool) -> None:
    """All of them, into an empty folder; ``mien`` itself as a command in ``.bin``, and the plug-in if wanted."""
    from drawn import folders
    from rows_data import write_table

    command = folder / ".bin" / "mien"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m mien.cli "$@"\n')
    command.chmod(0o755)
    if plugin:
        _link_plugin(folder / ".plugin")
    _write_comments(folder)
    _write_diary(folder / "diary")
    write_table(folder / "rows.csv")
    shutil.copytree(ROOT / "examples", folder / "examples", ignore=shutil.ignore_patterns("__pycache__"))
    folders(folder / "faces", 60, ("happy", "surprise", "angry"), side=96)
    (folder / "faces" / "surprise").rename(folder / "faces" / "shock")
    (folder / "faces" / "angry").rename(folder / "faces" / "cross")
    _write_slips(folder)
    (folder / "demo").mkdir()
    shutil.copyfile(ROOT / "src/mien/assets/people.png", folder / "demo" / "people.png")
    if root := os.environ.get("MIEN_DATA"):
        _link_data(Path(root).resolve(), folder)


def _link_plugin(folder: Path) -> None:
    """The package of tests/plugin, as pip would install it."""
    source = ROOT / "tests" / "plugin"
    project = tomllib.loads((source / "pyproject.toml").read_text("utf-8"))["project"]
    facts = folder / "mien_letters-1.0.dist-info"
    facts.mkdir(parents=True)
    (folder / "mien_letters").symlink_to(source / "mien_letters")
    (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    lines = [
        line
        for group, entries in project["entry-points"].items()
        for line in (f"[{group}]", *(f"{name} = {value}" for name, value in entries.items()))
    ]
    (facts / "entry_points.txt").write_text("\n".join(lines) + "\n")


def _write_comments(folder: Path) -> None:
    cases = itertools.product(enumerate(THINGS.split()), range(5), SAYINGS)
    rows = [
        (SAYINGS[mood].split("|")[number].strip().format(thing), mood, ("app", "shop")[(place + number) % 2])
        for (place, thing), number, mood in cases
    ]
    lines = [",".join(row) + "\n" for row in [("comment", "mood", "channel"), *rows]]
    (folder / "mine.csv").write_text("".join(lines), "utf-8")
    again = [lines[4], lines[5].replace(",happy,", ",angry,")]
    slips = [*lines[1:40], ",happy,app\n", ",angry,shop\n", *again, "um,confused,app\n"]
    (folder / "bad.csv").write_text("".join([lines[0], *slips]), "utf-8")


def _write_diary(folder: Path) -> None:
    folder.mkdir()
    first = [{"text": "We planted the tree.", "mood": "joy"}, {"text": "Rain.", "mood": "neutral"}]
    second = [{"text": "The tree is gone!", "mood": "anger"}, {"text": "", "mood": "joy"}]
    for day, entries in {"2024-05-01": first, "2024-05-02": second}.items():
        (folder / f"{day}.json").write_text(json.dumps(entries), "utf-8")
    year = folder.parent / "year"
    year.mkdir()
    moods = {"joy": "happy glad merry jolly", "sadness": "sad lonely gloomy bleak", "anger": "angry furious cross mad"}
    days = ("today i was {}", "{} all day", "at home {}", "i feel {}", "so {} again", "we are {}")
    pairs = [(word, mood) for mood, words in moods.items() for word in words.split()]
    entries = [{"text": day.format(word), "mood": mood} for day in days for word, mood in pairs]
    (year / "2024.json").write_text(json.dumps(entries), "utf-8")


def _write_slips(folder: Path) -> None:
    for label in ("cross", "happy"):
        shutil.copytree(folder / "faces" / label, folder / "slips" / label)
    cut = next(iter(sorted((folder / "slips" / "cross").glob("*.png"))))
    cut.write_bytes(cut.read_bytes()[:-400])
    (folder / "slips" / "happy" / "notes.jpg").write_text("none")
    (folder / "slips" / "empty").mkdir()
    model = shutil.copytree(ROOT / "src/mien/models/text-carer", folder / "broken")
    with (model / "tokenizer.json").open("ab") as file:
        file.write(b" ")


def _link_data(root: Path, folder: Path) -> None:
    for path in root.iterdir():
        if path.is_dir() and path.name != "photos":
            (folder / path.name).symlink_to(path)
    photos = folder / "photos"
    photos.mkdir()
    names = {"astronaut.png": "skimage_astronaut.png", "group.jpeg": "max_group.jpeg", "street.jpg": "max_non_face.jpg"}
    for name, file in names.items():
        (photos / name).symlink_to(root / "photos" / file)
        (folder / name).symlink_to(root / "photos" / file)
    (photos / "cut.png").write_bytes((photos / "astronaut.png").read_bytes()[:50_000])
    (photos / "words.jpg").write_text("none")
    (folder / "talk.mp4").symlink_to(root / "clips" / "WolfgangLanger_Pexels.mp4")
    whole = (folder / "talk.mp4").read_bytes()
    (folder / "cut.mp4").write_bytes(whole[: len(whole) * 6 // 10])
