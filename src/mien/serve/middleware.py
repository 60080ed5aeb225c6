"""Middleware around every request: host, key, limits of the body, metrics, one log line, an answer whatever fails."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import platform
import re
import secrets
import time
from contextlib import nullcontext, suppress
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from mien.serve.logs import describe_error, log
from mien.serve.metrics import Metrics
from mien.serve.problems import Problem
from mien.serve.settings import ServeSettings

_CLIENT_GONE = 499  # no answer: the client went away
_PROBES = ("/healthz", "/readyz")  # always answered, and not logged
_LINGER = 3.0  # seconds for which the rest of a refused body is read, so that the client sees the answer
_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([^\s:/@\[\]]+?))\.?(?::\d{0,5})?", re.ASCII)
_LOCAL = "localhost"


class RequestMiddleware:
    """ASGI middleware around the application."""

    def __init__(self, app: ASGIApp, settings: ServeSettings, metrics: Metrics) -> None:
        self._app, self._settings, self._metrics = app, settings, metrics
        self._hosts, self._budget = AllowedHosts(settings), UploadBudget(4 * settings.max_body)
        self._places = asyncio.Semaphore(settings.max_connections)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification."""
        if scope["type"] == "websocket":
            try:
                self._hosts.check(scope)
            except Problem as problem:
                await WebSocket(scope, receive, send).send_denial_response(problem.response())
                return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}  # the server leaves the body out
        exchange = _Exchange(scope, receive, send, self._settings, self._budget)
        self._metrics.in_progress.inc()
        try:
            self._check(scope)
            exchange.check_stated_size()
            async with nullcontext() if scope["path"] in _PROBES else self._places:
                await self._app(scope, exchange.receive, exchange.send)
        except Problem as problem:
            await problem.response()(scope, exchange.receive, exchange.send)
        except ClientDisconnect:
            pass
        except Exception as error:
            log.error("failed", extra={"fields": {"id": exchange.id, **describe_error(error)}})
            if exchange.status:  # half an answer is out: the server closes the connection
                raise
            failure = Problem(500, f"mien failed here; its log says where, under the id {exchange.id}")
            await failure.response()(scope, exchange.receive, exchange.send)
        finally:
            self._budget.give_back(exchange.bytes_in)
            self._metrics.in_progress.dec()
            self._record(scope, exchange)

    def _check(self, scope: Scope) -> None:
        """Refuse another host, a request without the key, and one too many."""
        self._hosts.check(scope)
        path = scope["path"]
        if path.startswith("/v1/") or path == "/metrics":
            headers = Headers(scope=scope)
            if not has_key(headers, self._settings):
                detail = "this is not the key" if _shown_key(headers) else "a key is needed: Authorization: Bearer KEY"
                raise Problem(401, detail, headers={"WWW-Authenticate": "Bearer"})
        if self._places.locked() and path not in _PROBES:
            raise Problem(503, "too many requests at once; try again in a second", retry_after=1)

    def _record(self, scope: Scope, exchange: _Exchange) -> None:
        seconds, status = time.perf_counter() - exchange.start, exchange.status or _CLIENT_GONE
        route = _route(scope)
        self._metrics.requests.labels(scope["method"], route, status).inc()
        self._metrics.seconds.labels(route).observe(seconds)
        if self._settings.access_log and route not in _PROBES:
            fields = {
                "id": exchange.id, "method": scope["method"], "route": route, "status": status,
                "ms": round(seconds * 1e3, 1), "bytes_in": exchange.bytes_in, **scope.get("mien", {}),
            }  # fmt: skip
            log.info("request", extra={"fields": fields})


def _route(scope: Scope) -> str:
    """The address in the terms of the application; "-" for any other, which may be anyone's words."""
    if path := getattr(scope.get("route"), "path", None):
        return str(path)
    routes = scope["app"].routes if "app" in scope else ()
    return next((route.path for route in routes if getattr(route, "path", None) == scope["path"]), "-")


class UploadBudget:
    """Bytes for the bodies of all requests together."""

    def __init__(self, size: int) -> None:
        self._left = size

    def take(self, size: int) -> None:
        """Take so many; a problem where they are not left."""
        if size > self._left:
            raise Problem(503, "too many uploads at once; try again in a second", retry_after=1)
        self._left -= size

    def give_back(self, size: int) -> None:
        """Give back what was taken."""
        self._left += size


