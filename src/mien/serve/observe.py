"""Around every request: the key, the headers, the metrics, one log line, and an answer whatever goes wrong."""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import secrets
import time
import traceback
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from mien import __version__
from mien.serve.hosts import Hosts
from mien.serve.problems import Problem
from mien.serve.settings import ServeSettings

log = logging.getLogger("mien.serve")
_OWN = ("mien", "uvicorn")  # loggers whose messages quote no input

GONE = 499  # no answer: the client went away
_OPEN = ("/healthz", "/readyz")  # answered without a key, beside the page
_LINGER = 3.0  # seconds for which the rest of a refused body is read, so that the client sees the answer
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_INPUTS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """What ``/metrics`` tells, for Prometheus."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        own: dict[str, Any] = {"registry": self.registry}
        self.requests = Counter("mien_requests", "Requests answered.", ["method", "route", "status"], **own)
        self.seconds = Histogram("mien_request_seconds", "From head to answer.", ["route"], buckets=_SECONDS, **own)
        self.open = Gauge("mien_requests_in_progress", "Requests that wait for their answer.", **own)
        self.inputs = Counter("mien_inputs", "Inputs computed.", ["model"], **own)
        self.batches = Histogram("mien_batch_inputs", "Inputs in a batch.", ["model"], buckets=_INPUTS, **own)
        self.work = Histogram("mien_batch_seconds", "Computing a batch.", ["model"], buckets=_SECONDS, **own)
        self.waiting = Gauge("mien_queue_units", "Units of work that wait for a model.", ["model"], **own)
        self.live = Gauge("mien_live_clients", "Clients that send live frames.", **own)
        self.frames = Counter("mien_live_frames", "Live frames, by what became of them.", ["outcome"], **own)
        Gauge("mien_info", "This server.", ["version"], **own).labels(__version__).set(1)

    def batch(self, model: str, inputs: int, seconds: float) -> None:
        """A batch was computed."""
        self.inputs.labels(model).inc(inputs)
        self.batches.labels(model).observe(inputs)
        self.work.labels(model).observe(seconds)

    def text(self) -> bytes:
        """In Prometheus' format."""
        return generate_latest(self.registry)


class JsonLines(logging.Formatter):
    """A log line as one JSON object. It never holds a text, a file's name, or the message of a stray exception."""

    def format(self, record: logging.LogRecord) -> str:
        """See :meth:`logging.Formatter.format`."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {"time": at, "level": record.levelname.lower()}
        line["event"] = record.getMessage() if record.name.startswith(_OWN) else f"a message of {record.name}"
        line |= getattr(record, "fields", {})
        if record.exc_info and record.exc_info[1] is not None:
            line |= where(record.exc_info[1])
        return json.dumps(line, ensure_ascii=True)


def where(error: BaseException) -> dict[str, str]:
    """What kind of exception was raised and where; not its message, which may quote an input."""
    frames = traceback.extract_tb(error.__traceback__)[-6:]
    return {"error": type(error).__name__, "at": " < ".join(f"{f.filename}:{f.lineno}" for f in reversed(frames))}


def has_key(headers: Headers, settings: ServeSettings) -> bool:
    """Whether a request shows the key, as ``Authorization: Bearer KEY`` or ``X-API-Key: KEY``; or needs none."""
    return settings.api_key is None or same_key(shown_key(headers), settings)


def shown_key(headers: Headers) -> str:
    """The key that a request shows; empty where it shows none."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return (token if scheme.lower() == "bearer" else headers.get("x-api-key", "")).strip()


def same_key(shown: str, settings: ServeSettings) -> bool:
    """Whether it is the key."""
    key = settings.api_key.get_secret_value() if settings.api_key else ""
    return hmac.compare_digest(shown.encode(), key.encode())


class Guard:
    """ASGI middleware around the application.

    Args:
        app: what is guarded.
        settings: of the server.
        metrics: that are kept.
    """

    def __init__(self, app: ASGIApp, settings: ServeSettings, metrics: Metrics) -> None:
        self._app, self._settings, self._metrics, self._hosts = app, settings, metrics, Hosts(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification."""
        if scope["type"] == "websocket":
            try:
                self._hosts.check(scope["headers"], scope["http_version"])
            except Problem as problem:
                await WebSocket(scope, receive, send).send_denial_response(problem.response())
                return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}  # the server leaves the body out
        exchange = _Exchange(scope, receive, send)
        self._metrics.open.inc()
        try:
            self._hosts.check(scope["headers"], scope["http_version"])
            if not self._lets_in(scope):
                wrong = shown_key(Headers(scope=scope))
                text = "this is not the key" if wrong else "a key is needed: Authorization: Bearer KEY"
                raise Problem(401, text, headers={"WWW-Authenticate": "Bearer"})
            await self._app(scope, exchange.receive, exchange.send)
        except Problem as problem:
            await problem.response()(scope, exchange.receive, exchange.send)
        except ClientDisconnect:
            exchange.status = GONE
        except Exception as error:
            log.error("failed", extra={"fields": {"id": exchange.id, **where(error)}})
            if exchange.status:  # half an answer is out: the server closes the connection
                raise
            failure = Problem(500, f"mien failed here; its log says where, under the id {exchange.id}")
            await failure.response()(scope, exchange.receive, exchange.send)
        finally:
            self._metrics.open.dec()
            self._note(scope, exchange)

    def _lets_in(self, scope: Scope) -> bool:
        if self._settings.api_key is None:
            return True
        path = scope["path"]
        guarded = path.startswith("/v1/") or path == "/metrics"
        return not guarded or has_key(Headers(scope=scope), self._settings)

    def _note(self, scope: Scope, exchange: _Exchange) -> None:
        seconds = time.perf_counter() - exchange.start
        route = getattr(scope.get("route"), "path", "-")  # what was asked for elsewhere may be anyone's words
        self._metrics.requests.labels(scope["method"], route, exchange.status or GONE).inc()
        self._metrics.seconds.labels(route).observe(seconds)
        if self._settings.access_log and route not in _OPEN:
            fields = {
                "id": exchange.id, "method": scope["method"], "route": route, "status": exchange.status or GONE,
                "ms": round(seconds * 1e3, 1), "bytes_in": exchange.bytes_in, **scope.get("mien", {}),
            }  # fmt: skip
            log.info("request", extra={"fields": fields})


class _Exchange:
    """One request and its answer, as they pass."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        self.start = time.perf_counter()
        self.id = secrets.token_hex(6)
        self.status = 0
        self.bytes_in = 0
        names = {
            name: value
            for name, value in scope["headers"]
            if name in (b"content-length", b"transfer-encoding", b"expect")
        }
        self._unread = names.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in names
        self._waits = b"expect" in names  # the client sends its body only when asked to

    async def receive(self) -> Message:
        message = await self._receive()
        self._waits = False
        self.bytes_in += len(message.get("body", b""))
        if not message.get("more_body", False):
            self._unread = False
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            extra = [(b"x-content-type-options", b"nosniff"), (b"x-request-id", self.id.encode())]
            if self._unread:  # the rest of the body is not wanted: the connection cannot be used again
                if not self._waits:
                    await self._read_off()
                extra.append((b"connection", b"close"))
            message = {**message, "headers": [*message.get("headers", ()), *extra]}
        await self._send(message)

    async def _read_off(self) -> None:
        """Closing on a client that is still sending would take the answer from it."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_LINGER):
                while self._unread:
                    await self.receive()
