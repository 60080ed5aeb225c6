"""Further lines of chats, subtitles and transcripts as programs write them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mien.datasets import open_dataset
from mien.datasets.chats import open_chat
from mien.errors import DataError
from mien.evaluation import evaluate


def put(path: Path, text: str) -> Path:
    path.write_text(text, "utf-8")
    return path


OWN = {
    "media": [
        *("<Archivo omitido>", "<View once voice message omitted>", "location: https://maps.google.com/?q=37.1,-8.2"),
        *("Standort: https://maps.google.com/?q=1,2", "ubicación: https://maps.google.com/?q=1,2"),
        *("live location shared", "Live-Standort wird geteilt"),
    ],
    "system": [
        *("POLL:\nWho comes?\nOPTION: me (1 vote)\nOPTION: you (0 votes)", "UMFRAGE:\nWer?\nOPTION: ich (1 Stimme)"),
        *("Warten auf diese Nachricht. Dies kann eine Weile dauern.", "Waiting for this message", "Llamada perdida"),
        *("En attente de ce message. Cela peut prendre du temps.", "Appel vocal manqué", "Chamada de voz perdida"),
        *("In attesa del messaggio. Potrebbe volerci un po' di tempo.", "Videochiamata persa"),
    ],
}


@pytest.mark.parametrize(("what", "text"), [(what, text) for what, texts in OWN.items() for text in texts])
def test_what_whatsapp_writes_itself(tmp_path: Path, what: str, text: str) -> None:
    head = "13/03/2024, 21:05 - "
    chat = open_chat(put(tmp_path / "c.txt", f"{head}Ana: {text}\n{head}Ben: bye\n"))
    assert ([str(message) for message in chat], dict(chat.left_out)) == (["bye"], {what: 1})


@pytest.mark.parametrize(
    "text",
    [
        "poll: who comes?",
        "location: the beach",
        "Waiting for this message all day",
        "Warten auf dich",
        "llamada perdida?",
    ],
)
def test_what_people_write_like_it(tmp_path: Path, text: str) -> None:
    chat = open_chat(put(tmp_path / "c.txt", f"13/03/2024, 21:05 - Ana: {text}\n"))
    assert ([str(message) for message in chat], dict(chat.left_out)) == ([text], {})


CUES = {
    "(DOOR SLAMS)\nGet out!": [(None, "Get out!")],
    "[sighs] I can't do this [sobs]": [(None, "I can't do this")],
    "(I mean it, you know.) Go!": [(None, "(I mean it, you know.) Go!")],
    "JOHN: I love you.\nMARY: I know.": [("JOHN", "I love you."), ("MARY", "I know.")],
    "I said\nNASA: no": [(None, "I said NASA: no")],
    "JOHN (whispering): I'm scared": [("JOHN", "I'm scared")],
    "&gt;&gt; ANNA: hello\n>> Bye.": [("ANNA", "hello"), (None, "Bye.")],
    "♪ [music] ♪": [],
    "(coughs) # la la #": [(None, "# la la #")],
}


@pytest.mark.parametrize("cue", CUES)
def test_what_is_heard_and_not_said_in_subtitles(tmp_path: Path, cue: str) -> None:
    others = "".join(f"{n}\n00:00:0{n},000 --> 00:00:0{n},900\nhello {n}\n\n" for n in range(1, 3))
    chat = open_chat(put(tmp_path / "t.srt", f"{others}3\n00:00:03,000 --> 00:00:03,500\n{cue}\n"))
    assert [(message.speaker, str(message)) for message in chat][2:] == CUES[cue]
    heard = any(sign in cue for sign in ("(D", "[", "(c"))
    assert dict(chat.left_out) == ({"sound": 1} if heard else {})


@pytest.mark.parametrize(
    ("first", "second", "end"),
    [
        ("SPEAKER_00 (0.50s - 2.1s): ", "SPEAKER_01 (2.1s - 3s): ", 2.1),
        ("[0.5 - 2.1] SPEAKER_00: ", "[2.1 - 3.0] SPEAKER_01: ", 2.1),
        ("SPEAKER_00 [0.5]: ", "SPEAKER_01 [2.1]: ", None),
        ("SPEAKER_00 00:00:00.500 ", "SPEAKER_01 00:00:02.1 ", None),
    ],
)
def test_times_of_transcripts_in_seconds(tmp_path: Path, first: str, second: str, end: float | None) -> None:
    chat = open_chat(put(tmp_path / "t.txt", f"{first}I am glad\n{second}me too\n"))
    found = [(message.speaker, message.time, str(message)) for message in chat]
    assert found == [("SPEAKER_00", 0.5, "I am glad"), ("SPEAKER_01", 2.1, "me too")]
    assert next(iter(chat)).columns["end"] == end


def test_whisper_cpp(tmp_path: Path) -> None:
    entry = {"timestamps": {"from": "00:00:00,500"}, "offsets": {"from": 500, "to": 3000}, "text": " I am glad."}
    document = {"systeminfo": "x", "result": {"language": "en"}, "transcription": [entry]}
    (message,) = open_chat(put(tmp_path / "w.json", json.dumps(document)))
    assert (message.time, message.columns["end"], str(message)) == (0.5, 3.0, "I am glad.")


def test_a_chat_has_nothing_to_measure_by(tmp_path: Path, tiny_model: Path) -> None:
    data = open_dataset(f"chat:{put(tmp_path / 'c.txt', '13/03/2024, 21:05 - Ana: hi')}")
    with pytest.raises(DataError, match=r"^chat has no labels to measure tiny by \(mien predict reads it\)$"):
        evaluate(str(tiny_model), data)
