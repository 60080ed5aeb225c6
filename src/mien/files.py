"""Locks on files and folders: one process at a time writes a result; and what makes a disk hold it.

A lock is the kernel's (``flock``) and goes with the process that held it, however that ended. Windows has none: there
no two processes may be given the same name to write.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from mien.errors import MienError

fcntl: Any = importlib.import_module("fcntl") if importlib.util.find_spec("fcntl") else None

_EVERY = 0.05  # seconds between two attempts


def open_locked(path: Path, busy: str, wait: float = 0.0) -> int:
    """A descriptor of a file that no other process holds, made if it is not there; to close it gives the lock back.

    Args:
        path: of the file, or of a folder that is there.
        busy: the message where another process holds it.
        wait: seconds to wait for that process.

    Raises:
        MienError: another process holds it.
        OSError: it cannot be opened.
    """
    flags = os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0)
    until = time.monotonic() + wait
    while True:
        file = os.open(path, flags, 0o666)
        try:
            if _take(file):
                if _is_there(file, path):
                    return file
            elif time.monotonic() >= until:
                raise MienError(busy)
            else:
                time.sleep(_EVERY)
        except BaseException:
            os.close(file)
            raise
        os.close(file)


@contextmanager
def locked(path: Path, busy: str, wait: float = 0.0) -> Iterator[None]:
    """Hold the lock of a file or folder; see :func:`open_locked`."""
    if fcntl is None:  # where an open file can be neither replaced nor removed
        yield
        return
    file = open_locked(path, busy, wait)
    try:
        yield
    finally:
        os.close(file)


class Held:
    """The lock of an existing folder, for as long as this object is there; see :func:`open_locked`."""

    def __init__(self, folder: Path, busy: str) -> None:
        self._file = None if fcntl is None else open_locked(folder, busy)

    def __del__(self) -> None:
        if (file := getattr(self, "_file", None)) is not None:
            os.close(file)


def flush(path: Path) -> None:
    """See a file, or the names in a folder, to the disk itself, where they outlive a power cut."""
    if path.is_dir() and os.name == "nt":
        return
    file = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def _take(file: int) -> bool:
    if fcntl is None:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system that knows no locks
        return True
    return True


def _is_there(file: int, path: Path) -> bool:
    """Whether the name is still that of the open file: who held it before may have moved or removed it."""
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(file), os.stat(path))
    return False
