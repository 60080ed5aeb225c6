"""The hosts that the server answers for.

A page on the web can point a name of its own at this machine (DNS rebinding) and would then be of the same origin as
the server; its requests carry that name. An address cannot be pointed elsewhere, so every address is answered for.
"""

from __future__ import annotations

import ipaddress
import platform
import re
from urllib.parse import urlsplit

from mien.serve.problems import Problem
from mien.serve.settings import ServeSettings

_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([^\s:/@\[\]]+?))\.?(?::\d{0,5})?", re.ASCII)
_LOCAL = "localhost"


class Hosts:
    """What a request's ``Host`` may be: this machine's names, addresses, and what the settings name.

    Args:
        settings: of the server: its host, and those of its origins, are among them.
    """

    def __init__(self, settings: ServeSettings) -> None:
        origins = {urlsplit(origin).hostname for origin in settings.origins}
        self._all = "*" in settings.allow_hosts
        self._names = {settings.host.lower(), *settings.allow_hosts, *filter(None, origins)}
        if not _is_loopback(settings.host):
            own = platform.node().lower()
            self._names |= {own, f"{own.partition('.')[0]}.local"} if own else set()

    def check(self, headers: list[tuple[bytes, bytes]], http_version: str) -> None:
        """Refuse a request for another host.

        Raises:
            Problem: 421; or 400 where the header is missing, which only HTTP/1.0 allows, or there are several.
        """
        found = [value for name, value in headers if name == b"host"]
        if self._all or (not found and http_version == "1.0"):
            return
        if len(found) != 1:
            raise Problem(400, "a request has one header Host")
        host = found[0].decode("latin-1").lower()
        if not self._allows(host):
            raise Problem(
                421, f"this server does not answer for the host {host[:80]!r}; its option --allow-host lets it"
            )

    def _allows(self, host: str) -> bool:
        match = _HOST.fullmatch(host)
        if match is None:
            return False
        address, name = match.groups()
        if address is not None:
            return _is_address(address)
        return name in self._names or name == _LOCAL or name.endswith(f".{_LOCAL}") or _is_address(name)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_loopback(host: str) -> bool:
    return host == _LOCAL or (_is_address(host) and ipaddress.ip_address(host).is_loopback)
