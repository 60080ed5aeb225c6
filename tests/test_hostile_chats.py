"""Chats made to cost: every one is read in time linear in its size, or refused in one line."""

from __future__ import annotations

import json
import signal
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from mien.datasets.chats import chat, files, open_chat
from mien.datasets.chats.mail_text import text_of_html
from mien.datasets.lines import gathered
from mien.errors import DataError

SIZE = 600_000  # characters; what is quadratic takes minutes
CPU_SECONDS = 6  # of what takes 0.3 s, so that no busy machine fails it

ANDROID, IOS, CUE = "13/03/2024, 21:05 - ", "[13/03/2024, 21:05:07] ", "1\n00:00:01,000 --> 00:00:03,500\n"
MAIL = "From: a@x.y\nTo: b@x.y\nSubject: s\nDate: Wed, 13 Mar 2024 21:05:07 +0000\n"
HTML = MAIL + "Content-Type: text/html\n\n"
#: What a file begins with → what is repeated behind it.
HOSTILE: dict[str, list[str]] = {
    ANDROID + "Ana: hi": [" ", "\t", "\n", "\n ", "\n\u200e", "\n\u200eimage omitted", "\u200e<edited", " \u200e<"],
    ANDROID + "Ana: a\n": [" ", "\u200e", "\u200e ", "\ufeff", ANDROID],
    ANDROID + "Ana: a\n" + ANDROID: [" ", "\u200e", "~ ", "a ", '"'],
    ANDROID + "Ana: a\n13/03/2024, ": [" ", "\u200e", "\u200e ", "2"],
    ANDROID + "Ana: <": ["media", "omitted"],
    IOS + "Ana: a\n[13/03/2024": [" ", "\u200e", "\u200e ", "/1"],
    "[21:05, 13/03/2024] Ana: a\n[21:05,": [" ", "\u200e "],
    CUE: ["♪", "#", " #", "[a]", "<v ", "<v.a", "<v A>", "<", "{\\", "- a\n", "a\n", "A: a\n", "&#1", "[", "(("],
    CUE + "a\n\n2\n00:00:04,000": [" ", "-", "0"],
    "WEBVTT\n\n00:01.000 --> 00:03.000\n<v": [" ", ".a ", "<v", "\t\n"],
    "SPEAKER_00 [00:00:01]: a\n" * 3 + "SPEAKER_00 ": [" ", "[", "[0:01", "a ", "SPEAKER_00 "],
    "[00:00:01] Anna: a\n" * 3: [" ", "[00:00:01]", "(1", "\u00a0", "a\n", "[1.5 - "],
    "00:00:01 From Ana to Everyone: a\n" * 3 + "00:00:01 From a": [" ", " to", "\t"],
    "Ana: a\nBen: b\n" * 4 + "Anna": [" ", "A ", ": "],
    MAIL + "\n": ["On Mon, Ana wrote:\n> a\n", "On Mon\n", "wrote ", "schrieb ", "> ", "--", "_ ", "\n", "From: a\n"],
    "From a@x Wed Mar 13 21:05:07 2024\n" + MAIL + "\na\n\nFrom ": ["a 00:00 ", " ", "1"],
    MAIL + "Content-Type: multipart/mixed; ": [";a=", 'a*0=b;"', "boundary=b;"],
    MAIL + "Content-Disposition: ": [";a=", ";"],
    MAIL + "Content-Type: multipart/mixed; boundary=b\n\n--b\n": [
        "Content-Type: multipart/mixed; boundary=b\n\n--b\n", "\n--b\nContent-Type: text/plain\n\na\n",
        "Content-Type: message/rfc822\n\n",
    ],
    HTML: ["<i ", "<v ", "</", "<!", "<!--", "<![CDATA[", "<?", "<p class='", "<a b=\"", "<blockquote>", "&#1", "<a"],
}  # fmt: skip


@contextmanager
def bounded(seconds: float = CPU_SECONDS) -> Iterator[None]:
    """Time of the processor in which something has to be done; what takes longer is interrupted."""

    def stop(*_: object) -> None:
        raise AssertionError(f"takes more than {seconds} s of the processor")

    before, tracer = signal.signal(signal.SIGVTALRM, stop), sys.gettrace()
    sys.settrace(None)  # coverage takes ten times as long as what it looks at
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        sys.settrace(tracer)
        signal.signal(signal.SIGVTALRM, before)


def put(path: Path, data: str | bytes) -> Path:
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


