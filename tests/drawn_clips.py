"""Drawn clips in RAVDESS's layout: what the tests of training on clips learn from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from filmed import write_clip

#: RAVDESS's code of an emotion → bend of the mouth (up is positive), tilt of the brows, opening of the mouth.
LOOKS = {"03": (16, 0, 0), "04": (-16, -6, 0), "05": (-3, 9, 0), "08": (0, -4, 18)}
_SKIN = ((224, 172, 140), (198, 140, 105), (240, 200, 175), (170, 115, 85), (215, 165, 130), (150, 100, 75))


def person(look: tuple[int, int, int], actor: int, strength: float = 1.0) -> np.ndarray:
    """A drawn head of that look on a plain ground, uint8 (200, 200, 3) RGB; even actors have long hair, as women."""
    rng = np.random.default_rng(actor)
    bend, tilt, opening = (round(part * strength) for part in look)
    skin = np.array(_SKIN[actor % len(_SKIN)])
    hair, ground = rng.integers(10, 90, 3), rng.integers(90, 170, 3)
    picture = np.full((200, 200, 3), ground, np.uint8)
    ink = tuple(int(value) for value in hair)
    if actor % 2 == 0:
        cv2.ellipse(picture, (100, 115), (80, 88), 0, 0, 360, ink, -1, cv2.LINE_AA)
        cv2.rectangle(picture, (22, 110), (178, 200), ink, -1)
    cv2.ellipse(picture, (100, 105), (58, 76), 0, 0, 360, skin.tolist(), -1, cv2.LINE_AA)
    cv2.ellipse(picture, (100, 60), (62, 40), 0, 180, 360, ink, -1, cv2.LINE_AA)
    if actor % 2:
        cv2.ellipse(picture, (100, 172), (34, 14), 0, 0, 180, ink, -1, cv2.LINE_AA)  # a beard
    for side in (-1, 1):
        x = 100 + 24 * side
        cv2.ellipse(picture, (x, 92), (12, 7), 0, 0, 360, (250, 250, 250), -1, cv2.LINE_AA)
        cv2.circle(picture, (x, 92), 6, (60, 45, 40), -1, cv2.LINE_AA)
        outer, inner = (x + 15 * side, 78), (x - 12 * side, 78 + tilt)
        cv2.line(picture, outer, inner, (45, 30, 25), 4, cv2.LINE_AA)
    cv2.line(picture, (97, 96), (94, 116), (skin * 0.85).tolist(), 2, cv2.LINE_AA)
    cv2.ellipse(picture, (100, 118), (8, 5), 0, 0, 180, (skin * 0.8).tolist(), 3, cv2.LINE_AA)
    if opening:
        cv2.ellipse(picture, (100, 147), (13, 4 + opening), 0, 0, 360, (110, 35, 40), -1, cv2.LINE_AA)
    points = [[100 + t, 147 - bend * (t * t / 484 - 0.5)] for t in range(-22, 23)]
    if not opening:
        cv2.polylines(picture, [np.array(points).round().astype(np.int32)], False, (170, 50, 55), 6, cv2.LINE_AA)
    return cv2.GaussianBlur(picture, (5, 5), 0)


def frames(look: tuple[int, int, int], actor: int, count: int, seed: int, side: int = 160) -> list[np.ndarray]:
    """A head that moves, and whose look grows: uint8 (side, side, 3) RGB each."""
    rng = np.random.default_rng(seed)
    start, pace = rng.uniform(-6, 6, 2), rng.uniform(-0.8, 0.8, 2)
    turn, light = rng.uniform(-5, 5), rng.uniform(-20, 20)
    found = []
    for number in range(count):
        head = person(look, actor, min(1.0, 0.5 + number / count))
        matrix = cv2.getRotationMatrix2D((100, 100), turn + 0.3 * number, 0.9 * side / 200)
        matrix[:, 2] += start + pace * number + side / 2 - 100
        picture = cv2.warpAffine(head, matrix, (side, side), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE)
        noisy = picture + light + rng.normal(0, 4, picture.shape)
        found.append(np.clip(noisy, 0, 255).astype(np.uint8))
    return found


#: Four to learn from, two to validate and two to test on, by the literature's folds; men and women among each.
ACTORS = (1, 4, 8, 9, 3, 6, 2, 5)


def ravdess(
    root: Path, actors: Sequence[int] = ACTORS, repetitions: int = 2, count: int = 6, fps: float = 5,
    looks: Mapping[str, tuple[int, int, int]] = LOOKS,
) -> Path:  # fmt: skip
    """``Actor_01/01-01-03-01-01-01-01.mp4`` and so on: for each actor so many clips of each look."""
    for actor in actors:
        folder = root / f"Actor_{actor:02}"
        folder.mkdir(parents=True)
        for code, look in looks.items():
            for repetition in range(1, repetitions + 1):
                path = folder / f"01-01-{code}-01-01-{repetition:02}-{actor:02}.mp4"
                write_clip(path, frames(look, actor, count, 1000 * actor + 10 * int(code) + repetition), fps=fps)
    return root
