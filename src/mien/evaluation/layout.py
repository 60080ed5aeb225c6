"""A network's layers, put together so that a picture of many of them can be read."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

FEW, MOST = 16, 40  # blocks that a picture shows without further ado, and at all
_PART = re.compile(r"(.+?\.\d+)\.")  # "encoder.layer.3.output.dense" is of the part "encoder.layer.3"


@dataclass(frozen=True)
class Block:
    """Layers that follow each other.

    Attributes:
        title: their common name, or the first and the last.
        types: what kinds they are, as "2 Conv2d, 2 ReLU"; of equal parts those of one.
        times: how many equal parts these are.
        output: shape of what comes out for one sample.
        parameters: of all.
    """

    title: str
    types: str
    times: int
    output: str
    parameters: int


def blocks(layout: Sequence[dict[str, Any]]) -> list[Block]:
    """Group layers by the part of the network they belong to, else by equal output; equal parts become one block.

    Args:
        layout: one row for each layer, with "name", "type", "output" (a shape or a text) and "parameters".
    """
    parts = [list(rows) for _, rows in groupby(layout, _part)]
    found = [[list(rows) for rows in same] for same in _runs(parts, lambda rows: (_types(rows), _shape(rows[-1])))]
    if len(found) > FEW:
        found = [_joined(same) for same in _runs(found, lambda group: _shape(group[-1][-1]))]
    if len(found) > MOST:
        half = MOST // 2
        found = [*found[:half], _joined(found[half : 1 - half]), *found[1 - half :]]
    return [_block(group) for group in found]


def _part(row: dict[str, Any]) -> Hashable:
    match = _PART.match(row["name"])
    return match[1] if match else (row["name"].split(".")[0], _shape(row))


def _runs(items: Iterable[Any], key: Any) -> list[list[Any]]:
    return [list(run) for _, run in groupby(items, key)]


def _joined(lists: Iterable[list[Any]]) -> list[Any]:
    return [item for some in lists for item in some]


def _block(group: list[list[dict[str, Any]]]) -> Block:
    rows = _joined(group)
    first, last = (_title(part) for part in (group[0], group[-1]))
    equal = len({_types(part) for part in group}) == 1
    return Block(
        title=first if len(group) == 1 else _range(first, last),
        types=_types(group[0] if equal else rows),
        times=len(group) if equal else 1,
        output=_shape(rows[-1]),
        parameters=sum(row["parameters"] for row in rows),
    )


def _title(rows: list[dict[str, Any]]) -> str:
    match = _PART.match(rows[0]["name"])
    if len(rows) > 1 and match:
        return match[1]
    return rows[0]["name"] if len(rows) == 1 else _range(rows[0]["name"], rows[-1]["name"])


def _range(first: str, last: str) -> str:
    """ "blocks.3" and "blocks.7" as "blocks.3 – 7"."""
    first, last = first.partition(" – ")[0], last.rpartition(" – ")[2]
    before, _, end = last.rpartition(".")
    return f"{first} – {end if before and first.startswith(before + '.') else last}"


def _types(rows: list[dict[str, Any]]) -> str:
    counts = Counter(row["type"] for row in rows)
    return ", ".join(kind if count == 1 else f"{count} {kind}" for kind, count in counts.items())


def _shape(row: dict[str, Any]) -> str:
    """Without the first axis, which counts samples."""
    output = row["output"]
    if isinstance(output, str):
        return output
    return " × ".join(str(length) for length in (output[1:] if len(output) > 1 else output))
