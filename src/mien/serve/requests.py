"""Requests for predictions: JSON bodies and forms with files, turned into inputs."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple, TypeVar

from fastapi import Request
from pydantic import ValidationError
from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException

from mien.errors import printable
from mien.modality import Kind
from mien.serve.clips import Clip
from mien.serve.problems import Problem
from mien.serve.schemas import PredictBody
from mien.serve.settings import ServeSettings

_INLINE = 1 << 14  # bytes that are worked on at once; more are in a thread
_FIELD = 1 << 20  # bytes of a form's field that is no file
_STRUCTURE = 1 << 17  # bytes of JSON outside its strings: a list of that many numbers takes 0.02 s and a few megabytes
_SHOWN = 20  # errors of single inputs that are listed
_NUMBERS = ("min_face", "max_faces", "confidence")  # fields that choose among faces
_WORDS = ("model", "labels", "explain", "language", "all_faces", *_NUMBERS)  # fields of a form besides the inputs
_SWITCHES = ("explain", "all_faces")  # of these, those that are true or false
_OPEN_FILES = "/proc/self/fd"
_KINDS = {type(None): "null", bool: "true or false", str: "a string", list: "a list", dict: "an object"}

T = TypeVar("T")


class Item(NamedTuple):
    """One input of a request."""

    input: Any  # as the predictors take it: a text, the bytes of a picture, a clip
    name: str | None  # in its result; None where it stands for itself
    place: str  # where it stood in the request


@dataclass
class PredictRequest:
    """What a request asks for."""

    model: str | None = None  # None: the first
    labels: str | None = None  # None: the model's own
    explain: bool = False  # whether results say what brought the label about
    language: str | None = None  # that texts are written in; None: told by each text
    all_faces: bool = False  # whether faces count, too, that could not be seen well enough
    faces: dict[str, float] = field(default_factory=dict)  # which of them are read, by the names of the predictors
    items: list[Item] = field(default_factory=list)
    errors: list[dict[str, str]] = field(default_factory=list)  # of inputs that are none

    @property
    def inputs(self) -> list[Any]:
        """The inputs alone."""
        return [item.input for item in self.items]

    def add(self, place: str, name: str | None, make: Callable[[], Any]) -> None:
        """Add the input that *make* returns, or what is wrong with it."""
        try:
            self.items.append(Item(make(), name, place))
        except ValueError as error:
            self.errors.append({"where": place, "detail": str(error)})


class RequestReader:
    """Reads requests within the limits of the settings."""

    def __init__(self, settings: ServeSettings) -> None:
        self._most = settings.max_inputs
        self._large_json = asyncio.Lock()  # parsing holds Python's lock: one at a time, and others between them

    @asynccontextmanager
    async def read(self, request: Request, kind: Kind) -> AsyncIterator[PredictRequest]:
        """What a request asks for, or a problem; files that it came with are there until the end of the block."""
        content_type = request.headers.get("content-type", "missing")
        media_type = content_type.partition(";")[0].strip().lower()
        if request.headers.get("content-encoding", "identity").lower() != "identity":
            raise Problem(415, "a packed body (Content-Encoding) is not taken here")
        async with AsyncExitStack() as files:
            try:
                if media_type == "application/json":
                    body = await request.body()
                    async with self._large_json if len(body) > _INLINE else nullcontext():
                        found = await offload(len(body), lambda: self._from_json(body, kind, files))
                elif media_type == "multipart/form-data":
                    form = await self._form(request)
                    files.push_async_callback(form.close)
                    size = sum(part.size or 0 for _, part in form.multi_items() if isinstance(part, UploadFile))
                    found = await offload(size, lambda: _from_form(form, kind, files))
                else:
                    needed = "application/json or multipart/form-data is needed"
                    raise Problem(415, f"Content-Type is {media_type[:80]}: {needed}")
            except OSError as error:  # no room on the disk
                reason = error.strerror or type(error).__name__
                raise Problem(503, f"the upload cannot be kept: {reason}", retry_after=10) from None
            if found.errors:
                raise _invalid(found.errors)
            self._check_count(len(found.items))
            yield found

    def _check_count(self, count: int) -> None:
        if count > self._most:
            raise Problem(413, f"{count:,} inputs; up to {self._most} are taken in one request")

    def _from_json(self, body: bytes, kind: Kind, files: AsyncExitStack) -> PredictRequest:
        if not body.strip():
            raise Problem(400, "the body is empty")
        if len(body) > _INLINE:
            self._check_structure(body)
        try:
            document = _DECODER.decode(body.decode(json.detect_encoding(body), "surrogatepass"))
        except (ValueError, RecursionError) as error:
            raise Problem(400, f"the body is no JSON that is read here: {_json_fault(error)}") from None
        if isinstance(document, dict) and isinstance(document.get("inputs"), list):
            self._check_count(len(document["inputs"]))
        try:
            fields = PredictBody.model_validate(document)
        except ValidationError as error:
            errors = sorted(error.errors(include_url=False), key=lambda entry: entry["type"] != "extra_forbidden")
            raise _invalid([_describe(entry) for entry in errors]) from None
        faces = {name: value for name in _NUMBERS if (value := getattr(fields, name)) is not None}
        found = PredictRequest(fields.model, fields.labels, fields.explain, fields.language, fields.all_faces, faces)
        for number, text in enumerate(fields.inputs):
            name = None if kind == "text" else f"inputs[{number}]"
            found.add(f"#/inputs/{number}", name, partial(_from_string, text, kind, files))
        return found

    def _check_structure(self, body: bytes) -> None:
        """Refuse JSON of many parts before all of them become objects, which takes a hundred times the memory."""
        bare = body.replace(rb"\\", b"").replace(rb"\"", b"")
        if bare.count(b'"') > 2 * (self._most + 16):
            raise Problem(413, f"more than {self._most} inputs, the most that are taken in one request")
        limit = _STRUCTURE + 16 * self._most
        if sum(len(part.translate(None, b" \t\r\n")) for part in bare.split(b'"')[::2]) > limit:
            raise Problem(413, f"more than {limit:,} bytes of the body are JSON besides strings")

    async def _form(self, request: Request) -> FormData:
        _, options = parse_options_header(request.headers["content-type"])
        if options.get(b"charset", b"utf-8").lower() not in (b"utf-8", b"utf8", b"us-ascii"):
            raise Problem(415, "a form in another charset than UTF-8 is not taken here")
        try:
            return await request.form(max_files=self._most, max_fields=self._most + len(_WORDS), max_part_size=_FIELD)
        except HTTPException as error:
            if error.detail.startswith("Too many"):
                raise Problem(413, f"more than {self._most} inputs, the most that are taken in one request") from None
            if error.detail.startswith("Part exceeded"):
                raise Problem(413, f"a field is larger than {_FIELD:,} bytes; send it as a file") from None
            raise Problem(400, f"the body is no form: {error.detail[:200]}") from None


async def offload(size: int, work: Callable[[], T]) -> T:
    """What comes of the work on so many bytes; with many of them in a thread, so that others need not wait for it."""
    return work() if size <= _INLINE else await asyncio.to_thread(work)


def _from_form(form: FormData, kind: Kind, files: AsyncExitStack) -> PredictRequest:
    found, counts = PredictRequest(), Counter[str]()
    for key, value in form.multi_items():
        if key in ("file", "inputs"):
            name = None if kind == "text" else (getattr(value, "filename", None) or "file")[:200]
            found.add(f"{key}[{counts[key]}]", name, partial(_from_part, value, kind, files))
        elif key not in _WORDS:
            raise Problem(422, f"unknown field {key[:80]!r}; there are: file, inputs, {', '.join(_WORDS)}")
        elif not isinstance(value, str):
            raise Problem(422, f"{key} must be a word, not a file")
        elif counts[key]:
            raise Problem(422, f"{key} is given twice")
        elif key in _SWITCHES:
            if value not in ("true", "false"):
                raise Problem(422, f"{key} must be true or false, not {value[:80]!r}")
            setattr(found, key, value == "true")
        elif key in _NUMBERS:
            if value:
                found.faces[key] = _number(key, value)
        else:
            setattr(found, key, value or None)
        counts[key] += 1
    if not (found.items or found.errors):
        raise Problem(422, "there is no field file (nor inputs)", [{"where": "file", "detail": "is missing"}])
    return found


def _number(key: str, value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise Problem(422, f"{key} must be a number, not {value[:80]!r}") from None


def _from_part(part: str | UploadFile, kind: Kind, files: AsyncExitStack) -> Any:
    if isinstance(part, str):
        if kind == "text":
            return part
        raise ValueError("must be a file (with curl: -F file=@NAME)")
    data = part.file.read()
    part.file.close()
    if kind != "text":
        return _from_bytes(data, kind, files)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"is no text: byte {error.start} is not UTF-8") from None


def _from_string(text: str, kind: Kind, files: AsyncExitStack) -> Any:
    """A text as it is; any other input from its base64, which may be in a data URL."""
    if kind == "text":
        return text
    try:
        data = base64.b64decode(text.partition(",")[2] if text.startswith("data:") else text, validate=True)
    except ValueError:
        raise ValueError("must be a file in base64; or send it as it is, as multipart/form-data") from None
    return _from_bytes(data, kind, files)


def _from_bytes(data: bytes, kind: Kind, files: AsyncExitStack) -> bytes | Clip:
    """A clip lies in a file without a name where the system has such, so that nothing stays, even after a kill."""
    if kind != "clip":
        return data
    nameless = os.path.isdir(_OPEN_FILES)
    make: Any = tempfile.TemporaryFile if nameless else tempfile.NamedTemporaryFile
    file = files.enter_context(make(prefix="mien-"))
    file.write(data)
    file.flush()
    clip = Clip(f"{_OPEN_FILES}/{file.fileno()}" if nameless else file.name)
    files.callback(clip.abandoned.set)
    return clip


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(found := dict(pairs)) < len(pairs):
        key = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise ValueError(f"it has the key {key[:80]!r} twice")
    return found


_DECODER = json.JSONDecoder(parse_int=float, object_pairs_hook=_unique)  # Python limits the digits of an int


def _json_fault(error: ValueError | RecursionError) -> str:
    """What is wrong with JSON, without Python's words."""
    match error:
        case UnicodeDecodeError():
            return f"byte {error.start} is not {error.encoding.upper()}"
        case json.JSONDecodeError():
            return f"{error.msg}, line {error.lineno} column {error.colno}"
        case RecursionError():
            return "too many brackets in brackets"
    return str(error)


def _describe(error: Any) -> dict[str, str]:
    """What pydantic finds wrong, in the words of problems."""
    given = _KINDS.get(type(error["input"]), "a number")
    words = {
        "model_type": f'must be an object such as {{"inputs": […]}}, not {given}',
        "missing": "is missing",
        "extra_forbidden": f"is an unknown key; there are: {', '.join(PredictBody.model_fields)}",
        "list_type": f"must be a list, not {given}",
        "too_short": "must not be empty",
        "string_type": f"must be a string, not {given}",
        "float_type": f"must be a number, not {given}",
        "bool_type": f"must be true or false, not {given}",
    }
    place = "/".join(["#", *(printable(str(step)[:80]) for step in error["loc"])])
    return {"where": place, "detail": words[error["type"]]}


def _invalid(errors: list[dict[str, str]]) -> Problem:
    place = errors[0]["where"]
    return Problem(422, f"{'the body' if place == '#' else place} {errors[0]['detail']}", errors[:_SHOWN])
