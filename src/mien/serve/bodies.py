"""From a request to inputs: JSON or forms with files, read within limits."""

from __future__ import annotations

import asyncio
import base64
import binascii
import itertools
import json
import os
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from typing import IO, Any, NoReturn, TypeVar

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.requests import ClientDisconnect

from mien.serve.clips import Clip
from mien.serve.forms import parse_form
from mien.serve.problems import Problem
from mien.serve.settings import ServeSettings

_KEYS = ("inputs", "model", "labels")
_SHOWN = 20  # errors of single inputs that are listed
INLINE = 1 << 14  # bytes of a body that is parsed at once; a larger one is in a thread
_MEMORY = 1 << 20  # bytes of a form that are kept in memory
_PIECE = 1 << 16  # bytes of JSON that are counted at once
_STRUCTURE = 1 << 17  # bytes of JSON outside its strings: a list of that many numbers takes 0.02 s and a few megabytes
_BACKSLASH = ord("\\")
_OPEN_FILES = "/proc/self/fd"

T = TypeVar("T")


@dataclass
class Asked:
    """What a request asks for.

    Attributes:
        inputs: as the predictors take them: texts, bytes of pictures, clips.
        names: what each is called in its result; None where it stands for itself.
        places: where each stood in the request.
        model: name of the model, or None for the first.
        labels: name of the label space, or None for the model's own.
    """

    inputs: list[Any] = field(default_factory=list)
    names: list[str | None] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    model: str | None = None
    labels: str | None = None

    def add(self, item: Any, name: str | None, place: str) -> None:
        """One more input."""
        self.inputs.append(item)
        self.names.append(name)
        self.places.append(place)


class Room:
    """Bytes for the bodies of all requests together.

    Attributes:
        json: held while large JSON is parsed, during which Python's lock is: one at a time, and others between them.
    """

    def __init__(self, size: int) -> None:
        self._left = size
        self.json = asyncio.Lock()

    def take(self, size: int) -> None:
        """Raises Problem: 503, it is full."""
        if size > self._left:
            raise Problem(503, "too many uploads at once; try again in a second", headers={"Retry-After": "1"})
        self._left -= size

    def give_back(self, size: int) -> None:
        """What was taken."""
        self._left += size


class _Body:
    """The body of a request, counted while it arrives."""

    def __init__(self, request: Request, limit: int, room: Room) -> None:
        self._request, self._limit, self._room = request, limit, room
        self.size = 0
        stated = request.headers.get("content-length", "")
        if stated.isdecimal() and int(stated) > limit:
            self._too_large()

    async def read(self, file: IO[bytes] | None = None) -> bytearray:
        """All of it; with a file, what went past a megabyte is there, and what is returned is the rest."""
        body = bytearray()
        while True:
            message = await self._request.receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            part = message.get("body", b"")
            if self.size + len(part) > self._limit:
                self._too_large()
            self._room.take(len(part))
            self.size += len(part)
            body += part
            if file is not None and len(body) > _MEMORY:
                await asyncio.to_thread(file.write, body)
                body = bytearray()
            if not message.get("more_body", False):
                return body

    def _too_large(self) -> NoReturn:
        raise Problem(413, f"the body is larger than {self._limit:,} bytes, the most that is taken here")


@asynccontextmanager
async def reading(request: Request, modality: str, settings: ServeSettings, room: Room) -> AsyncIterator[Asked]:
    """What a request asks for; files that it came with are there until the end of the block.

    Raises:
        Problem: 4xx, with what is wrong and where; 503, too many uploads at once, or no room for them.
        ClientDisconnect: the client went away.
    """
    header = request.headers.get("content-type", "")
    kind = header.partition(";")[0].strip().lower()
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Problem(415, "a packed body (Content-Encoding) is not taken here")
    if kind not in ("application/json", "multipart/form-data"):
        raise Problem(
            415, f"Content-Type is {kind[:80] or 'missing'}: application/json or multipart/form-data is needed"
        )
    is_json = kind == "application/json"
    body = _Body(request, settings.max_json if is_json else settings.max_body, room)
    async with AsyncExitStack() as stack:
        stack.callback(lambda: room.give_back(body.size))
        file: IO[bytes] | None = None
        if not is_json:
            file = stack.enter_context(tempfile.SpooledTemporaryFile(_MEMORY))  # noqa: SIM115
        try:
            async with asyncio.timeout(settings.upload_timeout_s):
                rest = await body.read(file)
            if file is None:
                async with room.json if body.size > INLINE else nullcontext():
                    asked = await apart(body.size, lambda: _from_json(rest, modality, settings.max_inputs, stack))
            else:
                file.write(rest)
                end = time.monotonic() + settings.upload_timeout_s
                asked = await apart(body.size, lambda: _from_form(header, file, modality, settings, end, stack))
                file.close()
        except TimeoutError:
            raise Problem(408, f"the body did not arrive within {settings.upload_timeout_s:g} s") from None
        except OSError as error:  # no room on the disk
            reason = error.strerror or type(error).__name__
            raise Problem(503, f"the upload cannot be kept: {reason}", headers={"Retry-After": "10"}) from None
        if len(asked.inputs) > settings.max_inputs:
            raise Problem(413, f"{len(asked.inputs):,} inputs; up to {settings.max_inputs} are taken in one request")
        yield asked


