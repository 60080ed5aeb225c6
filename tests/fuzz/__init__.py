"""A fuzzer for every reader of mien: seeded inputs, each tried in a child process with memory and time limits.

::

    make fuzz MINUTES=10 [SEED=7] [KINDS="pictures tables"]
    PYTHONPATH=tests python -m fuzz --file findings/pictures-7-1234/picture.png      # a finding once more
    PYTHONPATH=tests python -m fuzz --file findings/*/*                              # all of them

``kinds/`` has a module per kind of input: ``make(rng)`` builds one, ``check(path)`` reads it and compares what came
with a second opinion. `child` guards what happens meanwhile; `__main__` runs the children and counts.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from random import Random
from typing import NamedTuple, Protocol, cast

KINDS = ("pictures", "clips", "tables", "pickles", "recipes", "models", "requests", "texts", "arguments", "chats")


class Case(NamedTuple):
    """An input: a file's name, whose end says what it is, and its bytes."""

    name: str
    data: bytes


class Kind(Protocol):
    """A module of ``kinds/``.

    Attributes:
        SECONDS, MEGABYTES: of processor time and memory that an input may take, however small it is.
        SECONDS_PER_MB, MEGABYTES_PER_MB: what it may take besides for each 10⁶ bytes of its own.
    """

    SECONDS: float
    SECONDS_PER_MB: float
    MEGABYTES: float
    MEGABYTES_PER_MB: float

    def prepare(self) -> None:
        """Load what takes long, before anything is measured."""

    def make(self, rng: Random) -> Case:
        """An input; the same for the same state of *rng*."""

    def check(self, path: Path) -> bool:
        """Read the file. True: accepted; False or MienError: refused. Finding or any other exception: a fault."""


class Finding(Exception):
    """An oracle disagrees."""


def kind_of(name: str) -> Kind:
    """The module of a kind."""
    return cast(Kind, importlib.import_module(f"fuzz.kinds.{name}"))


def case_of(kind: str, seed: int, number: int) -> Case:
    """The input of that number."""
    return kind_of(kind).make(Random(f"{kind} {seed} {number}"))
