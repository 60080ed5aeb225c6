"""The inputs of ``predict``: texts, files of lines, tables; pictures, clips, and folders of them; rows of numbers."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mien.cli.usage import log
from mien.errors import DataError, InputError, quoted
from mien.inputs import MESSAGES, exists, file_kind, is_address, named_kind, refuse_path, table_suffix

if TYPE_CHECKING:
    from mien.inputs import Kind
    from mien.modality import Modality

Columns = Mapping[str, Any]  # the cells of a table's row
_AS_TEXT = "for a text, add --as text"
_SAMPLE = 2**16  # bytes at the start and at the end of a table by which it is known again
CHAT = "chat"  # of --as: a file of messages
_FILES: tuple[Kind, ...] = ("picture", "clip")  # kinds that are known by their names


@dataclass(frozen=True)
class Source:
    """Where inputs come from: a text of the command line, a table on disk, or pictures or clips by their names.

    Attributes:
        name: of it.
        rows: gives each input, and its columns.
        columns: of the table, as they go along into a file.
        total: how many inputs there are; None where that is not known beforehand.
        identity: gives what changes when the inputs do; by default that of the file of its name.
        left_out: of folders and chats: what was left out of them, and how often; None of others.
    """

    name: str
    rows: Callable[[], Iterator[tuple[Any, Columns]]]
    columns: tuple[str, ...] = ()
    total: int | None = None
    identity: Callable[[], Any] | None = None
    left_out: Counter[str] | None = None


@dataclass(frozen=True)
class Inputs:
    """All inputs of a call.

    Attributes:
        modality: whose model reads them.
        kind: what they are.
        sources: where they come from.
        single: whether it is one file.
    """

    modality: Modality
    kind: Kind
    sources: tuple[Source, ...]
    single: bool

    def rows(self) -> Iterator[tuple[Any, Columns]]:
        """Each input, and its columns."""
        return (row for source in self.sources for row in source.rows())

    @property
    def total(self) -> int | None:
        """How many there are; None where that is not known."""
        totals = [source.total for source in self.sources if source.total is not None]
        return sum(totals) if len(totals) == len(self.sources) else None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of all tables."""
        return tuple(name for source in self.sources for name in source.columns)

    @property
    def again(self) -> bool:
        """Whether the same come again when they are read again."""
        return all(source.name != "-" for source in self.sources)

    @property
    def slips(self) -> int:
        """How many are empty texts of the command line itself."""
        return sum(not source.name.strip() for source in self.sources)

    @property
    def left_out(self) -> Counter[str] | None:
        """What was left out of all folders or chats; None where there are none."""
        counts = [source.left_out for source in self.sources if source.left_out is not None]
        return +sum(counts, Counter[str]()) if counts else None

    def identities(self) -> list[Any]:
        """What changes when an input does."""
        return [source.identity() if source.identity else _identity(source.name) for source in self.sources]


def resolve(
    inputs: list[str],
    model: str | None = None,
    modality: str | None = None,
    column: str | None = None,
    dates: str | None = None,
    **how: Any,
) -> Inputs:
    """What the arguments of ``predict`` are: as told, as the model named reads them, or by what they look like.

    Args:
        modality: that the caller names; or `CHAT`, for messages.
        column: of tables, the one with the text.
        dates: of chats, the order of day, month and year; found out if not given.
        how: tables are written, as :func:`mien.datasets.tables.open_table` takes it; the encoding holds for all text.

    Raises:
        InputError: inputs of several kinds together, or such as the model does not read; a file or folder that is not
            there or of no use; a modality without a shipped model, where none is named.
    """
    from mien.modality import default_modality, get_modality
    from mien.model import find_model, read_manifest, shipped

    named = default_modality("text") if modality == CHAT else get_modality(modality) if modality else None
    literal = named is not None and named.kind == "text" and modality != CHAT
    for item in inputs if not literal else ():
        if is_address(item) or (named is None and not (named_kind(item) or exists(item))):
            refuse_path(item, _AS_TEXT)
    if named is None and model is not None:
        found = get_modality(read_manifest(find_model(model)).modality)
        _refuse_others(inputs, model, found)
    else:
        found = named or default_modality(_common_kind(inputs))
    if model is None and found.name not in shipped():
        raise InputError(f"no model of {found.name} is shipped; train one and name it with --model")
    kind = _kind_read(inputs, found)
    if kind == "text":
        chats = {"dates": dates or "", "encoding": how.get("encoding")}
        found_chats = [None if literal else _chat_source(item, column, chats, modality == CHAT) for item in inputs]
        pairs = list(zip(inputs, found_chats, strict=True))
        if not any(chat is None and item != "-" and item.strip() and exists(item) for item, chat in pairs):
            _refuse_of_tables(column, how)
        sources = [chat or _text_source(item, column, how, literal=literal) for item, chat in pairs]
    elif kind == "row":
        sources = [_row_source(Path(item), str(model), how) for item in inputs]
    else:
        _refuse_of_tables(column, how, encoding=how.get("encoding"))
        sources = [_file_source(inputs, kind)]
    frames = kind == "clip" and [item for item, _ in sources[0].rows()] == inputs  # a folder of them is one clip
    one = len(inputs) == 1 and (frames or not _is_folder(inputs[0]))
    return Inputs(found, kind, tuple(sources), one)


