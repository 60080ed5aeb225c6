"""Pickles read without running anything that is in them.

A pickle is a program: it names functions and calls them. Here no name of a pickle ever reaches the thing it names.
``find_class`` admits only the names that the caller expects, and for each hands over an inert stand-in that does no
more than note what it was called with. What comes out is a tree of notes. Code of this module, and what builds upon it,
then reads arrays from that tree, checking sizes as it goes. So REDUCE calls nothing, BUILD sets nothing but a note, and
a pickle of an unknown kind can do no more harm than be refused.
"""

from __future__ import annotations

import io
import math
import pickle
import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import numpy as np

from mien.errors import DataError

#: A pickle of more bytes than this is refused (2 GiB).
LIMIT = 2**31

Names = frozenset[tuple[str, str]]  # (module, name)


def names(text: str) -> Names:
    """The names in lines such as ``numpy: ndarray dtype``."""
    lines = (line.partition(":") for line in text.strip().splitlines())
    return frozenset((module, name) for module, _, found in lines for name in found.split())


#: What arrays of numpy are pickled with.
ARRAYS = names(
    """
copyreg: _reconstructor
copy_reg: _reconstructor
builtins: object slice bytes bytearray
__builtin__: object slice bytes bytearray
_codecs: encode
numpy: ndarray dtype
numpy.core.multiarray: _reconstruct scalar
numpy._core.multiarray: _reconstruct scalar
numpy.core.numeric: _frombuffer
numpy._core.numeric: _frombuffer
"""
)
_NUMPY_TYPE = re.compile(r"(?:[biuf](?:1|2|4|8|16)|c(?:8|16)|O8?|[mM]8?|[SU]\d{1,9})", re.ASCII)


def read_pickled_arrays(path: str | Path) -> dict[str, Any]:
    """Read a pickled dictionary of numpy arrays, or of such dictionaries; nothing that the pickle names is run.

    Returns:
        The same tree of plain dictionaries, with arrays of booleans or numbers.

    Raises:
        DataError: it holds anything else, is damaged or too large.
    """
    with as_data_errors(str(path), "pickle of arrays"):
        tree, size = load_notes(path, str(path), ARRAYS)
        return _arrays(tree, ArrayReader(size))


def _arrays(tree: Any, reader: ArrayReader) -> dict[str, Any]:
    if type(tree) is not dict or not all(type(name) is str for name in tree):
        raise ValueError("it holds something else than arrays by name")
    found: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, Inert):
            found[name] = reader.array(value)
            if found[name].dtype.kind not in "biuf":
                raise ValueError("it holds an array that is not of numbers")
        else:
            found[name] = _arrays(value, reader)
    return found


def load_notes(
    source: str | Path | BinaryIO, where: str, allowed: Names, limit: int = LIMIT, stand_ins: StandIns | None = None
) -> tuple[Any, int]:
    """A pickle as a tree of notes, and its bytes; see `Unpickler`."""
    if isinstance(source, str | Path):
        with open(source, "rb") as file:
            return load_notes(file, where, allowed, limit, stand_ins)
    content = source.read(limit + 1)
    if len(content) > limit:
        raise DataError(f"{where} unpacks to more than {limit} bytes; refused")
    return Unpickler(io.BytesIO(content), where, allowed, stand_ins or {}).load(), len(content)


@contextmanager
def as_data_errors(where: str, what: str) -> Iterator[None]:
    """Whatever goes wrong while a pickle is read is a DataError that says where; *what* it should have been."""
    try:
        yield
    except DataError:
        raise
    except OSError as error:
        raise DataError(f"{where} cannot be read: {error.strerror or error}") from error
    except (Exception, MemoryError, RecursionError) as error:  # hostile bytes can fail in any way
        why = one_line(str(error)) or type(error).__name__
        raise DataError(f"{where} is not a readable {what}: {why}") from error


class Inert:
    """What a pickle would have made: the name it asked for, the arguments and the state it gave. Does nothing."""

    name: ClassVar[str] = ""
    args: tuple[Any, ...]
    state: Any

    def __new__(cls, *args: Any, **_: Any) -> Inert:
        self = object.__new__(cls)
        self.args, self.state = args, None
        return self

    def __init__(self, *args: Any, **options: Any) -> None: ...

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __repr__(self) -> str:  # in a message about what is wrong with it
        return self.name or "something"


StandIns = dict[tuple[str, str], type[Inert]]


