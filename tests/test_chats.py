"""Chats as people have them: who, when, text of each message, and what is left out is counted."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from mien.datasets import open_dataset
from mien.datasets.chats import Chat, find_chat, open_chat
from mien.errors import DataError, InputError

Rows = list[tuple[Any, ...]]


def put(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode(encoding))
    return path


def rows(chat: Chat) -> Rows:
    """Speaker, time and text of each message."""
    return [(message.speaker, message.time, str(message)) for message in chat]


# ---------------------------------------------------------------------------------------------------- WhatsApp

#: How the head of a message of 13 March 2024, 21:05:07 is written, with "NAME: TEXT" behind.
HEADS = {
    "android, Europe": "13/03/2024, 21:05 - ",
    "android, USA": "3/13/24, 9:05 PM - ",
    "android, USA, narrow space": "3/13/24, 9:05\u202fPM - ",
    "android, USA, small letters": "3/13/24, 9:05 pm - ",
    "android, Germany": "13.03.24, 21:05 - ",
    "android, Germany, Uhr": "13.03.24, 21:05 Uhr - ",
    "android, Netherlands": "13-03-2024 21:05 - ",
    "android, Spain": "13/3/24 21:05 - ",
    "android, Mexico": "13/3/2024 9:05 p. m. - ",
    "android, Mexico, narrow": "13/03/24, 9:05\u202fp.\u00a0m. - ",
    "android, France": "13/03/2024 à 21:05 - ",
    "android, Finland": "13.3.2024 klo 21.05 - ",
    "android, Denmark": "13.03.2024 21.05 - ",
    "android, Sweden": "2024-03-13 21:05 - ",
    "android, Hungary": "2024. 03. 13. 21:05 - ",
    "android, China": "2024/3/13 下午9:05 - ",
    "android, Korea": "2024. 3. 13. 오후 9:05 - ",
    "android, Japan": "2024/03/13 21:05 - ",
    "android, Arabic": "\u200f١٣\u200f/٣\u200f/٢٠٢٤، ٩:٠٥ م - ",
    "android, Greece": "13/3/24, 9:05 μ.μ. - ",
    "ios, Europe": "[13/03/2024, 21:05:07] ",
    "ios, USA": "[3/13/24, 9:05:07 PM] ",
    "ios, USA, narrow space": "[3/13/24, 9:05:07\u202fPM] ",
    "ios, Germany": "[13.03.24, 21:05:07] ",
    "ios, Spain": "[13/3/24 21:05:07] ",
    "ios, Sweden": "[2024-03-13, 21:05:07] ",
    "ios, marks": "\u200e[13/03/2024, 21:05:07] ",
    "web": "[21:05, 13/03/2024] ",
    "web, USA": "[9:05 PM, 3/13/2024] ",
}


@pytest.mark.parametrize("name", HEADS)
def test_heads_of_whatsapp(tmp_path: Path, name: str) -> None:
    head = HEADS[name]
    text = f"{head}Ana: I got it: the job!\nreally\n\n{head}Ben Müller: 13/03 again?\n{head}+49 170 1234567: ok\n"
    chat = open_chat(put(tmp_path / "c.txt", text))
    when = "2024-03-13T21:05:07" if ":07" in head else "2024-03-13T21:05:00"
    expected = [("Ana", when, "I got it: the job!\nreally"), ("Ben Müller", when, "13/03 again?")]
    assert rows(chat) == [*expected, ("+49 170 1234567", when, "ok")]
    assert (chat.messages, chat.people, dict(chat.left_out), chat.notes) == (3, 3, {}, ())


def test_hours_of_twelve(tmp_path: Path) -> None:
    times = ["12:00 AM", "12:59 am", "1:00 AM", "11:59 a.m.", "12:00 PM", "12:30 p. m.", "1:05 PM", "11:59 PM"]
    text = "".join(f"3/13/24, {time} - Ana: x\n" for time in times)
    found = [time[11:16] for _, time, _ in rows(open_chat(put(tmp_path / "c.txt", text)))]
    assert found == ["00:00", "00:59", "01:00", "11:59", "12:00", "12:30", "13:05", "23:59"]


@pytest.mark.parametrize(
    ("dates", "order", "first"),
    [
        (["1/2/24", "13/2/24"], "", "2024-02-01"),  # a day above 12
        (["1/2/24", "2/13/24"], "", "2024-01-02"),
        (["1/2/24", "2/2/24", "1/3/24"], "", "2024-02-01"),  # time does not go back
        (["1/2/24", "2/2/24", "2/1/25", "1/3/25"], "mdy", "2024-01-02"),
        (["11/1/24", "11/2/24", "12/1/24"], "", "2024-11-01"),
        (["24-01-02", "24-01-31", "24-02-01"], "", "2024-01-02"),
        (["05/05/2024", "06/06/2024"], "", "2024-05-05"),  # any order says the same
    ],
)
def test_order_of_dates_is_found_over_the_whole_chat(tmp_path: Path, dates: list[str], order: str, first: str) -> None:
    path = put(tmp_path / "c.txt", "".join(f"{date}, 21:05 - Ana: x\n" for date in dates))
    chat = open_chat(path, dates=order)
    assert (rows(chat)[0][1][:10], chat.notes) == (first, ())


def test_an_order_that_is_a_guess_is_said(tmp_path: Path) -> None:
    path = put(tmp_path / "c.txt", "12/03/2024, 21:04 - Ana: x\n")
    chat = open_chat(path)
    assert rows(chat)[0][1] == "2024-03-12T21:04:00"
    (note,) = chat.notes
    assert note == ("dates such as 12/03/2024 are read as day/month/year (dates=mdy, --dates mdy: month/day/year)")
    other = open_chat(path, dates="mdy")
    assert (rows(other)[0][1], other.notes) == ("2024-12-03T21:04:00", ())
    american = open_chat(put(tmp_path / "a.txt", "12/03/24, 9:04 PM - Ana: x\n"))
    assert rows(american)[0][1] == "2024-12-03T21:04:00"
    assert "read as month/day/year" in american.notes[0]
    put(path, "25/03/2024, 21:04 - Ana: x\n")
    with pytest.raises(DataError, match=r"c\.txt:1: 25/03/2024 is no date as month/day/year"):
        open_chat(path, dates="mdy")
    with pytest.raises(DataError, match="dates are dmy, mdy, ymd, not 'dym'"):
        open_chat(path, dates="dym")


MEDIA = [
    *("<Media omitted>", "<Medien ausgeschlossen>", "<Médias omis>", "<Multimedia omitido>", "<Media omessi>"),
    *("<Mídia oculta>", "<Media weggelaten>", "<Без медиафайлов>", "<Pominięto multimedia>", "<Medya dahil edilmedi>"),
    *(
        "<मीडिया के बिना>",
        "<メディアは含まれていません>",
        "<미디어 제외됨>",
        "<تم استبعاد الوسائط>",
        "<Media utelämnat>",
    ),
    *("image omitted", "\u200eimage omitted", "\u200evideo omitted", "GIF omitted", "\u200eContact card omitted"),
    *("\u200eBild weggelassen", "imagen omitida", "\u200eimage absente", "immagine omessa", "imagem ocultada"),
    *("\u200eafbeelding weggelaten", "report.pdf • \u200e3 pages \u200edocument omitted", "sticker omitido"),
    *("IMG-20240312-WA0001.jpg (file attached)", "\u200eIMG-20240312-WA0001.jpg (Datei angehängt)"),
    *("\u200e<attached: 00000012-PHOTO-2024-03-12-21-04-05.jpg>", "\u200e<Anhang: 00000012-AUDIO.opus>"),
    *("PTT-20240312-WA0003.opus (archivo adjunto)", "VID-1.mp4 (fichier joint)", "a b.docx (file allegato)"),
]
DELETED = [
    *("This message was deleted", "You deleted this message", "\u200eThis message was deleted."),
    *("Diese Nachricht wurde gelöscht.", "Du hast diese Nachricht gelöscht.", "Se eliminó este mensaje."),
    *(
        "Ce message a été supprimé",
        "Questo messaggio è stato eliminato",
        "Mensagem apagada",
        "Dit bericht is verwijderd",
    ),
    *("Ta wiadomość została usunięta", "Данное сообщение удалено", "Bu mesaj silindi", "此訊息已刪除"),
    *("このメッセージは削除されました", "이 메시지는 삭제되었습니다", "تم حذف هذه الرسالة", "הודעה זו נמחקה"),
]
SYSTEM = [
    "Messages and calls are end-to-end encrypted. No one outside of this chat can read them.",
    "\u200eNachrichten und Anrufe sind Ende-zu-Ende-verschlüsselt.",
    "Missed voice call, 21:05",
]
LINES = [  # without a name before
    "Messages and calls are end-to-end encrypted. Tap to learn more.",
    "Nachrichten und Anrufe sind Ende-zu-Ende-verschlüsselt. Tippe für mehr Infos.",
    "Ana added Ben",
    'Ana changed the group name to "Trip: Rome"',
    "Ben changed the subject from “a” to “b: c”",
    "Your security code with Ana changed. Tap to learn more.",
    "\u202a+49 170 1234567\u202c left",
]


@pytest.mark.parametrize(
    ("what", "text"),
    [*(("media", t) for t in MEDIA), *(("deleted", t) for t in DELETED), *(("system", t) for t in SYSTEM)],
)
@pytest.mark.parametrize("head", ["13/03/2024, 21:05 - ", "[13/03/2024, 21:05:07] "])
def test_what_is_no_message_is_left_out_and_counted(tmp_path: Path, head: str, what: str, text: str) -> None:
    chat = open_chat(put(tmp_path / "c.txt", f"{head}Ana: hello\n{head}Ana: {text}\n{head}Ben: bye\n"))
    assert [row[2] for row in rows(chat)] == ["hello", "bye"]
    assert dict(chat.left_out) == {what: 1}


@pytest.mark.parametrize("text", ["Ana added Ben", "защищено шифрованием", "POLL:", "Voice call, \u200e3 min"])
def test_what_ios_marks_as_its_own_is_left_out(tmp_path: Path, text: str) -> None:
    head = "[13/03/2024, 21:05:07] "
    chat = open_chat(put(tmp_path / "c.txt", f"{head}Ana: \u200e{text}\n{head}Ben: bye\n"))
    assert (len(rows(chat)), dict(chat.left_out)) == (1, {"system": 1})


PEOPLE = [
    "Marie est absente",
    "Missed your call, sorry!",
    "missed you so much",
    "Messages are my life",
    "the image was omitted on purpose",
    "he deleted this message",
    "<3 you",
    "a <b> c",
    "\u200eodd mark",
    "joined using my phone: great",
    "photo",
    "null",
]


@pytest.mark.parametrize("text", PEOPLE)
def test_what_people_write_is_kept(tmp_path: Path, text: str) -> None:
    head = "13/03/2024, 21:05 - "
    chat = open_chat(put(tmp_path / "c.txt", f'{head}Bob "Rock" Smith: {text}\n'))
    assert rows(chat) == [('Bob "Rock" Smith', "2024-03-13T21:05:00", text.strip("\u200e"))]
    assert not chat.left_out


@pytest.mark.parametrize("line", LINES)
def test_lines_of_the_system_have_no_name(tmp_path: Path, line: str) -> None:
    head = "13/03/2024, 21:05 - "
    chat = open_chat(put(tmp_path / "c.txt", f"{head}{line}\n{head}Ana: hello\n"))
    assert (len(rows(chat)), dict(chat.left_out), chat.people) == (1, {"system": 1}, 1)


def test_captions_and_edits(tmp_path: Path) -> None:
    head = "[13/03/2024, 21:05:07] "
    lines = [
        "Ana: \u200e<attached: 0001-PHOTO.jpg>\nwhat a day",
        "Ana: what a night\n\u200e<attached: 0002-PHOTO.jpg>",
        "Ana: so sorry \u200e<This message was edited>",
        "Ana: tut mir leid \u200e<Diese Nachricht wurde bearbeitet.>",
        "~\u202fNew Person: hi @\u2068Ana\u2069",
        "Ana: 1 < 2 and <irony>",
        "Ana:",
    ]
    chat = open_chat(put(tmp_path / "c.txt", "".join(f"{head}{line}\n" for line in lines)))
    texts = ["what a day", "what a night", "so sorry", "tut mir leid", "hi @\u2068Ana\u2069", "1 < 2 and <irony>"]
    assert [row[2] for row in rows(chat)] == texts
    assert rows(chat)[4][0] == "New Person"
    assert dict(chat.left_out) == {"media": 2, "empty": 1}


def test_what_stands_before_the_first_message_is_counted(tmp_path: Path) -> None:
    head = "13/03/2024, 21:05 - "
    path = put(tmp_path / "c.txt", f"the rest of a line\n{head}Ana: a\n{head}Ben: b\n{head}Ana: c\n")
    assert dict(open_chat(path).left_out) == {"before the first message": 1}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_encodings_and_ends_of_lines(tmp_path: Path, encoding: str, end: str) -> None:
    text = f"13/03/2024, 21:05 - Zoë: café{end}so nice{end}13/03/2024, 21:06 - Ben: ok{end}"
    chat = open_chat(put(tmp_path / "c.txt", text, encoding))
    assert rows(chat) == [("Zoë", "2024-03-13T21:05:00", "café\nso nice"), ("Ben", "2024-03-13T21:06:00", "ok")]
    put(tmp_path / "d.txt", "13/03/2024, 21:05 - Иван: привет\n", "cp1251")
    assert rows(open_chat(tmp_path / "d.txt", encoding="cp1251"))[0][::2] == ("Иван", "привет")


def test_a_zip_of_ios(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "c.zip", "w") as archive:
        archive.writestr("_chat.txt", "[13/03/2024, 21:05:07] Ana: hi\n")
        archive.writestr("0001-PHOTO.jpg", b"\xff\xd8")
        archive.writestr("__MACOSX/._chat.txt", b"\0\1")
    assert rows(open_chat(tmp_path / "c.zip")) == [("Ana", "2024-03-13T21:05:07", "hi")]
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        for name in ("a.txt", "b.txt"):
            archive.writestr(name, "[13/03/2024, 21:05:07] Ana: hi\n")
    with pytest.raises(DataError, match=r"two\.zip holds several chats \(a\.txt and b\.txt\)"):
        open_chat(tmp_path / "two.zip")


# ----------------------------------------------------------------------------------------------------- Telegram


def telegram(*messages: dict[str, Any], name: str = "Ana") -> dict[str, Any]:
    return {"name": name, "type": "personal_chat", "id": 7, "messages": list(messages)}


def said(text: Any, who: str | None = "Ana", **more: Any) -> dict[str, Any]:
    return {"id": 1, "type": "message", "date": "2024-03-13T21:05:07", "date_unixtime": "1710363907", "from": who,
            "from_id": "user7", "text": text, "text_entities": [], **more}  # fmt: skip


MESSAGES = [
    {"id": 1, "type": "service", "date": "2024-03-13T21:05:07", "actor": "Ana", "action": "phone_call", "text": ""},
    said("hi"),
    said(["look ", {"type": "link", "text": "https://x.y"}, " ", {"type": "bold", "text": "wow"}], "Ben"),
    said("", photo="photos/1.jpg"),
    said("a caption", photo="photos/2.jpg"),
    said("", None, media_type="sticker", sticker_emoji="😂"),
    said("gone", None),
]
READ = [("Ana", "hi"), ("Ben", "look https://x.y wow"), ("Ana", "a caption"), ("user7", "gone")]


@pytest.mark.parametrize("indent", [None, 1])
def test_telegram(tmp_path: Path, indent: int | None) -> None:
    chat = open_chat(put(tmp_path / "result.json", json.dumps(telegram(*MESSAGES), indent=indent)))
    assert [(who, text) for who, _, text in rows(chat)] == READ
    assert {time for _, time, _ in rows(chat)} == {"2024-03-13T21:05:07"}
    assert dict(chat.left_out) == {"system": 1, "media": 3}
    whole = {
        "about": "Here is the data you requested.",
        "personal_information": {"first_name": "Ana"},
        "contacts": {"list": [{"first_name": "x", "date": "2020-01-01"}] * 3000},
        "chats": {"about": "…", "list": [telegram(*MESSAGES), telegram(said("yo"), name="Team")]},
        "left_chats": {"about": "…", "list": [telegram(said("bye"), name="Old")]},
    }
    every = open_chat(put(tmp_path / "all.json", json.dumps(whole, indent=indent)))
    assert [(m.columns["chat"], str(m)) for m in every][-3:] == [("Ana", "gone"), ("Team", "yo"), ("Old", "bye")]
    assert every.messages == 6


# ------------------------------------------------------------------------------------------------------- others


def test_discord(tmp_path: Path) -> None:
    def post(content: str, kind: str = "Default", bot: bool = False, **more: Any) -> dict[str, Any]:
        author = {"id": "1", "name": "ana", "nickname": "Ana", "isBot": bot}
        return {"id": "1", "type": kind, "timestamp": "2024-03-13T21:05:07.123+00:00", "content": content,
                "author": author, "attachments": [], "embeds": [], "stickers": [], **more}  # fmt: skip

    found = {
        "guild": {"id": "1", "name": "G"},
        "channel": {"id": "2", "name": "general"},
        "dateRange": {"after": None, "before": None},
        "messages": [post("hi"), post("yes", "Reply"), post("joined", "GuildMemberJoin"), post("beep", bot=True),
                     post("", attachments=[{"url": "x"}]), post("pic", attachments=[{"url": "x"}]), post("")],
        "messageCount": 7,
    }  # fmt: skip
    chat = open_chat(put(tmp_path / "d.json", json.dumps(found)))
    when = "2024-03-13T21:05:07+00:00"
    assert rows(chat) == [("Ana", when, "hi"), ("Ana", when, "yes"), ("Ana", when, "pic")]
    assert dict(chat.left_out) == {"system": 1, "bot": 1, "media": 2, "empty": 1}


SLACK = {
    "users.json": [{"id": "U1", "name": "ana", "profile": {"display_name": "Ana", "real_name": "Ana B"}},
                   {"id": "U2", "name": "ben", "profile": {"display_name": "", "real_name": "Ben"}}],
    "channels.json": [{"id": "C1", "name": "general"}],
    "general/2024-03-13.json": [
        {"type": "message", "user": "U1", "ts": "1710363907.000200", "text": "hi <@U2> &amp; <https://x.y|all>"},
        {"type": "message", "subtype": "channel_join", "user": "U2", "ts": "1710363908.0", "text": "<@U2> has joined"},
        {"type": "message", "subtype": "bot_message", "bot_id": "B1", "ts": "1710363909.0", "text": "beep"},
    ],
    "general/2024-03-14.json": [
        {"type": "message", "user": "U2", "ts": "1710450307.0", "text": "so good", "files": [{"id": "F"}]},
        {"type": "message", "user": "U3", "ts": "1710450308.0", "text": "x", "user_profile": {"real_name": "Cy"}},
        {"type": "message", "subtype": "tombstone", "user": "U3", "ts": "1710450309.0", "text": "deleted"},
    ],
    "random/2024-03-13.json": [{"type": "message", "user": "U1", "ts": "1710363907.0", "text": "ok"}],
}  # fmt: skip


@pytest.mark.parametrize("form", ["folder", "zip", "zip with a folder"])
def test_slack(tmp_path: Path, form: str) -> None:
    path = tmp_path / ("slack" if form == "folder" else "slack.zip")
    if form == "folder":
        for name, content in SLACK.items():
            put(path / name, json.dumps(content))
    else:
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in SLACK.items():
                archive.writestr(("export/" if "folder" in form else "") + name, json.dumps(content))
    chat = open_chat(path)
    assert rows(chat) == [
        ("Ana", "2024-03-13T21:05:07+00:00", "hi @Ben & all"),
        ("Ben", "2024-03-14T21:05:07+00:00", "so good"),
        ("Cy", "2024-03-14T21:05:08+00:00", "x"),
        ("Ana", "2024-03-13T21:05:07+00:00", "ok"),
    ]
    assert [message.columns["channel"] for message in chat] == ["general"] * 3 + ["random"]
    assert dict(chat.left_out) == {"system": 1, "bot": 1, "media": 1, "deleted": 1}


def test_a_day_of_slack(tmp_path: Path) -> None:
    (path,) = [put(tmp_path / name, json.dumps(SLACK[name])) for name in ["random/2024-03-13.json"]]
    (message,) = open_chat(path)
    assert (message.speaker, message.columns["channel"]) == ("U1", "random")


SRT = """1
00:00:01,000 --> 00:00:03,500
<i>I can't believe</i> {\\an8}you did that!

