"""Drawn faces: what the tests learn emotions from."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

#: label → bend of the mouth (up is positive), height of the brows, opening of the mouth.
LOOKS = {"happy": (7, 0, 0), "sad": (-7, 0, 0), "surprise": (0, -3, 7), "angry": (-1, 3, 0)}


def face(label: str, seed: int, side: int = 48) -> np.ndarray:
    """A face of that look, uint8 (side, side); every seed is another person."""
    rng = np.random.default_rng(seed)
    bend, brows, opening = LOOKS[label]
    skin, ink = int(rng.integers(140, 230)), int(rng.integers(0, 60))
    picture = np.full((48, 48), int(rng.integers(60, 130)), np.uint8)
    x, y = (int(value) for value in 24 + rng.integers(-2, 3, 2))
    cv2.ellipse(picture, (x, y), (19, 23), 0, 0, 360, skin, -1)
    for eye in (x - 8, x + 8):
        cv2.circle(picture, (eye, y - 5), 2, ink, -1)
        lift = brows if eye < x else -brows
        cv2.line(picture, (eye - 4, y - 11 - lift // 2), (eye + 4, y - 11 + lift // 2), ink, 1)
    points = np.array([[x + t, y + 11 - bend * (t * t / 81 - 0.5)] for t in range(-9, 10)]).round().astype(np.int32)
    cv2.polylines(picture, [points], False, ink, 2)
    if opening:
        cv2.ellipse(picture, (x, y + 11), (5, opening), 0, 0, 360, ink, -1)
    noise = rng.normal(0, 6, picture.shape)
    drawn = np.clip(picture + noise, 0, 255).astype(np.uint8)
    return drawn if side == 48 else np.asarray(cv2.resize(drawn, (side, side)))


def folders(root: Path, each: int, labels: tuple[str, ...] = tuple(LOOKS), side: int = 48) -> Path:
    """One folder of pictures per label."""
    for place, label in enumerate(labels):
        (root / label).mkdir(parents=True, exist_ok=True)
        for number in range(each):
            assert cv2.imwrite(str(root / label / f"{number}.png"), face(label, 1000 * place + number, side))
    return root


def fer_csv(folder: Path, each: int) -> Path:
    """A fer2013.csv of the drawn looks with its votes beside it; a tenth of each kind for either test split."""
    codes = {"angry": 0, "happy": 3, "sad": 4, "surprise": 5}
    columns = {"angry": 4, "happy": 1, "sad": 3, "surprise": 2}
    rows, votes = (
        ["emotion,pixels,Usage"],
        ["Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"],
    )
    for place, label in enumerate(LOOKS):
        for number in range(each):
            usage = ("PublicTest", "PrivateTest")[number % 10] if number % 10 < 2 else "Training"
            pixels = " ".join(map(str, face(label, 1000 * place + number).ravel()))
            rows.append(f"{codes[label]},{pixels},{usage}")
            counts = [0] * 10
            counts[columns[label]], counts[0] = 8, 2
            votes.append(f"{usage},fer{number}.png,{','.join(map(str, counts))}")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "fer2013.csv").write_text("\n".join(rows) + "\n")
    (folder / "fer2013new.csv").write_text("\n".join(votes) + "\n")
    return folder
