"""Subtitles: SubRip (.srt) and WebVTT (.vtt), of films, meetings and automatic captions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from mien.datasets.chats.files import Document
from mien.datasets.chats.forms import Form, Items, LeftOut, Lines, Settings
from mien.datasets.chats.spoken import TIME, Names, seconds, sure_name, unescape
from mien.inputs import Message

_SPAN = re.compile(rf"^\s*({TIME})\s*-->\s*({TIME})(?:\s.*)?$")
_VOICE = re.compile(r"<v(?:\.[^\s<>]{0,100})?\s{1,9}+([^<>]{1,200})>", re.IGNORECASE)
_TAG = re.compile(r"</?[a-z][^<>]{0,200}>|</?\d[\d:.]*>|\{\\[^{}]{0,200}\}", re.IGNORECASE)  # <i>, <00:01.000>, {\an8}
_DASH = re.compile(r"^\s*+(?:[-–—‐]|>{2,3})\s?(?=\S)")  # somebody else speaks
_ASIDE = re.compile(r"\[[^\[\]]*\]|\([^()]*\)")  # [door slams]
_SHORT_ASIDE = re.compile(
    r"\[[^\[\]]{1,80}\]|\((?=[^()]{0,40}[^\W\d_])[^().!?,;:]{1,40}\)"
)  # before or behind what is said
_MANNER = re.compile(r"^([^\W\d_][^\[\]():]{0,30}) [\[(][^\[\]()]{1,40}[\])]:")  # JOHN (whispering): …
_NOTES = ("♪", "♫")
_ORNAMENT = "#* \t\n"
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
        before, end = set[str](), -1.0
        for cue in _cues(documents, settings):
            lines = [line for line in cue.lines if line.strip()]
            rolling = abs(cue.start - end) <= _BOUND
            plain = [_plain(line) for line in lines]
            fresh = [line for line, text in zip(lines, plain, strict=True) if not (rolling and text in before)]
            before, end = set(plain), cue.end
            if not fresh:
                yield LeftOut("repeated" if lines else "empty", cue.where)
                continue
            for voice, text in _parts(fresh):
                if _is_sound(text):
                    yield LeftOut("sound", cue.where)
                    continue
                name, spoken = learned.split(_MANNER.sub(r"\1:", text))
                bare = " ".join(_SHORT_ASIDE.sub(" ", spoken).split())
                if bare != spoken and bare:
                    yield LeftOut("sound", cue.where)
                    spoken = bare
                yield Message(spoken, voice or name, cue.start, cue.where, end=cue.end)


def _is_sound(text: str) -> bool:
    """Whether nothing in it is spoken: [door slams], ♪ la la ♪."""
    rest = _ASIDE.sub("", text).strip(_ORNAMENT)
    return (rest.startswith(_NOTES) and rest.endswith(_NOTES)) or not rest


def _plain(line: str) -> str:
    return " ".join(unescape(_TAG.sub("", line)).split())


def _parts(lines: Iterable[str]) -> Iterator[tuple[str | None, str]]:
    """Who by a voice tag, and the text: of each voice, and of each line with a dash where there are several."""
    lines = list(lines)
    pieces = _VOICE.split("\n".join(lines))
    voices: list[tuple[str | None, str]] = [(None, pieces[0])]
    voices += [(_plain(who) or None, said) for who, said in zip(pieces[1::2], pieces[2::2], strict=True)]
    for voice, said in voices:
        plain = [line for line in map(_plain, said.split("\n")) if line]
        dashes = sum(bool(_DASH.match(line)) for line in plain)
        several = bool(plain) and sure_name(plain[0])
        parts = list[list[str]]()
        for line in plain:
            bare = _DASH.sub("", line) if dashes else line
            turn = several and sure_name(bare)
            if not parts or turn or (dashes > 1 and bare != line):
                parts.append([])
            parts[-1].append(bare)
        yield from ((voice, text) for text in map(" ".join, parts) if text)


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
