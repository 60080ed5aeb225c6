"""The fuzzer's command: runs children one at a time, counts, and writes each finding down."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from fuzz import KINDS, child

_SLICE = 30.0  # seconds of a kind before the next one's turn
_KEPT = 3  # files of findings that look the same
_COLUMNS = ("inputs", "accepted", "refused", "findings", "slowest s", "most MB")


@dataclass
class Count:
    """What became of one kind's inputs."""

    inputs: int = 0
    got: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    largest: float = 0.0


@dataclass
class Run:
    """A run of the fuzzer.

    Attributes:
        seed: what all inputs follow from, together with their numbers.
        folder: where findings are written.
        counts: by kind.
        findings: what was found, in order.
    """

    seed: int
    folder: Path
    counts: dict[str, Count] = field(default_factory=dict)
    findings: list[dict[str, Any]] = field(default_factory=list)
    alike: Counter[tuple[str, str]] = field(default_factory=Counter)

    def slice(self, kinds: Sequence[str], start: int, count: int, seconds: float, files: Sequence[Path] = ()) -> None:
        """A child's turn: *count* inputs of each kind, or *seconds*; after a crash another child goes on behind it."""
        waiting, end = list(kinds), time.monotonic() + seconds * len(kinds)
        while waiting and (left := end - time.monotonic()) > 0:
            last = self._child(waiting, start, count, min(seconds, left), files)
            if "crash" not in last:
                return
            if "kind" not in last:
                raise RuntimeError(f"the fuzzer itself is broken: {last['crash']}\n" + "\n".join(last["traceback"]))
            done = last["number"] + 1 - start
            self.slice([last["kind"]], start + done, count - done, min(seconds, end - time.monotonic()), files)
            waiting = waiting[waiting.index(last["kind"]) + 1 :]

    def again(self, files: Sequence[Path]) -> None:
        """Try files of findings, each in a folder whose name begins with its kind."""
        for kind in dict.fromkeys(map(child.kind_in, files)):
            self.slice([kind], 0, 10**9, 3600, files)

    def _child(
        self, kinds: Sequence[str], start: int, count: int, seconds: float, files: Sequence[Path]
    ) -> dict[str, Any]:
        """The child's last answer, with "crash" where it did not come to its own end."""
        with tempfile.TemporaryDirectory(prefix="mien-fuzz-") as scratch, tempfile.TemporaryFile() as errors:
            numbers = (self.seed, start, count, seconds)
            command = [sys.executable, "-m", "fuzz", "child", ",".join(kinds), *map(str, numbers), scratch]
            last: dict[str, Any] = {}
            with subprocess.Popen(
                [*command, *(str(file.absolute()) for file in files)],
                stdout=subprocess.PIPE,
                stderr=errors,
                stdin=subprocess.DEVNULL,
                env=_environment(),
                text=True,
            ) as process:
                try:
                    assert process.stdout is not None
                    for line in process.stdout:
                        last = json.loads(line)
                        if "got" in last:
                            self._note(last, Path(scratch, f"{last['kind']}-{last['number']}"))
                    code = process.wait()
                finally:
                    process.kill()
            if code:
                errors.seek(0)
                said = errors.read().decode(errors="replace").splitlines()
                hung = any("Timeout" in line for line in said)
                what = "never ends" if hung else f"killed by signal {-code}" if code < 0 else f"exit code {code}"
                where = next((line.strip() for line in said if "/mien/" in line), "")
                last |= {"crash": f"{what} {where}", "traceback": said[-40:]}
                if "kind" in last and "got" not in last:
                    found = {"got": "finding", "what": last["crash"], "same": last["crash"][:60]}
                    self._note(last | found, Path(scratch, "current"))
            return last

    def _note(self, document: dict[str, Any], at: Path) -> None:
        """Count an answer; of a finding, whose file lies in the folder *at*, keep the file."""
        kind, number = document["kind"], document["number"]
        count = self.counts.setdefault(kind, Count())
        count.inputs += 1
        count.got[document["got"]] += 1
        count.slowest = max(count.slowest, document.get("s", 0))
        count.largest = max(count.largest, document.get("mb", 0))
        if document["got"] != "finding":
            return
        self.alike[kind, document["same"]] += 1
        if self.alike[kind, document["same"]] <= _KEPT:
            folder = self.folder / f"{kind}-{self.seed}-{number}"
            shutil.copytree(at, folder, dirs_exist_ok=True)
            path = next(folder.iterdir())
            again = f"PYTHONPATH=tests python -m fuzz --file {shlex.quote(str(path))}"
            self.findings.append(document | {"file": str(path), "again": again})

    def table(self) -> Table:
        """The counts."""
        table = Table("kind", *_COLUMNS, box=None, pad_edge=False, header_style="bold")
        for column in table.columns[1:]:
            column.justify = "right"
        for kind, count in self.counts.items():
            got = (f"{count.got[name]:,}" for name in ("accepted", "refused", "finding"))
            table.add_row(kind, f"{count.inputs:,}", *got, f"{count.slowest:.2f}", f"{count.largest:.0f}")
        return table


def _environment() -> dict[str, str]:
    tests = Path(__file__).parent.parent
    paths = [str(tests), str(tests.parent / "src"), os.environ.get("PYTHONPATH", "")]
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths)), "COLUMNS": "100", "NO_COLOR": "1"}


def fuzz(run: Run, kinds: Sequence[str], seconds: float, show: Callable[[], None]) -> None:
    """Kinds in turn until the time is up."""
    end, start = time.monotonic() + seconds, dict.fromkeys(kinds, 0)
    while (left := end - time.monotonic()) > 0:
        for kind in kinds:
            share = min(_SLICE, max(1.0, left / len(kinds)))
            run.slice([kind], start[kind], 10**9, min(share, max(1.0, end - time.monotonic())))
            start[kind] = run.counts[kind].inputs if kind in run.counts else 0
            show()


def main() -> int:
    """Exit code 1 where anything was found."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=None, help="by default another one each time")
    parser.add_argument("--kinds", default=" ".join(KINDS), help=f"some of: {' '.join(KINDS)}")
    parser.add_argument("--findings", type=Path, default=Path("findings"), help="the folder for them")
    parser.add_argument("--file", type=Path, nargs="+", help="try these findings once more, and nothing else")
    asked = parser.parse_args()
    seed = int.from_bytes(os.urandom(4), "big") if asked.seed is None else asked.seed
    run, kinds, console = Run(seed, asked.findings), asked.kinds.split(), Console(soft_wrap=not sys.stdout.isatty())
    if asked.file:
        run.folder = Path(tempfile.mkdtemp(prefix="mien-fuzz-again-"))
        run.again(asked.file)
    else:
        console.print(f"SEED={seed} MINUTES={asked.minutes:g} KINDS={' '.join(kinds)!r}")
        with Live(run.table(), console=console, auto_refresh=False, transient=True) as live:
            fuzz(run, kinds, asked.minutes * 60, lambda: live.update(run.table(), refresh=sys.stdout.isatty()))
    console.print(run.table())
    for found in run.findings:
        times = run.alike[found["kind"], found["same"]]
        console.print(f"\n{found['kind']} {found['number']} ({times:,} alike): {found['what']}", markup=False)
        console.print(f"    {found['again']}", markup=False)
        if asked.file:
            console.print("\n".join(found.get("traceback", ())), markup=False)
    return int(bool(run.findings))


if __name__ == "__main__":
    if sys.argv[1:2] == ["child"]:
        child.main(*sys.argv[2:])
    sys.exit(main())
