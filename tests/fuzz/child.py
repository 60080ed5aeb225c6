"""The child: tries inputs one after the other, with limits and canaries; a line of JSON on standard output for each."""

from __future__ import annotations

import ctypes
import faulthandler
import json
import os
import re
import resource
import shutil
import signal
import socket
import sys
import tempfile
import time
import traceback
import unicodedata
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from fuzz import Case, Finding, Kind, case_of, kind_of
from mien.errors import MienError

_LONGEST = 300  # characters of a message, not counting what there is to choose from
_ESCAPE = re.compile(r"\\+(x..|u....|U.{8}|[nrt'])")
_LISTS = re.compile(r"(there are|it has|one of|those end in|it does in|shipped model)\b.*")
_ADDRESS_SPACE = 3 * 2**30  # bytes beyond what the child has when it starts: the net below the bound on memory
_HANGS = 120.0  # seconds on the clock beyond the bound on processor time: a machine may have more to do
_FORBIDDEN = (
    *("socket.connect", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname", "urllib.Request"),
    *("os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "subprocess.Popen"),
    *("pickle.find_class", "fuzz.canary"),
)

guard: Guard


class Guard:
    """Watches what happens while an input is read.

    Stand-ins in an input's bytes are filled in here, as they differ from run to run: ``@SECRET@`` is the path of a
    file that nobody may open, ``@PORT@`` that of a server which nobody may call.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.active = folder, False
        self.seen: list[str] = []
        self.secret = folder.parent / "secret.txt"
        self.secret.write_text("canary-of-the-fuzzer\n")
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.setblocking(False)
        self.port = self._server.getsockname()[1]
        self._notes = self._watch_secret()
        sys.addaudithook(self._audit)

    def fill(self, data: bytes) -> bytes:
        """The bytes without stand-ins."""
        return data.replace(b"@SECRET@", os.fsencode(self.secret)).replace(b"@PORT@", b"%d" % self.port)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Raises Finding: something forbidden was done in the block."""
        self.seen.clear()
        self.active = True
        try:
            yield
        finally:
            self.active = False
            with suppress(BlockingIOError):
                self._server.accept()[0].close()
                self.seen.append("the network: somebody called the canary's port")
            with suppress(BlockingIOError):
                os.read(self._notes, 4096)
                self.seen.append("the file system: somebody opened the canary's file")
            if self.seen:
                raise Finding("did what is forbidden: " + "; ".join(dict.fromkeys(self.seen)))

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.active:
            return
        if event in _FORBIDDEN or event.startswith("os.spawn"):
            self.seen.append(f"{event}{arguments!r:.200}")
            raise PermissionError(f"the fuzzer forbids {event}")
        if event == "open" and isinstance(arguments[0], str | bytes) and arguments[1]:
            path = os.path.abspath(os.fsdecode(arguments[0]))
            outside = not path.startswith((str(self.folder.parent), "/dev/", "/proc/self"))
            if set(arguments[1]) & set("wax+") and outside:
                self.seen.append(f"open for writing of {path[:200]}")
                raise PermissionError("the fuzzer forbids it")

    def _watch_secret(self) -> int:
        """Linux's inotify: also what C code opens is noticed."""
        libc = ctypes.CDLL(None)
        notes: int = libc.inotify_init1(os.O_NONBLOCK)
        libc.inotify_add_watch(notes, os.fsencode(self.secret), 0x20)  # IN_OPEN
        return notes


def check_line(message: str, *names: object) -> None:
    """A message for a user: one line, short, nothing a terminal would obey.

    Raises:
        Finding: it is not.
    """
    shown = message
    for name in names:
        shown = shown.replace(str(name), "FILE")
    if not shown.strip() or len(shown.splitlines()) != 1:
        raise Finding(f"the message is no single line: {shown!r:.300}")
    if len(_ESCAPE.sub("?", _LISTS.sub("", shown))) > _LONGEST or len(shown) > 4 * _LONGEST:
        raise Finding(f"the message has {len(shown)} characters: {shown!r:.400}")
    if odd := [c for c in shown if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp")]:
        raise Finding(f"the message holds control characters {odd[:5]!r}: {shown!r:.300}")
    if "Traceback" in shown or "object at 0x" in shown:
        raise Finding(f"the message is for programmers: {shown!r:.300}")


def limits(kind: Kind, size: int) -> tuple[float, float]:
    """Seconds of processor time and bytes of memory for an input of so many bytes."""
    size_mb = size / 1e6
    return kind.SECONDS + kind.SECONDS_PER_MB * size_mb, 1e6 * (kind.MEGABYTES + kind.MEGABYTES_PER_MB * size_mb)


def attempt(kind: Kind, case: Case) -> dict[str, Any]:
    """Try one input: how it went, and what it took."""
    data = case.data if case.name.endswith(".zip") else guard.fill(case.data)
    path = guard.folder / case.name
    path.write_bytes(data)
    seconds, memory = limits(kind, len(data))
    before = _peak_from_now()
    faulthandler.dump_traceback_later(seconds * 8 + _HANGS, exit=True)
    start = time.process_time()
    found: dict[str, Any] = {}
    try:
        with guard.watching():
            try:
                found["got"] = "accepted" if kind.check(path) else "refused"
            except MienError as error:
                check_line(str(error), path, path.parent)
                found["got"] = "refused"
    except Finding as error:
        found = {"got": "finding", "what": str(error), "same": re.sub(r"[\d.]+", "N", str(error))[:40]}
    except BaseException as error:
        lines = traceback.format_exc().splitlines()
        ours = [
            f"{f.filename.rpartition('/')[2]}:{f.lineno}"
            for f in traceback.extract_tb(error.__traceback__)
            if "/mien/" in f.filename
        ]
        where = ours[-1] if ours else ""
        found = {
            "got": "finding",
            "what": f"{where} {type(error).__name__}: {error!s:.300}",
            "same": f"{where} {type(error).__name__}",
            "traceback": lines[-40:],
        }
    took = time.process_time() - start
    peak = max(0, _peak() - before)
    if found["got"] != "finding" and (took > seconds or peak > memory):  # the first time may have paid for imports
        again, peak_again = _again(kind, path)
        took, peak = min(took, again), min(peak, peak_again)
    faulthandler.cancel_dump_traceback_later()
    if found["got"] != "finding":
        if took > seconds:
            found = {"got": "finding", "what": f"took {took:.1f} s of at most {seconds:.1f}", "same": "time"}
        elif peak > memory:
            what = f"took {peak / 1e6:.0f} MB of at most {memory / 1e6:.0f}"
            found = {"got": "finding", "what": what, "same": "memory"}
    shutil.rmtree(guard.folder, ignore_errors=True)
    guard.folder.mkdir(exist_ok=True)
    return found | {"s": round(took, 3), "mb": round(peak / 1e6, 1), "bytes": len(data)}


def _again(kind: Kind, path: Path) -> tuple[float, int]:
    """Seconds of processor time and bytes of memory that the same input takes a second time."""
    before, start = _peak_from_now(), time.process_time()
    with suppress(Exception), guard.watching():
        kind.check(path)
    return time.process_time() - start, max(0, _peak() - before)


def _peak_from_now() -> int:
    """Bytes that the process has now; its peak is counted anew where Linux lets it."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def _peak() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _limit_memory() -> None:
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + _ADDRESS_SPACE, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**30, 2**30))


def main(kinds: str, seed: str, start: str, count: str, seconds: str, folder: str, *files: str) -> None:
    """Try *count* inputs of each of the kinds from number *start* on, or as many as there is time for; or files.

    The input at hand lies in ``folder/current/``, those that are findings in ``folder/KIND-NUMBER/``.
    """
    global guard  # noqa: PLW0603 - kinds ask it to fill in stand-ins
    faulthandler.enable()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends it
    warnings.simplefilter("ignore")
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # standard output is for the answers alone

    def answer(**document: Any) -> None:
        print(json.dumps(document), file=answers, flush=True)

    work, current = Path(folder, "work"), Path(folder, "current")
    work.mkdir()
    current.mkdir()
    os.environ["TMPDIR"] = tempfile.tempdir = folder
    guard = Guard(work)
    for name in kinds.split(","):
        kind = kind_of(name)
        kind.prepare()
        _limit_memory()
        end = time.monotonic() + float(seconds)
        paths = [Path(file) for file in files if kind_in(Path(file)) == name]
        for number in range(int(start), len(paths) if files else int(start) + int(count)):
            if time.monotonic() > end:
                break
            path = paths[number] if files else None
            answer(kind=name, number=number)
            try:
                case = Case(path.name, path.read_bytes()) if path else case_of(name, int(seed), number)
            except Exception:
                case = Case("unmade.txt", traceback.format_exc().encode())
            (current / case.name).write_bytes(case.data)
            if case.name == "unmade.txt":
                what = "the fuzzer could not make it: " + case.data.decode().splitlines()[-1]
                found: dict[str, Any] = {"got": "finding", "what": what, "same": "unmade"}
            else:
                found = attempt(kind, case)
            if found["got"] == "finding":
                kept = Path(folder, f"{name}-{number}")
                kept.mkdir()
                (current / case.name).rename(kept / case.name)
            else:
                (current / case.name).unlink()
            answer(kind=name, number=number, **found)
    sys.stdout.flush()
    os._exit(0)  # threads of a library may still be at work on an input


def kind_in(path: Path) -> str:
    """The kind that a finding's folder names."""
    return path.absolute().parent.name.partition("-")[0]
