"""Export: the file gives the network's numbers, and what does not is refused."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from mien.errors import ExportError
from mien.networks import open_network
from mien.networks.base import Network
from mien.runtime import overflows, probabilities_of
from mien.training import calibrate, export, proof
from mien.training.network import TrainedNetwork

torch.set_num_threads(1)
LABELS, VOCABULARY, PAD = 6, 3000, 0
SMALL = {
    "gru": {"embedding": 16, "hidden": 12, "head": 8},
    "transformer": {"weights": "", "layers": 2, "hidden": 64, "heads": 4, "inner": 128, "positions": 96},
}
SHAPES = [(1, 1), (1, 7), (3, 1), (2, 2), (17, 31), (64, 90)]


def make(kind: str) -> nn.Module:
    torch.manual_seed(4)
    module, settings = open_network(kind, SMALL[kind])
    network = module.Network(settings, labels=LABELS, vocabulary=VOCABULARY, pad_id=PAD)
    for name, parameter in network.named_parameters():
        nn.init.normal_(parameter, mean=float("Norm.weight" in name), std=0.2)
    return network.eval()


def batch(rows: int, length: int) -> np.ndarray:
    rng = np.random.default_rng(rows * 100 + length)
    ids = rng.integers(1, VOCABULARY, (rows, length))
    lengths = rng.integers(1, length + 1, (rows, 1))
    lengths[0] = length
    return np.where(np.arange(length) < lengths, ids, PAD)


def run(path, ids: np.ndarray) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    if overflows():  # as mien runs it
        options.add_session_config_entry("session.x64quantprecision", "1")
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: ids})[0]


@pytest.fixture(scope="module", params=SMALL)
def exported(request, tmp_path_factory):
    """A network that reads several labels at a time or one, and its file."""
    network, several = make(request.param), request.param == "gru"
    path = tmp_path_factory.mktemp(request.param) / "model.onnx"
    TrainedNetwork(network, SimpleNamespace(free_axes=("batch", "length")), several, []).write(path, 1.7, batch(1, 1))
    return network, several, path


def wanted(network: nn.Module, ids: np.ndarray, several: bool, temperature: float = 1.7) -> np.ndarray:
    with torch.inference_mode():
        logits = network(torch.from_numpy(ids)).double().numpy() / temperature
    powers = np.exp(logits)
    return powers / (1 + powers) if several else powers / powers.sum(1, keepdims=True)


@pytest.mark.parametrize("shape", SHAPES)
def test_onnx_gives_the_networks_probabilities(exported, shape):
    network, several, path = exported
    ids = batch(*shape)
    found = run(path, ids)
    assert found.shape == (shape[0], LABELS)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wanted(network, ids, several), atol=1e-5)


def test_a_second_export_in_one_process_keeps_its_axes_free_too(tmp_path):
    for length in (9, 25):
        network = export.Answers(make("transformer"), False)
        export.export_network(network, batch(4, length), tmp_path / f"{length}.onnx")
    for shape in SHAPES:
        ids = batch(*shape)
        np.testing.assert_allclose(run(tmp_path / "25.onnx", ids), run(tmp_path / "9.onnx", ids), atol=1e-6)


def test_a_network_with_an_axis_of_its_own_length_is_refused(tmp_path):
    class Fixed(Network):
        gives_features = False

        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(9, LABELS))

        def forward(self, ids):
            return ids.float() @ self.weight  # reads texts of nine tokens only

    with pytest.raises(ExportError, match="cannot be written as ONNX"):
        export.export_network(export.Answers(Fixed(), False), batch(4, 9), tmp_path / "model.onnx")


def test_the_file_stands_alone_and_tells_no_paths(exported):
    _, _, path = exported
    assert [file.name for file in path.parent.iterdir()] == ["model.onnx"]
    assert b"/site-packages/" not in path.read_bytes()
    onnx.checker.check_model(onnx.load(path), full_check=True)


def test_prove_measures_the_difference_and_refuses_one_changed_weight(exported):
    network, several, path = exported
    batches = [batch(*shape) for shape in SHAPES]

    def reference(ids):
        return wanted(network, ids, several)

    assert proof.prove(reference, path, batches, 1e-5) <= 1e-5
    bias = [p for p in network.parameters() if p.shape == (LABELS,)][-1]
    kept = bias.detach().clone()
    try:
        with torch.no_grad():
            bias[2] += 0.01
        with pytest.raises(ExportError, match=r"model.onnx and the trained model differ by .*1e-05 is allowed"):
            proof.prove(reference, path, batches, 1e-5)
        assert 1e-5 < proof.prove(reference, path, batches, 0.5) < 0.01
    finally:
        bias.data.copy_(kept)


def test_prove_refuses_what_is_no_number(exported):
    network, several, path = exported

    def broken(ids):
        return np.where(ids.shape[1] == 7, np.nan, wanted(network, ids, several))

    with pytest.raises(ExportError, match="nan"):
        proof.prove(broken, path, [batch(1, 7), batch(2, 2)], 1e-3)


def test_a_network_that_onnx_cannot_express(tmp_path):
    class Odd(Network):
        gives_features = False

        def forward(self, ids):
            return torch.tensor([sum(ids.flatten().tolist())]) if ids[0, 0].item() > 3 else ids * 1.0

    with pytest.raises(ExportError, match="cannot be written as ONNX") as caught:
        export.export_network(export.Answers(Odd(), False), batch(2, 2), tmp_path / "model.onnx")
    assert "\n" not in str(caught.value)


def test_run_network_keeps_the_order_of_the_inputs(exported):
    network, several, path = exported

    class Numbers:
        def lengths(self, inputs):
            return np.array([len(text) for text in inputs])

        def collate(self, inputs, seeds=None):
            rows = [[int(word) for word in text.split()] for text in inputs]
            return np.array([row + [PAD] * (max(map(len, rows)) - len(row)) for row in rows])

    rng = np.random.default_rng(0)
    texts = [" ".join(map(str, rng.integers(1, VOCABULARY, n))) for n in rng.integers(1, 20, 30)]
    found = proof.run_network(path, Numbers(), texts, size=7)
    alone = [wanted(network, Numbers().collate([text]), several)[0] for text in texts]
    np.testing.assert_allclose(found, alone, atol=1e-5)


def test_eight_bits_are_under_half_the_size_and_close(tmp_path):
    network, path, small = make("transformer"), tmp_path / "model.onnx", tmp_path / "small.onnx"
    export.export_network(export.Answers(network, False), batch(4, 9), path)
    level = logging.getLogger().level
    proof.quantize(path, small, [batch(1, length) for length in range(1, 90)])
    assert logging.getLogger().level == level
    assert small.stat().st_size < 0.5 * path.stat().st_size
    kinds = {initializer.data_type for initializer in onnx.load(small).graph.initializer if len(initializer.dims) > 1}
    assert onnx.TensorProto.INT8 in kinds
    for shape in SHAPES:
        ids = batch(*shape)
        np.testing.assert_allclose(run(small, ids), wanted(network, ids, False, 1.0), atol=0.08)
    alike = np.random.default_rng(0).integers(1, VOCABULARY, (40, 12))
    np.testing.assert_array_equal(run(small, alike), np.concatenate([run(small, row[None]) for row in alike]))


# ------------------------------------------------------------------------------------------------- temperature


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("true", [0.4, 1.0, 2.5])
def test_the_temperature_that_logits_were_scaled_by_is_found(true, several):
    rng = np.random.default_rng(5)
    logits = rng.normal(size=(20_000, 5)) * 2
    if several:
        targets = (rng.random(logits.shape) < 1 / (1 + np.exp(-logits))).astype(np.float32)
    else:
        targets = (logits + rng.gumbel(size=logits.shape)).argmax(1)  # draws from the softmax of the logits
    assert calibrate.fit_temperature((logits * true).astype(np.float32), targets) == pytest.approx(true, rel=0.03)


def test_the_temperature_stays_within_bounds():
    sure = np.eye(3)[np.arange(300) % 3] * 4
    right, wrong = np.arange(300) % 3, (np.arange(300) + 1) % 3
    assert calibrate.fit_temperature(sure, right) == pytest.approx(0.2)
    assert calibrate.fit_temperature(sure, wrong) == pytest.approx(5)
    assert np.isfinite(calibrate.fit_temperature(sure * 1e4, wrong))


@pytest.mark.parametrize("several", [False, True])
def test_probabilities_of_is_what_the_module_does(several):
    logits = torch.randn(50, 4, generator=torch.Generator().manual_seed(0)) * 20

    class Same(Network):
        gives_features = False

        def forward(self, inputs):
            return inputs

    module = export.Answers(Same(), several, 0.7)
    found = probabilities_of(logits.numpy(), several, 0.7)
    np.testing.assert_allclose(found, module(logits).numpy(), atol=1e-6)
    assert np.isfinite(probabilities_of(logits.numpy() * 1e4, several)).all()
