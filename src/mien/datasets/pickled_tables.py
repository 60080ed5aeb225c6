"""Pickled tables of pandas, read without running anything that is in them; see :mod:`mien.media.pickles`.

Admitted are the names that pandas 0.25 to 3 writes for a table of text, numbers, dates and categories. A table of
another pandas, or none of these, can do no more harm than be refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from mien.errors import require
from mien.media.pickles import (
    ARRAYS,
    LIMIT,
    ArrayReader,
    Inert,
    as_data_errors,
    is_named,
    kind_name,
    load_notes,
    names,
    one_line,
    to_bytes,
)

if TYPE_CHECKING:
    import pandas as pd

_MASKED = "IntegerArray FloatingArray BooleanArray"
_EXTENSIONS = f"Categorical StringArray ArrowStringArray DatetimeArray TimedeltaArray {_MASKED}"
_INTEGERS = "Int8Dtype Int16Dtype Int32Dtype Int64Dtype UInt8Dtype UInt16Dtype UInt32Dtype UInt64Dtype"
_TYPES = f"{_INTEGERS} Float32Dtype Float64Dtype BooleanDtype StringDtype ArrowDtype CategoricalDtype DatetimeTZDtype"
_INDEXES = "Index RangeIndex MultiIndex DatetimeIndex TimedeltaIndex CategoricalIndex"

#: Every (module, name) that a pickled table may ask for.
ALLOWED = ARRAYS | names(
    f"""
functools: partial
datetime: timezone timedelta
pytz: _UTC _p
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
)
_ARROW_STRINGS = {"string": "<i4", "large_string": "<i8"}
_ARROW_NUMBERS = {f"{kind}{bits}": f"<{kind[0]}{bits // 8}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)}
_ARROW_NUMBERS |= {"float": "<f4", "double": "<f8", "halffloat": "<f2"}


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
        tree, size = load_notes(source, where, ALLOWED, limit, {("functools", "partial"): _Partial})
        titles, columns = _TableReader(pandas, 8 * size).frame(tree)
        frame: pd.DataFrame = pandas.DataFrame(dict(enumerate(columns)))
        frame.columns = pandas.Index(titles)
    return frame


class _Partial(Inert):
    """pandas 1.3 makes its blocks by ``partial(new_block, ndim=2)(values, places)``: a note of a note."""

    name = "partial"

    def __call__(self, *args: Any) -> Inert:
        return self.args[0](*args) if is_named(self.args[0], "new_block") else Inert()


class _TableReader(ArrayReader):
    """Reads columns from a tree of notes."""

    def __init__(self, pandas: Any, budget: int) -> None:
        super().__init__(budget)
        self.pandas = pandas

    def frame(self, tree: Any) -> tuple[list[Any], list[Any]]:
        """Column names and columns (each an array of n rows, or a pandas array)."""
        if kind_name(tree) != "DataFrame" or not isinstance(tree.state, dict):
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
        if is_named(note, "BlockPlacement"):
            return self.places(note.args[0], n)
        if is_named(note, "slice"):
            return list(range(n))[slice(*note.args)]
        return [int(place) for place in self.column(note)]

    def rows(self, note: Any) -> list[Any]:
        """The columns of a block: the rows of its 2-D array, or the one column of an array of pandas."""
        values = self.column(note)
        columns = list(values) if getattr(values, "ndim", 1) == 2 else [values]
        return [self.pandas.Series(column, dtype=column.dtype) for column in columns]

    def column(self, note: Any) -> Any:
        """An array of numpy or pandas."""
        kind = kind_name(note)
        if kind in ("_reconstruct", "_frombuffer"):
            return self.array(note)
        state = note.state
        if kind in ("ArrowStringArray", "ArrowExtensionArray"):
            values = self.arrow(state.get("_pa_array", state.get("_data")))
            return self.pandas.Series(values).array if kind == "ArrowStringArray" else values
        parts = [part for part in state if isinstance(part, Inert)] if isinstance(state, tuple) else []
        if kind == "Categorical":
            codes, dtype = (state["_codes"], state["_dtype"]) if isinstance(state, dict) else (parts[1], parts[0])
            if kind_name(codes) == "CategoricalDtype":
                codes, dtype = dtype, codes
            ordered = dtype.state["ordered"] is True
            categories = self.index(dtype.state["categories"])
            return self.pandas.Categorical.from_codes(self.array(codes), categories=categories, ordered=ordered)
        if kind in _MASKED.split():
            return getattr(self.pandas.arrays, kind)(self.array(state["_data"]), self.array(state["_mask"]))
        if kind in ("StringArray", "DatetimeArray", "TimedeltaArray"):
            arrays = [part for part in parts if kind_name(part) in ("_reconstruct", "_frombuffer")]
            data = arrays[0] if arrays else state.get("_ndarray", state.get("_data"))
            values = self.array(data)
            return self.pandas.Series(values).array if kind == "StringArray" else values
        raise ValueError(f"it holds a column of the kind {kind}")

    def cell(self, value: Any) -> Any:
        """One cell of an object column."""
        if type(value) is str:
            return value
        if isinstance(value, list | tuple | set | frozenset):
            self.spend(len(value))
            return [self.cell(part) for part in value]
        if isinstance(value, dict):
            self.spend(2 * len(value))
            return {str(self.cell(key)): self.cell(part) for key, part in value.items()}
        if is_named(value, "NA") or (isinstance(value, type) and issubclass(value, Inert) and value.name == "NA"):
            return None
        return self.note(value) if isinstance(value, Inert) else value

    def note(self, value: Inert) -> Any:
        """A cell that is a number of numpy, a missing time or an array."""
        if value.name == "scalar":
            return np.frombuffer(to_bytes(value.args[1]), self.dtype(value.args[0]))[0].item()
        return None if value.name.endswith("_nat_unpickle") else self.column(value).tolist()

    def arrow(self, note: Any) -> np.ndarray:
        """An array of Arrow text, numbers or booleans as objects, None where there is none. Checks every offset."""
        kind, length, _, offset, buffers, children, dictionary = note.args[0]
        name = kind.args[0] if is_named(kind, "type_for_alias") else ""
        if not is_named(note, "_restore_array") or children or dictionary is not None:
            raise ValueError(f"it holds an Arrow column of the kind {one_line(str(name))}; save the table as Parquet")
        self.spend(length)
        raw = [None if part is None else to_bytes(part.args[0]) for part in buffers]
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
            raise ValueError(f"it holds an Arrow column of the kind {one_line(str(name))}; save the table as Parquet")
        values = np.fromiter(cells, dtype=object, count=length)
        if raw[0] is not None:
            values[~_bits(raw[0])[rows]] = None
        return values


def _bits(data: bytes | None) -> np.ndarray:
    return np.unpackbits(np.frombuffer(data or b"", np.uint8), bitorder="little").astype(bool)
