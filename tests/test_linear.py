"""The linear baseline against scikit-learn itself, its ONNX graph against both, and its search on validation data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import ParameterGrid
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline

import mien
from conftest import SMALL, multi_rows, single_rows, write_csv
from mien.errors import DataError, RecipeError
from mien.graphs import check_graph
from mien.networks import NEVER, open_network
from mien.networks.graph import tokens_network, with_classifiers
from mien.networks.rows import logits_of, places
from mien.runtime import Session, probabilities_of
from mien.training.calibrate import fit_temperature
from mien.training.recipe import load_recipe
from mien.training.search import choose
from mien.training.settings import SearchSettings

PAD = 3


def grams(text: str, longest: int) -> list[tuple[str, ...]]:
    words = text.split()
    return [tuple(words[i : i + n]) for n in range(1, longest + 1) for i in range(len(words) + 1 - n)]


def corpus(n: int, labels: int, several: bool) -> tuple[list[str], np.ndarray]:
    rng = np.random.default_rng(n)
    targets = (rng.random((n, labels)) < 0.4).astype(np.float32) if several else rng.integers(0, labels, n)
    held = targets if several else np.eye(labels)[targets]
    texts = []
    for row in held:
        words = [f"w{20 + place:03}" for place in np.flatnonzero(row) for _ in range(rng.integers(0, 3))]
        words += [f"w{word:03}" for word in rng.integers(40, 60, rng.integers(1, 9))]
        texts.append(" ".join(rng.permutation(words)))
    return texts, targets


def ids_of(texts: list[str], more: int = 0) -> np.ndarray:
    """Padded token ids of texts of numbered words."""
    rows = [[int(word[1:]) for word in text.split()] for text in texts]
    length = max(map(len, rows)) + more
    return np.array([row + [PAD] * (length - len(row)) for row in rows], np.int64)


def fitted(ids: np.ndarray, targets: np.ndarray, c: float = 3.0, **options: Any) -> Any:
    module, settings = open_network("linear", {"c": [c], "min_texts": 2, **options})
    estimator, grid = module.search(settings, 0, pad_id=PAD, vocabulary=1000, unknown_id=1)
    (chosen,) = ParameterGrid(grid)
    return estimator.set_params(**chosen).fit(ids, targets)


def exported(model: Any, path: Path, labels: int, several: bool, temperature: float = 1.0) -> Session:
    voice = (model, *places(model, labels))
    network = with_classifiers(tokens_network(), [voice], temperature, False, several)
    onnx.checker.check_model(network, full_check=True)
    onnx.save(network, path)
    check_graph(path.read_bytes(), path.name)
    return Session(path)


@pytest.mark.parametrize("longest", [1, 2, 3])
@pytest.mark.parametrize(("labels", "several"), [(4, False), (2, False), (4, True), (2, True)])
def test_onnx_is_scikit_learns_own_pipeline(labels: int, several: bool, longest: int, tmp_path: Path) -> None:
    texts, targets = corpus(300, labels, several)
    classifier = LogisticRegression(C=3.0, max_iter=1000, solver="newton-cg")
    pipeline = make_pipeline(
        TfidfVectorizer(analyzer=lambda t: grams(t, longest), min_df=2, sublinear_tf=True, dtype=np.float32),
        OneVsRestClassifier(classifier) if several else classifier,
    ).fit(texts, targets)
    model = fitted(ids_of(texts), targets, ngrams=longest)
    session = exported(model, tmp_path / "model.onnx", labels, several)
    new = [*corpus(40, labels, several)[0], "w999", "w999 w998 w999", "w020 w999 w020 w020", "w041"]
    expected = pipeline.predict_proba(new)
    rows = ids_of(new)
    for padded in (rows, ids_of(new, more=7)):
        np.testing.assert_allclose(session.run(padded), expected, atol=1e-5)
        np.testing.assert_allclose(probabilities_of(logits_of(model, padded, labels), several), expected, atol=1e-5)
    np.testing.assert_allclose(np.concatenate([session.run(rows[i : i + 1]) for i in range(44)]), expected, atol=1e-5)
    np.testing.assert_allclose(session.run(np.array([[999], [41]])), expected[[40, 43]], atol=1e-5)


@pytest.mark.parametrize("several", [False, True])
def test_the_default_solver_finds_the_same(several: bool) -> None:
    texts, targets = corpus(200, 3, several)
    classifier = LogisticRegression(C=3.0, max_iter=5000, tol=1e-7, class_weight="balanced")
    pipeline = make_pipeline(
        TfidfVectorizer(analyzer=lambda t: grams(t, 2), min_df=2, sublinear_tf=True),
        OneVsRestClassifier(classifier) if several else classifier,
    ).fit(texts, targets)
    model = fitted(ids_of(texts), targets, balanced=True)
    found = probabilities_of(logits_of(model, ids_of(texts), 3), several)
    np.testing.assert_allclose(found, pipeline.predict_proba(texts), atol=5e-3)


@pytest.mark.parametrize("several", [False, True])
def test_a_label_that_training_never_showed_is_next_to_impossible_and_the_others_as_without_it(
    several: bool, tmp_path: Path
) -> None:
    texts, targets = corpus(200, 3, several)
    wide = np.insert(targets, 1, 0, axis=1) if several else targets + (targets > 0)  # the labels 0, 2 and 3 of four
    ids, new = ids_of(texts), ids_of(texts[:30])[:, :3]
    found = exported(fitted(ids, wide), tmp_path / "model.onnx", 4, several, temperature=2.0).run(new)
    assert found[:, 1].max() < 1e-12
    alone = probabilities_of(logits_of(fitted(ids, targets), new, 3), several, 2.0)
    np.testing.assert_allclose(found[:, [0, 2, 3]], alone, atol=1e-5)


def test_a_label_on_every_text_is_next_to_certain(tmp_path: Path) -> None:
    texts, targets = corpus(200, 3, several=True)
    targets[:, 2] = 1
    found = exported(fitted(ids_of(texts), targets), tmp_path / "model.onnx", 3, several=True).run(ids_of(texts))
    assert found[:, 2].min() > 1 - 1e-6
    assert 0.05 < found[:, 0].mean() < 0.95


def test_one_label_that_holds_or_not(tmp_path: Path) -> None:
    texts, targets = corpus(200, 1, several=True)
    model = fitted(ids_of(texts), targets, c=30.0)
    found = exported(model, tmp_path / "model.onnx", 1, several=True).run(ids_of(texts))
    assert found.shape == (200, 1)
    assert found[targets[:, 0] == 1].mean() > found[targets[:, 0] == 0].mean() + 0.3
    np.testing.assert_allclose(found, probabilities_of(logits_of(model, ids_of(texts), 1), True), atol=1e-6)


def test_no_run_of_words_is_common_enough(tmp_path: Path) -> None:
    texts = [f"w{20 + i % 3:03} w{100 + i:03}" for i in range(60)]  # single words recur, pairs never do
    targets = np.arange(60) % 3
    model = fitted(ids_of(texts), targets, c=10.0, ngrams=3)
    found = exported(model, tmp_path / "model.onnx", 3, several=False).run(ids_of(texts))
    assert (found.argmax(1) == targets).all()
    np.testing.assert_allclose(found, probabilities_of(logits_of(model, ids_of(texts), 3), False), atol=1e-5)


def test_padding_within_a_text_parts_its_words(tmp_path: Path) -> None:
    """As where somebody writes "[PAD]"."""
    texts, targets = corpus(200, 3, several=False)
    model = fitted(ids_of(texts), targets)
    rows = ids_of(texts)
    rows[:, 1] = PAD
    found = exported(model, tmp_path / "model.onnx", 3, several=False).run(rows)
    np.testing.assert_allclose(found, probabilities_of(logits_of(model, rows, 3), False), atol=1e-5)


@pytest.mark.parametrize("several", [False, True])
def test_labels_that_were_never_shown_say_nothing_of_the_temperature(several: bool) -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, (400, 3))
    if several:
        targets: np.ndarray = (rng.random((400, 3)) < 1 / (1 + np.exp(-logits / 2))).astype(np.float32)
        wide, told = np.insert(logits, 1, NEVER, 1), np.insert(targets, 1, 0, 1)
        told[:20, 1] = 1
    else:
        targets = (logits / 2 + rng.gumbel(0, 1, (400, 3))).argmax(1)
        wide = np.insert(logits, 1, NEVER, 1)
        wide, told = np.concatenate([wide, wide[:20]]), np.concatenate([targets + (targets > 0), np.ones(20, int)])
    alone = fit_temperature(logits, targets)
    assert alone == pytest.approx(2, rel=0.2)
    assert fit_temperature(wide, told) == alone
    assert fit_temperature(np.full((2, 2), NEVER), np.zeros((2, 2)) if several else np.zeros(2, int)) == 1


def test_settings_are_chosen_on_validation_data_and_learned_on_the_rest() -> None:
    texts, targets = corpus(200, 4, several=True)
    ids = ids_of(texts)
    options = {"c": [0.001, 5.0], "ngrams": [1, 2], "balanced": [False], "min_texts": 1}
    settings, spec = SearchSettings(folds=0, by="macro_f1"), {"pad_id": PAD}
    found = choose("linear", options, ids, targets, None, 4, settings, 0, count=150, spec=spec)
    assert (found.facts["folds"], found.facts["candidates"]) == (0, 4)
    assert found.facts["best"]["c"] == 5.0
    alone = fitted(ids[:150], targets[:150], c=5.0, ngrams=found.facts["best"]["ngrams"], min_texts=1)
    np.testing.assert_allclose(found.held_out, logits_of(alone, ids[150:], 4), atol=1e-6)
    np.testing.assert_allclose(found.logits(ids), logits_of(alone, ids, 4), atol=1e-6)


@pytest.mark.parametrize("folds", [0, 3])
@pytest.mark.parametrize("rows", [single_rows, multi_rows])
def test_a_run_notes_what_was_tried(tmp_path: Path, rows: Any, folds: int) -> None:
    data = write_csv(tmp_path / "data.csv", rows())
    settings = [*SMALL, f"search.folds={folds}", "network.c=[0.01,10]", "export.calibrate=true"]
    run = mien.train("text-linear", f"table:{data}", tmp_path / "run", settings=settings)
    manifest = mien.load(run.folder).manifest
    (search,) = manifest.training["search"]
    assert (search["folds"], search["by"], search["candidates"]) == (folds, "macro_f1", 8)
    assert set(search["best"]) == {"c", "ngrams", "balanced"}
    assert [row["type"] for row in manifest.training["layout"]] == ["TfidfVectorizer", "LogisticRegression"]
    assert bool(manifest.thresholds) == (rows is multi_rows)
    page, card = (run.folder / "report" / "report.html").read_text(), (run.model / "README.md").read_text()
    assert ("measured on the validation data" in page) == (not folds)
    assert ("on the validation data, the best by" in card) == (not folds)


def test_settings_with_one_value_and_wrong_ones(tmp_path: Path) -> None:
    _, settings = open_network("linear", {"ngrams": 3, "balanced": True})
    assert (settings.ngrams, settings.balanced) == ([3], [True])
    for wrong, says in (({"ngrams": 4}, "ngrams"), ({"c": []}, "c"), ({"c": [0]}, "c"), ({"embed": "face"}, "embed")):
        with pytest.raises(RecipeError, match=rf"^network\.{says}\b"):
            open_network("linear", wrong)
    with pytest.raises(RecipeError, match="one fold leaves nothing to learn from"):
        load_recipe("text-linear", ["search.folds=1"])
    with pytest.raises(RecipeError, match="'linear' learns from texts"):
        mien.train("face-svm", "sample:everyday", tmp_path / "run", settings=["network={kind: linear}"])
    with pytest.raises(RecipeError, match=r"export\.quantize: the network linear"):
        mien.train("text-linear", "sample:everyday", tmp_path / "run", settings=["quantize=int8"])
    with pytest.raises(DataError, match="learns from one data set"):
        mien.train("text-linear", ["sample:everyday"] * 2, tmp_path / "run")
