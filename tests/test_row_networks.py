"""Networks of rows against scikit-learn and XGBoost themselves, and their ONNX graphs against both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import laplacian_kernel
from sklearn.model_selection import ParameterGrid
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC
from xgboost import XGBClassifier

from mien.networks import open_network
from mien.networks.graph import model_of, row_model
from mien.networks.rows import Graph, Shape, spread, write_spread
from mien.networks.svm import KernelSVC
from mien.runtime import Session
from rows_data import rows

NUMBERS, TARGETS, _ = rows(labels=4)
NEW = rows(labels=4, seed=7)[0]


def fitted(kind: str, numbers: np.ndarray = NUMBERS, targets: np.ndarray = TARGETS, **options: Any) -> tuple[Any, Any]:
    module, settings = open_network(kind, {name: [value] for name, value in options.items()})
    estimator, grid = module.search(settings, 0)
    (chosen,) = ParameterGrid(grid)
    return module, estimator.set_params(**chosen).fit(numbers, targets)


def exported(module: Any, model: Any, path: Path, labels: int, width: int = 5) -> Session:
    """From float32 rows to the softmax of the logits."""
    graph = Graph()
    logits = write_spread(graph, module.write(model, graph, "inputs"), model.classes_, labels)
    graph.add("Softmax", logits)
    network = row_model(graph, width, labels)
    onnx.checker.check_model(network, full_check=True)
    onnx.save(network, path)
    return Session(path)


def softmax(logits: np.ndarray) -> np.ndarray:
    raised = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(raised / raised.sum(1, keepdims=True))


def reference(kernel: str, c: float, gamma: float, draw: Any = None, balanced: bool = False) -> Any:
    """What scikit-learn makes of the same settings."""
    scale = gamma / NUMBERS.shape[1]
    given: Any = (lambda x, y: laplacian_kernel(x, y, gamma=scale)) if kernel == "laplacian" else kernel
    machine = SVC(C=c, kernel=given, gamma=scale, class_weight="balanced" if balanced else None)
    return make_pipeline(FunctionTransformer(draw), StandardScaler(), OneVsRestClassifier(machine))


@pytest.mark.parametrize("kernel", ["rbf", "laplacian", "linear"])
@pytest.mark.parametrize("balanced", [False, True])
def test_svm_is_scikit_learns_one_against_the_rest(tmp_path: Path, kernel: str, balanced: bool) -> None:
    options = {"kernel": kernel, "c": 2.0, "balanced": balanced} | ({} if kernel == "linear" else {"gamma": 1.5})
    module, model = fitted("svm", **options)
    wanted = reference(kernel, 2.0, 1.5, balanced=balanced).fit(NUMBERS.astype(float), TARGETS)
    margins = wanted.decision_function(NEW.astype(float))
    np.testing.assert_allclose(model.decision_function(NEW), margins, atol=1e-6)
    np.testing.assert_array_equal(model.predict(NEW), wanted.predict(NEW.astype(float)))
    session = exported(module, model, tmp_path / "svm.onnx", 4)
    for size in (1, 7, len(NEW)):
        np.testing.assert_allclose(session.run(NEW[:size]), softmax(margins[:size]), atol=2e-6)


@pytest.mark.parametrize(("shape", "draw"), [("sqrt", np.sqrt), ("log", np.log1p)])
def test_large_values_are_drawn_in(tmp_path: Path, shape: str, draw: Any) -> None:
    def signed(x: np.ndarray) -> np.ndarray:
        return np.asarray(np.sign(x) * draw(np.abs(x)))

    module, model = fitted("svm", shape=shape)
    wanted = reference("rbf", 1.0, 1.0, signed).fit(NUMBERS.astype(float), TARGETS)
    margins = wanted.decision_function(NEW.astype(float))
    np.testing.assert_allclose(model.decision_function(NEW), margins, atol=1e-6)
    np.testing.assert_allclose(exported(module, model, tmp_path / "a.onnx", 4).run(NEW), softmax(margins), atol=2e-6)


def test_shapes_are_named() -> None:
    np.testing.assert_allclose(Shape("sqrt").transform(np.array([[4, -9, 0]])), [[2, -3, 0]])
    np.testing.assert_allclose(Shape("log").transform(np.array([[-(np.e - 1)]])), [[-1]])


@pytest.mark.parametrize("kind", ["svm", "logistic", "xgboost"])
def test_two_labels_of_four_and_two_alone(tmp_path: Path, kind: str) -> None:
    """A label that training never showed gets no weight; two labels give two columns."""
    few = np.isin(TARGETS, (1, 3))
    module, model = fitted(kind, NUMBERS[few], TARGETS[few])
    assert list(model.classes_) == [1, 3]
    logits = model.decision_function(NEW)
    assert logits.shape == (len(NEW), 2)
    given = exported(module, model, tmp_path / "two.onnx", 4).run(NEW)
    np.testing.assert_allclose(given, softmax(spread(logits, model.classes_, 4)), atol=2e-6)
    assert given[:, [0, 2]].max() < 1e-12
    np.testing.assert_array_equal(given.argmax(1), model.predict(NEW))


def test_logistic_is_scikit_learns(tmp_path: Path) -> None:
    module, model = fitted("logistic", c=0.3)
    scaler = StandardScaler().fit(NUMBERS.astype(float))
    for targets in (TARGETS, (TARGETS > 1).astype(int)):
        wanted = LogisticRegression(C=0.3, max_iter=2000).fit(scaler.transform(NUMBERS.astype(float)), targets)
        model.fit(NUMBERS, targets)
        sure = wanted.predict_proba(scaler.transform(NEW.astype(float)))
        np.testing.assert_allclose(softmax(model.decision_function(NEW)), sure, atol=1e-6)
        session = exported(module, model, tmp_path / "lr.onnx", sure.shape[1])
        np.testing.assert_allclose(session.run(NEW), sure, atol=2e-6)


def test_trees_are_xgboosts(tmp_path: Path) -> None:
    settings = {"trees": 30, "depth": 3, "eta": 0.2, "min_child_weight": 2.0, "rows": 0.8, "columns": 0.6}
    module, model = fitted("xgboost", **settings, smoothing=2.0)
    wanted = XGBClassifier(
        n_estimators=30, max_depth=3, learning_rate=0.2, min_child_weight=2, subsample=0.8, colsample_bytree=0.6,
        reg_lambda=2, base_score=0.0, random_state=0, n_jobs=1, tree_method="hist",
    ).fit(NUMBERS, TARGETS)  # fmt: skip
    sure = wanted.predict_proba(NEW)
    np.testing.assert_allclose(softmax(model.decision_function(NEW)), sure, atol=1e-6)
    session = exported(module, model, tmp_path / "trees.onnx", 4)
    for size in (1, 7, len(NEW)):
        np.testing.assert_allclose(session.run(NEW[:size]), sure[:size], atol=2e-6)
    edges = np.repeat(NUMBERS[:40], 2, 0)  # values on which trees were split
    np.testing.assert_allclose(session.run(edges), wanted.predict_proba(edges), atol=2e-6)


def test_too_little_to_learn_from() -> None:
    for kind in ("svm", "xgboost"):
        with pytest.raises(ValueError, match="one label only"):
            fitted(kind, NUMBERS, np.zeros(len(NUMBERS), int))
    with pytest.raises(ValueError, match="too many for a kernel"):
        KernelSVC().fit(np.zeros((12_001, 1)), np.arange(12_001) % 2)


def test_earlier_names_of_xgboosts_settings_are_taken() -> None:
    with pytest.warns(DeprecationWarning, match=r"network\.(rate|least) is network\."):
        _, settings = open_network("xgboost", {"rate": [0.2], "least": [3]})
    assert (settings.eta, settings.min_child_weight) == ([0.2], [3])


def test_trees_behind_a_network_of_pictures_keep_their_version() -> None:
    """Version 5 of ai.onnx.ml, which a network of pictures may name, has no TreeEnsembleRegressor."""
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("ai.onnx.ml", 5)]
    before = helper.make_model(onnx.GraphProto(), opset_imports=opsets)
    graph = Graph()
    graph.add("Softmax", "features", axis=1)
    joined = model_of(graph, 3, [], before=before)
    assert {opset.domain: opset.version for opset in joined.opset_import} == {"": 20, "ai.onnx.ml": 3}