class _Exchange:
    """One request and its answer, as they pass."""

    def __init__(
        self, scope: Scope, receive: Receive, send: Send, settings: ServeSettings, budget: UploadBudget
    ) -> None:
        self._receive, self._send, self._budget = receive, send, budget
        self.start, self.id, self.status, self.bytes_in = time.perf_counter(), secrets.token_hex(6), 0, 0
        headers = dict(scope["headers"])
        is_json = headers.get(b"content-type", b"").lower().startswith(b"application/json")
        self._limit = settings.max_json if is_json else settings.max_body
        self._seconds = settings.upload_timeout_s
        self._end = asyncio.get_running_loop().time() + self._seconds
        self._stated = headers.get(b"content-length", b"0")
        self._unread = self._stated != b"0" or b"transfer-encoding" in headers
        self._expects = b"expect" in headers  # the client sends its body only when asked to

    def check_stated_size(self) -> None:
        """Refuse a body that says it is too large."""
        if self._stated.isdigit() and int(self._stated[:20]) > self._limit:
            raise self._too_large()

    async def receive(self) -> Message:
        """The next part of the body, or a problem where it is late or too large."""
        if not self._unread:
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._end):
                message = await self._receive()
        except TimeoutError:
            raise Problem(408, f"the body did not arrive within {self._seconds:g} s") from None
        self._expects = False
        self._unread = message.get("more_body", False)
        size = len(message.get("body", b""))
        if self.bytes_in + size > self._limit:
            raise self._too_large()
        self._budget.take(size)
        self.bytes_in += size
        return message

    async def send(self, message: Message) -> None:
        """Pass the answer on, with the headers that every answer has."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            extra = [(b"x-content-type-options", b"nosniff"), (b"x-request-id", self.id.encode())]
            if self._unread:  # the rest of the body is not wanted: the connection cannot be used again
                extra.append((b"connection", b"close"))
            message = {**message, "headers": [*message.get("headers", ()), *extra]}
        try:
            if self._unread and not self._expects and message["type"] != "http.response.start":
                # The answer goes out at once; its end, which closes the connection, waits for what is still sent.
                await self._send({**message, "more_body": True})
                await self._read_off()
                message = {"type": message["type"], "more_body": message.get("more_body", False)}
            await self._send(message)
        except RuntimeError as error:  # uvloop's, where a client that sent several requests at once has left
            if "closed" in str(error):
                raise ClientDisconnect from error
            raise

    async def _read_off(self) -> None:
        """Closing on a client that is still sending would take the answer from it."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_LINGER):
                while (await self._receive()).get("more_body", False):
                    pass

    def _too_large(self) -> Problem:
        return Problem(413, f"the body is larger than {self._limit:,} bytes, the most that is taken here")


# ---------------------------------------------------------------------------------------------------------------- key


def has_key(headers: Headers, settings: ServeSettings) -> bool:
    """Whether a request shows the key, as ``Authorization: Bearer KEY`` or ``X-API-Key: KEY``; or needs none."""
    return settings.api_key is None or is_key(_shown_key(headers), settings)


def is_key(shown: str, settings: ServeSettings) -> bool:
    """Whether this is the key."""
    key = settings.api_key.get_secret_value() if settings.api_key else ""
    return hmac.compare_digest(shown.encode(), key.encode())


def _shown_key(headers: Headers) -> str:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return (token if scheme.lower() == "bearer" else headers.get("x-api-key", "")).strip()


# --------------------------------------------------------------------------------------------------------------- host


class AllowedHosts:
    """What a request's ``Host`` may be: this machine's names, every address, and what the settings name.

    A page on the web can point a name of its own at this machine (DNS rebinding) and would then be of the same origin
    as the server; its requests carry that name. An address cannot be pointed elsewhere.
    """

    def __init__(self, settings: ServeSettings) -> None:
        origins = {urlsplit(origin).hostname for origin in settings.origins}
        self._all = "*" in settings.allow_hosts
        self._names = {_LOCAL, settings.host.lower(), *settings.allow_hosts, *filter(None, origins)}
        address = _address(settings.host)
        if settings.host != _LOCAL and not (address and address.is_loopback):
            own = platform.node().lower()
            self._names |= {own, f"{own.partition('.')[0]}.local"} if own else set()

    def check(self, scope: Scope) -> None:
        """Refuse a request for another host, or for none, which only HTTP/1.0 allows, or for several."""
        found = [value for name, value in scope["headers"] if name == b"host"]
        if self._all or (not found and scope["http_version"] == "1.0"):
            return
        if len(found) != 1:
            raise Problem(400, "a request has one header Host")
        host = found[0].decode("latin-1").lower()
        if not self._allows(host):
            detail = f"this server does not answer for the host {host[:80]!r}; its option --allow-host lets it"
            raise Problem(421, detail)

    def _allows(self, host: str) -> bool:
        match = _HOST.fullmatch(host)
        if match is None:
            return False
        address, name = match.groups()
        known = address is None and (name in self._names or name.endswith(f".{_LOCAL}"))
        return known or _address(address or name) is not None


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    with suppress(ValueError):
        return ipaddress.ip_address(text)
    return None
