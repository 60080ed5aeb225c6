"""Text that is safe to print: control characters escaped, long inputs cut."""

from __future__ import annotations

import re
import sys
from typing import TextIO

LONGEST = 200  # characters of an input that a message quotes
_MESSAGE = 1000
# C0, DEL, C1, line and paragraph separators, and what turns the direction of writing.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u2028-\u202e\u2066-\u2069]")
_LAYOUT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u2028-\u202e\u2066-\u2069]")  # all but tab and line feed
_RUN = re.compile(rf"\S{{{LONGEST + 1},}}")


def printable(text: str, *, layout: bool = False) -> str:
    r"""The text with its control characters as escapes such as ``\x1b``; *layout*: tabs and line feeds are kept."""
    return (_LAYOUT if layout else _CONTROL).sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def cut(text: str, most: int = LONGEST) -> str:
    """At most so many characters: the beginning and the end."""
    return text if len(text) <= most else f"{text[: most - 1 - most // 3]}…{text[-(most // 3) :]}"


def cut_message(message: str) -> str:
    """A message as one line that is not endless: no word in it is longer than `LONGEST`, no sign acts on a terminal."""
    line = " ".join(part.strip() for part in message.splitlines() if part.strip())
    return cut(_RUN.sub(lambda found: cut(found[0]), printable(line)), _MESSAGE)


def quoted(text: object) -> str:
    """An input as a message quotes it."""
    return printable(cut(str(text)))


def print_line(line: object, file: TextIO | None = None) -> None:
    """Print one line in which nothing can act on the terminal; on standard output, unless *file* is given.

    A warning is red where a terminal shows it.
    """
    file, text = file or sys.stdout, printable(str(line))
    print(f"\033[1;31m{text}\033[0m" if text.startswith("warning: ") and file.isatty() else text, file=file, flush=True)


def print_json(part: str, end: str = "\n") -> None:
    """Print JSON, or a part of it, with the same values and without characters that act on a terminal."""
    print(_LAYOUT.sub(lambda found: f"\\u{ord(found[0]):04x}", part), end=end)
