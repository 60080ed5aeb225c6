"""Text before it meets a network: cleaning, windows, batches; and what comes out in which order."""

from __future__ import annotations

import itertools
import json
import random
import time
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tokenizers import Tokenizer

import mien
from mien.errors import InputError
from mien.modalities.text.preprocess import MAX_CHARACTERS, TextPreprocessor, TextSettings, clean


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("I am  so\thappy\n\n", "I am so happy"),
        ("", ""),
        ("\u00a0 \u2003", ""),
        ("don\u2019t \u2018you\u2019 \u201cdare\u201d", "don't 'you' \"dare\""),
        ("cafe\u0301", "café"),
        ("so sad 😭", "so sad loudly crying face"),
        ("😭😭", "loudly crying face loudly crying face"),
        ("👩\u200d👩\u200d👧", "woman woman girl"),  # a family is its members
        ("👍🏽👍", "thumbs up sign thumbs up sign"),  # whatever the color of the skin
        ("❤️ ❤ 💔", "red heart red heart broken heart"),
        ("☺️", "white smiling face"),
        ("made in 🇩🇪!", "made in !"),
        ("I ♥ it, I ❤️ it", "I red heart it, I red heart it"),
        ("soft\u00adhyphen and `ticks`", "softhyphen and 'ticks'"),
        ("1️⃣ 2", "1⃣ 2"),
        ("good :) day", "good smiling face day"),
        (":-( :'( <3 </3 >:(", "frowning face crying face red heart broken heart angry face"),
        ("nice :D.", "nice grinning face."),
        ("http://x.de 10:30 a:)", "http://x.de 10:30 a:)"),  # no emoticons
        ("a\x00b\x07c\x1b[0m", "abc [0m"),
        ("lone \ud83d half", "lone half"),
        ("naïve Straße привет こんにちは", "naïve Straße привет こんにちは"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("\u3164i am\u2800so\u115fhap\u034fpy\u180b\uffa0", "i am so happy"),  # blank letters, a blank pattern, joiners
        ("\ue000\U000e0041x", "x"),  # private use, tags
        ("Z\u0351\u036ba\u031b\u0337lgo", "Z\u0351\u036ba\u0337\u031blgo"),  # marks, put in order
        ("मैं बहुत ख़ुश हूँ 😊", "मैं बहुत ख\u093cुश हूँ smiling face with smiling eyes"),
        ("أَنَا سَعِيدٌ جِدًّا", "أَنَا سَعِيدٌ جِدًّا"),
        ("\u1112\u1161\u11ab\u1100\u1173\u11af", "한글"),
        ("Việt 我很高兴 ไม่เป็นไร", "Việt 我很高兴 ไม่เป็นไร"),
    ],
)
def test_clean_by_hand(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


SIGNS = [
    "👩\u200d👩\u200d👧",
    "👍🏽",
    "🇩🇪",
    "1️⃣",
    ":)",
    ":'(",
    "<3",
    "\u2019",
    "\ufe0f",
    "\u0301",
    "\u3099",
    "か",
    "\x00",
    "\ud800",
    " ",
]


@given(st.lists(st.one_of(st.text(st.characters(), max_size=3), st.sampled_from(SIGNS)), max_size=8).map("".join))
@example("A\U00018cd6\u0300")  # dropping the sign lets the accent reach its letter
def test_clean_is_printable_single_spaced_and_stable(text: str) -> None:
    cleaned = clean(text)
    assert cleaned.isprintable()
    assert "  " not in cleaned
    assert cleaned == cleaned.strip()
    assert clean(cleaned) == cleaned
    cleaned.encode()  # no half of a surrogate pair is left


MARKS = "".join(chr(code) for code in range(0x300, 0x370) if unicodedata.combining(chr(code)))


@given(st.lists(st.tuples(st.sampled_from("aeZ中か"), st.text(MARKS, max_size=15)), max_size=6))  # each is two at most
def test_up_to_thirty_combining_marks_stay_as_unicode_has_them(letters: list[tuple[str, str]]) -> None:
    text = "".join(letter + marks for letter, marks in letters)
    assert clean(text) == unicodedata.normalize("NFC", text)


@pytest.mark.parametrize("between", ["", "\u200d", "\ufe0f"], ids=["nothing", "joiners", "variation selectors"])
def test_marks_without_end_are_cut_and_take_linear_time(reader: mien.Predictor, between: str) -> None:
    marks = f"\u0327{between}\u0300{between}" * (49_000 // (1 + len(between)))  # in the wrong order
    start = time.process_time()
    cleaned = clean("so gla" + marks + "d and happy")
    assert time.process_time() - start < 3  # sorting all of them took 25
    assert cleaned == unicodedata.normalize("NFC", "so gla" + "\u0327\u0300" * 15 + "d and happy")
    assert reader.predict("so happy" + marks).label == "joy"


def test_the_limit_counts_emoji_as_they_are_spelled_out(reader: mien.Predictor) -> None:
    longest = "\U0001f468" + "👩‍❤️‍💋‍👨"  # a few words each
    start = time.process_time()
    for text in ("😭" * 99_000, longest * 11_000, "xD " * 33_000):
        with pytest.raises(InputError, match=r"^text with its emoji spelled out has more than 100,000 characters"):
            reader.predict(text)
    assert time.process_time() - start < 5  # with all of them spelled out: 90
    assert reader.predict("i am so happy " + "😭" * 4_000).items


@given(st.text(st.characters(codec="ascii", categories=("Ll", "N")), max_size=30))
def test_clean_leaves_plain_words_alone(text: str) -> None:
    assert clean(text) == text


@pytest.fixture(scope="module")
def reader(tiny_model: Path) -> mien.Predictor:
    return mien.load(tiny_model)


@pytest.fixture(scope="module")
def preprocessor(tiny_model: Path) -> TextPreprocessor:
    return TextPreprocessor.from_file(tiny_model / "tokenizer.json", TextSettings(max_length=5))


def test_windows_of_a_long_text_cover_every_token_once(tiny_model: Path, preprocessor: TextPreprocessor) -> None:
    text = "i feel so happy about it today , she was angry and it made me scared again tonight"
    whole = Tokenizer.from_file(str(tiny_model / "tokenizer.json")).encode(text).ids
    (windows,) = preprocessor.encode([text])
    assert [token for window in windows for token in window] == whole
    assert [len(window) for window in windows] == [5, 5, 5, len(whole) - 15]
    assert preprocessor.encode(["i feel", text])[1] == windows, "neighbors do not matter"


def test_every_text_has_a_window_even_where_no_token_is_left(preprocessor: TextPreprocessor) -> None:
    assert all(len(windows) == 1 and windows[0] for windows in preprocessor.encode(["''", "x", "i"]))


def test_pad_by_hand(preprocessor: TextPreprocessor) -> None:
    batch = preprocessor.pad([[3, 4, 5], [6]])
    assert batch.tolist() == [[3, 4, 5], [6, 0, 0]]
    assert batch.dtype == np.int64
    assert preprocessor.pad([[3, 4, 5], [6]], even=True).tolist() == [[3, 4, 5, 0], [6, 0, 0, 0]]
    assert preprocessor.pad([[3, 4, 5, 6, 7]], even=True).tolist() == [[3, 4, 5, 6, 7]]  # the longest there are


def test_apostrophes_are_dropped_where_the_model_wants_it(preprocessor: TextPreprocessor, tiny_model: Path) -> None:
    assert preprocessor.prepare("I don\u2019t") == "I don't"
    dropping = TextSettings(max_length=5, drop_apostrophes=True)
    assert TextPreprocessor.from_file(tiny_model / "tokenizer.json", dropping).prepare("I don\u2019t") == "I dont"


@given(st.lists(st.lists(st.just(1), min_size=1, max_size=5), max_size=40), st.integers(1, 9))
def test_batches_hold_every_window_once_padded_as_it_is_alone(
    preprocessor: TextPreprocessor, windows: list[list[int]], size: int
) -> None:
    batches = list(preprocessor.batches(windows, size))
    assert sorted(place for batch in batches for place in batch) == list(range(len(windows)))
    assert all(0 < len(batch) <= size for batch in batches)
    for batch in batches:
        padded = preprocessor.pad([windows[place] for place in batch], even=True)
        for row, place in zip(padded, batch, strict=True):
            np.testing.assert_array_equal([row], preprocessor.pad([windows[place]], even=True))


def texts_of_all_lengths(count: int = 60) -> list[str]:
    words = ["i", "feel", "happy", "sad", "scared", "angry", "loved", "amazed", "today", "about", "it", "zzz"]
    chance = random.Random(7)
    return [" ".join(chance.choices(words, k=chance.randint(1, 40))) for _ in range(count)]


def test_company_does_not_change_a_probability(reader: mien.Predictor) -> None:
    texts = texts_of_all_lengths()
    alone = np.stack([reader.predict_proba([text])[0] for text in texts])
    for batch_size in (1, 7, 64):
        np.testing.assert_allclose(reader.predict_proba(texts, batch_size=batch_size), alone, atol=1e-5)
    assert alone.dtype == np.float32
    np.testing.assert_allclose(alone.sum(1), 1, atol=1e-5)


def test_a_long_text_is_the_mean_of_its_windows_weighted_by_length(reader: mien.Predictor, tiny_model: Path) -> None:
    text = " ".join(texts_of_all_lengths(6))
    limit = json.loads((tiny_model / "manifest.json").read_text("utf-8"))["preprocess"]["max_length"]
    ids = Tokenizer.from_file(str(tiny_model / "tokenizer.json")).encode(text).ids
    windows = [ids[start : start + limit] for start in range(0, len(ids), limit)]
    assert len(windows) > 3
    session = onnxruntime.InferenceSession(str(tiny_model / "model.onnx"), providers=["CPUExecutionProvider"])
    rows = [session.run(None, {"inputs": np.array([window])})[0][0] for window in windows]
    expected = np.average(rows, axis=0, weights=[len(window) for window in windows])
    np.testing.assert_allclose(reader.predict_proba([text])[0], expected, atol=1e-5)


def test_results_come_in_the_order_of_the_inputs(reader: mien.Predictor) -> None:
    texts = texts_of_all_lengths(200)
    results = list(reader.predict_many(iter(texts), batch_size=3))
    assert [result.input for result in results] == texts
    expected = reader.predict_proba(texts, batch_size=200)
    np.testing.assert_allclose([list(result.items[0].scores.values()) for result in results], expected, atol=1e-5)


def test_only_so_much_is_read_ahead(reader: mien.Predictor) -> None:
    taken = itertools.count()
    last = 0

    def endless() -> Iterator[str]:
        nonlocal last
        for last in taken:  # noqa: B007
            yield "i feel happy"

    results = reader.predict_many(endless(), batch_size=4)
    for done in range(1, 300):
        next(results)
        assert last < done + 4 * 16 + 1


UNUSABLE = {
    "": "text is empty",
    " \n\t": "text is empty",
    "\u200b\x00": "text is empty",
    "\u3164\u2800 \u034f": "text is empty",
    "x" * (MAX_CHARACTERS + 1): "the limit is 100,000",
}


def test_unusable_inputs_stop_nobody_else(reader: mien.Predictor) -> None:
    inputs = ["i am happy", *UNUSABLE, None, 3.5, b"happy", "i am sad"]
    results = list(reader.predict_many(inputs, batch_size=2))  # type: ignore[arg-type]
    assert [result.label for result in results] == ["joy", *[None] * 8, "sadness"]
    wanted = [None, *UNUSABLE.values(), "got NoneType", "got float", "got bytes", None]
    for result, message in zip(results, wanted, strict=True):
        assert (result.error is None) if message is None else (message in (result.error or ""))
        assert (result.items == ()) == (message is not None)
        json.dumps(result.to_dict(), allow_nan=False)


@pytest.mark.parametrize("item", [*UNUSABLE, "x " * 500_000, None, 3.5, ["i am happy"]])
def test_one_unusable_input_is_an_error(reader: mien.Predictor, item: object) -> None:
    with pytest.raises(InputError, match=r"text is empty|the limit is 100,000|text expected, got"):
        reader.predict(item)  # type: ignore[arg-type]


def test_the_longest_text_allowed_is_read(reader: mien.Predictor) -> None:
    assert reader.predict(("i am happy " * MAX_CHARACTERS)[:MAX_CHARACTERS]).label == "joy"


def test_probabilities_name_the_input_that_is_unusable(reader: mien.Predictor) -> None:
    with pytest.raises(InputError, match="input 34: text is empty"):
        reader.predict_proba(["i am happy"] * 33 + [""], batch_size=2)
    assert reader.predict_proba([]).shape == (0, 6)


def test_several_labels_at_a_time(tiny_multi: Path) -> None:
    result = mien.load(tiny_multi).predict("she was so fear and gratitude about it")
    assert result.items[0].space.multilabel
    assert set(result.items[0].labels) >= {"fear", "gratitude"}
    assert len(result.items[0].scores) == 28


def test_letters_that_stand_apart_are_joined() -> None:
    joined = {
        "s a d": "sad", "i  n e e d  a  n a p": "i need a nap", "h-a-p-p-y!": "happy!", "f*u*n": "fun", "f.u.n": "fun",
        "so... s a d ... ok": "so... sad ... ok", "ça  v a  b i e n": "ça v a bien",
        "s\u00a0a\u00a0d": "sad", "s \u200ba d": "sad", "g\tl\ta\td": "glad",
        "g r e a t 😭": "great loudly crying face",
    }  # fmt: skip
    for text, whole in joined.items():
        assert clean(text) == clean(clean(text)) == whole
    for text in (
        "a b",
        "e.g. this",
        "x - y - z",
        "1 2 3",
        "well-to-do",
        "I a don't",
        "А я и ты",
        "a b-c d",
        "don't a b",
    ):
        assert clean(text) == text
