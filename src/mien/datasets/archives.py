"""Files in zips: their lists without unpacking, and those that are needed unpacked once."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from mien.datasets.open import Progress, no_progress
from mien.errors import DataError


class Member(NamedTuple):
    """A file in a zip: the zip, its name there, folders and all, and its bytes when unpacked."""

    archive: Path
    name: str
    size: int


def members(archive: Path) -> list[Member]:
    """The files that a zip lists, in the order of their names; DataError where it is none, or cannot be read."""
    try:
        with zipfile.ZipFile(archive) as packed:
            entries = [entry for entry in packed.infolist() if not entry.is_dir()]
    except (zipfile.BadZipFile, OSError) as error:
        raise DataError(f"{archive} is no readable zip: {error}") from error
    return sorted(Member(archive, entry.filename, entry.file_size) for entry in entries)


def unpack(wanted: Sequence[Member], cache: Path | None, progress: Progress = no_progress) -> dict[Member, Path | str]:
    """Unpack files, each to ``cache/<zip>/<file>``; those that are there in full stay as they are.

    Args:
        wanted: the files.
        cache: the folder; None for a temporary one that is removed when the program ends.
        progress: shows how far it is.

    Returns:
        Each file's path, or why it cannot be unpacked.

    Raises:
        DataError: there is no room for them, or the folder cannot be written.
    """
    if not wanted:
        return {}
    try:
        if cache is None:
            cache = Path(tempfile.mkdtemp(prefix="mien-"))
            atexit.register(shutil.rmtree, cache, ignore_errors=True)
        cache.mkdir(parents=True, exist_ok=True)
        found: dict[Member, Path | str] = {}
        lacking: list[tuple[Member, Path]] = []
        for member in wanted:
            found[member] = path = cache / member.archive.stem / PurePosixPath(member.name).name
            if not (path.is_file() and path.stat().st_size == member.size):
                lacking.append((member, path))
        needed, free = sum(member.size for member, _ in lacking), shutil.disk_usage(cache).free
        if needed > free:
            raise DataError(
                f"unpacking {len(lacking)} files takes {needed / 1e9:.1f} GB, and {cache} has room for "
                f"{free / 1e9:.1f}: name another folder with cache=FOLDER"
            )
        with progress("unpacking", len(lacking)) as step, ExitStack() as opened:
            archives = {member.archive: None for member, _ in lacking}
            packed = {archive: opened.enter_context(zipfile.ZipFile(archive)) for archive in archives}
            for member, path in lacking:
                if fault := _extract(packed[member.archive], member, path):
                    found[member] = fault
                step(1)
    except OSError as error:
        raise DataError(f"cannot unpack into {cache}: {error.strerror or error}") from error
    return found


def _extract(packed: zipfile.ZipFile, member: Member, target: Path) -> str:
    """Write one file in full or not at all; return what is wrong with it, "" for nothing."""
    target.parent.mkdir(exist_ok=True)
    scratch = target.with_name(target.name + ".part")
    try:
        with packed.open(member.name) as source, scratch.open("wb") as file:
            shutil.copyfileobj(source, file, 1 << 20)
        os.replace(scratch, target)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
        return f"cannot be unpacked: {error}"  # damaged, encrypted, or packed in an unknown way
    finally:
        scratch.unlink(missing_ok=True)
    return ""
