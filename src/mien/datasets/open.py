"""The registry of data sets, and `open_dataset`: the options, checks and splits that all of them share."""

from __future__ import annotations

import importlib
import inspect
import os
import tempfile
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin, get_type_hints
from urllib.parse import parse_qsl

import numpy as np

from mien.datasets.dataset import Dataset, Problem
from mien.datasets.lines import shown
from mien.datasets.rows import Info, Items, Row, assemble, space_of
from mien.datasets.splits import folds, split_rows, strata
from mien.errors import DataError, InputError, did_you_mean, quoted
from mien.inputs import local
from mien.labels import SPACES, LabelSpace, get_space
from mien.plugins import import_object, load_plugin, plugin_names

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Definition", "Info", "Items", "Progress", "Row", "dataset", "no_progress", "open_dataset"]

_BUILT_IN = (
    "table", "carer", "goemotions", "fer2013", "images", "clips", "ravdess", "features", "emotic", "oasis", "chat",
    "sample", "brighter", "xed", "emobank",
)  # fmt: skip
_FLAGS = {"true": True, "yes": True, "1": True, "": True, "false": False, "no": False, "0": False}
#: As mien 0.1 had them: name → a module with a function ``read``, and what it reads.
OLD_READERS: dict[str, tuple[str, str]] = {}

#: Shows how far a long step is: called with its name and length, it gives the function that counts on.
Progress = Callable[[str, int], AbstractContextManager[Callable[[int], object]]]


@dataclass(frozen=True)
class Definition:
    """A data set that can be opened: the function that yields it, and what is known of it before."""

    read: Callable[..., Items]
    info: Info

    def __call__(self, path: Path, **options: Any) -> Items:
        return self.read(path, **options)

    def options(self) -> dict[str, Any]:
        """The options of its own, each with its type."""
        hints = get_type_hints(self.read)
        names = list(inspect.signature(self.read).parameters)[1:]
        return {name: hints.get(name, str) for name in names if name != "progress"}


@dataclass(frozen=True)
class Shared:
    """The options of all data sets; one that a data set takes itself is its own affair.

    Attributes:
        space: a label space to bring the labels to; where the set has none of its own, what its labels are.
        split_seed: of the splits 80/10/10 of a set that comes without.
        group: the column whose values stay in one split.
        strict: whether to refuse the set where anything has to be left out.
    """

    space: LabelSpace | None = None
    split_seed: int = 0
    group: str = ""
    strict: bool = False


_DEFINED: dict[str, Definition] = {}


def dataset(
    name: str,
    *,
    labels: str | LabelSpace | None = None,
    modality: str = "text",
    licence: str = "not stated",
    scales: Mapping[str, tuple[float, float]] | None = None,
    group: str = "",
) -> Callable[[Callable[..., Items]], Definition]:
    """Register a generator of rows as the data set ``name:path``.

    The function takes a Path, and options as keyword arguments: those of the type bool, int, ``Literal[...]`` or
    ``tuple[str, ...]`` are checked and converted. It yields a `Row` for each sample, a `Problem` for what it leaves
    out, and an `Info` where a fact about the set shows only then.
    """
    info = Info(name=name, labels=labels, modality=modality, licence=licence, scales=scales, group=group)

    def register(read: Callable[..., Items]) -> Definition:
        _DEFINED[name] = definition = Definition(read, info)
        return definition

    return register


