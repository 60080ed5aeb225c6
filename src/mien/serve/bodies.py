"""From a request to inputs: JSON or forms with files, read within limits."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import shutil
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import Message

from mien.serve.clips import Clip
from mien.serve.problems import Problem
from mien.serve.settings import ServeSettings

_KEYS = ("inputs", "model", "labels")
_SHOWN = 20  # errors of single inputs that are listed
_FIELD = 1 << 20  # bytes of a form's field that is no file


@dataclass
class Asked:
    """What a request asks for.

    Attributes:
        inputs: as the recognisers take them: texts, bytes of pictures, clips.
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
    """Bytes for the bodies of all requests together."""

    def __init__(self, size: int) -> None:
        self._left = size

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

    async def receive(self) -> Message:
        """The next part, in place of the server's own ``receive``."""
        message = await self._request.receive()
        size = len(message.get("body", b""))
        if self.size + size > self._limit:
            self._too_large()
        self._room.take(size)
        self.size += size
        return message

    def _too_large(self) -> NoReturn:
        raise Problem(413, f"the body is larger than {self._limit:,} bytes, the most that is taken here")


@asynccontextmanager
async def reading(request: Request, modality: str, settings: ServeSettings, room: Room) -> AsyncIterator[Asked]:
    """What a request asks for; files that it came with are there until the end of the block.

    Raises:
        Problem: 4xx, with what is wrong and where; 503, too many uploads at once.
        ClientDisconnect: the client went away.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Problem(415, "a packed body (Content-Encoding) is not taken here")
    if kind not in ("application/json", "multipart/form-data"):
        raise Problem(
            415, f"Content-Type is {kind[:80] or 'missing'}: application/json or multipart/form-data is needed"
        )
    body = _Body(request, settings.max_json if kind == "application/json" else settings.max_body, room)
    async with AsyncExitStack() as stack:
        stack.callback(lambda: room.give_back(body.size))
        counted = Request(request.scope, body.receive)
        try:
            async with asyncio.timeout(settings.upload_timeout_s):
                if kind == "application/json":
                    asked = _from_json(await counted.body(), modality)
                    if modality == "video":
                        for place, data in enumerate(asked.inputs):
                            asked.inputs[place] = await _clip(data, ".mp4", stack)
                else:
                    asked = await _from_form(counted, modality, settings.max_inputs, stack)
        except TimeoutError:
            raise Problem(408, f"the body did not arrive within {settings.upload_timeout_s:g} s") from None
        if len(asked.inputs) > settings.max_inputs:
            raise Problem(413, f"{len(asked.inputs):,} inputs; up to {settings.max_inputs} are taken in one request")
        yield asked


# ------------------------------------------------------------------------------------------------------------ JSON


def _from_json(body: bytes, modality: str) -> Asked:
    document = _parse(body)
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
    asked = Asked(model=_name(document, "model"), labels=_name(document, "labels"))
    errors = []
    for place, item in enumerate(inputs):
        try:
            value = _string(item) if modality == "text" else _unpacked(_string(item))
            asked.add(value, None if modality == "text" else f"inputs[{place}]", f"#/inputs/{place}")
        except ValueError as error:
            errors.append({"where": f"#/inputs/{place}", "detail": str(error)})
    _refuse(errors)
    return asked


def _parse(body: bytes) -> Any:
    if not body.strip():
        raise Problem(400, "the body is empty")
    try:
        return json.loads(body, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise Problem(400, f"the body is no JSON: {error.msg}, line {error.lineno} column {error.colno}") from None
    except UnicodeDecodeError as error:
        raise Problem(400, f"the body is no JSON: byte {error.start} is not UTF-8") from None
    except RecursionError:
        raise Problem(400, "the body is no JSON that is read here: too many brackets in brackets") from None
    except ValueError as error:
        raise Problem(400, f"the body is no JSON that is read here: {error}") from None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"it has {name}, which is no number of JSON")


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


async def _from_form(request: Request, modality: str, most: int, stack: AsyncExitStack) -> Asked:
    try:
        form = await request.form(max_files=most, max_fields=most + 2, max_part_size=_FIELD)
    except HTTPException as error:  # a form that is none, or too much of one
        if error.detail.startswith("Too many"):
            raise Problem(413, f"more than {most} inputs, the most that are taken in one request") from None
        if error.detail.startswith("Part exceeded"):
            raise Problem(413, f"a field is larger than {_FIELD:,} bytes; send it as a file") from None
        raise
    stack.push_async_callback(form.close)
    asked, errors, counts = Asked(), [], dict.fromkeys(("file", "inputs"), 0)
    for key, value in form.multi_items():
        if key in ("model", "labels"):
            if isinstance(value, UploadFile):
                raise Problem(422, f"{key} must be a word, not a file")
            setattr(asked, key, value or None)
            continue
        if key not in counts:
            raise Problem(422, f"unknown field {key[:80]!r}; there are: file, inputs, model, labels")
        place = f"{key}[{counts[key]}]"
        counts[key] += 1
        try:
            asked.add(*await _part(value, modality, stack), place)
        except ValueError as error:
            errors.append({"where": place, "detail": str(error)})
    _refuse(errors)
    if not asked.inputs:
        raise Problem(422, "there is no field file (nor inputs)", [{"where": "file", "detail": "is missing"}])
    return asked


async def _part(value: str | UploadFile, modality: str, stack: AsyncExitStack) -> tuple[Any, str | None]:
    """An input and its name."""
    if modality == "text":
        if isinstance(value, str):
            return value, None
        try:
            return (await value.read()).decode("utf-8-sig"), None
        except UnicodeDecodeError as error:
            raise ValueError(f"is no text: byte {error.start} is not UTF-8") from None
    if isinstance(value, str):
        raise ValueError("must be a file (with curl: -F file=@NAME)")
    name = (value.filename or "file")[:255]
    if modality == "video":
        return await _clip(value, Path(name).suffix, stack), name
    return await value.read(), name


async def _clip(source: bytes | UploadFile, suffix: str, stack: AsyncExitStack) -> Clip:
    """A clip in a temporary file, which is gone when the stack is unwound."""
    suffix = suffix if suffix.isascii() and suffix[1:].isalnum() and len(suffix) < 8 else ""
    file = stack.enter_context(tempfile.NamedTemporaryFile(prefix="mien-", suffix=suffix))  # noqa: SIM115
    if isinstance(source, bytes):
        await asyncio.to_thread(file.write, source)
    else:
        await asyncio.to_thread(shutil.copyfileobj, source.file, file, 1 << 20)
    file.flush()
    clip = Clip(file.name)
    stack.callback(clip.given_up.set)
    return clip


def _refuse(errors: Sequence[dict[str, str]]) -> None:
    if errors:
        first = errors[0]
        raise Problem(422, f"{first['where']} {first['detail']}", errors[:_SHOWN])


__all__ = ["Asked", "ClientDisconnect", "Room", "reading"]
