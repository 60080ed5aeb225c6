"""The files of a chat: one on disk, or those in a zip or a folder, each read a piece at a time."""

from __future__ import annotations

import os
import struct
import zipfile
import zlib
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path

from mien.datasets.lines import allowed_size, blocks, decoded_lines, gathered, open_binary, open_member, stream_blocks
from mien.errors import DataError

FILES_LIMIT = 100_000  # of a zip or folder
_HEAD = 2**16  # bytes by which a form is recognized
_HEAD_LINES = 200
_BROKEN = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, RuntimeError, NotImplementedError)


@dataclass(frozen=True)
class Document:
    """A file, on disk or in a zip.

    Attributes:
        path: on disk, of the zip where it is in one.
        member: its name in the zip; "" where it is none.
        label: how a chat calls it: its place in the zip or folder, such as "general/2024-03-12.json".
        encoding: of its text; None to find it out.
        archive: the zip where it is in one; its list of files is read once for all of them.
    """

    path: Path
    member: str = ""
    label: str = ""
    encoding: str | None = None
    archive: zipfile.ZipFile | None = None

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"{self.path}/{self.member}" if self.member else str(self.path)

    @property
    def short(self) -> str:
        """What the place of a message calls it."""
        return self.label or self.path.name

    @property
    def suffix(self) -> str:
        """The ending of its name."""
        return Path(self.member or self.path.name.removesuffix(".gz")).suffix.lower()

    def parts(self) -> Iterator[bytes]:
        """What is in it, a piece at a time.

        Raises:
            DataError: it cannot be read, or unpacks to far more than texts do.
        """
        if self.archive is None:
            with open_binary(self.path) as file:
                yield from blocks(file, self.path)
            return
        try:
            with open_member(self.archive, self.member, self.path) as stream:
                yield from gathered(stream_blocks(stream))  # type: ignore[arg-type]
        except DataError:
            raise
        except (*_BROKEN, OSError, KeyError) as error:
            raise DataError(f"{self.name} cannot be read: {' '.join(str(error).split())[:200]}") from error

    def lines(self) -> Iterator[str]:
        """Its lines without their ends, decoded as :mod:`mien.datasets.lines` says."""
        return (line.rstrip("\r\n") for line in decoded_lines(self.parts(), self.name, self.encoding))

    @cached_property
    def raw(self) -> bytes:
        """Its first bytes."""
        found = b""
        for part in self.parts():
            found += part
            if len(found) >= _HEAD:
                break
        return found[:_HEAD]

    @cached_property
    def head(self) -> list[str]:
        """Its first lines; none where it is no text."""
        found, size = list[str](), 0
        try:
            for line in islice(self.lines(), _HEAD_LINES):
                found.append(line)
                size += len(line)
                if size > _HEAD:
                    break
        except DataError:  # shows again, and is said, when all of it is read
            return []
        return found

    def forget(self) -> None:
        """Let go of its beginning: of a hundred thousand files they take gigabytes."""
        for name in ("raw", "head"):
            self.__dict__.pop(name, None)

    @property
    def state(self) -> tuple[int, ...]:
        """What changes when the file does."""
        try:
            found = os.stat(self.path)
        except OSError:
            return ()
        return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def documents_in(path: Path, suffixes: Container[str], encoding: str | None = None) -> list[Document]:
    """The files with these endings in a zip or a folder, in the order of their names, without hidden ones.

    Raises:
        DataError: it cannot be read, or holds too many.
    """
    found, size = list[Document](), 0
    archive = None if path.is_dir() else _archive(path)
    for label in _folder_names(path) if archive is None else _zip_names(archive):
        hidden = any(part.startswith((".", "__MACOSX")) for part in label.split("/"))
        if hidden or os.path.splitext(label)[1].lower() not in suffixes:
            continue
        if archive is None:
            found.append(Document(path / label, "", label, encoding))
        else:
            found.append(Document(path, label, label, encoding, archive))
            size += archive.getinfo(label).file_size
            if size > allowed_size(path):
                raise DataError(f"{path} unpacks to more than {allowed_size(path):,} bytes, which no texts do")
        if len(found) > FILES_LIMIT:
            raise DataError(f"{path} holds more than {FILES_LIMIT:,} files, too many for a chat")
    return sorted(found, key=lambda entry: entry.label)


def _zip_names(archive: zipfile.ZipFile) -> Iterable[str]:
    return dict.fromkeys(entry.filename for entry in archive.infolist() if not entry.is_dir())


def _archive(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except (*_BROKEN, OSError) as error:
        raise DataError(f"{path} is no zip that can be read: {' '.join(str(error).split())[:200]}") from error


def _folder_names(path: Path) -> Iterator[str]:
    for place, _, names in os.walk(path):
        files = (Path(place) / name for name in names)
        yield from (file.relative_to(path).as_posix() for file in files if file.is_file())
