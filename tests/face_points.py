"""Stand-ins for the networks of landmarks: small, of the same inputs and outputs, with answers known beforehand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from mien.results import BLENDSHAPES

FILES = ("mesh.onnx", "blendshapes.onnx", "head.npy")
RADIUS = 60.0  # of the ring of points, in pixels of the square of 256
DARK = 100  # gray levels up to this are not seen


def turned(yaw: float = 0.0, pitch: float = 0.0, roll: float = 0.0) -> np.ndarray:
    """The turn of a head, (3, 3), x to the right in the picture, y upwards, z to the camera.

    Of the angles that :class:`mien.results.FaceAction` states: the head first tilts, then nods, then turns aside.
    """
    a, b, c = np.radians((yaw, pitch, roll))
    to_left = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])  # the nose, z, goes to x
    upwards = np.array([[1, 0, 0], [0, np.cos(b), np.sin(b)], [0, -np.sin(b), np.cos(b)]])  # and z to y
    tilted = np.array([[np.cos(c), np.sin(c), 0], [-np.sin(c), np.cos(c), 0], [0, 0, 1]])  # and y, the crown, to x
    return np.asarray(to_left @ upwards @ tilted)


def head() -> np.ndarray:
    """Points of a head: number, weight, x, y, z; numbers 100 to 139, of no meaning to anything else."""
    rng = np.random.default_rng(5)
    return np.column_stack((np.arange(100, 140), rng.uniform(0.1, 1, 40), rng.normal(0, 3, (40, 3)))).astype(np.float32)


def mesh(turn: np.ndarray) -> np.ndarray:
    """Points around the middle of a square, (478, 3): a ring, the eyes' corners level in it, and a turned head."""
    angles = np.linspace(0, 2 * np.pi, 478, endpoint=False)
    points = np.column_stack((RADIUS * np.cos(angles), RADIUS * np.sin(angles), np.zeros(478)))
    points[33], points[263] = (-30, -20, 0), (30, -20, 0)
    points[362], points[385], points[387] = (10, -20, 0), (17, -24, 0), (23, -24, 0)  # the left eye
    points[380], points[373] = (17, -16, 0), (23, -16, 0)
    points[78], points[308], points[13], points[14] = (-20, 20, 0), (20, 20, 0), (0, 20, 0), (0, 20, 0)
    numbers = head()
    placed = numbers[:, 2:] @ turn.T * (3, -3, -3)
    points[numbers[:, 0].astype(int)] = placed - placed.mean(0)
    return points.astype(np.float32)


def write_networks(folder: Path, turn: np.ndarray | None = None) -> Path:
    """The three files, of a face that is wherever a picture is bright.

    The points lie around the middle of what is brighter than `DARK`, and the mouth opens with how bright that is: by
    40 of the square's 256 pixels where it is white. There is a face where anything is that bright. "jawOpen" and all
    further blendshapes are the mouth's opening in 64 pixels of the square, all before it half of that.
    """
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "head.npy", head())
    constants = {
        "base": mesh(np.eye(3) if turn is None else turn)[None] + np.float32([128, 128, 0]),
        "dark": np.float32([DARK]), "white": np.float32([255 - DARK]), "little": np.float32([1e-3]),
        "x": np.arange(256, dtype=np.float32)[None, None, :], "y": np.arange(256, dtype=np.float32)[None, :, None],
        "axes": np.int64([1, 2]), "minus": np.float32([128]), "one": np.int64([1]), "per": np.float32([1e-3]),
        "least": np.float32(0), "most": np.float32(1), "mouth": _mouth(), "two": np.int64([2]),
    }  # fmt: skip
    nodes = [
        _node("Cast", "pixels", "wide", to=TensorProto.FLOAT),
        _node("ReduceMean", "wide", "gray", axes=[3], keepdims=0),
        _node("Sub", "gray dark", "above"), _node("Relu", "above", "seen"),
        _node("ReduceSum", "seen axes", "sum", keepdims=0), _node("Add", "sum little", "total"),
        _node("Mul", "seen x", "seen_x"), _node("Mul", "seen y", "seen_y"), _node("Mul", "seen seen", "squared"),
        *(node for name in ("seen_x", "seen_y", "squared") for node in (
            _node("ReduceSum", f"{name} axes", f"{name}_sum", keepdims=0),
            _node("Div", f"{name}_sum total", f"{name}_mean"), _node("Unsqueeze", f"{name}_mean one", f"{name}_2"),
        )),
        _node("Sub", "seen_x_2 minus", "dx"), _node("Sub", "seen_y_2 minus", "dy"), _node("Sub", "dx dx", "dz"),
        _node("Concat", "dx dy dz", "shift_2", axis=1), _node("Unsqueeze", "shift_2 one", "shift"),
        _node("Add", "base shift", "placed"), _node("Div", "squared_2 white", "light"),
        _node("Unsqueeze", "light two", "light_3"), _node("Mul", "light_3 mouth", "opened"),
        _node("Add", "placed opened", "points"),
        _node("Mul", "sum per", "some"), _node("Clip", "some least most", "sure"),
        _node("Unsqueeze", "sure one", "presence"),
    ]  # fmt: skip
    _write(
        folder / "mesh.onnx", nodes, constants, ("pixels", TensorProto.UINT8, ["n", 256, 256, 3]),
        [("points", ["n", 478, 3]), ("presence", ["n", 1])],
    )  # fmt: skip
    share = np.where(np.arange(52) < BLENDSHAPES.index("jawOpen"), 0.5, 1).astype(np.float32)[None] / 64
    constants = {
        "low": np.int64([14]), "high": np.int64([13]), "y": np.int64([1]), "share": share,
        "least": np.float32(0), "most": np.float32(1),
    }  # fmt: skip
    nodes = [
        _node("Gather", "points low", "lower", axis=1), _node("Gather", "points high", "upper", axis=1),
        _node("Sub", "lower upper", "apart"), _node("Gather", "apart y", "high_3", axis=2),
        _node("Squeeze", "high_3 y", "open"), _node("Mul", "open share", "told"),
        _node("Clip", "told least most", "blendshapes"),
    ]  # fmt: skip
    given = ("points", TensorProto.FLOAT, ["n", 478, 2])
    _write(folder / "blendshapes.onnx", nodes, constants, given, [("blendshapes", ["n", 52])])
    return folder


def _mouth() -> np.ndarray:
    moved = np.zeros((1, 478, 3), np.float32)
    moved[0, 14, 1] = 40
    return moved


def _node(kind: str, inputs: str, output: str, **attributes: object) -> onnx.NodeProto:
    return helper.make_node(kind, inputs.split(), [output], **attributes)


def _write(
    path: Path, nodes: list[onnx.NodeProto], constants: dict[str, np.ndarray], given: tuple[str, int, list[object]],
    outputs: list[tuple[str, list[object]]],
) -> None:  # fmt: skip
    graph = helper.make_graph(
        nodes, "stand-in", [helper.make_tensor_value_info(*given)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )  # fmt: skip
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(made)
    path.write_bytes(made.SerializeToString())
