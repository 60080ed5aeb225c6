"""What faces do, in words, in the columns of tables, and as points on pictures."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from rich.console import Console
from rich.text import Text

from mien.output.terminal import shorten_path
from mien.results import FaceAction, Prediction, Result

_POINT = (64, 224, 120)  # red, green, blue
_TURNED = 15  # degrees from which on a head is said to be turned
# Words, the blendshapes whose mean counts, and from where on it is said.
_WORDS = (
    ("brows down", ("browDownLeft", "browDownRight"), 0.4),
    ("brows up", ("browInnerUp", "browOuterUpLeft", "browOuterUpRight"), 0.4),
    ("eyes closed", ("eyeBlinkLeft", "eyeBlinkRight"), 0.6),
    ("eyes wide", ("eyeWideLeft", "eyeWideRight"), 0.4),
    ("eyes narrowed", ("eyeSquintLeft", "eyeSquintRight"), 0.5),
    ("nose wrinkled", ("noseSneerLeft", "noseSneerRight"), 0.4),
    ("cheeks puffed", ("cheekPuff",), 0.4),
    ("upper lip up", ("mouthUpperUpLeft", "mouthUpperUpRight"), 0.5),
    ("mouth corners up", ("mouthSmileLeft", "mouthSmileRight"), 0.4),
    ("mouth corners down", ("mouthFrownLeft", "mouthFrownRight"), 0.25),
    ("lips pressed", ("mouthPressLeft", "mouthPressRight"), 0.4),
    ("lips puckered", ("mouthPucker",), 0.5),
    ("mouth open", ("jawOpen",), 0.25),
)
_TURNS = {"yaw": ("head turned right", "head turned left"), "pitch": ("head down", "head up"),
          "roll": ("head tilted right", "head tilted left")}  # fmt: skip


def words(action: FaceAction) -> list[str]:
    """What a face plainly does; left and right are the person's own."""
    shapes, pose = action.blendshapes, action.pose
    if shapes is None or pose is None:
        return []
    said = [what for what, names, least in _WORDS if sum(shapes[name] for name in names) >= least * len(names)]
    return said + [_TURNS[axis][angle > 0] for axis, angle in pose.items() if abs(angle) >= _TURNED]


def in_words(action: FaceAction) -> str:
    """What a face plainly does and how its head is turned, in a line."""
    if action.pose is None:
        return "no face was made out by the landmarks"
    angles = ", ".join(f"{name} {round(angle):d}°".replace("-", "−") for name, angle in action.pose.items())
    return f"{', '.join(words(action)) or 'nothing marked'}  ({angles})"


def show_actions(console: Console, result: Result, unit: str, *, named: bool, most: int = 8) -> None:
    """A line for each face; below the picture's name, where there are several."""
    told = [(number, item.action) for number, item in enumerate(result.items, 1) if item.action]
    if told and named:
        console.print(Text(shorten_path(result.input, max(20, console.width)), "dim"))
    for number, action in told[:most]:
        console.print(Text.assemble((f"{unit} {number}  ", "dim"), in_words(action)))


def show_clip_actions(console: Console, result: Result, most: int = 8) -> None:
    """What each person of a clip did for how much of the time, a line for each; those seen most, if there are many."""
    seen = _moments(result)
    for number in sorted(sorted(seen, key=lambda person: -len(seen[person]))[:most]):
        counts = Counter(word for action in seen[number] for word in words(action))
        shares = [f"{word} {count / len(seen[number]):.0%}" for word, count in counts.most_common(6)]
        console.print(Text.assemble((f"person {number}  ", "dim"), ", ".join(shares) or "nothing marked"))


def _moments(result: Result) -> dict[int, list[FaceAction]]:
    """What each person of a clip does, moment by moment, where it could be told."""
    seen: dict[int, list[FaceAction]] = {}
    for moment in result.timeline:
        action = moment.prediction.action
        if action is not None and action.pose is not None:
            seen.setdefault(moment.person, []).append(action)
    return seen


def action_cells(item: Prediction | None) -> dict[str, Any]:
    """What a face does in the columns of a table; none where that was not asked for."""
    if item is None or item.action is None:
        return {}
    numbers = {name: round(value, 6) for name, value in item.action.numbers().items()}
    return {"presence": round(item.action.presence, 6), **numbers}


def clip_action_cells(result: Result) -> dict[str, Any]:
    """Mean and standard deviation over time of what the person does who is seen most, in the columns of a table.

    "main_person" says who that is, and "main_moments" in how many moments it was told.
    """
    seen = _moments(result)
    if not seen:
        return {}
    number = max(seen, key=lambda person: (len(seen[person]), -person))
    rows = [action.numbers() for action in seen[number]]
    values = np.array([list(row.values()) for row in rows])
    cells: dict[str, Any] = {"main_person": number, "main_moments": len(rows)}
    for name, mean, spread in zip(rows[0], values.mean(0).tolist(), values.std(0).tolist(), strict=True):
        cells |= {f"{name}_mean": round(mean, 6), f"{name}_sd": round(spread, 6)}
    return cells


def draw_points(canvas: np.ndarray, action: FaceAction, grow: float, most: float) -> None:
    """Dots where the points of a face are.

    Args:
        canvas: uint8 (height, width, 3), changed in place.
        grow: by how much the canvas is larger than the picture.
        most: radius of a dot in pixels of the canvas; in a small face dots are smaller.
    """
    from PIL import Image, ImageDraw

    if action.landmarks is None:
        return
    points = (action.landmarks.astype(np.float64) + 0.5) * grow
    radius = float(np.clip(np.ptp(points[:, 0]) / 250, 0.5, max(most, 0.5)))
    left, top = np.floor(points.min(0) - radius - 1).astype(int).clip(0).tolist()
    right, bottom = np.ceil(points.max(0) + radius + 1).astype(int).clip(0).tolist()
    part = canvas[top:bottom, left:right]
    if not part.size:
        return
    sheet = Image.fromarray(part)
    draw = ImageDraw.Draw(sheet)
    for x, y in (points - (left, top)).tolist():
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=_POINT)
    part[:] = np.asarray(sheet)