2
00:00:04,000 --> 00:00:06,000
- I'm sorry.
- You always are.

3
00:00:07,000 --> 00:00:09,000 X1:10
I'm so happy to see you
again after all this time.

4
00:00:09,000 --> 00:00:10,000
[door slams]

5
00:00:10,000 --> 00:00:11,000
♪ la la ♪

6
00:01:10,000 --> 00:01:11,500
ANNA: 42

43
"""


def test_subrip(tmp_path: Path) -> None:
    expected = [
        (None, 1.0, "I can't believe you did that!"),
        (None, 4.0, "I'm sorry."),
        (None, 4.0, "You always are."),
        (None, 7.0, "I'm so happy to see you again after all this time."),
        ("ANNA", 70.0, "42 43"),
    ]
    for text in (SRT, SRT.replace("\n", "\r\n"), SRT.replace("\n\n", "\n"), "\ufeff\n" + SRT):
        chat = open_chat(put(tmp_path / "t.srt", text))
        assert rows(chat) == expected
        assert [message.columns["end"] for message in chat] == [3.5, 6.0, 6.0, 9.0, 71.5]
        assert dict(chat.left_out) == {"sound": 2}
    assert rows(open_chat(put(tmp_path / "t.txt", SRT))) == expected, "whatever its name"


VTT = """WEBVTT - a talk
Kind: captions

