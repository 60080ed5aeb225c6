"""WhatsApp's export of a chat, from Android, iOS or the web page, in its many orders of dates and languages."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime, time
from typing import NamedTuple

from mien.datasets.chats.dates import NAMES, DateOrder, make_date
from mien.datasets.chats.files import Document
from mien.datasets.chats.forms import NAME_LIMIT, Form, Items, LeftOut, Lines, Settings
from mien.datasets.chats.whatsapp_words import (
    AFTER_NOON,
    BEFORE_NOON,
    DELETED,
    EAST,
    EDITED,
    FILE_ATTACHED,
    LOCATION,
    MEDIA_BRACKETS,
    NO_NAME,
    OMITTED,
    PLAIN,
    QUOTES,
    SYSTEM,
)
from mien.errors import DataError, quoted
from mien.inputs import Message

_MARK = "\u200e"  # left-to-right: iOS sets it before words of its own
_MARKS = "[\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]"
_GAP = rf"[{_MARKS[1:-1]}\s]*+"  # possessive, as all here: a line is read in time linear in its length
_DATE = rf"(\d{{1,4}}){_GAP}[./\-年년]{_GAP}(\d{{1,2}}){_GAP}[./\-月월]{_GAP}(\d{{1,4}})(?:\s?[.日일])?"
_HALVES = r"((?:[^\W\d_]{1,10}\.?)?)", r"((?:[^\W\d_][^\d\[\]\-–—:]{0,12})?)"  # "pm", before and behind
_TIME = rf"{_HALVES[0]}{_GAP}(\d{{1,2}})[:.h](\d{{2}})(?:[:.](\d{{2}}))?{_GAP}{_HALVES[1]}"
_STYLES = {  # as Android, iOS, and the web page's clipboard have it
    "dash": re.compile(rf"^{_GAP}{_DATE}{_MARKS}*+[,،、]?{_GAP}{_TIME}{_GAP}[-–—]{_MARKS}*+ (?P<rest>.*)$"),
    "brackets": re.compile(rf"^{_GAP}\[{_DATE}{_MARKS}*+[,،、]?{_GAP}{_TIME}\]{_MARKS}*+ ?(?P<rest>.*)$"),
    "web": re.compile(rf"^{_GAP}\[{_TIME}{_MARKS}*+[,،、]{_GAP}{_DATE}\]{_MARKS}*+ ?(?P<rest>.*)$"),
}
_NAMED = re.compile(rf"^{_GAP}~?{_GAP}([^\s:][^:]{{0,{NAME_LIMIT}}}?){_MARKS}{{0,9}}\s?:(?: |$)(.*)$")
_OWN_LIMIT = 400  # characters of a line of WhatsApp's own that names a file
_FAR = 50  # lines in which the first of several messages has to come


class _Head(NamedTuple):
    """The beginning of a message."""

    date: tuple[str, ...]
    clock: tuple[str, ...]  # hour, minute, second
    halves: tuple[str, str]  # what stands before and behind the time, such as "pm"
    rest: str
    of_ios: bool


class WhatsApp(Form):
    """A WhatsApp chat."""

    name = "a WhatsApp chat"

    def begins(self, lines: Sequence[str]) -> bool:
        """Whether its first line begins a message, or several of those behind it do in one style."""
        return _style(lines) is not None

    def learn(self, documents: Sequence[Document], settings: Settings) -> str:
        """The order of the dates."""
        order, usual, unknown = DateOrder(), "dmy", dict[str, None]()
        for document in documents:
            for number, head in _heads(document, settings):
                if head is None:
                    continue
                order.add(head.date)
                for word in map(_plain, head.halves):
                    usual = "ymd" if word in EAST else "mdy" if word in ("am", "pm") else usual
                    if word not in AFTER_NOON | BEFORE_NOON | PLAIN and len(unknown) < 3:
                        unknown[word] = None
                if settings.dates and make_date(head.date, settings.dates) is None:
                    shown = f"{quoted('/'.join(head.date))} is no date as {NAMES[settings.dates]}"
                    raise DataError(f"{document.name}:{number}: {shown} (dates={settings.dates})")
        found, other = order.best(usual)
        if other and not settings.dates:
            how = f"dates={other}, --dates {other}: {NAMES[other]}"
            settings.notes.append(f"dates such as {quoted(order.example)} are read as {NAMES[found]} ({how})")
        if len(unknown) > 1:
            words = " and ".join(map(repr, map(quoted, unknown)))
            settings.notes.append(f"{words} beside the time are not known: hours are read as they are")
        return settings.dates or found

    def read(self, documents: Sequence[Document], settings: Settings, learned: str) -> Items:
        """See :meth:`Form.read`."""
        for document in documents:
            for number, head, text in _messages(document, settings):
                where = f"{document.short}:{number}"
                if head is None:
                    yield LeftOut("before the first message", where)
                    continue
                named = _NAMED.match(head.rest)
                if named is None or NO_NAME.search(named[1]) or len(QUOTES.findall(named[1])) % 2:
                    yield LeftOut("system", where)
                    continue
                rest, left_out = _content("\n".join([named[2], *text]), head.of_ios)
                yield from (LeftOut(what, where) for what in left_out)
                if rest:
                    speaker = re.sub(_MARKS, "", named[1]).replace("\u202f", " ").replace("\xa0", " ").strip()
                    yield Message(rest, speaker, _time(head, learned), where)


def _style(lines: Sequence[str]) -> str | None:
    """The style of a chat; None where it is none."""
    lines = [line for line in lines if line.strip()][:_FAR]
    for name, pattern in _STYLES.items():
        found = [bool(pattern.match(line)) for line in lines]
        if found[:1] == [True] or (sum(found) >= 3 and sum(found) * 3 >= len(found)):
            return name
    return None


def _heads(document: Document, settings: Settings) -> Iterator[tuple[int, _Head | None]]:
    return ((number, head) for number, head, _ in _messages(document, settings))


def _messages(document: Document, settings: Settings) -> Iterator[tuple[int, _Head | None, list[str]]]:
    """Each message: its line, its beginning, and the further lines; without a beginning what stands before them."""
    style = _style(document.head)
    pattern = _STYLES[style or "dash"]
    head, further = None, None
    for number, line in enumerate(document.lines(), 1):
        if (match := pattern.match(line) if line else None) is None:
            if further is None and line.strip():
                further = Lines(document.name, number)
            if further is not None:
                further.add(line)
            continue
        if further is not None:
            yield further.where, head, further.lines
        head, further = _head(match, style), Lines(document.name, number)
    if further is not None:
        yield further.where, head, further.lines


def _head(match: re.Match[str], style: str | None) -> _Head:
    groups = [group or "" for group in match.groups()]
    if style == "web":
        before, *clock, after = groups[:5]
        date = groups[5:8]
    else:
        date, (before, *clock, after) = groups[:3], groups[3:8]
    return _Head(tuple(date), tuple(clock), (before, after), match["rest"], style == "brackets")


def _plain(word: str) -> str:
    return re.sub(r"[\W_]", "", word).casefold()


def _time(head: _Head, order: str) -> str | None:
    day = make_date(head.date, order)
    hour, minute, second = (int(part or 0) for part in head.clock)
    halves = set(map(_plain, head.halves)) - {""}
    if 1 <= hour <= 12 and halves & (AFTER_NOON | BEFORE_NOON):
        hour = hour % 12 + 12 * bool(halves & AFTER_NOON)
    try:
        return None if day is None else datetime.combine(day, time(hour % 24, minute, second)).isoformat()
    except ValueError:
        return None


def _without_edited(text: str) -> str:
    """The text without the note at its end that it was changed."""
    bare = text.rstrip()
    found = EDITED.search(bare, max(0, len(bare) - _OWN_LIMIT)) if bare.endswith(">") else None
    return bare[: found.start()].rstrip() if found else text


def _content(text: str, of_ios: bool) -> tuple[str, list[str]]:
    """What a person wrote of a message, and what is left out of it."""
    text = _without_edited(text)
    bare = re.sub(_MARKS, "", text).strip()
    if not bare:
        return "", ["empty"]
    if DELETED.fullmatch(bare):
        return "", ["deleted"]
    if SYSTEM.match(bare):
        return "", ["system"]
    kept, left_out, said = list[str](), list[str](), False
    for line in text.split("\n"):
        own = line.rpartition(_MARK)[2] if _MARK in line else None  # WhatsApp's own words
        plain = re.sub(_MARKS, "", line).strip()
        short = len(plain) <= _OWN_LIMIT
        if (short and any(words.fullmatch(plain) for words in (MEDIA_BRACKETS, OMITTED, FILE_ATTACHED, LOCATION))) or (
            own is not None and OMITTED.fullmatch(own.strip())
        ):
            left_out.append("media")
        elif (
            own is not None and len(own) <= _OWN_LIMIT and MEDIA_BRACKETS.fullmatch(own.strip())
        ):  # words of a person before it
            left_out.append("media")
            kept.append(line[: -len(own) - 1])
            said = said or bool(kept[-1].strip())
        elif of_ios and line.startswith(_MARK) and not said:
            return "", [*left_out, "system"]  # in any language
        else:
            kept.append(line.removeprefix(_MARK))
            said = said or bool(kept[-1].strip())
    rest = "\n".join(kept).strip()
    return rest, left_out if rest or left_out else ["empty"]
