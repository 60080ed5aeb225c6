"""What can go wrong, as one tree.

::

    MienError              everything mien raises on purpose; its message is one clear line
    ├── InputError         an input to predict on is unusable (empty text, truncated picture)
    ├── DataError          a data set is unusable (missing column, unknown label, hostile pickle)
    ├── ModelError         a model folder is missing, damaged or too new
    ├── RecipeError        a recipe or one of its settings is wrong
    ├── ExportError        an exported model does not give the same numbers as the network
    └── MissingExtra       an optional dependency is not installed; the message names the command
"""

from __future__ import annotations

import importlib
from types import ModuleType

from mien.terminal import cut_message


class MienError(Exception):
    """Base of all errors that mien raises on purpose."""

    def __init__(self, *args: object) -> None:
        super().__init__(*(cut_message(arg) if isinstance(arg, str) else arg for arg in args))


class InputError(MienError, ValueError):
    """An input to predict on is unusable."""


class DataError(MienError, ValueError):
    """A data set, or a file of one, is unusable."""


class ModelError(MienError):
    """A model folder is missing, incomplete, damaged or of a newer format."""


class RecipeError(MienError, ValueError):
    """A recipe or a setting in it is wrong."""


class ExportError(MienError):
    """The exported model and the network disagree."""


class MissingExtra(MienError, ImportError):
    """A feature needs packages of an extra that is not installed."""


def require(module: str, extra: str) -> ModuleType:
    """Import *module*, or say which extra to install.

    Raises:
        MissingExtra: the package is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise MissingExtra(f"this needs {package}: pip install 'mien[{extra}]'") from error
