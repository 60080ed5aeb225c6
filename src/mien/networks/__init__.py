"""Networks, one readable file for each, which holds its ``Settings`` (pydantic) and its ``Network`` (torch).

A torch network derives from :class:`mien.networks.base.Network`. Those of texts are made by ``Network(settings,
labels=..., vocabulary=..., pad_id=...)``, those of pictures by ``Network(settings, labels=..., size=...,
channels=...)``. Those of `AT_ONCE` are no torch networks and have another form, see :mod:`mien.networks.rows`.
Other packages bring networks by entry points, see :mod:`mien.plugins`.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from pydantic import ValidationError

from mien.errors import RecipeError, did_you_mean, invalid, require
from mien.plugins import load_plugin, plugin_names

OPSET = 20  # of ONNX, in which all are written
NEVER = -100.0  # logit of a label that training never showed

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
#: Those that learn from rows of numbers, or from pictures that a face model makes rows of.
OF_ROWS = ("svm", "logistic", "xgboost", "vote")
#: Those that scikit-learn or XGBoost learns all at once.
AT_ONCE = ("linear", *OF_ROWS)


def open_network(kind: str, options: Mapping[str, Any]) -> tuple[ModuleType, Any]:
    """The module of a network and its checked settings.

    Raises:
        RecipeError: there is no such network, or a setting is none of its own.
        MissingExtra: torch, scikit-learn or XGBoost is not installed.
    """
    module = _module_of(kind)
    try:
        return module, module.Settings.model_validate(options)
    except ValidationError as error:
        known = [f"network.{name}" for name in module.Settings.model_fields]
        raise RecipeError(invalid(error, dict(options), "network", known)) from error


def setting_names(kind: str) -> set[str]:
    """The settings of a network, by their old names too. Raises what :func:`open_network` does."""
    settings = _module_of(kind).Settings
    return {*settings.model_fields, *settings.old_names}


def _module_of(kind: str) -> ModuleType:
    if kind in NETWORKS:
        for name in ("sklearn", "skl2onnx") if kind in AT_ONCE else ("torch",):
            require(name, "train")
        for name in ("xgboost", "onnxmltools") if kind == "xgboost" else ():
            require(name, "boost")
        return importlib.import_module(NETWORKS[kind])
    found: ModuleType | None = load_plugin("mien.networks", kind)
    if found is None:
        there = [*NETWORKS, *plugin_names("mien.networks")]
        near = did_you_mean(kind, there)
        raise RecipeError(f"network.kind: no network {kind!r}; there are: {', '.join(there)}{near}")
    return found
