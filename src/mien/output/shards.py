"""Results in a folder of Parquet parts, each of which is there whole or not at all.

::

    results/
      _mien.json            what was asked, how it is cut into parts, and the columns; readers of Parquet pass it over
      part-00000.parquet    the rows of the first inputs
      _part-00000.sha256    of that file, as it was written
      part-00001.parquet    of the next, …

Parts are made in any order, by any process. What is missing is the work that is left: a run that was killed goes on
with it. A folder that holds the answers to another question is refused; a part that is not as it was written is made
again.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, TypeVar

from mien.errors import MienError
from mien.files import atomic_write, locked, scratch_path, sha256, translate_os_errors
from mien.output.journal import differing
from mien.output.writer import FORMATS, Row, write_parquet

RECORD = "_mien.json"
_FORMAT = 2
_PATIENCE = 60.0  # seconds for a worker of an earlier run that is still at the same part

T = TypeVar("T")


@dataclass(frozen=True)
class Plan:
    """How results are laid out.

    Attributes:
        inputs: how many there are.
        size: inputs of a part; of the last perhaps fewer.
        columns: name → Arrow's name of its type, the same in every part.
    """

    inputs: int
    size: int
    columns: dict[str, str]

    @property
    def parts(self) -> int:
        """How many parts; one, without rows, where there are no inputs."""
        return max(1, -(-self.inputs // self.size))

    def held(self, number: int) -> int:
        """Inputs of a part, numbered from 0."""
        return min(self.size, self.inputs - number * self.size)


@dataclass(frozen=True)
class Parts:
    """A folder of results. Made by :func:`open_parts`."""

    folder: Path
    plan: Plan

    def path(self, number: int) -> Path:
        """The file of a part, numbered from 0."""
        return self.folder / f"part-{number:05}.parquet"

    def missing(self) -> list[int]:
        """The parts that are still to be made."""
        return [number for number in range(self.plan.parts) if not self.path(number).exists()]

    def damaged(self) -> list[int]:
        """The parts that are there and not as they were written."""
        there = (number for number in range(self.plan.parts) if self.path(number).exists())
        return [number for number in there if _noted(self.sum(number)) != sha256(self.path(number))]

    def clean(self) -> None:
        """Remove what workers that were ended left: parts half written, their sums, and trails."""
        for number in self.missing():
            for left in (self.path(number), self.sum(number)):
                scratch_path(left).unlink(missing_ok=True)
            self.sum(number).unlink(missing_ok=True)
            self.trail(number).unlink(missing_ok=True)

    def sum(self, number: int) -> Path:
        """The file with the sha256 of a part."""
        return self.folder / f"_part-{number:05}.sha256"

    def trail(self, number: int) -> Path:
        """The file of the :class:`Trail` of a part that is being made."""
        return self.folder / f"_part-{number:05}.trail"

    def write(self, number: int, rows: Iterable[Row]) -> None:
        """Make a part.

        Raises:
            MienError: it cannot be written (no permission, disk full).
        """
        # As they would come out of a journal (see mien.output.writer): half of a surrogate pair is no text.
        plain = (json.loads(json.dumps(row, ensure_ascii=False).encode("utf-8", "replace")) for row in rows)
        with atomic_write(self.path(number), _PATIENCE) as made:
            write_parquet(made, lambda: plain, self.plan.columns)
            with atomic_write(self.sum(number)) as note:  # before the part, which counts with it alone
                note.write_text(sha256(made) + "\n")


class Trail:
    """How far a process came with a part, for the one that takes the part over if it dies.

    Attributes:
        again: whether a process died over this part.
        deadly: places in the part of those inputs over which two processes died.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with translate_os_errors(path):
            lines = path.read_text().split() if path.exists() else []
        last = Counter(line for line, following in pairwise([*lines, "begun"]) if following == "begun")
        self.again = bool(lines)
        self.deadly = {int(line) for line, times in last.items() if line != "begun" and times > 1}
        self._tell("begun")

    def at(self, place: int) -> None:
        """The input at that place is read next, alone."""
        self._tell(place)

    def end(self) -> None:
        """The part is made."""
        self._path.unlink(missing_ok=True)

    def _tell(self, what: object) -> None:
        with translate_os_errors(self._path), self._path.open("a") as file:
            print(what, file=file)


