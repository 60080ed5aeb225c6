"""Cross-validation: what is held out stays unseen, what is done stays done, the figures are those of the answers."""

from __future__ import annotations

import csv
import json
import statistics
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score

import mien
from conftest import RunCli, single_rows
from mien.datasets import Dataset
from mien.errors import DataError, RecipeError
from mien.labels import SPACES, make_space
from mien.media.images import Region
from mien.training import crossval as module
from mien.training.crossval import cross_validate
from mien.training.log import log_to
from mien.training.run import with_splits
from rows_data import LABELS, dataset

SMALL = ["network.kernel=[rbf]", "network.shape=[none]", "network.c=[0.1,1]", "network.gamma=[1,300]", "search.folds=3",
         "search.repeats=1"]  # fmt: skip


def folded(data: Dataset, count: int = 3) -> Dataset:
    """With a column "part": person i is in fold i modulo *count*."""
    part = np.array([str(1 + int(who[1:]) % count) for who in data.columns["person"]], dtype=object)
    return replace(data, columns={**data.columns, "part": part})


def run(data: Dataset, out: Path, **options: object) -> mien.training.run.Run:
    return mien.train("features-svm", data, out, settings=SMALL, folds="part", report=False, **options)


@pytest.fixture(scope="module")
def data() -> Dataset:
    return folded(dataset(people=9))


@pytest.fixture(scope="module")
def done(data: Dataset, tmp_path_factory: pytest.TempPathFactory) -> mien.training.run.Run:
    return run(data, tmp_path_factory.mktemp("folds") / "run")


