"""Plug-ins: modalities, data sets, networks and recipes that other packages bring, by entry points.

A package names what it brings in its ``pyproject.toml``::

    [project.entry-points."mien.networks"]
    textcnn = "my_package.textcnn"

Entry points are scanned only where nothing built in has the name, so that they cost nothing.
"""

from __future__ import annotations

import importlib
from importlib.metadata import entry_points
from typing import Any, Literal

from mien.errors import MienError

Group = Literal["mien.modalities", "mien.datasets", "mien.networks", "mien.recipes"]


def import_object(path: str) -> Any:
    """The object at ``"module:name"``, imported now."""
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)


def plugin_names(group: Group) -> tuple[str, ...]:
    """The names that installed packages bring to a group, sorted."""
    return tuple(sorted(entry_points(group=group).names))


def load_plugin(group: Group, name: str) -> Any:
    """What an installed package brings under a name; None where none does.

    Raises:
        MienError: the package cannot be imported; one line that says which and why.
    """
    for entry in entry_points(group=group, name=name):
        try:
            return entry.load()
        except Exception as error:
            package = entry.dist.name if entry.dist else entry.value
            raise MienError(f"the plug-in {name!r} of the package {package} cannot be loaded: {error}") from error
    return None
