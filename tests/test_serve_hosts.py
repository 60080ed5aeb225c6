"""Whom the server answers: hosts that a page elsewhere may have pointed here, and clients without the key."""

from __future__ import annotations

import json
import socket
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from conftest import RunCli, one_line
from mien.serve.settings import ServeSettings
from serving import serving, until

if TYPE_CHECKING:
    from serving import Server

KEY = {"X-API-Key": "open sesame"}


def ask(server: Server, head: str, path: str = "/v1/models") -> bytes:
    with server.raw() as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\n{head}Connection: close\r\n\r\n".encode("latin-1"))
        parts = []
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)


def live(server: Server, **options: Any) -> ClientConnection:
    return connect(f"ws://127.0.0.1:{server.port}/v1/live", open_timeout=30, **options)


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:8000", "LOCALHOST:1", "mien.localhost", "localhost.", "127.0.0.1", "127.0.0.1:80",
     "[::1]:8000", "192.168.1.20:8000", "[fd00::1]"],
)  # fmt: skip
def test_this_machine_and_every_address_are_answered_for(server: Server, host: str) -> None:
    assert ask(server, f"Host: {host}\r\n").startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.evil.example", "127.0.0.1@evil.example",
     "evil.example/localhost", "0x7f.1", "127.1", "[::1", "::1", "\xe4", "x" * 5000, "localhost:x"],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/", "/v1/models", "/healthz"])
def test_other_hosts_are_not(server: Server, host: str, path: str) -> None:
    head, _, body = ask(server, f"Host: {host}\r\n", path).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 421 ")
    assert b"application/problem+json" in head
    assert "this server does not answer for the host" in json.loads(body)["detail"]
    assert len(body) < 500


@pytest.mark.parametrize("head", ["", "Host: localhost\r\nHost: evil.example\r\n"])
def test_no_host_and_two_of_them(server: Server, head: str) -> None:
    assert ask(server, head).startswith(b"HTTP/1.1 400 ")


def test_live_frames_are_for_these_hosts_alone(server: Server) -> None:
    page = "http://evil.example:8000"  # whose name leads here by now: to the browser it is the same origin
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        with pytest.raises(InvalidStatus) as refused:
            connect("ws://evil.example:8000/v1/live", sock=connection, origin=page, open_timeout=30)  # type: ignore[arg-type]
        assert refused.value.response.status_code == 421
        assert "evil.example" in json.loads(refused.value.response.body)["detail"]
    assert server.is_well()


def test_options_let_further_hosts() -> None:
    options = ("--model", "text-carer", "--origin", "https://Page.example", "--allow-host", "Mien.example.org")
    with serving(*options, "--host", "0.0.0.0") as server:
        for host in ("page.example", "mien.example.org", f"{socket.gethostname()}:8000", "127.0.0.1"):
            assert ask(server, f"Host: {host}\r\n").startswith(b"HTTP/1.1 200 "), host
        assert ask(server, "Host: example.org\r\n").startswith(b"HTTP/1.1 421 ")
    assert ServeSettings(allow_hosts=("*",)).allow_hosts == ("*",)
    for wrong in ("https://example.org", "example.org:80", "", "a b"):
        with pytest.raises(ValidationError, match="no name of a host"):
            ServeSettings(allow_hosts=(wrong,))


def test_a_wrong_option_is_one_line(run_cli: RunCli) -> None:
    assert "--allow-host: 'a/b' is no name of a host" in one_line(run_cli("serve", "--allow-host", "a/b"))


# ------------------------------------------------------------------------------------------------- without the key


def test_who_has_no_key_shuts_nobody_out() -> None:
    options = ("--model", "text-carer", "--max-connections", 20, "--no-access-log")
    with serving(*options, env={"MIEN_API_KEY": "open sesame"}) as server, ExitStack() as stack:
        for key in ("", "X-API-Key: wrong\r\n"):
            for _ in range(100):
                stranger = stack.enter_context(server.raw())
                stranger.sendall(
                    f"POST /v1/text HTTP/1.1\r\nHost: localhost\r\n{key}Content-Type: application/json\r\n"
                    "Content-Length: 1000000\r\n\r\n{".encode()
                )
        for _ in range(50):
            stack.enter_context(server.raw()).sendall(b"GET / HTTP/1.1\r\nX-")
        server.headers |= KEY
        for _ in range(5):
            assert server.is_well()
        until(lambda: server.metric("process_open_fds") < 100)


def test_many_live_clients_without_the_key_keep_nobody_from_showing_it() -> None:
    with serving("--model", "face", env={"MIEN_API_KEY": "open sesame"}) as server, ExitStack() as stack:
        silent = [stack.enter_context(live(server)) for _ in range(40)]
        with live(server) as client:
            client.send('{"key": "open sesame"}')
            until(lambda: server.request("GET", "/metrics", headers=KEY).body.count(b"mien_live_clients 1.0") == 1)
        with pytest.raises(ConnectionClosed) as closed:
            silent[0].recv(5)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1008
        with live(server) as client:
            with suppress(ConnectionClosed):  # cut while sending
                client.send('{"key": "' + "x" * 1_000_000 + '"}')
            with pytest.raises(ConnectionClosed):
                client.recv(10)
