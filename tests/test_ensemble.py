"""Several models as one: its probabilities are the mean of theirs."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

import mien
from conftest import SMALL, single_rows, write_csv
from mien.errors import ModelError
from mien.training.ensemble import combine

TEXTS = ["i feel so glad", "why am i scared ?", "they looked annoyed", "something else altogether"]


@pytest.fixture(scope="module")
def other_run(tmp_path_factory):
    """As `tiny_run`, but learned less closely."""
    folder = tmp_path_factory.mktemp("other")
    data = write_csv(folder / "data.csv", single_rows())
    options = [*SMALL, "network.c=[0.1]", "name=tiny"]
    return mien.train("text-linear", f"table:{data}", folder / "run", settings=options).folder


def test_the_mean_of_two(tiny_run, other_run, tmp_path):
    made = combine([tiny_run, other_run], tmp_path / "both", "both")
    one, two, both = (mien.load(model).predict_proba(TEXTS) for model in (tiny_run, other_run, made))
    assert np.abs(one - two).max() > 0.1
    np.testing.assert_allclose(both, (one + two) / 2, atol=1e-6)
    manifest = mien.load(made).manifest
    assert manifest.name == "both"
    assert len(manifest.training["members"]) == 2
    assert "mean of 2" in manifest.summary


def test_in_eight_bits_it_stays_near(tiny_run, other_run, tmp_path):
    whole = combine([tiny_run, other_run], tmp_path / "whole", "whole")
    small = combine([tiny_run, other_run], tmp_path / "small", "small", int8=True)
    np.testing.assert_allclose(mien.load(whole).predict_proba(TEXTS), mien.load(small).predict_proba(TEXTS), atol=0.1)


def test_models_that_differ_are_refused(tiny_run, tiny_multi, other_run, tmp_path):
    with pytest.raises(ModelError, match="two at least"):
        combine([tiny_run], tmp_path / "x", "x")
    with pytest.raises(ModelError, match="differ in labels"):
        combine([tiny_run, tiny_multi], tmp_path / "x", "x")
    with pytest.raises(ModelError, match="one label at a time"):
        combine([tiny_multi, tiny_run], tmp_path / "x", "x")
    damaged = tmp_path / "damaged"
    shutil.copytree(other_run / "model", damaged)
    (damaged / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelError, match="sha256 differs"):
        combine([tiny_run, damaged], tmp_path / "x", "x")
    assert not (tmp_path / "x").exists()


def test_several_runs_at_the_command_line(tiny_run, other_run, tmp_path, run_cli):
    done = run_cli("export", tiny_run, other_run, "--to", "both", "--int8")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "both"
    assert mien.load(tmp_path / "both").name == "both"
    alone = run_cli("export", tiny_run, "--to", "one", "--int8")
    assert alone.returncode == 2
