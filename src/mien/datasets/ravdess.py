"""RAVDESS (Livingstone & Russo 2018): 24 actors speak, and sing, two sentences in eight emotions.

Seven numbers make a clip's name: modality-channel-emotion-intensity-statement-repetition-actor. Its authors call the
first "modality" (1 picture and sound, 2 picture alone, 3 sound alone) and the second "vocal channel" (1 speech, 2
song); odd actors are men, even ones women.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Literal, NamedTuple

import numpy as np

from mien.datasets.archives import Member, members, unpack
from mien.datasets.cells import find_column
from mien.datasets.dataset import Problem
from mien.datasets.features import read_numbers
from mien.datasets.open import Info, Items, Progress, Row, dataset, no_progress
from mien.datasets.tables import open_table, table_suffix
from mien.errors import DataError
from mien.labels import SPACES

#: The actors of each of the five folds that the literature measures on (Luna-Jiménez et al. 2021).
FOLDS = {
    "1": (2, 5, 14, 15, 16),
    "2": (3, 6, 7, 13, 18),
    "3": (10, 11, 12, 19, 20),
    "4": (8, 17, 21, 23, 24),
    "5": (1, 4, 9, 22),
}
_FOLD = {actor: fold for fold, actors in FOLDS.items() for actor in actors}
_CODE = re.compile(r"(0[123])-(0[12])-(0[1-8])-(0[12])-(0[12])-(0[12])-(0[1-9]|1\d|2[0-4])$")
_CHANNELS = {"01": "av", "02": "video", "03": "audio"}
_VOCALS = {"01": "speech", "02": "song"}
_MEDIA = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".wav", ".flac", ".mp3", ".ogg", ".m4a")
_ACTOR = re.compile(r"(?:^|_)Actor_(\d\d)$", re.IGNORECASE)
_CODE_COLUMNS = ("path", "name", "file", "filename", "clip", "code")


class Code(NamedTuple):
    """What a clip's name says; the emotion is a label of ravdess8, the statement "kids" or "dogs"."""

    channel: str
    vocal: str
    emotion: str
    intensity: str
    statement: str
    repetition: str
    actor: str

    @property
    def columns(self) -> dict[str, str]:
        """The values that a data set keeps besides the emotion, with gender and fold."""
        kept = {name: value for name, value in self._asdict().items() if name != "emotion"}
        return kept | {"gender": "male" if int(self.actor) % 2 else "female", "fold": _FOLD[int(self.actor)]}


def parse(name: str) -> Code | None:
    """Read a clip's name without its ending; None where it is none of RAVDESS."""
    match = _CODE.match(name)
    if match is None:
        return None
    channel, vocal, emotion, intensity, statement, repetition, actor = match.groups()
    return Code(
        channel=_CHANNELS[channel],
        vocal=_VOCALS[vocal],
        emotion=SPACES["ravdess8"].names[int(emotion) - 1],
        intensity={"01": "normal", "02": "strong"}[intensity],
        statement={"01": "kids", "02": "dogs"}[statement],
        repetition=str(int(repetition)),
        actor=actor,
    )


Fold = Literal["1", "2", "3", "4", "5", "none"]


@dataset("ravdess", labels="ravdess8", licence="CC BY-NC-SA 4.0", group="actor")
def ravdess(
    path: Path,
    *,
    fold: Fold = "1",
    val: Fold | Literal[""] = "",
    vocal: Literal["speech", "song", "all"] = "speech",
    channel: Literal["av", "video", "audio", "all", ""] = "",
    cache: str = "",
    columns: str = "",
    centre: Literal["actor", ""] = "",
    progress: Progress = no_progress,
) -> Items:
    """The published zips, unpacked clips, or a table of features measured on the clips.

    Splits are by actor: no actor, and so no utterance in whatever form, is in two of them. Files and rows whose name
    is none of RAVDESS, or that lie in another actor's folder, are left out and noted.

    Args:
        path: a folder with zips or clips at any depth, one zip, or a table with a column of clip names.
        fold: whose actors are the test split, "1" to "5"; "none": no test split.
        val: whose actors are the val split; without it the fold after *fold* ("1" after "5"), "none": no val split.
        vocal: "speech", "song" or "all".
        channel: "av", "video", "audio", or "all" for both kinds of picture. Without it each utterance once, by its clip
            with sound where there is one; sound alone, "voice", only where there are no pictures at all.
        cache: the folder to unpack zips into, where they are found again; without it a temporary one.
        columns: of a table the features, names or patterns joined by commas; without it "AU*", or all of numbers.
        centre: "actor" takes each actor's own mean off each feature of a table, over all of the actor's clips, those to
            be read too: such figures are for people of whom many clips are known. Features and set are named so.
        progress: shows how far the unpacking is.
    """
    if fold == val != "none":
        raise DataError(f"{path}: fold {fold} cannot be test and val")
    after = val or ("none" if fold == "none" else str(int(fold) % len(FOLDS) + 1))
    splits = {after: "val", fold: "test"}
    if table_suffix(path) and not path.is_dir():
        yield from _rows(path, columns, vocal, centre, splits)
        return
    if columns or centre:
        raise DataError(f"{path}: columns and centre are for a table of features")
    there: list[_Clip] = []
    yield from _find_clips(path, there)
    clips = _wanted(there, vocal, channel)
    if not clips:
        have = sorted({f"{clip.code.vocal} ({clip.code.channel})" for clip in there})
        raise DataError(f"{path} has no such clips of RAVDESS; it has: {', '.join(have) or 'none'}")
    yield Info(modality="voice" if all(clip.code.channel == "audio" for clip in clips) else "video")
    packed = [clip.file for clip in clips if isinstance(clip.file, Member)]
    places = unpack(packed, Path(cache) if cache else None, progress)
    for clip in clips:
        file = places[clip.file] if isinstance(clip.file, Member) else clip.file
        if isinstance(file, str):
            yield Problem("unreadable", clip.where, file)
        else:
            yield _row(str(file), clip.code, clip.where, splits)


