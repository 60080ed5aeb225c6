"""Networks under ONNX Runtime: rows computed in parts, side by side, are the rows of one batch."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper, save

from mien import runtime
from mien.errors import ModelError
from mien.runtime import Session

_WEIGHTS = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """x (n, 5) → x · W (n, 3), and the sum of each row (n,)."""
    nodes = [
        helper.make_node("MatMul", ["x", "weights"], ["product"]),
        helper.make_node("ReduceSum", ["x", "axis"], ["sums"], keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "two",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 5])],
        [
            helper.make_tensor_value_info("product", TensorProto.FLOAT, ["n", 3]),
            helper.make_tensor_value_info("sums", TensorProto.FLOAT, ["n"]),
        ],
        [numpy_helper.from_array(_WEIGHTS, "weights"), numpy_helper.from_array(np.array([1]), "axis")],
    )
    path = tmp_path_factory.mktemp("network") / "two.onnx"
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)
    return path


@settings(deadline=None, max_examples=60)
@given(count=st.integers(0, 70), threads=st.integers(1, 5), rows=st.one_of(st.none(), st.integers(1, 20)))
def test_parts_give_what_the_whole_gives(network: Path, count: int, threads: int, rows: int | None) -> None:
    array = np.random.default_rng(count).normal(size=(count, 5)).astype(np.float32)
    session = Session(network, threads, rows=rows)
    product, sums = session.run_all(array)
    np.testing.assert_allclose(product, array @ _WEIGHTS, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(sums, array.sum(1), rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(session.run(array, "sums"), sums)
    np.testing.assert_array_equal(session.run(array), product)


def test_arrays_of_several_shapes_keep_their_order(network: Path) -> None:
    arrays = [np.full((count, 5), count, np.float32) for count in (3, 1, 30, 2)]
    found = Session(network, 3).run_each(arrays, "sums")
    assert [part.tolist() for part in found] == [[5.0 * len(part)] * len(part) for part in arrays]
    assert Session(network, 3).run_each([]) == []


class _Counting:
    """An ONNX Runtime session that notes how many rows it was given at once, and how many calls ran side by side."""

    def __init__(self, session: onnxruntime.InferenceSession, together: int) -> None:
        self.session, self.rows = session, list[int]()
        self.barrier = threading.Barrier(together)

    def run(self, names: list[str], inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        self.rows.append(len(inputs["x"]))
        self.barrier.wait(30)  # until so many calls are here: they do not wait for each other
        found: list[np.ndarray] = self.session.run(names, inputs)
        return found


@pytest.mark.parametrize(("threads", "count", "expected"), [(2, 32, [8] * 4), (2, 4, [2, 2]), (4, 4, [1] * 4)])
def test_every_thread_has_a_part_and_none_is_large(
    network: Path, threads: int, count: int, expected: list[int]
) -> None:
    session = Session(network, threads)
    session._session = counting = _Counting(session._session, threads)
    session.run(np.zeros((count, 5), np.float32))
    assert counting.rows == expected


def test_the_bytes_of_a_network_are_let_go_once_it_is_loaded(network: Path) -> None:
    data = network.read_bytes()
    before = sys.getrefcount(data)
    session = Session(data, 2)
    assert sys.getrefcount(data) == before
    assert session.run(np.ones((3, 5), np.float32)).shape == (3, 3)


def test_a_failure_in_one_part_is_the_failure_of_all(network: Path) -> None:
    with pytest.raises(Exception, match="INVALID_ARGUMENT"):
        Session(network, 2).run(np.zeros((20, 4), np.float32))


def test_what_is_no_network_is_named(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"no network")
    with pytest.raises(ModelError, match=r"model\.onnx cannot be run"):
        Session(path)


@pytest.mark.parametrize("told", [None, True])
def test_products_of_8_bits_do_not_overflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: bool | None) -> None:
    """255 · 127 + 255 · 127 is more than 16 bits hold, which processors without VNNI add in."""
    if told is not None:
        monkeypatch.setattr(runtime, "overflows", lambda: told)
    bytes_in, weights = np.full((3, 64), 255, np.uint8), np.full((64, 8), 127, np.int8)
    nodes = [
        helper.make_node("Cast", ["x"], ["bytes"], to=TensorProto.UINT8),
        helper.make_node("MatMulInteger", ["bytes", "weights"], ["sums"]),
        helper.make_node("Cast", ["sums"], ["y"], to=TensorProto.FLOAT),
    ]
    inputs, outputs = (
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", size])] for name, size in (("x", 64), ("y", 8))
    )
    graph = helper.make_graph(nodes, "bytes", inputs, outputs, [numpy_helper.from_array(weights, "weights")])
    path = tmp_path / "bytes.onnx"
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)
    exact = bytes_in.astype(np.int64) @ weights.astype(np.int64)
    np.testing.assert_array_equal(Session(path).run(bytes_in.astype(np.float32)), exact)
    assert onnx.load(path).graph == onnx.load(runtime._EIGHT_BITS).graph  # by which mien tells such processors
    plain = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    wrong = (plain.run(None, {"x": bytes_in.astype(np.float32)})[0] != exact).any()
    assert told or runtime.overflows() == wrong
