"""Models of rows of numbers, from the search to the command line."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

import mien
from conftest import RunCli, change_manifest, one_line
from mien.errors import DataError, InputError, ModelError, RecipeError
from mien.modalities.features.preprocess import Row
from mien.networks import NEVER
from mien.training.calibrate import calibrate, fit_temperature
from mien.training.search import choose, inner_splits
from mien.training.settings import SearchSettings
from rows_data import LABELS, dataset, rows, write_table

SMALL = ["network.kernel=[rbf]", "network.shape=[none]", "network.c=[1]", "network.gamma=[1,900]", "search.folds=4"]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_table(tmp_path_factory.mktemp("rows") / "mine.csv", people=12)


@pytest.fixture(scope="module")
def run(table: Path) -> mien.training.run.Run:
    spec = f"features:{table}?label=mood&group=person"
    return mien.train("features-svm", spec, table.parent / "run", settings=[*SMALL, "search.repeats=1"])


def test_inner_folds_never_share_a_group() -> None:
    data = dataset(people=11)
    for seed in range(3):
        splits = inner_splits(data.targets, data.groups, SearchSettings(folds=5, repeats=3), seed)
        assert len(splits) == 15
        for learn, held in splits:
            assert not set(data.groups[learn]) & set(data.groups[held])
            assert sorted([*learn, *held]) == list(range(len(data)))
        for first in range(0, 15, 5):
            assert sorted(np.concatenate([held for _, held in splits[first : first + 5]])) == list(range(len(data)))
    assert len(inner_splits(data.targets, data.groups, SearchSettings(folds=20), 0)) == 11


def test_the_search_is_scikit_learns_and_the_held_out_logits_are_cross_val_predicts() -> None:
    data = dataset(people=10)
    numbers = np.stack(data.inputs)
    settings = SearchSettings(folds=5)
    options = {"c": [0.01, 1.0, 10.0], "gamma": [2.0]}
    found = choose("svm", options, numbers, data.targets, data.groups, 3, settings, 0)
    splits = inner_splits(data.targets, data.groups, settings, 0)

    def pipeline(c: float):
        return make_pipeline(StandardScaler(), OneVsRestClassifier(SVC(C=c, gamma=2.0 / numbers.shape[1])))

    means = {}
    for c in options["c"]:
        scores = [
            pipeline(c).fit(numbers[a].astype(float), data.targets[a]).score(numbers[b].astype(float), data.targets[b])
            for a, b in splits
        ]
        means[c] = np.mean(scores)
    assert {row["settings"]["c"]: row["mean"] for row in found.facts["tried"]} == pytest.approx(means, abs=1e-6)
    best = max(means, key=means.get)
    assert found.facts["best"]["c"] == best
    wanted = cross_val_predict(
        pipeline(best), numbers.astype(float), data.targets, cv=splits, method="decision_function"
    )
    np.testing.assert_allclose(found.held_out, wanted, atol=1e-5)
    assert (found.facts["folds"], found.facts["groups"], found.facts["candidates"]) == (5, 10, 3)


def test_several_jobs_find_the_same() -> None:
    data = dataset()
    given = ("svm", {"c": [0.1, 1.0, 10.0]}, np.stack(data.inputs), data.targets, data.groups, 3)
    one, two = (choose(*given, SearchSettings(folds=3, jobs=jobs), 0) for jobs in (1, 2))
    assert one.facts == two.facts
    np.testing.assert_allclose(one.held_out, two.held_out, atol=1e-12)


def test_too_few_groups_to_search_with() -> None:
    data = dataset(people=1)
    with pytest.raises(DataError, match="only one group to learn from"):
        inner_splits(data.targets, data.groups, SearchSettings(), 0)
    with pytest.raises(DataError, match="svm cannot learn from these rows: one label only"):
        choose("svm", {}, np.zeros((8, 2)), np.zeros(8, int), None, 3, SearchSettings(folds=2), 0)


def test_the_run_says_what_was_tried(run: mien.training.run.Run) -> None:
    manifest = mien.load(run.model).manifest
    (search,) = manifest.training["search"]
    assert search["best"]["gamma"] == 1.0
    assert [row["settings"]["gamma"] for row in search["tried"]] == [1.0, 900.0]
    assert json.loads((run.folder / "search.json").read_text()) == manifest.training["search"]
    assert manifest.preprocess == {"columns": list("abcde")}
    assert manifest.training["export_difference"] < 1e-4
    assert set(manifest.files) == {"README.md", "model.onnx"}
    page = (run.folder / "report" / "report.html").read_text()
    assert "Settings that were tried" in page
    assert '<td class="left">900</td>' in page
    assert "Of 2 settings of `svm`, tried in 4 folds" in (run.model / "README.md").read_text()


def test_columns_go_by_name_in_any_order(run: mien.training.run.Run) -> None:
    model = mien.load(run.model)
    numbers = rows(people=2, seed=5)[0]
    wanted = model.predict_proba(list(numbers))
    assert wanted.shape == (len(numbers), 3)
    np.testing.assert_allclose(wanted.sum(1), 1, atol=1e-6)
    given = [dict(zip("edcba", row[::-1].tolist(), strict=True)) | {"more": "x"} for row in numbers]
    results = list(model.predict_many(given, batch_size=5))
    found = [[r.items[0].scores[label] for label in LABELS] for r in results]
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    assert results[0].modality == "features"
    order = [3, 1, 4, 0, 2]
    turned = model.reading([*(("abcde")[i] for i in order), "extra"])
    wider = [np.append(row[order], 9).astype(np.float32) for row in numbers]
    np.testing.assert_array_equal(turned.predict_proba(wider), wanted)
    np.testing.assert_array_equal(model.predict_proba(list(numbers)), wanted)


def test_unusable_rows_are_told_and_stop_no_other(run: mien.training.run.Run) -> None:
    model = mien.load(run.model)
    good = dict.fromkeys("abcde", "1")
    broken = good | {"b": "n/a"}
    given = [good, Row("mine.csv:3", broken), good | {"c": None}, [1, 2, 3], np.full(5, np.nan), good, [3e38] * 5]
    results = list(model.predict_many(given))
    assert [r.error for r in results] == [
        None, "b is 'n/a', no number", "c is empty", "a row of 5 numbers is needed, got shape (3,)",
        "a is no finite number", None, "a is too large a number",
    ]  # fmt: skip
    assert results[1].input == "mine.csv:3"
    with pytest.raises(InputError, match="needs the columns b, e; there are: a, c, d"):
        model.predict({"a": 1, "c": 2, "d": 3})
    with pytest.raises(InputError, match="needs the columns a"):
        model.reading("bcde")
    with pytest.raises(InputError, match="input 2: a row of 5 numbers"):
        model.predict_proba([np.zeros(5), np.zeros(4)])


def test_wrong_settings_in_a_manifest_are_one_line_of_ours(run: mien.training.run.Run, tmp_path: Path) -> None:
    shutil.copytree(run.model, tmp_path / "model")
    change_manifest(tmp_path / "model", preprocess={"max_length": 16})
    with pytest.raises(ModelError) as caught:
        mien.load(tmp_path / "model")
    assert str(caught.value).endswith("preprocess settings: max_length: is no setting")


def test_evaluating_goes_by_name_too(run: mien.training.run.Run, table: Path, tmp_path: Path) -> None:
    spec = f"features:{table}?label=mood&group=person"
    wanted = mien.evaluate(run.model, spec, split="test")
    assert wanted.accuracy > 0.7
    with table.open(encoding="utf-8") as file:
        lines = list(csv.reader(file))
    turned = tmp_path / "turned.csv"
    with turned.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([[*line[::-1], "7" if at else "more"] for at, line in enumerate(lines)])
    assert (
        mien.evaluate(run.model, f"features:{turned}?label=mood&group=person", split="test").figures == wanted.figures
    )
    with turned.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([line[:4] for line in lines])
    with pytest.raises(InputError, match="needs the columns d, e; there are: a, b, c"):
        mien.evaluate(run.model, f"features:{turned}?label=mood", split="all")


def test_constant_columns_are_not_learned_from(tmp_path: Path) -> None:
    data = dataset()
    inputs = [np.append(row, 3).astype(np.float32) for row in data.inputs]
    from dataclasses import replace

    wider = replace(data, inputs=inputs, features=(*data.features, "same"))
    done = mien.train("features-svm", wider, tmp_path / "run", settings=[*SMALL, "repeats=1"], report=False)
    assert mien.load(done.model).manifest.preprocess["columns"] == list("abcde")


@pytest.mark.parametrize(
    ("recipe", "settings", "says"),
    [
        ("features-svm", ["network.embed=face"], "network.embed: rows need none"),
        ("face-svm", ["network.embed="], "network.embed: for pictures, name the face model"),
        ("features-svm", ["network.kind=gru"], "network.shape: is no setting"),
        ("features-svm", ["network.kernel=[quantum]"], r"network.kernel.0"),
        ("features-svm", ["network.c=[]"], "network.c"),
        ("features-svm", ["search.folds=1"], "search.folds"),
        ("features-svm", ["augment.flip=0.5"], "augment.flip"),
        ("features-svm", ["quantize=int8"], "export.quantize"),
        ("features-vote", ["network.members=[{kind: svm}]"], "network.members"),
        ("features-vote", ["network.members=[{kind: svm}, {kind: vote}]"], "members.1: kind must be one of svm"),
        ("features-vote", ["network.members=[{kind: svm, calibrate: x}, {kind: svm}]"], "members.0: calibrate must be"),
        ("features-vote", ["network.members=[{kind: svm, embed: face}, {kind: svm}]"], "members.0.embed"),
        ("text-linear", ["network={kind: svm}"], "'svm' learns from rows of numbers"),
    ],
)
def test_wrong_recipes_are_one_clear_line(tmp_path: Path, recipe: str, settings: list[str], says: str) -> None:
    with pytest.raises(RecipeError, match=says):
        mien.train(recipe, dataset(), tmp_path / "run", settings=settings)
    assert not (tmp_path / "run").exists()


def test_data_of_another_kind_are_refused(tmp_path: Path, table: Path) -> None:
    with pytest.raises(DataError, match="holds features; the recipe text-linear learns from text"):
        mien.train("text-linear", f"features:{table}?label=mood", tmp_path / "run")
    with pytest.raises(DataError, match="learns from one data set"):
        mien.train("features-svm", [f"features:{table}?label=mood"] * 2, tmp_path / "run", settings=SMALL)


def test_a_vote_is_the_mean_of_calibrated_members(tmp_path: Path) -> None:
    """Held against the same put together from scikit-learn's own parts."""
    data = dataset(people=10, labels=4)
    members = (
        "[{kind: svm, c: [1]}, {kind: svm, c: [1], calibrate: matrix}, {kind: xgboost, n_estimators: [20]}, "
        "{kind: logistic, c: [0.1, 1]}]"
    )
    settings = [f"network.members={members}", "search.folds=3", "search.repeats=1"]
    done = mien.train("features-vote", data, tmp_path / "run", settings=settings, report=False)
    model = mien.load(done.model)
    assert [member["kind"] for member in model.manifest.training["search"]] == ["svm", "xgboost", "logistic"]
    assert [row["name"] for row in model.manifest.training["layout"]][-2:] == ["logistic.linear", "vote"]
    learned = data.take(np.flatnonzero(mien.training.run.with_splits(data, 0).split == "train"))
    parts = [
        choose(kind, options, np.stack(learned.inputs), learned.targets, learned.groups, 4,
               SearchSettings(folds=3), 0)
        for kind, options in (("svm", {"c": [1]}), ("xgboost", {"n_estimators": [20]}), ("logistic", {"c": [0.1, 1]}))
    ]  # fmt: skip

    def softmax(logits: np.ndarray) -> np.ndarray:
        raised = np.exp(logits - logits.max(1, keepdims=True))
        return np.asarray(raised / raised.sum(1, keepdims=True))

    new = rows(people=3, labels=4, seed=3)[0]
    said = [softmax(part.logits(new) / fit_temperature(part.held_out, learned.targets)) for part in parts]
    matrix = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000))
    said.append(matrix.fit(parts[0].held_out, learned.targets).predict_proba(parts[0].logits(new)))
    wanted = softmax(np.log(np.mean(said, axis=0)) / model.manifest.training["temperature"])
    np.testing.assert_allclose(model.predict_proba(list(new)), wanted, atol=1e-4)


