"""Training from data to model folder, through ``mien.train`` and the command line."""

from __future__ import annotations

import csv
import json
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from safetensors.torch import load_file
from tokenizers import Tokenizer

import mien
import warm
from conftest import cli_env
from mien.cli.app import app
from mien.datasets import Dataset, open_dataset
from mien.errors import DataError, MienError, RecipeError
from mien.labels import SPACES
from mien.networks import gru
from mien.training import run as runs
from mien.training.folder import prepare_run_dir
from mien.training.log import log_to
from mien.training.network import teacher_probabilities
from mien.training.recipe import load_recipe
from mien.training.sampler import open_sampler
from mien.training.settings import DistillSettings

torch.set_num_threads(1)
pytestmark = pytest.mark.slow
WORDS = {"joy": "glad sunny delight", "anger": "furious rage livid", "sadness": "gloomy weep lonely"}
NOISE = "the a of it was we they this that then here there very now walk house tree road"
TRAIN, VAL = 271, 60  # the last batch of 15 holds one sample, which only one of two processes can take
SMALL = [
    "embedding=16", "hidden=16", "network.head=16", "members=1", "network.dropout=0.1", "epochs=6", "batch_size=15",
    "learning_rate=0.02", "typo=0.1",
]  # fmt: skip
STILL = ["network.dropout=0", "embedding_dropout=0", "token_dropout=0", "typo=0"]
START = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from mien.cli.app import main; main()"


def texts(label: str, n: int, seed: int = 0, words: dict[str, str] = WORDS) -> list[str]:
    """Sentences with one word that tells the label among others that tell nothing."""
    rng = np.random.default_rng([seed, *label.encode()])
    rows = []
    for _ in range(n):
        told = [rng.choice(words[part].split()) for part in label.split("|")]
        rows.append(" ".join(rng.permutation([*rng.choice(NOISE.split(), rng.integers(2, 8)), *told])))
    return rows


def write(path: Path, rows: list[tuple[str, str, str]]) -> str:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("text", "label", "split"), *rows])
    return f"table:{path}"


def corpus(path: Path, seed: int = 0, train: int = TRAIN) -> str:
    labels = [list(WORDS)[i % 3] for i in range(train + VAL)]
    made = {label: iter(texts(label, train + VAL, seed)) for label in WORDS}
    return write(path, [(next(made[x]), x, "train" if i < train else "val") for i, x in enumerate(labels)])


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> str:
    return corpus(tmp_path_factory.mktemp("data") / "made.csv")


@pytest.fixture(scope="module")
def done(data, tmp_path_factory) -> runs.Run:
    """A finished run of a small text-gru. Not to be changed."""
    return mien.train("text-gru", data, tmp_path_factory.mktemp("done") / "run", settings=SMALL)


def history(run: Path) -> list[dict]:
    rows = json.loads((run / "model" / "manifest.json").read_text())["training"]["history"]
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


def probabilities(run: Path) -> np.ndarray:
    return mien.load(run).predict_proba([text for label in WORDS for text in texts(label, 20, seed=9)])


def start(*args: object, cwd: Path | None = None) -> subprocess.Popen[str]:
    env = cli_env() | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", START, "train", *map(str, args)]
    return warm.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env, cwd=cwd)


def wait_for_line(process: subprocess.Popen[str], beginning: str) -> list[str]:
    """Wait for a line on standard error; gives those up to it."""
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(line)
        if line.startswith(beginning):
            return lines
    pytest.fail("".join(lines))


def sets(settings: list[str]) -> list[str]:
    return [part for setting in settings for part in ("--set", setting)]