# ----------------------------------------------------------------------------------------------- kinds by looks


def _is_folder(item: str | Path) -> bool:
    return bool(str(item).strip()) and exists(item) and Path(item).is_dir()


def _look(item: str, advice: str | None = None) -> Kind:
    """By the end of its name, or a folder's by what is in it; *advice* is for one that holds both."""
    if not _is_folder(item):
        return named_kind(item) or "text"
    held = {kind: len(_inside(item, kind)) for kind in _FILES}
    if _is_chat(item, any(held.values())):
        return "text"
    if all(held.values()):
        counts = " and ".join(f"{count:,} {kind}{'s' * (count > 1)}" for kind, count in held.items())
        raise InputError(f"{item} holds {counts}: {advice or _advice()}")
    if not any(held.values()):
        _inside(item, "picture", left_out := Counter[str]())
        raise InputError(f"{item} is a folder without pictures or clips{_besides(left_out)}")
    return next(kind for kind, count in held.items() if count)


def _refuse_of_tables(column: str | None, how: Mapping[str, Any], **more: Any) -> None:
    """Refuse options that say how a table is written, where there is none."""
    given = {name: how.get(name) for name in ("sheet", "separator")} | {"column": column is not None} | more
    given |= {f"no-{name}": how.get(name) is False for name in ("header", "quotes")}
    if option := next((name for name, value in given.items() if value), None):
        raise InputError(f"--{option} is for tables in files, and there is none among the inputs")


def _advice() -> str:
    from mien.modality import default_modality

    return "say which with " + " or ".join(f"--as {default_modality(kind).name}" for kind in _FILES)


def _common_kind(inputs: list[str]) -> Kind:
    kinds = [_look(item) for item in inputs]
    first: Kind = next((kind for kind in kinds if kind != "text"), "text")
    other = next((item for item, kind in zip(inputs, kinds, strict=True) if kind != first), None)
    if other is None:
        return first
    item, kind = inputs[kinds.index(first)], kinds[inputs.index(other)]
    if kind != "text":
        both = f"{item} is a {first} and {other} a {kind} (or folders of them)"
        raise InputError(f"{both}: give them in two calls")
    held = f"{quoted(item)} is a {first} or a folder of them"
    raise InputError(f"{held} and {quoted(other)!r} is not: give them in two calls, or add --as")


def _refuse_others(inputs: list[str], model: str, modality: Modality) -> None:
    """Refuse files that by their names are of a kind which the model does not read."""
    for item in inputs:
        if (kind := named_kind(item)) and kind not in modality.reads and exists(item) and not _is_folder(item):
            hint = f" ({_AS_TEXT})" if modality.kind == "text" else ""
            raise InputError(f"{item} is a {kind}; the model {model} reads {modality.name}{hint}")


def _kind_read(inputs: list[str], modality: Modality) -> Kind:
    """As what the inputs are read by a modality; where it reads pictures and clips, by their names."""
    if len(modality.reads) == 1:
        return modality.kind
    kinds = [_look(item, "give them in two calls, by their names") for item in inputs]
    clips = [kind == "clip" for kind in kinds]
    if len(set(clips)) > 1:
        still = inputs[clips.index(False)]
        raise InputError(f"{still} is no clip or folder of clips, and others are: give pictures and clips in two calls")
    return "clip" if clips[0] else modality.kind


# ------------------------------------------------------------------------------------------------------ sources


def _inside(folder: str, kind: Kind, left_out: Counter[str] | None = None) -> list[str]:
    """The pictures or clips in a folder, whatever their depth, in the order of their names.

    Args:
        left_out: counts what else is in it, by its ending or why it was left out.
    """
    found: list[str] = []
    left_out = Counter() if left_out is None else left_out

    def unreadable(_: OSError) -> None:
        left_out["unreadable folder"] += 1

    for place, below, names in os.walk(folder, onerror=unreadable):
        hidden = {name for name in (*below, *names) if name.startswith(".")}
        links = {name for name in below if name not in hidden and os.path.islink(os.path.join(place, name))}
        left_out.update({"hidden": len(hidden), "link to a folder": len(links)})
        below[:] = sorted({*below} - hidden - links)
        for name in names:
            if name not in hidden and file_kind(name) == kind:
                found.append(os.path.join(place, name))
            elif name not in hidden:
                left_out[os.path.splitext(name)[1].lower() or "no ending"] += 1
    return sorted(found)


