"""mien reads emotion from text: train, evaluate and predict, offline.

>>> import mien
>>> mien.predict("i feel so loved today").label  # doctest: +SKIP
'love'

Everything here is loaded when it is first used: importing mien loads neither torch nor ONNX Runtime.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from mien.data import open_dataset
    from mien.emotions import SPACES, Emotion, LabelSpace
    from mien.errors import MienError
    from mien.evaluation import evaluate
    from mien.model import load
    from mien.recognizer import Recognizer
    from mien.results import Prediction, Result
    from mien.training.run import train

_HOMES = {
    "SPACES": "mien.emotions",
    "Emotion": "mien.emotions",
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
    "SPACES", "Emotion", "LabelSpace", "MienError", "Prediction", "Recognizer", "Result", "__version__", "evaluate",
    "load", "open_dataset", "predict", "train",
]  # fmt: skip

_loaded: dict[str, Recognizer] = {}


def predict(item: str, model: str = "text") -> Result:
    """Read the emotion in one text with a shipped model, which stays loaded for the next call.

    Args:
        item: the text.
        model: name of a shipped model, or a model folder.

    Raises:
        InputError: nothing can be read in it.
        ModelError: no such model.
    """
    if model not in _loaded:
        from mien.model import load

        _loaded[model] = load(model)
    return _loaded[model].predict(item)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'mien' has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
