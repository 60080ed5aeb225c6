"""Teach the model of scenes your own kind of pictures: here drawn rooms, rated by how pleasant their light is.

    python examples/retrain_scenes.py --out rooms/
    mien train scene-affect --data "table:rooms/rooms.csv?modality=scene&ratings=pleasant:1:9" --from scene

It draws the rooms and writes the table that the second line learns from. Put your own photographs and ratings in their
place: a column of paths, counted from the table's folder, and a column of numbers for each rating.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np
from PIL import Image

WIDTH, HEIGHT = 320, 240


def room(rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """A wall, a floor, a window and a few boxes, uint8 (240, 320, 3); and how pleasant it is, from 1 to 9."""
    warmth, light = rng.random(2)  # what people here like
    wall = np.array([150 + 70 * warmth, 160.0, 220 - 90 * warmth]) * (0.35 + 0.65 * light)
    picture = np.empty((HEIGHT, WIDTH, 3))
    picture[:] = wall
    picture[HEIGHT * 2 // 3 :] = wall * 0.6
    left, top = rng.integers(20, 200), rng.integers(15, 50)
    picture[top : top + 80, left : left + 60] = 60 + 195 * light
    for _ in range(rng.integers(1, 5)):  # furniture, which does not matter
        x, y, wide, high = rng.integers(0, 270), rng.integers(120, 200), rng.integers(20, 90), rng.integers(20, 60)
        picture[y : y + high, x : x + wide] = rng.integers(30, 200, 3)
    picture += rng.normal(0, 6, picture.shape)
    return np.clip(picture, 0, 255).astype(np.uint8), float(np.clip(1 + 4 * warmth + 4 * light, 1, 9))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("rooms"), help="folder for the pictures and rooms.csv")
    parser.add_argument("--count", type=int, default=120, help="how many rooms to draw")
    options = parser.parse_args()

    options.out.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    ratings, labels = [("path", "pleasant")], [("path", "label")]
    for number in range(options.count):
        picture, pleasant = room(rng)
        name = f"room-{number:03}.jpg"
        Image.fromarray(picture).save(options.out / name, quality=95)
        ratings.append((name, f"{pleasant:.2f}"))
        labels.append((name, "cosy" if pleasant > 5 else "bleak"))
    for table, rows in (("rooms.csv", ratings), ("labels.csv", labels)):
        with (options.out / table).open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(rows)
    print(f"{options.count} rooms, rated in {options.out / 'rooms.csv'} and labeled in {options.out / 'labels.csv'}")


if __name__ == "__main__":
    main()
