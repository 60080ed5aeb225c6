"""What is unsure, through results, files, the server and its client, with a small model of text."""

from __future__ import annotations

import csv
import io
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

import mien
from conftest import RunCli, change_manifest
from mien import Result
from mien.client import Client
from mien.errors import InputError
from mien.labels import SPACES
from mien.model import read_manifest
from mien.output.frame import to_frame
from mien.output.html import _mean
from mien.output.show import show_results
from mien.results import Certainty, Moment, Prediction
from serving import serving

FER = SPACES["fer7"]
HALF = Certainty(0.5, 0.2)
SURE, DOUBTFUL = "i feel so happy today", "the table"
ENTRY = {"rate": 0.8, "answered": 0.7, "coverage": 0.9, "n": 500, "corpora": ["mine"]}


def prediction(*scores: float, certainty: Certainty | None = HALF, **more: Any) -> Prediction:
    rest = (1 - sum(scores)) / (7 - len(scores))
    values = [*scores, *[rest] * (7 - len(scores))]
    return Prediction(dict(zip(FER.names, values, strict=True)), FER, certainty=certainty, **more)


def test_an_answer_below_the_threshold_is_unsure() -> None:
    item = prediction(0.4, 0.3, 0.2)
    assert item.unsure
    assert item.label_set == ("angry", "disgust", "fear")
    assert repr(item) == "Prediction('angry'? 0.40)"
    assert not prediction(0.5, 0.1).unsure, "the threshold itself is sure"
    assert prediction(0.19, certainty=Certainty(0.0, 0.9)).label_set == ("angry",), "the top one always"
    plain = prediction(0.4, certainty=None)
    assert (plain.unsure, plain.label_set) == (False, ())
    assert not {"unsure", "label_set"} & plain.to_dict().keys()


def test_of_several_the_strongest_is_told() -> None:
    result = Result("a.jpg", "face", "face", (prediction(0.4, 0.3), prediction(0.9)))
    assert (result.unsure, result.label_set) == (False, ("angry",))
    assert (Result("a.jpg", "face", "face").unsure, Result("a.jpg", "face", "face").label_set) == (False, ())


def test_a_coarser_space_has_its_own_certainty_or_none() -> None:
    made = Result("x", "face", "face", (prediction(0.3, 0.3, 0.1),), rollup_certainty={"ekman7": Certainty(0.9, 0.05)})
    coarse = made.rollup("ekman7")
    assert coarse.strongest is not None
    assert coarse.strongest.certainty == Certainty(0.9, 0.05)
    assert coarse.unsure
    assert replace(made, rollup_certainty={}).rollup("ekman7").label_set == ()


@settings(deadline=None)
@given(
    scores=st.lists(st.floats(0.001, 1), min_size=7, max_size=7),
    threshold=st.floats(0, 1),
    least=st.floats(0, 1),
    known=st.booleans(),
)
def test_json_gives_the_same_back(scores: list[float], threshold: float, least: float, known: bool) -> None:
    space = FER.as_multilabel(True)
    item = Prediction(dict(zip(FER.names, scores, strict=True)), space, certainty=Certainty(threshold, least))
    document = json.loads(json.dumps(item.to_dict()))
    back = Prediction.from_dict(document, space, certainty=item.certainty if known else None)
    assert back.to_dict() == document
    assert (back.unsure, back.label_set) == (item.unsure, item.label_set)


def test_scores_that_round_to_the_same_keep_their_sides() -> None:
    item = prediction(0.5, 0.1234562, 0.1234559, certainty=Certainty(0.6, 0.123456))
    document = item.to_dict()
    assert document["scores"]["disgust"] == document["scores"]["fear"]
    assert Prediction.from_dict(document, FER).label_set == ("angry", "disgust")
    item = prediction(0.3000004, 0.3000003, 0.2999996, certainty=Certainty(0.6, 0.3))
    assert list(item.to_dict()["scores"].values()).count(0.3) == 3
    assert Prediction.from_dict(item.to_dict(), FER).label_set == ("angry", "disgust")


def test_a_mean_of_moments_on_a_page_is_unsure_where_most_of_them_are() -> None:
    rows = [Moment(time, 0, prediction(score)).to_dict() for time, score in ((0.0, 0.9), (0.1, 0.4), (0.2, 0.4))]
    assert [_mean(rows)["unsure"], _mean(rows[:2])["unsure"]] == [True, False]
    plain = Moment(0.0, 0, prediction(0.4, certainty=None)).to_dict()
    assert "unsure" not in _mean([plain, plain])


def test_damaged_json_is_refused() -> None:
    document = Result("x", "face", "face", (prediction(0.4),)).to_dict()
    for wrong in ({"label_set": ["nothing"]}, {"label_set": 5}):
        item = document["items"][0] | wrong
        with pytest.raises(InputError, match="this is not the JSON of a result"):
            Result.from_dict(document | {"items": [item]})


