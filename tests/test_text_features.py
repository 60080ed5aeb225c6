"""Features of texts: what the transformer makes of them before its head decides."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import mien
from mien.errors import InputError, ModelError
from mien.model import TOKENIZER
from text_model import LONGEST, WORDS, text_model

RNG = np.random.default_rng(5)


def text(count: int) -> str:
    return " ".join(RNG.choice(WORDS, count))


@pytest.fixture(scope="module")
def floats(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, torch.nn.Module]:
    return text_model(tmp_path_factory.mktemp("floats") / "made")


@pytest.fixture(scope="module")
def eight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return text_model(tmp_path_factory.mktemp("eight") / "made", eight=True)[0]


def test_features_are_what_torchs_network_gives_its_head(floats: tuple[Path, torch.nn.Module]) -> None:
    folder, network = floats
    model = mien.load(folder)
    texts = [text(count) for count in (1, 4, 2, 7)]
    seen: list[np.ndarray] = []
    head: torch.nn.Module = network.head  # type: ignore[assignment]
    hook = head.register_forward_hook(lambda _, given, __: seen.append(given[0].numpy()))
    with torch.inference_mode():
        for one in texts:
            network(torch.from_numpy(model.preprocessor.pad(model.preprocessor.encode([one])[0])))
    hook.remove()
    features = model.features(texts)
    assert features.dtype == np.float32
    np.testing.assert_allclose(features, np.concatenate(seen), atol=1e-5)
    assert model.features([]).shape == (0, 0)


def test_a_long_text_has_the_mean_of_its_windows_by_their_length(floats: tuple[Path, torch.nn.Module]) -> None:
    folder, network = floats
    model = mien.load(folder)
    long = text(40)
    windows = model.preprocessor.encode([long])[0]
    assert len(windows) > 2
    assert 0 < len(windows[-1]) < LONGEST
    with torch.inference_mode():
        each = [network.features(torch.tensor([ids])).numpy()[0] for ids in windows]  # type: ignore[operator]
    wanted = np.average(each, axis=0, weights=[len(ids) for ids in windows])
    np.testing.assert_allclose(model.features(["house", long, "river"])[1], wanted, atol=1e-5)


def test_features_do_not_depend_on_neighbors(eight: Path) -> None:
    one, two = (mien.load(eight, threads=threads) for threads in (1, 2))
    texts = [text(1 + place % 30) for place in range(50)]
    alone = np.concatenate([one.features([single]) for single in texts])
    assert alone.std(0).min() > 0.01
    for model, size in ((one, 7), (two, 64)):
        np.testing.assert_allclose(model.features(texts, size), alone, atol=1e-4)
    order = RNG.permutation(len(texts))
    np.testing.assert_allclose(two.features([texts[place] for place in order]), alone[order], atol=1e-4)


@pytest.mark.parametrize("eight", [False, True])
def test_answers_are_the_same_with_and_without_features(eight: bool, tmp_path: Path) -> None:
    models = [mien.load(text_model(tmp_path / str(own), eight=eight, features=own)[0]) for own in (True, False)]
    assert [model.gives_features for model in models] == [True, False]
    texts = [text(1 + place % 20) for place in range(20)]
    np.testing.assert_allclose(models[0].predict_proba(texts), models[1].predict_proba(texts), atol=1e-6)
    with pytest.raises(ModelError, match="the network of tiny-encoder gives no features"):
        models[1].features(texts)


def test_a_text_that_cannot_be_read_is_told_by_its_number(floats: tuple[Path, torch.nn.Module]) -> None:
    model = mien.load(floats[0])
    with pytest.raises(InputError, match="input 2: "):
        model.features(["house", "  "])
    with pytest.raises(InputError):
        model.features("house")


def test_the_estimator_embeds_texts(floats: tuple[Path, torch.nn.Module]) -> None:
    folder, _ = floats
    assert (folder / TOKENIZER).is_file()
    embedder, texts = mien.Embedder(folder), [text(3), text(9)]
    np.testing.assert_array_equal(embedder.fit_transform(texts), mien.load(folder).features(texts))
    assert len(embedder.fit(texts).get_feature_names_out()) == 32
    with pytest.raises(InputError, match="text"):
        embedder.transform("house")
