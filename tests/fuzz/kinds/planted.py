"""Planted faults, one for each oracle of the fuzzer: what tests/test_fuzz.py expects to be found."""

from __future__ import annotations

import ctypes
import os
import socket
import time
from pathlib import Path
from random import Random

from fuzz import Case, child
from mien.errors import InputError

SECONDS, SECONDS_PER_MB, MEGABYTES, MEGABYTES_PER_MB = 0.5, 0.0, 50.0, 0.0
FAULTS = (
    *("good", "refused", "error", "lines", "long", "escape", "slow", "memory", "network", "native", "write", "shell"),
    "crash",
)


class Raw(InputError):
    """An error that says what it was given; others are made one line."""

    def __str__(self) -> str:
        return self.raw

    def __init__(self, raw: str) -> None:
        super().__init__(raw)
        self.raw = raw


def prepare() -> None:
    """Nothing to load."""


def make(rng: Random) -> Case:
    return Case("planted.txt", rng.choice(FAULTS).encode())


def check(path: Path) -> bool:
    match path.read_text():
        case "refused":
            raise InputError(f"{path} is refused")
        case "error":
            raise ValueError("a fault")
        case "lines":
            raise Raw("two\nlines")
        case "long":
            raise Raw("x" * 301)
        case "escape":
            raise Raw("a title \x1b]0;pwned\x07")
        case "slow":
            end = time.process_time() + 1.2
            while time.process_time() < end:
                pass
        case "memory":
            b"\1" * 80_000_000  # noqa: B018
        case "network":
            socket.create_connection(("127.0.0.1", child.guard.port))
        case "native":
            ctypes.CDLL(None).fopen(bytes(child.guard.secret), b"r")
        case "write":
            Path(os.environ["HOME"], ".planted").open("a").close()
        case "shell":
            os.system("true")
        case "crash":
            ctypes.string_at(0)
    return True
