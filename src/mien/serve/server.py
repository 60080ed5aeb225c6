"""Runs the application: uvicorn, with time limits where it has none, and logs that quote nobody."""

from __future__ import annotations

import logging
import signal
import socket
import sys
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from mien.errors import MienError
from mien.serve.app import create_app
from mien.serve.models import Models
from mien.serve.observe import JsonLines, log
from mien.serve.problems import MEDIA_TYPE, Problem
from mien.serve.settings import ServeSettings

_HEAD_BYTES = 65_536
_AHEAD = 100  # requests that a client may send before the first of them is answered
_WRITE_SECONDS = 30.0  # for which a client may read nothing of what it is sent
_UNREAD_BYTES = 1 << 20  # of answers to pings
_KEEP_ALIVE = 15
_SWITCH_SECONDS = 1e-4  # Python's 5 ms would let the threads that compute wait longer for its lock than they need it


class _Impatient:
    """Of a connection: one whose client does not take what it is sent is cut."""

    loop: Any
    transport: Any
    _stalled: Any = None

    def pause_writing(self) -> None:
        super().pause_writing()  # type: ignore[misc]
        self._stalled = self.loop.call_later(_WRITE_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()  # type: ignore[misc]
        self._forget()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)  # type: ignore[misc]
        self._forget()

    def _forget(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None


class _Http(_Impatient, HttpToolsProtocol):
    """uvicorn's HTTP, with limits on the head of a request and on the number of connections."""

    max_connections = 1000
    head_seconds = 10.0  # in which the head of a request must have come

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._answering: Any = None  # the request that is; `cycle` is the one that came last
        self._late: Any = None
        self._head = 0  # bytes of a head that is not complete, or of what else is no body: trailers

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if len(self.connections) > self.max_connections:
            self._refuse(503, "too many connections", b"retry-after: 1\r\n")
        else:
            self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._stop_waiting()
        if self._answering is not None:  # uvicorn tells only the last: this one would write to what is closed
            self._answering.disconnected = True
            self._answering.message_event.set()

    def data_received(self, data: bytes) -> None:
        if self._head > _HEAD_BYTES:
            self._refuse(431, f"the head of the request has more than {_HEAD_BYTES:,} bytes")
            return
        self._head += len(data)
        if self.parser is not None and not self.transport.is_closing():
            super().data_received(data)

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def on_message_begin(self) -> None:
        if len(self.pipeline) >= _AHEAD:  # uvicorn would keep all that come
            self.transport.abort()
            raise ConnectionAbortedError  # ends the parsing of what is here
        super().on_message_begin()
        self._expect_head()

    def on_headers_complete(self) -> None:
        self._stop_waiting()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._head = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._head = 0
        super().on_message_complete()

    def timeout_keep_alive_handler(self) -> None:
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        super().timeout_keep_alive_handler()

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, "this is no request of HTTP")

    def _expect_head(self) -> None:
        self._stop_waiting()
        self._late = self.loop.call_later(self.head_seconds, self._refuse, 408, "the head of the request did not come")

    def _stop_waiting(self) -> None:
        self._head = 0
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _refuse(self, status: int, detail: str, header: bytes = b"") -> None:
        self._stop_waiting()
        if self.transport.is_closing():
            return
        problem = Problem(status, detail)
        body = problem.body()
        head = (
            f"HTTP/1.1 {status} \r\ncontent-type: {MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n"
        )
        self.transport.write(head.encode() + header + b"\r\n" + body)
        self.transport.close()


class _WebSocket(_Impatient, WebSocketsSansIOProtocol):
    """uvicorn's WebSocket."""

    async def send(self, message: Any) -> None:
        await super().send(message)
        if self.initial_response is not None and self.close_sent:
            self.handshake_complete = True  # by a refusal; uvicorn's log would call it a fault

    def handle_ping(self) -> None:
        if self.transport.is_closing():
            return
        super().handle_ping()
        if self.transport.get_write_buffer_size() > _UNREAD_BYTES:
            self.transport.abort()

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        self.transport.abort()


class _Server(uvicorn.Server):
    """Says where it listens, and what it serves."""

    models: Models

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and sockets:
            host, port = sockets[0].getsockname()[:2]
            address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
            models = [served.name for served in self.models]
            log.info("listening", extra={"fields": {"url": address, "models": models}})
            if sys.stderr.isatty():
                print(f"mien is at {address} (Ctrl-C stops it)", file=sys.stderr, flush=True)


def run(settings: ServeSettings) -> None:
    """See :func:`mien.serve.run`."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    log.setLevel(logging.INFO)
    sys.setswitchinterval(_SWITCH_SECONDS)
    app = create_app(settings)
    limits = {
        "max_connections": settings.max_connections,
        "head_seconds": min(_Http.head_seconds, settings.upload_timeout_s),
    }
    protocol = type("Http", (_Http,), limits)
    config = uvicorn.Config(
        app, http=protocol, ws=_WebSocket, loop="auto", log_config=None, access_log=False, server_header=False,
        ws_max_size=settings.max_json, ws_per_message_deflate=False, timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=int(settings.timeout_s) + 5, proxy_headers=False, lifespan="on",
    )  # fmt: skip
    listening = _listen(settings)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)  # uvicorn raises it again once all is done: that is no failure
    with listening:
        server = _Server(config)
        server.models = app.state.models
        server.run([listening])
    log.info("stopped")


def _listen(settings: ServeSettings) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        return socket.create_server((settings.host, settings.port), family=family, backlog=2048)
    except OSError as error:
        raise MienError(f"cannot listen on {settings.host}:{settings.port}: {error.strerror or error}") from error
