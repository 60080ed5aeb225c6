"""What the inputs of ``predict`` are: texts, files of lines, tables; pictures, clips, and folders of them."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mien.errors import InputError
from mien.face import names_picture
from mien.video import names_clip

#: modality → what an input of it is called.
NAMES = {"text": "text", "face": "picture", "video": "clip", "scene": "picture"}
_MEANT = {"face": names_picture, "video": names_clip}
_ALSO = {"scene": ("face", "video")}  # modality → what its models take besides, by looks


class Source:
    """Where texts come from: strings of the command line, or a table on disk; or pictures or clips by their names.

    Attributes:
        name: of the input.
        columns: of the table, as they go along into a file.
        rows: gives the text or path of each input, and its columns.
        total: how many there are; None where that is not known beforehand.
        identity: what changes when the input does.
    """

    def __init__(
        self,
        name: str,
        columns: tuple[str, ...],
        rows: Callable[[], Iterator[tuple[Any, dict[str, Any]]]],
        total: int | None,
        identity: Callable[[], Any] | None = None,
    ) -> None:
        self.name, self.columns, self.rows, self.total = name, columns, rows, total
        self.identity = identity or (lambda: _identity(name))


def kind_of(inputs: list[str], model: str | None, modality: str | None) -> str:
    """The modality of the inputs: as told, as the model named reads them, or by what they look like.

    Raises:
        InputError: inputs of several kinds together, such as the model does not read, or numbers without a model.
    """
    if modality == "features" and model is None:
        raise InputError("no model of features is shipped; train one and name it with --model")
    if modality is not None:
        return modality
    if model is None:
        return _by_looks(inputs)
    from mien.model import find_model, read_manifest

    reads = read_manifest(find_model(model)).modality
    strange = {kind: means for kind, means in _MEANT.items() if kind not in (reads, *_ALSO.get(reads, ()))}
    for item in inputs:
        for kind, means in strange.items():
            if means(item) and _exists(Path(item)) and not Path(item).is_dir():
                hint = " (for a text, add --as text)" if reads == "text" else ""
                raise InputError(f"{item} is a {NAMES[kind]}; the model {model} reads {reads}{hint}")
    return reads


def _by_looks(inputs: list[str]) -> str:
    kinds = [_look(item) for item in inputs]
    first = next((kind for kind in kinds if kind != "text"), "text")
    other = next((item for item, kind in zip(inputs, kinds, strict=True) if kind != first), None)
    if other is None:
        return first
    item = inputs[kinds.index(first)]
    if (kind := kinds[inputs.index(other)]) != "text":
        told = f"{item} is a {NAMES[first]} and {other} a {NAMES[kind]} (or folders of them)"
        raise InputError(f"{told}: give them in two calls")
    raise InputError(
        f"{item} is a {NAMES[first]} or a folder of them and {other!r} is not: give them in two calls, or add --as"
    )


def are_clips(inputs: list[str], kind: str) -> bool:
    """Whether the inputs of that modality are clips; models of scenes read pictures too.

    Raises:
        InputError: scenes in pictures and in clips, which are not read in one call; or a folder with neither.
    """
    if kind != "scene":
        return kind == "video"
    clips = [_look(item, "give them in two calls, by their names") == "video" for item in inputs]
    if len(set(clips)) > 1:
        still = inputs[clips.index(False)]
        raise InputError(f"{still} is no clip or folder of clips, and others are: give pictures and clips in two calls")
    return clips[0]


def _look(item: str, advice: str = "say which with --as face or --as video") -> str:
    """By the end of its name, or a folder's by what is in it; *advice* is for one that holds both."""
    if not item.strip() or not _is_folder(Path(item)):
        return next((kind for kind, means in _MEANT.items() if means(item)), "text")
    held = {kind: _inside(item, kind) for kind in _MEANT}
    if all(held.values()):
        told = " and ".join(f"{len(names):,} {NAMES[kind]}{'s' * (len(names) > 1)}" for kind, names in held.items())
        raise InputError(f"{item} holds {told}: {advice}")
    if not any(held.values()):
        raise InputError(f"{item} is a folder without pictures or clips")
    return next(kind for kind, names in held.items() if names)


def _is_folder(path: Path) -> bool:
    return _exists(path) and path.is_dir()


def _inside(folder: str, kind: str) -> list[str]:
    """The pictures or clips in a folder, whatever their depth, in the order of their names."""
    from mien.clips import is_clip
    from mien.media import is_picture

    wanted, found = is_clip if kind == "video" else is_picture, []
    for place, below, names in os.walk(folder):
        below[:] = sorted(name for name in below if not name.startswith("."))
        found += [os.path.join(place, name) for name in names if wanted(name) and not name.startswith(".")]
    return sorted(found)


def files(inputs: list[str], kind: str) -> Source:
    """The pictures or clips named, and those in the folders named.

    Raises:
        InputError: a folder holds none.
    """
    paths: list[str] = []
    for item in inputs:
        if not _is_folder(Path(item)):
            paths.append(item)
        elif found := _inside(item, kind):
            paths += found
        else:
            raise InputError(f"{item} is a folder without {NAMES[kind]}s")

    def identity() -> str:
        return hashlib.sha256(json.dumps([_identity(path) for path in paths]).encode("utf-8", "replace")).hexdigest()

    return Source(f"{NAMES[kind]}s", (), lambda: ((path, {}) for path in paths), len(paths), identity)


def texts(inputs: list[str], column: str | None, *, literal: bool) -> Iterator[Source]:
    """The texts, files of lines and tables named; *literal*: every input is a text.

    Raises:
        InputError: a folder, or a file that is not there.
    """
    from mien.data.tables import table_suffix

    for item in inputs:
        path = Path(item)
        if literal or not item.strip():
            yield _literal(item)
        elif item == "-":
            yield Source("-", (), lambda: ((line.rstrip("\r\n"), {}) for line in sys.stdin), None)
        elif _exists(path):
            if path.is_dir():
                raise InputError(f"{item} is a folder; a text, a file of lines or a table is meant")
            yield _table(path, column)
        elif table_suffix(path) and not any(c.isspace() for c in item):
            raise InputError(f"{item}: no such file (for a text that ends like a file, add --as text)")
        else:
            yield _literal(item)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a long text, or one with a NUL, is no file name
        return False


def _literal(text: str) -> Source:
    return Source(text, (), lambda: iter([(text, {})]), 1)


def _table(path: Path, column: str | None) -> Source:
    from mien.data.table import text_column
    from mien.data.tables import cell_text, open_table

    table = open_table(path)
    name = text_column(table.columns, column, path)
    plain = table.columns == ("text",)

    def rows() -> Iterator[tuple[str, dict[str, Any]]]:
        for chunk in table.chunks():
            cells = zip(*chunk.values(), strict=True)
            for text, row in zip(chunk[name], cells, strict=True):
                yield cell_text(text) or "", {} if plain else dict(zip(table.columns, row, strict=True))

    return Source(str(path), table.columns, rows, table.rows)


def _identity(name: str) -> list[Any]:
    if name == "-":
        return [name, time.time_ns()]  # what comes next on standard input may be another text
    path = Path(name)
    if not _exists(path):
        return [name]
    status = path.stat()
    return [str(path.resolve()), status.st_size, status.st_mtime_ns]


def numbers(path: Path, model: str) -> Source:
    """The rows of a table of numbers that has the columns which the model reads."""
    from mien.features.table import rows_of

    table, rows = rows_of(path, model)
    return Source(str(path), table.columns, rows, table.rows)
