"""RAVDESS (Livingstone & Russo 2018): 24 actors say, and sing, two sentences in eight emotions.

Seven numbers make a clip's name: modality-channel-emotion-intensity-statement-repetition-actor. Its authors call the
first "modality" (1 picture and sound, 2 picture alone, 3 sound alone) and the second "vocal channel" (1 speech, 2
song); odd actors are men, even ones women.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np

from mien.datasets.archives import Member, members, unpack
from mien.datasets.collect import Collector
from mien.datasets.dataset import Dataset
from mien.datasets.features import read_numbers
from mien.datasets.table import find_column
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
_LICENCE = "CC BY-NC-SA 4.0"
_CODE = re.compile(r"(0[123])-(0[12])-(0[1-8])-(0[12])-(0[12])-(0[12])-(0[1-9]|1\d|2[0-4])$")
_CHANNELS = {"01": "av", "02": "video", "03": "audio"}
_VOCALS = {"01": "speech", "02": "song"}
_MEDIA = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".wav", ".flac", ".mp3", ".ogg", ".m4a")
_ACTOR = re.compile(r"(?:^|_)Actor_(\d\d)$", re.IGNORECASE)
_CODE_COLUMNS = ("path", "name", "file", "filename", "clip", "code")


class Code(NamedTuple):
    """What a clip's name says.

    Attributes:
        channel: "av" (picture and sound), "video" (picture alone) or "audio".
        vocal: "speech" or "song".
        emotion: a label of ravdess8.
        intensity: "normal" or "strong".
        statement: "kids" ("Kids are talking by the door") or "dogs" ("Dogs are sitting by the door").
        repetition: "1" or "2".
        actor: "01" to "24".
    """

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
        gender, fold = "male" if int(self.actor) % 2 else "female", _FOLD[int(self.actor)]
        return {name: value for name, value in self._asdict().items() if name != "emotion"} | {
            "gender": gender,
            "fold": fold,
        }


def parse(name: str) -> Code | None:
    """Read a clip's name without its ending; None where it is none of RAVDESS."""
    match = _CODE.match(name)
    if match is None:
        return None
    channel, vocal, emotion, intensity, statement, repetition, actor = match.groups()
    return Code(
        _CHANNELS[channel],
        _VOCALS[vocal],
        SPACES["ravdess8"].names[int(emotion) - 1],
        {"01": "normal", "02": "strong"}[intensity],
        {"01": "kids", "02": "dogs"}[statement],
        str(int(repetition)),
        actor,
    )


def read(
    path: str | Path,
    *,
    fold: str = "1",
    val: str = "",
    vocal: str = "speech",
    channel: str = "",
    cache: str = "",
    columns: str = "",
    centre: str = "",
) -> Dataset:
    """Read the published zips, unpacked clips, or a table of features measured on the clips.

    Splits are by actor: no actor, and so no utterance in whatever form, is in two of them. Files and rows whose name
    is none of RAVDESS, or that lie in another actor's folder, are left out and told.

    Args:
        path: a folder with zips or clips at any depth, one zip, or a table with a column of clip names.
        fold: whose actors are the test split, "1" to "5"; "none": no test split.
        val: whose actors are the val split; without it the fold after *fold* ("1" after "5"), "none": no val split.
        vocal: "speech", "song" or "all".
        channel: "av", "video", "audio", or "all" for both kinds of picture. Without it each utterance once, by its clip
            with sound where there is one; sound alone only where there are no pictures at all. The modality is then
            "voice".
        cache: the folder to unpack zips into, where they are found again; without it a temporary one, gone when the
            program ends.
        columns: of a table the features, names or patterns joined by commas; without it "AU*", or where there are none
            all columns of numbers.
        centre: "actor" takes each actor's own mean off each feature of a table. That mean is over all of the actor's
            clips, those to be read too: such figures are for people of whom many clips are known. The features are then
            named so, and the set too.

    Raises:
        DataError: no such path or option, nothing of RAVDESS in it, or no room to unpack.
    """
    root = Path(path)
    _check(root, fold, val, vocal, channel, centre)
    if table_suffix(root) and not root.is_dir():
        dataset = _table(root, columns, vocal)
        return _split(_centered(dataset) if centre else dataset, fold, val)
    if columns or centre:
        raise DataError(f"{root}: columns and centre are for a table of features")
    rows = Collector("ravdess", SPACES["ravdess8"], _LICENCE, "video")
    there = _clips(root, rows)
    clips = _wanted(there, vocal, channel)
    if not clips:
        have = sorted({f"{clip.code.vocal} ({clip.code.channel})" for clip in there})
        raise DataError(f"{root} has no such clips of RAVDESS; it has: {', '.join(have) or 'none'}")
    if all(clip.code.channel == "audio" for clip in clips):
        rows.modality = "voice"
    places = unpack([clip.file for clip in clips if isinstance(clip.file, Member)], Path(cache) if cache else None)
    for clip in clips:
        file = places[clip.file] if isinstance(clip.file, Member) else clip.file
        if isinstance(file, str):
            rows.problem("unreadable", clip.where, file)
        else:
            rows.add(str(file), [clip.code.emotion], "", clip.where, clip.code.columns)
    return _split(rows.dataset(), fold, val)


