"""Shards: the results of some inputs each, in files that are whole or not there; those that exist are skipped.

::

    results/
      _mien.json            what was asked, inputs of a shard, columns; readers of Parquet pass it over
      part-00000.parquet    the rows of the first inputs
      _part-00000.json      its sha256, and what it comes to
      part-00001.parquet    of the next, …

Shards are made in any order, by any process. A run that was killed goes on with those that are missing; one that is
not as it was written is made again. A folder with the answers to another question is refused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from itertools import chain, count, islice
from pathlib import Path
from typing import Any, TypeVar

from mien.errors import MienError
from mien.files import atomic_write, locked, sha256, translate_os_errors
from mien.output.rows import Tally

RECORD = "_mien.json"
_FORMAT = 3
_PATIENCE = 60.0  # seconds for a worker of an earlier run that is still at the same shard

T = TypeVar("T")


@dataclass(frozen=True)
class Plan:
    """How results are laid out.

    Attributes:
        size: inputs of a shard; of the last perhaps fewer.
        inputs: how many there are; None where that is not known beforehand.
        columns: name → Arrow's name of its type, the same in every shard of Parquet.
    """

    size: int
    inputs: int | None = None
    columns: dict[str, str] = field(default_factory=dict)

    @property
    def shards(self) -> int:
        """How many shards; one, without rows, where there are no inputs."""
        return max(1, -(-(self.inputs or 0) // self.size))

    def cut(self, inputs: Iterable[T], done: Collection[int]) -> Iterator[tuple[int, Iterator[T]]]:
        """The inputs of each shard, with its number; those of shards that are done are passed over."""
        source = iter(inputs)
        for number in count():
            some = islice(source, self.size)
            first = list(islice(some, 1))
            if number and not first:
                return
            if number not in done:
                yield number, chain(first, some)
            for _ in some:
                pass


@dataclass(frozen=True)
class Shards:
    """A folder of results. Made by :func:`open_shards`."""

    folder: Path
    plan: Plan
    suffix: str = ".parquet"

    def path(self, number: int) -> Path:
        """The file of a shard, numbered from 0."""
        return self.folder / f"part-{number:05}{self.suffix}"

    def note(self, number: int) -> Path:
        """The file with the sha256 and the tally of a shard."""
        return self.folder / f"_part-{number:05}.json"

    def progress(self, number: int) -> Path:
        """The file in which a worker notes where it is in a shard, for the one that takes it over if it dies."""
        return self.folder / f"_part-{number:05}.progress"

    def existing(self) -> list[int]:
        """The shards that are there."""
        names = (path.name.removesuffix(self.suffix) for path in self.folder.glob(f"part-*{self.suffix}"))
        return sorted(int(name[5:]) for name in names if name[5:].isdecimal())

    def missing(self) -> list[int]:
        """The shards that are still to be made, of a number of inputs that is known."""
        return sorted(set(range(self.plan.shards)).difference(self.existing()))

    def pending(self, inputs: Iterable[T]) -> Iterator[tuple[int, Iterator[T]]]:
        """The inputs of each shard that is missing, with its number."""
        return self.plan.cut(inputs, set(self.existing()))

    @contextmanager
    def write(self, number: int) -> Iterator[tuple[Path, Tally]]:
        """The file that becomes a shard at the end of the block, and the tally that is to be filled.

        Raises:
            MienError: it cannot be written (no permission, disk full).
        """
        tally = Tally()
        with atomic_write(self.path(number), _PATIENCE) as scratch:
            yield scratch, tally
            with atomic_write(self.note(number)) as note:  # before the shard, which counts with it alone
                note.write_text(json.dumps({"sha256": sha256(scratch), **tally.to_dict()}), "utf-8", "replace")

    def tally(self) -> Tally:
        """What the shards that are there come to."""
        total = Tally()
        for number in self.existing():
            total += self._noted(number)[1]
        return total

    def _noted(self, number: int) -> tuple[str | None, Tally]:
        with suppress(OSError, ValueError, KeyError, TypeError):
            values = json.loads(self.note(number).read_text("utf-8"))
            return str(values.pop("sha256")), Tally.of_dict(values)
        return None, Tally()

    def drop_damaged(self, log: Callable[[str], object]) -> None:
        """Remove the shards that are not as they were written."""
        for number in self.existing():
            if self._noted(number)[0] != sha256(self.path(number)):
                log(f"{self.path(number)} is not as it was written: it is made again")
                self.path(number).unlink()

    def clean(self) -> None:
        """Remove what processes that were ended left: shards half written, notes, and how far they came."""
        kept = {path for number in self.existing() for path in (self.path(number), self.note(number))}
        for path in set(self.folder.glob("*part-*")) - kept:
            path.unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove all of it, and the folder if nothing else is in it."""
        for path in [*self.folder.glob("*part-*"), self.folder / RECORD]:
            path.unlink(missing_ok=True)
        with suppress(OSError):
            self.folder.rmdir()


