"""Usage errors of the command line, and the option that names what to write."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

from mien.errors import MienError
from mien.inputs import is_address
from mien.terminal import cut, printable, quoted


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
    """The option for a file or folder to write; an address is refused, of which a path would make folders here."""

    def path(value: object) -> Path:
        if is_address(str(value)):
            raise MienError(f"{quoted(value)} is an address, and mien writes only files on this machine")
        return Path(str(value))

    return typer.Option(*names, help=help, parser=path, metavar="PATH")
