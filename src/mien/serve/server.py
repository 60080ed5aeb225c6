"""The server: uvicorn with the application, and logs that quote nobody."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys

import uvicorn
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from mien.errors import MienError
from mien.serve.app import create_app
from mien.serve.logs import JsonLines, log
from mien.serve.settings import ServeSettings

_KEEP_ALIVE = 15
_SWITCH_SECONDS = 1e-4  # Python's 5 ms would let the threads that compute wait longer for its lock than they need it


class _WebSocket(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket, which reads nothing more from a client that takes none of its answers to pings."""

    def pause_writing(self) -> None:
        """See :meth:`asyncio.Protocol.pause_writing`."""
        super().pause_writing()
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        """See :meth:`asyncio.Protocol.resume_writing`."""
        super().resume_writing()
        if not self.read_paused:
            self.transport.resume_reading()


def run(settings: ServeSettings) -> None:
    """See :func:`mien.serve.run`."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    log.setLevel(logging.INFO)
    # uvicorn takes a WebSocket that is refused for a fault.
    logging.getLogger("uvicorn.error").addFilter(lambda record: "completing handshake" not in record.getMessage())
    sys.setswitchinterval(_SWITCH_SECONDS)
    app = create_app(settings)
    models = app.state.models
    config = uvicorn.Config(
        app, http="httptools", ws=_WebSocket, loop="auto", log_config=None, access_log=False,
        server_header=False, ws_max_size=settings.max_json, ws_per_message_deflate=False,
        timeout_keep_alive=_KEEP_ALIVE, timeout_graceful_shutdown=int(settings.timeout_s) + 5, proxy_headers=False,
        lifespan="on",
    )  # fmt: skip
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)  # uvicorn raises it again once all is done: that is no failure
    with _listen(settings) as listening:
        host, port = listening.getsockname()[:2]
        address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        log.info("listening", extra={"fields": {"url": address, "models": [served.name for served in models]}})
        if sys.stderr.isatty():
            print(f"mien is at {address} (Ctrl-C stops it)", file=sys.stderr, flush=True)
        uvicorn.Server(config).run([listening])
    if models.working:  # a thread that hangs in a native call would keep the process for ever
        log.error("stopped, with work that does not end", extra={"fields": {"models": models.working}})
        logging.shutdown()
        os._exit(1)
    log.info("stopped")


def _listen(settings: ServeSettings) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        return socket.create_server((settings.host, settings.port), family=family, backlog=2048)
    except OSError as error:
        raise MienError(f"cannot listen on {settings.host}:{settings.port}: {error.strerror or error}") from error
