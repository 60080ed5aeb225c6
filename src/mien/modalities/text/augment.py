"""What people do to words when they type: seeded changes to training texts."""

from __future__ import annotations

import re

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

_KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_BESIDE = {
    key: row[max(place - 1, 0) : place] + row[place + 1 : place + 2] for row in _KEYS for place, key in enumerate(row)
}
_WORD = re.compile(r"[a-zA-Z]{4,}")
_VOWEL = re.compile(r"[aeiouy](?=\w{0,2}\b)", re.IGNORECASE)
_PUNCTUATION = re.compile(r"[.,!?;:]+")


class AugmentSettings(BaseModel):
    """Shares of training texts changed, anew in each epoch.

    Attributes:
        typo: texts with a letter or two swapped, dropped, doubled or hit beside.
        apostrophe: texts that lose their apostrophes ("dont").
        stretch: texts with one word stretched ("soooo").
        punctuation: texts that lose their punctuation.
    """

    model_config = ConfigDict(extra="forbid")
    typo: float = Field(0.0, ge=0, le=1)
    apostrophe: float = Field(0.0, ge=0, le=1)
    stretch: float = Field(0.0, ge=0, le=1)
    punctuation: float = Field(0.0, ge=0, le=1)


def augment(text: str, shares: AugmentSettings, rng: np.random.Generator) -> str:
    """The text as a hastier writer might have typed it; the same for the same *rng* state."""
    typo, apostrophe, stretch, punctuation = rng.random(4)
    if apostrophe < shares.apostrophe:
        text = text.replace("'", "").replace("\u2019", "")
    if punctuation < shares.punctuation:
        text = _PUNCTUATION.sub(" ", text)
    if stretch < shares.stretch:
        text = _stretched(text, rng)
    if typo < shares.typo:
        for _ in range(int(rng.integers(1, 3))):
            text = _mistyped(text, rng)
    return text


def _mistyped(text: str, rng: np.random.Generator) -> str:
    words = list(_WORD.finditer(text))
    if not words:
        return text
    word = words[int(rng.integers(len(words)))]
    place = int(rng.integers(word.start() + 1, word.end() - 2))  # first and last letter stand, as with most slips
    letter, following = text[place], text[place + 1]
    changed = (
        following + letter,  # swapped
        following,  # dropped
        letter + letter + following,  # doubled
        (_BESIDE.get(letter.lower()) or letter)[0] + following,  # the key beside it
    )[int(rng.integers(4))]
    return text[:place] + changed + text[place + 2 :]


def _stretched(text: str, rng: np.random.Generator) -> str:
    vowels = list(_VOWEL.finditer(text))
    if not vowels:
        return text
    place = vowels[int(rng.integers(len(vowels)))].start()
    return text[:place] + text[place] * int(rng.integers(2, 5)) + text[place:]
