"""Model folders from strangers: nothing but their listed, plain files is opened, and nothing in these goes unseen."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

import mien
from conftest import RunCli, change_manifest, cli_env, one_line
from mien.errors import ModelError
from mien.model import LabelsEntry, Manifest, shipped, verify, write_model
from serving import serving

FEW = ["joy", "fear"]


@pytest.fixture
def copy(tiny_model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_model, tmp_path / "copy"))


def listed(folder: Path, name: str, content: bytes) -> None:
    """Put a file into the folder as who means to would: the manifest agrees."""
    (folder / name).write_bytes(content)
    files = json.loads((folder / "manifest.json").read_text("utf-8"))["files"]
    files[name] = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    change_manifest(folder, files=files)


# --------------------------------------------------------------------------------------------------- which files


def test_an_unlisted_card_is_not_shown(copy: Path, run_cli: RunCli, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("root:x:0")
    files = json.loads((copy / "manifest.json").read_text("utf-8"))["files"]
    del files["README.md"]
    change_manifest(copy, files=files)
    (copy / "README.md").unlink()
    (copy / "README.md").symlink_to(tmp_path / "secret")
    done = run_cli("models", "show", copy)
    assert done.returncode == 0, done.stderr
    assert "root" not in done.stdout + done.stderr
    with serving("--model", copy) as server:
        assert server.get("/v1/models/tiny").json()["card"] == ""
        (copy / "README.md").unlink()
        (copy / "README.md").write_text("put there while it runs")
        assert server.get("/v1/models/tiny").json()["card"] == ""


@pytest.mark.parametrize("name", ["README.md", "model.onnx", "tokenizer.json", "manifest.json", "weights.safetensors"])
@pytest.mark.parametrize("kind", ["link", "pipe", "folder", "device"])
def test_what_is_no_plain_file_is_not_opened(copy: Path, tmp_path: Path, name: str, kind: str) -> None:
    (copy / name).rename(tmp_path / "moved")
    if kind == "link":  # of the very bytes that the manifest lists
        (copy / name).symlink_to(tmp_path / "moved")
    elif kind == "pipe":
        os.mkfifo(copy / name)
    elif kind == "folder":
        (copy / name).mkdir()
    elif os.getuid() == 0:
        os.mknod(copy / name, 0o20644, os.makedev(1, 5))  # /dev/zero, which never ends
    else:
        pytest.skip("only root makes devices")
    what = "a link" if kind == "link" else "no regular file"
    for read in (mien.load, verify):
        with pytest.raises(ModelError, match=f"{name} is {what}: a model folder holds plain files alone"):
            read(copy)


@pytest.mark.parametrize("name", ["..", ".", "", "a\0b", "weights.safetensors/../x"])
def test_strange_names_are_refused(copy: Path, name: str) -> None:
    files = json.loads((copy / "manifest.json").read_text("utf-8"))["files"]
    change_manifest(copy, files=files | {name: files["README.md"]})
    with pytest.raises(ModelError):
        mien.load(copy)


def test_what_was_checked_is_what_is_loaded(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Someone exchanges the files between the check and the loading."""
    import mien.model as folders

    wanted = mien.load(copy).predict("i feel so lonely").items[0].scores
    check = folders.check_graph

    def exchange(data: bytes, name: object) -> None:
        check(data, copy / "model.onnx")
        for file in copy.iterdir():
            file.write_bytes(b"exchanged")

    monkeypatch.setattr(folders, "check_graph", exchange)
    assert mien.load(copy).predict("i feel so lonely").items[0].scores == wanted


@pytest.mark.parametrize(("name", "size"), [("tokenizer.json", 2**26 + 1), ("manifest.json", 2**26 + 1)])
def test_files_of_a_size_that_none_has_are_refused(copy: Path, name: str, size: int) -> None:
    if name != "manifest.json":
        files = json.loads((copy / "manifest.json").read_text("utf-8"))["files"]
        change_manifest(copy, files=files | {name: files[name] | {"bytes": size}})
    with (copy / name).open("r+b") as file:
        file.truncate(size)  # without a block on the disk
    with pytest.raises(ModelError, match=f"{name} is larger than"):
        mien.load(copy)


# ---------------------------------------------------------------------------------------------------- the digest


