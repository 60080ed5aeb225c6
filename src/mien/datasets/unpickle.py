"""Pickled tables, read without running anything that is in them.

A pickle is a program: it names functions and calls them. Here no name of a pickle ever reaches the
thing it names. ``find_class`` admits only the names that pandas 0.25 to 3 writes for a table of text,
numbers, dates and categories, and for each hands over an inert stand-in that does no more than note
what it was called with. What comes out is a tree of notes. Code of this module then reads the columns
from that tree, checking sizes as it goes. So REDUCE calls nothing, BUILD sets nothing but a note, and a
table of another pandas, or none of these, can do no more harm than be refused.
"""

from __future__ import annotations

import io
import math
import pickle
import re
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar

import numpy as np

from mien.errors import DataError, require

if TYPE_CHECKING:
    import pandas as pd

#: A pickle that unpacks to more bytes than this is refused (2 GiB).
LIMIT = 2**31

_MASKED = "IntegerArray FloatingArray BooleanArray"
_EXTENSIONS = f"Categorical StringArray ArrowStringArray DatetimeArray TimedeltaArray {_MASKED}"
_INTEGERS = "Int8Dtype Int16Dtype Int32Dtype Int64Dtype UInt8Dtype UInt16Dtype UInt32Dtype UInt64Dtype"
_TYPES = f"{_INTEGERS} Float32Dtype Float64Dtype BooleanDtype StringDtype ArrowDtype CategoricalDtype DatetimeTZDtype"
_INDEXES = "Index RangeIndex MultiIndex DatetimeIndex TimedeltaIndex CategoricalIndex"
_ALLOWED_TEXT = f"""
copyreg: _reconstructor
copy_reg: _reconstructor
builtins: object slice bytes bytearray
__builtin__: object slice bytes bytearray
_codecs: encode
functools: partial
datetime: timezone timedelta
pytz: _UTC _p
numpy: ndarray dtype
numpy.core.multiarray: _reconstruct scalar
numpy._core.multiarray: _reconstruct scalar
numpy.core.numeric: _frombuffer
numpy._core.numeric: _frombuffer
pandas: DataFrame NA {_INDEXES} {_TYPES} {_EXTENSIONS}
pandas.arrays: ArrowExtensionArray {_EXTENSIONS}
pandas.core.frame: DataFrame
pandas.core.internals.managers: BlockManager
pandas._libs.internals: _unpickle_block BlockPlacement
pandas.core.internals.blocks: new_block
pandas._libs.arrays: __pyx_unpickle_NDArrayBacked
pandas._libs.missing: NA
pandas._libs.tslibs.nattype: _nat_unpickle __nat_unpickle
pandas._libs.tslibs.offsets: Day
pandas.core.indexes.base: _new_Index Index
pandas.core.indexes.datetimes: _new_DatetimeIndex DatetimeIndex
pandas.core.indexes.numeric: Int64Index UInt64Index Float64Index
pandas.core.indexes.range: RangeIndex
pandas.core.indexes.multi: MultiIndex
pandas.core.indexes.category: CategoricalIndex
pandas.core.dtypes.dtypes: CategoricalDtype DatetimeTZDtype ArrowDtype
pandas.core.arrays.categorical: Categorical
pandas.core.arrays.datetimes: DatetimeArray
pandas.core.arrays.timedeltas: TimedeltaArray
pandas.core.arrays.string_: StringArray StringDtype
pandas.core.arrays.string_arrow: ArrowStringArray
pandas.core.arrays.arrow.array: ArrowExtensionArray
pandas.core.arrays.integer: IntegerArray {_INTEGERS}
pandas.core.arrays.floating: FloatingArray Float32Dtype Float64Dtype
pandas.core.arrays.boolean: BooleanArray BooleanDtype
pyarrow.lib: _restore_array type_for_alias py_buffer
"""

#: Every (module, name) that a pickled table may ask for.
ALLOWED: frozenset[tuple[str, str]] = frozenset(
    (module, name)
    for module, _, names in (line.partition(":") for line in _ALLOWED_TEXT.strip().splitlines())
    for name in names.split()
)

