"""From text to token ids: the one function that training and prediction both go through."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import groupby, islice
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from tokenizers import Tokenizer

from mien.errors import InputError, ModelError
from mien.inputs import MAX_CHARACTERS
from mien.modalities.text import EMPTY

#: Combining marks kept in a row, as in UAX #15's stream-safe format: sorting more takes quadratic time.
MAX_MARKS = 30


class TextSettings(BaseModel):
    """The ``preprocess`` part of a text model's manifest.

    Attributes:
        max_length: tokens in one window; a longer text is read in several windows.
        pad_id: token id that fills up a batch; the network takes no notice of it.
        drop_apostrophes: join "don't" to "dont", as some data sets are written.
        languages: codes of the languages that the model reads (ISO 639-1 where there is one, else 639-3), such as "en";
            it reads any where there are none.
    """

    model_config = ConfigDict(extra="forbid")
    max_length: int = Field(64, ge=4, le=512)
    pad_id: int = Field(0, ge=0)
    drop_apostrophes: bool = False
    languages: list[Annotated[str, Field(pattern="^[a-z]{2,3}$")]] = []


_QUOTES = str.maketrans({"\u2019": "'", "\u2018": "'", "\u00b4": "'", "`": "'", "\u201c": '"', "\u201d": '"'})
_SPACES, _BLANK = re.compile(r"\s+"), re.compile(r"[^\S ]")
# Emoticons that a tokenizer would tear into punctuation, told as the emoji they stand for.
_EMOTICONS = {
    "smiling face": (":)", ":-)", "(:", ":]", "=)", "^^", "^_^", ":3"),
    "grinning face": (":D", ":-D", "=D", "xD", "XD"),
    "winking face": (";)", ";-)"),
    "frowning face": (":(", ":-(", ":[", "=(", "):"),
    "crying face": (":'(", ":,(", "T_T", ";_;", "T.T"),
    "face with tongue": (":P", ":-P", ":p", "xP"),
    "astonished face": (":O", ":-O", ":o", "o_O", "O_o", "o.O"),
    "confused face": (":/", ":-/", ":\\", ":S", ":-S"),
    "red heart": ("<3",),
    "broken heart": ("</3",),
    "angry face": (">:(",),
}
_EMOTICON_NAMES = {sign: name for name, signs in _EMOTICONS.items() for sign in signs}
_EMOTICON = re.compile(
    r"(?<!\S)(?:" + "|".join(re.escape(s) for s in sorted(_EMOTICON_NAMES, key=len, reverse=True)) + r")(?=$|[\s.,!?])"
)
# Three Latin letters or more, each alone between the same signs: "s a d", "h-a-p-p-y", "U.S.A".
_SPACED = re.compile(r"(?<![\w'])L(?P<between>[ .*-])L(?:(?P=between)L)+(?![\w'])".replace("L", "[A-Za-zÀ-ɏ]"))
_SILENT = ("Cf", "Cs", "Cn", "Co")  # format characters, surrogates, unassigned and private code points
_UNSEEN = frozenset("\u034f\u17b4\u17b5\u180b\u180c\u180d")  # though Unicode has them as accents
_BLANKS = frozenset("\u115f\u1160\u2800\u3164\uffa0")  # though Unicode has them as letters and a symbol
_FLAG_LETTERS = frozenset(map(chr, range(0x1F1E6, 0x1F200)))
_HEARTS = ("heavy black heart", "black heart suit", "white heart suit")
_PICTOGRAPHS = 0x2190  # arrows and beyond: where signs without a place in a vocabulary begin
_SLICE = 4096  # characters spelled out between two checks of the limit


def clean(text: str, most: int | None = None) -> str:
    """Text in the form that every tokenizer of mien sees.

    Emoji and emoticons become their names ("😭" → "loudly crying face"), which carry over to any vocabulary;
    curly quotes become straight, control characters and runs of white space one space. Letters that stand apart are
    joined ("s a d" → "sad"). Of combining marks in a row `MAX_MARKS` are kept.

    Args:
        text: any length; time and memory grow linearly with it.
        most: the most characters of the cleaned text.

    Raises:
        InputError: it would have more.
    """
    text = _joined(_BLANK.sub(" ", text))  # while more blanks still part words
    if not text.isascii():
        text = _spelled_out(_composed(text), most)
        text = _composed(text)  # a dropped sign may have stood between a letter and its accent
    text = text.translate(_QUOTES)
    if not text.isprintable():
        text = "".join(c if c.isprintable() else " " for c in text)
    text = _EMOTICON.sub(lambda match: _EMOTICON_NAMES[match.group()], text)
    text = _joined(_SPACES.sub(" ", text).strip())
    _check_length(len(text), most)
    return text


def _joined(text: str) -> str:
    """The text with letters that stand apart in one word."""
    return _SPACED.sub(lambda match: match.group()[::2], text)


def cleaned_length(text: str, most: int) -> int:
    """Characters of the cleaned text, about; above *most* if it has more."""
    if len(text) > most or (text.isascii() and not _EMOTICON.search(text)):
        return len(text)
    try:
        return len(clean(text, most))
    except InputError:
        return most + 1


def _composed(text: str) -> str:
    if len(text) > MAX_MARKS and sum(map(_is_mark, text)) > MAX_MARKS:
        runs = groupby(text, _is_mark)
        text = "".join(["".join(islice(run, MAX_MARKS) if marks else run) for marks, run in runs])
    return unicodedata.normalize("NFC", text)


def _is_mark(character: str) -> bool:
    """Whether it is a combining mark, or one of the three vowel signs of Tibetan that consist of two."""
    return unicodedata.combining(character) > 0 or character in "\u0f73\u0f75\u0f81"


def _spelled_out(text: str, most: int | None) -> str:
    parts, length = [], 0
    for start in range(0, len(text), _SLICE):
        parts.append(_SPACES.sub(" ", "".join(map(_sign, text[start : start + _SLICE]))))
        length += len(parts[-1])
        _check_length(length, most)
    return "".join(parts)


def _check_length(length: int, most: int | None) -> None:
    if most is not None and length > most:
        raise InputError(f"text with its emoji spelled out has more than {most:,} characters, the limit: split it")


@lru_cache(4096)
def _sign(character: str) -> str:
    category = unicodedata.category(character)
    # Joiners, soft hyphens, variation selectors and skin tones say nothing that the base sign does not.
    if category in _SILENT or (ord(character) >= _PICTOGRAPHS and category in ("Mn", "Sk")):
        return ""
    if character in _FLAG_LETTERS or character in _UNSEEN:
        return ""
    if character in _BLANKS:
        return " "
    if ord(character) < _PICTOGRAPHS or category != "So":
        return character
    name = unicodedata.name(character, "").lower()
    return f" {'red heart' if name in _HEARTS else name} "


@contextmanager
def _no_panic(what: str) -> Iterator[None]:
    """Turns what tokenizers raises, bare exceptions and Rust's panics, into a ModelError."""
    try:
        yield
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise ModelError(f"{what}: {(str(error).splitlines() or [''])[0][:200]}") from error


