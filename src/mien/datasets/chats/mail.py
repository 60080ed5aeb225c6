"""Mail: a mailbox (.mbox) or one message (.eml). Quoted mail, signatures and attachments are left out and counted."""

from __future__ import annotations

import email.errors
import email.utils
import re
from collections.abc import Iterable, Iterator, Sequence
from email.feedparser import BytesFeedParser
from email.header import decode_header, make_header
from email.message import Message as Mail
from email.policy import Compat32, Policy
from typing import Any

from mien.datasets.chats.files import Document
from mien.datasets.chats.forms import Form, Items, LeftOut, Settings
from mien.datasets.chats.mail_text import own_words, text_of_html
from mien.inputs import Message

MAIL_LIMIT = 48 * 2**20  # bytes of a mail, attachments and all
_PIECE = 2**16
_TEXT_LIMIT = 2**20  # characters of a body
_PARTS_LIMIT, _DEPTH_LIMIT = 1_000, 16  # parts of a mail, and within each other
_LINES_LIMIT = 1_000_000  # of a mail
_HEADER_LIMIT = 2_000  # characters; what is longer is cut
_DAMAGED = (RecursionError, LookupError, ValueError, TypeError, AttributeError)  # what `email` raises in hostile mail
_FROM = re.compile(rb"^From \S{1,320}(?: .{0,40}?)? \d\d:\d\d.{0,20}? \d{4}", re.DOTALL)
_QUOTED_FROM = re.compile(rb">++From ")
_HEADER = re.compile(rb"^([A-Za-z][A-Za-z0-9-]*):")
_KNOWN = {b"from", b"to", b"subject", b"date", b"received", b"message-id", b"mime-version", b"return-path",
          b"delivered-to", b"content-type", b"x-gm-thrid"}  # fmt: skip


class MailBox(Form):
    """Mail."""

    name = "mail"
    columns = ("subject",)

    def recognizes(self, document: Document) -> bool:
        """Whether it begins with the line of a mailbox, or with the headers of a mail."""
        lines = document.raw.removeprefix(b"\xef\xbb\xbf").splitlines()[:100]
        if lines and _FROM.match(lines[0]):
            del lines[0]
        names = set[bytes]()
        for line in lines:
            if found := _HEADER.match(line):
                names.add(found[1].lower())
            elif not line.startswith((b" ", b"\t")):
                break
        return b"from" in names and len(names & _KNOWN) >= 3

    def read(self, documents: Sequence[Document], settings: Settings, learned: Any) -> Items:
        """See :meth:`Form.read`."""
        for document in documents:
            for number, data in enumerate(_mails(document.parts()), 1):
                where = f"{document.short}: message {number}"
                if data is None:
                    yield LeftOut("too large", where)
                    continue
                try:
                    yield from _read(_parsed(data), where, document.encoding)
                except _DAMAGED:
                    yield LeftOut("unreadable", where)


def _mails(parts: Iterable[bytes]) -> Iterator[bytes | None]:
    """Each mail; None for one that is too large. Of a mailbox the lines between mails are left off."""
    found, size, count, blank, box = bytearray(), 0, 0, True, False

    def mail() -> bytes | None:
        return bytes(found) if size <= MAIL_LIMIT and count <= _LINES_LIMIT else None

    for line, whole in _lines(parts):
        if whole and blank and line[:5] == b"From " and (box or not size) and _FROM.match(line):
            if box:
                yield mail()
            found, size, count, box = bytearray(), 0, 0, True
            continue
        blank = line in (b"\n", b"\r\n")
        size, count = size + len(line), count + whole
        if size > MAIL_LIMIT or count > _LINES_LIMIT:
            found.clear()
        else:
            found += line[1:] if box and whole and line[:1] == b">" and _QUOTED_FROM.match(line) else line
    if box or size:
        yield mail()


def _lines(parts: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Lines with their ends, those that are endless in pieces; and whether each begins a line."""
    rest, whole = b"", True
    for part in parts:
        *lines, rest = (rest + part).split(b"\n")
        for line in lines:
            yield line + b"\n", whole
            whole = True
        if len(rest) > _PIECE:
            yield rest, whole
            rest, whole = b"", False
    if rest:
        yield rest, whole


class _Policy(Compat32):
    """How headers are read: of bounded length, as `email` takes time quadratic in it."""

    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        """The name and the value of a header."""
        name, value = super().header_source_parse(sourcelines)
        return name, value[:_HEADER_LIMIT]


class _Parser(BytesFeedParser):
    """A parser that refuses what has too many parts, or too many within each other: each line is held against all."""

    def __init__(self) -> None:
        self._count = 0
        super().__init__(self._part, policy=_Policy())  # type: ignore[arg-type]  # it gives the policy

    def _part(self, policy: Policy) -> Mail:
        self._count += 1
        if self._count > _PARTS_LIMIT or len(getattr(self, "_msgstack", ())) > _DEPTH_LIMIT:
            raise ValueError("too many parts")
        return Mail(policy)


def _parsed(data: bytes) -> Mail:
    parser = _Parser()
    for start in range(0, len(data), _PIECE):
        parser.feed(data[start : start + _PIECE])
    return parser.close()


def _read(mail: Mail, where: str, encoding: str | None) -> Items:
    plain, page, attachments = None, None, 0
    for part in mail.walk():
        if part.is_multipart():
            continue
        kind, disposition = part.get_content_type(), part.get_content_disposition()
        if disposition == "attachment" or part.get_filename() or not kind.startswith("text/"):
            attachments += 1
        elif kind == "text/plain" and plain is None:
            plain = part
        elif kind == "text/html" and page is None:
            page = part
    yield from (LeftOut("attachment", where) for _ in range(attachments))
    text = "" if plain is None else _decoded(plain, encoding)
    if not text.strip() and page is not None:
        text = text_of_html(_decoded(page, encoding)[:_TEXT_LIMIT])
    text, left_out = own_words(text[:_TEXT_LIMIT])
    yield from (LeftOut(what, where) for what in left_out)
    if not text:
        yield LeftOut("empty", where)
        return
    name, address = email.utils.parseaddr(_header(mail, "From"))
    yield Message(text, name or address or None, _date(mail), where, subject=_header(mail, "Subject") or None)


def _decoded(part: Mail, encoding: str | None) -> str:
    """The text of a part: as it states, else UTF-8, else cp1252; no byte is replaced.

    Raises:
        ValueError: it is none of these.
    """
    data = part.get_payload(decode=True)
    if not isinstance(data, bytes):
        return ""
    for name in filter(None, (part.get_content_charset(), encoding, "utf-8", "cp1252")):
        try:
            return data.decode(name).removeprefix("\ufeff").replace("\r\n", "\n")
        except (UnicodeError, LookupError):
            continue
    raise ValueError("no text")


def _header(mail: Mail, name: str) -> str:
    raw = str(mail.get(name, ""))[:2000]
    try:
        text = str(make_header(decode_header(raw)))
    except (UnicodeError, LookupError, ValueError, email.errors.MessageError):
        text = raw
    return " ".join(text.encode("utf-8", "replace").decode("utf-8").split())


def _date(mail: Mail) -> str | None:
    try:
        return email.utils.parsedate_to_datetime(str(mail.get("Date", ""))[:200]).isoformat(timespec="seconds")
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
