"""The points of a face, how the head is turned, and what the face does: MediaPipe's face landmarker.

Its networks (Apache-2.0) come with a wheel of their own, ``mien-landmarks``, which the folder ``landmarks`` makes.
"""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mien.errors import ModelError
from mien.graphs import check_graph
from mien.media import pixels
from mien.modalities.face.detect import Face
from mien.results import FaceAction
from mien.runtime import Session, in_chunks

FOLDER = Path(__file__).with_name("face_landmarker")  # put there by the wheel; MIEN_LANDMARKS names another
MESH, BLENDSHAPES, HEAD = "mesh.onnx", "blendshapes.onnx", "head.npy"
PRESENT = 0.5  # from which presence on there is a face, as MediaPipe has it
SIDE = 256  # pixels of the square that the network is given
_BATCH = 64  # faces whose squares are in memory at once
_LARGEST = 4.0  # times the shorter side of a picture: the side of the largest square that is looked at
_WIDER = 1.5  # the square is so many times as large as the face
_FINEST = 6  # times as many pixels a side that are averaged
# Of RetinaFace's box against the one around the points, medians over 31 faces: that is 0.9 times as large, and its
# middle lies lower by 0.05 of it.
_SMALLER, _LOWER = 0.9, 0.05
_EYES = 33, 263  # the outer corners, that of the right eye first
_UPRIGHT = np.array([1.0, -1.0, -1.0])  # from pixels and depth to x to the right, y upwards, z to the camera


class FaceLandmarker:
    """Finds the points of faces, and tells what they do.

    Each face is looked at twice: in the square that the detector's box and eyes give, and then in the one that the
    points found there give, as MediaPipe does from frame to frame. The second look halves how far the answer moves
    when the box does. A face's answer does not depend on the others.

    Args:
        threads: threads to compute with; by default as many as the process may use.
        folder: with the networks.

    Raises:
        ModelError: the networks are not there, or cannot be run.
    """

    def __init__(self, threads: int | None = None, folder: Path | None = None) -> None:
        folder = folder or Path(os.environ.get("MIEN_LANDMARKS") or FOLDER)
        try:
            mesh, shapes, head = ((folder / name).read_bytes() for name in (MESH, BLENDSHAPES, HEAD))
            self._head = np.load(io.BytesIO(head), allow_pickle=False).astype(np.float64)
        except FileNotFoundError as error:
            raise ModelError(
                "the networks for landmarks are not installed: in a checkout, pip wheel --no-deps -w dist ./landmarks "
                "makes their wheel, and pip install dist/mien_landmarks-*.whl installs it"
                + ("" if folder == FOLDER else f"; MIEN_LANDMARKS names {folder}, where there are none")
            ) from error
        except (OSError, ValueError, EOFError) as error:
            raise ModelError(f"the networks for landmarks in {folder} cannot be read: {error}") from error
        if self._head.ndim != 2 or self._head.shape[1] != 5:
            raise ModelError(f"{folder / HEAD} has the shape {self._head.shape}, not 5 numbers for each point")
        for name, network in ((MESH, mesh), (BLENDSHAPES, shapes)):
            check_graph(network, folder / name)
        # One face at a time in each thread: in a batch the last digits would depend on the others.
        self._mesh = Session(mesh, threads, rows=1, name=folder / MESH)
        self._shapes = Session(shapes, threads, rows=1, name=folder / BLENDSHAPES)

    def read(self, picture: np.ndarray, faces: Sequence[Face]) -> list[FaceAction]:
        """What each of some faces of a picture does, in their order.

        Args:
            picture: uint8 (height, width, 3) red, green, blue, or (height, width) or (height, width, 1) gray.
            faces: as :class:`mien.modalities.face.detect.FaceDetector` finds them; one without landmarks is taken to
                stand upright.
        """
        picture = picture[:, :, 0] if picture.ndim == 3 and picture.shape[2] == 1 else picture
        return [action for some in in_chunks(faces, _BATCH) for action in self._read(picture, some)]

    def _read(self, picture: np.ndarray, faces: Sequence[Face]) -> list[FaceAction]:
        squares = np.stack([square_of(face) for face in faces])
        for _ in range(2):
            squares[:, 2] = squares[:, 2].clip(1, _LARGEST * min(picture.shape[:2]))  # a face fills no more than that
            crops = np.stack([_cut(picture, square) for square in squares])
            points, presence = self._mesh.run_all(crops)
            placed = _placed(points.astype(np.float64), squares)
            used, squares = squares, np.stack([_square_around(each) for each in placed])
        # As the face stands upright: how the camera was held does not matter to what the face does.
        coefficients = self._shapes.run(points[:, :, :2])
        found = []
        present = presence[:, 0].clip(0, 1).tolist()
        for each, row, sure, square in zip(placed, coefficients, present, used, strict=True):
            if sure < PRESENT or not np.isfinite(each).all() or square[2] <= 0:
                found.append(FaceAction(min(sure, PRESENT - 1e-6)))
                continue
            pose = _angles(_turn(each, self._head))
            found.append(FaceAction(sure, each[:, :2].astype(np.float32), row.clip(0, 1), pose))
        return found


