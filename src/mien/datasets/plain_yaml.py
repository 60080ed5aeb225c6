"""Plain YAML: mappings, lists and values, in bounded time and memory.

Values are those of YAML 1.2's core schema: ``no``, ``off`` and ``2001-01-01`` are text and ``1e3`` is a number.
Anchors, aliases, tags, several documents and keys given twice are refused.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

import yaml

from mien.errors import RecipeError

_LONGEST = 1 << 16  # characters: the longest recipe that is shipped has 2,000
_DEEPEST = 16
_WHOLE = re.compile(r"[-+]?[0-9]{1,18}")
_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS = {"true": True, "false": False, "null": None, "~": None, "": None}


def read_yaml(text: str, what: str) -> Any:
    """Parse one document.

    Args:
        what: what the text is, for messages.

    Raises:
        RecipeError: it is no plain YAML; the message says what and in which line.
    """
    if len(text) > _LONGEST:
        raise RecipeError(f"{what}: {len(text):,} characters are too many; {_LONGEST:,} are read")
    try:
        events = (event for event in yaml.parse(text, yaml.SafeLoader) if not isinstance(event, yaml.StreamStartEvent))
        if isinstance(next(events), yaml.StreamEndEvent):
            return None
        value = _value(events, next(events), what, _DEEPEST)
        next(events)  # the end of the document
        if not isinstance(event := next(events), yaml.StreamEndEvent):
            raise _refused(what, event, "a second document begins here; one is read")
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise RecipeError(f"{what}: {place}not YAML: {str(error.problem or error.context)[:100]}") from None
    except yaml.YAMLError:
        raise RecipeError(f"{what}: not YAML: it holds a character that stands for no text") from None
    return value


def _value(events: Iterator[Any], event: Any, what: str, depth: int) -> Any:
    """What begins with an event, with the events that belong to it taken."""
    if isinstance(event, yaml.AliasEvent) or event.anchor:
        raise _refused(what, event, "anchors and aliases (& and *) are not read; write the value out, or in quotes")
    if event.tag:
        raise _refused(what, event, f"the tag {event.tag[:40]} is not read; write the value without it, or in quotes")
    if isinstance(event, yaml.ScalarEvent):
        return _scalar(event.value) if event.style is None else event.value
    if not depth:
        raise _refused(what, event, f"more than {_DEEPEST} levels within each other are not read")
    if isinstance(event, yaml.SequenceStartEvent):
        items = []
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            items.append(_value(events, event, what, depth - 1))
        return items
    found: dict[str, Any] = {}
    while not isinstance(event := next(events), yaml.MappingEndEvent):
        if not isinstance(event, yaml.ScalarEvent) or event.anchor or event.tag:
            raise _refused(what, event, "a key must be a word")
        if event.value in found:
            raise _refused(what, event, f"{event.value[:40]} is given twice")
        found[event.value] = _value(events, next(events), what, depth - 1)
    return found


def _scalar(text: str) -> Any:
    """The value of a word without quotes."""
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if _WHOLE.fullmatch(text):
        return int(text)
    if _NUMBER.fullmatch(text) and math.isfinite(number := float(text)):
        return number
    return text


def _refused(what: str, event: Any, why: str) -> RecipeError:
    return RecipeError(f"{what}: line {event.start_mark.line + 1}, column {event.start_mark.column + 1}: {why}")
