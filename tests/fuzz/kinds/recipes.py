"""Recipes and settings: YAML with odd values, tags, anchors and depth; behind `_SETTINGS` stand those of ``--set``."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import yaml

from fuzz import Case
from fuzz.bend import bend, number
from fuzz.words import text
from mien.training.recipe import load_recipe, shipped

SECONDS, SECONDS_PER_MB, MEGABYTES, MEGABYTES_PER_MB = 1.0, 10.0, 60.0, 40.0
_SETTINGS = b"\n# settings:\n"
_VALUES = (
    *(
        "3",
        "-1",
        "0",
        "1e-4",
        ".inf",
        ".nan",
        "true",
        "null",
        "''",
        "[1, 2]",
        "{a: 1}",
        "2001-99-99",
        "2001-12-14t21:59:43.10-05:00",
    ),
    *(
        "1:30",
        "0x1F",
        "0b11",
        "0o7",
        "1_000",
        "!!python/object/apply:os.system ['touch @SECRET@']",
        "!!binary x",
        "!!set {a}",
    ),
    *(
        "!!float x",
        "!!int x",
        "!!timestamp x",
        "!!omap [a]",
        "*a",
        "&a [*a]",
        "&a b",
        "<<: {}",
        "? a",
        "- a",
        "9" * 5000,
        "[" * 3000,
    ),
    *(
        "{" * 3000,
        "'" * 3,
        '"\\ud800"',
        '"\\x1b]0;x\\x07"',
        "a\tb",
        "|\n x",
        "@x",
        "`x",
        "%x",
        "é" * 300,
        "-",
        "~",
        "1" + "0" * 400,
    ),
)


def prepare() -> None:
    _documents()
    for path in shipped().values():
        load_recipe(path)


def check(path: Path) -> bool:
    recipe, _, settings = path.read_bytes().partition(_SETTINGS)
    path.write_bytes(recipe)
    load_recipe(path, [line.decode("utf-8", "surrogateescape") for line in settings.split(b"\0") if settings])
    return True


@cache
def _documents() -> list[tuple[bytes, Any]]:
    return [(path.read_bytes(), yaml.safe_load(path.read_text("utf-8"))) for path in shipped().values()]


def _odd(rng: Random) -> Any:
    return rng.choice(
        (
            None,
            True,
            0,
            -1,
            number(rng),
            1e400,
            float("nan"),
            text(rng),
            [],
            {},
            [1, [2]],
            {"a": {"b": 1}},
            {1: 2},
            [None],
            "x" * 500,
        )
    )


def _keys(document: Any, before: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if not isinstance(document, dict):
        return [before]
    return [before, *(key for name, value in document.items() for key in _keys(value, (*before, name)))]


def _changed(rng: Random, document: Any) -> Any:
    document = yaml.safe_load(yaml.safe_dump(document))
    for _ in range(rng.randint(1, 3)):
        *inner, last = rng.choice([key for key in _keys(document) if key] or [("name",)])
        place = document
        for name in inner:
            place = place[name]
        what = rng.randrange(4)
        if what == 0:
            place.pop(last, None)
        elif what == 1:
            place[text(rng)] = _odd(rng)
        else:
            place[last] = _odd(rng)
    return document


def make(rng: Random) -> Case:
    data, document = rng.choice(_documents())
    what = rng.random()
    if what < 0.2:
        data = bend(rng, data)
    elif what < 0.5:
        data = yaml.safe_dump(_changed(rng, document), allow_unicode=True).encode("utf-8", "surrogatepass")
    elif what < 0.65:
        data = b"\n".join(data.splitlines()[: rng.randrange(9)]) + b"\nx: " + rng.choice(_VALUES).encode() + b"\n"
    elif what < 0.72:  # each a list of the one before
        depth = rng.choice((3, 9, 20))
        lists = (f"a{i}: &a{i} [{', '.join([f'*a{i - 1}' if i else 'x'] * 9)}]" for i in range(depth))
        data = "\n".join(lists).encode() + rng.choice((b"", b"\nname: *a2", b"\n<<: *a1", b"\nnetwork: {kind: *a8}"))
    elif what < 0.76:
        data = rng.choice((b"[", b"{a: ", b"- ", b"? ", b"!!seq ", b"&a ")) * rng.choice((10, 1000, 30_000))
    settings = []
    while rng.random() < 0.4:
        key = ".".join(map(str, rng.choice(_keys(document)))) if rng.random() < 0.8 else text(rng)
        settings.append(f"{key}={rng.choice(_VALUES) if rng.random() < 0.7 else text(rng)}".replace("\0", ""))
    joined = "\0".join(settings).encode("utf-8", "surrogatepass")
    return Case("recipe.yaml", data + (_SETTINGS + joined if settings else b""))