async def apart(size: int, work: Callable[[], T]) -> T:
    """What comes of the work on so many bytes; with many of them in a thread, so that others need not wait for it."""
    return work() if size <= INLINE else await asyncio.to_thread(work)


# ------------------------------------------------------------------------------------------------------------ JSON


def _from_json(body: bytearray, modality: str, most: int, stack: AsyncExitStack) -> Asked:
    document = _parse(body, most)
    if not isinstance(document, dict):
        raise Problem(422, f'the body must be an object such as {{"inputs": […]}}, not {_kind(document)}')
    if unknown := [key for key in document if key not in _KEYS]:
        raise Problem(422, f"unknown key {unknown[0][:80]!r}; there are: {', '.join(_KEYS)}")
    if "inputs" not in document:
        raise Problem(422, "the key inputs is missing", [{"where": "#/inputs", "detail": "is missing"}])
    inputs = document["inputs"]
    if not isinstance(inputs, list) or not inputs:
        detail = "must not be empty" if inputs == [] else f"must be a list, not {_kind(inputs)}"
        raise Problem(422, f"inputs {detail}", [{"where": "#/inputs", "detail": detail}])
    if len(inputs) > most:
        raise Problem(413, f"{len(inputs):,} inputs; up to {most} are taken in one request")
    asked = Asked(model=_name(document, "model"), labels=_name(document, "labels"))
    errors = []
    for place, item in enumerate(inputs):
        try:
            value: Any = _string(item)
            if modality != "text":
                value = _unpacked(value)
            if modality == "video":
                value = _clip(value, stack)
            asked.add(value, None if modality == "text" else f"inputs[{place}]", f"#/inputs/{place}")
        except ValueError as error:
            errors.append({"where": f"#/inputs/{place}", "detail": str(error)})
    _refuse(errors)
    return asked


def _parse(body: bytearray, most: int) -> Any:
    if not body.strip():
        raise Problem(400, "the body is empty")
    if len(body) > INLINE:
        _bound(body, most)
    try:
        return _DECODER.decode(body.decode(json.detect_encoding(body), "surrogatepass"))
    except json.JSONDecodeError as error:
        raise Problem(400, f"the body is no JSON: {error.msg}, line {error.lineno} column {error.colno}") from None
    except UnicodeDecodeError as error:
        raise Problem(400, f"the body is no JSON: byte {error.start} is not UTF-8") from None
    except RecursionError:
        raise Problem(400, "the body is no JSON that is read here: too many brackets in brackets") from None
    except ValueError as error:
        raise Problem(400, f"the body is no JSON that is read here: {error}") from None


def _bound(body: bytearray, most: int) -> None:
    """Refuse JSON of many parts before all of them become objects, which takes a hundred times the memory.

    Raises:
        Problem: 413, it has many more strings than inputs may be, or much besides strings.
    """
    structure, end, limit = 0, 0, _STRUCTURE + 16 * most
    for count, (start, stop) in enumerate(itertools.chain(_strings(body), [(len(body), len(body))])):
        if count > most + 16:
            raise Problem(413, f"more than {most} inputs, the most that are taken in one request")
        while end < start:
            piece = body[end : min(start, end + _PIECE)]
            structure, end = structure + len(piece.translate(None, b" \t\r\n")), end + len(piece)
            if structure > limit:
                raise Problem(413, f"more than {limit:,} bytes of the body are JSON besides strings")
        end = stop