NOTE this is
no text

STYLE
::cue { color: red }

intro
00:01.000 --> 00:03.500 align:start position:0%
<v Anna Smith>I'm <c.loud>so</c> glad &amp; happy</v>

01:00:04.000 --> 01:00:06.000
<v.first Ben>No. <v Anna>Yes!

00:07.000 --> 00:08.000
nobody
"""


def test_webvtt(tmp_path: Path) -> None:
    expected = [
        ("Anna Smith", 1.0, "I'm so glad & happy"),
        ("Ben", 3604.0, "No."),
        ("Anna", 3604.0, "Yes!"),
        (None, 7.0, "nobody"),
    ]
    assert rows(open_chat(put(tmp_path / "t.vtt", VTT))) == expected


def test_names_in_subtitles_of_a_meeting(tmp_path: Path) -> None:
    cues = ["Anna Smith: I am so glad.", "Ben: Me too: really.", "Anna Smith: Good.", "and more"]
    text = "WEBVTT\n\n" + "".join(f"{n}\n00:00:0{n}.000 --> 00:00:0{n}.900\n{cue}\n\n" for n, cue in enumerate(cues))
    found = [("Anna Smith", "I am so glad."), ("Ben", "Me too: really."), ("Anna Smith", "Good."), (None, "and more")]
    assert [(who, text) for who, _, text in rows(open_chat(put(tmp_path / "t.vtt", text)))] == found
    film = "".join(f"{n}\n00:00:0{n},000 --> 00:00:0{n},900\nhello there\n\n" for n in range(1, 5))
    film += "5\n00:00:05,000 --> 00:00:06,000\nRemember this: run!\n"
    assert rows(open_chat(put(tmp_path / "t.srt", film)))[-1] == (None, 5.0, "Remember this: run!")


def test_rolling_captions_are_read_once(tmp_path: Path) -> None:
    text = """WEBVTT