def test_the_gru_learns_and_its_run_folder_holds_everything(done, data):
    assert done.metrics["accuracy"] > 0.9
    names = {"config.yaml", "history.json", "checkpoints", "report", "model"}
    assert {path.name for path in done.folder.iterdir()} == names
    assert {path.name for path in (done.folder / "checkpoints").iterdir()} == {"last.ckpt", "best.ckpt"}
    assert (done.folder / "report" / "report.html").stat().st_size > 1000
    files = {"manifest.json", "model.onnx", "tokenizer.json", "weights.safetensors", "README.md"}
    assert {path.name for path in done.model.iterdir()} == files
    config = yaml.safe_load((done.folder / "config.yaml").read_text())
    assert config["recipe"]["network"]["hidden"] == 16
    assert config["data"] == [{"spec": data, "fingerprint": mien.open_dataset(data).fingerprint}]
    right = np.repeat(np.arange(3), 20)
    order = [mien.load(done.folder).space.index(label) for label in WORDS]
    assert (probabilities(done.folder)[:, order].argmax(1) == right).mean() > 0.9


def test_the_manifest_tells_loss_and_accuracy_of_each_epoch(done):
    manifest = mien.load(done.folder).manifest
    rows = manifest.training["history"]
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4, 5, 6]
    for row in rows:
        assert all(np.isfinite(row[f"{part}_{what}"]) for part in ("train", "val") for what in ("loss", "accuracy"))
    assert rows[-1]["train_loss"] < 0.7 * rows[0]["train_loss"]
    (kept,) = [row for row in rows if row.get("kept")]
    assert kept["val_accuracy"] == max(row["val_accuracy"] for row in rows)
    assert kept["val_accuracy"] == pytest.approx(done.metrics["accuracy"], abs=1e-6)
    assert manifest.metrics["made/val"] == done.metrics
    layout = {row["name"]: row for row in manifest.training["layout"]}
    assert layout["members.0.forwards"]["parameters"] == 3 * 16 * (16 + 16 + 2)


def test_the_model_folder_gives_the_networks_probabilities(done):
    manifest, sentences = mien.load(done.folder).manifest, texts("joy", 8, seed=2)
    tokenizer = Tokenizer.from_file(str(done.model / "tokenizer.json"))
    settings = gru.Settings(embedding=16, hidden=16, head=16)
    network = gru.Network(settings, labels=3, vocabulary=tokenizer.get_vocab_size(), pad_id=0)
    network.load_state_dict(load_file(done.model / "weights.safetensors"))
    rows = [torch.tensor([tokenizer.encode(text).ids]) for text in sentences]
    with torch.inference_mode():
        logits = torch.cat([network.eval()(row) for row in rows])
    wanted = (logits / manifest.training["temperature"]).softmax(1)
    np.testing.assert_allclose(mien.load(done.folder).predict_proba(sentences), wanted, atol=1e-4)


def test_the_same_seed_gives_the_same_model_and_another_another(done, data, tmp_path):
    again = mien.train("text-gru", data, tmp_path / "again", settings=SMALL)
    np.testing.assert_array_equal(probabilities(again.folder), probabilities(done.folder))
    assert history(again.folder) == history(done.folder)
    other = mien.train("text-gru", data, tmp_path / "other", settings=SMALL, seed=1, epochs=1)
    assert history(other.folder)[0]["train_loss"] != history(done.folder)[0]["train_loss"]


def test_a_stopped_run_repeats_no_epoch_that_it_reported(done, data, tmp_path):
    """Stopped at the very line, by Ctrl-C and then by a kill; gone on with by the command that was printed."""
    args, run = ["text-gru", "--data", data, *sets(SMALL)], Path("runs/text-gru-1")
    again = ["mien", "train", *args, "--out", str(run), "--resume"]
    told = []
    for command, line, how in ((args, "epoch 2/6", signal.SIGINT), (again[2:], "epoch 4/6", signal.SIGKILL)):
        with start(*command, cwd=tmp_path) as process:
            told += wait_for_line(process, line)
            process.send_signal(how)
            told += process.communicate(timeout=120)[1].splitlines()
        assert process.returncode == (1 if how == signal.SIGINT else -signal.SIGKILL)
        if how == signal.SIGINT:
            assert told.pop() == f"mien: stopped: the epochs done are kept; go on with: {shlex.join(again)}"
    assert not (tmp_path / run / "model").exists()
    with start(*again[2:], cwd=tmp_path) as process:
        out, last = process.communicate(timeout=120)
    assert process.returncode == 0, last
    reported = [line[:9] for line in (*told, *last.splitlines()) if line.startswith("epoch ")]
    assert reported == [f"epoch {number}/6" for number in range(1, 7)]
    assert out.strip() == str(run)
    assert history(tmp_path / run) == history(done.folder)
    one, other = (load_file(folder / "model" / "weights.safetensors") for folder in (tmp_path / run, done.folder))
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert torch.equal(value, other[name]), name


