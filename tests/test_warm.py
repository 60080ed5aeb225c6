"""A process that starts at once is as good as one that Python starts."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import warm
from conftest import cli_env

CODES = {
    "tells": "import os, sys; print(sys.argv, os.getcwd(), os.environ['MIEN_TOLD'], sys.stdin.read(), __name__)",
    "says what is wrong": "import sys; sys.exit('wrong')",
    "ends with 3": "import sys; sys.exit(3)",
    "raises": "1 / 0",
    "is killed": "import os; os.kill(os.getpid(), 9)",
    "has more to do": "import atexit, threading; atexit.register(print, 1); threading.Timer(0.1, print, [2]).start()",
    "writes bytes": "import sys; print('😀'); sys.stdout.buffer.write(b'\\xff'); print('err', file=sys.stderr)",
}


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("name", CODES)
def test_it_does_what_a_new_python_does(tmp_path: Path, name: str, unbuffered: str) -> None:
    def done(start: Callable[..., Any]) -> tuple[int, bytes, bytes]:
        env = {**cli_env(), "MIEN_TOLD": "so", "PYTHONUNBUFFERED": unbuffered}
        command = [sys.executable, "-c", CODES[name], "a", "--b", "ü\udcff"]
        with start(command, cwd=tmp_path, env=env, stdin=-1, stdout=-1, stderr=-1) as process:
            out, err = process.communicate(b"given")
        return process.returncode, out, err.splitlines()[-1:]

    assert done(warm.Popen) == done(subprocess.Popen)


def test_it_takes_signals() -> None:
    code = "import time; print(1, flush=True); time.sleep(60)"
    with warm.Popen([sys.executable, "-c", code], env=cli_env(), stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"1\n"
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == -signal.SIGTERM


def test_modules_are_there_but_not_torch() -> None:
    code = "import sys; sys.exit('torch' in sys.modules or 'onnxruntime' not in sys.modules)"
    assert warm.run([sys.executable, "-c", code], env=cli_env()).returncode == (0 if sys.platform == "linux" else 1)