def _file_source(inputs: list[str], kind: Kind) -> Source:
    """The pictures or clips named, and those in the folders named."""
    from mien.media.folders import frames_of

    paths: list[str] = []
    parts: list[str] = []  # frames in folders
    left_out: Counter[str] | None = None
    for item in inputs:
        if not _is_folder(item):
            paths.append(item)
            continue
        left_out = Counter() if left_out is None else left_out
        found = _inside(item, kind, left_out)
        if not found and kind == "clip" and (frames := frames_of(item)):  # together they are one
            log(f"note: {item} holds {len(frames):,} numbered pictures, read as the frames of a clip (--fps a second)")
            left_out.subtract(Path(frame).suffix.lower() for frame in frames)
            found, parts = [item], [*parts, *map(str, frames)]
        if not found:
            raise InputError(f"{item} is a folder without {kind}s{_besides(left_out)}")
        paths += found

    def identity() -> str:
        known = json.dumps([_identity(path, sample=False) for path in (*paths, *parts)])
        return hashlib.sha256(known.encode("utf-8", "replace")).hexdigest()

    return Source(f"{kind}s", lambda: ((path, {}) for path in paths), (), len(paths), identity, left_out)


def _besides(left_out: Counter[str]) -> str:
    return f" (in it: {counted(left_out)})" if left_out.total() else ""


def counted(left_out: Mapping[str, int]) -> str:
    """What was left out, the most frequent first: "3 .heic, 1 hidden"."""
    return ", ".join(f"{count:,} {what}" for what, count in Counter(left_out).most_common() if count)


def _text_source(item: str, column: str | None, how: Mapping[str, Any], *, literal: bool) -> Source:
    """A text, a file of lines or a table; *literal*: a text that is no file, whatever it looks like."""
    if item == "-":
        return Source(item, lambda: ((line.rstrip("\r\n"), {}) for line in _standard_input(how.get("encoding"))))
    if not item.strip() or not exists(item):
        if not literal:
            refuse_path(item, _AS_TEXT)
        if table_suffix(Path(item)) or (len(item) < 256 and file_kind(item)):
            log(f"note: {quoted(item)!r} is read as a text: there is no file of that name")
        return Source(item, lambda: iter([(item, {})]), (), 1)
    itself = f" (for the text itself: echo {quoted(item)!r} | mien predict -)" if literal else ""
    if _is_folder(item):
        raise InputError(f"{item} is a folder; a text, a file of lines or a table is meant{itself}")
    if literal and not table_suffix(Path(item)):
        raise InputError(f"{item} is a file, and its name is no text to read{itself}")
    if literal:
        log(f"note: {quoted(item)!r} is a file: its texts are read, not its name")
    return _table_source(Path(item), column, how)


def _is_chat(folder: str, others: bool) -> bool:
    from mien.datasets.chats import is_folder_of_chat

    return is_folder_of_chat(Path(folder), others)


def _chat_source(item: str, column: str | None, how: Mapping[str, Any], told: bool) -> Source | None:
    """The messages of a chat; None where it is none. *told*: whether the caller says that it is one."""
    if told and (item == "-" or column is not None):
        raise InputError("--as chat needs a file" if item == "-" else "--column is for tables, not for --as chat")
    if not told and (column is not None or not item.strip() or not exists(item)):
        return None
    from mien.datasets.chats import find_chat, open_chat

    sure = told or (Path(item).suffix.lower() in MESSAGES and not _is_folder(item))
    chat = open_chat(item, **how) if sure else find_chat(item, **how)
    if chat is None:
        return None

    def rows() -> Iterator[tuple[str, Columns]]:
        return ((message, message.row) for message in chat)

    def identity() -> list[Any]:
        return [*_identity(item), chat.identity()]

    return Source(item, rows, chat.names, chat.messages, identity, chat.left_out)


def _standard_input(encoding: str | None) -> Iterator[str]:
    from mien.datasets.chats import warn_of_chat
    from mien.datasets.lines import check_encoding, decoded_lines, stream_blocks

    check_encoding(encoding)
    return warn_of_chat(decoded_lines(stream_blocks(sys.stdin.buffer), "standard input", encoding), "standard input")


def _table_source(path: Path, column: str | None, how: Mapping[str, Any]) -> Source:
    from mien.datasets.cells import text_column
    from mien.datasets.tables import LINES, cell_text, open_table

    table = open_table(path, **how)
    name = text_column(table.columns, column, path)
    plain = table.columns == LINES
    if plain and column is not None and table_suffix(path) == ".txt" and not how.get("separator"):
        raise InputError(f"--column is for tables, and {path} is a file of lines")

    def rows() -> Iterator[tuple[str, Columns]]:
        for line, row in table.records():
            try:
                text = cell_text(row[name]) or ""
            except DataError as error:
                raise DataError(f"{path}:{line}: {error}") from None
            yield text, {} if plain else row

    return Source(str(path), rows, table.columns, table.rows)


def _row_source(path: Path, model: str, how: Mapping[str, Any]) -> Source:
    """The rows of a table that has the columns which the model reads."""
    from mien.modalities.features.table import rows_of

    table, rows = rows_of(path, model, **how)
    return Source(str(path), rows, table.columns, table.rows)


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
