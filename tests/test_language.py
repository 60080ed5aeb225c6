"""The language of a text: told where it is certain, refused where the model does not read it, and counted."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mien
from conftest import RunCli, one_line
from mien.errors import InputError
from mien.modalities.text import language as language_module
from mien.modalities.text.language import ANY, language_of, load_borrowed, unread_language
from mien.model import find_model, read_manifest
from mien.output.rows import Tally, languages_line
from mien.results import Result, language_error, language_of_error
from mien.training.package import rewrite_manifest

if TYPE_CHECKING:
    from serving import Server

GERMAN, FRENCH = "Ich bin so traurig, dass er weg ist.", "Je suis tellement en colère contre toi!"
MIXED = ["I am so happy that you are here today", GERMAN, "", FRENCH, "Er ist weg und kommt nie wieder zu mir"]
SENTENCES = {
    "en": "I cannot believe how happy this makes me",
    "de": GERMAN,
    "fr": FRENCH,
    "es": "estoy muy feliz de que hayas venido",
    "pt": "eu não acredito que você fez isso comigo",
    "it": "non posso credere che tu sia così felice",
    "nl": "ik ben zo boos dat ik niet kan slapen",
    "sv": "jag är så glad att du kom hit idag",
    "pl": "nie mogę uwierzyć, że tak się stało",
    "tr": "bugün çok mutluyum, çünkü sen geldin",
    "fi": "olen niin surullinen, että hän lähti pois",
    "ru": "мне так грустно, что он ушёл",
    "uk": "мені так сумно, що він пішов",
    "el": "είμαι πολύ χαρούμενος σήμερα",
    "he": "אני כל כך עצוב שהוא הלך",
    "ar": "أنا حزين جدا لأنه رحل",
    "hi": "मैं आज बहुत खुश हूँ",
    "am": "ዛሬ በጣም ደስ ብሎኛል",
    "th": "ฉันเศร้ามากที่เขาจากไป",
    "zh": "我今天很开心",
    "ja": "今日はとても楽しかった",
    "ko": "나는 오늘 너무 슬퍼",
}
UNTOLD = [
    "lol", "😭", "🙂", "...", "123456", "http://example.org/x", "k", "u r so annoying smh", "I 𝓁𝑜𝓋𝑒 you", "ok.",
    "s a d", "RT @user: what a lovely day #blessed", "Javier Hernández López", "nooooo waaaay", "LMAOOO",
    "café au lait please", "schadenfreude lol", "", " \n", "Anna Schmidt, Berlin", "ಠ_ಠ", "(ノಠ益ಠ)ノ彡┻━┻",
    "¯\\_(ツ)_/¯", "hahahaha", "la la la la", "he be trippin fr fr", "we finna slide tonight",
    "cannae be arsed wi this", "im so angry im shaking", "I love you so much. Ich liebe dich so sehr.",
    "\u202eI am so happy today\u202c", "I\u200b am\u200b so\u200b happy",
]  # fmt: skip


@pytest.mark.parametrize(("code", "text"), SENTENCES.items())
def test_a_sentence_is_told_in_each_language(code: str, text: str) -> None:
    assert language_of(text) == code
    assert unread_language(text, [code]) is None
    assert unread_language(text, ["en"] if code != "en" else ["de"]) == code


@pytest.mark.parametrize("text", UNTOLD)
def test_no_text_is_refused_by_a_guess(text: str) -> None:
    assert unread_language(text, ["en"]) is None
    assert language_of(text) in (None, "en")


def test_what_english_has_borrowed_is_read() -> None:
    phrases = sorted(load_borrowed())
    assert len(phrases) > 100
    for phrase in phrases:
        for text in (
            phrase,
            phrase.capitalize(),
            phrase.upper(),
            f"{phrase}!",
            f"{phrase}, lol",
            phrase.replace(" ", "-"),
        ):
            assert unread_language(text, ["en"]) is None, text
    accents = (
        "Déjà vu",
        "C\u2019est la vie",
        "Voila\u0300",
        "crème brûlée",
        "naïve fiancée résumé",
        "¿Qué pasa?",
        "São Paulo",
    )
    assert [text for text in accents if unread_language(text, ["en"])] == []
    assert unread_language(f"C'est la vie! {FRENCH}", ["en"]) == "fr"


@pytest.mark.parametrize(
    "name",
    ["Müller", "Amélie", "Oscar de la Hoya", "Rio de Janeiro", "Día de los Muertos", "Juan Carlos de Borbón y Borbón",
     "Ursula von der Leyen", "Nguyễn Thị Minh Khai", "Łukasz Wiśniewski", "Les Misérables",
     "@müller @amélie", "#füralle"],
)  # fmt: skip
def test_names_are_read(name: str) -> None:
    assert unread_language(name, ["en"]) is None
    assert unread_language(f"{name} lol", ["en"]) is None


@pytest.mark.parametrize(
    "text",
    ["tra la la la la", "na na na na na na na na batman", "ha ha ha ha", "jajaja jajaja", "no no no no no",
     "a b a b a b", "a w e s o m e", "u n b e l i e v a b l e", "o m g", "s o o o o   t i r e d", "W H Y   M E",
     "NOOOO WAAAAY", "wwww"],
)  # fmt: skip
def test_songs_laughter_and_spaced_letters_are_read(text: str) -> None:
    assert unread_language(text, ["en"]) is None


@pytest.mark.parametrize(
    "text",
    ["def f(x): return x + 1", "SELECT * FROM users WHERE id = 1;", "npm install --save-dev typescript",
     "ls -la /usr/bin", "std::vector<int> v;", "const foo = async () => await bar();", '{"key": "value", "n": 1}',
     "0xDEADBEEF cafe babe",
     "https://example.org/über/straße", "+49 170 1234567", "½ cup", "H₂O and CO₂", "𝕳𝖊𝖑𝖑𝖔 𝖜𝖔𝖗𝖑𝖉",
     "ⓗⓔⓛⓛⓞ", "n1c3 0n3 d00d"],
)  # fmt: skip
def test_what_is_no_language_is_read(text: str) -> None:
    assert unread_language(text, ["en"]) is None


@pytest.mark.parametrize(
    "between",
    ["\u034f", "\u115f", "\u1160", "\u17b4", "\u180e", "\u200b", "\u200f", "\u202e", "\u2066", "\u20dd", "\u2800",
     "\u3164", "\uffa0", "\ufeff", "\u00ad", "\u0336", "\u0300\u0327", "\u0336\u0301\u0327\u0345\u0361"],
    ids=ascii,
)  # fmt: skip
def test_signs_between_letters_change_nothing(between: str) -> None:
    for text in ("I am so happy today", "he left me and I cannot stop crying", "so sad", "hello world"):
        for changed in (
            between.join(text),
            text + between * 200,
            between * 200 + text,
            text[:4] + between * 50_000 + text[4:],
        ):
            assert unread_language(changed, ["en"]) is None
    assert unread_language(GERMAN.replace(" ", f"{between} "), ["en"]) == "de"


def test_a_foreign_quotation_in_an_english_text_is_read() -> None:
    for text in (
        'My grandmother always said "Es ist nicht alles Gold, was glänzt" and I miss her so much.',
        'And then he shouted "Vete de aquí, no quiero verte nunca más" and I just left.',
        'I got a postcard from Paris: "Tu me manques beaucoup, reviens vite." I miss him too.',
        'She keeps saying "мне всё равно" and it breaks my heart.',
        "omg 오빠 사랑해요 I love BTS so much",
        "I am so tired of this, ya no puedo más",
        "Happy birthday! Alles Gute zum Geburtstag! Feliz cumpleaños!",
    ):
        assert unread_language(text, ["en"]) is None, text
    german = 'Ich habe heute den Film "The Lord of the Rings" gesehen und war begeistert.'
    french = "Mon patron m'a dit \"you are fired\" et j'ai pleuré toute la nuit."
    assert [unread_language(text, ["en"]) for text in (german, french)] == ["de", "fr"]


def test_the_larger_part_decides() -> None:
    assert unread_language(f"Hello! {GERMAN} Und er kommt auch nie wieder zu mir zurück.", ["en"]) == "de"
    assert unread_language("I am very happy today because my dog is well again, mein Hund", ["en"]) is None
    assert unread_language(f"\u200f{GERMAN}\u202e\u200b", ["en"]) == "de"


@given(st.text(max_size=300) | st.text("aeinrst 'ßé我ا\u0301\u200f\ud800😭", max_size=300))
def test_any_text_has_an_answer_that_is_always_the_same(text: str) -> None:
    known = language_of(text)
    assert known == language_of(text)
    unread = unread_language(text, ["en"])
    assert unread == unread_language(text, ["en"]) != "en"
    if known not in (None, "en"):
        assert unread == known


@pytest.mark.parametrize(
    "text",
    ["ich bin traurig " * 70_000, "e" + "\u0301" * 1_000_000, "@" * 1_000_000, "http://" * 150_000, "a'" * 500_000,
     "\ufdfa" * 1_000_000, "#a" * 500_000, "\ud800" * 1_000_000, " " * 1_000_000],
    ids=["words", "marks", "mentions", "addresses", "apostrophes", "ligatures", "tags", "surrogates", "spaces"],
)  # fmt: skip
def test_of_a_long_text_a_part_is_looked_at(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lengths: dict[str, list[int]] = {"words": [], "grams": []}

    def noting(name: str) -> Callable[..., Any]:
        real = getattr(language_module, name)

        def noted(text: str, *more: int) -> Any:
            lengths[name].append(len(text))
            return real(text, *more)

        return noted

    for name in lengths:
        monkeypatch.setattr(language_module, name, noting(name))
    unread_language(text, ["en"])
    assert 0 < max(lengths["words"]) <= 1_202
    assert max(lengths["grams"], default=0) <= 2_402, "each letter with a space behind it"


def test_the_table_is_small() -> None:
    assert (Path(mien.__file__).parent / "modalities" / "text" / "languages.npz").stat().st_size <= 700_000


# ------------------------------------------------------------------------------------------------ models and the API


@pytest.fixture(scope="module")
def tiny_english(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model, as one that reads English alone."""
    manifest = read_manifest(find_model(tiny_model))
    manifest.preprocess["languages"] = ["en"]
    return rewrite_manifest(tiny_model, manifest, tmp_path_factory.mktemp("models") / "english")


