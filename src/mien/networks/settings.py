"""Settings of a network, and where its pretrained weights lie. Imports no torch."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, model_validator

from mien.errors import MissingExtra, RecipeError


class PackageFile(NamedTuple):
    """A file or folder that another package carries; nothing of that package is imported or run.

    Attributes:
        module: name of the package as it is imported.
        inside: path below its folder.
        install: what to type to get it, for the message.
    """

    module: str
    inside: str
    install: str

    def find(self) -> Path:
        """Where it lies.

        Raises:
            MissingExtra: the package is not installed, or lacks that file.
        """
        found = importlib.util.find_spec(self.module)
        for folder in (found.submodule_search_locations or []) if found else []:
            if (path := Path(folder, self.inside)).exists():
                return path
        raise MissingExtra(f"this needs {self.inside} of the package {self.module}: {self.install}")


class NetworkSettings(BaseModel):
    """What the ``Settings`` of every network derive from: the keys of ``network`` in a recipe, besides ``kind``.

    Attributes:
        packages: packages that carry weights for it, by the name that ``package:NAME`` gives them.
        weight_fields: the fields that say which weights it starts from: a path, ``package:NAME`` or "" for none.
        old_names: what fields were called → what they are called now; taken for one more release.
    """

    model_config = ConfigDict(extra="forbid")
    packages: ClassVar[Mapping[str, PackageFile]] = {}
    weight_fields: ClassVar[tuple[str, ...]] = ("weights",)
    old_names: ClassVar[Mapping[str, str]] = {}

    @model_validator(mode="before")
    @classmethod
    def _with_new_names(cls, given: Any) -> Any:
        for old in cls.old_names.keys() & dict(given).keys():
            warnings.warn(f"network.{old} is network.{cls.old_names[old]} now", DeprecationWarning, stacklevel=2)
        return {cls.old_names.get(name, name): value for name, value in dict(given).items()}

    def weight_paths(self) -> list[Path]:
        """The files or folders that the network starts from.

        Raises:
            RecipeError: no such package is known, or there is no such file.
            MissingExtra: the package that carries one is not installed.
        """
        fields = (name for name in self.weight_fields if name in type(self).model_fields)
        return [weight_path(source, self.packages, name) for name in fields if (source := getattr(self, name))]

    def without_weights(self) -> Self:
        """The same, starting from nothing: an earlier model gives the weights."""
        return self.model_copy(update={name: "" for name in self.weight_fields if name in type(self).model_fields})

    def tokenizer(self) -> bytes | None:
        """The ``tokenizer.json`` that the pretrained weights were learned with.

        Raises:
            RecipeError, MissingExtra: see :meth:`weight_paths`; or it cannot be read.
        """
        return None

    def models(self) -> tuple[str, ...]:
        """The mien models that it is built on."""
        return ()


def weight_path(source: str, packages: Mapping[str, PackageFile], field: str = "weights") -> Path:
    """The file that ``package:NAME`` or a path names.

    Raises:
        RecipeError: no such package is known, or there is no such file.
        MissingExtra: the package is not installed.
    """
    scheme, _, name = source.partition(":")
    if scheme == "package":
        if name not in packages:
            raise RecipeError(f"network.{field}: no package {name!r}; there are: {', '.join(packages) or 'none'}")
        return packages[name].find()
    path = Path(source).expanduser()
    if not path.exists():
        raise RecipeError(f"network.{field}: there is no file {source}")
    return path
