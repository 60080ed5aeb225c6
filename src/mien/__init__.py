"""mien reads emotion from text, faces and clips: train, evaluate and predict, offline.

>>> import mien
>>> mien.predict("i feel so loved today").label  # doctest: +SKIP
'love'

Everything here is loaded when it is first used: importing mien loads neither torch nor ONNX Runtime.
"""

from __future__ import annotations

import importlib
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from mien.data import open_dataset
    from mien.emotions import SPACES, Emotion, LabelSpace
    from mien.errors import MienError
    from mien.estimators import Embedder, EmotionClassifier
    from mien.evaluation import evaluate
    from mien.model import load
    from mien.recognizer import Recognizer
    from mien.results import Prediction, Result
    from mien.training.run import train

_HOMES = {
    "SPACES": "mien.emotions",
    "Embedder": "mien.estimators",
    "Emotion": "mien.emotions",
    "EmotionClassifier": "mien.estimators",
    "LabelSpace": "mien.emotions",
    "MienError": "mien.errors",
    "Prediction": "mien.results",
    "Recognizer": "mien.recognizer",
    "Result": "mien.results",
    "evaluate": "mien.evaluation",
    "load": "mien.model",
    "open_dataset": "mien.data",
    "train": "mien.training.run",
}

__all__ = [
    "SPACES", "Embedder", "Emotion", "EmotionClassifier", "LabelSpace", "MienError", "Prediction", "Recognizer",
    "Result", "__version__", "evaluate", "load", "open_dataset", "predict", "train",
]  # fmt: skip

_loaded: dict[str, Recognizer] = {}


def predict(item: Any, model: str | None = None) -> Result:
    """Read the emotion in one text, or in the faces of one picture or clip, with a shipped model; it stays loaded.

    Args:
        item: a text; or a picture: the path of a picture file, or its pixels, a uint8 array (height, width, 3) red,
            green, blue or (height, width) grey; or the path of a clip.
        model: name of a shipped model, or a model folder. Without it "face" for a picture, "video" for a clip and
            "text" for the rest.

    Raises:
        InputError: nothing can be read in it.
        ModelError: no such model.
    """
    if model is None:
        model = _modality(item)
    if model not in _loaded:
        from mien.model import load

        _loaded[model] = load(model)
    return _loaded[model].predict(item)


def _modality(item: Any) -> str:
    """What an input is by its type, and by the end of a file's name."""
    from mien.face import names_picture
    from mien.video import names_clip

    if isinstance(item, str):
        return "face" if names_picture(item) else "video" if names_clip(item) else "text"
    if isinstance(item, PathLike):
        from mien.clips import is_clip

        return "video" if is_clip(str(fspath(item))) else "face"
    return "face" if isinstance(item, bytes) or hasattr(item, "__array_interface__") else "text"


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'mien' has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