def test_a_model_for_each_fold_and_one_of_everything(done: mien.training.run.Run, data: Dataset) -> None:
    assert {path.name for path in done.folder.iterdir()} == {
        "config.yaml", "fold-1", "fold-2", "fold-3", "all", "model", "report",
    }  # fmt: skip
    for fold in "123":
        (entry,) = mien.load(done.folder / f"fold-{fold}").manifest.data
        assert entry["rows"] == {"train": 72, "test": 36}
    (entry,) = mien.load(done.folder).manifest.data
    assert entry["rows"] == {"train": 108}
    with (done.folder / "report" / "predictions.csv").open(encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert [line["fold"] for line in lines] == list(data.columns["part"])
    for fold in "123":
        held = data.take(data.columns["part"] == fold)
        wanted = mien.load(done.folder / f"fold-{fold}").predict_proba(held.inputs)
        told = [[float(line[f"score_{label}"]) for label in LABELS] for line in lines if line["fold"] == fold]
        np.testing.assert_allclose(told, wanted, atol=1e-6)


def test_the_figures_are_those_of_the_pooled_answers(done: mien.training.run.Run, data: Dataset) -> None:
    with (done.folder / "report" / "predictions.csv").open(encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    true, said = [line["true"] for line in lines], [line["predicted"] for line in lines]
    report = json.loads((done.folder / "report" / "report.json").read_text())
    assert report["accuracy"] == pytest.approx(accuracy_score(true, said), abs=1e-6)
    assert report["macro_f1"] == pytest.approx(f1_score(true, said, average="macro"), abs=1e-6)
    assert sum(map(sum, report["confusion"]["counts"])) == len(data)
    each = [
        accuracy_score(*zip(*[(line["true"], line["predicted"]) for line in lines if line["fold"] == f], strict=True))
        for f in "123"
    ]
    assert [part["accuracy"] for part in report["folds"]["parts"]] == pytest.approx(each, abs=1e-6)
    assert report["folds"]["mean"]["accuracy"] == pytest.approx(statistics.mean(each), abs=1e-6)
    assert report["folds"]["std"]["accuracy"] == pytest.approx(statistics.stdev(each), abs=1e-6)
    assert [group["accuracy"] for group in report["by"]["groups"]] == pytest.approx(each, abs=1e-6)
    metrics = mien.load(done.model).manifest.metrics
    assert set(metrics) == {"moods/inner folds", "moods/3 folds by part"}
    assert done.metrics["accuracy"] == report["accuracy"]
    assert "cross-validated" in (done.model / "README.md").read_text()
    assert "Each sample was answered by the model of the folds that it is not in" in report["notes"][0]


def test_nothing_of_a_fold_is_seen_by_the_model_for_it(
    done: mien.training.run.Run, data: Dataset, tmp_path: Path
) -> None:
    """The canary: fold 2 is made nonsense of. What was learned without it must not move; the rest must."""
    held = np.flatnonzero(data.columns["part"] == "2")
    random = np.random.default_rng(0)
    inputs, targets = list(data.inputs), data.targets.copy()
    for row in held.tolist():
        inputs[row] = random.normal(50, 90, 5).astype(np.float32)
    targets[held] = random.permutation(targets[held])
    spoiled = run(replace(data, inputs=inputs, targets=targets), tmp_path / "spoiled")
    probe = list(data.inputs)
    for fold, same in (("1", False), ("2", True), ("3", False)):
        before, after = (mien.load(folder / f"fold-{fold}") for folder in (done.folder, spoiled.folder))
        difference = np.abs(before.predict_proba(probe) - after.predict_proba(probe)).max()
        figures = [model.manifest.training["search"][0]["tried"] for model in (before, after)]
        temperatures = [model.manifest.training["temperature"] for model in (before, after)]
        assert bool(difference < 1e-5) is same
        assert (figures[0] == figures[1] and temperatures[0] == temperatures[1]) is same


def test_a_stopped_run_goes_on_fold_by_fold(
    done: mien.training.run.Run, data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, trained = module.train_once, []

    def stop_at_the_third(recipe: object, sets: object, folder: Path, **options: object) -> object:
        if len(trained) == 2:
            raise KeyboardInterrupt
        trained.append(folder.name)
        return real(recipe, sets, folder, **options)

    monkeypatch.setattr(module, "train_once", stop_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        run(data, tmp_path / "run")
    assert trained == ["fold-1", "fold-2"]
    monkeypatch.setattr(module, "train_once", real)
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").glob("fold-*/model/model.onnx")}
    assert len(kept) == 2
    with pytest.raises(RecipeError, match="holds a run already"):
        run(data, tmp_path / "run")
    with pytest.raises(RecipeError, match="another recipe"):
        mien.train("features-svm", data, tmp_path / "run", settings=[*SMALL, "seed=1"], folds="part", resume=True)
    with pytest.raises(RecipeError, match="another folds"):
        mien.train("features-svm", data, tmp_path / "run", settings=SMALL, folds=3, resume=True)
    lines: list[str] = []
    with log_to(lines.append):
        again = run(data, tmp_path / "run", resume=True)
    assert [line for line in lines if "already finished" in line] == [
        f"{tmp_path / 'run' / fold} is already finished" for fold in ("fold-1", "fold-2")
    ]
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert again.metrics["accuracy"] == done.metrics["accuracy"]


def test_so_many_folds_of_whole_groups(data: Dataset, tmp_path: Path) -> None:
    made = mien.train("features-svm", data, tmp_path / "run", settings=SMALL, folds="4", report=False)
    with (made.folder / "report" / "predictions.csv").open(encoding="utf-8") as file:
        fold = np.array([line["fold"] for line in csv.DictReader(file)])
    assert set(fold) == set("1234")
    for who in set(data.columns["person"]):
        assert len(set(fold[data.columns["person"] == who])) == 1


def test_validation_data_keep_groups_together(data: Dataset) -> None:
    whole = np.full(len(data), "train", dtype=object)
    for given in (
        whole,
        np.where(data.columns["part"] == "1", "test", "train").astype(object),
        np.full_like(whole, ""),
    ):
        split = with_splits(data.resplit(given), 0).split
        assert "val" in split
        for who in set(data.columns["person"]):
            assert len(set(split[data.columns["person"] == who])) == 1
    assert list(with_splits(data.resplit(whole), 0, validate=False).split) == list(whole)


@pytest.mark.parametrize(
    ("folds", "says"),
    [
        ("week", "moods has no column 'week'; it has: person, part"),
        (1, "at least 2 folds, not 1"),
        ("99", "9 groups of samples, too few for 99 folds"),
        ("one", "the column 'one' holds one fold"),
        ("gap", "row 5 names no fold in 'gap'"),
        ("odd", r"the fold '\.\./up' cannot name a folder"),
        ("torn", "person p0 stands in the folds 'a' and 'b'"),
    ],
)
def test_folds_that_are_none_are_one_clear_line(data: Dataset, tmp_path: Path, folds: str | int, says: str) -> None:
    n = len(data)
    columns = {
        "one": ["same"] * n, "gap": ["a", "b", "a", "b", "", *["a"] * (n - 5)], "odd": ["../up", *["a"] * (n - 1)],
        "torn": ["a", "b"] * (n // 2),
    }  # fmt: skip
    extra = {folds: np.array(columns[folds], dtype=object)} if folds in columns else {}
    with pytest.raises(DataError, match=says):
        cross_validate("features-svm", replace(data, columns={**data.columns, **extra}), folds, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_text_with_validation_data_of_its_own(tmp_path: Path, run_cli: RunCli, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network that stops and calibrates on validation data gets a part of the other folds for it."""
    with (tmp_path / "mine.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label", "writer", "week"])
        for place, (text, label) in enumerate(single_rows()):
            writer.writerow([text, label, f"w{place % 12}", f"{place % 12 % 2}"])
    small = ["network.c=[10]", "preprocess.max_length=16"]
    options = [f"--set={setting}" for setting in small]
    done = run_cli("train", "text-linear", "--data=table:mine.csv?group=writer", "--folds=week", "--out=run", *options)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "run"
    assert "mean over folds: accuracy" in done.stderr
    (entry,) = mien.load(tmp_path / "run" / "fold-0").manifest.data
    assert set(entry["rows"]) == {"train", "val", "test"}
    assert entry["rows"]["test"] == 72
    page = (tmp_path / "run" / "report" / "report.html").read_text()
    assert "Fold by fold" in page
    monkeypatch.chdir(tmp_path)
    lines: list[str] = []
    with log_to(lines.append):
        again = mien.train(
            "text-linear", "table:mine.csv?group=writer", "run", settings=small, folds="week", resume=True
        )
    assert sum("already finished" in line for line in lines) == 3
    assert again.metrics == mien.load("run").manifest.metrics["mine?group=writer/2 folds by week"]


def brightness(folder: Path, count: int = 24) -> Dataset:
    """Gray pictures that are rated by how bright they are, on a scale of 1 to 7."""
    paths, gray = [], np.linspace(5, 250, count)
    for number, value in enumerate(gray):
        paths.append(str(folder / f"{number}.png"))
        cv2.imwrite(paths[-1], np.full((32, 32, 3), value, np.uint8))
    ratings = {"valence": (1 + 6 * gray / 255).astype(np.float32)}
    empty = np.full(count, "", dtype=object)
    return Dataset(
        "lamps", "scene", SPACES["affect"], paths, np.zeros((count, 0), np.float32), empty, ratings=ratings,
        scales={"valence": (1.0, 7.0)},
    )  # fmt: skip


def test_ratings_are_cross_validated_by_their_correlations(tmp_path: Path) -> None:
    recipe = tmp_path / "lamps.yaml"
    recipe.write_text(
        "{name: lamps, modality: scene, preprocess: {size: 32}, network: {kind: cnn, widths: [4], dense: 8},"
        " train: {epochs: 2, batch_size: 32, learning_rate: 0.01, patience: 2, monitor: val_pearson}}"
    )
    data = brightness(tmp_path)
    done = mien.train(recipe, data, tmp_path / "run", folds=2)
    with (done.folder / "report" / "predictions.csv").open(encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert list(lines[0]) == ["where", "fold", "true_valence", "valence"]
    true, said = (np.array([float(line[key]) for line in lines]) for key in ("true_valence", "valence"))
    np.testing.assert_allclose(true, data.ratings["valence"], rtol=1e-4)
    fold = np.array([line["fold"] for line in lines])
    each = [np.corrcoef(true[fold == part], said[fold == part])[0, 1] for part in "12"]
    report = json.loads((done.folder / "report" / "report.json").read_text())
    assert [part["valence_pearson"] for part in report["folds"]["parts"]] == pytest.approx(each, abs=1e-4)
    assert report["folds"]["mean"] == {"valence_pearson": pytest.approx(statistics.mean(each), abs=1e-4)}
    assert report["ratings"]["valence"]["pearson"] == pytest.approx(np.corrcoef(true, said)[0, 1], abs=1e-4)
    assert "r of valence" in (done.folder / "report" / "report.html").read_text("utf-8")
    assert "Mean and spread over the folds: valence_pearson" in (done.folder / "model" / "README.md").read_text("utf-8")
    held = brightness(tmp_path).take(np.flatnonzero(fold == "2"))
    np.testing.assert_allclose(
        said[fold == "2"], mien.load(done.folder / "fold-2").ratings(held.inputs)[:, 0], rtol=1e-4
    )


def test_persons_of_one_picture_stay_in_one_fold() -> None:
    people = [
        Region(f"{picture}.jpg", (10.0 * of, 0.0, 10.0 * of + 8, 8.0)) for picture in range(12) for of in range(3)
    ]
    targets = np.arange(len(people)) % 2
    whole = Dataset("crowd", "scene", make_space("two", ["a", "b"]), people, targets, np.full(36, "", dtype=object))
    fold = module._folds(whole, 4, 0)
    assert set(fold) == {"1", "2", "3", "4"}
    assert all(len(set(fold[3 * picture : 3 * picture + 3])) == 1 for picture in range(12))
    apart = replace(whole, columns={"part": np.array([str(row % 2) for row in range(36)], dtype=object)})
    with pytest.raises(DataError, match=r"picture 0\.jpg stands in the folds"):
        module._folds(apart, "part", 0)
