"""One readable torch file per network. Each holds a ``Settings`` (pydantic) and a ``Network`` (torch module).

``Network(settings, labels=..., vocabulary=..., pad_id=...)`` maps int64 token ids (batch, length) to logits
(batch, labels). A new network is a new file here and a line in ``NETWORKS``.
"""

from __future__ import annotations

import importlib
from types import ModuleType

from mien.errors import RecipeError, require

#: kind in a recipe → module.
NETWORKS: dict[str, str] = {
    "gru": "mien.networks.gru",
    "transformer": "mien.networks.transformer",
}


def network_module(kind: str) -> ModuleType:
    """The module of a network.

    Raises:
        RecipeError: there is no such network.
        MissingExtra: torch is not installed.
    """
    if kind not in NETWORKS:
        raise RecipeError(f"network.kind: no network {kind!r}; there are: {', '.join(NETWORKS)}")
    require("torch", "train")
    return importlib.import_module(NETWORKS[kind])
