"""Subtitles: SubRip (.srt) and WebVTT (.vtt), of films, meetings and automatic captions."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from mien.datasets.chats.files import Document
from mien.datasets.chats.forms import Form, Items, LeftOut, Lines, Settings
from mien.datasets.chats.spoken import TIME, Names, seconds
from mien.inputs import Message

_SPAN = re.compile(rf"^\s*({TIME})\s*-->\s*({TIME})(?:\s.*)?$")
_VOICE = re.compile(r"<v(?:\.[^\s>]*)?\s+([^>]+)>", re.IGNORECASE)
_TAG = re.compile(r"</?[a-z][^<>]{0,200}>|</?\d[\d:.]*>|\{\\[^{}]{0,200}\}", re.IGNORECASE)  # <i>, <00:01.000>, {\an8}
_DASH = re.compile(r"^\s*[-–—‐]\s?(?=\S)")
_SOUND = re.compile(r"(?:\[[^\[\]]*\]|\([^()]*\)|[♪♫#*\s]+|[♪♫].*[♪♫])+", re.DOTALL)  # [door slams], ♪ la la ♪
_BOUND = 0.2  # seconds between two cues of rolling captions


class _Cue(NamedTuple):
    where: str
    start: float
    end: float
    lines: list[str]


class Subtitles(Form):
    """Subtitles, a cue at a time; one with several dashes is several messages."""

    name = "subtitles"
    columns = ("end",)
    unit = "line"

    def begins(self, lines: Sequence[str]) -> bool:
        """Whether its first lines are the head of WebVTT, or a number and a span of time, or that alone."""
        lines = [line.strip("\ufeff ") for line in lines if line.strip("\ufeff ")]
        if lines and re.match(r"WEBVTT(?:\s|$)", lines[0]):
            return True
        return any(_SPAN.match(line) for line in lines[:2]) and (lines[0].isdigit() or bool(_SPAN.match(lines[0])))

    def learn(self, documents: Sequence[Document], settings: Settings) -> Names:
        """Whether a name stands before what is said."""
        return Names.of(text for cue in _cues(documents, settings) for _, text in _parts(cue.lines))

    def read(self, documents: Sequence[Document], settings: Settings, learned: Names) -> Items:
        """See :meth:`Form.read`."""
        before, end = list[str](), -1.0
        for cue in _cues(documents, settings):
            lines = [line for line in cue.lines if line.strip()]
            rolling = abs(cue.start - end) <= _BOUND
            fresh = [line for line in lines if not (rolling and _plain(line) in before)]
            before, end = [_plain(line) for line in lines], cue.end
            if not fresh:
                yield LeftOut("repeated" if lines else "empty", cue.where)
                continue
            for voice, text in _parts(fresh):
                if _SOUND.fullmatch(text):
                    yield LeftOut("sound", cue.where)
                    continue
                name, spoken = learned.split(text)
                yield Message(spoken, voice or name, cue.start, cue.where, end=cue.end)


def _plain(line: str) -> str:
    return " ".join(html.unescape(_TAG.sub("", line)).split())


def _parts(lines: Iterable[str]) -> Iterator[tuple[str | None, str]]:
    """Who by a voice tag, and the text: of each voice, and of each line with a dash where there are several."""
    lines = list(lines)
    pieces = _VOICE.split("\n".join(lines))
    voices: list[tuple[str | None, str]] = [(None, pieces[0])]
    voices += [(_plain(who) or None, said) for who, said in zip(pieces[1::2], pieces[2::2], strict=True)]
    for voice, said in voices:
        plain = [line for line in map(_plain, said.split("\n")) if line]
        dashes = sum(bool(_DASH.match(line)) for line in plain)
        parts = list[str]()
        for line in plain:
            bare = _DASH.sub("", line) if dashes else line
            if not parts or (dashes > 1 and bare != line):
                parts.append(bare)
            else:
                parts[-1] += " " + bare
        yield from ((voice, part) for part in parts if part)


def _cues(documents: Sequence[Document], settings: Settings) -> Iterator[_Cue]:
    """The spans of time and what stands in them; numbers, notes and styles are passed over."""
    for document in documents:
        head = document.head
        vtt = bool(head) and head[0].strip("\ufeff ").startswith("WEBVTT")
        yield from _spans(document, settings, vtt)


def _spans(document: Document, settings: Settings, vtt: bool) -> Iterator[_Cue]:
    found: re.Match[str] | None = None
    lines, number = Lines(document.name, 0), 0

    def cue() -> Iterator[_Cue]:
        if found is not None:
            start, end = seconds(found[1]), seconds(found[2])
            yield _Cue(f"{document.short}:{lines.where}", start, max(start, end), lines.lines)

    for number, line in enumerate(document.lines(), 1):
        if match := _SPAN.match(line):
            if not vtt:  # the number of this cue ended the one before
                _drop_number(lines.lines)
            yield from cue()
            found, lines = match, Lines(document.name, number)
        elif vtt and found is not None and not line:  # ends a cue
            yield from cue()
            found = None
        elif found is not None:
            lines.add(line)
    yield from cue()


def _drop_number(lines: list[str]) -> None:
    while lines and not lines[-1].strip():
        lines.pop()
    if lines and lines[-1].strip().isdigit():
        lines.pop()