def _row(content: Any, code: Code, where: str, splits: dict[str, str]) -> Row:
    return Row(content, [code.emotion], where, splits.get(code.columns["fold"], "train"), code.columns)


class _Clip(NamedTuple):
    code: Code
    file: Path | Member
    where: str


def _find_clips(root: Path, found: list[_Clip]) -> Iterator[Problem]:
    """Gather all clips of RAVDESS in a folder or zip, in the order of their names; what else looks like one is noted.

    Of a clip that lies both unpacked and in a zip the unpacked file counts.
    """
    if not root.exists():
        raise DataError(f"there is no folder {root}")
    clips: dict[Code, _Clip] = {}
    for file, where in _files(root):
        if isinstance(file, Problem):
            yield file
            continue
        name = PurePosixPath(file.name if isinstance(file, Member) else file.as_posix())
        code, parent = parse(name.name[: -len(name.suffix)]), _ACTOR.search(name.parent.name)
        if code is None:
            yield Problem("misnamed", where, "no name of a RAVDESS clip")
        elif parent and parent[1] != code.actor:
            yield Problem("misnamed", where, f"its name says actor {code.actor}, its folder {parent[1]}")
        elif not (file.size if isinstance(file, Member) else file.stat().st_size):
            yield Problem("empty", where, "is empty")
        elif code not in clips:
            clips[code] = _Clip(code, file, where)
        elif not (isinstance(file, Member) and isinstance(clips[code].file, Path)):
            yield Problem("duplicate", where, f"the same clip as {clips[code].where}")
    found += sorted(clips.values(), key=lambda clip: clip.where)


def _files(root: Path) -> Iterator[tuple[Path | Member | Problem, str]]:
    """What ends like a clip, with where it is: first the files, then those in zips."""
    zips = [] if root.is_dir() else [root]
    for folder, below, names in os.walk(root):
        below[:] = sorted(name for name in below if not name.startswith((".", "__MACOSX")))
        for name in sorted(name for name in names if not name.startswith(".")):
            path = Path(folder, name)
            if path.suffix.lower() in _MEDIA:
                yield path, path.relative_to(root).as_posix()
            elif path.suffix.lower() == ".zip":
                zips.append(path)
    for archive in zips:
        own = archive.name if archive == root else archive.relative_to(root).as_posix()
        try:
            listed = members(archive)
        except DataError as error:
            if archive == root:
                raise
            yield Problem("unreadable", own, str(error).removeprefix(f"{archive} ")), own
            continue
        for member in listed:
            inner = PurePosixPath(member.name)
            hidden = inner.name.startswith(".") or "__MACOSX" in inner.parts
            if inner.suffix.lower() in _MEDIA and not hidden:
                yield member, f"{own}:{member.name}"


def _wanted(found: list[_Clip], vocal: str, channel: str) -> list[_Clip]:
    """The clips asked for; without a channel each utterance once."""
    clips = [clip for clip in found if vocal in ("all", clip.code.vocal)]
    if channel:
        kinds = ("av", "video") if channel == "all" else (channel,)
        return [clip for clip in clips if clip.code.channel in kinds]
    seen = {clip.code.channel for clip in clips}
    wanted = seen & {"av", "video"} or {"audio"}
    best: dict[Code, _Clip] = {}
    for clip in sorted(clips, key=lambda clip: list(_CHANNELS.values()).index(clip.code.channel)):
        if clip.code.channel in wanted:
            best.setdefault(clip.code._replace(channel=""), clip)
    return [clip for clip in clips if best.get(clip.code._replace(channel="")) is clip]


def _rows(path: Path, columns: str, vocal: str, centre: str, splits: dict[str, str]) -> Items:
    """The rows of a table of features."""
    table = open_table(path)
    column = find_column(table.columns, "", _CODE_COLUMNS, "clip name", path)
    units = "AU*" if any(name.startswith("AU") for name in table.columns) else ""
    numbers = read_numbers(table, columns or units, {"code": column})
    yield from numbers.problems
    codes = [parse(Path(name).name.split(".")[0]) for name in numbers.others["code"]]
    for code, name, where in zip(codes, numbers.others["code"], numbers.where, strict=True):
        if code is None:
            yield Problem("misnamed", where, f"{name!r} is no name of a RAVDESS clip")
    chosen = [(place, code) for place, code in enumerate(codes) if code and vocal in ("all", code.vocal)]
    if not chosen:
        raise DataError(f"{path} has no rows of RAVDESS {vocal} clips (names in the column {column!r})")
    rows = numbers.rows[[place for place, _ in chosen]]
    yield Info(modality="features", features=numbers.names)
    if centre:
        actors = np.array([code.actor for _, code in chosen])
        for actor in np.unique(actors):
            rows[actors == actor] -= rows[actors == actor].mean(0)
        names = [f"{name} less the actor's mean" for name in numbers.names]
        yield Info(name="ravdess-less-actor-means", features=names)
    for row, (place, code) in zip(rows, chosen, strict=True):
        yield _row(row, code, numbers.where[place], splits)
