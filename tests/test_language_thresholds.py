"""Thresholds by language: labels of a text hold by those of its language, wherever it is read."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mien
from conftest import RunCli
from mien.client import Client
from mien.datasets import Dataset
from mien.distributed import _example
from mien.errors import ModelError
from mien.evaluation.evaluate import evaluate
from mien.evaluation.held_out import HeldOut
from mien.labels import SPACES, make_space
from mien.modalities.text import language as language_module
from mien.modalities.text.language import probable_language, told_by, unread_language
from mien.modality import thresholds_of
from mien.model import LabelsEntry, Manifest, find_model, read_manifest
from mien.output.frame import to_frame
from mien.results import Result, tuned_for
from mien.sklearn import EmotionClassifier, _files
from mien.training.package import rewrite_manifest
from serving import serving

GO, EKMAN = SPACES["goemotions28"], SPACES["ekman7"]
GERMAN, ENGLISH = "Ich bin so traurig, dass er weg ist.", "I am so happy that you are here today"
FRENCH, DUTCH = "Je suis tellement en colère contre toi!", "ik ben zo boos dat ik niet kan slapen"
NAME, JAPANESE = "Javier Hernández López", "今日はとても楽しかった"
READ = ["en", "de", "fr"]
NEVER, ALWAYS = 1.1, 0.0  # thresholds that no score reaches, and that each does

#: Of the usual ones fear holds alone; in German joy and fear, in French none; rolled up in German anger alone.
USUAL = dict.fromkeys(GO.names, NEVER) | {"fear": ALWAYS}
BY_LANGUAGE = {
    "goemotions28": {"de": {"joy": ALWAYS}, "fr": {"fear": NEVER}},
    "ekman7": {"de": {"anger": ALWAYS}},
    "carer6": {"de": dict.fromkeys(SPACES["carer6"].names, NEVER) | {"love": ALWAYS, "joy": ALWAYS}},
}


def changed(model: Path, to: Path, **manifest: Any) -> Path:
    """The model with other entries in its manifest."""
    return rewrite_manifest(model, read_manifest(model).model_copy(update=manifest), to)


@pytest.fixture(scope="module")
def model(tiny_multi: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of three languages that has thresholds for two of them."""
    return changed(
        tiny_multi, tmp_path_factory.mktemp("models") / "by-language", language_thresholds=BY_LANGUAGE,
        thresholds=USUAL, rollups={"ekman7": dict.fromkeys(EKMAN.names, NEVER)},
        preprocess=read_manifest(tiny_multi).preprocess | {"languages": READ},
    )  # fmt: skip


def held(result: Result) -> set[str]:
    """The labels that hold; of none at all "strongest"."""
    (item,) = result.items
    reached = {name for name, score in item.scores.items() if score >= item.thresholds.get(name, 0.5)}
    assert set(item.labels) == (reached or {item.label})
    return reached or {"strongest"}


# ------------------------------------------------------------------------------------------------------ the language


@pytest.mark.parametrize(
    ("text", "languages", "code"),
    [
        (GERMAN, READ, "de"), (FRENCH, READ, "fr"), (ENGLISH, READ, "en"), (DUTCH, READ, None), (DUTCH, [], "nl"),
        (JAPANESE, ["ja"], "ja"), (JAPANESE, READ, None), (NAME, READ, None), (NAME, [], None),
        ("😭", READ, None), ("", READ, None), ("hallo", READ, None),
    ],
)  # fmt: skip
def test_the_most_probable_of_the_languages_that_are_read(text: str, languages: list[str], code: str | None) -> None:
    assert probable_language(text, languages) == code
    assert told_by(text, languages) == (unread_language(text, languages), code)


