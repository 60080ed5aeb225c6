"""The server: uvicorn with the application, and logs that quote nobody."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
import webbrowser

import uvicorn
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from mien.errors import MienError, print_line
from mien.serve.app import create_app
from mien.serve.logs import JsonLines, log
from mien.serve.settings import ServeSettings

_KEEP_ALIVE = 15
_HERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # what listens on all addresses is here at this one
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
        names = [served.name for served in models]
        host, port = listening.getsockname()[:2]
        page = _address(_HERE.get(host, host), port)  # that of all addresses is none to go to
        if sys.stderr.isatty():
            outside = ", and at this machine's other addresses" if host in _HERE else ""
            print_line(f"mien is at {page}{outside}, with {', '.join(names)}. Ctrl-C stops it.", sys.stderr)
        else:
            log.info("listening", extra={"fields": {"url": _address(host, port), "models": names}})
        if settings.open_page:  # connections wait from now on; some browsers return when they are closed
            threading.Thread(target=_show, args=(page,), daemon=True).start()
        uvicorn.Server(config).run([listening])
    if models.working:  # a thread that hangs in a native call would keep the process for ever
        log.error("stopped, with work that does not end", extra={"fields": {"models": models.working}})
        logging.shutdown()
        os._exit(1)
    log.info("stopped")


def _address(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _show(page: str) -> None:
    if not webbrowser.open(page):
        log.warning("no browser was found", extra={"fields": {"url": page}})


def _listen(settings: ServeSettings) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        return socket.create_server((settings.host, settings.port), family=family, backlog=2048)
    except OSError as error:
        raise MienError(f"cannot listen on {settings.host}:{settings.port}: {error.strerror or error}") from error
