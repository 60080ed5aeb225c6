"""Training on faces: augmentation, networks, heads, mixing, and runs from folders and csv to a model that predicts."""

from __future__ import annotations

import json

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

import drawn
import mien
from mien.errors import DataError, RecipeError
from mien.media.images import read_picture
from mien.modalities.face.augment import AugmentSettings, augment
from mien.modalities.face.preprocess import FaceSettings, prepare
from mien.networks import cnn, mobilenet
from mien.training.heads import make_heads
from mien.training.log import log_to
from mien.training.loop import mixed, running_mean
from mien.training.objective import Objective, soft_loss, source
from mien.training.recipe import load_recipe
from mien.training.sampler import open_sampler
from mien.training.settings import DistillSettings, TrainSettings

SMALL = [
    "network.widths=[8,16]", "network.dense=16", "network.block_dropout=0", "network.dropout=0.1",
    "train.precision=32-true", "train.batch_size=16", "train.accelerator=cpu",
]  # fmt: skip


# ------------------------------------------------------------------------------------------------ augmentation


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_no_change_asked_for_is_none():
    picture = drawn.face("happy", 1)
    np.testing.assert_array_equal(augment(picture, 48, AugmentSettings(), rng()), picture)


def test_flip_is_the_mirror_image():
    picture = drawn.face("happy", 1)
    np.testing.assert_array_equal(augment(picture, 48, AugmentSettings(flip=1), rng()), picture[:, ::-1])


def test_growing_agrees_with_resizing_away_from_the_border():
    picture = cv2.GaussianBlur(drawn.face("happy", 1), (0, 0), 2)
    grown = augment(picture, 96, AugmentSettings(), rng())
    wanted = cv2.resize(picture, (96, 96), interpolation=cv2.INTER_LINEAR)
    # warpAffine maps centre to centre; resize too
    assert np.abs(grown[8:-8, 8:-8].astype(int) - wanted[8:-8, 8:-8]).max() <= 4


def test_a_quarter_turn_moves_a_dot_where_it_belongs():
    picture = np.zeros((49, 49), np.uint8)
    picture[24, 40] = 255  # right of the middle

    class Fixed:
        def random(self, n):
            return np.ones(n)

        def uniform(self, low, high, n):
            return np.array([1.0, 0, 0, 0, 0, 0])

    turned = augment(picture, 49, AugmentSettings(turn=90), Fixed())
    assert tuple(np.argwhere(turned > 200)[0]) == (40, 24)  # below it


def test_cutout_blots_out_one_square_of_the_mean():
    picture = np.zeros((48, 48), np.uint8)
    picture[:, 24:] = 200
    cut = augment(picture, 48, AugmentSettings(cutout=1, cutout_size=0.5), rng(3))
    rows, columns = np.where(cut == 100)
    assert len(rows)
    assert len(rows) == (np.ptp(rows) + 1) * (np.ptp(columns) + 1)
    assert np.ptp(rows) == np.ptp(columns)
    assert 8 <= np.ptp(rows) + 1 <= 24


@given(
    st.integers(17, 70), st.integers(16, 64), st.sampled_from([(), (3,)]), st.integers(0, 2**32 - 1),
    st.floats(0, 0.5), st.floats(0, 180),
)  # fmt: skip
@settings(max_examples=30, deadline=None)
def test_any_settings_give_a_picture_and_the_same_one_again(side, size, channels, seed, shift, turn):
    picture = rng(seed).integers(0, 256, (side, side, *channels), dtype=np.uint8)
    settings = AugmentSettings(
        flip=0.5, shift=shift, turn=turn, scale=0.5, contrast=0.9, brightness=255, cutout=0.5, cutout_size=1
    )
    one, two = (augment(picture, size, settings, rng(seed)) for _ in range(2))
    assert one.shape == (size, size, *channels)
    assert one.dtype == np.uint8
    np.testing.assert_array_equal(one, two)


# --------------------------------------------------------------------------------------------------- the sampler