@pytest.mark.parametrize("name", ["last.ckpt", "best.ckpt"])
def test_a_damaged_checkpoint_is_one_line(name, done, data, tmp_path):
    shutil.copytree(done.folder, tmp_path / "run", ignore=shutil.ignore_patterns("model", "report"))
    path = tmp_path / "run" / "checkpoints" / name
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(MienError, match=f"{name} is damaged: the run cannot be resumed"):
        mien.train("text-gru", data, tmp_path / "run", settings=SMALL, resume=True)


def test_ctrl_c_before_training_promises_nothing(data, tmp_path, monkeypatch):
    def stopped(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(runs, "open_dataset", stopped)
    args = ["train", "text-gru", "--data", data, "--out", str(tmp_path / "run")]
    with pytest.raises(MienError, match=r"^stopped before training began$"):
        app(args, standalone_mode=False)


def test_ctrl_c_in_folds_names_the_command(tmp_path):
    spec = corpus(tmp_path / "my data.csv", train=60)
    args = ["text-gru", "--data", spec, "--out", "run", "--folds", "2", *sets(SMALL)]
    with start(*args, cwd=tmp_path) as process:
        wait_for_line(process, "epoch 1/6")
        process.send_signal(signal.SIGINT)
        told = process.communicate(timeout=120)[1].splitlines()[-1]
    again = shlex.join(["mien", "train", *args, "--resume"])
    assert told == f"mien: stopped: the folds and epochs done are kept; go on with: {again}"
    assert "my data.csv'" in told


def test_a_run_folder_is_not_taken_over(done, data, tmp_path):
    def again(recipe="text-gru", spec=data, out=done.folder, **more):
        return mien.train(recipe, spec, out, settings=SMALL, **more)

    before = (done.model / "manifest.json").read_bytes()
    with pytest.raises(RecipeError, match="holds a run already"):
        again()
    with pytest.raises(RecipeError, match=r"another recipe \(network\.hidden: \d+, now 17\); resume"):
        again(resume=True, hidden=17)
    with pytest.raises(RecipeError, match="another data"):
        again(resume=True, spec=corpus(tmp_path / "made.csv", seed=1))
    with pytest.raises(RecipeError, match="no run to resume"):
        again(resume=True, out=tmp_path / "nothing")
    config = done.folder / "config.yaml"
    written = config.read_text("utf-8")
    earlier = yaml.safe_load(written)
    del earlier["recipe"]["train"]["mixup"], earlier["recipe"]["search"]  # as of a version that did not have them yet
    config.write_text(yaml.safe_dump(earlier), "utf-8")
    finished = again(resume=True)
    config.write_text(written, "utf-8")
    assert (finished.metrics, finished.model) == (done.metrics, done.model)
    assert (done.model / "manifest.json").read_bytes() == before


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"word", "no mapping"),
        (b"- 1\n- 2\n", "no mapping"),
        (b"a: [1\n", "not YAML"),
        (b"\xff\xfe:", "utf-8"),
    ],
)
def test_a_damaged_config_is_named(done, data, tmp_path, content, said):
    run = tmp_path / "run"
    shutil.copytree(done.folder, run)
    (run / "config.yaml").write_bytes(content)
    with pytest.raises(RecipeError, match=said) as told:
        mien.train("text-gru", data, run, settings=SMALL, resume=True)
    assert str(told.value).startswith(f"{run / 'config.yaml'} is damaged")
    assert len(str(told.value).splitlines()) == 1
    assert mien.load(run).predict("they were furious").label  # the model folder does not need it
    assert {path.name for path in run.iterdir()} == {path.name for path in done.folder.iterdir()}


