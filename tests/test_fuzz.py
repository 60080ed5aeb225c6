"""The fuzzer, shortly, with a fixed seed; and whether it finds what was planted."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from conftest import cli_env
from fuzz import KINDS
from fuzz.__main__ import Run

TESTS = Path(__file__).parent
#: What the planted faults of fuzz/kinds/planted.py are reported as.
PLANTED = (
    *("ValueError: a fault", "no single line", "301 characters", "control characters", "took 1.", "took 80 MB"),
    *("socket.", "opened the canary's file", "open for writing", "os.system", "killed by signal"),
)
#: Kinds of which an input takes milliseconds.
QUICK = ("pictures", "clips", "pickles", "recipes")


def test_no_input_of_any_kind_is_a_finding(tmp_path: Path) -> None:
    run = Run(seed=1, folder=tmp_path)
    run.slice([kind for kind in KINDS if kind in QUICK], start=0, count=60, seconds=300)
    run.slice([kind for kind in KINDS if kind not in QUICK], start=0, count=10, seconds=300)
    assert not run.findings, "\n".join(f"{found['what']}\n    {found['again']}" for found in run.findings)
    assert {kind: count.inputs for kind, count in run.counts.items()} == {
        kind: 60 if kind in QUICK else 10 for kind in KINDS
    }
    for got in ("accepted", "refused"):
        assert sum(count.got[got] for count in run.counts.values()) > 60


def test_what_was_planted_is_found_and_found_again(tmp_path: Path) -> None:
    run = Run(seed=253, folder=tmp_path)  # in which each of them is soon planted
    run.slice(["planted"], start=0, count=15, seconds=300)
    for what in PLANTED:
        assert any(what in found["what"] for found in run.findings), what
    assert {"accepted", "refused"} <= set(run.counts["planted"].got)
    first = next(found for found in run.findings if "a fault" in found["what"])
    command = [sys.executable, *first["again"].split()[2:]]
    environment = cli_env() | {"PYTHONPATH": os.pathsep.join((str(TESTS), cli_env()["PYTHONPATH"]))}
    again = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)
    assert again.returncode == 1
    assert "ValueError: a fault" in again.stdout
