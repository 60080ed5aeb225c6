"""How many threads to compute with, and work that is done in several."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from mien.errors import ModelError

_READERS = 4

T = TypeVar("T")
R = TypeVar("R")


def usable_threads() -> int:
    """How many threads to compute with: ``MIEN_THREADS``, else the cores this process may run on.

    Raises:
        ModelError: ``MIEN_THREADS`` is not a positive number.
    """
    setting = os.environ.get("MIEN_THREADS")
    if setting:
        if not setting.isdecimal() or int(setting) < 1:
            raise ModelError(f"MIEN_THREADS must be a positive number, got {setting!r}")
        return int(setting)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def readers(threads: int | None = None) -> int:
    """How many of those threads may read pictures or clips: few, as each may hold hundreds of megabytes."""
    return min(_READERS, threads or usable_threads())


def side_by_side(function: Callable[[T], R], items: Iterable[T], threads: int | None = None) -> Iterator[R]:
    """What the function makes of each item, in their order, computed in threads.

    Items are taken as they are wanted, one more than there are threads ahead. For functions that spend their time
    without Python's lock: Pillow's, PyAV's and ONNX Runtime's.

    Args:
        threads: how many; by default :func:`usable_threads`.
    """
    if (threads := threads or usable_threads()) == 1:
        yield from map(function, items)
        return
    pool = ThreadPoolExecutor(threads)  # made anew each time: threads do not survive a fork of the process
    begun = deque[Future[R]]()
    try:
        for item in items:
            begun.append(pool.submit(function, item))
            if len(begun) > threads:
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