def test_no_changed_bit_of_the_manifest_goes_unseen(copy: Path) -> None:
    path = copy / "manifest.json"
    raw = path.read_bytes()
    meant, pick, seen = json.loads(raw), random.Random(3), 0
    for _ in range(400):
        changed = bytearray(raw)
        changed[pick.randrange(len(raw))] ^= 1 << pick.randrange(8)
        path.write_bytes(changed)
        with contextlib.suppress(ModelError):
            verify(copy)
            assert json.loads(changed) == meant  # such as 1e-05 and 1E-05
            continue
        seen += 1
    assert seen > 390


def test_the_digest_stands_for_the_whole_folder(copy: Path, run_cli: RunCli) -> None:
    digest = verify(copy).digest
    assert digest is not None
    assert mien.load(copy, digest=digest).manifest.digest == digest
    listed(copy, "README.md", b"# Another")
    verify(copy)  # it is whole
    with pytest.raises(ModelError, match=f"has the digest sha256:[0-9a-f]+, not {digest}: it is another model"):
        mien.load(copy, digest=digest)
    assert "it is another model" in one_line(run_cli("models", "verify", copy, "--digest", digest))
    assert run_cli("models", "verify", copy, "--digest", verify(copy).digest).returncode == 0
    assert run_cli("models", "verify", "--digest", digest).returncode == 2


def test_a_folder_of_format_1_is_read_and_said_to_have_no_digest(copy: Path, run_cli: RunCli, tmp_path: Path) -> None:
    document = json.loads((copy / "manifest.json").read_text("utf-8"))
    del document["digest"]
    (copy / "manifest.json").write_text(json.dumps(document | {"format": 1}), "utf-8")
    assert mien.load(copy).predict("i feel so lonely").label == "sadness"
    assert "no digest in the manifest" in run_cli("models", "verify", copy).stdout
    (copy / "manifest.json").write_text(json.dumps(document), "utf-8")  # a folder of format 2 must have one
    with pytest.raises(ModelError, match="its digest differs"):
        mien.load(copy)
    (copy / "manifest.json").write_text(json.dumps(document | {"format": 1}), "utf-8")
    assert run_cli("export", copy, "--to", tmp_path / "new").returncode == 0  # gives it one
    assert "no digest" not in run_cli("models", "verify", tmp_path / "new").stdout


@pytest.mark.parametrize("name", sorted(shipped()))
def test_shipped_models_carry_a_digest(name: str) -> None:
    document = json.loads((shipped()[name] / "manifest.json").read_text("utf-8"))
    assert document["digest"] == verify(shipped()[name]).digest


@pytest.mark.parametrize(
    "document", ["[" * 100_000, '{"format": 2, "x": ' + '{"a":' * 900 + "1" + "}" * 901, "[1" + "0" * 5000 + "]"]
)
def test_deep_json_is_one_line(copy: Path, document: str) -> None:
    (copy / "manifest.json").write_text(document, "utf-8")
    with pytest.raises(ModelError, match=r"manifest\.json"):
        mien.load(copy)


# ------------------------------------------------------------------------------------------------- what is in them


def network(
    nodes: list[Any],
    arrays: dict[str, np.ndarray] | None = None,
    change: Callable[..., Any] = lambda m: m,
    width: int = 2,
) -> bytes:
    """A network of numbers: ``inputs`` (n, 3) → ``probabilities``."""
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("inputs", TensorProto.FLOAT, ["n", 3])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", width])],
        [numpy_helper.from_array(value, name) for name, value in (arrays or {}).items()],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3), helper.make_opsetid("evil", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    change(model)
    return bytes(model.SerializeToString())


def model_of(folder: Path, data: bytes) -> Path:
    manifest = Manifest(
        name="numbers", modality="features", labels=LabelsEntry(space="few", names=FEW),
        preprocess={"columns": ["a", "b", "c"]},
    )  # fmt: skip
    return write_model(folder, manifest, {"model.onnx": data}, "# numbers")


WEIGHTS = {"w": np.ones((3, 2), np.float32)}
PLAIN = [helper.make_node("MatMul", ["inputs", "w"], ["m"]), helper.make_node("Softmax", ["m"], ["probabilities"])]


def branch(name: str) -> Any:
    return helper.make_graph(
        [helper.make_node("Identity", ["m"], [name])], "b", [],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None)],
    )  # fmt: skip


def external(model: Any) -> None:
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", "weights.bin"), ("offset", "0"), ("length", "24")):
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value