def test_a_label_that_was_never_shown_stays_unsaid() -> None:
    logits = np.full((60, 3), NEVER)
    logits[:, [0, 2]] = np.random.default_rng(0).normal(0, 1, (60, 2))
    targets = np.where(logits[:, 0] > logits[:, 2], 0, 2)
    for kind in ("temperature", "matrix"):
        sure = calibrate(kind, logits, targets)(logits)
        assert sure[:, 1].max() < 1e-8
        assert (sure.argmax(1) == targets).mean() > 0.95


def test_predicting_on_a_table_at_the_command_line(
    run: mien.training.run.Run, table: Path, tmp_path: Path, run_cli: RunCli
) -> None:
    done = run_cli("predict", table, "--model", run.folder, "--out", "found.csv", "--scores")
    assert done.returncode == 0, done.stderr
    assert "144 rows" in done.stderr
    with (tmp_path / "found.csv").open(encoding="utf-8") as file:
        found = list(csv.DictReader(file))
    assert list(found[0])[:8] == ["mood", *"abcde", "person", "label"]
    numbers = [[np.float32(line[name]) for name in "abcde"] for line in found]
    sure = mien.load(run.model).predict_proba(numbers)
    np.testing.assert_allclose([[float(line[f"score_{n}"]) for n in LABELS] for line in found], sure, atol=2e-6)
    lacking = tmp_path / "lacking.csv"
    lacking.write_text("a,b,c,d\n1,2,3,4\n")
    line = one_line(run_cli("predict", lacking, "--model", run.folder, "--out", "x.csv"))
    assert "lacking.csv: the model needs the columns e; there are: a, b, c, d" in line
    assert not (tmp_path / "x.csv").exists()
    (tmp_path / "bad.csv").write_text("a,b,c,d,e\n1,2,3,4,5\n1,,3,4,5\n")
    done = run_cli("predict", "bad.csv", "--model", run.folder, "--json")
    assert done.returncode == 1
    document = json.loads(done.stdout)
    assert [r["input"] for r in document["results"]] == ["bad.csv:2", "bad.csv:3"]
    assert document["results"][1]["error"] == "b is empty"
    assert "no model of features is shipped" in one_line(run_cli("predict", table, "--as", "features"))
    line = one_line(run_cli("predict", "hello there", "--model", run.folder))
    assert "there is no file or folder hello there" in line


def test_measured_speed(run: mien.training.run.Run) -> None:
    from mien.cli.bench import measure

    assert measure(str(run.model), count=64)["rows"] == 64
