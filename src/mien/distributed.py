"""Prediction in many processes or machines, by Ray Data: what ``mien predict --engine ray`` runs.

The inputs are cut into shards. One task reads and cuts them; others make the results of a shard each, with a model that
their process loads once, and write them (:mod:`mien.output.shards`). A task whose process or machine dies is made again
elsewhere. Shards stream from one to the other, so memory does not grow with their number. Needs the extra "scale".
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from mien.errors import MienError, require
from mien.modality import Predictor, answer_in, load
from mien.output.rows import Row, RowFormat, Tally, plain_cells
from mien.output.shards import Plan, ShardProgress, Shards
from mien.output.tables import parquet_types, write_parquet
from mien.results import ClipSummary, Moment, Person, Result
from mien.runtime import count_characters, usable_threads

Rows = Callable[[], Iterator[tuple[Any, Mapping[str, Any]]]]  # gives all inputs, each with its columns
_BLOCK, _SHARD = 64, 2**25  # rows whose characters are counted together; characters of a shard
_AHEAD = 256 * 2**20  # bytes of shards that wait for a worker
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # Ray reports its use to its makers where not told otherwise
    "RAY_IGNORE_UNHANDLED_ERRORS": "1",  # those that matter come back to us
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


@dataclass(frozen=True)
class Job:
    """What is asked, as a worker has to know it.

    Attributes:
        model: its folder.
        rows: of a result.
        labels: the label space to answer in; None for the model's own.
        options: of reading: batch_size; of pictures crops; of clips fps and frames.
        place: the folder that relative paths are meant from.
        threads: that a worker computes with.
    """

    model: Path
    rows: RowFormat
    labels: str | None
    options: Mapping[str, Any]
    place: Path
    threads: int = 1


class Worker:
    """Makes shards with a model that it loads once."""

    def __init__(self, job: Job, shards: Shards) -> None:
        self.job, self.shards = job, shards
        os.chdir(job.place)
        self.predictor, self._roll = answer_in(load(job.model, threads=job.threads), job.labels)

    def __call__(self, batch: Mapping[str, Sequence[Any]]) -> dict[str, list[int]]:
        """Make one shard of what :func:`batches` gives; returns how many inputs it had.

        An input that two processes died of (a decoder that crashes, no memory left) has a row that says so.
        """
        number, pairs = int(batch["shard"][0]), json.loads(batch["inputs"][0])
        progress = ShardProgress(self.shards.progress(number))
        with self.shards.write(number) as (scratch, tally):
            write_parquet(scratch, self._rows(pairs, progress, tally), self.shards.plan.columns)
        progress.end()
        return {"inputs": [len(pairs)]}

    def _rows(self, pairs: list[tuple[str, Row]], progress: ShardProgress, tally: Tally) -> Iterator[Row]:
        results = map(self._roll, self._results([item for item, _ in pairs], progress))
        for result, (_, columns) in zip(results, pairs, strict=True):
            tally.add(result, self.job.rows.kind)
            for row in self.job.rows.rows(result, columns):
                tally.rows += 1
                # As they would come out of a file of lines: half of a surrogate pair is no text.
                yield json.loads(json.dumps(row, ensure_ascii=False).encode("utf-8", "replace"))

    def _results(self, items: list[str], progress: ShardProgress) -> Iterator[Result]:
        predict: Callable[..., Iterator[Result]] = partial(self.predictor.predict_many, **self.job.options)
        if not progress.again:
            yield from predict(items)
            return
        for place, item in enumerate(items):  # a process died: one at a time, so that it shows over which input
            if place in progress.deadly:
                why = "two processes that read it were killed"
                yield self.predictor.result(item, error=why if self.job.rows.kind == "text" else f"{item}: {why}")
            else:
                progress.at(place)
                yield from predict([item])


_workers: dict[str, Worker] = {}  # of this process: one


def make_shard(job: Job, shards: Shards, batch: Mapping[str, Sequence[Any]]) -> dict[str, list[int]]:
    """A task: make one shard, with the worker of this process."""
    if (worker := _workers.get(key := repr((job, shards.folder)))) is None:
        _workers.clear()
        worker = _workers[key] = Worker(job, shards)
    return worker(batch)


def batches(rows: Rows, plan: Plan, wanted: Collection[int], place: Path, _: Any = None) -> Iterator[dict[str, Any]]:
    """A task: the inputs of the shards that are wanted, as Ray Data passes them on: number and JSON.

    Always the same: Ray runs it again, and takes from it what was lost with a machine.
    """
    os.chdir(place)
    source = iter(rows())
    for number in range(plan.shards):
        some = list(islice(source, plan.size))
        if number in wanted:
            pairs = [(item, plain_cells(columns)) for item, columns in some]
            yield {"shard": [number], "inputs": [json.dumps(pairs).encode()]}


def run_on_ray(
    ray: Any, job: Job, shards: Shards, rows: Rows, workers: int | None = None
) -> Generator[int, None, None]:
    """Make the shards that are missing; gives the number of inputs of each that is done.

    Args:
        ray: what :func:`require_ray` gives.
        rows: see :data:`Rows`; is sent to the machine that reads them.
        workers: processes; by default one for each core.
    """
    with _started(ray, workers) as (slots, threads):
        from ray import data

        context = data.DataContext.get_current()
        context.enable_progress_bars = context.print_on_execution_start = False
        context.target_max_block_size = 1  # each shard is handed on as soon as it is read
        logging.getLogger("ray.data").setLevel(logging.CRITICAL)
        read = partial(batches, rows, shards.plan, set(shards.missing()), job.place)
        make = partial(make_shard, replace(job, threads=threads), shards)
        stream = (
            data.from_items([0])
            .map_batches(read, batch_size=None, num_cpus=0)
            .map_batches(make, batch_size=1, num_cpus=threads, concurrency=slots)
        )
        try:
            for row in stream.iter_rows():
                yield int(row["inputs"])
        except ray.exceptions.RayError as error:
            raise _foreseen(error, shards) from error


def require_ray() -> Any:
    """Ray, told to be quiet.

    Raises:
        MissingExtra: the packages of the extra "scale" are not installed.
    """
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    ray, *_ = (require(name, "scale") for name in ("ray", "ray.data", "pyarrow"))
    return ray


@contextmanager
def _started(ray: Any, workers: int | None) -> Iterator[tuple[int, int]]:
    """Ray on this machine, or the cluster of RAY_ADDRESS; gives the number of workers, and the threads of each."""
    cores, cluster = usable_threads(), os.environ.get("RAY_ADDRESS")
    threads = 1 if cluster else max(1, cores // (workers or cores))
    own: dict[str, Any] = {"address": "local", "num_cpus": threads * (workers or cores), "include_dashboard": False,
                           "object_store_memory": _AHEAD}  # fmt: skip
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):  # where Ray tells of workers that it ended
        try:
            ray.init(log_to_driver=False, logging_level="CRITICAL", **({} if cluster else own))
        except (OSError, RuntimeError, ValueError) as error:
            raise MienError(f"Ray does not start: {' '.join(str(error).split())}") from error
        try:
            yield workers or max(1, int(ray.cluster_resources().get("CPU", 1))), threads
        finally:
            ray.shutdown()  # ends the workers: nothing is being written any more


def _foreseen(error: BaseException, shards: Shards) -> MienError:
    """What a worker raised on purpose, or else the first line of what went wrong in it."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, MienError):
            return MienError(str(getattr(cause, "cause", cause)))
        cause = cause.__cause__
    last = str(error).strip().splitlines()[-1]
    return MienError(f"a worker failed: {last}; the parts that are done are kept in {shards.folder}")