00:00:00.000 --> 00:00:02.000
 
i am<00:00:00.500><c> so happy</c>

00:00:02.000 --> 00:00:02.010
i am so happy
 

00:00:02.010 --> 00:00:04.000
i am so happy
to be<00:00:03.000><c> here</c>
"""  # noqa: W293
    chat = open_chat(put(tmp_path / "t.vtt", text))
    assert [row[2] for row in rows(chat)] == ["i am so happy", "to be here"]
    assert dict(chat.left_out) == {"repeated": 1}


TRANSCRIPTS = {
    "who [time]: text": "{who} [00:00:0{n}]: {text}",
    "who (time): text": "{who} (0:0{n}): {text}",
    "[time] who: text": "[00:00:0{n}] {who}: {text}",
    "(time) who: text": "(00:0{n}) {who}: {text}",
    "[time --> time] [who] text": "[00:0{n}.000 --> 00:0{n}.900] [{who}] {text}",
    "[time - time] who: text": "[00:00:0{n} - 00:00:0{n}] {who}: {text}",
    "time <who> text": "00:0{n} <{who}> {text}",
    "time who: text": "00:00:0{n} {who}: {text}",
    "zoom's chat": "00:00:0{n}\t From {who} to Everyone: {text}",
    "who  time, text below": "{who}  0:0{n}\n{text}\n",
    "who time, text below": "{who} 0:0{n}\n{text}\n",
    "whisper's who alone": "[{who}]: {text}",
    "who: text": "{who}: {text}",
}


@pytest.mark.parametrize("style", TRANSCRIPTS)
@pytest.mark.parametrize("names", [("SPEAKER_00", "SPEAKER_01"), ("Anna Smith", "Ben")])
def test_transcripts(tmp_path: Path, style: str, names: tuple[str, str]) -> None:
    if style == "whisper's who alone" and names[0] == "Anna Smith":
        pytest.skip("names in brackets may be anything")
    texts = ["I am glad: you?", "So am I.", "Oh no!", "Well then."]
    lines = [TRANSCRIPTS[style].format(who=names[n % 2], n=n, text=text) for n, text in enumerate(texts)]
    chat = open_chat(put(tmp_path / "t.txt", "\n".join(lines) + "\n"))
    timed = "alone" not in style and style != "who: text"
    assert rows(chat) == [(names[n % 2], float(n) if timed else None, text) for n, text in enumerate(texts)]


def test_transcripts_without_names_and_with_long_paragraphs(tmp_path: Path) -> None:
    text = "[00:00.000 --> 00:04.000]  I am so glad.\n[00:04.000 --> 00:08.500]  Remember this: run!\nand run\n"
    chat = open_chat(put(tmp_path / "t.txt", text))
    assert rows(chat) == [(None, 0.0, "I am so glad."), (None, 4.0, "Remember this: run! and run")]
    assert [message.columns["end"] for message in chat] == [4.0, 8.5]
    youtube = "0:00\nhello there\n0:04\nI love it\n1:00:05\nbye\n"
    assert rows(open_chat(put(tmp_path / "y.txt", youtube))) == [
        (None, 0.0, "hello there"), (None, 4.0, "I love it"), (None, 3605.0, "bye"),
    ]  # fmt: skip


def test_whisper(tmp_path: Path) -> None:
    segments = [
        {"start": 0.5004, "end": 2.0, "text": " I am glad.", "speaker": "SPEAKER_00", "words": [{"word": "I"}]},
        {"start": 2.0, "end": 3.0, "text": " "},
        {"start": 3.0, "end": 4.0, "text": "Me too."},
    ]
    for document in (
        {"segments": segments, "word_segments": [{"word": "I"}] * 3, "language": "en"},
        {"text": "I am glad.", "segments": segments, "language": "en"},
    ):
        chat = open_chat(put(tmp_path / "w.json", json.dumps(document)))
        assert rows(chat) == [("SPEAKER_00", 0.5, "I am glad."), (None, 3.0, "Me too.")]
        assert dict(chat.left_out) == {"empty": 1}


# --------------------------------------------------------------------------------------------------------- mail

PLAIN = """From: =?utf-8?q?Ana_M=C3=BCller?= <ana@example.com>
To: ben@example.com
Subject: Re: =?utf-8?b?8J+OiQ==?= the job
Date: Wed, 13 Mar 2024 21:05:07 +0100
Message-ID: <1@example.com>
Content-Type: text/plain; charset=iso-8859-1
Content-Transfer-Encoding: 8bit

