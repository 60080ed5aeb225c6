"""Chats, subtitles, transcripts and mail, to look at and to predict on: messages without labels."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from mien.datasets.chats import open_chat
from mien.datasets.dataset import Problem
from mien.datasets.open import Items, Row, dataset
from mien.inputs import Message


@dataset("chat", labels="affect")
def chat(path: Path, *, dates: Literal["", "dmy", "mdy", "ymd"] = "", encoding: str = "") -> Items:
    """The messages of a chat, with the columns "speaker" and "time"; what is no message is a problem.

    Args:
        path: see :func:`mien.datasets.chats.open_chat`.
        dates: the order of day, month and year, where the chat does not state it; without it that is found out.
        encoding: of the text; without it that is found out.
    """
    for item in open_chat(path, dates, encoding or None).items():
        if isinstance(item, Message):
            columns = {name: "" if cell is None else str(cell) for name, cell in item.columns.items()}
            yield Row(str(item), (), item.where, "test", columns)
        else:
            yield Problem(item.what, item.where, f"{item.what}: no message of a person")
