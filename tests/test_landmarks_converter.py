"""The converter of `landmarks/`: small TensorFlow Lite graphs, written here byte by byte, against loops in numpy."""

from __future__ import annotations

import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "landmarks"))
import convert  # noqa: E402

FLOAT, HALF, WHOLE = 0, 1, 2
ADD, CONCATENATION, CONV, DEPTHWISE, DEQUANTIZE, LOGISTIC, POOL, MUL, RESHAPE = 0, 2, 3, 4, 6, 14, 17, 18, 22
PAD, TRANSPOSE, MEAN, SUB, SLICE, PRELU, RSQRT, SQUARED = 34, 39, 40, 41, 45, 54, 76, 99
RELU = 1


def flat(fields: dict[int, Any]) -> bytes:
    """A flatbuffer: a table by the numbers of its fields; whole numbers, arrays, bytes, tables, lists of tables."""
    data = bytearray(4)

    def table(of: dict[int, Any]) -> int:
        size = max(of, default=-1) + 1
        start = len(data)
        slots = {field: 4 + 4 * at for at, field in enumerate(of)}
        data.extend(struct.pack("<HH", 4 + 2 * size, 4 + 4 * len(of)))
        data.extend(struct.pack(f"<{size}H", *(slots.get(field, 0) for field in range(size))))
        place = len(data)
        data.extend(struct.pack("<i", place - start) + bytes(4 * len(of)))
        for field, value in of.items():
            at = place + slots[field]
            if isinstance(value, int):
                struct.pack_into("<i", data, at, value)
                continue
            target = table(value) if isinstance(value, dict) else vector(value)
            struct.pack_into("<I", data, at, target - at)
        return place

    def vector(values: Any) -> int:
        place = len(data)
        data.extend(struct.pack("<I", len(values)))
        if isinstance(values, bytes):
            data.extend(values)
        elif isinstance(values, np.ndarray):
            data.extend(values.tobytes())
        else:
            data.extend(bytes(4 * len(values)))
            for at, value in enumerate(values):
                slot = place + 4 + 4 * at
                struct.pack_into("<I", data, slot, table(value) - slot)
        return place

    struct.pack_into("<I", data, 0, table(fields))
    return bytes(data)


class Lite:
    """A graph that is being made."""

    def __init__(self) -> None:
        self.tensors: list[dict[int, Any]] = []
        self.buffers: list[dict[int, Any]] = [{0: b""}]
        self.codes: list[int] = []
        self.steps: list[dict[int, Any]] = []

    def tensor(self, *shape: int) -> int:
        self.tensors.append({0: np.array(shape, "<i4"), 1: FLOAT, 2: 0})
        return len(self.tensors) - 1

    def constant(self, values: Any, kind: int = WHOLE) -> int:
        array = np.asarray(values, {FLOAT: "<f4", HALF: "<f2", WHOLE: "<i4"}[kind])
        self.buffers.append({0: array.tobytes()})
        self.tensors.append({0: np.array(array.shape, "<i4"), 1: kind, 2: len(self.buffers) - 1})
        return len(self.tensors) - 1

    def half(self, values: np.ndarray) -> int:
        """A constant of 16 bits, widened by a step of its own as in Google's files."""
        return self.step(DEQUANTIZE, [self.constant(values, HALF)], values.shape)

    def step(self, code: int, inputs: list[int], shape: tuple[int, ...], **options: int) -> int:
        if code not in self.codes:
            self.codes.append(code)
        output = self.tensor(*shape)
        told = {int(name[1:]): value for name, value in options.items()}
        self.steps.append({
            0: self.codes.index(code), 1: np.array(inputs, "<i4"), 2: np.array([output], "<i4"), 3: 1, 4: told,
        })  # fmt: skip
        return output

    def file(self, inputs: list[int], outputs: list[int]) -> bytes:
        graph = {0: self.tensors, 1: np.array(inputs, "<i4"), 2: np.array(outputs, "<i4"), 3: self.steps}
        return flat({0: 3, 1: [{0: code} for code in self.codes], 2: [graph], 4: self.buffers})


