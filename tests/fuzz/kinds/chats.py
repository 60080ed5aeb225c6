"""Chats, subtitles, transcripts and mail: lines of all forms, bent, repeated, mixed; read twice they are the same."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from random import Random

from fuzz import Case, Finding
from fuzz.bend import bend, number
from fuzz.words import text
from mien.datasets.chats import open_chat

SECONDS, SECONDS_PER_MB, MEGABYTES, MEGABYTES_PER_MB = 3.0, 12.0, 100.0, 60.0
_LINES = {
    ".txt": (
        *("13/03/2024, 21:05 - Ana: ", "3/12/24, 9:05\u202fPM - Ben: ", "[13.03.24, 21:05:07] Ana: \u200e"),
        *("SPEAKER_00 [00:00:01]: ", "[0.5s - 2.1s] Ana: ", "00:00:01 From Ana to Everyone: ", "Anna  0:03\n"),
    ),
    ".srt": ("1\n00:00:01,000 --> 00:00:03,500\n", "00:00:04,000 --> 00:00:05,000\n- ", "\n\n2\n"),
    ".vtt": ("\n\n00:01.000 --> 00:03.000 align:start\n<v Ana>", "\nNOTE ", "<c.x>"),
    ".mbox": (
        "\n\nFrom a@x Wed Mar 13 21:05:07 2024\nFrom: a@x\nTo: b\nSubject: =?utf-8?q?a?=\n",
        "Content-Type: multipart/mixed; boundary=b\n\n--b\n",
        "Content-Type: text/html\n\n<p>",
        "\nOn Mon, Ana wrote:\n> ",
    ),
}  # fmt: skip
_HEADS = {".vtt": "WEBVTT\n", ".mbox": "From a@x Wed Mar 13 21:05:07 2024\nFrom: a@x\nTo: b\nSubject: a\n"}
_SIGNS = (
    *(" ", "\t", "\n", "\u200e", "\u00a0", "<", ">", "[", "(", "♪", "- ", "<v ", "&#1"),
    *("=?", ";a=", "<!--", "> ", ":", "<Media"),
)


def prepare() -> None:
    pass


def check(path: Path) -> bool:
    chat = open_chat(path)
    first = [(message.speaker, message.time, str(message), message.where) for message in chat]
    again = [(message.speaker, message.time, str(message), message.where) for message in open_chat(path)]
    if first != again:
        raise Finding("read twice it is not the same")
    if len(first) != chat.messages:
        raise Finding(f"{len(first)} messages where {chat.messages} are stated")
    if empty := [where for _, _, said, where in first if not said.strip()]:
        raise Finding(f"an empty message at {empty[0]}")
    return True


def make(rng: Random) -> Case:
    if rng.random() < 0.25:
        suffix, data = ".json", _json(rng)
    else:
        suffix = rng.choice(list(_LINES))
        parts = [_HEADS.get(suffix, rng.choice(_LINES[suffix]))]
        for _ in range(rng.choice((1, 4, 20))):
            parts += [rng.choice(_LINES[suffix]), text(rng)]
            if rng.random() < 0.3:
                parts.append(rng.choice(_SIGNS) * min(number(rng), 100_000))
            parts.append(rng.choice(("\n", "\n", "\r\n", "")))
        data = "".join(parts).encode("utf-8", "replace")
    if rng.random() < 0.4:
        data = bend(rng, data)
    if rng.random() < 0.1:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as archive:
            archive.writestr("general/2024-03-13.json" if suffix == ".json" else f"chat{suffix}", data)
        suffix, data = ".zip", packed.getvalue()
        if rng.random() < 0.5:
            data = bend(rng, data, 2)
    return Case("chat" + suffix, data)


def _json(rng: Random) -> bytes:
    odd = (
        text(rng),
        number(rng),
        None,
        [text(rng), {"text": text(rng)}],
        {"a": [1]},
        1e400,
        "0" * min(number(rng), 9999),
    )
    said = {
        "id": 1,
        "type": "message",
        "date": "2024-03-13T21:05:07",
        "from": "Ana",
        "text": text(rng),
        "ts": "1710363907.0",
        "timestamp": "2024-03-13T21:05:07Z",
        "author": {"name": "a"},
        "content": "x",
        "start": 0.5,
        "end": 1,
    }
    messages = []
    for _ in range(rng.choice((1, 3, 10))):
        messages.append({key: rng.choice(odd) if rng.random() < 0.2 else value for key, value in said.items()})
    whole = rng.choice(
        ({"messages": messages}, {"segments": messages}, messages, {"chats": {"list": [{"messages": messages}]}})
    )
    return json.dumps(whole).encode()
