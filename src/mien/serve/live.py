"""Live frames over a WebSocket: the newest frame wins, and scores are smoothed over time."""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from contextlib import suppress
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from fastapi import FastAPI, WebSocket
from prometheus_client import Counter
from starlette.websockets import WebSocketDisconnect

from mien.errors import InputError
from mien.media.images import read_picture
from mien.modalities.smoother import SMOOTH, Smoother, overlap  # noqa: F401  # for those who look for it here
from mien.modality import get_modality, modality_names
from mien.results import Result
from mien.serve.batching import Busy
from mien.serve.logs import describe_error, log
from mien.serve.middleware import has_key, is_key
from mien.serve.models import ServedModel, View
from mien.serve.problems import Problem, encode
from mien.serve.settings import ServeSettings

ROUTE = "/v1/live"
_KEY_SECONDS = 5.0  # in which the first message must hold the key
_KEY_CHARACTERS = 4096  # of that message
_KEYLESS = 16  # clients that have not shown the key yet; a further one takes the place of the one that waits longest
_FEW = 8  # faces that are followed at once; more are in a thread
_IDLE = 60.0  # seconds without a frame, after which the connection is closed
_AGAIN = 0.1  # seconds until a full queue is tried again

NORMAL, WRONG_DATA, NO_KEY, FAILED, LATER = 1000, 1003, 1008, 1011, 1013
FULL = "enough clients send live frames"


def add_live(app: FastAPI) -> None:
    """Add the route ``/v1/live``.

    The client sends pictures, one in each binary message, as fast as it likes, and gets a JSON document for each that
    was read: ``{"model": …, "frame": 7, "dropped": 2, "people": [1], "results": [result]}``. ``frame`` is the number
    of the picture it is about, from 1; ``dropped`` how many were passed over so far for newer ones; ``people`` a
    number for each item of the result, the same for as long as a face stays in view. In the address can stand
    ``model``, ``labels``, ``smooth``: seconds over which scores are smoothed (0 for none), and ``all_faces``: whether
    faces count, too, that could not be seen well enough (``true``). Where a key is needed and cannot be a header, as in
    browsers, the first message is ``{"key": "…"}``.
    """
    settings, models, metrics = app.state.settings, app.state.models, app.state.metrics
    pictures = [name for name in modality_names() if get_modality(name).kind == "picture"]
    clients, keyless = 0, deque[asyncio.Timeout]()

    async def live(socket: WebSocket) -> None:
        nonlocal clients
        try:
            _check_origin(socket, settings.origins)
            served = models.choose(socket.query_params.get("model"), *pictures)
            every = _switch(socket.query_params.get("all_faces"))
            view = served.view(socket.query_params.get("labels"), all_faces=every)
            smoother = Smoother(_seconds(socket.query_params.get("smooth")), every)
            if clients >= settings.max_live:
                raise Problem(503, FULL, retry_after=10)
        except Problem as problem:
            await socket.send_denial_response(problem.response())
            return
        session, start = _Session(socket, served, view, smoother, metrics.frames, settings), time.monotonic()
        try:
            await socket.accept()
            if not (has_key(socket.headers, settings) or await _receive_key(socket, settings, keyless)):
                await socket.close(NO_KEY, "a key is needed")
            elif clients >= settings.max_live:  # others came while this one showed its key
                await socket.close(LATER, FULL)
            else:
                clients += 1
                metrics.live.set(clients)
                try:
                    await session.run()
                finally:
                    clients -= 1
                    metrics.live.set(clients)
        except WebSocketDisconnect:
            pass
        except Exception as error:
            log.error("failed", extra={"fields": {"route": ROUTE, **describe_error(error)}})
            with suppress(Exception):
                await socket.close(FAILED)
        finally:
            if settings.access_log:
                log.info("live", extra={"fields": {**session.facts(), "s": round(time.monotonic() - start, 1)}})

    app.add_api_websocket_route(ROUTE, live)


def _check_origin(socket: WebSocket, origins: tuple[str, ...]) -> None:
    """Browsers say which page opens a WebSocket, and let any page do so."""
    origin = socket.headers.get("origin")
    if origin is None or "*" in origins or origin in origins:
        return
    if urlsplit(origin).netloc != socket.headers.get("host"):
        raise Problem(403, "pages of other hosts may not send frames here; --origin lets them")