# ------------------------------------------------------------------------------------------------- a model of text


@pytest.fixture(scope="module")
def certain(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model, which is sure of the first text and not of the second."""
    folder = tmp_path_factory.mktemp("certain") / "model"
    shutil.copytree(tiny_model, folder)
    plain = mien.load(folder)
    high, low = plain.predict(SURE).score, plain.predict(DOUBTFUL).score
    assert high
    assert low
    assert low < high
    middle = round((high + low) / 2, 6)
    entry = ENTRY | {"threshold": middle, "set_threshold": 0.1}
    change_manifest(folder, certainty={"carer6": entry, "ekman7": entry | {"threshold": 0.0}})
    return folder


def test_a_model_says_what_it_is_not_sure_of(certain: Path) -> None:
    model = mien.load(certain)
    sure, doubtful = model.predict_many([SURE, DOUBTFUL])
    assert (sure.unsure, doubtful.unsure) == (False, True)
    scores = doubtful.items[0].scores
    assert set(doubtful.label_set) == {name for name in scores if scores[name] >= 0.1 or name == doubtful.label}
    assert not doubtful.rollup("ekman7").unsure, "an entry of its own"
    assert doubtful.rollup("ekman7").label_set
    assert doubtful.to_dict()["unsure"] is True
    assert Result.from_dict(doubtful.to_dict()).to_dict() == doubtful.to_dict()


def test_heads_have_certainty_of_their_own(certain: Path) -> None:
    manifest = read_manifest(certain)
    ekman = manifest.labels.model_copy(update={"space": "ekman7", "names": list(SPACES["ekman7"].names)})
    both = manifest.model_copy(update={"heads": [ekman]})
    assert set(manifest.certainty_of(manifest.space)) == {"carer6", "ekman7"}
    assert set(both.certainty_of(both.space)) == {"carer6"}, "a head's is not that of rolled-up answers"
    assert set(both.certainty_of(ekman.as_space())) == {"ekman7"}


def test_files_and_tables_have_columns(certain: Path, run_cli: RunCli, tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_text(f"{SURE}\n{DOUBTFUL}\n")
    for ending in ("csv", "jsonl", "html", "xlsx", "parquet"):
        done = run_cli("predict", "texts.txt", "--model", certain, "--out", f"out.{ending}")
        assert done.returncode == 0, done.stderr
        assert "1 of 2 is unsure, and marked so" in done.stderr
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out.csv").read_text())))
    assert [row["unsure"] for row in rows] == ["False", "True"]
    assert list(rows[0])[:7] == ["text", "label", "emoji", "score", "labels", "unsure", "label_set"]
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert rows[1]["label_set"].split("|") == lines[1]["label_set"] == lines[1]["items"][0]["label_set"]
    pandas = pytest.importorskip("pandas")
    assert pandas.read_parquet(tmp_path / "out.parquet")["unsure"].tolist() == [False, True]
    assert pandas.read_excel(tmp_path / "out.xlsx")["unsure"].tolist() == [False, True]
    frame = to_frame(mien.load(certain).predict_many([SURE, DOUBTFUL]))
    assert frame["unsure"].tolist() == [False, True]


def test_the_terminal_marks_and_explains_it(certain: Path) -> None:
    model, out = mien.load(certain), io.StringIO()
    results = list(model.predict_many([SURE, DOUBTFUL] * 4))
    console = Console(file=out, width=160)
    entry = model.manifest.certainty["carer6"]
    show_results(console, results, {"joy": 8}, 8, "text", model.manifest, unsure=4)
    label = results[1].label
    assert f"{label}?" in out.getvalue()
    line = f"4 of 8 are unsure: below {entry.threshold:.2f}; from there on {model.name} is right in at least 80%"
    assert line in out.getvalue()
    show_results(console, results[1:2], {"joy": 1}, 1, "text", model.manifest, unsure=1)
    assert "░" in out.getvalue(), "hollow bars"


def test_the_server_and_its_client_say_it(certain: Path) -> None:
    with serving("--model", certain) as server:
        answer = server.post("/v1/text", {"inputs": [SURE, DOUBTFUL]}).json()
        assert [row["unsure"] for row in answer["results"]] == [False, True]
        card = server.get(f"/v1/models/{answer['model']}").json()
        assert card["certainty"]["carer6"] == read_manifest(certain).certainty["carer6"].model_dump()
        with Client(f"http://127.0.0.1:{server.port}") as client:
            local, (_, far) = mien.load(certain).predict(DOUBTFUL), client.predict_many([SURE, DOUBTFUL])
            assert far.unsure
            assert far.label_set == local.label_set
            assert far.items[0].certainty == local.items[0].certainty
            assert far.rollup("ekman7").label_set == local.rollup("ekman7").label_set != ()