def open_dataset(
    spec: str | os.PathLike[str] | pd.DataFrame,
    *,
    column: str | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Dataset:
    """Read a data set.

    Args:
        spec: ``name:path``, such as ``carer:emotion/``; a bare path of a table means ``table:path``. Options may
            follow: ``table:mine.csv?text=comment&label=mood``. Or a pandas DataFrame.
        column: a column to keep besides, for data sets with the option ``by``.
        progress: what shows how far a long step is.
        options: the same as keywords.

    Raises:
        DataError: no such data set, option, file or column, or nothing readable in it; one line that says where.
    """
    if not isinstance(spec, str | os.PathLike):
        return _of_frame(spec, column=column, **options)
    spec = os.fspath(spec)
    name, path, given = _parsed(spec)
    given |= {option: value for option, value in options.items() if value is not None}
    definition = _find(name)
    if definition is None:
        names = dict.fromkeys((*_BUILT_IN, *_DEFINED, *OLD_READERS, *plugin_names("mien.datasets")))
        near = did_you_mean(name, names)
        raise DataError(f"no data set {quoted(name)!r} in {quoted(spec)!r}; there are: {', '.join(names)}{near}")
    own = definition.options()
    kinds = get_type_hints(Shared) | own
    if unknown := [option for option in given if option not in kinds]:
        near = did_you_mean(unknown[0], kinds)
        has = ", ".join(dict.fromkeys((*own, *kinds)))
        raise DataError(f"{name} has no option {unknown[0]!r}; it has: {has}{near}")
    values = {option: _converted(path, option, value, kinds[option]) for option, value in given.items()}
    if column is not None and "by" in own:
        values["by"] = tuple(dict.fromkeys((*values.get("by", ()), column)))
    if "progress" in inspect.signature(definition.read).parameters:
        own["progress"] = values["progress"] = progress or no_progress
    items = definition.read(path, **{option: value for option, value in values.items() if option in own})
    shared = Shared(**{option: value for option, value in values.items() if option not in own})
    found = items if isinstance(items, Dataset) else _built(path, definition.info, items, shared)
    if shared.strict and found.problems:
        first, count = found.problems[0], len(found.problems)
        raise DataError(f"{found.name} has {count} problem{'s' * (count > 1)}: {first.where}: {first.what}")
    if not len(found):
        hint = "".join(f" (first problem: {problem.where}: {problem.what})" for problem in found.problems[:1])
        raise DataError(f"{spec} holds no usable samples{hint}")
    return found


def _of_frame(frame: pd.DataFrame, **options: Any) -> Dataset:
    """The data set of a DataFrame, read as a table on disk is.

    Raises:
        DataError: it is something else.
    """
    if not hasattr(frame, "to_pickle") or not hasattr(frame, "columns"):
        raise DataError(f"a data set is NAME:PATH or a DataFrame, not {type(frame).__name__}")
    with tempfile.TemporaryDirectory(prefix="mien-") as folder:
        frame.to_pickle(file := Path(folder) / "DataFrame.pkl")
        try:
            return open_dataset(str(file), **options)
        except DataError as error:
            raise DataError(str(error).replace(str(file), "DataFrame")) from None


def no_progress(what: str, total: int) -> AbstractContextManager[Callable[[int], object]]:
    """Shows nothing."""
    return nullcontext(lambda count: None)


def _parsed(spec: str) -> tuple[str, Path, dict[str, Any]]:
    """Name, path and options of a spec."""
    name, colon, path = spec.partition(":")
    if not colon or (len(name) == 1 and name.isalpha()):  # a bare path, perhaps with a drive letter
        name, path = "table", spec
    path, _, query = path.partition("?")
    if not path.strip():
        raise DataError(f"{quoted(spec)!r} names no path: a data set is NAME:PATH, such as carer:emotion/")
    try:
        return name, local(path), dict(parse_qsl(query, keep_blank_values=True))
    except InputError as error:
        raise DataError(str(error)) from None


def _find(name: str) -> Definition | None:
    """The data set of that name: built in, registered, or of a plug-in."""
    if name in _BUILT_IN:
        return import_object(f"mien.datasets.{name}:{name}")  # type: ignore[no-any-return]
    if name in OLD_READERS:
        return Definition(importlib.import_module(OLD_READERS[name][0]).read, Info())
    if name not in _DEFINED and isinstance(found := load_plugin("mien.datasets", name), Definition):
        return found
    return _DEFINED.get(name)


def _converted(path: Path, name: str, value: Any, kind: Any) -> Any:
    """The value of an option as its type has it.

    Raises:
        DataError: it is of another; one line that says what it must be.
    """
    if LabelSpace in get_args(kind):
        try:
            return get_space(value)
        except KeyError as error:
            raise DataError(f"{path}: {error.args[0]}") from None
    if kind == tuple[str, ...]:
        parts = value.split(",") if isinstance(value, str) else value
        return tuple(filter(None, map(str.strip, parts)))
    text = str(value)
    if kind is bool:
        if text.casefold() not in _FLAGS:
            raise DataError(f"{path}: {name} must be true or false, not {value!r}")
        return _FLAGS[text.casefold()]
    if kind is int:
        try:
            return int(text)
        except ValueError:
            raise DataError(f"{path}: {name} must be a whole number, not {value!r}") from None
    if get_origin(kind) is Literal and text not in get_args(kind):
        allowed = [choice for choice in get_args(kind) if choice]
        wanted = f"one of {', '.join(allowed)}" if len(allowed) > 2 else " or ".join(map(repr, allowed))
        raise DataError(f"{path}: {name} must be {wanted}, not {value!r}")
    return text


def _built(path: Path, info: Info, items: Items, shared: Shared) -> Dataset:
    """The set of the rows that a function yields, checked, with splits, in the label space asked for."""
    rows: list[Row | Problem] = []
    for item in items:
        if isinstance(item, Info):
            info |= item
        else:
            rows.append(item)
    labels = {label for item in rows if isinstance(item, Row) for label in item.labels if isinstance(label, str)}
    space = shared.space if info.labels is None else get_space(info.labels)
    if space is None and info.scales and not labels:
        space = SPACES["affect"]
    if space is None:
        space = space_of(path, labels, bool(info.multilabel))
    if info.multilabel:
        space = space.as_multilabel(True)
    info |= Info(name=info.name or path.name, group=shared.group or info.group)
    found = assemble(rows, space, info)
    if not len(found):
        if labels and not shared.strict and any(problem.kind == "unknown-label" for problem in found.problems):
            some, known = shown(sorted(labels), 5), shown(space.names, 99)
            raise DataError(f"{path}: none of its labels ({some}) is in {space.name}: {known}")
        return found
    found = _with_splits(found, info, shared)
    if info.finish is not None:
        found = info.finish(found)
    return found if shared.space is None or shared.space.names == space.names else found.rollup(shared.space)


def _with_splits(found: Dataset, info: Info, shared: Shared) -> Dataset:
    """The set with its column of folds, where it has one, and with splits 80/10/10 where it comes without."""
    if info.folds:
        numbers = folds(strata(found), info.folds, shared.split_seed, found.groups)
        fold = np.array([str(1 + number) for number in numbers.tolist()], dtype=object)
        found = replace(found, columns={**found.columns, "fold": fold})
    if (found.split != "").any():
        return found
    split = split_rows(strata(found), seed=shared.split_seed, groups=found.groups)
    return replace(found, split=split, auto_split=True)
