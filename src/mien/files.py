"""Files written whole or not at all, locks on files and folders, and files of model folders opened safely.

A lock is the kernel's (``flock``) and goes with the process that held it, however that ended. Windows has none: there
no two processes may be given the same name to write.

Of a model folder regular files alone are opened, none through a link. What is loaded is the very bytes whose sha256 was
checked.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import json
import os
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path
from typing import Any, Protocol

from mien.errors import MienError, ModelError

fcntl: Any = importlib.import_module("fcntl") if importlib.util.find_spec("fcntl") else None

_EVERY = 0.05  # seconds between two attempts
_MOST = {".onnx": 2**31 - 1, ".json": 2**26, ".md": 2**20}  # bytes of a file that is read whole; protobuf ends at 2 GB
_DEEPEST = 64  # levels of a manifest


def open_locked(path: Path, busy: str, wait: float = 0.0) -> int:
    """A descriptor of a file that no other process holds, made if it is not there; to close it gives the lock back.

    Args:
        path: of the file, or of a folder that is there.
        busy: the message where another process holds it.
        wait: seconds to wait for that process.

    Raises:
        MienError: another process holds it.
        OSError: it cannot be opened.
    """
    flags = os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0)
    until = time.monotonic() + wait
    while True:
        file = os.open(path, flags, 0o666)
        try:
            if _take(file):
                if _is_there(file, path):
                    return file
            elif time.monotonic() >= until:
                raise MienError(busy)
            else:
                time.sleep(_EVERY)
        except BaseException:
            os.close(file)
            raise
        os.close(file)


@contextmanager
def locked(path: Path, busy: str, wait: float = 0.0) -> Iterator[None]:
    """Hold the lock of a file or folder; see :func:`open_locked`."""
    if fcntl is None:  # where an open file can be neither replaced nor removed
        yield
        return
    file = open_locked(path, busy, wait)
    try:
        yield
    finally:
        os.close(file)


class Held:
    """The lock of an existing folder, for as long as this object is there; see :func:`open_locked`."""

    def __init__(self, folder: Path, busy: str) -> None:
        self._file = None if fcntl is None else open_locked(folder, busy)

    def __del__(self) -> None:
        if (file := getattr(self, "_file", None)) is not None:
            os.close(file)


def flush(path: Path) -> None:
    """See a file, or the names in a folder, to the disk itself, where they outlive a power cut."""
    if path.is_dir() and os.name == "nt":
        return
    file = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def _take(file: int) -> bool:
    if fcntl is None:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system that knows no locks
        return True
    return True


def _is_there(file: int, path: Path) -> bool:
    """Whether the name is still that of the open file: who held it before may have moved or removed it."""
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(file), os.stat(path))
    return False


@contextmanager
def atomic_write(target: Path, wait: float = 0.0) -> Iterator[Path]:
    """A scratch file that takes the target's place when the block is through, and is gone when it fails.

    Args:
        wait: seconds to wait for another process that is writing the same.
    """
    made = scratch_path(target)
    with translate_os_errors(target), locked(made, f"another process is writing {target}", wait):
        try:
            yield made
            flush(made)
            os.replace(made, target)
            flush(target.parent)
        finally:
            made.unlink(missing_ok=True)


def scratch_path(target: Path) -> Path:
    """Where a file is written before it takes its place."""
    return target.with_name(target.name + ".tmp")


class translate_os_errors:  # noqa: N801 - reads as a verb: with translate_os_errors(path): ...
    """Turns an OSError in its block into one clear line that names the file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, OSError):
            raise MienError(f"cannot write {self.path}: {error.strerror or error}") from error


class Entry(Protocol):
    """What a manifest says of a file."""

    sha256: str
    bytes: int


@contextmanager
def open_regular(path: Path) -> Iterator[BufferedReader]:
    """A regular file, open for reading; a link, a pipe, a device or a folder is not opened.

    Raises:
        ModelError: it is missing, or none; one line that says which.
    """
    try:
        before = os.lstat(path)  # a device may act on being opened
        if not stat.S_ISREG(before.st_mode):
            what = "a link" if stat.S_ISLNK(before.st_mode) else "no regular file"
            raise ModelError(f"{path} is {what}: a model folder holds plain files alone")
        flags = [getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY", "O_CLOEXEC")]
        with open(os.open(path, os.O_RDONLY | sum(flags)), "rb") as file:
            if not os.path.samestat(before, os.fstat(file.fileno())):
                raise ModelError(f"{path} was exchanged while it was opened")
            yield file
    except FileNotFoundError as error:
        raise ModelError(f"{path} is missing") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in its name
        raise ModelError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error


def read_regular(path: Path) -> bytes:
    """A regular file whole, if it is of a size that such a file can have; Raises ModelError."""
    with open_regular(path) as file:
        most = _MOST.get(path.suffix, 0)
        data = file.read(min(os.fstat(file.fileno()).st_size, most) + 1)
        if len(data) > most:
            raise ModelError(f"{path} is larger than {most:,} bytes")
        return data


def read_json(path: Path) -> Any:
    """The JSON document in a regular file; Raises ModelError: it is none, or nested too deeply."""
    try:
        document = json.loads(read_regular(path).decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path} cannot be read: {error}") from error
    level = [document]
    for _ in range(_DEEPEST):
        inner = (node.values() if isinstance(node, dict) else node for node in level if isinstance(node, dict | list))
        level = [child for children in inner for child in children]
    if level:
        raise ModelError(f"{path} is nested deeper than {_DEEPEST} levels")
    return document


def digest_of(document: Mapping[str, Any]) -> str:
    """The digest of a manifest, as JSON has it: of all but the digest itself."""
    rest = {key: value for key, value in document.items() if key != "digest"}
    told = json.dumps(rest, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(told.encode('utf-8', 'surrogatepass')).hexdigest()}"


def sha256(path: Path) -> str:
    """The file's sha256 in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_listed(folder: Path, name: str, entry: Entry) -> bytes:
    """A file of the folder whole, byte for byte as the manifest has it; Raises ModelError."""
    path = _inside(folder, name)
    if entry.bytes > _MOST.get(path.suffix, 0):
        raise ModelError(f"{path} is larger than {_MOST.get(path.suffix, 0):,} bytes")
    data = read_regular(path)
    if len(data) != entry.bytes or hashlib.sha256(data).hexdigest() != entry.sha256:
        raise _differs(path)
    return data


def check_listed(folder: Path, name: str, entry: Entry) -> None:
    """See that a file of the folder is byte for byte as the manifest has it, however large; Raises ModelError."""
    path = _inside(folder, name)
    with open_regular(path) as file:
        same_size = os.fstat(file.fileno()).st_size == entry.bytes
        if not same_size or hashlib.file_digest(file, "sha256").hexdigest() != entry.sha256:
            raise _differs(path)


def _inside(folder: Path, name: str) -> Path:
    if Path(name).name != name or name in ("", ".", ".."):
        raise ModelError(f"{folder / 'manifest.json'} lists {name!r}, which points outside the folder")
    return folder / name


def _differs(path: Path) -> ModelError:
    return ModelError(f"{path} is not the file that was written (sha256 differs): fetch or train it again")
