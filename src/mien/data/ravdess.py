"""RAVDESS (development stand-in)."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from mien.data.collect import Collector
from mien.data.dataset import Dataset
from mien.data.splits import split_rows
from mien.emotions import SPACES
from dataclasses import replace

_NAMES = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")


def read(path: str | Path, *, fold: str = "", split_seed: str = "0") -> Dataset:
    rows = Collector("ravdess", SPACES["ravdess8"], "CC BY-NC-SA 4.0", "video")
    for file in sorted(Path(path).rglob("*.mp4")):
        code = file.stem.split("-")
        if not re.fullmatch(r"\d\d(-\d\d){6}", file.stem):
            continue
        actor = int(code[6])
        rows.add(str(file), [_NAMES[int(code[2]) - 1]], "", file.name, {"actor": f"{actor}", "gender": "male" if actor % 2 else "female"})
    data = rows.dataset()
    actors = data.columns["actor"].astype(int)
    split = np.where(np.isin(actors,(2,5,14,15,16)), "test", np.where(np.isin(actors,(3,6,7,13,18)), "val", "train")).astype(object)
    return replace(data, split=split, dealt=True)
