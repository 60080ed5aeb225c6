"""Options, output and usage errors that the verbs share."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from mien.errors import MienError, cut, print_json, print_line, printable
from mien.inputs import to_write

if TYPE_CHECKING:
    from rich.console import Console

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output, nothing else.")]
ModelArgument = Annotated[str, typer.Argument(help="A shipped model's name, or a model or run folder.")]
SomeModel = Annotated[
    str | None,
    typer.Option(
        help="A shipped model's name, or a model or run folder. "
        "[default: face for pictures, video for clips, else text]"
    ),
]
AsModality = Annotated[
    str | None, typer.Option("--as", help="Take every input as this: text, chat, face, video, scene or features.")
]
Labels = Annotated[str | None, typer.Option(help="Answer in another label space, such as ekman7.")]
Language = Annotated[
    str | None,
    typer.Option(
        help="What the texts are written in, such as en; or any, to read them as they are. [default: told by each text]"
    ),
]
Column = Annotated[
    str | None, typer.Option(help="The table's column with the text, by name or number, if its name does not tell.")
]
Encoding = Annotated[str | None, typer.Option(help="Of text files; found out if not given.")]
Separator = Annotated[
    str | None, typer.Option(help="Between columns of text files: a character, or tab; found out if not given.")
]
Header = Annotated[bool, typer.Option("--header/--no-header", help="Whether a table's first row names its columns.")]
Sheet = Annotated[
    str | None, typer.Option(help="Of workbooks: the sheet, by name or number. [default: the first with anything]")
]
Quotes = Annotated[bool, typer.Option("--quotes/--no-quotes", help="Whether quotes enclose fields in text files.")]
Crops = Annotated[bool, typer.Option("--crops", help="Each picture is a ready crop of one face.")]
AllFaces = Annotated[
    bool, typer.Option("--all-faces", help="Count faces, too, that could not be seen well enough to be sure.")
]
MinFace = Annotated[
    int | None, typer.Option(min=1, metavar="PIXELS", help="Leave out faces with a shorter side below that.")
]
MaxFaces = Annotated[int | None, typer.Option(min=1, help="Read so many faces of a picture or frame, the largest.")]
Confidence = Annotated[
    float | None,
    typer.Option(help="From which score of the detector on a face counts, 0 to 1. [default: 0.8; small ones 0.9]"),
]
Landmarks = Annotated[
    bool, typer.Option("--landmarks", help="Of faces: head pose, 52 movements of the face, and 478 points besides.")
]
Fps = Annotated[float | None, typer.Option(help="Of clips: frames a second to look at.")]
Frames = Annotated[int | None, typer.Option(min=1, help="Of clips: so many frames of each, spread evenly.")]
BatchSize = Annotated[int, typer.Option(min=1, help="Texts or faces computed at once.")]
_FOLDED = 30  # columns that a text folded behind a name needs
SHOWN = 20  # results or problems shown one by one; more are only counted


def console(*, stderr: bool = False) -> Console:
    """The terminal, or the file that stands for it."""
    from mien.output.terminal import Terminal

    return Terminal(stderr=stderr, highlight=False, emoji=False, soft_wrap=not sys.stdout.isatty())


def log(line: str) -> None:
    """Print a line for a person, on standard error."""
    print_line(line, sys.stderr)


def print_entry(name: str, text: str) -> None:
    """Print an entry of a list in one line; on a terminal too narrow for that, its text is folded behind the name."""
    room = shutil.get_terminal_size().columns - len(name) - 1 if sys.stdout.isatty() else 0
    lines = textwrap.wrap(text, room) if room >= _FOLDED else [text]
    for number, line in enumerate(lines):
        print_line(f"{' ' * len(name) if number else name} {line}")


def print_document(document: Any) -> None:
    """Print the one JSON document of a verb."""
    print_json(json.dumps(document, ensure_ascii=False, indent=1))


def stopped(kept: str, *added: str) -> MienError:
    """The error after Ctrl-C; to go on takes the command that this process was started with, and more options."""
    error, given = MienError(f"stopped: {kept}"), sys.argv[1:]
    end = given.index("--") if "--" in given else len(given)
    error.command = shlex.join(["mien", *given[:end], *added, *given[end:]])
    return error


def table_form(
    encoding: str | None, separator: str | None, header: bool, sheet: str | None, quotes: bool
) -> dict[str, Any]:
    """The options of that name as :func:`mien.datasets.tables.open_table` takes them."""
    return {
        "encoding": encoding,
        "separator": separator or "",
        "header": header,
        "sheet": sheet or "",
        "quotes": quotes,
    }


def target(help: str, *names: str) -> Any:
    """The option for a file or folder to write, which is no address."""
    return typer.Option(*names, help=help, parser=to_write, metavar="PATH")


class Verbs(TyperGroup):
    """The verbs, with usage errors in which nothing can act on the terminal."""

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        with _printable_errors():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        with _printable_errors():
            return super().invoke(ctx)


@contextmanager
def _printable_errors() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if isinstance(message := vars(error).get("message"), str):  # a usage error
            error.message = printable(cut(message, 300), layout=True)  # type: ignore[attr-defined]
        raise