def test_a_text_in_another_language_has_an_error(tiny_english: Path) -> None:
    results = list(mien.predict_many(MIXED, str(tiny_english)))
    errors = [result.error for result in results]
    assert errors == [None, "language de is not read by tiny", "text is empty", *errors[3:]]
    assert errors[3:] == ["language fr is not read by tiny", "language de is not read by tiny"]
    with pytest.raises(InputError, match=r"^language de is not read by tiny$"):
        mien.predict(GERMAN, str(tiny_english))
    with pytest.raises(InputError, match=r"^language de is not read by tiny$"):
        mien.explain(GERMAN, str(tiny_english))


@pytest.mark.parametrize("language", ["en", ANY])
def test_the_caller_says_what_texts_are_written_in(tiny_english: Path, tiny_model: Path, language: str) -> None:
    found = mien.predict(GERMAN, str(tiny_english), language=language)
    assert found == mien.predict(GERMAN, str(tiny_model)), "a model that reads any refuses none"
    assert [r.error for r in mien.predict_many(MIXED, str(tiny_english), language=language)].count(None) == 4
    assert mien.explain("so happy", str(tiny_english), language=language).items[0].explanation


def test_a_result_explains_itself_in_the_language_it_was_read_in() -> None:
    found = mien.predict(GERMAN, "text-carer", language=ANY).explain()
    assert found.explanation is not None


