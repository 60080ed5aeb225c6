"""The log of a training run: lines for a person, on the logger "mien.training"."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LOGGER = logging.getLogger("mien.training")
_ALL = logging.getLogger("mien")


class _Lines(logging.Handler):
    def __init__(self, write: Callable[[str], object]) -> None:
        super().__init__(logging.INFO)
        self._write = write

    def emit(self, record: logging.LogRecord) -> None:
        self._write(record.getMessage())


@contextmanager
def log_to(write: Callable[[str], object]) -> Iterator[None]:
    """Give each line that mien logs in this block to a function."""
    handler, level = _Lines(write), _ALL.level
    _ALL.addHandler(handler)
    _ALL.setLevel(min(level or logging.INFO, logging.INFO))
    try:
        yield
    finally:
        _ALL.removeHandler(handler)
        _ALL.setLevel(level)


@contextmanager
def log_prefix(name: str) -> Iterator[None]:
    """Begin each line of training in this block with a name, such as that of a group; with nothing for ""."""

    def add_name(record: logging.LogRecord) -> bool:
        if name:
            record.msg = f"{name}: {record.msg}"
        return True

    with _filtered(add_name):
        yield


@contextmanager
def log_nothing() -> Iterator[None]:
    """Leave out the lines of training in this block: they were logged before."""
    with _filtered(lambda _: False):
        yield


@contextmanager
def _filtered(change: Callable[[logging.LogRecord], bool]) -> Iterator[None]:
    LOGGER.addFilter(change)
    try:
        yield
    finally:
        LOGGER.removeFilter(change)
