"""Readers of binary files: tables of flatbuffers (TensorFlow Lite), fields of protobufs."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np


class Table:
    """A table of a flatbuffer: fields by their number."""

    def __init__(self, data: bytes, place: int) -> None:
        self._data, self._place = data, place
        self._fields = place - struct.unpack_from("<i", data, place)[0]
        self._size = struct.unpack_from("<H", data, self._fields)[0]

    @classmethod
    def root(cls, data: bytes) -> Table:
        """The table that the whole file is."""
        return cls(data, struct.unpack_from("<I", data)[0])

    def _offset(self, field: int) -> int:
        slot = 4 + 2 * field
        return struct.unpack_from("<H", self._data, self._fields + slot)[0] if slot < self._size else 0

    def number(self, field: int, kind: str = "i", default: int = 0) -> int:
        """A whole number of a `struct` format."""
        offset = self._offset(field)
        found: int = struct.unpack_from(f"<{kind}", self._data, self._place + offset)[0] if offset else default
        return found

    def _follow(self, field: int) -> int:
        place = self._place + self._offset(field)
        followed: int = place + struct.unpack_from("<I", self._data, place)[0]
        return followed

    def table(self, field: int) -> Table:
        """A table within this one."""
        return Table(self._data, self._follow(field))

    def array(self, field: int, kind: str = "i4") -> np.ndarray:
        """A vector of numbers, empty where there is none."""
        if not self._offset(field):
            return np.zeros(0, f"<{kind}")
        place = self._follow(field)
        return np.frombuffer(self._data, f"<{kind}", struct.unpack_from("<I", self._data, place)[0], place + 4)

    def tables(self, field: int) -> list[Table]:
        """A vector of tables."""
        start = self._follow(field) + 4
        steps = self.array(field, "u4").tolist()
        return [Table(self._data, start + 4 * at + step) for at, step in enumerate(steps)]


def messages(data: bytes, wanted: int) -> list[Any]:
    """The values of a field of a protobuf message: numbers, or bytes."""
    place, found = 0, []

    def varint() -> int:
        nonlocal place
        value = shift = 0
        while True:
            byte = data[place]
            place, value, shift = place + 1, value | (byte & 127) << shift, shift + 7
            if byte < 128:
                return value

    while place < len(data):
        tag = varint()
        value: Any
        if tag & 7 == 0:
            value = varint()
        else:
            size = varint() if tag & 7 == 2 else {1: 8, 5: 4}[tag & 7]
            value, place = data[place : place + size], place + size
        if tag >> 3 == wanted:
            found.append(value)
    return found
