"""Model folders: the manifest's bits and values, the tokenizer's JSON, the network's protobuf, links, further files."""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import tempfile
import zipfile
from contextlib import suppress
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, pre_tokenizers

import mien
from fuzz import Case, Finding, child
from fuzz.bend import bend, number
from fuzz.command import run
from fuzz.words import text
from mien.files import digest_of
from mien.model import NETWORK, TOKENIZER, LabelsEntry, Manifest, verify, write_model

SECONDS, SECONDS_PER_MB, MEGABYTES, MEGABYTES_PER_MB = 3.0, 10.0, 200.0, 60.0
_LINK = 0o120777 << 16
_WORDS = ("[PAD]", "[UNK]", "i", "am", "glad", "sad", "angry", "of", "it")


def prepare() -> None:
    with tempfile.TemporaryDirectory() as folder:
        _unpacked(zipped(good()), Path(folder))
        mien.load(folder).predict("i am glad")


def check(path: Path) -> bool:
    folder = path.with_name("model")
    folder.mkdir()
    _unpacked(path.read_bytes(), folder)
    shown = run("models", "show", folder)
    if shown.code:
        child.check_line(shown.error.rstrip("\n"), folder, folder.parent)
    if "canary-of-the-fuzzer" in shown.output:
        raise Finding("models show prints a file from outside the folder")
    verify(folder)
    if path.name.startswith("bits"):
        raise Finding("a changed bit of the manifest went unseen")
    result = mien.load(folder, threads=1).predict("i am glad of it")
    for item in result.items:
        if not all(math.isfinite(score) and -1e-4 <= score <= 1.0001 for score in item.scores.values()):
            raise Finding(f"scores are no probabilities: {item.scores}")
    json.dumps(result.to_dict(), allow_nan=False)
    return True