@pytest.mark.parametrize("language", ["EN", " en", "en-US", "en_GB", "ANY"])
def test_a_language_is_meant_however_it_is_written(tiny_english: Path, language: str) -> None:
    assert mien.predict(GERMAN, str(tiny_english), language=language).error is None


@pytest.mark.parametrize("language", ["", " ", "english", "e" * 10_000, "\x1b[31m", "\ud83d", "de-EN", "-en"])
def test_a_language_that_is_none_is_one_line(tiny_english: Path, language: str) -> None:
    with pytest.raises(InputError, match=r"^language \S.* is not read by tiny, which reads: en; any reads") as caught:
        mien.predict("hi", str(tiny_english), language=language)
    assert len(str(caught.value)) < 200
    assert str(caught.value).isprintable() or language == "\ud83d"


def test_a_language_that_is_not_read_is_refused_at_once(tiny_english: Path) -> None:
    for call in (mien.predict, mien.explain):
        with pytest.raises(InputError, match=r"^language de is not read by tiny, which reads: en; any reads"):
            call("hi", str(tiny_english), language="de")
    with pytest.raises(InputError, match=r"^language de is not read by tiny"):
        mien.predict_many(iter(["hi"]), str(tiny_english), language="de")
    with pytest.raises(InputError, match="a language is for texts, and the model face reads face"):
        mien.load("face").written_in("en")


