"""Commands and the server answer as they were recorded to answer; see golden.py."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import golden

JOBS = golden.jobs()


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("golden")
    golden.write_inputs(folder)
    return folder


@pytest.fixture(autouse=True)
def here(inputs: Path) -> Iterator[None]:
    with contextlib.chdir(inputs):
        yield


@pytest.mark.parametrize("name", JOBS)
def test_the_answer_is_the_recorded_one(name: str) -> None:
    wanted = json.loads((golden.FOLDER / f"{name}.json").read_text("utf-8"))
    differences = golden.compare(JOBS[name](), wanted)
    assert not differences, "\n".join(differences[:10])


def test_a_difference_is_found() -> None:
    wanted = {"a": [{"score": 0.5}, {"score": 0.1}], "b": "x"}
    assert golden.compare(wanted | {"new": 1}, wanted) == []
    other = {"a": [{"score": 0.5004}, {"score": 0.1}], "b": "x"}
    assert golden.compare(other, wanted) == ["/a/0/score: 0.5004 for 0.5"]
    assert golden.compare({"a": wanted["a"]}, wanted) == ["/b is missing"]
    assert golden.compare({"a": [{"score": 0.5}], "b": "x"}, wanted)
