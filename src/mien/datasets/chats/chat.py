"""A chat: found by the beginning of its file, looked through once, and then read as often as wanted."""

from __future__ import annotations

import logging
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from mien.datasets.chats.dates import ORDERS
from mien.datasets.chats.exports import forms
from mien.datasets.chats.files import Document, documents_in
from mien.datasets.chats.forms import Form, Items, Settings
from mien.datasets.chats.mail import MailBox
from mien.datasets.chats.subtitles import Subtitles
from mien.datasets.chats.transcript import Transcript
from mien.datasets.chats.whatsapp import WhatsApp
from mien.datasets.lines import check_encoding, open_binary
from mien.errors import DataError, quoted
from mien.inputs import MESSAGES, TABLES, Message, local, table_suffix

#: The first that recognizes a file reads it.
FORMS: tuple[Form, ...] = (*forms(), Subtitles(), MailBox(), WhatsApp(), Transcript())
_IN_ZIPS = (".txt", ".json", *MESSAGES)
_PEOPLE = 10_000  # that are told apart for a count
_ALSO = (".txt", ".json")  # of tables: a chat may be in these
_KNOWN = (
    "exports of WhatsApp, Telegram, Slack and Discord, subtitles (.srt, .vtt), transcripts with times or speakers, "
    "and mail (.eml, .mbox)"
)


class Chat:
    """The messages of a chat; it can be run through any number of times, as long as its file stays as it is.

    Attributes:
        path: the file or folder.
        form: what it is.
        names: of what each message has: "speaker", "time", what else the form has, and "text".
        messages: how many there are.
        people: how many people wrote or said them, up to 10,000.
        left_out: what is no message of a person, and how often: "media", "system", "deleted", …
        notes: a line for each thing that was guessed.
    """

    def __init__(self, path: Path, form: Form, documents: Sequence[Document], settings: Settings) -> None:
        self.path, self.form, self.names = path, form, ("speaker", "time", *form.columns, "text")
        self._documents, self._settings = tuple(documents), settings
        self._state = self._states()
        self._learned = form.learn(self._documents, settings)
        self.notes = tuple(settings.notes)
        people, self.messages, self.left_out = set[str](), 0, Counter[str]()
        for item in self.items():
            if not isinstance(item, Message):
                self.left_out[item.what] += 1
                continue
            self.messages += 1
            if item.speaker and len(people) < _PEOPLE:
                people.add(item.speaker)
        self.people = len(people)

    def __iter__(self) -> Iterator[Message]:
        return (item for item in self.items() if isinstance(item, Message))

    def __repr__(self) -> str:
        return f"Chat({str(self.path)!r}: {self.summary})"

    def items(self) -> Items:
        """The messages, and what is left out, in their order.

        Raises:
            DataError: the file is damaged, or changed since it was opened.
        """
        self._check()
        yield from self.form.read(self._documents, self._settings, self._learned)
        self._check()

    @property
    def summary(self) -> str:
        """What it is and what is in it, in one line: "a WhatsApp chat: 214 messages of 3 people, 12 left out (…)"."""
        line = f"{self.form.name}: {self.messages:,} {self.form.unit}{'' if self.messages == 1 else 's'}"
        if self.people:
            line += f" of {self.people:,} {'person' if self.people == 1 else 'people'}"
        if self.left_out:
            parts = ", ".join(f"{what} {count:,}" for what, count in self.left_out.most_common())
            line += f", {self.left_out.total():,} left out ({parts})"
        return line

    def identity(self) -> list[list[int]]:
        """What changes when a file of it does."""
        return [list(state) for state in self._states()]

    def _states(self) -> list[tuple[int, ...]]:
        return [*dict.fromkeys(document.state for document in self._documents)]

    def _check(self) -> None:
        if self._states() != self._state:
            raise DataError(f"{self.path} was changed while it was read; give it again when it is complete")


def find_chat(path: str | Path, dates: str = "", encoding: str | None = None) -> Chat | None:
    """The chat in a file, a zip or a folder, recognized by its beginning; None where it is none.

    Args:
        path: the file or folder. Of tables only ``.txt`` and ``.json`` are looked at.
        dates: the order of day, month and year, where the form does not state it: "dmy", "mdy", "ymd", "" to find out.
        encoding: of its text; None to find it out.

    Raises:
        DataError: it is a chat, and damaged; or a zip with several.
    """
    path = local(path)
    if dates not in ("", *ORDERS):
        raise DataError(f"dates are {', '.join(ORDERS)}, not {quoted(dates)!r}")
    if (found := recognize(path, encoding)) is None:
        return None
    chat = Chat(path, *found, Settings(dates))
    logger = logging.getLogger("mien")
    logger.warning("note: %s is read as %s", quoted(path), chat.summary)
    for note in chat.notes:
        logger.warning("note: %s: %s", quoted(path), note)
    return chat


def recognize(path: Path, encoding: str | None = None) -> tuple[Form, Sequence[Document]] | None:
    """The form of a chat and its files; None where it is none. See :func:`find_chat`."""
    check_encoding(encoding)
    documents = _given(path, encoding) if _may_be(path) else []
    for form in FORMS:
        if form.several and (days := form.find(documents)):
            return form, days
    forms, found = FORMS, list[Document]()  # the first form that any of them has, and those that have it
    for document in documents:
        place = next((place for place, form in enumerate(forms) if form.recognizes(document)), len(forms))
        if place < len(forms):
            found = [*(found if place == len(forms) - 1 else []), document][:2]
            forms = forms[: place + 1]
        document.forget()
    if len(found) > 1:
        names = " and ".join(document.label for document in found)
        raise DataError(f"{path} holds several chats ({quoted(names)}): give one of them")
    return (forms[-1], found) if found else None


def is_folder_of_chat(path: Path, others: bool) -> bool:
    """Whether a folder is taken for a chat: where its form has folders, or nothing else is in it that mien reads.

    Args:
        others: whether there are pictures or clips in it.
    """
    found = recognize(path)
    return found is not None and (found[0].several or not others)


def open_chat(path: str | Path, dates: str = "", encoding: str | None = None) -> Chat:
    """The chat in a file, a zip or a folder; see :func:`find_chat`.

    Raises:
        DataError: there is no such file, or it is no chat that mien knows; one line.
    """
    path = local(path)
    if not path.is_dir() and not zipfile.is_zipfile(path):
        with open_binary(path) as file:
            if not file.read(1):
                raise DataError(f"{path} is empty")
    if (chat := find_chat(path, dates, encoding)) is None:
        raise DataError(f"{path} is no chat of a known form; those are {_KNOWN}")
    return chat


def warn_of_chat(lines: Iterable[str], name: str) -> Iterator[str]:
    """The lines of a stream, each of which is read as a text; a warning where they are those of a chat."""
    first, told = list[str](), False
    for line in lines:
        if not told and len(first) < 3 and line.strip():
            first.append(line.rstrip("\r\n"))
            if told := any(form.begins(first) for form in FORMS):
                what = "%s looks like a chat: dates and names are read with the texts; give it as a file"
                logging.getLogger("mien").warning("warning: " + what, quoted(name))
        yield line


def _may_be(path: Path) -> bool:
    if path.is_dir():
        return True
    return path.is_file() and (table_suffix(path) or "") not in [ending for ending in TABLES if ending not in _ALSO]


def _given(path: Path, encoding: str | None) -> list[Document]:
    """The file; or those of a zip or folder that may hold a chat."""
    if not path.is_dir() and path.suffix.lower() != ".zip":
        return [Document(path, encoding=encoding)]
    return documents_in(path, _IN_ZIPS, encoding)
