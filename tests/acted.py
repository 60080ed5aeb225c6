"""Drawn people who move through drawn scenes: what following people is tested on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

import cv2
import numpy as np

from mien.modalities.face.detect import Face

#: Skin, hair and clothes of a few people, as unlike as people in one room are.
PEOPLE = (
    ((224, 172, 138), (60, 40, 30), (40, 60, 140)),
    ((140, 90, 60), (20, 18, 16), (190, 60, 50)),
    ((240, 200, 180), (210, 170, 90), (60, 130, 70)),
    ((190, 140, 105), (120, 120, 120), (230, 225, 215)),
    ((205, 160, 130), (130, 60, 30), (90, 40, 110)),
    ((240, 205, 185), (40, 30, 30), (225, 190, 60)),
)

Place = tuple[float, float]  # of the middle of the face, in pixels


def draw_person(picture: np.ndarray, who: int, place: Place, side: float = 48, bend: float = 4) -> None:
    """One of the PEOPLE, with a face `side` pixels wide; the mouth bends up by so many 48ths of it."""
    skin, hair, clothes = PEOPLE[who % len(PEOPLE)]
    x, y = place

    def at(right: float, down: float) -> tuple[int, int]:
        return round(x + right * side), round(y + down * side)

    def size(width: float, height: float) -> tuple[int, int]:
        return max(1, round(width * side)), max(1, round(height * side))

    cv2.ellipse(picture, at(0, 1.75), size(1.0, 1.05), 0, 0, 360, clothes, -1)
    cv2.rectangle(picture, at(-0.2, 0.4), at(0.2, 0.85), skin, -1)
    cv2.ellipse(picture, at(0, -0.12), size(0.56, 0.68), 0, 0, 360, hair, -1)
    cv2.ellipse(picture, at(0, 0.08), size(0.44, 0.55), 0, 0, 360, skin, -1)
    ink = max(1, round(side / 24))
    for eye in (-0.19, 0.19):
        cv2.circle(picture, at(eye, -0.02), max(1, round(side / 16)), (30, 20, 20), -1)
        cv2.line(picture, at(eye - 0.1, -0.16), at(eye + 0.1, -0.16), hair, ink)
    steps = np.linspace(-1, 1, 9)
    mouth = [at(0.2 * t, 0.33 - bend / 48 * (t * t - 0.5)) for t in steps]
    cv2.polylines(picture, [np.array(mouth, np.int32)], False, (150, 50, 50), ink)


@cache
def _scene(seed: int, width: int, height: int) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(30, 226, (5, 8, 3)).astype(np.uint8)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR))


def draw_scene(seed: int, width: int = 320, height: int = 180) -> np.ndarray:
    """A background of coarse colors, another for every seed; uint8 (height, width, 3) RGB."""
    return _scene(seed, width, height).copy()


def act(
    seconds: float,
    fps: float,
    people: Mapping[int, Callable[[float], Place | None]],
    *,
    scene: Callable[[float], int] = lambda time: 0,
    side: float = 30,
    seed: int = 0,
) -> list[tuple[float, np.ndarray, list[Face], list[int]]]:
    """Frames of people who are where their functions of time say, None for not in the picture.

    Those named first stand behind. Boxes are those of the drawn faces, off by some hundredths of their size, in random
    order; a face that is half hidden is none.

    Returns:
        Time, picture, faces and who they are, of each frame.
    """
    rng, frames = np.random.default_rng(seed), []
    noise = rng.normal(0, 3, (*draw_scene(0).shape[:2], 6)).astype(np.int8)
    for number in range(round(seconds * fps)):
        time = number / fps
        picture = draw_scene(scene(time))
        there = {who: place for who, where in people.items() if (place := where(time)) is not None}
        for who, place in there.items():
            draw_person(picture, who, place, side, bend=4 * np.sin(3 * time + who))
        found, hidden = [], list(there)
        for who, (x, y) in there.items():
            hidden.remove(who)  # who is left stands before
            if any(abs(there[other][0] - x) < 0.6 * side and abs(there[other][1] - y) < 0.8 * side for other in hidden):
                continue
            if 0 < x < picture.shape[1]:
                box = np.array([x - side / 2, y - side / 2, x + side / 2, y + 0.63 * side]) + rng.normal(
                    0, side / 30, 4
                )
                found.append((Face((box[0], box[1], box[2], box[3]), 0.99), who))
        order = rng.permutation(len(found))
        shift = int(rng.integers(4))
        cv2.add(picture, noise[..., shift : shift + 3], picture, dtype=cv2.CV_8U)
        frames.append((time, picture, [found[i][0] for i in order], [found[i][1] for i in order]))
    return frames