def _seconds(value: str | None) -> float:
    with suppress(ValueError):
        if 0 <= (seconds := SMOOTH if value is None else float(value)) <= 10:
            return seconds
    raise Problem(422, "smooth: must be seconds, 0 to 10")


def _switch(value: str | None) -> bool:
    if value not in (None, "true", "false"):
        raise Problem(422, "all_faces: must be true or false")
    return value == "true"


async def _receive_key(socket: WebSocket, settings: ServeSettings, keyless: deque[asyncio.Timeout]) -> bool:
    """Whether the first message holds the key."""
    with suppress(TimeoutError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        async with asyncio.timeout(_KEY_SECONDS) as limit:
            keyless.append(limit)
            if len(keyless) > _KEYLESS:
                keyless[0].reschedule(0)
            try:
                text = await socket.receive_text()
            finally:
                keyless.remove(limit)
        return len(text) <= _KEY_CHARACTERS and is_key(str(json.loads(text)["key"]), settings)
    return False


class _Session:
    """One client's frames: a task that keeps the newest, and a loop that reads it."""

    def __init__(
        self, socket: WebSocket, served: ServedModel, view: View, smoother: Smoother, frames: Counter,
        settings: ServeSettings,
    ) -> None:  # fmt: skip
        self._socket, self._served, self._smoother, self._frames = socket, served, smoother, frames
        self._max_pixels, (self._predictor, self._roll_up) = settings.max_live_pixels, view
        self._newest: bytes | None = None
        self._arrival = asyncio.Event()
        self._count, self._answered = 0, 0
        self._end: tuple[int, str] | None = None

    def facts(self) -> dict[str, Any]:
        """What the log says of it."""
        return {"route": ROUTE, "model": self._served.name, "frames": self._count, "answered": self._answered}

    async def run(self) -> None:
        """Answer frames until the client leaves."""
        self._receiver = asyncio.create_task(self._receive())
        try:
            while await self._answer():
                pass
        finally:
            self._receiver.cancel()
            await asyncio.wait([self._receiver])
        if self._end is not None:
            await self._socket.close(*self._end)

    async def _receive(self) -> None:
        try:
            while (message := await self._socket.receive())["type"] == "websocket.receive":
                if not message.get("bytes"):
                    self._end = (WRONG_DATA, "a binary message with a picture is needed")
                    break
                if self._newest is not None:
                    self._frames.labels("dropped").inc()
                self._newest = message["bytes"]
                self._count += 1
                self._arrival.set()
        finally:
            self._arrival.set()

    async def _answer(self) -> bool:
        """Answer the newest frame, once there is one; False where none will come."""
        try:
            async with asyncio.timeout(_IDLE):
                await self._arrival.wait()
        except TimeoutError:
            self._end = (NORMAL, f"no frame for {_IDLE:g} s")
            return False
        self._arrival.clear()
        if self._receiver.done() or self._newest is None:
            return False
        frame, number, at = self._newest, self._count, time.monotonic()
        self._newest = None
        try:
            picture = await asyncio.to_thread(read_picture, frame, max_pixels=self._max_pixels)
            (result,) = await self._served.batcher.predict(self._predictor, [picture])
        except InputError as error:
            result = self._predictor.result("live", error=str(error))
        except Busy:
            await asyncio.sleep(_AGAIN)
            if self._newest is None:  # no newer one came: this one again
                self._newest = frame
                self._arrival.set()
            return True
        if self._receiver.done():
            return False
        self._answered += 1
        self._frames.labels("answered").inc()
        many = len(result.items) > _FEW
        text = await asyncio.to_thread(self._write, number, at, result) if many else self._write(number, at, result)
        async with asyncio.timeout(_IDLE):
            await self._socket.send_text(text)
        return True

    def _write(self, number: int, at: float, result: Result) -> str:
        result, people = self._smoother.update(at, self._roll_up(replace(result, input="live")))
        document = {
            "model": self._served.name, "frame": number, "dropped": number - self._answered, "people": people,
            "results": [result.to_dict()],
        }  # fmt: skip
        return encode(document).decode()
