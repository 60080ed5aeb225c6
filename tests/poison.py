"""An error that nobody foresaw, put into the readers of every modality: one input of many brings it about.

An input is poisoned where its text, or the end of its file, says so; a row where a number is 666.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

WORD = "poison"
_ERROR = "MIEN_TEST_ERROR"


def _fail() -> None:
    raise {"MemoryError": MemoryError, "ZeroDivisionError": ZeroDivisionError}[os.environ[_ERROR]]("nobody\nforesaw it")


def _is_poisoned(source: Any) -> bool:
    if isinstance(source, bytes):
        return source.endswith(WORD.encode())
    if isinstance(source, str | Path):
        return Path(source).is_file() and _is_poisoned(Path(source).read_bytes())
    return isinstance(source, np.ndarray) and bool((source == 66).all())


def install() -> None:
    """In this process, before mien's predictors are imported."""
    from mien.media import clips
    from mien.media import images as media
    from mien.modalities.features import preprocess as features
    from mien.modalities.text.preprocess import TextPreprocessor

    read_picture, advance, read, prepare = (
        media.read_picture, clips.ClipReader.__next__, TextPreprocessor.read, features.prepare
    )  # fmt: skip

    def picture(source: Any, **options: Any) -> np.ndarray:
        if _is_poisoned(source):
            _fail()
        return read_picture(source, **options)

    def frame(clip: clips.ClipReader) -> clips.Frame:
        if clip.decoded > 2 and _is_poisoned(clip.path):
            _fail()
        return advance(clip)

    def text(reader: TextPreprocessor, item: Any) -> str:
        if WORD in str(item):
            _fail()
        return read(reader, item)

    def row(item: Any, columns: Any) -> np.ndarray:
        if "666" in str(item):
            _fail()
        return prepare(item, columns)

    media.read_picture = picture  # type: ignore[assignment]
    clips.ClipReader.__next__ = frame  # type: ignore[method-assign]
    TextPreprocessor.read = text  # type: ignore[method-assign]
    features.prepare = row


def poisoned(folder: Path, error: str = "ZeroDivisionError") -> dict[str, str]:
    """The environment of a Python in which it is installed; *folder* gets what does so."""
    (folder / "sitecustomize.py").write_text("import poison\npoison.install()\n")
    paths = [str(folder), str(Path(__file__).parent), *map(os.path.abspath, filter(None, sys.path))]
    return {"PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)), _ERROR: error}
