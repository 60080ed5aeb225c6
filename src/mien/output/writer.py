"""Writers of results: one for each format of file, all used alike. A file appears whole, when all its rows are done.

::

    with open_writer(out, "text", manifest, key=key, size=1024) as writer:
        for inputs in writer.pending(all_inputs):
            for result, columns in predict(inputs):
                writer.write(result, columns)
"""

from __future__ import annotations

import json
import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, TypeVar

from mien import __version__
from mien.errors import InputError, MienError, require
from mien.files import atomic_write, translate_os_errors
from mien.modality import Kind, get_modality
from mien.model import Manifest
from mien.output.rows import Row, RowFormat, Tally, document_parts
from mien.output.shards import Plan, open_shards, opened
from mien.output.tables import TABLES
from mien.results import Result

T = TypeVar("T")
FORMATS = (".jsonl", *TABLES, ".html")
_DRAWN = {"picture": (".jpg", ".jpeg", ".png"), "clip": (".mp4",)}


def open_writer(
    target: Path,
    kind: Kind,
    manifest: Manifest,
    *,
    scores: bool = False,
    timeline: bool = False,
    taken: Iterable[str] = (),
    key: Mapping[str, Any] | None = None,
    size: int = 1024,
    restart: bool = False,
    log: Callable[[str], object] = lambda _: None,
) -> Writer:
    """The writer of a file; its ending says the format.

    Args:
        target: ``.jsonl``, ``.csv``, ``.tsv``, ``.parquet`` or ``.html``, with the results of any number of inputs; of
            one picture ``.jpg`` or ``.png``, of one clip ``.json`` or ``.mp4``.
        kind: of the inputs.
        manifest: of the model whose results they are.
        scores: whether tables have a column for the probability of every label.
        timeline: of tables of clips: whether each moment has a row, instead of each clip.
        taken: the names of the columns of all tables that go into the file.
        key: whatever the results depend on (:func:`resume_key`): a run that was stopped goes on
            where it was. Shards are made in any case, in the folder ``FILE.part``.
        size: inputs of a shard.
        restart: whether rows that are there are begun anew: those of standard input do not come again.
        log: called with a line about rows that are there, or are damaged.

    Raises:
        MienError: the file cannot be made, or ``FILE.part`` is in use or of another call.
    """
    drawn = _DRAWN.get(kind, ())
    if target.suffix.lower() in drawn:
        return DrawingWriter(target, kind, manifest)
    if target.suffix == ".json" and kind == "clip":
        return DocumentWriter(target, kind)
    check_target(target, (".json", *drawn) if kind == "clip" else drawn)
    rows = RowFormat(kind, scores, timeline, tuple(taken)) if target.suffix in TABLES else None
    return ShardWriter(target, kind, rows, manifest, Plan(size), key or {}, restart, log)


def check_target(target: Path, endings: Sequence[str] = (), *, folder: bool = False) -> None:
    """Refuse a file that cannot be made, before anything is computed; *endings* are allowed besides those of tables.

    Args:
        folder: whether it is one of Parquet shards, instead of a file.

    Raises:
        MienError: an unknown ending, a missing folder, or a folder of that name.
        MissingExtra: Parquet without pyarrow.
    """
    if folder and target.suffix in FORMATS:
        raise MienError(f"{target}: results go into a folder here, as Parquet parts; name it without {target.suffix}")
    if not folder and target.suffix not in (*FORMATS, *endings):
        known = ", ".join(dict.fromkeys((*FORMATS, *endings)))
        raise MienError(f"{target}: the ending says the format; there are: {known}")
    if target.exists() and folder != target.is_dir():
        is_one = "is a file; results go into a folder here" if folder else "is a folder; a file is meant"
        raise MienError(f"{target} {is_one}")
    if not target.parent.is_dir():
        raise MienError(f"{target}: the folder {target.parent} does not exist")
    if target.suffix == ".parquet":
        require("pyarrow", "table")