def external_in_a_node(model: Any) -> None:
    tensor = numpy_helper.from_array(WEIGHTS["w"], "w")
    model.graph.node.insert(0, helper.make_node("Constant", [], ["w"], value=tensor))
    del model.graph.initializer[:]
    inner = model.graph.node[0].attribute[0].t
    inner.ClearField("raw_data")
    inner.data_location = TensorProto.EXTERNAL


def function(model: Any) -> None:
    model.functions.append(
        helper.make_function(
            "evil", "Softmax", ["x"], ["y"], [helper.make_node("Neg", ["x"], ["y"])], model.opset_import
        )
    )


def sparse(model: Any) -> None:
    values = helper.make_tensor("s", TensorProto.FLOAT, [1], [1.0])
    places = helper.make_tensor("p", TensorProto.INT64, [1], [0])
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, places, [10**6]))


def node(kind: str, domain: str = "", **attributes: Any) -> list[Any]:
    return [PLAIN[0], helper.make_node(kind, ["m"], ["probabilities"], domain=domain, **attributes)]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (network(node("If", then_branch=branch("a"), else_branch=branch("b")), WEIGHTS), "'If', which mien's"),
        (network(node("Loop", body=branch("a")), WEIGHTS), "'Loop'"),
        (network(node("Scan", body=branch("a"), num_scan_inputs=1), WEIGHTS), "'Scan'"),
        (network(node("Softmax", body=branch("a")), WEIGHTS), "networks within the network"),
        (network(node("ImageDecoder"), WEIGHTS), "'ImageDecoder'"),
        (network(node("RandomNormalLike"), WEIGHTS), "'RandomNormalLike'"),
        (network(node("Softmax", "evil"), WEIGHTS), "'evil.Softmax'"),
        (network(node("PyOp", "ai.onnx.contrib"), WEIGHTS), r"'ai\.onnx\.contrib\.PyOp'"),
        (network(PLAIN, WEIGHTS, function), "functions of its own"),
        (network(PLAIN, WEIGHTS, external), "lies in another file"),
        (network(PLAIN, WEIGHTS, external_in_a_node), "lies in another file"),
        (network(PLAIN, WEIGHTS, sparse), "sparse tensors"),
        (network(PLAIN, WEIGHTS) + b"\x3a\x06\x0a\x04\x22\x02If", "'If'"),  # a graph given twice is one of both
        (b"\x00\x00\x00\x00ORTM" + bytes(200), "no ONNX file"),
        (network(PLAIN, WEIGHTS)[:-3], "no ONNX file"),
        (b"", "holds no network"),
    ],
)  # fmt: skip
def test_what_none_of_miens_networks_holds_is_refused(tmp_path: Path, data: bytes, message: str) -> None:
    folder = model_of(tmp_path / "m", data)
    (folder / "weights.bin").write_bytes(np.full(6, 9, np.float32).tobytes())
    with pytest.raises(ModelError, match=message) as caught:
        mien.load(folder)
    assert "model.onnx cannot be run" in str(caught.value)


def test_the_same_without_any_of_that_runs(tmp_path: Path) -> None:
    model = mien.load(model_of(tmp_path / "m", network(PLAIN, WEIGHTS)))
    np.testing.assert_allclose(model.predict_proba([[1, 2, 3]]), [[0.5, 0.5]])


def test_data_beside_the_network_cannot_change_its_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = model_of(tmp_path / "m", network(PLAIN, WEIGHTS))
    for name in ("w", "weights.bin", "model.onnx.data", "model.onnx_data"):
        (folder / name).write_bytes(np.full(6, 9, np.float32).tobytes())
    monkeypatch.chdir(folder)
    np.testing.assert_allclose(mien.load(folder).predict_proba([[1, 2, 3]]), [[0.5, 0.5]])