def _check(root: Path, fold: str, val: str, vocal: str, channel: str, centre: str) -> None:
    allowed = {
        "fold": (fold, [*FOLDS, "none"]),
        "val": (val, [*FOLDS, "none", ""]),
        "vocal": (vocal, [*_VOCALS.values(), "all"]),
        "channel": (channel, [*_CHANNELS.values(), "all", ""]),
        "centre": (centre, ["actor", ""]),
    }
    for name, (value, known) in allowed.items():
        if value not in known:
            raise DataError(f"{root}: {name} must be one of {', '.join(filter(None, known))}, not {value!r}")
    if fold == val != "none":
        raise DataError(f"{root}: fold {fold} cannot be test and val")


class _Clip(NamedTuple):
    code: Code
    file: Path | Member
    where: str


def _clips(root: Path, rows: Collector) -> list[_Clip]:
    """All clips of RAVDESS in a folder or zip, in the order of their names; what else looks like a clip is noted.

    A clip that lies both unpacked and in a zip is taken unpacked.
    """
    if not root.exists():
        raise DataError(f"there is no folder {root}")
    found: dict[Code, _Clip] = {}
    for file, where in _files(root, rows):
        name = PurePosixPath(file.name if isinstance(file, Member) else file.as_posix())
        code, parent = parse(name.name[: -len(name.suffix)]), _ACTOR.search(name.parent.name)
        size = file.size if isinstance(file, Member) else file.stat().st_size
        if code is None:
            rows.problem("misnamed", where, "no name of a RAVDESS clip")
        elif parent and parent[1] != code.actor:
            rows.problem("misnamed", where, f"its name says actor {code.actor}, its folder {parent[1]}")
        elif not size:
            rows.problem("empty", where, "is empty")
        elif code not in found:
            found[code] = _Clip(code, file, where)
        elif not (isinstance(file, Member) and isinstance(found[code].file, Path)):
            rows.problem("duplicate", where, f"the same clip as {found[code].where}")
    return sorted(found.values(), key=lambda clip: clip.where)


def _files(root: Path, rows: Collector) -> Iterator[tuple[Path | Member, str]]:
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
            rows.problem("unreadable", own, str(error).removeprefix(f"{archive} "))
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


def _split(dataset: Dataset, fold: str, val: str) -> Dataset:
    """The set split by the actors' folds, and grouped by actor."""
    if not len(dataset):
        return dataset
    val = val or ("none" if fold == "none" else str(int(fold) % len(FOLDS) + 1))
    own = dataset.columns["fold"]
    split = np.where(own == fold, "test", np.where(own == val, "val", "train")).astype(object)
    return replace(dataset, split=split, group="actor")


def _table(path: Path, columns: str, vocal: str) -> Dataset:
    table = open_table(path)
    code = find_column(table.columns, None, _CODE_COLUMNS, "clip name", path)
    units = "AU*" if any(name.startswith("AU") for name in table.columns) else ""
    numbers = read_numbers(table, columns or units, {"code": code})
    rows = Collector("ravdess", SPACES["ravdess8"], _LICENCE, "features")
    rows.problems += numbers.problems
    for row, name, where in zip(numbers.rows, numbers.others["code"], numbers.where, strict=True):
        clip = parse(Path(name).name.split(".")[0])
        if clip is None:
            rows.problem("misnamed", where, f"{name!r} is no name of a RAVDESS clip")
        elif vocal in ("all", clip.vocal):
            rows.add(row, [clip.emotion], "", where, clip.columns)
    if not len(found := rows.dataset()):
        raise DataError(f"{path} has no rows of RAVDESS {vocal} clips (names in the column {code!r})")
    return replace(found, features=numbers.names)


def _centered(dataset: Dataset) -> Dataset:
    rows, actors = np.stack(dataset.inputs), dataset.columns["actor"]
    for actor in np.unique(actors):
        rows[actors == actor] -= rows[actors == actor].mean(0)
    names = tuple(f"{name} less the actor's mean" for name in dataset.features)
    return replace(dataset, name="ravdess-less-actor-means", inputs=list(rows), features=names)
