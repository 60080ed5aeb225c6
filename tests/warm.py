"""Processes of mien that start at once: forked from one that has imported what mien imports.

Each is a process of its own, with its arguments, environment, folder, streams and signals. Only the imports are shared:
they take longer than most of what the tests ask for.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import gc
import importlib
import io
import json
import os
import pkgutil
import runpy
import socket
import subprocess
import sys
import threading
from functools import cache
from types import ModuleType
from typing import Any

#: What commands import late: to predict, to serve, to measure.
LIGHT = (
    "numpy", "onnxruntime", "PIL.Image", "pi_heif", "av", "tokenizers", "yaml", "pandas", "pyarrow.parquet", "jinja2",
    "matplotlib.pyplot", "fastapi", "uvicorn", "uvloop", "httptools", "websockets", "multipart", "prometheus_client",
)  # fmt: skip
#: And to train.
HEAVY = (*LIGHT, "torch", "lightning.fabric", "scipy.optimize", "sklearn.pipeline", "onnx", "mien.training.run")
#: Modules of mien that those who do not train have no need of, or that set variables for Ray.
_APART = ("mien.compat", "mien.distributed", "mien.networks", "mien.serve.scale", "mien.sklearn", "mien.training")
_TRAINS = (".__main__", ".sampler", ".augment", ".sequences")
_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER of prctl: orphans come to this process
_EARLY = ("PYTHON", "LANG", "LC_", "OMP_", "MPL", "ARROW_")  # variables that are read at start or import


class Popen(subprocess.Popen[Any]):
    """``subprocess.Popen`` for ``[sys.executable, "-c" or "-m", code or module, *arguments]``."""

    def _execute_child(self, args: Any, *rest: Any) -> None:
        (cwd, env), pipes = rest[4:6], rest[9:15]
        environment = dict(os.environ if env is None else env)
        changed = {key for key, _ in environment.items() ^ _environment().items()}
        if sys.platform != "linux" or any(key.startswith(_EARLY) for key in changed - {"PYTHONUNBUFFERED"}):
            super()._execute_child(args, *rest)  # type: ignore[misc]
            return
        order = {"args": list(map(os.fspath, args[1:])), "cwd": os.fspath(cwd or "."), "env": environment}
        streams = [pipe if pipe >= 0 else number for number, pipe in enumerate((pipes[0], pipes[3], pipes[5]))]
        heavy = not {"train", "export"}.isdisjoint(args)
        self.pid = _parent(heavy).fork(order, streams)
        self._child_created = True
        self._close_pipe_fds(*pipes)  # type: ignore[attr-defined]


def run(args: list[str], *, input: bytes | None = None, timeout: float = 300, **options: Any) -> Any:
    """``subprocess.run`` of the same, which keeps what is printed."""
    if input is not None:
        options["stdin"] = subprocess.PIPE
    with Popen(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options) as process:
        try:
            out, err = process.communicate(input, timeout)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(args, process.returncode, out, err)


@cache
def _environment() -> dict[str, str]:
    """The variables that parents start with."""
    from conftest import cli_env

    return cli_env()


@cache
def _parent(heavy: bool) -> _Parent:
    return _Parent(HEAVY if heavy else LIGHT)


class _Parent:
    """The process that has imported everything, as this process sees it."""

    def __init__(self, modules: tuple[str, ...]) -> None:
        self.line, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, __file__, str(theirs.fileno()), *modules]
            self.process = subprocess.Popen(
                command, pass_fds=[theirs.fileno()], env=_environment(), stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
        atexit.register(self.end)

    def fork(self, order: dict[str, Any], streams: list[int]) -> int:
        """Start a process; it becomes a child of this one. Returns its number."""
        prctl = ctypes.CDLL(None).prctl
        with open(os.memfd_create("order"), "w+") as file:
            json.dump(order, file)
            file.flush()
            prctl(_SUBREAPER, 1, 0, 0, 0)
            try:
                socket.send_fds(self.line, [b"1"], [file.fileno(), *streams])
                pid = int.from_bytes(self.line.recv(8, socket.MSG_WAITALL), "little")
            finally:
                prctl(_SUBREAPER, 0, 0, 0, 0)
        assert pid, "the process that has imported everything has died"
        return pid

    def end(self) -> None:
        self.line.close()
        self.process.wait()


def _import(modules: list[str]) -> None:
    import mien

    own = [found.name for found in pkgutil.walk_packages(mien.__path__, "mien.")]
    for name in [*modules, *(name for name in own if not name.startswith(_APART) and not name.endswith(_TRAINS))]:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    gc.collect()
    gc.freeze()


def _serve(line: socket.socket) -> dict[str, Any]:
    """Fork a process for each order; returns in those processes alone."""
    while True:
        asked, files, _, _ = socket.recv_fds(line, 1, 4)
        if not asked:
            os._exit(0)
        read, write = os.pipe()
        if middle := os.fork():
            pid = os.read(read, 8)
            os.waitpid(middle, 0)  # the new process is an orphan from now on
            for file in (read, write, *files):
                os.close(file)
            line.sendall(pid)
        elif pid := os.fork():
            os.write(write, pid.to_bytes(8, "little"))
            os._exit(0)
        else:
            line.close()
            for number, file in enumerate(files[1:]):
                os.dup2(file, number)
            with open(files[0], encoding="utf-8") as file:
                file.seek(0)
                order = json.load(file)
            for file in (read, write, *files[1:]):
                os.close(file)
            return order


def _become(order: dict[str, Any]) -> None:
    """Be the process that was asked for."""
    os.chdir(order["cwd"])
    for name in set(os.environ) - set(order["env"]) - {"ORT_DISABLE_TELEMETRY"}:
        del os.environ[name]
    os.environ.update(order["env"])
    at_once = bool(os.environ.get("PYTHONUNBUFFERED"))
    for number, name in enumerate(("stdin", "stdout", "stderr")):  # opened anew, as they are of another kind
        old = getattr(sys, name)
        raw = os.fdopen(number, "wb" if number else "rb", 0 if number and at_once else -1, closefd=False)
        new = io.TextIOWrapper(raw, old.encoding, old.errors, None, number == 2, at_once)
        setattr(sys, name, new)
    kind, what, *rest = order["args"]
    sys.argv, sys.path[0] = [kind, *rest], "" if kind == "-c" else os.getcwd()
    main = sys.modules["__main__"] = ModuleType("__main__")
    if kind == "-m":
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    else:
        exec(compile(what, "<string>", "exec"), vars(main))


def _end(code: int) -> None:
    """End as an interpreter does, but for taking down all its modules, which takes longer than most commands."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    with contextlib.suppress(OSError, ValueError):  # else the interpreter says what it says then
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    _import(sys.argv[2:])
    wanted = _serve(socket.socket(fileno=int(sys.argv[1])))
    try:
        _become(wanted)
    except SystemExit as end:
        if isinstance(end.code, int):
            _end(end.code)
        raise
    _end(0)
