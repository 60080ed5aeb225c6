"""Results in a folder of Parquet parts, each of which is there whole or not at all.

::

    results/
      _mien.json            what was asked, how it is cut into parts, and the columns; readers of Parquet pass it over
      part-00000.parquet    the rows of the first inputs
      part-00001.parquet    of the next, …

Parts are made in any order, by any process. What is missing is the work that is left: a run that was killed goes on
with it. A folder that holds the answers to another question is refused.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, TypeVar

from mien.errors import MienError
from mien.sinks import FORMATS, Row, scratch, whole, write_parquet, written

RECORD = "_mien.json"
_FORMAT = 1

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

    def clean(self) -> None:
        """Remove what workers that were ended left: parts half written, and trails."""
        for number in self.missing():
            scratch(self.path(number)).unlink(missing_ok=True)
            self.trail(number).unlink(missing_ok=True)

    def trail(self, number: int) -> Path:
        """The file of the :class:`Trail` of a part that is being made."""
        return self.folder / f"_part-{number:05}.trail"

    def write(self, number: int, rows: Iterable[Row]) -> None:
        """Make a part.

        Raises:
            MienError: it cannot be written (no permission, disk full).
        """
        # As they would come out of a journal (see mien.sinks): half of a surrogate pair is no text.
        plain = (json.loads(json.dumps(row, ensure_ascii=False).encode("utf-8", "replace")) for row in rows)
        with whole(self.path(number)) as made:
            write_parquet(made, lambda: plain, self.plan.columns)


class Trail:
    """How far a process came with a part, for the one that takes the part over if it dies.

    Attributes:
        again: whether a process died over this part.
        deadly: places in the part of those inputs over which two processes died.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with written(path):
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
        with written(self._path), self._path.open("a") as file:
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


def open_parts(folder: Path, asked: Mapping[str, Any], plan: Callable[[], Plan]) -> Parts:
    """A new folder of results, or one that is to be gone on with.

    Args:
        folder: for the parts.
        asked: whatever the results depend on, by a name that a person knows, in values that JSON can hold.
        plan: makes the layout of a new folder; one that is there keeps its own.

    Raises:
        MienError: the folder holds other files, or the results of something else; or it cannot be written.
    """
    check_folder(folder)
    record, wanted = folder / RECORD, json.loads(json.dumps(dict(asked)))
    if record.exists():
        known = _read(record)
        if known["asked"] != wanted:
            names = sorted({*wanted, *known["asked"]})
            others = [name for name in names if known["asked"].get(name) != wanted.get(name)]
            raise MienError(
                f"{folder} holds results of something else (not the same: {', '.join(others)}); name another folder"
            )
        return Parts(folder, Plan(**known["plan"]))
    if folder.exists() and any(folder.iterdir()):
        raise MienError(f"{folder} holds files that are no results of this; name another folder")
    parts = Parts(folder, plan())
    with written(folder):
        folder.mkdir(exist_ok=True)
    with whole(record) as made:
        document = {"mien": _FORMAT, "asked": wanted, "plan": vars(parts.plan)}
        made.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", "utf-8", "replace")
    return parts


def _read(record: Path) -> dict[str, Any]:
    try:
        known = json.loads(record.read_text("utf-8"))
        if known["mien"] != _FORMAT:
            raise MienError(f"{record} is of another version of mien; name another folder")
        return {"asked": dict(known["asked"]), "plan": dict(known["plan"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MienError(f"{record} cannot be read ({error}); name another folder") from error


def cut(items: Iterable[T], size: int, wanted: Iterable[int]) -> Iterator[tuple[int, list[T]]]:
    """The inputs of the parts that are wanted, each with the part's number, in order; the others are passed over."""
    iterator, place = iter(items), 0
    for number in sorted(wanted):
        yield number, list(islice(iterator, (number - place) * size, (number - place + 1) * size))
        place = number + 1