@pytest.mark.parametrize(("share", "code"), [(0.6, "de"), (0.599, None)])
def test_a_language_is_probable_from_sixty_percent_on(
    share: float, code: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    shares = np.array([share, 1 - share - 0.01, 0.01])
    monkeypatch.setattr(language_module, "_likely", lambda _: (("de", "nl", ""), shares, 0.85))
    assert told_by("x", READ) == (None, code)


def test_a_text_is_looked_at_once(model: Path, tiny_multi: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks, real = [], language_module._likely
    monkeypatch.setattr(language_module, "_likely", lambda text: looks.append(text) or real(text))
    reader = mien.load(model)
    for language, wanted in ((None, 1), ("any", 1), ("de", 0)):
        reader.written_in(language).predict(GERMAN)
        assert len(looks) == wanted, language
        looks.clear()
    mien.load(tiny_multi).predict(GERMAN)
    assert looks == []


# --------------------------------------------------------------------------------------------------------- manifests


def test_an_unlisted_language_label_or_space_has_the_usual_threshold() -> None:
    usual, own = {"a": {"x": 0.5, "y": 0.4}, "b": {"z": 0.3}}, {"a": {"de": {"y": 0.1}}, "c": {"de": {"w": 0.2}}}
    assert tuned_for("de", usual, own) == {"a": {"x": 0.5, "y": 0.1}, "b": {"z": 0.3}, "c": {"w": 0.2}}
    assert tuned_for("fr", usual, own) == tuned_for(None, usual, own) == usual
    labels = LabelsEntry(space="a", names=["x", "y"], multilabel=True)
    manifest = Manifest(name="m", modality="text", labels=labels, thresholds=usual["a"], rollups={"b": usual["b"]},
                        language_thresholds=own)  # fmt: skip
    assert manifest.tuned("de") == tuned_for("de", usual, own)
    assert Manifest.model_validate_json(manifest.model_dump_json()) == manifest


def test_an_older_manifest_has_none_and_its_results_say_no_language(tiny_multi: Path) -> None:
    older = find_model("text-carer")
    assert "language_thresholds" not in json.loads((older / "manifest.json").read_text("utf-8"))
    for folder in (older, find_model("text")):
        assert read_manifest(folder).language_thresholds == {}
        for language in (None, "any", "en"):
            result = mien.predict(ENGLISH, str(folder), language=language)
            assert result.language is None
            assert "language" not in result.to_dict()
            assert result.items[0].thresholds == read_manifest(folder).thresholds
    assert "language" not in to_frame(mien.predict(GERMAN, str(tiny_multi)))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_threshold_that_is_no_number_is_refused(model: Path, tmp_path: Path, value: float) -> None:
    for entry in ({"language_thresholds": {"ekman7": {"de": {"joy": value}}}}, {"thresholds": {"joy": value}}):
        folder = changed(model, tmp_path / "odd", **entry)
        with pytest.raises(ModelError, match=f"{next(iter(entry))}.*finite"):
            mien.load(folder)


def test_a_language_without_a_name_is_none(model: Path, tmp_path: Path) -> None:
    """So that figures go by what predictions go by."""
    reader = mien.load(changed(model, tmp_path / "odd", language_thresholds={"goemotions28": {"": {"joy": ALWAYS}}}))
    (limits,) = thresholds_of(reader, [NAME], "goemotions28", GO.names, USUAL)
    assert dict(zip(GO.names, limits, strict=True)) == reader.predict(NAME).items[0].thresholds == USUAL


# ------------------------------------------------------------------------------------------------------------ results


@pytest.mark.parametrize(
    ("text", "said", "language", "labels", "coarse"),
    [
        (GERMAN, None, "de", {"joy", "fear"}, {"anger"}),
        (FRENCH, None, "fr", {"strongest"}, {"strongest"}),
        (ENGLISH, None, "en", {"fear"}, {"strongest"}),
        (NAME, None, None, {"fear"}, {"strongest"}),
        (ENGLISH, "de", "de", {"joy", "fear"}, {"anger"}),
        (NAME, "de-AT", "de", {"joy", "fear"}, {"anger"}),
        (GERMAN, "en", "en", {"fear"}, {"strongest"}),
        (GERMAN, "any", "de", {"joy", "fear"}, {"anger"}),
        (DUTCH, "any", None, {"fear"}, {"strongest"}),
    ],
)
def test_labels_hold_by_the_thresholds_of_the_language(
    model: Path, text: str, said: str | None, language: str | None, labels: set[str], coarse: set[str]
) -> None:
    result = mien.predict(text, str(model), language=said)
    assert (result.language, held(result), held(result.rollup("ekman7"))) == (language, labels, coarse)
    assert result.rollup("ekman7").language == language
    explained = mien.explain(text, str(model), language=said)
    assert (explained.language, held(explained)) == (language, labels)
    if language == "de":
        assert held(result.rollup("carer6")) == {"love", "joy"}, "a space without usual thresholds"


def test_a_text_that_is_not_read_has_no_language(model: Path) -> None:
    german, dutch = mien.predict_many([GERMAN, DUTCH], str(model))
    assert (german.language, dutch.language, dutch.error) == ("de", None, "language nl is not read by tiny-multi")


def test_a_head_has_thresholds_of_its_own(tiny_multi: Path, tmp_path: Path) -> None:
    heads = [LabelsEntry(space="rest", names=list(GO.names[20:]), multilabel=True)]
    first, second = GO.names[20:22]
    reader = mien.load(changed(
        tiny_multi, tmp_path / "heads", heads=heads, thresholds={},
        labels=LabelsEntry(space="first", names=list(GO.names[:20]), multilabel=True),
        rollups={"rest": dict.fromkeys(GO.names[20:], NEVER) | {second: ALWAYS}},
        language_thresholds={"rest": {"de": {first: ALWAYS}}},
    ))  # fmt: skip
    head = reader.with_labels("rest")
    assert held(head.predict(GERMAN)) == {first, second}
    assert held(head.predict(ENGLISH)) == {second}
    assert reader.predict(GERMAN).rollup_thresholds == {}, "which are not for what is rolled up to it"
    assert reader.predict(GERMAN).items[0].thresholds == {}


def test_json_and_tables_say_the_language(model: Path) -> None:
    results = list(mien.predict_many([GERMAN, NAME], str(model)))
    german, name = (json.loads(json.dumps(result.to_dict())) for result in results)
    assert (german["language"], "language" in name) == ("de", False)
    back = Result.from_dict(german)
    assert (back.language, set(back.items[0].labels)) == ("de", {"joy", "fear"}), "the labels are told by the JSON"
    assert Result.from_dict(name).language is None
    tuned = read_manifest(model).tuned("de")
    assert Result.from_dict(german, GO, tuned["goemotions28"]).items[0].thresholds == USUAL | {"joy": ALWAYS}
    frame = to_frame(results)
    assert frame["language"].tolist()[0] == "de"
    assert frame["language"].isna().tolist() == [False, True]
    assert _example(mien.load(model)).language == "de", "so that shards have the column"


def test_the_command_line_says_the_language(run_cli: RunCli, model: Path, tmp_path: Path) -> None:
    def read(*words: object) -> list[tuple[Any, set[str]]]:
        done = run_cli("predict", *words, "--model", model, "--json")
        assert done.returncode == 0, done.stderr
        results = json.loads(done.stdout)["results"]
        return [(row.get("language"), set(row["items"][0]["labels"])) for row in results]

    assert read(GERMAN, ENGLISH) == [("de", {"joy", "fear"}), ("en", {"fear"})]
    assert read(GERMAN, ENGLISH, "--language", "de") == [("de", {"joy", "fear"})] * 2
    assert read(GERMAN, "--labels", "ekman7") == [("de", {"anger"})]
    (table := tmp_path / "texts.csv").write_text(f'language,text\nx,{ENGLISH}\ny,"{GERMAN}"\n', "utf-8")
    done = run_cli("predict", table, "--model", model, "--out", tmp_path / "out.csv")
    assert done.returncode == 0, done.stderr
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["language"], row["predicted_language"]) for row in rows] == [("x", "en"), ("y", "de")]


