"""What subtitles and transcripts share: times of a recording, and the names of speakers before what they say."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from dataclasses import dataclass

#: 1:02:03,5 or 02:03; hours, minutes, seconds, and the digits behind.
TIME = r"(?:\d{1,3}:)?\d{1,2}:\d{2}(?:[.,]\d{1,6})?"
_LABEL = r"(?:SPEAKER|Speaker|speaker|Sprecher|Locuteur|Hablante|Orador)[ _-]?[A-Z0-9]{1,4}"
_WORDS = r"[^\W\d_][^\s:\[\]()<>]{0,30}(?:[ \u00a0][^\s:\[\]()<>]{1,30}){0,3}"
_TITLE = r"(?![a-zß-ÿ])" + _WORDS.replace("[ \u00a0]", r"[ \u00a0](?![a-zß-ÿ])")  # no [door slams]
_CAPITALS = r"[A-ZÀ-ÖØ-ÞА-ЯΑ-Ω][A-ZÀ-ÖØ-ÞА-ЯΑ-Ω0-9'’.-]+(?: [A-ZÀ-ÖØ-ÞА-ЯΑ-Ω0-9'’.-]+){0,2}"
_SURE = re.compile(rf"^(?:\[({_LABEL})\]|({_LABEL}))\s*:?\s+(?=\S)|^<([^<>]{{1,60}})> (?=\S)|^({_CAPITALS}): (?=\S)")
_LIKELY = re.compile(rf"^(?:\[({_TITLE})\]:?|({_WORDS}):)\s+(?=\S)")
_SHARE = 0.5  # of the texts that begin with a name, above which all such beginnings are names


def seconds(text: str) -> float:
    """A time of a recording in seconds."""
    total = 0.0
    for part in text.replace(",", ".").split(":"):
        total = total * 60 + float(part)
    return round(total, 3)


def sure_name(text: str) -> bool:
    """Whether it begins with a name in capitals, a label or a name in angle brackets."""
    return _SURE.match(text) is not None


def unescape(text: str) -> str:
    """The text with the characters that HTML's entities stand for."""
    try:
        return html.unescape(text)
    except ValueError:  # the number of a character has thousands of digits
        return text


@dataclass(frozen=True)
class Names:
    """Takes names off the beginnings of what is said.

    Attributes:
        all: whether whatever stands before a colon is a name; else capitals and labels such as SPEAKER_00 alone.
    """

    all: bool = False

    @classmethod
    def of(cls, texts: Iterable[str]) -> Names:
        """As the texts of a whole file have it."""
        count = named = 0
        for text in texts:
            count += 1
            named += bool(_SURE.match(text) or _LIKELY.match(text))
        return cls(bool(count) and named > _SHARE * count)

    def split(self, text: str) -> tuple[str | None, str]:
        """Who, where that stands before it, and the text."""
        match = _SURE.match(text) or (_LIKELY.match(text) if self.all else None)
        if match is None:
            return None, text
        return next(filter(None, match.groups())), text[match.end() :]
