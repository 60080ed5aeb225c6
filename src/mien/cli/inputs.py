"""What the inputs of ``predict`` are: texts, files of lines, tables; pictures, clips, and folders of them."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from mien.errors import DataError, InputError, MienError, print_line, quoted
from mien.inputs import exists, is_address, named_kind, refuse_path

#: modality → what an input of it is called.
NAMES = {"text": "text", "face": "picture", "video": "clip", "scene": "picture"}
_MEANT: dict[str, Callable[[str], bool]] = {
    "face": lambda item: named_kind(item) == "picture",
    "video": lambda item: named_kind(item) == "clip",
}
_AS_TEXT = "for a text, add --as text"
_SAMPLE = 2**16  # bytes at the start and at the end of a table by which it is known again
_ALSO = {"scene": ("face", "video")}  # modality → what its models take besides, by looks


class Source:
    """Where texts come from: strings of the command line, or a table on disk; or pictures or clips by their names.

    Attributes:
        name: of the input.
        columns: of the table, as they go along into a file.
        rows: gives the text or path of each input, and its columns.
        total: how many there are; None where that is not known beforehand.
        identity: what changes when the input does.
        left_out: of folders: what was left out of them, by ending or reason, and how often; None without folders.
    """

    def __init__(
        self,
        name: str,
        columns: tuple[str, ...],
        rows: Callable[[], Iterator[tuple[Any, dict[str, Any]]]],
        total: int | None,
        identity: Callable[[], Any] | None = None,
        left_out: Counter[str] | None = None,
    ) -> None:
        self.left_out = left_out
        self.name, self.columns, self.rows, self.total = name, columns, rows, total
        self.identity = identity or (lambda: _identity(name))


def stopped(kept: str, *added: str) -> MienError:
    """The error after Ctrl-C; to go on takes the command that this process was started with, and more options."""
    error, given = MienError(f"stopped: {kept}"), sys.argv[1:]
    end = given.index("--") if "--" in given else len(given)
    error.command = shlex.join(["mien", *given[:end], *added, *given[end:]])
    return error


def kind_of(inputs: list[str], model: str | None, modality: str | None) -> str:
    """The modality of the inputs: as told, as the model named reads them, or by what they look like.

    Raises:
        InputError: inputs of several kinds together, such as the model does not read, or numbers without a model.
    """
    if modality == "features" and model is None:
        raise InputError("no model of features is shipped; train one and name it with --model")
    for item in inputs if modality != "text" else ():
        if is_address(item) or (modality is None and not (_means_file(item) or exists(item))):
            refuse_path(item, _AS_TEXT)
    if modality is not None:
        return modality
    if model is None:
        return _by_looks(inputs)
    from mien.model import find_model, read_manifest

    reads = read_manifest(find_model(model)).modality
    strange = {kind: means for kind, means in _MEANT.items() if kind not in (reads, *_ALSO.get(reads, ()))}
    for item in inputs:
        for kind, means in strange.items():
            if means(item) and exists(Path(item)) and not Path(item).is_dir():
                hint = " (for a text, add --as text)" if reads == "text" else ""
                raise InputError(f"{item} is a {NAMES[kind]}; the model {model} reads {reads}{hint}")
    return reads


def _means_file(item: str) -> bool:
    """Whether it is named as a picture or clip; where none is there, its result says so."""
    return any(means(item) for means in _MEANT.values())


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
    held = f"{quoted(item)} is a {NAMES[first]} or a folder of them"
    raise InputError(f"{held} and {quoted(other)!r} is not: give them in two calls, or add --as")


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
        left_out = Counter[str]()
        _inside(item, "face", left_out)
        raise InputError(f"{item} is a folder without pictures or clips{_besides(left_out)}")
    return next(kind for kind, names in held.items() if names)


def _is_folder(path: Path) -> bool:
    return exists(path) and path.is_dir()


def _inside(folder: str, kind: str, left_out: Counter[str] | None = None) -> list[str]:
    """The pictures or clips in a folder, whatever their depth, in the order of their names.

    Args:
        left_out: counts what else is in it, by its ending or why it was left out.
    """
    from mien.media.clips import is_clip
    from mien.media.images import is_picture

    wanted, found = is_clip if kind == "video" else is_picture, []
    left_out = Counter() if left_out is None else left_out

    def unreadable(_: OSError) -> None:
        left_out["unreadable folder"] += 1

    for place, below, names in os.walk(folder, onerror=unreadable):
        hidden = {name for name in (*below, *names) if name.startswith(".")}
        links = {name for name in below if name not in hidden and os.path.islink(os.path.join(place, name))}
        left_out.update({"hidden": len(hidden), "link to a folder": len(links)})
        below[:] = sorted({*below} - hidden - links)
        for name in names:
            if name not in hidden and wanted(name):
                found.append(os.path.join(place, name))
            elif name not in hidden:
                left_out[os.path.splitext(name)[1].lower() or "no ending"] += 1
    return sorted(found)


def files(inputs: list[str], kind: str) -> Source:
    """The pictures or clips named, and those in the folders named.

    Raises:
        InputError: a folder holds none.
    """
    paths: list[str] = []
    left_out: Counter[str] | None = None
    for item in inputs:
        if not _is_folder(Path(item)):
            paths.append(item)
            continue
        left_out = Counter() if left_out is None else left_out
        found = _inside(item, kind, left_out)
        if not found:
            raise InputError(f"{item} is a folder without {NAMES[kind]}s{_besides(left_out)}")
        paths += found

    def identity() -> str:
        return hashlib.sha256(
            json.dumps([_identity(path, sample=False) for path in paths]).encode("utf-8", "replace")
        ).hexdigest()

    return Source(f"{NAMES[kind]}s", (), lambda: ((path, {}) for path in paths), len(paths), identity, left_out)


def _besides(left_out: Counter[str]) -> str:
    return f" (in it: {counted(left_out)})" if left_out.total() else ""


def counted(left_out: Mapping[str, int]) -> str:
    """What was left out, the most frequent first: "3 .heic, 1 hidden"."""
    return ", ".join(f"{count:,} {what}" for what, count in Counter(left_out).most_common() if count)


def left_out_of(sources: Iterable[Source]) -> Counter[str] | None:
    """What was left out of all folders; None where there are none."""
    counts = [source.left_out for source in sources if source.left_out is not None]
    return +sum(counts, Counter[str]()) if counts else None


def texts(
    inputs: list[str], column: str | None, *, literal: bool, encoding: str | None = None, quotes: bool = True
) -> Iterator[Source]:
    """The texts, files of lines and tables named.

    Args:
        literal: every input is a text that is no file, whatever it looks like.
        encoding: of files and standard input; None where :mod:`mien.datasets.lines` finds it out.
        quotes: whether quotes enclose fields in a .tsv.

    Raises:
        InputError: a folder, a file that is no table, or what is taken for a path and is not there.
    """
    from mien.datasets.tables import table_suffix

    for item in inputs:
        if item == "-":
            yield Source("-", (), lambda: ((line.rstrip("\r\n"), {}) for line in _standard_input(encoding)), None)
        elif not item.strip() or not exists(item):
            if not literal:
                refuse_path(item, _AS_TEXT)
            if table_suffix(Path(item)) or _ends_like_media(item):
                _report(f"{quoted(item)!r} is read as a text: there is no file of that name")
            yield _literal(item)
        elif Path(item).is_dir():
            raise InputError(f"{item} is a folder; a text, a file of lines or a table is meant{_itself(item, literal)}")
        elif literal and not table_suffix(Path(item)):
            raise InputError(f"{item} is a file, and its name is no text to read{_itself(item, literal)}")
        else:
            if literal:
                _report(f"{quoted(item)!r} is a file: its texts are read, not its name")
            yield _table(Path(item), column, encoding, quotes)


def _itself(item: str, literal: bool) -> str:
    """How to have a name read that is also a text."""
    return f" (for the text itself: echo {quoted(item)!r} | mien predict -)" if literal else ""


def _ends_like_media(item: str) -> bool:
    from mien.media.clips import is_clip
    from mien.media.images import is_picture

    return len(item) < 256 and (is_picture(item) or is_clip(item))


def _report(line: str) -> None:
    print_line(f"note: {line}", sys.stderr)


def _literal(text: str) -> Source:
    return Source(text, (), lambda: iter([(text, {})]), 1)


def _standard_input(encoding: str | None) -> Iterator[str]:
    from mien.datasets.lines import check_encoding, decoded_lines, stream_blocks

    check_encoding(encoding)
    return decoded_lines(stream_blocks(sys.stdin.buffer), "standard input", encoding)


def _table(path: Path, column: str | None, encoding: str | None, quotes: bool) -> Source:
    from mien.datasets.cells import text_column
    from mien.datasets.tables import cell_text, open_table

    table = open_table(path, encoding=encoding, quotes=quotes)
    name = text_column(table.columns, column, path)
    plain = table.columns == ("text",)

    def rows() -> Iterator[tuple[str, dict[str, Any]]]:
        for line, row in table.records():
            try:
                text = cell_text(row[name]) or ""
            except DataError as error:
                raise DataError(f"{path}:{line}: {error}") from None
            yield text, {} if plain else row

    return Source(str(path), table.columns, rows, table.rows)


def _identity(name: str, sample: bool = True) -> list[Any]:
    """What changes when an input does: name, place, size, time of change, inode, and its first and last bytes.

    Args:
        sample: whether the bytes are read; of the many files of a folder they are not.
    """
    if name == "-":
        return [name, time.time_ns()]  # what comes next on standard input may be another text
    path = Path(name)
    if not exists(path):
        return [name]
    status = path.stat()
    found = [name, str(path.resolve()), status.st_size, status.st_mtime_ns, status.st_ino]
    if sample and path.is_file():
        with suppress(OSError), path.open("rb") as file:
            digest = hashlib.sha256(file.read(_SAMPLE))
            file.seek(max(0, status.st_size - _SAMPLE))
            digest.update(file.read(_SAMPLE))
            found.append(digest.hexdigest())
    return found


def numbers(path: Path, model: str, encoding: str | None = None) -> Source:
    """The rows of a table of numbers that has the columns which the model reads."""
    from mien.modalities.features.table import rows_of

    table, rows = rows_of(path, model, encoding)
    return Source(str(path), table.columns, rows, table.rows)
