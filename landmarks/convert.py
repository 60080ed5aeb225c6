"""Converter of MediaPipe's face landmarker: from a ``.task`` file to two ONNX networks and the points of a head.

Only what occurs in these two graphs is read: the tables of a TensorFlow Lite file, and some twenty operators.

    python landmarks/convert.py face_landmarker.task FOLDER
"""

from __future__ import annotations

import io
import struct
import sys
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper

from binary import Table, messages

FILES = ("mesh.onnx", "blendshapes.onnx", "head.npy")
OPSET = 17
_TYPES = {0: np.dtype("<f4"), 1: np.dtype("<f2"), 2: np.dtype("<i4")}
_SAME = 0

# Which of the 478 points the second network is given, in its order (mediapipe, face_blendshapes_graph.cc).
_GIVEN = """
    0 1 4 5 6 7 8 10 13 14 17 21 33 37 39 40 46 52 53 54 55 58 61 63 65 66 67 70 78 80 81 82 84 87 88 91 93 95 103 105
    107 109 127 132 133 136 144 145 146 148 149 150 152 153 154 155 157 158 159 160 161 162 163 168 172 173 176 178 181
    185 191 195 197 234 246 249 251 263 267 269 270 276 282 283 284 285 288 291 293 295 296 297 300 308 310 311 312 314
    317 318 321 323 324 332 334 336 338 356 361 362 365 373 374 375 377 378 379 380 381 382 384 385 386 387 388 389 390
    397 398 400 402 405 409 415 454 466 468 469 470 471 472 473 474 475 476 477
"""


@dataclass
class Operator:
    """A step of a graph; what it reads and writes by the number of the tensor, -1 for nothing."""

    code: int
    inputs: list[int]
    outputs: list[int]
    options: Table | None

    def option(self, field: int, kind: str = "i", default: int = 0) -> int:
        """A number of its options."""
        return default if self.options is None else self.options.number(field, kind, default)


class Graph:
    """A TensorFlow Lite graph that is written anew as ONNX, for any number of inputs at once.

    Args:
        data: the file.
        planes: whether it reads pictures, whose channels come first in ONNX. Else a convolution is one of single
            places, and a matrix product here.
    """

    def __init__(self, data: bytes, planes: bool) -> None:
        model = Table.root(data)
        graph, self.planes = model.tables(2)[0], planes
        codes = [max(code.number(0, "b"), code.number(3)) for code in model.tables(1)]
        tensors, buffers = graph.tables(0), model.tables(4)
        self.shapes = [tensor.array(0).tolist() for tensor in tensors]
        self.constants: dict[int, np.ndarray] = {}
        for number, tensor in enumerate(tensors):
            raw, kind = buffers[tensor.number(2, "I")].array(0, "u1"), tensor.number(1, "b")
            if len(raw):
                self.constants[number] = raw.view(_TYPES[kind]).reshape(self.shapes[number])
        self.inputs, self.outputs = graph.array(1).tolist(), graph.array(2).tolist()
        self.steps = [
            Operator(
                codes[step.number(0, "I")], step.array(1).tolist(), step.array(2).tolist(),
                step.table(4) if step.number(3, "B") else None,
            )
            for step in graph.tables(3)
        ]  # fmt: skip
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []

    def add(self, kind: str, inputs: Iterable[str], output: str, **attributes: Any) -> str:
        """Add a node; gives the name of its output."""
        self.nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def constant(self, values: Any, name: str, kind: Any = None) -> str:
        """Add a constant; numbers of 16 bits stay so in the file, and are widened when it is loaded."""
        array = np.ascontiguousarray(values, kind)
        if array.dtype != np.float16:
            self.initializers.append(numpy_helper.from_array(array, name))
            return name
        self.initializers.append(numpy_helper.from_array(array, f"{name}_half"))
        return self.add("Cast", [f"{name}_half"], name, to=TensorProto.FLOAT)

    def value(self, tensor: int) -> str:
        """The name of a tensor, which is added if it is a constant."""
        name = f"t{tensor}"
        known = {made.output[0] for made in self.nodes} | {made.name for made in self.initializers}
        if tensor in self.constants and name not in known:
            self.constant(self.constants[tensor], name)
        return name

    def convert(self, wanted: Iterable[int]) -> None:
        """Add the nodes of all steps that the wanted tensors need."""
        needed, steps = set(wanted), []
        for step in reversed(self.steps):
            if needed.intersection(step.outputs):
                needed.update(step.inputs)
                steps.append(step)
        for step in reversed(steps):
            if step.code == 6:  # DEQUANTIZE: a constant of 16 bits
                self.constants[step.outputs[0]] = self.constants[step.inputs[0]]
            elif step.code in _CONVERT:
                _CONVERT[step.code](self, step, f"t{step.outputs[0]}")
            else:
                raise ValueError(f"operator {step.code} is not known")

    def model(self, name: str, given: Any, outputs: Iterable[Any]) -> bytes:
        """The ONNX file."""
        graph = helper.make_graph(self.nodes, name, [given], list(outputs), self.initializers)
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
        checker.check_model(made, full_check=True)
        data: bytes = made.SerializeToString()
        return data


