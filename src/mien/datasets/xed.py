"""XED (Öhman et al. 2020): lines of film subtitles, any of Plutchik's eight emotions, or neutral."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from mien.datasets.dataset import Problem
from mien.datasets.lines import blocks, decoded_lines, open_binary
from mien.datasets.open import Items, Row, dataset
from mien.errors import DataError, did_you_mean
from mien.labels import SPACES

_FILE = re.compile(r"(?P<language>[a-z]{2,3})-(?P<kind>annotated|projections)\d*\.tsv")
_QUOTED = re.compile(r'"((?:[^"]|"")*)"')
_NAMES = {str(number): name for number, name in enumerate(SPACES["plutchik9"].names[:8], 1)}
_GROUP = "same"


@dataset("xed", labels="plutchik9", licence="CC BY 4.0", group=_GROUP)
def xed(
    folder: Path, *, language: tuple[str, ...] = ("en",), kind: Literal["", "annotated", "projections"] = ""
) -> Items:
    """The lines of LANGUAGE-annotated.tsv with neu_LANGUAGE.txt, and of LANGUAGE-projections.tsv.

    Projections are lines of other languages that were put beside annotated ones; none of them is neutral. The splits
    are mien's: equal lines stay together, but nothing tells which lines of two languages say the same.
    The columns are "language", and "same", which is equal for lines that are equal but for case and blanks.

    Args:
        folder: the folder that holds the files.
        language: as in the names of the files, such as "en" or "en,fi"; or "all".
        kind: "annotated" (English and Finnish) or "projections"; without it the annotated lines of a language, and
            projections where it has none.
    """
    files: dict[str, dict[str, Path]] = {}
    for file in sorted(folder.iterdir()) if folder.is_dir() else ():
        if (match := _FILE.fullmatch(file.name)) and kind in ("", match["kind"]):
            files.setdefault(match["language"], {})[match["kind"]] = file
    what = f"{kind} lines" if kind else "lines"
    if not files:
        raise DataError(f"{folder} has no files of {what}, such as en-annotated.tsv")
    for name in language:
        if name not in (*files, "all"):
            near = did_you_mean(name, files)
            raise DataError(f"{folder} has no {what} of {name!r}; it has: {', '.join(files)}{near}")
    for name in files if "all" in language else dict.fromkeys(language):
        which = next(iter(files[name]))  # "annotated" comes before "projections"
        yield from _labeled(files[name][which], name)
        if which == "annotated":
            yield from _neutral(folder / f"neu_{name}.txt", name)


def _labeled(path: Path, language: str) -> Items:
    """The lines of a text, a tab and its numbers.

    A few texts in quotes go on over lines that are no texts, but the places of subtitles: each of those is a problem.
    """
    for number, line in _lines(path):
        where, (text, *rest) = f"{path.name}:{number}", line.split("\t")
        quoted = _QUOTED.fullmatch(text)
        labels = [_NAMES.get(part.strip(), part.strip()) for part in rest[0].split(",")] if len(rest) == 1 else []
        if len(rest) != 1 or ".xml.gz" in text or (text.startswith('"') and not quoted):
            yield Problem("unreadable", where, "no text and numbers with a tab between")
        elif number > 1 or rest != ["emotion"]:  # of one file the first line names the columns
            text = quoted[1].replace('""', '"') if quoted else text
            yield _row(text, [name for name in labels if name], where, language)


def _neutral(path: Path, language: str) -> Items:
    """The lines of a number, a tab and a neutral text, perhaps with the place of the subtitle behind."""
    for number, line in _lines(path):
        where, cells = f"{path.name}:{number}", line.split("\t")
        if len(cells) > 1:
            yield _row(cells[1], ["neutral"], where, language)
        else:
            yield Problem("unreadable", where, "no number and text with a tab between")


def _row(text: str, labels: list[str], where: str, language: str) -> Row:
    return Row(text, labels, where, "", {"language": language, _GROUP: " ".join(text.casefold().split())})


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines, numbered from 1, without their ends."""
    with open_binary(path) as file:
        for number, line in enumerate(decoded_lines(blocks(file, path), str(path)), 1):
            yield number, line.rstrip("\r\n")