def test_a_config_is_there_whole_or_not_at_all(tmp_path, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("os.replace", killed)
        with pytest.raises(KeyboardInterrupt):
            prepare_run_dir(tmp_path / "run", {"recipe": {}}, resume=False, begun=False)
    assert not (tmp_path / "run" / "config.yaml").exists()
    prepare_run_dir(tmp_path / "run", {"recipe": {}}, resume=False, begun=False)
    assert yaml.safe_load((tmp_path / "run" / "config.yaml").read_text()) == {"recipe": {}}


def test_a_summary_in_other_words_is_no_other_run(tmp_path: Path) -> None:
    recipe = load_recipe("text-gru").model_dump(mode="json")
    held = prepare_run_dir(tmp_path / "run", {"recipe": recipe}, resume=False, begun=False)
    del held
    prepare_run_dir(tmp_path / "run", {"recipe": recipe | {"summary": "said anew"}}, resume=True, begun=True)
    other = recipe | {"train": recipe["train"] | {"epochs": 99}}
    with pytest.raises(RecipeError, match=r"another recipe \(train\.epochs: \d+, now 99\)"):
        prepare_run_dir(tmp_path / "run", {"recipe": other}, resume=True, begun=True)


def test_early_stopping_and_a_stop_while_the_model_folder_is_written(data, tmp_path, monkeypatch):
    settings = [*SMALL, "learning_rate=1e-9", "schedule=constant", "epochs=30", "patience=2"]

    def stopped(_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(runs, "headline", stopped)
        with pytest.raises(KeyboardInterrupt):
            mien.train("text-gru", data, tmp_path / "run", settings=settings)
    rows = json.loads((tmp_path / "run" / "history.json").read_text())
    assert len(rows) == 3  # the first is the best, and two are no better
    finished = mien.train("text-gru", data, tmp_path / "run", settings=settings, resume=True)
    assert finished.metrics == mien.load(finished.folder).manifest.metrics["made/val"]
    assert [row["epoch"] for row in history(finished.folder) if row.get("kept")] == [1]
    assert len(history(finished.folder)) == 3


def test_two_processes_train_as_one(data, tmp_path):
    settings = [*SMALL, *STILL, "epochs=2"]
    one = mien.train("text-gru", data, tmp_path / "one", settings=settings)
    told: list[str] = []
    with log_to(told.append):
        two = mien.train("text-gru", data, tmp_path / "two", settings=settings, devices=2, accelerator="cpu")
    assert [line[:9] for line in told if line.startswith("epoch ")] == ["epoch 1/2", "epoch 2/2"]
    for alone, shared in zip(history(one.folder), history(two.folder), strict=True):
        assert shared == pytest.approx(alone, abs=1e-4)
    assert two.metrics["accuracy"] == pytest.approx(one.metrics["accuracy"], abs=1e-4)
    np.testing.assert_allclose(probabilities(two.folder), probabilities(one.folder), atol=1e-3)


def test_too_few_samples_to_validate_on_are_one_clear_line(tmp_path):
    data = Dataset("few", "text", SPACES["carer6"], ["sad", "glad"], np.array([0, 1]), np.array(["", ""], object))
    with pytest.raises(DataError, match="few: 2 samples are too few to keep some of them for validation"):
        mien.train("text-gru", data, tmp_path / "run")


def test_the_linear_baseline_learns_from_a_pickled_table(tmp_path):
    rows = [(text, label) for label in WORDS for text in texts(label, 100)]
    pd.DataFrame(rows, columns=["text", "emotions"]).sample(frac=1, random_state=0).to_pickle(tmp_path / "made.pkl")
    run = mien.train("text-linear", f"table:{tmp_path / 'made.pkl'}", tmp_path / "run")
    assert run.metrics["accuracy"] > 0.9
    assert run.metrics["n"] == 30
    assert (run.folder / "report" / "report.html").exists()
    assert mien.load(run.folder).predict("then they were furious here").label == "anger"


def test_going_on_from_an_earlier_run(done, data, tmp_path):
    going = [*SMALL, f"start={done.folder}"]
    still = mien.train("text-gru", data, tmp_path / "still", settings=[*going, "epochs=1", "learning_rate=1e-9"])
    np.testing.assert_allclose(probabilities(still.folder), probabilities(done.folder), atol=1e-3)
    with pytest.raises(RecipeError, match=r"train\.start: .* holds another network"):
        mien.train("text-gru", data, tmp_path / "other", settings=[*going, "embedding=8"])


def test_going_on_takes_the_tokens_that_the_weights_were_learned_with(tiny_run):
    split = np.array(["train"], object)
    part = Dataset("d", "text", SPACES["carer6"], ["words that the first run never saw"], np.array([0]), split)
    recipe = load_recipe("text-gru", [f"train.start={tiny_run}"])
    sampler = open_sampler(recipe).fit([part])
    assert (
        sampler.files["tokenizer.json"]
        == Tokenizer.from_file(str(tiny_run / "model" / "tokenizer.json")).to_str().encode()
    )
    learned = open_sampler(load_recipe("text-gru")).fit([part])
    assert learned.input_spec["vocabulary"] != sampler.input_spec["vocabulary"]


def test_several_labels_with_a_second_set_of_other_labels_and_a_teacher(tmp_path):
    own = dict(WORDS, fear="shiver", gratitude="thanks", neutral="table", disgust="slime")
    labels = ["joy", "anger", "sadness", "fear", "joy|gratitude", "neutral", "disgust"]
    rows = [(t, x, "val" if i < 8 else "train") for x in labels for i, t in enumerate(texts(x, 50, 0, own))]
    first = write(tmp_path / "own.csv", rows) + "?space=goemotions28"
    other = {"fear": "dread panic", "surprise": "wow whoa"}
    rows = [(text, x, "train") for x in other for text in texts(x, 60, 0, other)]
    second = write(tmp_path / "other.csv", rows) + "?space=carer6"
    teacher = mien.train("text-linear", first, tmp_path / "teacher", settings=["c=[10]"])
    settings = [*SMALL, "epochs=16", "mix_space=ekman7", "mix_weight=1"]
    settings += [f"teacher={teacher.folder}", "distill.weight=0.2"]
    told: list[str] = []
    with log_to(told.append):
        run = mien.train("text-gru", [first, second], tmp_path / "run", settings=settings)
    assert sum("asking the teacher text-linear" in line for line in told) == 1, "about the first data set alone"
    model = mien.load(run.folder)
    assert [entry["labels"] for entry in model.manifest.data] == ["goemotions28", "carer6"]
    assert set(model.manifest.thresholds) == set(model.space.names)
    assert set(model.manifest.rollups) == {"ekman7", "carer6"}
    assert all("val_map" in row for row in model.manifest.training["history"])
    for word, label in (("dread", "fear"), ("panic", "fear"), ("wow", "surprise"), ("whoa", "surprise")):
        scores = model.predict(f"then it was {word} here").rollup("ekman7").items[0].scores
        assert max(scores, key=scores.get) == label, word


@pytest.mark.parametrize("broken", ["", "short", "other", "text", "killed"])
def test_what_a_teacher_said_is_kept_whole_or_asked_anew(done, data, tmp_path, monkeypatch, broken):
    part = open_dataset(data).part("val")
    told: list[str] = []

    def ask() -> np.ndarray:
        settings = DistillSettings(teacher=str(done.folder))
        with log_to(told.append):
            return teacher_probabilities(settings, part, part.space, tmp_path / "teacher")

    def killed(file, array):
        file.write(b"\x93NUMPY")
        raise KeyboardInterrupt

    if broken == "killed":
        with monkeypatch.context() as patch:
            patch.setattr(np, "save", killed)
            with pytest.raises(KeyboardInterrupt):
                ask()
        assert not list((tmp_path / "teacher").iterdir())
    first, asked = ask(), len(told)
    np.testing.assert_allclose(first, mien.load(done.folder).predict_proba(part.inputs), atol=1e-6)
    np.testing.assert_array_equal(ask(), first)
    assert len(told) == asked  # what was kept is read again
    (kept,) = (tmp_path / "teacher").iterdir()
    content = kept.read_bytes()
    if broken == "other":
        np.save(kept, first[:-1])
    elif broken != "killed":
        kept.write_bytes({"": b"", "short": content[:-5], "text": b"no array"}[broken])
    np.testing.assert_array_equal(ask(), first)
    assert len(told) == asked + (broken != "killed")
    assert kept.read_bytes() == content


def test_a_label_that_only_validation_shows(tmp_path):
    rows = [(text, x, "train") for x in WORDS for text in texts(x, 40)]
    rows += [(text, x, "val") for x in WORDS for text in texts(x, 5, seed=1)] + [("cuddle the tree", "love", "val")]
    spec = write(tmp_path / "made.csv", rows) + "?space=carer6"
    settings = [*SMALL, "class_weights=true", "tokenizer.kind=bpe", "tokenizer.size=200"]
    run = mien.train("text-gru", spec, tmp_path / "run", settings=settings)
    assert mien.load(run.folder).predict("they were furious then").label == "anger"
    assert run.metrics["f1"]["love"] == 0


@pytest.mark.parametrize("quantize", ["int8", "none"])
def test_a_small_transformer_in_eight_bits(quantize, data, tmp_path):
    recipe = {
        "name": "tiny", "network": {"kind": "transformer", "weights": "", "hidden": 32, "inner": 64, "dropout": 0},
        "train": {"epochs": 4, "batch_size": 16, "learning_rate": 5e-3, "patience": 4},
        "export": {"quantize": quantize, "weights": False},
    }  # fmt: skip
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(recipe))
    run = mien.train(tmp_path / "tiny.yaml", data, tmp_path / "run")
    assert run.metrics["accuracy"] > 0.9
    assert {path.name for path in run.model.iterdir()} == {"manifest.json", "model.onnx", "tokenizer.json", "README.md"}
    assert {path.name for path in run.folder.glob("*.onnx")} == set()
    eight = quantize == "int8"
    assert ("quantized" in mien.load(run.folder).manifest.training) == eight
    network = (run.model / "model.onnx").read_bytes()
    assert (b"MatMulIntegerToFloat" in network, b"Dynamic" in network) == (eight, False)


@pytest.mark.parametrize(
    "rows", [[("glad house", "joy")] * 9, [(f"word{i} other{i}", ("joy", "fear")[i % 2]) for i in range(9)]]
)
def test_data_that_a_linear_model_cannot_learn_from(rows, tmp_path):
    spec = write(tmp_path / "made.csv", [(*row, "val" if i > 6 else "train") for i, row in enumerate(rows)])
    with pytest.raises(DataError, match="cannot learn"):
        mien.train("text-linear", spec, tmp_path / "run", settings=["min_texts=2"])


def test_lines_can_still_be_told_to_a_function(data, tmp_path):
    told: list[str] = []
    with pytest.warns(DeprecationWarning, match='logger "mien.training"'):
        mien.train("text-linear", data, tmp_path / "run", settings=["c=[10]"], say=told.append)
    assert told[0].startswith(f"{data}: ")
    assert told[-1] == f"model folder: {tmp_path / 'run' / 'model'}"


def test_a_checkpoint_of_an_earlier_version_is_one_line(done, data, tmp_path):
    shutil.copytree(done.folder, tmp_path / "run", ignore=shutil.ignore_patterns("model", "report"))
    torch.save({"state_dict": {}, "epoch": 3}, tmp_path / "run" / "checkpoints" / "last.ckpt")
    with pytest.raises(MienError, match=r"last\.ckpt is of an earlier version: the run cannot be resumed"):
        mien.train("text-gru", data, tmp_path / "run", settings=SMALL, resume=True)


def test_a_checkpoint_runs_no_code(done, data, tmp_path):
    class Bad:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    shutil.copytree(done.folder, tmp_path / "run", ignore=shutil.ignore_patterns("model", "report"))
    torch.save({"network": Bad()}, tmp_path / "run" / "checkpoints" / "last.ckpt")
    with pytest.raises(MienError, match=r"last\.ckpt is damaged"):
        mien.train("text-gru", data, tmp_path / "run", settings=SMALL, resume=True)
    assert not (tmp_path / "ran").exists()