def test_figures_are_measured_on_all_texts(tiny_english: Path, tiny_model: Path) -> None:
    probabilities = mien.load(tiny_english).predict_proba([GERMAN, FRENCH])
    assert probabilities.tolist() == mien.load(tiny_model).predict_proba([GERMAN, FRENCH]).tolist()


@pytest.mark.parametrize("name", ["text", "text-carer"])
def test_shipped_models_read_english_and_say_so(name: str) -> None:
    assert read_manifest(find_model(name)).preprocess["languages"] == ["en"]
    assert "**Languages** that it reads: en." in (find_model(name) / "README.md").read_text("utf-8")


def test_counts_of_languages() -> None:
    tally = Tally()
    for language in ("de", "fr", "de"):
        tally.add(Result("x", "text", "m", error=language_error(language, "m")), "text")
    tally.add(Result("x", "text", "m", error="too long"), "text")
    assert language_of_error(language_error("de", "m")) == "de"
    assert language_of_error("too long") is language_of_error(None) is None
    assert (tally.unread, tally.problems) == (4, ["too long"])
    again = Tally.of_dict(json.loads(json.dumps(tally.to_dict())))
    again += tally
    assert languages_line(again.languages) == "6 texts are not read: language de 4, fr 2"
    assert languages_line({"de": 1}) == "1 text is not read: language de 1"
    assert languages_line({}) == ""


# ---------------------------------------------------------------------------------------------------- command line

COUNTED = "3 texts are not read: language de 2, fr 1"
OTHER = "--model text-multilingual reads de"
ANYWAY = "--language any reads texts as they are"


@pytest.fixture
def texts(tmp_path: Path) -> Callable[[list[str]], Path]:
    def write(lines: list[str]) -> Path:
        (path := tmp_path / "texts.txt").write_text("\n".join(lines) + "\n", "utf-8")
        return path

    return write


def test_a_typed_text_in_another_language_is_a_failure(run_cli: RunCli, tiny_english: Path) -> None:
    done = run_cli("predict", GERMAN, "--model", tiny_english)
    line = f"mien: the input could not be read: language de is not read by tiny; {OTHER}; {ANYWAY}"
    assert (done.returncode, one_line(done)) == (1, line)
    done = run_cli("predict", "so happy", GERMAN, "--model", tiny_english, "--json")
    assert done.returncode == 1
    assert [result["error"] for result in json.loads(done.stdout)["results"]] == [
        None,
        "language de is not read by tiny",
    ]
    done = run_cli("predict", GERMAN, "--model", tiny_english, "--language", "any")
    assert (done.returncode, done.stderr) == (0, "")
    done = run_cli("predict", "so happy", "--model", tiny_english, "--language", "de")
    assert done.returncode == 1
    assert one_line(done) == "mien: language de is not read by tiny, which reads: en; any reads texts as they are"


