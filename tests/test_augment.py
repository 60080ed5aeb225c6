"""Augmentation: seeded, as documented, and never in the way."""

from __future__ import annotations

import re
from itertools import groupby, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.modalities.text.augment import AugmentSettings, augment

ALL = AugmentSettings(typo=1, apostrophe=1, stretch=1, punctuation=1)
TEXT = "I don't know, it's so wonderful... isn't it? We'll see: yes!"
# Keys beside each other on an American keyboard.
PAIRS = {a + b for a, b in pairwise("qwertyuiop asdfghjkl zxcvbnm") if " " not in (a, b)}


def changed(text: str, seed: int, **shares: float) -> str:
    return augment(text, AugmentSettings(**shares), np.random.default_rng(seed))


def slips(word: str) -> dict[str, set[str]]:
    """Every word that one slip within it makes, by the kind of slip; the first and the last letter stand."""
    inner = range(1, len(word) - 1)
    return {
        "swapped": {word[:i] + word[i + 1] + word[i] + word[i + 2 :] for i in inner[:-1]},
        "dropped": {word[:i] + word[i + 1 :] for i in inner},
        "doubled": {word[:i] + word[i] + word[i:] for i in inner},
        "beside": {word[:i] + key + word[i + 1 :] for i in inner for pair in PAIRS if word[i] in pair for key in pair},
    }


@given(st.text(), st.integers(0, 2**32 - 1))
def test_no_share_leaves_the_text_alone(text, seed):
    assert changed(text, seed) == text


@given(st.one_of(st.text(), st.text("a'.e!iI ’", max_size=6)), st.integers(0, 2**32 - 1))
def test_any_text_comes_through_and_the_same_for_the_same_seed(text, seed):
    first, second = (augment(text, ALL, np.random.default_rng(seed)) for _ in range(2))
    assert first == second
    assert len(first) <= len(text) + 4 + 2  # one vowel stretched, two letters doubled
    assert "'" not in first


def test_other_seeds_give_other_texts():
    assert len({augment(TEXT, ALL, np.random.default_rng(seed)) for seed in range(100)}) > 60


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("kind", ["apostrophe", "punctuation", "stretch", "typo"])
def test_a_share_is_the_share_of_texts(kind, share):
    n = 2000
    found = sum(changed("it's so, wonderful", seed, **{kind: share}) != "it's so, wonderful" for seed in range(n)) / n
    # Two slips can undo each other: that is rare.
    assert found == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / n) + 0.02 * share)


def test_apostrophes_of_both_kinds_go_and_nothing_else():
    assert changed("don't, it’s 'so'", 1, apostrophe=1) == "dont, its so"


def test_punctuation_goes_and_apostrophes_stay():
    assert changed("Well... don't! Why?; a,b", 1, punctuation=1).split() == ["Well", "don't", "Why", "a", "b"]


def test_stretch_repeats_one_late_vowel_of_one_word():
    text = "i was so very happy with rhythm and blues"
    seen = set()
    for seed in range(200):
        words = changed(text, seed, stretch=1).split(" ")
        (place,) = [i for i, (a, b) in enumerate(zip(text.split(" "), words, strict=True)) if a != b]
        before, after = text.split(" ")[place], words[place]
        pieces = ["".join(run) for _, run in groupby(after)]
        letter = next(run[0] for run in pieces if len(run) > 2)
        assert letter in "aeiouy"
        assert 2 <= len(after) - len(before) <= 4
        assert re.sub(f"{letter}{{3,}}", letter, after) == before
        assert len(before) - before.rindex(letter) <= 3
        seen.add(after)
    assert {"sooo", "soooo", "sooooo"} <= seen


@pytest.mark.parametrize("text", ["", " ", "a", "1234", "...", "'", "brrr 99", "漢字", "\ud800"])
def test_a_text_without_vowels_or_long_words_has_nothing_to_stretch_or_mistype(text):
    if text != "a":
        assert changed(text, 3, stretch=1) == text
    assert changed(text, 3, typo=1) == text or "brrr" in text


def test_typos_are_one_or_two_slips_inside_a_word():
    word, seen = "wonderful", set()
    once = slips(word)
    every = set().union(*once.values())
    twice = {far for near in every for kind in slips(near).values() for far in kind}
    for seed in range(1000):
        typed = changed(word, seed, typo=1)
        assert typed in every | twice | {word}
        seen.add(typed)
    for kind, words in once.items():
        assert seen & words, kind
    assert seen & (twice - every)


def test_short_words_are_typed_right():
    assert {changed("i am so sad but ok", seed, typo=1) for seed in range(100)} == {"i am so sad but ok"}
