"""Parquet and Arrow files, with as much in memory at a time as a chunk may have, whatever a file unfolds to."""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from mien.datasets.lines import CHUNK_LIMIT, PACKED, ROW_LIMIT, allowed_size, blocks, check_encoding, open_binary, spans
from mien.errors import DataError, MienError, require

_BATCH = 4096  # rows
_UNPACKED, _RATIO = 2**27, 50  # bytes of a column that a group of rows may unpack to, and times what it has packed
_ROWS, _ROWS_A_BYTE = 2**20, 100  # of a file that repeats one value
_CELL = 64
_FILE = b"ARROW1\0\0"


@contextmanager
def open_parquet(path: Path) -> Iterator[Any]:
    """The file as a pyarrow ParquetFile that leaves repeated texts packed; DataError where it is damaged or a bomb."""
    parquet = require("pyarrow.parquet", "table")
    with open_binary(path) as file, _damage(path), tempfile.TemporaryFile() as unpacked:
        if path.suffix.lower() in PACKED:
            for block in blocks(file, path):
                unpacked.write(block)
            unpacked.seek(0)
            file = cast(BinaryIO, unpacked)  # noqa: PLW2901
        with parquet.ParquetFile(file) as plain:
            _check(path, plain)
            leaves = [plain.schema.column(place) for place in range(len(plain.schema.names))]
            texts = [leaf.path for leaf in leaves if leaf.physical_type == "BYTE_ARRAY"]
        file.seek(0)
        with parquet.ParquetFile(file, read_dictionary=texts, pre_buffer=False, buffer_size=2**20) as opened:
            yield opened