def test_a_report_counts_what_holds_in_the_language(model: Path) -> None:
    texts = [GERMAN, FRENCH, FRENCH, ENGLISH]
    found = mien.report(texts, model=str(model)).document
    assert found["unsure"]["count"] == 2, "in French none holds"
    assert mien.report(texts, model=str(model), language="fr").document["unsure"]["count"] == 4


# -------------------------------------------------------------------------------------------------------------- figures


def labeled(texts: Sequence[str], *labels: str) -> Dataset:
    """Texts that carry one label each, or none."""
    targets = np.array([[name == label for name in GO.names] for label in labels], np.float32)
    return Dataset("own", "text", GO, list(texts), targets, np.array(["test"] * len(texts), object))


#: Joy is said of the three in German alone: right of two of them, and missing in the others.
TEXTS = [GERMAN, "Er ist weg und kommt nie wieder zu mir", "Das ist doch wirklich nicht schön", ENGLISH, FRENCH, NAME]
TRUE = ["joy", "", "joy", "joy", "fear", "joy"]


def test_figures_go_by_the_language_of_each_text(model: Path) -> None:
    found = evaluate(mien.load(model), labeled(TEXTS, *TRUE), "test").figures
    joy, fear = found["per_label"]["joy"], found["per_label"]["fear"]
    assert found["confusion"]["per_label"]["joy"] == {"tp": 2, "fp": 1, "fn": 2, "tn": 1}
    assert (joy["precision"], joy["recall"]) == (pytest.approx(2 / 3), pytest.approx(1 / 2))
    assert found["confusion"]["per_label"]["fear"] == {"tp": 0, "fp": 5, "fn": 1, "tn": 0}, "in French it never holds"
    assert (joy["threshold"], fear["threshold"]) == (NEVER, ALWAYS), "the usual ones are reported"