def _unpacked(data: bytes, folder: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        for entry in packed.infolist():
            path, content = folder / entry.filename, child.guard.fill(packed.read(entry))
            if entry.external_attr >> 16 == _LINK >> 16:
                os.symlink(content, path)
            else:
                path.write_bytes(content)


# ----------------------------------------------------------------------------------------------------------- making


def zipped(files: dict[str, bytes], links: dict[str, bytes] | None = None) -> bytes:
    """A zip of a folder; of links what they lead to."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as packed:
        for name, content in files.items():
            packed.writestr(zipfile.ZipInfo(name), content)
        for name, target in (links or {}).items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = _LINK
            packed.writestr(entry, target)
    return made.getvalue()


@cache
def _good() -> tuple[tuple[str, bytes], ...]:
    with tempfile.TemporaryDirectory() as folder:
        labels = LabelsEntry(space="carer6", names=list(mien.SPACES["carer6"].names), multilabel=False)
        manifest = Manifest(name="tiny", modality="text", labels=labels, preprocess={"max_length": 16, "pad_id": 0})
        files: dict[str, Path | bytes] = {NETWORK: network().SerializeToString(), TOKENIZER: tokenizer().encode()}
        made = write_model(Path(folder) / "tiny", manifest, files, "# tiny")
        return tuple((path.name, path.read_bytes()) for path in sorted(made.iterdir()))


def good() -> dict[str, bytes]:
    """The files of a good model folder."""
    return dict(_good())


def tokenizer() -> str:
    """Nine words."""
    made = Tokenizer(models.WordLevel({word: place for place, word in enumerate(_WORDS)}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    return made.to_str()


@cache
def _network() -> bytes:
    table = np.random.default_rng(0).normal(0, 1, (len(_WORDS), 6)).astype(np.float32)
    nodes = [
        helper.make_node("Gather", ["table", "inputs"], ["rows"]),
        helper.make_node("ReduceMean", ["rows", "axes"], ["mean"], keepdims=0),
        helper.make_node("Softmax", ["mean"], ["probabilities"], axis=-1),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("inputs", TensorProto.INT64, ["batch", "length"])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", 6])],
        [numpy_helper.from_array(table, "table"), numpy_helper.from_array(np.array([1], np.int64), "axes")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    return model.SerializeToString()


def network() -> onnx.ModelProto:
    """The mean of an embedding, by softmax."""
    return onnx.ModelProto.FromString(_network())


def rehashed(files: dict[str, bytes], manifest: dict[str, Any]) -> None:
    """Write the manifest into *files*, with the sizes and hashes that they have: a stranger can do so."""
    entries = manifest.get("files")
    for name, entry in entries.items() if isinstance(entries, dict) else ():
        if name in files and isinstance(entry, dict):
            entry |= {"sha256": hashlib.sha256(files[name]).hexdigest(), "bytes": len(files[name])}
    files["manifest.json"] = sealed(manifest)


def sealed(manifest: dict[str, Any]) -> bytes:
    """The manifest's bytes, with its digest of itself."""
    with suppress(Exception):  # of what no digest can be made of
        manifest = manifest | {"digest": digest_of({key: manifest[key] for key in manifest if key != "digest"})}
    return (json.dumps(manifest, indent=1, ensure_ascii=False) + "\n").encode("utf-8", "surrogatepass")


def make(rng: Random) -> Case:
    files, links = good(), dict[str, bytes]()
    manifest = json.loads(files["manifest.json"])
    what = rng.random()
    if what < 0.1:
        made = bytearray(files["manifest.json"])
        made[rng.randrange(len(made))] ^= 1 << rng.randrange(8)
        return Case("bits.zip", zipped({**files, "manifest.json": bytes(made)}))
    if what < 0.2:
        name = rng.choice(list(files))
        files[name] = bend(rng, files[name])
    elif what < 0.45:
        for _ in range(rng.randint(1, 3)):
            _change_json(rng, manifest)
        rehashed(files, manifest)
    elif what < 0.6:
        document = json.loads(files[TOKENIZER])
        for _ in range(rng.randint(1, 3)):
            _change_json(rng, document)
        files[TOKENIZER] = json.dumps(document).encode("utf-8", "surrogatepass")
        if rng.random() < 0.3:
            files[TOKENIZER] = bend(rng, files[TOKENIZER])
        rehashed(files, manifest)
    elif what < 0.9:
        files[NETWORK] = _changed_network(rng)
        rehashed(files, manifest)
    else:  # other files than those listed, or links in place of files
        name = rng.choice((*files, "weights.bin", "chooser.onnx", "README.md"))
        if rng.random() < 0.6:
            files.pop(name, None)
            links[name] = rng.choice(
                (b"@SECRET@", b"/dev/zero", b"/dev/stdin", b"model.onnx", name.encode(), b"/proc/self/mem")
            )
            if rng.random() < 0.5:
                manifest["files"].pop(name, None)
                rehashed(files, manifest)
                files = {key: value for key, value in files.items() if key not in links}
        else:
            files[name] = rng.randbytes(9)
            manifest["files"][rng.choice(("../secret.txt", "@SECRET@", ".", "", "a/b", "x" * 300))] = manifest["files"][
                NETWORK
            ]
            rehashed(files, manifest)
    return Case("model.zip", zipped(files, links))


def _change_json(rng: Random, document: Any) -> None:
    """One value of a JSON document, somewhere in it, becomes another."""
    place = document
    while True:
        if isinstance(place, dict) and place:
            key: Any = rng.choice(list(place))
        elif isinstance(place, list) and place:
            key = rng.randrange(len(place))
        else:
            return
        if isinstance(place[key], dict | list) and place[key] and rng.random() < 0.8:
            place = place[key]
            continue
        break
    what = rng.randrange(5)
    if what == 0:
        del place[key]
    elif what == 1 and isinstance(place, dict):
        place[text(rng, plain=False)] = place[key]
    else:
        deep: Any = []
        for _ in range(rng.choice((3, 900))):
            deep = [deep]
        place[key] = rng.choice(
            (
                None,
                True,
                0,
                -1,
                0.5,
                1e308,
                float("nan"),
                number(rng),
                "",
                text(rng, plain=False),
                [],
                {},
                deep,
                "../" * 3 + "etc/passwd",
                "text",
                "face",
                "video",
                "scene",
                "features",
                [1],
                ["joy"] * 6,
                {"a": 1},
            )
        )


def _changed_network(rng: Random) -> bytes:
    model = network()
    graph = model.graph
    for _ in range(rng.randint(1, 2)):
        what, node = rng.randrange(12), rng.choice(graph.node)
        if what == 0:
            return bend(rng, model.SerializeToString())
        if what == 1:
            node.op_type = rng.choice(
                (
                    "Loop",
                    "If",
                    "Scan",
                    "Identity",
                    "Tile",
                    "Expand",
                    "Log",
                    "Exp",
                    "Neg",
                    "Shape",
                    "Sequence",
                    "RandomNormal",
                    "NoSuch",
                    "Cast",
                    "Constant",
                    "ReduceSum",
                    "Softmax",
                    "Pad",
                )
            )
        elif what == 2:
            node.domain = rng.choice(("com.microsoft", "ai.onnx.ml", "x", "ai.onnx.preview.training"))
        elif what == 3:
            node.input[rng.randrange(len(node.input))] = rng.choice(("table", "inputs", "rows", "mean", "nothing", ""))
        elif what == 4:  # numbers that are none
            table = numpy_helper.to_array(network().graph.initializer[0]).copy()
            table[rng.randrange(len(table))] = rng.choice((np.nan, np.inf, -np.inf, 1e38))
            graph.initializer[0].CopyFrom(numpy_helper.from_array(table, "table"))
        elif what == 5:  # weights in another file
            tensor = graph.initializer[0]
            tensor.ClearField("raw_data")
            tensor.data_location = TensorProto.EXTERNAL
            where = rng.choice(
                ("@SECRET@", "secret.txt", "../secret.txt", "../../secret.txt", "weights.bin", "README.md", "/dev/zero")
            )
            for key, value in (("location", where), ("offset", "0"), ("length", str(rng.choice((24, 216, 10**9))))):
                tensor.external_data.add(key=key, value=value)
        elif what == 6:
            tensor = graph.initializer[0]
            tensor.dims[rng.randrange(2)] = number(rng) % 2**63
        elif what == 7:  # as large as it likes
            size = [rng.choice((10, 10**5, 10**9)) for _ in range(2)]
            graph.initializer.append(numpy_helper.from_array(np.array(size, np.int64), "size"))
            graph.node.insert(0, helper.make_node("ConstantOfShape", ["size"], ["huge"]))
            graph.node.append(helper.make_node("ReduceMean", ["huge"], ["one"], keepdims=0))
            graph.node.append(helper.make_node("Add", ["probabilities", "one"], ["sum"]))
            graph.output[0].name = "sum"
        elif what == 8:
            graph.output[0].CopyFrom(
                helper.make_tensor_value_info(
                    rng.choice(("probabilities", "mean", "rows", "nothing")),
                    TensorProto.FLOAT,
                    rng.choice((["batch", 6], ["n"], [])),
                )
            )
        elif what == 9:
            graph.input[0].CopyFrom(
                helper.make_tensor_value_info(
                    "inputs",
                    rng.choice((TensorProto.FLOAT, TensorProto.STRING, TensorProto.INT32, TensorProto.INT64)),
                    rng.choice((["batch", "length"], ["n"], [1, 1], ["a", "b", "c"])),
                )
            )
        elif what == 10:
            _loop(graph, rng.choice((3, 10**5, 2**62)))
        else:
            del graph.node[rng.randrange(len(graph.node))]
            if not graph.node:
                break
    return model.SerializeToString()


def _loop(graph: onnx.GraphProto, times: int) -> None:
    """A loop that doubles nothing, so often."""
    bool_, float_ = TensorProto.BOOL, TensorProto.FLOAT
    body = helper.make_graph(
        [helper.make_node("Identity", ["more"], ["more2"]), helper.make_node("Add", ["x", "x"], ["x2"])],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("more", bool_, []),
            helper.make_tensor_value_info("x", float_, None),
        ],
        [helper.make_tensor_value_info("more2", bool_, []), helper.make_tensor_value_info("x2", float_, None)],
    )
    graph.initializer.append(numpy_helper.from_array(np.array(times, np.int64), "times"))
    graph.initializer.append(numpy_helper.from_array(np.array(True), "yes"))
    graph.node.append(helper.make_node("Loop", ["times", "yes", graph.output[0].name], ["looped"], body=body))
    graph.output[0].name = "looped"