_NUMPY_TYPE = re.compile(r"(?:[biuf](?:1|2|4|8|16)|c(?:8|16)|O8?|[mM]8?|[SU]\d{1,9})", re.ASCII)
_ARROW_STRINGS = {"string": "<i4", "large_string": "<i8"}
_ARROW_NUMBERS = {f"{kind}{bits}": f"<{kind[0]}{bits // 8}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)}
_ARROW_NUMBERS |= {"float": "<f4", "double": "<f8", "halffloat": "<f2"}


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


class _Partial(Inert):
    """pandas 1.3 makes its blocks by ``partial(new_block, ndim=2)(values, places)``: a note of a note."""

    name = "partial"

    def __call__(self, *args: Any) -> Inert:
        return self.args[0](*args) if _is(self.args[0], "new_block") else Inert()


class _Unpickler(pickle._Unpickler):  # the C one reserves as much memory as the pickle claims to need
    def __init__(self, file: BinaryIO, where: str) -> None:
        super().__init__(file)
        self._where = where
        self._classes: dict[tuple[str, str], type[Inert]] = {("functools", "partial"): _Partial}

    def find_class(self, module: str, name: str, /) -> type[Inert]:
        key = (module, name)
        if key not in ALLOWED:
            raise DataError(f"{self._where} asks for {_short(f'{module}.{name}')}, which no table needs; refused")
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


def read_pickled_table(source: str | Path | BinaryIO, *, limit: int = LIMIT, name: str = "") -> pd.DataFrame:
    """Read a pickled ``pandas.DataFrame``; nothing that the pickle names is run.

    Args:
        source: a path, or a file opened in binary.
        limit: bytes that it may unpack to.
        name: what messages call it, where the file does not know its path.

    Returns:
        The columns under their names; rows are numbered from 0, whatever index was pickled. Columns of object
        stay so, those of a string type come in pandas' default one, times with a zone as UTC without one.

    Raises:
        DataError: it asks for something that no table needs, is damaged, too large or not a table.
        MissingExtra: pandas is not installed.
    """
    pandas = require("pandas", "table")
    where = name or str(source if isinstance(source, str | Path) else getattr(source, "name", "the pickle"))
    with as_data_errors(where, "pickled table"):
        if isinstance(source, str | Path):
            with open(source, "rb") as file:
                content = file.read(limit + 1)
        else:
            content = source.read(limit + 1)
        if len(content) > limit:
            raise DataError(f"{where} unpacks to more than {limit} bytes; refused")
        tree = _Unpickler(io.BytesIO(content), where).load()
        names, columns = _Reader(pandas, 8 * len(content)).frame(tree)
        frame: pd.DataFrame = pandas.DataFrame(dict(enumerate(columns)))
        frame.columns = pandas.Index(names)
    return frame


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
        why = _short(str(error)) or type(error).__name__
        raise DataError(f"{where} is not a readable {what}: {why}") from error


class _Reader:
    """Reads columns from a tree of notes. Every method raises an exception of some kind on a tree it does not know."""

    def __init__(self, pandas: Any, budget: int) -> None:
        self.pandas = pandas
        self.budget = budget  # cells still allowed: an honest pickle spends at least a bit on each

    def frame(self, tree: Any) -> tuple[list[Any], list[Any]]:
        """Column names and columns (each an array of n rows, or a pandas array)."""
        if _kind(tree) != "DataFrame" or not isinstance(tree.state, dict):
            raise ValueError("it holds no pandas DataFrame")
        manager: Any = tree.state.get("_mgr", tree.state.get("_data"))
        if manager.args:  # pandas 1.3 and later; _reconstructor has the class first
            blocks, axes = manager.args[-2:]
            parts = [(block.args[0], block.args[1]) for block in blocks]
        else:
            state = manager.state[3]["0.14.1"]
            axes, parts = state["axes"], [(block["values"], block["mgr_locs"]) for block in state["blocks"]]
        names = self.index(axes[0])
        columns: list[Any] = [None] * len(names)
        for values, places in parts:
            for place, column in zip(self.places(places, len(names)), self.rows(values), strict=True):
                columns[place] = column
        if any(column is None for column in columns) or len({len(column) for column in columns}) > 1:
            raise ValueError("its columns do not fit together")
        return names, columns

    def index(self, note: Any) -> list[Any]:
        """The labels of an index."""
        kind, state = note.args[0].name, note.args[1]
        if kind == "RangeIndex":
            labels = range(state["start"], state["stop"], state["step"])
            self.spend(len(labels))
            return list(labels)
        if kind == "MultiIndex":
            raise ValueError("its columns have several levels")
        return list(self.column(state["data"]))

    def places(self, note: Any, n: int) -> list[int]:
        """Which of n columns a block holds."""
        if _is(note, "BlockPlacement"):
            return self.places(note.args[0], n)
        if _is(note, "slice"):
            return list(range(n))[slice(*note.args)]
        return [int(place) for place in self.column(note)]

    def rows(self, note: Any) -> list[Any]:
        """The columns of a block: the rows of its 2-D array, or the one column of an array of pandas."""
        values = self.column(note)
        columns = list(values) if getattr(values, "ndim", 1) == 2 else [values]
        return [self.pandas.Series(column, dtype=column.dtype) for column in columns]

    def column(self, note: Any) -> Any:
        """An array of numpy or pandas."""
        kind = _kind(note)
        if kind in ("_reconstruct", "_frombuffer"):
            return self.array(note)
        state = note.state
        if kind in ("ArrowStringArray", "ArrowExtensionArray"):
            values = self.arrow(state.get("_pa_array", state.get("_data")))
            return self.pandas.Series(values).array if kind == "ArrowStringArray" else values
        parts = [part for part in state if isinstance(part, Inert)] if isinstance(state, tuple) else []
        if kind == "Categorical":
            codes, dtype = (state["_codes"], state["_dtype"]) if isinstance(state, dict) else (parts[1], parts[0])
            if _kind(codes) == "CategoricalDtype":
                codes, dtype = dtype, codes
            ordered = dtype.state["ordered"] is True
            categories = self.index(dtype.state["categories"])
            return self.pandas.Categorical.from_codes(self.array(codes), categories=categories, ordered=ordered)
        if kind in _MASKED.split():
            return getattr(self.pandas.arrays, kind)(self.array(state["_data"]), self.array(state["_mask"]))
        if kind in ("StringArray", "DatetimeArray", "TimedeltaArray"):
            arrays = [part for part in parts if _kind(part) in ("_reconstruct", "_frombuffer")]
            data = arrays[0] if arrays else state.get("_ndarray", state.get("_data"))
            values = self.array(data)
            return self.pandas.Series(values).array if kind == "StringArray" else values
        raise ValueError(f"it holds a column of the kind {kind}")

    def array(self, note: Any) -> np.ndarray:
        """A numpy array; the data must be exactly as long as shape and type say."""
        if _kind(note) == "_frombuffer":
            data, dtype, shape, order = note.args
            fortran = order == "F"
        else:
            _, shape, dtype, fortran, data = note.state
        kind = self.dtype(dtype)
        self.spend(math.prod(shape))
        if kind.hasobject:
            cells = (cell if type(cell) is str else self.cell(cell) for cell in data)
            values = np.fromiter(cells, dtype=object, count=len(data))
        else:
            values = np.frombuffer(_bytes(data), kind)
        return values.reshape(shape, order="F" if fortran else "C")

    def dtype(self, note: Any) -> np.dtype[Any]:
        """A simple type of numpy: bool, number, date or text of a width; no structure, no subarray."""
        code, state = note.args[0], note.state
        if not _is(note, "dtype") or not isinstance(code, str) or not _NUMPY_TYPE.fullmatch(code):
            raise ValueError("it holds an array of a type that no table needs")
        if code[0] in "mM":
            unit, count, *_ = state[8][1]
            return np.dtype(f"{state[1]}{code[0]}8[{int(count)}{_bytes(unit).decode('ascii')}]")
        return np.dtype((state[1] if state and state[1] in "<>" else "") + ("?" if code == "b1" else code))

    def cell(self, value: Any) -> Any:
        """One cell of an object column."""
        if isinstance(value, list | tuple | set | frozenset):
            self.spend(len(value))
            return [self.cell(part) for part in value]
        if isinstance(value, dict):
            self.spend(2 * len(value))
            return {str(self.cell(key)): self.cell(part) for key, part in value.items()}
        if _is(value, "NA") or (isinstance(value, type) and issubclass(value, Inert) and value.name == "NA"):
            return None
        return self.note(value) if isinstance(value, Inert) else value

    def note(self, value: Inert) -> Any:
        """A cell that is a number of numpy, a missing time or an array."""
        if value.name == "scalar":
            return np.frombuffer(_bytes(value.args[1]), self.dtype(value.args[0]))[0].item()
        return None if value.name.endswith("_nat_unpickle") else self.column(value).tolist()

    def arrow(self, note: Any) -> np.ndarray:
        """An array of Arrow text, numbers or booleans as objects, None where there is none. Checks every offset."""
        kind, length, _, offset, buffers, children, dictionary = note.args[0]
        name = kind.args[0] if _is(kind, "type_for_alias") else ""
        if not _is(note, "_restore_array") or children or dictionary is not None:
            raise ValueError(f"it holds an Arrow column of the kind {_short(str(name))}; save the table as Parquet")
        self.spend(length)
        raw = [None if part is None else _bytes(part.args[0]) for part in buffers]
        rows = slice(offset, offset + length)
        cells: Iterable[Any]
        if name in _ARROW_STRINGS:
            ends = np.frombuffer(raw[1] or b"", _ARROW_STRINGS[name])[offset : offset + length + 1].tolist()
            text = raw[2] or b""
            if length and (len(ends) != length + 1 or ends[0] < 0 or ends[-1] > len(text) or sorted(ends) != ends):
                raise ValueError("its text does not lie where it says")
            cells = (text[a:b].decode("utf-8") for a, b in pairwise(ends))
        elif name == "bool":
            cells = _bits(raw[1])[rows].tolist()
        elif name in _ARROW_NUMBERS:
            cells = np.frombuffer(raw[1] or b"", _ARROW_NUMBERS[name])[rows].tolist()
        else:
            raise ValueError(f"it holds an Arrow column of the kind {_short(str(name))}; save the table as Parquet")
        values = np.fromiter(cells, dtype=object, count=length)
        if raw[0] is not None:
            values[~_bits(raw[0])[rows]] = None
        return values

    def spend(self, cells: int) -> None:
        """Count cells against what the size of the file allows."""
        self.budget -= cells
        if cells < 0 or self.budget < 0:
            raise ValueError("it unfolds to far more cells than it has bytes")


def _is(note: Any, name: str) -> bool:
    """Whether a note, or a class of notes, goes by that name."""
    return isinstance(note, Inert | type) and getattr(note, "name", None) == name


def _kind(note: Any) -> str:
    """The name of what a note would have been, also where a helper would have made it."""
    helpers = ("_reconstructor", "__pyx_unpickle_NDArrayBacked")
    name = note.args[0].name if isinstance(note, Inert) and note.name in helpers else getattr(note, "name", "")
    return str(name) or type(note).__name__


def _bytes(data: Any) -> bytes:
    """Bytes as pickles of any protocol hold them."""
    if isinstance(data, bytes):
        return data
    if isinstance(data, bytearray):
        return bytes(data)
    if _is(data, "bytearray") or _is(data, "bytes"):
        return _bytes(data.args[0]) if data.args else b""
    if _is(data, "encode") and isinstance(data.args[0], str):
        return data.args[0].encode("latin1")
    raise ValueError("it holds something else where bytes belong")


def _bits(data: bytes | None) -> np.ndarray:
    return np.unpackbits(np.frombuffer(data or b"", np.uint8), bitorder="little").astype(bool)


def _short(text: str) -> str:
    """One line of at most 80 characters."""
    text = " ".join(text.split())
    return text if len(text) <= 80 else text[:79] + "…"
