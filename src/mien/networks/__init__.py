"""One readable torch file per network. Each holds a ``Settings`` (pydantic) and a ``Network`` (torch module).

Networks of text are made by ``Network(settings, labels=..., vocabulary=..., pad_id=...)`` and map int64 token ids
(batch, length) to logits (batch, labels); those of faces by ``Network(settings, labels=..., size=..., channels=...)``
and map uint8 pictures (batch, size, size, channels) to logits; those of scenes likewise, or pairs of pictures (batch,
2, size, size, channels), the whole one and the person, if their attribute ``views`` is 2. Those of rows of numbers are
no torch networks and have another form, described in :mod:`mien.networks.rows`. A new network is a new file here and a
line in ``NETWORKS``.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from pydantic import ValidationError

from mien.errors import RecipeError, invalid, require

#: kind in a recipe → module.
NETWORKS: dict[str, str] = {
    "alexnet": "mien.networks.alexnet",
    "cnn": "mien.networks.cnn",
    "context": "mien.networks.context",
    "efficientnet": "mien.networks.efficientnet",
    "gru": "mien.networks.gru",
    "linear": "mien.networks.linear",
    "logistic": "mien.networks.logistic",
    "mobilenet": "mien.networks.mobilenet",
    "svm": "mien.networks.svm",
    "temporal": "mien.networks.temporal",
    "transformer": "mien.networks.transformer",
    "vgg16": "mien.networks.vgg16",
    "vote": "mien.networks.vote",
    "xgboost": "mien.networks.boost",
}
#: Those that learn from rows of numbers, or from pictures that a face model makes rows of, and choose their settings
#: inside the training data.
OF_ROWS = ("svm", "logistic", "xgboost", "vote")
_WITHOUT_TORCH = ("linear", *OF_ROWS)


def open_network(kind: str, options: Mapping[str, Any]) -> tuple[ModuleType, Any]:
    """The module of a network and its checked settings.

    Raises:
        RecipeError: there is no such network, or a setting is none of its own.
        MissingExtra: torch, scikit-learn or XGBoost is not installed.
    """
    if kind not in NETWORKS:
        raise RecipeError(f"network.kind: no network {kind!r}; there are: {', '.join(NETWORKS)}")
    require("sklearn" if kind in _WITHOUT_TORCH else "torch", "train")
    if kind == "xgboost":
        require("xgboost", "boost")
    module = importlib.import_module(NETWORKS[kind])
    try:
        return module, module.Settings.model_validate(options)
    except ValidationError as error:
        raise RecipeError(invalid(error, dict(options), "network")) from error
