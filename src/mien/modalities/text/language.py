"""The language that a text is written in, told by its script, and by runs of letters where many share one."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from functools import cache
from itertools import chain, groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np

ANY = "any"  #: said of texts that are to be read whatever they are written in
UNDETERMINED = "und"  #: said of a language that is surely none of those asked for, and maybe one that is not known here
NO_LANGUAGE = ""  # names, laughter, keys hit at random: a class of its own

_TABLE = Path(__file__).with_name("languages.npz")
_BORROWED = Path(__file__).with_name("borrowed.txt")
_LOOKED_AT = 1200  # characters; of a longer text a third each from its start, its middle and its end
_CERTAIN, _CERTAIN_OF_TWO = 0.85, 0.98  # of a text, and of one of two words; of one word nothing is told
_NAMED = 0.6  # from which share on a language has its name
_LARGER_PART = 0.6  # of the letters, in one script
_FEWEST = 3  # letters of a script that settles the language
_FEW = 8  # words among which those borrowed, or in names, can be the larger part
_GRAMS = 5  # characters of the longest run

_MARKS = r"\u0300-\u036f\u0591-\u05c7\u0610-\u065f\u0670\u0900-\u0903\u093a-\u094f\u0962\u0963\u0e31-\u0e4e"
_LETTER = rf"(?:[^\W\d_]|[{_MARKS}])"
_WORD = re.compile(rf"{_LETTER}+(?:['\u2019\u02bc]{_LETTER}+)*")
_ASCII_WORD = re.compile(r"[a-zA-Z]+(?:'[a-zA-Z]+)*")
_NOT_WRITING = re.compile(r"https?://\S+|www\.\S+|\S*@\S*|[#&]\w+;?|\b[ru]/\w+")
_UNSEEN = (
    r"\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u20d0-\u20f0\u2800\u3164"
    r"\ufe0e\ufe0f\ufeff\uffa0"
)
_SILENT = re.compile(rf"[{_UNSEEN}ノツ彡益ಠ]")  # signs without a sound, and those that faces are drawn with
_PILED = re.compile(rf"[{_UNSEEN}\u0300-\u036f]{{2,}}")  # on one letter, where most languages have one at most
_STRETCHED = re.compile(r"(.)\1\1+")

#: Where scripts begin, and the languages that are written in each; others than Latin and these share no table.
_SCRIPTS: tuple[tuple[int, str], ...] = (
    (0x0000, "Latin"), (0x0370, "Greek"), (0x0400, "Cyrillic"), (0x0530, "Armenian"), (0x0590, "Hebrew"),
    (0x0600, "Arabic"), (0x0700, ""), (0x0750, "Arabic"), (0x0780, ""), (0x0900, "Devanagari"), (0x0980, "Bengali"),
    (0x0A00, "Gurmukhi"), (0x0A80, "Gujarati"), (0x0B00, "Oriya"), (0x0B80, "Tamil"), (0x0C00, "Telugu"),
    (0x0C80, "Kannada"), (0x0D00, "Malayalam"), (0x0D80, "Sinhala"), (0x0E00, "Thai"), (0x0E80, "Lao"),
    (0x0F00, "Tibetan"), (0x1000, "Burmese"), (0x10A0, "Georgian"), (0x1100, "Hangul"), (0x1200, "Ethiopic"),
    (0x13A0, ""), (0x1780, "Khmer"), (0x1800, ""), (0x1E00, "Latin"), (0x1F00, "Greek"), (0x2000, ""),
    (0x2D80, "Ethiopic"), (0x2DE0, ""), (0x3040, "Kana"), (0x3100, ""), (0x3130, "Hangul"), (0x3190, ""),
    (0x31F0, "Kana"), (0x3200, ""), (0x3400, "Han"), (0xA000, ""), (0xAC00, "Hangul"), (0xD7B0, ""), (0xF900, "Han"),
    (0xFB00, ""), (0x20000, "Han"), (0x40000, ""),
)  # fmt: skip
_ONE_LANGUAGE = {
    "Greek": "el", "Armenian": "hy", "Hebrew": "he", "Bengali": "bn", "Gurmukhi": "pa", "Gujarati": "gu", "Oriya": "or",
    "Tamil": "ta", "Telugu": "te", "Kannada": "kn", "Malayalam": "ml", "Sinhala": "si", "Thai": "th", "Lao": "lo",
    "Tibetan": "bo", "Burmese": "my", "Georgian": "ka", "Hangul": "ko", "Khmer": "km", "Kana": "ja", "Han": "zh",
}  # fmt: skip
_SEVERAL = {
    "Cyrillic": ("bg", "mk", "ru", "sr", "tt", "uk"), "Arabic": ("ar", "fa"), "Ethiopic": ("am", "ti"),
    "Devanagari": ("hi", "mr"),
}  # fmt: skip
_ORDER = tuple(dict.fromkeys(name for _, name in _SCRIPTS))
_STARTS = np.array([start for start, _ in _SCRIPTS], np.uint32)
_PLACES = np.array([_ORDER.index(name) for _, name in _SCRIPTS])
_SIZES = np.array([{"Han": 3.0, "Kana": 2.0, "Hangul": 2.0, "": 0.0}.get(name, 1.0) for name in _ORDER])  # in letters

#: Frequent words of Nigerian Pidgin, which has most others from English.
_PIDGIN = frozenset({"abeg", "dem", "dey", "na", "omo", "sabi", "sef", "una", "wan", "wetin", "wey"})

#: What stands between the words of names: Oscar de la Hoya.
_IN_NAMES = re.compile(
    r"([A-Z\u00c0-\u00de][\w\u0300-\u036f]*)"
    r"(?: (?:al|bin|da|d[eo]|del|den|der|des|di|dos|el?|ibn|las?|les?|los|of|the|van|von|y))+(?= [A-Z\u00c0-\u00de])"
)


#: Languages with their probabilities, and how probable one must be for certainty.
Likely = tuple[tuple[str, ...], np.ndarray, float]


class Table(NamedTuple):
    """What tells the languages that share a script.

    Attributes:
        weights: float32 (buckets, languages), of hashed runs of letters.
        bias: float32 (languages,).
        languages: codes, of ISO 639-1 where there is one, else 639-3; `NO_LANGUAGE` is one of them.
        english: frequent words of English that are rare elsewhere.
    """

    weights: np.ndarray
    bias: np.ndarray
    languages: tuple[str, ...]
    english: frozenset[str]


def language_of(text: str) -> str | None:
    """The code of the language that a text is written in; None where that cannot be told with certainty.

    Of names, numbers, addresses, emoji, single words, what English has borrowed and evenly mixed texts it cannot. At
    most 1,200 characters are looked at.
    """
    found = _likely(text)
    if found is None:
        return None
    languages, shares, least = found
    best = int(shares.argmax())
    return languages[best] if shares[best] >= least and languages[best] != NO_LANGUAGE else None


def unread_language(text: str, languages: Collection[str]) -> str | None:
    """The language that a text is written in, where it is certain that it is none of *languages*; else None.

    It is `UNDETERMINED` where several could be meant.
    """
    return told_by(text, languages)[0]


def probable_language(text: str, languages: Collection[str]) -> str | None:
    """The most probable of *languages*, or of all where there are none; None where none of them is probable enough."""
    return told_by(text, languages)[1]


def told_by(text: str, languages: Collection[str]) -> tuple[str | None, str | None]:
    """What :func:`unread_language` and :func:`probable_language` say of a text, which is looked at once for both."""
    found = _likely(text)
    return (None, None) if found is None else (_unread(found, languages), _probable(found, languages))


def _unread(found: Likely, languages: Collection[str]) -> str | None:
    names, shares, least = found
    foreign = np.array([name not in languages and name != NO_LANGUAGE for name in names]) * shares
    if foreign.sum() < least:
        return None
    best = int(foreign.argmax())
    return names[best] if shares[best] >= _NAMED else UNDETERMINED


def _probable(found: Likely, languages: Collection[str]) -> str | None:
    names, shares, _ = found
    best = int(shares.argmax())  # a share of 0.6 is the largest
    read = names[best] in languages if languages else names[best] != NO_LANGUAGE
    return names[best] if read and shares[best] >= _NAMED else None


def _likely(text: str) -> Likely | None:
    """Languages with their probabilities, and how probable one must be; None where there is too little to tell."""
    if not text.isascii():
        text = _PILED.sub("", text)
    if len(text) > _LOOKED_AT:
        third, middle = _LOOKED_AT // 3, len(text) // 2
        text = " ".join((text[:third], text[middle - third // 2 : middle + third // 2], text[-third:]))
    table = load_table()
    plain = text.lower().split()
    known = sum(map(table.english.__contains__, plain))
    if known > 1 and 4 * known >= len(plain) and _PIDGIN.isdisjoint(plain):
        return ("en",), np.ones(1), 1.0
    found = words(_IN_NAMES.sub(r"\1", text) if len(plain) <= _FEW else text)
    if not found:
        return None
    letters, script = join(found), "Latin"
    if not letters.isascii():
        letters, script = _of_larger_script(letters)
    if script in _ONE_LANGUAGE:
        return (_ONE_LANGUAGE[script],), np.ones(1), 1.0
    if script == "Latin":
        letters = _telling(letters)
    count = len(set(letters.split()))
    if not script or (script == "Latin" and count < 2):
        return None
    runs = table.weights.take(grams(letters, len(table.weights)), 0)
    names, places = _written_in(script)
    scores = (np.ones(len(runs), np.float32) @ runs * len(runs) ** -0.5 + table.bias)[places]
    shares = np.exp(scores - scores.max())
    return names, shares / shares.sum(), _CERTAIN_OF_TWO if script == "Latin" and count == 2 else _CERTAIN


def words(text: str) -> list[str]:
    """The words that tell the language: without addresses, mentions and tags, and most names and German nouns."""
    word = _ASCII_WORD
    if not text.isascii():
        text, word = unicodedata.normalize("NFKC", _SILENT.sub("", text))[:_LOOKED_AT], _WORD
    found = word.findall(_NOT_WRITING.sub(" ", text))
    return found[:1] + [word for word in found[1:] if not word[0].isupper() or word.isupper()]


def _telling(letters: str) -> str:
    """Words but for three in a row alike ("la la la") or of a letter ("s a d"), and of a short text those borrowed."""
    runs = [list(run) for _, run in groupby(letters.split(), lambda word: word if len(word) > 1 else "")]
    parts = [word for run in runs if len(run) < 3 for word in run]
    if len(parts) <= _FEW:
        bare = unicodedata.normalize("NFD", " ".join(parts))
        plain, borrowed, start = re.sub("[\u0300-\u036f]", "", bare).split(), load_borrowed(), 0
        while start < len(plain):
            ends = (end for end in range(len(plain), start, -1) if " ".join(plain[start:end]) in borrowed)
            end = next(ends, start)
            del plain[start:end], parts[start:end]
            start += end == start
    return f" {' '.join(parts)} "


def join(found: Collection[str]) -> str:
    """Words in lower case with a space around each, and stretched ones ("sooo") short."""
    return _STRETCHED.sub(r"\1", f" {' '.join(found).lower()} ".replace("\u2019", "'"))


def grams(letters: str, buckets: int) -> np.ndarray:
    """The buckets of all runs of 1 to 5 characters, int64 (n,)."""
    codes = np.frombuffer(letters.encode("utf-32-le", "surrogatepass"), np.uint32)
    runs, parts = codes, list[np.ndarray]()
    for length in range(1, min(_GRAMS, len(codes)) + 1):
        if length > 1:
            runs = runs[:-1] * np.uint32(0x01000193) + codes[length - 1 :]
        parts.append(runs)
    mixed = np.concatenate(parts) * np.uint32(2654435761)
    return ((mixed >> np.uint32(16)).astype(np.int64) * buckets) >> 16


def _of_larger_script(letters: str) -> tuple[str, str]:
    """The letters of the script that most are of, between spaces, and its name; "" where none has the larger part."""
    codes = np.frombuffer(letters.encode("utf-32-le", "surrogatepass"), np.uint32)
    scripts = _PLACES[np.searchsorted(_STARTS, codes, "right") - 1]
    blank = codes == 32
    counts = np.bincount(scripts[~blank], minlength=len(_ORDER))
    sizes = counts * _SIZES
    kana, han = _ORDER.index("Kana"), _ORDER.index("Han")
    japanese = counts[kana] * 10 > counts[han]
    if japanese:  # which has signs of Chinese among its own
        scripts[scripts == han] = kana
        sizes[kana], sizes[han], counts[kana] = sizes[kana] + sizes[han], 0, counts[kana] + counts[han]
    best = int(sizes.argmax())
    if sizes[best] < _LARGER_PART * sizes.sum() or counts[best] < _FEWEST:
        return letters, ""
    kept = codes[(scripts == best) | blank].tobytes().decode("utf-32-le", "surrogatepass")
    return f" {' '.join(kept.split())} ", _ORDER[best]


@cache
def load_table() -> Table:
    """The table that is shipped, read once."""
    with np.load(_TABLE) as file:
        weights = file["weights"].astype(np.float32) * file["scale"]  # in floats they are added up four times as fast
        english = frozenset(file["english"].tolist().split())
        return Table(weights, file["bias"], tuple(file["languages"].tolist()), english)


@cache
def load_borrowed() -> frozenset[str]:
    """What people who write English say and sing in other languages, without accents: it tells nothing."""
    return frozenset(_BORROWED.read_text("utf-8").splitlines())


@cache
def _written_in(script: str) -> tuple[tuple[str, ...], np.ndarray]:
    """The languages of the table that are written in a script, and their columns; `NO_LANGUAGE` is in Latin script."""
    others = set(chain(*_SEVERAL.values())) - {"sr"}
    wanted = _SEVERAL.get(script)
    names = load_table().languages
    places = [place for place, name in enumerate(names) if (name in wanted if wanted else name not in others)]
    return tuple(names[place] for place in places), np.array(places)
