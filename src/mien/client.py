"""A client of ``mien serve``: the same inputs and results as :func:`mien.predict`, computed elsewhere.

>>> from mien.client import Client
>>> with Client("http://127.0.0.1:8000") as client:  # doctest: +SKIP
...     client.predict("i feel so loved today").label
'love'

Needs the extra "client" (httpx2).
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from mien.errors import InputError, MienError, quoted, require
from mien.inputs import kind_of, listed, name_of, opened, plain
from mien.labels import SPACES, LabelSpace, make_space
from mien.modality import default_modality
from mien.modality.dispatch import checked
from mien.results import Certainty, Result, tuned_for

if TYPE_CHECKING:
    import httpx2 as httpx

T = TypeVar("T")
_LARGEST = 1 << 26  # bytes of one input: the server takes no more in a request
_BATCH_BYTES = 1 << 24
_MOST = 20  # inputs of a request: of so many the server says what is wrong with each
_Talk = Generator[Any, Any, T]


@dataclass(frozen=True)
class _Input:
    """An input as it is sent, or why it cannot be."""

    name: str
    modality: str = ""
    content: str | bytes = ""
    error: str | None = None


class _Conversation:
    """What both clients say to the server; each conversation is a generator of requests and waits."""

    def __init__(
        self, url: str, key: str | None = None, *, timeout: float = 120, patience: float = 60, **options: Any
    ) -> None:
        """Make a client; nothing is asked yet.

        Args:
            url: of the server, such as "http://127.0.0.1:8000".
            key: what it wants to be shown (``MIEN_API_KEY`` there).
            timeout: seconds that an answer may take.
            patience: seconds to wait, in all, where a busy server (503) says when to come again.
            options: of the ``Client`` or ``AsyncClient`` of httpx2, such as ``verify`` or ``proxy``.

        Raises:
            MienError: the address is none of a server.
            MissingExtra: httpx2 is not installed.
        """
        if not re.match(r"https?://[^/\s]", url):
            raise MienError(f"the server's address begins with http:// or https://, not {quoted(url)!r}")
        self._httpx = require("httpx2", "client")
        self._url, self._patience, self._facts = url.rstrip("/"), patience, dict[str, Any]()
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        kind = self._httpx.AsyncClient if isinstance(self, AsyncClient) else self._httpx.Client
        self._http: Any = kind(headers=headers, timeout=timeout, **options)

    def _request(self, method: str, path: str, **body: Any) -> httpx.Request:
        made: httpx.Request = self._http.build_request(method, f"{self._url}{path}", **body)
        return made

    def _failed(self, error: Exception) -> MienError:
        if isinstance(error, self._httpx.TimeoutException):
            return MienError(f"the server at {self._url} does not answer in time")
        return MienError(f"the server at {self._url} cannot be reached: {error or type(error).__name__}")

    def _get(self, path: str) -> _Talk[Any]:
        answer = yield from self._ask("GET", path)
        try:
            return answer.json()
        except ValueError as error:
            raise MienError(f"the server at {self._url} answers no JSON to {path}") from error

    def _ask(self, method: str, path: str, **body: Any) -> _Talk[httpx.Response]:
        """An answer of 200; waits while the server has too much to do."""
        start = time.monotonic()
        while True:
            answer: httpx.Response = yield self._request(method, path, **body)
            if answer.status_code == 200:
                return answer
            if answer.status_code != 503:
                raise _Refused(answer, self._url)
            told = answer.headers.get("Retry-After", "1")
            seconds = float(told) if re.fullmatch(r"\d{1,6}", told) else 1.0
            if time.monotonic() + seconds > start + self._patience:
                raise _Refused(answer, self._url)
            yield seconds

    def _about(self, model: str) -> _Talk[Any]:
        """What the server says of a model, asked once."""
        if model not in self._facts:
            path = f"/v1/models/{_quote(model)}"
            self._facts[model] = yield from self._get(path)
        return self._facts[model]

    def _modality(self, model: str | None, modality: str | None) -> _Talk[str | None]:
        if model is None or modality is not None:
            return modality
        return str((yield from self._about(model))["modality"])

    def _default(self, modality: str) -> _Talk[str]:
        """The model that answers where none is named."""
        rows = (yield from self._get("/v1/models"))["models"]
        return str(next(row["name"] for row in rows if row["modality"] == modality and row["default"]))

    def _read(
        self, inputs: Sequence[_Input], model: str | None, labels: str | None, explain: bool, *rest: Any
    ) -> _Talk[list[Result]]:
        """Results of inputs of one modality; one that the server cannot read has its error."""
        if inputs[0].error:
            return [Result(one.name, "text", model or "", error=one.error) for one in inputs]
        language, all_faces = rest
        told = {"model": model, "labels": labels, "explain": explain or None, "language": language}
        told |= {"all_faces": all_faces or None}
        chosen = {name: value for name, value in told.items() if value is not None}
        if all(isinstance(one.content, str) for one in inputs):
            text = json.dumps(
                {"inputs": [one.content for one in inputs], **chosen}
            )  # in ASCII: also half a surrogate pair
            body: dict[str, Any] = {"content": text.encode(), "headers": {"Content-Type": "application/json"}}
        else:
            files = [("file", (f"upload-{n}", one.content)) for n, one in enumerate(inputs)]
            body = {"files": files, "data": chosen}
        modality = inputs[0].modality
        try:
            answer = yield from self._ask("POST", f"/v1/{modality}", **body)
        except _Refused as refused:
            if refused.status == 413 and len(inputs) > 1:
                first = yield from self._read(inputs[:1], model, labels, explain, *rest)
                return first + (yield from self._read(inputs[1:], model, labels, explain, *rest))
            errors = refused.of_inputs(len(inputs))
            if errors is None:
                raise
            name = model or (yield from self._default(modality))
            pairs = enumerate(zip(inputs, errors, strict=True))
            lines = [error.replace(f"upload-{n}", quoted(one.name)) for n, (one, error) in pairs]
            return [Result(one.name, modality, name, error=error) for one, error in zip(inputs, lines, strict=True)]
        try:
            return (yield from self._results(inputs, answer.json(), labels))
        except (KeyError, TypeError, ValueError) as error:
            wrong = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)
            raise MienError(f"the server at {self._url} answers what this client does not know: {wrong}") from error

    def _results(self, inputs: Sequence[_Input], document: Any, labels: str | None) -> _Talk[list[Result]]:
        facts = yield from self._about(document["model"])
        space, own, heads = _space(facts, labels), facts["spaces"][0], facts.get("heads", ())
        by_language = facts.get("language_thresholds", {})
        sure = {name: Certainty(*map(row.get, Certainty._fields)) for name, row in facts.get("certainty", {}).items()}
        rolled = {name: one for name, one in sure.items() if name == space.name or not {space.name, name} & {*heads}}
        results = []
        for n, (one, row) in enumerate(zip(inputs, document["results"], strict=True)):
            tuned = tuned_for(row.get("language"), facts["thresholds"], by_language)
            coarser = {name: of for name, of in tuned.items() if not {space.name, name} & {*heads} and name != own}
            found = Result.from_dict(row, space, tuned.get(space.name), coarser, sure.get(space.name), rolled)
            error = found.error and found.error.replace(f"upload-{n}", quoted(one.name))
            results.append(replace(found, input=one.name, error=error))
        return results

    def _one(self, item: Any, model: str | None, labels: str | None, modality: str | None, *told: Any) -> _Talk[Result]:
        made = _prepare(plain(item), (yield from self._modality(model, modality)))
        (result,) = yield from self._read([made], model, labels, *told)
        if result.error:
            raise InputError(result.error)
        return result


class Client(_Conversation):
    """A client that waits for its answers. Close it, or use it in a ``with``; :class:`AsyncClient` is its twin."""

    def predict(
        self, item: Any, model: str | None = None, *, labels: str | None = None, modality: str | None = None,
        explain: bool = False, language: str | None = None, all_faces: bool = False,
    ) -> Result:  # fmt: skip
        """Read one input, see :func:`mien.predict`: files are read here and sent; the server keeps nothing.

        Args:
            item: a text, or a picture or clip in any of the forms that :func:`mien.predict` takes.
            model: one that is served; without it the server's first for this kind of input.
            labels: another label space to answer in, such as "ekman7".
            modality: what to read in it, such as "scene" for a whole picture; by its kind if not given.
            explain: whether its predictions say what brought the label about, see :func:`mien.explain`.
            language: what a text is written in, see :func:`mien.predict`.
            all_faces: whether faces count, too, that could not be seen well enough.

        Raises:
            InputError: nothing can be read in it; the line is the server's.
            MienError: the server cannot be reached, is busy for longer than the client's patience, or refuses.
        """
        return self._run(self._one(item, model, labels, modality, explain, language, all_faces))

    def predict_many(
        self, inputs: Iterable[Any], model: str | None = None, *, labels: str | None = None,
        modality: str | None = None, explain: bool = False, language: str | None = None, all_faces: bool = False,
    ) -> Iterator[Result]:  # fmt: skip
        """Read many inputs, see :func:`mien.predict_many`: results in order, in requests of up to 20.

        An input that cannot be read gives a result whose ``error`` says why; it does not stop the others.

        Raises:
            InputError: *inputs* is a single one, or a table.
            MienError: as :meth:`predict` does.
        """
        items = listed(inputs)
        kind = self._run(self._modality(model, modality))
        return (
            one
            for some in _batches(items, kind)
            for one in self._run(self._read(some, model, labels, explain, language, all_faces))
        )

    def models(self) -> list[dict[str, Any]]:
        """What is served: names, modalities, labels, figures."""
        found: list[dict[str, Any]] = self._run(self._get("/v1/models"))["models"]
        return found

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self, talk: _Talk[T]) -> T:
        answer = None
        while True:
            try:
                step = talk.send(answer)
            except StopIteration as end:
                value: T = end.value
                return value
            if isinstance(step, float):
                time.sleep(step)
                answer = None
                continue
            try:
                answer = self._http.send(step)
            except self._httpx.HTTPError as error:
                raise self._failed(error) from error


class AsyncClient(_Conversation):
    """The asynchronous twin of :class:`Client`: ``await client.predict(…)``, ``async for`` over ``predict_many``."""

    async def predict(
        self, item: Any, model: str | None = None, *, labels: str | None = None, modality: str | None = None,
        explain: bool = False, language: str | None = None, all_faces: bool = False,
    ) -> Result:  # fmt: skip
        """See :meth:`Client.predict`."""
        return await self._run(self._one(item, model, labels, modality, explain, language, all_faces))

    async def predict_many(
        self, inputs: Iterable[Any], model: str | None = None, *, labels: str | None = None,
        modality: str | None = None, explain: bool = False, language: str | None = None, all_faces: bool = False,
    ) -> AsyncIterator[Result]:  # fmt: skip
        """See :meth:`Client.predict_many`; inputs are taken as they are wanted."""
        items = listed(inputs)
        kind = await self._run(self._modality(model, modality))
        for some in _batches(items, kind):
            for result in await self._run(self._read(some, model, labels, explain, language, all_faces)):
                yield result

    async def models(self) -> list[dict[str, Any]]:
        """See :meth:`Client.models`."""
        found: list[dict[str, Any]] = (await self._run(self._get("/v1/models")))["models"]
        return found

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _run(self, talk: _Talk[T]) -> T:
        answer = None
        while True:
            try:
                step = talk.send(answer)
            except StopIteration as end:
                value: T = end.value
                return value
            if isinstance(step, float):
                await asyncio.sleep(step)
                answer = None
                continue
            try:
                answer = await self._http.send(step)
            except self._httpx.HTTPError as error:
                raise self._failed(error) from error


class _Refused(MienError):
    """An answer that is no result, in the server's words."""

    def __init__(self, answer: httpx.Response, url: str) -> None:
        try:
            document = answer.json()
            self._errors, detail = document.get("errors", []), str(document["detail"])
        except (ValueError, KeyError, AttributeError, TypeError):  # of a proxy, or no server of mien
            self._errors, detail = [], f"it answers {answer.status_code} {answer.reason_phrase}, and no problem of mien"
        self.status, self.detail = answer.status_code, detail
        super().__init__(f"the server at {url}: {detail}")

    def of_inputs(self, count: int) -> list[str] | None:
        """What is wrong with each of the inputs of the request; None where the request itself is refused."""
        if self.status == 413 and count == 1:
            return [self.detail]
        if self.status != 422 or len(self._errors) != count:
            return None
        places = [re.findall(r"\d+", str(row.get("where"))) for row in self._errors]  # file[1], #/inputs/1
        found = {
            int(place[-1]): str(row.get("detail")) for place, row in zip(places, self._errors, strict=True) if place
        }
        return [found[n] for n in range(count)] if set(found) == set(range(count)) else None


