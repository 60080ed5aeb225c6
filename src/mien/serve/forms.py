"""Forms with files, parsed at one go: in a thread, beside the event loop."""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncGenerator, Coroutine
from typing import IO, Any, TypeVar, cast

from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData, Headers
from starlette.formparsers import MultiPartException, MultiPartParser

from mien.serve.problems import Problem

_FIELD = 1 << 20  # bytes of a field that is no file
_PIECE = 1 << 16  # bytes that are parsed between two looks at the clock

T = TypeVar("T")


def parse_form(header: str, file: IO[bytes], most: int, end: float) -> FormData:
    """The form that a file holds; its own files are in memory.

    Raises:
        Problem: 400, it is none; 413, too much of one; 415, another charset than UTF-8.
    """
    _, options = parse_options_header(header)
    if options.get(b"charset", b"utf-8").lower() not in (b"utf-8", b"utf8", b"us-ascii"):
        raise Problem(415, "a form in another charset than UTF-8 is not taken here")
    file.seek(0)

    async def pieces() -> AsyncGenerator[bytes, None]:
        while piece := file.read(_PIECE):
            if time.monotonic() > end:
                raise Problem(413, "the form takes too long to read; send its files one by one")
            yield piece

    limits = {"max_files": most, "max_fields": most + 2, "max_part_size": _FIELD}
    parser = MultiPartParser(Headers({"content-type": header}), pieces(), **limits)
    parser.spool_max_size = sys.maxsize
    try:
        return _without_waiting(parser.parse())
    except MultiPartException as error:
        if error.message.startswith("Too many"):
            raise Problem(413, f"more than {most} inputs, the most that are taken in one request") from None
        if error.message.startswith("Part exceeded"):
            raise Problem(413, f"a field is larger than {_FIELD:,} bytes; send it as a file") from None
        raise Problem(400, f"the body is no form: {error.message[:200]}") from None


def _without_waiting(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that never waits for anything."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return cast(T, done.value)
    raise AssertionError("it waits")