def test_texts_of_a_file_are_counted(
    run_cli: RunCli, tiny_english: Path, texts: Callable[[list[str]], Path], tmp_path: Path
) -> None:
    path, model = texts(MIXED), ("--model", tiny_english)
    done = run_cli("predict", path, *model)
    assert (done.returncode, done.stderr.splitlines()[:2]) == (0, [COUNTED, OTHER])
    left_out = json.loads(run_cli("predict", path, *model, "--json").stdout)["left_out"]
    assert left_out == {"text is empty": 1, language_error("de", "tiny"): 2, language_error("fr", "tiny"): 1}
    done = run_cli("predict", path, *model, "--out", tmp_path / "out.csv")
    assert done.returncode == 0
    assert {COUNTED, OTHER} <= set(done.stderr.splitlines())
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["error"] for row in rows][:2] == ["", "language de is not read by tiny"]
    done = run_cli("predict", path, *model, "--out", tmp_path / "all.csv", "--language", "en")
    assert (done.returncode, "not read: language" in done.stderr) == (0, False)


def test_texts_of_which_none_is_read_are_a_failure(
    run_cli: RunCli, tiny_english: Path, texts: Callable[[list[str]], Path], tmp_path: Path
) -> None:
    path, model = texts([GERMAN, FRENCH, GERMAN]), ("--model", tiny_english)
    done = run_cli("predict", path, *model)
    assert done.returncode == 1
    assert one_line(done).startswith(
        f"mien: 3 of 3 inputs could not be read: language de is not read by tiny; {COUNTED}; {OTHER}"
    )
    done = run_cli("predict", path, *model, "--out", tmp_path / "out.csv")
    assert done.returncode == 1
    assert "none of the 3 texts could be read: language de is not read by tiny" in done.stderr
    done = run_cli("report", path, *model, "--out", tmp_path / "page.html")
    assert (done.returncode, one_line(done)) == (1, f"mien: there is nothing to report of 3 texts: {COUNTED}")


def test_a_report_counts_them(
    run_cli: RunCli, tiny_english: Path, texts: Callable[[list[str]], Path], tmp_path: Path
) -> None:
    path, model = texts(MIXED), ("--model", tiny_english)
    done = run_cli("report", path, *model, "--out", tmp_path / "page.html")
    assert done.returncode == 0
    assert COUNTED in done.stderr.splitlines()
    document = json.loads(run_cli("report", path, *model, "--json").stdout)
    assert document["left_out"] == {
        language_error("de", "tiny"): 2,
        "text is empty": 1,
        language_error("fr", "tiny"): 1,
    }
    every = mien.report(MIXED, model=str(tiny_english), language="any")
    assert every.document["left_out"] == {"text is empty": 1}
    assert run_cli("report", path, *model, "--json", "--language", "de").returncode == 1


# ---------------------------------------------------------------------------------------------------------- server


def test_the_server_refuses_and_is_told(server: Server) -> None:
    def ask(**body: Any) -> Any:
        return server.post("/v1/text", {"model": "text-carer", **body})

    results = ask(inputs=MIXED).json()["results"]
    assert [result["error"] for result in results][:3] == [None, language_error("de", "text-carer"), "text is empty"]
    assert ask(inputs=[GERMAN]).problem(422) == "#/inputs/0: language de is not read by text-carer"
    read = ask(inputs=[GERMAN], language="any").json()["results"]
    assert [result["error"] for result in read] == [None]
    wrong = ask(inputs=["so happy"], language="de").problem(422)
    assert wrong == "language: language de is not read by text-carer, which reads: en; any reads texts as they are"
    form = server.upload("/v1/text", [], [("inputs", GERMAN), ("language", "en"), ("model", "text-carer")])
    assert form.json() == ask(inputs=[GERMAN], language="en").json()
    facts = {row["name"]: row["languages"] for row in server.get("/v1/models").json()["models"]}
    assert (facts["text-carer"], facts["face"]) == (["en"], [])
    assert "a language is for texts" in server.post("/v1/face", {"inputs": ["aGk="], "language": "en"}).problem(422)
