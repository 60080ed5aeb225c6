"""Runs the application: uvicorn, with time limits where it has none, and logs that quote nobody."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
import time
from collections import deque
from typing import Any, ClassVar

import uvicorn
from starlette.datastructures import Headers
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame

from mien.errors import MienError
from mien.serve.app import create_app
from mien.serve.models import Models
from mien.serve.observe import JsonLines, has_key, log
from mien.serve.problems import MEDIA_TYPE, Problem
from mien.serve.settings import ServeSettings

_HEAD_BYTES = 65_536
_HEADERS = 100  # of a request
_TURN = 0.005  # seconds for which what came on connections is parsed before small requests have their turn
_PIECE = 4096  # bytes that are parsed at once
_FRAGMENTS = 1000  # of a message, and pings and pongs between two messages
_CHUNKS = 10_000  # of a body, from which on they must hold some bytes each
_CHUNK_BYTES = 64
_KEYLESS_BYTES = 8192  # of a WebSocket's first message from a client that has not shown the key
_AHEAD = 100  # requests that a client may send before the first of them is answered
_WRITE_SECONDS = 30.0  # for which a client may read nothing of what it is sent
_UNREAD_BYTES = 1 << 20  # of answers to pings
_KEEP_ALIVE = 15
_STOPPING = 15  # seconds after which a process whose requests are all answered or given up is ended
_SWITCH_SECONDS = 1e-4  # Python's 5 ms would let the threads that compute wait longer for its lock than they need it


class _Turns:
    """Connections with more to parse than others should wait for: a piece of each in turn, for some time at once."""

    def __init__(self) -> None:
        self._waiting: deque[_Fair] = deque()

    def add(self, connection: _Fair) -> None:
        """One more, which is not among them."""
        if not self._waiting:
            connection.loop.call_soon(self._run)
        self._waiting.append(connection)

    def _run(self) -> None:
        end = time.perf_counter() + _TURN
        while self._waiting and time.perf_counter() < end:
            connection = self._waiting[0]
            more = connection.parse_piece()
            self._waiting.popleft()
            if more:
                self._waiting.append(connection)
        if self._waiting:
            self._waiting[0].loop.call_soon(self._run)


_turns = _Turns()


class _Fair:
    """Of a connection: it takes turns, and is cut where its client does not take what it is sent."""

    loop: Any
    transport: Any
    _stalled: Any = None
    _pieces: memoryview | None = None  # what came and is not parsed yet
    _next: list[bytes]

    def data_received(self, data: bytes) -> None:
        if self._pieces is not None:
            self._next.append(data)
            self.transport.pause_reading()
        elif len(data) <= _PIECE:
            self.parse(data)
        else:
            self._pieces, self._next = memoryview(data), []
            _turns.add(self)

    def parse(self, data: bytes) -> None:
        """Parse what came."""
        super().data_received(data)  # type: ignore[misc]

    def parse_piece(self) -> bool:
        """Parse a piece of what came; whether there is more."""
        assert self._pieces is not None
        piece, self._pieces = bytes(self._pieces[:_PIECE]), self._pieces[_PIECE:]
        if self.transport.is_closing() or self.transport.get_protocol() is not self:  # it is a WebSocket by now
            self.transport.resume_reading()
            return False
        self.parse(piece)
        if not self._pieces and self._next:
            self._pieces = memoryview(b"".join(self._next))
            self._next.clear()
            if not self.full():
                self.transport.resume_reading()
        if not self._pieces:
            self._pieces = None
        return self._pieces is not None

    def full(self) -> bool:
        """Whether the application has more than it takes at the time."""
        raise NotImplementedError

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


class _Http(_Fair, HttpToolsProtocol):
    """uvicorn's HTTP, with limits on the head of a request and on the number of connections."""

    settings = ServeSettings()
    head_seconds = 10.0  # in which the head of a request must have come
    strangers: ClassVar[dict[_Http, None]] = {}  # connections that have not shown the key, or no head yet; oldest first

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._answering: Any = None  # the request that is; `cycle` is the one that came last
        self._late: Any = None
        self._chunks = self._bytes = 0  # of a body
        self._head = 0  # bytes of a head that is not complete, or of what else is no body: trailers

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if len(self.connections) > self.settings.max_connections:
            if not self.strangers:
                self._refuse(503, "too many connections", b"retry-after: 1\r\n")
                return
            next(iter(self.strangers)).cut()
        self.strangers[self] = None
        self._expect_head()

    def cut(self) -> None:
        """Give the place of this connection to another."""
        self.strangers.pop(self, None)
        self.connections.discard(self)
        self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.strangers.pop(self, None)
        self._stop_waiting()
        if self._answering is not None:  # uvicorn tells only the last: this one would write to what is closed
            self._answering.disconnected = True
            self._answering.message_event.set()

    def parse(self, data: bytes) -> None:
        if self._head > _HEAD_BYTES:
            self._refuse(431, f"the head of the request has more than {_HEAD_BYTES:,} bytes")
            return
        self._head += len(data)
        if self.parser is not None:
            super().parse(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        if len(self.headers) >= _HEADERS:
            self._refuse(431, f"the head of the request has more than {_HEADERS} lines")
            raise ConnectionAbortedError  # ends the parsing of what is here
        super().on_header(name, value)

    def full(self) -> bool:
        return bool(self.flow.read_paused)

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def on_message_begin(self) -> None:
        if len(self.pipeline) >= _AHEAD:  # uvicorn would keep all that come
            self.transport.abort()
            raise ConnectionAbortedError  # ends the parsing of what is here
        super().on_message_begin()
        self._chunks = self._bytes = 0
        self._expect_head()

    def on_headers_complete(self) -> None:
        self._stop_waiting()
        if self in self.strangers and has_key(Headers(raw=self.headers), self.settings):
            del self.strangers[self]
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._head = 0
        self._chunks, self._bytes = self._chunks + 1, self._bytes + len(body)
        if self._chunks > _CHUNKS and self._bytes < self._chunks * _CHUNK_BYTES:
            self._refuse(400, "the chunks of the body are too small")
            raise ConnectionAbortedError
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


class _WebSocket(_Fair, WebSocketsSansIOProtocol):
    """uvicorn's WebSocket, with limits on what a message is made of."""

    _control = 0  # pings and pongs since the last message
    _keyless = 0  # bytes of a first message that is not complete

    def parse(self, data: bytes) -> None:
        if self.handshake_complete and not self.scope["state"].get("known"):
            self._keyless += len(data)
        if self._keyless > _KEYLESS_BYTES or len(self.frames) > _FRAGMENTS or self._control > _FRAGMENTS:
            self.transport.abort()
        else:
            super().parse(data)

    def full(self) -> bool:
        return self.read_paused

    def send_receive_event_to_app(self) -> None:
        self._control = 0
        self._keyless = -sys.maxsize  # there was one: it is for the application to judge
        super().send_receive_event_to_app()

    async def send(self, message: Any) -> None:
        await super().send(message)
        if self.initial_response is not None and self.close_sent:
            self.handshake_complete = True  # by a refusal; uvicorn's log would call it a fault

    def handle_pong(self, event: Frame) -> None:
        self._control += 1
        super().handle_pong(event)

    def handle_ping(self) -> None:
        self._control += 1
        if self.transport.is_closing():
            return
        super().handle_ping()
        if self.transport.get_write_buffer_size() > _UNREAD_BYTES:
            self.transport.abort()

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        self.transport.abort()


class _Server(uvicorn.Server):
    """Says where it listens, and what it serves; ends the process where it does not stop by itself."""

    models: Models

    def handle_exit(self, sig: int, frame: Any) -> None:
        if not self.should_exit:
            patience = (self.config.timeout_graceful_shutdown or 0) + _STOPPING
            watch = threading.Timer(patience, _give_up, [self.models])
            watch.daemon = True
            watch.start()
        super().handle_exit(sig, frame)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and sockets:
            host, port = sockets[0].getsockname()[:2]
            address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
            models = [served.name for served in self.models]
            log.info("listening", extra={"fields": {"url": address, "models": models}})
            if sys.stderr.isatty():
                print(f"mien is at {address} (Ctrl-C stops it)", file=sys.stderr, flush=True)


def _give_up(models: Models) -> None:
    """End at once: a thread that hangs in a native call would keep the process for ever."""
    log.error("stopped, with work that does not end", extra={"fields": {"models": models.working}})
    logging.shutdown()
    os._exit(1)


def run(settings: ServeSettings) -> None:
    """See :func:`mien.serve.run`."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    log.setLevel(logging.INFO)
    sys.setswitchinterval(_SWITCH_SECONDS)
    app = create_app(settings)
    limits = {"settings": settings, "head_seconds": min(_Http.head_seconds, settings.upload_timeout_s)}
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
    if server.models.working:
        _give_up(server.models)
    log.info("stopped")


def _listen(settings: ServeSettings) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        return socket.create_server((settings.host, settings.port), family=family, backlog=2048)
    except OSError as error:
        raise MienError(f"cannot listen on {settings.host}:{settings.port}: {error.strerror or error}") from error