def read_rows(path: Path, size: int, encoding: str | None) -> Iterator[list[list[Any]]]:
    """The cells of each column, up to *size* rows and `CHUNK_LIMIT` bytes at a time; *encoding* if it is not UTF-8."""
    with open_parquet(path) as file, _damage(path):
        row, total, limit = 0, 0, allowed_size(path)
        encoding = check_encoding(encoding)
        declared = file.metadata
        bytes_a_row = max((group.total_byte_size // max(group.num_rows, 1) for group in _groups(declared)), default=0)
        for batch in file.iter_batches(batch_size=max(1, min(size, _BATCH, CHUNK_LIMIT // max(bytes_a_row, 1)))):
            weights = _row_weights(path, batch, row)
            if (total := total + int(weights.sum()) - _CELL * batch.num_columns * batch.num_rows) > limit:
                raise DataError(f"{path} decodes to more than {limit:,} bytes, far more than it has")
            for start, stop in spans(weights.tolist(), size):
                names = zip(batch.schema.names, batch.slice(start, stop - start).columns, strict=True)
                yield [_cells(path, name, column, row + start, encoding) for name, column in names]
            row += batch.num_rows
        if row != declared.num_rows:
            raise DataError(f"{path} has {row:,} rows where it says {declared.num_rows:,}")


def read_arrow(path: Path, size: int) -> Iterator[list[list[Any]]]:
    """As `read_rows`, of a stream of Arrow as Hugging Face's datasets saves it."""
    with _arrow_messages(path) as (schema, messages):
        ipc, row = require("pyarrow.ipc", "table"), 0
        for message in messages:
            if _is_compressed(memoryview(message.metadata)):
                raise DataError(f"{path} is compressed Arrow: save it as Parquet")
            batch = ipc.read_record_batch(message, schema)
            batch.validate(full=True)
            for start, stop in spans(_row_weights(path, batch, row).tolist(), size):
                parts = zip(schema.names, batch.slice(start, stop - start).columns, strict=True)
                yield [_cells(path, name, column, row + start, None) for name, column in parts]
            row += batch.num_rows


def read_schema(path: Path) -> Any:
    """The pyarrow Schema of a stream of Arrow."""
    with _arrow_messages(path) as (schema, _):
        return schema


@contextmanager
def _arrow_messages(path: Path) -> Iterator[tuple[Any, Iterator[Any]]]:
    """The schema of a stream and the messages behind it; nothing of them is copied out of the file."""
    arrow, ipc = require("pyarrow", "table"), require("pyarrow.ipc", "table")
    with open_binary(path) as file, _damage(path, "Arrow"), tempfile.NamedTemporaryFile() as unpacked:
        if packed := path.suffix.lower() in PACKED:
            for block in blocks(file, path):
                unpacked.write(block)
            unpacked.flush()
        with arrow.memory_map(unpacked.name if packed else str(path)) as mapped:
            if mapped.read(len(_FILE)) != _FILE:  # a stream, without the head and the foot of a file
                mapped.seek(0)
            messages = ipc.MessageReader.open_stream(mapped)
            yield ipc.read_schema(messages.read_next_message()), iter(messages)


def _is_compressed(metadata: memoryview) -> bool:
    """Whether a message of Arrow holds a batch that unpacks to more: by its flatbuffer, Message.header.compression."""

    def field(table: int, number: int) -> int:
        (offset,) = struct.unpack_from("<i", metadata, table)
        vtable = table - offset
        (size,) = struct.unpack_from("<H", metadata, vtable)
        place = 4 + 2 * number
        return int(struct.unpack_from("<H", metadata, vtable + place)[0]) if place < size else 0

    (message,) = struct.unpack_from("<I", metadata, 0)
    header = message + field(message, 2)
    return field(header + struct.unpack_from("<I", metadata, header)[0], 3) > 0


def _groups(metadata: Any) -> Iterator[Any]:
    return (metadata.row_group(place) for place in range(metadata.num_row_groups))


def _check(path: Path, file: Any) -> None:
    """Refuse what unfolds, by its metadata, to far more than it has."""
    size, rows = path.stat().st_size, file.metadata.num_rows
    if rows > _ROWS + _ROWS_A_BYTE * size:
        raise DataError(f"{path} unfolds to {rows:,} rows, far more than its {size:,} bytes can hold")
    for place in range(len(file.schema.names)):
        if (length := file.schema.column(place).length or 0) > ROW_LIMIT:
            raise DataError(f"{path} has cells of {length:,} bytes; a row may have {ROW_LIMIT:,}")
    for group in _groups(file.metadata):
        for place in range(group.num_columns):
            column = group.column(place)
            if column.total_uncompressed_size > _UNPACKED + _RATIO * column.total_compressed_size:
                raise DataError(f"{path} unpacks to {column.total_uncompressed_size:,} bytes, far more than it has")
            if column.num_values > _ROWS + _ROWS_A_BYTE * size:
                raise DataError(f"{path} unfolds to {column.num_values:,} cells, far more than it has bytes")


def _row_weights(path: Path, batch: Any, row: int) -> np.ndarray:
    """About how many bytes each row takes; DataError where one is too long. *row* is the number of rows before."""
    weights = sum((_weights(column) for column in batch.columns), np.zeros(batch.num_rows, np.int64))
    if len(weights) and weights.max() > ROW_LIMIT + _CELL * len(batch.columns):
        number = row + int(weights.argmax()) + 1
        raise DataError(f"{path}: row {number} has more than {ROW_LIMIT:,} bytes, the most that a row may have")
    return weights


def _weights(array: Any) -> np.ndarray:
    """About how many bytes each cell takes in memory once it is unfolded, int64 (n,)."""
    arrow, compute = require("pyarrow", "table"), require("pyarrow.compute", "table")
    kinds = arrow.types
    if kinds.is_dictionary(array.type):
        places = array.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        return np.asarray(np.append(_weights(array.dictionary), _CELL)[places])
    if kinds.is_struct(array.type):
        parts = [_weights(part) for part in array.flatten()]
        return sum(parts, np.full(len(array), _CELL, np.int64))
    if kinds.is_list(array.type) or kinds.is_large_list(array.type) or kinds.is_map(array.type):
        inner = array.values.slice(array.offsets[0].as_py()) if len(array) else array.values
        ends = np.concatenate([[0], np.cumsum(_weights(inner))])
        offsets = array.offsets.to_numpy(zero_copy_only=False) - (array.offsets[0].as_py() if len(array) else 0)
        return np.asarray(_CELL + ends[offsets[1:]] - ends[offsets[:-1]])
    texts = (kinds.is_string, kinds.is_binary, kinds.is_large_string, kinds.is_large_binary)
    if any(fits(array.type) for fits in texts):
        lengths = compute.fill_null(compute.binary_length(array), 0).to_numpy(zero_copy_only=False)
        return np.asarray(_CELL + lengths.astype(np.int64))
    return np.full(len(array), _CELL + array.nbytes // max(len(array), 1), np.int64)


def _cells(path: Path, name: str, array: Any, start: int, encoding: str | None) -> list[Any]:
    """A column as Python has it; *start* is the number of rows before it."""
    arrow = require("pyarrow", "table")
    if arrow.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    try:
        if encoding and arrow.types.is_string(array.type):
            return [cell and cell.decode(encoding) for cell in array.cast(arrow.binary()).to_pylist()]
        cells: list[Any] = array.to_pylist()
        return cells
    except UnicodeDecodeError:
        for place in range(len(array)):
            try:
                array.slice(place, 1).to_pylist()
            except UnicodeDecodeError:
                break
        what = f"{path}: row {start + place + 1}, column {name[:40]!r} is not {encoding or 'UTF-8'}"
        raise DataError(f"{what}; name the encoding of its text with encoding=") from None


@contextmanager
def _damage(path: Path, form: str = "Parquet") -> Iterator[None]:
    """Whatever pyarrow raises on a damaged file, as one line."""
    try:
        yield
    except MienError:
        raise
    except UnicodeDecodeError:
        raise DataError(f"{path} is not readable {form}: the names of its columns are not UTF-8") from None
    except Exception as error:  # hostile bytes can fail in any way
        if isinstance(error, OSError) and error.errno:
            raise
        why = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(f"{path} is not readable {form}: {why}") from error
