"""Networks of rows against scikit-learn and XGBoost themselves, and their ONNX graphs against both."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import laplacian_kernel
from sklearn.model_selection import ParameterGrid
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, PowerTransformer, StandardScaler
from sklearn.svm import SVC
from xgboost import XGBClassifier

from mien.graphs import check_graph
from mien.networks import open_network
from mien.networks.graph import rows_network, with_classifiers
from mien.networks.rows import logits_of, places
from mien.networks.svm import KernelSVC, LaplacianKernel
from mien.runtime import Session
from mien.training.recipe import load_recipe
from mien.training.search import choose
from mien.training.settings import SearchSettings
from rows_data import rows

NUMBERS, TARGETS, _ = rows(labels=4)
NEW = rows(labels=4, seed=7)[0]
TOLERANCE = 1e-6  # of probabilities


def fitted(kind: str, numbers: np.ndarray = NUMBERS, targets: np.ndarray = TARGETS, **options: Any) -> tuple[Any, Any]:
    module, settings = open_network(kind, {name: [value] for name, value in options.items()})
    estimator, grid = module.search(settings, 0)
    (chosen,) = ParameterGrid(grid)
    return module, estimator.set_params(**chosen).fit(numbers.astype(float), targets)


def exported(model: Any, path: Path, labels: int, temperature: float = 1.0) -> Session:
    """From float32 rows to the softmax of the logits."""
    voice = (model, *places(model, labels))
    network = with_classifiers(rows_network(5), [voice], temperature, keep_features=False)
    onnx.checker.check_model(network, full_check=True)
    onnx.save(network, path)
    check_graph(path.read_bytes(), path.name)
    return Session(path)


def softmax(logits: np.ndarray) -> np.ndarray:
    raised = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(raised / raised.sum(1, keepdims=True))


@pytest.mark.parametrize("kernel", ["rbf", "laplacian", "linear", "poly", "sigmoid"])
@pytest.mark.parametrize("balanced", [False, True])
def test_svm_is_scikit_learns_one_against_the_rest(tmp_path: Path, kernel: str, balanced: bool) -> None:
    more: dict[str, Any] = {"poly": {"degree": 2, "coef0": 0.5}, "sigmoid": {"coef0": -0.5}}.get(kernel, {})
    options = {"kernel": kernel, "c": 2.0, "balanced": balanced, **more}
    options |= {} if kernel == "linear" else {"gamma": 1.5}
    module, model = fitted("svm", **options)
    given: Any = (lambda x, y: laplacian_kernel(x, y, gamma=1.5 / 5)) if kernel == "laplacian" else kernel
    machine = SVC(C=2, kernel=given, gamma=1.5 / 5, class_weight="balanced" if balanced else None, **more)
    wanted = make_pipeline(StandardScaler(), OneVsRestClassifier(machine)).fit(NUMBERS.astype(float), TARGETS)
    margins = wanted.decision_function(NEW.astype(float))
    np.testing.assert_allclose(logits_of(model, NEW, 4), margins, atol=1e-9)
    session = exported(model, tmp_path / "svm.onnx", 4)
    for size in (1, 7, len(NEW)):
        np.testing.assert_allclose(session.run(NEW[:size]), softmax(margins[:size]), atol=2 * TOLERANCE)
    assert [row["name"] for row in module.layout(model)] == ["scale", "kernel", "svm"]


def root(x: np.ndarray) -> np.ndarray:
    return np.asarray(np.sign(x) * np.sqrt(np.abs(x)))


def logarithm(x: np.ndarray) -> np.ndarray:
    return np.asarray(np.sign(x) * np.log1p(np.abs(x)))


@pytest.mark.parametrize("kind", ["svm", "logistic"])
@pytest.mark.parametrize(
    ("shape", "scaler"),
    [
        ("yeo-johnson", PowerTransformer()),
        ("sqrt", make_pipeline(FunctionTransformer(root), StandardScaler())),
        ("log", make_pipeline(FunctionTransformer(logarithm), StandardScaler())),
    ],
)
def test_large_values_are_drawn_in(tmp_path: Path, kind: str, shape: str, scaler: Any) -> None:
    _, model = fitted(kind, shape=shape, c=1.0)
    last = OneVsRestClassifier(SVC(gamma=1 / 5)) if kind == "svm" else LogisticRegression(max_iter=2000)
    wanted = make_pipeline(scaler, last).fit(NUMBERS.astype(float), TARGETS)
    sure = softmax(wanted.decision_function(NEW.astype(float)))
    np.testing.assert_allclose(exported(model, tmp_path / "a.onnx", 4).run(NEW), sure, atol=TOLERANCE)


@pytest.mark.parametrize("kind", ["svm", "logistic", "xgboost"])
def test_two_labels_of_four_and_two_alone(tmp_path: Path, kind: str) -> None:
    """A label that training never showed gets no weight; two labels give two columns."""
    few = np.isin(TARGETS, (1, 3))
    _, model = fitted(kind, NUMBERS[few], TARGETS[few])
    assert list(model.classes_) == [1, 3]
    given = exported(model, tmp_path / "two.onnx", 4).run(NEW)
    np.testing.assert_allclose(given, softmax(logits_of(model, NEW, 4)), atol=TOLERANCE)
    assert given[:, [0, 2]].max() < 1e-12
    np.testing.assert_array_equal(given.argmax(1), model.predict(NEW))
    if kind != "svm":
        np.testing.assert_allclose(given[:, [1, 3]], model.predict_proba(NEW), atol=TOLERANCE)


def test_logistic_is_scikit_learns(tmp_path: Path) -> None:
    for targets in (TARGETS, (TARGETS > 1).astype(int)):
        wanted = make_pipeline(StandardScaler(), LogisticRegression(C=0.3, max_iter=2000))
        sure = wanted.fit(NUMBERS.astype(float), targets).predict_proba(NEW.astype(float))
        _, model = fitted("logistic", targets=targets, c=0.3)
        np.testing.assert_allclose(softmax(logits_of(model, NEW, sure.shape[1])), sure, atol=1e-9)
        session = exported(model, tmp_path / "lr.onnx", sure.shape[1])
        np.testing.assert_allclose(session.run(NEW), sure, atol=TOLERANCE)


def test_trees_are_xgboosts(tmp_path: Path) -> None:
    settings: dict[str, Any] = {
        "n_estimators": 30, "max_depth": 3, "eta": 0.2, "min_child_weight": 2.0, "subsample": 0.8,
        "colsample_bytree": 0.6, "reg_lambda": 2.0,
    }  # fmt: skip
    _, model = fitted("xgboost", **settings)
    settings["learning_rate"] = settings.pop("eta")
    wanted = XGBClassifier(**settings, base_score=0.0, random_state=0, n_jobs=1, tree_method="hist")
    wanted.fit(NUMBERS, TARGETS)
    sure = wanted.predict_proba(NEW)
    np.testing.assert_allclose(softmax(logits_of(model, NEW, 4)), sure, atol=TOLERANCE)
    session = exported(model, tmp_path / "trees.onnx", 4)
    for size in (1, 7, len(NEW)):
        np.testing.assert_allclose(session.run(NEW[:size]), sure[:size], atol=TOLERANCE)
    edges = np.repeat(NUMBERS[:40], 2, 0)  # values on which trees were split
    np.testing.assert_allclose(session.run(edges), wanted.predict_proba(edges), atol=TOLERANCE)


def test_a_temperature_divides_the_logits(tmp_path: Path) -> None:
    _, model = fitted("logistic")
    given = exported(model, tmp_path / "warm.onnx", 4, temperature=1.7).run(NEW)
    np.testing.assert_allclose(given, softmax(logits_of(model, NEW, 4) / 1.7), atol=TOLERANCE)


@pytest.mark.parametrize("kind", ["svm", "logistic", "xgboost"])
def test_a_network_is_written_twice_in_the_same_bytes(kind: str) -> None:
    _, model = fitted(kind)
    voice = (model, *places(model, 4))
    one, two = (with_classifiers(rows_network(5), [voice], 1.0, False) for _ in range(2))
    assert one.SerializeToString() == two.SerializeToString()
    assert sorted(opset.domain for opset in one.opset_import) == ["", "ai.onnx.ml"]


def test_too_many_rows_for_a_kernel() -> None:
    for part in (KernelSVC(), LaplacianKernel()):
        with pytest.raises(ValueError, match="too many for a kernel"):
            part.fit(np.zeros((12_001, 1)), np.arange(12_001) % 2)


def test_earlier_names_of_xgboosts_settings_are_taken() -> None:
    with pytest.warns(DeprecationWarning, match=r"network\.\w+ is network\."):
        _, settings = open_network("xgboost", {"rate": [0.2], "least": [3], "trees": [7]})
    assert (settings.eta, settings.min_child_weight, settings.n_estimators) == ([0.2], [3], [7])
    recipe = load_recipe("face-xgboost", ["rate=[0.2]", "reg_lambda=[2]"])
    assert recipe.network.options["rate"] == [0.2]
    assert recipe.network.options["reg_lambda"] == [2]


def test_each_kernel_is_tried_with_the_settings_that_it_has() -> None:
    options = {"kernel": ["rbf", "poly", "sigmoid", "linear"], "gamma": [0.5, 1], "degree": [2, 3, 4], "coef0": [0, 1]}
    found = choose("svm", options, NUMBERS, TARGETS, None, 4, SearchSettings(folds=2), 0)
    tried = Counter(entry["settings"]["kernel"] for entry in found.facts["tried"])
    assert tried == {"rbf": 2, "poly": 2 * 3 * 2, "sigmoid": 2 * 2, "linear": 1}
    assert found.facts["candidates"] == 19


def test_the_kernel_that_won_stands_under_its_name() -> None:
    options = {"kernel": ["rbf", "laplacian"], "shape": ["none", "sqrt"], "gamma": [0.5, 1]}
    found = choose("svm", options, NUMBERS, TARGETS, None, 4, SearchSettings(folds=2), 0)
    tried = [tuple(one["settings"].values()) for one in found.facts["tried"]]
    assert list(found.facts["best"]) == ["balanced", "c", "gamma", "kernel", "shape"]
    assert sorted(tried) == sorted(itertools.product([False], [1.0], [0.5, 1], ["rbf", "laplacian"], ["none", "sqrt"]))
    json.dumps(found.facts)


def test_trees_behind_a_network_that_names_newer_operators(tmp_path: Path) -> None:
    """Version 5 of ai.onnx.ml, which a network of pictures may name, is not what the trees are written in."""
    _, model = fitted("xgboost")
    before = rows_network(5)
    before.opset_import.append(onnx.helper.make_opsetid("ai.onnx.ml", 5))
    network = with_classifiers(before, [(model, *places(model, 4))], 1.0, keep_features=True)
    assert {opset.domain: opset.version for opset in network.opset_import} == {"": 20, "ai.onnx.ml": 3}
    onnx.save(network, tmp_path / "joined.onnx")
    session = Session(tmp_path / "joined.onnx")
    assert session.outputs == ("probabilities", "features")
    np.testing.assert_allclose(session.run(NEW), model.predict_proba(NEW), atol=TOLERANCE)
