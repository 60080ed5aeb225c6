"""Exports as JSON: Telegram, Discord (DiscordChatExporter), Slack, and transcripts of Whisper and whisperX."""

from __future__ import annotations

import math
import re
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any

from mien.datasets.chats.dates import iso
from mien.datasets.chats.files import Document
from mien.datasets.chats.forms import Form, Items, LeftOut, Settings
from mien.datasets.chats.json_parts import Path, walk
from mien.datasets.chats.spoken import unescape
from mien.errors import DataError
from mien.inputs import Message

_SOUGHT = 2_000  # parts that are looked at for a first message
_SEGMENT = ({"start", "end", "text"}, {"offsets", "text"})  # keys of Whisper and whisperX, and of whisper.cpp
_CHATS = ("chats", "left_chats")


class JsonExport(Form):
    """An export as JSON: a list of messages somewhere in a document."""

    def recognizes(self, document: Document) -> bool:
        """Whether the first message in it has the keys of this form."""
        if document.raw.lstrip(b"\xef\xbb\xbf\xff\xfe\0 \t\r\n")[:1] not in (b"{", b"["):
            return False
        try:
            for count, (path, value) in enumerate(
                walk(document.parts(), document.name, self.inside, document.encoding)
            ):
                if self.is_message(path):
                    return isinstance(value, dict) and self.fits(value)
                if count > _SOUGHT:
                    return False
        except DataError:
            return False
        return False

    def read(self, documents: Sequence[Document], settings: Settings, learned: Any) -> Items:
        """See :meth:`Form.read`."""
        for document in documents:
            about: dict[Path, Any] = {}
            count = 0
            for path, value in walk(document.parts(), document.name, self.inside, document.encoding):
                if self.is_message(path):
                    count += 1
                    where = f"{document.short}: message {count}"
                    if isinstance(value, dict):
                        yield from self.message(value, where, about.get((*path[:-2], "name")), learned, document)
                    else:
                        yield LeftOut("unreadable", where)
                elif path[-1:] == ("name",) and isinstance(value, str):
                    about = {key: name for key, name in about.items() if key[:2] != path[:2]} | {path: value}

    @abstractmethod
    def inside(self, path: Path) -> bool:
        """Whether messages may be below."""

    @abstractmethod
    def is_message(self, path: Path) -> bool:
        """Whether a message is there."""

    @abstractmethod
    def fits(self, value: Mapping[str, Any]) -> bool:
        """Whether the first message is one of this form."""

    @abstractmethod
    def message(self, value: Mapping[str, Any], where: str, chat: Any, learned: Any, document: Document) -> Items:
        """A message of the document; *chat* is the name beside the list that it is in."""


class Telegram(JsonExport):
    """A Telegram chat, or all chats of an account."""

    name = "a Telegram export"
    columns = ("chat",)

    def inside(self, path: Path) -> bool:
        """The chat, or the lists of chats, and their messages."""
        if path[:1] and path[0] in _CHATS:
            return len(path) <= 3 or path[3:] == ("messages",)
        return path in ((), ("messages",))

    def is_message(self, path: Path) -> bool:
        """Of the chat, or of one in the lists."""
        return path[-2:-1] == ("messages",)

    def fits(self, value: Mapping[str, Any]) -> bool:
        """By its keys."""
        return {"type", "date"} <= value.keys() and not value.keys().isdisjoint(("text", "action"))

    def message(self, value: Mapping[str, Any], where: str, chat: Any, learned: Any, document: Document) -> Items:
        """See :meth:`JsonExport.message`."""
        if value.get("type") != "message":
            yield LeftOut("system", where)
            return
        parts = value.get("text")
        parts = parts if isinstance(parts, list) else [parts]
        text = "".join(_string(part.get("text") if isinstance(part, dict) else part) for part in parts).strip()
        media = {"photo", "file", "media_type", "location_information", "contact_information", "poll", "dice_value"}
        attached = not media.isdisjoint(value)
        if attached or not text:
            yield LeftOut("media" if attached else "empty", where)
        if text:
            who = _string(value.get("from")) or _string(value.get("from_id")) or None
            yield Message(text, who, iso(value.get("date")), where, chat=_string(chat) or None)


class Discord(JsonExport):
    """A Discord channel."""

    name = "a Discord channel"

    def inside(self, path: Path) -> bool:
        """The channel and its messages."""
        return path in ((), ("messages",))

    def is_message(self, path: Path) -> bool:
        """Of the channel."""
        return len(path) == 2 and path[0] == "messages"

    def fits(self, value: Mapping[str, Any]) -> bool:
        """By its keys."""
        return {"timestamp", "author", "content"} <= value.keys()

    def message(self, value: Mapping[str, Any], where: str, chat: Any, learned: Any, document: Document) -> Items:
        """See :meth:`JsonExport.message`."""
        author = value.get("author")
        author = author if isinstance(author, dict) else {}
        if author.get("isBot") is True:
            yield LeftOut("bot", where)
            return
        if str(value.get("type", "Default")) not in ("Default", "Reply", "0", "19"):
            yield LeftOut("system", where)
            return
        text = _string(value.get("content")).strip()
        attached = any(value.get(key) for key in ("attachments", "stickers", "embeds"))
        if value.get("attachments") or not text:
            yield LeftOut("media" if attached else "empty", where)
        if text:
            who = _string(author.get("nickname")) or _string(author.get("name")) or None
            yield Message(text, who, iso(value.get("timestamp")), where)


