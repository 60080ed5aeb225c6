"""Prediction in many processes or machines, by Ray Data: what ``mien predict --engine ray`` runs.

One task reads the inputs and cuts them into shards; others make the results of a shard each, with a model that their
process loads once, and write them (:mod:`mien.output.shards`). A task whose process or machine dies is made again
elsewhere. Shards stream from one to the other, so memory does not grow with their number. Needs the extra "scale".
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from mien.errors import MienError
from mien.modality import Predictor, answer_in, get_modality, load
from mien.output.rows import Row, RowFormat, plain_cells
from mien.output.shards import Plan, Shards
from mien.output.tables import parquet_types, write_parquet
from mien.results import BLENDSHAPES, ClipSummary, FaceAction, Moment, Person, Quality, Result
from mien.results.action import POINTS
from mien.runtime import count_characters, usable_threads

_BLOCK, _SHARD = 64, 2**25  # rows whose characters are counted together; characters of a shard


@dataclass(frozen=True)
class Job:
    """What is asked, as a worker has to know it."""

    model: Path  # its folder
    labels: str | None  # the label space to answer in; None for the model's own
    rows: RowFormat  # of a result
    inputs: Callable[[], Iterator[tuple[Any, Mapping[str, Any]]]]  # gives all of them, each with its columns
    options: Mapping[str, Any]  # of reading: batch_size; of pictures crops and landmarks; of clips fps and frames
    threads: int = 1  # that a worker computes with
    place: Path = field(default_factory=Path.cwd)  # the folder that relative paths are meant from
    language: str | None = None  # that texts are written in, where that was said


@lru_cache(maxsize=1)
def load_once(
    model: Path, labels: str | None, threads: int, language: str | None = None
) -> tuple[Predictor, Callable[[Result], Result]]:
    """What :func:`answer_in` gives, kept for the next shard of this process."""
    return answer_in(load(model, threads=threads), labels, language=language)


def make_shard(job: Job, shards: Shards, batch: Mapping[str, Sequence[Any]]) -> dict[str, list[int]]:
    """A task: make one shard of what :func:`read_shards` gives; returns how many inputs it had."""
    os.chdir(job.place)
    predictor, roll = load_once(job.model, job.labels, job.threads, job.language)
    number, pairs = int(batch["shard"][0]), json.loads(batch["inputs"][0])
    progress = shards.progress(number)
    with shards.write(number) as (scratch, tally):
        results = map(roll, _results(predictor, [item for item, _ in pairs], job, progress))
        read = zip(results, (columns for _, columns in pairs), strict=True)
        write_parquet(scratch, job.rows.counted(read, tally), shards.plan.columns)
    progress.unlink()
    return {"inputs": [len(pairs)]}


def _results(predictor: Predictor, items: list[str], job: Job, progress: Path) -> Iterator[Result]:
    """All results; where processes died over them one at a time, without an input that two died of."""
    deaths = progress.read_text().split() if progress.exists() else []  # the places where they were
    if not deaths:
        progress.write_text("all")
        yield from predictor.predict_many(items, **job.options)
    for place, item in enumerate(items if deaths else ()):
        if deaths.count(str(place)) > 1:
            why = "two processes that read it were killed"
            yield predictor.result(item, error=why if job.rows.kind == "text" else f"{item}: {why}")
        else:
            progress.write_text(" ".join([*deaths, str(place)]))
            yield from predictor.predict_many([item], **job.options)


def read_shards(job: Job, plan: Plan, done: Collection[int], _: Any = None) -> Iterator[dict[str, Any]]:
    """A task: the inputs of all shards but those that are done, as Ray Data passes them on: number and JSON.

    Always the same: Ray runs it again, and takes from it what was lost with a machine.
    """
    os.chdir(job.place)
    for number, some in plan.cut(job.inputs(), done):
        pairs = [(item, plain_cells(columns)) for item, columns in some]
        yield {"shard": [number], "inputs": [json.dumps(pairs).encode()]}


def run_on_ray(job: Job, shards: Shards, workers: int | None) -> Generator[int, None, None]:
    """Make the shards that are missing, on this machine or the cluster of RAY_ADDRESS.

    Gives the number of inputs of each that is done. *workers*: processes; by default one for each core.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray reports its use to its makers where not told otherwise
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # some releases warn where it is not set
    import ray.data

    cores, cluster = usable_threads(), os.environ.get("RAY_ADDRESS")
    threads = 1 if cluster else max(1, cores // (workers or cores))
    own: dict[str, Any] = {"address": "local", "num_cpus": threads * (workers or cores), "include_dashboard": False,
                           "object_store_memory": 2**28}  # fmt: skip # bytes of shards that wait for a worker
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):  # where Ray tells of workers that died
        try:
            ray.init(log_to_driver=False, logging_level="CRITICAL", **({} if cluster else own))
        except Exception as error:  # Ray raises bare ones too
            raise MienError(f"Ray does not start: {error}") from error
        try:
            context = ray.data.DataContext.get_current()
            context.enable_progress_bars = context.print_on_execution_start = False
            context.raise_original_map_exception = True
            context.target_max_block_size = 1  # each shard is handed on as soon as it is read
            logging.getLogger("ray.data").setLevel(logging.CRITICAL)
            read = partial(read_shards, job, shards.plan, set(shards.existing()))
            make = partial(make_shard, replace(job, threads=threads), shards)
            slots = workers or max(1, int(ray.cluster_resources().get("CPU", 1)))
            cut = ray.data.from_items([0]).map_batches(read, batch_size=None, num_cpus=0)
            made = cut.map_batches(make, batch_size=1, num_cpus=threads, concurrency=slots)
            yield from (int(row["inputs"]) for row in made.iter_rows())
        except ray.exceptions.RayError as error:
            if isinstance(cause := getattr(error, "cause", None), MienError):
                raise MienError(str(cause)) from error
            last = str(error).strip().splitlines()[-1]
            raise MienError(f"a worker failed: {last}; the parts that are done are kept in {shards.folder}") from error
        finally:
            ray.shutdown()  # ends the workers: nothing is being written any more