@contextmanager
def opened(folder: Path, target: Path | None = None) -> Iterator[None]:
    """A folder of shards that no other process fills, made if it is not there, and gone if nothing came in."""
    what = (
        f"{target}: wait for it, or name another file" if target else f"{folder}: wait for it, or name another folder"
    )
    with translate_os_errors(folder):
        folder.mkdir(exist_ok=True)
    try:
        with locked(folder, f"another process is writing {what}"):
            yield
    finally:
        with suppress(OSError):
            folder.rmdir()


def open_shards(
    folder: Path, asked: Mapping[str, Any], plan: Callable[[], Plan], log: Callable[[str], object] = lambda _: None,
    *, suffix: str = ".parquet", unit: str = "rows", advice: str = "name another folder", restart: bool = False,
) -> Shards:  # fmt: skip
    """A new folder of shards, or one that is to be gone on with.

    Args:
        folder: there, and opened by :func:`opened`.
        asked: whatever the results depend on, by a name that a person knows, in values that JSON can hold.
        plan: makes the layout of a new folder; one that is there keeps its own.
        log: called with a line about shards that are made again.
        unit: what inputs are called.
        advice: what to do with a folder that does not fit.
        restart: whether results that are there are of no use, as those of another standard input.

    Raises:
        MienError: the folder holds other files, or the results of something else; or it cannot be written.
    """
    record, wanted = folder / RECORD, json.loads(json.dumps(dict(asked)))
    if record.exists():
        known = _read(record, advice)
        shards = Shards(folder, Plan(**known["plan"]), suffix)
        others = differing(known["asked"], wanted)
        if not others and not restart:
            shards.drop_damaged(log)
            shards.clean()
            return shards
        if done := shards.tally().inputs:
            if not restart:
                raise MienError(f"{folder} holds {done:,} {unit} of another call (not the same: {others}): {advice}")
            log(f"the {done:,} {unit} in {folder} are of another standard input: begun anew")
        shards.remove()
        folder.mkdir(exist_ok=True)
    elif any(folder.iterdir()):
        raise MienError(f"{folder} holds files that are no results of this: {advice}")
    shards = Shards(folder, plan(), suffix)
    with atomic_write(record) as made:
        document = {"mien": _FORMAT, "asked": wanted, "plan": asdict(shards.plan)}
        document["sha256"] = _sum(document)
        made.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", "utf-8", "replace")
    return shards


def _read(record: Path, advice: str) -> dict[str, Any]:
    try:
        known = json.loads(record.read_text("utf-8"))
        if known["mien"] == _FORMAT and known.pop("sha256") == _sum(known):
            return {"asked": dict(known["asked"]), "plan": dict(known["plan"])}
    except (OSError, ValueError, KeyError, TypeError):
        pass
    raise MienError(f"{record} is damaged, or of another version of mien: {advice}")


def _sum(document: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def differing(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """The names of what is not the same in two of those mappings that say what results depend on."""
    return ", ".join(name for name in sorted({*before, *now}) if before.get(name) != now.get(name))
