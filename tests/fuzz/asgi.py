"""Requests to the server's application in this process: no socket, the same bytes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

Headers = Sequence[tuple[bytes, bytes]]


@dataclass
class Answer:
    """What came back: of a request its status and body; of a WebSocket the messages, and the code that closed it."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    messages: list[str] = field(default_factory=list)
    blocked: float = 0.0


class Client:
    """An application that runs as long as this."""

    def __init__(self, app: Any) -> None:
        self._app, self._loop = app, asyncio.new_event_loop()
        self._lifespan = app.router.lifespan_context(app)
        self._loop.run_until_complete(self._lifespan.__aenter__())

    def request(self, method: str, path: str, headers: Headers, parts: Sequence[bytes], query: bytes = b"") -> Answer:
        """One request, its body in parts."""
        scope = self._scope("http", path, headers, query) | {"method": method}
        incoming = [
            {"type": "http.request", "body": part, "more_body": place + 1 < len(parts)}
            for place, part in enumerate(parts)
        ] or [{"type": "http.request", "body": b"", "more_body": False}]
        return self._run(scope, incoming, {"type": "http.disconnect"})

    def live(self, path: str, headers: Headers, frames: Sequence[bytes | str], query: bytes = b"") -> Answer:
        """A WebSocket that sends messages and leaves."""
        scope = self._scope("websocket", path, headers, query) | {"subprotocols": []}
        incoming: list[dict[str, Any]] = [{"type": "websocket.connect"}]
        incoming += [{"type": "websocket.receive", "text" if isinstance(f, str) else "bytes": f} for f in frames]
        return self._run(scope, incoming, {"type": "websocket.disconnect", "code": 1000})

    def _scope(self, kind: str, path: str, headers: Headers, query: bytes) -> dict[str, Any]:
        return {
            "type": kind,
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "scheme": "http" if kind == "http" else "ws",
            "path": path,
            "raw_path": path.encode("utf-8", "surrogatepass"),
            "query_string": query,
            "root_path": "",
            "headers": list(headers),
            "client": ("127.0.0.1", 50_000),
            "server": ("127.0.0.1", 8000),
            "state": {},
            "extensions": {"websocket.http.response": {}},
        }

    def _run(self, scope: dict[str, Any], incoming: list[dict[str, Any]], last: dict[str, Any]) -> Answer:
        answer, done = Answer(), asyncio.Event()

        async def receive() -> dict[str, Any]:
            await asyncio.sleep(0)
            if incoming:
                return incoming.pop(0)
            if scope["type"] == "websocket":  # some time for an answer
                await asyncio.sleep(0.02)
            else:
                await done.wait()
            return last

        async def send(message: dict[str, Any]) -> None:
            kind = message["type"]
            if kind in ("http.response.start", "websocket.http.response.start"):
                answer.status = message["status"]
                answer.headers = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in message["headers"]}
            elif kind in ("http.response.body", "websocket.http.response.body"):
                answer.body += message.get("body", b"")
                if not message.get("more_body"):
                    done.set()
            elif kind == "websocket.send":
                answer.messages.append(message.get("text") or "")
            elif kind == "websocket.close":
                answer.status = message.get("code", 1000)

        async def watch() -> None:
            """How long nothing else could run at a time."""
            while True:
                start = time.monotonic()
                await asyncio.sleep(0.01)
                answer.blocked = max(answer.blocked, time.monotonic() - start)

        async def both() -> None:
            beside = asyncio.ensure_future(watch())
            try:
                await self._app(scope, receive, send)
            finally:
                beside.cancel()

        self._loop.run_until_complete(both())
        return answer