class TextPreprocessor:
    """Turns texts into windows of token ids.

    Args:
        tokenizer: the Hugging Face tokenizer, without padding or truncation of its own.
        settings: from the manifest.
    """

    def __init__(self, tokenizer: Tokenizer, settings: TextSettings, max_characters: int = MAX_CHARACTERS) -> None:
        self.settings, self.max_characters = settings, max_characters
        self._tokenizer = tokenizer
        tokenizer.no_padding()
        tokenizer.enable_truncation(settings.max_length, stride=0)

    @classmethod
    def from_file(cls, path: Path, settings: TextSettings) -> TextPreprocessor:
        """Raises ModelError: the file is no tokenizer."""
        return cls.from_bytes(path.read_bytes(), settings, path)

    @classmethod
    def from_bytes(cls, data: bytes, settings: TextSettings, path: Path) -> TextPreprocessor:
        """Raises ModelError: what was in the file is no tokenizer."""
        with _no_panic(f"{path} is not a tokenizer"):
            return cls(Tokenizer.from_buffer(data), settings)

    def prepare(self, text: str) -> str:
        """What the tokenizer is given; empty where there is nothing to read."""
        return self._joined(clean(text))

    def _joined(self, text: str) -> str:
        joined = text.replace("'", "") if self.settings.drop_apostrophes else text
        return joined if joined.strip() else text  # of apostrophes alone they are what there is

    def read(self, text: object) -> str:
        """What the tokenizer is given of one text to predict on.

        Raises:
            InputError: it is no text, too long or empty; one line that says which.
        """
        if not isinstance(text, str):
            raise InputError(f"text expected, got {type(text).__name__}")
        if len(text) > self.max_characters:
            raise InputError(f"text has {len(text):,} characters, the limit is {self.max_characters:,}: split it")
        prepared = self._joined(clean(text, self.max_characters))
        if not prepared:
            raise InputError(EMPTY)
        return prepared

    def encode(self, texts: Sequence[str]) -> list[list[list[int]]]:
        """For each text its windows of at most ``max_length`` token ids; at least one window each."""
        return self.encode_prepared([self.prepare(text) for text in texts])

    def encode_prepared(self, prepared: Sequence[str]) -> list[list[list[int]]]:
        """The same for what :meth:`prepare` or :meth:`read` gave."""
        with _no_panic("the tokenizer cannot read this"):
            encodings = self._tokenizer.encode_batch(list(prepared))
        windows = [[e.ids, *(more.ids for more in e.overflowing)] for e in encodings]
        return [[w or [self.settings.pad_id] for w in group] for group in windows]

    def pad(self, windows: Sequence[Sequence[int]], *, even: bool = False) -> np.ndarray:
        """A batch of windows as int64 of shape (n, length of the longest); see :meth:`batches` for even lengths."""
        length = max(map(self._padded if even else len, windows))
        batch = np.full((len(windows), length), self.settings.pad_id, np.int64)
        for row, window in zip(batch, windows, strict=True):
            row[: len(window)] = window
        return batch

    def batches(self, windows: Sequence[Sequence[int]], size: int) -> Iterator[list[int]]:
        """Places of up to *size* windows of the same even length when padded, so that no neighbor changes an answer."""
        order = sorted(range(len(windows)), key=lambda place: len(windows[place]))
        for _, group in groupby(order, lambda place: self._padded(windows[place])):
            alike = list(group)
            parts = -(-len(alike) // size)
            for part in range(parts):  # of about one size: a small one at the end would cost as much as a large one
                yield alike[part * len(alike) // parts : (part + 1) * len(alike) // parts]

    def _padded(self, window: Sequence[int]) -> int:
        """The length of a window with its padding: even, as twice as many windows of a few are alike then."""
        return max(len(window), min(len(window) + len(window) % 2, self.settings.max_length))
