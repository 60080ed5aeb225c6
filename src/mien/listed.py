"""The files of a model folder, opened so that a stranger's folder shows and loads nothing else.

Regular files alone are opened, none through a link. What is loaded is the very bytes whose sha256 was checked.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Any, Protocol

from mien.errors import ModelError

_MOST = {".onnx": 2**31 - 1, ".json": 2**26, ".md": 2**20}  # bytes of a file that is read whole; protobuf ends at 2 GB
_DEEPEST = 64  # levels of a manifest


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