@pytest.mark.parametrize(
    ("nodes", "width", "message"),
    [
        ([PLAIN[0], helper.make_node("Sqrt", ["m"], ["probabilities"])], 2, "no numbers from 0 to 1, such as nan"),
        ([helper.make_node("MatMul", ["inputs", "w"], ["probabilities"])], 2, "no numbers from 0 to 1, such as -6"),
        ([helper.make_node("Softmax", ["inputs"], ["probabilities"])], 3, r"\['n', 3\], not 2 in a row"),
        ([*PLAIN[:1], helper.make_node("ReduceMax", ["m"], ["probabilities"], axes=[0])], 2, r"shape \(1, 2\) as prob"),
        ([*PLAIN[:1], helper.make_node("Softmax", ["m"], ["chances"])], 2, "cannot be run|gives no probabilities"),
    ],
)  # fmt: skip
def test_answers_that_are_none_are_one_line(tmp_path: Path, nodes: list[Any], width: Any, message: str) -> None:
    folder = model_of(tmp_path / "m", network(nodes, WEIGHTS, width=width))
    with pytest.raises(ModelError, match=message) as caught:
        mien.load(folder).predict_proba([[-1, -2, -3], [-1, -2, -3]])
    assert "\n" not in str(caught.value)


HUGE = """import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (4 * 2**30, 4 * 2**30))
from mien.cli.app import main
main()"""


@pytest.mark.parametrize("when", ["load", "run"])
def test_a_network_that_wants_100_gb_is_one_line(tmp_path: Path, when: str) -> None:
    side = np.ones(160_000, np.float32)
    both = ["column", "row"] if when == "load" else ["seen", "row"]
    nodes = [
        helper.make_node("Reshape", ["side", "upright"], ["column"]),
        helper.make_node("Reshape", ["side", "flat"], ["row"]),
        helper.make_node("ReduceSum", ["inputs"], ["all"], keepdims=1),
        helper.make_node("Mul", ["column", "all"], ["seen"]),
        helper.make_node("MatMul", both, ["much"]),  # 25.6 thousand million numbers
        helper.make_node("ReduceMax", ["much"], ["most"], keepdims=1),
        helper.make_node("Add", ["all", "most"], ["sum"]),
        helper.make_node("Expand", ["sum", "shape"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"]),
    ]
    arrays = {"side": side, "upright": np.array([-1, 1]), "flat": np.array([1, -1]), "shape": np.array([1, 2])}
    folder = model_of(tmp_path / "m", network(nodes, arrays))
    (tmp_path / "t.csv").write_text("a,b,c\n1,2,3\n")
    line = [sys.executable, "-c", HUGE, "predict", "t.csv", "--model", str(folder), "--out", "o.csv"]
    done = subprocess.run(line, cwd=tmp_path, env=cli_env(), capture_output=True, text=True, timeout=120, check=False)
    assert "cannot be run" in one_line(done)
    assert not (tmp_path / "o.csv").exists()


# ----------------------------------------------------------------------------------------------------- tokenizers


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"[" * 100_000, b'{"version": "1.0", "model": ' + b"[" * 5000 + b"]" * 5000 + b"}", b"\xff", b"null"],
)  # fmt: skip
def test_a_tokenizer_that_is_none_is_one_line(copy: Path, content: bytes) -> None:
    listed(copy, "tokenizer.json", content)
    with pytest.raises(ModelError, match=r"tokenizer\.json is not a tokenizer") as caught:
        mien.load(copy)
    assert "\n" not in str(caught.value)


def test_a_tokenizer_that_panics_is_one_line(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mien.modalities.text import preprocess

    class PanicException(BaseException):
        """As pyo3 names what Rust panics with."""

    class Panicking:
        def __getattr__(self, name: str) -> Any:
            def panic(*_: object, **__: object) -> None:
                raise PanicException("index out of bounds\nat lib.rs")

            return panic

    model = mien.load(copy)
    monkeypatch.setattr(model.preprocessor, "_tokenizer", Panicking())  # type: ignore[attr-defined]
    with pytest.raises(ModelError, match=r"the tokenizer cannot read this: index out of bounds$"):
        model.predict("glad")
    monkeypatch.setattr(preprocess, "Tokenizer", Panicking())
    with pytest.raises(ModelError, match="is not a tokenizer: index out of bounds"):
        mien.load(copy)


def test_tokens_that_the_network_does_not_know_are_no_traceback(copy: Path, run_cli: RunCli) -> None:
    tokenizer = json.loads((copy / "tokenizer.json").read_text("utf-8"))
    vocabulary = {word: place + 2**31 for word, place in tokenizer["model"]["vocab"].items()}
    listed(
        copy, "tokenizer.json", json.dumps(tokenizer | {"model": tokenizer["model"] | {"vocab": vocabulary}}).encode()
    )
    done = run_cli("predict", "i feel so lonely", "--model", copy)
    assert done.returncode == 0 or one_line(done)