def _strings(body: bytearray) -> Iterator[tuple[int, int]]:
    """Where the strings of JSON begin and end, quotes and all; not with a regular expression: it would hold Python's
    lock for as long as a string is.
    """
    end, start = 0, body.find(b'"')
    while start >= 0:
        end = start
        while True:
            end = body.find(b'"', end + 1)
            if end < 0:
                yield start, len(body)
                return
            before = end - 1
            while body[before] == _BACKSLASH:
                before -= 1
            if (end - before) % 2:
                break
        yield start, end + 1
        start = body.find(b'"', end + 1)


def _number(digits: str) -> int:
    if len(digits) > 100:
        raise ValueError(f"it has a number of {len(digits):,} digits")
    return int(digits)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for place, key in enumerate(keys) if key in keys[:place])
        raise ValueError(f"it has the key {twice[:80]!r} twice")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"it has {name}, which is no number of JSON")


_DECODER = json.JSONDecoder(parse_constant=_no_constant, parse_int=_number, object_pairs_hook=_object)


def _name(document: dict[str, Any], key: str) -> str | None:
    value = document.get(key)
    if value is not None and not isinstance(value, str):
        raise Problem(
            422, f"{key} must be a string, not {_kind(value)}", [{"where": f"#/{key}", "detail": "no string"}]
        )
    return value


def _string(item: Any) -> str:
    if not isinstance(item, str):
        raise ValueError(f"must be a string, not {_kind(item)}")
    return item


def _unpacked(item: str) -> bytes:
    """The bytes of base64, as it is or as a data URL."""
    if item.startswith("data:"):
        item = item.partition(",")[2]
    try:
        return base64.b64decode(item, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("must be a file in base64; or send it as it is, as multipart/form-data") from None


def _kind(value: Any) -> str:
    kinds = {type(None): "null", bool: "true or false", str: "a string", list: "a list", dict: "an object"}
    return kinds.get(type(value), "a number")


# ----------------------------------------------------------------------------------------------------------- forms


def _from_form(
    header: str, file: IO[bytes], modality: str, settings: ServeSettings, end: float, stack: AsyncExitStack
) -> Asked:
    form = parse_form(header, file, settings.max_inputs, end)
    stack.push_async_callback(form.close)
    asked, errors, counts = Asked(), [], dict.fromkeys(("file", "inputs"), 0)
    for key, value in form.multi_items():
        if key in ("model", "labels"):
            if isinstance(value, UploadFile):
                raise Problem(422, f"{key} must be a word, not a file")
            if getattr(asked, key) is not None:
                raise Problem(422, f"{key} is given twice")
            setattr(asked, key, value or None)
            continue
        if key not in counts:
            raise Problem(422, f"unknown field {key[:80]!r}; there are: file, inputs, model, labels")
        place = f"{key}[{counts[key]}]"
        counts[key] += 1
        try:
            asked.add(*_part(value, modality, stack), place)
        except ValueError as error:
            errors.append({"where": place, "detail": str(error)})
    _refuse(errors)
    if not asked.inputs:
        raise Problem(422, "there is no field file (nor inputs)", [{"where": "file", "detail": "is missing"}])
    return asked


def _part(value: str | UploadFile, modality: str, stack: AsyncExitStack) -> tuple[Any, str | None]:
    """An input and its name."""
    if modality == "text":
        if isinstance(value, str):
            return value, None
        try:
            return value.file.read().decode("utf-8-sig"), None
        except UnicodeDecodeError as error:
            raise ValueError(f"is no text: byte {error.start} is not UTF-8") from None
    if isinstance(value, str):
        raise ValueError("must be a file (with curl: -F file=@NAME)")
    name = (value.filename or "file")[:200]
    data = value.file.read()
    value.file.close()
    return (_clip(data, stack) if modality == "video" else data), name


def _clip(data: bytes, stack: AsyncExitStack) -> Clip:
    """A clip in a file without a name where the system has such, so that nothing of it stays, even after a kill."""
    nameless = os.path.isdir(_OPEN_FILES)
    make: Any = tempfile.TemporaryFile if nameless else tempfile.NamedTemporaryFile
    file = stack.enter_context(make(prefix="mien-"))
    file.write(data)
    file.flush()
    clip = Clip(f"{_OPEN_FILES}/{file.fileno()}" if nameless else file.name)
    stack.callback(clip.given_up.set)
    return clip


def _refuse(errors: Sequence[dict[str, str]]) -> None:
    if errors:
        first = errors[0]
        raise Problem(422, f"{first['where']} {first['detail']}", errors[:_SHOWN])


__all__ = ["Asked", "ClientDisconnect", "Room", "apart", "reading"]
