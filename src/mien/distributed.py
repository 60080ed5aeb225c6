"""Inputs read a part at a time, by workers that know nothing of each other: what ``mien predict --engine ray`` runs.

The inputs are cut into parts, a worker that loaded its model once reads what is in one, and writes the results itself
(:mod:`mien.output.shards`). Nothing here needs Ray; :mod:`mien.cli.ray` does.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mien.cli.inputs import Source
from mien.errors import MienError
from mien.modalities.text.predictor import BATCHES_AHEAD
from mien.modality import Predictor, answer_in, load
from mien.output.rows import Row, RowFormat, Tally, plain_cells
from mien.output.shards import Plan, ShardProgress, Shards
from mien.output.tables import parquet_types, write_parquet
from mien.results import ClipSummary, Moment, Person, Result
from mien.runtime import count_characters

_BLOCK, _PART = 64, 2**25  # rows whose characters are counted together; characters of a part


@dataclass(frozen=True)
class Job:
    """What is asked, as a worker has to know it.

    Attributes:
        model: its folder.
        rows: of a result.
        labels: the label space to answer in; None for the model's own.
        options: of reading: batch_size; of pictures crops; of clips fps and frames.
        threads: that a worker computes with.
        place: the folder that relative paths are meant from.
    """

    model: Path
    rows: RowFormat
    labels: str | None
    options: dict[str, Any]
    threads: int
    place: Path

    @property
    def clips(self) -> bool:
        """Whether the inputs are clips."""
        return self.rows.kind == "clip"


class Worker:
    """Reads parts and writes their results; an actor of Ray's, or used as it is."""

    def __init__(self, job: Job, parts: Shards) -> None:
        self.job, self.parts = job, parts
        os.chdir(job.place)
        self.model, self.roll = answer_in(load(job.model, threads=job.threads), job.labels)

    def __call__(self, batch: Mapping[str, Sequence[Any]]) -> dict[str, list[int]]:
        """Make one part of what :func:`batches` gives; tells how many inputs it had.

        An input that a predictor fails on in a way it does not foresee, or that the process dies of (a decoder that
        crashes, no memory left), has a row that says so.
        """
        number, pairs = int(batch["part"][0]), json.loads(batch["inputs"][0])
        progress = ShardProgress(self.parts.progress(number))
        results = map(self.roll, self._results([item for item, _ in pairs], progress))
        with self.parts.write(number) as (scratch, tally):
            write_parquet(scratch, self._rows(zip(results, pairs, strict=True), tally), self.parts.plan.columns)
        progress.end()
        return {"inputs": [len(pairs)]}

    def _rows(self, results: Iterable[tuple[Result, tuple[str, Row]]], tally: Tally) -> Iterator[Row]:
        for result, (_, columns) in results:
            tally.add(result, self.job.rows.kind)
            for row in self.job.rows.rows(result, columns):
                tally.rows += 1
                # As they would come out of a file of lines: half of a surrogate pair is no text.
                yield json.loads(json.dumps(row, ensure_ascii=False).encode("utf-8", "replace"))

    def _results(self, items: list[str], progress: ShardProgress) -> Iterator[Result]:
        if not progress.again and not self.job.clips:
            try:
                yield from list(self._read(items))
                return
            except MienError:
                raise
            except Exception:  # which input it is shows below
                pass
        for place, item in enumerate(items):
            if place in progress.deadly:
                yield self._failed(item, "two processes that read it were killed")
            else:
                progress.at(place)
                yield self._alone(item)

    def _alone(self, item: str) -> Result:
        try:
            return next(iter(self._read([item])))
        except Exception as error:
            return self.model.failed(item, error)

    def _failed(self, item: str, why: str) -> Result:
        return self.model.result(item, error=why if self.model.manifest.modality == "text" else f"{item}: {why}")

    def _read(self, items: list[str]) -> Iterable[Result]:
        return map(self._clip, items) if self.job.clips else self.model.predict_many(items, **self.job.options)

    def _clip(self, item: str) -> Result:
        model: Any = self.model  # one of clips or scenes
        try:
            reading = model.read(item, **self.job.options)
            for _ in reading:
                pass
            result: Result = reading.result()
        except Exception as error:
            return self.model.failed(item, error)
        return result


def batches(sources: Sequence[Source], parts: Shards, _: Any = None) -> Iterator[dict[str, Any]]:
    """The inputs of the shards that are missing, as Ray Data passes them on: number and JSON."""
    for number, chunk in parts.pending(row for source in sources for row in source.rows()):
        pairs = [(item, plain_cells(columns)) for item, columns in chunk]
        yield {"part": [number], "inputs": [json.dumps(pairs).encode()]}


def layout(
    job: Job, model: Predictor, roll: Callable[[Result], Result], sources: Sequence[Source], workers: int
) -> Plan:
    """How many inputs there are, in parts of which size, and which columns; runs through tables once."""
    example, count, held, most_held = _example(model, job.clips), 0, 0, 1  # characters of _BLOCK rows

    def samples() -> Iterator[Row]:
        nonlocal count, held, most_held
        if model.manifest.modality != "text":
            count = sum(source.total or 0 for source in sources)
            yield from job.rows.rows(roll(example), {})
            return
        for source in sources:
            for place, (text, cells) in enumerate(source.rows()):
                columns = plain_cells(cells)
                if place == 0:
                    yield from job.rows.rows(roll(example), columns)
                yield columns
                count += 1
                held = count_characters((text, cells)) + (held if count % _BLOCK else 0)
                most_held = max(most_held, held)

    columns = parquet_types(samples)
    least, most = (1, 8) if job.clips else (64, 1024)  # inputs of a part
    if model.manifest.modality == "text":  # cut where one process alone cuts: the same texts are read together
        least, most = BATCHES_AHEAD * job.options["batch_size"], 8192
        if (fitting := _BLOCK * max(1, _PART // most_held)) < most:
            least = most = fitting
    size = min(-(-count // (4 * workers)), most)  # small enough that all workers are done at about the same time
    return Plan(max(1, -(-size // least)) * least, count, columns)


def _example(model: Predictor, clips: bool) -> Result:
    """A result that has everything a result of this model can have."""
    scores, box = np.eye(1, len(model.space), dtype=np.float32)[0], (0.0, 0.0, 1.0, 1.0)
    ratings = np.array([entry.low for entry in model.manifest.ratings], np.float32)
    if model.manifest.modality == "text":
        return model.result("text", [scores])
    result = model.result("file", [scores], boxes=[box], ratings=[ratings])
    if not clips:
        return result
    whole, clip = model.prediction(scores, None, ratings), ClipSummary(0.0, 1, 1, 1, 0, "problem")
    moment, person = Moment(0.0, 1, result.items[0]), Person(1, whole, 0.0, 0.0, 1)
    return replace(result, items=(whole,), timeline=(moment,), people=(person,), clip=clip)