I got it! Caf\xe9 tonight?

On Wed, 13 Mar 2024 at 20:00, Ben <ben@example.com>
wrote:

> did you get the job?
> tell me
>> earlier

And thank you.

--\x20
Ana Müller
Head of things
"""


def test_eml(tmp_path: Path) -> None:
    path = tmp_path / "m.eml"
    path.write_bytes(PLAIN.encode("latin-1"))
    (message,) = chat = open_chat(path)
    assert rows(chat) == [("Ana Müller", "2024-03-13T21:05:07+01:00", "I got it! Café tonight?\n\nAnd thank you.")]
    assert message.columns["subject"] == "Re: 🎉 the job"
    assert dict(chat.left_out) == {"quoted mail": 1, "signature": 1}
    multi = """From: ben@example.com
Subject: x
Date: nonsense
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="b"

--b
Content-Type: multipart/alternative; boundary="c"

--c
Content-Type: text/html; charset=utf-8

<html><head><style>p {}</style></head><body><p>I am <b>so</b> sad.</p><p>Really&nbsp;sad &amp; tired.</p>
<div class="gmail_quote">On Monday Ana wrote:<blockquote><div>be happy</div></blockquote></div></body></html>
--c--
--b
Content-Type: application/pdf
Content-Disposition: attachment; filename="a.pdf"