def test_figures_of_a_coarser_space_go_by_its_thresholds(model: Path) -> None:
    found = evaluate(mien.load(model), labeled(TEXTS[:4], "anger", "anger", "joy", "anger"), "test", labels="ekman7")
    assert found.figures["confusion"]["per_label"]["anger"] == {"tp": 2, "fp": 1, "fn": 1, "tn": 0}
    assert found.figures["per_label"]["anger"]["threshold"] == NEVER


def test_figures_of_texts_whose_language_is_said_go_by_that(model: Path) -> None:
    reader = mien.load(model).written_in("de")
    assert evaluate(reader, labeled(TEXTS, *TRUE), "test").figures["per_label"]["joy"]["recall"] == 1.0


def test_a_wrapped_model_is_measured_alike(model: Path) -> None:
    class Own:
        def __init__(self, inner: Any, *names: str) -> None:
            self.name, self.space, self.manifest = inner.name, inner.space, inner.manifest
            self.predict_proba = inner.predict_proba
            for name in names:
                setattr(self, name, getattr(inner, name))

    data, inner = labeled(TEXTS, *TRUE), mien.load(model)
    assert evaluate(Own(inner, "language_of"), data, "test").figures["per_label"]["joy"]["recall"] == 0.5
    assert evaluate(Own(inner), data, "test").figures["per_label"]["joy"]["recall"] == 0.0, "it knows no language"
    answers = HeldOut(inner.manifest, inner.predict_proba(TEXTS))
    assert evaluate(answers, data, "test").figures["per_label"]["joy"]["recall"] == 0.0


