"""A clip of a drawn face, to time the reading of clips on: mien ships no photographs of people."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from mien.errors import MienError


def drawn_face(size: int = 200) -> np.ndarray:
    """A drawn face on a plain ground, uint8 (size, size, 3) RGB, that RetinaFace takes for one."""
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


def write_film(path: Path, seconds: float, rate: int = 25, width: int = 1280, height: int = 720) -> Path:
    """A clip of a drawn face that sways before a rough wall, MPEG-4 Part 2, which OpenCV brings with it.

    Raises:
        MienError: it cannot be written.
    """
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), rate, (width, height))
    if not writer.isOpened():
        raise MienError(f"cannot write {path}")
    try:
        for picture in swaying(round(seconds * rate), rate, width, height):
            writer.write(picture[:, :, ::-1])
    finally:
        writer.release()
    return path


def swaying(count: int, rate: int, width: int, height: int) -> Iterator[np.ndarray]:
    """So many frames of a drawn face that sways before a rough wall, uint8 (height, width, 3) RGB."""
    side = height // 2
    rough = np.random.default_rng(0).integers(90, 150, (height // 4, width // 4, 3), np.uint8)
    wall, face = cv2.resize(rough, (width, height), interpolation=cv2.INTER_CUBIC), drawn_face(side)
    for number in range(count):
        picture = wall.copy()
        x = round((width - side) * (0.5 + 0.3 * np.sin(number / rate)))
        y = round((height - side) * (0.5 + 0.2 * np.cos(number / rate * 1.7)))
        picture[y : y + side, x : x + side] = face
        yield picture
