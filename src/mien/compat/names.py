"""Old names of fields, attributes and methods."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

T = TypeVar("T")


def renamed_fields(**names: str) -> Callable[[type[T]], type[T]]:
    """A decorator: the old names of a class's fields work as arguments and attributes, with a warning."""

    def new(owner: str, old: str) -> str:
        line = f"{owner}.{old} is now {owner}.{names[old]}; the old name goes with mien 0.3"
        warnings.warn(line, DeprecationWarning, stacklevel=3)
        return names[old]

    def decorate(owner: type[T]) -> type[T]:
        init, name = owner.__init__, owner.__name__

        @wraps(init)
        def with_old_names(self: T, *args: Any, **fields: Any) -> None:
            for old in names.keys() & fields.keys():
                fields[new(name, old)] = fields.pop(old)
            init(self, *args, **fields)

        def old_attribute(old: str) -> property:
            return property(lambda self: getattr(self, new(name, old)))

        for old in names:
            setattr(owner, old, old_attribute(old))
        setattr(owner, "__init__", with_old_names)  # noqa: B010
        return owner

    return decorate


class _OldNames:
    """What says that a name is an old one."""

    def _now(self, old: str, new: str) -> Any:
        warnings.warn(f"{old} is now {new}; the old name goes with mien 0.3", DeprecationWarning, stacklevel=3)
        return getattr(self, new)


class OldClassifier(_OldNames):
    """The old name of an attribute of a classifier."""

    @property
    def recognizer(self) -> Any:
        """The old name of ``predictor``."""
        return self._now("recognizer", "predictor")


class OldMethods(_OldNames):
    """The old names of methods of a loaded model."""

    def answering(self, space: Any) -> Any:
        """The old name of ``with_labels``."""
        return self._now("answering", "with_labels")(space)

    def probabilities(self, inputs: Any, *args: Any, **options: Any) -> Any:
        """The old name of ``predict_proba``."""
        return self._now("probabilities", "predict_proba")(inputs, *args, **options)