def check_folder(folder: Path) -> None:
    """Refuse a folder of results that cannot be made, before anything is computed.

    Raises:
        MienError: the name is that of a file, or what it should lie in is missing.
    """
    if folder.suffix in FORMATS:
        raise MienError(f"{folder}: results go into a folder here, as Parquet parts; name it without {folder.suffix}")
    if folder.exists() and not folder.is_dir():
        raise MienError(f"{folder} is a file; results go into a folder here")
    if not folder.parent.is_dir():
        raise MienError(f"{folder}: the folder {folder.parent} does not exist")


@contextmanager
def opened(folder: Path) -> Iterator[None]:
    """A folder of results that no other process makes parts in, made if it is not there, and gone if nothing came in.

    Raises:
        MienError: another process does; or it cannot be written.
    """
    with translate_os_errors(folder):
        folder.mkdir(exist_ok=True)
    try:
        with locked(folder, f"another process is writing {folder}: wait for it, or name another folder"):
            yield
    finally:
        with suppress(OSError):
            folder.rmdir()


def open_parts(
    folder: Path, asked: Mapping[str, Any], plan: Callable[[], Plan], say: Callable[[str], object] = lambda _: None
) -> Parts:
    """A new folder of results, or one that is to be gone on with.

    Args:
        folder: for the parts.
        asked: whatever the results depend on, by a name that a person knows, in values that JSON can hold.
        plan: makes the layout of a new folder; one that is there keeps its own.
        say: told of parts that are made again.

    Raises:
        MienError: the folder holds other files, or the results of something else; or it cannot be written.
    """
    check_folder(folder)
    record, wanted = folder / RECORD, json.loads(json.dumps(dict(asked)))
    if record.exists():
        known = _read(record)
        if others := differing(known["asked"], wanted):
            raise MienError(f"{folder} holds results of something else (not the same: {others}); name another folder")
        parts = Parts(folder, Plan(**known["plan"]))
        for number in parts.damaged():
            say(f"{parts.path(number)} is not as it was written: it is made again")
            parts.path(number).unlink()
        return parts
    if folder.exists() and any(folder.iterdir()):
        raise MienError(f"{folder} holds files that are no results of this; name another folder")
    parts = Parts(folder, plan())
    with translate_os_errors(folder):
        folder.mkdir(exist_ok=True)
    with atomic_write(record) as made:
        document = {"mien": _FORMAT, "asked": wanted, "plan": vars(parts.plan)}
        document["sha256"] = _sum(document)
        made.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", "utf-8", "replace")
    return parts


def _read(record: Path) -> dict[str, Any]:
    try:
        known = json.loads(record.read_text("utf-8"))
        if known["mien"] != _FORMAT:
            raise MienError(f"{record} is of another version of mien; name another folder")
        if known.pop("sha256") != _sum(known):
            raise MienError(f"{record} is damaged; name another folder")
        return {"asked": dict(known["asked"]), "plan": dict(known["plan"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MienError(f"{record} cannot be read ({error}); name another folder") from error


def _sum(document: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def _noted(path: Path) -> str | None:
    with suppress(OSError, ValueError):
        return path.read_text("ascii").strip()
    return None


def cut(items: Iterable[T], size: int, wanted: Iterable[int]) -> Iterator[tuple[int, list[T]]]:
    """The inputs of the parts that are wanted, each with the part's number, in order; the others are passed over."""
    iterator, place = iter(items), 0
    for number in sorted(wanted):
        yield number, list(islice(iterator, (number - place) * size, (number - place + 1) * size))
        place = number + 1