class Writer(ABC):
    """Writes the results of a call into one file, which is there when the writer is closed.

    Attributes:
        target: the file.
        tally: what the results come to, those of an earlier run that was stopped among them.
        done: inputs whose results are there already.
        part: where they are kept until the file is made; None where nothing is kept.
    """

    part: Path | None = None
    done = 0

    def __init__(self, target: Path, kind: Kind) -> None:
        self.target, self.kind, self.tally = target, kind, Tally()

    def pending(self, inputs: Iterable[T]) -> Iterator[Iterable[T]]:
        """The inputs that are still to be read, some at a time; between two of these what was written is kept."""
        yield inputs

    @abstractmethod
    def write(self, result: Result, columns: Mapping[str, Any] | None = None) -> None:
        """Add one result, of the next input; *columns* are the cells of its table's row."""

    @abstractmethod
    def close(self) -> None:
        """Make the file."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, error: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        if error is None:
            self.close()


class ShardWriter(Writer):
    """Keeps results in shards of lines, ``FILE.part/part-00000.jsonl``, …, and makes the file of them at the end."""

    def __init__(
        self,
        target: Path,
        kind: Kind,
        rows: RowFormat | None,
        manifest: Manifest,
        plan: Plan,
        key: Mapping[str, Any],
        restart: bool,
        log: Callable[[str], object],
    ) -> None:
        super().__init__(target, kind)
        self.part = part = target.with_name(target.name + ".part")
        self._rows, self._manifest, self._unit = rows, manifest, "clips" if kind == "clip" else "rows"
        self._pending: Generator[Iterable[Any], None, None] | None = None
        self._file: IO[str] | None = None
        self._now = Tally()  # of the shard that is being made
        advice = f"delete {part} to begin anew, or name another file"
        if part.is_file():
            raise MienError(f"{part} is of another version of mien: {advice}")
        with ExitStack() as stack:
            stack.enter_context(opened(part, target))
            self.shards = open_shards(
                part, key, lambda: plan, log, suffix=".jsonl", unit=self._unit, advice=advice, restart=restart
            )
            self.tally = self.shards.tally()
            self.done = self.tally.inputs
            if self.done:
                log(f"going on after the {self.done:,} {self._unit} in {part}")
            self._lock = stack.pop_all()

    def pending(self, inputs: Iterable[T]) -> Iterator[Iterable[T]]:
        """See :meth:`Writer.pending`: one shard at a time; the inputs of those that are there are passed over."""
        self._pending = pending = self._shards(inputs)
        return pending

    def _shards(self, inputs: Iterable[T]) -> Generator[Iterable[T], None, None]:
        for number, some in self.shards.pending(inputs):
            shard = self.shards.write(number)
            with shard as (scratch, self._now), scratch.open("w", encoding="utf-8", errors="replace") as self._file:
                yield some
            self.tally += self._now
            self.done = self.tally.inputs

    def write(self, result: Result, columns: Mapping[str, Any] | None = None) -> None:
        """See :meth:`Writer.write`; within a round of :meth:`pending`."""
        assert self._file is not None, "results are written in a round of pending()"
        with translate_os_errors(self.target):
            if self._rows is not None:
                for row in self._rows.counted([(result, columns or {})], self._now):
                    self._file.write(json.dumps(row, ensure_ascii=False) + "\n")
                return
            self._now.add(result, self.kind)
            self._now.rows += 1
            self._file.writelines(document_parts(result, columns))
            self._file.write("\n")

    def _all(self) -> Iterator[Row]:
        for number in self.shards.existing():
            with self.shards.path(number).open(encoding="utf-8") as file:
                yield from map(json.loads, file)

    def close(self) -> None:
        """See :meth:`Writer.close`."""
        with atomic_write(self.target) as scratch:
            if self.target.suffix == ".jsonl":
                with scratch.open("wb") as file:
                    for number in self.shards.existing():
                        with self.shards.path(number).open("rb") as shard:
                            shutil.copyfileobj(shard, file)
            elif self.target.suffix == ".html":
                from mien.output.html import write_page

                write_page(scratch, self._all(), self.kind, self._manifest)
            else:
                TABLES[self.target.suffix](scratch, self._all)
        self.shards.remove()

    def __exit__(self, error: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        with self._lock:
            if self._pending is not None:
                self._pending.close()  # leaves out a shard that is not through
            if error is not None:  # perhaps between a shard and its count
                self.done = self.shards.tally().inputs
                if not self.shards.existing():
                    self.shards.remove()
            super().__exit__(error, _, __)


class DocumentWriter(Writer):
    """Writes one clip as one JSON document."""

    def __init__(self, target: Path, kind: Kind) -> None:
        check_target(target, (target.suffix,))
        super().__init__(target, kind)

    def write(self, result: Result, columns: Mapping[str, Any] | None = None) -> None:
        """See :meth:`Writer.write`.

        Raises:
            InputError: the input was not read; or it is not the first, and the file holds one.
        """
        if self.done:
            raise InputError(f"{self.target} holds one {self.kind}; .html and .jsonl hold several")
        if result.error:
            raise InputError(result.error)
        self.done = 1
        self.tally.add(result, self.kind)
        self._make(result)

    def _make(self, result: Result) -> None:
        with atomic_write(self.target) as scratch, scratch.open("w", encoding="utf-8", errors="replace") as file:
            file.writelines(document_parts(result, lines=True))
            file.write("\n")

    def close(self) -> None:
        """See :meth:`Writer.close`; the file is made by then."""


class DrawingWriter(DocumentWriter):
    """Draws what was read into the picture or the clip."""

    def __init__(self, target: Path, kind: Kind, manifest: Manifest) -> None:
        super().__init__(target, kind)
        self._scales, reads = manifest.scales, get_modality(manifest.modality)
        if kind == "clip" and reads.kind != "clip":
            takes = "take a page (.html), .json or a table"
            raise InputError(f"{target}: marked clips are made of faces; of {manifest.modality}s {takes}")

    def _make(self, result: Result) -> None:
        if self.kind == "clip":
            _draw_clip(self.target, result)
            return
        from mien.media.images import read_picture
        from mien.output.draw import annotate, write_picture

        write_picture(self.target, annotate(read_picture(result.input), result, self._scales))


def _draw_clip(target: Path, result: Result) -> None:
    from mien.output.draw_clip import write_marked
    from mien.output.terminal import progress

    try:
        with progress(f"drawing {target.name}", result.clip.duration if result.clip else None, timed=True) as step:
            write_marked(target, result, step)
    except KeyboardInterrupt:
        raise MienError(f"stopped while {target} was drawn; it is not there") from None


def resume_key(digest: str | None, inputs: Sequence[Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """What results depend on: versions, the model, the inputs, and options of the command line."""
    import onnxruntime

    return {
        "version of mien": __version__,
        "version of onnxruntime": onnxruntime.__version__,
        "model": digest,
        "inputs": list(inputs),
        "MIEN_MAX_PIXELS": os.environ.get("MIEN_MAX_PIXELS"),
        **{f"--{name.replace('_', '-')}": value for name, value in options.items()},
    }
