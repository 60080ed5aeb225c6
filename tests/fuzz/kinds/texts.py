"""Texts: combining marks, signs that unfold, bidirectional controls; an answer alone is the answer in company."""

from __future__ import annotations

import io
import math
import unicodedata
from collections import Counter
from pathlib import Path
from random import Random

import mien
from fuzz import Case, Finding
from fuzz.words import text
from mien.modality import Predictor

SECONDS, SECONDS_PER_MB, MEGABYTES, MEGABYTES_PER_MB = 3.0, 15.0, 200.0, 300.0
_MODELS = ("text-carer", "text")
_SIGNS = (
    "\u0301",
    "\u0340\u0315",
    "\u0344",
    "\ufdfa",
    "\U0001d160",
    "ﷺ",
    "👍",
    "👩‍👩‍👧‍👦",
    "\u1112\u1161\u11ab",
    "a",
    " ",
    "!",
    ":)",
    "(",
    "'",
    "\0",
    "\ud800",
    "\u202e",
    "I ",
    "[UNK]",
    "\u0f73\u0f71",
    "\uac00",
    "a\u0315\u0300\u05ae",
    "\u200d",
    "1",
    "日",
)
_COMPANY = ("no", "i love this so much, thank you", "what a horrible day " * 30, "", "why? " * 9, "👍", "fine.")
_models: list[Predictor] = []


def prepare() -> None:
    _models.extend(mien.load(name, threads=1) for name in _MODELS)
    for model in _models:
        list(model.predict_many(_COMPANY))


def check(path: Path) -> bool:
    content = path.read_bytes().decode("utf-8", "surrogatepass")
    accepted = False
    for model in _models[: 1 if len(content) > 5000 else None]:
        alone, *_ = model.predict_many([content])
        together = list(model.predict_many([*_COMPANY, content, *_COMPANY]))[len(_COMPANY)]
        if (alone.error, alone.input) != (together.error, together.input):
            raise Finding(f"alone: {alone.error}; in company: {together.error}")
        if alone.error:
            continue
        accepted = True
        one, other = alone.items[0].scores, together.items[0].scores
        if not all(math.isfinite(score) for score in one.values()):
            raise Finding(f"{model.name} gives {one}")
        if (off := max(abs(one[name] - other[name]) for name in one)) and off > 1e-4:
            raise Finding(f"{model.name} gives another score in company, by {off:.5f}")
    _check_shown(content)
    return accepted


def _check_shown(content: str) -> None:
    """A result in a terminal obeys nothing that stands in the text."""
    from rich.console import Console

    from mien.output.show import show_results

    if len(content) > 5000:
        return
    result = next(iter(_models[0].predict_many([content])))
    file = io.StringIO()
    console, manifest = Console(file=file, width=100, force_terminal=False), _models[0].manifest
    show_results(console, [result, result], Counter({result.label or "—": 2}), 2, "text", manifest)
    odd = [c for c in file.getvalue() if unicodedata.category(c) == "Cc" and c != "\n"]
    if odd:
        raise Finding(f"the terminal is sent control characters {odd[:5]!r}")


def make(rng: Random) -> Case:
    if rng.random() < 0.05:
        sign = "".join(rng.choice(_SIGNS) for _ in range(rng.choice((1, 1, 2))))
        made = (sign * (rng.choice((1000, 20_000, 99_000)) // len(sign) + 1))[
            : rng.choice((99_000, 100_000, 100_001, 130_000))
        ]
    else:
        made = text(rng, plain=False, most=rng.choice((1, 4, 30)))
    return Case("text.txt", made.encode("utf-8", "surrogatepass"))