xxxx
--b--
"""
    chat = open_chat(put(path, multi))
    assert rows(chat) == [("ben@example.com", None, "I am so sad.\n\nReally sad & tired.")]
    assert dict(chat.left_out) == {"quoted mail": 1, "attachment": 1}


@pytest.mark.parametrize(
    "end",
    [
        "Am Mi., 13. März 2024 um 21:05 Uhr schrieb Ben <b@x.y>:\n\n> alt\n",
        "Le mer. 13 mars 2024 à 21:05, Ben <b@x.y> a écrit :\n> vieux\n",
        "-----Original Message-----\nFrom: Ben\nSent: Monday\nTo: Ana\nSubject: x\n\nold text\n",
        "From: Ben <b@x.y>\nSent: Monday, March 11, 2024 9:00 AM\nTo: Ana\nSubject: x\n\nold text\n",
        "Von: Ben <b@x.y>\nGesendet: Montag\nAn: Ana\nBetreff: x\n\nalter Text\n",
        "________________________________\nFrom: Ben\nold text\n",
        "On Mon, Mar 11, 2024 at 9:00 AM Ben wrote:\n\nold text without signs\n",
    ],
)
def test_what_is_answered_is_left_out_of_mail(tmp_path: Path, end: str) -> None:
    text = f"From: ana@x.y\nTo: b@x.y\nSubject: x\nContent-Type: text/plain; charset=utf-8\n\nI am glad.\n\n{end}"
    chat = open_chat(put(tmp_path / "m.eml", text))
    assert [row[2] for row in rows(chat)] == ["I am glad."]
    assert dict(chat.left_out) == {"quoted mail": 1}


def test_mbox(tmp_path: Path) -> None:
    def mail(text: str, who: str = "ana@x.y") -> str:
        head = f"From {who} Wed Mar 13 21:05:07 2024\nFrom: {who}\nTo: x@x.y\nSubject: x\n"
        return f"{head}Date: Wed, 13 Mar 2024 21:05:07 +0000\n\n{text}\n\n"

    phone = "happy\n\nSent from my iPhone"
    text = (
        mail("I am glad.\n>From now on\nFrom here on") + mail("ok", "ben@x.y") + mail("> only\n> quoted") + mail(phone)
    )
    chat = open_chat(put(tmp_path / "all.mbox", text))
    when = "2024-03-13T21:05:07+00:00"
    expected = [("ana@x.y", when, "I am glad.\nFrom now on\nFrom here on"), ("ben@x.y", when, "ok")]
    assert rows(chat) == [*expected, ("ana@x.y", when, "happy")]
    assert dict(chat.left_out) == {"quoted mail": 1, "empty": 1, "signature": 1}


# ------------------------------------------------------------------------------------------------ what is no chat

NO_CHATS = [
    "i am so happy\nso sad\n",
    "12/03/2024 was a good day\nsad\n",
    "Note: this is fine\nso sad\nI said: run\n",
    "10:30 lunch was great\nso sad\nfine\n",
    "",
    "[10:15] great\n" + "so sad\n" * 30,
    '{"text": "a"}\n',
    "From: here to there\n",
    "a: b\n",
    "joy: I am glad\nsad: I am not\n",
]


@pytest.mark.parametrize("text", NO_CHATS)
def test_lines_are_no_chat(tmp_path: Path, text: str) -> None:
    assert find_chat(put(tmp_path / "t.txt", text)) is None


def test_tables_are_no_chats(tmp_path: Path) -> None:
    text = "13/03/2024, 21:05 - Ana: hi\n"
    assert find_chat(put(tmp_path / "t.csv", text)) is None
    for value in ([{"text": "a", "label": "joy"}], {"data": [{"text": "a"}]}, {"messages": ["a"]}, [], {}, 3):
        assert find_chat(put(tmp_path / "t.json", json.dumps(value))) is None


def test_unknown_forms_are_one_line(tmp_path: Path) -> None:
    for name in ("t.srt", "t.txt", "t.xyz"):
        with pytest.raises(
            DataError, match=rf"{name} is no chat of a known form; those are exports of WhatsApp"
        ) as error:
            open_chat(put(tmp_path / name, "hello\nworld\n"))
        assert "\n" not in str(error.value)
    with pytest.raises(DataError, match="is empty"):
        open_chat(put(tmp_path / "e.srt", ""))
    with pytest.raises(DataError, match="there is no file"):
        open_chat(tmp_path / "none.srt")
    with pytest.raises(InputError, match="taken for an address"):
        open_chat("https://x.y/chat.txt")


def test_a_chat_that_changes_is_no_longer_read(tmp_path: Path) -> None:
    path = put(tmp_path / "c.txt", "13/03/2024, 21:05 - Ana: hi\n")
    chat = open_chat(path)
    put(path, "13/03/2024, 21:05 - Ana: hi\n13/03/2024, 21:05 - Ben: hi\n")
    with pytest.raises(DataError, match="was changed while it was read"):
        list(chat)


def test_the_data_set(tmp_path: Path) -> None:
    text = "13/03/2024, 21:05 - Ana: hi\n13/03/2024, 21:05 - Ana: <Media omitted>\n13/03/2024, 21:05 - Ben: bye\n"
    data = open_dataset(f"chat:{put(tmp_path / 'c.txt', text)}")
    assert list(data.inputs) == ["hi", "bye"]
    assert data.columns["speaker"].tolist() == ["Ana", "Ben"]
    assert data.columns["time"].tolist() == ["2024-03-13T21:05:00"] * 2
    assert (data.left_out, list(data.where)) == ({"media": 1}, ["c.txt:1", "c.txt:3"])
    data = open_dataset(f"chat:{put(tmp_path / 'd.txt', '1/2/24, 21:05 - Ana: hi')}?dates=mdy")
    assert data.columns["time"].tolist() == ["2024-01-02T21:05:00"]