def _pads(graph: Graph, step: Operator, kernel: tuple[int, int], strides: tuple[int, int]) -> list[int]:
    """Rows and columns of nothing around a picture, as TensorFlow's SAME has them: the odd one behind."""
    if step.option(0, "b") != _SAME:
        return [0, 0, 0, 0]
    lacking = [
        max((-(-size // stride) - 1) * stride + side - size, 0)
        for size, side, stride in zip(graph.shapes[step.inputs[0]][1:3], kernel, strides, strict=True)
    ]
    return [lack // 2 for lack in lacking] + [lack - lack // 2 for lack in lacking]


def _activated(graph: Graph, code: int, made: str, output: str) -> None:
    if code == 1:
        graph.add("Relu", [made], output)
    elif code:
        raise ValueError(f"activation {code} is not known")
    else:
        graph.nodes[-1].output[0] = output


def _convolution(graph: Graph, step: Operator, output: str) -> None:
    depthwise = step.code == 4
    kernel, bias = graph.constants[step.inputs[1]], step.inputs[2]
    strides = (step.option(2, default=1), step.option(1, default=1))
    spread = (5, 6) if depthwise else (4, 5)
    if any(step.option(field, default=1) != 1 for field in spread) or (depthwise and step.option(3) != 1):
        raise ValueError("a convolution with gaps, or of several filters a plane, is not known")
    source = graph.value(step.inputs[0])
    if not graph.planes:
        if kernel.shape[1:3] != (1, 1) or strides != (1, 1) or depthwise:
            raise ValueError("a convolution of more than single places is not known here")
        weights = graph.constant(kernel[:, 0, 0].T, f"{output}_w")
        made = graph.add("MatMul", [source, weights], f"{output}_p")
        made = graph.add("Add", [made, graph.value(bias)], f"{output}_raw")
    else:
        # (out, rows, columns, in), or of depthwise (1, rows, columns, planes) → (out, in or 1, rows, columns)
        turned = kernel.transpose((3, 0, 1, 2) if depthwise else (0, 3, 1, 2))
        made = graph.add(
            "Conv", [source, graph.constant(turned, f"{output}_w"), graph.value(bias)], f"{output}_raw",
            strides=strides, pads=_pads(graph, step, kernel.shape[1:3], strides),
            group=turned.shape[0] if depthwise else 1,
        )  # fmt: skip
    _activated(graph, step.option(4 if depthwise else 3, "b"), made, output)


def _pool(graph: Graph, step: Operator, output: str) -> None:
    strides, kernel = (step.option(2), step.option(1)), (step.option(4), step.option(3))
    pads = _pads(graph, step, kernel, strides)
    made = graph.add(
        "MaxPool", [graph.value(step.inputs[0])], f"{output}_raw", kernel_shape=kernel, strides=strides, pads=pads
    )
    _activated(graph, step.option(5, "b"), made, output)


def _slope(graph: Graph, step: Operator, output: str) -> None:
    slopes = graph.constants[step.inputs[1]].transpose(2, 0, 1)  # planes first
    graph.add("PRelu", [graph.value(step.inputs[0]), graph.constant(slopes, f"{output}_s")], output)


def _pad(graph: Graph, step: Operator, output: str) -> None:
    sides = graph.constants[step.inputs[1]][[0, 3, 1, 2] if graph.planes else slice(None)].astype(np.int64)
    graph.add("Pad", [graph.value(step.inputs[0]), graph.constant(sides.T.ravel(), f"{output}_n")], output)


def _pair(kind: str, option: int = 0) -> Callable[[Graph, Operator, str], None]:
    def write(graph: Graph, step: Operator, output: str) -> None:
        made = graph.add(kind, map(graph.value, step.inputs), f"{output}_raw")
        _activated(graph, step.option(option, "b"), made, output)

    return write


def _single(kind: str) -> Callable[[Graph, Operator, str], None]:
    return lambda graph, step, output: graph.add(kind, [graph.value(step.inputs[0])], output) and None


def _inverse_root(graph: Graph, step: Operator, output: str) -> None:
    root = graph.add("Sqrt", [graph.value(step.inputs[0])], f"{output}_root")
    graph.add("Reciprocal", [root], output)


def _squared_difference(graph: Graph, step: Operator, output: str) -> None:
    difference = graph.add("Sub", map(graph.value, step.inputs), f"{output}_d")
    graph.add("Mul", [difference, difference], output)


def _reduce(kind: str) -> Callable[[Graph, Operator, str], None]:
    def write(graph: Graph, step: Operator, output: str) -> None:
        axes = graph.constants[step.inputs[1]].ravel().astype(np.int64)
        source, keep = graph.value(step.inputs[0]), step.option(0, "b")
        if kind == "ReduceSum":
            graph.add(kind, [source, graph.constant(axes, f"{output}_axes")], output, keepdims=keep)
        else:
            graph.add(kind, [source], output, axes=axes.tolist(), keepdims=keep)

    return write


def _reshape(graph: Graph, step: Operator, output: str) -> None:
    shape = [-1, *graph.shapes[step.outputs[0]][1:]]  # any number of inputs
    graph.add("Reshape", [graph.value(step.inputs[0]), graph.constant(shape, f"{output}_n", np.int64)], output)


def _transpose(graph: Graph, step: Operator, output: str) -> None:
    graph.add("Transpose", [graph.value(step.inputs[0])], output, perm=graph.constants[step.inputs[1]].tolist())


def _slice(graph: Graph, step: Operator, output: str) -> None:
    begin, end, steps = (graph.constants[number].astype(np.int64) for number in step.inputs[1:])
    shape = graph.shapes[step.inputs[0]]
    begin_free, end_free, *others = (step.option(field) for field in range(5))
    if others[:2] != [0, 0] or (steps != 1).any():
        raise ValueError("a slice of that kind is not known")
    starts = [0 if begin_free >> axis & 1 else int(at) for axis, at in enumerate(begin)]
    ends = [shape[axis] if end_free >> axis & 1 else int(at) for axis, at in enumerate(end)]
    dropped = [axis for axis in range(len(shape)) if others[2] >> axis & 1]
    axes = [axis for axis in range(len(shape)) if (starts[axis], ends[axis]) != (0, shape[axis]) and axis]
    if dropped not in ([], [0]):
        raise ValueError("a slice that drops a side is not known")
    if not axes:  # the first of one: of several inputs all
        graph.add("Identity", [graph.value(step.inputs[0])], output)
        return
    parts = ([starts[axis] for axis in axes], [ends[axis] for axis in axes], axes)
    names = [graph.constant(part, f"{output}_{at}", np.int64) for at, part in enumerate(parts)]
    graph.add("Slice", [graph.value(step.inputs[0]), *names], output)


def _concatenate(graph: Graph, step: Operator, output: str) -> None:
    names = list(map(graph.value, step.inputs))
    moving = next(number for number in step.inputs if number not in graph.constants)
    for at, number in enumerate(step.inputs):
        if number in graph.constants:  # the same for every input
            count = graph.add("Shape", [f"t{moving}"], f"{output}_count", start=0, end=1)
            rest = graph.constant(graph.shapes[number][1:], f"{output}_rest", np.int64)
            shape = graph.add("Concat", [count, rest], f"{output}_shape", axis=0)
            names[at] = graph.add("Expand", [names[at], shape], f"{output}_{at}")
    graph.add("Concat", names, output, axis=step.option(0))


_CONVERT: dict[int, Callable[[Graph, Operator, str], None]] = {
    0: _pair("Add"), 2: _concatenate, 3: _convolution, 4: _convolution, 14: _single("Sigmoid"), 17: _pool,
    18: _pair("Mul"), 22: _reshape, 34: _pad, 39: _transpose, 40: _reduce("ReduceMean"), 41: _pair("Sub"),
    42: _pair("Div"), 45: _slice, 54: _slope, 59: _single("Neg"), 74: _reduce("ReduceSum"), 75: _single("Sqrt"),
    76: _inverse_root, 99: _squared_difference,
}  # fmt: skip


def convert_mesh(data: bytes) -> bytes:
    """The network that finds the points, as ONNX.

    It takes ``pixels``, uint8 (n, 256, 256, 3), and gives ``points``, float32 (n, 478, 3), x and y in pixels of that
    and the depth in the same unit; and ``presence``, float32 (n, 1), how sure there is a face, 0..1.
    """
    graph = Graph(data, planes=True)
    _, height, width, planes = graph.shapes[graph.inputs[0]]
    wide = graph.add("Cast", ["pixels"], "wide", to=TensorProto.FLOAT)
    unit = graph.add("Mul", [wide, graph.constant(1 / 255, "unit", np.float32)], "scaled")
    graph.add("Transpose", [unit], f"t{graph.inputs[0]}", perm=[0, 3, 1, 2])
    points, present = graph.outputs[:2]
    graph.convert((points, present))
    count = graph.shapes[points][-1] // 3
    graph.add("Reshape", [f"t{points}", graph.constant([-1, count, 3], "of_points", np.int64)], "points")
    logit = graph.add("Reshape", [f"t{present}", graph.constant([-1, 1], "of_presence", np.int64)], "logit")
    graph.add("Sigmoid", [logit], "presence")
    given = helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["n", height, width, planes])
    outputs = [
        helper.make_tensor_value_info("points", TensorProto.FLOAT, ["n", count, 3]),
        helper.make_tensor_value_info("presence", TensorProto.FLOAT, ["n", 1]),
    ]
    return graph.model("face mesh", given, outputs)


def convert_blendshapes(data: bytes, points: int = 478, places: Iterable[int] | None = None) -> bytes:
    """The network that tells from the points what a face does, as ONNX.

    It takes ``points``, float32 (n, 478, 2), x and y in any unit, and gives ``blendshapes``, float32 (n, 52), 0..1.
    """
    graph = Graph(data, planes=False)
    chosen = graph.constant(list(places or map(int, _GIVEN.split())), "places", np.int64)
    graph.add("Gather", ["points", chosen], f"t{graph.inputs[0]}", axis=1)
    graph.convert(graph.outputs)
    width = graph.shapes[graph.outputs[0]][-1]
    graph.add("Identity", [f"t{graph.outputs[0]}"], "blendshapes")
    given = helper.make_tensor_value_info("points", TensorProto.FLOAT, ["n", points, 2])
    outputs = [helper.make_tensor_value_info("blendshapes", TensorProto.FLOAT, ["n", width])]
    return graph.model("face blendshapes", given, outputs)


def convert_head(data: bytes) -> np.ndarray:
    """The points of a usual head that tell how it is turned, float32 (n, 5): number, weight, x, y, z in centimeters.

    x grows to the head's left, y upwards, z to the front.
    """
    mesh = messages(data, 1)[0]
    width = {0: 5, 1: 3}[(messages(mesh, 1) or [0])[0]]  # of a vertex: with its place on a texture, or without
    floats = [struct.unpack("<f", value)[0] for value in messages(mesh, 3)]
    vertices = np.array(floats, np.float32).reshape(-1, width)[:, :3]
    rows = []
    for part in messages(data, 2):
        number, weight = (messages(part, 1) or [0])[0], struct.unpack("<f", messages(part, 2)[0])[0]
        rows.append([number, weight, *vertices[number]])
    return np.array(rows, np.float32)


def convert(task: bytes, folder: Path) -> None:
    """Write all that mien reads of a ``face_landmarker.task`` into a folder."""
    with zipfile.ZipFile(io.BytesIO(task)) as archive:
        made = {
            "mesh.onnx": convert_mesh(archive.read("face_landmarks_detector.tflite")),
            "blendshapes.onnx": convert_blendshapes(archive.read("face_blendshapes.tflite")),
        }
        head = io.BytesIO()
        np.save(head, convert_head(archive.read("geometry_pipeline_metadata_landmarks.binarypb")))
        made["head.npy"] = head.getvalue()
    folder.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        (folder / name).write_bytes(made[name])


if __name__ == "__main__":
    convert(Path(sys.argv[1]).read_bytes(), Path(sys.argv[2]))
