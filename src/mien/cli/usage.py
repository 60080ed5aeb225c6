"""Usage errors of the command line, and the option that names what to write."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from typer.core import TyperGroup

from mien.errors import cut, printable
from mien.inputs import to_write


class Verbs(TyperGroup):
    """The verbs, with usage errors in which nothing can act on the terminal."""

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        with _usage():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        with _usage():
            return super().invoke(ctx)


@contextmanager
def _usage() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if isinstance(message := getattr(error, "message", None), str):  # a usage error
            error.message = printable(cut(message, 300), layout=True)  # type: ignore[attr-defined]
        raise


def target(help: str, *names: str) -> Any:
    """The option for a file or folder to write, which is no address."""
    return typer.Option(*names, help=help, parser=to_write, metavar="PATH")