class Whisper(JsonExport):
    """A transcript of Whisper, or of whisperX with speakers."""

    name = "a transcript"
    columns = ("end",)
    unit = "line"

    def inside(self, path: Path) -> bool:
        """The document and its segments; the words are passed over one by one."""
        return path in ((), ("segments",), ("word_segments",), ("transcription",))

    def is_message(self, path: Path) -> bool:
        """A segment; of whisper.cpp, an entry of its transcription."""
        return len(path) == 2 and path[0] in ("segments", "transcription")

    def fits(self, value: Mapping[str, Any]) -> bool:
        """By its keys."""
        return any(keys <= value.keys() for keys in _SEGMENT)

    def message(self, value: Mapping[str, Any], where: str, chat: Any, learned: Any, document: Document) -> Items:
        """See :meth:`JsonExport.message`."""
        text = _string(value.get("text")).strip()
        if not text:
            yield LeftOut("empty", where)
            return
        start, end = _number(value.get("start")), _number(value.get("end"))
        if isinstance(offsets := value.get("offsets"), dict):  # in milliseconds
            start, end = (_number(offsets.get(key), 1000) for key in ("from", "to"))
        yield Message(text, _string(value.get("speaker")) or None, start, where, end=end)


_DAY = re.compile(r"(?:^|/)([^/]+)/\d{4}-\d\d-\d\d\.json$")
_LINK = re.compile(r"<([@#!]?)([^<>|]{1,2000})(?:\|([^<>]{0,2000}))?>")
_TALK = (None, "thread_broadcast", "me_message", "file_share", "reply_broadcast")


class Slack(JsonExport):
    """Slack: days of channels, in a zip or a folder, or one day."""

    name = "a Slack export"
    several = True
    columns = ("channel",)

    def find(self, documents: Sequence[Document]) -> Sequence[Document]:
        """The days, and the list of users."""
        if len(documents) == 1:
            return super().find(documents)
        days = [document for document in documents if _DAY.search(document.label)]
        first = next((day for day in days if day.raw.strip() not in (b"", b"[]")), None)
        if first is None or not self.recognizes(first):
            return []
        users = [document for document in documents if document.label.rpartition("/")[2] == "users.json"]
        return [*users[:1], *days]

    def inside(self, path: Path) -> bool:
        """The list of a day."""
        return not path

    def is_message(self, path: Path) -> bool:
        """Of a day."""
        return len(path) == 1 and isinstance(path[0], int)

    def fits(self, value: Mapping[str, Any]) -> bool:
        """By its keys."""
        return value.get("type") == "message" and "ts" in value

    def learn(self, documents: Sequence[Document], settings: Settings) -> dict[str, str]:
        """The names of users by their numbers."""
        found = dict[str, str]()
        for document in documents:
            if document.label.rpartition("/")[2] == "users.json":
                for _, user in walk(document.parts(), document.name, self.inside, document.encoding):
                    if isinstance(user, dict) and (name := _user(user)):
                        found[str(user.get("id"))] = name
        return found

    def read(self, documents: Sequence[Document], settings: Settings, learned: Any) -> Items:
        """See :meth:`Form.read`."""
        days = [document for document in documents if document.label.rpartition("/")[2] != "users.json"]
        return super().read(days, settings, learned)

    def message(self, value: Mapping[str, Any], where: str, chat: Any, learned: Any, document: Document) -> Items:
        """See :meth:`JsonExport.message`."""
        kind = value.get("subtype")
        if kind == "bot_message" or (value.get("bot_id") and not value.get("user")):
            yield LeftOut("bot", where)
            return
        if value.get("type") != "message" or kind not in _TALK:
            yield LeftOut("deleted" if kind == "tombstone" else "system", where)
            return
        text = _LINK.sub(partial(_link, learned), _string(value.get("text")))
        text = unescape(text).strip()
        if value.get("files") or not text:
            yield LeftOut("media" if value.get("files") else "empty", where)
        if text:
            profile = value.get("user_profile")
            number = _string(value.get("user"))
            who = learned.get(number) or (_user({"profile": profile}) if isinstance(profile, dict) else "") or number
            found = _DAY.search("/" + document.label) or _DAY.search(document.path.absolute().as_posix())
            yield Message(text, who or None, _epoch(value.get("ts")), where, channel=found[1] if found else None)


def _user(user: Mapping[str, Any]) -> str:
    """The name of a Slack user that others see."""
    profile = user.get("profile")
    profile = profile if isinstance(profile, dict) else {}
    names = (*(profile.get(key) for key in ("display_name", "real_name")), user.get("real_name"), user.get("name"))
    return next(filter(None, map(_string, names)), "")


def _link(users: Mapping[str, str], match: re.Match[str]) -> str:
    """What people see of <@U1>, <#C1|general>, <!here> and <https://x.y|words>."""
    sign, target, words = match.groups()
    if sign == "@":
        return "@" + (users.get(target) or words or target)
    return sign.replace("!", "@") + (words or target)


def _string(value: Any) -> str:
    """A text; "" for anything else. Half of a surrogate pair is no text."""
    return value.encode("utf-8", "replace").decode("utf-8").strip("\0") if isinstance(value, str) else ""


def _number(value: Any, unit: int = 1) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    with suppress(OverflowError):
        return round(float(value) / unit, 3) if math.isfinite(value) else None
    return None


def _epoch(value: Any) -> str | None:
    try:
        return datetime.fromtimestamp(float(value), UTC).isoformat(timespec="seconds")
    except (TypeError, ValueError, OverflowError, OSError):
        return None


def forms() -> Iterator[Form]:
    """All of these."""
    yield from (Slack(), Telegram(), Discord(), Whisper())