@pytest.mark.parametrize("channels", [1, 3])
def test_the_task_prepares_files_and_arrays_as_prediction_does(tmp_path, channels):
    recipe = load_recipe("face-folders", [f"preprocess.channels={channels}", "preprocess.size=32"])
    gray = drawn.face("sad", 2)
    cv2.imwrite(str(tmp_path / "a.png"), gray)
    given = open_sampler(recipe).collate([str(tmp_path / "a.png"), gray])
    assert given.shape == (2, 32, 32, channels)
    assert given.dtype == np.uint8
    settings = FaceSettings(size=32, channels=channels)
    np.testing.assert_array_equal(given[1], prepare(gray, settings))
    np.testing.assert_array_equal(given[0], given[1])


@pytest.mark.parametrize("shape", [(20, 26), (20, 90), (90, 40), (70, 64)])
@pytest.mark.parametrize("source", [0, 48])
@pytest.mark.parametrize("channels", [1, 3])
def test_whatever_its_shape_a_picture_is_one_to_training_and_prediction(tmp_path, shape, source, channels):
    path = str(tmp_path / "a.png")
    cv2.imwrite(path, rng(7).integers(0, 256, (*shape, 3), dtype=np.uint8))
    given = [f"preprocess.channels={channels}", "preprocess.size=64", f"preprocess.source={source}"]
    settings = FaceSettings(size=64, channels=channels, source=source)
    sampler = open_sampler(load_recipe("face-folders", given))
    np.testing.assert_array_equal(sampler.collate([path])[0], prepare(read_picture(path), settings))
    assert sampler.collate([path], seeds=[1]).shape == (1, 64, 64, channels)


def test_a_file_is_read_once(tmp_path):
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), drawn.face("sad", 2))
    sampler = open_sampler(load_recipe("face-folders"))
    before = sampler.collate([str(path)], seeds=[1])
    path.unlink()
    np.testing.assert_array_equal(sampler.collate([str(path)], seeds=[1]), before)
    assert not np.array_equal(sampler.collate([str(path)], seeds=[2]), before)


# ------------------------------------------------------------------------------------------------- the networks


