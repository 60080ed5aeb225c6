"""Pickled tables: opcodes dropped, doubled and moved, names of functions to run, sizes that lie."""

from __future__ import annotations

import gzip
import itertools
import pickle
import pickletools
import struct
from functools import cache
from pathlib import Path
from random import Random

import numpy as np
import pandas as pd

from fuzz import Case
from fuzz.bend import bend, number, rearranged
from mien.datasets.tables import open_table

SECONDS, SECONDS_PER_MB, MEGABYTES, MEGABYTES_PER_MB = 3.0, 8.0, 150.0, 60.0
_FUNCTIONS = (
    *(("os", "system"), ("posix", "system"), ("builtins", "eval"), ("builtins", "exec"), ("subprocess", "Popen")),
    *(("builtins", "open"), ("socket", "create_connection"), ("pandas", "read_pickle"), ("pandas", "eval")),
    *(("numpy", "load"), ("builtins", "getattr"), ("builtins", "__import__"), ("pandas", "DataFrame.to_csv")),
    *(
        ("numpy._core.multiarray", "_reconstruct"),
        ("numpy", "ndarray"),
        ("pandas", "DataFrame"),
        ("functools", "partial"),
    ),
    *(("builtins", "bytearray"), ("pandas", "RangeIndex"), ("datetime", "timedelta"), ("_codecs", "encode")),
)


def prepare() -> None:
    _seed(0, 5)


def check(path: Path) -> bool:
    table = open_table(path)
    for chunk in table.chunks():
        for cells in chunk.values():
            repr(cells[:50])
    return True


@cache
def _frames() -> list[pd.DataFrame]:
    return [
        pd.DataFrame({"text": pd.Series(["a", "ü❤️", None], dtype=object), "label": [2, 0, 1]}),
        pd.DataFrame({"text": ["a", "", None], "label": ["x", "y", "x"]}),
        pd.DataFrame({"c": pd.Categorical(["b", "a", None]), "o": pd.Categorical([2, 1, 2], ordered=True)}),
        pd.DataFrame({"i": np.array([1, 2], "int8"), "f": [0.5, np.nan], "b": [True, False], "u": [3, 4]}),
        pd.DataFrame({"i": pd.array([1, None], dtype="Int64"), "b": pd.array([None, True], dtype="boolean")}),
        pd.DataFrame({"t": ["a", "b"], "d": pd.to_datetime(["2020-02-29", "2021-01-01"])}),
        pd.DataFrame({"t": list("abcd"), "n": [1, 2, 3, 4]})[lambda frame: frame["n"] % 2 == 0],
        pd.DataFrame([["a", 1], ["b", 2]]),
    ]


@cache
def _seed(number: int, protocol: int) -> bytes:
    return pickle.dumps(_frames()[number], protocol)


@cache
def _opcodes(number: int, protocol: int) -> list[bytes]:
    data = _seed(number, protocol)
    places = [place for _, _, place in pickletools.genops(data)] + [len(data)]
    return [data[a:b] for a, b in itertools.pairwise(places) if data[a:b][:1] != b"\x95"]  # FRAME


def _spare(rng: Random) -> bytes:
    """An opcode or a few."""
    what = rng.randrange(9)
    module, name = rng.choice(_FUNCTIONS)
    argument = rng.choice((b"touch @SECRET@", b"@SECRET@", b"1+1", b"r"))
    if what == 0:  # a call of a function by its name
        return b"c%b\n%b\nS'%b'\n\x85R" % (module.encode(), name.encode(), argument)
    if what == 1:
        return b"(S'%b'\ni%b\n%b\n" % (argument, module.encode(), name.encode())
    if what == 2:
        return b"c%b\n%b\n" % (module.encode(), name.encode())
    if what == 3:
        return b"X" + struct.pack("<I", number(rng) % 2**32) + b"abc"
    if what == 4:
        return rng.choice((b"\x8e", b"\x8d", b"\x96")) + struct.pack("<Q", number(rng) % 2**64) + b"abc"
    if what == 5:
        return b"\x8b" + struct.pack("<i", rng.choice((0, 4, 10**6, -1, 2**31 - 1))) + b"\xff" * rng.choice((4, 1000))
    if what == 6:
        return (
            b"r" + struct.pack("<I", rng.choice((0, 1, 10**6, 10**9)))
            if rng.random() < 0.5
            else b"I" + b"9" * rng.choice((3, 5000)) + b"\n"
        )
    if what == 7:
        return rng.choice(
            (
                b"(",
                b"]",
                b"}",
                b")",
                b"0",
                b"1",
                b"2",
                b"a",
                b"b",
                b"e",
                b"s",
                b"u",
                b"t",
                b"R",
                b"\x81",
                b"\x92",
                b"N",
                b".",
                b"Q",
            )
        ) * rng.choice((1, 2, 500))
    return b"M" + struct.pack("<H", number(rng) % 65_536) + rng.choice((b"\x85R", b"\x85b", b"\x86", b"\x85"))


def make(rng: Random) -> Case:
    which = (rng.randrange(len(_frames())), rng.randrange(6))
    what = rng.random()
    if what < 0.05:
        data = rng.randbytes(rng.randint(1, 300))
    elif what < 0.3:
        data = bend(rng, _seed(*which))
    elif what < 0.4:  # numbers and sizes alone
        made = bytearray(_seed(*which))
        for _ in range(rng.randint(1, 3)):
            place = rng.randrange(len(made))
            made[place : place + 4] = struct.pack("<I", number(rng) % 2**32)
        data = bytes(made)
    elif what < 0.45:
        data = b"".join(_spare(rng) for _ in range(rng.randint(1, 20))) + b"."
    else:
        data = b"".join(rearranged(rng, _opcodes(*which), lambda: _spare(rng), 4))
    return Case("table.pkl.gz", gzip.compress(data)) if rng.random() < 0.05 else Case("table.pkl", data)
