"""While others send what is meant to stop it, the server answers `/healthz` within a quarter of a second."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from attacks import attacking
from serving import Server, serving

LONGEST = 0.25
SENT = (
    "combining marks", "emoji that unfold", "texts that unfold", "numbers", "lists", "escapes", "base64", "parts",
    "headers", "fragments",
)  # fmt: skip


@pytest.fixture(scope="module")
def target() -> Iterator[Server]:
    with serving("--model", "text-carer", "--model", "face", "--no-access-log") as running:
        yield running


def memory(server: Server, name: str = "VmRSS") -> float:
    """Megabytes that the server holds, or held at most (VmHWM)."""
    lines = Path(f"/proc/{server.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1000 for line in lines if line.startswith(name))


def waited(*pids: int | str) -> float:
    """Seconds for which the first threads of processes were ready to run while others had the cores."""
    try:
        return sum(int(Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()[1]) for pid in pids) / 1e9
    except OSError:
        return 0.0


def delay(server: Server) -> float:
    """Seconds until the server says that it is well, less those for which other processes kept it from its core."""
    own = str(Path("/proc/self").readlink()) if Path("/proc/self").exists() else ""
    before, start = waited(server.process.pid, own), time.perf_counter()
    assert server.get("/healthz").status == 200
    return time.perf_counter() - start - (waited(server.process.pid, own) - before)


@pytest.mark.parametrize("name", SENT)
def test_no_request_delays_the_health_check(target: Server, name: str) -> None:
    for seconds in (1, 2, 3, 3, 3):  # a machine may have something else to do
        longest = 0.0
        with attacking(target.port, name, seconds, 8) as attack:
            while attack.poll() is None:
                longest = max(longest, delay(target))
                time.sleep(0.01)
            assert attack.stdout is not None
            sent = int(attack.stdout.read())
        if sent and longest < LONGEST:
            break
    assert sent > 0
    assert longest < LONGEST
    assert target.is_well()


def test_the_memory_of_all_that_stayed_bounded(target: Server) -> None:
    if not Path("/proc/self/status").exists():
        pytest.skip("memory is read from /proc")
    assert memory(target, "VmHWM") < 1000
    assert memory(target) < 700
