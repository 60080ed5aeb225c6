"""Drawn people in drawn places, and the Annotations.mat of EMOTIC's authors around them: what the tests learn from."""

from __future__ import annotations

import colorsys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from scipy.io import savemat

from mien.labels import SPACES

#: What can be seen of a person and the place, and how many kinds there are: 26 in all, one category each.
SHIRTS, PLACES, ARMS, HATS = 8, 10, 4, 4
CATEGORIES = tuple(name.title() for name in SPACES["emotic26"].names)
FOLDERS = ("mscoco/images", "framesdb/images", "emodb_small/images", "ade20k/images")
GENDERS, AGES = ("Male", "Female"), ("Kid", "Teenager", "Adult")


def color(share: float, strength: float = 1.0, light: float = 0.9) -> tuple[int, int, int]:
    red, green, blue = (round(255 * part) for part in colorsys.hsv_to_rgb(share, strength, light))
    return red, green, blue


def scene(place: int, people: Sequence[tuple[int, int, int]], seed: int, side: int = 96) -> tuple[np.ndarray, Any]:
    """A picture, uint8 (side, side · people, 3) RGB, and the box of each person: left, top, right, bottom.

    Args:
        place: 0..9; five colors, plain or striped.
        people: shirt, arms and hat of each.
    """
    rng = np.random.default_rng(seed)
    width = side * len(people)
    picture = np.full((side, width, 3), color(place % 5 / 5, 0.35, 0.75), np.uint8)
    if place >= 5:
        picture[:, :: max(2, side // 12)] //= 2
        picture[:, 1 :: max(2, side // 12)] //= 2
    boxes = []
    for number, (shirt, arms, hat) in enumerate(people):
        unit = side / 96
        x, y = side * number + side / 2 + rng.uniform(-4, 4) * unit, 56 * unit + rng.uniform(-3, 3) * unit

        def at(dx: float, dy: float, x: float = x, y: float = y, unit: float = unit) -> tuple[int, int]:
            return round(x + dx * unit), round(y + dy * unit)

        skin = (225, 180, 150)
        cv2.rectangle(picture, at(-11, -14), at(11, 18), color(shirt / SHIRTS), -1)
        cv2.rectangle(picture, at(-9, 18), at(9, 36), (40, 40, 60), -1)
        cv2.circle(picture, at(0, -24), round(9 * unit), skin, -1)
        for way in (-1, 1):
            hand = ((24, -36), (28, -12), (22, 16), (-4, 2))[arms]  # up, out, down, crossed
            cv2.line(picture, at(11 * way, -10), at(hand[0] * way, hand[1]), skin, max(1, round(5 * unit)))
        if hat:
            cv2.rectangle(
                picture, at(-12, -34), at(12, -29), ((0, 0, 0), (255, 255, 255), (255, 0, 0), (0, 0, 255))[hat], -1
            )
        boxes.append([*at(-30, -38), *at(30, 38)])
    noise = rng.normal(0, 6, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8), boxes


def categories(place: int, shirt: int, arms: int, hat: int) -> list[str]:
    """What a person in that shirt, there, is said to feel: one category for each thing that can be seen."""
    at = (shirt, SHIRTS + place, SHIRTS + PLACES + arms, SHIRTS + PLACES + ARMS + hat)
    return [CATEGORIES[place] for place in at]


def affect(place: int, shirt: int, arms: int) -> tuple[float, float, float]:
    """Valence, arousal and dominance, 1 to 10, whole."""
    return 1 + round(9 * shirt / (SHIRTS - 1)), 10 - 3 * arms, 1 + place


def struct(**fields: Any) -> dict[str, Any]:
    return fields


def structs(entries: Sequence[Mapping[str, Any]]) -> np.ndarray:
    """A struct array of MATLAB, 1 × n."""
    array = np.empty((1, len(entries)), [(name, object) for name in entries[0]])
    for place, entry in enumerate(entries):
        for name, value in entry.items():
            array[0, place][name] = value
    return array


def cell(entries: Sequence[Any]) -> np.ndarray:
    """A cell array of MATLAB, 1 × n."""
    array = np.empty((1, len(entries)), object)
    array[0, :] = list(entries)
    return array


def person(
    box: Sequence[float],
    said: Sequence[str],
    vad: Sequence[float],
    train: bool,
    gender: str = "Male",
    age: str = "Adult",
) -> dict[str, Any]:
    """One person as train has it (one annotator), or as val and test have it (several, combined besides)."""
    continuous = dict(zip(("valence", "arousal", "dominance"), map(float, vad), strict=True))
    one = struct(categories=cell(said))
    before: dict[str, Any] = {"body_bbox": np.array([box], float)}
    after: dict[str, Any] = {"gender": gender, "age": age}
    if train:
        return {**before, "annotations_categories": one, "annotations_continuous": continuous, **after}
    return {
        **before,
        "annotations_categories": structs([one, struct(categories=cell(said[:1]))]),
        "combined_categories": cell(said),
        "annotations_continuous": structs([continuous, {name: value + 1 for name, value in continuous.items()}]),
        "combined_continuous": continuous,
        **after,
    }


def entry(file: str, folder: str, size: tuple[int, int], people: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One picture: its name, folder, width and height, and the persons in it."""
    return {
        "filename": file,
        "folder": folder,
        "image_size": struct(n_col=float(size[0]), n_row=float(size[1])),
        "original_database": struct(name=folder.split("/", maxsplit=1)[0], info=struct(image_id=float(len(file)))),
        "person": structs(people),
    }


def write_mat(root: Path, splits: Mapping[str, Sequence[Mapping[str, Any]]]) -> Path:
    (root / "Annotations").mkdir(parents=True, exist_ok=True)
    content = {split: structs(entries) if entries else np.zeros((0, 0)) for split, entries in splits.items()}
    savemat(root / "Annotations" / "Annotations.mat", content, do_compression=True)
    return root


def write_emotic(root: Path, pictures: Mapping[str, int], side: int = 96, seed: int = 0) -> Path:
    """A set in EMOTIC's layout with so many pictures per split, every third of them with two persons."""
    rng = np.random.default_rng(seed)
    splits: dict[str, list[dict[str, Any]]] = {}
    for split, count in pictures.items():
        splits[split] = []
        for number in range(count):
            place = int(rng.integers(PLACES))
            looks = [
                (int(rng.integers(SHIRTS)), int(rng.integers(ARMS)), int(rng.integers(HATS)))
                for _ in range(1 + (number % 3 == 2))
            ]
            picture, boxes = scene(place, looks, int(rng.integers(1 << 30)), side)
            folder = FOLDERS[number % len(FOLDERS)]
            target = root / "emotic" / folder / f"{split}{number}.jpg"
            target.parent.mkdir(parents=True, exist_ok=True)
            assert cv2.imwrite(str(target), picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])
            people = [
                person(box, categories(place, *look), affect(place, *look[:2]), split == "train",
                       GENDERS[int(rng.integers(2))], AGES[int(rng.integers(3))])
                for box, look in zip(boxes, looks, strict=True)
            ]  # fmt: skip
            splits[split].append(entry(target.name, folder, (picture.shape[1], picture.shape[0]), people))
    return write_mat(root, splits)
