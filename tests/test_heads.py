"""Further label spaces of a network: what data sets say of them, their loss, calibration, export and answers."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from torch.nn import functional

import mien
from mien.client import Client
from mien.datasets import Dataset
from mien.errors import DataError, RecipeError
from mien.labels import SENTIMENT_OF, SPACES, make_space, sentiment_places
from mien.training.export import Answers, HeadScale
from mien.training.heads import head_targets, make_heads
from mien.training.mixture import scale_head
from mien.training.network import _heads
from mien.training.objective import Objective, source
from mien.training.package import Fitted
from mien.training.ratings import Ratings
from mien.training.settings import DistillSettings, TrainSettings
from serving import serving

EKMAN = SPACES["ekman7"].as_multilabel(True)
GO = SPACES["goemotions28"]
nan = np.nan


def texts(space, targets, **more):
    targets = np.asarray(targets, np.float32 if space.multilabel else np.int64)
    inputs = [f"text {number}" for number in range(len(targets))]
    return Dataset("own", "text", space, inputs, targets, np.full(len(targets), "train"), **more)


def test_labels_lead_to_a_space_in_which_several_hold():
    carer = texts(SPACES["carer6"], [2, 3])  # love, anger
    np.testing.assert_array_equal(head_targets(carer, EKMAN), [[0, nan, 0, 1, 0, 0, nan], [1, nan, 0, 0, 0, 0, nan]])


def test_where_no_label_holds_it_is_neutral_and_a_label_that_a_set_lacks_is_not_known():
    five = make_space("five", ["anger", "fear", "joy", "sadness", "surprise"], multilabel=True)
    found = head_targets(texts(five, [[0, 0, 0, 0, 0], [1, 0, 1, 0, 0]]), EKMAN)
    np.testing.assert_array_equal(found, [[0, nan, 0, 0, 0, 0, 1], [1, nan, 0, 1, 0, 0, 0]])


def test_sentiment_is_mixed_where_good_and_bad_hold_and_unknown_where_neither_does():
    rows = np.zeros((5, 28), np.float32)
    for row, names in enumerate(["joy", "anger,love", "neutral", "surprise", "grief,neutral"]):
        for name in names.split(","):
            rows[row, GO.index(name)] = 1
    wanted = [[1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0], [0, 0, 0, 0], [0, 1, 0, 0]]
    np.testing.assert_array_equal(head_targets(texts(GO, rows), SPACES["sentiment"]), wanted)


def test_every_label_of_the_spaces_of_text_has_a_sentiment():
    for name in ("goemotions28", "carer6", "ekman7"):
        places = sentiment_places(SPACES[name])
        assert sorted(place for some in places.values() for place in some) == list(range(len(SPACES[name])))
        assert list(places) == list(SENTIMENT_OF)


def test_votes_go_before_labels():
    votes = np.zeros((2, 7), np.float32)
    votes[0, [0, 4]] = 0.5
    part = texts(SPACES["carer6"], [1, 1], votes={"ekman7": votes})
    np.testing.assert_array_equal(head_targets(part, SPACES["ekman7"]), votes)
    np.testing.assert_array_equal(head_targets(part, EKMAN), [[1, 0, 0, 0, 1, 0, 0], [nan] * 7])


def test_what_no_map_leads_to_is_not_told():
    assert head_targets(texts(make_space("own", ["red", "blue"]), [0, 1]), EKMAN) is None
    assert head_targets(texts(SPACES["affect"], np.zeros((3, 0))), EKMAN) is None


def objective(weight=0.4, distill=None, ratings=None):
    heads = make_heads(["ekman7", "sentiment"], ["ekman7"], 6)
    train = TrainSettings(also=["ekman7", "sentiment"], also_multilabel=["ekman7"], also_weight=weight)
    space = SPACES["carer6"]
    sources = [source(space, space), source(GO, space, 0.5, own=False)]
    return Objective(space, sources, train, distill or DistillSettings(), np.full(6, 1 / 6), heads, ratings)


def random(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_the_loss_is_that_of_the_own_labels_and_the_mean_of_the_heads():
    output, targets = random(3, 17), torch.tensor([1, 0, 5])
    several = torch.tensor([[1.0, 0, 0, 0, 1, 0, nan], [0, 0, 1, 0, 0, 0, 0], [nan] * 7])
    shares = torch.tensor([[1.0, 0, 0, 0], [0, 0, 0, 0], [0, 0.5, 0.5, 0]])
    found = objective()(output, targets, also={"ekman7": several, "sentiment": shares})
    own = functional.cross_entropy(output[:, :6], targets, reduction="none")
    known = torch.where(several.isnan(), 0.0, several)
    each = functional.binary_cross_entropy(output[:, 6:13].sigmoid(), known, reduction="none")
    first = torch.where(several.isnan(), 0.0, each).sum(1)
    second = -(shares * output[:, 13:].softmax(1).log()).sum(1)
    torch.testing.assert_close(found, 0.6 * own + 0.4 * (first + second) / 2)


def test_a_set_in_other_labels_teaches_the_heads_alone():
    output = random(2, 17).requires_grad_()
    several = torch.zeros(2, 7)
    objective()(output, torch.zeros(2, 28), place=1, also={"ekman7": several}).sum().backward()
    assert output.grad[:, :6].abs().max() == 0
    assert output.grad[:, 13:].abs().max() == 0
    wanted = 0.5 * 0.4 / 2 * output.detach()[:, 6:13].sigmoid()
    torch.testing.assert_close(output.grad[:, 6:13], wanted)


def test_a_teacher_is_followed_in_heads_that_nobody_labeled():
    distill = DistillSettings(teacher="x", weight=0.25, about="all")
    output = random(2, 17).requires_grad_()
    teacher = torch.cat([random(2, 6).softmax(1), random(2, 7).sigmoid(), random(2, 4).softmax(1)], 1)
    objective(distill=distill)(output, torch.zeros(2, 28), place=1, teacher=teacher).sum().backward()
    logits = output.detach()
    wanted = [
        0.6 * 0.25 * (logits[:, :6].softmax(1) - teacher[:, :6]),
        0.2 * 0.25 * (logits[:, 6:13].sigmoid() - teacher[:, 6:13]),
        0.2 * 0.25 * (logits[:, 13:].softmax(1) - teacher[:, 13:]),
    ]
    torch.testing.assert_close(output.grad, 0.5 * torch.cat(wanted, 1), atol=1e-5, rtol=1e-4)


def test_answers_scale_each_head_before_its_last_step():
    class Fixed(torch.nn.Module):
        gives_features = False

        def forward(self, inputs):
            return inputs

    scales = [
        HeadScale(True, np.full(7, 2, np.float32), np.full(7, -1, np.float32)),
        HeadScale.plain(SPACES["sentiment"]),
    ]
    ratings = Ratings(("valence",), ((1.0, 5.0),))
    found, rated = Answers(Fixed(), False, 2.0, scales, ratings)(inputs := random(3, 18))
    wanted = [(inputs[:, :6] / 2).softmax(1), (inputs[:, 6:13] * 2 - 1).sigmoid(), inputs[:, 13:17].softmax(1)]
    torch.testing.assert_close(found, torch.cat(wanted, 1))
    torch.testing.assert_close(rated, inputs[:, 17:].clamp(-1, 1) * 2 + 3)


def test_heads_are_calibrated_where_something_is_known():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(2000, 3))
    true = (rng.random((2000, 3)) < 1 / (1 + np.exp(-(0.5 * logits - 1)))).astype(np.float32)
    true[:, 1] = np.where(rng.random(2000) < 0.5, true[:, 1], nan)
    true[:, 2] = 0  # a label that never holds says nothing of its scale
    found = scale_head(logits, true, True)
    np.testing.assert_allclose([found.scale[:2], found.bias[:2]], [[0.5, 0.5], [-1, -1]], atol=0.17)
    assert (found.scale[2], found.bias[2]) == (1, 0)
    known = ~np.isnan(true[:, 1])
    reference = LogisticRegression(C=100.0).fit(logits[known, 1:2], true[known, 1])
    np.testing.assert_allclose(found.scale[1], reference.coef_[0, 0], rtol=1e-4)


@given(st.integers(0, 50))
def test_a_calibrated_head_keeps_the_order_of_each_label(seed):
    rng = np.random.default_rng(seed)
    logits, true = rng.normal(size=(30, 2)), (rng.random((30, 2)) < 0.5).astype(np.float32)
    assert (scale_head(logits, true, True).scale > 0).all()
    assert len(set(scale_head(logits, np.eye(2, dtype=np.float32)[rng.integers(2, size=30)], False).scale)) == 1


TINY = {
    "name": "tiny", "preprocess": {"max_length": 16}, "tokenizer": {"kind": "word"},
    "network": {"kind": "transformer", "weights": "", "layers": 1, "hidden": 8, "heads": 2, "inner": 16},
    "train": {
        "epochs": 3, "learning_rate": 0.02, "also": ["ekman7", "sentiment"], "also_multilabel": ["ekman7"],
        "ratings": ["valence"], "monitor": "val_loss",
    },
    "export": {"quantize": "int8", "quantize_tolerance": 1.0, "sure_rate": 0.7, "coverage": 0.8},
}  # fmt: skip


def written(path, rows, header="text,label"):
    path.write_text("\n".join([header, *rows]) + "\n", "utf-8")
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run on emotions of two kinds, and on ratings."""
    home = tmp_path_factory.mktemp("heads")
    (home / "tiny.yaml").write_text(json.dumps(TINY), "utf-8")
    said = {"joy": "what a lovely day", "anger": "this makes me furious", "neutral": "the bus is at nine"}
    targets = np.stack([np.eye(28, dtype=np.float32)[GO.index(label)] for label in said] * 20)
    fine = Dataset(
        "fine", "text", GO, [f"{text} {n}" for n in range(20) for text in said.values()], targets,
        np.array(["train"] * 42 + ["val"] * 18),
    )  # fmt: skip
    folder = home / "carer"
    folder.mkdir()
    for split, size in {"train": 30, "val": 12, "test": 6}.items():
        lines = [f"lovely words {n};joy\nfurious words {n};anger" for n in range(size // 2)]
        (folder / f"{split}.txt").write_text("\n".join(lines) + "\n", "utf-8")
    space = SPACES["affect"]
    rated = Dataset(
        "rated", "text", space, [f"lovely {n}" if n % 2 else f"furious {n}" for n in range(30)],
        np.zeros((30, 0), np.float32), np.array(["train"] * 20 + ["val"] * 10),
        ratings={"valence": np.array([4.5 if n % 2 else 1.5 for n in range(30)], np.float32)},
        scales={"valence": (1.0, 5.0)},
    )  # fmt: skip
    return mien.train(home / "tiny.yaml", [fine, f"carer:{folder}", rated], home / "run")


def test_a_model_answers_in_each_of_its_spaces_and_rates(run):
    model = mien.load(run.model)
    manifest = model.manifest
    assert [(head.space, head.multilabel) for head in manifest.heads] == [("ekman7", True), ("sentiment", False)]
    assert set(manifest.rollups["ekman7"]) == set(SPACES["ekman7"].names)
    assert [entry.name for entry in manifest.ratings] == ["valence"]
    answer = model.with_labels("ekman7").predict("what a lovely day")
    assert answer.items[0].space.name == "ekman7"
    assert 1 <= answer.items[0].ratings["valence"] <= 5
    shares = model.with_labels("sentiment").predict("this makes me furious").items[0].scores
    assert sum(shares.values()) == pytest.approx(1, abs=1e-5)
    everything = model.with_all_labels().predict_proba(["a", "b"])
    assert everything.shape == (2, len(model.space) + 7 + 4)
    np.testing.assert_array_equal(
        everything[:, len(model.space) : len(model.space) + 7], model.with_labels("ekman7").predict_proba(["a", "b"])
    )
    assert model.with_all_labels().predict_proba([]).shape == (0, len(model.space) + 11)


def test_a_long_text_is_rated_over_its_windows(run):
    model = mien.load(run.model)
    long = "lovely " * 40 + "furious " * 40
    assert len(model.preprocessor.encode([long])[0]) > 2
    low, high = sorted(model.ratings(["lovely lovely", "furious furious"])[:, 0])
    assert low - 0.1 <= model.ratings([long])[0, 0] <= high + 0.1


def test_the_head_has_its_own_thresholds(run):
    model = mien.load(run.model).with_labels("ekman7")
    assert model.predict("what a lovely day").items[0].thresholds == model.manifest.rollups["ekman7"]


def test_a_set_that_is_given_twice_to_weigh_more_is_calibrated_on_once():
    one = texts(GO, np.eye(28, dtype=np.float32)[[0, 1]])
    other = texts(SPACES["carer6"], np.array([0, 1]))
    assert Fitted(None, None, one, one, [one, other, other], [one, other, other]).mixture == [one, other]


def test_its_thresholds_are_not_those_of_answers_that_are_rolled_up(run):
    model = mien.load(run.model)
    assert set(model.manifest.rollups) == {"carer6", "ekman7"}
    near = model.predict("what a lovely day")
    with serving("--model", run.model) as server, Client(f"http://127.0.0.1:{server.port}") as client:
        far, head = (client.predict("what a lovely day", labels=labels) for labels in (None, "ekman7"))
    for result in (near, far):
        assert result.rollup("ekman7").items[0].thresholds == {}
        assert result.rollup("carer6").items[0].thresholds == model.manifest.rollups["carer6"]
    assert head.items[0].thresholds == model.manifest.rollups["ekman7"]


def test_an_estimator_learns_from_its_one_set_alone(tmp_path):
    recipe = TINY | {"train": TINY["train"] | {"epochs": 1, "mix_weight": [1, 2]}}
    (tmp_path / "tiny.yaml").write_text(json.dumps(recipe), "utf-8")
    texts = [f"{word} words {n}" for n in range(10) for word in ("lovely", "furious")]
    fitted = mien.EmotionClassifier(tmp_path / "tiny.yaml", validation_fraction=0.3).fit(texts, ["joy", "anger"] * 10)
    assert (fitted.predictor.manifest.heads, fitted.predictor.manifest.ratings) == ([], [])


def test_it_states_when_it_is_sure_by_the_validation_data_of_all_sets(run):
    model = mien.load(run.model)
    stated = model.manifest.certainty
    assert set(stated) == {"ekman7", "carer6", "sentiment"}, "18 samples are too few to state anything of the 28"
    assert stated["ekman7"].corpora == ["fine", "carer"]
    assert (stated["ekman7"].n, stated["ekman7"].coverage) == (30, 0.8)
    answer = model.with_labels("ekman7").predict("what a lovely day").items[0]
    assert answer.label_set
    assert answer.unsure == (answer.score < stated["ekman7"].threshold)
    assert not model.predict("what a lovely day").items[0].label_set


def test_what_cannot_be_learned_is_one_line(tmp_path):
    (tmp_path / "tiny.yaml").write_text(json.dumps(TINY), "utf-8")
    recipe = tmp_path / "tiny.yaml"
    rows = [f"text number {n},{'joy' if n % 2 else 'anger'}" for n in range(30)]
    data = f"table:{written(tmp_path / 'own.csv', rows)}"
    cases = [
        ("train.also=[ekman8]", "there is no label space 'ekman8'"),
        ("train.also_multilabel=[carer6]", "'carer6' is not among train.also"),
        ("train.ratings=[arousal]", "no data set has 'arousal'"),
    ]
    for setting, line in cases:
        with pytest.raises(RecipeError, match=line):
            mien.train(recipe, data, tmp_path / "run", settings=[setting], report=False)
    other = f"table:{written(tmp_path / 'other.csv', [row.replace('joy', 'red') for row in rows])}"
    rated = texts(SPACES["affect"], np.zeros((3, 0)))
    with pytest.raises(DataError, match=r"train.also: own has no labels; name a data set first that has some"):
        _heads(TrainSettings(also=["ekman7"]), [rated, texts(GO, np.zeros((2, 28)))], 0)
    with pytest.raises(DataError, match="is not labeled in 'ferplus8'"):
        mien.train(
            recipe, other, tmp_path / "run", report=False,
            settings=["train.also=[ferplus8]", "train.also_multilabel=[]", "train.ratings=[]"],
        )  # fmt: skip