def test_the_classifier_goes_by_the_language(model: Path) -> None:
    made = EmotionClassifier("text")
    made.classes_, made.model_files_, made._predictor = np.array(GO.names), _files(model), None
    said = made.predict(iter(TEXTS))
    assert said[:, GO.index("joy")].tolist() == [1, 1, 1, 0, 0, 0]
    assert said[:, GO.index("fear")].tolist() == [1, 1, 1, 1, 0, 1]


# --------------------------------------------------------------------------------------------------------------- server


def test_the_server_and_its_client_say_the_language(model: Path) -> None:
    given, local = [GERMAN, ENGLISH, FRENCH, NAME], mien.load(model)
    with serving("--model", model) as server, Client(f"http://127.0.0.1:{server.port}") as client:
        rows = server.post("/v1/text", {"inputs": given}).json()["results"]
        assert [row.get("language") for row in rows] == ["de", "en", "fr", None]
        (row,) = server.post("/v1/text", {"inputs": [ENGLISH], "language": "de", "labels": "ekman7"}).json()["results"]
        assert (row["language"], row["items"][0]["labels"]) == ("de", ["anger"])
        card = server.get("/v1/models/tiny-multi").json()
        assert card["language_thresholds"] == BY_LANGUAGE
        schemas = server.get("/openapi.json").json()["components"]["schemas"]
        assert "language" in schemas["Result"]["properties"]
        assert "language_thresholds" in schemas["ModelCard"]["properties"]
        for language in (None, "de", "any"):
            far = client.predict_many(given, language=language)
            for ours, theirs in zip(local.written_in(language).predict_many(given), far, strict=True):
                assert (theirs.language, held(theirs)) == (ours.language, held(ours))
                assert theirs.items[0].thresholds == ours.items[0].thresholds
                assert theirs.rollup_thresholds == ours.rollup_thresholds
                assert theirs.rollup("ekman7").items[0].labels == ours.rollup("ekman7").items[0].labels
        rolled, there = local.predict(GERMAN).rollup("ekman7"), client.predict(GERMAN, labels="ekman7")
        assert (there.language, held(there)) == ("de", {"anger"})
        assert there.items[0].thresholds == rolled.items[0].thresholds
        assert there.rollup_thresholds == rolled.rollup_thresholds


def test_the_client_of_an_older_server_takes_what_the_answer_says(model: Path) -> None:
    result = mien.load(model).predict(GERMAN)
    client = Client("http://127.0.0.1:9")
    facts = {
        "spaces": ["goemotions28"], "label_spaces": {"goemotions28": [{"name": name} for name in GO.names]},
        "multilabel_spaces": ["goemotions28"], "thresholds": {"goemotions28": USUAL}, "modality": "text",
    }  # fmt: skip
    client._facts["tiny-multi"] = facts
    row = {key: value for key, value in result.to_dict().items() if key != "language"}
    (one,) = _finished(client._results([_sent(GERMAN)], {"model": "tiny-multi", "results": [row]}, None))
    assert (one.language, set(one.items[0].labels)) == (None, {"joy", "fear"})
    client.close()


def _sent(text: str) -> Any:
    from mien.client import _prepare

    return _prepare(text, "text")


def _finished(talk: Any) -> Any:
    with pytest.raises(StopIteration) as end:
        next(talk)
    return end.value.value


def test_a_space_of_ones_own_is_found_by_name(tiny_multi: Path, tmp_path: Path) -> None:
    own = make_space("mine", [f"l{n}" for n in range(28)], multilabel=True)
    labels = LabelsEntry(space="mine", names=list(own.names), multilabel=True)
    folder = changed(
        tiny_multi, tmp_path / "own", labels=labels, rollups={}, thresholds=dict.fromkeys(own.names, NEVER),
        language_thresholds={"mine": {"fr": {"l3": ALWAYS}}},
    )  # fmt: skip
    reader = mien.load(folder)
    assert held(reader.predict(FRENCH)) == {"l3"}
    assert (reader.predict(DUTCH).language, held(reader.predict(DUTCH))) == ("nl", {"strongest"}), "it reads any"
