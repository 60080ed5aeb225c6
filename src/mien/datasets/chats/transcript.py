"""Transcripts as text: a line or paragraph for each thing said, with its time or speaker before it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from mien.datasets.chats.files import Document
from mien.datasets.chats.forms import Form, Items, LeftOut, Lines, Settings
from mien.datasets.chats.spoken import _LABEL, _WORDS, TIME, Names, seconds
from mien.inputs import Message

_TO = r"\s*(?:-->|->|[-–—]|to)\s*"
_SPAN = rf"(?P<start>{TIME})(?:{_TO}(?P<end>{TIME}))?"
_SECONDS = r"\d{1,6}(?:[.,]\d{1,6})?"
#: In brackets also [12.5s], [0.5 - 2.1], [0.5s --> 2.1s].
_WITHIN = rf"(?:{_SPAN}|(?P<since>{_SECONDS})(?:\s?s|(?=\s?s?{_TO}\d))(?:\s?s?{_TO}(?P<until>{_SECONDS})(?:\s?s)?)?)"
_WHO = rf"(?P<who>{_LABEL}|{_WORDS})"


@dataclass(frozen=True)
class _Style:
    """How a line begins. *least*: lines that have to begin so; *share* of all of them that have to."""

    pattern: re.Pattern[str]
    least: int = 1
    share: float = 0.2
    names: bool = False  # whether a name may stand before what is said, behind the time


_STYLES = (
    _Style(re.compile(rf"^\s*+[\[(]{_WITHIN}[\])]\s*+[-–—:|]?\s*+(?P<text>.*)$"), names=True),  # [00:00:01] Anna: text
    _Style(
        re.compile(rf"^\s*+\[?{_WHO}\]?\s*[\[(]{_WITHIN}[\])]\s*+:?\s*+(?P<text>.*)$")
    ),  # SPEAKER_00 [00:00:01]: text
    _Style(
        re.compile(rf"^\s*+\[?(?P<who>{_LABEL})\]?\s*[\[(](?P<since>\d{{1,6}}\.\d{{1,6}})[\])]\s*+:?\s*+(?P<text>.*)$")
    ),
    _Style(re.compile(rf"^\s*+\[?(?P<who>{_LABEL})\]?\s+{_SPAN}\s++:?\s*+(?P<text>\S.*)$")),  # SPEAKER_00 0:01 text
    _Style(re.compile(rf"^\s*+\[?(?P<who>{_LABEL})\]?\s*[:\-–]\s*+(?P<text>.*)$")),  # SPEAKER_00: text
    _Style(
        re.compile(rf"^\s*+{_SPAN}\s+From (?P<who>.{{1,60}}?)\s{{1,9}}+to .{{1,60}}?:\s*+(?P<text>.*)$", re.IGNORECASE)
    ),
    _Style(
        re.compile(rf"^\s*+{_SPAN}(?:\s*[-–—|]\s*|\s+)(?:<(?P<by>[^<>]{{1,60}})>|{_WHO}\s?:)\s+(?P<text>.*)$"), 2, 0.5
    ),
    _Style(re.compile(rf"^{_WHO}(?:\s{{2,}}|\s*[,|–—-]\s*|\t){_SPAN}\s*+(?P<text>)$"), 2),  # Anna Smith  0:03
    _Style(re.compile(rf"^{_WHO} {_SPAN}\s*+(?P<text>)$"), 3),
    _Style(re.compile(rf"^{_SPAN}\s*+(?P<text>)$"), 3, 0.4),  # 0:03, and the text below
)
_BARE = re.compile(rf"^{_WHO}: +(?P<text>\S.*)$")  # Anna: text
_TURNS = 2  # that each of the speakers takes on average


class _Turn(NamedTuple):
    where: int
    match: re.Match[str] | None
    lines: list[str]


class Transcript(Form):
    """A transcript with times or speakers."""

    name = "a transcript"
    columns = ("end",)
    unit = "line"

    def begins(self, lines: Sequence[str]) -> bool:
        """Whether its lines begin as those of a transcript do."""
        return _style(lines) is not None

    def learn(self, documents: Sequence[Document], settings: Settings) -> Names:
        """Whether names stand behind the times."""
        return Names.of(_text(turn) for turn, _ in _turns(documents, settings) if turn.match)

    def read(self, documents: Sequence[Document], settings: Settings, learned: Names) -> Items:
        """See :meth:`Form.read`."""
        for turn, document in _turns(documents, settings):
            where, match = f"{document.short}:{turn.where}", turn.match
            if match is None:
                yield LeftOut("before the first message", where)
                continue
            found = match.groupdict()
            text, who = _text(turn), found.get("who") or found.get("by")
            start, end = (
                next((seconds(found[name]) for name in names if found.get(name)), None)
                for names in (("start", "since"), ("end", "until"))
            )
            if who is None and start is not None:
                who, text = learned.split(text)
            if text.strip():
                yield Message(text.strip(), who.strip() if who else None, start, where, end=end)
            else:
                yield LeftOut("empty", where)


def _text(turn: _Turn) -> str:
    assert turn.match is not None
    return " ".join(filter(None, map(str.strip, (turn.match["text"], *turn.lines))))


def _style(lines: Sequence[str]) -> re.Pattern[str] | None:
    """How the lines of a transcript begin; None where it is none."""
    lines = [line.strip("\ufeff") for line in lines if line.strip("\ufeff ")]
    for style in _STYLES:
        found = [bool(style.pattern.match(line)) for line in lines]
        count = sum(found)
        if count >= max(style.least, style.share * len(found)) and (found[0] or count * 3 >= len(found)):
            return style.pattern
    bare = [match["who"] for match in map(_BARE.match, lines) if match]
    names = set(bare)
    if len(bare) == len(lines) and len(names) > 1 and len(bare) >= _TURNS * len(names):
        return _BARE
    return None


def _turns(documents: Sequence[Document], settings: Settings) -> Iterator[tuple[_Turn, Document]]:
    for document in documents:
        pattern = _style(document.head) or _BARE
        match, lines = None, Lines(document.name, 0)
        for number, line in enumerate(document.lines(), 1):
            if found := pattern.match(line.removeprefix("\ufeff")):
                if match or lines.lines:
                    yield _Turn(lines.where, match, lines.lines), document
                match, lines = found, Lines(document.name, number)
            elif line.strip():
                lines.where = lines.where or number
                lines.add(line)
        if match or lines.lines:
            yield _Turn(lines.where, match, lines.lines), document
