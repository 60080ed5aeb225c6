"""A tiny face model made by hand, and pictures to give it: what the tests of faces share."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import onnx
from onnx import TensorProto, helper

from mien.labels import SPACES
from mien.modalities.face.detect import Face
from mien.model import NETWORK, CertaintyEntry, LabelsEntry, Manifest, verify, write_model
from mien.training.publish import convert_model

__all__ = ["FER", "PLUS", "Squares", "drawn_face", "expected", "face_model", "reliability", "video_model"]

DIM, STEEP = 0.25, 40.0  # of faces darker than that the judged model is unsure
FER, PLUS = SPACES["fer7"].names, SPACES["ferplus8"].names


def drawn_face(size: int = 200) -> np.ndarray:
    """A plainly drawn face on a plain ground, uint8 (size, size, 3) RGB, that RetinaFace takes for one."""
    picture = np.full((200, 200, 3), (120, 140, 160), np.uint8)
    skin, dark = (224, 172, 140), (60, 40, 35)
    cv2.ellipse(picture, (100, 105), (58, 76), 0, 0, 360, skin, -1, cv2.LINE_AA)
    cv2.ellipse(picture, (100, 62), (62, 44), 0, 180, 360, dark, -1, cv2.LINE_AA)
    for x in (76, 124):
        cv2.ellipse(picture, (x, 92), (12, 7), 0, 0, 360, (250, 250, 250), -1, cv2.LINE_AA)
        cv2.circle(picture, (x, 92), 6, (70, 50, 40), -1, cv2.LINE_AA)
        cv2.ellipse(picture, (x, 80), (15, 5), 0, 190, 350, dark, 3, cv2.LINE_AA)
    cv2.ellipse(picture, (100, 118), (8, 5), 0, 0, 180, (180, 120, 95), 3, cv2.LINE_AA)
    cv2.line(picture, (97, 96), (94, 116), (196, 140, 112), 2, cv2.LINE_AA)
    cv2.ellipse(picture, (100, 145), (24, 9), 0, 0, 180, (170, 60, 60), -1, cv2.LINE_AA)
    blurred = cv2.GaussianBlur(picture, (5, 5), 0)
    return np.asarray(cv2.resize(blurred, (size, size), interpolation=cv2.INTER_AREA))


def scene(*faces: int | None) -> np.ndarray:
    """A drawn face on the left and one on the right: 1 as it is, 2 half as light, …; None: not there."""
    picture = np.full((200, 360, 3), (120, 140, 160), np.uint8)
    for place, darker in enumerate(faces):
        if darker:
            picture[30:170, 20 + 180 * place : 160 + 180 * place] = drawn_face(140) // darker
    return picture


def face_model(
    folder: Path, size: int = 16, channels: int = 1, source: int = 0, features: bool = True, judged: bool = False
) -> Path:
    """A model folder whose network decides by brightness alone.

    The mean m of a crop in 0..1 gives the logit -(7 m - i - 0.5)² for label i of fer7, so that black is the first and
    white the last; ferplus8 gets its labels in the same manner, eight of them. The features are m and the mean of
    the crop's left half. A *judged* one gives every face the reliability :func:`reliability` of m, and is unsure below
    0.5.
    """
    nodes = [
        helper.make_node("Cast", ["inputs"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["f", "per"], ["g"]),
        helper.make_node("ReduceMean", ["g"], ["m3"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Unsqueeze", ["m3", "one"], ["m"]),
        helper.make_node("Slice", ["g", "zero", "half", "two"], ["left"]),
        helper.make_node("ReduceMean", ["left"], ["l3"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Unsqueeze", ["l3", "one"], ["l"]),
        helper.make_node("Concat", ["m", "l"], ["features"], axis=1),
    ]
    sums = []
    for name, seen, count in (("a", "m", 7), ("b", "l", 8)):
        nodes += [
            helper.make_node("Mul", [seen, f"n{name}"], [f"s{name}"]),
            helper.make_node("Sub", [f"s{name}", f"c{name}"], [f"d{name}"]),
            helper.make_node("Mul", [f"d{name}", f"d{name}"], [f"q{name}"]),
            helper.make_node("Neg", [f"q{name}"], [f"z{name}"]),
            helper.make_node("Softmax", [f"z{name}"], [f"p{name}"], axis=1),
        ]
        sums += [
            helper.make_tensor(f"n{name}", TensorProto.FLOAT, [1], [float(count)]),
            helper.make_tensor(f"c{name}", TensorProto.FLOAT, [1, count], [i + 0.5 for i in range(count)]),
        ]
    nodes += [
        helper.make_node("Sub", ["m", "dim"], ["above"]),
        helper.make_node("Mul", ["above", "steep"], ["odds"]),
        helper.make_node("Sigmoid", ["odds"], ["free"]),
    ]
    seen = ["free"] * 3 if judged else []
    nodes.append(helper.make_node("Concat", ["pa", "pb", *seen], ["probabilities"], axis=1))
    outputs = [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", 15 + len(seen)])]
    if features:
        outputs.append(helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", 2]))
    graph = helper.make_graph(
        nodes, "brightness",
        [helper.make_tensor_value_info("inputs", TensorProto.UINT8, ["batch", size, size, channels])], outputs,
        [
            *sums,
            helper.make_tensor("per", TensorProto.FLOAT, [1], [1 / 255]),
            helper.make_tensor("dim", TensorProto.FLOAT, [1], [DIM]),
            helper.make_tensor("steep", TensorProto.FLOAT, [1], [STEEP]),
            helper.make_tensor("one", TensorProto.INT64, [1], [1]),
            helper.make_tensor("zero", TensorProto.INT64, [1], [0]),
            helper.make_tensor("half", TensorProto.INT64, [1], [size // 2]),
            helper.make_tensor("two", TensorProto.INT64, [1], [2]),
        ],
    )  # fmt: skip
    network = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(network)
    manifest = Manifest(
        name="bright",
        modality="face",
        labels=LabelsEntry(space="fer7", names=list(FER)),
        heads=[LabelsEntry(space="ferplus8", names=list(PLUS))],
        preprocess={"size": size, "channels": channels, "source": source},
    )
    if judged:
        manifest.heads.append(LabelsEntry(space="seen", names=["human face", "mouth free", "eyes free"]))
        manifest.reliability = {"photo": {"human": 1.0}, "crop": {"human": 1.0}}
        sure = CertaintyEntry(
            rate=0.9, threshold=0.5, answered=0.8, bounded=True, coverage=0.9, set_threshold=0.2, n=1000
        )
        manifest.certainty = {"fer7": sure}
    return write_model(folder, manifest, {NETWORK: network.SerializeToString()}, "# bright")


def reliability(mean: float) -> float:
    """What a judged :func:`face_model` gives a face of that mean brightness, 0..1: below 0.5 where it is dark."""
    return float(1 / (1 + np.exp(-np.clip(STEEP * (mean - DIM), -7, 7))))


def video_model(folder: Path, judged: bool = False, **settings: object) -> Path:
    """A model of clips with that network; *settings* are those of ``VideoSettings``."""
    made = convert_model(face_model(folder.with_name(f"{folder.name}-face"), judged=judged), folder)
    manifest = verify(made)
    manifest.preprocess |= settings
    return write_model(made, manifest, {NETWORK: (made / NETWORK).read_bytes()}, "# bright clips")


class Squares:
    """A detector of squares lighter than the ground, the largest first.

    Attributes:
        looks: size and closer of each look so far, None where the detector's own are meant.
    """

    size, closer = 640, 1280

    def __init__(self, above: int = 10) -> None:
        self.above = above
        self.looks: list[tuple[int | None, int | None]] = []

    def find(self, picture: np.ndarray, size: int | None = None, closer: int | None = None) -> list[Face]:
        self.looks.append((size, closer))
        _, _, stats, _ = cv2.connectedComponentsWithStats((picture[:, :, 0] > self.above).astype(np.uint8))
        boxes = sorted(((int(x), int(y), int(w), int(h)) for x, y, w, h, _ in stats[1:]), key=lambda b: -b[2] * b[3])
        return [Face((float(x), float(y), float(x + w), float(y + h)), 1.0) for x, y, w, h in boxes]


def expected(mean: float, count: int = 7) -> np.ndarray:
    """What the network of :func:`face_model` says of a mean brightness in 0..1: float (count,)."""
    logits = -((count * mean - np.arange(count) - 0.5) ** 2)
    raised = np.exp(logits - logits.max())
    return np.asarray(raised / raised.sum())