def plan_shards(
    job: Job, predictor: Predictor, roll: Callable[[Result], Result], rows: Rows, total: int | None, workers: int | None
) -> Plan:
    """How many inputs there are, in shards of which size, and which columns; runs through tables once."""
    kind, example = job.rows.kind, _example(predictor, job.rows.kind)
    count, held, most_held = 0, 0, 1  # inputs; characters of a block of rows

    def samples() -> Iterator[Row]:
        nonlocal count, held, most_held
        if kind != "text":
            count = total or 0
            yield from job.rows.rows(roll(example), {})
            return
        seen: set[tuple[str, ...]] = set()  # columns of a table
        for item, cells in rows():
            columns = plain_cells(cells)
            if (names := tuple(columns)) not in seen:
                seen.add(names)
                yield from job.rows.rows(roll(example), columns)
            yield columns
            count += 1
            held = count_characters((item, cells)) + (held if count % _BLOCK else 0)
            most_held = max(most_held, held)

    columns = parquet_types(samples)
    least, most = (1, 8) if kind == "clip" else (64, 1024)  # inputs of a shard
    if kind == "text":  # cut where one process alone cuts: the same texts are read together
        least, most = 16 * job.options["batch_size"], 8192
        if (fitting := _BLOCK * max(1, _SHARD // most_held)) < most:
            least = most = fitting
    size = min(-(-count // (4 * (workers or usable_threads()))), most)  # all workers are done at about the same time
    return Plan(max(1, -(-size // least)) * least, count, columns)


def _example(predictor: Predictor, kind: str) -> Result:
    """A result that has everything a result of this model can have."""
    scores, box = np.eye(1, len(predictor.space), dtype=np.float32)[0], (0.0, 0.0, 1.0, 1.0)
    if kind == "text":
        return predictor.result("text", [scores])
    ratings = np.array([entry.low for entry in predictor.manifest.ratings], np.float32)
    result = predictor.result("file", [scores], boxes=[box], ratings=[ratings])
    if kind != "clip":
        return result
    whole, summary = predictor.prediction(scores, None, ratings), ClipSummary(0.0, 1, 1, 1, 0, "problem")
    moment, person = Moment(0.0, 1, result.items[0]), Person(1, whole, 0.0, 0.0, 1)
    return replace(result, items=(whole,), timeline=(moment,), people=(person,), clip=summary)


def check_folder(folder: Path) -> None:
    """Refuse a folder of results that cannot be made, before anything is computed; raises MienError."""
    from mien.output.writer import FORMATS

    if folder.suffix in FORMATS:
        raise MienError(f"{folder}: results go into a folder here, as Parquet parts; name it without {folder.suffix}")
    if folder.exists() and not folder.is_dir():
        raise MienError(f"{folder} is a file; results go into a folder here")
    if not folder.parent.is_dir():
        raise MienError(f"{folder}: the folder {folder.parent} does not exist")
