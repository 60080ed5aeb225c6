"""Files that other installed packages carry, read without running anything of those packages."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from mien.errors import MissingExtra


def package_file(module: str, inside: str, install: str) -> Path:
    """A file or folder within an installed package.

    Args:
        module: name of the package as it is imported; it is not imported.
        inside: path below its folder.
        install: what to type to get it, for the message.

    Raises:
        MissingExtra: the package is not installed, or lacks that file.
    """
    found = importlib.util.find_spec(module)
    for folder in (found.submodule_search_locations or []) if found else []:
        if (path := Path(folder, inside)).exists():
            return path
    raise MissingExtra(f"this needs {inside} of the package {module}: {install}")
