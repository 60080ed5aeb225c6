"""The rows of a file that is being made, in ``FILE.part``, so that a command that is stopped is not begun anew.

A command that is stopped, by Ctrl-C, a full disk or a power cut, goes on from there when it is given again, to the same
bytes; ``FILE`` itself appears whole, when all rows are done.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any

from mien import __version__
from mien.errors import MienError
from mien.files import atomic_write, flush, open_locked, translate_os_errors
from mien.output.writer import FORMATS, Row, Rows

if TYPE_CHECKING:
    from mien.cli.inputs import Source
    from mien.modality import Predictor

_FORMAT = 2  # of FILE.part


class Journal:
    """The rows done so far, in ``FILE.part``: a line of JSON each, behind a first line that says what they depend on.

    They are added in chunks. Behind each stands ``#`` and the sha256 of all lines before it: what is behind the last
    that is right was torn or damaged, and is made again.

    Args:
        target: the file that is to be made.
        asked: whatever the rows depend on, by a name that a person knows, in values that JSON can hold.
        write: makes the file of the rows; by default as its ending in ``FORMATS`` says.
        say: told what is done with rows that were there.
        unit: what a row is called.
        again: whether the same rows come again when the inputs are read again; those of standard input do not.

    Attributes:
        done: rows that were there already.

    Raises:
        MienError: the file holds the rows of another call, or another process is writing it; or it cannot be written.
    """

    def __init__(
        self,
        target: Path,
        asked: Mapping[str, Any],
        write: Callable[[Path, Rows], None] | None = None,
        say: Callable[[str], object] = lambda _: None,
        unit: str = "rows",
        again: bool = True,
    ) -> None:
        self._write = write or FORMATS[target.suffix]
        self.target, self.path, self.done = target, target.with_name(target.name + ".part"), 0
        head = _line({"mien": _FORMAT, "asked": dict(asked)})
        busy = f"another process is writing {target}: wait for it, or name another file"
        with translate_os_errors(self.path):
            self._file = open_locked(self.path, busy)
            try:
                if not self._resume(head, say, unit, again):
                    self._end, self._sum = 0, hashlib.sha256()
                    os.ftruncate(self._file, 0)
                    self._add([head])
                    flush(self.path.parent)
            except BaseException:
                os.close(self._file)
                raise

    def _resume(self, head: bytes, say: Callable[[str], object], unit: str, again: bool) -> bool:
        """Find the rows that are whole and cut off what is behind them; False where there are none."""
        lines = end = 0
        found: bytes | None = None
        with self.path.open("rb") as file:
            for chunk, summed, place in _chunks(file):
                found = chunk[0] if found is None else found
                lines, self._sum, end = lines + len(chunk), summed, place
            file.seek(end)
            rest = Counter(line.startswith(b"#") for line in file)
        advice = f"delete {self.path} to begin anew, or name another file"
        if found is None:
            if rest[False] > 1:  # more than a head that is torn
                raise MienError(f"{self.path} is damaged, or of another version of mien: {advice}")
            return False
        if found != head or not again:
            if lines == 1:
                return False
            if not again:
                say(f"the {lines - 1:,} {unit} in {self.path} are of another standard input: begun anew")
                return False
            others = differing(json.loads(found)["asked"], json.loads(head)["asked"])
            raise MienError(
                f"{self.path} holds {lines - 1:,} {unit} of another call (not the same: {others}): {advice}"
            )
        os.ftruncate(self._file, end)
        self._end, self.done = end, lines - 1
        if rest[True]:  # a chunk that was whole once
            say(f"{self.path} is damaged from row {lines:,} on: from there it is made again")
        if self.done:
            say(f"going on after the {self.done:,} {unit} in {self.path}")
        return True

    def append(self, rows: Iterable[Row]) -> None:
        """Add a chunk of rows and see it to the disk."""
        with translate_os_errors(self.path):
            self._add([_line(row) for row in rows])

    def _add(self, lines: Sequence[bytes]) -> None:
        if not lines:
            return
        total = self._sum.copy()
        total.update(data := b"".join(lines))
        data += _check(total)
        try:
            os.lseek(self._file, self._end, os.SEEK_SET)
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(self._file, rest) :]
            os.fsync(self._file)
        except BaseException:  # half a chunk is no chunk
            with suppress(OSError):
                os.ftruncate(self._file, self._end)
            raise
        self._end, self._sum = self._end + len(data), total

    def rows(self) -> Iterator[Row]:
        """All rows, in order.

        Raises:
            MienError: they are not those that were added.
        """
        with self.path.open("rb") as file:
            before = end = 0
            for chunk, _, end in _chunks(file):
                yield from map(json.loads, chunk if before else ())  # the first is the head
                before = end
            if end != self._end:
                raise MienError(f"{self.path} was damaged while it was written: give the same command again")

    def finish(self) -> None:
        """Turn the rows into the target file and remove them."""
        with atomic_write(self.target) as scratch:
            self._write(scratch, self.rows)
        if os.name == "nt":  # which removes no open file
            os.close(self._file)
        self.path.unlink()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        with suppress(OSError):
            os.close(self._file)


def asked(predictor: Predictor, sources: Iterable[Source], options: Mapping[str, Any]) -> dict[str, Any]:
    """What the results of a call depend on: versions, the model with its labels, the inputs, and options.

    Args:
        options: all that ``mien predict`` was given; those that change no result are left out.
    """
    import onnxruntime

    free = ("inputs", "model", "as_json", "out", "batch_size", "engine", "workers")
    named = {"as" if name == "modality" else name: value for name, value in options.items() if name not in free}
    return {
        "version of mien": __version__,
        "version of onnxruntime": onnxruntime.__version__,
        "model": predictor.manifest.digest,
        "inputs": [source.identity() for source in sources],
        "MIEN_MAX_PIXELS": os.environ.get("MIEN_MAX_PIXELS"),
        **{f"--{name.replace('_', '-')}": value for name, value in named.items()},
    }


def _line(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def _check(total: Any) -> bytes:
    return f"#{total.hexdigest()}\n".encode()


def _chunks(file: IO[bytes]) -> Iterator[tuple[list[bytes], Any, int]]:
    """The chunks of a journal that are whole: lines, sum of all lines up to there, place behind."""
    total, chunk, end = hashlib.sha256(), list[bytes](), 0
    for line in file:
        end += len(line)
        if not line.startswith(b"#"):
            total.update(line)
            chunk.append(line)
        elif line == _check(total) and chunk:
            yield chunk, total.copy(), end
            chunk = []
        else:
            return


def differing(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """The names of what is not the same in two of those mappings that say what results depend on."""
    return ", ".join(name for name in sorted({*before, *now}) if before.get(name) != now.get(name))