class Unpickler(pickle._Unpickler):  # the C one reserves as much memory as the pickle claims to need
    """Loads a pickle as a tree of notes.

    Args:
        file: the pickle.
        where: what messages call it.
        allowed: the names that it may ask for.
        stand_ins: those for which a plain `Inert` will not do.
    """

    def __init__(self, file: BinaryIO, where: str, allowed: Names, stand_ins: StandIns) -> None:
        super().__init__(file)
        self._where, self._allowed, self._classes = where, allowed, dict(stand_ins)

    def find_class(self, module: str, name: str, /) -> type[Inert]:
        """The stand-in for what the pickle names."""
        key = (module, name)
        if key not in self._allowed:
            raise DataError(f"{self._where} asks for {one_line(f'{module}.{name}')}, which no table needs; refused")
        if key not in self._classes:
            self._classes[key] = type("Inert", (Inert,), {"name": name})
        return self._classes[key]

    def _load_bytearray8(self) -> None:
        (length,) = struct.unpack("<Q", self.read(8))  # type: ignore[attr-defined]
        data = self.read(length)  # type: ignore[attr-defined]
        if len(data) != length:
            raise pickle.UnpicklingError("it is truncated")
        self.append(bytearray(data))  # type: ignore[attr-defined]

    dispatch: ClassVar[dict[int, Any]] = {**pickle._Unpickler.dispatch, pickle.BYTEARRAY8[0]: _load_bytearray8}


class ArrayReader:
    """Reads arrays from a tree of notes. Every method raises an exception of some kind on a tree it does not know.

    Args:
        budget: cells that there may be: an honest pickle spends at least a bit on each.
    """

    def __init__(self, budget: int) -> None:
        self.budget = budget

    def cell(self, value: Any) -> Any:
        """One cell of an object array."""
        raise ValueError("it holds an array that is not of numbers")

    def array(self, note: Any) -> np.ndarray:
        """A numpy array; the data must be exactly as long as shape and type say."""
        if kind_name(note) == "_frombuffer":
            data, dtype, shape, order = note.args
            fortran = order == "F"
        else:
            _, shape, dtype, fortran, data = note.state
        kind = self.dtype(dtype)
        self.spend(math.prod(shape))
        if kind.hasobject:
            values = np.fromiter(map(self.cell, data), dtype=object, count=len(data))
        else:
            values = np.frombuffer(to_bytes(data), kind)
        return values.reshape(shape, order="F" if fortran else "C")

    def dtype(self, note: Any) -> np.dtype[Any]:
        """A simple type of numpy: bool, number, date or text of a width; no structure, no subarray."""
        code, state = note.args[0], note.state
        if not is_named(note, "dtype") or not isinstance(code, str) or not _NUMPY_TYPE.fullmatch(code):
            raise ValueError("it holds an array of a type that no table needs")
        if code[0] in "mM":
            unit, count, *_ = state[8][1]
            return np.dtype(f"{state[1]}{code[0]}8[{int(count)}{to_bytes(unit).decode('ascii')}]")
        return np.dtype((state[1] if state and state[1] in "<>" else "") + ("?" if code == "b1" else code))

    def spend(self, cells: int) -> None:
        """Count cells against what the size of the file allows."""
        self.budget -= cells
        if cells < 0 or self.budget < 0:
            raise ValueError("it unfolds to far more cells than it has bytes")


def is_named(note: Any, name: str) -> bool:
    """Whether a note, or a class of notes, goes by that name."""
    return isinstance(note, Inert | type) and getattr(note, "name", None) == name


def kind_name(note: Any) -> str:
    """The name of what a note would have been, also where a helper would have made it."""
    helpers = ("_reconstructor", "__pyx_unpickle_NDArrayBacked")
    name = note.args[0].name if isinstance(note, Inert) and note.name in helpers else getattr(note, "name", "")
    return str(name) or type(note).__name__


def to_bytes(data: Any) -> bytes:
    """Bytes as pickles of any protocol hold them."""
    if isinstance(data, bytes):
        return data
    if isinstance(data, bytearray):
        return bytes(data)
    if is_named(data, "bytearray") or is_named(data, "bytes"):
        return to_bytes(data.args[0]) if data.args else b""
    if is_named(data, "encode") and isinstance(data.args[0], str):
        return data.args[0].encode("latin1")
    raise ValueError("it holds something else where bytes belong")


def one_line(text: str) -> str:
    """One line of at most 80 characters."""
    text = " ".join(text.split())
    return text if len(text) <= 80 else text[:79] + "…"