def _space(facts: Any, labels: str | None) -> LabelSpace:
    """The label space of an answer."""
    name = labels or facts["spaces"][0]
    space = make_space(name, [row["name"] for row in facts["label_spaces"][name]], name in facts["multilabel_spaces"])
    known = SPACES.get(name)
    return known.as_multilabel(space.multilabel) if known and known.names == space.names else space


def _quote(name: str) -> str:
    from urllib.parse import quote

    return quote(name, safe="")


def _prepare(item: Any, modality: str | None) -> _Input:
    """An input as it is sent.

    Raises:
        InputError: it cannot be read, or is of another kind than the modality reads.
    """
    reads = modality or default_modality(kind_of(item)).name
    content = checked(item, reads)
    return _Input(name_of(item), reads, _content(content, kind_of(item)))


def _content(item: Any, kind: str) -> str | bytes:
    if kind == "text":
        return str(item)
    from mien.media.encode import encode_image
    from mien.media.images import read_picture, require_file

    if isinstance(item, str | Path):
        require_file(path := Path(item), f"a {kind}")
        if path.stat().st_size > _LARGEST:
            raise InputError(f"{quoted(path)} is too large to send: more than {_LARGEST >> 20} MB")
        try:
            return path.read_bytes()
        except OSError as error:
            raise InputError(f"{quoted(path)} cannot be read: {error.strerror or error}") from error
    data = opened(item, _LARGEST)
    return data if isinstance(data, bytes) else encode_image(read_picture(data), "png")


def _batches(items: Iterator[Any], modality: str | None) -> Iterator[list[_Input]]:
    """Inputs of one modality that stand together, not too many and not too much of them."""
    batch, size = list[_Input](), 0
    for item in items:
        try:
            made = _prepare(item, modality)
        except InputError as error:
            made = _Input(name_of(item), error=str(error))
        full = len(batch) == _MOST or size + len(made.content) > _BATCH_BYTES
        if batch and (full or made.modality != batch[0].modality):
            yield batch
            batch, size = [], 0
        batch.append(made)
        size += len(made.content)
    if batch:
        yield batch
