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
from mien.modality import Predictor, answer_in, count_characters, load
from mien.output.clip_tables import clip_row, moment_rows
from mien.output.shards import Parts, Plan, Trail, cut
from mien.output.writer import Row, face_rows, parquet_types, plain_cell, row_of
from mien.results import ClipSummary, Moment, Person, Result

_BLOCK, _PART = 64, 2**25  # rows whose characters are counted together; characters of a part


@dataclass(frozen=True)
class Job:
    """What is asked, as a worker has to know it.

    Attributes:
        model: its folder.
        clips: whether the inputs are clips.
        labels: the label space to answer in; None for the model's own.
        scores: whether every label's probability has a column.
        timeline: of clips: a row for each moment.
        options: of reading: batch_size; of pictures crops; of clips fps and frames.
        threads: that a worker computes with.
        place: the folder that relative paths are meant from.
        taken: the names of the columns of all tables; see :func:`mien.output.writer.own_name`.
    """

    model: Path
    clips: bool
    labels: str | None
    scores: bool
    timeline: bool
    options: dict[str, Any]
    threads: int
    place: Path
    taken: tuple[str, ...] = ()

    def rows(self, result: Result, columns: Mapping[str, Any]) -> Iterable[Row]:
        """A result as it stands in a Parquet file of ``mien predict``."""
        if self.clips:
            row = result.to_dict()
            return moment_rows(row, self.scores) if self.timeline else [clip_row(row, self.scores)]
        if result.modality in ("face", "scene"):
            return face_rows(row_of(result, columns, ".jsonl", self.scores), self.scores)
        return [row_of(result, columns, ".parquet", self.scores, self.taken)]


class Worker:
    """Reads parts and writes their results; an actor of Ray's, or used as it is."""

    def __init__(self, job: Job, parts: Parts) -> None:
        self.job, self.parts = job, parts
        os.chdir(job.place)
        self.model, self.roll = answer_in(load(job.model, threads=job.threads), job.labels)

    def __call__(self, batch: Mapping[str, Sequence[Any]]) -> dict[str, list[int]]:
        """Make one part of what :func:`batches` gives; tells how many inputs it had.

        An input that a predictor fails on in a way it does not foresee, or that the process dies of (a decoder that
        crashes, no memory left), has a row that says so.
        """
        number, pairs = int(batch["part"][0]), json.loads(batch["inputs"][0])
        trail = Trail(self.parts.trail(number))
        results = self._results([item for item, _ in pairs], trail)
        of = ((self.roll(result), columns) for result, (_, columns) in zip(results, pairs, strict=True))
        self.parts.write(number, (row for result, columns in of for row in self.job.rows(result, columns)))
        trail.end()
        return {"inputs": [len(pairs)]}

    def _results(self, items: list[str], trail: Trail) -> Iterator[Result]:
        if not trail.again and not self.job.clips:
            try:
                yield from list(self._read(items))
                return
            except MienError:
                raise
            except Exception:  # which input it is shows below
                pass
        for place, item in enumerate(items):
            if place in trail.deadly:
                yield self._failed(item, "two processes that read it were killed")
            else:
                trail.at(place)
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


def batches(sources: Sequence[Source], parts: Parts, wanted: Sequence[int], _: Any = None) -> Iterator[dict[str, Any]]:
    """The inputs of the parts wanted, one after the other, as Ray Data passes them on: number and JSON."""
    rows = (row for source in sources for row in source.rows())
    for number, chunk in cut(rows, parts.plan.size, wanted):
        pairs = [(item, {name: plain_cell(cell) for name, cell in columns.items()}) for item, columns in chunk]
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
            yield from job.rows(roll(example), {})
            return
        for source in sources:
            for place, (text, cells) in enumerate(source.rows()):
                columns = {name: plain_cell(cell) for name, cell in cells.items()}
                if place == 0:
                    yield from job.rows(roll(example), columns)
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
    return Plan(count, max(1, -(-size // least)) * least, columns)


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
