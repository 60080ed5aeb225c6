"""The words of a text, each with its place: what an explanation leaves out one by one."""

from __future__ import annotations

import re
from itertools import pairwise

_MOST, _FEWEST = 100, 10  # parts of a text
_CHARACTERS = 60_000  # that are read again for one text, about; its words are put together where it would be more

#: One sign of Chinese or Japanese writing, which has no spaces; emoji that stand together; or what lies between spaces.
_SIGNS = r"\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_EMOJI = r"\u2600-\u27bf\U0001f000-\U0001faff"
_WORD = re.compile(rf"[{_SIGNS}]|[{_EMOJI}][{_EMOJI}\u200d\ufe0f]*|[^\s{_SIGNS}{_EMOJI}]+")

Span = tuple[int, int]


def words(text: str) -> list[Span]:
    """Start and end of each word, with the punctuation that is joined to it."""
    return [match.span() for match in _WORD.finditer(text)]


def parts(text: str) -> tuple[list[Span], str]:
    """Start and end of the parts to leave out one by one, and a line that says so where they are groups of words.

    Of a text of up to 100 words and 600 characters each part is a word. A longer one has fewer parts than words, so
    that what is read again stays near 60,000 characters; but never less than 10.
    """
    found = words(text)
    most = min(_MOST, max(_FEWEST, _CHARACTERS // max(1, len(text))))
    if len(found) <= most:
        return found, ""
    edges = [len(found) * part // most for part in range(most + 1)]
    spans = [(found[start][0], found[end - 1][1]) for start, end in pairwise(edges)]
    return spans, f"its {len(found):,} words were left out in {most} groups"
