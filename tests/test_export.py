"""Export: the file gives the network's numbers, and what does not is refused."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from torch import nn

from mien.errors import ExportError
from mien.networks import open_network
from mien.networks.base import Network
from mien.networks.linear import LinearModel, Settings
from mien.runtime import probabilities_of
from mien.training import export
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
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
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

    assert export.prove(reference, path, batches, 1e-5) <= 1e-5
    bias = [p for p in network.parameters() if p.shape == (LABELS,)][-1]
    kept = bias.detach().clone()
    try:
        with torch.no_grad():
            bias[2] += 0.01
        with pytest.raises(ExportError, match=r"model.onnx and the trained model differ by .*1e-05 is allowed"):
            export.prove(reference, path, batches, 1e-5)
        assert 1e-5 < export.prove(reference, path, batches, 0.5) < 0.01
    finally:
        bias.data.copy_(kept)


def test_prove_refuses_what_is_no_number(exported):
    network, several, path = exported

    def broken(ids):
        return np.where(ids.shape[1] == 7, np.nan, wanted(network, ids, several))

    with pytest.raises(ExportError, match="nan"):
        export.prove(broken, path, [batch(1, 7), batch(2, 2)], 1e-3)


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
    found = export.run_network(path, Numbers(), texts, size=7)
    alone = [wanted(network, Numbers().collate([text]), several)[0] for text in texts]
    np.testing.assert_allclose(found, alone, atol=1e-5)


def test_eight_bits_are_under_half_the_size_and_close(tmp_path):
    network, path, small = make("transformer"), tmp_path / "model.onnx", tmp_path / "small.onnx"
    export.export_network(export.Answers(network, False), batch(4, 9), path)
    level = logging.getLogger().level
    export.quantize(path, small, [batch(1, length) for length in range(1, 90)])
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
    assert export.fit_temperature((logits * true).astype(np.float32), targets) == pytest.approx(true, rel=0.03)


def test_the_temperature_stays_within_bounds():
    sure = np.eye(3)[np.arange(300) % 3] * 4
    right, wrong = np.arange(300) % 3, (np.arange(300) + 1) % 3
    assert export.fit_temperature(sure, right) == pytest.approx(0.2)
    assert export.fit_temperature(sure, wrong) == pytest.approx(5)
    assert np.isfinite(export.fit_temperature(sure * 1e4, wrong))


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


# ----------------------------------------------------------------------------------------- the linear baseline


def grams(text: str, longest: int) -> list[tuple[str, ...]]:
    words = text.split()
    return [tuple(words[i : i + n]) for n in range(1, longest + 1) for i in range(len(words) + 1 - n)]


def corpus(n: int, labels: int, several: bool):
    rng = np.random.default_rng(n)
    targets = (rng.random((n, labels)) < 0.4).astype(np.float32) if several else rng.integers(0, labels, n)
    held = targets if several else np.eye(labels)[targets]
    texts = []
    for row in held:
        words = [f"w{20 + place:03}" for place in np.flatnonzero(row) for _ in range(rng.integers(0, 3))]
        words += [f"w{word:03}" for word in rng.integers(40, 60, rng.integers(1, 9))]
        texts.append(" ".join(rng.permutation(words)))
    return texts, targets


def ids_of(texts: list[str]) -> list[list[int]]:
    return [[int(word[1:]) for word in text.split()] for text in texts]


@pytest.mark.parametrize("longest", [1, 2, 3])
@pytest.mark.parametrize(("labels", "several"), [(4, False), (2, False), (4, True)])
def test_the_linear_onnx_is_scikit_learns_own_pipeline(labels, several, longest, tmp_path):
    texts, targets = corpus(300, labels, several)
    classifier = LogisticRegression(C=3.0, max_iter=1000)
    pipeline = make_pipeline(
        TfidfVectorizer(analyzer=lambda t: grams(t, longest), min_df=2, sublinear_tf=True, dtype=np.float32),
        OneVsRestClassifier(classifier) if several else classifier,
    ).fit(texts, targets)
    model = LinearModel(Settings(ngrams=longest, min_texts=2), PAD, seed=0).fit(ids_of(texts), targets, labels, 3.0)
    path = tmp_path / "model.onnx"
    model.write(path, 1.0, several)
    new = [*corpus(40, labels, several)[0], "w999", "w999 w998 w999", "w020 w999 w020 w020", "w041"]
    longer = max(len(text.split()) for text in new)
    rows = np.array([row + [PAD] * (longer - len(row)) for row in ids_of(new)])
    expected = pipeline.predict_proba(new)
    np.testing.assert_allclose(run(path, rows), expected, atol=1e-5)
    np.testing.assert_allclose(np.concatenate([run(path, rows[i : i + 1]) for i in range(44)]), expected, atol=1e-5)
    np.testing.assert_allclose(model.reference(1.0, several)(rows), expected, atol=1e-5)
    np.testing.assert_allclose(run(path, np.array([[999], [41]])), expected[[40, 43]], atol=1e-5)


@pytest.mark.parametrize("several", [False, True])
def test_a_label_that_training_never_showed_is_next_to_impossible_and_the_others_as_without_it(several, tmp_path):
    texts, targets = corpus(200, 3, several)
    wide = np.insert(targets, 1, 0, axis=1) if several else targets + (targets > 0)  # the labels 0, 2 and 3 of four
    path = tmp_path / "model.onnx"
    both = [LinearModel(Settings(), PAD, 0).fit(ids_of(texts), t, n, 3.0) for t, n in ((targets, 3), (wide, 4))]
    both[1].write(path, 2.0, several)
    rows = np.array([row[:3] + [PAD] * (3 - len(row)) for row in ids_of(texts[:30])])
    found = run(path, rows)
    assert found[:, 1].max() < 1e-3
    np.testing.assert_allclose(found[:, [0, 2, 3]], both[0].reference(2.0, several)(rows), atol=1e-3)


def test_no_run_of_words_is_common_enough(tmp_path):
    texts = [f"w{20 + i % 3:03} w{100 + i:03}" for i in range(60)]  # single words recur, pairs never do
    targets = np.arange(60) % 3
    model = LinearModel(Settings(ngrams=3), PAD, 0).fit(ids_of(texts), targets, 3, 10.0)
    model.write(tmp_path / "model.onnx", 1.0, False)
    rows = np.array(ids_of(texts))
    found = run(tmp_path / "model.onnx", rows)
    assert (found.argmax(1) == targets).all()
    np.testing.assert_allclose(found, model.reference(1.0, False)(rows), atol=1e-5)