@pytest.mark.skipif(not hasattr(signal, "SIGVTALRM"), reason="the system counts no time of a process")
@pytest.mark.parametrize("head", HOSTILE, ids=range(len(HOSTILE)))
def test_no_repetition_costs_more_than_its_length(tmp_path: Path, head: str) -> None:
    for unit in HOSTILE[head]:
        path = put(tmp_path / "c.txt", head + unit * (SIZE // len(unit)) + "x\n")
        with bounded(), suppress(DataError):
            read = open_chat(path)
            assert read.messages + read.left_out.total() > 0, unit


def test_a_packed_file_that_gives_a_byte_at_a_time() -> None:
    blocks = list(gathered(bytes([n % 256]) for n in range(200_000)))
    assert b"".join(blocks) == bytes(n % 256 for n in range(200_000))
    assert len(blocks) < 10


def nested(depth: int, inner: str = "Content-Type: text/plain\n\nI am glad\n") -> str:
    for level in range(depth):
        inner = f"Content-Type: multipart/mixed; boundary=b{level}\n\n--b{level}\n{inner}\n--b{level}--\n"
    return MAIL + inner


def test_parts_of_a_mail_are_bounded(tmp_path: Path) -> None:
    def look(text: str) -> tuple[list[str], dict[str, int]]:
        read = open_chat(put(tmp_path / "m.eml", text))
        return [str(message) for message in read], dict(read.left_out)

    assert look(nested(8)) == (["I am glad"], {})
    assert look(nested(40)) == ([], {"unreadable": 1})
    assert look(nested(3000)) == ([], {"unreadable": 1})
    part = "--b\nContent-Type: image/png\n\na\n"
    whole = MAIL + "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nI am glad\n"
    assert look(whole + part * 900 + "--b--\n") == (["I am glad"], {"attachment": 900})
    assert look(whole + part * 2000 + "--b--\n") == ([], {"unreadable": 1})
    assert look(MAIL + "\n" + "a\n" * 1_100_000) == ([], {"too large": 1})
    assert look(MAIL + f"X-Long: {'a' * 10_000}\n\nI am glad\n") == (["I am glad"], {})


def test_pages_are_read_as_browsers_do() -> None:
    page = """<html><head><title>t</title><style>p > a { b: "<c>" }</style></head><!-- <p>no</p> --><body class=x>
    <P title="a > b">I am <b>so</b> glad &amp; happy, 1 < 2 <3</P>Bye<br/>Ana<script>if (a<b) { c("</p>") }</script>
    <div class='gmail_quote x'><div>old</div>older</div><p>PS: </p><![endif]--><?xml a?></body></html>"""
    assert text_of_html(page) == "I am so glad & happy, 1 < 2 <3\nBye\nAna\n\nPS:\n> …"
    assert text_of_html("<p>a<!-- never closed <p>b") == "a"
    assert text_of_html('<p title="never closed>a</p>b') == "a\nb"
    assert text_of_html("&#" + "1" * 10_000 + ";") == "&#" + "1" * 10_000 + ";"


def test_archives_are_bounded_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "allowed_size", lambda _: 10_000)
    day = json.dumps([{"type": "message", "user": "U1", "ts": "1710363907.0", "text": "i am glad"}])

    def put_zip(count: int, text: str, **how: Any) -> Path:
        with zipfile.ZipFile(tmp_path / "s.zip", "w", **how) as archive:
            for number in range(count):
                archive.writestr(f"general/2024-03-{number:02}.json", text)
        return tmp_path / "s.zip"

    assert open_chat(put_zip(20, day)).messages == 20
    with pytest.raises(DataError, match=r"s\.zip unpacks to more than 10,000 bytes, which no texts do"):
        open_chat(put_zip(90, day + " " * 200, compression=zipfile.ZIP_DEFLATED))
    with pytest.raises(DataError, match="is packed in a way that is not read"):
        open_chat(put_zip(1, day, compression=zipfile.ZIP_LZMA))


def test_the_list_of_an_archive_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(tmp_path / "c.zip", "w") as archive:
        for number in range(300):
            archive.writestr(f"{number}.txt", "i am glad\n")
        archive.writestr("999.txt", ANDROID + "Ana: hi\n")
    opened = list[object]()

    class Counted(zipfile.ZipFile):
        def _RealGetContents(self) -> None:  # noqa: N802
            opened.append(self)
            super()._RealGetContents()  # type: ignore[misc]

    monkeypatch.setattr(zipfile, "ZipFile", Counted)
    read = open_chat(tmp_path / "c.zip")
    assert [str(message) for message in read] == ["hi"]
    assert len(opened) < 5, "not for each file"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[" * 100_000, "nested too deep"),
        ("[" * 150 + "]" * 150, "nested more than 100 deep"),
        ("[" + "1," * 300_000 + "1]", "more than 250,000 values"),
        ('"' + "a" * 5_000_000, "more than 4,194,304 characters"),
        ("9" * 10_000, "digits"),
    ],
)
def test_parts_of_json_are_bounded(tmp_path: Path, text: str, problem: str) -> None:
    first = json.dumps({"id": 1, "type": "message", "date": "2024-03-13T21:05:07", "from": "A", "text": "hi"})
    path = put(tmp_path / "t.json", f'{{"name": "A", "messages": [{first}, {{"id": 2, "text": {text}}}]}}')
    with pytest.raises(DataError, match=problem) as error:
        open_chat(path)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 400


def test_numbers_beyond_all_bounds(tmp_path: Path) -> None:
    segments = [{"start": 10**400, "end": 1e308, "text": "a"}, {"start": float("nan"), "end": -1, "text": "b"}]
    read = open_chat(put(tmp_path / "w.json", json.dumps({"segments": segments})))
    assert [(message.time, str(message)) for message in read] == [(None, "a"), (None, "b")]


def test_beginnings_of_many_files_are_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(tmp_path / "c.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(50):
            archive.writestr(f"{number}.txt", "i am glad\n" * 5_000)
    kept = list[files.Document]()
    given = files.documents_in(tmp_path / "c.zip", (".txt",))
    monkeypatch.setattr(chat, "documents_in", lambda *_: given)
    monkeypatch.setattr(chat.Transcript, "recognizes", lambda _, document: kept.append(document) or False)
    assert chat.recognize(tmp_path / "c.zip") is None
    assert len(kept) == 50
    assert not any({"raw", "head"} & vars(document).keys() for document in kept)