def square_of(face: Face) -> np.ndarray:
    """Where a detected face is first looked at, float64 (4,): x and y of the middle, side, and turn in radians."""
    left, top, right, bottom = face.box
    turn, long = 0.0, max(right - left, bottom - top, 1.0)
    if face.landmarks is not None:
        x, y = (face.landmarks[1] - face.landmarks[0]).tolist()
        turn = float(np.arctan2(y, x))
    down = _LOWER * long * np.array([-np.sin(turn), np.cos(turn)])
    middle = np.array([(left + right) / 2, (top + bottom) / 2]) + down
    return np.array([*middle, _WIDER * _SMALLER * long, turn])


def _square_around(points: np.ndarray) -> np.ndarray:
    """The square around points (478, 3), turned as the eyes are."""
    low, high = points[:, :2].min(0), points[:, :2].max(0)
    x, y = (points[_EYES[1]] - points[_EYES[0]])[:2]
    return np.array([*((low + high) / 2), _WIDER * (high - low).max(), np.arctan2(y, x)])


def _axes(square: np.ndarray) -> np.ndarray:
    """Steps in the picture of a pixel of the square to the right and downwards, as columns: float64 (2, 2)."""
    cos, sin = np.cos(square[3]), np.sin(square[3])
    axes: np.ndarray = np.array([[cos, -sin], [sin, cos]]) * max(square[2], 1e-6) / SIDE
    return axes


def _cut(picture: np.ndarray, square: np.ndarray) -> np.ndarray:
    """The square of a picture, uint8 (256, 256, 3), turned upright; outside lies the picture's border.

    As in MediaPipe the square's corner falls onto the middle of its first pixel.
    """
    finer = int(np.clip(np.ceil(square[2] / SIDE - 1e-6), 1, _FINEST))
    linear = np.linalg.inv(_axes(square))
    matrix = np.column_stack((linear, SIDE / 2 - linear @ square[:2])) * finer
    matrix[:, 2] += (finer - 1) / 2
    crop = pixels.warp(picture, matrix, SIDE, finer)
    return crop if crop.ndim == 3 else np.repeat(crop[:, :, None], 3, axis=2)


def _placed(points: np.ndarray, squares: np.ndarray) -> np.ndarray:
    """Points in pixels of squares, float64 (n, 478, 3), in pixels of the picture; the depth in the same unit."""
    placed = np.empty_like(points)
    for place, (each, square) in enumerate(zip(points, squares, strict=True)):
        placed[place, :, :2] = square[:2] + (each[:, :2] - SIDE / 2) @ _axes(square).T
        placed[place, :, 2] = each[:, 2] * square[2] / SIDE
    return placed


def _turn(points: np.ndarray, head: np.ndarray) -> np.ndarray:
    """How a head must be turned to look as these points do, float64 (3, 3): the nearest turn in least squares.

    Args:
        points: float64 (478, 3).
        head: of points of a usual head: number, weight, x, y, z, as ``head.npy`` has them.
    """
    weights, usual = head[:, 1:2] / head[:, 1].sum(), head[:, 2:]
    seen = points[head[:, 0].astype(int)] * _UPRIGHT
    seen, usual = seen - (weights * seen).sum(0), usual - (weights * usual).sum(0)
    left, _, right = np.linalg.svd((weights * seen).T @ usual)
    no_mirror = np.diag([1.0, 1.0, np.sign(np.linalg.det(left @ right))])
    turn: np.ndarray = left @ no_mirror @ right
    return turn


def _angles(turn: np.ndarray) -> dict[str, float]:
    """Yaw, pitch and roll in degrees, of a turn that is made in the order roll, pitch, yaw; see `FaceAction`."""
    yaw, roll = np.arctan2(turn[0, 2], turn[2, 2]), -np.arctan2(turn[1, 0], turn[1, 1])
    pitch = np.arcsin(np.clip(turn[1, 2], -1, 1))
    return {name: float(np.degrees(value)) for name, value in (("yaw", yaw), ("pitch", pitch), ("roll", roll))}