def plan_shards(job: Job, predictor: Predictor, roll: Callable[[Result], Result], workers: int | None) -> Plan:
    """How many inputs there are, in shards of which size, and which columns; runs through the inputs once."""
    example, seen = (
        roll(_example(predictor, bool(job.options.get("landmarks")))),
        set[tuple[str, ...]](),
    )  # columns of a table
    count, held, most_held = 0, 0, 1  # inputs; characters of a block of rows

    def samples() -> Iterator[Row]:
        nonlocal count, held, most_held
        for item, cells in job.inputs():
            columns = plain_cells(cells)
            if (names := tuple(columns)) not in seen:
                seen.add(names)
                yield from job.rows.rows(example, columns)
            yield columns
            held = count_characters((item, cells)) + (held if count % _BLOCK else 0)
            count, most_held = count + 1, max(most_held, held)

    columns = parquet_types(samples)
    # Texts are cut where one process alone cuts: the same are read together.
    least, most = {"text": (16 * job.options["batch_size"], 8192), "clip": (1, 8)}.get(job.rows.kind, (64, 1024))
    if (fitting := _BLOCK * max(1, _SHARD // most_held)) < most:
        least = most = fitting
    size = min(-(-count // (4 * (workers or usable_threads()))), most)  # all workers are done at about the same time
    return Plan(max(1, -(-size // least)) * least, count, columns)


def _example(predictor: Predictor, landmarks: bool = False) -> Result:
    """A result that has everything a result of this model can have."""
    scores = np.eye(1, len(predictor.space), dtype=np.float32)[0]
    ratings = np.array([entry.low for entry in predictor.manifest.ratings], np.float32)
    language = next((name for some in predictor.manifest.language_thresholds.values() for name in some), None)
    found = predictor.result("file", [scores], boxes=[(0.0, 0.0, 1.0, 1.0)], ratings=[ratings], language=language)
    (seen,) = found.items
    if "all_faces" in (modality := get_modality(predictor.manifest.modality)).options:
        seen = replace(seen, quality=Quality(1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0))
    if landmarks:
        points, coefficients = np.zeros((POINTS, 2), np.float32), np.zeros(len(BLENDSHAPES), np.float32)
        action = FaceAction(1.0, points, coefficients, dict.fromkeys(("yaw", "pitch", "roll"), 0.0))
        seen = replace(seen, action=action)
    # A whole clip has a quality only where the model tells a reliability.
    if modality.kind != "clip" or (predictor.manifest.reliability and predictor.space == predictor.manifest.space):
        found = replace(found, items=(seen,))
    moment, person = Moment(0.0, 1, seen), Person(1, found.items[0], 0.0, 0.0, 1)
    return replace(found, timeline=(moment,), people=(person,), clip=ClipSummary(0.0, 1, 1, 1, 0, "problem"))