def written_mobilenet(path, channels: int = 3) -> onnx.ModelProto:
    """A MobileNet-v1 with random weights, written as the file of pretrained weights is: scale and bias beside."""
    random, nodes, arrays, x, before = rng(5), [], [], "chw", channels

    def array(name, value):
        arrays.append(onnx.numpy_helper.from_array(np.asarray(value, np.float32), name))
        return name

    nodes.append(helper.make_node("Transpose", ["inputs"], ["chw"], perm=[0, 3, 1, 2]))
    steps = [(32, 3, 2, 1)]
    inputs = 32
    for width, stride in mobilenet.PAIRS:
        steps += [(inputs, 3, stride, inputs), (width, 1, 1, 1)]
        inputs = width
    for number, (width, side, stride, groups) in enumerate(steps):
        fan = before // groups * side * side
        weights = random.normal(0, (2 / fan) ** 0.5, (width, before // groups, side, side))
        nodes.append(
            helper.make_node(
                "Conv", [x, array(f"w{number}", weights)], [f"c{number}"],
                auto_pad="SAME_UPPER", strides=[stride, stride], group=groups,
            )
        )  # fmt: skip
        x = f"c{number}"
        if groups > 1:
            scale = array(f"s{number}", random.uniform(0.5, 1.5, width))
            nodes += [
                helper.make_node("Transpose", [x], [f"t{number}"], perm=[0, 2, 3, 1]),
                helper.make_node("Mul", [f"t{number}", scale], [f"m{number}"]),
            ]
            last = f"m{number}"
        else:
            nodes.append(helper.make_node("Transpose", [x], [f"t{number}"], perm=[0, 2, 3, 1]))
            last = f"t{number}"
        bias = array(f"b{number}", random.normal(0, 0.3, width))
        nodes += [
            helper.make_node("Add", [last, bias], [f"a{number}"]),
            helper.make_node("Clip", [f"a{number}", "zero", "six"], [f"r{number}"]),
            helper.make_node("Transpose", [f"r{number}"], [f"x{number}"], perm=[0, 3, 1, 2]),
        ]
        x, before = f"x{number}", width
    array("zero", 0.0)
    array("six", 6.0)
    nodes.append(helper.make_node("ReduceMean", [x], ["features"], axes=[2, 3], keepdims=0))
    graph = helper.make_graph(
        nodes, "m", [helper.make_tensor_value_info("inputs", TensorProto.FLOAT, ["n", "h", "w", channels])],
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", 1024])], arrays,
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return model


@pytest.mark.parametrize("channels", [1, 3])
def test_mobilenet_begins_as_the_network_whose_weights_it_takes(tmp_path, channels):
    path = tmp_path / "faces.onnx"
    written_mobilenet(path)
    network = mobilenet.Network(mobilenet.Settings(weights=str(path)), labels=7, size=64, channels=channels)
    gray = np.stack([cv2.GaussianBlur(drawn.face("happy", seed, 64), (0, 0), 1) for seed in range(8)])[..., None]
    pictures = np.repeat(gray, channels, 3)
    network.calibrate(torch.from_numpy(pictures))
    network.eval()
    with torch.inference_mode():
        found = network.features(torch.from_numpy(pictures)).numpy()
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    wanted = session.run(None, {"inputs": np.repeat(gray, 3, 3).astype(np.float32)})[0]
    assert wanted.std() > 0.01
    np.testing.assert_allclose(found, wanted, atol=1e-3 * np.abs(wanted).max())


def test_the_stride_of_training_and_of_prediction_are_one():
    step = mobilenet.Step(8, 8, 3, 2, groups=8)
    x = torch.rand(2, 8, 12, 12)
    torch.testing.assert_close(step.train().conv(x), step.eval().conv(x))


def test_weights_of_something_else_are_refused(tmp_path):
    (tmp_path / "text.onnx").write_text("no network")
    with pytest.raises(RecipeError, match=r"text\.onnx cannot be read"):
        mobilenet.Network(mobilenet.Settings(weights=str(tmp_path / "text.onnx")), labels=7, size=64, channels=1)
    with pytest.raises(RecipeError, match="multiple of 32"):
        mobilenet.Network(mobilenet.Settings(), labels=7, size=48, channels=1)


def test_the_networks_take_pictures_and_count_their_parameters():
    small = cnn.Network(cnn.Settings(widths=[8, 16], dense=12), labels=5, size=20, channels=3)
    pictures = torch.randint(0, 256, (3, 20, 20, 3), dtype=torch.uint8)
    assert small(pictures).shape == (3, 5)
    assert small.features(pictures).shape == (3, 12)
    convolutions = 3 * 8 * 9 + 8 * 8 * 9 + 8 * 16 * 9 + 16 * 16 * 9
    norms = 2 * (8 + 8 + 16 + 16 + 12)
    assert sum(p.numel() for p in small.parameters()) == convolutions + norms + 16 * 25 * 12 + 12 * 5 + 5


# ------------------------------------------------------------------------------------------- heads and mixing


def test_the_votes_enter_the_loss_with_their_weight():
    space = mien.SPACES["fer7"]
    train = TrainSettings(also=["ferplus8"], also_weight=0.25)
    objective = Objective(
        space, [source(space, space)], train, DistillSettings(), np.full(7, 1 / 7), make_heads(["ferplus8"], [], 7)
    )
    logits = torch.zeros(2, 15)
    logits[0, 7] = np.log(3)  # the first of eight labels: 3 of 10
    votes = torch.zeros(2, 8)
    votes[0, 0], votes[0, 1] = 0.5, 0.5  # nobody voted on the second
    found = objective(logits, torch.tensor([0, 1]), also={"ferplus8": votes})
    own = np.log(7)
    first = -(0.5 * np.log(3 / 10) + 0.5 * np.log(1 / 10))
    np.testing.assert_allclose(found, [0.75 * own + 0.25 * first, 0.75 * own], rtol=1e-6)
    assert soft_loss(logits[:, 7:], votes)[1] == 0


def test_the_mean_of_the_weights_forgets_its_beginning():
    update = running_mean(0.9)
    mean, steps = torch.zeros(1), torch.zeros(1, dtype=torch.int64)
    for count, weight in enumerate([10.0, 20.0, 30.0], 1):
        update([mean, steps], [torch.tensor([weight]), torch.tensor([count])], torch.tensor(count))
    wanted = 0.0
    for count, weight in enumerate([10.0, 20.0, 30.0], 1):
        decay = (1 + count) / (10 + count)  # 2/11, 3/12, 4/13: all below 0.9
        wanted = decay * wanted + (1 - decay) * weight
    assert mean.item() == pytest.approx(wanted)
    assert steps.item() == 3
    update([mean], [torch.tensor([0.0])], torch.tensor(10_000))
    assert mean.item() == pytest.approx(0.9 * wanted)


def test_mixing_is_a_weighted_mean_of_two_orders():
    torch.manual_seed(3)
    inputs = torch.randint(0, 256, (6, 4, 4, 1), dtype=torch.uint8)
    found, (share, order) = mixed(inputs, 0.4)
    assert 0 <= share <= 1
    assert sorted(order.tolist()) == list(range(6))
    for row in range(6):
        wanted = share * inputs[row].float() + (1 - share) * inputs[order[row]].float()
        torch.testing.assert_close(found[row], wanted)


# --------------------------------------------------------------------------------------------------------- runs


@pytest.fixture(scope="module")
def folders_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("folders")
    data = f"images:{drawn.folders(folder / 'faces', 40)}"
    run = mien.train(
        "face-folders", data, folder / "run",
        settings=[*SMALL, "train.epochs=12", "preprocess.size=32", "train.learning_rate=0.003"],
    )  # fmt: skip
    return data, run


def few_faces(root, train: int) -> str:
    for split, count in (("train", train), ("val", 2)):
        for number in range(count):
            label = ("happy", "sad")[number % 2]
            (root / split / label).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(root / split / label / f"{number}.png"), drawn.face(label, number))
    return f"images:{root}"


def test_a_batch_norm_is_not_left_with_one_sample(tmp_path):
    options = [*SMALL, "train.batch_size=4", "train.epochs=2", "preprocess.size=16"]
    run = mien.train("face-folders", few_faces(tmp_path / "5", 5), tmp_path / "run", settings=options, report=False)
    assert len(json.loads((run.folder / "history.json").read_text())) == 2
    for samples, size in ((1, 4), (4, 1)):
        options = [*SMALL, f"train.batch_size={size}", "train.epochs=1", "preprocess.size=16"]
        data = few_faces(tmp_path / f"{samples}", samples)
        with pytest.raises(DataError, match="a batch of a single sample") as told:
            mien.train("face-folders", data, tmp_path / f"run-{samples}", settings=options, report=False)
        assert "\n" not in str(told.value)


@pytest.mark.slow
def test_own_folders_become_a_model_that_reads_new_faces(folders_run):
    _, run = folders_run
    assert run.metrics["accuracy"] >= 0.8
    history = json.loads((run.folder / "history.json").read_text())
    assert len(history) == 12
    assert history[-1]["train_loss"] < history[0]["train_loss"]
    model = mien.load(run.model)
    assert set(model.space.names) == set(drawn.LOOKS)
    new = [drawn.face(label, 77_000 + seed) for label in drawn.LOOKS for seed in range(5)]
    said = [result.label for result in model.predict_many(new, crops=True)]
    right = sum(a == b for a, b in zip(said, [label for label in drawn.LOOKS for _ in range(5)], strict=True))
    assert right >= 15
    assert model.features(new).shape == (20, 16)


@pytest.mark.slow
def test_the_model_gives_the_figures_of_its_run(folders_run):
    data, run = folders_run
    report = mien.evaluate(run.model, data, split="val").to_dict()
    assert report["accuracy"] == pytest.approx(run.metrics["accuracy"])
    assert (run.folder / "report" / "report.html").exists()


@pytest.mark.slow
def test_a_network_with_two_heads_in_8_bits_answers_in_both(tmp_path):
    data = f"fer2013:{drawn.fer_csv(tmp_path / 'fer', 60)}"
    options = [
        *SMALL, "network.kind=cnn", "network.dropout=0.1", "preprocess.size=48", "train.epochs=8", "train.ema=0.9",
        "train.learning_rate=0.003", "train.also_weight=0.5", "export.quantize_tolerance=0.3",
    ]  # fmt: skip
    lines = []
    with log_to(lines.append):
        run = mien.train("face", data, tmp_path / "run", settings=options)
    model = mien.load(run.model)
    assert model.manifest.columns("ferplus8") == slice(7, 15)
    assert any("val_ferplus8_accuracy" in line for line in lines)
    assert any("in 8 bits" in line for line in lines)
    own = mien.evaluate(run.model, data).to_dict()
    votes = mien.evaluate(run.model, data + "?labels=ferplus").to_dict()
    assert own["space"] == "fer7"
    assert votes["space"] == "ferplus8"
    assert own["n"] == votes["n"] == 24
    assert own["accuracy"] >= 0.7
    assert votes["accuracy"] >= 0.7
    faces = [drawn.face("happy", 5), drawn.face("sad", 6)]
    both = model.predict_proba(faces), model.with_labels("ferplus8").predict_proba(faces)
    assert [part.shape for part in both] == [(2, 7), (2, 8)]
    for part in both:
        np.testing.assert_allclose(part.sum(1), 1, atol=1e-5)


@pytest.mark.slow
def test_a_stopped_run_with_mixing_and_mean_weights_goes_on_as_if_it_had_not(tmp_path):
    data = f"images:{drawn.folders(tmp_path / 'faces', 12)}"
    options = [*SMALL, "train.epochs=4", "preprocess.size=24", "train.ema=0.8", "train.mixup=0.4", "train.patience=9"]
    options.append("export.tolerance=0.001")

    def stop(line: str) -> None:
        if line.startswith("epoch 2/"):
            raise KeyboardInterrupt

    whole = mien.train("face-folders", data, tmp_path / "whole", settings=options)
    with pytest.raises(KeyboardInterrupt), log_to(stop):
        mien.train("face-folders", data, tmp_path / "parts", settings=options)
    parts = mien.train("face-folders", data, tmp_path / "parts", settings=options, resume=True)
    histories = [json.loads((run.folder / "history.json").read_text()) for run in (whole, parts)]
    for one, two in zip(*histories, strict=True):
        assert {**one, "seconds": 0} == pytest.approx({**two, "seconds": 0}, abs=1e-5)


def test_a_head_for_labels_that_the_data_lacks_is_refused(tmp_path):
    data = f"images:{drawn.folders(tmp_path / 'faces', 5)}"
    with pytest.raises(DataError, match="not labeled in 'ferplus8'"):
        mien.train("face-folders", data, tmp_path / "run", settings=[*SMALL, "train.also=[ferplus8]"])


@pytest.mark.slow
def test_mixed_pixels_keep_their_digits_in_half_precision(tmp_path, monkeypatch):
    seen, features = [], cnn.Network.features

    def noted(self, pictures):
        seen.append(pictures)
        return features(self, pictures)

    monkeypatch.setattr(cnn.Network, "features", noted)
    data = f"images:{drawn.folders(tmp_path / 'faces', 5)}"
    options = ["train.precision=bf16-mixed", "train.mixup=0.4", "train.epochs=1", "preprocess.size=24"]
    mien.train("face-folders", data, tmp_path / "run", settings=[*SMALL, *options, "export.tolerance=1"], report=False)
    mixed_ones = [pictures for pictures in seen if pictures.dtype == torch.float32]
    assert any((pictures != pictures.bfloat16().float()).any() for pictures in mixed_ones)
