"""The errors that mien raises, as one tree, and text that is safe to print in a message.

::

    MienError              everything mien raises on purpose; its message is one clear line
    ├── InputError         an input to predict on is unusable (empty text, truncated picture)
    ├── DataError          a data set is unusable (missing column, unknown label, hostile pickle)
    ├── ModelError         a model folder is missing, damaged or too new
    ├── RecipeError        a recipe or one of its settings is wrong
    ├── ExportError        an exported model does not give the same numbers as the network
    └── MissingExtra       an optional dependency is not installed; the message names the command
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterable, Sequence
from types import ModuleType
from typing import Any, TextIO

LONGEST = 200  # characters of an input that a message quotes
_MESSAGE = 1000
_NEAR = 0.75  # how like a name must be to be the one that was meant, as difflib counts
# C0, DEL, C1, line and paragraph separators, and what turns the direction of writing.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u2028-\u202e\u2066-\u2069]")
_LAYOUT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u2028-\u202e\u2066-\u2069]")  # all but tab and line feed
_RUN = re.compile(rf"\S{{{LONGEST + 1},}}")


class MienError(Exception):
    """Base of all errors that mien raises on purpose.

    Attributes:
        command: what to type to go on, where something was stopped.
    """

    command = ""

    def __init__(self, *args: object) -> None:
        super().__init__(*(cut_message(arg) if isinstance(arg, str) else arg for arg in args))


class InputError(MienError, ValueError):
    """An input to predict on is unusable."""


class DataError(MienError, ValueError):
    """A data set, or a file of one, is unusable."""


class ModelError(MienError):
    """A model folder is missing, incomplete, damaged or of a newer format."""


class RecipeError(MienError, ValueError):
    """A recipe or a setting in it is wrong."""


class ExportError(MienError):
    """The exported model and the network disagree."""


class MissingExtra(MienError, ImportError):
    """A feature needs packages of an extra that is not installed."""


def require(module: str, extra: str) -> ModuleType:
    """Import *module*, or name the extra to install.

    Raises:
        MissingExtra: the package is not installed, or cannot be imported.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package, name = module.partition(".")[0], (error.name or "").partition(".")[0]
        if name not in ("", package):
            package += f", which cannot be imported ({' '.join(str(error).split())[:200]})"
        raise MissingExtra(f"this needs {package}: {how_to_install(extra)}") from error


def how_to_install(extra: str) -> str:
    """The words that say how to get an extra; no package index has mien."""
    wheel = f"mien-{importlib.import_module('mien').__version__}-py3-none-any.whl"
    return f'install mien with the extra "{extra}" (pip install ".[{extra}]" in a checkout, or "{wheel}[{extra}]")'


#: Kind of a pydantic error, or its first word → what is wrong.
_INVALID = {
    "missing": "is missing", "extra_forbidden": "is no setting", "int": "must be a whole number",
    "float": "must be a number", "finite_number": "must be a finite number", "bool": "must be true or false",
    "string": "must be text", "list": "must be a list", "tuple": "must be a list", "dict": "must hold settings",
    "model": "must hold settings", "none": "must be null", "literal_error": "must be {expected}",
    "string_pattern_mismatch": "must match {pattern}", "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}", "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}", "too_short": "must have at least {min_length} values",
    "too_long": "must have at most {max_length} values", "value_error": "{error}",
}  # fmt: skip


def invalid(error: Any, given: Any, start: str = "", known: Sequence[str] = ()) -> str:
    """The first value that a pydantic error is about: its full path, what it must be, and what it is, in one line.

    Args:
        error: a ``pydantic.ValidationError``.
        given: what was validated.
        start: the path of that, such as "preprocess".
        known: the paths that there are, of which the nearest to a wrong one is named.
    """
    found: dict[str, list[str]] = {}
    shown: dict[str, str] = {}
    for entry in error.errors(include_url=False):
        value, path = given, [start] if start else []
        for step in entry["loc"]:
            if isinstance(value, dict):
                value = value.get(step)
            elif isinstance(value, list) and isinstance(step, int) and step < len(value):
                value = value[step]
            else:  # what follows names the kinds that a union tried
                break
            path.append(str(step)[:60])
        kind, name = entry["type"], ".".join(path)
        wrong = _INVALID.get(kind) or _INVALID.get(kind.partition("_")[0], "does not fit")
        wrong = wrong.format(**entry.get("ctx", {}))
        if wrong not in found.setdefault(name, []):
            found[name].append(wrong)
        shown[name] = "" if kind in ("missing", "extra_forbidden", "value_error") else f", not {repr(value)[:60]}"
        if kind == "extra_forbidden":
            above = name.rpartition(".")[0]  # which is right, and would make everything below it look near
            ends = [one[len(above) :].strip(".").partition(".")[0] for one in known if one.startswith(f"{above}.")]
            shown[name] = did_you_mean(path[-1], ends if above else [one.partition(".")[0] for one in known])
    name = next(iter(found))
    return f"{name}: {' or '.join(found[name]).replace(' or must be ', ' or ')}{shown[name]}"


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """The end of a message: the nearest of the names that there are, or nothing where none is near."""
    from difflib import get_close_matches

    near = get_close_matches(str(word)[:LONGEST].lower(), list(known), 1, _NEAR)
    return f"; did you mean {near[0]!r}?" if near else ""


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
