"""``mien predict`` and ``mien.predict_many`` on chats: who and when go along, and nothing but texts is rated."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

import mien
from conftest import RunCli, one_line
from mien.errors import InputError

CHAT = """13/03/2024, 21:04 - Messages and calls are end-to-end encrypted. Tap to learn more.
13/03/2024, 21:05 - Ana: i am so glad
13/03/2024, 21:06 - Ben: <Media omitted>
13/03/2024, 21:09 - Ben: i feel sad
really sad
13/03/2024, 21:15 - Ben: This message was deleted
"""
ANA, BEN = "2024-03-13T21:05:00", "2024-03-13T21:09:00"
TAKEN = "note: c.txt is read as a WhatsApp chat: 2 messages of 2 people, 3 left out (system 1, media 1, deleted 1)"
LEFT_OUT = "left out of the chat: 1 system, 1 media, 1 deleted"
SRT = "1\n00:00:01,000 --> 00:00:03,500\ni am glad\n\n2\n00:00:04,000 --> 00:00:06,000\n[bang]\n"


def rows(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def chat(tmp_path: Path) -> Path:
    path = tmp_path / "c.txt"
    path.write_text(CHAT, "utf-8")
    (tmp_path / "t.srt").write_text(SRT)
    return path


def test_json_has_who_and_when_and_counts_the_rest(run_cli: RunCli, tiny_model: Path, chat: Path) -> None:
    done = run_cli("predict", "c.txt", "--model", tiny_model, "--json")
    document = json.loads(done.stdout)
    found = [(row["speaker"], row["time"], row["input"]) for row in document["results"]]
    assert found == [("Ana", ANA, "i am so glad"), ("Ben", BEN, "i feel sad\nreally sad")]
    assert document["left_out"] == {"system": 1, "media": 1, "deleted": 1}
    assert (done.returncode, done.stderr.splitlines()) == (0, [TAKEN, LEFT_OUT])
    assert document["results"] == [result.to_dict() for result in mien.predict_many(str(chat), str(tiny_model))]
    plain = [result.to_dict()["items"] for result in mien.load(tiny_model).predict_many([text for *_, text in found])]
    assert [row["items"] for row in document["results"]] == plain, "neither dates nor names are in what is rated"


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet"])
def test_files_have_columns_of_who_and_when(run_cli: RunCli, tiny_model: Path, chat: Path, ending: str) -> None:
    out = chat.parent / f"o.{ending}"
    done = run_cli("predict", "c.txt", "--model", tiny_model, "--out", out.name)
    assert done.returncode == 0
    assert (done.stderr.splitlines()[0], done.stderr.splitlines()[-2]) == (TAKEN, LEFT_OUT)
    if ending == "jsonl":
        lines = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
        assert [(line["speaker"], line["time"]) for line in lines] == [("Ana", ANA), ("Ben", BEN)]
        found = [line["columns"] for line in lines]
    elif ending == "parquet":
        import pandas as pd

        found = pd.read_parquet(out).to_dict("records")
    else:
        with out.open(encoding="utf-8", newline="") as file:
            found = list(csv.DictReader(file, delimiter="," if ending == "csv" else "\t"))
    assert [(row["speaker"], row["time"], row["text"]) for row in found] == [
        ("Ana", ANA, "i am so glad"),
        ("Ben", BEN, "i feel sad\nreally sad"),
    ]


def test_times_of_a_recording_are_seconds(run_cli: RunCli, tiny_model: Path, chat: Path) -> None:
    done = run_cli("predict", "t.srt", "--model", tiny_model, "--json")
    document = json.loads(done.stdout)
    (row,) = document["results"]
    assert (row["speaker"], row["time"], row["end"], row["input"]) == (None, 1.0, 3.5, "i am glad")
    assert document["left_out"] == {"sound": 1}
    assert "t.srt is read as subtitles: 1 line, 1 left out (sound 1)" in done.stderr


def test_the_terminal_shows_who_and_when(run_cli: RunCli, tiny_model: Path, chat: Path) -> None:
    shown = run_cli("predict", "c.txt", "--model", tiny_model).stdout
    assert "Ana, 2024-03-13 21:05" in shown
    assert "Ben, 2024-03-13 21:09" in shown
    chat.write_text("".join(f"13/03/2024, 21:{n:02} - Ana: i am glad {n}\n" for n in range(10, 30)), "utf-8")
    (line,) = [
        line for line in run_cli("predict", "c.txt", "--model", tiny_model).stdout.splitlines() if "d 12" in line
    ]
    assert "2024-03-13 21:12" in line
    assert "Ana" in line


def test_chats_texts_and_tables_go_together(run_cli: RunCli, tiny_model: Path, chat: Path) -> None:
    (chat.parent / "t.csv").write_text("text,day\nso scared,1\n")
    done = run_cli("predict", "so glad", "c.txt", "t.csv", "t.srt", "--model", tiny_model, "--out", "o.csv")
    assert done.returncode == 0
    found = [(row["text"], row["speaker"], row["time"], row["day"]) for row in rows(chat.parent / "o.csv")]
    assert found == [
        *[("so glad", "", "", ""), ("i am so glad", "Ana", ANA, ""), ("i feel sad\nreally sad", "Ben", BEN, "")],
        *[("so scared", "", "", "1"), ("i am glad", "", "1.0", "")],
    ]


def test_as_says_what_a_file_is(run_cli: RunCli, tiny_model: Path, chat: Path) -> None:
    raw = run_cli("predict", "c.txt", "--as", "text", "--model", tiny_model, "--json")
    assert [row["input"] for row in json.loads(raw.stdout)["results"]] == CHAT.splitlines()
    (chat.parent / "l.txt").write_text("i am glad\nso sad\n")
    line = one_line(run_cli("predict", "l.txt", "--as", "chat", "--model", tiny_model, "--json"))
    assert line.startswith("mien: l.txt is no chat of a known form; those are exports of WhatsApp, Telegram")
    assert "there is no file" in one_line(run_cli("predict", "none.txt", "--as", "chat", "--model", tiny_model))
    assert "needs a file" in one_line(run_cli("predict", "-", "--as", "chat", "--model", tiny_model))
    assert "is for tables" in one_line(
        run_cli("predict", "c.txt", "--as", "chat", "--column", "text", "--model", tiny_model)
    )
    told = run_cli("predict", "c.txt", "--as", "chat", "--model", tiny_model, "--json")
    assert len(json.loads(told.stdout)["results"]) == 2
    (chat.parent / "s.srt").write_text("no subtitles\n")
    assert "is no chat of a known form" in one_line(run_cli("predict", "s.srt", "--model", tiny_model))


def test_the_order_of_dates_can_be_told(run_cli: RunCli, tiny_model: Path, chat: Path) -> None:
    chat.write_text("12/03/2024, 21:05 - Ana: i am glad\n", "utf-8")
    done = run_cli("predict", "c.txt", "--model", tiny_model, "--json")
    assert json.loads(done.stdout)["results"][0]["time"] == "2024-03-12T21:05:00"
    assert "dates such as 12/03/2024 are read as day/month/year (dates=mdy, --dates mdy: month/day/year)" in done.stderr
    done = run_cli("predict", "c.txt", "--dates", "mdy", "--model", tiny_model, "--json")
    assert json.loads(done.stdout)["results"][0]["time"] == "2024-12-03T21:05:00"
    assert "dates such as" not in done.stderr
    assert run_cli("predict", "c.txt", "--dates", "xyz", "--model", tiny_model).returncode == 2


def test_a_stream_that_is_a_chat_is_said(run_cli: RunCli, tiny_model: Path, chat: Path) -> None:
    done = run_cli("predict", "-", "--model", tiny_model, "--json", input=CHAT.encode())
    assert len(json.loads(done.stdout)["results"]) == len(CHAT.splitlines())
    assert "warning: standard input looks like a chat: dates and names are read with the texts" in done.stderr
    quiet = run_cli("predict", "-", "--model", tiny_model, "--json", input=b"i am glad\nso sad\n")
    assert quiet.stderr == ""


def test_python_reads_the_path_of_a_chat(tiny_model: Path, chat: Path, caplog: pytest.LogCaptureFixture) -> None:
    results = list(mien.predict_many(chat, str(tiny_model)))
    assert [(result.speaker, result.time) for result in results] == [("Ana", ANA), ("Ben", BEN)]
    assert results[1].rollup("ekman7").speaker == "Ben"
    frame = mien.to_frame(results)
    assert frame[["speaker", "time", "text"]].to_numpy().tolist()[0] == ["Ana", ANA, "i am so glad"]
    again = mien.Result.from_dict(json.loads(json.dumps(results[1].to_dict())))
    assert (again.speaker, again.time, again.to_dict()) == ("Ben", BEN, results[1].to_dict())
    assert caplog.messages == [TAKEN.replace("c.txt", str(chat))]
    opened = mien.open_chat(chat)
    assert [result.to_dict() for result in mien.predict_many(opened, str(tiny_model))] == [r.to_dict() for r in results]
    (plain,) = mien.predict_many(["so glad"], str(tiny_model))
    assert (plain.speaker, plain.time, "speaker" in plain.to_dict()) == (None, None, False)
    with pytest.raises(InputError, match=r"t\.srt is a file of messages, and mien.predict reads one input"):
        mien.predict(str(chat.parent / "t.srt"))
    with pytest.raises(InputError, match="is a file of messages"):
        mien.predict(chat.parent / "t.srt")
    caplog.clear()
    with chat.open(encoding="utf-8") as lines:
        assert len(list(mien.predict_many(lines, str(tiny_model)))) == len(CHAT.splitlines())
    assert "looks like a chat" in caplog.text


def test_messages_that_look_like_paths_are_messages(run_cli: RunCli, tiny_model: Path, chat: Path) -> None:
    chat.write_text("13/03/2024, 21:05 - Ana: www.example.com\n13/03/2024, 21:05 - Ana: IMG_1.HEIC\n", "utf-8")
    done = run_cli("predict", "c.txt", "--model", tiny_model, "--json")
    assert [row["error"] for row in json.loads(done.stdout)["results"]] == [None, None]
    assert [result.error for result in mien.predict_many(chat, str(tiny_model))] == [None, None]


def test_a_run_that_was_stopped_goes_on(run_cli: RunCli, tiny_model: Path, chat: Path) -> None:
    chat.write_text("".join(f"13/03/2024, 21:{n % 60:02} - Ana: i am glad {n}\n" for n in range(90)), "utf-8")
    run_cli("predict", "c.txt", "--model", tiny_model, "--out", "o.csv", "--batch-size", "1")
    assert [row["text"] for row in rows(chat.parent / "o.csv")] == [f"i am glad {n}" for n in range(90)]


def test_a_folder_of_slack_is_a_chat_and_one_of_pictures_is_not(
    run_cli: RunCli, tiny_model: Path, tmp_path: Path
) -> None:
    day = tmp_path / "slack" / "general" / "2024-03-13.json"
    day.parent.mkdir(parents=True)
    day.write_text(json.dumps([{"type": "message", "user": "U1", "ts": "1710363907.0", "text": "i am glad"}]))
    done = run_cli("predict", "slack", "--model", tiny_model, "--json")
    assert [row["channel"] for row in json.loads(done.stdout)["results"]] == ["general"]
    (tmp_path / "empty").mkdir()
    assert "is a folder" in one_line(run_cli("predict", "empty", "--model", tiny_model, "--json"))


def test_nothing_of_a_name_can_act_on_a_terminal(run_cli: RunCli, tiny_model: Path, chat: Path) -> None:
    chat.write_text("13/03/2024, 21:05 - A\x1b[31mna: i am glad\x1b[2J\n", "utf-8")
    for how in ([], ["--json"]):
        done = run_cli("predict", "c.txt", "--model", tiny_model, *how)
        assert done.returncode == 0
        assert "\x1b" not in done.stdout + done.stderr


def test_a_chat_without_messages(run_cli: RunCli, tiny_model: Path, chat: Path) -> None:
    chat.write_text("13/03/2024, 21:05 - Ana added Ben\n", "utf-8")
    done = run_cli("predict", "c.txt", "--model", tiny_model, "--json")
    assert json.loads(done.stdout) == {"model": "tiny", "results": [], "left_out": {"system": 1}}
    assert "nothing was read: there are no texts in c.txt" in done.stderr
