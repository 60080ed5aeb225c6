"""Sure answers and sets of labels measured on labeled data: figures worked by hand, reports, cards."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

import mien
from conftest import RunCli, change_manifest, single_rows, write_csv
from mien.evaluation.certainty import certainty_metrics
from mien.evaluation.metrics import wilson_interval
from mien.model import CertaintyEntry, read_manifest
from mien.output.reports import show_metrics
from mien.training.card import card
from mien.training.publish import headline

ENTRY = CertaintyEntry(
    rate=0.8, threshold=0.6, answered=0.7, coverage=0.9, set_threshold=0.25, n=500, corpora=["one", "two"]
)


def test_figures_of_four_samples_worked_by_hand() -> None:
    scores = np.array([[0.7, 0.2, 0.1], [0.6, 0.3, 0.1], [0.5, 0.3, 0.2], [0.4, 0.35, 0.25], [0.9, 0.1, 0.0]])
    found = certainty_metrics(np.array([0, 1, 0, 2, -1]), scores, ENTRY)
    assert found["n"] == 4, "the last has no known label"
    assert (found["answered"], found["accuracy"]) == (0.5, 0.5)
    assert found["accuracy_interval"] == wilson_interval(1, 2)
    assert found["set_size"] == (1 + 2 + 2 + 3) / 4
    assert found["set_coverage"] == 1.0, "0.25 itself is in the set"
    surest = {row["share"]: row["accuracy"] for row in found["surest"]}
    assert (surest[1.0], surest[0.8], surest[0.5], surest[0.1]) == (0.5, 2 / 3, 0.5, 1.0)
    assert found["stated"]["rate"] == 0.8
    several = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 1], [0, 0, 0], [0, np.nan, 1]])
    found = certainty_metrics(several, scores, ENTRY)
    assert (found["n"], found["answered"], found["accuracy"]) == (4, 0.75, 2 / 3)
    assert certainty_metrics(np.full(3, -1), scores[:3], ENTRY)["n"] == 0
    none = certainty_metrics(np.array([0, 0, 0]), scores[2:4].repeat(2, 0)[:3], ENTRY)
    assert (none["answered"], none["accuracy"]) == (0.0, None)


@pytest.fixture(scope="module")
def certain(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("measured") / "model"
    shutil.copytree(tiny_model, folder)
    change_manifest(folder, certainty={name: ENTRY.model_dump() for name in ("carer6", "ekman7")})
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    rows = [(text, label if place % 4 else "fear") for place, (text, label) in enumerate(single_rows())]
    return f"table:{write_csv(tmp_path_factory.mktemp('rows') / 'data.csv', rows)}"


def test_an_evaluation_measures_what_is_stated(certain: Path, data: str, tmp_path: Path) -> None:
    dataset = mien.open_dataset(data)
    report = mien.evaluate(mien.load(certain), dataset, "all")
    found = report.figures["certainty"]
    scores = mien.load(certain).predict_proba(dataset.inputs)
    sure = scores.max(1) >= 0.6
    assert found["answered"] == pytest.approx(sure.mean())
    assert found["accuracy"] == pytest.approx((scores.argmax(1) == dataset.targets)[sure].mean())
    results = list(mien.load(certain).predict_many(dataset.inputs))
    assert found["answered"] == pytest.approx(np.mean([not result.unsure for result in results]))
    assert found["set_size"] == pytest.approx(np.mean([len(result.label_set) for result in results]))
    names = [dataset.space.names[target] for target in dataset.targets]
    held = [name in result.label_set for name, result in zip(names, results, strict=True)]
    assert found["set_coverage"] == pytest.approx(np.mean(held))
    assert found["surest"][0]["accuracy"] == pytest.approx(report.accuracy)
    coarse = mien.evaluate(mien.load(certain), dataset, "all", labels="ekman7")
    assert coarse.figures["certainty"]["n"] == coarse.figures["n"]
    written = report.write(tmp_path / "report")
    assert "Does it know when it is right?" in written.read_text()
    assert (tmp_path / "report" / "certainty.png").is_file()
    assert json.loads((tmp_path / "report" / "report.json").read_text())["certainty"]["n"] == len(dataset)
    out = io.StringIO()
    show_metrics(Console(file=out, width=200), report.to_dict(), report.space)
    assert f"sure of {found['answered']:.1%}, from 0.60 on: {found['accuracy']:.1%} of these right" in out.getvalue()
    kept = headline(report.to_dict())
    assert kept["sure_accuracy"] == pytest.approx(found["accuracy"], abs=1e-6)
    manifest = read_manifest(certain).model_copy(update={"metrics": {"mine/all": kept}})
    text = card(manifest)
    assert "**Sure** in carer6 from a probability of 0.60 on: at least 80% of such answers are right" in text
    assert "on 500 samples of one, two." in text
    assert f"{kept['sure_answered']:.4f}" in text


def test_without_certainty_nothing_is_measured(tiny_model: Path, data: str) -> None:
    report = mien.evaluate(mien.load(tiny_model), mien.open_dataset(data), "all")
    assert "certainty" not in report.figures
    assert "certainty.png" not in report.charts()
    assert "Sure" not in card(read_manifest(tiny_model))


def test_a_model_is_shown_with_what_it_is_sure_of(certain: Path, run_cli: RunCli) -> None:
    manifest = read_manifest(certain)
    from mien.training.package import rewrite_manifest

    rewrite_manifest(certain, manifest)
    done = run_cli("models", "show", certain)
    assert done.returncode == 0, done.stderr
    assert "Sure in carer6 from a probability of 0.60 on" in " ".join(done.stdout.split())
