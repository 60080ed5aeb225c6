"""The linear model on runs of tokens: its hashing, what it learns, and its part in a model's answers."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction import DictVectorizer
from sklearn.linear_model import LogisticRegression

import mien
from mien.datasets import Dataset
from mien.labels import SPACES
from mien.training.calibrate import fit_platt, fit_platts
from mien.training.mixture import MixtureAnswers, language_thresholds, scale_head
from mien.training.ngrams import fit_ngrams, logits_of_runs, runs_of
from mien.training.recipe import for_one_set

EKMAN = SPACES["ekman7"].as_multilabel(True)
WORDS = ["pad", "sad", "glad", "bus", "day", "rain", "sun", "cat"]
PAD, BUCKETS = 0, 1 << 20


class Words:
    """A sampler whose tokens are the words above."""

    input_spec = {"pad_id": PAD}  # noqa: RUF012

    def lengths(self, inputs):
        return np.array([len(text) for text in inputs])

    def collate(self, inputs, seeds=None):
        rows = [[WORDS.index(word) for word in text.split()] for text in inputs]
        longest = max(map(len, rows))
        return np.array([row + [PAD] * (longest - len(row)) for row in rows], np.int64)


def told(texts, labels, **more):
    targets = np.stack([np.eye(7, dtype=np.float32)[EKMAN.index(label)] for label in labels])
    return Dataset("told", "text", EKMAN, texts, targets, np.full(len(texts), "train"), **more)


def drawn(count, seed=0):
    """Texts of random words, sad where the word before "day" is "sad" or "rain"."""
    rng = np.random.default_rng(seed)
    texts = [" ".join(rng.choice(WORDS[1:], rng.integers(2, 9))) for _ in range(count)]
    return texts, ["sadness" if "sad day" in text or "rain day" in text else "joy" for text in texts]


def test_runs_are_hashed_as_worked_out_by_hand():
    found = runs_of(torch.tensor([[5, 6, 7, 0]]), 0, 1000)
    two, three = 5 * 1_000_003 + 6, (5 * 1_000_003 + 6) * 1_000_003 + 7
    following = 6 * 1_000_003 + 7
    wanted = [5, 6, 7, 1000, two % 1000, following % 1000, 1000, 1000, three % 1000, 1000, 1000, 1000]
    assert found.tolist() == [wanted]


@given(st.lists(st.integers(1, 59_999), min_size=1, max_size=64), st.integers(0, 9))
def test_runs_are_those_that_python_counts_however_a_text_is_padded(ids, more):
    def hashed(run):
        value = run[0]
        for token in run[1:]:
            value = value * 1_000_003 + token
        return value % BUCKETS

    wanted = Counter(hashed(ids[at : at + size]) for size in (1, 2, 3) for at in range(len(ids) - size + 1))
    found = runs_of(torch.tensor([ids + [PAD] * more]), PAD, BUCKETS)[0].tolist()
    assert Counter(bucket for bucket in found if bucket < BUCKETS) == wanted
    assert len(found) == 3 * (len(ids) + more)


def spelled_runs(words):
    return Counter(" ".join(words[at : at + size]) for size in (1, 2, 3) for at in range(len(words) - size + 1))


def test_it_is_the_logistic_regression_of_a_reference():
    texts, labels = drawn(300)
    model = fit_ngrams(Words(), [told(texts, labels)], EKMAN, BUCKETS)
    counts = DictVectorizer().fit_transform([spelled_runs(text.split()) for text in texts])
    rarity = np.log((1 + len(texts)) / (1 + np.asarray((counts > 0).sum(0)).ravel())) + 1
    rows = counts.multiply(1 / np.sqrt(counts @ rarity**2)[:, None]).multiply(rarity).tocsr()
    sad = np.array([label == "sadness" for label in labels])
    reference = LogisticRegression(C=8.0, class_weight="balanced", solver="liblinear").fit(rows, sad)
    found = logits_of_runs(model, Words(), texts)[:, EKMAN.index("sadness")]
    wanted = rows @ reference.coef_[0]
    np.testing.assert_allclose(found, wanted, atol=2e-3)
    assert np.ptp(wanted) > 1
    assert found[sad].min() > found[~sad].max(), "it tells all that it learned from"


def test_it_tells_texts_that_it_never_saw_and_no_padding_changes_that():
    model = fit_ngrams(Words(), [told(*drawn(600))], EKMAN, BUCKETS)
    texts, labels = drawn(200, 1)
    found = logits_of_runs(model, Words(), texts)[:, EKMAN.index("sadness")]
    sad = np.array([label == "sadness" for label in labels])
    assert (found[sad, None] > found[~sad]).mean() > 0.95
    alone = np.concatenate([logits_of_runs(model, Words(), [text]) for text in texts])
    np.testing.assert_allclose(alone[:, EKMAN.index("sadness")], found, atol=1e-5)


def test_each_language_of_a_set_counts_alike():
    texts = ["bus day"] * 30 + ["rain day"] * 30
    labels = ["joy"] * 27 + ["sadness"] * 3 + ["sadness"] * 27 + ["joy"] * 3
    language = np.array(["en"] * 30 + ["de"] * 30)
    apart = fit_ngrams(Words(), [told(texts, labels, columns={"language": language})], EKMAN, BUCKETS)
    together = fit_ngrams(Words(), [told(texts, labels)], EKMAN, BUCKETS)
    spread = [np.ptp(logits_of_runs(model, Words(), ["bus day", "rain day"])[:, 4]) for model in (apart, together)]
    assert spread[0] < 1e-3, "within a language the words say nothing"
    assert spread[1] > 1


def test_two_models_are_weighed_by_what_they_are_worth():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(4000, 2))
    true = rng.random(4000) < 1 / (1 + np.exp(-(0.5 * logits[:, 0] + 2 * logits[:, 1] - 1)))
    slopes, bias = fit_platts(logits, true)
    np.testing.assert_allclose([*slopes, bias], [0.5, 2, -1], atol=0.2)
    slopes, bias = fit_platts(np.stack([logits[:, 1], -logits[:, 0]], 1), true)
    assert slopes[1] == 0, "one that is right the less the surer it is has no say"
    assert (slopes[0], bias) == fit_platt(logits[:, 1], true)
    slopes, bias = fit_platts(np.stack([-logits[:, 0], logits[:, 1]], 1), true)
    assert (slopes, bias) == ([0, pytest.approx(fit_platt(logits[:, 1], true)[0])], pytest.approx(bias))
    assert fit_platts(-logits, true) == ([1, 0], 0)
    scaled = scale_head(logits[:, :1], true[:, None].astype(np.float32), True, object(), logits[:, 1:])
    np.testing.assert_allclose([scaled.scale[0], scaled.runs[0]], [0.5, 2], atol=0.2)


TINY = {
    "name": "tiny", "preprocess": {"max_length": 16, "languages": ["en", "de"]}, "tokenizer": {"kind": "word"},
    "network": {"kind": "transformer", "weights": "", "layers": 1, "hidden": 8, "heads": 2, "inner": 16},
    "train": {"epochs": 1, "also": ["ekman7"], "also_multilabel": ["ekman7"], "monitor": "val_loss"},
    "export": {"quantize": "int8", "quantize_tolerance": 1.0, "hashed_ngrams": 4096},
}  # fmt: skip


def trained(home, *settings):
    (home / "tiny.yaml").write_text(json.dumps(TINY), "utf-8")
    rng = np.random.default_rng(0)
    english = ["the weather is {} today and I think it will last", "we saw a {} film in the evening with them"]
    german = ["das Wetter ist heute {} und ich glaube es bleibt so", "wir haben gestern einen {} Film gesehen"]
    texts, labels = [], []
    for frames, words, share in ((english, ("awful", "lovely"), 0.5), (german, ("schlimm", "herrlich"), 0.15)):
        for _ in range(120):
            bad = rng.random() < share
            texts.append(frames[rng.integers(2)].format(words[not bad]))
            labels.append("anger" if bad else "joy")
    order = rng.permutation(len(texts))
    targets = np.stack([np.eye(28, dtype=np.float32)[SPACES["goemotions28"].index(labels[at])] for at in order])
    part = Dataset(
        "fine", "text", SPACES["goemotions28"], [texts[at] for at in order], targets,
        np.array(["train"] * 140 + ["val"] * 100),
    )  # fmt: skip
    return mien.train(home / "tiny.yaml", part, home / "run", settings=settings, report=False)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("ngrams"))


def test_the_model_answers_by_them(run):
    model = mien.load(run.model).with_labels("ekman7")
    for bad, good in (("what an awful thing", "what a lovely thing"), ("es war schlimm", "es war herrlich")):
        low, high = (model.predict_proba([text])[0, EKMAN.index("anger")] for text in (good, bad))
        assert high > low + 0.3, "one epoch of so small a network tells nothing"
    scales = model.manifest.training["heads"]["ekman7"]
    assert len(scales["runs"]) == 7
    assert scales["runs"][EKMAN.index("anger")] > 0
    many = [*drawn(40)[0], "awful " * 40, "a"]
    together = model.predict_proba(many)
    np.testing.assert_allclose(together, np.concatenate([model.predict_proba([text]) for text in many]), atol=1e-4)


def test_thresholds_are_chosen_for_each_language(run):
    chosen = mien.load(run.model).manifest.language_thresholds
    assert set(chosen) == {"ekman7"}
    assert set(chosen["ekman7"]) == {"en", "de"}
    assert set(chosen["ekman7"]["en"]) == {"anger", "joy"}, "labels that nothing tells of have none"


def test_the_threshold_of_a_language_is_that_of_highest_expected_f1(run):
    """Of a language in which the label is rare and poorly told it is lower than where it is frequent and well told."""
    manifest = mien.load(run.model).manifest
    rng = np.random.default_rng(0)
    count, anger = 400, EKMAN.index("anger")
    truth = np.zeros((2 * count, 7), np.float32)
    truth[:count, anger] = rng.random(count) < 0.5
    truth[count:, anger] = rng.random(count) < 0.05
    logits = rng.normal(size=2 * count) + np.where(np.arange(2 * count) < count, 6, 1) * (truth[:, anger] - 0.5)
    logits[count:] -= 2.5
    answers = np.zeros((2 * count, 35), np.float32)
    answers[:, 28 + anger] = 1 / (1 + np.exp(-logits))

    class Named:
        def languages(self, inputs):
            return [text[:2] if text[:2] != "--" else None for text in inputs]

    texts = [f"en {n}" for n in range(count)] + [f"de {n}" for n in range(count)]
    part = Dataset("own", "text", EKMAN, texts, truth, np.full(2 * count, "val"))
    chosen = language_thresholds(MixtureAnswers(manifest, [part], [answers]), Named())["ekman7"]
    assert set(chosen) == {"en", "de"}
    assert set(chosen["en"]) == {"anger"}
    assert chosen["de"]["anger"] < chosen["en"]["anger"] - 0.1
    assert not language_thresholds(
        MixtureAnswers(manifest, [part.take(np.arange(count))], [answers[:count]]), Named()
    ), "one language needs none beside the usual"


def test_a_label_that_a_language_always_has_keeps_its_usual_threshold(run):
    """Nothing tells where it begins to hold; a data set that says nothing of the labels does no harm."""
    manifest, count = mien.load(run.model).manifest, 40
    joy, anger = EKMAN.index("joy"), EKMAN.index("anger")
    truth = np.zeros((count, 7), np.float32)
    truth[:20, joy], truth[20::2, joy], truth[::2, anger] = 1, 1, 1
    answers = np.full((count, 35), 0.3, np.float32)
    answers[:, 28:] = 0.2 + 0.1 * truth

    class Halves:
        def languages(self, inputs):
            return ["en"] * 20 + ["de"] * 20

    part = Dataset("own", "text", EKMAN, [f"text {n}" for n in range(count)], truth, np.full(count, "val"))
    silent = Dataset("silent", "text", SPACES["sentiment"], part.inputs, np.zeros(count, np.int64), part.split)
    for parts in ([part], [part, silent]):
        chosen = language_thresholds(MixtureAnswers(manifest, parts, [answers] * len(parts)), Halves())["ekman7"]
        assert {language: set(some) for language, some in chosen.items()} == {"en": {"anger"}, "de": {"joy", "anger"}}


@pytest.mark.parametrize("settings", [["calibrate=false"], ["also=[sentiment]", "also_multilabel=[]"]])
def test_a_run_says_where_nothing_learns_from_runs(settings, tmp_path, caplog):
    with caplog.at_level("WARNING", "mien.training"):
        found = trained(tmp_path, *settings, "quantize=none")
    assert "export.hashed_ngrams: nothing learns from runs of tokens" in caplog.text
    (head,) = mien.load(found.model).manifest.training["heads"].values()
    assert "runs" not in head


def test_one_data_set_alone_teaches_no_runs():
    assert "export.hashed_ngrams=0" in for_one_set("text-multilingual")