def same(size: int, side: int, stride: int) -> tuple[int, int]:
    """Places that TensorFlow's SAME adds before and behind."""
    lack = max((-(-size // stride) - 1) * stride + side - size, 0)
    return lack // 2, lack - lack // 2


def convolved(picture: np.ndarray, kernel: np.ndarray, bias: np.ndarray, stride: int, depthwise: bool) -> np.ndarray:
    """Rows, columns, planes; the kernel as TensorFlow Lite has it."""
    rows, columns = kernel.shape[1:3]
    edges = (same(picture.shape[0], rows, stride), same(picture.shape[1], columns, stride), (0, 0))
    padded = np.pad(picture.astype(np.float64), edges)
    tall, wide = -(-picture.shape[0] // stride), -(-picture.shape[1] // stride)
    found = np.zeros((tall, wide, len(bias)))
    for y in range(tall):
        for x in range(wide):
            part = padded[y * stride : y * stride + rows, x * stride : x * stride + columns]
            if depthwise:
                found[y, x] = (part * kernel[0]).sum((0, 1)) + bias
            else:
                found[y, x] = (part[None] * kernel).sum((1, 2, 3)) + bias
    return found


def test_a_network_of_pictures() -> None:
    """Convolutions with 16-bit weights, slopes, a sum, pooling and planes of nothing; an output that nobody wants."""
    rng = np.random.default_rng(0)
    half = {
        name: rng.normal(0, 0.5, shape).astype(np.float16)
        for name, shape in {
            "first": (4, 3, 3, 3), "bias": (4,), "slope": (1, 1, 4), "deep": (1, 3, 3, 4), "deep_bias": (4,),
            "last": (6, 1, 1, 6), "last_bias": (6,), "sure": (1, 5, 5, 6), "sure_bias": (1,),
        }.items()
    }  # fmt: skip
    lite = Lite()
    given = lite.tensor(1, 10, 9, 3)
    at = {name: lite.half(values) for name, values in half.items()}
    one = lite.step(CONV, [given, at["first"], at["bias"]], (1, 5, 5, 4), _0=0, _1=2, _2=2, _3=0)
    one = lite.step(PRELU, [one, at["slope"]], (1, 5, 5, 4))
    two = lite.step(DEPTHWISE, [one, at["deep"], at["deep_bias"]], (1, 5, 5, 4), _0=0, _1=1, _2=1, _3=1, _4=RELU)
    both = lite.step(ADD, [one, two], (1, 5, 5, 4), _0=0)
    wide = lite.step(PAD, [both, lite.constant([[0, 0], [0, 0], [0, 0], [0, 2]])], (1, 5, 5, 6))
    pooled = lite.step(POOL, [wide], (1, 3, 3, 6), _0=0, _1=2, _2=2, _3=2, _4=2, _5=0)
    top = lite.step(POOL, [pooled], (1, 1, 1, 6), _0=1, _1=1, _2=1, _3=3, _4=3, _5=0)
    points = lite.step(CONV, [top, at["last"], at["last_bias"]], (1, 1, 1, 6), _0=1, _1=1, _2=1, _3=0)
    sure = lite.step(CONV, [wide, at["sure"], at["sure_bias"]], (1, 1, 1, 1), _0=1, _1=1, _2=1, _3=0)
    unused = lite.step(77, [sure], (1, 1, 1, 1))  # of an operator that is not known
    session = onnxruntime.InferenceSession(convert.convert_mesh(lite.file([given], [points, sure, unused])))
    pictures = rng.integers(0, 256, (3, 10, 9, 3), np.uint8)
    got_points, got_presence = session.run(["points", "presence"], {"pixels": pictures})
    assert (got_points.shape, got_presence.shape) == ((3, 2, 3), (3, 1))
    for picture, found, present in zip(pictures, got_points, got_presence, strict=True):
        told = {name: values.astype(np.float64) for name, values in half.items()}
        one_ = convolved(picture / 255, told["first"], told["bias"], 2, False)
        one_ = np.where(one_ > 0, one_, one_ * told["slope"][0, 0])
        two_ = np.maximum(convolved(one_, told["deep"], told["deep_bias"], 1, True), 0)
        wide_ = np.pad(one_ + two_, ((0, 0), (0, 0), (0, 2)))
        top_ = wide_.max((0, 1))  # of places of which SAME adds none that is larger: pooling ignores them
        assert found.ravel() == pytest.approx(told["last"][:, 0, 0] @ top_ + told["last_bias"], abs=1e-4)
        logit = float((wide_ * told["sure"][0]).sum() + told["sure_bias"][0])
        assert present[0] == pytest.approx(1 / (1 + np.exp(-logit)), abs=1e-5)


def test_a_network_of_points() -> None:
    """Means, roots, products of rows, a row that is the same for every input, parts; for several inputs at once."""
    rng = np.random.default_rng(1)
    weights, bias = rng.normal(0, 1, (5, 1, 1, 2)).astype(np.float16), rng.normal(0, 1, 5).astype(np.float16)
    token = rng.normal(0, 1, (1, 1, 1, 5)).astype(np.float32)
    lite = Lite()
    given = lite.tensor(1, 4, 2)
    mean = lite.step(MEAN, [given, lite.constant([1])], (1, 1, 2), _0=1)
    moved = lite.step(SUB, [given, mean], (1, 4, 2), _0=0)
    spread = lite.step(SQUARED, [given, mean], (1, 4, 2))
    spread = lite.step(MEAN, [spread, lite.constant([1])], (1, 1, 2), _0=1)
    moved = lite.step(MUL, [moved, lite.step(RSQRT, [spread], (1, 1, 2))], (1, 4, 2), _0=0)
    rows = lite.step(RESHAPE, [moved, lite.constant([1, 1, 4, 2])], (1, 1, 4, 2))
    rows = lite.step(CONV, [rows, lite.half(weights), lite.half(bias)], (1, 1, 4, 5), _0=1, _1=1, _2=1, _3=RELU)
    rows = lite.step(CONCATENATION, [lite.constant(token, FLOAT), rows], (1, 1, 5, 5), _0=2, _1=0)
    turned = lite.step(TRANSPOSE, [rows, lite.constant([0, 1, 3, 2])], (1, 1, 5, 5))
    part = [lite.constant(values) for values in ([0, 0, 1, 0], [0, 0, 3, 0], [1, 1, 1, 1])]
    some = lite.step(SLICE, [turned, *part], (1, 1, 2, 5), _0=0b1011, _1=0b1011, _2=0, _3=0, _4=0)
    told = lite.step(LOGISTIC, [some], (1, 1, 2, 5))
    flat_row = lite.step(RESHAPE, [told, lite.constant([1, 10])], (1, 10))
    part = [lite.constant(values) for values in ([0, 0], [1, 0], [1, 1])]
    first = lite.step(SLICE, [flat_row, *part], (10,), _0=0b10, _1=0b10, _2=0, _3=0, _4=1)
    network = convert.convert_blendshapes(lite.file([given], [first]), points=7, places=[6, 0, 2, 3])
    points = rng.normal(0, 30, (3, 7, 2)).astype(np.float32)
    (got,) = onnxruntime.InferenceSession(network).run(["blendshapes"], {"points": points})
    assert got.shape == (3, 10)
    for one, found in zip(points.astype(np.float64), got, strict=True):
        chosen = one[[6, 0, 2, 3]]
        scaled = (chosen - chosen.mean(0)) / chosen.std(0)
        made = np.maximum(scaled @ weights[:, 0, 0].astype(np.float64).T + bias, 0)
        columns = np.vstack((token[0, 0], made)).T[1:3]
        assert found == pytest.approx((1 / (1 + np.exp(-columns))).ravel(), abs=1e-5)


def test_what_is_not_known_is_refused() -> None:
    lite = Lite()
    given = lite.tensor(1, 4, 4, 3)
    strange = lite.step(77, [given], (1, 4, 4, 3))
    with pytest.raises(ValueError, match="operator 77 is not known"):
        convert.convert_mesh(lite.file([given], [strange, strange]))


def test_the_points_of_a_head() -> None:
    """Two fields of a protobuf: a mesh, whose vertices have a place on a texture besides, and numbers with weights."""

    def field(number: int, value: bytes) -> bytes:
        return bytes([number << 3 | 2, len(value)]) + value

    vertices = np.arange(15, dtype="<f4").reshape(3, 5)
    mesh = b"\x08\x00" + b"".join(b"\x1d" + value.tobytes() for value in vertices.ravel())
    parts = field(2, b"\x08\x02\x15" + struct.pack("<f", 0.5)) + field(2, b"\x15" + struct.pack("<f", 0.25))
    head = convert.convert_head(field(1, mesh) + parts)
    assert head.tolist() == [[2, 0.5, 10, 11, 12], [0, 0.25, 0, 1, 2]]
