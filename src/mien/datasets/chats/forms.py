"""The one shape of a form of chats: how a file is recognized, and what its messages are."""

from __future__ import annotations

from abc import ABC
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from mien.datasets.chats.files import Document
from mien.datasets.lines import ROW_LIMIT
from mien.errors import DataError
from mien.inputs import Message

NAME_LIMIT = 80  # characters of a name; longer ones are none


class LeftOut(NamedTuple):
    """Something that is no message of a person: "media", "system", "deleted", …"""

    what: str
    where: str


Items = Iterator[Message | LeftOut]


@dataclass
class Settings:
    """How a chat is read.

    Attributes:
        dates: the order of day, month and year: "dmy", "mdy" or "ymd"; "" to find it out.
        notes: a line for each thing that was guessed, added while the chat is looked through.
    """

    dates: str = ""
    notes: list[str] = field(default_factory=list)


class Form(ABC):
    """A form of chats.

    Attributes:
        name: with its article, such as "a WhatsApp chat".
        columns: of a message, behind "speaker" and "time".
        unit: what a message is called.
        several: whether one chat is in several files.
    """

    name: str
    columns: tuple[str, ...] = ()
    unit = "message"
    several = False

    def find(self, documents: Sequence[Document]) -> Sequence[Document]:
        """Those of several files that are one chat of this form; where it is one of *several*."""
        return [document for document in documents if self.recognizes(document)]

    def recognizes(self, document: Document) -> bool:
        """Whether a file is of this form, by its beginning."""
        return self.begins(document.head)

    def begins(self, lines: Sequence[str]) -> bool:
        """Whether the first lines of a file are those of this form."""
        return False

    def learn(self, documents: Sequence[Document], settings: Settings) -> Any:
        """What `read` has to know of the whole chat, such as the order of its dates."""
        return None

    def read(self, documents: Sequence[Document], settings: Settings, learned: Any) -> Items:
        """The messages, and what is none, in their order.

        Raises:
            DataError: it cannot be read; the file and the line.
        """
        raise NotImplementedError


class Lines:
    """The lines of a message, of bounded length."""

    def __init__(self, name: str, where: int, *lines: str) -> None:
        self.name, self.where, self.lines, self._size = name, where, list(lines), sum(map(len, lines))

    def add(self, line: str) -> None:
        """One more line; DataError where the message is far too long."""
        self._size += len(line) + 1
        if self._size > ROW_LIMIT:
            raise DataError(f"{self.name}:{self.where} is a message of more than {ROW_LIMIT:,} characters")
        self.lines.append(line)
