"""Names that columns usually have: of texts, labels and pictures."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mien.labels import emotion

TEXT_NAMES = (
    "text", "texts", "comment", "sentence", "content", "review", "message", "tweet", "utterance", "post", "body",
    "full_text", "selftext", "transcript", "transcription", "statement", "feedback", "response", "answer", "caption",
    "document", "dialogue", "quote", "lyrics", "story",
    *(_WEAK := ("description", "summary", "headline", "title", "subject")),
)  # fmt: skip
LABEL_NAMES = ("label", "labels", "emotion", "emotions", "sentiment", "mood", "feeling", "category", "class", "target")
PICTURE_NAMES = ("path", "picture", "image", "file", "filename", "photo")
_DATA = re.compile(r"(?:^| )[\d.]+(?: |$)|@|https?:|\d{4}-\d\d")  # what is no name of a column
_LONG = 60  # characters, more than names have
_FEW = 3  # columns: an emotion among these is a label


def plain_key(name: str) -> str:
    """A column's name without what people write differently: "Review Text" is reviewtext, as is "review_texts"."""
    key = re.sub(r"[\W_]+", "", name.casefold())
    return key.removesuffix("s") if len(key) > 4 and not key.endswith("ss") else key


def usual_columns(columns: Sequence[str], usual: Sequence[str]) -> list[str]:
    """The columns that have one of the usual names, the likeliest first; for texts also "tweet_text" and the like."""
    ranks: dict[str, float] = {}
    places = {plain_key(name): rank for rank, name in reversed(list(enumerate(usual)))}
    for column in columns:
        if (key := plain_key(column)) in places:
            ranks[column] = places[key] + (column.casefold() not in usual) / 4
        elif TEXT_NAMES[0] in usual and key.endswith("text") and key != "context":
            ranks[column] = usual.index(_WEAK[0]) - 1 / 2
    return sorted(ranks, key=lambda column: ranks[column])


def looks_like_data(columns: Sequence[str]) -> bool:
    """Whether what is taken for the names of columns may be a row of data."""
    labels = sum(is_emotion(name) for name in columns)
    if labels == 1 and len(columns) <= _FEW:
        return True
    return bool(_DATA.search(" ".join(columns))) or any(len(name) > _LONG for name in columns)


def is_emotion(name: str) -> bool:
    """Whether it is the name of an emotion."""
    return emotion(name).emoji != emotion("").emoji
