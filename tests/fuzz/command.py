"""The command line in this process: what it prints and its exit code."""

from __future__ import annotations

import io
import sys
from contextlib import redirect_stderr, redirect_stdout
from typing import NamedTuple
from unittest import mock

from mien.cli.app import main


class Done(NamedTuple):
    """What came of a command."""

    code: int
    output: str
    error: str


def run(*arguments: object, input: bytes = b"") -> Done:
    """``run("predict", "i am glad")`` as ``mien predict "i am glad"``; other exceptions than SystemExit go through."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", "surrogatepass", write_through=True) for _ in "12")
    stdin = io.TextIOWrapper(io.BytesIO(input), "utf-8")
    code: object = 0
    with redirect_stdout(out), redirect_stderr(err), mock.patch.object(sys, "stdin", stdin):
        try:
            with mock.patch.object(sys, "argv", ["mien", *map(str, arguments)]):
                main()
        except SystemExit as stop:
            code = stop.code
    texts = (stream.buffer.getvalue().decode("utf-8", "replace") for stream in (out, err))  # type: ignore[attr-defined]
    return Done(code if isinstance(code, int) else int(code is not None), *texts)
